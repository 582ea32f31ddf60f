/*
 * Ordered scans: a merge of the sources' key streams.
 *
 * A stream holds a window of visible rows of its source with their keys. The merge only says which
 * place of the batch each row of a window gets; a stream's rows are gathered together, when its
 * window is used up or the batch is full, and their values put into those places. An integer key's
 * column is made of the codes that were merged. The first windows and the first batch are small, so
 * that a short range costs little.
 */

#include <string.h>

#include "base/assert.h"
#include "txn/scan_internal.h"

#define WINDOW_ROW_COUNT    256u
#define WINDOW_ROW_FIRST    32u
#define WINDOW_ROW_SHORT    64u /* The most for scans of few rows. */
#define DILUTION_MAX        8u
#define BATCH_ROW_FIRST     128u
#define KEY_BLOCK_SIZE      ((size_t)4 << 10)
#define PREFETCH_COLUMN_MAX 4u

struct stream {
    const struct scan_source *source;
    struct memtable_cursor cursor; /* SOURCE_TABLE. */
    uint64_t next;                 /* Others: rows [next, end) are still to come (descending: */
    uint64_t end;                  /* the end moves down). */
    struct batch batch;            /* Owns the keys' bytes. */
    /* window_max visible rows and their keys. */
    uint64_t *codes;
    uint64_t *rows;
    struct span *keys; /* NULL: integer keys, the codes say it all. */
    uint16_t *places;  /* Where in the batch those rows go that were taken, */
    uint32_t taken;    /* which begin here and end at the current one. */
    uint32_t count;
    uint32_t at;
    uint32_t window;   /* Rows to look at next time; grows, so that a short range costs little. */
    uint32_t dilution; /* A segment's window is so much wider, for rows that have ended. */
    bool done;
    /* Where the first columns that are gathered lie in the source. */
    uint32_t prefetch[PREFETCH_COLUMN_MAX];
    uint32_t prefetch_count;
};

struct ordered {
    struct stream *streams;
    uint32_t stream_count;
    bool integer;
    bool descending;
    bool started;
    uint64_t flip;   /* Exclusive or of it makes codes ascend in the scan's order. */
    uint32_t *live;  /* Numbers of the streams that have a current entry, */
    uint64_t *heads; /* and those entries' codes, flipped. */
    uint32_t live_count;
    uint32_t batch_rows;
    uint32_t batch_rows_max;
    uint32_t window_max;
    uint64_t *codes;       /* batch_rows_max: of the batch's keys. */
    uint64_t *turned_rows; /* Scratch of window_max: a window that descends, turned round. */
    uint16_t *turned_places;
    struct column
        *columns; /* Of the batch being made: `gather` columns, then room for a share's. */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "scan: it does not fit the memory limit");
}

/* ---- filling a stream's window ---- */

/* Has the transaction changed the row? */
static bool is_shadowed(struct scan *scan, const struct scan_source *source, struct span key,
                        uint64_t code)
{
    uint8_t bytes[8];
    struct segment_key full = {.key = key, .code = code};
    if (scan->ordered->integer) {
        store_u64_be(bytes, code);
        full.key = (struct span){.data = bytes, .size = sizeof bytes};
    }
    full.hash = key_hash(full.key);
    return scan_shadowed(scan, source, &full);
}

/* Takes the row into the stream unless the transaction has changed it. */
static inline bool push_entry(struct scan *scan, struct stream *stream, struct span key,
                              uint64_t code, uint64_t row)
{
    if (scan->shadow && is_shadowed(scan, stream->source, key, code)) {
        return false;
    }
    uint32_t at = stream->count++;
    stream->codes[at] = code;
    stream->rows[at] = row;
    if (stream->keys != NULL) {
        stream->keys[at] = key;
    }
    return true;
}

/* Orders a key against a bound: < 0, 0, > 0. */
static inline int compare_bound(const struct ordered *ordered, struct span key, uint64_t code,
                                const struct segment_key *bound)
{
    if (ordered->integer || code != bound->code) {
        return code < bound->code ? -1 : code > bound->code;
    }
    return span_compare(key, bound->key);
}

static void fill_from_table(struct scan *scan, struct stream *stream)
{
    const struct memtable *memtable = version_table(scan->version, stream->source->number);
    const struct ordered *ordered = scan->ordered;
    const struct key_range *range = &scan->range;
    while (stream->count < stream->window) {
        bool down = ordered->descending;
        uint32_t newest = down ? memtable_cursor_previous(&stream->cursor)
                               : memtable_cursor_next(&stream->cursor);
        if (newest == MEMTABLE_ROW_NONE) {
            stream->done = true;
            break;
        }
        uint64_t code = down ? memtable_cursor_previous_code(&stream->cursor)
                             : memtable_cursor_next_code(&stream->cursor);
        uint8_t scratch[8];
        struct span key = {0};
        if (!ordered->integer) {
            key = memtable_key(memtable, newest, scratch);
        }
        // An ascending walk begins at the lower bound, a descending one at or above the upper.
        bool above = range->has_upper && compare_bound(ordered, key, code, &range->upper) >= 0;
        bool below =
            down && range->has_lower && compare_bound(ordered, key, code, &range->lower) < 0;
        if (down ? below : above) {
            stream->done = true;
            break;
        }
        uint32_t row =
            above ? MEMTABLE_ROW_NONE : memtable_visible(memtable, newest, scan->snapshot);
        if (row != MEMTABLE_ROW_NONE && push_entry(scan, stream, key, code, row)) {
            memtable_values_prefetch(memtable, row, stream->prefetch, stream->prefetch_count);
        }
    }
}

static void fill_from_own(struct scan *scan, struct stream *stream)
{
    while (stream->count < stream->window && stream->next < stream->end) {
        uint64_t row = scan->ordered->descending ? --stream->end : stream->next++;
        const struct change *change = changes_at(&scan->txn->changes, scan->own[row]);
        uint32_t at = stream->count++;
        stream->codes[at] = change->key.code;
        stream->rows[at] = row;
        if (stream->keys != NULL) {
            stream->keys[at] = change->key.key;
        }
    }
    stream->done = stream->next >= stream->end;
}

/* The next rows of a segment, at most `window`, that lie in one window of WINDOW_ROW_COUNT. */
static void next_window(const struct ordered *ordered, struct stream *stream, uint64_t *first_out,
                        uint32_t *count_out)
{
    uint64_t first = stream->next;
    uint64_t end = stream->end;
    uint32_t window = stream->window * stream->dilution;
    window = window < ordered->window_max ? window : ordered->window_max;
    if (ordered->descending) {
        uint64_t start = (end - 1) / WINDOW_ROW_COUNT * WINDOW_ROW_COUNT;
        start = end - start > window ? end - window : start;
        first = start > first ? start : first;
        stream->end = first;
    } else {
        uint64_t stop = (first / WINDOW_ROW_COUNT + 1) * WINDOW_ROW_COUNT;
        stop = stop - first > window ? first + window : stop;
        end = stop < end ? stop : end;
        stream->next = end;
    }
    *first_out = first;
    *count_out = (uint32_t)(end - first);
    stream->done = stream->next >= stream->end;
}

/* Rows of a segment that lie in one window, and which of them the delete map leaves. */
struct segment_window {
    uint64_t first;
    uint32_t count;
    uint32_t live;
    const struct span *keys; /* NULL: integer keys, in `codes`. */
    uint16_t offsets[WINDOW_ROW_COUNT];
    uint64_t codes[WINDOW_ROW_COUNT];
};

static tdbplus_status row_begun(struct scan *scan, struct segment *segment, uint64_t row,
                                bool *begun_out, struct err *err)
{
    uint64_t begin = 0;
    TRY(segment_begin(segment, row, &begin, err));
    *begun_out = begin <= scan->snapshot;
    return TDBPLUS_OK;
}

/* Takes the live rows of a segment's window, which starts at row `first`, into the stream. */
static tdbplus_status push_window(struct scan *scan, struct stream *stream,
                                  const struct segment_window *window, struct err *err)
{
    struct segment *segment = version_segment(scan->version, stream->source->number);
    bool some_later = segment_begin_max(segment) > scan->snapshot;
    bool plain = window->keys == NULL && !some_later && !scan->shadow;
    if (plain && !scan->ordered->descending && window->live < window->count) {
        for (uint32_t i = 0; i < window->live; i++) {
            stream->codes[i] = window->codes[window->offsets[i]];
            stream->rows[i] = window->first + window->offsets[i];
        }
        stream->count = window->live;
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < window->live; i++) {
        uint32_t turn = scan->ordered->descending ? window->live - 1 - i : i;
        uint32_t offset = window->live == window->count ? turn : window->offsets[turn];
        bool begun = true;
        if (some_later) {
            TRY(row_begun(scan, segment, window->first + offset, &begun, err));
        }
        if (begun) {
            struct span key = window->keys == NULL ? (struct span){0} : window->keys[offset];
            uint64_t code = window->keys == NULL ? window->codes[offset] : key_code(key);
            (void)push_entry(scan, stream, key, code, window->first + offset);
        }
    }
    return TDBPLUS_OK;
}

/* The same where every row of the window is taken as it is: the usual case. */
static tdbplus_status push_all(struct stream *stream, struct segment *segment, uint64_t first,
                               uint32_t count, struct err *err)
{
    TRY(segment_read_codes(segment, first, count, stream->codes, err));
    for (uint32_t i = 0; i < count; i++) {
        stream->rows[i] = first + i;
    }
    stream->count = count;
    return TDBPLUS_OK;
}

static tdbplus_status fill_from_segment(struct scan *scan, struct stream *stream, struct err *err)
{
    struct segment *segment = version_segment(scan->version, stream->source->number);
    const struct delete_map *deletes = version_deletes(scan->version, stream->source->number);
    const struct ordered *ordered = scan->ordered;
    struct segment_window window;
    next_window(ordered, stream, &window.first, &window.count);
    window.live =
        delete_map_select(deletes, window.first, window.count, scan->snapshot, window.offsets);
    if (window.live == 0) {
        return TDBPLUS_OK;
    }
    segment_window_prefetch(segment, window.first, window.count, stream->prefetch,
                            stream->prefetch_count);
    if (ordered->integer && window.live == window.count && !ordered->descending && !scan->shadow &&
        segment_begin_max(segment) <= scan->snapshot) {
        return push_all(stream, segment, window.first, window.count, err);
    }
    window.keys = NULL;
    if (ordered->integer) {
        TRY(segment_read_codes(segment, window.first, window.count, window.codes, err));
    } else {
        batch_reset(&stream->batch);
        TRY(segment_read_keys(segment, window.first, window.count, &stream->batch, &window.keys,
                              err));
    }
    return push_window(scan, stream, &window, err);
}

/* Asks for the bytes of the window's values: views of a memtable lead anywhere, and by now they
 * have been fetched. */
static void prefetch_bytes(const struct scan *scan, const struct stream *stream)
{
    if (stream->source->kind != SOURCE_TABLE) {
        return;
    }
    const struct memtable *memtable = version_table(scan->version, stream->source->number);
    for (uint32_t i = 0; i < stream->count; i++) {
        memtable_bytes_prefetch(memtable, (uint32_t)stream->rows[i], stream->prefetch,
                                stream->prefetch_count);
    }
}

/* Makes sure that the stream has a current entry or is at its end. [waits] */
static tdbplus_status refill(struct scan *scan, struct stream *stream, struct err *err)
{
    while (stream->at == stream->count && !stream->done) {
        stream->at = 0;
        stream->taken = 0;
        stream->count = 0;
        if (stream->source->kind == SOURCE_TABLE) {
            fill_from_table(scan, stream);
        } else if (stream->source->kind == SOURCE_SEGMENT) {
            TRY(fill_from_segment(scan, stream, err));
        } else {
            fill_from_own(scan, stream);
        }
        stream->window = 2 * stream->window < scan->ordered->window_max ? 2 * stream->window
                                                                        : scan->ordered->window_max;
    }
    return TDBPLUS_OK;
}

/* ---- opening ---- */

/* Where a column of the scan's schema lies in the source, or -1. */
static int32_t find_column(const struct scan *scan, const struct scan_source *source,
                           uint32_t position)
{
    uint32_t id = scan->schema->columns[position].id;
    if (source->kind == SOURCE_SEGMENT) {
        return segment_find_column(version_segment(scan->version, source->number), id);
    }
    if (source->kind == SOURCE_TABLE) {
        const struct memtable *memtable = version_table(scan->version, source->number);
        return schema_find_id(memtable_schema(memtable), id);
    }
    return -1;
}

static void choose_prefetch(const struct scan *scan, struct stream *stream)
{
    for (uint32_t i = 0; i < scan->gather_count && i < PREFETCH_COLUMN_MAX; i++) {
        int32_t at = find_column(scan, stream->source, scan->gather[i]);
        if (at >= 0) {
            stream->prefetch[stream->prefetch_count++] = (uint32_t)at;
        }
    }
}

static void begin_stream(struct scan *scan, struct stream *stream, const struct scan_source *source)
{
    struct span none = {0};
    stream->source = source;
    stream->next = source->first_row;
    stream->end = source->end_row;
    choose_prefetch(scan, stream);
    if (source->kind != SOURCE_TABLE) {
        return;
    }
    const struct memtable *memtable = version_table(scan->version, source->number);
    if (scan->ordered->descending) {
        memtable_cursor_seek_last(&stream->cursor, memtable,
                                  scan->range.has_upper ? scan->range.upper.key : none);
    } else {
        memtable_cursor_seek_visible(&stream->cursor, memtable,
                                     scan->range.has_lower ? scan->range.lower.key : none);
    }
}

/* Rows of the source that have not ended, of all keys; about. */
static uint64_t rows_of(const struct scan *scan, const struct scan_source *source)
{
    if (source->kind != SOURCE_SEGMENT) {
        return source->end_row;
    }
    uint64_t rows = segment_row_count(version_segment(scan->version, source->number));
    uint64_t ended = delete_map_count(version_deletes(scan->version, source->number));
    return rows > ended ? rows - ended : 1;
}

/* Of how many rows of the source one is visible, about. */
static uint32_t dilution_of(const struct scan *scan, const struct scan_source *source)
{
    uint64_t rows = rows_of(scan, source);
    uint64_t all = source->kind == SOURCE_SEGMENT
                       ? segment_row_count(version_segment(scan->version, source->number))
                       : rows;
    uint64_t dilution = (all + rows / 2) / rows;
    return dilution < DILUTION_MAX ? (uint32_t)dilution : DILUTION_MAX;
}

/* The least number whose square is not below `value`. */
static uint32_t root_of(uint32_t value)
{
    uint32_t root = 0;
    while (root * root < value) {
        root++;
    }
    return root;
}

/* A scan of few rows asks each source for its likely share and, as keys are not spread quite
 * evenly, a deviation more. */
static void choose_windows(struct scan *scan)
{
    struct ordered *ordered = scan->ordered;
    bool is_short = ordered->window_max == WINDOW_ROW_SHORT;
    uint64_t limit = scan->options.row_limit;
    uint64_t total = 1;
    for (uint32_t i = 0; is_short && i < scan->source_count; i++) {
        total += rows_of(scan, &scan->sources[i]);
    }
    for (uint32_t i = 0; i < scan->source_count; i++) {
        struct stream *stream = &ordered->streams[i];
        uint32_t window = WINDOW_ROW_FIRST;
        if (is_short) {
            double part = (double)rows_of(scan, &scan->sources[i]) / (double)total;
            uint32_t share = 1 + (uint32_t)((double)limit * part);
            window = share + root_of(share);
        }
        stream->window = window < ordered->window_max ? window : ordered->window_max;
        stream->dilution = dilution_of(scan, &scan->sources[i]);
    }
}

static bool make_room(struct ordered *ordered, uint32_t stream_count, struct arena *arena)
{
    size_t rows = ordered->batch_rows_max;
    ordered->codes = arena_alloc(arena, rows * sizeof *ordered->codes);
    ordered->live = arena_alloc(arena, stream_count * sizeof *ordered->live);
    ordered->heads = arena_alloc(arena, stream_count * sizeof *ordered->heads);
    if (ordered->descending) {
        size_t window = ordered->window_max;
        ordered->turned_rows = arena_alloc(arena, window * sizeof *ordered->turned_rows);
        ordered->turned_places = arena_alloc(arena, window * sizeof *ordered->turned_places);
        if (ordered->turned_rows == NULL || ordered->turned_places == NULL) {
            return false;
        }
    }
    return ordered->codes != NULL && ordered->live != NULL && ordered->heads != NULL;
}

static bool make_stream_room(const struct scan *scan, struct stream *stream, struct arena *arena)
{
    size_t rows = scan->ordered->window_max;
    stream->codes = arena_alloc(arena, rows * sizeof *stream->codes);
    stream->rows = arena_alloc(arena, rows * sizeof *stream->rows);
    stream->places = arena_alloc(arena, rows * sizeof *stream->places);
    if (!scan->ordered->integer) {
        stream->keys = arena_alloc(arena, rows * sizeof *stream->keys);
    }
    return stream->codes != NULL && stream->rows != NULL && stream->places != NULL &&
           (stream->keys != NULL || scan->ordered->integer);
}

/* All columns but an integer key are gathered. */
static tdbplus_status choose_gather(struct scan *scan, struct err *err)
{
    struct ordered *ordered = scan->ordered;
    if (ordered->integer) {
        uint32_t *gather = arena_alloc(&scan->arena, scan->fetch_count * sizeof *gather);
        if (gather == NULL) {
            return no_memory(err);
        }
        scan->gather_count = 0;
        for (uint32_t i = 0; i < scan->fetch_count; i++) {
            if (scan->fetch[i] != scan->schema->key_columns[0]) {
                gather[scan->gather_count++] = scan->fetch[i];
            }
        }
        scan->gather = gather;
    }
    return TDBPLUS_OK;
}

tdbplus_status ordered_open(struct scan *scan, struct err *err)
{
    struct arena *arena = &scan->arena;
    struct ordered *ordered = arena_array(arena, 1, sizeof *ordered);
    struct stream *streams = arena_alloc(arena, scan->source_count * sizeof *streams);
    if (ordered == NULL || streams == NULL) {
        return no_memory(err);
    }
    ordered->streams = streams;
    ordered->integer = key_is_integer(scan->schema);
    ordered->descending = scan->options.order == SCAN_DESCENDING;
    ordered->flip = ordered->descending ? UINT64_MAX : 0;
    uint64_t limit = scan->options.row_limit;
    bool is_short = limit > 0 && limit <= BATCH_ROW_FIRST;
    ordered->batch_rows = is_short ? (uint32_t)limit : BATCH_ROW_FIRST;
    ordered->batch_rows_max = is_short ? BATCH_ROW_FIRST : BATCH_ROW_COUNT_MAX;
    ordered->window_max = is_short ? WINDOW_ROW_SHORT : WINDOW_ROW_COUNT;
    if (!make_room(ordered, scan->source_count, arena)) {
        return no_memory(err);
    }
    scan->ordered = ordered;
    TRY(choose_gather(scan, err));
    for (uint32_t i = 0; i < scan->source_count; i++) {
        struct stream *stream = &streams[i];
        // The cursor is large and sets itself up.
        memset(&stream->batch, 0, sizeof *stream - offsetof(struct stream, batch));
        if (!make_stream_room(scan, stream, arena)) {
            return no_memory(err);
        }
        stream->batch = (struct batch){0};
        arena_init(&stream->batch.arena, scan->alloc, KEY_BLOCK_SIZE);
        ordered->stream_count++;
        begin_stream(scan, stream, &scan->sources[i]);
    }
    choose_windows(scan);
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

static tdbplus_status start_streams(struct scan *scan, struct err *err)
{
    struct ordered *ordered = scan->ordered;
    for (uint32_t i = 0; i < ordered->stream_count; i++) {
        struct stream *stream = &ordered->streams[i];
        TRY(refill(scan, stream, err));
        if (stream->at < stream->count) {
            ordered->live[ordered->live_count] = i;
            ordered->heads[ordered->live_count++] = stream->codes[stream->at] ^ ordered->flip;
        }
    }
    for (uint32_t i = 0; i < ordered->stream_count; i++) {
        prefetch_bytes(scan, &ordered->streams[i]);
    }
    ordered->started = true;
    return TDBPLUS_OK;
}

/* Of two streams whose current codes are equal, does the first come first? */
static bool wins_tie(const struct ordered *ordered, uint32_t left, uint32_t right)
{
    const struct stream *a = &ordered->streams[ordered->live[left]];
    const struct stream *b = &ordered->streams[ordered->live[right]];
    int order = span_compare(a->keys[a->at], b->keys[b->at]);
    return ordered->descending ? order > 0 : order < 0;
}

/* Integer keys never tie (X3), so without a branch that nobody could foresee. */
static uint32_t choose_by_code(const struct ordered *ordered, uint64_t *until_out)
{
    const uint64_t *heads = ordered->heads;
    uint32_t best = 0;
    uint64_t head = heads[0];
    uint64_t until = UINT64_MAX;
    for (uint32_t i = 1; i < ordered->live_count; i++) {
        uint64_t other = heads[i];
        uint64_t lower = other < head ? other : head;
        uint64_t upper = other < head ? head : other;
        best = other < head ? i : best;
        until = upper < until ? upper : until;
        head = lower;
    }
    *until_out = until;
    return best;
}

/* Position in `live` of the stream whose entry is next; its entries below *until_out come before
 * all others. */
static uint32_t choose_stream(const struct ordered *ordered, uint64_t *until_out)
{
    if (ordered->integer) {
        return choose_by_code(ordered, until_out);
    }
    uint32_t best = 0;
    uint64_t head = ordered->heads[0];
    uint64_t until = UINT64_MAX;
    for (uint32_t i = 1; i < ordered->live_count; i++) {
        uint64_t other = ordered->heads[i];
        if (other < head || (other == head && !wins_tie(ordered, best, i))) {
            until = head;
            head = other;
            best = i;
        } else if (other < until) {
            until = other;
        }
    }
    *until_out = until;
    return best;
}

/* Gives the stream's next entries their places: the current one, and those after it below `until`.
 */
static uint32_t take_run(struct ordered *ordered, struct stream *stream, uint64_t until,
                         uint32_t count)
{
    const uint64_t *codes = stream->codes;
    uint64_t *codes_out = ordered->codes;
    uint16_t *places = stream->places;
    uint64_t flip = ordered->flip;
    uint32_t at = stream->at;
    uint32_t left = ordered->batch_rows - count;
    uint32_t end = stream->count - at < left ? stream->count : at + left;
    do {
        places[at] = (uint16_t)count;
        codes_out[count] = codes[at];
        count++;
        at++;
    } while (at < end && (codes[at] ^ flip) < until);
    stream->at = at;
    return count;
}

/* ---- putting rows together ---- */

static void spread_nulls(const struct column *from, const uint16_t *places, uint32_t count,
                         struct column *to)
{
    for (uint32_t i = 0; i < count; i++) {
        if (column_is_null(from, i)) {
            to->validity[places[i] / 64] &= ~((uint64_t)1 << (places[i] % 64));
        }
    }
}

/* Copies values `from` one after another to their places. */
static void spread_column(const struct column *from, const uint16_t *places, uint32_t count,
                          struct column *to)
{
    size_t width = type_width(to->type);
    const uint8_t *source = from->data;
    uint8_t *target = to->data;
    size_t step = from->form == COLUMN_CONSTANT ? 0 : width;
    if (width == sizeof(struct view)) {
        for (uint32_t i = 0; i < count; i++, source += step) {
            memcpy(target + places[i] * sizeof(struct view), source, sizeof(struct view));
        }
    } else if (width == sizeof(uint64_t)) {
        for (uint32_t i = 0; i < count; i++, source += step) {
            memcpy(target + places[i] * sizeof(uint64_t), source, sizeof(uint64_t));
        }
    } else {
        for (uint32_t i = 0; i < count; i++, source += step) {
            memcpy(target + places[i] * width, source, width);
        }
    }
    if (from->validity != NULL && to->validity != NULL) {
        spread_nulls(from, places, count, to);
    }
}

/* Gathers the rows of the stream's window that were taken, and puts their values in their places.
 * [waits] */
static tdbplus_status settle_stream(struct scan *scan, struct stream *stream, struct batch *batch,
                                    struct err *err)
{
    struct ordered *ordered = scan->ordered;
    uint32_t count = stream->at - stream->taken;
    struct gather_rows rows = {.rows = stream->rows + stream->taken, .count = count};
    const uint16_t *places = stream->places + stream->taken;
    stream->taken = stream->at;
    if (count == 0 || scan->gather_count == 0) {
        return TDBPLUS_OK;
    }
    if (ordered->descending) {
        for (uint32_t i = 0; i < count; i++) {
            ordered->turned_rows[i] = rows.rows[count - 1 - i];
            ordered->turned_places[i] = places[count - 1 - i];
        }
        rows.rows = ordered->turned_rows;
        places = ordered->turned_places;
    }
    struct column *from = ordered->columns + scan->gather_count;
    TRY(scan_gather(scan, stream->source, &rows, batch, from, err));
    for (uint32_t c = 0; c < scan->gather_count; c++) {
        spread_column(&from[c], places, count, &ordered->columns[c]);
    }
    return TDBPLUS_OK;
}

/* Columns for the rows of all streams. */
static tdbplus_status make_columns(struct scan *scan, struct batch *batch, struct err *err)
{
    struct ordered *ordered = scan->ordered;
    size_t column_count = 2 * (size_t)scan->gather_count + 1;
    ordered->columns = arena_alloc(&batch->arena, column_count * sizeof *ordered->columns);
    if (ordered->columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t c = 0; c < scan->gather_count; c++) {
        const struct schema_column *column = &scan->schema->columns[scan->gather[c]];
        if (!column_make(&ordered->columns[c], column->type, ordered->batch_rows, !column->not_null,
                         &batch->arena)) {
            return no_memory(err);
        }
    }
    return TDBPLUS_OK;
}

/* Merges the next rows into the batch's columns. [waits] */
static tdbplus_status merge_rows(struct scan *scan, struct batch *batch, uint32_t *count_out,
                                 struct err *err)
{
    struct ordered *ordered = scan->ordered;
    uint32_t count = 0;
    while (count < ordered->batch_rows && ordered->live_count > 0) {
        uint64_t until = 0;
        uint32_t best = choose_stream(ordered, &until);
        struct stream *stream = &ordered->streams[ordered->live[best]];
        count = take_run(ordered, stream, until, count);
        if (stream->at == stream->count) {
            TRY(settle_stream(scan, stream, batch, err));
            TRY(refill(scan, stream, err));
        }
        if (stream->at < stream->count) {
            ordered->heads[best] = stream->codes[stream->at] ^ ordered->flip;
        } else {
            ordered->live_count--;
            ordered->live[best] = ordered->live[ordered->live_count];
            ordered->heads[best] = ordered->heads[ordered->live_count];
        }
    }
    for (uint32_t i = 0; i < ordered->live_count; i++) {
        TRY(settle_stream(scan, &ordered->streams[ordered->live[i]], batch, err));
    }
    *count_out = count;
    return TDBPLUS_OK;
}

/* The integer key's column, made of the codes. */
static void fill_keys(const struct ordered *ordered, uint32_t count, struct column *column)
{
    size_t width = type_width(column->type);
    if (width == sizeof(int64_t)) {
        int64_t *to = column->data;
        for (uint32_t i = 0; i < count; i++) {
            to[i] = key_integer_of_code(ordered->codes[i]);
        }
        return;
    }
    uint8_t *to = column->data;
    for (uint32_t i = 0; i < count; i++, to += width) {
        int64_t value = key_integer_of_code(ordered->codes[i]);
        memcpy(to, &value, width); // Little-endian: the low bytes come first.
    }
}

static tdbplus_status finish_batch(struct scan *scan, uint32_t count, struct batch *batch,
                                   struct err *err)
{
    const struct ordered *ordered = scan->ordered;
    struct column *columns =
        arena_alloc(&batch->arena, ((size_t)scan->fetch_count + 1) * sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t c = 0, next = 0; c < scan->fetch_count; c++) {
        uint32_t position = scan->fetch[c];
        if (!ordered->integer || position != scan->schema->key_columns[0]) {
            columns[c] = ordered->columns[next++];
            columns[c].row_count = count;
        } else if (column_make(&columns[c], scan->schema->columns[position].type, count, false,
                               &batch->arena)) {
            fill_keys(ordered, count, &columns[c]);
        } else {
            return no_memory(err);
        }
    }
    batch->columns = columns;
    batch->column_count = scan->fetch_count;
    batch->row_count = count;
    batch->selection = NULL;
    batch->selected_count = 0;
    // Changes are skipped and the range is kept by the streams: only conditions are left.
    bool conditions = scan->options.filter_rows && scan->options.condition_count > 0;
    if (scan->expires) {
        TRY(scan_drop_expired(scan, batch, err));
    }
    if (conditions && batch_live_count(batch) > 0) {
        TRY(scan_match(scan, batch, err));
    }
    return scan_read_paths(scan, batch, err);
}

tdbplus_status ordered_next(struct scan *scan, struct batch *batch, const struct call *call)
{
    struct ordered *ordered = scan->ordered;
    for (;;) {
        uint32_t count = 0;
        TRY(scan_check(scan, call));
        batch_reset(batch);
        if (!ordered->started) {
            TRY(start_streams(scan, call->err));
        }
        if (ordered->live_count > 0) {
            TRY(make_columns(scan, batch, call->err));
            TRY(merge_rows(scan, batch, &count, call->err));
        }
        TRY(store_snapshot_check(&scan->link.hold, call->err));
        if (count == 0) {
            batch_reset(batch);
            return TDBPLUS_END;
        }
        ordered->batch_rows = 2 * ordered->batch_rows < ordered->batch_rows_max
                                  ? 2 * ordered->batch_rows
                                  : ordered->batch_rows_max;
        TRY(finish_batch(scan, count, batch, call->err));
        if (batch_live_count(batch) > 0) {
            batch->column_count = scan->options.position_count;
            return TDBPLUS_OK;
        }
    }
}
