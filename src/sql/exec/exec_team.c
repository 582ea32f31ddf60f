#include "sql/exec/exec_team.h"

#include <string.h>

#define TEAM_SIZE_MAX 64u

static bool can_share_exprs(struct expr *const *exprs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i] != NULL &&
            (expr_volatile(exprs[i]) || expr_contains(exprs[i], EXPR_SUBQUERY))) {
            return false;
        }
    }
    return true;
}

/* A table through steps that look at one row at a time. What a join keeps of its right side until
 * all left rows have come is given by the member that comes to its end last. */
static bool can_share(const struct plan *plan)
{
    for (; plan != NULL; plan = plan->left) {
        switch (plan->kind) {
        case PLAN_SCAN:
            return plan->scan.access == NULL && plan->scan.order == SCAN_ANY;
        case PLAN_FILE:
            return plan->file.spec->path_count > 0;
        case PLAN_FILTER:
        case PLAN_PROJECT:
        case PLAN_JOIN:
            if (!can_share_exprs(plan->exprs, plan->expr_count)) {
                return false;
            }
            break;
        default:
            return false;
        }
    }
    return false;
}

static uint32_t team_size(const struct exec *leader, const struct plan *plan,
                          const struct pipeline *own)
{
    if (leader->thread_count < 2 || leader->outer != NULL || leader->leader != NULL ||
        !can_share(plan)) {
        return 1;
    }
    const struct stage *source = own->last;
    while (source->before != NULL) {
        if (source->spills) {
            return 1; // It is more than a row at a time by now.
        }
        source = source->before;
    }
    uint32_t size = stage_is_scan(source)   ? scan_stage_morsels(source)
                    : stage_is_file(source) ? file_stage_units(source)
                                            : 1;
    size = size < leader->thread_count ? size : leader->thread_count;
    return size == 0 ? 1 : size < TEAM_SIZE_MAX ? size : TEAM_SIZE_MAX;
}

/* `plan`: what it gets a pipeline of; NULL: none. */
static tdbplus_status open_worker(struct team *team, struct team_worker *worker,
                                  const struct plan *plan, uint32_t size)
{
    struct exec *leader = team->leader;
    worker->team = team;
    worker->call = *leader->call;
    worker->call.err = &worker->err;
    worker->call.progress = NULL;
    exec_init(&worker->exec, leader->txn, &worker->call);
    worker->exec.context = leader->context;
    worker->exec.parameters = leader->parameters;
    worker->exec.parameter_count = leader->parameter_count;
    worker->exec.leader = leader;
    worker->exec.spill_bytes = leader->spill_bytes / size;
    // Counted from here on: team_close() gives back what it has.
    team->worker_count++;
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = exec_compile(&worker->exec, plan, &worker->input);
    if (status != TDBPLUS_OK && leader->call->err != NULL) {
        *leader->call->err = worker->err;
    }
    return status;
}

static tdbplus_status open_workers(struct team *team, const struct plan *plan, uint32_t size)
{
    if (size == 1) {
        return TDBPLUS_OK;
    }
    team->workers = arena_array(&team->leader->arena, size - 1, sizeof *team->workers);
    if (team->workers == NULL) {
        return exec_no_memory(team->leader);
    }
    for (uint32_t i = 0; i + 1 < size; i++) {
        team->workers[i].number = i + 1;
        TRY(open_worker(team, &team->workers[i], plan, size));
    }
    return TDBPLUS_OK;
}

tdbplus_status team_open_bare(struct team *team, struct exec *leader, uint32_t size)
{
    *team = (struct team){.leader = leader};
    bool alone = leader->thread_count < 2 || leader->leader != NULL || size == 0;
    size = size < leader->thread_count ? size : leader->thread_count;
    return open_workers(team, NULL, alone ? 1 : size);
}

tdbplus_status team_open(struct team *team, struct exec *leader, const struct plan *plan,
                         const struct pipeline *own)
{
    *team = (struct team){.leader = leader};
    TRY(pipeline_begin(own->last, leader));
    return open_workers(team, plan, team_size(leader, plan, own));
}

void team_close(struct team *team)
{
    for (uint32_t i = 0; i < team->worker_count; i++) {
        exec_deinit(&team->workers[i].exec);
    }
    team->worker_count = 0;
}

static void run_worker(void *argument)
{
    struct team_worker *worker = argument;
    struct team *team = worker->team;
    worker->status = team->work(team->ctx, worker->number, &worker->input, &worker->exec);
    if (worker->status != TDBPLUS_OK) {
        atomic_store_explicit(&team->stop, true, memory_order_relaxed);
    }
}

tdbplus_status team_run(struct team *team, struct pipeline *own)
{
    struct exec *leader = team->leader;
    const struct env *env = store_env(txn_store(leader->txn));
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < team->worker_count && status == TDBPLUS_OK; i++) {
        status = env_task_start(env, "sql", run_worker, &team->workers[i], &team->workers[i].task,
                                leader->call->err);
    }
    if (status == TDBPLUS_OK) {
        status = team->work(team->ctx, 0, own, leader);
    }
    if (status != TDBPLUS_OK) {
        atomic_store_explicit(&team->stop, true, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < team->worker_count; i++) {
        struct team_worker *worker = &team->workers[i];
        if (worker->task == NULL) {
            continue;
        }
        env_task_join(env, worker->task);
        worker->task = NULL;
        if (status == TDBPLUS_OK && worker->status != TDBPLUS_OK) {
            status = worker->status;
            if (leader->call->err != NULL) {
                *leader->call->err = worker->err;
            }
        }
    }
    return status;
}
