#pragma once

/* Syntax trees of statements about a session: cursors, notices between sessions, maintenance. */

#include "sql/parse/ast.h"

enum ast_cursor_scroll { AST_SCROLL_UNSAID = 0, AST_SCROLL, AST_NO_SCROLL };

struct ast_declare_cursor {
    struct ast ast;
    const char *name;
    struct ast *query;
    uint8_t scroll; /* enum ast_cursor_scroll. */
    bool binary;
    bool insensitive;
    bool hold;
};

enum ast_fetch_direction {
    AST_FETCH_FORWARD = 0,
    AST_FETCH_BACKWARD,
    AST_FETCH_ABSOLUTE,
    AST_FETCH_RELATIVE
};

#define AST_FETCH_ALL INT64_MAX

struct ast_fetch {
    struct ast ast;
    const char *name;
    uint8_t direction; /* enum ast_fetch_direction. */
    int64_t count;     /* Rows, or the place of the one row. */
    bool move;
};

struct ast_close_cursor {
    struct ast ast;
    const char *name; /* NULL: all. */
};

enum ast_discard_kind {
    AST_DISCARD_ALL = 0,
    AST_DISCARD_PLANS,
    AST_DISCARD_SEQUENCES,
    AST_DISCARD_TEMP
};

struct ast_discard {
    struct ast ast;
    uint8_t discard_kind;
};

struct ast_listen {
    struct ast ast;
    const char *channel; /* UNLISTEN *: NULL. */
    bool stop;           /* UNLISTEN. */
};

struct ast_notify {
    struct ast ast;
    const char *channel;
    const char *payload; /* May be NULL. */
};

struct ast_lock_table {
    struct ast ast;
    struct ast_list tables; /* AST_TABLE_REF. */
    uint8_t mode;           /* PostgreSQL's numbers: 1 ACCESS SHARE ... 8 ACCESS EXCLUSIVE. */
    bool nowait;
};

struct ast_create_extension {
    struct ast ast;
    const char *name;
    bool if_not_exists;
};

enum ast_maintain_kind {
    AST_MAINTAIN_VACUUM = 0,
    AST_MAINTAIN_ANALYZE,
    AST_MAINTAIN_CHECKPOINT,
    AST_MAINTAIN_REINDEX,
    AST_MAINTAIN_CLUSTER
};

struct ast_maintain {
    struct ast ast;
    uint8_t maintain_kind;
    struct ast_list options; /* AST_OPTION. */
    struct ast_list tables;  /* AST_TABLE_REF; none: all. */
    bool index;              /* REINDEX INDEX: `tables` names one. */
};
