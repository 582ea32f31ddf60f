/* From format strings of the C data interface to fields. */

#include <stdlib.h>
#include <string.h>

#include "types/arrow_internal.h"
#include "types/datetime.h"
#include "types/packed.h"

#define NS_PER_SECOND INT64_C(1000000000)

static TDBPLUS_CHECKED tdbplus_status unsupported(const struct arrow_field *field,
                                                  const char *format, struct err *err)
{
    return err_set(err, TDBPLUS_E_UNSUPPORTED, "arrow: field '%.100s' has the format '%.40s'",
                   field->name, format);
}

static void set_integer(struct arrow_field *field, enum type_id type, uint8_t width)
{
    field->kind = ARROW_KIND_INTEGER;
    field->is_signed = true;
    field->width = width;
    field->type = type_of(type);
}

/* Counts of a unit that is not ours: so many of ours are one of it, or the other way round. */
static bool set_unit(struct arrow_field *field, char unit)
{
    int64_t per_second = unit == 's'   ? 1
                         : unit == 'm' ? 1000
                         : unit == 'u' ? US_PER_SECOND
                         : unit == 'n' ? NS_PER_SECOND
                                       : 0;
    if (per_second == 0) {
        return false;
    }
    field->multiply = per_second < US_PER_SECOND ? US_PER_SECOND / per_second : 1;
    field->divide = per_second > US_PER_SECOND ? per_second / US_PER_SECOND : 1;
    if (per_second != US_PER_SECOND || field->width != 8 || field->type.id == TYPE_INTERVAL) {
        field->kind = ARROW_KIND_SCALED;
    }
    return true;
}

/* "t..." */
static bool set_temporal(struct arrow_field *field, const char *format)
{
    size_t size = strlen(format);
    if (size < 3) {
        return false;
    }
    if (format[1] == 'd') {
        set_integer(field, TYPE_DATE, format[2] == 'D' ? 4 : 8);
        if (format[2] == 'm') {
            field->kind = ARROW_KIND_SCALED;
            field->multiply = 1;
            field->divide = US_PER_DAY / 1000;
        }
        return size == 3 && (format[2] == 'D' || format[2] == 'm');
    }
    if (format[1] == 't') {
        bool is_narrow = format[2] == 's' || format[2] == 'm';
        set_integer(field, TYPE_TIME, is_narrow ? 4 : 8);
        return size == 3 && set_unit(field, format[2]);
    }
    if (format[1] == 's') {
        bool has_zone = size > 4;
        set_integer(field, has_zone ? TYPE_TIMESTAMPTZ : TYPE_TIMESTAMP, 8);
        return size >= 4 && format[3] == ':' && set_unit(field, format[2]);
    }
    if (format[1] == 'D') {
        set_integer(field, TYPE_INTERVAL, 8);
        return size == 3 && set_unit(field, format[2]);
    }
    if (format[1] == 'i' && size == 3) {
        field->type = type_of(TYPE_INTERVAL);
        field->kind = format[2] == 'M'   ? ARROW_KIND_INTERVAL_MONTHS
                      : format[2] == 'D' ? ARROW_KIND_INTERVAL_DAYS
                                         : ARROW_KIND_INTERVAL_ALL;
        return format[2] == 'M' || format[2] == 'D' || format[2] == 'n';
    }
    return false;
}

static bool read_count(const char *text, long max, uint32_t *count_out)
{
    char *end = NULL;
    long count = strtol(text, &end, 10);
    if (end == text || *end != 0 || count < 0 || count > max) {
        return false;
    }
    *count_out = (uint32_t)count;
    return true;
}

/* "d:precision,scale" and perhaps ",128" */
static bool set_decimal(struct arrow_field *field, const char *format)
{
    char *end = NULL;
    long precision = strtol(format + 2, &end, 10);
    if (*end != ',') {
        return false;
    }
    long scale = strtol(end + 1, &end, 10);
    bool is_wide = *end == 0 || strcmp(end, ",128") == 0;
    field->kind = ARROW_KIND_DECIMAL;
    field->type = (struct type){.id = TYPE_NUMERIC};
    if (!is_wide || precision < 1 || precision > NUMERIC_DIGITS_MAX_16 || scale < 0 ||
        scale > precision) {
        return false;
    }
    field->type.precision = (int16_t)precision;
    field->type.scale = (int16_t)scale;
    return true;
}

static bool equals(struct span text, const char *name)
{
    return span_compare(text, span_from_text(name)) == 0;
}

/* The packed type that an extension names, if its values are numbers or are texts. */
static void set_packed(struct arrow_field *field, struct span extension, bool is_number)
{
    static const char prefix[] = ARROW_EXTENSION_PREFIX;
    size_t size = sizeof prefix - 1;
    struct type type = {0};
    if (extension.size > size && memcmp(extension.data, prefix, size) == 0 &&
        type_find((struct span){extension.data + size, extension.size - size}, &type) &&
        (is_number ? arrow_number_type(type)
                   : packed_type(type) && type_physical(type) == PHYSICAL_VIEW)) {
        field->type = type;
    }
}

static bool set_bytes(struct arrow_field *field, const char *format, struct span extension)
{
    bool is_view = format[0] == 'v';
    char letter = format[is_view ? 1 : 0];
    if (format[is_view ? 2 : 1] != 0) {
        return false;
    }
    bool is_text = letter == 'u' || letter == 'U';
    field->kind = is_view ? ARROW_KIND_VIEWS : ARROW_KIND_BYTES;
    field->width = letter == 'U' || letter == 'Z' ? 8 : 4;
    field->type = type_of(is_text ? TYPE_TEXT : TYPE_BYTEA);
    if (is_text && equals(extension, "arrow.json")) {
        field->type = type_of(TYPE_JSON);
    } else if (is_text) {
        set_packed(field, extension, false);
    }
    return is_text || letter == 'z' || letter == 'Z';
}

static bool set_fixed(struct arrow_field *field, const char *format, struct span extension)
{
    if (format[1] != ':' || !read_count(format + 2, INT32_MAX, &field->size)) {
        return false;
    }
    field->kind = ARROW_KIND_FIXED;
    bool is_uuid = field->size == 16 && equals(extension, "arrow.uuid");
    field->type = type_of(is_uuid ? TYPE_UUID : TYPE_BYTEA);
    return true;
}

static bool set_nested(struct arrow_field *field, const char *format)
{
    if (strcmp(format, "+l") == 0 || strcmp(format, "+L") == 0) {
        field->kind = ARROW_KIND_LIST;
        field->width = format[1] == 'L' ? 8 : 4;
        return true;
    }
    field->kind = ARROW_KIND_VECTOR;
    return strncmp(format, "+w:", 3) == 0 &&
           read_count(format + 3, VECTOR_DIMENSION_MAX, &field->size) && field->size > 0;
}

/* One letter. */
static bool set_simple(struct arrow_field *field, char letter)
{
    static const struct {
        char letter;
        uint8_t kind;
        uint8_t width;
        bool is_signed;
        uint8_t type;
    } simple[] = {
        {'n', ARROW_KIND_NULL, 0, false, TYPE_TEXT},
        {'b', ARROW_KIND_BOOL, 0, false, TYPE_BOOL},
        {'c', ARROW_KIND_INTEGER, 1, true, TYPE_INT2},
        {'C', ARROW_KIND_INTEGER, 1, false, TYPE_INT2},
        {'s', ARROW_KIND_INTEGER, 2, true, TYPE_INT2},
        {'S', ARROW_KIND_INTEGER, 2, false, TYPE_INT4},
        {'i', ARROW_KIND_INTEGER, 4, true, TYPE_INT4},
        {'I', ARROW_KIND_INTEGER, 4, false, TYPE_INT8},
        {'l', ARROW_KIND_INTEGER, 8, true, TYPE_INT8},
        {'L', ARROW_KIND_INTEGER, 8, false, TYPE_NUMERIC},
        {'e', ARROW_KIND_FLOAT, 2, true, TYPE_FLOAT4},
        {'f', ARROW_KIND_FLOAT, 4, true, TYPE_FLOAT4},
        {'g', ARROW_KIND_FLOAT, 8, true, TYPE_FLOAT8},
    };
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
        if (simple[i].letter == letter) {
            field->kind = simple[i].kind;
            field->width = simple[i].width;
            field->is_signed = simple[i].is_signed;
            field->type = type_of((enum type_id)simple[i].type);
            // 2^64 has twenty digits.
            field->type.precision = letter == 'L' ? 20 : 0;
            return true;
        }
    }
    return false;
}

tdbplus_status arrow_field_of_format(const char *format, struct span extension,
                                     struct arrow_field *field, struct err *err)
{
    bool good = false;
    switch (format[0]) {
    case 't':
        good = set_temporal(field, format);
        break;
    case 'd':
        good = format[1] == ':' && set_decimal(field, format);
        break;
    case 'u':
    case 'U':
    case 'z':
    case 'Z':
    case 'v':
        good = set_bytes(field, format, extension);
        break;
    case 'w':
        good = set_fixed(field, format, extension);
        break;
    case '+':
        good = set_nested(field, format);
        break;
    default:
        good = format[0] != 0 && format[1] == 0 && set_simple(field, format[0]);
    }
    if (good && strcmp(format, "l") == 0) {
        set_packed(field, extension, true);
    }
    return good ? TDBPLUS_OK : unsupported(field, format, err);
}

tdbplus_status arrow_field_finish(struct arrow_field *field, struct err *err)
{
    if (field->dictionary != NULL) {
        bool is_index = field->kind == ARROW_KIND_INTEGER &&
                        (field->type.id == TYPE_INT2 || field->type.id == TYPE_INT4 ||
                         field->type.id == TYPE_INT8 || field->type.id == TYPE_NUMERIC);
        if (!is_index) {
            return err_set(err, TDBPLUS_E_INVALID,
                           "arrow: field '%.100s' has a dictionary but no integer codes",
                           field->name);
        }
        field->type = field->dictionary->type;
        return TDBPLUS_OK;
    }
    if (field->kind != ARROW_KIND_LIST && field->kind != ARROW_KIND_VECTOR) {
        return TDBPLUS_OK;
    }
    if (field->child == NULL) {
        return err_set(err, TDBPLUS_E_INVALID, "arrow: the list '%.100s' has no field of items",
                       field->name);
    }
    struct type item = field->child->type;
    if (field->kind == ARROW_KIND_VECTOR) {
        if (field->child->kind != ARROW_KIND_FLOAT || field->child->dictionary != NULL) {
            return unsupported(field, "+w of something else than floats", err);
        }
        if (field->size == 0) {
            return unsupported(field, "+w of no items", err);
        }
        field->type = (struct type){.id = TYPE_VECTOR, .parameter = field->size};
        return TDBPLUS_OK;
    }
    if (item.id == TYPE_ARRAY) {
        return unsupported(field, "a list of lists", err);
    }
    field->type = item;
    field->type.element = item.id;
    field->type.id = TYPE_ARRAY;
    return TDBPLUS_OK;
}
