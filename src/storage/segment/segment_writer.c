/*
 * Rows are collected column by column; when a group of 2^16 rows is full, or too many bytes are in
 * memory, pages are encoded straight into the write buffer, which goes out in large writes.
 */

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/plant.h"
#include "index/learned/pkindex.h"
#include "storage/segment/column_builder.h"
#include "storage/segment/external.h"
#include "storage/segment/page.h"
#include "storage/segment/page_cache_internal.h"
#include "storage/segment/page_compression.h"
#include "storage/segment/segment.h"
#include "storage/segment/shredder.h"
#include "storage/segment/zone.h"

#define WRITE_SIZE        ((size_t)4 << 20)  /* Bytes of an ordinary write. */
#define GROUP_SIZE_MAX    ((size_t)64 << 20) /* Bytes of a group in memory; more become pages. */
#define SPILL_SHARE       8u                 /* Columns with less than an eighth of that stay. */
#define COMPRESS_SIZE_MIN 512u               /* Smaller payloads are not worth a try. */
#define TMP_SUFFIX        ".tmp"

struct segment_writer {
    struct segment_writer_options options;
    struct env_file *file;
    uint32_t column_count; /* With the begin timestamps, and document paths once planned. */
    uint32_t path_column;  /* The first of those. */
    struct column_builder *columns;
    struct shredder *shredder;
    struct encoding_scratch *scratch;
    struct pkindex_builder *index;
    struct external *external;
    uint8_t *modes; /* enum external_mode, column_count of them. */
    bool is_integer_key;
    bool *is_key_column; /* column_count of them. */
    uint32_t prefix_size;
    uint32_t group_rows; /* In the current group. */
    uint64_t row_count;
    uint64_t begin_max;
    uint64_t file_offset; /* Written so far; `out` comes next. */
    bool failed;          /* Only finish and abandon may follow, and finish fails. */
    struct buffer out;
    struct buffer packed; /* A compressed page. */
    struct buffer first_key;
    struct buffer last_key;
    uint64_t last_code;
    struct buffer open_codes;  /* With open bounds: codes of all rows, for the prefix may still */
    struct buffer open_hashes; /* become shorter, and their hashes. */
    struct buffer chunks;      /* Of the metadata, as their sections are stored. */
    struct buffer offsets;
    struct buffer sizes;
    struct buffer zones;
    uint32_t page_count;
    uint64_t codes[BATCH_ROW_COUNT_MAX];
    uint64_t hashes[BATCH_ROW_COUNT_MAX];
    char path[ENV_PATH_SIZE_MAX];
    char path_tmp[ENV_PATH_SIZE_MAX];
};

void segment_summary_deinit(struct segment_summary *summary)
{
    bytes_deinit(&summary->key_min);
    bytes_deinit(&summary->key_max);
    *summary = (struct segment_summary){0};
}

/* ---- making and ending a writer ---- */

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to write a segment");
}

static void destroy_writer(struct segment_writer *writer)
{
    const struct alloc *alloc = writer->options.alloc;
    env_close(writer->options.env, writer->file);
    pkindex_builder_destroy(writer->index);
    for (uint32_t i = 0; writer->columns != NULL && i < writer->column_count; i++) {
        column_builder_deinit(&writer->columns[i]);
    }
    alloc_free(alloc, writer->columns, writer->column_count, sizeof *writer->columns);
    alloc_free(alloc, writer->scratch, 1, sizeof *writer->scratch);
    alloc_free(alloc, writer->is_key_column, writer->column_count, sizeof *writer->is_key_column);
    alloc_free(alloc, writer->modes, writer->column_count, sizeof *writer->modes);
    external_destroy(writer->external);
    shredder_destroy(writer->shredder);
    struct buffer *buffers[] = {&writer->out,        &writer->packed, &writer->first_key,
                                &writer->last_key,   &writer->chunks, &writer->offsets,
                                &writer->sizes,      &writer->zones,  &writer->open_codes,
                                &writer->open_hashes};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        buffer_deinit(buffers[i]);
    }
    alloc_free(alloc, writer, 1, sizeof *writer);
}

void segment_writer_abandon(struct segment_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->file != NULL) {
        // The file is closed first; that it may already be renamed does no harm.
        env_close(writer->options.env, writer->file);
        writer->file = NULL;
        tdbplus_status ignored = env_unlink(writer->options.env, writer->path_tmp, NULL);
        (void)ignored; // Recovery removes what no manifest names.
    }
    external_abandon(writer->external);
    writer->external = NULL;
    destroy_writer(writer);
}

/* Bytes that all keys between the bounds begin with. */
static uint32_t common_prefix(struct span low, struct span high)
{
    size_t size = low.size < high.size ? low.size : high.size;
    uint32_t common = 0;
    while (common < size && low.data[common] == high.data[common]) {
        common++;
    }
    return common;
}

static void init_buffers(struct segment_writer *writer, const struct alloc *alloc)
{
    buffer_init(&writer->out, alloc);
    buffer_init(&writer->packed, alloc);
    buffer_init(&writer->first_key, alloc);
    buffer_init(&writer->last_key, alloc);
    buffer_init(&writer->open_codes, alloc);
    buffer_init(&writer->open_hashes, alloc);
    buffer_init(&writer->chunks, alloc);
    buffer_init(&writer->offsets, alloc);
    buffer_init(&writer->sizes, alloc);
    buffer_init(&writer->zones, alloc);
}

static tdbplus_status set_up(struct segment_writer *writer, struct err *err)
{
    const struct segment_writer_options *options = &writer->options;
    const struct schema *schema = options->schema;
    uint32_t count = schema->column_count + (options->with_begin ? 1 : 0);
    writer->columns = alloc_array(options->alloc, count, sizeof *writer->columns);
    writer->column_count = count;
    writer->path_column = count;
    writer->scratch = alloc_array(options->alloc, 1, sizeof *writer->scratch);
    writer->is_key_column = alloc_array(options->alloc, count, sizeof *writer->is_key_column);
    writer->modes = alloc_array(options->alloc, count, sizeof *writer->modes);
    if (writer->columns == NULL || writer->scratch == NULL || writer->is_key_column == NULL ||
        writer->modes == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < schema->key_count; i++) {
        writer->is_key_column[schema->key_columns[i]] = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct type type = i < schema->column_count ? schema->columns[i].type : type_of(TYPE_INT8);
        enum external_mode mode = external_mode_of(type, writer->is_key_column[i]);
        writer->modes[i] = (uint8_t)mode;
        column_builder_init(&writer->columns[i], external_builder_type(type, mode), options->alloc);
    }
    TRY(external_create(options, &writer->external, err));
    TRY(shredder_create(schema, options->alloc, &writer->shredder, err));
    writer->is_integer_key = key_is_integer(schema);
    if (!writer->is_integer_key && !options->open_bounds) {
        writer->prefix_size = common_prefix(options->key_min, options->key_max);
        buffer_put_span(&writer->first_key,
                        (struct span){options->key_min.data, writer->prefix_size});
    }
    TRY(pkindex_builder_create(options->alloc, NULL, &writer->index, err));
    struct segment_header header = {.magic = SEGMENT_MAGIC,
                                    .version = 1,
                                    .segment_id = options->segment_id,
                                    .collection_id = options->collection_id};
    header.crc =
        crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)});
    buffer_put(&writer->out, &header, sizeof header);
    return writer->out.failed || writer->first_key.failed ? no_memory(err) : TDBPLUS_OK;
}

tdbplus_status segment_writer_create(const struct segment_writer_options *options,
                                     struct segment_writer **writer_out, struct err *err)
{
    size_t path_size = strlen(options->path);
    if (path_size + sizeof TMP_SUFFIX > ENV_PATH_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "segment: the path is too long");
    }
    if (options->schema->column_count + 1 + SHRED_PATH_COUNT_MAX > SEGMENT_COLUMN_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "segment: too many columns");
    }
    struct segment_writer *writer = alloc_array(options->alloc, 1, sizeof *writer);
    if (writer == NULL) {
        return no_memory(err);
    }
    writer->options = *options;
    memcpy(writer->path, options->path, path_size + 1);
    memcpy(writer->path_tmp, options->path, path_size);
    memcpy(writer->path_tmp + path_size, TMP_SUFFIX, sizeof TMP_SUFFIX);
    writer->options.path = writer->path;
    init_buffers(writer, options->alloc);
    tdbplus_status status = set_up(writer, err);
    if (status == TDBPLUS_OK) {
        // A left-over of a crash under the same temporary name is overwritten, then cut.
        status = env_open(options->env, writer->path_tmp,
                          ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &writer->file, err);
    }
    if (status == TDBPLUS_OK) {
        status = env_truncate(options->env, writer->file, 0, err);
    }
    if (status != TDBPLUS_OK) {
        segment_writer_abandon(writer);
        return status;
    }
    *writer_out = writer;
    return TDBPLUS_OK;
}

uint64_t segment_writer_row_count(const struct segment_writer *writer)
{
    return writer->row_count;
}

uint64_t segment_writer_size_bytes(const struct segment_writer *writer)
{
    return writer->file_offset + writer->out.size;
}

/* ---- pages ---- */

static tdbplus_status write_out(struct segment_writer *writer, struct err *err)
{
    if (writer->out.failed) {
        return no_memory(err);
    }
    if (writer->out.size == 0) {
        return TDBPLUS_OK;
    }
    TRY(env_write(writer->options.env, writer->file, writer->file_offset, writer->out.data,
                  writer->out.size, err));
    writer->file_offset += writer->out.size;
    buffer_clear(&writer->out);
    return TDBPLUS_OK;
}

/* Replaces the payload that begins at `begin` by a compressed one where that pays. */
static void compress_payload(struct segment_writer *writer, struct column_builder *column,
                             struct page_header *header, size_t begin)
{
    uint8_t wish = writer->options.compression;
    bool automatic = wish == SEGMENT_COMPRESSION_AUTO;
    bool worth_trying =
        header->raw_size >= COMPRESS_SIZE_MIN && header->raw_size <= PAGE_COMPRESSED_RAW_MAX;
    if (automatic) {
        // Packed bits hardly shrink, and a column that did not once in this group will not.
        worth_trying = worth_trying && column->compress &&
                       (header->encoding == PAGE_BYTES || header->encoding == PAGE_PLAIN ||
                        header->encoding == PAGE_DICTIONARY);
    }
    if (wish == SEGMENT_COMPRESSION_NONE || !worth_trying) {
        return;
    }
    enum page_compression codec =
        wish == SEGMENT_COMPRESSION_ZSTD ? PAGE_COMPRESSION_ZSTD : PAGE_COMPRESSION_LZ4;
    buffer_clear(&writer->packed);
    struct span raw = {writer->out.data + begin, header->raw_size};
    size_t size = page_compress(codec, raw, &writer->packed);
    if (size == 0) {
        column->compress = false;
        return;
    }
    memcpy(writer->out.data + begin, writer->packed.data, size);
    writer->out.size = begin + size;
    header->compression = (uint8_t)codec;
    header->stored_size = (uint32_t)size;
}

/* Encodes group rows [first, first + count) of a column and notes the page. */
static tdbplus_status write_page(struct segment_writer *writer, uint32_t position, uint32_t first,
                                 uint32_t count, struct err *err)
{
    struct column_builder *column = &writer->columns[position];
    struct column_bits bits;
    struct encoding_input input;
    uint32_t null_count = column_builder_input(column, first, count, &bits, &input);
    bool is_key = writer->is_key_column[position];
    bool is_begin = position == writer->options.schema->column_count;
    bool is_place = writer->modes[position] == EXTERNAL_ALWAYS;
    input.random_access = is_key || is_begin || is_place;
    input.packed_only = is_key && writer->is_integer_key;

    size_t at = writer->out.size;
    uint64_t offset = writer->file_offset + at;
    struct page_header header;
    (void)buffer_extend(&writer->out, sizeof header);
    encoding_encode(&input, writer->scratch, &header, &writer->out);
    if (writer->out.failed) {
        return no_memory(err);
    }
    header.flags |= is_place ? PAGE_FLAG_EXTERNAL : 0;
    header.stored_size = header.raw_size;
    size_t payload = at + sizeof header;
    compress_payload(writer, column, &header, payload);
    uint64_t group_first = writer->row_count - writer->group_rows;
    header.place = page_place(position, group_first + first);
    header.crc = page_crc(writer->options.segment_id, &header, writer->out.data + payload);
    memcpy(writer->out.data + at, &header, sizeof header);

    struct segment_zone_entry zone = {.null_count = (uint16_t)null_count};
    if (!is_place) {
        zone_make(&input, writer->scratch, null_count, &zone);
    }
    buffer_put_u64(&column->offsets, offset);
    buffer_put_u32(&column->sizes, header.stored_size + (uint32_t)sizeof header);
    buffer_put(&column->zones, &zone, sizeof zone);
    if (column->offsets.failed || column->sizes.failed || column->zones.failed) {
        return no_memory(err);
    }
    return writer->out.size >= WRITE_SIZE ? write_out(writer, err) : TDBPLUS_OK;
}

/* Makes pages of a column's rows: all of them at the end of a group, else whole pages only. */
static tdbplus_status flush_column(struct segment_writer *writer, uint32_t position, bool is_last,
                                   struct err *err)
{
    struct column_builder *column = &writer->columns[position];
    if (column->flushed_rows == 0) {
        column->shift = column_builder_choose_shift(column);
    }
    uint32_t page_rows = 1u << column->shift;
    uint32_t row = column->flushed_rows;
    while (row < column->row_count) {
        uint32_t count = column->row_count - row;
        if (count < page_rows && !is_last) {
            break;
        }
        count = count < page_rows ? count : page_rows;
        TRY(write_page(writer, position, row, count, err));
        row += count;
    }
    column_builder_discard(column, row);
    return TDBPLUS_OK;
}

/* Ends the group: its last pages, its part of the directory. */
static tdbplus_status flush_group(struct segment_writer *writer, struct err *err)
{
    for (uint32_t i = 0; i < writer->column_count; i++) {
        struct column_builder *column = &writer->columns[i];
        TRY(flush_column(writer, i, true, err));
        struct segment_chunk chunk = {.first_page = writer->page_count, .shift = column->shift};
        buffer_put(&writer->chunks, &chunk, sizeof chunk);
        buffer_put_span(&writer->offsets, buffer_span(&column->offsets));
        buffer_put_span(&writer->sizes, buffer_span(&column->sizes));
        buffer_put_span(&writer->zones, buffer_span(&column->zones));
        uint64_t pages = writer->page_count + column->sizes.size / sizeof(uint32_t);
        if (pages > UINT32_MAX) {
            return err_set(err, TDBPLUS_E_LIMIT, "segment: too many pages");
        }
        writer->page_count = (uint32_t)pages;
        column_builder_reset(column);
    }
    writer->group_rows = 0;
    bool failed = writer->chunks.failed || writer->offsets.failed || writer->sizes.failed ||
                  writer->zones.failed;
    return failed ? no_memory(err) : TDBPLUS_OK;
}

/* Keeps the group's bytes in memory bounded. */
static tdbplus_status spill(struct segment_writer *writer, struct err *err)
{
    size_t size = 0;
    for (uint32_t i = 0; i < writer->column_count; i++) {
        size += column_builder_size(&writer->columns[i]);
    }
    if (size <= GROUP_SIZE_MAX) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < writer->column_count; i++) {
        size_t share = column_builder_size(&writer->columns[i]);
        if (share <= GROUP_SIZE_MAX / SPILL_SHARE && writer->column_count <= SPILL_SHARE) {
            continue;
        }
        TRY(flush_column(writer, i, false, err));
    }
    return TDBPLUS_OK;
}

/* ---- keys ---- */

static tdbplus_status out_of_order(const struct segment_writer *writer, uint32_t index,
                                   struct err *err)
{
    return err_set(err, TDBPLUS_E_INVALID, "segment: row %llu is not in key order",
                   (unsigned long long)(writer->row_count + index));
}

/* Codes of the rows just appended to the key column. */
static tdbplus_status take_integer_keys(struct segment_writer *writer, uint32_t count,
                                        struct err *err)
{
    const struct column_builder *column = &writer->columns[writer->options.schema->key_columns[0]];
    size_t size = column->value_size;
    const uint8_t *at = column->values.data + column->values.size - count * size;
    uint64_t last = writer->last_code;
    bool in_order = true;
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = 0;
        if (size == 8) {
            value = (int64_t)load_u64(at + (size_t)i * 8);
        } else if (size == 4) {
            value = (int32_t)load_u32(at + (size_t)i * 4);
        } else {
            value = (int16_t)load_u16(at + (size_t)i * 2);
        }
        uint64_t code = key_code_of_integer(value);
        in_order = in_order && code >= last;
        last = code;
        writer->codes[i] = code;
        writer->hashes[i] = hash_u64(code); // key_hash() of its eight bytes.
    }
    if (!in_order) {
        return out_of_order(writer, 0, err);
    }
    uint8_t bytes[sizeof last];
    if (writer->row_count == 0) {
        store_u64_be(bytes, writer->codes[0]);
        buffer_put(&writer->first_key, bytes, sizeof bytes);
    }
    store_u64_be(bytes, last);
    buffer_clear(&writer->last_key);
    buffer_put(&writer->last_key, bytes, sizeof bytes);
    writer->last_code = last;
    return writer->first_key.failed || writer->last_key.failed ? no_memory(err) : TDBPLUS_OK;
}

/*
 * With open bounds the common prefix is that of the first key and the newest. Where it becomes
 * shorter, the codes taken before get back the bytes that were cut off in front: those are the same
 * in all of them.
 */
static tdbplus_status open_prefix(struct segment_writer *writer, const struct span *keys,
                                  uint32_t count, struct err *err)
{
    if (writer->row_count == 0) {
        buffer_clear(&writer->first_key);
        buffer_put_span(&writer->first_key, keys[0]);
        if (writer->first_key.failed) {
            return no_memory(err);
        }
        writer->prefix_size = (uint32_t)keys[0].size;
    }
    struct span prefix = {writer->first_key.data, writer->prefix_size};
    uint32_t shared = common_prefix(prefix, keys[count - 1]);
    if (shared == writer->prefix_size) {
        return TDBPLUS_OK;
    }
    uint32_t less = writer->prefix_size - shared;
    uint64_t head = key_code((struct span){prefix.data + shared, less});
    uint64_t *codes = (uint64_t *)(void *)writer->open_codes.data;
    for (uint64_t i = 0; i < writer->row_count; i++) {
        codes[i] = less >= 8 ? head : head | codes[i] >> (8 * less);
    }
    writer->prefix_size = shared;
    return TDBPLUS_OK;
}

static tdbplus_status take_keys(struct segment_writer *writer, const struct span *keys,
                                uint32_t count, struct err *err)
{
    if (writer->options.open_bounds) {
        TRY(open_prefix(writer, keys, count, err));
    }
    size_t prefix = writer->prefix_size;
    struct span previous = buffer_span(&writer->last_key);
    for (uint32_t i = 0; i < count; i++) {
        struct span key = keys[i];
        if (key.size < prefix || key.size > KEY_SIZE_MAX ||
            (prefix > 0 && memcmp(key.data, writer->first_key.data, prefix) != 0)) {
            return err_set(err, TDBPLUS_E_INVALID, "segment: a key lies outside the bounds");
        }
        if ((i > 0 || writer->row_count > 0) && span_compare(key, previous) < 0) {
            return out_of_order(writer, i, err);
        }
        previous = key;
        writer->codes[i] = key_code((struct span){key.data + prefix, key.size - prefix});
        writer->hashes[i] = key_hash(key);
    }
    if (writer->row_count == 0) {
        buffer_clear(&writer->first_key);
        buffer_put_span(&writer->first_key, keys[0]);
    }
    buffer_clear(&writer->last_key);
    buffer_put_span(&writer->last_key, keys[count - 1]);
    return writer->first_key.failed || writer->last_key.failed ? no_memory(err) : TDBPLUS_OK;
}

/* What segment_writer_add() was given. */
struct rows {
    const struct batch *batch;
    const struct external_column *references; /* Of a merge; NULL. */
    const struct span *keys;
    const uint64_t *begins;
};

static tdbplus_status add_column(struct segment_writer *writer, const struct rows *rows,
                                 uint32_t position, uint32_t first, uint32_t count, struct err *err)
{
    const struct batch *batch = rows->batch;
    struct column_builder *builder = &writer->columns[position];
    const struct shred_tree *tree = shred_plan_tree(shredder_get_plan(writer->shredder), position);
    if (writer->modes[position] == EXTERNAL_NEVER) {
        return column_builder_append(builder, &batch->columns[position], batch->selection, first,
                                     count, err);
    }
    struct external_rows part = {.column = &batch->columns[position],
                                 .selection = batch->selection,
                                 .first = first,
                                 .count = count};
    if (rows->references != NULL) {
        part.references = rows->references[position].external;
    }
    if (tree != NULL) {
        struct shredder_target target = {
            .external = writer->external,
            .rest = builder,
            .paths = &writer->columns[writer->path_column + tree->first_path]};
        return shredder_append(writer->shredder, tree, &part, &target, err);
    }
    return external_append(writer->external, position,
                           writer->options.schema->columns[position].type, &part, builder, err);
}

static tdbplus_status add_columns(struct segment_writer *writer, const struct rows *rows,
                                  uint32_t first, uint32_t count, struct err *err)
{
    const struct schema *schema = writer->options.schema;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct column_builder *column = &writer->columns[i];
        uint32_t nulls = column->null_count;
        TRY(add_column(writer, rows, i, first, count, err));
        if (column->null_count != nulls && writer->is_key_column[i]) {
            return err_set(err, TDBPLUS_E_NULL, "segment: a key column has a null");
        }
    }
    if (writer->options.with_begin) {
        const uint64_t *begins = rows->begins + first;
        TRY(column_builder_append_words(&writer->columns[schema->column_count], begins, count,
                                        err));
        for (uint32_t i = 0; i < count; i++) {
            writer->begin_max = begins[i] > writer->begin_max ? begins[i] : writer->begin_max;
        }
    }
    return TDBPLUS_OK;
}

/* Rows [first, first + count) of the live ones, all of one group. */
static tdbplus_status add_rows(struct segment_writer *writer, const struct rows *rows,
                               uint32_t first, uint32_t count, struct err *err)
{
    TRY(add_columns(writer, rows, first, count, err));
    if (writer->is_integer_key) {
        TRY(take_integer_keys(writer, count, err));
    } else {
        TRY(take_keys(writer, rows->keys + first, count, err));
    }
    if (writer->options.open_bounds && !writer->is_integer_key) {
        buffer_put(&writer->open_codes, writer->codes, count * sizeof *writer->codes);
        buffer_put(&writer->open_hashes, writer->hashes, count * sizeof *writer->hashes);
        if (writer->open_codes.failed || writer->open_hashes.failed) {
            return no_memory(err);
        }
    } else {
        TRY(pkindex_builder_add(writer->index, writer->codes, writer->hashes, count, err));
    }
    writer->row_count += count;
    writer->group_rows += count;
    return writer->group_rows == GROUP_ROW_COUNT ? flush_group(writer, err) : spill(writer, err);
}

/* Gives every column's parts a place in larger arrays; all of them or none. */
static bool grow_columns(struct segment_writer *writer, uint32_t count)
{
    const struct alloc *alloc = writer->options.alloc;
    uint32_t before = writer->column_count;
    struct column_builder *columns = alloc_array(alloc, count, sizeof *columns);
    uint8_t *modes = alloc_array(alloc, count, sizeof *modes);
    bool *keys = alloc_array(alloc, count, sizeof *keys);
    if (columns == NULL || modes == NULL || keys == NULL) {
        alloc_free(alloc, columns, count, sizeof *columns);
        alloc_free(alloc, modes, count, sizeof *modes);
        alloc_free(alloc, keys, count, sizeof *keys);
        return false;
    }
    memcpy(columns, writer->columns, before * sizeof *columns);
    memcpy(modes, writer->modes, before * sizeof *modes);
    memcpy(keys, writer->is_key_column, before * sizeof *keys);
    alloc_free(alloc, writer->columns, before, sizeof *columns);
    alloc_free(alloc, writer->modes, before, sizeof *modes);
    alloc_free(alloc, writer->is_key_column, before, sizeof *keys);
    writer->columns = columns;
    writer->modes = modes;
    writer->is_key_column = keys;
    writer->column_count = count;
    return true;
}

/* Adds a column for each path that documents are taken apart by. */
static tdbplus_status add_path_columns(struct segment_writer *writer, struct err *err)
{
    const struct shred_plan *plan = shredder_get_plan(writer->shredder);
    if (plan->path_count == 0) {
        return TDBPLUS_OK;
    }
    if (!grow_columns(writer, writer->path_column + plan->path_count)) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < plan->path_count; i++) {
        column_builder_init(&writer->columns[writer->path_column + i], plan->paths[i].type,
                            writer->options.alloc);
    }
    return TDBPLUS_OK;
}

/* Decides how documents are taken apart, by the first rows or by a sample of all. */
static tdbplus_status plan_documents(struct segment_writer *writer, const struct rows *rows,
                                     struct err *err)
{
    TRY(shredder_plan(writer->shredder, rows->batch, rows->references, err));
    return add_path_columns(writer, err);
}

tdbplus_status segment_writer_sample(struct segment_writer *writer, const struct batch *batch,
                                     struct err *err)
{
    struct rows rows = {.batch = batch};
    ASSERT(writer->row_count == 0);
    return shredder_planned(writer->shredder) ? TDBPLUS_OK : plan_documents(writer, &rows, err);
}

tdbplus_status segment_writer_set_sources(struct segment_writer *writer,
                                          const struct external_source *sources, uint32_t count,
                                          struct err *err)
{
    return external_set_sources(writer->external, sources, count, err);
}

static tdbplus_status add_batch(struct segment_writer *writer, const struct rows *rows,
                                struct err *err)
{
    const struct batch *batch = rows->batch;
    ASSERT(batch->column_count == writer->options.schema->column_count);
    ASSERT(writer->is_integer_key || rows->keys != NULL);
    ASSERT(!writer->options.with_begin || rows->begins != NULL);
    if (writer->failed) {
        return err_set(err, TDBPLUS_E_STATE, "segment: writing failed before");
    }
    uint32_t live = batch_live_count(batch);
    if (live > BATCH_ROW_COUNT_MAX || writer->row_count + live > SEGMENT_ROW_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "segment: too many rows at once");
    }
    if (!shredder_planned(writer->shredder)) {
        TRY(plan_documents(writer, rows, err));
    }
    for (uint32_t first = 0; first < live;) {
        uint32_t room = GROUP_ROW_COUNT - writer->group_rows;
        uint32_t count = live - first < room ? live - first : room;
        tdbplus_status status = add_rows(writer, rows, first, count, err);
        if (status != TDBPLUS_OK) {
            writer->failed = true;
            return status;
        }
        first += count;
    }
    return TDBPLUS_OK;
}

tdbplus_status segment_writer_add(struct segment_writer *writer, const struct batch *batch,
                                  const struct span *keys, const uint64_t *begins, struct err *err)
{
    struct rows rows = {.batch = batch, .keys = keys, .begins = begins};
    return add_batch(writer, &rows, err);
}

tdbplus_status segment_writer_add_references(struct segment_writer *writer,
                                             const struct batch *batch,
                                             const struct external_column *references,
                                             const struct span *keys, const uint64_t *begins,
                                             struct err *err)
{
    struct rows rows = {.batch = batch, .references = references, .keys = keys, .begins = begins};
    return add_batch(writer, &rows, err);
}

/* ---- the end of the file ---- */

static void pad_section(struct buffer *out, size_t begin)
{
    static const uint8_t zeroes[64] = {0};
    size_t size = out->size - begin;
    buffer_put(out, zeroes, (64 - size % 64) % 64);
}

static void put_section(struct buffer *out, size_t begin, struct span section)
{
    buffer_put_span(out, section);
    pad_section(out, begin);
}

/* Appends the metadata to the write buffer. */
static tdbplus_status put_metadata(struct segment_writer *writer, struct buffer *index,
                                   const struct segment_values *own, struct err *err)
{
    struct buffer *out = &writer->out;
    struct buffer schema;
    struct buffer paths;
    const struct shred_plan *plan = shredder_get_plan(writer->shredder);
    buffer_init(&paths, writer->options.alloc);
    shred_plan_encode(plan, &paths);
    buffer_init(&schema, writer->options.alloc);
    schema_encode(writer->options.schema, &schema);
    uint32_t group_count =
        (uint32_t)((writer->row_count + GROUP_ROW_COUNT - 1) >> SEGMENT_GROUP_SHIFT);
    struct segment_metadata head = {
        .column_count = writer->column_count,
        .group_count = group_count,
        .page_count = writer->page_count,
        .prefix_size = writer->prefix_size,
        .schema_size = (uint32_t)schema.size,
        .key_min_size = (uint32_t)writer->first_key.size,
        .key_max_size = (uint32_t)writer->last_key.size,
        .group_shift = SEGMENT_GROUP_SHIFT,
        .index_size = index->size,
        .with_begin = writer->options.with_begin,
        .value_file_count = external_file_count(writer->external),
        .path_count = plan->path_count,
        .path_size = (uint32_t)paths.size,
    };
    size_t begin = out->size;
    buffer_put(out, &head, sizeof head);
    put_section(out, begin, buffer_span(&schema));
    put_section(out, begin, buffer_span(&writer->first_key));
    put_section(out, begin, buffer_span(&writer->last_key));
    put_section(out, begin, buffer_span(&writer->chunks));
    put_section(out, begin, buffer_span(&writer->offsets));
    put_section(out, begin, buffer_span(&writer->sizes));
    put_section(out, begin, buffer_span(&writer->zones));
    put_section(out, begin, buffer_span(index));
    external_put_files(writer->external, own, out);
    pad_section(out, begin);
    put_section(out, begin, buffer_span(&paths));
    bool failed = schema.failed || paths.failed || out->failed;
    if (!failed) {
        head.own_crc = crc32c((struct span){out->data + begin, out->size - begin});
        memcpy(out->data + begin, &head, sizeof head);
    }
    buffer_deinit(&paths);
    buffer_deinit(&schema);
    return failed ? no_memory(err) : TDBPLUS_OK;
}

/* The oldest that knows what the file has. */
static uint32_t version_of(const struct segment_writer *writer)
{
    if (shredder_get_plan(writer->shredder)->path_count > 0) {
        return 3;
    }
    return external_file_count(writer->external) > 0 ? 2 : 1;
}

static void put_footer(struct segment_writer *writer, size_t metadata_begin, uint32_t *crc_out)
{
    struct buffer *out = &writer->out;
    struct span metadata = {out->data + metadata_begin, out->size - metadata_begin};
    struct segment_footer footer = {
        .segment_id = writer->options.segment_id,
        .row_count = writer->row_count,
        .metadata_offset = writer->file_offset + metadata_begin,
        .metadata_size = metadata.size,
        .begin_max = writer->begin_max,
        .metadata_crc = crc32c(metadata),
        .version = version_of(writer),
        .schema_version = writer->options.schema->version,
        .magic = SEGMENT_FOOTER_MAGIC,
    };
    footer.crc = crc32c((struct span){(const uint8_t *)&footer, sizeof footer});
    *crc_out = footer.crc;
    buffer_put(out, &footer, sizeof footer);
}

/* Makes the file durable under its final name. */
static tdbplus_status publish(struct segment_writer *writer, struct err *err)
{
    const struct env *env = writer->options.env;
    if (!planted(PLANT_SEGMENT_SYNC_SKIPPED)) {
        TRY(env_sync(env, writer->file, err));
    }
    TRY(env_rename(env, writer->path_tmp, writer->path, err));
    char directory[ENV_PATH_SIZE_MAX];
    const char *slash = strrchr(writer->path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - writer->path);
    if (slash == NULL) {
        directory[size++] = '.';
    } else if (size == 0) {
        directory[size++] = '/';
    } else {
        memcpy(directory, writer->path, size);
    }
    directory[size] = 0;
    if (planted(PLANT_SEGMENT_NAME_UNSYNCED)) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = env_sync_directory(env, directory, err);
    if (status != TDBPLUS_OK) {
        tdbplus_status ignored = env_unlink(env, writer->path, NULL);
        (void)ignored; // Recovery removes what no manifest names.
    }
    return status;
}

static tdbplus_status copy_key(const struct alloc *alloc, const struct buffer *key,
                               struct bytes *copy_out)
{
    struct bytes copy = {.alloc = alloc, .size = key->size};
    if (key->size > 0) {
        copy.data = alloc_array(alloc, key->size, 1);
        if (copy.data == NULL) {
            return TDBPLUS_E_NOMEM;
        }
        memcpy(copy.data, key->data, key->size);
    }
    *copy_out = copy;
    return TDBPLUS_OK;
}

static tdbplus_status finish_file(struct segment_writer *writer, struct segment_summary *summary,
                                  struct err *err)
{
    struct buffer index;
    buffer_init(&index, writer->options.alloc);
    tdbplus_status status = TDBPLUS_OK;
    if (writer->group_rows > 0) {
        TRY_OR(done, flush_group(writer, err));
    }
    if (writer->open_codes.size > 0) {
        const uint64_t *codes = (const uint64_t *)(const void *)writer->open_codes.data;
        const uint64_t *hashes = (const uint64_t *)(const void *)writer->open_hashes.data;
        TRY_OR(done, pkindex_builder_add(writer->index, codes, hashes, writer->row_count, err));
    }
    TRY_OR(done, pkindex_builder_finish(writer->index, &index, err));
    // First, so that what the segment's name promises is there; its name is synced with that.
    TRY_OR(done, external_finish(writer->external, &summary->values, err));
    // The checksum of the metadata is taken over one piece of memory.
    TRY_OR(done, write_out(writer, err));
    TRY_OR(done, put_metadata(writer, &index, &summary->values, err));
    buffer_deinit(&index);
    put_footer(writer, 0, &summary->footer_crc);
    TRY_OR(done, write_out(writer, err));

    summary->segment_id = writer->options.segment_id;
    summary->row_count = writer->row_count;
    summary->file_size = writer->file_offset;
    summary->begin_max = writer->begin_max;
    summary->schema_version = writer->options.schema->version;
    if (copy_key(writer->options.alloc, &writer->first_key, &summary->key_min) != TDBPLUS_OK ||
        copy_key(writer->options.alloc, &writer->last_key, &summary->key_max) != TDBPLUS_OK) {
        status = no_memory(err);
        goto done;
    }
    TRY_OR(done, publish(writer, err));
done:
    buffer_deinit(&index);
    return status;
}

tdbplus_status segment_writer_finish(struct segment_writer *writer,
                                     struct segment_summary *summary_out, struct err *err)
{
    struct segment_summary summary = {0};
    tdbplus_status status = TDBPLUS_OK;
    if (writer->failed) {
        status = err_set(err, TDBPLUS_E_STATE, "segment: writing failed before");
    } else if (writer->row_count == 0) {
        status = err_set(err, TDBPLUS_E_INVALID, "segment: a segment needs at least one row");
    } else {
        status = finish_file(writer, &summary, err);
    }
    if (status != TDBPLUS_OK) {
        segment_summary_deinit(&summary);
        segment_writer_abandon(writer);
        return status;
    }
    destroy_writer(writer);
    *summary_out = summary;
    return TDBPLUS_OK;
}
