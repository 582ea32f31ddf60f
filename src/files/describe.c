#include "files/describe.h"

#include <string.h>

#include "base/list.h"
#include "files/parquet.h"
#include "files/split.h"
#include "types/arrow_ipc.h"

#define SPLIT_FILE_COUNT_MAX 64u

struct file_request file_request_default(void)
{
    return (struct file_request){.csv = {.delimiter = -1, .quote = -1, .escape = -1, .header = -1}};
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory to look at files");
}

/* ---- paths ---- */

static tdbplus_status find_paths(const struct file_request *request, struct arena *arena,
                                 struct file_spec *spec, struct err *err)
{
    uint32_t total = 0;
    const char ***lists = arena_array(arena, request->pattern_count + 1u, sizeof *lists);
    uint32_t *counts = arena_array(arena, request->pattern_count + 1u, sizeof *counts);
    if (lists == NULL || counts == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < request->pattern_count; i++) {
        TRY(file_glob(request->patterns[i], arena, &lists[i], &counts[i], err));
        total += counts[i];
    }
    const char **paths = arena_array(arena, total + 1u, sizeof *paths);
    if (paths == NULL) {
        return no_memory(err);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < request->pattern_count; i++) {
        memcpy(paths + at, lists[i], counts[i] * sizeof *paths);
        at += counts[i];
    }
    spec->paths = paths;
    spec->path_count = total;
    return TDBPLUS_OK;
}

/* ---- formats with a schema ---- */

static tdbplus_status copy_columns(const struct file_column *columns, uint32_t count,
                                   struct arena *arena, struct file_spec *spec, struct err *err)
{
    struct file_column *copies = arena_array(arena, count + 1u, sizeof *copies);
    if (copies == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        copies[i].type = columns[i].type;
        copies[i].name = arena_text(arena, span_from_text(columns[i].name));
        if (copies[i].name == NULL) {
            return no_memory(err);
        }
    }
    spec->columns = copies;
    spec->column_count = count;
    return TDBPLUS_OK;
}

tdbplus_status file_check_columns(const struct file_spec *spec, const char *path,
                                  const struct file_column *columns, uint32_t count,
                                  struct err *err)
{
    for (uint32_t i = 0; i < count || i < spec->column_count; i++) {
        bool same = i < count && i < spec->column_count &&
                    strcmp(columns[i].name, spec->columns[i].name) == 0 &&
                    type_equal(columns[i].type, spec->columns[i].type);
        if (!same) {
            char have[64] = "no column";
            char want[64] = "none";
            if (i < count) {
                type_name(columns[i].type, have);
            }
            if (i < spec->column_count) {
                type_name(spec->columns[i].type, want);
            }
            return err_set_state(err, TDBPLUS_E_SQL, "22P04",
                                 "column %u of file \"%s\" is \"%s\" (%s) where the first file "
                                 "has \"%s\" (%s)",
                                 i + 1, path, i < count ? columns[i].name : "", have,
                                 i < spec->column_count ? spec->columns[i].name : "", want);
        }
    }
    return TDBPLUS_OK;
}

/* All footers are read: they say how the work can be shared. */
static tdbplus_status describe_parquet(struct arena *arena, struct file_spec *spec, struct err *err)
{
    struct list units;
    tdbplus_status status = TDBPLUS_OK;
    list_init(&units, arena->alloc, sizeof(struct file_unit));
    for (uint32_t i = 0; i < spec->path_count && status == TDBPLUS_OK; i++) {
        struct parquet_file *file = NULL;
        uint32_t count = 0;
        status = parquet_open(spec->paths[i], arena->alloc, &file, err);
        if (status != TDBPLUS_OK) {
            err_context(err, "file \"%.200s\"", spec->paths[i]);
            break;
        }
        const struct file_column *columns = parquet_columns(file, &count);
        status = i == 0 ? copy_columns(columns, count, arena, spec, err)
                        : file_check_columns(spec, spec->paths[i], columns, count, err);
        spec->row_count += parquet_row_count(file);
        for (uint32_t g = 0; g < parquet_group_count(file) && status == TDBPLUS_OK; g++) {
            struct file_unit unit = {.file = i, .group = g};
            status = list_push(&units, &unit) == NULL ? no_memory(err) : TDBPLUS_OK;
        }
        parquet_close(file);
    }
    if (status == TDBPLUS_OK) {
        struct file_unit *copy = arena_array(arena, units.count + 1, sizeof *copy);
        if (copy == NULL) {
            status = no_memory(err);
        } else if (units.count > 0) {
            memcpy(copy, units.items, units.count * sizeof *copy);
        }
        spec->units = copy;
        spec->unit_count = (uint32_t)units.count;
    }
    list_deinit(&units);
    return status;
}

static tdbplus_status describe_arrow(struct arena *arena, struct file_spec *spec, struct err *err)
{
    struct bytes content = {0};
    struct arrow_reader *reader = NULL;
    uint32_t count = 0;
    tdbplus_status status = file_read_all(spec->paths[0], arena->alloc, &content, err);
    if (status == TDBPLUS_OK) {
        status = arrow_reader_open((struct span){content.data, content.size}, arena->alloc, &reader,
                                   err);
    }
    if (status == TDBPLUS_OK) {
        const struct arrow_column *columns = arrow_reader_columns(reader, &count);
        struct file_column *copies = arena_array(arena, count + 1u, sizeof *copies);
        status = copies == NULL ? no_memory(err) : TDBPLUS_OK;
        for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
            copies[i] = (struct file_column){columns[i].name, columns[i].type};
        }
        if (status == TDBPLUS_OK) {
            status = copy_columns(copies, count, arena, spec, err);
        }
    }
    arrow_reader_close(reader);
    bytes_deinit(&content);
    return status;
}

/* ---- all of it ---- */

/* Quotes tell where they end only if each one counts. */
static enum file_split_rule split_rule(const struct file_spec *spec)
{
    if (spec->encoding != NULL) {
        return FILE_SPLIT_NOT;
    }
    if (spec->format == FILE_NDJSON) {
        return FILE_SPLIT_DOCUMENTS;
    }
    bool plain = spec->format == FILE_CSV && spec->csv.csv && spec->csv.quote == spec->csv.escape;
    return plain ? FILE_SPLIT_LINES : FILE_SPLIT_NOT;
}

/* A few files may have parts; many are parts enough, and need not be looked at. */
static tdbplus_status make_units(struct arena *arena, struct file_spec *spec, struct err *err)
{
    uint32_t total = 0;
    uint64_t *part_sizes = arena_array(arena, spec->path_count + 1u, sizeof *part_sizes);
    uint32_t *counts = arena_array(arena, spec->path_count + 1u, sizeof *counts);
    if (part_sizes == NULL || counts == NULL) {
        return no_memory(err);
    }
    spec->split =
        (uint8_t)(spec->path_count > SPLIT_FILE_COUNT_MAX ? FILE_SPLIT_NOT : split_rule(spec));
    for (uint32_t i = 0; i < spec->path_count; i++) {
        counts[i] =
            split_part_count(spec->paths[i], (enum file_split_rule)spec->split, &part_sizes[i]);
        total += counts[i];
    }
    struct file_unit *units = arena_array(arena, total + 1u, sizeof *units);
    if (units == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < spec->path_count; i++) {
        for (uint32_t part = 0; part < counts[i]; part++) {
            units[spec->unit_count++] = (struct file_unit){.file = i, .group = part};
        }
    }
    spec->units = units;
    spec->part_sizes = part_sizes;
    return TDBPLUS_OK;
}

tdbplus_status file_describe(const struct file_request *request, struct arena *arena,
                             struct file_spec *spec_out, struct err *err)
{
    struct file_spec spec = {.format = request->format, .encoding = request->encoding};
    TRY(find_paths(request, arena, &spec, err));
    if (spec.format == FILE_FORMAT_NONE) {
        spec.format = (uint8_t)file_format_of_path(spec.paths[0]);
    }
    switch (spec.format) {
    case FILE_CSV:
        TRY(csv_describe(request, spec.paths[0], arena, &spec, err));
        break;
    case FILE_NDJSON:
        TRY(ndjson_describe(request, spec.paths[0], arena, &spec, err));
        break;
    case FILE_PARQUET:
        TRY(describe_parquet(arena, &spec, err));
        break;
    case FILE_ARROW:
        TRY(describe_arrow(arena, &spec, err));
        break;
    default:
        return err_set_state(err, TDBPLUS_E_SQL, "22023",
                             "the format of \"%s\" is not known by its name", spec.paths[0]);
    }
    if (spec.format != FILE_PARQUET) {
        TRY(make_units(arena, &spec, err));
    }
    if (request->declared != NULL && (spec.format == FILE_CSV || spec.format == FILE_NDJSON)) {
        if (spec.format == FILE_CSV && request->declared_count != spec.column_count) {
            return err_set_state(err, TDBPLUS_E_SQL, "42P10",
                                 "the file has %u columns, but %u are declared", spec.column_count,
                                 request->declared_count);
        }
        spec.columns = request->declared;
        spec.column_count = request->declared_count;
    }
    *spec_out = spec;
    return TDBPLUS_OK;
}
