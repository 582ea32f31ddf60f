#include "sql/exec/exec_join_table.h"

#include <string.h>

#define DIRECT_RANGE_MIN ((uint64_t)1 << 20) /* Always fine: 4 MiB. */
#define DIRECT_SPARSE                                                                            \
    16u                                       /* Values for each row, above that: as much memory \
                                                 as a record and its slots take. */
#define PRESENT_RANGE_MAX ((uint64_t)1 << 28) /* 32 MiB of bits. */
#define PRESENT_SPARSE    256u                /* Bits for each row. */
#define PREFETCH_HEADS    ((uint64_t)1 << 16)

tdbplus_status join_table_init(struct join_table *table, struct exec *exec, struct arena *arena,
                               struct expr *const *keys, uint32_t key_count)
{
    struct type types[GROUP_KEY_COUNT_MAX];
    *table = (struct join_table){.alloc = exec->call->alloc, .unique = true};
    for (uint32_t i = 0; i < key_count && i < GROUP_KEY_COUNT_MAX; i++) {
        types[i] = keys[i]->type;
    }
    TRY(key_layout_make(exec, types, key_count, &table->layout));
    group_table_init(&table->table, &table->layout, sizeof(uint32_t), arena, table->alloc);
    return TDBPLUS_OK;
}

void join_table_deinit(struct join_table *table)
{
    if (table->alloc != NULL) {
        group_table_deinit(&table->table);
        alloc_free(table->alloc, table->heads, table->head_count, sizeof *table->heads);
        for (uint32_t k = 0; k < JOIN_VALUES_COUNT_MAX; k++) {
            alloc_free(table->alloc, table->values[k].present, table->values[k].word_count,
                       sizeof(uint64_t));
        }
        alloc_free(table->alloc, table->chain, table->chain_count, sizeof *table->chain);
    }
    *table = (struct join_table){0};
}

/* ---- integers ---- */

static bool is_integer(struct type type)
{
    switch (type_physical(type)) {
    case PHYSICAL_1:
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8:
        return type.id != TYPE_FLOAT4 && type.id != TYPE_FLOAT8;
    case PHYSICAL_16:
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        break;
    }
    return false;
}

#define READ(CTYPE)                                                                 \
    for (uint32_t i = 0; i < rows->count; i++) {                                    \
        uint32_t row = rows_at(rows, i);                                            \
        values[i] = ((const CTYPE *)data)[codes != NULL ? codes[row] : row & mask]; \
    }

static void read_integers(const struct column *column, const struct func_rows *rows,
                          int64_t *values)
{
    bool dictionary = column->form == COLUMN_DICTIONARY;
    const void *data = dictionary ? column->dictionary->data : column->data;
    const uint32_t *codes = dictionary ? column->codes : NULL;
    uint32_t mask = column->form == COLUMN_CONSTANT ? 0 : UINT32_MAX;
    switch ((int)type_physical(column->type)) {
    case PHYSICAL_1:
        READ(uint8_t)
        return;
    case PHYSICAL_2:
        READ(int16_t)
        return;
    case PHYSICAL_4:
        READ(int32_t)
        return;
    default:
        READ(int64_t)
        return;
    }
}

static bool may_be_null(const struct column *column)
{
    return column->validity != NULL ||
           (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL);
}

/* ---- building ---- */

static tdbplus_status chunk_keys(struct exec *exec, const struct row_store *store, uint32_t chunk,
                                 struct expr *const *keys, uint32_t key_count, struct batch *batch,
                                 struct column **columns_out)
{
    tdbplus_status status = TDBPLUS_OK;
    TRY(exec_check(exec));
    batch_reset(batch);
    if (!row_store_chunk(store, chunk, batch, exec, &status)) {
        return status;
    }
    struct eval eval = {.exec = exec, .input = batch, .arena = &batch->arena};
    struct func_rows rows = batch_rows(batch);
    struct column *columns = arena_array(&batch->arena, key_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        TRY(eval_expr(&eval, keys[i], &rows, &columns[i]));
    }
    *columns_out = columns;
    return TDBPLUS_OK;
}

/* Puts a row before the rows with its key. Rows come in descending order. */
static void link_row(struct join_table *table, uint32_t row, uint32_t *head)
{
    table->chain[row] = *head;
    table->unique = table->unique && *head == 0;
    *head = row + 1;
}

struct integers {
    int64_t *values; /* Of all rows. */
    uint64_t *nulls; /* Bit set: null. */
    int64_t min;
    int64_t max;
};

static tdbplus_status read_all(struct exec *exec, const struct row_store *store,
                               struct expr *const *keys, struct batch *batch,
                               struct integers *integers)
{
    integers->min = INT64_MAX;
    integers->max = INT64_MIN;
    for (uint32_t chunk = 0; chunk < store->chunk_count; chunk++) {
        struct column *column = NULL;
        TRY(chunk_keys(exec, store, chunk, keys, 1, batch, &column));
        struct func_rows rows = batch_rows(batch);
        uint32_t first = chunk * BATCH_ROW_COUNT_MAX;
        int64_t *values = integers->values + first;
        read_integers(column, &rows, values);
        bool nullable = may_be_null(column);
        for (uint32_t i = 0; i < rows.count; i++) {
            if (nullable && column_is_null(column, i)) {
                integers->nulls[(first + i) / 64] |= (uint64_t)1 << ((first + i) % 64);
                continue;
            }
            integers->min = values[i] < integers->min ? values[i] : integers->min;
            integers->max = values[i] > integers->max ? values[i] : integers->max;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status build_direct(struct join_table *table, struct exec *exec,
                                   const struct integers *integers, uint32_t row_count)
{
    table->heads = alloc_array(table->alloc, (size_t)table->range, sizeof *table->heads);
    if (table->heads == NULL) {
        return exec_no_memory(exec);
    }
    table->head_count = table->range;
    table->direct = true;
    for (uint32_t row = row_count; row > 0; row--) {
        uint32_t at = row - 1;
        if ((integers->nulls[at / 64] >> (at % 64) & 1) == 0) {
            link_row(table, at, &table->heads[integers->values[at] - table->base]);
        }
    }
    return TDBPLUS_OK;
}

static uint64_t range_of(const struct integers *integers)
{
    uint64_t range = (uint64_t)integers->max - (uint64_t)integers->min;
    return integers->max < integers->min ? 1 : range == UINT64_MAX ? range : range + 1;
}

/* Which values are there at all, for scans to ask. */
static tdbplus_status note_values(struct join_table *table, uint32_t key, struct exec *exec,
                                  const struct integers *integers, uint32_t row_count)
{
    struct join_values values = {.range = range_of(integers)};
    values.base = integers->max < integers->min ? 0 : integers->min;
    if (values.range > PRESENT_RANGE_MAX ||
        (values.range > DIRECT_RANGE_MIN && values.range / PRESENT_SPARSE > row_count)) {
        return TDBPLUS_OK;
    }
    values.word_count = values.range / 64 + 1;
    values.present = alloc_array(table->alloc, (size_t)values.word_count, sizeof(uint64_t));
    if (values.present == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t row = 0; row < row_count; row++) {
        if ((integers->nulls[row / 64] >> (row % 64) & 1) == 0) {
            uint64_t at = (uint64_t)integers->values[row] - (uint64_t)values.base;
            values.present[at / 64] |= (uint64_t)1 << (at % 64);
        }
    }
    table->values[key] = values;
    return TDBPLUS_OK;
}

/* Notes the values of one key column of integers; with `direct`, the only one, rows are also linked
 * by value if those are not spread too far: *done_out. */
static tdbplus_status note_key(struct join_table *table, uint32_t key, struct exec *exec,
                               const struct row_store *store, struct expr *const *keys,
                               bool *done_out)
{
    tdbplus_status status = TDBPLUS_OK;
    uint32_t count = store->row_count;
    size_t words = (size_t)count / 64 + 1;
    struct batch batch;
    batch_init(&batch, table->alloc);
    struct integers integers = {.values = alloc_raw(table->alloc, (count + 1u) * sizeof(int64_t)),
                                .nulls = alloc_array(table->alloc, words, sizeof(uint64_t))};
    if (integers.values == NULL || integers.nulls == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    TRY_OR(done, read_all(exec, store, &keys[key], &batch, &integers));
    TRY_OR(done, note_values(table, key, exec, &integers, count));
    uint64_t range = range_of(&integers);
    if (table->layout.column_count == 1 &&
        (range <= DIRECT_RANGE_MIN || (range - 1) / DIRECT_SPARSE < count)) {
        table->base = integers.max < integers.min ? 0 : integers.min;
        table->range = range;
        status = build_direct(table, exec, &integers, count);
        *done_out = status == TDBPLUS_OK;
    }
done:
    alloc_free(table->alloc, integers.values, count + 1u, sizeof(int64_t));
    alloc_free(table->alloc, integers.nulls, words, sizeof(uint64_t));
    batch_deinit(&batch);
    return status;
}

static tdbplus_status add_chunk(struct join_table *table, struct exec *exec, uint32_t first,
                                const struct column *columns, struct batch *batch)
{
    struct func_rows rows = batch_rows(batch);
    struct key_rows keys = {0};
    uint8_t **records = arena_alloc(&batch->arena, (rows.count + 1u) * sizeof *records);
    uint16_t *fresh = arena_alloc(&batch->arena, (rows.count + 1u) * sizeof *fresh);
    if (records == NULL || fresh == NULL) {
        return exec_no_memory(exec);
    }
    TRY(key_rows_make(exec, &table->layout, columns, &rows, &batch->arena, &keys));
    uint32_t fresh_count = 0;
    TRY(group_table_add(&table->table, exec, &keys, rows.count, records, fresh, &fresh_count));
    for (uint32_t i = rows.count; i > 0; i--) {
        if (key_rows_mask(&table->layout, &keys, i - 1) == 0) {
            link_row(table, first + i - 1,
                     (uint32_t *)(void *)(records[i - 1] + table->table.payload_offset));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status join_table_build(struct join_table *table, struct exec *exec,
                                const struct row_store *store, struct expr *const *keys)
{
    tdbplus_status status = TDBPLUS_OK;
    bool done = false;
    struct batch batch;
    batch_init(&batch, table->alloc);
    table->chain = alloc_array(table->alloc, store->row_count + 1u, sizeof *table->chain);
    if (table->chain == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    table->chain_count = store->row_count + 1u;
    for (uint32_t k = 0; k < table->layout.column_count && k < JOIN_VALUES_COUNT_MAX; k++) {
        if (is_integer(keys[k]->type)) {
            TRY_OR(done, note_key(table, k, exec, store, keys, &done));
        }
    }
    for (uint32_t chunk = done ? 0 : store->chunk_count; chunk > 0; chunk--) {
        struct column *columns = NULL;
        TRY_OR(done, chunk_keys(exec, store, chunk - 1, keys, table->layout.column_count, &batch,
                                &columns));
        TRY_OR(done, add_chunk(table, exec, (chunk - 1) * BATCH_ROW_COUNT_MAX, columns, &batch));
    }
    if (table->unique) {
        alloc_free(table->alloc, table->chain, table->chain_count, sizeof *table->chain);
        table->chain = NULL;
        table->chain_count = 0;
    }
    table->built = true;
done:
    batch_deinit(&batch);
    return status;
}

/* ---- asking ---- */

static tdbplus_status find_direct(const struct join_table *table, struct exec *exec,
                                  const struct column *column, const struct func_rows *rows,
                                  struct arena *arena, uint32_t *firsts)
{
    int64_t *values = arena_alloc(arena, (rows->count + 1u) * sizeof *values);
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    read_integers(column, rows, values);
    if (table->range > PREFETCH_HEADS) {
        for (uint32_t i = 0; i < rows->count; i++) {
            uint64_t at = (uint64_t)values[i] - (uint64_t)table->base;
            __builtin_prefetch(&table->heads[at < table->range ? at : 0], 0, 2);
        }
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t at = (uint64_t)values[i] - (uint64_t)table->base;
        firsts[i] = at < table->range ? table->heads[at] - 1 : ROW_NONE; // 0 becomes ROW_NONE.
    }
    for (uint32_t i = 0; may_be_null(column) && i < rows->count; i++) {
        firsts[i] = column_is_null(column, rows_at(rows, i)) ? ROW_NONE : firsts[i];
    }
    return TDBPLUS_OK;
}

tdbplus_status join_table_find(const struct join_table *table, struct exec *exec,
                               const struct column *columns, const struct func_rows *rows,
                               struct arena *arena, uint32_t *firsts_out)
{
    if (table->direct) {
        return find_direct(table, exec, columns, rows, arena, firsts_out);
    }
    struct key_rows keys = {0};
    uint8_t **records = arena_alloc(arena, (rows->count + 1u) * sizeof *records);
    if (records == NULL) {
        return exec_no_memory(exec);
    }
    TRY(key_rows_make(exec, &table->layout, columns, rows, arena, &keys));
    group_table_find(&table->table, &keys, rows->count, records);
    for (uint32_t i = 0; i < rows->count; i++) {
        firsts_out[i] = ROW_NONE;
        if (records[i] != NULL && key_rows_mask(&table->layout, &keys, i) == 0) {
            uint32_t head;
            memcpy(&head, records[i] + table->table.payload_offset, sizeof head);
            firsts_out[i] = head - 1;
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status join_table_keep(const struct join_table *table, uint32_t key, struct exec *exec,
                               const struct column *column, const struct func_rows *rows,
                               struct arena *arena, struct func_rows *rows_out)
{
    const struct join_values *noted = &table->values[key];
    if (!table->built || noted->present == NULL) {
        *rows_out = *rows;
        return TDBPLUS_OK;
    }
    int64_t *values = arena_alloc(arena, (rows->count + 1u) * sizeof *values);
    uint16_t *kept = arena_alloc(arena, (rows->count + 1u) * sizeof *kept);
    if (values == NULL || kept == NULL) {
        return exec_no_memory(exec);
    }
    read_integers(column, rows, values);
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t at = (uint64_t)values[i] - (uint64_t)noted->base;
        bool inside = at < noted->range;
        uint64_t bit = noted->present[inside ? at / 64 : 0] >> (at % 64) & 1;
        kept[count] = (uint16_t)rows_at(rows, i);
        count += inside & (bit != 0);
    }
    *rows_out = (struct func_rows){kept, count, rows->row_count};
    if (!may_be_null(column)) {
        return TDBPLUS_OK;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        kept[left] = kept[i];
        left += !column_is_null(column, kept[i]);
    }
    rows_out->count = left;
    return TDBPLUS_OK;
}
