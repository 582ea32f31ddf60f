#pragma once

/*
 * encoding: turns the values of one page into the smallest of the encodings that suit.
 *
 * Every candidate's exact size is known from a few counts (range, range of differences, runs,
 * distinct values), so the choice needs no trial encoding.
 */

#include "base/buffer.h"
#include "storage/segment/segment_format.h"
#include "types/column.h"

/* The values of one page. Null rows have any value, of no bytes where the size is variable. */
struct encoding_input {
    struct type type;
    uint32_t row_count;    /* 1..SEGMENT_PAGE_ROW_MAX. */
    uint32_t value_size;   /* Bytes of a fixed-size value; 0: variable. */
    const uint8_t *values; /* Fixed size: row_count values. Variable: the bytes. */
    const uint64_t *ends;  /* Variable: where value i ends in `values`; it begins where the one */
    uint64_t begin;        /* before ends, the first one at `begin`. */
    const uint64_t *validity; /* NULL: no nulls. Bit 0 is the first row. */
    const uint64_t *external; /* Variable: rows that are struct value_reference; NULL: none. */
    bool random_access;       /* Single values are read often: no sequential encodings. */
    bool packed_only;         /* Integer keys: PAGE_PACKED, which lookups search (G5). */
};

#define ENCODING_TABLE_SIZE 4096u /* Slots to find distinct values; twice as many as rows. */

/* Room to work in; too large for a stack. Contents do not matter between calls. */
struct encoding_scratch {
    int64_t words[SEGMENT_PAGE_ROW_MAX];
    uint64_t differences[SEGMENT_PAGE_ROW_MAX];
    uint16_t table[ENCODING_TABLE_SIZE];
    uint16_t firsts[SEGMENT_PAGE_ROW_MAX]; /* Row where each distinct value was seen first. */
    uint16_t codes[SEGMENT_PAGE_ROW_MAX];
};

/* Fills in encoding, width, flags, row and value count, base of *header_out and appends the payload
 * to `payload`, whose memory failure is sticky. */
void encoding_encode(const struct encoding_input *input, struct encoding_scratch *scratch,
                     struct page_header *header_out, struct buffer *payload);

/* Shared by the encoders of this module. */
void encoding_words(const struct encoding_input *input, struct encoding_scratch *scratch,
                    struct page_header *header_out, struct buffer *payload);
void encoding_bytes(const struct encoding_input *input, struct encoding_scratch *scratch,
                    struct page_header *header_out, struct buffer *payload);

/* Appends `count` values of `width` bits each, (words[i] - base), low bits first. */
void encoding_pack(const uint64_t *words, uint32_t count, unsigned width, uint64_t base,
                   struct buffer *payload);
void encoding_pack_codes(const uint16_t *codes, uint32_t count, unsigned width,
                         struct buffer *payload);

/* Zeroes up to the next multiple of 8 from where the payload began. */
void encoding_pad(struct buffer *payload, size_t begin);

/* Bits that hold `value`. */
static inline unsigned encoding_width(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}
