/* The machine itself: Linux system calls, and errors in words. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "os/fiber.h"
#include "os/file_internal.h"
#include "os/io_service_internal.h"
#include "os/os_internal.h"

#define FILE_MODE        0640
#define DIRECTORY_MODE   0750
#define ZERO_SIZE        65536u
#define LOCK_RETRIES_MAX 100u

tdbplus_status os_error(struct err *err, int number, const char *verb, const char *path)
{
    tdbplus_status status = TDBPLUS_E_IO;
    switch (number) {
    case ENOENT:
        status = TDBPLUS_E_NOT_FOUND;
        break;
    case EEXIST:
        status = TDBPLUS_E_EXISTS;
        break;
    case ENOSPC:
    case EDQUOT:
        status = TDBPLUS_E_FULL;
        break;
    case ENOMEM:
        status = TDBPLUS_E_NOMEM;
        break;
    case ENAMETOOLONG:
    case EFBIG:
        status = TDBPLUS_E_LIMIT;
        break;
    default:
        break;
    }
    const char *reason = strerrordesc_np(number);
    status =
        err_set(err, status, "%s: %s: %s", path, verb, reason == NULL ? "unknown error" : reason);
    if (number == EMFILE || number == ENFILE) {
        err_hint(err, "Raise the limit of open files (ulimit -n).");
    }
    return status;
}

uint64_t os_clock_mono_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    return us == 0 ? 1 : us;
}

/* ---- opening ---- */

static int open_retrying(const char *path, int flags)
{
    int fd = -1;
    do {
        fd = open(path, flags | O_CLOEXEC, FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static struct env_file *make_file(const char *path)
{
    size_t path_size = strlen(path) + 1;
    struct env_file *file = alloc_array(&alloc_system, 1, sizeof *file + path_size);
    if (file != NULL) {
        file->fd = -1;
        file->fd_direct = -1;
        file->path_size = path_size;
        memcpy(file->path, path, path_size);
    }
    return file;
}

static void real_close(void *ctx, struct env_file *file)
{
    (void)ctx;
    // Linux frees the descriptor even when close() is interrupted, so it is never repeated.
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    if (file->fd_direct >= 0) {
        (void)close(file->fd_direct);
    }
    alloc_free(&alloc_system, file, 1, sizeof *file + file->path_size);
}

static tdbplus_status real_open(void *ctx, const char *path, uint32_t flags,
                                struct env_file **file_out, struct err *err)
{
    int access = O_RDONLY;
    if ((flags & ENV_OPEN_WRITE) != 0) {
        access = (flags & ENV_OPEN_READ) != 0 ? O_RDWR : O_WRONLY;
    }
    int create = (flags & ENV_OPEN_CREATE) != 0 ? O_CREAT : 0;
    create |= (flags & ENV_OPEN_EXCLUSIVE) != 0 ? O_EXCL : 0;

    struct env_file *file = make_file(path);
    if (file == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "%s: open: out of memory", path);
    }
    file->fd = open_retrying(path, access | create);
    if (file->fd < 0) {
        int number = errno;
        real_close(ctx, file);
        return os_error(err, number, "open", path);
    }
    struct stat facts;
    if (fstat(file->fd, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        real_close(ctx, file);
        return os_error(err, EISDIR, "open", path);
    }
    if ((flags & ENV_OPEN_DIRECT) != 0) {
        file->fd_direct = open_retrying(path, access | O_DIRECT); // A hint: -1 is fine.
    }
    *file_out = file;
    return TDBPLUS_OK;
}

/* ---- reading and writing ---- */

static tdbplus_status real_read(void *ctx, struct env_file *file, uint64_t offset, void *data,
                                size_t size, struct err *err)
{
    (void)ctx;
    return file_read(file, offset, data, size, err);
}

static tdbplus_status real_read_batch(void *ctx, struct env_file *file,
                                      struct env_read_request *requests, size_t count,
                                      struct err *err)
{
    (void)ctx;
    return file_read_batch(file, requests, count, err);
}

static tdbplus_status real_write(void *ctx, struct env_file *file, uint64_t offset,
                                 const void *data, size_t size, struct err *err)
{
    (void)ctx;
    int fd = file_descriptor(file, offset, data, size);
    size_t done = 0;
    while (done < size) {
        size_t want = size - done < FILE_TRANSFER_MAX ? size - done : FILE_TRANSFER_MAX;
        ssize_t put = pwrite(fd, (const uint8_t *)data + done, want, (off_t)(offset + done));
        if (put == 0) {
            return os_error(err, EIO, "write", file->path); // Otherwise we would loop for ever.
        }
        if (put > 0) {
            done += (size_t)put;
            if (done < size) {
                fd = file->fd;
            }
        } else if (errno != EINTR) {
            return os_error(err, errno, "write", file->path);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status real_sync(void *ctx, struct env_file *file, struct err *err)
{
    (void)ctx;
    return file_sync(file, err);
}

/* ---- sizes ---- */

static tdbplus_status real_size(void *ctx, struct env_file *file, uint64_t *size_out,
                                struct err *err)
{
    (void)ctx;
    struct stat facts;
    if (fstat(file->fd, &facts) != 0) {
        return os_error(err, errno, "size", file->path);
    }
    *size_out = (uint64_t)facts.st_size;
    return TDBPLUS_OK;
}

static tdbplus_status real_truncate(void *ctx, struct env_file *file, uint64_t size,
                                    struct err *err)
{
    (void)ctx;
    while (ftruncate(file->fd, (off_t)size) != 0) {
        if (errno != EINTR) {
            return os_error(err, errno, "truncate", file->path);
        }
    }
    return TDBPLUS_OK;
}

/* For file systems that cannot reserve: space is had by using it. */
static tdbplus_status write_zeros(void *ctx, struct env_file *file, uint64_t from, uint64_t to,
                                  struct err *err)
{
    static const uint8_t zeros[ZERO_SIZE];
    while (from < to) {
        size_t size = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        TRY(real_write(ctx, file, from, zeros, size, err));
        from += size;
    }
    return TDBPLUS_OK;
}

static tdbplus_status real_allocate(void *ctx, struct env_file *file, uint64_t size,
                                    struct err *err)
{
    uint64_t size_before = 0;
    TRY(real_size(ctx, file, &size_before, err));
    if (size == 0) {
        return TDBPLUS_OK;
    }
    int number = 0;
    do {
        number = fallocate(file->fd, 0, 0, (off_t)size) == 0 ? 0 : errno;
    } while (number == EINTR);
    tdbplus_status status = TDBPLUS_OK;
    if (number == EOPNOTSUPP || number == ENOSYS) {
        status = write_zeros(ctx, file, size_before, size, err);
    } else if (number != 0) {
        status = os_error(err, number, "allocate", file->path);
    }
    if (status != TDBPLUS_OK && size > size_before) {
        (void)!real_truncate(ctx, file, size_before, NULL); // Give back a half reservation.
    }
    return status;
}

/* ---- names ---- */

static tdbplus_status real_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    (void)ctx;
    return rename(from, to) == 0 ? TDBPLUS_OK : os_error(err, errno, "rename", from);
}

static tdbplus_status real_unlink(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    return unlink(path) == 0 ? TDBPLUS_OK : os_error(err, errno, "unlink", path);
}

static tdbplus_status real_link(void *ctx, const char *from, const char *to, struct err *err)
{
    (void)ctx;
    if (link(from, to) == 0) {
        return TDBPLUS_OK;
    }
    int number = errno;
    if (number == EPERM || number == EOPNOTSUPP || number == EXDEV || number == EMLINK) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "%s: link to %s: %s", from, to,
                       strerrordesc_np(number));
    }
    return os_error(err, number, "link", number == EEXIST ? to : from);
}

static tdbplus_status real_make_directory(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    if (mkdir(path, DIRECTORY_MODE) == 0) {
        return TDBPLUS_OK;
    }
    int number = errno;
    struct stat facts;
    if (number == EEXIST && stat(path, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        return TDBPLUS_OK;
    }
    return os_error(err, number, "make directory", path);
}

static tdbplus_status real_remove_directory(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    if (rmdir(path) == 0) {
        return TDBPLUS_OK;
    }
    // POSIX lets "not empty" be told as "exists".
    int number = errno == EEXIST ? ENOTEMPTY : errno;
    return os_error(err, number, "remove directory", path);
}

static bool is_directory(DIR *directory, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    struct stat facts;
    return fstatat(dirfd(directory), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(facts.st_mode);
}

static tdbplus_status real_list(void *ctx, const char *path, env_list_fn fn, void *fn_ctx,
                                struct err *err)
{
    (void)ctx;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return os_error(err, errno, "list", path);
    }
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        errno = 0;
        const struct dirent *entry = readdir(directory); // Safe: the stream is ours alone.
        if (entry == NULL) {
            if (errno != 0) {
                status = os_error(err, errno, "list", path);
            }
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            status = fn(fn_ctx, entry->d_name, is_directory(directory, entry));
        }
    }
    (void)closedir(directory);
    return status;
}

static tdbplus_status real_sync_directory(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    int fd = open_retrying(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return os_error(err, errno, "sync directory", path);
    }
    struct io_op op = {.kind = IO_SYNC_ALL, .fd = fd};
    do {
        io_run(&op, 1);
    } while (op.result == -EINTR);
    int number = (int)-op.result;
    (void)close(fd);
    // Some network file systems cannot sync a directory because they do it at once.
    if (number != 0 && number != EINVAL) {
        return os_error(err, number, "sync directory", path);
    }
    return TDBPLUS_OK;
}

/* True when `path` still names the open file. */
static bool still_named(int fd, const char *path)
{
    struct stat open_facts;
    struct stat name_facts;
    return fstat(fd, &open_facts) == 0 && stat(path, &name_facts) == 0 &&
           open_facts.st_dev == name_facts.st_dev && open_facts.st_ino == name_facts.st_ino;
}

static int lock_retrying(int fd, int kind)
{
    int failure = 0;
    do {
        failure = flock(fd, kind);
    } while (failure != 0 && errno == EINTR);
    return failure;
}

static tdbplus_status real_lock(void *ctx, const char *path, bool exclusive,
                                struct env_file **lock_out, struct err *err)
{
    struct env_file *file = make_file(path);
    if (file == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "%s: lock: out of memory", path);
    }
    // flock() belongs to the open file description: unlike fcntl() locks it also excludes a
    // second handle in this process, and closing another descriptor does not release it.
    int flags = exclusive ? O_RDWR | O_CREAT : O_RDONLY;
    int kind = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    for (uint32_t tries = 0; tries < LOCK_RETRIES_MAX; tries++) {
        file->fd = open_retrying(path, flags);
        if (file->fd < 0 || lock_retrying(file->fd, kind) != 0) {
            break;
        }
        if (still_named(file->fd, path)) {
            *lock_out = file;
            return TDBPLUS_OK;
        }
        // The holder before us removed the file: what we locked is not what others will lock.
        (void)close(file->fd);
        file->fd = -1;
        errno = EWOULDBLOCK;
    }
    int number = errno;
    real_close(ctx, file);
    if (number == EWOULDBLOCK) {
        return err_set(err, TDBPLUS_E_BUSY, "%s: locked by another process or handle", path);
    }
    return os_error(err, number, "lock", path);
}

/* ---- time, chance, tasks ---- */

static uint64_t real_clock_wall_us(void *ctx)
{
    (void)ctx;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t real_clock_mono_us(void *ctx)
{
    (void)ctx;
    return os_clock_mono_us();
}

static void real_entropy(void *ctx, void *data, size_t size)
{
    (void)ctx;
    size_t done = 0;
    while (done < size) {
        ssize_t got = getrandom((uint8_t *)data + done, size - done, 0);
        if (got > 0) {
            done += (size_t)got;
        } else {
            // Since Linux 3.17 an interruption is the only way this can fail.
            ASSERT(got < 0 && errno == EINTR);
        }
    }
}

static tdbplus_status real_task_start(void *ctx, const char *name, void (*fn)(void *arg), void *arg,
                                      struct env_task **task_out, struct err *err)
{
    (void)ctx;
    return thread_task_start(name, fn, arg, task_out, err);
}

static void real_task_join(void *ctx, struct env_task *task)
{
    (void)ctx;
    thread_task_join(task);
}

static bool real_event_wait(void *ctx, struct env_event *event, uint64_t deadline_us)
{
    (void)ctx;
    return event_wait(event, deadline_us);
}

static void real_event_set(void *ctx, struct env_event *event)
{
    (void)ctx;
    event_set(event);
}

static void real_yield(void *ctx)
{
    (void)ctx;
    if (fiber_active()) {
        fiber_yield();
    }
}

const struct env *env_real(void)
{
    static const struct env_ops ops = {
        .open = real_open,
        .close = real_close,
        .read = real_read,
        .read_batch = real_read_batch,
        .write = real_write,
        .sync = real_sync,
        .allocate = real_allocate,
        .truncate = real_truncate,
        .size = real_size,
        .rename = real_rename,
        .unlink = real_unlink,
        .link = real_link,
        .make_directory = real_make_directory,
        .remove_directory = real_remove_directory,
        .list = real_list,
        .sync_directory = real_sync_directory,
        .lock = real_lock,
        .clock_wall_us = real_clock_wall_us,
        .clock_mono_us = real_clock_mono_us,
        .entropy = real_entropy,
        .task_start = real_task_start,
        .task_join = real_task_join,
        .event_wait = real_event_wait,
        .event_set = real_event_set,
        .yield = real_yield,
    };
    static const struct env env = {.ops = &ops, .ctx = NULL, .name = "real"};
    return &env;
}
