#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "txn/scan_internal.h"

#define MORSEL_ROW_COUNT  ((uint64_t)65536)
#define REUSED_BLOCK_SIZE ((size_t)16 << 10) /* What a short scan needs, in one block. */
#define REUSED_SIZE_MAX   ((size_t)64 << 10) /* A scan that rests holds no more memory. */

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "scan: it does not fit the memory limit");
}

/* ---- opening ---- */

static tdbplus_status copy_paths(struct scan *scan, const struct scan_options *options,
                                 struct err *err)
{
    if (options->paths == NULL) {
        return TDBPLUS_OK;
    }
    struct scan_path *paths =
        arena_array(&scan->arena, (size_t)options->position_count + 1, sizeof *paths);
    if (paths == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < options->position_count; i++) {
        const struct schema_column *column = &scan->schema->columns[options->positions[i]];
        paths[i] = options->paths[i];
        if (paths[i].key_count > 0 && column->type.id != TYPE_JSON) {
            return err_set(err, TDBPLUS_E_TYPE, "scan: \"%s\" has no documents", column->name);
        }
    }
    scan->options.paths = paths;
    return TDBPLUS_OK;
}

static tdbplus_status copy_early(struct scan *scan, const struct scan_options *options,
                                 struct err *err)
{
    uint32_t *early = arena_array(&scan->arena, (size_t)options->early_count + 1, sizeof *early);
    if (early == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < options->early_count; i++) {
        early[i] = options->early[i];
        if (early[i] >= scan->schema->column_count) {
            return err_set(err, TDBPLUS_E_INVALID, "scan: \"%s\" has no column %u",
                           scan->object->name, early[i]);
        }
    }
    scan->options.early = early;
    return TDBPLUS_OK;
}

static tdbplus_status copy_options(struct scan *scan, const struct scan_options *options,
                                   struct err *err)
{
    struct scan_options *own = &scan->options;
    *own = *options;
    uint32_t *positions =
        arena_array(&scan->arena, (size_t)options->position_count + 1, sizeof *positions);
    struct scan_condition *conditions =
        arena_array(&scan->arena, (size_t)options->condition_count + 1, sizeof *conditions);
    if (positions == NULL || conditions == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < options->position_count; i++) {
        positions[i] = options->positions[i];
        if (positions[i] >= scan->schema->column_count) {
            return err_set(err, TDBPLUS_E_INVALID, "scan: \"%s\" has no column %u",
                           scan->object->name, positions[i]);
        }
    }
    TRY(copy_paths(scan, options, err));
    for (uint32_t i = 0; i < options->condition_count; i++) {
        conditions[i] = options->conditions[i];
        uint32_t at = conditions[i].position;
        if (at >= scan->schema->column_count || conditions[i].compare > SCAN_IS_NOT_NULL) {
            return err_set(err, TDBPLUS_E_INVALID, "scan: condition %u is not valid", i);
        }
        bool unary = conditions[i].compare >= SCAN_IS_NULL;
        if (!unary && !conditions[i].value.is_null &&
            !type_equal(conditions[i].value.type, scan->schema->columns[at].type)) {
            return err_set(err, TDBPLUS_E_TYPE, "scan: condition %u has another type than \"%s\"",
                           i, scan->schema->columns[at].name);
        }
    }
    own->positions = positions;
    own->conditions = conditions;
    TRY(copy_early(scan, options, err));
    return TDBPLUS_OK;
}

/* The place of a schema column in `fetch`, which is extended where needed. */
static uint32_t fetch_place(struct scan *scan, uint32_t position)
{
    for (uint32_t i = 0; i < scan->fetch_count; i++) {
        if (scan->fetch[i] == position && !scan_is_path(scan, i)) {
            return i;
        }
    }
    scan->fetch[scan->fetch_count] = position;
    return scan->fetch_count++;
}

static bool is_listed(const uint32_t *places, uint32_t count, uint32_t place)
{
    for (uint32_t i = 0; i < count; i++) {
        if (places[i] == place) {
            return true;
        }
    }
    return false;
}

/* What must be read of a row before it is known whether it is wanted. */
static void split_fetch(struct scan *scan)
{
    const struct scan_options *options = &scan->options;
    bool conditions = options->filter_rows && options->condition_count > 0;
    bool choosy = !scan->shadow && options->paths == NULL && (conditions || options->keep != NULL);
    for (uint32_t i = 0; i < scan->fetch_count; i++) {
        bool early =
            !choosy ||
            (conditions && is_listed(scan->condition_fetch, options->condition_count, i)) ||
            is_listed(scan->keep_fetch, options->early_count, i) ||
            (scan->expires && i == scan->ttl_fetch);
        if (early) {
            scan->early[scan->early_count++] = i;
        } else {
            scan->late[scan->late_count++] = i;
        }
    }
}

static tdbplus_status choose_fetch(struct scan *scan, struct err *err)
{
    const struct scan_options *options = &scan->options;
    const struct schema *schema = scan->schema;
    size_t capacity = (size_t)options->position_count + options->condition_count +
                      options->early_count + schema->key_count + 2;
    scan->fetch = arena_array(&scan->arena, capacity, sizeof *scan->fetch);
    scan->key_fetch = arena_array(&scan->arena, schema->key_count, sizeof *scan->key_fetch);
    scan->condition_fetch = arena_array(&scan->arena, (size_t)options->condition_count + 1,
                                        sizeof *scan->condition_fetch);
    scan->keep_fetch =
        arena_array(&scan->arena, (size_t)options->early_count + 1, sizeof *scan->keep_fetch);
    scan->early = arena_array(&scan->arena, capacity, sizeof *scan->early);
    scan->late = arena_array(&scan->arena, capacity, sizeof *scan->late);
    if (scan->fetch == NULL || scan->key_fetch == NULL || scan->condition_fetch == NULL ||
        scan->keep_fetch == NULL || scan->early == NULL || scan->late == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < options->position_count; i++) {
        scan->fetch[scan->fetch_count++] = options->positions[i]; // Repeats stay repeats.
    }
    for (uint32_t i = 0; options->filter_rows && i < options->condition_count; i++) {
        scan->condition_fetch[i] = fetch_place(scan, options->conditions[i].position);
    }
    // Ordered scans look at the keys before they fetch anything.
    scan->needs_keys = options->order == SCAN_ANY &&
                       (scan->shadow || scan->range.has_lower || scan->range.has_upper);
    for (uint32_t i = 0; scan->needs_keys && i < schema->key_count; i++) {
        scan->key_fetch[i] = fetch_place(scan, schema->key_columns[i]);
    }
    for (uint32_t i = 0; i < options->early_count; i++) {
        scan->keep_fetch[i] = fetch_place(scan, options->early[i]);
    }
    scan->expires = schema->ttl_column_id != 0 &&
                    schema_ttl_limit(schema, timestamp_us(scan->snapshot), &scan->ttl_limit);
    if (planted(PLANT_EXPIRY_BY_CLOCK) && scan->expires) {
        uint64_t now_us = env_clock_wall_us(store_env(scan->store));
        scan->expires = schema_ttl_limit(schema, now_us, &scan->ttl_limit);
    }
    if (scan->expires) {
        scan->ttl_fetch = fetch_place(scan, (uint32_t)schema_ttl_position(schema));
    }
    scan->gather = scan->fetch;
    scan->gather_count = scan->fetch_count;
    split_fetch(scan);
    return TDBPLUS_OK;
}

static void sort_own(const struct scan *scan, uint32_t *numbers, uint32_t count)
{
    // Heap sort: no memory, no worst case.
    for (uint32_t end = count, start = count / 2; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            end--;
            uint32_t last = numbers[end];
            numbers[end] = numbers[0];
            numbers[0] = last;
        }
        uint32_t root = start;
        for (uint32_t child = 2 * root + 1; child < end; child = 2 * root + 1) {
            const struct changes *changes = &scan->txn->changes;
            if (child + 1 < end &&
                span_compare(changes_at(changes, numbers[child])->key.key,
                             changes_at(changes, numbers[child + 1])->key.key) < 0) {
                child++;
            }
            if (span_compare(changes_at(changes, numbers[root])->key.key,
                             changes_at(changes, numbers[child])->key.key) >= 0) {
                break;
            }
            uint32_t moved = numbers[root];
            numbers[root] = numbers[child];
            numbers[child] = moved;
            root = child;
        }
    }
}

/* Lists the transaction's own rows that this statement sees. */
static tdbplus_status list_own(struct scan *scan, struct err *err)
{
    if (!scan->shadow) {
        return TDBPLUS_OK;
    }
    const struct changes *changes = &scan->txn->changes;
    const struct change_table *own = scan_changes(scan);
    uint32_t table = (uint32_t)(own - (struct change_table *)changes->tables.items);
    scan->own = arena_array(&scan->arena, changes->items.count + 1, sizeof *scan->own);
    if (scan->own == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < changes->items.count; i++) {
        const struct change *change = changes_at(changes, i);
        if (change->table == table && change->kind == COMMIT_PUT &&
            change->statement < scan->statement && key_in_range(&scan->range, change->key.key) &&
            (!change->superseded ||
             changes_find(changes, own, &change->key, scan->statement) == i)) {
            scan->own[scan->own_count++] = i;
        }
    }
    if (scan->options.order != SCAN_ANY) {
        sort_own(scan, scan->own, scan->own_count);
    }
    return TDBPLUS_OK;
}

/* Lower bounds of a key in all segments, their memory accesses overlapped. [waits] */
static tdbplus_status seek_segments(struct scan *scan, const struct segment_key *key,
                                    uint64_t *rows_out, struct err *err)
{
    uint32_t count = version_segment_count(scan->version);
    struct segment_seek *seeks = arena_alloc(&scan->arena, count * sizeof *seeks);
    if (seeks == NULL) {
        return no_memory(err);
    }
    for (uint32_t s = 0; s < count; s++) {
        segment_seek_begin(version_segment(scan->version, s), key, &seeks[s]);
    }
    for (uint32_t s = 0; s < count; s++) {
        segment_seek_prefetch(version_segment(scan->version, s), &seeks[s]);
    }
    for (uint32_t s = 0; s < count; s++) {
        TRY(segment_seek_end(version_segment(scan->version, s), key, &seeks[s], &rows_out[s], err));
    }
    return TDBPLUS_OK;
}

/* The rows of each segment that the range covers. [waits] */
static tdbplus_status bound_segments(struct scan *scan, uint64_t **firsts_out, uint64_t **ends_out,
                                     struct err *err)
{
    uint32_t count = version_segment_count(scan->version);
    uint64_t *firsts = arena_array(&scan->arena, 2 * (size_t)count, sizeof *firsts);
    if (firsts == NULL) {
        return no_memory(err);
    }
    uint64_t *ends = firsts + count;
    for (uint32_t s = 0; s < count; s++) {
        ends[s] = segment_row_count(version_segment(scan->version, s));
    }
    if (scan->range.has_lower) {
        for (uint32_t t = 0; t < version_table_count(scan->version); t++) {
            memtable_walk_prefetch(version_table(scan->version, t), scan->range.lower.code);
        }
        TRY(seek_segments(scan, &scan->range.lower, firsts, err));
    }
    if (scan->range.has_upper) {
        TRY(seek_segments(scan, &scan->range.upper, ends, err));
    }
    *firsts_out = firsts;
    *ends_out = ends;
    return TDBPLUS_OK;
}

static tdbplus_status list_sources(struct scan *scan, struct err *err)
{
    uint32_t tables = version_table_count(scan->version);
    uint32_t segments = version_segment_count(scan->version);
    scan->sources = arena_array(&scan->arena, 1 + (size_t)tables + segments, sizeof *scan->sources);
    if (scan->sources == NULL) {
        return no_memory(err);
    }
    if (scan->range.empty) {
        return TDBPLUS_OK;
    }
    uint64_t *firsts = NULL;
    uint64_t *ends = NULL;
    TRY(bound_segments(scan, &firsts, &ends, err));
    uint32_t emptied = 0; // Nothing below that stage is seen.
    if (scan->ranged) {
        emptied = stages_emptied(&scan->txn->stages, scan->collection, scan->statement);
    }
    for (uint32_t s = segments; s > 0; s--) { // Oldest first: the order rows came in.
        struct scan_source source = {.kind = SOURCE_SEGMENT,
                                     .number = s - 1,
                                     .first_row = firsts[s - 1],
                                     .end_row = ends[s - 1]};
        source.stage = source.number < scan->load_count ? scan->load_stages[source.number] : 0;
        if (source.stage == 0 && version_segment_born(scan->version, s - 1) > scan->snapshot &&
            !planted(PLANT_LOAD_SEEN_EARLY)) {
            continue; // Loaded after the snapshot.
        }
        if (source.stage < emptied) {
            continue;
        }
        if (source.first_row < source.end_row) {
            scan->sources[scan->source_count++] = source;
        }
    }
    for (uint32_t t = tables; t > 0 && emptied == 0; t--) {
        uint32_t rows = memtable_row_count(version_table(scan->version, t - 1));
        if (rows > 0) {
            scan->sources[scan->source_count++] =
                (struct scan_source){.kind = SOURCE_TABLE, .number = t - 1, .end_row = rows};
        }
    }
    if (scan->own_count > 0) {
        scan->sources[scan->source_count++] =
            (struct scan_source){.kind = SOURCE_OWN, .end_row = scan->own_count};
    }
    return TDBPLUS_OK;
}

static tdbplus_status cut_pieces(struct scan *scan, struct err *err)
{
    uint64_t capacity = 0;
    for (uint32_t i = 0; i < scan->source_count; i++) {
        const struct scan_source *source = &scan->sources[i];
        capacity += (source->end_row - source->first_row) / MORSEL_ROW_COUNT + 2;
    }
    scan->pieces = arena_array(&scan->arena, (size_t)capacity + 1, sizeof *scan->pieces);
    if (scan->pieces == NULL || capacity > UINT32_MAX) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < scan->source_count; i++) {
        const struct scan_source *source = &scan->sources[i];
        for (uint64_t at = source->first_row; at < source->end_row;) {
            uint64_t end = (at / MORSEL_ROW_COUNT + 1) * MORSEL_ROW_COUNT;
            end = end < source->end_row ? end : source->end_row;
            scan->pieces[scan->piece_count++] =
                (struct scan_piece){.source = i, .first_row = at, .end_row = end};
            at = end;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status prepare(struct scan *scan, const struct scan_options *options,
                              struct err *err)
{
    TRY(copy_options(scan, options, err));
    TRY(scan_make_range(scan, err));
    TRY(choose_fetch(scan, err));
    TRY(list_own(scan, err));
    TRY(list_sources(scan, err));
    if (scan->options.order != SCAN_ANY) {
        return ordered_open(scan, err);
    }
    return cut_pieces(scan, err);
}

/* Adds what the transaction has loaded to the version that is read. */
static tdbplus_status take_loads(struct scan *scan, struct err *err)
{
    const struct list *stages = &scan->txn->stages;
    if (!stages_concern(stages, scan->collection)) {
        return TDBPLUS_OK;
    }
    struct stages_view view = {0};
    TRY(stages_view(stages, scan->object, scan->statement, scan->version, &scan->arena, &view,
                    err));
    version_release(scan->version);
    scan->version = view.version;
    scan->load_count = view.load_count;
    scan->load_stages = view.numbers;
    return TDBPLUS_OK;
}

static void link_scan(struct scan *scan)
{
    struct txn *txn = scan->txn;
    scan->link.next = txn->scans;
    scan->link.change_count = scan->shadow ? txn->changes.items.count : 0;
    scan->link.object_count = txn->objects.count;
    scan->link.stage_count = scan->load_count > 0 || scan->ranged ? txn->stages.count : 0;
    if (txn->scans != NULL) {
        txn->scans->previous = &scan->link;
    }
    txn->scans = &scan->link;
}

static void unlink_scan(struct scan *scan)
{
    struct scan_link *link = &scan->link;
    if (link->next != NULL) {
        link->next->previous = link->previous;
    }
    if (link->previous != NULL) {
        link->previous->next = link->next;
    } else if (!link->alone && scan->txn != NULL) {
        scan->txn->scans = link->next;
    }
}

tdbplus_status scan_check(const struct scan *scan, const struct call *call)
{
    if (scan->link.over) {
        return err_set(call->err, TDBPLUS_E_STATE,
                       "the scan's transaction has ended, or was rolled back to before the scan");
    }
    return env_check_call(store_env(scan->store), call);
}

static tdbplus_status check_options(const struct object *collection,
                                    const struct scan_options *options, struct err *err)
{
    if (collection->collection == NULL || options->order > SCAN_DESCENDING) {
        return err_set(err, TDBPLUS_E_INVALID, "scan: \"%s\" has no rows to scan",
                       collection->name);
    }
    return TDBPLUS_OK;
}

/* The version is taken after the snapshot, so that it has every commit up to it. */
static void set_object(struct scan *scan, const struct object *collection)
{
    scan->object = collection;
    scan->schema = collection->schema;
    scan->collection = collection->id;
    scan->version = version_acquire(collection->collection);
}

tdbplus_status scan_open(struct txn *txn, const struct object *collection,
                         const struct scan_options *options, struct scan **scan_out,
                         struct err *err)
{
    TRY(check_options(collection, options, err));
    struct scan *scan = alloc_array(txn->alloc, 1, sizeof *scan);
    if (scan == NULL) {
        return no_memory(err);
    }
    scan->txn = txn;
    scan->store = txn->store;
    scan->alloc = txn->alloc;
    arena_init(&scan->arena, txn->alloc, 1024);
    set_object(scan, collection);
    scan->catalog = catalog_retain(txn->catalog);
    if (options->latest) {
        store_snapshot_acquire(txn->store, &scan->link.hold);
    } else {
        store_snapshot_share(txn->store, &txn->snapshot, &scan->link.hold);
    }
    scan->snapshot = scan->link.hold.timestamp;
    scan->statement = options->latest ? UINT64_MAX : txn->statement;
    const struct change_table *changes = scan_changes(scan);
    scan->ranged = stages_have_range(&txn->stages, scan->collection, scan->statement);
    scan->shadow = scan->ranged || (changes != NULL && changes->newest.count > 0);
    tdbplus_status status = take_loads(scan, err);
    link_scan(scan);
    if (status == TDBPLUS_OK) {
        status = prepare(scan, options, err);
    }
    if (status != TDBPLUS_OK) {
        scan_close(scan);
        return status;
    }
    *scan_out = scan;
    return TDBPLUS_OK;
}

tdbplus_status scan_begin_now(struct store *store, struct scan **scan_inout, struct err *err)
{
    struct scan *scan = *scan_inout;
    if (scan == NULL) {
        const struct alloc *alloc = store_alloc(store);
        scan = alloc_array(alloc, 1, sizeof *scan);
        if (scan == NULL) {
            return no_memory(err);
        }
        scan->store = store;
        scan->alloc = alloc;
        arena_init(&scan->arena, alloc, REUSED_BLOCK_SIZE);
        *scan_inout = scan;
    }
    ASSERT(scan->version == NULL && scan->store == store);
    scan->link.alone = true;
    store_snapshot_acquire(store, &scan->link.hold);
    scan->snapshot = scan->link.hold.timestamp;
    scan->catalog = catalog_acquire(store);
    return TDBPLUS_OK;
}

const struct object *scan_find_object(const struct scan *scan, uint64_t id)
{
    return catalog_by_id(scan->catalog, id);
}

tdbplus_status scan_open_now(struct scan *scan, const struct object *collection,
                             const struct scan_options *options, struct err *err)
{
    TRY(check_options(collection, options, err));
    set_object(scan, collection);
    return prepare(scan, options, err);
}

/* Lets go of everything but memory. */
static void let_go(struct scan *scan)
{
    unlink_scan(scan);
    ordered_close(scan);
    version_release(scan->version);
    store_snapshot_release(scan->store, &scan->link.hold);
    catalog_release(scan->catalog);
}

bool scan_rest(struct scan *scan)
{
    if (scan->txn != NULL || scan->arena.used_bytes > REUSED_SIZE_MAX) {
        return false;
    }
    let_go(scan);
    arena_reset(&scan->arena);
    *scan = (struct scan){.store = scan->store, .alloc = scan->alloc, .arena = scan->arena};
    return true;
}

void scan_close(struct scan *scan)
{
    if (scan == NULL) {
        return;
    }
    let_go(scan);
    arena_deinit(&scan->arena);
    alloc_free(scan->alloc, scan, 1, sizeof *scan);
}

/* ---- reading ---- */

uint32_t scan_morsel_count(const struct scan *scan)
{
    return scan->piece_count;
}

void scan_morsel_begin(const struct scan *scan, uint32_t number, struct scan_morsel *morsel_out)
{
    ASSERT(number < scan->piece_count);
    const struct scan_piece *piece = &scan->pieces[number];
    *morsel_out = (struct scan_morsel){.source = piece->source,
                                       .next_row = piece->first_row,
                                       .end_row = piece->end_row,
                                       .keep = scan->options.keep};
}

tdbplus_status scan_morsel_next(struct scan *scan, struct scan_morsel *morsel, struct batch *batch,
                                const struct call *call)
{
    const struct scan_source *source = &scan->sources[morsel->source];
    while (morsel->next_row < morsel->end_row) {
        TRY(scan_check(scan, call));
        TRY(scan_read_source(scan, source, morsel, batch, call));
        TRY(store_snapshot_check(&scan->link.hold, call->err));
        if (batch_live_count(batch) > 0) {
            batch->column_count = scan->options.position_count;
            return TDBPLUS_OK;
        }
    }
    batch_reset(batch);
    return TDBPLUS_END;
}

tdbplus_status scan_next(struct scan *scan, struct batch *batch, const struct call *call)
{
    if (scan->options.order != SCAN_ANY) {
        return ordered_next(scan, batch, call);
    }
    for (;;) {
        if (!scan->morsel_active) {
            if (scan->piece_next == scan->piece_count) {
                batch_reset(batch);
                return TDBPLUS_END;
            }
            scan_morsel_begin(scan, scan->piece_next++, &scan->morsel);
            scan->morsel_active = true;
        }
        tdbplus_status status = scan_morsel_next(scan, &scan->morsel, batch, call);
        if (status != TDBPLUS_END) {
            return status;
        }
        scan->morsel_active = false;
    }
}

bool scan_is_clustered(const struct scan *scan)
{
    const struct segment *before = NULL;
    for (uint32_t i = 0; i < scan->source_count; i++) {
        const struct scan_source *source = &scan->sources[i];
        if (source->kind != SOURCE_SEGMENT) {
            return false;
        }
        const struct segment *segment = version_segment(scan->version, source->number);
        if (before != NULL &&
            span_compare(segment_key_max(before), segment_key_min(segment)) >= 0) {
            return false;
        }
        before = segment;
    }
    return true;
}

uint64_t scan_row_estimate(const struct scan *scan)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < scan->source_count; i++) {
        rows += scan->sources[i].end_row - scan->sources[i].first_row;
    }
    return rows;
}
