#pragma once

/*
 * Keys in a fixed layout, and the hash table of them that groups and joins share.
 *
 * A key is a mask of its null columns and then 8 or 16 bytes a column: a number, or a view whose
 * bytes lie elsewhere when they are long. A record is a hash, a key and whatever its user keeps
 * beside it. A slot holds a record's address and 16 bits of its hash (the salt), so that a probe
 * reads a record only when it is very likely the right one.
 */

#include "sql/exec/exec_internal.h"

#define GROUP_KEY_COUNT_MAX 64u /* Bits of the mask. */

struct key_layout {
    uint32_t column_count;
    uint8_t *kinds;    /* Of each column. */
    uint32_t *offsets; /* In the key; the mask lies at 0. */
    uint32_t size;     /* A multiple of 8. */
    bool plain;        /* Equal keys have equal bytes. */
    bool uniform;      /* Equal values look the same: no 1.0 and 1.00, or 0 and -0. */
};

/* Keys of a batch's listed rows, one after the other. */
struct key_rows {
    uint8_t *keys;
    uint64_t *hashes;
    bool has_nulls;
};

/* TDBPLUS_E_NOMEM; TDBPLUS_E_LIMIT for more than GROUP_KEY_COUNT_MAX columns. */
TDBPLUS_CHECKED tdbplus_status key_layout_make(struct exec *exec, const struct type *types,
                                               uint32_t column_count,
                                               struct key_layout *layout_out);

TDBPLUS_CHECKED tdbplus_status key_rows_make(struct exec *exec, const struct key_layout *layout,
                                             const struct column *columns,
                                             const struct func_rows *rows, struct arena *arena,
                                             struct key_rows *keys_out);

static inline uint64_t key_rows_mask(const struct key_layout *layout, const struct key_rows *keys,
                                     uint32_t i)
{
    return *(const uint64_t *)(const void *)(keys->keys + (size_t)layout->size * i);
}

struct group_table {
    struct key_layout layout;
    struct arena *arena; /* Of records and the bytes of their keys. */
    const struct alloc *alloc;
    uint32_t payload_offset; /* In a record. */
    uint32_t record_size;
    uint64_t *slots;
    size_t slot_count;
    uint8_t **blocks; /* Of GROUP_BLOCK_COUNT records. */
    uint32_t block_capacity;
    uint32_t count;
    /* One integer as key, in a range that is not too wide: records by value. */
    bool direct_possible;
    bool direct_used;
    size_t direct_size_max; /* Of the array, in bytes; 0: as the range allows. */
    int64_t direct_base;
    uint8_t **direct;
    size_t direct_count;
};

#define GROUP_BLOCK_COUNT 1024u

void group_table_init(struct group_table *table, const struct key_layout *layout,
                      uint32_t payload_size, struct arena *arena, const struct alloc *alloc);
void group_table_deinit(struct group_table *table);

/* Forgets all records; call it before their arena is reset. Zeroed is accepted. */
void group_table_clear(struct group_table *table);

/* What it keeps besides records. */
static inline size_t group_table_bytes(const struct group_table *table)
{
    return table->slot_count * sizeof *table->slots + table->direct_count * sizeof *table->direct;
}

static inline uint8_t *group_table_record(const struct group_table *table, uint32_t number)
{
    return table->blocks[number / GROUP_BLOCK_COUNT] +
           (size_t)table->record_size * (number % GROUP_BLOCK_COUNT);
}

/* Finds or adds each key; the payload of a new record is zeroed. fresh[] lists the i-s of the keys
 * that were added, in order; records are numbered in the order of adding. */
TDBPLUS_CHECKED tdbplus_status group_table_add(struct group_table *table, struct exec *exec,
                                               const struct key_rows *keys, uint32_t count,
                                               uint8_t **records_out, uint16_t *fresh,
                                               uint32_t *fresh_count_out);

/* The same for one integer column without nulls, if the table can do without hashing: *done_out. */
TDBPLUS_CHECKED tdbplus_status group_table_add_direct(struct group_table *table, struct exec *exec,
                                                      const struct column *column,
                                                      const struct func_rows *rows,
                                                      struct arena *arena, uint8_t **records_out,
                                                      uint16_t *fresh, uint32_t *fresh_count_out,
                                                      bool *done_out);

/* Gives up looking records up by value, for group_table_find(). */
TDBPLUS_CHECKED tdbplus_status group_table_use_hashes(struct group_table *table, struct exec *exec);

/* Which of `part_count` tables, a power of two, a key belongs to that is cut by hash. */
static inline uint32_t group_part(uint64_t hash, uint32_t part_count)
{
    return (uint32_t)(hash >> 32) & (part_count - 1); // Bits that neither slots nor salts look at.
}

/* NULL for keys that are not there. `tables`: one, or parts by group_part(). */
void group_table_find(const struct group_table *tables, uint32_t part_count,
                      const struct key_rows *keys, uint32_t count, uint8_t **records_out);
