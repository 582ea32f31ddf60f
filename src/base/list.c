#include "base/list.h"

#include <string.h>

#include "base/assert.h"

#define CAPACITY_MIN ((size_t)8)

void list_init(struct list *list, const struct alloc *alloc, size_t item_size)
{
    ASSERT(item_size > 0);
    *list = (struct list){.alloc = alloc, .item_size = item_size};
}

void list_deinit(struct list *list)
{
    alloc_free(list->alloc, list->items, list->capacity, list->item_size);
    *list = (struct list){.alloc = list->alloc, .item_size = list->item_size};
}

bool list_reserve(struct list *list, size_t count)
{
    if (list->capacity - list->count >= count) {
        return true;
    }
    size_t wanted = 0;
    if (__builtin_add_overflow(list->count, count, &wanted)) {
        return false;
    }
    size_t capacity = list->capacity * 2;
    capacity = capacity < CAPACITY_MIN ? CAPACITY_MIN : capacity;
    capacity = capacity < wanted ? wanted : capacity;
    void *items = alloc_resize(list->alloc, list->items, list->capacity, capacity, list->item_size);
    if (items == NULL) {
        return false;
    }
    list->items = items;
    list->capacity = capacity;
    return true;
}

void *list_push(struct list *list, const void *item)
{
    if (!list_reserve(list, 1)) {
        return NULL;
    }
    void *slot = (uint8_t *)list->items + list->count * list->item_size;
    if (item == NULL) {
        memset(slot, 0, list->item_size);
    } else {
        memcpy(slot, item, list->item_size);
    }
    list->count++;
    return slot;
}

void *list_at(const struct list *list, size_t index)
{
    ASSERT(index < list->count);
    return (uint8_t *)list->items + index * list->item_size;
}

void list_remove(struct list *list, size_t index)
{
    uint8_t *slot = list_at(list, index);
    memmove(slot, slot + list->item_size, (list->count - index - 1) * list->item_size);
    list->count--;
}
