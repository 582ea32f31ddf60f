#pragma once

/*
 * index definitions: what a secondary index covers, as bytes and as a value; and the keys of its
 * entries.
 *
 * An index keeps its entries in a collection of its own, one for each row of the table that its
 * predicate admits. An entry's key is one bytea whose bytes compare as ORDER BY over the index's
 * columns does; behind it stand the table's key and the columns that the index alone can answer.
 *
 * Threads: values; read-only once made.
 */

#include "base/arena.h"
#include "types/column.h"
#include "types/schema.h"

#define INDEX_COLUMN_COUNT_MAX  32u /* As PostgreSQL; included columns are counted apart. */
#define INDEX_INCLUDE_COUNT_MAX 32u

enum index_method { INDEX_BTREE = 0, INDEX_HASH = 1 }; /* Numbers reach disk. */

struct index_column {
    uint32_t column_id;     /* Of the table's schema; 0: an expression. */
    const char *expression; /* Its text; NULL: a column. */
    struct type type;
    bool descending;
    bool nulls_first;
};

struct index_def {
    uint64_t table;   /* Collection it belongs to. */
    uint64_t entries; /* Collection of its entries. */
    uint8_t method;   /* enum index_method. */
    bool unique;
    bool nulls_not_distinct;
    bool constraint; /* Made by UNIQUE in a table's definition. */
    bool primary;    /* Stands for PRIMARY KEY of a table whose rows are keyed otherwise. */
    bool deferrable; /* Unique: looked at when the statement ends, */
    bool deferred;   /* or at the commit. */
    bool ready;      /* All rows have entries: it may be read. */
    struct index_column *columns;
    uint32_t column_count;
    uint32_t *includes; /* Column ids. */
    uint32_t include_count;
    const char *predicate; /* Text of a condition; NULL: all rows. */
};

/* The properties of the index's catalog object, the two ids in front included. */
void index_def_encode(const struct index_def *def, struct buffer *buffer);

/* Back; texts and arrays are in the arena. TDBPLUS_E_CORRUPT, TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status index_def_decode(struct span encoded, struct arena *arena,
                                                struct index_def *def_out, struct err *err);

/* True when the index has an entry's key once for all rows with these values, and the table's key
 * is not part of it. */
bool index_key_is_unique(const struct index_def *def, const struct datum *values);

/* True when an expression or predicate has to be computed. */
bool index_has_texts(const struct index_def *def);

/* True when the column is read by the index's columns or stored with it. Texts are not looked at.
 */
bool index_uses_column(const struct index_def *def, uint32_t column_id);

/* ---- entries ---- */

/*
 * Describes the collection of the index's entries for schema_create(), in the arena: first the key,
 * then the table's key columns, then the other plain columns and included ones.
 */
TDBPLUS_CHECKED tdbplus_status index_entries_schema(const struct index_def *def,
                                                    const struct schema *table, struct arena *arena,
                                                    struct schema *schema_out, struct err *err);

/* Where the entries have the table's column with that id, or -1. */
int32_t index_entries_find(const struct schema *entries, uint32_t column_id);

/*
 * Appends the key of a row's entry: `values` are those of the index's columns, `row_key` the
 * table's key. TDBPLUS_E_LIMIT (54000) when it is too long.
 */
TDBPLUS_CHECKED tdbplus_status index_key_encode(const struct index_def *def,
                                                const struct datum *values,
                                                const struct datum *row_key, uint32_t row_key_count,
                                                struct buffer *buffer, struct err *err);

/* A range over the index: its first columns equal `equal` (null: IS NULL), and the next lies
 * between the bounds, which are not null. Hash: all columns equal. */
struct index_range {
    const struct datum *equal;
    uint32_t equal_count;
    const struct datum *lower; /* NULL: none. */
    const struct datum *upper;
    bool lower_exclusive;
    bool upper_exclusive;
    bool not_null; /* Of the next column, where there are no bounds either. */
};

/* Appends the least key in the range to `from` and the least above it to `to`, which stays empty
 * when there is none. */
TDBPLUS_CHECKED tdbplus_status index_range_encode(const struct index_def *def,
                                                  const struct index_range *range,
                                                  struct buffer *from, struct buffer *to,
                                                  struct err *err);
