/* Text of ranges, "[1,5)" and "empty", and of multiranges, "{[1,5),[7,9)}". */

#include <string.h>
#include <strings.h>

#include "types/range.h"
#include "types/text_internal.h"

#define SHOWN_SIZE_MAX 200u

struct range_reader {
    struct span text; /* All of it, for messages. */
    struct span rest;
    struct type type; /* Of the range. */
    const struct text_style *style;
    struct arena *arena;
    struct err *err;
    bool in_multirange;
};

static TDBPLUS_CHECKED tdbplus_status malformed(const struct range_reader *reader,
                                                const char *detail)
{
    size_t size = reader->text.size > SHOWN_SIZE_MAX ? SHOWN_SIZE_MAX : reader->text.size;
    tdbplus_status status = err_set_state(
        reader->err, TDBPLUS_E_SYNTAX, "22P02", "malformed %s literal: \"%.*s\"",
        reader->in_multirange ? "multirange" : "range", (int)size, (const char *)reader->text.data);
    err_detail(reader->err, "%s", detail);
    return status;
}

static void skip_spaces(struct range_reader *reader)
{
    while (reader->rest.size > 0 && text_is_space(reader->rest.data[0])) {
        reader->rest.data++;
        reader->rest.size--;
    }
}

static uint8_t peek(const struct range_reader *reader)
{
    return reader->rest.size > 0 ? reader->rest.data[0] : 0;
}

static void step(struct range_reader *reader)
{
    reader->rest.data++;
    reader->rest.size--;
}

/* Up to a comma or a closing bracket outside of quotes; *quoted_out: there were quotes, so that an
 * empty text is a value. */
static tdbplus_status take_bound_text(struct range_reader *reader, struct span *text_out,
                                      bool *quoted_out)
{
    uint8_t *text = arena_bytes(reader->arena, reader->rest.size + 1);
    if (text == NULL) {
        return text_no_memory(reader->err);
    }
    size_t size = 0;
    bool in_quotes = false;
    *quoted_out = false;
    for (;; step(reader)) {
        uint8_t byte = peek(reader);
        if (reader->rest.size == 0) {
            return malformed(reader, "Unexpected end of input.");
        }
        if (!in_quotes && (byte == ',' || byte == ')' || byte == ']')) {
            break;
        }
        bool doubled =
            byte == '"' && in_quotes && reader->rest.size > 1 && reader->rest.data[1] == '"';
        if (byte == '\\' || doubled) {
            if (reader->rest.size == 1) {
                return malformed(reader, "Unexpected end of input.");
            }
            step(reader);
            text[size++] = peek(reader);
        } else if (byte == '"') {
            in_quotes = !in_quotes;
            *quoted_out = true;
        } else {
            text[size++] = byte;
        }
    }
    *text_out = (struct span){.data = text, .size = size};
    return TDBPLUS_OK;
}

static tdbplus_status take_bound(struct range_reader *reader, struct range_bound *bound,
                                 struct span *text)
{
    bool quoted = false;
    TRY(take_bound_text(reader, text, &quoted));
    bound->is_infinite = text->size == 0 && !quoted;
    return TDBPLUS_OK;
}

static tdbplus_status read_value(struct range_reader *reader, struct span text,
                                 struct range_bound *bound)
{
    if (bound->is_infinite) {
        return TDBPLUS_OK;
    }
    return text_parse(text, range_element(reader->type), reader->style, reader->arena,
                      &bound->value, reader->err);
}

static bool take_word(struct range_reader *reader, const char *word)
{
    size_t size = strlen(word);
    if (reader->rest.size < size || strncasecmp((const char *)reader->rest.data, word, size) != 0) {
        return false;
    }
    reader->rest.data += size;
    reader->rest.size -= size;
    return true;
}

static tdbplus_status take_range(struct range_reader *reader, struct range *range)
{
    *range = (struct range){0};
    skip_spaces(reader);
    if (take_word(reader, "empty")) {
        range->is_empty = true;
        skip_spaces(reader);
        return TDBPLUS_OK;
    }
    if (peek(reader) != '[' && peek(reader) != '(') {
        return malformed(reader, "Missing left parenthesis or bracket.");
    }
    range->lower.is_inclusive = peek(reader) == '[';
    step(reader);
    struct span lower = {0};
    struct span upper = {0};
    TRY(take_bound(reader, &range->lower, &lower));
    if (peek(reader) != ',') {
        return malformed(reader, "Missing comma after lower bound.");
    }
    step(reader);
    TRY(take_bound(reader, &range->upper, &upper));
    if (peek(reader) == ',') {
        return malformed(reader, "Too many commas.");
    }
    range->upper.is_inclusive = peek(reader) == ']';
    step(reader);
    skip_spaces(reader);
    if (!reader->in_multirange && reader->rest.size > 0) {
        return malformed(reader, "Junk after right parenthesis or bracket.");
    }
    TRY(read_value(reader, lower, &range->lower));
    TRY(read_value(reader, upper, &range->upper));
    return range_normalise(range, reader->err);
}

/* The packed bytes, moved into the arena. */
static tdbplus_status keep(struct range_reader *reader, struct buffer *packed, struct datum *datum)
{
    uint8_t *bytes = packed->failed ? NULL : arena_bytes(reader->arena, packed->size + 1);
    if (bytes == NULL) {
        return text_no_memory(reader->err);
    }
    if (packed->size > 0) {
        memcpy(bytes, packed->data, packed->size);
    }
    datum->bytes = (struct span){.data = bytes, .size = packed->size};
    return TDBPLUS_OK;
}

tdbplus_status range_parse(struct span text, const struct text_style *style, struct arena *arena,
                           struct datum *datum, struct err *err)
{
    struct range_reader reader = {.text = text,
                                  .rest = text,
                                  .type = datum->type,
                                  .style = style,
                                  .arena = arena,
                                  .err = err};
    struct range range;
    TRY(take_range(&reader, &range));
    if (reader.rest.size > 0) {
        return malformed(&reader, "Junk after \"empty\" key word.");
    }
    struct buffer packed = {.alloc = arena->alloc};
    range_pack(datum->type, &range, &packed);
    tdbplus_status status = keep(&reader, &packed, datum);
    buffer_deinit(&packed);
    return status;
}

/* Ranges up to the closing brace; there is one comma less than ranges, so the count is known. */
static tdbplus_status take_ranges(struct range_reader *reader, struct range *ranges, uint32_t room,
                                  uint32_t *count_out)
{
    uint32_t count = 0;
    skip_spaces(reader);
    if (peek(reader) == '}') {
        step(reader);
        *count_out = 0;
        return TDBPLUS_OK;
    }
    for (;;) {
        if (count == room) {
            return malformed(reader, "Expected range start.");
        }
        if (peek(reader) != '[' && peek(reader) != '(' && (peek(reader) | 0x20) != 'e') {
            return malformed(reader, reader->rest.size == 0 ? "Unexpected end of input."
                                                            : "Expected range start.");
        }
        TRY(take_range(reader, &ranges[count++]));
        if (peek(reader) == '}') {
            step(reader);
            *count_out = count;
            return TDBPLUS_OK;
        }
        if (peek(reader) != ',') {
            return malformed(reader, reader->rest.size == 0
                                         ? "Unexpected end of input."
                                         : "Expected comma or end of multirange.");
        }
        step(reader);
        skip_spaces(reader);
    }
}

tdbplus_status multirange_parse(struct span text, const struct text_style *style,
                                struct arena *arena, struct datum *datum, struct err *err)
{
    struct range_reader reader = {.text = text,
                                  .rest = text_trim(text),
                                  .type = range_of_multirange(datum->type),
                                  .style = style,
                                  .arena = arena,
                                  .err = err,
                                  .in_multirange = true};
    if (peek(&reader) != '{') {
        return malformed(&reader, "Missing left brace.");
    }
    step(&reader);
    uint32_t room = 1;
    for (size_t i = 0; i < text.size; i++) {
        room += text.data[i] == ',';
    }
    struct range *ranges = arena_array(arena, room, sizeof *ranges);
    if (ranges == NULL) {
        return text_no_memory(err);
    }
    uint32_t count = 0;
    TRY(take_ranges(&reader, ranges, room, &count));
    if (reader.rest.size > 0) {
        return malformed(&reader, "Junk after closing right brace.");
    }
    struct buffer packed = {.alloc = arena->alloc};
    multirange_pack(datum->type, ranges, multirange_normalise(ranges, count), &packed);
    tdbplus_status status = keep(&reader, &packed, datum);
    buffer_deinit(&packed);
    return status;
}

/* ---- printing ---- */

static bool needs_quotes(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text_is_space(text.data[i]) || memchr("\"\\()[],", text.data[i], 7) != NULL) {
            return true;
        }
    }
    return text.size == 0;
}

static void print_bound(const struct range_bound *bound, const struct text_style *style,
                        struct buffer *text)
{
    struct buffer value = {.alloc = text->alloc};
    text_print(&bound->value, style, &value);
    struct span span = buffer_span(&value);
    bool quoted = needs_quotes(span);
    buffer_put_text(text, quoted ? "\"" : "");
    for (size_t i = 0; i < span.size; i++) {
        if (span.data[i] == '"' || span.data[i] == '\\') {
            buffer_put_u8(text, span.data[i]);
        }
        buffer_put_u8(text, span.data[i]);
    }
    buffer_put_text(text, quoted ? "\"" : "");
    text->failed = text->failed || value.failed;
    buffer_deinit(&value);
}

static void print_range(const struct range *range, const struct text_style *style,
                        struct buffer *text)
{
    if (range->is_empty) {
        buffer_put_text(text, "empty");
        return;
    }
    buffer_put_u8(text, range->lower.is_inclusive ? '[' : '(');
    if (!range->lower.is_infinite) {
        print_bound(&range->lower, style, text);
    }
    buffer_put_u8(text, ',');
    if (!range->upper.is_infinite) {
        print_bound(&range->upper, style, text);
    }
    buffer_put_u8(text, range->upper.is_inclusive ? ']' : ')');
}

void range_print(const struct datum *datum, const struct text_style *style, struct buffer *text)
{
    struct range range;
    if (range_unpack(datum->type, datum->bytes, &range)) {
        print_range(&range, style, text);
    }
}

void multirange_print(const struct datum *datum, const struct text_style *style,
                      struct buffer *text)
{
    struct arena arena = {.alloc = text->alloc};
    struct range *ranges = NULL;
    uint32_t count = 0;
    if (multirange_unpack(datum->type, datum->bytes, &arena, &ranges, &count, NULL) != TDBPLUS_OK) {
        text->failed = true;
    }
    buffer_put_u8(text, '{');
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_text(text, i == 0 ? "" : ",");
        print_range(&ranges[i], style, text);
    }
    buffer_put_u8(text, '}');
    arena_deinit(&arena);
}
