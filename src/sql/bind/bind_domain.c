/* CREATE and ALTER DOMAIN; values of domains. A domain's values are those of its base type, which
 * is what expressions over them have; where a value enters a domain it is checked. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/type_info.h"

#define DOMAIN_DEPTH_MAX 32u /* Of domains over domains. */

/* ---- values ---- */

/* A check over VALUE, which is a column of that id. */
static tdbplus_status bind_domain_check(struct binder *binder, const struct type_info *info,
                                        const char *text, uint32_t value_id,
                                        struct expr **check_out)
{
    struct bind_query query = {.clause = CLAUSE_CHECK};
    struct bind_column value = {.name = "value", .id = value_id, .type = info->base};
    TRY(bind_add_column(binder, &query, &value));
    TRY(bind_stored_text(binder, &query, text, check_out));
    TRY(bind_coerce(binder, check_out, type_of(TYPE_BOOL), FUNC_CAST_IMPLICIT));
    return expr_contains(*check_out, EXPR_SUBQUERY)
               ? bind_unsupported(binder, 0, "a subquery in a check constraint")
               : TDBPLUS_OK;
}

static tdbplus_status read_domain(struct binder *binder, uint64_t oid, struct catalog_entry *entry,
                                  struct type_info *info_out)
{
    if (!catalog_entry_by_oid(binder->txn, oid, entry) || entry->kind != CATALOG_TYPE) {
        return err_set(binder->err, TDBPLUS_E_CORRUPT, "a domain is gone that values are of");
    }
    TRY(type_info_decode(entry->definition, binder->arena, info_out, binder->err));
    return info_out->kind == TYPE_INFO_DOMAIN
               ? TDBPLUS_OK
               : err_set(binder->err, TDBPLUS_E_CORRUPT, "a domain is none");
}

static tdbplus_status make_domain(struct binder *binder, const struct catalog_entry *entry,
                                  const struct type_info *info, struct expr_domain **domain_out)
{
    struct expr_domain *domain = arena_array(binder->arena, 1, sizeof *domain);
    if (domain == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_copy_name(binder, entry->name, &domain->name));
    domain->oid = entry->oid;
    domain->not_null = info->not_null;
    domain->value_id = binder->next_id++;
    domain->checks = arena_array(binder->arena, info->check_count + 1u, sizeof *domain->checks);
    domain->check_names =
        arena_array(binder->arena, info->check_count + 1u, sizeof *domain->check_names);
    if (domain->checks == NULL || domain->check_names == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < info->check_count; i++) {
        TRY(bind_domain_check(binder, info, info->checks[i].text, domain->value_id,
                              &domain->checks[i]));
        domain->check_names[i] = info->checks[i].name;
    }
    domain->check_count = info->check_count;
    *domain_out = domain;
    return TDBPLUS_OK;
}

static tdbplus_status enter_domain(struct binder *binder, uint64_t oid, uint32_t depth,
                                   struct expr **value)
{
    struct catalog_entry entry;
    struct type_info info = {0};
    struct expr_domain *domain = NULL;
    TRY(read_domain(binder, oid, &entry, &info));
    if (info.parent != 0) {
        if (depth >= DOMAIN_DEPTH_MAX) {
            return bind_fail(binder, TDBPLUS_E_LIMIT, "54001", 0, "domains are nested too deeply");
        }
        TRY(enter_domain(binder, info.parent, depth + 1, value));
    }
    TRY(bind_depends_on(binder, entry.object));
    if (!info.not_null && info.check_count == 0) {
        return TDBPLUS_OK;
    }
    TRY(make_domain(binder, &entry, &info, &domain));
    struct expr *expr = expr_make(binder->arena, EXPR_DOMAIN, (*value)->type, 1);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    expr->arguments[0] = *value;
    expr->position = (*value)->position;
    expr->domain = domain;
    *value = expr;
    return TDBPLUS_OK;
}

tdbplus_status bind_enter_domain(struct binder *binder, uint64_t oid, struct expr **value)
{
    return oid == 0 ? TDBPLUS_OK : enter_domain(binder, oid, 0, value);
}

tdbplus_status bind_domain_default(struct binder *binder, uint64_t oid, const char **text_out)
{
    *text_out = NULL;
    for (uint32_t depth = 0; oid != 0 && *text_out == NULL && depth < DOMAIN_DEPTH_MAX; depth++) {
        struct catalog_entry entry;
        struct type_info info = {0};
        TRY(read_domain(binder, oid, &entry, &info));
        TRY(bind_depends_on(binder, entry.object));
        *text_out = info.default_text;
        oid = info.parent;
    }
    return TDBPLUS_OK;
}

/* ---- definitions ---- */

static tdbplus_status name_check(struct binder *binder, const char *domain,
                                 const struct type_info *info, const char **name)
{
    char text[CATALOG_NAME_SIZE_MAX + 32];
    for (uint32_t number = 0; *name == NULL; number++) {
        bool taken = false;
        (void)snprintf(text, sizeof text, number == 0 ? "%s_check" : "%s_check%u", domain, number);
        for (uint32_t i = 0; i < info->check_count; i++) {
            taken = taken || strcmp(info->checks[i].name, text) == 0;
        }
        TRY(taken ? TDBPLUS_OK : bind_copy_name(binder, text, name));
    }
    for (uint32_t i = 0; i < info->check_count; i++) {
        if (strcmp(info->checks[i].name, *name) == 0) {
            return bind_fail(binder, TDBPLUS_E_EXISTS, "42710", 0,
                             "constraint \"%s\" for domain \"%s\" already exists", *name, domain);
        }
    }
    return TDBPLUS_OK;
}

/* There is room for it in info->checks. */
static tdbplus_status add_check(struct binder *binder, const char *domain,
                                const struct ast_constraint *ast, struct type_info *info)
{
    struct table_text check = {.name = ast->name, .not_valid = ast->not_valid};
    struct expr *expr = NULL;
    TRY(name_check(binder, domain, info, &check.name));
    struct span text = bind_slice_parentheses(binder->text, ast->ast.position - 1);
    check.text = arena_text(binder->arena, text);
    if (check.text == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_domain_check(binder, info, check.text, binder->next_id++, &expr));
    info->checks[info->check_count++] = check;
    return TDBPLUS_OK;
}

/* The default, which is bound now to find its errors, and its text. */
static tdbplus_status set_default(struct binder *binder, const struct ast *ast, struct span text,
                                  struct type_info *info)
{
    struct bind_query query = {.clause = CLAUSE_DEFAULT};
    struct expr *expr = NULL;
    TRY(bind_expression(binder, &query, ast, &expr));
    TRY(bind_coerce(binder, &expr, info->base, FUNC_CAST_ASSIGNMENT));
    info->default_text = arena_text(binder->arena, text);
    return info->default_text == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status add_constraint(struct binder *binder, const char *domain,
                                     const struct ast_constraint *ast, struct type_info *info)
{
    switch (ast->constraint_kind) {
    case AST_CONSTRAINT_NULL:
        return TDBPLUS_OK;
    case AST_CONSTRAINT_NOT_NULL:
        info->not_null = true;
        return TDBPLUS_OK;
    case AST_CONSTRAINT_DEFAULT:
        return info->default_text != NULL
                   ? bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                               "multiple default expressions")
                   : set_default(binder, ast->expression,
                                 bind_slice_default(binder->text, ast->ast.position - 1), info);
    case AST_CONSTRAINT_CHECK:
        return add_check(binder, domain, ast, info);
    case AST_CONSTRAINT_PRIMARY:
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "primary key constraints not possible for domains");
    case AST_CONSTRAINT_UNIQUE:
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "unique constraints not possible for domains");
    case AST_CONSTRAINT_FOREIGN:
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "foreign key constraints not possible for domains");
    default:
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "specifying constraint deferrability not supported for domains");
    }
}

/* The domain below, or the enum, which cannot go without this one. */
static tdbplus_status list_dependencies(struct binder *binder, const struct type_info *info,
                                        struct catalog_entry *entry)
{
    struct catalog_dependency *all = arena_array(binder->arena, 2, sizeof *all);
    struct type base = info->base;
    bool labels = base.id == TYPE_ENUM || (base.id == TYPE_ARRAY && base.element == TYPE_ENUM);
    if (all == NULL) {
        return bind_no_memory(binder);
    }
    if (info->parent != 0) {
        all[entry->dependency_count++].oid = info->parent;
    } else if (labels) {
        all[entry->dependency_count++].oid = base.parameter;
    }
    entry->dependencies = all;
    return TDBPLUS_OK;
}

tdbplus_status bind_create_domain(struct binder *binder, const struct ast_create_domain *ast,
                                  struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_CREATE};
    struct type_info info = {.kind = TYPE_INFO_DOMAIN};
    bound->kind = BOUND_ACTIONS;
    TRY(bind_new_type(binder, ast->name, &action.entry));
    TRY(bind_type_domain(binder, ast->type, &info.base, &info.parent));
    info.checks = arena_array(binder->arena, ast->constraints.count + 1u, sizeof *info.checks);
    if (info.checks == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < ast->constraints.count; i++) {
        TRY(add_constraint(binder, ast->name->name,
                           (const struct ast_constraint *)ast->constraints.items[i], &info));
    }
    TRY(list_dependencies(binder, &info, &action.entry));
    TRY(bind_encode_type(binder, &info, &action.entry.definition));
    return bind_add_action(binder, bound, &action);
}

/* ---- ALTER DOMAIN ---- */

static struct table_text *find_check(const struct type_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->check_count; i++) {
        if (strcmp(info->checks[i].name, name) == 0) {
            return &info->checks[i];
        }
    }
    return NULL;
}

static tdbplus_status no_such_check(struct binder *binder, const struct ast_alter_domain *ast,
                                    const struct catalog_entry *entry)
{
    return ast->missing_ok ? TDBPLUS_OK
                           : bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", 0,
                                       "constraint \"%s\" of domain \"%s\" does not exist",
                                       ast->constraint, entry->name);
}

/* One column of the domain: no row may have what `broken` says of it. */
static tdbplus_status check_column(struct binder *binder, struct bound *bound,
                                   const struct type_user *user, const struct type_info *info,
                                   const struct table_text *check)
{
    const struct schema_column *column = &user->table.object->schema->columns[user->position];
    struct bound_action action = {.kind = ACTION_CHECK_ROWS, .oid = user->table.oid};
    char text[300];
    struct expr *test =
        expr_make(binder->arena, check == NULL ? EXPR_IS_NULL : EXPR_TRUTH, type_of(TYPE_BOOL), 1);
    if (test == NULL) {
        return bind_no_memory(binder);
    }
    test->number = check == NULL ? 0 : AST_IS_FALSE;
    if (check == NULL) {
        test->arguments[0] = expr_column(binder->arena, user->position + 1, column->type);
    } else {
        TRY(bind_domain_check(binder, info, check->text, user->position + 1, &test->arguments[0]));
    }
    (void)snprintf(text, sizeof text, "column \"%.100s\" of table \"%.100s\" contains %s",
                   column->name, user->table.name,
                   check == NULL ? "null values" : "values that violate the new constraint");
    action.name = arena_text(binder->arena, span_from_text(text));
    action.broken = test;
    action.nulls = check == NULL;
    if (action.name == NULL || test->arguments[0] == NULL) {
        return bind_no_memory(binder);
    }
    return bind_add_action(binder, bound, &action);
}

/* All columns of the domain, and of domains over it. */
static tdbplus_status check_columns(struct binder *binder, struct bound *bound, uint64_t domain,
                                    const struct type_info *info, const struct table_text *check)
{
    struct type_user user = {.position = UINT32_MAX};
    while (bind_next_type_user(binder, domain, &user)) {
        TRY(check_column(binder, bound, &user, info, check));
    }
    return TDBPLUS_OK;
}

static tdbplus_status alter_constraint(struct binder *binder, const struct ast_alter_domain *ast,
                                       const struct catalog_entry *entry, struct type_info *info,
                                       struct bound *bound)
{
    struct table_text *check = ast->constraint == NULL ? NULL : find_check(info, ast->constraint);
    if (ast->action == 'C') {
        const struct ast_constraint *added = (const struct ast_constraint *)ast->definition;
        uint32_t before = info->check_count;
        TRY(add_constraint(binder, entry->name, added, info));
        bool look = info->check_count > before && !added->not_valid;
        return look ? check_columns(binder, bound, entry->oid, info, &info->checks[before])
                    : TDBPLUS_OK;
    }
    if (check == NULL) {
        return no_such_check(binder, ast, entry);
    }
    if (ast->action == 'V') {
        check->not_valid = false;
        return check_columns(binder, bound, entry->oid, info, check);
    }
    *check = info->checks[--info->check_count];
    return TDBPLUS_OK;
}

tdbplus_status bind_alter_domain(struct binder *binder, const struct ast_alter_domain *ast,
                                 struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_ALTER};
    struct type_info info = {0};
    bound->kind = BOUND_ACTIONS;
    TRY(bind_find_type(binder, ast->name, &action.entry));
    if (type_info_kind(action.entry.definition) != TYPE_INFO_DOMAIN) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "%s is not a domain",
                         action.entry.name);
    }
    TRY(bind_check_owner(binder, &action.entry));
    action.oid = action.entry.oid;
    TRY(type_info_decode(action.entry.definition, binder->arena, &info, binder->err));
    switch (ast->action) {
    case 'T':
        info.default_text = NULL;
        TRY(ast->definition == NULL
                ? TDBPLUS_OK
                : set_default(binder, ast->definition,
                              bind_slice_set_default(binder->text, ast->name->name), &info));
        break;
    case 'O':
        info.not_null = true;
        TRY(check_columns(binder, bound, action.oid, &info, NULL));
        break;
    case 'N':
        info.not_null = false;
        break;
    default:
        TRY(alter_constraint(binder, ast, &action.entry, &info, bound));
        break;
    }
    TRY(bind_encode_type(binder, &info, &action.entry.definition));
    return bind_add_action(binder, bound, &action);
}
