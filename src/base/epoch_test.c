/*
 * Goal: nothing retired is freed while a reader that could have seen it is inside (B4), and
 * everything is freed once they have left. Method: one thread with random tickets against a model
 * that remembers who was inside at each retirement; then real threads that read what a writer
 * unlinks, poisons and frees, which the sanitizers watch.
 */

#include <pthread.h>
#include <sched.h>

#include "base/epoch.h"
#include "base/hash.h"
#include "test.h"

#define READER_COUNT_MAX 64u

static struct epoch epoch;

/* --- one thread ------------------------------------------------------------------------------ */

struct object {
    struct epoch_garbage garbage;      // First, so that a garbage item is its object.
    uint64_t visits[READER_COUNT_MAX]; // Those that were going on when this was retired.
};

static uint64_t visits_now[READER_COUNT_MAX]; // The visit each reader is on; 0: outside.
static uint64_t visit_count;
static size_t freed_count;

static void free_object(struct epoch_garbage *garbage)
{
    struct object *object = (struct object *)(void *)garbage;
    for (size_t i = 0; i < READER_COUNT_MAX; i++) {
        CHECK(object->visits[i] == 0 || object->visits[i] != visits_now[i]);
    }
    freed_count++;
    alloc_free(&alloc_system, object, 1, sizeof *object);
}

static struct object *retire_new(void)
{
    struct object *object = alloc_array(&alloc_system, 1, sizeof *object);
    CHECK(object != NULL);
    memcpy(object->visits, visits_now, sizeof visits_now);
    epoch_retire(&epoch, &object->garbage, free_object);
    return object;
}

TEST(nothing_is_freed_under_a_reader_and_everything_after)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        epoch_init(&epoch);
        struct epoch_ticket tickets[READER_COUNT_MAX];
        freed_count = 0;
        size_t retired = 0;
        for (uint64_t step = 0; step < 2000; step++) {
            uint64_t dice = hash_u64(seed << 32 | step);
            size_t reader = (dice >> 8) % (1 + seed % READER_COUNT_MAX);
            if (dice % 4 == 0) {
                (void)retire_new();
                retired++;
            } else if (dice % 4 == 1) {
                (void)epoch_collect(&epoch);
            } else if (visits_now[reader] != 0) {
                visits_now[reader] = 0;
                epoch_exit(&epoch, tickets[reader]);
            } else {
                tickets[reader] = epoch_enter(&epoch);
                visits_now[reader] = ++visit_count;
            }
        }
        for (size_t reader = 0; reader < READER_COUNT_MAX; reader++) {
            if (visits_now[reader] != 0) {
                visits_now[reader] = 0;
                epoch_exit(&epoch, tickets[reader]);
            }
        }
        CHECK(epoch_collect(&epoch)); // Nobody is inside: once is enough.
        CHECK(freed_count == retired);
        epoch_deinit(&epoch);
    }
}

TEST(a_reader_holds_up_what_is_retired_while_it_is_inside)
{
    epoch_init(&epoch);
    freed_count = 0;
    struct epoch_ticket ticket = epoch_enter(&epoch);
    visits_now[0] = ++visit_count;
    (void)retire_new();
    for (int i = 0; i < 10; i++) {
        CHECK(!epoch_collect(&epoch));
    }
    CHECK(freed_count == 0);
    visits_now[0] = 0;
    epoch_exit(&epoch, ticket);
    CHECK(epoch_collect(&epoch));
    CHECK(freed_count == 1);
    epoch_deinit(&epoch);
}

TEST(marks_pass_when_the_readers_of_their_time_have_left)
{
    epoch_init(&epoch);
    CHECK(epoch_passed(&epoch, epoch_mark(&epoch)));
    struct epoch_ticket early = epoch_enter(&epoch);
    uint64_t mark = epoch_mark(&epoch);
    CHECK(!epoch_passed(&epoch, mark));
    epoch_exit(&epoch, early);
    struct epoch_ticket late = epoch_enter(&epoch);
    CHECK(!epoch_passed(&epoch, epoch_mark(&epoch)));
    epoch_exit(&epoch, late);
    CHECK(epoch_passed(&epoch, mark));
    epoch_deinit(&epoch);
}

TEST(tickets_may_overlap_and_be_given_back_in_any_order)
{
    epoch_init(&epoch);
    struct epoch_ticket tickets[8];
    for (size_t i = 0; i < 8; i++) {
        tickets[i] = epoch_enter(&epoch);
        (void)epoch_passed(&epoch, epoch_mark(&epoch)); // Tries to move on.
    }
    for (size_t i = 0; i < 8; i++) {
        epoch_exit(&epoch, tickets[(i * 5) % 8]);
    }
    CHECK(epoch_passed(&epoch, epoch_mark(&epoch)));
    epoch_deinit(&epoch); // Asserts that nobody is inside.
}

static void free_and_retire_another(struct epoch_garbage *garbage)
{
    (void)retire_new();
    free_object(garbage);
}

TEST(what_a_free_function_retires_is_freed_too)
{
    for (int by_deinit = 0; by_deinit < 2; by_deinit++) {
        epoch_init(&epoch);
        freed_count = 0;
        struct object *object = alloc_array(&alloc_system, 1, sizeof *object);
        CHECK(object != NULL);
        epoch_retire(&epoch, &object->garbage, free_and_retire_another);
        if (by_deinit == 0) {
            CHECK(!epoch_collect(&epoch)); // One is left: the one just retired.
            CHECK(freed_count == 1);
            CHECK(epoch_collect(&epoch));
            CHECK(freed_count == 2);
        }
        epoch_deinit(&epoch);
        CHECK(freed_count == 2);
    }
}

/* --- threads --------------------------------------------------------------------------------- */

#define READERS     3u
#define CELLS       4u
#define REPLACES    20000u
#define VALUE_ALIVE 0xA11CEu
#define VALUE_DEAD  0xDEADu

struct node {
    struct epoch_garbage garbage;
    uint64_t value;
};

static _Atomic(struct node *) cells[CELLS];
static _Atomic bool stop;
static _Atomic uint64_t nodes_live;
static _Atomic uint64_t dead_reads;
static _Atomic uint64_t reads;

static void free_node(struct epoch_garbage *garbage)
{
    struct node *node = (struct node *)(void *)garbage;
    node->value = VALUE_DEAD; // Without a happens-before from the readers, a data race.
    alloc_free(&alloc_system, node, 1, sizeof *node);
    atomic_fetch_sub(&nodes_live, 1);
}

static struct node *new_node(void)
{
    struct node *node = alloc_array(&alloc_system, 1, sizeof *node);
    CHECK(node != NULL);
    node->value = VALUE_ALIVE;
    atomic_fetch_add(&nodes_live, 1);
    return node;
}

static void *read_cells(void *arg)
{
    uint64_t seed = *(const uint64_t *)arg;
    for (uint64_t step = 0; !atomic_load_explicit(&stop, memory_order_relaxed); step++) {
        struct epoch_ticket ticket = epoch_enter(&epoch);
        const struct node *node =
            atomic_load_explicit(&cells[hash_u64(seed + step) % CELLS], memory_order_acquire);
        for (int i = 0; i < 10; i++) {
            if (i == 5 && step % 16 == 0) {
                (void)sched_yield(); // Let the others run while this one is inside.
            }
            if (node->value != VALUE_ALIVE) {
                atomic_fetch_add(&dead_reads, 1);
            }
        }
        epoch_exit(&epoch, ticket);
        atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed);
    }
    return NULL;
}

/* Each writer owns the cells of its parity and unlinks with a plain release store: retiring must
 * order that store before the epoch it reads. */
static void *replace_cells(void *arg)
{
    uint64_t parity = *(const uint64_t *)arg;
    for (uint64_t step = 0; step < REPLACES; step++) {
        size_t cell = (hash_u64(step) % (CELLS / 2)) * 2 + parity;
        struct node *old = atomic_load_explicit(&cells[cell], memory_order_relaxed);
        atomic_store_explicit(&cells[cell], new_node(), memory_order_release);
        epoch_retire(&epoch, &old->garbage, free_node);
        (void)epoch_collect(&epoch);
    }
    return NULL;
}

TEST(threads_never_read_what_was_freed)
{
    epoch_init(&epoch);
    for (size_t i = 0; i < CELLS; i++) {
        atomic_store(&cells[i], new_node());
    }
    pthread_t readers[READERS];
    pthread_t writers[2];
    uint64_t seeds[READERS];
    uint64_t parities[2] = {0, 1};
    for (uint64_t i = 0; i < READERS; i++) {
        seeds[i] = i << 32;
        CHECK(pthread_create(&readers[i], NULL, read_cells, &seeds[i]) == 0);
    }
    for (size_t i = 0; i < 2; i++) {
        CHECK(pthread_create(&writers[i], NULL, replace_cells, &parities[i]) == 0);
    }
    for (size_t i = 0; i < 2; i++) {
        CHECK(pthread_join(writers[i], NULL) == 0);
    }
    while (atomic_load(&reads) < 1000) {
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        CHECK(pthread_join(readers[i], NULL) == 0);
    }
    CHECK(atomic_load(&dead_reads) == 0);
    CHECK(epoch_collect(&epoch));
    CHECK(atomic_load(&nodes_live) == CELLS);
    epoch_deinit(&epoch);
    for (size_t i = 0; i < CELLS; i++) {
        alloc_free(&alloc_system, atomic_load(&cells[i]), 1, sizeof(struct node));
    }
}
