#include "sql/exec/exec_gather.h"

#include <string.h>

/* Rows of one morsel, or of one join's end, one after the other in a part. */
struct gather_piece {
    uint32_t number; /* Their place among the others. */
    uint32_t part;
    uint32_t first;
    uint32_t count;
    uint32_t to; /* Their first row in the end. */
};

struct gather_part {
    struct row_store store;
    struct arena values; /* Of the store, but */
    struct arena bytes;  /* what its views point to. */
    struct list pieces;  /* struct gather_piece */
};

tdbplus_status gather_open(struct gather *gather, struct exec *exec, const struct plan *plan,
                           struct pipeline *own)
{
    *gather = (struct gather){.own = own};
    const struct stage *source = own->last;
    while (source->before != NULL) {
        source = source->before;
    }
    if (!stage_is_scan(source)) {
        return TDBPLUS_OK;
    }
    TRY(team_open(&gather->team, exec, plan, own));
    if (gather->team.worker_count == 0) {
        return TDBPLUS_OK;
    }
    uint32_t count = gather->team.worker_count + 1;
    gather->parts = arena_array(&exec->arena, count, sizeof *gather->parts);
    if (gather->parts == NULL) {
        return exec_no_memory(exec);
    }
    // For a moment rows are there twice.
    gather->bytes_max = exec->spill_bytes / count / 2;
    for (uint32_t i = 0; i < count; i++) {
        struct gather_part *part = &gather->parts[i];
        arena_init(&part->values, exec->call->alloc, 0);
        arena_init(&part->bytes, exec->call->alloc, 0);
        list_init(&part->pieces, exec->call->alloc, sizeof(struct gather_piece));
        row_store_init(&part->store, &part->values, own->columns, own->column_count);
        part->store.bytes = &part->bytes;
    }
    return TDBPLUS_OK;
}

void gather_close(struct gather *gather)
{
    for (uint32_t i = 0; gather->parts != NULL && i <= gather->team.worker_count; i++) {
        arena_deinit(&gather->parts[i].values);
        arena_deinit(&gather->parts[i].bytes);
        list_deinit(&gather->parts[i].pieces);
    }
    gather->parts = NULL;
    team_close(&gather->team);
}

/* ---- collecting ---- */

static tdbplus_status keep(struct gather_part *part, uint32_t part_number, uint32_t number,
                           struct exec *exec, const struct batch *batch)
{
    struct func_rows rows = batch_rows(batch);
    size_t count = part->pieces.count;
    struct gather_piece *piece = count == 0 ? NULL : list_at(&part->pieces, count - 1);
    if (piece == NULL || piece->number != number) {
        struct gather_piece fresh = {
            .number = number, .part = part_number, .first = part->store.row_count};
        piece = list_push(&part->pieces, &fresh);
        if (piece == NULL) {
            return exec_no_memory(exec);
        }
    }
    piece->count += rows.count;
    return row_store_append(&part->store, exec, batch->columns, &rows);
}

static bool is_full(const struct gather *gather, const struct gather_part *part)
{
    size_t bytes = part->values.used_bytes + part->bytes.used_bytes;
    return gather->bytes_max != 0 && bytes > gather->bytes_max && bytes > SPILL_BYTES_MIN;
}

static tdbplus_status collect_part(void *ctx, uint32_t number, struct pipeline *input,
                                   struct exec *exec)
{
    struct gather *gather = ctx;
    struct gather_part *part = &gather->parts[number];
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    while (!atomic_load_explicit(&gather->team.stop, memory_order_relaxed) &&
           !atomic_load_explicit(&gather->full, memory_order_relaxed) &&
           (status = pipeline_next(input->last, exec, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, keep(part, number, pipeline_piece(input->last), exec, &batch));
        if (is_full(gather, part)) {
            atomic_store_explicit(&gather->full, true, memory_order_relaxed);
        }
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
done:
    batch_deinit(&batch);
    return status;
}

tdbplus_status gather_collect(struct gather *gather, bool *full_out)
{
    gather->team.work = collect_part;
    gather->team.ctx = gather;
    TRY(team_run(&gather->team, gather->own));
    *full_out = atomic_load_explicit(&gather->full, memory_order_relaxed);
    return TDBPLUS_OK;
}

const struct row_store *gather_kept(const struct gather *gather, uint32_t number)
{
    return number <= gather->team.worker_count ? &gather->parts[number].store : NULL;
}

tdbplus_status gather_rest(struct gather *gather, struct batch *batch)
{
    struct exec *leader = gather->team.leader;
    for (; gather->next <= gather->team.worker_count; gather->next++) {
        struct team_worker *worker =
            gather->next == 0 ? NULL : &gather->team.workers[gather->next - 1];
        tdbplus_status status = worker == NULL
                                    ? pipeline_next(gather->own->last, leader, batch)
                                    : pipeline_next(worker->input.last, &worker->exec, batch);
        if (status == TDBPLUS_END) {
            continue;
        }
        if (status != TDBPLUS_OK && worker != NULL && leader->call->err != NULL) {
            *leader->call->err = worker->err;
        }
        return status;
    }
    return TDBPLUS_END;
}

/* ---- arranging ---- */

/* The part whose next piece comes first. Numbers are unique: a morsel is taken once, and of a join
 * one member gives the end. */
static uint32_t first_part(const struct gather *gather, const size_t *at)
{
    uint32_t found = UINT32_MAX;
    uint32_t lowest = 0;
    for (uint32_t i = 0; i <= gather->team.worker_count; i++) {
        const struct list *pieces = &gather->parts[i].pieces;
        if (at[i] == pieces->count) {
            continue;
        }
        const struct gather_piece *piece = list_at(pieces, at[i]);
        if (found == UINT32_MAX || piece->number < lowest) {
            found = i;
            lowest = piece->number;
        }
    }
    return found;
}

static tdbplus_status order_pieces(struct gather *gather, struct exec *exec, uint32_t *row_count)
{
    size_t total = 0;
    uint64_t rows = 0;
    for (uint32_t i = 0; i <= gather->team.worker_count; i++) {
        total += gather->parts[i].pieces.count;
        rows += gather->parts[i].store.row_count;
    }
    size_t *at = arena_array(&exec->arena, gather->team.worker_count + 1u, sizeof *at);
    gather->pieces = arena_array(&exec->arena, total + 1, sizeof *gather->pieces);
    if (at == NULL || gather->pieces == NULL) {
        return exec_no_memory(exec);
    }
    if (rows > ROW_STORE_ROW_COUNT_MAX) {
        return err_set(exec->call->err, TDBPLUS_E_LIMIT,
                       "an operator keeps at most 4 billion rows");
    }
    uint32_t to = 0;
    for (uint32_t part; (part = first_part(gather, at)) != UINT32_MAX;) {
        struct gather_piece *piece = &gather->pieces[gather->piece_count++];
        *piece = *(const struct gather_piece *)list_at(&gather->parts[part].pieces, at[part]++);
        piece->to = to;
        to += piece->count;
    }
    *row_count = to;
    return TDBPLUS_OK;
}

/* Each member fills chunks of its own. */
static tdbplus_status arrange_part(void *ctx, uint32_t number, struct pipeline *input,
                                   struct exec *exec)
{
    const struct gather *gather = ctx;
    uint64_t chunk_count = gather->store->chunk_count;
    uint64_t members = gather->team.worker_count + 1u;
    uint64_t begin = chunk_count * number / members * BATCH_ROW_COUNT_MAX;
    uint64_t end = chunk_count * (number + 1u) / members * BATCH_ROW_COUNT_MAX;
    (void)input;
    for (uint32_t i = 0; i < gather->piece_count; i++) {
        const struct gather_piece *piece = &gather->pieces[i];
        uint64_t low = piece->to > begin ? piece->to : begin;
        uint64_t high =
            (uint64_t)piece->to + piece->count < end ? (uint64_t)piece->to + piece->count : end;
        if (low < high) {
            TRY(exec_check(exec));
            row_store_put(gather->store, (uint32_t)low, &gather->parts[piece->part].store,
                          piece->first + (uint32_t)(low - piece->to), (uint32_t)(high - low));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status gather_arrange(struct gather *gather, struct row_store *store)
{
    uint32_t row_count = 0;
    TRY(order_pieces(gather, gather->team.leader, &row_count));
    TRY(row_store_reserve(store, gather->team.leader, row_count));
    gather->store = store;
    for (uint32_t i = 0; i <= gather->team.worker_count; i++) {
        row_store_note_nulls(store, &gather->parts[i].store);
    }
    gather->team.work = arrange_part;
    TRY(team_run(&gather->team, gather->own));
    for (uint32_t i = 0; i <= gather->team.worker_count; i++) {
        arena_adopt(store->bytes, &gather->parts[i].bytes);
    }
    return TDBPLUS_OK;
}
