/* Who may change rows of a collection beside a load, and who has to wait. */

#include "base/assert.h"
#include "txn/txn_internal.h"

#define POLL_US          ((uint64_t)200)
#define PATIENCE_US      ((uint64_t)2000000) /* With locks that others may wait for. */
#define HOLDS_OF_ITS_OWN 1u                  /* The table's lock itself. */

static struct txn_gate *find_gate(const struct txn *txn, const struct collection *collection,
                                  uint8_t kind)
{
    for (size_t i = 0; i < txn->gates.count; i++) {
        struct txn_gate *gate = list_at(&txn->gates, i);
        if (gate->collection == collection && gate->kind == kind) {
            return gate;
        }
    }
    return NULL;
}

static bool may_pass(const struct txn *txn, const struct collection *collection)
{
    for (size_t i = txn->gates.count; i > 0; i--) {
        if (((struct txn_gate *)list_at(&txn->gates, i - 1))->collection == collection) {
            return true;
        }
    }
    return false;
}

static tdbplus_status lock_collection(struct txn *txn, const struct object *object, uint8_t mode,
                                      bool no_wait, const struct call *call)
{
    struct lock_request request = {.table = object->id,
                                   .mode = mode,
                                   .no_wait = no_wait,
                                   .timeout_us = txn->options.lock_timeout_us};
    return lock_table_acquire(&txn->locks, &request, call);
}

/* Room was made before. */
static void push_gate(struct txn *txn, struct collection *collection, uint8_t kind,
                      uint64_t lock_mark)
{
    struct txn_gate gate = {.collection = collection, .kind = kind, .lock_mark = lock_mark};
    collection_retain(collection);
    void *pushed = list_push(&txn->gates, &gate);
    ASSERT(pushed != NULL);
}

static tdbplus_status make_room(struct txn *txn, struct err *err)
{
    return list_reserve(&txn->gates, 1)
               ? TDBPLUS_OK
               : err_set(err, TDBPLUS_E_NOMEM, "a transaction does not fit the memory limit");
}

tdbplus_status txn_enter(struct txn *txn, const struct object *object, bool no_wait,
                         const struct call *call)
{
    struct collection *collection = object->collection;
    if (may_pass(txn, collection)) {
        return TDBPLUS_OK;
    }
    TRY(make_room(txn, call->err));
    uint64_t mark = lock_owner_mark(&txn->locks);
    uint8_t kind = GATE_ENTERED;
    if (!collection_enter(collection)) {
        kind = GATE_LOCKED;
        TRY(lock_collection(txn, object, LOCK_ROW_EXCLUSIVE, no_wait, call));
    }
    push_gate(txn, collection, kind, mark);
    return TDBPLUS_OK;
}

/*
 * Those inside are in no graph of waiters. So if one of them may wait for a lock of ours, our
 * patience ends, as it would at a circle.
 */
static tdbplus_status wait_until_alone(struct txn *txn, const struct object *object,
                                       const struct call *call)
{
    const struct env *env = store_env(txn->store);
    struct collection *collection = object->collection;
    uint32_t own = find_gate(txn, collection, GATE_ENTERED) != NULL ? 1 : 0;
    uint64_t patience = txn->options.lock_timeout_us;
    if (patience == 0 && txn->locks.hold_count > HOLDS_OF_ITS_OWN) {
        patience = PATIENCE_US;
    }
    uint64_t began = env_clock_mono_us(env);
    while (collection_entered(collection) > own) {
        TRY(env_check_call(env, call));
        if (patience > 0 && env_clock_mono_us(env) - began > patience) {
            return err_set(call->err, TDBPLUS_E_LOCK,
                           "other transactions that change rows of \"%s\" do not end",
                           object->name);
        }
        env_sleep_us(env, POLL_US);
    }
    return TDBPLUS_OK;
}

static tdbplus_status bar(struct txn *txn, const struct object *object, bool no_wait,
                          const struct call *call)
{
    struct collection *collection = object->collection;
    uint64_t mark = lock_owner_mark(&txn->locks);
    TRY(make_room(txn, call->err));
    TRY(lock_collection(txn, object, LOCK_SHARE_ROW_EXCLUSIVE, no_wait, call));
    if (find_gate(txn, collection, GATE_BARRED) == NULL) {
        collection_bar(collection);
        push_gate(txn, collection, GATE_BARRED, mark);
    }
    uint32_t own = find_gate(txn, collection, GATE_ENTERED) != NULL ? 1 : 0;
    if (no_wait && collection_entered(collection) > own) {
        return err_set(call->err, TDBPLUS_E_LOCK, "could not obtain lock on relation \"%s\"",
                       txn_own_name(object->name));
    }
    return wait_until_alone(txn, object, call);
}

tdbplus_status txn_keep_writers_out(struct txn *txn, const struct object *object,
                                    const struct call *call)
{
    TRY(txn_check_writable(txn, call->err));
    TRY(txn_bar(txn, object, call));
    return txn_statement(txn, call->err);
}

tdbplus_status txn_bar(struct txn *txn, const struct object *object, const struct call *call)
{
    return bar(txn, object, false, call);
}

tdbplus_status txn_lock_table(struct txn *txn, const struct object *object, uint8_t mode,
                              bool no_wait, const struct call *call)
{
    // Writers hold no lock until somebody bars the way.
    if (mode >= LOCK_SHARE) {
        TRY(bar(txn, object, no_wait, call));
    } else if (mode == LOCK_ROW_EXCLUSIVE) {
        TRY(txn_enter(txn, object, no_wait, call));
    }
    return lock_collection(txn, object, mode, no_wait, call);
}

static void give_up(const struct txn_gate *gate)
{
    if (gate->kind == GATE_ENTERED) {
        collection_leave(gate->collection);
    } else if (gate->kind == GATE_BARRED) {
        collection_unbar(gate->collection);
    }
    collection_release(gate->collection);
}

void txn_gates_rollback(struct txn *txn, uint64_t lock_mark)
{
    size_t kept = 0;
    struct txn_gate *gates = txn->gates.items;
    for (size_t i = 0; i < txn->gates.count; i++) {
        // Who has entered stays in: a row locked before the savepoint may have been the reason.
        bool keeps =
            lock_mark > 0 && (gates[i].kind == GATE_ENTERED || gates[i].lock_mark < lock_mark);
        if (keeps) {
            gates[kept++] = gates[i];
        } else {
            give_up(&gates[i]);
        }
    }
    txn->gates.count = kept;
}
