/* Rows as text, as PostgreSQL's COPY TO writes them. */

#include <string.h>

#include "files/csv.h"

void csv_writer_init(struct csv_writer *writer, const struct csv_options *options,
                     const struct file_column *columns, uint32_t column_count,
                     const struct alloc *alloc)
{
    *writer = (struct csv_writer){.options = *options,
                                  .columns = columns,
                                  .column_count = column_count,
                                  .alone = column_count == 1};
    buffer_init(&writer->text, alloc);
}

void csv_writer_deinit(struct csv_writer *writer)
{
    buffer_deinit(&writer->text);
}

/* A text of FILE_TEXT: control characters, the delimiter and backslashes are escaped. */
static void put_escaped(const struct csv_options *options, struct span text, struct buffer *out)
{
    static const char codes[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['\v'] = 'v'};
    size_t from = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool coded = byte < sizeof codes && codes[byte] != 0 && byte != options->delimiter;
        if (!coded && byte != '\\' && byte != options->delimiter) {
            continue;
        }
        buffer_put(out, text.data + from, i - from);
        buffer_put_u8(out, '\\');
        buffer_put_u8(out, coded ? (uint8_t)codes[byte] : byte);
        from = i + 1;
    }
    if (from < text.size) {
        buffer_put(out, text.data + from, text.size - from);
    }
}

static bool needs_quotes(const struct csv_writer *writer, struct span text)
{
    const struct csv_options *options = &writer->options;
    if (text.size == options->null_text.size &&
        (text.size == 0 || memcmp(text.data, options->null_text.data, text.size) == 0)) {
        return true;
    }
    if (writer->alone && text.size == 2 && memcmp(text.data, "\\.", 2) == 0) {
        return true;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == options->delimiter || byte == options->quote || byte == '\n' || byte == '\r') {
            return true;
        }
    }
    return false;
}

static void put_quoted(const struct csv_options *options, struct span text, struct buffer *out)
{
    buffer_put_u8(out, options->quote);
    size_t from = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == options->quote || text.data[i] == options->escape) {
            buffer_put(out, text.data + from, i - from);
            buffer_put_u8(out, options->escape);
            from = i;
        }
    }
    if (from < text.size) {
        buffer_put(out, text.data + from, text.size - from);
    }
    buffer_put_u8(out, options->quote);
}

static void put_field(const struct csv_writer *writer, uint32_t column, struct span text,
                      struct buffer *out)
{
    const struct csv_options *options = &writer->options;
    if (!options->csv) {
        put_escaped(options, text, out);
        return;
    }
    bool forced = options->force_quote != NULL && options->force_quote[column];
    if (forced || needs_quotes(writer, text)) {
        put_quoted(options, text, out);
    } else {
        buffer_put_span(out, text);
    }
}

static void put_value(struct csv_writer *writer, uint32_t number, const struct column *column,
                      uint32_t row, struct buffer *out)
{
    struct datum value;
    column_get(column, row, &value);
    if (value.is_null) {
        buffer_put_span(out, writer->options.null_text);
        return;
    }
    if (value.type.id == TYPE_TEXT) {
        put_field(writer, number, value.bytes, out);
        return;
    }
    buffer_clear(&writer->text);
    text_print(&value, writer->style, &writer->text);
    out->failed = out->failed || writer->text.failed;
    put_field(writer, number, buffer_span(&writer->text), out);
}

void csv_write_header(struct csv_writer *writer, struct buffer *out)
{
    if (writer->options.header == CSV_HEADER_NONE) {
        return;
    }
    for (uint32_t i = 0; i < writer->column_count; i++) {
        struct span name = span_from_text(writer->columns[i].name);
        if (i > 0) {
            buffer_put_u8(out, writer->options.delimiter);
        }
        if (writer->options.csv && needs_quotes(writer, name)) {
            put_quoted(&writer->options, name, out);
        } else if (writer->options.csv) {
            buffer_put_span(out, name);
        } else {
            put_escaped(&writer->options, name, out);
        }
    }
    buffer_put_u8(out, '\n');
}

void csv_write_batch(struct csv_writer *writer, const struct batch *batch, struct buffer *out)
{
    uint32_t count = batch_live_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = batch->selection != NULL ? batch->selection[i] : i;
        for (uint32_t c = 0; c < writer->column_count; c++) {
            if (c > 0) {
                buffer_put_u8(out, writer->options.delimiter);
            }
            put_value(writer, c, &batch->columns[c], row, out);
        }
        buffer_put_u8(out, '\n');
    }
}
