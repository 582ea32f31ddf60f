/* I/O for fibers: they park, a ring or a few threads work. */

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "os/io_service_internal.h"
#include "os/os_internal.h"

#define RING_ENTRIES        256u
#define RING_COMPLETIONS    4096u
#define WORKER_COUNT        4u
#define SERVICE_THREADS_MAX WORKER_COUNT

struct io_service {
    const struct alloc *alloc;
    bool uses_ring;
    struct io_uring ring;
    _Atomic uint64_t handed_over; /* Orders memory; see submit_to_ring(). */
    pthread_mutex_t lock;         /* Over the ring's submissions, or over all below. */
    pthread_cond_t work;
    struct io_op *first;
    struct io_op *last;
    bool stopping;
    struct env_task *threads[SERVICE_THREADS_MAX];
};

bool io_uring_allowed(void)
{
    const char *choice = getenv("TDB_IO");
    return choice == NULL || strcmp(choice, "threads") != 0;
}

/* The last thing done with an operation: its waiter may be gone afterwards. */
static void complete(struct io_op *op, int64_t result)
{
    struct io_batch *batch = op->batch;
    op->result = result;
    if (atomic_fetch_sub_explicit(&batch->left, 1, memory_order_acq_rel) == 1) {
        event_set(&batch->done);
    }
}

/* ---- threads ---- */

static void worker_main(void *arg)
{
    struct io_service *service = arg;
    for (;;) {
        (void)pthread_mutex_lock(&service->lock);
        while (service->first == NULL && !service->stopping) {
            (void)pthread_cond_wait(&service->work, &service->lock);
        }
        struct io_op *op = service->first;
        if (op != NULL) {
            service->first = op->next;
        }
        (void)pthread_mutex_unlock(&service->lock);
        if (op == NULL) {
            return;
        }
        complete(op, io_perform(op));
    }
}

static void submit_to_workers(struct io_service *service, struct io_op *ops, size_t count)
{
    (void)pthread_mutex_lock(&service->lock);
    for (size_t i = 0; i < count; i++) {
        ops[i].next = NULL;
        if (service->first == NULL) {
            service->first = &ops[i];
        } else {
            service->last->next = &ops[i];
        }
        service->last = &ops[i];
        (void)pthread_cond_signal(&service->work);
    }
    (void)pthread_mutex_unlock(&service->lock);
}

/* ---- the ring ---- */

/* Hands the prepared entries to the kernel. It refuses only while it is out of memory or its
 * completions overflow, and both pass as the other thread takes completions. */
static void flush_entries(struct io_uring *ring)
{
    while (io_uring_sq_ready(ring) > 0) {
        int taken = io_uring_submit(ring);
        ASSERT(taken >= 0 || taken == -EINTR || taken == -EAGAIN || taken == -EBUSY);
        if (taken < 0) {
            (void)sched_yield();
        }
    }
}

static struct io_uring_sqe *take_entry(struct io_uring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    if (entry == NULL) {
        flush_entries(ring);
        entry = io_uring_get_sqe(ring);
        ASSERT(entry != NULL);
    }
    return entry;
}

static void submit_to_ring(struct io_service *service, struct io_op *ops, size_t count)
{
    (void)pthread_mutex_lock(&service->lock);
    for (size_t i = 0; i < count; i++) {
        io_prepare(take_entry(&service->ring), &ops[i]);
    }
    // The pointers come back through the kernel, of whose barriers the language knows nothing: the
    // other thread acquires what is released here.
    atomic_fetch_add_explicit(&service->handed_over, 1, memory_order_release);
    flush_entries(&service->ring);
    (void)pthread_mutex_unlock(&service->lock);
}

static void reaper_main(void *arg)
{
    struct io_service *service = arg;
    for (;;) {
        struct io_uring_cqe *completion = NULL;
        int failure = io_uring_wait_cqe(&service->ring, &completion);
        if (failure != 0) {
            ASSERT(failure == -EINTR || failure == -EAGAIN);
            continue;
        }
        struct io_op *op = io_uring_cqe_get_data(completion);
        int64_t result = completion->res;
        io_uring_cqe_seen(&service->ring, completion);
        (void)atomic_load_explicit(&service->handed_over, memory_order_acquire);
        if (op == NULL) {
            return; // The mark that io_service_destroy() sends.
        }
        complete(op, result);
    }
}

static bool make_ring(struct io_service *service)
{
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE, .cq_entries = RING_COMPLETIONS};
    return io_uring_queue_init_params(RING_ENTRIES, &service->ring, &params) == 0;
}

/* ---- both ---- */

void io_service_submit(struct io_service *service, struct io_op *ops, size_t count)
{
    if (service->uses_ring) {
        submit_to_ring(service, ops, count);
    } else {
        submit_to_workers(service, ops, count);
    }
}

bool io_service_is_uring(const struct io_service *service)
{
    return service->uses_ring;
}

tdbplus_status io_service_create(const struct alloc *alloc, bool use_uring,
                                 struct io_service **service_out, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct io_service *service = alloc_array(alloc, 1, sizeof *service);
    if (service == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "I/O service: the memory budget is used up");
    }
    service->alloc = alloc;
    (void)pthread_mutex_init(&service->lock, NULL);
    (void)pthread_cond_init(&service->work, NULL);
    service->uses_ring = use_uring && make_ring(service);
    uint32_t thread_count = service->uses_ring ? 1 : WORKER_COUNT;
    for (uint32_t i = 0; i < thread_count; i++) {
        TRY_OR(done, thread_task_start("tdb-io", service->uses_ring ? reaper_main : worker_main,
                                       service, &service->threads[i], err));
    }
    *service_out = service;
    service = NULL;

done:
    io_service_destroy(service);
    return status;
}

void io_service_destroy(struct io_service *service)
{
    if (service == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&service->lock);
    service->stopping = true;
    (void)pthread_cond_broadcast(&service->work);
    if (service->uses_ring && service->threads[0] != NULL) {
        struct io_uring_sqe *entry = take_entry(&service->ring);
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data(entry, NULL);
        flush_entries(&service->ring);
    }
    (void)pthread_mutex_unlock(&service->lock);
    for (uint32_t i = 0; i < SERVICE_THREADS_MAX; i++) {
        if (service->threads[i] != NULL) {
            thread_task_join(service->threads[i]);
        }
    }
    if (service->uses_ring) {
        io_uring_queue_exit(&service->ring);
    }
    (void)pthread_cond_destroy(&service->work);
    (void)pthread_mutex_destroy(&service->lock);
    alloc_free(service->alloc, service, 1, sizeof *service);
}
