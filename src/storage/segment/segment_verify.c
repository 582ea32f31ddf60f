/* Reads everything and believes nothing. */

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "storage/segment/segment_internal.h"
#include "storage/segment/zone.h"

static tdbplus_status corrupt(const struct segment *segment, uint64_t row, const char *what,
                              struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: row %llu: %s", segment->path,
                   (unsigned long long)row, what);
}

/* A zone must hold for every value of its page, and be tight where it says so. */
static bool zone_holds(const struct page *page, struct type type,
                       const struct segment_zone_entry *zone)
{
    bool bounded = (zone->flags & ZONE_FLAG_BOUNDS) != 0;
    bool exact = (zone->flags & ZONE_FLAG_EXACT) != 0;
    bool min_seen = false;
    bool max_seen = false;
    uint32_t null_count = 0;
    struct datum min;
    struct datum max;
    if (bounded) {
        zone_bounds(zone, type, &min, &max);
    }
    for (uint32_t i = 0; i < page->row_count; i++) {
        struct datum value;
        page_datum(page, type, i, &value);
        if (value.is_null) {
            null_count++;
            continue;
        }
        if (bounded) {
            int low = datum_compare(&min, &value);
            int high = datum_compare(&value, &max);
            if (low > 0 || high > 0) {
                return false;
            }
            min_seen = min_seen || low == 0;
            max_seen = max_seen || high == 0;
        }
    }
    return null_count == zone->null_count && (!exact || (min_seen && max_seen));
}

static tdbplus_status verify_column(struct segment *segment, uint32_t column,
                                    const struct call *call)
{
    for (uint64_t row = 0; row < segment->row_count;) {
        TRY(env_check_call(segment->source.env, call));
        struct segment_page place = segment_page_of(segment, row, column);
        struct page *page = NULL;
        // What is cached was checked when it came; here the file itself is read.
        TRY(segment_load(segment, row, column, &page, call->err));
        bool holds = zone_holds(page, segment->columns[column].type, &segment->zones[place.page]);
        page_release(page);
        if (!holds) {
            return corrupt(segment, row, "the zone map does not hold", call->err);
        }
        row = place.first_row + place.row_count;
        if (call->progress != NULL) {
            call->progress(call->progress_ctx, (uint64_t)column * segment->row_count + row,
                           (uint64_t)segment->column_count * segment->row_count);
        }
    }
    return TDBPLUS_OK;
}

/* The key's own segment, index and order: one row against the one before it. */
struct key_check {
    uint8_t previous[KEY_SIZE_MAX];
    size_t previous_size;
    uint64_t previous_begin;
    uint64_t begin_max;
};

static tdbplus_status verify_index(const struct segment *segment, uint64_t row, struct span key,
                                   struct err *err)
{
    size_t prefix = segment->prefix.size;
    if (key.size < prefix || (prefix > 0 && memcmp(key.data, segment->prefix.data, prefix) != 0)) {
        return corrupt(segment, row, "the key has not the prefix of all keys", err);
    }
    uint64_t code = key_code((struct span){key.data + prefix, key.size - prefix});
    struct pkrange range = pkindex_find(segment->index, code);
    if (row < range.first || row >= range.end ||
        !pkindex_may_contain(segment->index, key_hash(key))) {
        return corrupt(segment, row, "the primary index does not lead to it", err);
    }
    return TDBPLUS_OK;
}

static tdbplus_status verify_row(struct segment *segment, uint64_t row, struct span key,
                                 struct key_check *check, struct err *err)
{
    struct span previous = {check->previous, check->previous_size};
    int order = row == 0 ? 1 : span_compare(key, previous);
    if (order < 0 || key.size > sizeof check->previous) {
        return corrupt(segment, row, "the keys are not in order", err);
    }
    if (row == 0 && span_compare(key, segment->key_min) != 0) {
        return corrupt(segment, row, "the smallest key is another", err);
    }
    TRY(verify_index(segment, row, key, err));
    uint64_t begin = 0;
    TRY(segment_begin(segment, row, &begin, err));
    if (order == 0 && begin > check->previous_begin) {
        return corrupt(segment, row, "the versions of a key are not newest first", err);
    }
    check->previous_begin = begin;
    check->begin_max = begin > check->begin_max ? begin : check->begin_max;
    check->previous_size = key.size;
    if (key.size > 0) {
        memcpy(check->previous, key.data, key.size);
    }
    return TDBPLUS_OK;
}

static tdbplus_status verify_keys(struct segment *segment, const struct call *call)
{
    struct key_reader reader;
    key_reader_init(&reader, segment);
    struct key_check check = {0};
    tdbplus_status status = TDBPLUS_OK;
    for (uint64_t row = 0; row < segment->row_count; row++) {
        struct span key = {0};
        status = row % SEGMENT_WINDOW_ROW_COUNT == 0 ? env_check_call(segment->source.env, call)
                                                     : TDBPLUS_OK;
        if (status == TDBPLUS_OK) {
            status = key_reader_read(&reader, row, &key, call->err);
        }
        TRY_OR(done, status);
        TRY_OR(done, verify_row(segment, row, key, &check, call->err));
    }
    struct span last = {check.previous, check.previous_size};
    if (span_compare(last, segment->key_max) != 0) {
        status = corrupt(segment, segment->row_count - 1, "the greatest key is another", call->err);
    } else if (check.begin_max != segment->footer.begin_max) {
        status = corrupt(segment, 0, "the newest begin timestamp is another", call->err);
    }
done:
    key_reader_deinit(&reader);
    return status;
}

tdbplus_status segment_verify(struct segment *segment, const struct call *call)
{
    // Cached pages are forgotten first, so that the file is what is checked.
    page_cache_drop(segment->cache, segment->slots, segment->page_count);
    for (uint32_t column = 0; column < segment->column_count; column++) {
        TRY(verify_column(segment, column, call));
    }
    return verify_keys(segment, call);
}
