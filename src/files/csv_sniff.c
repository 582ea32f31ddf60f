/* What a CSV file's beginning tells: delimiter, header, names and types. */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "files/describe.h"
#include "files/utf8.h"
#include "types/schema.h"

#define SAMPLE_SIZE      ((size_t)1 << 20)
#define SAMPLE_ROWS      4096u
#define DIALECT_ROWS     200u
#define COLUMN_COUNT_MAX 1600u

/* ---- types of texts ---- */

enum guess_type {
    GUESS_BOOL = 1,
    GUESS_INTEGER = 2,
    GUESS_FLOAT = 4,
    GUESS_DATE = 8,
    GUESS_TIMESTAMP = 16,
    GUESS_TIMESTAMPTZ = 32,
    GUESS_TIME = 64,
};

void type_guess_init(struct type_guess *guess)
{
    *guess = (struct type_guess){.can = 127};
}

static bool is_word(struct span text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* No zeros in front: those are codes, and would lose them. */
static bool is_number(struct span text)
{
    size_t at = text.size > 1 && text.data[0] == '-' ? 1 : 0;
    if (text.size == at || (!is_digit(text.data[at]) && text.data[at] != '.')) {
        return false;
    }
    return !(text.data[at] == '0' && text.size > at + 1 && is_digit(text.data[at + 1]));
}

static bool is_whole(struct span text)
{
    for (size_t i = text.data[0] == '-' ? 1 : 0; i < text.size; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
    }
    return true;
}

static bool reads_as(struct span text, enum type_id id)
{
    struct arena arena;
    struct datum value;
    arena_init(&arena, &alloc_system, 1024);
    bool good = text_parse(text, type_of(id), NULL, &arena, &value, NULL) == TDBPLUS_OK;
    arena_deinit(&arena);
    return good;
}

static bool begins_with_date(struct span text)
{
    return text.size >= 8 && is_digit(text.data[0]) && is_digit(text.data[1]) &&
           (memchr(text.data, '-', 5) != NULL || memchr(text.data, '/', 5) != NULL);
}

static bool names_zone(struct span text)
{
    const uint8_t *clock = memchr(text.data, ':', text.size);
    if (clock == NULL) {
        return false;
    }
    size_t rest = text.size - (size_t)(clock - text.data);
    return text.data[text.size - 1] == 'Z' || memchr(clock, '+', rest) != NULL ||
           memchr(clock, '-', rest) != NULL;
}

static uint8_t kinds_of(struct span text)
{
    if (is_number(text)) {
        if (is_whole(text)) {
            return reads_as(text, TYPE_INT8) ? GUESS_INTEGER | GUESS_FLOAT : 0;
        }
        if (reads_as(text, TYPE_FLOAT8)) {
            return GUESS_FLOAT;
        }
    }
    if (is_word(text, "true") || is_word(text, "false")) {
        return GUESS_BOOL;
    }
    if (begins_with_date(text)) {
        bool has_clock = memchr(text.data, ':', text.size) != NULL;
        if (!has_clock) {
            return reads_as(text, TYPE_DATE) ? GUESS_DATE | GUESS_TIMESTAMP : 0;
        }
        if (names_zone(text)) {
            return reads_as(text, TYPE_TIMESTAMPTZ) ? GUESS_TIMESTAMPTZ : 0;
        }
        return reads_as(text, TYPE_TIMESTAMP) ? GUESS_TIMESTAMP : 0;
    }
    bool clock = text.size >= 5 && text.size <= 15 && is_digit(text.data[0]) &&
                 (text.data[1] == ':' || text.data[2] == ':');
    return clock && !names_zone(text) && reads_as(text, TYPE_TIME) ? GUESS_TIME : 0;
}

void type_guess_add(struct type_guess *guess, struct span text)
{
    guess->seen = true;
    if (guess->can != 0) {
        guess->can &= text.size > 0 && text.size < 64 ? kinds_of(text) : 0;
    }
}

struct type type_guess_type(const struct type_guess *guess)
{
    static const struct {
        uint8_t kind;
        uint8_t id;
    } order[] = {{GUESS_BOOL, TYPE_BOOL},
                 {GUESS_INTEGER, TYPE_INT8},
                 {GUESS_FLOAT, TYPE_FLOAT8},
                 {GUESS_DATE, TYPE_DATE},
                 {GUESS_TIMESTAMP, TYPE_TIMESTAMP},
                 {GUESS_TIMESTAMPTZ, TYPE_TIMESTAMPTZ},
                 {GUESS_TIME, TYPE_TIME}};
    for (size_t i = 0; guess->seen && i < sizeof order / sizeof *order; i++) {
        if ((guess->can & order[i].kind) != 0) {
            return type_of((enum type_id)order[i].id);
        }
    }
    return type_of(TYPE_TEXT);
}

/* ---- the dialect ---- */

/* Fields of each record, as far as they are whole. */
static uint32_t count_fields(struct span sample, uint8_t delimiter, uint8_t quote, bool whole,
                             uint32_t *counts)
{
    uint32_t rows = 0;
    uint32_t fields = 1;
    bool inside = false;
    bool blank = true;
    for (size_t i = 0; i < sample.size && rows < DIALECT_ROWS; i++) {
        uint8_t byte = sample.data[i];
        if (byte == quote) {
            inside = !inside;
        } else if (byte == delimiter && !inside) {
            fields++;
        } else if ((byte == '\n' || byte == '\r') && !inside) {
            if (!blank) {
                counts[rows++] = fields;
            }
            fields = 1;
            blank = true;
            continue;
        }
        blank = false;
    }
    if (whole && !blank && rows < DIALECT_ROWS) {
        counts[rows++] = fields;
    }
    return rows;
}

static uint8_t find_delimiter(struct span sample, uint8_t quote, bool whole)
{
    static const uint8_t delimiters[] = {',', '\t', ';', '|'};
    uint8_t best = ',';
    uint32_t best_score = 0;
    for (size_t d = 0; d < sizeof delimiters; d++) {
        uint32_t counts[DIALECT_ROWS];
        uint32_t rows = count_fields(sample, delimiters[d], quote, whole, counts);
        uint32_t same = 0;
        for (uint32_t i = 0; i < rows; i++) {
            same += counts[i] == counts[0];
        }
        // All records alike count for more than many fields.
        uint32_t score = rows == 0 || counts[0] < 2
                             ? 0
                             : same * 10000 / rows + (counts[0] < 1000 ? counts[0] : 1000);
        if (score > best_score) {
            best_score = score;
            best = delimiters[d];
        }
    }
    return best;
}

/* ---- names and types ---- */

struct sniffing {
    const struct file_request *request;
    struct arena *arena;
    struct file_spec *spec;
    struct err *err;
    struct file_column *columns;
    uint32_t count;
    struct type_guess *all;  /* Of all rows, */
    struct type_guess *rest; /* of all but the first. */
    struct span *first;      /* Texts of the first row. */
    uint32_t row_count;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory to look at a file");
}

static tdbplus_status look_at_batch(struct sniffing *sniffing, const struct batch *batch)
{
    uint32_t limit =
        sniffing->request->csv.sample_rows == 0 ? SAMPLE_ROWS : sniffing->request->csv.sample_rows;
    for (uint32_t r = 0; r < batch->row_count && sniffing->row_count < limit; r++) {
        for (uint32_t c = 0; c < sniffing->count; c++) {
            struct datum value;
            column_get(&batch->columns[c], r, &value);
            if (sniffing->row_count == 0) {
                char *copy =
                    arena_text(sniffing->arena, value.is_null ? (struct span){0} : value.bytes);
                if (copy == NULL) {
                    return no_memory(sniffing->err);
                }
                sniffing->first[c] = span_from_text(copy);
            }
            if (value.is_null) {
                continue;
            }
            type_guess_add(&sniffing->all[c], value.bytes);
            if (sniffing->row_count > 0) {
                type_guess_add(&sniffing->rest[c], value.bytes);
            }
        }
        sniffing->row_count++;
    }
    return TDBPLUS_OK;
}

/* The sample's rows as texts. What is wrong will be told when all of the file is read. */
static tdbplus_status look_at_rows(struct sniffing *sniffing, struct span sample)
{
    struct csv_layout layout = {.options = sniffing->spec->csv,
                                .columns = sniffing->columns,
                                .column_count = sniffing->count,
                                .source = "file"};
    struct file_span source;
    struct csv_reader *reader = NULL;
    struct batch batch;
    struct err ignored = {0};
    layout.options.header = CSV_HEADER_NONE;
    file_span_init(&source, sample);
    batch_init(&batch, sniffing->arena->alloc);
    tdbplus_status status =
        csv_reader_open(&source.input, &layout, sniffing->arena->alloc, &reader, sniffing->err);
    while (status == TDBPLUS_OK && csv_reader_next(reader, &batch, &ignored) == TDBPLUS_OK) {
        status = look_at_batch(sniffing, &batch);
        batch_reset(&batch);
    }
    batch_deinit(&batch);
    csv_reader_close(reader);
    return ignored.status == TDBPLUS_E_NOMEM ? no_memory(sniffing->err) : status;
}

/* The first row is names if no value of it fits the others' types where they have one; where all
 * is text, if its values are different words. */
static bool has_header(const struct sniffing *sniffing)
{
    bool typed = false;
    if (sniffing->row_count == 0) {
        return false;
    }
    for (uint32_t c = 0; c < sniffing->count; c++) {
        struct type_guess alone;
        type_guess_init(&alone);
        if (sniffing->first[c].size == 0) {
            return false;
        }
        type_guess_add(&alone, sniffing->first[c]);
        if (type_guess_type(&alone).id != TYPE_TEXT) {
            return false;
        }
        typed = typed || type_guess_type(&sniffing->rest[c]).id != TYPE_TEXT;
        for (uint32_t k = 0; k < c; k++) {
            if (span_compare(sniffing->first[c], sniffing->first[k]) == 0) {
                return false;
            }
        }
    }
    return typed || sniffing->row_count > 1;
}

static tdbplus_status name_columns(struct sniffing *sniffing, bool header)
{
    for (uint32_t c = 0; c < sniffing->count; c++) {
        char name[SCHEMA_NAME_SIZE_MAX];
        struct span given = header ? sniffing->first[c] : (struct span){0};
        if (given.size == 0 || given.size >= sizeof name || !utf8_valid(given)) {
            (void)snprintf(name, sizeof name, "column%u", c);
        } else {
            memcpy(name, given.data, given.size);
            name[given.size] = '\0';
        }
        for (uint32_t k = 0; k < c; k++) {
            if (strcasecmp(sniffing->columns[k].name, name) == 0) {
                size_t size = strlen(name) < 100 ? strlen(name) : 100;
                (void)snprintf(name + size, sizeof name - size, "_%u", c);
                break;
            }
        }
        sniffing->columns[c].name = arena_text(sniffing->arena, span_from_text(name));
        if (sniffing->columns[c].name == NULL) {
            return no_memory(sniffing->err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_sample(const struct sniffing *sniffing, const char *path, uint8_t *data,
                                  size_t *size_out, bool *whole_out)
{
    struct file_input *input = NULL;
    size_t size = 0;
    *whole_out = false;
    TRY(file_text_open(path, sniffing->request->encoding, sniffing->arena->alloc, &input,
                       sniffing->err));
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK && size < SAMPLE_SIZE && !*whole_out) {
        size_t more = 0;
        status = input->read(input, data + size, SAMPLE_SIZE - size, &more, sniffing->err);
        *whole_out = more == 0;
        size += more;
    }
    file_input_close(input);
    *size_out = size;
    return status;
}

/* Without a mark of UTF-8 in front, and without the record that was cut. */
static struct span trim_sample(struct span sample, bool whole)
{
    while (!whole && sample.size > 0 && sample.data[sample.size - 1] != '\n') {
        sample.size--;
    }
    return sample;
}

static tdbplus_status describe_sample(struct sniffing *sniffing, struct span sample, bool whole)
{
    const struct csv_choice *choice = &sniffing->request->csv;
    struct file_spec *spec = sniffing->spec;
    uint32_t counts[DIALECT_ROWS] = {1};
    spec->csv = csv_options_default(FILE_CSV);
    spec->csv.lenient = true;
    spec->csv.quote = choice->quote >= 0 ? (uint8_t)choice->quote : '"';
    spec->csv.escape = choice->escape >= 0 ? (uint8_t)choice->escape : spec->csv.quote;
    spec->csv.delimiter = choice->delimiter >= 0 ? (uint8_t)choice->delimiter
                                                 : find_delimiter(sample, spec->csv.quote, whole);
    if (choice->null_text != NULL) {
        spec->csv.null_text = span_from_text(choice->null_text);
    }
    (void)count_fields(sample, spec->csv.delimiter, spec->csv.quote, true, counts);
    sniffing->count = counts[0];
    if (sniffing->count > COLUMN_COUNT_MAX) {
        return err_set(sniffing->err, TDBPLUS_E_LIMIT, "the file has more than %u columns",
                       COLUMN_COUNT_MAX);
    }
    uint32_t count = sniffing->count;
    sniffing->columns = arena_array(sniffing->arena, count, sizeof *sniffing->columns);
    sniffing->all = arena_array(sniffing->arena, count, sizeof *sniffing->all);
    sniffing->rest = arena_array(sniffing->arena, count, sizeof *sniffing->rest);
    sniffing->first = arena_array(sniffing->arena, count, sizeof *sniffing->first);
    if (sniffing->columns == NULL || sniffing->all == NULL || sniffing->rest == NULL ||
        sniffing->first == NULL) {
        return no_memory(sniffing->err);
    }
    for (uint32_t c = 0; c < count; c++) {
        type_guess_init(&sniffing->all[c]);
        type_guess_init(&sniffing->rest[c]);
        sniffing->columns[c] = (struct file_column){"", type_of(TYPE_TEXT)};
    }
    TRY(look_at_rows(sniffing, sample));
    bool header = choice->header >= 0 ? choice->header != 0 : has_header(sniffing);
    spec->csv.header = header ? CSV_HEADER_SKIP : CSV_HEADER_NONE;
    TRY(name_columns(sniffing, header));
    for (uint32_t c = 0; c < count && !choice->all_text; c++) {
        sniffing->columns[c].type =
            type_guess_type(header ? &sniffing->rest[c] : &sniffing->all[c]);
    }
    spec->columns = sniffing->columns;
    spec->column_count = count;
    return TDBPLUS_OK;
}

tdbplus_status csv_describe(const struct file_request *request, const char *path,
                            struct arena *arena, struct file_spec *spec, struct err *err)
{
    struct sniffing sniffing = {.request = request, .arena = arena, .spec = spec, .err = err};
    uint8_t *data = alloc_array(arena->alloc, SAMPLE_SIZE + 1, 1);
    size_t size = 0;
    bool whole = false;
    if (data == NULL) {
        return no_memory(err);
    }
    tdbplus_status status = read_sample(&sniffing, path, data, &size, &whole);
    if (status == TDBPLUS_OK) {
        status = describe_sample(&sniffing, trim_sample((struct span){data, size}, whole), whole);
    }
    alloc_free(arena->alloc, data, SAMPLE_SIZE + 1, 1);
    return status;
}
