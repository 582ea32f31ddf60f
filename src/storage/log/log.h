#pragma once

/*
 * log: the one write-ahead log of a database.
 *
 * The log is a sequence of records in preallocated files of 64 MiB (the first ones smaller), shared
 * by every stream (a stream is a shard now and a Raft group later). A position (`lsn`) is a byte
 * offset in the whole sequence, across files; it only grows. Records carry opaque payloads; what
 * they mean is the store's business.
 *
 * Writing has three steps, so that the store can put the middle one inside its commit latch:
 *
 *   log_prepare()  [waits]  makes room in memory and on disk; all that can fail, fails here
 *   log_append()            numbers the record and copies it; no waiting, no failing
 *   log_sync()     [waits]  returns once everything up to a position survives power loss; callers
 *                           share syncs: one leads, the others wait for the leader (group commit)
 *
 * Without log_sync() a record reaches the file when the buffer fills or log_write_out() is called.
 *
 * A failed write or sync stops the log for good (S1): every later call returns
 * TDBPLUS_E_STOPPED, nothing is retried, and opening the database again decides by S2.
 *
 * Threads: everything may be called at once, except that log_append() calls must not overlap
 * (the store's commit latch sees to that) and open/close stand alone.
 */

#include "os/env.h"

#define LOG_FILE_SIZE       ((uint64_t)64 << 20)
#define LOG_RECORD_SIZE_MAX ((size_t)1 << 30) /* Payload bytes; larger ones are refused. */

struct log;

enum log_kind {
    LOG_KIND_COMMIT = 1, /* A transaction on one stream. */
    LOG_KIND_MULTI = 2,  /* A transaction over several streams, in one record. */
    LOG_KIND_MARK = 3, /* Written when the log is idle, so that `synced_lsn` gets recorded (S2). */
};

struct log_options {
    const struct env *env;
    const struct alloc *alloc;
    const char *directory; /* Files are "log-NNNNNNNNNNNNNNNN" in it. Exists. */
    uint64_t database_id;  /* Mixed into every checksum: a foreign file's records never match. */
    uint64_t file_size;    /* 0: LOG_FILE_SIZE. Tests use small ones. */
    size_t buffer_size;    /* Unwritten bytes before log_prepare() waits; 0: 16 MiB. */
    bool read_only;
};

/* One record as replayed. `payload` is valid during the callback. Marks are not replayed. */
struct log_record {
    uint64_t lsn;        /* Of its first byte. */
    uint64_t lsn_end;    /* Of the byte after it. */
    uint64_t stream_seq; /* Per stream, from 1, without gaps within a term. */
    uint64_t term;       /* 0 without Raft. */
    uint64_t timestamp;  /* Commit timestamp. */
    uint32_t stream;
    uint8_t kind;
    struct span payload;
};

typedef tdbplus_status (*log_replay_fn)(void *ctx, const struct log_record *record,
                                        struct err *err);

/*
 * Opens the log and replays every intact record from `from` on, in order, through `replay`. `from`
 * is a position that was the end or start of a record (0: from the beginning of what is kept).
 * Nothing below `from` matters any more: damage there is no error, and files wholly below are
 * dropped. If the log lost its end below `from`, it goes on at `from`.
 *
 * Afterwards the log is ready for appending after the last intact record; a torn tail has been cut
 * off (not when read-only). *torn_bytes_out tells how much (may be NULL).
 *
 *   TDBPLUS_E_CORRUPT  damage below a `synced_lsn` that a later record proves (S2); the text names
 *                      file and offset; or files are missing. Nothing was changed.
 *   TDBPLUS_E_VERSION  a file or record of a newer release
 *   TDBPLUS_E_INVALID  `from` is not the position of a record, or an option is out of range
 *   TDBPLUS_E_IO, TDBPLUS_E_NOMEM, TDBPLUS_E_FULL, and whatever `replay` returned
 */
TDBPLUS_CHECKED tdbplus_status log_open(const struct log_options *options, uint64_t from,
                                        log_replay_fn replay, void *replay_ctx,
                                        struct log **log_out, uint64_t *torn_bytes_out,
                                        struct err *err);

/* A stretch of the log in which no intact record begins. */
struct log_gap {
    uint64_t lsn;
    uint64_t lsn_end;
    uint64_t file_number; /* Of the file that holds `lsn`; 0: there is none. */
    uint64_t offset;      /* In that file. */
    const char *why;
};

/* Like log_open()'s replay, but damage does not stop it: skips to the next intact record and tells
 * `damage` of each gap. Writes nothing. For `tdb recover` and `tdb verify`. */
TDBPLUS_CHECKED tdbplus_status log_salvage(const struct log_options *options, uint64_t from,
                                           log_replay_fn replay, void *replay_ctx,
                                           void (*damage)(void *ctx, const struct log_gap *gap),
                                           struct err *err);

/* What the first of the log files in the directory says whose head is intact. */
struct log_identity {
    bool found;
    uint64_t database_id;
    uint64_t first_lsn;
};

/* `options->database_id` is not used. [waits] */
TDBPLUS_CHECKED tdbplus_status log_identify(const struct log_options *options,
                                            struct log_identity *identity_out, struct err *err);

/* Writes and syncs what is buffered (unless stopped), releases everything. NULL is fine. */
void log_close(struct log *log);

/* Makes sure that one log_append() of a payload of `size` bytes cannot fail. [waits] Every prepare
 * is followed by exactly one append or log_unprepare() of the same size; a thread that holds one
 * must not prepare another of more than half the buffer: it would wait for itself.
 *
 *   TDBPLUS_E_FULL, TDBPLUS_E_IO  the next file could not be made; nothing is lost, try again
 *   TDBPLUS_E_NOMEM               the buffer cannot grow
 *   TDBPLUS_E_LIMIT               over LOG_RECORD_SIZE_MAX
 *   TDBPLUS_E_STOPPED, TDBPLUS_E_READ_ONLY */
TDBPLUS_CHECKED tdbplus_status log_prepare(struct log *log, size_t size, struct err *err);
void log_unprepare(struct log *log, size_t size);

/* What the caller knows before entering its latch; log_append() fills in the positions. */
struct log_entry {
    uint32_t stream;
    uint8_t kind;
    uint64_t term;
    uint64_t timestamp;
    struct span payload;
    uint32_t payload_crc; /* crc32c(payload), computed outside the latch. */
};

/* Appends; returns the position after the record, which is what log_sync() wants. */
uint64_t log_append(struct log *log, const struct log_entry *entry);

/* Returns once everything below `lsn` is durable. [waits] */
TDBPLUS_CHECKED tdbplus_status log_sync(struct log *log, uint64_t lsn, struct err *err);

/* Hands buffered bytes to the file without a sync. [waits] */
TDBPLUS_CHECKED tdbplus_status log_write_out(struct log *log, struct err *err);

/* Appends and syncs a MARK if the newest record does not yet prove that everything before it is
 * synced, and notes the same in a file of its own ("log-proof"), so that damage to the mark and to
 * what it proves is still noticed. [waits] Called when the database falls idle and at close, by one
 * task at a time. Must not overlap with
 * log_append(): the caller passes its commit latch through `lock`/`unlock`. */
TDBPLUS_CHECKED tdbplus_status log_mark_idle(struct log *log, void (*lock)(void *ctx),
                                             void (*unlock)(void *ctx), void *ctx, struct err *err);

/* Allows files that lie wholly below `lsn` to be recycled or removed. [waits] */
TDBPLUS_CHECKED tdbplus_status log_cut(struct log *log, uint64_t lsn, struct err *err);

uint64_t log_end(const struct log *log);    /* Position after the newest append. */
uint64_t log_synced(const struct log *log); /* Everything below is durable. */
uint64_t log_start(const struct log *log);  /* First position still kept. */
bool log_stopped(const struct log *log);

/* Copies the range [from, to) of raw log bytes as files into `directory`, for backups; `to` must be
 * synced. [waits] The copy opens as a log of the same database. */
TDBPLUS_CHECKED tdbplus_status log_copy(struct log *log, uint64_t from, uint64_t to,
                                        const char *directory, struct err *err);

struct log_statistics {
    uint64_t record_count;
    uint64_t payload_bytes;
    uint64_t written_bytes;
    uint64_t sync_count;
    uint64_t sync_us_total;
    uint64_t
        sync_waiter_count; /* Calls of log_sync() that had to wait: / sync_count = group size. */
    uint64_t file_created_count;
    uint64_t file_recycled_count;
};

void log_get_statistics(const struct log *log, struct log_statistics *statistics_out);
