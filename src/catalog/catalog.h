#pragma once

/*
 * catalog: what SQL defines beside collections: schemas, views, sequences, types, comments, indexes
 * and foreign keys. An entry has a kind, an oid that never changes, a schema and a name, an owner
 * (the entry it belongs to, if any) and a definition, which means something to its kind only.
 *
 * Entries are objects of the store, so a transaction sees its own changes of them at once and
 * others when it commits, they roll back with savepoints, and log, recovery, snapshots, backup and
 * verify have them. Whoever keeps what he made of entries (plans, parsed views) notes their
 * `revision` and looks whether catalog_entry_unchanged().
 *
 * Threads: as the transaction.
 */

#include "base/list.h"
#include "txn/txn.h"

/* Numbers reach disk. Tables are collections; their columns, defaults and checks are in the
 * collection itself. */
enum catalog_kind {
    CATALOG_TABLE = OBJECT_COLLECTION,
    CATALOG_INDEX = OBJECT_INDEX,
    CATALOG_FOREIGN_KEY = OBJECT_FOREIGN_KEY,
    CATALOG_SCHEMA = 16,
    CATALOG_VIEW = 17,
    CATALOG_SEQUENCE = 18,
    CATALOG_TYPE = 19, /* Enums and the like. */
    CATALOG_COMMENT = 20,
    CATALOG_STATISTICS = 21,   /* Of a table's columns; named by the table's id. */
    CATALOG_MATERIALIZED = 22, /* What a materialized view is of: owned by the table of its rows. */
    CATALOG_PRIVILEGES = 28,   /* Of an object: its owner, who may do what; named by its oid. */
    CATALOG_KIND_LAST = 28,
};

#define CATALOG_SCHEMA_DEFAULT "public"
#define CATALOG_NAME_SIZE_MAX  127u /* Of a schema's and of an entry's own name, in bytes. */

/* What an entry cannot be without: another entry, or one column of a table. */
struct catalog_dependency {
    uint64_t oid;
    uint32_t column_id; /* 0: all of it. */
};

struct catalog_entry {
    uint64_t oid;
    uint64_t revision; /* Another one is another content. */
    uint8_t kind;      /* enum catalog_kind. */
    uint64_t owner;    /* Oid of the entry it belongs to; 0: none. */
    /* For making and altering. NULL: those that `encoded_dependencies` has, which reading fills. */
    const struct catalog_dependency *dependencies;
    uint32_t dependency_count;
    struct span encoded_dependencies;
    char schema[CATALOG_NAME_SIZE_MAX + 1];
    char name[CATALOG_NAME_SIZE_MAX + 1];
    struct span definition; /* Valid until the transaction ends or changes the entry. */
    const struct object *object;
};

/* ---- names ---- */

#define CATALOG_FULL_NAME_SIZE COLLECTION_NAME_SIZE_MAX

/*
 * The name under which the store keeps `name` of `schema` (NULL: the default one). Names of the
 * default schema stand as they are, so collections of the C API are tables of it.
 * TDBPLUS_E_INVALID (42622) when a name is empty or too long.
 */
TDBPLUS_CHECKED tdbplus_status catalog_full_name(const char *schema, const char *name,
                                                 char full_out[CATALOG_FULL_NAME_SIZE],
                                                 struct err *err);

/* The own name in a name that the store keeps, without its schema. */
const char *catalog_own_name(const char *full_name);

/* True for collections that are part of something else (where indexes keep their entries): not for
 * listings, and not to be found by name. */
bool catalog_hidden(const struct object *object);

/* ---- reading ---- */

/* False when there is none. */
bool catalog_entry_find(struct txn *txn, uint8_t kind, const char *schema, const char *name,
                        struct catalog_entry *entry_out);
bool catalog_entry_by_oid(struct txn *txn, uint64_t oid, struct catalog_entry *entry_out);

/* Tables, indexes, views and sequences of a schema share their names, as in PostgreSQL. */
bool catalog_relation_find(struct txn *txn, const char *schema, const char *name,
                           struct catalog_entry *entry_out);

/*
 * The entry of that kind after *entry in order of schema and name, in its place; a zeroed one
 * stands before the first. False at the end. All tables, views, sequences ... are listed by
 *
 *     struct catalog_entry entry = {0};
 *     while (catalog_entry_next(txn, CATALOG_VIEW, &entry)) { ... }
 *
 * What `definition` says is read by sql/bind: view_info.h (views), sequence_info in
 * catalog_sequence.h, type_info.h (enums and domains), table_info.h (tables, `object->properties`).
 */
bool catalog_entry_next(struct txn *txn, uint8_t kind, struct catalog_entry *entry);

/* Number `number` of what the entry depends on; false when there are no more. */
bool catalog_dependency_at(const struct catalog_entry *entry, uint32_t number,
                           struct catalog_dependency *dependency_out);

/* True when the entry depends on the other one: on the column if `column_id` is not 0. */
bool catalog_depends(const struct catalog_entry *entry, uint64_t oid, uint32_t column_id);

/* Appends the oids of the entries that depend on the entry, or on that column of it, to a list of
 * uint64_t, oldest first; of materialized views their tables'. Indexes and foreign keys are not
 * among them. */
TDBPLUS_CHECKED tdbplus_status catalog_dependents(struct txn *txn, uint64_t oid, uint32_t column_id,
                                                  struct list *oids, struct err *err);

/* Appends the oids of the entries whose owner is `oid` (for a table: its indexes and foreign keys
 * too, not those that refer to it) to a list of uint64_t. */
TDBPLUS_CHECKED tdbplus_status catalog_owned(struct txn *txn, uint64_t oid, struct list *oids,
                                             struct err *err);

/* True when the transaction sees the entry with that very revision. */
bool catalog_entry_unchanged(struct txn *txn, uint64_t oid, uint64_t revision);

/* The name of the comment on an entry, or on the column of it with that id: comments are entries of
 * the default schema, owned by what they are on; the definition is their text. */
void catalog_comment_name(uint64_t oid, uint32_t column_id,
                          char name_out[CATALOG_NAME_SIZE_MAX + 1]);

/* The name of the privileges of an entry: an entry of the default schema, owned by what it is of.
 */
void catalog_privileges_name(uint64_t oid, char name_out[CATALOG_NAME_SIZE_MAX + 1]);

/* ---- changing ---- */

/*
 * Makes an entry; of `entry` kind, schema, name, owner and definition are read. Not for
 * tables (txn_object_create()), indexes and foreign keys.
 * TDBPLUS_E_EXISTS (42P07 for relations, 42710 for others) when the name is taken.
 */
TDBPLUS_CHECKED tdbplus_status catalog_entry_create(struct txn *txn,
                                                    const struct catalog_entry *entry,
                                                    uint64_t *oid_out, struct err *err);

/* Gives the entry a new schema and name, owner and definition; its oid stays. */
TDBPLUS_CHECKED tdbplus_status catalog_entry_alter(struct txn *txn, uint64_t oid,
                                                   const struct catalog_entry *entry,
                                                   struct err *err);

/* Makes what `from` owns, and what depends on it, belong to `to`, which takes its place. */
TDBPLUS_CHECKED tdbplus_status catalog_entry_replace(struct txn *txn, uint64_t from, uint64_t to,
                                                     struct err *err);

/* Drops the entry and what it owns, and what that owns; with a table the foreign keys that refer to
 * it too, so look first whether they may go. */
TDBPLUS_CHECKED tdbplus_status catalog_entry_drop(struct txn *txn, uint64_t oid, struct err *err);
