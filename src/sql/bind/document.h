#pragma once

/*
 * Tables of documents: WITH (documents). A row is a document of any form in the column `doc`, under
 * a key `_id`; declared columns are members of it that are kept with their type, computed when a
 * row is written; `_created`, `_updated` and `_version` follow the changes.
 *
 * A name that is no column's is a member of the document: `title`, `facts.by`, `f.facts.by`. It is
 * a jsonb, which compares with values of any type by the order of documents, without errors; where
 * a text or a number is wanted it is taken for that.
 */

#include "sql/bind/table_builder.h"

/* ---- definitions ---- */

bool document_wanted(const struct ast_list *options);
/* The columns before and behind those that are declared, which become computed ones. */
TDBPLUS_CHECKED tdbplus_status document_begin(struct binder *binder, struct table_builder *builder);
TDBPLUS_CHECKED tdbplus_status document_end(struct binder *binder, struct table_builder *builder);

/* Where the document stands in a table of documents. */
uint32_t document_position(const struct schema *schema);
bool document_is_column(const struct table_info *info, const struct schema *schema,
                        uint32_t position);

/* ---- reading ---- */

/* Columns with that id are documents: one of a table, and what subqueries give on of it. */
TDBPLUS_CHECKED tdbplus_status document_note(struct binder *binder, uint32_t id);
bool document_is(const struct binder *binder, uint32_t id);

/* A member that the name means; *found_out false: no documents are in reach. */
TDBPLUS_CHECKED tdbplus_status document_find_path(struct binder *binder, struct bind_query *query,
                                                  const struct ast_column_ref *ref,
                                                  struct expr **expr_out, bool *found_out);
/* What members among the arguments of a call become. */
TDBPLUS_CHECKED tdbplus_status document_operands(struct binder *binder, const char *name,
                                                 bool is_operator, struct expr **arguments,
                                                 uint32_t count);
TDBPLUS_CHECKED tdbplus_status document_aggregated(struct binder *binder, const char *name,
                                                   struct expr **argument);
/* The member as its text. */
TDBPLUS_CHECKED tdbplus_status document_as_text(struct binder *binder, struct expr **expr);

/* ---- writing ---- */

/* The key of a new document: its own member `_id`, or one that is made up. */
TDBPLUS_CHECKED tdbplus_status document_id(struct binder *binder, struct expr *document,
                                           struct expr **id);
/* SET member = value. */
TDBPLUS_CHECKED tdbplus_status document_put(struct binder *binder, const struct ast_target *target,
                                            struct expr *value, struct expr **document);
/* `_updated` and `_version` of a changed row, unless they are among what is set. */
TDBPLUS_CHECKED tdbplus_status document_touch(struct binder *binder, const struct schema *schema,
                                              const uint8_t *set, struct expr **row);
