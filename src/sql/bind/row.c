/* Row values: (a, b) compared with rows, lists of rows and subqueries. */

#include <string.h>

#include "sql/bind/bind_internal.h"

struct row {
    struct expr **items;
    uint32_t count;
};

static tdbplus_status bind_row(struct binder *binder, struct bind_query *query,
                               const struct ast *ast, struct row *row_out)
{
    const struct ast_list *list = &((const struct ast_row *)ast)->elements;
    struct expr **items = arena_array(binder->arena, list->count + 1u, sizeof *items);
    if (items == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(bind_expression(binder, query, list->items[i], &items[i]));
    }
    *row_out = (struct row){items, list->count};
    return TDBPLUS_OK;
}

/* ---- comparing two rows ---- */

static tdbplus_status compare_items(struct binder *binder, const char *name, struct expr *left,
                                    struct expr *right, uint32_t position, struct expr **expr_out)
{
    struct expr *sides[2] = {left, right};
    return bind_call(binder, name, true, sides, 2, position, expr_out);
}

/* = is AND of =, <> is OR of <>. */
static tdbplus_status compare_each(struct binder *binder, const char *name, const struct row *left,
                                   const struct row *right, uint32_t position,
                                   struct expr **expr_out)
{
    enum expr_kind kind = strcmp(name, "=") == 0 ? EXPR_AND : EXPR_OR;
    struct expr *expr = expr_make(binder->arena, kind, type_of(TYPE_BOOL), left->count);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < left->count; i++) {
        TRY(compare_items(binder, name, left->items[i], right->items[i], position,
                          &expr->arguments[i]));
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}

/* a < x OR (a = x AND (b < y OR ...)): the first items that differ decide, and a null among them
 * gives null. The last items are compared by the operator itself. */
static tdbplus_status compare_order(struct binder *binder, const char *name, const struct row *left,
                                    const struct row *right, uint32_t position,
                                    struct expr **expr_out)
{
    const char *strict = name[0] == '<' ? "<" : ">";
    struct expr *rest = NULL;
    uint32_t last = left->count - 1;
    TRY(compare_items(binder, name, left->items[last], right->items[last], position, &rest));
    for (uint32_t i = last; i-- > 0;) {
        struct expr *either = expr_make(binder->arena, EXPR_OR, type_of(TYPE_BOOL), 2);
        struct expr *both = expr_make(binder->arena, EXPR_AND, type_of(TYPE_BOOL), 2);
        if (either == NULL || both == NULL) {
            return bind_no_memory(binder);
        }
        TRY(compare_items(binder, strict, left->items[i], right->items[i], position,
                          &either->arguments[0]));
        TRY(compare_items(binder, "=", left->items[i], right->items[i], position,
                          &both->arguments[0]));
        both->arguments[1] = rest;
        either->arguments[1] = both;
        rest = either;
    }
    *expr_out = rest;
    return TDBPLUS_OK;
}

static bool is_order(const char *name)
{
    return strcmp(name, "<") == 0 || strcmp(name, "<=") == 0 || strcmp(name, ">") == 0 ||
           strcmp(name, ">=") == 0;
}

static tdbplus_status compare_rows(struct binder *binder, const char *name, const struct row *left,
                                   const struct row *right, uint32_t position,
                                   struct expr **expr_out)
{
    if (left->count != right->count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", position,
                         "unequal number of entries in row expressions");
    }
    if (left->count == 0) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", position,
                         "cannot compare rows of zero length");
    }
    if (strcmp(name, "=") == 0 || strcmp(name, "<>") == 0) {
        TRY(compare_each(binder, name, left, right, position, expr_out));
    } else if (is_order(name)) {
        TRY(compare_order(binder, name, left, right, position, expr_out));
    } else {
        // Each pair must have the operator; what it would mean for rows is not known.
        struct expr *pair = NULL;
        TRY(compare_items(binder, name, left->items[0], right->items[0], position, &pair));
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", position,
                      "could not determine interpretation of row comparison operator %s", name);
        err_hint(binder->err, "Row comparison operators must be associated with btree operator "
                              "families.");
        return status;
    }
    (*expr_out)->position = position;
    return TDBPLUS_OK;
}

tdbplus_status bind_row_operator(struct binder *binder, struct bind_query *query,
                                 const struct ast_operator *ast, struct expr **expr_out)
{
    struct row left = {0};
    struct row right = {0};
    TRY(bind_row(binder, query, ast->left, &left));
    TRY(bind_row(binder, query, ast->right, &right));
    return compare_rows(binder, ast->name, &left, &right, ast->ast.position, expr_out);
}

/* (a, b) IN ((1, 2), (3, 4)): any of them is equal. */
tdbplus_status bind_row_in(struct binder *binder, struct bind_query *query,
                           const struct ast_operator *ast, struct expr **expr_out)
{
    const struct ast_list *list = &((const struct ast_items *)ast->right)->list;
    struct expr *any = expr_make(binder->arena, EXPR_OR, type_of(TYPE_BOOL), list->count);
    struct row left = {0};
    if (any == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_row(binder, query, ast->left, &left));
    for (uint32_t i = 0; i < list->count; i++) {
        struct row right = {0};
        if (list->items[i]->kind != AST_ROW) {
            return bind_unsupported(binder, list->items[i]->position, "a row beside a value in IN");
        }
        TRY(bind_row(binder, query, list->items[i], &right));
        TRY(compare_rows(binder, "=", &left, &right, ast->ast.position, &any->arguments[i]));
    }
    any->position = ast->ast.position;
    *expr_out = any;
    return strcmp(ast->name, "<>") == 0
               ? bind_call(binder, "not", true, expr_out, 1, ast->ast.position, expr_out)
               : TDBPLUS_OK;
}

/* IS [NOT] DISTINCT FROM: nulls are equal. */
tdbplus_status bind_row_distinct(struct binder *binder, struct bind_query *query,
                                 const struct ast_operator *ast, struct expr **expr_out)
{
    bool negated = ast->operator_kind == AST_OP_NOT_DISTINCT;
    struct row left = {0};
    struct row right = {0};
    TRY(bind_row(binder, query, ast->left, &left));
    TRY(bind_row(binder, query, ast->right, &right));
    if (left.count != right.count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "unequal number of entries in row expressions");
    }
    struct expr *expr =
        expr_make(binder->arena, negated ? EXPR_AND : EXPR_OR, type_of(TYPE_BOOL), left.count);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < left.count; i++) {
        struct expr *pair = expr_make(binder->arena, EXPR_DISTINCT, type_of(TYPE_BOOL), 2);
        if (pair == NULL) {
            return bind_no_memory(binder);
        }
        pair->arguments[0] = left.items[i];
        pair->arguments[1] = right.items[i];
        TRY(bind_comparison(binder, "=", &pair->arguments[0], &pair->arguments[1],
                            ast->ast.position, &pair->func));
        pair->negated = negated;
        pair->position = ast->ast.position;
        expr->arguments[i] = pair;
    }
    expr->position = ast->ast.position;
    *expr_out = expr;
    return TDBPLUS_OK;
}

/* IS NULL: all are; IS NOT NULL: none is. */
tdbplus_status bind_row_null_test(struct binder *binder, struct bind_query *query,
                                  const struct ast_null_test *ast, struct expr **expr_out)
{
    struct row row = {0};
    TRY(bind_row(binder, query, ast->argument, &row));
    struct expr *expr = expr_make(binder->arena, EXPR_AND, type_of(TYPE_BOOL), row.count);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < row.count; i++) {
        struct expr *test = expr_make(binder->arena, EXPR_IS_NULL, type_of(TYPE_BOOL), 1);
        if (test == NULL) {
            return bind_no_memory(binder);
        }
        test->arguments[0] = row.items[i];
        if (row.items[i]->type.id == TYPE_NONE) {
            TRY(bind_coerce(binder, &test->arguments[0], type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
        }
        test->negated = ast->negated;
        test->position = ast->ast.position;
        expr->arguments[i] = test;
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}

/* ---- rows and subqueries ---- */

struct outer_reads {
    struct binder *binder;
    struct pointers ids;
    bool failed;
};

static void note_id(struct outer_reads *reads, uint32_t id)
{
    for (uint32_t i = 0; i < reads->ids.count; i++) {
        if ((uintptr_t)reads->ids.items[i] == id) {
            return;
        }
    }
    reads->failed =
        reads->failed || !pointers_push(reads->binder->arena, &reads->ids, (void *)(uintptr_t)id);
}

static bool note_reads(void *ctx, struct expr **node)
{
    struct outer_reads *reads = ctx;
    if ((*node)->kind == EXPR_COLUMN) {
        note_id(reads, (*node)->number);
    }
    for (uint32_t i = 0; (*node)->subquery != NULL && i < (*node)->subquery->outer_count; i++) {
        note_id(reads, (*node)->subquery->outer_ids[i]);
    }
    return true;
}

/* What the row reads, the subquery now reads from outside. */
static tdbplus_status add_outer_ids(struct binder *binder, const struct row *row,
                                    struct expr_subquery *subquery)
{
    struct outer_reads reads = {.binder = binder};
    for (uint32_t i = 0; i < subquery->outer_count; i++) {
        note_id(&reads, subquery->outer_ids[i]);
    }
    for (uint32_t i = 0; i < row->count; i++) {
        struct expr *item = row->items[i];
        (void)expr_walk(&item, note_reads, &reads);
    }
    uint32_t *ids = arena_array(binder->arena, reads.ids.count + 1u, sizeof *ids);
    if (reads.failed || ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < reads.ids.count; i++) {
        ids[i] = (uint32_t)(uintptr_t)reads.ids.items[i];
    }
    subquery->outer_ids = ids;
    subquery->outer_count = reads.ids.count;
    return TDBPLUS_OK;
}

static tdbplus_status columns_as_row(struct binder *binder, const struct plan *plan,
                                     struct row *row_out)
{
    struct expr **items = arena_array(binder->arena, plan->column_count + 1u, sizeof *items);
    if (items == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        struct type type = plan->columns[i].type;
        items[i] = expr_column(binder->arena, plan->columns[i].id, type);
        if (items[i] == NULL) {
            return bind_no_memory(binder);
        }
        TRY(bind_coerce(binder, &items[i], func_type_base(type), FUNC_CAST_IMPLICIT));
    }
    *row_out = (struct row){items, plan->column_count};
    return TDBPLUS_OK;
}

tdbplus_status bind_row_subquery(struct binder *binder, struct bind_query *query,
                                 const struct ast *test, const char *name, uint32_t position,
                                 struct expr_subquery *subquery)
{
    struct row left = {0};
    struct row right = {0};
    TRY(bind_row(binder, query, test, &left));
    if (left.count != subquery->plan->column_count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", position,
                         left.count < subquery->plan->column_count
                             ? "subquery has too many columns"
                             : "subquery has too few columns");
    }
    TRY(columns_as_row(binder, subquery->plan, &right));
    struct expr *answer = NULL;
    TRY(compare_rows(binder, name, &left, &right, position, &answer));
    TRY(add_outer_ids(binder, &left, subquery));
    struct pointers exprs = {0};
    struct pointers names = {0};
    if (!pointers_push(binder->arena, &exprs, answer) ||
        !pointers_push(binder->arena, &names, NULL)) {
        return bind_no_memory(binder);
    }
    return bind_project(binder, subquery->plan, &exprs, &names, &subquery->plan);
}
