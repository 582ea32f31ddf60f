/* Goal: the heap's first entry is always the earliest. Method: random pushes and removals against
 * an array that is searched from end to end. */

#include "os/deadline_heap.h"
#include "test.h"

#define ENTRIES 200u
#define STEPS   20000u

TEST(the_first_is_always_the_earliest)
{
    static struct deadline_entry entries[ENTRIES];
    struct deadline_heap heap = {0};
    uint64_t random = 7;
    for (uint32_t step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        struct deadline_entry *entry = &entries[(random >> 33) % ENTRIES];
        bool was_queued = entry->queued;
        // Phases of growing and of shrinking; often the earliest goes.
        bool grow = (random >> 20) % 10 < (step / 1000 % 2 == 0 ? 7 : 3);
        if (grow && !was_queued) {
            entry->deadline_us = (random >> 40) % 50; // Many are equal.
            bool earliest = heap.first == NULL || entry->deadline_us < heap.first->deadline_us;
            CHECK(deadline_heap_push(&heap, entry) == earliest);
        } else if (!grow && (random >> 21) % 2 == 0 && heap.first != NULL) {
            entry = heap.first;
            CHECK(deadline_heap_remove(&heap, entry));
            CHECK(!entry->queued);
        } else if (!grow) {
            CHECK(deadline_heap_remove(&heap, entry) == was_queued);
        }
        uint64_t earliest = UINT64_MAX;
        for (uint32_t i = 0; i < ENTRIES; i++) {
            if (entries[i].queued && entries[i].deadline_us < earliest) {
                earliest = entries[i].deadline_us;
            }
        }
        CHECK((heap.first == NULL) == (earliest == UINT64_MAX));
        CHECK(heap.first == NULL || heap.first->deadline_us == earliest);
    }
}
