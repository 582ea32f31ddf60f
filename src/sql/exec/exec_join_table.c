#include "sql/exec/exec_join_table.h"

#include <string.h>

#include "sql/exec/exec_team.h"

#define DIRECT_RANGE_MIN ((uint64_t)1 << 20) /* Always fine: 4 MiB. */
#define DIRECT_SPARSE                                                                            \
    16u                                       /* Values for each row, above that: as much memory \
                                                 as a record and its slots take. */
#define PRESENT_RANGE_MAX ((uint64_t)1 << 28) /* 32 MiB of bits. */
#define PRESENT_SPARSE    256u                /* Bits for each row. */
#define PREFETCH_HEADS    ((uint64_t)1 << 16)

#define TOGETHER_ROWS 65536u /* Fewer are in a table before a thread has begun. */

tdbplus_status join_table_init(struct join_table *table, struct exec *exec,
                               struct expr *const *keys, uint32_t key_count)
{
    struct type types[GROUP_KEY_COUNT_MAX];
    *table = (struct join_table){.alloc = exec->call->alloc, .unique = true, .part_count = 1};
    for (uint32_t i = 0; i < key_count && i < GROUP_KEY_COUNT_MAX; i++) {
        types[i] = keys[i]->type;
    }
    TRY(key_layout_make(exec, types, key_count, &table->layout));
    for (uint32_t p = 0; p < JOIN_PARTS_MAX; p++) {
        arena_init(&table->arenas[p], table->alloc, 0);
        group_table_init(&table->tables[p], &table->layout, sizeof(uint32_t), &table->arenas[p],
                         table->alloc);
    }
    return TDBPLUS_OK;
}

void join_table_deinit(struct join_table *table)
{
    if (table->alloc != NULL) {
        for (uint32_t p = 0; p < JOIN_PARTS_MAX; p++) {
            group_table_deinit(&table->tables[p]);
            arena_deinit(&table->arenas[p]);
        }
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

struct integers {
    int64_t *values; /* Of all rows. */
    uint64_t *nulls; /* Bit set: null. */
    int64_t min;
    int64_t max;
};

/* What a member found out. */
struct finding {
    int64_t min;
    int64_t max;
    bool unique;
};

/* The making of a table by one member or several. */
struct building {
    struct join_table *table;
    const struct row_store *store;
    struct expr *const *keys;
    struct team team;
    uint32_t members;
    uint32_t key; /* The column at hand. */
    struct integers integers;
    struct join_values *values; /* NULL: not noted. */
    bool direct;                /* Rows are linked by value. */
    struct finding findings[JOIN_PARTS_MAX];
};

/* The begin of a member's share of `count`; its end is the begin of the next. */
static uint64_t share(const struct building *building, uint64_t count, uint32_t number)
{
    return count * number / building->members;
}

/* Puts a row before the rows with its key. Rows come in descending order. */
static void link_row(struct join_table *table, uint32_t row, uint32_t *head, bool *unique)
{
    table->chain[row] = *head;
    *unique = *unique && *head == 0;
    *head = row + 1;
}

/* The values of a member's chunks. */
static tdbplus_status read_chunks(void *ctx, uint32_t number, struct pipeline *input,
                                  struct exec *exec)
{
    struct building *building = ctx;
    struct integers *integers = &building->integers;
    struct finding found = {.min = INT64_MAX, .max = INT64_MIN, .unique = true};
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    (void)input;
    uint32_t chunk_count = building->store->chunk_count;
    uint32_t end = (uint32_t)share(building, chunk_count, number + 1);
    for (uint32_t chunk = (uint32_t)share(building, chunk_count, number); chunk < end; chunk++) {
        struct column *column = NULL;
        TRY_OR(done, chunk_keys(exec, building->store, chunk, &building->keys[building->key], 1,
                                &batch, &column));
        struct func_rows rows = batch_rows(&batch);
        uint32_t first = chunk * BATCH_ROW_COUNT_MAX;
        int64_t *values = integers->values + first;
        read_integers(column, &rows, values);
        bool nullable = may_be_null(column);
        for (uint32_t i = 0; i < rows.count; i++) {
            if (nullable && column_is_null(column, i)) {
                integers->nulls[(first + i) / 64] |= (uint64_t)1 << ((first + i) % 64);
                continue;
            }
            found.min = values[i] < found.min ? values[i] : found.min;
            found.max = values[i] > found.max ? values[i] : found.max;
        }
    }
    building->findings[number] = found;
done:
    batch_deinit(&batch);
    return status;
}

static bool is_null(const struct integers *integers, uint32_t row)
{
    return (integers->nulls[row / 64] >> (row % 64) & 1) != 0;
}

/* Notes and links the rows whose values are in the member's share of the range, whole words. */
static tdbplus_status link_values(void *ctx, uint32_t number, struct pipeline *input,
                                  struct exec *exec)
{
    struct building *building = ctx;
    struct join_table *table = building->table;
    const struct integers *integers = &building->integers;
    uint64_t words = (table->range - 1) / 64 + 1;
    uint64_t begin = share(building, words, number) * 64;
    uint64_t size = share(building, words, number + 1) * 64 - begin;
    uint64_t *present = building->values == NULL ? NULL : building->values->present;
    (void)input;
    for (uint32_t row = building->store->row_count; row > 0; row--) {
        uint32_t at_row = row - 1;
        uint64_t at = (uint64_t)integers->values[at_row] - (uint64_t)table->base;
        if (row % BATCH_ROW_COUNT_MAX == 0) {
            TRY(exec_check(exec));
        }
        if (at - begin >= size || is_null(integers, at_row)) {
            continue;
        }
        if (present != NULL) {
            present[at / 64] |= (uint64_t)1 << (at % 64);
        }
        if (building->direct) {
            link_row(table, at_row, &table->heads[at], &building->findings[number].unique);
        }
    }
    return TDBPLUS_OK;
}

static uint64_t range_of(const struct integers *integers)
{
    uint64_t range = (uint64_t)integers->max - (uint64_t)integers->min;
    return integers->max < integers->min ? 1 : range == UINT64_MAX ? range : range + 1;
}

/* Room for which values are there at all, for scans to ask, if those are not spread too far. */
static tdbplus_status make_present(struct building *building, struct exec *exec)
{
    struct join_table *table = building->table;
    struct join_values values = {.base = table->base, .range = table->range};
    building->values = NULL;
    if (values.range > PRESENT_RANGE_MAX ||
        (values.range > DIRECT_RANGE_MIN &&
         values.range / PRESENT_SPARSE > building->store->row_count)) {
        return TDBPLUS_OK;
    }
    values.word_count = values.range / 64 + 1;
    values.present = alloc_array(table->alloc, (size_t)values.word_count, sizeof(uint64_t));
    if (values.present == NULL) {
        return exec_no_memory(exec);
    }
    building->values = &table->values[building->key];
    *building->values = values;
    return TDBPLUS_OK;
}

/* Room for rows by value, if one column is the key and its values are not spread too far. */
static tdbplus_status make_heads(struct building *building, struct exec *exec)
{
    struct join_table *table = building->table;
    building->direct = table->layout.column_count == 1 &&
                       (table->range <= DIRECT_RANGE_MIN ||
                        (table->range - 1) / DIRECT_SPARSE < building->store->row_count);
    if (!building->direct) {
        return TDBPLUS_OK;
    }
    table->heads = alloc_array(table->alloc, (size_t)table->range, sizeof *table->heads);
    if (table->heads == NULL) {
        return exec_no_memory(exec);
    }
    table->head_count = table->range;
    table->direct = true;
    return TDBPLUS_OK;
}

static tdbplus_status run(struct building *building,
                          tdbplus_status (*work)(void *, uint32_t, struct pipeline *,
                                                 struct exec *))
{
    struct pipeline none = {0};
    building->team.work = work;
    building->team.ctx = building;
    return team_run(&building->team, &none);
}

static tdbplus_status note_integers(struct building *building, struct exec *exec)
{
    struct integers *integers = &building->integers;
    TRY(run(building, read_chunks));
    integers->min = INT64_MAX;
    integers->max = INT64_MIN;
    for (uint32_t i = 0; i < building->members; i++) {
        const struct finding *found = &building->findings[i];
        integers->min = found->min < integers->min ? found->min : integers->min;
        integers->max = found->max > integers->max ? found->max : integers->max;
    }
    building->table->range = range_of(integers);
    building->table->base = integers->max < integers->min ? 0 : integers->min;
    TRY(make_present(building, exec));
    TRY(make_heads(building, exec));
    if (building->values == NULL && !building->direct) {
        return TDBPLUS_OK;
    }
    return run(building, link_values);
}

/* Notes the values of one key column of integers, and links rows by them if it is the only one. */
static tdbplus_status note_key(struct building *building, struct exec *exec)
{
    const struct alloc *alloc = building->table->alloc;
    struct integers *integers = &building->integers;
    size_t count = building->store->row_count + (size_t)1;
    size_t words = count / 64 + 1;
    *integers = (struct integers){.values = alloc_raw(alloc, count * sizeof(int64_t)),
                                  .nulls = alloc_array(alloc, words, sizeof(uint64_t))};
    tdbplus_status status = integers->values == NULL || integers->nulls == NULL
                                ? exec_no_memory(exec)
                                : note_integers(building, exec);
    alloc_free(alloc, integers->values, count, sizeof(int64_t));
    alloc_free(alloc, integers->nulls, words, sizeof(uint64_t));
    return status;
}

/* ---- by hash ---- */

/* Moves what belongs to a part to the front; *rows_out tells where in the chunk each was. */
static uint32_t choose_part(const struct join_table *table, uint32_t part, struct key_rows *keys,
                            uint32_t count, uint16_t *rows_out)
{
    size_t size = table->layout.size;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (group_part(keys->hashes[i], table->part_count) == part &&
            key_rows_mask(&table->layout, keys, i) == 0) {
            memmove(keys->keys + size * kept, keys->keys + size * i, size);
            keys->hashes[kept] = keys->hashes[i];
            rows_out[kept++] = (uint16_t)i;
        }
    }
    return kept;
}

static tdbplus_status add_chunk(struct building *building, uint32_t part, struct exec *exec,
                                uint32_t chunk, struct batch *batch)
{
    struct join_table *table = building->table;
    struct group_table *groups = &table->tables[part];
    struct column *columns = NULL;
    TRY(chunk_keys(exec, building->store, chunk, building->keys, table->layout.column_count, batch,
                   &columns));
    struct func_rows rows = batch_rows(batch);
    struct key_rows keys = {0};
    size_t size = rows.count + (size_t)1;
    uint8_t **records = arena_alloc(&batch->arena, size * sizeof *records);
    uint16_t *fresh = arena_alloc(&batch->arena, 2 * size * sizeof *fresh);
    if (records == NULL || fresh == NULL) {
        return exec_no_memory(exec);
    }
    uint16_t *own = fresh + size;
    TRY(key_rows_make(exec, &table->layout, columns, &rows, &batch->arena, &keys));
    uint32_t count = choose_part(table, part, &keys, rows.count, own);
    uint32_t fresh_count = 0;
    TRY(group_table_add(groups, exec, &keys, count, records, fresh, &fresh_count));
    uint32_t first = chunk * BATCH_ROW_COUNT_MAX;
    for (uint32_t i = count; i > 0; i--) {
        uint8_t *payload = records[i - 1] + groups->payload_offset;
        link_row(table, first + own[i - 1], (uint32_t *)(void *)payload,
                 &building->findings[part].unique);
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_part(void *ctx, uint32_t number, struct pipeline *input,
                               struct exec *exec)
{
    struct building *building = ctx;
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    (void)input;
    for (uint32_t chunk = building->store->chunk_count; chunk > 0; chunk--) {
        TRY_OR(done, add_chunk(building, number, exec, chunk - 1, &batch));
    }
done:
    batch_deinit(&batch);
    return status;
}

/* Several do it where rows are many and keys are columns, which nobody has to compute. */
static tdbplus_status open_building(struct building *building, struct exec *exec)
{
    const struct join_table *table = building->table;
    uint32_t size = building->store->row_count < TOGETHER_ROWS ? 1 : exec->thread_count;
    for (uint32_t k = 0; k < table->layout.column_count; k++) {
        size = building->keys[k]->kind == EXPR_SLOT ? size : 1;
    }
    uint32_t parts = 1;
    while (parts * 2 <= size && parts < JOIN_PARTS_MAX) {
        parts *= 2;
    }
    TRY(team_open_bare(&building->team, exec, parts));
    building->members = building->team.worker_count + 1;
    for (uint32_t i = 0; i < building->members; i++) {
        building->findings[i].unique = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status build(struct building *building, struct exec *exec)
{
    struct join_table *table = building->table;
    for (uint32_t k = 0; k < table->layout.column_count && k < JOIN_VALUES_COUNT_MAX; k++) {
        if (is_integer(building->keys[k]->type)) {
            building->key = k;
            TRY(note_key(building, exec));
        }
    }
    if (!table->direct) {
        table->part_count = building->members;
        TRY(run(building, add_part));
    }
    for (uint32_t i = 0; i < building->members; i++) {
        table->unique = table->unique && building->findings[i].unique;
    }
    return TDBPLUS_OK;
}

tdbplus_status join_table_build(struct join_table *table, struct exec *exec,
                                const struct row_store *store, struct expr *const *keys)
{
    tdbplus_status status = TDBPLUS_OK;
    struct building building = {.table = table, .store = store, .keys = keys};
    table->chain = alloc_array(table->alloc, store->row_count + 1u, sizeof *table->chain);
    if (table->chain == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    table->chain_count = store->row_count + 1u;
    TRY_OR(done, open_building(&building, exec));
    TRY_OR(done, build(&building, exec));
    if (table->unique) {
        alloc_free(table->alloc, table->chain, table->chain_count, sizeof *table->chain);
        table->chain = NULL;
        table->chain_count = 0;
    }
    table->built = true;
done:
    team_close(&building.team);
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
    group_table_find(table->tables, table->part_count, &keys, rows->count, records);
    for (uint32_t i = 0; i < rows->count; i++) {
        firsts_out[i] = ROW_NONE;
        if (records[i] != NULL && key_rows_mask(&table->layout, &keys, i) == 0) {
            uint32_t head;
            memcpy(&head, records[i] + table->tables->payload_offset, sizeof head);
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
