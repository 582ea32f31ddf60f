#ifndef TDBPLUS_ARROW_H
#define TDBPLUS_ARROW_H

/*
 * Rows to and from Apache Arrow, by its C stream interface: no file, no socket, and no library of
 * Arrow's is needed. Programs that include Arrow's own headers first keep those structs.
 *
 * A stream made here belongs to whoever holds it: call its release() once, before the transaction
 * that it reads from ends and before the database is closed. It has one user at a time.
 */

#include "tdbplus/arrow_c.h"
#include "tdbplus/tdbplus.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The rows that tdbplus_scan_open() with these options would give, as batches. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_scan_arrow(tdbplus_collection *collection,
                                                              tdbplus_txn *txn,
                                                              const tdbplus_scan_options *options,
                                                              struct ArrowArrayStream *out,
                                                              tdbplus_call *call);

/*
 * Upserts every row of a stream, all or none; many of them become a load (tdbplus.h). Its fields
 * are matched with the columns by name, in any order; a column without a field gets nulls. Values
 * are converted as tdbplus_upsert() does. The stream is read to its end but not released. *rows_out
 * (may be NULL): how many rows.
 *
 *   TDBPLUS_E_NOT_FOUND    a field that is no column
 *   TDBPLUS_E_INVALID      the producer failed, or broke the rules of the interface
 *   TDBPLUS_E_UNSUPPORTED  a field of a type that has no place here, by name
 *   TDBPLUS_E_CONFLICT     columns changed meanwhile; a stream cannot be read twice
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_append_arrow(tdbplus_collection *collection,
                                                                tdbplus_txn *txn,
                                                                struct ArrowArrayStream *in,
                                                                uint64_t *rows_out,
                                                                tdbplus_call *call);

/* The same with the options of a load, which may be NULL. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status
tdbplus_load_arrow(tdbplus_collection *collection, tdbplus_txn *txn, struct ArrowArrayStream *in,
                   const tdbplus_load_options *options, uint64_t *rows_out, tdbplus_call *call);

/*
 * The rows of a file in Arrow's IPC format (a file or a stream, plain or compressed), without a
 * library of Arrow's: hand the stream to tdbplus_append_arrow(), or read the arrays. The file is
 * read at once. Always blocks.
 *
 *   TDBPLUS_E_NOT_FOUND    there is no such file
 *   TDBPLUS_E_CORRUPT      it is not Arrow, or damaged; the stream says so of later batches
 *   TDBPLUS_E_UNSUPPORTED  a field of a type that has no place here, by name
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_arrow_file(const char *path,
                                                              struct ArrowArrayStream *out,
                                                              tdbplus_call *call);

/* The rows of a result that were not read yet. On success the stream owns the result: do not close
 * it. TDBPLUS_E_INVALID when the statement gives no rows. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_result_arrow(tdbplus_result *result,
                                                                struct ArrowArrayStream *out,
                                                                tdbplus_call *call);

#ifdef __cplusplus
}
#endif

#endif
