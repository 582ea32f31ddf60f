#pragma once

/*
 * Inside of the grammar's container: copying PostgreSQL's raw parse tree into our own, without
 * recursion. Only files named pg_*.c may include this.
 *
 * A copy function makes one node, copies its plain fields and asks with want() for its children,
 * which a stack remembers; pg_copy_run() works the stack off. No function of PostgreSQL that could
 * raise an error is called: lists are read in place.
 */

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "sql/parse/ast.h"

#include <postgres.h>

#include <nodes/parsenodes.h>
#include <nodes/pg_list.h>

struct friendly;

struct copier {
    struct arena *arena;
    const struct friendly *friendly;
    struct list stack; /* Of struct copy_item. */
    uint32_t node_count;
    uint32_t depth; /* Of the node being copied. */
    tdbplus_status status;
    const char *unsupported; /* Names what stopped the copy with TDBPLUS_E_UNSUPPORTED. */
    uint32_t unsupported_position;
};

struct copy_item {
    const Node *source;
    struct ast **slot;
    uint32_t depth;
};

/* Makes a zeroed node; NULL (with `status` set) when memory or the node count is used up. */
void *copy_make(struct copier *copier, size_t size, enum ast_kind kind, int location);

#define COPY_MAKE(type, kind, location)                                             \
    struct type *node = copy_make(copier, sizeof(struct type), (kind), (location)); \
    if (node == NULL) {                                                             \
        return NULL;                                                                \
    }

/* Asks for a child; NULL sources leave the slot NULL. */
void copy_want(struct copier *copier, const void *source, struct ast **slot);
void copy_want_list(struct copier *copier, const List *source, struct ast_list *list);

/* A list of String nodes. */
void copy_names(struct copier *copier, const List *source, struct ast_names *names);
const char *copy_text(struct copier *copier, const char *text);

/* Says that the copy cannot go on. */
void copy_unsupported(struct copier *copier, const char *name, int location);

struct ast *copy_expression(struct copier *copier, const Node *source);
struct ast *copy_part(struct copier *copier, const Node *source);
struct ast *copy_statement(struct copier *copier, const Node *source);
/* Statements that define something other than tables and indexes; NULL: it is none. */
struct ast *copy_definition(struct copier *copier, const Node *source);
uint8_t copy_object_kind(ObjectType type);
/* An object's name, given as a list of String, one String or a type. */
struct ast_table_ref *copy_qualified(struct copier *copier, const Node *source);

/* Statements of ast_session.h; false: it is another one. */
bool copy_about_session(struct copier *copier, const Node *source, struct ast **node_out);

/* Statements and parts of ast_role.h; false: it is another one. */
bool copy_about_roles(struct copier *copier, const Node *source, struct ast **node_out);
struct ast_role *copy_role(struct copier *copier, const RoleSpec *source);
struct ast *copy_table_owner(struct copier *copier, const AlterTableStmt *source);

struct ast_table_ref *copy_table_ref(struct copier *copier, const RangeVar *source);
struct ast_alias *copy_alias(struct copier *copier, const Alias *source);
struct ast_with *copy_with(struct copier *copier, const WithClause *source);

/* Copies one tree with everything below. */
void copy_run(struct copier *copier, const Node *source, struct ast **root);
