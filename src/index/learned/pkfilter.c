#include "index/learned/pkfilter.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "learn/grid.h"
#include "simd/simd.h"

/* Probes of one batch whose memory accesses overlap. */
#define BATCH 64u

/* The first cache can wait for too few lines at a time; see fetch() in pkindex.c. */
#define FETCH_SECOND_CACHE 2

/* A seed fails with a probability of a few percent for tiny sets and far less for large ones, so
 * that running out of attempts means equal hashes, not bad luck. */
#define ATTEMPT_COUNT_MAX 100u

/* Keys are sorted by their highest bits before they are entered. */
#define SORT_BUCKETS ((size_t)256)
#define SORT_SHIFT   56u

#define SEGMENT_LENGTH_MAX ((uint32_t)1 << 18)

/* A block filter spends that much on a key. */
#define BLOCK_BITS_PER_KEY 12u

#define BLOCK_WORDS (SIMD_BLOCK_SIZE / 4)

struct pkfilter_header {
    uint32_t kind;
    uint32_t shard_count;
    uint64_t key_count;
    uint64_t data_size;
    uint64_t block_count;
};

/* One binary fuse filter: segment_count + 2 segments of fingerprints. */
struct pkfilter_shard {
    uint64_t seed;
    uint64_t at; /* Where in the data it begins. */
    uint32_t segment_length;
    uint32_t segment_count;
    uint64_t reserved;
};

_Static_assert(sizeof(struct pkfilter_header) == 32, "on disk");
_Static_assert(sizeof(struct pkfilter_shard) == 32, "on disk");

/* Where the data begins behind the header and the shards. */
static size_t data_at(uint32_t shard_count)
{
    size_t size = sizeof(struct pkfilter_header) + shard_count * sizeof(struct pkfilter_shard);
    return (size + 63) & ~(size_t)63;
}

/* A number below `count`, from the high bits of a hash. */
static inline uint64_t scale(uint64_t hash, uint64_t count)
{
    return (uint64_t)(((uint128)hash * count) >> 64);
}

/* ---- binary fuse (Graf and Lemire 2022) ---- */

struct fuse_slots {
    uint64_t at[3];
};

/* The hash is well mixed already; one multiplication, folded, makes another of it for each seed. */
static inline uint64_t fuse_mix(uint64_t hash, uint64_t seed)
{
    uint128 product = (uint128)(hash ^ seed) * 0x9E3779B97F4A7C15u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline struct fuse_slots fuse_slots_of(uint64_t mixed, uint32_t segment_length,
                                              uint32_t segment_count)
{
    uint64_t mask = segment_length - 1;
    struct fuse_slots slots;
    slots.at[0] = scale(mixed, (uint64_t)segment_count * segment_length);
    slots.at[1] = (slots.at[0] + segment_length) ^ ((mixed >> 18) & mask);
    slots.at[2] = (slots.at[0] + 2 * (uint64_t)segment_length) ^ (mixed & mask);
    return slots;
}

static inline uint8_t fuse_fingerprint(uint64_t mixed)
{
    return (uint8_t)((mixed ^ (mixed >> 32)) & UINT8_MAX);
}

/* Memory of one construction, for the largest shard. `slots` counts the keys of a slot in steps of
 * four and keeps in its low bits which of a key's three slots this is, added up without carry. */
struct fuse_work {
    uint64_t *mixed; /* Per slot: its keys' hashes, added up without carry. */
    uint64_t *order; /* Per key, in the order of removal: its hash ... */
    uint8_t *which;  /* ... and which of its slots was its own. */
    uint32_t *queue; /* Slots that held one key when they were queued. */
    uint8_t *slots;
    size_t slot_count;
    size_t key_count;
};

static bool fuse_work_init(struct fuse_work *work, size_t slot_count, size_t key_count,
                           const struct alloc *alloc)
{
    work->slot_count = slot_count;
    work->key_count = key_count;
    work->mixed = alloc_array(alloc, slot_count, sizeof *work->mixed);
    work->order = alloc_array(alloc, key_count, sizeof *work->order);
    work->which = alloc_array(alloc, key_count, sizeof *work->which);
    work->queue = alloc_array(alloc, slot_count, sizeof *work->queue);
    work->slots = alloc_array(alloc, slot_count, sizeof *work->slots);
    return work->mixed != NULL && work->order != NULL && work->which != NULL &&
           work->queue != NULL && work->slots != NULL;
}

static void fuse_work_deinit(struct fuse_work *work, const struct alloc *alloc)
{
    alloc_free(alloc, work->mixed, work->slot_count, sizeof *work->mixed);
    alloc_free(alloc, work->order, work->key_count, sizeof *work->order);
    alloc_free(alloc, work->which, work->key_count, sizeof *work->which);
    alloc_free(alloc, work->queue, work->slot_count, sizeof *work->queue);
    alloc_free(alloc, work->slots, work->slot_count, sizeof *work->slots);
}

/* The sizes that the paper found to succeed. */
static void fuse_size(size_t key_count, struct pkfilter_shard *shard)
{
    double keys = key_count < 2 ? 2 : (double)key_count;
    int length_log = (int)floor(log(keys) / log(3.33) + 2.25);
    uint32_t length = (uint32_t)1 << length_log;
    length = length > SEGMENT_LENGTH_MAX ? SEGMENT_LENGTH_MAX : length;
    double factor = 0.875 + 0.25 * log(1000000.0) / log(keys);
    factor = factor < 1.125 ? 1.125 : factor;
    uint64_t capacity = (uint64_t)(keys * factor);
    uint64_t segments = (capacity + length - 1) / length;
    shard->segment_length = length;
    shard->segment_count = segments < 3 ? 1 : (uint32_t)(segments - 2);
}

static size_t fuse_slot_count(const struct pkfilter_shard *shard)
{
    return ((size_t)shard->segment_count + 2) * shard->segment_length;
}

/* Mixes the hashes and puts them roughly into the order of their first slots, so that entering them
 * moves through the slots once and not at random. */
static void fuse_sort_keys(const struct pkfilter_shard *shard, const uint64_t *hashes, size_t count,
                           uint64_t *mixed_out)
{
    size_t at[SORT_BUCKETS + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        at[(fuse_mix(hashes[i], shard->seed) >> SORT_SHIFT) + 1]++;
    }
    for (size_t i = 1; i <= SORT_BUCKETS; i++) {
        at[i] += at[i - 1];
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t mixed = fuse_mix(hashes[i], shard->seed);
        mixed_out[at[mixed >> SORT_SHIFT]++] = mixed;
    }
}

/* Enters every key into its slots. Returns false when a slot has too many to count. */
static bool fuse_count_keys(const struct pkfilter_shard *shard, const uint64_t *hashes,
                            size_t count, struct fuse_work *work)
{
    size_t slot_count = fuse_slot_count(shard);
    memset(work->mixed, 0, slot_count * sizeof *work->mixed);
    memset(work->slots, 0, slot_count);
    bool overflow = false;
    fuse_sort_keys(shard, hashes, count, work->order);
    for (size_t i = 0; i < count; i++) {
        uint64_t mixed = work->order[i];
        struct fuse_slots slots = fuse_slots_of(mixed, shard->segment_length, shard->segment_count);
        for (uint32_t k = 0; k < 3; k++) {
            uint64_t at = slots.at[k];
            work->slots[at] = (uint8_t)((work->slots[at] + 4u) ^ k);
            work->mixed[at] ^= mixed;
            overflow |= work->slots[at] < 4;
        }
    }
    return !overflow;
}

/* Removes keys that are alone in a slot, until none is left. Returns how many were removed. */
static size_t fuse_peel(const struct pkfilter_shard *shard, struct fuse_work *work)
{
    size_t slot_count = fuse_slot_count(shard);
    size_t queued = 0;
    size_t removed = 0;
    for (size_t at = 0; at < slot_count; at++) {
        work->queue[queued] = (uint32_t)at;
        queued += work->slots[at] >> 2 == 1;
    }
    while (queued > 0) {
        uint32_t own = work->queue[--queued];
        if (work->slots[own] >> 2 != 1) {
            continue;
        }
        uint64_t mixed = work->mixed[own];
        uint32_t which = work->slots[own] & 3u;
        work->order[removed] = mixed;
        work->which[removed] = (uint8_t)which;
        removed++;
        struct fuse_slots slots = fuse_slots_of(mixed, shard->segment_length, shard->segment_count);
        for (uint32_t k = 0; k < 3; k++) {
            uint64_t at = slots.at[k];
            work->slots[at] = (uint8_t)((work->slots[at] - 4u) ^ k);
            work->mixed[at] ^= mixed;
            if (k != which && work->slots[at] >> 2 == 1) {
                work->queue[queued++] = (uint32_t)at;
            }
        }
    }
    return removed;
}

/* Gives each key's own slot the value that makes its three slots add up to its fingerprint. In the
 * reverse order of removal no later key changes a slot that an earlier one relies on. */
static void fuse_assign(const struct pkfilter_shard *shard, const struct fuse_work *work,
                        size_t count, uint8_t *data)
{
    for (size_t i = count; i-- > 0;) {
        uint64_t mixed = work->order[i];
        struct fuse_slots slots = fuse_slots_of(mixed, shard->segment_length, shard->segment_count);
        uint8_t value = fuse_fingerprint(mixed);
        value ^= data[slots.at[0]] ^ data[slots.at[1]] ^ data[slots.at[2]];
        data[slots.at[work->which[i]]] = value;
    }
}

/* Sorts by bytes, lowest first; `spare` has room for as many. */
static void sort_hashes(uint64_t *hashes, uint64_t *spare, size_t count)
{
    uint64_t *from = hashes;
    uint64_t *to = spare;
    for (uint32_t shift = 0; shift < 64; shift += 8) {
        size_t at[257] = {0};
        for (size_t i = 0; i < count; i++) {
            at[((from[i] >> shift) & UINT8_MAX) + 1]++;
        }
        for (size_t i = 1; i < 257; i++) {
            at[i] += at[i - 1];
        }
        for (size_t i = 0; i < count; i++) {
            to[at[(from[i] >> shift) & UINT8_MAX]++] = from[i];
        }
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
}

static size_t drop_equal_hashes(uint64_t *hashes, uint64_t *spare, size_t count)
{
    sort_hashes(hashes, spare, count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || hashes[i] != hashes[i - 1]) {
            hashes[kept++] = hashes[i];
        }
    }
    return kept;
}

/* Fills the zeroed `data` of one shard and chooses its seed. Equal hashes can never be peeled; they
 * are rare (versions lie side by side and were dropped), so looking for them waits for a failure.
 */
static bool fuse_build_shard(struct pkfilter_shard *shard, uint64_t *hashes, size_t count,
                             struct fuse_work *work, uint8_t *data)
{
    for (uint32_t attempt = 0; attempt < ATTEMPT_COUNT_MAX; attempt++) {
        shard->seed = hash_u64(attempt);
        if (attempt == 1) {
            count = drop_equal_hashes(hashes, work->order, count);
        }
        if (fuse_count_keys(shard, hashes, count, work) && fuse_peel(shard, work) == count) {
            fuse_assign(shard, work, count, data);
            return true;
        }
    }
    return false;
}

/* Reorders the hashes by shard; starts[s] .. starts[s + 1] are those of shard s. Swaps in place:
 * next[s] is the first entry of shard s that may belong elsewhere. */
static void partition(uint64_t *hashes, size_t count, uint32_t shard_count, size_t *starts,
                      size_t *next)
{
    for (size_t i = 0; i < count; i++) {
        starts[scale(hashes[i], shard_count) + 1]++;
    }
    for (uint32_t s = 0; s < shard_count; s++) {
        next[s] = starts[s];
        starts[s + 1] += starts[s];
    }
    for (uint32_t s = 0; s < shard_count; s++) {
        while (next[s] < starts[s + 1]) {
            uint64_t hash = hashes[next[s]];
            uint64_t home = scale(hash, shard_count);
            hashes[next[s]] = hashes[next[home]];
            hashes[next[home]] = hash;
            next[home]++;
        }
    }
}

/* Lays out the shards and reserves the filter's bytes, zeroed; sizes *work for the largest. */
static uint8_t *fuse_lay_out(const size_t *starts, uint32_t shard_count, size_t key_count,
                             struct buffer *bytes, size_t *key_count_max_out)
{
    size_t data_size = 0;
    size_t key_count_max = 1;
    for (uint32_t s = 0; s < shard_count; s++) {
        struct pkfilter_shard shard = {0};
        fuse_size(starts[s + 1] - starts[s], &shard);
        data_size += (fuse_slot_count(&shard) + 63) & ~(size_t)63;
        size_t keys = starts[s + 1] - starts[s];
        key_count_max = keys > key_count_max ? keys : key_count_max;
    }
    size_t size = data_at(shard_count) + data_size;
    uint8_t *filter = buffer_extend(bytes, size);
    if (filter == NULL) {
        return NULL;
    }
    memset(filter, 0, size);
    struct pkfilter_header header = {.kind = PKFILTER_FUSE,
                                     .shard_count = shard_count,
                                     .key_count = key_count,
                                     .data_size = data_size};
    memcpy(filter, &header, sizeof header);
    *key_count_max_out = key_count_max;
    return filter;
}

static tdbplus_status fuse_build_shards(uint64_t *hashes, const size_t *starts,
                                        uint32_t shard_count, const struct alloc *alloc,
                                        struct buffer *bytes, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct fuse_work work = {0};
    size_t key_count_max = 0;
    uint8_t *filter = fuse_lay_out(starts, shard_count, starts[shard_count], bytes, &key_count_max);
    if (filter == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for its filter");
    }
    struct pkfilter_shard largest = {0};
    fuse_size(key_count_max, &largest);
    if (!fuse_work_init(&work, fuse_slot_count(&largest) + 1, key_count_max, alloc)) {
        status = err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory to build its filter");
        goto done;
    }
    size_t at = 0;
    for (uint32_t s = 0; s < shard_count; s++) {
        struct pkfilter_shard shard = {.at = at};
        size_t count = starts[s + 1] - starts[s];
        fuse_size(count, &shard);
        if (!fuse_build_shard(&shard, &hashes[starts[s]], count, &work,
                              filter + data_at(shard_count) + at)) {
            status =
                err_set(err, TDBPLUS_E_INTERNAL, "primary index: no seed fits %zu keys", count);
            goto done;
        }
        memcpy(filter + sizeof(struct pkfilter_header) + s * sizeof shard, &shard, sizeof shard);
        at += (fuse_slot_count(&shard) + 63) & ~(size_t)63;
    }

done:
    fuse_work_deinit(&work, alloc);
    return status;
}

static tdbplus_status fuse_build(uint64_t *hashes, size_t count, const struct alloc *alloc,
                                 struct buffer *bytes, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    uint32_t shard_count =
        (uint32_t)((count + PKFILTER_SHARD_KEY_COUNT - 1) / PKFILTER_SHARD_KEY_COUNT);
    shard_count = shard_count == 0 ? 1 : shard_count;
    size_t *starts = alloc_array(alloc, 2 * (size_t)shard_count + 1, sizeof *starts);
    if (starts == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory to build its filter");
    }
    partition(hashes, count, shard_count, starts, &starts[shard_count + 1]);
    status = fuse_build_shards(hashes, starts, shard_count, alloc, bytes, err);
    alloc_free(alloc, starts, 2 * (size_t)shard_count + 1, sizeof *starts);
    return status;
}

static inline const struct pkfilter_shard *fuse_shard_of(const struct pkfilter *filter,
                                                         uint64_t hash)
{
    return &filter->shards[scale(hash, filter->shard_count)];
}

static inline bool fuse_may_contain(const struct pkfilter *filter, uint64_t hash)
{
    const struct pkfilter_shard *shard = fuse_shard_of(filter, hash);
    const uint8_t *data = filter->data + shard->at;
    uint64_t mixed = fuse_mix(hash, shard->seed);
    struct fuse_slots slots = fuse_slots_of(mixed, shard->segment_length, shard->segment_count);
    return (fuse_fingerprint(mixed) ^ data[slots.at[0]] ^ data[slots.at[1]] ^ data[slots.at[2]]) ==
           0;
}

/* All positions first, then all fetches, then all answers: the misses of a batch overlap. */
static uint64_t fuse_probe_batch(const struct pkfilter *filter, const uint64_t *hashes,
                                 size_t count)
{
    const uint8_t *slots_at[BATCH][3];
    uint8_t fingerprints[BATCH];
    for (size_t i = 0; i < count; i++) {
        const struct pkfilter_shard *shard = fuse_shard_of(filter, hashes[i]);
        const uint8_t *data = filter->data + shard->at;
        uint64_t mixed = fuse_mix(hashes[i], shard->seed);
        struct fuse_slots slots = fuse_slots_of(mixed, shard->segment_length, shard->segment_count);
        fingerprints[i] = fuse_fingerprint(mixed);
        for (uint32_t k = 0; k < 3; k++) {
            slots_at[i][k] = data + slots.at[k];
            __builtin_prefetch(slots_at[i][k], 0, FETCH_SECOND_CACHE);
        }
    }
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t sum = *slots_at[i][0] ^ *slots_at[i][1] ^ *slots_at[i][2];
        bits |= (uint64_t)(sum == fingerprints[i]) << i;
    }
    return bits;
}

/* ---- blocked Bloom: one bit in each of eight words of one block ---- */

static const uint32_t block_salts[BLOCK_WORDS] = SIMD_BLOCK_SALTS;

static inline uint32_t block_bit(uint64_t hash, uint32_t word)
{
    return (uint32_t)1 << (((uint32_t)hash * block_salts[word]) >> 27);
}

static tdbplus_status block_build(const uint64_t *hashes, size_t count, struct buffer *bytes,
                                  struct err *err)
{
    uint64_t block_count =
        (count * BLOCK_BITS_PER_KEY + SIMD_BLOCK_SIZE * 8 - 1) / (SIMD_BLOCK_SIZE * 8);
    block_count = block_count == 0 ? 1 : block_count;
    size_t size = data_at(0) + block_count * SIMD_BLOCK_SIZE;
    uint8_t *filter = buffer_extend(bytes, size);
    if (filter == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for its filter");
    }
    memset(filter, 0, size);
    struct pkfilter_header header = {.kind = PKFILTER_BLOCK,
                                     .key_count = count,
                                     .data_size = block_count * SIMD_BLOCK_SIZE,
                                     .block_count = block_count};
    memcpy(filter, &header, sizeof header);
    for (size_t i = 0; i < count; i++) {
        uint8_t *block = filter + data_at(0) + scale(hashes[i], block_count) * SIMD_BLOCK_SIZE;
        for (uint32_t word = 0; word < BLOCK_WORDS; word++) {
            store_u32(block + word * 4, load_u32(block + word * 4) | block_bit(hashes[i], word));
        }
    }
    return TDBPLUS_OK;
}

/* ---- either kind ---- */

tdbplus_status pkfilter_build(enum pkfilter_kind kind, uint64_t *hashes, size_t count,
                              const struct alloc *alloc, struct buffer *bytes, struct err *err)
{
    switch (kind) {
    case PKFILTER_FUSE:
        return fuse_build(hashes, count, alloc, bytes, err);
    case PKFILTER_BLOCK:
        return block_build(hashes, count, bytes, err);
    case PKFILTER_NONE:
        break;
    }
    return TDBPLUS_OK;
}

static bool check_shard(const struct pkfilter_shard *shard, uint64_t data_size)
{
    uint32_t length = shard->segment_length;
    return length != 0 && (length & (length - 1)) == 0 && length <= SEGMENT_LENGTH_MAX &&
           shard->segment_count != 0 && shard->segment_count <= UINT32_MAX - 2 &&
           shard->at <= data_size && fuse_slot_count(shard) <= data_size - shard->at;
}

static bool check_filter(const struct pkfilter_header *header, struct span bytes)
{
    if (header->shard_count > bytes.size / sizeof(struct pkfilter_shard) ||
        header->data_size > bytes.size ||
        data_at(header->shard_count) + header->data_size != bytes.size) {
        return false;
    }
    if (header->kind == PKFILTER_BLOCK) {
        return header->shard_count == 0 && header->block_count != 0 &&
               header->block_count <= header->data_size / SIMD_BLOCK_SIZE;
    }
    return header->kind == PKFILTER_FUSE && header->shard_count != 0;
}

tdbplus_status pkfilter_open(struct span bytes, struct pkfilter *filter_out, struct err *err)
{
    struct pkfilter filter = {0};
    if (bytes.size == 0) {
        *filter_out = filter;
        return TDBPLUS_OK;
    }
    struct pkfilter_header header = {0};
    if (bytes.size < sizeof header) {
        return err_set(err, TDBPLUS_E_CORRUPT, "primary index: its filter is cut off");
    }
    memcpy(&header, bytes.data, sizeof header);
    if (!check_filter(&header, bytes)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "primary index: its filter contradicts itself");
    }
    filter.kind = header.kind;
    filter.shard_count = header.shard_count;
    filter.block_count = header.block_count;
    filter.shards = (const void *)(bytes.data + sizeof header);
    filter.data = bytes.data + data_at(header.shard_count);
    filter.size = bytes.size;
    for (uint32_t s = 0; s < header.shard_count; s++) {
        if (!check_shard(&filter.shards[s], header.data_size)) {
            return err_set(err, TDBPLUS_E_CORRUPT, "primary index: its filter contradicts itself");
        }
    }
    *filter_out = filter;
    return TDBPLUS_OK;
}

void pkfilter_prefetch(const struct pkfilter *filter, uint64_t hash)
{
    __extension__ typedef unsigned __int128 wide;
    if (filter->kind == PKFILTER_BLOCK) {
        uint64_t block = (uint64_t)(((wide)hash * filter->block_count) >> 64); // As the kernels do.
        __builtin_prefetch(filter->data + block * SIMD_BLOCK_SIZE);
    }
}

bool pkfilter_may_contain(const struct pkfilter *filter, uint64_t hash)
{
    if (filter->kind == PKFILTER_FUSE) {
        return fuse_may_contain(filter, hash);
    }
    if (filter->kind == PKFILTER_BLOCK) {
        return simd->block_probe(filter->data, filter->block_count, &hash, 1) != 0;
    }
    return true;
}

static uint64_t probe_batch(const struct pkfilter *filter, const uint64_t *hashes, size_t count)
{
    if (filter->kind == PKFILTER_FUSE) {
        return fuse_probe_batch(filter, hashes, count);
    }
    if (filter->kind == PKFILTER_BLOCK) {
        return simd->block_probe(filter->data, filter->block_count, hashes, count);
    }
    return count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;
}

void pkfilter_may_contain_batch(const struct pkfilter *filter, const uint64_t *hashes, size_t count,
                                uint64_t *bitmap_out)
{
    _Static_assert(BATCH == 64, "a batch fills a word");
    for (size_t i = 0; i < count; i += BATCH) {
        bitmap_out[i / 64] = probe_batch(filter, &hashes[i], count - i < BATCH ? count - i : BATCH);
    }
}
