#pragma once

/*
 * Packed values: types whose values are a few bytes that order by memcmp as the values do, so that
 * rows, keys, groups, joins and sorts treat all of them alike. What the bytes of each type are
 * stands in the files that read and print them: packed.c (char(n), bit strings, timetz),
 * packed_network.c (inet, cidr, macaddr, macaddr8), range.h (ranges and multiranges). Money is an
 * int8 and is here for its text only.
 */

#include "types/text.h"

/* True for the types above, money included. */
bool packed_type(struct type type);

/*
 * The bytes that make a value equal to another and order it: all of them, but of char(n) those
 * before the blanks at the end, and of ranges of numerics those before the display scales. Bytes of
 * any other type come back as they are.
 */
struct span packed_significant(struct type type, struct span bytes);

/* As text_parse() and text_print(), for packed types. */
TDBPLUS_CHECKED tdbplus_status packed_parse(struct span text, const struct text_style *style,
                                            struct arena *arena, struct datum *datum,
                                            struct err *err);
void packed_print(const struct datum *datum, const struct text_style *style, struct buffer *text);

/* ---- time with time zone: 12 bytes ---- */

struct timetz {
    int64_t time;   /* Microseconds since midnight, local. */
    int32_t offset; /* Seconds east of Greenwich. */
};

#define TIMETZ_SIZE 12u

void timetz_pack(struct timetz value, uint8_t bytes[TIMETZ_SIZE]);
struct timetz timetz_unpack(struct span bytes);

/* ---- addresses ---- */

#define ADDRESS_SIZE_MAX 34u

/* A host or a network. */
struct address {
    bool is_v6;
    uint8_t bits;      /* Of the network: 0..32 or 0..128. */
    uint8_t bytes[16]; /* 4 of them, or 16; the rest is zero. */
};

/* Returns how many bytes were written. */
size_t address_pack(const struct address *address, uint8_t bytes[ADDRESS_SIZE_MAX]);
struct address address_unpack(struct span bytes);

/* Bits of an address of that kind: 32 or 128. */
static inline uint32_t address_bits(const struct address *address)
{
    return address->is_v6 ? 128 : 32;
}

/* The bits past the network become zero (or one, for a broadcast address). */
void address_mask(struct address *address, bool ones);

/* Appends the address without its network's bits. */
void address_print(const struct address *address, struct buffer *text);

/* In packed_network.c, for packed.c. */
TDBPLUS_CHECKED tdbplus_status address_parse(struct span text, struct arena *arena,
                                             struct datum *datum, struct err *err);
TDBPLUS_CHECKED tdbplus_status macaddr_parse(struct span text, struct arena *arena,
                                             struct datum *datum, struct err *err);
void macaddr_print(struct span bytes, struct buffer *text);
