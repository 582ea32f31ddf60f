#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "storage/memtable/delete_map_internal.h"

/*
 * Ended rows as bytes: the portable 64-bit Roaring format (RoaringFormatSpec: a count of 32-bit
 * bitmaps, each with its high half and the portable 32-bit format), written in one canonical way:
 * each container in its smallest form, the run cookie only where there is a run.
 *
 * Written and read here instead of by CRoaring, because version 0.2 neither checks what it reads
 * nor survives failing memory, and a group of the map already is one container's bitmap.
 */

#define COOKIE_PLAIN      12346u
#define COOKIE_RUNS       12347u
#define OFFSETS_FROM      4u /* With runs, offsets stand only from so many containers on. */
#define ARRAY_COUNT_MAX   4096u
#define BITMAP_SIZE       8192u
#define WORD_BITS         64u
#define GROUPS_PER_MAP    65536u
#define RUN_FLAGS_SIZE(n) (((n) + 7u) / 8u)

enum container_form {
    CONTAINER_ARRAY,
    CONTAINER_BITMAP,
    CONTAINER_RUNS,
};

/* ---- writing ---- */

/* What one group looks like to somebody at `timestamp`. */
struct container {
    uint32_t count;
    uint32_t run_count;
};

/* The bits of a word whose rows ended at or below `timestamp`. */
static uint64_t facts_of_word(const struct delete_group *group, uint32_t at, uint64_t timestamp)
{
    uint64_t word = atomic_load_explicit(&group->words[at], memory_order_relaxed);
    if (atomic_load_explicit(&group->end_max, memory_order_relaxed) <= timestamp) {
        return word;
    }
    for (uint64_t rest = word; rest != 0; rest &= rest - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(rest);
        if (delete_group_timestamp(group, at * WORD_BITS + bit) > timestamp) {
            word &= ~((uint64_t)1 << bit);
        }
    }
    return word;
}

static struct container measure(const struct delete_group *group, uint64_t timestamp)
{
    struct container container = {0};
    uint64_t carry = 0;
    for (uint32_t i = 0; group != NULL && i < group->word_count; i++) {
        uint64_t word = facts_of_word(group, i, timestamp);
        container.count += (uint32_t)__builtin_popcountll(word);
        // A run begins at each set bit whose lower neighbour is clear.
        container.run_count += (uint32_t)__builtin_popcountll(word & ~(word << 1 | carry));
        carry = word >> (WORD_BITS - 1);
    }
    return container;
}

static uint32_t form_size(enum container_form form, const struct container *container)
{
    switch (form) {
    case CONTAINER_ARRAY:
        return container->count * 2;
    case CONTAINER_BITMAP:
        return BITMAP_SIZE;
    case CONTAINER_RUNS:
    default:
        return 2 + container->run_count * 4;
    }
}

static enum container_form best_form(const struct container *container)
{
    enum container_form plain =
        container->count <= ARRAY_COUNT_MAX ? CONTAINER_ARRAY : CONTAINER_BITMAP;
    bool is_smaller = form_size(CONTAINER_RUNS, container) < form_size(plain, container);
    return is_smaller ? CONTAINER_RUNS : plain;
}

static void put_array(const struct delete_group *group, uint64_t timestamp, struct buffer *buffer)
{
    for (uint32_t i = 0; i < group->word_count; i++) {
        for (uint64_t rest = facts_of_word(group, i, timestamp); rest != 0; rest &= rest - 1) {
            uint32_t row = i * WORD_BITS + (uint32_t)__builtin_ctzll(rest);
            buffer_put_u16(buffer, (uint16_t)row);
        }
    }
}

static void put_bitmap(const struct delete_group *group, uint64_t timestamp, struct buffer *buffer)
{
    for (uint32_t i = 0; i < BITMAP_SIZE / sizeof(uint64_t); i++) {
        buffer_put_u64(buffer, i < group->word_count ? facts_of_word(group, i, timestamp) : 0);
    }
}

static void put_runs(const struct delete_group *group, uint64_t timestamp, uint32_t run_count,
                     struct buffer *buffer)
{
    buffer_put_u16(buffer, (uint16_t)run_count);
    uint32_t begin = UINT32_MAX;
    uint32_t end = 0; // Of the run that is being gathered, if `begin` is set.
    for (uint32_t i = 0; i < group->word_count; i++) {
        for (uint64_t rest = facts_of_word(group, i, timestamp); rest != 0; rest &= rest - 1) {
            uint32_t row = i * WORD_BITS + (uint32_t)__builtin_ctzll(rest);
            if (begin != UINT32_MAX && row == end) {
                end++;
                continue;
            }
            if (begin != UINT32_MAX) {
                buffer_put_u16(buffer, (uint16_t)begin);
                buffer_put_u16(buffer, (uint16_t)(end - begin - 1));
            }
            begin = row;
            end = row + 1;
        }
    }
    buffer_put_u16(buffer, (uint16_t)begin);
    buffer_put_u16(buffer, (uint16_t)(end - begin - 1));
}

/* The groups [first, last) of one 32-bit bitmap, at one timestamp. */
struct part {
    const struct delete_map *map;
    uint64_t timestamp;
    uint32_t first;
    uint32_t last;
    uint32_t container_count;
    uint32_t run_container_count;
};

static struct part part_of(const struct delete_map *map, uint64_t timestamp, uint32_t high)
{
    uint64_t first = (uint64_t)high * GROUPS_PER_MAP;
    uint64_t last = first + GROUPS_PER_MAP;
    struct part part = {
        .map = map,
        .timestamp = timestamp,
        .first = (uint32_t)first,
        .last = (uint32_t)(last < map->group_count ? last : map->group_count),
    };
    for (uint32_t i = part.first; i < part.last; i++) {
        struct container container = measure(group_at(map, i), timestamp);
        if (container.count > 0) {
            part.container_count++;
            part.run_container_count += best_form(&container) == CONTAINER_RUNS;
        }
    }
    return part;
}

/* Cookie and, with runs, a bit per container. */
static void put_cookie(const struct part *part, struct buffer *buffer)
{
    if (part->run_container_count == 0) {
        buffer_put_u32(buffer, COOKIE_PLAIN);
        buffer_put_u32(buffer, part->container_count);
        return;
    }
    buffer_put_u32(buffer, COOKIE_RUNS | (part->container_count - 1) << 16);
    uint32_t flags = 0;
    uint32_t number = 0;
    for (uint32_t i = part->first; i < part->last; i++) {
        struct container container = measure(group_at(part->map, i), part->timestamp);
        if (container.count == 0) {
            continue;
        }
        flags |= (uint32_t)(best_form(&container) == CONTAINER_RUNS) << (number % 8);
        number++;
        if (number % 8 == 0 || number == part->container_count) {
            buffer_put_u8(buffer, (uint8_t)flags);
            flags = 0;
        }
    }
}

static uint32_t header_size(uint32_t container_count, bool has_runs)
{
    uint32_t size = has_runs ? 4 + RUN_FLAGS_SIZE(container_count) : 8;
    size += container_count * 4;
    if (!has_runs || container_count >= OFFSETS_FROM) {
        size += container_count * 4;
    }
    return size;
}

static void put_part(const struct part *part, struct buffer *buffer)
{
    put_cookie(part, buffer);
    for (uint32_t i = part->first; i < part->last; i++) {
        struct container container = measure(group_at(part->map, i), part->timestamp);
        if (container.count > 0) {
            buffer_put_u16(buffer, (uint16_t)(i - part->first));
            buffer_put_u16(buffer, (uint16_t)(container.count - 1));
        }
    }
    bool has_runs = part->run_container_count > 0;
    uint32_t offset = header_size(part->container_count, has_runs);
    for (uint32_t i = part->first; i < part->last; i++) {
        struct container container = measure(group_at(part->map, i), part->timestamp);
        if (container.count > 0 && (!has_runs || part->container_count >= OFFSETS_FROM)) {
            buffer_put_u32(buffer, offset);
            offset += form_size(best_form(&container), &container);
        }
    }
    for (uint32_t i = part->first; i < part->last; i++) {
        const struct delete_group *group = group_at(part->map, i);
        struct container container = measure(group, part->timestamp);
        if (container.count == 0) {
            continue;
        }
        switch (best_form(&container)) {
        case CONTAINER_ARRAY:
            put_array(group, part->timestamp, buffer);
            break;
        case CONTAINER_BITMAP:
            put_bitmap(group, part->timestamp, buffer);
            break;
        case CONTAINER_RUNS:
        default:
            put_runs(group, part->timestamp, container.run_count, buffer);
        }
    }
}

void delete_map_encode(const struct delete_map *map, uint64_t timestamp, struct buffer *buffer)
{
    uint32_t high_count =
        map->group_count / GROUPS_PER_MAP + (map->group_count % GROUPS_PER_MAP != 0 ? 1 : 0);
    uint64_t part_count = 0;
    for (uint32_t high = 0; high < high_count; high++) {
        part_count += part_of(map, timestamp, high).container_count > 0;
    }
    buffer_put_u64(buffer, part_count);
    for (uint32_t high = 0; high < high_count; high++) {
        struct part part = part_of(map, timestamp, high);
        if (part.container_count > 0) {
            buffer_put_u32(buffer, high);
            put_part(&part, buffer);
        }
    }
}

/* ---- reading ---- */

/*
 * One walk over the bytes. With `map` NULL it only checks and allocates nothing; with a map it adds
 * the rows to groups that exist.
 */
struct walk {
    struct delete_map *map;
    const struct delete_map *bounds;
    bool makes_groups;
    bool is_out_of_memory;
};

/* The header of one 32-bit bitmap. */
struct part_header {
    uint32_t container_count;
    bool has_runs;
    const uint8_t *run_flags;
    struct span keys;
    struct span offsets; /* Empty when there are none. */
};

static bool read_part_header(struct reader *reader, struct part_header *header)
{
    uint32_t cookie = reader_u32(reader);
    header->has_runs = (cookie & 0xFFFF) == COOKIE_RUNS;
    if (header->has_runs) {
        header->container_count = (cookie >> 16) + 1;
        header->run_flags = reader_span(reader, RUN_FLAGS_SIZE(header->container_count)).data;
    } else {
        header->container_count = reader_u32(reader);
        if (cookie != COOKIE_PLAIN || header->container_count == 0 ||
            header->container_count > GROUPS_PER_MAP) {
            return false;
        }
    }
    header->keys = reader_span(reader, (size_t)header->container_count * 4);
    if (!header->has_runs || header->container_count >= OFFSETS_FROM) {
        header->offsets = reader_span(reader, (size_t)header->container_count * 4);
    }
    return !reader->overrun;
}

/* Rows of one container are handed over in ascending order; false when one is out of bounds. */
static bool add_rows(const struct walk *walk, uint64_t group_number, uint32_t first, uint32_t count)
{
    uint64_t base = group_number * DELETE_MAP_GROUP_ROW_COUNT;
    if (base + first + count > walk->bounds->row_count) {
        return false;
    }
    if (walk->map != NULL && !walk->makes_groups) {
        struct delete_group *group = group_at(walk->map, group_number);
        for (uint32_t row = first; row < first + count; row++) {
            delete_group_add_fact(walk->map, group, row);
        }
    }
    return true;
}

static bool read_array(const struct walk *walk, struct reader *reader, uint64_t group,
                       uint32_t count)
{
    uint32_t least = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = reader_u16(reader);
        if (reader->overrun || row < least || !add_rows(walk, group, row, 1)) {
            return false;
        }
        least = row + 1;
    }
    return true;
}

static bool read_bitmap(const struct walk *walk, struct reader *reader, uint64_t group,
                        uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < BITMAP_SIZE / sizeof(uint64_t); i++) {
        uint64_t word = reader_u64(reader);
        found += (uint32_t)__builtin_popcountll(word);
        for (; word != 0; word &= word - 1) {
            uint32_t row = i * WORD_BITS + (uint32_t)__builtin_ctzll(word);
            if (!add_rows(walk, group, row, 1)) {
                return false;
            }
        }
    }
    return !reader->overrun && found == count;
}

static bool read_runs(const struct walk *walk, struct reader *reader, uint64_t group,
                      uint32_t count)
{
    uint32_t run_count = reader_u16(reader);
    uint32_t least = 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < run_count; i++) {
        uint32_t first = reader_u16(reader);
        uint32_t length = (uint32_t)reader_u16(reader) + 1;
        // Runs that touch would be one run.
        if (reader->overrun || first < least || first + length > DELETE_MAP_GROUP_ROW_COUNT ||
            !add_rows(walk, group, first, length)) {
            return false;
        }
        least = first + length + 1;
        found += length;
    }
    return !reader->overrun && found == count;
}

static bool read_container(const struct walk *walk, struct reader *reader, uint64_t group,
                           uint32_t count, bool is_runs)
{
    if (is_runs) {
        return read_runs(walk, reader, group, count);
    }
    return count <= ARRAY_COUNT_MAX ? read_array(walk, reader, group, count)
                                    : read_bitmap(walk, reader, group, count);
}

static bool read_part(struct walk *walk, struct reader *reader, uint32_t high)
{
    const uint8_t *begin = reader->rest.data;
    struct part_header header = {0};
    if (!read_part_header(reader, &header)) {
        return false;
    }
    uint64_t least = (uint64_t)high * GROUPS_PER_MAP;
    for (uint32_t i = 0; i < header.container_count; i++) {
        uint64_t group =
            (uint64_t)high * GROUPS_PER_MAP + load_u16(header.keys.data + (size_t)i * 4);
        uint32_t count = (uint32_t)load_u16(header.keys.data + (size_t)i * 4 + 2) + 1;
        bool is_runs = header.has_runs && (header.run_flags[i / 8] >> (i % 8) & 1) != 0;
        size_t offset = (size_t)(reader->rest.data - begin);
        if (group < least || group >= walk->bounds->group_count ||
            (header.offsets.size > 0 && load_u32(header.offsets.data + (size_t)i * 4) != offset)) {
            return false;
        }
        least = group + 1;
        if (walk->makes_groups && delete_group_make(walk->map, group) == NULL) {
            walk->is_out_of_memory = true;
            return false;
        }
        if (!read_container(walk, reader, group, count, is_runs)) {
            return false;
        }
    }
    return true;
}

static bool read_all(struct walk *walk, struct span encoded)
{
    struct reader reader = reader_of(encoded);
    uint64_t part_count = reader_u64(&reader);
    uint64_t least = 0;
    for (uint64_t i = 0; i < part_count; i++) {
        uint32_t high = reader_u32(&reader);
        if (reader.overrun || high < least || !read_part(walk, &reader, high)) {
            return false;
        }
        least = (uint64_t)high + 1;
    }
    return !reader.overrun && reader.rest.size == 0;
}

tdbplus_status delete_map_load(struct delete_map *map, struct span encoded, struct err *err)
{
    ASSERT(delete_map_count(map) == 0);
    // Three walks: check everything, make the groups, add the rows. So a failure leaves the map
    // empty, and damaged bytes cost no memory.
    struct walk walk = {.bounds = map};
    if (!read_all(&walk, encoded)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "delete map: %zu bytes are no row set of %llu rows",
                       encoded.size, (unsigned long long)map->row_count);
    }
    walk.map = map;
    walk.makes_groups = true;
    if (!read_all(&walk, encoded)) {
        ASSERT(walk.is_out_of_memory);
        return err_set(err, TDBPLUS_E_NOMEM, "delete map: loading %zu bytes", encoded.size);
    }
    walk.makes_groups = false;
    bool is_added = read_all(&walk, encoded);
    ASSERT(is_added);
    return TDBPLUS_OK;
}
