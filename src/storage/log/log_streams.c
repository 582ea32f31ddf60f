/*
 * Numbers of streams: a hash table that the appender owns, and a small file for streams whose
 * newest record was cut off.
 *
 * The appender must not allocate, so log_prepare() makes larger tables and leaves them in
 * `streams_pending`; the appender moves in when it meets a new stream, and leaves the old table in
 * `streams_retired` for the next preparer to free.
 *
 * The file "log-streams" is written before files are cut. It names streams whose newest record lies
 * below the cut; all others are found by reading what is kept (L7).
 */

#include "base/buffer.h"
#include "storage/log/log_internal.h"

#define FILE_HEADER_SIZE 32u
#define FILE_ENTRY_SIZE  12u
#define FILE_SIZE_MAX    ((size_t)1 << 30)

static const uint8_t file_magic[8] = {'T', 'D', 'B', '+', 'S', 'E', 'Q', '\n'};

tdbplus_status log_streams_create(const struct alloc *alloc, size_t capacity,
                                  struct log_streams **streams_out, struct err *err)
{
    struct log_streams *streams = alloc_array(alloc, 1, sizeof *streams);
    struct log_stream *slots = alloc_array(alloc, capacity, sizeof *slots);
    if (streams == NULL || slots == NULL) {
        alloc_free(alloc, streams, 1, sizeof *streams);
        alloc_free(alloc, slots, capacity, sizeof *slots);
        return err_set(err, TDBPLUS_E_NOMEM, "log: numbers of %zu streams", capacity);
    }
    streams->slots = slots;
    streams->capacity = capacity;
    *streams_out = streams;
    return TDBPLUS_OK;
}

void log_streams_destroy(const struct alloc *alloc, struct log_streams *streams)
{
    while (streams != NULL) {
        struct log_streams *next = streams->retired_next;
        alloc_free(alloc, streams->slots, streams->capacity, sizeof *streams->slots);
        alloc_free(alloc, streams, 1, sizeof *streams);
        streams = next;
    }
}

static uint64_t seq_of(const struct log_stream *slot)
{
    return atomic_load_explicit(&slot->seq, memory_order_relaxed);
}

/* The slot of `stream`, or the free one where it belongs. */
static struct log_stream *find_slot(const struct log_streams *streams, uint32_t stream)
{
    size_t mask = streams->capacity - 1;
    size_t at = (size_t)hash_u64(stream) & mask;
    while (seq_of(&streams->slots[at]) != 0 && streams->slots[at].stream != stream) {
        at = (at + 1) & mask;
    }
    return &streams->slots[at];
}

static void set_slot(struct log_stream *slot, uint32_t stream, uint64_t seq, uint64_t lsn)
{
    atomic_store_explicit(&slot->lsn, lsn, memory_order_relaxed);
    if (slot->stream != stream) {
        slot->stream = stream; // The slot was free: nobody else reads this yet.
    }
    atomic_store_explicit(&slot->seq, seq, memory_order_release);
}

static size_t room_of(size_t capacity)
{
    return capacity - capacity / 4;
}

static void migrate(struct log *log)
{
    struct log_streams *pending = atomic_exchange(&log->streams_pending, NULL);
    if (pending == NULL) {
        return;
    }
    struct log_streams *old = atomic_load_explicit(&log->streams, memory_order_relaxed);
    for (size_t i = 0; i < old->capacity; i++) {
        const struct log_stream *slot = &old->slots[i];
        if (seq_of(slot) != 0) {
            set_slot(find_slot(pending, slot->stream), slot->stream, seq_of(slot),
                     atomic_load_explicit(&slot->lsn, memory_order_relaxed));
        }
    }
    atomic_store(&log->streams, pending);
    struct log_streams *retired = atomic_load(&log->streams_retired);
    do {
        old->retired_next = retired;
    } while (!atomic_compare_exchange_weak(&log->streams_retired, &retired, old));
}

static struct log_stream *slot_for(struct log *log, uint32_t stream)
{
    struct log_stream *slot =
        find_slot(atomic_load_explicit(&log->streams, memory_order_relaxed), stream);
    if (seq_of(slot) != 0) {
        return slot;
    }
    migrate(log);
    struct log_streams *streams = atomic_load_explicit(&log->streams, memory_order_relaxed);
    uint64_t count = atomic_load_explicit(&log->stream_count, memory_order_relaxed) + 1;
    ASSERT(count <= room_of(streams->capacity)); // log_prepare() saw to it.
    atomic_store_explicit(&log->stream_count, count, memory_order_release);
    return find_slot(streams, stream);
}

uint64_t log_streams_next(struct log *log, uint32_t stream, uint64_t lsn)
{
    struct log_stream *slot = slot_for(log, stream);
    uint64_t seq = seq_of(slot) + 1;
    set_slot(slot, stream, seq, lsn);
    return seq;
}

tdbplus_status log_streams_reserve(struct log *log, uint64_t wanted, size_t *room_out,
                                   struct err *err)
{
    const struct log_streams *newest = atomic_load(&log->streams_pending);
    size_t capacity = newest != NULL ? newest->capacity : atomic_load(&log->streams)->capacity;
    if (room_of(capacity) < wanted) {
        while (room_of(capacity) < wanted) {
            capacity *= 2;
        }
        struct log_streams *larger = NULL;
        TRY(log_streams_create(log->alloc, capacity, &larger, err));
        log_streams_destroy(log->alloc, atomic_exchange(&log->streams_pending, larger));
    }
    *room_out = room_of(capacity);
    return TDBPLUS_OK;
}

tdbplus_status log_streams_note(struct log *log, uint32_t stream, uint64_t seq, uint64_t lsn,
                                struct err *err)
{
    if (seq == 0) {
        return TDBPLUS_OK;
    }
    size_t room = 0;
    TRY(log_streams_reserve(log, atomic_load(&log->stream_count) + 1, &room, err));
    struct log_stream *slot = slot_for(log, stream);
    uint64_t before = seq_of(slot);
    set_slot(slot, stream, before > seq ? before : seq, lsn);
    log_streams_destroy(log->alloc, atomic_exchange(&log->streams_retired, NULL));
    return TDBPLUS_OK;
}

/* ---- the file ---- */

/* Collects the streams whose newest record lies below `lsn`. The prepare mutex keeps the table from
 * being freed; the appender may go on meanwhile: what it changes lies above `lsn`. */
static uint64_t collect(struct log *log, uint64_t lsn, struct buffer *content)
{
    uint64_t count = 0;
    mutex_lock(log->env, &log->prepare_mutex);
    const struct log_streams *streams = atomic_load(&log->streams);
    for (size_t i = 0; i < streams->capacity; i++) {
        const struct log_stream *slot = &streams->slots[i];
        uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_acquire);
        if (seq == 0 || atomic_load_explicit(&slot->lsn, memory_order_relaxed) >= lsn) {
            continue;
        }
        buffer_put_u32(content, slot->stream);
        buffer_put_u64(content, seq);
        count++;
    }
    mutex_unlock(log->env, &log->prepare_mutex);
    return count;
}

tdbplus_status log_streams_save(struct log *log, const char *directory, uint64_t lsn,
                                struct err *err)
{
    static const uint8_t zeros[FILE_HEADER_SIZE];
    char path[ENV_PATH_SIZE_MAX];
    tdbplus_status status = TDBPLUS_OK;
    struct buffer content;
    buffer_init(&content, log->alloc);
    buffer_put(&content, zeros, sizeof zeros);
    uint64_t count = collect(log, lsn, &content);
    if (content.failed) {
        status = err_set(err, TDBPLUS_E_NOMEM, "log: numbers of %llu streams",
                         (unsigned long long)count);
        goto done;
    }
    if (count == 0) {
        goto done;
    }
    memcpy(content.data, file_magic, sizeof file_magic);
    store_u32(content.data + 12, LOG_FORMAT_VERSION);
    store_u64(content.data + 16, log->database_id);
    store_u64(content.data + 24, count);
    store_u32(content.data + 8, crc32c((struct span){content.data + 12, content.size - 12}));
    TRY_OR(done, env_join(path, directory, LOG_STREAMS_NAME, err));
    TRY_OR(done, env_write_file(log->env, path, buffer_span(&content), err));

done:
    buffer_deinit(&content);
    return status;
}

static tdbplus_status decode_file(struct log *log, struct span content, const char *path,
                                  struct err *err)
{
    struct reader reader = reader_of(content);
    struct span magic = reader_span(&reader, sizeof file_magic);
    uint32_t crc = reader_u32(&reader);
    if (reader.overrun || memcmp(magic.data, file_magic, sizeof file_magic) != 0 ||
        crc != crc32c(reader.rest)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "log: %s is damaged", path);
    }
    uint32_t version = reader_u32(&reader);
    if (version > LOG_FORMAT_VERSION) {
        return err_set(err, TDBPLUS_E_VERSION, "log: %s: format version %u; this release reads %u",
                       path, version, LOG_FORMAT_VERSION);
    }
    uint64_t database_id = reader_u64(&reader);
    uint64_t count = reader_u64(&reader);
    if (reader.overrun || database_id != log->database_id ||
        reader.rest.size % FILE_ENTRY_SIZE != 0 || reader.rest.size / FILE_ENTRY_SIZE != count) {
        return err_set(err, TDBPLUS_E_CORRUPT, "log: %s does not belong here", path);
    }
    for (uint64_t i = 0; i < count; i++) {
        uint32_t stream = reader_u32(&reader);
        uint64_t seq = reader_u64(&reader);
        TRY(log_streams_note(log, stream, seq, 0, err));
    }
    return TDBPLUS_OK;
}

tdbplus_status log_streams_load(struct log *log, struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(env_join(path, log->directory, LOG_STREAMS_NAME, err));
    tdbplus_status status = TDBPLUS_OK;
    struct bytes content = {0};
    struct err reason = {0};
    status = env_read_file(log->env, path, FILE_SIZE_MAX, log->alloc, &content, &reason);
    if (status == TDBPLUS_E_NOT_FOUND) {
        return TDBPLUS_OK; // Nothing was cut yet.
    }
    if (status != TDBPLUS_OK) {
        return log_pass_error(err, &reason);
    }
    status = decode_file(log, (struct span){content.data, content.size}, path, err);
    bytes_deinit(&content);
    return status;
}
