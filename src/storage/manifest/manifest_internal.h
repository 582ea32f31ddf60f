#pragma once

/* The inside of the manifest: the table of entries, the format, the file being written. */

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/list.h"
#include "storage/manifest/manifest.h"

/* ---- format (docs/format.md, "Manifest") ---- */

#define MANIFEST_FORMAT_VERSION   1u
#define MANIFEST_FILE_HEADER_SIZE 64u
#define MANIFEST_RECORD_HEAD_SIZE 16u
#define MANIFEST_ALIGN            8u
#define MANIFEST_EDIT_SIZE_MAX    ((size_t)1 << 30)   /* The body of one edit. */
#define MANIFEST_PART_SIZE        ((size_t)256 << 10) /* A snapshot is written in such parts. */
#define MANIFEST_RESERVE_STEP     ((uint64_t)64 << 10)

enum manifest_record_kind {
    MANIFEST_RECORD_SNAPSHOT = 1,     /* Entries, as puts. */
    MANIFEST_RECORD_SNAPSHOT_END = 2, /* Their number; the snapshot is complete. */
    MANIFEST_RECORD_EDIT = 3,
    MANIFEST_RECORD_SEAL = 4, /* Nothing; proves that what is before it was not torn (M4). */
};

enum manifest_change_kind {
    MANIFEST_CHANGE_PUT = 1,
    MANIFEST_CHANGE_REMOVE = 2,
};

struct manifest_change {
    enum manifest_change_kind change;
    uint8_t kind;
    uint64_t id;
    struct span value;
};

/* Decodes the next change of a body; TDBPLUS_E_CORRUPT when there is none that makes sense. */
TDBPLUS_CHECKED tdbplus_status manifest_change_decode(struct reader *reader,
                                                      struct manifest_change *change_out,
                                                      struct err *err);

/* ---- the table: entries in order of (kind, id), in blocks ---- */

#define MANIFEST_BLOCK_COUNT_MAX 64u

struct manifest_entry {
    uint64_t id;
    uint8_t *value; /* Owned; may be NULL when size is 0. */
    size_t size;
    uint8_t kind;
    bool present; /* False: removed by the edit under way, or not there before it. */
};

struct manifest_block {
    uint32_t count;
    struct manifest_entry entries[MANIFEST_BLOCK_COUNT_MAX];
};

struct manifest_table {
    const struct alloc *alloc;
    struct list blocks; /* struct manifest_block *, none empty. */
    size_t count;       /* Entries that are present. */
};

void manifest_table_init(struct manifest_table *table, const struct alloc *alloc);
void manifest_table_deinit(struct manifest_table *table);
struct manifest_entry *manifest_table_find(const struct manifest_table *table, uint8_t kind,
                                           uint64_t id);
/* The first present entry at or after (kind, id), of any kind; NULL at the end. */
const struct manifest_entry *manifest_table_seek(const struct manifest_table *table, uint8_t kind,
                                                 uint64_t id);
/* The entry, made absent and empty if it is new; NULL when memory is out. */
struct manifest_entry *manifest_table_touch(struct manifest_table *table, uint8_t kind,
                                            uint64_t id);
/* Takes an absent entry out; never needs memory. */
void manifest_table_drop(struct manifest_table *table, uint8_t kind, uint64_t id);

/* What an entry was before a change. */
struct manifest_undo {
    uint64_t id;
    uint8_t *value;
    size_t size;
    uint8_t kind;
    bool present;
};

/* Applies a body in memory. `undo` (of struct manifest_undo) gets what it takes to go back; on
 * failure some changes may stand, and the caller calls manifest_table_abort(). */
TDBPLUS_CHECKED tdbplus_status manifest_table_apply(struct manifest_table *table, struct span body,
                                                    struct list *undo, struct err *err);
void manifest_table_commit(struct manifest_table *table, struct list *undo);
void manifest_table_abort(struct manifest_table *table, struct list *undo);

/* ---- the manifest ---- */

struct manifest {
    const struct env *env;
    const struct alloc *alloc;
    char directory[ENV_PATH_SIZE_MAX];
    size_t rotate_size;
    bool read_only;

    struct manifest_table table;

    struct env_file *file;
    uint64_t number;
    uint64_t key;
    uint64_t end;           /* Of the records in the file. */
    uint64_t reserved;      /* The file's length. */
    uint64_t snapshot_size; /* Of the part up to its end record. */
    uint64_t rotate_at;     /* `end` beyond this asks for a new file. */
    uint64_t stale_number;  /* A file to be removed before the next edit is written; 0: none. */
    bool unsealed;          /* Edits were written and no seal yet. */
    bool stopped;
    char stop_text[ERR_TEXT_SIZE];

    struct manifest_statistics statistics;
};

/* manifest_file.c */
TDBPLUS_CHECKED tdbplus_status manifest_path(char path[ENV_PATH_SIZE_MAX], const char *directory,
                                             uint64_t number, bool temporary, struct err *err);
/* The numbers in the directory, sorted, as uint64_t; temporary ones separately. */
TDBPLUS_CHECKED tdbplus_status manifest_list(const struct env *env, const char *directory,
                                             struct list *numbers, struct list *temporary,
                                             struct err *err);
/* Puts the head and the padding of a record around the body that lies at record + 16. */
size_t manifest_record_size(size_t body_size);
void manifest_record_seal(uint8_t *record, enum manifest_record_kind kind, size_t body_size,
                          uint64_t key, uint64_t offset);

/* A file that holds the present entries; durable, under its final name, when it returns OK. */
struct manifest_written {
    struct env_file *file; /* The caller's. */
    uint64_t key;
    uint64_t end;
};

TDBPLUS_CHECKED tdbplus_status manifest_file_write(const struct manifest *manifest,
                                                   const char *directory, uint64_t number,
                                                   struct manifest_written *written_out,
                                                   struct err *err);

/* Reads file `number` into the (empty) table and sets the file's positions. `*tail_out` tells how
 * many bytes of a torn edit lie behind `end`. */
TDBPLUS_CHECKED tdbplus_status manifest_file_read(struct manifest *manifest, uint64_t number,
                                                  uint64_t *tail_out, struct err *err);

/* The same for a damaged file: `damage` is told of each stretch without an intact record. The
 * status is TDBPLUS_E_CORRUPT only if the head of the file is no good. */
TDBPLUS_CHECKED tdbplus_status manifest_file_salvage(struct manifest *manifest, uint64_t number,
                                                     void (*damage)(void *ctx, const char *path,
                                                                    uint64_t offset, uint64_t size),
                                                     void *damage_ctx, struct err *err);

/* manifest_proof.c: notes up to where the file has records, when it is closed; and finds out if the
 * file `number` once had more of them than up to `end`: TDBPLUS_E_CORRUPT. [waits] */
void manifest_proof_note(const struct manifest *manifest, uint64_t end);
/* Removes what a crash left of writing one. [waits] */
TDBPLUS_CHECKED tdbplus_status manifest_proof_sweep(const struct manifest *manifest,
                                                    struct err *err);
TDBPLUS_CHECKED tdbplus_status manifest_proof_check(const struct manifest *manifest,
                                                    uint64_t number, uint64_t key, uint64_t end,
                                                    struct err *err);

void manifest_discard(const struct env *env, const char *path);
