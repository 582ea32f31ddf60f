/*
 * Writing and syncing. One leader writes everything that is buffered and syncs it for all who wait;
 * those who come meanwhile form the next group, and one of them leads it.
 *
 *            +---------+   sync() finds nobody leading   +-------+
 *            |  nobody | ------------------------------> | leads |--+ its group is done; somebody
 *            |  leads  | <------------------------------ |       |<-+ waits: that one leads next
 *            +---------+   nobody waits                  +-------+
 */

#include "base/plant.h"
#include "storage/log/log_internal.h"

/* ---- stopping ---- */

bool log_stopped(const struct log *log)
{
    return atomic_load_explicit(&log->stopped, memory_order_acquire);
}

tdbplus_status log_stopped_error(struct log *log, struct err *err)
{
    char text[ERR_TEXT_SIZE];
    latch_lock(&log->state_latch);
    memcpy(text, log->stop_text, sizeof text);
    latch_unlock(&log->state_latch);
    tdbplus_status status =
        err_set(err, TDBPLUS_E_STOPPED, "log: stopped after a failed write or sync");
    err_detail(err, "%s", text);
    return status;
}

/* S1: what is on disk is unknown now, so nothing more is promised and nobody is told "durable". */
void log_stop(struct log *log, const struct err *why)
{
    latch_lock(&log->state_latch);
    if (!atomic_load_explicit(&log->stopped, memory_order_relaxed)) {
        memcpy(log->stop_text, why->text, sizeof log->stop_text);
        atomic_store_explicit(&log->stopped, true, memory_order_release);
        atomic_store_explicit(&log->limit, 0, memory_order_release);
    }
    latch_unlock(&log->state_latch);
    env_event_set(log->env, &log->drain);
}

/* ---- writing ---- */

static tdbplus_status write_bytes(struct log *log, const struct log_file *file, uint64_t lsn,
                                  const uint8_t *data, uint64_t size, struct err *err)
{
    TRY(env_write(log->env, file->file, log_file_offset(file, lsn), data, size, err));
    atomic_fetch_add_explicit(&log->written_bytes, size, memory_order_relaxed);
    return TDBPLUS_OK;
}

/* Writes the beginning of a block and zeros for the rest of it: the kernel then need not read a
 * cold block of a recycled file first, and old bytes there are gone. */
static tdbplus_status write_block(struct log *log, const struct log_file *file, uint64_t lsn,
                                  const uint8_t *data, uint64_t size, struct err *err)
{
    uint64_t offset = log_file_offset(file, lsn);
    uint64_t block_end = (offset | (LOG_BLOCK_SIZE - 1)) + 1;
    uint64_t file_end = log_file_offset(file, file->end_lsn);
    block_end = block_end < file_end ? block_end : file_end;
    memcpy(log->block, data, size);
    memset(log->block + size, 0, block_end - offset - size);
    return write_bytes(log, file, lsn, log->block, block_end - offset, err);
}

/* Writes the piece of [written, lsn) that lies in one file and one chunk. Sets *lsn_inout to
 * where it ended. */
static tdbplus_status write_piece(struct log *log, uint64_t lsn, bool whole, bool *more_out,
                                  struct err *err)
{
    uint64_t from = atomic_load_explicit(&log->written, memory_order_relaxed);
    if (from == log->write_file->end_lsn) {
        log->write_file = atomic_load_explicit(&log->write_file->next, memory_order_acquire);
    }
    const struct log_file *file = log->write_file;
    uint64_t skip = from & (LOG_CHUNK_SIZE - 1);
    const uint8_t *data = log->chunks[(from >> LOG_CHUNK_SHIFT) % LOG_CHUNK_COUNT] + skip;
    uint64_t to = from - skip + LOG_CHUNK_SIZE;
    to = to < file->end_lsn ? to : file->end_lsn;
    *more_out = to < lsn;
    if (to < lsn) {
        TRY(write_bytes(log, file, from, data, to - from, err));
    } else {
        // The last piece: all but the block that is not full yet, then that block.
        to = lsn;
        uint64_t partial = lsn == file->end_lsn ? 0 : log_file_offset(file, lsn) % LOG_BLOCK_SIZE;
        uint64_t split = partial < to - from ? to - partial : from;
        if (split > from) {
            TRY(write_bytes(log, file, from, data, split - from, err));
        }
        if (whole) {
            to = split;
        } else if (split < to) {
            TRY(write_block(log, file, split, data + (split - from), to - split, err));
        }
    }
    atomic_store_explicit(&log->written, to, memory_order_release);
    log_chunks_recycle(log);
    return TDBPLUS_OK;
}

tdbplus_status log_write_to(struct log *log, uint64_t lsn, bool whole, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct err reason = {0};
    mutex_lock(log->env, &log->write_mutex);
    bool more = atomic_load_explicit(&log->written, memory_order_relaxed) < lsn;
    while (more && status == TDBPLUS_OK) {
        if (log_stopped(log)) {
            status = log_stopped_error(log, &reason);
            break;
        }
        status = write_piece(log, lsn, whole, &more, &reason);
        if (status != TDBPLUS_OK) {
            log_stop(log, &reason);
        }
    }
    mutex_unlock(log->env, &log->write_mutex);
    return status == TDBPLUS_OK ? TDBPLUS_OK : log_pass_error(err, &reason);
}

tdbplus_status log_write_out(struct log *log, struct err *err)
{
    if (log->read_only) {
        return err_set(err, TDBPLUS_E_READ_ONLY, "log: opened read-only");
    }
    if (log_stopped(log)) {
        return log_stopped_error(log, err);
    }
    return log_write_to(log, log_end(log), false, err);
}

/* ---- syncing ---- */

/* Syncs the files that hold [synced, target). Handles of files that are wholly synced are closed:
 * nobody writes there any more. */
static tdbplus_status sync_files(struct log *log, uint64_t target, struct err *err)
{
    for (;;) {
        struct log_file *file = log->sync_file;
        if (!planted(PLANT_LOG_SYNC_SKIPPED)) {
            TRY(env_sync(log->env, file->file, err));
        }
        if (target <= file->end_lsn) {
            return TDBPLUS_OK;
        }
        log->sync_file = atomic_load_explicit(&file->next, memory_order_acquire);
        env_close(log->env, file->file);
        file->file = NULL;
    }
}

/* Ends the leader's turn: publishes the result, picks who is done and who leads next. */
static struct log_waiter *end_turn(struct log *log, uint64_t target, bool good,
                                   struct log_waiter **leader_out)
{
    struct log_waiter *done = NULL;
    struct log_waiter **done_link = &done;
    struct log_waiter *waiting = NULL;
    struct log_waiter *last = NULL;
    latch_lock(&log->group_latch);
    if (good) {
        atomic_store_explicit(&log->synced, target, memory_order_release);
    }
    struct log_waiter *next = NULL;
    for (struct log_waiter *waiter = log->waiter_first; waiter != NULL; waiter = next) {
        next = waiter->next;
        waiter->next = NULL;
        if (!good || waiter->lsn <= target) {
            waiter->outcome = good ? LOG_OUTCOME_DONE : LOG_OUTCOME_STOPPED;
            *done_link = waiter;
            done_link = &waiter->next;
        } else {
            waiting = waiting == NULL ? waiter : waiting;
            if (last != NULL) {
                last->next = waiter;
            }
            last = waiter;
        }
    }
    *leader_out = waiting;
    if (waiting != NULL) {
        waiting->outcome = LOG_OUTCOME_LEAD;
        log->waiter_first = waiting->next;
        waiting->next = NULL;
    } else {
        log->waiter_first = NULL;
    }
    log->waiter_last = log->waiter_first == NULL ? NULL : last;
    log->sync_running = waiting != NULL;
    latch_unlock(&log->group_latch);
    return done;
}

static tdbplus_status lead(struct log *log, struct err *err)
{
    struct err reason = {0};
    uint64_t target = log_end(log);
    tdbplus_status status = log_write_to(log, target, false, &reason);
    if (status == TDBPLUS_OK && log_stopped(log)) {
        status = log_stopped_error(log, &reason);
    }
    if (status == TDBPLUS_OK) {
        uint64_t begin = env_clock_mono_us(log->env);
        status = sync_files(log, target, &reason);
        if (planted(PLANT_LOG_SYNC_RETRIED) && status != TDBPLUS_OK) {
            status = sync_files(log, target, &reason);
        }
        atomic_fetch_add(&log->sync_us_total, env_clock_mono_us(log->env) - begin);
        atomic_fetch_add(&log->sync_count, 1);
        if (status != TDBPLUS_OK) {
            log_stop(log, &reason);
        }
    }
    struct log_waiter *leader = NULL;
    struct log_waiter *done = end_turn(log, target, status == TDBPLUS_OK, &leader);
    if (leader != NULL) {
        env_event_set(log->env, &leader->event); // First: the disk shall not idle.
    }
    while (done != NULL) {
        struct log_waiter *next = done->next; // Once its event is set, a waiter may be gone.
        env_event_set(log->env, &done->event);
        done = next;
    }
    return status == TDBPLUS_OK ? TDBPLUS_OK : log_pass_error(err, &reason);
}

tdbplus_status log_sync(struct log *log, uint64_t lsn, struct err *err)
{
    ASSERT(lsn <= log_end(log));
    if (log_synced(log) >= lsn && !log_stopped(log)) {
        return TDBPLUS_OK;
    }
    struct log_waiter waiter = {.lsn = lsn};
    latch_lock(&log->group_latch);
    if (log_stopped(log)) {
        latch_unlock(&log->group_latch);
        return log_stopped_error(log, err);
    }
    if (log_synced(log) >= lsn) {
        latch_unlock(&log->group_latch);
        return TDBPLUS_OK;
    }
    atomic_fetch_add_explicit(&log->sync_waiter_count, 1, memory_order_relaxed);
    if (!log->sync_running) {
        log->sync_running = true;
        latch_unlock(&log->group_latch);
        return lead(log, err);
    }
    if (log->waiter_last == NULL) {
        log->waiter_first = &waiter;
    } else {
        log->waiter_last->next = &waiter;
    }
    log->waiter_last = &waiter;
    latch_unlock(&log->group_latch);

    (void)env_event_wait(log->env, &waiter.event, ENV_DEADLINE_NONE);
    if (waiter.outcome == LOG_OUTCOME_LEAD) {
        return lead(log, err);
    }
    return waiter.outcome == LOG_OUTCOME_DONE ? TDBPLUS_OK : log_stopped_error(log, err);
}

tdbplus_status log_mark_idle(struct log *log, void (*lock)(void *ctx), void (*unlock)(void *ctx),
                             void *ctx, struct err *err)
{
    if (log->read_only) {
        return TDBPLUS_OK;
    }
    uint64_t end = log_end(log);
    if (atomic_load_explicit(&log->newest_proves, memory_order_relaxed) && !log_stopped(log)) {
        TRY(log_sync(log, end, err));
        log_proof_note(log, log->proof_wanted);
        return TDBPLUS_OK;
    }
    TRY(log_sync(log, end, err));
    TRY(log_prepare(log, 0, err));
    lock(ctx);
    // Somebody appended meanwhile: not idle, and the next call will find out when it is.
    bool idle = log_end(log) == log_synced(log);
    if (idle) {
        struct log_entry mark = {.kind = LOG_KIND_MARK};
        log->proof_wanted = log_end(log);
        end = log_append(log, &mark);
    }
    unlock(ctx);
    if (!idle) {
        log_unprepare(log, 0);
        return TDBPLUS_OK;
    }
    TRY(log_sync(log, end, err));
    // Not the mark itself: rot in it alone loses nothing, and shall stop nobody.
    log_proof_note(log, log->proof_wanted);
    return TDBPLUS_OK;
}

/* ---- the helper ---- */

/* Failures are not lost: a failed write stops the log, and a file that could not be made is tried
 * again by the writer that needs it, which then gets the error. */
void log_helper(void *arg)
{
    struct log *log = arg;
    while (!atomic_load(&log->closing)) {
        (void)env_event_wait(log->env, &log->work, ENV_DEADLINE_NONE);
        if (log_stopped(log) || atomic_load(&log->closing)) {
            continue;
        }
        uint64_t end = log_end(log);
        if (end - atomic_load(&log->written) >= log->write_ahead) {
            tdbplus_status status = log_write_to(log, end, true, NULL);
            (void)status;
        }
        if (log_files_wants_space(log)) {
            tdbplus_status status = log_files_extend(log, atomic_load(&log->space) + 1, NULL);
            (void)status;
        }
    }
}
