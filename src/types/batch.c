#include "base/assert.h"
#include "types/column.h"

void batch_init(struct batch *batch, const struct alloc *alloc)
{
    *batch = (struct batch){0};
    arena_init(&batch->arena, alloc, 0);
}

static void release_pins(struct batch *batch)
{
    // The pins lie in the arena, so the next one is read before its owner may free anything.
    while (batch->pins != NULL) {
        struct batch_pin *pin = batch->pins;
        batch->pins = pin->next;
        pin->release(pin->held);
    }
}

void batch_reset(struct batch *batch)
{
    release_pins(batch);
    arena_reset(&batch->arena);
    batch->columns = NULL;
    batch->column_count = 0;
    batch->row_count = 0;
    batch->selection = NULL;
    batch->selected_count = 0;
}

void batch_deinit(struct batch *batch)
{
    release_pins(batch);
    arena_deinit(&batch->arena);
    *batch = (struct batch){0};
}

bool batch_pin(struct batch *batch, void *held, void (*release)(void *held))
{
    ASSERT(release != NULL);
    struct batch_pin *pin = arena_alloc(&batch->arena, sizeof *pin);
    if (pin == NULL) {
        return false;
    }
    *pin = (struct batch_pin){.next = batch->pins, .release = release, .held = held};
    batch->pins = pin;
    return true;
}
