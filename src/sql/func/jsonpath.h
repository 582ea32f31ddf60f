#pragma once

/*
 * The SQL/JSON path language (PostgreSQL's manual, 9.16.2): texts to trees, and trees applied to
 * documents.
 *
 * Threads: a parsed path is read-only.
 */

#include "base/arena.h"
#include "base/err.h"

#define JSONPATH_DEPTH_MAX 200u

enum jsonpath_kind {
    PATH_ROOT,     /* $ */
    PATH_CURRENT,  /* @ */
    PATH_LAST,     /* last */
    PATH_VARIABLE, /* $name: `text` */
    PATH_NULL,
    PATH_BOOLEAN,   /* `boolean` */
    PATH_NUMBER,    /* `text`: a numeric */
    PATH_STRING,    /* `text` */
    PATH_KEY,       /* left.key: `text` */
    PATH_ANY_KEY,   /* left.* */
    PATH_ANY_DEPTH, /* left.**{from to to} */
    PATH_ITEMS,     /* left[*] */
    PATH_INDEX,     /* left[...]: `parts` is a list of PATH_RANGE by `next` */
    PATH_RANGE,     /* left to right; right NULL: left alone */
    PATH_METHOD,    /* left.method(): `text` */
    PATH_FILTER,    /* left ? (right) */
    PATH_ADD,
    PATH_SUBTRACT,
    PATH_MULTIPLY,
    PATH_DIVIDE,
    PATH_MODULO,
    PATH_PLUS, /* Of one operand. */
    PATH_MINUS,
    PATH_EQUAL, /* Predicates from here on. */
    PATH_NOT_EQUAL,
    PATH_LESS,
    PATH_LESS_EQUAL,
    PATH_GREATER,
    PATH_GREATER_EQUAL,
    PATH_AND,
    PATH_OR,
    PATH_NOT,
    PATH_EXISTS,
    PATH_IS_UNKNOWN,
    PATH_STARTS_WITH,
    PATH_LIKE_REGEX, /* left like_regex `text` flag `flags` */
};

struct jsonpath_node {
    uint8_t kind; /* enum jsonpath_kind. */
    bool boolean;
    struct jsonpath_node *left;
    struct jsonpath_node *right;
    struct jsonpath_node *next;
    struct span text;
    uint32_t flags; /* Of like_regex: enum regex_flag. */
    uint32_t from;  /* Depths; UINT32_MAX is "last". */
    uint32_t to;
};

struct jsonpath {
    bool strict;
    struct jsonpath_node *root;
};

/*
 * Reads a path; nodes and texts lie in the arena.
 *
 *   TDBPLUS_E_SYNTAX  not a path (42601), or 22P02 for a bad literal inside
 *   TDBPLUS_E_LIMIT   nested deeper than JSONPATH_DEPTH_MAX
 *   TDBPLUS_E_NOMEM
 */
TDBPLUS_CHECKED tdbplus_status jsonpath_parse(struct span text, struct arena *arena,
                                              struct jsonpath *path_out, struct err *err);

/* What a path gives: documents, in the arena or in the document it was applied to. */
struct jsonpath_items {
    struct span *items;
    uint32_t count;
    uint32_t capacity;
};

/*
 * Applies a path. `variables` is an object, or empty. Errors of values (TDBPLUS_E_SQL with the
 * SQLSTATEs of SQL/JSON) may be swallowed by a caller who was told to be silent; others may not.
 */
TDBPLUS_CHECKED tdbplus_status jsonpath_apply(const struct jsonpath *path, struct span document,
                                              struct span variables, struct arena *arena,
                                              struct jsonpath_items *items_out, struct err *err);
