/* Whose turn it is: stacks drawn in seeded order, and virtual time. */

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "os/latch.h"
#include "sim_internal.h"

#define STACK_SIZE  ((size_t)2 << 20)
#define STEPS_MAX   UINT64_C(50000000)
#define SWITCH_PPM  150000u /* How often a call that need not wait lets others run. */
#define EVENT_CLEAR 0u
#define EVENT_SET   1u
#define EVENT_WAITS 2u

/* ---- turns ---- */

static void stop_current(struct sim *sim)
{
    ASSERT(sim->current != NULL); // A wait outside of sim_run() would never end.
    ASSERT(latch_depth_now() == 0);
    context_switch(&sim->current->context, &sim->host);
}

/* Lets the scheduler draw again. */
static void take_turn(struct sim *sim)
{
    stop_current(sim);
}

void sim_maybe_turn(struct sim *sim)
{
    if (sim->current != NULL && latch_depth_now() == 0 &&
        sim_random_ppm(&sim->random, SWITCH_PPM)) {
        take_turn(sim);
    }
}

void sim_sleep_us(struct sim *sim, uint64_t duration_us)
{
    struct sim_task *task = sim->current;
    if (task == NULL || duration_us == 0) {
        return;
    }
    task->state = TASK_WAITS;
    task->event = NULL;
    task->deadline_us = sim->mono_us + duration_us;
    stop_current(sim);
}

void sim_crash(struct sim *sim)
{
    sim->crashed = true;
    if (sim->current != NULL) {
        context_leave(&sim->current->context, &sim->host);
    }
}

static void end_wait(struct sim_task *task, bool woken)
{
    if (task->event != NULL) {
        atomic_store_explicit(&task->event->state, EVENT_CLEAR, memory_order_relaxed);
    }
    task->state = TASK_READY;
    task->woken = woken;
}

static void set_event(struct env_event *event)
{
    if (atomic_load_explicit(&event->state, memory_order_relaxed) == EVENT_WAITS) {
        end_wait(atomic_load_explicit(&event->waiter, memory_order_relaxed), true);
    } else {
        atomic_store_explicit(&event->state, EVENT_SET, memory_order_relaxed);
    }
}

/* Advances the clock to the next deadline; false when there is none. */
static bool pass_time(struct sim *sim)
{
    uint64_t next_us = ENV_DEADLINE_NONE;
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_WAITS && task->deadline_us < next_us) {
            next_us = task->deadline_us;
        }
    }
    if (next_us == ENV_DEADLINE_NONE) {
        return false;
    }
    sim->mono_us = sim->mono_us < next_us ? next_us : sim->mono_us;
    return true;
}

/* Draws who runs next; NULL when all wait. */
static struct sim_task *draw_task(struct sim *sim)
{
    uint64_t ready = 0;
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_WAITS && task->deadline_us <= sim->mono_us) {
            end_wait(task, false);
        }
        ready += task->state == TASK_READY;
    }
    uint64_t chosen = sim_random_below(&sim->random, ready);
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_READY && chosen-- == 0) {
            return task;
        }
    }
    return NULL;
}

static void report_waiters(struct sim *sim)
{
    size_t size = (size_t)snprintf(sim->report, sizeof sim->report, "deadlock:");
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_WAITS && size < sizeof sim->report) {
            size += (size_t)snprintf(sim->report + size, sizeof sim->report - size,
                                     " task %u \"%s\" waits for ever;", task->number, task->name);
        }
    }
}

static enum sim_result run_until_end(struct sim *sim, const struct sim_task *main_task)
{
    for (uint64_t step = 0; step < STEPS_MAX; step++) {
        if (sim->crashed) {
            (void)snprintf(sim->report, sizeof sim->report, "crashed at %llu us",
                           (unsigned long long)sim->mono_us);
            return SIM_CRASHED;
        }
        if (main_task->state == TASK_ENDED) {
            (void)snprintf(sim->report, sizeof sim->report, "done");
            return SIM_DONE;
        }
        struct sim_task *task = draw_task(sim);
        if (task != NULL) {
            sim->trace = hash_combine(sim->trace, task->number);
            sim->current = task;
            context_switch(&sim->host, &task->context);
            sim->current = NULL;
        } else if (!pass_time(sim)) {
            report_waiters(sim);
            return SIM_DEADLOCK;
        }
    }
    (void)snprintf(sim->report, sizeof sim->report, "no end after %llu steps",
                   (unsigned long long)STEPS_MAX);
    return SIM_STUCK;
}

/* ---- tasks ---- */

static void task_main(void *arg)
{
    struct sim_task *task = arg;
    task->fn(task->arg);
    ASSERT(latch_depth_now() == 0);
    task->state = TASK_ENDED;
    set_event(&task->ended);
    context_leave(&task->context, &task->sim->host);
}

static struct sim_task *make_task(struct sim *sim, const char *name, void (*fn)(void *arg),
                                  void *arg)
{
    struct sim_task *task = calloc(1, sizeof *task);
    ASSERT(task != NULL);
    task->sim = sim;
    task->fn = fn;
    task->arg = arg;
    task->number = sim->next_task++;
    (void)snprintf(task->name, sizeof task->name, "%s", name);
    task->stack = stack_map(STACK_SIZE);
    ASSERT(task->stack != NULL);
    context_make(&task->context, task->stack, STACK_SIZE, task_main, task);
    struct sim_task **link = &sim->tasks;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = task;
    return task;
}

void sim_task_destroy(struct sim *sim, struct sim_task *task)
{
    struct sim_task **link = &sim->tasks;
    while (*link != task) {
        link = &(*link)->next;
    }
    *link = task->next;
    context_destroy(&task->context);
    stack_unmap(task->stack, STACK_SIZE);
    free(task);
}

enum sim_result sim_run(struct sim *sim, void (*fn)(void *arg), void *arg)
{
    ASSERT(sim->current == NULL);
    ASSERT(!sim->crashed); // Reboot first.
    struct sim_task *main_task = make_task(sim, "main", fn, arg);
    context_adopt(&sim->host);
    enum sim_result result = run_until_end(sim, main_task);
    context_release(&sim->host);
    if (result == SIM_DONE) {
        sim_task_destroy(sim, main_task);
    }
    latch_depth_add(0u - latch_depth_now()); // A crash may strike while a latch is held.
    return result;
}

/* ---- time and chance ---- */

static uint64_t op_clock_mono_us(void *ctx)
{
    struct sim *sim = ctx;
    sim->mono_us++; // So that a loop that looks at the clock ends.
    sim_maybe_turn(sim);
    return sim->mono_us;
}

static uint64_t op_clock_wall_us(void *ctx)
{
    struct sim *sim = ctx;
    sim->mono_us++;
    sim_maybe_turn(sim);
    return SIM_WALL_START_US + sim->mono_us + (uint64_t)sim->wall_shift_us;
}

static void op_entropy(void *ctx, void *data, size_t size)
{
    struct sim *sim = ctx;
    uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)sim_random_u64(&sim->random);
    }
}

/* ---- tasks and waiting ---- */

static tdbplus_status op_task_start(void *ctx, const char *name, void (*fn)(void *arg), void *arg,
                                    struct env_task **task_out, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_TASK_START, name, 0, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_TASK_START, name);
    if (status == TDBPLUS_OK) {
        *task_out = (struct env_task *)(void *)make_task(sim, name, fn, arg);
    }
    return sim_end_call(sim, status);
}

static bool op_event_wait(void *ctx, struct env_event *event, uint64_t deadline_us)
{
    struct sim *sim = ctx;
    sim_note_call(sim, SIM_OP_EVENT_WAIT, "", 0, 0);
    sim_maybe_turn(sim);
    uint32_t state = atomic_load_explicit(&event->state, memory_order_relaxed);
    ASSERT(state != EVENT_WAITS); // One waiter at a time.
    if (state == EVENT_SET) {
        atomic_store_explicit(&event->state, EVENT_CLEAR, memory_order_relaxed);
        sim_maybe_turn(sim);
        return true;
    }
    if (deadline_us <= sim->mono_us) {
        return false;
    }
    struct sim_task *task = sim->current;
    ASSERT(task != NULL); // Outside of sim_run() nobody could ever set it.
    atomic_store_explicit(&event->state, EVENT_WAITS, memory_order_relaxed);
    atomic_store_explicit(&event->waiter, task, memory_order_relaxed);
    task->state = TASK_WAITS;
    task->event = event;
    task->deadline_us = deadline_us;
    stop_current(sim);
    return task->woken;
}

static void op_event_set(void *ctx, struct env_event *event)
{
    struct sim *sim = ctx;
    sim_note_call(sim, SIM_OP_EVENT_SET, "", 0, 0);
    set_event(event);
    sim_maybe_turn(sim);
}

static void op_task_join(void *ctx, struct env_task *task)
{
    struct sim *sim = ctx;
    struct sim_task *joined = (struct sim_task *)(void *)task;
    bool ended = op_event_wait(ctx, &joined->ended, ENV_DEADLINE_NONE);
    ASSERT(ended);
    sim_task_destroy(sim, joined);
}

static void op_yield(void *ctx)
{
    struct sim *sim = ctx;
    if (sim->current != NULL) {
        take_turn(sim);
    }
}

void sim_tasks_fill(struct env_ops *ops)
{
    ops->clock_wall_us = op_clock_wall_us;
    ops->clock_mono_us = op_clock_mono_us;
    ops->entropy = op_entropy;
    ops->task_start = op_task_start;
    ops->task_join = op_task_join;
    ops->event_wait = op_event_wait;
    ops->event_set = op_event_set;
    ops->yield = op_yield;
}
