#pragma once

/* What SQL knows about a table beyond its schema: the `properties` of its catalog object. */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"

#define TABLE_HIDDEN_KEY_NAME "_row_id" /* The last column of a table without a primary key. */

/* Where the value of a column comes from that is not given. Numbers reach disk. */
enum table_default_kind {
    TABLE_DEFAULT = 0,          /* `text`, or the next number of `sequence`. */
    TABLE_IDENTITY_ALWAYS = 1,  /* The next number of `sequence`; */
    TABLE_IDENTITY_DEFAULT = 2, /* or what is given. */
    TABLE_GENERATED = 3,        /* `text`, over the row's other columns; stored. */
};

/* An expression kept as the text it was written as. */
struct table_text {
    uint32_t column_id; /* Of a default. */
    const char *name;   /* Of a check. */
    const char *text;   /* Empty: the next number of `sequence`. */
    uint64_t sequence;  /* 0: none. */
    uint8_t kind;       /* enum table_default_kind. */
    bool not_valid;     /* Of a check: rows that were there before were not looked at. */
    bool nameless;      /* While a check is defined: its name is made up. Not kept. */
};

/* A column whose values are those of a domain. */
struct table_domain {
    uint32_t column_id;
    uint64_t oid;
};

struct table_info {
    bool hidden_key;
    bool materialized;    /* Rows come from REFRESH MATERIALIZED VIEW alone; */
    bool unpopulated;     /* there have been none yet. */
    bool documents;       /* Without declared columns: sql/bind/document.h. */
    const char *key_name; /* Of the primary key's constraint; NULL: "<table>_pkey". */
    struct table_text *defaults;
    uint32_t default_count;
    struct table_text *checks;
    uint32_t check_count;
    struct table_domain *domains;
    uint32_t domain_count;
};

void table_info_encode(const struct table_info *info, struct buffer *buffer);

/* Reads what table_info_encode() wrote; no bytes at all are a table that SQL did not make.
 * TDBPLUS_E_CORRUPT, TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status table_info_decode(struct span encoded, struct arena *arena,
                                                 struct table_info *info_out, struct err *err);

/* The same of properties as they are. */
bool table_is_materialized(struct span encoded);

/* The domain of the column with that id; 0: none. */
uint64_t table_find_domain(const struct table_info *info, uint32_t column_id);

/* What the column with that id gets when nothing is given; NULL: null. */
const struct table_text *table_find_default(const struct table_info *info, uint32_t column_id);
