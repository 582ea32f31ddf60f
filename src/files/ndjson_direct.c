/*
 * Documents straight to columns (the idea of simdjson's On-Demand: Keiser, Lemire, "On-Demand
 * JSON", 2024): members are taken as they come, and those that are wanted become values without a
 * document in between. Documents of one file are alike, so each member is first compared with the
 * one that stood there in the document before.
 */

#include <string.h>

#include "files/ndjson_internal.h"
#include "files/quick_value.h"
#include "files/utf8.h"

#define STEP_COUNT_MAX 256u /* Members of a document that are remembered. */
#define STEP_SIZE_MAX  64u  /* Bytes of their names. */
#define NOT_WANTED     UINT32_MAX

/* A member as the last document had it at this place. */
struct step {
    uint32_t size; /* Of the name. */
    uint32_t place;
    uint8_t name[STEP_SIZE_MAX]; /* Its bytes and the quote behind it. */
};

struct wanted {
    struct span name;
    uint64_t seen; /* The last document that had it. */
};

struct ndjson_direct {
    struct wanted *wanted;
    uint32_t wanted_count;
    uint64_t document;
    uint32_t step_count;
    struct step steps[STEP_COUNT_MAX];
};

bool ndjson_direct_init(struct ndjson_reader *reader)
{
    const struct ndjson_layout *layout = &reader->layout;
    uint32_t count = layout->positions == NULL ? layout->column_count : layout->position_count;
    struct ndjson_direct *direct = alloc_array(reader->alloc, 1, sizeof *direct);
    if (direct == NULL) {
        return false;
    }
    reader->direct = direct;
    direct->wanted = alloc_array(reader->alloc, count + 1u, sizeof *direct->wanted);
    direct->wanted_count = count;
    for (uint32_t i = 0; direct->wanted != NULL && i < count; i++) {
        uint32_t position = layout->positions == NULL ? i : layout->positions[i];
        direct->wanted[i].name = span_from_text(layout->columns[position].name);
    }
    return direct->wanted != NULL;
}

void ndjson_direct_deinit(struct ndjson_reader *reader)
{
    struct ndjson_direct *direct = reader->direct;
    if (direct != NULL) {
        alloc_free(reader->alloc, direct->wanted, direct->wanted_count + 1u,
                   sizeof *direct->wanted);
        alloc_free(reader->alloc, direct, 1, sizeof *direct);
    }
}

/* ---- passing over ---- */

static inline const uint8_t *skip_space(const uint8_t *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') {
        at++;
    }
    return at;
}

/* Eight bytes at a time: a high bit (at least the lowest) where a quote, a backslash or a control
 * character stands. */
static inline uint64_t marks_of(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"';
    uint64_t slash = word ^ ones * '\\';
    uint64_t found =
        ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word);
    return found & ones << 7;
}

/* From behind a quote to the first quote, backslash or control character. *high_out gathers whether
 * there was a byte that is not ASCII. */
static inline const uint8_t *find_end(const uint8_t *at, uint64_t *high_out)
{
    for (;;) {
        uint64_t word = load_u64(at);
        uint64_t marks = marks_of(word);
        if (marks != 0) {
            unsigned bits = (unsigned)__builtin_ctzll(marks) & ~7u;
            *high_out |= bits == 0 ? 0 : word << (64 - bits);
            return at + bits / 8;
        }
        *high_out |= word;
        at += sizeof word;
    }
}

/* Behind the string whose first byte is at `at`; NULL: it has none, or is not there whole. */
static const uint8_t *skip_string(const uint8_t *at)
{
    uint64_t high = 0;
    for (;;) {
        at = find_end(at, &high);
        if (*at == '"') {
            return at + 1;
        }
        if (*at != '\\' || at[1] == 0) {
            return NULL;
        }
        at += 2;
    }
}

static const uint8_t *skip_nested(const uint8_t *at)
{
    size_t depth = 0;
    for (;;) {
        uint8_t byte = *at++;
        if (byte == '"') {
            at = skip_string(at);
            if (at == NULL) {
                return NULL;
            }
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if (byte == '}' || byte == ']') {
            if (--depth == 0) {
                return at;
            }
        } else if (byte == 0) {
            return NULL;
        }
    }
}

/* Bytes that end a number or a word. */
static inline bool is_end(uint8_t byte)
{
    return byte == ',' || byte == '}' || byte == ']' || byte <= ' ';
}

/* ---- values: each returns where the value ends; NULL: not in this way ---- */

static const uint8_t *word_end(const uint8_t *at, const char *word, size_t size)
{
    return memcmp(at, word, size) == 0 && is_end(at[size]) ? at + size : NULL;
}

/* Digits as JSON has them, with a point or an exponent where `real`. */
static const uint8_t *number_end(const uint8_t *at, bool real)
{
    at += *at == '-';
    bool zero = *at == '0';
    const uint8_t *begin = at;
    while (*at >= '0' && *at <= '9') {
        at++;
    }
    if (at == begin || (zero && at != begin + 1)) {
        return NULL;
    }
    if (real && *at == '.') {
        begin = ++at;
        while (*at >= '0' && *at <= '9') {
            at++;
        }
        if (at == begin) {
            return NULL;
        }
    }
    if (real && (*at == 'e' || *at == 'E')) {
        at++;
        at += *at == '+' || *at == '-';
        begin = at;
        while (*at >= '0' && *at <= '9') {
            at++;
        }
        if (at == begin) {
            return NULL;
        }
    }
    return is_end(*at) ? at : NULL;
}

static const uint8_t *skip_value(const uint8_t *at)
{
    if (*at == '"') {
        return skip_string(at + 1);
    }
    if (*at == '{' || *at == '[') {
        return skip_nested(at);
    }
    if (*at == 't' || *at == 'f' || *at == 'n') {
        const uint8_t *end = word_end(at, "true", 4);
        end = end != NULL ? end : word_end(at, "null", 4);
        return end != NULL ? end : word_end(at, "false", 5);
    }
    return number_end(at, true);
}

static inline const uint8_t *read_integer(const uint8_t *at, struct column *column, uint32_t row)
{
    const uint8_t *end = number_end(at, false);
    if (end == NULL) {
        return NULL;
    }
    struct span text = {at, (size_t)(end - at)};
    switch (column->type.id) {
    case TYPE_INT2:
        return quick_int2(text, (int16_t *)column->data + row) ? end : NULL;
    case TYPE_INT4:
        return quick_int4(text, (int32_t *)column->data + row) ? end : NULL;
    default:
        return quick_int8(text, (int64_t *)column->data + row) ? end : NULL;
    }
}

static inline const uint8_t *read_real(const uint8_t *at, struct column *column, uint32_t row)
{
    const uint8_t *end = number_end(at, true);
    if (end == NULL) {
        return NULL;
    }
    // The sign of a zero that is a number of JSON is lost: the long way knows how.
    double *value = (double *)column->data + row;
    struct span text = {at, (size_t)(end - at)};
    return quick_float8(text, value) && (*value != 0 || *at != '-') ? end : NULL;
}

static inline const uint8_t *read_truth(const uint8_t *at, struct column *column, uint32_t row)
{
    const uint8_t *end = word_end(at, "true", 4);
    ((uint8_t *)column->data)[row] = end != NULL;
    return end != NULL ? end : word_end(at, "false", 5);
}

/* The bytes of a string without escapes, in UTF-8. */
static inline const uint8_t *plain_string(const uint8_t *at, struct span *text_out)
{
    uint64_t high = 0;
    if (*at != '"') {
        return NULL;
    }
    const uint8_t *end = find_end(++at, &high);
    *text_out = (struct span){at, (size_t)(end - at)};
    bool ascii = (high & UINT64_C(0x8080808080808080)) == 0;
    return *end == '"' && (ascii || utf8_valid(*text_out)) ? end + 1 : NULL;
}

static inline const uint8_t *read_text(const uint8_t *at, struct column *column, uint32_t row)
{
    struct span text;
    const uint8_t *end = plain_string(at, &text);
    if (end == NULL || column->type.parameter != 0 || text.size > VALUE_SIZE_MAX) {
        return NULL;
    }
    ((struct view *)column->data)[row] = quick_view(text);
    return end;
}

static const uint8_t *read_time(const uint8_t *at, struct column *column, uint32_t row)
{
    struct span text;
    bool good = false;
    const uint8_t *end = plain_string(at, &text);
    int64_t *values = column->data;
    if (end == NULL) {
        return NULL;
    }
    switch (column->type.id) {
    case TYPE_DATE:
        good = quick_date(text, (int32_t *)column->data + row);
        break;
    case TYPE_TIME:
        good = quick_time(text, &values[row]);
        break;
    case TYPE_TIMESTAMP:
        good = quick_timestamp(text, &values[row]);
        break;
    default:
        good = quick_timestamptz(text, &values[row]);
        break;
    }
    return good ? end : NULL;
}

/* Documents are parsed by themselves, null too. */
static const uint8_t *read_document(struct ndjson_reader *reader, const uint8_t *at,
                                    struct column *column, struct arena *arena)
{
    const uint8_t *end = skip_value(at);
    struct buffer *document = &reader->document;
    buffer_clear(document);
    if (end == NULL || json_parse(&reader->builder, (struct span){at, (size_t)(end - at)}, document,
                                  NULL) != TDBPLUS_OK) {
        return NULL;
    }
    uint8_t *copy = document->failed ? NULL : arena_bytes(arena, document->size);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, document->data, document->size);
    ((struct view *)column->data)[reader->row_count] = view_of((struct span){copy, document->size});
    return end;
}

static void set_null(struct column *column, uint32_t row)
{
    struct datum null = {.is_null = true};
    column_set(column, row, &null);
}

static const uint8_t *read_value(struct ndjson_reader *reader, const uint8_t *at,
                                 struct batch *batch, uint32_t place)
{
    struct column *column = &batch->columns[place];
    uint32_t row = reader->row_count;
    if (*at == 'n' && column->type.id != TYPE_JSON) {
        set_null(column, row);
        return word_end(at, "null", 4);
    }
    switch (column->type.id) {
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        return read_integer(at, column, row);
    case TYPE_FLOAT8:
        return read_real(at, column, row);
    case TYPE_BOOL:
        return read_truth(at, column, row);
    case TYPE_TEXT:
        return read_text(at, column, row);
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return read_time(at, column, row);
    case TYPE_JSON:
        return read_document(reader, at, column, &batch->arena);
    default:
        return NULL;
    }
}

/* ---- members ---- */

/* Behind the name's quote; the member's place among those that are wanted. */
static const uint8_t *find_member(struct ndjson_direct *direct, const uint8_t *at, uint32_t number,
                                  uint32_t *place_out)
{
    uint64_t high = 0;
    const uint8_t *end = find_end(at, &high);
    struct span name = {at, (size_t)(end - at)};
    if (*end != '"') {
        return NULL; // An escape may spell any name.
    }
    *place_out = NOT_WANTED;
    for (uint32_t i = 0; i < direct->wanted_count; i++) {
        if (direct->wanted[i].name.size == name.size &&
            (name.size == 0 || memcmp(direct->wanted[i].name.data, at, name.size) == 0)) {
            *place_out = i;
        }
    }
    if (number < STEP_COUNT_MAX && name.size < STEP_SIZE_MAX) {
        struct step *step = &direct->steps[number];
        step->size = (uint32_t)name.size + 1;
        step->place = *place_out;
        memcpy(step->name, at, name.size + 1);
        direct->step_count = number < direct->step_count ? direct->step_count : number + 1;
    }
    return end + 1;
}

static inline const uint8_t *next_member(struct ndjson_direct *direct, const uint8_t *at,
                                         uint32_t number, uint32_t *place_out)
{
    if (number < direct->step_count) {
        const struct step *step = &direct->steps[number];
        // The window and its slack are longer than any remembered name.
        if (step->size > 0 && memcmp(at, step->name, step->size) == 0) {
            *place_out = step->place;
            return at + step->size;
        }
    }
    return find_member(direct, at, number, place_out);
}

/* Where the object ends; *count_out members were wanted and found. */
static const uint8_t *read_members(struct ndjson_reader *reader, const uint8_t *at,
                                   struct batch *batch, uint32_t *count_out)
{
    struct ndjson_direct *direct = reader->direct;
    at = skip_space(at);
    if (*at == '}') {
        return at + 1;
    }
    for (uint32_t number = 0;; number++) {
        uint32_t place = NOT_WANTED;
        at = *at == '"' ? next_member(direct, at + 1, number, &place) : NULL;
        at = at == NULL ? NULL : skip_space(at);
        if (at == NULL || *at != ':') {
            return NULL;
        }
        at = skip_space(at + 1);
        if (place == NOT_WANTED) {
            at = skip_value(at);
        } else {
            if (direct->wanted[place].seen == direct->document) {
                return NULL; // Of members with one name the last one counts.
            }
            direct->wanted[place].seen = direct->document;
            *count_out += 1;
            at = read_value(reader, at, batch, place);
        }
        if (at == NULL) {
            return NULL;
        }
        at = skip_space(at);
        if (*at == '}') {
            return at + 1;
        }
        if (*at != ',') {
            return NULL;
        }
        at = skip_space(at + 1);
    }
}

size_t ndjson_direct_row(struct ndjson_reader *reader, struct batch *batch)
{
    struct ndjson_direct *direct = reader->direct;
    const uint8_t *begin = reader->data + reader->begin;
    uint32_t count = 0;
    if (reader->begin >= reader->size || *begin != '{') {
        return 0;
    }
    direct->document++;
    const uint8_t *end = read_members(reader, begin + 1, batch, &count);
    if (end == NULL) {
        return 0;
    }
    for (uint32_t i = 0; count < direct->wanted_count && i < direct->wanted_count; i++) {
        if (direct->wanted[i].seen != direct->document) {
            set_null(&batch->columns[i], reader->row_count);
        }
    }
    return (size_t)(end - begin);
}
