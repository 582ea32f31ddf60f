/*
 * Goal: nothing is freed under a reader, whichever thread runs between any two atomic operations.
 * Threads alone do not show that: the windows are a few instructions wide. Here epoch.c is compiled
 * once more with every atomic operation giving way to a scheduler that picks the next of several
 * coroutines by a seed, so thousands of orders are tried, and a failure names its seed.
 *
 * gcc only, because clang's builtins do not take atomic types; and not under ThreadSanitizer, which
 * does not follow a thread from stack to stack.
 *
 * This explores orders of operations, as if all were sequentially consistent; what a store buffer
 * adds is left to ThreadSanitizer and to the comments in epoch.c.
 */

#include <stdatomic.h>
#include <ucontext.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "test.h"

#if !defined(__clang__) && !defined(__SANITIZE_THREAD__)

static void give_way(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_compare_exchange_strong_explicit
#define atomic_load_explicit(at, order)         (give_way(), __atomic_load_n(at, order))
#define atomic_store_explicit(at, value, order) (give_way(), __atomic_store_n(at, value, order))
#define atomic_exchange_explicit(at, value, order) \
    (give_way(), __atomic_exchange_n(at, value, order))
#define atomic_fetch_add_explicit(at, value, order) \
    (give_way(), __atomic_fetch_add(at, value, order))
#define atomic_fetch_sub_explicit(at, value, order) \
    (give_way(), __atomic_fetch_sub(at, value, order))
#define atomic_compare_exchange_weak_explicit(at, expected, value, yes, no) \
    (give_way(), __atomic_compare_exchange_n(at, expected, value, true, yes, no))
#define atomic_compare_exchange_strong_explicit(at, expected, value, yes, no) \
    (give_way(), __atomic_compare_exchange_n(at, expected, value, false, yes, no))

/* Names of their own, beside those of the library that the test is linked with. */
#define epoch_init    interleaved_init
#define epoch_deinit  interleaved_deinit
#define epoch_enter   interleaved_enter
#define epoch_exit    interleaved_exit
#define epoch_retire  interleaved_retire
#define epoch_collect interleaved_collect
#define epoch_mark    interleaved_mark
#define epoch_passed  interleaved_passed
#include "base/epoch.h"
#undef EPOCH_STRIPES
#define EPOCH_STRIPES 2u /* More would only make looking at them longer. */
#include "base/epoch.c"

#define TASKS      5u
#define WRITERS    2u
#define ROUNDS     8u
#define STACK_SIZE ((size_t)64 << 10)
#define NODE_COUNT (WRITERS * (ROUNDS + 1))
#define SEED_COUNT 5000u

static ucontext_t scheduler;
static ucontext_t tasks[TASKS];
static uint8_t stacks[TASKS][STACK_SIZE];
static bool done[TASKS];
static uint32_t current = TASKS; /* TASKS: none, so nobody gives way. */
static uint64_t dice;
static uint64_t burst; /* How many more operations the current task may do at once. */

static uint64_t roll(uint64_t sides)
{
    dice = hash_u64(dice);
    return dice % sides;
}

static void give_way(void)
{
    if (current < TASKS && burst-- == 0) {
        (void)swapcontext(&tasks[current], &scheduler);
    }
}

struct node {
    struct epoch_garbage garbage;
    uint32_t readers; /* That found it and have not left. */
    bool freed;
};

static struct epoch epoch;
static struct node nodes[NODE_COUNT];
static uint32_t node_count;
static struct node *cells[WRITERS];
static uint64_t seed;

static void free_node(struct epoch_garbage *garbage)
{
    struct node *node = (struct node *)(void *)garbage;
    if (node->readers != 0 || node->freed) {
        fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    }
    CHECK(node->readers == 0);
    CHECK(!node->freed);
    node->freed = true;
}

static void read_rounds(void)
{
    while (!done[0] || !done[1]) {
        struct epoch_ticket ticket = epoch_enter(&epoch);
        give_way();
        struct node *node = cells[roll(WRITERS)];
        node->readers++;
        CHECK(!node->freed);
        for (uint64_t stay = roll(12); stay > 0; stay--) {
            give_way();
        }
        CHECK(!node->freed);
        node->readers--;
        epoch_exit(&epoch, ticket);
    }
}

static void write_rounds(uint32_t cell)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct node *old = cells[cell];
        cells[cell] = &nodes[node_count++];
        epoch_retire(&epoch, &old->garbage, free_node);
        (void)epoch_collect(&epoch);
    }
}

static void run_task(void)
{
    uint32_t me = current;
    if (me < WRITERS) {
        write_rounds(me);
    } else {
        read_rounds();
    }
    done[me] = true;
    (void)swapcontext(&tasks[me], &scheduler);
}

/* A function of its own, because the compiler takes getcontext() for one that returns twice. */
static void prepare_task(uint32_t task)
{
    done[task] = false;
    (void)getcontext(&tasks[task]);
    tasks[task].uc_stack.ss_sp = stacks[task];
    tasks[task].uc_stack.ss_size = STACK_SIZE;
    makecontext(&tasks[task], run_task, 0);
}

static void run_seed(void)
{
    dice = hash_u64(seed);
    memset(nodes, 0, sizeof nodes);
    node_count = 0;
    for (uint32_t i = 0; i < WRITERS; i++) {
        cells[i] = &nodes[node_count++];
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        prepare_task(i);
    }
    for (uint32_t left = TASKS; left > 0;) {
        current = (uint32_t)roll(TASKS);
        if (!done[current]) {
            // Short and long ones, so that a task may stand still while others do a lot.
            burst = roll((uint64_t)1 << roll(8));
            (void)swapcontext(&scheduler, &tasks[current]);
            left -= done[current] ? 1 : 0;
        }
    }
    current = TASKS;
}

TEST(no_order_of_operations_frees_under_a_reader)
{
    for (seed = 0; seed < SEED_COUNT; seed++) {
        epoch_init(&epoch);
        run_seed();
        epoch_deinit(&epoch);
        for (uint32_t i = 0; i < node_count; i++) {
            CHECK(nodes[i].freed == (&nodes[i] != cells[0] && &nodes[i] != cells[1]));
        }
    }
}

#else

TEST(orders_of_operations_are_tried_by_gcc_only)
{
    CHECK(hash_u64(0) != 0);
}

#endif
