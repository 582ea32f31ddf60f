#include "storage/memtable/delete_map.h"

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/memtable/delete_map_internal.h"

#define WORD_BITS           64u
#define RECENT_CAPACITY_MIN 16u

/* ---- life ---- */

static size_t map_size(uint64_t group_count)
{
    return sizeof(struct delete_map) + group_count * sizeof(_Atomic(struct delete_group *));
}

static size_t group_size(uint32_t word_count)
{
    return sizeof(struct delete_group) + word_count * sizeof(_Atomic uint64_t);
}

static size_t table_size(uint32_t capacity)
{
    return sizeof(struct recent_table) + capacity * sizeof(struct recent_slot);
}

static size_t range_size(uint32_t word_count)
{
    return sizeof(struct recent_range) + word_count * sizeof(uint64_t);
}

tdbplus_status delete_map_create(uint64_t row_count, const struct alloc *alloc, struct epoch *epoch,
                                 struct delete_map **map_out, struct err *err)
{
    uint64_t group_count = row_count / DELETE_MAP_GROUP_ROW_COUNT +
                           (row_count % DELETE_MAP_GROUP_ROW_COUNT != 0 ? 1 : 0);
    if (group_count > UINT32_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "delete map: %llu rows",
                       (unsigned long long)row_count);
    }
    struct delete_map *map = alloc_array(alloc, map_size(group_count), 1);
    if (map == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "delete map: %zu bytes", map_size(group_count));
    }
    map->alloc = alloc;
    map->epoch = epoch;
    map->row_count = row_count;
    map->group_count = (uint32_t)group_count;
    *map_out = map;
    return TDBPLUS_OK;
}

static void table_destroy(struct recent_table *table)
{
    if (table != NULL) {
        alloc_free(table->alloc, table, table_size(table->capacity), 1);
    }
}

static void table_collect(struct epoch_garbage *garbage)
{
    // The garbage item is the table's first member.
    table_destroy((struct recent_table *)(void *)garbage);
}

static void range_destroy(struct recent_range *range)
{
    if (range != NULL) {
        alloc_free(range->alloc, range, range_size(range->word_count), 1);
    }
}

static void range_collect(struct epoch_garbage *garbage)
{
    range_destroy((struct recent_range *)(void *)garbage); // Its first member.
}

static void destroy_ranges(struct recent_range *range)
{
    while (range != NULL) {
        struct recent_range *next = atomic_load_explicit(&range->next, memory_order_relaxed);
        range_destroy(range);
        range = next;
    }
}

void delete_map_destroy(struct delete_map *map)
{
    if (map == NULL) {
        return;
    }
    for (uint32_t i = 0; i < map->group_count; i++) {
        struct delete_group *group = atomic_load_explicit(&map->groups[i], memory_order_relaxed);
        if (group != NULL) {
            table_destroy(atomic_load_explicit(&group->recent, memory_order_relaxed));
            destroy_ranges(atomic_load_explicit(&group->ranges, memory_order_relaxed));
            destroy_ranges(group->spare);
            alloc_free_aligned(map->alloc, group, group_size(group->word_count));
        }
    }
    alloc_free(map->alloc, map, map_size(map->group_count), 1);
}

struct delete_group *delete_group_make(struct delete_map *map, uint64_t number)
{
    struct delete_group *group = atomic_load_explicit(&map->groups[number], memory_order_relaxed);
    if (group != NULL) {
        return group;
    }
    uint64_t rows = map->row_count - number * DELETE_MAP_GROUP_ROW_COUNT;
    rows = rows < DELETE_MAP_GROUP_ROW_COUNT ? rows : DELETE_MAP_GROUP_ROW_COUNT;
    uint32_t word_count = (uint32_t)((rows + WORD_BITS - 1) / WORD_BITS);
    group = alloc_aligned(map->alloc, group_size(word_count));
    if (group == NULL) {
        return NULL;
    }
    memset(group, 0, group_size(word_count));
    group->word_count = word_count;
    atomic_store_explicit(&map->groups[number], group, memory_order_release);
    return group;
}

/* ---- recent ends ---- */

/* Where the probing for a row begins: neighbours spread over the table (Fibonacci hashing). */
static uint32_t first_slot(const struct recent_table *table, uint32_t row)
{
    return (row * 0x9E3779B1u >> 16) & (table->capacity - 1);
}

/* The row's timestamp, or 0 if the table does not know it. Inside the epoch, or the writer. */
static uint64_t table_find(const struct recent_table *table, uint32_t row)
{
    if (table == NULL) {
        return 0;
    }
    uint32_t at = first_slot(table, row);
    for (;;) {
        const struct recent_slot *slot = &table->slots[at];
        uint32_t found = atomic_load_explicit(&slot->row_plus_one, memory_order_acquire);
        if (found == row + 1) {
            return atomic_load_explicit(&slot->timestamp, memory_order_relaxed);
        }
        if (found == 0) {
            return 0;
        }
        at = (at + 1) & (table->capacity - 1);
    }
}

/* When a row of a range ended, or 0. Inside the epoch, or the writer. */
static uint64_t ranges_find(const struct delete_group *group, uint32_t row)
{
    const struct recent_range *range = atomic_load_explicit(&group->ranges, memory_order_acquire);
    while (range != NULL && (range->words[row / WORD_BITS] >> (row % WORD_BITS) & 1) == 0) {
        range = atomic_load_explicit(&range->next, memory_order_acquire);
    }
    return range == NULL ? 0 : range->timestamp;
}

static void table_insert(struct recent_table *table, uint32_t row, uint64_t timestamp)
{
    ASSERT(table->count < table->capacity / 4 * 3);
    uint32_t at = first_slot(table, row);
    while (atomic_load_explicit(&table->slots[at].row_plus_one, memory_order_relaxed) != 0) {
        at = (at + 1) & (table->capacity - 1);
    }
    atomic_store_explicit(&table->slots[at].timestamp, timestamp, memory_order_relaxed);
    atomic_store_explicit(&table->slots[at].row_plus_one, row + 1, memory_order_release);
    table->count++;
}

static struct recent_table *table_make(const struct delete_map *map, uint32_t count)
{
    uint32_t capacity = RECENT_CAPACITY_MIN;
    while (capacity / 4 * 3 < count) {
        capacity *= 2;
    }
    struct recent_table *table = alloc_array(map->alloc, table_size(capacity), 1);
    if (table != NULL) {
        table->alloc = map->alloc;
        table->capacity = capacity;
    }
    return table;
}

/* Copies the ends above `horizon`; all of them when it is 0 and `keep_all`. */
static void table_copy(const struct recent_table *from, struct recent_table *to, uint64_t horizon,
                       bool keep_all)
{
    for (uint32_t i = 0; i < from->capacity; i++) {
        const struct recent_slot *slot = &from->slots[i];
        uint32_t row_plus_one = atomic_load_explicit(&slot->row_plus_one, memory_order_relaxed);
        uint64_t timestamp = atomic_load_explicit(&slot->timestamp, memory_order_relaxed);
        if (row_plus_one != 0 && (keep_all || timestamp > horizon)) {
            table_insert(to, row_plus_one - 1, timestamp);
        }
    }
}

/* Readers may be in the old table: it waits for them in the epoch. */
static void replace_table(const struct delete_map *map, struct delete_group *group,
                          struct recent_table *fresh)
{
    struct recent_table *old = atomic_load_explicit(&group->recent, memory_order_relaxed);
    atomic_store_explicit(&group->recent, fresh, memory_order_release);
    if (old != NULL) {
        epoch_retire(map->epoch, &old->garbage, table_collect);
    }
}

/* Makes room for the group's wanted marks; false when memory is out. */
static bool reserve_group(const struct delete_map *map, struct delete_group *group)
{
    const struct recent_table *old = atomic_load_explicit(&group->recent, memory_order_relaxed);
    uint32_t count = (old == NULL ? 0 : old->count) + group->wanted;
    if (old != NULL && count <= old->capacity / 4 * 3) {
        return true;
    }
    struct recent_table *fresh = table_make(map, count);
    if (fresh == NULL) {
        return false;
    }
    if (old != NULL) {
        table_copy(old, fresh, 0, true);
    }
    replace_table(map, group, fresh);
    return true;
}

tdbplus_status delete_map_reserve(struct delete_map *map, const uint64_t *rows, size_t count,
                                  struct err *err)
{
    bool is_done = true;
    for (size_t i = 0; i < count; i++) {
        ASSERT(rows[i] < map->row_count);
        struct delete_group *group = delete_group_make(map, rows[i] / DELETE_MAP_GROUP_ROW_COUNT);
        if (group == NULL) {
            is_done = false;
            break;
        }
        // More marks than rows cannot take effect.
        group->wanted += group->wanted < DELETE_MAP_GROUP_ROW_COUNT ? 1 : 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct delete_group *group = group_at(map, rows[i] / DELETE_MAP_GROUP_ROW_COUNT);
        if (group != NULL && group->wanted > 0) {
            is_done = is_done && reserve_group(map, group);
            group->wanted = 0;
        }
    }
    if (!is_done) {
        return err_set(err, TDBPLUS_E_NOMEM, "delete map: room for %zu rows", count);
    }
    return TDBPLUS_OK;
}

/* ---- writing ---- */

static void add_one(_Atomic uint64_t *counter)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

static bool has_bit(const struct delete_group *group, uint32_t row)
{
    uint64_t word = atomic_load_explicit(&group->words[row / WORD_BITS], memory_order_acquire);
    return (word >> (row % WORD_BITS) & 1) != 0;
}

/* The bit comes last: who sees it finds timestamp and maximum too (K7). */
static void set_bit(struct delete_map *map, struct delete_group *group, uint32_t row)
{
    _Atomic uint32_t *window = &group->window_counts[row / GROUP_WINDOW_ROW_COUNT];
    uint32_t in_window = atomic_load_explicit(window, memory_order_relaxed);
    atomic_store_explicit(window, in_window + 1, memory_order_relaxed);
    add_one(&map->count);
    _Atomic uint64_t *word = &group->words[row / WORD_BITS];
    uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, bits | (uint64_t)1 << (row % WORD_BITS), memory_order_release);
}

void delete_group_add_fact(struct delete_map *map, struct delete_group *group, uint32_t row)
{
    set_bit(map, group, row);
}

bool delete_map_mark(struct delete_map *map, uint64_t row, uint64_t timestamp)
{
    ASSERT(row < map->row_count);
    struct delete_group *group = group_at(map, row / DELETE_MAP_GROUP_ROW_COUNT);
    ASSERT(group != NULL); // delete_map_reserve() came first.
    uint32_t at = (uint32_t)(row % DELETE_MAP_GROUP_ROW_COUNT);
    if (has_bit(group, at)) {
        return false;
    }
    struct recent_table *table = atomic_load_explicit(&group->recent, memory_order_relaxed);
    ASSERT(table != NULL);
    table_insert(table, at, timestamp);
    if (timestamp > atomic_load_explicit(&group->end_max, memory_order_relaxed)) {
        atomic_store_explicit(&group->end_max, timestamp, memory_order_release);
    }
    add_one(&map->recent_count);
    set_bit(map, group, at);
    return true;
}

/* ---- ranges ---- */

/* Gives the group `number` empty ranges; false when memory is out. */
static bool reserve_ranges(const struct delete_map *map, struct delete_group *group,
                           uint32_t number)
{
    uint32_t have = 0;
    for (const struct recent_range *spare = group->spare; spare != NULL && have < number; have++) {
        spare = atomic_load_explicit(&spare->next, memory_order_relaxed);
    }
    for (; have < number; have++) {
        struct recent_range *range = alloc_array(map->alloc, range_size(group->word_count), 1);
        if (range == NULL) {
            return false;
        }
        range->alloc = map->alloc;
        range->word_count = group->word_count;
        atomic_init(&range->next, group->spare);
        group->spare = range;
    }
    return true;
}

tdbplus_status delete_map_reserve_range(struct delete_map *map, uint64_t first, uint64_t end,
                                        uint32_t number, struct err *err)
{
    ASSERT(first <= end && end <= map->row_count);
    for (uint64_t row = first; row < end;
         row = (row / DELETE_MAP_GROUP_ROW_COUNT + 1) * DELETE_MAP_GROUP_ROW_COUNT) {
        struct delete_group *group = delete_group_make(map, row / DELETE_MAP_GROUP_ROW_COUNT);
        if (group == NULL || !reserve_ranges(map, group, number)) {
            return err_set(err, TDBPLUS_E_NOMEM, "delete map: room for a range");
        }
    }
    return TDBPLUS_OK;
}

/* The bits of word `at` that stand for rows [first, end) of the group. */
static uint64_t range_mask(uint32_t at, uint32_t first, uint32_t end)
{
    uint32_t begin = at * WORD_BITS;
    uint64_t mask = UINT64_MAX;
    if (first > begin) {
        mask &= UINT64_MAX << (first - begin);
    }
    if (end < begin + WORD_BITS) {
        mask &= ((uint64_t)1 << (end - begin)) - 1;
    }
    return mask;
}

/* Writes down which rows the range ends; returns how many. */
static uint32_t fill_range(const struct delete_group *group, uint32_t first, uint32_t end,
                           struct recent_range *range)
{
    uint32_t count = 0;
    for (uint32_t at = first / WORD_BITS; at * WORD_BITS < end; at++) {
        uint64_t word = atomic_load_explicit(&group->words[at], memory_order_relaxed);
        range->words[at] = ~word & range_mask(at, first, end);
        count += (uint32_t)__builtin_popcountll(range->words[at]);
    }
    range->count = count;
    return count;
}

/* The bits come last, as in set_bit(). */
static void set_range_bits(struct delete_group *group, const struct recent_range *range)
{
    for (uint32_t at = 0; at < group->word_count; at++) {
        uint64_t added = range->words[at];
        if (added == 0) {
            continue;
        }
        _Atomic uint32_t *window = &group->window_counts[at * WORD_BITS / GROUP_WINDOW_ROW_COUNT];
        uint32_t in_window = atomic_load_explicit(window, memory_order_relaxed);
        atomic_store_explicit(window, in_window + (uint32_t)__builtin_popcountll(added),
                              memory_order_relaxed);
        uint64_t bits = atomic_load_explicit(&group->words[at], memory_order_relaxed);
        atomic_store_explicit(&group->words[at], bits | added, memory_order_release);
    }
}

/* Rows [first, end) of one group. */
static uint32_t mark_group_range(struct delete_group *group, uint32_t first, uint32_t end,
                                 uint64_t timestamp)
{
    struct recent_range *range = group->spare;
    ASSERT(range != NULL); // delete_map_reserve_range() came first.
    if (fill_range(group, first, end, range) == 0) {
        return 0; // All zeroes: it stays the spare one.
    }
    group->spare = atomic_load_explicit(&range->next, memory_order_relaxed);
    range->timestamp = timestamp;
    struct recent_range *older = atomic_load_explicit(&group->ranges, memory_order_relaxed);
    atomic_store_explicit(&range->next, older, memory_order_relaxed);
    atomic_store_explicit(&group->ranges, range, memory_order_release);
    if (timestamp > atomic_load_explicit(&group->end_max, memory_order_relaxed)) {
        atomic_store_explicit(&group->end_max, timestamp, memory_order_release);
    }
    set_range_bits(group, range);
    return range->count;
}

uint64_t delete_map_mark_range(struct delete_map *map, uint64_t first, uint64_t end,
                               uint64_t timestamp)
{
    uint64_t marked = 0;
    for (uint64_t row = first; row < end;) {
        uint64_t number = row / DELETE_MAP_GROUP_ROW_COUNT;
        uint64_t base = number * DELETE_MAP_GROUP_ROW_COUNT;
        uint64_t stop = base + DELETE_MAP_GROUP_ROW_COUNT;
        stop = stop < end ? stop : end;
        marked += mark_group_range(group_at(map, number), (uint32_t)(row - base),
                                   (uint32_t)(stop - base), timestamp);
        row = stop;
    }
    uint64_t count = atomic_load_explicit(&map->count, memory_order_relaxed);
    atomic_store_explicit(&map->count, count + marked, memory_order_relaxed);
    uint64_t recent = atomic_load_explicit(&map->recent_count, memory_order_relaxed);
    atomic_store_explicit(&map->recent_count, recent + marked, memory_order_relaxed);
    return marked;
}

/* Drops the group's ranges at or below `horizon`. */
static void forget_ranges(struct delete_map *map, struct delete_group *group, uint64_t horizon)
{
    _Atomic(struct recent_range *) *link = &group->ranges;
    struct recent_range *range = atomic_load_explicit(link, memory_order_relaxed);
    while (range != NULL) {
        struct recent_range *next = atomic_load_explicit(&range->next, memory_order_relaxed);
        if (range->timestamp > horizon) {
            link = &range->next;
        } else {
            atomic_store_explicit(link, next, memory_order_release);
            uint64_t recent = atomic_load_explicit(&map->recent_count, memory_order_relaxed);
            atomic_store_explicit(&map->recent_count, recent - range->count, memory_order_relaxed);
            epoch_retire(map->epoch, &range->garbage, range_collect);
        }
        range = next;
    }
}

static uint32_t count_above(const struct recent_table *table, uint64_t horizon)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->capacity; i++) {
        const struct recent_slot *slot = &table->slots[i];
        bool is_used = atomic_load_explicit(&slot->row_plus_one, memory_order_relaxed) != 0;
        uint64_t timestamp = atomic_load_explicit(&slot->timestamp, memory_order_relaxed);
        count += is_used && timestamp > horizon ? 1 : 0;
    }
    return count;
}

void delete_map_forget(struct delete_map *map, uint64_t horizon)
{
    for (uint32_t i = 0; i < map->group_count; i++) {
        struct delete_group *group = group_at(map, i);
        if (group != NULL) {
            forget_ranges(map, group, horizon);
        }
        const struct recent_table *old =
            group == NULL ? NULL : atomic_load_explicit(&group->recent, memory_order_relaxed);
        uint32_t left = old == NULL ? 0 : count_above(old, horizon);
        if (old == NULL || left == old->count) {
            continue;
        }
        struct recent_table *fresh = NULL;
        if (left > 0) {
            fresh = table_make(map, left);
            if (fresh == NULL) {
                continue; // Remembering more than needed is correct; the next call tries again.
            }
            table_copy(old, fresh, horizon, false);
        }
        uint64_t recent = atomic_load_explicit(&map->recent_count, memory_order_relaxed);
        atomic_store_explicit(&map->recent_count, recent - (old->count - left),
                              memory_order_relaxed);
        replace_table(map, group, fresh);
    }
}

/* ---- reading ---- */

uint64_t delete_group_timestamp(const struct delete_group *group, uint32_t row)
{
    uint64_t timestamp =
        table_find(atomic_load_explicit(&group->recent, memory_order_acquire), row);
    return timestamp != 0 ? timestamp : ranges_find(group, row);
}

uint64_t delete_map_end_of(const struct delete_map *map, uint64_t row)
{
    ASSERT(row < map->row_count);
    const struct delete_group *group = group_at(map, row / DELETE_MAP_GROUP_ROW_COUNT);
    uint32_t at = (uint32_t)(row % DELETE_MAP_GROUP_ROW_COUNT);
    if (group == NULL || !has_bit(group, at)) {
        return UINT64_MAX;
    }
    struct epoch_ticket ticket = epoch_enter(map->epoch);
    uint64_t timestamp = delete_group_timestamp(group, at);
    epoch_exit(map->epoch, ticket);
    return timestamp;
}

bool delete_map_visible(const struct delete_map *map, uint64_t row, uint64_t snapshot)
{
    const struct delete_group *group = group_at(map, row / DELETE_MAP_GROUP_ROW_COUNT);
    uint32_t at = (uint32_t)(row % DELETE_MAP_GROUP_ROW_COUNT);
    if (group == NULL || !has_bit(group, at)) {
        return true;
    }
    if (snapshot >= atomic_load_explicit(&group->end_max, memory_order_acquire) +
                        planted(PLANT_DELETE_END_LESS)) {
        return false;
    }
    return delete_map_end_of(map, row) > snapshot - planted(PLANT_DELETE_END_LESS);
}

void delete_map_prefetch(const struct delete_map *map, uint64_t row)
{
    const struct delete_group *group =
        row < map->row_count ? group_at(map, row / DELETE_MAP_GROUP_ROW_COUNT) : NULL;
    if (group != NULL) {
        uint32_t at = (uint32_t)(row % DELETE_MAP_GROUP_ROW_COUNT);
        __builtin_prefetch(group);
        __builtin_prefetch(&group->window_counts[at / GROUP_WINDOW_ROW_COUNT]);
        __builtin_prefetch(&group->words[at / WORD_BITS]);
    }
}

/* The ended bits of rows [first, first + count) of the group, moved to bit 0 of words[0]; returns
 * all of them or'ed. */
static uint64_t load_ended(const struct delete_group *group, uint32_t first, uint32_t count,
                           uint64_t *words)
{
    uint32_t shift = first % WORD_BITS;
    uint32_t at = first / WORD_BITS;
    uint64_t any = 0;
    uint64_t low = atomic_load_explicit(&group->words[at], memory_order_acquire);
    for (uint32_t done = 0; done < count; done += WORD_BITS) {
        at++;
        uint64_t high = at < group->word_count
                            ? atomic_load_explicit(&group->words[at], memory_order_acquire)
                            : 0;
        uint64_t word = shift == 0 ? low : low >> shift | high << (WORD_BITS - shift);
        if (count - done < WORD_BITS) {
            word &= ((uint64_t)1 << (count - done)) - 1;
        }
        words[done / WORD_BITS] = word;
        any |= word;
        low = high;
    }
    return any;
}

/* Clears the bits of rows that the snapshot still sees; returns what is left, or'ed. */
static uint64_t keep_invisible(const struct delete_map *map, const struct delete_group *group,
                               uint32_t first, uint32_t count, uint64_t snapshot, uint64_t *words)
{
    uint64_t any = 0;
    struct epoch_ticket ticket = epoch_enter(map->epoch);
    const struct recent_table *table = atomic_load_explicit(&group->recent, memory_order_acquire);
    for (uint32_t done = 0; done < count; done += WORD_BITS) {
        uint64_t *word = &words[done / WORD_BITS];
        for (uint64_t rest = *word; rest != 0; rest &= rest - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(rest);
            uint32_t row = first + done + bit;
            if (table_find(table, row) > snapshot || ranges_find(group, row) > snapshot) {
                *word &= ~((uint64_t)1 << bit);
            }
        }
        any |= *word;
    }
    epoch_exit(map->epoch, ticket);
    return any;
}

/* Positions of the set bits of each nibble, four 16-bit lanes, lowest first. */
static const uint64_t nibble_offsets[16] = {
    0x0, 0x0,     0x1,     0x10000,     0x2,     0x20000,     0x20001,     0x200010000,
    0x3, 0x30000, 0x30001, 0x300010000, 0x30002, 0x300020000, 0x300020001, 0x3000200010000,
};

static const uint8_t nibble_counts[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

/* Writes the offsets of the zero bits of a full word at `out`; returns how many. Four rows a step,
 * without branches: lanes past the count are overwritten by the next step. */
static uint32_t expand_word(uint64_t ended, uint32_t base, uint16_t *out)
{
    if (ended == 0) {
        for (uint32_t bit = 0; bit < WORD_BITS; bit++) {
            out[bit] = (uint16_t)(base + bit);
        }
        return WORD_BITS;
    }
    uint64_t visible = ~ended;
    uint32_t count = 0;
    for (uint32_t bit = 0; bit < WORD_BITS; bit += 4) {
        uint32_t nibble = (uint32_t)(visible >> bit) & 15;
        uint64_t lanes = nibble_offsets[nibble] + (base + bit) * (uint64_t)0x0001000100010001;
        memcpy(out + count, &lanes, sizeof lanes);
        count += nibble_counts[nibble]; // Builds for any x86-64 have no instruction for it.
    }
    return count;
}

static uint32_t expand(const uint64_t *words, uint32_t row_count, uint16_t *offsets_out)
{
    uint32_t count = 0;
    uint32_t row = 0;
    for (; row + WORD_BITS <= row_count; row += WORD_BITS) {
        count += expand_word(words[row / WORD_BITS], row, offsets_out + count);
    }
    // The rest bit by bit, so that nothing is written past what was asked for.
    for (; row < row_count; row++) {
        if ((words[row / WORD_BITS] >> (row % WORD_BITS) & 1) == 0) {
            offsets_out[count++] = (uint16_t)row;
        }
    }
    return count;
}

uint32_t delete_map_select(const struct delete_map *map, uint64_t first_row, uint32_t row_count,
                           uint64_t snapshot, uint16_t *offsets_out)
{
    ASSERT(row_count <= GROUP_WINDOW_ROW_COUNT);
    if (row_count == 0) {
        return 0;
    }
    const struct delete_group *group = group_at(map, first_row / DELETE_MAP_GROUP_ROW_COUNT);
    if (group == NULL) {
        return row_count;
    }
    uint32_t first = (uint32_t)(first_row % DELETE_MAP_GROUP_ROW_COUNT);
    uint32_t last = first + row_count - 1;
    ASSERT(last < group->word_count * WORD_BITS);
    if (atomic_load_explicit(&group->window_counts[first / GROUP_WINDOW_ROW_COUNT],
                             memory_order_acquire) == 0 &&
        atomic_load_explicit(&group->window_counts[last / GROUP_WINDOW_ROW_COUNT],
                             memory_order_acquire) == 0) {
        return row_count;
    }
    uint64_t words[GROUP_WINDOW_ROW_COUNT / WORD_BITS];
    uint64_t any = load_ended(group, first, row_count, words);
    // The maximum after the bits: an end newer than the snapshot may have come in between.
    if (any != 0 && snapshot < atomic_load_explicit(&group->end_max, memory_order_acquire)) {
        any = keep_invisible(map, group, first, row_count, snapshot, words);
    }
    return any == 0 ? row_count : expand(words, row_count, offsets_out);
}

uint64_t delete_map_count(const struct delete_map *map)
{
    return atomic_load_explicit(&map->count, memory_order_relaxed);
}

uint64_t delete_map_recent_count(const struct delete_map *map)
{
    return atomic_load_explicit(&map->recent_count, memory_order_relaxed);
}

bool delete_map_next(const struct delete_map *map, uint64_t *row_inout, uint64_t *timestamp_out)
{
    uint64_t row = *row_inout;
    while (row < map->row_count) {
        uint64_t number = row / DELETE_MAP_GROUP_ROW_COUNT;
        const struct delete_group *group = group_at(map, number);
        if (group == NULL) {
            row = (number + 1) * DELETE_MAP_GROUP_ROW_COUNT;
            continue;
        }
        uint32_t at = (uint32_t)(row % DELETE_MAP_GROUP_ROW_COUNT);
        uint64_t word = atomic_load_explicit(&group->words[at / WORD_BITS], memory_order_relaxed);
        word &= UINT64_MAX << (at % WORD_BITS);
        if (word == 0) {
            row = (row / WORD_BITS + 1) * WORD_BITS;
            continue;
        }
        row = row / WORD_BITS * WORD_BITS + (uint32_t)__builtin_ctzll(word);
        *timestamp_out =
            delete_group_timestamp(group, (uint32_t)(row % DELETE_MAP_GROUP_ROW_COUNT));
        *row_inout = row;
        return true;
    }
    return false;
}
