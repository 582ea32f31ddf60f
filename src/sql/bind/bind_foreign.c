/* Foreign keys, SET CONSTRAINTS, and what keeps a table from being dropped. */

#include <stdio.h>
#include <string.h>

#include "catalog/catalog.h"
#include "sql/bind/bind_internal.h"
#include "txn/parts.h"

#define NAME_SIZE_MAX 63u

/* The table referred to: one that is there, or the one being made. */
struct referenced {
    const char *name;
    const struct object *object; /* NULL: being made. */
    const struct schema *schema;
    const struct bound_create *create;
    bool hidden_key;
};

static tdbplus_status find_referenced(struct binder *binder, const struct bind_table *table,
                                      const struct bound_create *create,
                                      const struct ast_table_ref *ref, struct referenced *out)
{
    *out = (struct referenced){.name = ref->name, .create = create};
    const char *schema = table->schema_name != NULL ? table->schema_name : CATALOG_SCHEMA_DEFAULT;
    bool same = strcmp(ref->name, table->name) == 0 &&
                (ref->schema == NULL || strcmp(ref->schema, schema) == 0);
    if (same && table->object == NULL) {
        out->schema = create->schema;
        out->hidden_key = create->info.hidden_key;
        return TDBPLUS_OK;
    }
    struct table_info info = {0};
    struct ast_table_ref silent = *ref;
    silent.ast.position = 0; // PostgreSQL does not point at it.
    struct catalog_entry entry;
    TRY(bind_find_relation(binder, &silent, &entry));
    if (entry.kind != CATALOG_TABLE) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0,
                         "referenced relation \"%s\" is not a table", ref->name);
    }
    out->object = entry.object;
    TRY(table_info_decode(out->object->properties, binder->arena, &info, binder->err));
    out->create = NULL;
    out->schema = out->object->schema;
    out->hidden_key = info.hidden_key;
    return TDBPLUS_OK;
}

static tdbplus_status make_ids(struct binder *binder, uint32_t count, uint32_t **ids_out)
{
    if (count > FOREIGN_COLUMN_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54011", 0,
                         "cannot have more than %u keys in a foreign key",
                         FOREIGN_COLUMN_COUNT_MAX);
    }
    *ids_out = arena_array(binder->arena, count + 1u, sizeof **ids_out);
    return *ids_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static const struct schema_column *find_column(const struct schema_column *columns, uint32_t count,
                                               const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(columns[i].name, name) == 0) {
            return &columns[i];
        }
    }
    return NULL;
}

static tdbplus_status name_ids(struct binder *binder, const struct schema_column *columns,
                               uint32_t column_count, const struct ast_names *names,
                               uint32_t **ids_out)
{
    TRY(make_ids(binder, names->count, ids_out));
    for (uint32_t i = 0; i < names->count; i++) {
        const struct schema_column *column = find_column(columns, column_count, names->items[i]);
        if (column == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                             "column \"%s\" referenced in foreign key constraint does not exist",
                             names->items[i]);
        }
        (*ids_out)[i] = column->id;
    }
    return TDBPLUS_OK;
}

/* Without a list the primary key is meant. */
static tdbplus_status default_ids(struct binder *binder, const struct referenced *referenced,
                                  uint32_t **ids_out, uint32_t *count_out)
{
    const struct schema *schema = referenced->schema;
    if (referenced->hidden_key) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42704", 0,
                         "there is no primary key for referenced table \"%s\"", referenced->name);
    }
    TRY(make_ids(binder, schema->key_count, ids_out));
    for (uint32_t i = 0; i < schema->key_count; i++) {
        (*ids_out)[i] = schema->columns[schema->key_columns[i]].id;
    }
    *count_out = schema->key_count;
    return TDBPLUS_OK;
}

static bool has_id(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static bool key_fits(const struct referenced *referenced, const struct foreign_def *def)
{
    const struct schema *schema = referenced->schema;
    bool fits = !referenced->hidden_key && schema->key_count == def->column_count;
    for (uint32_t i = 0; fits && i < schema->key_count; i++) {
        fits = has_id(def->referenced_columns, def->column_count,
                      schema->columns[schema->key_columns[i]].id);
    }
    return fits;
}

static bool index_fits(const struct index_def *index, const struct foreign_def *def)
{
    bool fits = index->unique && !index->deferrable && index->predicate == NULL &&
                index->column_count == def->column_count;
    for (uint32_t i = 0; fits && i < index->column_count; i++) {
        fits = has_id(def->referenced_columns, def->column_count, index->columns[i].column_id);
    }
    return fits;
}

/* The unique key that the columns are. */
static tdbplus_status choose_key(struct binder *binder, const struct referenced *referenced,
                                 struct bound_foreign *foreign)
{
    struct foreign_def *def = &foreign->def;
    if (key_fits(referenced, def)) {
        return TDBPLUS_OK;
    }
    const struct txn_index *indexes = NULL;
    uint32_t count = 0;
    if (referenced->object != NULL) {
        TRY(txn_indexes(binder->txn, referenced->object, &indexes, &count, binder->err));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (index_fits(&indexes[i].def, def)) {
            def->index = indexes[i].object->id;
            return TDBPLUS_OK;
        }
    }
    for (uint32_t i = 0; referenced->create != NULL && i < referenced->create->index_count; i++) {
        if (index_fits(&referenced->create->indexes[i].def, def)) {
            foreign->index_name = referenced->create->indexes[i].name;
            return TDBPLUS_OK;
        }
    }
    return bind_fail(binder, TDBPLUS_E_SQL, "42830", 0,
                     "there is no unique constraint matching given keys for referenced table "
                     "\"%s\"",
                     referenced->name);
}

/* Values of one form compare by their bytes; whole numbers have one form. */
static bool comparable(struct type left, struct type right)
{
    bool whole = left.id >= TYPE_INT2 && left.id <= TYPE_INT8 && right.id >= TYPE_INT2 &&
                 right.id <= TYPE_INT8;
    if (left.id != right.id || left.id == TYPE_ENUM) {
        return whole || (left.id == right.id && left.parameter == right.parameter);
    }
    return left.id != TYPE_NUMERIC ||
           (type_physical(left) == type_physical(right) &&
            (type_physical(left) == PHYSICAL_VIEW || left.scale == right.scale));
}

static tdbplus_status check_types(struct binder *binder, const struct bind_table *table,
                                  const struct referenced *referenced,
                                  const struct bound_foreign *foreign)
{
    for (uint32_t i = 0; i < foreign->def.column_count; i++) {
        const struct schema_column *from = NULL;
        for (uint32_t c = 0; c < table->column_count; c++) {
            from = table->columns[c].id == foreign->def.columns[i] ? &table->columns[c] : from;
        }
        int32_t at = schema_find_id(referenced->schema, foreign->def.referenced_columns[i]);
        const struct schema_column *to = &referenced->schema->columns[at];
        if (comparable(from->type, to->type)) {
            continue;
        }
        char have[64];
        char want[64];
        bind_show_type(binder, from->type, have);
        bind_show_type(binder, to->type, want);
        if (func_type_category(from->type) == func_type_category(to->type)) {
            return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                             "a foreign key from type %s to type %s is not supported", have, want);
        }
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_TYPE, "42804", 0,
                      "foreign key constraint \"%s\" cannot be implemented", foreign->name);
        err_detail(binder->err,
                   "Key columns \"%s\" and \"%s\" are of incompatible types: %s and %s.",
                   from->name, to->name, have, want);
        return status;
    }
    return TDBPLUS_OK;
}

static bool name_used(const struct bound_create *create, const char *name)
{
    for (uint32_t i = 0; i < create->foreign_count; i++) {
        if (strcmp(create->foreign_keys[i].name, name) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < create->info.check_count; i++) {
        if (strcmp(create->info.checks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static tdbplus_status choose_name(struct binder *binder, const struct bind_table *table,
                                  const struct bound_create *create, const struct ast_names *names,
                                  const struct ast_constraint *ast, const char **name_out)
{
    *name_out = ast->name;
    if (ast->name != NULL) {
        return name_used(create, ast->name)
                   ? bind_fail(binder, TDBPLUS_E_EXISTS, "42710", 0,
                               "constraint \"%s\" for relation \"%s\" already exists", ast->name,
                               table->name)
                   : TDBPLUS_OK;
    }
    char columns[512] = "";
    for (uint32_t i = 0; i < names->count; i++) {
        size_t used = strlen(columns);
        (void)snprintf(columns + used, sizeof columns - used, "%s%s", i == 0 ? "" : "_",
                       names->items[i]);
    }
    for (uint32_t number = 0;; number++) {
        char tail[24];
        char text[1024];
        (void)snprintf(tail, sizeof tail, number == 0 ? "_fkey" : "_fkey%u", number);
        size_t room = NAME_SIZE_MAX - strlen(tail) - 1;
        size_t table_size = strlen(table->name);
        size_t column_size = strlen(columns);
        while (table_size + column_size > room) {
            table_size > column_size ? table_size-- : column_size--;
        }
        (void)snprintf(text, sizeof text, "%.*s_%.*s%s", (int)table_size, table->name,
                       (int)column_size, columns, tail);
        if (!name_used(create, text)) {
            *name_out = arena_text(binder->arena, span_from_text(text));
            return *name_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
        }
    }
}

static uint8_t action_of(char letter)
{
    switch (letter) {
    case 'r':
        return FOREIGN_RESTRICT;
    case 'c':
        return FOREIGN_CASCADE;
    case 'n':
        return FOREIGN_SET_NULL;
    case 'd':
        return FOREIGN_SET_DEFAULT;
    default:
        return FOREIGN_NO_ACTION;
    }
}

static tdbplus_status check_set_columns(struct binder *binder, const struct foreign_def *def,
                                        const struct ast_names *names)
{
    for (uint32_t i = 0; i < def->set_count; i++) {
        if (!has_id(def->columns, def->column_count, def->set_columns[i])) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10", 0,
                             "column \"%s\" referenced in ON DELETE SET action must be part of "
                             "foreign key",
                             names->items[i]);
        }
    }
    return TDBPLUS_OK;
}

/* Whoever refers to rows learns that they are there. */
static tdbplus_status check_may_refer(struct binder *binder, const struct object *referenced,
                                      const struct foreign_def *def)
{
    struct catalog_entry entry;
    struct acl_target target;
    uint64_t role = bind_role(binder);
    if (referenced == NULL || role == ROLE_BOOTSTRAP ||
        !catalog_entry_by_oid(binder->txn, referenced->id, &entry) ||
        !acl_target_of(&entry, &target) ||
        (acl_mask(binder->txn, target, 0, role) & PRIVILEGE_REFERENCES) != 0) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < def->column_count; i++) {
        if ((acl_mask(binder->txn, target, def->referenced_columns[i], role) &
             PRIVILEGE_REFERENCES) == 0) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42501", 0, "permission denied for table %s",
                             entry.name);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_foreign(struct binder *binder, const struct bind_table *table,
                            const struct bound_create *create, const struct ast_names *names,
                            const struct ast_constraint *ast, struct bound_foreign *foreign_out)
{
    struct bound_foreign foreign = {.def = {.on_update = action_of(ast->on_update),
                                            .on_delete = action_of(ast->on_delete),
                                            .match_full = ast->match_type == 'f',
                                            .deferrable = ast->deferrable || ast->deferred,
                                            .deferred = ast->deferred}};
    struct foreign_def *def = &foreign.def;
    struct referenced referenced;
    uint32_t referenced_count = ast->table_keys.count;
    if (ast->match_type == 'p') {
        return bind_unsupported(binder, ast->ast.position, "MATCH PARTIAL");
    }
    TRY(find_referenced(binder, table, create, ast->table, &referenced));
    foreign.referenced = referenced.object;
    TRY(name_ids(binder, table->columns, table->column_count, names, &def->columns));
    def->column_count = names->count;
    TRY(name_ids(binder, table->columns, table->column_count, &ast->delete_columns,
                 &def->set_columns));
    def->set_count = ast->delete_columns.count;
    TRY(check_set_columns(binder, def, &ast->delete_columns));
    TRY(referenced_count == 0
            ? default_ids(binder, &referenced, &def->referenced_columns, &referenced_count)
            : name_ids(binder, referenced.schema->columns, referenced.schema->column_count,
                       &ast->table_keys, &def->referenced_columns));
    if (referenced_count != def->column_count) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42830", 0,
                         "number of referencing and referenced columns for foreign key disagree");
    }
    TRY(check_may_refer(binder, referenced.object, def));
    TRY(choose_key(binder, &referenced, &foreign));
    TRY(choose_name(binder, table, create, names, ast, &foreign.name));
    TRY(check_types(binder, table, &referenced, &foreign));
    *foreign_out = foreign;
    return TDBPLUS_OK;
}

/* ---- SET CONSTRAINTS ---- */

static bool is_named(const struct object *object, const char *name)
{
    return strcmp(catalog_own_name(object->name), name) == 0;
}

/* Constraints of one name may belong to several tables: all of them are meant. */
static tdbplus_status add_constraints(struct binder *binder, const char *name,
                                      struct pointers *found)
{
    static const uint8_t kinds[] = {OBJECT_FOREIGN_KEY, OBJECT_INDEX};
    uint32_t before = found->count;
    for (uint32_t k = 0; k < 2; k++) {
        const struct object *object = NULL;
        while ((object = txn_object_next(binder->txn, kinds[k], object)) != NULL) {
            void *oid = (void *)(uintptr_t)object->id;
            if (is_named(object, name) && !pointers_push(binder->arena, found, oid)) {
                return bind_no_memory(binder);
            }
        }
    }
    return found->count > before ? TDBPLUS_OK
                                 : bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", 0,
                                             "constraint \"%s\" does not exist", name);
}

tdbplus_status bind_set_constraints(struct binder *binder, const struct ast_set_constraints *ast,
                                    struct bound_constraints *constraints_out)
{
    struct pointers found = {0};
    struct bound_constraints constraints = {.deferred = ast->deferred};
    for (uint32_t i = 0; i < ast->names.count; i++) {
        const struct ast_table_ref *name = (const struct ast_table_ref *)ast->names.items[i];
        TRY(add_constraints(binder, name->name, &found));
    }
    constraints.oids = arena_array(binder->arena, found.count + 1u, sizeof *constraints.oids);
    if (constraints.oids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < found.count; i++) {
        constraints.oids[constraints.count++] = (uint64_t)(uintptr_t)found.items[i];
    }
    *constraints_out = constraints;
    return TDBPLUS_OK;
}

/* ---- tables that are referred to ---- */

static bool is_dropped(const struct bound_drop *drop, uint64_t id)
{
    for (uint32_t i = 0; i < drop->count; i++) {
        if (drop->objects[i]->id == id) {
            return true;
        }
    }
    return false;
}

static tdbplus_status refuse_truncate(struct binder *binder, const struct object *table,
                                      const struct object *child)
{
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                  "cannot truncate a table referenced in a foreign key constraint");
    err_detail(binder->err, "Table \"%s\" references \"%s\".", catalog_own_name(child->name),
               catalog_own_name(table->name));
    err_hint(binder->err, "Truncate table \"%s\" at the same time, or use TRUNCATE ... CASCADE.",
             catalog_own_name(child->name));
    return status;
}

/* With CASCADE the tables that refer to those about to be emptied are emptied too. */
static tdbplus_status add_table(struct binder *binder, struct bound_drop *drop,
                                const struct object *table)
{
    const struct object **objects = arena_array(binder->arena, drop->count + 2u, sizeof *objects);
    if (objects == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(objects, drop->objects, drop->count * sizeof *objects);
    objects[drop->count++] = table;
    drop->objects = objects;
    return TDBPLUS_OK;
}

tdbplus_status bind_check_references(struct binder *binder, struct bound_drop *drop)
{
    for (uint32_t i = 0; i < drop->count; i++) {
        const struct object *table = drop->objects[i];
        const struct object *part = NULL;
        for (uint32_t p = 0; (part = txn_part_at(binder->txn, table->id, p)) != NULL; p++) {
            if (part->kind != OBJECT_FOREIGN_KEY || part->other != table->id ||
                is_dropped(drop, part->parent)) {
                continue;
            }
            const struct object *child = txn_object_by_id(binder->txn, part->parent);
            if (child == NULL) {
                continue;
            }
            if (!drop->cascade) {
                return refuse_truncate(binder, table, child);
            }
            TRY(add_table(binder, drop, child));
        }
    }
    return TDBPLUS_OK;
}
