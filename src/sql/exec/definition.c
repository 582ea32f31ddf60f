#include "sql/exec/definition.h"

#include <string.h>

#include "catalog/catalog_foreign.h"
#include "catalog/catalog_index.h"
#include "sql/exec/analyze.h"

/* The rows of the query, and a null for the hidden key, which INSERT fills in. */
static tdbplus_status fill_plan(struct exec *exec, const struct bound_create *create,
                                const struct object *object, struct plan **fill_out)
{
    const struct plan *source = create->source;
    uint32_t count = object->schema->column_count;
    struct plan *project = plan_make(&exec->arena, PLAN_PROJECT, count);
    struct plan *insert = plan_make(&exec->arena, PLAN_INSERT, 0);
    if (project == NULL || insert == NULL) {
        return exec_no_memory(exec);
    }
    project->exprs = arena_array(&exec->arena, count, sizeof *project->exprs);
    if (project->exprs == NULL) {
        return exec_no_memory(exec);
    }
    project->expr_count = count;
    project->left = create->source;
    for (uint32_t i = 0; i < count; i++) {
        struct datum null = {.type = type_of(TYPE_INT8), .is_null = true};
        project->exprs[i] =
            i < source->column_count
                ? expr_column(&exec->arena, source->columns[i].id, source->columns[i].type)
                : expr_constant(&exec->arena, &null);
        if (project->exprs[i] == NULL) {
            return exec_no_memory(exec);
        }
        project->columns[i].type = object->schema->columns[i].type;
    }
    insert->left = project;
    insert->change.object = object;
    insert->change.object_id = object->id;
    insert->change.schema_version = object->schema->version;
    insert->change.table_name = object->name;
    insert->change.has_hidden_key = true;
    insert->change.bulk = true;
    *fill_out = insert;
    return TDBPLUS_OK;
}

static tdbplus_status create_indexes(const struct bound_index *indexes, uint32_t count,
                                     uint64_t table, struct exec *exec)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t oid = 0;
        TRY(catalog_index_create(exec->txn, table, indexes[i].schema, indexes[i].name,
                                 &indexes[i].def, exec->call, &oid));
    }
    return TDBPLUS_OK;
}

/* The id of a unique index by its name, which the same statement has made. */
static tdbplus_status find_index(struct exec *exec, const char *name, uint64_t *oid_out)
{
    struct catalog_entry entry;
    if (!catalog_entry_find(exec->txn, CATALOG_INDEX, NULL, name, &entry)) {
        return err_set(exec->call->err, TDBPLUS_E_INTERNAL, "an index is missing (definition.c)");
    }
    *oid_out = entry.oid;
    return TDBPLUS_OK;
}

static tdbplus_status create_foreign_keys(const struct bound_create *create, uint64_t table,
                                          struct exec *exec)
{
    for (uint32_t i = 0; i < create->foreign_count; i++) {
        const struct bound_foreign *foreign = &create->foreign_keys[i];
        struct foreign_def def = foreign->def;
        uint64_t oid = 0;
        def.table = table;
        def.referenced = foreign->referenced == NULL ? table : foreign->referenced->id;
        if (foreign->index_name != NULL) {
            TRY(find_index(exec, foreign->index_name, &def.index));
        }
        TRY(catalog_foreign_create(exec->txn, foreign->name, &def, exec->call, &oid));
    }
    return TDBPLUS_OK;
}

static tdbplus_status create_table(const struct bound_create *create, struct exec *exec,
                                   struct plan **fill_out)
{
    if (create->exists) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = TDBPLUS_OK;
    struct schema *schema = NULL;
    struct buffer properties;
    uint64_t id = 0;
    buffer_init(&properties, exec->call->alloc);
    TRY_OR(done, schema_create(create->schema, exec->call->alloc, &schema, exec->call->err));
    table_info_encode(&create->info, &properties);
    if (properties.failed) {
        status = exec_no_memory(exec);
        goto done;
    }
    TRY_OR(done, txn_object_create(exec->txn, OBJECT_COLLECTION, create->name, schema,
                                   buffer_span(&properties), &id, exec->call->err));
    TRY_OR(done, create_indexes(create->indexes, create->index_count, id, exec));
    TRY_OR(done, create_foreign_keys(create, id, exec));
    if (create->source != NULL) {
        TRY_OR(done, fill_plan(exec, create, txn_object_by_id(exec->txn, id), fill_out));
    }
done:
    schema_destroy(schema);
    buffer_deinit(&properties);
    return status;
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

/* A table that TRUNCATE drops and makes again, and what comes back with it. */
struct emptied {
    uint64_t old_id;
    uint64_t new_id;
    const char *name;
    struct schema *schema;
    struct span properties;
    struct bound_index *indexes;
    uint32_t index_count;
};

struct kept_foreign {
    const char *name;
    const char *index_name; /* NULL: the key. */
    struct foreign_def def;
};

static tdbplus_status keep_table(const struct object *object, struct exec *exec,
                                 struct emptied *emptied)
{
    uint8_t *properties = arena_bytes(&exec->arena, object->properties.size + 1);
    emptied->old_id = object->id;
    emptied->name = arena_text(&exec->arena, span_from_text(object->name));
    if (emptied->name == NULL || properties == NULL) {
        return exec_no_memory(exec);
    }
    emptied->properties = (struct span){.data = properties, .size = object->properties.size};
    if (object->properties.size > 0) {
        memcpy(properties, object->properties.data, object->properties.size);
    }
    TRY(list_indexes(object, exec, &emptied->indexes, &emptied->index_count));
    return schema_create(object->schema, exec->call->alloc, &emptied->schema, exec->call->err);
}

/* The table's own foreign keys; those to it from others are theirs. */
static tdbplus_status keep_foreign_keys(const struct object *object, struct exec *exec,
                                        struct list *kept)
{
    const struct object *part = NULL;
    for (uint32_t i = 0; (part = txn_part_at(exec->txn, object->id, i)) != NULL; i++) {
        struct catalog_entry entry;
        struct kept_foreign foreign = {0};
        if (part->kind != OBJECT_FOREIGN_KEY || part->parent != object->id ||
            !catalog_entry_by_oid(exec->txn, part->id, &entry)) {
            continue;
        }
        TRY(foreign_def_decode(part->properties, &exec->arena, &foreign.def, exec->call->err));
        foreign.name = arena_text(&exec->arena, span_from_text(entry.name));
        if (foreign.def.index != 0 && catalog_entry_by_oid(exec->txn, foreign.def.index, &entry)) {
            foreign.index_name = arena_text(&exec->arena, span_from_text(entry.name));
        }
        if (foreign.name == NULL || list_push(kept, &foreign) == NULL) {
            return exec_no_memory(exec);
        }
    }
    return TDBPLUS_OK;
}

static uint64_t new_id(const struct emptied *tables, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (tables[i].old_id == id) {
            return tables[i].new_id;
        }
    }
    return id;
}

static tdbplus_status remake(const struct emptied *tables, uint32_t count,
                             const struct list *foreign_keys, struct exec *exec)
{
    for (size_t i = 0; i < foreign_keys->count; i++) {
        const struct kept_foreign *kept = list_at(foreign_keys, i);
        struct foreign_def def = kept->def;
        uint64_t oid = 0;
        def.table = new_id(tables, count, def.table);
        def.referenced = new_id(tables, count, def.referenced);
        if (kept->index_name != NULL) {
            TRY(find_index(exec, kept->index_name, &def.index));
        }
        TRY(catalog_foreign_create(exec->txn, kept->name, &def, exec->call, &oid));
    }
    return TDBPLUS_OK;
}

/* Tables without their rows: dropped and made again, which costs the same whatever their size. */
static tdbplus_status truncate_tables(const struct bound_drop *drop, struct exec *exec)
{
    struct list foreign_keys;
    struct emptied *tables = arena_array(&exec->arena, drop->count + 1u, sizeof *tables);
    tdbplus_status status = TDBPLUS_OK;
    list_init(&foreign_keys, exec->call->alloc, sizeof(struct kept_foreign));
    if (tables == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < drop->count; i++) {
        TRY_OR(done, keep_table(drop->objects[i], exec, &tables[i]));
        TRY_OR(done, keep_foreign_keys(drop->objects[i], exec, &foreign_keys));
    }
    for (uint32_t i = 0; i < drop->count; i++) {
        TRY_OR(done, catalog_entry_drop(exec->txn, tables[i].old_id, exec->call->err));
    }
    for (uint32_t i = 0; i < drop->count; i++) {
        TRY_OR(done,
               txn_object_create(exec->txn, OBJECT_COLLECTION, tables[i].name, tables[i].schema,
                                 tables[i].properties, &tables[i].new_id, exec->call->err));
        TRY_OR(done,
               create_indexes(tables[i].indexes, tables[i].index_count, tables[i].new_id, exec));
    }
    TRY_OR(done, remake(tables, drop->count, &foreign_keys, exec));
done:
    for (uint32_t i = 0; i < drop->count; i++) {
        schema_destroy(tables[i].schema);
    }
    list_deinit(&foreign_keys);
    return status;
}

static tdbplus_status set_constraints(const struct bound_constraints *constraints,
                                      struct exec *exec)
{
    if (constraints->count == 0) {
        return txn_set_constraint(exec->txn, 0, constraints->deferred, exec->call->err);
    }
    for (uint32_t i = 0; i < constraints->count; i++) {
        TRY(txn_set_constraint(exec->txn, constraints->oids[i], constraints->deferred,
                               exec->call->err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status analyze_tables(const struct bound_drop *tables, struct exec *exec)
{
    for (uint32_t i = 0; i < tables->count; i++) {
        TRY(analyze_table(exec, tables->objects[i]));
    }
    const struct object *table = NULL;
    while (tables->count == 0 &&
           (table = txn_object_next(exec->txn, OBJECT_COLLECTION, table)) != NULL) {
        if (!catalog_hidden(table)) {
            TRY(analyze_table(exec, table));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status definition_run(const struct bound *bound, struct exec *exec, struct plan **fill_out)
{
    switch (bound->kind) {
    case BOUND_CREATE_TABLE:
        return create_table(&bound->create, exec, fill_out);
    case BOUND_TRUNCATE:
        return truncate_tables(&bound->drop, exec);
    case BOUND_DROP_TABLE:
        for (uint32_t i = 0; i < bound->drop.count; i++) {
            TRY(catalog_entry_drop(exec->txn, bound->drop.objects[i]->id, exec->call->err));
        }
        return TDBPLUS_OK;
    case BOUND_ANALYZE:
        return analyze_tables(&bound->drop, exec);
    case BOUND_CONSTRAINTS:
        return set_constraints(&bound->constraints, exec);
    case BOUND_CREATE_INDEX:
        return bound->index.exists ? TDBPLUS_OK
                                   : create_indexes(&bound->index, 1, bound->index.table->id, exec);
    case BOUND_DROP_INDEX:
        for (uint32_t i = 0; i < bound->drop.count; i++) {
            TRY(catalog_index_drop(exec->txn, bound->drop.objects[i]->id, exec->call->err));
        }
        return TDBPLUS_OK;
    default:
        return err_set(exec->call->err, TDBPLUS_E_INTERNAL, "not a definition (definition.c)");
    }
}
