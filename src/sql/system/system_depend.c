/* Sequences, and what belongs to what. */

#include "catalog/catalog_sequence.h"
#include "sql/system/system_internal.h"

tdbplus_status system_fill_sequence(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    while (catalog_entry_next(rows->txn, CATALOG_SEQUENCE, &entry)) {
        struct sequence_def def;
        TRY(sequence_decode(&entry, &def, rows->err));
        system_row(rows);
        system_put(rows, "seqrelid", system_oid(entry.oid));
        system_put(rows, "seqtypid", system_type_oid(type_of((enum type_id)def.type)));
        system_put(rows, "seqstart", def.start);
        system_put(rows, "seqincrement", def.increment);
        system_put(rows, "seqmax", def.max);
        system_put(rows, "seqmin", def.min);
        system_put(rows, "seqcache", def.cache);
        system_put(rows, "seqcycle", def.cycle);
    }
    return TDBPLUS_OK;
}

/* An object, or a part of it, in pg_depend. */
struct place {
    int64_t catalog;
    int64_t oid;
    int64_t number;
};

static void put_dependency(struct system_rows *rows, struct place object, struct place on,
                           char kind)
{
    system_row(rows);
    system_put(rows, "classid", object.catalog);
    system_put(rows, "objid", object.oid);
    system_put(rows, "objsubid", object.number);
    system_put(rows, "refclassid", on.catalog);
    system_put(rows, "refobjid", on.oid);
    system_put(rows, "refobjsubid", on.number);
    system_put(rows, "deptype", kind);
}

/* A sequence goes with its column. */
static tdbplus_status put_sequences(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    while (catalog_entry_next(rows->txn, CATALOG_SEQUENCE, &entry)) {
        struct sequence_def def;
        struct catalog_entry owner;
        TRY(sequence_decode(&entry, &def, rows->err));
        if (entry.owner == 0 || !catalog_entry_by_oid(rows->txn, entry.owner, &owner) ||
            owner.kind != CATALOG_TABLE) {
            continue;
        }
        struct place sequence = {OID_PG_CLASS, system_oid(entry.oid), 0};
        struct place column = {OID_PG_CLASS, system_oid(owner.oid),
                               schema_find_id(owner.object->schema, def.column) + 1};
        put_dependency(rows, sequence, column, def.identity == SEQUENCE_IDENTITY ? 'i' : 'a');
    }
    return TDBPLUS_OK;
}

/* An index that makes a constraint goes with it, others with their columns. */
static void put_index(struct system_rows *rows, int64_t oid, int64_t constraint,
                      const struct system_index *index)
{
    struct place object = {OID_PG_CLASS, oid, 0};
    if (index->def.constraint) {
        put_dependency(rows, object, (struct place){OID_PG_CONSTRAINT, constraint, 0}, 'i');
        return;
    }
    for (uint32_t i = 0; i < index->def.column_count; i++) {
        uint32_t id = index->def.columns[i].column_id;
        int64_t number = id == 0 ? 0 : schema_find_id(index->table->schema, id) + 1;
        struct place column = {OID_PG_CLASS, system_oid(index->table->id), number};
        put_dependency(rows, object, column, 'a');
    }
}

/* A view reads what its query names. */
static void put_view(struct system_rows *rows, const struct catalog_entry *entry)
{
    struct catalog_dependency dependency;
    for (uint32_t i = 0; catalog_dependency_at(entry, i, &dependency); i++) {
        struct place view = {OID_PG_CLASS, system_oid(entry->oid), 0};
        struct catalog_entry other;
        struct place on = {OID_PG_CLASS, system_oid(dependency.oid), 0};
        if (catalog_entry_by_oid(rows->txn, dependency.oid, &other) &&
            other.kind == CATALOG_TABLE && dependency.column_id != 0) {
            on.number = schema_find_id(other.object->schema, dependency.column_id) + 1;
        }
        put_dependency(rows, view, on, 'n');
    }
}

tdbplus_status system_fill_depend(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    struct system_index index;
    const struct object *table = NULL;
    TRY(put_sequences(rows));
    while ((table = txn_object_next(rows->txn, OBJECT_COLLECTION, table)) != NULL) {
        if (!catalog_hidden(table) && system_key_index(rows->txn, table, rows->arena, &index)) {
            put_index(rows, OID_KEY_INDEX + (int64_t)table->id, OID_KEY + (int64_t)table->id,
                      &index);
        }
    }
    while (catalog_entry_next(rows->txn, CATALOG_INDEX, &entry)) {
        int64_t oid = system_oid(entry.oid);
        if (system_find_index(rows->txn, oid, rows->arena, &index)) {
            put_index(rows, oid, OID_UNIQUE + (int64_t)entry.oid, &index);
        }
    }
    entry = (struct catalog_entry){0};
    while (catalog_entry_next(rows->txn, CATALOG_VIEW, &entry)) {
        put_view(rows, &entry);
    }
    return TDBPLUS_OK;
}
