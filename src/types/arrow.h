#pragma once

/*
 * Batches to and from Apache Arrow's C data interface (Arrow columnar format 1.4).
 *
 * Going out, everything is copied, selected rows only, into memory of its own that the consumer
 * releases. Coming in, a batch keeps the producer's array until it is reset; columns whose layout
 * is ours are not copied.
 *
 *   bool b | int2 s | int4 i | int8 l | float4 f | float8 g | numeric(p <= 38) d:p,s | longer
 *   numerics u | text u | bytea z | date tdD | time ttu | timestamp tsu: |
 *   timestamptz tsu:UTC | interval tin | uuid w:16 as arrow.uuid | json u as arrow.json |
 *   one-dimensional array +l | vector +w:n of f | enum i with a dictionary of labels
 *
 * Besides these come in: n, c, C, S, I, L, e, U, Z, other units of times, tdm, tD*, tiM, tiD, vu,
 * vz, +L, w:n as bytea, dictionaries of all of them. Structs, unions, maps, run-end encoding and
 * decimals of other widths are TDBPLUS_E_UNSUPPORTED.
 *
 * Threads: as the C data interface says: one owner at a time, release from any thread.
 */

#include "base/err.h"
#include "tdbplus/arrow_c.h"
#include "types/column.h"
#include "types/text.h"

#define ARROW_FIELD_COUNT_MAX 1600u
#define ARROW_ROW_COUNT_MAX   (1u << 30)

/* One column as the outside knows it. */
struct arrow_column {
    const char *name;
    struct type type;
    bool not_null;
};

/* ---- out ---- */

/*
 * Describes columns as a struct of fields. `style` gives the labels of enums (NULL: plain
 * integers). The consumer calls release; memory comes from `alloc`, which must outlive that.
 */
TDBPLUS_CHECKED tdbplus_status arrow_export_schema(const struct arrow_column *columns,
                                                   uint32_t column_count,
                                                   const struct text_style *style,
                                                   const struct alloc *alloc,
                                                   struct ArrowSchema *schema_out, struct err *err);

/*
 * Copies the live rows of a batch. Its columns must have the types of the schema, and `style` must
 * be the same.
 *
 *   TDBPLUS_E_RANGE        an interval too long for nanoseconds
 *   TDBPLUS_E_UNSUPPORTED  an array of several dimensions
 *   TDBPLUS_E_LIMIT        more than 2 GiB of bytes in a column
 *   TDBPLUS_E_NOMEM        memory is out
 */
TDBPLUS_CHECKED tdbplus_status arrow_export_batch(const struct batch *batch,
                                                  const struct text_style *style,
                                                  const struct alloc *alloc,
                                                  struct ArrowArray *array_out, struct err *err);

/* Where a stream gets its batches. */
struct arrow_source {
    /* Fills the batch (reset before): TDBPLUS_OK, TDBPLUS_END, or a failure. */
    tdbplus_status (*next)(void *ctx, struct batch *batch, struct err *err);
    void (*close)(void *ctx); /* Called once, by the stream's release. */
    void *ctx;
};

/* A stream over a source, which it owns from now on (not on failure). `columns` is copied; `style`
 * must live as long as the stream. */
TDBPLUS_CHECKED tdbplus_status arrow_export_stream(
    const struct arrow_column *columns, uint32_t column_count, const struct text_style *style,
    const struct arrow_source *source, const struct alloc *alloc,
    struct ArrowArrayStream *stream_out, struct err *err);

/* ---- in ---- */

/*
 * How columns of a struct schema come in. Names and the array are in the arena.
 *
 *   TDBPLUS_E_INVALID      no struct, or nonsense
 *   TDBPLUS_E_UNSUPPORTED  a field of a type that has no place here, by name
 */
TDBPLUS_CHECKED tdbplus_status arrow_import_schema(const struct ArrowSchema *schema,
                                                   struct arena *arena,
                                                   struct arrow_column **columns_out,
                                                   uint32_t *column_count_out, struct err *err);

/*
 * Makes the batch's columns of an array that follows the schema. On success the batch owns the
 * array (its `release` becomes NULL) until it is reset; on failure the caller keeps it.
 *
 *   TDBPLUS_E_INVALID      counts, offsets or values that cannot be
 *   TDBPLUS_E_RANGE        a value that its type here cannot hold
 *   TDBPLUS_E_UNSUPPORTED  as above
 *   TDBPLUS_E_NOMEM        memory is out
 */
TDBPLUS_CHECKED tdbplus_status arrow_import_batch(const struct ArrowSchema *schema,
                                                  struct ArrowArray *array, struct batch *batch,
                                                  struct err *err);
