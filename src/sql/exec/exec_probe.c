/* EXPLAIN ANALYZE: counters between the stages. */

#include "sql/exec/exec_internal.h"

struct probe_stage {
    struct stage stage;
    struct stage *input;
    struct batch batch;
    size_t note; /* In the profile. */
    bool begun;
};

static uint64_t now_us(const struct exec *exec)
{
    return env_clock_mono_us(store_env(txn_store(exec->txn)));
}

static tdbplus_status probe_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct probe_stage *probe = (struct probe_stage *)base;
    uint64_t begin = now_us(exec);
    tdbplus_status status = pipeline_next(probe->input, exec, &probe->batch);
    struct plan_note *note = list_at(exec->profile, probe->note);
    note->time_us += now_us(exec) - begin;
    note->loops += !probe->begun;
    probe->begun = true;
    TRY(status);
    note->rows += batch_live_count(&probe->batch);
    out->columns = probe->batch.columns;
    out->column_count = probe->batch.column_count;
    out->row_count = probe->batch.row_count;
    out->selection = probe->batch.selection;
    out->selected_count = probe->batch.selected_count;
    return TDBPLUS_OK;
}

static void probe_close(struct stage *base)
{
    batch_deinit(&((struct probe_stage *)base)->batch);
}

/* A plan that is run again and again keeps one note. */
static tdbplus_status find_note(struct exec *exec, const struct plan *plan, size_t *number_out)
{
    for (size_t i = 0; i < exec->profile->count; i++) {
        if (((const struct plan_note *)list_at(exec->profile, i))->plan == plan) {
            *number_out = i;
            return TDBPLUS_OK;
        }
    }
    struct plan_note note = {.plan = plan};
    *number_out = exec->profile->count;
    return list_push(exec->profile, &note) == NULL ? exec_no_memory(exec) : TDBPLUS_OK;
}

tdbplus_status make_probe(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "probe", .next = probe_next, .close = probe_close};
    struct probe_stage *probe = stage_make(exec, sizeof *probe, &ops, NULL);
    if (probe == NULL) {
        return exec_no_memory(exec);
    }
    batch_init(&probe->batch, exec->call->alloc);
    probe->input = pipeline->last;
    pipeline->last = &probe->stage;
    return find_note(exec, plan, &probe->note);
}
