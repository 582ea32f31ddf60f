/* What stands behind the names that sql/parse/friendly.h puts in for syntax beyond PostgreSQL's. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"

bool bind_is_marker(const struct ast *ast, const char *name)
{
    const struct ast_function *call = (const struct ast_function *)ast;
    return ast != NULL && ast->kind == AST_FUNCTION && call->name.count == 1 &&
           strcmp(call->name.items[0], name) == 0;
}

/* ---- stars ---- */

static const char *text_of(const struct ast *ast)
{
    const struct ast_constant *constant = (const struct ast_constant *)ast;
    return ast->kind == AST_CONSTANT && constant->constant == AST_STRING ? constant->text : NULL;
}

static bool is_excluded(const struct ast_list *names, const char *name, bool *met)
{
    for (uint32_t i = 0; i < names->count; i++) {
        const char *excluded = text_of(names->items[i]);
        if (excluded != NULL && strcmp(excluded, name) == 0) {
            met[i] = true;
            return true;
        }
    }
    return false;
}

/* The expression that replaces a column; NULL: none. Arguments are pairs from the third on. */
static const struct ast *replacement(const struct ast_function *ast, const char *name, bool *met)
{
    for (uint32_t i = 2; i + 1 < ast->arguments.count; i += 2) {
        const char *replaced = text_of(ast->arguments.items[i + 1]);
        if (replaced != NULL && strcmp(replaced, name) == 0) {
            met[i] = true;
            return ast->arguments.items[i];
        }
    }
    return NULL;
}

static tdbplus_status check_met(struct binder *binder, const struct ast_function *ast,
                                const struct ast_list *names, const bool *excluded,
                                const bool *replaced)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (!excluded[i]) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", names->items[i]->position,
                             "column \"%s\" in EXCLUDE list does not exist",
                             text_of(names->items[i]) != NULL ? text_of(names->items[i]) : "");
        }
    }
    for (uint32_t i = 2; i + 1 < ast->arguments.count; i += 2) {
        const char *name = text_of(ast->arguments.items[i + 1]);
        if (name == NULL) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                             "REPLACE needs a name for each expression");
        }
        if (!replaced[i]) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703",
                             ast->arguments.items[i + 1]->position,
                             "column \"%s\" in REPLACE list does not exist", name);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_changed_star(struct binder *binder, struct bind_query *query,
                                 const struct ast_function *ast, struct bind_targets *targets)
{
    const char *table = text_of(ast->arguments.items[0]);
    const struct ast_list *names = &((const struct ast_array *)ast->arguments.items[1])->elements;
    bool *excluded = arena_array(binder->arena, names->count + 1u, sizeof *excluded);
    bool *replaced = arena_array(binder->arena, ast->arguments.count + 1u, sizeof *replaced);
    uint32_t found = 0;
    if (excluded == NULL || replaced == NULL) {
        return bind_no_memory(binder);
    }
    // Binding a replacement may not add columns, so the count stays.
    for (uint32_t i = 0; i < query->columns.count; i++) {
        const struct bind_column *column = query->columns.items[i];
        bool wanted = table[0] != '\0' ? column->table != NULL && strcmp(column->table, table) == 0
                                       : !column->qualified_only;
        if (!wanted) {
            continue;
        }
        found++;
        if (is_excluded(names, column->name, excluded)) {
            continue;
        }
        bind_mark_read(column);
        const struct ast *instead = replacement(ast, column->name, replaced);
        struct expr *expr = NULL;
        if (instead != NULL) {
            TRY(bind_stored(binder, query, instead, &expr));
        } else {
            expr = expr_column(binder->arena, column->id, column->type);
        }
        if (expr == NULL) {
            return bind_no_memory(binder);
        }
        TRY(bind_add_target(binder, targets, expr, column->name, instead));
    }
    if (found == 0 && table[0] != '\0') {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42P01", ast->ast.position,
                         "missing FROM-clause entry for table \"%s\"", table);
    }
    return check_met(binder, ast, names, excluded, replaced);
}

/* ---- ALL ---- */

static bool is_all(const struct ast *ast)
{
    const struct ast_column_ref *ref = (const struct ast_column_ref *)ast;
    return ast->kind == AST_COLUMN_REF && !ref->star && ref->names.count == 1 &&
           strcmp(ref->names.items[0], FRIENDLY_ALL) == 0;
}

tdbplus_status bind_order_all(struct binder *binder, const struct ast_select *ast,
                              uint32_t column_count, struct ast_select *spelled_out)
{
    *spelled_out = *ast;
    if (ast->order.count != 1) {
        return TDBPLUS_OK;
    }
    const struct ast_sort_key *all = (const struct ast_sort_key *)ast->order.items[0];
    if (!is_all(all->value)) {
        return TDBPLUS_OK;
    }
    struct ast_sort_key *keys = arena_array(binder->arena, column_count + 1u, sizeof *keys);
    struct ast_constant *numbers = arena_array(binder->arena, column_count + 1u, sizeof *numbers);
    struct ast **items = arena_array(binder->arena, column_count + 1u, sizeof *items);
    if (keys == NULL || numbers == NULL || items == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < column_count; i++) {
        numbers[i] = (struct ast_constant){.ast = {AST_CONSTANT, all->value->position},
                                           .constant = AST_INTEGER,
                                           .integer = (int32_t)i + 1};
        keys[i] = *all;
        keys[i].value = &numbers[i].ast;
        items[i] = &keys[i].ast;
    }
    spelled_out->order = (struct ast_list){.count = column_count, .items = items};
    return TDBPLUS_OK;
}

bool bind_groups_all(const struct ast_select *ast)
{
    return ast->groups.count == 1 && is_all(ast->groups.items[0]);
}

bool bind_is_group_key(const struct bind_query *query, struct expr *expr)
{
    for (uint32_t i = 0; i < query->aggregates.count; i++) {
        const struct bind_aggregate *aggregate = query->aggregates.items[i];
        if (bind_reads_id(expr, aggregate->id)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < query->calls.count; i++) {
        const struct bind_window_call *call = query->calls.items[i];
        if (bind_reads_id(expr, call->id)) {
            return false;
        }
    }
    return expr->kind != EXPR_CONSTANT;
}

/* ---- BY NAME ---- */

tdbplus_status bind_unmark(struct binder *binder, const struct ast *query,
                           const struct ast_select **unmarked_out)
{
    const struct ast_select *select = (const struct ast_select *)query;
    *unmarked_out = NULL;
    if (query == NULL || query->kind != AST_SELECT || select->targets.count == 0) {
        return TDBPLUS_OK;
    }
    const struct ast_target *first = (const struct ast_target *)select->targets.items[0];
    if (!bind_is_marker(first->value, FRIENDLY_BY_NAME)) {
        return TDBPLUS_OK;
    }
    struct ast_select *copy = arena_array(binder->arena, 1, sizeof *copy);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    *copy = *select;
    copy->targets.items++;
    copy->targets.count--;
    *unmarked_out = copy;
    return TDBPLUS_OK;
}

static uint32_t find_named(const struct plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (plan->columns[i].name != NULL && name != NULL &&
            strcmp(plan->columns[i].name, name) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* A side with columns of these names, null where it has none. */
static tdbplus_status align_side(struct binder *binder, const struct pointers *all,
                                 struct plan **side)
{
    struct pointers exprs = {0};
    struct pointers names = {0};
    for (uint32_t i = 0; i < all->count; i++) {
        uint32_t at = find_named(*side, all->items[i]);
        struct datum null = {.type = type_of(TYPE_NONE), .is_null = true};
        struct expr *expr = NULL;
        if (at == UINT32_MAX) {
            expr = expr_constant(binder->arena, &null);
        } else if ((*side)->columns[at].type.id == TYPE_NONE && (*side)->kind == PLAN_PROJECT) {
            expr = (*side)->exprs[at];
        } else {
            expr = expr_column(binder->arena, (*side)->columns[at].id, (*side)->columns[at].type);
        }
        if (expr == NULL || !pointers_push(binder->arena, &exprs, expr) ||
            !pointers_push(binder->arena, &names, all->items[i])) {
            return bind_no_memory(binder);
        }
    }
    return bind_project(binder, *side, &exprs, &names, side);
}

tdbplus_status bind_align(struct binder *binder, struct plan **left, struct plan **right)
{
    struct pointers all = {0};
    const struct plan *sides[] = {*left, *right};
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < sides[s]->column_count; i++) {
            const char *name = sides[s]->columns[i].name;
            bool again = s == 1 && find_named(sides[0], name) != UINT32_MAX;
            union {
                const char *read;
                void *plain;
            } item = {.read = name != NULL ? name : "?column?"};
            if (!again && !pointers_push(binder->arena, &all, item.plain)) {
                return bind_no_memory(binder);
            }
        }
    }
    TRY(align_side(binder, &all, left));
    return align_side(binder, &all, right);
}

/* ---- DESCRIBE and SUMMARIZE ---- */

static void put_identifier(struct buffer *text, const char *name)
{
    buffer_put_u8(text, '"');
    for (; *name != '\0'; name++) {
        buffer_put(text, name, 1);
        if (*name == '"') {
            buffer_put(text, name, 1);
        }
    }
    buffer_put_u8(text, '"');
}

static void put_literal(struct buffer *text, const char *name)
{
    buffer_put_text(text, "'");
    for (; *name != '\0'; name++) {
        buffer_put(text, name, 1);
        if (*name == '\'') {
            buffer_put(text, name, 1);
        }
    }
    buffer_put_text(text, "'");
}

static bool is_number(struct type type)
{
    return type.id == TYPE_INT2 || type.id == TYPE_INT4 || type.id == TYPE_INT8 ||
           type.id == TYPE_FLOAT4 || type.id == TYPE_FLOAT8 || type.id == TYPE_NUMERIC;
}

static bool has_order(struct type type)
{
    return is_number(type) || type.id == TYPE_TEXT || type.id == TYPE_DATE ||
           type.id == TYPE_TIME || type.id == TYPE_TIMESTAMP || type.id == TYPE_TIMESTAMPTZ ||
           type.id == TYPE_INTERVAL;
}

/* A column of the answer: an array with an item for each column of the query. */
struct about_column {
    const char *name;
    const char *before; /* The column's name stands between these. */
    const char *after;
    bool (*applies)(struct type type); /* NULL: to all. */
};

static const struct about_column summary[] = {
    {"min", "min(", ")::text", has_order},
    {"max", "max(", ")::text", has_order},
    {"distinct", "count(DISTINCT ", ")", has_order},
    {"avg", "avg(", ")::float8", is_number},
    {"std", "stddev_samp(", ")::float8", is_number},
    {"q25", "percentile_cont(0.25) WITHIN GROUP (ORDER BY ", "::float8)", is_number},
    {"q50", "percentile_cont(0.5) WITHIN GROUP (ORDER BY ", "::float8)", is_number},
    {"q75", "percentile_cont(0.75) WITHIN GROUP (ORDER BY ", "::float8)", is_number},
    {"count", "count(*)+0*count(", ")", NULL},
    {"nulls", "count(*)-count(", ")", NULL},
};

static void put_item(struct buffer *text, const struct about_column *about,
                     const struct plan_column *column)
{
    if (about->applies != NULL && !about->applies(column->type)) {
        buffer_put_text(text, "NULL");
        return;
    }
    buffer_put_text(text, about->before);
    put_identifier(text, column->name != NULL ? column->name : "?column?");
    buffer_put_text(text, about->after);
}

/* The statement that answers, over a subquery that is put in afterwards. */
static void put_statement(struct binder *binder, struct buffer *text, const struct plan *plan,
                          bool summarize)
{
    buffer_put_text(text, "SELECT unnest(ARRAY[");
    for (uint32_t i = 0; i < plan->column_count; i++) {
        buffer_put_text(text, i == 0 ? "" : ",");
        put_literal(text, plan->columns[i].name != NULL ? plan->columns[i].name : "?column?");
    }
    buffer_put_text(text, "]::text[]) AS column_name, unnest(ARRAY[");
    for (uint32_t i = 0; i < plan->column_count; i++) {
        char name[64];
        bind_show_type(binder, plan->columns[i].type, name);
        buffer_put_text(text, i == 0 ? "" : ",");
        put_literal(text, name);
    }
    buffer_put_text(text, "]::text[]) AS column_type");
    for (size_t a = 0; summarize && a < sizeof summary / sizeof *summary; a++) {
        buffer_put_text(text, ", unnest(ARRAY[");
        for (uint32_t i = 0; i < plan->column_count; i++) {
            buffer_put_text(text, i == 0 ? "" : ",");
            put_item(text, &summary[a], &plan->columns[i]);
        }
        buffer_printf(text, "]::%s[]) AS \"%s\"",
                      a < 2                             ? "text"
                      : summary[a].applies == is_number ? "float8"
                                                        : "int8",
                      summary[a].name);
    }
    buffer_put_text(text, summarize ? " FROM (SELECT 1) about" : "");
}

tdbplus_status bind_about(struct binder *binder, struct bind_query *query,
                          const struct ast_table_subquery *ast, bool *done_out,
                          struct plan **plan_out)
{
    const char *alias = ast->alias != NULL ? ast->alias->name : "";
    bool summarize = strcmp(alias, FRIENDLY_SUMMARIZE) == 0;
    *done_out = summarize || strcmp(alias, FRIENDLY_DESCRIBE) == 0;
    if (!*done_out) {
        return TDBPLUS_OK;
    }
    struct bind_query around = {
        .outer = query->outer, .ctes = query->ctes, .outer_ids = query->outer_ids};
    struct plan *described = NULL;
    TRY(bind_select(binder, &around, (const struct ast_select *)ast->query, false, &described));
    struct buffer text;
    struct parse_result parsed = {0};
    tdbplus_status status = TDBPLUS_OK;
    buffer_init(&text, binder->arena->alloc);
    put_statement(binder, &text, described, summarize);
    status = text.failed ? bind_no_memory(binder)
                         : parse_text(buffer_span(&text), binder->arena, &parsed, binder->err);
    buffer_deinit(&text);
    TRY(status);
    struct ast_select *select = (struct ast_select *)(void *)parsed.statements[0].root;
    if (summarize) {
        ((struct ast_table_subquery *)(void *)select->from.items[0])->query = ast->query;
    }
    TRY(bind_select(binder, &around, select, false, plan_out));
    return bind_add_named(binder, query, (*plan_out)->columns, (*plan_out)->column_count, NULL,
                          "about");
}
