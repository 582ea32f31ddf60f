#pragma once

/*
 * What a view is: the definition of its catalog entry.
 *
 * The query is kept as text. So that it means for ever what it meant when it was written, each
 * table and view that it names is kept beside it by number: where in the text the name stands, whom
 * it means, and under which names its columns were known then. A table may be renamed or get
 * columns without the view noticing.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"
#include "catalog/catalog.h"
#include "types/type.h"

struct view_column {
    const char *name;
    struct type type;
};

/* A column of a table that a view names; of a view the columns are numbered from 1. */
struct view_name {
    uint32_t column_id;
    const char *name;
};

struct view_reference {
    uint32_t position; /* In the text, as ast.h. */
    uint64_t oid;      /* On disk it stands among the entry's dependencies, which come in the */
    struct view_name *names; /* order of the references. */
    uint32_t name_count;
};

struct view_info {
    uint8_t check;     /* enum ast_view_check. */
    bool materialized; /* The rows are in the table that owns the entry. */
    const char *text;  /* SELECT or VALUES. */
    struct view_column *columns;
    uint32_t column_count;
    struct view_reference *references;
    uint32_t reference_count;
};

void view_info_encode(const struct view_info *info, struct buffer *buffer);

/* Reads an entry's definition; TDBPLUS_E_CORRUPT, TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status view_info_decode(const struct catalog_entry *entry,
                                                struct arena *arena, struct view_info *info_out,
                                                struct err *err);

/* Appends the view's text as it would have to be written today: tables may have been renamed since
 * it was, or have got columns. */
struct txn;
TDBPLUS_CHECKED tdbplus_status bind_view_text(struct txn *txn, const struct view_info *info,
                                              struct arena *arena, struct buffer *out,
                                              struct err *err);

/* What the name at that place means; NULL if `info` is, or if no table's name stands there. */
const struct view_reference *view_find_reference(const struct view_info *info, uint32_t position);
