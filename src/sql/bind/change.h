#pragma once

/* What the files that bind changes of tables share: change.c, change_insert.c, change_merge.c. */

#include "sql/bind/view_target.h"

/* A table about to be changed. */
struct change_target {
    const struct object *object;
    const struct schema *schema;
    struct table_info info;
    const char *alias;
    const char *own_schema; /* That names of its columns may begin with; NULL: it has an alias. */
    uint32_t visible_count; /* Columns without the hidden key. */
    const char *name;       /* Of the table or view that the statement names. */
    const char *verb;       /* "insert into", "update", "delete from". */
    uint32_t named_count;   /* Columns that names mean. */
    struct view_target view;
    struct bound_access *access; /* To what the statement names, */
    struct bound_access *below;  /* and to the table below it, if that is a view. */
    struct view_values values;   /* Of the view, if there is one. */
    uint8_t overriding;
};

enum { OVERRIDING_USER = 1, OVERRIDING_SYSTEM = 2 }; /* As the grammar has them. */

/* The table, or the view with the table below it, that a statement with this verb names; errors
 * name it (42P01, 42809, 55000 for views that take no rows). */
TDBPLUS_CHECKED tdbplus_status change_find_target(struct binder *binder,
                                                  const struct ast_table_ref *table,
                                                  const char *verb, struct change_target *target);

/* Notes what the statement needs privileges for: called when the target is known. */
TDBPLUS_CHECKED tdbplus_status change_note_access(struct binder *binder,
                                                  const struct catalog_entry *entry,
                                                  struct change_target *target);

/* The column gets a value, all columns get one. */
void change_mark(const struct change_target *target, const char *name, uint32_t position,
                 bool insert);
void change_mark_all(const struct change_target *target);

/* The statement also does that to the target. */
void change_needs(const struct change_target *target, uint32_t privileges);

/* Puts the generated columns on top of new rows, which begin at column `first` of the plan. */
TDBPLUS_CHECKED tdbplus_status change_generated(struct binder *binder,
                                                const struct change_target *target, uint32_t first,
                                                struct plan **plan);

/* The plan of a change over its input; its output has fresh ids for the schema's columns. */
TDBPLUS_CHECKED tdbplus_status change_make(struct binder *binder, enum plan_kind kind,
                                           const struct change_target *target, struct plan *input,
                                           struct plan **plan_out);

/* Binds CHECK constraints and the check options of views, over the plan's new rows. */
TDBPLUS_CHECKED tdbplus_status change_checks(struct binder *binder,
                                             const struct change_target *target, struct plan *plan);

/* For each column of the schema, which value of the source it gets; UINT32_MAX: its default. */
TDBPLUS_CHECKED tdbplus_status change_map_columns(struct binder *binder,
                                                  const struct change_target *target,
                                                  const struct ast_insert *ast, uint32_t **map_out,
                                                  uint32_t *listed_out);

/* One row of VALUES as values of all the schema's columns, by the map. */
TDBPLUS_CHECKED tdbplus_status change_insert_row(struct binder *binder, struct bind_query *query,
                                                 const struct change_target *target,
                                                 const uint32_t *map, const struct ast_list *row,
                                                 struct expr **exprs);

/* Puts what SET assigns into its places of `row`, which has an expression for each column. */
TDBPLUS_CHECKED tdbplus_status change_assignments(struct binder *binder, struct bind_query *query,
                                                  const struct change_target *target,
                                                  const struct ast_list *targets,
                                                  struct expr **row);

/* Appends a plan's column, and its name. */
TDBPLUS_CHECKED tdbplus_status change_push_column(struct binder *binder,
                                                  const struct plan_column *column,
                                                  struct pointers *exprs, struct pointers *names);

/* What a column is when nothing is given for it: its default, or null. */
TDBPLUS_CHECKED tdbplus_status change_default(struct binder *binder,
                                              const struct change_target *target, uint32_t position,
                                              struct expr **expr_out);

/* The column that a statement names; 42703. */
TDBPLUS_CHECKED tdbplus_status change_find_position(struct binder *binder,
                                                    const struct change_target *target,
                                                    const struct ast_target *ast,
                                                    uint32_t *position_out);

/* 428C9 for a column that takes no value but DEFAULT: generated ones, identities GENERATED ALWAYS.
 */
TDBPLUS_CHECKED tdbplus_status change_check_given(struct binder *binder,
                                                  const struct change_target *target,
                                                  uint32_t position, bool insert);

/* A column of a view that is computed takes no value. */
TDBPLUS_CHECKED tdbplus_status change_refuse_computed(struct binder *binder,
                                                      const struct change_target *target,
                                                      const char *column);

/* OVERRIDING USER VALUE: what is given for an identity column is not used. */
bool change_ignores_given(const struct change_target *target, uint32_t position);

bool change_has_generated(const struct change_target *target);

/* Computes the generated columns of a row whose other columns have these ids, into `exprs`. */
TDBPLUS_CHECKED tdbplus_status change_generated_exprs(struct binder *binder,
                                                      const struct change_target *target,
                                                      const struct plan_column *columns,
                                                      struct expr **exprs);

/* Lets names of the query mean the target's columns, found in these. */
TDBPLUS_CHECKED tdbplus_status change_name_columns(struct binder *binder, struct bind_query *query,
                                                   const struct change_target *target,
                                                   const struct plan_column *columns);

/* RETURNING over the plan of a change, and over other tables' columns from column `first` on. */
TDBPLUS_CHECKED tdbplus_status change_returning(struct binder *binder,
                                                const struct change_target *target,
                                                const struct bind_query *from, uint32_t first,
                                                const struct ast_list *returning,
                                                struct plan **plan);
