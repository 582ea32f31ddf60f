#pragma once

/*
 * bulk rows: rows in memory that are to be sorted by key, copied once and column by column.
 *
 * Threads: one user.
 */

#include "base/arena.h"
#include "base/list.h"
#include "types/column.h"
#include "types/schema.h"

struct bulk_entry {
    uint64_t code;   /* key_code(). */
    struct span key; /* Integer keys: empty, the code says it all. */
    uint32_t row;    /* Chunk and row in it, in order of arrival. */
};

struct bulk_rows {
    const struct schema *schema;
    struct arena arena;  /* Values and keys. */
    struct list chunks;  /* struct column *: the columns of up to 2,048 rows. */
    struct list entries; /* struct bulk_entry. */
};

void bulk_rows_init(struct bulk_rows *rows, const struct schema *schema, const struct alloc *alloc);
void bulk_rows_deinit(struct bulk_rows *rows);
void bulk_rows_clear(struct bulk_rows *rows);
size_t bulk_rows_size(const struct bulk_rows *rows); /* Bytes of memory. */

/* Copies the live rows of a batch of at most 2,048, with their keys (NULL: integer keys) and codes.
 * TDBPLUS_E_NOMEM */
TDBPLUS_CHECKED tdbplus_status bulk_rows_add(struct bulk_rows *rows, const struct batch *batch,
                                             const struct span *keys, const uint64_t *codes,
                                             struct err *err);

/* Sorts by key; rows of equal keys stay in order of arrival. TDBPLUS_E_NOMEM */
TDBPLUS_CHECKED tdbplus_status bulk_rows_sort(struct bulk_rows *rows, struct err *err);

/* After sorting: of rows with equal keys only the newest stays. Returns the position of one of two
 * equal ones, or UINT32_MAX if there were none. */
uint32_t bulk_rows_unify(struct bulk_rows *rows);

/* Fills a batch (reset first) with `count` <= 2,048 of the rows from position `first` on; values
 * borrow from the rows. TDBPLUS_E_NOMEM */
TDBPLUS_CHECKED tdbplus_status bulk_rows_batch(const struct bulk_rows *rows, size_t first,
                                               uint32_t count, struct batch *batch,
                                               struct err *err);
