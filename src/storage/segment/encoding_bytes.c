/* Values of 16 bytes, vectors, and values of variable size. */

#include <string.h>

#include "base/codec.h"
#include "base/hash.h"
#include "storage/segment/encoding.h"

#define DISTINCT_SAMPLE   64u /* Rows looked at before all are. */
#define SAMPLE_MAX        48u
#define DISTINCT_SIZE_MAX 256u /* Longer values are rarely the same; hashing them costs. */

/* The bytes of a row. */
static struct span value_of(const struct encoding_input *input, uint32_t row)
{
    if (input->value_size != 0) {
        return (struct span){input->values + (size_t)row * input->value_size, input->value_size};
    }
    uint64_t begin = row == 0 ? input->begin : input->ends[row - 1];
    return (struct span){input->values + begin, (size_t)(input->ends[row] - begin)};
}

static bool spans_equal(struct span left, struct span right)
{
    return left.size == right.size &&
           (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

/* Numbers the distinct values; 0 when there are more than half as many as rows, or long ones. */
static uint32_t find_distinct(const struct encoding_input *input, struct encoding_scratch *scratch)
{
    memset(scratch->table, 0, sizeof scratch->table);
    uint32_t distinct = 0;
    uint32_t distinct_max = input->row_count / 2 + 1;
    for (uint32_t i = 0; i < input->row_count; i++) {
        struct span value = value_of(input, i);
        if ((i == DISTINCT_SAMPLE && distinct > SAMPLE_MAX) || value.size > DISTINCT_SIZE_MAX) {
            return 0;
        }
        uint64_t slot = hash_bytes(value, 0) % ENCODING_TABLE_SIZE;
        while (scratch->table[slot] != 0 &&
               !spans_equal(value_of(input, scratch->firsts[scratch->table[slot] - 1]), value)) {
            slot = (slot + 1) % ENCODING_TABLE_SIZE;
        }
        if (scratch->table[slot] == 0) {
            if (distinct == distinct_max) {
                return 0;
            }
            scratch->firsts[distinct++] = (uint16_t)i;
            scratch->table[slot] = (uint16_t)distinct;
        }
        scratch->codes[i] = (uint16_t)(scratch->table[slot] - 1);
    }
    return distinct;
}

static void put_offset(struct buffer *payload, bool wide, uint64_t offset)
{
    if (wide) {
        buffer_put_u32(payload, (uint32_t)offset);
    } else {
        buffer_put_u16(payload, (uint16_t)offset);
    }
}

/* Offsets of all rows' values, then the bytes, which lie together already. */
static void put_rows(const struct encoding_input *input, struct page_header *header,
                     struct buffer *payload)
{
    size_t total = (size_t)(input->ends[input->row_count - 1] - input->begin);
    bool wide = total > UINT16_MAX;
    size_t begin = payload->size;
    size_t item = wide ? sizeof(uint32_t) : sizeof(uint16_t);
    header->flags |= wide ? PAGE_FLAG_WIDE : 0;
    uint8_t *offsets = buffer_extend(payload, (input->row_count + 1) * item);
    if (offsets == NULL) {
        return;
    }
    memset(offsets, 0, item);
    for (uint32_t i = 0; i < input->row_count; i++) {
        uint64_t offset = input->ends[i] - input->begin;
        if (wide) {
            store_u32(offsets + 4 * (size_t)i + 4, (uint32_t)offset);
        } else {
            store_u16(offsets + 2 * (size_t)i + 2, (uint16_t)offset);
        }
    }
    encoding_pad(payload, begin);
    begin = payload->size;
    buffer_put(payload, input->values + input->begin, total);
    encoding_pad(payload, begin);
}

/* The same for the first rows of distinct values. */
static void put_distinct(const struct encoding_input *input, const uint16_t *rows, uint32_t count,
                         struct page_header *header, struct buffer *payload)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += value_of(input, rows[i]).size;
    }
    bool wide = total > UINT16_MAX;
    header->flags |= wide ? PAGE_FLAG_WIDE : 0;
    size_t begin = payload->size;
    uint64_t offset = 0;
    put_offset(payload, wide, offset);
    for (uint32_t i = 0; i < count; i++) {
        offset += value_of(input, rows[i]).size;
        put_offset(payload, wide, offset);
    }
    encoding_pad(payload, begin);
    begin = payload->size;
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_span(payload, value_of(input, rows[i]));
    }
    encoding_pad(payload, begin);
}

static void encode_dictionary(const struct encoding_input *input, uint32_t distinct,
                              struct encoding_scratch *scratch, struct page_header *header,
                              struct buffer *payload)
{
    header->encoding = PAGE_DICTIONARY;
    header->value_count = (uint16_t)distinct;
    header->width = (uint8_t)encoding_width(distinct - 1);
    if (input->value_size == 0) {
        put_distinct(input, scratch->firsts, distinct, header, payload);
    } else {
        size_t begin = payload->size;
        for (uint32_t i = 0; i < distinct; i++) {
            buffer_put_span(payload, value_of(input, scratch->firsts[i]));
        }
        encoding_pad(payload, begin);
    }
    encoding_pack_codes(scratch->codes, input->row_count, header->width, payload);
}

/* With one size for all, offsets say nothing. */
static bool has_stride(const struct encoding_input *input, size_t *stride_out)
{
    size_t stride = value_of(input, 0).size;
    for (uint32_t i = 1; i < input->row_count; i++) {
        if (input->ends[i] - input->ends[i - 1] != stride) {
            return false;
        }
    }
    *stride_out = stride;
    return true;
}

static void encode_plain(const struct encoding_input *input, struct page_header *header,
                         struct buffer *payload)
{
    if (input->value_size != 0) {
        header->encoding = PAGE_PLAIN;
        buffer_put(payload, input->values, (size_t)input->row_count * input->value_size);
        return;
    }
    header->encoding = PAGE_BYTES;
    size_t stride = 0;
    if (has_stride(input, &stride)) {
        header->flags |= PAGE_FLAG_STRIDE;
        header->base = stride;
        buffer_put(payload, input->values + input->begin, stride * input->row_count);
        return;
    }
    put_rows(input, header, payload);
}

/* Is a dictionary of that many values smaller than the values one by one? */
static bool dictionary_pays(const struct encoding_input *input, uint32_t distinct,
                            const struct encoding_scratch *scratch)
{
    size_t plain = 0;
    for (uint32_t i = 0; i < input->row_count; i++) {
        plain += value_of(input, i).size + (input->value_size == 0 ? 2 : 0);
    }
    size_t size = (size_t)input->row_count * encoding_width(distinct - 1) / 8;
    for (uint32_t i = 0; i < distinct; i++) {
        size += value_of(input, scratch->firsts[i]).size + (input->value_size == 0 ? 2 : 0);
    }
    return size < plain - plain / 4;
}

void encoding_bytes(const struct encoding_input *input, struct encoding_scratch *scratch,
                    struct page_header *header_out, struct buffer *payload)
{
    // References are hardly ever the same, and pages with them have one form.
    uint32_t distinct = input->external != NULL ? 0 : find_distinct(input, scratch);
    if (distinct == 1) {
        struct span value = value_of(input, 0);
        header_out->encoding = PAGE_CONSTANT;
        header_out->base = input->value_size == 0 ? value.size : 0;
        buffer_put_span(payload, value);
    } else if (distinct != 0 && dictionary_pays(input, distinct, scratch)) {
        encode_dictionary(input, distinct, scratch, header_out, payload);
    } else {
        encode_plain(input, header_out, payload);
    }
}
