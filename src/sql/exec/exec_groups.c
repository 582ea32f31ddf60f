#include "sql/exec/exec_groups.h"

#include <string.h>

#include "base/codec.h"
#include "base/hash.h"
#include "types/numeric.h"
#include "types/packed.h"

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_unsigned;

#define MICROSECONDS_PER_DAY ((int64_t)86400 * 1000000)

enum key_kind {
    KEY_WORD = 1, /* An integer of any width. */
    KEY_FLOAT,    /* As double: -0 is 0, all NaNs are one. */
    KEY_VIEW,
    KEY_NUMERIC, /* A view of long form; the display scale is no part of the value. */
    KEY_WIDE,
    KEY_INTERVAL, /* Its length. */
    KEY_FIXED,    /* The bytes that count as a view: of vectors and packed values. */
};

/* ---- layout ---- */

static enum key_kind kind_of(struct type type)
{
    switch (type_physical(type)) {
    case PHYSICAL_VIEW:
        return type.id == TYPE_NUMERIC ? KEY_NUMERIC : packed_type(type) ? KEY_FIXED : KEY_VIEW;
    case PHYSICAL_FIXED:
        return KEY_FIXED;
    case PHYSICAL_16:
        return type.id == TYPE_INTERVAL ? KEY_INTERVAL : KEY_WIDE;
    case PHYSICAL_1:
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8:
        break;
    }
    return type.id == TYPE_FLOAT4 || type.id == TYPE_FLOAT8 ? KEY_FLOAT : KEY_WORD;
}

tdbplus_status key_layout_make(struct exec *exec, const struct type *types, uint32_t column_count,
                               struct key_layout *layout_out)
{
    struct key_layout layout = {
        .column_count = column_count, .size = 8, .plain = true, .uniform = true};
    if (column_count > GROUP_KEY_COUNT_MAX) {
        return err_set(exec->call->err, TDBPLUS_E_LIMIT, "at most %u columns in a key",
                       GROUP_KEY_COUNT_MAX);
    }
    layout.kinds = arena_array(&exec->arena, column_count + 1u, 1);
    layout.offsets = arena_array(&exec->arena, column_count + 1u, sizeof(uint32_t));
    if (layout.kinds == NULL || layout.offsets == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < column_count; c++) {
        enum key_kind kind = kind_of(types[c]);
        layout.kinds[c] = (uint8_t)kind;
        layout.offsets[c] = layout.size;
        layout.size += kind == KEY_WORD || kind == KEY_FLOAT ? 8 : 16;
        layout.uniform =
            layout.uniform && (kind == KEY_WORD || kind == KEY_VIEW || kind == KEY_WIDE);
        layout.plain = layout.plain && kind != KEY_VIEW && kind != KEY_NUMERIC && kind != KEY_FIXED;
    }
    *layout_out = layout;
    return TDBPLUS_OK;
}

/* ---- keys ---- */

/* One multiplication: cheap, and every bit of both reaches the middle ones. */
static inline uint64_t mix(uint64_t hash, uint64_t word)
{
    wide_unsigned product =
        (wide_unsigned)(hash ^ word ^ 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t float_word(double value)
{
    uint64_t bits = 0;
    value = value != value ? (double)__builtin_nan("") : value == 0 ? 0.0 : value;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t view_hash(const struct view *view, uint64_t hash)
{
    if (view->size > VIEW_INLINE_SIZE_MAX) {
        return mix(hash, hash_bytes(view_span(view), 0));
    }
    uint64_t words[2];
    memcpy(words, view, sizeof words);
    return mix(mix(hash, words[0]), words[1]);
}

struct storing {
    const struct column *column;
    const struct func_rows *rows;
    const uint8_t *data;
    const uint32_t *codes; /* Of a dictionary. */
    uint32_t mask;         /* 0 for a constant. */
    uint8_t *at;           /* The column's place in the first key. */
    uint32_t stride;
    uint64_t *hashes;
};

static inline uint32_t place(const struct storing *storing, uint32_t i)
{
    uint32_t row = rows_at(storing->rows, i);
    return storing->codes != NULL ? storing->codes[row] : row & storing->mask;
}

#define STORE_WORDS(CTYPE, WORD)                                                             \
    for (uint32_t i = 0; i < count; i++, at += storing->stride) {                            \
        const CTYPE value = ((const CTYPE *)(const void *)storing->data)[place(storing, i)]; \
        const uint64_t word = (uint64_t)(WORD);                                              \
        memcpy(at, &word, 8);                                                                \
        storing->hashes[i] = mix(storing->hashes[i], word);                                  \
    }

static void store_words(const struct storing *storing)
{
    uint8_t *at = storing->at;
    uint32_t count = storing->rows->count;
    struct type type = storing->column->type;
    switch (type_physical(type)) {
    case PHYSICAL_1:
        STORE_WORDS(uint8_t, value)
        return;
    case PHYSICAL_2:
        STORE_WORDS(int16_t, (int64_t)value)
        return;
    case PHYSICAL_4:
        if (type.id == TYPE_FLOAT4) {
            STORE_WORDS(float, float_word((double)value))
        } else {
            STORE_WORDS(int32_t, (int64_t)value)
        }
        return;
    case PHYSICAL_8:
        if (type.id == TYPE_FLOAT8) {
            STORE_WORDS(double, float_word(value))
        } else {
            STORE_WORDS(int64_t, value)
        }
        return;
    case PHYSICAL_16:
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        return;
    }
}

static void store_views(const struct storing *storing)
{
    uint8_t *at = storing->at;
    const struct view *views = (const struct view *)(const void *)storing->data;
    for (uint32_t i = 0; i < storing->rows->count; i++, at += storing->stride) {
        const struct view *view = &views[place(storing, i)];
        memcpy(at, view, sizeof *view);
        storing->hashes[i] = view_hash(view, storing->hashes[i]);
    }
}

/* Values that need work before they compare: one at a time. */
static tdbplus_status store_others(struct exec *exec, const struct storing *storing,
                                   enum key_kind kind, struct arena *arena)
{
    uint8_t *at = storing->at;
    for (uint32_t i = 0; i < storing->rows->count; i++, at += storing->stride) {
        struct datum value;
        struct view view = {0};
        wide_int wide = 0;
        column_get(storing->column, rows_at(storing->rows, i), &value);
        if (value.is_null) {
            memset(at, 0, sizeof view);
            continue;
        }
        if (kind == KEY_INTERVAL) {
            wide = ((wide_int)value.interval.months * 30 + value.interval.days) *
                       MICROSECONDS_PER_DAY +
                   value.interval.microseconds;
        } else if (kind == KEY_WIDE && value.type.id == TYPE_UUID) {
            memcpy(&wide, value.uuid, sizeof wide);
        } else if (kind == KEY_WIDE) {
            wide = value.wide;
        } else if (kind != KEY_NUMERIC) {
            view = view_of(packed_significant(value.type, value.bytes));
        } else {
            uint8_t *copy = arena_bytes(arena, value.bytes.size + 1);
            if (copy == NULL) {
                return exec_no_memory(exec);
            }
            memcpy(copy, value.bytes.data, value.bytes.size);
            memset(copy + 2, 0, 2); // The display scale.
            view = view_of((struct span){.data = copy, .size = value.bytes.size});
        }
        if (kind == KEY_INTERVAL || kind == KEY_WIDE) {
            uint64_t words[2];
            memcpy(words, &wide, sizeof words);
            memcpy(at, words, sizeof words);
            storing->hashes[i] = mix(mix(storing->hashes[i], words[0]), words[1]);
        } else {
            memcpy(at, &view, sizeof view);
            storing->hashes[i] = view_hash(&view, storing->hashes[i]);
        }
    }
    return TDBPLUS_OK;
}

/* What a null's place held must not tell nulls apart. */
static bool mark_nulls(const struct storing *storing, uint8_t *keys, uint32_t column,
                       uint32_t width)
{
    uint8_t *at = storing->at;
    uint8_t *mask = keys;
    bool any = false;
    for (uint32_t i = 0; i < storing->rows->count;
         i++, at += storing->stride, mask += storing->stride) {
        if (column_is_null(storing->column, rows_at(storing->rows, i))) {
            uint64_t word;
            memcpy(&word, mask, sizeof word);
            word |= (uint64_t)1 << column;
            memcpy(mask, &word, sizeof word);
            memset(at, 0, width);
            any = true;
        }
    }
    return any;
}

/* The hash of a null must not be that of what lies behind it. */
static void rehash(const struct key_layout *layout, struct key_rows *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *key = keys->keys + (size_t)layout->size * i;
        uint64_t hash = *(const uint64_t *)(const void *)key;
        for (uint32_t c = 0; c < layout->column_count; c++) {
            const uint8_t *at = key + layout->offsets[c];
            switch ((enum key_kind)layout->kinds[c]) {
            case KEY_WORD:
            case KEY_FLOAT:
                hash = mix(hash, *(const uint64_t *)(const void *)at);
                break;
            case KEY_WIDE:
            case KEY_INTERVAL:
                hash = mix(mix(hash, *(const uint64_t *)(const void *)at),
                           *(const uint64_t *)(const void *)(at + 8));
                break;
            case KEY_VIEW:
            case KEY_NUMERIC:
            case KEY_FIXED:
                hash = view_hash((const struct view *)(const void *)at, hash);
                break;
            }
        }
        keys->hashes[i] = hash;
    }
}

tdbplus_status key_rows_make(struct exec *exec, const struct key_layout *layout,
                             const struct column *columns, const struct func_rows *rows,
                             struct arena *arena, struct key_rows *keys_out)
{
    struct key_rows made = {0};
    made.keys = arena_alloc(arena, (size_t)layout->size * (rows->count + 1u));
    made.hashes = arena_array(arena, rows->count + 1u, sizeof(uint64_t));
    if (made.keys == NULL || made.hashes == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        memset(made.keys + (size_t)layout->size * i, 0, 8);
    }
    for (uint32_t c = 0; c < layout->column_count; c++) {
        const struct column *column = &columns[c];
        bool dictionary = column->form == COLUMN_DICTIONARY;
        enum key_kind kind = (enum key_kind)layout->kinds[c];
        struct storing storing = {.column = column,
                                  .rows = rows,
                                  .data = dictionary ? column->dictionary->data : column->data,
                                  .codes = dictionary ? column->codes : NULL,
                                  .mask = column->form == COLUMN_CONSTANT ? 0 : UINT32_MAX,
                                  .at = made.keys + layout->offsets[c],
                                  .stride = layout->size,
                                  .hashes = made.hashes};
        bool nullable =
            column->validity != NULL || (dictionary && column->dictionary->validity != NULL);
        if (kind == KEY_WORD || kind == KEY_FLOAT) {
            store_words(&storing);
        } else if (kind == KEY_VIEW && !nullable) {
            store_views(&storing);
        } else {
            // A null's view may point anywhere.
            TRY(store_others(exec, &storing, kind, arena));
        }
        if (nullable) {
            uint32_t width = kind == KEY_WORD || kind == KEY_FLOAT ? 8 : 16;
            made.has_nulls = mark_nulls(&storing, made.keys, c, width) || made.has_nulls;
        }
    }
    // Whether a batch has nulls must not change the hash of a key.
    if (made.has_nulls) {
        rehash(layout, &made, rows->count);
    }
    *keys_out = made;
    return TDBPLUS_OK;
}

/* ---- the table ---- */

#define SLOT_SALT_SHIFT 48u
#define SLOT_ADDRESS    (((uint64_t)1 << SLOT_SALT_SHIFT) - 1)
#define SLOT_COUNT_MIN  ((size_t)1024)
#define PREFETCH_SLOTS  ((size_t)32768)     /* Smaller tables lie in the second cache. */
#define RECORD_KEY      8u                  /* After the hash. */
#define DIRECT_MAX      ((uint64_t)1 << 21) /* Values; */
#define DIRECT_DENSE    12u                 /* or so many for each record, */
#define DIRECT_MOST     ((uint64_t)1 << 25) /* up to these. */

void group_table_init(struct group_table *table, const struct key_layout *layout,
                      uint32_t payload_size, struct arena *arena, const struct alloc *alloc)
{
    *table = (struct group_table){.layout = *layout, .arena = arena, .alloc = alloc};
    // States of aggregates want to be aligned to 16.
    table->payload_offset = (RECORD_KEY + layout->size + 15u) / 16u * 16u;
    table->record_size = (table->payload_offset + payload_size + 15u) / 16u * 16u;
    table->direct_possible = layout->column_count == 1 && layout->kinds[0] == KEY_WORD;
}

static void direct_release(struct group_table *table)
{
    alloc_free(table->alloc, table->direct, table->direct_count, sizeof *table->direct);
    table->direct = NULL;
    table->direct_count = 0;
}

void group_table_deinit(struct group_table *table)
{
    if (table->alloc != NULL) {
        alloc_free(table->alloc, table->slots, table->slot_count, sizeof *table->slots);
        direct_release(table);
    }
    *table = (struct group_table){0};
}

void group_table_clear(struct group_table *table)
{
    if (table->count > 0 && table->slot_count > 0) {
        memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    }
    // Far fewer values are there than there is room for.
    for (uint32_t i = 0; table->direct_used && i < table->count; i++) {
        int64_t value = 0;
        memcpy(&value, group_table_record(table, i) + RECORD_KEY + 8, sizeof value);
        table->direct[value - table->direct_base] = NULL;
    }
    table->count = 0;
    table->blocks = NULL;
    table->block_capacity = 0;
    table->direct_possible = table->layout.column_count == 1 && table->layout.kinds[0] == KEY_WORD;
}

static uint64_t salt_of(uint64_t hash)
{
    return hash >> SLOT_SALT_SHIFT;
}

static uint64_t slot_of(uint64_t hash, const uint8_t *record)
{
    return salt_of(hash) << SLOT_SALT_SHIFT | (uint64_t)(uintptr_t)record;
}

static uint8_t *record_of(uint64_t slot)
{
    return (uint8_t *)(uintptr_t)(slot & SLOT_ADDRESS);
}

static uint64_t hash_of(const uint8_t *record)
{
    return *(const uint64_t *)(const void *)record;
}

/* Room for `more` records at a load of at most a half; puts every record into its slot. */
static bool reserve(struct group_table *table, size_t more)
{
    size_t wanted = ((size_t)table->count + more) * 2;
    if (wanted <= table->slot_count) {
        return true;
    }
    size_t slot_count = table->slot_count == 0 ? SLOT_COUNT_MIN : table->slot_count;
    while (slot_count < wanted) {
        slot_count *= 2;
    }
    slot_count = table->slot_count > PREFETCH_SLOTS ? slot_count * 2 : slot_count;
    uint64_t *slots = alloc_array(table->alloc, slot_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        const uint8_t *record = group_table_record(table, i);
        size_t at = hash_of(record) & (slot_count - 1);
        while (slots[at] != 0) {
            at = (at + 1) & (slot_count - 1);
        }
        slots[at] = slot_of(hash_of(record), record);
    }
    alloc_free(table->alloc, table->slots, table->slot_count, sizeof *table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    return true;
}

static bool same_views(const struct view *left, const struct view *right)
{
    if (memcmp(left, right, 8) != 0) {
        return false;
    }
    if (left->size <= VIEW_INLINE_SIZE_MAX) {
        return memcmp(left->inlined + 4, right->inlined + 4, 8) == 0;
    }
    return memcmp(left->far.data, right->far.data, left->size) == 0;
}

static bool same_key(const struct key_layout *layout, const uint8_t *left, const uint8_t *right)
{
    const uint64_t *left_words = (const uint64_t *)(const void *)left;
    const uint64_t *right_words = (const uint64_t *)(const void *)right;
    if (layout->plain) {
        uint64_t difference = 0;
        for (uint32_t i = 0; i < layout->size / 8; i++) {
            difference |= left_words[i] ^ right_words[i];
        }
        return difference == 0;
    }
    if (left_words[0] != right_words[0]) {
        return false;
    }
    for (uint32_t c = 0; c < layout->column_count; c++) {
        uint32_t at = layout->offsets[c];
        uint8_t kind = layout->kinds[c];
        bool same;
        if (kind == KEY_VIEW || kind == KEY_NUMERIC || kind == KEY_FIXED) {
            same = same_views((const struct view *)(const void *)(left + at),
                              (const struct view *)(const void *)(right + at));
        } else {
            same =
                memcmp(left + at, right + at, kind == KEY_WORD || kind == KEY_FLOAT ? 8 : 16) == 0;
        }
        if (!same) {
            return false;
        }
    }
    return true;
}

static void prefetch(const struct group_table *table, const uint64_t *hashes, uint32_t count)
{
    size_t mask = table->slot_count - 1;
    if (table->slot_count < PREFETCH_SLOTS) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(&table->slots[hashes[i] & mask], 0, 2);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t slot = table->slots[hashes[i] & mask];
        if (slot >> SLOT_SALT_SHIFT == salt_of(hashes[i])) {
            __builtin_prefetch(record_of(slot), 1, 2);
        }
    }
}

/* A copy of long keys' bytes, for a record that outlives the batch. */
static bool keep_bytes(struct group_table *table, uint8_t *key)
{
    const struct key_layout *layout = &table->layout;
    for (uint32_t c = 0; !layout->plain && c < layout->column_count; c++) {
        uint8_t kind = layout->kinds[c];
        struct view *view = (struct view *)(void *)(key + layout->offsets[c]);
        if ((kind != KEY_VIEW && kind != KEY_NUMERIC && kind != KEY_FIXED) ||
            view->size <= VIEW_INLINE_SIZE_MAX) {
            continue;
        }
        uint8_t *bytes = arena_bytes(table->arena, view->size);
        if (bytes == NULL) {
            return false;
        }
        memcpy(bytes, view->far.data, view->size);
        view->far.data = bytes;
    }
    return true;
}

static uint8_t *next_record(struct group_table *table)
{
    uint32_t block = table->count / GROUP_BLOCK_COUNT;
    if (table->count % GROUP_BLOCK_COUNT == 0) {
        if (block == table->block_capacity) {
            uint32_t capacity = table->block_capacity == 0 ? 16 : table->block_capacity * 2;
            uint8_t **blocks = arena_array(table->arena, capacity, sizeof *blocks);
            if (blocks == NULL) {
                return NULL;
            }
            if (block > 0) {
                memcpy(blocks, table->blocks, block * sizeof *blocks);
            }
            table->blocks = blocks;
            table->block_capacity = capacity;
        }
        table->blocks[block] = arena_array(table->arena, GROUP_BLOCK_COUNT, table->record_size);
        if (table->blocks[block] == NULL) {
            return NULL;
        }
    }
    return group_table_record(table, table->count);
}

static uint8_t *add_record(struct group_table *table, const uint8_t *key, uint64_t hash)
{
    uint8_t *record = next_record(table);
    if (record == NULL) {
        return NULL;
    }
    memcpy(record, &hash, sizeof hash);
    memcpy(record + RECORD_KEY, key, table->layout.size);
    if (!keep_bytes(table, record + RECORD_KEY)) {
        return NULL;
    }
    table->count++;
    return record;
}

tdbplus_status group_table_use_hashes(struct group_table *table, struct exec *exec)
{
    if (table->direct_used) {
        direct_release(table);
        table->direct_used = false;
        // The records so far are in no slots, although there may be slots from before a clearing.
        alloc_free(table->alloc, table->slots, table->slot_count, sizeof *table->slots);
        table->slots = NULL;
        table->slot_count = 0;
    }
    table->direct_possible = false;
    return reserve(table, 0) ? TDBPLUS_OK : exec_no_memory(exec);
}

tdbplus_status group_table_add(struct group_table *table, struct exec *exec,
                               const struct key_rows *keys, uint32_t count, uint8_t **records_out,
                               uint16_t *fresh, uint32_t *fresh_count_out)
{
    uint32_t fresh_count = 0;
    TRY(group_table_use_hashes(table, exec));
    if (!reserve(table, count)) {
        return exec_no_memory(exec);
    }
    prefetch(table, keys->hashes, count);
    size_t mask = table->slot_count - 1;
    const uint8_t *key = keys->keys;
    for (uint32_t i = 0; i < count; i++, key += table->layout.size) {
        uint64_t hash = keys->hashes[i];
        for (size_t at = hash & mask;; at = (at + 1) & mask) {
            uint64_t slot = table->slots[at];
            if (slot == 0) {
                uint8_t *record = add_record(table, key, hash);
                if (record == NULL) {
                    return exec_no_memory(exec);
                }
                table->slots[at] = slot_of(hash, record);
                records_out[i] = record;
                fresh[fresh_count++] = (uint16_t)i;
                break;
            }
            if (slot >> SLOT_SALT_SHIFT == salt_of(hash) &&
                same_key(&table->layout, record_of(slot) + RECORD_KEY, key)) {
                records_out[i] = record_of(slot);
                break;
            }
        }
    }
    *fresh_count_out = fresh_count;
    return TDBPLUS_OK;
}

static uint8_t *find_record(const struct group_table *table, const uint8_t *key, uint64_t hash)
{
    if (table->count == 0) {
        return NULL;
    }
    size_t mask = table->slot_count - 1;
    for (size_t at = hash & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        uint64_t slot = table->slots[at];
        if (slot >> SLOT_SALT_SHIFT == salt_of(hash) &&
            same_key(&table->layout, record_of(slot) + RECORD_KEY, key)) {
            return record_of(slot);
        }
    }
    return NULL;
}

static void prefetch_parts(const struct group_table *tables, uint32_t part_count,
                           const uint64_t *hashes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct group_table *table = &tables[group_part(hashes[i], part_count)];
        if (table->count > 0) {
            __builtin_prefetch(&table->slots[hashes[i] & (table->slot_count - 1)], 0, 2);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct group_table *table = &tables[group_part(hashes[i], part_count)];
        uint64_t slot = table->count == 0 ? 0 : table->slots[hashes[i] & (table->slot_count - 1)];
        if (slot != 0 && slot >> SLOT_SALT_SHIFT == salt_of(hashes[i])) {
            __builtin_prefetch(record_of(slot), 1, 2);
        }
    }
}

void group_table_find(const struct group_table *tables, uint32_t part_count,
                      const struct key_rows *keys, uint32_t count, uint8_t **records_out)
{
    const uint8_t *key = keys->keys;
    size_t size = tables->layout.size;
    if (part_count > 1) {
        prefetch_parts(tables, part_count, keys->hashes, count);
    } else if (tables->count > 0) {
        prefetch(tables, keys->hashes, count);
    }
    for (uint32_t i = 0; i < count; i++, key += size) {
        const struct group_table *table = &tables[group_part(keys->hashes[i], part_count)];
        records_out[i] = find_record(table, key, keys->hashes[i]);
    }
}

/* ---- one integer, by value ---- */

#define READ_INTEGERS(CTYPE)                                                               \
    for (uint32_t i = 0; i < rows->count; i++) {                                           \
        const int64_t value =                                                              \
            ((const CTYPE *)                                                               \
                 data)[codes != NULL ? codes[rows_at(rows, i)] : rows_at(rows, i) & mask]; \
        values[i] = value;                                                                 \
        min = value < min ? value : min;                                                   \
        max = value > max ? value : max;                                                   \
    }

static void read_integers(const struct column *column, const struct func_rows *rows,
                          int64_t *values, int64_t *min_out, int64_t *max_out)
{
    bool dictionary = column->form == COLUMN_DICTIONARY;
    const void *data = dictionary ? column->dictionary->data : column->data;
    const uint32_t *codes = dictionary ? column->codes : NULL;
    uint32_t mask = column->form == COLUMN_CONSTANT ? 0 : UINT32_MAX;
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    switch ((int)type_physical(column->type)) {
    case PHYSICAL_1:
        READ_INTEGERS(uint8_t)
        break;
    case PHYSICAL_2:
        READ_INTEGERS(int16_t)
        break;
    case PHYSICAL_4:
        READ_INTEGERS(int32_t)
        break;
    default:
        READ_INTEGERS(int64_t)
        break;
    }
    *min_out = min;
    *max_out = max;
}

/* Makes room for values in [min, max]; false when that is too much. */
static bool direct_cover(struct group_table *table, int64_t min, int64_t max, bool *no_memory)
{
    // As distances from the base, which may be negative.
    if (table->direct_used && min >= table->direct_base &&
        (uint64_t)max - (uint64_t)table->direct_base < table->direct_count) {
        return true;
    }
    if (table->direct_used && table->count == 0 &&
        (uint64_t)max - (uint64_t)min < table->direct_count / 2) {
        // Cleared, and wide enough for other values.
        table->direct_base = min;
        return min <= INT64_MAX - (int64_t)table->direct_count;
    }
    int64_t low = table->direct_used && table->direct_base < min ? table->direct_base : min;
    int64_t last = table->direct_used ? table->direct_base + (int64_t)table->direct_count - 1 : max;
    int64_t high = last > max ? last : max;
    uint64_t range = (uint64_t)high - (uint64_t)low;
    bool dense = range < DIRECT_MOST && range / DIRECT_DENSE < table->count;
    if (range >= DIRECT_MAX && !dense) {
        return false;
    }
    // Some room to either side, so that ascending values do not copy each time.
    size_t room = table->direct_used ? (size_t)range / 2 : (size_t)range / 16 + 64;
    int64_t base = low < INT64_MIN + (int64_t)room ? low : low - (int64_t)room;
    size_t count = (size_t)((uint64_t)high - (uint64_t)base) + 1 + room;
    if (high > INT64_MAX - (int64_t)count) {
        return false;
    }
    if (table->direct_size_max != 0 && count > table->direct_size_max / sizeof(uint8_t *)) {
        return false;
    }
    uint8_t **direct = alloc_array(table->alloc, count, sizeof *direct);
    if (direct == NULL) {
        *no_memory = true;
        return false;
    }
    if (table->direct_used) {
        memcpy(direct + (table->direct_base - base), table->direct,
               table->direct_count * sizeof *direct);
    }
    direct_release(table);
    table->direct = direct;
    table->direct_count = count;
    table->direct_base = base;
    table->direct_used = true;
    return true;
}

tdbplus_status group_table_add_direct(struct group_table *table, struct exec *exec,
                                      const struct column *column, const struct func_rows *rows,
                                      struct arena *arena, uint8_t **records_out, uint16_t *fresh,
                                      uint32_t *fresh_count_out, bool *done_out)
{
    *done_out = false;
    bool nullable = column->validity != NULL ||
                    (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL);
    if (!table->direct_possible || nullable || rows->count == 0) {
        return TDBPLUS_OK;
    }
    int64_t *values = arena_alloc(arena, rows->count * sizeof *values);
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    int64_t min = 0;
    int64_t max = 0;
    bool no_memory = false;
    read_integers(column, rows, values, &min, &max);
    if (!direct_cover(table, min, max, &no_memory)) {
        return no_memory ? exec_no_memory(exec) : TDBPLUS_OK;
    }
    uint8_t **direct = table->direct;
    int64_t base = table->direct_base;
    if (table->direct_count > PREFETCH_SLOTS) {
        for (uint32_t i = 0; i < rows->count; i++) {
            __builtin_prefetch(&direct[values[i] - base], 0, 2);
        }
        for (uint32_t i = 0; i < rows->count; i++) {
            __builtin_prefetch(direct[values[i] - base] + table->payload_offset, 1, 2);
        }
    }
    uint32_t fresh_count = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint8_t *record = direct[values[i] - base];
        if (record == NULL) {
            uint64_t key[2] = {0, (uint64_t)values[i]};
            record = add_record(table, (const uint8_t *)key, mix(0, key[1]));
            if (record == NULL) {
                return exec_no_memory(exec);
            }
            direct[values[i] - base] = record;
            fresh[fresh_count++] = (uint16_t)i;
        }
        records_out[i] = record;
    }
    *fresh_count_out = fresh_count;
    *done_out = true;
    return TDBPLUS_OK;
}
