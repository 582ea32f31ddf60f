/* Files as a source of rows. The members of a team take parts of them by turns. */

#include "files/split.h"
#include "sql/exec/exec_internal.h"

struct file_stage {
    struct stage stage;
    const struct plan *plan;
    struct file_source *source;
    struct expr **values;      /* Of the conditions; NULL in it: none. */
    struct file_stage *leader; /* Whose count of parts is used; may be this stage. */
    _Atomic uint32_t next_unit;
    bool is_expected;         /* Of the leader: its rows count for the statement's progress. */
    struct file_split *split; /* The leader's; NULL: nobody shares its files. */
};

/* A comparison with null holds for no row; the filter above knows. */
static tdbplus_status read_conditions(const struct file_stage *file, struct exec *exec,
                                      struct file_wanted *wanted)
{
    const struct plan_file *plan = &file->plan->file;
    struct file_condition *conditions =
        arena_array(&exec->arena, plan->condition_count + 1u, sizeof *conditions);
    if (conditions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        struct file_condition *condition = &conditions[wanted->condition_count];
        condition->position = plan->conditions[i].position;
        condition->compare = plan->conditions[i].compare;
        if (file->values[i] != NULL) {
            TRY(eval_once(exec, file->values[i], &exec->arena, &condition->value));
        }
        wanted->condition_count += file->values[i] == NULL || !condition->value.is_null;
    }
    wanted->conditions = conditions;
    return TDBPLUS_OK;
}

static tdbplus_status open_source(struct file_stage *file, struct exec *exec)
{
    const struct file_spec *spec = file->plan->file.spec;
    struct file_wanted wanted = {.positions = file->plan->file.positions,
                                 .position_count = file->plan->column_count,
                                 .queue = exec->copy_in,
                                 .style = exec_style(exec),
                                 .next_unit = &file->leader->next_unit,
                                 .split = file->leader->split};
    if (wanted.queue == NULL && spec->path_count == 0) {
        return err_set_state(exec->call->err, TDBPLUS_E_STATE, "0A000",
                             "COPY FROM STDIN needs a caller that hands the rows over");
    }
    TRY(read_conditions(file, exec, &wanted));
    return file_source_create(spec, &wanted, exec->call->alloc, &file->source, exec->call->err);
}

static tdbplus_status file_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct file_stage *file = (struct file_stage *)stage;
    if (file->source == NULL) {
        TRY(open_source(file, exec));
    }
    tdbplus_status status = file_source_next(file->source, out, exec->call->err);
    if (file->leader->is_expected) {
        // Also at the end: a worker may have read everything, and only the leader tells.
        exec_progress_add(exec, status == TDBPLUS_OK ? out->row_count : 0);
    }
    return status;
}

static void file_close(struct stage *stage)
{
    struct file_stage *file = (struct file_stage *)stage;
    file_source_destroy(file->source);
    file->source = NULL;
    file_split_destroy(file->split);
    file->split = NULL;
}

static const struct stage_ops file_ops = {.name = "file", .next = file_next, .close = file_close};

bool stage_is_file(const struct stage *stage)
{
    return stage->ops == &file_ops;
}

uint32_t file_stage_units(const struct stage *stage)
{
    return ((const struct file_stage *)stage)->plan->file.spec->unit_count;
}

tdbplus_status make_file(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    struct file_stage *file = stage_make(exec, sizeof *file, &file_ops, NULL);
    if (file == NULL) {
        return exec_no_memory(exec);
    }
    uint32_t count = plan->file.condition_count;
    file->values = arena_array(&exec->arena, count + 1u, sizeof *file->values);
    if (file->values == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (plan->file.conditions[i].value != NULL) {
            TRY(exec_compile_expr(exec, plan->file.conditions[i].value, NULL, 0, &file->values[i]));
        }
    }
    struct stage *peer = exec->leader == NULL ? NULL : exec_find_stage(exec->leader, plan);
    file->leader = peer == NULL ? file : (struct file_stage *)peer;
    file->plan = plan;
    file->is_expected = exec_progress_expect(exec, plan->file.spec->row_count) > 0;
    file->stage.origin = plan;
    pipeline->last = &file->stage;
    if (file->leader == file && exec->thread_count > 1 &&
        plan->file.spec->split != FILE_SPLIT_NOT) {
        file->split = file_split_create(plan->file.spec, exec->call->alloc);
        return file->split == NULL ? exec_no_memory(exec) : TDBPLUS_OK;
    }
    return TDBPLUS_OK;
}

void file_stage_context(const struct stage *last, uint32_t row, struct err *err)
{
    while (last != NULL && last->before != NULL) {
        last = last->before;
    }
    if (last != NULL && stage_is_file(last) && ((const struct file_stage *)last)->source != NULL) {
        file_source_context(((const struct file_stage *)last)->source, row, err);
    }
}
