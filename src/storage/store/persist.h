#pragma once

#include "storage/store/store_internal.h"

#define DELETES_ENTRY_SIZE    28u /* file, offset, size: u64; crc32c: u32. */
#define DELETES_FILE_SIZE_MAX ((size_t)1 << 30)

/* A file of delete maps ends with a list of them, so that it can be read without the manifest:
 * entries, then count u32, crc32c of entries and count u32, magic u64. */
#define DELETES_LIST_ENTRY_SIZE 28u /* segment, offset, size: u64; crc32c of the map: u32. */
#define DELETES_LIST_END_SIZE   16u
#define DELETES_MAGIC           0x314C454442445454u /* "TTDBDEL1" */

/* What an entry of kind MANIFEST_COUNTERS says, for whoever has no store. False: nonsense. */
struct persist_counters_read {
    uint64_t replay_from;
    uint64_t catalog_lsn;
};

bool persist_decode_counters(struct span value, struct persist_counters_read *counters_out);

struct segment_entry {
    uint64_t collection_id;
    uint64_t row_count;
    uint64_t file_size;
    uint32_t footer_crc;
};

/* The reading halves, for recovery; the writing ones are in store_internal.h. */
TDBPLUS_CHECKED tdbplus_status persist_read_counters(struct store *store, uint64_t *replay_from_out,
                                                     struct err *err);
TDBPLUS_CHECKED tdbplus_status persist_read_segment(struct span value,
                                                    struct segment_entry *entry_out,
                                                    struct err *err);
/* [waits] */
TDBPLUS_CHECKED tdbplus_status persist_load_deletes(struct store *store, struct segment_ref *ref,
                                                    struct err *err);

/* Reads the bytes that an entry of kind MANIFEST_DELETES names, checked. [waits] */
TDBPLUS_CHECKED tdbplus_status persist_read_deletes(struct store *store, struct span value,
                                                    struct bytes *bytes_out, struct err *err);

/* The position from which the next open would replay. Under `structure`. */
TDBPLUS_CHECKED tdbplus_status persist_replay_from(const struct store *store, uint64_t *from_out,
                                                   struct err *err);

/*
 * Commits an edit. Under `structure`. [waits] TDBPLUS_E_STOPPED: it is unknown whether the edit
 * counts; the database has stopped, and files on either side of the edit must stay. Any other
 * failure: it does not count.
 */
TDBPLUS_CHECKED tdbplus_status persist_commit(struct store *store, const struct manifest_edit *edit,
                                              struct err *err);
