#include "sql/exec/analyze.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/hyperloglog.h"
#include "catalog/catalog.h"
#include "sql/exec/exec_groups.h"

/*
 * The entry of a table: version u8 | rows u64 | columns u32 | for each: id u32, distinct u64, share
 * of nulls in 1/2^32 u32. Columns are known by their ids, so they may come and go.
 */
#define ENTRY_VERSION     1u
#define ENTRY_HEADER_SIZE 13u
#define ENTRY_COLUMN_SIZE 16u
#define NULL_SHARE_UNIT   4294967295.0

struct analyzed {
    struct key_layout layout; /* Of the column alone. */
    struct hyperloglog *values;
    uint64_t null_count;
};

struct analysis {
    struct exec *exec;
    const struct object *table;
    struct analyzed *columns; /* Of the schema. */
    uint64_t row_count;
};

static tdbplus_status prepare(struct analysis *analysis)
{
    struct exec *exec = analysis->exec;
    const struct schema *schema = analysis->table->schema;
    uint32_t count = schema->column_count;
    analysis->columns = arena_array(&exec->arena, count + 1u, sizeof *analysis->columns);
    if (analysis->columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < count; c++) {
        struct analyzed *column = &analysis->columns[c];
        TRY(key_layout_make(exec, &schema->columns[c].type, 1, &column->layout));
        column->values = arena_array(&exec->arena, 1, sizeof *column->values);
        if (column->values == NULL) {
            return exec_no_memory(exec);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_batch(struct analysis *analysis, struct batch *batch)
{
    struct func_rows rows = batch_rows(batch);
    analysis->row_count += rows.count;
    for (uint32_t c = 0; c < batch->column_count; c++) {
        struct analyzed *column = &analysis->columns[c];
        struct key_rows keys = {0};
        TRY(key_rows_make(analysis->exec, &column->layout, &batch->columns[c], &rows, &batch->arena,
                          &keys));
        for (uint32_t i = 0; i < rows.count; i++) {
            if (key_rows_mask(&column->layout, &keys, i) != 0) {
                column->null_count++;
            } else {
                hyperloglog_add(column->values, hash_u64(keys.hashes[i]));
            }
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_table(struct analysis *analysis)
{
    struct exec *exec = analysis->exec;
    const struct schema *schema = analysis->table->schema;
    struct scan *scan = NULL;
    uint32_t *positions = arena_array(&exec->arena, schema->column_count + 1u, sizeof *positions);
    if (positions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < schema->column_count; c++) {
        positions[c] = c;
    }
    struct scan_options options = {.positions = positions, .position_count = schema->column_count};
    TRY(scan_open(exec->txn, analysis->table, &options, &scan, exec->call->err));
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    while ((status = scan_next(scan, &batch, exec->call)) == TDBPLUS_OK) {
        TRY_OR(done, exec_check(exec));
        TRY_OR(done, add_batch(analysis, &batch));
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
done:
    batch_deinit(&batch);
    scan_close(scan);
    return status;
}

/* ---- the entry ---- */

static bool find_entry(struct txn *txn, const struct object *table, struct catalog_entry *entry)
{
    char name[CATALOG_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, "%" PRIu64, table->id);
    return catalog_entry_find(txn, CATALOG_STATISTICS, NULL, name, entry);
}

static void put_entry(const struct analysis *analysis, struct buffer *buffer)
{
    const struct schema *schema = analysis->table->schema;
    buffer_put_u8(buffer, ENTRY_VERSION);
    buffer_put_u64(buffer, analysis->row_count);
    buffer_put_u32(buffer, schema->column_count);
    for (uint32_t c = 0; c < schema->column_count; c++) {
        const struct analyzed *column = &analysis->columns[c];
        double rows = analysis->row_count == 0 ? 1 : (double)analysis->row_count;
        double distinct = hyperloglog_count(column->values);
        distinct = distinct > rows ? rows : distinct;
        buffer_put_u32(buffer, schema->columns[c].id);
        buffer_put_u64(buffer, (uint64_t)(distinct + 0.5));
        buffer_put_u32(buffer, (uint32_t)((double)column->null_count / rows * NULL_SHARE_UNIT));
    }
}

static tdbplus_status keep(struct analysis *analysis)
{
    struct exec *exec = analysis->exec;
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, exec->call->alloc);
    put_entry(analysis, &buffer);
    if (buffer.failed) {
        status = exec_no_memory(exec);
        goto done;
    }
    struct catalog_entry entry = {0};
    uint64_t oid = 0;
    bool exists = find_entry(exec->txn, analysis->table, &entry);
    (void)snprintf(entry.name, sizeof entry.name, "%" PRIu64, analysis->table->id);
    entry.kind = CATALOG_STATISTICS;
    entry.owner = analysis->table->id;
    entry.definition = buffer_span(&buffer);
    status = exists ? catalog_entry_alter(exec->txn, entry.oid, &entry, exec->call->err)
                    : catalog_entry_create(exec->txn, &entry, &oid, exec->call->err);
done:
    buffer_deinit(&buffer);
    return status;
}

tdbplus_status analyze_table(struct exec *exec, const struct object *table)
{
    struct analysis analysis = {.exec = exec, .table = table};
    TRY(prepare(&analysis));
    TRY(read_table(&analysis));
    return keep(&analysis);
}

bool analyze_find(struct txn *txn, const struct object *table, uint32_t position,
                  struct column_statistics *out)
{
    struct catalog_entry entry = {0};
    if (!find_entry(txn, table, &entry) || entry.definition.size < ENTRY_HEADER_SIZE ||
        entry.definition.data[0] != ENTRY_VERSION) {
        return false;
    }
    const uint8_t *data = entry.definition.data;
    uint64_t count = load_u32(data + 9);
    if ((entry.definition.size - ENTRY_HEADER_SIZE) / ENTRY_COLUMN_SIZE < count) {
        return false;
    }
    for (uint64_t c = 0; c < count; c++) {
        const uint8_t *column = data + ENTRY_HEADER_SIZE + c * ENTRY_COLUMN_SIZE;
        if (load_u32(column) == table->schema->columns[position].id) {
            *out =
                (struct column_statistics){.row_count = load_u64(data + 1),
                                           .distinct = (double)load_u64(column + 4),
                                           .null_share = load_u32(column + 12) / NULL_SHARE_UNIT};
            return true;
        }
    }
    return false;
}
