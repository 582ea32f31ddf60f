/*
 * A tournament tree over the sources' current keys. The winner gives a run of rows: all that come
 * before the best of the others. Runs are noted first and copied column by column afterwards, so
 * that a column's copy loop knows its width.
 *
 * A batch ends when a source's window of decoded rows does, because its memory is reused for the
 * next window.
 */

#include "storage/segment/merge.h"

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "storage/segment/external.h"
#include "storage/segment/merge_sample.h"

#define READAHEAD_WINDOWS 4u
#define POSITION_NONE     UINT32_MAX
#define ROW_NONE          UINT32_MAX

/* One source and its current window, from which dropped rows are already gone. */
struct cursor {
    struct merge_source source;
    uint64_t row_count;
    uint64_t next_row;      /* First row of the window after this one. */
    uint64_t window_row;    /* First row of this one. */
    uint32_t count;         /* Rows of the window that go on. */
    uint32_t at;            /* The current one. */
    uint64_t code;          /* Its key's; the code of an ended source is never looked at. */
    bool ended;             /* Nothing is left. */
    struct batch batch;     /* Owns the window. */
    struct column *columns; /* Of the schema, flat. */
    const struct span *keys;
    const uint64_t *codes;
    const uint64_t *begins;
    const uint16_t *rows; /* Row of the window that each one was; NULL: all went on. */
    uint64_t **external;  /* Bits of the rows of each column that are references; with `raw`. */
    uint32_t first_file;  /* Number among the merge's value files of its segment's first. */
    uint32_t *positions;  /* Of the schema's columns in the file; POSITION_NONE: missing. */
    uint32_t *new_rows;   /* row_count; ROW_NONE where dropped. */
};

/* Rows [first, first + count) of a source's window. */
struct run {
    uint32_t source;
    uint32_t first;
    uint32_t count;
};

struct merge {
    const struct alloc *alloc;
    const struct schema *schema;
    bool is_integer_key;
    bool has_begin;
    uint64_t horizon;
    bool raw;       /* Large values come as references; decided with the first rows. */
    uint8_t *modes; /* enum external_mode of each column. */
    struct external_source *files; /* Value files of all sources. */
    uint32_t file_count;
    struct external_column *references; /* Of the columns of the batch. */
    uint32_t source_count;
    uint32_t leaf_count; /* A power of two. */
    struct cursor *cursors;
    uint32_t tree[2 * MERGE_SOURCE_COUNT_MAX]; /* Losers inside, from 1 on; the winner at 0. */
    uint32_t run_count;
    struct run runs[BATCH_ROW_COUNT_MAX];
    uint64_t rows_read;
    uint64_t rows_written;
    struct batch step_batch; /* For merge_step(). */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "merge: no memory to merge segments");
}

/* ---- windows ---- */

static uint64_t code_of_integer(const struct column *column, uint32_t row)
{
    switch (type_width(column->type)) {
    case 2:
        return key_code_of_integer(((const int16_t *)column->data)[row]);
    case 4:
        return key_code_of_integer(((const int32_t *)column->data)[row]);
    default:
        return key_code_of_integer(((const int64_t *)column->data)[row]);
    }
}

/* Asks which rows go on; *rows_out lists them, or is NULL when all do. */
static tdbplus_status decide(struct cursor *cursor, uint64_t first, uint32_t count,
                             uint16_t **rows_out, uint32_t *kept_out, struct err *err)
{
    uint64_t keep[SEGMENT_WINDOW_ROW_COUNT / 64];
    *rows_out = NULL;
    *kept_out = count;
    if (cursor->source.decide == NULL) {
        return TDBPLUS_OK;
    }
    memset(keep, 0xFF, sizeof keep);
    cursor->source.decide(cursor->source.ctx, first, count, keep);
    uint16_t *rows = arena_alloc(&cursor->batch.arena, count * sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        rows[kept] = (uint16_t)i;
        kept += (uint32_t)(keep[i / 64] >> (i % 64) & 1);
    }
    if (kept < count) {
        *rows_out = rows;
        *kept_out = kept;
    }
    return TDBPLUS_OK;
}

/* The rows of a window: `count` in the file, of which the `kept` ones in `rows` go on (all of them
 * when it is NULL). */
struct selection {
    uint32_t count;
    const uint16_t *rows;
    uint32_t kept;
};

/* Renumbers the file of a reference, which gets memory of its own. */
static bool move_reference(const struct merge *merge, struct cursor *cursor, struct view *view)
{
    struct value_reference reference = {0};
    struct span bytes = view_span(view);
    memcpy(&reference, bytes.data, bytes.size);
    uint32_t file = value_place_of(reference.place).file;
    bool known = file < cursor->source.segment->value_count;
    // A number out of range is found and told by who follows it.
    file = known ? file + cursor->first_file : merge->file_count;
    reference.place = value_place_move(reference.place, file);
    if (bytes.size == sizeof reference.place) {
        *view = view_of((struct span){(const uint8_t *)&reference.place, sizeof reference.place});
        return true;
    }
    uint8_t *copy = arena_alloc(&cursor->batch.arena, sizeof reference);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, &reference, sizeof reference);
    *view = view_of((struct span){copy, sizeof reference});
    return true;
}

/* Values of fixed size as views, as references have them. */
static bool views_of_fixed(const struct column *fixed, struct column *column_out,
                           struct arena *arena)
{
    struct column column = {0};
    size_t width = type_width(fixed->type);
    if (!column_make(&column, type_of(TYPE_BYTEA), fixed->row_count, false, arena)) {
        return false;
    }
    column.validity = fixed->validity;
    struct view *views = column.data;
    for (uint32_t i = 0; i < fixed->row_count; i++) {
        views[i] = view_of((struct span){(const uint8_t *)fixed->data + i * width, width});
    }
    *column_out = column;
    return true;
}

/* Reads a column that may have large values: those are left where they are. */
static tdbplus_status read_references(const struct merge *merge, struct cursor *cursor,
                                      uint32_t index, const struct selection *window,
                                      struct err *err)
{
    struct column column;
    struct arena *arena = &cursor->batch.arena;
    uint64_t *bits = NULL;
    TRY(segment_read_references(cursor->source.segment, cursor->window_row, window->count,
                                cursor->positions[index], &cursor->batch, &column, &bits, err));
    struct column *kept = &cursor->columns[index];
    if (bits == NULL && window->rows == NULL) {
        *kept = column;
        return TDBPLUS_OK;
    }
    if (bits == NULL) {
        bool good = column_flatten(&column, window->rows, window->kept, kept, arena);
        return good ? TDBPLUS_OK : no_memory(err);
    }
    uint64_t *kept_bits = arena_array(arena, SEGMENT_WINDOW_ROW_COUNT / 64, sizeof *kept_bits);
    if (kept_bits == NULL || !column_flatten(&column, window->rows, window->kept, kept, arena)) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < window->kept; i++) {
        uint32_t row = window->rows == NULL ? i : window->rows[i];
        if ((bits[row / 64] >> (row % 64) & 1) != 0) {
            kept_bits[i / 64] |= (uint64_t)1 << (i % 64);
            if (!move_reference(merge, cursor, &((struct view *)kept->data)[i])) {
                return no_memory(err);
            }
        }
    }
    cursor->external[index] = kept_bits;
    return TDBPLUS_OK;
}

/* Reads one column of the window: flat, and without the rows that are dropped. */
static tdbplus_status read_column(struct cursor *cursor, uint32_t position,
                                  const struct selection *window, struct column *column_out,
                                  struct err *err)
{
    struct column column;
    struct batch *batch = &cursor->batch;
    TRY(segment_read(cursor->source.segment, cursor->window_row, window->count, &position, 1, batch,
                     &column, err));
    if (column.form == COLUMN_FLAT && window->rows == NULL) {
        *column_out = column;
        return TDBPLUS_OK;
    }
    bool good = column_flatten(&column, window->rows, window->kept, column_out, &batch->arena);
    return good ? TDBPLUS_OK : no_memory(err);
}

/* What rows have that were written before the column existed. */
static bool make_missing(const struct schema_column *column, uint32_t count, struct column *out,
                         struct arena *arena)
{
    struct column constant;
    return column_make_constant(&constant, &column->missing, count, arena) &&
           column_flatten(&constant, NULL, count, out, arena);
}

static tdbplus_status read_columns(const struct merge *merge, struct cursor *cursor,
                                   const struct selection *window, struct err *err)
{
    uint32_t kept = window->kept;
    const struct schema *schema = merge->schema;
    struct arena *arena = &cursor->batch.arena;
    cursor->columns = arena_array(arena, schema->column_count, sizeof *cursor->columns);
    cursor->external = arena_array(arena, schema->column_count, sizeof *cursor->external);
    if (cursor->columns == NULL || cursor->external == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct column *column = &cursor->columns[i];
        uint32_t position = cursor->positions[i];
        bool raw = merge->raw && merge->modes[i] != EXTERNAL_NEVER;
        tdbplus_status status = TDBPLUS_OK;
        if (position != POSITION_NONE && raw) {
            status = read_references(merge, cursor, i, window, err);
        } else if (position != POSITION_NONE) {
            status = read_column(cursor, position, window, column, err);
        } else if (!make_missing(&schema->columns[i], kept, column, arena)) {
            status = no_memory(err);
        } else if (raw && merge->modes[i] == EXTERNAL_ALWAYS) {
            struct column fixed = *column;
            status = views_of_fixed(&fixed, column, arena) ? TDBPLUS_OK : no_memory(err);
        }
        if (status != TDBPLUS_OK) {
            return status;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_begins(const struct merge *merge, struct cursor *cursor,
                                  const struct selection *window, struct err *err)
{
    uint32_t kept = window->kept;
    uint64_t *begins = arena_array(&cursor->batch.arena, kept, sizeof *begins);
    if (begins == NULL) {
        return no_memory(err);
    }
    int32_t position = segment_find_column(cursor->source.segment, SEGMENT_COLUMN_BEGIN);
    if (position >= 0) {
        struct column column;
        TRY(read_column(cursor, (uint32_t)position, window, &column, err));
        const uint64_t *stored = column.data;
        for (uint32_t i = 0; i < kept; i++) {
            begins[i] = stored[i] <= merge->horizon ? 0 : stored[i];
        }
    } else if (cursor->source.begin > merge->horizon) {
        for (uint32_t i = 0; i < kept; i++) {
            begins[i] = cursor->source.begin;
        }
    }
    cursor->begins = begins;
    return TDBPLUS_OK;
}

static tdbplus_status read_keys(const struct merge *merge, struct cursor *cursor,
                                const struct selection *window, struct err *err)
{
    uint32_t kept = window->kept;
    struct arena *arena = &cursor->batch.arena;
    uint64_t *codes = arena_alloc(arena, kept * sizeof *codes);
    if (codes == NULL) {
        return no_memory(err);
    }
    if (merge->is_integer_key) {
        const struct column *column = &cursor->columns[merge->schema->key_columns[0]];
        for (uint32_t i = 0; i < kept; i++) {
            codes[i] = code_of_integer(column, i);
        }
    } else {
        const struct span *keys = NULL;
        struct span *kept_keys = arena_alloc(arena, kept * sizeof *kept_keys);
        if (kept_keys == NULL) {
            return no_memory(err);
        }
        TRY(segment_read_keys(cursor->source.segment, cursor->window_row, window->count,
                              &cursor->batch, &keys, err));
        for (uint32_t i = 0; i < kept; i++) {
            kept_keys[i] = keys[window->rows == NULL ? i : window->rows[i]];
            codes[i] = key_code(kept_keys[i]);
        }
        cursor->keys = kept_keys;
    }
    cursor->codes = codes;
    return TDBPLUS_OK;
}

static void read_ahead(const struct merge *merge, struct cursor *cursor)
{
    uint64_t window = cursor->window_row / SEGMENT_WINDOW_ROW_COUNT;
    if (window % READAHEAD_WINDOWS != 0) {
        return;
    }
    uint32_t positions[SEGMENT_WINDOW_ROW_COUNT];
    uint32_t count = 0;
    for (uint32_t i = 0; i < merge->schema->column_count; i++) {
        if (cursor->positions[i] != POSITION_NONE) {
            positions[count++] = cursor->positions[i];
        }
    }
    segment_prefetch(cursor->source.segment, cursor->window_row,
                     READAHEAD_WINDOWS * SEGMENT_WINDOW_ROW_COUNT, positions, count);
}

/* Goes to the next window with rows that go on. */
static tdbplus_status next_window(struct merge *merge, struct cursor *cursor, struct err *err)
{
    cursor->count = 0;
    cursor->at = 0;
    while (cursor->count == 0 && cursor->next_row < cursor->row_count) {
        uint64_t left = cursor->row_count - cursor->next_row;
        uint32_t count =
            left < SEGMENT_WINDOW_ROW_COUNT ? (uint32_t)left : SEGMENT_WINDOW_ROW_COUNT;
        cursor->window_row = cursor->next_row;
        cursor->next_row += count;
        batch_reset(&cursor->batch);
        read_ahead(merge, cursor);
        uint16_t *rows = NULL;
        uint32_t kept = 0;
        TRY(decide(cursor, cursor->window_row, count, &rows, &kept, err));
        merge->rows_read += count;
        if (kept == 0) {
            continue;
        }
        struct selection window = {.count = count, .rows = rows, .kept = kept};
        TRY(read_columns(merge, cursor, &window, err));
        TRY(read_begins(merge, cursor, &window, err));
        TRY(read_keys(merge, cursor, &window, err));
        cursor->rows = rows;
        cursor->count = kept;
        cursor->code = cursor->codes[0];
    }
    cursor->ended = cursor->count == 0;
    return TDBPLUS_OK;
}

/* ---- the tournament ---- */

/* Does the row at left's cursor come before the one at right's? */
static bool comes_before(const struct merge *merge, uint32_t left_source, uint32_t right_source)
{
    // Leaves without a source, and sources that ended, lose against everything.
    if (right_source >= merge->source_count || merge->cursors[right_source].ended) {
        return left_source < merge->source_count && !merge->cursors[left_source].ended;
    }
    if (left_source >= merge->source_count || merge->cursors[left_source].ended) {
        return false;
    }
    const struct cursor *left = &merge->cursors[left_source];
    const struct cursor *right = &merge->cursors[right_source];
    if (left->code != right->code) {
        return left->code < right->code;
    }
    if (!merge->is_integer_key) {
        int order = span_compare(left->keys[left->at], right->keys[right->at]);
        if (order != 0) {
            return order < 0;
        }
    }
    uint64_t left_begin = left->begins[left->at];
    uint64_t right_begin = right->begins[right->at];
    return left_begin != right_begin ? left_begin > right_begin : left_source < right_source;
}

/* Plays the matches from a leaf up; losers stay, the winner ends at the top. */
static void replay(struct merge *merge, uint32_t source)
{
    uint32_t winner = source;
    for (uint32_t node = (merge->leaf_count + source) / 2; node > 0; node /= 2) {
        uint32_t other = merge->tree[node];
        if (comes_before(merge, other, winner)) {
            merge->tree[node] = winner;
            winner = other;
        }
    }
    merge->tree[0] = winner;
}

/* All matches, bottom up. */
static void play_all(struct merge *merge)
{
    uint32_t winners[2 * MERGE_SOURCE_COUNT_MAX] = {0};
    uint32_t leaves = merge->leaf_count;
    for (uint32_t i = 0; i < leaves; i++) {
        winners[leaves + i] = i;
    }
    for (uint32_t node = leaves - 1; node > 0; node--) {
        uint32_t left = winners[2 * node];
        uint32_t right = winners[2 * node + 1];
        bool right_wins = comes_before(merge, right, left);
        winners[node] = right_wins ? right : left;
        merge->tree[node] = right_wins ? left : right;
    }
    merge->tree[0] = leaves > 1 ? winners[1] : 0;
}

/* The best of those that lost against the winner: somewhere on its way up. */
static uint32_t find_runner_up(const struct merge *merge, uint32_t winner)
{
    uint32_t best = MERGE_SOURCE_COUNT_MAX; // Nobody.
    for (uint32_t node = (merge->leaf_count + winner) / 2; node > 0; node /= 2) {
        if (comes_before(merge, merge->tree[node], best)) {
            best = merge->tree[node];
        }
    }
    return best;
}

/* Is the window's row `at` before the key of the runner-up? Rows of an equal key go one by one. */
static bool row_is_before(const struct merge *merge, const struct cursor *cursor, uint32_t at,
                          const struct cursor *other)
{
    if (cursor->codes[at] != other->code || merge->is_integer_key) {
        return cursor->codes[at] < other->code;
    }
    return span_compare(cursor->keys[at], other->keys[other->at]) < 0;
}

/* Rows of the winner that come before the runner-up's; at least one. */
static uint32_t measure_run(const struct merge *merge, const struct cursor *cursor,
                            uint32_t runner_up)
{
    uint32_t left = cursor->count - cursor->at;
    if (runner_up >= merge->source_count) {
        return left;
    }
    const struct cursor *other = &merge->cursors[runner_up];
    if (row_is_before(merge, cursor, cursor->count - 1, other)) {
        return left;
    }
    // Steps double until one is too far, then the gap is halved.
    uint32_t low = 1;
    uint32_t step = 1;
    while (low + step <= left && row_is_before(merge, cursor, cursor->at + low + step - 1, other)) {
        low += step;
        step *= 2;
    }
    uint32_t high = low + step - 1 < left ? low + step - 1 : left;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (row_is_before(merge, cursor, cursor->at + middle, other)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Notes where the rows of a run go. */
static void map_run(struct cursor *cursor, uint32_t first, uint32_t count, uint64_t new_row)
{
    uint32_t *to = cursor->new_rows + cursor->window_row;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = cursor->rows == NULL ? first + i : cursor->rows[first + i];
        to[row] = (uint32_t)(new_row + i);
    }
}

/* Chooses the rows of a batch: until it is full, a window ends, or all do. */
static uint32_t choose_runs(struct merge *merge)
{
    uint32_t chosen = 0;
    merge->run_count = 0;
    while (chosen < BATCH_ROW_COUNT_MAX) {
        uint32_t winner = merge->tree[0];
        struct cursor *cursor = &merge->cursors[winner];
        if (cursor->ended || cursor->at == cursor->count) {
            break;
        }
        uint32_t count = measure_run(merge, cursor, find_runner_up(merge, winner));
        uint32_t room = BATCH_ROW_COUNT_MAX - chosen;
        count = count < room ? count : room;
        merge->runs[merge->run_count++] =
            (struct run){.source = winner, .first = cursor->at, .count = count};
        map_run(cursor, cursor->at, count, merge->rows_written + chosen);
        chosen += count;
        cursor->at += count;
        if (cursor->at == cursor->count) {
            break; // Its next window is read when this batch has been used.
        }
        cursor->code = cursor->codes[cursor->at];
        replay(merge, winner);
    }
    return chosen;
}

/* ---- batches ---- */

static void copy_validity(const struct merge *merge, uint32_t index, struct column *column)
{
    uint32_t at = 0;
    for (uint32_t r = 0; r < merge->run_count; r++) {
        const struct run *run = &merge->runs[r];
        const uint64_t *validity = merge->cursors[run->source].columns[index].validity;
        for (uint32_t i = 0; validity != NULL && i < run->count; i++) {
            uint32_t from = run->first + i;
            if ((validity[from / 64] >> (from % 64) & 1) == 0) {
                column->validity[(at + i) / 64] &= ~((uint64_t)1 << ((at + i) % 64));
            }
        }
        at += run->count;
    }
}

/* The bits of the batch's rows that are references. False when memory is out. */
static bool copy_references(const struct merge *merge, uint32_t index, struct arena *arena)
{
    bool any = false;
    for (uint32_t r = 0; r < merge->run_count; r++) {
        any = any || merge->cursors[merge->runs[r].source].external[index] != NULL;
    }
    merge->references[index].external = NULL;
    if (!any) {
        return true;
    }
    uint64_t *to = arena_array(arena, BATCH_ROW_COUNT_MAX / 64, sizeof *to);
    uint32_t at = 0;
    for (uint32_t r = 0; to != NULL && r < merge->run_count; r++) {
        const struct run *run = &merge->runs[r];
        const uint64_t *bits = merge->cursors[run->source].external[index];
        for (uint32_t i = 0; bits != NULL && i < run->count; i++) {
            uint32_t from = run->first + i;
            to[(at + i) / 64] |= (bits[from / 64] >> (from % 64) & 1) << ((at + i) % 64);
        }
        at += run->count;
    }
    merge->references[index].external = to;
    return to != NULL;
}

/* Inlined once per width, so that short runs are copied without a call. */
static inline __attribute__((always_inline)) void
copy_runs(const struct merge *merge, uint32_t index, uint8_t *to, size_t width)
{
    for (uint32_t r = 0; r < merge->run_count; r++) {
        const struct run *run = &merge->runs[r];
        const uint8_t *data = merge->cursors[run->source].columns[index].data;
        const uint8_t *from = data + run->first * width;
        if (run->count >= 16) {
            memcpy(to, from, run->count * width);
        } else {
            for (uint32_t i = 0; i < run->count; i++) {
                memcpy(to + i * width, from + i * width, width);
            }
        }
        to += run->count * width;
    }
}

static bool make_column(const struct merge *merge, uint32_t index, uint32_t count,
                        struct column *column, struct arena *arena)
{
    bool nullable = false;
    for (uint32_t s = 0; s < merge->source_count; s++) {
        const struct cursor *cursor = &merge->cursors[s];
        nullable = nullable || (!cursor->ended && cursor->columns[index].validity != NULL);
    }
    struct type type = merge->schema->columns[index].type;
    if (merge->raw && merge->modes[index] != EXTERNAL_NEVER) {
        type = type_of(TYPE_BYTEA); // Views, whatever the values are.
        if (!copy_references(merge, index, arena)) {
            return false;
        }
    }
    if (!column_make(column, type, count, nullable, arena)) {
        return false;
    }
    size_t width = type_width(type);
    switch (width) {
    case 8:
        copy_runs(merge, index, column->data, 8);
        break;
    case 16:
        copy_runs(merge, index, column->data, 16);
        break;
    default:
        copy_runs(merge, index, column->data, width);
    }
    if (nullable) {
        copy_validity(merge, index, column);
    }
    return true;
}

static tdbplus_status fill_batch(struct merge *merge, uint32_t count, struct batch *batch,
                                 struct merge_rows *rows, struct err *err)
{
    struct arena *arena = &batch->arena;
    uint32_t column_count = merge->schema->column_count;
    batch->columns = arena_array(arena, column_count, sizeof *batch->columns);
    uint64_t *begins = arena_alloc(arena, count * sizeof *begins);
    struct span *keys = NULL;
    if (!merge->is_integer_key) {
        keys = arena_alloc(arena, count * sizeof *keys);
    }
    if (batch->columns == NULL || begins == NULL || (keys == NULL && !merge->is_integer_key)) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < column_count; i++) {
        if (!make_column(merge, i, count, &batch->columns[i], arena)) {
            return no_memory(err);
        }
    }
    uint32_t at = 0;
    for (uint32_t r = 0; r < merge->run_count; r++) {
        const struct run *run = &merge->runs[r];
        const struct cursor *cursor = &merge->cursors[run->source];
        memcpy(begins + at, cursor->begins + run->first, run->count * sizeof *begins);
        if (keys != NULL) {
            memcpy(keys + at, cursor->keys + run->first, run->count * sizeof *keys);
        }
        at += run->count;
    }
    batch->column_count = column_count;
    batch->row_count = count;
    *rows = (struct merge_rows){.row_count = count, .keys = keys, .begins = begins};
    return TDBPLUS_OK;
}

/* Reads new windows where the last batch used them up; the first time all of them are. */
static tdbplus_status refill(struct merge *merge, struct err *err)
{
    bool first = merge->rows_read == 0;
    for (uint32_t i = 0; i < merge->source_count; i++) {
        struct cursor *cursor = &merge->cursors[i];
        if (cursor->ended || cursor->at < cursor->count) {
            continue;
        }
        TRY(next_window(merge, cursor, err));
        if (!first) {
            replay(merge, i);
        }
    }
    if (first) {
        play_all(merge);
    }
    return TDBPLUS_OK;
}

tdbplus_status merge_next(struct merge *merge, struct batch *batch, struct merge_rows *rows_out,
                          struct err *err)
{
    batch_reset(batch);
    TRY(refill(merge, err));
    uint32_t count = choose_runs(merge);
    if (count == 0) {
        *rows_out = (struct merge_rows){0};
        return TDBPLUS_OK;
    }
    TRY(fill_batch(merge, count, batch, rows_out, err));
    merge->rows_written += count;
    return TDBPLUS_OK;
}

/* Lets the writer decide how documents are taken apart. */
static tdbplus_status sample_documents(struct merge *merge, struct segment_writer *writer,
                                       struct err *err)
{
    struct segment *segments[MERGE_SOURCE_COUNT_MAX];
    bool any = false;
    for (uint32_t i = 0; i < merge->schema->column_count; i++) {
        any = any || merge->schema->columns[i].type.id == TYPE_JSON;
    }
    if (!any) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < merge->source_count; i++) {
        segments[i] = merge->cursors[i].source.segment;
    }
    TRY(merge_sample(segments, merge->source_count, merge->schema, &merge->step_batch, err));
    return segment_writer_sample(writer, &merge->step_batch, err);
}

tdbplus_status merge_step(struct merge *merge, struct segment_writer *writer, uint64_t row_budget,
                          bool *done_out, struct err *err)
{
    uint64_t goal = merge->rows_read + row_budget;
    bool done = false;
    if (!merge->raw) {
        ASSERT(merge->rows_read == 0); // Not after merge_next().
        merge->raw = true;
        TRY(segment_writer_set_sources(writer, merge->files, merge->file_count, err));
        TRY(sample_documents(merge, writer, err));
    }
    while (!done && merge->rows_read < goal) {
        struct merge_rows rows = {0};
        tdbplus_status status = merge_next(merge, &merge->step_batch, &rows, err);
        done = rows.row_count == 0;
        if (status == TDBPLUS_OK && !done) {
            status = segment_writer_add_references(writer, &merge->step_batch, merge->references,
                                                   rows.keys, rows.begins, err);
        }
        if (status != TDBPLUS_OK) {
            return status;
        }
    }
    *done_out = done;
    return TDBPLUS_OK;
}

/* ---- making and ending ---- */

static tdbplus_status find_positions(const struct merge *merge, struct cursor *cursor,
                                     struct err *err)
{
    const struct schema *schema = merge->schema;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        int32_t position = segment_find_column(cursor->source.segment, schema->columns[i].id);
        cursor->positions[i] = position < 0 ? POSITION_NONE : (uint32_t)position;
        if (position >= 0 &&
            !type_equal(segment_column_type(cursor->source.segment, (uint32_t)position),
                        schema->columns[i].type)) {
            return err_set(err, TDBPLUS_E_TYPE, "merge: column \"%s\" has another type in segment",
                           schema->columns[i].name);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status init_cursor(const struct merge *merge, struct cursor *cursor,
                                  const struct merge_source *source, struct err *err)
{
    cursor->source = *source;
    cursor->row_count = segment_row_count(source->segment);
    batch_init(&cursor->batch, merge->alloc);
    cursor->positions =
        alloc_array(merge->alloc, merge->schema->column_count, sizeof *cursor->positions);
    cursor->new_rows =
        alloc_raw(merge->alloc, (size_t)cursor->row_count * sizeof *cursor->new_rows);
    if (cursor->positions == NULL || cursor->new_rows == NULL) {
        return no_memory(err);
    }
    memset(cursor->new_rows, 0xFF, (size_t)cursor->row_count * sizeof *cursor->new_rows);
    return find_positions(merge, cursor, err);
}

/* Numbers the value files of all sources. */
static tdbplus_status list_files(struct merge *merge, const struct merge_options *options,
                                 struct err *err)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < options->source_count; i++) {
        count += options->sources[i].segment->value_count;
    }
    if (count == 0) {
        return TDBPLUS_OK;
    }
    merge->files = alloc_array(merge->alloc, count, sizeof *merge->files);
    if (merge->files == NULL) {
        return no_memory(err);
    }
    merge->file_count = count;
    uint32_t next = 0;
    for (uint32_t i = 0; i < options->source_count; i++) {
        const struct merge_source *source = &options->sources[i];
        merge->cursors[i].first_file = next;
        for (uint32_t f = 0; f < source->segment->value_count; f++) {
            merge->files[next++] = (struct external_source){.file = source->segment->values[f],
                                                            .copy = source->copy_values != NULL &&
                                                                    source->copy_values[f]};
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status plan_columns(struct merge *merge, struct err *err)
{
    const struct schema *schema = merge->schema;
    merge->modes = alloc_array(merge->alloc, schema->column_count, sizeof *merge->modes);
    merge->references = alloc_array(merge->alloc, schema->column_count, sizeof *merge->references);
    if (merge->modes == NULL || merge->references == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        bool is_key = false;
        for (uint32_t k = 0; k < schema->key_count; k++) {
            is_key = is_key || schema->key_columns[k] == i;
        }
        merge->modes[i] = (uint8_t)external_mode_of(schema->columns[i].type, is_key);
    }
    return TDBPLUS_OK;
}

tdbplus_status merge_create(const struct merge_options *options, struct merge **merge_out,
                            struct err *err)
{
    ASSERT(options->source_count >= 1 && options->source_count <= MERGE_SOURCE_COUNT_MAX);
    uint64_t total = 0;
    for (uint32_t i = 0; i < options->source_count; i++) {
        total += segment_row_count(options->sources[i].segment);
    }
    if (total >= ROW_NONE) {
        return err_set(err, TDBPLUS_E_LIMIT, "merge: %llu rows are too many for one segment",
                       (unsigned long long)total);
    }
    struct merge *merge = alloc_array(options->alloc, 1, sizeof *merge);
    if (merge == NULL) {
        return no_memory(err);
    }
    *merge = (struct merge){.alloc = options->alloc,
                            .schema = options->schema,
                            .is_integer_key = key_is_integer(options->schema),
                            .horizon = options->horizon,
                            .source_count = options->source_count,
                            .leaf_count = 1};
    while (merge->leaf_count < options->source_count) {
        merge->leaf_count *= 2;
    }
    batch_init(&merge->step_batch, options->alloc);
    merge->cursors = alloc_array(options->alloc, options->source_count, sizeof *merge->cursors);
    tdbplus_status status = merge->cursors == NULL ? no_memory(err) : plan_columns(merge, err);
    for (uint32_t i = 0; i < options->source_count && status == TDBPLUS_OK; i++) {
        status = init_cursor(merge, &merge->cursors[i], &options->sources[i], err);
        merge->has_begin = merge->has_begin || options->sources[i].begin > options->horizon ||
                           segment_begin_max(options->sources[i].segment) > options->horizon;
    }
    if (status == TDBPLUS_OK) {
        status = list_files(merge, options, err);
    }
    if (status != TDBPLUS_OK) {
        merge_destroy(merge);
        return status;
    }
    *merge_out = merge;
    return TDBPLUS_OK;
}

void merge_destroy(struct merge *merge)
{
    if (merge == NULL) {
        return;
    }
    for (uint32_t i = 0; merge->cursors != NULL && i < merge->source_count; i++) {
        struct cursor *cursor = &merge->cursors[i];
        if (cursor->source.segment == NULL) {
            continue; // Not reached by merge_create().
        }
        batch_deinit(&cursor->batch);
        alloc_free(merge->alloc, cursor->positions, merge->schema->column_count,
                   sizeof *cursor->positions);
        alloc_free(merge->alloc, cursor->new_rows,
                   (size_t)cursor->row_count * sizeof *cursor->new_rows, 1);
    }
    alloc_free(merge->alloc, merge->cursors, merge->source_count, sizeof *merge->cursors);
    alloc_free(merge->alloc, merge->files, merge->file_count, sizeof *merge->files);
    alloc_free(merge->alloc, merge->modes, merge->schema->column_count, sizeof *merge->modes);
    alloc_free(merge->alloc, merge->references, merge->schema->column_count,
               sizeof *merge->references);
    batch_deinit(&merge->step_batch);
    alloc_free(merge->alloc, merge, 1, sizeof *merge);
}

bool merge_has_begin(const struct merge *merge)
{
    return merge->has_begin;
}

uint64_t merge_rows_read(const struct merge *merge)
{
    return merge->rows_read;
}

uint64_t merge_rows_written(const struct merge *merge)
{
    return merge->rows_written;
}

uint64_t merge_new_row(const struct merge *merge, uint32_t source, uint64_t row)
{
    ASSERT(source < merge->source_count && row < merge->cursors[source].row_count);
    uint32_t new_row = merge->cursors[source].new_rows[row];
    return new_row == ROW_NONE ? MERGE_ROW_NONE : new_row;
}
