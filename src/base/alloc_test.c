/*
 * Goal: the allocator functions zero what they promise to zero, pass sizes both ways exactly,
 * refuse sizes that wrap, and align what must be aligned. The system allocator is tested behind an
 * allocator that checks every call against a table of live blocks.
 */

#include "base/alloc.h"
#include "base/hash.h"
#include "test.h"

#define LIVE_COUNT_MAX 64u

/* Checks that each call names a live block with its true size and alignment. */
struct strict {
    struct alloc alloc;
    struct {
        void *ptr;
        size_t size;
        size_t align;
    } live[LIVE_COUNT_MAX];
    size_t live_count;
};

static void *strict_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    struct strict *strict = ctx;
    size_t at = strict->live_count;
    if (ptr == NULL) {
        CHECK(size_old == 0);
    } else {
        for (at = 0; at < strict->live_count && strict->live[at].ptr != ptr; at++) {
        }
        CHECK(at < strict->live_count);
        CHECK(strict->live[at].size == size_old);
        CHECK(strict->live[at].align == align);
    }
    void *fresh = alloc_system.resize(alloc_system.ctx, ptr, size_old, size_new, align);
    if (size_new == 0) {
        strict->live[at] = strict->live[--strict->live_count];
        return NULL;
    }
    CHECK(fresh != NULL);
    CHECK(at < LIVE_COUNT_MAX);
    strict->live_count += ptr == NULL;
    strict->live[at].ptr = fresh;
    strict->live[at].size = size_new;
    strict->live[at].align = align;
    return fresh;
}

static void strict_init(struct strict *strict)
{
    *strict = (struct strict){.alloc = {.resize = strict_resize, .ctx = strict}};
}

TEST(array_is_zeroed_and_freed_with_its_size)
{
    struct strict strict;
    strict_init(&strict);
    for (size_t count = 1; count < 200; count++) {
        uint32_t *items = alloc_array(&strict.alloc, count, sizeof *items);
        for (size_t i = 0; i < count; i++) {
            CHECK(items[i] == 0);
        }
        CHECK(strict.live[0].size == count * sizeof *items);
        memset(items, 0xFF, count * sizeof *items); // So that the next one is not zero by luck.
        alloc_free(&strict.alloc, items, count, sizeof *items);
        CHECK(strict.live_count == 0);
    }
}

TEST(sizes_that_wrap_are_refused)
{
    struct strict strict;
    strict_init(&strict);
    CHECK(alloc_array(&strict.alloc, SIZE_MAX / 2, 3) == NULL);
    CHECK(alloc_array(&strict.alloc, 3, SIZE_MAX / 2) == NULL);
    uint64_t *items = alloc_array(&strict.alloc, 1, sizeof *items);
    *items = 7;
    CHECK(alloc_resize(&strict.alloc, items, 1, SIZE_MAX / 4, sizeof *items) == NULL);
    CHECK(*items == 7); // The old block stands.
    alloc_free(&strict.alloc, items, 1, sizeof *items);
    CHECK(strict.live_count == 0);
}

TEST(resize_keeps_the_common_part)
{
    struct strict strict;
    strict_init(&strict);
    uint8_t *data = NULL;
    size_t size = 0;
    for (uint64_t step = 0; step < 300; step++) {
        size_t size_new = 1 + hash_u64(step) % 5000;
        data = alloc_resize(&strict.alloc, data, size, size_new, 1);
        for (size_t i = 0; i < size && i < size_new; i++) {
            CHECK(data[i] == (uint8_t)(i * 7));
        }
        for (size_t i = 0; i < size_new; i++) {
            data[i] = (uint8_t)(i * 7);
        }
        size = size_new;
    }
    alloc_free(&strict.alloc, data, size, 1);
    CHECK(strict.live_count == 0);
}

TEST(ordinary_memory_is_aligned_to_16_and_arrow_memory_to_64)
{
    struct strict strict;
    strict_init(&strict);
    for (size_t size = 1; size < 300; size += 13) {
        void *plain = alloc_raw(&strict.alloc, size);
        void *aligned = alloc_aligned(&strict.alloc, size);
        CHECK((uintptr_t)plain % 16 == 0);
        CHECK((uintptr_t)aligned % ALLOC_ALIGN_ARROW == 0);
        memset(plain, 1, size);
        memset(aligned, 2, size);
        alloc_free(&strict.alloc, plain, size, 1);
        alloc_free_aligned(&strict.alloc, aligned, size);
    }
    CHECK(strict.live_count == 0);
}

TEST(aligned_blocks_keep_bytes_and_alignment_when_resized)
{
    const struct alloc *alloc = &alloc_system;
    uint8_t *data = alloc_aligned(alloc, 100);
    memset(data, 0x5A, 100);
    uint8_t *bigger = alloc->resize(alloc->ctx, data, 100, 1000, ALLOC_ALIGN_ARROW);
    CHECK((uintptr_t)bigger % ALLOC_ALIGN_ARROW == 0);
    for (size_t i = 0; i < 100; i++) {
        CHECK(bigger[i] == 0x5A);
    }
    uint8_t *smaller = alloc->resize(alloc->ctx, bigger, 1000, 10, ALLOC_ALIGN_ARROW);
    CHECK((uintptr_t)smaller % ALLOC_ALIGN_ARROW == 0);
    CHECK(smaller[0] == 0x5A && smaller[9] == 0x5A);
    alloc_free_aligned(alloc, smaller, 10);
}

TEST(freeing_nothing_is_fine)
{
    alloc_free(&alloc_system, NULL, 0, 1);
    alloc_free_aligned(&alloc_system, NULL, 0);
    struct bytes bytes = {0};
    bytes_deinit(&bytes);
    bytes_deinit(&bytes);
}

TEST(every_function_reports_a_refused_allocation)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, 0);
    CHECK(alloc_raw(&fault.alloc, 8) == NULL);
    fault_alloc_init(&fault, 0);
    CHECK(alloc_array(&fault.alloc, 2, 8) == NULL);
    fault_alloc_init(&fault, 0);
    CHECK(alloc_aligned(&fault.alloc, 8) == NULL);
    fault_alloc_init(&fault, 1);
    uint8_t *data = alloc_raw(&fault.alloc, 8);
    data[7] = 9;
    CHECK(alloc_resize(&fault.alloc, data, 8, 16, 1) == NULL);
    CHECK(data[7] == 9);
    CHECK(fault.live_bytes == 8);
    alloc_free(&fault.alloc, data, 8, 1);
    CHECK(fault.live_bytes == 0);
}

TEST(spans_order_like_memcmp_with_the_shorter_first)
{
    static const char *const ordered[] = {"",  "a",    "a\x01", "aa",  "ab",
                                          "b", "\x7F", "\x80",  "\xFF"};
    size_t count = sizeof ordered / sizeof ordered[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = span_compare(span_from_text(ordered[i]), span_from_text(ordered[j]));
            CHECK((order < 0) == (i < j));
            CHECK((order > 0) == (i > j));
        }
    }
    CHECK(span_compare((struct span){0}, (struct span){0}) == 0);
    CHECK(span_compare((struct span){0}, span_from_text("a")) < 0);
}
