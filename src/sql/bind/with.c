/* WITH: queries by name, recursive ones, and changes of rows among them. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"

struct bind_cte *bind_find_cte(const struct bind_query *query, const char *name)
{
    for (; query != NULL; query = query->outer) {
        for (struct bind_cte *cte = query->ctes; cte != NULL; cte = cte->next) {
            if (cte->stage != CTE_HIDDEN && strcmp(cte->name, name) == 0) {
                return cte;
            }
        }
    }
    return NULL;
}

/* ---- readers ---- */

static tdbplus_status recursion_error(struct binder *binder, const struct bind_cte *cte,
                                      uint32_t position, const char *what)
{
    return bind_fail(binder, TDBPLUS_E_SQL, "42P19", position,
                     "recursive reference to query \"%s\" must not appear %s", cte->name, what);
}

/* What a WITH query may read of itself: its last round, once, in the second part of a UNION. */
static tdbplus_status check_self(struct binder *binder, struct bind_cte *cte, uint32_t position)
{
    static const char *const places[] = {
        [RECURSION_OK] = NULL,
        [RECURSION_SUBQUERY] = "within a subquery",
        [RECURSION_OUTER] = "within an outer join",
        [RECURSION_SET] = "within INTERSECT or EXCEPT",
    };
    if (cte->stage == CTE_FORMLESS) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P19", position,
                         "recursive query \"%s\" does not have the form non-recursive-term UNION "
                         "[ALL] recursive-term",
                         cte->name);
    }
    if (places[binder->recursion] != NULL) {
        return recursion_error(binder, cte, position, places[binder->recursion]);
    }
    if (cte->stage == CTE_BASE) {
        return recursion_error(binder, cte, position, "within its non-recursive term");
    }
    cte->self_count++;
    return cte->self_count > 1 ? recursion_error(binder, cte, position, "more than once")
                               : TDBPLUS_OK;
}

tdbplus_status bind_cte_reader(struct binder *binder, struct bind_query *query,
                               struct bind_cte *cte, const struct ast_table_ref *table,
                               struct plan **plan_out)
{
    bool self = cte->stage != CTE_READY;
    if (self) {
        TRY(check_self(binder, cte, table->ast.position));
        query->reads_itself = true;
    }
    if (cte->column_count == 0 && cte->cte->changes) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", table->ast.position,
                         "WITH query \"%s\" does not have a RETURNING clause", cte->name);
    }
    struct plan *plan = plan_make(binder->arena, self ? PLAN_WORK : PLAN_CTE, cte->column_count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->cte = cte->cte;
    plan->cte->reader_count++;
    for (uint32_t i = 0; i < cte->column_count; i++) {
        plan->columns[i] = cte->columns[i];
        plan->columns[i].id = binder->next_id++;
        TRY(document_is(binder, cte->columns[i].id) ? document_note(binder, plan->columns[i].id)
                                                    : TDBPLUS_OK);
    }
    *plan_out = plan;
    return bind_add_named(binder, query, plan->columns, plan->column_count, table->alias,
                          table->alias != NULL ? table->alias->name : table->name);
}

/* ---- binding ---- */

static tdbplus_status name_columns(struct binder *binder, const struct ast_cte *ast,
                                   struct bind_cte *cte, const struct plan *plan)
{
    uint32_t count = plan->column_count;
    if (ast->columns.count > count) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->ast.position,
                         "WITH query \"%s\" has %u columns available but %u columns specified",
                         ast->name, count, ast->columns.count);
    }
    cte->columns = arena_array(binder->arena, count + 1u, sizeof *cte->columns);
    if (cte->columns == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(cte->columns, plan->columns, count * sizeof *cte->columns);
    for (uint32_t i = 0; i < ast->columns.count; i++) {
        cte->columns[i].name = ast->columns.items[i];
    }
    cte->column_count = count;
    return TDBPLUS_OK;
}

/* The second part of the UNION has the types of the first. */
static tdbplus_status check_types(struct binder *binder, const struct ast_cte *ast,
                                  const struct plan *base, const struct plan *both)
{
    for (uint32_t i = 0; i < base->column_count; i++) {
        if (type_equal(func_type_base(base->columns[i].type),
                       func_type_base(both->columns[i].type))) {
            continue;
        }
        char first[64];
        char all[64];
        bind_show_type(binder, base->columns[i].type, first);
        bind_show_type(binder, both->columns[i].type, all);
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_TYPE, "42804", ast->ast.position,
                      "recursive query \"%s\" column %u has type %s in non-recursive term but type "
                      "%s overall",
                      ast->name, i + 1, first, all);
        err_hint(binder->err, "Cast the output of the non-recursive term to the correct type.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_recursive_form(struct binder *binder, const struct ast_select *ast)
{
    const char *what = ast->order.count > 0     ? "ORDER BY"
                       : ast->offset != NULL    ? "OFFSET"
                       : ast->limit != NULL     ? "LIMIT"
                       : ast->locking.count > 0 ? "FOR UPDATE/SHARE"
                                                : NULL;
    return what == NULL ? TDBPLUS_OK
                        : bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                                    "%s in a recursive query is not implemented", what);
}

static bool is_union(const struct ast *query)
{
    const struct ast_select *select = (const struct ast_select *)query;
    return query->kind == AST_SELECT && select->set_kind == AST_UNION;
}

/* base UNION step: the step is bound with the name meaning what the last round has found. If it
 * does not read it, this is a query like any other. */
static tdbplus_status bind_union(struct binder *binder, struct bind_query *query,
                                 const struct ast_cte *ast, struct bind_cte *cte)
{
    const struct ast_select *select = (const struct ast_select *)ast->query;
    // A level of its own, for a WITH that belongs to the UNION.
    struct bind_query level = {.outer = query};
    struct plan *base = NULL;
    struct plan *step = NULL;
    struct plan *both = NULL;
    TRY(bind_with(binder, &level, select->with));
    cte->stage = CTE_BASE;
    TRY(bind_select(binder, &level, (const struct ast_select *)select->left, false, &base));
    TRY(name_columns(binder, ast, cte, base));
    cte->stage = CTE_STEP;
    TRY(bind_select(binder, &level, (const struct ast_select *)select->right, true, &step));
    TRY(bind_set_plan(binder, select, base, step, &both));
    if (cte->self_count == 0) {
        cte->stage = CTE_HIDDEN;
        struct plan *plan = NULL;
        TRY(bind_select(binder, query, select, false, &plan));
        cte->cte->plan = plan;
        return TDBPLUS_OK;
    }
    TRY(check_recursive_form(binder, select));
    TRY(check_types(binder, ast, base, both));
    // bind_set_plan() may have put casts on both sides.
    cte->cte->plan = both->left;
    cte->cte->step = both->right;
    cte->cte->distinct = !select->set_all;
    TRY(bind_own_ctes(binder, &level, &cte->cte->plan));
    return TDBPLUS_OK;
}

static tdbplus_status bind_change(struct binder *binder, struct bind_query *query,
                                  const struct ast *ast, struct plan **plan_out)
{
    switch (ast->kind) {
    case AST_INSERT:
        return bind_insert(binder, query, (const struct ast_insert *)ast, plan_out);
    case AST_UPDATE:
        return bind_update(binder, query, (const struct ast_update *)ast, plan_out);
    case AST_DELETE:
        return bind_delete(binder, query, (const struct ast_delete *)ast, plan_out);
    default:
        return bind_unsupported(binder, ast->position, "this statement in WITH");
    }
}

/* Rows that a WITH query changes are not what the statement's tag counts. */
static void mark_silent(struct plan *plan)
{
    for (; plan != NULL; plan = plan->left) {
        if (plan->kind >= PLAN_INSERT) {
            plan->change.silent = true;
        }
    }
}

static tdbplus_status bind_cte_query(struct binder *binder, struct bind_query *query,
                                     const struct ast_cte *ast, bool recursive,
                                     struct bind_cte *cte)
{
    if (ast->query->kind != AST_SELECT) {
        bool top = query->outer == NULL;
        if (!top) {
            return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", ast->ast.position,
                             "WITH clause containing a data-modifying statement must be at the "
                             "top level");
        }
        cte->stage = recursive ? CTE_FORMLESS : CTE_HIDDEN;
        cte->cte->changes = true;
        TRY(bind_change(binder, query, ast->query, &cte->cte->plan));
        mark_silent(cte->cte->plan);
        return TDBPLUS_OK;
    }
    if (recursive && is_union(ast->query)) {
        return bind_union(binder, query, ast, cte);
    }
    cte->stage = recursive ? CTE_FORMLESS : CTE_HIDDEN;
    return bind_select(binder, query, (const struct ast_select *)ast->query, false,
                       &cte->cte->plan);
}

static tdbplus_status bind_one_cte(struct binder *binder, struct bind_query *query,
                                   const struct ast_cte *ast, bool recursive)
{
    for (const struct bind_cte *cte = query->ctes; cte != NULL; cte = cte->next) {
        if (strcmp(cte->name, ast->name) == 0) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42712", ast->ast.position,
                             "WITH query name \"%s\" specified more than once", ast->name);
        }
    }
    struct bind_cte *cte = arena_array(binder->arena, 1, sizeof *cte);
    struct plan_cte *shared = arena_array(binder->arena, 1, sizeof *shared);
    if (cte == NULL || shared == NULL) {
        return bind_no_memory(binder);
    }
    *cte = (struct bind_cte){.name = ast->name, .cte = shared, .next = query->ctes};
    shared->name = ast->name;
    shared->number = binder->next_cte++;
    shared->materialized = ast->materialized > 0;
    query->ctes = cte;
    uint8_t recursion = binder->recursion;
    binder->recursion = RECURSION_OK;
    TRY(bind_cte_query(binder, query, ast, recursive, cte));
    binder->recursion = recursion;
    cte->stage = CTE_READY;
    return name_columns(binder, ast, cte, shared->plan);
}

tdbplus_status bind_with(struct binder *binder, struct bind_query *query,
                         const struct ast_with *with)
{
    for (uint32_t i = 0; with != NULL && i < with->ctes.count; i++) {
        TRY(bind_one_cte(binder, query, (const struct ast_cte *)with->ctes.items[i],
                         with->recursive));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_own_ctes(struct binder *binder, const struct bind_query *query,
                             struct plan **plan)
{
    uint32_t count = 0;
    for (const struct bind_cte *cte = query->ctes; cte != NULL; cte = cte->next) {
        count++;
    }
    if (count == 0) {
        return TDBPLUS_OK;
    }
    struct plan *with = plan_make(binder->arena, PLAN_WITH, (*plan)->column_count);
    struct plan_cte **ctes = arena_array(binder->arena, count, sizeof(struct plan_cte *));
    if (with == NULL || ctes == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(with->columns, (*plan)->columns, with->column_count * sizeof *with->columns);
    with->ctes = ctes;
    with->cte_count = count;
    // The list has the last one first.
    for (const struct bind_cte *cte = query->ctes; cte != NULL; cte = cte->next) {
        ctes[--count] = cte->cte;
    }
    with->left = *plan;
    *plan = with;
    return TDBPLUS_OK;
}
