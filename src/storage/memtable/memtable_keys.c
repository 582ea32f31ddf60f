#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "storage/memtable/memtable_internal.h"

/*
 * Where each key's newest row is, by the key's hash: one cache line answers most lookups, and for
 * most keys, which are in segments, the answer that there is none. A search of the tree reads three
 * or four nodes, two of which are in no cache.
 *
 * An entry is a word: 32 bits of the hash, and the row's number plus one. A line has eight of them.
 * The low bits of the hash choose the line; what finds no place there goes to the next line of a
 * group of 32, so a line that has an empty word ends every search. The table doubles in place:
 * entries that belong to the new half are copied there, then the half is published, then they are
 * taken out of the old one. A reader who looked in the old half for too long finds nothing, and
 * that the table has grown (K11).
 *
 * While keys come in ascending order there is no table, and afterwards the keys that came so, a
 * run, are not in it: the tree knows what lies between the run's ends. A load in order of the keys
 * would pay for random places in the table, and nobody may ever look for one of its keys.
 *
 * Keys that agree in their hash cannot fill more than a group. What finds no place in it is left
 * to the tree, and with it the question whether a key is absent.
 */

#define TABLE_ROW_COUNT_MIN 4096u /* Of fewer rows the tree is small enough. */
#define FIRST_LINE_BITS     10u
#define LINE_WORDS          8u
#define LINE_FILL           5u  /* Words of a line in use when the table is called full. */
#define GROUP_LINES         32u /* Of a search; lines number ^ 0 to 31. */

#define WORD_EMPTY ((uint64_t)0)       /* Never used: the line has had room for all that came. */
#define WORD_TAKEN ((uint64_t)1 << 32) /* Its entry has moved, and others may lie further on. */

#define GOLDEN 0x9E3779B97F4A7C15u
#define SILVER 0xD6E8FEB86659FD93u

uint32_t key_places_hash(const struct probe *probe)
{
    if (probe->is_row) {
        return probe->hash;
    }
    uint64_t hash = (probe->code ^ probe->tail * SILVER) * GOLDEN;
    const size_t known = sizeof probe->code + sizeof probe->tail;
    if (probe->key.size > known) {
        const struct span rest = {probe->key.data + known, probe->key.size - known};
        hash ^= hash_bytes(rest, 0);
    }
    return (uint32_t)((hash ^ hash >> 32) * SILVER >> 32);
}

static uint64_t make_word(uint32_t hash, uint32_t row)
{
    return (uint64_t)hash << 32 | (uint64_t)(row + 1);
}

static uint32_t row_of(uint64_t word)
{
    return (uint32_t)word - 1; // MEMTABLE_ROW_NONE where there is no entry.
}

static uint32_t hash_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* The first part has the lines of the first size; each further one as many as all before it. */
static uint32_t part_of(uint32_t line)
{
    uint32_t above = line >> FIRST_LINE_BITS;
    return above == 0 ? 0 : 32 - (uint32_t)__builtin_clz(above);
}

static uint32_t lines_of_part(uint32_t part)
{
    return (uint32_t)1 << (part == 0 ? FIRST_LINE_BITS : FIRST_LINE_BITS + part - 1);
}

static _Atomic uint64_t *line_at(const struct key_places *table, uint32_t line)
{
    uint32_t part = part_of(line);
    uint32_t in_part = part == 0 ? line : line - lines_of_part(part);
    return table->parts[part] + (size_t)in_part * LINE_WORDS;
}

static uint32_t home_of(uint32_t hash, uint32_t line_bits)
{
    return hash & (((uint32_t)1 << line_bits) - 1);
}

void key_places_init(struct memtable *memtable)
{
    memtable->keys.is_run = true;
    memtable->keys.run_min = UINT64_MAX;
}

/* ---- reading ---- */

static bool row_has_key(const struct memtable *memtable, uint32_t row, const struct probe *probe)
{
    if (memtable->integer_key) {
        return chunk_integer_code(memtable, row) == probe->code;
    }
    const struct chunk *chunk = chunk_of(memtable, row);
    struct span key = view_span(&chunk->keys[row % MEMTABLE_CHUNK_ROW_COUNT]);
    return key.size == probe->key.size && memcmp(key.data, probe->key.data, key.size) == 0;
}

/* The row among the line's entries; *ends_out: no entry of that hash lies in a further line. */
static uint32_t search_line(const struct memtable *memtable, const _Atomic uint64_t *line,
                            uint32_t hash, const struct probe *probe, bool *ends_out)
{
    bool ends = false;
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&line[i], memory_order_acquire);
        ends = ends || word == WORD_EMPTY;
        if (hash_of(word) == hash && row_of(word) != MEMTABLE_ROW_NONE &&
            row_has_key(memtable, row_of(word), probe)) {
            return row_of(word);
        }
    }
    *ends_out = ends;
    return MEMTABLE_ROW_NONE;
}

static uint32_t search_group(const struct memtable *memtable, uint32_t line_bits, uint32_t hash,
                             const struct probe *probe)
{
    uint32_t home = home_of(hash, line_bits);
    bool ends = false;
    uint32_t row = MEMTABLE_ROW_NONE;
    for (uint32_t i = 0; i < GROUP_LINES && row == MEMTABLE_ROW_NONE && !ends; i++) {
        row = search_line(memtable, line_at(&memtable->keys, home ^ i), hash, probe, &ends);
    }
    return row;
}

enum key_answer key_places_find(const struct memtable *memtable, const struct probe *probe,
                                uint32_t *row_out)
{
    const struct key_places *table = &memtable->keys;
    uint32_t line_bits = atomic_load_explicit(&table->line_bits, memory_order_acquire);
    if (line_bits == 0) {
        return KEY_UNKNOWN;
    }
    uint32_t hash = key_places_hash(probe);
    for (;;) {
        uint32_t row = search_group(memtable, line_bits, hash, probe);
        if (row != MEMTABLE_ROW_NONE) {
            *row_out = row;
            return KEY_FOUND;
        }
        // Who saw a word without the entry that had been there sees the new size, too.
        uint32_t now = atomic_load_explicit(&table->line_bits, memory_order_acquire);
        if (now == line_bits) {
            break;
        }
        line_bits = now;
    }
    bool is_in_run = probe->code >= table->run_min && probe->code <= table->run_max;
    bool is_partial = atomic_load_explicit(&table->is_partial, memory_order_acquire);
    return is_in_run || is_partial ? KEY_UNKNOWN : KEY_ABSENT;
}

void key_places_prefetch(const struct memtable *memtable, const struct probe *probe)
{
    uint32_t line_bits = atomic_load_explicit(&memtable->keys.line_bits, memory_order_acquire);
    if (line_bits != 0) {
        __builtin_prefetch(line_at(&memtable->keys, home_of(key_places_hash(probe), line_bits)));
    }
}

uint32_t key_places_guess(const struct memtable *memtable, const struct probe *probe)
{
    uint32_t line_bits = atomic_load_explicit(&memtable->keys.line_bits, memory_order_acquire);
    if (line_bits == 0) {
        return MEMTABLE_ROW_NONE;
    }
    uint32_t hash = key_places_hash(probe);
    const _Atomic uint64_t *line = line_at(&memtable->keys, home_of(hash, line_bits));
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&line[i], memory_order_acquire);
        if (hash_of(word) == hash) {
            return row_of(word);
        }
    }
    return MEMTABLE_ROW_NONE;
}

/* ---- the writer ---- */

static bool is_free(uint64_t word)
{
    return row_of(word) == MEMTABLE_ROW_NONE;
}

/* The first word of the hash's group that is `wanted` or, if that is WORD_EMPTY, free. NULL: none.
 */
static _Atomic uint64_t *locate_word(const struct key_places *table, uint32_t line_bits,
                                     uint32_t hash, uint64_t wanted)
{
    uint32_t home = home_of(hash, line_bits);
    bool ends = false;
    for (uint32_t i = 0; i < GROUP_LINES && !ends; i++) {
        _Atomic uint64_t *line = line_at(table, home ^ i);
        for (uint32_t at = 0; at < LINE_WORDS; at++) {
            uint64_t word = atomic_load_explicit(&line[at], memory_order_relaxed);
            if (word == wanted || (wanted == WORD_EMPTY && is_free(word))) {
                return &line[at];
            }
            ends = ends || word == WORD_EMPTY;
        }
    }
    return NULL;
}

static void insert_word(struct key_places *table, uint32_t line_bits, uint64_t word)
{
    _Atomic uint64_t *place = locate_word(table, line_bits, hash_of(word), WORD_EMPTY);
    if (place == NULL) {
        atomic_store_explicit(&table->is_partial, true, memory_order_release);
        return;
    }
    atomic_store_explicit(place, word, memory_order_release);
}

static void put_row(struct memtable *memtable, const struct probe *probe, uint32_t older,
                    uint32_t row, uint32_t line_bits)
{
    struct key_places *table = &memtable->keys;
    uint32_t hash = key_places_hash(probe);
    _Atomic uint64_t *place = NULL;
    if (older != MEMTABLE_ROW_NONE) {
        place = locate_word(table, line_bits, hash, make_word(hash, older));
    }
    if (place != NULL) {
        atomic_store_explicit(place, make_word(hash, row), memory_order_release);
    } else {
        insert_word(table, line_bits, make_word(hash, row));
        table->key_count++;
    }
}

/* Beyond the last part the table only gets fuller, and what finds no place is the tree's. */
static bool has_room(uint32_t line_bits, uint64_t key_count)
{
    return key_count <= (uint64_t)LINE_FILL << line_bits ||
           line_bits - FIRST_LINE_BITS + 1 == KEY_PLACES_PARTS_MAX;
}

static size_t part_size(uint32_t part)
{
    return (size_t)lines_of_part(part) * LINE_WORDS * sizeof(uint64_t);
}

static bool make_part(struct memtable *memtable, uint32_t part)
{
    ASSERT(part < KEY_PLACES_PARTS_MAX);
    if (memtable->keys.parts[part] != NULL) {
        return true;
    }
    _Atomic uint64_t *words = alloc_aligned(memtable->alloc, part_size(part));
    if (words == NULL) {
        return false;
    }
    memset(words, 0, part_size(part));
    memtable->keys.parts[part] = words;
    return true;
}

/* The run ends with the keys that are there: a table begins for those to come. */
static void end_run(struct memtable *memtable)
{
    struct key_places *table = &memtable->keys;
    table->is_run = false;
    if (table->run_bits != 0) {
        table->run_min = atomic_load_explicit(&memtable->code_min, memory_order_relaxed);
        table->run_max = atomic_load_explicit(&memtable->code_max, memory_order_relaxed);
        atomic_store_explicit(&table->line_bits, table->run_bits, memory_order_release);
    }
}

void key_places_put(struct memtable *memtable, const struct probe *probe, uint32_t older,
                    uint32_t row, bool ascends)
{
    if (memtable->keys.is_run) {
        if (ascends || older != MEMTABLE_ROW_NONE) {
            return;
        }
        end_run(memtable);
    }
    uint32_t line_bits = atomic_load_explicit(&memtable->keys.line_bits, memory_order_relaxed);
    if (line_bits != 0) {
        put_row(memtable, probe, older, row, line_bits);
    }
}

/* Room for the table that begins if the run ends among the next rows. */
static bool reserve_behind_run(struct memtable *memtable, uint32_t row_count)
{
    struct key_places *table = &memtable->keys;
    uint32_t line_bits = table->run_bits == 0 ? FIRST_LINE_BITS : table->run_bits;
    while (!has_room(line_bits, row_count)) {
        line_bits++;
    }
    for (uint32_t part = 0; part <= line_bits - FIRST_LINE_BITS; part++) {
        if (!make_part(memtable, part)) {
            return false;
        }
    }
    table->run_bits = line_bits;
    return true;
}

/* Puts the rows that are there into a new table, but for those not linked yet. */
static void add_rows(struct memtable *memtable)
{
    uint32_t count = memtable->waiting_count > 0
                         ? memtable->waiting_first
                         : atomic_load_explicit(&memtable->row_count, memory_order_relaxed);
    for (uint32_t row = 0; row < count; row++) {
        uint8_t scratch[sizeof(uint64_t)];
        struct span key = memtable_key(memtable, row, scratch);
        const struct probe probe = probe_of(memtable, key, key_code(key));
        put_row(memtable, &probe, memtable_older(memtable, row), row, FIRST_LINE_BITS);
    }
}

/* Copies entries of a line to where they belong once the table has one more bit. */
static void copy_line(struct key_places *table, uint32_t line, uint32_t line_bits)
{
    const _Atomic uint64_t *words = line_at(table, line);
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        if (!is_free(word) && (hash_of(word) >> line_bits & 1) != 0) {
            insert_word(table, line_bits + 1, word);
        }
    }
}

/* Takes those entries out. A line that was full stays so for searches: what found no place in it
 * lies further on. */
static void clear_line(struct key_places *table, uint32_t line, uint32_t line_bits)
{
    _Atomic uint64_t *words = line_at(table, line);
    bool had_room = false;
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        had_room = had_room || atomic_load_explicit(&words[i], memory_order_relaxed) == WORD_EMPTY;
    }
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        if (!is_free(word) && (hash_of(word) >> line_bits & 1) != 0) {
            atomic_store_explicit(&words[i], had_room ? WORD_EMPTY : WORD_TAKEN,
                                  memory_order_release);
        }
    }
}

static bool grow(struct memtable *memtable)
{
    struct key_places *table = &memtable->keys;
    uint32_t line_bits = atomic_load_explicit(&table->line_bits, memory_order_relaxed);
    if (!make_part(memtable, line_bits - FIRST_LINE_BITS + 1)) {
        return false;
    }
    uint32_t lines = (uint32_t)1 << line_bits;
    for (uint32_t line = 0; line < lines; line++) {
        copy_line(table, line, line_bits);
    }
    atomic_store_explicit(&table->line_bits, line_bits + 1, memory_order_release);
    for (uint32_t line = 0; line < lines; line++) {
        clear_line(table, line, line_bits);
    }
    return true;
}

static bool begin_table(struct memtable *memtable)
{
    if (!make_part(memtable, 0)) {
        return false;
    }
    add_rows(memtable);
    atomic_store_explicit(&memtable->keys.line_bits, FIRST_LINE_BITS, memory_order_release);
    return true;
}

bool key_places_reserve(struct memtable *memtable, uint32_t row_count)
{
    struct key_places *table = &memtable->keys;
    uint32_t line_bits = atomic_load_explicit(&table->line_bits, memory_order_relaxed);
    uint64_t have = atomic_load_explicit(&memtable->row_count, memory_order_relaxed);
    if (line_bits == 0) {
        if (have + row_count <= TABLE_ROW_COUNT_MIN) {
            return true;
        }
        // Rows that wait to be linked may have come in any order.
        if (memtable->waiting_count > 0 && memtable->waiting_first == 0) {
            table->is_run = false;
        }
        if (table->is_run) {
            return reserve_behind_run(memtable, row_count);
        }
        if (!begin_table(memtable)) {
            return false;
        }
        line_bits = FIRST_LINE_BITS;
    }
    while (!has_room(line_bits, (uint64_t)table->key_count + row_count)) {
        if (!grow(memtable)) {
            return false;
        }
        line_bits++;
    }
    return true;
}

void key_places_deinit(struct memtable *memtable)
{
    for (uint32_t part = 0; part < KEY_PLACES_PARTS_MAX; part++) {
        alloc_free_aligned(memtable->alloc, memtable->keys.parts[part], part_size(part));
    }
}
