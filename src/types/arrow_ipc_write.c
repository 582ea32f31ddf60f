/*
 * Writing Arrow files and streams. Batches become Arrow's layout by arrow_export_batch(); what they
 * hold is gathered until it is worth a record batch, which is then written as one message.
 */

#include <stdlib.h>
#include <string.h>

#include "types/arrow_ipc_internal.h"
#include "types/flat_writer.h"

#define ROWS_WANTED    65536
#define BYTES_WANTED   ((size_t)32 << 20)
#define FILE_HEAD      "ARROW1\0"
#define FILE_HEAD_SIZE 8u
#define FILE_TAIL_SIZE 6u
#define PREFIX_SIZE    8u /* Of a message: a marker and the metadata's size. */
#define NODE_SIZE      16u
#define BLOCK_SIZE     24u
#define VERSION_5      4
#define UNIT_DAY       0
#define UNIT_MICRO     2
#define MONTH_DAY_NANO 2

enum header { HEADER_SCHEMA = 1, HEADER_DICTIONARY = 2, HEADER_RECORDS = 3 };

/* What a field's buffers are. */
enum sink_form { SINK_BITS, SINK_FIXED, SINK_BYTES, SINK_LIST, SINK_VECTOR };

/* What was gathered of one field. */
struct sink {
    uint8_t form; /* enum sink_form. */
    uint32_t width;
    int64_t length;
    int64_t null_count;
    struct buffer validity; /* Empty while nothing is null. */
    struct buffer first;    /* Values or offsets. */
    struct buffer second;   /* Bytes. */
    struct sink *child;
};

/* Where a message of a file is. */
struct block {
    int64_t offset;
    int64_t metadata_size;
    int64_t body_size;
};

struct arrow_writer {
    const struct alloc *alloc;
    struct arrow_write_options options;
    struct ArrowSchema schema;
    struct arena arena; /* Of sinks. */
    struct sink *sinks;
    uint32_t sink_count;
    int64_t row_count; /* Gathered. */
    uint64_t written;
    struct buffer metadata;
    struct buffer body;
    struct buffer compressed;
    struct buffer dictionaries; /* struct block. */
    struct buffer records;
    bool dictionaries_written;
};

static TDBPLUS_CHECKED tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory to write");
}

/* ---- making ---- */

static void sink_deinit(struct sink *sink)
{
    for (; sink != NULL; sink = sink->child) {
        buffer_deinit(&sink->validity);
        buffer_deinit(&sink->first);
        buffer_deinit(&sink->second);
    }
}

static bool sink_init(struct arrow_writer *writer, const struct ArrowSchema *schema,
                      struct sink *sink)
{
    const char *format = schema->format;
    buffer_init(&sink->validity, writer->alloc);
    buffer_init(&sink->first, writer->alloc);
    buffer_init(&sink->second, writer->alloc);
    sink->form = SINK_FIXED;
    sink->width = sizeof(int64_t);
    if (format[0] == '+') {
        sink->form = format[1] == 'l' ? SINK_LIST : SINK_VECTOR;
        sink->child = arena_array(&writer->arena, 1, sizeof *sink->child);
        return sink->child != NULL && sink_init(writer, schema->children[0], sink->child);
    }
    if (format[0] == 'b') {
        sink->form = SINK_BITS;
    } else if (format[0] == 'u' || format[0] == 'z') {
        sink->form = SINK_BYTES;
    } else if (format[0] == 'w') {
        sink->width = (uint32_t)strtoul(format + 2, NULL, 10);
    } else if (format[0] == 'd' || strcmp(format, "tin") == 0) {
        sink->width = 16;
    } else if (format[0] == 's') {
        sink->width = sizeof(int16_t);
    } else if (format[0] == 'i' || format[0] == 'f' || strcmp(format, "tdD") == 0) {
        sink->width = sizeof(int32_t);
    }
    return true;
}

tdbplus_status arrow_writer_create(const struct arrow_column *columns, uint32_t column_count,
                                   const struct arrow_write_options *options,
                                   const struct alloc *alloc, struct arrow_writer **writer_out,
                                   struct err *err)
{
    struct arrow_writer *writer = alloc_array(alloc, 1, sizeof *writer);
    if (writer == NULL) {
        return no_memory(err);
    }
    writer->alloc = alloc;
    writer->options = *options;
    arena_init(&writer->arena, alloc, 0);
    buffer_init(&writer->metadata, alloc);
    buffer_init(&writer->body, alloc);
    buffer_init(&writer->compressed, alloc);
    buffer_init(&writer->dictionaries, alloc);
    buffer_init(&writer->records, alloc);
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done,
           arrow_export_schema(columns, column_count, options->style, alloc, &writer->schema, err));
    writer->sinks = arena_array(&writer->arena, column_count + 1u, sizeof *writer->sinks);
    status = writer->sinks == NULL ? no_memory(err) : TDBPLUS_OK;
    for (uint32_t i = 0; i < column_count && status == TDBPLUS_OK; i++) {
        writer->sink_count++;
        if (!sink_init(writer, writer->schema.children[i], &writer->sinks[i])) {
            status = no_memory(err);
        }
    }
    if (status == TDBPLUS_OK) {
        *writer_out = writer;
        writer = NULL;
    }
done:
    arrow_writer_destroy(writer);
    return status;
}

void arrow_writer_destroy(struct arrow_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (uint32_t i = 0; i < writer->sink_count; i++) {
        sink_deinit(&writer->sinks[i]);
    }
    if (writer->schema.release != NULL) {
        writer->schema.release(&writer->schema);
    }
    buffer_deinit(&writer->metadata);
    buffer_deinit(&writer->body);
    buffer_deinit(&writer->compressed);
    buffer_deinit(&writer->dictionaries);
    buffer_deinit(&writer->records);
    arena_deinit(&writer->arena);
    alloc_free(writer->alloc, writer, 1, sizeof *writer);
}

/* ---- the schema ---- */

enum ipc_kind {
    KIND_INT = 2,
    KIND_FLOAT = 3,
    KIND_BINARY = 4,
    KIND_UTF8 = 5,
    KIND_BOOL = 6,
    KIND_DECIMAL = 7,
    KIND_DATE = 8,
    KIND_TIME = 9,
    KIND_TIMESTAMP = 10,
    KIND_INTERVAL = 11,
    KIND_LIST = 12,
    KIND_FIXED_BINARY = 15,
    KIND_FIXED_LIST = 16,
};

/* Types with one number of 32 bits; those of 16 bits are units. */
static void put_number_type(struct flat_writer *flat, uint32_t at, const char *number)
{
    static const uint8_t sizes[] = {4};
    struct flat_fields type = flat_put_child(flat, at, sizes, 1);
    flat_set_i32(flat, type.at[0], (int32_t)strtol(number, NULL, 10));
}

static void put_unit_type(struct flat_writer *flat, uint32_t at, int16_t unit)
{
    static const uint8_t sizes[] = {2};
    struct flat_fields type = flat_put_child(flat, at, sizes, 1);
    flat_set_i16(flat, type.at[0], unit);
}

static void put_int_type(struct flat_writer *flat, uint32_t at, int32_t bits)
{
    static const uint8_t sizes[] = {4, 1};
    struct flat_fields type = flat_put_child(flat, at, sizes, 2);
    flat_set_i32(flat, type.at[0], bits);
    flat_set_u8(flat, type.at[1], 1);
}

/* "d:12,2". */
static void put_decimal_type(struct flat_writer *flat, uint32_t at, const char *format)
{
    static const uint8_t sizes[] = {4, 4, 4};
    char *rest = NULL;
    struct flat_fields type = flat_put_child(flat, at, sizes, 3);
    flat_set_i32(flat, type.at[0], (int32_t)strtol(format + 2, &rest, 10));
    flat_set_i32(flat, type.at[1], (int32_t)strtol(rest + 1, NULL, 10));
    flat_set_i32(flat, type.at[2], 128);
}

/* "tdD", "ttu", "tsu:UTC", "tin". */
static uint8_t put_time_type(struct flat_writer *flat, uint32_t at, const char *format)
{
    static const uint8_t time_sizes[] = {2, 4};
    static const uint8_t stamp_sizes[] = {2, 4};
    struct flat_fields type;
    switch (format[1]) {
    case 'd':
        put_unit_type(flat, at, UNIT_DAY);
        return KIND_DATE;
    case 't':
        type = flat_put_child(flat, at, time_sizes, 2);
        flat_set_i16(flat, type.at[0], UNIT_MICRO);
        flat_set_i32(flat, type.at[1], 64);
        return KIND_TIME;
    case 'i':
        put_unit_type(flat, at, MONTH_DAY_NANO);
        return KIND_INTERVAL;
    default:
        if (format[4] == '\0') { // Without a zone.
            put_unit_type(flat, at, UNIT_MICRO);
            return KIND_TIMESTAMP;
        }
        type = flat_put_child(flat, at, stamp_sizes, 2);
        flat_set_i16(flat, type.at[0], UNIT_MICRO);
        flat_put_string(flat, type.at[1], span_from_text(format + 4));
        return KIND_TIMESTAMP;
    }
}

/* The type at `at`; returns its number in the union. */
static uint8_t put_type(struct flat_writer *flat, uint32_t at, const char *format)
{
    static const char letters[] = "silfguzb";
    static const uint8_t kinds[] = {KIND_INT,   KIND_INT,  KIND_INT,    KIND_FLOAT,
                                    KIND_FLOAT, KIND_UTF8, KIND_BINARY, KIND_BOOL};
    static const int16_t values[] = {16, 32, 64, 1, 2, 0, 0, 0};
    switch (format[0]) {
    case 't':
        return put_time_type(flat, at, format);
    case 'd':
        put_decimal_type(flat, at, format);
        return KIND_DECIMAL;
    case 'w':
        put_number_type(flat, at, format + 2);
        return KIND_FIXED_BINARY;
    case '+':
        if (format[1] == 'w') {
            put_number_type(flat, at, format + 3);
            return KIND_FIXED_LIST;
        }
        (void)flat_put_child(flat, at, NULL, 0);
        return KIND_LIST;
    default:
        break;
    }
    size_t i = strcspn(letters, (const char[]){format[0], '\0'});
    if (kinds[i] == KIND_INT) {
        put_int_type(flat, at, values[i]);
    } else if (kinds[i] == KIND_FLOAT) {
        put_unit_type(flat, at, values[i]);
    } else {
        (void)flat_put_child(flat, at, NULL, 0);
    }
    return kinds[i];
}

/* Pairs of texts as the C data interface has them: a count, then each with its size. */
static void put_metadata(struct flat_writer *flat, uint32_t at, const char *pairs)
{
    static const uint8_t sizes[] = {4, 4};
    int32_t count = 0;
    memcpy(&count, pairs, sizeof count);
    pairs += sizeof count;
    uint32_t items = flat_put_vector(flat, at, (uint32_t)count, 4, false);
    for (int32_t i = 0; i < count; i++) {
        struct flat_fields pair = flat_put_child(flat, items + 4 * (uint32_t)i, sizes, 2);
        for (uint32_t part = 0; part < 2; part++) {
            int32_t size = 0;
            memcpy(&size, pairs, sizeof size);
            struct span text = {(const uint8_t *)pairs + sizeof size, (size_t)size};
            flat_put_string(flat, pair.at[part], text);
            pairs += sizeof size + (size_t)size;
        }
    }
}

/* The codes are 32 bits, as they are when nothing is said; the type is that of the values. */
static void put_encoding(struct flat_writer *flat, uint32_t at, int64_t id, bool ordered)
{
    static const uint8_t sizes[] = {8, 4, 1};
    struct flat_fields encoding = flat_put_child(flat, at, sizes, 3);
    flat_set_i64(flat, encoding.at[0], id);
    flat_set_u8(flat, encoding.at[2], ordered);
    put_int_type(flat, encoding.at[1], 32);
}

static void put_field(struct flat_writer *flat, uint32_t at, const struct ArrowSchema *schema,
                      int64_t id)
{
    const bool coded = schema->dictionary != NULL;
    const uint8_t sizes[] = {4, 1, 1, 4, coded ? 4 : 0, 4, schema->metadata != NULL ? 4 : 0};
    struct flat_fields field = flat_put_child(flat, at, sizes, 7);
    flat_put_string(flat, field.at[0], span_from_text(schema->name == NULL ? "" : schema->name));
    flat_set_u8(flat, field.at[1], (schema->flags & ARROW_FLAG_NULLABLE) != 0);
    const char *format = coded ? schema->dictionary->format : schema->format;
    flat_set_u8(flat, field.at[2], put_type(flat, field.at[3], format));
    if (coded) {
        put_encoding(flat, field.at[4], id, (schema->flags & ARROW_FLAG_DICTIONARY_ORDERED) != 0);
    }
    uint32_t items = flat_put_vector(flat, field.at[5], (uint32_t)schema->n_children, 4, false);
    for (int64_t i = 0; i < schema->n_children; i++) {
        put_field(flat, items + 4 * (uint32_t)i, schema->children[i], id);
    }
    if (schema->metadata != NULL) {
        put_metadata(flat, field.at[6], schema->metadata);
    }
}

/* A dictionary has the number of its column; those of a list's items too. */
static void put_schema(struct flat_writer *flat, uint32_t at, const struct ArrowSchema *schema)
{
    static const uint8_t sizes[] = {2, 4};
    struct flat_fields table = flat_put_child(flat, at, sizes, 2);
    uint32_t items = flat_put_vector(flat, table.at[1], (uint32_t)schema->n_children, 4, false);
    for (int64_t i = 0; i < schema->n_children; i++) {
        put_field(flat, items + 4 * (uint32_t)i, schema->children[i], i);
    }
}

/* ---- messages ---- */

/* A message's table; returns where the offset of its header is. */
static uint32_t begin_message(struct arrow_writer *writer, struct flat_writer *flat,
                              enum header header, int64_t body_size)
{
    static const uint8_t sizes[] = {2, 1, 4, 8};
    buffer_clear(&writer->metadata);
    *flat = flat_begin(&writer->metadata);
    struct flat_fields message = flat_put_child(flat, 0, sizes, 4);
    flat_set_i16(flat, message.at[0], VERSION_5);
    flat_set_u8(flat, message.at[1], (uint8_t)header);
    flat_set_i64(flat, message.at[3], body_size);
    return message.at[2];
}

/* Everything that goes out is counted: a file's footer says where its messages are. */
static void send(struct arrow_writer *writer, struct span bytes, struct buffer *out)
{
    buffer_put_span(out, bytes);
    writer->written += bytes.size;
}

static void send_message(struct arrow_writer *writer, struct buffer *blocks, struct buffer *out)
{
    struct flat_writer flat = {.out = &writer->metadata};
    flat_align(&flat, 8);
    uint8_t prefix[PREFIX_SIZE] = {0xFF, 0xFF, 0xFF, 0xFF};
    store_u32(prefix + 4, (uint32_t)writer->metadata.size);
    struct block block = {.offset = (int64_t)writer->written,
                          .metadata_size = (int64_t)(writer->metadata.size + PREFIX_SIZE),
                          .body_size = (int64_t)writer->body.size};
    send(writer, (struct span){prefix, sizeof prefix}, out);
    send(writer, buffer_span(&writer->metadata), out);
    send(writer, buffer_span(&writer->body), out);
    if (blocks != NULL) {
        buffer_put(blocks, &block, sizeof block);
    }
    out->failed = out->failed || writer->metadata.failed || writer->body.failed;
}

/* ---- gathering ---- */

/* Appends `count` bits behind the `have` that are there; NULL: ones. */
static void append_bits(struct buffer *to, int64_t have, const uint8_t *bits, int64_t count)
{
    size_t wanted = (size_t)(have + count + 7) / 8;
    if (wanted > to->size) {
        size_t size = wanted - to->size;
        uint8_t *more = buffer_extend(to, size);
        if (more == NULL) {
            return;
        }
        memset(more, 0, size);
    }
    if (to->failed) {
        return;
    }
    if (bits != NULL && have % 8 == 0) {
        memcpy(to->data + have / 8, bits, (size_t)(count + 7) / 8);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        unsigned bit = bits == NULL ? 1 : (unsigned)bits[i / 8] >> (i % 8) & 1;
        int64_t at = have + i;
        to->data[at / 8] = (uint8_t)(to->data[at / 8] | bit << (at % 8));
    }
}

static void append_validity(struct sink *sink, const struct ArrowArray *array)
{
    const uint8_t *bits = array->null_count > 0 ? array->buffers[0] : NULL;
    if (bits != NULL && sink->null_count == 0) {
        append_bits(&sink->validity, 0, NULL, sink->length);
    }
    if (bits != NULL || sink->null_count > 0) {
        append_bits(&sink->validity, sink->length, bits, array->length);
    }
    sink->null_count += array->null_count;
}

/* Offsets go on from the last one. False: they leave 32 bits. */
static bool append_offsets(struct sink *sink, const int32_t *offsets, int64_t count)
{
    int64_t base = 0;
    if (sink->first.size == 0) {
        buffer_put_u32(&sink->first, 0);
    } else if (!sink->first.failed) {
        base = (int32_t)load_u32(sink->first.data + sink->first.size - sizeof(int32_t));
    }
    if (base + offsets[count] > INT32_MAX) {
        return false;
    }
    uint8_t *to = buffer_extend(&sink->first, (size_t)count * sizeof(int32_t));
    for (int64_t i = 0; to != NULL && i < count; i++) {
        store_u32(to + (size_t)i * sizeof(int32_t), (uint32_t)(base + offsets[i + 1]));
    }
    return true;
}

static tdbplus_status append(struct sink *sink, const struct ArrowArray *array, struct err *err)
{
    append_validity(sink, array);
    const int32_t *offsets = array->buffers[1];
    switch ((enum sink_form)sink->form) {
    case SINK_BITS:
        append_bits(&sink->first, sink->length, array->buffers[1], array->length);
        break;
    case SINK_FIXED:
        buffer_put(&sink->first, array->buffers[1], (size_t)array->length * sink->width);
        break;
    case SINK_BYTES:
    case SINK_LIST:
        if (!append_offsets(sink, offsets, array->length)) {
            return err_set(err, TDBPLUS_E_LIMIT,
                           "arrow: a column of one batch has more than 2 GiB");
        }
        if (sink->form == SINK_BYTES) {
            buffer_put(&sink->second, array->buffers[2], (size_t)offsets[array->length]);
        }
        break;
    case SINK_VECTOR:
        break;
    }
    sink->length += array->length;
    return sink->child == NULL ? TDBPLUS_OK : append(sink->child, array->children[0], err);
}

/* ---- record batches ---- */

/* Nodes and buffers of a body, in the order of a walk over the fields. */
struct parts {
    struct buffer nodes;
    struct buffer buffers;
};

static tdbplus_status put_buffer(struct arrow_writer *writer, const struct buffer *bytes,
                                 struct parts *parts, struct err *err)
{
    struct span content = buffer_span(bytes);
    if (writer->options.codec != ARROW_CODEC_NONE && content.size > 0) {
        TRY(arrow_compress(writer->options.codec, content, &writer->compressed, err));
        content = buffer_span(&writer->compressed);
    }
    buffer_put_u64(&parts->buffers, writer->body.size);
    buffer_put_u64(&parts->buffers, content.size);
    buffer_put_span(&writer->body, content);
    struct flat_writer padding = {.out = &writer->body};
    flat_align(&padding, 8);
    return TDBPLUS_OK;
}

static tdbplus_status put_sink(struct arrow_writer *writer, const struct sink *sink,
                               struct parts *parts, struct err *err)
{
    for (; sink != NULL; sink = sink->child) {
        buffer_put_u64(&parts->nodes, (uint64_t)sink->length);
        buffer_put_u64(&parts->nodes, (uint64_t)sink->null_count);
        TRY(put_buffer(writer, &sink->validity, parts, err));
        if (sink->form != SINK_VECTOR) {
            TRY(put_buffer(writer, &sink->first, parts, err));
        }
        if (sink->form == SINK_BYTES) {
            TRY(put_buffer(writer, &sink->second, parts, err));
        }
    }
    return TDBPLUS_OK;
}

/* The table RecordBatch. */
static void put_records(struct arrow_writer *writer, struct flat_writer *flat, uint32_t at,
                        int64_t length, const struct parts *parts)
{
    static const uint8_t codec_sizes[] = {1, 1};
    const bool compressed = writer->options.codec != ARROW_CODEC_NONE;
    const uint8_t sizes[] = {8, 4, 4, compressed ? 4 : 0};
    struct flat_fields batch = flat_put_child(flat, at, sizes, 4);
    flat_set_i64(flat, batch.at[0], length);
    const struct buffer *lists[] = {&parts->nodes, &parts->buffers};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t count = (uint32_t)(lists[i]->size / NODE_SIZE);
        uint32_t items = flat_put_vector(flat, batch.at[1 + i], count, NODE_SIZE, true);
        if (lists[i]->size > 0) {
            flat_set(flat, items, lists[i]->data, lists[i]->size);
        }
    }
    if (compressed) {
        struct flat_fields codec = flat_put_child(flat, batch.at[3], codec_sizes, 2);
        flat_set_u8(flat, codec.at[0], (uint8_t)writer->options.codec);
    }
}

static tdbplus_status send_sinks(struct arrow_writer *writer, const struct sink *sinks,
                                 uint32_t count, int64_t dictionary, struct buffer *out,
                                 struct err *err)
{
    static const uint8_t dictionary_sizes[] = {8, 4};
    struct parts parts;
    struct flat_writer flat;
    tdbplus_status status = TDBPLUS_OK;
    bool is_dictionary = dictionary >= 0;
    buffer_init(&parts.nodes, writer->alloc);
    buffer_init(&parts.buffers, writer->alloc);
    buffer_clear(&writer->body);
    for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        status = put_sink(writer, &sinks[i], &parts, err);
    }
    if (status == TDBPLUS_OK) {
        uint32_t at =
            begin_message(writer, &flat, is_dictionary ? HEADER_DICTIONARY : HEADER_RECORDS,
                          (int64_t)writer->body.size);
        if (is_dictionary) {
            struct flat_fields table = flat_put_child(&flat, at, dictionary_sizes, 2);
            flat_set_i64(&flat, table.at[0], dictionary);
            at = table.at[1];
        }
        int64_t length = is_dictionary ? sinks[0].length : writer->row_count;
        put_records(writer, &flat, at, length, &parts);
        send_message(writer, is_dictionary ? &writer->dictionaries : &writer->records, out);
        bool failed = parts.nodes.failed || parts.buffers.failed || out->failed;
        status = failed ? no_memory(err) : TDBPLUS_OK;
    }
    buffer_deinit(&parts.nodes);
    buffer_deinit(&parts.buffers);
    return status;
}

static void clear_sink(struct sink *sink)
{
    for (; sink != NULL; sink = sink->child) {
        sink->length = sink->null_count = 0;
        buffer_clear(&sink->validity);
        buffer_clear(&sink->first);
        buffer_clear(&sink->second);
    }
}

/* What was gathered, as a message. Offsets of no rows at all are one zero. */
static tdbplus_status flush(struct arrow_writer *writer, struct buffer *out, struct err *err)
{
    TRY(send_sinks(writer, writer->sinks, writer->sink_count, -1, out, err));
    for (uint32_t i = 0; i < writer->sink_count; i++) {
        clear_sink(&writer->sinks[i]);
    }
    writer->row_count = 0;
    return TDBPLUS_OK;
}

/* ---- dictionaries ---- */

/* The labels of enums stay the same from batch to batch: they are written once, before the first.
 */
static tdbplus_status send_dictionaries(struct arrow_writer *writer, const struct ArrowArray *array,
                                        struct buffer *out, struct err *err)
{
    for (int64_t i = 0; i < array->n_children && !writer->dictionaries_written; i++) {
        const struct ArrowArray *field = array->children[i];
        const struct ArrowSchema *schema = writer->schema.children[i];
        while (schema->dictionary == NULL && schema->n_children > 0) {
            schema = schema->children[0];
            field = field->children[0];
        }
        if (schema->dictionary == NULL) {
            continue;
        }
        struct sink labels = {0};
        bool good = sink_init(writer, schema->dictionary, &labels);
        tdbplus_status status = good ? append(&labels, field->dictionary, err) : no_memory(err);
        if (status == TDBPLUS_OK) {
            status = send_sinks(writer, &labels, 1, i, out, err);
        }
        sink_deinit(&labels);
        TRY(status);
    }
    writer->dictionaries_written = true;
    return TDBPLUS_OK;
}

/* ---- the whole ---- */

tdbplus_status arrow_writer_begin(struct arrow_writer *writer, struct buffer *out, struct err *err)
{
    struct flat_writer flat;
    if (writer->options.is_file) {
        send(writer, (struct span){(const uint8_t *)FILE_HEAD, FILE_HEAD_SIZE}, out);
    }
    buffer_clear(&writer->body);
    uint32_t at = begin_message(writer, &flat, HEADER_SCHEMA, 0);
    put_schema(&flat, at, &writer->schema);
    send_message(writer, NULL, out);
    return out->failed ? no_memory(err) : TDBPLUS_OK;
}

static size_t gathered_bytes(const struct arrow_writer *writer)
{
    size_t size = 0;
    for (uint32_t i = 0; i < writer->sink_count; i++) {
        for (const struct sink *sink = &writer->sinks[i]; sink != NULL; sink = sink->child) {
            size += sink->first.size + sink->second.size;
        }
    }
    return size;
}

static bool sinks_failed(const struct arrow_writer *writer)
{
    bool failed = false;
    for (uint32_t i = 0; i < writer->sink_count; i++) {
        for (const struct sink *sink = &writer->sinks[i]; sink != NULL; sink = sink->child) {
            failed = failed || sink->validity.failed || sink->first.failed || sink->second.failed;
        }
    }
    return failed;
}

tdbplus_status arrow_writer_put(struct arrow_writer *writer, const struct batch *batch,
                                struct buffer *out, struct err *err)
{
    struct ArrowArray array = {0};
    TRY(arrow_export_batch(batch, writer->options.style, writer->alloc, &array, err));
    tdbplus_status status = send_dictionaries(writer, &array, out, err);
    for (uint32_t i = 0; i < writer->sink_count && status == TDBPLUS_OK; i++) {
        status = append(&writer->sinks[i], array.children[i], err);
    }
    writer->row_count += array.length;
    array.release(&array);
    TRY(status);
    if (sinks_failed(writer)) {
        return no_memory(err);
    }
    bool enough = writer->row_count >= ROWS_WANTED || gathered_bytes(writer) >= BYTES_WANTED;
    return enough ? flush(writer, out, err) : TDBPLUS_OK;
}

static void put_blocks(struct flat_writer *flat, uint32_t at, const struct buffer *blocks)
{
    uint32_t count = (uint32_t)(blocks->size / sizeof(struct block));
    uint32_t first = flat_put_vector(flat, at, count, BLOCK_SIZE, true);
    for (uint32_t i = 0; i < count; i++) {
        struct block block;
        memcpy(&block, blocks->data + i * sizeof block, sizeof block);
        uint32_t item = first + i * BLOCK_SIZE;
        flat_set_i64(flat, item, block.offset);
        flat_set_i32(flat, item + 8, (int32_t)block.metadata_size);
        flat_set_i64(flat, item + 16, block.body_size);
    }
}

tdbplus_status arrow_writer_end(struct arrow_writer *writer, struct buffer *out, struct err *err)
{
    static const uint8_t sizes[] = {2, 4, 4, 4};
    static const uint8_t end[PREFIX_SIZE] = {0xFF, 0xFF, 0xFF, 0xFF};
    if (writer->row_count > 0) {
        TRY(flush(writer, out, err));
    }
    send(writer, (struct span){end, sizeof end}, out);
    if (writer->options.is_file) {
        buffer_clear(&writer->metadata);
        struct flat_writer flat = flat_begin(&writer->metadata);
        struct flat_fields footer = flat_put_child(&flat, 0, sizes, 4);
        flat_set_i16(&flat, footer.at[0], VERSION_5);
        put_schema(&flat, footer.at[1], &writer->schema);
        put_blocks(&flat, footer.at[2], &writer->dictionaries);
        put_blocks(&flat, footer.at[3], &writer->records);
        send(writer, buffer_span(&writer->metadata), out);
        buffer_put_u32(out, (uint32_t)writer->metadata.size);
        send(writer, (struct span){(const uint8_t *)FILE_HEAD, FILE_TAIL_SIZE}, out);
    }
    bool failed = out->failed || writer->metadata.failed || writer->records.failed ||
                  writer->dictionaries.failed;
    return failed ? no_memory(err) : TDBPLUS_OK;
}
