#include "txn/txn.h"

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "txn/txn_internal.h"

static const struct txn_options options_default = {.durability = -1};

static void take_snapshot(struct txn *txn)
{
    struct catalog *before = txn->catalog;
    store_snapshot_release(txn->store, &txn->snapshot);
    txn->catalog = store_snapshot_acquire_catalog(txn->store, &txn->snapshot);
    if (txn->catalog != before) {
        txn_parts_reset(txn);
    }
    catalog_release(before);
}

tdbplus_status txn_begin(struct store *store, const struct txn_options *options,
                         const struct alloc *alloc, struct txn **txn_out, struct err *err)
{
    struct txn *txn = alloc_array(alloc, 1, sizeof *txn);
    if (txn == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "begin: a transaction does not fit the memory limit");
    }
    txn->store = store;
    txn->options = options == NULL ? options_default : *options;
    txn->options.read_only = txn->options.read_only || store_read_only(store);
    txn->alloc = alloc;
    changes_init(&txn->changes, alloc);
    stages_init(&txn->stages, alloc);
    list_init(&txn->gates, alloc, sizeof(struct txn_gate));
    list_init(&txn->objects, alloc, sizeof(struct object_change));
    list_init(&txn->marks, alloc, sizeof(struct txn_savepoint));
    list_init(&txn->sorted, alloc, sizeof(const struct object *));
    buffer_init(&txn->key, alloc);
    buffer_init(&txn->row, alloc);
    lock_owner_init(&txn->locks, store_locks(store), store_next_txn_id(store));
    pending_init(&txn->pending, alloc);
    txn->statement = 1;
    take_snapshot(txn);
    *txn_out = txn;
    return TDBPLUS_OK;
}

void txn_set_read_only(struct txn *txn, bool read_only)
{
    txn->options.read_only = read_only || store_read_only(txn->store);
}

void txn_set_lock_timeout(struct txn *txn, uint64_t timeout_us)
{
    txn->options.lock_timeout_us = timeout_us;
}

void txn_set_durability(struct txn *txn, int16_t durability)
{
    txn->options.durability = durability;
}

static void release_objects(struct txn *txn, uint64_t count)
{
    while (txn->objects.count > count) {
        struct object_change *last = list_at(&txn->objects, txn->objects.count - 1);
        store_object_release(last->after);
        txn->objects.count--;
    }
}

/* Scans that would read what a rollback takes away end with an error instead. */
static void end_scans(struct txn *txn, const struct txn_savepoint *savepoint)
{
    for (struct scan_link *link = txn->scans; link != NULL; link = link->next) {
        link->over = link->over || link->change_count > savepoint->change_count ||
                     link->object_count > savepoint->catalog_change_count ||
                     link->stage_count > savepoint->stage_count;
    }
}

/* A host may close a scan after its transaction, in whatever order it collects its garbage. */
static void leave_scans(struct txn *txn)
{
    while (txn->scans != NULL) {
        struct scan_link *link = txn->scans;
        txn->scans = link->next;
        store_snapshot_release(txn->store, &link->hold);
        *link = (struct scan_link){.over = true, .alone = true};
    }
}

static void destroy(struct txn *txn)
{
    leave_scans(txn);
    txn_parts_reset(txn);
    pending_deinit(&txn->pending);
    // Locks go last: whoever waits for them must find the outcome visible.
    store_snapshot_release(txn->store, &txn->snapshot);
    changes_deinit(&txn->changes);
    stages_deinit(&txn->stages);
    release_objects(txn, 0);
    list_deinit(&txn->objects);
    list_deinit(&txn->sorted);
    buffer_deinit(&txn->key);
    buffer_deinit(&txn->row);
    catalog_release(txn->catalog);
    txn_gates_rollback(txn, 0);
    list_deinit(&txn->gates);
    list_deinit(&txn->marks);
    lock_owner_release_all(&txn->locks);
    lock_owner_deinit(&txn->locks);
    alloc_free(txn->alloc, txn, 1, sizeof *txn);
}

void txn_abort(struct txn *txn)
{
    if (txn != NULL) {
        destroy(txn);
    }
}

tdbplus_status txn_statement(struct txn *txn, struct err *err)
{
    txn->statement++;
    if (txn->options.isolation == TXN_REPEATABLE_READ) {
        return store_snapshot_check(&txn->snapshot, err);
    }
    if (!txn_has_changes(txn) && txn->open_loads == 0) {
        take_snapshot(txn);
        return TDBPLUS_OK;
    }
    // Own changes, and rows that a load gathers, refer to objects of the catalog they were made by.
    store_snapshot_release(txn->store, &txn->snapshot);
    store_snapshot_acquire(txn->store, &txn->snapshot);
    return TDBPLUS_OK;
}

void txn_savepoint_rollback(struct txn *txn, struct txn_savepoint savepoint)
{
    savepoint = txn_savepoint_now(txn, savepoint);
    end_scans(txn, &savepoint);
    changes_rollback(&txn->changes, savepoint.change_count);
    stages_rollback(&txn->stages, savepoint.stage_count);
    pending_rollback(&txn->pending, savepoint.pending_count);
    if (txn->objects.count > savepoint.catalog_change_count) {
        txn_parts_reset(txn);
        release_objects(txn, savepoint.catalog_change_count);
    }
    txn_gates_rollback(txn, savepoint.lock_mark);
    lock_owner_release_to(&txn->locks, savepoint.lock_mark);
}

uint64_t txn_snapshot_timestamp(const struct txn *txn)
{
    return txn->snapshot.timestamp;
}

struct store *txn_store(const struct txn *txn)
{
    return txn->store;
}

bool txn_has_changes(const struct txn *txn)
{
    return txn->changes.items.count > 0 || txn->objects.count > 0 || txn->stages.count > 0;
}

tdbplus_status txn_lock_key(struct txn *txn, const struct object *collection,
                            const struct segment_key *key, uint8_t mode, bool no_wait,
                            const struct call *call)
{
    if (planted(PLANT_LOCK_NOT_TAKEN)) {
        return TDBPLUS_OK;
    }
    TRY(txn_enter(txn, collection, no_wait, call));
    struct lock_request request = {
        .table = collection->id,
        .hash = key->hash,
        .mode = mode,
        .no_wait = no_wait,
        .timeout_us = txn->options.lock_timeout_us,
    };
    return lock_table_acquire(&txn->locks, &request, call);
}

/* ---- commit ---- */

/* The last change of each object; made and dropped here cancels out. */
static tdbplus_status collect_objects(struct txn *txn, struct arena *arena,
                                      struct store_commit *commit, struct err *err)
{
    struct catalog_change *changes = arena_array(arena, txn->objects.count, sizeof *changes);
    if (changes == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    uint32_t count = 0;
    for (size_t i = 0; i < txn->objects.count; i++) {
        const struct object_change *change = list_at(&txn->objects, i);
        bool last = true;
        for (size_t k = i + 1; k < txn->objects.count && last; k++) {
            last = ((struct object_change *)list_at(&txn->objects, k))->id != change->id;
        }
        if (last && (change->before != NULL || change->after != NULL)) {
            changes[count++] = (struct catalog_change){.id = change->id,
                                                       .before = change->before,
                                                       .after = change->after,
                                                       .unchanged_since = change->unchanged_since};
        }
    }
    commit->changes = changes;
    commit->change_count = count;
    return TDBPLUS_OK;
}

static bool is_dropped(const struct txn *txn, uint64_t id)
{
    for (size_t i = txn->objects.count; i > 0; i--) {
        const struct object_change *change = list_at(&txn->objects, i - 1);
        if (change->id == id) {
            return change->after == NULL;
        }
    }
    return false;
}

static struct commit_stage commit_stage_of(const struct txn_stage *stage)
{
    return (struct commit_stage){
        .kind = stage->is_range ? COMMIT_DELETE_RANGE : COMMIT_LOAD,
        .segments = stage->segments.items,
        .segment_count = (uint32_t)stage->segments.count,
        .byte_count = stage->byte_count,
        .lower = {.data = stage->lower.data, .size = stage->lower.size},
        .upper = {.data = stage->upper.data, .size = stage->upper.size},
        .has_upper = stage->has_upper,
    };
}

/* The loads of the collection; each comes after the ops of the rows it replaces, of which
 * `counts_out` tells how many there are. */
static tdbplus_status collect_stages(struct txn *txn, uint64_t collection, struct arena *arena,
                                     struct commit_group *group, uint32_t **numbers_out,
                                     struct err *err)
{
    struct commit_stage *stages = arena_array(arena, txn->stages.count + 1, sizeof *stages);
    uint32_t *numbers = arena_array(arena, txn->stages.count + 1, sizeof *numbers);
    if (stages == NULL || numbers == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    uint32_t count = 0;
    for (uint32_t number = 1; number <= txn->stages.count; number++) {
        const struct txn_stage *stage = stages_at(&txn->stages, number);
        if (stage->collection == collection && stage->is_done) {
            numbers[count] = number;
            stages[count++] = commit_stage_of(stage);
        }
    }
    group->stages = stages;
    group->stage_count = count;
    *numbers_out = numbers;
    return TDBPLUS_OK;
}

/* Appends the changes of one table that were made for load `load`, or, with 0, the newest changes
 * of its rows; only counts them while `ops` is NULL. */
static uint32_t put_ops(const struct txn *txn, uint32_t number, uint32_t load,
                        struct commit_op *ops, uint32_t count)
{
    for (size_t i = 0; i < txn->changes.items.count; i++) {
        const struct change *change = list_at(&txn->changes.items, i);
        if (change->table != number || change->load != load || (load == 0 && change->superseded)) {
            continue;
        }
        if (ops != NULL) {
            ops[count] = (struct commit_op){.kind = change->kind,
                                            .key = change->key.key,
                                            .code = change->key.code,
                                            .hash = change->key.hash,
                                            .row = change->row};
        }
        count++;
    }
    return count;
}

/* Turns what was done to one collection into a group. */
static tdbplus_status collect_group(struct txn *txn, uint32_t number, struct arena *arena,
                                    struct commit_group *group_out, struct err *err)
{
    const struct change_table *table = list_at(&txn->changes.tables, number);
    // The object that was written through may have been taken back since; the catalog stays the one
    // of the first change, so what it has now says as well what the rows were made by.
    const struct object *object = txn_object_by_id(txn, table->id);
    if (object == NULL) {
        return err_set(err, TDBPLUS_E_CONFLICT,
                       "the table was altered or dropped by another transaction");
    }
    struct commit_group group = {
        .collection = object->collection, .schema = object->schema, .revision = object->revision};
    uint32_t *loads = NULL;
    struct commit_stage *stages = NULL;
    TRY(collect_stages(txn, table->id, arena, &group, &loads, err));
    stages = (struct commit_stage *)(uintptr_t)group.stages;
    uint32_t count = put_ops(txn, number, 0, NULL, 0);
    for (uint32_t s = 0; s < group.stage_count; s++) {
        count = put_ops(txn, number, loads[s], NULL, count);
    }
    struct commit_op *ops = arena_array(arena, (size_t)count + 1, sizeof *ops);
    if (ops == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    for (uint32_t s = 0; s < group.stage_count; s++) {
        group.op_count = put_ops(txn, number, loads[s], ops, group.op_count);
        stages[s].op_count = group.op_count;
    }
    group.op_count = put_ops(txn, number, 0, ops, group.op_count);
    group.ops = ops;
    *group_out = group;
    return TDBPLUS_OK;
}

static tdbplus_status collect_groups(struct txn *txn, struct arena *arena,
                                     struct store_commit *commit, struct err *err)
{
    struct commit_group *groups = arena_array(arena, txn->changes.tables.count, sizeof *groups);
    if (groups == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < txn->changes.tables.count; i++) {
        const struct change_table *table = list_at(&txn->changes.tables, i);
        bool loaded = stages_concern(&txn->stages, table->id);
        if ((table->newest.count == 0 && !loaded) || is_dropped(txn, table->id)) {
            continue;
        }
        TRY(collect_group(txn, i, arena, &groups[count], err));
        count += groups[count].op_count > 0 || loaded ? 1 : 0;
    }
    commit->groups = groups;
    commit->group_count = count;
    return TDBPLUS_OK;
}

static tdbplus_status commit_changes(struct txn *txn, const struct call *call)
{
    if (!txn_has_changes(txn)) {
        return TDBPLUS_OK;
    }
    struct arena arena = {0};
    arena_init(&arena, txn->alloc, 4096);
    struct store_commit commit = {
        .durability = txn->options.durability < 0 ? store_durability(txn->store)
                                                  : (uint8_t)txn->options.durability,
    };
    tdbplus_status status = collect_objects(txn, &arena, &commit, call->err);
    if (status == TDBPLUS_OK) {
        status = collect_groups(txn, &arena, &commit, call->err);
    }
    if (status == TDBPLUS_OK && (commit.group_count > 0 || commit.change_count > 0)) {
        // Own work is charged to the transaction, whoever asks for the commit.
        struct call own = *call;
        own.alloc = txn->alloc;
        status = store_commit(txn->store, &commit, NULL, &own);
    }
    arena_deinit(&arena);
    return status;
}

tdbplus_status txn_commit(struct txn *txn, const struct call *call)
{
    tdbplus_status status = pending_finish(txn, call);
    if (status == TDBPLUS_OK) {
        status = commit_changes(txn, call);
    }
    destroy(txn);
    return status;
}

/* ---- catalog ---- */

/* What this transaction made of the object, if anything. */
static struct object_change *find_own_change(const struct txn *txn, uint64_t id)
{
    for (size_t i = txn->objects.count; i > 0; i--) {
        struct object_change *change = list_at(&txn->objects, i - 1);
        if (change->id == id) {
            return change;
        }
    }
    return NULL;
}

static const struct object_change *find_change(const struct txn *txn, uint64_t id)
{
    return find_own_change(txn, id);
}

void txn_forbid_changes(struct txn *txn, uint64_t collection)
{
    struct object_change *change = find_own_change(txn, collection);
    if (change != NULL && change->before != NULL &&
        (change->unchanged_since == 0 || change->unchanged_since > txn->snapshot.timestamp)) {
        change->unchanged_since = txn->snapshot.timestamp;
    }
}

static const struct object *own_object_named(const struct txn *txn, uint8_t kind, const char *name)
{
    for (size_t i = txn->objects.count; i > 0; i--) {
        const struct object_change *change = list_at(&txn->objects, i - 1);
        if (change->after == NULL || find_change(txn, change->id) != change) {
            continue;
        }
        const struct object *object = store_object_get(change->after);
        if (object->kind == kind && strcmp(object->name, name) == 0) {
            return object;
        }
    }
    return NULL;
}

const struct object *txn_object(struct txn *txn, uint8_t kind, const char *name)
{
    const struct object *own = own_object_named(txn, kind, name);
    if (own != NULL) {
        return own;
    }
    const struct object *object = catalog_find(txn->catalog, kind, name);
    return object == NULL || find_change(txn, object->id) != NULL ? NULL : object;
}

const struct object *txn_object_by_id(struct txn *txn, uint64_t id)
{
    const struct object_change *change = find_change(txn, id);
    if (change != NULL) {
        return change->after == NULL ? NULL : store_object_get(change->after);
    }
    return catalog_by_id(txn->catalog, id);
}

static bool names_collection(const struct object *object, uint64_t collection)
{
    return object_kind_is_part(object->kind) &&
           (object->parent == collection ||
            (object->kind == OBJECT_FOREIGN_KEY && object->other == collection));
}

const struct object *txn_part_at(struct txn *txn, uint64_t collection, uint32_t number)
{
    const struct object *object = NULL;
    uint32_t left = number;
    for (uint32_t i = 0; (object = catalog_part_at(txn->catalog, collection, i)) != NULL; i++) {
        if (txn->objects.count > 0 && find_change(txn, object->id) != NULL) {
            continue;
        }
        if (left == 0) {
            return object;
        }
        left--;
    }
    for (size_t i = 0; i < txn->objects.count; i++) {
        const struct object_change *change = list_at(&txn->objects, i);
        if (change->after == NULL || find_change(txn, change->id) != change ||
            !names_collection(store_object_get(change->after), collection)) {
            continue;
        }
        if (left == 0) {
            return store_object_get(change->after);
        }
        left--;
    }
    return NULL;
}

uint64_t txn_catalog_version(const struct txn *txn)
{
    return txn->objects.count > 0 ? 0 : catalog_version(txn->catalog);
}

static bool comes_before(const struct object *left, const struct object *right)
{
    return strcmp(left->name, right->name) < 0;
}

/* The least object of the kind whose name comes after `previous`'s. */
const struct object *txn_object_next(struct txn *txn, uint8_t kind, const struct object *previous)
{
    const char *after = previous == NULL ? "" : previous->name;
    const struct object *best = NULL;
    uint32_t count = catalog_count(txn->catalog);
    for (uint32_t i = catalog_lower_bound(txn->catalog, kind, after); i < count; i++) {
        const struct object *object = catalog_at(txn->catalog, i);
        if (object->kind != kind) {
            break;
        }
        if (find_change(txn, object->id) == NULL && strcmp(object->name, after) > 0) {
            best = object;
            break;
        }
    }
    for (size_t i = 0; i < txn->objects.count; i++) {
        const struct object_change *change = list_at(&txn->objects, i);
        if (change->after == NULL || find_change(txn, change->id) != change) {
            continue;
        }
        const struct object *object = store_object_get(change->after);
        if (object->kind == kind && strcmp(object->name, after) > 0 &&
            (best == NULL || comes_before(object, best))) {
            best = object;
        }
    }
    return best;
}

tdbplus_status txn_check_writable(const struct txn *txn, struct err *err)
{
    if (txn->options.read_only) {
        return err_set(err, TDBPLUS_E_READ_ONLY, "the %s is read-only",
                       store_read_only(txn->store) ? "database" : "transaction");
    }
    return TDBPLUS_OK;
}

static tdbplus_status record_change(struct txn *txn, const struct object_change *change,
                                    struct err *err)
{
    struct object_change *earlier = find_own_change(txn, change->id);
    uint64_t unchanged_since = earlier == NULL ? 0 : earlier->unchanged_since;
    struct object_change *added = list_push(&txn->objects, change);
    if (added != NULL) {
        added->unchanged_since = unchanged_since;
        txn_parts_reset(txn);
    } else {
        store_object_release(change->after);
        return err_set(err, TDBPLUS_E_NOMEM, "the transaction's changes do not fit in memory");
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_object_create(struct txn *txn, uint8_t kind, const char *name,
                                 const struct schema *schema, struct span properties,
                                 uint64_t *id_out, struct err *err)
{
    TRY(txn_check_writable(txn, err));
    if (txn_object(txn, kind, name) != NULL) {
        return err_set_state(err, TDBPLUS_E_EXISTS, kind == OBJECT_COLLECTION ? "42P07" : "42710",
                             "\"%s\" already exists", name);
    }
    struct object_ref *object = NULL;
    TRY(store_object_create(txn->store, kind, name, schema, properties, &object, err));
    uint64_t id = store_object_get(object)->id;
    struct object_change change = {.id = id, .after = object};
    TRY(record_change(txn, &change, err));
    *id_out = id;
    return TDBPLUS_OK;
}

/* The committed object a change of `id` builds on. */
static const struct object *base_of(const struct txn *txn, uint64_t id)
{
    const struct object_change *change = find_change(txn, id);
    return change != NULL ? change->before : catalog_by_id(txn->catalog, id);
}

bool txn_columns_changed(const struct txn *txn, const struct object *collection)
{
    const struct object_change *change = find_change(txn, collection->id);
    return change != NULL && change->before != NULL && change->before->schema != collection->schema;
}

static tdbplus_status find_own(struct txn *txn, uint64_t id, const struct object **object_out,
                               struct err *err)
{
    TRY(txn_check_writable(txn, err));
    *object_out = txn_object_by_id(txn, id);
    if (*object_out == NULL) {
        return err_set(err, TDBPLUS_E_NOT_FOUND, "there is no object number %llu",
                       (unsigned long long)id);
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_object_alter(struct txn *txn, uint64_t id, const char *name,
                                const struct schema *schema, const struct span *properties,
                                struct err *err)
{
    const struct object *object = NULL;
    TRY(find_own(txn, id, &object, err));
    if (name != NULL && name[0] != '\0') {
        const struct object *other = txn_object(txn, object->kind, name);
        if (other != NULL && other->id != id) {
            return err_set_state(err, TDBPLUS_E_EXISTS,
                                 object->kind == OBJECT_COLLECTION ? "42P07" : "42710",
                                 "\"%s\" already exists", name);
        }
    }
    if (schema != NULL) {
        if (changes_find_table(&txn->changes, id) != NULL) {
            return err_set_state(err, TDBPLUS_E_STATE, "55006",
                                 "\"%s\" has rows written by this transaction: alter it before "
                                 "writing, or after the commit",
                                 object->name);
        }
        if (base_of(txn, id) == NULL || find_change(txn, id) != NULL) {
            return err_set(err, TDBPLUS_E_UNSUPPORTED,
                           "changing the columns of \"%s\" twice, or in the transaction that made "
                           "it, is not supported",
                           object->name);
        }
    }
    struct object_change change = {.id = id, .before = base_of(txn, id)};
    if (schema == NULL && txn_columns_changed(txn, object)) {
        schema = object->schema; // The newest change carries the new columns to the commit.
    }
    TRY(store_object_change(txn->store, object, name, schema, properties, &change.after, err));
    return record_change(txn, &change, err);
}

tdbplus_status txn_object_drop(struct txn *txn, uint64_t id, struct err *err)
{
    const struct object *object = NULL;
    TRY(find_own(txn, id, &object, err));
    struct object_change change = {.id = id, .before = base_of(txn, id)};
    return record_change(txn, &change, err);
}
