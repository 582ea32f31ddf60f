#include "storage/segment/encoding.h"

#include <string.h>

#include "base/codec.h"

void encoding_pad(struct buffer *payload, size_t begin)
{
    static const uint8_t zeroes[8] = {0};
    size_t size = payload->size - begin;
    buffer_put(payload, zeroes, (8 - size % 8) % 8);
}

/* Appends room for whole words; what lies past the last value stays zero. */
static uint8_t *extend_packed(struct buffer *payload, size_t size)
{
    // Words are stored whole, so room for one more is reserved but not counted.
    if (!buffer_reserve(payload, size + 2 * sizeof(uint64_t))) {
        return NULL;
    }
    return buffer_extend(payload, size);
}

/* Collects bits in a word and stores it when full. */
struct bit_writer {
    uint8_t *at;
    uint64_t word;
    unsigned used;
};

static inline void put_bits(struct bit_writer *writer, uint64_t value, unsigned width)
{
    writer->word |= value << writer->used;
    writer->used += width;
    if (writer->used >= 64) {
        store_u64(writer->at, writer->word);
        writer->at += sizeof(uint64_t);
        writer->used -= 64;
        writer->word = writer->used == 0 ? 0 : value >> (width - writer->used);
    }
}

static void put_last_bits(struct bit_writer *writer)
{
    for (unsigned done = 0; done < writer->used; done += 8) {
        *writer->at++ = (uint8_t)(writer->word >> done);
    }
}

void encoding_pack(const uint64_t *words, uint32_t count, unsigned width, uint64_t base,
                   struct buffer *payload)
{
    uint8_t *at = extend_packed(payload, ((size_t)count * width + 7) / 8);
    if (at == NULL || width == 0) {
        return;
    }
    struct bit_writer writer = {.at = at};
    for (uint32_t i = 0; i < count; i++) {
        put_bits(&writer, words[i] - base, width);
    }
    put_last_bits(&writer);
}

void encoding_pack_codes(const uint16_t *codes, uint32_t count, unsigned width,
                         struct buffer *payload)
{
    uint8_t *at = extend_packed(payload, ((size_t)count * width + 7) / 8);
    if (at == NULL || width == 0) {
        return;
    }
    struct bit_writer writer = {.at = at};
    for (uint32_t i = 0; i < count; i++) {
        put_bits(&writer, codes[i], width);
    }
    put_last_bits(&writer);
}

void encoding_encode(const struct encoding_input *input, struct encoding_scratch *scratch,
                     struct page_header *header_out, struct buffer *payload)
{
    size_t begin = payload->size;
    *header_out = (struct page_header){.row_count = (uint16_t)input->row_count};
    if (type_physical(input->type) <= PHYSICAL_8) {
        encoding_words(input, scratch, header_out, payload);
    } else {
        encoding_bytes(input, scratch, header_out, payload);
    }
    encoding_pad(payload, begin);
    if (input->external != NULL) {
        header_out->flags |= PAGE_FLAG_EXTERNAL;
        buffer_put(payload, input->external, ((size_t)input->row_count + 63) / 64 * 8);
    }
    if (input->validity != NULL) {
        header_out->flags |= PAGE_FLAG_VALIDITY;
        buffer_put(payload, input->validity, ((size_t)input->row_count + 63) / 64 * 8);
    }
    header_out->raw_size = (uint32_t)(payload->size - begin);
}
