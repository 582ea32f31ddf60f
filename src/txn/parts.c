/* The parts of collections at hand, and the writes of rows that have index entries. */

#include "txn/parts.h"

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "txn/bulk.h"
#include "txn/txn_internal.h"

#define POSITION_NONE UINT32_MAX

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "an index does not fit the memory limit");
}

void txn_set_hooks(struct store *store, const struct txn_hooks *hooks)
{
    store_set_upper(store, hooks);
}

/* ---- what a collection has ---- */

static void free_parts(struct txn *txn, struct parts *parts)
{
    const struct txn_hooks *hooks = store_upper(txn->store);
    for (uint32_t i = 0; i < parts->index_count; i++) {
        if (parts->indexes[i].texts != NULL) {
            hooks->close_texts(parts->indexes[i].texts);
        }
    }
    batch_deinit(&parts->old_row);
    arena_deinit(&parts->scratch);
    arena_deinit(&parts->arena);
    alloc_free(txn->alloc, parts, 1, sizeof *parts);
}

void txn_parts_reset(struct txn *txn)
{
    while (txn->parts != NULL) {
        struct parts *parts = txn->parts;
        txn->parts = parts->next;
        free_parts(txn, parts);
    }
}

static tdbplus_status find_columns(struct txn_index *index, const struct schema *schema,
                                   struct arena *arena, struct err *err)
{
    const struct index_def *def = &index->def;
    const struct schema *entries = index->entries->schema;
    index->positions = arena_array(arena, def->column_count, sizeof *index->positions);
    index->stored = arena_array(arena, entries->column_count, sizeof *index->stored);
    if (index->positions == NULL || index->stored == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < def->column_count; i++) {
        uint32_t id = def->columns[i].column_id;
        int32_t position = id == 0 ? -1 : schema_find_id(schema, id);
        index->positions[i] = position < 0 ? POSITION_NONE : (uint32_t)position;
        if (id != 0 &&
            (position < 0 || !type_equal(schema->columns[position].type, def->columns[i].type))) {
            return err_set(err, TDBPLUS_E_CORRUPT,
                           "index \"%s\" does not fit its table: a column is gone or has another "
                           "type",
                           index->object->name);
        }
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        int32_t at = index_entries_find(entries, schema->columns[i].id);
        if (at > 0) {
            index->stored[at - 1] = i;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status open_index(struct txn *txn, const struct object *collection,
                                 const struct object *object, struct arena *arena,
                                 struct txn_index *index, struct err *err)
{
    index->object = object;
    TRY(index_def_decode(object->properties, arena, &index->def, err));
    index->entries = txn_object_by_id(txn, object->other);
    if (index->entries == NULL || index->entries->collection == NULL) {
        return err_set(err, TDBPLUS_E_CORRUPT, "index \"%s\" has lost its entries", object->name);
    }
    TRY(find_columns(index, collection->schema, arena, err));
    if (!index_has_texts(&index->def)) {
        return TDBPLUS_OK;
    }
    const struct txn_hooks *hooks = store_upper(txn->store);
    if (hooks == NULL) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "index \"%s\" has expressions, which nobody here can compute", object->name);
    }
    return hooks->open_texts(txn, collection, &index->def, &index->texts, err);
}

static tdbplus_status read_parts(struct txn *txn, const struct object *collection,
                                 struct parts *parts, struct err *err)
{
    uint32_t count = 0;
    while (txn_part_at(txn, collection->id, count) != NULL) {
        count++;
    }
    parts->indexes = arena_array(&parts->arena, count, sizeof *parts->indexes);
    parts->keys = arena_array(&parts->arena, count, sizeof *parts->keys);
    if (parts->indexes == NULL || parts->keys == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct object *object = txn_part_at(txn, collection->id, i);
        if (object->kind == OBJECT_INDEX) {
            // Counted first, so that a failure closes what it opened.
            struct txn_index *index = &parts->indexes[parts->index_count++];
            TRY(open_index(txn, collection, object, &parts->arena, index, err));
        } else {
            parts->keys[parts->key_count++] = object;
        }
    }
    return TDBPLUS_OK;
}

static bool is_current(const struct txn *txn, const struct object *collection,
                       const struct parts *parts)
{
    return parts->revision == collection->revision &&
           parts->catalog_version == catalog_version(txn->catalog) &&
           parts->object_count == txn->objects.count;
}

tdbplus_status txn_parts(struct txn *txn, const struct object *collection, struct parts **parts_out,
                         struct err *err)
{
    for (struct parts *parts = txn->parts; parts != NULL; parts = parts->next) {
        if (parts->collection == collection->id && is_current(txn, collection, parts)) {
            *parts_out = parts;
            return TDBPLUS_OK;
        }
    }
    if (!txn_has_parts(txn, collection)) {
        *parts_out = NULL;
        return TDBPLUS_OK;
    }
    struct parts *parts = alloc_array(txn->alloc, 1, sizeof *parts);
    if (parts == NULL) {
        return no_memory(err);
    }
    parts->collection = collection->id;
    parts->revision = collection->revision;
    parts->catalog_version = catalog_version(txn->catalog);
    parts->object_count = txn->objects.count;
    arena_init(&parts->arena, txn->alloc, 1024);
    arena_init(&parts->scratch, txn->alloc, 1024);
    batch_init(&parts->old_row, txn->alloc);
    tdbplus_status status = read_parts(txn, collection, parts, err);
    if (status != TDBPLUS_OK) {
        free_parts(txn, parts);
        return status;
    }
    parts->next = txn->parts;
    txn->parts = parts;
    *parts_out = parts;
    return TDBPLUS_OK;
}

bool txn_has_parts(struct txn *txn, const struct object *collection)
{
    return txn_part_at(txn, collection->id, 0) != NULL;
}

tdbplus_status txn_indexes(struct txn *txn, const struct object *collection,
                           const struct txn_index **indexes_out, uint32_t *count_out,
                           struct err *err)
{
    struct parts *parts = NULL;
    TRY(txn_parts(txn, collection, &parts, err));
    *indexes_out = parts == NULL ? NULL : parts->indexes;
    *count_out = parts == NULL ? 0 : parts->index_count;
    return TDBPLUS_OK;
}

bool txn_index_usable(const struct txn *txn, const struct txn_index *index)
{
    return index->def.ready &&
           collection_created(index->entries->collection) <= txn->snapshot.timestamp &&
           !collection_dropped(index->entries->collection);
}

/* ---- entries ---- */

/* A row's entry in an index. */
struct entry {
    bool there;
    bool unique; /* The key is the index's columns alone. */
    struct segment_key key;
    struct span row;
    struct datum *values;  /* Of the index's columns. */
    struct datum *columns; /* Of the entries' collection: what `row` is made of. */
};

static tdbplus_status compute_values(struct txn *txn, const struct txn_index *index,
                                     const struct datum *row, struct arena *arena,
                                     struct entry *entry, const struct call *call)
{
    entry->there = true;
    entry->values = arena_array(arena, index->def.column_count, sizeof *entry->values);
    if (entry->values == NULL) {
        return no_memory(call->err);
    }
    if (index->texts != NULL) {
        const struct txn_hooks *hooks = store_upper(txn->store);
        TRY(hooks->compute(index->texts, row, entry->values, &entry->there, arena, call));
    }
    for (uint32_t i = 0; i < index->def.column_count; i++) {
        if (index->positions[i] != POSITION_NONE) {
            entry->values[i] = row[index->positions[i]];
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status keep_bytes(struct arena *arena, const struct buffer *buffer,
                                 struct span *span_out, struct err *err)
{
    uint8_t *copy = arena_bytes(arena, buffer->size);
    if (buffer->failed || copy == NULL) {
        return no_memory(err);
    }
    if (buffer->size > 0) {
        memcpy(copy, buffer->data, buffer->size);
    }
    *span_out = (struct span){.data = copy, .size = buffer->size};
    return TDBPLUS_OK;
}

/* Key and row of the entry that a row of the table has in the index; bytes are in the arena. */
static tdbplus_status make_entry(struct txn *txn, const struct txn_index *index,
                                 const struct schema *schema, const struct datum *row,
                                 struct arena *arena, struct entry *entry, const struct call *call)
{
    struct err *err = call->err;
    TRY(compute_values(txn, index, row, arena, entry, call));
    if (!entry->there) {
        return TDBPLUS_OK;
    }
    struct datum row_key[SCHEMA_KEY_COUNT_MAX];
    for (uint32_t i = 0; i < schema->key_count; i++) {
        row_key[i] = row[schema->key_columns[i]];
    }
    buffer_clear(&txn->row);
    TRY(index_key_encode(&index->def, entry->values, row_key, schema->key_count, &txn->row, err));
    struct span key = {0};
    TRY(keep_bytes(arena, &txn->row, &key, err));
    entry->key = (struct segment_key){.key = key, .code = key_code(key), .hash = key_hash(key)};
    entry->unique = index_key_is_unique(&index->def, entry->values);
    const struct schema *entries = index->entries->schema;
    struct datum *values = arena_array(arena, entries->column_count, sizeof *values);
    if (values == NULL) {
        return no_memory(err);
    }
    values[0] = (struct datum){.type = type_of(TYPE_BYTEA), .bytes = key};
    for (uint32_t i = 1; i < entries->column_count; i++) {
        values[i] = row[index->stored[i - 1]];
    }
    entry->columns = values;
    buffer_clear(&txn->row);
    row_encode(entries, values, &txn->row);
    return keep_bytes(arena, &txn->row, &entry->row, err);
}

uint64_t txn_conflict_index(const struct txn *txn)
{
    return txn->conflict_index;
}

static tdbplus_status duplicate_entry(struct txn *txn, const struct object *collection,
                                      const struct txn_index *index, const struct datum *values,
                                      bool building, const struct call *call)
{
    txn->conflict_index = index->object->id;
    const char *names[INDEX_COLUMN_COUNT_MAX];
    char text[ERR_HINT_SIZE - 20];
    for (uint32_t i = 0; i < index->def.column_count; i++) {
        names[i] = index->positions[i] == POSITION_NONE
                       ? index->def.columns[i].expression
                       : collection->schema->columns[index->positions[i]].name;
    }
    const char *name = txn_own_name(index->object->name);
    tdbplus_status status =
        err_set(call->err, TDBPLUS_E_UNIQUE,
                building ? "could not create unique index \"%s\""
                         : "duplicate key value violates unique constraint \"%s\"",
                name);
    err_about(call->err, collection->name, NULL, name);
    txn_describe_key(names, values, index->def.column_count, text, sizeof text, call->alloc);
    err_detail(call->err, building ? "%s is duplicated." : "%s already exists.", text);
    return status;
}

static tdbplus_status remove_entry(struct txn *txn, const struct txn_index *index,
                                   const struct entry *entry, const struct call *call)
{
    if (entry->unique) {
        TRY(txn_lock_key(txn, index->entries, &entry->key, LOCK_ROW_UPDATE, false, call));
    }
    return txn_add_change(txn, index->entries, COMMIT_DELETE, &entry->key, (struct span){0},
                          call->err);
}

/* An entry whose key has the row's key in it needs no lock: the row's stands for it. */
static tdbplus_status add_entry(struct txn *txn, const struct object *collection,
                                const struct txn_index *index, const struct entry *entry,
                                const struct call *call)
{
    if (entry->unique) {
        bool exists = false;
        TRY(txn_lock_key(txn, index->entries, &entry->key, LOCK_ROW_UPDATE, false, call));
        TRY(txn_look_up(txn, index->entries, &entry->key, false, &exists, call->err));
        if (exists) {
            return duplicate_entry(txn, collection, index, entry->values, false, call);
        }
    }
    if (index->def.deferrable) {
        TRY(pending_note_unique(txn, index, entry->values, call->err));
    }
    return txn_add_change(txn, index->entries, COMMIT_PUT, &entry->key, entry->row, call->err);
}

static bool same_bytes(struct span left, struct span right)
{
    return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

/* From the old row's entry to the new one's. */
static tdbplus_status move_entry(struct txn *txn, const struct object *collection,
                                 const struct txn_index *index, const struct entry *old,
                                 const struct entry *new, const struct call *call)
{
    if (old->there && new->there && same_bytes(old->key.key, new->key.key)) {
        return same_bytes(old->row, new->row) ? TDBPLUS_OK
                                              : txn_add_change(txn, index->entries, COMMIT_PUT,
                                                               &new->key, new->row, call->err);
    }
    if (old->there) {
        TRY(remove_entry(txn, index, old, call));
    }
    return new->there ? add_entry(txn, collection, index, new, call) : TDBPLUS_OK;
}

static tdbplus_status change_entries(struct txn *txn, struct parts *parts,
                                     const struct row_write *write, const struct datum *old_row,
                                     const struct call *call)
{
    const struct schema *schema = write->collection->schema;
    for (uint32_t i = 0; i < parts->index_count; i++) {
        const struct txn_index *index = &parts->indexes[i];
        struct entry *pair = arena_array(&parts->scratch, 2, sizeof *pair);
        if (pair == NULL) {
            return no_memory(call->err);
        }
        if (old_row != NULL) {
            TRY(make_entry(txn, index, schema, old_row, &parts->scratch, &pair[0], call));
        }
        if (write->values != NULL) {
            TRY(make_entry(txn, index, schema, write->values, &parts->scratch, &pair[1], call));
        }
        TRY(move_entry(txn, write->collection, index, &pair[0], &pair[1], call));
    }
    return TDBPLUS_OK;
}

static tdbplus_status change_row(struct txn *txn, const struct row_write *write, struct err *err)
{
    const struct segment_key *key = write->new_key != NULL ? write->new_key : &write->key;
    if (write->values == NULL || write->new_key != NULL) {
        TRY(txn_add_change(txn, write->collection, COMMIT_DELETE, &write->key, (struct span){0},
                           err));
    }
    if (write->values == NULL) {
        return TDBPLUS_OK;
    }
    buffer_clear(&txn->row);
    row_encode(write->collection->schema, write->values, &txn->row);
    if (txn->row.failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    return txn_add_change(txn, write->collection, COMMIT_PUT, key, buffer_span(&txn->row), err);
}

static tdbplus_status keep_key(struct arena *arena, const struct segment_key *key,
                               struct segment_key *kept, struct err *err)
{
    uint8_t *bytes = arena_bytes(arena, key->key.size);
    if (bytes == NULL) {
        return no_memory(err);
    }
    memcpy(bytes, key->key.data, key->key.size);
    *kept = *key;
    kept->key.data = bytes;
    return TDBPLUS_OK;
}

tdbplus_status txn_write_with_parts(struct txn *txn, struct parts *parts,
                                    const struct row_write *write, const struct call *call)
{
    const struct schema *schema = write->collection->schema;
    struct row_write own = *write;
    uint64_t mark = txn->changes.items.count;
    uint64_t pending_mark = txn->pending.items.count;
    struct datum *old_row = NULL;
    tdbplus_status status = TDBPLUS_OK;
    arena_reset(&parts->scratch);
    batch_reset(&parts->old_row);
    // The key's bytes are the transaction's scratch, which locking entries uses too.
    struct segment_key new_key = {0};
    TRY(keep_key(&parts->scratch, &write->key, &own.key, call->err));
    if (write->new_key != NULL) {
        TRY(keep_key(&parts->scratch, write->new_key, &new_key, call->err));
        own.new_key = &new_key;
    }
    if (write->existed) {
        old_row = arena_array(&parts->scratch, schema->column_count, sizeof *old_row);
        if (old_row == NULL) {
            return no_memory(call->err);
        }
        TRY(txn_newest_row(txn, write->collection, &own.key, &parts->old_row, old_row, call->err));
    }
    TRY_OR(done, change_row(txn, &own, call->err));
    TRY_OR(done, change_entries(txn, parts, &own, old_row, call));
    for (uint32_t i = 0; i < parts->key_count; i++) {
        TRY_OR(done,
               pending_note(txn, own.collection, parts->keys[i], old_row, own.values, call->err));
    }
done:
    if (status != TDBPLUS_OK) {
        changes_rollback(&txn->changes, mark);
        pending_rollback(&txn->pending, pending_mark);
    }
    return status;
}

/* ---- conflicts ---- */

static tdbplus_status find_entry_row(struct txn *txn, const struct object *collection,
                                     const struct txn_index *index, const struct entry *entry,
                                     struct batch *batch, struct datum *key_out, bool *found_out,
                                     const struct call *call)
{
    const struct schema *schema = collection->schema;
    const struct schema *entries = index->entries->schema;
    struct datum key = {.type = type_of(TYPE_BYTEA), .bytes = entry->key.key};
    struct datum *values = arena_array(&batch->arena, entries->column_count, sizeof *values);
    if (values == NULL) {
        return no_memory(call->err);
    }
    TRY(txn_get(txn, index->entries, &key, NULL, entries->column_count, batch, values, found_out,
                call));
    for (uint32_t i = 0; *found_out && i < schema->key_count; i++) {
        int32_t at = index_entries_find(entries, schema->columns[schema->key_columns[i]].id);
        ASSERT(at > 0);
        key_out[i] = values[at];
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_find_conflict(struct txn *txn, const struct object *collection,
                                 uint64_t index_id, const struct datum *values, struct batch *batch,
                                 struct datum *key_out, bool *found_out, const struct call *call)
{
    const struct schema *schema = collection->schema;
    *found_out = false;
    if (index_id == 0) {
        for (uint32_t i = 0; i < schema->key_count; i++) {
            key_out[i] = values[schema->key_columns[i]];
        }
        uint32_t none = 0;
        return txn_get(txn, collection, key_out, &none, 0, batch, NULL, found_out, call);
    }
    struct parts *parts = NULL;
    TRY(txn_parts(txn, collection, &parts, call->err));
    for (uint32_t i = 0; parts != NULL && i < parts->index_count; i++) {
        const struct txn_index *index = &parts->indexes[i];
        if (index->object->id != index_id) {
            continue;
        }
        struct entry *entry = arena_array(&batch->arena, 1, sizeof *entry);
        if (entry == NULL) {
            return no_memory(call->err);
        }
        TRY(make_entry(txn, index, schema, values, &batch->arena, entry, call));
        return entry->there && entry->unique
                   ? find_entry_row(txn, collection, index, entry, batch, key_out, found_out, call)
                   : TDBPLUS_OK;
    }
    return err_set(call->err, TDBPLUS_E_NOT_FOUND, "\"%s\" has lost an index", collection->name);
}

tdbplus_status txn_check_once(struct txn *txn, const struct object *collection,
                              const struct txn_index *index, const struct datum *values,
                              const struct call *call)
{
    struct index_range range = {.equal = values, .equal_count = index->def.column_count};
    struct buffer from = {.alloc = call->alloc};
    struct buffer to = {.alloc = call->alloc};
    struct datum bounds[2] = {{.type = type_of(TYPE_BYTEA)}, {.type = type_of(TYPE_BYTEA)}};
    struct scan_options options = {.order = SCAN_ASCENDING, .latest = true};
    struct scan *scan = NULL;
    struct batch batch;
    uint32_t count = 0;
    tdbplus_status status = TDBPLUS_OK;
    batch_init(&batch, call->alloc);
    TRY_OR(done, index_range_encode(&index->def, &range, &from, &to, call->err));
    bounds[0].bytes = buffer_span(&from);
    bounds[1].bytes = buffer_span(&to);
    options.lower = (struct scan_bound){.values = &bounds[0], .value_count = 1};
    if (to.size > 0) {
        options.upper =
            (struct scan_bound){.values = &bounds[1], .value_count = 1, .exclusive = true};
    }
    TRY_OR(done, scan_open(txn, index->entries, &options, &scan, call->err));
    while (count < 2 && (status = scan_next(scan, &batch, call)) == TDBPLUS_OK) {
        count += batch_live_count(&batch);
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    if (status == TDBPLUS_OK && count > 1) {
        status = duplicate_entry(txn, collection, index, values, false, call);
    }
done:
    scan_close(scan);
    batch_deinit(&batch);
    buffer_deinit(&from);
    buffer_deinit(&to);
    return status;
}

/* ---- building and checking ---- */

struct index_walk {
    struct txn *txn;
    const struct object *collection;
    const struct txn_index *index;
    const struct object *constraint;
    const struct call *call;
    struct arena arena; /* Of one row. */
    uint64_t entry_count;
    struct bulk *bulk; /* Entries of large tables go into segments. */
    struct batch rows; /* Entries not yet given to it. */
};

static tdbplus_status build_row(struct index_walk *walk, const struct datum *row)
{
    struct txn *txn = walk->txn;
    const struct txn_index *index = walk->index;
    struct entry *entry = arena_array(&walk->arena, 1, sizeof *entry);
    if (entry == NULL) {
        return no_memory(walk->call->err);
    }
    TRY(make_entry(txn, index, walk->collection->schema, row, &walk->arena, entry, walk->call));
    if (!entry->there) {
        return TDBPLUS_OK;
    }
    bool exists = false;
    if (entry->unique) {
        TRY(txn_look_up(txn, index->entries, &entry->key, false, &exists, walk->call->err));
    } else if (index->def.deferrable) {
        TRY(pending_note_unique(txn, index, entry->values, walk->call->err));
    }
    if (exists) {
        return duplicate_entry(txn, walk->collection, index, entry->values, true, walk->call);
    }
    return txn_add_change(txn, index->entries, COMMIT_PUT, &entry->key, entry->row,
                          walk->call->err);
}

/* Every row has its entry, with the right row in it. */
static tdbplus_status check_row(struct index_walk *walk, const struct datum *row)
{
    struct txn *txn = walk->txn;
    const struct schema *entries = walk->index->entries->schema;
    struct entry *entry = arena_array(&walk->arena, 1, sizeof *entry);
    struct datum *values = arena_array(&walk->arena, entries->column_count, sizeof *values);
    if (entry == NULL || values == NULL) {
        return no_memory(walk->call->err);
    }
    TRY(make_entry(txn, walk->index, walk->collection->schema, row, &walk->arena, entry,
                   walk->call));
    if (!entry->there) {
        return TDBPLUS_OK;
    }
    walk->entry_count++;
    struct batch batch;
    bool found = false;
    struct datum key = {.type = type_of(TYPE_BYTEA), .bytes = entry->key.key};
    batch_init(&batch, walk->call->alloc);
    tdbplus_status status = txn_get(txn, walk->index->entries, &key, NULL, entries->column_count,
                                    &batch, values, &found, walk->call);
    bool same = false;
    if (status == TDBPLUS_OK && found) {
        buffer_clear(&txn->row);
        row_encode(entries, values, &txn->row);
        same = !txn->row.failed && same_bytes(buffer_span(&txn->row), entry->row);
    }
    batch_deinit(&batch);
    TRY(status);
    if (!same) {
        return err_set(walk->call->err, TDBPLUS_E_CORRUPT, "index \"%s\": a row of \"%s\" %s",
                       walk->index->object->name, walk->collection->name,
                       found ? "has an entry with other values" : "has no entry");
    }
    return TDBPLUS_OK;
}

/* Every row of the table, all columns, to `visit`. */
static tdbplus_status walk_table(struct index_walk *walk,
                                 tdbplus_status (*visit)(struct index_walk *walk,
                                                         const struct datum *row))
{
    const struct schema *schema = walk->collection->schema;
    const struct call *call = walk->call;
    struct arena arena = {.alloc = call->alloc};
    struct scan *scan = NULL;
    struct batch batch;
    batch_init(&batch, call->alloc);
    walk->arena = (struct arena){.alloc = call->alloc};
    tdbplus_status status = TDBPLUS_OK;
    uint32_t *positions = arena_array(&arena, schema->column_count, sizeof *positions);
    struct datum *row = arena_array(&arena, schema->column_count, sizeof *row);
    if (positions == NULL || row == NULL) {
        status = no_memory(call->err);
        goto done;
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        positions[i] = i;
    }
    struct scan_options options = {.positions = positions, .position_count = schema->column_count};
    TRY_OR(done, scan_open(walk->txn, walk->collection, &options, &scan, call->err));
    while ((status = scan_next(scan, &batch, call)) == TDBPLUS_OK) {
        uint32_t count = batch_live_count(&batch);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t at = batch.selection == NULL ? i : batch.selection[i];
            for (uint32_t c = 0; c < schema->column_count; c++) {
                column_get(&batch.columns[c], at, &row[c]);
            }
            TRY_OR(done, visit(walk, row));
            arena_reset(&walk->arena);
        }
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
done:
    scan_close(scan);
    batch_deinit(&batch);
    arena_deinit(&walk->arena);
    arena_deinit(&arena);
    return status;
}

static tdbplus_status note_row(struct index_walk *walk, const struct datum *row)
{
    return pending_note(walk->txn, walk->collection, walk->constraint, NULL, row, walk->call->err);
}

tdbplus_status txn_walk_rows(struct txn *txn, const struct object *collection,
                             const struct object *constraint, const struct call *call)
{
    struct index_walk walk = {
        .txn = txn, .collection = collection, .constraint = constraint, .call = call};
    return walk_table(&walk, note_row);
}

static tdbplus_status find_index(struct txn *txn, const struct object *collection,
                                 uint64_t index_id, const struct txn_index **index_out,
                                 struct err *err)
{
    struct parts *parts = NULL;
    TRY(txn_parts(txn, collection, &parts, err));
    for (uint32_t i = 0; parts != NULL && i < parts->index_count; i++) {
        if (parts->indexes[i].object->id == index_id) {
            *index_out = &parts->indexes[i];
            return TDBPLUS_OK;
        }
    }
    return err_set(err, TDBPLUS_E_NOT_FOUND, "\"%s\" has no such index", collection->name);
}

/* ---- building for many rows: entries are sorted and written into segments ---- */

static tdbplus_status begin_rows(struct index_walk *walk)
{
    const struct schema *entries = walk->index->entries->schema;
    struct batch *rows = &walk->rows;
    batch_reset(rows);
    rows->columns = arena_array(&rows->arena, entries->column_count, sizeof *rows->columns);
    bool good = rows->columns != NULL;
    for (uint32_t i = 0; good && i < entries->column_count; i++) {
        good = column_make(&rows->columns[i], entries->columns[i].type, BATCH_ROW_COUNT_MAX, true,
                           &rows->arena);
    }
    rows->column_count = entries->column_count;
    return good ? TDBPLUS_OK : no_memory(walk->call->err);
}

static tdbplus_status flush_rows(struct index_walk *walk)
{
    if (walk->rows.row_count == 0) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < walk->rows.column_count; i++) {
        walk->rows.columns[i].row_count = walk->rows.row_count;
    }
    TRY(bulk_add(walk->bulk, &walk->rows, walk->call));
    return begin_rows(walk);
}

static tdbplus_status bulk_row(struct index_walk *walk, const struct datum *row)
{
    struct entry *entry = arena_array(&walk->arena, 1, sizeof *entry);
    if (entry == NULL) {
        return no_memory(walk->call->err);
    }
    TRY(make_entry(walk->txn, walk->index, walk->collection->schema, row, &walk->arena, entry,
                   walk->call));
    if (!entry->there) {
        return TDBPLUS_OK;
    }
    uint32_t at = walk->rows.row_count++;
    for (uint32_t i = 0; i < walk->rows.column_count; i++) {
        struct column *column = &walk->rows.columns[i];
        struct datum value = entry->columns[i];
        enum physical physical = type_physical(column->type);
        if (value.is_null) {
            column->validity[at / 64] &= ~((uint64_t)1 << (at % 64));
            continue;
        }
        // The table's batch, and the walk's memory, go before the entries do.
        if ((physical == PHYSICAL_VIEW || physical == PHYSICAL_FIXED) && value.bytes.size > 0) {
            uint8_t *bytes = arena_bytes(&walk->rows.arena, value.bytes.size);
            if (bytes == NULL) {
                return no_memory(walk->call->err);
            }
            memcpy(bytes, value.bytes.data, value.bytes.size);
            value.bytes.data = bytes;
        }
        column_set(column, at, &value);
    }
    return walk->rows.row_count == BATCH_ROW_COUNT_MAX ? flush_rows(walk) : TDBPLUS_OK;
}

/* Two entries have one key; which, only the bytes know. */
static tdbplus_status translate(const struct index_walk *walk, tdbplus_status status)
{
    if (status != TDBPLUS_E_UNIQUE) {
        return status;
    }
    const char *name = walk->index->object->name;
    const char *mark = strrchr(name, '\x1f');
    err_clear(walk->call->err);
    status = err_set(walk->call->err, TDBPLUS_E_UNIQUE, "could not create unique index \"%s\"",
                     mark == NULL ? name : mark + 1);
    err_detail(walk->call->err, "Some key is duplicated.");
    return status;
}

static tdbplus_status build_by_load(struct index_walk *walk)
{
    const struct call *call = walk->call;
    struct bulk_options options = {.mode = TXN_INSERT};
    tdbplus_status status = TDBPLUS_OK;
    batch_init(&walk->rows, call->alloc);
    TRY_OR(done, bulk_begin(walk->txn, walk->index->entries, &options, &walk->bulk, call->err));
    TRY_OR(done, begin_rows(walk));
    TRY_OR(done, walk_table(walk, bulk_row));
    TRY_OR(done, flush_rows(walk));
    struct bulk *bulk = walk->bulk;
    walk->bulk = NULL;
    status = bulk_end(bulk, NULL, call);
done:
    bulk_abort(walk->bulk);
    batch_deinit(&walk->rows);
    return translate(walk, status);
}

static tdbplus_status count_rows(struct txn *txn, const struct object *collection,
                                 uint64_t *count_out, struct err *err)
{
    struct scan *scan = NULL;
    struct scan_options options = {0};
    TRY(scan_open(txn, collection, &options, &scan, err));
    *count_out = scan_row_estimate(scan);
    scan_close(scan);
    return TDBPLUS_OK;
}

tdbplus_status txn_index_build(struct txn *txn, const struct object *collection, uint64_t index_id,
                               const struct call *call)
{
    if (collection->schema->ttl_column_id != 0) {
        return err_set(call->err, TDBPLUS_E_UNSUPPORTED,
                       "rows of \"%s\" expire: it cannot have indexes", collection->name);
    }
    struct index_walk walk = {.txn = txn, .collection = collection, .call = call};
    uint64_t rows = 0;
    TRY(txn_check_writable(txn, call->err));
    TRY(find_index(txn, collection, index_id, &walk.index, call->err));
    txn_forbid_changes(txn, collection->id);
    TRY(count_rows(txn, collection, &rows, call->err));
    // A constraint that may wait has to look at each entry by itself.
    return rows >= BULK_DIRECT_ROWS_DEFAULT && !walk.index->def.deferrable
               ? build_by_load(&walk)
               : walk_table(&walk, build_row);
}

static tdbplus_status count_entries(struct txn *txn, const struct object *entries,
                                    uint64_t *count_out, const struct call *call)
{
    struct scan *scan = NULL;
    struct batch batch;
    struct scan_options options = {0};
    uint64_t count = 0;
    tdbplus_status status = TDBPLUS_OK;
    batch_init(&batch, call->alloc);
    TRY_OR(done, scan_open(txn, entries, &options, &scan, call->err));
    while ((status = scan_next(scan, &batch, call)) == TDBPLUS_OK) {
        count += batch_live_count(&batch);
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    *count_out = count;
done:
    scan_close(scan);
    batch_deinit(&batch);
    return status;
}

/* Each row's entry is there, and rows have different entries: so no more entries than rows with one
 * means that none is without its row. */
tdbplus_status txn_index_check(struct txn *txn, const struct object *collection, uint64_t index_id,
                               const struct call *call)
{
    struct index_walk walk = {.txn = txn, .collection = collection, .call = call};
    uint64_t count = 0;
    TRY(find_index(txn, collection, index_id, &walk.index, call->err));
    if (!txn_index_usable(txn, walk.index)) {
        return TDBPLUS_OK;
    }
    TRY(walk_table(&walk, check_row));
    TRY(count_entries(txn, walk.index->entries, &count, call));
    if (count != walk.entry_count) {
        return err_set(call->err, TDBPLUS_E_CORRUPT,
                       "index \"%s\" has %llu entries for %llu rows of \"%s\"",
                       walk.index->object->name, (unsigned long long)count,
                       (unsigned long long)walk.entry_count, collection->name);
    }
    return TDBPLUS_OK;
}
