#pragma once

/*
 * Arrays as values of TYPE_ARRAY (docs/format.md, "Arrays"): up to six dimensions with lower
 * bounds, as in PostgreSQL, items in row-major order, each reached without reading those before it.
 */

#include "base/buffer.h"
#include "base/err.h"
#include "types/type.h"

#define ARRAY_DIMENSION_COUNT_MAX 6u
#define ARRAY_ITEM_COUNT_MAX      (1u << 27)

struct array_dimension {
    uint32_t length;
    int32_t lower; /* Index of the first item; usually 1. */
};

/* An array taken apart; borrows from its bytes. */
struct array {
    struct type element;
    uint32_t dimension_count; /* 0: empty. */
    struct array_dimension dimensions[ARRAY_DIMENSION_COUNT_MAX];
    uint32_t count;
    const uint8_t *nulls; /* A set bit for each null; NULL: there are none. */
    const uint8_t *items; /* Values, or the ends of values of any size. */
    struct span values;
};

/*
 * Appends an array of `count` items of type `element`; the product of the dimensions' lengths. An
 * empty array has no dimensions. TDBPLUS_E_LIMIT past the limits above or VALUE_SIZE_MAX (54000),
 * TDBPLUS_E_NOMEM; nothing is appended then.
 */
TDBPLUS_CHECKED tdbplus_status array_encode(struct type element, const struct datum *items,
                                            const struct array_dimension *dimensions,
                                            uint32_t dimension_count, struct buffer *buffer,
                                            struct err *err);

/* Takes an array apart, checking everything but the items' own bytes: TDBPLUS_E_CORRUPT. */
TDBPLUS_CHECKED tdbplus_status array_open(struct span encoded, struct type array_type,
                                          struct array *array_out, struct err *err);

/* The item at `index`, from 0, below `count`. Borrows. */
void array_get(const struct array *array, uint32_t index, struct datum *item_out);

/* PostgreSQL's order: item by item, then the number of items, then dimensions. Both must be valid
 * arrays of the type. */
int array_compare(struct span left, struct span right, struct type array_type);
