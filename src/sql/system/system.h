#pragma once

/*
 * system: pg_catalog and information_schema. A relation is either a table whose rows a function
 * makes of the catalog as a transaction sees it, or a view over those, written in SQL.
 *
 * Threads: everything may be called at once with different transactions.
 */

#include "sql/func/func.h"
#include "sql/plan/plan.h"

/* ---- relations ---- */

/* A table of pg_catalog, or NULL; `schema` NULL stands for pg_catalog. */
const struct plan_system *system_find_table(const char *schema, const char *name);

/* The query of a view; NULL: there is no such view. */
const char *system_find_view(const char *schema, const char *name);

/* A table's columns: their number, and name and type of each. The name is not ended by a zero. */
uint32_t system_column_count(const struct plan_system *table);
struct type system_column(const struct plan_system *table, uint32_t number, struct span *name_out);

/* What a table's rows are made into. */
struct system_rows {
    const struct plan_system *table;
    struct txn *txn;
    const struct func_session *session; /* May be NULL. */
    const char *user;
    const char *database;
    struct arena *arena;
    struct err *err;
    struct datum *cells; /* Row after row. */
    uint32_t row_count;
    uint32_t row_capacity;
    uint32_t column_count;
    uint32_t hint; /* The column set last, plus one. */
    bool failed;
};

TDBPLUS_CHECKED tdbplus_status system_fill(struct system_rows *rows);

/* ---- functions ---- */

/* Who asks: names are looked for along the session's path. */
struct system_place {
    struct txn *txn;
    const struct func_session *session; /* NULL: the default path. */
};

/* Answers a function about the catalog; errors as PostgreSQL's. */
TDBPLUS_CHECKED tdbplus_status system_call(const struct system_place *place, const char *name,
                                           const struct datum *arguments, uint32_t count,
                                           struct func_answer *answer, struct err *err);

/* What regclass and its kin print and read (struct text_style). */
bool system_reg_print(const struct system_place *place, uint8_t type, int64_t oid,
                      struct buffer *text);
TDBPLUS_CHECKED tdbplus_status system_reg_parse(const struct system_place *place, uint8_t type,
                                                struct span text, int64_t *oid_out,
                                                struct err *err);
