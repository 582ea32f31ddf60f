/* The two forms of a call, and transactions for calls that bring none. */

#include <string.h>

#include "base/assert.h"
#include "engine/engine_internal.h"
#include "txn/pending.h"

void tdbplus_cancel(tdbplus_call *call)
{
    atomic_store((_Atomic bool *)&call->cancel, true);
}

void engine_report(tdbplus_call *api, const struct err *err, tdbplus_status status)
{
    if (api == NULL) {
        return;
    }
    tdbplus_error *error = &api->error;
    if (status == TDBPLUS_OK || status == TDBPLUS_END) {
        // Every call comes by here: empty texts are enough.
        error->status = status;
        error->position = 0;
        error->sqlstate[0] = '\0';
        error->message[0] = '\0';
        error->detail[0] = '\0';
        error->hint[0] = '\0';
        error->context[0] = '\0';
        return;
    }
    *error = (tdbplus_error){.status = status};
    const char *sqlstate =
        err->status != TDBPLUS_OK ? err->sqlstate : tdbplus_status_sqlstate(status);
    const char *text = err->status != TDBPLUS_OK ? err->text : tdbplus_status_text(status);
    memcpy(error->sqlstate, sqlstate, 5);
    error->position = err->position;
    (void)memccpy(error->message, text, 0, sizeof error->message - 1);
    (void)memccpy(error->detail, err->detail, 0, sizeof error->detail - 1);
    (void)memccpy(error->hint, err->hint, 0, sizeof error->hint - 1);
    (void)memccpy(error->context, err->context, 0, sizeof error->context - 1);
}

static struct call make_call(const struct alloc *alloc, const struct env *env, tdbplus_call *api,
                             struct err *err)
{
    struct call call = {.alloc = alloc, .err = err};
    if (api == NULL) {
        return call;
    }
    call.cancel = (const _Atomic bool *)&api->cancel;
    call.progress = api->progress;
    call.progress_ctx = api->progress_context;
    if (api->timeout_us > 0) {
        call.deadline_us = env_clock_mono_us(env) + (uint64_t)api->timeout_us;
    }
    return call;
}

tdbplus_status engine_run_here(const struct alloc *alloc, const struct env *env, tdbplus_call *api,
                               engine_work work, void *args)
{
    struct err err;
    err_clear(&err);
    struct call call = make_call(alloc, env, api, &err);
    tdbplus_status status = work(args, &call);
    engine_report(api, &err, status);
    return status;
}

/* ---- the completion form ---- */

struct job {
    tdbplus_db *db;
    tdbplus_call *api;
    engine_work work;
    tdbplus_status status;
    size_t size; /* Of the whole allocation. */
    _Alignas(16) uint8_t args[];
};

static void job_main(void *arg)
{
    struct job *job = arg;
    job->status = engine_run_here(store_alloc(job->db->store), store_env(job->db->store), job->api,
                                  job->work, job->args);
}

static void job_done(void *arg)
{
    struct job *job = arg;
    void (*done)(void *, tdbplus_status) = job->api->done;
    void *context = job->api->done_context;
    tdbplus_status status = job->status;
    alloc_free(&job->db->host, job, job->size, 1);
    done(context, status);
}

static tdbplus_status get_pool(tdbplus_db *db, struct fiber_pool **pool_out, struct err *err)
{
    struct fiber_pool *pool = atomic_load_explicit(&db->pool, memory_order_acquire);
    tdbplus_status status = TDBPLUS_OK;
    if (pool == NULL) {
        const struct env *env = store_env(db->store);
        mutex_lock(env, &db->pool_mutex);
        pool = atomic_load(&db->pool);
        if (pool == NULL) {
            status = fiber_pool_create(&db->host, db->thread_count, &pool, err);
            if (status == TDBPLUS_OK) {
                atomic_store_explicit(&db->pool, pool, memory_order_release);
            }
        }
        mutex_unlock(env, &db->pool_mutex);
    }
    *pool_out = pool;
    return status;
}

static tdbplus_status run_on_fiber(tdbplus_db *db, tdbplus_call *api, engine_work work, void *args,
                                   size_t size)
{
    struct err err = {0};
    struct fiber_pool *pool = NULL;
    tdbplus_status status = get_pool(db, &pool, &err);
    struct job *job = NULL;
    if (status == TDBPLUS_OK) {
        job = alloc_raw(&db->host, sizeof *job + size);
        if (job == NULL) {
            status = err_set(&err, TDBPLUS_E_NOMEM, "a pending call does not fit in memory");
        }
    }
    if (status != TDBPLUS_OK) {
        engine_report(api, &err, status);
        return status;
    }
    *job = (struct job){.db = db, .api = api, .work = work, .size = sizeof *job + size};
    memcpy(job->args, args, size);
    bool ended = false;
    status = fiber_run(pool, job_main, job_done, job, &ended, &err);
    if (status == TDBPLUS_OK && !ended) {
        return TDBPLUS_PENDING; // From here on the job belongs to the fiber.
    }
    if (status == TDBPLUS_OK) {
        status = job->status;
    } else {
        engine_report(api, &err, status);
    }
    alloc_free(&db->host, job, job->size, 1);
    return status;
}

tdbplus_status engine_run(tdbplus_db *db, tdbplus_call *api, engine_work work, void *args,
                          size_t size)
{
    if (api != NULL && api->done != NULL) {
        return run_on_fiber(db, api, work, args, size);
    }
    return engine_run_here(store_alloc(db->store), store_env(db->store), api, work, args);
}

/* ---- transactions ---- */

static tdbplus_status try_once(tdbplus_db *db, bool read_only, engine_txn_work work, void *args,
                               const struct call *call)
{
    struct txn_options options = {.read_only = read_only, .durability = -1};
    struct txn *txn = NULL;
    TRY(txn_begin(db->store, &options, call->alloc, &txn, call->err));
    tdbplus_status status = work(args, txn, call);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    return txn_commit(txn, call);
}

tdbplus_status engine_once(tdbplus_db *db, engine_txn_work work, void *args,
                           const struct call *call)
{
    return try_once(db, false, work, args, call);
}

tdbplus_status engine_with_txn(tdbplus_db *db, tdbplus_txn *txn, bool read_only,
                               engine_txn_work work, void *args, const struct call *call)
{
    if (txn != NULL) {
        TRY(txn_statement(txn->txn, call->err));
        struct txn_savepoint before = txn_savepoint_set(txn->txn);
        tdbplus_status status = work(args, txn->txn, call);
        if (status == TDBPLUS_OK && !read_only) {
            status = txn_end_statement(txn->txn, call);
        }
        if (status != TDBPLUS_OK && !read_only) {
            txn_savepoint_rollback(txn->txn, before); // E5 holds inside transactions too.
        }
        txn_savepoint_release(txn->txn, before);
        return status;
    }
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < ENGINE_RETRY_COUNT_MAX; i++) {
        err_clear(call->err);
        status = try_once(db, read_only, work, args, call);
        if (status != TDBPLUS_E_CONFLICT) {
            break;
        }
    }
    return status;
}
