/*
 * Goal: code that waits gives its thread away and comes back whole, whoever wakes it and when.
 * Method: many fibers and threads hand numbers to each other through plain memory (for
 * ThreadSanitizer), with sets that race waits and deadlines; registers, control words and latch
 * counts are compared across waits.
 */

#include "os/fiber.h"

#include <fenv.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "os/context.h"
#include "os/latch.h"
#include "os/mutex.h"
#include "test.h"

#define FIBERS 300u

static struct fiber_pool *make_pool(uint32_t thread_count)
{
    struct fiber_pool *pool = NULL;
    CHECK(fiber_pool_create(&alloc_system, thread_count, &pool, NULL) == TDBPLUS_OK);
    return pool;
}

static bool run(struct fiber_pool *pool, void (*fn)(void *arg), void (*done)(void *arg), void *arg)
{
    bool ended = false;
    CHECK(fiber_run(pool, fn, done, arg, &ended, NULL) == TDBPLUS_OK);
    return ended;
}

/* ---- contexts ---- */

struct swap {
    struct context own;
    struct context other;
    uint32_t steps;
    int rounding;
};

static void step_to_and_fro(void *arg)
{
    struct swap *swap = arg;
    CHECK(fegetround() == FE_TONEAREST);
    CHECK(fesetround(FE_UPWARD) == 0);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK(((uintptr_t)__builtin_frame_address(0) & 15u) == 0);
        swap->steps++;
        context_switch(&swap->other, &swap->own);
        CHECK(fegetround() == FE_UPWARD);
    }
    context_leave(&swap->other, &swap->own);
}

TEST(contexts_keep_their_registers_and_rounding)
{
    struct swap swap = {0};
    void *stack = stack_map(FIBER_STACK_SIZE);
    CHECK(stack != NULL);
    context_adopt(&swap.own);
    context_make(&swap.other, stack, FIBER_STACK_SIZE, step_to_and_fro, &swap);
    // More live values than there are registers.
    uint64_t kept[8];
    for (uint64_t i = 0; i < 8; i++) {
        kept[i] = hash_u64(i);
    }
    for (uint32_t i = 0; i <= 1000; i++) {
        context_switch(&swap.own, &swap.other);
        CHECK(swap.steps == (i < 1000 ? i + 1 : 1000));
        CHECK(fegetround() == FE_TONEAREST);
        for (uint64_t k = 0; k < 8; k++) {
            CHECK(kept[k] == hash_u64(k));
        }
    }
    context_destroy(&swap.other);
    context_release(&swap.own);
    CHECK(stack_used(stack, FIBER_STACK_SIZE) > 0);
    CHECK(stack_used(stack, FIBER_STACK_SIZE) < FIBER_STACK_SIZE / 2);
    stack_unmap(stack, FIBER_STACK_SIZE);
}

__attribute__((noinline)) static uint32_t use_much_stack(volatile uint8_t *outer, uint32_t depth)
{
    volatile uint8_t frame[1024];
    frame[0] = outer[0];
    return depth == 0 ? frame[0] : use_much_stack(frame, depth - 1) + frame[0];
}

static void overflow(void *arg)
{
    (void)arg;
    volatile uint8_t start[1] = {1};
    (void)use_much_stack(start, (uint32_t)(FIBER_STACK_SIZE / 512));
}

TEST(running_past_the_stack_ends_the_process)
{
    (void)fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit none = {0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGSEGV, SIG_DFL);
        (void)close(2); // A sanitizer would print its report.
        struct swap swap = {0};
        void *stack = stack_map(FIBER_STACK_SIZE);
        context_adopt(&swap.own);
        context_make(&swap.other, stack, FIBER_STACK_SIZE, overflow, &swap);
        context_switch(&swap.own, &swap.other);
        _exit(0);
    }
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(!WIFEXITED(result) || WEXITSTATUS(result) != 0);
}

/* ---- fiber_run ---- */

struct note {
    const struct env *env;
    struct env_event event;
    struct env_event finished;
    uint64_t deadline_us;
    uint64_t value;
    _Atomic bool stop;
    bool woken;
    bool active;
};

static void never_waits(void *arg)
{
    struct note *note = arg;
    note->active = fiber_active();
    note->value++;
}

static void tell_done(void *arg)
{
    struct note *note = arg;
    CHECK(!fiber_active());
    env_event_set(note->env, &note->finished);
}

static void waits_once(void *arg)
{
    struct note *note = arg;
    note->woken = env_event_wait(note->env, &note->event, note->deadline_us);
    note->value++;
}

TEST(a_fiber_that_never_waits_ends_at_once)
{
    struct fiber_pool *pool = make_pool(1);
    struct note note = {.env = env_real()};
    CHECK(!fiber_active());
    CHECK(run(pool, never_waits, tell_done, &note));
    CHECK(note.value == 1);
    CHECK(note.active);
    CHECK(!fiber_active());
    // An event that is set already is no wait either.
    note.deadline_us = ENV_DEADLINE_NONE;
    env_event_set(note.env, &note.event);
    CHECK(run(pool, waits_once, tell_done, &note));
    CHECK(note.value == 2 && note.woken);
    CHECK(!env_event_wait(note.env, &note.finished, 1)); // `done` was never called.
    size_t peak = fiber_pool_stack_peak(pool);
    CHECK(peak > 100 && peak < FIBER_STACK_SIZE / 4);
    fiber_pool_destroy(pool);
    fiber_pool_destroy(NULL);
}

TEST(a_fiber_that_waits_ends_later)
{
    struct fiber_pool *pool = make_pool(2);
    struct note note = {.env = env_real(), .deadline_us = ENV_DEADLINE_NONE};
    CHECK(!run(pool, waits_once, tell_done, &note));
    CHECK(!env_event_wait(note.env, &note.finished, env_clock_mono_us(note.env) + 2000));
    env_event_set(note.env, &note.event);
    CHECK(env_event_wait(note.env, &note.finished, ENV_DEADLINE_NONE));
    CHECK(note.value == 1 && note.woken);
    fiber_pool_destroy(pool);
}

/* ---- turns ---- */

struct turns {
    struct env_event ended;
    _Atomic bool first_ran;  /* The fiber that computes has begun on a thread of the pool. */
    _Atomic bool second_ran; /* Another had the thread meanwhile. */
    bool breathes;
};

static void compute(void *arg)
{
    struct turns *turns = arg;
    uint64_t began_us = env_clock_mono_us(env_real());
    while (env_clock_mono_us(env_real()) - began_us < 2 * FIBER_GUEST_US) {
        if (turns->breathes) {
            fiber_breathe();
        }
    }
    atomic_store(&turns->first_ran, true);
}

static void compute_until_seen(void *arg)
{
    struct turns *turns = arg;
    env_yield(env_real());
    atomic_store(&turns->first_ran, true);
    while (!atomic_load(&turns->second_ran)) {
        fiber_breathe();
    }
}

static void be_seen(void *arg)
{
    struct turns *turns = arg;
    env_yield(env_real());
    atomic_store(&turns->second_ran, true);
}

static void turns_done(void *arg)
{
    env_event_set(env_real(), &((struct turns *)arg)->ended);
}

TEST(a_fiber_that_computes_long_leaves_a_thread_that_is_not_the_pools)
{
    struct fiber_pool *pool = make_pool(1);
    struct turns turns = {.breathes = true};
    CHECK(!run(pool, compute, turns_done, &turns));
    CHECK(env_event_wait(env_real(), &turns.ended, ENV_DEADLINE_NONE));
    CHECK(atomic_load(&turns.first_ran));
    // One that never breathes stays.
    struct turns still = {.breathes = false};
    CHECK(run(pool, compute, turns_done, &still));
    fiber_breathe(); // Outside of a fiber it does nothing.
    fiber_pool_destroy(pool);
}

TEST(a_fiber_that_computes_long_lets_others_of_the_pool_run)
{
    struct fiber_pool *pool = make_pool(1);
    struct turns turns = {0};
    CHECK(!run(pool, compute_until_seen, NULL, &turns));
    while (!atomic_load(&turns.first_ran)) {
        env_yield(env_real());
    }
    // The pool's only thread is taken; without turns this would never end.
    CHECK(!run(pool, be_seen, turns_done, &turns));
    CHECK(env_event_wait(env_real(), &turns.ended, ENV_DEADLINE_NONE));
    fiber_pool_destroy(pool);
}

TEST(a_deadline_ends_the_wait_of_a_fiber)
{
    struct fiber_pool *pool = make_pool(2);
    struct note notes[20];
    uint64_t start_us = env_clock_mono_us(env_real());
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t delay_us = 1000 + (i * 7 % 20) * 500;
        notes[i] = (struct note){.env = env_real(), .deadline_us = start_us + delay_us};
        CHECK(!run(pool, waits_once, tell_done, &notes[i]));
    }
    for (uint32_t i = 0; i < 20; i++) {
        CHECK(env_event_wait(env_real(), &notes[i].finished, ENV_DEADLINE_NONE));
        CHECK(!notes[i].woken && notes[i].value == 1);
        CHECK(env_clock_mono_us(env_real()) >= notes[i].deadline_us);
    }
    CHECK(env_clock_mono_us(env_real()) < start_us + 5000000); // Nobody slept for ever.
    fiber_pool_destroy(pool);
}

/* ---- many at once ---- */

struct crowd {
    const struct env *env;
    struct fiber_pool *pool;
    struct mutex mutex;
    struct condition condition;
    struct latch latch;
    uint64_t counter;
    uint64_t latch_counter;
    uint32_t turn;
    _Atomic uint32_t ended;
    struct env_event all_ended;
};

static void one_ended(void *arg)
{
    struct crowd *crowd = arg;
    if (atomic_fetch_add(&crowd->ended, 1) + 1 == FIBERS) {
        env_event_set(crowd->env, &crowd->all_ended);
    }
}

static void start_crowd(struct crowd *crowd, void (*fn)(void *arg))
{
    for (uint32_t i = 0; i < FIBERS; i++) {
        if (run(crowd->pool, fn, one_ended, crowd)) {
            one_ended(crowd);
        }
    }
    CHECK(env_event_wait(crowd->env, &crowd->all_ended, ENV_DEADLINE_NONE));
}

/* The latch is taken on both sides of a wait: its count must follow the thread, not the fiber. */
static void count_and_wait(void *arg)
{
    struct crowd *crowd = arg;
    for (uint32_t i = 0; i < 20; i++) {
        latch_lock(&crowd->latch);
        crowd->latch_counter++;
        latch_unlock(&crowd->latch);
        mutex_lock(crowd->env, &crowd->mutex);
        crowd->counter++;
        if (i % 4 == 0) {
            env_sleep_us(crowd->env, 5); // Held across a wait.
        } else if (i % 4 == 1) {
            env_yield(crowd->env);
        }
        crowd->counter++;
        mutex_unlock(crowd->env, &crowd->mutex);
        latch_lock(&crowd->latch);
        CHECK(latch_depth_now() == 1);
        crowd->latch_counter++;
        latch_unlock(&crowd->latch);
        CHECK(latch_depth_now() == 0);
        CHECK(fiber_active());
    }
}

TEST(locks_exclude_fibers_on_many_threads)
{
    struct crowd crowd = {.env = env_real(), .pool = make_pool(3)};
    start_crowd(&crowd, count_and_wait);
    CHECK(crowd.counter == (uint64_t)FIBERS * 40);
    CHECK(crowd.latch_counter == (uint64_t)FIBERS * 40);
    fiber_pool_destroy(crowd.pool);
}

static void wait_for_turn(void *arg)
{
    struct crowd *crowd = arg;
    mutex_lock(crowd->env, &crowd->mutex);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t wanted = crowd->turn + 1 + i;
        while (crowd->turn < wanted) {
            // Half of the waits end by their own deadline now and then.
            uint64_t deadline_us =
                wanted % 2 == 0 ? ENV_DEADLINE_NONE : env_clock_mono_us(crowd->env) + 300;
            (void)condition_wait(crowd->env, &crowd->condition, &crowd->mutex, deadline_us);
        }
    }
    mutex_unlock(crowd->env, &crowd->mutex);
}

static void advance_turns(void *arg)
{
    struct crowd *crowd = arg;
    while (atomic_load(&crowd->ended) < FIBERS) {
        mutex_lock(crowd->env, &crowd->mutex);
        crowd->turn++;
        mutex_unlock(crowd->env, &crowd->mutex);
        condition_broadcast(crowd->env, &crowd->condition);
        env_sleep_us(crowd->env, 100);
    }
}

TEST(conditions_wake_fibers_from_threads)
{
    struct crowd crowd = {.env = env_real(), .pool = make_pool(2)};
    struct env_task *task = NULL;
    CHECK(env_task_start(crowd.env, "turns", advance_turns, &crowd, &task, NULL) == TDBPLUS_OK);
    start_crowd(&crowd, wait_for_turn);
    env_task_join(crowd.env, task);
    CHECK(crowd.condition.first == NULL);
    fiber_pool_destroy(crowd.pool);
}

/* Sets race the moment between "still running" and "parked", with and without deadlines. */
struct duel {
    const struct env *env;
    struct env_event ball[2];
    uint64_t number; /* Plain: the events order it. */
    uint64_t rounds;
    uint64_t timeouts;
    struct env_event finished;
};

static void return_ball(void *arg)
{
    struct duel *duel = arg;
    for (uint64_t i = 0; i < duel->rounds; i++) {
        uint64_t deadline_us = i % 2 == 0 ? ENV_DEADLINE_NONE : env_clock_mono_us(duel->env) + 10;
        while (!env_event_wait(duel->env, &duel->ball[0], deadline_us)) {
            duel->timeouts++;
            deadline_us = env_clock_mono_us(duel->env) + 10;
        }
        CHECK(duel->number == 2 * i + 1);
        duel->number++;
        env_event_set(duel->env, &duel->ball[1]);
    }
}

static void duel_done(void *arg)
{
    struct duel *duel = arg;
    env_event_set(duel->env, &duel->finished);
}

TEST(no_set_is_lost_while_a_fiber_parks)
{
    struct fiber_pool *pool = make_pool(2);
    struct duel duel = {.env = env_real(), .rounds = 5000};
    CHECK(!run(pool, return_ball, duel_done, &duel));
    for (uint64_t i = 0; i < duel.rounds; i++) {
        duel.number++;
        env_event_set(duel.env, &duel.ball[0]);
        CHECK(env_event_wait(duel.env, &duel.ball[1], ENV_DEADLINE_NONE));
        CHECK(duel.number == 2 * i + 2);
    }
    CHECK(env_event_wait(duel.env, &duel.finished, ENV_DEADLINE_NONE));
    fiber_pool_destroy(pool);
}

/* The set comes within the few instructions between the last look at the event and parking. */
struct ambush {
    const struct env *env;
    struct env_event event;
    struct env_event finished;
    _Atomic uint32_t round;
    uint32_t rounds;
};

static void walk_into_it(void *arg)
{
    struct ambush *ambush = arg;
    for (uint32_t i = 1; i <= ambush->rounds; i++) {
        uint64_t deadline_us = env_clock_mono_us(ambush->env) + 60000000;
        atomic_store(&ambush->round, i);
        CHECK(env_event_wait(ambush->env, &ambush->event, deadline_us));
    }
}

static void ambush_done(void *arg)
{
    struct ambush *ambush = arg;
    env_event_set(ambush->env, &ambush->finished);
}

TEST(a_set_while_a_fiber_parks_leaves_nothing_behind)
{
    struct fiber_pool *pool = make_pool(1);
    struct ambush ambush = {.env = env_real(), .rounds = 20000};
    CHECK(!run(pool, walk_into_it, ambush_done, &ambush));
    for (uint32_t i = 1; i <= ambush.rounds; i++) {
        while (atomic_load(&ambush.round) < i) {
        }
        for (uint32_t delay = i % 64; delay > 0; delay--) {
            __asm__ volatile("" ::: "memory");
        }
        env_event_set(ambush.env, &ambush.event);
    }
    CHECK(env_event_wait(ambush.env, &ambush.finished, ENV_DEADLINE_NONE));
    fiber_pool_destroy(pool);
}

static void wait_then_spin(void *arg)
{
    struct note *note = arg;
    waits_once(note);
    uint64_t until_us = env_clock_mono_us(note->env) + 8000000;
    while (!atomic_load(&note->stop) && env_clock_mono_us(note->env) < until_us) {
    }
}

/* One thread watches both deadlines; when the first makes it busy, another must take over. */
TEST(a_busy_thread_does_not_delay_the_deadlines_of_others)
{
    struct fiber_pool *pool = make_pool(2);
    struct note spinner = {.env = env_real()};
    struct note sleeper = {.env = env_real()};
    env_sleep_us(env_real(), 20000); // Both threads are asleep by now.
    uint64_t now_us = env_clock_mono_us(env_real());
    spinner.deadline_us = now_us + 5000;
    sleeper.deadline_us = now_us + 20000;
    CHECK(!run(pool, wait_then_spin, tell_done, &spinner));
    CHECK(!run(pool, waits_once, tell_done, &sleeper));
    CHECK(env_event_wait(env_real(), &sleeper.finished, ENV_DEADLINE_NONE));
    CHECK(!env_event_wait(env_real(), &spinner.finished, 0)); // Still at it.
    atomic_store(&spinner.stop, true);
    CHECK(env_event_wait(env_real(), &spinner.finished, ENV_DEADLINE_NONE));
    fiber_pool_destroy(pool);
}

/* ---- fibers that run fibers, and wait for threads ---- */

struct nest {
    struct fiber_pool *pool;
    struct note inner;
    struct note outer;
    bool inner_ended;
};

static void run_inner(void *arg)
{
    struct nest *nest = arg;
    nest->inner_ended = run(nest->pool, waits_once, tell_done, &nest->inner);
    nest->outer.active = fiber_active();
    CHECK(env_event_wait(nest->outer.env, &nest->outer.event, ENV_DEADLINE_NONE));
    nest->outer.value++;
}

static void nest_done(void *arg)
{
    struct nest *nest = arg;
    env_event_set(nest->outer.env, &nest->outer.finished);
}

TEST(a_fiber_may_run_another)
{
    struct nest nest = {.pool = make_pool(2),
                        .inner = {.env = env_real(), .deadline_us = ENV_DEADLINE_NONE},
                        .outer = {.env = env_real()}};
    CHECK(!run(nest.pool, run_inner, nest_done, &nest));
    CHECK(!nest.inner_ended);
    CHECK(nest.outer.active);
    env_event_set(env_real(), &nest.outer.event);
    CHECK(env_event_wait(env_real(), &nest.outer.finished, ENV_DEADLINE_NONE));
    CHECK(nest.outer.value == 1 && nest.inner.value == 0);
    env_event_set(env_real(), &nest.inner.event);
    CHECK(env_event_wait(env_real(), &nest.inner.finished, ENV_DEADLINE_NONE));
    CHECK(nest.inner.value == 1);
    fiber_pool_destroy(nest.pool);
}

static void sleep_a_little(void *arg)
{
    env_sleep_us(env_real(), 1000);
    (*(uint64_t *)arg)++;
}

static void join_a_thread(void *arg)
{
    struct note *note = arg;
    struct env_task *task = NULL;
    CHECK(env_task_start(note->env, "sleep", sleep_a_little, &note->value, &task, NULL) ==
          TDBPLUS_OK);
    env_task_join(note->env, task);
    note->woken = note->value == 1;
}

TEST(a_fiber_joins_a_task_without_its_thread)
{
    struct fiber_pool *pool = make_pool(1);
    struct note note = {.env = env_real()};
    CHECK(!run(pool, join_a_thread, tell_done, &note));
    CHECK(env_event_wait(note.env, &note.finished, ENV_DEADLINE_NONE));
    CHECK(note.woken);
    fiber_pool_destroy(pool);
}

TEST(destroying_a_pool_waits_for_its_fibers)
{
    for (uint32_t round = 0; round < 50; round++) {
        struct fiber_pool *pool = make_pool(2);
        struct note notes[5];
        for (uint32_t i = 0; i < 5; i++) {
            notes[i] = (struct note){.env = env_real(),
                                     .deadline_us = env_clock_mono_us(env_real()) + 100 * i};
            (void)run(pool, waits_once, NULL, &notes[i]);
        }
        fiber_pool_destroy(pool);
        for (uint32_t i = 0; i < 5; i++) {
            CHECK(notes[i].value == 1);
        }
    }
}

TEST(without_memory_for_a_stack_nothing_runs)
{
    (void)fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct fiber_pool *pool = make_pool(1);
        struct note note = {.env = env_real()};
        bool ended = false;
        struct err err = {0};
        struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
        if (setrlimit(RLIMIT_AS, &none) == 0) {
            CHECK(fiber_run(pool, never_waits, NULL, &note, &ended, &err) == TDBPLUS_E_NOMEM);
            CHECK(strstr(err.text, "stack") != NULL);
            CHECK(note.value == 0);
        }
        _exit(7);
    }
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 7);
}

TEST(pool_create_survives_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct fiber_pool *pool = NULL;
        tdbplus_status status = fiber_pool_create(&fault.alloc, 2, &pool, NULL);
        fiber_pool_destroy(pool);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at == 3); // The pool, its list of threads, its I/O service.
}
