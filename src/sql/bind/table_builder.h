#pragma once

/* A table while its definition is read: what the files that do it share. */

#include "catalog/catalog.h"
#include "sql/bind/bind_internal.h"

struct table_builder {
    struct pointers columns; /* struct schema_column */
    struct pointers keys;    /* Names, const char */
    bool has_key;
    struct pointers defaults; /* struct table_text */
    struct pointers checks;
    struct pointers domains;   /* struct table_domain */
    struct pointers sequences; /* struct bound_sequence */
    struct pointers uniques;   /* struct part_builder */
    struct pointers foreign;   /* struct part_builder */
    struct pointers likes;     /* struct like_index */
    struct pointers comments;  /* struct bound_comment */
    struct part_builder *last; /* What DEFERRABLE speaks of, */
    bool after_key;            /* if not of the primary key. */
    const char *table;
    const char *schema; /* Where it goes. */
    const char *key_name;
    const struct object *object; /* That is altered. */
    uint32_t next_id;            /* Of a column that is added to a table; 0: the table is new. */
    uint32_t first_id; /* verify_checks(): a column's id less the one it has in the statement. */
};

/* UNIQUE or a foreign key, until the columns are known. */
struct part_builder {
    struct ast_names names;
    struct ast_constraint ast;
};

/* An index that is made as another table has one; its columns are the new table's. */
struct like_index {
    struct index_def def;
    const char *labels; /* "a_b": what its name is made of. */
};

TDBPLUS_CHECKED tdbplus_status builder_set_key(struct binder *binder, struct table_builder *builder,
                                               const char *const *names, uint32_t count,
                                               uint32_t position);
/* Appends a default or check. */
TDBPLUS_CHECKED tdbplus_status builder_add_text(struct binder *binder, struct pointers *list,
                                                uint32_t column_id, const char *name,
                                                struct span text);
TDBPLUS_CHECKED tdbplus_status builder_add_column(struct binder *binder,
                                                  struct table_builder *builder, const char *name,
                                                  struct type type, uint32_t position,
                                                  struct schema_column **column_out);
/* Notes that the column's values are those of a domain; nothing for 0. */
TDBPLUS_CHECKED tdbplus_status builder_add_domain(struct binder *binder,
                                                  struct table_builder *builder, uint32_t column_id,
                                                  uint64_t oid);
/* A column that counts: by identity, or as serial if `ast` is NULL. */
TDBPLUS_CHECKED tdbplus_status builder_add_sequence(struct binder *binder,
                                                    struct table_builder *builder,
                                                    struct schema_column *column,
                                                    const struct ast_constraint *ast);

/* ---- table_like.c ---- */

/* LIKE table: its columns, and what the options say. */
TDBPLUS_CHECKED tdbplus_status builder_add_like(struct binder *binder,
                                                struct table_builder *builder,
                                                const struct ast_like_table *ast);
/* Makes the indexes that LIKE asked for; there is room for them. */
TDBPLUS_CHECKED tdbplus_status builder_like_indexes(struct binder *binder,
                                                    const struct table_builder *builder,
                                                    struct bound_create *create);
