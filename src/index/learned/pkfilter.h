#pragma once

/*
 * pkfilter: a set of 64-bit hashes that may answer "perhaps" for a hash it does not hold, and never
 * "no" for one that it does.
 *
 * Threads: an open filter is read-only.
 */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/err.h"
#include "index/learned/pkindex.h"

/* Keys of one shard: bounds the memory of building (K6). */
#define PKFILTER_SHARD_KEY_COUNT ((uint64_t)1 << 20)

struct pkfilter_shard;

/* Borrows its bytes. Zeroed: every hash may be contained. */
struct pkfilter {
    enum pkfilter_kind kind;
    uint32_t shard_count;
    uint64_t block_count;
    const struct pkfilter_shard *shards;
    const uint8_t *data;
    size_t size;
};

/*
 * Appends a filter over `hashes` to `bytes`. The array is reordered; equal hashes count once.
 *
 *   TDBPLUS_E_NOMEM  memory is out
 */
TDBPLUS_CHECKED tdbplus_status pkfilter_build(enum pkfilter_kind kind, uint64_t *hashes,
                                              size_t count, const struct alloc *alloc,
                                              struct buffer *bytes, struct err *err);

/*
 * Reads a filter that stays in `bytes`, which begin at a multiple of 8.
 *
 *   TDBPLUS_E_CORRUPT  the bytes are no filter
 */
TDBPLUS_CHECKED tdbplus_status pkfilter_open(struct span bytes, struct pkfilter *filter_out,
                                             struct err *err);

/* Asks the memory for what pkfilter_may_contain() reads; nothing where that is several lines. */
void pkfilter_prefetch(const struct pkfilter *filter, uint64_t hash);
bool pkfilter_may_contain(const struct pkfilter *filter, uint64_t hash);
void pkfilter_may_contain_batch(const struct pkfilter *filter, const uint64_t *hashes, size_t count,
                                uint64_t *bitmap_out);
