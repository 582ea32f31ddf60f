#include <string.h>

#include "sql/exec/exec_internal.h"

void row_store_init(struct row_store *store, struct arena *arena, const struct plan_column *columns,
                    uint32_t column_count)
{
    *store = (struct row_store){
        .arena = arena, .bytes = arena, .columns = columns, .column_count = column_count};
}

/* Where each chunk's values begin, a column at a time: what gathering reads first. */
static bool grow_bases(struct row_store *store, uint32_t capacity)
{
    if (store->bases == NULL) {
        store->bases = arena_array(store->arena, store->column_count + 1u, sizeof *store->bases);
        store->nulls = arena_array(store->arena, store->column_count + 1u, sizeof *store->nulls);
        if (store->bases == NULL || store->nulls == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < store->column_count; i++) {
        uint8_t **bases = arena_array(store->arena, capacity, sizeof *bases);
        if (bases == NULL) {
            return false;
        }
        if (store->chunk_count > 0) {
            memcpy(bases, store->bases[i], store->chunk_count * sizeof *bases);
        }
        store->bases[i] = bases;
    }
    return true;
}

static bool add_chunk(struct row_store *store)
{
    if (store->chunk_count == store->chunk_capacity) {
        uint32_t capacity = store->chunk_capacity == 0 ? 8 : store->chunk_capacity * 2;
        struct column **chunks = arena_array(store->arena, capacity, sizeof *chunks);
        if (chunks == NULL) {
            return false;
        }
        if (store->chunk_count > 0) {
            memcpy(chunks, store->chunks, store->chunk_count * sizeof *chunks);
        }
        if (!grow_bases(store, capacity)) {
            return false;
        }
        store->chunks = chunks;
        store->chunk_capacity = capacity;
    }
    struct column *columns = arena_array(store->arena, store->column_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < store->column_count; i++) {
        if (!column_make(&columns[i], store->columns[i].type, BATCH_ROW_COUNT_MAX, true,
                         store->arena)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < store->column_count; i++) {
        store->bases[i][store->chunk_count] = columns[i].data;
    }
    store->chunks[store->chunk_count++] = columns;
    return true;
}

/* Where the values of a column of any form lie, and which one a row has. */
struct reading {
    const uint8_t *data;
    const uint32_t *codes;
    uint32_t mask;
};

static struct reading reading_of(const struct column *column)
{
    bool dictionary = column->form == COLUMN_DICTIONARY;
    return (struct reading){.data = dictionary ? column->dictionary->data : column->data,
                            .codes = dictionary ? column->codes : NULL,
                            .mask = column->form == COLUMN_CONSTANT ? 0 : UINT32_MAX};
}

static size_t reading_at(const struct reading *reading, uint32_t row)
{
    return reading->codes != NULL ? reading->codes[row] : row & reading->mask;
}

static bool keep_bytes(struct view *view, struct arena *arena)
{
    if (view->size <= VIEW_INLINE_SIZE_MAX) {
        return true;
    }
    uint8_t *bytes = arena_bytes(arena, view->size);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, view->far.data, view->size);
    view->far.data = bytes;
    return true;
}

#define COPY(WIDTH)                                                                           \
    for (uint32_t i = 0; i < count; i++) {                                                    \
        memcpy(target + (size_t)(WIDTH)*i,                                                    \
               reading.data + (size_t)(WIDTH)*reading_at(&reading, rows_at(rows, first + i)), \
               WIDTH);                                                                        \
    }

/* The same where no value is null: by width, so that the copies are single moves. */
static bool copy_plain(const struct column *from, const struct func_rows *rows, uint32_t first,
                       uint32_t count, struct column *to, uint32_t to_row, struct arena *arena)
{
    struct reading reading = reading_of(from);
    size_t width = type_width(to->type);
    uint8_t *target = (uint8_t *)to->data + width * to_row;
    bool good = true;
    switch (width) {
    case 4:
        COPY(4)
        break;
    case 8:
        COPY(8)
        break;
    case 16:
        COPY(16)
        break;
    default:
        COPY(width)
        break;
    }
    for (uint32_t i = 0; good && type_physical(to->type) == PHYSICAL_VIEW && i < count; i++) {
        good = keep_bytes((struct view *)(void *)target + i, arena);
    }
    return good;
}

/* Copies values row by row; `to` is where the first goes. Nulls are marked and not copied. */
static bool copy_values(const struct column *from, const struct func_rows *rows, uint32_t first,
                        uint32_t count, struct column *to, uint32_t to_row, struct arena *arena)
{
    struct reading reading = reading_of(from);
    size_t width = type_width(to->type);
    bool views = type_physical(to->type) == PHYSICAL_VIEW;
    bool nulls = from->validity != NULL ||
                 (from->form == COLUMN_DICTIONARY && from->dictionary->validity != NULL);
    if (!nulls) {
        return copy_plain(from, rows, first, count, to, to_row, arena);
    }
    uint8_t *target = (uint8_t *)to->data + width * to_row;
    for (uint32_t i = 0; i < count; i++, target += width) {
        uint32_t row = rows_at(rows, first + i);
        if (column_is_null(from, row)) {
            uint32_t at = to_row + i;
            to->validity[at / 64] &= ~((uint64_t)1 << (at % 64));
            memset(target, 0, width);
            continue;
        }
        memcpy(target, reading.data + width * reading_at(&reading, row), width);
        if (views && !keep_bytes((struct view *)(void *)target, arena)) {
            return false;
        }
    }
    return true;
}

static bool has_null(const struct column *column, const struct func_rows *rows, uint32_t first,
                     uint32_t count)
{
    bool nullable = column->validity != NULL ||
                    (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL);
    for (uint32_t i = 0; nullable && i < count; i++) {
        if (column_is_null(column, rows_at(rows, first + i))) {
            return true;
        }
    }
    return false;
}

tdbplus_status row_store_append(struct row_store *store, struct exec *exec,
                                const struct column *columns, const struct func_rows *rows)
{
    if (store->row_count > ROW_STORE_ROW_COUNT_MAX) {
        return err_set(exec->call->err, TDBPLUS_E_LIMIT,
                       "an operator keeps at most 4 billion rows");
    }
    for (uint32_t done = 0; done < rows->count;) {
        uint32_t at = store->row_count % BATCH_ROW_COUNT_MAX;
        if (at == 0 && !add_chunk(store)) {
            return exec_no_memory(exec);
        }
        struct column *chunk = store->chunks[store->chunk_count - 1];
        uint32_t count = rows->count - done;
        count = count > BATCH_ROW_COUNT_MAX - at ? BATCH_ROW_COUNT_MAX - at : count;
        for (uint32_t c = 0; c < store->column_count; c++) {
            if (!copy_values(&columns[c], rows, done, count, &chunk[c], at, store->bytes)) {
                return exec_no_memory(exec);
            }
            store->nulls[c] = store->nulls[c] || has_null(&columns[c], rows, done, count);
        }
        store->row_count += count;
        done += count;
    }
    return TDBPLUS_OK;
}

tdbplus_status row_store_reserve(struct row_store *store, struct exec *exec, uint32_t row_count)
{
    if (row_count > ROW_STORE_ROW_COUNT_MAX) {
        return err_set(exec->call->err, TDBPLUS_E_LIMIT,
                       "an operator keeps at most 4 billion rows");
    }
    uint32_t chunk_count = row_count / BATCH_ROW_COUNT_MAX + (row_count % BATCH_ROW_COUNT_MAX != 0);
    while (store->chunk_count < chunk_count) {
        if (!add_chunk(store)) {
            return exec_no_memory(exec);
        }
    }
    store->row_count = row_count;
    return TDBPLUS_OK;
}

void row_store_note_nulls(struct row_store *store, const struct row_store *from)
{
    for (uint32_t c = 0; from->nulls != NULL && store->nulls != NULL && c < store->column_count;
         c++) {
        store->nulls[c] = store->nulls[c] || from->nulls[c];
    }
}

/* Rows that lie in one chunk on either side. */
static void put_part(struct row_store *store, uint32_t at, const struct row_store *from,
                     uint32_t first, uint32_t count)
{
    struct column *to = store->chunks[at / BATCH_ROW_COUNT_MAX];
    const struct column *source = from->chunks[first / BATCH_ROW_COUNT_MAX];
    uint32_t to_row = at % BATCH_ROW_COUNT_MAX;
    uint32_t row = first % BATCH_ROW_COUNT_MAX;
    for (uint32_t c = 0; c < store->column_count; c++) {
        size_t width = type_width(to[c].type);
        memcpy((uint8_t *)to[c].data + width * to_row,
               (const uint8_t *)source[c].data + width * row, width * count);
        for (uint32_t i = 0; from->nulls[c] && i < count; i++) {
            if (column_is_null(&source[c], row + i)) {
                to[c].validity[(to_row + i) / 64] &= ~((uint64_t)1 << ((to_row + i) % 64));
            }
        }
    }
}

void row_store_put(struct row_store *store, uint32_t at, const struct row_store *from,
                   uint32_t first, uint32_t count)
{
    while (count > 0) {
        uint32_t to_room = BATCH_ROW_COUNT_MAX - at % BATCH_ROW_COUNT_MAX;
        uint32_t from_room = BATCH_ROW_COUNT_MAX - first % BATCH_ROW_COUNT_MAX;
        uint32_t part = to_room < from_room ? to_room : from_room;
        part = part < count ? part : count;
        put_part(store, at, from, first, part);
        at += part;
        first += part;
        count -= part;
    }
}

#define GATHER(WIDTH)                                                    \
    for (uint32_t i = 0; i < count; i++) {                               \
        memcpy(target + (size_t)(WIDTH) * (rows == NULL ? i : rows[i]),  \
               bases[numbers[i] / BATCH_ROW_COUNT_MAX] +                 \
                   (size_t)(WIDTH) * (numbers[i] % BATCH_ROW_COUNT_MAX), \
               WIDTH);                                                   \
    }

/* Without nulls: by width, so that the copies are single moves. */
static void gather_plain(uint8_t *const *bases, const uint32_t *numbers, const uint16_t *rows,
                         uint32_t count, uint8_t *target, size_t width)
{
    switch (width) {
    case 4:
        GATHER(4)
        return;
    case 8:
        GATHER(8)
        return;
    case 16:
        GATHER(16)
        return;
    default:
        GATHER(width)
        return;
    }
}

static bool has_none(const uint32_t *numbers, uint32_t count)
{
    bool none = false;
    for (uint32_t i = 0; i < count; i++) {
        none |= numbers[i] == ROW_NONE;
    }
    return none;
}

/* The i-th number's value goes to row rows[i], or i when `rows` is NULL. */
static tdbplus_status gather(const struct row_store *store, struct exec *exec, uint32_t column,
                             const uint32_t *numbers, const struct func_rows *at,
                             struct column *column_out, struct arena *arena)
{
    struct column made = {0};
    uint32_t count = at->count;
    const uint16_t *rows = at->rows;
    // A store that never had a row knows nothing of its columns.
    bool plain = store->nulls != NULL && !store->nulls[column] && !has_none(numbers, count);
    if (!column_make(&made, store->columns[column].type, at->row_count, !plain, arena)) {
        return exec_no_memory(exec);
    }
    size_t width = type_width(made.type);
    uint8_t *target = made.data;
    if (plain) {
        gather_plain(store->bases[column], numbers, rows, count, target, width);
        *column_out = made;
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = numbers[i];
        uint32_t row = rows == NULL ? i : rows[i];
        const struct column *from =
            number == ROW_NONE ? NULL : &store->chunks[number / BATCH_ROW_COUNT_MAX][column];
        if (from == NULL || column_is_null(from, number % BATCH_ROW_COUNT_MAX)) {
            made.validity[row / 64] &= ~((uint64_t)1 << (row % 64));
            memset(target + width * row, 0, width);
            continue;
        }
        memcpy(target + width * row,
               (const uint8_t *)from->data + width * (number % BATCH_ROW_COUNT_MAX), width);
    }
    *column_out = made;
    return TDBPLUS_OK;
}

tdbplus_status row_store_gather(const struct row_store *store, struct exec *exec, uint32_t column,
                                const uint32_t *numbers, uint32_t count, struct column *column_out,
                                struct arena *arena)
{
    struct func_rows at = {NULL, count, count};
    return gather(store, exec, column, numbers, &at, column_out, arena);
}

tdbplus_status row_store_place(const struct row_store *store, struct exec *exec, uint32_t column,
                               const uint32_t *numbers, const struct func_rows *at,
                               struct column *column_out, struct arena *arena)
{
    return gather(store, exec, column, numbers, at, column_out, arena);
}

bool row_store_chunk(const struct row_store *store, uint32_t number, struct batch *out,
                     struct exec *exec, tdbplus_status *status)
{
    if (number >= store->chunk_count) {
        return false;
    }
    uint32_t before = number * BATCH_ROW_COUNT_MAX;
    uint32_t count = store->row_count - before;
    count = count > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : count;
    if (!batch_shape(out, store->column_count, count)) {
        *status = exec_no_memory(exec);
        return false;
    }
    for (uint32_t c = 0; c < store->column_count; c++) {
        out->columns[c] = store->chunks[number][c];
        out->columns[c].row_count = count;
    }
    return true;
}
