#pragma once

/* Statements about roles, owners and privileges: they need no plan. */

#include "sql/bind/access.h"
#include "sql/bind/bind.h"
#include "sql/exec/exec_internal.h"
#include "sql/parse/ast.h"

/* Runs the statement; errors as PostgreSQL's. */
TDBPLUS_CHECKED tdbplus_status role_statement(const struct ast *ast, struct exec *exec);

/* ---- for its files ---- */

struct role_job {
    struct exec *exec;
    struct txn *txn;
    struct err *err;
    struct access_asker asker;
    bool superuser; /* Whoever asks is one. */
};

TDBPLUS_CHECKED tdbplus_status role_denied(struct role_job *job, const char *message);

/* exec_grant.c */
struct ast_grant;
struct ast_owner;
struct ast_owned;
TDBPLUS_CHECKED tdbplus_status grant_privileges(struct role_job *job, const struct ast_grant *ast);

/* exec_owner.c */
TDBPLUS_CHECKED tdbplus_status owner_change(struct role_job *job, const struct ast_owner *ast);
TDBPLUS_CHECKED tdbplus_status owner_reassign(struct role_job *job, const struct ast_owned *ast);
TDBPLUS_CHECKED tdbplus_status owner_drop(struct role_job *job, const struct ast_owned *ast);

/* "table t", "schema s" as PostgreSQL names an object in details. */
void owner_describe(struct txn *txn, struct acl_target target, char text[300]);
