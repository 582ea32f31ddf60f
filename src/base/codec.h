#pragma once

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

/* The formats are little-endian and so is every machine this builds for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are stored as memory has them");

/* Reads little-endian fields. An overrun is sticky: later reads give 0 (or an empty span) and
 * `overrun` stays set, so a decoder checks once, after the last field (B3). */
struct reader {
    struct span rest;
    bool overrun;
};

struct reader reader_of(struct span span);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
uint64_t reader_varint(struct reader *reader); /* Over 10 bytes or over 64 bits is an overrun. */
struct span reader_span(struct reader *reader, size_t size);
struct span reader_sized(struct reader *reader); /* A varint length and that many bytes. */

/* Unaligned fixed-width access. */
static inline uint16_t load_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Big-endian, for keys that compare like memcmp. */
static inline uint64_t load_u64_be(const uint8_t *at)
{
    return __builtin_bswap64(load_u64(at));
}

static inline void store_u16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void store_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void store_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void store_u64_be(uint8_t *at, uint64_t value)
{
    store_u64(at, __builtin_bswap64(value));
}

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), by instruction where the CPU has it. */
uint32_t crc32c(struct span span);

/* Continues a CRC: crc32c_extend(crc32c(a), b) is the checksum of a followed by b. */
uint32_t crc32c_extend(uint32_t crc, struct span span);
