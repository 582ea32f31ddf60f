/*
 * Goal: a budget never lets more through than its limit or its parents' limits, counts to the byte,
 * and gives back exactly what it charged when anything fails. Method: random operations against a
 * model that adds and subtracts; then threads that fight for one limit.
 */

#include <pthread.h>

#include "base/budget.h"
#include "base/hash.h"
#include "test.h"

TEST(charges_are_exact_through_all_levels)
{
    struct budget root;
    struct budget child;
    struct budget leaf;
    budget_init(&root, &alloc_system, NULL, 1000);
    budget_init(&child, NULL, &root, 600);
    budget_init(&leaf, NULL, &child, SIZE_MAX);

    uint8_t *data = alloc_raw(&leaf.alloc, 500);
    CHECK(data != NULL);
    CHECK(root.used_bytes == 500 && child.used_bytes == 500 && leaf.used_bytes == 500);
    CHECK(alloc_raw(&leaf.alloc, 101) == NULL); // The child's limit.
    CHECK(root.used_bytes == 500 && child.used_bytes == 500 && leaf.used_bytes == 500);
    uint8_t *other = alloc_raw(&root.alloc, 450);
    CHECK(other != NULL);
    CHECK(alloc_raw(&leaf.alloc, 51) == NULL); // The root's limit.
    CHECK(child.used_bytes == 500 && leaf.used_bytes == 500 && root.used_bytes == 950);

    data = alloc_resize(&leaf.alloc, data, 500, 550, 1);
    CHECK(data != NULL && root.used_bytes == 1000 && leaf.used_bytes == 550);
    CHECK(alloc_resize(&leaf.alloc, data, 550, 551, 1) == NULL);
    CHECK(root.used_bytes == 1000);
    data = alloc_resize(&leaf.alloc, data, 550, 10, 1);
    CHECK(root.used_bytes == 460 && child.used_bytes == 10 && leaf.used_bytes == 10);
    CHECK(root.peak_bytes == 1000 && child.peak_bytes == 550);

    alloc_free(&leaf.alloc, data, 10, 1);
    alloc_free(&root.alloc, other, 450, 1);
    budget_deinit(&leaf);
    budget_deinit(&child);
    budget_deinit(&root);
}

TEST(a_size_that_wraps_the_counter_is_refused)
{
    struct budget root;
    struct budget child;
    budget_init(&root, &alloc_system, NULL, 1000);
    budget_init(&child, NULL, &root, SIZE_MAX);
    CHECK(budget_charge(&child, 100));
    // 100 + SIZE_MAX - 50 wraps to 49, which is below the limit.
    CHECK(!budget_charge(&child, SIZE_MAX - 50));
    CHECK(!budget_charge(&root, SIZE_MAX - 50));
    CHECK(alloc_raw(&child.alloc, SIZE_MAX - 50) == NULL);
    CHECK(root.used_bytes == 100 && child.used_bytes == 100);
    budget_discharge(&child, 100);
    budget_deinit(&child);
    budget_deinit(&root);
}

TEST(a_refusing_source_is_not_charged)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, 1);
    struct budget budget;
    budget_init(&budget, &fault.alloc, NULL, SIZE_MAX);
    uint8_t *data = alloc_raw(&budget.alloc, 100);
    CHECK(data != NULL);
    CHECK(alloc_resize(&budget.alloc, data, 100, 200, 1) == NULL);
    CHECK(budget.used_bytes == 100);
    CHECK(fault.live_bytes == 100);
    alloc_free(&budget.alloc, data, 100, 1);
    CHECK(fault.live_bytes == 0);
    budget_deinit(&budget);
}

TEST(zeroed_budget_may_be_deinitialised)
{
    struct budget budget = {0};
    budget_deinit(&budget);
}

TEST(random_charges_follow_a_model)
{
    struct budget root;
    struct budget child;
    budget_init(&root, &alloc_system, NULL, 10000);
    budget_init(&child, NULL, &root, 6000);
    size_t held_root = 0; // Charged to the root directly.
    size_t held_child = 0;
    for (uint64_t step = 0; step < 20000; step++) {
        uint64_t dice = hash_u64(step);
        size_t size = dice % 3000;
        bool use_child = (dice >> 32 & 1) != 0;
        size_t *held = use_child ? &held_child : &held_root;
        struct budget *budget = use_child ? &child : &root;
        if ((dice >> 33 & 1) != 0) {
            bool fits = held_root + held_child + size <= 10000;
            fits = fits && (!use_child || held_child + size <= 6000);
            CHECK(budget_charge(budget, size) == fits);
            *held += fits ? size : 0;
        } else if (*held >= size) {
            budget_discharge(budget, size);
            *held -= size;
        }
        CHECK(child.used_bytes == held_child);
        CHECK(root.used_bytes == held_root + held_child);
    }
    budget_discharge(&child, held_child);
    budget_discharge(&root, held_root);
    budget_deinit(&child);
    budget_deinit(&root);
}

#define THREADS     4u
#define STEPS       20000u
#define SHARE_BYTES 100u

static struct budget shared;
static _Atomic size_t held_total;
static _Atomic bool failed_within_limit;

/* Everybody may always hold a share: the big requests that fail beside must not take it away. */
static void *fight(void *arg)
{
    uint64_t seed = *(const uint64_t *)arg;
    for (uint64_t step = 0; step < STEPS; step++) {
        if (hash_u64(seed + step) % 2 == 0) {
            if (budget_charge(&shared, THREADS * SHARE_BYTES + 1)) {
                atomic_store(&failed_within_limit, true); // Over the limit, yet let through.
            }
            continue;
        }
        if (!budget_charge(&shared, SHARE_BYTES)) {
            atomic_store(&failed_within_limit, true);
            continue;
        }
        size_t held = atomic_fetch_add(&held_total, SHARE_BYTES) + SHARE_BYTES;
        if (held > THREADS * SHARE_BYTES) {
            atomic_store(&failed_within_limit, true);
        }
        atomic_fetch_sub(&held_total, SHARE_BYTES);
        budget_discharge(&shared, SHARE_BYTES);
    }
    return NULL;
}

TEST(requests_that_fail_do_not_make_others_fail)
{
    budget_init(&shared, &alloc_system, NULL, (size_t)THREADS * SHARE_BYTES);
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        seeds[i] = i << 32;
        CHECK(pthread_create(&threads[i], NULL, fight, &seeds[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(!failed_within_limit);
    CHECK(shared.used_bytes == 0);
    CHECK(shared.peak_bytes <= (size_t)THREADS * SHARE_BYTES);
    budget_deinit(&shared);
}
