/*
 * The rows of segments, block by block. A stretch that cannot be read is halved until what fails is
 * a page's worth of rows or one row; the pages that are to blame are told by offset.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "storage/store/salvage_internal.h"

#define STRETCH_ROWS_MIN 64u /* Pages hold as many rows or more, except those of large values. */

/* Rows next to each other that are lost. */
struct hole {
    uint64_t first_row;
    uint64_t row_count; /* 0: there is none. */
    struct err why;
};

struct walk {
    struct salvage *salvage;
    struct salvage_segment *entry;
    struct salvage_object *object;
    struct segment *segment;
    struct delete_map *deletes;
    const struct schema *schema; /* The segment's. */
    uint32_t *positions;         /* 0, 1, 2 ...: all its columns. */
    struct salvage_sink sink;
    struct batch batch;
    struct hole hole;
    char name[ENV_NAME_SIZE_MAX];
    char key_before[SALVAGE_KEY_TEXT_SIZE]; /* Of the row that was saved last. */
    struct buffer previous;                 /* Its normalised key: older versions follow it. */
    uint64_t live_rows;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "recover: a segment does not fit the memory limit");
}

static bool is_live(const struct walk *walk, uint64_t row)
{
    return delete_map_end_of(walk->deletes, row) == TIMESTAMP_OPEN;
}

/* ---- what is lost ---- */

/* Keys of the lost rows where the key columns can be read. */
static bool keys_of_hole(struct walk *walk, char from[SALVAGE_KEY_TEXT_SIZE],
                         char to[SALVAGE_KEY_TEXT_SIZE])
{
    const struct schema *schema = walk->schema;
    struct datum values[SCHEMA_KEY_COUNT_MAX];
    struct schema keys = *schema; // Only the key columns, in key order.
    uint32_t positions[SCHEMA_KEY_COUNT_MAX];
    for (uint32_t i = 0; i < schema->key_count; i++) {
        positions[i] = i;
    }
    keys.key_columns = positions;
    for (int end = 0; end < 2; end++) {
        uint64_t row = walk->hole.first_row + (end == 0 ? 0 : walk->hole.row_count - 1);
        batch_reset(&walk->batch);
        for (uint32_t i = 0; i < schema->key_count; i++) {
            if (segment_value(walk->segment, row, schema->key_columns[i], &walk->batch, &values[i],
                              NULL) != TDBPLUS_OK) {
                return false;
            }
        }
        salvage_print_key(&keys, values, end == 0 ? from : to);
    }
    return true;
}

/* Tells of every page of the hole that cannot be read; the first one tells of the rows. */
static void tell_pages(struct walk *walk, struct store_loss *loss)
{
    uint64_t end = walk->hole.first_row + walk->hole.row_count;
    uint32_t told = 0;
    for (uint32_t i = 0; i < walk->schema->column_count; i++) {
        for (uint64_t row = walk->hole.first_row; row < end;) {
            struct segment_stretch page = segment_page_stretch(walk->segment, row, i);
            struct datum value;
            batch_reset(&walk->batch);
            struct err why = {0};
            if (segment_value(walk->segment, row, i, &walk->batch, &value, &why) != TDBPLUS_OK) {
                char what[ERR_TEXT_SIZE + 80];
                (void)snprintf(what, sizeof what, "column \"%s\": %s",
                               walk->schema->columns[i].name, why.text);
                loss->offset = page.offset;
                loss->size = page.size;
                loss->what = what;
                salvage_tell(walk->salvage, loss);
                told++;
                loss->row_count = 0; // Counted once.
                loss->key_from = NULL;
                loss->key_to = NULL;
            }
            row = page.first_row + page.row_count;
        }
    }
    if (told == 0) { // The rows could be read and not used.
        loss->what = walk->hole.why.text;
        salvage_tell(walk->salvage, loss);
    }
}

/* Ends the hole, if there is one; `key_after` is the row behind it, NULL at the end. */
static void close_hole(struct walk *walk, const char *key_after)
{
    if (walk->hole.row_count == 0) {
        return;
    }
    char from[SALVAGE_KEY_TEXT_SIZE] = "";
    char to[SALVAGE_KEY_TEXT_SIZE] = "";
    uint64_t live = 0;
    for (uint64_t i = 0; i < walk->hole.row_count; i++) {
        live += is_live(walk, walk->hole.first_row + i) ? 1 : 0;
    }
    struct store_loss loss = {.file = walk->name,
                              .collection = salvage_name(walk->object),
                              .rows_known = true,
                              .row_count = live};
    if (keys_of_hole(walk, from, to)) {
        loss.key_from = from;
        loss.key_to = to;
    } else {
        loss.keys_outside = true;
        loss.key_from = walk->key_before[0] == '\0' ? NULL : walk->key_before;
        loss.key_to = key_after;
    }
    tell_pages(walk, &loss);
    walk->hole = (struct hole){0};
}

static void lose(struct walk *walk, uint64_t first_row, uint64_t row_count, const struct err *why)
{
    if (walk->hole.row_count == 0) {
        walk->hole = (struct hole){.first_row = first_row, .why = *why};
    }
    walk->hole.row_count = first_row + row_count - walk->hole.first_row;
}

/* ---- what is saved ---- */

/* Versions of one key stand side by side, newest first: without its delete map, the first counts.
 */
static tdbplus_status is_older_version(struct walk *walk, const struct datum *values,
                                       bool *older_out, struct err *err)
{
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    for (uint32_t i = 0; i < walk->schema->key_count; i++) {
        key[i] = values[walk->schema->key_columns[i]];
    }
    struct buffer *scratch = &walk->sink.key;
    buffer_clear(scratch);
    TRY(key_encode(key, walk->schema->key_count, scratch, err));
    struct span now = buffer_span(scratch);
    *older_out = span_compare(now, buffer_span(&walk->previous)) == 0;
    buffer_clear(&walk->previous);
    buffer_put_span(&walk->previous, now);
    return walk->previous.failed ? no_memory(err) : TDBPLUS_OK;
}

static tdbplus_status save_row(struct walk *walk, const struct column *columns, uint64_t first_row,
                               uint32_t at, struct err *err)
{
    struct datum *values = walk->salvage->values;
    for (uint32_t i = 0; i < walk->schema->column_count; i++) {
        column_get(&columns[i], at, &values[i]);
    }
    bool older = false;
    struct err why = {0};
    tdbplus_status status = is_older_version(walk, values, &older, &why);
    if (status == TDBPLUS_OK && older) {
        return TDBPLUS_OK;
    }
    if (walk->hole.row_count > 0 && status == TDBPLUS_OK) {
        char key_after[SALVAGE_KEY_TEXT_SIZE];
        salvage_print_key(walk->schema, values, key_after);
        close_hole(walk, key_after);
        // Telling used the batch; the caller's columns live in another.
    }
    if (status == TDBPLUS_OK) {
        status = salvage_put(&walk->sink, walk->schema, values, &why);
    }
    if (salvage_is_damage(status)) {
        lose(walk, first_row + at, 1, &why);
        return TDBPLUS_OK;
    }
    if (status != TDBPLUS_OK) {
        return err_set(err, status, "%s", why.text);
    }
    walk->live_rows++;
    return TDBPLUS_OK;
}

/* Reads rows of one window and saves the live ones. TDBPLUS_E_CORRUPT: some could not be read. */
static tdbplus_status save_stretch(struct walk *walk, uint64_t first_row, uint32_t row_count,
                                   struct err *err)
{
    uint32_t column_count = walk->schema->column_count;
    struct batch batch;
    batch_init(&batch, walk->salvage->alloc);
    tdbplus_status status = TDBPLUS_OK;
    struct column *columns = arena_array(&batch.arena, column_count, sizeof *columns);
    if (columns == NULL) {
        status = no_memory(err);
        goto done;
    }
    TRY_OR(done, segment_read(walk->segment, first_row, row_count, walk->positions, column_count,
                              &batch, columns, err));
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < row_count; i++) {
        if (is_live(walk, first_row + i)) {
            TRY_OR(done, save_row(walk, columns, first_row, i, err));
            last = i;
        }
    }
    if (last != UINT32_MAX) {
        struct datum *values = walk->salvage->values;
        for (uint32_t i = 0; i < column_count; i++) {
            column_get(&columns[i], last, &values[i]);
        }
        salvage_print_key(walk->schema, values, walk->key_before);
    }
done:
    batch_deinit(&batch);
    return status;
}

/* The same for any part of a window; what cannot be read is halved, down to single rows. The depth
 * is at most 11: a window has 2,048 rows. */
static tdbplus_status save_rows(struct walk *walk, uint64_t first_row, uint32_t row_count,
                                struct err *err)
{
    uint64_t stack[16][2] = {{first_row, row_count}};
    uint32_t depth = 1;
    while (depth > 0) {
        uint64_t first = stack[depth - 1][0];
        uint32_t count = (uint32_t)stack[depth - 1][1];
        depth--;
        struct err why = {0};
        tdbplus_status status = save_stretch(walk, first, count, &why);
        if (status == TDBPLUS_OK) {
            continue;
        }
        if (!salvage_is_damage(status)) {
            return err_set(err, status, "%s", why.text);
        }
        if (count == 1) {
            lose(walk, first, 1, &why);
            continue;
        }
        uint32_t half = 1;
        while (half * 2 < count) {
            half *= 2; // Pages begin at multiples of powers of two.
        }
        ASSERT(depth + 2 <= 16);
        stack[depth][0] = first + half;
        stack[depth++][1] = count - half;
        stack[depth][0] = first;
        stack[depth++][1] = half;
    }
    return TDBPLUS_OK;
}

static tdbplus_status save_segment(struct walk *walk, struct err *err)
{
    struct salvage *salvage = walk->salvage;
    uint64_t rows = segment_row_count(walk->segment);
    uint64_t size = segment_file_size(walk->segment);
    uint64_t told = 0;
    for (uint64_t row = 0; row < rows; row += SEGMENT_WINDOW_ROW_COUNT) {
        uint64_t left = rows - row;
        uint32_t count =
            left < SEGMENT_WINDOW_ROW_COUNT ? (uint32_t)left : SEGMENT_WINDOW_ROW_COUNT;
        TRY(save_rows(walk, row, count, err));
        uint64_t now = size * (row + count) / rows;
        TRY(salvage_progress(salvage, now - told));
        told = now;
    }
    close_hole(walk, NULL);
    salvage->totals.segment_count++;
    return salvage_sink_flush(&walk->sink, err);
}

/* ---- deletes ---- */

static void tell_deletes(struct walk *walk, const char *file, uint64_t offset, uint64_t size,
                         const char *why)
{
    char what[ERR_TEXT_SIZE + 200];
    (void)snprintf(what, sizeof what,
                   "which rows of %s were deleted is lost (%s): deleted ones may be there again",
                   walk->name, why);
    struct store_loss loss = {.file = file,
                              .offset = offset,
                              .size = size,
                              .what = what,
                              .collection = salvage_name(walk->object)};
    walk->salvage->totals.rows_uncertain = true;
    salvage_tell(walk->salvage, &loss);
}

static tdbplus_status load_listed_deletes(struct walk *walk, struct span value, struct err *err)
{
    // Not as persist_read_deletes() does: that one reads the directory of an open store.
    struct salvage *salvage = walk->salvage;
    if (value.size != DELETES_ENTRY_SIZE) {
        tell_deletes(walk, "", 0, 0, "the manifest's entry is not valid");
        return TDBPLUS_OK;
    }
    uint64_t offset = load_u64(value.data + 8);
    uint64_t size = load_u64(value.data + 16);
    char path[ENV_PATH_SIZE_MAX];
    struct bytes file = {0};
    struct err why = {0};
    TRY(salvage_path(salvage, path, "deletes", load_u64(value.data), err));
    tdbplus_status status =
        env_read_file(salvage->env, path, DELETES_FILE_SIZE_MAX, salvage->alloc, &file, &why);
    if (status == TDBPLUS_OK && (offset > file.size || size > file.size - offset)) {
        status = err_set(&why, TDBPLUS_E_CORRUPT, "the file is shorter than that");
    }
    if (status == TDBPLUS_OK) {
        struct span map = {.data = file.data + offset, .size = (size_t)size};
        status = crc32c(map) != load_u32(value.data + 24)
                     ? err_set(&why, TDBPLUS_E_CORRUPT, "checksum mismatch")
                     : delete_map_load(walk->deletes, map, &why);
    }
    bytes_deinit(&file);
    if (salvage_is_damage(status)) {
        tell_deletes(walk, salvage_file_name(path), offset, size, why.text);
        return TDBPLUS_OK;
    }
    return status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text);
}

struct deletes_search {
    struct walk *walk;
    uint64_t best;     /* Id of the newest file that has the segment's map so far; 0: none. */
    struct list files; /* uint64_t */
};

static tdbplus_status note_deletes(void *ctx, const char *name, bool is_directory)
{
    struct deletes_search *search = ctx;
    uint64_t id = 0;
    if (is_directory || !store_parse_name(name, "deletes", &id)) {
        return TDBPLUS_OK;
    }
    return list_push(&search->files, &id) == NULL ? TDBPLUS_E_NOMEM : TDBPLUS_OK;
}

/* Finds the segment's map in a file of delete maps by the list at its end. */
static bool find_in_file(struct span file, uint64_t segment_id, struct span *map_out)
{
    if (file.size < DELETES_LIST_END_SIZE || load_u64(file.data + file.size - 8) != DELETES_MAGIC) {
        return false;
    }
    uint64_t count = load_u32(file.data + file.size - 16);
    if (count > (file.size - DELETES_LIST_END_SIZE) / DELETES_LIST_ENTRY_SIZE) {
        return false;
    }
    size_t list_size = (size_t)count * DELETES_LIST_ENTRY_SIZE + 4;
    const uint8_t *at = file.data + file.size - 12 - list_size;
    if (crc32c((struct span){.data = at, .size = list_size}) !=
        load_u32(file.data + file.size - 12)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++, at += DELETES_LIST_ENTRY_SIZE) {
        uint64_t offset = load_u64(at + 8);
        uint64_t size = load_u64(at + 16);
        if (load_u64(at) != segment_id || offset > file.size || size > file.size - offset) {
            continue;
        }
        *map_out = (struct span){.data = file.data + offset, .size = (size_t)size};
        return crc32c(*map_out) == load_u32(at + 24);
    }
    return false;
}

/* Without the manifest: the newest file that has a map of the segment. Every map has all ends so
 * far, so an older one only lacks the latest. */
static tdbplus_status search_deletes(struct walk *walk, struct err *err)
{
    struct salvage *salvage = walk->salvage;
    struct deletes_search search = {.walk = walk};
    list_init(&search.files, salvage->alloc, sizeof(uint64_t));
    tdbplus_status status =
        env_list(salvage->env, salvage->options->source, note_deletes, &search, err);
    struct bytes best = {0};
    struct span map = {0};
    for (size_t i = 0; status == TDBPLUS_OK && i < search.files.count; i++) {
        uint64_t id = *(uint64_t *)list_at(&search.files, i);
        char path[ENV_PATH_SIZE_MAX];
        struct bytes file = {0};
        struct span found = {0};
        status = salvage_path(salvage, path, "deletes", id, err);
        if (status != TDBPLUS_OK || id < search.best ||
            env_read_file(salvage->env, path, DELETES_FILE_SIZE_MAX, salvage->alloc, &file, NULL) !=
                TDBPLUS_OK) {
            continue;
        }
        if (find_in_file((struct span){.data = file.data, .size = file.size}, walk->entry->id,
                         &found)) {
            bytes_deinit(&best);
            best = file;
            map = found;
            search.best = id;
        } else {
            bytes_deinit(&file);
        }
    }
    if (status == TDBPLUS_OK && map.size > 0) {
        struct err why = {0};
        status = delete_map_load(walk->deletes, map, &why);
        if (salvage_is_damage(status)) {
            tell_deletes(walk, "", 0, 0, why.text);
            status = TDBPLUS_OK;
        }
    }
    bytes_deinit(&best);
    list_deinit(&search.files);
    return status;
}

static tdbplus_status load_deletes(struct walk *walk, struct err *err)
{
    struct salvage *salvage = walk->salvage;
    TRY(delete_map_create(segment_row_count(walk->segment), salvage->alloc, &salvage->target->epoch,
                          &walk->deletes, err));
    struct span value;
    if (salvage->manifest != NULL &&
        manifest_get(salvage->manifest, MANIFEST_DELETES, walk->entry->id, &value)) {
        return load_listed_deletes(walk, value, err);
    }
    return salvage->totals.manifest_whole ? TDBPLUS_OK : search_deletes(walk, err);
}

/* ---- all segments ---- */

static void tell_segment(struct walk *walk, const struct err *why)
{
    struct store_loss loss = {.file = walk->name,
                              .what = why->text,
                              .collection = salvage_name(walk->object),
                              .rows_known = walk->entry->row_count > 0,
                              .row_count = walk->entry->row_count};
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    if (salvage_path(walk->salvage, path, "segment", walk->entry->id, NULL) == TDBPLUS_OK &&
        env_open(walk->salvage->env, path, ENV_OPEN_READ, &file, NULL) == TDBPLUS_OK) {
        (void)!env_size(walk->salvage->env, file, &loss.size, NULL);
        env_close(walk->salvage->env, file);
    }
    salvage_tell(walk->salvage, &loss);
}

/*
 * Metadata without a checksum that holds: pages tell whether they are what they should be, but not
 * by which columns to read them. So the columns must be those that manifest or log tell of, and
 * documents must be whole. See docs/decisions/0012.
 */
static tdbplus_status judge_metadata(struct walk *walk, struct err *err)
{
    bool known = true;
    tdbplus_status status = TDBPLUS_OK;
    if (!segment_is_proven(walk->segment)) {
        status = salvage_schema_is_known(walk->salvage, walk->object, segment_schema(walk->segment),
                                         &known, err);
        known = known && !segment_has_paths(walk->segment);
    }
    if (status == TDBPLUS_OK && !known) {
        status = err_set(err, TDBPLUS_E_CORRUPT,
                         "its metadata are damaged, and nothing else tells how to read it");
    }
    if (status != TDBPLUS_OK) {
        segment_close(walk->segment);
        walk->segment = NULL;
    }
    return status;
}

/* Value files that cannot be read. Which rows that costs is told row by row. */
static void tell_values(struct walk *walk)
{
    for (uint32_t i = 0; i < segment_values_count(walk->segment); i++) {
        uint64_t id = segment_lost_values(walk->segment, i);
        if (id == 0) {
            continue;
        }
        char name[ENV_NAME_SIZE_MAX];
        char what[ENV_NAME_SIZE_MAX + 80];
        (void)snprintf(name, sizeof name, "values-%016" PRIx64, id);
        (void)snprintf(what, sizeof what,
                       "missing or damaged: rows of %s whose values are there are lost",
                       walk->name);
        struct store_loss loss = {.file = name,
                                  .what = what,
                                  .collection = salvage_name(walk->object),
                                  .rows_known = true};
        salvage_tell(walk->salvage, &loss);
    }
}

static tdbplus_status open_segment(struct walk *walk, bool *opened_out, struct err *err)
{
    struct salvage *salvage = walk->salvage;
    char path[ENV_PATH_SIZE_MAX];
    TRY(salvage_path(salvage, path, "segment", walk->entry->id, err));
    struct segment_options options = {.env = salvage->env,
                                      .alloc = salvage->alloc,
                                      .cache = salvage->target->cache,
                                      .path = path,
                                      .segment_id = walk->entry->id,
                                      .salvage = true};
    struct err why = {0};
    tdbplus_status status = segment_open(&options, &walk->segment, &why);
    if (status == TDBPLUS_OK) {
        status = judge_metadata(walk, &why);
    }
    if (status == TDBPLUS_E_NOT_FOUND) {
        status = TDBPLUS_E_CORRUPT;
        (void)snprintf(why.text, sizeof why.text, "the file is missing");
    }
    *opened_out = status == TDBPLUS_OK;
    if (salvage_is_damage(status)) {
        tell_segment(walk, &why);
        return TDBPLUS_OK;
    }
    return status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text);
}

static tdbplus_status walk_segment(struct walk *walk, struct err *err)
{
    struct salvage *salvage = walk->salvage;
    bool opened = false;
    TRY(open_segment(walk, &opened, err));
    if (!opened) {
        return TDBPLUS_OK;
    }
    walk->schema = segment_schema(walk->segment);
    tell_values(walk);
    uint32_t count = walk->schema->column_count;
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, load_deletes(walk, err));
    walk->positions = alloc_array(salvage->alloc, count, sizeof *walk->positions);
    if (walk->positions == NULL) {
        status = no_memory(err);
        goto done;
    }
    for (uint32_t i = 0; i < count; i++) {
        walk->positions[i] = i;
    }
    status = save_segment(walk, err);
done:
    batch_reset(&walk->batch); // It may pin pages of the segment.
    alloc_free(salvage->alloc, walk->positions, count, sizeof *walk->positions);
    delete_map_destroy(walk->deletes);
    segment_close(walk->segment);
    return status;
}

tdbplus_status salvage_segment_rows(struct salvage *salvage, struct salvage_segment *entry,
                                    struct err *err)
{
    struct salvage_object *object = salvage_find(salvage, entry->collection_id);
    if (object == NULL || object->made == NULL) {
        return TDBPLUS_OK; // Dropped, or told already.
    }
    struct walk walk = {.salvage = salvage, .entry = entry, .object = object};
    (void)snprintf(walk.name, sizeof walk.name, "segment-%016" PRIx64, entry->id);
    salvage_sink_init(&walk.sink, salvage, object);
    batch_init(&walk.batch, salvage->alloc);
    buffer_init(&walk.previous, salvage->alloc);
    tdbplus_status status = walk_segment(&walk, err);
    buffer_deinit(&walk.previous);
    batch_deinit(&walk.batch);
    salvage_sink_deinit(&walk.sink);
    return status;
}

tdbplus_status salvage_segments(struct salvage *salvage, struct err *err)
{
    for (size_t i = 0; i < salvage->segments.count; i++) {
        TRY(salvage_segment_rows(salvage, list_at(&salvage->segments, i), err));
    }
    return TDBPLUS_OK;
}
