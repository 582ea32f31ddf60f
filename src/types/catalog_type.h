#pragma once

/*
 * Types of the system catalog: oid and xid are numbers; regclass, regtype and their kin are oids
 * that are read and printed as the name of what they stand for, which a style looks up
 * (types/text.h); name is a text of at most 63 bytes, "char" one of at most one byte.
 */

#include "types/text.h"

static inline bool catalog_type(struct type type)
{
    return type.id >= TYPE_OID && type.id <= TYPE_REGCOLLATION;
}

/* Those that are int8. */
static inline bool catalog_number_type(struct type type)
{
    return catalog_type(type) && type.id != TYPE_NAME && type.id != TYPE_CHAR1;
}

/* regclass and its kin. */
static inline bool catalog_reg_type(struct type type)
{
    return catalog_number_type(type) && type.id != TYPE_OID && type.id != TYPE_XID;
}

/* As text_parse() and text_print(). */
TDBPLUS_CHECKED tdbplus_status catalog_type_parse(struct span text, const struct text_style *style,
                                                  struct arena *arena, struct datum *datum,
                                                  struct err *err);
void catalog_type_print(const struct datum *datum, const struct text_style *style,
                        struct buffer *text);
