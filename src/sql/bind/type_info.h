#pragma once

/*
 * Types that SQL defines: the definition of an entry of kind CATALOG_TYPE.
 *
 * An enum's value is the ordinal of its label: the numbers order as the labels do, and there is
 * room between them, so that ALTER TYPE ... ADD VALUE puts a label between two others without a
 * row being written anew. The labels stand in the definition in that order, each at a fixed place,
 * so that one is found in the bytes as they are.
 *
 * A domain is a base type and what its values must fulfil.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"
#include "catalog/catalog.h"
#include "sql/bind/table_info.h"
#include "types/text.h"

#define TYPE_LABEL_SIZE_MAX  63u /* As PostgreSQL. */
#define TYPE_LABEL_COUNT_MAX 32768u

/* Numbers reach disk. */
enum type_info_kind { TYPE_INFO_ENUM = 'e', TYPE_INFO_DOMAIN = 'd' };

struct type_label {
    int32_t ordinal;
    const char *label;
};

#define TYPE_FORMER_COUNT_MAX 4096u

struct type_info {
    uint8_t kind;              /* enum type_info_kind. */
    struct type_label *labels; /* Of an enum, in order. */
    uint32_t label_count;
    struct type_label *former; /* What labels were called before RENAME VALUE, oldest first. */
    uint32_t former_count;
    struct type base; /* Of a domain. Of a domain over a domain: that one's. */
    uint64_t parent;  /* The domain below; 0: none. */
    bool not_null;
    const char *default_text;  /* NULL: none. */
    struct table_text *checks; /* Names and texts; over VALUE. */
    uint32_t check_count;
};

void type_info_encode(const struct type_info *info, struct buffer *buffer);

/* Reads an entry's definition into the arena; TDBPLUS_E_CORRUPT, TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status type_info_decode(struct span definition, struct arena *arena,
                                                struct type_info *info_out, struct err *err);

/* TYPE_INFO_ENUM, TYPE_INFO_DOMAIN; 0: damaged. */
uint8_t type_info_kind(struct span definition);

/* ---- the ordinals of a new label ---- */

/* An ordinal between those of two neighbours, of which either may be missing (NULL). False when
 * there is none. */
bool type_ordinal_between(const struct type_label *before, const struct type_label *after,
                          int32_t *ordinal_out);

/* ---- looking labels up in the catalog, for struct text_style ---- */

/* The label of an ordinal of the enum with that oid; the text lives as long as the transaction
 * does not change the catalog. False: there is no such label. */
bool type_label_of(struct txn *txn, uint32_t oid, int64_t ordinal, struct span *label_out);
bool type_ordinal_of(struct txn *txn, uint32_t oid, struct span label, int64_t *ordinal_out);
/* The same for a text that is kept, as views and defaults are: the label may have been renamed
 * since it was written. */
bool type_ordinal_once(struct txn *txn, uint32_t oid, struct span label, int64_t *ordinal_out);
/* The least ordinal that is `from` or more; false when there is none. */
bool type_ordinal_next(struct txn *txn, uint32_t oid, int64_t from, int64_t *ordinal_out);
/* The name of the type, with its schema if the session's path (which may be NULL) does not find
 * it; cut to its first bytes. */
struct bind_session;
bool type_name_of(struct txn *txn, const struct bind_session *session, uint32_t oid,
                  char name_out[ENUM_NAME_SIZE]);
