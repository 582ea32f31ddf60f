#pragma once

/*
 * env: everything the outside world can do to us. Files, directories, clocks, entropy, tasks and
 * waiting go through this one interface, so that a simulator can stand in for the machine, and a
 * database in memory runs the same code on files that are memory.
 *
 * Three implementations: env_real (Linux), env_ram (files in memory, real clock and tasks) and the
 * simulator of tests/sim (one thread, seeded order, faults on order).
 *
 * Waiting. Code above this line is written as if it blocked. On an ordinary thread it does; on a
 * fiber (fiber.h) the wait hands the thread to another fiber instead; in the simulator every task
 * is a fiber and the next one to run is drawn from the seed. A latch (latch.h) must not be held
 * across any function marked [waits].
 *
 * Errors: a refused operation is TDBPLUS_E_IO, no space TDBPLUS_E_FULL, a missing file
 * TDBPLUS_E_NOT_FOUND, an existing one (ENV_EXCLUSIVE) TDBPLUS_E_EXISTS. The text names the path
 * and the system's reason. After an error of env_write() the bytes of that range are undefined;
 * after an error of env_sync() nothing written since the last good sync can be relied on, and a
 * second sync proves nothing.
 *
 * Threads: every function may be called at once with others, except that a file is closed once,
 * by its last user.
 */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/call.h"
#include "base/err.h"

#define ENV_PATH_SIZE_MAX 1024u /* With the terminator. */
#define ENV_NAME_SIZE_MAX 256u
#define ENV_DEADLINE_NONE UINT64_MAX

/* Ends the name of a file that env_write_file() has not finished. A crash may leave one; whoever
 * owns the directory removes it when opening. */
#define ENV_TEMPORARY_SUFFIX ".tmp"

enum env_open_flag {
    ENV_OPEN_READ = 1,
    ENV_OPEN_WRITE = 2,
    ENV_OPEN_CREATE = 4,    /* Make it if missing. */
    ENV_OPEN_EXCLUSIVE = 8, /* With CREATE: fail if it exists. */
    ENV_OPEN_DIRECT = 16,   /* Past the page cache where the file system can; a hint. */
};

struct env_file;  /* An open file; made by the env. */
struct env_task;  /* A running task; made by the env. */
struct env_event; /* Below. */
struct env;

/* One read of a batch. `status` is set for each; `size` bytes or nothing. */
struct env_read_request {
    uint64_t offset;
    void *data;
    size_t size;
    tdbplus_status status;
};

/* Called for each entry of a directory, without "." and ".."; a status but OK ends the walk. */
typedef tdbplus_status (*env_list_fn)(void *ctx, const char *name, bool is_directory);

struct env_ops {
    tdbplus_status (*open)(void *ctx, const char *path, uint32_t flags, struct env_file **file_out,
                           struct err *err);
    void (*close)(void *ctx, struct env_file *file);
    tdbplus_status (*read)(void *ctx, struct env_file *file, uint64_t offset, void *data,
                           size_t size, struct err *err);
    tdbplus_status (*read_batch)(void *ctx, struct env_file *file,
                                 struct env_read_request *requests, size_t count, struct err *err);
    tdbplus_status (*write)(void *ctx, struct env_file *file, uint64_t offset, const void *data,
                            size_t size, struct err *err);
    tdbplus_status (*sync)(void *ctx, struct env_file *file, struct err *err);
    tdbplus_status (*allocate)(void *ctx, struct env_file *file, uint64_t size, struct err *err);
    tdbplus_status (*truncate)(void *ctx, struct env_file *file, uint64_t size, struct err *err);
    tdbplus_status (*size)(void *ctx, struct env_file *file, uint64_t *size_out, struct err *err);

    tdbplus_status (*rename)(void *ctx, const char *from, const char *to, struct err *err);
    tdbplus_status (*unlink)(void *ctx, const char *path, struct err *err);
    tdbplus_status (*link)(void *ctx, const char *from, const char *to, struct err *err);
    tdbplus_status (*make_directory)(void *ctx, const char *path, struct err *err);
    tdbplus_status (*remove_directory)(void *ctx, const char *path, struct err *err);
    tdbplus_status (*list)(void *ctx, const char *path, env_list_fn fn, void *fn_ctx,
                           struct err *err);
    tdbplus_status (*sync_directory)(void *ctx, const char *path, struct err *err);
    tdbplus_status (*lock)(void *ctx, const char *path, bool exclusive, struct env_file **lock_out,
                           struct err *err);

    uint64_t (*clock_wall_us)(void *ctx);
    uint64_t (*clock_mono_us)(void *ctx);
    void (*entropy)(void *ctx, void *data, size_t size);

    tdbplus_status (*task_start)(void *ctx, const char *name, void (*fn)(void *arg), void *arg,
                                 struct env_task **task_out, struct err *err);
    void (*task_join)(void *ctx, struct env_task *task);
    bool (*event_wait)(void *ctx, struct env_event *event, uint64_t deadline_us);
    void (*event_set)(void *ctx, struct env_event *event);
    void (*yield)(void *ctx);
};

struct env {
    const struct env_ops *ops;
    void *ctx;
    const char *name; /* "real", "ram", "sim". */
};

/* The machine itself. Valid for the whole process. */
const struct env *env_real(void);

/* Files in memory charged to `alloc`, everything else real. Each one is a world of its own; paths
 * are plain keys, every directory exists. destroy() frees the files; none may be open. */
TDBPLUS_CHECKED tdbplus_status env_ram_create(const struct alloc *alloc, struct env **env_out,
                                              struct err *err);
void env_ram_destroy(struct env *env);

/* ---- files ---- */

TDBPLUS_CHECKED tdbplus_status env_open(const struct env *env, const char *path, uint32_t flags,
                                        struct env_file **file_out, struct err *err);

/* Closing never reports: what matters was synced before. NULL is fine. */
void env_close(const struct env *env, struct env_file *file);

/* Reads exactly `size` bytes. [waits] A range that reaches past the end is TDBPLUS_E_CORRUPT: we
 * only ever read what a checked length says is there. */
TDBPLUS_CHECKED tdbplus_status env_read(const struct env *env, struct env_file *file,
                                        uint64_t offset, void *data, size_t size, struct err *err);

/* Reads many ranges at once. [waits] Returns the first failure; each request carries its own. */
TDBPLUS_CHECKED tdbplus_status env_read_batch(const struct env *env, struct env_file *file,
                                              struct env_read_request *requests, size_t count,
                                              struct err *err);

/* Writes all bytes; extends the file where needed. [waits] Not durable before env_sync(). */
TDBPLUS_CHECKED tdbplus_status env_write(const struct env *env, struct env_file *file,
                                         uint64_t offset, const void *data, size_t size,
                                         struct err *err);

/* Makes everything written so far, and the file's size, survive power loss. [waits] */
TDBPLUS_CHECKED tdbplus_status env_sync(const struct env *env, struct env_file *file,
                                        struct err *err);

/* Makes the file at least `size` bytes long, zero where not written, with its disk space reserved.
 * Never shrinks. On failure the size is as before. */
TDBPLUS_CHECKED tdbplus_status env_allocate(const struct env *env, struct env_file *file,
                                            uint64_t size, struct err *err);
TDBPLUS_CHECKED tdbplus_status env_truncate(const struct env *env, struct env_file *file,
                                            uint64_t size, struct err *err);
TDBPLUS_CHECKED tdbplus_status env_size(const struct env *env, struct env_file *file,
                                        uint64_t *size_out, struct err *err);

/* Reads a whole file of at most `size_max` bytes (more is TDBPLUS_E_LIMIT). [waits] */
TDBPLUS_CHECKED tdbplus_status env_read_file(const struct env *env, const char *path,
                                             size_t size_max, const struct alloc *alloc,
                                             struct bytes *bytes_out, struct err *err);

/* Creates `path` durably with that content: temporary name, sync, rename, sync of the directory.
 * [waits] Replaces an older file of the name. One writer of a name at a time. After a failure the
 * name holds the old content or, if only the last sync failed, perhaps the new. */
TDBPLUS_CHECKED tdbplus_status env_write_file(const struct env *env, const char *path,
                                              struct span content, struct err *err);

/*
 * Writes the bytes [from, to) of a file again as they are. [waits] After the process before died
 * with a failed env_sync(), the system may hold them for clean, and no later sync would write them;
 * after this the next one does (Rebello et al., "Can Applications Recover from fsync Failures?",
 * 2020). The file is open for reading and writing. TDBPLUS_E_NOMEM needs up to 1 MiB of `alloc`.
 */
TDBPLUS_CHECKED tdbplus_status env_rewrite(const struct env *env, struct env_file *file,
                                           uint64_t from, uint64_t to, const struct alloc *alloc,
                                           struct err *err);

/* ---- names ---- */

/* Atomic; replaces `to`. Durable after env_sync_directory(). */
TDBPLUS_CHECKED tdbplus_status env_rename(const struct env *env, const char *from, const char *to,
                                          struct err *err);
TDBPLUS_CHECKED tdbplus_status env_unlink(const struct env *env, const char *path, struct err *err);

/* A second name for an immutable file; TDBPLUS_E_UNSUPPORTED where the file system has none. */
TDBPLUS_CHECKED tdbplus_status env_link(const struct env *env, const char *from, const char *to,
                                        struct err *err);
/* An existing directory is fine. The parent must exist. */
TDBPLUS_CHECKED tdbplus_status env_make_directory(const struct env *env, const char *path,
                                                  struct err *err);
/* It must be empty (else TDBPLUS_E_IO). */
TDBPLUS_CHECKED tdbplus_status env_remove_directory(const struct env *env, const char *path,
                                                    struct err *err);
/* In no particular order. `fn` may use the env. A status but OK from it is returned as it is. */
TDBPLUS_CHECKED tdbplus_status env_list(const struct env *env, const char *path, env_list_fn fn,
                                        void *fn_ctx, struct err *err);
TDBPLUS_CHECKED tdbplus_status env_sync_directory(const struct env *env, const char *path,
                                                  struct err *err);

/* Takes an advisory lock on `path` (created if missing when exclusive) that ends with the process;
 * TDBPLUS_E_BUSY when another process, or another handle of this one, holds it. Release with
 * env_close(). */
TDBPLUS_CHECKED tdbplus_status env_lock(const struct env *env, const char *path, bool exclusive,
                                        struct env_file **lock_out, struct err *err);

/* Writes "directory/name" into path; TDBPLUS_E_LIMIT when it does not fit. `path` may be
 * `directory`. */
TDBPLUS_CHECKED tdbplus_status env_join(char path[ENV_PATH_SIZE_MAX], const char *directory,
                                        const char *name, struct err *err);

/* ---- time and chance ---- */

uint64_t env_clock_wall_us(const struct env *env); /* Since 1970, UTC; may jump. */
uint64_t env_clock_mono_us(const struct env *env); /* Never goes back; origin unspecified, > 0. */
void env_entropy(const struct env *env, void *data, size_t size);

/* TDBPLUS_E_CANCELLED or TDBPLUS_E_TIMEOUT when `call` should stop, else OK. */
TDBPLUS_CHECKED tdbplus_status env_check_call(const struct env *env, const struct call *call);

/* ---- tasks and waiting ---- */

/* Runs fn(arg) beside the caller. Join exactly once; joining waits for its end. [waits] */
TDBPLUS_CHECKED tdbplus_status env_task_start(const struct env *env, const char *name,
                                              void (*fn)(void *arg), void *arg,
                                              struct env_task **task_out, struct err *err);
void env_task_join(const struct env *env, struct env_task *task);

/*
 * An event is a flag with at most one waiter at a time. Setting it before the wait is remembered;
 * a wait that returns true clears it. A zeroed event is ready and needs no deinit. It must stay
 * in place until nobody can still set it.
 */
struct env_event {
    _Atomic uint32_t state; /* Owned by os: 0 clear, 1 set, 2 a thread waits, 3 a fiber does. */
    void *_Atomic waiter;   /* Owned by os: the parked fiber in state 3. */
};

/* Waits until the event is set or the monotonic clock reaches `deadline_us`. [waits] Returns
 * whether it was set. ENV_DEADLINE_NONE waits for ever. */
bool env_event_wait(const struct env *env, struct env_event *event, uint64_t deadline_us);
void env_event_set(const struct env *env, struct env_event *event);

/* Lets others run. [waits] A no-op but for the scheduler's sake on real threads. */
void env_yield(const struct env *env);
void env_sleep_us(const struct env *env, uint64_t duration_us); /* [waits] */
