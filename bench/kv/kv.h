#pragma once

/*
 * What the key-value suite asks of a database. Each engine fills in one `struct kv_engine`;
 * whatever goes wrong ends the process, for a benchmark that goes on after an error measures
 * nothing.
 *
 * A row is a key of 63 bits (or its text of 16 hexadecimal digits) and a value of 100 bytes. Reads
 * add to `*hash` what kv_hash_value() and kv_hash_key() make of the bytes they saw; a sum, so that
 * the order does not matter.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_VALUE_SIZE 100u
#define KV_TEXT_SIZE  16u
#define KV_BATCH_MAX  100u

struct kv_setup {
    const char *directory; /* Exists; empty for a new database. */
    bool text_keys;
    bool synced;           /* Every commit survives power loss; else as the engine likes. */
    size_t memtable_bytes; /* Rows kept in memory (or in the log) before they are sorted away. */
};

struct kv_row {
    uint64_t key;
    uint8_t value[KV_VALUE_SIZE];
};

/* A session belongs to one thread. */
struct kv_engine {
    const char *name;
    void *(*open)(const struct kv_setup *setup);
    void (*close)(void *db);
    void *(*session_begin)(void *db);
    void (*session_end)(void *session);

    /* Upserts: one commit. */
    void (*put)(void *session, const struct kv_row *rows, size_t count);

    /* Brackets around many reads without writes, for engines that gain by one snapshot for all. */
    void (*reads_begin)(void *session);
    void (*reads_end)(void *session);

    bool (*get)(void *session, uint64_t key, uint64_t *hash);
    size_t (*get_many)(void *session, const uint64_t *keys, size_t count, uint64_t *hash);
    /* Up to `limit` rows in order from `key` on; returns how many. */
    size_t (*range)(void *session, uint64_t key, size_t limit, uint64_t *hash);
    size_t (*scan)(void *session, uint64_t *hash); /* All rows; any order. */
    uint64_t (*sum)(void *session);                /* Of all keys; integer keys only. */
    /* Rows of ascending keys into an empty database that is `synced`, by the fastest way there is;
     * they are on disk when it returns. */
    void (*bulk)(void *db, const uint64_t *keys, uint64_t count);
    void (*sync)(void *db);     /* What was put survives the process; NULL: it does anyway. */
    void (*optimize)(void *db); /* For reading; NULL: there is nothing to do. */
    /* Names of files that, after `optimize`, hold nothing and wait to be used again; NULL: none. */
    const char *spare_files;
};

extern const struct kv_engine kv_tdb;
extern const struct kv_engine kv_rocksdb;
extern const struct kv_engine kv_lmdb;
extern const struct kv_engine kv_sqlite;

_Noreturn void kv_fail(const char *engine, const char *what, const char *why);
void *kv_memory(size_t count, size_t size); /* Zeroed. */

/* The row that the key has, by generation: 0 is what loads write. */
void kv_make_row(uint64_t key, uint64_t generation, struct kv_row *row);

void kv_text(uint64_t key, char text[KV_TEXT_SIZE]);
uint64_t kv_hash_value(const void *value, size_t size);
uint64_t kv_hash_key(uint64_t key);
uint64_t kv_hash_text(const void *text, size_t size);

static inline void kv_store_be(uint64_t key, uint8_t bytes[8])
{
    uint64_t swapped = __builtin_bswap64(key);
    __builtin_memcpy(bytes, &swapped, 8);
}

static inline uint64_t kv_load_be(const void *bytes)
{
    uint64_t swapped;
    __builtin_memcpy(&swapped, bytes, 8);
    return __builtin_bswap64(swapped);
}
