#include "sql/exec/exec_sort_spill.h"

#include <string.h>

#include "base/codec.h"

#define BLOCK_SIZE     ((size_t)64 << 10)
#define BLOCK_ROWS_MIN 64u
#define FAN_IN_MIN     4u
#define FAN_IN_MAX     64u

/* Where the merge stands in one run. */
struct sort_reader {
    const struct spill_rows *rows;
    uint32_t number; /* Of the run: who comes first among equal keys. */
    size_t next_block;
    struct batch batch;
    struct span *keys; /* Of the batch's rows, in its arena. */
    uint64_t prefix;   /* Of the row at hand. */
    uint32_t row;
};

void sort_spill_open(struct sort_spill *spill, struct exec *exec)
{
    spill->exec = exec;
    spill_file_open(&spill->file, exec);
    list_init(&spill->runs, exec->call->alloc, sizeof(struct spill_rows));
}

static void close_readers(struct sort_spill *spill)
{
    const struct alloc *alloc = spill->exec->call->alloc;
    for (uint32_t i = 0; i < spill->reader_count; i++) {
        batch_deinit(&spill->readers[i].batch);
    }
    alloc_free(alloc, spill->readers, spill->reader_count, sizeof *spill->readers);
    alloc_free(alloc, spill->heap, spill->reader_count, sizeof *spill->heap);
    spill->readers = NULL;
    spill->heap = NULL;
    spill->reader_count = 0;
    spill->heap_count = 0;
    spill->exhausted = NULL;
}

void sort_spill_close(struct sort_spill *spill)
{
    if (spill->exec == NULL) {
        return;
    }
    close_readers(spill);
    for (size_t i = 0; i < spill->runs.count; i++) {
        spill_rows_deinit(list_at(&spill->runs, i));
    }
    list_deinit(&spill->runs);
    spill_file_close(&spill->file);
    spill->exec = NULL;
}

/* ---- runs ---- */

static tdbplus_status put_block(struct sort_spill *spill, struct spill_rows *run,
                                const struct row_store *store, const uint32_t *numbers,
                                uint32_t count)
{
    struct exec *exec = spill->exec;
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    if (!batch_shape(&batch, spill->column_count, count)) {
        status = exec_no_memory(exec);
        goto done;
    }
    for (uint32_t c = 0; c < spill->column_count; c++) {
        TRY_OR(done,
               row_store_gather(store, exec, c, numbers, count, &batch.columns[c], &batch.arena));
    }
    struct func_rows all = {.count = count, .row_count = count};
    status = spill_put(&spill->file, run, batch.columns, &all);
done:
    batch_deinit(&batch);
    return status;
}

static struct spill_rows *add_run(struct sort_spill *spill)
{
    struct spill_rows *run = list_push(&spill->runs, NULL);
    if (run != NULL) {
        spill_rows_init(run, spill->exec->call->alloc, spill->columns, spill->column_count);
    }
    return run;
}

tdbplus_status sort_spill_put(struct sort_spill *spill, const struct row_store *store,
                              const uint32_t *numbers, size_t count, size_t row_bytes)
{
    size_t rows = BLOCK_SIZE / (row_bytes + 1);
    rows = rows > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : rows;
    spill->block_rows = rows < BLOCK_ROWS_MIN ? BLOCK_ROWS_MIN : (uint32_t)rows;
    struct spill_rows *run = add_run(spill);
    if (run == NULL) {
        return exec_no_memory(spill->exec);
    }
    for (size_t at = 0; at < count; at += spill->block_rows) {
        size_t part = count - at < spill->block_rows ? count - at : spill->block_rows;
        TRY(put_block(spill, run, store, numbers + at, (uint32_t)part));
    }
    return TDBPLUS_OK;
}

/* ---- merging ---- */

static void set_prefix(struct sort_reader *reader)
{
    uint8_t bytes[8] = {0};
    struct span key = reader->keys[reader->row];
    memcpy(bytes, key.data, key.size < 8 ? key.size : 8);
    reader->prefix = load_u64_be(bytes);
}

static bool comes_before(const struct sort_reader *left, const struct sort_reader *right)
{
    if (left->prefix != right->prefix) {
        return left->prefix < right->prefix;
    }
    int order = span_compare(left->keys[left->row], right->keys[right->row]);
    return order != 0 ? order < 0 : left->number < right->number;
}

static void sift_down(struct sort_spill *spill, uint32_t at)
{
    struct sort_reader **heap = spill->heap;
    struct sort_reader *moved = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < spill->heap_count && comes_before(heap[child + 1], heap[child])) {
            child++;
        }
        if (child >= spill->heap_count || !comes_before(heap[child], moved)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void push(struct sort_spill *spill, struct sort_reader *reader)
{
    uint32_t at = spill->heap_count++;
    for (; at > 0 && comes_before(reader, spill->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        spill->heap[at] = spill->heap[(at - 1) / 2];
    }
    spill->heap[at] = reader;
}

/* Reads the run's next block and makes its keys; puts the reader into the heap if there is one. */
static tdbplus_status load(struct sort_spill *spill, struct sort_reader *reader)
{
    struct exec *exec = spill->exec;
    struct batch *batch = &reader->batch;
    tdbplus_status status = spill_get(&spill->file, reader->rows, reader->next_block++, batch);
    if (status == TDBPLUS_END) {
        return TDBPLUS_OK;
    }
    TRY(status);
    struct eval eval = {.exec = exec, .input = batch, .arena = &batch->arena};
    struct func_rows rows = batch_rows(batch);
    struct column *columns = arena_array(&batch->arena, spill->key_count + 1u, sizeof *columns);
    reader->keys = arena_array(&batch->arena, rows.count + 1u, sizeof *reader->keys);
    if (columns == NULL || reader->keys == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < spill->key_count; i++) {
        TRY(eval_expr(&eval, spill->keys[i], &rows, &columns[i]));
    }
    TRY(sort_keys_make(exec, columns, spill->orders, spill->key_count, &rows, &batch->arena,
                       reader->keys));
    reader->row = 0;
    set_prefix(reader);
    push(spill, reader);
    return TDBPLUS_OK;
}

static tdbplus_status open_readers(struct sort_spill *spill, size_t first, uint32_t count)
{
    const struct alloc *alloc = spill->exec->call->alloc;
    spill->readers = alloc_array(alloc, count, sizeof *spill->readers);
    spill->heap = alloc_array(alloc, count, sizeof *spill->heap);
    spill->reader_count = count;
    if (spill->readers == NULL || spill->heap == NULL) {
        alloc_free(alloc, spill->readers, count, sizeof *spill->readers);
        alloc_free(alloc, spill->heap, count, sizeof *spill->heap);
        spill->readers = NULL;
        spill->heap = NULL;
        spill->reader_count = 0;
        return exec_no_memory(spill->exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        batch_init(&spill->readers[i].batch, alloc);
        spill->readers[i].rows = list_at(&spill->runs, first + i);
        spill->readers[i].number = i;
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(load(spill, &spill->readers[i]));
    }
    return TDBPLUS_OK;
}

/* Rows picked from several readers, in order. */
struct picks {
    struct sort_reader **readers;
    uint16_t *rows;
    uint32_t count;
};

/* Up to a batch of rows, or as many as come before a reader has to go on to its next block. */
static void pick(struct sort_spill *spill, struct picks *picks)
{
    while (picks->count < spill->block_rows && spill->heap_count > 0) {
        struct sort_reader *first = spill->heap[0];
        picks->readers[picks->count] = first;
        picks->rows[picks->count++] = (uint16_t)first->row++;
        if (first->row < first->batch.row_count) {
            set_prefix(first);
            sift_down(spill, 0);
            continue;
        }
        spill->heap[0] = spill->heap[--spill->heap_count];
        if (spill->heap_count > 0) {
            sift_down(spill, 0);
        }
        spill->exhausted = first;
        return;
    }
}

static void copy_picks(const struct picks *picks, uint32_t column, struct column *to)
{
    size_t width = type_width(to->type);
    uint8_t *target = to->data;
    for (uint32_t i = 0; i < picks->count; i++, target += width) {
        const struct column *from = &picks->readers[i]->batch.columns[column];
        if (column_is_null(from, picks->rows[i])) {
            to->validity[i / 64] &= ~((uint64_t)1 << (i % 64));
            memset(target, 0, width);
            continue;
        }
        memcpy(target, (const uint8_t *)from->data + width * picks->rows[i], width);
    }
}

tdbplus_status sort_spill_next(struct sort_spill *spill, struct batch *out)
{
    struct exec *exec = spill->exec;
    if (spill->exhausted != NULL) {
        struct sort_reader *reader = spill->exhausted;
        spill->exhausted = NULL;
        TRY(load(spill, reader));
    }
    if (spill->heap_count == 0) {
        return TDBPLUS_END;
    }
    struct picks picks = {.readers =
                              arena_alloc(&out->arena, spill->block_rows * sizeof *picks.readers),
                          .rows = arena_alloc(&out->arena, spill->block_rows * sizeof *picks.rows)};
    if (picks.readers == NULL || picks.rows == NULL) {
        return exec_no_memory(exec);
    }
    pick(spill, &picks);
    if (!batch_shape(out, spill->column_count, picks.count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < spill->column_count; c++) {
        if (!column_make(&out->columns[c], spill->columns[c].type, picks.count, true,
                         &out->arena)) {
            return exec_no_memory(exec);
        }
        copy_picks(&picks, c, &out->columns[c]);
    }
    return TDBPLUS_OK;
}

/* Makes one run of `count`, in their place. */
static tdbplus_status merge_some(struct sort_spill *spill, size_t first, uint32_t count)
{
    tdbplus_status status = TDBPLUS_OK;
    struct spill_rows merged;
    struct batch batch;
    batch_init(&batch, spill->exec->call->alloc);
    spill_rows_init(&merged, spill->exec->call->alloc, spill->columns, spill->column_count);
    TRY_OR(done, open_readers(spill, first, count));
    while ((status = sort_spill_next(spill, &batch)) == TDBPLUS_OK) {
        struct func_rows rows = batch_rows(&batch);
        TRY_OR(done, spill_put(&spill->file, &merged, batch.columns, &rows));
        batch_reset(&batch);
        TRY_OR(done, exec_check(spill->exec));
    }
    TRY_OR(done, status == TDBPLUS_END ? TDBPLUS_OK : status);
    struct spill_rows *runs = list_at(&spill->runs, first);
    for (uint32_t i = 0; i < count; i++) {
        spill_rows_deinit(&runs[i]);
    }
    runs[0] = merged;
    merged = (struct spill_rows){0};
    memmove(&runs[1], &runs[count], (spill->runs.count - first - count) * sizeof *runs);
    spill->runs.count -= count - 1;
done:
    close_readers(spill);
    batch_deinit(&batch);
    spill_rows_deinit(&merged);
    return status;
}

tdbplus_status sort_spill_begin(struct sort_spill *spill)
{
    size_t fan_in = spill->exec->spill_bytes / (3 * BLOCK_SIZE);
    fan_in = fan_in < FAN_IN_MIN ? FAN_IN_MIN : fan_in > FAN_IN_MAX ? FAN_IN_MAX : fan_in;
    size_t at = 0;
    while (spill->runs.count > fan_in) {
        // Neighbours only, so that equal keys stay in order; each run once before any twice.
        at = at + fan_in > spill->runs.count ? 0 : at;
        TRY(merge_some(spill, at, (uint32_t)fan_in));
        at++;
    }
    return open_readers(spill, 0, (uint32_t)spill->runs.count);
}
