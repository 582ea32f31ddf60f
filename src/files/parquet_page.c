/* Pages: each is read, decompressed, decoded and converted whole. */

#include <string.h>
#include <zlib.h>

#include "base/codec.h"
#include "files/parquet_internal.h"

enum page_type { PAGE_DATA = 0, PAGE_INDEX = 1, PAGE_DICTIONARY = 2, PAGE_DATA_V2 = 3 };

struct page_header {
    int64_t type;
    int64_t plain_size;
    int64_t packed_size;
    int64_t crc;
    bool has_crc;
    bool packed; /* Of version 2: the values are compressed. */
    int64_t value_count;
    int64_t encoding;
    int64_t def_encoding;
    int64_t rep_encoding;
    int64_t def_size;
    int64_t rep_size;
};

/* ---- headers ---- */

static void read_data_header(struct thrift *thrift, struct page_header *header, bool second)
{
    struct thrift_field field = {0};
    while (thrift_next_field(thrift, &field)) {
        if (second && field.id == 7) {
            header->packed = thrift_boolean(&field);
            continue;
        }
        if (field.type != THRIFT_I32) {
            thrift_skip(thrift, field.type, 0);
            continue;
        }
        int64_t value = thrift_integer(thrift);
        int64_t ignored = 0;
        int64_t *first_places[] = {&header->value_count, &header->encoding, &header->def_encoding,
                                   &header->rep_encoding};
        int64_t *second_places[] = {&header->value_count, &ignored,          &ignored,
                                    &header->encoding,    &header->def_size, &header->rep_size};
        if (!second && field.id >= 1 && field.id <= 4) {
            *first_places[field.id - 1] = value;
        } else if (second && field.id >= 1 && field.id <= 6) {
            *second_places[field.id - 1] = value;
        }
    }
}

static bool read_header(struct thrift *thrift, struct page_header *header)
{
    struct thrift_field field = {0};
    *header = (struct page_header){.type = -1, .plain_size = -1, .packed_size = -1};
    header->value_count = -1;
    header->packed = true;
    while (thrift_next_field(thrift, &field)) {
        if ((field.id == 5 || field.id == 7 || field.id == 8) && field.type == THRIFT_STRUCT) {
            read_data_header(thrift, header, field.id == 8);
            continue;
        }
        if (field.type != THRIFT_I32) {
            thrift_skip(thrift, field.type, 0);
            continue;
        }
        int64_t value = thrift_integer(thrift);
        header->type = field.id == 1 ? value : header->type;
        header->plain_size = field.id == 2 ? value : header->plain_size;
        header->packed_size = field.id == 3 ? value : header->packed_size;
        header->crc = field.id == 4 ? value : header->crc;
        header->has_crc = header->has_crc || field.id == 4;
    }
    return !thrift->failed && header->plain_size >= 0 && header->packed_size >= 0 &&
           header->plain_size <= (int64_t)PARQUET_PAGE_SIZE_MAX;
}

/* ---- chunks ---- */

void parquet_leaf_init(struct parquet_leaf *leaf, const struct parquet_node *node,
                       const struct alloc *alloc)
{
    *leaf = (struct parquet_leaf){.node = node, .alloc = alloc};
    arena_init(&leaf->pages[0], alloc, 0);
    arena_init(&leaf->pages[1], alloc, 0);
    arena_init(&leaf->dictionary_arena, alloc, 0);
}

static void release_chunk(struct parquet_leaf *leaf)
{
    alloc_free(leaf->alloc, leaf->chunk, leaf->chunk_size, 1);
    leaf->chunk = NULL;
    leaf->chunk_size = 0;
}

void parquet_leaf_deinit(struct parquet_leaf *leaf)
{
    release_chunk(leaf);
    arena_deinit(&leaf->pages[0]);
    arena_deinit(&leaf->pages[1]);
    arena_deinit(&leaf->dictionary_arena);
}

tdbplus_status parquet_leaf_begin(struct parquet_leaf *leaf, const struct parquet_file *file,
                                  const struct parquet_chunk *chunk, struct err *err)
{
    if (chunk->value_count == 0) {
        release_chunk(leaf);
        leaf->values_left = 0;
        leaf->count = leaf->at = 0;
        return TDBPLUS_OK;
    }
    // Older writers give offsets that are 0, or lie behind the data's.
    int64_t begin = chunk->dictionary_offset > 0 && chunk->dictionary_offset < chunk->data_offset
                        ? chunk->dictionary_offset
                        : chunk->data_offset;
    if (begin < 4 || chunk->compressed_size < 0 || chunk->value_count < 0 ||
        (uint64_t)begin > file->size ||
        (uint64_t)chunk->compressed_size > file->size - (uint64_t)begin) {
        return parquet_damaged(err, "a column lies outside of the file");
    }
    release_chunk(leaf);
    arena_reset(&leaf->pages[0]);
    arena_reset(&leaf->pages[1]);
    arena_reset(&leaf->dictionary_arena);
    leaf->has_dictionary = false;
    leaf->count = leaf->at = 0;
    leaf->chunk_at = 0;
    leaf->codec = chunk->codec;
    leaf->values_left = chunk->value_count;
    if (chunk->compressed_size == 0) {
        return TDBPLUS_OK;
    }
    size_t size = (size_t)chunk->compressed_size;
    leaf->chunk = alloc_raw(leaf->alloc, size);
    if (leaf->chunk == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory for a column of a Parquet file");
    }
    leaf->chunk_size = size;
    return env_read(env_real(), file->file, (uint64_t)begin, leaf->chunk, size, err);
}

void parquet_leaf_next_batch(struct parquet_leaf *leaf)
{
    leaf->target = leaf->current ^ 1u;
    arena_reset(&leaf->pages[leaf->target]);
}

/* ---- one page ---- */

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory for a page of a Parquet file");
}

/* The next header and the bytes behind it. */
static tdbplus_status take_page(struct parquet_leaf *leaf, struct page_header *header,
                                struct span *body_out, struct err *err)
{
    struct thrift thrift = {.at = leaf->chunk + leaf->chunk_at,
                            .end = leaf->chunk + leaf->chunk_size};
    if (leaf->chunk_at >= leaf->chunk_size || !read_header(&thrift, header)) {
        return parquet_damaged(err, "a page's header makes no sense");
    }
    size_t rest = (size_t)(thrift.end - thrift.at);
    if ((uint64_t)header->packed_size > rest) {
        return parquet_damaged(err, "a page is longer than its column");
    }
    struct span body = {.data = thrift.at, .size = (size_t)header->packed_size};
    if (header->has_crc &&
        (uint32_t)crc32(0, body.data, (uInt)body.size) != (uint32_t)header->crc) {
        return parquet_damaged(err, "a page's checksum does not hold");
    }
    leaf->chunk_at = (size_t)(thrift.at - leaf->chunk) + body.size;
    *body_out = body;
    return TDBPLUS_OK;
}

static tdbplus_status unpack(const struct parquet_leaf *leaf, struct span in, size_t size,
                             struct arena *arena, struct span *out, struct err *err)
{
    if (leaf->codec == PARQUET_PLAIN_CODEC) {
        *out = in;
        return in.size == size ? TDBPLUS_OK
                               : parquet_damaged(err, "a page has another size than it says");
    }
    uint8_t *bytes = arena_alloc(arena, size + 8);
    if (bytes == NULL) {
        return no_memory(err);
    }
    *out = (struct span){bytes, size};
    return parquet_decompress(leaf->codec, in, bytes, size, err);
}

static tdbplus_status read_dictionary(struct parquet_leaf *leaf, const struct page_header *header,
                                      struct span body, struct err *err)
{
    struct span plain = {0};
    struct parquet_values values = {0};
    if (leaf->has_dictionary || header->value_count < 0 ||
        header->value_count > PARQUET_PAGE_ROWS_MAX) {
        return parquet_damaged(err, "a dictionary where none can be");
    }
    TRY(unpack(leaf, body, (size_t)header->plain_size, &leaf->dictionary_arena, &plain, err));
    TRY(parquet_decode(leaf->node, ENCODING_PLAIN, plain, (uint32_t)header->value_count,
                       &leaf->dictionary_arena, &values, err));
    TRY(parquet_convert(leaf->node, &values, &leaf->dictionary_arena, &leaf->dictionary, err));
    leaf->has_dictionary = true;
    return TDBPLUS_OK;
}

static unsigned width_of_level(uint8_t level)
{
    return level == 0 ? 0 : 32 - (unsigned)__builtin_clz(level);
}

/* Levels of a page of version 1 stand before the values, with their size (or as packed bits). */
static tdbplus_status take_levels(struct span *rest, int64_t encoding, uint8_t max, uint32_t count,
                                  uint8_t *levels, struct err *err)
{
    unsigned width = width_of_level(max);
    if (encoding == ENCODING_BIT_PACKED) {
        size_t size = ((size_t)count * width + 7) / 8;
        if (size > rest->size || !parquet_bit_packed(*rest, width, count, levels)) {
            return parquet_damaged(err, "a page of too few levels");
        }
        rest->data += size;
        rest->size -= size;
        return TDBPLUS_OK;
    }
    if (rest->size < 4 || load_u32(rest->data) > rest->size - 4) {
        return parquet_damaged(err, "a page of too few levels");
    }
    struct span packed = {rest->data + 4, load_u32(rest->data)};
    rest->data += 4 + packed.size;
    rest->size -= 4 + packed.size;
    return parquet_hybrid_u8(packed, width, count, levels)
               ? TDBPLUS_OK
               : parquet_damaged(err, "a page of too few levels");
}

struct levels {
    uint8_t *defs;
    uint8_t *reps;
    struct span values; /* What is left: the values. */
};

static tdbplus_status split_first(struct parquet_leaf *leaf, const struct page_header *header,
                                  struct span body, uint32_t count, struct levels *levels,
                                  struct err *err)
{
    TRY(unpack(leaf, body, (size_t)header->plain_size, &leaf->pages[leaf->target], &levels->values,
               err));
    if (levels->reps != NULL) {
        TRY(take_levels(&levels->values, header->rep_encoding, leaf->node->rep, count, levels->reps,
                        err));
    }
    if (levels->defs != NULL) {
        TRY(take_levels(&levels->values, header->def_encoding, leaf->node->def, count, levels->defs,
                        err));
    }
    return TDBPLUS_OK;
}

/* Levels of version 2 are never compressed. */
static tdbplus_status split_second(struct parquet_leaf *leaf, const struct page_header *header,
                                   struct span body, uint32_t count, struct levels *levels,
                                   struct err *err)
{
    if (header->rep_size < 0 || header->def_size < 0 ||
        (uint64_t)header->rep_size + (uint64_t)header->def_size > body.size ||
        header->rep_size + header->def_size > header->plain_size) {
        return parquet_damaged(err, "a page's levels are longer than it is");
    }
    struct span reps = {body.data, (size_t)header->rep_size};
    struct span defs = {body.data + reps.size, (size_t)header->def_size};
    struct span rest = {defs.data + defs.size, body.size - reps.size - defs.size};
    size_t plain = (size_t)header->plain_size - reps.size - defs.size;
    if ((levels->reps != NULL &&
         !parquet_hybrid_u8(reps, width_of_level(leaf->node->rep), count, levels->reps)) ||
        (levels->defs != NULL &&
         !parquet_hybrid_u8(defs, width_of_level(leaf->node->def), count, levels->defs))) {
        return parquet_damaged(err, "a page of too few levels");
    }
    if (header->packed) {
        return unpack(leaf, rest, plain, &leaf->pages[leaf->target], &levels->values, err);
    }
    levels->values = rest;
    return TDBPLUS_OK;
}

/* Levels past the greatest would lead out of the tree. */
static bool levels_fit(const uint8_t *levels, uint32_t count, uint8_t max)
{
    uint8_t greatest = 0;
    for (uint32_t i = 0; i < count; i++) {
        greatest = levels[i] > greatest ? levels[i] : greatest;
    }
    return greatest <= max;
}

/* From `present` values one after another to one for each of `count` entries, from the end on. */
static void spread(void *data, size_t width, const uint8_t *defs, uint8_t there, uint32_t count,
                   uint32_t present)
{
    uint8_t *bytes = data;
    uint32_t from = present;
    for (uint32_t i = count; i-- > 0 && from < i + 1;) {
        if (defs[i] == there) {
            from--;
            memmove(bytes + i * width, bytes + from * width, width);
        } else {
            memset(bytes + i * width, 0, width);
        }
    }
}

static tdbplus_status read_codes(struct parquet_leaf *leaf, struct span in, uint32_t count,
                                 uint32_t present, struct err *err)
{
    uint32_t *codes = arena_alloc(&leaf->pages[leaf->target], (count + 1u) * sizeof *codes);
    if (codes == NULL) {
        return no_memory(err);
    }
    if (!leaf->has_dictionary || (present > 0 && in.size < 1) ||
        (present > 0 && !parquet_hybrid_u32((struct span){in.data + 1, in.size - 1}, in.data[0],
                                            present, codes))) {
        return parquet_damaged(err, "codes without a dictionary, or too few of them");
    }
    uint32_t greatest = 0;
    for (uint32_t i = 0; i < present; i++) {
        greatest = codes[i] > greatest ? codes[i] : greatest;
    }
    if (present > 0 && greatest >= leaf->dictionary.row_count) {
        return parquet_damaged(err, "a code that the dictionary does not have");
    }
    spread(codes, sizeof *codes, leaf->defs, leaf->node->def, count, present);
    leaf->codes = codes;
    return TDBPLUS_OK;
}

/* Values with a place for each entry. */
static tdbplus_status read_values(struct parquet_leaf *leaf, int64_t encoding, struct span in,
                                  uint32_t count, uint32_t present, struct err *err)
{
    struct parquet_values values = {0};
    struct column column = {0};
    TRY(parquet_decode(leaf->node, encoding, in, present, &leaf->pages[leaf->target], &values,
                       err));
    TRY(parquet_convert(leaf->node, &values, &leaf->pages[leaf->target], &column, err));
    leaf->values = column;
    if (present == count) {
        return TDBPLUS_OK;
    }
    size_t width = type_width(column.type);
    if (!column_make(&leaf->values, column.type, count, false, &leaf->pages[leaf->target])) {
        return no_memory(err);
    }
    if (present > 0) {
        memcpy(leaf->values.data, column.data, present * width);
    }
    spread(leaf->values.data, width, leaf->defs, leaf->node->def, count, present);
    return TDBPLUS_OK;
}

static tdbplus_status read_data(struct parquet_leaf *leaf, const struct page_header *header,
                                struct span body, struct err *err)
{
    if (header->value_count < 0 || header->value_count > PARQUET_PAGE_ROWS_MAX ||
        header->value_count > leaf->values_left) {
        return parquet_damaged(err, "a page of more values than its column has");
    }
    uint32_t count = (uint32_t)header->value_count;
    struct arena *page = &leaf->pages[leaf->target];
    struct levels levels = {0};
    levels.defs = leaf->node->def > 0 ? arena_bytes(page, count + 1u) : NULL;
    levels.reps = leaf->node->rep > 0 ? arena_bytes(page, count + 1u) : NULL;
    if ((leaf->node->def > 0 && levels.defs == NULL) ||
        (leaf->node->rep > 0 && levels.reps == NULL)) {
        return no_memory(err);
    }
    TRY(header->type == PAGE_DATA ? split_first(leaf, header, body, count, &levels, err)
                                  : split_second(leaf, header, body, count, &levels, err));
    uint32_t present = count;
    if (levels.defs != NULL) {
        present = 0;
        for (uint32_t i = 0; i < count; i++) {
            present += levels.defs[i] == leaf->node->def;
        }
    }
    if ((levels.defs != NULL && !levels_fit(levels.defs, count, leaf->node->def)) ||
        (levels.reps != NULL && !levels_fit(levels.reps, count, leaf->node->rep))) {
        return parquet_damaged(err, "levels deeper than the schema");
    }
    leaf->defs = levels.defs;
    leaf->reps = levels.reps;
    leaf->codes = NULL;
    bool coded = header->encoding == ENCODING_RLE_DICTIONARY ||
                 header->encoding == ENCODING_PLAIN_DICTIONARY;
    TRY(coded ? read_codes(leaf, levels.values, count, present, err)
              : read_values(leaf, header->encoding, levels.values, count, present, err));
    leaf->current = leaf->target;
    leaf->values_left -= count;
    leaf->count = count;
    leaf->at = 0;
    return TDBPLUS_OK;
}

tdbplus_status parquet_leaf_fill(struct parquet_leaf *leaf, struct err *err)
{
    while (leaf->at == leaf->count) {
        struct page_header header;
        struct span body = {0};
        if (leaf->values_left == 0) {
            return TDBPLUS_END;
        }
        TRY(take_page(leaf, &header, &body, err));
        if (header.type == PAGE_DICTIONARY) {
            TRY(read_dictionary(leaf, &header, body, err));
        } else if (header.type == PAGE_DATA || header.type == PAGE_DATA_V2) {
            TRY(read_data(leaf, &header, body, err));
        } // Pages of other kinds say nothing of rows.
    }
    return TDBPLUS_OK;
}
