/* A thread that draws while the shell's own waits for the database. */

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/ticker.h"
#include "os/env.h"

#define FIRST_US 2000000
#define NEXT_US  250000
#define BAR_SIZE 30

static struct {
    struct env_task *task; /* NULL: none runs. */
    struct env_event ended;
    bool is_shown; /* Of the task, until it is joined. */
    uint64_t started_us;
    _Atomic uint64_t done;
    _Atomic uint64_t total;
} ticker;

/* From a thread of the database. */
static void keep_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    atomic_store(&ticker.done, done);
    atomic_store(&ticker.total, total);
}

static void draw(void)
{
    const uint64_t took_us = env_clock_mono_us(env_real()) - ticker.started_us;
    const uint64_t total = atomic_load(&ticker.total);
    const uint64_t done = atomic_load(&ticker.done);
    (void)fputs("\r", stderr);
    if (total > 0) {
        const double part = done < total ? (double)done / (double)total : 1.0;
        (void)fputs("[", stderr);
        for (int i = 0; i < BAR_SIZE; i++) {
            (void)fputs(i < (int)(part * BAR_SIZE) ? "█" : "·", stderr);
        }
        (void)fprintf(stderr, "] %3.0f %%  ", part * 100.0);
    }
    (void)fprintf(stderr, "%.1f s, Ctrl-C cancels \033[K", (double)took_us / 1e6);
    (void)fflush(stderr);
    ticker.is_shown = true;
}

static void tick(void *context)
{
    uint64_t wanted_us = ticker.started_us + FIRST_US;
    (void)context;
    while (!env_event_wait(env_real(), &ticker.ended, wanted_us)) {
        draw();
        wanted_us = env_clock_mono_us(env_real()) + NEXT_US;
    }
}

void ticker_start(tdbplus_call *call)
{
    if (ticker.task != NULL || isatty(STDERR_FILENO) != 1) {
        return;
    }
    ticker.is_shown = false;
    ticker.started_us = env_clock_mono_us(env_real());
    atomic_store(&ticker.total, 0);
    atomic_store(&ticker.done, 0);
    // Without a task there is no line, which is no reason to fail.
    ticker.ended = (struct env_event){0};
    if (env_task_start(env_real(), "ticker", tick, NULL, &ticker.task, NULL) != TDBPLUS_OK) {
        ticker.task = NULL;
        return;
    }
    if (call->progress == NULL) {
        call->progress = keep_progress;
    }
}

void ticker_hide(void)
{
    if (ticker.task == NULL) {
        return;
    }
    env_event_set(env_real(), &ticker.ended);
    env_task_join(env_real(), ticker.task);
    ticker.task = NULL;
    if (ticker.is_shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
    }
}
