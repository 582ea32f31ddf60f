#pragma once

/* Numbers being computed: limbs in an array, not yet in their stored form. Private to numeric_*.c.
 */

#include "types/numeric_internal.h"

#define NUMERIC_WORK_SMALL 24u /* Limbs that need no memory: 96 digits. */

struct numeric_work {
    uint32_t *limbs; /* Most significant first; may begin and end with zeros. */
    uint32_t count;
    int32_t weight; /* Place of the first limb. */
    int32_t scale;
    bool is_negative;
    size_t capacity;
    const struct alloc *alloc;
    uint32_t small[NUMERIC_WORK_SMALL];
};

/* `count` zero limbs; false when memory is out. Must not be moved; give back with deinit. */
bool numeric_work_init(struct numeric_work *work, const struct alloc *alloc, size_t count);
void numeric_work_deinit(struct numeric_work *work);

/* A finite number with one zero limb in front of it. */
bool numeric_work_load(struct numeric_work *work, const struct numeric_parts *parts,
                       const struct alloc *alloc);

/* Cuts to `scale` digits after the point (before it, when negative), rounding half away from zero
 * unless `truncate`. The first limb must be zero: a carry may go there. */
void numeric_work_round(struct numeric_work *work, int32_t scale, bool truncate);

/* Appends the stored form; TDBPLUS_E_RANGE when it is too large. */
TDBPLUS_CHECKED tdbplus_status numeric_put_work(const struct numeric_work *work,
                                                struct buffer *buffer, struct err *err);

/* Appends zero (NUMERIC_POSITIVE), NaN or an infinity. */
TDBPLUS_CHECKED tdbplus_status numeric_put_special(enum numeric_kind kind, struct buffer *buffer,
                                                   struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_no_memory(struct err *err);
