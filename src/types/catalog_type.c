#include "types/catalog_type.h"

#include <inttypes.h>
#include <string.h>

#include "types/text_internal.h"

#define NAME_SIZE_MAX 63u

/* Digits alone; a minus sign wraps around, as in PostgreSQL. */
static bool read_number(struct span text, int64_t *number_out, bool *fits_out)
{
    struct span word = text_trim(text);
    bool negative = word.size > 1 && word.data[0] == '-';
    uint64_t number = 0;
    for (size_t i = negative; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9') {
            return false;
        }
        number = number > UINT32_MAX ? number : number * 10 + (uint64_t)(word.data[i] - '0');
    }
    *number_out = (int64_t)(negative ? (uint32_t)(0 - number) : number);
    *fits_out = number <= UINT32_MAX;
    return word.size > negative;
}

static tdbplus_status parse_bytes(struct span text, size_t size_max, struct arena *arena,
                                  struct datum *datum, struct err *err)
{
    size_t size = text.size < size_max ? text.size : size_max;
    while (size > 0 && size < text.size && (text.data[size] & 0xC0) == 0x80) {
        size--; // Not within a character.
    }
    uint8_t *copy = arena_bytes(arena, size);
    if (copy == NULL) {
        return text_no_memory(err);
    }
    if (size > 0) {
        memcpy(copy, text.data, size);
    }
    datum->bytes = (struct span){.data = copy, .size = size};
    return TDBPLUS_OK;
}

tdbplus_status catalog_type_parse(struct span text, const struct text_style *style,
                                  struct arena *arena, struct datum *datum, struct err *err)
{
    if (datum->type.id == TYPE_NAME) {
        return parse_bytes(text, NAME_SIZE_MAX, arena, datum, err);
    }
    if (datum->type.id == TYPE_CHAR1) {
        return parse_bytes(text, 1, arena, datum, err);
    }
    bool fits = false;
    if (read_number(text, &datum->integer, &fits)) {
        return fits
                   ? TDBPLUS_OK
                   : err_set_state(err, TDBPLUS_E_RANGE, "22003",
                                   "value \"%.*s\" is out of range for type oid",
                                   (int)(text.size > 40 ? 40 : text.size), (const char *)text.data);
    }
    bool none = text.size == 1 && text.data[0] == '-';
    if (!catalog_reg_type(datum->type)) {
        return text_bad_syntax(datum->type, text, err);
    }
    if (none) {
        datum->integer = 0;
        return TDBPLUS_OK;
    }
    return style != NULL && style->reg_parse != NULL
               ? style->reg_parse(style->reg_ctx, datum->type.id, text, &datum->integer, err)
               : text_bad_syntax(datum->type, text, err);
}

void catalog_type_print(const struct datum *datum, const struct text_style *style,
                        struct buffer *text)
{
    if (datum->type.id == TYPE_NAME || datum->type.id == TYPE_CHAR1) {
        buffer_put_span(text, datum->bytes);
        return;
    }
    bool reg = catalog_reg_type(datum->type);
    if (reg && datum->integer == 0) {
        buffer_put_u8(text, '-');
    } else if (!reg || style == NULL || style->reg_print == NULL ||
               !style->reg_print(style->reg_ctx, datum->type.id, datum->integer, text)) {
        buffer_printf(text, "%" PRId64, datum->integer);
    }
}
