#pragma once

/*
 * plan cache: what a session has parsed, bound and planned before, by the statement's text and the
 * types of its parameters. A plan is used again while the catalog's entries that it was made from
 * are as they were; one run at a time, so a statement that is run again while its rows are being
 * read is planned anew.
 *
 * Only plans that no statistics went into are kept: those without joins.
 *
 * Threads: as the session; a plan in use may outlive it.
 */

#include <stdatomic.h>

#include "sql/exec/point.h"
#include "sql/exec/statement.h"
#include "tdbplus/tdbplus.h"

#define PLAN_CACHE_COUNT    64u
#define PLAN_TEXT_SIZE_MAX  ((size_t)16 << 10)
#define PLAN_PARAMETERS_MAX 64u

/*
 * Values of $1, $2, ...: as a caller of the C API gave them, where a text is an untyped literal; or
 * as datums, whose types are the parameters' types, also where they are null.
 */
struct parameter_list {
    const tdbplus_value *values;
    const struct datum *datums; /* If set, instead of `values`. */
    uint32_t count;
    const struct text_style *style; /* How texts are read; NULL: defaults. */
};

struct plan_entry {
    _Atomic uint32_t refs;
    const struct alloc *alloc;
    uint64_t hash;
    uint64_t used; /* When, in uses of the cache. */
    _Atomic bool busy;
    struct sql_script *script;
    struct sql_prepared *prepared;
    struct point point;    /* If the statement is of one row, */
    tdbplus_result *spare; /* and a closed result of it, to be used again. */
    size_t text_size;
    uint32_t parameter_count;
    uint32_t kinds[PLAN_PARAMETERS_MAX]; /* What was known of the parameters' types. */
    char text[];
};

struct plan_cache {
    struct plan_entry *entries[PLAN_CACHE_COUNT];
    uint64_t uses;
};

void plan_cache_deinit(struct plan_cache *cache);

/* What kind of statement (enum sql_kind) a plan that is there is of; 0: there is none. */
uint8_t plan_cache_kind(const struct plan_cache *cache, struct span text,
                        const struct parameter_list *parameters);

/* A plan for the statement, marked as in use: end with plan_release(). NULL when there is none, or
 * it is in use or no longer valid. */
struct plan_entry *plan_cache_find(struct plan_cache *cache, struct span text,
                                   const struct parameter_list *parameters, struct txn *txn);

/*
 * Keeps what was prepared and gives it back as an entry in use, which owns both then; NULL when it
 * is not worth keeping, or memory is out.
 */
struct plan_entry *plan_cache_add(struct plan_cache *cache, struct span text,
                                  const struct parameter_list *parameters,
                                  struct sql_script *script, struct sql_prepared *prepared,
                                  const struct alloc *alloc);

/* An entry of no cache that owns both, in use; NULL: memory is out, and they are the caller's. */
struct plan_entry *plan_entry_make(struct sql_script *script, struct sql_prepared *prepared,
                                   const struct alloc *alloc);

/* Holds on to an entry, and lets go of it. NULL is fine for the latter. */
struct plan_entry *plan_entry_share(struct plan_entry *entry);
void plan_entry_release(struct plan_entry *entry);

/* The newest use of the statement without asking whether it is valid, not marked; NULL as above. */
struct plan_entry *plan_cache_peek(const struct plan_cache *cache, struct span text,
                                   const struct parameter_list *parameters);

/* Marks it as in use. */
void plan_use(struct plan_cache *cache, struct plan_entry *entry);

/* The run has ended. */
void plan_release(struct plan_entry *entry);
