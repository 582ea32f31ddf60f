#include <string.h>

#include "base/assert.h"
#include "storage/memtable/memtable_internal.h"

/*
 * The ordered index. One writer changes nodes in place between two increments of their version;
 * readers copy what they need and check the version again. A split fills the new right node first,
 * then cuts the left one and links them, then tells the parent: a reader that comes too early
 * through an old parent finds its key at or above the left node's high key and goes right (Lehman,
 * Yao 1981). So no reader ever starts over from the root, and nodes are never freed before the
 * memtable is.
 */

#define PAUSE() __builtin_ia32_pause()

static size_t children_size(uint16_t level)
{
    return level == 0 ? 0 : NODE_ENTRY_COUNT * sizeof(_Atomic(struct node *));
}

static size_t node_size(const struct memtable *memtable, uint16_t level)
{
    size_t tails = memtable->integer_key ? 0 : NODE_ENTRY_COUNT * sizeof(_Atomic uint64_t);
    return sizeof(struct node) + children_size(level) + tails;
}

/* ---- reading fields ---- */

static uint64_t node_code(const struct node *node, uint32_t slot)
{
    return atomic_load_explicit(&node->codes[slot], memory_order_acquire);
}

static uint64_t node_tail(const struct node *node, uint32_t slot)
{
    return node->tails == NULL ? 0 : atomic_load_explicit(&node->tails[slot], memory_order_acquire);
}

static uint32_t node_row(const struct node *node, uint32_t slot)
{
    return atomic_load_explicit(&node->rows[slot], memory_order_acquire);
}

static uint32_t node_count(const struct node *node)
{
    return atomic_load_explicit(&node->count, memory_order_acquire);
}

static struct node *node_next(const struct node *node)
{
    return atomic_load_explicit(&node->next, memory_order_acquire);
}

static struct node *node_child(const struct node *node, uint32_t slot)
{
    return atomic_load_explicit(&node->children[slot], memory_order_acquire);
}

/* Waits for the writer to be done with the node; returns the version to check against. */
static uint32_t begin_read(const struct node *node)
{
    for (;;) {
        uint32_t version = atomic_load_explicit(&node->version, memory_order_acquire);
        if ((version & 1) == 0) {
            return version;
        }
        PAUSE();
    }
}

/* True when nothing changed since begin_read(). The loads before it were acquires, so this one
 * cannot come earlier; and had one of them seen a changed field, it would have synchronised with
 * that store, which comes after the odd version. */
static bool end_read(const struct node *node, uint32_t version)
{
    return atomic_load_explicit(&node->version, memory_order_relaxed) == version;
}

/* ---- comparing ---- */

static struct span key_of_row(const struct memtable *memtable, uint32_t row)
{
    const struct chunk *chunk = chunk_of(memtable, row);
    return view_span(&chunk->keys[row % MEMTABLE_CHUNK_ROW_COUNT]);
}

/* Orders the key of `row` against the probe's. */
static int compare_key(const struct memtable *memtable, uint32_t row, const struct probe *probe)
{
    struct span key = probe->is_row ? key_of_row(memtable, probe->row) : probe->key;
    return span_compare(key_of_row(memtable, row), key);
}

/* Orders an entry, whose code equals the probe's, against the probe. */
static int compare_tie(const struct memtable *memtable, uint64_t tail, uint32_t row,
                       const struct probe *probe)
{
    if (memtable->integer_key || probe->code_only) {
        return 0;
    }
    if (tail != probe->tail) {
        return tail < probe->tail ? -1 : 1;
    }
    return compare_key(memtable, row, probe);
}

/* The first slot of the group in which the codes reach `code`, by the fences. */
static uint32_t first_of_group(const struct node *node, uint64_t code)
{
    uint32_t group = 0;
    for (uint32_t i = 1; i < NODE_GROUP_COUNT; i++) {
        group += atomic_load_explicit(&node->fences[i], memory_order_acquire) < code;
    }
    return group * NODE_GROUP_SIZE;
}

/* How many codes are below `code`. Without a branch on the data, and without the count, for what
 * lies beyond it is UINT64_MAX. */
static uint32_t lower_code(const struct node *node, uint64_t code)
{
    uint32_t low = first_of_group(node, code);
    uint32_t below = 0;
    for (uint32_t i = 0; i < NODE_GROUP_SIZE; i++) {
        below += node_code(node, low + i) < code;
    }
    return low + below;
}

/* The end of the entries whose code is the probe's. */
static uint32_t equal_code_end(const struct node *node, const struct probe *probe)
{
    return probe->code == UINT64_MAX ? node_count(node) : lower_code(node, probe->code + 1);
}

/* The first entry from `low` on, among those of the probe's code, whose tail is not below `tail`.
 */
static uint32_t lower_tail(const struct node *node, uint32_t low, const struct probe *probe,
                           uint64_t tail)
{
    uint32_t high = equal_code_end(node, probe);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (node_tail(node, middle) < tail) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first of entries [from, count) that is not below the probe; *equal_out tells whether it is
 * the probe's key. */
static uint32_t lower_slot(const struct memtable *memtable, const struct node *node, uint32_t from,
                           const struct probe *probe, bool *equal_out)
{
    uint32_t count = node_count(node);
    uint32_t low = lower_code(node, probe->code);
    low = low > from ? low : from;
    if (low >= count || node_code(node, low) != probe->code) {
        *equal_out = false;
        return low;
    }
    if (memtable->integer_key || probe->code_only) {
        *equal_out = true;
        return low;
    }
    // Among equal codes the tails decide, and after them the keys.
    low = lower_tail(node, low, probe, probe->tail);
    uint32_t high = probe->tail == UINT64_MAX ? equal_code_end(node, probe)
                                              : lower_tail(node, low, probe, probe->tail + 1);
    *equal_out = false;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = compare_key(memtable, node_row(node, middle), probe);
        if (order == 0) {
            *equal_out = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The child that leads to the probe, or to what comes just before it. */
static uint32_t child_slot(const struct memtable *memtable, const struct node *node,
                           const struct probe *probe, bool strictly_before)
{
    bool is_equal = false;
    uint32_t slot = lower_slot(memtable, node, 1, probe, &is_equal);
    return is_equal && !strictly_before ? slot : slot - 1;
}

/* True when what is looked for lies right of the node: it split after the reader's parent was
 * read. */
static bool lies_right(const struct memtable *memtable, const struct node *node,
                       const struct probe *probe, bool strictly_before)
{
    if (node_next(node) == NULL) {
        return false;
    }
    uint64_t high = atomic_load_explicit(&node->high_code, memory_order_acquire);
    if (probe->code != high) {
        return probe->code > high;
    }
    uint32_t row = atomic_load_explicit(&node->high_row, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&node->high_tail, memory_order_acquire);
    int order = compare_tie(memtable, tail, row, probe);
    return strictly_before ? order < 0 : order <= 0;
}

/* ---- readers ---- */

/* One step down, or to the right. */
static const struct node *step(const struct memtable *memtable, const struct node *node,
                               const struct probe *probe, bool strictly_before)
{
    for (;;) {
        uint32_t version = begin_read(node);
        const struct node *target =
            lies_right(memtable, node, probe, strictly_before)
                ? node_next(node)
                : node_child(node, child_slot(memtable, node, probe, strictly_before));
        if (end_read(node, version)) {
            return target;
        }
    }
}

static const struct node *find_leaf(const struct memtable *memtable, const struct probe *probe,
                                    bool strictly_before)
{
    const struct node *node = atomic_load_explicit(&memtable->root, memory_order_acquire);
    while (node != NULL && node->level > 0) {
        node = step(memtable, node, probe, strictly_before);
    }
    return node;
}

static void prefetch_leaf(const struct node *leaf)
{
    for (size_t at = 0; at < sizeof(struct node); at += 64) {
        __builtin_prefetch((const uint8_t *)leaf + at);
    }
}

/* The newest row of a key that lies in `leaf` or to the right of it. */
static uint32_t find_from(const struct memtable *memtable, const struct node *leaf,
                          const struct probe *probe)
{
    while (leaf != NULL) {
        uint32_t version = begin_read(leaf);
        const struct node *right =
            lies_right(memtable, leaf, probe, false) ? node_next(leaf) : NULL;
        bool is_equal = false;
        uint32_t row = MEMTABLE_ROW_NONE;
        if (right == NULL) {
            uint32_t slot = lower_slot(memtable, leaf, 0, probe, &is_equal);
            row = is_equal ? node_row(leaf, slot) : MEMTABLE_ROW_NONE;
        }
        if (!end_read(leaf, version)) {
            continue;
        }
        if (right == NULL) {
            return row;
        }
        leaf = right;
    }
    return MEMTABLE_ROW_NONE;
}

uint32_t tree_find(const struct memtable *memtable, const struct probe *probe)
{
    const struct node *leaf = find_leaf(memtable, probe, false);
    if (leaf != NULL) {
        prefetch_leaf(leaf);
    }
    return find_from(memtable, leaf, probe);
}

void tree_prefetch(const struct memtable *memtable, uint64_t code)
{
    const struct probe probe = {.code = code, .code_only = true};
    const struct node *leaf = find_leaf(memtable, &probe, false);
    if (leaf != NULL) {
        prefetch_leaf(leaf);
    }
}

/* Copies entries [first, last) of a leaf. */
static uint32_t copy_entries(const struct node *leaf, uint32_t first, uint32_t last,
                             struct memtable_entries *out)
{
    for (uint32_t slot = first; slot < last; slot++) {
        out->rows[slot - first] = node_row(leaf, slot);
        out->codes[slot - first] = node_code(leaf, slot);
    }
    return last > first ? last - first : 0;
}

uint32_t tree_copy(const struct memtable *memtable, const struct probe *probe, enum tree_cut cut,
                   struct memtable_entries *entries_out, const struct node **next_out)
{
    bool strictly_before = cut == TREE_BELOW;
    const struct node *leaf = find_leaf(memtable, probe, strictly_before);
    while (leaf != NULL) {
        uint32_t version = begin_read(leaf);
        const struct node *next = node_next(leaf);
        bool goes_right = lies_right(memtable, leaf, probe, strictly_before);
        uint32_t copied = 0;
        if (!goes_right) {
            bool is_equal = false;
            uint32_t slot = lower_slot(memtable, leaf, 0, probe, &is_equal);
            uint32_t first = cut == TREE_FROM ? slot : 0;
            uint32_t last = cut == TREE_FROM ? node_count(leaf) : slot;
            copied = copy_entries(leaf, first, last + (cut == TREE_UP_TO && is_equal), entries_out);
        }
        if (!end_read(leaf, version)) {
            continue;
        }
        if (!goes_right) {
            if (next_out != NULL) {
                *next_out = next;
            }
            return copied;
        }
        leaf = next;
    }
    if (next_out != NULL) {
        *next_out = NULL;
    }
    return 0;
}

uint32_t tree_copy_leaf(const struct node *leaf, struct memtable_entries *entries_out,
                        const struct node **next_out)
{
    for (;;) {
        uint32_t version = begin_read(leaf);
        const struct node *next = node_next(leaf);
        uint32_t copied = copy_entries(leaf, 0, node_count(leaf), entries_out);
        if (end_read(leaf, version)) {
            if (next_out != NULL) {
                *next_out = next;
            }
            return copied;
        }
    }
}

const struct node *tree_edge(const struct memtable *memtable, bool last)
{
    const struct node *node = atomic_load_explicit(&memtable->root, memory_order_acquire);
    while (node != NULL && node->level > 0) {
        uint32_t version = begin_read(node);
        const struct node *child = node_child(node, last ? node_count(node) - 1 : 0);
        if (end_read(node, version)) {
            node = child;
        }
    }
    return node;
}

/* ---- the writer: nodes ---- */

/*
 * How many splits a node has in it, times 32: a full one can be split off at its edge once, then
 * halved. An entry adds at most 2, a split takes 32 away, so (weight + 2 * inserts) / 32 bounds the
 * splits to come (K5).
 */
static uint64_t weigh_node(const struct node *node)
{
    uint32_t count = node_count(node);
    uint64_t above_half = count > NODE_HALF_COUNT ? count - NODE_HALF_COUNT : 0;
    return node->is_edge_split ? above_half : 2 * above_half;
}

static struct node_pool *pool_of(struct memtable *memtable, uint16_t level)
{
    return level == 0 ? &memtable->leaves : &memtable->inners;
}

/* Marks the codes from `slot` on, and the fences of groups that begin there, as beyond the count.
 */
static void fill_codes(struct node *node, uint32_t slot)
{
    for (uint32_t at = slot; at < NODE_ENTRY_COUNT; at++) {
        atomic_store_explicit(&node->codes[at], UINT64_MAX, memory_order_release);
        if (at % NODE_GROUP_SIZE == 0) {
            atomic_store_explicit(&node->fences[at / NODE_GROUP_SIZE], UINT64_MAX,
                                  memory_order_release);
        }
    }
}

static bool pool_fill(struct memtable *memtable, uint16_t level, uint64_t wanted)
{
    struct node_pool *pool = pool_of(memtable, level);
    while (pool->free_count < wanted) {
        struct node *node = alloc_aligned(memtable->alloc, node_size(memtable, level));
        if (node == NULL) {
            return false;
        }
        memset(node, 0, node_size(memtable, level));
        if (!memtable->integer_key) {
            uint8_t *end = (uint8_t *)node + sizeof *node + children_size(level);
            node->tails = (_Atomic uint64_t *)(void *)end;
        }
        fill_codes(node, 0);
        node->sibling = pool->free;
        pool->free = node;
        pool->free_count++;
    }
    return true;
}

static struct node *pool_take(struct memtable *memtable, uint16_t level)
{
    struct node_pool *pool = pool_of(memtable, level);
    struct node *node = pool->free;
    ASSERT(node != NULL); // K5: the reserve was right.
    pool->free = node->sibling;
    pool->free_count--;
    node->sibling = pool->used;
    pool->used = node;
    node->level = level;
    return node;
}

static void free_nodes(struct memtable *memtable, struct node *node, uint16_t level)
{
    while (node != NULL) {
        struct node *sibling = node->sibling;
        alloc_free_aligned(memtable->alloc, node, node_size(memtable, level));
        node = sibling;
    }
}

void tree_trim(struct memtable *memtable)
{
    free_nodes(memtable, memtable->leaves.free, 0);
    free_nodes(memtable, memtable->inners.free, 1);
    memtable->leaves.free = NULL;
    memtable->leaves.free_count = 0;
    memtable->inners.free = NULL;
    memtable->inners.free_count = 0;
}

void tree_deinit(struct memtable *memtable)
{
    tree_trim(memtable);
    free_nodes(memtable, memtable->leaves.used, 0);
    free_nodes(memtable, memtable->inners.used, 1);
}

bool tree_reserve(struct memtable *memtable, uint32_t row_count)
{
    struct node *root = atomic_load_explicit(&memtable->root, memory_order_relaxed);
    if (root == NULL) {
        if (!pool_fill(memtable, 0, 1)) {
            return false;
        }
        root = pool_take(memtable, 0);
        atomic_store_explicit(&memtable->root, root, memory_order_release);
        memtable->hint = root;
    }
    uint64_t leaf_splits = (memtable->leaves.weight + 2 * (uint64_t)row_count) / NODE_HALF_COUNT;
    leaf_splits = leaf_splits < row_count ? leaf_splits : row_count;
    if (leaf_splits == 0) {
        return true;
    }
    // Splits of inner nodes put entries into inner nodes themselves: s <= (w + 2 (l + s)) / 32.
    uint64_t inner_splits = (memtable->inners.weight + 2 * leaf_splits) / (NODE_HALF_COUNT - 2);
    uint64_t new_roots = 1;
    for (uint64_t splits = leaf_splits; splits >= NODE_HALF_COUNT; splits /= NODE_HALF_COUNT) {
        new_roots++;
    }
    uint64_t at_most = leaf_splits * (root->level + 2u);
    uint64_t inners = inner_splits + new_roots;
    return pool_fill(memtable, 0, leaf_splits) &&
           pool_fill(memtable, 1, inners < at_most ? inners : at_most);
}

/* ---- the writer: places ---- */

/* Walks down to the probe's leaf; path[level] is the node passed at that level. */
static struct node *descend(struct memtable *memtable, const struct probe *probe,
                            struct node *path[TREE_HEIGHT_MAX])
{
    struct node *node = atomic_load_explicit(&memtable->root, memory_order_relaxed);
    path[node->level] = node;
    while (node->level > 0) {
        node = node_child(node, child_slot(memtable, node, probe, false));
        path[node->level] = node;
    }
    return node;
}

/* Orders an entry of a leaf against the probe. */
static int compare_entry(const struct memtable *memtable, const struct node *leaf, uint32_t slot,
                         const struct probe *probe)
{
    uint64_t code = node_code(leaf, slot);
    if (code != probe->code) {
        return code < probe->code ? -1 : 1;
    }
    return compare_tie(memtable, node_tail(leaf, slot), node_row(leaf, slot), probe);
}

/* True when the leaf of the last put is the probe's leaf too. */
static bool hint_holds(const struct memtable *memtable, const struct node *leaf,
                       const struct probe *probe)
{
    return node_count(leaf) == 0 || // The root, before the first put.
           (compare_entry(memtable, leaf, 0, probe) <= 0 &&
            !lies_right(memtable, leaf, probe, false));
}

struct tree_place tree_locate(struct memtable *memtable, const struct probe *probe)
{
    struct tree_place place = {.leaf = memtable->hint, .row = MEMTABLE_ROW_NONE};
    if (hint_holds(memtable, place.leaf, probe)) {
        uint32_t count = node_count(place.leaf);
        if (count == 0 || compare_entry(memtable, place.leaf, count - 1, probe) < 0) {
            place.slot = count; // Keys in ascending order need no search.
            return place;
        }
    } else {
        struct node *path[TREE_HEIGHT_MAX];
        place.leaf = descend(memtable, probe, path);
        prefetch_leaf(place.leaf);
    }
    bool is_equal = false;
    place.slot = lower_slot(memtable, place.leaf, 0, probe, &is_equal);
    if (is_equal) {
        place.row = node_row(place.leaf, place.slot);
    }
    return place;
}

/* ---- the writer: changes ---- */

/* What goes into a node. */
struct entry {
    uint64_t code;
    uint64_t tail;
    uint32_t row;
    struct node *child; /* NULL in leaves. */
};

static struct entry entry_at(const struct node *node, uint32_t slot)
{
    return (struct entry){
        .code = node_code(node, slot),
        .tail = node_tail(node, slot),
        .row = node_row(node, slot),
        .child = node->level > 0 ? node_child(node, slot) : NULL,
    };
}

static void set_entry(struct node *node, uint32_t slot, const struct entry *entry)
{
    atomic_store_explicit(&node->codes[slot], entry->code, memory_order_release);
    atomic_store_explicit(&node->rows[slot], entry->row, memory_order_release);
    if (node->tails != NULL) {
        atomic_store_explicit(&node->tails[slot], entry->tail, memory_order_release);
    }
    if (node->level > 0) {
        atomic_store_explicit(&node->children[slot], entry->child, memory_order_release);
    }
}

/* Repeats the code at `slot`, the first of its group, in the fences. */
static void set_fence(struct node *node, uint32_t slot)
{
    atomic_store_explicit(&node->fences[slot / NODE_GROUP_SIZE], node_code(node, slot),
                          memory_order_release);
}

static void begin_change(struct node *node)
{
    uint32_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    atomic_store_explicit(&node->version, version + 1, memory_order_relaxed);
}

static void end_change(struct node *node)
{
    uint32_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    atomic_store_explicit(&node->version, version + 1, memory_order_release);
}

/* Moves entries [slot, count) up by one and writes the new one. The version is odd, or nobody can
 * see the node yet. */
static void shift_in(struct node *node, uint32_t slot, const struct entry *entry)
{
    uint32_t count = node_count(node);
    for (uint32_t at = count; at > slot; at--) {
        atomic_store_explicit(&node->codes[at], node_code(node, at - 1), memory_order_release);
    }
    for (uint32_t at = count; at > slot; at--) {
        atomic_store_explicit(&node->rows[at], node_row(node, at - 1), memory_order_release);
    }
    for (uint32_t at = count; node->tails != NULL && at > slot; at--) {
        atomic_store_explicit(&node->tails[at], node_tail(node, at - 1), memory_order_release);
    }
    for (uint32_t at = count; node->level > 0 && at > slot; at--) {
        atomic_store_explicit(&node->children[at], node_child(node, at - 1), memory_order_release);
    }
    set_entry(node, slot, entry);
    for (uint32_t at = (slot + NODE_GROUP_SIZE - 1) & ~(NODE_GROUP_SIZE - 1); at <= count;
         at += NODE_GROUP_SIZE) {
        set_fence(node, at);
    }
    atomic_store_explicit(&node->count, count + 1, memory_order_release);
}

/* A new node with the upper part of `left`, from `cut` on, complete but not yet linked. */
static struct node *make_right(struct memtable *memtable, const struct node *left, uint32_t cut)
{
    struct node *right = pool_take(memtable, left->level);
    uint32_t count = node_count(left);
    for (uint32_t slot = cut; slot < count; slot++) {
        struct entry moved = entry_at(left, slot);
        set_entry(right, slot - cut, &moved);
        if ((slot - cut) % NODE_GROUP_SIZE == 0) {
            set_fence(right, slot - cut);
        }
    }
    atomic_store_explicit(&right->count, count - cut, memory_order_relaxed);
    atomic_store_explicit(&right->high_code,
                          atomic_load_explicit(&left->high_code, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&right->high_tail,
                          atomic_load_explicit(&left->high_tail, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&right->high_row,
                          atomic_load_explicit(&left->high_row, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&right->next, node_next(left), memory_order_relaxed);
    return right;
}

/*
 * Splits a full node and puts `entry` at `slot`. At the edge (keys come in ascending order) the
 * left node stays full and the right one begins with the entry; else they get half each. Returns
 * the right node with its lowest key: what the parent needs.
 */
static struct entry split(struct memtable *memtable, struct node *left, uint32_t slot,
                          const struct entry *entry, bool at_edge)
{
    struct node_pool *pool = pool_of(memtable, left->level);
    uint32_t cut = at_edge ? NODE_ENTRY_COUNT : NODE_HALF_COUNT;
    bool goes_right = at_edge || slot > cut;
    pool->weight -= weigh_node(left);
    struct node *right = make_right(memtable, left, cut);
    if (goes_right) {
        shift_in(right, slot - cut, entry);
    }
    struct entry lowest = entry_at(right, 0);

    begin_change(left);
    atomic_store_explicit(&left->count, cut, memory_order_release);
    fill_codes(left, cut);
    atomic_store_explicit(&left->high_code, lowest.code, memory_order_release);
    atomic_store_explicit(&left->high_tail, lowest.tail, memory_order_release);
    atomic_store_explicit(&left->high_row, lowest.row, memory_order_release);
    atomic_store_explicit(&left->next, right, memory_order_release);
    if (!goes_right) {
        shift_in(left, slot, entry);
    }
    end_change(left);

    left->is_edge_split = at_edge;
    pool->weight += weigh_node(left) + weigh_node(right);
    if (left->level == 0) {
        memtable->hint = goes_right ? right : left;
        memtable->hint_slot = goes_right ? slot - cut : slot;
    }
    lowest.child = right;
    return lowest;
}

static void insert_entry(struct memtable *memtable, struct node *node, uint32_t slot,
                         const struct entry *entry)
{
    struct node_pool *pool = pool_of(memtable, node->level);
    pool->weight -= weigh_node(node);
    begin_change(node);
    shift_in(node, slot, entry);
    end_change(node);
    pool->weight += weigh_node(node);
    if (node->level == 0) {
        memtable->hint = node;
        memtable->hint_slot = slot;
    }
}

static void grow_root(struct memtable *memtable, struct node *left, const struct entry *right)
{
    ASSERT(left->level + 1u < TREE_HEIGHT_MAX);
    struct node *root = pool_take(memtable, (uint16_t)(left->level + 1));
    struct entry lowest = {.child = left};
    shift_in(root, 0, &lowest);
    shift_in(root, 1, right);
    atomic_store_explicit(&memtable->root, root, memory_order_release);
}

/* Splits the probe's full leaf, and its parents as far as they are full. */
static void insert_splitting(struct memtable *memtable, const struct probe *probe, uint32_t slot,
                             struct entry entry)
{
    struct node *path[TREE_HEIGHT_MAX];
    struct node *node = descend(memtable, probe, path);
    const struct node *root = atomic_load_explicit(&memtable->root, memory_order_relaxed);
    bool at_edge = slot == NODE_ENTRY_COUNT && memtable->hint == node &&
                   memtable->hint_slot == slot - 1 && !node->is_edge_split;
    for (;;) {
        entry = split(memtable, node, slot, &entry, at_edge);
        if (node == root) {
            grow_root(memtable, node, &entry);
            return;
        }
        struct node *parent = path[node->level + 1];
        slot = child_slot(memtable, parent, probe, false) + 1;
        if (node_count(parent) < NODE_ENTRY_COUNT) {
            insert_entry(memtable, parent, slot, &entry);
            return;
        }
        at_edge = at_edge && slot == NODE_ENTRY_COUNT && !parent->is_edge_split;
        node = parent;
    }
}

void tree_put(struct memtable *memtable, const struct probe *probe, struct tree_place place,
              uint32_t row)
{
    if (place.row != MEMTABLE_ROW_NONE) {
        // One store: a reader gets the older version or the newer one, and either leads it right.
        atomic_store_explicit(&place.leaf->rows[place.slot], row, memory_order_release);
        memtable->hint = place.leaf;
        memtable->hint_slot = place.slot;
        return;
    }
    struct entry entry = {.code = probe->code, .tail = probe->tail, .row = row};
    if (node_count(place.leaf) < NODE_ENTRY_COUNT) {
        insert_entry(memtable, place.leaf, place.slot, &entry);
    } else {
        insert_splitting(memtable, probe, place.slot, entry);
    }
}
