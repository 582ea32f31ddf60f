#pragma once

/*
 * merge_sample: documents of segments that are about to be merged, to plan how to take them apart.
 *
 * Threads: one user; the segments may be read by others meanwhile.
 */

#include "storage/segment/segment.h"

/* Fills `batch` with SHRED_SAMPLE_MAX rows whose columns of documents hold a sample, the others
 * nothing: for segment_writer_sample(). Rows without a document are null. [waits] TDBPLUS_E_NOMEM,
 * and what reading the segments gives. */
TDBPLUS_CHECKED tdbplus_status merge_sample(struct segment *const *segments, uint32_t segment_count,
                                            const struct schema *schema, struct batch *batch,
                                            struct err *err);
