#pragma once

/*
 * Bound expressions: every name is resolved, every type known, every implicit cast a call.
 *
 * A column is known by an id that is unique in its statement, so plans can be moved about without
 * renumbering. Expressions live in the statement's arena and are not changed once shared; the
 * optimiser replaces nodes through pointers to them.
 */

#include "base/arena.h"
#include "sql/func/func.h"

struct plan;

enum expr_kind {
    EXPR_CONSTANT = 1,
    EXPR_COLUMN,    /* Of the input, by id; of an outer query if the input has no such id. */
    EXPR_SLOT,      /* Of the input, by position: in compiled expressions only. */
    EXPR_OUTER,     /* Of an outer row, by id: in compiled expressions only. */
    EXPR_PARAMETER, /* $n, `number` from 0. */
    EXPR_CALL,
    EXPR_AND, /* Any number of arguments. */
    EXPR_OR,
    EXPR_CASE, /* when, then, when, then, ..., else. */
    EXPR_COALESCE,
    EXPR_LEAST,
    EXPR_GREATEST,
    EXPR_NULLIF,    /* `func` is the equality. */
    EXPR_IS_NULL,   /* `negated`: IS NOT NULL. */
    EXPR_TRUTH,     /* `number` is an enum ast_truth_kind. */
    EXPR_DISTINCT,  /* `func` is the equality; `negated`: IS NOT DISTINCT FROM. */
    EXPR_ANY_OF,    /* The first equals any of the others, three-valued; `func` is the equality. */
    EXPR_SUBQUERY,  /* See struct expr_subquery. */
    EXPR_ARRAY_ANY, /* The first compared with each item of the second by `func`; `negated`: ALL. */
    EXPR_DOMAIN,    /* The argument, if it is a value of `domain`; `negated`: only whether, true. */
};

enum expr_subquery_kind { EXPR_EXISTS = 0, EXPR_SCALAR, EXPR_ANY, EXPR_ALL };

/* ANY and ALL compare `arguments[0]` with the query's only column by `func`. */
struct expr_subquery {
    uint8_t kind;
    struct plan *plan;
    uint32_t *outer_ids; /* Columns of the outer row that the plan reads; none: run once. */
    uint32_t outer_count;
    struct type value_type; /* What the query's column is cast to before comparing. */
    void *state;            /* Of the executor, in compiled expressions. */
};

/* What a value must fulfil. Checks are over the value alone, a column of that id. */
struct expr_domain {
    uint64_t oid;
    const char *name;
    bool not_null;
    uint32_t value_id;
    struct expr **checks;
    const char **check_names;
    uint32_t check_count;
};

struct expr {
    uint8_t kind; /* enum expr_kind. */
    bool negated;
    bool path; /* A member of a document that is no declared column (sql/bind/document.h). */
    struct type type;
    uint32_t position; /* In the text, as ast.h; 0: none. */
    uint32_t number;   /* Column's id or slot, parameter, truth kind. */
    const struct func *func;
    struct expr **arguments;
    uint32_t argument_count;
    struct datum constant;
    struct expr_subquery *subquery;
    struct expr_domain *domain;
    void *compiled; /* Of the executor, in compiled expressions: a faster form of this node. */
};

/* Nodes; NULL when memory is out. `arguments` are taken as they are. */
struct expr *expr_make(struct arena *arena, enum expr_kind kind, struct type type,
                       uint32_t argument_count);
struct expr *expr_constant(struct arena *arena, const struct datum *value);
struct expr *expr_column(struct arena *arena, uint32_t id, struct type type);
struct expr *expr_call(struct arena *arena, const struct func *func, struct type type,
                       uint32_t argument_count);

/* True when both are the same tree: the same columns, constants and functions. */
bool expr_equal(const struct expr *left, const struct expr *right);

/* Calls `visit` for every node, parents first, not into subqueries' plans; stops and returns false
 * when it does. */
bool expr_walk(struct expr **expr, bool (*visit)(void *ctx, struct expr **node), void *ctx);

/* True when a node of that kind is inside. */
bool expr_contains(const struct expr *expr, enum expr_kind kind);

/* True when two calls may differ: the expression has a volatile function inside. */
bool expr_volatile(const struct expr *expr);

/* True when the value is the same for the whole statement and no row is needed. */
bool expr_is_row_free(const struct expr *expr);
