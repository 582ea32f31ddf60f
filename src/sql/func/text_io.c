/* Values as text, in and out, for types whose forms need no other module. */

#include <inttypes.h>
#include <string.h>

#include "sql/func/func.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "out of memory for a value");
}

tdbplus_status func_print(const struct datum *value, struct buffer *buffer, struct err *err)
{
    switch (value->type.id) {
    case TYPE_BOOL:
        buffer_put_text(buffer, value->boolean ? "t" : "f");
        break;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        buffer_printf(buffer, "%" PRId64, value->integer);
        break;
    case TYPE_TEXT:
        buffer_put_span(buffer, value->bytes);
        break;
    default: {
        char name[64];
        type_name(value->type, name);
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "type %s cannot be printed yet", name);
    }
    }
    return buffer->failed ? no_memory(err) : TDBPLUS_OK;
}

static tdbplus_status invalid(struct span text, const char *type, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "22P02", "invalid input syntax for type %s: \"%.*s\"",
                         type, (int)(text.size > 200 ? 200 : text.size), (const char *)text.data);
}

static struct span trimmed(struct span text)
{
    while (text.size > 0 && (text.data[0] == ' ' || (text.data[0] >= 9 && text.data[0] <= 13))) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' ||
                             (text.data[text.size - 1] >= 9 && text.data[text.size - 1] <= 13))) {
        text.size--;
    }
    return text;
}

static tdbplus_status read_integer(struct span text, int64_t min, int64_t max, const char *type,
                                   int64_t *value_out, struct err *err)
{
    struct span digits = trimmed(text);
    bool negative = digits.size > 0 && digits.data[0] == '-';
    if (negative || (digits.size > 0 && digits.data[0] == '+')) {
        digits.data++;
        digits.size--;
    }
    if (digits.size == 0) {
        return invalid(text, type, err);
    }
    int64_t value = 0;
    bool overflow = false;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return invalid(text, type, err);
        }
        int64_t digit = digits.data[i] - '0';
        // Downwards, because the smallest value has no positive counterpart.
        overflow = overflow || __builtin_mul_overflow(value, (int64_t)10, &value) ||
                   __builtin_sub_overflow(value, digit, &value);
    }
    overflow = overflow || (!negative && __builtin_sub_overflow((int64_t)0, value, &value));
    if (overflow || value < min || value > max) {
        return err_set(err, TDBPLUS_E_RANGE, "value \"%.*s\" is out of range for type %s",
                       (int)(text.size > 200 ? 200 : text.size), (const char *)text.data, type);
    }
    *value_out = value;
    return TDBPLUS_OK;
}

/* Any beginning of these words that says which one it is. */
static tdbplus_status read_bool(struct span text, bool *value_out, struct err *err)
{
    static const struct {
        const char *word;
        size_t least;
        bool value;
    } words[] = {{"true", 1, true},   {"yes", 1, true}, {"on", 2, true},   {"1", 1, true},
                 {"false", 1, false}, {"no", 1, false}, {"off", 2, false}, {"0", 1, false}};
    struct span word = trimmed(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (word.size >= words[i].least && word.size <= strlen(words[i].word) &&
            strncasecmp((const char *)word.data, words[i].word, word.size) == 0) {
            *value_out = words[i].value;
            return TDBPLUS_OK;
        }
    }
    return invalid(text, "boolean", err);
}

tdbplus_status func_read(struct span text, struct type type, struct arena *arena,
                         struct datum *value_out, struct err *err)
{
    (void)arena;
    struct datum value = {.type = type};
    switch (type.id) {
    case TYPE_BOOL:
        TRY(read_bool(text, &value.boolean, err));
        break;
    case TYPE_INT2:
        TRY(read_integer(text, INT16_MIN, INT16_MAX, "smallint", &value.integer, err));
        break;
    case TYPE_INT4:
        TRY(read_integer(text, INT32_MIN, INT32_MAX, "integer", &value.integer, err));
        break;
    case TYPE_INT8:
        TRY(read_integer(text, INT64_MIN, INT64_MAX, "bigint", &value.integer, err));
        break;
    case TYPE_TEXT:
        value.bytes = text;
        break;
    default: {
        char name[64];
        type_name(type, name);
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "type %s cannot be read from text yet", name);
    }
    }
    *value_out = value;
    return TDBPLUS_OK;
}
