#include "sql/exec/remake.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "catalog/catalog_foreign.h"
#include "catalog/catalog_index.h"

/* ---- running plans ---- */

tdbplus_status remake_run(struct exec *exec, const struct plan *plan, uint64_t *rows_out)
{
    struct pipeline pipeline = {0};
    struct batch rows;
    uint64_t count = 0;
    batch_init(&rows, exec->call->alloc);
    tdbplus_status status = exec_compile(exec, plan, &pipeline);
    while (status == TDBPLUS_OK) {
        status = pipeline_next(pipeline.last, exec, &rows);
        count += status == TDBPLUS_OK ? batch_live_count(&rows) : 0;
    }
    batch_deinit(&rows);
    if (status == TDBPLUS_END && rows_out != NULL) {
        *rows_out = count;
    }
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

tdbplus_status remake_scan(struct exec *exec, const struct object *table, struct plan **plan_out)
{
    uint32_t count = table->schema->column_count;
    struct plan *scan = plan_make(&exec->arena, PLAN_SCAN, count);
    if (scan == NULL) {
        return exec_no_memory(exec);
    }
    scan->scan.object = table;
    scan->scan.object_id = table->id;
    scan->scan.schema_version = table->schema->version;
    scan->scan.table_name = catalog_own_name(table->name);
    scan->scan.order = SCAN_ASCENDING; // So rows without a key of their own keep their order.
    scan->scan.positions = arena_array(&exec->arena, count + 1u, sizeof(uint32_t));
    if (scan->scan.positions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        scan->scan.positions[i] = i;
        scan->columns[i] =
            (struct plan_column){.id = i + 1, .type = table->schema->columns[i].type};
    }
    *plan_out = scan;
    return TDBPLUS_OK;
}

/* ---- indexes ---- */

tdbplus_status remake_indexes(const struct bound_index *indexes, uint32_t count, uint64_t table,
                              struct exec *exec)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t oid = 0;
        TRY(catalog_index_create(exec->txn, table, indexes[i].schema, indexes[i].name,
                                 &indexes[i].def, exec->call, &oid));
    }
    return TDBPLUS_OK;
}

tdbplus_status remake_find_index(struct exec *exec, const char *schema, const char *name,
                                 uint64_t *oid_out)
{
    struct catalog_entry entry;
    if (!catalog_entry_find(exec->txn, CATALOG_INDEX, schema, name, &entry)) {
        return err_set(exec->call->err, TDBPLUS_E_INTERNAL, "an index is missing (remake.c)");
    }
    *oid_out = entry.oid;
    return TDBPLUS_OK;
}

/* The table's indexes as they would be made again. */
static tdbplus_status list_indexes(const struct object *object, struct exec *exec,
                                   struct bound_index **indexes_out, uint32_t *count_out)
{
    const struct object *part = NULL;
    uint32_t count = 0;
    while (txn_part_at(exec->txn, object->id, count) != NULL) {
        count++;
    }
    struct bound_index *indexes = arena_array(&exec->arena, count + 1u, sizeof *indexes);
    if (indexes == NULL) {
        return exec_no_memory(exec);
    }
    count = 0;
    for (uint32_t i = 0; (part = txn_part_at(exec->txn, object->id, i)) != NULL; i++) {
        struct catalog_entry entry;
        if (part->kind != OBJECT_INDEX || !catalog_entry_by_oid(exec->txn, part->id, &entry)) {
            continue;
        }
        struct bound_index *index = &indexes[count++];
        TRY(index_def_decode(part->properties, &exec->arena, &index->def, exec->call->err));
        index->schema = arena_text(&exec->arena, span_from_text(entry.schema));
        index->name = arena_text(&exec->arena, span_from_text(entry.name));
        if (index->schema == NULL || index->name == NULL) {
            return exec_no_memory(exec);
        }
    }
    *indexes_out = indexes;
    *count_out = count;
    return TDBPLUS_OK;
}

/* ---- what is made again ---- */

struct remade {
    uint64_t old_id;
    uint64_t new_id;
    const char *name;
    struct schema *schema;
    struct span properties;
    struct bound_index *indexes;
    uint32_t index_count;
};

struct kept_foreign {
    uint64_t oid;
    const char *name;
    const char *index_schema;
    const char *index_name; /* NULL: the key. */
    struct foreign_def def;
};

static tdbplus_status keep_table(const struct object *object, struct exec *exec,
                                 struct remade *remade)
{
    uint8_t *properties = arena_bytes(&exec->arena, object->properties.size + 1);
    remade->old_id = object->id;
    remade->name = arena_text(&exec->arena, span_from_text(object->name));
    if (remade->name == NULL || properties == NULL) {
        return exec_no_memory(exec);
    }
    remade->properties = (struct span){.data = properties, .size = object->properties.size};
    if (object->properties.size > 0) {
        memcpy(properties, object->properties.data, object->properties.size);
    }
    return list_indexes(object, exec, &remade->indexes, &remade->index_count);
}

static bool is_kept(const struct list *kept, uint64_t oid)
{
    for (size_t i = 0; i < kept->count; i++) {
        if (((const struct kept_foreign *)list_at(kept, i))->oid == oid) {
            return true;
        }
    }
    return false;
}

/* Foreign keys of the table, and those of others to it: they are dropped with it. */
static tdbplus_status keep_foreign_keys(const struct object *object, struct exec *exec,
                                        struct list *kept)
{
    const struct object *part = NULL;
    for (uint32_t i = 0; (part = txn_part_at(exec->txn, object->id, i)) != NULL; i++) {
        struct catalog_entry entry;
        struct kept_foreign foreign = {.oid = part->id};
        if (part->kind != OBJECT_FOREIGN_KEY || is_kept(kept, part->id) ||
            !catalog_entry_by_oid(exec->txn, part->id, &entry)) {
            continue;
        }
        TRY(foreign_def_decode(part->properties, &exec->arena, &foreign.def, exec->call->err));
        foreign.name = arena_text(&exec->arena, span_from_text(entry.name));
        if (foreign.def.index != 0 && catalog_entry_by_oid(exec->txn, foreign.def.index, &entry)) {
            foreign.index_name = arena_text(&exec->arena, span_from_text(entry.name));
            foreign.index_schema = arena_text(&exec->arena, span_from_text(entry.schema));
        }
        if (foreign.name == NULL || list_push(kept, &foreign) == NULL) {
            return exec_no_memory(exec);
        }
    }
    return TDBPLUS_OK;
}

static uint64_t new_id(const struct remade *tables, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (tables[i].old_id == id) {
            return tables[i].new_id;
        }
    }
    return id;
}

static tdbplus_status remake_foreign_keys(const struct remade *tables, uint32_t count,
                                          const struct list *foreign_keys, struct exec *exec)
{
    for (size_t i = 0; i < foreign_keys->count; i++) {
        const struct kept_foreign *kept = list_at(foreign_keys, i);
        struct foreign_def def = kept->def;
        uint64_t oid = 0;
        def.table = new_id(tables, count, def.table);
        def.referenced = new_id(tables, count, def.referenced);
        if (kept->index_name != NULL) {
            TRY(remake_find_index(exec, kept->index_schema, kept->index_name, &def.index));
        }
        TRY(catalog_foreign_create(exec->txn, kept->name, &def, exec->call, &oid));
        TRY(catalog_entry_replace(exec->txn, kept->oid, oid, exec->call->err));
    }
    return TDBPLUS_OK;
}

/* The new table under the name; the old one has another until it is dropped. */
static tdbplus_status make_new(struct remade *remade, struct exec *exec)
{
    char name[COLLECTION_NAME_SIZE_MAX];
    struct err *err = exec->call->err;
    (void)snprintf(name, sizeof name, "\x01old%" PRIu64, remade->old_id);
    TRY(txn_object_alter(exec->txn, remade->old_id, name, NULL, NULL, err));
    TRY(txn_object_create(exec->txn, OBJECT_COLLECTION, remade->name, remade->schema,
                          remade->properties, &remade->new_id, err));
    return catalog_entry_replace(exec->txn, remade->old_id, remade->new_id, err);
}

/* ---- TRUNCATE ---- */

/* RESTART IDENTITY: the sequences of the table's columns begin again. */
static tdbplus_status restart_sequences(uint64_t table, struct exec *exec)
{
    struct list oids;
    tdbplus_status status = TDBPLUS_OK;
    list_init(&oids, exec->call->alloc, sizeof(uint64_t));
    TRY_OR(done, catalog_owned(exec->txn, table, &oids, exec->call->err));
    for (size_t i = 0; i < oids.count; i++) {
        struct catalog_entry entry;
        struct sequence_def def = {0};
        uint64_t oid = *(const uint64_t *)list_at(&oids, i);
        if (!catalog_entry_by_oid(exec->txn, oid, &entry) || entry.kind != CATALOG_SEQUENCE) {
            continue;
        }
        TRY_OR(done, sequence_decode(&entry, &def, exec->call->err));
        def.epoch++;
        def.restart = def.start;
        def.restart_called = false;
        TRY_OR(done, sequence_alter(exec->txn, &entry, &def, exec->call->err));
    }
done:
    list_deinit(&oids);
    return status;
}

tdbplus_status remake_truncate(const struct bound_drop *drop, struct exec *exec)
{
    struct list foreign_keys;
    struct remade *tables = arena_array(&exec->arena, drop->count + 1u, sizeof *tables);
    tdbplus_status status = TDBPLUS_OK;
    list_init(&foreign_keys, exec->call->alloc, sizeof(struct kept_foreign));
    if (tables == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < drop->count; i++) {
        TRY_OR(done, keep_table(drop->objects[i], exec, &tables[i]));
        TRY_OR(done, schema_create(drop->objects[i]->schema, exec->call->alloc, &tables[i].schema,
                                   exec->call->err));
        TRY_OR(done, keep_foreign_keys(drop->objects[i], exec, &foreign_keys));
    }
    for (uint32_t i = 0; i < drop->count; i++) {
        TRY_OR(done, make_new(&tables[i], exec));
        TRY_OR(done, catalog_entry_drop(exec->txn, tables[i].old_id, exec->call->err));
        TRY_OR(done,
               remake_indexes(tables[i].indexes, tables[i].index_count, tables[i].new_id, exec));
    }
    TRY_OR(done, remake_foreign_keys(tables, drop->count, &foreign_keys, exec));
    for (uint32_t i = 0; drop->restart && i < drop->count; i++) {
        TRY_OR(done, restart_sequences(tables[i].new_id, exec));
    }
done:
    for (uint32_t i = 0; i < drop->count; i++) {
        schema_destroy(tables[i].schema);
    }
    list_deinit(&foreign_keys);
    return status;
}

/* ---- rows of another form ---- */

static tdbplus_status copy_rows(const struct remade *remade, const struct remake_form *form,
                                struct exec *exec)
{
    const struct object *old = txn_object_by_id(exec->txn, remade->old_id);
    const struct object *new = txn_object_by_id(exec->txn, remade->new_id);
    uint32_t count = new->schema->column_count;
    struct plan *scan = NULL;
    struct plan *project = plan_make(&exec->arena, PLAN_PROJECT, count);
    struct plan *insert = plan_make(&exec->arena, PLAN_INSERT, 0);
    TRY(remake_scan(exec, old, &scan));
    if (project == NULL || insert == NULL) {
        return exec_no_memory(exec);
    }
    project->left = scan;
    project->exprs = form->exprs;
    project->expr_count = count;
    for (uint32_t i = 0; i < count; i++) {
        project->columns[i].id = scan->column_count + i + 1;
        project->columns[i].type = new->schema->columns[i].type;
    }
    insert->left = project;
    insert->change.object = new;
    insert->change.object_id = new->id;
    insert->change.schema_version = new->schema->version;
    insert->change.table_name = catalog_own_name(new->name);
    insert->change.has_hidden_key = form->hidden_key;
    return remake_run(exec, insert, NULL);
}

/* Indexes are of the types that their columns have now. */
static void retype_indexes(const struct remade *remade, const struct schema *schema)
{
    for (uint32_t i = 0; i < remade->index_count; i++) {
        struct index_def *def = &remade->indexes[i].def;
        for (uint32_t c = 0; c < def->column_count; c++) {
            int32_t at = schema_find_id(schema, def->columns[c].column_id);
            if (def->columns[c].column_id != 0 && at >= 0) {
                def->columns[c].type = schema->columns[at].type;
            }
        }
    }
}

tdbplus_status remake_table(uint64_t table, const struct remake_form *form, struct exec *exec,
                            uint64_t *new_id_out)
{
    struct list foreign_keys;
    struct remade remade = {0};
    tdbplus_status status = TDBPLUS_OK;
    const struct object *object = txn_object_by_id(exec->txn, table);
    list_init(&foreign_keys, exec->call->alloc, sizeof(struct kept_foreign));
    TRY_OR(done, keep_table(object, exec, &remade));
    TRY_OR(done, schema_create(form->schema, exec->call->alloc, &remade.schema, exec->call->err));
    TRY_OR(done, keep_foreign_keys(object, exec, &foreign_keys));
    remade.properties = form->properties;
    TRY_OR(done, make_new(&remade, exec));
    TRY_OR(done, copy_rows(&remade, form, exec));
    // Indexes and constraints are made of rows that earlier statements wrote.
    TRY_OR(done, txn_statement(exec->txn, exec->call->err));
    TRY_OR(done, catalog_entry_drop(exec->txn, remade.old_id, exec->call->err));
    retype_indexes(&remade, form->schema);
    TRY_OR(done, remake_indexes(remade.indexes, remade.index_count, remade.new_id, exec));
    TRY_OR(done, remake_foreign_keys(&remade, 1, &foreign_keys, exec));
    *new_id_out = remade.new_id;
done:
    schema_destroy(remade.schema);
    list_deinit(&foreign_keys);
    return status;
}

tdbplus_status remake_as_is(uint64_t table, struct exec *exec)
{
    const struct object *object = txn_object_by_id(exec->txn, table);
    struct schema *schema = NULL;
    uint8_t *properties = arena_bytes(&exec->arena, object->properties.size + 1);
    uint32_t count = object->schema->column_count;
    struct remake_form form = {.exprs =
                                   arena_array(&exec->arena, count + 1u, sizeof(struct expr *))};
    uint64_t new_id = 0;
    if (properties == NULL || form.exprs == NULL) {
        return exec_no_memory(exec);
    }
    if (object->properties.size > 0) {
        memcpy(properties, object->properties.data, object->properties.size);
    }
    form.properties = (struct span){.data = properties, .size = object->properties.size};
    for (uint32_t i = 0; i < count; i++) {
        form.exprs[i] = expr_column(&exec->arena, i + 1, object->schema->columns[i].type);
        if (form.exprs[i] == NULL) {
            return exec_no_memory(exec);
        }
    }
    TRY(schema_create(object->schema, exec->call->alloc, &schema, exec->call->err));
    form.schema = schema;
    tdbplus_status status = remake_table(table, &form, exec, &new_id);
    schema_destroy(schema);
    return status;
}
