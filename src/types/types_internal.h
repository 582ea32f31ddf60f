#pragma once

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "types/type.h"

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

/* Physical forms by enum type_id, 0 for numbers that are none; TYPE_NUMERIC's stands for the long
 * ones. */
extern const uint8_t types_physical[UINT8_MAX + 1];

/* type_physical() for loops over columns. The type must be valid. */
static inline enum physical physical_of(struct type type)
{
    if (type.id == TYPE_NUMERIC && type.precision > 0) {
        return type.precision <= NUMERIC_DIGITS_MAX_8    ? PHYSICAL_8
               : type.precision <= NUMERIC_DIGITS_MAX_16 ? PHYSICAL_16
                                                         : PHYSICAL_VIEW;
    }
    if (type.id == TYPE_VECTOR && type.parameter == 0) {
        return PHYSICAL_VIEW;
    }
    return (enum physical)types_physical[type.id];
}

/* Microseconds of an interval as PostgreSQL orders it: a month is 30 days, a day 24 hours. */
wide_int interval_length(const struct interval *interval);

/* ---- values of fixed size as bytes, anywhere: in rows and arrays ---- */

/* Bytes of one value; not for PHYSICAL_VIEW. */
static inline size_t value_width(enum physical physical, struct type type)
{
    static const uint8_t widths[] = {
        [PHYSICAL_1] = 1, [PHYSICAL_2] = 2, [PHYSICAL_4] = 4, [PHYSICAL_8] = 8, [PHYSICAL_16] = 16};
    return physical == PHYSICAL_FIXED ? (size_t)type.parameter * sizeof(float) : widths[physical];
}

static inline void value_store_word4(const struct datum *value, uint8_t *at)
{
    if (value->type.id == TYPE_FLOAT4) {
        float narrow = (float)value->real;
        memcpy(at, &narrow, sizeof narrow);
    } else {
        store_u32(at, (uint32_t)value->integer);
    }
}

/* Writes value_width() bytes. The union's members all begin where the union does, so 8 and 16 bytes
 * are copied as they are. */
static inline void value_store(enum physical physical, const struct datum *value, uint8_t *at)
{
    switch (physical) {
    case PHYSICAL_1:
        *at = value->boolean;
        break;
    case PHYSICAL_2:
        store_u16(at, (uint16_t)value->integer);
        break;
    case PHYSICAL_4:
        value_store_word4(value, at);
        break;
    case PHYSICAL_8:
        memcpy(at, &value->integer, sizeof value->integer);
        break;
    case PHYSICAL_16:
        memcpy(at, value->uuid, sizeof value->uuid);
        break;
    case PHYSICAL_FIXED:
        ASSERT(value->bytes.size == (size_t)value->type.parameter * sizeof(float));
        memcpy(at, value->bytes.data, value->bytes.size);
        break;
    case PHYSICAL_VIEW:
    default:
        ASSERT(false);
    }
}

static inline void value_load_word4(const uint8_t *at, struct datum *value)
{
    if (value->type.id == TYPE_FLOAT4) {
        float narrow = 0;
        memcpy(&narrow, at, sizeof narrow);
        value->real = (double)narrow;
    } else {
        value->integer = (int32_t)load_u32(at);
    }
}

/* Reads what value_store() wrote into a datum whose type is set; false for a bool that is none. */
static inline bool value_load(enum physical physical, const uint8_t *at, struct datum *value)
{
    switch (physical) {
    case PHYSICAL_1:
        value->boolean = *at == 1;
        return *at <= 1;
    case PHYSICAL_2:
        value->integer = (int16_t)load_u16(at);
        return true;
    case PHYSICAL_4:
        value_load_word4(at, value);
        return true;
    case PHYSICAL_8:
        memcpy(&value->integer, at, sizeof value->integer);
        return true;
    case PHYSICAL_16:
        memcpy(value->uuid, at, sizeof value->uuid);
        return true;
    case PHYSICAL_FIXED:
        value->bytes = (struct span){.data = at, .size = value_width(physical, value->type)};
        return true;
    case PHYSICAL_VIEW:
    default:
        ASSERT(false);
        return false;
    }
}
