/* Keys put together again from the key columns. */

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "storage/segment/segment_internal.h"

#define CACHE_LINE     64u
#define PREFETCH_LINES 16u

/* An allocator over the reader's own memory: key_encode() wants a buffer, lookups no allocation. */
static void *fixed_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    struct key_reader *reader = ctx;
    (void)ptr;
    (void)size_old;
    (void)align;
    return size_new <= sizeof reader->memory ? reader->memory : NULL;
}

void key_reader_deinit(struct key_reader *reader)
{
    for (uint32_t i = 0; i < reader->segment->schema->key_count; i++) {
        if (reader->pages[i] != NULL) {
            page_release(reader->pages[i]);
        }
    }
}

/* Makes sure that the pages with the row's key columns are pinned. */
static tdbplus_status turn_to(struct key_reader *reader, uint64_t row, struct err *err)
{
    struct segment *segment = reader->segment;
    for (uint32_t i = 0; i < segment->schema->key_count; i++) {
        struct segment_page *place = &reader->places[i];
        if (reader->pages[i] != NULL && row >= place->first_row &&
            row - place->first_row < place->row_count) {
            continue;
        }
        uint32_t column = segment->schema->key_columns[i];
        struct page *page = NULL;
        TRY(segment_take_page(segment, row, column, &page, err));
        if (reader->pages[i] != NULL) {
            page_release(reader->pages[i]);
        }
        reader->pages[i] = page;
        *place = segment_page_of(segment, row, column);
    }
    return TDBPLUS_OK;
}

tdbplus_status key_reader_read(struct key_reader *reader, uint64_t row, struct span *key_out,
                               struct err *err)
{
    const struct segment *segment = reader->segment;
    TRY(turn_to(reader, row, err));
    if (segment->is_bytes_key) {
        *key_out = page_bytes(reader->pages[0], (uint32_t)(row - reader->places[0].first_row));
        return TDBPLUS_OK;
    }
    if (segment->is_integer_key) {
        int64_t value = page_word(reader->pages[0], (uint32_t)(row - reader->places[0].first_row));
        store_u64_be(reader->memory, key_code_of_integer(value));
        *key_out = (struct span){reader->memory, sizeof value};
        return TDBPLUS_OK;
    }
    struct datum values[SCHEMA_KEY_COUNT_MAX];
    uint32_t key_count = segment->schema->key_count;
    for (uint32_t i = 0; i < key_count; i++) {
        page_datum(reader->pages[i], segment->columns[segment->schema->key_columns[i]].type,
                   (uint32_t)(row - reader->places[i].first_row), &values[i]);
    }
    struct alloc alloc = {.resize = fixed_resize, .ctx = reader};
    struct buffer buffer;
    buffer_init(&buffer, &alloc);
    tdbplus_status status = key_encode(values, key_count, &buffer, err);
    if (status != TDBPLUS_OK) {
        return err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: row %llu has no valid key",
                       segment->path, (unsigned long long)row);
    }
    *key_out = buffer_span(&buffer);
    return TDBPLUS_OK;
}

tdbplus_status key_reader_prefetch(struct key_reader *reader, uint64_t row, uint64_t end,
                                   struct err *err)
{
    const struct segment *segment = reader->segment;
    TRY(turn_to(reader, row, err));
    const struct page *page = reader->pages[0];
    const struct segment_page *place = &reader->places[0];
    if (!segment->is_bytes_key || page->encoding != PAGE_BYTES || end <= row) {
        return TDBPLUS_OK;
    }
    uint64_t last = place->first_row + place->row_count - 1;
    last = end - 1 < last ? end - 1 : last;
    const uint8_t *at = page_bytes(page, (uint32_t)(row - place->first_row)).data;
    struct span tail = page_bytes(page, (uint32_t)(last - place->first_row));
    for (uint32_t line = 0; line < PREFETCH_LINES && at < tail.data + tail.size; line++) {
        __builtin_prefetch(at);
        at += CACHE_LINE;
    }
    return TDBPLUS_OK;
}

/* Keys that are the bytes of one column, borrowed from pages that the batch pins. */
static tdbplus_status borrow_keys(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                  struct batch *batch, struct span *keys, struct err *err)
{
    for (uint32_t done = 0; done < row_count;) {
        struct segment_page part = segment_page_of(segment, first_row + done, segment->key_column);
        uint32_t first = (uint32_t)(first_row + done - part.first_row);
        uint32_t count = part.row_count - first;
        count = count < row_count - done ? count : row_count - done;
        struct page *page = NULL;
        TRY(segment_take_page(segment, first_row + done, segment->key_column, &page, err));
        TRY(segment_hand_over(batch, page, err));
        for (uint32_t i = 0; i < count; i++) {
            keys[done + i] = page_bytes(page, first + i);
        }
        done += count;
    }
    return TDBPLUS_OK;
}

tdbplus_status segment_read_keys(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                 struct batch *batch, const struct span **keys_out, struct err *err)
{
    ASSERT(row_count <= SEGMENT_WINDOW_ROW_COUNT && first_row + row_count <= segment->row_count);
    struct span *keys = arena_array(&batch->arena, row_count, sizeof *keys);
    if (keys == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for %u keys", row_count);
    }
    if (segment->is_bytes_key) {
        TRY(borrow_keys(segment, first_row, row_count, batch, keys, err));
        *keys_out = keys;
        return TDBPLUS_OK;
    }
    struct key_reader reader;
    key_reader_init(&reader, segment);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < row_count; i++) {
        struct span key;
        TRY_OR(done, key_reader_read(&reader, first_row + i, &key, err));
        uint8_t *copy = arena_bytes(&batch->arena, key.size);
        if (copy == NULL) {
            status = err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for %u keys", row_count);
            goto done;
        }
        if (key.size > 0) {
            memcpy(copy, key.data, key.size);
        }
        keys[i] = (struct span){copy, key.size};
    }
    *keys_out = keys;
done:
    key_reader_deinit(&reader);
    return status;
}

/* The sign bit turned over, as key_code_of_integer() does, is an addition that unpacking does too.
 */
#define CODE_OFFSET ((uint64_t)1 << 63)

bool segment_codes_cached(const struct segment *segment, uint64_t first_row, uint32_t row_count,
                          uint64_t *codes_out)
{
    ASSERT(segment->is_integer_key && first_row + row_count <= segment->row_count);
    for (uint32_t done = 0; done < row_count;) {
        struct segment_page part = segment_page_of(segment, first_row + done, segment->key_column);
        uint32_t first = (uint32_t)(first_row + done - part.first_row);
        uint32_t count = part.row_count - first;
        count = count < row_count - done ? count : row_count - done;
        struct page *page = page_cache_peek(&segment->slots[part.page]);
        if (page == NULL) {
            return false;
        }
        page_touch(page);
        simd->unpack_u64(codes_out + done, page->data, first, count, page->width,
                         page->base + CODE_OFFSET);
        done += count;
    }
    return true;
}

bool segment_keys_cached(const struct segment *segment, uint64_t first_row, uint32_t row_count,
                         struct span *keys_out)
{
    ASSERT(first_row + row_count <= segment->row_count);
    for (uint32_t done = 0; done < row_count;) {
        struct segment_page part = segment_page_of(segment, first_row + done, segment->key_column);
        uint32_t first = (uint32_t)(first_row + done - part.first_row);
        uint32_t count = part.row_count - first;
        count = count < row_count - done ? count : row_count - done;
        struct page *page =
            segment->is_bytes_key ? page_cache_peek(&segment->slots[part.page]) : NULL;
        if (page == NULL) {
            return false;
        }
        page_touch(page);
        for (uint32_t i = 0; i < count; i++) {
            keys_out[done + i] = page_bytes(page, first + i);
        }
        done += count;
    }
    return true;
}

tdbplus_status segment_read_codes(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                  uint64_t *codes_out, struct err *err)
{
    ASSERT(segment->is_integer_key && first_row + row_count <= segment->row_count);
    for (uint32_t done = 0; done < row_count;) {
        struct segment_page part = segment_page_of(segment, first_row + done, segment->key_column);
        uint32_t first = (uint32_t)(first_row + done - part.first_row);
        uint32_t count = part.row_count - first;
        count = count < row_count - done ? count : row_count - done;
        struct epoch_ticket ticket = epoch_enter(segment->epoch);
        struct page *page = page_cache_peek(&segment->slots[part.page]);
        bool is_cached = page != NULL;
        if (is_cached) {
            page_touch(page);
            simd->unpack_u64(codes_out + done, page->data, first, count, page->width,
                             page->base + CODE_OFFSET);
        }
        epoch_exit(segment->epoch, ticket);
        if (!is_cached) {
            TRY(segment_load(segment, part.first_row, segment->key_column, &page, err));
            simd->unpack_u64(codes_out + done, page->data, first, count, page->width,
                             page->base + CODE_OFFSET);
            page_release(page);
        }
        done += count;
    }
    return TDBPLUS_OK;
}
