/*
 * Goal: arena memory does not overlap, is aligned, survives until it is rolled back, and every byte
 * comes back. Method: random operations against a model that fills each allocation with its own
 * pattern and checks all live patterns; a sweep over failing allocations.
 */

#include "base/arena.h"
#include "base/hash.h"
#include "test.h"

#define LIVE_COUNT_MAX 256u

struct live {
    uint8_t *data;
    size_t size;
};

static void fill(struct live *live, size_t index)
{
    memset(live[index].data, (int)(index % 251 + 1), live[index].size);
}

static bool is_filled(const struct live *live, size_t index)
{
    for (size_t i = 0; i < live[index].size; i++) {
        if (live[index].data[i] != (uint8_t)(index % 251 + 1)) {
            return false;
        }
    }
    return true;
}

TEST(zeroed_arena_may_be_deinitialised_and_a_new_one_holds_nothing)
{
    struct arena arena = {0};
    arena_deinit(&arena);
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    arena_init(&arena, &fault.alloc, 0);
    CHECK(arena.used_bytes == 0 && fault.live_bytes == 0);
    arena_deinit(&arena);
}

TEST(size_zero_gives_a_valid_pointer_even_first)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct arena arena;
    arena_init(&arena, &fault.alloc, 0);
    CHECK(arena_alloc(&arena, 0) != NULL);
    arena_deinit(&arena);
    arena_init(&arena, &fault.alloc, 0);
    CHECK(arena_array(&arena, 0, 8) != NULL);
    arena_deinit(&arena);
    arena_init(&arena, &fault.alloc, 0);
    CHECK(arena_bytes(&arena, 0) != NULL);
    arena_deinit(&arena);
    CHECK(fault.live_bytes == 0);
}

TEST(sizes_that_wrap_are_refused)
{
    struct arena arena;
    arena_init(&arena, &alloc_system, 0);
    CHECK(arena_alloc(&arena, SIZE_MAX) == NULL);
    CHECK(arena_alloc(&arena, SIZE_MAX - 8) == NULL);
    CHECK(arena_bytes(&arena, SIZE_MAX - 8) == NULL);
    CHECK(arena_array(&arena, SIZE_MAX / 2, 3) == NULL);
    CHECK(arena_text(&arena, (struct span){.data = NULL, .size = SIZE_MAX}) == NULL);
    CHECK(!arena_reserve(&arena, SIZE_MAX - 8));
    CHECK(arena.used_bytes == 0);
    arena_deinit(&arena);
}

TEST(arrays_are_zeroed_and_texts_terminated)
{
    struct arena arena;
    arena_init(&arena, &alloc_system, 64);
    for (size_t round = 0; round < 3; round++) {
        for (size_t count = 0; count < 100; count++) {
            uint16_t *items = arena_array(&arena, count, sizeof *items);
            for (size_t i = 0; i < count; i++) {
                CHECK(items[i] == 0);
                items[i] = UINT16_MAX;
            }
            CHECK((uintptr_t)items % 16 == 0);
        }
        CHECK(strcmp(arena_text(&arena, span_from_text("tables")), "tables") == 0);
        CHECK(strcmp(arena_text(&arena, (struct span){0}), "") == 0);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

TEST(random_allocations_never_overlap_and_marks_bring_back_the_moment)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, UINT32_MAX);
        struct arena arena;
        arena_init(&arena, &fault.alloc, 100 + seed * 40);
        struct live live[LIVE_COUNT_MAX] = {0};
        size_t count = 0;
        struct arena_mark mark = arena_mark(&arena);
        size_t count_at_mark = 0;
        for (uint64_t step = 0; step < 400; step++) {
            uint64_t dice = hash_u64(seed << 32 | step);
            size_t size = dice >> 8 & 0xFF;
            size = (dice & 31) == 0 ? size * 16 : size;
            if ((dice & 0xFF) == 1) {
                arena_rollback(&arena, mark);
                count = count_at_mark;
            } else if ((dice & 0xFF) < 8) {
                mark = arena_mark(&arena);
                count_at_mark = count;
            } else if (count < LIVE_COUNT_MAX) {
                bool bytes = (dice >> 40 & 1) != 0;
                live[count].data = bytes ? arena_bytes(&arena, size) : arena_alloc(&arena, size);
                live[count].size = size;
                CHECK(live[count].data != NULL);
                CHECK(bytes || (uintptr_t)live[count].data % 16 == 0);
                fill(live, count++);
            }
            CHECK(fault.live_bytes == arena.used_bytes);
        }
        for (size_t i = 0; i < count; i++) {
            CHECK(is_filled(live, i));
        }
        arena_deinit(&arena);
        CHECK(fault.live_bytes == 0);
    }
}

TEST(rollback_to_the_beginning_gives_everything_back)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct arena arena;
    arena_init(&arena, &fault.alloc, 0);
    struct arena_mark mark = arena_mark(&arena);
    CHECK(arena_alloc(&arena, 100000) != NULL);
    CHECK(arena_alloc(&arena, 100) != NULL);
    arena_rollback(&arena, mark);
    CHECK(fault.live_bytes == 0);
    CHECK(arena_alloc(&arena, 100) != NULL);
    arena_deinit(&arena);
}

TEST(reset_keeps_one_block_and_reuses_it)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct arena arena;
    arena_init(&arena, &fault.alloc, 1000);
    CHECK(arena_alloc(&arena, 900) != NULL);
    uint32_t calls = fault.calls;
    for (int i = 0; i < 100; i++) {
        arena_reset(&arena);
        CHECK(arena_alloc(&arena, 900) != NULL);
    }
    CHECK(fault.calls == calls);
    arena_deinit(&arena);
}

TEST(reserve_makes_the_next_allocations_free_of_failure)
{
    for (size_t used = 0; used < 200; used += 7) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, UINT32_MAX);
        struct arena arena;
        arena_init(&arena, &fault.alloc, 128);
        CHECK(arena_bytes(&arena, used) != NULL);
        CHECK(arena_reserve(&arena, (50 + 15) + (70 + 15) + 30));
        fault.fail_at = fault.calls; // From here on nothing more may be asked for.
        CHECK(arena_alloc(&arena, 50) != NULL);
        CHECK(arena_alloc(&arena, 70) != NULL);
        CHECK(arena_bytes(&arena, 30) != NULL);
        arena_deinit(&arena);
    }
}

TEST(arena_survives_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct arena arena;
        arena_init(&arena, &fault.alloc, 64);
        bool all = true;
        for (size_t i = 0; i < 4; i++) {
            uint8_t *data = arena_alloc(&arena, 200);
            all = all && data != NULL;
            if (data != NULL) {
                memset(data, 1, 200);
            }
        }
        // A refusal is not sticky: the arena goes on once there is memory.
        CHECK(arena_alloc(&arena, 500) != NULL || fault.calls == fail_at + 1);
        arena_deinit(&arena);
        CHECK(fault.live_bytes == 0);
        if (all && fault.calls <= fail_at) {
            break;
        }
    }
    CHECK(fail_at == 5);
}
