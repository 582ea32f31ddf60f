#pragma once

/*
 * expired: rows that a snapshot sees, were it not that their time is over (struct schema, `ttl_`).
 * Scans drop them by a look at the column, reads of single rows by these functions.
 *
 * Threads: none of their own.
 */

#include "txn/txn_internal.h"

/* Clears `place->found` if the row has expired at that snapshot. [waits] */
TDBPLUS_CHECKED tdbplus_status expiry_check(struct version *version, const struct schema *schema,
                                            uint64_t timestamp, struct row_place *place,
                                            const struct alloc *alloc, struct err *err);

/* The same for many places of a version. [waits] */
TDBPLUS_CHECKED tdbplus_status expiry_check_all(struct version *version,
                                                const struct schema *schema, uint64_t timestamp,
                                                struct row_place *places, uint32_t count,
                                                const struct alloc *alloc, struct err *err);

/* True when a row of these values, all columns of the schema, has expired. */
bool expiry_of_row(const struct schema *schema, uint64_t timestamp, const struct datum *values);

/* The same of an encoded row. `scratch` is a transaction's. TDBPLUS_E_NOMEM */
TDBPLUS_CHECKED tdbplus_status expiry_of_change(const struct schema *schema, uint64_t timestamp,
                                                const struct change *change,
                                                const struct alloc *alloc, bool *expired_out,
                                                struct err *err);
