/* Goal: a filter holds every hash it was built from, says no to nearly all others, costs what it
 * promises, and damaged bytes are refused or answer without touching memory outside. Method:
 * seeded sets of every small size and around the shard size, with repeated hashes. */

#include "index/learned/pkfilter.h"

#include "base/hash.h"
#include "test.h"

static const enum pkfilter_kind kinds[] = {PKFILTER_FUSE, PKFILTER_BLOCK};

/* Builds over `count` hashes, each twice when `is_repeated`, and checks all of them. */
static void check_set(enum pkfilter_kind kind, size_t count, bool is_repeated)
{
    size_t total = is_repeated ? count * 2 : count;
    uint64_t *hashes = alloc_array(&alloc_system, total + 1, sizeof *hashes);
    CHECK(hashes != NULL);
    for (size_t i = 0; i < total; i++) {
        hashes[i] = hash_u64(i % count);
    }
    struct buffer bytes;
    buffer_init(&bytes, &alloc_system);
    CHECK(pkfilter_build(kind, hashes, total, &alloc_system, &bytes, NULL) == TDBPLUS_OK);
    struct pkfilter filter = {0};
    CHECK(pkfilter_open(buffer_span(&bytes), &filter, NULL) == TDBPLUS_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK(pkfilter_may_contain(&filter, hash_u64(i)));
    }
    size_t false_hits = 0;
    for (size_t i = 0; i < 20000; i++) {
        false_hits += pkfilter_may_contain(&filter, hash_u64((uint64_t)1 << 40 | i));
    }
    CHECK(false_hits < 20000 / 50);
    if (count >= 100000 && !is_repeated) {
        CHECK(bytes.size * 8 < count * 13);
        CHECK(kind != PKFILTER_FUSE || bytes.size * 8 < count * 10);
    }
    buffer_deinit(&bytes);
    alloc_free(&alloc_system, hashes, total + 1, sizeof *hashes);
}

TEST(every_hash_is_held_at_every_small_size)
{
    for (size_t k = 0; k < 2; k++) {
        for (size_t count = 1; count < 130; count++) {
            check_set(kinds[k], count, false);
            check_set(kinds[k], count, true);
        }
        check_set(kinds[k], 100000, false);
        check_set(kinds[k], 30000, true);
    }
}

TEST(every_hash_is_held_across_shards)
{
    check_set(PKFILTER_FUSE, PKFILTER_SHARD_KEY_COUNT + 1, false);
}

TEST(an_empty_set_holds_nearly_nothing)
{
    for (size_t k = 0; k < 2; k++) {
        check_set(kinds[k], 1, true);
        struct buffer bytes;
        buffer_init(&bytes, &alloc_system);
        uint64_t none = 0;
        CHECK(pkfilter_build(kinds[k], &none, 0, &alloc_system, &bytes, NULL) == TDBPLUS_OK);
        struct pkfilter filter = {0};
        CHECK(pkfilter_open(buffer_span(&bytes), &filter, NULL) == TDBPLUS_OK);
        size_t hits = 0;
        for (uint64_t i = 0; i < 10000; i++) {
            hits += pkfilter_may_contain(&filter, hash_u64(i));
        }
        CHECK(hits < 200);
        buffer_deinit(&bytes);
    }
}

TEST(no_filter_holds_everything)
{
    struct pkfilter filter = {0};
    CHECK(pkfilter_open((struct span){0}, &filter, NULL) == TDBPLUS_OK);
    CHECK(pkfilter_may_contain(&filter, 42));
    uint64_t hashes[70] = {0};
    uint64_t bitmap[2] = {0};
    pkfilter_may_contain_batch(&filter, hashes, 70, bitmap);
    CHECK(bitmap[0] == UINT64_MAX && bitmap[1] == 63);
}

TEST(batch_agrees_with_single_probes_at_every_length)
{
    for (size_t k = 0; k < 2; k++) {
        uint64_t hashes[1000];
        for (size_t i = 0; i < 1000; i++) {
            hashes[i] = hash_u64(i);
        }
        struct buffer bytes;
        buffer_init(&bytes, &alloc_system);
        CHECK(pkfilter_build(kinds[k], hashes, 1000, &alloc_system, &bytes, NULL) == TDBPLUS_OK);
        struct pkfilter filter = {0};
        CHECK(pkfilter_open(buffer_span(&bytes), &filter, NULL) == TDBPLUS_OK);
        uint64_t probes[200];
        for (size_t i = 0; i < 200; i++) {
            probes[i] = hash_u64(i * 9);
        }
        for (size_t count = 1; count <= 200; count++) {
            uint64_t bitmap[5] = {7, 7, 7, 7, 7};
            pkfilter_may_contain_batch(&filter, probes, count, bitmap);
            for (size_t i = 0; i < (count + 63) / 64 * 64; i++) {
                bool bit = bitmap[i / 64] >> (i % 64) & 1;
                CHECK(bit == (i < count && pkfilter_may_contain(&filter, probes[i])));
            }
            CHECK(bitmap[(count + 63) / 64] == 7);
        }
        buffer_deinit(&bytes);
    }
}

TEST(building_survives_every_failed_allocation)
{
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        uint64_t hashes[500];
        for (size_t i = 0; i < 500; i++) {
            hashes[i] = hash_u64(i);
        }
        struct buffer bytes;
        buffer_init(&bytes, &fault.alloc);
        tdbplus_status status =
            pkfilter_build(PKFILTER_FUSE, hashes, 500, &fault.alloc, &bytes, NULL);
        buffer_deinit(&bytes);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            CHECK(fail_at == 7); // The partition, the bytes, five arrays of work.
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
}

TEST(open_refuses_every_truncation_and_survives_every_flipped_bit)
{
    for (size_t k = 0; k < 2; k++) {
        uint64_t hashes[40];
        for (size_t i = 0; i < 40; i++) {
            hashes[i] = hash_u64(i);
        }
        struct buffer bytes;
        buffer_init(&bytes, &alloc_system);
        CHECK(pkfilter_build(kinds[k], hashes, 40, &alloc_system, &bytes, NULL) == TDBPLUS_OK);
        struct pkfilter filter = {0};
        for (size_t size = 1; size < bytes.size; size++) {
            struct span cut = {.data = bytes.data, .size = size};
            CHECK(pkfilter_open(cut, &filter, NULL) == TDBPLUS_E_CORRUPT);
        }
        size_t refused = 0;
        for (size_t bit = 0; bit < bytes.size * 8; bit++) {
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            tdbplus_status status = pkfilter_open(buffer_span(&bytes), &filter, NULL);
            CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
            refused += status != TDBPLUS_OK;
            for (uint64_t i = 0; i < 64 && status == TDBPLUS_OK; i++) {
                (void)pkfilter_may_contain(&filter, hash_u64(i));
            }
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        CHECK(refused > 64);
        buffer_deinit(&bytes);
    }
}
