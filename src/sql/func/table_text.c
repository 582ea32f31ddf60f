#include "sql/func/text_kernel.h"

#include <string.h>
#include <utf8proc.h>

size_t text_length(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += (text.data[i] & 0xC0) != 0x80;
    }
    return count;
}

size_t text_offset(struct span text, size_t characters)
{
    size_t at = 0;
    while (at < text.size && characters > 0) {
        at += text_character_size(text.data[at]);
        characters--;
    }
    return at < text.size ? at : text.size;
}

uint8_t *text_make(struct func_call *call, size_t size, tdbplus_status *status)
{
    if (size > VALUE_SIZE_MAX) {
        *status = err_set_state(call->err, TDBPLUS_E_LIMIT, "54000",
                                "requested length too large: a value has at most %zu bytes",
                                VALUE_SIZE_MAX);
        return NULL;
    }
    uint8_t *bytes = arena_bytes(call->arena, size == 0 ? 1 : size);
    if (bytes == NULL) {
        *status = kernel_no_memory(call);
    }
    return bytes;
}

ptrdiff_t text_find(struct span text, struct span needle)
{
    if (needle.size == 0) {
        return 0;
    }
    const uint8_t *at = memmem(text.data, text.size, needle.data, needle.size);
    return at == NULL ? -1 : at - text.data;
}

/* ---- one text in, a number out ---- */

#define SPAN(view) view_span(&(view))

KERNEL_UNARY(length_text, struct view, int32_t, text_length(SPAN(a)))
KERNEL_UNARY(octet_length, struct view, int32_t, a.size)
KERNEL_UNARY(bit_length, struct view, int32_t, a.size * 8)

static int32_t first_code(struct span text)
{
    int32_t code = 0;
    if (text.size == 0 || utf8proc_iterate(text.data, (utf8proc_ssize_t)text.size, &code) <= 0) {
        return 0;
    }
    return code;
}

KERNEL_UNARY(ascii, struct view, int32_t, first_code(SPAN(a)))

static int32_t position_of(struct span text, struct span needle)
{
    ptrdiff_t at = text_find(text, needle);
    if (at < 0) {
        return 0;
    }
    return (int32_t)text_length((struct span){.data = text.data, .size = (size_t)at}) + 1;
}

KERNEL_BINARY(position, struct view, struct view, int32_t, position_of(SPAN(a), SPAN(b)))
KERNEL_BINARY(starts_with, struct view, struct view, uint8_t,
              a.size >= b.size && memcmp(view_data(&a), view_data(&b), b.size) == 0)

/* ---- letters ---- */

enum letter_case { LOWER, UPPER, INITIAL };

static size_t change_case(struct span text, enum letter_case to, uint8_t *out)
{
    size_t size = 0;
    bool in_word = false;
    for (size_t at = 0; at < text.size;) {
        int32_t code = 0;
        utf8proc_ssize_t used =
            utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size - at), &code);
        if (used <= 0) {
            out[size++] = text.data[at++];
            continue;
        }
        at += (size_t)used;
        bool upper = to == UPPER || (to == INITIAL && !in_word);
        // The sharp s has no capital of one letter that PostgreSQL would give.
        int32_t changed = upper && code != 0xDF ? utf8proc_toupper(code)
                          : upper               ? code
                                                : utf8proc_tolower(code);
        utf8proc_category_t category = utf8proc_category(code);
        in_word = category <= UTF8PROC_CATEGORY_LO || category == UTF8PROC_CATEGORY_ND;
        size += (size_t)utf8proc_encode_char(changed, out + size);
    }
    return size;
}

static tdbplus_status change_cases(struct func_call *call, enum letter_case to)
{
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        // No simple mapping turns two bytes into four; three bytes may come from two.
        uint8_t *out = text_make(call, text.size * 2, &status);
        if (out == NULL) {
            return status;
        }
        text_result(call, row, (struct span){.data = out, .size = change_case(text, to, out)});
    }
    return TDBPLUS_OK;
}

static tdbplus_status lower(struct func_call *call)
{
    return change_cases(call, LOWER);
}

static tdbplus_status upper(struct func_call *call)
{
    return change_cases(call, UPPER);
}

static tdbplus_status initcap(struct func_call *call)
{
    return change_cases(call, INITIAL);
}

/* ---- parts: the result points into the argument ---- */

static struct span part_of(struct span text, int64_t begin, int64_t end)
{
    // Characters [begin, end), counted from 0, cut to the text.
    if (end < 0) {
        end = 0;
    }
    if (begin < 0) {
        begin = 0;
    }
    if (end <= begin) {
        return (struct span){.data = text.data, .size = 0};
    }
    size_t from = text_offset(text, (size_t)begin);
    struct span rest = {.data = text.data + from, .size = text.size - from};
    rest.size = text_offset(rest, (size_t)(end - begin));
    return rest;
}

/* A view in a column must not point at another view's inline bytes, which may move. */
static tdbplus_status keep_part(struct func_call *call, uint32_t row, struct span part)
{
    text_result(call, row, part);
    return TDBPLUS_OK;
}

static tdbplus_status substring_from(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        int64_t begin = (int64_t)int4_argument(call, 1, row) - 1;
        TRY(keep_part(call, row, part_of(text_argument(call, 0, row), begin, INT64_MAX / 2)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status substring_from_for(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        int64_t begin = (int64_t)int4_argument(call, 1, row) - 1;
        int64_t size = int4_argument(call, 2, row);
        if (size < 0) {
            return err_set_state(call->err, TDBPLUS_E_SQL, "22011",
                                 "negative substring length not allowed");
        }
        TRY(keep_part(call, row, part_of(text_argument(call, 0, row), begin, begin + size)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status left(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        int64_t count = int4_argument(call, 1, row);
        count = count < 0 ? (int64_t)text_length(text) + count : count;
        TRY(keep_part(call, row, part_of(text, 0, count)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status right(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        int64_t length = (int64_t)text_length(text);
        int64_t count = int4_argument(call, 1, row);
        int64_t begin = count < 0 ? -count : length - count;
        TRY(keep_part(call, row, part_of(text, begin, length)));
    }
    return TDBPLUS_OK;
}

static bool in_set(struct span set, struct span character)
{
    for (size_t at = 0; at < set.size; at += text_character_size(set.data[at])) {
        size_t size = text_character_size(set.data[at]);
        if (size == character.size && size <= set.size - at &&
            memcmp(set.data + at, character.data, size) == 0) {
            return true;
        }
    }
    return false;
}

static struct span trim_set(struct span text, struct span set, bool begin, bool end)
{
    while (begin && text.size > 0) {
        size_t size = text_character_size(text.data[0]);
        if (size > text.size || !in_set(set, (struct span){.data = text.data, .size = size})) {
            break;
        }
        text.data += size;
        text.size -= size;
    }
    while (end && text.size > 0) {
        size_t size = 1;
        while (size < text.size && (text.data[text.size - size] & 0xC0) == 0x80) {
            size++;
        }
        struct span last = {.data = text.data + text.size - size, .size = size};
        if (!in_set(set, last)) {
            break;
        }
        text.size -= size;
    }
    return text;
}

static tdbplus_status trim(struct func_call *call, bool begin, bool end)
{
    struct span blank = span_from_text(" ");
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span set = call->argument_count > 1 ? text_argument(call, 1, row) : blank;
        TRY(keep_part(call, row, trim_set(text_argument(call, 0, row), set, begin, end)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status trim_both(struct func_call *call)
{
    return trim(call, true, true);
}

static tdbplus_status trim_left(struct func_call *call)
{
    return trim(call, true, false);
}

static tdbplus_status trim_right(struct func_call *call)
{
    return trim(call, false, true);
}

/* The field'th part (from 1; from the end if negative) of a text cut at a separator. */
static struct span nth_part(struct span text, struct span separator, int64_t field)
{
    struct span none = {.data = text.data, .size = 0};
    if (separator.size == 0) {
        return field == 1 || field == -1 ? text : none;
    }
    if (field < 0) {
        int64_t parts = 1;
        struct span rest = text;
        for (ptrdiff_t at; (at = text_find(rest, separator)) >= 0; parts++) {
            size_t skip = (size_t)at + separator.size;
            rest = (struct span){.data = rest.data + skip, .size = rest.size - skip};
        }
        field = parts + field + 1;
        if (field < 1) {
            return none;
        }
    }
    for (;;) {
        ptrdiff_t at = text_find(text, separator);
        if (field == 1) {
            return at < 0 ? text : (struct span){.data = text.data, .size = (size_t)at};
        }
        if (at < 0) {
            return none;
        }
        size_t skip = (size_t)at + separator.size;
        text = (struct span){.data = text.data + skip, .size = text.size - skip};
        field--;
    }
}

static tdbplus_status split_part(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        int32_t field = int4_argument(call, 2, row);
        if (field == 0) {
            return err_set(call->err, TDBPLUS_E_INVALID, "field position must not be zero");
        }
        struct span part =
            nth_part(text_argument(call, 0, row), text_argument(call, 1, row), field);
        TRY(keep_part(call, row, part));
    }
    return TDBPLUS_OK;
}

/* ---- new texts ---- */

static tdbplus_status concatenate(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span a = text_argument(call, 0, row);
        struct span b = text_argument(call, 1, row);
        uint8_t *out = text_make(call, a.size + b.size, &status);
        if (out == NULL) {
            return status;
        }
        memcpy(out, a.data, a.size);
        memcpy(out + a.size, b.data, b.size);
        text_result(call, row, (struct span){.data = out, .size = a.size + b.size});
    }
    return TDBPLUS_OK;
}

/* concat() and concat_ws(): nulls are left out. `from` is the first argument to be joined. */
static tdbplus_status join_texts(struct func_call *call, uint32_t row, uint32_t from,
                                 struct span separator)
{
    size_t size = 0;
    for (uint32_t a = from; a < call->argument_count; a++) {
        if (!column_is_null(&call->arguments[a], row)) {
            size += text_argument(call, a, row).size + separator.size;
        }
    }
    tdbplus_status status = TDBPLUS_OK;
    uint8_t *out = text_make(call, size, &status);
    if (out == NULL) {
        return status;
    }
    size_t at = 0;
    bool first = true;
    for (uint32_t a = from; a < call->argument_count; a++) {
        if (column_is_null(&call->arguments[a], row)) {
            continue;
        }
        if (!first) {
            memcpy(out + at, separator.data, separator.size);
            at += separator.size;
        }
        first = false;
        struct span part = text_argument(call, a, row);
        memcpy(out + at, part.data, part.size);
        at += part.size;
    }
    text_result(call, row, (struct span){.data = out, .size = at});
    return TDBPLUS_OK;
}

static tdbplus_status concat(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        TRY(join_texts(call, kernel_row(call, i), 0, span_from_text("")));
    }
    return TDBPLUS_OK;
}

static tdbplus_status concat_ws(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        if (column_is_null(&call->arguments[0], row)) {
            kernel_set_null(call, row);
            continue;
        }
        TRY(join_texts(call, row, 1, text_argument(call, 0, row)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status repeat(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        int32_t times = int4_argument(call, 1, row);
        size_t count = times < 0 ? 0 : (size_t)times;
        uint8_t *out = text_make(call, text.size * count, &status);
        if (out == NULL) {
            return status;
        }
        for (size_t n = 0; n < count; n++) {
            memcpy(out + n * text.size, text.data, text.size);
        }
        text_result(call, row, (struct span){.data = out, .size = text.size * count});
    }
    return TDBPLUS_OK;
}

static tdbplus_status reverse(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        uint8_t *out = text_make(call, text.size, &status);
        if (out == NULL) {
            return status;
        }
        for (size_t at = 0; at < text.size;) {
            size_t size = text_character_size(text.data[at]);
            size = size > text.size - at ? text.size - at : size;
            memcpy(out + text.size - at - size, text.data + at, size);
            at += size;
        }
        text_result(call, row, (struct span){.data = out, .size = text.size});
    }
    return TDBPLUS_OK;
}

static tdbplus_status replace_one(struct func_call *call, uint32_t row)
{
    struct span text = text_argument(call, 0, row);
    struct span from = text_argument(call, 1, row);
    struct span to = text_argument(call, 2, row);
    size_t count = 0;
    struct span rest = text;
    for (ptrdiff_t at; from.size > 0 && (at = text_find(rest, from)) >= 0; count++) {
        size_t skip = (size_t)at + from.size;
        rest = (struct span){.data = rest.data + skip, .size = rest.size - skip};
    }
    tdbplus_status status = TDBPLUS_OK;
    size_t size = text.size - count * from.size + count * to.size;
    uint8_t *out = text_make(call, size, &status);
    if (out == NULL) {
        return status;
    }
    size_t used = 0;
    rest = text;
    for (size_t n = 0; n < count; n++) {
        size_t at = (size_t)text_find(rest, from);
        memcpy(out + used, rest.data, at);
        memcpy(out + used + at, to.data, to.size);
        used += at + to.size;
        rest.data += at + from.size;
        rest.size -= at + from.size;
    }
    memcpy(out + used, rest.data, rest.size);
    text_result(call, row, (struct span){.data = out, .size = size});
    return TDBPLUS_OK;
}

static tdbplus_status replace(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        TRY(replace_one(call, kernel_row(call, i)));
    }
    return TDBPLUS_OK;
}

/* Characters of `from` become those at the same place of `to`, or vanish. */
static tdbplus_status translate_one(struct func_call *call, uint32_t row)
{
    struct span text = text_argument(call, 0, row);
    struct span from = text_argument(call, 1, row);
    struct span to = text_argument(call, 2, row);
    tdbplus_status status = TDBPLUS_OK;
    uint8_t *out = text_make(call, text.size * 4, &status);
    if (out == NULL) {
        return status;
    }
    size_t used = 0;
    for (size_t at = 0; at < text.size;) {
        size_t size = text_character_size(text.data[at]);
        struct span character = {.data = text.data + at, .size = size};
        at += size;
        size_t place = 0;
        size_t in_from = 0;
        while (in_from < from.size) {
            size_t from_size = text_character_size(from.data[in_from]);
            if (from_size == size && memcmp(from.data + in_from, character.data, size) == 0) {
                break;
            }
            in_from += from_size;
            place++;
        }
        if (in_from < from.size) {
            size_t begin = text_offset(to, place);
            character.data = to.data + begin;
            character.size = begin < to.size ? text_character_size(to.data[begin]) : 0;
        }
        memcpy(out + used, character.data, character.size);
        used += character.size;
    }
    text_result(call, row, (struct span){.data = out, .size = used});
    return TDBPLUS_OK;
}

static tdbplus_status translate(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        TRY(translate_one(call, kernel_row(call, i)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status pad_one(struct func_call *call, uint32_t row, bool at_left)
{
    struct span text = text_argument(call, 0, row);
    int32_t wanted = int4_argument(call, 1, row);
    size_t target = wanted < 0 ? 0 : (size_t)wanted;
    struct span fill = call->argument_count > 2 ? text_argument(call, 2, row) : span_from_text(" ");
    size_t length = text_length(text);
    if (length >= target || fill.size == 0) {
        size_t keep = text_offset(text, target);
        text_result(call, row, (struct span){.data = text.data, .size = keep});
        return TDBPLUS_OK;
    }
    size_t missing = target - length;
    size_t fill_length = text_length(fill);
    size_t whole = missing / fill_length;
    size_t part = text_offset(fill, missing % fill_length);
    tdbplus_status status = TDBPLUS_OK;
    size_t fill_size = whole * fill.size + part;
    uint8_t *out = text_make(call, text.size + fill_size, &status);
    if (out == NULL) {
        return status;
    }
    uint8_t *filling = at_left ? out : out + text.size;
    for (size_t n = 0; n < whole; n++) {
        memcpy(filling + n * fill.size, fill.data, fill.size);
    }
    memcpy(filling + whole * fill.size, fill.data, part);
    memcpy(at_left ? out + fill_size : out, text.data, text.size);
    text_result(call, row, (struct span){.data = out, .size = text.size + fill_size});
    return TDBPLUS_OK;
}

static tdbplus_status pad_left(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        TRY(pad_one(call, kernel_row(call, i), true));
    }
    return TDBPLUS_OK;
}

static tdbplus_status pad_right(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        TRY(pad_one(call, kernel_row(call, i), false));
    }
    return TDBPLUS_OK;
}

static tdbplus_status chr(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        int32_t code = int4_argument(call, 0, row);
        if (code == 0) {
            return err_set_state(call->err, TDBPLUS_E_LIMIT, "54000",
                                 "null character not permitted");
        }
        uint8_t bytes[4];
        if (code < 0) {
            return err_set(call->err, TDBPLUS_E_INVALID, "character number must be positive");
        }
        if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
            return err_set_state(call->err, TDBPLUS_E_LIMIT, "54000",
                                 "requested character too large for encoding: %d", code);
        }
        size_t size = (size_t)utf8proc_encode_char(code, bytes);
        text_result(call, row, (struct span){.data = bytes, .size = size});
    }
    return TDBPLUS_OK;
}

static void hexadecimal(uint64_t value, struct func_call *call, uint32_t row)
{
    uint8_t digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t) "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0);
    // At most 12 bytes would be inline; longer ones need a home.
    uint8_t *home = arena_bytes(call->arena, sizeof digits);
    if (home == NULL) {
        return;
    }
    memcpy(home, digits + at, sizeof digits - at);
    text_result(call, row, (struct span){.data = home, .size = sizeof digits - at});
}

static tdbplus_status to_hex(struct func_call *call)
{
    if (!arena_reserve(call->arena, (size_t)call->count * 16)) {
        return kernel_no_memory(call);
    }
    const struct column *column = &call->arguments[0];
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        uint32_t at = row & kernel_mask(column);
        uint64_t value = column->type.id == TYPE_INT4 ? ((const uint32_t *)column->data)[at]
                                                      : ((const uint64_t *)column->data)[at];
        hexadecimal(value, call, row);
    }
    return TDBPLUS_OK;
}

#define TX TYPE_TEXT
#define I4 TYPE_INT4
#define CN (FUNC_CALLED_ON_NULL | FUNC_VARIADIC)

const struct func table_text[] = {
    {"length", 1, {TX}, I4, 0, length_text, "Number of characters."},
    {"length", 1, {TYPE_BYTEA}, I4, 0, octet_length, "Number of bytes."},
    {"char_length", 1, {TX}, I4, 0, length_text, "Number of characters."},
    {"character_length", 1, {TX}, I4, 0, length_text, "Number of characters."},
    {"octet_length", 1, {TX}, I4, 0, octet_length, "Number of bytes."},
    {"octet_length", 1, {TYPE_BYTEA}, I4, 0, octet_length, "Number of bytes."},
    {"octet_length", 1, {TYPE_BPCHAR}, I4, 0, octet_length, "Number of bytes."},
    {"bit_length", 1, {TX}, I4, 0, bit_length, "Number of bits."},
    {"ascii", 1, {TX}, I4, 0, ascii, "Code of the first character."},
    {"chr", 1, {I4}, TX, 0, chr, "Character of a code."},
    {"strpos", 2, {TX, TX}, I4, 0, position, "Where the second text begins in the first, or 0."},
    {"position", 2, {TX, TX}, I4, 0, position, "Where the second text begins in the first, or 0."},
    {"starts_with", 2, {TX, TX}, TYPE_BOOL, 0, starts_with, "True if the first begins so."},
    {"^@", 2, {TX, TX}, TYPE_BOOL, FUNC_OPERATOR, starts_with, "True if the first begins so."},
    {"lower", 1, {TX}, TX, 0, lower, "In lower case."},
    {"upper", 1, {TX}, TX, 0, upper, "In upper case."},
    {"initcap", 1, {TX}, TX, 0, initcap, "Each word with a capital."},
    {"substr", 2, {TX, I4}, TX, 0, substring_from, "From that character on."},
    {"substr", 3, {TX, I4, I4}, TX, 0, substring_from_for, "So many characters from there."},
    {"substring", 2, {TX, I4}, TX, 0, substring_from, "From that character on."},
    {"substring", 3, {TX, I4, I4}, TX, 0, substring_from_for, "So many characters from there."},
    {"left", 2, {TX, I4}, TX, 0, left, "The first characters."},
    {"right", 2, {TX, I4}, TX, 0, right, "The last characters."},
    {"btrim", 1, {TX}, TX, 0, trim_both, "Without blanks at both ends."},
    {"btrim", 2, {TX, TX}, TX, 0, trim_both, "Without those characters at both ends."},
    {"ltrim", 1, {TX}, TX, 0, trim_left, "Without blanks at the beginning."},
    {"ltrim", 2, {TX, TX}, TX, 0, trim_left, "Without those characters at the beginning."},
    {"rtrim", 1, {TX}, TX, 0, trim_right, "Without blanks at the end."},
    {"rtrim", 2, {TX, TX}, TX, 0, trim_right, "Without those characters at the end."},
    {"split_part", 3, {TX, TX, I4}, TX, 0, split_part, "A part between separators."},
    {"||", 2, {TX, TX}, TX, FUNC_OPERATOR, concatenate, "Both texts, one after the other."},
    {"||", 2, {TYPE_BYTEA, TYPE_BYTEA}, TYPE_BYTEA, FUNC_OPERATOR, concatenate, "Both, joined."},
    {"||",
     2,
     {TX, FUNC_AS_TEXT},
     TX,
     FUNC_OPERATOR,
     concatenate,
     "The text and the other value cast to text."},
    {"||",
     2,
     {FUNC_AS_TEXT, TX},
     TX,
     FUNC_OPERATOR,
     concatenate,
     "The value cast to text and the other text."},
    {"textcat", 2, {TX, TX}, TX, 0, concatenate, "Both texts, one after the other."},
    {"concat", 1, {FUNC_PRINTED}, TX, CN, concat, "All arguments joined, nulls left out."},
    {"concat_ws",
     2,
     {TX, FUNC_PRINTED},
     TX,
     CN | FUNC_NULLABLE,
     concat_ws,
     "The others joined with the first between, nulls left out."},
    {"repeat", 2, {TX, I4}, TX, 0, repeat, "The text so many times."},
    {"reverse", 1, {TX}, TX, 0, reverse, "The characters backwards."},
    {"replace", 3, {TX, TX, TX}, TX, 0, replace, "The second replaced by the third."},
    {"translate", 3, {TX, TX, TX}, TX, 0, translate, "Characters replaced one by one."},
    {"lpad", 2, {TX, I4}, TX, 0, pad_left, "Filled with blanks at the left."},
    {"lpad", 3, {TX, I4, TX}, TX, 0, pad_left, "Filled at the left."},
    {"rpad", 2, {TX, I4}, TX, 0, pad_right, "Filled with blanks at the right."},
    {"rpad", 3, {TX, I4, TX}, TX, 0, pad_right, "Filled at the right."},
    {"to_hex", 1, {I4}, TX, 0, to_hex, "Hexadecimal digits."},
    {"to_hex", 1, {TYPE_INT8}, TX, 0, to_hex, "Hexadecimal digits."},
    FUNC_END,
};
