#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/alloc.h"

/*
 * A budget is an allocator with a limit. Budgets nest: a statement's charges its database's. An
 * allocation that would pass the limit of any of them fails with NULL and charges nobody.
 *
 * Threads: all functions may be called at once; budget_init() and budget_deinit() may not.
 */
struct budget {
    struct alloc alloc;         /* Pass &budget->alloc wherever an allocator is wanted. */
    const struct alloc *source; /* Where memory comes from. */
    struct budget *parent;      /* Charged too; NULL at the root. */
    size_t limit_bytes;         /* SIZE_MAX: none. */
    _Atomic size_t used_bytes;
    _Atomic size_t peak_bytes;
};

/* `source` is used when `parent` is NULL; otherwise memory comes from the root's source. The budget
 * must not move afterwards. */
void budget_init(struct budget *budget, const struct alloc *source, struct budget *parent,
                 size_t limit_bytes);

/* Everything charged must have been given back (asserted). Zeroed is accepted. */
void budget_deinit(struct budget *budget);

/* Charges memory held elsewhere (a library, an estimate); false when it does not fit. */
bool budget_charge(struct budget *budget, size_t size);
void budget_discharge(struct budget *budget, size_t size);
