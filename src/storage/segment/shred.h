#pragma once

/*
 * shred: documents of a segment taken apart into typed columns, and put together again.
 *
 * A path that most documents have with values of one type becomes a sub-column. A value goes there
 * only if the document that is made from it again has the same bytes (G13); what does not stays in
 * the rest, which is the document without the members that went. Objects stay in the rest even when
 * all their members went, so that they are known to be there.
 *
 * Threads: a plan is read-only once made; a shredder or assembler has one user.
 */

#include "base/arena.h"
#include "storage/segment/segment_format.h"
#include "types/column.h"
#include "types/json.h"

#define SHRED_PATH_COUNT_MAX 256u /* Of a segment. */
#define SHRED_DEPTH_MAX      8u   /* Keys of a path. */
#define SHRED_KEY_SIZE_MAX   255u
#define SHRED_SAMPLE_MAX     1024u /* Documents that a plan is made from. */

/* Longer documents stay whole, and so do those of which more than VALUE_INLINE_SIZE_MAX would be
 * left; texts longer than that are left. */
#define SHRED_DOCUMENT_SIZE_MAX 4096u

/* What the rest of some row may hold at a path. Numbers reach disk. */
enum shred_flag {
    SHRED_FLAG_NULLS = 1,  /* The JSON value null. */
    SHRED_FLAG_OTHERS = 2, /* Other values. */
};

struct shred_path {
    uint32_t column;  /* Position of the documents. */
    struct type type; /* bool, int8, float8, numeric(18, scale) or text. */
    uint8_t flags;    /* enum shred_flag. */
    uint8_t key_count;
    struct span keys[SHRED_DEPTH_MAX];
};

/* A key of some path, below another. Siblings are in the order of keys in documents. */
struct shred_node {
    struct span key;
    uint32_t first_child; /* 0: none; node 0 is the root. */
    uint32_t next;        /* Sibling; 0: none. */
    uint32_t leaf;        /* Path that ends here, counted from 1; 0: none. */
};

/* The paths of one column of documents. */
struct shred_tree {
    uint32_t column;
    uint32_t first_path; /* Of the plan. */
    uint32_t path_count;
    struct shred_node *nodes;
    uint32_t node_count;
};

/* All paths of a segment, by column. */
struct shred_plan {
    struct arena arena;
    struct shred_path *paths;
    uint32_t path_count;
    struct shred_tree *trees;
    uint32_t tree_count;
};

void shred_plan_init(struct shred_plan *plan, const struct alloc *alloc);
void shred_plan_deinit(struct shred_plan *plan); /* Zeroed is accepted. */

/* The tree of a column, or NULL. */
const struct shred_tree *shred_plan_tree(const struct shred_plan *plan, uint32_t column);

/*
 * Adds the paths that most of `documents` share, as a tree of `column`,
 * which comes after those before it. TDBPLUS_E_NOMEM.
 */
TDBPLUS_CHECKED tdbplus_status shred_plan_choose(struct shred_plan *plan, uint32_t column,
                                                 const struct span *documents, uint32_t count,
                                                 struct err *err);

/* As bytes for the segment's metadata, and back: TDBPLUS_E_CORRUPT when no plan looks so. Keys are
 * copied. `column_count` bounds the positions. */
void shred_plan_encode(const struct shred_plan *plan, struct buffer *out);
TDBPLUS_CHECKED tdbplus_status shred_plan_decode(struct span bytes, uint32_t path_count,
                                                 uint32_t column_count, struct shred_plan *plan,
                                                 struct err *err);

/* Room for all paths that a plan may have; false when memory is out. */
bool shred_plan_make_paths(struct shred_plan *plan);

/* Adds a tree of the plan's paths from `first_path` on, all of one column. False when two paths are
 * one or one begins another, and when memory is out: then *no_memory_out is set. */
bool shred_plan_add_tree(struct shred_plan *plan, uint32_t first_path, bool *no_memory_out);

/* The double from which mantissa / 10^scale is made again; false when there is none. */
bool shred_real_of_decimal(int64_t mantissa, unsigned scale, double *real_out);

/* Is the document an object? Documents are valid: pages of them were checked when they were loaded,
 * and so is what comes from value files. */
bool shred_is_object(struct span document);

/* ---- taking apart ---- */

/* Where the parts of a document go. */
struct shred_output {
    struct json_builder *builder; /* Used for its memory. */
    struct datum *values; /* Of each path of the tree: null where nothing went. Text is borrowed. */
    uint8_t *flags;       /* enum shred_flag of each path: gets what stayed there. */
    struct buffer *rest;  /* The rest is appended. */
};

/* Takes a document apart. `paths` are those of the tree. */
TDBPLUS_CHECKED tdbplus_status shred_document(const struct shred_tree *tree,
                                              const struct shred_path *paths, struct span document,
                                              const struct shred_output *out, struct err *err);

/* Like the above for a document that stays whole: values are copied. */
void shred_copy_values(const struct shred_tree *tree, const struct shred_path *paths,
                       struct span document, struct datum *values, uint8_t *flags);

/* ---- putting together ---- */

/* Appends the document. values[i] is of path i of the tree. */
TDBPLUS_CHECKED tdbplus_status shred_assemble(const struct shred_tree *tree, struct span rest,
                                              const struct datum *values,
                                              struct json_builder *builder, struct buffer *document,
                                              struct err *err);

/* Appends one value as a document of its own. */
TDBPLUS_CHECKED tdbplus_status shred_put_value(const struct datum *value,
                                               struct json_builder *builder,
                                               struct buffer *document, struct err *err);

/* ---- finding ---- */

enum shred_match {
    SHRED_MATCH_NONE = 0,  /* Whatever is there is in the rest. */
    SHRED_MATCH_LEAF = 1,  /* *path_out is the path. */
    SHRED_MATCH_ABOVE = 2, /* Parts of what is there are in sub-columns. */
};

/* How a path of keys meets the tree; NULL has no paths. */
enum shred_match shred_find(const struct shred_tree *tree, const struct span *keys,
                            uint32_t key_count, uint32_t *path_out);
