#pragma once

/* What the files of the memtable share: chunks, the key tree, and the memtable around them. */

#include <stdatomic.h>

#include "base/arena.h"
#include "storage/memtable/memtable.h"

/* ---- memory: memtable_memory.c ---- */

/* An allocator for the parts of one memtable; one thread at a time. It must not move. */
struct memtable_memory {
    struct alloc alloc; /* What the parts ask; they never resize. */
    const struct alloc *parent;
    size_t held_bytes; /* Asked of `parent`. */
    void **blocks;     /* Of 2 MiB, by address. */
    uint32_t block_count;
    uint32_t block_capacity;
    uint8_t *at; /* Free part of the newest block. */
    uint8_t *end;
};

void memtable_memory_init(struct memtable_memory *memory, const struct alloc *parent);
/* After everything asked of it was given back. */
void memtable_memory_deinit(struct memtable_memory *memory);

/* ---- chunks: memtable_chunk.c ---- */

/* When a version lives. `begin` never changes once the row is published; `end` does, once. */
struct stamp {
    uint64_t begin;
    _Atomic uint64_t end;
};

/* One column of a chunk. Bits of `validity` start set; the writer clears those of nulls. */
struct chunk_column {
    uint8_t *data;
    _Atomic uint64_t *validity;
    _Atomic uint32_t null_count;
};

/*
 * Rows [2048 * i, 2048 * i + capacity). The first chunk starts small and is replaced by larger
 * copies; the older ones stay allocated, because readers and batches may point into them (K2).
 */
struct chunk {
    uint32_t capacity; /* Rows. */
    size_t size;       /* Bytes of the whole block. */
    struct chunk *replaced;
    _Atomic uint64_t begin_max; /* Every row's begin is at or below it. */
    _Atomic uint64_t end_min;   /* Every row's end is at or above it. */
    /* The same of rows that ended while they were their key's newest: who comes from the tree with
     * a snapshot below it, and not below `begin_max`, sees the row and need not look at its stamp.
     */
    _Atomic uint64_t newest_end_min;
    struct stamp *stamps;
    uint32_t *older;   /* Row of the key's next older version. */
    struct view *keys; /* NULL when keys are integers: the column has them. */
    struct chunk_column columns[];
};

/* Chunks by number. Replaced by a directory of twice the size when full; never freed before the
 * memtable is. */
struct chunk_directory {
    struct chunk_directory *replaced;
    uint32_t capacity;
    _Atomic(struct chunk *) chunks[];
};

/* What a column needs in every chunk, worked out once. */
struct chunk_layout_column {
    struct type type;
    uint8_t physical; /* enum physical. */
    uint32_t width;
};

/* ---- the key tree: memtable_tree.c ---- */

#define NODE_ENTRY_COUNT 64u
#define NODE_HALF_COUNT  (NODE_ENTRY_COUNT / 2)
#define NODE_GROUP_SIZE  8u /* Codes in a cache line. */
#define NODE_GROUP_COUNT (NODE_ENTRY_COUNT / NODE_GROUP_SIZE)
#define TREE_HEIGHT_MAX  12u /* 32^7 > 2^32 rows; the rest is caution. */

/*
 * A node of a B-link tree: keys in [entry 0, high), siblings linked to the right. An entry is a
 * key's code, its tail (the next eight bytes, unless keys are integers), and a row that has the key
 * (in a leaf: its newest row), which settles ties of both. Entry 0 of an inner node stands for
 * "below everything else" and is never compared.
 *
 * A search reads two cache lines of codes: the fences, then one group of eight.
 *
 * Readers take `version`, read, and take it again: odd or changed means that the writer was at
 * work. Every store to a shared field is a release and every load an acquire, which orders them
 * against `version` without fences (K3).
 */
struct node {
    _Atomic uint32_t version;
    _Atomic uint32_t count;
    _Atomic(struct node *) next;
    _Atomic uint64_t high_code; /* Meaningful with `next` only, as is high_row. */
    _Atomic uint64_t high_tail;
    _Atomic uint32_t high_row;
    uint16_t level;          /* 0: leaf. */
    bool is_edge_split;      /* Writer: it was left full once; the next split halves it. */
    _Atomic uint64_t *tails; /* At the end of the node; NULL when keys are integers. */
    struct node *sibling;    /* Writer: the memtable's list of nodes, or of free nodes. */
    _Alignas(64) _Atomic uint64_t fences[NODE_GROUP_COUNT]; /* The first code of each group. */
    _Alignas(64) _Atomic uint64_t codes[NODE_ENTRY_COUNT];  /* UINT64_MAX past the count. */
    _Atomic uint32_t rows[NODE_ENTRY_COUNT];
    _Atomic(struct node *) children[]; /* Inner nodes only: NODE_ENTRY_COUNT. */
};

/* Nodes of one kind: those in use, those set aside for coming puts, and how near the ones in use
 * are to splitting (see weigh_node()). */
struct node_pool {
    struct node *used;
    struct node *free;
    uint32_t free_count;
    uint64_t weight;
};

/* A key to look for. */
struct probe {
    struct span key;
    uint64_t code;
    uint64_t tail;  /* Bytes 8 to 15 of the key, like the code; 0 for integer keys. */
    uint32_t row;   /* With `is_row`: whose key it is, */
    uint32_t hash;  /* and key_places_hash() of it. */
    bool is_row;    /* `key` is left out, and read from the row where a tie needs it. */
    bool code_only; /* Equal codes count as equal keys: hints only. */
};

/* Where the writer found a key, or where it belongs. */
struct tree_place {
    struct node *leaf;
    uint32_t slot;
    uint32_t row; /* The key's newest row, or MEMTABLE_ROW_NONE. */
};

/* Where each key's newest row is, by hash. */
#define KEY_PLACES_PARTS_MAX 21u

struct key_places {
    _Atomic uint32_t line_bits; /* 0 while there are few rows, and no table. */
    _Atomic bool is_partial;    /* Some key found no place. */
    uint64_t run_min; /* Codes of the run's ends, when there is a table; none: min > max. */
    uint64_t run_max;
    _Atomic uint64_t *parts[KEY_PLACES_PARTS_MAX];
    _Alignas(64) uint32_t key_count; /* Writer: entries, and keys that found no place. */
    /* Writer: all keys so far came in ascending order, and are not in the table; its size, once
     * rows are many, when the run ends. */
    bool is_run;
    uint32_t run_bits;
};

struct memtable {
    const struct schema *schema;
    const struct alloc *alloc; /* &memory.alloc */
    struct memtable_memory memory;
    bool integer_key;
    uint8_t key_physical;   /* Of an integer key's column. */
    uint32_t key_position;  /* An integer key's column. */
    uint32_t rows_first;    /* Rows of the smallest first chunk. */
    uint32_t rows_capacity; /* Rows that have a place. */
    struct node_pool leaves;
    struct node_pool inners;
    uint32_t waiting_first; /* Of the rows that are appended and not all linked, the first, */
    uint32_t waiting_count; /* and how many are not. */
    struct node *hint;      /* The leaf of the last put. */
    uint32_t hint_slot;     /* Where it went. */
    struct arena values;    /* Long keys and values. */
    /* What a put changes is not in the lines that every lookup reads. */
    _Alignas(64) _Atomic uint32_t row_count;
    _Atomic size_t size_bytes;
    /* No key's code lies outside. Widened before a row is found; so whoever may see a row of a code
     * finds the code inside. */
    _Alignas(64) _Atomic uint64_t code_min;
    _Atomic uint64_t code_max;
    _Atomic(struct node *) root;
    _Atomic(struct chunk_directory *) directory;
    struct key_places keys;
    struct chunk_layout_column layout[];
};

/* Makes places for `row_count` more rows; false when memory is out. */
bool chunks_reserve(struct memtable *memtable, uint32_t row_count);
void chunks_deinit(struct memtable *memtable);

/* Writes everything of row `row` but its place in the tree. */
void chunk_fill(struct memtable *memtable, uint32_t row, struct span key,
                const struct datum *values, uint64_t begin, uint32_t older);

/* Links a row that was filled without an older version to one. Nothing may lead to it yet. */
void chunk_set_older(struct memtable *memtable, uint32_t row, uint32_t older);

/* Ends an open row; false if it had ended before. `is_newest`: no newer row of the key takes its
 * place in the tree. */
bool chunk_end_row(struct memtable *memtable, uint32_t row, uint64_t timestamp, bool is_newest);

/* The code of a row's integer key. */
uint64_t chunk_integer_code(const struct memtable *memtable, uint32_t row);

static inline struct chunk *chunk_of(const struct memtable *memtable, uint32_t row)
{
    const struct chunk_directory *directory =
        atomic_load_explicit(&memtable->directory, memory_order_acquire);
    return atomic_load_explicit(&directory->chunks[row / MEMTABLE_CHUNK_ROW_COUNT],
                                memory_order_acquire);
}

/* Makes sure that `row_count` inserts find nodes; false when memory is out. */
bool tree_reserve(struct memtable *memtable, uint32_t row_count);
void tree_deinit(struct memtable *memtable);

/* Gives back the nodes that no put has used. */
void tree_trim(struct memtable *memtable);

/* Writer: finds a key, or its place. The tree has a root. */
struct tree_place tree_locate(struct memtable *memtable, const struct probe *probe);

/* Writer: puts `row` at the place found just before: a new entry, or the key's newest row. */
void tree_put(struct memtable *memtable, const struct probe *probe, struct tree_place place,
              uint32_t row);

/* Reader: the newest row of a key, or MEMTABLE_ROW_NONE. */
uint32_t tree_find(const struct memtable *memtable, const struct probe *probe);

/* Reader: brings the leaf of a code into the cache. */
void tree_prefetch(const struct memtable *memtable, uint64_t code);

static inline struct probe probe_of(const struct memtable *memtable, struct span key, uint64_t code)
{
    struct probe probe = {.key = key, .code = code};
    if (!memtable->integer_key && key.size > sizeof code) {
        probe.tail = key_code((struct span){key.data + sizeof code, key.size - sizeof code});
    }
    return probe;
}

enum tree_cut {
    TREE_FROM,  /* Entries >= the probe, to the end of its leaf. */
    TREE_UP_TO, /* Entries <= the probe, from the start of their leaf. */
    TREE_BELOW, /* Entries < the probe, likewise. */
};

/* Reader: copies entries of one leaf, as it was at one moment; returns how many. *next_out (may be
 * NULL) is the leaf after it. */
uint32_t tree_copy(const struct memtable *memtable, const struct probe *probe, enum tree_cut cut,
                   struct memtable_entries *entries_out, const struct node **next_out);

/* Reader: copies all entries of `leaf`. */
uint32_t tree_copy_leaf(const struct node *leaf, struct memtable_entries *entries_out,
                        const struct node **next_out);

/* Reader: the first leaf, or one that was the last a moment ago (go on to the right); NULL when the
 * tree is empty. */
const struct node *tree_edge(const struct memtable *memtable, bool last);

/* ---- where the newest rows are, by hash: memtable_keys.c ---- */

uint32_t key_places_hash(const struct probe *probe);

void key_places_init(struct memtable *memtable);

/* Makes sure that `row_count` more keys have their place; false when memory is out. */
bool key_places_reserve(struct memtable *memtable, uint32_t row_count);
void key_places_deinit(struct memtable *memtable);

/* Writer: `row` is the key's newest, after `older` (or MEMTABLE_ROW_NONE). Once it is complete.
 * `ascends`: the key's code is above all others. */
void key_places_put(struct memtable *memtable, const struct probe *probe, uint32_t older,
                    uint32_t row, bool ascends);

enum key_answer {
    KEY_ABSENT = 0, /* No row has the key that was put before the reader's snapshot was taken. */
    KEY_FOUND,      /* *row_out is the newest of those, or a newer one. */
    KEY_UNKNOWN,    /* The tree knows. */
};

/* Reader. */
enum key_answer key_places_find(const struct memtable *memtable, const struct probe *probe,
                                uint32_t *row_out);
void key_places_prefetch(const struct memtable *memtable, const struct probe *probe);

/* Reader: a row that may have the key, or MEMTABLE_ROW_NONE, for who wants to fetch it. */
uint32_t key_places_guess(const struct memtable *memtable, const struct probe *probe);
