#include "files/format.h"

#include <string.h>
#include <strings.h>

#include "types/column.h"

struct csv_options csv_options_default(enum file_format format)
{
    struct csv_options options = {.csv = format == FILE_CSV};
    options.delimiter = options.csv ? ',' : '\t';
    options.quote = '"';
    options.escape = '"';
    options.null_text = span_from_text(options.csv ? "" : "\\N");
    return options;
}

enum file_format file_format_of_name(const char *name)
{
    static const struct {
        const char *name;
        enum file_format format;
    } names[] = {
        {"text", FILE_TEXT},     {"csv", FILE_CSV},         {"binary", FILE_BINARY},
        {"ndjson", FILE_NDJSON}, {"json", FILE_NDJSON},     {"jsonl", FILE_NDJSON},
        {"arrow", FILE_ARROW},   {"parquet", FILE_PARQUET},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i].name) == 0) {
            return names[i].format;
        }
    }
    return FILE_FORMAT_NONE;
}

static bool ends_with(const char *text, size_t size, const char *end)
{
    size_t end_size = strlen(end);
    return size > end_size && strncasecmp(text + size - end_size, end, end_size) == 0;
}

enum file_format file_format_of_path(const char *path)
{
    static const struct {
        const char *end;
        enum file_format format;
    } ends[] = {
        {".csv", FILE_CSV},       {".tsv", FILE_CSV},     {".ndjson", FILE_NDJSON},
        {".jsonl", FILE_NDJSON},  {".json", FILE_NDJSON}, {".parquet", FILE_PARQUET},
        {".pq", FILE_PARQUET},    {".arrow", FILE_ARROW}, {".arrows", FILE_ARROW},
        {".feather", FILE_ARROW}, {".ipc", FILE_ARROW},
    };
    size_t size = strlen(path);
    if (ends_with(path, size, ".gz")) {
        size -= strlen(".gz");
    } else if (ends_with(path, size, ".zst")) {
        size -= strlen(".zst");
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (ends_with(path, size, ends[i].end)) {
            return ends[i].format;
        }
    }
    return FILE_FORMAT_NONE;
}

bool file_columns_make(const struct file_column *columns, uint32_t column_count,
                       const uint32_t *positions, uint32_t position_count, struct batch *batch)
{
    uint32_t count = positions == NULL ? column_count : position_count;
    batch->columns = arena_array(&batch->arena, count + 1u, sizeof *batch->columns);
    if (batch->columns == NULL) {
        return false;
    }
    batch->column_count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = positions == NULL ? i : positions[i];
        if (!column_make(&batch->columns[i], columns[position].type, BATCH_ROW_COUNT_MAX, true,
                         &batch->arena)) {
            return false;
        }
    }
    return true;
}
