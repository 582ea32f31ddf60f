#include "catalog/catalog_sequence.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "locks/lock_table.h"
#include "os/latch.h"

#define SEQUENCE_VERSION 1u
#define RETRY_COUNT_MAX  1000u
#define BUCKET_COUNT     64u

/* ---- definitions ---- */

void sequence_encode(const struct sequence_def *def, uint8_t bytes_out[SEQUENCE_DEFINITION_SIZE])
{
    memset(bytes_out, 0, SEQUENCE_DEFINITION_SIZE);
    store_u64(bytes_out, def->state); // First: catalog_entry_drop() reads it.
    bytes_out[8] = SEQUENCE_VERSION;
    bytes_out[9] = def->type;
    bytes_out[10] = def->cycle;
    bytes_out[11] = def->identity;
    store_u32(bytes_out + 12, def->column);
    store_u64(bytes_out + 16, def->epoch);
    const int64_t numbers[] = {def->start, def->increment, def->min,
                               def->max,   def->cache,     def->restart};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        store_u64(bytes_out + 24 + 8 * i, (uint64_t)numbers[i]);
    }
    bytes_out[72] = def->restart_called;
}

tdbplus_status sequence_decode(const struct catalog_entry *entry, struct sequence_def *def_out,
                               struct err *err)
{
    const uint8_t *bytes = entry->definition.data;
    if (entry->definition.size != SEQUENCE_DEFINITION_SIZE || bytes[8] != SEQUENCE_VERSION ||
        (bytes[9] != TYPE_INT2 && bytes[9] != TYPE_INT4 && bytes[9] != TYPE_INT8) ||
        bytes[10] > 1 || bytes[72] > 1 || load_u64(bytes + 32) == 0) {
        return err_set(err, TDBPLUS_E_CORRUPT, "the definition of sequence \"%s\" is damaged",
                       entry->name);
    }
    *def_out = (struct sequence_def){.state = load_u64(bytes),
                                     .type = bytes[9],
                                     .cycle = bytes[10] != 0,
                                     .identity = bytes[11],
                                     .column = load_u32(bytes + 12),
                                     .epoch = load_u64(bytes + 16),
                                     .start = (int64_t)load_u64(bytes + 24),
                                     .increment = (int64_t)load_u64(bytes + 32),
                                     .min = (int64_t)load_u64(bytes + 40),
                                     .max = (int64_t)load_u64(bytes + 48),
                                     .cache = (int64_t)load_u64(bytes + 56),
                                     .restart = (int64_t)load_u64(bytes + 64),
                                     .restart_called = bytes[72] != 0};
    return TDBPLUS_OK;
}

/* ---- rows ---- */

/* Where a sequence stands: `value` was the last number handed out, or is the first to be. */
struct place {
    int64_t value;
    bool called;
};

enum { COLUMN_EPOCH = 0, COLUMN_VALUE, COLUMN_CALLED, COLUMN_COUNT };

static tdbplus_status create_state(struct txn *txn, const char *full, uint64_t *id_out,
                                   struct err *err)
{
    static const char *const names[] = {"epoch", "value", "called"};
    char hidden[CATALOG_FULL_NAME_SIZE + 1];
    struct schema_column columns[COLUMN_COUNT];
    uint32_t key[] = {COLUMN_EPOCH};
    struct schema description = {.version = 1,
                                 .column_count = COLUMN_COUNT,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = key,
                                 .column_id_next = COLUMN_COUNT + 1};
    for (uint32_t i = 0; i < COLUMN_COUNT; i++) {
        struct type type = type_of(i == COLUMN_CALLED ? TYPE_BOOL : TYPE_INT8);
        columns[i] = (struct schema_column){.id = i + 1,
                                            .not_null = true,
                                            .type = type,
                                            .name = names[i],
                                            .missing = {.type = type, .is_null = true}};
    }
    (void)snprintf(hidden, sizeof hidden, "\x01%s", full);
    struct schema *schema = NULL;
    TRY(schema_create(&description, store_alloc(txn_store(txn)), &schema, err));
    tdbplus_status status =
        txn_object_create(txn, OBJECT_COLLECTION, hidden, schema, (struct span){0}, id_out, err);
    schema_destroy(schema);
    return status;
}

static struct datum key_of(uint64_t epoch)
{
    return (struct datum){.type = type_of(TYPE_INT8), .integer = (int64_t)epoch};
}

static tdbplus_status read_place(struct txn *txn, const struct object *state,
                                 const struct sequence_def *def, struct place *place_out,
                                 const struct call *call)
{
    struct batch batch;
    struct datum values[COLUMN_COUNT];
    struct datum key = key_of(def->epoch);
    bool found = false;
    batch_init(&batch, call->alloc);
    tdbplus_status status =
        txn_get(txn, state, &key, NULL, COLUMN_COUNT, &batch, values, &found, call);
    if (status == TDBPLUS_OK) {
        *place_out =
            found ? (struct place){values[COLUMN_VALUE].integer, values[COLUMN_CALLED].boolean}
                  : (struct place){def->restart, def->restart_called};
    }
    batch_deinit(&batch);
    return status;
}

static tdbplus_status write_place(struct txn *txn, const struct object *state, uint64_t epoch,
                                  struct place place, const struct call *call)
{
    struct datum values[COLUMN_COUNT] = {
        [COLUMN_EPOCH] = key_of(epoch),
        [COLUMN_VALUE] = {.type = type_of(TYPE_INT8), .integer = place.value},
        [COLUMN_CALLED] = {.type = type_of(TYPE_BOOL), .boolean = place.called}};
    return txn_write(txn, state, TXN_UPSERT, values, NULL, call);
}

/* ---- arithmetic ---- */

static tdbplus_status at_end(const struct catalog_entry *entry, const struct sequence_def *def,
                             struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "2200H",
                         "nextval: reached %s value of sequence \"%s\" (%" PRId64 ")",
                         def->increment > 0 ? "maximum" : "minimum", entry->name,
                         def->increment > 0 ? def->max : def->min);
}

/* The number after a place; false at the end. */
static bool step(const struct sequence_def *def, struct place *place, int64_t *value_out)
{
    if (!place->called) {
        place->called = true;
        *value_out = place->value;
        return true;
    }
    int64_t next = 0;
    bool over = __builtin_add_overflow(place->value, def->increment, &next) || next > def->max ||
                next < def->min;
    if (over && !def->cycle) {
        return false;
    }
    if (over) {
        next = def->increment > 0 ? def->min : def->max;
    }
    place->value = next;
    *value_out = next;
    return true;
}

/* ---- what the process knows ---- */

struct known {
    uint64_t oid;
    uint64_t epoch;
    struct place place; /* After the last number that was handed out. */
    uint64_t left;      /* So many more have been logged. */
    uint64_t changes;   /* Times that somebody logged: what was read before that is old. */
    uint64_t state;
    struct known *next;
};

struct registry {
    const struct alloc *alloc;
    struct latch latch;
    struct known *buckets[BUCKET_COUNT];
};

static void close_registry(void *value)
{
    struct registry *registry = value;
    for (uint32_t i = 0; i < BUCKET_COUNT; i++) {
        while (registry->buckets[i] != NULL) {
            struct known *known = registry->buckets[i];
            registry->buckets[i] = known->next;
            alloc_free(registry->alloc, known, 1, sizeof *known);
        }
    }
    alloc_free(registry->alloc, registry, 1, sizeof *registry);
}

static struct registry *registry_of(struct store *store)
{
    struct registry *registry = store_attached(store);
    if (registry != NULL) {
        return registry;
    }
    registry = alloc_array(store_alloc(store), 1, sizeof *registry);
    if (registry == NULL) {
        return NULL;
    }
    registry->alloc = store_alloc(store);
    return store_attach(store, registry, close_registry);
}

static struct known *find_known(struct registry *registry, uint64_t oid)
{
    struct known *known = registry->buckets[oid % BUCKET_COUNT];
    while (known != NULL && known->oid != oid) {
        known = known->next;
    }
    return known;
}

/* Takes numbers that have been logged; 0: there are none, or another epoch's. */
static uint32_t take(struct registry *registry, uint64_t oid, const struct sequence_def *def,
                     uint32_t count, int64_t *values)
{
    uint32_t taken = 0;
    latch_lock(&registry->latch);
    struct known *known = find_known(registry, oid);
    while (known != NULL && known->epoch == def->epoch && taken < count && known->left > 0 &&
           step(def, &known->place, &values[taken])) {
        known->left--;
        taken++;
    }
    latch_unlock(&registry->latch);
    return taken;
}

/* ---- logging a block ---- */

struct refill {
    struct registry *registry;
    struct txn *txn; /* Its own. */
    const struct catalog_entry *entry;
    struct sequence_def *def;
    const struct object *state;
};

/* Numbers that are being logged: `left` of them after `from`. */
struct block {
    struct place from;
    uint64_t left;
    bool there;       /* Somebody else logged some while we waited: none are needed. */
    uint64_t changes; /* Of what is known, when it was looked at. */
};

/* Where the next block begins: where the process stands, or where the row says. */
static tdbplus_status begin_block(const struct refill *refill, struct block *block,
                                  const struct call *call)
{
    latch_lock(&refill->registry->latch);
    const struct known *known = find_known(refill->registry, refill->entry->oid);
    bool here = known != NULL && known->epoch == refill->def->epoch;
    block->changes = known == NULL ? 0 : known->changes;
    if (here) {
        block->from = known->place;
        // These may be handed out at any moment: a block from here on would give them again.
        block->there = known->left > 0;
    }
    latch_unlock(&refill->registry->latch);
    return here ? TDBPLUS_OK
                : read_place(refill->txn, refill->state, refill->def, &block->from, call);
}

/* Makes the logged numbers known, unless somebody else has logged some since. */
static tdbplus_status publish(const struct refill *refill, const struct block *block,
                              struct err *err)
{
    struct registry *registry = refill->registry;
    struct known *fresh = alloc_array(registry->alloc, 1, sizeof *fresh);
    if (fresh == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a sequence does not fit in memory");
    }
    latch_lock(&registry->latch);
    struct known *known = find_known(registry, refill->entry->oid);
    if (known == NULL) {
        known = fresh;
        fresh = NULL;
        known->oid = refill->entry->oid;
        known->next = registry->buckets[known->oid % BUCKET_COUNT];
        registry->buckets[known->oid % BUCKET_COUNT] = known;
    }
    if (known->changes == block->changes) {
        known->changes++;
        known->epoch = refill->def->epoch;
        known->state = refill->def->state;
        known->place = block->from;
        known->left = block->left;
    }
    latch_unlock(&registry->latch);
    if (fresh != NULL) {
        alloc_free(registry->alloc, fresh, 1, sizeof *fresh);
    }
    return TDBPLUS_OK;
}

/*
 * The newest committed definition takes the place of the caller's, which may be of an old snapshot.
 * False when the caller's transaction alone knows the sequence, or this epoch of it.
 */
static bool find_committed(struct refill *refill)
{
    struct catalog_entry there;
    struct sequence_def committed = {0};
    if (!catalog_entry_by_oid(refill->txn, refill->entry->oid, &there) ||
        sequence_decode(&there, &committed, NULL) != TDBPLUS_OK ||
        committed.epoch < refill->def->epoch) {
        return false;
    }
    refill->state = txn_object_by_id(refill->txn, committed.state);
    *refill->def = committed;
    return refill->state != NULL;
}

/* Whoever waited for the lock looks whether the epoch is still the newest. */
static tdbplus_status lock_state(struct refill *refill, const struct call *call)
{
    uint64_t epoch = refill->def->epoch;
    struct datum key = key_of(epoch);
    TRY(txn_lock_row(refill->txn, refill->state, &key, LOCK_ROW_UPDATE, false, call));
    TRY(txn_statement(refill->txn, call->err));
    return find_committed(refill) && refill->def->epoch == epoch
               ? TDBPLUS_OK
               : err_set(call->err, TDBPLUS_E_CONFLICT, "sequence \"%s\" was altered",
                         refill->entry->name);
}

/*
 * Logs a block under the lock of the row, as durable as the database's commits: a number that
 * somebody has seen does not come again.
 */
static tdbplus_status log_block(struct refill *refill, uint32_t wanted, struct block *block,
                                const struct call *call)
{
    TRY(lock_state(refill, call));
    TRY(begin_block(refill, block, call));
    if (block->there) {
        return TDBPLUS_OK;
    }
    struct place to = block->from;
    // Who wants many wants more: each block is a sync of the log.
    uint32_t most = wanted > SEQUENCE_BLOCK ? wanted * 8u : SEQUENCE_BLOCK;
    int64_t value = 0;
    while (block->left < most && step(refill->def, &to, &value)) {
        block->left++;
    }
    return block->left == 0 ? at_end(refill->entry, refill->def, call->err)
                            : write_place(refill->txn, refill->state, refill->def->epoch, to, call);
}

/* What setval() says is known before it is committed, under the lock: nobody goes on from what was
 * before. */
static tdbplus_status log_place(struct refill *refill, struct place place, const struct call *call)
{
    struct block block = {0};
    TRY(lock_state(refill, call));
    TRY(begin_block(refill, &block, call));
    block = (struct block){.from = place, .changes = block.changes}; // Whatever is there ends.
    TRY(write_place(refill->txn, refill->state, refill->def->epoch, place, call));
    return publish(refill, &block, call->err);
}

/* What is known is not what is logged: the row tells. */
static void forget(struct registry *registry, uint64_t oid)
{
    latch_lock(&registry->latch);
    struct known *known = find_known(registry, oid);
    if (known != NULL) {
        known->epoch = UINT64_MAX;
        known->left = 0;
        known->changes++;
    }
    latch_unlock(&registry->latch);
}

/* One try: TDBPLUS_E_CONFLICT when somebody else was first. */
static tdbplus_status try_refill(struct refill *refill, uint32_t wanted, const struct place *place,
                                 const struct call *call)
{
    struct block block = {0};
    tdbplus_status status =
        place == NULL ? log_block(refill, wanted, &block, call) : log_place(refill, *place, call);
    if (status != TDBPLUS_OK || block.there) {
        txn_abort(refill->txn);
        return status;
    }
    status = txn_commit(refill->txn, call);
    if (place != NULL && status != TDBPLUS_OK) {
        forget(refill->registry, refill->entry->oid);
    }
    return status == TDBPLUS_OK && place == NULL ? publish(refill, &block, call->err) : status;
}

/* Logs a block, or `place`; *private_out tells that this is for the caller's transaction to do. */
static tdbplus_status refill(struct txn *txn, const struct catalog_entry *entry,
                             struct sequence_def *def, uint32_t wanted, const struct place *place,
                             bool *private_out, const struct call *call)
{
    static const struct txn_options options = {.durability = -1};
    struct refill refill = {.registry = registry_of(txn_store(txn)), .entry = entry, .def = def};
    if (refill.registry == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a sequence does not fit in memory");
    }
    tdbplus_status status = TDBPLUS_E_CONFLICT;
    *private_out = false;
    for (uint32_t i = 0; status == TDBPLUS_E_CONFLICT && i < RETRY_COUNT_MAX; i++) {
        err_clear(call->err);
        TRY(txn_begin(txn_store(txn), &options, call->alloc, &refill.txn, call->err));
        status = txn_statement(refill.txn, call->err);
        *private_out = status == TDBPLUS_OK && !find_committed(&refill);
        if (status != TDBPLUS_OK || *private_out) {
            txn_abort(refill.txn);
            return status;
        }
        status = try_refill(&refill, wanted, place, call);
    }
    return status;
}

/* ---- in the caller's transaction ---- */

static tdbplus_status next_private(struct txn *txn, const struct catalog_entry *entry,
                                   const struct sequence_def *def, uint32_t count, int64_t *values,
                                   const struct call *call)
{
    const struct object *state = txn_object_by_id(txn, def->state);
    struct place place = {0};
    if (state == NULL) {
        return err_set(call->err, TDBPLUS_E_CORRUPT, "sequence \"%s\" has lost its numbers",
                       entry->name);
    }
    TRY(read_place(txn, state, def, &place, call));
    for (uint32_t i = 0; i < count; i++) {
        if (!step(def, &place, &values[i])) {
            return at_end(entry, def, call->err);
        }
    }
    return write_place(txn, state, def->epoch, place, call);
}

static tdbplus_status find_sequence(struct txn *txn, uint64_t oid, struct catalog_entry *entry_out,
                                    struct sequence_def *def_out, struct err *err)
{
    if (!catalog_entry_by_oid(txn, oid, entry_out) || entry_out->kind != CATALOG_SEQUENCE) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42P01",
                             "could not open relation with OID %" PRIu64, oid);
    }
    return sequence_decode(entry_out, def_out, err);
}

/* ---- the interface ---- */

tdbplus_status sequence_next(struct txn *txn, uint64_t oid, uint32_t count, int64_t *values_out,
                             const struct call *call)
{
    struct catalog_entry entry;
    struct sequence_def def = {0};
    uint32_t done = 0;
    bool private = false;
    TRY(find_sequence(txn, oid, &entry, &def, call->err));
    struct registry *registry = registry_of(txn_store(txn));
    if (registry == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a sequence does not fit in memory");
    }
    while (done < count) {
        done += take(registry, oid, &def, count - done, values_out + done);
        if (done < count) {
            TRY(refill(txn, &entry, &def, count - done, NULL, &private, call));
        }
        if (private) {
            return next_private(txn, &entry, &def, count - done, values_out + done, call);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status sequence_set(struct txn *txn, uint64_t oid, int64_t value, bool called,
                            const struct call *call)
{
    struct catalog_entry entry;
    struct sequence_def def = {0};
    struct place place = {value, called};
    bool private = false;
    TRY(find_sequence(txn, oid, &entry, &def, call->err));
    if (value < def.min || value > def.max) {
        return err_set_state(call->err, TDBPLUS_E_SQL, "22003",
                             "setval: value %" PRId64 " is out of bounds for sequence \"%s\" "
                             "(%" PRId64 "..%" PRId64 ")",
                             value, entry.name, def.min, def.max);
    }
    TRY(refill(txn, &entry, &def, 0, &place, &private, call));
    if (!private) {
        return TDBPLUS_OK;
    }
    const struct object *state = txn_object_by_id(txn, def.state);
    return state == NULL ? TDBPLUS_OK : write_place(txn, state, def.epoch, place, call);
}

tdbplus_status sequence_freeze(struct txn *txn, uint64_t oid, int64_t *last_out, bool *called_out,
                               const struct call *call)
{
    struct catalog_entry entry;
    struct sequence_def def = {0};
    TRY(find_sequence(txn, oid, &entry, &def, call->err));
    const struct object *state = txn_object_by_id(txn, def.state);
    struct registry *registry = registry_of(txn_store(txn));
    struct datum key = key_of(def.epoch);
    if (state != NULL) {
        TRY(txn_lock_row(txn, state, &key, LOCK_ROW_UPDATE, false, call));
    }
    TRY(sequence_peek(txn, oid, last_out, called_out, call));
    if (registry == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a sequence does not fit in memory");
    }
    latch_lock(&registry->latch);
    struct known *known = find_known(registry, oid);
    if (known != NULL && known->epoch == def.epoch) {
        *last_out = known->place.value;
        *called_out = known->place.called;
        known->left = 0; // The next one logs again, and waits for the lock to do so.
        known->changes++;
    }
    latch_unlock(&registry->latch);
    return TDBPLUS_OK;
}

tdbplus_status sequence_peek(struct txn *txn, uint64_t oid, int64_t *last_out, bool *called_out,
                             const struct call *call)
{
    struct catalog_entry entry;
    struct sequence_def def = {0};
    struct place place = {0};
    TRY(find_sequence(txn, oid, &entry, &def, call->err));
    struct registry *registry = registry_of(txn_store(txn));
    bool here = false;
    if (registry != NULL) {
        latch_lock(&registry->latch);
        const struct known *known = find_known(registry, oid);
        here = known != NULL && known->epoch == def.epoch;
        if (here) {
            place = known->place;
        }
        latch_unlock(&registry->latch);
    }
    const struct object *state = txn_object_by_id(txn, def.state);
    if (!here && state != NULL) {
        TRY(read_place(txn, state, &def, &place, call));
    }
    *last_out = place.value;
    *called_out = place.called;
    return TDBPLUS_OK;
}

tdbplus_status sequence_create(struct txn *txn, const struct catalog_entry *entry,
                               const struct sequence_def *def, uint64_t *oid_out, struct err *err)
{
    char full[CATALOG_FULL_NAME_SIZE];
    uint8_t bytes[SEQUENCE_DEFINITION_SIZE];
    struct sequence_def own = *def;
    struct catalog_entry made = *entry;
    TRY(catalog_full_name(entry->schema[0] == 0 ? NULL : entry->schema, entry->name, full, err));
    if (catalog_relation_find(txn, entry->schema[0] == 0 ? NULL : entry->schema, entry->name,
                              &made)) {
        return err_set_state(err, TDBPLUS_E_EXISTS, "42P07", "relation \"%s\" already exists",
                             entry->name);
    }
    made = *entry;
    TRY(create_state(txn, full, &own.state, err));
    sequence_encode(&own, bytes);
    made.kind = CATALOG_SEQUENCE;
    made.definition = (struct span){.data = bytes, .size = sizeof bytes};
    return catalog_entry_create(txn, &made, oid_out, err);
}

tdbplus_status sequence_alter(struct txn *txn, const struct catalog_entry *entry,
                              const struct sequence_def *def, struct err *err)
{
    char full[CATALOG_FULL_NAME_SIZE];
    char hidden[CATALOG_FULL_NAME_SIZE + 1];
    uint8_t bytes[SEQUENCE_DEFINITION_SIZE];
    struct catalog_entry changed = *entry;
    TRY(catalog_full_name(entry->schema[0] == 0 ? NULL : entry->schema, entry->name, full, err));
    (void)snprintf(hidden, sizeof hidden, "\x01%s", full);
    sequence_encode(def, bytes);
    changed.definition = (struct span){.data = bytes, .size = sizeof bytes};
    TRY(catalog_entry_alter(txn, entry->oid, &changed, err));
    const struct object *state = txn_object_by_id(txn, def->state);
    return state == NULL || strcmp(state->name, hidden) == 0
               ? TDBPLUS_OK
               : txn_object_alter(txn, def->state, hidden, NULL, NULL, err);
}

/* ---- closing ---- */

static void settle_one(struct store *store, const struct known *known, const struct call *call)
{
    static const struct txn_options options = {.durability = DURABILITY_NONE};
    struct txn *txn = NULL;
    if (txn_begin(store, &options, call->alloc, &txn, NULL) != TDBPLUS_OK) {
        return;
    }
    const struct object *state = txn_object_by_id(txn, known->state);
    if (state == NULL || write_place(txn, state, known->epoch, known->place, call) != TDBPLUS_OK) {
        txn_abort(txn);
        return;
    }
    // Where this fails, a block is skipped, as after a crash.
    tdbplus_status status = txn_commit(txn, call);
    (void)status;
}

void sequence_settle(struct store *store, const struct call *call)
{
    struct registry *registry = store_attached(store);
    for (uint32_t i = 0; registry != NULL && i < BUCKET_COUNT; i++) {
        for (struct known *known = registry->buckets[i]; known != NULL; known = known->next) {
            if (known->left > 0 && known->epoch != UINT64_MAX) {
                settle_one(store, known, call);
                known->left = 0;
            }
        }
    }
}
