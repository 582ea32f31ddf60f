#pragma once

/*
 * manifest: the durable state of a database outside its log and data files.
 *
 * The state is a set of entries: (kind, id) -> bytes. What the bytes mean is the store's business:
 * segments, delete maps, shards with their replay positions, catalog objects, counters. An edit
 * changes any number of entries atomically; the manifest is the log of edits, begun by a snapshot
 * of all entries. When the edits outgrow the snapshot, a new file is begun and the old one removed.
 *
 * Files: "manifest-NNNNNNNNNNNNNNNN"; the highest number whose snapshot is intact counts. A torn
 * edit at the end of the file was never acknowledged and is cut off; damage before the last intact
 * edit is corruption.
 *
 * Threads: manifest_commit() from one thread at a time; the reading functions not at the same time
 * as a commit (the store holds its structure mutex for both).
 */

#include "base/buffer.h"
#include "base/list.h"
#include "os/env.h"

#define MANIFEST_ENTRY_SIZE_MAX ((size_t)64 << 20)

struct manifest;

/* An edit under construction. A zeroed edit with `body.alloc` set (manifest_edit_init) is empty. */
struct manifest_edit {
    struct buffer body;
    uint32_t change_count;
};

void manifest_edit_init(struct manifest_edit *edit, const struct alloc *alloc);
void manifest_edit_deinit(struct manifest_edit *edit);

/* Failure of memory is sticky and reported by manifest_commit(). */
void manifest_edit_put(struct manifest_edit *edit, uint8_t kind, uint64_t id, struct span value);
void manifest_edit_remove(struct manifest_edit *edit, uint8_t kind, uint64_t id);

struct manifest_options {
    const struct env *env;
    const struct alloc *alloc;
    const char *directory;
    size_t
        rotate_size; /* Edits beyond this and beyond the snapshot's size begin a file; 0: 1 MiB. */
    bool read_only;
};

/* Makes a new manifest with no entries; TDBPLUS_E_EXISTS if the directory has one. [waits] */
TDBPLUS_CHECKED tdbplus_status manifest_create(const struct manifest_options *options,
                                               struct manifest **manifest_out, struct err *err);

/*
 * Opens the newest intact manifest. [waits]
 *
 *   TDBPLUS_E_NOT_FOUND  the directory has none
 *   TDBPLUS_E_CORRUPT    damage that is not a torn tail; the text names file and offset
 *   TDBPLUS_E_VERSION    written by a newer release
 */
TDBPLUS_CHECKED tdbplus_status manifest_open(const struct manifest_options *options,
                                             struct manifest **manifest_out, struct err *err);
void manifest_close(struct manifest *manifest);

/*
 * Applies the edit durably: when it returns OK the change survives power loss and is visible to the
 * functions below; after a failure neither is the case in memory. A failed write or sync of the
 * edit stops the manifest (TDBPLUS_E_STOPPED from then on), because what reached the disk is
 * unknown. Running out of memory, or of disk while room for the edit is reserved (TDBPLUS_E_FULL),
 * changes nothing. [waits]
 */
TDBPLUS_CHECKED tdbplus_status manifest_commit(struct manifest *manifest,
                                               const struct manifest_edit *edit, struct err *err);

/*
 * The same in two steps, for whoever must not fail in between. manifest_prepare() does all that may
 * run out of memory or space; the change is in memory then and the disk knows nothing. Exactly one
 * manifest_finish() or manifest_cancel() follows, and no other call that changes the manifest in
 * between. Finishing can fail only by the disk (TDBPLUS_E_STOPPED from then on). [waits]
 */
struct manifest_pending {
    uint8_t *record;
    size_t record_size;
    size_t body_size;
    struct list undo; /* struct manifest_undo. */
};

TDBPLUS_CHECKED tdbplus_status manifest_prepare(struct manifest *manifest,
                                                const struct manifest_edit *edit,
                                                struct manifest_pending *pending_out,
                                                struct err *err);
/* Overwrites the value that the prepared edit puts there by another of the same size. */
void manifest_pending_set(struct manifest *manifest, struct manifest_pending *pending, uint8_t kind,
                          uint64_t id, struct span value);
TDBPLUS_CHECKED tdbplus_status manifest_finish(struct manifest *manifest,
                                               struct manifest_pending *pending, struct err *err);
/* A zeroed one, or one that was finished, is fine. */
void manifest_cancel(struct manifest *manifest, struct manifest_pending *pending);

/*
 * Reads what can be read of a damaged manifest, for `tdb recover`. [waits] Of the files it takes
 * the newest with a good head, steps over damaged records, and applies the others in order, so that
 * an entry has the newest of its values that is left. `damage` is told of each stretch that is
 * lost, with the file's path. The result can be read and closed, nothing else. TDBPLUS_E_NOT_FOUND
 * when no file has a good head.
 */
TDBPLUS_CHECKED tdbplus_status manifest_salvage(const struct manifest_options *options,
                                                void (*damage)(void *ctx, const char *path,
                                                               uint64_t offset, uint64_t size),
                                                void *damage_ctx, struct manifest **manifest_out,
                                                struct err *err);

/* The entry's bytes, valid until the next commit; false when there is none. */
bool manifest_get(const struct manifest *manifest, uint8_t kind, uint64_t id,
                  struct span *value_out);

/* Walks the entries of a kind in order of id: *id_inout is the least id wanted on entry and the
 * found one on return; false at the end. */
bool manifest_next(const struct manifest *manifest, uint8_t kind, uint64_t *id_inout,
                   struct span *value_out);

/* Writes a compact manifest with the present entries into another directory, for backups. [waits]
 */
TDBPLUS_CHECKED tdbplus_status manifest_copy(const struct manifest *manifest, const char *directory,
                                             struct err *err);

struct manifest_statistics {
    uint64_t entry_count;
    uint64_t edit_count;
    uint64_t written_bytes;
    uint64_t file_count; /* Begun since open. */
};

void manifest_get_statistics(const struct manifest *manifest,
                             struct manifest_statistics *statistics_out);
