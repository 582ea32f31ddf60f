#pragma once

/* Views that rows can be put into: what their columns are of the table below. */

#include "sql/bind/bind_internal.h"
#include "sql/bind/view_info.h"

/* One view of those between the name in the statement and the table; the first is the outermost. */
struct view_layer {
    const char *name;
    struct catalog_entry entry;
    struct view_info info;
    const struct ast_select *ast;
    const struct ast_table_ref *from;
};

struct view_target {
    struct view_layer *layers;
    uint32_t layer_count;
};

/* A view's column over the table's: one of them, or a value computed of them. */
struct view_value {
    const char *name;
    struct type type;
    uint32_t id;       /* Of the table's column; fresh if computed. */
    uint32_t position; /* Of the table's column; UINT32_MAX: computed. */
    struct expr *expr; /* If computed. */
};

struct view_values {
    struct view_value *values;
    uint32_t count;
    struct expr **conditions; /* Of the layers, outermost first; NULL: none. */
};

/* The views below a name, and the table at the end. `verb` is "insert into", "update" or "delete
 * from": 55000 with the reason if the view does not let rows through. */
TDBPLUS_CHECKED tdbplus_status view_target_open(struct binder *binder,
                                                const struct catalog_entry *view, const char *verb,
                                                struct view_target *target_out,
                                                const struct object **table_out);

/* The view's columns and conditions over the table's columns, whose ids are given in the order of
 * the schema. */
TDBPLUS_CHECKED tdbplus_status view_target_values(struct binder *binder,
                                                  const struct view_target *target,
                                                  const struct object *table, const uint32_t *ids,
                                                  struct view_values *values_out);

/* True when new rows must fulfil the layer's condition. */
bool view_layer_checks(const struct view_target *target, uint32_t layer);

/* Puts the computed columns' expressions in the place of their ids. */
TDBPLUS_CHECKED tdbplus_status view_values_inline(struct binder *binder,
                                                  const struct view_values *values,
                                                  struct expr **expr);
