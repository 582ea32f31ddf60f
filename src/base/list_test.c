/*
 * Goal: a list holds its items in order through growth and removal. Method: random operations
 * against a fixed array; a sweep over failing allocations.
 */

#include "base/hash.h"
#include "base/list.h"
#include "test.h"

#define MODEL_COUNT_MAX 500u

struct item {
    uint64_t id;
    uint8_t more[5]; // An odd size.
};

TEST(random_operations_follow_a_model)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct list list;
        list_init(&list, &alloc_system, sizeof(struct item));
        uint64_t model[MODEL_COUNT_MAX];
        size_t count = 0;
        for (uint64_t step = 0; step < 3000; step++) {
            uint64_t dice = hash_u64(seed << 32 | step);
            if (count < MODEL_COUNT_MAX && dice % 5 < 3) {
                struct item item = {.id = step};
                struct item *pushed = list_push(&list, &item);
                CHECK(pushed != NULL && pushed->id == step);
                model[count++] = step;
            } else if (count > 0) {
                size_t index = (dice >> 16) % count;
                list_remove(&list, index);
                memmove(model + index, model + index + 1, (count - index - 1) * sizeof *model);
                count--;
            }
            CHECK(list.count == count);
        }
        for (size_t i = 0; i < count; i++) {
            CHECK(((struct item *)list_at(&list, i))->id == model[i]);
        }
        list_deinit(&list);
        CHECK(list.count == 0 && list.item_size == sizeof(struct item));
    }
}

TEST(push_without_an_item_zeroes)
{
    struct list list;
    list_init(&list, &alloc_system, sizeof(struct item));
    struct item item = {.id = UINT64_MAX};
    for (int i = 0; i < 100; i++) {
        CHECK(list_push(&list, &item) != NULL);
    }
    while (list.count > 0) {
        list_remove(&list, list.count - 1);
    }
    for (int i = 0; i < 100; i++) { // Over memory that held something.
        struct item *fresh = list_push(&list, NULL);
        CHECK(fresh != NULL && fresh->id == 0);
    }
    list_deinit(&list);
}

TEST(zeroed_list_may_be_deinitialised)
{
    struct list list = {0};
    list_deinit(&list);
}

TEST(reserved_pushes_need_no_memory_and_absurd_reserves_fail)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct list list;
    list_init(&list, &fault.alloc, sizeof(struct item));
    CHECK(list_push(&list, NULL) != NULL);
    CHECK(list_reserve(&list, 1000));
    fault.fail_at = fault.calls;
    for (int i = 0; i < 1000; i++) {
        CHECK(list_push(&list, NULL) != NULL);
    }
    fault.fail_at = UINT32_MAX;
    CHECK(!list_reserve(&list, SIZE_MAX));
    CHECK(!list_reserve(&list, SIZE_MAX / sizeof(struct item)));
    CHECK(list.count == 1001);
    list_deinit(&list);
    CHECK(fault.live_bytes == 0);
}

TEST(list_survives_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct list list;
        list_init(&list, &fault.alloc, sizeof(uint64_t));
        uint64_t pushed = 0;
        while (pushed < 100 && list_push(&list, &pushed) != NULL) {
            pushed++;
        }
        CHECK(list.count == pushed);
        for (uint64_t i = 0; i < pushed; i++) {
            CHECK(*(uint64_t *)list_at(&list, i) == i);
        }
        list_deinit(&list);
        CHECK(fault.live_bytes == 0);
        if (pushed == 100) {
            break;
        }
    }
    CHECK(fail_at == 5); // 8, 16, 32, 64 and 128 items.
}
