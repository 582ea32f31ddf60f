/*
 * Deleting a range of keys. In a segment a range of keys is a range of rows, found before the
 * commit latch is taken and ended as one; in memtables, which are small or have been flushed just
 * before, the rows are walked. No flush and no merge runs meanwhile, so nothing has to be followed.
 */

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/store_internal.h"

static struct apply_range *range_at(const struct apply_group *group, uint32_t stage,
                                    uint32_t segment)
{
    return &group->ranges[(size_t)stage * group->version->segment_count + segment];
}

static struct segment_key key_of(struct span key)
{
    return (struct segment_key){.key = key, .code = key_code(key), .hash = 0};
}

static tdbplus_status find_range(const struct commit_stage *stage, struct segment *segment,
                                 struct apply_range *range, struct err *err)
{
    *range = (struct apply_range){.end = segment_row_count(segment)};
    if (stage->lower.size > 0) {
        struct segment_key key = key_of(stage->lower);
        TRY(segment_lower_bound(segment, &key, &range->first, err));
    }
    if (stage->has_upper) {
        struct segment_key key = key_of(stage->upper);
        TRY(segment_lower_bound(segment, &key, &range->end, err));
    }
    range->end -= range->end > 0 ? planted(PLANT_RANGE_ONE_SHORT) : 0;
    range->first = range->first < range->end ? range->first : range->end;
    return TDBPLUS_OK;
}

tdbplus_status apply_locate_ranges(struct apply_group *group, const struct alloc *alloc,
                                   struct err *err)
{
    const struct version *version = group->version;
    size_t count = (size_t)group->stage_count * version->segment_count;
    if (count == 0) {
        return TDBPLUS_OK;
    }
    alloc_free(alloc, group->ranges, group->range_count, sizeof *group->ranges);
    group->range_count = 0;
    group->ranges = alloc_array(alloc, count, sizeof *group->ranges);
    if (group->ranges == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: a range does not fit the memory limit");
    }
    group->range_count = count;
    uint32_t later = 0; // Loads of this stage and those after it.
    for (uint32_t s = group->stage_count; s > 0; s--) {
        const struct commit_stage *stage = &group->stages[s - 1];
        later += planted(PLANT_RANGE_TAKES_LATER) ? 0 : stage->segment_count;
        for (uint32_t i = later; stage->kind == COMMIT_DELETE_RANGE && i < version->segment_count;
             i++) {
            TRY(find_range(stage, version->segments[i]->segment, range_at(group, s - 1, i), err));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status apply_reserve_ranges(struct apply_group *group, struct err *err)
{
    for (uint32_t s = 0; s < group->stage_count && group->ranges != NULL; s++) {
        for (uint32_t i = 0; i < group->version->segment_count; i++) {
            const struct apply_range *range = range_at(group, s, i);
            TRY(delete_map_reserve_range(group->version->segments[i]->deletes, range->first,
                                         range->end, s + 1, err));
        }
    }
    return TDBPLUS_OK;
}

/* Ends the open rows of a memtable in the range. */
static void end_range(struct memtable *memtable, const struct commit_stage *stage,
                      uint64_t timestamp)
{
    struct memtable_cursor cursor;
    struct span from = stage->lower.size > 0 ? stage->lower : (struct span){0};
    memtable_cursor_seek(&cursor, memtable, from);
    uint32_t row = 0;
    while ((row = memtable_cursor_next(&cursor)) != MEMTABLE_ROW_NONE) {
        uint8_t scratch[8];
        struct span key = memtable_key(memtable, row, scratch);
        if (stage->has_upper && span_compare(key, stage->upper) >= 0) {
            break;
        }
        (void)memtable_end(memtable, key, key_code(key), timestamp);
    }
}

void apply_delete_range(struct apply_group *group, uint32_t stage, uint64_t timestamp)
{
    struct version *version = group->version;
    for (uint32_t t = planted(PLANT_RANGE_LEAVES_MEMTABLES); t < version->table_count; t++) {
        end_range(version->tables[t]->memtable, &group->stages[stage], timestamp);
    }
    for (uint32_t i = 0; group->ranges != NULL && i < version->segment_count; i++) {
        struct segment_ref *ref = version->segments[i];
        const struct apply_range *range = range_at(group, stage, i);
        ASSERT(!ref->tracking || range->first == range->end);
        if (delete_map_mark_range(ref->deletes, range->first, range->end, timestamp) > 0) {
            ref->deleted_at = timestamp;
        }
    }
}
