/*
 * A static search tree whose nodes are 16 keys, two cache lines, compared by two AVX-512
 * instructions; the fan-out is 17 and the leaves are the sorted array itself, so that it costs the
 * inner nodes only. A batch walks 64 searches in step and fetches the next node of each into the
 * second cache: of 16, 32 and 64, into the first or the second, the fastest.
 */

#include "index_bench.h"

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define NODE_KEYS 16u
#define FAN_OUT   (NODE_KEYS + 1)
#define STREAMS   64
#define LEVELS    10

struct tree {
    const uint64_t *leaves;
    size_t count;
    uint64_t *nodes; /* The levels above the leaves, the root's first. */
    size_t size;
    size_t level_at[LEVELS]; /* In nodes, from the root. */
    unsigned levels;
};

static size_t parts(size_t count, size_t size)
{
    return (count + size - 1) / size;
}

/* The first key below a child of level `height` (0: a leaf block); the maximum past the end. */
static uint64_t first_key(const struct keys *keys, size_t child, unsigned height)
{
    for (unsigned h = 0; h < height; h++) {
        child *= FAN_OUT;
    }
    return child * NODE_KEYS < keys->count ? keys->keys[child * NODE_KEYS] : UINT64_MAX;
}

static void *build(const struct keys *keys)
{
    struct tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL) {
        return NULL;
    }
    size_t node_counts[LEVELS];
    size_t total = 0;
    for (size_t children = parts(keys->count, NODE_KEYS); children > 1;) {
        children = parts(children, FAN_OUT);
        node_counts[tree->levels++] = children;
        total += children;
    }
    tree->leaves = keys->keys;
    tree->count = keys->count;
    tree->size = (total + 1) * NODE_KEYS * sizeof(uint64_t);
    tree->nodes = bench_pages(tree->size);
    size_t at = 0;
    for (unsigned level = 0; level < tree->levels; level++) {
        unsigned height = tree->levels - 1 - level;
        tree->level_at[level] = at;
        for (size_t node = 0; node < node_counts[height]; node++) {
            for (size_t i = 0; i < NODE_KEYS; i++) {
                // Keys equal to a child's first lie in that child: its lower bound is at or after
                // the first, or at the end of the child before, which is the same position.
                tree->nodes[(at + node) * NODE_KEYS + i] =
                    first_key(keys, node * FAN_OUT + i + 1, height);
            }
        }
        at += node_counts[height];
    }
    return tree;
}

static void tree_free(void *self)
{
    struct tree *tree = self;
    bench_pages_free(tree->nodes, tree->size);
    free(tree);
}

static size_t size_bytes(const void *self)
{
    return ((const struct tree *)self)->size;
}

/* How many of 16 keys are below. */
static inline unsigned below(const uint64_t *node, uint64_t key)
{
    __m512i wanted = _mm512_set1_epi64((long long)key);
    __mmask8 low = _mm512_cmplt_epu64_mask(_mm512_loadu_si512(node), wanted);
    __mmask8 high = _mm512_cmplt_epu64_mask(_mm512_loadu_si512(node + 8), wanted);
    return (unsigned)__builtin_popcount((unsigned)low | (unsigned)high << 8);
}

static inline uint64_t in_leaf(const struct tree *tree, size_t block, uint64_t key)
{
    size_t at = block * NODE_KEYS;
    if (__builtin_expect(at + NODE_KEYS <= tree->count, 1)) {
        return at + below(&tree->leaves[at], key);
    }
    while (at < tree->count && tree->leaves[at] < key) {
        at++;
    }
    return at < tree->count ? at : tree->count;
}

static uint64_t locate(const void *self, uint64_t key)
{
    const struct tree *tree = self;
    size_t node = 0;
    for (unsigned level = 0; level < tree->levels; level++) {
        node =
            node * FAN_OUT + below(&tree->nodes[(tree->level_at[level] + node) * NODE_KEYS], key);
    }
    return in_leaf(tree, node, key);
}

static void locate_batch(const void *self, const uint64_t *wanted, size_t count, uint64_t *out)
{
    const struct tree *tree = self;
    for (size_t i = 0; i < count; i += STREAMS) {
        size_t here = count - i < STREAMS ? count - i : STREAMS;
        size_t node[STREAMS] = {0};
        for (unsigned level = 0; level < tree->levels; level++) {
            const uint64_t *base = &tree->nodes[tree->level_at[level] * NODE_KEYS];
            const uint64_t *next = level + 1 == tree->levels
                                       ? tree->leaves
                                       : &tree->nodes[tree->level_at[level + 1] * NODE_KEYS];
            for (size_t k = 0; k < here; k++) {
                node[k] = node[k] * FAN_OUT + below(&base[node[k] * NODE_KEYS], wanted[i + k]);
                __builtin_prefetch(&next[node[k] * NODE_KEYS], 0, 2);
                __builtin_prefetch(&next[node[k] * NODE_KEYS + 8], 0, 2);
            }
        }
        for (size_t k = 0; k < here; k++) {
            out[i + k] = in_leaf(tree, node[k], wanted[i + k]);
        }
    }
}

const struct peer peer_simd_tree = {
    .name = "16-ary SIMD tree",
    .build = build,
    .free = tree_free,
    .size_bytes = size_bytes,
    .locate = locate,
    .locate_batch = locate_batch,
};
