#pragma once

/*
 * The inside of the log: format, files, buffer, group commit. The life of a byte:
 *
 *   start <= synced <= written <= end <= promised <= limit <= min(space, covered, ...)
 *
 *   start     first position still kept            (files mutex)
 *   synced    survives power loss                  (the leader of a group commit)
 *   written   handed to the file                   (write mutex)
 *   end       after the newest record              (the caller's commit latch)
 *   promised  end, plus what was prepared          (anybody, by compare-and-swap)
 *   covered   buffer chunks exist up to here       (state latch)
 *   space     files exist up to here               (files mutex)
 *
 * Locks, in the order of taking: prepare mutex, files mutex or write mutex, then a latch (group or
 * state) for a few instructions.
 */

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "os/latch.h"
#include "os/mutex.h"
#include "storage/log/log.h"

/* ---- format (docs/format.md, "Log") ---- */

#define LOG_FORMAT_VERSION     1u
#define LOG_FILE_HEADER_SIZE   4096u /* Two copies of 64 bytes in it; records follow. */
#define LOG_FILE_HEADER_SECOND 2048u
#define LOG_FILE_HEADER_BYTES  64u
#define LOG_FILE_SIZE_MIN      ((uint64_t)8192)
#define LOG_FILE_SIZE_MAX      ((uint64_t)1 << 30)
#define LOG_FILE_SIZE_FIRST    ((uint64_t)1 << 20) /* The first file of a log; each doubles. */
#define LOG_HEADER_SIZE        40u
#define LOG_HEADER_TERM_SIZE   8u
#define LOG_HEADER_SIZE_MAX    (LOG_HEADER_SIZE + LOG_HEADER_TERM_SIZE)
#define LOG_ALIGN              8u
#define LOG_TAIL_MIN           64u /* A shorter rest of a file is skipped, zeroed. */
#define LOG_BLOCK_SIZE         4096u

#define LOG_FLAG_FIRST 1u /* The record's first fragment. */
#define LOG_FLAG_LAST  2u /* Its last one. */
#define LOG_FLAG_TERM  4u /* A term follows the header. */
#define LOG_FLAG_ALL   7u

#define LOG_BEHIND_MAX UINT32_MAX /* synced_lsn is too far behind to tell. */

/* The head of a fragment, decoded. */
struct log_header {
    uint32_t size;        /* Payload bytes in this fragment. */
    uint32_t payload_crc; /* Of the whole record's payload. */
    uint32_t stream;
    uint8_t kind;
    uint8_t flags;
    uint16_t fragment; /* Index of the fragment, modulo 2^16. */
    uint64_t stream_seq;
    uint64_t term;
    uint64_t timestamp;
    uint64_t synced_lsn; /* 0 when unknown. */
};

struct log_file_header {
    uint64_t database_id;
    uint64_t epoch; /* Random for each life of a file. */
    uint64_t number;
    uint64_t first_lsn;
    uint64_t end_lsn;
    uint32_t flags;
};

#define LOG_FILE_RECYCLED 1u /* Old bytes lie behind the header. */

static inline uint64_t log_align(uint64_t size)
{
    return (size + (LOG_ALIGN - 1)) & ~(uint64_t)(LOG_ALIGN - 1);
}

static inline size_t log_header_size(uint8_t flags)
{
    return (flags & LOG_FLAG_TERM) != 0 ? LOG_HEADER_SIZE_MAX : LOG_HEADER_SIZE;
}

/* What makes checksums of this file and position differ from any other's (L3). */
static inline uint64_t log_key(uint64_t database_id, uint64_t epoch)
{
    return hash_combine(hash_u64(database_id), epoch);
}

size_t log_header_encode(uint8_t *at, const struct log_header *header, uint64_t key, uint64_t lsn);

/* Decodes the head at `lsn`; `size` bytes lie at `at`, `room` bytes are left in the file. False
 * when it is not an intact head that fits. `*newer_out` is set when its checksum holds but its
 * kind or flags are from the future. */
bool log_header_decode(const uint8_t *at, size_t size, uint64_t key, uint64_t lsn, uint64_t room,
                       struct log_header *header_out, bool *newer_out);

void log_file_header_encode(uint8_t block[LOG_FILE_HEADER_SIZE],
                            const struct log_file_header *header);

/* TDBPLUS_E_CORRUPT (both copies damaged) or TDBPLUS_E_VERSION; the text lacks the path. */
TDBPLUS_CHECKED tdbplus_status log_file_header_decode(const uint8_t block[LOG_FILE_HEADER_SIZE],
                                                      const char *path,
                                                      struct log_file_header *header_out,
                                                      struct err *err);

/* ---- files ---- */

struct log_file {
    struct log_file *_Atomic next;
    struct env_file *file; /* NULL once it is only kept for a later start, or damaged. */
    uint64_t number;
    uint64_t epoch;
    uint64_t first_lsn;
    uint64_t end_lsn;
    uint64_t key;
    uint64_t size; /* As found on disk. */
    bool recycled;
    bool damaged; /* The header is; only salvage and files below the start get that far. */
};

static inline uint64_t log_file_offset(const struct log_file *file, uint64_t lsn)
{
    return LOG_FILE_HEADER_SIZE + (lsn - file->first_lsn);
}

#define LOG_SPARE_COUNT_MAX 2u

enum log_name {
    LOG_NAME_FILE,  /* "log-0123456789abcdef" */
    LOG_NAME_TMP,   /* The same and ".tmp": being made. */
    LOG_NAME_SPARE, /* The same and ".spare": cut, to be recycled. */
};

TDBPLUS_CHECKED tdbplus_status log_path(char path[ENV_PATH_SIZE_MAX], const char *directory,
                                        uint64_t number, enum log_name name, struct err *err);

/* ---- the buffer ---- */

#define LOG_CHUNK_SHIFT 18u
#define LOG_CHUNK_SIZE  ((uint64_t)1 << LOG_CHUNK_SHIFT)
#define LOG_CHUNK_COUNT 8192u /* Slots; enough for the largest record and a full buffer. */

/* ---- numbering of streams ---- */

struct log_stream {
    uint32_t stream;
    _Atomic uint64_t seq; /* Of its newest record; 0: the slot is free. */
    _Atomic uint64_t lsn; /* Where that begins; 0 when it was cut off. */
};

struct log_streams {
    struct log_stream *slots;
    size_t capacity; /* A power of two. */
    struct log_streams *retired_next;
};

/* ---- group commit ---- */

enum log_outcome {
    LOG_OUTCOME_NONE,
    LOG_OUTCOME_DONE,
    LOG_OUTCOME_LEAD,
    LOG_OUTCOME_STOPPED,
};

struct log_waiter {
    struct env_event event;
    struct log_waiter *next;
    uint64_t lsn;
    enum log_outcome outcome;
};

/* A position that log_cut() must not pass while the pin is on the list. */
struct log_pin {
    struct log_pin *next;
    uint64_t lsn;
};

/* ---- the log ---- */

struct log {
    const struct env *env;
    const struct alloc *alloc;
    char directory[ENV_PATH_SIZE_MAX];
    uint64_t database_id;
    uint64_t file_size;
    uint64_t buffer_size;
    uint64_t write_ahead;  /* So many unwritten bytes wake the helper. */
    uint64_t capacity_min; /* Of files made from now on. */
    uint64_t files_ahead;  /* Files that lay ahead when the log was opened, of any capacity. */
    bool read_only;

    /* The appender's, under the caller's latch. */
    _Alignas(64) _Atomic uint64_t end;
    struct log_file *append_file; /* Holds end - 1, or begins at end. */
    struct log_streams *_Atomic streams;
    _Atomic uint64_t stream_count;
    _Atomic uint64_t record_count;
    _Atomic uint64_t payload_bytes;
    _Atomic bool newest_proves; /* The newest record is a MARK that proves all before it. */
    _Atomic(struct log_streams *) streams_retired;

    /* Promises: what log_prepare() decides by. */
    _Alignas(64) _Atomic uint64_t promised;
    _Atomic uint64_t limit;       /* Promises up to here need no second look. */
    _Atomic uint64_t tickets;     /* Calls of log_prepare() so far. */
    _Atomic uint64_t ticket_last; /* Up to here every record may bring a new stream. */
    _Atomic uint64_t unprepared;
    _Atomic bool drain_wanted;
    struct env_event drain;
    _Atomic(struct log_streams *) streams_pending;
    struct mutex prepare_mutex;

    /* State latch: the buffer's window, the limit, the reason of stopping, pins. */
    _Alignas(64) struct latch state_latch;
    bool gate_closed;     /* The limit stays 0: everybody queues in log_prepare(). */
    uint64_t chunk_first; /* Index of the oldest chunk that is kept. */
    _Atomic uint64_t covered;
    uint8_t **chunks; /* LOG_CHUNK_COUNT slots. */
    struct log_pin *pins;
    _Atomic bool stopped;
    char stop_text[ERR_TEXT_SIZE];

    /* Files. */
    struct mutex files_mutex;
    struct log_file *first;
    struct log_file *last;
    _Atomic uint64_t start;
    _Atomic uint64_t space;
    uint64_t spares[LOG_SPARE_COUNT_MAX];
    uint32_t spare_count;
    _Atomic uint64_t space_low; /* Less space than this and the helper makes a file. */

    /* Writing. */
    struct mutex write_mutex;
    _Atomic uint64_t written;
    struct log_file *write_file;
    uint8_t *block; /* LOG_BLOCK_SIZE bytes: the last, partial block of a write. */

    /* Group commit. */
    _Alignas(64) struct latch group_latch;
    bool sync_running;
    _Atomic uint64_t synced;
    struct log_file *sync_file;
    struct log_waiter *waiter_first;
    struct log_waiter *waiter_last;

    /* The proof: this much of the log is known, from outside of it, to be synced. */
    struct mutex proof_mutex;
    uint64_t proof_lsn;
    uint64_t proof_sequence;
    uint64_t proof_wanted; /* Where the mark that is the newest record begins. */

    /* The helper: writes ahead of the buffer's end and makes files ahead of their need. */
    struct env_task *task;
    struct env_event work;
    _Atomic bool closing;

    _Atomic uint64_t written_bytes;
    _Atomic uint64_t sync_count;
    uint64_t sync_count_before; /* When the newest file was made. Under `files_mutex`. */
    _Atomic uint64_t sync_us_total;
    _Atomic uint64_t sync_waiter_count;
    _Atomic uint64_t file_created_count;
    _Atomic uint64_t file_recycled_count;
};

/* log_files.c */
TDBPLUS_CHECKED tdbplus_status log_files_load(struct log *log, uint64_t from, bool tolerant,
                                              struct err *err);
void log_files_release(struct log *log);
TDBPLUS_CHECKED tdbplus_status log_files_identify(struct log *log,
                                                  struct log_identity *identity_out,
                                                  struct err *err);
TDBPLUS_CHECKED tdbplus_status log_file_open(const struct log *log, struct log_file *file,
                                             struct err *err);
/* Makes files until they reach to `lsn`. [waits] */
TDBPLUS_CHECKED tdbplus_status log_files_extend(struct log *log, uint64_t lsn, struct err *err);
/* Whether the helper should make a file now. */
bool log_files_wants_space(const struct log *log);
/* Removes what the open found to lie wholly below `from`, and leftovers. [waits] */
TDBPLUS_CHECKED tdbplus_status log_files_drop_below(struct log *log, uint64_t from,
                                                    struct err *err);
/* Removes the files after `keep`, the newest first. [waits] */
TDBPLUS_CHECKED tdbplus_status log_files_drop_after(struct log *log, struct log_file *keep,
                                                    struct err *err);
TDBPLUS_CHECKED tdbplus_status log_zero_fill(const struct log *log, struct env_file *file,
                                             uint64_t from, uint64_t to, struct err *err);

/* Removes a name on the way out of a failure; what remains, the next open removes. */
void log_discard(const struct env *env, const char *path);
void log_note_space(struct log *log, const struct log_file *last);

/* log_open.c: hands the text of a failure on, and returns its status. */
TDBPLUS_CHECKED tdbplus_status log_pass_error(struct err *err, const struct err *reason);

/* log_scan.c */
struct log_scan_result {
    uint64_t end;       /* After the last intact record (or `from`). */
    uint64_t proven;    /* The highest synced_lsn of any intact record, also beyond `end`, or
                           what the proof says. */
    uint64_t leftovers; /* After the last byte beyond `end` that looks like ours; 0: none. */
    struct log_file *end_file;
    bool newest_proves;
    uint64_t newest_mark; /* Where the newest record begins, if it proves all before it. */
    uint64_t record_count;
};

struct log_damage {
    void (*fn)(void *ctx, const struct log_gap *gap);
    void *ctx;
};

/* Replays intact records from `from`; stops at the first damage and looks for proof behind it, or,
 * with `damage`, tells and goes on. */
TDBPLUS_CHECKED tdbplus_status log_scan(struct log *log, uint64_t from, log_replay_fn replay,
                                        void *replay_ctx, const struct log_damage *damage,
                                        struct log_scan_result *result_out, struct err *err);

/* log_streams.c */
#define LOG_STREAMS_NAME     "log-streams"
#define LOG_STREAMS_CAPACITY ((size_t)1024)
TDBPLUS_CHECKED tdbplus_status log_streams_create(const struct alloc *alloc, size_t capacity,
                                                  struct log_streams **streams_out,
                                                  struct err *err);
void log_streams_destroy(const struct alloc *alloc, struct log_streams *streams);
/* The next number of `stream`, for a record at `lsn`; the appender's. */
uint64_t log_streams_next(struct log *log, uint32_t stream, uint64_t lsn);
/* Makes sure that `wanted` streams fit into the table that the appender will use. */
TDBPLUS_CHECKED tdbplus_status log_streams_reserve(struct log *log, uint64_t wanted,
                                                   size_t *room_out, struct err *err);
/* Raises the number of `stream` while opening. */
TDBPLUS_CHECKED tdbplus_status log_streams_note(struct log *log, uint32_t stream, uint64_t seq,
                                                uint64_t lsn, struct err *err);
/* Writes, for the streams whose newest record lies below `lsn`, their numbers into a file in
 * `directory`. [waits] */
TDBPLUS_CHECKED tdbplus_status log_streams_save(struct log *log, const char *directory,
                                                uint64_t lsn, struct err *err);
TDBPLUS_CHECKED tdbplus_status log_streams_load(struct log *log, struct err *err);

/* log_proof.c */
#define LOG_PROOF_NAME "log-proof"
TDBPLUS_CHECKED tdbplus_status log_proof_load(struct log *log, struct err *err);
/* Remembers beside the log that everything below `lsn` is synced; it must be. [waits] */
void log_proof_note(struct log *log, uint64_t lsn);
/* The same for a copy of the log in another directory. [waits] */
TDBPLUS_CHECKED tdbplus_status log_proof_save(const struct log *log, const char *directory,
                                              uint64_t lsn, struct err *err);

/* log_append.c */
void log_limit_update(struct log *log);
/* Gives chunks that lie wholly below `written` to the window's end, or back. */
void log_chunks_recycle(struct log *log);

/* log_sync.c */
TDBPLUS_CHECKED tdbplus_status log_stopped_error(struct log *log, struct err *err);
void log_stop(struct log *log, const struct err *why);
/* Writes [written, lsn); whole blocks only when `whole`. [waits] */
TDBPLUS_CHECKED tdbplus_status log_write_to(struct log *log, uint64_t lsn, bool whole,
                                            struct err *err);
void log_helper(void *arg);
