#pragma once

/* What text functions share: reading arguments, making results, walking characters. */

#include "sql/func/kernel.h"

static inline struct span text_argument(const struct func_call *call, uint32_t number, uint32_t row)
{
    const struct column *column = &call->arguments[number];
    return view_span(&((const struct view *)column->data)[row & kernel_mask(column)]);
}

static inline int32_t int4_argument(const struct func_call *call, uint32_t number, uint32_t row)
{
    const struct column *column = &call->arguments[number];
    return ((const int32_t *)column->data)[row & kernel_mask(column)];
}

static inline void text_result(struct func_call *call, uint32_t row, struct span text)
{
    ((struct view *)call->result->data)[row] = view_of(text);
}

/* Bytes of the character that begins with `lead`; text in the database is valid UTF-8. */
static inline size_t text_character_size(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Number of characters. */
size_t text_length(struct span text);

/* Bytes of the first `characters` characters (all bytes if there are fewer). */
size_t text_offset(struct span text, size_t characters);

/* Bytes for a result; NULL when memory is out or the size passes VALUE_SIZE_MAX (`err` is set). */
uint8_t *text_make(struct func_call *call, size_t size, tdbplus_status *status);

/* Where `needle` begins in `text`, or -1. An empty needle is at 0. */
ptrdiff_t text_find(struct span text, struct span needle);
