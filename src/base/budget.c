#include "base/budget.h"

#include "base/assert.h"

/* Compare-and-swap and not add-then-undo: an addition that is taken back would for a moment make
 * others fail that fit, and a huge size would wrap the counter to below the limit. */
static bool charge_one(struct budget *budget, size_t size)
{
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    do {
        if (used > budget->limit_bytes || size > budget->limit_bytes - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget->used_bytes, &used, used + size,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void note_peak(struct budget *budget)
{
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    size_t peak = atomic_load_explicit(&budget->peak_bytes, memory_order_relaxed);
    while (used > peak &&
           !atomic_compare_exchange_weak_explicit(&budget->peak_bytes, &peak, used,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

bool budget_charge(struct budget *budget, size_t size)
{
    for (struct budget *at = budget; at != NULL; at = at->parent) {
        if (!charge_one(at, size)) {
            for (struct budget *undo = budget; undo != at; undo = undo->parent) {
                atomic_fetch_sub_explicit(&undo->used_bytes, size, memory_order_relaxed);
            }
            return false;
        }
    }
    // Only now: what a parent refused is no peak.
    for (struct budget *at = budget; at != NULL; at = at->parent) {
        note_peak(at);
    }
    return true;
}

void budget_discharge(struct budget *budget, size_t size)
{
    for (struct budget *at = budget; at != NULL; at = at->parent) {
        size_t before = atomic_fetch_sub_explicit(&at->used_bytes, size, memory_order_relaxed);
        ASSERT(before >= size);
    }
}

static void *budget_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    struct budget *budget = ctx;
    if (size_new > size_old && !budget_charge(budget, size_new - size_old)) {
        return NULL;
    }
    void *fresh = budget->source->resize(budget->source->ctx, ptr, size_old, size_new, align);
    if (fresh == NULL && size_new > 0) {
        if (size_new > size_old) {
            budget_discharge(budget, size_new - size_old);
        }
        return NULL;
    }
    if (size_new < size_old) {
        budget_discharge(budget, size_old - size_new);
    }
    return fresh;
}

void budget_init(struct budget *budget, const struct alloc *source, struct budget *parent,
                 size_t limit_bytes)
{
    ASSERT(source != NULL || parent != NULL);
    *budget = (struct budget){
        .alloc = {.resize = budget_resize, .ctx = budget},
        .source = parent != NULL ? parent->source : source,
        .parent = parent,
        .limit_bytes = limit_bytes,
    };
}

void budget_deinit(struct budget *budget)
{
    ASSERT(atomic_load(&budget->used_bytes) == 0);
    *budget = (struct budget){0};
}
