#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Which of many deadlines comes first: an intrusive pairing heap (Fredman, Sedgewick, Sleator and
 * Tarjan 1986). Push is constant, removal logarithmic on average, and nothing is allocated.
 * A zeroed heap is empty, a zeroed entry is in none. Threads: one at a time.
 */
struct deadline_entry {
    uint64_t deadline_us;
    struct deadline_entry *child;   /* The first of those that are not earlier. */
    struct deadline_entry *sibling; /* The next child of the same parent. */
    struct deadline_entry *before;  /* The sibling before, or the parent for a first child. */
    bool queued;
};

struct deadline_heap {
    struct deadline_entry *first; /* The earliest; NULL when empty. */
};

/* Adds an entry with `deadline_us` set; true when it is now the earliest. */
bool deadline_heap_push(struct deadline_heap *heap, struct deadline_entry *entry);

/* Takes an entry out; false when it is not in the heap. */
bool deadline_heap_remove(struct deadline_heap *heap, struct deadline_entry *entry);
