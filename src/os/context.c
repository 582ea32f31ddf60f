#include "os/context.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#define CONTEXT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CONTEXT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CONTEXT_TSAN 1
#endif
#endif

#ifdef CONTEXT_ASAN
#include <sanitizer/asan_interface.h>
#endif
#ifdef CONTEXT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define PAGE_SIZE  4096u
#define STACK_ZONE 16u /* Zeros above the first frame, where unwinders stop. */

/* ---- the machine ---- */

#if defined(__x86_64__) && !defined(CONTEXT_PORTABLE)

/*
 * System V calls preserve rbx, rbp, r12-r15 and the control words of SSE and x87; all else is the
 * caller's to save. The saved frame, from the stack pointer up: control words, r15, r14, r13, r12,
 * rbx, rbp, return address.
 */
void context_swap(void **save, void *load) __attribute__((visibility("hidden")));
void context_start(void) __attribute__((visibility("hidden")));

__asm__(".text\n"
        ".p2align 4\n"
        ".globl context_swap\n"
        ".hidden context_swap\n"
        ".type context_swap, @function\n"
        "context_swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    subq $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size context_swap, .-context_swap\n"
        ".p2align 4\n"
        ".globl context_start\n"
        ".hidden context_start\n"
        ".type context_start, @function\n"
        "context_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    xorl %ebp, %ebp\n"
        "    movq %r12, %rdi\n"
        "    call *%r13\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size context_start, .-context_start\n");

enum frame_word {
    FRAME_CONTROL,
    FRAME_R15,
    FRAME_R14,
    FRAME_R13,
    FRAME_R12,
    FRAME_RBX,
    FRAME_RBP,
    FRAME_RETURN,
    FRAME_WORDS,
};

static void machine_make(struct context *context, void (*first)(struct context *context))
{
    uintptr_t top = (uintptr_t)context->stack + context->stack_size - STACK_ZONE;
    top &= ~(uintptr_t)15; // So that context_start calls with an aligned stack.
    uint64_t *frame = (uint64_t *)top - FRAME_WORDS;
    memset(frame, 0, FRAME_WORDS * sizeof *frame);
    uint32_t sse_control = 0;
    uint16_t x87_control = 0;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(sse_control), "=m"(x87_control));
    frame[FRAME_CONTROL] = sse_control | (uint64_t)x87_control << 32;
    frame[FRAME_R12] = (uintptr_t)context;
    frame[FRAME_R13] = (uintptr_t)first;
    frame[FRAME_RETURN] = (uintptr_t)context_start;
    context->stack_pointer = frame;
}

static void machine_switch(struct context *from, struct context *to)
{
    context_swap(&from->stack_pointer, to->stack_pointer);
}

static void machine_destroy(struct context *context)
{
    (void)context;
}

#else /* Any other processor: the C library's way, which makes a system call for each switch. */

#include <ucontext.h>

#include "base/alloc.h"

static void portable_start(unsigned high, unsigned low)
{
    // makecontext() passes ints only.
    struct context *context = (struct context *)(((uintptr_t)high << 32) | low);
    void (*first)(struct context * self) = (void (*)(struct context *))context->stack_pointer;
    first(context);
}

static ucontext_t *machine_registers(struct context *context)
{
    if (context->machine == NULL) {
        context->machine = alloc_array(&alloc_system, 1, sizeof(ucontext_t));
        ASSERT(context->machine != NULL);
    }
    return context->machine;
}

static void machine_make(struct context *context, void (*first)(struct context *context))
{
    ucontext_t *registers = machine_registers(context);
    (void)getcontext(registers);
    registers->uc_stack.ss_sp = (void *)(uintptr_t)context->stack;
    registers->uc_stack.ss_size = context->stack_size - STACK_ZONE;
    context->stack_pointer = (void *)first;
    makecontext(registers, (void (*)(void))portable_start, 2, (unsigned)((uintptr_t)context >> 32),
                (unsigned)(uintptr_t)context);
}

static void machine_switch(struct context *from, struct context *to)
{
    (void)swapcontext(machine_registers(from), machine_registers(to));
}

static void machine_destroy(struct context *context)
{
    alloc_free(&alloc_system, context->machine, 1, sizeof(ucontext_t));
    context->machine = NULL;
}

#endif

/* ---- what the sanitizers must be told ---- */

/* To be called first thing after arriving in `self`. */
static void arrive(struct context *self, void *fake_stack)
{
#ifdef CONTEXT_ASAN
    const void *stack = NULL;
    size_t stack_size = 0;
    __sanitizer_finish_switch_fiber(fake_stack, &stack, &stack_size);
    if (self->came_from->stack == NULL) {
        self->came_from->stack = stack; // Only now does a thread learn its own bounds.
        self->came_from->stack_size = stack_size;
    }
#else
    (void)self;
    (void)fake_stack;
#endif
}

static void depart(struct context *from, struct context *to, void **fake_stack)
{
    (void)from;
    (void)fake_stack;
    to->came_from = from;
#ifdef CONTEXT_ASAN
    __sanitizer_start_switch_fiber(fake_stack, to->stack, to->stack_size);
#endif
#ifdef CONTEXT_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
}

static void run_first(struct context *self)
{
    arrive(self, NULL);
    self->entry(self->arg);
    assert_failed("a context ends by leaving", __FILE__, __LINE__);
}

void context_make(struct context *context, void *stack, size_t stack_size, void (*entry)(void *arg),
                  void *arg)
{
    *context =
        (struct context){.stack = stack, .stack_size = stack_size, .entry = entry, .arg = arg};
#ifdef CONTEXT_ASAN
    __asan_unpoison_memory_region(stack, stack_size); // Marks of abandoned frames.
#endif
#ifdef CONTEXT_TSAN
    context->tsan_fiber = __tsan_create_fiber(0);
#endif
    machine_make(context, run_first);
}

void context_adopt(struct context *context)
{
    *context = (struct context){0};
#ifdef CONTEXT_TSAN
    context->tsan_fiber = __tsan_get_current_fiber();
#endif
}

void context_release(struct context *context)
{
    machine_destroy(context);
    *context = (struct context){0};
}

/* Not inlined: what the compiler knows about the thread before a switch is wrong after it. */
__attribute__((noinline)) void context_switch(struct context *from, struct context *to)
{
    depart(from, to, &from->fake_stack);
    machine_switch(from, to);
    arrive(from, from->fake_stack);
}

__attribute__((noinline)) void context_leave(struct context *from, struct context *to)
{
    depart(from, to, NULL);
    machine_switch(from, to);
    assert_failed("a context never comes back after leaving", __FILE__, __LINE__);
}

void context_destroy(struct context *context)
{
#ifdef CONTEXT_TSAN
    if (context->tsan_fiber != NULL) {
        __tsan_destroy_fiber(context->tsan_fiber);
    }
#endif
    machine_destroy(context);
    *context = (struct context){0};
}

/* ---- stacks ---- */

static size_t mapped_size(size_t size)
{
    return (size + 2 * (size_t)PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE; // One page is the guard.
}

void *stack_map(size_t size)
{
    size_t total = mapped_size(size);
    uint8_t *base = mmap(NULL, total, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(base, PAGE_SIZE, PROT_NONE) != 0) {
        (void)munmap(base, total);
        return NULL;
    }
    return base + PAGE_SIZE;
}

void stack_unmap(void *stack, size_t size)
{
#ifdef CONTEXT_ASAN
    __asan_unpoison_memory_region(stack, size); // The addresses will be somebody else's.
#endif
    int failure = munmap((uint8_t *)stack - PAGE_SIZE, mapped_size(size));
    ASSERT(failure == 0);
}

/* Reads what others marked as off limits, hence without the sanitizers. */
__attribute__((no_sanitize("address", "thread"))) size_t stack_used(const void *stack, size_t size)
{
    const volatile uint8_t *bytes = stack;
    size_t unused = 0;
    while (unused < size && bytes[unused] == 0) {
        unused++;
    }
    return size - unused;
}
