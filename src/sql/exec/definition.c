#include "sql/exec/definition.h"

#include <string.h>

#include "catalog/catalog_index.h"

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

/* A table without its rows: dropped and made again, which costs the same whatever its size. */
static tdbplus_status truncate_table(const struct object *object, struct exec *exec)
{
    struct bound_index *indexes = NULL;
    uint32_t index_count = 0;
    struct schema *schema = NULL;
    uint64_t id = 0;
    char *name = arena_text(&exec->arena, span_from_text(object->name));
    uint8_t *properties = arena_bytes(&exec->arena, object->properties.size + 1);
    if (name == NULL || properties == NULL) {
        return exec_no_memory(exec);
    }
    struct span copy = {.data = properties, .size = object->properties.size};
    if (copy.size > 0) {
        memcpy(properties, object->properties.data, copy.size);
    }
    TRY(list_indexes(object, exec, &indexes, &index_count));
    TRY(schema_create(object->schema, exec->call->alloc, &schema, exec->call->err));
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, catalog_entry_drop(exec->txn, object->id, exec->call->err));
    TRY_OR(done, txn_object_create(exec->txn, OBJECT_COLLECTION, name, schema, copy, &id,
                                   exec->call->err));
    TRY_OR(done, create_indexes(indexes, index_count, id, exec));
done:
    schema_destroy(schema);
    return status;
}

tdbplus_status definition_run(const struct bound *bound, struct exec *exec, struct plan **fill_out)
{
    switch (bound->kind) {
    case BOUND_CREATE_TABLE:
        return create_table(&bound->create, exec, fill_out);
    case BOUND_DROP_TABLE:
    case BOUND_TRUNCATE:
        for (uint32_t i = 0; i < bound->drop.count; i++) {
            if (bound->kind == BOUND_TRUNCATE) {
                TRY(truncate_table(bound->drop.objects[i], exec));
            } else {
                TRY(catalog_entry_drop(exec->txn, bound->drop.objects[i]->id, exec->call->err));
            }
        }
        return TDBPLUS_OK;
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
