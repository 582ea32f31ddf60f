/* Encodings of levels and values. */

#include <string.h>

#include "base/codec.h"
#include "files/parquet_internal.h"

/* ---- runs and packed bits ---- */

struct bits {
    const uint8_t *at;
    const uint8_t *end;
};

static bool take_varint(struct bits *bits, uint64_t *value_out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && bits->at < bits->end; shift += 7) {
        uint8_t byte = *bits->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            *value_out = value;
            return true;
        }
    }
    return false;
}

/* Up to eight bytes, zero past the end. */
static inline uint64_t window_at(const uint8_t *at, const uint8_t *end)
{
    if (end - at >= 8) {
        return load_u64(at);
    }
    uint64_t word = 0;
    if (at < end) {
        memcpy(&word, at, (size_t)(end - at));
    }
    return word;
}

/* Value `index` of packed bits; `width` up to 64. */
static inline uint64_t packed_at(const uint8_t *data, const uint8_t *end, uint64_t index,
                                 unsigned width)
{
    uint64_t bit = index * width;
    const uint8_t *at = data + bit / 8;
    unsigned shift = (unsigned)(bit % 8);
    uint64_t word = window_at(at, end) >> shift;
    if (width + shift > 64 && end - at > 8) {
        word |= (uint64_t)at[8] << (64 - shift);
    }
    return width == 64 ? word : word & (((uint64_t)1 << width) - 1);
}

/* One run of either kind: *count_out values, `*packed_out` or all *value_out. */
static bool take_run(struct bits *bits, unsigned width, uint64_t *count_out,
                     const uint8_t **packed_out, uint32_t *value_out)
{
    uint64_t head = 0;
    if (!take_varint(bits, &head)) {
        return false;
    }
    size_t rest = (size_t)(bits->end - bits->at);
    *packed_out = NULL;
    if ((head & 1) == 0) {
        size_t size = (width + 7) / 8;
        if (rest < size) {
            return false;
        }
        *value_out = 0;
        memcpy(value_out, bits->at, size);
        bits->at += size;
        *count_out = head >> 1;
        return width >= 32 || *value_out < (uint64_t)1 << width;
    }
    uint64_t groups = head >> 1;
    // The last group may be cut short by some writers.
    uint64_t size = groups > rest ? rest : groups * width;
    *count_out = groups > UINT32_MAX ? UINT32_MAX : groups * 8;
    *packed_out = bits->at;
    bits->at += size > rest ? rest : size;
    return groups > 0;
}

#define HYBRID(name, item)                                                           \
    bool name(struct span in, unsigned width, uint32_t count, item *out)             \
    {                                                                                \
        struct bits bits = {in.data, in.data + in.size};                             \
        uint32_t done = 0;                                                           \
        if (width > 32) {                                                            \
            return false;                                                            \
        }                                                                            \
        if (width == 0) {                                                            \
            memset(out, 0, count * sizeof *out);                                     \
            return true;                                                             \
        }                                                                            \
        while (done < count) {                                                       \
            uint64_t run = 0;                                                        \
            const uint8_t *packed = NULL;                                            \
            uint32_t value = 0;                                                      \
            if (!take_run(&bits, width, &run, &packed, &value)) {                    \
                return false;                                                        \
            }                                                                        \
            uint32_t size = run < count - done ? (uint32_t)run : count - done;       \
            if (packed == NULL) {                                                    \
                for (uint32_t i = 0; i < size; i++) {                                \
                    out[done + i] = (item)value;                                     \
                }                                                                    \
            } else if ((uint64_t)size * width > (uint64_t)(bits.end - packed) * 8) { \
                return false;                                                        \
            } else {                                                                 \
                for (uint32_t i = 0; i < size; i++) {                                \
                    out[done + i] = (item)packed_at(packed, bits.end, i, width);     \
                }                                                                    \
            }                                                                        \
            done += size;                                                            \
        }                                                                            \
        return true;                                                                 \
    }

HYBRID(parquet_hybrid_u32, uint32_t)
HYBRID(parquet_hybrid_u8, uint8_t)

bool parquet_bit_packed(struct span in, unsigned width, uint32_t count, uint8_t *out)
{
    if ((uint64_t)count * width > (uint64_t)in.size * 8) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        unsigned value = 0;
        for (uint64_t b = i * width; b < (i + 1) * width; b++) {
            value = value << 1 | (unsigned)(in.data[b / 8] >> (7 - b % 8) & 1);
        }
        out[i] = (uint8_t)value;
    }
    return true;
}

/* ---- numbers as differences ---- */

/* Blocks of miniblocks, each with a width of its own. `bits` ends up past the last miniblock that
 * has values. */
static bool decode_delta(struct bits *bits, uint32_t count, int64_t *out)
{
    uint64_t block = 0;
    uint64_t minis = 0;
    uint64_t total = 0;
    uint64_t first = 0;
    if (!take_varint(bits, &block) || !take_varint(bits, &minis) || !take_varint(bits, &total) ||
        !take_varint(bits, &first)) {
        return false;
    }
    if (minis == 0 || minis > 512 || block == 0 || block > 1u << 20 || block % minis != 0 ||
        block / minis % 8 != 0 || total != count) {
        return false;
    }
    uint64_t per_mini = block / minis;
    uint64_t value = first >> 1 ^ (0 - (first & 1));
    uint32_t done = 0;
    if (count > 0) {
        out[done++] = (int64_t)value;
    }
    while (done < count) {
        uint64_t min = 0;
        if (!take_varint(bits, &min) || (uint64_t)(bits->end - bits->at) < minis) {
            return false;
        }
        min = min >> 1 ^ (0 - (min & 1));
        const uint8_t *widths = bits->at;
        bits->at += minis;
        for (uint64_t m = 0; m < minis && done < count; m++) {
            uint64_t size = per_mini * widths[m] / 8;
            uint64_t rest = (uint64_t)(bits->end - bits->at);
            uint64_t wanted = per_mini < count - done ? per_mini : count - done;
            if (widths[m] > 64 || wanted * widths[m] > rest * 8) {
                return false;
            }
            for (uint64_t i = 0; i < wanted; i++) {
                value += min + (widths[m] == 0 ? 0 : packed_at(bits->at, bits->end, i, widths[m]));
                out[done++] = (int64_t)value;
            }
            bits->at += size < rest ? size : rest;
        }
    }
    return true;
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory for a page of a Parquet file");
}

/* ---- one function an encoding ---- */

struct decoding {
    const struct parquet_node *leaf;
    struct span in;
    uint32_t count;
    struct arena *arena;
    struct parquet_values *out;
    struct err *err;
};

static size_t width_of(const struct parquet_node *leaf)
{
    static const uint8_t widths[] = {1, 4, 8, 12, 4, 8};
    return leaf->physical == PARQUET_FIXED ? (size_t)leaf->length : widths[leaf->physical];
}

static tdbplus_status decode_booleans(const struct decoding *decoding, struct span in, bool runs)
{
    uint8_t *values = arena_alloc(decoding->arena, decoding->count + 1u);
    if (values == NULL) {
        return no_memory(decoding->err);
    }
    if (runs) {
        if (!parquet_hybrid_u8(in, 1, decoding->count, values)) {
            return parquet_damaged(decoding->err, "too few values in a page");
        }
    } else {
        if ((decoding->count + 7u) / 8 > in.size) {
            return parquet_damaged(decoding->err, "too few values in a page");
        }
        for (uint32_t i = 0; i < decoding->count; i++) {
            values[i] = in.data[i / 8] >> (i % 8) & 1;
        }
    }
    decoding->out->fixed = values;
    return TDBPLUS_OK;
}

static tdbplus_status decode_plain_bytes(const struct decoding *decoding)
{
    struct span *spans = arena_alloc(decoding->arena, (decoding->count + 1u) * sizeof *spans);
    const uint8_t *at = decoding->in.data;
    size_t rest = decoding->in.size;
    if (spans == NULL) {
        return no_memory(decoding->err);
    }
    for (uint32_t i = 0; i < decoding->count; i++) {
        if (rest < 4 || load_u32(at) > rest - 4) {
            return parquet_damaged(decoding->err, "a value is longer than its page");
        }
        spans[i] = (struct span){.data = at + 4, .size = load_u32(at)};
        at += 4 + spans[i].size;
        rest -= 4 + spans[i].size;
    }
    decoding->out->bytes = spans;
    return TDBPLUS_OK;
}

static tdbplus_status decode_plain(const struct decoding *decoding)
{
    if (decoding->leaf->physical == PARQUET_BOOLEAN) {
        return decode_booleans(decoding, decoding->in, false);
    }
    if (decoding->leaf->physical == PARQUET_BYTES) {
        return decode_plain_bytes(decoding);
    }
    if (decoding->count * (uint64_t)width_of(decoding->leaf) > decoding->in.size) {
        return parquet_damaged(decoding->err, "too few values in a page");
    }
    decoding->out->fixed = decoding->in.data;
    return TDBPLUS_OK;
}

static tdbplus_status decode_differences(const struct decoding *decoding)
{
    struct bits bits = {decoding->in.data, decoding->in.data + decoding->in.size};
    int64_t *values = arena_alloc(decoding->arena, (decoding->count + 1u) * sizeof *values);
    if (values == NULL) {
        return no_memory(decoding->err);
    }
    if ((decoding->leaf->physical != PARQUET_INT32 && decoding->leaf->physical != PARQUET_INT64) ||
        !decode_delta(&bits, decoding->count, values)) {
        return parquet_damaged(decoding->err, "differences that make no sense");
    }
    decoding->out->fixed = (const uint8_t *)values;
    if (decoding->leaf->physical == PARQUET_INT32) {
        int32_t *narrow = (int32_t *)(void *)values;
        for (uint32_t i = 0; i < decoding->count; i++) {
            narrow[i] = (int32_t)values[i];
        }
    }
    return TDBPLUS_OK;
}

/* Lengths as differences; then what `bits` points to are the bytes. */
static tdbplus_status take_lengths(const struct decoding *decoding, struct bits *bits,
                                   int64_t **lengths_out)
{
    int64_t *lengths = arena_alloc(decoding->arena, (decoding->count + 1u) * sizeof *lengths);
    if (lengths == NULL) {
        return no_memory(decoding->err);
    }
    if (!decode_delta(bits, decoding->count, lengths)) {
        return parquet_damaged(decoding->err, "lengths that make no sense");
    }
    *lengths_out = lengths;
    return TDBPLUS_OK;
}

static tdbplus_status decode_lengths(const struct decoding *decoding)
{
    struct bits bits = {decoding->in.data, decoding->in.data + decoding->in.size};
    struct span *spans = arena_alloc(decoding->arena, (decoding->count + 1u) * sizeof *spans);
    int64_t *lengths = NULL;
    if (spans == NULL) {
        return no_memory(decoding->err);
    }
    TRY(take_lengths(decoding, &bits, &lengths));
    for (uint32_t i = 0; i < decoding->count; i++) {
        if (lengths[i] < 0 || lengths[i] > bits.end - bits.at) {
            return parquet_damaged(decoding->err, "a value is longer than its page");
        }
        spans[i] = (struct span){.data = bits.at, .size = (size_t)lengths[i]};
        bits.at += lengths[i];
    }
    decoding->out->bytes = spans;
    return TDBPLUS_OK;
}

/* Each value begins as the one before does. */
static tdbplus_status decode_prefixes(const struct decoding *decoding)
{
    struct bits bits = {decoding->in.data, decoding->in.data + decoding->in.size};
    struct span *spans = arena_alloc(decoding->arena, (decoding->count + 1u) * sizeof *spans);
    int64_t *prefixes = NULL;
    int64_t *suffixes = NULL;
    uint64_t total = 0;
    if (spans == NULL) {
        return no_memory(decoding->err);
    }
    TRY(take_lengths(decoding, &bits, &prefixes));
    TRY(take_lengths(decoding, &bits, &suffixes));
    for (uint32_t i = 0; i < decoding->count; i++) {
        uint64_t previous = i == 0 ? 0 : spans[i - 1].size;
        if (suffixes[i] < 0 || suffixes[i] > bits.end - bits.at || prefixes[i] < 0 ||
            (uint64_t)prefixes[i] > previous) {
            return parquet_damaged(decoding->err, "a value is longer than its page");
        }
        spans[i] = (struct span){.data = bits.at, .size = (size_t)(prefixes[i] + suffixes[i])};
        total += spans[i].size;
        bits.at += suffixes[i];
    }
    if (total > PARQUET_PAGE_SIZE_MAX) {
        return parquet_damaged(decoding->err, "a page of more bytes than allowed");
    }
    uint8_t *bytes = arena_bytes(decoding->arena, (size_t)total + 1);
    if (bytes == NULL) {
        return no_memory(decoding->err);
    }
    for (uint32_t i = 0; i < decoding->count; i++) {
        size_t prefix = (size_t)prefixes[i];
        if (prefix > 0) {
            memcpy(bytes, spans[i - 1].data, prefix);
        }
        if (suffixes[i] > 0) {
            memcpy(bytes + prefix, spans[i].data, (size_t)suffixes[i]);
        }
        spans[i].data = bytes;
        bytes += spans[i].size;
    }
    decoding->out->bytes = spans;
    return TDBPLUS_OK;
}

/* The first bytes of all values, then the second ones, and so on. */
static tdbplus_status decode_split(const struct decoding *decoding)
{
    size_t width = width_of(decoding->leaf);
    size_t count = decoding->count;
    if (decoding->leaf->physical == PARQUET_BYTES || decoding->leaf->physical == PARQUET_BOOLEAN ||
        count * width > decoding->in.size) {
        return parquet_damaged(decoding->err, "too few values in a page");
    }
    uint8_t *values = arena_alloc(decoding->arena, count * width + 1);
    if (values == NULL) {
        return no_memory(decoding->err);
    }
    for (size_t b = 0; b < width; b++) {
        for (size_t i = 0; i < count; i++) {
            values[i * width + b] = decoding->in.data[b * count + i];
        }
    }
    decoding->out->fixed = values;
    return TDBPLUS_OK;
}

/* Values of one length may come in the encodings of those of any. */
static tdbplus_status pack_fixed(const struct decoding *decoding)
{
    struct parquet_values *values = decoding->out;
    if (decoding->leaf->physical == PARQUET_BYTES || values->bytes == NULL) {
        return TDBPLUS_OK;
    }
    size_t width = width_of(decoding->leaf);
    uint8_t *packed = decoding->leaf->physical == PARQUET_FIXED
                          ? arena_alloc(decoding->arena, decoding->count * width + 1)
                          : NULL;
    if (packed == NULL) {
        return decoding->leaf->physical == PARQUET_FIXED
                   ? no_memory(decoding->err)
                   : parquet_damaged(decoding->err, "an encoding of texts for numbers");
    }
    for (uint32_t i = 0; i < decoding->count; i++) {
        if (values->bytes[i].size != width) {
            return parquet_damaged(decoding->err, "values of different lengths");
        }
        memcpy(packed + i * width, values->bytes[i].data, width);
    }
    values->fixed = packed;
    return TDBPLUS_OK;
}

tdbplus_status parquet_decode(const struct parquet_node *leaf, int64_t encoding, struct span in,
                              uint32_t count, struct arena *arena,
                              struct parquet_values *values_out, struct err *err)
{
    struct parquet_values values = {.count = count};
    struct decoding decoding = {leaf, in, count, arena, &values, err};
    switch (encoding) {
    case ENCODING_PLAIN:
        TRY(decode_plain(&decoding));
        break;
    case ENCODING_RLE:
        if (leaf->physical != PARQUET_BOOLEAN || in.size < 4 || load_u32(in.data) > in.size - 4) {
            return parquet_damaged(err, "runs of what is no boolean");
        }
        TRY(decode_booleans(&decoding, (struct span){in.data + 4, load_u32(in.data)}, true));
        break;
    case ENCODING_DELTA:
        TRY(decode_differences(&decoding));
        break;
    case ENCODING_DELTA_LENGTH:
        TRY(decode_lengths(&decoding));
        TRY(pack_fixed(&decoding));
        break;
    case ENCODING_DELTA_BYTES:
        TRY(decode_prefixes(&decoding));
        TRY(pack_fixed(&decoding));
        break;
    case ENCODING_SPLIT:
        TRY(decode_split(&decoding));
        break;
    default:
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "encoding %lld of Parquet is not supported",
                       (long long)encoding);
    }
    *values_out = values;
    return TDBPLUS_OK;
}
