/*
 * Spilling: row changes that have grown past the budget become stages, as loads are (stages.h):
 * their rows go into segments that only the transaction sees, and what stays in memory is the keys
 * of those that were there before.
 *
 *   changes   r r r | r r r r | r r        |: savepoints that may be rolled back to, and where the
 *             ----+-  ---+---   -+-           statement at hand began
 *                 v      v       v
 *   stages      n + 1  n + 2   n + 3       for each collection that the part has changed
 *
 * Between two cuts the newest change of a key counts. No savepoint lies within a stage, so rolling
 * back is still forgetting stages and changes from a number on. The rows are locked, so what was
 * there when the change was made is still what is there.
 */

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "txn/txn_internal.h"

struct spill {
    struct txn *txn;
    const struct call *call;
    struct changes next; /* What stays in memory. */
    struct list cuts;    /* uint64_t: numbers of changes that parts end before, ascending. */
    uint64_t part_begin; /* Of the part at hand. */
    uint64_t part_end;
    uint64_t statement; /* Of its newest change. */
    uint64_t first_row; /* The first change that is one of a row and not made for a stage. */
    bool some;          /* A stage was made. */
};

/* What one stage is made of. */
struct spill_stage {
    const struct object *object;
    uint32_t number;
    uint32_t *order; /* Numbers of the changes in order of key, one for a key. */
    uint32_t count;
    struct version *below; /* What was there before the stage. */
    struct segment_writer *writer;
    uint64_t writer_id;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "spill: it does not fit the memory limit");
}

size_t txn_changes_size(const struct txn *txn)
{
    const struct changes *changes = &txn->changes;
    size_t bytes = changes->arena.used_bytes; // The last block may be all but empty.
    bytes -= bytes < ARENA_BLOCK_SIZE_DEFAULT ? bytes : ARENA_BLOCK_SIZE_DEFAULT;
    return bytes + changes->items.count * sizeof(struct change);
}

/* ---- savepoints ---- */

struct txn_savepoint txn_savepoint_set(struct txn *txn)
{
    struct txn_savepoint savepoint = {
        .change_count = txn->changes.items.count,
        .catalog_change_count = txn->objects.count,
        .stage_count = txn->stages.count,
        .lock_mark = lock_owner_mark(&txn->locks),
        .pending_count = txn->pending.items.count,
        .mark = ++txn->mark_last,
    };
    if (list_push(&txn->marks, &savepoint) == NULL) {
        // It cannot be followed, so nothing may move.
        savepoint.mark = 0;
        txn->spill_off = true;
    }
    return savepoint;
}

/* Position of the mark behind the savepoint's; 0 when that is gone. */
static size_t find_mark(const struct txn *txn, const struct txn_savepoint *savepoint)
{
    for (size_t i = txn->marks.count; i > 0; i--) {
        const struct txn_savepoint *mark = list_at(&txn->marks, i - 1);
        if (mark->mark == savepoint->mark) {
            return i;
        }
    }
    return 0;
}

void txn_savepoint_release(struct txn *txn, struct txn_savepoint savepoint)
{
    size_t at = savepoint.mark == 0 ? 0 : find_mark(txn, &savepoint);
    if (at > 0) {
        list_remove(&txn->marks, at - 1);
    }
}

struct txn_savepoint txn_savepoint_now(struct txn *txn, struct txn_savepoint savepoint)
{
    size_t at = savepoint.mark == 0 ? 0 : find_mark(txn, &savepoint);
    if (at > 0) {
        savepoint = *(struct txn_savepoint *)list_at(&txn->marks, at - 1);
        txn->marks.count = at; // Later ones are gone with what came after it.
    }
    return savepoint;
}

/* ---- what goes into a stage ---- */

static int compare_changes(const void *left, const void *right, void *ctx)
{
    const struct changes *changes = ctx;
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    int order = span_compare(changes_at(changes, a)->key.key, changes_at(changes, b)->key.key);
    return order != 0 ? order : (a > b) - (a < b);
}

/* Lists the part's newest changes of one collection, in order of key. */
static tdbplus_status list_changes(const struct spill *spill, uint32_t table,
                                   struct spill_stage *stage, uint32_t capacity)
{
    struct changes *changes = &spill->txn->changes;
    uint32_t count = 0;
    for (uint64_t i = spill->part_begin; i < spill->part_end; i++) {
        const struct change *change = changes_at(changes, (uint32_t)i);
        if (change->table == table && change->load == 0) {
            ASSERT(count < capacity);
            stage->order[count++] = (uint32_t)i;
        }
    }
    if (count > 1) {
        qsort_r(stage->order, count, sizeof *stage->order, compare_changes, changes);
    }
    stage->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool newest =
            i + 1 == count || span_compare(changes_at(changes, stage->order[i])->key.key,
                                           changes_at(changes, stage->order[i + 1])->key.key) != 0;
        if (newest) {
            stage->order[stage->count++] = stage->order[i];
        }
    }
    return TDBPLUS_OK;
}

/* ---- rows that were there ---- */

static struct span copy_bytes(struct arena *arena, struct span bytes)
{
    uint8_t *copy = arena_bytes(arena, bytes.size);
    if (copy != NULL && bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return (struct span){.data = copy, .size = bytes.size};
}

/* Keeps a change in memory: one made for a stage, new or old. */
static tdbplus_status keep_change(struct spill *spill, const struct object *object,
                                  const struct change *change, struct err *err)
{
    struct change_table *table = NULL;
    struct change own = *change;
    TRY(changes_table(&spill->next, object, &table, err));
    own.key.key = copy_bytes(&spill->next.arena, change->key.key);
    own.row = (struct span){0};
    if (own.key.key.data == NULL) {
        return no_memory(err);
    }
    return changes_add(&spill->next, table, &own, err);
}

/* Notes which of the stage's keys are in the version below it: those hide there. [waits] */
static tdbplus_status hide_older(struct spill *spill, const struct spill_stage *stage,
                                 struct err *err)
{
    const struct changes *changes = &spill->txn->changes;
    struct segment_key keys[VERSION_FIND_MAX];
    struct open_row open[VERSION_FIND_MAX];
    for (uint32_t first = 0; first < stage->count; first += VERSION_FIND_MAX) {
        uint32_t left = stage->count - first;
        uint32_t count = left < VERSION_FIND_MAX ? left : VERSION_FIND_MAX;
        for (uint32_t i = 0; i < count; i++) {
            keys[i] = changes_at(changes, stage->order[first + i])->key;
        }
        TRY(version_find_open(stage->below, keys, count, open, err));
        for (uint32_t i = 0; i < count; i++) {
            struct change change = {.kind = COMMIT_DELETE,
                                    .key = keys[i],
                                    .load = stage->number,
                                    .statement = spill->statement};
            if (open[i].found && !planted(PLANT_SPILL_REPLACED_STAY)) {
                TRY(keep_change(spill, stage->object, &change, err));
            }
        }
    }
    return TDBPLUS_OK;
}

/* ---- rows into a segment ---- */

/* Up to 2,048 rows from position *at on; `keys` are those of its live rows. */
static tdbplus_status fill_batch(struct spill *spill, const struct spill_stage *stage, uint32_t *at,
                                 struct batch *batch, struct span *keys, struct err *err)
{
    const struct changes *changes = &spill->txn->changes;
    const struct schema *schema = stage->object->schema;
    batch_reset(batch);
    batch->row_count = 0;
    batch->columns = arena_array(&batch->arena, schema->column_count, sizeof *batch->columns);
    struct datum *values = arena_array(&batch->arena, schema->column_count, sizeof *values);
    if (batch->columns == NULL || values == NULL) {
        return no_memory(err);
    }
    batch->column_count = schema->column_count;
    for (uint32_t c = 0; c < schema->column_count; c++) {
        if (!column_make(&batch->columns[c], schema->columns[c].type, BATCH_ROW_COUNT_MAX,
                         !schema->columns[c].not_null, &batch->arena)) {
            return no_memory(err);
        }
    }
    for (; *at < stage->count && batch->row_count < BATCH_ROW_COUNT_MAX; (*at)++) {
        const struct change *change = changes_at(changes, stage->order[*at]);
        if (change->kind != COMMIT_PUT) {
            continue;
        }
        TRY(row_decode(schema, change->row, values, err));
        for (uint32_t c = 0; c < schema->column_count; c++) {
            column_set(&batch->columns[c], batch->row_count, &values[c]);
        }
        keys[batch->row_count++] = change->key.key;
    }
    for (uint32_t c = 0; c < schema->column_count; c++) {
        batch->columns[c].row_count = batch->row_count;
    }
    return TDBPLUS_OK;
}

static tdbplus_status write_batches(struct spill *spill, struct spill_stage *stage,
                                    struct batch *batch, struct span *keys, struct err *err)
{
    struct store *store = spill->txn->store;
    bool integer = key_is_integer(stage->object->schema);
    for (uint32_t at = 0; at < stage->count;) {
        TRY(env_check_call(store_env(store), spill->call));
        TRY(fill_batch(spill, stage, &at, batch, keys, err));
        if (batch->row_count == 0) {
            continue;
        }
        if (stage->writer == NULL) {
            TRY(store_load_begin(store, stage->object, &stage->writer, &stage->writer_id, err));
        }
        TRY(segment_writer_add(stage->writer, batch, integer ? NULL : keys, NULL, err));
    }
    return TDBPLUS_OK;
}

/* The stage's rows become a segment; there is none when all are deletes. [waits] */
static tdbplus_status write_segment(struct spill *spill, struct spill_stage *stage, struct err *err)
{
    const struct alloc *alloc = spill->txn->alloc;
    struct span *keys = alloc_array(alloc, BATCH_ROW_COUNT_MAX, sizeof *keys);
    if (keys == NULL) {
        return no_memory(err);
    }
    struct batch batch;
    batch_init(&batch, alloc);
    tdbplus_status status = write_batches(spill, stage, &batch, keys, err);
    batch_deinit(&batch);
    alloc_free(alloc, keys, BATCH_ROW_COUNT_MAX, sizeof *keys);
    struct list *segments = &stages_at(&spill->txn->stages, stage->number)->segments;
    if (status == TDBPLUS_OK && stage->writer != NULL) {
        struct segment_ref *ref = NULL;
        struct segment_writer *writer = stage->writer;
        if (!list_reserve(segments, 1)) {
            return no_memory(err);
        }
        stage->writer = NULL;
        TRY(store_load_end(spill->txn->store, writer, stage->writer_id, &ref, err));
        (void)list_push(segments, &ref);
    }
    return status;
}

/* ---- one stage, one part, all ---- */

static uint64_t bytes_of(const struct spill *spill, const struct spill_stage *stage)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < stage->count; i++) {
        const struct change *change = changes_at(&spill->txn->changes, stage->order[i]);
        bytes += change->key.key.size + change->row.size;
    }
    return bytes;
}

static tdbplus_status fill_stage(struct spill *spill, struct spill_stage *stage, struct err *err)
{
    struct txn *txn = spill->txn;
    struct change_table *table = NULL;
    struct arena arena = {0};
    struct stages_view view = {0};
    TRY(changes_table(&spill->next, stage->object, &table, err)); // The commit asks for it.
    arena_init(&arena, txn->alloc, 0);
    struct version *base = version_acquire(stage->object->collection);
    tdbplus_status status =
        stages_view(&txn->stages, stage->object, UINT64_MAX, base, &arena, &view, err);
    version_release(base);
    arena_deinit(&arena);
    TRY(status);
    stage->below = view.version;
    if (stages_add(&txn->stages, stage->object->id, spill->statement) == NULL) {
        return no_memory(err);
    }
    stage->number = (uint32_t)txn->stages.count;
    TRY(hide_older(spill, stage, err));
    TRY(write_segment(spill, stage, err));
    struct txn_stage *made = stages_at(&txn->stages, stage->number);
    made->byte_count = bytes_of(spill, stage);
    made->is_done = true;
    spill->some = true;
    return TDBPLUS_OK;
}

static tdbplus_status spill_table(struct spill *spill, uint32_t table, struct err *err)
{
    struct txn *txn = spill->txn;
    const struct change_table *from = list_at(&txn->changes.tables, table);
    uint32_t capacity = 0;
    for (uint64_t i = spill->part_begin; i < spill->part_end; i++) {
        const struct change *change = changes_at(&txn->changes, (uint32_t)i);
        capacity += change->table == table && change->load == 0 ? 1 : 0;
    }
    if (capacity == 0) {
        return TDBPLUS_OK;
    }
    struct spill_stage stage = {.object = from->object};
    stage.order = alloc_array(txn->alloc, capacity, sizeof *stage.order);
    if (stage.order == NULL) {
        return no_memory(err);
    }
    tdbplus_status status = list_changes(spill, table, &stage, capacity);
    if (status == TDBPLUS_OK) {
        status = fill_stage(spill, &stage, err);
    }
    segment_writer_abandon(stage.writer);
    version_release(stage.below);
    alloc_free(txn->alloc, stage.order, capacity, sizeof *stage.order);
    return status;
}

/* What was made for stages before stays as it is. */
static tdbplus_status keep_old(struct spill *spill, struct err *err)
{
    struct changes *changes = &spill->txn->changes;
    for (uint64_t i = spill->part_begin; i < spill->part_end; i++) {
        const struct change *change = changes_at(changes, (uint32_t)i);
        const struct change_table *table = list_at(&changes->tables, change->table);
        if (change->load != 0) {
            TRY(keep_change(spill, table->object, change, err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status spill_part(struct spill *spill, struct err *err)
{
    struct changes *changes = &spill->txn->changes;
    spill->statement = changes_at(changes, (uint32_t)(spill->part_end - 1))->statement;
    TRY(keep_old(spill, err));
    for (uint32_t table = 0; table < changes->tables.count; table++) {
        TRY(spill_table(spill, table, err));
    }
    return TDBPLUS_OK;
}

/* Where savepoints lie now that the changes before `cut` are dealt with. */
static void move_marks(const struct spill *spill, struct list *moved, uint64_t cut)
{
    for (size_t i = 0; i < spill->txn->marks.count; i++) {
        const struct txn_savepoint *mark = list_at(&spill->txn->marks, i);
        struct txn_savepoint *to = list_at(moved, i);
        if (mark->change_count == cut && !planted(PLANT_SPILL_SAVEPOINTS_STAY)) {
            to->change_count = spill->next.items.count;
            to->stage_count = spill->some ? spill->txn->stages.count : mark->stage_count;
        }
    }
}

static int compare_cuts(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Savepoints, and the first change of the statement at hand: its scans do not see what follows. */
static tdbplus_status find_cuts(struct spill *spill, struct err *err)
{
    const struct txn *txn = spill->txn;
    uint64_t count = txn->changes.items.count;
    uint64_t own = count;
    while (own > 0 && changes_at(&txn->changes, (uint32_t)(own - 1))->statement == txn->statement) {
        own--;
    }
    if (!list_reserve(&spill->cuts, txn->marks.count + 2)) {
        return no_memory(err);
    }
    (void)list_push(&spill->cuts, &own);
    (void)list_push(&spill->cuts, &count);
    for (size_t i = 0; i < txn->marks.count; i++) {
        const struct txn_savepoint *mark = list_at(&txn->marks, i);
        (void)list_push(&spill->cuts, &mark->change_count);
    }
    qsort(spill->cuts.items, spill->cuts.count, sizeof(uint64_t), compare_cuts);
    return TDBPLUS_OK;
}

/* A stage made after a savepoint must stay behind the stages made of changes before it. */
static bool may_spill(const struct spill *spill)
{
    const struct txn *txn = spill->txn;
    for (const struct scan_link *link = txn->scans; link != NULL; link = link->next) {
        if (link->change_count > 0 && !link->over) {
            return false; // It reads them where they are.
        }
    }
    for (uint32_t number = 1; number <= txn->stages.count; number++) {
        if (!stages_at(&txn->stages, number)->is_done) {
            return false; // A load is under way.
        }
    }
    for (size_t i = 0; i < txn->marks.count; i++) {
        const struct txn_savepoint *mark = list_at(&txn->marks, i);
        if (mark->change_count > spill->first_row && mark->stage_count < txn->stages.count) {
            return false;
        }
    }
    return spill->first_row < txn->changes.items.count;
}

static tdbplus_status spill_all(struct spill *spill, struct list *moved, struct err *err)
{
    struct txn *txn = spill->txn;
    for (size_t i = 0; i < txn->marks.count; i++) {
        if (list_push(moved, list_at(&txn->marks, i)) == NULL) {
            return no_memory(err);
        }
    }
    TRY(find_cuts(spill, err));
    for (size_t i = 0; i < spill->cuts.count; i++) {
        spill->part_end = *(uint64_t *)list_at(&spill->cuts, i);
        if (spill->part_end > spill->part_begin) {
            TRY(spill_part(spill, err));
        }
        move_marks(spill, moved, spill->part_end);
        spill->part_begin = spill->part_end;
    }
    return TDBPLUS_OK;
}

/* [waits] */
static tdbplus_status run(struct txn *txn, uint64_t first_row, const struct call *call)
{
    uint64_t stage_count = txn->stages.count;
    struct spill spill = {.txn = txn, .call = call, .first_row = first_row};
    struct list moved = {0};
    if (!may_spill(&spill)) {
        return TDBPLUS_OK;
    }
    changes_init(&spill.next, txn->alloc);
    list_init(&spill.cuts, txn->alloc, sizeof(uint64_t));
    list_init(&moved, txn->alloc, sizeof(struct txn_savepoint));
    tdbplus_status status = spill_all(&spill, &moved, call->err);
    if (status == TDBPLUS_OK) {
        struct changes before = txn->changes;
        struct list marks = txn->marks;
        txn->changes = spill.next;
        txn->marks = moved;
        spill.next = before;
        moved = marks;
    } else {
        stages_rollback(&txn->stages, stage_count);
    }
    changes_deinit(&spill.next);
    list_deinit(&spill.cuts);
    list_deinit(&moved);
    return status;
}

tdbplus_status txn_spill_if_large(struct txn *txn, const struct call *call)
{
    size_t limit = txn->options.change_bytes_max != 0 ? txn->options.change_bytes_max
                                                      : store_load_sort_bytes(txn->store);
    size_t size = txn_changes_size(txn);
    if (size < limit || size < txn->spill_at || txn->spill_off) {
        return TDBPLUS_OK;
    }
    uint64_t first_row = 0;
    while (first_row < txn->changes.items.count &&
           changes_at(&txn->changes, (uint32_t)first_row)->load != 0) {
        first_row++;
    }
    TRY(run(txn, first_row, call));
    // Keys may stay: then the next time is when as much again has come.
    txn->spill_at = txn_changes_size(txn) + limit;
    return TDBPLUS_OK;
}
