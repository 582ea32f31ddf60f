/* TABLESAMPLE: each row, or each batch of rows, stays with the chance asked for. */

#include <string.h>

#include "base/hash.h"
#include "sql/exec/exec_internal.h"

struct sample_stage {
    struct stage stage;
    const struct plan *plan;
    struct expr *percentage;
    struct expr *seed;
    bool begun;
    uint64_t threshold; /* Hashes below it stay; UINT64_MAX: all. */
    uint64_t start;
    uint64_t number; /* Of the next row, or batch. */
};

static tdbplus_status begin(struct sample_stage *sample, struct exec *exec)
{
    struct datum value;
    TRY(eval_once(exec, sample->percentage, &exec->arena, &value));
    if (value.is_null) {
        return err_set_state(exec->call->err, TDBPLUS_E_SQL, "2202H",
                             "TABLESAMPLE parameter cannot be null");
    }
    if (!(value.real >= 0 && value.real <= 100)) {
        return err_set_state(exec->call->err, TDBPLUS_E_SQL, "2202H",
                             "sample percentage must be between 0 and 100");
    }
    sample->threshold =
        value.real >= 100 ? UINT64_MAX : (uint64_t)(value.real / 100 * 18446744073709551615.0);
    struct datum seed = {.real = 0};
    if (sample->seed == NULL) {
        sample->start = exec->context->random_state[0] ^ (exec->context->random_state[1] << 1);
    } else {
        TRY(eval_once(exec, sample->seed, &exec->arena, &seed));
        if (seed.is_null) {
            return err_set_state(exec->call->err, TDBPLUS_E_SQL, "2202G",
                                 "TABLESAMPLE REPEATABLE parameter cannot be null");
        }
        memcpy(&sample->start, &seed.real, sizeof sample->start);
    }
    sample->begun = true;
    return TDBPLUS_OK;
}

static bool stays(struct sample_stage *sample)
{
    uint64_t words[2] = {sample->start, sample->number++};
    struct span span = {.data = (const uint8_t *)words, .size = sizeof words};
    return sample->threshold == UINT64_MAX || hash_bytes(span, 0) < sample->threshold;
}

static tdbplus_status sample_push(struct stage *stage, struct exec *exec, const struct batch *in,
                                  struct batch *out, bool *more_out)
{
    struct sample_stage *sample = (struct sample_stage *)stage;
    if (!sample->begun) {
        TRY(begin(sample, exec));
    }
    struct func_rows rows = batch_rows(in);
    uint16_t *kept = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    uint32_t count = 0;
    bool together = sample->plan->by_batch;
    bool all = together && stays(sample);
    for (uint32_t i = 0; i < rows.count; i++) {
        kept[count] = (uint16_t)rows_at(&rows, i);
        count += together ? all : stays(sample);
    }
    out->columns = in->columns;
    out->column_count = in->column_count;
    out->row_count = in->row_count;
    out->selection = kept;
    out->selected_count = count;
    *more_out = false;
    return TDBPLUS_OK;
}

/* The parameters are wrong whether there are rows or not. */
static tdbplus_status sample_drain(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct sample_stage *sample = (struct sample_stage *)stage;
    (void)out;
    if (!sample->begun) {
        TRY(begin(sample, exec));
    }
    return TDBPLUS_END;
}

tdbplus_status make_sample(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "sample", .push = sample_push, .drain = sample_drain};
    struct pipeline below = {0};
    TRY(exec_compile(exec, plan->left, &below));
    struct sample_stage *sample = stage_make(exec, sizeof *sample, &ops, below.last);
    if (sample == NULL) {
        return exec_no_memory(exec);
    }
    sample->plan = plan;
    TRY(exec_compile_expr(exec, plan->exprs[0], NULL, 0, &sample->percentage));
    if (plan->exprs[1] != NULL) {
        TRY(exec_compile_expr(exec, plan->exprs[1], NULL, 0, &sample->seed));
    }
    pipeline->last = &sample->stage;
    return TDBPLUS_OK;
}
