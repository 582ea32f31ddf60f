/* tdbplus_arrow_file(): a file in Arrow's own format as a stream, for programs without Arrow. */

#include "engine/engine_internal.h"
#include "tdbplus/arrow.h"
#include "types/arrow.h"
#include "types/arrow_ipc.h"

#define ARROW_FILE_SIZE_MAX ((size_t)8 << 30)

/* Kept by the stream. */
struct arrow_file {
    struct bytes content;
    struct arrow_reader *reader;
};

static void close_file(void *ctx)
{
    struct arrow_file *file = ctx;
    arrow_reader_close(file->reader);
    bytes_deinit(&file->content);
    alloc_free(&alloc_system, file, 1, sizeof *file);
}

static tdbplus_status next_of_file(void *ctx, struct batch *batch, struct err *err)
{
    struct arrow_file *file = ctx;
    return arrow_reader_next(file->reader, batch, err);
}

struct file_args {
    const char *path;
    struct ArrowArrayStream *stream;
};

static tdbplus_status open_file(struct arrow_file *file, const struct file_args *args,
                                struct err *err)
{
    TRY(env_read_file(env_real(), args->path, ARROW_FILE_SIZE_MAX, &alloc_system, &file->content,
                      err));
    struct span bytes = {.data = file->content.data, .size = file->content.size};
    TRY(arrow_reader_open(bytes, &alloc_system, &file->reader, err));
    uint32_t count = 0;
    const struct arrow_column *columns = arrow_reader_columns(file->reader, &count);
    struct arrow_source source = {.next = next_of_file, .close = close_file, .ctx = file};
    return arrow_export_stream(columns, count, NULL, &source, &alloc_system, args->stream, err);
}

static tdbplus_status file_work(void *arg, const struct call *call)
{
    const struct file_args *args = arg;
    if (args->path == NULL || args->stream == NULL) {
        return err_set(call->err, TDBPLUS_E_INVALID, "a path and a place for a stream are needed");
    }
    struct arrow_file *file = alloc_array(&alloc_system, 1, sizeof *file);
    if (file == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "no memory for a stream");
    }
    tdbplus_status status = open_file(file, args, call->err);
    if (status != TDBPLUS_OK) {
        close_file(file);
    }
    return status;
}

tdbplus_status tdbplus_arrow_file(const char *path, struct ArrowArrayStream *out,
                                  tdbplus_call *call)
{
    struct file_args args = {.path = path, .stream = out};
    return engine_run_here(&alloc_system, env_real(), call, file_work, &args);
}
