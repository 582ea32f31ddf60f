/*
 * Which paths become columns: the members of a sample are counted in a tree of keys, by the kind of
 * their values. A path is chosen when more than half of the documents have it with one type.
 */

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "storage/segment/shred.h"

#define NODE_COUNT_MAX                                                        \
    4096u /* Paths that are counted; documents with more have no common ones. \
           */
#define SLOT_COUNT  (2 * NODE_COUNT_MAX)
#define SCALE_COUNT 19u

struct path_count {
    struct span key; /* In the sample. */
    uint32_t parent;
    uint32_t depth;
    uint32_t strings;
    uint32_t booleans;
    uint32_t integers;
    uint32_t reals; /* Integers and decimals that a double holds. */
    uint16_t scales[SCALE_COUNT];
};

struct path_counts {
    struct path_count nodes[NODE_COUNT_MAX];
    uint32_t count; /* Node 0 is the root. */
    uint16_t slots[SLOT_COUNT];
};

static struct path_count *find_node(struct path_counts *counts, uint32_t parent, struct span key)
{
    uint64_t hash = 14695981039346656037u + parent * 1099511628211u;
    for (size_t i = 0; i < key.size; i++) {
        hash = (hash ^ key.data[i]) * 1099511628211u;
    }
    uint32_t slot = (uint32_t)(hash >> 20) % SLOT_COUNT;
    while (counts->slots[slot] != 0) {
        struct path_count *node = &counts->nodes[counts->slots[slot]];
        if (node->parent == parent && node->key.size == key.size &&
            (key.size == 0 || memcmp(node->key.data, key.data, key.size) == 0)) {
            return node;
        }
        slot = (slot + 1) % SLOT_COUNT;
    }
    if (counts->count == NODE_COUNT_MAX) {
        return NULL;
    }
    struct path_count *node = &counts->nodes[counts->count];
    *node =
        (struct path_count){.key = key, .parent = parent, .depth = counts->nodes[parent].depth + 1};
    counts->slots[slot] = (uint16_t)counts->count++;
    return node;
}

static void count_number(struct path_count *node, struct span value)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    double real = 0;
    if (!json_decimal(value, &mantissa, &scale)) {
        return;
    }
    node->integers += scale == 0 ? 1 : 0;
    node->scales[scale]++;
    node->reals += shred_real_of_decimal(mantissa, scale, &real) ? 1 : 0;
}

/* Depth is limited by SHRED_DEPTH_MAX. */
static void count_object(struct path_counts *counts, uint32_t parent, struct span object)
{
    uint32_t count = json_count(object);
    for (uint32_t i = 0; i < count; i++) {
        struct span key;
        struct span value = json_member(object, i, &key);
        struct path_count *node =
            key.size > SHRED_KEY_SIZE_MAX ? NULL : find_node(counts, parent, key);
        if (node == NULL) {
            continue;
        }
        switch (json_kind(value)) {
        case JSON_STRING:
            node->strings++;
            break;
        case JSON_BOOLEAN:
            node->booleans++;
            break;
        case JSON_NUMBER:
            count_number(node, value);
            break;
        case JSON_OBJECT:
            if (node->depth < SHRED_DEPTH_MAX) {
                count_object(counts, (uint32_t)(node - counts->nodes), value);
            }
            break;
        case JSON_NULL:
        case JSON_ARRAY:
        default:
            break;
        }
    }
}

/* The type that more than half of `total` documents have there, and how many; 0: none. */
static uint32_t choose_type(const struct path_count *node, uint32_t total, struct type *type_out)
{
    uint32_t most_scale = 1;
    uint32_t decimals = 0;
    for (uint32_t scale = 1; scale < SCALE_COUNT; scale++) {
        most_scale = node->scales[scale] > node->scales[most_scale] ? scale : most_scale;
        decimals += node->scales[scale];
    }
    uint32_t same_scale = node->scales[most_scale];
    struct type numeric = type_of(TYPE_NUMERIC);
    numeric.precision = 18;
    numeric.scale = (int16_t)most_scale;
    // One scale for nearly all is money and the like; numbers of all lengths are measurements.
    bool is_numeric = same_scale >= node->integers && same_scale * 8 >= decimals * 7;
    const struct {
        struct type type;
        uint32_t count;
    } choices[] = {
        {type_of(TYPE_TEXT), node->strings},
        {type_of(TYPE_BOOL), node->booleans},
        {type_of(TYPE_INT8), decimals * 8 <= node->integers ? node->integers : 0},
        {numeric, is_numeric ? same_scale : 0},
        {type_of(TYPE_FLOAT8), node->reals},
    };
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        if (choices[i].count * 2 > total) {
            *type_out = choices[i].type;
            return choices[i].count;
        }
    }
    return 0;
}

struct candidate {
    uint32_t node;
    uint32_t count;
    struct type type;
};

/* The most frequent first; of equal ones the first met. */
static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    if (a->count != b->count) {
        return a->count < b->count ? 1 : -1;
    }
    return a->node < b->node ? -1 : 1;
}

/* Copies a path of the sample into the plan; false when memory is out. */
static bool add_path(struct shred_plan *plan, const struct path_counts *counts, uint32_t column,
                     const struct candidate *chosen)
{
    struct shred_path *path = &plan->paths[plan->path_count];
    *path = (struct shred_path){.column = column,
                                .type = chosen->type,
                                .key_count = (uint8_t)counts->nodes[chosen->node].depth};
    uint32_t node = chosen->node;
    for (uint32_t k = path->key_count; k > 0; k--) {
        struct span key = counts->nodes[node].key;
        uint8_t *copy = arena_bytes(&plan->arena, key.size);
        if (copy == NULL) {
            return false;
        }
        if (key.size > 0) {
            memcpy(copy, key.data, key.size);
        }
        path->keys[k - 1] = (struct span){copy, key.size};
        node = counts->nodes[node].parent;
    }
    plan->path_count++;
    return true;
}

static tdbplus_status choose_paths(struct shred_plan *plan, struct path_counts *counts,
                                   uint32_t column, uint32_t total, struct candidate *candidates)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < counts->count; i++) {
        struct candidate candidate = {.node = i};
        candidate.count = choose_type(&counts->nodes[i], total, &candidate.type);
        if (candidate.count > 0) {
            candidates[count++] = candidate;
        }
    }
    qsort(candidates, count, sizeof *candidates, compare_candidates);
    uint32_t first = plan->path_count;
    for (uint32_t i = 0; i < count && plan->path_count < SHRED_PATH_COUNT_MAX; i++) {
        if (!add_path(plan, counts, column, &candidates[i])) {
            return TDBPLUS_E_NOMEM;
        }
    }
    bool out = false;
    if (plan->path_count > first && !shred_plan_add_tree(plan, first, &out)) {
        // A key that is a value in most documents is an object in few: paths do not begin others.
        ASSERT(out);
        return TDBPLUS_E_NOMEM;
    }
    return TDBPLUS_OK;
}

tdbplus_status shred_plan_choose(struct shred_plan *plan, uint32_t column,
                                 const struct span *documents, uint32_t count, struct err *err)
{
    const struct alloc *alloc = plan->arena.alloc;
    struct path_counts *counts = alloc_array(alloc, 1, sizeof *counts);
    struct candidate *candidates = alloc_array(alloc, NODE_COUNT_MAX, sizeof *candidates);
    tdbplus_status status = TDBPLUS_E_NOMEM;
    if (counts != NULL && candidates != NULL && shred_plan_make_paths(plan)) {
        counts->count = 1;
        for (uint32_t i = 0; i < count; i++) {
            if (shred_is_object(documents[i])) {
                count_object(counts, 0, documents[i]);
            }
        }
        status = choose_paths(plan, counts, column, count, candidates);
    }
    alloc_free(alloc, counts, 1, sizeof *counts);
    alloc_free(alloc, candidates, NODE_COUNT_MAX, sizeof *candidates);
    return status == TDBPLUS_OK
               ? TDBPLUS_OK
               : err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to take documents apart");
}
