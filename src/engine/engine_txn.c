#include <string.h>

#include "base/assert.h"
#include "engine/engine_internal.h"

struct txn_args {
    tdbplus_db *db;
    tdbplus_txn *txn;
    tdbplus_txn_options options;
    const char *name;
    tdbplus_txn **txn_out;
};

static tdbplus_status begin_work(void *arg, const struct call *call)
{
    const struct txn_args *args = arg;
    const tdbplus_txn_options *from = &args->options;
    if (from->isolation > TDBPLUS_REPEATABLE_READ || from->durability > TDBPLUS_DURABILITY_NONE) {
        return err_set(call->err, TDBPLUS_E_INVALID, "begin: an option is outside its range");
    }
    struct txn_options options = {
        .isolation = (uint8_t)from->isolation,
        .read_only = from->read_only,
        .durability = from->durability == TDBPLUS_DURABILITY_DEFAULT
                          ? -1
                          : (int16_t)(from->durability - TDBPLUS_DURABILITY_FULL),
        .lock_timeout_us = from->lock_timeout_us > 0 ? (uint64_t)from->lock_timeout_us : 0,
    };
    const struct alloc *alloc = &args->db->host;
    tdbplus_txn *txn = alloc_array(alloc, 1, sizeof *txn);
    if (txn == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a transaction does not fit in memory");
    }
    txn->db = args->db;
    list_init(&txn->savepoints, alloc, sizeof(struct engine_savepoint));
    tdbplus_status status =
        txn_begin(args->db->store, &options, store_alloc(args->db->store), &txn->txn, call->err);
    if (status != TDBPLUS_OK) {
        alloc_free(alloc, txn, 1, sizeof *txn);
        return status;
    }
    *args->txn_out = txn;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_begin(tdbplus_db *db, const tdbplus_txn_options *options,
                             tdbplus_txn **txn_out, tdbplus_call *call)
{
    struct txn_args args = {.db = db, .txn_out = txn_out};
    if (options != NULL) {
        size_t size =
            options->struct_size < sizeof args.options ? options->struct_size : sizeof args.options;
        memcpy(&args.options, options, size);
    }
    return engine_run(db, call, begin_work, &args, sizeof args);
}

static void release_handle(tdbplus_txn *txn)
{
    list_deinit(&txn->savepoints);
    alloc_free(&txn->db->host, txn, 1, sizeof *txn);
}

static tdbplus_status commit_work(void *arg, const struct call *call)
{
    tdbplus_txn *txn = ((struct txn_args *)arg)->txn;
    tdbplus_status status = txn_commit(txn->txn, call);
    release_handle(txn);
    return status;
}

tdbplus_status tdbplus_commit(tdbplus_txn *txn, tdbplus_call *call)
{
    struct txn_args args = {.db = txn->db, .txn = txn};
    return engine_run(txn->db, call, commit_work, &args, sizeof args);
}

void tdbplus_rollback(tdbplus_txn *txn)
{
    if (txn != NULL) {
        txn_abort(txn->txn);
        release_handle(txn);
    }
}

static tdbplus_status savepoint_work(void *arg, const struct call *call)
{
    const struct txn_args *args = arg;
    struct engine_savepoint savepoint = {.mark = txn_savepoint_set(args->txn->txn)};
    if (args->name == NULL || args->name[0] == '\0' ||
        strlen(args->name) >= sizeof savepoint.name) {
        return err_set(call->err, TDBPLUS_E_INVALID, "a savepoint's name has 1 to %zu bytes",
                       sizeof savepoint.name - 1);
    }
    memcpy(savepoint.name, args->name, strlen(args->name) + 1);
    if (list_push(&args->txn->savepoints, &savepoint) == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a savepoint does not fit in memory");
    }
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_savepoint(tdbplus_txn *txn, const char *name, tdbplus_call *call)
{
    struct txn_args args = {.db = txn->db, .txn = txn, .name = name};
    return engine_run(txn->db, call, savepoint_work, &args, sizeof args);
}

static tdbplus_status rollback_to_work(void *arg, const struct call *call)
{
    const struct txn_args *args = arg;
    struct list *savepoints = &args->txn->savepoints;
    for (size_t i = savepoints->count; i > 0; i--) {
        const struct engine_savepoint *savepoint = list_at(savepoints, i - 1);
        if (args->name != NULL && strcmp(savepoint->name, args->name) == 0) {
            txn_savepoint_rollback(args->txn->txn, savepoint->mark);
            savepoints->count = i;
            return TDBPLUS_OK;
        }
    }
    return err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "3B001", "there is no savepoint \"%s\"",
                         args->name == NULL ? "" : args->name);
}

tdbplus_status tdbplus_rollback_to(tdbplus_txn *txn, const char *name, tdbplus_call *call)
{
    struct txn_args args = {.db = txn->db, .txn = txn, .name = name};
    return engine_run(txn->db, call, rollback_to_work, &args, sizeof args);
}
