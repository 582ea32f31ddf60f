/*
 * Opening, closing, salvage, statistics.
 *
 * Opening replays first and changes files only when the verdict of S2 is in: damage leaves
 * everything as it was found. Then what was replayed is made durable, because replay may have read
 * it from the page cache of a process that died before its sync, and whatever the store builds on
 * it must not be lost again (L5).
 */

#include "storage/log/log_internal.h"

#define BUFFER_SIZE_DEFAULT ((size_t)16 << 20)
#define BUFFER_SIZE_MIN     ((size_t)64 << 10)
#define WRITE_AHEAD_MAX     ((uint64_t)1 << 20)

_Static_assert(LOG_RECORD_SIZE_MAX + 2 * BUFFER_SIZE_DEFAULT < LOG_CHUNK_COUNT * LOG_CHUNK_SIZE,
               "the window holds the largest record");

uint64_t log_end(const struct log *log)
{
    return atomic_load_explicit(&log->end, memory_order_acquire);
}

uint64_t log_synced(const struct log *log)
{
    return atomic_load_explicit(&log->synced, memory_order_acquire);
}

uint64_t log_start(const struct log *log)
{
    return atomic_load_explicit(&log->start, memory_order_acquire);
}

tdbplus_status log_pass_error(struct err *err, const struct err *reason)
{
    if (err != NULL && err->status == TDBPLUS_OK) {
        *err = *reason;
    }
    return reason->status;
}

static tdbplus_status check_options(const struct log_options *options, uint64_t from,
                                    struct err *err)
{
    uint64_t file_size = options->file_size;
    if (file_size != 0 && (file_size < LOG_FILE_SIZE_MIN || file_size > LOG_FILE_SIZE_MAX)) {
        return err_set(err, TDBPLUS_E_INVALID, "log: files of %llu bytes; allowed are %llu to %llu",
                       (unsigned long long)file_size, (unsigned long long)LOG_FILE_SIZE_MIN,
                       (unsigned long long)LOG_FILE_SIZE_MAX);
    }
    if (options->buffer_size > LOG_RECORD_SIZE_MAX / 2) {
        return err_set(err, TDBPLUS_E_INVALID, "log: a buffer of %zu bytes; at most %zu",
                       options->buffer_size, LOG_RECORD_SIZE_MAX / 2);
    }
    if (from % LOG_ALIGN != 0) {
        return err_set(err, TDBPLUS_E_INVALID, "log: %llu is not the position of a record",
                       (unsigned long long)from);
    }
    if (strlen(options->directory) >= ENV_PATH_SIZE_MAX - ENV_NAME_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "log: the path of the directory is too long");
    }
    return TDBPLUS_OK;
}

static void log_destroy(struct log *log)
{
    if (log == NULL) {
        return;
    }
    const struct alloc *alloc = log->alloc;
    log_files_release(log);
    for (size_t i = 0; log->chunks != NULL && i < LOG_CHUNK_COUNT; i++) {
        alloc_free(alloc, log->chunks[i], LOG_CHUNK_SIZE, 1);
    }
    alloc_free(alloc, log->chunks, LOG_CHUNK_COUNT, sizeof *log->chunks);
    alloc_free(alloc, log->block, LOG_BLOCK_SIZE, 1);
    log_streams_destroy(alloc, log->streams);
    log_streams_destroy(alloc, log->streams_pending);
    log_streams_destroy(alloc, log->streams_retired);
    alloc_free_aligned(alloc, log, sizeof *log);
}

static tdbplus_status log_create(const struct log_options *options, struct log **log_out,
                                 struct err *err)
{
    const struct alloc *alloc = options->alloc;
    struct log *log = alloc_aligned(alloc, sizeof *log);
    if (log == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "log: the log itself");
    }
    memset(log, 0, sizeof *log);
    log->env = options->env;
    log->alloc = alloc;
    memcpy(log->directory, options->directory, strlen(options->directory) + 1);
    log->database_id = options->database_id;
    uint64_t file_size = options->file_size == 0 ? LOG_FILE_SIZE : options->file_size;
    log->file_size = file_size & ~(uint64_t)(LOG_BLOCK_SIZE - 1);
    size_t buffer_size = options->buffer_size == 0 ? BUFFER_SIZE_DEFAULT : options->buffer_size;
    log->buffer_size = buffer_size < BUFFER_SIZE_MIN ? BUFFER_SIZE_MIN : buffer_size;
    log->write_ahead =
        log->buffer_size / 4 < WRITE_AHEAD_MAX ? log->buffer_size / 4 : WRITE_AHEAD_MAX;
    uint64_t smallest = log->file_size < LOG_FILE_SIZE_FIRST ? log->file_size : LOG_FILE_SIZE_FIRST;
    log->capacity_min = smallest - LOG_FILE_HEADER_SIZE - LOG_TAIL_MIN - LOG_HEADER_SIZE_MAX;
    log->read_only = options->read_only;

    tdbplus_status status = TDBPLUS_OK;
    struct log_streams *streams = NULL;
    TRY_OR(done, log_streams_create(alloc, LOG_STREAMS_CAPACITY, &streams, err));
    log->streams = streams;
    if (!log->read_only) {
        log->chunks = alloc_array(alloc, LOG_CHUNK_COUNT, sizeof *log->chunks);
        log->block = alloc_raw(alloc, LOG_BLOCK_SIZE);
        if (log->chunks == NULL || log->block == NULL) {
            status = err_set(err, TDBPLUS_E_NOMEM, "log: the buffer");
            goto done;
        }
    }
    *log_out = log;
    log = NULL;

done:
    log_destroy(log);
    return status;
}

/* ---- opening ---- */

/* A torn tail is overwritten with zeros, so that no record in it can ever be taken for a valid one
 * (L4), and a file that is shorter than it says gets its length back. */
static tdbplus_status repair_tail(struct log *log, const struct log_scan_result *result,
                                  struct err *err)
{
    struct log_file *file = result->end_file;
    bool later_short = false;
    for (const struct log_file *next = file->next; next != NULL; next = next->next) {
        later_short |= next->size < log_file_offset(next, next->end_lsn);
    }
    if (result->leftovers != 0 || later_short) {
        TRY(log_files_drop_after(log, file, err));
    }
    uint64_t size = log_file_offset(file, file->end_lsn);
    uint64_t end = log_file_offset(file, result->end);
    if (result->leftovers == 0 && file->size >= size) {
        return TDBPLUS_OK;
    }
    TRY(log_file_open(log, file, err));
    if (file->size < size) {
        TRY(env_allocate(log->env, file->file, size, err));
        file->size = size;
    }
    TRY(log_zero_fill(log, file->file, end, size, err));
    return env_sync(log->env, file->file, err);
}

/* Syncs what was replayed and not proven to be synced (L5), and opens the files ahead. It is
 * written again first: the process before may have died of a sync that failed. Names are synced
 * too: it may have died between giving a file its name and syncing the directory. */
static tdbplus_status sync_tail(struct log *log, const struct log_scan_result *result,
                                struct err *err)
{
    TRY(env_sync_directory(log->env, log->directory, err));
    for (struct log_file *file = log->first; file != NULL; file = file->next) {
        bool unproven = file->end_lsn > result->proven && file->first_lsn < result->end;
        bool ahead = file->end_lsn >= result->end;
        if (!file->damaged && (unproven || ahead)) {
            TRY(log_file_open(log, file, err));
        }
        if (!file->damaged && unproven) {
            uint64_t from = result->proven > file->first_lsn ? result->proven : file->first_lsn;
            uint64_t to = result->end < file->end_lsn ? result->end : file->end_lsn;
            uint64_t begin = log_file_offset(file, from);
            uint64_t end = log_file_offset(file, to);
            // What lies below the position that is needed may be cut off: nobody reads it.
            end = end < file->size ? end : file->size;
            if (begin < end) {
                TRY(env_rewrite(log->env, file->file, begin, end, log->alloc, err));
            }
            TRY(env_sync(log->env, file->file, err));
        }
        if (file->file != NULL && !ahead) {
            env_close(log->env, file->file);
            file->file = NULL;
        }
    }
    return TDBPLUS_OK;
}

static void set_positions(struct log *log, const struct log_scan_result *result)
{
    uint64_t end = result->end;
    log->append_file = result->end_file;
    log->write_file = result->end_file;
    log->sync_file = result->end_file;
    log->newest_proves = result->newest_proves;
    log->proof_wanted = result->newest_mark;
    log->start = log->first == NULL ? end : log->first->first_lsn;
    log->end = end;
    log->promised = end;
    log->written = end;
    log->synced = end;
    log->chunk_first = end >> LOG_CHUNK_SHIFT;
    log->covered = log->chunk_first << LOG_CHUNK_SHIFT;
    for (const struct log_file *file = log->first; file != NULL; file = file->next) {
        log_note_space(log, file);
        log->files_ahead += !file->damaged && file->first_lsn >= end ? 1 : 0;
    }
}

static tdbplus_status begin_writing(struct log *log, uint64_t from, struct log_scan_result *result,
                                    struct err *err)
{
    if (log->first == NULL) {
        TRY(log_files_extend(log, 1, err));
        result->end_file = log->first;
    } else {
        TRY(sync_tail(log, result, err));
        TRY(repair_tail(log, result, err));
    }
    TRY(log_files_drop_below(log, from, err));
    set_positions(log, result);
    log_limit_update(log);
    return env_task_start(log->env, "log", log_helper, log, &log->task, err);
}

tdbplus_status log_open(const struct log_options *options, uint64_t from, log_replay_fn replay,
                        void *replay_ctx, struct log **log_out, uint64_t *torn_bytes_out,
                        struct err *err)
{
    TRY(check_options(options, from, err));
    struct log *log = NULL;
    TRY(log_create(options, &log, err));

    tdbplus_status status = TDBPLUS_OK;
    struct log_scan_result result = {0};
    TRY_OR(done, log_files_load(log, from, false, err));
    TRY_OR(done, log_streams_load(log, err));
    TRY_OR(done, log_proof_load(log, err));
    TRY_OR(done, log_scan(log, from, replay, replay_ctx, NULL, &result, err));
    if (log->read_only) {
        set_positions(log, &result);
    } else {
        TRY_OR(done, begin_writing(log, from, &result, err));
    }
    if (torn_bytes_out != NULL) {
        *torn_bytes_out = result.leftovers == 0 ? 0 : result.leftovers - result.end;
    }
    *log_out = log;
    log = NULL;

done:
    log_destroy(log);
    return status;
}

tdbplus_status log_identify(const struct log_options *options, struct log_identity *identity_out,
                            struct err *err)
{
    struct log_options reading = *options;
    reading.read_only = true;
    TRY(check_options(&reading, 0, err));
    struct log *log = NULL;
    TRY(log_create(&reading, &log, err));
    tdbplus_status status = log_files_identify(log, identity_out, err);
    log_destroy(log);
    return status;
}

tdbplus_status log_salvage(const struct log_options *options, uint64_t from, log_replay_fn replay,
                           void *replay_ctx, void (*damage)(void *ctx, const struct log_gap *gap),
                           struct err *err)
{
    struct log_options reading = *options;
    reading.read_only = true;
    TRY(check_options(&reading, from, err));
    struct log *log = NULL;
    TRY(log_create(&reading, &log, err));

    tdbplus_status status = TDBPLUS_OK;
    struct log_scan_result result = {0};
    struct log_damage listener = {.fn = damage, .ctx = replay_ctx};
    TRY_OR(done, log_files_load(log, from, true, err));
    TRY_OR(done, log_proof_load(log, err));
    TRY_OR(done, log_scan(log, from, replay, replay_ctx, &listener, &result, err));

done:
    log_destroy(log);
    return status;
}

void log_close(struct log *log)
{
    if (log == NULL) {
        return;
    }
    if (!log->read_only) {
        atomic_store(&log->closing, true);
        env_event_set(log->env, &log->work);
        env_task_join(log->env, log->task);
        // A failure has nobody to tell: what was acknowledged was synced before.
        tdbplus_status status = log_stopped(log) ? TDBPLUS_OK : log_sync(log, log_end(log), NULL);
        (void)status;
    }
    log_destroy(log);
}

void log_get_statistics(const struct log *log, struct log_statistics *statistics_out)
{
    *statistics_out = (struct log_statistics){
        .record_count = log->record_count,
        .payload_bytes = log->payload_bytes,
        .written_bytes = log->written_bytes,
        .sync_count = log->sync_count,
        .sync_us_total = log->sync_us_total,
        .sync_waiter_count = log->sync_waiter_count,
        .file_created_count = log->file_created_count,
        .file_recycled_count = log->file_recycled_count,
    };
}
