#pragma once

#include <stdbool.h>

#include "base/alloc.h"

/*
 * Growable array of items of one size. A zeroed list with `alloc` and `item_size` set is ready.
 * Pointers into it are valid until the next push. Threads: one at a time.
 */
struct list {
    void *items;
    size_t count;
    size_t capacity;
    size_t item_size;
    const struct alloc *alloc;
};

void list_init(struct list *list, const struct alloc *alloc, size_t item_size);
void list_deinit(struct list *list);

/* Appends a copy of *item (zeroes when `item` is NULL) and returns it; NULL when memory is out. */
void *list_push(struct list *list, const void *item);

/* Makes room for `count` more, so that pushing them needs no memory. */
bool list_reserve(struct list *list, size_t count);

/* The item at `index`, which must be below `count`. */
void *list_at(const struct list *list, size_t index);

/* Removes the item at `index` and keeps the order of the rest. */
void list_remove(struct list *list, size_t index);
