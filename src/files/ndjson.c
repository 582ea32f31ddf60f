/* Documents in a window of the input, and their members as columns. */

#include "files/ndjson_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "base/list.h"
#include "files/describe.h"
#include "files/utf8.h"
#include "types/numeric.h"

#define BLOCK_SIZE       ((size_t)256 << 10)
#define SHOWN_SIZE       100u
#define DESCRIBE_ROWS    4096u
#define MEMBER_COUNT_MAX 1600u

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory to read documents");
}

tdbplus_status ndjson_reader_open(struct file_input *input, const struct ndjson_layout *layout,
                                  const struct alloc *alloc, struct ndjson_reader **reader_out,
                                  struct err *err)
{
    struct ndjson_reader *reader = alloc_array(alloc, 1, sizeof *reader);
    if (reader == NULL) {
        return no_memory(err);
    }
    reader->alloc = alloc;
    reader->input = input;
    reader->layout = *layout;
    reader->capacity = BLOCK_SIZE;
    json_builder_init(&reader->builder, alloc);
    buffer_init(&reader->document, alloc);
    reader->data = alloc_raw(alloc, reader->capacity + NDJSON_SLACK);
    if (reader->data == NULL || !ndjson_direct_init(reader)) {
        ndjson_reader_close(reader);
        return no_memory(err);
    }
    *reader_out = reader;
    return TDBPLUS_OK;
}

void ndjson_reader_close(struct ndjson_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    ndjson_direct_deinit(reader);
    json_builder_deinit(&reader->builder);
    buffer_deinit(&reader->document);
    alloc_free(reader->alloc, reader->data, reader->capacity + NDJSON_SLACK, 1);
    alloc_free(reader->alloc, reader, 1, sizeof *reader);
}

void ndjson_reader_restart(struct ndjson_reader *reader)
{
    reader->begin = reader->size = reader->batch_begin = 0;
    reader->ended = false;
    reader->line = 0;
    reader->row_count = 0;
    reader->held = TDBPLUS_OK;
    memset(reader->data, 0, NDJSON_SLACK);
}

/* ---- the window ---- */

static uint64_t count_lines(const uint8_t *data, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t lines = 0;
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
        // A byte of `other` is zero where a line ends; its high bit stays clear in `some`.
        uint64_t other = load_u64(data + at) ^ ones * '\n';
        uint64_t some = ((other & ~(ones << 7)) + ~(ones << 7)) | other;
        lines += (uint64_t)__builtin_popcountll(~some & ones << 7);
    }
    for (; at < size; at++) {
        lines += data[at] == '\n';
    }
    return lines;
}

/* What was taken is counted and done with: batches no longer point to it. */
static void leave_batch(struct ndjson_reader *reader)
{
    reader->line +=
        count_lines(reader->data + reader->batch_begin, reader->begin - reader->batch_begin);
    reader->batch_begin = reader->begin;
    reader->row_count = 0;
}

static tdbplus_status refill(struct ndjson_reader *reader, struct err *err)
{
    leave_batch(reader);
    if (reader->begin > 0) {
        memmove(reader->data, reader->data + reader->begin, reader->size - reader->begin);
        reader->size -= reader->begin;
        reader->begin = reader->batch_begin = 0;
        memset(reader->data + reader->size, 0, NDJSON_SLACK); // The input may have nothing for now.
    }
    if (reader->size == reader->capacity) {
        if (reader->capacity >= NDJSON_DOCUMENT_SIZE_MAX) {
            return err_set(err, TDBPLUS_E_LIMIT, "a document has more than %zu bytes",
                           NDJSON_DOCUMENT_SIZE_MAX);
        }
        uint8_t *data = alloc_resize(reader->alloc, reader->data, reader->capacity + NDJSON_SLACK,
                                     reader->capacity * 2 + NDJSON_SLACK, 1);
        if (data == NULL) {
            return no_memory(err);
        }
        reader->data = data;
        reader->capacity *= 2;
    }
    size_t size = 0;
    TRY(reader->input->read(reader->input, reader->data + reader->size,
                            reader->capacity - reader->size, &size, err));
    reader->ended = size == 0;
    reader->size += size;
    memset(reader->data + reader->size, 0, NDJSON_SLACK);
    return TDBPLUS_OK;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Passes over what stands between documents. */
static void skip_between(struct ndjson_reader *reader)
{
    while (reader->begin < reader->size) {
        uint8_t byte = reader->data[reader->begin];
        if (byte == '[' && !reader->in_array) {
            reader->in_array = true;
        } else if (!is_blank(byte) && !(reader->in_array && (byte == ',' || byte == ']'))) {
            return;
        }
        reader->begin++;
    }
}

/* The size of the document at the front; 0: it is not there whole. */
static size_t document_size(const struct ndjson_reader *reader)
{
    const uint8_t *data = reader->data;
    size_t depth = 0;
    bool inside = false;
    for (size_t at = reader->begin; at < reader->size; at++) {
        uint8_t byte = data[at];
        if (inside) {
            at += byte == '\\';
            inside = byte != '"';
        } else if (byte == '"') {
            inside = true;
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if (byte == '}' || byte == ']') {
            if (depth <= 1) {
                return at + (depth == 1) - reader->begin + (depth == 0 && at == reader->begin);
            }
            depth--;
        } else if (depth == 0 && (byte == '\n' || byte == ',')) {
            return at - reader->begin;
        }
    }
    return reader->ended ? reader->size - reader->begin : 0;
}

/* ---- documents ---- */

static int shown_size(struct span text)
{
    size_t size = text.size < SHOWN_SIZE ? text.size : SHOWN_SIZE;
    while (size > 0 && size < text.size && (text.data[size] & 0xC0) == 0x80) {
        size--;
    }
    return (int)size;
}

/* The line where a row of the batch at hand begins; the next row's is that of `begin`. */
static uint64_t line_of(const struct ndjson_reader *reader, uint32_t row)
{
    size_t end = row < reader->row_count ? reader->begins[row] : reader->begin;
    uint64_t before =
        reader->input->lines_before == NULL ? 0 : reader->input->lines_before(reader->input);
    return before + reader->line + 1 +
           count_lines(reader->data + reader->batch_begin, end - reader->batch_begin);
}

/* Parses the document of so many bytes at the front into reader->document. */
static tdbplus_status take_document(struct ndjson_reader *reader, size_t size, struct err *err)
{
    struct span text = {reader->data + reader->begin, size};
    buffer_clear(&reader->document);
    tdbplus_status status = json_parse(&reader->builder, text, &reader->document, err);
    bool shown = utf8_valid((struct span){text.data, (size_t)shown_size(text)});
    if (status != TDBPLUS_OK && !shown) {
        err_context(err, "%s, line %" PRIu64, reader->layout.source,
                    line_of(reader, reader->row_count)); // A message is in UTF-8.
        return status;
    }
    if (status != TDBPLUS_OK) {
        err_context(err, "%s, line %" PRIu64 ": \"%.*s%s\"", reader->layout.source,
                    line_of(reader, reader->row_count), shown_size(text), (const char *)text.data,
                    text.size > SHOWN_SIZE ? "..." : "");
        return status;
    }
    return reader->document.failed ? no_memory(err) : TDBPLUS_OK;
}

/* The size of the next document, which is made to be there; TDBPLUS_END. A refill would move what
 * the rows of a batch point to: with any, TDBPLUS_PENDING instead. */
static tdbplus_status next_size(struct ndjson_reader *reader, size_t *size_out, struct err *err)
{
    for (;;) {
        skip_between(reader);
        if (reader->begin < reader->size && (*size_out = document_size(reader)) > 0) {
            return TDBPLUS_OK;
        }
        if (reader->ended) {
            return TDBPLUS_END;
        }
        if (reader->row_count > 0) {
            return TDBPLUS_PENDING;
        }
        TRY(refill(reader, err));
    }
}

tdbplus_status ndjson_reader_document(struct ndjson_reader *reader, struct span *document_out,
                                      struct err *err)
{
    size_t size = 0;
    TRY(next_size(reader, &size, err));
    TRY(take_document(reader, size, err));
    reader->begin += size;
    *document_out = buffer_span(&reader->document);
    return TDBPLUS_OK;
}

/* ---- values of a parsed document ---- */

static tdbplus_status parse_value(const struct ndjson_reader *reader, struct span text,
                                  struct type type, struct arena *arena, struct datum *value_out,
                                  struct err *err)
{
    return text_parse(text, type, reader->layout.style, arena, value_out, err);
}

/* What is not the type's own kind is read from its text. */
static tdbplus_status value_of_text(const struct ndjson_reader *reader, struct span value,
                                    struct type type, struct arena *arena, struct datum *value_out,
                                    struct err *err)
{
    if (json_kind(value) == JSON_STRING) {
        return parse_value(reader, json_string(value), type, arena, value_out, err);
    }
    struct buffer text;
    buffer_init(&text, arena->alloc);
    json_print(value, &text);
    tdbplus_status status =
        text.failed ? no_memory(err)
                    : parse_value(reader, buffer_span(&text), type, arena, value_out, err);
    buffer_deinit(&text);
    return status;
}

static tdbplus_status value_of(const struct ndjson_reader *reader, struct span value,
                               struct type type, struct arena *arena, struct datum *value_out,
                               struct err *err)
{
    enum json_kind kind = json_kind(value);
    *value_out = (struct datum){.type = type};
    if (type.id == TYPE_JSON) {
        uint8_t *copy = arena_bytes(arena, value.size);
        if (copy == NULL) {
            return no_memory(err);
        }
        memcpy(copy, value.data, value.size);
        value_out->bytes = (struct span){copy, value.size};
        return TDBPLUS_OK;
    }
    if (kind == JSON_NULL) {
        value_out->is_null = true;
        return TDBPLUS_OK;
    }
    if (type.id == TYPE_INT8 && kind == JSON_NUMBER && json_integer(value, &value_out->integer)) {
        return TDBPLUS_OK;
    }
    if (type.id == TYPE_FLOAT8 && kind == JSON_NUMBER) {
        value_out->real = json_real(value);
        return TDBPLUS_OK;
    }
    if (type.id == TYPE_BOOL && kind == JSON_BOOLEAN) {
        value_out->boolean = json_boolean(value);
        return TDBPLUS_OK;
    }
    return value_of_text(reader, value, type, arena, value_out, err);
}

/* Where the value stands, and what it is. */
static void bad_value(const struct ndjson_reader *reader, uint32_t position, struct span value,
                      struct err *err)
{
    const struct ndjson_layout *layout = &reader->layout;
    struct buffer printed;
    buffer_init(&printed, reader->alloc);
    struct span text = {0};
    if (json_kind(value) == JSON_STRING) {
        text = json_string(value);
    } else {
        json_print(value, &printed);
        text = buffer_span(&printed);
    }
    err_context(err, "%s, line %" PRIu64 ", column %s: \"%.*s%s\"", layout->source,
                line_of(reader, reader->row_count), layout->columns[position].name,
                shown_size(text), text.size == 0 ? "" : (const char *)text.data,
                text.size > SHOWN_SIZE ? "..." : "");
    buffer_deinit(&printed);
}

static tdbplus_status put_row(struct ndjson_reader *reader, struct batch *batch, struct err *err)
{
    const struct ndjson_layout *layout = &reader->layout;
    struct span document = buffer_span(&reader->document);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        uint32_t position = layout->positions == NULL ? i : layout->positions[i];
        struct column *column = &batch->columns[i];
        struct span key = span_from_text(layout->columns[position].name);
        struct span member = {0};
        struct datum value = {.is_null = true};
        if (json_get(document, key, &member)) {
            tdbplus_status status =
                value_of(reader, member, column->type, &batch->arena, &value, err);
            if (status != TDBPLUS_OK) {
                bad_value(reader, position, member, err);
                return status;
            }
        }
        column_set(column, reader->row_count, &value);
    }
    return TDBPLUS_OK;
}

/* A row by way of its whole document, which tells what is wrong. */
static tdbplus_status long_row(struct ndjson_reader *reader, size_t size, struct batch *batch,
                               struct err *err)
{
    TRY(take_document(reader, size, err));
    if (json_kind(buffer_span(&reader->document)) != JSON_OBJECT) {
        tdbplus_status status =
            err_set_state(err, TDBPLUS_E_SQL, "22P04", "a row of JSON must be an object");
        err_context(err, "%s, line %" PRIu64, reader->layout.source,
                    line_of(reader, reader->row_count));
        return status;
    }
    return put_row(reader, batch, err);
}

static tdbplus_status next_row(struct ndjson_reader *reader, struct batch *batch, struct err *err)
{
    skip_between(reader);
    size_t size = ndjson_direct_row(reader, batch);
    if (size == 0) {
        TRY(next_size(reader, &size, err));
        TRY(long_row(reader, size, batch, err));
    }
    reader->begins[reader->row_count++] = (uint32_t)reader->begin;
    reader->begin += size;
    return TDBPLUS_OK;
}

static tdbplus_status make_columns(const struct ndjson_layout *layout, struct batch *batch,
                                   struct err *err)
{
    bool made = file_columns_make(layout->columns, layout->column_count, layout->positions,
                                  layout->position_count, batch);
    return made ? TDBPLUS_OK : no_memory(err);
}

tdbplus_status ndjson_reader_next(struct ndjson_reader *reader, struct batch *batch,
                                  struct err *err)
{
    tdbplus_status status = reader->held;
    leave_batch(reader);
    TRY(make_columns(&reader->layout, batch, err));
    while (reader->row_count < BATCH_ROW_COUNT_MAX && status == TDBPLUS_OK) {
        status = next_row(reader, batch, &reader->held_err);
    }
    for (uint32_t i = 0; i < batch->column_count; i++) {
        batch->columns[i].row_count = reader->row_count;
        column_trim_validity(&batch->columns[i]);
    }
    batch->row_count = reader->row_count;
    if (reader->row_count > 0) {
        reader->held = status == TDBPLUS_PENDING ? TDBPLUS_OK : status;
        return TDBPLUS_OK;
    }
    if (status != TDBPLUS_END && status != TDBPLUS_PENDING && err != NULL &&
        err->status == TDBPLUS_OK) {
        *err = reader->held_err;
    }
    return status;
}

void ndjson_reader_context(const struct ndjson_reader *reader, uint32_t row, struct err *err)
{
    err_context(err, "%s, line %" PRIu64, reader->layout.source, line_of(reader, row));
}

/* ---- describing ---- */

/* A member seen in some document. */
struct member {
    const char *name;
    struct type_guess texts;
    uint32_t strings;
    uint32_t integers;
    uint32_t reals;
    uint32_t booleans;
    uint32_t others;
};

static struct member *find_member(struct list *members, struct span key, struct arena *arena)
{
    for (size_t i = 0; i < members->count; i++) {
        struct member *member = list_at(members, i);
        if (strlen(member->name) == key.size && memcmp(member->name, key.data, key.size) == 0) {
            return member;
        }
    }
    struct member fresh = {.name = arena_text(arena, key)};
    type_guess_init(&fresh.texts);
    return fresh.name == NULL || members->count >= MEMBER_COUNT_MAX ? NULL
                                                                    : list_push(members, &fresh);
}

static void note_value(struct member *member, struct span value)
{
    int64_t integer = 0;
    switch (json_kind(value)) {
    case JSON_NULL:
        break;
    case JSON_STRING:
        member->strings++;
        type_guess_add(&member->texts, json_string(value));
        break;
    case JSON_NUMBER:
        *(json_integer(value, &integer) ? &member->integers : &member->reals) += 1;
        break;
    case JSON_BOOLEAN:
        member->booleans++;
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        member->others++;
        break;
    }
}

static struct type member_type(const struct member *member)
{
    uint32_t numbers = member->integers + member->reals;
    if (member->others > 0 || (member->strings > 0) + (numbers > 0) + (member->booleans > 0) > 1) {
        return type_of(TYPE_JSON);
    }
    if (member->strings > 0) {
        struct type type = type_guess_type(&member->texts);
        bool time =
            type.id == TYPE_DATE || type.id == TYPE_TIMESTAMP || type.id == TYPE_TIMESTAMPTZ;
        return time ? type : type_of(TYPE_TEXT);
    }
    if (numbers > 0) {
        return type_of(member->reals > 0 ? TYPE_FLOAT8 : TYPE_INT8);
    }
    return type_of(member->booleans > 0 ? TYPE_BOOL : TYPE_TEXT);
}

static tdbplus_status look_at(struct ndjson_reader *reader, uint32_t limit, struct list *members,
                              struct arena *arena, struct err *err)
{
    for (uint32_t row = 0; row < limit; row++) {
        struct span document;
        tdbplus_status status = ndjson_reader_document(reader, &document, err);
        if (status == TDBPLUS_END) {
            break;
        }
        TRY(status);
        for (uint32_t i = 0; json_kind(document) == JSON_OBJECT && i < json_count(document); i++) {
            struct span key;
            struct span value = json_member(document, i, &key);
            struct member *member = find_member(members, key, arena);
            if (member == NULL) {
                return members->count >= MEMBER_COUNT_MAX
                           ? err_set(err, TDBPLUS_E_LIMIT,
                                     "the documents have more than %u different members",
                                     MEMBER_COUNT_MAX)
                           : no_memory(err);
            }
            note_value(member, value);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status ndjson_describe(const struct file_request *request, const char *path,
                               struct arena *arena, struct file_spec *spec, struct err *err)
{
    struct file_input *input = NULL;
    struct ndjson_reader *reader = NULL;
    struct ndjson_layout layout = {.source = "file"};
    struct list members;
    struct file_column *columns = NULL;
    list_init(&members, arena->alloc, sizeof(struct member));
    tdbplus_status status = TDBPLUS_OK;
    uint32_t limit = request->csv.sample_rows == 0 ? DESCRIBE_ROWS : request->csv.sample_rows;
    TRY_OR(done, file_text_open(path, request->encoding, arena->alloc, &input, err));
    TRY_OR(done, ndjson_reader_open(input, &layout, arena->alloc, &reader, err));
    TRY_OR(done, look_at(reader, limit, &members, arena, err));
    columns = arena_array(arena, members.count + 1, sizeof *columns);
    if (columns == NULL) {
        status = no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < members.count; i++) {
        const struct member *member = list_at(&members, i);
        columns[i] = (struct file_column){member->name, member_type(member)};
    }
    spec->columns = columns;
    spec->column_count = (uint32_t)members.count;
done:
    ndjson_reader_close(reader);
    file_input_close(input);
    list_deinit(&members);
    return status;
}
