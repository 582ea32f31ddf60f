#pragma once

/*
 * wire type: values as the PostgreSQL protocol carries them, in text and in binary, and the numbers
 * (oids) its clients know types by.
 *
 * Threads: plain memory.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"
#include "types/text.h"

/* Oids of types that PostgreSQL does not have itself are in the range of those made by users. */
#define WIRE_OID_VECTOR       16382
#define WIRE_OID_VECTOR_ARRAY 16383

/* What SQL defines has this and its number in the catalog; arrays of what is a type, the second. */
#define WIRE_OID_USER_FIRST    16384
#define WIRE_OID_USER_END      0x01000000
#define WIRE_OID_ROW_ARRAY     0x60000000
#define WIRE_OID_ROW_ARRAY_END 0x68000000

enum wire_format {
    WIRE_TEXT = 0,
    WIRE_BINARY = 1,
};

/* What RowDescription says of a type. */
struct wire_type {
    int32_t oid;
    int16_t size;     /* In binary; -1: any. */
    int32_t modifier; /* -1: none. */
};

struct wire_type wire_type_of(struct type type);

/* The number of an enum, or of an array of one; and back: TYPE_NONE when it is in no such range. */
int64_t wire_enum_oid(struct type type);
struct type wire_enum_by_oid(int64_t oid);

/* The type with that oid; TYPE_NONE for 0, 705 (unknown) and what we do not have. */
struct type wire_type_by_oid(int32_t oid);

/* Appends the value's bytes with its size before them. An enum is its label. */
void wire_put_binary(struct buffer *buffer, const struct datum *datum,
                     const struct text_style *style);

/*
 * Reads a value in binary; a style knows the labels of enums (types/text.h). Bytes are borrowed
 * from `bytes` or lie in the arena.
 *
 *   TDBPLUS_E_SYNTAX       22P03: not a value of that type
 *   others                 as text_parse()
 *   TDBPLUS_E_NOMEM
 */
TDBPLUS_CHECKED tdbplus_status wire_parse_binary(struct span bytes, struct type type,
                                                 const struct text_style *style,
                                                 struct arena *arena, struct datum *datum_out,
                                                 struct err *err);
