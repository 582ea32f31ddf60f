#include "txn/changes.h"

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"

void changes_init(struct changes *changes, const struct alloc *alloc)
{
    *changes = (struct changes){.alloc = alloc};
    arena_init(&changes->arena, alloc, 0);
    list_init(&changes->items, alloc, sizeof(struct change));
    list_init(&changes->tables, alloc, sizeof(struct change_table));
}

void changes_deinit(struct changes *changes)
{
    for (size_t i = 0; i < changes->tables.count; i++) {
        struct change_table *table = list_at(&changes->tables, i);
        map_deinit(&table->newest);
    }
    list_deinit(&changes->tables);
    list_deinit(&changes->items);
    arena_deinit(&changes->arena);
}

struct change_table *changes_find_table(const struct changes *changes, uint64_t collection_id)
{
    for (size_t i = changes->tables.count; i > 0; i--) {
        struct change_table *table = list_at(&changes->tables, i - 1);
        if (table->id == collection_id) {
            return table;
        }
    }
    return NULL;
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "the transaction's changes do not fit the memory limit");
}

tdbplus_status changes_table(struct changes *changes, const struct object *object,
                             struct change_table **table_out, struct err *err)
{
    struct change_table *table = changes_find_table(changes, object->id);
    if (table == NULL) {
        table = list_push(&changes->tables, NULL);
        if (table == NULL) {
            return no_memory(err);
        }
        table->id = object->id;
        map_init(&table->newest, changes->alloc);
    }
    if (table->newest.count == 0) {
        // A rollback may have taken away the object that this was first made with.
        table->object = object;
    }
    if (table->object->schema != object->schema) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "writing to \"%s\" before and after changing its columns in one "
                       "transaction is not supported",
                       object->name);
    }
    *table_out = table;
    return TDBPLUS_OK;
}

static bool same_key(const struct segment_key *left, const struct segment_key *right)
{
    return left->key.size == right->key.size &&
           memcmp(left->key.data, right->key.data, left->key.size) == 0;
}

uint32_t changes_find(const struct changes *changes, const struct change_table *table,
                      const struct segment_key *key, uint64_t statement_end)
{
    const uint64_t *newest = map_get(&table->newest, key->hash);
    uint32_t at = newest == NULL ? CHANGE_NONE : (uint32_t)*newest;
    while (at != CHANGE_NONE) {
        const struct change *change = changes_at(changes, at);
        if (change->statement < statement_end && same_key(&change->key, key)) {
            return at;
        }
        at = change->previous;
    }
    return CHANGE_NONE;
}

tdbplus_status changes_add(struct changes *changes, struct change_table *table,
                           const struct change *change, struct err *err)
{
    if (changes->items.count >= CHANGE_NONE) {
        return err_set(err, TDBPLUS_E_LIMIT, "a transaction makes at most %u changes",
                       CHANGE_NONE - 1);
    }
    uint32_t number = (uint32_t)changes->items.count;
    const uint64_t *newest = map_get(&table->newest, change->key.hash);
    uint32_t previous = newest == NULL ? CHANGE_NONE : (uint32_t)*newest;
    if (!list_reserve(&changes->items, 1) || !map_put(&table->newest, change->key.hash, number)) {
        return no_memory(err);
    }
    struct change *added = list_push(&changes->items, change);
    ASSERT(added != NULL); // Reserved above.
    added->previous = previous;
    added->superseded = false;
    added->table = (uint32_t)(table - (struct change_table *)changes->tables.items);
    for (uint32_t at = previous; at != CHANGE_NONE; at = changes_at(changes, at)->previous) {
        if (same_key(&changes_at(changes, at)->key, &added->key)) {
            changes_at(changes, at)->superseded = true;
            break;
        }
    }
    return TDBPLUS_OK;
}

bool changes_of_rows(const struct changes *changes, const struct change_table *table)
{
    uint32_t number = (uint32_t)(table - (struct change_table *)changes->tables.items);
    for (size_t i = 0; i < changes->items.count; i++) {
        const struct change *change = list_at(&changes->items, i);
        if (change->table == number && change->load == 0) {
            return true;
        }
    }
    return false;
}

static void undo_last(struct changes *changes)
{
    struct change *last = changes_at(changes, (uint32_t)(changes->items.count - 1));
    struct change_table *table = list_at(&changes->tables, last->table);
    if (last->previous == CHANGE_NONE) {
        (void)map_remove(&table->newest, last->key.hash);
    } else {
        *map_get(&table->newest, last->key.hash) = last->previous;
    }
    for (uint32_t at = last->previous; at != CHANGE_NONE; at = changes_at(changes, at)->previous) {
        if (same_key(&changes_at(changes, at)->key, &last->key)) {
            changes_at(changes, at)->superseded = false;
            break;
        }
    }
    changes->items.count--;
}

void changes_rollback(struct changes *changes, uint64_t count)
{
    ASSERT(count <= changes->items.count);
    while (changes->items.count > count + planted(PLANT_SAVEPOINT_KEEPS_ONE)) {
        undo_last(changes);
    }
}
