#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A place to run: a stack and the registers that a call must preserve. Switching costs a few
 * nanoseconds. Used by fiber.c and by the simulator; nothing else should need it.
 *
 * Threads: a context runs on one thread at a time, and may move to another while it is stopped.
 * An adopted context is the thread's own stack and stays there.
 */
struct context {
    void *stack_pointer; /* While stopped. */
    const void *stack;   /* Lowest byte; unknown for a thread's own stack until first left. */
    size_t stack_size;
    void (*entry)(void *arg);
    void *arg;
    struct context *came_from;
    void *machine;    /* The registers, where the processor has no assembly of ours. */
    void *fake_stack; /* AddressSanitizer's. */
    void *tsan_fiber; /* ThreadSanitizer's. */
};

/* Makes a context that will run entry(arg) on that stack when first switched to. `entry` must end
 * with context_leave(). */
void context_make(struct context *context, void *stack, size_t stack_size, void (*entry)(void *arg),
                  void *arg);

/* Lets `context` stand for the calling thread's own stack, until context_release(). */
void context_adopt(struct context *context);
void context_release(struct context *context);

/* Stops the caller, which is `from`, and runs `to`. Returns when somebody switches back, perhaps on
 * another thread. */
void context_switch(struct context *from, struct context *to);

/* The same, when `from` will never run again. */
void context_leave(struct context *from, struct context *to);

/* Forgets a context that was made; it must not be running. What its stack holds is abandoned. */
void context_destroy(struct context *context);

/* Maps a stack of at least `size` bytes, zeroed, with a page below that faults when touched; NULL
 * when memory is out. */
void *stack_map(size_t size);
void stack_unmap(void *stack, size_t size);

/* How many bytes at the top of the stack were ever used, by the lowest byte that is not zero. */
size_t stack_used(const void *stack, size_t size);
