#include "types/column.h"

#include <string.h>

#include "base/assert.h"
#include "types/types_internal.h"

#define WORD_BITS 64u

static size_t validity_words(uint32_t row_count)
{
    return ((size_t)row_count + WORD_BITS - 1) / WORD_BITS;
}

/* The arena aligns to 16 and columns to 64, so the difference is asked for and skipped. */
static void *alloc_values(struct arena *arena, size_t size)
{
    uint8_t *data = arena_alloc(arena, size + ALLOC_ALIGN_ARROW);
    if (data == NULL) {
        return NULL;
    }
    return data + (-(uintptr_t)data & (ALLOC_ALIGN_ARROW - 1));
}

bool column_make(struct column *column, struct type type, uint32_t row_count, bool with_validity,
                 struct arena *arena)
{
    struct column made = {.type = type, .form = COLUMN_FLAT, .row_count = row_count};
    size_t size = 0;
    if (__builtin_mul_overflow(type_width(type), (size_t)row_count, &size) || size > SIZE_MAX / 4) {
        return false;
    }
    made.data = alloc_values(arena, size);
    if (made.data == NULL) {
        return false;
    }
    if (with_validity) {
        size_t words = validity_words(row_count);
        made.validity = alloc_values(arena, words * sizeof *made.validity);
        if (made.validity == NULL) {
            return false;
        }
        memset(made.validity, 0xFF, words * sizeof *made.validity);
    }
    *column = made;
    return true;
}

bool column_make_constant(struct column *column, const struct datum *value, uint32_t row_count,
                          struct arena *arena)
{
    struct column made = {0};
    if (!column_make(&made, value->type, 1, value->is_null, arena)) {
        return false;
    }
    struct datum copy = *value;
    if (!copy.is_null && type_physical(copy.type) == PHYSICAL_VIEW &&
        copy.bytes.size > VIEW_INLINE_SIZE_MAX) {
        uint8_t *bytes = arena_bytes(arena, copy.bytes.size);
        if (bytes == NULL) {
            return false;
        }
        memcpy(bytes, copy.bytes.data, copy.bytes.size);
        copy.bytes.data = bytes;
    }
    column_set(&made, 0, &copy);
    made.form = COLUMN_CONSTANT;
    made.row_count = row_count;
    *column = made;
    return true;
}

static void get_word4(const struct type *type, const void *data, uint32_t row, struct datum *datum)
{
    if (type->id == TYPE_FLOAT4) {
        datum->real = (double)((const float *)data)[row];
    } else {
        datum->integer = ((const int32_t *)data)[row];
    }
}

static void get_word8(const struct type *type, const void *data, uint32_t row, struct datum *datum)
{
    if (type->id == TYPE_FLOAT8) {
        datum->real = ((const double *)data)[row];
    } else {
        datum->integer = ((const int64_t *)data)[row];
    }
}

static void get_word16(const struct type *type, const void *data, uint32_t row, struct datum *datum)
{
    const uint8_t *at = (const uint8_t *)data + (size_t)row * sizeof datum->wide;
    if (type->id == TYPE_UUID) {
        memcpy(datum->uuid, at, sizeof datum->uuid);
    } else if (type->id == TYPE_INTERVAL) {
        memcpy(&datum->interval, at, sizeof datum->interval);
    } else {
        memcpy(&datum->wide, at, sizeof datum->wide);
    }
}

void column_get(const struct column *column, uint32_t row, struct datum *datum_out)
{
    ASSERT_SLOW(row < column->row_count);
    *datum_out = (struct datum){.type = column->type, .is_null = column_is_null(column, row)};
    if (datum_out->is_null) {
        return;
    }
    const void *data = column->data;
    if (column->form == COLUMN_CONSTANT) {
        row = 0;
    } else if (column->form == COLUMN_DICTIONARY) {
        row = column->codes[row];
        data = column->dictionary->data;
    }
    switch (type_physical(column->type)) {
    case PHYSICAL_1:
        datum_out->boolean = ((const uint8_t *)data)[row] != 0;
        break;
    case PHYSICAL_2:
        datum_out->integer = ((const int16_t *)data)[row];
        break;
    case PHYSICAL_4:
        get_word4(&column->type, data, row, datum_out);
        break;
    case PHYSICAL_8:
        get_word8(&column->type, data, row, datum_out);
        break;
    case PHYSICAL_16:
        get_word16(&column->type, data, row, datum_out);
        break;
    case PHYSICAL_VIEW:
        datum_out->bytes = view_span((const struct view *)data + row);
        break;
    case PHYSICAL_FIXED: {
        size_t width = type_width(column->type);
        datum_out->bytes = (struct span){(const uint8_t *)data + row * width, width};
        break;
    }
    default:
        ASSERT(false);
    }
}

static void set_fixed(struct column *column, uint32_t row, const struct datum *datum)
{
    size_t width = type_width(column->type);
    ASSERT(datum->bytes.size == width);
    memcpy((uint8_t *)column->data + row * width, datum->bytes.data, width);
}

static void set_word16(struct column *column, uint32_t row, const struct datum *datum)
{
    uint8_t *at = (uint8_t *)column->data + (size_t)row * sizeof datum->wide;
    if (column->type.id == TYPE_UUID) {
        memcpy(at, datum->uuid, sizeof datum->uuid);
    } else if (column->type.id == TYPE_INTERVAL) {
        memcpy(at, &datum->interval, sizeof datum->interval);
    } else {
        memcpy(at, &datum->wide, sizeof datum->wide);
    }
}

static void set_value(struct column *column, uint32_t row, const struct datum *datum)
{
    switch (type_physical(column->type)) {
    case PHYSICAL_1:
        ((uint8_t *)column->data)[row] = datum->boolean;
        break;
    case PHYSICAL_2:
        ((int16_t *)column->data)[row] = (int16_t)datum->integer;
        break;
    case PHYSICAL_4:
        if (column->type.id == TYPE_FLOAT4) {
            ((float *)column->data)[row] = (float)datum->real;
        } else {
            ((int32_t *)column->data)[row] = (int32_t)datum->integer;
        }
        break;
    case PHYSICAL_8:
        if (column->type.id == TYPE_FLOAT8) {
            ((double *)column->data)[row] = datum->real;
        } else {
            ((int64_t *)column->data)[row] = datum->integer;
        }
        break;
    case PHYSICAL_16:
        set_word16(column, row, datum);
        break;
    case PHYSICAL_VIEW:
        ((struct view *)column->data)[row] = view_of(datum->bytes);
        break;
    case PHYSICAL_FIXED:
        set_fixed(column, row, datum);
        break;
    default:
        ASSERT(false);
    }
}

void column_set(struct column *column, uint32_t row, const struct datum *datum)
{
    ASSERT(column->form == COLUMN_FLAT);
    ASSERT(row < column->row_count);
    uint64_t bit = (uint64_t)1 << (row % WORD_BITS);
    if (datum->is_null) {
        ASSERT(column->validity != NULL);
        column->validity[row / WORD_BITS] &= ~bit;
        // A null's value is never read as one, but kernels run over it and disk holds it: zero.
        size_t width = type_width(column->type);
        memset((uint8_t *)column->data + row * width, 0, width);
        return;
    }
    ASSERT_SLOW(type_physical(datum->type) == type_physical(column->type));
    if (column->validity != NULL) {
        column->validity[row / WORD_BITS] |= bit;
    }
    set_value(column, row, datum);
}

void column_trim_validity(struct column *column)
{
    uint32_t count = column->row_count;
    uint64_t nulls = 0;
    if (column->validity == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count / WORD_BITS; i++) {
        nulls |= ~column->validity[i];
    }
    if (count % WORD_BITS != 0) {
        nulls |= ~column->validity[count / WORD_BITS] & (((uint64_t)1 << (count % WORD_BITS)) - 1);
    }
    if (nulls == 0) {
        column->validity = NULL;
    }
}

/* Where the value of each wanted row lies in the column that holds the data. */
static uint32_t source_row(const struct column *column, const uint16_t *rows, uint32_t i)
{
    uint32_t row = rows == NULL ? i : rows[i];
    if (column->form == COLUMN_CONSTANT) {
        return 0;
    }
    return column->form == COLUMN_DICTIONARY ? column->codes[row] : row;
}

/* Inlined once per width, so that each copy becomes one move. */
static inline __attribute__((always_inline)) void gather_width(const struct column *column,
                                                               const uint16_t *rows,
                                                               const uint8_t *data,
                                                               struct column *flat, size_t width)
{
    uint8_t *to = flat->data;
    for (uint32_t i = 0; i < flat->row_count; i++) {
        memcpy(to + i * width, data + source_row(column, rows, i) * width, width);
    }
}

static void gather(const struct column *column, const uint16_t *rows, struct column *flat)
{
    const uint8_t *data =
        column->form == COLUMN_DICTIONARY ? column->dictionary->data : column->data;
    size_t width = type_width(column->type);
    if (column->form == COLUMN_FLAT && rows == NULL) {
        memcpy(flat->data, data, width * flat->row_count);
        return;
    }
    switch (width) {
    case 1:
        gather_width(column, rows, data, flat, 1);
        break;
    case 4:
        gather_width(column, rows, data, flat, 4);
        break;
    case 8:
        gather_width(column, rows, data, flat, 8);
        break;
    case 16:
        gather_width(column, rows, data, flat, 16);
        break;
    default:
        gather_width(column, rows, data, flat, width);
    }
}

/* Nulls among the wanted rows become zero bits; values of null rows were gathered with the rest. */
static void gather_validity(const struct column *column, const uint16_t *rows, struct column *flat)
{
    for (uint32_t i = 0; i < flat->row_count; i++) {
        uint32_t row = rows == NULL ? i : rows[i];
        if (column_is_null(column, row)) {
            flat->validity[i / WORD_BITS] &= ~((uint64_t)1 << (i % WORD_BITS));
        }
    }
}

bool column_flatten(const struct column *column, const uint16_t *rows, uint32_t count,
                    struct column *flat_out, struct arena *arena)
{
    ASSERT(rows != NULL || count <= column->row_count);
    bool nullable = column->validity != NULL ||
                    (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL);
    struct column flat = {0};
    if (!column_make(&flat, column->type, count, nullable, arena)) {
        return false;
    }
    if (count > 0) {
        gather(column, rows, &flat);
    }
    if (nullable) {
        gather_validity(column, rows, &flat);
    }
    *flat_out = flat;
    return true;
}
