#include "storage/segment/page.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "types/json.h"
#include "types/numeric.h"

/* The lookup path touches one line of the page's head. */
_Static_assert(offsetof(struct page, first_difference) == 64, "one cache line");

#define PAGE_FLAGS_STORED \
    (PAGE_FLAG_VALIDITY | PAGE_FLAG_STRIDE | PAGE_FLAG_WIDE | PAGE_FLAG_EXTERNAL)

uint32_t page_place(uint32_t column_position, uint64_t first_row)
{
    return (uint32_t)hash_combine(first_row, column_position);
}

uint32_t page_crc(uint64_t segment_id, const struct page_header *header, const uint8_t *stored)
{
    struct page_header rest = *header;
    rest.crc = 0;
    uint32_t crc = crc32c((struct span){(const uint8_t *)&segment_id, sizeof segment_id});
    crc = crc32c_extend(crc, (struct span){(const uint8_t *)&rest, sizeof rest});
    return crc32c_extend(crc, (struct span){stored, header->stored_size});
}

static struct span bytes_between(const struct page *page, uint32_t index);

/* ---- checking ---- */

/* Takes sections off the front of the payload. */
struct cutter {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static const uint8_t *cut(struct cutter *cutter, size_t size)
{
    size_t padded = (size + 7) / 8 * 8;
    if (cutter->failed || padded > cutter->left) {
        cutter->failed = true;
        return NULL;
    }
    const uint8_t *section = cutter->at;
    cutter->at += padded;
    cutter->left -= padded;
    return section;
}

static size_t packed_size(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

static uint32_t offset_at(const struct page *page, uint32_t index)
{
    return (page->flags & PAGE_FLAG_WIDE) != 0 ? load_u32(page->offsets + 4 * (size_t)index)
                                               : load_u16(page->offsets + 2 * (size_t)index);
}

/* Offsets must not descend; the bytes they speak of follow them. */
static bool cut_bytes(struct page *page, struct cutter *cutter, uint32_t count)
{
    size_t item = (page->flags & PAGE_FLAG_WIDE) != 0 ? 4 : 2;
    page->offsets = cut(cutter, (count + 1) * item);
    if (cutter->failed || offset_at(page, 0) != 0) {
        return false;
    }
    uint32_t previous = 0;
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t offset = offset_at(page, i);
        if (offset < previous) {
            return false;
        }
        previous = offset;
    }
    page->data = cut(cutter, previous);
    return !cutter->failed;
}

static bool check_plain(struct page *page, struct cutter *cutter)
{
    page->data = cut(cutter, (size_t)page->row_count * page->value_size);
    return page->value_size != 0;
}

static bool check_constant(struct page *page, struct cutter *cutter)
{
    if (page->value_size == 0) {
        if (page->base > VALUE_SIZE_MAX) {
            return false;
        }
        page->data = cut(cutter, (size_t)page->base);
    } else if (!page_is_word(page)) {
        page->data = cut(cutter, page->value_size);
    }
    return true;
}

static bool check_differences(struct page *page, struct cutter *cutter)
{
    uint32_t order = page->encoding == PAGE_DELTA ? 1 : 2;
    if (page->row_count <= order) {
        return false;
    }
    const uint8_t *words = cut(cutter, 8 * (size_t)order);
    if (words != NULL) {
        page->step = load_u64(words);
        page->first_difference = order == 2 ? load_u64(words + 8) : 0;
    }
    page->data = cut(cutter, packed_size(page->row_count - order, page->width));
    return true;
}

static bool check_runs(struct page *page, struct cutter *cutter)
{
    page->offsets = cut(cutter, 2 * (size_t)page->value_count);
    page->data = cut(cutter, (size_t)page->value_count * page->value_size);
    if (cutter->failed || page->value_count == 0) {
        return false;
    }
    uint32_t end = 0;
    for (uint32_t i = 0; i < page->value_count; i++) {
        uint32_t next = load_u16(page->offsets + 2 * (size_t)i);
        if (next <= end) {
            return false;
        }
        end = next;
    }
    return end == page->row_count;
}

static bool check_dictionary(struct page *page, struct cutter *cutter)
{
    if (page->value_count == 0 || page->width > 16) {
        return false;
    }
    if (page->value_size != 0) {
        page->data = cut(cutter, (size_t)page->value_count * page->value_size);
    } else if (!cut_bytes(page, cutter, page->value_count)) {
        return false;
    }
    page->codes = cut(cutter, packed_size(page->row_count, page->width));
    if (cutter->failed) {
        return false;
    }
    for (uint32_t i = 0; i < page->row_count; i++) {
        if (simd_packed_at(page->codes, i, page->width) >= page->value_count) {
            return false;
        }
    }
    return true;
}

static bool check_bytes(struct page *page, struct cutter *cutter)
{
    if (page->value_size != 0) {
        return false;
    }
    if ((page->flags & PAGE_FLAG_STRIDE) == 0) {
        return cut_bytes(page, cutter, page->row_count);
    }
    if (page->base > VALUE_SIZE_MAX) {
        return false;
    }
    page->data = cut(cutter, (size_t)page->base * page->row_count);
    return true;
}

static bool check_encoding(struct page *page, struct cutter *cutter)
{
    bool is_word = page_is_word(page);
    switch (page->encoding) {
    case PAGE_PLAIN:
        return check_plain(page, cutter);
    case PAGE_CONSTANT:
        return check_constant(page, cutter);
    case PAGE_PACKED:
        page->data = cut(cutter, packed_size(page->row_count, page->width));
        return is_word;
    case PAGE_DELTA:
    case PAGE_DELTA2:
        return is_word && page->value_size > 1 && check_differences(page, cutter);
    case PAGE_RUNS:
        return is_word && check_runs(page, cutter);
    case PAGE_DICTIONARY:
        return check_dictionary(page, cutter);
    case PAGE_BYTES:
        return check_bytes(page, cutter);
    default:
        return false;
    }
}

/* References have their size and are not null; what they point at is checked when followed. */
static bool check_external(struct page *page, struct cutter *cutter)
{
    if (page_is_word(page)) {
        return page->encoding == PAGE_PACKED || page->encoding == PAGE_PLAIN ||
               page->encoding == PAGE_CONSTANT || page->encoding == PAGE_DICTIONARY;
    }
    page->external = (const void *)cut(cutter, ((size_t)page->row_count + 63) / 64 * 8);
    if (cutter->failed || page->value_size != 0 || page->encoding != PAGE_BYTES) {
        return false;
    }
    for (uint32_t i = 0; i < page->row_count; i++) {
        if (page_is_external(page, i) &&
            page_bytes(page, i).size != sizeof(struct value_reference)) {
            return false;
        }
    }
    return true;
}

static bool is_document(struct span bytes)
{
    return bytes.size > 0 && json_validate(bytes, NULL) == TDBPLUS_OK;
}

/* Whoever reads documents takes them for valid. */
static bool check_documents(const struct page *page)
{
    bool is_dictionary = page->encoding == PAGE_DICTIONARY;
    bool is_constant = page->encoding == PAGE_CONSTANT;
    uint32_t count = is_dictionary ? page->value_count : is_constant ? 1 : page->row_count;
    for (uint32_t i = 0; i < count; i++) {
        if (is_dictionary || is_constant) {
            // A value that only nulls have may have no bytes.
            struct span bytes = is_constant ? page_bytes(page, 0) : bytes_between(page, i);
            if (bytes.size > 0 && !is_document(bytes)) {
                return false;
            }
        } else if (!page_is_null(page, i) && !page_is_external(page, i) &&
                   !is_document(page_bytes(page, i))) {
            return false;
        }
    }
    // But a row that is not null must not name one.
    for (uint32_t i = 0; i < page->row_count && (is_dictionary || is_constant); i++) {
        if (!page_is_null(page, i) && page_bytes(page, i).size == 0) {
            return false;
        }
    }
    return true;
}

/* Rules of single types: what kernels and comparisons take for granted. */
static bool check_values(const struct page *page, struct type type)
{
    if (type.id == TYPE_JSON) {
        return check_documents(page);
    }
    bool is_long_numeric = type.id == TYPE_NUMERIC && page->value_size == 0;
    if (type.id != TYPE_BOOL && !is_long_numeric) {
        return true;
    }
    for (uint32_t i = 0; i < page->row_count; i++) {
        if (page_is_null(page, i)) {
            continue;
        }
        bool good = is_long_numeric
                        ? !page_is_external(page, i) && numeric_valid(page_bytes(page, i))
                        : (uint64_t)page_word(page, i) <= 1;
        if (!good) {
            return false;
        }
    }
    return true;
}

bool page_check(struct page *page, const struct page_header *header, struct type type,
                uint32_t row_count)
{
    enum physical physical = type_physical(type);
    page->encoding = header->encoding;
    page->width = header->width;
    page->flags = header->flags;
    page->row_count = header->row_count;
    page->value_count = header->value_count;
    page->value_size = physical == PHYSICAL_VIEW ? 0 : (uint32_t)type_width(type);
    page->base = header->base;
    bool external = (header->flags & PAGE_FLAG_EXTERNAL) != 0;
    if (header->row_count != row_count || header->width > 64 || header->flags > PAGE_FLAGS_STORED ||
        (external && physical < PHYSICAL_VIEW)) {
        return false;
    }
    if (external && physical == PHYSICAL_FIXED) {
        page->value_size = sizeof(uint64_t);
        page->flags |= PAGE_FLAG_WORD;
    }
    page->flags |= physical <= PHYSICAL_8 ? PAGE_FLAG_WORD : 0;
    struct cutter cutter = {.at = page_payload(page), .left = header->raw_size};
    if (!check_encoding(page, &cutter) || cutter.failed ||
        (external && !check_external(page, &cutter))) {
        return false;
    }
    if ((page->flags & PAGE_FLAG_VALIDITY) != 0) {
        page->validity = (const void *)cut(&cutter, ((size_t)row_count + 63) / 64 * 8);
    }
    return !cutter.failed && cutter.left == 0 && check_values(page, type);
}

/* ---- single values ---- */

static int64_t load_word(const uint8_t *at, uint32_t size)
{
    switch (size) {
    case 1:
        return *at;
    case 2:
        return (int16_t)load_u16(at);
    case 4:
        return (int32_t)load_u32(at);
    default:
        return (int64_t)load_u64(at);
    }
}

/* The run that holds a row: the first whose end lies behind it. */
static uint32_t find_run(const struct page *page, uint32_t row)
{
    uint32_t low = 0;
    uint32_t high = page->value_count - 1u;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (load_u16(page->offsets + 2 * (size_t)middle) > row) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static uint64_t sum_differences(const struct page *page, uint32_t row)
{
    uint64_t value = page->base;
    uint64_t difference = page->first_difference;
    if (page->encoding == PAGE_DELTA) {
        for (uint32_t i = 0; i < row; i++) {
            value += page->step + simd_packed_at(page->data, i, page->width);
        }
        return value;
    }
    for (uint32_t i = 0; i < row; i++) {
        if (i > 0) {
            difference += page->step + simd_packed_at(page->data, i - 1, page->width);
        }
        value += difference;
    }
    return value;
}

int64_t page_word(const struct page *page, uint32_t row)
{
    ASSERT_SLOW(row < page->row_count);
    uint32_t size = page->value_size;
    switch (page->encoding) {
    case PAGE_PACKED:
        return (int64_t)(simd_packed_at(page->data, row, page->width) + page->base);
    case PAGE_PLAIN:
        return load_word(page->data + (size_t)row * size, size);
    case PAGE_CONSTANT:
        return (int64_t)page->base;
    case PAGE_DICTIONARY:
        row = (uint32_t)simd_packed_at(page->codes, row, page->width);
        return load_word(page->data + (size_t)row * size, size);
    case PAGE_RUNS:
        return load_word(page->data + (size_t)find_run(page, row) * size, size);
    case PAGE_DELTA:
    case PAGE_DELTA2:
        return (int64_t)sum_differences(page, row);
    default:
        ASSERT(false); // page_check() let it in.
        return 0;
    }
}

static struct span bytes_between(const struct page *page, uint32_t index)
{
    uint32_t begin = offset_at(page, index);
    uint32_t end = offset_at(page, index + 1);
    return (struct span){page->data + begin, end - begin};
}

struct span page_bytes(const struct page *page, uint32_t row)
{
    ASSERT_SLOW(row < page->row_count);
    size_t size = page->value_size != 0 ? page->value_size : (size_t)page->base;
    switch (page->encoding) {
    case PAGE_BYTES:
        if ((page->flags & PAGE_FLAG_STRIDE) != 0) {
            return (struct span){page->data + row * size, size};
        }
        return bytes_between(page, row);
    case PAGE_PLAIN:
        return (struct span){page->data + row * size, size};
    case PAGE_CONSTANT:
        return (struct span){page->data, size};
    case PAGE_DICTIONARY:
        row = (uint32_t)simd_packed_at(page->codes, row, page->width);
        if (page->value_size != 0) {
            return (struct span){page->data + row * size, size};
        }
        return bytes_between(page, row);
    default:
        ASSERT(false); // page_check() let it in.
        return (struct span){0};
    }
}

static void word_datum(int64_t word, struct datum *datum)
{
    switch (datum->type.id) {
    case TYPE_BOOL:
        datum->boolean = word != 0;
        break;
    case TYPE_FLOAT4: {
        float real = 0;
        uint32_t bits = (uint32_t)word;
        memcpy(&real, &bits, sizeof real);
        datum->real = (double)real;
        break;
    }
    case TYPE_FLOAT8:
        memcpy(&datum->real, &word, sizeof datum->real);
        break;
    default:
        datum->integer = word;
    }
}

void page_datum(const struct page *page, struct type type, uint32_t row, struct datum *datum_out)
{
    *datum_out = (struct datum){.type = type, .is_null = page_is_null(page, row)};
    if (datum_out->is_null) {
        return;
    }
    if (page_is_word(page)) {
        word_datum(page_word(page, row), datum_out);
        return;
    }
    struct span bytes = page_bytes(page, row);
    if (type_physical(type) == PHYSICAL_16) {
        memcpy(datum_out->uuid, bytes.data, sizeof datum_out->uuid);
    } else {
        datum_out->bytes = bytes;
    }
}

void page_prefetch(const struct page *page, uint32_t row)
{
    const uint8_t *at = NULL;
    if (page->encoding == PAGE_BYTES && (page->flags & PAGE_FLAG_STRIDE) == 0) {
        size_t item = (page->flags & PAGE_FLAG_WIDE) != 0 ? 4 : 2;
        __builtin_prefetch(page->offsets + row * item);
        return;
    }
    if (page->encoding == PAGE_PACKED) {
        at = page->data + (size_t)row * page->width / 8;
    } else if (page->encoding == PAGE_PLAIN) {
        at = page->data + (size_t)row * page->value_size;
    } else if (page->encoding == PAGE_BYTES) {
        at = page->data + (size_t)row * page->base;
        __builtin_prefetch(at + 64);
    } else if (page->encoding == PAGE_DICTIONARY) {
        at = page->codes + (size_t)row * page->width / 8;
    }
    __builtin_prefetch(at);
}

/* ---- many values ---- */

static void unpack(const struct page *page, const uint8_t *packed, uint32_t first, uint32_t count,
                   uint64_t base, void *out)
{
    switch (page->value_size) {
    case 1:
        simd->unpack_u8(out, packed, first, count, page->width, base);
        break;
    case 2:
        simd->unpack_u16(out, packed, first, count, page->width, base);
        break;
    case 4:
        simd->unpack_u32(out, packed, first, count, page->width, base);
        break;
    default:
        simd->unpack_u64(out, packed, first, count, page->width, base);
    }
}

/* Copies words of 64 bits to the width of the column. */
static void narrow(const uint64_t *words, uint32_t count, uint32_t size, void *out)
{
    switch (size) {
    case 1:
        for (uint32_t i = 0; i < count; i++) {
            ((uint8_t *)out)[i] = (uint8_t)words[i];
        }
        break;
    case 2:
        for (uint32_t i = 0; i < count; i++) {
            ((uint16_t *)out)[i] = (uint16_t)words[i];
        }
        break;
    case 4:
        for (uint32_t i = 0; i < count; i++) {
            ((uint32_t *)out)[i] = (uint32_t)words[i];
        }
        break;
    default:
        memcpy(out, words, count * sizeof *words);
    }
}

/* Sums from the page's first row: a value depends on all before it. */
static void decode_differences(const struct page *page, uint32_t first, uint32_t count, void *out)
{
    uint64_t words[SEGMENT_PAGE_ROW_MAX];
    uint32_t end = first + count;
    if (page->encoding == PAGE_DELTA) {
        words[0] = page->base;
        simd->unpack_u64(words + 1, page->data, 0, end - 1, page->width, 0);
        simd->prefix_sum_u64(words + 1, end - 1, page->base, page->step);
    } else {
        words[0] = page->base;
        if (end > 1) {
            // First the differences, then the values from them.
            words[1] = page->first_difference;
            simd->unpack_u64(words + 2, page->data, 0, end - 2, page->width, 0);
            simd->prefix_sum_u64(words + 2, end - 2, page->first_difference, page->step);
            simd->prefix_sum_u64(words + 1, end - 1, page->base, 0);
        }
    }
    narrow(words + first, count, page->value_size, out);
}

static void fill_words(void *out, uint32_t count, uint64_t word, uint32_t size)
{
    switch (size) {
    case 1:
        memset(out, (int)(word & 0xFF), count);
        break;
    case 2:
        for (uint32_t i = 0; i < count; i++) {
            ((uint16_t *)out)[i] = (uint16_t)word;
        }
        break;
    case 4:
        for (uint32_t i = 0; i < count; i++) {
            ((uint32_t *)out)[i] = (uint32_t)word;
        }
        break;
    default:
        for (uint32_t i = 0; i < count; i++) {
            ((uint64_t *)out)[i] = word;
        }
    }
}

static void decode_runs(const struct page *page, uint32_t first, uint32_t count, void *out)
{
    uint32_t run = find_run(page, first);
    uint32_t size = page->value_size;
    for (uint32_t done = 0; done < count; run++) {
        uint32_t end = load_u16(page->offsets + 2 * (size_t)run) - first;
        end = end < count ? end : count;
        uint64_t word = (uint64_t)load_word(page->data + (size_t)run * size, size);
        fill_words((uint8_t *)out + (size_t)done * size, end - done, word, size);
        done = end;
    }
}

static void decode_codes(const struct page *page, uint32_t first, uint32_t count, void *out)
{
    uint16_t codes[SEGMENT_PAGE_ROW_MAX];
    simd->unpack_u16(codes, page->codes, first, count, page->width, 0);
    const uint8_t *data = page->data;
    switch (page->value_size) {
    case 1:
        for (uint32_t i = 0; i < count; i++) {
            ((uint8_t *)out)[i] = data[codes[i]];
        }
        break;
    case 2:
        for (uint32_t i = 0; i < count; i++) {
            ((uint16_t *)out)[i] = load_u16(data + 2 * (size_t)codes[i]);
        }
        break;
    case 4:
        for (uint32_t i = 0; i < count; i++) {
            ((uint32_t *)out)[i] = load_u32(data + 4 * (size_t)codes[i]);
        }
        break;
    case 8:
        for (uint32_t i = 0; i < count; i++) {
            ((uint64_t *)out)[i] = load_u64(data + 8 * (size_t)codes[i]);
        }
        break;
    default:
        for (uint32_t i = 0; i < count; i++) {
            size_t size = page->value_size;
            memcpy((uint8_t *)out + i * size, data + codes[i] * size, size);
        }
    }
}

/* Bytes of a value that a view of that size keeps inline: in its first word and in its second. */
struct view_mask {
    uint64_t first;
    uint64_t second;
};

/* A view without a branch on its size, which no predictor could know. The slack behind the page
 * makes twelve bytes readable whatever the size. */
static inline struct view make_view(const uint8_t *data, uint32_t size)
{
    static const struct view_mask masks[VIEW_INLINE_SIZE_MAX + 1] = {
        {0, 0},
        {0xFF, 0},
        {0xFFFF, 0},
        {0xFFFFFF, 0},
        {0xFFFFFFFF, 0},
        {0xFFFFFFFF, 0xFF},
        {0xFFFFFFFF, 0xFFFF},
        {0xFFFFFFFF, 0xFFFFFF},
        {0xFFFFFFFF, 0xFFFFFFFF},
        {0xFFFFFFFF, 0xFFFFFFFFFF},
        {0xFFFFFFFF, 0xFFFFFFFFFFFF},
        {0xFFFFFFFF, 0xFFFFFFFFFFFFFF},
        {0xFFFFFFFF, UINT64_MAX},
    };
    bool is_far = size > VIEW_INLINE_SIZE_MAX;
    const struct view_mask *mask = &masks[is_far ? VIEW_INLINE_SIZE_MAX : size];
    uint64_t head = load_u64(data);
    uint64_t words[2] = {size | (head & mask->first) << 32, load_u64(data + 4) & mask->second};
    words[1] = is_far ? (uint64_t)(uintptr_t)data : words[1];
    struct view view;
    memcpy(&view, words, sizeof view);
    return view;
}

static void make_views(const struct page *page, uint32_t first, uint32_t count, struct view *out)
{
    const uint8_t *data = page->data;
    if ((page->flags & PAGE_FLAG_WIDE) != 0) {
        const uint8_t *offsets = page->offsets + 4 * (size_t)first;
        uint32_t begin = load_u32(offsets);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t end = load_u32(offsets + 4 * (size_t)i + 4);
            out[i] = make_view(data + begin, end - begin);
            begin = end;
        }
        return;
    }
    const uint8_t *offsets = page->offsets + 2 * (size_t)first;
    uint32_t begin = load_u16(offsets);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = load_u16(offsets + 2 * (size_t)i + 2);
        out[i] = make_view(data + begin, end - begin);
        begin = end;
    }
}

static void decode_views(const struct page *page, uint32_t first, uint32_t count, struct view *out)
{
    uint32_t stride = (uint32_t)page->base;
    if (page->encoding == PAGE_CONSTANT) {
        struct view view = make_view(page->data, stride);
        for (uint32_t i = 0; i < count; i++) {
            out[i] = view;
        }
    } else if (page->encoding == PAGE_DICTIONARY) {
        uint16_t codes[SEGMENT_PAGE_ROW_MAX];
        simd->unpack_u16(codes, page->codes, first, count, page->width, 0);
        for (uint32_t i = 0; i < count; i++) {
            struct span bytes = bytes_between(page, codes[i]);
            out[i] = make_view(bytes.data, (uint32_t)bytes.size);
        }
    } else if ((page->flags & PAGE_FLAG_STRIDE) != 0) {
        const uint8_t *at = page->data + (size_t)first * stride;
        for (uint32_t i = 0; i < count; i++, at += stride) {
            out[i] = make_view(at, stride);
        }
    } else {
        make_views(page, first, count, out);
    }
}

void page_decode(const struct page *page, uint32_t first, uint32_t count, void *out)
{
    ASSERT(first + count <= page->row_count);
    uint32_t size = page->value_size;
    if (count == 0) {
        return;
    }
    if (size == 0) {
        decode_views(page, first, count, out);
        return;
    }
    switch (page->encoding) {
    case PAGE_PLAIN:
        memcpy(out, page->data + (size_t)first * size, (size_t)count * size);
        break;
    case PAGE_CONSTANT:
        if (page_is_word(page)) {
            fill_words(out, count, page->base, size);
        } else {
            for (uint32_t i = 0; i < count; i++) {
                memcpy((uint8_t *)out + (size_t)i * size, page->data, size);
            }
        }
        break;
    case PAGE_PACKED:
        unpack(page, page->data, first, count, page->base, out);
        break;
    case PAGE_RUNS:
        decode_runs(page, first, count, out);
        break;
    case PAGE_DICTIONARY:
        decode_codes(page, first, count, out);
        break;
    default:
        decode_differences(page, first, count, out);
    }
}

void page_decode_validity(const struct page *page, uint32_t first, uint32_t count,
                          uint64_t *validity, uint32_t at)
{
    for (uint32_t done = 0; done < count;) {
        // As many bits as fit into the word that is written.
        uint32_t to = (at + done) % 64;
        uint32_t bits = 64 - to;
        bits = bits < count - done ? bits : count - done;
        uint64_t mask = (bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1) << to;
        uint64_t word = UINT64_MAX;
        if (page->validity != NULL) {
            uint32_t from = first + done;
            word = page->validity[from / 64] >> (from % 64);
            if (from % 64 + bits > 64) {
                word |= page->validity[from / 64 + 1] << (64 - from % 64);
            }
            word <<= to;
        }
        uint64_t *target = &validity[(at + done) / 64];
        *target = (*target & ~mask) | (word & mask);
        done += bits;
    }
}

void page_decode_dictionary(const struct page *page, void *out)
{
    ASSERT(page->encoding == PAGE_DICTIONARY);
    if (page->value_size != 0) {
        memcpy(out, page->data, (size_t)page->value_count * page->value_size);
        return;
    }
    make_views(page, 0, page->value_count, out);
}
