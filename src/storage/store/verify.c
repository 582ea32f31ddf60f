/* Reading everything, to find damage before a query does. */

#include <inttypes.h>
#include <stdio.h>

#include "storage/store/persist.h"

struct verify {
    struct store *store;
    const struct call *call;
    void (*report)(void *ctx, const char *problem);
    void *report_ctx;
    uint64_t log_from; /* Where replay would begin. */
    struct err first;
};

static void tell(struct verify *verify, const struct err *err)
{
    if (verify->first.status == TDBPLUS_OK) {
        verify->first = *err;
    }
    if (verify->report != NULL) {
        verify->report(verify->report_ctx, err->text);
    }
}

/* True when the walk has to stop: cancelled or out of time, not damage. */
static bool must_stop(tdbplus_status status)
{
    return status == TDBPLUS_E_CANCELLED || status == TDBPLUS_E_TIMEOUT;
}

static tdbplus_status verify_version(struct verify *verify, const struct version *version)
{
    for (uint32_t i = 0; i < version->segment_count; i++) {
        struct err err = {0};
        struct call call = *verify->call;
        call.err = &err;
        tdbplus_status status = segment_verify(version->segments[i]->segment, &call);
        if (must_stop(status)) {
            return status;
        }
        if (status != TDBPLUS_OK) {
            tell(verify, &err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status verify_collections(struct verify *verify)
{
    struct catalog *catalog = catalog_acquire(verify->store);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < catalog->object_count && status == TDBPLUS_OK; i++) {
        struct collection *collection = catalog->objects[i]->object.collection;
        if (collection != NULL) {
            struct version *version = version_acquire(collection);
            status = verify_version(verify, version);
            version_release(version);
        }
    }
    catalog_release(catalog);
    return status;
}

/* Delete maps are checked against the checksums in the manifest. */
static void verify_deletes(struct verify *verify)
{
    struct store *store = verify->store;
    uint64_t id = 0;
    struct span value;
    while (manifest_next(store->manifest, MANIFEST_DELETES, &id, &value)) {
        struct err err = {0};
        struct bytes content = {0};
        if (persist_read_deletes(store, value, &content, &err) != TDBPLUS_OK) {
            tell(verify, &err);
        }
        bytes_deinit(&content);
        id++;
    }
}

static tdbplus_status ignore_record(void *ctx, const struct log_record *record, struct err *err)
{
    (void)ctx;
    (void)record;
    (void)err;
    return TDBPLUS_OK;
}

static void tell_damage(void *ctx, const struct log_gap *gap)
{
    struct verify *verify = ctx;
    // What comes after the synced end is being written right now.
    if (gap->lsn < verify->store->verify_limit) {
        struct err err = {0};
        (void)!err_set(&err, TDBPLUS_E_CORRUPT,
                       "log: %s/log-%016" PRIx64 ", offset %" PRIu64
                       ": damage from position %" PRIu64 " to %" PRIu64 ": %s",
                       verify->store->directory, gap->file_number, gap->offset, gap->lsn,
                       gap->lsn_end, gap->why);
        tell(verify, &err);
    }
}

static void verify_log(struct verify *verify)
{
    struct store *store = verify->store;
    if (store->log == NULL) {
        return;
    }
    struct err err = {0};
    struct log_options options = {.env = store->env,
                                  .alloc = store->alloc,
                                  .directory = store->directory,
                                  .database_id = store->database_id,
                                  .file_size = store->options.log_file_size,
                                  .read_only = true};
    store->verify_limit = log_synced(store->log);
    // Not log_start(): the first file may begin with the rest of a record that was cut.
    if (log_salvage(&options, verify->log_from, ignore_record, verify, tell_damage, &err) !=
        TDBPLUS_OK) {
        tell(verify, &err);
    }
}

tdbplus_status store_verify(struct store *store, void (*report)(void *ctx, const char *problem),
                            void *report_ctx, const struct call *call)
{
    struct verify verify = {
        .store = store, .call = call, .report = report, .report_ctx = report_ctx};
    // No flush may cut the log or replace delete maps meanwhile.
    mutex_lock(store->env, &store->flush_mutex);
    mutex_lock(store->env, &store->structure);
    verify_deletes(&verify);
    tdbplus_status status = persist_replay_from(store, &verify.log_from, call->err);
    mutex_unlock(store->env, &store->structure);
    if (status == TDBPLUS_OK) {
        verify_log(&verify);
    }
    mutex_unlock(store->env, &store->flush_mutex);
    TRY(status);
    status = verify_collections(&verify);
    if (status == TDBPLUS_OK && verify.first.status != TDBPLUS_OK) {
        status = verify.first.status;
        if (call->err != NULL && call->err->status == TDBPLUS_OK) {
            *call->err = verify.first;
        }
    } else if (status != TDBPLUS_OK) {
        return err_set(call->err, status, "verify: stopped before the end");
    }
    return status;
}
