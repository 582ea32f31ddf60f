/*
 * The table: a sorted array cut into blocks of 64 entries. One binary search over the blocks' first
 * keys, one in the block; an insertion moves at most one block's entries. A tree would be deeper
 * and no faster for the tens of thousands of entries that a large database has.
 *
 * A change first happens in memory and can be undone without memory: entries that an edit removes
 * stay as absent until the edit is durable.
 */

#include "storage/manifest/manifest_internal.h"

void manifest_table_init(struct manifest_table *table, const struct alloc *alloc)
{
    *table = (struct manifest_table){.alloc = alloc};
    list_init(&table->blocks, alloc, sizeof(struct manifest_block *));
}

static struct manifest_block *block_at(const struct manifest_table *table, size_t index)
{
    struct manifest_block **slot = list_at(&table->blocks, index);
    return *slot;
}

void manifest_table_deinit(struct manifest_table *table)
{
    for (size_t b = 0; b < table->blocks.count; b++) {
        struct manifest_block *block = block_at(table, b);
        for (uint32_t i = 0; i < block->count; i++) {
            alloc_free(table->alloc, block->entries[i].value, block->entries[i].size, 1);
        }
        alloc_free(table->alloc, block, 1, sizeof *block);
    }
    list_deinit(&table->blocks);
    table->count = 0;
}

static bool below(const struct manifest_entry *entry, uint8_t kind, uint64_t id)
{
    return entry->kind != kind ? entry->kind < kind : entry->id < id;
}

static bool same(const struct manifest_entry *entry, uint8_t kind, uint64_t id)
{
    return entry->kind == kind && entry->id == id;
}

/* The block where (kind, id) lies or belongs: the last whose first entry is not above it. */
static size_t find_block(const struct manifest_table *table, uint8_t kind, uint64_t id)
{
    size_t low = 0;
    size_t high = table->blocks.count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        const struct manifest_entry *first = &block_at(table, middle)->entries[0];
        if (below(first, kind, id) || same(first, kind, id)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first entry of the block that is not below (kind, id). */
static uint32_t find_entry(const struct manifest_block *block, uint8_t kind, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = block->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (below(&block->entries[middle], kind, id)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct manifest_entry *manifest_table_find(const struct manifest_table *table, uint8_t kind,
                                           uint64_t id)
{
    if (table->blocks.count == 0) {
        return NULL;
    }
    struct manifest_block *block = block_at(table, find_block(table, kind, id));
    uint32_t at = find_entry(block, kind, id);
    return at < block->count && same(&block->entries[at], kind, id) ? &block->entries[at] : NULL;
}

const struct manifest_entry *manifest_table_seek(const struct manifest_table *table, uint8_t kind,
                                                 uint64_t id)
{
    if (table->blocks.count == 0) {
        return NULL;
    }
    size_t b = find_block(table, kind, id);
    uint32_t at = find_entry(block_at(table, b), kind, id);
    for (; b < table->blocks.count; b++, at = 0) {
        const struct manifest_block *block = block_at(table, b);
        for (; at < block->count; at++) {
            if (block->entries[at].present) {
                return &block->entries[at];
            }
        }
    }
    return NULL;
}

/* Adds an empty block at `index`; NULL when memory is out. */
static struct manifest_block *insert_block(struct manifest_table *table, size_t index)
{
    struct manifest_block *block = alloc_array(table->alloc, 1, sizeof *block);
    if (block == NULL || list_push(&table->blocks, &block) == NULL) {
        alloc_free(table->alloc, block, 1, sizeof *block);
        return NULL;
    }
    struct manifest_block **slots = table->blocks.items;
    memmove(&slots[index + 1], &slots[index],
            (table->blocks.count - 1 - index) * sizeof(struct manifest_block *));
    slots[index] = block;
    return block;
}

/* Moves the upper half of a full block into a new one; at the table's end only its last entry, so
 * that ascending ids fill blocks. */
static bool split_block(struct manifest_table *table, size_t index)
{
    struct manifest_block *upper = insert_block(table, index + 1);
    if (upper == NULL) {
        return false;
    }
    struct manifest_block *block = block_at(table, index);
    bool at_end = index + 2 == table->blocks.count;
    uint32_t keep = at_end ? MANIFEST_BLOCK_COUNT_MAX - 1 : MANIFEST_BLOCK_COUNT_MAX / 2;
    upper->count = block->count - keep;
    memcpy(upper->entries, &block->entries[keep], upper->count * sizeof block->entries[0]);
    block->count = keep;
    return true;
}

struct manifest_entry *manifest_table_touch(struct manifest_table *table, uint8_t kind, uint64_t id)
{
    struct manifest_entry *found = manifest_table_find(table, kind, id);
    if (found != NULL) {
        return found;
    }
    if (table->blocks.count == 0 && insert_block(table, 0) == NULL) {
        return NULL;
    }
    size_t index = find_block(table, kind, id);
    struct manifest_block *block = block_at(table, index);
    if (block->count == MANIFEST_BLOCK_COUNT_MAX) {
        if (!split_block(table, index)) {
            return NULL;
        }
        block = block_at(table, find_block(table, kind, id));
    }
    uint32_t at = find_entry(block, kind, id);
    memmove(&block->entries[at + 1], &block->entries[at],
            (block->count - at) * sizeof block->entries[0]);
    block->count++;
    block->entries[at] = (struct manifest_entry){.id = id, .kind = kind};
    return &block->entries[at];
}

void manifest_table_drop(struct manifest_table *table, uint8_t kind, uint64_t id)
{
    size_t index = find_block(table, kind, id);
    struct manifest_block *block = block_at(table, index);
    uint32_t at = find_entry(block, kind, id);
    ASSERT(at < block->count && same(&block->entries[at], kind, id));
    ASSERT(block->entries[at].value == NULL);
    block->count--;
    memmove(&block->entries[at], &block->entries[at + 1],
            (block->count - at) * sizeof block->entries[0]);
    if (block->count == 0) {
        alloc_free(table->alloc, block, 1, sizeof *block);
        list_remove(&table->blocks, index);
    }
}

/* ---- edits ---- */

tdbplus_status manifest_change_decode(struct reader *reader, struct manifest_change *change_out,
                                      struct err *err)
{
    uint8_t change = reader_u8(reader);
    struct manifest_change decoded = {.kind = reader_u8(reader), .id = reader_varint(reader)};
    if (change == MANIFEST_CHANGE_PUT) {
        decoded.change = MANIFEST_CHANGE_PUT;
        decoded.value = reader_sized(reader);
    } else {
        decoded.change = MANIFEST_CHANGE_REMOVE;
    }
    if (reader->overrun || (change != MANIFEST_CHANGE_PUT && change != MANIFEST_CHANGE_REMOVE)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "manifest: an edit does not decode");
    }
    if (decoded.value.size > MANIFEST_ENTRY_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "manifest: an entry of %zu bytes; at most %zu fit",
                       decoded.value.size, MANIFEST_ENTRY_SIZE_MAX);
    }
    *change_out = decoded;
    return TDBPLUS_OK;
}

static void set_entry(struct manifest_table *table, struct manifest_entry *entry, bool present,
                      uint8_t *value, size_t size)
{
    table->count += (size_t)present - (size_t)entry->present;
    entry->present = present;
    entry->value = value;
    entry->size = size;
}

static tdbplus_status apply_change(struct manifest_table *table,
                                   const struct manifest_change *change, struct list *undo,
                                   struct err *err)
{
    bool put = change->change == MANIFEST_CHANGE_PUT;
    if (!put && manifest_table_find(table, change->kind, change->id) == NULL) {
        return TDBPLUS_OK;
    }
    uint8_t *value = NULL;
    if (put && change->value.size > 0) {
        value = alloc_raw(table->alloc, change->value.size);
        if (value == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "manifest: an entry of %zu bytes",
                           change->value.size);
        }
        memcpy(value, change->value.data, change->value.size);
    }
    struct manifest_undo *before = list_push(undo, NULL);
    struct manifest_entry *entry =
        before == NULL ? NULL : manifest_table_touch(table, change->kind, change->id);
    if (entry == NULL) {
        undo->count -= before != NULL ? 1 : 0;
        alloc_free(table->alloc, value, change->value.size, 1);
        return err_set(err, TDBPLUS_E_NOMEM, "manifest: an entry");
    }
    *before = (struct manifest_undo){.id = entry->id,
                                     .value = entry->value,
                                     .size = entry->size,
                                     .kind = entry->kind,
                                     .present = entry->present};
    set_entry(table, entry, put, value, put ? change->value.size : 0);
    return TDBPLUS_OK;
}

tdbplus_status manifest_table_apply(struct manifest_table *table, struct span body,
                                    struct list *undo, struct err *err)
{
    struct reader reader = reader_of(body);
    while (reader.rest.size > 0) {
        struct manifest_change change;
        TRY(manifest_change_decode(&reader, &change, err));
        TRY(apply_change(table, &change, undo, err));
    }
    return TDBPLUS_OK;
}

/* Absent entries that the undo list names leave the table; each only once. */
static void drop_absent(struct manifest_table *table, const struct list *undo)
{
    for (size_t i = 0; i < undo->count; i++) {
        const struct manifest_undo *before = list_at(undo, i);
        const struct manifest_entry *entry = manifest_table_find(table, before->kind, before->id);
        if (entry != NULL && !entry->present) {
            manifest_table_drop(table, before->kind, before->id);
        }
    }
}

void manifest_table_commit(struct manifest_table *table, struct list *undo)
{
    for (size_t i = 0; i < undo->count; i++) {
        const struct manifest_undo *before = list_at(undo, i);
        alloc_free(table->alloc, before->value, before->size, 1);
    }
    drop_absent(table, undo);
    undo->count = 0;
}

void manifest_table_abort(struct manifest_table *table, struct list *undo)
{
    for (size_t i = undo->count; i > 0; i--) {
        const struct manifest_undo *before = list_at(undo, i - 1);
        struct manifest_entry *entry = manifest_table_find(table, before->kind, before->id);
        alloc_free(table->alloc, entry->value, entry->size, 1);
        set_entry(table, entry, before->present, before->value, before->size);
    }
    drop_absent(table, undo);
    undo->count = 0;
}
