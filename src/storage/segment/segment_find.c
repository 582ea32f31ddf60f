/*
 * Lookups. The primary index names a window of a few rows; integer keys are ranked inside the
 * bit-packed page, other keys are compared one by one.
 *
 * Pages are used inside an epoch while they are cached; a miss leaves the epoch, loads the page
 * with a pin, and goes on with that.
 */

#include <string.h>

#include "base/assert.h"
#include "storage/segment/segment_internal.h"

#define BATCH_STEP          32u /* Keys whose memory accesses overlap. */
#define PREFETCH_HEAD_COUNT 3u
#define PREFETCH_LINE_COUNT 16u

/* Where a key's versions are: rows [row, row + count); row is the lower bound. */
struct position {
    uint64_t row;
    uint32_t count;
};

static struct simd_rank rank_in_page(const struct page *page, uint32_t first, uint32_t count,
                                     int64_t value)
{
    if (value < (int64_t)page->base) {
        return (struct simd_rank){0};
    }
    return simd->packed_rank(page->data, first, count, page->width, (uint64_t)value - page->base);
}

/* Ranks in the part of the window that one page holds; the page must be loaded if it is not here.
 */
static tdbplus_status rank_slowly(struct segment *segment, uint64_t row, uint32_t count,
                                  int64_t value, struct simd_rank *rank_out, struct err *err)
{
    struct page *page = NULL;
    TRY(segment_load(segment, row, segment->key_column, &page, err));
    struct segment_place place = segment_locate(segment, row, segment->key_column);
    *rank_out = rank_in_page(page, place.row, count, value);
    page_release(page);
    return TDBPLUS_OK;
}

/* Ranks in rows [row, row + count) of the page `part`; false when it is not cached. */
static bool rank_cached(struct segment *segment, const struct segment_page *part, uint64_t row,
                        uint32_t count, int64_t value, struct simd_rank *rank_out)
{
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    struct page *page = page_cache_peek(&segment->slots[part->page]);
    if (page != NULL) {
        page_touch(page);
        *rank_out = rank_in_page(page, (uint32_t)(row - part->first_row), count, value);
    }
    epoch_exit(segment->epoch, ticket);
    return page != NULL;
}

static tdbplus_status rank_integer(struct segment *segment, struct pkrange range, uint64_t code,
                                   struct position *position_out, struct err *err)
{
    int64_t value = key_integer_of_code(code);
    struct position position = {.row = range.first};
    for (uint64_t row = range.first; row < range.end;) {
        struct segment_page part = segment_page_of(segment, row, segment->key_column);
        uint64_t part_end = part.first_row + part.row_count;
        part_end = part_end < range.end ? part_end : range.end;
        uint32_t count = (uint32_t)(part_end - row);
        struct simd_rank rank = {0};
        tdbplus_status status = TDBPLUS_OK;
        if (!rank_cached(segment, &part, row, count, value, &rank)) {
            status = rank_slowly(segment, row, count, value, &rank, err);
        }
        if (status != TDBPLUS_OK) {
            return status;
        }
        position.row += rank.below;
        position.count += rank.equal;
        row = part_end;
    }
    *position_out = position;
    return TDBPLUS_OK;
}

static tdbplus_status compare_row(struct key_reader *reader, uint64_t row, struct span key,
                                  int *order_out, struct err *err)
{
    struct span row_key;
    TRY(key_reader_read(reader, row, &row_key, err));
    *order_out = span_compare(row_key, key);
    return TDBPLUS_OK;
}

/* Binary search for the first row >= key, then the versions are counted. */
static tdbplus_status rank_bytes(struct segment *segment, struct pkrange range, struct span key,
                                 struct position *position_out, struct err *err)
{
    struct key_reader reader;
    key_reader_init(&reader, segment);
    tdbplus_status status = TDBPLUS_OK;
    uint64_t low = range.first;
    uint64_t high = range.end;
    int order = 0;
    if (low < high) {
        TRY_OR(done, key_reader_prefetch(&reader, low, high, err));
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        TRY_OR(done, compare_row(&reader, middle, key, &order, err));
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint64_t end = low;
    while (end < range.end) {
        TRY_OR(done, compare_row(&reader, end, key, &order, err));
        if (order != 0) {
            break;
        }
        end++;
    }
    *position_out = (struct position){.row = low, .count = (uint32_t)(end - low)};
done:
    key_reader_deinit(&reader);
    return status;
}

/* Orders a key against the prefix that all keys of the segment share. */
static int compare_prefix(const struct segment *segment, struct span key)
{
    size_t size = key.size < segment->prefix.size ? key.size : segment->prefix.size;
    int order = size == 0 ? 0 : memcmp(key.data, segment->prefix.data, size);
    if (order == 0 && size < segment->prefix.size) {
        return -1; // A proper beginning of the prefix comes before every key.
    }
    return order;
}

static uint64_t code_behind_prefix(const struct segment *segment, const struct segment_key *key)
{
    size_t size = segment->prefix.size;
    return size == 0 ? key->code
                     : key_code((struct span){key->key.data + size, key->key.size - size});
}

static void prefetch_packed(const struct page *page, uint32_t first, uint32_t count)
{
    const uint8_t *at = page->data + (size_t)first * page->width / 8;
    const uint8_t *end = page->data + ((size_t)first + count) * page->width / 8;
    for (; at <= end; at += 64) {
        __builtin_prefetch(at);
    }
}

/* Rows that may hold the key, and where it would go; both as a window of rows. */
static struct pkrange find_window(const struct segment *segment, const struct segment_key *key)
{
    if (segment->is_integer_key) {
        return pkindex_find(segment->index, key->code);
    }
    int order = compare_prefix(segment, key->key);
    if (order != 0) {
        uint64_t row = order < 0 ? 0 : segment->row_count;
        return (struct pkrange){.first = row, .end = row};
    }
    return pkindex_find(segment->index, code_behind_prefix(segment, key));
}

/* Whoever finds a row reads it next: asks for the heads of the pages of its first columns. An
 * address is all that is taken from the slots, so no epoch is needed. */
static void prefetch_heads(const struct segment *segment, uint64_t row)
{
    if (row >= segment->row_count) {
        return;
    }
    for (uint32_t i = 0; i < segment->column_count && i < PREFETCH_HEAD_COUNT; i++) {
        struct segment_place place = segment_locate(segment, row, i);
        __builtin_prefetch(page_cache_peek(&segment->slots[place.page]));
    }
}

static tdbplus_status rank_key(struct segment *segment, const struct segment_key *key,
                               struct pkrange range, struct position *position_out, struct err *err)
{
    if (segment->is_integer_key) {
        return rank_integer(segment, range, key->code, position_out, err);
    }
    return rank_bytes(segment, range, key->key, position_out, err);
}

tdbplus_status segment_find(struct segment *segment, const struct segment_key *key,
                            uint64_t *row_out, uint32_t *version_count_out, struct err *err)
{
    struct position position = {0};
    if (pkindex_may_contain(segment->index, key->hash)) {
        struct pkrange range = find_window(segment, key);
        prefetch_heads(segment, range.first);
        TRY(rank_key(segment, key, range, &position, err));
    }
    *row_out = position.count > 0 ? position.row : SEGMENT_ROW_NONE;
    *version_count_out = position.count;
    return TDBPLUS_OK;
}

static void prefetch_between(const uint8_t *at, const uint8_t *end)
{
    for (uint32_t line = 0; line < PREFETCH_LINE_COUNT && at < end; line++) {
        __builtin_prefetch(at);
        at += 64;
    }
}

/* The page with `row` of the key column, if it is cached. */
static struct page *peek_keys(const struct segment *segment, const struct segment_page *part)
{
    struct page *page = page_cache_peek(&segment->slots[part->page]);
    if (page != NULL) {
        page_touch(page);
    }
    return page;
}

/* rank_integer() inside an epoch. */
static bool rank_integer_cached(const struct segment *segment, struct pkrange range, uint64_t code,
                                struct position *position)
{
    int64_t value = key_integer_of_code(code);
    for (uint64_t row = range.first; row < range.end;) {
        struct segment_page part = segment_page_of(segment, row, segment->key_column);
        const struct page *page = peek_keys(segment, &part);
        if (page == NULL) {
            return false;
        }
        uint64_t end = part.first_row + part.row_count;
        end = end < range.end ? end : range.end;
        struct simd_rank rank =
            rank_in_page(page, (uint32_t)(row - part.first_row), (uint32_t)(end - row), value);
        position->row += rank.below;
        position->count += rank.equal;
        row = end;
    }
    return true;
}

/* Most keys differ in what their codes hold. */
static int compare_codes_first(struct span row_key, const struct segment_key *key)
{
    uint64_t code = key_code(row_key);
    if (code != key->code) {
        return code < key->code ? -1 : 1;
    }
    return span_compare(row_key, key->key);
}

/* Ranks among rows [low, end) of a page. */
static struct simd_rank rank_bytes_in_page(const struct page *page, uint32_t low, uint32_t end,
                                           const struct segment_key *key)
{
    uint32_t first = low;
    if (page->encoding == PAGE_BYTES) { // All at once, or the search waits for one after another.
        struct span last = page_bytes(page, end - 1);
        prefetch_between(page_bytes(page, low).data, last.data + last.size);
    }
    for (uint32_t high = end; low < high;) {
        uint32_t middle = (low + high) / 2;
        bool below = compare_codes_first(page_bytes(page, middle), key) < 0;
        low = below ? middle + 1 : low;
        high = below ? high : middle;
    }
    struct simd_rank rank = {.below = low - first};
    while (low + rank.equal < end &&
           compare_codes_first(page_bytes(page, low + rank.equal), key) == 0) {
        rank.equal++;
    }
    return rank;
}

/* rank_bytes() inside an epoch, where the key is one column. */
static bool rank_bytes_cached(const struct segment *segment, struct pkrange range,
                              const struct segment_key *key, struct position *position)
{
    for (uint64_t row = range.first; row < range.end;) {
        struct segment_page part = segment_page_of(segment, row, segment->key_column);
        const struct page *page = segment->is_bytes_key ? peek_keys(segment, &part) : NULL;
        if (page == NULL) {
            return false;
        }
        uint64_t end = part.first_row + part.row_count;
        end = end < range.end ? end : range.end;
        struct simd_rank rank = rank_bytes_in_page(page, (uint32_t)(row - part.first_row),
                                                   (uint32_t)(end - part.first_row), key);
        position->row += rank.below;
        position->count += rank.equal;
        if (position->row + position->count < end) {
            break;
        }
        row = end;
    }
    return true;
}

/* Where a key is or would go; inside an epoch. */
static bool rank_cached_key(const struct segment *segment, struct pkrange range,
                            const struct segment_key *key, struct position *position_out)
{
    struct position position = {.row = range.first};
    bool is_known = segment->is_integer_key
                        ? rank_integer_cached(segment, range, key->code, &position)
                        : rank_bytes_cached(segment, range, key, &position);
    *position_out = position;
    return is_known;
}

bool segment_find_cached(const struct segment *segment, const struct segment_key *key,
                         uint64_t *row_out, uint32_t *version_count_out)
{
    struct position position = {0};
    if (pkindex_may_contain(segment->index, key->hash)) {
        struct pkrange range = find_window(segment, key);
        prefetch_heads(segment, range.first);
        if (!rank_cached_key(segment, range, key, &position)) {
            return false;
        }
    }
    *row_out = position.count > 0 ? position.row : SEGMENT_ROW_NONE;
    *version_count_out = position.count;
    return true;
}

void segment_find_prefetch(const struct segment *segment, const struct segment_key *key)
{
    pkindex_prefetch(segment->index, key->hash);
}

void segment_seek_begin(const struct segment *segment, const struct segment_key *key,
                        struct segment_seek *seek_out)
{
    struct pkrange range = find_window(segment, key);
    prefetch_heads(segment, range.first);
    *seek_out = (struct segment_seek){.first = range.first, .end = range.end};
}

void segment_seek_prefetch(struct segment *segment, const struct segment_seek *seek)
{
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    segment_seek_prefetch_cached(segment, seek);
    epoch_exit(segment->epoch, ticket);
}

void segment_seek_prefetch_cached(const struct segment *segment, const struct segment_seek *seek)
{
    if (seek->first >= seek->end) {
        return;
    }
    uint64_t middle = seek->first + (seek->end - seek->first) / 2;
    uint64_t row = segment->is_integer_key ? seek->first : middle;
    struct segment_place place = segment_locate(segment, row, segment->key_column);
    const struct page *page = page_cache_peek(&segment->slots[place.page]);
    if (page != NULL && segment->is_integer_key) {
        uint64_t left = page->row_count - place.row;
        uint64_t count = seek->end - row < left ? seek->end - row : left;
        prefetch_packed(page, place.row, (uint32_t)count);
    } else if (page != NULL) {
        page_prefetch(page, place.row);
    }
}

bool segment_seek_end_cached(const struct segment *segment, const struct segment_key *key,
                             const struct segment_seek *seek, uint64_t *row_out)
{
    struct position position = {0};
    struct pkrange range = {.first = seek->first, .end = seek->end};
    if (!rank_cached_key(segment, range, key, &position)) {
        return false;
    }
    *row_out = position.row;
    return true;
}

tdbplus_status segment_seek_end(struct segment *segment, const struct segment_key *key,
                                const struct segment_seek *seek, uint64_t *row_out, struct err *err)
{
    struct position position = {0};
    struct pkrange range = {.first = seek->first, .end = seek->end};
    TRY(rank_key(segment, key, range, &position, err));
    *row_out = position.row;
    return TDBPLUS_OK;
}

tdbplus_status segment_lower_bound(struct segment *segment, const struct segment_key *key,
                                   uint64_t *row_out, struct err *err)
{
    struct segment_seek seek = {0};
    segment_seek_begin(segment, key, &seek);
    return segment_seek_end(segment, key, &seek, row_out, err);
}

/* ---- many keys ---- */

/* A few keys on their way through the stages. */
struct find_group {
    uint32_t count;
    uint32_t keys[BATCH_STEP]; /* Positions in the caller's arrays. */
    uint64_t codes[BATCH_STEP];
    uint64_t hashes[BATCH_STEP];
    struct pkrange ranges[BATCH_STEP];
    struct position positions[BATCH_STEP];
    struct page *pages[BATCH_STEP]; /* NULL: to be found alone. */
    uint32_t rows[BATCH_STEP];
};

/* Drops the integer keys that lie outside the segment: of rows that come in the order of their keys
 * that is all, and no filter need be asked. */
static void drop_outside(const struct segment *segment, struct find_group *group)
{
    uint64_t low = key_code(segment->key_min);
    uint64_t high = key_code(segment->key_max);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        group->keys[kept] = group->keys[i];
        group->codes[kept] = group->codes[i];
        group->hashes[kept] = group->hashes[i];
        kept += group->codes[i] >= low && group->codes[i] <= high;
    }
    group->count = kept;
}

/* Drops the keys that the filter knows to be absent. */
static void filter_group(const struct segment *segment, struct find_group *group)
{
    uint64_t bitmap = 0;
    if (segment->is_integer_key) {
        drop_outside(segment, group);
    }
    if (group->count == 0) {
        return;
    }
    pkindex_may_contain_batch(segment->index, group->hashes, group->count, &bitmap);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        group->keys[kept] = group->keys[i];
        group->codes[kept] = group->codes[i];
        kept += (uint32_t)(bitmap >> i & 1);
    }
    group->count = kept;
}

/* Inside an epoch: ranks the keys whose window lies in one cached page. */
static void rank_group(struct segment *segment, struct find_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        struct pkrange range = group->ranges[i];
        group->pages[i] = NULL;
        if (range.first == range.end) {
            continue;
        }
        struct segment_page part = segment_page_of(segment, range.first, segment->key_column);
        struct page *page = page_cache_peek(&segment->slots[part.page]);
        if (page != NULL && range.end <= part.first_row + part.row_count) {
            __builtin_prefetch(page);
            group->pages[i] = page;
            group->rows[i] = (uint32_t)(range.first - part.first_row);
        }
    }
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->pages[i] != NULL) {
            page_touch(group->pages[i]);
            prefetch_packed(group->pages[i], group->rows[i],
                            (uint32_t)(group->ranges[i].end - group->ranges[i].first));
        }
    }
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->pages[i] != NULL) {
            struct pkrange range = group->ranges[i];
            struct simd_rank rank =
                rank_in_page(group->pages[i], group->rows[i], (uint32_t)(range.end - range.first),
                             key_integer_of_code(group->codes[i]));
            group->positions[i] =
                (struct position){.row = range.first + rank.below, .count = rank.equal};
        }
    }
}

/* Keys that do not share the prefix cannot be here; the others get the codes behind it. */
static void cut_prefixes(const struct segment *segment, const struct segment_key *keys,
                         struct find_group *group)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct segment_key *key = &keys[group->keys[i]];
        if (compare_prefix(segment, key->key) == 0) {
            group->keys[kept] = group->keys[i];
            group->codes[kept] = code_behind_prefix(segment, key);
            kept++;
        }
    }
    group->count = kept;
}

/* Inside an epoch: asks for the memory that the middle of each window lies in, where the binary
 * search begins; first the heads of the pages, then what those point at. */
static void prefetch_group(struct segment *segment, struct find_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        struct pkrange range = group->ranges[i];
        group->pages[i] = NULL;
        if (range.first < range.end) {
            uint64_t middle = range.first + (range.end - range.first) / 2;
            struct segment_place place = segment_locate(segment, middle, segment->key_column);
            group->pages[i] = page_cache_peek(&segment->slots[place.page]);
            group->rows[i] = place.row;
            __builtin_prefetch(group->pages[i]);
        }
    }
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->pages[i] != NULL) {
            page_prefetch(group->pages[i], group->rows[i]);
        }
    }
}

/* What rank_group() is for integer keys, but with a search of its own for each. */
static tdbplus_status rank_bytes_group(struct segment *segment, const struct segment_key *keys,
                                       struct find_group *group, struct err *err)
{
    cut_prefixes(segment, keys, group);
    if (group->count == 0) {
        return TDBPLUS_OK;
    }
    pkindex_find_batch(segment->index, group->codes, group->count, group->ranges);
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    prefetch_group(segment, group);
    epoch_exit(segment->epoch, ticket);
    for (uint32_t i = 0; i < group->count; i++) {
        TRY(rank_bytes(segment, group->ranges[i], keys[group->keys[i]].key, &group->positions[i],
                       err));
    }
    return TDBPLUS_OK;
}

/* Keys that rank_group() could not settle are found one by one. */
static tdbplus_status rank_integer_group(struct segment *segment, struct find_group *group,
                                         struct err *err)
{
    if (group->count == 0) {
        return TDBPLUS_OK;
    }
    pkindex_find_batch(segment->index, group->codes, group->count, group->ranges);
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    rank_group(segment, group);
    epoch_exit(segment->epoch, ticket);
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->pages[i] != NULL) {
            continue;
        }
        TRY(rank_integer(segment, group->ranges[i], group->codes[i], &group->positions[i], err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status find_group(struct segment *segment, const struct segment_key *keys,
                                 struct find_group *group, uint64_t *rows, uint32_t *counts,
                                 struct err *err)
{
    filter_group(segment, group);
    if (segment->is_integer_key) {
        TRY(rank_integer_group(segment, group, err));
    } else {
        TRY(rank_bytes_group(segment, keys, group, err));
    }
    // Nothing fails from here on.
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->positions[i].count > 0) {
            rows[group->keys[i]] = group->positions[i].row;
            counts[group->keys[i]] = group->positions[i].count;
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status segment_find_batch(struct segment *segment, const struct segment_key *keys,
                                  uint32_t count, uint64_t *rows_inout,
                                  uint32_t *version_counts_out, struct err *err)
{
    struct find_group group; // Two kilobytes: what a group uses it fills in.
    for (uint32_t i = 0; i < count;) {
        group.count = 0;
        for (; i < count && group.count < BATCH_STEP; i++) {
            if (rows_inout[i] != SEGMENT_ROW_NONE) {
                continue;
            }
            version_counts_out[i] = 0;
            group.keys[group.count] = i;
            group.codes[group.count] = keys[i].code;
            group.hashes[group.count] = keys[i].hash;
            group.count++;
        }
        TRY(find_group(segment, keys, &group, rows_inout, version_counts_out, err));
    }
    return TDBPLUS_OK;
}
