#pragma once

/* What SQL knows about a table beyond its schema: the `properties` of its catalog object. */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"

#define TABLE_HIDDEN_KEY_NAME "_row_id" /* The last column of a table without a primary key. */

/* An expression kept as the text it was written as. */
struct table_text {
    uint32_t column_id; /* Of a default. */
    const char *name;   /* Of a check. */
    const char *text;
};

struct table_info {
    bool hidden_key;
    struct table_text *defaults;
    uint32_t default_count;
    struct table_text *checks;
    uint32_t check_count;
};

void table_info_encode(const struct table_info *info, struct buffer *buffer);

/* Reads what table_info_encode() wrote; no bytes at all are a table that SQL did not make.
 * TDBPLUS_E_CORRUPT, TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status table_info_decode(struct span encoded, struct arena *arena,
                                                 struct table_info *info_out, struct err *err);
