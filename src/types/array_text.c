/* Text of arrays, "{1,NULL,\"a b\"}", and of vectors, "[1,2,3]". */

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/list.h"
#include "types/array.h"
#include "types/float_text.h"
#include "types/text_internal.h"

#define DEPTH_MAX ARRAY_DIMENSION_COUNT_MAX

/* ---- reading arrays ---- */

struct array_reader {
    struct span rest;
    struct span text;
    struct type element;
    const struct text_style *style;
    struct arena *arena;
    struct list items;
    uint32_t depth;
    uint32_t depth_of_items; /* 0 until the first item. */
    uint32_t counts[DEPTH_MAX + 1];
    uint32_t lengths[DEPTH_MAX + 1]; /* 0 until the first array of that depth is closed. */
    int32_t lowers[DEPTH_MAX];
    uint32_t lengths_given[DEPTH_MAX];
    uint32_t dimensions_given;
    struct err *err;
};

static TDBPLUS_CHECKED tdbplus_status malformed(struct array_reader *reader, const char *detail)
{
    size_t size = reader->text.size > 200 ? 200 : reader->text.size;
    tdbplus_status status =
        err_set_state(reader->err, TDBPLUS_E_SYNTAX, "22P02", "malformed array literal: \"%.*s\"",
                      (int)size, (const char *)reader->text.data);
    err_detail(reader->err, "%s", detail);
    return status;
}

static void skip_spaces(struct array_reader *reader)
{
    while (reader->rest.size > 0 && text_is_space(reader->rest.data[0])) {
        reader->rest.data++;
        reader->rest.size--;
    }
}

static bool skip_byte(struct array_reader *reader, uint8_t byte)
{
    skip_spaces(reader);
    if (reader->rest.size == 0 || reader->rest.data[0] != byte) {
        return false;
    }
    reader->rest.data++;
    reader->rest.size--;
    return true;
}

static bool read_bound(struct array_reader *reader, int64_t *bound_out)
{
    bool is_negative = skip_byte(reader, '-');
    int64_t bound = 0;
    size_t digits = 0;
    while (reader->rest.size > 0 && reader->rest.data[0] >= '0' && reader->rest.data[0] <= '9' &&
           digits < 10) {
        bound = bound * 10 + (reader->rest.data[0] - '0');
        reader->rest.data++;
        reader->rest.size--;
        digits++;
    }
    *bound_out = is_negative ? -bound : bound;
    return digits > 0;
}

/* "[1:3][0:1]=" before the array. */
static tdbplus_status read_bounds(struct array_reader *reader)
{
    while (skip_byte(reader, '[')) {
        int64_t lower = 1;
        int64_t upper = 0;
        if (reader->dimensions_given == DEPTH_MAX) {
            return malformed(reader, "There are more than six dimensions.");
        }
        bool good = read_bound(reader, &upper);
        if (good && skip_byte(reader, ':')) {
            lower = upper;
            good = read_bound(reader, &upper);
        }
        if (good && upper < lower) {
            return err_set_state(reader->err, TDBPLUS_E_SYNTAX, "2202E",
                                 "upper bound cannot be less than lower bound");
        }
        if (!good || !skip_byte(reader, ']') || lower < INT32_MIN || upper >= INT32_MAX) {
            return malformed(reader, "An array dimension is not \"[lower:upper]\".");
        }
        reader->lowers[reader->dimensions_given] = (int32_t)lower;
        reader->lengths_given[reader->dimensions_given++] = (uint32_t)(upper - lower + 1);
    }
    if (reader->dimensions_given > 0 && !skip_byte(reader, '=')) {
        return malformed(reader, "Missing \"=\" after array dimensions.");
    }
    return TDBPLUS_OK;
}

/* The text of an item without quotes and backslashes, in the arena. *quoted_out: it cannot be NULL.
 */
static tdbplus_status read_item_text(struct array_reader *reader, struct span *text_out,
                                     bool *quoted_out)
{
    skip_spaces(reader);
    uint8_t *text = arena_bytes(reader->arena, reader->rest.size + 1);
    if (text == NULL) {
        return text_no_memory(reader->err);
    }
    size_t size = 0;
    size_t kept = 0; // Spaces after this may be cut.
    bool in_quotes = false;
    *quoted_out = false;
    size_t i = 0;
    for (; i < reader->rest.size; i++) {
        uint8_t byte = reader->rest.data[i];
        if (byte == '\\') {
            if (++i == reader->rest.size) {
                return malformed(reader, "Unexpected end of input.");
            }
            text[size++] = reader->rest.data[i];
            kept = size;
            *quoted_out = true;
        } else if (byte == '"') {
            if (!in_quotes && (*quoted_out || size > 0)) {
                return malformed(reader, "Unexpected array element.");
            }
            in_quotes = !in_quotes;
            *quoted_out = true;
            kept = size;
        } else if (!in_quotes && (byte == ',' || byte == '}' || byte == '{')) {
            break;
        } else if (!in_quotes && *quoted_out && kept == size && !text_is_space(byte) && i > 0 &&
                   reader->rest.data[i - 1] == '"') {
            return malformed(reader, "Unexpected array element.");
        } else {
            text[size++] = byte;
            kept = in_quotes || !text_is_space(byte) ? size : kept;
        }
    }
    if (in_quotes || i == reader->rest.size) {
        return malformed(reader, "Unexpected end of input.");
    }
    // The arena keeps only what was used.
    struct arena_mark mark = arena_mark(reader->arena);
    mark.at = text + kept;
    arena_rollback(reader->arena, mark);
    reader->rest.data += i;
    reader->rest.size -= i;
    *text_out = (struct span){.data = text, .size = kept};
    return TDBPLUS_OK;
}

static tdbplus_status read_item(struct array_reader *reader)
{
    struct span text = {0};
    bool quoted = false;
    if (reader->depth_of_items != 0 && reader->depth_of_items != reader->depth) {
        return malformed(reader, "Multidimensional arrays must have sub-arrays with matching "
                                 "dimensions.");
    }
    TRY(read_item_text(reader, &text, &quoted));
    if (text.size == 0 && !quoted) {
        return malformed(reader, "Unexpected array element.");
    }
    struct datum item = {.type = reader->element, .is_null = true};
    bool is_null =
        !quoted && text.size == 4 && strncasecmp((const char *)text.data, "null", text.size) == 0;
    if (!is_null) {
        TRY(text_parse(text, reader->element, reader->style, reader->arena, &item, reader->err));
    }
    if (reader->items.count == ARRAY_ITEM_COUNT_MAX) {
        return err_set(reader->err, TDBPLUS_E_LIMIT, "array size exceeds the maximum allowed");
    }
    if (list_push(&reader->items, &item) == NULL) {
        return text_no_memory(reader->err);
    }
    reader->depth_of_items = reader->depth;
    reader->counts[reader->depth]++;
    return TDBPLUS_OK;
}

static tdbplus_status open_level(struct array_reader *reader)
{
    if (reader->depth == DEPTH_MAX) {
        return err_set(reader->err, TDBPLUS_E_LIMIT,
                       "number of array dimensions exceeds the maximum allowed (%u)", DEPTH_MAX);
    }
    if (reader->depth_of_items != 0 && reader->depth >= reader->depth_of_items) {
        return malformed(reader, "Unexpected \"{\" character.");
    }
    reader->counts[++reader->depth] = 0;
    return TDBPLUS_OK;
}

static tdbplus_status close_level(struct array_reader *reader)
{
    uint32_t depth = reader->depth;
    if (reader->lengths[depth] == 0) {
        reader->lengths[depth] = reader->counts[depth];
    }
    if (reader->lengths[depth] != reader->counts[depth]) {
        return malformed(reader, "Multidimensional arrays must have sub-arrays with matching "
                                 "dimensions.");
    }
    reader->depth--;
    reader->counts[reader->depth]++;
    return TDBPLUS_OK;
}

/* The outermost opening brace to its closing one. */
static tdbplus_status read_levels(struct array_reader *reader)
{
    if (!skip_byte(reader, '{')) {
        return malformed(reader, "Array value must start with \"{\" or dimension information.");
    }
    TRY(open_level(reader));
    bool wants_item = true; // After a comma or an opening brace.
    bool after_comma = false;
    while (reader->depth > 0) {
        if (wants_item && skip_byte(reader, '{')) {
            TRY(open_level(reader));
            after_comma = false;
        } else if (!after_comma && skip_byte(reader, '}')) {
            TRY(close_level(reader));
            wants_item = false;
        } else if (!wants_item && skip_byte(reader, ',')) {
            wants_item = true;
            after_comma = true;
        } else if (wants_item) {
            TRY(read_item(reader));
            wants_item = false;
            after_comma = false;
        } else {
            return malformed(reader, "Unexpected array element.");
        }
    }
    skip_spaces(reader);
    return reader->rest.size == 0 ? TDBPLUS_OK
                                  : malformed(reader, "Junk after closing right brace.");
}

static tdbplus_status finish_array(struct array_reader *reader, struct datum *datum)
{
    struct array_dimension dimensions[DEPTH_MAX];
    uint32_t count = reader->items.count == 0 ? 0 : reader->depth_of_items;
    if (reader->dimensions_given > 0 && reader->dimensions_given != count) {
        return malformed(reader, "Specified array dimensions do not match array contents.");
    }
    for (uint32_t i = 0; i < count; i++) {
        dimensions[i] = (struct array_dimension){.length = reader->lengths[i + 1], .lower = 1};
        if (reader->dimensions_given > 0) {
            dimensions[i].lower = reader->lowers[i];
            if (reader->lengths_given[i] != dimensions[i].length) {
                return malformed(reader, "Specified array dimensions do not match array contents.");
            }
        }
    }
    struct buffer encoded = {.alloc = reader->arena->alloc};
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, array_encode(reader->element, reader->items.items, dimensions, count, &encoded,
                              reader->err));
    uint8_t *copy = arena_bytes(reader->arena, encoded.size);
    if (copy == NULL) {
        status = text_no_memory(reader->err);
        goto done;
    }
    memcpy(copy, encoded.data, encoded.size);
    datum->bytes = (struct span){.data = copy, .size = encoded.size};
done:
    buffer_deinit(&encoded);
    return status;
}

/* int2vector and oidvector: numbers with spaces between them. */
static tdbplus_status read_spaced(struct array_reader *reader, struct datum *datum)
{
    skip_spaces(reader);
    while (reader->rest.size > 0) {
        struct span word = {.data = reader->rest.data};
        struct datum item = {0};
        while (word.size < reader->rest.size && !text_is_space(word.data[word.size])) {
            word.size++;
        }
        TRY(text_parse(word, reader->element, reader->style, reader->arena, &item, reader->err));
        if (list_push(&reader->items, &item) == NULL) {
            return text_no_memory(reader->err);
        }
        reader->rest.data += word.size;
        reader->rest.size -= word.size;
        skip_spaces(reader);
    }
    struct array_dimension dimension = {.length = (uint32_t)reader->items.count};
    struct buffer encoded;
    buffer_init(&encoded, reader->arena->alloc);
    const struct datum *items = dimension.length > 0 ? list_at(&reader->items, 0) : NULL;
    tdbplus_status status =
        array_encode(reader->element, items, &dimension, items != NULL, &encoded, reader->err);
    uint8_t *copy = status == TDBPLUS_OK ? arena_bytes(reader->arena, encoded.size) : NULL;
    if (copy != NULL) {
        memcpy(copy, encoded.data, encoded.size);
        datum->bytes = (struct span){.data = copy, .size = encoded.size};
    } else if (status == TDBPLUS_OK) {
        status = text_no_memory(reader->err);
    }
    buffer_deinit(&encoded);
    return status;
}

tdbplus_status text_parse_array(struct span text, struct type type, const struct text_style *style,
                                struct arena *arena, struct datum *datum, struct err *err)
{
    struct array_reader reader = {.rest = text,
                                  .text = text,
                                  .element = type_element(type),
                                  .style = style,
                                  .arena = arena,
                                  .err = err};
    list_init(&reader.items, arena->alloc, sizeof(struct datum));
    tdbplus_status status = TDBPLUS_OK;
    if (type.form == ARRAY_SPACED) {
        TRY_OR(done, read_spaced(&reader, datum));
        goto done;
    }
    TRY_OR(done, read_bounds(&reader));
    TRY_OR(done, read_levels(&reader));
    TRY_OR(done, finish_array(&reader, datum));
done:
    list_deinit(&reader.items);
    return status;
}

/* ---- printing arrays ---- */

static bool needs_quotes(struct span text)
{
    if (text.size == 0 ||
        (text.size == 4 && strncasecmp((const char *)text.data, "null", text.size) == 0)) {
        return true;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (text_is_space(byte) || byte == '"' || byte == '\\' || byte == '{' || byte == '}' ||
            byte == ',') {
            return true;
        }
    }
    return false;
}

static void print_item(const struct datum *item, const struct text_style *style,
                       struct buffer *scratch, struct buffer *text)
{
    if (item->is_null) {
        buffer_put_text(text, "NULL");
        return;
    }
    buffer_clear(scratch);
    text_print(item, style, scratch);
    struct span printed = buffer_span(scratch);
    if (scratch->failed) {
        text->failed = true;
        return;
    }
    if (!needs_quotes(printed)) {
        buffer_put_span(text, printed);
        return;
    }
    buffer_put_u8(text, '"');
    for (size_t i = 0; i < printed.size; i++) {
        if (printed.data[i] == '"' || printed.data[i] == '\\') {
            buffer_put_u8(text, '\\');
        }
        buffer_put_u8(text, printed.data[i]);
    }
    buffer_put_u8(text, '"');
}

static void print_bounds(const struct array *array, struct buffer *text)
{
    bool is_usual = true;
    for (uint32_t i = 0; i < array->dimension_count; i++) {
        is_usual &= array->dimensions[i].lower == 1;
    }
    for (uint32_t i = 0; !is_usual && i < array->dimension_count; i++) {
        int64_t lower = array->dimensions[i].lower;
        buffer_printf(text, "[%lld:%lld]", (long long)lower,
                      (long long)(lower + array->dimensions[i].length - 1));
    }
    if (!is_usual) {
        buffer_put_u8(text, '=');
    }
}

/* The items with something between them. */
static void print_plain(const struct array *array, char between, const struct text_style *style,
                        struct buffer *text)
{
    for (uint32_t i = 0; i < array->count && !text->failed; i++) {
        struct datum item;
        array_get(array, i, &item);
        if (i > 0) {
            buffer_put_u8(text, (uint8_t)between);
        }
        text_print(&item, style, text);
    }
}

void text_print_array(const struct datum *datum, const struct text_style *style,
                      struct buffer *text)
{
    struct array array;
    tdbplus_status status = array_open(datum->bytes, datum->type, &array, NULL);
    ASSERT(status == TDBPLUS_OK);
    if (datum->type.form == ARRAY_SPACED) {
        print_plain(&array, ' ', style, text);
        return;
    }
    if (datum->type.form == ARRAY_PAIR) {
        buffer_put_u8(text, '(');
        print_plain(&array, ',', style, text);
        buffer_put_u8(text, ')');
        return;
    }
    if (array.count == 0) {
        buffer_put_text(text, "{}");
        return;
    }
    struct buffer scratch = {.alloc = text->alloc};
    print_bounds(&array, text);
    // Items in one innermost array, in the one around it...: where braces stand.
    uint32_t sizes[ARRAY_DIMENSION_COUNT_MAX];
    uint32_t size = 1;
    for (uint32_t i = array.dimension_count; i > 0; i--) {
        size *= array.dimensions[i - 1].length;
        sizes[i - 1] = size;
    }
    for (uint32_t i = 0; i < array.count && !text->failed; i++) {
        if (i > 0) {
            buffer_put_u8(text, ',');
        }
        for (uint32_t d = 0; d < array.dimension_count; d++) {
            if (i % sizes[d] == 0) {
                buffer_put_u8(text, '{');
            }
        }
        struct datum item;
        array_get(&array, i, &item);
        print_item(&item, style, &scratch, text);
        for (uint32_t d = 0; d < array.dimension_count; d++) {
            if ((i + 1) % sizes[d] == 0) {
                buffer_put_u8(text, '}');
            }
        }
    }
    buffer_deinit(&scratch);
}

/* ---- vectors ---- */

static tdbplus_status parse_component(struct type type, struct span text, struct span whole,
                                      uint8_t *at, struct err *err)
{
    struct span word = text_trim(text);
    float value = 0;
    if (word.size > 1 && word.data[0] == '+' && word.data[1] != '-') {
        word.data++;
        word.size--;
    }
    enum float_text_result result =
        word.size == 0 ? FLOAT_TEXT_INVALID : float_text_to_float(word, &value);
    if (result == FLOAT_TEXT_INVALID) {
        return text_bad_syntax(type, whole, err);
    }
    if (result == FLOAT_TEXT_RANGE) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003",
                             "\"%.*s\" is out of range for type vector", (int)word.size,
                             (const char *)word.data);
    }
    if (isnan(value) || isinf(value)) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22000", "%s not allowed in vector",
                             isnan(value) ? "NaN" : "infinite value");
    }
    memcpy(at, &value, sizeof value);
    return TDBPLUS_OK;
}

/* Of a vector without its brackets: one more than it has commas. */
static uint32_t count_components(struct span text)
{
    uint32_t count = 1;
    for (size_t i = 0; i < text.size; i++) {
        count += text.data[i] == ',';
    }
    return count;
}

tdbplus_status text_parse_vector(struct span text, struct type type, struct arena *arena,
                                 struct datum *datum, struct err *err)
{
    struct span word = text_trim(text);
    if (word.size < 2 || word.data[0] != '[' || word.data[word.size - 1] != ']') {
        return text_bad_syntax(type, text, err);
    }
    word.data++;
    word.size -= 2;
    uint32_t dimension = type.parameter == 0 ? count_components(word) : type.parameter;
    if (dimension > VECTOR_DIMENSION_MAX) {
        return err_set_state(err, TDBPLUS_E_LIMIT, "54000",
                             "vector cannot have more than %u dimensions", VECTOR_DIMENSION_MAX);
    }
    uint8_t *values = arena_alloc(arena, dimension * sizeof(float));
    if (values == NULL) {
        return text_no_memory(err);
    }
    uint32_t count = 0;
    bool more = true;
    for (; more; count++) {
        const uint8_t *comma = word.size == 0 ? NULL : memchr(word.data, ',', word.size);
        struct span part = word;
        part.size = comma == NULL ? word.size : (size_t)(comma - word.data);
        more = comma != NULL;
        uint8_t ignored[sizeof(float)];
        uint8_t *at = count < dimension ? values + count * sizeof(float) : ignored;
        TRY(parse_component(type, part, text, at, err));
        word.data += part.size + more;
        word.size -= part.size + more;
    }
    if (count != dimension) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22000", "expected %u dimensions, not %u",
                             dimension, count);
    }
    datum->bytes = (struct span){.data = values, .size = dimension * sizeof(float)};
    return TDBPLUS_OK;
}

void text_print_vector(const struct datum *datum, struct buffer *text)
{
    buffer_put_u8(text, '[');
    for (size_t i = 0; i + sizeof(float) <= datum->bytes.size; i += sizeof(float)) {
        float value = 0;
        memcpy(&value, datum->bytes.data + i, sizeof value);
        if (i > 0) {
            buffer_put_u8(text, ',');
        }
        text_print_float4(value, text);
    }
    buffer_put_u8(text, ']');
}
