/* What it costs to run on a stack of one's own, and to wait on it. */

#include "base/assert.h"
#include "bench.h"
#include "os/context.h"
#include "os/fiber.h"

#define ROUNDS 10000u

struct switches {
    struct context own;
    struct context other;
};

static void switch_back(void *arg)
{
    struct switches *switches = arg;
    for (;;) {
        context_switch(&switches->other, &switches->own);
    }
}

static uint64_t switch_to_and_fro(void *ctx)
{
    struct switches *switches = ctx;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        context_switch(&switches->own, &switches->other);
    }
    return 0;
}

BENCH(context)
{
    static struct switches switches;
    void *stack = stack_map(FIBER_STACK_SIZE);
    ASSERT(stack != NULL);
    context_adopt(&switches.own);
    context_make(&switches.other, stack, FIBER_STACK_SIZE, switch_back, &switches);
    bench_measure(bench, "one switch", 2 * ROUNDS, 0, switch_to_and_fro, &switches);
    context_destroy(&switches.other);
    context_release(&switches.own);
    stack_unmap(stack, FIBER_STACK_SIZE);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static uint64_t run_empty_fibers(void *ctx)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        bool ended = false;
        tdbplus_status status = fiber_run(ctx, do_nothing, NULL, NULL, &ended, NULL);
        ASSERT(status == TDBPLUS_OK);
        ASSERT(ended);
    }
    return 0;
}

struct ball {
    struct env_event there;
    struct env_event back;
};

static void return_ball(void *arg)
{
    struct ball *ball = arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        bool set = env_event_wait(env_real(), &ball->there, ENV_DEADLINE_NONE);
        ASSERT(set);
        env_event_set(env_real(), &ball->back);
    }
}

static void throw_ball(void *arg)
{
    struct ball *ball = arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        env_event_set(env_real(), &ball->there);
        bool set = env_event_wait(env_real(), &ball->back, ENV_DEADLINE_NONE);
        ASSERT(set);
    }
}

struct game {
    struct fiber_pool *pool;
    struct ball ball;
    struct env_event done;
};

static void game_over(void *arg)
{
    struct ball *ball = arg;
    struct game *game = (struct game *)(void *)((uint8_t *)ball - offsetof(struct game, ball));
    env_event_set(env_real(), &game->done);
}

static void ignore_end(void *arg)
{
    (void)arg;
}

static uint64_t play(void *ctx)
{
    struct game *game = ctx;
    bool ended = false;
    tdbplus_status status =
        fiber_run(game->pool, return_ball, ignore_end, &game->ball, &ended, NULL);
    ASSERT(status == TDBPLUS_OK);
    status = fiber_run(game->pool, throw_ball, game_over, &game->ball, &ended, NULL);
    ASSERT(status == TDBPLUS_OK);
    if (!ended) {
        bool told = env_event_wait(env_real(), &game->done, ENV_DEADLINE_NONE);
        ASSERT(told);
    }
    return 0;
}

BENCH(fiber)
{
    struct game game = {0};
    tdbplus_status status = fiber_pool_create(&alloc_system, 1, &game.pool, NULL);
    ASSERT(status == TDBPLUS_OK);
    bench_measure(bench, "run to the end without a wait", ROUNDS, 0, run_empty_fibers, game.pool);
    bench_measure(bench, "set and wait between two fibers, one thread", 2 * ROUNDS, 0, play, &game);
    fiber_pool_destroy(game.pool);
}
