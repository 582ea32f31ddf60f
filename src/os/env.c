/* What every environment shares: argument checks, the waits' assertion, and calls built of calls.
 */

#include "os/env.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "os/latch.h"

#define REWRITE_SIZE_MAX ((size_t)1 << 20)

#define FILE_SIZE_MAX ((uint64_t)INT64_MAX)

static tdbplus_status check_path(const char *path, struct err *err)
{
    ASSERT(path != NULL);
    size_t size = strnlen(path, ENV_PATH_SIZE_MAX);
    if (size == 0) {
        return err_set(err, TDBPLUS_E_INVALID, "empty file name");
    }
    if (size == ENV_PATH_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "%.64s...: file name longer than %u bytes", path,
                       ENV_PATH_SIZE_MAX - 1);
    }
    return TDBPLUS_OK;
}

/* True when `size` bytes from `offset` end inside what a file can ever be. */
static bool range_fits(uint64_t offset, size_t size)
{
    return size <= FILE_SIZE_MAX && offset <= FILE_SIZE_MAX - size;
}

tdbplus_status env_open(const struct env *env, const char *path, uint32_t flags,
                        struct env_file **file_out, struct err *err)
{
    ASSERT((flags & (ENV_OPEN_READ | ENV_OPEN_WRITE)) != 0);
    ASSERT((flags & ENV_OPEN_EXCLUSIVE) == 0 || (flags & ENV_OPEN_CREATE) != 0);
    ASSERT((flags & ENV_OPEN_CREATE) == 0 || (flags & ENV_OPEN_WRITE) != 0);
    TRY(check_path(path, err));
    return env->ops->open(env->ctx, path, flags, file_out, err);
}

void env_close(const struct env *env, struct env_file *file)
{
    if (file != NULL) {
        env->ops->close(env->ctx, file);
    }
}

tdbplus_status env_read(const struct env *env, struct env_file *file, uint64_t offset, void *data,
                        size_t size, struct err *err)
{
    ASSERT(latch_depth_now() == 0);
    if (!range_fits(offset, size)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "read of %zu bytes at %llu: no file is that long",
                       size, (unsigned long long)offset);
    }
    if (size == 0) {
        return TDBPLUS_OK;
    }
    return env->ops->read(env->ctx, file, offset, data, size, err);
}

tdbplus_status env_read_batch(const struct env *env, struct env_file *file,
                              struct env_read_request *requests, size_t count, struct err *err)
{
    ASSERT(latch_depth_now() == 0);
    for (size_t i = 0; i < count; i++) {
        if (!range_fits(requests[i].offset, requests[i].size)) {
            for (size_t k = 0; k < count; k++) {
                requests[k].status = TDBPLUS_E_CORRUPT;
            }
            return err_set(err, TDBPLUS_E_CORRUPT,
                           "read of %zu bytes at %llu: no file is that long", requests[i].size,
                           (unsigned long long)requests[i].offset);
        }
    }
    return count == 0 ? TDBPLUS_OK : env->ops->read_batch(env->ctx, file, requests, count, err);
}

tdbplus_status env_write(const struct env *env, struct env_file *file, uint64_t offset,
                         const void *data, size_t size, struct err *err)
{
    ASSERT(latch_depth_now() == 0);
    if (!range_fits(offset, size)) {
        return err_set(err, TDBPLUS_E_LIMIT, "write of %zu bytes at %llu: no file is that long",
                       size, (unsigned long long)offset);
    }
    return size == 0 ? TDBPLUS_OK : env->ops->write(env->ctx, file, offset, data, size, err);
}

tdbplus_status env_sync(const struct env *env, struct env_file *file, struct err *err)
{
    ASSERT(latch_depth_now() == 0);
    return env->ops->sync(env->ctx, file, err);
}

tdbplus_status env_allocate(const struct env *env, struct env_file *file, uint64_t size,
                            struct err *err)
{
    if (size > FILE_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "file of %llu bytes", (unsigned long long)size);
    }
    return env->ops->allocate(env->ctx, file, size, err);
}

tdbplus_status env_truncate(const struct env *env, struct env_file *file, uint64_t size,
                            struct err *err)
{
    if (size > FILE_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "file of %llu bytes", (unsigned long long)size);
    }
    return env->ops->truncate(env->ctx, file, size, err);
}

tdbplus_status env_size(const struct env *env, struct env_file *file, uint64_t *size_out,
                        struct err *err)
{
    return env->ops->size(env->ctx, file, size_out, err);
}

tdbplus_status env_read_file(const struct env *env, const char *path, size_t size_max,
                             const struct alloc *alloc, struct bytes *bytes_out, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct env_file *file = NULL;
    struct bytes bytes = {.alloc = alloc};

    TRY_OR(done, env_open(env, path, ENV_OPEN_READ, &file, err));
    uint64_t size = 0;
    TRY_OR(done, env_size(env, file, &size, err));
    if (size > size_max) {
        status = err_set(err, TDBPLUS_E_LIMIT, "%s: %llu bytes, at most %zu are expected", path,
                         (unsigned long long)size, size_max);
        goto done;
    }
    if (size > 0) {
        bytes.data = alloc_raw(alloc, (size_t)size);
        if (bytes.data == NULL) {
            status = err_set(err, TDBPLUS_E_NOMEM, "%s: no memory for its %llu bytes", path,
                             (unsigned long long)size);
            goto done;
        }
        bytes.size = (size_t)size;
        TRY_OR(done, env_read(env, file, 0, bytes.data, bytes.size, err));
    }
    *bytes_out = bytes;
    bytes = (struct bytes){0};

done:
    bytes_deinit(&bytes);
    env_close(env, file);
    return status;
}

/* Writes the directory part of `path` ("." when it has none). */
static void directory_of(char directory[ENV_PATH_SIZE_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        memcpy(directory, ".", 2);
        return;
    }
    size_t size = slash == path ? 1 : (size_t)(slash - path); // "/name" lies in "/".
    memcpy(directory, path, size);
    directory[size] = '\0';
}

tdbplus_status env_rewrite(const struct env *env, struct env_file *file, uint64_t from, uint64_t to,
                           const struct alloc *alloc, struct err *err)
{
    if (from >= to) {
        return TDBPLUS_OK;
    }
    size_t capacity = to - from < REWRITE_SIZE_MAX ? (size_t)(to - from) : REWRITE_SIZE_MAX;
    uint8_t *bytes = alloc_raw(alloc, capacity);
    if (bytes == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "%zu bytes to write a file's end again", capacity);
    }
    tdbplus_status status = TDBPLUS_OK;
    for (uint64_t at = from; at < to && status == TDBPLUS_OK; at += capacity) {
        size_t size = to - at < capacity ? (size_t)(to - at) : capacity;
        status = env_read(env, file, at, bytes, size, err);
        if (status == TDBPLUS_OK) {
            status = env_write(env, file, at, bytes, size, err);
        }
    }
    alloc_free(alloc, bytes, capacity, 1);
    return status;
}

tdbplus_status env_write_file(const struct env *env, const char *path, struct span content,
                              struct err *err)
{
    TRY(check_path(path, err));
    char temporary[ENV_PATH_SIZE_MAX];
    char directory[ENV_PATH_SIZE_MAX];
    int length = snprintf(temporary, sizeof temporary, "%s" ENV_TEMPORARY_SUFFIX, path);
    if (length < 0 || (size_t)length >= sizeof temporary) {
        return err_set(err, TDBPLUS_E_LIMIT, "%.64s...: file name too long for a temporary beside",
                       path);
    }
    directory_of(directory, path);

    tdbplus_status status = TDBPLUS_OK;
    struct env_file *file = NULL;
    bool created = false;
    TRY_OR(done, env_open(env, temporary, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, err));
    created = true;
    TRY_OR(done, env_truncate(env, file, 0, err)); // A crash may have left one behind.
    TRY_OR(done, env_write(env, file, 0, content.data, content.size, err));
    TRY_OR(done, env_sync(env, file, err));
    TRY_OR(done, env_rename(env, temporary, path, err));
    created = false;
    TRY_OR(done, env_sync_directory(env, directory, err));

done:
    env_close(env, file);
    if (created) {
        (void)!env_unlink(env, temporary, NULL);
    }
    return status;
}

tdbplus_status env_rename(const struct env *env, const char *from, const char *to, struct err *err)
{
    TRY(check_path(from, err));
    TRY(check_path(to, err));
    return env->ops->rename(env->ctx, from, to, err);
}

tdbplus_status env_unlink(const struct env *env, const char *path, struct err *err)
{
    TRY(check_path(path, err));
    return env->ops->unlink(env->ctx, path, err);
}

tdbplus_status env_link(const struct env *env, const char *from, const char *to, struct err *err)
{
    TRY(check_path(from, err));
    TRY(check_path(to, err));
    return env->ops->link(env->ctx, from, to, err);
}

tdbplus_status env_make_directory(const struct env *env, const char *path, struct err *err)
{
    TRY(check_path(path, err));
    return env->ops->make_directory(env->ctx, path, err);
}

tdbplus_status env_remove_directory(const struct env *env, const char *path, struct err *err)
{
    TRY(check_path(path, err));
    return env->ops->remove_directory(env->ctx, path, err);
}

tdbplus_status env_list(const struct env *env, const char *path, env_list_fn fn, void *fn_ctx,
                        struct err *err)
{
    TRY(check_path(path, err));
    return env->ops->list(env->ctx, path, fn, fn_ctx, err);
}

tdbplus_status env_sync_directory(const struct env *env, const char *path, struct err *err)
{
    ASSERT(latch_depth_now() == 0);
    TRY(check_path(path, err));
    return env->ops->sync_directory(env->ctx, path, err);
}

tdbplus_status env_lock(const struct env *env, const char *path, bool exclusive,
                        struct env_file **lock_out, struct err *err)
{
    TRY(check_path(path, err));
    return env->ops->lock(env->ctx, path, exclusive, lock_out, err);
}

tdbplus_status env_join(char path[ENV_PATH_SIZE_MAX], const char *directory, const char *name,
                        struct err *err)
{
    size_t directory_size = strnlen(directory, ENV_PATH_SIZE_MAX);
    size_t name_size = strnlen(name, ENV_PATH_SIZE_MAX);
    bool slash = directory_size > 0 && directory[directory_size - 1] != '/';
    if (directory_size + slash + name_size >= ENV_PATH_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "%.64s.../%.64s: file name longer than %u bytes",
                       directory, name, ENV_PATH_SIZE_MAX - 1);
    }
    // `path` may be `directory`, to go down a level in place.
    memmove(path, directory, directory_size);
    if (slash) {
        path[directory_size] = '/';
    }
    memcpy(path + directory_size + slash, name, name_size);
    path[directory_size + slash + name_size] = '\0';
    return TDBPLUS_OK;
}

uint64_t env_clock_wall_us(const struct env *env)
{
    return env->ops->clock_wall_us(env->ctx);
}

uint64_t env_clock_mono_us(const struct env *env)
{
    return env->ops->clock_mono_us(env->ctx);
}

void env_entropy(const struct env *env, void *data, size_t size)
{
    env->ops->entropy(env->ctx, data, size);
}

tdbplus_status env_check_call(const struct env *env, const struct call *call)
{
    if (call_cancelled(call)) {
        return err_set(call->err, TDBPLUS_E_CANCELLED, "cancelled on request");
    }
    if (call->deadline_us != 0 && env_clock_mono_us(env) >= call->deadline_us) {
        return err_set(call->err, TDBPLUS_E_TIMEOUT, "the deadline passed");
    }
    return TDBPLUS_OK;
}

tdbplus_status env_task_start(const struct env *env, const char *name, void (*fn)(void *arg),
                              void *arg, struct env_task **task_out, struct err *err)
{
    return env->ops->task_start(env->ctx, name, fn, arg, task_out, err);
}

void env_task_join(const struct env *env, struct env_task *task)
{
    ASSERT(latch_depth_now() == 0);
    env->ops->task_join(env->ctx, task);
}

bool env_event_wait(const struct env *env, struct env_event *event, uint64_t deadline_us)
{
    ASSERT(latch_depth_now() == 0);
    return env->ops->event_wait(env->ctx, event, deadline_us);
}

void env_event_set(const struct env *env, struct env_event *event)
{
    env->ops->event_set(env->ctx, event);
}

void env_yield(const struct env *env)
{
    ASSERT(latch_depth_now() == 0);
    env->ops->yield(env->ctx);
}

void env_sleep_us(const struct env *env, uint64_t duration_us)
{
    // An event that nobody knows of is never set, so the wait ends at the deadline.
    struct env_event never = {0};
    uint64_t deadline_us = 0;
    if (__builtin_add_overflow(env_clock_mono_us(env), duration_us, &deadline_us)) {
        deadline_us = ENV_DEADLINE_NONE;
    }
    bool woken = env_event_wait(env, &never, deadline_us);
    ASSERT(!woken);
}
