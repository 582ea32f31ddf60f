#include "files/source.h"

#include <stdatomic.h>
#include <stdio.h>

#include "files/describe.h"
#include "files/ndjson.h"
#include "files/parquet.h"
#include "files/pgcopy.h"
#include "files/split.h"
#include "types/arrow_ipc.h"

#define FILE_SIZE_MAX ((size_t)16 << 30)

/* One file open at a time. */
struct file_source {
    const struct alloc *alloc;
    const struct file_spec *spec;
    struct file_wanted wanted;
    _Atomic uint32_t own_next; /* Of units, where nobody shares them. */
    struct file_unit unit;
    bool open;        /* A unit is being read. */
    uint32_t file;    /* That `parquet` is of. */
    bool handed_over; /* The queue was opened once. */
    struct file_input *input;
    uint32_t number; /* Of the unit. */
    struct split_cutter cutter;
    struct file_range range; /* The unit's bytes, while the cutter has its file open. */
    struct csv_reader *csv;
    struct ndjson_reader *ndjson;
    struct pgcopy_reader *pgcopy;
    struct parquet_file *parquet;
    struct parquet_reader *groups;
    struct bytes content;
    struct arrow_reader *arrow;
    char label[256];
};

tdbplus_status file_read_all(const char *path, const struct alloc *alloc, struct bytes *bytes_out,
                             struct err *err)
{
    struct env_file *file = NULL;
    TRY(file_open_read(path, &file, err));
    env_close(env_real(), file);
    return env_read_file(env_real(), path, FILE_SIZE_MAX, alloc, bytes_out, err);
}

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
    source->cutter = (struct split_cutter){.split = wanted->split, .spec = spec, .alloc = alloc};
    if (source->wanted.next_unit == NULL) {
        source->wanted.next_unit = &source->own_next;
    }
    *source_out = source;
    return TDBPLUS_OK;
}

static void close_reader(struct file_source *source)
{
    csv_reader_close(source->csv);
    source->csv = NULL;
    ndjson_reader_close(source->ndjson);
    source->ndjson = NULL;
    pgcopy_reader_close(source->pgcopy);
    source->pgcopy = NULL;
    arrow_reader_close(source->arrow);
    source->arrow = NULL;
    bytes_deinit(&source->content);
    source->content = (struct bytes){0};
    file_input_close(source->input);
    source->input = NULL;
    if (source->cutter.file != NULL) {
        env_close(env_real(), source->cutter.file);
        source->cutter.file = NULL;
    }
}

/* The reader of parts stays, for the next part may be of the same file. */
static void close_unit(struct file_source *source)
{
    source->open = false;
    if (source->cutter.file == NULL) {
        close_reader(source);
    }
}

static void close_parquet(struct file_source *source)
{
    parquet_reader_destroy(source->groups);
    source->groups = NULL;
    parquet_close(source->parquet);
    source->parquet = NULL;
}

void file_source_destroy(struct file_source *source)
{
    if (source != NULL) {
        close_reader(source);
        close_parquet(source);
        split_cutter_deinit(&source->cutter);
        alloc_free(source->alloc, source, 1, sizeof *source);
    }
}

/* ---- opening ---- */

static tdbplus_status open_text(struct file_source *source, struct file_input *input,
                                struct err *err)
{
    const struct file_spec *spec = source->spec;
    if (spec->format == FILE_NDJSON) {
        struct ndjson_layout layout = {.columns = spec->columns,
                                       .column_count = spec->column_count,
                                       .positions = source->wanted.positions,
                                       .position_count = source->wanted.position_count,
                                       .source = source->label,
                                       .style = source->wanted.style};
        return ndjson_reader_open(input, &layout, source->alloc, &source->ndjson, err);
    }
    if (spec->format == FILE_BINARY) {
        struct pgcopy_layout layout = {.columns = spec->columns,
                                       .column_count = spec->column_count,
                                       .positions = source->wanted.positions,
                                       .position_count = source->wanted.position_count,
                                       .source = source->label,
                                       .style = source->wanted.style};
        return pgcopy_reader_open(input, &layout, source->alloc, &source->pgcopy, err);
    }
    struct csv_layout layout = {.options = spec->csv,
                                .columns = spec->columns,
                                .column_count = spec->column_count,
                                .positions = source->wanted.positions,
                                .position_count = source->wanted.position_count,
                                .source = source->label,
                                .style = source->wanted.style};
    if (source->unit.group > 0) {
        layout.options.header = CSV_HEADER_NONE;
    }
    return csv_reader_open(input, &layout, source->alloc, &source->csv, err);
}

static tdbplus_status open_arrow(struct file_source *source, const char *path, struct err *err)
{
    TRY(file_read_all(path, source->alloc, &source->content, err));
    struct span bytes = {source->content.data, source->content.size};
    TRY(arrow_reader_open(bytes, source->alloc, &source->arrow, err));
    uint32_t count = 0;
    const struct arrow_column *columns = arrow_reader_columns(source->arrow, &count);
    bool same = count == source->spec->column_count;
    for (uint32_t i = 0; same && i < count; i++) {
        same = type_equal(columns[i].type, source->spec->columns[i].type);
    }
    return same ? TDBPLUS_OK
                : err_set_state(err, TDBPLUS_E_SQL, "22P04",
                                "file \"%s\" has other columns than the first file", path);
}

static tdbplus_status open_parquet(struct file_source *source, const char *path, struct err *err)
{
    if (source->parquet == NULL || source->file != source->unit.file) {
        uint32_t count = 0;
        close_parquet(source);
        TRY(parquet_open(path, source->alloc, &source->parquet, err));
        source->file = source->unit.file;
        const struct file_column *columns = parquet_columns(source->parquet, &count);
        TRY(file_check_columns(source->spec, path, columns, count, err));
        TRY(parquet_reader_create(source->parquet, source->wanted.positions,
                                  source->wanted.position_count, &source->groups, err));
    }
    if (source->unit.group >= parquet_group_count(source->parquet)) {
        return err_set_state(err, TDBPLUS_E_SQL, "22P04", "file \"%s\" changed while it was read",
                             path);
    }
    for (uint32_t i = 0; i < source->wanted.condition_count; i++) {
        if (!parquet_group_may_match(source->parquet, source->unit.group,
                                     &source->wanted.conditions[i])) {
            return TDBPLUS_END;
        }
    }
    return parquet_reader_begin(source->groups, source->unit.group, err);
}

static bool is_part(const struct file_source *source)
{
    const struct file_spec *spec = source->spec;
    return spec->split != FILE_SPLIT_NOT && spec->path_count > 0 &&
           spec->part_sizes[source->unit.file] != 0;
}

/* The bytes of the unit's records; its file is open, by the reader of the unit before or from now
 * on.
 */
static tdbplus_status open_part(struct file_source *source, const char *path, struct err *err)
{
    struct split_cutter *cutter = &source->cutter;
    if (cutter->split == NULL) { // Nobody shares the work: the first part is the whole file.
        if (source->unit.group > 0) {
            return TDBPLUS_END;
        }
        TRY(file_input_open(path, source->alloc, &source->input, err));
        return open_text(source, source->input, err);
    }
    bool goes_on = cutter->file != NULL && source->file == source->unit.file;
    if (!goes_on) {
        close_reader(source);
        TRY(file_open_read(path, &cutter->file, err));
        TRY(env_size(env_real(), cutter->file, &cutter->file_size, err));
        source->file = source->unit.file;
    }
    uint64_t begin = 0;
    uint64_t end = 0;
    TRY(split_cut(cutter, source->number, &begin, &end, err));
    if (begin >= end) {
        return TDBPLUS_END;
    }
    file_range_init(&source->range, cutter->file, begin, end);
    if (source->csv != NULL && source->unit.group > 0) {
        csv_reader_restart(source->csv);
        return TDBPLUS_OK;
    }
    if (source->ndjson != NULL) {
        ndjson_reader_restart(source->ndjson);
        return TDBPLUS_OK;
    }
    return open_text(source, &source->range.input, err);
}

/* TDBPLUS_END: the unit has no rows that are wanted. */
static tdbplus_status open_unit(struct file_source *source, struct err *err)
{
    const struct file_spec *spec = source->spec;
    const char *path = spec->path_count == 0 ? "" : spec->paths[source->unit.file];
    if (spec->label != NULL) {
        (void)snprintf(source->label, sizeof source->label, "%s", spec->label);
    } else {
        (void)snprintf(source->label, sizeof source->label, "file \"%.200s\"", path);
    }
    source->open = true;
    if (spec->path_count == 0) {
        struct file_input *queue = &source->wanted.queue->input;
        if (spec->encoding == NULL) {
            return open_text(source, queue, err);
        }
        TRY(charset_input_open(spec->encoding, queue, source->alloc, &source->input, err));
        return open_text(source, source->input, err);
    }
    if (spec->format == FILE_PARQUET) {
        return open_parquet(source, path, err);
    }
    if (spec->format == FILE_ARROW) {
        return open_arrow(source, path, err);
    }
    if (is_part(source)) {
        return open_part(source, path, err);
    }
    close_reader(source); // Of parts of another file.
    TRY(file_text_open(path, spec->encoding, source->alloc, &source->input, err));
    return open_text(source, source->input, err);
}

/* ---- reading ---- */

/* Arrow's reader gives all columns. */
static tdbplus_status next_of_arrow(struct file_source *source, struct batch *batch,
                                    struct err *err)
{
    const struct file_wanted *wanted = &source->wanted;
    TRY(arrow_reader_next(source->arrow, batch, err));
    if (wanted->positions == NULL) {
        return TDBPLUS_OK;
    }
    struct column *columns =
        arena_array(&batch->arena, wanted->position_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory for rows");
    }
    for (uint32_t i = 0; i < wanted->position_count; i++) {
        columns[i] = batch->columns[wanted->positions[i]];
    }
    batch->columns = columns;
    batch->column_count = wanted->position_count;
    return TDBPLUS_OK;
}

static tdbplus_status next_of_unit(struct file_source *source, struct batch *batch, struct err *err)
{
    if (source->csv != NULL) {
        return csv_reader_next(source->csv, batch, err);
    }
    if (source->ndjson != NULL) {
        return ndjson_reader_next(source->ndjson, batch, err);
    }
    if (source->pgcopy != NULL) {
        return pgcopy_reader_next(source->pgcopy, batch, err);
    }
    tdbplus_status status = source->arrow != NULL ? next_of_arrow(source, batch, err)
                                                  : parquet_reader_next(source->groups, batch, err);
    if (status != TDBPLUS_OK && status != TDBPLUS_END) {
        err_context(err, "%s", source->label);
    }
    return status;
}

static bool take_unit(struct file_source *source)
{
    uint32_t count = source->spec->path_count == 0 ? 1 : source->spec->unit_count;
    uint32_t number = atomic_fetch_add_explicit(source->wanted.next_unit, 1, memory_order_relaxed);
    if (number >= count) {
        return false;
    }
    source->number = number;
    source->unit =
        source->spec->path_count == 0 ? (struct file_unit){0} : source->spec->units[number];
    return true;
}

tdbplus_status file_source_next(struct file_source *source, struct batch *batch, struct err *err)
{
    for (;;) {
        tdbplus_status status = TDBPLUS_OK;
        if (!source->open) {
            if (!take_unit(source)) {
                return TDBPLUS_END;
            }
            status = open_unit(source, err);
            if (status != TDBPLUS_OK && status != TDBPLUS_END) {
                err_context(err, "%s", source->label);
            }
        }
        if (status == TDBPLUS_OK) {
            status = next_of_unit(source, batch, err);
        }
        if (status != TDBPLUS_END) {
            return status;
        }
        batch_reset(batch);
        close_unit(source);
    }
}

void file_source_context(const struct file_source *source, uint32_t row, struct err *err)
{
    if (source->csv != NULL) {
        csv_reader_context(source->csv, row, err);
    } else if (source->ndjson != NULL) {
        ndjson_reader_context(source->ndjson, row, err);
    } else if (source->pgcopy != NULL) {
        pgcopy_reader_context(source->pgcopy, row, err);
    }
}
