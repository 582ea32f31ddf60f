#pragma once

/*
 * values: the store's side of value files (storage/segment/value_file.h): what the manifest knows
 * of them, how much of each is garbage, and when that is a reason to write the rest again.
 */

#include "storage/store/store_internal.h"

#define VALUES_GARBAGE_SHARE 4u   /* A file is rewritten when a quarter of it is garbage. */
#define VALUES_FILES_MANY    256u /* A merge copies the smallest of so many files together, */
#define VALUES_FILES_KEPT    128u /* but for these. */

/* What the manifest remembers of a value file. */
struct values_entry {
    uint64_t collection_id;
    uint64_t file_size;
    uint64_t value_bytes;   /* Of all values that were written to it, */
    uint64_t garbage_bytes; /* and of those that no segment refers to. */
    uint32_t footer_crc;
};

TDBPLUS_CHECKED tdbplus_status values_read_entry(struct span value, struct values_entry *entry_out,
                                                 struct err *err);
void values_put(struct manifest_edit *edit, uint64_t collection_id,
                const struct segment_values *values, uint64_t garbage_bytes);

/* Checks that manifest and segments agree about all value files. After load, before anybody else.
 *
 *   TDBPLUS_E_CORRUPT  a file is not in the manifest, or differs in size, checksum or garbage
 */
TDBPLUS_CHECKED tdbplus_status values_check(struct store *store, struct err *err);

/* Puts into a merge's edit what `version` makes of the value files of the segments it merges. */
TDBPLUS_CHECKED tdbplus_status values_put_merge(struct manifest_edit *edit,
                                                const struct version *version,
                                                struct segment_ref *const *sources, uint32_t count,
                                                struct err *err);

/* True when the segment's ended rows leave so much garbage that it should be merged for that alone,
 * and its rows have ended for everybody, so that merging helps. */
bool values_wasteful(const struct segment_ref *ref);

/* Which value files a merge copies: flags of the files of the first source, then of the next. */
struct values_plan {
    const struct alloc *alloc;
    bool *flags;
    uint32_t flag_count;
};

TDBPLUS_CHECKED tdbplus_status values_plan_merge(const struct alloc *alloc,
                                                 struct segment_ref *const *sources, uint32_t count,
                                                 struct values_plan *plan_out, struct err *err);
void values_plan_deinit(struct values_plan *plan);
