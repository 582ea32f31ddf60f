#include "sql/exec/copy_output.h"

#include <string.h>

#define PIECE_SIZE ((size_t)64 << 10)

struct copy_output {
    const struct alloc *alloc;
    const struct file_spec *spec;
    struct file_writer *writer;
    struct file_output file;
    struct buffer bytes; /* Written by the writer, not yet gone. */
    struct batch rows;
    uint64_t row_count;
    bool begun;
    bool ended;
};

tdbplus_status copy_output_open(const struct file_spec *spec, const struct exec *exec,
                                struct copy_output **output_out)
{
    const struct call *call = exec->call;
    struct copy_output *output = alloc_array(call->alloc, 1, sizeof *output);
    if (output == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "out of memory for COPY");
    }
    output->alloc = call->alloc;
    output->spec = spec;
    buffer_init(&output->bytes, call->alloc);
    batch_init(&output->rows, call->alloc);
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done,
           file_writer_create(spec, exec_style(exec), call->alloc, &output->writer, call->err));
    if (spec->path_count > 0) {
        TRY_OR(done, file_output_open(&output->file, spec->paths[0], call->err));
    }
    *output_out = output;
    output = NULL;
done:
    copy_output_close(output);
    return status;
}

void copy_output_close(struct copy_output *output)
{
    if (output == NULL) {
        return;
    }
    file_output_abandon(&output->file);
    file_writer_destroy(output->writer);
    batch_deinit(&output->rows);
    buffer_deinit(&output->bytes);
    alloc_free(output->alloc, output, 1, sizeof *output);
}

uint64_t copy_output_rows(const struct copy_output *output)
{
    return output->row_count;
}

/* One step of the writer: its beginning, a batch, or its end. */
static tdbplus_status step(struct copy_output *output, struct exec *exec,
                           const struct pipeline *pipeline)
{
    struct err *err = exec->call->err;
    if (!output->begun) {
        output->begun = true;
        return file_writer_begin(output->writer, &output->bytes, err);
    }
    tdbplus_status status = pipeline_next(pipeline->last, exec, &output->rows);
    if (status == TDBPLUS_END) {
        output->ended = true;
        return file_writer_end(output->writer, &output->bytes, err);
    }
    TRY(status);
    output->row_count += batch_live_count(&output->rows);
    return file_writer_put(output->writer, &output->rows, &output->bytes, err);
}

static tdbplus_status give_piece(struct copy_output *output, struct exec *exec, struct batch *batch)
{
    struct datum piece = {.type = type_of(TYPE_BYTEA), .bytes = buffer_span(&output->bytes)};
    if (!batch_shape(batch, 1, 1) ||
        !column_make_constant(&batch->columns[0], &piece, 1, &batch->arena)) {
        return exec_no_memory(exec);
    }
    buffer_clear(&output->bytes);
    return TDBPLUS_OK;
}

tdbplus_status copy_output_next(struct copy_output *output, struct exec *exec,
                                const struct pipeline *pipeline, struct batch *batch)
{
    bool to_caller = output->spec->path_count == 0;
    while (!output->ended) {
        TRY(step(output, exec, pipeline));
        if (output->bytes.size < PIECE_SIZE && !output->ended) {
            continue;
        }
        if (to_caller) {
            break;
        }
        TRY(file_output_write(&output->file, buffer_span(&output->bytes), exec->call->err));
        buffer_clear(&output->bytes);
    }
    if (to_caller && output->bytes.size > 0) {
        return give_piece(output, exec, batch);
    }
    if (!to_caller) {
        TRY(file_output_finish(&output->file, exec->call->err));
    }
    return TDBPLUS_END;
}
