#include "storage/segment/external.h"

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/list.h"

#define FILE_NONE UINT32_MAX

/* A file that the segment's references name, in the order of its list. */
struct external_file {
    uint64_t file_id;
    uint32_t footer_crc;
    uint64_t value_count;
    uint64_t value_bytes;
};

/* Room for the rows of one call. */
struct external_scratch {
    struct view views[BATCH_ROW_COUNT_MAX];
    uint64_t places[BATCH_ROW_COUNT_MAX];
    struct value_reference references[BATCH_ROW_COUNT_MAX];
    uint64_t validity[BATCH_ROW_COUNT_MAX / 64];
    uint64_t external[BATCH_ROW_COUNT_MAX / 64];
};

struct external {
    const struct alloc *alloc;
    struct value_writer *writer;
    uint64_t own_id;
    uint32_t own_file; /* Number in `files` of the file being written; FILE_NONE until it is. */
    struct list files; /* struct external_file */
    const struct external_source *sources;
    uint32_t source_count;
    uint32_t *file_of; /* source_count; number in `files` or FILE_NONE. */
    struct page *page; /* Pinned: the last one that a value was copied from, */
    struct value_file *page_file;
    uint32_t page_number;
    struct external_scratch *scratch; /* Made with the first large value. */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to write large values");
}

enum external_mode external_mode_of(struct type type, bool is_key)
{
    if (is_key) {
        return EXTERNAL_NEVER;
    }
    switch (type.id) {
    case TYPE_TEXT:
    case TYPE_BYTEA:
    case TYPE_JSON:
    case TYPE_ARRAY:
    case TYPE_BPCHAR:
    case TYPE_BIT:
    case TYPE_VARBIT:
        return EXTERNAL_LONG;
    case TYPE_VECTOR:
        if (type_physical(type) == PHYSICAL_VIEW) {
            return EXTERNAL_LONG;
        }
        return type_width(type) >= VALUE_VECTOR_SIZE_MIN ? EXTERNAL_ALWAYS : EXTERNAL_NEVER;
    default:
        return EXTERNAL_NEVER;
    }
}

struct type external_builder_type(struct type type, enum external_mode mode)
{
    return mode == EXTERNAL_ALWAYS ? type_of(TYPE_INT8) : type;
}

tdbplus_status external_create(const struct segment_writer_options *options,
                               struct external **external_out, struct err *err)
{
    struct external *external = alloc_array(options->alloc, 1, sizeof *external);
    if (external == NULL) {
        return no_memory(err);
    }
    external->alloc = options->alloc;
    external->own_id = options->segment_id;
    external->own_file = FILE_NONE;
    list_init(&external->files, options->alloc, sizeof(struct external_file));
    struct value_writer_options values = {
        .env = options->env,
        .alloc = options->alloc,
        .segment_path = options->path,
        .file_id = options->segment_id,
        .column_count = options->schema->column_count,
        .compression = options->compression,
    };
    tdbplus_status status = value_writer_create(&values, &external->writer, err);
    if (status != TDBPLUS_OK) {
        external_destroy(external);
        return status;
    }
    *external_out = external;
    return TDBPLUS_OK;
}

static void release_page(struct external *external)
{
    if (external->page != NULL) {
        page_release(external->page);
        external->page = NULL;
    }
}

void external_destroy(struct external *external)
{
    if (external == NULL) {
        return;
    }
    release_page(external);
    value_writer_destroy(external->writer);
    list_deinit(&external->files);
    alloc_free(external->alloc, external->file_of, external->source_count,
               sizeof *external->file_of);
    alloc_free(external->alloc, external->scratch, 1, sizeof *external->scratch);
    alloc_free(external->alloc, external, 1, sizeof *external);
}

void external_abandon(struct external *external)
{
    if (external != NULL) {
        value_writer_abandon(external->writer);
        external->writer = NULL;
        external_destroy(external);
    }
}

tdbplus_status external_set_sources(struct external *external,
                                    const struct external_source *sources, uint32_t count,
                                    struct err *err)
{
    ASSERT(external->file_of == NULL);
    if (count == 0) {
        return TDBPLUS_OK;
    }
    external->file_of = alloc_array(external->alloc, count, sizeof *external->file_of);
    if (external->file_of == NULL) {
        return no_memory(err);
    }
    memset(external->file_of, 0xFF, count * sizeof *external->file_of);
    external->sources = sources;
    external->source_count = count;
    return TDBPLUS_OK;
}

/* ---- single values ---- */

static tdbplus_status add_file(struct external *external, uint64_t file_id, uint32_t footer_crc,
                               uint32_t *number_out, struct err *err)
{
    struct external_file file = {.file_id = file_id, .footer_crc = footer_crc};
    if (external->files.count == VALUE_FILE_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "segment: its values lie in more than %u files",
                       VALUE_FILE_COUNT_MAX);
    }
    if (list_push(&external->files, &file) == NULL) {
        return no_memory(err);
    }
    *number_out = (uint32_t)(external->files.count - 1);
    return TDBPLUS_OK;
}

static void count_value(struct external *external, uint32_t number, size_t size)
{
    struct external_file *file = list_at(&external->files, number);
    file->value_count++;
    file->value_bytes += size;
}

/* Writes a value; *place_out is in the numbering of the segment's list. */
static tdbplus_status put_value(struct external *external, uint32_t position, uint32_t value_size,
                                struct span value, uint64_t *place_out, struct err *err)
{
    if (external->own_file == FILE_NONE) {
        TRY(add_file(external, external->own_id, 0, &external->own_file, err));
    }
    uint64_t place = 0;
    TRY(value_writer_put(external->writer, position, value_size, value, &place, err));
    count_value(external, external->own_file, value.size);
    *place_out = value_place_move(place, external->own_file);
    return TDBPLUS_OK;
}

/* Reads the page of a value that is to be copied; the one before stays until then, because values
 * come in order. */
static tdbplus_status take_page(struct external *external, struct value_file *file, uint32_t number,
                                struct err *err)
{
    if (external->page != NULL && external->page_file == file && external->page_number == number) {
        return TDBPLUS_OK;
    }
    release_page(external);
    TRY(value_file_load(file, &number, 1, &external->page, err));
    external->page_file = file;
    external->page_number = number;
    return TDBPLUS_OK;
}

/* Keeps a reference, or copies what it points at. `*place` changes its numbering. */
static tdbplus_status adopt(struct external *external, uint32_t position, uint32_t value_size,
                            uint32_t size, uint64_t *place_inout, struct err *err)
{
    struct value_place place = value_place_of(*place_inout);
    if (place.file >= external->source_count) {
        return err_set(err, TDBPLUS_E_CORRUPT, "segment: a reference leads to no value file");
    }
    const struct external_source *source = &external->sources[place.file];
    if (!value_file_has(source->file, place, value_size)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: a reference leads nowhere",
                       source->file->path);
    }
    if (!source->copy) {
        uint32_t *number = &external->file_of[place.file];
        if (*number == FILE_NONE) {
            TRY(add_file(external, source->file->id, source->file->footer.crc, number, err));
        }
        count_value(external, *number, size);
        *place_inout = value_place_move(*place_inout, *number);
        return TDBPLUS_OK;
    }
    TRY(take_page(external, source->file, place.page, err));
    struct span value = page_bytes(external->page, place.row);
    if (value.size != size) {
        return err_set(err, TDBPLUS_E_CORRUPT,
                       "segment: %s: a value has another size than its "
                       "reference",
                       source->file->path);
    }
    return put_value(external, position, value_size, value, place_inout, err);
}

/* ---- rows ---- */

static uint32_t source_row(const struct external_rows *rows, uint32_t i)
{
    return rows->selection == NULL ? rows->first + i : rows->selection[rows->first + i];
}

static bool is_reference(const struct external_rows *rows, uint32_t row)
{
    return rows->references != NULL && (rows->references[row / 64] >> (row % 64) & 1) != 0;
}

static void set_bit(uint64_t *bits, uint32_t index)
{
    bits[index / 64] |= (uint64_t)1 << (index % 64);
}

/* Are all values short ones that need nothing of us? */
static bool all_inline(const struct external_rows *rows)
{
    if (rows->references != NULL) {
        return false;
    }
    const struct column *column = rows->column;
    bool is_dictionary = column->form == COLUMN_DICTIONARY;
    const struct view *views = is_dictionary ? column->dictionary->data : column->data;
    uint32_t largest = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = source_row(rows, i);
        row = is_dictionary ? column->codes[row] : column->form == COLUMN_CONSTANT ? 0 : row;
        uint32_t size = views[row].size;
        largest = size > largest && !column_is_null(column, source_row(rows, i)) ? size : largest;
    }
    return largest <= VALUE_INLINE_SIZE_MAX;
}

static tdbplus_status append_long(struct external *external, uint32_t position,
                                  const struct external_rows *rows, uint32_t i, struct err *err)
{
    struct external_scratch *scratch = external->scratch;
    struct value_reference *reference = &scratch->references[i];
    uint32_t row = source_row(rows, i);
    struct datum value;
    column_get(rows->column, row, &value);
    if (value.is_null) {
        scratch->views[i] = (struct view){0};
        return TDBPLUS_OK;
    }
    set_bit(scratch->validity, i);
    if (is_reference(rows, row)) {
        ASSERT(value.bytes.size == sizeof *reference);
        memcpy(reference, value.bytes.data, sizeof *reference);
        TRY(adopt(external, position, 0, reference->size, &reference->place, err));
    } else if (value.bytes.size <= VALUE_INLINE_SIZE_MAX) {
        scratch->views[i] = view_of(value.bytes);
        return TDBPLUS_OK;
    } else {
        *reference = (struct value_reference){.size = (uint32_t)value.bytes.size};
        memcpy(reference->prefix, value.bytes.data, VALUE_PREFIX_SIZE);
        TRY(put_value(external, position, 0, value.bytes, &reference->place, err));
    }
    set_bit(scratch->external, i);
    scratch->views[i] = view_of((struct span){(const uint8_t *)reference, sizeof *reference});
    return TDBPLUS_OK;
}

static tdbplus_status append_always(struct external *external, uint32_t position,
                                    const struct external_rows *rows, uint32_t i, uint32_t width,
                                    struct err *err)
{
    struct external_scratch *scratch = external->scratch;
    uint32_t row = source_row(rows, i);
    struct datum value;
    column_get(rows->column, row, &value);
    scratch->places[i] = i > 0 ? scratch->places[i - 1] : 0; // Nulls: what packs well.
    if (value.is_null) {
        return TDBPLUS_OK;
    }
    set_bit(scratch->validity, i);
    if (!is_reference(rows, row)) {
        return put_value(external, position, width, value.bytes, &scratch->places[i], err);
    }
    ASSERT(value.bytes.size == sizeof(uint64_t));
    scratch->places[i] = load_u64(value.bytes.data);
    return adopt(external, position, width, width, &scratch->places[i], err);
}

/* Gives what was made of the rows to the builder. */
static tdbplus_status build(struct external *external, struct type type, bool always,
                            uint32_t count, struct column_builder *builder, struct err *err)
{
    struct external_scratch *scratch = external->scratch;
    void *data = always ? (void *)scratch->places : (void *)scratch->views;
    struct column column = {.type = always ? type_of(TYPE_INT8) : type,
                            .row_count = count,
                            .data = data,
                            .validity = scratch->validity};
    TRY(column_builder_append(builder, &column, NULL, 0, count, err));
    return always ? TDBPLUS_OK
                  : column_builder_mark_external(builder, scratch->external, count, err);
}

tdbplus_status external_append(struct external *external, uint32_t position, struct type type,
                               const struct external_rows *rows, struct column_builder *builder,
                               struct err *err)
{
    bool always = external_mode_of(type, false) == EXTERNAL_ALWAYS;
    if (!always && all_inline(rows)) {
        return column_builder_append(builder, rows->column, rows->selection, rows->first,
                                     rows->count, err);
    }
    if (external->scratch == NULL) {
        external->scratch = alloc_array(external->alloc, 1, sizeof *external->scratch);
        if (external->scratch == NULL) {
            return no_memory(err);
        }
    }
    ASSERT(rows->count <= BATCH_ROW_COUNT_MAX);
    memset(external->scratch->validity, 0, sizeof external->scratch->validity);
    memset(external->scratch->external, 0, sizeof external->scratch->external);
    uint32_t width = (uint32_t)type_width(type);
    for (uint32_t i = 0; i < rows->count; i++) {
        TRY(always ? append_always(external, position, rows, i, width, err)
                   : append_long(external, position, rows, i, err));
    }
    return build(external, type, always, rows->count, builder, err);
}

/* ---- the end ---- */

tdbplus_status external_finish(struct external *external, struct segment_values *values_out,
                               struct err *err)
{
    release_page(external);
    return value_writer_finish(external->writer, values_out, err);
}

uint32_t external_file_count(const struct external *external)
{
    return (uint32_t)external->files.count;
}

void external_put_files(const struct external *external, const struct segment_values *own,
                        struct buffer *out)
{
    for (uint32_t i = 0; i < external->files.count; i++) {
        const struct external_file *file = list_at(&external->files, i);
        struct segment_value_file entry = {
            .file_id = file->file_id,
            .value_count = file->value_count,
            .value_bytes = file->value_bytes,
            .footer_crc = i == external->own_file ? own->footer_crc : file->footer_crc,
        };
        buffer_put(out, &entry, sizeof entry);
    }
}
