/* Conditions on whole columns: a bit a row, cleared by each condition that the row fails. */

#include <string.h>

#include "simd/simd.h"
#include "txn/scan_internal.h"

#define MASK_WORDS (BATCH_ROW_COUNT_MAX / 64)

/* The values that a comparison with an integer lets through; false when there are none. */
static bool range_of(uint8_t compare, int64_t value, int64_t *low, int64_t *high)
{
    switch ((enum scan_compare)compare) {
    case SCAN_EQUAL:
        *low = *high = value;
        return true;
    case SCAN_LESS:
        *high = value - (value != INT64_MIN);
        return value != INT64_MIN;
    case SCAN_LESS_EQUAL:
        *high = value;
        return true;
    case SCAN_GREATER:
        *low = value + (value != INT64_MAX);
        return value != INT64_MAX;
    case SCAN_GREATER_EQUAL:
        *low = value;
        return true;
    case SCAN_IS_NULL:
    case SCAN_IS_NOT_NULL:
        break;
    }
    return true;
}

static bool is_integer(struct type type)
{
    enum physical physical = type_physical(type);
    return (physical == PHYSICAL_4 || physical == PHYSICAL_8) && type.id != TYPE_FLOAT4 &&
           type.id != TYPE_FLOAT8;
}

static bool order_matches(uint8_t compare, int order)
{
    switch ((enum scan_compare)compare) {
    case SCAN_EQUAL:
        return order == 0;
    case SCAN_LESS:
        return order < 0;
    case SCAN_LESS_EQUAL:
        return order <= 0;
    case SCAN_GREATER:
        return order > 0;
    case SCAN_GREATER_EQUAL:
        return order >= 0;
    case SCAN_IS_NULL:
    case SCAN_IS_NOT_NULL:
        break;
    }
    return false;
}

static bool value_matches(const struct column *column, uint32_t row,
                          const struct scan_condition *condition)
{
    struct datum value;
    column_get(column, row, &value);
    return !value.is_null &&
           order_matches(condition->compare, datum_compare(&value, &condition->value));
}

/* Each value of a dictionary is compared once. */
static bool match_dictionary(const struct column *column, const struct scan_condition *condition,
                             uint64_t *mask, struct arena *arena)
{
    uint32_t size = column->dictionary->row_count;
    uint8_t *good = arena_alloc(arena, size + 1u);
    if (good == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        good[i] = value_matches(column->dictionary, i, condition);
    }
    for (uint32_t i = 0; i < column->row_count; i += 64) {
        uint32_t end = column->row_count - i < 64 ? column->row_count - i : 64;
        uint64_t bits = 0;
        for (uint32_t b = 0; b < end; b++) {
            bits |= (uint64_t)good[column->codes[i + b]] << b;
        }
        mask[i / 64] &= bits;
    }
    return true;
}

/* Text equal to a short text: two words. */
static void match_short_text(const struct column *column, const struct scan_condition *condition,
                             uint64_t *mask)
{
    struct view wanted = view_of(condition->value.bytes);
    const struct view *views = column->data;
    for (uint32_t i = 0; i < column->row_count; i++) {
        bool same = memcmp(&views[i], &wanted, sizeof wanted) == 0;
        mask[i / 64] &= ~((uint64_t)!same << (i % 64));
    }
}

static void match_rows(const struct column *column, const struct scan_condition *condition,
                       uint64_t *mask)
{
    for (uint32_t i = 0; i < column->row_count; i++) {
        if ((mask[i / 64] >> (i % 64) & 1) != 0 && !value_matches(column, i, condition)) {
            mask[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
    }
}

static void match_nulls(const struct column *column, bool wanted, uint64_t *mask)
{
    for (uint32_t i = 0; i < column->row_count; i++) {
        if (column_is_null(column, i) != wanted) {
            mask[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
    }
}

static void match_integers(const struct column *column, const struct scan_condition *condition,
                           uint64_t *mask)
{
    bool narrow = type_physical(column->type) == PHYSICAL_4;
    int64_t low = narrow ? INT32_MIN : INT64_MIN;
    int64_t high = narrow ? INT32_MAX : INT64_MAX;
    int64_t least = low;
    int64_t most = high;
    bool some = range_of(condition->compare, condition->value.integer, &low, &high);
    low = low < least ? least : low;
    high = high > most ? most : high;
    if (!some || low > high) {
        memset(mask, 0, MASK_WORDS * sizeof *mask);
    } else if (narrow) {
        simd->range_i32(column->data, column->row_count, (int32_t)low, (int32_t)high, mask);
    } else {
        simd->range_i64(column->data, column->row_count, low, high, mask);
    }
}

static bool match_one(const struct column *column, const struct scan_condition *condition,
                      uint64_t *mask, struct arena *arena)
{
    if (condition->compare == SCAN_IS_NULL || condition->compare == SCAN_IS_NOT_NULL) {
        match_nulls(column, condition->compare == SCAN_IS_NULL, mask);
        return true;
    }
    if (condition->value.is_null) {
        memset(mask, 0, MASK_WORDS * sizeof *mask);
        return true;
    }
    if (column->form == COLUMN_CONSTANT) {
        if (!value_matches(column, 0, condition)) {
            memset(mask, 0, MASK_WORDS * sizeof *mask);
        }
        return true;
    }
    if (column->validity != NULL) {
        for (uint32_t i = 0; i < (column->row_count + 63) / 64; i++) {
            mask[i] &= column->validity[i];
        }
    }
    if (column->form == COLUMN_DICTIONARY) {
        return match_dictionary(column, condition, mask, arena);
    }
    if (is_integer(column->type)) {
        match_integers(column, condition, mask);
    } else if (column->type.id == TYPE_TEXT && condition->compare == SCAN_EQUAL &&
               condition->value.bytes.size <= VIEW_INLINE_SIZE_MAX && column->validity == NULL) {
        match_short_text(column, condition, mask);
    } else {
        match_rows(column, condition, mask);
    }
    return true;
}

tdbplus_status scan_match(const struct scan *scan, struct batch *batch, struct err *err)
{
    uint64_t mask[MASK_WORDS];
    uint32_t row_count = batch->row_count;
    uint16_t *rows = arena_alloc(&batch->arena, (row_count + 16u) * sizeof *rows);
    bool good = rows != NULL && row_count <= BATCH_ROW_COUNT_MAX;
    memset(mask, batch->selection == NULL ? 0xFF : 0, sizeof mask);
    for (uint32_t i = 0; batch->selection != NULL && i < batch->selected_count; i++) {
        mask[batch->selection[i] / 64] |= (uint64_t)1 << (batch->selection[i] % 64);
    }
    for (uint32_t i = 0; good && i < scan->options.condition_count; i++) {
        const struct column *column = &batch->columns[scan->condition_fetch[i]];
        good = match_one(column, &scan->options.conditions[i], mask, &batch->arena);
    }
    if (!good) {
        return err_set(err, TDBPLUS_E_NOMEM, "scan: a selection does not fit in memory");
    }
    uint32_t count = (uint32_t)simd->mask_rows(mask, row_count, rows);
    if (count < row_count) {
        batch->selection = rows;
        batch->selected_count = count;
    }
    return TDBPLUS_OK;
}
