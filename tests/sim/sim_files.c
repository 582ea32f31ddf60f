/* The disk as an environment: checks, faults, and the time that things take. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "sim_internal.h"

#define SYNC_US_MAX 4000u
#define READ_US_MAX 200u

static tdbplus_status no_such(struct err *err, enum sim_op op, const char *path)
{
    return err_set(err, TDBPLUS_E_NOT_FOUND, "%s: %s: no such file or directory", path,
                   sim_op_name(op));
}

static tdbplus_status disk_full(struct err *err, enum sim_op op, const char *path)
{
    return err_set(err, TDBPLUS_E_FULL, "%s: %s: the simulated disk is full", path,
                   sim_op_name(op));
}

static struct sim_handle *handle_of(struct env_file *file)
{
    struct sim_handle *handle = (struct sim_handle *)(void *)file;
    ASSERT(handle->open);
    return handle;
}

/* ---- opening and locking ---- */

static struct sim_handle *make_handle(struct sim *sim, const char *path, struct sim_inode *inode)
{
    struct sim_handle *handle = calloc(1, sizeof *handle);
    ASSERT(handle != NULL);
    handle->inode = inode;
    handle->open = true;
    (void)snprintf(handle->path, sizeof handle->path, "%s", path);
    handle->next = sim->handles;
    sim->handles = handle;
    inode->open_count++;
    return handle;
}

/* Finds or makes the file of an open or a lock. */
static tdbplus_status find_or_make(struct sim *sim, const char *path, uint32_t flags,
                                   enum sim_op op, struct sim_inode **inode_out, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    char parent[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path)) {
        return no_such(err, op, path);
    }
    sim_path_parent(parent, normal);
    struct sim_inode *inode = sim_disk_find(&sim->disk, normal);
    if (sim_disk_is_directory(&sim->disk, normal)) {
        return err_set(err, TDBPLUS_E_IO, "%s: %s: is a directory", path, sim_op_name(op));
    }
    if (inode != NULL) {
        if ((flags & ENV_OPEN_EXCLUSIVE) != 0) {
            return err_set(err, TDBPLUS_E_EXISTS, "%s: %s: the file exists", path, sim_op_name(op));
        }
        *inode_out = inode;
        return TDBPLUS_OK;
    }
    if ((flags & ENV_OPEN_CREATE) == 0 || !sim_disk_is_directory(&sim->disk, parent)) {
        return no_such(err, op, path);
    }
    if (!sim_disk_fits(&sim->disk, NULL, 0)) {
        return disk_full(err, op, path);
    }
    *inode_out = sim_disk_make(&sim->disk, normal, false);
    return TDBPLUS_OK;
}

static tdbplus_status op_open(void *ctx, const char *path, uint32_t flags,
                              struct env_file **file_out, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_OPEN, path, flags, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_OPEN, path);
    struct sim_inode *inode = NULL;
    if (status == TDBPLUS_OK) {
        status = find_or_make(sim, path, flags, SIM_OP_OPEN, &inode, err);
    }
    if (status == TDBPLUS_OK) {
        struct sim_handle *handle = make_handle(sim, path, inode);
        handle->flags = flags;
        *file_out = (struct env_file *)(void *)handle;
    }
    return sim_end_call(sim, status);
}

static tdbplus_status op_lock(void *ctx, const char *path, bool exclusive,
                              struct env_file **lock_out, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_LOCK, path, exclusive, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_LOCK, path);
    struct sim_inode *inode = NULL;
    if (status == TDBPLUS_OK) {
        status = find_or_make(sim, path, exclusive ? ENV_OPEN_CREATE : 0, SIM_OP_LOCK, &inode, err);
    }
    if (status == TDBPLUS_OK &&
        (inode->locked_exclusive || (exclusive && inode->locks_shared > 0))) {
        status = err_set(err, TDBPLUS_E_BUSY, "%s: locked by another handle", path);
    }
    if (status == TDBPLUS_OK) {
        struct sim_handle *handle = make_handle(sim, path, inode);
        handle->is_lock = true;
        handle->is_exclusive = exclusive;
        inode->locked_exclusive = exclusive;
        inode->locks_shared += exclusive ? 0 : 1;
        *lock_out = (struct env_file *)(void *)handle;
    }
    return sim_end_call(sim, status);
}

static void op_close(void *ctx, struct env_file *file)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    handle->open = false;
    handle->inode->open_count--;
    if (handle->is_lock && handle->is_exclusive) {
        handle->inode->locked_exclusive = false;
    } else if (handle->is_lock) {
        handle->inode->locks_shared--;
    }
    handle->inode = NULL; // It may be swept away from now on.
    sim_maybe_turn(sim);
}

/* ---- content ---- */

static tdbplus_status read_now(const struct sim_handle *handle, uint64_t offset, void *data,
                               size_t size, struct err *err)
{
    uint64_t file_size = handle->inode->live.size;
    if ((handle->flags & ENV_OPEN_READ) == 0) {
        return err_set(err, TDBPLUS_E_IO, "%s: read: not open for reading", handle->path);
    }
    if (offset > file_size || size > file_size - offset) {
        return err_set(err, TDBPLUS_E_CORRUPT,
                       "%s: read of %zu bytes at %llu: the file ends at %llu", handle->path, size,
                       (unsigned long long)offset, (unsigned long long)file_size);
    }
    sim_disk_read(handle->inode, offset, data, size);
    return TDBPLUS_OK;
}

static tdbplus_status op_read(void *ctx, struct env_file *file, uint64_t offset, void *data,
                              size_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_READ, handle->path, offset, size);
    if (sim_random_below(&sim->random, 4) == 0) {
        sim_sleep_us(sim, sim_random_below(&sim->random, READ_US_MAX));
    }
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_READ, handle->path);
    if (status == TDBPLUS_OK) {
        status = read_now(handle, offset, data, size, err);
    } else {
        memset(data, (int)sim_random_below(&sim->random, 256), size); // Must not be looked at.
    }
    return sim_end_call(sim, status);
}

static tdbplus_status op_read_batch(void *ctx, struct env_file *file,
                                    struct env_read_request *requests, size_t count,
                                    struct err *err)
{
    tdbplus_status first = TDBPLUS_OK;
    for (size_t i = 0; i < count; i++) {
        struct env_read_request *request = &requests[i];
        request->status = op_read(ctx, file, request->offset, request->data, request->size, err);
        first = first == TDBPLUS_OK ? request->status : first;
    }
    return first;
}

static tdbplus_status write_now(struct sim *sim, struct sim_handle *handle, uint64_t offset,
                                struct span data, enum sim_fault fault, struct err *err)
{
    struct sim_inode *inode = handle->inode;
    if ((handle->flags & ENV_OPEN_WRITE) == 0) {
        return err_set(err, TDBPLUS_E_IO, "%s: write: not open for writing", handle->path);
    }
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_WRITE, handle->path);
    if (status == TDBPLUS_OK && !sim_disk_fits(&sim->disk, inode, offset + data.size)) {
        status = disk_full(err, SIM_OP_WRITE, handle->path);
    }
    if (status != TDBPLUS_OK) {
        // Some of it may have happened, as far as there is room.
        data.size = (size_t)sim_random_below(&sim->random, data.size + 1);
        if (data.size > 0 && sim_disk_fits(&sim->disk, inode, offset + data.size)) {
            sim_disk_write(&sim->disk, inode, offset, data, SIM_WRITE_GOOD);
        }
        return status;
    }
    enum sim_write_fate fate = SIM_WRITE_GOOD;
    if (fault == SIM_FAULT_LOST_WRITE) {
        fate = SIM_WRITE_LOST;
    } else if (fault == SIM_FAULT_MISDIRECTED_WRITE) {
        fate = SIM_WRITE_MISDIRECTED;
    }
    sim_disk_write(&sim->disk, inode, offset, data, fate);
    return TDBPLUS_OK;
}

static tdbplus_status op_write(void *ctx, struct env_file *file, uint64_t offset, const void *data,
                               size_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    struct span span = {.data = data, .size = size};
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_WRITE, handle->path, offset, size);
    sim->trace = hash_combine(sim->trace, hash_bytes(span, 0));
    if (sim_random_below(&sim->random, 8) == 0) {
        sim_sleep_us(sim, sim_random_below(&sim->random, READ_US_MAX));
    }
    return sim_end_call(sim, write_now(sim, handle, offset, span, fault, err));
}

static tdbplus_status op_sync(void *ctx, struct env_file *file, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_SYNC, handle->path, 0, 0);
    // What is written while the sync is under way is not covered by it.
    uint64_t mark = sim->disk.next_number;
    sim_sleep_us(sim, 1 + sim_random_below(&sim->random, SYNC_US_MAX));
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_SYNC, handle->path);
    sim_disk_sync(&sim->disk, handle->inode, mark, status != TDBPLUS_OK);
    return sim_end_call(sim, status);
}

static tdbplus_status op_allocate(void *ctx, struct env_file *file, uint64_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_ALLOCATE, handle->path, size, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_ALLOCATE, handle->path);
    if (status == TDBPLUS_OK && !sim_disk_fits(&sim->disk, handle->inode, size)) {
        status = disk_full(err, SIM_OP_ALLOCATE, handle->path);
    }
    if (status == TDBPLUS_OK) {
        sim_disk_extend(&sim->disk, handle->inode, size);
    }
    return sim_end_call(sim, status);
}

static tdbplus_status op_truncate(void *ctx, struct env_file *file, uint64_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_TRUNCATE, handle->path, size, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_TRUNCATE, handle->path);
    if (status == TDBPLUS_OK && !sim_disk_fits(&sim->disk, handle->inode, size)) {
        status = disk_full(err, SIM_OP_TRUNCATE, handle->path);
    }
    if (status == TDBPLUS_OK) {
        sim_disk_truncate(&sim->disk, handle->inode, size);
    }
    return sim_end_call(sim, status);
}

static tdbplus_status op_size(void *ctx, struct env_file *file, uint64_t *size_out, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_SIZE, handle->path, 0, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_SIZE, handle->path);
    if (status == TDBPLUS_OK) {
        *size_out = handle->inode->live.size;
    }
    return sim_end_call(sim, status);
}

/* ---- names ---- */

/* The checks that rename and link share; paths come back normalised. */
static tdbplus_status check_pair(struct sim *sim, enum sim_op op, const char *from, const char *to,
                                 char normal[2][ENV_PATH_SIZE_MAX], struct err *err)
{
    char parent[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal[0], from) || sim_disk_find(&sim->disk, normal[0]) == NULL) {
        return no_such(err, op, from);
    }
    if (!sim_path_normalise(normal[1], to)) {
        return no_such(err, op, to);
    }
    sim_path_parent(parent, normal[1]);
    return sim_disk_is_directory(&sim->disk, parent) ? TDBPLUS_OK : no_such(err, op, to);
}

static tdbplus_status rename_now(struct sim *sim, const char *from, const char *to, struct err *err)
{
    char normal[2][ENV_PATH_SIZE_MAX];
    TRY(check_pair(sim, SIM_OP_RENAME, from, to, normal, err));
    const struct sim_inode *source = sim_disk_find(&sim->disk, normal[0]);
    const struct sim_inode *target = sim_disk_find(&sim->disk, normal[1]);
    if (target == source) {
        return TDBPLUS_OK;
    }
    bool fits = target == NULL || (target->is_directory == source->is_directory &&
                                   sim_disk_is_empty(&sim->disk, normal[1]));
    if (!fits) {
        return err_set(err, TDBPLUS_E_IO, "%s: rename: %s is in the way", from, to);
    }
    sim_disk_rename(&sim->disk, normal[0], normal[1]);
    return TDBPLUS_OK;
}

static tdbplus_status op_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_RENAME, from, sim_hash_path(to), 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_RENAME, from);
    return sim_end_call(sim, status == TDBPLUS_OK ? rename_now(sim, from, to, err) : status);
}

static tdbplus_status link_now(struct sim *sim, const char *from, const char *to, struct err *err)
{
    char normal[2][ENV_PATH_SIZE_MAX];
    TRY(check_pair(sim, SIM_OP_LINK, from, to, normal, err));
    struct sim_inode *source = sim_disk_find(&sim->disk, normal[0]);
    if (source->is_directory) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "%s: link: is a directory", from);
    }
    if (sim_disk_find(&sim->disk, normal[1]) != NULL) {
        return err_set(err, TDBPLUS_E_EXISTS, "%s: link: the file exists", to);
    }
    if (!sim_disk_fits(&sim->disk, NULL, 0)) {
        return disk_full(err, SIM_OP_LINK, to);
    }
    sim_disk_link(&sim->disk, source, normal[1]);
    return TDBPLUS_OK;
}

static tdbplus_status op_link(void *ctx, const char *from, const char *to, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_LINK, from, sim_hash_path(to), 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_LINK, from);
    return sim_end_call(sim, status == TDBPLUS_OK ? link_now(sim, from, to, err) : status);
}

static tdbplus_status unlink_now(struct sim *sim, const char *path, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path)) {
        return no_such(err, SIM_OP_UNLINK, path);
    }
    if (sim_disk_is_directory(&sim->disk, normal)) {
        return err_set(err, TDBPLUS_E_IO, "%s: unlink: is a directory", path);
    }
    if (sim_disk_find(&sim->disk, normal) == NULL) {
        return no_such(err, SIM_OP_UNLINK, path);
    }
    sim_disk_unlink(&sim->disk, normal);
    return TDBPLUS_OK;
}

static tdbplus_status op_unlink(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_UNLINK, path, 0, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_UNLINK, path);
    return sim_end_call(sim, status == TDBPLUS_OK ? unlink_now(sim, path, err) : status);
}

static tdbplus_status make_directory_now(struct sim *sim, const char *path, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    char parent[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path)) {
        return no_such(err, SIM_OP_MAKE_DIRECTORY, path);
    }
    if (sim_disk_is_directory(&sim->disk, normal)) {
        return TDBPLUS_OK;
    }
    sim_path_parent(parent, normal);
    if (sim_disk_find(&sim->disk, normal) != NULL) {
        return err_set(err, TDBPLUS_E_EXISTS, "%s: make directory: a file is in the way", path);
    }
    if (!sim_disk_is_directory(&sim->disk, parent)) {
        return no_such(err, SIM_OP_MAKE_DIRECTORY, path);
    }
    if (!sim_disk_fits(&sim->disk, NULL, 0)) {
        return disk_full(err, SIM_OP_MAKE_DIRECTORY, path);
    }
    (void)sim_disk_make(&sim->disk, normal, true);
    return TDBPLUS_OK;
}

static tdbplus_status op_make_directory(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_MAKE_DIRECTORY, path, 0, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_MAKE_DIRECTORY, path);
    return sim_end_call(sim, status == TDBPLUS_OK ? make_directory_now(sim, path, err) : status);
}

static tdbplus_status remove_directory_now(struct sim *sim, const char *path, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path) || sim_disk_find(&sim->disk, normal) == NULL) {
        return no_such(err, SIM_OP_REMOVE_DIRECTORY, path);
    }
    if (!sim_disk_is_directory(&sim->disk, normal) || !sim_disk_is_empty(&sim->disk, normal)) {
        return err_set(err, TDBPLUS_E_IO, "%s: remove directory: not an empty directory", path);
    }
    sim_disk_unlink(&sim->disk, normal);
    return TDBPLUS_OK;
}

static tdbplus_status op_remove_directory(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_REMOVE_DIRECTORY, path, 0, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_REMOVE_DIRECTORY, path);
    return sim_end_call(sim, status == TDBPLUS_OK ? remove_directory_now(sim, path, err) : status);
}

struct entry {
    char name[ENV_NAME_SIZE_MAX];
    bool is_directory;
};

/* Copies the entries of a directory, in an order from the seed. */
static struct entry *copy_entries(struct sim *sim, const char *path, size_t *count_out)
{
    // Not plain memory, because a crash inside the callback abandons the caller's frame.
    struct entry *entries =
        alloc_array(&sim->scratch.alloc, sim->disk.live.count + 1, sizeof *entries);
    size_t count = 0;
    for (size_t i = 0; i < sim->disk.live.count; i++) {
        const struct sim_name *name = &sim->disk.live.items[i];
        char parent[ENV_PATH_SIZE_MAX];
        sim_path_parent(parent, name->path);
        if (strcmp(parent, path) == 0) {
            size_t skip = parent[0] == '\0' ? 0 : strlen(parent) + 1;
            (void)snprintf(entries[count].name, sizeof entries[count].name, "%s",
                           name->path + skip);
            entries[count++].is_directory = name->inode->is_directory;
        }
    }
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)sim_random_below(&sim->random, i);
        struct entry held = entries[i - 1];
        entries[i - 1] = entries[other];
        entries[other] = held;
    }
    *count_out = count;
    return entries;
}

static tdbplus_status op_list(void *ctx, const char *path, env_list_fn fn, void *fn_ctx,
                              struct err *err)
{
    struct sim *sim = ctx;
    char normal[ENV_PATH_SIZE_MAX];
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_LIST, path, 0, 0);
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_LIST, path);
    if (status == TDBPLUS_OK &&
        (!sim_path_normalise(normal, path) || !sim_disk_is_directory(&sim->disk, normal))) {
        status = no_such(err, SIM_OP_LIST, path);
    }
    if (status != TDBPLUS_OK) {
        return sim_end_call(sim, status);
    }
    size_t count = 0;
    size_t room = sim->disk.live.count + 1;
    struct entry *entries = copy_entries(sim, normal, &count);
    for (size_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        status = fn(fn_ctx, entries[i].name, entries[i].is_directory);
    }
    alloc_free(&sim->scratch.alloc, entries, room, sizeof *entries);
    return sim_end_call(sim, status);
}

static tdbplus_status op_sync_directory(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    char normal[ENV_PATH_SIZE_MAX];
    enum sim_fault fault = sim_begin_call(sim, SIM_OP_SYNC_DIRECTORY, path, 0, 0);
    uint64_t mark = sim->disk.next_number;
    sim_sleep_us(sim, 1 + sim_random_below(&sim->random, SYNC_US_MAX));
    if (!sim_path_normalise(normal, path) || !sim_disk_is_directory(&sim->disk, normal)) {
        return sim_end_call(sim, no_such(err, SIM_OP_SYNC_DIRECTORY, path));
    }
    tdbplus_status status = sim_tell_fault(err, fault, SIM_OP_SYNC_DIRECTORY, path);
    sim_disk_sync_directory(&sim->disk, normal, mark, status != TDBPLUS_OK);
    return sim_end_call(sim, status);
}

void sim_files_fill(struct env_ops *ops)
{
    ops->open = op_open;
    ops->close = op_close;
    ops->read = op_read;
    ops->read_batch = op_read_batch;
    ops->write = op_write;
    ops->sync = op_sync;
    ops->allocate = op_allocate;
    ops->truncate = op_truncate;
    ops->size = op_size;
    ops->rename = op_rename;
    ops->unlink = op_unlink;
    ops->link = op_link;
    ops->make_directory = op_make_directory;
    ops->remove_directory = op_remove_directory;
    ops->list = op_list;
    ops->sync_directory = op_sync_directory;
    ops->lock = op_lock;
}
