/*
 * Scans that find their rows by an index: its ranges give keys of rows, which are then read, or its
 * entries have all that is asked for.
 *
 * A range is read ahead before the first row goes out. When it turns out to be a large part of the
 * table, reading the table is cheaper and the scan does that instead: its conditions are all there.
 * Where the order of the rows counts, there is no such way back.
 */

#include <string.h>

#include "base/assert.h"
#include "sql/exec/exec_internal.h"
#include "txn/parts.h"

#define AHEAD_COUNT_MIN 2048u /* Rows that are always worth an index. */
#define AHEAD_PART      16u   /* Beyond that, of so many rows of the table one may be read. */

struct index_stage {
    struct stage stage;
    const struct plan *plan;
    struct access_exprs *probes; /* Compiled values of the ranges. */
    struct expr **conditions;    /* Compiled values of the scan's conditions. */
    struct datum *values;        /* Theirs. */
    struct pipeline table;       /* The way back; not used when ordered. */
    bool has_table;
    bool begun;
    bool use_table;
    bool nothing; /* A condition can never hold. */
    bool only;    /* The entries are enough. */
    bool ordered;
    const struct txn_index *indexes;
    uint32_t index_count;
    uint32_t probe_next;
    struct scan *entries; /* Of the range being read. */
    struct batch entry_batch;
    uint32_t entry_at;
    uint32_t *fetch; /* Positions read of each row: the output, then the conditions'. */
    uint32_t fetch_count;
    /* Keys found and not yet read. */
    struct arena key_arena;
    struct list keys; /* struct datum, key count a row. */
    size_t key_at;
    bool all_found;
    struct key_table seen; /* Where several ranges may name one row. */
    uint32_t portion;      /* Rows of the next batch: small ones first, for LIMIT. */
};

/* The values of one range, compiled. */
struct access_exprs {
    struct expr **equal;
    struct expr *lower;
    struct expr *upper;
};

/* ---- ranges ---- */

static const struct txn_index *find_index(const struct index_stage *index, uint64_t id)
{
    for (uint32_t i = 0; i < index->index_count; i++) {
        if (index->indexes[i].object->id == id) {
            return &index->indexes[i];
        }
    }
    return NULL;
}

/* The table's indexes as the transaction has them now; a plan may be older. */
static tdbplus_status look_up_indexes(struct index_stage *index, struct exec *exec)
{
    const struct plan_access *access = index->plan->scan.access;
    TRY(txn_indexes(exec->txn, index->plan->scan.object, &index->indexes, &index->index_count,
                    exec->call->err));
    for (uint32_t i = 0; i < access->probe_count; i++) {
        uint64_t id = access->probes[i].index->id;
        const struct txn_index *found = find_index(index, id);
        if (id == 0 || (found != NULL && txn_index_usable(exec->txn, found))) {
            continue;
        }
        if (index->ordered) {
            return err_set_state(exec->call->err, TDBPLUS_E_STATE, "0A000",
                                 "an index has changed since the statement was prepared");
        }
        index->use_table = true;
    }
    return TDBPLUS_OK;
}

/* The range's values; *none_out when a comparison with null keeps it empty. */
static tdbplus_status eval_probe(struct exec *exec, const struct plan_probe *probe,
                                 const struct access_exprs *exprs, struct index_range *range,
                                 bool *none_out)
{
    struct datum *values = arena_array(&exec->arena, probe->equal_count + 2u, sizeof *values);
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    *none_out = false;
    for (uint32_t i = 0; i < probe->equal_count; i++) {
        if (exprs->equal[i] == NULL) {
            values[i] = (struct datum){.type = probe->index->columns[i]->type, .is_null = true};
            continue;
        }
        TRY(eval_once(exec, exprs->equal[i], &exec->arena, &values[i]));
        values[i].type = probe->index->columns[i]->type;
        *none_out = *none_out || values[i].is_null;
    }
    *range = (struct index_range){.equal = values,
                                  .equal_count = probe->equal_count,
                                  .lower_exclusive = probe->lower_exclusive,
                                  .upper_exclusive = probe->upper_exclusive,
                                  .not_null = probe->not_null};
    struct expr *const bounds[2] = {exprs->lower, exprs->upper};
    for (uint32_t i = 0; i < 2; i++) {
        struct datum *bound = &values[probe->equal_count + i];
        if (bounds[i] == NULL) {
            continue;
        }
        TRY(eval_once(exec, bounds[i], &exec->arena, bound));
        bound->type = probe->index->columns[probe->equal_count]->type;
        *none_out = *none_out || bound->is_null;
        *(i == 0 ? &range->lower : &range->upper) = bound;
    }
    return TDBPLUS_OK;
}

/* Opens the entries in a range. With `only` they are all there is to read, else what is wanted are
 * the rows' keys. */
static tdbplus_status open_range(struct index_stage *index, struct exec *exec,
                                 const struct txn_index *found, const struct index_range *range)
{
    const struct plan_scan *plan = &index->plan->scan;
    const struct schema *schema = plan->object->schema;
    const struct schema *entries = found->entries->schema;
    struct buffer from = {.alloc = exec->call->alloc};
    struct buffer to = {.alloc = exec->call->alloc};
    struct datum bounds[2] = {{.type = type_of(TYPE_BYTEA)}, {.type = type_of(TYPE_BYTEA)}};
    struct scan_options options = {.order = SCAN_ASCENDING, .filter_rows = true};
    if (index->ordered && plan->access->descending) {
        options.order = SCAN_DESCENDING;
    }
    uint32_t count = index->only ? index->plan->column_count : schema->key_count;
    uint32_t *positions = arena_array(&exec->arena, count + 1u, sizeof *positions);
    struct scan_condition *conditions =
        arena_array(&exec->arena, plan->condition_count + 1u, sizeof *conditions);
    tdbplus_status status = TDBPLUS_OK;
    if (positions == NULL || conditions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = index->only ? plan->positions[i] : schema->key_columns[i];
        positions[i] = (uint32_t)index_entries_find(entries, schema->columns[at].id);
    }
    for (uint32_t i = 0; index->only && i < plan->condition_count; i++) {
        uint32_t at = plan->conditions[i].position;
        conditions[i] = (struct scan_condition){
            .position = (uint32_t)index_entries_find(entries, schema->columns[at].id),
            .compare = plan->conditions[i].compare,
            .value = index->values[i]};
        conditions[i].value.type = schema->columns[at].type;
        options.condition_count++;
    }
    TRY_OR(done, index_range_encode(&found->def, range, &from, &to, exec->call->err));
    bounds[0].bytes = buffer_span(&from);
    bounds[1].bytes = buffer_span(&to);
    options.positions = positions;
    options.position_count = count;
    options.conditions = conditions;
    options.lower = (struct scan_bound){.values = &bounds[0], .value_count = 1};
    if (to.size > 0) {
        options.upper =
            (struct scan_bound){.values = &bounds[1], .value_count = 1, .exclusive = true};
    }
    TRY_OR(done, scan_open(exec->txn, found->entries, &options, &index->entries, exec->call->err));
done:
    buffer_deinit(&from);
    buffer_deinit(&to);
    return status;
}

/* ---- finding keys ---- */

/* Whether the row is met for the first time. */
static tdbplus_status is_new(struct index_stage *index, struct exec *exec, const struct datum *key,
                             bool *new_out)
{
    *new_out = true;
    if (index->plan->scan.access->probe_count == 1) {
        return TDBPLUS_OK;
    }
    const struct schema *schema = index->plan->scan.object->schema;
    struct buffer bytes = {.alloc = exec->call->alloc};
    tdbplus_status status = key_encode(key, schema->key_count, &bytes, exec->call->err);
    if (status == TDBPLUS_OK &&
        key_table_add(&index->seen, buffer_span(&bytes), new_out) == KEY_NONE) {
        status = exec_no_memory(exec);
    }
    buffer_deinit(&bytes);
    return status;
}

static tdbplus_status push_key(struct index_stage *index, struct exec *exec,
                               const struct datum *key)
{
    bool new = false;
    TRY(is_new(index, exec, key, &new));
    uint32_t count = index->plan->scan.object->schema->key_count;
    for (uint32_t i = 0; new &&i < count; i++) {
        struct datum copy = key[i];
        if (type_physical(copy.type) == PHYSICAL_VIEW && copy.bytes.size > 0) {
            uint8_t *bytes = arena_bytes(&index->key_arena, copy.bytes.size);
            if (bytes == NULL) {
                return exec_no_memory(exec);
            }
            memcpy(bytes, copy.bytes.data, copy.bytes.size);
            copy.bytes.data = bytes;
        }
        if (list_push(&index->keys, &copy) == NULL) {
            return exec_no_memory(exec);
        }
    }
    return TDBPLUS_OK;
}

/* The next range: a whole key of the table stands for itself, of an index its entries are opened.
 */
static tdbplus_status next_probe(struct index_stage *index, struct exec *exec)
{
    const struct plan_probe *probe = &index->plan->scan.access->probes[index->probe_next];
    const struct access_exprs *exprs = &index->probes[index->probe_next++];
    struct index_range range = {0};
    bool none = false;
    TRY(eval_probe(exec, probe, exprs, &range, &none));
    if (none) {
        return TDBPLUS_OK;
    }
    if (probe->index->id == 0) {
        return push_key(index, exec, range.equal);
    }
    return open_range(index, exec, find_index(index, probe->index->id), &range);
}

/* Keys of the entries at hand, up to `wanted` in all. */
static tdbplus_status take_entries(struct index_stage *index, struct exec *exec, size_t wanted)
{
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    uint32_t count = index->plan->scan.object->schema->key_count;
    uint32_t live = batch_live_count(&index->entry_batch);
    while (index->entry_at < live && index->keys.count < wanted * count) {
        uint32_t row = index->entry_batch.selection == NULL
                           ? index->entry_at
                           : index->entry_batch.selection[index->entry_at];
        for (uint32_t i = 0; i < count; i++) {
            column_get(&index->entry_batch.columns[i], row, &key[i]);
        }
        TRY(push_key(index, exec, key));
        index->entry_at++;
    }
    return TDBPLUS_OK;
}

/* Gathers keys until there are `wanted` or no more. */
static tdbplus_status find_keys(struct index_stage *index, struct exec *exec, size_t wanted)
{
    uint32_t count = index->plan->scan.object->schema->key_count;
    while (!index->all_found && index->keys.count < wanted * count) {
        if (index->entry_at < batch_live_count(&index->entry_batch)) {
            TRY(take_entries(index, exec, wanted));
            continue;
        }
        index->entry_at = 0;
        batch_reset(&index->entry_batch);
        if (index->entries != NULL) {
            tdbplus_status status = scan_next(index->entries, &index->entry_batch, exec->call);
            if (status == TDBPLUS_END) {
                scan_close(index->entries);
                index->entries = NULL;
                status = TDBPLUS_OK;
            }
            TRY(status);
        } else if (index->probe_next < index->plan->scan.access->probe_count) {
            TRY(next_probe(index, exec));
        } else {
            index->all_found = true;
        }
    }
    return TDBPLUS_OK;
}

/* ---- reading rows ---- */

static bool holds(const struct plan_condition *condition, const struct datum *value,
                  const struct datum *with)
{
    if (condition->compare == SCAN_IS_NULL || condition->compare == SCAN_IS_NOT_NULL) {
        return value->is_null == (condition->compare == SCAN_IS_NULL);
    }
    if (value->is_null || with->is_null) {
        return false;
    }
    int order = datum_compare(value, with);
    switch ((enum scan_compare)condition->compare) {
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

static bool row_holds(const struct index_stage *index, const struct datum *values)
{
    const struct plan_scan *scan = &index->plan->scan;
    for (uint32_t i = 0; i < scan->condition_count; i++) {
        const struct datum *value = &values[index->plan->column_count + i];
        if (!holds(&scan->conditions[i], value, &index->values[i])) {
            return false;
        }
    }
    return true;
}

/* Up to TXN_READ_COUNT_MAX rows of the found keys into the batch, from row *used on. */
static tdbplus_status read_portion(struct index_stage *index, struct exec *exec, struct batch *out,
                                   uint32_t room, uint32_t *used)
{
    const struct object *object = index->plan->scan.object;
    uint32_t key_count = object->schema->key_count;
    size_t left = index->keys.count / key_count - index->key_at;
    uint32_t count = left < TXN_READ_COUNT_MAX ? (uint32_t)left : TXN_READ_COUNT_MAX;
    count = count < room ? count : room;
    struct txn_read read = {.keys = list_at(&index->keys, index->key_at * key_count),
                            .count = count,
                            .positions = index->fetch,
                            .position_count = index->fetch_count};
    bool found[TXN_READ_COUNT_MAX] = {0};
    struct datum *values =
        arena_array(&out->arena, (size_t)count * index->fetch_count + 1, sizeof *values);
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    TRY(txn_read_rows(exec->txn, object, &read, out, values, found, exec->call));
    index->key_at += count;
    for (uint32_t i = 0; i < count; i++) {
        const struct datum *row = values + (size_t)i * index->fetch_count;
        if (!found[i] || !row_holds(index, row)) {
            continue;
        }
        for (uint32_t c = 0; c < out->column_count; c++) {
            struct column *column = &out->columns[c];
            if (row[c].is_null) {
                column->validity[*used / 64] &= ~((uint64_t)1 << (*used % 64));
            } else {
                column_set(column, *used, &row[c]);
            }
        }
        (*used)++;
    }
    return TDBPLUS_OK;
}

/* Forgets the keys that were read. */
static void drop_keys(struct index_stage *index)
{
    index->keys.count = 0;
    index->key_at = 0;
    arena_reset(&index->key_arena);
}

static tdbplus_status read_rows(struct index_stage *index, struct exec *exec, struct batch *out)
{
    uint32_t key_count = index->plan->scan.object->schema->key_count;
    uint32_t used = 0;
    uint32_t room = index->portion;
    index->portion = room * 4 < BATCH_ROW_COUNT_MAX ? room * 4 : BATCH_ROW_COUNT_MAX;
    if (!batch_shape(out, index->plan->column_count, 0)) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < out->column_count; c++) {
        if (!column_make(&out->columns[c], index->plan->columns[c].type, room, true, &out->arena)) {
            return exec_no_memory(exec);
        }
    }
    while (used < room) {
        if (index->key_at == index->keys.count / key_count) {
            drop_keys(index);
            TRY(find_keys(index, exec, room - used));
            if (index->keys.count == 0) {
                break;
            }
        }
        TRY(read_portion(index, exec, out, room - used, &used));
    }
    for (uint32_t c = 0; c < out->column_count; c++) {
        out->columns[c].row_count = used;
    }
    out->row_count = used;
    return used == 0 ? TDBPLUS_END : TDBPLUS_OK;
}

/* ---- the stage ---- */

static tdbplus_status eval_conditions(struct index_stage *index, struct exec *exec)
{
    const struct plan_scan *scan = &index->plan->scan;
    for (uint32_t i = 0; i < scan->condition_count; i++) {
        if (index->conditions[i] == NULL) {
            continue;
        }
        TRY(eval_once(exec, index->conditions[i], &exec->arena, &index->values[i]));
        index->nothing = index->nothing || index->values[i].is_null;
    }
    return TDBPLUS_OK;
}

/* Rows the table has, before conditions. */
static tdbplus_status estimate_table(struct index_stage *index, struct exec *exec,
                                     uint64_t *rows_out)
{
    struct scan *scan = NULL;
    struct scan_options options = {0};
    TRY(scan_open(exec->txn, index->plan->scan.object, &options, &scan, exec->call->err));
    *rows_out = scan_row_estimate(scan);
    scan_close(scan);
    return TDBPLUS_OK;
}

/* Looks how many rows there will be, and takes the way back if they are too many. */
static tdbplus_status look_ahead(struct index_stage *index, struct exec *exec)
{
    uint32_t key_count = index->plan->scan.object->schema->key_count;
    TRY(find_keys(index, exec, AHEAD_COUNT_MIN));
    if (index->all_found || index->keys.count < (size_t)AHEAD_COUNT_MIN * key_count) {
        return TDBPLUS_OK;
    }
    uint64_t rows = 0;
    TRY(estimate_table(index, exec, &rows));
    uint64_t most = rows / AHEAD_PART > AHEAD_COUNT_MIN ? rows / AHEAD_PART : AHEAD_COUNT_MIN;
    TRY(find_keys(index, exec, (size_t)most + 1));
    index->use_table = index->keys.count > most * key_count;
    if (index->use_table) {
        drop_keys(index);
    }
    return TDBPLUS_OK;
}

static tdbplus_status index_begin(struct index_stage *index, struct exec *exec)
{
    index->begun = true;
    TRY(look_up_indexes(index, exec));
    TRY(eval_conditions(index, exec));
    if (index->nothing || index->use_table || index->ordered) {
        return TDBPLUS_OK;
    }
    return index->only ? TDBPLUS_OK : look_ahead(index, exec);
}

static tdbplus_status read_entries(struct index_stage *index, struct exec *exec, struct batch *out)
{
    if (index->entries == NULL && index->probe_next == 0) {
        TRY(next_probe(index, exec));
    }
    return index->entries == NULL ? TDBPLUS_END : scan_next(index->entries, out, exec->call);
}

static tdbplus_status index_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct index_stage *index = (struct index_stage *)stage;
    if (!index->begun) {
        TRY(index_begin(index, exec));
    }
    if (index->nothing) {
        return TDBPLUS_END;
    }
    if (index->use_table) {
        ASSERT(index->has_table);
        return pipeline_next(index->table.last, exec, out);
    }
    return index->only ? read_entries(index, exec, out) : read_rows(index, exec, out);
}

static void index_close(struct stage *stage)
{
    struct index_stage *index = (struct index_stage *)stage;
    scan_close(index->entries);
    index->entries = NULL;
    batch_deinit(&index->entry_batch);
    list_deinit(&index->keys);
    arena_deinit(&index->key_arena);
    key_table_deinit(&index->seen);
}

static tdbplus_status compile_probe(struct exec *exec, const struct plan_probe *probe,
                                    struct access_exprs *exprs)
{
    exprs->equal = arena_array(&exec->arena, probe->equal_count + 1u, sizeof *exprs->equal);
    if (exprs->equal == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < probe->equal_count; i++) {
        if (probe->equal[i] != NULL) {
            TRY(exec_compile_expr(exec, probe->equal[i], NULL, 0, &exprs->equal[i]));
        }
    }
    if (probe->lower != NULL) {
        TRY(exec_compile_expr(exec, probe->lower, NULL, 0, &exprs->lower));
    }
    return probe->upper == NULL ? TDBPLUS_OK
                                : exec_compile_expr(exec, probe->upper, NULL, 0, &exprs->upper);
}

static tdbplus_status compile_parts(struct exec *exec, struct index_stage *index)
{
    const struct plan *plan = index->plan;
    const struct plan_access *access = plan->scan.access;
    uint32_t conditions = plan->scan.condition_count;
    index->probes = arena_array(&exec->arena, access->probe_count, sizeof *index->probes);
    index->conditions = arena_array(&exec->arena, conditions + 1u, sizeof *index->conditions);
    index->values = arena_array(&exec->arena, conditions + 1u, sizeof *index->values);
    index->fetch =
        arena_array(&exec->arena, plan->column_count + conditions + 1u, sizeof *index->fetch);
    if (index->probes == NULL || index->conditions == NULL || index->values == NULL ||
        index->fetch == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < access->probe_count; i++) {
        TRY(compile_probe(exec, &access->probes[i], &index->probes[i]));
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        index->fetch[index->fetch_count++] = plan->scan.positions[i];
    }
    for (uint32_t i = 0; i < conditions; i++) {
        index->fetch[index->fetch_count++] = plan->scan.conditions[i].position;
        if (plan->scan.conditions[i].value != NULL) {
            TRY(exec_compile_expr(exec, plan->scan.conditions[i].value, NULL, 0,
                                  &index->conditions[i]));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status make_index_scan(struct exec *exec, const struct plan *plan,
                               struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "index", .next = index_next, .close = index_close};
    struct index_stage *index = stage_make(exec, sizeof *index, &ops, NULL);
    if (index == NULL) {
        return exec_no_memory(exec);
    }
    index->plan = plan;
    index->ordered = plan->scan.access->ordered;
    index->only = plan_index_only(plan);
    index->portion = TXN_READ_COUNT_MAX;
    batch_init(&index->entry_batch, exec->call->alloc);
    list_init(&index->keys, exec->call->alloc, sizeof(struct datum));
    arena_init(&index->key_arena, exec->call->alloc, 1024);
    key_table_init(&index->seen, &exec->arena, exec->call->alloc);
    TRY(compile_parts(exec, index));
    if (!index->ordered) {
        struct plan *table = arena_alloc(&exec->arena, sizeof *table);
        if (table == NULL) {
            return exec_no_memory(exec);
        }
        *table = *plan;
        table->scan.access = NULL;
        TRY(make_scan(exec, table, &index->table));
        index->has_table = true;
    }
    pipeline->last = &index->stage;
    return TDBPLUS_OK;
}
