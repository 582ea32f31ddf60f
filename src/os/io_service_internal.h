#pragma once

#include "os/env.h"

/*
 * Reads and syncs done by the kernel while the caller waits: many at once through io_uring, or by
 * threads where a container denies it. TDB_IO=threads in the process's surroundings denies it too.
 */

#define IO_BATCH_MAX 64u

enum io_kind {
    IO_READ,
    IO_SYNC_DATA, /* What was written, and the size. */
    IO_SYNC_ALL,  /* Everything about the file or directory. */
};

/* Shared by operations that are waited for together. Lies on the waiter's stack. */
struct io_batch {
    _Atomic uint32_t left;
    struct env_event done;
};

struct io_op {
    enum io_kind kind;
    int fd;
    uint64_t offset;
    void *data;
    size_t size;
    int64_t result; /* Bytes, or a negative errno. */
    struct io_batch *batch;
    struct io_op *next;
};

/* Does each operation once: a result may be short. Parks a fiber; else the thread waits. At most
 * IO_BATCH_MAX. */
void io_run(struct io_op *ops, size_t count);

/* Does one operation on the calling thread; returns its result. */
int64_t io_perform(const struct io_op *op);

/* Writes an operation into a ring's entry. */
struct io_uring_sqe;
void io_prepare(struct io_uring_sqe *entry, struct io_op *op);

/* What works for the fibers of one pool. */
struct io_service;

/* `use_uring` false: threads only. */
TDBPLUS_CHECKED tdbplus_status io_service_create(const struct alloc *alloc, bool use_uring,
                                                 struct io_service **service_out, struct err *err);
/* No operation may be under way. NULL is fine. */
void io_service_destroy(struct io_service *service);
bool io_service_is_uring(const struct io_service *service);

/* Starts operations whose `batch` is set with `left` counting them; sets its event after the last.
 * Never fails. */
void io_service_submit(struct io_service *service, struct io_op *ops, size_t count);

/* The service of the fiber that asks; NULL on a plain thread. */
struct io_service *fiber_io_service(void);

/* False when TDB_IO or the kernel says so. */
bool io_uring_allowed(void);
