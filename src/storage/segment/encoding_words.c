/* Values of 1 to 8 bytes: integers, and floats by their bits. */

#include <string.h>

#include "base/codec.h"
#include "base/hash.h"
#include "storage/segment/encoding.h"

#define DISTINCT_MAX    256u /* More distinct words than that are better packed. */
#define DISTINCT_SAMPLE 64u  /* Rows looked at before all are: enough distinct ones end it. */
#define SAMPLE_MAX      40u

/* What the choice is made from. */
struct word_counts {
    int64_t min;
    int64_t max;
    uint32_t run_count;
    bool has_differences; /* None of them overflows. */
    int64_t difference_min;
    int64_t difference_max;
    bool has_second; /* Differences of differences, likewise. */
    int64_t second_min;
    int64_t second_max;
};

static void widen(const struct encoding_input *input, int64_t *words)
{
    const uint8_t *values = input->values;
    uint32_t count = input->row_count;
    switch (input->value_size) {
    case 1:
        for (uint32_t i = 0; i < count; i++) {
            words[i] = values[i];
        }
        break;
    case 2:
        for (uint32_t i = 0; i < count; i++) {
            words[i] = (int16_t)load_u16(values + 2 * (size_t)i);
        }
        break;
    case 4:
        for (uint32_t i = 0; i < count; i++) {
            words[i] = (int32_t)load_u32(values + 4 * (size_t)i);
        }
        break;
    default:
        memcpy(words, values, count * sizeof *words);
    }
}

/* Gives null rows the value before them (the first valid one at the start), which costs least. */
static void fill_nulls(const struct encoding_input *input, int64_t *words)
{
    if (input->validity == NULL) {
        return;
    }
    int64_t previous = 0;
    for (uint32_t i = 0; i < input->row_count; i++) {
        if ((input->validity[i / 64] >> (i % 64) & 1) != 0) {
            previous = words[i];
            break;
        }
    }
    for (uint32_t i = 0; i < input->row_count; i++) {
        if ((input->validity[i / 64] >> (i % 64) & 1) != 0) {
            previous = words[i];
        } else {
            words[i] = previous;
        }
    }
}

static void count_range(const int64_t *words, uint32_t count, struct word_counts *counts)
{
    int64_t min = words[0];
    int64_t max = words[0];
    for (uint32_t i = 1; i < count; i++) {
        min = words[i] < min ? words[i] : min;
        max = words[i] > max ? words[i] : max;
    }
    counts->min = min;
    counts->max = max;
}

/* Differences only matter when the range of the values fits 62 bits, which also rules out that
 * they or their differences overflow. */
static void count_differences(const int64_t *words, uint32_t count, struct word_counts *counts)
{
    counts->run_count = 1;
    if (count < 3 || encoding_width((uint64_t)counts->max - (uint64_t)counts->min) > 62) {
        for (uint32_t i = 1; i < count; i++) {
            counts->run_count += words[i] != words[i - 1];
        }
        return;
    }
    int64_t previous = words[1] - words[0];
    counts->difference_min = previous;
    counts->difference_max = previous;
    counts->second_min = INT64_MAX;
    counts->second_max = INT64_MIN;
    counts->run_count += previous != 0;
    for (uint32_t i = 2; i < count; i++) {
        int64_t difference = words[i] - words[i - 1];
        int64_t second = difference - previous;
        previous = difference;
        counts->run_count += difference != 0;
        counts->difference_min =
            difference < counts->difference_min ? difference : counts->difference_min;
        counts->difference_max =
            difference > counts->difference_max ? difference : counts->difference_max;
        counts->second_min = second < counts->second_min ? second : counts->second_min;
        counts->second_max = second > counts->second_max ? second : counts->second_max;
    }
    counts->has_differences = true;
    counts->has_second = true;
}

/* Numbers the distinct words; 0 when there are more than a dictionary should have. */
static uint32_t find_distinct(const int64_t *words, uint32_t count,
                              struct encoding_scratch *scratch)
{
    memset(scratch->table, 0, sizeof scratch->table);
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i == DISTINCT_SAMPLE && distinct > SAMPLE_MAX) {
            return 0;
        }
        uint64_t slot = hash_u64((uint64_t)words[i]) % ENCODING_TABLE_SIZE;
        while (scratch->table[slot] != 0 &&
               words[scratch->firsts[scratch->table[slot] - 1]] != words[i]) {
            slot = (slot + 1) % ENCODING_TABLE_SIZE;
        }
        if (scratch->table[slot] == 0) {
            if (distinct == DISTINCT_MAX) {
                return 0;
            }
            scratch->firsts[distinct++] = (uint16_t)i;
            scratch->table[slot] = (uint16_t)distinct;
        }
        scratch->codes[i] = (uint16_t)(scratch->table[slot] - 1);
    }
    return distinct;
}

static void put_word(struct buffer *payload, int64_t word, uint32_t size)
{
    buffer_put(payload, &word, size); // Little-endian: the low bytes come first.
}

static void encode_runs(const int64_t *words, uint32_t count, uint32_t size,
                        struct page_header *header, struct buffer *payload)
{
    header->encoding = PAGE_RUNS;
    size_t begin = payload->size;
    for (uint32_t i = 1; i <= count; i++) {
        if (i == count || words[i] != words[i - 1]) {
            buffer_put_u16(payload, (uint16_t)i);
            header->value_count++;
        }
    }
    encoding_pad(payload, begin);
    for (uint32_t i = 1; i <= count; i++) {
        if (i == count || words[i] != words[i - 1]) {
            put_word(payload, words[i - 1], size);
        }
    }
}

static void encode_dictionary(struct encoding_scratch *scratch, uint32_t distinct, uint32_t count,
                              uint32_t size, struct page_header *header, struct buffer *payload)
{
    header->encoding = PAGE_DICTIONARY;
    header->value_count = (uint16_t)distinct;
    header->width = (uint8_t)encoding_width(distinct - 1);
    size_t begin = payload->size;
    for (uint32_t i = 0; i < distinct; i++) {
        put_word(payload, scratch->words[scratch->firsts[i]], size);
    }
    encoding_pad(payload, begin);
    encoding_pack_codes(scratch->codes, count, header->width, payload);
}

static void encode_delta(struct encoding_scratch *scratch, uint32_t count,
                         const struct word_counts *counts, struct page_header *header,
                         struct buffer *payload)
{
    header->encoding = PAGE_DELTA;
    header->base = (uint64_t)scratch->words[0];
    header->width = (uint8_t)encoding_width((uint64_t)counts->difference_max -
                                            (uint64_t)counts->difference_min);
    for (uint32_t i = 1; i < count; i++) {
        scratch->differences[i - 1] = (uint64_t)scratch->words[i] - (uint64_t)scratch->words[i - 1];
    }
    buffer_put_u64(payload, (uint64_t)counts->difference_min);
    encoding_pack(scratch->differences, count - 1, header->width, (uint64_t)counts->difference_min,
                  payload);
}

static void encode_delta2(struct encoding_scratch *scratch, uint32_t count,
                          const struct word_counts *counts, struct page_header *header,
                          struct buffer *payload)
{
    header->encoding = PAGE_DELTA2;
    header->base = (uint64_t)scratch->words[0];
    header->width =
        (uint8_t)encoding_width((uint64_t)counts->second_max - (uint64_t)counts->second_min);
    uint64_t first = (uint64_t)scratch->words[1] - (uint64_t)scratch->words[0];
    uint64_t previous = first;
    for (uint32_t i = 2; i < count; i++) {
        uint64_t difference = (uint64_t)scratch->words[i] - (uint64_t)scratch->words[i - 1];
        scratch->differences[i - 2] = difference - previous;
        previous = difference;
    }
    buffer_put_u64(payload, (uint64_t)counts->second_min);
    buffer_put_u64(payload, first);
    encoding_pack(scratch->differences, count - 2, header->width, (uint64_t)counts->second_min,
                  payload);
}

static void encode_packed(struct encoding_scratch *scratch, uint32_t count,
                          const struct word_counts *counts, struct page_header *header,
                          struct buffer *payload)
{
    header->encoding = PAGE_PACKED;
    header->base = (uint64_t)counts->min;
    header->width = (uint8_t)encoding_width((uint64_t)counts->max - (uint64_t)counts->min);
    const uint64_t *words = (const uint64_t *)scratch->words;
    encoding_pack(words, count, header->width, header->base, payload);
}

static void encode_plain(const struct encoding_input *input, const int64_t *words,
                         struct page_header *header, struct buffer *payload)
{
    header->encoding = PAGE_PLAIN;
    size_t size = (size_t)input->row_count * input->value_size;
    if (input->validity == NULL || input->value_size == 8) {
        buffer_put(payload, input->value_size == 8 ? (const void *)words : input->values, size);
        return;
    }
    for (uint32_t i = 0; i < input->row_count; i++) {
        put_word(payload, words[i], input->value_size);
    }
}

/* Bits of a page in each form; SIZE_MAX where it does not apply. A form that is slower to read must
 * be clearly smaller. */
static enum page_encoding choose(const struct encoding_input *input, struct word_counts *counts,
                                 struct encoding_scratch *scratch, uint32_t *distinct_out)
{
    size_t count = input->row_count;
    unsigned width = encoding_width((uint64_t)counts->max - (uint64_t)counts->min);
    size_t packed = count * width;
    if (input->packed_only) {
        return PAGE_PACKED;
    }
    if (width == 0) {
        return PAGE_CONSTANT;
    }
    size_t best = packed;
    enum page_encoding choice = PAGE_PACKED;
    if (!input->random_access) {
        count_differences(scratch->words, input->row_count, counts);
        size_t runs = counts->run_count * (16 + 8 * (size_t)input->value_size);
        if (runs < best / 4) {
            return PAGE_RUNS;
        }
        unsigned first =
            encoding_width((uint64_t)counts->difference_max - (uint64_t)counts->difference_min);
        unsigned second =
            encoding_width((uint64_t)counts->second_max - (uint64_t)counts->second_min);
        bool may = counts->has_differences && input->value_size > 1;
        if (may && 64 + count * first < best - best / 3) {
            best = 64 + count * first;
            choice = PAGE_DELTA;
        }
        if (may && 128 + count * second < best - best / 3) {
            best = 128 + count * second;
            choice = PAGE_DELTA2;
        }
    }
    *distinct_out = 0;
    if (best > count * 10) {
        uint32_t distinct = find_distinct(scratch->words, input->row_count, scratch);
        size_t size = distinct * 8 * (size_t)input->value_size +
                      count * encoding_width(distinct == 0 ? 0 : distinct - 1);
        if (distinct != 0 && size < best - best / 4) {
            *distinct_out = distinct;
            return PAGE_DICTIONARY;
        }
    }
    // Plain values are read without decoding, which an eighth of the space is worth.
    size_t plain = count * 8 * input->value_size;
    return choice == PAGE_PACKED && best > plain - plain / 8 ? PAGE_PLAIN : choice;
}

void encoding_words(const struct encoding_input *input, struct encoding_scratch *scratch,
                    struct page_header *header_out, struct buffer *payload)
{
    uint32_t count = input->row_count;
    widen(input, scratch->words);
    fill_nulls(input, scratch->words);
    struct word_counts counts = {0};
    count_range(scratch->words, count, &counts);
    uint32_t distinct = 0;
    switch (choose(input, &counts, scratch, &distinct)) {
    case PAGE_CONSTANT:
        header_out->encoding = PAGE_CONSTANT;
        header_out->base = (uint64_t)counts.min;
        break;
    case PAGE_RUNS:
        encode_runs(scratch->words, count, input->value_size, header_out, payload);
        break;
    case PAGE_DICTIONARY:
        encode_dictionary(scratch, distinct, count, input->value_size, header_out, payload);
        break;
    case PAGE_DELTA:
        encode_delta(scratch, count, &counts, header_out, payload);
        break;
    case PAGE_DELTA2:
        encode_delta2(scratch, count, &counts, header_out, payload);
        break;
    case PAGE_PLAIN:
        encode_plain(input, scratch->words, header_out, payload);
        break;
    case PAGE_PACKED:
    case PAGE_BYTES:
    case PAGE_FSST:
    case PAGE_ALP:
    default:
        encode_packed(scratch, count, &counts, header_out, payload);
    }
}
