/* Names of types: those that every database has, and those that SQL defines. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/type_info.h"

/* ---- types of the catalog ---- */

static tdbplus_status missing(struct binder *binder, const struct ast_table_ref *name,
                              uint32_t position)
{
    if (name->schema != NULL && !bind_schema_exists(binder, name->schema)) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", position,
                         "schema \"%s\" does not exist", name->schema);
    }
    return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", position,
                     "type \"%s%s%s\" does not exist", name->schema != NULL ? name->schema : "",
                     name->schema != NULL ? "." : "", name->name);
}

tdbplus_status bind_find_type(struct binder *binder, const struct ast_table_ref *name,
                              struct catalog_entry *entry_out)
{
    return bind_lookup(binder, CATALOG_TYPE, name->schema, name->name, entry_out)
               ? TDBPLUS_OK
               : missing(binder, name, 0);
}

tdbplus_status bind_new_type(struct binder *binder, const struct ast_table_ref *name,
                             struct catalog_entry *entry_out)
{
    const char *schema = NULL;
    struct catalog_entry other;
    TRY(bind_new_schema(binder, name, &schema));
    *entry_out = (struct catalog_entry){.kind = CATALOG_TYPE};
    if (catalog_entry_find(binder->txn, CATALOG_TYPE, schema, name->name, &other) ||
        catalog_entry_find(binder->txn, CATALOG_TABLE, schema, name->name, &other) ||
        catalog_entry_find(binder->txn, CATALOG_VIEW, schema, name->name, &other)) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42710", 0, "type \"%s\" already exists",
                         name->name);
    }
    return bind_name_entry(binder, schema, name->name, entry_out);
}

tdbplus_status bind_encode_type(struct binder *binder, const struct type_info *info,
                                struct span *definition_out)
{
    struct buffer buffer;
    buffer_init(&buffer, binder->arena->alloc);
    type_info_encode(info, &buffer);
    uint8_t *copy = buffer.failed ? NULL : arena_bytes(binder->arena, buffer.size + 1);
    if (copy != NULL) {
        memcpy(copy, buffer.data, buffer.size);
        *definition_out = (struct span){.data = copy, .size = buffer.size};
    }
    buffer_deinit(&buffer);
    return copy == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* Whether a domain is that one, or over it. */
static bool is_over(struct binder *binder, uint64_t domain, uint64_t type)
{
    struct catalog_entry entry;
    struct type_info info = {0};
    uint32_t depth = 0;
    for (; domain != 0 && domain != type && depth < 100; depth++) {
        if (!catalog_entry_by_oid(binder->txn, domain, &entry) ||
            type_info_decode(entry.definition, binder->arena, &info, NULL) != TDBPLUS_OK) {
            return false;
        }
        domain = info.parent;
    }
    return domain == type;
}

static bool has_type(struct binder *binder, const struct object *table, uint32_t position,
                     uint64_t type)
{
    const struct schema_column *column = &table->schema->columns[position];
    bool labels = column->type.id == TYPE_ENUM ||
                  (column->type.id == TYPE_ARRAY && column->type.element == TYPE_ENUM);
    struct table_info info = {0};
    if (labels && column->type.parameter == type) {
        return true;
    }
    if (table_info_decode(table->properties, binder->arena, &info, NULL) != TDBPLUS_OK) {
        return false;
    }
    uint64_t domain = table_find_domain(&info, column->id);
    return domain != 0 && is_over(binder, domain, type);
}

bool bind_next_type_user(struct binder *binder, uint64_t type, struct type_user *user)
{
    for (;;) {
        const struct schema *schema =
            user->table.object == NULL ? NULL : user->table.object->schema;
        while (schema != NULL && ++user->position < schema->column_count) {
            if (has_type(binder, user->table.object, user->position, type)) {
                return true;
            }
        }
        user->position = UINT32_MAX;
        do {
            if (!catalog_entry_next(binder->txn, CATALOG_TABLE, &user->table)) {
                return false;
            }
        } while (catalog_hidden(user->table.object));
    }
}

/* ---- what a name means ---- */

/* A type that SQL defined; of a domain the base type, and itself. */
static tdbplus_status defined_type(struct binder *binder, const struct ast_type_name *ast,
                                   const struct catalog_entry *entry, struct type *type_out,
                                   uint64_t *domain_out)
{
    struct type_info info = {0};
    if (ast->modifiers.count > 0) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "type modifier is not allowed for type \"%s\"", entry->name);
    }
    TRY(bind_depends_on(binder, entry->object));
    if (type_info_kind(entry->definition) == TYPE_INFO_ENUM) {
        *type_out = (struct type){.id = TYPE_ENUM, .parameter = (uint32_t)entry->oid};
        return TDBPLUS_OK;
    }
    TRY(type_info_decode(entry->definition, binder->arena, &info, binder->err));
    if (ast->array_depth > 0) {
        return bind_unsupported(binder, ast->ast.position, "an array of a domain");
    }
    *type_out = info.base;
    *domain_out = entry->oid;
    return TDBPLUS_OK;
}

static tdbplus_status read_modifiers(struct binder *binder, const struct ast_type_name *ast,
                                     int32_t modifiers[4])
{
    if (ast->modifiers.count > 4) {
        return bind_unsupported(binder, ast->ast.position, "this type");
    }
    for (uint32_t i = 0; i < ast->modifiers.count; i++) {
        const struct ast_constant *value = (const struct ast_constant *)ast->modifiers.items[i];
        if (value->ast.kind != AST_CONSTANT || value->constant != AST_INTEGER) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                             "type modifiers must be simple constants or identifiers");
        }
        modifiers[i] = value->integer;
    }
    return TDBPLUS_OK;
}

static tdbplus_status own_type(struct binder *binder, const struct ast_type_name *ast,
                               const char *name, struct type *type_out)
{
    int32_t modifiers[4] = {0};
    if (strcmp(name, "interval") == 0 && ast->modifiers.count == 1) {
        return bind_unsupported(binder, ast->ast.position, "an interval with fields");
    }
    TRY(read_modifiers(binder, ast, modifiers));
    tdbplus_status status =
        func_type_find(name, modifiers, ast->modifiers.count, type_out, binder->err);
    if (status != TDBPLUS_OK && binder->err != NULL && binder->err->position == 0) {
        binder->err->position = parse_character(binder->text, ast->ast.position);
    }
    return status;
}

tdbplus_status bind_type(struct binder *binder, const struct ast *ast, struct type *type_out)
{
    uint64_t domain = 0;
    return bind_type_domain(binder, ast, type_out, &domain);
}

tdbplus_status bind_type_domain(struct binder *binder, const struct ast *ast, struct type *type_out,
                                uint64_t *domain_out)
{
    const struct ast_type_name *name = (const struct ast_type_name *)ast;
    uint32_t count = name->names.count;
    struct catalog_entry entry;
    struct type type = {0};
    if (name->set_of || count == 0 || count > 2) {
        return bind_unsupported(binder, ast->position, "this type");
    }
    struct ast_table_ref ref = {.schema = count == 2 ? name->names.items[0] : NULL,
                                .name = name->names.items[count - 1]};
    bool builtin = ref.schema == NULL || strcmp(ref.schema, "pg_catalog") == 0;
    // A type of the system's comes before others of its name, as pg_catalog does.
    if (builtin && (func_type_known(ref.name) || ref.schema != NULL)) {
        TRY(own_type(binder, name, ref.name, &type));
    } else if (bind_lookup(binder, CATALOG_TYPE, ref.schema, ref.name, &entry)) {
        TRY(defined_type(binder, name, &entry, &type, domain_out));
    } else {
        *domain_out = 0;
        return builtin ? own_type(binder, name, ref.name, type_out)
                       : missing(binder, &ref, ast->position);
    }
    if (name->array_depth > 0 && type.form == ARRAY_SPACED) {
        return bind_unsupported(binder, ast->position, "an array of vectors of numbers");
    }
    *type_out = name->array_depth > 0 ? func_array_of(type) : type;
    return TDBPLUS_OK;
}
