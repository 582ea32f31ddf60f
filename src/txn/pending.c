/* Checks and actions of constraints, when a statement or the transaction ends. */

#include "txn/pending.h"

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "txn/txn_internal.h"

#define PENDING_COUNT_MAX (1u << 26)

enum pending_kind {
    PENDING_REFERENCE = 1, /* A row refers to `values`: they must be there. */
    PENDING_KEEP,          /* A row with `values` is gone: nothing may refer to it, */
    PENDING_RESTRICT,      /* nor if another one has taken its place. */
    PENDING_ACTION,        /* What refers to `values` goes along: deleted, or changed to `now`. */
    PENDING_UNIQUE,        /* The values may stand once. */
};

struct pending {
    uint8_t kind; /* enum pending_kind. */
    bool done;
    uint64_t constraint; /* Object of the foreign key or index. */
    struct datum *values;
    struct datum *now; /* PENDING_ACTION of an update; NULL: of a delete. */
    struct datum *row; /* PENDING_REFERENCE: the key of the row that refers. */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a constraint's check does not fit the memory limit");
}

void pending_init(struct pending_list *list, const struct alloc *alloc)
{
    list_init(&list->items, alloc, sizeof(struct pending));
    list_init(&list->modes, alloc, sizeof(struct pending_mode));
    arena_init(&list->arena, alloc, 4096);
}

void pending_deinit(struct pending_list *list)
{
    list_deinit(&list->items);
    list_deinit(&list->modes);
    arena_deinit(&list->arena);
}

void pending_rollback(struct pending_list *list, uint64_t count)
{
    if (list->items.count > count) {
        list->items.count = count;
    }
}

/* ---- definitions ---- */

/* A foreign key and what it names, as the transaction has it now. */
struct foreign {
    const struct object *object;
    struct foreign_def def;
    const struct object *child;
    const struct object *parent;
    uint32_t child_positions[FOREIGN_COLUMN_COUNT_MAX];
    uint32_t parent_positions[FOREIGN_COLUMN_COUNT_MAX];
    struct arena arena;
};

static tdbplus_status find_positions(const struct object *table, const uint32_t *ids,
                                     uint32_t count, uint32_t *positions_out, struct err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        int32_t at = schema_find_id(table->schema, ids[i]);
        if (at < 0) {
            return err_set(err, TDBPLUS_E_CORRUPT, "a foreign key of \"%s\" has lost a column",
                           table->name);
        }
        positions_out[i] = (uint32_t)at;
    }
    return TDBPLUS_OK;
}

/* Release with close_foreign() also after a failure. */
static tdbplus_status open_foreign(struct txn *txn, const struct object *object,
                                   struct foreign *foreign, struct err *err)
{
    foreign->object = object;
    foreign->arena = (struct arena){.alloc = txn->alloc, .block_size = 512};
    TRY(foreign_def_decode(object->properties, &foreign->arena, &foreign->def, err));
    foreign->child = txn_object_by_id(txn, foreign->def.table);
    foreign->parent = txn_object_by_id(txn, foreign->def.referenced);
    if (foreign->child == NULL || foreign->parent == NULL) {
        return err_set(err, TDBPLUS_E_CORRUPT, "a foreign key has lost its table");
    }
    uint32_t count = foreign->def.column_count;
    TRY(find_positions(foreign->child, foreign->def.columns, count, foreign->child_positions, err));
    return find_positions(foreign->parent, foreign->def.referenced_columns, count,
                          foreign->parent_positions, err);
}

static void close_foreign(struct foreign *foreign)
{
    arena_deinit(&foreign->arena);
}

static const char *constraint_name(const struct object *object)
{
    return txn_own_name(object->name);
}

/* ---- noting ---- */

static tdbplus_status copy_values(struct txn *txn, const struct datum *row,
                                  const uint32_t *positions, uint32_t count,
                                  struct datum **values_out, struct err *err)
{
    struct arena *arena = &txn->pending.arena;
    struct datum *values = arena_array(arena, count + 1u, sizeof *values);
    if (values == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        values[i] = row[positions == NULL ? i : positions[i]];
        enum physical physical = type_physical(values[i].type);
        if (!values[i].is_null && (physical == PHYSICAL_VIEW || physical == PHYSICAL_FIXED) &&
            values[i].bytes.size > 0) {
            uint8_t *bytes = arena_bytes(arena, values[i].bytes.size);
            if (bytes == NULL) {
                return no_memory(err);
            }
            memcpy(bytes, values[i].bytes.data, values[i].bytes.size);
            values[i].bytes.data = bytes;
        }
    }
    *values_out = values;
    return TDBPLUS_OK;
}

static tdbplus_status push(struct txn *txn, const struct pending *pending, struct err *err)
{
    if (txn->pending.items.count >= PENDING_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "more than %u checks of constraints are due",
                       PENDING_COUNT_MAX);
    }
    return list_push(&txn->pending.items, pending) == NULL ? no_memory(err) : TDBPLUS_OK;
}

static bool same_values(const struct datum *left, const uint32_t *left_at,
                        const struct datum *right, const uint32_t *right_at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct datum *one = &left[left_at == NULL ? i : left_at[i]];
        const struct datum *other = &right[right_at == NULL ? i : right_at[i]];
        if (one->is_null != other->is_null || (!one->is_null && datum_compare(one, other) != 0)) {
            return false;
        }
    }
    return true;
}

static uint32_t count_nulls(const struct datum *row, const uint32_t *positions, uint32_t count)
{
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < count; i++) {
        nulls += row[positions == NULL ? i : positions[i]].is_null;
    }
    return nulls;
}

/* A row that refers came or changed. */
static tdbplus_status note_child(struct txn *txn, const struct foreign *foreign,
                                 const struct datum *old_row, const struct datum *new_row,
                                 struct err *err)
{
    const struct foreign_def *def = &foreign->def;
    const uint32_t *at = foreign->child_positions;
    if (new_row == NULL ||
        (old_row != NULL && same_values(old_row, at, new_row, at, def->column_count))) {
        return TDBPLUS_OK;
    }
    uint32_t nulls = count_nulls(new_row, at, def->column_count);
    if (nulls == def->column_count || (nulls > 0 && !def->match_full)) {
        return TDBPLUS_OK;
    }
    if (nulls > 0) {
        tdbplus_status status =
            err_set_state(err, TDBPLUS_E_CONSTRAINT, "23503",
                          "insert or update on table \"%s\" violates foreign key constraint \"%s\"",
                          txn_own_name(foreign->child->name), constraint_name(foreign->object));
        err_about(err, foreign->child->name, NULL, constraint_name(foreign->object));
        err_detail(err, "MATCH FULL does not allow mixing of null and nonnull key values.");
        return status;
    }
    struct pending pending = {.kind = PENDING_REFERENCE, .constraint = foreign->object->id};
    const struct schema *schema = foreign->child->schema;
    TRY(copy_values(txn, new_row, at, def->column_count, &pending.values, err));
    TRY(copy_values(txn, new_row, schema->key_columns, schema->key_count, &pending.row, err));
    return push(txn, &pending, err);
}

/* A row that may be referred to went or changed. */
static tdbplus_status note_parent(struct txn *txn, const struct foreign *foreign,
                                  const struct datum *old_row, const struct datum *new_row,
                                  struct err *err)
{
    const struct foreign_def *def = &foreign->def;
    const uint32_t *at = foreign->parent_positions;
    if (old_row == NULL || count_nulls(old_row, at, def->column_count) > 0 ||
        (new_row != NULL && same_values(old_row, at, new_row, at, def->column_count))) {
        return TDBPLUS_OK;
    }
    uint8_t action = new_row == NULL ? def->on_delete : def->on_update;
    struct pending pending = {.kind = action == FOREIGN_NO_ACTION  ? PENDING_KEEP
                                      : action == FOREIGN_RESTRICT ? PENDING_RESTRICT
                                                                   : PENDING_ACTION,
                              .constraint = foreign->object->id};
    TRY(copy_values(txn, old_row, at, def->column_count, &pending.values, err));
    if (new_row != NULL) {
        TRY(copy_values(txn, new_row, at, def->column_count, &pending.now, err));
    }
    return push(txn, &pending, err);
}

tdbplus_status pending_note(struct txn *txn, const struct object *collection,
                            const struct object *constraint, const struct datum *old_row,
                            const struct datum *new_row, struct err *err)
{
    struct foreign foreign = {0};
    tdbplus_status status = open_foreign(txn, constraint, &foreign, err);
    if (status == TDBPLUS_OK && foreign.def.table == collection->id) {
        status = note_child(txn, &foreign, old_row, new_row, err);
    }
    if (status == TDBPLUS_OK && foreign.def.referenced == collection->id) {
        status = note_parent(txn, &foreign, old_row, new_row, err);
    }
    close_foreign(&foreign);
    return status;
}

tdbplus_status pending_note_unique(struct txn *txn, const struct txn_index *index,
                                   const struct datum *values, struct err *err)
{
    struct pending pending = {.kind = PENDING_UNIQUE, .constraint = index->object->id};
    if (!index->def.nulls_not_distinct && count_nulls(values, NULL, index->def.column_count) > 0) {
        return TDBPLUS_OK;
    }
    TRY(copy_values(txn, values, NULL, index->def.column_count, &pending.values, err));
    return push(txn, &pending, err);
}

/* ---- looking ---- */

/* The newest rows of a table in which columns equal values, one after another: through an index
 * that begins with them, or by reading the table. */
struct finder {
    struct txn *txn;
    const struct object *table;
    const struct call *call;
    struct scan *scan;
    struct batch batch;
    struct arena arena;
    uint32_t at;
    const struct txn_index *index; /* NULL: the scan is of the table. */
};

static void finder_close(struct finder *finder)
{
    scan_close(finder->scan);
    batch_deinit(&finder->batch);
    arena_deinit(&finder->arena);
}

/* An index whose first columns are these, in any order; *order gets which value each one has. */
static const struct txn_index *choose_index(const struct txn_index *indexes, uint32_t index_count,
                                            const uint32_t *positions, uint32_t count,
                                            uint32_t *order)
{
    for (uint32_t i = 0; i < index_count; i++) {
        const struct txn_index *index = &indexes[i];
        uint32_t found = 0;
        bool fits = index->def.method == INDEX_BTREE && index->def.predicate == NULL &&
                    index->def.ready && index->def.column_count >= count;
        for (uint32_t c = 0; fits && c < count; c++) {
            bool match = false;
            for (uint32_t k = 0; k < count; k++) {
                if (index->positions[c] == positions[k]) {
                    order[c] = k;
                    match = true;
                }
            }
            fits = match;
            found += match;
        }
        if (fits && found == count) {
            return index;
        }
    }
    return NULL;
}

static tdbplus_status open_by_index(struct finder *finder, const struct datum *values,
                                    const uint32_t *order, uint32_t count)
{
    const struct schema *schema = finder->table->schema;
    const struct schema *entries = finder->index->entries->schema;
    struct datum equal[FOREIGN_COLUMN_COUNT_MAX];
    uint32_t positions[SCHEMA_KEY_COUNT_MAX];
    struct buffer from = {.alloc = finder->call->alloc};
    struct buffer to = {.alloc = finder->call->alloc};
    for (uint32_t i = 0; i < count; i++) {
        equal[i] = values[order[i]];
        equal[i].type = finder->index->def.columns[i].type;
    }
    for (uint32_t i = 0; i < schema->key_count; i++) {
        positions[i] =
            (uint32_t)index_entries_find(entries, schema->columns[schema->key_columns[i]].id);
    }
    struct index_range range = {.equal = equal, .equal_count = count};
    struct datum bounds[2] = {{.type = type_of(TYPE_BYTEA)}, {.type = type_of(TYPE_BYTEA)}};
    struct scan_options options = {.order = SCAN_ASCENDING,
                                   .latest = true,
                                   .positions = positions,
                                   .position_count = schema->key_count};
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, index_range_encode(&finder->index->def, &range, &from, &to, finder->call->err));
    bounds[0].bytes = buffer_span(&from);
    bounds[1].bytes = buffer_span(&to);
    options.lower = (struct scan_bound){.values = &bounds[0], .value_count = 1};
    if (to.size > 0) {
        options.upper =
            (struct scan_bound){.values = &bounds[1], .value_count = 1, .exclusive = true};
    }
    TRY_OR(done, scan_open(finder->txn, finder->index->entries, &options, &finder->scan,
                           finder->call->err));
done:
    buffer_deinit(&from);
    buffer_deinit(&to);
    return status;
}

static tdbplus_status open_by_table(struct finder *finder, const struct datum *values,
                                    const uint32_t *positions, uint32_t count)
{
    const struct schema *schema = finder->table->schema;
    struct scan_condition conditions[FOREIGN_COLUMN_COUNT_MAX];
    struct datum bound[SCHEMA_KEY_COUNT_MAX];
    uint32_t bound_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        conditions[i] = (struct scan_condition){
            .position = positions[i], .compare = SCAN_EQUAL, .value = values[i]};
        conditions[i].value.type = schema->columns[positions[i]].type;
    }
    // As much of the table's own key as there is.
    for (uint32_t k = 0; k < schema->key_count && bound_count == k; k++) {
        for (uint32_t i = 0; i < count; i++) {
            if (positions[i] == schema->key_columns[k] && bound_count == k) {
                bound[bound_count++] = conditions[i].value;
            }
        }
    }
    struct scan_options options = {.latest = true,
                                   .positions = schema->key_columns,
                                   .position_count = schema->key_count,
                                   .filter_rows = true,
                                   .conditions = conditions,
                                   .condition_count = count,
                                   .order = bound_count > 0 ? SCAN_ASCENDING : SCAN_ANY};
    options.lower = (struct scan_bound){.values = bound, .value_count = bound_count};
    options.upper = options.lower;
    return scan_open(finder->txn, finder->table, &options, &finder->scan, finder->call->err);
}

static tdbplus_status finder_open(struct finder *finder, struct txn *txn,
                                  const struct object *table, const uint32_t *positions,
                                  const struct datum *values, uint32_t count,
                                  const struct call *call)
{
    const struct txn_index *indexes = NULL;
    uint32_t index_count = 0;
    uint32_t order[FOREIGN_COLUMN_COUNT_MAX];
    *finder = (struct finder){.txn = txn, .table = table, .call = call};
    batch_init(&finder->batch, call->alloc);
    finder->arena = (struct arena){.alloc = call->alloc, .block_size = 512};
    TRY(txn_indexes(txn, table, &indexes, &index_count, call->err));
    finder->index = choose_index(indexes, index_count, positions, count, order);
    return finder->index != NULL ? open_by_index(finder, values, order, count)
                                 : open_by_table(finder, values, positions, count);
}

/* The key of the next row, valid until the next call; TDBPLUS_END. */
static tdbplus_status finder_next(struct finder *finder, struct datum *key_out)
{
    while (finder->at == batch_live_count(&finder->batch)) {
        finder->at = 0;
        TRY(scan_next(finder->scan, &finder->batch, finder->call));
    }
    uint32_t row =
        finder->batch.selection == NULL ? finder->at : finder->batch.selection[finder->at];
    finder->at++;
    for (uint32_t i = 0; i < finder->table->schema->key_count; i++) {
        column_get(&finder->batch.columns[i], row, &key_out[i]);
    }
    return TDBPLUS_OK;
}

/* Whether the newest state has such a row. */
static tdbplus_status any_row(struct txn *txn, const struct object *table,
                              const uint32_t *positions, const struct datum *values, uint32_t count,
                              bool *found_out, const struct call *call)
{
    struct finder finder;
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    tdbplus_status status = finder_open(&finder, txn, table, positions, values, count, call);
    if (status == TDBPLUS_OK) {
        status = finder_next(&finder, key);
        *found_out = status == TDBPLUS_OK;
        status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    }
    finder_close(&finder);
    return status;
}

/* ---- references ---- */

static void describe(const struct object *table, const uint32_t *positions,
                     const struct datum *values, uint32_t count, char *text, size_t size,
                     const struct alloc *alloc)
{
    const char *names[FOREIGN_COLUMN_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++) {
        names[i] = table->schema->columns[positions[i]].name;
    }
    txn_describe_key(names, values, count, text, size, alloc);
}

/* Shares the key referred to, then looks whether it is there. */
static tdbplus_status find_parent(struct txn *txn, const struct foreign *foreign,
                                  const struct datum *values, bool *found_out,
                                  const struct call *call)
{
    const struct schema *schema = foreign->parent->schema;
    const struct foreign_def *def = &foreign->def;
    struct datum ordered[FOREIGN_COLUMN_COUNT_MAX];
    struct segment_key key = {0};
    const struct object *where = foreign->parent;
    if (def->index == 0) {
        for (uint32_t k = 0; k < schema->key_count; k++) {
            for (uint32_t i = 0; i < def->column_count; i++) {
                if (foreign->parent_positions[i] == schema->key_columns[k]) {
                    ordered[k] = values[i];
                    ordered[k].type = schema->columns[schema->key_columns[k]].type;
                }
            }
        }
        TRY(txn_key(txn, where, ordered, &key, call->err));
    } else {
        const struct txn_index *indexes = NULL;
        const struct txn_index *index = NULL;
        uint32_t count = 0;
        TRY(txn_indexes(txn, foreign->parent, &indexes, &count, call->err));
        for (uint32_t i = 0; i < count; i++) {
            index = indexes[i].object->id == def->index ? &indexes[i] : index;
        }
        if (index == NULL) {
            return err_set(call->err, TDBPLUS_E_CORRUPT, "foreign key \"%s\" has lost its index",
                           constraint_name(foreign->object));
        }
        for (uint32_t k = 0; k < def->column_count; k++) {
            for (uint32_t i = 0; i < def->column_count; i++) {
                if (foreign->parent_positions[i] == index->positions[k]) {
                    ordered[k] = values[i];
                    ordered[k].type = index->def.columns[k].type;
                }
            }
        }
        where = index->entries;
        buffer_clear(&txn->key);
        TRY(index_key_encode(&index->def, ordered, NULL, 0, &txn->key, call->err));
        struct span bytes = buffer_span(&txn->key);
        key = (struct segment_key){bytes, key_code(bytes), key_hash(bytes)};
    }
    TRY(txn_lock_key(txn, where, &key, LOCK_ROW_KEY_SHARE, false, call));
    return txn_look_up(txn, where, &key, false, found_out, call->err);
}

/* The row that refers may itself have gone or changed since: then there is nothing to look at. */
static tdbplus_status still_refers(struct txn *txn, const struct foreign *foreign,
                                   const struct pending *pending, bool *refers_out,
                                   const struct call *call)
{
    const struct schema *schema = foreign->child->schema;
    struct segment_key key = {0};
    struct batch batch;
    TRY(txn_key(txn, foreign->child, pending->row, &key, call->err));
    TRY(txn_look_up(txn, foreign->child, &key, false, refers_out, call->err));
    if (!*refers_out) {
        return TDBPLUS_OK;
    }
    batch_init(&batch, call->alloc);
    struct datum *row = arena_array(&batch.arena, schema->column_count, sizeof *row);
    tdbplus_status status = row == NULL
                                ? no_memory(call->err)
                                : txn_newest_row(txn, foreign->child, &key, &batch, row, call->err);
    if (status == TDBPLUS_OK) {
        *refers_out = same_values(row, foreign->child_positions, pending->values, NULL,
                                  foreign->def.column_count);
    }
    batch_deinit(&batch);
    return status;
}

static tdbplus_status check_reference(struct txn *txn, const struct foreign *foreign,
                                      const struct pending *pending, const struct call *call)
{
    bool refers = false;
    bool found = false;
    TRY(still_refers(txn, foreign, pending, &refers, call));
    if (!refers) {
        return TDBPLUS_OK;
    }
    TRY(find_parent(txn, foreign, pending->values, &found, call));
    if (found) {
        return TDBPLUS_OK;
    }
    char text[ERR_HINT_SIZE - 90];
    describe(foreign->child, foreign->child_positions, pending->values, foreign->def.column_count,
             text, sizeof text, call->alloc);
    tdbplus_status status =
        err_set_state(call->err, TDBPLUS_E_CONSTRAINT, "23503",
                      "insert or update on table \"%s\" violates foreign key constraint \"%s\"",
                      txn_own_name(foreign->child->name), constraint_name(foreign->object));
    err_about(call->err, foreign->child->name, NULL, constraint_name(foreign->object));
    err_detail(call->err, "%s is not present in table \"%.60s\".", text,
               txn_own_name(foreign->parent->name));
    return status;
}

static tdbplus_status check_keep(struct txn *txn, const struct foreign *foreign,
                                 const struct pending *pending, const struct call *call)
{
    uint32_t count = foreign->def.column_count;
    bool found = false;
    if (pending->kind == PENDING_KEEP) {
        TRY(find_parent(txn, foreign, pending->values, &found, call));
        if (found) {
            return TDBPLUS_OK; // Another row has the key now.
        }
    }
    TRY(any_row(txn, foreign->child, foreign->child_positions, pending->values, count, &found,
                call));
    if (!found) {
        return TDBPLUS_OK;
    }
    char text[ERR_HINT_SIZE - 90];
    describe(foreign->parent, foreign->parent_positions, pending->values, count, text, sizeof text,
             call->alloc);
    tdbplus_status status =
        err_set_state(call->err, TDBPLUS_E_CONSTRAINT, "23503",
                      "update or delete on table \"%s\" violates foreign key constraint \"%s\" on "
                      "table \"%s\"",
                      txn_own_name(foreign->parent->name), constraint_name(foreign->object),
                      txn_own_name(foreign->child->name));
    err_about(call->err, foreign->child->name, NULL, constraint_name(foreign->object));
    err_detail(call->err, "%s is still referenced from table \"%.60s\".", text,
               txn_own_name(foreign->child->name));
    return status;
}

/* ---- actions ---- */

/* What a column of a referring row becomes. */
static tdbplus_status new_value(struct txn *txn, const struct foreign *foreign,
                                const struct pending *pending, uint32_t number, struct arena *arena,
                                struct datum *value, const struct call *call)
{
    uint32_t position = foreign->child_positions[number];
    struct type type = foreign->child->schema->columns[position].type;
    uint8_t action = pending->now != NULL ? foreign->def.on_update : foreign->def.on_delete;
    bool chosen = pending->now != NULL || foreign->def.set_count == 0;
    for (uint32_t i = 0; i < foreign->def.set_count; i++) {
        chosen = chosen || foreign->def.set_columns[i] == foreign->def.columns[number];
    }
    if (!chosen) {
        return TDBPLUS_OK;
    }
    if (action == FOREIGN_CASCADE) {
        *value = pending->now[number];
        value->type = type;
        return TDBPLUS_OK;
    }
    *value = (struct datum){.type = type, .is_null = true};
    const struct txn_hooks *hooks = store_upper(txn->store);
    if (action == FOREIGN_SET_DEFAULT && hooks != NULL) {
        return hooks->default_value(txn, foreign->child, position, arena, value, call);
    }
    return TDBPLUS_OK;
}

static tdbplus_status change_child(struct txn *txn, const struct foreign *foreign,
                                   const struct pending *pending, const struct datum *key,
                                   struct datum *row, struct arena *arena, const struct call *call)
{
    const struct schema *schema = foreign->child->schema;
    for (uint32_t i = 0; i < foreign->def.column_count; i++) {
        TRY(new_value(txn, foreign, pending, i, arena, &row[foreign->child_positions[i]], call));
    }
    if (same_values(row, schema->key_columns, key, NULL, schema->key_count)) {
        return txn_write(txn, foreign->child, TXN_UPDATE, row, NULL, call);
    }
    return txn_update_key(txn, foreign->child, key, row, call);
}

/* One referring row, if it still refers once it is locked. */
static tdbplus_status act_on_row(struct txn *txn, const struct foreign *foreign,
                                 const struct pending *pending, const struct datum *key_values,
                                 const struct call *call)
{
    const struct schema *schema = foreign->child->schema;
    struct segment_key key = {0};
    struct batch batch;
    bool exists = false;
    TRY(txn_key(txn, foreign->child, key_values, &key, call->err));
    TRY(txn_lock_key(txn, foreign->child, &key, LOCK_ROW_UPDATE, false, call));
    TRY(txn_look_up(txn, foreign->child, &key, true, &exists, call->err));
    if (!exists) {
        return TDBPLUS_OK;
    }
    batch_init(&batch, call->alloc);
    tdbplus_status status = TDBPLUS_OK;
    struct datum *row = arena_array(&batch.arena, schema->column_count, sizeof *row);
    if (row == NULL) {
        status = no_memory(call->err);
        goto done;
    }
    TRY_OR(done, txn_newest_row(txn, foreign->child, &key, &batch, row, call->err));
    if (!same_values(row, foreign->child_positions, pending->values, NULL,
                     foreign->def.column_count)) {
        goto done;
    }
    bool removes = pending->now == NULL && foreign->def.on_delete == FOREIGN_CASCADE;
    status = removes ? txn_delete(txn, foreign->child, key_values, NULL, call)
                     : change_child(txn, foreign, pending, key_values, row, &batch.arena, call);
done:
    batch_deinit(&batch);
    return status;
}

/* The rows are listed first: changing them while they are looked for would find some twice. */
static tdbplus_status act(struct txn *txn, const struct foreign *foreign,
                          const struct pending *pending, const struct call *call)
{
    struct finder finder;
    struct list keys;
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    uint32_t key_count = foreign->child->schema->key_count;
    list_init(&keys, call->alloc, sizeof(struct datum *));
    tdbplus_status status = finder_open(&finder, txn, foreign->child, foreign->child_positions,
                                        pending->values, foreign->def.column_count, call);
    while (status == TDBPLUS_OK) {
        status = finder_next(&finder, key);
        struct datum *copy = NULL;
        if (status == TDBPLUS_OK) {
            status = copy_values(txn, key, NULL, key_count, &copy, call->err);
        }
        if (status == TDBPLUS_OK && list_push(&keys, &copy) == NULL) {
            status = no_memory(call->err);
        }
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    finder_close(&finder);
    for (size_t i = 0; status == TDBPLUS_OK && i < keys.count; i++) {
        status = act_on_row(txn, foreign, pending, *(struct datum **)list_at(&keys, i), call);
    }
    list_deinit(&keys);
    return status;
}

/* ---- unique constraints that may wait ---- */

static tdbplus_status check_unique(struct txn *txn, const struct object *object,
                                   const struct pending *pending, const struct call *call)
{
    const struct object *table = txn_object_by_id(txn, object->parent);
    const struct txn_index *indexes = NULL;
    const struct txn_index *index = NULL;
    uint32_t count = 0;
    if (table == NULL) {
        return TDBPLUS_OK;
    }
    TRY(txn_indexes(txn, table, &indexes, &count, call->err));
    for (uint32_t i = 0; i < count; i++) {
        index = indexes[i].object->id == object->id ? &indexes[i] : index;
    }
    if (index == NULL) {
        return TDBPLUS_OK;
    }
    struct index_range range = {.equal = pending->values, .equal_count = index->def.column_count};
    struct buffer to = {.alloc = call->alloc};
    buffer_clear(&txn->key);
    tdbplus_status status = index_range_encode(&index->def, &range, &txn->key, &to, call->err);
    struct span prefix = buffer_span(&txn->key);
    struct segment_key key = {prefix, key_code(prefix), key_hash(prefix)};
    buffer_deinit(&to);
    TRY(status);
    // Held to the end, so of two transactions that add one value the second sees the first's.
    TRY(txn_lock_key(txn, index->entries, &key, LOCK_ROW_UPDATE, false, call));
    return txn_check_once(txn, table, index, pending->values, call);
}

/* ---- when it is due ---- */

static bool is_deferred(const struct txn *txn, uint64_t constraint, bool deferred)
{
    for (size_t i = 0; i < txn->pending.modes.count; i++) {
        const struct pending_mode *mode = list_at(&txn->pending.modes, i);
        if (mode->constraint == constraint || mode->constraint == 0) {
            deferred = mode->deferred;
        }
    }
    return deferred;
}

static tdbplus_status run_foreign(struct txn *txn, const struct object *object,
                                  struct pending *pending, bool at_commit, bool *ran_out,
                                  const struct call *call)
{
    struct foreign foreign = {0};
    struct pending own = *pending; // The list may move while it grows.
    tdbplus_status status = open_foreign(txn, object, &foreign, call->err);
    bool waits = foreign.def.deferrable && is_deferred(txn, object->id, foreign.def.deferred) &&
                 (own.kind == PENDING_REFERENCE || own.kind == PENDING_KEEP);
    *ran_out = at_commit || !waits;
    if (status == TDBPLUS_OK && *ran_out) {
        status = own.kind == PENDING_REFERENCE ? check_reference(txn, &foreign, &own, call)
                 : own.kind == PENDING_ACTION  ? act(txn, &foreign, &own, call)
                                               : check_keep(txn, &foreign, &own, call);
    }
    close_foreign(&foreign);
    return status;
}

static tdbplus_status run_unique(struct txn *txn, const struct object *object,
                                 struct pending *pending, bool at_commit, bool *ran_out,
                                 const struct call *call)
{
    struct arena arena = {.alloc = call->alloc, .block_size = 512};
    struct index_def def = {0};
    tdbplus_status status = index_def_decode(object->properties, &arena, &def, call->err);
    bool waits = is_deferred(txn, object->id, def.deferred);
    arena_deinit(&arena);
    *ran_out = at_commit || !waits;
    return status == TDBPLUS_OK && *ran_out ? check_unique(txn, object, pending, call) : status;
}

static tdbplus_status run_all(struct txn *txn, bool at_commit, const struct call *call)
{
    struct list *items = &txn->pending.items;
    bool left = false;
    for (size_t i = 0; i < items->count; i++) {
        struct pending pending = *(struct pending *)list_at(items, i);
        const struct object *object = txn_object_by_id(txn, pending.constraint);
        bool ran = true;
        if (pending.done || object == NULL) {
            continue; // A constraint dropped since asks for nothing.
        }
        TRY(pending.kind == PENDING_UNIQUE
                ? run_unique(txn, object, &pending, at_commit, &ran, call)
                : run_foreign(txn, object, &pending, at_commit, &ran, call));
        ((struct pending *)list_at(items, i))->done = ran;
        left = left || !ran;
    }
    if (!left) {
        items->count = 0;
        arena_reset(&txn->pending.arena);
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_end_statement(struct txn *txn, const struct call *call)
{
    return txn->pending.items.count == 0 ? TDBPLUS_OK : run_all(txn, false, call);
}

tdbplus_status pending_finish(struct txn *txn, const struct call *call)
{
    return txn->pending.items.count == 0 ? TDBPLUS_OK : run_all(txn, true, call);
}

/* ---- SET CONSTRAINTS, new constraints ---- */

static tdbplus_status check_deferrable(struct txn *txn, uint64_t constraint, struct err *err)
{
    const struct object *object = txn_object_by_id(txn, constraint);
    struct arena arena = {.alloc = txn->alloc, .block_size = 512};
    struct foreign_def foreign = {0};
    struct index_def index = {0};
    if (object == NULL || !object_kind_is_part(object->kind)) {
        return err_set(err, TDBPLUS_E_NOT_FOUND, "there is no such constraint");
    }
    tdbplus_status status = object->kind == OBJECT_INDEX
                                ? index_def_decode(object->properties, &arena, &index, err)
                                : foreign_def_decode(object->properties, &arena, &foreign, err);
    arena_deinit(&arena);
    TRY(status);
    if (!foreign.deferrable && !index.deferrable) {
        return err_set_state(err, TDBPLUS_E_SQL, "42809", "constraint \"%s\" is not deferrable",
                             constraint_name(object));
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_set_constraint(struct txn *txn, uint64_t constraint, bool deferred,
                                  struct err *err)
{
    struct pending_mode mode = {constraint, deferred};
    if (constraint == 0) {
        txn->pending.modes.count = 0;
    } else {
        TRY(check_deferrable(txn, constraint, err));
    }
    return list_push(&txn->pending.modes, &mode) == NULL ? no_memory(err) : TDBPLUS_OK;
}

tdbplus_status txn_check_foreign_key(struct txn *txn, uint64_t constraint, const struct call *call)
{
    const struct object *object = txn_object_by_id(txn, constraint);
    if (object == NULL || object->kind != OBJECT_FOREIGN_KEY) {
        return err_set(call->err, TDBPLUS_E_NOT_FOUND, "there is no such foreign key");
    }
    const struct object *child = txn_object_by_id(txn, object->parent);
    if (child == NULL) {
        return err_set(call->err, TDBPLUS_E_CORRUPT, "a foreign key has lost its table");
    }
    txn_forbid_changes(txn, child->id);
    return txn_walk_rows(txn, child, object, call);
}
