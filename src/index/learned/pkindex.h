#pragma once

/*
 * pkindex: the primary index of one immutable sorted segment.
 *
 * It answers two questions about a key without touching the rows: can the segment hold it at all
 * (a membership filter), and at which positions must it lie (a model of the sorted keys that names
 * a small window). The caller compares the keys inside the window.
 *
 * A key is given as two numbers:
 *   code  an image of the key that keeps the order: the key itself where it is integer-like, else
 *         eight bytes of the normalised key, big-endian, from an offset that suits the segment.
 *         Different keys may share a code.
 *   hash  64 well-mixed bits of the whole normalised key (hash_bytes(), or hash_u64() of an
 *         integer): the filter takes its bits as they are. Versions of one key share it.
 *
 * Positions count the rows of the segment in key order from 0. Invariants K1-K6 are in README.md.
 *
 * Threads: a builder belongs to one thread. An open index is read-only; any number of threads may
 * use it at once.
 */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/err.h"

#define PKINDEX_ROW_COUNT_MAX ((uint64_t)1 << 40)

/* Numbers reach disk. */
enum pkfilter_kind {
    PKFILTER_NONE = 0, /* Every key may be contained. */

    /* Binary fuse, 8-bit fingerprints: 9 bits a key, 0.39 % false hits, three lines a probe. */
    PKFILTER_FUSE = 1,

    /* Blocked Bloom: 12 bits a key, 0.54 % false hits, one cache line a probe. */
    PKFILTER_BLOCK = 2,
};

struct pkindex_options {
    enum pkfilter_kind filter;
};

struct pkindex_builder;
struct pkindex;

/* Positions [first, end). */
struct pkrange {
    uint64_t first;
    uint64_t end;
};

/*
 * Starts an index. Memory comes from `alloc`: about 1 MiB and 8 to 16 bytes a key while keys are
 * added, and for a fuse filter 25 bytes for each of at most a million keys more during finish().
 * `options` may be NULL for the defaults: a block filter. Release with pkindex_builder_destroy().
 *
 *   TDBPLUS_E_NOMEM  `alloc` is out of budget
 */
TDBPLUS_CHECKED tdbplus_status pkindex_builder_create(const struct alloc *alloc,
                                                      const struct pkindex_options *options,
                                                      struct pkindex_builder **builder_out,
                                                      struct err *err);

/*
 * Adds the next `count` rows, in key order: codes never descend, over all calls together. After a
 * failure only destroy() may follow.
 *
 *   TDBPLUS_E_INVALID  a code is below the one before it
 *   TDBPLUS_E_LIMIT    more than PKINDEX_ROW_COUNT_MAX rows
 *   TDBPLUS_E_NOMEM    `alloc` is out of budget
 */
TDBPLUS_CHECKED tdbplus_status pkindex_builder_add(struct pkindex_builder *builder,
                                                   const uint64_t *codes, const uint64_t *hashes,
                                                   size_t count, struct err *err);

/*
 * Appends the serialised index to `bytes`; only destroy() may follow. The same rows give the same
 * bytes on every machine. On failure the size of `bytes` is what it was.
 *
 *   TDBPLUS_E_NOMEM  memory is out, of the builder or of `bytes`
 */
TDBPLUS_CHECKED tdbplus_status pkindex_builder_finish(struct pkindex_builder *builder,
                                                      struct buffer *bytes, struct err *err);

/* NULL is fine. */
void pkindex_builder_destroy(struct pkindex_builder *builder);

/*
 * Opens what pkindex_builder_finish() made. The bytes are copied; the caller has checked their
 * checksum. Whatever they hold, no later call reads outside the index or returns positions past
 * its rows (K5). Release with pkindex_close().
 *
 *   TDBPLUS_E_CORRUPT  the bytes are no index
 *   TDBPLUS_E_VERSION  written by a newer release
 *   TDBPLUS_E_NOMEM    `alloc` is out of budget
 */
TDBPLUS_CHECKED tdbplus_status pkindex_open(struct span serialised, const struct alloc *alloc,
                                            struct pkindex **index_out, struct err *err);

/* NULL is fine. */
void pkindex_close(struct pkindex *index);

/* False only when no row has that hash (K1). */
bool pkindex_may_contain(const struct pkindex *index, uint64_t hash);

/* Asks the memory for what pkindex_may_contain() reads. */
void pkindex_prefetch(const struct pkindex *index, uint64_t hash);

/* Sets bit i of `bitmap_out` (bit i % 64 of word i / 64, `count` bits, the rest of the last word
 * zero) when the segment may hold hashes[i]. Overlaps the memory accesses of many probes. */
void pkindex_may_contain_batch(const struct pkindex *index, const uint64_t *hashes, size_t count,
                               uint64_t *bitmap_out);

/*
 * Where rows with that code lie: every such row is inside [first, end), and when there is none, the
 * position of the first row with a greater code is inside [first, end] (K2). first <= end <= rows.
 */
struct pkrange pkindex_find(const struct pkindex *index, uint64_t code);

/* pkindex_find() for each code, with overlapped memory accesses. Ascending codes are fastest. */
void pkindex_find_batch(const struct pkindex *index, const uint64_t *codes, size_t count,
                        struct pkrange *ranges_out);

/*
 * For callers who hold all codes, ascending, in memory: the lower bound of each wanted code, that
 * is how many of `keys` are below it. `keys` must be the array that the index was built from.
 */
void pkindex_locate_batch(const struct pkindex *index, const uint64_t *keys, const uint64_t *codes,
                          size_t count, uint64_t *positions_out);
uint64_t pkindex_locate(const struct pkindex *index, const uint64_t *keys, uint64_t code);

uint64_t pkindex_row_count(const struct pkindex *index);

/* Memory held, filter included, and that of the filter alone. */
size_t pkindex_size_bytes(const struct pkindex *index);
size_t pkindex_filter_size_bytes(const struct pkindex *index);
