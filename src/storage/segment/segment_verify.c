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

/* What a segment refers to in one of its value files, counted. */
struct value_count {
    uint64_t count;
    uint64_t bytes;
};

/* The check of one column, page by page. */
struct column_check {
    struct segment *segment;
    uint32_t column;
    struct value_count *uses; /* Of each value file. */
    struct batch batch;       /* For values in value files. */
    const struct call *call;
};

/* The row's value, wherever it is. [waits] */
static tdbplus_status verify_value(struct column_check *check, const struct page *page,
                                   uint32_t row, struct datum *value)
{
    struct segment *segment = check->segment;
    struct type type = segment->columns[check->column].type;
    struct err *err = check->call->err;
    if (page_is_null(page, row) || !page_is_external(page, row)) {
        page_datum(page, type, row, value);
        return TDBPLUS_OK;
    }
    struct value_reference reference = segment_reference(segment, check->column, page, row);
    TRY(segment_fetch_one(segment, check->column, &reference, &check->batch, value, err));
    if (type_physical(type) == PHYSICAL_VIEW &&
        (value->bytes.size < VALUE_PREFIX_SIZE ||
         memcmp(value->bytes.data, reference.prefix, VALUE_PREFIX_SIZE) != 0)) {
        return corrupt(segment, 0, "a reference leads to another value", err);
    }
    struct value_count *use = &check->uses[value_place_of(reference.place).file];
    use->count++;
    use->bytes += value->bytes.size;
    return TDBPLUS_OK;
}

/* What the values of a page show about its zone. */
struct zone_check {
    struct datum min;
    struct datum max;
    bool bounded;
    bool min_seen;
    bool max_seen;
    bool outside;
    uint32_t null_count;
};

static void check_value(struct zone_check *check, const struct datum *value)
{
    if (value->is_null) {
        check->null_count++;
    } else if (check->bounded) {
        int low = datum_compare(&check->min, value);
        int high = datum_compare(value, &check->max);
        check->outside = check->outside || low > 0 || high > 0;
        check->min_seen = check->min_seen || low == 0;
        check->max_seen = check->max_seen || high == 0;
    }
}

/* A zone must hold for every value of its page, and be tight where it says so. [waits] */
static tdbplus_status verify_page(struct column_check *check, const struct page *page,
                                  const struct segment_zone_entry *zone, uint64_t first_row)
{
    struct type type = check->segment->columns[check->column].type;
    struct zone_check seen = {.bounded = (zone->flags & ZONE_FLAG_BOUNDS) != 0};
    if (seen.bounded) {
        zone_bounds(zone, type, &seen.min, &seen.max);
    }
    for (uint32_t i = 0; i < page->row_count; i++) {
        struct datum value;
        TRY(verify_value(check, page, i, &value));
        check_value(&seen, &value);
        if ((page->flags & PAGE_FLAG_EXTERNAL) != 0 && i % 16 == 15) {
            batch_reset(&check->batch);
        }
    }
    bool exact = (zone->flags & ZONE_FLAG_EXACT) != 0;
    bool holds = !seen.outside && seen.null_count == zone->null_count &&
                 (!exact || (seen.min_seen && seen.max_seen));
    return holds
               ? TDBPLUS_OK
               : corrupt(check->segment, first_row, "the zone map does not hold", check->call->err);
}

static tdbplus_status verify_column(struct column_check *check)
{
    struct segment *segment = check->segment;
    const struct call *call = check->call;
    for (uint64_t row = 0; row < segment->row_count;) {
        TRY(env_check_call(segment->source.env, call));
        struct segment_page place = segment_page_of(segment, row, check->column);
        struct page *page = NULL;
        // What is cached was checked when it came; here the file itself is read.
        TRY(segment_load(segment, row, check->column, &page, call->err));
        tdbplus_status status = verify_page(check, page, &segment->zones[place.page], row);
        page_release(page);
        batch_reset(&check->batch);
        TRY(status);
        row = place.first_row + place.row_count;
        if (call->progress != NULL) {
            call->progress(call->progress_ctx, (uint64_t)check->column * segment->row_count + row,
                           (uint64_t)segment->column_count * segment->row_count);
        }
    }
    return TDBPLUS_OK;
}

/* Every page of the value files, and that the segment refers to as much as it says. [waits] */
static tdbplus_status verify_values(struct column_check *check)
{
    struct segment *segment = check->segment;
    for (uint32_t i = 0; i < segment->value_count; i++) {
        TRY(value_file_verify(segment->values[i], check->call));
        const struct segment_value_file *use = &segment->value_uses[i];
        if (check->uses[i].count != use->value_count || check->uses[i].bytes != use->value_bytes) {
            return corrupt(segment, 0, "it refers to other values than it says", check->call->err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status verify_columns(struct segment *segment, const struct call *call)
{
    struct column_check check = {.segment = segment, .call = call};
    batch_init(&check.batch, segment->alloc);
    tdbplus_status status = TDBPLUS_OK;
    size_t count = segment->value_count;
    if (count > 0) {
        check.uses = alloc_array(segment->alloc, count, sizeof *check.uses);
        if (check.uses == NULL) {
            status = err_set(call->err, TDBPLUS_E_NOMEM, "segment: no memory to verify");
        }
    }
    for (; check.column < segment->column_count && status == TDBPLUS_OK; check.column++) {
        status = verify_column(&check);
    }
    if (status == TDBPLUS_OK) {
        status = verify_values(&check);
    }
    batch_deinit(&check.batch);
    alloc_free(segment->alloc, check.uses, count, sizeof *check.uses);
    return status;
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
    for (uint32_t i = 0; i < segment->value_count; i++) {
        struct value_file *file = segment->values[i];
        page_cache_drop(file->cache, file->slots, file->footer.page_count);
    }
    TRY(verify_columns(segment, call));
    return verify_keys(segment, call);
}
