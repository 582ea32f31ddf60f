#include "files/parquet_writer.h"

#include <lz4.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/list.h"
#include "files/parquet_internal.h"
#include "types/array.h"
#include "types/json.h"

#define GROUP_ROWS 122880u
#define PAGE_SIZE  ((size_t)1 << 20)
#define BOUND_SIZE 64u /* Longer texts make no bounds. */
#define ZSTD_LEVEL 3

/* A bound of a chunk's values, as a plain value. */
struct bound {
    uint8_t bytes[BOUND_SIZE];
    size_t size;
    struct datum value;
};

struct column_writer {
    const char *name;
    struct type type; /* Of the rows' values, */
    struct type leaf; /* and of what is written: the items of an array. */
    bool is_list;
    int8_t physical;
    struct buffer values; /* Of the page at hand, plain. */
    struct buffer defs;   /* A byte an entry. */
    struct buffer reps;
    uint8_t bit_count;    /* Booleans: bits used of the last byte. */
    struct buffer chunk;  /* Pages of the row group, compressed. */
    uint64_t chunk_plain; /* The same, uncompressed. */
    uint64_t entry_count; /* Of the chunk. */
    uint64_t null_count;
    struct bound min;
    struct bound max;
    bool ranged; /* So far its values had bounds. */
    bool has_range;
};

/* What the footer says of a chunk. */
struct chunk_note {
    uint64_t offset;
    uint64_t packed_size;
    uint64_t plain_size;
    uint64_t entry_count;
    uint64_t null_count;
    bool has_range;
    struct bound min;
    struct bound max;
};

struct parquet_writer {
    const struct alloc *alloc;
    const struct text_style *style;
    struct column_writer *columns;
    uint32_t column_count;
    int8_t codec;
    uint64_t written; /* Bytes given out so far. */
    uint32_t group_rows;
    struct list groups; /* uint64_t: rows. */
    struct list chunks; /* struct chunk_note: of each group, each column. */
    uint64_t row_count;
    struct buffer text; /* Of one value. */
    struct buffer page; /* Levels and values together. */
    struct buffer packed;
};

/* ---- what is written as what ---- */

static int8_t physical_of(struct type type)
{
    switch ((int)type.id) {
    case TYPE_BOOL:
        return PARQUET_BOOLEAN;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_DATE:
        return PARQUET_INT32;
    case TYPE_INT8:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return PARQUET_INT64;
    case TYPE_FLOAT4:
        return PARQUET_FLOAT;
    case TYPE_FLOAT8:
        return PARQUET_DOUBLE;
    case TYPE_UUID:
        return PARQUET_FIXED;
    case TYPE_NUMERIC:
        return type_physical(type) == PHYSICAL_8    ? PARQUET_INT64
               : type_physical(type) == PHYSICAL_16 ? PARQUET_FIXED
                                                    : PARQUET_BYTES;
    default:
        break;
    }
    return PARQUET_BYTES;
}

static int8_t codec_of(const char *name)
{
    static const struct {
        const char *name;
        int8_t codec;
    } codecs[] = {{"zstd", PARQUET_ZSTD},
                  {"snappy", PARQUET_SNAPPY},
                  {"gzip", PARQUET_GZIP},
                  {"lz4", PARQUET_LZ4_RAW},
                  {"lz4_raw", PARQUET_LZ4_RAW},
                  {"none", PARQUET_PLAIN_CODEC},
                  {"uncompressed", PARQUET_PLAIN_CODEC}};
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        if (name == NULL || strcmp(codecs[i].name, name) == 0) {
            return codecs[i].codec;
        }
    }
    return -1;
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory to write a Parquet file");
}

tdbplus_status parquet_writer_create(const struct file_column *columns, uint32_t column_count,
                                     const char *compression, const struct text_style *style,
                                     const struct alloc *alloc, struct parquet_writer **writer_out,
                                     struct err *err)
{
    int8_t codec = codec_of(compression);
    if (codec < 0) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023", "compression \"%s\" not recognized",
                             compression);
    }
    struct parquet_writer *writer = alloc_array(alloc, 1, sizeof *writer);
    if (writer == NULL) {
        return no_memory(err);
    }
    writer->alloc = alloc;
    writer->style = style;
    writer->codec = codec;
    list_init(&writer->groups, alloc, sizeof(uint64_t));
    list_init(&writer->chunks, alloc, sizeof(struct chunk_note));
    buffer_init(&writer->text, alloc);
    buffer_init(&writer->page, alloc);
    buffer_init(&writer->packed, alloc);
    writer->columns = alloc_array(alloc, column_count + 1u, sizeof *writer->columns);
    if (writer->columns == NULL) {
        parquet_writer_destroy(writer);
        return no_memory(err);
    }
    writer->column_count = column_count;
    for (uint32_t i = 0; i < column_count; i++) {
        struct column_writer *column = &writer->columns[i];
        struct type type = columns[i].type;
        column->name = columns[i].name;
        column->type = type;
        column->is_list = type.id == TYPE_ARRAY || type.id == TYPE_VECTOR;
        column->leaf = type.id == TYPE_ARRAY    ? type_element(type)
                       : type.id == TYPE_VECTOR ? type_of(TYPE_FLOAT4)
                                                : type;
        column->physical = physical_of(column->leaf);
        column->ranged = true;
        buffer_init(&column->values, alloc);
        buffer_init(&column->defs, alloc);
        buffer_init(&column->reps, alloc);
        buffer_init(&column->chunk, alloc);
    }
    *writer_out = writer;
    return TDBPLUS_OK;
}

void parquet_writer_destroy(struct parquet_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (uint32_t i = 0; i < writer->column_count; i++) {
        buffer_deinit(&writer->columns[i].values);
        buffer_deinit(&writer->columns[i].defs);
        buffer_deinit(&writer->columns[i].reps);
        buffer_deinit(&writer->columns[i].chunk);
    }
    alloc_free(writer->alloc, writer->columns, writer->column_count + 1u, sizeof *writer->columns);
    buffer_deinit(&writer->text);
    buffer_deinit(&writer->page);
    buffer_deinit(&writer->packed);
    list_deinit(&writer->groups);
    list_deinit(&writer->chunks);
    alloc_free(writer->alloc, writer, 1, sizeof *writer);
}

/* ---- pages ---- */

/* Runs of equal levels, or all of them as packed bits, whichever is smaller. */
static void put_levels(struct buffer *out, const struct buffer *levels, unsigned width)
{
    size_t at = out->size;
    size_t runs = 0;
    buffer_put_u32(out, 0);
    for (size_t i = 0; i < levels->size; i++) {
        runs += i == 0 || levels->data[i] != levels->data[i - 1];
    }
    if (runs * 3 < levels->size * width / 8 + 8) {
        for (size_t i = 0; i < levels->size;) {
            size_t end = i + 1;
            while (end < levels->size && levels->data[end] == levels->data[i]) {
                end++;
            }
            buffer_put_varint(out, (uint64_t)(end - i) << 1);
            buffer_put_u8(out, levels->data[i]);
            i = end;
        }
    } else {
        size_t groups = (levels->size + 7) / 8;
        buffer_put_varint(out, (uint64_t)groups << 1 | 1);
        for (size_t g = 0; g < groups; g++) {
            uint64_t word = 0;
            for (size_t i = 0; i < 8 && g * 8 + i < levels->size; i++) {
                word |= (uint64_t)levels->data[g * 8 + i] << (i * width);
            }
            buffer_put(out, &word, width);
        }
    }
    if (!out->failed) {
        uint32_t size = (uint32_t)(out->size - at - 4);
        memcpy(out->data + at, &size, sizeof size);
    }
}

static bool gzip_page(struct span in, struct buffer *out)
{
    z_stream zlib = {0};
    union {
        const uint8_t *read;
        uint8_t *plain;
    } data = {.read = in.data};
    if (deflateInit2(&zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return false;
    }
    size_t bound = deflateBound(&zlib, (uLong)in.size);
    uint8_t *room = buffer_extend(out, bound);
    bool good = room != NULL;
    if (good) {
        zlib.next_in = data.plain;
        zlib.avail_in = (uInt)in.size;
        zlib.next_out = room;
        zlib.avail_out = (uInt)bound;
        good = deflate(&zlib, Z_FINISH) == Z_STREAM_END;
        out->size -= zlib.avail_out;
    }
    (void)deflateEnd(&zlib);
    return good;
}

/* Appends the compressed bytes. */
static bool pack(int8_t codec, struct span in, struct buffer *out)
{
    size_t size = 0;
    uint8_t *room = NULL;
    switch (codec) {
    case PARQUET_ZSTD:
        room = buffer_extend(out, ZSTD_compressBound(in.size));
        size = room == NULL
                   ? 0
                   : ZSTD_compress(room, ZSTD_compressBound(in.size), in.data, in.size, ZSTD_LEVEL);
        out->size -= room == NULL ? 0 : ZSTD_compressBound(in.size) - size;
        return room != NULL && !ZSTD_isError(size);
    case PARQUET_SNAPPY:
        size = snappy_max_compressed_length(in.size);
        room = buffer_extend(out, size);
        out->size -= room == NULL ? 0 : size;
        return room != NULL &&
               snappy_compress((const char *)in.data, in.size, (char *)room, &size) == SNAPPY_OK &&
               (out->size += size) > 0;
    case PARQUET_LZ4_RAW:
        size = (size_t)LZ4_compressBound((int)in.size);
        room = buffer_extend(out, size);
        if (room != NULL) {
            out->size -= size;
            out->size += (size_t)LZ4_compress_default((const char *)in.data, (char *)room,
                                                      (int)in.size, (int)size);
        }
        return room != NULL;
    case PARQUET_GZIP:
        return gzip_page(in, out);
    default:
        buffer_put_span(out, in);
        return !out->failed;
    }
}

static void put_page_header(struct buffer *out, size_t plain, size_t packed, uint32_t crc,
                            uint64_t entries)
{
    int32_t last = 0;
    int32_t inner = 0;
    thrift_put_field(out, &last, 1, THRIFT_I32);
    thrift_put_integer(out, 0);
    thrift_put_field(out, &last, 2, THRIFT_I32);
    thrift_put_integer(out, (int64_t)plain);
    thrift_put_field(out, &last, 3, THRIFT_I32);
    thrift_put_integer(out, (int64_t)packed);
    thrift_put_field(out, &last, 4, THRIFT_I32);
    thrift_put_integer(out, (int32_t)crc);
    thrift_put_field(out, &last, 5, THRIFT_STRUCT);
    const int64_t fields[] = {(int64_t)entries, ENCODING_PLAIN, ENCODING_RLE, ENCODING_RLE};
    for (int32_t i = 0; i < 4; i++) {
        thrift_put_field(out, &inner, i + 1, THRIFT_I32);
        thrift_put_integer(out, fields[i]);
    }
    thrift_put_stop(out);
    thrift_put_stop(out);
}

static tdbplus_status end_page(struct parquet_writer *writer, struct column_writer *column,
                               struct err *err)
{
    uint64_t entries = column->defs.size;
    if (entries == 0) {
        return TDBPLUS_OK;
    }
    buffer_clear(&writer->page);
    buffer_clear(&writer->packed);
    if (column->is_list) {
        put_levels(&writer->page, &column->reps, 1);
    }
    put_levels(&writer->page, &column->defs, column->is_list ? 2 : 1);
    buffer_put_span(&writer->page, buffer_span(&column->values));
    if (writer->page.failed || column->values.failed || column->defs.failed ||
        column->reps.failed || !pack(writer->codec, buffer_span(&writer->page), &writer->packed) ||
        writer->packed.failed) {
        return no_memory(err);
    }
    size_t before = column->chunk.size;
    uint32_t crc = (uint32_t)crc32(0, writer->packed.data, (uInt)writer->packed.size);
    put_page_header(&column->chunk, writer->page.size, writer->packed.size, crc, entries);
    column->chunk_plain += column->chunk.size - before + writer->page.size;
    buffer_put_span(&column->chunk, buffer_span(&writer->packed));
    column->entry_count += entries;
    buffer_clear(&column->values);
    buffer_clear(&column->defs);
    buffer_clear(&column->reps);
    column->bit_count = 0;
    return column->chunk.failed ? no_memory(err) : TDBPLUS_OK;
}

/* ---- values ---- */

static void widen(struct bound *bound, struct span bytes, const struct datum *value, bool is_text)
{
    memcpy(bound->bytes, bytes.data, bytes.size);
    bound->size = bytes.size;
    bound->value = *value;
    if (is_text) {
        bound->value.bytes = (struct span){bound->bytes, bytes.size};
    }
}

static void note_range(struct column_writer *column, const struct datum *value, struct span bytes)
{
    uint8_t id = column->leaf.id;
    bool is_text = id == TYPE_TEXT;
    bool integer = id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8 || id == TYPE_DATE ||
                   id == TYPE_TIME || id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ ||
                   (id == TYPE_NUMERIC && column->physical == PARQUET_INT64);
    if (!column->ranged || (!integer && !is_text) || bytes.size > BOUND_SIZE) {
        column->ranged = false;
        column->has_range = false;
        return;
    }
    if (!column->has_range || datum_compare(value, &column->min.value) < 0) {
        widen(&column->min, bytes, value, is_text);
    }
    if (!column->has_range || datum_compare(value, &column->max.value) > 0) {
        widen(&column->max, bytes, value, is_text);
    }
    column->has_range = true;
}

static void put_fixed(struct column_writer *column, const struct datum *value, const void *bytes,
                      size_t size)
{
    buffer_put(&column->values, bytes, size);
    note_range(column, value, (struct span){bytes, size});
}

static void put_bytes(struct column_writer *column, const struct datum *value, struct span bytes)
{
    buffer_put_u32(&column->values, (uint32_t)bytes.size);
    buffer_put_span(&column->values, bytes);
    note_range(column, value, bytes);
}

static void put_boolean(struct column_writer *column, bool value)
{
    if (column->bit_count % 8 == 0) {
        buffer_put_u8(&column->values, 0);
    }
    if (!column->values.failed) {
        column->values.data[column->values.size - 1] |=
            (uint8_t)((unsigned)value << (column->bit_count % 8));
    }
    column->bit_count = (uint8_t)((column->bit_count + 1) % 8);
}

/* 16 bytes, the high one first. */
static void put_wide(struct column_writer *column, const struct datum *value)
{
    uint8_t bytes[16];
    uint8_t little[16];
    memcpy(little, &value->wide, sizeof little);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = little[15 - i];
    }
    put_fixed(column, value, bytes, sizeof bytes);
}

static void put_value(struct parquet_writer *writer, struct column_writer *column,
                      const struct datum *value)
{
    int32_t narrow = (int32_t)value->integer;
    float single = (float)value->real;
    switch ((enum parquet_physical)column->physical) {
    case PARQUET_BOOLEAN:
        put_boolean(column, value->boolean);
        return;
    case PARQUET_INT32:
        put_fixed(column, value, &narrow, sizeof narrow);
        return;
    case PARQUET_INT64:
        put_fixed(column, value, &value->integer, sizeof value->integer);
        return;
    case PARQUET_FLOAT:
        put_fixed(column, value, &single, sizeof single);
        return;
    case PARQUET_DOUBLE:
        put_fixed(column, value, &value->real, sizeof value->real);
        return;
    case PARQUET_FIXED:
        if (column->leaf.id == TYPE_UUID) {
            put_fixed(column, value, value->uuid, sizeof value->uuid);
        } else {
            put_wide(column, value);
        }
        return;
    case PARQUET_INT96:
    case PARQUET_BYTES:
        break;
    }
    if (value->type.id == TYPE_TEXT || value->type.id == TYPE_BYTEA) {
        put_bytes(column, value, value->bytes);
        return;
    }
    buffer_clear(&writer->text);
    text_print(value, writer->style, &writer->text);
    column->values.failed = column->values.failed || writer->text.failed;
    put_bytes(column, value, buffer_span(&writer->text));
}

static void put_entry(struct column_writer *column, uint8_t def, uint8_t rep)
{
    buffer_put_u8(&column->defs, def);
    if (column->is_list) {
        buffer_put_u8(&column->reps, rep);
    }
}

static void put_vector(struct parquet_writer *writer, struct column_writer *column,
                       const struct datum *value)
{
    uint32_t count = (uint32_t)(value->bytes.size / sizeof(float));
    for (uint32_t i = 0; i < count; i++) {
        float item;
        memcpy(&item, value->bytes.data + (size_t)i * sizeof item, sizeof item);
        struct datum datum = {.type = type_of(TYPE_FLOAT4), .real = (double)item};
        put_entry(column, 3, i > 0);
        put_value(writer, column, &datum);
    }
}

/* Levels: 0 no list, 1 an empty one, 2 a null in it, 3 an item. */
static tdbplus_status put_list(struct parquet_writer *writer, struct column_writer *column,
                               const struct datum *value, struct err *err)
{
    struct array array;
    if (column->type.id == TYPE_VECTOR) {
        put_vector(writer, column, value);
        return TDBPLUS_OK;
    }
    TRY(array_open(value->bytes, value->type, &array, err));
    if (array.dimension_count > 1) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "an array of several dimensions in a Parquet file is not supported");
    }
    if (array.count == 0) {
        put_entry(column, 1, 0);
    }
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        put_entry(column, item.is_null ? 2 : 3, i > 0);
        if (item.is_null) {
            column->null_count++;
        } else {
            put_value(writer, column, &item);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_column(struct parquet_writer *writer, struct column_writer *column,
                                 const struct batch *batch, const struct column *values,
                                 struct err *err)
{
    uint32_t count = batch_live_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = batch->selection != NULL ? batch->selection[i] : i;
        struct datum value;
        column_get(values, row, &value);
        if (value.is_null) {
            column->null_count++;
            put_entry(column, 0, 0);
        } else if (column->is_list) {
            TRY(put_list(writer, column, &value, err));
        } else {
            put_entry(column, 1, 0);
            put_value(writer, column, &value);
        }
    }
    return column->values.size >= PAGE_SIZE ? end_page(writer, column, err) : TDBPLUS_OK;
}

/* ---- row groups ---- */

static tdbplus_status end_group(struct parquet_writer *writer, struct buffer *out, struct err *err)
{
    uint64_t rows = writer->group_rows;
    if (rows == 0) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < writer->column_count; i++) {
        struct column_writer *column = &writer->columns[i];
        TRY(end_page(writer, column, err));
        struct chunk_note note = {.offset = writer->written,
                                  .packed_size = column->chunk.size,
                                  .plain_size = column->chunk_plain,
                                  .entry_count = column->entry_count,
                                  .null_count = column->null_count,
                                  .has_range = column->has_range,
                                  .min = column->min,
                                  .max = column->max};
        buffer_put_span(out, buffer_span(&column->chunk));
        writer->written += column->chunk.size;
        if (list_push(&writer->chunks, &note) == NULL) {
            return no_memory(err);
        }
        buffer_clear(&column->chunk);
        column->chunk_plain = column->entry_count = column->null_count = 0;
        column->ranged = true;
        column->has_range = false;
    }
    writer->group_rows = 0;
    return list_push(&writer->groups, &rows) == NULL ? no_memory(err) : TDBPLUS_OK;
}

tdbplus_status parquet_writer_begin(struct parquet_writer *writer, struct buffer *out,
                                    struct err *err)
{
    (void)err;
    buffer_put(out, "PAR1", 4);
    writer->written = 4;
    return TDBPLUS_OK;
}

tdbplus_status parquet_writer_put(struct parquet_writer *writer, const struct batch *batch,
                                  struct buffer *out, struct err *err)
{
    for (uint32_t i = 0; i < writer->column_count; i++) {
        TRY(put_column(writer, &writer->columns[i], batch, &batch->columns[i], err));
    }
    writer->group_rows += batch_live_count(batch);
    writer->row_count += batch_live_count(batch);
    return writer->group_rows >= GROUP_ROWS ? end_group(writer, out, err) : TDBPLUS_OK;
}

/* ---- the footer ---- */

static void put_unit(struct buffer *out)
{
    int32_t last = 0;
    thrift_put_field(out, &last, 2, THRIFT_STRUCT); // Microseconds.
    thrift_put_stop(out);
    thrift_put_stop(out);
}

/* The logical type, if there is one. */
static void put_logical(struct buffer *out, int32_t *last, struct type type)
{
    static const uint8_t ids[] = {
        [TYPE_INT2] = 10,     [TYPE_NUMERIC] = 5,     [TYPE_DATE] = 6,  [TYPE_TIME] = 7,
        [TYPE_TIMESTAMP] = 8, [TYPE_TIMESTAMPTZ] = 8, [TYPE_UUID] = 14, [TYPE_JSON] = 12};
    bool plain = type.id == TYPE_BYTEA || type.id == TYPE_BOOL || type.id == TYPE_INT4 ||
                 type.id == TYPE_INT8 || type.id == TYPE_FLOAT4 || type.id == TYPE_FLOAT8;
    if (plain) {
        return;
    }
    int32_t member = 0;
    int32_t inner = 0;
    bool known = type.id < sizeof ids && ids[type.id] != 0 &&
                 !(type.id == TYPE_NUMERIC && physical_of(type) == PARQUET_BYTES);
    thrift_put_field(out, last, 10, THRIFT_STRUCT);
    thrift_put_field(out, &member, known ? ids[type.id] : 1, THRIFT_STRUCT);
    if (type.id == TYPE_INT2) {
        thrift_put_field(out, &inner, 1, THRIFT_I8);
        buffer_put_u8(out, 16);
        thrift_put_field(out, &inner, 2, THRIFT_TRUE);
    } else if (known && type.id == TYPE_NUMERIC) {
        thrift_put_field(out, &inner, 1, THRIFT_I32);
        thrift_put_integer(out, type.scale);
        thrift_put_field(out, &inner, 2, THRIFT_I32);
        thrift_put_integer(out, type.precision);
    } else if (type.id == TYPE_TIME || type.id == TYPE_TIMESTAMP || type.id == TYPE_TIMESTAMPTZ) {
        thrift_put_field(out, &inner, 1, type.id == TYPE_TIMESTAMPTZ ? THRIFT_TRUE : THRIFT_FALSE);
        thrift_put_field(out, &inner, 2, THRIFT_STRUCT);
        put_unit(out);
    }
    thrift_put_stop(out);
    thrift_put_stop(out);
}

/* The older way of saying it, for older readers; -1: none. */
static int64_t converted_of(struct type type)
{
    switch ((int)type.id) {
    case TYPE_INT2:
        return 16;
    case TYPE_DATE:
        return 6;
    case TYPE_TIMESTAMPTZ:
        return 10;
    case TYPE_JSON:
        return 19;
    case TYPE_NUMERIC:
        return physical_of(type) == PARQUET_BYTES ? 0 : 5;
    case TYPE_TEXT:
    case TYPE_ENUM:
    case TYPE_INTERVAL:
        return 0;
    default:
        return -1;
    }
}

static void put_element(struct buffer *out, const char *name, const struct column_writer *leaf,
                        int64_t repetition, int64_t children, int64_t converted)
{
    int32_t last = 0;
    if (leaf != NULL) {
        thrift_put_field(out, &last, 1, THRIFT_I32);
        thrift_put_integer(out, leaf->physical);
        if (leaf->physical == PARQUET_FIXED) {
            thrift_put_field(out, &last, 2, THRIFT_I32);
            thrift_put_integer(out, 16);
        }
    }
    if (repetition >= 0) {
        thrift_put_field(out, &last, 3, THRIFT_I32);
        thrift_put_integer(out, repetition);
    }
    thrift_put_field(out, &last, 4, THRIFT_BINARY);
    thrift_put_binary(out, span_from_text(name));
    if (leaf == NULL) {
        thrift_put_field(out, &last, 5, THRIFT_I32);
        thrift_put_integer(out, children);
    }
    if (converted >= 0) {
        thrift_put_field(out, &last, 6, THRIFT_I32);
        thrift_put_integer(out, converted);
    }
    if (leaf != NULL && converted == 5) {
        thrift_put_field(out, &last, 7, THRIFT_I32);
        thrift_put_integer(out, leaf->leaf.scale);
        thrift_put_field(out, &last, 8, THRIFT_I32);
        thrift_put_integer(out, leaf->leaf.precision);
    }
    if (leaf != NULL) {
        put_logical(out, &last, leaf->leaf);
    }
    thrift_put_stop(out);
}

static void put_schema(const struct parquet_writer *writer, struct buffer *out)
{
    uint32_t count = 1;
    for (uint32_t i = 0; i < writer->column_count; i++) {
        count += writer->columns[i].is_list ? 3 : 1;
    }
    thrift_put_list(out, count, THRIFT_STRUCT);
    put_element(out, "schema", NULL, -1, writer->column_count, -1);
    for (uint32_t i = 0; i < writer->column_count; i++) {
        const struct column_writer *column = &writer->columns[i];
        int64_t converted = converted_of(column->leaf);
        if (column->is_list) {
            put_element(out, column->name, NULL, PARQUET_OPTIONAL, 1, 3);
            put_element(out, "list", NULL, PARQUET_REPEATED, 1, -1);
            put_element(out, "element", column, PARQUET_OPTIONAL, 0, converted);
        } else {
            put_element(out, column->name, column, PARQUET_OPTIONAL, 0, converted);
        }
    }
}

static void put_statistics(const struct chunk_note *note, struct buffer *out)
{
    int32_t last = 0;
    thrift_put_field(out, &last, 3, THRIFT_I64);
    thrift_put_integer(out, (int64_t)note->null_count);
    if (note->has_range) {
        thrift_put_field(out, &last, 5, THRIFT_BINARY);
        thrift_put_binary(out, (struct span){note->max.bytes, note->max.size});
        thrift_put_field(out, &last, 6, THRIFT_BINARY);
        thrift_put_binary(out, (struct span){note->min.bytes, note->min.size});
    }
    thrift_put_stop(out);
}

static void put_chunk_data(const struct parquet_writer *writer, const struct column_writer *column,
                           const struct chunk_note *note, struct buffer *out)
{
    static const char *const inner[] = {"list", "element"};
    int32_t last = 0;
    thrift_put_field(out, &last, 1, THRIFT_I32);
    thrift_put_integer(out, column->physical);
    thrift_put_field(out, &last, 2, THRIFT_LIST);
    thrift_put_list(out, 2, THRIFT_I32);
    thrift_put_integer(out, ENCODING_PLAIN);
    thrift_put_integer(out, ENCODING_RLE);
    thrift_put_field(out, &last, 3, THRIFT_LIST);
    thrift_put_list(out, column->is_list ? 3 : 1, THRIFT_BINARY);
    thrift_put_binary(out, span_from_text(column->name));
    for (uint32_t i = 0; i < 2 && column->is_list; i++) {
        thrift_put_binary(out, span_from_text(inner[i]));
    }
    thrift_put_field(out, &last, 4, THRIFT_I32);
    thrift_put_integer(out, writer->codec);
    const struct {
        int32_t id;
        uint64_t value;
    } numbers[] = {
        {5, note->entry_count}, {6, note->plain_size}, {7, note->packed_size}, {9, note->offset}};
    for (size_t i = 0; i < 4; i++) {
        thrift_put_field(out, &last, numbers[i].id, THRIFT_I64);
        thrift_put_integer(out, (int64_t)numbers[i].value);
    }
    thrift_put_field(out, &last, 12, THRIFT_STRUCT);
    put_statistics(note, out);
    thrift_put_stop(out);
}

static void put_group(const struct parquet_writer *writer, size_t number, struct buffer *out)
{
    int32_t last = 0;
    uint64_t total = 0;
    thrift_put_field(out, &last, 1, THRIFT_LIST);
    thrift_put_list(out, writer->column_count, THRIFT_STRUCT);
    for (uint32_t i = 0; i < writer->column_count; i++) {
        const struct chunk_note *note = list_at(&writer->chunks, number * writer->column_count + i);
        int32_t inner = 0;
        thrift_put_field(out, &inner, 2, THRIFT_I64);
        thrift_put_integer(out, 0);
        thrift_put_field(out, &inner, 3, THRIFT_STRUCT);
        put_chunk_data(writer, &writer->columns[i], note, out);
        thrift_put_stop(out);
        total += note->plain_size;
    }
    thrift_put_field(out, &last, 2, THRIFT_I64);
    thrift_put_integer(out, (int64_t)total);
    thrift_put_field(out, &last, 3, THRIFT_I64);
    thrift_put_integer(out, (int64_t) * (const uint64_t *)list_at(&writer->groups, number));
    thrift_put_stop(out);
}

/* Bounds of texts are by bytes, of numbers by value. */
static void put_orders(const struct parquet_writer *writer, struct buffer *out)
{
    thrift_put_list(out, writer->column_count, THRIFT_STRUCT);
    for (uint32_t i = 0; i < writer->column_count; i++) {
        int32_t last = 0;
        thrift_put_field(out, &last, 1, THRIFT_STRUCT);
        thrift_put_stop(out);
        thrift_put_stop(out);
    }
}

tdbplus_status parquet_writer_end(struct parquet_writer *writer, struct buffer *out,
                                  struct err *err)
{
    int32_t last = 0;
    TRY(end_group(writer, out, err));
    size_t begin = out->size;
    thrift_put_field(out, &last, 1, THRIFT_I32);
    thrift_put_integer(out, 2);
    thrift_put_field(out, &last, 2, THRIFT_LIST);
    put_schema(writer, out);
    thrift_put_field(out, &last, 3, THRIFT_I64);
    thrift_put_integer(out, (int64_t)writer->row_count);
    thrift_put_field(out, &last, 4, THRIFT_LIST);
    thrift_put_list(out, (uint32_t)writer->groups.count, THRIFT_STRUCT);
    for (size_t i = 0; i < writer->groups.count; i++) {
        put_group(writer, i, out);
    }
    thrift_put_field(out, &last, 6, THRIFT_BINARY);
    thrift_put_binary(out, span_from_text("TDB+"));
    thrift_put_field(out, &last, 7, THRIFT_LIST);
    put_orders(writer, out);
    thrift_put_stop(out);
    buffer_put_u32(out, (uint32_t)(out->size - begin));
    buffer_put(out, "PAR1", 4);
    return out->failed ? no_memory(err) : TDBPLUS_OK;
}
