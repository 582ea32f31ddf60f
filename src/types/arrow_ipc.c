#include "types/arrow_ipc.h"

#include <string.h>

#include "base/assert.h"
#include "types/arrow_ipc_internal.h"

#define MAGIC             "ARROW1"
#define MAGIC_SIZE        6u
#define FILE_HEAD_SIZE    8u
#define FILE_TAIL_SIZE    10u /* Footer size and magic. */
#define BLOCK_SIZE        24u
#define NODE_SIZE         16u
#define BUFFER_SIZE       16u
#define CONTINUATION      UINT32_MAX
#define METADATA_V4       3
#define HEADER_SCHEMA     1
#define HEADER_DICTIONARY 2
#define HEADER_RECORDS    3

static TDBPLUS_CHECKED tdbplus_status damaged(struct err *err, const char *what)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "arrow: the data is damaged: %s", what);
}

static TDBPLUS_CHECKED tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory");
}

/* ---- messages ---- */

/* The message at `at`: a marker (absent in old files), the metadata's size, the metadata, the body.
 * *end_out is where the next one begins; an empty message is the end. */
static tdbplus_status read_message(struct span bytes, size_t at, struct arrow_message *message,
                                   size_t *end_out, struct err *err)
{
    *message = (struct arrow_message){0};
    if (at > bytes.size || bytes.size - at < 4) {
        return TDBPLUS_OK; // A stream may just stop.
    }
    uint32_t size = load_u32(bytes.data + at);
    at += 4;
    if (size == CONTINUATION) {
        if (bytes.size - at < 4) {
            return TDBPLUS_OK;
        }
        size = load_u32(bytes.data + at);
        at += 4;
    }
    if (size == 0) {
        return TDBPLUS_OK;
    }
    if (size > bytes.size - at) {
        return damaged(err, "a message is cut off");
    }
    struct flat flat = {.bytes = {bytes.data + at, size}};
    struct flat_table table = flat_root(&flat);
    int64_t body_size = flat_i64(&table, 3, 0);
    at += size;
    if (table.at == 0 || flat.damaged || body_size < 0 || (uint64_t)body_size > bytes.size - at) {
        return damaged(err, "a message's metadata");
    }
    if (flat_i16(&table, 0, 0) < METADATA_V4) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "arrow: the format is older than version 4");
    }
    message->metadata = flat.bytes;
    message->body = (struct span){.data = bytes.data + at, .size = (size_t)body_size};
    *end_out = at + (size_t)body_size;
    return TDBPLUS_OK;
}

/* ---- record batches ---- */

/* Nodes and buffers of a batch are listed in the order of a walk over the fields. */
struct body_reader {
    struct flat *flat;
    struct span body;
    struct flat_vector nodes;
    struct flat_vector buffers;
    struct flat_vector variadic;
    uint32_t node_at;
    uint32_t buffer_at;
    uint32_t variadic_at;
    enum arrow_codec codec;
    struct arrow_reader *reader;
    struct arena *arena;
    struct err *err;
};

static tdbplus_status next_buffer(struct body_reader *in, struct span *buffer_out)
{
    if (in->buffer_at == in->buffers.count) {
        return damaged(in->err, "buffers are missing");
    }
    const uint8_t *at =
        in->flat->bytes.data + in->buffers.at + (size_t)in->buffer_at++ * BUFFER_SIZE;
    uint64_t offset = load_u64(at);
    uint64_t size = load_u64(at + 8);
    if (offset > in->body.size || size > in->body.size - offset) {
        return damaged(in->err, "a buffer leaves the body");
    }
    struct span buffer = {.data = in->body.data + offset, .size = (size_t)size};
    TRY(arrow_decompress(in->reader, in->codec, in->arena, &buffer, in->err));
    *buffer_out = buffer;
    return TDBPLUS_OK;
}

static tdbplus_status next_variadic(struct body_reader *in, struct arrow_node *node)
{
    if (in->variadic_at == in->variadic.count) {
        return damaged(in->err, "counts of view buffers are missing");
    }
    uint64_t count =
        load_u64(in->flat->bytes.data + in->variadic.at + (size_t)in->variadic_at++ * sizeof count);
    if (count > in->buffers.count - in->buffer_at) {
        return damaged(in->err, "buffers of views are missing");
    }
    struct span *variadic = arena_array(in->arena, (size_t)count, sizeof *variadic);
    if (variadic == NULL) {
        return no_memory(in->err);
    }
    for (uint64_t i = 0; i < count; i++) {
        TRY(next_buffer(in, &variadic[i]));
    }
    node->variadic = variadic;
    node->variadic_count = (uint32_t)count;
    return TDBPLUS_OK;
}

static tdbplus_status find_dictionary(struct body_reader *in, const struct arrow_field *field,
                                      struct arrow_node *node)
{
    const struct arrow_reader *reader = in->reader;
    for (uint32_t i = 0; i < reader->dictionary_count; i++) {
        if (reader->dictionaries[i].id == field->dictionary_id) {
            node->dictionary_column = reader->dictionaries[i].column;
        }
    }
    bool fits =
        node->dictionary_column != NULL && type_equal(node->dictionary_column->type, field->type);
    return fits ? TDBPLUS_OK : damaged(in->err, "a dictionary is missing");
}

/* As deep as the fields. */
static tdbplus_status read_node(struct body_reader *in, const struct arrow_field *field,
                                struct arrow_node *node)
{
    if (in->node_at == in->nodes.count) {
        return damaged(in->err, "nodes are missing");
    }
    const uint8_t *at = in->flat->bytes.data + in->nodes.at + (size_t)in->node_at++ * NODE_SIZE;
    node->length = (int64_t)load_u64(at);
    node->null_count = (int64_t)load_u64(at + 8);
    if (node->length < 0 || node->null_count < 0 || node->null_count > node->length) {
        return damaged(in->err, "a node's length");
    }
    if (field->kind == ARROW_KIND_NULL && field->dictionary == NULL) {
        return TDBPLUS_OK;
    }
    TRY(next_buffer(in, &node->validity));
    if (field->kind != ARROW_KIND_VECTOR) {
        TRY(next_buffer(in, &node->first));
    }
    if (field->kind == ARROW_KIND_BYTES) {
        TRY(next_buffer(in, &node->second));
    }
    if (field->kind == ARROW_KIND_VIEWS) {
        TRY(next_variadic(in, node));
    }
    if (field->dictionary != NULL) {
        return find_dictionary(in, field, node);
    }
    if (field->child != NULL) {
        node->child = arena_array(in->arena, 1, sizeof *node->child);
        if (node->child == NULL) {
            return no_memory(in->err);
        }
        return read_node(in, field->child, node->child);
    }
    return TDBPLUS_OK;
}

static tdbplus_status open_body(const struct flat_table *records, struct span body,
                                struct body_reader *in)
{
    in->flat = records->flat;
    in->body = body;
    in->nodes = flat_vector(records, 1, NODE_SIZE);
    in->buffers = flat_vector(records, 2, BUFFER_SIZE);
    in->variadic = flat_vector(records, 4, sizeof(int64_t));
    in->codec = ARROW_CODEC_NONE;
    struct flat_table compression = flat_child(records, 3);
    if (compression.at != 0) {
        uint8_t codec = flat_u8(&compression, 0, 0);
        if (codec > ARROW_CODEC_ZSTD || flat_u8(&compression, 1, 0) != 0) {
            return err_set(in->err, TDBPLUS_E_UNSUPPORTED, "arrow: compression of kind %u", codec);
        }
        in->codec = (enum arrow_codec)codec;
    }
    bool good = records->at != 0 && !records->flat->damaged;
    return good ? TDBPLUS_OK : damaged(in->err, "a batch's metadata");
}

static tdbplus_status read_records(struct arrow_reader *reader, const struct flat_table *records,
                                   struct span body, struct err *err)
{
    struct body_reader in = {.reader = reader, .arena = &reader->record_arena, .err = err};
    arena_reset(&reader->record_arena);
    reader->nodes = NULL;
    TRY(open_body(records, body, &in));
    int64_t rows = flat_i64(records, 0, 0);
    struct arrow_node *nodes =
        arena_array(&reader->record_arena, reader->column_count, sizeof *nodes);
    if (nodes == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < reader->column_count; i++) {
        TRY(read_node(&in, &reader->fields[i], &nodes[i]));
        if (nodes[i].length != rows) {
            return damaged(err, "columns of different lengths");
        }
    }
    if (rows < 0) {
        return damaged(err, "a batch's length");
    }
    reader->nodes = nodes;
    reader->row_count = rows;
    reader->row_at = 0;
    return TDBPLUS_OK;
}

/* A dictionary is made a column once and lives as long as the reader. */
static tdbplus_status read_dictionary(struct arrow_reader *reader, const struct flat_table *batch,
                                      struct span body, struct err *err)
{
    int64_t id = flat_i64(batch, 0, 0);
    struct flat_table records = flat_child(batch, 1);
    struct body_reader in = {.reader = reader, .arena = &reader->arena, .err = err};
    if (flat_u8(batch, 2, 0) != 0) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "arrow: dictionaries that grow (deltas)");
    }
    struct arrow_dictionary *dictionary = NULL;
    for (uint32_t i = 0; i < reader->dictionary_count; i++) {
        if (reader->dictionaries[i].id == id) {
            dictionary = &reader->dictionaries[i];
        }
    }
    if (dictionary == NULL) {
        return damaged(err, "a dictionary that no field has");
    }
    TRY(open_body(&records, body, &in));
    struct arrow_node node = {0};
    struct column *column = arena_array(&reader->arena, 1, sizeof *column);
    if (column == NULL) {
        return no_memory(err);
    }
    TRY(read_node(&in, dictionary->field, &node));
    TRY(arrow_import_column(dictionary->field, &node, &reader->arena, column, err));
    dictionary->column = column;
    return TDBPLUS_OK;
}

static tdbplus_status read_content(struct arrow_reader *reader, const struct arrow_message *message,
                                   bool *is_records_out, struct err *err)
{
    struct flat flat = {.bytes = message->metadata};
    struct flat_table table = flat_root(&flat);
    uint8_t kind = flat_u8(&table, 1, 0);
    struct flat_table header = flat_child(&table, 2);
    *is_records_out = kind == HEADER_RECORDS;
    if (reader->fields == NULL && kind != HEADER_SCHEMA) {
        return damaged(err, "it does not begin with a schema");
    }
    switch (kind) {
    case HEADER_SCHEMA:
        return arrow_read_schema(reader, &header, err);
    case HEADER_DICTIONARY:
        return read_dictionary(reader, &header, message->body, err);
    case HEADER_RECORDS:
        return read_records(reader, &header, message->body, err);
    default:
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "arrow: a message of kind %u", kind);
    }
}

/* ---- files ---- */

/* The message that a block of the footer points to. */
static tdbplus_status read_block(struct arrow_reader *reader, struct span blocks, uint32_t index,
                                 struct err *err)
{
    const uint8_t *block = blocks.data + (size_t)index * BLOCK_SIZE;
    uint64_t offset = load_u64(block);
    struct arrow_message message;
    size_t end = 0;
    if (offset > reader->bytes.size) {
        return damaged(err, "a block of the footer");
    }
    TRY(read_message(reader->bytes, (size_t)offset, &message, &end, err));
    if (message.metadata.size == 0) {
        return damaged(err, "a block of the footer");
    }
    bool is_records = false;
    return read_content(reader, &message, &is_records, err);
}

static struct span blocks_of(const struct flat_table *footer, uint32_t index)
{
    struct flat_vector vector = flat_vector(footer, index, BLOCK_SIZE);
    return (struct span){.data = footer->flat->bytes.data + vector.at, .size = vector.count};
}

static tdbplus_status open_file(struct arrow_reader *reader, struct err *err)
{
    struct span bytes = reader->bytes;
    if (bytes.size < FILE_HEAD_SIZE + FILE_TAIL_SIZE ||
        memcmp(bytes.data + bytes.size - MAGIC_SIZE, MAGIC, MAGIC_SIZE) != 0) {
        return damaged(err, "the file has no footer");
    }
    size_t footer_end = bytes.size - FILE_TAIL_SIZE;
    uint32_t size = load_u32(bytes.data + footer_end);
    if (size > footer_end - FILE_HEAD_SIZE) {
        return damaged(err, "the footer's size");
    }
    struct flat flat = {.bytes = {bytes.data + footer_end - size, size}};
    struct flat_table footer = flat_root(&flat);
    struct flat_table schema = flat_child(&footer, 1);
    if (footer.at == 0 || flat.damaged) {
        return damaged(err, "the footer");
    }
    TRY(arrow_read_schema(reader, &schema, err));
    struct span dictionaries = blocks_of(&footer, 2);
    struct span records = blocks_of(&footer, 3);
    if (flat.damaged) {
        return damaged(err, "the footer's blocks");
    }
    reader->records = records;
    reader->record_count = (uint32_t)records.size;
    for (uint32_t i = 0; i < dictionaries.size; i++) {
        TRY(read_block(reader, dictionaries, i, err));
        reader->nodes = NULL; // Only dictionaries stand there; rows would be read twice.
    }
    return TDBPLUS_OK;
}

static tdbplus_status open_stream(struct arrow_reader *reader, struct err *err)
{
    struct arrow_message message;
    bool is_records = false;
    TRY(read_message(reader->bytes, 0, &message, &reader->at, err));
    if (message.metadata.size == 0) {
        return damaged(err, "it has no schema");
    }
    return read_content(reader, &message, &is_records, err);
}

tdbplus_status arrow_reader_open(struct span bytes, const struct alloc *alloc,
                                 struct arrow_reader **reader_out, struct err *err)
{
    struct arrow_reader *reader = alloc_array(alloc, 1, sizeof *reader);
    if (reader == NULL) {
        return no_memory(err);
    }
    reader->alloc = alloc;
    reader->bytes = bytes;
    arena_init(&reader->arena, alloc, 0);
    arena_init(&reader->record_arena, alloc, 0);
    reader->is_file = bytes.size >= MAGIC_SIZE && memcmp(bytes.data, MAGIC, MAGIC_SIZE) == 0;
    tdbplus_status status = reader->is_file ? open_file(reader, err) : open_stream(reader, err);
    if (status != TDBPLUS_OK) {
        arrow_reader_close(reader);
        return status;
    }
    *reader_out = reader;
    return TDBPLUS_OK;
}

void arrow_reader_close(struct arrow_reader *reader)
{
    if (reader != NULL) {
        arrow_codecs_deinit(reader);
        arena_deinit(&reader->record_arena);
        arena_deinit(&reader->arena);
        alloc_free(reader->alloc, reader, 1, sizeof *reader);
    }
}

const struct arrow_column *arrow_reader_columns(const struct arrow_reader *reader,
                                                uint32_t *column_count_out)
{
    *column_count_out = reader->column_count;
    return reader->columns;
}

/* Finds the next record batch with rows. */
static tdbplus_status next_records(struct arrow_reader *reader, struct err *err)
{
    for (;;) {
        if (reader->nodes != NULL && reader->row_at < reader->row_count) {
            return TDBPLUS_OK;
        }
        reader->nodes = NULL;
        if (reader->is_file) {
            if (reader->record_at == reader->record_count) {
                return TDBPLUS_END;
            }
            TRY(read_block(reader, reader->records, reader->record_at++, err));
            continue;
        }
        struct arrow_message message;
        bool is_records = false;
        TRY(read_message(reader->bytes, reader->at, &message, &reader->at, err));
        if (message.metadata.size == 0) {
            return TDBPLUS_END;
        }
        TRY(read_content(reader, &message, &is_records, err));
    }
}

tdbplus_status arrow_reader_next(struct arrow_reader *reader, struct batch *batch, struct err *err)
{
    ASSERT(batch->columns == NULL);
    TRY(next_records(reader, err));
    int64_t rows = reader->row_count - reader->row_at;
    rows = rows > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : rows;
    struct column *columns = arena_array(&batch->arena, reader->column_count, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < reader->column_count; i++) {
        struct arrow_node node = reader->nodes[i];
        node.offset = reader->row_at;
        node.length = rows;
        node.null_count = node.null_count == 0 ? 0 : -1;
        TRY(arrow_import_column(&reader->fields[i], &node, &batch->arena, &columns[i], err));
    }
    reader->row_at += rows;
    batch->columns = columns;
    batch->column_count = reader->column_count;
    batch->row_count = (uint32_t)rows;
    return TDBPLUS_OK;
}
