#include "storage/memtable/memtable.h"

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/memtable/memtable_internal.h"

#define VALUES_BLOCK_SIZE_FIRST ((size_t)1 << 10)
#define VALUES_BLOCK_SIZE_MAX   ((size_t)256 << 10)
#define FIRST_CHUNK_SIZE        ((size_t)8 << 10)

/* ---- life ---- */

static size_t memtable_block_size(uint32_t column_count)
{
    return sizeof(struct memtable) + column_count * sizeof(struct chunk_layout_column);
}

/* Publishes how much memory is held; the writer calls it when that has changed. */
static void note_size(struct memtable *memtable)
{
    size_t own = memtable_block_size(memtable->schema->column_count);
    atomic_store_explicit(&memtable->size_bytes, own + memtable->memory.held_bytes,
                          memory_order_relaxed);
}

/* Works out the columns and how many rows the smallest chunk has. */
static void plan_layout(struct memtable *memtable)
{
    const struct schema *schema = memtable->schema;
    size_t row_size = sizeof(struct stamp) + sizeof(uint32_t) + sizeof(struct view);
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct type type = schema->columns[i].type;
        memtable->layout[i] = (struct chunk_layout_column){
            .type = type,
            .physical = (uint8_t)type_physical(type),
            .width = (uint32_t)type_width(type),
        };
        row_size += memtable->layout[i].width;
    }
    memtable->rows_first = MEMTABLE_CHUNK_ROW_COUNT;
    while (memtable->rows_first > 1 && memtable->rows_first * row_size > FIRST_CHUNK_SIZE) {
        memtable->rows_first /= 2;
    }
}

tdbplus_status memtable_create(const struct schema *schema, const struct alloc *alloc,
                               struct memtable **memtable_out, struct err *err)
{
    size_t size = memtable_block_size(schema->column_count);
    struct memtable *memtable = alloc_aligned(alloc, size);
    if (memtable == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "memtable: %zu bytes", size);
    }
    memset(memtable, 0, size);
    memtable->schema = schema;
    memtable_memory_init(&memtable->memory, alloc);
    memtable->alloc = &memtable->memory.alloc;
    memtable->integer_key = key_is_integer(schema);
    plan_layout(memtable);
    if (memtable->integer_key) {
        memtable->key_position = schema->key_columns[0];
        memtable->key_physical = memtable->layout[memtable->key_position].physical;
    }
    key_places_init(memtable);
    arena_init(&memtable->values, memtable->alloc, VALUES_BLOCK_SIZE_FIRST);
    atomic_init(&memtable->code_min, UINT64_MAX);
    atomic_init(&memtable->code_max, 0);
    note_size(memtable);
    *memtable_out = memtable;
    return TDBPLUS_OK;
}

void memtable_destroy(struct memtable *memtable)
{
    if (memtable == NULL) {
        return;
    }
    key_places_deinit(memtable);
    tree_deinit(memtable);
    chunks_deinit(memtable);
    arena_deinit(&memtable->values);
    const struct alloc *parent = memtable->memory.parent;
    memtable_memory_deinit(&memtable->memory);
    alloc_free_aligned(parent, memtable, memtable_block_size(memtable->schema->column_count));
}

/* ---- writing ---- */

/* Values lie in blocks that grow with what is there, up to a bound. */
static bool values_reserve(struct memtable *memtable, size_t byte_count)
{
    struct arena *values = &memtable->values;
    if ((size_t)(values->end - values->at) >= byte_count) {
        return true;
    }
    size_t block_size = values->used_bytes / 4;
    block_size = block_size > VALUES_BLOCK_SIZE_FIRST ? block_size : VALUES_BLOCK_SIZE_FIRST;
    block_size = block_size < VALUES_BLOCK_SIZE_MAX ? block_size : VALUES_BLOCK_SIZE_MAX;
    values->block_size = block_size;
    return arena_reserve(values, byte_count);
}

/* The row limit, for whoever reserves. */
static tdbplus_status check_row_count(const struct memtable *memtable, uint32_t row_count,
                                      struct err *err)
{
    uint32_t have = atomic_load_explicit(&memtable->row_count, memory_order_relaxed);
    if (row_count > MEMTABLE_ROW_COUNT_MAX - have) {
        return err_set(err, TDBPLUS_E_LIMIT, "memtable: %u rows and %u more", have, row_count);
    }
    return TDBPLUS_OK;
}

/* What a reserve ends with. */
static tdbplus_status note_reserve(struct memtable *memtable, bool is_done, uint32_t row_count,
                                   size_t byte_count, struct err *err)
{
    note_size(memtable);
    if (!is_done) {
        return err_set(err, TDBPLUS_E_NOMEM, "memtable: room for %u rows, %zu bytes", row_count,
                       byte_count);
    }
    return TDBPLUS_OK;
}

tdbplus_status memtable_reserve(struct memtable *memtable, uint32_t row_count, size_t byte_count,
                                struct err *err)
{
    TRY(check_row_count(memtable, row_count, err));
    bool is_done = chunks_reserve(memtable, row_count) && tree_reserve(memtable, row_count) &&
                   key_places_reserve(memtable, row_count) && values_reserve(memtable, byte_count);
    return note_reserve(memtable, is_done, row_count, byte_count, err);
}

tdbplus_status memtable_reserve_rows(struct memtable *memtable, uint32_t row_count,
                                     size_t byte_count, struct err *err)
{
    TRY(check_row_count(memtable, row_count, err));
    bool is_done = chunks_reserve(memtable, row_count) && values_reserve(memtable, byte_count);
    return note_reserve(memtable, is_done, row_count, byte_count, err);
}

tdbplus_status memtable_links_begin(struct memtable *memtable, struct err *err)
{
    uint32_t waiting = memtable->waiting_count;
    return note_reserve(memtable, key_places_reserve(memtable, waiting), waiting, 0, err);
}

tdbplus_status memtable_reserve_links(struct memtable *memtable, uint32_t row_count,
                                      struct err *err)
{
    return note_reserve(memtable, tree_reserve(memtable, row_count), row_count, 0, err);
}

void memtable_trim(struct memtable *memtable)
{
    tree_trim(memtable);
    note_size(memtable);
}

static void widen_codes(struct memtable *memtable, uint64_t code)
{
    if (code < atomic_load_explicit(&memtable->code_min, memory_order_relaxed)) {
        atomic_store_explicit(&memtable->code_min, code, memory_order_release);
    }
    if (code > atomic_load_explicit(&memtable->code_max, memory_order_relaxed)) {
        atomic_store_explicit(&memtable->code_max, code, memory_order_release);
    }
}

/* Keys that come in order, as times do, mostly lie outside all memtables but one. */
static bool is_outside(const struct memtable *memtable, uint64_t code)
{
    return code < atomic_load_explicit(&memtable->code_min, memory_order_acquire) ||
           code > atomic_load_explicit(&memtable->code_max, memory_order_acquire);
}

/* Ends the version that the put or the link of `row` found, and leads its key to `row`. */
static bool replace_newest(struct memtable *memtable, const struct probe *probe,
                           struct tree_place place, uint32_t row, uint64_t timestamp, bool ascends)
{
    bool ended =
        place.row != MEMTABLE_ROW_NONE && chunk_end_row(memtable, place.row, timestamp, false);
    tree_put(memtable, probe, place, row);
    key_places_put(memtable, probe, place.row, row, ascends);
    return ended;
}

uint32_t memtable_put(struct memtable *memtable, struct span key, uint64_t code,
                      const struct datum *values, uint64_t timestamp, bool *ended_out)
{
    uint32_t row = atomic_load_explicit(&memtable->row_count, memory_order_relaxed);
    ASSERT(row < memtable->rows_capacity); // K5: memtable_reserve() came first.
    const struct probe probe = probe_of(memtable, key, code);
    struct tree_place place = tree_locate(memtable, &probe);
    bool ascends =
        row == 0 || code > atomic_load_explicit(&memtable->code_max, memory_order_relaxed);

    // The row is complete before anything leads to it: count, tree and table, in this order (K1).
    chunk_fill(memtable, row, key, values, timestamp, place.row);
    widen_codes(memtable, code);
    atomic_store_explicit(&memtable->row_count, row + 1, memory_order_release);
    bool ended = replace_newest(memtable, &probe, place, row, timestamp, ascends);
    if (ended_out != NULL) {
        *ended_out = ended;
    }
    return row;
}

uint32_t memtable_append(struct memtable *memtable, struct span key, uint64_t code,
                         const struct datum *values, uint64_t timestamp)
{
    uint32_t row = atomic_load_explicit(&memtable->row_count, memory_order_relaxed);
    ASSERT(row < memtable->rows_capacity); // K5: memtable_reserve_rows() came first.
    chunk_fill(memtable, row, key, values, timestamp, MEMTABLE_ROW_NONE);
    widen_codes(memtable, code);
    atomic_store_explicit(&memtable->row_count, row + 1, memory_order_release);
    memtable->waiting_first = memtable->waiting_count == 0 ? row : memtable->waiting_first;
    memtable->waiting_count++;
    return row;
}

struct memtable_order memtable_order_of(const struct memtable *memtable, struct span key,
                                        uint64_t code)
{
    const struct probe probe = probe_of(memtable, key, code);
    return (struct memtable_order){
        .code = code, .tail = probe.tail, .hash = key_places_hash(&probe)};
}

/* The key itself is only fetched, from the row, where another one ties with it. */
static struct probe probe_of_row(uint32_t row, struct memtable_order order)
{
    return (struct probe){
        .code = order.code, .tail = order.tail, .hash = order.hash, .row = row, .is_row = true};
}

void memtable_link_prefetch(const struct memtable *memtable, struct memtable_order order)
{
    const struct probe probe = probe_of_row(MEMTABLE_ROW_NONE, order);
    key_places_prefetch(memtable, &probe);
}

bool memtable_link(struct memtable *memtable, uint32_t row, struct memtable_order order)
{
    ASSERT(memtable->waiting_count > 0);
    const struct probe probe = probe_of_row(row, order);
    struct tree_place place = tree_locate(memtable, &probe);
    uint64_t begin = 0;
    if (place.row != MEMTABLE_ROW_NONE) {
        chunk_set_older(memtable, row, place.row);
        begin = memtable_begin(memtable, row);
    }
    memtable->waiting_count--;
    return replace_newest(memtable, &probe, place, row, begin, false);
}

bool memtable_end(struct memtable *memtable, struct span key, uint64_t code, uint64_t timestamp)
{
    uint32_t row = memtable_newest(memtable, key, code);
    return row != MEMTABLE_ROW_NONE && chunk_end_row(memtable, row, timestamp, true);
}

/* ---- reading ---- */

static uint32_t find_newest(const struct memtable *memtable, const struct probe *probe)
{
    uint32_t row = MEMTABLE_ROW_NONE;
    enum key_answer answer = key_places_find(memtable, probe, &row);
    return answer == KEY_UNKNOWN ? tree_find(memtable, probe) : row;
}

uint32_t memtable_newest(const struct memtable *memtable, struct span key, uint64_t code)
{
    if (is_outside(memtable, code)) {
        return MEMTABLE_ROW_NONE;
    }
    const struct probe probe = probe_of(memtable, key, code);
    return find_newest(memtable, &probe);
}

/* The version visible at `snapshot` among `row` and the older ones. */
static uint32_t find_version(const struct memtable *memtable, uint32_t row, uint64_t snapshot)
{
    while (row != MEMTABLE_ROW_NONE) {
        const struct chunk *chunk = chunk_of(memtable, row);
        uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
        const struct stamp *stamp = &chunk->stamps[at];
        if (stamp->begin + planted(PLANT_MEMTABLE_BEGIN_LESS) <= snapshot) {
            // Versions of a key follow each other: if this one ended, all older ones had (K6).
            bool is_visible = snapshot < atomic_load_explicit(&stamp->end, memory_order_acquire);
            return is_visible ? row : MEMTABLE_ROW_NONE;
        }
        row = chunk->older[at];
    }
    return MEMTABLE_ROW_NONE;
}

uint32_t memtable_visible(const struct memtable *memtable, uint32_t newest, uint64_t snapshot)
{
    if (newest == MEMTABLE_ROW_NONE) {
        return newest;
    }
    // A reader whose snapshot covers an end or a newer row was told of it after the tree was, so
    // what the chunk says of all its rows is enough, and it lies in fewer cache lines.
    const struct chunk *chunk = chunk_of(memtable, newest);
    if (atomic_load_explicit(&chunk->begin_max, memory_order_acquire) +
                planted(PLANT_MEMTABLE_BEGIN_LESS) <=
            snapshot &&
        snapshot < atomic_load_explicit(&chunk->newest_end_min, memory_order_acquire)) {
        return newest;
    }
    return find_version(memtable, newest, snapshot);
}

uint32_t memtable_find(const struct memtable *memtable, struct span key, uint64_t code,
                       uint64_t snapshot)
{
    return memtable_visible(memtable, memtable_newest(memtable, key, code), snapshot);
}

#define FIND_BATCH_COUNT 16u /* Keys whose memory accesses overlap. */

/* Fetches what tells whether the row has the key; with `bytes` what its key points to. */
static void prefetch_key(const struct memtable *memtable, uint32_t row, bool bytes)
{
    const struct chunk *chunk = chunk_of(memtable, row);
    uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
    if (memtable->integer_key) {
        const struct chunk_column *column = &chunk->columns[memtable->key_position];
        __builtin_prefetch(column->data +
                           (size_t)at * memtable->layout[memtable->key_position].width);
    } else if (bytes) {
        __builtin_prefetch(view_data(&chunk->keys[at]));
    } else {
        __builtin_prefetch(&chunk->keys[at]);
    }
}

/* Up to FIND_BATCH_COUNT keys, whose lines of the table have been asked for. */
static void find_some(const struct memtable *memtable, const struct memtable_key *keys,
                      uint32_t count, uint64_t snapshot, uint32_t *rows_out)
{
    struct probe probes[FIND_BATCH_COUNT];
    uint32_t guesses[FIND_BATCH_COUNT];
    for (uint32_t i = 0; i < count; i++) {
        probes[i] = probe_of(memtable, keys[i].key, keys[i].code);
        guesses[i] = is_outside(memtable, keys[i].code) ? MEMTABLE_ROW_NONE
                                                        : key_places_guess(memtable, &probes[i]);
        if (guesses[i] != MEMTABLE_ROW_NONE) {
            prefetch_key(memtable, guesses[i], false);
        }
    }
    for (uint32_t i = 0; i < count && !memtable->integer_key; i++) {
        if (guesses[i] != MEMTABLE_ROW_NONE) {
            prefetch_key(memtable, guesses[i], true);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = is_outside(memtable, keys[i].code) ? MEMTABLE_ROW_NONE
                                                          : find_newest(memtable, &probes[i]);
        rows_out[i] = memtable_visible(memtable, row, snapshot);
    }
}

void memtable_find_batch(const struct memtable *memtable, const struct memtable_key *keys,
                         uint32_t count, uint64_t snapshot, uint32_t *rows_out)
{
    for (uint32_t i = 0; i < count; i++) {
        memtable_find_prefetch(memtable, &keys[i]);
    }
    for (uint32_t at = 0; at < count; at += FIND_BATCH_COUNT) {
        uint32_t left = count - at < FIND_BATCH_COUNT ? count - at : FIND_BATCH_COUNT;
        find_some(memtable, keys + at, left, snapshot, rows_out + at);
    }
}

void memtable_find_prefetch(const struct memtable *memtable, const struct memtable_key *key)
{
    const struct probe probe = probe_of(memtable, key->key, key->code);
    key_places_prefetch(memtable, &probe);
}

void memtable_put_prefetch(const struct memtable *memtable, const struct memtable_key *key)
{
    memtable_find_prefetch(memtable, key);
    memtable_walk_prefetch(memtable, key->code);
}

void memtable_walk_prefetch(const struct memtable *memtable, uint64_t code)
{
    if (!is_outside(memtable, code)) {
        tree_prefetch(memtable, code);
    }
}

uint32_t memtable_older(const struct memtable *memtable, uint32_t row)
{
    return chunk_of(memtable, row)->older[row % MEMTABLE_CHUNK_ROW_COUNT];
}

uint64_t memtable_begin(const struct memtable *memtable, uint32_t row)
{
    return chunk_of(memtable, row)->stamps[row % MEMTABLE_CHUNK_ROW_COUNT].begin;
}

uint64_t memtable_end_of(const struct memtable *memtable, uint32_t row)
{
    const struct chunk *chunk = chunk_of(memtable, row);
    return atomic_load_explicit(&chunk->stamps[row % MEMTABLE_CHUNK_ROW_COUNT].end,
                                memory_order_acquire);
}

struct span memtable_key(const struct memtable *memtable, uint32_t row, uint8_t scratch[8])
{
    if (memtable->integer_key) {
        store_u64_be(scratch, chunk_integer_code(memtable, row));
        return (struct span){.data = scratch, .size = 8};
    }
    return view_span(&chunk_of(memtable, row)->keys[row % MEMTABLE_CHUNK_ROW_COUNT]);
}

void memtable_value(const struct memtable *memtable, uint32_t row, uint32_t position,
                    struct datum *datum_out)
{
    const struct chunk *chunk = chunk_of(memtable, row);
    const struct chunk_column *column = &chunk->columns[position];
    uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
    struct type type = memtable->layout[position].type;
    uint64_t word = atomic_load_explicit(&column->validity[at / 64], memory_order_relaxed);
    if ((word >> (at % 64) & 1) == 0) {
        *datum_out = (struct datum){.type = type, .is_null = true};
        return;
    }
    struct column flat = {.type = type, .row_count = at + 1, .data = column->data};
    column_get(&flat, at, datum_out);
}

uint32_t memtable_row_count(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->row_count, memory_order_acquire);
}

size_t memtable_size_bytes(const struct memtable *memtable)
{
    return atomic_load_explicit(&memtable->size_bytes, memory_order_relaxed);
}

const struct schema *memtable_schema(const struct memtable *memtable)
{
    return memtable->schema;
}
