/* One path of documents as a column: from its sub-column where there is one, else from documents.
 */

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/segment/segment_internal.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for values of documents");
}

/* Values being made; their bytes come to lie in the batch's arena at the end. */
struct path_output {
    const struct segment_path *path;
    struct json_builder builder;
    struct buffer bytes;
    struct buffer scratch;
    struct column column;
    size_t *ends; /* Where the row's bytes end, plus one; 0: it is null; END_BORROWED. */
};

#define END_BORROWED SIZE_MAX /* The view is there: it points into the document. */

static struct type output_type(const struct segment_path *path)
{
    return type_of(path->as_text ? TYPE_TEXT : TYPE_JSON);
}

static bool output_begin(struct path_output *output, const struct segment_path *path,
                         uint32_t row_count, struct batch *batch)
{
    *output = (struct path_output){.path = path};
    json_builder_init(&output->builder, batch->arena.alloc);
    buffer_init(&output->bytes, batch->arena.alloc);
    buffer_init(&output->scratch, batch->arena.alloc);
    output->ends = arena_array(&batch->arena, row_count, sizeof *output->ends);
    return output->ends != NULL &&
           column_make(&output->column, output_type(path), row_count, true, &batch->arena);
}

static void output_deinit(struct path_output *output)
{
    json_builder_deinit(&output->builder);
    buffer_deinit(&output->bytes);
    buffer_deinit(&output->scratch);
}

static tdbplus_status output_end(struct path_output *output, struct batch *batch,
                                 struct column *column_out, struct err *err)
{
    uint8_t *bytes = arena_bytes(&batch->arena, output->bytes.size);
    if (bytes == NULL || output->bytes.failed || output->scratch.failed) {
        return no_memory(err);
    }
    if (output->bytes.size > 0) {
        memcpy(bytes, output->bytes.data, output->bytes.size);
    }
    struct view *views = output->column.data;
    size_t begin = 0;
    for (uint32_t i = 0; i < output->column.row_count; i++) {
        if (output->ends[i] == END_BORROWED) {
            continue;
        }
        views[i] = (struct view){0};
        if (output->ends[i] == 0) {
            output->column.validity[i / 64] &= ~((uint64_t)1 << (i % 64));
            continue;
        }
        size_t end = output->ends[i] - 1;
        views[i] = view_of((struct span){bytes + begin, end - begin});
        begin = end;
    }
    *column_out = output->column;
    return TDBPLUS_OK;
}

/* Puts the part of a document that the path leads to. */
static void put_from_document(struct path_output *output, struct span document, uint32_t row)
{
    const struct segment_path *path = output->path;
    struct span found = document;
    for (uint32_t k = 0; k < path->key_count; k++) {
        if (!json_get(found, path->keys[k], &found)) {
            return;
        }
    }
    if (path->as_text && json_kind(found) == JSON_NULL) {
        return;
    }
    bool is_string = json_kind(found) == JSON_STRING;
    if (!path->as_text || is_string) {
        struct view *views = output->column.data;
        views[row] = view_of(path->as_text ? json_string(found) : found);
        output->ends[row] = END_BORROWED;
        return;
    }
    json_print(found, &output->bytes);
    output->ends[row] = output->bytes.size + 1;
}

/* Puts a value of a sub-column. */
static tdbplus_status put_from_value(struct path_output *output, const struct datum *value,
                                     uint32_t row, struct err *err)
{
    if (!output->path->as_text) {
        TRY(shred_put_value(value, &output->builder, &output->bytes, err));
    } else if (value->type.id == TYPE_TEXT) {
        buffer_put_span(&output->bytes, value->bytes);
    } else if (value->type.id == TYPE_INT8) {
        buffer_printf(&output->bytes, "%lld", (long long)value->integer);
    } else {
        buffer_clear(&output->scratch);
        TRY(shred_put_value(value, &output->builder, &output->scratch, err));
        json_print(buffer_span(&output->scratch), &output->bytes);
    }
    output->ends[row] = output->bytes.size + 1;
    return TDBPLUS_OK;
}

tdbplus_status documents_read_path(const struct column *documents, const struct segment_path *path,
                                   struct batch *batch, struct column *column_out, struct err *err)
{
    struct path_output output;
    tdbplus_status status = TDBPLUS_OK;
    if (!output_begin(&output, path, documents->row_count, batch)) {
        status = no_memory(err);
    }
    bool all = batch->selection == NULL;
    uint32_t count = all ? documents->row_count : batch->selected_count;
    for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        uint32_t row = all ? i : batch->selection[i];
        struct datum document;
        column_get(documents, row, &document);
        if (!document.is_null) {
            put_from_document(&output, document.bytes, row);
        }
    }
    if (status == TDBPLUS_OK) {
        status = output_end(&output, batch, column_out, err);
    }
    output_deinit(&output);
    return status;
}

/* ---- segments ---- */

/* What is known of a path in a segment. */
struct path_place {
    enum shred_match match;
    uint32_t column; /* Of the sub-column, when the path is a leaf. */
    bool complete;   /* Nothing of it is elsewhere. */
};

static struct path_place find_path(const struct segment *segment, const struct segment_path *path)
{
    struct path_place place = {0};
    const struct shred_tree *tree = segment_tree(segment, path->position);
    uint32_t number = 0;
    place.match = shred_find(tree, path->keys, path->key_count, &number);
    if (place.match == SHRED_MATCH_LEAF) {
        number = planted(PLANT_SHRED_OTHER_PATH) ? (number + 1) % tree->path_count : number;
        uint32_t index = tree->first_path + number;
        uint8_t flags = segment->plan.paths[index].flags;
        place.column = segment->path_column + index;
        // The JSON value null is no text: it is as if nothing was there.
        place.complete = flags == 0 || planted(PLANT_SHRED_REST_IGNORED) ||
                         (path->as_text && flags == SHRED_FLAG_NULLS);
    }
    return place;
}

static bool has_null(const struct column *column, uint32_t row_count)
{
    if (column->validity == NULL &&
        (column->form != COLUMN_DICTIONARY || column->dictionary->validity == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < row_count; i++) {
        if (column_is_null(column, i)) {
            return true;
        }
    }
    return false;
}

/* An integer's digits in the view itself where they fit, else in the arena. */
static bool put_digits(int64_t value, struct view *view, struct arena *arena)
{
    uint8_t digits[24];
    uint32_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (uint8_t)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    struct span text = {digits + at, sizeof digits - at};
    if (text.size > VIEW_INLINE_SIZE_MAX) {
        uint8_t *copy = arena_bytes(arena, text.size);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, text.data, text.size);
        text.data = copy;
    }
    *view = view_of(text);
    return true;
}

/* Integers as text, in the form that they have. */
static bool integers_to_text(const struct column *values, struct column *column_out,
                             struct arena *arena)
{
    struct column column = *values;
    column.type = type_of(TYPE_TEXT);
    if (values->form == COLUMN_DICTIONARY) {
        struct column *dictionary = arena_array(arena, 1, sizeof *dictionary);
        column.dictionary = dictionary;
        *column_out = column;
        return dictionary != NULL && integers_to_text(values->dictionary, dictionary, arena);
    }
    uint32_t count = values->form == COLUMN_CONSTANT ? 1 : values->row_count;
    struct view *views = arena_array(arena, count, sizeof *views);
    const int64_t *integers = values->data;
    for (uint32_t i = 0; i < count && views != NULL; i++) {
        if (!column_is_null(values, i) && !put_digits(integers[i], &views[i], arena)) {
            return false;
        }
    }
    column.data = views;
    *column_out = column;
    return views != NULL;
}

/* A sub-column that is all there is, where it can be used nearly as it is. */
static bool is_plain(const struct segment_path *path, const struct column *values)
{
    return path->as_text && (values->type.id == TYPE_TEXT || values->type.id == TYPE_INT8);
}

static tdbplus_status take_plain(const struct column *values, struct batch *batch,
                                 struct column *column_out, struct err *err)
{
    if (values->type.id == TYPE_TEXT) {
        *column_out = *values;
        return TDBPLUS_OK;
    }
    return integers_to_text(values, column_out, &batch->arena) ? TDBPLUS_OK : no_memory(err);
}

/* Rows of a sub-column, and of the rests where it has nothing. */
static tdbplus_status put_rows(struct path_output *output, const struct column *values,
                               const struct column *rests, uint32_t row_count, struct err *err)
{
    for (uint32_t i = 0; i < row_count; i++) {
        struct datum datum = {.is_null = true};
        if (values != NULL) {
            column_get(values, i, &datum);
        }
        if (!datum.is_null) {
            TRY(put_from_value(output, &datum, i, err));
        } else if (rests != NULL) {
            column_get(rests, i, &datum);
            if (!datum.is_null) {
                put_from_document(output, datum.bytes, i);
            }
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status segment_read_path(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                 const struct segment_path *path, struct batch *batch,
                                 struct column *column_out, struct err *err)
{
    struct path_place place = find_path(segment, path);
    struct column values = {0};
    struct column rests = {0};
    bool is_leaf = place.match == SHRED_MATCH_LEAF;
    if (place.match == SHRED_MATCH_ABOVE) {
        TRY(segment_read(segment, first_row, row_count, &path->position, 1, batch, &rests, err));
        return documents_read_path(&rests, path, batch, column_out, err);
    }
    if (is_leaf) {
        TRY(segment_read(segment, first_row, row_count, &place.column, 1, batch, &values, err));
        // What is elsewhere in the segment does not matter where every row has a value here.
        place.complete = place.complete || !has_null(&values, row_count);
    }
    if (is_leaf && place.complete && is_plain(path, &values)) {
        return take_plain(&values, batch, column_out, err);
    }
    if (!place.complete) {
        TRY(segment_read_stored(segment, first_row, row_count, path->position, batch, &rests, err));
    }
    struct path_output output;
    tdbplus_status status = TDBPLUS_OK;
    if (!output_begin(&output, path, row_count, batch)) {
        status = no_memory(err);
    }
    if (status == TDBPLUS_OK) {
        status = put_rows(&output, is_leaf ? &values : NULL, place.complete ? NULL : &rests,
                          row_count, err);
    }
    if (status == TDBPLUS_OK) {
        status = output_end(&output, batch, column_out, err);
    }
    output_deinit(&output);
    return status;
}

bool segment_path_zone(const struct segment *segment, const struct segment_path *path,
                       uint64_t first_row, uint32_t row_count, struct segment_zone *zone_out)
{
    struct path_place place = find_path(segment, path);
    if (place.match != SHRED_MATCH_LEAF || !place.complete) {
        return false;
    }
    segment_zone(segment, place.column, first_row, row_count, zone_out);
    return true;
}
