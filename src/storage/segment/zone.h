#pragma once

/* Zone maps: the bounds of a page's values, and what they say about a range of pages. */

#include "storage/segment/encoding.h"
#include "storage/segment/segment.h"

/* Bounds of the page just encoded: `scratch` still holds its words. */
void zone_make(const struct encoding_input *input, const struct encoding_scratch *scratch,
               uint32_t null_count, struct segment_zone_entry *entry_out);

/* Whether an entry could have been made for a page of `row_count` values of `type`. */
bool zone_valid(const struct segment_zone_entry *entry, struct type type, uint32_t row_count);

/* The bounds as data; bytes are borrowed from the entry, which has bounds. */
void zone_bounds(const struct segment_zone_entry *entry, struct type type, struct datum *min_out,
                 struct datum *max_out);

/* Widens `zone` (zeroed before the first) by a page's entry; sets *unknown when the page has values
 * but no bounds. */
void zone_merge(struct segment_zone *zone, bool *unknown, const struct segment_zone_entry *entry,
                struct type type, uint32_t row_count);
