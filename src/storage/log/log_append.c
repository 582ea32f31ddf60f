/*
 * The hot path: promising room, and copying records into the buffer.
 *
 * The buffer is a window of 256 KiB chunks over the positions of the log. log_prepare() promises
 * bytes by one compare-and-swap against a limit that says how far chunks, files and back-pressure
 * allow to go; only at the limit somebody does the work that moves it (admit() below).
 * log_append() therefore needs no memory and no file, and its only shared write that others wait
 * for is `end`.
 */

#include "storage/log/log_internal.h"

#define BOUNDARY_COST (LOG_TAIL_MIN + LOG_HEADER_SIZE_MAX + LOG_ALIGN)

/* ---- the window of chunks ---- */

static uint8_t *chunk_of(const struct log *log, uint64_t lsn)
{
    return log->chunks[(lsn >> LOG_CHUNK_SHIFT) % LOG_CHUNK_COUNT];
}

/* Everything that bounds a promise is only ever raised, so a promise that was good stays good. */
static void limit_update_locked(struct log *log)
{
    uint64_t limit = 0;
    if (!log->gate_closed && !atomic_load_explicit(&log->stopped, memory_order_relaxed)) {
        uint64_t covered = atomic_load_explicit(&log->covered, memory_order_relaxed);
        uint64_t space = atomic_load_explicit(&log->space, memory_order_acquire);
        uint64_t pressure =
            atomic_load_explicit(&log->written, memory_order_relaxed) + log->buffer_size;
        limit = covered < space ? covered : space;
        limit = limit < pressure ? limit : pressure;
    }
    atomic_store_explicit(&log->limit, limit, memory_order_release);
}

void log_limit_update(struct log *log)
{
    latch_lock(&log->state_latch);
    limit_update_locked(log);
    latch_unlock(&log->state_latch);
}

void log_chunks_recycle(struct log *log)
{
    uint64_t written = atomic_load_explicit(&log->written, memory_order_relaxed);
    latch_lock(&log->state_latch);
    while ((log->chunk_first + 1) << LOG_CHUNK_SHIFT <= written) {
        uint8_t **slot = &log->chunks[log->chunk_first % LOG_CHUNK_COUNT];
        uint8_t *chunk = *slot;
        *slot = NULL;
        log->chunk_first++;
        uint64_t covered = atomic_load_explicit(&log->covered, memory_order_relaxed);
        if (covered - written < log->buffer_size) {
            log->chunks[(covered >> LOG_CHUNK_SHIFT) % LOG_CHUNK_COUNT] = chunk;
            atomic_store_explicit(&log->covered, covered + LOG_CHUNK_SIZE, memory_order_release);
        } else {
            alloc_free(log->alloc, chunk, LOG_CHUNK_SIZE, 1);
        }
    }
    limit_update_locked(log);
    latch_unlock(&log->state_latch);
}

/* Adds one chunk at the window's end. */
static tdbplus_status cover(struct log *log, struct err *err)
{
    uint8_t *chunk = alloc_raw(log->alloc, LOG_CHUNK_SIZE);
    if (chunk == NULL) {
        uint64_t covered = atomic_load(&log->covered);
        if (atomic_load(&log->written) < log_end(log)) {
            // What is written out gives its chunks back, and perhaps one is enough.
            TRY(log_write_to(log, log_end(log), false, err));
        }
        return atomic_load(&log->covered) > covered
                   ? TDBPLUS_OK
                   : err_set(err, TDBPLUS_E_NOMEM, "log: the buffer cannot grow");
    }
    latch_lock(&log->state_latch);
    uint64_t covered = atomic_load_explicit(&log->covered, memory_order_relaxed);
    ASSERT((covered >> LOG_CHUNK_SHIFT) - log->chunk_first < LOG_CHUNK_COUNT);
    log->chunks[(covered >> LOG_CHUNK_SHIFT) % LOG_CHUNK_COUNT] = chunk;
    atomic_store_explicit(&log->covered, covered + LOG_CHUNK_SIZE, memory_order_release);
    latch_unlock(&log->state_latch);
    return TDBPLUS_OK;
}

/* ---- promises ---- */

/* An upper bound of what a record of `size` bytes takes, wherever the files end. */
static uint64_t record_need(const struct log *log, size_t size)
{
    uint64_t boundaries = 2 + log->files_ahead + size / log->capacity_min;
    return log_align(LOG_HEADER_SIZE_MAX + size) + boundaries * BOUNDARY_COST;
}

static bool promise(struct log *log, uint64_t need)
{
    uint64_t promised = atomic_load_explicit(&log->promised, memory_order_acquire);
    while (promised + need <= atomic_load_explicit(&log->limit, memory_order_acquire)) {
        if (atomic_compare_exchange_weak_explicit(&log->promised, &promised, promised + need,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

/* Waits until an append or unprepare has changed `promised`. */
static void wait_for_drain(struct log *log, uint64_t promised)
{
    atomic_store(&log->drain_wanted, true);
    if (atomic_load(&log->promised) == promised && !log_stopped(log)) {
        (void)env_event_wait(log->env, &log->drain, ENV_DEADLINE_NONE);
    }
    atomic_store(&log->drain_wanted, false);
}

/* Back-pressure: a record larger than half the buffer only waits for the others to shrink to the
 * other half, so that any size gets through. */
static tdbplus_status relieve_pressure(struct log *log, uint64_t promised, uint64_t need,
                                       bool *again_out, struct err *err)
{
    uint64_t half = log->buffer_size / 2;
    uint64_t others_max = need <= half ? log->buffer_size - need : half;
    *again_out = promised - atomic_load(&log->written) > others_max;
    if (!*again_out) {
        return TDBPLUS_OK;
    }
    uint64_t end = log_end(log);
    if (atomic_load(&log->written) < end) {
        return log_write_to(log, end, false, err);
    }
    wait_for_drain(log, promised);
    return TDBPLUS_OK;
}

/* Raises everything until `need` more bytes may be promised, and promises them. Runs under the
 * prepare mutex with the gate closed, so that nobody else promises meanwhile. */
static tdbplus_status admit(struct log *log, uint64_t need, struct err *err)
{
    log_streams_destroy(log->alloc, atomic_exchange(&log->streams_retired, NULL));
    for (;;) {
        if (log_stopped(log)) {
            return log_stopped_error(log, err);
        }
        // Records that went by first, streams second: too few free slots are counted, never more.
        uint64_t settled = atomic_load(&log->record_count) + atomic_load(&log->unprepared);
        uint64_t streams = atomic_load_explicit(&log->stream_count, memory_order_acquire);
        uint64_t outstanding = atomic_load(&log->tickets) - settled;
        size_t room = 0;
        TRY(log_streams_reserve(log, streams + outstanding, &room, err));
        atomic_store(&log->ticket_last, settled + (room - streams));

        uint64_t promised = atomic_load(&log->promised);
        bool again = false;
        TRY(relieve_pressure(log, promised, need, &again, err));
        if (again) {
            continue;
        }
        if (promised + need > atomic_load(&log->space)) {
            TRY(log_files_extend(log, promised + need, err));
            continue;
        }
        if (promised + need > atomic_load(&log->covered)) {
            TRY(cover(log, err));
            continue;
        }
        if (atomic_compare_exchange_strong(&log->promised, &promised, promised + need)) {
            return TDBPLUS_OK;
        }
    }
}

static void set_gate(struct log *log, bool closed)
{
    latch_lock(&log->state_latch);
    log->gate_closed = closed;
    limit_update_locked(log);
    latch_unlock(&log->state_latch);
}

static void wake_helper(struct log *log)
{
    uint64_t unwritten = log_end(log) - atomic_load(&log->written);
    if (unwritten >= log->write_ahead || log_files_wants_space(log)) {
        env_event_set(log->env, &log->work);
    }
}

static tdbplus_status prepare_slow(struct log *log, uint64_t need, struct err *err)
{
    mutex_lock(log->env, &log->prepare_mutex);
    set_gate(log, true);
    tdbplus_status status = admit(log, need, err);
    set_gate(log, false);
    mutex_unlock(log->env, &log->prepare_mutex);
    if (status != TDBPLUS_OK) {
        atomic_fetch_add(&log->unprepared, 1);
        return status;
    }
    wake_helper(log);
    return TDBPLUS_OK;
}

tdbplus_status log_prepare(struct log *log, size_t size, struct err *err)
{
    if (log->read_only) {
        return err_set(err, TDBPLUS_E_READ_ONLY, "log: opened read-only");
    }
    if (size > LOG_RECORD_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "log: a record of %zu bytes; at most %zu fit", size,
                       LOG_RECORD_SIZE_MAX);
    }
    uint64_t need = record_need(log, size);
    uint64_t ticket = atomic_fetch_add_explicit(&log->tickets, 1, memory_order_relaxed) + 1;
    if (ticket <= atomic_load_explicit(&log->ticket_last, memory_order_acquire) &&
        promise(log, need)) {
        return TDBPLUS_OK;
    }
    return prepare_slow(log, need, err);
}

/* Gives back what was promised and not used. */
static inline void settle(struct log *log, uint64_t unused)
{
    atomic_fetch_sub(&log->promised, unused);
    if (atomic_load(&log->drain_wanted)) {
        env_event_set(log->env, &log->drain);
    }
}

void log_unprepare(struct log *log, size_t size)
{
    atomic_fetch_add(&log->unprepared, 1);
    settle(log, record_need(log, size));
}

/* ---- appending ---- */

/* Copies into the window; NULL `data` means zeros. */
static void put(const struct log *log, uint64_t lsn, const uint8_t *data, uint64_t size)
{
    while (size > 0) {
        uint64_t skip = lsn & (LOG_CHUNK_SIZE - 1);
        uint64_t piece = LOG_CHUNK_SIZE - skip;
        piece = piece < size ? piece : size;
        if (data != NULL) {
            memcpy(chunk_of(log, lsn) + skip, data, piece);
            data += piece;
        } else {
            memset(chunk_of(log, lsn) + skip, 0, piece);
        }
        lsn += piece;
        size -= piece;
    }
}

/* Puts one fragment and the zeros behind it; returns the position after them. */
static uint64_t put_fragment(struct log *log, uint64_t lsn, const struct log_header *header,
                             const uint8_t *payload)
{
    const struct log_file *file = log->append_file;
    size_t head = log_header_size(header->flags);
    uint64_t used = head + header->size;
    uint64_t size = log_align(used);
    uint64_t left = file->end_lsn - lsn - size;
    size += left < LOG_TAIL_MIN ? left : 0;

    uint64_t skip = lsn & (LOG_CHUNK_SIZE - 1);
    if (skip + size <= LOG_CHUNK_SIZE) {
        uint8_t *at = chunk_of(log, lsn) + skip;
        (void)log_header_encode(at, header, file->key, lsn);
        if (header->size > 0) {
            memcpy(at + head, payload, header->size);
        }
        memset(at + used, 0, size - used);
    } else {
        uint8_t bytes[LOG_HEADER_SIZE_MAX];
        (void)log_header_encode(bytes, header, file->key, lsn);
        put(log, lsn, bytes, head);
        put(log, lsn + head, payload, header->size);
        put(log, lsn + used, NULL, size - used);
    }
    return lsn + size;
}

uint64_t log_append(struct log *log, const struct log_entry *entry)
{
    ASSERT(entry->payload.size <= LOG_RECORD_SIZE_MAX);
    uint64_t begin = atomic_load_explicit(&log->end, memory_order_relaxed);
    uint64_t lsn = begin;
    bool mark = entry->kind == LOG_KIND_MARK;
    struct log_header header = {
        .payload_crc = entry->payload_crc,
        .stream = entry->stream,
        .kind = entry->kind,
        .flags = entry->term != 0 ? LOG_FLAG_FIRST | LOG_FLAG_TERM : LOG_FLAG_FIRST,
        .stream_seq = mark ? 0 : log_streams_next(log, entry->stream, begin),
        .term = entry->term,
        .timestamp = entry->timestamp,
        .synced_lsn = log_synced(log),
    };
    size_t head = log_header_size(header.flags);
    struct span rest = entry->payload;
    for (;;) {
        if (lsn == log->append_file->end_lsn) {
            log->append_file = atomic_load_explicit(&log->append_file->next, memory_order_acquire);
            ASSERT(log->append_file != NULL); // log_prepare() saw to it.
        }
        uint64_t room = log->append_file->end_lsn - lsn - head;
        bool last = rest.size <= room;
        header.size = last ? (uint32_t)rest.size : (uint32_t)room;
        header.flags |= last ? LOG_FLAG_LAST : 0;
        lsn = put_fragment(log, lsn, &header, rest.data);
        if (last) {
            break;
        }
        rest.data += header.size;
        rest.size -= header.size;
        header.flags &= (uint8_t)~LOG_FLAG_FIRST;
        header.fragment++;
    }
    uint64_t need = record_need(log, entry->payload.size);
    ASSERT(lsn - begin <= need);
    atomic_store_explicit(&log->newest_proves, mark && header.synced_lsn == begin,
                          memory_order_relaxed);
    atomic_store_explicit(&log->payload_bytes,
                          atomic_load_explicit(&log->payload_bytes, memory_order_relaxed) +
                              entry->payload.size,
                          memory_order_relaxed);
    atomic_store_explicit(&log->record_count,
                          atomic_load_explicit(&log->record_count, memory_order_relaxed) + 1,
                          memory_order_release);
    atomic_store_explicit(&log->end, lsn, memory_order_release);
    settle(log, need - (lsn - begin));
    return lsn;
}
