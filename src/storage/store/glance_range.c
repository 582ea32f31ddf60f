/*
 * The first rows from a key on that lie in memory, inside one epoch: a merge of the sources' keys
 * that counts no references, asks for no memory, and reads the values of no row that it does not
 * give. What would have to wait, or to look closer, is left to the scans of txn.
 *
 * First all sources are sought, each step of all of them before the next. Then the keys are merged.
 * The values of a column are read source by source, so that each asks for the memory of all its
 * rows at once, and put in order.
 */

#include <string.h>

#include "base/assert.h"
#include "storage/store/store_internal.h"

#define WINDOW_ROW_COUNT 64u   /* Of a segment's keys. */
#define WINDOW_ALIGN     256u  /* A window lies in one part of so many rows. */
#define SKIP_COUNT_MAX   1024u /* Rows that nobody sees, before the long way is better. */
#define DILUTION_MAX     8u
#define FIRST_ROWS_MAX   8u   /* Whose values are asked for as soon as their place is known. */
#define KEY_COLUMN       (-2) /* In stream->columns; -1: the source has none. */

/* The rows of one source from the key on. */
struct stream {
    const struct memtable *memtable; /* NULL: a segment's. */
    const struct segment *segment;
    const struct delete_map *deletes;
    struct memtable_cursor cursor;
    uint64_t next; /* Rows of a segment still to be looked at. */
    uint64_t end;
    uint32_t window;
    uint32_t at; /* In the window. */
    uint32_t count;
    uint64_t row;                        /* The current one, */
    uint64_t head;                       /* its key's code, */
    struct span key;                     /* and, unless it is an integer, the key. */
    int32_t columns[GLANCE_COLUMNS_MAX]; /* Where the wanted columns are in the source, */
    uint32_t stored[GLANCE_COLUMNS_MAX]; /* and those of them that are there and no key. */
    uint32_t stored_count;
    uint64_t rows[WINDOW_ROW_COUNT];
    uint64_t codes[WINDOW_ROW_COUNT];
    struct span keys[WINDOW_ROW_COUNT];
    uint64_t taken[GLANCE_ROWS_MAX]; /* Rows that were found. */
    uint32_t taken_count;
    uint32_t given; /* Of those, while the rows of all streams are put in order. */
};

struct glance_range {
    const struct alloc *alloc;
    const struct version *version;
    const struct schema *schema;
    const uint32_t *positions;
    uint32_t position_count;
    bool integer;
    bool has_from;
    struct segment_key from;
    uint64_t snapshot;
    uint32_t limit;
    uint32_t skipped;
    uint32_t stream_count;
    uint32_t live_count;
    uint32_t live[GLANCE_SOURCES_MAX];
    /* What was found. */
    uint32_t row_count;
    uint8_t sources[GLANCE_ROWS_MAX]; /* Numbers of streams. */
    uint64_t codes[GLANCE_ROWS_MAX];
    struct span keys[GLANCE_ROWS_MAX];  /* Unless they are integers. */
    struct span spans[GLANCE_ROWS_MAX]; /* Of one stream. */
    struct stream streams[GLANCE_SOURCES_MAX];
};

struct glance_range *glance_range_create(const struct alloc *alloc)
{
    struct glance_range *range = alloc_raw(alloc, sizeof *range);
    if (range != NULL) {
        range->alloc = alloc; // Nothing else is read before store_glance_range() sets it.
    }
    return range;
}

void glance_range_destroy(struct glance_range *range)
{
    if (range != NULL) {
        alloc_free(range->alloc, range, sizeof *range, 1);
    }
}

/* ---- streams ---- */

static bool fill_keys(const struct glance_range *range, struct stream *stream, uint64_t first,
                      uint32_t count)
{
    if (range->integer) {
        return segment_codes_cached(stream->segment, first, count, stream->codes);
    }
    if (!segment_keys_cached(stream->segment, first, count, stream->keys)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        stream->codes[i] = key_code(stream->keys[i]);
    }
    return true;
}

/* Leaves the listed entries of the window. */
static void pick_entries(struct stream *stream, bool integer, const uint16_t *offsets,
                         uint32_t live)
{
    for (uint32_t i = 0; i < live; i++) {
        stream->rows[i] = stream->rows[offsets[i]];
        stream->codes[i] = stream->codes[offsets[i]];
        if (!integer) {
            stream->keys[i] = stream->keys[offsets[i]];
        }
    }
}

/* Reads the next window of a segment; there is one. False: not all of it is in memory. */
static bool fill_window(struct glance_range *range, struct stream *stream)
{
    uint16_t offsets[WINDOW_ROW_COUNT];
    uint64_t first = stream->next;
    uint64_t stop = (first / WINDOW_ALIGN + 1) * WINDOW_ALIGN;
    stop = stop < stream->end ? stop : stream->end;
    uint32_t count = stop - first < stream->window ? (uint32_t)(stop - first) : stream->window;
    stream->next = first + count;
    stream->at = 0;
    stream->window = 2 * stream->window < WINDOW_ROW_COUNT ? 2 * stream->window : WINDOW_ROW_COUNT;
    uint32_t live = delete_map_select(stream->deletes, first, count, range->snapshot, offsets);
    stream->count = live;
    range->skipped += count - live;
    if (live == 0) {
        return true;
    }
    if (!fill_keys(range, stream, first, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        stream->rows[i] = first + i;
    }
    if (live < count) {
        pick_entries(stream, range->integer, offsets, live);
    }
    return true;
}

enum step {
    STEP_ROW,
    STEP_END,
    STEP_UNKNOWN,
};

static enum step step_table(struct glance_range *range, struct stream *stream)
{
    for (; range->skipped < SKIP_COUNT_MAX; range->skipped++) {
        uint32_t newest = memtable_cursor_next(&stream->cursor);
        if (newest == MEMTABLE_ROW_NONE) {
            return STEP_END;
        }
        uint32_t row = memtable_visible(stream->memtable, newest, range->snapshot);
        if (row == MEMTABLE_ROW_NONE) {
            continue;
        }
        stream->row = row;
        stream->head = memtable_cursor_next_code(&stream->cursor);
        if (!range->integer) {
            stream->key = memtable_key(stream->memtable, row, NULL);
        }
        return STEP_ROW;
    }
    return STEP_UNKNOWN;
}

static enum step step_segment(struct glance_range *range, struct stream *stream)
{
    while (stream->at == stream->count) {
        if (stream->next == stream->end) {
            return STEP_END;
        }
        if (range->skipped >= SKIP_COUNT_MAX || !fill_window(range, stream)) {
            return STEP_UNKNOWN;
        }
    }
    stream->row = stream->rows[stream->at];
    stream->head = stream->codes[stream->at];
    if (!range->integer) {
        stream->key = stream->keys[stream->at];
    }
    stream->at++;
    return STEP_ROW;
}

/* Goes to the stream's next row. */
static inline enum step step(struct glance_range *range, struct stream *stream)
{
    return stream->memtable != NULL ? step_table(range, stream) : step_segment(range, stream);
}

/* ---- opening ---- */

static void map_columns(const struct glance_range *range, struct stream *stream)
{
    const struct schema *schema = range->schema;
    stream->stored_count = 0;
    stream->taken_count = 0;
    for (uint32_t i = 0; i < range->position_count; i++) {
        uint32_t position = range->positions[i];
        if (position == schema->key_columns[0]) {
            stream->columns[i] = KEY_COLUMN;
        } else if (stream->memtable != NULL) {
            const struct schema *stored = memtable_schema(stream->memtable);
            stream->columns[i] = stored == schema
                                     ? (int32_t)position
                                     : schema_find_id(stored, schema->columns[position].id);
        } else {
            stream->columns[i] = segment_find_column(stream->segment, schema->columns[position].id);
        }
        if (stream->columns[i] >= 0) {
            stream->stored[stream->stored_count++] = (uint32_t)stream->columns[i];
        }
    }
}

/* Lists the sources; false when they are too many, or some need a closer look. */
static bool list_streams(struct glance_range *range)
{
    const struct version *version = range->version;
    if (version->table_count + version->segment_count > GLANCE_SOURCES_MAX) {
        return false;
    }
    for (uint32_t t = 0; t < version->table_count; t++) {
        const struct memtable *memtable = version->tables[t]->memtable;
        if (memtable_row_count(memtable) > 0) {
            struct stream *stream = &range->streams[range->stream_count++];
            stream->memtable = memtable;
        }
    }
    for (uint32_t s = 0; s < version->segment_count; s++) {
        const struct segment_ref *ref = version->segments[s];
        if (ref->born > range->snapshot) {
            continue;
        }
        if (segment_has_begin(ref->segment) && segment_begin_max(ref->segment) > range->snapshot) {
            return false;
        }
        struct stream *stream = &range->streams[range->stream_count++];
        stream->memtable = NULL;
        stream->segment = ref->segment;
        stream->deletes = ref->deletes;
        stream->next = 0;
        stream->end = segment_row_count(ref->segment);
        stream->at = 0;
        stream->count = 0;
    }
    return true;
}

/* Asks for the first values of a segment while the keys are merged; what comes after them follows
 * by itself, for it lies behind. */
static void prefetch_first(const struct glance_range *range, const struct stream *stream)
{
    if (stream->next < stream->end) {
        uint64_t left = stream->end - stream->next;
        uint32_t rows = range->limit / range->stream_count;
        rows = rows < FIRST_ROWS_MAX ? rows + 1 : FIRST_ROWS_MAX;
        segment_window_prefetch_cached(stream->segment, stream->next,
                                       left < rows ? (uint32_t)left : rows, stream->stored,
                                       stream->stored_count);
    }
}

/* Goes to the key in all sources, their memory accesses overlapped. */
static bool seek_streams(struct glance_range *range)
{
    struct segment_seek seeks[GLANCE_SOURCES_MAX];
    for (uint32_t i = 0; i < range->stream_count; i++) {
        const struct stream *stream = &range->streams[i];
        if (stream->memtable != NULL) {
            memtable_walk_prefetch(stream->memtable, range->from.code);
        } else {
            segment_seek_begin(stream->segment, &range->from, &seeks[i]);
        }
    }
    for (uint32_t i = 0; i < range->stream_count; i++) {
        const struct stream *stream = &range->streams[i];
        if (stream->memtable == NULL) {
            segment_seek_prefetch_cached(stream->segment, &seeks[i]);
            delete_map_prefetch(stream->deletes, seeks[i].first);
        }
    }
    bool is_known = true;
    for (uint32_t i = 0; i < range->stream_count && is_known; i++) {
        struct stream *stream = &range->streams[i];
        if (stream->memtable != NULL) {
            memtable_cursor_seek_visible(&stream->cursor, stream->memtable, range->from.key);
        } else {
            is_known =
                segment_seek_end_cached(stream->segment, &range->from, &seeks[i], &stream->next);
            prefetch_first(range, stream);
        }
    }
    return is_known;
}

static void begin_streams(struct glance_range *range)
{
    for (uint32_t i = 0; i < range->stream_count; i++) {
        struct stream *stream = &range->streams[i];
        if (stream->memtable != NULL) {
            memtable_cursor_seek_visible(&stream->cursor, stream->memtable, (struct span){0});
        }
    }
}

/* Rows of the source that have not ended, of all keys; about. */
static uint64_t rows_of(const struct stream *stream)
{
    if (stream->memtable != NULL) {
        return memtable_row_count(stream->memtable);
    }
    uint64_t rows = segment_row_count(stream->segment);
    uint64_t ended = delete_map_count(stream->deletes);
    return rows > ended ? rows - ended : 1;
}

/* The first window of each segment has its likely share of the limit and half of it more, as keys
 * are not spread quite evenly. */
static void choose_windows(struct glance_range *range)
{
    uint64_t total = 1;
    for (uint32_t i = 0; i < range->stream_count; i++) {
        total += rows_of(&range->streams[i]);
    }
    for (uint32_t i = 0; i < range->stream_count; i++) {
        struct stream *stream = &range->streams[i];
        if (stream->memtable == NULL) {
            uint64_t rows = rows_of(stream);
            uint64_t share = range->limit * rows / total;
            uint64_t dilution = segment_row_count(stream->segment) / rows;
            dilution = dilution < DILUTION_MAX ? dilution : DILUTION_MAX;
            uint64_t window = (share + share / 2 + 4) * dilution;
            stream->window = window < WINDOW_ROW_COUNT ? (uint32_t)window : WINDOW_ROW_COUNT;
        }
    }
}

/* ---- merging ---- */

/* Does the first stream's current key come before the second's? */
static bool comes_before(const struct glance_range *range, const struct stream *left,
                         const struct stream *right)
{
    if (left->head != right->head || range->integer) {
        return left->head < right->head;
    }
    return span_compare(left->key, right->key) < 0;
}

/* Position in `live` of the stream that is next; its rows below *until_out come before all others.
 */
static uint32_t choose_stream(const struct glance_range *range, uint64_t *until_out)
{
    uint32_t best = 0;
    uint64_t until = UINT64_MAX;
    for (uint32_t i = 1; i < range->live_count; i++) {
        const struct stream *stream = &range->streams[range->live[i]];
        const struct stream *first = &range->streams[range->live[best]];
        bool is_before = comes_before(range, stream, first);
        uint64_t later = is_before ? first->head : stream->head;
        until = later < until ? later : until;
        best = is_before ? i : best;
    }
    *until_out = until;
    return best;
}

static inline void take_row(struct glance_range *range, struct stream *stream)
{
    uint32_t number = range->row_count++;
    range->sources[number] = (uint8_t)(stream - range->streams);
    range->codes[number] = stream->head;
    if (!range->integer) {
        range->keys[number] = stream->key;
    }
    stream->taken[stream->taken_count++] = stream->row;
    if (stream->memtable != NULL) {
        memtable_values_prefetch(stream->memtable, (uint32_t)stream->row, stream->stored,
                                 stream->stored_count);
    }
}

/* Takes the stream's rows below `until`, the current one anyway. */
static enum step take_run(struct glance_range *range, struct stream *stream, uint64_t until)
{
    enum step result = STEP_ROW;
    do {
        take_row(range, stream);
        result = range->row_count < range->limit ? step(range, stream) : STEP_ROW;
    } while (result == STEP_ROW && range->row_count < range->limit && stream->head < until);
    return result;
}

static bool merge_streams(struct glance_range *range)
{
    for (uint32_t i = 0; i < range->stream_count; i++) {
        enum step first = step(range, &range->streams[i]);
        if (first == STEP_UNKNOWN) {
            return false;
        }
        if (first == STEP_ROW) {
            range->live[range->live_count++] = i;
        }
    }
    while (range->row_count < range->limit && range->live_count > 0) {
        uint64_t until = 0;
        uint32_t best = choose_stream(range, &until);
        enum step result = take_run(range, &range->streams[range->live[best]], until);
        if (result == STEP_UNKNOWN) {
            return false;
        }
        if (result == STEP_END) {
            range->live[best] = range->live[--range->live_count];
        }
    }
    return true;
}

/* ---- the whole ---- */

bool store_glance_range(const struct version *version, const struct glance_request *request,
                        struct glance_range *range)
{
    const struct schema *schema = request->schema;
    ASSERT(schema->key_count == 1 && request->position_count <= GLANCE_COLUMNS_MAX);
    ASSERT(request->limit > 0 && request->limit <= GLANCE_ROWS_MAX);
    range->version = version;
    range->schema = schema;
    range->positions = request->positions;
    range->position_count = request->position_count;
    range->integer = key_is_integer(schema);
    range->snapshot = request->snapshot;
    range->limit = request->limit;
    range->skipped = 0;
    range->stream_count = 0;
    range->live_count = 0;
    range->row_count = 0;
    if (!list_streams(range)) {
        return false;
    }
    for (uint32_t i = 0; i < range->stream_count; i++) {
        map_columns(range, &range->streams[i]);
        range->streams[i].key = (struct span){0};
    }
    if (request->from == NULL) {
        begin_streams(range);
    } else {
        range->from = *request->from;
        if (!seek_streams(range)) {
            return false;
        }
    }
    choose_windows(range);
    return merge_streams(range);
}

uint32_t glance_range_count(const struct glance_range *range)
{
    return range->row_count;
}

/* ---- what was found ---- */

void glance_range_integers(const struct glance_range *range, int64_t *keys_out)
{
    for (uint32_t i = 0; i < range->row_count; i++) {
        keys_out[i] = key_integer_of_code(range->codes[i]);
    }
}

/* A column's bytes of the stream's rows. */
static bool read_spans(const struct glance_range *range, const struct stream *stream,
                       uint32_t number, struct span *spans)
{
    int32_t at = stream->columns[number];
    if (at < 0) {
        const struct datum *missing = &range->schema->columns[range->positions[number]].missing;
        for (uint32_t i = 0; i < stream->taken_count; i++) {
            spans[i] = missing->is_null ? (struct span){0} : missing->bytes;
        }
        return true;
    }
    if (stream->memtable != NULL) {
        memtable_spans(stream->memtable, stream->taken, stream->taken_count, (uint32_t)at, spans);
        return true;
    }
    return segment_spans_cached(stream->segment, stream->taken, stream->taken_count, (uint32_t)at,
                                spans);
}

bool glance_range_spans(struct glance_range *range, uint32_t number, struct span *spans_out)
{
    if (range->positions[number] == range->schema->key_columns[0]) {
        memcpy(spans_out, range->keys, range->row_count * sizeof *spans_out);
        return true;
    }
    uint32_t first = 0;
    for (uint32_t s = 0; s < range->stream_count; s++) {
        struct stream *stream = &range->streams[s];
        stream->given = first; // Its spans lie one after another from there on.
        if (stream->taken_count > 0 && !read_spans(range, stream, number, range->spans + first)) {
            return false;
        }
        first += stream->taken_count;
    }
    for (uint32_t i = 0; i < range->row_count; i++) {
        spans_out[i] = range->spans[range->streams[range->sources[i]].given++];
    }
    return true;
}

/* One value of a stream's row. */
static bool read_value(const struct glance_range *range, const struct stream *stream, uint64_t row,
                       uint32_t number, struct datum *value_out)
{
    const struct schema_column *column = &range->schema->columns[range->positions[number]];
    int32_t at = stream->columns[number];
    if (at < 0) {
        *value_out = column->missing;
    } else if (stream->memtable != NULL) {
        memtable_value(stream->memtable, (uint32_t)row, (uint32_t)at, value_out);
    } else if (!segment_value_cached(stream->segment, row, (uint32_t)at, value_out)) {
        return false;
    }
    value_out->type = column->type;
    return true;
}

bool glance_range_values(struct glance_range *range, uint32_t number, struct datum *values_out)
{
    ASSERT(range->positions[number] != range->schema->key_columns[0]);
    for (uint32_t s = 0; s < range->stream_count; s++) {
        range->streams[s].given = 0;
    }
    for (uint32_t i = 0; i < range->row_count; i++) {
        struct stream *stream = &range->streams[range->sources[i]];
        if (!read_value(range, stream, stream->taken[stream->given++], number, &values_out[i])) {
            return false;
        }
    }
    return true;
}
