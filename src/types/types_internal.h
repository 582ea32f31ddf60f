#pragma once

#include "types/type.h"

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

/* Physical forms by enum type_id; TYPE_NUMERIC's stands for the long ones. */
extern const uint8_t types_physical[TYPE_VECTOR + 1];

/* type_physical() for loops over columns. The type must be valid. */
static inline enum physical physical_of(struct type type)
{
    if (type.id == TYPE_NUMERIC && type.precision > 0) {
        return type.precision <= NUMERIC_DIGITS_MAX_8    ? PHYSICAL_8
               : type.precision <= NUMERIC_DIGITS_MAX_16 ? PHYSICAL_16
                                                         : PHYSICAL_VIEW;
    }
    return (enum physical)types_physical[type.id];
}

/* Microseconds of an interval as PostgreSQL orders it: a month is 30 days, a day 24 hours. */
wide_int interval_length(const struct interval *interval);
