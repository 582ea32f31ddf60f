/*
 * Goal: the map holds exactly what was put and not removed, whatever collides. Method: random
 * operations against a plain array of flags and values; keys from a small range, so that runs form
 * and wrap around the end; a sweep over failing allocations.
 */

#include "base/hash.h"
#include "base/map.h"
#include "test.h"

#define KEY_COUNT 600u

struct model {
    bool present[KEY_COUNT];
    uint64_t value[KEY_COUNT];
    size_t count;
};

/* Some keys are spread, some collide in their low bits, and the extremes are among them. */
static uint64_t key_of(size_t index)
{
    if (index == 0) {
        return 0;
    }
    if (index == 1) {
        return UINT64_MAX;
    }
    return index % 2 == 0 ? index : (uint64_t)index << 40;
}

static void check_same(const struct map *map, const struct model *model)
{
    CHECK(map->count == model->count);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const uint64_t *value = map_get(map, key_of(i));
        CHECK((value != NULL) == model->present[i]);
        CHECK(value == NULL || *value == model->value[i]);
    }
    size_t cursor = 0;
    size_t walked = 0;
    uint64_t key = 0;
    uint64_t value = 0;
    while (map_next(map, &cursor, &key, &value)) {
        const uint64_t *found = map_get(map, key);
        CHECK(found != NULL && *found == value);
        walked++;
    }
    CHECK(walked == model->count);
}

TEST(random_operations_follow_a_model)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct map map;
        map_init(&map, &alloc_system);
        struct model model = {0};
        size_t keys = 10 + seed * 30; // Few keys: many hits; many keys: many growths.
        for (uint64_t step = 0; step < 5000; step++) {
            uint64_t dice = hash_u64(seed << 32 | step);
            size_t i = dice % keys;
            uint64_t value = dice >> 20;
            if ((dice >> 60) < 8) {
                CHECK(map_put(&map, key_of(i), value));
                model.count += model.present[i] ? 0 : 1;
                model.present[i] = true;
                model.value[i] = value;
            } else {
                CHECK(map_remove(&map, key_of(i)) == model.present[i]);
                model.count -= model.present[i] ? 1 : 0;
                model.present[i] = false;
            }
            if (step % 500 == 0) {
                check_same(&map, &model);
            }
        }
        check_same(&map, &model);
        map_deinit(&map);
    }
}

TEST(removal_closes_gaps_that_wrap_around_the_end)
{
    // Keys whose home is one of the last two of 16 slots, so that their run wraps to the front.
    uint64_t keys[8];
    size_t count = 0;
    for (uint64_t key = 0; count < 8; key++) {
        if ((hash_u64(key) & 15) >= 14) {
            keys[count++] = key;
        }
    }
    for (size_t first = 0; first < count; first++) {
        for (size_t second = 0; second < count; second++) {
            struct map map;
            map_init(&map, &alloc_system);
            for (size_t i = 0; i < count; i++) {
                CHECK(map_put(&map, keys[i], i));
            }
            CHECK(map.capacity == 16);
            CHECK(map_remove(&map, keys[first]));
            CHECK(map_remove(&map, keys[second]) == (first != second));
            for (size_t i = 0; i < count; i++) {
                const uint64_t *value = map_get(&map, keys[i]);
                CHECK((value == NULL) == (i == first || i == second));
                CHECK(value == NULL || *value == i);
            }
            map_deinit(&map);
        }
    }
}

TEST(empty_map_answers)
{
    struct map map = {.alloc = &alloc_system};
    size_t cursor = 0;
    uint64_t key = 0;
    CHECK(map_get(&map, 1) == NULL);
    CHECK(!map_remove(&map, 1));
    CHECK(!map_next(&map, &cursor, &key, &key));
    map_deinit(&map);
    struct map zeroed = {0};
    map_deinit(&zeroed);
}

TEST(a_value_may_be_changed_where_it_lies)
{
    struct map map;
    map_init(&map, &alloc_system);
    CHECK(map_put(&map, 5, 1));
    *map_get(&map, 5) = 9;
    CHECK(*map_get(&map, 5) == 9);
    map_deinit(&map);
}

TEST(reserved_puts_need_no_memory_and_absurd_reserves_fail)
{
    for (size_t count = 0; count < 300; count += 7) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, UINT32_MAX);
        struct map map;
        map_init(&map, &fault.alloc);
        CHECK(map_put(&map, UINT64_MAX, 1));
        CHECK(map_reserve(&map, count));
        fault.fail_at = fault.calls;
        for (size_t i = 0; i < count; i++) {
            CHECK(map_put(&map, i, i));
        }
        CHECK(map.count <= map.capacity - map.capacity / 8);
        fault.fail_at = UINT32_MAX;
        CHECK(!map_reserve(&map, SIZE_MAX));
        CHECK(!map_reserve(&map, SIZE_MAX / 2 + 1));
        CHECK(map.count == count + 1);
        map_deinit(&map);
        CHECK(fault.live_bytes == 0);
    }
}

TEST(map_survives_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct map map;
        map_init(&map, &fault.alloc);
        size_t put = 0;
        while (put < 100 && map_put(&map, put, put * 3)) {
            put++;
        }
        CHECK(map.count == put);
        for (size_t i = 0; i < put; i++) {
            CHECK(*map_get(&map, i) == i * 3);
        }
        CHECK(map_get(&map, put) == NULL);
        if (put < 100) { // The failure changed nothing: the same put succeeds now.
            CHECK(map_put(&map, put, 1) && *map_get(&map, put) == 1);
        }
        map_deinit(&map);
        CHECK(fault.live_bytes == 0);
        if (put == 100) {
            break;
        }
    }
    CHECK(fail_at == 8); // Slots and flags for 16, 32, 64 and 128.
}
