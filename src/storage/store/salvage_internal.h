#pragma once

/*
 * The inside of store_recover(). Its steps: read the manifest, as far as possible; collect objects
 * and schemas from it, from the log, and from segments that nothing names; make the objects in the
 * target; put in the rows of segments, oldest first, then those of the log. Putting overwrites, so
 * whatever is newer wins.
 */

#include "storage/store/persist.h"
#include "storage/store/store_recover.h"

/* An object of the damaged database. */
struct salvage_object {
    uint64_t id;
    struct object_ref *object;  /* Newest description; owned. */
    struct list schemas;        /* struct schema *, owned, in no order. */
    const struct object *made;  /* In the target; NULL: not made (dropped, or refused). */
    const struct schema *reads; /* Schema of `made`, for short. */
    uint64_t flushed_lsn;       /* Segments have all before it, if `flushed_known`. */
    bool flushed_known;
    bool dropped;
};

struct salvage_segment {
    uint64_t id;
    uint64_t collection_id;
    uint64_t row_count; /* 0: unknown. */
    uint32_t footer_crc;
    bool listed; /* By the manifest; else it was found in the directory. */
};

/* Rows on their way into one collection of the target. */
struct salvage_sink {
    struct salvage *salvage;
    struct salvage_object *object;
    struct list ops;   /* struct commit_op, at most one per key. */
    struct map hashes; /* Of their keys. */
    struct arena bytes;
    size_t size; /* Of the keys and rows in it. */
    struct buffer key;
    struct buffer row;
};

struct salvage {
    const struct store_recover_options *options;
    const struct call *call;
    const struct env *env;
    const struct alloc *alloc; /* The target's. */
    struct store *target;
    struct env_file *lock_file;
    struct manifest *manifest; /* NULL: none is readable. */
    bool catalog_lsn_known;
    uint64_t catalog_lsn;
    uint64_t replay_from;
    uint64_t database_id;
    bool database_known;
    struct list objects;     /* struct salvage_object *. */
    struct list segments;    /* struct salvage_segment, oldest first. */
    struct catalog *catalog; /* The target's, once the objects are made. */
    struct datum *values;    /* Scratch: SCHEMA_COLUMN_COUNT_MAX of the source's and as many of */
    struct datum *mapped;    /* the target's. */
    struct store_recovered totals;
    uint64_t done_bytes;
};

#define SALVAGE_KEY_TEXT_SIZE 160u

/* salvage.c */
struct salvage_object *salvage_find(const struct salvage *salvage, uint64_t id);
/* Remembers one more object; the first to come for an id makes it. */
TDBPLUS_CHECKED tdbplus_status salvage_add(struct salvage *salvage, uint64_t id,
                                           struct salvage_object **object_out, struct err *err);
/* Adds a copy of the schema unless one of that version is there. */
TDBPLUS_CHECKED tdbplus_status salvage_add_schema(struct salvage *salvage,
                                                  struct salvage_object *object,
                                                  const struct schema *schema, struct err *err);
const struct schema *salvage_schema(const struct salvage_object *object, uint32_t version);
/* True when manifest or log tell of the same columns under that version. */
TDBPLUS_CHECKED tdbplus_status salvage_schema_is_known(struct salvage *salvage,
                                                       const struct salvage_object *object,
                                                       const struct schema *schema, bool *known_out,
                                                       struct err *err);
/* Takes over what an encoded object says. TDBPLUS_E_CORRUPT when it says nonsense. */
TDBPLUS_CHECKED tdbplus_status salvage_describe(struct salvage *salvage, uint64_t id,
                                                struct span encoded, struct err *err);
const char *salvage_name(const struct salvage_object *object);
/* Counts and tells. */
void salvage_tell(struct salvage *salvage, const struct store_loss *loss);
TDBPLUS_CHECKED tdbplus_status salvage_progress(struct salvage *salvage, uint64_t bytes);
TDBPLUS_CHECKED tdbplus_status salvage_path(const struct salvage *salvage,
                                            char path[ENV_PATH_SIZE_MAX], const char *kind,
                                            uint64_t id, struct err *err);
/* True for failures that come from the bytes of the source and not from this machine's state. */
bool salvage_is_damage(tdbplus_status status);
const char *salvage_file_name(const char *path);

/* salvage_sink.c: rows into the target. */
void salvage_sink_init(struct salvage_sink *sink, struct salvage *salvage,
                       struct salvage_object *object);
void salvage_sink_deinit(struct salvage_sink *sink);
/* Puts a row; `values` are the source's columns by `schema`. [waits] TDBPLUS_E_CORRUPT when the row
 * cannot be one of the collection. */
TDBPLUS_CHECKED tdbplus_status salvage_put(struct salvage_sink *sink, const struct schema *schema,
                                           const struct datum *values, struct err *err);
TDBPLUS_CHECKED tdbplus_status salvage_delete(struct salvage_sink *sink, struct span key,
                                              struct err *err);
/* Deletes all keys from `lower` on up to, not including, `upper` (NULL: the end). [waits] */
TDBPLUS_CHECKED tdbplus_status salvage_delete_range(struct salvage_sink *sink, struct span lower,
                                                    const struct span *upper, struct err *err);
TDBPLUS_CHECKED tdbplus_status salvage_sink_flush(struct salvage_sink *sink, struct err *err);
/* The key of a row by the source's schema, for people. */
void salvage_print_key(const struct schema *schema, const struct datum *values,
                       char text[SALVAGE_KEY_TEXT_SIZE]);

/* salvage_rows.c: the rows of all segments. [waits] */
TDBPLUS_CHECKED tdbplus_status salvage_segments(struct salvage *salvage, struct err *err);
/* Those of one. */
TDBPLUS_CHECKED tdbplus_status salvage_segment_rows(struct salvage *salvage,
                                                    struct salvage_segment *entry, struct err *err);

/* salvage_log.c: first only the catalog's part of the log, then the rows. [waits] */
TDBPLUS_CHECKED tdbplus_status salvage_log_objects(struct salvage *salvage, struct err *err);
TDBPLUS_CHECKED tdbplus_status salvage_log_rows(struct salvage *salvage, struct err *err);
