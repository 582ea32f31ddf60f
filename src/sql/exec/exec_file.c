/* Files as a source of rows. */

#include "files/source.h"
#include "sql/exec/exec_internal.h"

struct file_stage {
    struct stage stage;
    const struct plan *plan;
    struct file_source *source;
};

static tdbplus_status file_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct file_stage *file = (struct file_stage *)stage;
    if (file->source == NULL) {
        struct file_wanted wanted = {.positions = file->plan->file.positions,
                                     .position_count = file->plan->column_count,
                                     .queue = exec->copy_in};
        if (wanted.queue == NULL && file->plan->file.spec->path_count == 0) {
            return err_set_state(exec->call->err, TDBPLUS_E_STATE, "0A000",
                                 "COPY FROM STDIN needs a caller that hands the rows over");
        }
        TRY(file_source_create(file->plan->file.spec, &wanted, exec->call->alloc, &file->source,
                               exec->call->err));
    }
    return file_source_next(file->source, out, exec->call->err);
}

static void file_close(struct stage *stage)
{
    struct file_stage *file = (struct file_stage *)stage;
    file_source_destroy(file->source);
    file->source = NULL;
}

static const struct stage_ops file_ops = {.name = "file", .next = file_next, .close = file_close};

tdbplus_status make_file(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    struct file_stage *file = stage_make(exec, sizeof *file, &file_ops, NULL);
    if (file == NULL) {
        return exec_no_memory(exec);
    }
    file->plan = plan;
    pipeline->last = &file->stage;
    return TDBPLUS_OK;
}

void file_stage_context(const struct stage *last, uint32_t row, struct err *err)
{
    while (last != NULL && last->before != NULL) {
        last = last->before;
    }
    if (last != NULL && last->ops == &file_ops &&
        ((const struct file_stage *)last)->source != NULL) {
        file_source_context(((const struct file_stage *)last)->source, row, err);
    }
}
