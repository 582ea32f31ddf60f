/* Texts: format, quoting, overlay, normal forms. */

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "sql/func/value_kernel.h"

/* ---- quoting ---- */

/* PostgreSQL 15's keywords that must be quoted as names. */
static const char reserved_words[] =
    " all analyse analyze and any array as asc asymmetric authorization between bigint "
    "binary bit boolean both case cast char character check coalesce collate collation "
    "column concurrently constraint create cross current_catalog current_date current_role "
    "current_schema current_time current_timestamp current_user dec decimal default "
    "deferrable desc distinct do else end except exists extract false fetch float for "
    "foreign freeze from full grant greatest group grouping having ilike in initially inner "
    "inout int integer intersect interval into is isnull join lateral leading least left "
    "like limit localtime localtimestamp national natural nchar none normalize not notnull "
    "null nullif numeric offset on only or order out outer overlaps overlay placing "
    "position precision primary real references returning right row select session_user "
    "setof similar smallint some substring symmetric table tablesample then time timestamp "
    "to trailing treat trim true union unique user using values varchar variadic verbose "
    "when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest "
    "xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable ";

static bool is_reserved(struct span name)
{
    char word[66];
    if (name.size > 63) {
        return false;
    }
    (void)snprintf(word, sizeof word, " %.*s ", (int)name.size, (const char *)name.data);
    return strstr(reserved_words, word) != NULL;
}

static bool is_plain_name(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        bool letter = (byte >= 'a' && byte <= 'z') || byte == '_';
        bool digit = byte >= '0' && byte <= '9';
        if (!letter && (i == 0 || !digit)) {
            return false;
        }
    }
    return name.size > 0 && !is_reserved(name);
}

static void put_name(struct span name, struct buffer *out)
{
    if (is_plain_name(name)) {
        buffer_put_span(out, name);
        return;
    }
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < name.size; i++) {
        buffer_put_text(out, name.data[i] == '"' ? "\"" : "");
        buffer_put_u8(out, name.data[i]);
    }
    buffer_put_u8(out, '"');
}

static void put_literal(struct span text, struct buffer *out)
{
    bool escapes = text.size > 0 && memchr(text.data, '\\', text.size) != NULL;
    buffer_put_text(out, escapes ? "E'" : "'");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'' || text.data[i] == '\\') {
            buffer_put_u8(out, text.data[i]);
        }
        buffer_put_u8(out, text.data[i]);
    }
    buffer_put_u8(out, '\'');
}

static tdbplus_status quote_ident_text(struct func_call *call, uint32_t row, struct buffer *out)
{
    put_name(text_argument(call, 0, row), out);
    return TDBPLUS_OK;
}

static tdbplus_status quote_literal_text(struct func_call *call, uint32_t row, struct buffer *out)
{
    if (kernel_is_null(call, 0, row)) {
        buffer_put_text(out, "NULL");
    } else {
        put_literal(text_argument(call, 0, row), out);
    }
    return TDBPLUS_OK;
}

/* The texts that a cast gives, unlike what is printed. */
static tdbplus_status quote_truth_text(struct func_call *call, uint32_t row, struct buffer *out)
{
    if (kernel_is_null(call, 0, row)) {
        buffer_put_text(out, "NULL");
    } else {
        buffer_put_text(out, kernel_argument(call, 0, row).boolean ? "'true'" : "'false'");
    }
    return TDBPLUS_OK;
}

WRITER_KERNEL(quote_truth, quote_truth_text)
WRITER_KERNEL(quote_ident, quote_ident_text)
WRITER_KERNEL(quote_literal, quote_literal_text)

/* ---- format ---- */

struct format {
    struct func_call *call;
    uint32_t row;
    struct span rest;
    uint32_t next; /* Argument. */
    struct buffer *out;
};

struct directive {
    uint32_t argument; /* 0: the next one. */
    int64_t width;
    bool left;
    uint8_t kind;
};

static tdbplus_status unterminated(struct format *format)
{
    tdbplus_status status =
        kernel_error(format->call, "22023", "unterminated format() type specifier");
    err_hint(format->call->err, "For a single \"%%\" use \"%%%%\".");
    return status;
}

static bool read_digits(struct format *format, int64_t *value_out)
{
    size_t digits = 0;
    *value_out = 0;
    while (format->rest.size > 0 && format->rest.data[0] >= '0' && format->rest.data[0] <= '9') {
        *value_out =
            *value_out > INT32_MAX ? *value_out : *value_out * 10 + (format->rest.data[0] - '0');
        format->rest.data++;
        format->rest.size--;
        digits++;
    }
    return digits > 0;
}

static bool take(struct format *format, uint8_t byte)
{
    if (format->rest.size == 0 || format->rest.data[0] != byte) {
        return false;
    }
    format->rest.data++;
    format->rest.size--;
    return true;
}

/* The argument that a directive names, or the next one. */
static tdbplus_status choose_argument(struct format *format, uint32_t named, uint32_t *number_out)
{
    *number_out = named != 0 ? named : format->next;
    format->next = *number_out + 1;
    if (*number_out >= format->call->argument_count) {
        return kernel_error(format->call, "22023", "too few arguments for format()");
    }
    return TDBPLUS_OK;
}

static tdbplus_status width_argument(struct format *format, struct directive *directive)
{
    int64_t named = 0;
    uint32_t number = 0;
    if (read_digits(format, &named)) {
        if (!take(format, '$')) {
            return kernel_error(format->call, "22023",
                                "width argument position must be ended by \"$\"");
        }
        if (named == 0) {
            return kernel_error(format->call, "22023",
                                "format specifies argument 0, but arguments are numbered from 1");
        }
    }
    TRY(choose_argument(format, (uint32_t)named, &number));
    if (kernel_is_null(format->call, number, format->row)) {
        return TDBPLUS_OK;
    }
    struct span text = text_argument(format->call, number, format->row);
    struct datum width = {0};
    TRY(func_read(text, type_of(TYPE_INT4), format->call->arena, &width, format->call->err));
    directive->left = directive->left || width.integer < 0;
    directive->width = width.integer < 0 ? -width.integer : width.integer;
    return TDBPLUS_OK;
}

static tdbplus_status read_directive(struct format *format, struct directive *directive)
{
    int64_t number = 0;
    bool has_number = read_digits(format, &number);
    if (has_number && take(format, '$')) {
        if (number == 0) {
            return kernel_error(format->call, "22023",
                                "format specifies argument 0, but arguments are numbered from 1");
        }
        directive->argument = (uint32_t)number;
        has_number = false;
    } else if (has_number) {
        directive->width = number;
    }
    while (!has_number && take(format, '-')) {
        directive->left = true;
    }
    if (!has_number && take(format, '*')) {
        TRY(width_argument(format, directive));
    } else if (!has_number) {
        (void)read_digits(format, &directive->width);
    }
    if (directive->width > INT32_MAX) {
        return kernel_error(format->call, "22003", "number is out of range");
    }
    if (format->rest.size == 0) {
        return unterminated(format);
    }
    directive->kind = format->rest.data[0];
    format->rest.data++;
    format->rest.size--;
    return TDBPLUS_OK;
}

static tdbplus_status put_padded(struct format *format, struct span text,
                                 const struct directive *directive)
{
    int64_t length = (int64_t)text_length(text);
    int64_t missing = directive->width > length ? directive->width - length : 0;
    if ((uint64_t)missing > VALUE_SIZE_MAX) {
        return kernel_error(format->call, "54000", "requested length too large");
    }
    for (int64_t i = 0; !directive->left && i < missing; i++) {
        buffer_put_u8(format->out, ' ');
    }
    buffer_put_span(format->out, text);
    for (int64_t i = 0; directive->left && i < missing; i++) {
        buffer_put_u8(format->out, ' ');
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_argument(struct format *format, const struct directive *directive)
{
    uint32_t number = 0;
    tdbplus_status status = TDBPLUS_OK;
    uint8_t kind = directive->kind;
    if (kind != 's' && kind != 'I' && kind != 'L') {
        status = kernel_error(format->call, "22023", "unrecognized format() type specifier \"%c\"",
                              kind);
        err_hint(format->call->err, "For a single \"%%\" use \"%%%%\".");
        return status;
    }
    TRY(choose_argument(format, directive->argument, &number));
    bool null = kernel_is_null(format->call, number, format->row);
    struct span text = null ? span_from_text(kind == 'L' ? "NULL" : "")
                            : text_argument(format->call, number, format->row);
    if (null && kind == 'I') {
        return kernel_error(format->call, "22004",
                            "null values cannot be formatted as an SQL identifier");
    }
    struct buffer quoted;
    buffer_init(&quoted, format->call->arena->alloc);
    if (kind == 'I') {
        put_name(text, &quoted);
        text = buffer_span(&quoted);
    } else if (kind == 'L' && !null) {
        put_literal(text, &quoted);
        text = buffer_span(&quoted);
    }
    status = put_padded(format, text, directive);
    format->out->failed = format->out->failed || quoted.failed;
    buffer_deinit(&quoted);
    return status;
}

static tdbplus_status format_text(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct format format = {
        .call = call, .row = row, .rest = text_argument(call, 0, row), .next = 1, .out = out};
    while (format.rest.size > 0) {
        uint8_t byte = format.rest.data[0];
        format.rest.data++;
        format.rest.size--;
        if (byte != '%') {
            buffer_put_u8(out, byte);
            continue;
        }
        if (format.rest.size == 0) {
            return unterminated(&format);
        }
        if (take(&format, '%')) {
            buffer_put_u8(out, '%');
            continue;
        }
        struct directive directive = {0};
        TRY(read_directive(&format, &directive));
        TRY(put_argument(&format, &directive));
    }
    return TDBPLUS_OK;
}

static tdbplus_status format_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->is_null = kernel_is_null(call, 0, row);
    return result->is_null ? TDBPLUS_OK : kernel_write(call, row, format_text, result);
}

ROW_KERNEL(format)

/* ---- overlay ---- */

static tdbplus_status overlay_text(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span text = text_argument(call, 0, row);
    struct span with = text_argument(call, 1, row);
    bool bytes = call->result->type.id == TYPE_BYTEA;
    int64_t from = int4_argument(call, 2, row);
    int64_t count = call->argument_count > 3 ? int4_argument(call, 3, row)
                    : bytes                  ? (int64_t)with.size
                                             : (int64_t)text_length(with);
    if (from <= 0) {
        return kernel_error(call, "22011", "negative substring length not allowed");
    }
    if (from + count > INT32_MAX) {
        return kernel_out_of_range(call, "integer");
    }
    int64_t after = from + count - 1 < 0 ? 0 : from + count - 1;
    size_t head = bytes ? (size_t)(from - 1) : text_offset(text, (size_t)(from - 1));
    size_t tail = bytes ? (size_t)after : text_offset(text, (size_t)after);
    head = head > text.size ? text.size : head;
    tail = tail > text.size ? text.size : tail;
    buffer_put(out, text.data, head);
    buffer_put_span(out, with);
    buffer_put(out, text.data + tail, text.size - tail);
    return TDBPLUS_OK;
}

WRITER_KERNEL(overlay, overlay_text)

/* ---- normal forms ---- */

static tdbplus_status find_form(struct func_call *call, uint32_t row, utf8proc_option_t *options)
{
    static const struct {
        const char *name;
        int options;
    } forms[] = {{"NFC", UTF8PROC_STABLE | UTF8PROC_COMPOSE},
                 {"NFD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE},
                 {"NFKC", UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
                 {"NFKD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT}};
    struct span name =
        call->argument_count > 1 ? text_argument(call, 1, row) : span_from_text("NFC");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strlen(forms[i].name) == name.size &&
            strncasecmp(forms[i].name, (const char *)name.data, name.size) == 0) {
            *options = (utf8proc_option_t)forms[i].options;
            return TDBPLUS_OK;
        }
    }
    return kernel_error(call, "22023", "invalid normalization form: %.*s", (int)name.size,
                        (const char *)name.data);
}

static tdbplus_status normalize_text(struct func_call *call, uint32_t row, struct buffer *out)
{
    utf8proc_option_t options = 0;
    struct span text = text_argument(call, 0, row);
    TRY(find_form(call, row, &options));
    // One character becomes at most eighteen.
    utf8proc_ssize_t room = (utf8proc_ssize_t)text.size * 18 + 1;
    int32_t *codes = arena_alloc(call->arena, (size_t)room * sizeof *codes);
    if (codes == NULL) {
        return kernel_no_memory(call);
    }
    utf8proc_ssize_t count =
        utf8proc_decompose(text.data, (utf8proc_ssize_t)text.size, codes, room, options);
    if (count >= 0) {
        count = utf8proc_normalize_utf32(codes, count, options);
    }
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        uint8_t bytes[4];
        buffer_put(out, bytes, (size_t)utf8proc_encode_char(codes[i], bytes));
    }
    return count < 0 ? kernel_error(call, "22021", "invalid byte sequence for encoding \"UTF8\"")
                     : TDBPLUS_OK;
}

WRITER_KERNEL(normalize, normalize_text)

static tdbplus_status is_normal_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum normal = {0};
    TRY(kernel_write(call, row, normalize_text, &normal));
    result->boolean = span_compare(normal.bytes, text_argument(call, 0, row)) == 0;
    return TDBPLUS_OK;
}

ROW_KERNEL(is_normal)

/* ---- escapes of Unicode ---- */

static bool read_code(struct span text, size_t at, size_t digits, int32_t *code_out)
{
    int32_t code = 0;
    if (digits > text.size || at > text.size - digits) {
        return false;
    }
    for (size_t i = at; i < at + digits; i++) {
        uint8_t byte = text.data[i];
        int32_t digit = byte >= '0' && byte <= '9'   ? byte - '0'
                        : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                        : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                     : -1;
        if (digit < 0 || code > 0x10FFFF) {
            return false;
        }
        code = code * 16 + digit;
    }
    *code_out = code;
    return true;
}

static tdbplus_status put_code(struct func_call *call, int32_t code, int32_t *high,
                               struct buffer *out)
{
    bool is_high = code >= 0xD800 && code <= 0xDBFF;
    bool is_low = code >= 0xDC00 && code <= 0xDFFF;
    if (is_low != (*high != 0)) {
        return kernel_error(call, "42601", "invalid Unicode surrogate pair");
    }
    if (is_high) {
        *high = code;
        return TDBPLUS_OK;
    }
    if (is_low) {
        code = 0x10000 + ((*high - 0xD800) << 10) + (code - 0xDC00);
        *high = 0;
    }
    if (code == 0 || code > 0x10FFFF) {
        return kernel_error(call, "22023", "invalid Unicode code point: %04X", (unsigned)code);
    }
    uint8_t bytes[4];
    buffer_put(out, bytes, (size_t)utf8proc_encode_char(code, bytes));
    return TDBPLUS_OK;
}

static tdbplus_status unistr_text(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span text = text_argument(call, 0, row);
    int32_t high = 0;
    for (size_t at = 0; at < text.size;) {
        int32_t code = 0;
        uint8_t next = at + 1 < text.size ? text.data[at + 1] : 0;
        if (text.data[at] != '\\' || next == '\\') {
            if (high != 0) {
                return kernel_error(call, "42601", "invalid Unicode surrogate pair");
            }
            buffer_put_u8(out, text.data[at]);
            at += text.data[at] == '\\' ? 2 : 1;
            continue;
        }
        size_t skip = next == '+' || next == 'u' || next == 'U' ? 2 : 1;
        size_t digits = next == '+' ? 6 : next == 'U' ? 8 : 4;
        if (!read_code(text, at + skip, digits, &code)) {
            tdbplus_status status = kernel_error(call, "42601", "invalid Unicode escape");
            err_hint(call->err, "Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or "
                                "\\UXXXXXXXX.");
            return status;
        }
        TRY(put_code(call, code, &high, out));
        at += skip + digits;
    }
    return high != 0 ? kernel_error(call, "42601", "invalid Unicode surrogate pair") : TDBPLUS_OK;
}

WRITER_KERNEL(unistr, unistr_text)

/* ---- a name with dots, taken apart ---- */

static tdbplus_status bad_identifier(struct func_call *call, struct span text)
{
    return kernel_error(call, "22023", "string is not a valid identifier: \"%.*s\"", (int)text.size,
                        (const char *)text.data);
}

static void skip_spaces(struct span *rest)
{
    while (rest->size > 0 &&
           (rest->data[0] == ' ' || (rest->data[0] >= 9 && rest->data[0] <= 13))) {
        rest->data++;
        rest->size--;
    }
}

static tdbplus_status read_part(struct func_call *call, struct span whole, struct span *rest,
                                struct kernel_items *items)
{
    struct buffer part;
    struct datum item = {.type = type_of(TYPE_TEXT)};
    buffer_init(&part, call->arena->alloc);
    bool quoted = rest->size > 0 && rest->data[0] == '"';
    bool closed = !quoted;
    size_t i = quoted ? 1 : 0;
    for (; i < rest->size; i++) {
        uint8_t byte = rest->data[i];
        if (quoted && byte == '"') {
            if (i + 1 < rest->size && rest->data[i + 1] == '"') {
                i++;
            } else {
                closed = true;
                i++;
                break;
            }
        } else if (!quoted) {
            bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
            bool other = byte >= 0x80 || byte == '_';
            bool digit = (byte >= '0' && byte <= '9') || byte == '$';
            if (!letter && !other && (i == 0 || !digit)) {
                break;
            }
            byte = letter ? byte | 32 : byte;
        }
        buffer_put_u8(&part, byte);
    }
    tdbplus_status status = TDBPLUS_OK;
    if (!closed || part.size == 0) {
        status = bad_identifier(call, whole);
    } else {
        status = kernel_keep(call, &part, &item);
    }
    buffer_deinit(&part);
    *rest = (struct span){.data = rest->data + i, .size = rest->size - i};
    return status == TDBPLUS_OK ? kernel_push(call, items, &item) : status;
}

static tdbplus_status parse_ident_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span whole = text_argument(call, 0, row);
    struct span rest = whole;
    struct kernel_items items = {0};
    bool strict = call->argument_count < 2 || kernel_argument(call, 1, row).boolean;
    for (bool more = true; more;) {
        skip_spaces(&rest);
        TRY(read_part(call, whole, &rest, &items));
        skip_spaces(&rest);
        more = rest.size > 0 && rest.data[0] == '.';
        if (more) {
            rest.data++;
            rest.size--;
        }
    }
    if (rest.size > 0 && strict) {
        return bad_identifier(call, whole);
    }
    return kernel_list_result(call, items.items, items.count, result);
}

ROW_KERNEL(parse_ident)

#define TX TYPE_TEXT
#define BY TYPE_BYTEA
#define I4 TYPE_INT4
#define CN FUNC_CALLED_ON_NULL
#define PR FUNC_PRINTED

const struct func table_string[] = {
    {"quote_ident", 1, {TX}, TX, 0, quote_ident, "As a name in SQL."},
    {"quote_literal", 1, {TX}, TX, 0, quote_literal, "As a literal in SQL."},
    {"quote_literal", 1, {TYPE_BOOL}, TX, 0, quote_truth, "'true' or 'false'."},
    {"quote_literal", 1, {PR}, TX, 0, quote_literal, "Printed, as a literal in SQL."},
    {"quote_nullable", 1, {TX}, TX, CN, quote_literal, "As a literal; null is NULL."},
    {"quote_nullable", 1, {TYPE_BOOL}, TX, CN, quote_truth, "'true', 'false' or NULL."},
    {"quote_nullable", 1, {PR}, TX, CN, quote_literal, "Printed, as a literal; null is NULL."},
    {"format",
     1,
     {TX},
     TX,
     CN | FUNC_NULLABLE | FUNC_LATE_ERRORS,
     format,
     "The text; %% is a percent sign."},
    {"format",
     2,
     {TX, PR},
     TX,
     CN | FUNC_NULLABLE | FUNC_VARIADIC | FUNC_LATE_ERRORS,
     format,
     "Arguments put in for %s, %I and %L."},
    {"overlay", 3, {TX, TX, I4}, TX, 0, overlay, "A part replaced."},
    {"overlay", 4, {TX, TX, I4, I4}, TX, 0, overlay, "A part of that length replaced."},
    {"overlay", 3, {BY, BY, I4}, BY, 0, overlay, "A part replaced."},
    {"overlay", 4, {BY, BY, I4, I4}, BY, 0, overlay, "A part of that length replaced."},
    {"normalize", 1, {TX}, TX, 0, normalize, "In Unicode's form NFC."},
    {"normalize", 2, {TX, TX}, TX, 0, normalize, "In a Unicode form."},
    {"is_normalized", 1, {TX}, TYPE_BOOL, 0, is_normal, "True if in form NFC."},
    {"is_normalized", 2, {TX, TX}, TYPE_BOOL, 0, is_normal, "True if in that form."},
    {"unistr", 1, {TX}, TX, 0, unistr, "Escapes of Unicode replaced."},
    {"parse_ident", 1, {TX}, FUNC_ARRAY_OF(TX), 0, parse_ident, "The parts of a name."},
    {"parse_ident",
     2,
     {TX, TYPE_BOOL},
     FUNC_ARRAY_OF(TX),
     0,
     parse_ident,
     "The same; text behind it is allowed if false."},
    FUNC_END,
};
