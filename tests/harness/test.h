#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

/* TEST(name) { ... } registers itself; each *_test.c becomes one ctest entry. */
typedef void (*test_fn)(void);
void test_register(const char *name, test_fn fn);
void test_fail(const char *file, int line, const char *what);

#define TEST(name)                                                 \
    static void test_##name(void);                                 \
    __attribute__((constructor)) static void register_##name(void) \
    {                                                              \
        test_register(#name, test_##name);                         \
    }                                                              \
    static void test_##name(void)

#define CHECK(expr) ((expr) ? (void)0 : test_fail(__FILE__, __LINE__, #expr))

/* An allocator that refuses the allocation numbered `fail_at` (from 0) and counts what is still
 * live. Pass &fault.alloc. */
struct fault_alloc {
    struct alloc alloc;
    uint32_t fail_at; /* UINT32_MAX: never. */
    _Atomic uint32_t calls;
    _Atomic size_t live_bytes;
};

void fault_alloc_init(struct fault_alloc *fault, uint32_t fail_at);
