#pragma once

/* Syntax trees of statements about roles and privileges. */

#include "sql/parse/ast.h"

enum ast_role_kind {
    AST_ROLE_NAMED = 0,
    AST_ROLE_CURRENT, /* CURRENT_ROLE, CURRENT_USER. */
    AST_ROLE_SESSION, /* SESSION_USER. */
    AST_ROLE_PUBLIC,
};

/* Who is meant. */
struct ast_role {
    struct ast ast;
    uint8_t role_kind; /* enum ast_role_kind. */
    const char *name;  /* AST_ROLE_NAMED. */
};

enum ast_role_word { AST_WORD_ROLE = 0, AST_WORD_USER, AST_WORD_GROUP };

/* CREATE ROLE, ALTER ROLE. */
struct ast_create_role {
    struct ast ast;
    bool alter;
    uint8_t word;            /* enum ast_role_word: CREATE USER may log in. */
    struct ast_role *role;   /* A new one: AST_ROLE_NAMED. */
    struct ast_list options; /* AST_OPTION. */
    int8_t members;          /* ALTER GROUP: 1 adds the option's members, -1 takes them away. */
};

struct ast_drop_role {
    struct ast ast;
    struct ast_list roles; /* AST_ROLE. */
    bool missing_ok;
};

/* GRANT role TO role. */
struct ast_grant_role {
    struct ast ast;
    bool grant;
    bool admin;              /* WITH ADMIN OPTION; ADMIN OPTION FOR. */
    struct ast_list groups;  /* AST_PRIVILEGE: names of roles. */
    struct ast_list members; /* AST_ROLE. */
};

/* A privilege and the columns it is for; or a role's name. */
struct ast_privilege {
    struct ast ast;
    const char *name; /* NULL: all of them. */
    struct ast_names columns;
};

struct ast_grant {
    struct ast ast;
    bool grant;
    bool option; /* WITH GRANT OPTION; GRANT OPTION FOR. */
    bool cascade;
    bool all_in_schema;         /* `objects` are schemas. */
    uint8_t object_kind;        /* enum ast_object_kind. */
    struct ast_list objects;    /* AST_TABLE_REF; of schemas and databases only the name. */
    struct ast_list privileges; /* AST_PRIVILEGE; none: all of them. */
    struct ast_list grantees;   /* AST_ROLE. */
};

/* ALTER ... OWNER TO. */
struct ast_owner {
    struct ast ast;
    uint8_t object_kind;
    struct ast_table_ref *object;
    struct ast_role *owner;
    bool missing_ok;
};

/* REASSIGN OWNED, DROP OWNED. */
struct ast_owned {
    struct ast ast;
    struct ast_list roles;
    struct ast_role *owner; /* NULL: DROP. */
    bool cascade;
};
