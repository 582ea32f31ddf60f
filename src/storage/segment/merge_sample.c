/*
 * A sample of the documents that a merge will write: short stretches at equal distances over all
 * rows of all sources. The first rows alone would decide for all, and documents change with the key
 * as often as with time.
 */

#include "storage/segment/merge_sample.h"

#include "storage/segment/segment_internal.h"
#include "storage/segment/shred.h"

#define STRETCH_COUNT 16u
#define STRETCH_ROWS  (SHRED_SAMPLE_MAX / STRETCH_COUNT)

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "merge: no memory to sample documents");
}

/* Rows [first, first + count) of one source. */
struct stretch {
    struct segment *segment;
    uint64_t first;
    uint32_t count;
};

/* The stretch that begins at row `at` of all sources one after another. */
static struct stretch find_stretch(struct segment *const *segments, uint32_t segment_count,
                                   uint64_t at)
{
    uint32_t i = 0;
    while (i + 1 < segment_count && at >= segment_row_count(segments[i])) {
        at -= segment_row_count(segments[i++]);
    }
    uint64_t left = segment_row_count(segments[i]) - at;
    uint64_t in_window = SEGMENT_WINDOW_ROW_COUNT - at % SEGMENT_WINDOW_ROW_COUNT;
    left = left < in_window ? left : in_window; // Reading goes window by window.
    return (struct stretch){.segment = segments[i],
                            .first = at,
                            .count = left < STRETCH_ROWS ? (uint32_t)left : STRETCH_ROWS};
}

/* Appends the stretch's documents; null for those in value files. [waits] */
static tdbplus_status read_stretch(const struct stretch *stretch, const struct schema_column *from,
                                   struct batch *batch, struct column *documents, struct err *err)
{
    int32_t position = segment_find_column(stretch->segment, from->id);
    if (position < 0) {
        return TDBPLUS_OK;
    }
    struct column column;
    uint64_t *references = NULL;
    TRY(segment_read_references(stretch->segment, stretch->first, stretch->count,
                                (uint32_t)position, batch, &column, &references, err));
    for (uint32_t i = 0; i < stretch->count; i++) {
        struct datum datum;
        column_get(&column, i, &datum);
        datum.type = from->type;
        if (references == NULL || (references[i / 64] >> (i % 64) & 1) == 0) {
            column_set(documents, documents->row_count++, &datum);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status sample_column(struct segment *const *segments, uint32_t segment_count,
                                    const struct schema_column *from, struct batch *batch,
                                    struct column *documents, struct err *err)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < segment_count; i++) {
        total += segment_row_count(segments[i]);
    }
    if (!column_make(documents, from->type, SHRED_SAMPLE_MAX, true, &batch->arena)) {
        return no_memory(err);
    }
    documents->row_count = 0;
    uint64_t step = total < SHRED_SAMPLE_MAX ? STRETCH_ROWS : total / STRETCH_COUNT;
    for (uint64_t at = 0; at < total && documents->row_count + STRETCH_ROWS <= SHRED_SAMPLE_MAX;) {
        struct stretch stretch = find_stretch(segments, segment_count, at);
        TRY(read_stretch(&stretch, from, batch, documents, err));
        at += stretch.count < step && total < SHRED_SAMPLE_MAX ? stretch.count : step;
    }
    return TDBPLUS_OK;
}

tdbplus_status merge_sample(struct segment *const *segments, uint32_t segment_count,
                            const struct schema *schema, struct batch *batch, struct err *err)
{
    batch_reset(batch);
    batch->columns = arena_array(&batch->arena, schema->column_count, sizeof *batch->columns);
    if (batch->columns == NULL) {
        return no_memory(err);
    }
    batch->column_count = schema->column_count;
    batch->row_count = SHRED_SAMPLE_MAX;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (schema->columns[i].type.id != TYPE_JSON) {
            continue;
        }
        struct column *documents = &batch->columns[i];
        TRY(sample_column(segments, segment_count, &schema->columns[i], batch, documents, err));
        struct datum null = {.type = schema->columns[i].type, .is_null = true};
        while (documents->row_count < batch->row_count) {
            column_set(documents, documents->row_count++, &null);
        }
    }
    return TDBPLUS_OK;
}
