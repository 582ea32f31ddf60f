/*
 * Files in memory, for databases without a directory. Time, chance and tasks are the machine's.
 *
 * A file is a table of chunks, so that growing never copies and never needs one large block. Names
 * are a sorted array: lists and lookups are binary searches, and a database has thousands of files,
 * not millions. Locks are the C library's, because a read copies more than a latch may cover.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "os/os_internal.h"

#define CHUNK_SIZE 16384u

struct ram_inode {
    pthread_rwlock_t lock; /* Over the four below. */
    uint8_t **chunks;      /* Each zeroed when made; bytes past `size` are zero. */
    size_t chunk_count;
    size_t chunk_capacity; /* Of the table, which never shrinks: shrinking could fail. */
    uint64_t size;
    uint32_t references; /* Names and handles; under the world's lock. */
    uint32_t locks_shared;
    bool locked_exclusive;
};

struct ram_name {
    char *path;
    size_t path_size;
    struct ram_inode *inode;
};

struct ram_world {
    struct env env;
    const struct alloc *alloc;
    pthread_mutex_t lock; /* Over names, and the inodes' references and locks. */
    struct list names;    /* Of struct ram_name, sorted by path. */
    uint32_t handle_count;
};

enum ram_handle_kind {
    HANDLE_FILE,
    HANDLE_LOCK_SHARED,
    HANDLE_LOCK_EXCLUSIVE,
};

/* What callers hold as a struct env_file. */
struct ram_handle {
    struct ram_inode *inode;
    enum ram_handle_kind kind;
    size_t path_size;
    char path[];
};

static struct ram_handle *handle_of(struct env_file *file)
{
    return (struct ram_handle *)(void *)file;
}

static tdbplus_status out_of_memory(struct err *err, const char *path)
{
    return err_set(err, TDBPLUS_E_NOMEM, "%s: the memory budget is used up", path);
}

/* ---- names; the world's lock is held ---- */

static struct ram_name *name_at(const struct ram_world *world, size_t index)
{
    return list_at(&world->names, index);
}

/* The first name that does not sort before `path`. */
static size_t lower_bound(const struct ram_world *world, const char *path)
{
    size_t low = 0;
    size_t high = world->names.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(name_at(world, middle)->path, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct ram_name *find_name(const struct ram_world *world, const char *path)
{
    size_t index = lower_bound(world, path);
    bool found = index < world->names.count && strcmp(name_at(world, index)->path, path) == 0;
    return found ? name_at(world, index) : NULL;
}

static void release_chunks(const struct ram_world *world, struct ram_inode *inode, size_t keep)
{
    while (inode->chunk_count > keep) {
        inode->chunk_count--;
        alloc_free(world->alloc, inode->chunks[inode->chunk_count], CHUNK_SIZE, 1);
    }
}

static void release_inode(const struct ram_world *world, struct ram_inode *inode)
{
    inode->references--;
    if (inode->references == 0) {
        release_chunks(world, inode, 0);
        alloc_free(world->alloc, inode->chunks, inode->chunk_capacity, sizeof *inode->chunks);
        (void)pthread_rwlock_destroy(&inode->lock);
        alloc_free(world->alloc, inode, 1, sizeof *inode);
    }
}

/* Adds a name for `inode` (a fresh one when NULL). Returns NULL when memory is out. */
static struct ram_inode *add_name(struct ram_world *world, const char *path,
                                  struct ram_inode *inode)
{
    size_t path_size = strlen(path) + 1;
    char *copy = alloc_raw(world->alloc, path_size);
    struct ram_inode *fresh = NULL;
    if (copy == NULL || !list_reserve(&world->names, 1)) {
        goto failed;
    }
    if (inode == NULL) {
        fresh = alloc_array(world->alloc, 1, sizeof *fresh);
        if (fresh == NULL) {
            goto failed;
        }
        (void)pthread_rwlock_init(&fresh->lock, NULL);
        inode = fresh;
    }
    memcpy(copy, path, path_size);
    inode->references++;
    size_t index = lower_bound(world, path);
    (void)list_push(&world->names, NULL);
    struct ram_name *names = world->names.items;
    memmove(names + index + 1, names + index, (world->names.count - 1 - index) * sizeof *names);
    names[index] = (struct ram_name){.path = copy, .path_size = path_size, .inode = inode};
    return inode;

failed:
    alloc_free(world->alloc, copy, path_size, 1);
    return NULL;
}

static void remove_name(struct ram_world *world, struct ram_name *name)
{
    struct ram_name gone = *name;
    list_remove(&world->names, (size_t)(name - (struct ram_name *)world->names.items));
    alloc_free(world->alloc, gone.path, gone.path_size, 1);
    release_inode(world, gone.inode);
}

/* ---- opening and locking ---- */

static struct ram_handle *make_handle(struct ram_world *world, const char *path,
                                      enum ram_handle_kind kind)
{
    size_t path_size = strlen(path) + 1;
    struct ram_handle *handle = alloc_array(world->alloc, 1, sizeof *handle + path_size);
    if (handle != NULL) {
        handle->kind = kind;
        handle->path_size = path_size;
        memcpy(handle->path, path, path_size);
    }
    return handle;
}

static void free_handle(struct ram_world *world, struct ram_handle *handle)
{
    alloc_free(world->alloc, handle, 1, sizeof *handle + handle->path_size);
}

/* Finds or makes the inode a handle is to be for; the world's lock is held. */
static tdbplus_status find_inode(struct ram_world *world, const char *path, uint32_t flags,
                                 struct ram_inode **inode_out, struct err *err)
{
    struct ram_name *name = find_name(world, path);
    if (name != NULL) {
        if ((flags & ENV_OPEN_EXCLUSIVE) != 0) {
            return err_set(err, TDBPLUS_E_EXISTS, "%s: open: the file exists", path);
        }
        *inode_out = name->inode;
        return TDBPLUS_OK;
    }
    if ((flags & ENV_OPEN_CREATE) == 0) {
        return err_set(err, TDBPLUS_E_NOT_FOUND, "%s: open: no such file", path);
    }
    struct ram_inode *inode = add_name(world, path, NULL);
    if (inode == NULL) {
        return out_of_memory(err, path);
    }
    *inode_out = inode;
    return TDBPLUS_OK;
}

static tdbplus_status take_lock(struct ram_inode *inode, const struct ram_handle *handle,
                                struct err *err)
{
    bool exclusive = handle->kind == HANDLE_LOCK_EXCLUSIVE;
    if (inode->locked_exclusive || (exclusive && inode->locks_shared > 0)) {
        return err_set(err, TDBPLUS_E_BUSY, "%s: locked by another handle", handle->path);
    }
    inode->locked_exclusive = exclusive;
    inode->locks_shared += exclusive ? 0 : 1;
    return TDBPLUS_OK;
}

static tdbplus_status open_handle(struct ram_world *world, const char *path, uint32_t flags,
                                  enum ram_handle_kind kind, struct ram_handle **handle_out,
                                  struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct ram_handle *handle = make_handle(world, path, kind);
    if (handle == NULL) {
        return out_of_memory(err, path);
    }
    (void)pthread_mutex_lock(&world->lock);
    struct ram_inode *inode = NULL;
    TRY_OR(done, find_inode(world, path, flags, &inode, err));
    if (kind != HANDLE_FILE) {
        TRY_OR(done, take_lock(inode, handle, err));
    }
    inode->references++;
    world->handle_count++;
    handle->inode = inode;
    *handle_out = handle;
    handle = NULL;

done:
    (void)pthread_mutex_unlock(&world->lock);
    if (handle != NULL) {
        free_handle(world, handle);
    }
    return status;
}

static tdbplus_status ram_open(void *ctx, const char *path, uint32_t flags,
                               struct env_file **file_out, struct err *err)
{
    struct ram_handle *handle = NULL;
    TRY(open_handle(ctx, path, flags, HANDLE_FILE, &handle, err));
    *file_out = (struct env_file *)(void *)handle;
    return TDBPLUS_OK;
}

static tdbplus_status ram_lock(void *ctx, const char *path, bool exclusive,
                               struct env_file **lock_out, struct err *err)
{
    struct ram_handle *handle = NULL;
    TRY(open_handle(ctx, path, exclusive ? ENV_OPEN_CREATE : 0,
                    exclusive ? HANDLE_LOCK_EXCLUSIVE : HANDLE_LOCK_SHARED, &handle, err));
    *lock_out = (struct env_file *)(void *)handle;
    return TDBPLUS_OK;
}

static void ram_close(void *ctx, struct env_file *file)
{
    struct ram_world *world = ctx;
    struct ram_handle *handle = handle_of(file);
    (void)pthread_mutex_lock(&world->lock);
    if (handle->kind == HANDLE_LOCK_EXCLUSIVE) {
        handle->inode->locked_exclusive = false;
    } else if (handle->kind == HANDLE_LOCK_SHARED) {
        handle->inode->locks_shared--;
    }
    release_inode(world, handle->inode);
    world->handle_count--;
    (void)pthread_mutex_unlock(&world->lock);
    free_handle(world, handle);
}

/* ---- content ---- */

/* Copies between `data` and the chunks; the range lies inside them. */
static void copy_range(struct ram_inode *inode, uint64_t offset, void *read_into,
                       const void *write_from, size_t size)
{
    size_t done = 0;
    while (done < size) {
        size_t chunk = (size_t)((offset + done) / CHUNK_SIZE);
        size_t start = (size_t)((offset + done) % CHUNK_SIZE);
        size_t part = CHUNK_SIZE - start < size - done ? CHUNK_SIZE - start : size - done;
        uint8_t *bytes = inode->chunks[chunk] + start;
        if (read_into != NULL) {
            memcpy((uint8_t *)read_into + done, bytes, part);
        } else {
            memcpy(bytes, (const uint8_t *)write_from + done, part);
        }
        done += part;
    }
}

static tdbplus_status ram_read(void *ctx, struct env_file *file, uint64_t offset, void *data,
                               size_t size, struct err *err)
{
    (void)ctx;
    struct ram_handle *handle = handle_of(file);
    struct ram_inode *inode = handle->inode;
    (void)pthread_rwlock_rdlock(&inode->lock);
    uint64_t file_size = inode->size;
    bool inside = offset <= file_size && size <= file_size - offset;
    if (inside) {
        copy_range(inode, offset, data, NULL, size);
    }
    (void)pthread_rwlock_unlock(&inode->lock);
    return inside ? TDBPLUS_OK
                  : err_set(err, TDBPLUS_E_CORRUPT,
                            "%s: read of %zu bytes at %llu: the file ends at %llu", handle->path,
                            size, (unsigned long long)offset, (unsigned long long)file_size);
}

static tdbplus_status ram_read_batch(void *ctx, struct env_file *file,
                                     struct env_read_request *requests, size_t count,
                                     struct err *err)
{
    tdbplus_status first = TDBPLUS_OK;
    for (size_t i = 0; i < count; i++) {
        struct env_read_request *request = &requests[i];
        request->status = request->size == 0 ? TDBPLUS_OK
                                             : ram_read(ctx, file, request->offset, request->data,
                                                        request->size, err);
        first = first == TDBPLUS_OK ? request->status : first;
    }
    return first;
}

/* Makes chunks for `size` bytes; the inode's lock is held. On failure size and content are as
 * before. */
static bool grow(const struct ram_world *world, struct ram_inode *inode, uint64_t size)
{
    uint64_t wanted = size / CHUNK_SIZE + (size % CHUNK_SIZE != 0);
    size_t before = inode->chunk_count;
    if (wanted > inode->chunk_capacity) {
        uint64_t capacity = inode->chunk_capacity * 2 > wanted ? inode->chunk_capacity * 2 : wanted;
        uint8_t **chunks = alloc_resize(world->alloc, inode->chunks, inode->chunk_capacity,
                                        (size_t)capacity, sizeof *chunks);
        if (chunks == NULL) {
            return false;
        }
        inode->chunks = chunks;
        inode->chunk_capacity = (size_t)capacity;
    }
    while (inode->chunk_count < wanted) {
        uint8_t *chunk = alloc_array(world->alloc, CHUNK_SIZE, 1);
        if (chunk == NULL) {
            release_chunks(world, inode, before);
            return false;
        }
        inode->chunks[inode->chunk_count++] = chunk;
    }
    return true;
}

static tdbplus_status ram_write(void *ctx, struct env_file *file, uint64_t offset, const void *data,
                                size_t size, struct err *err)
{
    struct ram_handle *handle = handle_of(file);
    struct ram_inode *inode = handle->inode;
    (void)pthread_rwlock_wrlock(&inode->lock);
    bool grown = grow(ctx, inode, offset + size);
    if (grown) {
        copy_range(inode, offset, NULL, data, size);
        inode->size = inode->size < offset + size ? offset + size : inode->size;
    }
    (void)pthread_rwlock_unlock(&inode->lock);
    return grown ? TDBPLUS_OK : out_of_memory(err, handle->path);
}

static tdbplus_status ram_allocate(void *ctx, struct env_file *file, uint64_t size, struct err *err)
{
    struct ram_handle *handle = handle_of(file);
    struct ram_inode *inode = handle->inode;
    (void)pthread_rwlock_wrlock(&inode->lock);
    bool grown = grow(ctx, inode, size);
    if (grown && inode->size < size) {
        inode->size = size;
    }
    (void)pthread_rwlock_unlock(&inode->lock);
    return grown ? TDBPLUS_OK : out_of_memory(err, handle->path);
}

/* Cuts the content; the inode's lock is held. */
static void shrink(const struct ram_world *world, struct ram_inode *inode, uint64_t size)
{
    size_t keep = (size_t)(size / CHUNK_SIZE) + (size % CHUNK_SIZE != 0);
    if (size % CHUNK_SIZE != 0) {
        size_t start = (size_t)(size % CHUNK_SIZE);
        memset(inode->chunks[keep - 1] + start, 0, CHUNK_SIZE - start);
    }
    release_chunks(world, inode, keep);
    inode->size = size;
}

static tdbplus_status ram_truncate(void *ctx, struct env_file *file, uint64_t size, struct err *err)
{
    struct ram_handle *handle = handle_of(file);
    struct ram_inode *inode = handle->inode;
    (void)pthread_rwlock_wrlock(&inode->lock);
    bool fits = true;
    if (size < inode->size) {
        shrink(ctx, inode, size);
    } else {
        fits = grow(ctx, inode, size);
        inode->size = fits ? size : inode->size;
    }
    (void)pthread_rwlock_unlock(&inode->lock);
    return fits ? TDBPLUS_OK : out_of_memory(err, handle->path);
}

static tdbplus_status ram_size(void *ctx, struct env_file *file, uint64_t *size_out,
                               struct err *err)
{
    (void)ctx;
    (void)err;
    struct ram_inode *inode = handle_of(file)->inode;
    (void)pthread_rwlock_rdlock(&inode->lock);
    *size_out = inode->size;
    (void)pthread_rwlock_unlock(&inode->lock);
    return TDBPLUS_OK;
}

static tdbplus_status ram_sync(void *ctx, struct env_file *file, struct err *err)
{
    (void)ctx;
    (void)file;
    (void)err;
    return TDBPLUS_OK;
}

/* ---- names ---- */

static tdbplus_status not_found(struct err *err, const char *verb, const char *path)
{
    return err_set(err, TDBPLUS_E_NOT_FOUND, "%s: %s: no such file", path, verb);
}

static tdbplus_status ram_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    struct ram_world *world = ctx;
    tdbplus_status status = TDBPLUS_OK;
    (void)pthread_mutex_lock(&world->lock);
    struct ram_name *source = find_name(world, from);
    struct ram_name *target = find_name(world, to);
    if (source == NULL) {
        status = not_found(err, "rename", from);
        goto done;
    }
    if (target != NULL && target->inode == source->inode) {
        goto done; // As rename(2): two names of one file stay.
    }
    struct ram_inode *inode = source->inode;
    if (target != NULL) {
        inode->references++;
        release_inode(world, target->inode);
        target->inode = inode;
    } else if (add_name(world, to, inode) == NULL) {
        status = out_of_memory(err, to);
        goto done;
    }
    remove_name(world, find_name(world, from));

done:
    (void)pthread_mutex_unlock(&world->lock);
    return status;
}

static tdbplus_status ram_unlink(void *ctx, const char *path, struct err *err)
{
    struct ram_world *world = ctx;
    (void)pthread_mutex_lock(&world->lock);
    struct ram_name *name = find_name(world, path);
    bool found = name != NULL;
    if (found) {
        remove_name(world, name);
    }
    (void)pthread_mutex_unlock(&world->lock);
    return found ? TDBPLUS_OK : not_found(err, "unlink", path);
}

static tdbplus_status ram_link(void *ctx, const char *from, const char *to, struct err *err)
{
    struct ram_world *world = ctx;
    tdbplus_status status = TDBPLUS_OK;
    (void)pthread_mutex_lock(&world->lock);
    struct ram_name *source = find_name(world, from);
    if (source == NULL) {
        status = not_found(err, "link", from);
    } else if (find_name(world, to) != NULL) {
        status = err_set(err, TDBPLUS_E_EXISTS, "%s: link: the file exists", to);
    } else if (add_name(world, to, source->inode) == NULL) {
        status = out_of_memory(err, to);
    }
    (void)pthread_mutex_unlock(&world->lock);
    return status;
}

/* Every directory exists. */
static tdbplus_status ram_make_directory(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    (void)path;
    (void)err;
    return TDBPLUS_OK;
}

/* The length of "path/" as a prefix of names; 0 when `path` is the root of relative names. */
static size_t directory_prefix(char prefix[ENV_PATH_SIZE_MAX + 1], const char *path)
{
    if (strcmp(path, ".") == 0) {
        prefix[0] = '\0';
        return 0;
    }
    size_t size = strlen(path);
    memcpy(prefix, path, size);
    if (path[size - 1] != '/') {
        prefix[size++] = '/';
    }
    prefix[size] = '\0';
    return size;
}

static tdbplus_status ram_remove_directory(void *ctx, const char *path, struct err *err)
{
    struct ram_world *world = ctx;
    char prefix[ENV_PATH_SIZE_MAX + 1];
    size_t prefix_size = directory_prefix(prefix, path);
    (void)pthread_mutex_lock(&world->lock);
    size_t index = lower_bound(world, prefix);
    bool empty = index == world->names.count ||
                 strncmp(name_at(world, index)->path, prefix, prefix_size) != 0;
    (void)pthread_mutex_unlock(&world->lock);
    return empty ? TDBPLUS_OK
                 : err_set(err, TDBPLUS_E_IO, "%s: remove directory: it is not empty", path);
}

static tdbplus_status ram_sync_directory(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    (void)path;
    (void)err;
    return TDBPLUS_OK;
}

/* Where a walk over a directory goes on: at the first name that does not sort before `key`. */
struct ram_cursor {
    char key[ENV_PATH_SIZE_MAX + 2];
    char entry[ENV_NAME_SIZE_MAX];
    bool is_directory;
};

/* Finds the next entry; false at the end. Each step looks anew, so that the callback may change
 * the directory meanwhile. */
static bool next_entry(struct ram_world *world, const char *prefix, size_t prefix_size,
                       struct ram_cursor *cursor)
{
    bool found = false;
    (void)pthread_mutex_lock(&world->lock);
    for (size_t i = lower_bound(world, cursor->key); i < world->names.count && !found; i++) {
        const char *path = name_at(world, i)->path;
        if (strncmp(path, prefix, prefix_size) != 0) {
            break;
        }
        size_t entry_size = strcspn(path + prefix_size, "/");
        if (entry_size == 0 || entry_size >= ENV_NAME_SIZE_MAX) {
            continue;
        }
        found = true;
        size_t end = prefix_size + entry_size;
        memcpy(cursor->entry, path + prefix_size, entry_size);
        cursor->entry[entry_size] = '\0';
        cursor->is_directory = path[end] == '/';
        // Go on past all of "name/...", or just past "name": the next byte string in order.
        memcpy(cursor->key, path, end);
        cursor->key[end] = cursor->is_directory ? '/' + 1 : '\1';
        cursor->key[end + 1] = '\0';
    }
    (void)pthread_mutex_unlock(&world->lock);
    return found;
}

static tdbplus_status ram_list(void *ctx, const char *path, env_list_fn fn, void *fn_ctx,
                               struct err *err)
{
    (void)err;
    char prefix[ENV_PATH_SIZE_MAX + 1];
    size_t prefix_size = directory_prefix(prefix, path);
    struct ram_cursor cursor = {0};
    memcpy(cursor.key, prefix, prefix_size);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK && next_entry(ctx, prefix, prefix_size, &cursor)) {
        status = fn(fn_ctx, cursor.entry, cursor.is_directory);
    }
    return status;
}

/* ---- everything else is the machine's ---- */

static uint64_t ram_clock_wall_us(void *ctx)
{
    (void)ctx;
    return env_clock_wall_us(env_real());
}

static uint64_t ram_clock_mono_us(void *ctx)
{
    (void)ctx;
    return os_clock_mono_us();
}

static void ram_entropy(void *ctx, void *data, size_t size)
{
    (void)ctx;
    env_entropy(env_real(), data, size);
}

static tdbplus_status ram_task_start(void *ctx, const char *name, void (*fn)(void *arg), void *arg,
                                     struct env_task **task_out, struct err *err)
{
    (void)ctx;
    return thread_task_start(name, fn, arg, task_out, err);
}

static void ram_task_join(void *ctx, struct env_task *task)
{
    (void)ctx;
    thread_task_join(task);
}

static bool ram_event_wait(void *ctx, struct env_event *event, uint64_t deadline_us)
{
    (void)ctx;
    return event_wait(event, deadline_us);
}

static void ram_event_set(void *ctx, struct env_event *event)
{
    (void)ctx;
    event_set(event);
}

static void ram_yield(void *ctx)
{
    (void)ctx;
    env_yield(env_real());
}

tdbplus_status env_ram_create(const struct alloc *alloc, struct env **env_out, struct err *err)
{
    static const struct env_ops ops = {
        .open = ram_open,
        .close = ram_close,
        .read = ram_read,
        .read_batch = ram_read_batch,
        .write = ram_write,
        .sync = ram_sync,
        .allocate = ram_allocate,
        .truncate = ram_truncate,
        .size = ram_size,
        .rename = ram_rename,
        .unlink = ram_unlink,
        .link = ram_link,
        .make_directory = ram_make_directory,
        .remove_directory = ram_remove_directory,
        .list = ram_list,
        .sync_directory = ram_sync_directory,
        .lock = ram_lock,
        .clock_wall_us = ram_clock_wall_us,
        .clock_mono_us = ram_clock_mono_us,
        .entropy = ram_entropy,
        .task_start = ram_task_start,
        .task_join = ram_task_join,
        .event_wait = ram_event_wait,
        .event_set = ram_event_set,
        .yield = ram_yield,
    };
    struct ram_world *world = alloc_array(alloc, 1, sizeof *world);
    if (world == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "files in memory: the memory budget is used up");
    }
    world->env = (struct env){.ops = &ops, .ctx = world, .name = "ram"};
    world->alloc = alloc;
    (void)pthread_mutex_init(&world->lock, NULL);
    list_init(&world->names, alloc, sizeof(struct ram_name));
    *env_out = &world->env;
    return TDBPLUS_OK;
}

void env_ram_destroy(struct env *env)
{
    if (env == NULL) {
        return;
    }
    struct ram_world *world = env->ctx;
    ASSERT(world->handle_count == 0);
    while (world->names.count > 0) {
        remove_name(world, name_at(world, world->names.count - 1));
    }
    list_deinit(&world->names);
    (void)pthread_mutex_destroy(&world->lock);
    alloc_free(world->alloc, world, 1, sizeof *world);
}
