/* Opening a file, leaving row groups out by their statistics, and batches of rows. */

#include "files/parquet.h"

#include <string.h>

#include "base/codec.h"
#include "files/parquet_internal.h"

#define TAIL_SIZE 8u /* Size of the footer, and the magic. */

/* ---- opening ---- */

static tdbplus_status read_footer(struct parquet_file *file, struct err *err)
{
    uint8_t tail[TAIL_SIZE];
    TRY(env_size(env_real(), file->file, &file->size, err));
    if (file->size < 4 + TAIL_SIZE) {
        return parquet_damaged(err, "it is too short");
    }
    TRY(env_read(env_real(), file->file, file->size - TAIL_SIZE, tail, TAIL_SIZE, err));
    if (memcmp(tail + 4, "PARE", 4) == 0) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "encrypted Parquet files are not supported");
    }
    size_t size = load_u32(tail);
    if (memcmp(tail + 4, "PAR1", 4) != 0) {
        return parquet_damaged(err, "it does not end as such files do");
    }
    if (size > PARQUET_FOOTER_MAX || size > file->size - TAIL_SIZE - 4) {
        return parquet_damaged(err, "its footer is longer than it");
    }
    file->footer.data = alloc_raw(file->alloc, size + 1);
    if (file->footer.data == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory for a Parquet file's footer");
    }
    file->footer.size = size;
    return size == 0 ? parquet_damaged(err, "it has no footer")
                     : env_read(env_real(), file->file, file->size - TAIL_SIZE - size,
                                file->footer.data, size, err);
}

tdbplus_status parquet_open(const char *path, const struct alloc *alloc,
                            struct parquet_file **file_out, struct err *err)
{
    struct parquet_file *file = alloc_array(alloc, 1, sizeof *file);
    if (file == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory for a Parquet file");
    }
    file->alloc = alloc;
    arena_init(&file->arena, alloc, 0);
    tdbplus_status status = file_open_read(path, &file->file, err);
    if (status == TDBPLUS_OK) {
        status = read_footer(file, err);
    }
    if (status == TDBPLUS_OK) {
        status = parquet_read_meta(file, err);
    }
    if (status == TDBPLUS_OK) {
        status = parquet_read_schema(file, err);
    }
    if (status != TDBPLUS_OK) {
        parquet_close(file);
        return status;
    }
    *file_out = file;
    return TDBPLUS_OK;
}

void parquet_close(struct parquet_file *file)
{
    if (file == NULL) {
        return;
    }
    if (file->file != NULL) {
        env_close(env_real(), file->file);
    }
    if (file->footer.data != NULL) {
        alloc_free(file->alloc, file->footer.data, file->footer.size + 1, 1);
    }
    arena_deinit(&file->arena);
    alloc_free(file->alloc, file, 1, sizeof *file);
}

const struct file_column *parquet_columns(const struct parquet_file *file, uint32_t *count_out)
{
    *count_out = file->column_count;
    return file->columns;
}

uint32_t parquet_group_count(const struct parquet_file *file)
{
    return file->group_count;
}

uint64_t parquet_row_count(const struct parquet_file *file)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < file->group_count; i++) {
        rows += (uint64_t)file->groups[i].row_count;
    }
    return rows;
}

/* ---- statistics ---- */

static bool range_may_match(const struct datum *min, const struct datum *max,
                            const struct file_condition *condition)
{
    int low = datum_compare(min, &condition->value);
    int high = datum_compare(max, &condition->value);
    switch ((enum file_compare)condition->compare) {
    case FILE_EQUAL:
        return low <= 0 && high >= 0;
    case FILE_LESS:
        return low < 0;
    case FILE_LESS_EQUAL:
        return low <= 0;
    case FILE_GREATER:
        return high > 0;
    case FILE_GREATER_EQUAL:
        return high >= 0;
    case FILE_IS_NULL:
    case FILE_IS_NOT_NULL:
        break;
    }
    return true;
}

bool parquet_group_may_match(const struct parquet_file *file, uint32_t group,
                             const struct file_condition *condition)
{
    const struct parquet_column *form = &file->forms[condition->position];
    if (form->form != FORM_FLAT) {
        return true;
    }
    const struct parquet_node *leaf = form->node;
    const struct parquet_chunk *chunk = &file->groups[group].chunks[leaf->first_leaf];
    if (condition->compare == FILE_IS_NULL) {
        return chunk->null_count != 0;
    }
    if (condition->compare == FILE_IS_NOT_NULL) {
        return chunk->null_count < 0 || chunk->null_count < file->groups[group].row_count;
    }
    // NaN is greater than all numbers here, and in no statistics.
    bool real = leaf->type.id == TYPE_FLOAT4 || leaf->type.id == TYPE_FLOAT8;
    if (!chunk->has_range || real || condition->value.type.id != leaf->type.id) {
        return true;
    }
    struct arena arena;
    struct datum min;
    struct datum max;
    arena_init(&arena, file->alloc, 1024);
    bool may = !parquet_bound(leaf, chunk->min, &arena, &min) ||
               !parquet_bound(leaf, chunk->max, &arena, &max) ||
               range_may_match(&min, &max, condition);
    arena_deinit(&arena);
    return may;
}

/* ---- reading ---- */

struct parquet_reader {
    struct parquet_file *file;
    const uint32_t *positions;
    uint32_t position_count;
    struct parquet_leaf *leaves; /* One a leaf of the file; those not wanted are not used. */
    int64_t rows_left;
};

tdbplus_status parquet_reader_create(struct parquet_file *file, const uint32_t *positions,
                                     uint32_t position_count, struct parquet_reader **reader_out,
                                     struct err *err)
{
    struct parquet_reader *reader = alloc_array(file->alloc, 1, sizeof *reader);
    if (reader == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to read a Parquet file");
    }
    reader->leaves = alloc_array(file->alloc, file->leaf_count, sizeof *reader->leaves);
    if (reader->leaves == NULL) {
        alloc_free(file->alloc, reader, 1, sizeof *reader);
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to read a Parquet file");
    }
    reader->file = file;
    reader->positions = positions;
    reader->position_count = position_count;
    for (uint32_t i = 0; i < file->leaf_count; i++) {
        parquet_leaf_init(&reader->leaves[i], file->leaves[i], file->alloc);
    }
    *reader_out = reader;
    return TDBPLUS_OK;
}

void parquet_reader_destroy(struct parquet_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    const struct alloc *alloc = reader->file->alloc;
    for (uint32_t i = 0; i < reader->file->leaf_count; i++) {
        parquet_leaf_deinit(&reader->leaves[i]);
    }
    alloc_free(alloc, reader->leaves, reader->file->leaf_count, sizeof *reader->leaves);
    alloc_free(alloc, reader, 1, sizeof *reader);
}

tdbplus_status parquet_reader_begin(struct parquet_reader *reader, uint32_t group, struct err *err)
{
    const struct parquet_group *rows = &reader->file->groups[group];
    for (uint32_t p = 0; p < reader->position_count; p++) {
        const struct parquet_node *node = reader->file->forms[reader->positions[p]].node;
        for (uint32_t i = 0; i < node->leaf_count; i++) {
            uint32_t leaf = node->first_leaf + i;
            TRY(parquet_leaf_begin(&reader->leaves[leaf], reader->file, &rows->chunks[leaf], err));
        }
    }
    reader->rows_left = rows->row_count;
    return TDBPLUS_OK;
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory for rows of a Parquet file");
}

/* Marks the rows [from, from + count) of which the page's entries are not there. */
static void mark_nulls(const struct parquet_leaf *leaf, uint32_t count, struct column *column,
                       uint32_t from, bool *nulls)
{
    if (leaf->defs == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (leaf->defs[leaf->at + i] != leaf->node->def) {
            column->validity[(from + i) / 64] &= ~((uint64_t)1 << ((from + i) % 64));
            *nulls = true;
        }
    }
}

/* Values of `count` entries of the page, copied. */
static void copy_values(const struct parquet_leaf *leaf, uint32_t count, struct column *column,
                        uint32_t from)
{
    size_t width = type_width(column->type);
    uint8_t *out = (uint8_t *)column->data + from * width;
    if (leaf->codes == NULL) {
        memcpy(out, (const uint8_t *)leaf->values.data + leaf->at * width, count * width);
        return;
    }
    const uint8_t *entries = leaf->dictionary.data;
    for (uint32_t i = 0; i < count && leaf->dictionary.row_count > 0; i++) {
        memcpy(out + i * width, entries + leaf->codes[leaf->at + i] * width, width);
    }
}

/* A batch whose rows all have codes stays coded: whoever compares or groups has less to do. */
static bool stays_coded(const struct parquet_leaf *leaf, uint32_t count)
{
    return leaf->codes != NULL && leaf->count - leaf->at >= count &&
           type_physical(leaf->node->type) == PHYSICAL_VIEW && leaf->dictionary.row_count > 0;
}

static tdbplus_status make_coded(struct parquet_leaf *leaf, uint32_t count, struct column *column,
                                 struct arena *arena, struct err *err)
{
    size_t words = ((size_t)count + 63) / 64;
    bool nulls = false;
    *column = (struct column){.type = leaf->node->type,
                              .form = COLUMN_DICTIONARY,
                              .row_count = count,
                              .dictionary = &leaf->dictionary};
    column->codes = arena_alloc(arena, (count + 1u) * sizeof *column->codes);
    column->validity = arena_alloc(arena, (words + 1) * sizeof *column->validity);
    if (column->codes == NULL || column->validity == NULL) {
        return no_memory(err);
    }
    memset(column->validity, 0xFF, words * sizeof *column->validity);
    memcpy(column->codes, leaf->codes + leaf->at, count * sizeof *column->codes);
    mark_nulls(leaf, count, column, 0, &nulls);
    column->validity = nulls ? column->validity : NULL;
    leaf->at += count;
    return TDBPLUS_OK;
}

static tdbplus_status read_flat(struct parquet_leaf *leaf, uint32_t count, struct column *column,
                                struct arena *arena, struct err *err)
{
    uint32_t done = 0;
    bool nulls = false;
    tdbplus_status status = parquet_leaf_fill(leaf, err);
    if (status == TDBPLUS_OK && stays_coded(leaf, count)) {
        return make_coded(leaf, count, column, arena, err);
    }
    if (!column_make(column, leaf->node->type, count, true, arena)) {
        return no_memory(err);
    }
    while (done < count) {
        status = parquet_leaf_fill(leaf, err);
        if (status == TDBPLUS_END) {
            return parquet_damaged(err, "a column of too few values");
        }
        TRY(status);
        uint32_t rest = leaf->count - leaf->at;
        uint32_t size = rest < count - done ? rest : count - done;
        mark_nulls(leaf, size, column, done, &nulls);
        copy_values(leaf, size, column, done);
        leaf->at += size;
        done += size;
    }
    column->validity = nulls ? column->validity : NULL;
    return TDBPLUS_OK;
}

static tdbplus_status read_column(struct parquet_reader *reader, uint32_t position, uint32_t count,
                                  struct column *column, struct arena *arena, struct err *err)
{
    const struct parquet_column *form = &reader->file->forms[position];
    for (uint32_t i = 0; i < form->node->leaf_count; i++) {
        parquet_leaf_next_batch(&reader->leaves[form->node->first_leaf + i]);
    }
    if (form->form == FORM_FLAT) {
        return read_flat(&reader->leaves[form->node->first_leaf], count, column, arena, err);
    }
    if (!column_make(column, reader->file->columns[position].type, count, true, arena)) {
        return no_memory(err);
    }
    return parquet_read_nested(form, reader->leaves, count, column, arena, err);
}

tdbplus_status parquet_reader_next(struct parquet_reader *reader, struct batch *batch,
                                   struct err *err)
{
    if (reader->rows_left == 0) {
        return TDBPLUS_END;
    }
    uint32_t count = reader->rows_left < (int64_t)BATCH_ROW_COUNT_MAX ? (uint32_t)reader->rows_left
                                                                      : BATCH_ROW_COUNT_MAX;
    batch->columns =
        arena_array(&batch->arena, reader->position_count + 1u, sizeof *batch->columns);
    if (batch->columns == NULL) {
        return no_memory(err);
    }
    batch->column_count = reader->position_count;
    for (uint32_t i = 0; i < reader->position_count; i++) {
        TRY(read_column(reader, reader->positions[i], count, &batch->columns[i], &batch->arena,
                        err));
    }
    batch->row_count = count;
    reader->rows_left -= count;
    return TDBPLUS_OK;
}
