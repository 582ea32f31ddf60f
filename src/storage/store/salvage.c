/* store_recover(): what is there, what becomes of it, and who is told. See salvage_internal.h. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/store/salvage_internal.h"

/* Begins the names that merges give to dropped columns, and those of collections of index entries.
 */
#define HIDDEN_COLUMN_MARK '\001'

/* ---- small things ---- */

bool salvage_is_damage(tdbplus_status status)
{
    // A disk that refuses to read a block is as good as a block that is wrong.
    return status == TDBPLUS_E_CORRUPT || status == TDBPLUS_E_IO || status == TDBPLUS_E_NOT_FOUND ||
           status == TDBPLUS_E_LIMIT;
}

const char *salvage_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

tdbplus_status salvage_path(const struct salvage *salvage, char path[ENV_PATH_SIZE_MAX],
                            const char *kind, uint64_t id, struct err *err)
{
    char name[ENV_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, "%s-%016" PRIx64, kind, id);
    return env_join(path, salvage->options->source, name, err);
}

void salvage_tell(struct salvage *salvage, const struct store_loss *loss)
{
    salvage->totals.loss_count++;
    salvage->totals.lost_bytes += loss->size;
    if (loss->rows_known) {
        salvage->totals.lost_rows += loss->row_count;
    } else {
        salvage->totals.rows_uncertain = true;
    }
    if (salvage->options->report != NULL) {
        salvage->options->report(salvage->options->report_ctx, loss);
    }
}

tdbplus_status salvage_progress(struct salvage *salvage, uint64_t bytes)
{
    const struct call *call = salvage->call;
    salvage->done_bytes += bytes;
    if (call->progress != NULL) {
        uint64_t total = salvage->totals.source_bytes;
        uint64_t done = salvage->done_bytes < total ? salvage->done_bytes : total;
        call->progress(call->progress_ctx, done, total);
    }
    return env_check_call(salvage->env, call);
}

/* ---- objects ---- */

struct salvage_object *salvage_find(const struct salvage *salvage, uint64_t id)
{
    for (size_t i = 0; i < salvage->objects.count; i++) {
        struct salvage_object *object = *(struct salvage_object **)list_at(&salvage->objects, i);
        if (object->id == id) {
            return object;
        }
    }
    return NULL;
}

const char *salvage_name(const struct salvage_object *object)
{
    return object == NULL || object->object == NULL ? NULL : object->object->object.name;
}

tdbplus_status salvage_add(struct salvage *salvage, uint64_t id, struct salvage_object **object_out,
                           struct err *err)
{
    struct salvage_object *object = salvage_find(salvage, id);
    if (object == NULL) {
        object = alloc_array(salvage->alloc, 1, sizeof *object);
        if (object == NULL || list_push(&salvage->objects, &object) == NULL) {
            alloc_free(salvage->alloc, object, 1, sizeof *object);
            return err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory");
        }
        object->id = id;
        list_init(&object->schemas, salvage->alloc, sizeof(struct schema *));
    }
    *object_out = object;
    return TDBPLUS_OK;
}

const struct schema *salvage_schema(const struct salvage_object *object, uint32_t version)
{
    const struct schema *best = NULL; // Version 0: the newest.
    for (size_t i = 0; i < object->schemas.count; i++) {
        const struct schema *schema = *(struct schema **)list_at(&object->schemas, i);
        if (version == 0 ? best == NULL || schema->version > best->version
                         : schema->version == version) {
            best = schema;
        }
    }
    return best;
}

/* Without the columns that a merge kept only for older snapshots. */
static tdbplus_status copy_schema(struct salvage *salvage, const struct schema *schema,
                                  struct schema **copy_out, struct err *err)
{
    struct schema description = *schema;
    while (description.column_count > 0 &&
           schema->columns[description.column_count - 1].name[0] == HIDDEN_COLUMN_MARK) {
        description.column_count--;
    }
    return schema_create(&description, salvage->alloc, copy_out, err);
}

tdbplus_status salvage_add_schema(struct salvage *salvage, struct salvage_object *object,
                                  const struct schema *schema, struct err *err)
{
    if (salvage_schema(object, schema->version) != NULL) {
        return TDBPLUS_OK;
    }
    struct schema *copy = NULL;
    TRY(copy_schema(salvage, schema, &copy, err));
    if (list_push(&object->schemas, &copy) == NULL) {
        schema_destroy(copy);
        return err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory");
    }
    return TDBPLUS_OK;
}

tdbplus_status salvage_schema_is_known(struct salvage *salvage, const struct salvage_object *object,
                                       const struct schema *schema, bool *known_out,
                                       struct err *err)
{
    const struct schema *known = salvage_schema(object, schema->version);
    struct schema *copy = NULL;
    *known_out = false;
    if (schema->version == 0 || known == NULL) {
        return TDBPLUS_OK;
    }
    TRY(copy_schema(salvage, schema, &copy, err));
    struct buffer bytes[2] = {{.alloc = salvage->alloc}, {.alloc = salvage->alloc}};
    schema_encode(known, &bytes[0]);
    schema_encode(copy, &bytes[1]);
    *known_out = !bytes[0].failed && !bytes[1].failed &&
                 span_compare(buffer_span(&bytes[0]), buffer_span(&bytes[1])) == 0;
    bool failed = bytes[0].failed || bytes[1].failed;
    buffer_deinit(&bytes[0]);
    buffer_deinit(&bytes[1]);
    schema_destroy(copy);
    return failed ? err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory") : TDBPLUS_OK;
}

tdbplus_status salvage_describe(struct salvage *salvage, uint64_t id, struct span encoded,
                                struct err *err)
{
    struct list schemas = {0};
    list_init(&schemas, salvage->alloc, sizeof(struct schema *));
    struct object_ref *ref = NULL;
    struct salvage_object *object = NULL;
    tdbplus_status status = object_decode(salvage->target, id, encoded, &ref, &schemas, err);
    if (status == TDBPLUS_OK) {
        status = salvage_add(salvage, id, &object, err);
    }
    for (size_t i = 0; i < schemas.count; i++) {
        struct schema *schema = *(struct schema **)list_at(&schemas, i);
        if (status == TDBPLUS_OK) {
            status = salvage_add_schema(salvage, object, schema, err);
        }
        schema_destroy(schema);
    }
    list_deinit(&schemas);
    if (status != TDBPLUS_OK) {
        object_release(ref);
        return status;
    }
    object_release(object->object);
    object->object = ref;
    return TDBPLUS_OK;
}

/* What lies in the source. */
struct listing {
    struct salvage *salvage;
    struct list ids;                       /* uint64_t: segments in the directory, */
    struct list deletes;                   /* and files of delete maps. */
    bool any;                              /* There is some file of a database. */
    char manifest_name[ENV_NAME_SIZE_MAX]; /* The newest. */
};

/* ---- the manifest ---- */

static void note_manifest_damage(void *ctx, const char *path, uint64_t offset, uint64_t size)
{
    struct store_loss loss = {
        .file = salvage_file_name(path),
        .offset = offset,
        .size = size,
        .what = "damaged: what it said of collections and files is lost, and made up from the log "
                "and from the files themselves",
    };
    salvage_tell(ctx, &loss);
}

static tdbplus_status open_manifest(struct salvage *salvage, struct err *err)
{
    struct manifest_options options = {.env = salvage->env,
                                       .alloc = salvage->alloc,
                                       .directory = salvage->options->source,
                                       .read_only = true};
    struct err why = {0};
    tdbplus_status status = manifest_open(&options, &salvage->manifest, &why);
    if (status == TDBPLUS_OK) {
        salvage->totals.manifest_whole = true;
        return TDBPLUS_OK;
    }
    if (!salvage_is_damage(status)) {
        return err_set(err, status, "%s", why.text);
    }
    status = manifest_salvage(&options, note_manifest_damage, salvage, &salvage->manifest, &why);
    if (status == TDBPLUS_E_NOT_FOUND) {
        struct store_loss loss = {
            .file = "",
            .what =
                "there is no manifest that can be read: names and columns come from the log and "
                "from the segments themselves",
        };
        salvage_tell(salvage, &loss);
        return TDBPLUS_OK;
    }
    return salvage_is_damage(status) ? TDBPLUS_OK : status;
}

static bool has_id(const struct list *ids, uint64_t id)
{
    for (size_t i = 0; i < ids->count; i++) {
        if (*(uint64_t *)list_at(ids, i) == id) {
            return true;
        }
    }
    return false;
}

/* True when the manifest names files that are gone while there are others that it does not name: it
 * is older than they are. */
static bool names_others(const struct salvage *salvage, uint8_t kind, const struct list *present)
{
    uint64_t id = 0;
    uint64_t named = 0;
    bool missing = false;
    struct span value;
    while (manifest_next(salvage->manifest, kind, &id, &value)) {
        bool deletes = kind == MANIFEST_DELETES;
        uint64_t file = deletes && value.size >= 8 ? load_u64(value.data) : id;
        bool there = has_id(present, file);
        missing = missing || !there;
        named += there && !deletes ? 1 : 0;
        id++;
    }
    return missing && (kind == MANIFEST_DELETES ? present->count > 0 : named < present->count);
}

/*
 * A manifest whose end is gone looks like one whose last edit was torn. But then the log was cut
 * behind the edit that is gone, or files were replaced.
 */
static void judge_manifest(struct salvage *salvage, const struct listing *listing,
                           const struct log_identity *log)
{
    if (!salvage->totals.manifest_whole) {
        return;
    }
    bool log_later = log->found && log->first_lsn > salvage->replay_from;
    if (!log_later && !names_others(salvage, MANIFEST_SEGMENT, &listing->ids) &&
        !names_others(salvage, MANIFEST_DELETES, &listing->deletes)) {
        return;
    }
    struct store_loss loss = {
        .file = listing->manifest_name,
        .what = "edits at its end are lost: it is older than the other files, and what it says is "
                "completed from them",
    };
    salvage->totals.manifest_whole = false;
    salvage_tell(salvage, &loss);
}

/* Which database it is, and from where on the log is needed. */
static tdbplus_status read_identity(struct salvage *salvage, const struct listing *listing,
                                    struct err *err)
{
    struct span value;
    struct persist_counters_read counters = {0};
    struct log_options options = {
        .env = salvage->env, .alloc = salvage->alloc, .directory = salvage->options->source};
    struct log_identity log = {0};
    TRY(log_identify(&options, &log, err));
    salvage->database_id = log.database_id;
    salvage->database_known = log.found;
    if (salvage->manifest == NULL) {
        return TDBPLUS_OK;
    }
    if (manifest_get(salvage->manifest, MANIFEST_DATABASE, 0, &value) && value.size >= 12) {
        salvage->database_id = load_u64(value.data + 4);
        salvage->database_known = true;
    }
    bool counted = manifest_get(salvage->manifest, MANIFEST_COUNTERS, 0, &value) &&
                   persist_decode_counters(value, &counters);
    salvage->replay_from = counters.replay_from;
    judge_manifest(salvage, listing, &log);
    bool whole = salvage->totals.manifest_whole && counted;
    salvage->catalog_lsn = counters.catalog_lsn;
    salvage->catalog_lsn_known = whole;
    salvage->replay_from = whole ? counters.replay_from : 0;
    return TDBPLUS_OK;
}

static tdbplus_status read_objects(struct salvage *salvage, struct err *err)
{
    uint64_t id = 0;
    struct span value;
    while (salvage->manifest != NULL &&
           manifest_next(salvage->manifest, MANIFEST_OBJECT, &id, &value)) {
        struct err why = {0};
        tdbplus_status status = salvage_describe(salvage, id, value, &why);
        if (salvage_is_damage(status)) {
            struct store_loss loss = {.file = "", .what = why.text};
            salvage_tell(salvage, &loss);
        } else if (status != TDBPLUS_OK) {
            return err_set(err, status, "%s", why.text);
        }
        struct salvage_object *object = salvage_find(salvage, id);
        struct span state;
        if (object != NULL && manifest_get(salvage->manifest, MANIFEST_COLLECTION, id, &state) &&
            state.size == 16) {
            object->flushed_lsn = load_u64(state.data);
            object->flushed_known = salvage->totals.manifest_whole;
        }
        id++;
    }
    return TDBPLUS_OK;
}

/* ---- segments ---- */

static tdbplus_status note_file(void *ctx, const char *name, bool is_directory)
{
    struct listing *listing = ctx;
    struct salvage *salvage = listing->salvage;
    uint64_t id = 0;
    if (is_directory) {
        return TDBPLUS_OK;
    }
    if (store_parse_name(name, "deletes", &id)) {
        return list_push(&listing->deletes, &id) == NULL ? TDBPLUS_E_NOMEM : TDBPLUS_OK;
    }
    bool log = store_parse_name(name, "log", &id);
    if (store_parse_name(name, "manifest", &id)) {
        log = true;
        if (strcmp(name, listing->manifest_name) > 0) {
            memcpy(listing->manifest_name, name, strlen(name) + 1);
        }
    }
    bool segment = store_parse_name(name, "segment", &id);
    if (!segment && !log) {
        return TDBPLUS_OK;
    }
    listing->any = true;
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    uint64_t size = 0;
    if (segment && env_join(path, salvage->options->source, name, NULL) == TDBPLUS_OK &&
        env_open(salvage->env, path, ENV_OPEN_READ, &file, NULL) == TDBPLUS_OK) {
        (void)!env_size(salvage->env, file, &size, NULL);
        env_close(salvage->env, file);
    }
    salvage->totals.source_bytes += size;
    return segment && list_push(&listing->ids, &id) == NULL ? TDBPLUS_E_NOMEM : TDBPLUS_OK;
}

static int compare_segments(const void *left, const void *right)
{
    const struct salvage_segment *a = left;
    const struct salvage_segment *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static tdbplus_status add_segment(struct salvage *salvage, const struct salvage_segment *segment,
                                  struct err *err)
{
    return list_push(&salvage->segments, segment) == NULL
               ? err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory")
               : TDBPLUS_OK;
}

static tdbplus_status add_listed(struct salvage *salvage, struct err *err)
{
    uint64_t id = 0;
    struct span value;
    while (salvage->manifest != NULL &&
           manifest_next(salvage->manifest, MANIFEST_SEGMENT, &id, &value)) {
        struct segment_entry entry = {0};
        struct salvage_segment segment = {.id = id, .listed = true};
        if (persist_read_segment(value, &entry, NULL) == TDBPLUS_OK) {
            segment.collection_id = entry.collection_id;
            segment.row_count = entry.row_count;
            segment.footer_crc = entry.footer_crc;
            TRY(add_segment(salvage, &segment, err));
        }
        id++;
    }
    return TDBPLUS_OK;
}

static bool is_listed(const struct salvage *salvage, uint64_t id)
{
    for (size_t i = 0; i < salvage->segments.count; i++) {
        if (((struct salvage_segment *)list_at(&salvage->segments, i))->id == id) {
            return true;
        }
    }
    return false;
}

static void tell_stray(struct salvage *salvage, uint64_t id, const struct err *why)
{
    char name[ENV_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, "segment-%016" PRIx64, id);
    struct store_loss loss = {.file = name, .what = why->text};
    salvage_tell(salvage, &loss);
}

/* The columns of a collection that only its segments tell of. */
static tdbplus_status learn_schema(struct salvage *salvage, const struct salvage_segment *entry,
                                   struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(salvage_path(salvage, path, "segment", entry->id, err));
    struct segment *segment = NULL;
    struct segment_options options = {.env = salvage->env,
                                      .alloc = salvage->alloc,
                                      .cache = salvage->target->cache,
                                      .path = path,
                                      .segment_id = entry->id,
                                      .salvage = true};
    struct err why = {0};
    tdbplus_status status = segment_open(&options, &segment, &why);
    if (status == TDBPLUS_OK && !segment_is_proven(segment)) {
        segment_close(segment);
        status = TDBPLUS_E_CORRUPT;
    }
    if (salvage_is_damage(status)) {
        return TDBPLUS_OK; // Told when its rows are read.
    }
    if (status != TDBPLUS_OK) {
        return err_set(err, status, "%s", why.text);
    }
    struct salvage_object *object = NULL;
    status = salvage_add(salvage, entry->collection_id, &object, err);
    if (status == TDBPLUS_OK) {
        status = salvage_add_schema(salvage, object, segment_schema(segment), err);
    }
    if (status == TDBPLUS_OK && object->object == NULL) {
        char name[48];
        (void)snprintf(name, sizeof name, "recovered_%" PRIu64, object->id);
        struct object description = {.id = object->id, .kind = OBJECT_COLLECTION, .name = name};
        status = object_create(salvage->target, &description, &object->object, err);
    }
    segment_close(segment);
    return status;
}

/* Segments that the manifest does not tell of: with a damaged one, any may belong. */
static tdbplus_status add_found(struct salvage *salvage, const struct list *ids, struct err *err)
{
    for (size_t i = 0; i < ids->count; i++) {
        uint64_t id = *(uint64_t *)list_at(ids, i);
        if (is_listed(salvage, id)) {
            continue;
        }
        char path[ENV_PATH_SIZE_MAX];
        struct segment_identity identity = {0};
        struct err why = {0};
        TRY(salvage_path(salvage, path, "segment", id, err));
        tdbplus_status status = segment_identify(salvage->env, path, &identity, &why);
        if (salvage_is_damage(status)) {
            tell_stray(salvage, id, &why);
            continue;
        }
        TRY(status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text));
        struct salvage_segment segment = {.id = id, .collection_id = identity.collection_id};
        TRY(add_segment(salvage, &segment, err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status list_source(struct salvage *salvage, struct listing *listing, struct err *err)
{
    struct err why = {0};
    tdbplus_status status =
        env_list(salvage->env, salvage->options->source, note_file, listing, &why);
    if (status == TDBPLUS_E_NOT_FOUND || (status == TDBPLUS_OK && !listing->any)) {
        return err_set(err, TDBPLUS_E_NOT_FOUND, "recover: %s has no file of a database",
                       salvage->options->source);
    }
    return status == TDBPLUS_OK ? status : err_set(err, status, "recover: %s", why.text);
}

static tdbplus_status find_segments(struct salvage *salvage, const struct list *ids,
                                    struct err *err)
{
    TRY(add_listed(salvage, err));
    if (!salvage->totals.manifest_whole) {
        TRY(add_found(salvage, ids, err));
    }
    if (salvage->segments.count > 1) {
        qsort(salvage->segments.items, salvage->segments.count, sizeof(struct salvage_segment),
              compare_segments);
    }
    for (size_t i = 0; i < salvage->segments.count; i++) {
        const struct salvage_segment *entry = list_at(&salvage->segments, i);
        const struct salvage_object *object = salvage_find(salvage, entry->collection_id);
        if (object == NULL || (!object->dropped && object->schemas.count == 0)) {
            TRY(learn_schema(salvage, entry, err));
        }
    }
    return TDBPLUS_OK;
}

/* ---- the target ---- */

static int compare_objects(const void *left, const void *right)
{
    const struct salvage_object *a = *(struct salvage_object *const *)left;
    const struct salvage_object *b = *(struct salvage_object *const *)right;
    return (a->id > b->id) - (a->id < b->id);
}

static void tell_object(struct salvage *salvage, const struct salvage_object *object,
                        const char *why)
{
    char what[ERR_TEXT_SIZE + 120];
    (void)snprintf(what, sizeof what, "object %" PRIu64 " cannot be made again: %s", object->id,
                   why);
    struct store_loss loss = {.file = "", .what = what, .collection = salvage_name(object)};
    salvage_tell(salvage, &loss);
}

/* Makes one object under its old id; another name if the old one is taken, which happens when an
 * edit of the manifest is lost. */
static tdbplus_status make_object(struct salvage *salvage, struct salvage_object *object,
                                  struct err *err)
{
    const struct object *from = &object->object->object;
    const struct schema *schema =
        from->kind == OBJECT_COLLECTION ? salvage_schema(object, 0) : NULL;
    if (from->kind == OBJECT_COLLECTION && schema == NULL) {
        tell_object(salvage, object, "nothing is left that describes its columns");
        return TDBPLUS_OK;
    }
    char name[COLLECTION_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, "%s", from->name);
    struct call call = *salvage->call;
    struct err why = {0};
    call.err = &why;
    call.alloc = salvage->alloc;
    tdbplus_status status = TDBPLUS_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        struct object_ref *made = NULL;
        err_clear(&why);
        atomic_store(&salvage->target->object_id_next, object->id);
        status = store_object_create(salvage->target, from->kind, name, schema, from->properties,
                                     &made, &why);
        if (status == TDBPLUS_OK) {
            struct catalog_change change = {.id = object->id, .after = made};
            struct store_commit commit = {.changes = &change, .change_count = 1};
            status = store_commit(salvage->target, &commit, NULL, &call);
        }
        store_object_release(made);
        if (status != TDBPLUS_E_EXISTS) {
            break;
        }
        (void)snprintf(name, sizeof name, "%.200s_%" PRIu64, from->name, object->id);
    }
    if (status == TDBPLUS_E_EXISTS || status == TDBPLUS_E_INVALID || salvage_is_damage(status)) {
        tell_object(salvage, object, why.text);
        return TDBPLUS_OK;
    }
    return status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text);
}

/* Entries of an index: rows that nobody put there. */
static bool is_hidden(const struct object *object)
{
    return object->name[0] == HIDDEN_COLUMN_MARK;
}

static tdbplus_status make_objects(struct salvage *salvage, struct err *err)
{
    if (salvage->objects.count > 1) {
        qsort(salvage->objects.items, salvage->objects.count, sizeof(void *), compare_objects);
    }
    uint64_t next = 1;
    for (size_t i = 0; i < salvage->objects.count; i++) {
        struct salvage_object *object = *(struct salvage_object **)list_at(&salvage->objects, i);
        next = object->id >= next ? object->id + 1 : next;
        if (!object->dropped && object->object != NULL) {
            TRY(make_object(salvage, object, err));
        }
    }
    atomic_store(&salvage->target->object_id_next, next);
    salvage->catalog = catalog_acquire(salvage->target);
    for (size_t i = 0; i < salvage->objects.count; i++) {
        struct salvage_object *object = *(struct salvage_object **)list_at(&salvage->objects, i);
        object->made = catalog_by_id(salvage->catalog, object->id);
        if (object->made == NULL) {
            continue;
        }
        object->reads = object->made->schema;
        bool collection = object->made->kind == OBJECT_COLLECTION;
        salvage->totals.collection_count += collection && !is_hidden(object->made) ? 1 : 0;
        salvage->totals.object_count += collection ? 0 : 1;
        if (!collection) {
            object->made = NULL; // Only collections have rows.
        }
    }
    return TDBPLUS_OK;
}

/* Takes an index and the collection of its entries out of the target. [waits] */
static tdbplus_status drop_index(struct salvage *salvage, const struct object *index,
                                 struct err *err)
{
    struct catalog *catalog = catalog_acquire(salvage->target);
    const struct object *entries = catalog_by_id(catalog, index->other);
    struct catalog_change changes[2] = {{.id = index->id, .before = index}};
    uint32_t count = 1;
    if (entries != NULL && entries->kind == OBJECT_COLLECTION) {
        changes[count++] = (struct catalog_change){.id = entries->id, .before = entries};
    }
    struct store_commit commit = {.changes = changes, .change_count = count};
    struct call call = *salvage->call;
    call.err = err;
    call.alloc = salvage->alloc;
    tdbplus_status status = store_commit(salvage->target, &commit, NULL, &call);
    catalog_release(catalog);
    return status;
}

/*
 * An index is rows of its own, so after losses it may lead to rows that are gone, or not to rows
 * that are there: wrong answers. It goes, and is named, for only the layers above can make it
 * again.
 */
static tdbplus_status drop_indexes(struct salvage *salvage, struct err *err)
{
    for (size_t i = 0; i < salvage->objects.count; i++) {
        struct salvage_object *object = *(struct salvage_object **)list_at(&salvage->objects, i);
        const struct object *made = catalog_by_id(salvage->catalog, object->id);
        if (made == NULL || made->kind != OBJECT_INDEX) {
            continue;
        }
        TRY(drop_index(salvage, made, err));
        struct salvage_object *entries = salvage_find(salvage, made->other);
        if (entries != NULL) {
            entries->made = NULL;
        }
        salvage->totals.object_count--;
        char what[400];
        (void)snprintf(what, sizeof what,
                       "index \"%.250s\" was left out, because rows were lost: make it again",
                       made->name);
        struct store_loss loss = {.file = "", .what = what, .rows_known = true};
        salvage_tell(salvage, &loss);
    }
    return TDBPLUS_OK;
}

/* All rows are in segments now, and no snapshot keeps older ones. */
static void count_rows(struct salvage *salvage)
{
    for (size_t i = 0; i < salvage->objects.count; i++) {
        const struct salvage_object *object =
            *(struct salvage_object **)list_at(&salvage->objects, i);
        if (object->made == NULL || is_hidden(object->made)) {
            continue;
        }
        struct version *version = version_acquire(object->made->collection);
        for (uint32_t s = 0; s < version->segment_count; s++) {
            salvage->totals.row_count +=
                version->segments[s]->row_count - delete_map_count(version->segments[s]->deletes);
        }
        version_release(version);
    }
}

/* ---- the whole ---- */

static tdbplus_status refuse_entry(void *ctx, const char *name, bool is_directory)
{
    (void)ctx;
    (void)name;
    (void)is_directory;
    return TDBPLUS_E_EXISTS;
}

static tdbplus_status open_target(struct salvage *salvage, struct err *err)
{
    const struct store_recover_options *options = salvage->options;
    tdbplus_status status = env_list(salvage->env, options->target, refuse_entry, NULL, NULL);
    if (status == TDBPLUS_E_EXISTS || strcmp(options->source, options->target) == 0) {
        status = err_set(err, TDBPLUS_E_EXISTS, "recover: %s is not empty", options->target);
        err_hint(err, "Name a new directory; nothing is ever overwritten.");
        return status;
    }
    struct store_options store = {.env = salvage->env,
                                  .alloc = options->alloc,
                                  .directory = options->target,
                                  .memory_limit_bytes = options->memory_limit_bytes};
    return store_open(&store, &salvage->target, err);
}

/* Nobody may write meanwhile. A source without the file has no writer of ours. */
static tdbplus_status lock_source(struct salvage *salvage, struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    struct err why = {0};
    TRY(env_join(path, salvage->options->source, "lock", err));
    tdbplus_status status = env_lock(salvage->env, path, false, &salvage->lock_file, &why);
    if (status == TDBPLUS_E_BUSY) {
        status = err_set(err, status, "recover: %s is in use", salvage->options->source);
        err_hint(err, "Close the process that has it open.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status recover_all(struct salvage *salvage, const struct listing *listing,
                                  struct err *err)
{
    salvage->values =
        alloc_array(salvage->alloc, SCHEMA_COLUMN_COUNT_MAX + 1, sizeof *salvage->values);
    salvage->mapped = alloc_array(salvage->alloc, SCHEMA_COLUMN_COUNT_MAX, sizeof *salvage->mapped);
    if (salvage->values == NULL || salvage->mapped == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory");
    }
    TRY(open_manifest(salvage, err));
    TRY(read_identity(salvage, listing, err));
    TRY(read_objects(salvage, err));
    TRY(salvage_log_objects(salvage, err));
    TRY(find_segments(salvage, &listing->ids, err));
    TRY(make_objects(salvage, err));
    TRY(salvage_segments(salvage, err));
    TRY(salvage_log_rows(salvage, err));
    if (salvage->totals.loss_count > 0) {
        TRY(drop_indexes(salvage, err));
    }
    struct call call = *salvage->call;
    call.err = err;
    call.progress = NULL;
    TRY(store_flush(salvage->target, &call));
    count_rows(salvage);
    return TDBPLUS_OK;
}

static void salvage_deinit(struct salvage *salvage)
{
    for (size_t i = 0; i < salvage->objects.count; i++) {
        struct salvage_object *object = *(struct salvage_object **)list_at(&salvage->objects, i);
        for (size_t s = 0; s < object->schemas.count; s++) {
            schema_destroy(*(struct schema **)list_at(&object->schemas, s));
        }
        list_deinit(&object->schemas);
        object_release(object->object);
        alloc_free(salvage->alloc, object, 1, sizeof *object);
    }
    list_deinit(&salvage->objects);
    list_deinit(&salvage->segments);
    if (salvage->values != NULL) {
        alloc_free(salvage->alloc, salvage->values, SCHEMA_COLUMN_COUNT_MAX + 1,
                   sizeof *salvage->values);
    }
    if (salvage->mapped != NULL) {
        alloc_free(salvage->alloc, salvage->mapped, SCHEMA_COLUMN_COUNT_MAX,
                   sizeof *salvage->mapped);
    }
    catalog_release(salvage->catalog);
    manifest_close(salvage->manifest);
}

tdbplus_status store_recover(const struct store_recover_options *options,
                             struct store_recovered *recovered_out, const struct call *call)
{
    struct salvage salvage = {.options = options, .call = call, .env = options->env};
    struct listing listing = {.salvage = &salvage};
    list_init(&listing.ids, options->alloc, sizeof(uint64_t));
    list_init(&listing.deletes, options->alloc, sizeof(uint64_t));
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, list_source(&salvage, &listing, call->err));
    TRY_OR(done, lock_source(&salvage, call->err));
    TRY_OR(done, open_target(&salvage, call->err));
    salvage.alloc = store_alloc(salvage.target);
    list_init(&salvage.objects, salvage.alloc, sizeof(struct salvage_object *));
    list_init(&salvage.segments, salvage.alloc, sizeof(struct salvage_segment));
    status = recover_all(&salvage, &listing, call->err);
    salvage_deinit(&salvage);
    if (status == TDBPLUS_OK) {
        *recovered_out = salvage.totals;
    }
done:
    store_close(salvage.target);
    env_close(options->env, salvage.lock_file);
    list_deinit(&listing.ids);
    list_deinit(&listing.deletes);
    return status;
}
