#include "os/fiber.h"
#include "sql/exec/exec_internal.h"

tdbplus_status exec_no_memory(struct exec *exec)
{
    return err_set(exec->call->err, TDBPLUS_E_NOMEM, "the statement's memory is used up");
}

void exec_init(struct exec *exec, struct txn *txn, const struct call *call)
{
    *exec = (struct exec){.txn = txn, .call = call};
    arena_init(&exec->arena, call->alloc, 0);
}

void exec_init_child(struct exec *exec, struct exec *parent, struct outer_value *outer)
{
    exec_init(exec, parent->txn, parent->call);
    exec->context = parent->context;
    exec->parameters = parent->parameters;
    exec->parameter_count = parent->parameter_count;
    exec->parent = parent;
    exec->outer = outer;
    exec->depth = parent->depth + 1;
    exec->profile = parent->profile;
    exec->spill_bytes = parent->spill_bytes;
}

uint64_t exec_progress_expect(struct exec *exec, uint64_t rows)
{
    if (exec->parent != NULL || exec->leader != NULL) {
        return 0;
    }
    exec->progress.expected += rows;
    return rows;
}

void exec_progress_add(struct exec *exec, uint64_t rows)
{
    struct exec *leader = exec->leader == NULL ? exec : exec->leader;
    const struct call *call = exec->call;
    uint64_t done =
        atomic_fetch_add_explicit(&leader->progress.done, rows, memory_order_relaxed) + rows;
    if (call->progress != NULL && leader->progress.expected > 0) {
        // A table may have grown since the statement was compiled.
        uint64_t expected = leader->progress.expected;
        call->progress(call->progress_ctx, done < expected ? done : expected, expected);
    }
}

void exec_deinit(struct exec *exec)
{
    for (struct stage *stage = exec->stages; stage != NULL; stage = stage->next_of_all) {
        if (stage->ops->close != NULL) {
            stage->ops->close(stage);
        }
        batch_deinit(&stage->input);
    }
    exec->stages = NULL;
    arena_deinit(&exec->arena);
}

void *stage_make(struct exec *exec, size_t size, const struct stage_ops *ops, struct stage *before)
{
    struct stage *stage = arena_array(&exec->arena, 1, size);
    if (stage == NULL) {
        return NULL;
    }
    stage->ops = ops;
    stage->before = before;
    batch_init(&stage->input, exec->call->alloc);
    stage->next_of_all = exec->stages;
    exec->stages = stage;
    return stage;
}

bool batch_shape(struct batch *batch, uint32_t column_count, uint32_t row_count)
{
    batch->columns = arena_array(&batch->arena, column_count + 1u, sizeof *batch->columns);
    if (batch->columns == NULL) {
        return false;
    }
    batch->column_count = column_count;
    batch->row_count = row_count;
    batch->selection = NULL;
    return true;
}

static tdbplus_status stage_next(struct stage *stage, struct exec *exec, struct batch *out);

/* One move of a step: pushes what it has, or gets more input. */
static tdbplus_status step_once(struct stage *stage, struct exec *exec, struct batch *out)
{
    if (stage->pending) {
        batch_reset(out);
        tdbplus_status status = stage->ops->push(stage, exec, &stage->input, out, &stage->pending);
        if (status == TDBPLUS_END) {
            stage->stopped = true;
        }
        return status;
    }
    if (stage->ended) {
        batch_reset(out);
        stage->stopped = stage->ops->drain == NULL;
        return stage->stopped ? TDBPLUS_END : stage->ops->drain(stage, exec, out);
    }
    if (stage->ops->begin != NULL) {
        TRY(stage->ops->begin(stage, exec));
        if (stage->stopped) {
            batch_reset(out);
            return TDBPLUS_END;
        }
    }
    tdbplus_status status = stage_next(stage->before, exec, &stage->input);
    stage->pending = status == TDBPLUS_OK;
    stage->ended = status == TDBPLUS_END;
    batch_reset(out);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

/* With PostgreSQL's words. Also the place where a long statement lets others have the thread. */
tdbplus_status exec_check_call(const struct env *env, const struct call *call)
{
    fiber_breathe();
    if (call_cancelled(call)) {
        return err_set(call->err, TDBPLUS_E_CANCELLED, "canceling statement due to user request");
    }
    if (call->deadline_us != 0 && env_clock_mono_us(env) >= call->deadline_us) {
        return err_set(call->err, TDBPLUS_E_TIMEOUT,
                       "canceling statement due to statement timeout");
    }
    return TDBPLUS_OK;
}

tdbplus_status exec_check(struct exec *exec)
{
    return exec_check_call(store_env(txn_store(exec->txn)), exec->call);
}

static tdbplus_status stage_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    for (;;) {
        if (stage->stopped) {
            return TDBPLUS_END;
        }
        TRY(exec_check(exec));
        if (stage->before == NULL) {
            batch_reset(out);
        }
        tdbplus_status status = stage->before == NULL ? stage->ops->next(stage, exec, out)
                                                      : step_once(stage, exec, out);
        if (status != TDBPLUS_OK) {
            return status;
        }
        if (batch_live_count(out) > 0) {
            return TDBPLUS_OK;
        }
    }
}

uint32_t pipeline_piece(const struct stage *last)
{
    // What a join drains comes after what was read, and after what those below it drained.
    uint32_t drained = 0;
    const struct stage *stage = last;
    for (; stage->before != NULL; stage = stage->before) {
        drained = drained > 0 || stage->ended ? drained + 1 : 0;
    }
    return scan_stage_piece(stage) + drained;
}

tdbplus_status pipeline_begin(struct stage *last, struct exec *exec)
{
    for (; last != NULL; last = last->before) {
        if (last->ops->begin != NULL) {
            TRY(last->ops->begin(last, exec));
        }
    }
    return TDBPLUS_OK;
}

struct stage *exec_find_stage(const struct exec *exec, const struct plan *plan)
{
    for (struct stage *stage = exec->stages; stage != NULL; stage = stage->next_of_all) {
        if (stage->origin == plan) {
            return stage;
        }
    }
    return NULL;
}

tdbplus_status pipeline_next(struct stage *last, struct exec *exec, struct batch *out)
{
    return stage_next(last, exec, out);
}
