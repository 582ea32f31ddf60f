/*
 * Goal: latch and mutex exclude, mutex is fair, condition loses no signal. Method: threads count
 * in plain memory under each lock (ThreadSanitizer sees a hole at once, the sum sees lost updates).
 */

#include "os/mutex.h"
#include "test.h"

#define TASKS  4u
#define ROUNDS 5000u

struct shared {
    const struct env *env;
    struct latch latch;
    struct mutex mutex;
    struct condition condition;
    uint64_t counter;
    uint64_t order[TASKS];
    uint32_t order_count;
    uint32_t next_name;
    uint32_t permits;
    uint32_t waiting;
    uint32_t timeouts;
};

static void run_tasks(struct shared *shared, void (*fn)(void *arg))
{
    struct env_task *tasks[TASKS];
    for (uint32_t i = 0; i < TASKS; i++) {
        CHECK(env_task_start(shared->env, "count", fn, shared, &tasks[i], NULL) == TDBPLUS_OK);
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        env_task_join(shared->env, tasks[i]);
    }
}

static void count_under_latch(void *arg)
{
    struct shared *shared = arg;
    for (uint32_t i = 0; i < ROUNDS * 4; i++) {
        latch_lock(&shared->latch);
        CHECK(latch_depth_now() == 1);
        shared->counter++;
        latch_unlock(&shared->latch);
    }
    CHECK(latch_depth_now() == 0);
}

TEST(latch_excludes)
{
    struct shared shared = {.env = env_real()};
    run_tasks(&shared, count_under_latch);
    CHECK(shared.counter == (uint64_t)TASKS * ROUNDS * 4);
    CHECK(shared.latch.state == 0);
}

/* Holds the latch for longer than others spin, so that several of them sleep. */
static void dawdle_under_latch(void *arg)
{
    struct shared *shared = arg;
    for (uint32_t i = 0; i < ROUNDS / 20; i++) {
        latch_lock(&shared->latch);
        for (uint32_t k = 0; k < 10000; k++) {
            __asm__ volatile("" ::: "memory");
        }
        shared->counter++;
        latch_unlock(&shared->latch);
    }
}

TEST(latch_wakes_all_who_sleep)
{
    struct shared shared = {.env = env_real()};
    run_tasks(&shared, dawdle_under_latch);
    CHECK(shared.counter == (uint64_t)TASKS * (ROUNDS / 20));
}

static void count_under_mutex(void *arg)
{
    struct shared *shared = arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (i % 3 != 0 || !mutex_try_lock(&shared->mutex)) {
            mutex_lock(shared->env, &shared->mutex);
        }
        shared->counter++;
        mutex_unlock(shared->env, &shared->mutex);
    }
}

TEST(mutex_excludes)
{
    struct shared shared = {.env = env_real()};
    run_tasks(&shared, count_under_mutex);
    CHECK(shared.counter == (uint64_t)TASKS * ROUNDS);
    CHECK(mutex_try_lock(&shared.mutex));
    CHECK(!mutex_try_lock(&shared.mutex));
    mutex_unlock(shared.env, &shared.mutex);
}

static void take_in_turn(void *arg)
{
    struct shared *shared = arg;
    uint32_t name = shared->next_name; // Whoever starts us waits until we queue up.
    mutex_lock(shared->env, &shared->mutex);
    shared->order[shared->order_count++] = name;
    mutex_unlock(shared->env, &shared->mutex);
}

static const void *last_in_queue(struct shared *shared)
{
    latch_lock(&shared->mutex.latch);
    const void *last = shared->mutex.last;
    latch_unlock(&shared->mutex.latch);
    return last;
}

/* The holder keeps the mutex until all have queued up, one after another. */
TEST(mutex_serves_in_order)
{
    struct shared shared = {.env = env_real()};
    struct env_task *tasks[TASKS];
    mutex_lock(shared.env, &shared.mutex);
    for (uint32_t i = 0; i < TASKS; i++) {
        const void *last = last_in_queue(&shared);
        shared.next_name = i;
        CHECK(env_task_start(shared.env, "turn", take_in_turn, &shared, &tasks[i], NULL) ==
              TDBPLUS_OK);
        while (last_in_queue(&shared) == last) {
            env_sleep_us(shared.env, 100);
        }
    }
    mutex_unlock(shared.env, &shared.mutex);
    for (uint32_t i = 0; i < TASKS; i++) {
        env_task_join(shared.env, tasks[i]);
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        CHECK(shared.order[i] == i);
    }
}

static void take_permits(void *arg)
{
    struct shared *shared = arg;
    for (uint32_t i = 0; i < ROUNDS / 10; i++) {
        mutex_lock(shared->env, &shared->mutex);
        shared->waiting++;
        while (shared->permits == 0) {
            // Some waits have a deadline that often passes just when the signal comes.
            uint64_t deadline_us =
                i % 2 == 0 ? ENV_DEADLINE_NONE : env_clock_mono_us(shared->env) + 20;
            if (!condition_wait(shared->env, &shared->condition, &shared->mutex, deadline_us)) {
                shared->timeouts++;
            }
        }
        shared->permits--;
        shared->waiting--;
        shared->counter++;
        mutex_unlock(shared->env, &shared->mutex);
    }
}

static void run_permits(struct shared *shared, bool broadcast)
{
    struct env_task *tasks[TASKS];
    for (uint32_t i = 0; i < TASKS; i++) {
        CHECK(env_task_start(shared->env, "permit", take_permits, shared, &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    uint32_t left = TASKS * (ROUNDS / 10);
    while (left > 0) {
        mutex_lock(shared->env, &shared->mutex);
        uint32_t batch = broadcast && left > 3 ? 3 : 1;
        shared->permits += batch;
        left -= batch;
        mutex_unlock(shared->env, &shared->mutex);
        if (broadcast) {
            condition_broadcast(shared->env, &shared->condition);
        } else {
            condition_signal(shared->env, &shared->condition);
        }
    }
    // A timed-out waiter may have taken a permit whose signal went to another: wake the rest.
    for (;;) {
        mutex_lock(shared->env, &shared->mutex);
        bool ended = shared->counter == (uint64_t)TASKS * (ROUNDS / 10);
        mutex_unlock(shared->env, &shared->mutex);
        if (ended) {
            break;
        }
        condition_broadcast(shared->env, &shared->condition);
        env_sleep_us(shared->env, 100);
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        env_task_join(shared->env, tasks[i]);
    }
    CHECK(shared->permits == 0);
    CHECK(shared->condition.first == NULL && shared->condition.last == NULL);
}

TEST(condition_signals_reach_waiters)
{
    struct shared shared = {.env = env_real()};
    run_permits(&shared, false);
}

TEST(condition_broadcasts_reach_waiters)
{
    struct shared shared = {.env = env_real()};
    run_permits(&shared, true);
}

TEST(condition_wait_gives_up_at_the_deadline)
{
    struct shared shared = {.env = env_real()};
    mutex_lock(shared.env, &shared.mutex);
    uint64_t deadline_us = env_clock_mono_us(shared.env) + 2000;
    CHECK(!condition_wait(shared.env, &shared.condition, &shared.mutex, deadline_us));
    CHECK(env_clock_mono_us(shared.env) >= deadline_us);
    CHECK(shared.condition.first == NULL);
    CHECK(!mutex_try_lock(&shared.mutex)); // Held again.
    mutex_unlock(shared.env, &shared.mutex);
}

struct queue {
    struct shared *shared;
    uint64_t delay_us;    /* When to join the queue. */
    uint64_t patience_us; /* 0: any amount. */
    bool signalled;
};

static void queue_up(void *arg)
{
    struct queue *queue = arg;
    struct shared *shared = queue->shared;
    env_sleep_us(shared->env, queue->delay_us);
    mutex_lock(shared->env, &shared->mutex);
    uint64_t deadline_us = queue->patience_us == 0
                               ? ENV_DEADLINE_NONE
                               : env_clock_mono_us(shared->env) + queue->patience_us;
    queue->signalled = condition_wait(shared->env, &shared->condition, &shared->mutex, deadline_us);
    shared->counter++;
    mutex_unlock(shared->env, &shared->mutex);
}

/* The last in the queue leaves; whoever comes then must not be hung behind it. */
TEST(condition_queue_survives_the_leaving_of_its_last)
{
    struct shared shared = {.env = env_real()};
    struct queue queues[3] = {{.shared = &shared},
                              {.shared = &shared, .delay_us = 20000, .patience_us = 20000},
                              {.shared = &shared, .delay_us = 80000}};
    struct env_task *tasks[3];
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(env_task_start(shared.env, "queue", queue_up, &queues[i], &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    env_task_join(shared.env, tasks[1]);
    CHECK(!queues[1].signalled);
    bool all_left = false;
    while (!all_left) {
        env_sleep_us(shared.env, 40000);
        condition_broadcast(shared.env, &shared.condition);
        mutex_lock(shared.env, &shared.mutex);
        all_left = shared.counter == 3;
        mutex_unlock(shared.env, &shared.mutex);
    }
    env_task_join(shared.env, tasks[0]);
    env_task_join(shared.env, tasks[2]);
    CHECK(queues[0].signalled && queues[2].signalled);
}
