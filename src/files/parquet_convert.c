/* Values of a Parquet file as values of our types. */

#include <math.h>
#include <string.h>

#include "base/codec.h"
#include "files/parquet_internal.h"
#include "files/utf8.h"
#include "types/datetime.h"
#include "types/json.h"
#include "types/text.h"

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 uwide;

#define JULIAN_DAY_OF_1970 2440588

struct conversion {
    const struct parquet_node *leaf;
    const struct parquet_values *values;
    struct column *out;
    struct arena *arena;
    struct err *err;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory for a page of a Parquet file");
}

/* ---- numbers ---- */

static inline int64_t integer_at(const struct conversion *conversion, uint32_t i)
{
    const uint8_t *fixed = conversion->values->fixed;
    if (conversion->leaf->physical == PARQUET_INT32) {
        int32_t value;
        memcpy(&value, fixed + (size_t)i * 4, sizeof value);
        return value;
    }
    return (int64_t)load_u64(fixed + (size_t)i * 8);
}

static tdbplus_status convert_integers(const struct conversion *conversion)
{
    const struct parquet_node *leaf = conversion->leaf;
    uint32_t count = conversion->values->count;
    void *data = conversion->out->data;
    bool is_unsigned = leaf->meaning == MEANS_INTEGER && !leaf->is_signed;
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = integer_at(conversion, i);
        if (is_unsigned && leaf->bits <= 32) {
            value &= (int64_t)((1ull << leaf->bits) - 1);
        }
        switch (conversion->out->type.id) {
        case TYPE_INT2:
            ((int16_t *)data)[i] = (int16_t)value;
            break;
        case TYPE_INT4:
        case TYPE_DATE:
            ((int32_t *)data)[i] = (int32_t)value;
            break;
        default:
            ((int64_t *)data)[i] = value;
            break;
        }
    }
    return TDBPLUS_OK;
}

/* Numbers that lie here as they do there. */
static bool lie_the_same(const struct parquet_node *leaf)
{
    switch (leaf->type.id) {
    case TYPE_BOOL:
    case TYPE_FLOAT8:
        return true;
    case TYPE_FLOAT4:
        return leaf->physical == PARQUET_FLOAT;
    case TYPE_INT4:
    case TYPE_DATE:
        return leaf->physical == PARQUET_INT32 && (leaf->bits == 0 || leaf->bits == 32);
    case TYPE_INT8:
        return leaf->physical == PARQUET_INT64 && leaf->bits != 32;
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return leaf->physical == PARQUET_INT64 && leaf->unit == 2;
    case TYPE_NUMERIC:
        return leaf->physical == PARQUET_INT64 && leaf->meaning == MEANS_DECIMAL &&
               type_physical(leaf->type) == PHYSICAL_8;
    case TYPE_UUID:
        return true;
    default:
        return false;
    }
}

static tdbplus_status convert_times(const struct conversion *conversion)
{
    int64_t *data = conversion->out->data;
    uint8_t unit = conversion->leaf->unit;
    for (uint32_t i = 0; i < conversion->values->count; i++) {
        int64_t value = integer_at(conversion, i);
        if (unit == 1 && __builtin_mul_overflow(value, (int64_t)1000, &value)) {
            return err_set_state(conversion->err, TDBPLUS_E_RANGE, "22008",
                                 "a time of a Parquet file is out of range");
        }
        if (unit == 3) {
            value = value / 1000 - (value % 1000 < 0);
        }
        data[i] = value;
    }
    return TDBPLUS_OK;
}

/* Nanoseconds of a Julian day. */
static tdbplus_status convert_int96(const struct conversion *conversion)
{
    int64_t *data = conversion->out->data;
    for (uint32_t i = 0; i < conversion->values->count; i++) {
        const uint8_t *at = conversion->values->fixed + (size_t)i * 12;
        int64_t nanos = (int64_t)load_u64(at);
        int64_t days = (int64_t)load_u32(at + 8) - JULIAN_DAY_OF_1970;
        data[i] = (int64_t)((uint64_t)days * (uint64_t)US_PER_DAY + (uint64_t)(nanos / 1000));
    }
    return TDBPLUS_OK;
}

/* A number of up to 16 bytes, the high one first. */
static bool wide_of(struct span bytes, wide *value_out)
{
    if (bytes.size == 0) {
        return false;
    }
    uwide value = (bytes.data[0] & 0x80) != 0 ? ~(uwide)0 : 0;
    for (size_t i = 0; i < bytes.size; i++) {
        // Longer ones only repeat the sign.
        if (bytes.size - i > 16) {
            if (bytes.data[i] != (uint8_t)value) {
                return false;
            }
            continue;
        }
        value = value << 8 | bytes.data[i];
    }
    *value_out = (wide)value;
    return true;
}

static struct span bytes_at(const struct conversion *conversion, uint32_t i)
{
    if (conversion->leaf->physical == PARQUET_BYTES) {
        return conversion->values->bytes[i];
    }
    size_t width = (size_t)conversion->leaf->length;
    return (struct span){conversion->values->fixed + i * width, width};
}

static bool within_digits(wide value, int16_t digits)
{
    wide limit = 1;
    for (int16_t i = 0; i < digits; i++) {
        limit *= 10;
    }
    return value < limit && value > -limit;
}

static tdbplus_status convert_decimals(const struct conversion *conversion)
{
    struct type type = conversion->leaf->type;
    bool is_wide = type_physical(type) == PHYSICAL_16;
    bool integers =
        conversion->leaf->physical == PARQUET_INT32 || conversion->leaf->physical == PARQUET_INT64;
    if (!is_wide && type_physical(type) != PHYSICAL_8) {
        return err_set(conversion->err, TDBPLUS_E_UNSUPPORTED,
                       "decimals of more than 38 digits in a Parquet file are not supported");
    }
    for (uint32_t i = 0; i < conversion->values->count; i++) {
        wide value = 0;
        if (integers) {
            int64_t integer = integer_at(conversion, i);
            value = conversion->leaf->meaning == MEANS_DECIMAL ? (wide)integer
                                                               : (wide)(uint64_t)integer;
        } else if (!wide_of(bytes_at(conversion, i), &value)) {
            return parquet_damaged(conversion->err, "a decimal of no digits, or of too many");
        }
        if (!within_digits(value, type.precision)) {
            return err_set_state(conversion->err, TDBPLUS_E_RANGE, "22003",
                                 "a decimal of a Parquet file has more than %d digits",
                                 type.precision);
        }
        if (is_wide) {
            memcpy((uint8_t *)conversion->out->data + (size_t)i * 16, &value, 16);
        } else {
            ((int64_t *)conversion->out->data)[i] = (int64_t)value;
        }
    }
    return TDBPLUS_OK;
}

static float half_of(uint16_t bits)
{
    unsigned exponent = bits >> 10 & 0x1F;
    unsigned fraction = bits & 0x3FF;
    float value;
    if (exponent == 31) {
        value = fraction == 0 ? HUGE_VALF : NAN;
    } else if (exponent == 0) {
        value = ldexpf((float)fraction, -24);
    } else {
        value = ldexpf((float)(fraction | 0x400), (int)exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -value : value;
}

static tdbplus_status convert_halves(const struct conversion *conversion)
{
    for (uint32_t i = 0; i < conversion->values->count; i++) {
        ((float *)conversion->out->data)[i] =
            half_of(load_u16(conversion->values->fixed + (size_t)i * 2));
    }
    return TDBPLUS_OK;
}

static tdbplus_status convert_intervals(const struct conversion *conversion)
{
    struct interval *data = conversion->out->data;
    for (uint32_t i = 0; i < conversion->values->count; i++) {
        const uint8_t *at = conversion->values->fixed + (size_t)i * 12;
        data[i] = (struct interval){.months = (int32_t)load_u32(at),
                                    .days = (int32_t)load_u32(at + 4),
                                    .microseconds = (int64_t)load_u32(at + 8) * 1000};
    }
    return TDBPLUS_OK;
}

/* ---- bytes ---- */

/* ASCII without zero bytes, eight at a time; anything else is looked at closely. */
static bool is_text(struct span bytes)
{
    size_t i = 0;
    for (; i + 8 <= bytes.size; i += 8) {
        uint64_t word = load_u64(bytes.data + i);
        if (((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) != 0) {
            return utf8_valid(bytes);
        }
    }
    for (; i < bytes.size; i++) {
        if (bytes.data[i] == 0 || bytes.data[i] >= 0x80) {
            return utf8_valid(bytes);
        }
    }
    return true;
}

static tdbplus_status convert_bytes(const struct conversion *conversion)
{
    struct view *views = conversion->out->data;
    bool text = conversion->out->type.id == TYPE_TEXT;
    for (uint32_t i = 0; i < conversion->values->count; i++) {
        struct span bytes = bytes_at(conversion, i);
        if (text && !is_text(bytes)) {
            return err_set_state(conversion->err, TDBPLUS_E_SYNTAX, "22021",
                                 "invalid byte sequence for encoding \"UTF8\" in a Parquet file");
        }
        views[i] = view_of(bytes);
    }
    return TDBPLUS_OK;
}

static tdbplus_status convert_documents(const struct conversion *conversion)
{
    struct json_builder builder;
    struct buffer document;
    struct view *views = conversion->out->data;
    tdbplus_status status = TDBPLUS_OK;
    json_builder_init(&builder, conversion->arena->alloc);
    buffer_init(&document, conversion->arena->alloc);
    for (uint32_t i = 0; i < conversion->values->count; i++) {
        buffer_clear(&document);
        TRY_OR(done, json_parse(&builder, bytes_at(conversion, i), &document, conversion->err));
        uint8_t *copy = arena_bytes(conversion->arena, document.size);
        if (copy == NULL) {
            status = no_memory(conversion->err);
            goto done;
        }
        memcpy(copy, document.data, document.size);
        views[i] = view_of((struct span){copy, document.size});
    }
done:
    json_builder_deinit(&builder);
    buffer_deinit(&document);
    return status;
}

static tdbplus_status convert(const struct conversion *conversion)
{
    const struct parquet_node *leaf = conversion->leaf;
    switch (leaf->type.id) {
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_DATE:
        return convert_integers(conversion);
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return leaf->physical == PARQUET_INT96 ? convert_int96(conversion)
                                               : convert_times(conversion);
    case TYPE_NUMERIC:
        return convert_decimals(conversion);
    case TYPE_FLOAT4:
        return convert_halves(conversion);
    case TYPE_INTERVAL:
        return convert_intervals(conversion);
    case TYPE_JSON:
        return convert_documents(conversion);
    case TYPE_TEXT:
        if (leaf->meaning == MEANS_NOTHING && leaf->physical != PARQUET_BYTES &&
            leaf->physical != PARQUET_FIXED) {
            return conversion->values->count == 0
                       ? TDBPLUS_OK
                       : parquet_damaged(conversion->err, "a value in a column of nulls");
        }
        return convert_bytes(conversion);
    default:
        return convert_bytes(conversion);
    }
}

tdbplus_status parquet_convert(const struct parquet_node *leaf, const struct parquet_values *values,
                               struct arena *arena, struct column *column_out, struct err *err)
{
    struct conversion conversion = {leaf, values, column_out, arena, err};
    size_t width = type_width(leaf->type);
    // Values that lie where they are read from need no copy, if they lie well.
    if (lie_the_same(leaf) && (uintptr_t)values->fixed % 8 == 0) {
        union {
            const uint8_t *read;
            void *plain;
        } data = {.read = values->fixed};
        *column_out =
            (struct column){.type = leaf->type, .row_count = values->count, .data = data.plain};
        return TDBPLUS_OK;
    }
    if (!column_make(column_out, leaf->type, values->count, false, arena)) {
        return no_memory(err);
    }
    if (lie_the_same(leaf)) {
        if (values->count > 0) {
            memcpy(column_out->data, values->fixed, values->count * width);
        }
        return TDBPLUS_OK;
    }
    return convert(&conversion);
}

bool parquet_bound(const struct parquet_node *leaf, struct span bytes, struct arena *arena,
                   struct datum *value_out)
{
    static const uint8_t widths[] = {1, 4, 8, 12, 4, 8};
    struct parquet_values values = {.count = 1, .fixed = bytes.data, .bytes = &bytes};
    struct column column = {0};
    // Writers do not agree on the order of these.
    if (leaf->physical == PARQUET_INT96 || leaf->meaning == MEANS_FLOAT16 ||
        leaf->meaning == MEANS_INTERVAL || leaf->type.id == TYPE_JSON ||
        leaf->type.id == TYPE_UUID ||
        (leaf->physical < PARQUET_BYTES && bytes.size != widths[leaf->physical]) ||
        (leaf->physical == PARQUET_FIXED && bytes.size != (size_t)leaf->length)) {
        return false;
    }
    uint8_t *copy = arena_alloc(arena, bytes.size + 16);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, bytes.data, bytes.size);
    values.fixed = copy;
    if (parquet_convert(leaf, &values, arena, &column, NULL) != TDBPLUS_OK) {
        return false;
    }
    column_get(&column, 0, value_out);
    return !(value_out->type.id == TYPE_FLOAT4 || value_out->type.id == TYPE_FLOAT8) ||
           !isnan(value_out->real);
}
