#pragma once

/* What the files that bind ALTER TABLE share: bind_alter.c, alter_identity.c, alter_rename.c. */

#include "sql/bind/bind_internal.h"

/* A table about to be changed by one command. */
struct altering {
    struct binder *binder;
    const struct ast_alter_command *command;
    const struct object *object;
    const char *name;
    struct table_info info; /* Arrays have room for one more. */
    struct schema schema;   /* A description; likewise. */
    uint32_t old_check_count;
    struct bound_alter *step;
};

/* The command's schema, or what else is known of the table, becomes the step's. */
TDBPLUS_CHECKED tdbplus_status alter_keep_schema(struct altering *altering);
TDBPLUS_CHECKED tdbplus_status alter_keep_info(struct altering *altering);

/* The column of that name; 42703. */
TDBPLUS_CHECKED tdbplus_status alter_find_column(const struct altering *altering, const char *name,
                                                 uint32_t *position_out);

/* The index or foreign key behind a constraint; NULL: there is none of that name. */
TDBPLUS_CHECKED tdbplus_status alter_find_part(struct altering *altering, const char *name,
                                               const struct object **part_out);

/* Whether the name is that of the primary key's constraint. */
bool alter_is_key_name(const struct altering *altering, const char *name);

/* Whether an expression kept as text reads the column. */
TDBPLUS_CHECKED tdbplus_status alter_text_reads(const struct altering *altering, const char *text,
                                                uint32_t position, bool *reads_out);

/* The column's default or what generates it; NULL: it has none. */
const struct table_text *alter_text_of(const struct altering *altering, uint32_t position);
bool alter_is_identity(const struct table_text *text);
void alter_remove_texts(struct table_info *info, uint32_t column_id);

/* The step also drops that entry of the catalog. */
TDBPLUS_CHECKED tdbplus_status alter_drop_oid(struct altering *altering, uint64_t oid);

/* ---- alter_identity.c: ADD, SET and DROP of GENERATED AS IDENTITY ---- */

TDBPLUS_CHECKED tdbplus_status alter_add_identity(struct altering *altering);
TDBPLUS_CHECKED tdbplus_status alter_set_identity(struct altering *altering);
TDBPLUS_CHECKED tdbplus_status alter_drop_identity(struct altering *altering);

/* ---- alter_rename.c ---- */

TDBPLUS_CHECKED tdbplus_status alter_rename_column(struct altering *altering);
TDBPLUS_CHECKED tdbplus_status alter_rename_constraint(struct altering *altering);
