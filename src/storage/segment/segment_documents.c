/* Documents that were taken apart: making them again, and reading one path of them. */

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/segment/segment_internal.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for documents");
}

/* A document that is longer stayed whole. */
static bool is_whole(struct span rest)
{
    return rest.size > VALUE_INLINE_SIZE_MAX;
}

/* Reads one column of the rows. [waits] */
static tdbplus_status read_rows(struct segment *segment, uint32_t position,
                                const struct segment_rows *rows, struct batch *batch,
                                struct column *column_out, struct err *err)
{
    if (rows->rows != NULL) {
        return segment_gather(segment, rows->rows, rows->count, &position, 1, batch, column_out,
                              err);
    }
    return segment_read(segment, rows->first_row, rows->count, &position, 1, batch, column_out,
                        err);
}

/* ---- whole documents ---- */

/* Room to make documents in. */
struct assembly {
    const struct shred_tree *tree;
    struct column *paths;
    struct datum *values;
    struct json_builder builder;
    struct buffer documents;
};

static tdbplus_status assemble_row(struct assembly *assembly, struct span rest, uint32_t row,
                                   struct err *err)
{
    for (uint32_t p = 0; p < assembly->tree->path_count; p++) {
        column_get(&assembly->paths[p], row, &assembly->values[p]);
        if (planted(PLANT_SHRED_VALUE_LOST) && p + 1 == assembly->tree->path_count) {
            assembly->values[p].is_null = true;
        }
    }
    return shred_assemble(assembly->tree, rest, assembly->values, &assembly->builder,
                          &assembly->documents, err);
}

/* Makes the documents; ends[i] is where the one of row i ends, or 0 if it was there already. */
static tdbplus_status assemble_rows(struct assembly *assembly, const struct column *rests,
                                    const uint64_t *references, size_t *ends, struct err *err)
{
    const struct view *views = rests->data;
    for (uint32_t i = 0; i < rests->row_count; i++) {
        bool refers = references != NULL && (references[i / 64] >> (i % 64) & 1) != 0;
        if (refers || column_is_null(rests, i) || is_whole(view_span(&views[i]))) {
            continue;
        }
        TRY(assemble_row(assembly, view_span(&views[i]), i, err));
        ends[i] = assembly->documents.size;
    }
    return TDBPLUS_OK;
}

/* Gives the documents memory of the batch. */
static bool keep_documents(const struct assembly *assembly, const size_t *ends,
                           struct column *column, struct arena *arena)
{
    uint8_t *bytes = arena_bytes(arena, assembly->documents.size);
    if (bytes == NULL) {
        return false;
    }
    if (assembly->documents.size > 0) {
        memcpy(bytes, assembly->documents.data, assembly->documents.size);
    }
    struct view *views = column->data;
    size_t begin = 0;
    for (uint32_t i = 0; i < column->row_count; i++) {
        if (ends[i] != 0) {
            views[i] = view_of((struct span){bytes + begin, ends[i] - begin});
            begin = ends[i];
        }
    }
    return true;
}

tdbplus_status segment_assemble(struct segment *segment, const struct shred_tree *tree,
                                const struct segment_rows *rows, const uint64_t *references,
                                struct batch *batch, struct column *column_inout, struct err *err)
{
    struct arena *arena = &batch->arena;
    struct column flat;
    struct assembly assembly = {.tree = tree};
    size_t *ends = arena_array(arena, rows->count, sizeof *ends);
    assembly.paths = arena_array(arena, tree->path_count, sizeof *assembly.paths);
    assembly.values = arena_array(arena, tree->path_count, sizeof *assembly.values);
    if (ends == NULL || assembly.paths == NULL || assembly.values == NULL ||
        !column_flatten(column_inout, NULL, rows->count, &flat, arena)) {
        return no_memory(err);
    }
    for (uint32_t p = 0; p < tree->path_count; p++) {
        TRY(read_rows(segment, segment->path_column + tree->first_path + p, rows, batch,
                      &assembly.paths[p], err));
    }
    json_builder_init(&assembly.builder, segment->alloc);
    buffer_init(&assembly.documents, segment->alloc);
    tdbplus_status status = assemble_rows(&assembly, &flat, references, ends, err);
    if (status == TDBPLUS_OK && !keep_documents(&assembly, ends, &flat, arena)) {
        status = no_memory(err);
    }
    json_builder_deinit(&assembly.builder);
    buffer_deinit(&assembly.documents);
    if (status == TDBPLUS_OK) {
        *column_inout = flat;
    }
    return status;
}

tdbplus_status segment_assemble_one(struct segment *segment, const struct shred_tree *tree,
                                    uint64_t row, struct batch *batch, struct datum *datum_inout,
                                    struct err *err)
{
    if (datum_inout->is_null || is_whole(datum_inout->bytes)) {
        return TDBPLUS_OK;
    }
    struct arena *arena = &batch->arena;
    struct datum *values = arena_array(arena, tree->path_count, sizeof *values);
    if (values == NULL) {
        return no_memory(err);
    }
    for (uint32_t p = 0; p < tree->path_count; p++) {
        TRY(segment_value(segment, row, segment->path_column + tree->first_path + p, batch,
                          &values[p], err));
    }
    struct json_builder builder;
    struct buffer document;
    json_builder_init(&builder, segment->alloc);
    buffer_init(&document, segment->alloc);
    tdbplus_status status =
        shred_assemble(tree, datum_inout->bytes, values, &builder, &document, err);
    uint8_t *bytes = status == TDBPLUS_OK ? arena_bytes(arena, document.size) : NULL;
    if (bytes != NULL) {
        memcpy(bytes, document.data, document.size);
        datum_inout->bytes = (struct span){bytes, document.size};
    } else if (status == TDBPLUS_OK) {
        status = no_memory(err);
    }
    json_builder_deinit(&builder);
    buffer_deinit(&document);
    return status;
}
