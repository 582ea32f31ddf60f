/* What the rows of a batch do to the states of their groups. */

#include <string.h>

#include "simd/simd.h"
#include "sql/exec/exec_aggregation.h"

#define FLOAT_LANES  16u
#define SUM_HIGH_MAX ((int64_t)1 << 61)

/* ---- the rows of one aggregate ---- */

/* What is left of the rows after FILTER and DISTINCT, with the group's payload of each; NULL in
 * `payloads`: all rows are of the one group. */
struct chosen {
    struct func_rows rows;
    uint8_t **payloads;
};

static tdbplus_status copy_chosen(struct aggregation *aggregation, const struct eval *eval,
                                  const struct chosen *from, uint16_t **rows_out,
                                  uint8_t ***payloads_out)
{
    uint32_t count = from->rows.count;
    *rows_out = arena_alloc(eval->arena, (count + 1u) * sizeof(uint16_t));
    *payloads_out = arena_alloc(eval->arena, (count + 1u) * sizeof(uint8_t *));
    if (*rows_out == NULL || *payloads_out == NULL) {
        return exec_no_memory(aggregation->exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        (*rows_out)[i] = (uint16_t)rows_at(&from->rows, i);
        (*payloads_out)[i] = from->payloads == NULL ? aggregation->total : from->payloads[i];
    }
    return TDBPLUS_OK;
}

static tdbplus_status choose_filtered(struct aggregation *aggregation,
                                      const struct aggregate_slot *slot, const struct eval *eval,
                                      struct chosen *chosen)
{
    struct func_rows kept = {0};
    uint16_t *rows = NULL;
    uint8_t **payloads = NULL;
    TRY(eval_filter(eval, slot->filter, &chosen->rows, &kept));
    TRY(copy_chosen(aggregation, eval, chosen, &rows, &payloads));
    uint32_t from = 0;
    for (uint32_t i = 0; i < kept.count; i++, from++) {
        while (rows[from] != kept.rows[i]) {
            from++;
        }
        rows[i] = kept.rows[i];
        payloads[i] = payloads[from];
    }
    chosen->rows = (struct func_rows){rows, kept.count, kept.row_count};
    chosen->payloads = chosen->payloads == NULL ? NULL : payloads;
    return TDBPLUS_OK;
}

/* A row is kept when its group meets the value for the first time. */
static tdbplus_status choose_distinct(struct aggregation *aggregation, struct aggregate_slot *slot,
                                      const struct eval *eval, const struct column *arguments,
                                      struct chosen *chosen)
{
    struct exec *exec = aggregation->exec;
    uint32_t count = chosen->rows.count;
    uint16_t *rows = NULL;
    uint8_t **payloads = NULL;
    TRY(copy_chosen(aggregation, eval, chosen, &rows, &payloads));
    struct column columns[3] = {0};
    struct key_rows keys = {0};
    memcpy(&columns[1], arguments, slot->plan->argument_count * sizeof *arguments);
    uint8_t **records = arena_alloc(eval->arena, (count + 1u) * sizeof *records);
    uint16_t *fresh = arena_alloc(eval->arena, (count + 1u) * sizeof *fresh);
    if (records == NULL || fresh == NULL ||
        !column_make(&columns[0], type_of(TYPE_INT4), chosen->rows.row_count, false, eval->arena)) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy((int32_t *)columns[0].data + rows[i], payloads[i], sizeof(int32_t));
    }
    TRY(key_rows_make(exec, &slot->seen.layout, columns, &chosen->rows, eval->arena, &keys));
    uint32_t kept = 0;
    TRY(group_table_add(&slot->seen, exec, &keys, count, records, fresh, &kept));
    for (uint32_t i = 0; i < kept; i++) {
        rows[i] = rows[fresh[i]];
        payloads[i] = payloads[fresh[i]];
    }
    chosen->rows = (struct func_rows){rows, kept, chosen->rows.row_count};
    chosen->payloads = chosen->payloads == NULL ? NULL : payloads;
    return TDBPLUS_OK;
}

/* ---- few groups ---- */

tdbplus_status grouping_room(struct aggregation *aggregation, struct grouping *grouping,
                             const struct func_rows *rows, struct arena *arena)
{
    grouping->payloads = arena_alloc(arena, (rows->count + 1u) * sizeof *grouping->payloads);
    return grouping->payloads == NULL ? exec_no_memory(aggregation->exec) : TDBPLUS_OK;
}

/* For slots that look at one row after the other. */
static tdbplus_status list_payloads(struct aggregation *aggregation, struct grouping *grouping,
                                    const struct func_rows *rows, struct arena *arena)
{
    if (grouping->payloads != NULL || grouping->numbers == NULL) {
        return TDBPLUS_OK;
    }
    TRY(grouping_room(aggregation, grouping, rows, arena));
    for (uint32_t i = 0; i < rows->count; i++) {
        grouping->payloads[i] = grouping->few[grouping->numbers[rows_at(rows, i)]];
    }
    return TDBPLUS_OK;
}

static void count_few(struct grouping *grouping, const struct func_rows *rows)
{
    if (!grouping->counted) {
        simd->count_groups(grouping->numbers, rows->row_count, grouping->few_count,
                           grouping->few_rows);
        grouping->counted = true;
    }
}

/* A batch's numbers so small cannot leave 64 bits together. */
static bool sums_fit(uint64_t bound)
{
    return bound < (uint64_t)INT64_MAX / BATCH_ROW_COUNT_MAX;
}

static void count_in_few(const struct aggregate_slot *slot, const struct grouping *grouping)
{
    for (uint32_t g = 0; g < grouping->few_count; g++) {
        *(int64_t *)(void *)(grouping->few[g] + slot->offset) += (int64_t)grouping->few_rows[g];
    }
}

static bool sum_in_few(const struct aggregate_slot *slot, const struct column *argument,
                       const struct func_rows *rows, const struct grouping *grouping)
{
    int64_t sums[FEW_GROUPS_MAX] = {0};
    if (argument->validity != NULL || argument->form != COLUMN_FLAT) {
        return false;
    }
    if (type_physical(argument->type) == PHYSICAL_4) {
        simd->sum_groups_i32(argument->data, grouping->numbers, rows->row_count,
                             grouping->few_count, sums);
    } else if (type_physical(argument->type) == PHYSICAL_8 &&
               sums_fit(simd->spread_i64(argument->data, rows->row_count))) {
        simd->sum_groups_i64(argument->data, grouping->numbers, rows->row_count,
                             grouping->few_count, sums);
    } else {
        return false;
    }
    for (uint32_t g = 0; g < grouping->few_count; g++) {
        struct aggregate_integer_sum *sum = (void *)(grouping->few[g] + slot->offset);
        sum->sum += sums[g];
        sum->count += (int64_t)grouping->few_rows[g];
    }
    return true;
}

/* Adds what a batch's rows of one group sum up to. */
static tdbplus_status add_decimals(struct aggregation *aggregation, struct decimal_sum *sum,
                                   wide_int value, uint64_t row_count, uint8_t scale)
{
    wide_int total;
    if (__builtin_add_overflow(sum->sum, value, &total)) {
        TRY(decimal_sum_flush(aggregation->exec, sum, scale, &aggregation->data));
        total = value;
    }
    sum->sum = total;
    sum->count += (int64_t)row_count;
    sum->scale = scale;
    return TDBPLUS_OK;
}

static tdbplus_status sum_decimals_in_few(struct aggregation *aggregation,
                                          const struct aggregate_slot *slot,
                                          const struct decimal_values *values,
                                          const struct func_rows *rows, struct grouping *grouping)
{
    int64_t sums[FEW_GROUPS_MAX] = {0};
    count_few(grouping, rows);
    simd->sum_groups_i64(values->narrow, grouping->numbers, rows->row_count, grouping->few_count,
                         sums);
    for (uint32_t g = 0; g < grouping->few_count; g++) {
        if (grouping->few_rows[g] > 0) {
            TRY(add_decimals(aggregation, (void *)(grouping->few[g] + slot->offset), sums[g],
                             grouping->few_rows[g], values->scale));
        }
    }
    return TDBPLUS_OK;
}

/* ---- states ---- */

static void *state_at(const struct aggregation *aggregation, const struct aggregate_slot *slot,
                      const struct chosen *chosen, uint32_t i)
{
    return (chosen->payloads == NULL ? aggregation->total : chosen->payloads[i]) + slot->offset;
}

static void update_count(const struct aggregation *aggregation, const struct aggregate_slot *slot,
                         const struct column *argument, const struct chosen *chosen)
{
    bool nullable = argument != NULL && (argument->validity != NULL);
    if (!nullable && chosen->payloads == NULL) {
        *(int64_t *)state_at(aggregation, slot, chosen, 0) += chosen->rows.count;
        return;
    }
    for (uint32_t i = 0; i < chosen->rows.count; i++) {
        if (!nullable || !column_is_null(argument, rows_at(&chosen->rows, i))) {
            *(int64_t *)state_at(aggregation, slot, chosen, i) += 1;
        }
    }
}

/* Sums of a batch's int4 cannot leave 64 bits; those of int8 are cut into halves that cannot. */
#define SUM_ALL(CTYPE)                                               \
    do {                                                             \
        const CTYPE *values = argument->data;                        \
        for (uint32_t i = 0; i < rows->count; i++) {                 \
            const int64_t value = (int64_t)values[rows_at(rows, i)]; \
            low += value & 0xFFFFFFFF;                               \
            high += value >> 32;                                     \
        }                                                            \
    } while (0)

static int64_t sum_plain4(const int32_t *values, uint32_t count)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return sum;
}

/* One group, no nulls, a value a row. */
static wide_int sum_rows(const struct column *argument, const struct func_rows *rows)
{
    int64_t low = 0;
    int64_t high = 0;
    switch ((int)type_physical(argument->type)) {
    case PHYSICAL_2:
        SUM_ALL(int16_t);
        break;
    case PHYSICAL_4:
        if (rows->rows == NULL) {
            return sum_plain4(argument->data, rows->count);
        }
        SUM_ALL(int32_t);
        break;
    default:
        SUM_ALL(int64_t);
        break;
    }
    return (wide_int)high * ((wide_int)1 << 32) + low;
}

#define SUM_GROUPS(CTYPE)                                                                   \
    do {                                                                                    \
        const CTYPE *values = argument->data;                                               \
        for (uint32_t i = 0; i < chosen->rows.count; i++) {                                 \
            uint32_t row = rows_at(&chosen->rows, i);                                       \
            if (argument->validity == NULL || !column_is_null(argument, row)) {             \
                struct aggregate_integer_sum *sum = state_at(aggregation, slot, chosen, i); \
                sum->sum += (int64_t)values[row & mask];                                    \
                sum->count++;                                                               \
            }                                                                               \
        }                                                                                   \
    } while (0)

static void update_integer(const struct aggregation *aggregation, const struct aggregate_slot *slot,
                           const struct column *argument, const struct chosen *chosen)
{
    uint32_t mask = argument->form == COLUMN_CONSTANT ? 0 : UINT32_MAX;
    if (chosen->payloads == NULL && argument->validity == NULL && mask != 0) {
        struct aggregate_integer_sum *sum = state_at(aggregation, slot, chosen, 0);
        sum->sum += sum_rows(argument, &chosen->rows);
        sum->count += chosen->rows.count;
        return;
    }
    switch ((int)type_physical(argument->type)) {
    case PHYSICAL_2:
        SUM_GROUPS(int16_t);
        break;
    case PHYSICAL_4:
        SUM_GROUPS(int32_t);
        break;
    default:
        SUM_GROUPS(int64_t);
        break;
    }
}

/* Lanes of fixed order, so that every instruction set adds the same way. */
static double sum_lanes(const double *values, const struct func_rows *rows)
{
    double lanes[FLOAT_LANES] = {0};
    uint32_t whole = rows->count / FLOAT_LANES * FLOAT_LANES;
    for (uint32_t i = 0; i < whole; i += FLOAT_LANES) {
        for (uint32_t l = 0; l < FLOAT_LANES; l++) {
            lanes[l] += values[rows_at(rows, i + l)];
        }
    }
    for (uint32_t i = whole; i < rows->count; i++) {
        lanes[i - whole] += values[rows_at(rows, i)];
    }
    for (uint32_t width = FLOAT_LANES / 2; width > 0; width /= 2) {
        for (uint32_t l = 0; l < width; l++) {
            lanes[l] += lanes[l + width];
        }
    }
    return lanes[0];
}

static void update_float(const struct aggregation *aggregation, const struct aggregate_slot *slot,
                         const struct column *argument, const struct chosen *chosen)
{
    const double *values = argument->data;
    uint32_t mask = argument->form == COLUMN_CONSTANT ? 0 : UINT32_MAX;
    bool nullable = argument->validity != NULL;
    if (chosen->payloads == NULL && !nullable && mask != 0 &&
        chosen->rows.count >= 4 * FLOAT_LANES) {
        struct aggregate_float_sum *sum = state_at(aggregation, slot, chosen, 0);
        sum->sum += sum_lanes(values, &chosen->rows);
        sum->count += chosen->rows.count;
        return;
    }
    for (uint32_t i = 0; i < chosen->rows.count; i++) {
        uint32_t row = rows_at(&chosen->rows, i);
        if (!nullable || !column_is_null(argument, row)) {
            struct aggregate_float_sum *sum = state_at(aggregation, slot, chosen, i);
            sum->sum += values[row & mask];
            sum->count++;
        }
    }
}

static bool row_valid(const uint64_t *validity, uint32_t row)
{
    return validity == NULL || (validity[row / 64] >> (row % 64) & 1) != 0;
}

/* Without nulls and other oddities, where numbers of a batch cannot leave 64 bits. */
static tdbplus_status sum_narrow(struct aggregation *aggregation, const struct aggregate_slot *slot,
                                 const struct decimal_values *values, const struct chosen *chosen)
{
    const struct func_rows *rows = &chosen->rows;
    if (chosen->payloads == NULL) {
        wide_int total = 0;
        if (rows->rows == NULL && sums_fit(values->bound)) {
            total = simd->sum_i64(values->narrow, rows->count);
        } else {
            int64_t low = 0;
            int64_t high = 0;
            for (uint32_t i = 0; i < rows->count; i++) {
                int64_t value = values->narrow[rows_at(rows, i)];
                low += value & 0xFFFFFFFF;
                high += value >> 32;
            }
            total = (wide_int)high * ((wide_int)1 << 32) + low;
        }
        return add_decimals(aggregation, state_at(aggregation, slot, chosen, 0), total, rows->count,
                            values->scale);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        struct decimal_sum *sum = (void *)(chosen->payloads[i] + slot->offset);
        int64_t value = values->narrow[rows_at(rows, i)];
        // Far from both ends of 128 bits nothing that has 64 can leave them.
        int64_t high = (int64_t)(sum->sum >> 64);
        if (high > SUM_HIGH_MAX || high < -SUM_HIGH_MAX) {
            TRY(decimal_sum_flush(aggregation->exec, sum, values->scale, &aggregation->data));
        }
        sum->sum += value;
        sum->count++;
        sum->scale = values->scale;
    }
    return TDBPLUS_OK;
}

static tdbplus_status sum_any(struct aggregation *aggregation, const struct aggregate_slot *slot,
                              const struct decimal_values *values, const struct chosen *chosen)
{
    for (uint32_t i = 0; i < chosen->rows.count; i++) {
        uint32_t row = rows_at(&chosen->rows, i);
        if (!row_valid(values->validity, row)) {
            continue;
        }
        struct decimal_sum *sum = state_at(aggregation, slot, chosen, i);
        wide_int value = values->narrow != NULL ? values->narrow[row] : values->wide[row];
        if (!decimal_sum_add(sum, value)) {
            TRY(decimal_sum_flush(aggregation->exec, sum, values->scale, &aggregation->data));
            (void)decimal_sum_add(sum, value);
        }
        uint8_t scale = values->scales != NULL ? values->scales[row] : values->scale;
        sum->scale = scale > sum->scale ? scale : sum->scale;
    }
    return TDBPLUS_OK;
}

/* Numbers that 128 bits do not hold. */
static tdbplus_status sum_long(struct aggregation *aggregation, const struct aggregate_slot *slot,
                               const struct eval *eval, const struct chosen *chosen)
{
    struct column column = {0};
    TRY(eval_expr(eval, slot->arguments[0], &chosen->rows, &column));
    for (uint32_t i = 0; i < chosen->rows.count; i++) {
        struct datum value;
        column_get(&column, rows_at(&chosen->rows, i), &value);
        if (!value.is_null) {
            TRY(decimal_sum_add_long(aggregation->exec, state_at(aggregation, slot, chosen, i),
                                     decimal_scale(slot->decimal), value.bytes,
                                     &aggregation->data));
        }
    }
    return TDBPLUS_OK;
}

/* `grouping`: NULL unless the rows chosen are all of it, in few groups. */
static tdbplus_status update_decimal(struct aggregation *aggregation,
                                     const struct aggregate_slot *slot, const struct eval *eval,
                                     struct chosen *chosen, struct grouping *grouping)
{
    struct decimal_values values = {0};
    bool fits = false;
    TRY(decimal_eval(eval, slot->decimal, &chosen->rows, &values, &fits));
    bool simple = fits && values.narrow != NULL && values.validity == NULL && values.scales == NULL;
    if (grouping != NULL && simple && sums_fit(values.bound)) {
        return sum_decimals_in_few(aggregation, slot, &values, &chosen->rows, grouping);
    }
    if (grouping != NULL) {
        TRY(list_payloads(aggregation, grouping, &chosen->rows, eval->arena));
        chosen->payloads = grouping->payloads;
    }
    if (!fits) {
        return sum_long(aggregation, slot, eval, chosen);
    }
    return simple ? sum_narrow(aggregation, slot, &values, chosen)
                  : sum_any(aggregation, slot, &values, chosen);
}

static tdbplus_status update_generic(struct aggregation *aggregation,
                                     const struct aggregate_slot *slot, const struct eval *eval,
                                     const struct column *arguments, const struct chosen *chosen)
{
    uint32_t count = chosen->rows.count;
    uint8_t **states = arena_alloc(eval->arena, (count + 1u) * sizeof *states);
    if (states == NULL) {
        return exec_no_memory(aggregation->exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        states[i] = state_at(aggregation, slot, chosen, i);
    }
    struct aggregate_update update = {.arguments = arguments,
                                      .argument_count = slot->plan->argument_count,
                                      .rows = chosen->rows.rows,
                                      .count = count,
                                      .states = states,
                                      .arena = &aggregation->data,
                                      .err = aggregation->exec->call->err};
    return slot->plan->aggregate->update(&update);
}

static tdbplus_status eval_slot_arguments(struct aggregation *aggregation,
                                          const struct aggregate_slot *slot,
                                          const struct eval *eval, const struct func_rows *rows,
                                          struct column *arguments)
{
    for (uint32_t a = 0; a < slot->plan->argument_count; a++) {
        TRY(eval_expr(eval, slot->arguments[a], rows, &arguments[a]));
        if (arguments[a].form == COLUMN_DICTIONARY) {
            struct column dictionary = arguments[a];
            if (!column_flatten(&dictionary, NULL, rows->row_count, &arguments[a], eval->arena)) {
                return exec_no_memory(aggregation->exec);
            }
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status keep_ordered(struct aggregation *aggregation, struct aggregate_slot *slot,
                                   const struct eval *eval, const struct chosen *chosen)
{
    uint32_t count = chosen->rows.count;
    uint32_t *groups = arena_array(eval->arena, count + 1u, sizeof *groups);
    if (groups == NULL) {
        return exec_no_memory(aggregation->exec);
    }
    for (uint32_t i = 0; chosen->payloads != NULL && i < count; i++) {
        memcpy(&groups[i], chosen->payloads[i], sizeof *groups);
    }
    return ordered_rows_keep(&slot->ordered, eval, &chosen->rows, groups);
}

/* One row after the other. */
static tdbplus_status update_rows(struct aggregation *aggregation, struct aggregate_slot *slot,
                                  const struct eval *eval, const struct column *arguments,
                                  struct chosen *chosen)
{
    if (slot->plan->distinct && slot->plan->argument_count > 0) {
        TRY(choose_distinct(aggregation, slot, eval, arguments, chosen));
    }
    if (chosen->rows.count == 0) {
        return TDBPLUS_OK;
    }
    switch ((enum slot_kind)slot->kind) {
    case SLOT_ORDERED:
        return keep_ordered(aggregation, slot, eval, chosen);
    case SLOT_COUNT:
        update_count(aggregation, slot, slot->plan->argument_count > 0 ? arguments : NULL, chosen);
        return TDBPLUS_OK;
    case SLOT_INTEGER:
        update_integer(aggregation, slot, arguments, chosen);
        return TDBPLUS_OK;
    case SLOT_FLOAT:
        update_float(aggregation, slot, arguments, chosen);
        return TDBPLUS_OK;
    case SLOT_GENERIC:
    case SLOT_DECIMAL:
        break;
    }
    return update_generic(aggregation, slot, eval, arguments, chosen);
}

/* All rows at once, if the slot and its values allow it. */
static bool update_few(const struct aggregate_slot *slot, const struct column *arguments,
                       const struct func_rows *rows, struct grouping *grouping)
{
    count_few(grouping, rows);
    if (slot->kind == SLOT_INTEGER) {
        return sum_in_few(slot, arguments, rows, grouping);
    }
    if (slot->plan->argument_count > 0 && arguments->validity != NULL) {
        return false;
    }
    count_in_few(slot, grouping);
    return true;
}

tdbplus_status aggregation_update(struct aggregation *aggregation, struct aggregate_slot *slot,
                                  const struct eval *eval, const struct func_rows *rows,
                                  struct grouping *grouping)
{
    struct chosen chosen = {*rows, NULL};
    struct column *arguments = arena_array(eval->arena, 2, sizeof *arguments);
    if (arguments == NULL) {
        return exec_no_memory(aggregation->exec);
    }
    bool counts = slot->kind == SLOT_COUNT || slot->kind == SLOT_INTEGER;
    bool few = grouping->numbers != NULL && slot->filter == NULL && !slot->plan->distinct &&
               (counts || slot->kind == SLOT_DECIMAL);
    if (!few) {
        TRY(list_payloads(aggregation, grouping, rows, eval->arena));
        chosen.payloads = grouping->payloads;
    }
    if (slot->filter != NULL) {
        TRY(choose_filtered(aggregation, slot, eval, &chosen));
    }
    if (slot->kind == SLOT_DECIMAL) {
        return chosen.rows.count == 0
                   ? TDBPLUS_OK
                   : update_decimal(aggregation, slot, eval, &chosen, few ? grouping : NULL);
    }
    TRY(eval_slot_arguments(aggregation, slot, eval, &chosen.rows, arguments));
    if (few && update_few(slot, arguments, rows, grouping)) {
        return TDBPLUS_OK;
    }
    if (few) {
        TRY(list_payloads(aggregation, grouping, rows, eval->arena));
        chosen.payloads = grouping->payloads;
    }
    return update_rows(aggregation, slot, eval, arguments, &chosen);
}
