#ifndef TDBPLUS_ARROW_H
#define TDBPLUS_ARROW_H

/*
 * Rows to and from Apache Arrow, by its C stream interface: no file, no socket, and no library of
 * Arrow's is needed. Programs that include Arrow's own headers first keep those structs.
 *
 * A stream made here belongs to whoever holds it: call its release() once, before the transaction
 * that it reads from ends and before the database is closed. It has one user at a time.
 */

#include "tdbplus/tdbplus.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

/* The rows that tdbplus_scan_open() with these options would give, as batches. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_scan_arrow(tdbplus_collection *collection,
                                                              tdbplus_txn *txn,
                                                              const tdbplus_scan_options *options,
                                                              struct ArrowArrayStream *out,
                                                              tdbplus_call *call);

/*
 * Upserts every row of a stream, all or none. Its fields are matched with the columns by name, in
 * any order; a column without a field gets nulls. Values are converted as tdbplus_upsert() does.
 * The stream is read to its end but not released. *rows_out (may be NULL): how many rows.
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

/* The rows of a result that were not read yet. On success the stream owns the result: do not close
 * it. TDBPLUS_E_INVALID when the statement gives no rows. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_result_arrow(tdbplus_result *result,
                                                                struct ArrowArrayStream *out,
                                                                tdbplus_call *call);

#ifdef __cplusplus
}
#endif

#endif
