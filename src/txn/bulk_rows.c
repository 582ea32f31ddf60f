#include "txn/bulk_rows.h"

#include <string.h>

#include "base/assert.h"

#define CHUNK_SHIFT      11u /* 2,048 rows. */
#define ARENA_BLOCK_SIZE ((size_t)64 << 10)
_Static_assert(BATCH_ROW_COUNT_MAX == 1u << CHUNK_SHIFT, "a chunk holds a batch");

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "load: the rows to sort do not fit the memory limit");
}

void bulk_rows_init(struct bulk_rows *rows, const struct schema *schema, const struct alloc *alloc)
{
    rows->schema = schema;
    arena_init(&rows->arena, alloc, ARENA_BLOCK_SIZE);
    list_init(&rows->chunks, alloc, sizeof(struct column *));
    list_init(&rows->entries, alloc, sizeof(struct bulk_entry));
}

void bulk_rows_deinit(struct bulk_rows *rows)
{
    arena_deinit(&rows->arena);
    list_deinit(&rows->chunks);
    list_deinit(&rows->entries);
}

void bulk_rows_clear(struct bulk_rows *rows)
{
    arena_reset(&rows->arena);
    rows->chunks.count = 0;
    rows->entries.count = 0;
}

size_t bulk_rows_size(const struct bulk_rows *rows)
{
    // Sorting doubles the entries.
    return rows->arena.used_bytes + 2 * rows->entries.count * sizeof(struct bulk_entry);
}

/* ---- copying in ---- */

/* Gives the values of a flat column bytes of our own. */
static bool own_bytes(struct column *column, struct arena *arena)
{
    if (type_physical(column->type) != PHYSICAL_VIEW) {
        return true;
    }
    struct view *views = column->data;
    for (uint32_t i = 0; i < column->row_count; i++) {
        if (column_is_null(column, i)) {
            views[i] = (struct view){0};
            continue;
        }
        struct span bytes = view_span(&views[i]);
        if (bytes.size <= VIEW_INLINE_SIZE_MAX) {
            continue;
        }
        uint8_t *copy = arena_bytes(arena, bytes.size);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, bytes.data, bytes.size);
        views[i] = view_of((struct span){.data = copy, .size = bytes.size});
    }
    return true;
}

static bool copy_column(const struct column *column, const uint16_t *selection, uint32_t count,
                        struct column *copy_out, struct arena *arena)
{
    return column_flatten(column, selection, count, copy_out, arena) && own_bytes(copy_out, arena);
}

tdbplus_status bulk_rows_add(struct bulk_rows *rows, const struct batch *batch,
                             const struct span *keys, const uint64_t *codes, struct err *err)
{
    const struct schema *schema = rows->schema;
    uint32_t count = batch_live_count(batch);
    ASSERT(count <= BATCH_ROW_COUNT_MAX);
    if (rows->chunks.count >= UINT32_MAX >> CHUNK_SHIFT) {
        return err_set(err, TDBPLUS_E_LIMIT, "load: too many rows to sort at once");
    }
    struct column *columns = arena_array(&rows->arena, schema->column_count, sizeof *columns);
    bool good =
        columns != NULL && list_reserve(&rows->entries, count) && list_reserve(&rows->chunks, 1);
    for (uint32_t i = 0; good && i < schema->column_count; i++) {
        good = copy_column(&batch->columns[i], batch->selection, count, &columns[i], &rows->arena);
    }
    uint32_t chunk = (uint32_t)rows->chunks.count;
    for (uint32_t i = 0; good && i < count; i++) {
        struct bulk_entry entry = {.code = codes[i], .row = chunk << CHUNK_SHIFT | i};
        if (keys != NULL) {
            uint8_t *key = arena_bytes(&rows->arena, keys[i].size);
            good = key != NULL;
            if (good) {
                memcpy(key, keys[i].data, keys[i].size);
                entry.key = (struct span){.data = key, .size = keys[i].size};
            }
        }
        good = good && list_push(&rows->entries, &entry) != NULL;
    }
    return good && list_push(&rows->chunks, &columns) != NULL ? TDBPLUS_OK : no_memory(err);
}

/* ---- sorting ---- */

static int compare(const struct bulk_entry *left, const struct bulk_entry *right)
{
    if (left->code != right->code) {
        return left->code < right->code ? -1 : 1;
    }
    return span_compare(left->key, right->key);
}

/* Merges [low, middle) and [middle, high) of `from` into `to`; equal ones from the left first. */
static void merge_halves(const struct bulk_entry *from, size_t low, size_t middle, size_t high,
                         struct bulk_entry *to)
{
    size_t left = low;
    size_t right = middle;
    if (middle == high || compare(&from[middle - 1], &from[middle]) <= 0) {
        memcpy(to + low, from + low, (high - low) * sizeof *to);
        return;
    }
    for (size_t at = low; at < high; at++) {
        bool take_left =
            left < middle && (right == high || compare(&from[left], &from[right]) <= 0);
        to[at] = take_left ? from[left++] : from[right++];
    }
}

tdbplus_status bulk_rows_sort(struct bulk_rows *rows, struct err *err)
{
    size_t count = rows->entries.count;
    if (count < 2) {
        return TDBPLUS_OK;
    }
    struct list scratch = {0};
    list_init(&scratch, rows->entries.alloc, sizeof(struct bulk_entry));
    if (!list_reserve(&scratch, count)) {
        return no_memory(err);
    }
    // Bottom up: the order of arrival is often nearly that of the keys, and no depth to limit.
    for (size_t width = 1; width < count; width *= 2) {
        const struct bulk_entry *from = rows->entries.items;
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = middle + width < count ? middle + width : count;
            merge_halves(from, low, middle, high, scratch.items);
        }
        scratch.count = count;
        struct list swapped = rows->entries;
        rows->entries = scratch;
        scratch = swapped;
    }
    list_deinit(&scratch);
    return TDBPLUS_OK;
}

uint32_t bulk_rows_unify(struct bulk_rows *rows)
{
    struct bulk_entry *entries = rows->entries.items;
    uint32_t twice = UINT32_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < rows->entries.count; i++) {
        if (kept > 0 && compare(&entries[kept - 1], &entries[i]) == 0) {
            kept--; // The later one takes the place.
            twice = twice == UINT32_MAX ? (uint32_t)kept : twice;
        }
        entries[kept++] = entries[i];
    }
    rows->entries.count = kept;
    return twice;
}

/* ---- copying out ---- */

static const struct column *column_of(const struct bulk_rows *rows, uint32_t row, uint32_t number)
{
    const struct column *columns = *(struct column **)list_at(&rows->chunks, row >> CHUNK_SHIFT);
    return &columns[number];
}

static bool gather_column(const struct bulk_rows *rows, const struct bulk_entry *entries,
                          uint32_t count, uint32_t number, struct batch *batch)
{
    struct column *to = &batch->columns[number];
    bool nullable = !rows->schema->columns[number].not_null;
    if (!column_make(to, rows->schema->columns[number].type, count, nullable, &batch->arena)) {
        return false;
    }
    size_t width = type_width(to->type);
    for (uint32_t i = 0; i < count; i++) {
        const struct column *from = column_of(rows, entries[i].row, number);
        uint32_t at = entries[i].row & (BATCH_ROW_COUNT_MAX - 1);
        memcpy((uint8_t *)to->data + i * width, (const uint8_t *)from->data + at * width, width);
        if (nullable && column_is_null(from, at)) {
            to->validity[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
    }
    return true;
}

tdbplus_status bulk_rows_batch(const struct bulk_rows *rows, size_t first, uint32_t count,
                               struct batch *batch, struct err *err)
{
    const struct schema *schema = rows->schema;
    const struct bulk_entry *entries = (const struct bulk_entry *)rows->entries.items + first;
    batch_reset(batch);
    batch->columns = arena_array(&batch->arena, schema->column_count, sizeof *batch->columns);
    bool good = batch->columns != NULL;
    for (uint32_t i = 0; good && i < schema->column_count; i++) {
        good = gather_column(rows, entries, count, i, batch);
    }
    if (!good) {
        batch_reset(batch);
        return no_memory(err);
    }
    batch->column_count = schema->column_count;
    batch->row_count = count;
    return TDBPLUS_OK;
}
