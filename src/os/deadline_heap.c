#include "os/deadline_heap.h"

#include <stddef.h>

#include "base/assert.h"

/* Makes the later of two roots the first child of the other. Either may be NULL. */
static struct deadline_entry *meld(struct deadline_entry *left, struct deadline_entry *right)
{
    if (left == NULL || right == NULL) {
        return left == NULL ? right : left;
    }
    if (right->deadline_us < left->deadline_us) {
        struct deadline_entry *other = left;
        left = right;
        right = other;
    }
    right->sibling = left->child;
    if (right->sibling != NULL) {
        right->sibling->before = right;
    }
    right->before = left;
    left->child = right;
    return left;
}

/* Melds a list of siblings in pairs from the left, then the pairs from the right: this order is
 * what makes removal logarithmic on average. */
static struct deadline_entry *meld_siblings(struct deadline_entry *first)
{
    struct deadline_entry *pairs = NULL; // The last pair first.
    while (first != NULL) {
        struct deadline_entry *left = first;
        struct deadline_entry *right = left->sibling;
        first = right == NULL ? NULL : right->sibling;
        left->sibling = NULL;
        left->before = NULL;
        if (right != NULL) {
            right->sibling = NULL;
            right->before = NULL;
        }
        struct deadline_entry *pair = meld(left, right);
        pair->sibling = pairs;
        pairs = pair;
    }
    struct deadline_entry *root = NULL;
    while (pairs != NULL) {
        struct deadline_entry *next = pairs->sibling;
        pairs->sibling = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

bool deadline_heap_push(struct deadline_heap *heap, struct deadline_entry *entry)
{
    ASSERT(!entry->queued);
    entry->child = NULL;
    entry->sibling = NULL;
    entry->before = NULL;
    entry->queued = true;
    heap->first = meld(heap->first, entry);
    return heap->first == entry;
}

bool deadline_heap_remove(struct deadline_heap *heap, struct deadline_entry *entry)
{
    if (!entry->queued) {
        return false;
    }
    struct deadline_entry *below = meld_siblings(entry->child);
    if (heap->first == entry) {
        heap->first = below;
    } else {
        if (entry->before->child == entry) {
            entry->before->child = entry->sibling;
        } else {
            entry->before->sibling = entry->sibling;
        }
        if (entry->sibling != NULL) {
            entry->sibling->before = entry->before;
        }
        heap->first = meld(heap->first, below);
    }
    entry->queued = false;
    return true;
}
