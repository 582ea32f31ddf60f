#pragma once

/* What a bulk load is measured by: an engine loads the rows and reads them all back. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_VALUE_SIZE 100u
#define LOAD_TEXT_SIZE  16u

struct load_setup {
    const char *directory; /* Exists, and is empty. */
    uint64_t rows;
    bool text_keys;
    bool shuffled;
};

struct load_engine {
    const char *name;
    void *(*open)(const struct load_setup *setup);
    void (*load)(void *db);
    uint64_t (*read)(void *db, uint64_t *hash); /* Returns how many rows there are. */
    void (*close)(void *db);
};

extern const struct load_engine load_rocksdb;
extern const struct load_engine load_lmdb;
extern const struct load_engine load_sqlite;

_Noreturn void load_fail(const char *engine, const char *what, const char *why);

/* Key and value of row `number`, counted in the order of keys. */
static inline uint64_t load_key(uint64_t number)
{
    return number * 3 + 1;
}

const uint8_t *load_value(uint64_t number);
void load_text(uint64_t key, char text[LOAD_TEXT_SIZE]);
uint64_t load_hash(const void *key, size_t key_size, const void *value, size_t value_size);
