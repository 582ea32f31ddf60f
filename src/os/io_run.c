/*
 * Many operations at once for whoever waits for all of them. A fiber leaves them to its pool's
 * service. A thread borrows a ring of its own for the time, so that threads never meet in one.
 */

#include <errno.h>
#include <liburing.h>
#include <pthread.h>

#include "base/assert.h"
#include "os/io_service_internal.h"
#include "os/latch.h"
#include "os/os_internal.h"

#define RINGS_MAX 16u

struct ring {
    struct io_uring ring;
    struct ring *next;
};

/* Made when first needed, kept for the life of the process: a ring costs 20 us to make. */
static struct {
    struct latch latch;
    struct ring *idle;
    uint32_t count;
    bool denied;
} rings;

/* A child process must not touch the rings of its parent; it makes its own. */
static void forget_rings(void)
{
    rings.latch = (struct latch){0};
    rings.idle = NULL;
    rings.count = 0;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forget_rings);
}

/* NULL when the kernel refuses. Only some refusals are for good. */
static struct ring *make_ring(bool *for_good_out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks);
    *for_good_out = !io_uring_allowed();
    struct ring *ring = *for_good_out ? NULL : alloc_array(&alloc_system, 1, sizeof *ring);
    if (ring == NULL) {
        return NULL;
    }
    int failure = io_uring_queue_init(IO_BATCH_MAX, &ring->ring, 0);
    if (failure == 0) {
        return ring;
    }
    *for_good_out = failure == -EPERM || failure == -EACCES || failure == -ENOSYS;
    alloc_free(&alloc_system, ring, 1, sizeof *ring);
    return NULL;
}

/* NULL when io_uring is denied, or enough rings are in use. */
static struct ring *take_ring(void)
{
    latch_lock(&rings.latch);
    struct ring *ring = rings.idle;
    bool make = ring == NULL && rings.count < RINGS_MAX && !rings.denied;
    if (ring != NULL) {
        rings.idle = ring->next;
    }
    rings.count += make;
    latch_unlock(&rings.latch);
    if (!make) {
        return ring;
    }
    bool for_good = false;
    ring = make_ring(&for_good);
    if (ring == NULL) {
        latch_lock(&rings.latch);
        rings.denied = rings.denied || for_good;
        rings.count--;
        latch_unlock(&rings.latch);
    }
    return ring;
}

static void give_ring_back(struct ring *ring)
{
    latch_lock(&rings.latch);
    ring->next = rings.idle;
    rings.idle = ring;
    latch_unlock(&rings.latch);
}

static void discard_ring(struct ring *ring)
{
    io_uring_queue_exit(&ring->ring);
    alloc_free(&alloc_system, ring, 1, sizeof *ring);
    latch_lock(&rings.latch);
    rings.count--;
    latch_unlock(&rings.latch);
}

/* Not inlined: the address of errno belongs to this thread (O4). */
__attribute__((noinline)) int64_t io_perform(const struct io_op *op)
{
    ssize_t result = 0;
    switch (op->kind) {
    case IO_READ:
        result = pread(op->fd, op->data, op->size, (off_t)op->offset);
        break;
    case IO_SYNC_DATA:
        result = fdatasync(op->fd);
        break;
    case IO_SYNC_ALL:
        result = fsync(op->fd);
        break;
    }
    return result < 0 ? -errno : result;
}

void io_prepare(struct io_uring_sqe *entry, struct io_op *op)
{
    switch (op->kind) {
    case IO_READ:
        io_uring_prep_read(entry, op->fd, op->data, (unsigned)op->size, op->offset);
        break;
    case IO_SYNC_DATA:
        io_uring_prep_fsync(entry, op->fd, IORING_FSYNC_DATASYNC);
        break;
    case IO_SYNC_ALL:
        io_uring_prep_fsync(entry, op->fd, 0);
        break;
    }
    io_uring_sqe_set_data(entry, op);
}

static void take_completion(struct io_uring *ring)
{
    struct io_uring_cqe *completion = NULL;
    int failure = 0;
    do {
        failure = io_uring_wait_cqe(ring, &completion);
    } while (failure == -EINTR || failure == -EAGAIN);
    ASSERT(failure == 0); // Something is under way and writes into our caller's memory.
    struct io_op *op = io_uring_cqe_get_data(completion);
    op->result = completion->res;
    io_uring_cqe_seen(ring, completion);
}

/* Returns how many operations were done, from the first on; the rest the kernel refused. */
static size_t run_on_ring(struct io_uring *ring, struct io_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(ring);
        ASSERT(entry != NULL); // The ring is empty and has room for IO_BATCH_MAX.
        io_prepare(entry, &ops[i]);
    }
    size_t taken = 0;
    while (taken < count) {
        // Waiting for all in the same call saves a switch for each.
        int result = io_uring_submit_and_wait(ring, (unsigned)(count - taken));
        if (result > 0) {
            taken += (size_t)result;
        } else if (result != -EINTR) {
            break;
        }
    }
    for (size_t i = 0; i < taken; i++) {
        take_completion(ring);
    }
    return taken;
}

static void run_on_thread(struct io_op *ops, size_t count)
{
    size_t done = 0;
    struct ring *ring = count > 1 ? take_ring() : NULL; // One alone gains nothing.
    if (ring != NULL) {
        done = run_on_ring(&ring->ring, ops, count);
        if (done == count) {
            give_ring_back(ring);
        } else {
            discard_ring(ring);
        }
    }
    for (; done < count; done++) {
        ops[done].result = io_perform(&ops[done]);
    }
}

void io_run(struct io_op *ops, size_t count)
{
    ASSERT(count <= IO_BATCH_MAX);
    struct io_service *service = fiber_io_service();
    if (count == 0) {
        return;
    }
    if (service == NULL) {
        run_on_thread(ops, count);
        return;
    }
    struct io_batch batch = {.left = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        ops[i].batch = &batch;
    }
    io_service_submit(service, ops, count);
    bool done = event_wait(&batch.done, ENV_DEADLINE_NONE);
    ASSERT(done);
}
