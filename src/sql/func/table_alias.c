/* Functions of PostgreSQL's catalogue that other names or operators stand for in its manual, and
 * some that need nothing but their arguments. */

#include <math.h>
#include <string.h>

#include "sql/func/value_kernel.h"
#include "types/numeric.h"

static tdbplus_status int4_failed(struct func_call *call)
{
    return kernel_out_of_range(call, "integer");
}

static tdbplus_status int8_failed(struct func_call *call)
{
    return kernel_out_of_range(call, "bigint");
}

KERNEL_CHECKED_UNARY(next_int4, int32_t, int32_t, bad |= __builtin_add_overflow(a, 1, &result[row]),
                     int4_failed(call))
KERNEL_CHECKED_UNARY(next_int8, int64_t, int64_t, bad |= __builtin_add_overflow(a, 1, &result[row]),
                     int8_failed(call))
KERNEL_CHECKED_UNARY(previous_int8, int64_t, int64_t,
                     bad |= __builtin_sub_overflow(a, 1, &result[row]), int8_failed(call))

static tdbplus_status next_numeric_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct buffer one = {.alloc = call->arena->alloc};
    struct buffer sum = {.alloc = call->arena->alloc};
    tdbplus_status status = TDBPLUS_OK;
    numeric_of_integer(1, &one);
    if (one.failed) {
        status = kernel_no_memory(call);
        goto done;
    }
    TRY_OR(done, numeric_add(text_argument(call, 0, row), buffer_span(&one), &sum, call->err));
    TRY_OR(done, kernel_keep(call, &sum, result));
done:
    buffer_deinit(&one);
    buffer_deinit(&sum);
    return status;
}

ROW_KERNEL(next_numeric)

/* ---- sizes ---- */

/* With the unit that leaves fewer than 20480, rounded half away from zero at each step. */
static tdbplus_status size_pretty_row(struct func_call *call, uint32_t row, struct datum *result)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    struct span value = text_argument(call, 0, row);
    struct buffer text = {.alloc = call->arena->alloc};
    struct buffer sizes[2] = {{.alloc = call->arena->alloc}, {.alloc = call->arena->alloc}};
    struct buffer limit = {.alloc = call->arena->alloc};
    struct buffer divisor = {.alloc = call->arena->alloc};
    tdbplus_status status = TDBPLUS_OK;
    unsigned unit = 0;
    buffer_put_span(&sizes[0], value);
    numeric_of_integer(10 * 1024, &limit);
    for (; unit < 5; unit++) {
        buffer_clear(&sizes[1]);
        buffer_clear(&divisor);
        TRY_OR(done, numeric_absolute(buffer_span(&sizes[0]), &sizes[1], call->err));
        if (numeric_compare(buffer_span(&sizes[1]), buffer_span(&limit)) < 0) {
            break;
        }
        // From the second unit on the size is kept twice as fine, so that it can be rounded.
        buffer_clear(&limit);
        numeric_of_integer(20 * 1024 - 1, &limit);
        numeric_of_integer(unit == 0 ? 512 : 1024, &divisor);
        buffer_clear(&sizes[1]);
        TRY_OR(done, numeric_divide_whole(buffer_span(&sizes[0]), buffer_span(&divisor), &sizes[1],
                                          call->err));
        struct buffer swap = sizes[0];
        sizes[0] = sizes[1];
        sizes[1] = swap;
    }
    if (unit > 0) {
        // Half of it, rounded away from zero.
        int64_t doubled = 0;
        if (numeric_to_integer(buffer_span(&sizes[0]), INT64_MIN + 1, INT64_MAX - 1, &doubled,
                               NULL) == TDBPLUS_OK) {
            buffer_clear(&sizes[0]);
            numeric_of_integer((doubled + (doubled < 0 ? -1 : 1)) / 2, &sizes[0]);
        }
    }
    numeric_print(buffer_span(&sizes[0]), &text);
    buffer_printf(&text, " %s", units[unit]);
    TRY_OR(done, kernel_keep(call, &text, result));
done:
    buffer_deinit(&text);
    buffer_deinit(&sizes[0]);
    buffer_deinit(&sizes[1]);
    buffer_deinit(&limit);
    buffer_deinit(&divisor);
    return status;
}

ROW_KERNEL(size_pretty)

/* ---- encodings ---- */

static const struct {
    int32_t number; /* PostgreSQL's. */
    const char *name;
    int32_t bytes; /* Of a character, at most. */
} encodings[] = {
    {0, "SQL_ASCII", 1},   {1, "EUC_JP", 3},         {2, "EUC_CN", 2},      {3, "EUC_KR", 3},
    {4, "EUC_TW", 4},      {5, "EUC_JIS_2004", 3},   {6, "UTF8", 4},        {7, "MULE_INTERNAL", 4},
    {8, "LATIN1", 1},      {9, "LATIN2", 1},         {10, "LATIN3", 1},     {11, "LATIN4", 1},
    {12, "LATIN5", 1},     {13, "LATIN6", 1},        {14, "LATIN7", 1},     {15, "LATIN8", 1},
    {16, "LATIN9", 1},     {17, "LATIN10", 1},       {18, "WIN1256", 1},    {19, "WIN1258", 1},
    {20, "WIN866", 1},     {21, "WIN874", 1},        {22, "KOI8R", 1},      {23, "WIN1251", 1},
    {24, "WIN1252", 1},    {25, "ISO_8859_5", 1},    {26, "ISO_8859_6", 1}, {27, "ISO_8859_7", 1},
    {28, "ISO_8859_8", 1}, {29, "WIN1250", 1},       {30, "WIN1253", 1},    {31, "WIN1254", 1},
    {32, "WIN1255", 1},    {33, "WIN1257", 1},       {34, "KOI8U", 1},      {35, "SJIS", 2},
    {36, "BIG5", 2},       {37, "GBK", 2},           {38, "UHC", 2},        {39, "GB18030", 4},
    {40, "JOHAB", 3},      {41, "SHIFT_JIS_2004", 2}};

#define ENCODING_COUNT (sizeof encodings / sizeof *encodings)

static tdbplus_status encoding_name_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int32_t number = int4_argument(call, 0, row);
    bool known = number >= 0 && (size_t)number < ENCODING_COUNT;
    result->bytes = span_from_text(known ? encodings[number].name : "");
    return TDBPLUS_OK;
}

static tdbplus_status encoding_bytes_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int32_t number = int4_argument(call, 0, row);
    result->is_null = number < 0 || (size_t)number >= ENCODING_COUNT;
    result->integer = result->is_null ? 0 : encodings[number].bytes;
    return TDBPLUS_OK;
}

/* Letters and digits of both names in lower case are the same. */
static bool same_encoding(struct span left, const char *right)
{
    size_t at = 0;
    for (size_t i = 0; i < left.size; i++) {
        uint8_t byte = left.data[i];
        byte = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'))) {
            continue;
        }
        while (right[at] == '_') {
            at++;
        }
        uint8_t other = (uint8_t)right[at++];
        other = other >= 'A' && other <= 'Z' ? other | 0x20 : other;
        if (other != byte) {
            return false;
        }
    }
    return right[at] == 0;
}

static tdbplus_status encoding_number_row(struct func_call *call, uint32_t row,
                                          struct datum *result)
{
    struct span name = text_argument(call, 0, row);
    result->integer = -1;
    for (size_t i = 0; i < ENCODING_COUNT; i++) {
        if (same_encoding(name, encodings[i].name)) {
            result->integer = encodings[i].number;
        }
    }
    if (same_encoding(name, "UNICODE")) {
        result->integer = 6;
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(encoding_name)
ROW_KERNEL(encoding_bytes)
ROW_KERNEL(encoding_number)

/* ---- LIKE of bytes ---- */

/* Iterative: at a mismatch the last "%" takes one byte more. */
static bool matches(struct span text, struct span pattern, bool *bad_escape)
{
    size_t t = 0;
    size_t p = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;
    while (t < text.size) {
        uint8_t byte = p < pattern.size ? pattern.data[p] : 0;
        bool escaped = p < pattern.size && byte == '\\';
        if (escaped && p + 1 == pattern.size) {
            *bad_escape = true;
            return false;
        }
        if (p < pattern.size && byte == '%') {
            star = ++p;
            star_text = t;
        } else if (p < pattern.size && (escaped ? pattern.data[p + 1] == text.data[t]
                                                : byte == '_' || byte == text.data[t])) {
            p += escaped ? 2 : 1;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '%') {
        p++;
    }
    return p == pattern.size;
}

static tdbplus_status match_bytes(struct func_call *call, uint32_t row, bool wanted,
                                  struct datum *result)
{
    bool bad = false;
    bool found = matches(text_argument(call, 0, row), text_argument(call, 1, row), &bad);
    if (bad) {
        return kernel_error(call, "22025", "LIKE pattern must not end with escape character");
    }
    result->boolean = found == wanted;
    return TDBPLUS_OK;
}

static tdbplus_status like_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return match_bytes(call, row, true, result);
}

static tdbplus_status not_like_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return match_bytes(call, row, false, result);
}

ROW_KERNEL(like)
ROW_KERNEL(not_like)

/* The pattern with backslashes for another escape byte; none: backslashes are plain. */
static tdbplus_status write_escaped(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span pattern = text_argument(call, 0, row);
    struct span escape = text_argument(call, 1, row);
    if (escape.size > 1) {
        tdbplus_status status = kernel_error(call, "22025", "invalid escape string");
        err_hint(call->err, "Escape string must be empty or one character.");
        return status;
    }
    bool after = false;
    for (size_t i = 0; i < pattern.size; i++) {
        uint8_t byte = pattern.data[i];
        if (escape.size == 1 && byte == escape.data[0] && !after) {
            buffer_put_u8(out, '\\');
            after = byte != '\\' || escape.data[0] != '\\';
            if (escape.data[0] == '\\') {
                after = true;
            }
            continue;
        }
        if (byte == '\\' && !after) {
            buffer_put_u8(out, '\\');
        }
        buffer_put_u8(out, byte);
        after = false;
    }
    return TDBPLUS_OK;
}

WRITER_KERNEL(escape_like, write_escaped)

#define I4 TYPE_INT4
#define I8 TYPE_INT8
#define NU TYPE_NUMERIC
#define BY TYPE_BYTEA
#define TX TYPE_TEXT
#define BO TYPE_BOOL
#define OP FUNC_OPERATOR

const struct func table_alias[] = {
    {"int4inc", 1, {I4}, I4, 0, next_int4, "One more."},
    {"int8inc", 1, {I8}, I8, 0, next_int8, "One more."},
    {"int8inc_any", 2, {I8, FUNC_ANY}, I8, 0, next_int8, "One more."},
    {"int8dec", 1, {I8}, I8, 0, previous_int8, "One less."},
    {"int8dec_any", 2, {I8, FUNC_ANY}, I8, 0, previous_int8, "One less."},
    {"numeric_inc", 1, {NU}, NU, 0, next_numeric, "One more."},
    {"pg_size_pretty", 1, {NU}, TX, 0, size_pretty, "A size with its unit."},
    {"pg_encoding_to_char", 1, {I4}, TX, 0, encoding_name, "An encoding's name."},
    {"pg_char_to_encoding", 1, {TX}, I4, 0, encoding_number, "An encoding's number."},
    {"pg_encoding_max_length",
     1,
     {I4},
     I4,
     FUNC_NULLABLE,
     encoding_bytes,
     "Bytes of its longest character."},
    {"~~", 2, {BY, BY}, BO, OP, like, "LIKE."},
    {"!~~", 2, {BY, BY}, BO, OP, not_like, "NOT LIKE."},
    {"like", 2, {BY, BY}, BO, 0, like, "LIKE."},
    {"notlike", 2, {BY, BY}, BO, 0, not_like, "NOT LIKE."},
    {"like_escape", 2, {BY, BY}, BY, 0, escape_like, "A pattern with another escape."},
    FUNC_END,
};

const char *func_alias(const char *name)
{
    static const struct {
        const char *alias;
        const char *name;
    } aliases[] = {
        {"dexp", "exp"},          {"dlog1", "ln"},
        {"dlog10", "log"},        {"dround", "round"},
        {"dtrunc", "trunc"},      {"numeric_exp", "exp"},
        {"numeric_ln", "ln"},     {"numeric_log", "log"},
        {"numeric_sqrt", "sqrt"}, {"numeric_div_trunc", "div"},
        {"textlen", "length"},
    };
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(aliases[i].alias, name) == 0) {
            return aliases[i].name;
        }
    }
    return name;
}
