/*
 * Reading: what lies in the page cache is taken at once, the rest waits together. Only whole
 * requests leave here, so a short or interrupted transfer goes round again with what is missing.
 */

#include <errno.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "os/file_internal.h"
#include "os/io_service_internal.h"
#include "os/os_internal.h"

/* A request on its way. */
struct progress {
    struct env_read_request *request;
    size_t done;
};

/* Direct transfers need everything aligned; others go through the page cache. */
int file_descriptor(const struct env_file *file, uint64_t offset, const void *data, size_t size)
{
    bool aligned = ((offset | size | (uintptr_t)data) & (FILE_DIRECT_ALIGN - 1)) == 0;
    return file->fd_direct >= 0 && aligned ? file->fd_direct : file->fd;
}

static tdbplus_status past_the_end(const struct env_file *file, const struct progress *progress,
                                   struct err *err)
{
    const struct env_read_request *request = progress->request;
    return err_set(err, TDBPLUS_E_CORRUPT, "%s: read of %zu bytes at %llu: the file ends at %llu",
                   file->path, request->size, (unsigned long long)request->offset,
                   (unsigned long long)(request->offset + progress->done));
}

/* What a transfer's result means; true while the request still lacks bytes. */
static bool account(const struct env_file *file, struct progress *progress, int64_t result,
                    struct err *err)
{
    struct env_read_request *request = progress->request;
    if (result > 0) {
        progress->done += (size_t)result;
        return progress->done < request->size;
    }
    if (result == -EINTR || result == -EAGAIN) {
        return true;
    }
    request->status = result == 0 ? past_the_end(file, progress, err)
                                  : os_error(err, (int)-result, "read", file->path);
    return false;
}

/* Takes what needs no waiting; true when bytes are missing. Not inlined: the address of errno
 * belongs to this thread, and the caller waits between two calls (O4). */
__attribute__((noinline)) static bool read_cached(const struct env_file *file,
                                                  struct progress *progress, struct err *err)
{
    struct env_read_request *request = progress->request;
    if (request->size == 0) {
        return false;
    }
    int fd = file_descriptor(file, request->offset, request->data, request->size);
    if (fd == file->fd_direct) {
        return true; // Nothing of it is cached.
    }
    struct iovec part = {.iov_base = request->data,
                         .iov_len =
                             request->size < FILE_TRANSFER_MAX ? request->size : FILE_TRANSFER_MAX};
    ssize_t got = preadv2(fd, &part, 1, (off_t)request->offset, RWF_NOWAIT);
    int64_t result = got < 0 ? -errno : got;
    // A file system that cannot promise not to wait is asked the other way.
    return account(file, progress, result == -EOPNOTSUPP ? -EAGAIN : result, err);
}

/* Builds the operation that is missing from a request. */
static struct io_op next_op(const struct env_file *file, const struct progress *progress)
{
    const struct env_read_request *request = progress->request;
    struct io_op op = {.kind = IO_READ,
                       .offset = request->offset + progress->done,
                       .data = (uint8_t *)request->data + progress->done,
                       .size = request->size - progress->done};
    op.size = op.size < FILE_TRANSFER_MAX ? op.size : FILE_TRANSFER_MAX;
    // The rest of a short direct transfer may not be aligned.
    op.fd = file_descriptor(file, op.offset, op.data, op.size);
    return op;
}

/* Reads at most IO_BATCH_MAX requests, whose statuses it sets. */
static void read_window(const struct env_file *file, struct env_read_request *requests,
                        size_t count, struct err *err)
{
    struct progress waiting[IO_BATCH_MAX];
    struct io_op ops[IO_BATCH_MAX];
    size_t waiting_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct progress progress = {.request = &requests[i]};
        requests[i].status = TDBPLUS_OK;
        if (read_cached(file, &progress, err)) {
            waiting[waiting_count++] = progress;
        }
    }
    while (waiting_count > 0) {
        for (size_t i = 0; i < waiting_count; i++) {
            ops[i] = next_op(file, &waiting[i]);
        }
        io_run(ops, waiting_count);
        size_t kept = 0;
        for (size_t i = 0; i < waiting_count; i++) {
            struct progress progress = waiting[i];
            if (account(file, &progress, ops[i].result, err)) {
                waiting[kept++] = progress;
            }
        }
        waiting_count = kept;
    }
}

tdbplus_status file_read_batch(const struct env_file *file, struct env_read_request *requests,
                               size_t count, struct err *err)
{
    tdbplus_status first = TDBPLUS_OK;
    for (size_t start = 0; start < count; start += IO_BATCH_MAX) {
        size_t window = count - start < IO_BATCH_MAX ? count - start : IO_BATCH_MAX;
        read_window(file, requests + start, window, err);
    }
    for (size_t i = 0; i < count; i++) {
        first = first == TDBPLUS_OK ? requests[i].status : first;
    }
    return first;
}

tdbplus_status file_read(const struct env_file *file, uint64_t offset, void *data, size_t size,
                         struct err *err)
{
    struct env_read_request request = {.offset = offset, .data = data, .size = size};
    if (fiber_io_service() != NULL) {
        return file_read_batch(file, &request, 1, err);
    }
    struct progress progress = {.request = &request};
    bool more = true;
    while (more) {
        struct io_op op = next_op(file, &progress);
        ssize_t got = pread(op.fd, op.data, op.size, (off_t)op.offset);
        more = account(file, &progress, got < 0 ? -errno : got, err);
    }
    return request.status;
}

tdbplus_status file_sync(const struct env_file *file, struct err *err)
{
    // fdatasync() includes the size, and leaves out times that nobody reads. An interruption is
    // not a failed write; any other error is final (S1).
    struct io_op op = {.kind = IO_SYNC_DATA, .fd = file->fd};
    do {
        io_run(&op, 1);
    } while (op.result == -EINTR);
    return op.result < 0 ? os_error(err, (int)-op.result, "sync", file->path) : TDBPLUS_OK;
}
