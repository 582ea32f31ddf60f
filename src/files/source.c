#include "files/source.h"

#include <stdio.h>

struct file_source {
    const struct alloc *alloc;
    const struct file_spec *spec;
    struct file_wanted wanted;
    uint32_t file; /* That is open, or the next. */
    bool open;
    struct file_input *input;
    struct csv_reader *csv;
    char label[256];
};

tdbplus_status file_source_create(const struct file_spec *spec, const struct file_wanted *wanted,
                                  const struct alloc *alloc, struct file_source **source_out,
                                  struct err *err)
{
    struct file_source *source = alloc_array(alloc, 1, sizeof *source);
    if (source == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to read a file");
    }
    source->alloc = alloc;
    source->spec = spec;
    source->wanted = *wanted;
    *source_out = source;
    return TDBPLUS_OK;
}

static void close_file(struct file_source *source)
{
    csv_reader_close(source->csv);
    source->csv = NULL;
    file_input_close(source->input);
    source->input = NULL;
    source->open = false;
}

void file_source_destroy(struct file_source *source)
{
    if (source != NULL) {
        close_file(source);
        alloc_free(source->alloc, source, 1, sizeof *source);
    }
}

static tdbplus_status open_text(struct file_source *source, struct file_input *input,
                                struct err *err)
{
    const struct file_spec *spec = source->spec;
    struct csv_layout layout = {.options = spec->csv,
                                .columns = spec->columns,
                                .column_count = spec->column_count,
                                .positions = source->wanted.positions,
                                .position_count = source->wanted.position_count,
                                .source = source->label,
                                .style = source->wanted.style};
    return csv_reader_open(input, &layout, source->alloc, &source->csv, err);
}

static tdbplus_status open_file(struct file_source *source, struct err *err)
{
    const struct file_spec *spec = source->spec;
    struct file_input *input = NULL;
    if (spec->path_count == 0) {
        input = &source->wanted.queue->input;
    } else {
        TRY(file_input_open(spec->paths[source->file], source->alloc, &source->input, err));
        input = source->input;
    }
    if (spec->label != NULL) {
        (void)snprintf(source->label, sizeof source->label, "%s", spec->label);
    } else {
        (void)snprintf(source->label, sizeof source->label, "file \"%.200s\"",
                       spec->paths[source->file]);
    }
    TRY(open_text(source, input, err));
    source->open = true;
    return TDBPLUS_OK;
}

tdbplus_status file_source_next(struct file_source *source, struct batch *batch, struct err *err)
{
    uint32_t count = source->spec->path_count == 0 ? 1 : source->spec->path_count;
    for (;;) {
        if (!source->open) {
            if (source->file == count) {
                return TDBPLUS_END;
            }
            TRY(open_file(source, err));
        }
        tdbplus_status status = csv_reader_next(source->csv, batch, err);
        if (status != TDBPLUS_END) {
            return status;
        }
        close_file(source);
        source->file++;
    }
}

void file_source_context(const struct file_source *source, uint32_t row, struct err *err)
{
    if (source->csv != NULL) {
        csv_reader_context(source->csv, row, err);
    }
}
