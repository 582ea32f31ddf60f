/* Relations of the system catalog: their rows are made when the first batch is asked for. */

#include "sql/exec/exec_internal.h"
#include "sql/system/system.h"

struct system_stage {
    struct stage stage;
    const struct plan *plan;
    struct system_rows rows;
    bool filled;
    uint32_t at;
};

static tdbplus_status fill(struct system_stage *system, struct exec *exec)
{
    system->rows = (struct system_rows){.table = system->plan->system,
                                        .txn = exec->txn,
                                        .session = exec->context->session,
                                        .user = exec->context->user,
                                        .database = exec->context->database,
                                        .arena = &exec->arena,
                                        .err = exec->call->err};
    system->filled = true;
    return system_fill(&system->rows);
}

static tdbplus_status system_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct system_stage *system = (struct system_stage *)stage;
    if (!system->filled) {
        TRY(fill(system, exec));
    }
    uint32_t columns = system->plan->column_count;
    uint32_t count = system->rows.row_count - system->at;
    count = count > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : count;
    if (count == 0) {
        return TDBPLUS_END;
    }
    if (!batch_shape(out, columns, count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < columns; c++) {
        struct column *column = &out->columns[c];
        if (!column_make(column, system->plan->columns[c].type, count, true, &out->arena)) {
            return exec_no_memory(exec);
        }
        for (uint32_t r = 0; r < count; r++) {
            const struct datum *value = &system->rows.cells[(size_t)(system->at + r) * columns + c];
            if (value->is_null) {
                column->validity[r / 64] &= ~((uint64_t)1 << (r % 64));
            } else {
                column_set(column, r, value);
            }
        }
    }
    system->at += count;
    return TDBPLUS_OK;
}

tdbplus_status make_system(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "system", .next = system_next};
    struct system_stage *system = stage_make(exec, sizeof *system, &ops, NULL);
    if (system == NULL) {
        return exec_no_memory(exec);
    }
    system->plan = plan;
    pipeline->last = &system->stage;
    return TDBPLUS_OK;
}
