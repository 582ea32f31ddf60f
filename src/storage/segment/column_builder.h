#pragma once

/*
 * column builder: the values of one column of the row group being written, in memory, and the pages
 * already made of them.
 *
 * Threads: one user.
 */

#include "base/buffer.h"
#include "base/err.h"
#include "storage/segment/encoding.h"
#include "storage/segment/segment_format.h"
#include "types/column.h"

#define GROUP_ROW_COUNT ((uint32_t)1 << SEGMENT_GROUP_SHIFT)

struct column_builder {
    struct type type;
    uint32_t value_size;     /* 0: variable. */
    uint32_t row_count;      /* Of the group, in memory or in pages. */
    uint32_t flushed_rows;   /* Of these, in pages. */
    uint32_t shift;          /* Rows of a page; fixed by the group's first page. */
    uint32_t null_count;     /* Of the group. */
    bool compress;           /* The pages of this group so far were worth it. */
    struct buffer values;    /* Of rows from flushed_rows on: fixed-size values, or bytes. */
    struct buffer ends;      /* uint64_t a row: where its bytes end in `values`. */
    struct buffer offsets;   /* uint64_t a page of the group. */
    struct buffer sizes;     /* uint32_t a page. */
    struct buffer zones;     /* struct segment_zone_entry a page. */
    uint64_t *external;      /* Rows whose bytes are a struct value_reference; NULL until one is. */
    uint32_t external_count; /* In memory or in pages of the group. */
    uint64_t validity[GROUP_ROW_COUNT / 64];
};

void column_builder_init(struct column_builder *builder, struct type type,
                         const struct alloc *alloc);
void column_builder_deinit(struct column_builder *builder);

/*
 * Appends `count` live rows of `column`, from live row `first` on (`selection` may be NULL).
 *
 *   TDBPLUS_E_NOMEM;  TDBPLUS_E_LIMIT  a value is longer than VALUE_SIZE_MAX
 */
TDBPLUS_CHECKED tdbplus_status column_builder_append(struct column_builder *builder,
                                                     const struct column *column,
                                                     const uint16_t *selection, uint32_t first,
                                                     uint32_t count, struct err *err);

/* The same for plain 64-bit values without nulls. */
TDBPLUS_CHECKED tdbplus_status column_builder_append_words(struct column_builder *builder,
                                                           const uint64_t *words, uint32_t count,
                                                           struct err *err);

/* Says which of the last `count` rows appended are references: bit i of `external` for the first of
 * them and so on. */
TDBPLUS_CHECKED tdbplus_status column_builder_mark_external(struct column_builder *builder,
                                                            const uint64_t *external,
                                                            uint32_t count, struct err *err);

/* Bytes in memory. */
size_t column_builder_size(const struct column_builder *builder);

/* Rows a page should have, as a power of two. */
uint32_t column_builder_choose_shift(const struct column_builder *builder);

/* Bits of a page's rows. */
struct column_bits {
    uint64_t validity[SEGMENT_PAGE_ROW_MAX / 64];
    uint64_t external[SEGMENT_PAGE_ROW_MAX / 64];
};

/* Points `input` at `count` rows from group row `first` on, and at bits put into `bits`. Returns
 * the number of nulls. */
uint32_t column_builder_input(const struct column_builder *builder, uint32_t first, uint32_t count,
                              struct column_bits *bits, struct encoding_input *input_out);

/* Forgets the values of rows before group row `row`, which are in pages now. */
void column_builder_discard(struct column_builder *builder, uint32_t row);

/* Begins the next group. */
void column_builder_reset(struct column_builder *builder);
