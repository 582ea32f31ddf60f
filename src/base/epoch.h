#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Epoch-based reclamation for lock-free readers, without registering threads.
 *
 * A reader brackets its work with epoch_enter() and epoch_exit(); what it finds through an atomic
 * pointer in between stays allocated. A writer unlinks an object, then gives it to epoch_retire();
 * it is freed once no reader that could have seen it is inside (B4).
 *
 * Readers are counted in striped counters, one set for each of the last epochs, so that entering
 * costs one uncontended atomic addition and no thread ever needs to introduce itself.
 *
 * Threads: everything may be called at once, except init and deinit. A reader must not wait for
 * anything long while inside: it holds up all freeing.
 */
#define EPOCH_STRIPES 32u
#define EPOCH_WINDOW  3u

struct epoch_stripe {
    _Alignas(64) _Atomic uint64_t inside[EPOCH_WINDOW];
};

/* Embedded in whatever is retired; `free` gets the garbage item back and frees its object. */
struct epoch_garbage {
    struct epoch_garbage *next;
    uint64_t epoch;
    void (*free)(struct epoch_garbage *garbage);
};

struct epoch {
    _Alignas(64) _Atomic uint64_t now;
    struct epoch_stripe stripes[EPOCH_STRIPES];
    _Alignas(64) _Atomic(struct epoch_garbage *) garbage; /* Newest first. */
    _Atomic bool collecting;
};

/* Proof of being inside; pass it to epoch_exit(). */
struct epoch_ticket {
    uint32_t stripe;
    uint32_t slot;
};

void epoch_init(struct epoch *epoch);

/* No reader may be inside. Frees all garbage. */
void epoch_deinit(struct epoch *epoch);

struct epoch_ticket epoch_enter(struct epoch *epoch);
void epoch_exit(struct epoch *epoch, struct epoch_ticket ticket);

/* Takes ownership of an object that new readers cannot reach any more. Never fails or waits. */
void epoch_retire(struct epoch *epoch, struct epoch_garbage *garbage,
                  void (*free)(struct epoch_garbage *garbage));

/* Frees what can be freed now; cheap when there is nothing. Call it now and then from places
 * that are not inside. Returns true when no garbage is left. */
bool epoch_collect(struct epoch *epoch);

/* True once every reader that was inside at the moment of `mark` has left. Take a mark, then poll.
 */
uint64_t epoch_mark(struct epoch *epoch);
bool epoch_passed(struct epoch *epoch, uint64_t mark);
