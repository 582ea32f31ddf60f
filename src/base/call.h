#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/err.h"

/*
 * What travels with one API call or statement through the layers, so that parameter lists stay
 * short: where memory comes from, where the reason of a failure goes, and when to give up.
 */
struct call {
    const struct alloc *alloc;  /* Charged to the statement's budget. */
    struct err *err;            /* May be NULL. */
    const _Atomic bool *cancel; /* Set by another thread to stop the call; may be NULL. */
    uint64_t deadline_us;       /* On the env's monotonic clock; 0: none. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* May be NULL. */
    void *progress_ctx;
};

/* Cheap enough for once a batch; fails with TDBPLUS_E_CANCELLED when somebody asked. The deadline
 * is checked by whoever has a clock (env_check_call()). */
static inline bool call_cancelled(const struct call *call)
{
    return call->cancel != NULL && atomic_load_explicit(call->cancel, memory_order_relaxed);
}
