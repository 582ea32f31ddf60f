/*
 * Ordered scans: a merge of the sources' key streams.
 *
 * A stream holds a window of visible rows of its source with their keys. A batch is planned first
 * (which rows of which streams, in order), then each stream's share is gathered at once and the
 * columns are put together. The first batch is small, so that a short range costs little.
 */

#include <string.h>

#include "base/assert.h"
#include "txn/scan_internal.h"

#define WINDOW_ROW_COUNT 256u
#define WINDOW_ROW_FIRST 32u
#define WINDOW_ROW_SHORT 64u /* The most for scans of few rows. */
#define BATCH_ROW_FIRST  128u

/* A visible row and its key. */
struct entry {
    uint64_t code;
    struct span key; /* Integer keys: empty, the code says it all. */
    uint64_t row;
};

struct stream {
    const struct scan_source *source;
    struct memtable_cursor cursor; /* SOURCE_TABLE. */
    uint64_t next;                 /* Others: rows [next, end) are still to come (descending: */
    uint64_t end;                  /* the end moves down). */
    struct batch batch;            /* Owns the keys' bytes. */
    struct entry *entries;         /* window_max. */
    uint32_t count;
    uint32_t at;
    uint32_t window; /* Rows to look at next time; grows, so that a short range costs little. */
    bool done;
};

struct ordered {
    struct stream *streams;
    uint32_t stream_count;
    bool integer;
    bool descending;
    uint32_t batch_rows;
    uint32_t batch_rows_max;
    uint32_t window_max;
    uint16_t *plan;  /* batch_rows_max: which stream each output row is of. */
    uint64_t *rows;  /* batch_rows_max: and its row there. */
    uint64_t *share; /* Scratch: one stream's rows. */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "scan: it does not fit the memory limit");
}

/* Takes the row into the stream unless the transaction has changed it. */
static void push_entry(struct scan *scan, struct stream *stream, struct span key, uint64_t code,
                       uint64_t row)
{
    if (scan->shadow && stream->source->kind != SOURCE_OWN) {
        uint8_t bytes[8];
        struct segment_key full = {.key = key, .code = code};
        if (key.size == 0) {
            store_u64_be(bytes, code);
            full.key = (struct span){.data = bytes, .size = sizeof bytes};
        }
        full.hash = key_hash(full.key);
        if (scan_shadowed(scan, &full)) {
            return;
        }
    }
    struct entry *entry = &stream->entries[stream->count++];
    entry->code = code;
    entry->row = row;
    entry->key = key;
}

/* ---- filling a stream's window ---- */

static void fill_from_table(struct scan *scan, struct stream *stream)
{
    const struct memtable *memtable = version_table(scan->version, stream->source->number);
    struct ordered *ordered = scan->ordered;
    while (stream->count < stream->window && !stream->done) {
        uint32_t newest = ordered->descending ? memtable_cursor_previous(&stream->cursor)
                                              : memtable_cursor_next(&stream->cursor);
        if (newest == MEMTABLE_ROW_NONE) {
            stream->done = true;
            break;
        }
        uint8_t scratch[8];
        struct span key = memtable_key(memtable, newest, scratch);
        // An ascending walk begins at the lower bound.
        bool below = ordered->descending && scan->range.has_lower &&
                     span_compare(key, scan->range.lower.key) < 0;
        bool above = scan->range.has_upper && span_compare(key, scan->range.upper.key) >= 0;
        if (ordered->descending ? below : above) {
            stream->done = true;
            break;
        }
        uint32_t row = newest;
        while (row != MEMTABLE_ROW_NONE && (memtable_begin(memtable, row) > scan->snapshot ||
                                            memtable_end_of(memtable, row) <= scan->snapshot)) {
            row = memtable_older(memtable, row);
        }
        if (row == MEMTABLE_ROW_NONE || below || above) {
            continue;
        }
        struct span kept = ordered->integer ? (struct span){0} : key;
        push_entry(scan, stream, kept, key_code(key), row);
    }
}

static void fill_from_own(struct scan *scan, struct stream *stream)
{
    while (stream->count < stream->window && stream->next < stream->end) {
        uint64_t row = scan->ordered->descending ? --stream->end : stream->next++;
        const struct change *change = changes_at(&scan->txn->changes, scan->own[row]);
        stream->entries[stream->count++] =
            (struct entry){.code = change->key.code,
                           .key = scan->ordered->integer ? (struct span){0} : change->key.key,
                           .row = row};
    }
    stream->done = stream->next >= stream->end;
}

/* Keys of rows [first, first + count) of a segment: codes for integer keys, else spans. */
static tdbplus_status read_keys(struct scan *scan, struct stream *stream, struct segment *segment,
                                uint64_t first, uint32_t count, struct column *codes_out,
                                const struct span **keys_out, struct err *err)
{
    if (!scan->ordered->integer) {
        return segment_read_keys(segment, first, count, &stream->batch, keys_out, err);
    }
    const struct schema_column *column = &scan->schema->columns[scan->schema->key_columns[0]];
    int32_t at = segment_find_column(segment, column->id);
    if (at < 0) {
        return err_set(err, TDBPLUS_E_CORRUPT, "scan: a segment of \"%s\" lacks the key column",
                       scan->object->name);
    }
    uint32_t position = (uint32_t)at;
    return segment_read(segment, first, count, &position, 1, &stream->batch, codes_out, err);
}

/* The next rows of a segment, at most `window`, that lie in one window of WINDOW_ROW_COUNT. */
static void next_window(struct ordered *ordered, struct stream *stream, uint64_t *first_out,
                        uint32_t *count_out)
{
    uint64_t first = stream->next;
    uint64_t end = stream->end;
    if (ordered->descending) {
        uint64_t start = (end - 1) / WINDOW_ROW_COUNT * WINDOW_ROW_COUNT;
        start = end - start > stream->window ? end - stream->window : start;
        first = start > first ? start : first;
        stream->end = first;
    } else {
        uint64_t stop = (first / WINDOW_ROW_COUNT + 1) * WINDOW_ROW_COUNT;
        stop = stop - first > stream->window ? first + stream->window : stop;
        end = stop < end ? stop : end;
        stream->next = end;
    }
    *first_out = first;
    *count_out = (uint32_t)(end - first);
    stream->done = stream->next >= stream->end;
}

static tdbplus_status row_begun(struct scan *scan, struct segment *segment, uint64_t row,
                                bool *begun_out, struct err *err)
{
    uint64_t begin = 0;
    if (segment_has_begin(segment)) {
        TRY(segment_begin(segment, row, &begin, err));
    }
    *begun_out = begin <= scan->snapshot;
    return TDBPLUS_OK;
}

static tdbplus_status fill_from_segment(struct scan *scan, struct stream *stream, struct err *err)
{
    struct segment *segment = version_segment(scan->version, stream->source->number);
    const struct delete_map *deletes = version_deletes(scan->version, stream->source->number);
    uint64_t first = 0;
    uint32_t count = 0;
    uint16_t offsets[WINDOW_ROW_COUNT];
    batch_reset(&stream->batch);
    next_window(scan->ordered, stream, &first, &count);
    uint32_t live = delete_map_select(deletes, first, count, scan->snapshot, offsets);
    if (live == 0) {
        return TDBPLUS_OK;
    }
    struct column codes = {0};
    const struct span *keys = NULL;
    TRY(read_keys(scan, stream, segment, first, count, &codes, &keys, err));
    for (uint32_t i = 0; i < live; i++) {
        uint32_t turn = scan->ordered->descending ? live - 1 - i : i;
        uint32_t offset = live == count ? turn : offsets[turn];
        bool begun = true;
        TRY(row_begun(scan, segment, first + offset, &begun, err));
        if (!begun) {
            continue;
        }
        struct span key = {0};
        uint64_t code = 0;
        if (keys != NULL) {
            key = keys[offset];
            code = key_code(key);
        } else {
            struct datum value;
            column_get(&codes, offset, &value);
            code = key_code_of_integer(value.integer);
        }
        push_entry(scan, stream, key, code, first + offset);
    }
    return TDBPLUS_OK;
}

/* Makes sure that the stream has a current entry or is at its end. [waits] */
static tdbplus_status refill(struct scan *scan, struct stream *stream, struct err *err)
{
    while (stream->at == stream->count && !stream->done) {
        stream->at = 0;
        stream->count = 0;
        if (stream->source->kind == SOURCE_TABLE) {
            fill_from_table(scan, stream);
        } else if (stream->source->kind == SOURCE_SEGMENT) {
            TRY(fill_from_segment(scan, stream, err));
        } else {
            fill_from_own(scan, stream);
        }
        stream->window = stream->window < scan->ordered->window_max ? 2 * stream->window
                                                                    : scan->ordered->window_max;
    }
    return TDBPLUS_OK;
}

/* ---- opening ---- */

static void begin_stream(struct scan *scan, struct stream *stream, const struct scan_source *source)
{
    stream->source = source;
    stream->next = source->first_row;
    stream->end = source->end_row;
    if (source->kind != SOURCE_TABLE) {
        return;
    }
    const struct memtable *memtable = version_table(scan->version, source->number);
    if (scan->ordered->descending) {
        struct span none = {0};
        memtable_cursor_seek_last(&stream->cursor, memtable,
                                  scan->range.has_upper ? scan->range.upper.key : none);
    } else {
        struct span none = {0};
        memtable_cursor_seek(&stream->cursor, memtable,
                             scan->range.has_lower ? scan->range.lower.key : none);
    }
}

tdbplus_status ordered_open(struct scan *scan, struct err *err)
{
    struct arena *arena = &scan->arena;
    struct ordered *ordered = arena_array(arena, 1, sizeof *ordered);
    struct stream *streams = arena_array(arena, (size_t)scan->source_count + 1, sizeof *streams);
    if (ordered == NULL || streams == NULL) {
        return no_memory(err);
    }
    ordered->streams = streams;
    ordered->integer = key_is_integer(scan->schema);
    ordered->descending = scan->options.order == SCAN_DESCENDING;
    uint64_t limit = scan->options.row_limit;
    bool is_short = limit > 0 && limit <= BATCH_ROW_FIRST;
    ordered->batch_rows = is_short ? (uint32_t)limit : BATCH_ROW_FIRST;
    ordered->batch_rows_max = is_short ? BATCH_ROW_FIRST : BATCH_ROW_COUNT_MAX;
    ordered->window_max = is_short ? WINDOW_ROW_SHORT : WINDOW_ROW_COUNT;
    size_t rows_max = ordered->batch_rows_max;
    ordered->plan = arena_alloc(arena, rows_max * sizeof *ordered->plan);
    ordered->rows = arena_alloc(arena, rows_max * sizeof *ordered->rows);
    ordered->share = arena_alloc(arena, rows_max * sizeof *ordered->share);
    if (ordered->plan == NULL || ordered->rows == NULL || ordered->share == NULL) {
        return no_memory(err);
    }
    scan->ordered = ordered;
    for (uint32_t i = 0; i < scan->source_count; i++) {
        struct stream *stream = &streams[i];
        stream->entries = arena_alloc(arena, ordered->window_max * sizeof *stream->entries);
        stream->window = WINDOW_ROW_FIRST;
        if (stream->entries == NULL) {
            return no_memory(err);
        }
        batch_init(&stream->batch, scan->alloc);
        ordered->stream_count++;
        begin_stream(scan, stream, &scan->sources[i]);
    }
    return TDBPLUS_OK;
}

void ordered_close(struct scan *scan)
{
    for (uint32_t i = 0; scan->ordered != NULL && i < scan->ordered->stream_count; i++) {
        batch_deinit(&scan->ordered->streams[i].batch);
    }
    scan->ordered = NULL;
}

/* ---- merging ---- */

static bool comes_first(const struct ordered *ordered, const struct entry *left,
                        const struct entry *right)
{
    if (left->code != right->code) {
        return ordered->descending ? left->code > right->code : left->code < right->code;
    }
    int order = span_compare(left->key, right->key);
    return ordered->descending ? order > 0 : order < 0;
}

/* The stream whose current entry is next, or -1 when all are at their end. */
static int32_t choose_stream(const struct ordered *ordered)
{
    int32_t best = -1;
    for (uint32_t i = 0; i < ordered->stream_count; i++) {
        const struct stream *stream = &ordered->streams[i];
        if (stream->at == stream->count) {
            continue;
        }
        if (best < 0 || comes_first(ordered, &stream->entries[stream->at],
                                    &ordered->streams[best].entries[ordered->streams[best].at])) {
            best = (int32_t)i;
        }
    }
    return best;
}

static tdbplus_status plan_batch(struct scan *scan, uint32_t *count_out, struct err *err)
{
    struct ordered *ordered = scan->ordered;
    for (uint32_t i = 0; i < ordered->stream_count; i++) {
        TRY(refill(scan, &ordered->streams[i], err));
    }
    uint32_t count = 0;
    while (count < ordered->batch_rows) {
        int32_t best = choose_stream(ordered);
        if (best < 0) {
            break;
        }
        struct stream *stream = &ordered->streams[best];
        ordered->plan[count] = (uint16_t)best;
        ordered->rows[count++] = stream->entries[stream->at++].row;
        TRY(refill(scan, stream, err));
    }
    *count_out = count;
    return TDBPLUS_OK;
}

/* Copies values `from` one after another to the output rows that are the stream's. */
static void spread_column(const struct ordered *ordered, uint32_t stream, uint32_t count,
                          const struct column *from, uint32_t share_count, struct column *to)
{
    uint32_t taken = 0;
    size_t width = type_width(to->type);
    for (uint32_t i = 0; i < count; i++) {
        if (ordered->plan[i] != stream) {
            continue;
        }
        uint32_t at = ordered->descending && share_count > 0 ? share_count - 1 - taken : taken;
        taken++;
        if (column_is_null(from, at)) {
            to->validity[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
        uint32_t value = from->form == COLUMN_CONSTANT ? 0 : at;
        memcpy((uint8_t *)to->data + i * width, (const uint8_t *)from->data + value * width, width);
    }
}

/* Reads one stream's rows of the plan and puts them where they belong. [waits] */
static tdbplus_status spread_stream(struct scan *scan, uint32_t number, uint32_t count,
                                    struct batch *batch, struct column *columns, struct err *err)
{
    struct ordered *ordered = scan->ordered;
    uint32_t share = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ordered->plan[i] == number) {
            ordered->share[share++] = ordered->rows[i];
        }
    }
    if (share == 0) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; ordered->descending && i < share / 2; i++) {
        uint64_t row = ordered->share[i];
        ordered->share[i] = ordered->share[share - 1 - i];
        ordered->share[share - 1 - i] = row;
    }
    struct column *from = arena_array(&batch->arena, (size_t)scan->fetch_count + 1, sizeof *from);
    if (from == NULL) {
        return no_memory(err);
    }
    TRY(scan_gather(scan, ordered->streams[number].source, ordered->share, share, batch, from,
                    err));
    for (uint32_t c = 0; c < scan->fetch_count; c++) {
        spread_column(ordered, number, count, &from[c], share, &columns[c]);
    }
    return TDBPLUS_OK;
}

static tdbplus_status fill_batch(struct scan *scan, uint32_t count, struct batch *batch,
                                 struct err *err)
{
    struct column *columns =
        arena_array(&batch->arena, (size_t)scan->fetch_count + 1, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t c = 0; c < scan->fetch_count; c++) {
        struct type type = scan->schema->columns[scan->fetch[c]].type;
        if (!column_make(&columns[c], type, count, true, &batch->arena)) {
            return no_memory(err);
        }
    }
    for (uint32_t i = 0; i < scan->ordered->stream_count; i++) {
        TRY(spread_stream(scan, i, count, batch, columns, err));
    }
    batch->columns = columns;
    batch->column_count = scan->fetch_count;
    batch->row_count = count;
    batch->selection = NULL;
    // Changes are skipped and the range is kept by the streams: only conditions are left.
    return scan_filter(scan, SOURCE_OWN, batch, err);
}

tdbplus_status ordered_next(struct scan *scan, struct batch *batch, const struct call *call)
{
    struct ordered *ordered = scan->ordered;
    for (;;) {
        uint32_t count = 0;
        TRY(scan_check(scan, call));
        batch_reset(batch);
        TRY(plan_batch(scan, &count, call->err));
        TRY(store_snapshot_check(&scan->link.hold, call->err));
        if (count == 0) {
            return TDBPLUS_END;
        }
        ordered->batch_rows = 2 * ordered->batch_rows < ordered->batch_rows_max
                                  ? 2 * ordered->batch_rows
                                  : ordered->batch_rows_max;
        TRY(fill_batch(scan, count, batch, call->err));
        if (batch_live_count(batch) > 0) {
            batch->column_count = scan->options.position_count;
            return TDBPLUS_OK;
        }
    }
}
