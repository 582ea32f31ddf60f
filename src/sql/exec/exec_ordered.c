/* Aggregates over rows in order. */

#include "sql/exec/exec_ordered.h"

#include <math.h>
#include <string.h>

#include "base/codec.h"
#include "types/array.h"
#include "types/datetime.h"

#define GROUP_SIZE sizeof(uint32_t) /* Of the group's number in front of a key. */

tdbplus_status ordered_rows_open(struct ordered_rows *ordered, struct exec *exec,
                                 const struct plan_aggregate *plan, struct type type,
                                 const struct pipeline *input)
{
    uint32_t total = plan->argument_count + plan->order_count + plan->direct_count;
    ordered->plan = plan;
    ordered->type = type;
    ordered->values = arena_array(&exec->arena, total + 1u, sizeof *ordered->values);
    ordered->columns = arena_array(&exec->arena, total + 1u, sizeof *ordered->columns);
    ordered->orders = arena_array(&exec->arena, plan->order_count + 1u, sizeof *ordered->orders);
    list_init(&ordered->entries, exec->call->alloc, sizeof(struct order_entry));
    list_init(&ordered->hypothetical, exec->call->alloc, sizeof(struct span));
    if (ordered->values == NULL || ordered->columns == NULL || ordered->orders == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < total; i++) {
        uint32_t order = i - plan->argument_count;
        const struct expr *expr = i < plan->argument_count ? plan->arguments[i]
                                  : order < plan->order_count
                                      ? plan->order[order].value
                                      : plan->direct[order - plan->order_count];
        ordered->columns[i] = (struct plan_column){.type = expr->type};
        TRY(exec_compile_expr(exec, expr, input->columns, input->column_count,
                              &ordered->values[i]));
    }
    for (uint32_t i = 0; i < plan->order_count; i++) {
        ordered->orders[i] =
            (struct sort_order){plan->order[i].descending, plan->order[i].nulls_first};
    }
    ordered->value_count = total;
    arena_init(&ordered->arena, exec->call->alloc, 0);
    row_store_init(&ordered->store, &ordered->arena, ordered->columns, total);
    return TDBPLUS_OK;
}

void ordered_rows_close(struct ordered_rows *ordered)
{
    list_deinit(&ordered->entries);
    list_deinit(&ordered->hypothetical);
    arena_deinit(&ordered->arena);
}

void ordered_rows_clear(struct ordered_rows *ordered)
{
    if (ordered->plan == NULL) {
        return;
    }
    ordered->entries.count = 0;
    ordered->hypothetical.count = 0;
    ordered->sorted = false;
    ordered->at = 0;
    arena_reset(&ordered->arena);
    row_store_init(&ordered->store, &ordered->arena, ordered->columns, ordered->value_count);
}

static bool is_hypothetical(const struct ordered_rows *ordered)
{
    return ordered->plan->ordered_set >= ORDERED_RANK;
}

/* The rows of a percentile or mode are those whose value is not null. */
static tdbplus_status leave_nulls(const struct ordered_rows *ordered, const struct eval *eval,
                                  const struct column *columns, struct func_rows *rows,
                                  uint32_t *groups)
{
    if (ordered->plan->ordered_set == ORDERED_NONE || is_hypothetical(ordered)) {
        return TDBPLUS_OK;
    }
    uint16_t *kept = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(eval->exec);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        kept[count] = (uint16_t)rows_at(rows, i);
        groups[count] = groups[i];
        count += !column_is_null(&columns[0], kept[count]);
    }
    *rows = (struct func_rows){kept, count, rows->row_count};
    return TDBPLUS_OK;
}

/* The key with the group's number in front, in the run's memory. */
static tdbplus_status group_key(struct ordered_rows *ordered, struct exec *exec, struct span key,
                                uint32_t group, struct span *key_out)
{
    uint8_t *bytes = arena_bytes(&ordered->arena, GROUP_SIZE + key.size + 1);
    if (bytes == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < GROUP_SIZE; i++) {
        bytes[i] = (uint8_t)(group >> (24 - 8 * i));
    }
    if (key.size > 0) {
        memcpy(bytes + GROUP_SIZE, key.data, key.size);
    }
    *key_out = (struct span){.data = bytes, .size = GROUP_SIZE + key.size};
    return TDBPLUS_OK;
}

static tdbplus_status keep_hypothetical(struct ordered_rows *ordered, const struct eval *eval,
                                        const struct column *columns, const struct func_rows *rows,
                                        const uint32_t *groups)
{
    const struct plan_aggregate *plan = ordered->plan;
    struct span *keys = arena_array(eval->arena, rows->count + 1u, sizeof *keys);
    if (keys == NULL) {
        return exec_no_memory(eval->exec);
    }
    TRY(sort_keys_make(eval->exec, columns + plan->argument_count + plan->order_count,
                       ordered->orders, plan->direct_count, rows, eval->arena, keys));
    for (uint32_t i = 0; i < rows->count; i++) {
        struct span key;
        TRY(group_key(ordered, eval->exec, keys[i], groups[i], &key));
        if (list_push(&ordered->hypothetical, &key) == NULL) {
            return exec_no_memory(eval->exec);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status ordered_rows_keep(struct ordered_rows *ordered, const struct eval *eval,
                                 const struct func_rows *given, const uint32_t *given_groups)
{
    const struct plan_aggregate *plan = ordered->plan;
    struct exec *exec = eval->exec;
    struct func_rows rows = *given;
    struct column *columns = arena_array(eval->arena, ordered->value_count + 1u, sizeof *columns);
    struct span *keys = arena_array(eval->arena, rows.count + 1u, sizeof *keys);
    uint32_t *groups = arena_alloc(eval->arena, (rows.count + 1u) * sizeof *groups);
    if (columns == NULL || keys == NULL || groups == NULL) {
        return exec_no_memory(exec);
    }
    memcpy(groups, given_groups, rows.count * sizeof *groups);
    for (uint32_t i = 0; i < ordered->value_count; i++) {
        TRY(eval_expr(eval, ordered->values[i], &rows, &columns[i]));
    }
    TRY(leave_nulls(ordered, eval, columns + plan->argument_count, &rows, groups));
    TRY(sort_keys_make(exec, columns + plan->argument_count, ordered->orders, plan->order_count,
                       &rows, eval->arena, keys));
    uint32_t first = ordered->store.row_count;
    TRY(row_store_append(&ordered->store, exec, columns, &rows));
    for (uint32_t i = 0; i < rows.count; i++) {
        struct span key;
        TRY(group_key(ordered, exec, keys[i], groups[i], &key));
        struct order_entry entry = order_entry_of(key, first + i);
        if (list_push(&ordered->entries, &entry) == NULL) {
            return exec_no_memory(exec);
        }
    }
    return is_hypothetical(ordered) ? keep_hypothetical(ordered, eval, columns, &rows, groups)
                                    : TDBPLUS_OK;
}

static tdbplus_status sort(struct ordered_rows *ordered, struct exec *exec)
{
    if (!ordered->sorted) {
        TRY(order_sort(exec, ordered->entries.items, ordered->entries.count));
        ordered->sorted = true;
    }
    return TDBPLUS_OK;
}

static uint32_t group_of(const struct order_entry *entry)
{
    // The first half of the prefix is the number, most significant byte first.
    return (uint32_t)(entry->prefix >> 32);
}

/* ---- ORDER BY in an aggregate ---- */

tdbplus_status ordered_rows_feed(struct ordered_rows *ordered, struct exec *exec,
                                 uint8_t *(*state_of)(void *ctx, uint32_t group), void *ctx)
{
    TRY(sort(ordered, exec));
    tdbplus_status status = TDBPLUS_OK;
    const struct plan_aggregate *plan = ordered->plan;
    const struct order_entry *entries = ordered->entries.items;
    struct arena arena;
    arena_init(&arena, exec->call->alloc, 0);
    for (size_t done = 0; done < ordered->entries.count && status == TDBPLUS_OK;) {
        size_t rest = ordered->entries.count - done;
        uint32_t count = rest > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : (uint32_t)rest;
        uint32_t *numbers = arena_alloc(&arena, count * sizeof *numbers);
        uint8_t **states = arena_alloc(&arena, count * sizeof *states);
        struct column arguments[2] = {0};
        if (numbers == NULL || states == NULL) {
            status = exec_no_memory(exec);
            break;
        }
        for (uint32_t i = 0; i < count; i++) {
            numbers[i] = entries[done + i].row;
            states[i] = state_of(ctx, group_of(&entries[done + i]));
        }
        for (uint32_t a = 0; a < plan->argument_count; a++) {
            TRY_OR(done, row_store_gather(&ordered->store, exec, a, numbers, count, &arguments[a],
                                          &arena));
        }
        struct aggregate_update update = {.arguments = arguments,
                                          .argument_count = plan->argument_count,
                                          .count = count,
                                          .states = states,
                                          .arena = &ordered->arena,
                                          .err = exec->call->err};
        status = plan->aggregate->update(&update);
        done += count;
        arena_reset(&arena);
    }
done:
    arena_deinit(&arena);
    return status;
}

/* ---- ordered sets ---- */

/* The entries of one group. */
struct group_rows {
    const struct order_entry *entries;
    size_t count;
};

static void value_at(const struct ordered_rows *ordered, const struct order_entry *entry,
                     uint32_t column, struct datum *value_out)
{
    column_get(&ordered->store.chunks[entry->row / BATCH_ROW_COUNT_MAX][column],
               entry->row % BATCH_ROW_COUNT_MAX, value_out);
}

static tdbplus_status check_fraction(struct exec *exec, double fraction)
{
    if (isnan(fraction) || fraction < 0 || fraction > 1) {
        return err_set_state(exec->call->err, TDBPLUS_E_RANGE, "22003",
                             "percentile value %g is not between 0 and 1", fraction);
    }
    return TDBPLUS_OK;
}

static tdbplus_status between(struct exec *exec, const struct datum *low, const struct datum *high,
                              double part, struct datum *result_out)
{
    *result_out = *low;
    if (low->type.id != TYPE_INTERVAL) {
        result_out->real = low->real + part * (high->real - low->real);
        return TDBPLUS_OK;
    }
    struct interval negative;
    struct interval distance;
    TRY(interval_negate(&low->interval, &negative, exec->call->err));
    TRY(interval_add(&high->interval, &negative, &distance, exec->call->err));
    TRY(interval_multiply(&distance, part, &distance, exec->call->err));
    return interval_add(&low->interval, &distance, &result_out->interval, exec->call->err);
}

static tdbplus_status percentile(const struct ordered_rows *ordered, struct exec *exec,
                                 const struct group_rows *rows, double fraction,
                                 struct datum *result_out)
{
    TRY(check_fraction(exec, fraction));
    uint32_t column = ordered->plan->argument_count;
    if (ordered->plan->ordered_set == ORDERED_PERCENTILE_DISC) {
        size_t number = (size_t)ceil(fraction * (double)rows->count);
        value_at(ordered, &rows->entries[number < 1 ? 0 : number - 1], column, result_out);
        return TDBPLUS_OK;
    }
    double place = fraction * (double)(rows->count - 1);
    size_t first = (size_t)floor(place);
    size_t second = (size_t)ceil(place);
    struct datum low;
    struct datum high;
    value_at(ordered, &rows->entries[first], column, &low);
    value_at(ordered, &rows->entries[second], column, &high);
    if (first == second) {
        *result_out = low;
        return TDBPLUS_OK;
    }
    return between(exec, &low, &high, place - (double)first, result_out);
}

/* percentile_cont(ARRAY[...]): an array of the same shape. */
static tdbplus_status percentiles(const struct ordered_rows *ordered, struct exec *exec,
                                  const struct group_rows *rows, const struct datum *fractions,
                                  struct arena *arena, struct datum *result_out)
{
    struct array array = {0};
    TRY(array_open(fractions->bytes, fractions->type, &array, exec->call->err));
    struct datum *items = arena_array(arena, array.count + 1u, sizeof *items);
    if (items == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum fraction;
        array_get(&array, i, &fraction);
        items[i].is_null = true;
        if (!fraction.is_null) {
            TRY(percentile(ordered, exec, rows, fraction.real, &items[i]));
        }
    }
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, exec->call->alloc);
    TRY_OR(done, array_encode(type_element(ordered->type), items, array.dimensions,
                              array.dimension_count, &buffer, exec->call->err));
    uint8_t *bytes = buffer.failed ? NULL : arena_bytes(arena, buffer.size + 1);
    if (bytes == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    memcpy(bytes, buffer.data, buffer.size);
    *result_out =
        (struct datum){.type = ordered->type, .bytes = {.data = bytes, .size = buffer.size}};
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status finish_percentile(const struct ordered_rows *ordered, struct exec *exec,
                                        const struct group_rows *rows, struct arena *arena,
                                        struct datum *result_out)
{
    const struct plan_aggregate *plan = ordered->plan;
    struct datum fraction;
    if (rows->count == 0) {
        return TDBPLUS_OK;
    }
    value_at(ordered, &rows->entries[0], plan->argument_count + plan->order_count, &fraction);
    if (fraction.is_null) {
        return TDBPLUS_OK;
    }
    return fraction.type.id == TYPE_ARRAY
               ? percentiles(ordered, exec, rows, &fraction, arena, result_out)
               : percentile(ordered, exec, rows, fraction.real, result_out);
}

/* The value that comes most often; of several, the first. */
static void finish_mode(const struct ordered_rows *ordered, const struct group_rows *rows,
                        struct datum *result_out)
{
    size_t best = 0;
    for (size_t i = 0; i < rows->count;) {
        size_t end = i + 1;
        while (end < rows->count &&
               span_compare(rows->entries[end].key, rows->entries[i].key) == 0) {
            end++;
        }
        if (end - i > best) {
            best = end - i;
            value_at(ordered, &rows->entries[i], ordered->plan->argument_count, result_out);
        }
        i = end;
    }
}

/* Where the row of direct arguments would stand among the others. */
static void finish_hypothetical(const struct ordered_rows *ordered, const struct group_rows *rows,
                                struct datum *result_out)
{
    uint64_t before = 0;
    uint64_t through = 0;
    uint64_t distinct = 0;
    struct span key = {0};
    if (rows->count > 0) {
        key = *(const struct span *)list_at(&ordered->hypothetical, rows->entries[0].row);
    }
    for (size_t i = 0; i < rows->count; i++) {
        int order = span_compare(rows->entries[i].key, key);
        bool fresh = i == 0 || span_compare(rows->entries[i].key, rows->entries[i - 1].key) != 0;
        before += order < 0;
        through += order <= 0;
        distinct += order < 0 && fresh;
    }
    double count = (double)rows->count;
    *result_out = (struct datum){.type = ordered->type};
    switch (ordered->plan->ordered_set) {
    case ORDERED_RANK:
        result_out->integer = (int64_t)before + 1;
        break;
    case ORDERED_DENSE_RANK:
        result_out->integer = (int64_t)distinct + 1;
        break;
    case ORDERED_PERCENT_RANK:
        result_out->real = rows->count == 0 ? 0 : (double)before / count;
        break;
    default:
        result_out->real = ((double)through + 1) / (count + 1);
        break;
    }
}

tdbplus_status ordered_rows_finish(struct ordered_rows *ordered, struct exec *exec, uint32_t group,
                                   struct arena *arena, struct datum *result_out)
{
    TRY(sort(ordered, exec));
    const struct order_entry *entries = ordered->entries.items;
    struct group_rows rows = {.entries = entries == NULL ? NULL : entries + ordered->at};
    while (ordered->at < ordered->entries.count && group_of(&entries[ordered->at]) == group) {
        ordered->at++;
        rows.count++;
    }
    *result_out = (struct datum){.type = ordered->type, .is_null = true};
    if (is_hypothetical(ordered)) {
        finish_hypothetical(ordered, &rows, result_out);
        return TDBPLUS_OK;
    }
    if (ordered->plan->ordered_set == ORDERED_MODE) {
        finish_mode(ordered, &rows, result_out);
        return TDBPLUS_OK;
    }
    return finish_percentile(ordered, exec, &rows, arena, result_out);
}
