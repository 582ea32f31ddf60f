#include <string.h>

#include "base/assert.h"
#include "catalog/catalog.h"
#include "engine/engine_internal.h"
#include "index/am/index_def.h"

tdbplus_status engine_dropped(const tdbplus_collection *collection, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42P01", "\"%s\" was dropped", collection->name);
}

tdbplus_status engine_find(struct txn *txn, const tdbplus_collection *collection,
                           const struct object **object_out, struct err *err)
{
    *object_out = txn_object_by_id(txn, collection->id);
    return *object_out == NULL ? engine_dropped(collection, err) : TDBPLUS_OK;
}

static tdbplus_status find_named(struct txn *txn, const char *name,
                                 const struct object **object_out, struct err *err)
{
    if (name == NULL) {
        return err_set(err, TDBPLUS_E_INVALID, "a collection needs a name");
    }
    *object_out = txn_object(txn, OBJECT_COLLECTION, name);
    if (*object_out == NULL || catalog_hidden(*object_out)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42P01", "there is no collection \"%s\"",
                             name);
    }
    return TDBPLUS_OK;
}

struct collection_args {
    tdbplus_db *db;
    tdbplus_txn *txn;
    const char *name;
    const tdbplus_column *columns;
    uint32_t column_count;
    const char *const *key;
    uint32_t key_count;
    const char *column_name; /* Of an existing column. */
    const char *new_name;
    const tdbplus_value *value;
    bool (*report)(void *context, const char *name);
    void *report_context;
    tdbplus_collection **collection_out;
};

/* ---- create and drop ---- */

static int32_t find_column(const tdbplus_column *columns, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (name != NULL && columns[i].name != NULL && strcmp(columns[i].name, name) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

static tdbplus_status describe(const struct collection_args *args, struct schema *schema,
                               struct arena *arena, struct err *err)
{
    if (args->column_count == 0 || args->column_count > SCHEMA_COLUMN_COUNT_MAX ||
        args->key_count == 0 || args->key_count > SCHEMA_KEY_COUNT_MAX || args->columns == NULL ||
        args->key == NULL) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "a collection has 1 to %u columns, and a key of 1 to %u of them",
                       SCHEMA_COLUMN_COUNT_MAX, SCHEMA_KEY_COUNT_MAX);
    }
    schema->columns = arena_array(arena, args->column_count, sizeof *schema->columns);
    schema->key_columns = arena_array(arena, args->key_count, sizeof *schema->key_columns);
    if (schema->columns == NULL || schema->key_columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a schema does not fit the memory limit");
    }
    for (uint32_t i = 0; i < args->column_count; i++) {
        const tdbplus_column *column = &args->columns[i];
        if (column->name == NULL) {
            return err_set(err, TDBPLUS_E_INVALID, "column %u has no name", i + 1);
        }
        schema->columns[i] =
            (struct schema_column){.id = i + 1, .not_null = column->not_null, .name = column->name};
        TRY(engine_type(column, &schema->columns[i].type, err));
        schema->columns[i].missing =
            (struct datum){.type = schema->columns[i].type, .is_null = true};
    }
    for (uint32_t i = 0; i < args->key_count; i++) {
        int32_t at = find_column(args->columns, args->column_count, args->key[i]);
        if (at < 0) {
            return err_set_state(err, TDBPLUS_E_INVALID, "42703", "the key's column \"%s\" is none",
                                 args->key[i] == NULL ? "" : args->key[i]);
        }
        schema->key_columns[i] = (uint32_t)at;
        schema->columns[at].not_null = true;
    }
    schema->version = 1;
    schema->column_count = args->column_count;
    schema->key_count = args->key_count;
    schema->column_id_next = args->column_count + 1;
    return TDBPLUS_OK;
}

static tdbplus_status create_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct collection_args *args = arg;
    if (args->name == NULL) {
        return err_set(call->err, TDBPLUS_E_INVALID, "a collection needs a name");
    }
    struct arena arena = {0};
    arena_init(&arena, call->alloc, 1024);
    struct schema schema = {0};
    uint64_t id = 0;
    tdbplus_status status = describe(args, &schema, &arena, call->err);
    if (status == TDBPLUS_OK) {
        status = txn_object_create(txn, OBJECT_COLLECTION, args->name, &schema, (struct span){0},
                                   &id, call->err);
    }
    arena_deinit(&arena);
    return status;
}

static tdbplus_status create_work(void *arg, const struct call *call)
{
    struct collection_args *args = arg;
    return engine_with_txn(args->db, args->txn, false, create_in_txn, args, call);
}

tdbplus_status tdbplus_collection_create(tdbplus_db *db, tdbplus_txn *txn, const char *name,
                                         const tdbplus_column *columns, uint32_t column_count,
                                         const char *const *key, uint32_t key_count,
                                         tdbplus_call *call)
{
    struct collection_args args = {.db = db,
                                   .txn = txn,
                                   .name = name,
                                   .columns = columns,
                                   .column_count = column_count,
                                   .key = key,
                                   .key_count = key_count};
    return engine_run(db, call, create_work, &args, sizeof args);
}

tdbplus_status tdbplus_documents_create(tdbplus_db *db, tdbplus_txn *txn, const char *name,
                                        tdbplus_call *call)
{
    static const tdbplus_column columns[] = {
        {.name = "_id", .type = TDBPLUS_TYPE_TEXT, .not_null = true},
        {.name = "document", .type = TDBPLUS_TYPE_JSON, .not_null = true},
    };
    static const char *const key[] = {"_id"};
    return tdbplus_collection_create(db, txn, name, columns, 2, key, 1, call);
}

static tdbplus_status drop_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct collection_args *args = arg;
    const struct object *object = NULL;
    TRY(find_named(txn, args->name, &object, call->err));
    return catalog_entry_drop(txn, object->id, call->err);
}

static tdbplus_status drop_work(void *arg, const struct call *call)
{
    struct collection_args *args = arg;
    return engine_with_txn(args->db, args->txn, false, drop_in_txn, args, call);
}

tdbplus_status tdbplus_collection_drop(tdbplus_db *db, tdbplus_txn *txn, const char *name,
                                       tdbplus_call *call)
{
    struct collection_args args = {.db = db, .txn = txn, .name = name};
    return engine_run(db, call, drop_work, &args, sizeof args);
}

/* ---- columns ---- */

/* A changeable copy of the schema with room for one more column. */
static tdbplus_status copy_schema(const struct schema *from, struct arena *arena,
                                  struct schema *schema_out, struct err *err)
{
    struct schema schema = *from;
    schema.columns = arena_array(arena, (size_t)from->column_count + 1, sizeof *schema.columns);
    schema.key_columns = arena_array(arena, from->key_count, sizeof *schema.key_columns);
    if (schema.columns == NULL || schema.key_columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a schema does not fit the memory limit");
    }
    memcpy(schema.columns, from->columns, from->column_count * sizeof *schema.columns);
    memcpy(schema.key_columns, from->key_columns, from->key_count * sizeof *schema.key_columns);
    *schema_out = schema;
    return TDBPLUS_OK;
}

static tdbplus_status add_column(const struct collection_args *args, struct schema *schema,
                                 struct arena *arena, struct err *err)
{
    const tdbplus_column *column = args->columns;
    if (column->name == NULL || schema->column_count == SCHEMA_COLUMN_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "a column needs a name, and a collection has at most %u",
                       SCHEMA_COLUMN_COUNT_MAX);
    }
    if (schema_find_name(schema, column->name) >= 0) {
        return err_set_state(err, TDBPLUS_E_EXISTS, "42701", "\"%s\" has a column \"%s\" already",
                             args->name, column->name);
    }
    struct schema_column *fresh = &schema->columns[schema->column_count];
    *fresh = (struct schema_column){
        .id = schema->column_id_next++, .not_null = column->not_null, .name = column->name};
    TRY(engine_type(column, &fresh->type, err));
    tdbplus_value null = tdbplus_null();
    TRY(engine_datum(args->value == NULL ? &null : args->value, fresh->type, column->name, arena,
                     &fresh->missing, err));
    if (fresh->not_null && fresh->missing.is_null) {
        return err_set(err, TDBPLUS_E_NULL,
                       "column \"%s\" takes no null: give a value for the rows that exist",
                       column->name);
    }
    schema->column_count++;
    return TDBPLUS_OK;
}

/* An index that reads the column goes with it. Of a renamed column only texts have the name. */
static tdbplus_status adapt_index(const struct collection_args *args, struct index_reads reads,
                                  const struct object *index, bool *dropped_out, struct err *err)
{
    struct index_def def = {0};
    TRY(index_def_decode(index->properties, reads.arena, &def, err));
    TRY(engine_index_texts(&reads, &def, err));
    if (args->new_name != NULL && reads.found) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "renaming column \"%s\", which the text of index \"%s\" names, is not "
                       "supported: drop the index first",
                       args->column_name, index->name);
    }
    uint32_t id = reads.table->schema->columns[reads.position].id;
    *dropped_out = args->new_name == NULL && (reads.found || index_uses_column(&def, id));
    return *dropped_out ? catalog_entry_drop(reads.txn, index->id, err) : TDBPLUS_OK;
}

static tdbplus_status adapt_indexes(struct txn *txn, const struct object *object,
                                    const struct collection_args *args, struct arena *arena,
                                    struct err *err)
{
    int32_t at =
        args->column_name == NULL ? -1 : schema_find_name(object->schema, args->column_name);
    struct index_reads reads = {
        .txn = txn, .table = object, .position = (uint32_t)at, .arena = arena};
    const struct object *part = NULL;
    TRY(at < 0 ? TDBPLUS_OK : engine_check_texts(&reads, err));
    for (uint32_t i = 0; at >= 0 && (part = txn_part_at(txn, object->id, i)) != NULL;) {
        bool dropped = false;
        if (part->kind == OBJECT_INDEX) {
            TRY(adapt_index(args, reads, part, &dropped, err));
        }
        i += dropped ? 0 : 1;
    }
    return TDBPLUS_OK;
}

static tdbplus_status drop_column(struct schema *schema, uint32_t at, struct err *err)
{
    for (uint32_t i = 0; i < schema->key_count; i++) {
        if (schema->key_columns[i] == at) {
            return err_set(err, TDBPLUS_E_INVALID, "column \"%s\" is part of the key",
                           schema->columns[at].name);
        }
        schema->key_columns[i] -= schema->key_columns[i] > at ? 1 : 0;
    }
    memmove(&schema->columns[at], &schema->columns[at + 1],
            (schema->column_count - at - 1) * sizeof *schema->columns);
    schema->column_count--;
    return TDBPLUS_OK;
}

static tdbplus_status change_columns(const struct collection_args *args, struct schema *schema,
                                     struct arena *arena, struct err *err)
{
    if (args->columns != NULL) {
        return add_column(args, schema, arena, err);
    }
    int32_t at = args->column_name == NULL ? -1 : schema_find_name(schema, args->column_name);
    if (at < 0) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42703", "\"%s\" has no column \"%s\"",
                             args->name, args->column_name == NULL ? "" : args->column_name);
    }
    if (args->new_name == NULL) {
        return drop_column(schema, (uint32_t)at, err);
    }
    if (schema_find_name(schema, args->new_name) >= 0) {
        return err_set_state(err, TDBPLUS_E_EXISTS, "42701", "\"%s\" has a column \"%s\" already",
                             args->name, args->new_name);
    }
    schema->columns[at].name = args->new_name;
    return TDBPLUS_OK;
}

static tdbplus_status alter_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct collection_args *args = arg;
    const struct object *object = NULL;
    TRY(find_named(txn, args->name, &object, call->err));
    struct arena arena = {0};
    arena_init(&arena, call->alloc, 1024);
    struct schema schema = {0};
    tdbplus_status status = copy_schema(object->schema, &arena, &schema, call->err);
    if (status == TDBPLUS_OK) {
        status = adapt_indexes(txn, object, args, &arena, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = change_columns(args, &schema, &arena, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = txn_object_alter(txn, object->id, NULL, &schema, NULL, call->err);
    }
    arena_deinit(&arena);
    return status;
}

static tdbplus_status alter_work(void *arg, const struct call *call)
{
    struct collection_args *args = arg;
    return engine_with_txn(args->db, args->txn, false, alter_in_txn, args, call);
}

tdbplus_status tdbplus_column_add(tdbplus_db *db, tdbplus_txn *txn, const char *collection,
                                  const tdbplus_column *column, const tdbplus_value *value,
                                  tdbplus_call *call)
{
    struct collection_args args = {
        .db = db, .txn = txn, .name = collection, .columns = column, .value = value};
    return engine_run(db, call, alter_work, &args, sizeof args);
}

tdbplus_status tdbplus_column_drop(tdbplus_db *db, tdbplus_txn *txn, const char *collection,
                                   const char *column, tdbplus_call *call)
{
    struct collection_args args = {.db = db, .txn = txn, .name = collection, .column_name = column};
    return engine_run(db, call, alter_work, &args, sizeof args);
}

tdbplus_status tdbplus_column_rename(tdbplus_db *db, tdbplus_txn *txn, const char *collection,
                                     const char *column, const char *name, tdbplus_call *call)
{
    struct collection_args args = {.db = db,
                                   .txn = txn,
                                   .name = collection,
                                   .column_name = column,
                                   .new_name = name == NULL ? "" : name};
    return engine_run(db, call, alter_work, &args, sizeof args);
}

/* ---- listing and handles ---- */

static tdbplus_status list_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    (void)call;
    const struct collection_args *args = arg;
    const struct object *object = NULL;
    while ((object = txn_object_next(txn, OBJECT_COLLECTION, object)) != NULL) {
        if (!catalog_hidden(object) && !args->report(args->report_context, object->name)) {
            break;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status list_work(void *arg, const struct call *call)
{
    struct collection_args *args = arg;
    return engine_with_txn(args->db, args->txn, true, list_in_txn, args, call);
}

tdbplus_status tdbplus_collections(tdbplus_db *db, tdbplus_txn *txn,
                                   bool (*report)(void *context, const char *name),
                                   void *report_context, tdbplus_call *call)
{
    struct collection_args args = {
        .db = db, .txn = txn, .report = report, .report_context = report_context};
    return engine_run(db, call, list_work, &args, sizeof args);
}

static bool copy_columns(tdbplus_collection *collection, const struct object *object)
{
    const struct schema *schema = object->schema;
    struct arena *arena = &collection->arena;
    collection->columns = arena_array(arena, schema->column_count, sizeof *collection->columns);
    collection->name = arena_text(arena, span_from_text(object->name));
    if (collection->columns == NULL || collection->name == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct schema_column *from = &schema->columns[i];
        char *name = arena_text(arena, span_from_text(from->name));
        if (name == NULL) {
            return false;
        }
        collection->columns[i] = (tdbplus_column){
            .name = name, .type = (tdbplus_type)from->type.id, .not_null = from->not_null};
        if (from->type.id == TYPE_NUMERIC) {
            collection->columns[i].precision = (uint16_t)from->type.precision;
            collection->columns[i].scale = (uint16_t)from->type.scale;
        } else if (from->type.id == TYPE_VECTOR) {
            collection->columns[i].dimension = from->type.parameter;
        }
    }
    collection->column_count = schema->column_count;
    return true;
}

static tdbplus_status open_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct collection_args *args = arg;
    const struct object *object = NULL;
    TRY(find_named(txn, args->name, &object, call->err));
    const struct alloc *alloc = &args->db->host;
    tdbplus_collection *collection = alloc_array(alloc, 1, sizeof *collection);
    if (collection == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a handle does not fit in memory");
    }
    collection->db = args->db;
    collection->id = object->id;
    arena_init(&collection->arena, alloc, 256);
    if (!copy_columns(collection, object)) {
        tdbplus_collection_close(collection);
        return err_set(call->err, TDBPLUS_E_NOMEM, "a handle does not fit in memory");
    }
    *args->collection_out = collection;
    return TDBPLUS_OK;
}

static tdbplus_status open_work(void *arg, const struct call *call)
{
    struct collection_args *args = arg;
    return engine_with_txn(args->db, args->txn, true, open_in_txn, args, call);
}

tdbplus_status tdbplus_collection_open(tdbplus_db *db, tdbplus_txn *txn, const char *name,
                                       tdbplus_collection **out, tdbplus_call *call)
{
    struct collection_args args = {.db = db, .txn = txn, .name = name, .collection_out = out};
    return engine_run(db, call, open_work, &args, sizeof args);
}

void tdbplus_collection_close(tdbplus_collection *collection)
{
    if (collection == NULL) {
        return;
    }
    arena_deinit(&collection->arena);
    alloc_free(&collection->db->host, collection, 1, sizeof *collection);
}

uint32_t tdbplus_collection_column_count(const tdbplus_collection *collection)
{
    return collection->column_count;
}

tdbplus_column tdbplus_collection_column(const tdbplus_collection *collection, uint32_t number)
{
    return number < collection->column_count ? collection->columns[number] : (tdbplus_column){0};
}
