#include "storage/store/replay.h"

#include <string.h>

#include "base/assert.h"

#define LINK_COUNT_MAX   ((size_t)1 << 22) /* Changes that wait, of all collections. */
#define LINK_PORTION     256u
#define CHANGE_IS_DELETE ((uint32_t)1 << 31) /* In `item`; more wait never. */
#define BYTE_VALUES      256u
#define ORDER_BYTES      16u
#define FEW_CHANGES      24u
#define KEYS_BLOCK_SIZE  ((size_t)4 << 10)

struct change {
    struct memtable_order order;
    uint32_t number; /* Those of one key keep the order in which they came. */
    uint32_t item;   /* The row, counted from row_first; or a delete and its number. */
};

struct replay_delete {
    struct span key;
    uint64_t timestamp;
};

struct replay {
    struct collection *collection; /* Referenced. */
    struct replay *next;
    struct list changes;   /* struct change. */
    struct list deletes;   /* struct replay_delete, */
    struct arena keys;     /* and their keys. */
    uint32_t row_first;    /* Of the rows that wait. */
    bool has_integer_keys; /* Of the memtable that they are in. */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "open: replaying the log needs more memory");
}

static struct memtable *active_table(const struct replay *replay)
{
    return atomic_load(&replay->collection->version)->tables[0]->memtable;
}

static void init_lists(struct replay *replay)
{
    const struct alloc *alloc = replay->collection->store->alloc;
    list_init(&replay->changes, alloc, sizeof(struct change));
    list_init(&replay->deletes, alloc, sizeof(struct replay_delete));
    arena_init(&replay->keys, alloc, KEYS_BLOCK_SIZE);
}

static tdbplus_status attach(struct replay_list *list, struct collection *collection,
                             struct err *err)
{
    const struct alloc *alloc = list->store->alloc;
    struct replay *replay = alloc_array(alloc, 1, sizeof *replay);
    if (replay == NULL) {
        return no_memory(err);
    }
    replay->collection = collection;
    collection_retain(collection);
    init_lists(replay);
    replay->next = list->first;
    list->first = replay;
    collection->replay = replay;
    return TDBPLUS_OK;
}

void replay_list_deinit(struct replay_list *list)
{
    while (list->first != NULL) {
        struct replay *replay = list->first;
        list->first = replay->next;
        replay->collection->replay = NULL;
        collection_release(replay->collection);
        list_deinit(&replay->changes);
        list_deinit(&replay->deletes);
        arena_deinit(&replay->keys);
        alloc_free(list->store->alloc, replay, 1, sizeof *replay);
    }
    list->change_count = 0;
}

/* ---- in order of keys ---- */

static bool is_delete(const struct change *change)
{
    return (change->item & CHANGE_IS_DELETE) != 0;
}

static const struct replay_delete *delete_of(const struct replay *replay,
                                             const struct change *change)
{
    return list_at(&replay->deletes, change->item & ~CHANGE_IS_DELETE);
}

static struct span key_of(const struct replay *replay, const struct change *change,
                          uint8_t scratch[8])
{
    return is_delete(change)
               ? delete_of(replay, change)->key
               : memtable_key(active_table(replay), replay->row_first + change->item, scratch);
}

static int compare_numbers(uint64_t left, uint64_t right)
{
    return left < right ? -1 : left > right;
}

static int compare_changes(const struct replay *replay, const struct change *left,
                           const struct change *right)
{
    int order = compare_numbers(left->order.code, right->order.code);
    if (order == 0 && !replay->has_integer_keys) {
        order = compare_numbers(left->order.tail, right->order.tail);
        if (order == 0) {
            uint8_t scratch[2][8];
            order =
                span_compare(key_of(replay, left, scratch[0]), key_of(replay, right, scratch[1]));
        }
    }
    return order != 0 ? order : compare_numbers(left->number, right->number);
}

static void swap_changes(struct change *left, struct change *right)
{
    struct change kept = *left;
    *left = *right;
    *right = kept;
}

static void insertion_sort(const struct replay *replay, struct change *changes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct change change = changes[i];
        size_t at = i;
        for (; at > 0 && compare_changes(replay, &change, &changes[at - 1]) < 0; at--) {
            changes[at] = changes[at - 1];
        }
        changes[at] = change;
    }
}

/* Restores the heap of the first `count` whose item `at` may be too small. */
static void sift_down(const struct replay *replay, struct change *changes, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        child +=
            child + 1 < count && compare_changes(replay, &changes[child], &changes[child + 1]) < 0;
        if (compare_changes(replay, &changes[at], &changes[child]) >= 0) {
            return;
        }
        swap_changes(&changes[at], &changes[child]);
        at = child;
    }
}

/* For many that agree in all that the radix sort looks at: no recursion, no memory. */
static void heap_sort(const struct replay *replay, struct change *changes, size_t count)
{
    for (size_t at = count / 2; at > 0; at--) {
        sift_down(replay, changes, at - 1, count);
    }
    for (size_t end = count; end > 1; end--) {
        swap_changes(&changes[0], &changes[end - 1]);
        sift_down(replay, changes, 0, end - 1);
    }
}

static uint32_t order_byte(const struct change *change, uint32_t depth)
{
    uint64_t word = depth < 8 ? change->order.code : change->order.tail;
    return (uint32_t)(word >> (56 - 8 * (depth % 8))) & (BYTE_VALUES - 1);
}

/* Brings the changes into the order of the byte at `depth`, in place (McIlroy, Bostic, McIlroy
 * 1993); ends[b] is where those of byte b end. */
static void distribute(struct change *changes, size_t count, uint32_t depth,
                       uint32_t ends[BYTE_VALUES])
{
    uint32_t heads[BYTE_VALUES] = {0};
    for (size_t i = 0; i < count; i++) {
        heads[order_byte(&changes[i], depth)]++;
    }
    uint32_t end = 0;
    for (uint32_t b = 0; b < BYTE_VALUES; b++) {
        end += heads[b];
        heads[b] = end - heads[b];
        ends[b] = end;
    }
    for (uint32_t b = 0; b < BYTE_VALUES; b++) {
        while (heads[b] < ends[b]) {
            struct change change = changes[heads[b]];
            for (uint32_t to = order_byte(&change, depth); to != b;
                 to = order_byte(&change, depth)) {
                struct change *place = &changes[heads[to]++];
                struct change kept = *place;
                *place = change;
                change = kept;
            }
            changes[heads[b]++] = change;
        }
    }
}

/* Sorts changes that agree before the byte at `depth`. The recursion is as deep as there are bytes.
 */
static void sort_changes(const struct replay *replay, struct change *changes, size_t count,
                         uint32_t depth)
{
    if (count <= FEW_CHANGES) {
        insertion_sort(replay, changes, count);
        return;
    }
    if (depth == (replay->has_integer_keys ? ORDER_BYTES / 2 : ORDER_BYTES)) {
        heap_sort(replay, changes, count);
        return;
    }
    uint32_t ends[BYTE_VALUES];
    distribute(changes, count, depth, ends);
    uint32_t begin = 0;
    for (uint32_t b = 0; b < BYTE_VALUES; b++) {
        if (ends[b] - begin > 1) {
            sort_changes(replay, changes + begin, ends[b] - begin, depth + 1);
        }
        begin = ends[b];
    }
}

/* ---- linking ---- */

struct portion {
    struct commit_op ops[LINK_PORTION];
    struct apply_change changes[LINK_PORTION];
    uint8_t scratch[LINK_PORTION][8];
};

/* Makes ops of `count` changes. Of rows with long keys only those that must be looked for elsewhere
 * are asked for their key, since each has to be waited for. */
static void fill_portion(const struct replay *replay, const struct change *changes, uint32_t count,
                         bool with_keys, struct portion *portion)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct change *change = &changes[i];
        struct commit_op *op = &portion->ops[i];
        *op = (struct commit_op){.kind = is_delete(change) ? COMMIT_DELETE : COMMIT_PUT,
                                 .code = change->order.code};
        portion->changes[i] = (struct apply_change){.order = change->order};
        if (is_delete(change)) {
            portion->changes[i].timestamp = delete_of(replay, change)->timestamp;
        } else {
            portion->changes[i].row = replay->row_first + change->item;
        }
        if (replay->has_integer_keys) {
            store_u64_be(portion->scratch[i], change->order.code);
            op->key = (struct span){.data = portion->scratch[i], .size = sizeof(uint64_t)};
        } else if (with_keys || is_delete(change)) {
            op->key = key_of(replay, change, portion->scratch[i]);
        }
        op->hash = with_keys ? key_hash(op->key) : 0;
    }
}

static tdbplus_status link_portion(struct replay *replay, const struct change *changes,
                                   uint32_t count, struct portion *portion, struct err *err)
{
    const struct alloc *alloc = replay->collection->store->alloc;
    struct apply_group group = {.collection = replay->collection,
                                .version = version_acquire(replay->collection),
                                .ops = portion->ops,
                                .op_count = count,
                                .is_appended = true};
    bool is_alone = group.version->table_count == 1 && group.version->segment_count == 0;
    fill_portion(replay, changes, count, !is_alone, portion);
    tdbplus_status status = apply_locate(&group, alloc, err);
    if (status == TDBPLUS_OK) {
        status = apply_reserve(&group, err);
    }
    if (status == TDBPLUS_OK) {
        apply_appended(&group, portion->changes);
    }
    apply_group_deinit(&group, alloc);
    return status;
}

static tdbplus_status link_changes(struct replay *replay, struct err *err)
{
    const struct alloc *alloc = replay->collection->store->alloc;
    struct change *changes = replay->changes.items;
    size_t count = replay->changes.count;
    struct portion *portion = alloc_array(alloc, 1, sizeof *portion);
    if (portion == NULL) {
        return no_memory(err);
    }
    sort_changes(replay, changes, count, 0);
    tdbplus_status status = memtable_links_begin(active_table(replay), err);
    for (size_t at = 0; status == TDBPLUS_OK && at < count; at += LINK_PORTION) {
        size_t left = count - at;
        status = link_portion(replay, changes + at,
                              left < LINK_PORTION ? (uint32_t)left : LINK_PORTION, portion, err);
    }
    alloc_free(alloc, portion, 1, sizeof *portion);
    return status;
}

tdbplus_status replay_link(struct replay_list *list, struct collection *collection, struct err *err)
{
    struct replay *replay = collection->replay;
    if (replay == NULL || replay->changes.count == 0) {
        return TDBPLUS_OK;
    }
    TRY(link_changes(replay, err));
    list->change_count -= replay->changes.count;
    replay->changes.count = 0;
    replay->deletes.count = 0;
    arena_reset(&replay->keys);
    return TDBPLUS_OK;
}

tdbplus_status replay_link_all(struct replay_list *list, struct err *err)
{
    for (struct replay *replay = list->first; replay != NULL; replay = replay->next) {
        TRY(replay_link(list, replay->collection, err));
    }
    return TDBPLUS_OK;
}

/* Links what waits and gives the memory back that waiting takes. */
static tdbplus_status give_way(struct replay_list *list, struct err *err)
{
    TRY(replay_link_all(list, err));
    for (struct replay *replay = list->first; replay != NULL; replay = replay->next) {
        list_deinit(&replay->changes);
        list_deinit(&replay->deletes);
        arena_deinit(&replay->keys);
        init_lists(replay);
    }
    return TDBPLUS_OK;
}

/* ---- taking ---- */

static tdbplus_status make_room(struct replay *replay, struct memtable *active,
                                const struct commit_op *op, struct err *err)
{
    bool is_there = list_reserve(&replay->changes, 1);
    if (is_there && op->kind == COMMIT_PUT) {
        return memtable_reserve_rows(active, 1, op->key.size + op->row.size, err);
    }
    is_there =
        is_there && list_reserve(&replay->deletes, 1) && arena_reserve(&replay->keys, op->key.size);
    return is_there ? TDBPLUS_OK : no_memory(err);
}

/* Adds a change, for which there is room. */
static void take_change(struct replay *replay, struct memtable *active, const struct commit_op *op,
                        const struct datum *values, uint64_t timestamp)
{
    struct change change = {.order = memtable_order_of(active, op->key, op->code),
                            .number = (uint32_t)replay->changes.count};
    if (change.number == 0) {
        replay->row_first = memtable_row_count(active);
    }
    if (op->kind == COMMIT_PUT) {
        change.item =
            memtable_append(active, op->key, op->code, values, timestamp) - replay->row_first;
    } else {
        struct replay_delete entry = {.key.data = arena_bytes(&replay->keys, op->key.size),
                                      .key.size = op->key.size,
                                      .timestamp = timestamp};
        memcpy((uint8_t *)(uintptr_t)entry.key.data, op->key.data, op->key.size);
        change.item = CHANGE_IS_DELETE | (uint32_t)replay->deletes.count;
        (void)list_push(&replay->deletes, &entry);
    }
    (void)list_push(&replay->changes, &change);
}

static tdbplus_status take_op(struct replay_list *list, const struct replay_group *group,
                              struct memtable *active, struct payload_reader *payload,
                              struct err *err)
{
    struct replay *replay = group->collection->replay;
    struct commit_op op = {0};
    TRY(payload_op(payload, &op, err));
    if (replay->has_integer_keys && op.key.size != sizeof(uint64_t)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "log: a key of %zu bytes where 8 are due",
                       op.key.size);
    }
    if (op.kind == COMMIT_PUT) {
        TRY(row_decode(group->schema, op.row, group->values, err));
    }
    if (list->change_count >= LINK_COUNT_MAX) {
        TRY(replay_link_all(list, err));
    }
    if (make_room(replay, active, &op, NULL) != TDBPLUS_OK) {
        TRY(give_way(list, err));
        TRY(make_room(replay, active, &op, err));
    }
    take_change(replay, active, &op, group->values, group->record->timestamp);
    list->change_count++;
    return TDBPLUS_OK;
}

tdbplus_status replay_take(struct replay_list *list, const struct replay_group *group,
                           struct payload_reader *payload, struct err *err)
{
    if (group->collection->replay == NULL) {
        TRY(attach(list, group->collection, err));
    }
    struct replay *replay = group->collection->replay;
    struct table_ref *table = atomic_load(&group->collection->version)->tables[0];
    ASSERT(memtable_schema(table->memtable) == group->schema);
    replay->has_integer_keys = key_is_integer(group->schema);
    if (group->count > 0 && !table->changed) {
        table->changed = true;
        table->lsn_first = group->record->lsn;
    }
    for (uint64_t i = 0; i < group->count; i++) {
        TRY(take_op(list, group, table->memtable, payload, err));
    }
    return TDBPLUS_OK;
}
