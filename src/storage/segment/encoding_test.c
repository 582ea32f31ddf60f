/*
 * Goal: whatever the values, a page gives them back, one by one and in any window, and the encoding
 * that suits them is the one that is chosen. Method: shapes of values times types times nulls,
 * against the plain values.
 */

#include "storage/segment/encoding.h"

#include "base/codec.h"
#include "base/hash.h"
#include "storage/segment/page.h"
#include "storage/segment/page_compression.h"
#include "test.h"

#define BYTES_MAX (SEGMENT_PAGE_ROW_MAX * 64)

enum shape {
    SHAPE_RANDOM,
    SHAPE_CONSTANT,
    SHAPE_SMALL,
    SHAPE_RISING,
    SHAPE_SQUARES,
    SHAPE_RUNS,
    SHAPE_FEW,
    SHAPE_EXTREMES,
    SHAPE_COUNT,
};

static uint64_t draw_word(enum shape shape, uint32_t row, uint64_t seed)
{
    uint64_t random = hash_u64(seed + row);
    switch (shape) {
    case SHAPE_CONSTANT:
        return 0xFFFFFFFFFFFFFF85u;
    case SHAPE_SMALL:
        return random % 100 - 50;
    case SHAPE_RISING:
        return 0xFFFFFFFFF0000000u + (uint64_t)row * 1000003 + random % 7;
    case SHAPE_SQUARES:
        return (uint64_t)row * row * 1000 + random % 3;
    case SHAPE_RUNS:
        return hash_u64(row / 200);
    case SHAPE_FEW:
        return hash_u64(random % 9);
    case SHAPE_EXTREMES:
        return random % 2 == 0 ? (uint64_t)1 << 63 : ((uint64_t)1 << 63) - 1;
    case SHAPE_RANDOM:
    case SHAPE_COUNT:
    default:
        return random;
    }
}

/* One page's values in every form that is needed. */
struct values {
    struct encoding_input input;
    uint8_t bytes[BYTES_MAX];
    uint64_t ends[SEGMENT_PAGE_ROW_MAX];
    uint64_t validity[SEGMENT_PAGE_ROW_MAX / 64];
};

static void draw_values(struct values *values, struct type type, enum shape shape, uint32_t rows,
                        uint64_t seed)
{
    bool is_view = type_physical(type) == PHYSICAL_VIEW;
    uint32_t size = is_view ? 0 : (uint32_t)type_width(type);
    values->input = (struct encoding_input){
        .type = type, .row_count = rows, .value_size = size, .values = values->bytes};
    memset(values->validity, 0xFF, sizeof values->validity);
    bool with_nulls = seed % 3 == 1;
    uint64_t end = 0;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t word = draw_word(shape, i, seed);
        bool is_null = with_nulls && hash_u64(word + i) % 5 == 0;
        if (is_null) {
            values->validity[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
        if (is_view) {
            size_t length = is_null ? 0 : shape == SHAPE_SMALL ? 33 : word % 40;
            for (size_t k = 0; k < length; k++) {
                values->bytes[end + k] = (uint8_t)hash_u64(word + k);
            }
            end += length;
            values->ends[i] = end;
        } else {
            for (uint32_t k = 0; k < size; k += 8) {
                uint64_t part = word + k * (shape == SHAPE_RANDOM ? word : 0);
                memcpy(values->bytes + (size_t)i * size + k, &part, size - k < 8 ? size - k : 8);
            }
        }
    }
    values->input.ends = values->ends;
    values->input.validity = with_nulls ? values->validity : NULL;
}

/* Puts an encoded payload into memory as a loaded page has it. */
static struct page *load_page(const struct page_header *header, const struct buffer *payload,
                              struct type type, uint32_t rows)
{
    struct page *page = alloc_aligned(&alloc_system, PAGE_MEMORY_SIZE(payload->size));
    CHECK(page != NULL);
    memset(page, 0, PAGE_PAYLOAD_OFFSET);
    if (payload->size > 0) {
        memcpy(page_payload(page), payload->data, payload->size);
    }
    memset(page_payload(page) + payload->size, 0xEE, SIMD_PACKED_SLACK);
    CHECK(page_check(page, header, type, rows));
    return page;
}

static void free_page(struct page *page, size_t payload_size)
{
    alloc_free_aligned(&alloc_system, page, PAGE_MEMORY_SIZE(payload_size));
}

static struct span value_of(const struct values *values, uint32_t row)
{
    const struct encoding_input *input = &values->input;
    if (input->value_size != 0) {
        return (struct span){input->values + (size_t)row * input->value_size, input->value_size};
    }
    uint64_t begin = row == 0 ? 0 : input->ends[row - 1];
    return (struct span){input->values + begin, (size_t)(input->ends[row] - begin)};
}

static void check_single(const struct page *page, const struct values *values)
{
    for (uint32_t i = 0; i < page->row_count; i++) {
        bool is_null = (values->validity[i / 64] >> (i % 64) & 1) == 0;
        CHECK(page_is_null(page, i) == is_null);
        if (is_null) {
            continue;
        }
        struct span expected = value_of(values, i);
        if (page_is_word(page)) {
            int64_t word = page_word(page, i);
            CHECK(memcmp(&word, expected.data, expected.size) == 0);
        } else {
            CHECK(span_compare(page_bytes(page, i), expected) == 0);
        }
    }
}

static void check_window(const struct page *page, const struct values *values, uint32_t first,
                         uint32_t count)
{
    static uint8_t out[SEGMENT_PAGE_ROW_MAX * 64];
    uint64_t validity[SEGMENT_PAGE_ROW_MAX / 64 + 2];
    memset(validity, 0x5A, sizeof validity);
    page_decode(page, first, count, out);
    page_decode_validity(page, first, count, validity, 37);
    for (uint32_t i = 0; i < count; i++) {
        bool is_null = (values->validity[(first + i) / 64] >> ((first + i) % 64) & 1) == 0;
        CHECK(((validity[(37 + i) / 64] >> ((37 + i) % 64) & 1) == 0) == is_null);
        if (is_null) {
            continue;
        }
        struct span expected = value_of(values, first + i);
        if (page->value_size != 0) {
            CHECK(memcmp(out + (size_t)i * page->value_size, expected.data, expected.size) == 0);
        } else {
            struct view view = ((struct view *)(void *)out)[i];
            struct view same = view_of(expected);
            CHECK(span_compare(view_span(&view), expected) == 0);
            CHECK(view.size > VIEW_INLINE_SIZE_MAX || memcmp(&view, &same, sizeof view) == 0);
        }
    }
    // Bits outside the window keep their value.
    CHECK((validity[0] & (((uint64_t)1 << 37) - 1)) ==
          (0x5A5A5A5A5A5A5A5Au & (((uint64_t)1 << 37) - 1)));
}

static uint8_t check_page(struct values *values, struct encoding_scratch *scratch, uint64_t seed)
{
    struct buffer payload;
    buffer_init(&payload, &alloc_system);
    struct page_header header;
    encoding_encode(&values->input, scratch, &header, &payload);
    CHECK(!payload.failed && header.raw_size == payload.size && payload.size % 8 == 0);
    uint32_t rows = values->input.row_count;
    struct page *page = load_page(&header, &payload, values->input.type, rows);
    check_single(page, values);
    check_window(page, values, 0, rows);
    for (uint32_t turn = 0; turn < 4; turn++) {
        uint32_t first = (uint32_t)(hash_u64(seed + turn) % rows);
        check_window(page, values, first, (uint32_t)(hash_u64(seed - turn) % (rows - first + 1)));
    }
    free_page(page, payload.size);
    // Nothing of it can be left out or misunderstood.
    struct page *cut = alloc_aligned(&alloc_system, PAGE_MEMORY_SIZE(payload.size));
    CHECK(cut != NULL);
    for (uint32_t size = header.raw_size; size > 0;) {
        size -= size < 16 ? size : 1 + size / 3;
        memset(cut, 0, PAGE_PAYLOAD_OFFSET);
        memcpy(page_payload(cut), payload.data, payload.size);
        struct page_header shorter = header;
        shorter.raw_size = size;
        CHECK(!page_check(cut, &shorter, values->input.type, rows));
    }
    free_page(cut, payload.size);
    buffer_deinit(&payload);
    return header.encoding;
}

TEST(every_shape_of_every_type_comes_back)
{
    static const uint8_t types[] = {TYPE_BOOL, TYPE_INT2,   TYPE_INT4, TYPE_INT8, TYPE_FLOAT4,
                                    TYPE_UUID, TYPE_FLOAT8, TYPE_TEXT, TYPE_DATE, TYPE_VECTOR};
    simd_init();
    struct values *values = alloc_array(&alloc_system, 1, sizeof *values);
    struct encoding_scratch *scratch = alloc_array(&alloc_system, 1, sizeof *scratch);
    for (size_t t = 0; t < sizeof types; t++) {
        struct type type = type_of(types[t]);
        type.parameter = type.id == TYPE_VECTOR ? 5 : 0;
        for (int shape = 0; shape < SHAPE_COUNT; shape++) {
            for (uint64_t seed = 1; seed <= 9; seed++) {
                uint32_t rows =
                    seed % 3 == 0 ? SEGMENT_PAGE_ROW_MAX : 1 + (uint32_t)(hash_u64(seed) % 300);
                draw_values(values, type, (enum shape)shape, rows, seed);
                if (type.id == TYPE_BOOL) {
                    for (uint32_t i = 0; i < rows; i++) {
                        values->bytes[i] &= 1;
                    }
                }
                values->input.random_access = seed % 4 == 2;
                uint8_t encoding = check_page(values, scratch, seed);
                CHECK(!values->input.random_access ||
                      (encoding != PAGE_DELTA && encoding != PAGE_DELTA2 && encoding != PAGE_RUNS));
            }
        }
    }
    alloc_free(&alloc_system, scratch, 1, sizeof *scratch);
    alloc_free(&alloc_system, values, 1, sizeof *values);
}

TEST(the_encoding_that_suits_is_chosen)
{
    static const struct {
        enum shape shape;
        uint8_t type;
        uint8_t encoding;
    } cases[] = {
        {SHAPE_RANDOM, TYPE_INT8, PAGE_PLAIN},      {SHAPE_CONSTANT, TYPE_INT8, PAGE_CONSTANT},
        {SHAPE_SMALL, TYPE_INT8, PAGE_PACKED},      {SHAPE_RISING, TYPE_INT8, PAGE_DELTA},
        {SHAPE_SQUARES, TYPE_INT8, PAGE_DELTA2},    {SHAPE_RUNS, TYPE_INT8, PAGE_RUNS},
        {SHAPE_FEW, TYPE_INT8, PAGE_DICTIONARY},    {SHAPE_RANDOM, TYPE_TEXT, PAGE_BYTES},
        {SHAPE_CONSTANT, TYPE_TEXT, PAGE_CONSTANT}, {SHAPE_FEW, TYPE_TEXT, PAGE_DICTIONARY},
        {SHAPE_RANDOM, TYPE_UUID, PAGE_PLAIN},      {SHAPE_FEW, TYPE_UUID, PAGE_DICTIONARY},
    };
    simd_init();
    struct values *values = alloc_array(&alloc_system, 1, sizeof *values);
    struct encoding_scratch *scratch = alloc_array(&alloc_system, 1, sizeof *scratch);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        draw_values(values, type_of(cases[i].type), cases[i].shape, SEGMENT_PAGE_ROW_MAX, 3);
        CHECK(check_page(values, scratch, 3) == cases[i].encoding);
    }
    alloc_free(&alloc_system, scratch, 1, sizeof *scratch);
    alloc_free(&alloc_system, values, 1, sizeof *values);
}

TEST(compression_gives_back_the_bytes_or_does_nothing)
{
    static uint8_t raw[5000];
    static uint8_t back[5000];
    struct buffer out;
    buffer_init(&out, &alloc_system);
    for (int codec = PAGE_COMPRESSION_LZ4; codec <= PAGE_COMPRESSION_ZSTD; codec++) {
        for (uint64_t kind = 0; kind < 2; kind++) {
            for (size_t i = 0; i < sizeof raw; i++) {
                raw[i] = (uint8_t)(kind == 0 ? hash_u64(i) : hash_u64(i / 50) % 4);
            }
            buffer_clear(&out);
            size_t size =
                page_compress((enum page_compression)codec, (struct span){raw, sizeof raw}, &out);
            CHECK(size == out.size);
            CHECK((size > 0) == (kind == 1));
            if (size > 0) {
                struct span stored = {out.data, size};
                enum page_compression which = (enum page_compression)codec;
                CHECK(page_decompress(which, stored, back, sizeof back));
                CHECK(memcmp(raw, back, sizeof raw) == 0);
                CHECK(!page_decompress(which, stored, back, sizeof back - 1));
                stored.size--;
                CHECK(!page_decompress(which, stored, back, sizeof back));
            }
        }
    }
    buffer_deinit(&out);
}
