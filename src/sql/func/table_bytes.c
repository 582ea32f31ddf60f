/* Bytes: digests, encodings, bits; PostgreSQL's manual, 9.5. */

#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "sql/func/digest.h"
#include "sql/func/value_kernel.h"

static void put_hex(struct span bytes, struct buffer *out)
{
    for (size_t i = 0; i < bytes.size; i++) {
        buffer_put_u8(out, (uint8_t) "0123456789abcdef"[bytes.data[i] >> 4]);
        buffer_put_u8(out, (uint8_t) "0123456789abcdef"[bytes.data[i] & 15]);
    }
}

static tdbplus_status md5_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    uint8_t bytes[DIGEST_SIZE_MAX];
    size_t size = digest(DIGEST_MD5, text_argument(call, 0, row), bytes);
    put_hex((struct span){.data = bytes, .size = size}, out);
    return TDBPLUS_OK;
}

WRITER_KERNEL(md5, md5_bytes)

#define DIGEST_KERNEL(NAME, KIND)                                                                \
    static tdbplus_status NAME##_bytes(struct func_call *call, uint32_t row, struct buffer *out) \
    {                                                                                            \
        uint8_t bytes[DIGEST_SIZE_MAX];                                                          \
        buffer_put(out, bytes, digest(KIND, text_argument(call, 0, row), bytes));                \
        return TDBPLUS_OK;                                                                       \
    }                                                                                            \
    WRITER_KERNEL(NAME, NAME##_bytes)

DIGEST_KERNEL(sha224, DIGEST_SHA224)
DIGEST_KERNEL(sha256, DIGEST_SHA256)
DIGEST_KERNEL(sha384, DIGEST_SHA384)
DIGEST_KERNEL(sha512, DIGEST_SHA512)

/* ---- encode, decode ---- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define BASE64_LINE 76u

static void put_base64(struct span bytes, struct buffer *out)
{
    size_t line = 0;
    for (size_t i = 0; i < bytes.size; i += 3) {
        uint32_t left = bytes.size - i > 2 ? 3 : (uint32_t)(bytes.size - i);
        uint32_t word = (uint32_t)bytes.data[i] << 16;
        word |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        word |= left > 2 ? bytes.data[i + 2] : 0;
        if (line == BASE64_LINE) {
            buffer_put_u8(out, '\n');
            line = 0;
        }
        for (uint32_t d = 0; d < 4; d++) {
            buffer_put_u8(out, d <= left ? (uint8_t)base64_digits[word >> (18 - 6 * d) & 63] : '=');
        }
        line += 4;
    }
}

static void put_escaped(struct span bytes, struct buffer *out)
{
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = bytes.data[i];
        if (byte == 0 || byte >= 0x80) {
            buffer_printf(out, "\\%03o", byte);
        } else {
            buffer_put_text(out, byte == '\\' ? "\\" : "");
            buffer_put_u8(out, byte);
        }
    }
}

static bool is_name(struct span text, const char *name)
{
    return text.size == strlen(name) && strncasecmp((const char *)text.data, name, text.size) == 0;
}

static tdbplus_status unknown_encoding(struct func_call *call, struct span name)
{
    return kernel_error(call, "22023", "unrecognized encoding: \"%.*s\"", (int)name.size,
                        (const char *)name.data);
}

static tdbplus_status encode_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span bytes = text_argument(call, 0, row);
    struct span name = text_argument(call, 1, row);
    if (is_name(name, "hex")) {
        put_hex(bytes, out);
    } else if (is_name(name, "base64")) {
        put_base64(bytes, out);
    } else if (is_name(name, "escape")) {
        put_escaped(bytes, out);
    } else {
        return unknown_encoding(call, name);
    }
    return TDBPLUS_OK;
}

static int hex_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

static tdbplus_status read_hex(struct func_call *call, struct span text, struct buffer *out)
{
    int high = -1;
    for (size_t i = 0; i < text.size; i++) {
        if (is_space(text.data[i]) && high < 0) {
            continue;
        }
        int digit = hex_digit(text.data[i]);
        if (digit < 0) {
            size_t size = text_character_size(text.data[i]);
            size = size > text.size - i ? text.size - i : size;
            return kernel_error(call, "22023", "invalid hexadecimal digit: \"%.*s\"", (int)size,
                                (const char *)text.data + i);
        }
        if (high < 0) {
            high = digit;
        } else {
            buffer_put_u8(out, (uint8_t)(high << 4 | digit));
            high = -1;
        }
    }
    return high < 0 ? TDBPLUS_OK
                    : kernel_error(call, "22023", "invalid hexadecimal data: odd number of digits");
}

static tdbplus_status read_base64(struct func_call *call, struct span text, struct buffer *out)
{
    uint32_t word = 0;
    uint32_t digits = 0;
    uint32_t ends = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (is_space(byte)) {
            continue;
        }
        const char *place = byte == 0 ? NULL : strchr(base64_digits, byte);
        if (byte == '=') {
            if (digits < 2) {
                return kernel_error(call, "22023",
                                    "unexpected \"=\" while decoding base64 sequence");
            }
            ends++;
            place = base64_digits;
        } else if (place == NULL || ends > 0) {
            return kernel_error(call, "22023",
                                "invalid symbol \"%c\" found while decoding base64 sequence", byte);
        }
        word = word << 6 | (uint32_t)(place - base64_digits);
        if (++digits == 4) {
            buffer_put_u8(out, (uint8_t)(word >> 16));
            if (ends < 2) {
                buffer_put_u8(out, (uint8_t)(word >> 8));
            }
            if (ends < 1) {
                buffer_put_u8(out, (uint8_t)word);
            }
            word = digits = 0;
        }
    }
    if (digits != 0) {
        tdbplus_status status = kernel_error(call, "22023", "invalid base64 end sequence");
        err_hint(call->err, "Input data is missing padding, is truncated, or is otherwise "
                            "corrupted.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_escaped(struct func_call *call, struct span text, struct buffer *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\\') {
            buffer_put_u8(out, text.data[i]);
            continue;
        }
        const uint8_t *at = text.data + i + 1;
        size_t left = text.size - i - 1;
        bool octal = left >= 3 && at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' &&
                     at[2] >= '0' && at[2] <= '7';
        if (octal) {
            buffer_put_u8(out, (uint8_t)((at[0] - '0') << 6 | (at[1] - '0') << 3 | (at[2] - '0')));
            i += 3;
        } else if (left >= 1 && at[0] == '\\') {
            buffer_put_u8(out, '\\');
            i++;
        } else {
            return kernel_error(call, "22P02", "invalid input syntax for type bytea");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status decode_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span text = text_argument(call, 0, row);
    struct span name = text_argument(call, 1, row);
    return is_name(name, "hex")      ? read_hex(call, text, out)
           : is_name(name, "base64") ? read_base64(call, text, out)
           : is_name(name, "escape") ? read_escaped(call, text, out)
                                     : unknown_encoding(call, name);
}

WRITER_KERNEL(encode, encode_bytes)
WRITER_KERNEL(decode, decode_bytes)

/* ---- bits and bytes ---- */

static tdbplus_status check_place(struct func_call *call, int64_t place, int64_t count)
{
    return place >= 0 && place < count
               ? TDBPLUS_OK
               : kernel_error(call, "2202E", "index %lld out of valid range, 0..%lld",
                              (long long)place, (long long)count - 1);
}

static tdbplus_status get_bit_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bytes = text_argument(call, 0, row);
    int64_t place = kernel_argument(call, 1, row).integer;
    TRY(check_place(call, place, (int64_t)bytes.size * 8));
    result->integer = bytes.data[place / 8] >> (place % 8) & 1;
    return TDBPLUS_OK;
}

static tdbplus_status get_byte_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bytes = text_argument(call, 0, row);
    int64_t place = kernel_argument(call, 1, row).integer;
    TRY(check_place(call, place, (int64_t)bytes.size));
    result->integer = bytes.data[place];
    return TDBPLUS_OK;
}

static tdbplus_status set_bit_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span bytes = text_argument(call, 0, row);
    int64_t place = kernel_argument(call, 1, row).integer;
    int64_t bit = kernel_argument(call, 2, row).integer;
    TRY(check_place(call, place, (int64_t)bytes.size * 8));
    if (bit != 0 && bit != 1) {
        return kernel_error(call, "22023", "new bit must be 0 or 1");
    }
    buffer_put_span(out, bytes);
    if (!out->failed) {
        uint8_t mask = (uint8_t)(1u << (place % 8));
        uint8_t *at = &out->data[place / 8];
        *at = (uint8_t)(bit == 1 ? *at | mask : *at & ~mask);
    }
    return TDBPLUS_OK;
}

static tdbplus_status set_byte_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span bytes = text_argument(call, 0, row);
    int64_t place = kernel_argument(call, 1, row).integer;
    TRY(check_place(call, place, (int64_t)bytes.size));
    buffer_put_span(out, bytes);
    if (!out->failed) {
        out->data[place] = (uint8_t)kernel_argument(call, 2, row).integer;
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(get_bit)
ROW_KERNEL(get_byte)
WRITER_KERNEL(set_bit, set_bit_bytes)
WRITER_KERNEL(set_byte, set_byte_bytes)

static tdbplus_status bit_count_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bytes = text_argument(call, 0, row);
    for (size_t i = 0; i < bytes.size; i++) {
        result->integer += __builtin_popcount(bytes.data[i]);
    }
    return TDBPLUS_OK;
}

static tdbplus_status bit_length_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = (int64_t)text_argument(call, 0, row).size * 8;
    return TDBPLUS_OK;
}

static tdbplus_status place_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = text_find(text_argument(call, 0, row), text_argument(call, 1, row)) + 1;
    return TDBPLUS_OK;
}

ROW_KERNEL(bit_count)
ROW_KERNEL(bit_length)
ROW_KERNEL(place)

static tdbplus_status part_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct span bytes = text_argument(call, 0, row);
    int64_t from = (int64_t)int4_argument(call, 1, row) - 1;
    int64_t to = (int64_t)bytes.size;
    if (call->argument_count > 2) {
        int64_t size = int4_argument(call, 2, row);
        if (size < 0) {
            return kernel_error(call, "22011", "negative substring length not allowed");
        }
        to = from + size < to ? from + size : to;
    }
    from = from < 0 ? 0 : from;
    if (from < to) {
        buffer_put(out, bytes.data + from, (size_t)(to - from));
    }
    return TDBPLUS_OK;
}

WRITER_KERNEL(part, part_bytes)

static tdbplus_status trim(struct func_call *call, uint32_t row, bool begin, bool end,
                           struct buffer *out)
{
    struct span bytes = text_argument(call, 0, row);
    struct span set = text_argument(call, 1, row);
    while (begin && bytes.size > 0 && set.size > 0 &&
           memchr(set.data, bytes.data[0], set.size) != NULL) {
        bytes.data++;
        bytes.size--;
    }
    while (end && bytes.size > 0 && set.size > 0 &&
           memchr(set.data, bytes.data[bytes.size - 1], set.size) != NULL) {
        bytes.size--;
    }
    buffer_put_span(out, bytes);
    return TDBPLUS_OK;
}

static tdbplus_status trim_both_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    return trim(call, row, true, true, out);
}

static tdbplus_status trim_left_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    return trim(call, row, true, false, out);
}

static tdbplus_status trim_right_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    return trim(call, row, false, true, out);
}

WRITER_KERNEL(trim_both, trim_both_bytes)
WRITER_KERNEL(trim_left, trim_left_bytes)
WRITER_KERNEL(trim_right, trim_right_bytes)

/* ---- character encodings: UTF-8, and Latin-1 as far as it reaches ---- */

enum encoding { ENCODING_UTF8, ENCODING_LATIN1, ENCODING_ASCII, ENCODING_NONE };

static enum encoding find_encoding(struct span name)
{
    static const struct {
        const char *name;
        enum encoding encoding;
    } names[] = {{"utf8", ENCODING_UTF8},       {"utf-8", ENCODING_UTF8},
                 {"unicode", ENCODING_UTF8},    {"latin1", ENCODING_LATIN1},
                 {"iso88591", ENCODING_LATIN1}, {"iso-8859-1", ENCODING_LATIN1},
                 {"sql_ascii", ENCODING_ASCII}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is_name(name, names[i].name)) {
            return names[i].encoding;
        }
    }
    return ENCODING_NONE;
}

static tdbplus_status encoding_of(struct func_call *call, uint32_t row, const char *which,
                                  enum encoding *encoding_out)
{
    struct span name = text_argument(call, 1, row);
    *encoding_out = find_encoding(name);
    return *encoding_out != ENCODING_NONE
               ? TDBPLUS_OK
               : kernel_error(call, "22023", "invalid %s encoding name \"%.*s\"", which,
                              (int)name.size, (const char *)name.data);
}

static tdbplus_status check_utf8(struct func_call *call, struct span text)
{
    while (text.size > 0) {
        int32_t code = 0;
        utf8proc_ssize_t used = utf8proc_iterate(text.data, (utf8proc_ssize_t)text.size, &code);
        if (used <= 0 || code == 0) {
            return kernel_error(
                call, "22021", "invalid byte sequence for encoding \"UTF8\": 0x%02x", text.data[0]);
        }
        text.data += used;
        text.size -= (size_t)used;
    }
    return TDBPLUS_OK;
}

static tdbplus_status convert_from_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    enum encoding encoding = ENCODING_NONE;
    struct span text = text_argument(call, 0, row);
    TRY(encoding_of(call, row, "source", &encoding));
    if (encoding != ENCODING_LATIN1) {
        TRY(check_utf8(call, text));
        buffer_put_span(out, text);
        return TDBPLUS_OK;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t bytes[4];
        if (text.data[i] == 0) {
            return kernel_error(call, "22021",
                                "invalid byte sequence for encoding \"LATIN1\": 0x00");
        }
        buffer_put(out, bytes, (size_t)utf8proc_encode_char(text.data[i], bytes));
    }
    return TDBPLUS_OK;
}

static tdbplus_status convert_to_bytes(struct func_call *call, uint32_t row, struct buffer *out)
{
    enum encoding encoding = ENCODING_NONE;
    struct span text = text_argument(call, 0, row);
    TRY(encoding_of(call, row, "destination", &encoding));
    if (encoding != ENCODING_LATIN1) {
        buffer_put_span(out, text);
        return TDBPLUS_OK;
    }
    while (text.size > 0) {
        int32_t code = 0;
        utf8proc_ssize_t used = utf8proc_iterate(text.data, (utf8proc_ssize_t)text.size, &code);
        if (used <= 0 || code > 0xFF) {
            return kernel_error(call, "22P05",
                                "character with byte sequence 0x%02x ... in encoding \"UTF8\" has "
                                "no equivalent in encoding \"LATIN1\"",
                                text.data[0]);
        }
        buffer_put_u8(out, (uint8_t)code);
        text.data += used;
        text.size -= (size_t)used;
    }
    return TDBPLUS_OK;
}

WRITER_KERNEL(convert_from, convert_from_bytes)
WRITER_KERNEL(convert_to, convert_to_bytes)

static tdbplus_status encoded_length_row(struct func_call *call, uint32_t row, struct datum *result)
{
    enum encoding encoding = ENCODING_NONE;
    struct span text = text_argument(call, 0, row);
    TRY(encoding_of(call, row, "source", &encoding));
    if (encoding == ENCODING_UTF8) {
        TRY(check_utf8(call, text));
    }
    result->integer = encoding == ENCODING_UTF8 ? (int64_t)text_length(text) : (int64_t)text.size;
    return TDBPLUS_OK;
}

ROW_KERNEL(encoded_length)

#define BY TYPE_BYTEA
#define TX TYPE_TEXT
#define I4 TYPE_INT4
#define I8 TYPE_INT8

const struct func table_bytes[] = {
    {"md5", 1, {TX}, TX, 0, md5, "MD5 digest in hexadecimal digits."},
    {"md5", 1, {BY}, TX, 0, md5, "MD5 digest in hexadecimal digits."},
    {"sha224", 1, {BY}, BY, 0, sha224, "SHA-224 digest."},
    {"sha256", 1, {BY}, BY, 0, sha256, "SHA-256 digest."},
    {"sha384", 1, {BY}, BY, 0, sha384, "SHA-384 digest."},
    {"sha512", 1, {BY}, BY, 0, sha512, "SHA-512 digest."},
    {"encode", 2, {BY, TX}, TX, 0, encode, "As text: hex, base64 or escape."},
    {"decode", 2, {TX, TX}, BY, 0, decode, "From text: hex, base64 or escape."},
    {"get_bit", 2, {BY, I8}, I4, 0, get_bit, "A bit, from 0, lowest of each byte first."},
    {"set_bit", 3, {BY, I8, I4}, BY, 0, set_bit, "With a bit changed."},
    {"get_byte", 2, {BY, I4}, I4, 0, get_byte, "A byte, from 0."},
    {"set_byte", 3, {BY, I4, I4}, BY, 0, set_byte, "With a byte changed."},
    {"bit_count", 1, {BY}, I8, 0, bit_count, "Number of bits that are set."},
    {"bit_length", 1, {BY}, I4, 0, bit_length, "Number of bits."},
    {"position", 2, {BY, BY}, I4, 0, place, "Where the second begins in the first, or 0."},
    {"substring", 2, {BY, I4}, BY, 0, part, "From that byte on."},
    {"substring", 3, {BY, I4, I4}, BY, 0, part, "So many bytes from there."},
    {"substr", 2, {BY, I4}, BY, 0, part, "From that byte on."},
    {"substr", 3, {BY, I4, I4}, BY, 0, part, "So many bytes from there."},
    {"btrim", 2, {BY, BY}, BY, 0, trim_both, "Without those bytes at both ends."},
    {"ltrim", 2, {BY, BY}, BY, 0, trim_left, "Without those bytes at the beginning."},
    {"rtrim", 2, {BY, BY}, BY, 0, trim_right, "Without those bytes at the end."},
    {"convert_from", 2, {BY, TX}, TX, 0, convert_from, "Text of an encoding."},
    {"convert_to", 2, {TX, TX}, BY, 0, convert_to, "Text in an encoding."},
    {"length", 2, {BY, TX}, I4, 0, encoded_length, "Number of characters in an encoding."},
    FUNC_END,
};
