/*
 * How row changes reach memtables and delete maps. A put ends the older version wherever it lies:
 * in the active memtable (found by the put itself), in a frozen one, or in a segment, where the
 * place was looked up before the commit latch was taken.
 */

#include <string.h>

#include "base/assert.h"
#include "storage/segment/merge.h"
#include "storage/store/store_internal.h"

#define LOCATE_CHUNK         256u
#define APPLY_AHEAD          8u
#define PREFETCH_SEGMENT_MAX 8u

/* The ops from `first` on that come before the same stages: up to *end_out, and how many of the
 * version's segments, newest first, are loads that come after them. */
static uint32_t next_portion(const struct apply_group *group, uint32_t first, uint32_t *end_out)
{
    uint32_t later = 0;
    *end_out = group->op_count;
    for (uint32_t s = group->stage_count; s > 0; s--) {
        const struct commit_stage *stage = &group->stages[s - 1];
        if (stage->op_count <= first) {
            break;
        }
        *end_out = stage->op_count;
        later += stage->segment_count;
    }
    return later;
}

/* Writes down where, in one segment, the open version of each key not yet found lies. */
static tdbplus_status locate_in_segment(struct apply_group *group, struct segment_ref *ref,
                                        uint32_t first, uint32_t count, struct err *err)
{
    struct segment_key keys[LOCATE_CHUNK];
    uint64_t rows[LOCATE_CHUNK];
    uint32_t versions[LOCATE_CHUNK];
    uint32_t ops[LOCATE_CHUNK];
    uint32_t wanted = 0;
    for (uint32_t i = first; i < first + count; i++) {
        if (group->old_segments[i] == NULL) {
            const struct commit_op *op = &group->ops[i];
            keys[wanted] = (struct segment_key){.key = op->key, .code = op->code, .hash = op->hash};
            rows[wanted] = SEGMENT_ROW_NONE;
            versions[wanted] = 0;
            ops[wanted++] = i;
        }
    }
    if (wanted == 0) {
        return TDBPLUS_OK;
    }
    TRY(segment_find_batch(ref->segment, keys, wanted, rows, versions, err));
    for (uint32_t k = 0; k < wanted; k++) {
        for (uint32_t v = 0; rows[k] != SEGMENT_ROW_NONE && v < versions[k]; v++) {
            if (delete_map_end_of(ref->deletes, rows[k] + v) == TIMESTAMP_OPEN) {
                group->old_segments[ops[k]] = ref;
                group->old_rows[ops[k]] = rows[k] + v;
                break;
            }
        }
    }
    return TDBPLUS_OK;
}

/* Most commits have one row, and three allocations would be a good part of their cost. */
static tdbplus_status make_room(struct apply_group *group, const struct alloc *alloc,
                                struct err *err)
{
    if (group->op_count <= 1) {
        group->old_segments = &group->old_segment_one;
        group->old_rows = &group->old_row_one;
        group->scratch = &group->scratch_one;
        return TDBPLUS_OK;
    }
    group->old_segments = alloc_array(alloc, group->op_count, sizeof(void *));
    group->old_rows = alloc_array(alloc, group->op_count, sizeof(uint64_t));
    group->scratch = alloc_array(alloc, group->op_count, sizeof(uint64_t));
    if (group->old_segments == NULL || group->old_rows == NULL || group->scratch == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: %u rows do not fit the memory limit",
                       group->op_count);
    }
    return TDBPLUS_OK;
}

static void prefetch_op(const struct apply_group *group, uint32_t number)
{
    const struct commit_op *op = &group->ops[number];
    const struct memtable_key key = {.key = op->key, .code = op->code};
    memtable_put_prefetch(group->version->tables[0]->memtable, &key);
}

/* Is the open version of a single op's key in a memtable? Then no segment has one (X3 of txn), and
 * need not be asked. Whether it still is there is not asked again: versions of the key that come
 * between end it, and segments that come between bring the commit back here. */
static bool is_open_in_table(const struct apply_group *group)
{
    const struct commit_op *op = &group->ops[0];
    const struct version *version = group->version;
    for (uint32_t t = 0; t < version->table_count; t++) {
        const struct memtable *memtable = version->tables[t]->memtable;
        uint32_t row = memtable_newest(memtable, op->key, op->code);
        if (row != MEMTABLE_ROW_NONE) {
            return memtable_end_of(memtable, row) == TIMESTAMP_OPEN;
        }
    }
    return false;
}

/* The filters of all segments are asked for together. */
static void prefetch_filters(const struct apply_group *group)
{
    const struct commit_op *op = &group->ops[0];
    struct segment_key key = {.key = op->key, .code = op->code, .hash = op->hash};
    for (uint32_t s = 0; s < group->version->segment_count && s < PREFETCH_SEGMENT_MAX; s++) {
        segment_find_prefetch(group->version->segments[s]->segment, &key);
    }
}

tdbplus_status apply_locate(struct apply_group *group, const struct alloc *alloc, struct err *err)
{
    if (group->old_segments == NULL) {
        TRY(make_room(group, alloc, err));
    }
    memset(group->old_segments, 0, group->op_count * sizeof(void *));
    if (group->op_count == 1 && group->stage_count == 0 && !group->is_appended) {
        prefetch_filters(group);
        prefetch_op(group, 0);
        if (is_open_in_table(group)) {
            return TDBPLUS_OK;
        }
    }
    // The leaves of the memtable come while the segments are asked; so the latch is held shorter.
    bool is_fetched = group->op_count > 1 && group->op_count <= LOCATE_CHUNK && !group->is_appended;
    for (uint32_t i = 0; is_fetched && i < group->op_count; i++) {
        prefetch_op(group, i);
    }
    struct version *version = group->version;
    for (uint32_t first = 0; first < group->op_count;) {
        uint32_t end = 0;
        uint32_t later = next_portion(group, first, &end);
        uint32_t count = end - first < LOCATE_CHUNK ? end - first : LOCATE_CHUNK;
        for (uint32_t s = later; s < version->segment_count; s++) {
            TRY(locate_in_segment(group, version->segments[s], first, count, err));
        }
        first += count;
    }
    return apply_locate_ranges(group, alloc, err);
}

/* Room for ending the first `count` rows of the group's scratch in a segment. */
static tdbplus_status reserve_rows(struct segment_ref *ref, const uint64_t *rows, uint32_t count,
                                   struct err *err)
{
    return count == 0 ? TDBPLUS_OK : delete_map_reserve(ref->deletes, rows, count, err);
}

/* Where a row is in the segment that a running merge makes; MERGE_ROW_NONE if it is not. */
static uint64_t place_in_merge(const struct segment_ref *ref, uint64_t row)
{
    return merge_new_row(ref->future_merge, ref->future_source, row);
}

/* Room for the group's marks in one segment. A map counts the marks of one call only. */
static tdbplus_status reserve_marks(struct apply_group *group, struct segment_ref *ref,
                                    struct err *err)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->op_count; i++) {
        if (group->old_segments[i] == ref) {
            group->scratch[count++] = group->old_rows[i];
        }
    }
    if (ref->tracking && ref->future == NULL && !list_reserve(&ref->late_deletes, count)) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: no memory to follow a running merge");
    }
    return reserve_rows(ref, group->scratch, count, err);
}

/* Room for the marks that a running merge makes necessary in its result, whichever source the rows
 * are in. At most one merge runs in a database. */
static tdbplus_status reserve_merged(struct apply_group *group, struct err *err)
{
    struct segment_ref *result = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->op_count; i++) {
        const struct segment_ref *ref = group->old_segments[i];
        if (ref == NULL || ref->future == NULL) {
            continue;
        }
        ASSERT(result == NULL || result == ref->future);
        result = ref->future;
        uint64_t place = place_in_merge(ref, group->old_rows[i]);
        if (place != MERGE_ROW_NONE) {
            group->scratch[count++] = place;
        }
    }
    return result == NULL ? TDBPLUS_OK : reserve_rows(result, group->scratch, count, err);
}

/* Room for ending any row of a frozen memtable that a running flush reads. */
static tdbplus_status reserve_ends(struct apply_group *group, struct table_ref *frozen,
                                   struct err *err)
{
    if (frozen->tracking && !list_reserve(&frozen->late_ends, group->op_count)) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: no memory to follow a running flush");
    }
    if (frozen->future == NULL) {
        return TDBPLUS_OK;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->op_count; i++) {
        const struct commit_op *op = &group->ops[i];
        uint32_t row = memtable_newest(frozen->memtable, op->key, op->code);
        if (row != MEMTABLE_ROW_NONE && frozen->future_rows[row] != FUTURE_ROW_NONE) {
            group->scratch[count++] = frozen->future_rows[row];
        }
    }
    return reserve_rows(frozen->future, group->scratch, count, err);
}

tdbplus_status apply_reserve(struct apply_group *group, struct err *err)
{
    struct version *version = group->version;
    struct table_ref *active = version->tables[0];
    if (group->is_appended) {
        TRY(memtable_reserve_links(active->memtable, group->op_count, err));
    } else {
        TRY(memtable_reserve(active->memtable, group->op_count, group->byte_count, err));
    }
    for (uint32_t t = 1; t < version->table_count; t++) {
        TRY(reserve_ends(group, version->tables[t], err));
    }
    for (uint32_t s = 0; s < version->segment_count; s++) {
        TRY(reserve_marks(group, version->segments[s], err));
    }
    TRY(reserve_merged(group, err));
    return apply_reserve_ranges(group, err);
}

static void mark_segment(struct segment_ref *ref, uint64_t row, uint64_t timestamp)
{
    // Replay comes in the order of keys.
    if (delete_map_mark(ref->deletes, row, timestamp) && timestamp > ref->deleted_at) {
        ref->deleted_at = timestamp;
    }
}

/* Ends a row of a frozen memtable, and its copy in the segment a flush is making. */
static void follow_flush(struct table_ref *frozen, const struct commit_op *op, uint64_t timestamp)
{
    uint32_t row = memtable_newest(frozen->memtable, op->key, op->code);
    if (frozen->future != NULL) {
        if (frozen->future_rows[row] != FUTURE_ROW_NONE) {
            mark_segment(frozen->future, frozen->future_rows[row], timestamp);
        }
    } else if (frozen->tracking) {
        void *pushed = list_push(&frozen->late_ends, &row);
        ASSERT(pushed != NULL); // apply_reserve() made room.
    }
}

static void follow_merge(struct segment_ref *ref, uint64_t row, uint64_t timestamp)
{
    if (ref->future != NULL) {
        uint64_t place = place_in_merge(ref, row);
        if (place != MERGE_ROW_NONE) {
            mark_segment(ref->future, place, timestamp);
        }
    } else if (ref->tracking) {
        struct late_delete late = {.row = row, .timestamp = timestamp};
        void *pushed = list_push(&ref->late_deletes, &late);
        ASSERT(pushed != NULL); // apply_reserve() made room.
    }
}

/* Ends the open version of the op's key outside the active memtable, if there is one. */
static void end_older(struct apply_group *group, uint32_t number, uint64_t timestamp)
{
    const struct commit_op *op = &group->ops[number];
    struct version *version = group->version;
    for (uint32_t t = 1; t < version->table_count; t++) {
        struct table_ref *frozen = version->tables[t];
        if (memtable_end(frozen->memtable, op->key, op->code, timestamp)) {
            follow_flush(frozen, op, timestamp);
            return;
        }
    }
    struct segment_ref *ref = group->old_segments[number];
    if (ref != NULL) {
        mark_segment(ref, group->old_rows[number], timestamp);
        follow_merge(ref, group->old_rows[number], timestamp);
    }
}

/* The ranges from stage `next` on that come before op number `op`; returns the next stage. */
static uint32_t apply_stages(struct apply_group *group, uint32_t next, uint32_t op,
                             uint64_t timestamp)
{
    for (; next < group->stage_count && group->stages[next].op_count <= op; next++) {
        if (group->stages[next].kind == COMMIT_DELETE_RANGE) {
            apply_delete_range(group, next, timestamp);
        }
    }
    return next;
}

void apply_rows(struct apply_group *group, uint64_t lsn, uint64_t timestamp, struct datum *values)
{
    struct table_ref *table = group->version->tables[0];
    struct memtable *active = table->memtable;
    if (!table->changed) {
        table->changed = true;
        table->lsn_first = lsn;
    }
    const struct schema *schema = memtable_schema(active);
    uint32_t stage = 0;
    for (uint32_t i = 0; i < group->op_count; i++) {
        stage = apply_stages(group, stage, i, timestamp);
        const struct commit_op *op = &group->ops[i];
        bool ended = false;
        if (group->op_count > LOCATE_CHUNK && i + APPLY_AHEAD < group->op_count) {
            prefetch_op(group, i + APPLY_AHEAD); // What was fetched by apply_locate() is gone.
        }
        if (op->kind == COMMIT_PUT) {
            tdbplus_status status = row_decode(schema, op->row, values, NULL);
            ASSERT(status == TDBPLUS_OK); // Our own encoding, or checked by recovery.
            (void)memtable_put(active, op->key, op->code, values, timestamp, &ended);
        } else {
            ended = memtable_end(active, op->key, op->code, timestamp);
        }
        if (!ended) {
            end_older(group, i, timestamp);
        }
    }
    (void)apply_stages(group, stage, group->op_count, timestamp);
}

void apply_appended(struct apply_group *group, const struct apply_change *changes)
{
    const struct version *version = group->version;
    struct memtable *active = version->tables[0]->memtable;
    for (uint32_t i = 0; i < group->op_count; i++) {
        const struct commit_op *op = &group->ops[i];
        bool is_put = op->kind == COMMIT_PUT;
        if (i + APPLY_AHEAD < group->op_count) {
            memtable_link_prefetch(active, changes[i + APPLY_AHEAD].order);
        }
        bool ended = is_put ? memtable_link(active, changes[i].row, changes[i].order)
                            : memtable_end(active, op->key, op->code, changes[i].timestamp);
        if (!ended && (version->table_count > 1 || group->old_segments[i] != NULL)) {
            end_older(group, i,
                      is_put ? memtable_begin(active, changes[i].row) : changes[i].timestamp);
        }
    }
}

void apply_group_deinit(struct apply_group *group, const struct alloc *alloc)
{
    version_release(group->version);
    version_release(group->stale);
    alloc_free(alloc, group->ranges, group->range_count, sizeof *group->ranges);
    if (group->old_segments != &group->old_segment_one) {
        alloc_free(alloc, group->old_segments, group->op_count, sizeof(void *));
        alloc_free(alloc, group->old_rows, group->op_count, sizeof(uint64_t));
        alloc_free(alloc, group->scratch, group->op_count, sizeof(uint64_t));
    }
    *group = (struct apply_group){0};
}
