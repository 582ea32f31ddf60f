#pragma once

/*
 * The one way of changing a store: a set of row operations and catalog changes that take effect
 * together. Transactions make it; nobody else should.
 */

#include "base/call.h"
#include "storage/store/store.h"

struct collection;
struct object_ref;
struct segment_ref;

enum commit_op_kind {
    COMMIT_PUT = 1,    /* The row with this key is now this one. */
    COMMIT_DELETE = 2, /* There is no row with this key any more. */
};

/* One row's change. Bytes are the caller's, until the commit returns. */
struct commit_op {
    uint8_t kind;
    struct span key;
    uint64_t code;   /* key_code(key). */
    uint64_t hash;   /* key_hash(key). */
    struct span row; /* row_encode() by the group's schema; empty for COMMIT_DELETE. */
};

enum commit_stage_kind {
    COMMIT_LOAD = 1,         /* The rows of segments that were written already (store_load.h). */
    COMMIT_DELETE_RANGE = 2, /* There is no row with a key in [lower, upper) any more. */
};

/* Something that happens to a collection between the row changes of a commit. */
struct commit_stage {
    uint8_t kind;                        /* enum commit_stage_kind. */
    uint32_t op_count;                   /* Ops of the group that come before it. */
    struct segment_ref *const *segments; /* COMMIT_LOAD. */
    uint32_t segment_count;
    uint64_t byte_count; /* Of the keys and values in them, for the statistics. */
    struct span lower;   /* COMMIT_DELETE_RANGE; empty: from the first key. */
    struct span upper;
    bool has_upper; /* Else to the last. */
};

/* Whoever commits stages is the only one who changes rows of the collection (store_load.h). */
/* At most one op per key before the first stage, between two, and after the last. */
struct commit_group {
    struct collection *collection;
    const struct schema *schema; /* What the rows are encoded by. */
    const struct commit_op *ops;
    uint32_t op_count;
    uint64_t revision; /* Of the collection's object that the ops were made by; 0: no matter. */
    const struct commit_stage *stages;
    uint32_t stage_count;
};

/* `after` NULL drops; `before` NULL creates. */
struct catalog_change {
    uint64_t id;
    const struct object *before;
    struct object_ref *after;
    uint64_t unchanged_since; /* A collection whose rows may not have changed since then; 0: may. */
};

struct store_commit {
    const struct commit_group *groups;
    uint32_t group_count;
    const struct catalog_change *changes;
    uint32_t change_count;
    uint8_t durability;
};

/*
 * Makes the changes durable as asked, applies them and makes them visible. [waits]
 *
 *   TDBPLUS_E_CONFLICT  a collection's object changed since the rows were encoded, it was dropped,
 *                       an object differs from `before`, or rows changed that should not have
 *   TDBPLUS_E_EXISTS    a new object's name is taken
 *   TDBPLUS_E_NOMEM, TDBPLUS_E_FULL, TDBPLUS_E_LIMIT   nothing happened
 *   TDBPLUS_E_STOPPED   the log failed: whether it happened shows at the next open
 */
TDBPLUS_CHECKED tdbplus_status store_commit(struct store *store, const struct store_commit *commit,
                                            uint64_t *timestamp_out, const struct call *call);

/* A new object with an id of its own, for a catalog change. Release with store_object_release(). */
TDBPLUS_CHECKED tdbplus_status store_object_create(struct store *store, uint8_t kind,
                                                   const char *name, const struct schema *schema,
                                                   struct span properties,
                                                   struct object_ref **object_out, struct err *err);
/* The same object changed; NULL arguments keep what was. */
TDBPLUS_CHECKED tdbplus_status store_object_change(struct store *store, const struct object *base,
                                                   const char *name, const struct schema *schema,
                                                   const struct span *properties,
                                                   struct object_ref **object_out, struct err *err);
const struct object *store_object_get(const struct object_ref *object);
void store_object_release(struct object_ref *object);
