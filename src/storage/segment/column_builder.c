#include "storage/segment/column_builder.h"

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"

#define PAGE_SIZE_WORST                                                      \
    ((size_t)1 << 20) /* One page among small ones may have that many bytes. \
                       */
#define EXTERNAL_WORDS  ((size_t)GROUP_ROW_COUNT / 64)
#define PAGE_SHIFT_EVEN 6u /* Below that, only the average counts. */

void column_builder_init(struct column_builder *builder, struct type type,
                         const struct alloc *alloc)
{
    *builder = (struct column_builder){.type = type};
    bool is_view = type_physical(type) == PHYSICAL_VIEW;
    builder->value_size = is_view ? 0 : (uint32_t)type_width(type);
    buffer_init(&builder->values, alloc);
    buffer_init(&builder->ends, alloc);
    buffer_init(&builder->offsets, alloc);
    buffer_init(&builder->sizes, alloc);
    buffer_init(&builder->zones, alloc);
    column_builder_reset(builder);
}

void column_builder_deinit(struct column_builder *builder)
{
    buffer_deinit(&builder->values);
    buffer_deinit(&builder->ends);
    buffer_deinit(&builder->offsets);
    buffer_deinit(&builder->sizes);
    buffer_deinit(&builder->zones);
    alloc_free(builder->values.alloc, builder->external, EXTERNAL_WORDS, sizeof(uint64_t));
}

void column_builder_reset(struct column_builder *builder)
{
    builder->row_count = 0;
    builder->flushed_rows = 0;
    builder->null_count = 0;
    builder->compress = true;
    buffer_clear(&builder->values);
    buffer_clear(&builder->ends);
    buffer_clear(&builder->offsets);
    buffer_clear(&builder->sizes);
    buffer_clear(&builder->zones);
    memset(builder->validity, 0xFF, sizeof builder->validity);
    if (builder->external_count > 0) {
        memset(builder->external, 0, EXTERNAL_WORDS * sizeof(uint64_t));
        builder->external_count = 0;
    }
}

size_t column_builder_size(const struct column_builder *builder)
{
    return builder->values.size + builder->ends.size;
}

/* ---- appending ---- */

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for the rows of a group");
}

/* Where the value of a live row lies. */
static inline uint32_t source_row(const struct column *column, const uint16_t *selection,
                                  uint32_t live)
{
    uint32_t row = selection == NULL ? live : selection[live];
    if (column->form == COLUMN_CONSTANT) {
        return 0;
    }
    return column->form == COLUMN_DICTIONARY ? column->codes[row] : row;
}

static void append_nulls(struct column_builder *builder, const struct column *column,
                         const uint16_t *selection, uint32_t first, uint32_t count)
{
    bool nullable = column->validity != NULL ||
                    (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL);
    if (!nullable) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = selection == NULL ? first + i : selection[first + i];
        if (column_is_null(column, row)) {
            uint32_t at = builder->row_count + i;
            builder->validity[at / 64] &= ~((uint64_t)1 << (at % 64));
            builder->null_count++;
        }
    }
}

static bool row_is_null(const struct column_builder *builder, uint32_t row)
{
    return (builder->validity[row / 64] >> (row % 64) & 1) == 0;
}

static tdbplus_status append_fixed(struct column_builder *builder, const struct column *column,
                                   const uint16_t *selection, uint32_t first, uint32_t count,
                                   struct err *err)
{
    size_t size = builder->value_size;
    uint8_t *to = buffer_extend(&builder->values, count * size);
    if (to == NULL) {
        return no_memory(err);
    }
    const uint8_t *data =
        column->form == COLUMN_DICTIONARY ? column->dictionary->data : column->data;
    if (column->form == COLUMN_FLAT && selection == NULL) {
        memcpy(to, data + first * size, count * size);
    } else if (size == 8) {
        for (uint32_t i = 0; i < count; i++) {
            memcpy(to + i * 8, data + (size_t)source_row(column, selection, first + i) * 8, 8);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            memcpy(to + i * size, data + source_row(column, selection, first + i) * size, size);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status append_views(struct column_builder *builder, const struct column *column,
                                   const uint16_t *selection, uint32_t first, uint32_t count,
                                   struct err *err)
{
    const struct view *views =
        column->form == COLUMN_DICTIONARY ? column->dictionary->data : column->data;
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (row_is_null(builder, builder->row_count + i)) {
            continue; // Its view may be anything.
        }
        uint32_t size = views[source_row(column, selection, first + i)].size;
        if (size > VALUE_SIZE_MAX) {
            return err_set(err, TDBPLUS_E_LIMIT, "segment: a value has %u bytes; %zu are allowed",
                           size, VALUE_SIZE_MAX);
        }
        total += size;
    }
    uint8_t *ends = buffer_extend(&builder->ends, count * sizeof(uint64_t));
    if (ends == NULL || !buffer_reserve(&builder->values, total)) {
        return no_memory(err);
    }
    uint8_t *begin = builder->values.data;
    uint8_t *to = begin + builder->values.size;
    for (uint32_t i = 0; i < count; i++) {
        const struct view *view = &views[source_row(column, selection, first + i)];
        if (view->size > 0 && !row_is_null(builder, builder->row_count + i)) {
            memcpy(to, view_data(view), view->size);
            to += view->size;
        }
        store_u64(ends + i * sizeof(uint64_t), (uint64_t)(to - begin));
    }
    builder->values.size = (size_t)(to - begin);
    return TDBPLUS_OK;
}

tdbplus_status column_builder_append(struct column_builder *builder, const struct column *column,
                                     const uint16_t *selection, uint32_t first, uint32_t count,
                                     struct err *err)
{
    ASSERT(builder->row_count + count <= GROUP_ROW_COUNT);
    append_nulls(builder, column, selection, first, count);
    if (builder->value_size != 0) {
        TRY(append_fixed(builder, column, selection, first, count, err));
    } else {
        TRY(append_views(builder, column, selection, first, count, err));
    }
    builder->row_count += count;
    return TDBPLUS_OK;
}

tdbplus_status column_builder_append_words(struct column_builder *builder, const uint64_t *words,
                                           uint32_t count, struct err *err)
{
    ASSERT(builder->value_size == sizeof *words);
    ASSERT(builder->row_count + count <= GROUP_ROW_COUNT);
    buffer_put(&builder->values, words, count * sizeof *words);
    if (builder->values.failed) {
        return no_memory(err);
    }
    builder->row_count += count;
    return TDBPLUS_OK;
}

tdbplus_status column_builder_mark_external(struct column_builder *builder,
                                            const uint64_t *external, uint32_t count,
                                            struct err *err)
{
    if (builder->external == NULL) {
        builder->external = alloc_array(builder->values.alloc, EXTERNAL_WORDS, sizeof(uint64_t));
        if (builder->external == NULL) {
            return no_memory(err);
        }
    }
    uint32_t first = builder->row_count - count;
    for (uint32_t i = 0; i < count; i++) {
        if ((external[i / 64] >> (i % 64) & 1) != 0) {
            builder->external[(first + i) / 64] |= (uint64_t)1 << ((first + i) % 64);
            builder->external_count++;
        }
    }
    return TDBPLUS_OK;
}

/* ---- making pages ---- */

static uint64_t end_of(const struct column_builder *builder, uint32_t row)
{
    return load_u64(builder->ends.data + (size_t)(row - builder->flushed_rows) * sizeof(uint64_t));
}

static uint64_t begin_of(const struct column_builder *builder, uint32_t row)
{
    return row == builder->flushed_rows ? 0 : end_of(builder, row - 1);
}

/* Bytes of the largest page when pages have 2^shift rows. */
static size_t largest_page(const struct column_builder *builder, uint32_t shift)
{
    size_t largest = 0;
    for (uint32_t row = builder->flushed_rows; row < builder->row_count;) {
        uint32_t next = row + (1u << shift);
        next = next < builder->row_count ? next : builder->row_count;
        size_t size = (size_t)(end_of(builder, next - 1) - begin_of(builder, row));
        largest = size > largest ? size : largest;
        row = next;
    }
    return largest;
}

uint32_t column_builder_choose_shift(const struct column_builder *builder)
{
    size_t rows = builder->row_count - builder->flushed_rows;
    size_t average = builder->values.size / (rows == 0 ? 1 : rows);
    uint32_t shift = SEGMENT_PAGE_SHIFT_MAX;
    while (shift > 0 && average << shift > SEGMENT_PAGE_SIZE_GOAL) {
        shift--;
    }
    if (builder->value_size != 0) {
        return shift;
    }
    // A few long values must not make every page of the group tiny, but no page may be huge either.
    while (shift > PAGE_SHIFT_EVEN && largest_page(builder, shift) > PAGE_SIZE_WORST) {
        shift--;
    }
    while (shift > 0 && largest_page(builder, shift) > VALUE_SIZE_MAX) {
        shift--;
    }
    return shift;
}

/* Copies `count` bits from bit `first` on, ones behind them; returns how many are zero. */
static uint32_t copy_bits(const uint64_t *bits, uint32_t first, uint32_t count, uint64_t *to)
{
    uint32_t zeroes = 0;
    for (uint32_t word = 0; word * 64 < count; word++) {
        uint32_t at = first + word * 64;
        uint64_t value = bits[at / 64] >> (at % 64);
        uint32_t wanted = count - word * 64 < 64 ? count - word * 64 : 64;
        if (at % 64 + wanted > 64) {
            value |= bits[at / 64 + 1] << (64 - at % 64);
        }
        value |= wanted == 64 ? 0 : UINT64_MAX << wanted;
        to[word] = value;
        zeroes += (uint32_t)__builtin_popcountll(~value);
    }
    return zeroes;
}

uint32_t column_builder_input(const struct column_builder *builder, uint32_t first, uint32_t count,
                              struct column_bits *bits, struct encoding_input *input_out)
{
    ASSERT(first >= builder->flushed_rows && first + count <= builder->row_count);
    struct encoding_input input = {
        .type = builder->type, .row_count = count, .value_size = builder->value_size};
    uint32_t index = first - builder->flushed_rows;
    uint32_t nulls = 0;
    if (builder->null_count > 0) {
        nulls = copy_bits(builder->validity, first, count, bits->validity);
        input.validity = nulls > 0 ? bits->validity : NULL;
    }
    if (builder->external_count > 0) {
        bool any = copy_bits(builder->external, first, count, bits->external) < count;
        if (count % 64 != 0) {
            bits->external[count / 64] &= ~(UINT64_MAX << (count % 64));
        }
        input.external = any ? bits->external : NULL;
    }
    if (builder->value_size != 0) {
        input.values = builder->values.data + (size_t)index * builder->value_size;
    } else {
        input.values = builder->values.data;
        input.ends = (const void *)(builder->ends.data + (size_t)index * sizeof(uint64_t));
        input.begin = begin_of(builder, first);
    }
    *input_out = input;
    return nulls;
}

void column_builder_discard(struct column_builder *builder, uint32_t row)
{
    uint32_t count = row - builder->flushed_rows;
    if (count == 0) {
        return;
    }
    size_t bytes = (size_t)count * builder->value_size;
    if (builder->value_size == 0) {
        bytes = (size_t)end_of(builder, row - 1);
        size_t skipped = (size_t)count * sizeof(uint64_t);
        builder->ends.size -= skipped;
        memmove(builder->ends.data, builder->ends.data + skipped, builder->ends.size);
        for (size_t at = 0; at < builder->ends.size; at += sizeof(uint64_t)) {
            store_u64(builder->ends.data + at, load_u64(builder->ends.data + at) - bytes);
        }
    }
    builder->values.size -= bytes;
    if (builder->values.size > 0) {
        memmove(builder->values.data, builder->values.data + bytes, builder->values.size);
    }
    builder->flushed_rows = row;
}
