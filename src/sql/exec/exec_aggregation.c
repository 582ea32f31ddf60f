#include "sql/exec/exec_aggregation.h"

#include <string.h>

#define STATE_ALIGN 16u

/* What a record keeps before the states: the group's number, for DISTINCT. */
#define NUMBER_SIZE STATE_ALIGN

uint32_t aggregation_group_count(const struct aggregation *aggregation)
{
    return aggregation->total != NULL ? 1 : aggregation->groups.count;
}

static const uint8_t *group_payload(const struct aggregation *aggregation, uint32_t group)
{
    if (aggregation->total != NULL) {
        return aggregation->total;
    }
    return group_table_record(&aggregation->groups, group) + aggregation->groups.payload_offset;
}

/* ---- groups ---- */

static tdbplus_status add_keys(struct aggregation *aggregation, const struct column *columns,
                               const struct func_rows *rows, struct arena *arena, uint8_t **records,
                               uint16_t *fresh, uint32_t *fresh_count)
{
    struct exec *exec = aggregation->exec;
    struct group_table *groups = &aggregation->groups;
    bool done = false;
    TRY(group_table_add_direct(groups, exec, columns, rows, arena, records, fresh, fresh_count,
                               &done));
    if (done) {
        return TDBPLUS_OK;
    }
    struct key_rows keys = {0};
    TRY(key_rows_make(exec, &groups->layout, columns, rows, arena, &keys));
    return group_table_add(groups, exec, &keys, rows->count, records, fresh, fresh_count);
}

/* Keys that are all dictionaries with few combinations: the table is asked once a combination. */
struct combined {
    uint32_t count;  /* Combinations. */
    uint32_t *codes; /* One of each live row. */
};

#define COMBINATIONS_MAX 1024u

static bool combine_codes(const struct column *columns, uint32_t column_count,
                          const struct func_rows *rows, struct arena *arena,
                          struct combined *combined)
{
    uint32_t total = 1;
    for (uint32_t c = 0; c < column_count; c++) {
        const struct column *column = &columns[c];
        if (column->form == COLUMN_DICTIONARY && column->validity == NULL &&
            column->dictionary->validity == NULL) {
            total *= column->dictionary->row_count == 0 ? 1 : column->dictionary->row_count;
        } else if (column->form != COLUMN_CONSTANT) {
            return false;
        }
        if (total > COMBINATIONS_MAX || total * 4 > rows->count) {
            return false;
        }
    }
    combined->count = total;
    combined->codes = arena_array(arena, rows->count + 1u, sizeof(uint32_t));
    if (combined->codes == NULL) {
        return false;
    }
    for (uint32_t c = 0; c < column_count; c++) {
        const struct column *column = &columns[c];
        if (column->form == COLUMN_CONSTANT) {
            continue;
        }
        uint32_t size = column->dictionary->row_count;
        for (uint32_t i = 0; i < rows->count; i++) {
            combined->codes[i] = combined->codes[i] * size + column->codes[rows_at(rows, i)];
        }
    }
    return true;
}

/* The payload of each row's group; rows that begin groups are kept as their keys. */
static tdbplus_status add_groups(struct aggregation *aggregation, const struct column *columns,
                                 const struct func_rows *rows, struct arena *arena,
                                 uint8_t **payloads)
{
    struct exec *exec = aggregation->exec;
    uint16_t *fresh = arena_alloc(arena, (rows->count + 1u) * sizeof *fresh);
    if (fresh == NULL) {
        return exec_no_memory(exec);
    }
    uint32_t fresh_count = 0;
    TRY(add_keys(aggregation, columns, rows, arena, payloads, fresh, &fresh_count));
    uint32_t payload_offset = aggregation->groups.payload_offset;
    for (uint32_t i = 0; i < rows->count; i++) {
        payloads[i] += payload_offset;
    }
    uint32_t number = aggregation->groups.count - fresh_count;
    for (uint32_t i = 0; i < fresh_count; i++, number++) {
        memcpy(payloads[fresh[i]], &number, sizeof number);
        fresh[i] = (uint16_t)rows_at(rows, fresh[i]);
    }
    struct func_rows fresh_rows = {fresh, fresh_count, rows->row_count};
    return fresh_count == 0 ? TDBPLUS_OK
                            : row_store_append(&aggregation->key_rows, exec, columns, &fresh_rows);
}

/* Room for the number of each row's group; rows that are not listed have none. */
static bool make_numbers(struct grouping *grouping, const struct func_rows *rows,
                         struct arena *arena)
{
    grouping->numbers = arena_alloc(arena, rows->row_count + 1u);
    if (grouping->numbers != NULL && rows->rows != NULL) {
        memset(grouping->numbers, FEW_NONE, rows->row_count);
    }
    return grouping->numbers != NULL;
}

/* A row of each combination that occurs, in the order they come. */
struct firsts {
    uint16_t *number_of; /* Of each code: its number + 1, or 0. */
    uint16_t *rows;
    uint8_t **payloads;
    uint32_t count;
};

static tdbplus_status find_combined(struct aggregation *aggregation, const struct column *columns,
                                    const struct combined *combined, const struct func_rows *rows,
                                    struct arena *arena, struct grouping *grouping)
{
    struct firsts firsts = {
        .number_of = arena_array(arena, combined->count + 1u, sizeof *firsts.number_of),
        .rows = arena_alloc(arena, (combined->count + 1u) * sizeof *firsts.rows),
        .payloads = arena_array(arena, combined->count + 1u, sizeof *firsts.payloads)};
    if (firsts.number_of == NULL || firsts.rows == NULL || firsts.payloads == NULL ||
        !make_numbers(grouping, rows, arena)) {
        return exec_no_memory(aggregation->exec);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        uint16_t *number = &firsts.number_of[combined->codes[i]];
        if (*number == 0) {
            firsts.rows[firsts.count++] = (uint16_t)row;
            *number = (uint16_t)firsts.count;
        }
        grouping->numbers[row] = (uint8_t)(*number - 1);
    }
    struct func_rows few = {firsts.rows, firsts.count, rows->row_count};
    TRY(add_groups(aggregation, columns, &few, arena, firsts.payloads));
    if (firsts.count <= FEW_GROUPS_MAX) {
        grouping->few_count = firsts.count;
        memcpy(grouping->few, firsts.payloads, firsts.count * sizeof *firsts.payloads);
        return TDBPLUS_OK;
    }
    grouping->numbers = NULL;
    TRY(grouping_room(aggregation, grouping, rows, arena));
    for (uint32_t i = 0; i < rows->count; i++) {
        grouping->payloads[i] = firsts.payloads[firsts.number_of[combined->codes[i]] - 1];
    }
    return TDBPLUS_OK;
}

/* All groups that there are, by their numbers. */
static tdbplus_status number_groups(struct aggregation *aggregation, const struct func_rows *rows,
                                    struct arena *arena, struct grouping *grouping)
{
    if (!make_numbers(grouping, rows, arena)) {
        return exec_no_memory(aggregation->exec);
    }
    grouping->few_count = aggregation->groups.count;
    for (uint32_t i = 0; i < rows->count; i++) {
        grouping->numbers[rows_at(rows, i)] = *grouping->payloads[i]; // The number's low byte.
    }
    for (uint32_t g = 0; g < grouping->few_count; g++) {
        grouping->few[g] =
            group_table_record(&aggregation->groups, g) + aggregation->groups.payload_offset;
    }
    return TDBPLUS_OK;
}

static tdbplus_status find_groups(struct aggregation *aggregation, const struct eval *eval,
                                  const struct func_rows *rows, struct grouping *grouping)
{
    struct exec *exec = aggregation->exec;
    uint32_t key_count = aggregation->plan->expr_count;
    struct column *columns = arena_array(eval->arena, key_count, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        TRY(eval_expr(eval, aggregation->keys[i], rows, &columns[i]));
    }
    struct combined combined = {0};
    if (combine_codes(columns, key_count, rows, eval->arena, &combined)) {
        return find_combined(aggregation, columns, &combined, rows, eval->arena, grouping);
    }
    TRY(grouping_room(aggregation, grouping, rows, eval->arena));
    TRY(add_groups(aggregation, columns, rows, eval->arena, grouping->payloads));
    return aggregation->groups.count <= FEW_GROUPS_MAX
               ? number_groups(aggregation, rows, eval->arena, grouping)
               : TDBPLUS_OK;
}

/* ---- more groups than memory ---- */

size_t aggregation_bytes(const struct aggregation *aggregation)
{
    size_t bytes = aggregation->data.used_bytes + group_table_bytes(&aggregation->groups);
    for (uint32_t i = 0; i < aggregation->plan->aggregate_count; i++) {
        const struct aggregate_slot *slot = &aggregation->slots[i];
        bytes += group_table_bytes(&slot->seen) + slot->ordered.arena.used_bytes +
                 slot->ordered.entries.count * slot->ordered.entries.item_size;
    }
    return bytes;
}

struct spill_parts aggregation_take_parts(struct aggregation *aggregation)
{
    struct spill_parts parts = aggregation->parts;
    spill_parts_init(&aggregation->parts, aggregation->exec->call->alloc,
                     aggregation->input->columns, aggregation->input->column_count,
                     parts.level + 1);
    return parts;
}

/* The rows of groups that are there, with their payloads; the others go to the parts. */
static tdbplus_status find_known(struct aggregation *aggregation, const struct eval *eval,
                                 struct func_rows *rows, uint8_t **payloads)
{
    struct exec *exec = aggregation->exec;
    uint32_t key_count = aggregation->plan->expr_count;
    struct column *columns = arena_array(eval->arena, key_count, sizeof *columns);
    uint16_t *known = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *known);
    uint16_t *others = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *others);
    if (columns == NULL || known == NULL || others == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        TRY(eval_expr(eval, aggregation->keys[i], rows, &columns[i]));
    }
    struct key_rows keys = {0};
    TRY(key_rows_make(exec, &aggregation->groups.layout, columns, rows, eval->arena, &keys));
    TRY(group_table_use_hashes(&aggregation->groups, exec));
    group_table_find(&aggregation->groups, 1, &keys, rows->count, payloads);
    uint32_t known_count = 0;
    uint32_t other_count = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        known[known_count] = (uint16_t)rows_at(rows, i);
        others[other_count] = known[known_count];
        keys.hashes[other_count] = keys.hashes[i];
        bool is_known = payloads[i] != NULL;
        payloads[known_count] = is_known ? payloads[i] + aggregation->groups.payload_offset : NULL;
        known_count += is_known;
        other_count += !is_known;
    }
    struct func_rows rest = {others, other_count, rows->row_count};
    *rows = (struct func_rows){known, known_count, rows->row_count};
    return spill_parts_put(&aggregation->parts, &aggregation->file, eval->input->columns, &rest,
                           keys.hashes, eval->arena);
}

/* Grouping sets without keys have a group even if no row came: nulls, and the set's number. */
static tdbplus_status add_empty_sets(struct aggregation *aggregation, struct arena *arena)
{
    struct exec *exec = aggregation->exec;
    const struct plan *plan = aggregation->plan;
    struct column *columns = arena_array(arena, plan->expr_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t s = 0; s < plan->empty_set_count; s++) {
        struct func_rows one = {.count = 1, .row_count = 1};
        for (uint32_t k = 0; k < plan->expr_count; k++) {
            bool number = k + 1 == plan->expr_count;
            struct datum value = {
                .type = plan->columns[k].type, .is_null = !number, .integer = plan->empty_sets[s]};
            struct column constant = {0};
            if (!column_make_constant(&constant, &value, 1, arena) ||
                !column_flatten(&constant, NULL, 1, &columns[k], arena)) {
                return exec_no_memory(exec);
            }
        }
        uint8_t *payload = NULL;
        TRY(add_groups(aggregation, columns, &one, arena, &payload));
    }
    return TDBPLUS_OK;
}

/* From when on no groups are added: PostgreSQL's way, which needs no states in files and keeps each
 * group's rows in their order. */
static tdbplus_status look_at_size(struct aggregation *aggregation, struct arena *arena)
{
    if (aggregation->full || !aggregation->may_spill || aggregation->groups.count == 0 ||
        aggregation->parts.level == SPILL_LEVEL_MAX ||
        !exec_spills(aggregation->exec, aggregation_bytes(aggregation))) {
        return TDBPLUS_OK;
    }
    if (!aggregation->cleared) {
        TRY(add_empty_sets(aggregation, arena)); // Now, or their rows would make them once more.
    }
    aggregation->full = true;
    return TDBPLUS_OK;
}

tdbplus_status aggregation_consume(struct aggregation *aggregation, const struct batch *batch,
                                   struct arena *arena)
{
    struct eval eval = {.exec = aggregation->exec, .input = batch, .arena = arena};
    struct func_rows rows = batch_rows(batch);
    struct grouping grouping = {.few_count = 0};
    aggregation->round++;
    if (aggregation->total == NULL) {
        TRY(look_at_size(aggregation, arena));
        if (aggregation->full) {
            TRY(grouping_room(aggregation, &grouping, &rows, arena));
            TRY(find_known(aggregation, &eval, &rows, grouping.payloads));
        } else {
            TRY(find_groups(aggregation, &eval, &rows, &grouping));
        }
        if (rows.count == 0) {
            return TDBPLUS_OK;
        }
    }
    for (uint32_t i = 0; i < aggregation->plan->aggregate_count; i++) {
        if (aggregation->slots[i].same_as < 0) {
            TRY(aggregation_update(aggregation, &aggregation->slots[i], &eval, &rows, &grouping));
        }
    }
    return TDBPLUS_OK;
}

/* ---- the end of the input ---- */

struct slot_states {
    struct aggregation *aggregation;
    const struct aggregate_slot *slot;
};

static uint8_t *state_of_group(void *ctx, uint32_t group)
{
    const struct slot_states *states = ctx;
    struct aggregation *aggregation = states->aggregation;
    uint8_t *payload =
        aggregation->total != NULL
            ? aggregation->total
            : group_table_record(&aggregation->groups, group) + aggregation->groups.payload_offset;
    return payload + states->slot->offset;
}

tdbplus_status aggregation_end(struct aggregation *aggregation)
{
    if (aggregation->plan->empty_set_count > 0 && !aggregation->cleared) {
        struct arena arena;
        arena_init(&arena, aggregation->exec->call->alloc, 0);
        tdbplus_status status = add_empty_sets(aggregation, &arena);
        arena_deinit(&arena);
        TRY(status);
    }
    for (uint32_t i = 0; i < aggregation->plan->aggregate_count; i++) {
        struct aggregate_slot *slot = &aggregation->slots[i];
        struct slot_states states = {aggregation, slot};
        if (slot->kind == SLOT_ORDERED && slot->plan->ordered_set == ORDERED_NONE) {
            TRY(ordered_rows_feed(&slot->ordered, aggregation->exec, state_of_group, &states));
        }
    }
    return TDBPLUS_OK;
}

/* ---- merging ---- */

static tdbplus_status merge_states(struct aggregation *into, uint8_t *to, const uint8_t *from)
{
    for (uint32_t i = 0; i < into->plan->aggregate_count; i++) {
        const struct aggregate_slot *slot = &into->slots[i];
        void *left = to + slot->offset;
        const void *right = from + slot->offset;
        if (slot->same_as >= 0) {
            continue;
        }
        if (slot->kind == SLOT_COUNT) {
            *(int64_t *)left += *(const int64_t *)right;
        } else if (slot->kind == SLOT_INTEGER) {
            ((struct aggregate_integer_sum *)left)->sum +=
                ((const struct aggregate_integer_sum *)right)->sum;
            ((struct aggregate_integer_sum *)left)->count +=
                ((const struct aggregate_integer_sum *)right)->count;
        } else if (slot->kind == SLOT_DECIMAL) {
            TRY(decimal_sum_merge(into->exec, left, right, decimal_scale(slot->decimal),
                                  &into->data));
        } else {
            aggregate_merge merge = aggregate_merge_of(slot->plan->aggregate);
            TRY(merge(left, right, &into->data, into->exec->call->err));
        }
    }
    return TDBPLUS_OK;
}

/* One chunk of the other's groups: their keys are looked up as rows are. */
static tdbplus_status merge_chunk(struct aggregation *into, const struct aggregation *from,
                                  uint32_t chunk, struct arena *arena)
{
    uint32_t first = chunk * BATCH_ROW_COUNT_MAX;
    uint32_t count = from->key_rows.row_count - first;
    count = count > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : count;
    struct func_rows rows = {.count = count, .row_count = count};
    uint8_t **payloads = arena_alloc(arena, (count + 1u) * sizeof *payloads);
    if (payloads == NULL) {
        return exec_no_memory(into->exec);
    }
    TRY(add_groups(into, from->key_rows.chunks[chunk], &rows, arena, payloads));
    for (uint32_t i = 0; i < count; i++) {
        TRY(merge_states(into, payloads[i], group_payload(from, first + i)));
    }
    return TDBPLUS_OK;
}

tdbplus_status aggregation_merge(struct aggregation *into, struct aggregation *from)
{
    if (into->total != NULL) {
        return merge_states(into, into->total, from->total);
    }
    tdbplus_status status = TDBPLUS_OK;
    struct arena arena;
    arena_init(&arena, into->exec->call->alloc, 0);
    for (uint32_t chunk = 0; chunk < from->key_rows.chunk_count; chunk++) {
        arena_reset(&arena);
        TRY_OR(done, merge_chunk(into, from, chunk, &arena));
    }
done:
    arena_deinit(&arena);
    return status;
}

/* ---- results ---- */

static tdbplus_status finish_slot(const struct aggregation *aggregation,
                                  struct aggregate_slot *slot, uint32_t first, uint32_t count,
                                  struct column *column, struct arena *arena)
{
    struct exec *exec = aggregation->exec;
    if (!column_make(column, slot->type, count, true, arena)) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct datum value = {0};
        const uint8_t *state = group_payload(aggregation, first + i) + slot->offset;
        if (slot->kind == SLOT_DECIMAL) {
            TRY(decimal_sum_finish(exec, (const struct decimal_sum *)(const void *)state,
                                   decimal_scale(slot->decimal), slot->average, arena, &value));
        } else if (slot->plan->ordered_set != ORDERED_NONE) {
            TRY(ordered_rows_finish(&slot->ordered, exec, first + i, arena, &value));
        } else {
            TRY(slot->plan->aggregate->finish(state, arena, &value, exec->call->err));
        }
        value.type = slot->type;
        if (value.is_null) {
            column->validity[i / 64] &= ~((uint64_t)1 << (i % 64));
        } else {
            column_set(column, i, &value);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status aggregation_emit(const struct aggregation *aggregation, uint32_t first,
                                uint32_t count, struct batch *out)
{
    const struct plan *plan = aggregation->plan;
    if (!batch_shape(out, plan->column_count, count)) {
        return exec_no_memory(aggregation->exec);
    }
    for (uint32_t c = 0; c < plan->expr_count; c++) {
        out->columns[c] = aggregation->key_rows.chunks[first / BATCH_ROW_COUNT_MAX][c];
        out->columns[c].row_count = count;
    }
    for (uint32_t a = 0; a < plan->aggregate_count; a++) {
        TRY(finish_slot(aggregation, &aggregation->slots[a], first, count,
                        &out->columns[plan->expr_count + a], &out->arena));
    }
    return TDBPLUS_OK;
}

/* ---- compiling ---- */

static bool is_named(const struct plan_aggregate *plan, const char *first, const char *second)
{
    return strcmp(plan->aggregate->name, first) == 0 || strcmp(plan->aggregate->name, second) == 0;
}

static enum slot_kind kind_of(const struct plan_aggregate *plan)
{
    if (plan->order_count > 0) {
        return SLOT_ORDERED;
    }
    if (is_named(plan, "count", "count")) {
        return SLOT_COUNT;
    }
    if (plan->argument_count != 1 || !is_named(plan, "sum", "avg")) {
        return SLOT_GENERIC;
    }
    switch (plan->aggregate->arguments[0]) {
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        return SLOT_INTEGER;
    case TYPE_FLOAT8:
        return SLOT_FLOAT;
    default:
        return SLOT_GENERIC;
    }
}

static bool same_slot(const struct aggregate_slot *slot, const struct aggregate_slot *earlier)
{
    bool same_state = slot->kind == earlier->kind && slot->kind != SLOT_COUNT &&
                      slot->kind != SLOT_GENERIC && slot->kind != SLOT_ORDERED;
    return same_state && slot->plan->filter == NULL && earlier->plan->filter == NULL &&
           !slot->plan->distinct && !earlier->plan->distinct &&
           slot->plan->aggregate->state_size == earlier->plan->aggregate->state_size &&
           expr_equal(slot->plan->arguments[0], earlier->plan->arguments[0]) &&
           !expr_volatile(slot->plan->arguments[0]);
}

static void place_slot(struct aggregation *aggregation, uint32_t number)
{
    struct aggregate_slot *slot = &aggregation->slots[number];
    for (uint32_t i = 0; i < number; i++) {
        const struct aggregate_slot *earlier = &aggregation->slots[i];
        if (earlier->same_as < 0 && same_slot(slot, earlier)) {
            slot->same_as = (int32_t)i;
            slot->offset = earlier->offset;
            slot->decimal = earlier->decimal;
            return;
        }
    }
    size_t size = slot->kind == SLOT_DECIMAL                ? sizeof(struct decimal_sum)
                  : slot->plan->ordered_set != ORDERED_NONE ? 0
                                                            : slot->plan->aggregate->state_size;
    slot->offset = aggregation->states_size;
    aggregation->states_size += (uint32_t)((size + STATE_ALIGN - 1u) / STATE_ALIGN * STATE_ALIGN);
}

static tdbplus_status compile_slot(struct aggregation *aggregation, const struct pipeline *input,
                                   uint32_t number)
{
    struct exec *exec = aggregation->exec;
    const struct plan *plan = aggregation->plan;
    const struct plan_aggregate *aggregate = &plan->aggregates[number];
    struct aggregate_slot *slot = &aggregation->slots[number];
    slot->plan = aggregate;
    slot->same_as = -1;
    slot->kind = (uint8_t)kind_of(aggregate);
    slot->type = plan->columns[plan->expr_count + number].type;
    for (uint32_t a = 0; a < aggregate->argument_count; a++) {
        TRY(exec_compile_expr(exec, aggregate->arguments[a], input->columns, input->column_count,
                              &slot->arguments[a]));
    }
    if (aggregate->filter != NULL) {
        TRY(exec_compile_expr(exec, aggregate->filter, input->columns, input->column_count,
                              &slot->filter));
    }
    if (slot->kind == SLOT_ORDERED) {
        TRY(ordered_rows_open(&slot->ordered, exec, aggregate, slot->type, input));
    }
    bool numeric = slot->kind != SLOT_ORDERED && aggregate->argument_count == 1 &&
                   is_named(aggregate, "sum", "avg") &&
                   aggregate->aggregate->arguments[0] == TYPE_NUMERIC && !aggregate->distinct;
    if (numeric) {
        TRY(decimal_compile(exec, slot->arguments[0], &slot->decimal));
        for (uint32_t i = 0; i < number; i++) {
            TRY(decimal_share(exec, &slot->decimal, aggregation->slots[i].decimal,
                              &aggregation->round));
        }
        slot->kind = slot->decimal != NULL ? SLOT_DECIMAL : SLOT_GENERIC;
        slot->average = strcmp(aggregate->aggregate->name, "avg") == 0;
    }
    if (aggregate->distinct && aggregate->argument_count > 0) {
        struct type types[3] = {type_of(TYPE_INT4)};
        struct key_layout layout = {0};
        for (uint32_t a = 0; a < aggregate->argument_count; a++) {
            types[1 + a] = aggregate->arguments[a]->type;
        }
        TRY(key_layout_make(exec, types, 1 + aggregate->argument_count, &layout));
        group_table_init(&slot->seen, &layout, 0, &aggregation->data, exec->call->alloc);
    }
    bool order_matters =
        slot->kind == SLOT_FLOAT || slot->kind == SLOT_ORDERED ||
        aggregation->plan->empty_set_count > 0 ||
        (slot->kind == SLOT_GENERIC && aggregate_merge_of(aggregate->aggregate) == NULL);
    aggregation->exact = aggregation->exact && !order_matters && !aggregate->distinct;
    place_slot(aggregation, number);
    return TDBPLUS_OK;
}

static tdbplus_status compile_keys(struct aggregation *aggregation, const struct pipeline *input)
{
    struct exec *exec = aggregation->exec;
    const struct plan *plan = aggregation->plan;
    struct type *types = arena_array(&exec->arena, plan->expr_count + 1u, sizeof *types);
    aggregation->keys = arena_array(&exec->arena, plan->expr_count + 1u, sizeof *aggregation->keys);
    if (types == NULL || aggregation->keys == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        types[i] = plan->exprs[i]->type;
        TRY(exec_compile_expr(exec, plan->exprs[i], input->columns, input->column_count,
                              &aggregation->keys[i]));
    }
    struct key_layout layout = {0};
    TRY(key_layout_make(exec, types, plan->expr_count, &layout));
    // Which of equal values a group shows is told by which came first.
    aggregation->exact = aggregation->exact && layout.uniform;
    group_table_init(&aggregation->groups, &layout, aggregation->states_size, &aggregation->data,
                     exec->call->alloc);
    // Rather more groups than a wide array of few.
    aggregation->groups.direct_size_max = exec->spill_bytes / 8;
    return TDBPLUS_OK;
}

/* Without keys there is one group, rows or not. */
static tdbplus_status make_total(struct aggregation *aggregation)
{
    aggregation->total = NULL;
    if (aggregation->plan->expr_count == 0) {
        aggregation->total = arena_array(&aggregation->data, 1, aggregation->states_size);
        if (aggregation->total == NULL) {
            return exec_no_memory(aggregation->exec);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status aggregation_init(struct aggregation *aggregation, struct exec *exec,
                                const struct plan *plan, const struct pipeline *input)
{
    *aggregation = (struct aggregation){
        .plan = plan, .exec = exec, .input = input, .states_size = NUMBER_SIZE, .exact = true};
    spill_file_open(&aggregation->file, exec);
    spill_parts_init(&aggregation->parts, exec->call->alloc, input->columns, input->column_count,
                     0);
    arena_init(&aggregation->data, exec->call->alloc, 0);
    row_store_init(&aggregation->key_rows, &aggregation->data, plan->columns, plan->expr_count);
    struct aggregate_slot *slots =
        arena_array(&exec->arena, plan->aggregate_count + 1u, sizeof *slots);
    if (slots == NULL) {
        return exec_no_memory(exec);
    }
    aggregation->slots = slots;
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        TRY(compile_slot(aggregation, input, i));
    }
    TRY(compile_keys(aggregation, input));
    return make_total(aggregation);
}

tdbplus_status aggregation_clear(struct aggregation *aggregation)
{
    group_table_clear(&aggregation->groups);
    for (uint32_t i = 0; i < aggregation->plan->aggregate_count; i++) {
        group_table_clear(&aggregation->slots[i].seen);
        ordered_rows_clear(&aggregation->slots[i].ordered);
    }
    aggregation->cleared = true;
    aggregation->full = false;
    arena_reset(&aggregation->data);
    row_store_init(&aggregation->key_rows, &aggregation->data, aggregation->plan->columns,
                   aggregation->plan->expr_count);
    return make_total(aggregation);
}

void aggregation_deinit(struct aggregation *aggregation)
{
    group_table_deinit(&aggregation->groups);
    for (uint32_t i = 0; aggregation->slots != NULL && i < aggregation->plan->aggregate_count;
         i++) {
        group_table_deinit(&aggregation->slots[i].seen);
        ordered_rows_close(&aggregation->slots[i].ordered);
    }
    spill_parts_deinit(&aggregation->parts);
    spill_file_close(&aggregation->file);
    arena_deinit(&aggregation->data);
}
