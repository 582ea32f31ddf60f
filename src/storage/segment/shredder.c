#include "storage/segment/shredder.h"

#include <string.h>

#include "base/assert.h"

#define COPY_SIZE_MAX 256u /* Of a text that is copied out of a document that stays whole. */

struct shredder {
    const struct alloc *alloc;
    const struct schema *schema;
    struct shred_plan plan;
    bool planned;
    struct json_builder builder;
    struct arena arena; /* Of the rows of one call. */
    struct buffer rests;
    struct datum *values; /* SHRED_PATH_COUNT_MAX */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to take documents apart");
}

tdbplus_status shredder_create(const struct schema *schema, const struct alloc *alloc,
                               struct shredder **shredder_out, struct err *err)
{
    struct shredder *shredder = alloc_array(alloc, 1, sizeof *shredder);
    if (shredder == NULL) {
        return no_memory(err);
    }
    shredder->alloc = alloc;
    shredder->schema = schema;
    shred_plan_init(&shredder->plan, alloc);
    json_builder_init(&shredder->builder, alloc);
    arena_init(&shredder->arena, alloc, 0);
    buffer_init(&shredder->rests, alloc);
    *shredder_out = shredder;
    return TDBPLUS_OK;
}

void shredder_destroy(struct shredder *shredder)
{
    if (shredder == NULL) {
        return;
    }
    shred_plan_deinit(&shredder->plan);
    json_builder_deinit(&shredder->builder);
    arena_deinit(&shredder->arena);
    buffer_deinit(&shredder->rests);
    alloc_free(shredder->alloc, shredder->values, SHRED_PATH_COUNT_MAX, sizeof(struct datum));
    alloc_free(shredder->alloc, shredder, 1, sizeof *shredder);
}

bool shredder_planned(const struct shredder *shredder)
{
    return shredder->planned;
}

const struct shred_plan *shredder_get_plan(const struct shredder *shredder)
{
    return &shredder->plan;
}

/* ---- the plan ---- */

static bool has_bit(const uint64_t *bits, uint32_t index)
{
    return bits != NULL && (bits[index / 64] >> (index % 64) & 1) != 0;
}

static tdbplus_status plan_column(struct shredder *shredder, uint32_t position,
                                  const struct batch *batch, const uint64_t *references,
                                  struct err *err)
{
    arena_reset(&shredder->arena);
    uint32_t live = batch_live_count(batch);
    struct span *sample = arena_array(&shredder->arena, (size_t)live + 1, sizeof *sample);
    if (sample == NULL) {
        return no_memory(err);
    }
    uint32_t step = (live + SHRED_SAMPLE_MAX - 1) / SHRED_SAMPLE_MAX;
    uint32_t count = 0;
    for (uint32_t i = 0; i < live; i += step) {
        uint32_t row = batch->selection == NULL ? i : batch->selection[i];
        struct datum datum;
        column_get(&batch->columns[position], row, &datum);
        if (!datum.is_null && !has_bit(references, row)) {
            sample[count++] = datum.bytes;
        }
    }
    return count == 0 ? TDBPLUS_OK
                      : shred_plan_choose(&shredder->plan, position, sample, count, err);
}

tdbplus_status shredder_plan(struct shredder *shredder, const struct batch *batch,
                             const struct external_column *references, struct err *err)
{
    ASSERT(!shredder->planned);
    const struct schema *schema = shredder->schema;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        bool is_key = false;
        for (uint32_t k = 0; k < schema->key_count; k++) {
            is_key = is_key || schema->key_columns[k] == i;
        }
        if (schema->columns[i].type.id == TYPE_JSON && !is_key) {
            TRY(plan_column(shredder, i, batch, references == NULL ? NULL : references[i].external,
                            err));
        }
    }
    shredder->planned = true;
    return TDBPLUS_OK;
}

/* ---- rows ---- */

/* The columns that a call makes. */
struct shredded {
    struct column rest;
    uint64_t *references; /* Rows of `rest` that are references. */
    uint64_t *ends;       /* Where the row's rest ends in `rests`; 0: it is not there. */
    struct column *paths;
};

static bool make_columns(struct shredder *shredder, const struct shred_tree *tree, uint32_t count,
                         struct shredded *shredded)
{
    struct arena *arena = &shredder->arena;
    const struct shred_path *paths = shredder->plan.paths + tree->first_path;
    shredded->references = arena_array(arena, BATCH_ROW_COUNT_MAX / 64, sizeof(uint64_t));
    shredded->ends = arena_array(arena, count, sizeof *shredded->ends);
    shredded->paths = arena_array(arena, tree->path_count, sizeof *shredded->paths);
    if (shredder->values == NULL) {
        shredder->values = alloc_array(shredder->alloc, SHRED_PATH_COUNT_MAX, sizeof(struct datum));
    }
    bool good = shredded->references != NULL && shredded->ends != NULL && shredded->paths != NULL &&
                shredder->values != NULL &&
                column_make(&shredded->rest, type_of(TYPE_JSON), count, true, arena);
    for (uint32_t p = 0; p < tree->path_count && good; p++) {
        good = column_make(&shredded->paths[p], paths[p].type, count, true, arena);
    }
    return good;
}

/* A document that stays whole gives copies of what is short. */
static void copy_values(struct shredder *shredder, const struct shred_tree *tree,
                        struct span document, uint8_t *flags)
{
    const struct shred_path *paths = shredder->plan.paths + tree->first_path;
    shred_copy_values(tree, paths, document, shredder->values, flags);
    for (uint32_t p = 0; p < tree->path_count; p++) {
        struct datum *value = &shredder->values[p];
        if (paths[p].type.id == TYPE_TEXT && !value->is_null && value->bytes.size > COPY_SIZE_MAX) {
            value->is_null = true;
            flags[p] |= SHRED_FLAG_OTHERS;
        }
    }
}

/* What is referred to is not looked at: whatever there is at the paths is there only. */
static void leave_values(struct shredder *shredder, const struct shred_tree *tree, bool is_null,
                         uint8_t *flags)
{
    const struct shred_path *paths = shredder->plan.paths + tree->first_path;
    for (uint32_t p = 0; p < tree->path_count; p++) {
        shredder->values[p] = (struct datum){.type = paths[p].type, .is_null = true};
        flags[p] |= is_null ? 0 : SHRED_FLAG_OTHERS;
    }
}

static tdbplus_status shred_row(struct shredder *shredder, const struct shred_tree *tree,
                                const struct datum *document, bool is_reference, uint32_t i,
                                struct shredded *shredded, struct err *err)
{
    uint8_t flags[SHRED_PATH_COUNT_MAX] = {0};
    const struct shred_path *paths = shredder->plan.paths + tree->first_path;
    struct datum rest = *document;
    if (document->is_null || is_reference) {
        leave_values(shredder, tree, document->is_null, flags);
        shredded->references[i / 64] |= (uint64_t)is_reference << (i % 64);
    } else {
        bool apart = document->bytes.size <= SHRED_DOCUMENT_SIZE_MAX;
        size_t before = shredder->rests.size;
        if (apart) {
            struct shred_output out = {.builder = &shredder->builder,
                                       .values = shredder->values,
                                       .flags = flags,
                                       .rest = &shredder->rests};
            TRY(shred_document(tree, paths, document->bytes, &out, err));
            apart = shredder->rests.size - before <= VALUE_INLINE_SIZE_MAX;
        }
        if (apart) {
            shredded->ends[i] = shredder->rests.size;
            rest.bytes = (struct span){0};
        } else {
            // A rest of that size is taken for a document that stayed whole.
            shredder->rests.size = before;
            memset(flags, 0, sizeof flags);
            copy_values(shredder, tree, document->bytes, flags);
        }
    }
    column_set(&shredded->rest, i, &rest);
    for (uint32_t p = 0; p < tree->path_count; p++) {
        column_set(&shredded->paths[p], i, &shredder->values[p]);
        shredder->plan.paths[tree->first_path + p].flags |= flags[p];
    }
    return TDBPLUS_OK;
}

/* The rests lie still now: their views can point at them. */
static void set_rests(const struct shredder *shredder, uint32_t count, struct shredded *shredded)
{
    struct view *views = shredded->rest.data;
    uint64_t begin = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (shredded->ends[i] != 0) {
            views[i] = view_of(
                (struct span){shredder->rests.data + begin, (size_t)(shredded->ends[i] - begin)});
            begin = shredded->ends[i];
        }
    }
}

tdbplus_status shredder_append(struct shredder *shredder, const struct shred_tree *tree,
                               const struct external_rows *rows,
                               const struct shredder_target *target, struct err *err)
{
    struct shredded shredded = {0};
    arena_reset(&shredder->arena);
    buffer_clear(&shredder->rests);
    if (!make_columns(shredder, tree, rows->count, &shredded)) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows->first + i;
        row = rows->selection == NULL ? row : rows->selection[row];
        struct datum document;
        column_get(rows->column, row, &document);
        TRY(shred_row(shredder, tree, &document, has_bit(rows->references, row), i, &shredded,
                      err));
    }
    set_rests(shredder, rows->count, &shredded);
    struct external_rows rests = {
        .column = &shredded.rest, .references = shredded.references, .count = rows->count};
    TRY(external_append(target->external, tree->column, type_of(TYPE_JSON), &rests, target->rest,
                        err));
    for (uint32_t p = 0; p < tree->path_count; p++) {
        TRY(column_builder_append(&target->paths[p], &shredded.paths[p], NULL, 0, rows->count,
                                  err));
    }
    return TDBPLUS_OK;
}
