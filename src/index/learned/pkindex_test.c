/* Goal: whatever the codes, a window never misses a row of its code nor the place of an absent one
 * (K2), the model stays small, and damaged bytes are refused or answered within bounds (K5).
 * Method: hostile distributions against binary search over the same array. */

#include "index/learned/pkindex.h"

#include "base/assert.h"
#include "base/hash.h"
#include "index/learned/pkindex_internal.h"
#include "test.h"

#define ROWS_MAX 300000
#define WANTED   1500

static uint64_t codes[ROWS_MAX];
static uint64_t hashes[ROWS_MAX];

/* How many of the first `count` codes are below `code`; with `or_equal`, at or below. */
static uint64_t rank(size_t count, uint64_t code, bool or_equal)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (codes[middle] < code || (or_equal && codes[middle] == code)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct bytes build(size_t count, size_t step, const struct pkindex_options *options)
{
    struct pkindex_builder *builder = NULL;
    CHECK(pkindex_builder_create(&alloc_system, options, &builder, NULL) == TDBPLUS_OK);
    for (size_t i = 0; i < count; i += step) {
        size_t here = count - i < step ? count - i : step;
        CHECK(pkindex_builder_add(builder, &codes[i], &hashes[i], here, NULL) == TDBPLUS_OK);
    }
    struct buffer bytes;
    buffer_init(&bytes, &alloc_system);
    CHECK(pkindex_builder_finish(builder, &bytes, NULL) == TDBPLUS_OK);
    pkindex_builder_destroy(builder);
    struct bytes copy = {.alloc = &alloc_system, .size = bytes.size};
    copy.data = alloc_array(&alloc_system, bytes.size, 1);
    CHECK(copy.data != NULL);
    memcpy(copy.data, bytes.data, bytes.size);
    buffer_deinit(&bytes);
    return copy;
}

static struct pkindex *build_open(size_t count)
{
    static const struct pkindex_options plain = {.filter = PKFILTER_NONE};
    struct bytes bytes = build(count, 1000, &plain);
    struct pkindex *index = NULL;
    CHECK(pkindex_open((struct span){.data = bytes.data, .size = bytes.size}, &alloc_system, &index,
                       NULL) == TDBPLUS_OK);
    bytes_deinit(&bytes);
    return index;
}

static void check_code(const struct pkindex *index, size_t count, uint64_t code)
{
    struct pkrange range = pkindex_find(index, code);
    uint64_t first = rank(count, code, false);
    uint64_t end = rank(count, code, true);
    CHECK(range.first <= range.end && range.end <= count);
    CHECK(range.first <= first && end <= range.end);
    CHECK(pkindex_locate(index, codes, code) == first);
    // A window is no wider than its error, a block, or the rows of the code at or before it.
    uint64_t before = first == 0 ? 0 : first - rank(count, codes[first - 1], false);
    uint64_t width_max = end - first > before ? end - first : before;
    width_max = width_max > 32 ? width_max : 32;
    CHECK(range.end - range.first <= width_max);
}

/* Checks the first `count` codes and their neighbours; returns the model's bytes per row. */
static double check_codes(size_t count)
{
    struct pkindex *index = build_open(count);
    size_t step = count < 40000 ? 1 : 7;
    for (size_t i = 0; i < count; i += step) {
        check_code(index, count, codes[i]);
        check_code(index, count, codes[i] + 1);
        check_code(index, count, codes[i] - 1);
        check_code(index, count, hash_u64(i));
        check_code(index, count, codes[i] + (codes[(i + 1) % count] - codes[i]) / 2);
    }
    check_code(index, count, 0);
    check_code(index, count, UINT64_MAX);
    CHECK(pkindex_row_count(index) == count);
    double bytes_per_row = count == 0 ? 0 : (double)pkindex_size_bytes(index) / (double)count;
    pkindex_close(index);
    return bytes_per_row;
}

static void sort_codes(size_t count)
{
    // Combsort: short, and fast enough for what tests need.
    size_t gap = count;
    for (bool swapped = true; gap > 1 || swapped;) {
        gap = gap > 1 ? gap * 10 / 13 : 1;
        gap = gap == 0 ? 1 : gap;
        swapped = false;
        for (size_t i = 0; i + gap < count; i++) {
            if (codes[i] > codes[i + gap]) {
                uint64_t swap = codes[i];
                codes[i] = codes[i + gap];
                codes[i + gap] = swap;
                swapped = true;
            }
        }
    }
}

TEST(no_rows_and_few_rows)
{
    check_codes(0);
    static const uint64_t corners[] = {0, 1, 2, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
    for (unsigned subset = 1; subset < 64; subset++) {
        size_t count = 0;
        for (unsigned i = 0; i < 6; i++) {
            if (subset >> i & 1) {
                codes[count++] = corners[i];
            }
        }
        check_codes(count);
    }
}

TEST(random_codes_of_every_width)
{
    for (unsigned shift = 0; shift < 64; shift += 3) {
        for (size_t count = 10; count <= 30000; count *= 10) {
            for (size_t i = 0; i < count; i++) {
                codes[i] = hash_u64(i + count) >> shift;
            }
            sort_codes(count);
            check_codes(count);
        }
    }
}

TEST(uniform_codes_cost_a_tenth_of_a_byte_each)
{
    uint64_t code = 5;
    for (size_t i = 0; i < ROWS_MAX; i++) {
        // Exponential gaps, as uniform keys have.
        code += 1 + (hash_u64(i) >> 20) / (1 + (hash_u64(i * 3) >> 40));
        codes[i] = code;
    }
    (void)check_codes(ROWS_MAX);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        codes[i] = hash_u64(i);
    }
    sort_codes(ROWS_MAX);
    double bytes_per_row = check_codes(ROWS_MAX);
    CHECK(bytes_per_row < 0.2);
}

TEST(dense_codes_cost_next_to_nothing)
{
    for (size_t i = 0; i < ROWS_MAX; i++) {
        codes[i] = UINT64_MAX - ROWS_MAX + 1 + i;
    }
    CHECK(check_codes(ROWS_MAX) < 0.01);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        codes[i] = i * 1000;
    }
    CHECK(check_codes(ROWS_MAX) < 0.01);
}

TEST(bursts_and_exponential_gaps)
{
    uint64_t code = 0;
    for (size_t i = 0; i < ROWS_MAX; i++) {
        uint64_t draw = hash_u64(i);
        code += draw % 200 == 0 ? (uint64_t)1 << (draw >> 8) % 45 : 1 + (draw >> 60);
        codes[i] = code;
    }
    CHECK(check_codes(ROWS_MAX) < 0.7);

    // Gaps that double: 64 codes, over and over in finer detail.
    size_t count = 0;
    for (uint64_t base = 0; base < 60; base++) {
        for (uint64_t bit = 0; bit < base; bit++) {
            codes[count++] = ((uint64_t)1 << base) + ((uint64_t)1 << bit);
        }
    }
    sort_codes(count);
    check_codes(count);
}

TEST(runs_of_equal_codes_of_every_length)
{
    static const size_t runs[] = {1, 2, 3, 7, 31, 32, 33, 100, 65534, 65535, 65536, 150000};
    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        for (size_t i = 0; i < ROWS_MAX; i++) {
            codes[i] = hash_u64(0) / 2 + i / runs[r] * 12345;
        }
        check_codes(200000);
    }
    // Runs of growing length, so that they meet the ends of chunks everywhere.
    size_t count = 0;
    for (uint64_t run = 1; count + run < ROWS_MAX; run++) {
        for (uint64_t i = 0; i < run; i++) {
            codes[count++] = hash_u64(run) % 5 + run * 7;
        }
    }
    check_codes(count);
    // One code only.
    for (size_t i = 0; i < ROWS_MAX; i++) {
        codes[i] = 77;
    }
    check_codes(ROWS_MAX);
    // A long run between lone codes.
    for (size_t i = 0; i < ROWS_MAX; i++) {
        codes[i] = i < 40000 ? i : i < 250000 ? 50000 : i;
    }
    check_codes(ROWS_MAX);
}

static uint64_t wanted[WANTED];
static struct pkrange ranges[WANTED + 1];
static uint64_t positions[WANTED + 1];

/* Batches of many lengths over the first `rows` codes, by every table of kernels. */
static void check_batches(const struct pkindex *index, size_t rows)
{
    simd_init();
    const struct simd_ops *best = simd;
    const struct simd_ops *const *all = simd_available();
    for (size_t t = 0; all[t] != NULL; t++) {
        simd = all[t];
        for (size_t count = 0; count <= WANTED; count += count < 140 ? 3 : 680) {
            ranges[count] = (struct pkrange){.first = 1, .end = 2};
            positions[count] = 3;
            pkindex_find_batch(index, wanted, count, ranges);
            pkindex_locate_batch(index, codes, wanted, count, positions);
            for (size_t i = 0; i < count; i++) {
                struct pkrange range = pkindex_find(index, wanted[i]);
                CHECK(ranges[i].first == range.first && ranges[i].end == range.end);
                CHECK(positions[i] == rank(rows, wanted[i], false));
            }
            CHECK(ranges[count].first == 1 && ranges[count].end == 2 && positions[count] == 3);
        }
    }
    simd = best;
}

/* Random and then ascending batches of codes at, beside and far from those of the index. */
static void check_orders(size_t rows)
{
    sort_codes(rows);
    struct pkindex *index = build_open(rows);
    for (size_t i = 0; i < WANTED; i++) {
        wanted[i] = i % 3 == 0 ? hash_u64(i) : codes[hash_u64(i) % rows] + i % 3 - 1;
    }
    wanted[7] = 0;
    wanted[8] = UINT64_MAX;
    check_batches(index, rows);
    for (size_t i = 1; i < WANTED; i++) {
        for (size_t k = i; k > 0 && wanted[k - 1] > wanted[k]; k--) {
            uint64_t swap = wanted[k];
            wanted[k] = wanted[k - 1];
            wanted[k - 1] = swap;
        }
    }
    check_batches(index, rows);
    pkindex_close(index);
}

TEST(batches_agree_with_single_lookups_by_every_kernel)
{
    for (size_t i = 0; i < 100000; i++) {
        codes[i] = hash_u64(i); // Grids.
    }
    check_orders(100000);
    uint64_t code = 1000;
    for (size_t i = 0; i < 100000; i++) {
        uint64_t draw = hash_u64(i);
        code += draw % 100 == 0 ? (draw >> 20) >> (draw >> 8) % 40 : 1 + (draw >> 62);
        codes[i] = code; // Lines.
    }
    check_orders(100000);
    for (size_t i = 0; i < 100000; i++) {
        codes[i] = i < 50000 ? hash_u64(i) >> (i % 2 == 0 ? 0 : 40) : hash_u64(i / 900);
    }
    check_orders(100000); // Grids, blocks and runs.
    for (size_t rows = 1; rows < 40; rows += 6) {
        for (size_t i = 0; i < rows; i++) {
            codes[i] = hash_u64(i + rows);
        }
        check_orders(rows); // Fewer rows than a kernel compares.
    }
}

TEST(filter_holds_every_key_and_versions_count_once)
{
    for (size_t i = 0; i < 30000; i++) {
        codes[i] = i / 3;
        hashes[i] = hash_u64(i / 3);
    }
    struct bytes bytes = build(30000, 7, NULL);
    struct pkindex *index = NULL;
    CHECK(pkindex_open((struct span){.data = bytes.data, .size = bytes.size}, &alloc_system, &index,
                       NULL) == TDBPLUS_OK);
    uint64_t bitmap[157];
    pkindex_may_contain_batch(index, hashes, 10000, bitmap);
    size_t false_hits = 0;
    for (size_t i = 0; i < 10000; i++) {
        CHECK(pkindex_may_contain(index, hash_u64(i)));
        CHECK(bitmap[i / 64] >> (i % 64) & 1);
        false_hits += pkindex_may_contain(index, hash_u64(i + 10000));
    }
    CHECK(false_hits < 100);
    CHECK(pkindex_filter_size_bytes(index) * 8 < 10000 * 13);
    pkindex_close(index);
    bytes_deinit(&bytes);
}

TEST(the_same_rows_give_the_same_bytes_however_they_are_added)
{
    for (size_t i = 0; i < 80000; i++) {
        codes[i] = hash_u64(i) >> 30;
        hashes[i] = hash_u64(i);
    }
    sort_codes(80000);
    struct bytes one = build(80000, 1, NULL);
    struct bytes many = build(80000, 80000, NULL);
    CHECK(one.size == many.size);
    CHECK(memcmp(one.data, many.data, one.size) == 0);
    bytes_deinit(&one);
    bytes_deinit(&many);
}

TEST(codes_out_of_order_are_refused)
{
    struct pkindex_builder *builder = NULL;
    CHECK(pkindex_builder_create(&alloc_system, NULL, &builder, NULL) == TDBPLUS_OK);
    static const uint64_t wrong[] = {5, 6, 6, 4};
    CHECK(pkindex_builder_add(builder, wrong, wrong, 4, NULL) == TDBPLUS_E_INVALID);
    pkindex_builder_destroy(builder);
}

/* Rows with grids, lines, blocks and a run, small enough to damage bit by bit. */
static struct bytes small_index(enum pkfilter_kind filter)
{
    for (size_t i = 0; i < 1200; i++) {
        codes[i] = i < 300   ? i * 5
                   : i < 900 ? 5000 + (i - 300) / 40
                             : 100000 + (hash_u64(i) & 7) + (i << (i % 20 / 2));
        hashes[i] = hash_u64(codes[i]);
    }
    sort_codes(1200);
    return build(1200, 1200, &(struct pkindex_options){.filter = filter});
}

static void use_damaged(struct span damaged)
{
    struct pkindex *index = NULL;
    tdbplus_status status = pkindex_open(damaged, &alloc_system, &index, NULL);
    CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT || status == TDBPLUS_E_VERSION);
    if (status != TDBPLUS_OK) {
        CHECK(index == NULL);
        return;
    }
    for (size_t i = 0; i < 1200; i += 13) {
        struct pkrange range = pkindex_find(index, codes[i]);
        CHECK(range.first <= range.end && range.end <= pkindex_row_count(index));
        (void)pkindex_may_contain(index, hashes[i]);
    }
    pkindex_close(index);
}

TEST(open_refuses_every_truncation)
{
    struct bytes bytes = small_index(PKFILTER_FUSE);
    struct pkindex *index = NULL;
    for (size_t size = 0; size < bytes.size; size++) {
        CHECK(pkindex_open((struct span){.data = bytes.data, .size = size}, &alloc_system, &index,
                           NULL) == TDBPLUS_E_CORRUPT);
    }
    CHECK(index == NULL);
    bytes_deinit(&bytes);
}

TEST(lookups_stay_in_bounds_for_every_flipped_bit)
{
    struct bytes bytes = small_index(PKFILTER_NONE);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        use_damaged((struct span){.data = bytes.data, .size = bytes.size});
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    bytes_deinit(&bytes);
}

/* Lies that a checksum would not show: each must be refused, and the truth accepted. */
TEST(open_refuses_sections_that_contradict_each_other)
{
    struct bytes bytes = small_index(PKFILTER_NONE);
    struct pkheader header;
    struct pklayout layout;
    memcpy(&header, bytes.data, sizeof header);
    CHECK(pklayout_of(&header, bytes.size, &layout));
    struct span span = {.data = bytes.data, .size = bytes.size};
    struct pkindex *index = NULL;
    CHECK(pkindex_open(span, &alloc_system, &index, NULL) == TDBPLUS_OK);
    pkindex_close(index);
    index = NULL;
    const struct {
        size_t at;
        uint8_t flip;
    } lies[] = {
        {offsetof(struct pkheader, row_count), 1},
        {offsetof(struct pkheader, code_min), 1},
        {offsetof(struct pkheader, chunk_count), 1},
        {offsetof(struct pkheader, piece_count), 64},
        {layout.firsts, 1},
        {layout.chunks + offsetof(struct pkchunk, row), 1},
        {layout.chunks + offsetof(struct pkchunk, piece_count) + 1, 0x80},
        {layout.chunks + offsetof(struct pkchunk, pieces_at), 1},
        {layout.chunks + offsetof(struct pkchunk, kind), 1},
        {layout.chunks + offsetof(struct pkchunk, kind), 4},
        {layout.cells, 1},
        {layout.piece_firsts + 15, 0x80},
        {layout.pieces + 6, 0x80},
        {layout.pieces + 4, 1},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        bytes.data[lies[i].at] ^= lies[i].flip;
        CHECK(pkindex_open(span, &alloc_system, &index, NULL) == TDBPLUS_E_CORRUPT);
        bytes.data[lies[i].at] ^= lies[i].flip;
    }
    bytes.data[offsetof(struct pkheader, version)] = 2;
    CHECK(pkindex_open(span, &alloc_system, &index, NULL) == TDBPLUS_E_VERSION);
    CHECK(index == NULL);
    bytes_deinit(&bytes);
}

TEST(building_survives_every_failed_allocation)
{
    for (size_t i = 0; i < 3000; i++) {
        codes[i] = i * i;
        hashes[i] = hash_u64(i);
    }
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct pkindex_builder *builder = NULL;
        struct pkindex *index = NULL;
        struct buffer bytes;
        buffer_init(&bytes, &fault.alloc);
        tdbplus_status status = pkindex_builder_create(&fault.alloc, NULL, &builder, NULL);
        if (status == TDBPLUS_OK) {
            status = pkindex_builder_add(builder, codes, hashes, 3000, NULL);
        }
        if (status == TDBPLUS_OK) {
            status = pkindex_builder_finish(builder, &bytes, NULL);
            CHECK((status == TDBPLUS_OK) == (bytes.size > 0));
        }
        if (status == TDBPLUS_OK) {
            status = pkindex_open(buffer_span(&bytes), &fault.alloc, &index, NULL);
        }
        pkindex_close(index);
        pkindex_builder_destroy(builder);
        buffer_deinit(&bytes);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            CHECK(fail_at > 12);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
}
