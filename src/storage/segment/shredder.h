#pragma once

/*
 * shredder: the documents of a segment being written, on their way into sub-columns.
 *
 * Threads: one user.
 */

#include "storage/segment/column_builder.h"
#include "storage/segment/external.h"
#include "storage/segment/shred.h"

struct shredder;

TDBPLUS_CHECKED tdbplus_status shredder_create(const struct schema *schema,
                                               const struct alloc *alloc,
                                               struct shredder **shredder_out, struct err *err);
void shredder_destroy(struct shredder *shredder); /* NULL is fine. */

/* Plans the paths of every column of documents from the live rows of a batch of all columns. Once,
 * before anything is appended. */
TDBPLUS_CHECKED tdbplus_status shredder_plan(struct shredder *shredder, const struct batch *batch,
                                             const struct external_column *references,
                                             struct err *err);
bool shredder_planned(const struct shredder *shredder);

/* With what stayed behind at each path so far. */
const struct shred_plan *shredder_get_plan(const struct shredder *shredder);

/* The builders that rows go to: of the rest, and of the tree's first path and those behind it. */
struct shredder_target {
    struct external *external;
    struct column_builder *rest;
    struct column_builder *paths;
};

/* Appends rows of a column that has a tree. [waits] */
TDBPLUS_CHECKED tdbplus_status shredder_append(struct shredder *shredder,
                                               const struct shred_tree *tree,
                                               const struct external_rows *rows,
                                               const struct shredder_target *target,
                                               struct err *err);
