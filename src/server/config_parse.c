/* The part of TOML that settings need: tables, keys, strings, numbers, truth. */

#include <stdio.h>
#include <string.h>

#include "server/config.h"

#define PAIR_COUNT_MAX 4096u
#define NAME_SIZE_MAX  256u

struct parser {
    struct span text;
    size_t at;
    uint32_t line;
    struct arena *arena;
    struct list *pairs;
    struct err *err;
    char table[NAME_SIZE_MAX]; /* "log."; "" before the first table. */
};

static tdbplus_status wrong(struct parser *parser, const char *what)
{
    tdbplus_status status =
        err_set_state(parser->err, TDBPLUS_E_INVALID, "F0000", "line %u: %s", parser->line, what);
    if (parser->err != NULL) {
        parser->err->position = parser->line;
    }
    return status;
}

static int peek(const struct parser *parser)
{
    return parser->at < parser->text.size ? parser->text.data[parser->at] : -1;
}

static void skip_blank(struct parser *parser)
{
    while (peek(parser) == ' ' || peek(parser) == '\t') {
        parser->at++;
    }
}

/* The rest of a line: nothing but blanks and a comment. */
static tdbplus_status end_line(struct parser *parser)
{
    skip_blank(parser);
    if (peek(parser) == '#') {
        while (peek(parser) != -1 && peek(parser) != '\n') {
            parser->at++;
        }
    }
    if (peek(parser) == '\r') {
        parser->at++;
    }
    if (peek(parser) != -1 && peek(parser) != '\n') {
        return wrong(parser, "something follows that does not belong there");
    }
    parser->at += peek(parser) == '\n';
    parser->line++;
    return TDBPLUS_OK;
}

/* ---- strings ---- */

static bool put_character(struct buffer *out, uint32_t code)
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return false;
    }
    if (code < 0x80) {
        buffer_put_u8(out, (uint8_t)code);
    } else if (code < 0x800) {
        buffer_put_u8(out, (uint8_t)(0xc0 | code >> 6));
        buffer_put_u8(out, (uint8_t)(0x80 | (code & 63)));
    } else {
        if (code >= 0x10000) {
            buffer_put_u8(out, (uint8_t)(0xf0 | code >> 18));
            buffer_put_u8(out, (uint8_t)(0x80 | (code >> 12 & 63)));
        } else {
            buffer_put_u8(out, (uint8_t)(0xe0 | code >> 12));
        }
        buffer_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 63)));
        buffer_put_u8(out, (uint8_t)(0x80 | (code & 63)));
    }
    return true;
}

static bool read_hex(struct parser *parser, uint32_t digits, uint32_t *code_out)
{
    uint32_t code = 0;
    for (uint32_t i = 0; i < digits; i++) {
        int byte = peek(parser);
        uint32_t digit = byte >= '0' && byte <= '9'   ? (uint32_t)(byte - '0')
                         : byte >= 'a' && byte <= 'f' ? (uint32_t)(byte - 'a' + 10)
                         : byte >= 'A' && byte <= 'F' ? (uint32_t)(byte - 'A' + 10)
                                                      : 16;
        if (digit == 16) {
            return false;
        }
        code = code << 4 | digit;
        parser->at++;
    }
    *code_out = code;
    return true;
}

static tdbplus_status read_escape(struct parser *parser, struct buffer *out)
{
    static const char from[] = "btnfr\"\\";
    static const char to[] = "\b\t\n\f\r\"\\";
    int byte = peek(parser);
    const char *found = byte <= 0 ? NULL : strchr(from, byte);
    uint32_t code = 0;
    parser->at++;
    if (found != NULL) {
        buffer_put_u8(out, (uint8_t)to[found - from]);
        return TDBPLUS_OK;
    }
    if ((byte == 'u' || byte == 'U') && read_hex(parser, byte == 'u' ? 4 : 8, &code) &&
        put_character(out, code)) {
        return TDBPLUS_OK;
    }
    return wrong(parser, "no such escape in a string; '...' takes backslashes as they are");
}

/* A string on one line, in quotes of either kind. */
static tdbplus_status read_string(struct parser *parser, struct buffer *out)
{
    int quote = peek(parser);
    parser->at++;
    for (int byte = peek(parser); byte != quote; byte = peek(parser)) {
        if (byte == -1 || byte == '\n' || byte == 0) {
            return wrong(parser, "a string is not ended");
        }
        parser->at++;
        if (byte == '\\' && quote == '"') {
            TRY(read_escape(parser, out));
        } else {
            buffer_put_u8(out, (uint8_t)byte);
        }
    }
    parser->at++;
    return TDBPLUS_OK;
}

/* ---- keys ---- */

static bool is_bare(int byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

/* "a.b" with blanks and quotes as TOML has them, appended to `out`. */
static tdbplus_status read_key(struct parser *parser, struct buffer *out)
{
    for (;;) {
        skip_blank(parser);
        size_t before = out->size;
        if (peek(parser) == '"' || peek(parser) == '\'') {
            TRY(read_string(parser, out));
        } else {
            while (is_bare(peek(parser))) {
                buffer_put_u8(out, (uint8_t)peek(parser));
                parser->at++;
            }
        }
        if (out->size == before || out->failed) {
            return wrong(parser, "a key is expected");
        }
        skip_blank(parser);
        if (peek(parser) != '.') {
            return TDBPLUS_OK;
        }
        parser->at++;
        buffer_put_u8(out, '.');
    }
}

static tdbplus_status read_table(struct parser *parser, struct buffer *out)
{
    parser->at++;
    if (peek(parser) == '[') {
        return wrong(parser, "arrays of tables are not used here");
    }
    TRY(read_key(parser, out));
    if (peek(parser) != ']') {
        return wrong(parser, "a table's name ends with ]");
    }
    parser->at++;
    if (out->size + 2 > sizeof parser->table) {
        return wrong(parser, "a table's name is too long");
    }
    (void)snprintf(parser->table, sizeof parser->table, "%.*s.", (int)out->size,
                   (const char *)out->data);
    return end_line(parser);
}

/* ---- values ---- */

/* A number or a truth, as written but for the underscores. */
static tdbplus_status read_word(struct parser *parser, struct buffer *out)
{
    size_t before = out->size;
    while (is_bare(peek(parser)) || peek(parser) == '+' || peek(parser) == '.') {
        if (peek(parser) != '_') {
            buffer_put_u8(out, (uint8_t)peek(parser));
        }
        parser->at++;
    }
    size_t size = out->size - before;
    const char *word = (const char *)out->data + before;
    bool truth =
        (size == 4 && memcmp(word, "true", 4) == 0) || (size == 5 && memcmp(word, "false", 5) == 0);
    bool number =
        size > 0 && (word[0] == '-' || word[0] == '+' || (word[0] >= '0' && word[0] <= '9'));
    for (size_t i = 1; number && i < size; i++) {
        number = (word[i] >= '0' && word[i] <= '9') || word[i] == '.';
    }
    return truth || number
               ? TDBPLUS_OK
               : wrong(parser, "a value is a string in quotes, a number, true or false");
}

static tdbplus_status read_value(struct parser *parser, struct buffer *out)
{
    skip_blank(parser);
    if (peek(parser) == '[' || peek(parser) == '{') {
        return wrong(parser, "arrays and inline tables are not used here");
    }
    return peek(parser) == '"' || peek(parser) == '\'' ? read_string(parser, out)
                                                       : read_word(parser, out);
}

static tdbplus_status add_pair(struct parser *parser, struct span key, struct span value)
{
    struct config_pair pair = {.line = parser->line};
    char full[2 * NAME_SIZE_MAX];
    if (key.size >= NAME_SIZE_MAX || memchr(key.data, 0, key.size) != NULL ||
        (value.size > 0 && memchr(value.data, 0, value.size) != NULL)) {
        return wrong(parser, "a key is too long");
    }
    (void)snprintf(full, sizeof full, "%s%.*s", parser->table, (int)key.size,
                   (const char *)key.data);
    for (size_t i = 0; i < parser->pairs->count; i++) {
        const struct config_pair *other = list_at(parser->pairs, i);
        if (strcmp(other->key, full) == 0) {
            char text[2 * NAME_SIZE_MAX + 64];
            (void)snprintf(text, sizeof text, "%s was set in line %u already", full, other->line);
            return wrong(parser, text);
        }
    }
    if (parser->pairs->count >= PAIR_COUNT_MAX) {
        return err_set(parser->err, TDBPLUS_E_LIMIT, "more than %u keys", PAIR_COUNT_MAX);
    }
    pair.key = arena_text(parser->arena, span_from_text(full));
    pair.value = arena_text(parser->arena, value);
    if (pair.key == NULL || pair.value == NULL || list_push(parser->pairs, &pair) == NULL) {
        return err_set(parser->err, TDBPLUS_E_NOMEM, "a configuration does not fit in memory");
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_pair(struct parser *parser, struct buffer *text)
{
    TRY(read_key(parser, text));
    size_t key_size = text->size;
    if (peek(parser) != '=') {
        return wrong(parser, "= is expected behind a key");
    }
    parser->at++;
    TRY(read_value(parser, text));
    if (text->failed) {
        return err_set(parser->err, TDBPLUS_E_NOMEM, "a configuration does not fit in memory");
    }
    struct span key = {.data = text->data, .size = key_size};
    struct span value = {.data = text->data + key_size, .size = text->size - key_size};
    TRY(add_pair(parser, key, value));
    return end_line(parser);
}

tdbplus_status config_parse(struct span text, struct arena *arena, struct list *pairs,
                            struct err *err)
{
    struct parser parser = {.text = text, .line = 1, .arena = arena, .pairs = pairs, .err = err};
    struct buffer scratch;
    tdbplus_status status = TDBPLUS_OK;
    buffer_init(&scratch, arena->alloc);
    while (status == TDBPLUS_OK && parser.at < text.size) {
        buffer_clear(&scratch);
        skip_blank(&parser);
        int byte = peek(&parser);
        if (byte == '[') {
            status = read_table(&parser, &scratch);
        } else if (byte == '#' || byte == '\n' || byte == '\r' || byte == -1) {
            status = end_line(&parser);
        } else {
            status = read_pair(&parser, &scratch);
        }
    }
    buffer_deinit(&scratch);
    return status;
}
