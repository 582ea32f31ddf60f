/*
 * Goal: whatever is damaged, store_recover() ends, says so, and saves every row that does not
 * depend on the damaged bytes, as it was.
 *
 * Method: a small database with several segments, deletes, a schema change and rows that only the
 * log has. Before the damage it is written down which keys depend on which bytes of which file:
 * pages by the segments' directories, records by the positions of the commits. Then bytes are
 * flipped, blocks zeroed, files cut and removed; the result must equal the model but for the keys
 * that depend on the bytes, and those may be missing or have a value they had once, never another.
 */

#include "storage/store/store_recover.h"

#include <stdlib.h>

#include "base/hash.h"
#include "storage/store/store_internal.h"

#include "test.h"

#define TABLES     2u
#define KEYS       700u
#define FILES_MAX  40u
#define FILE_SIZE  ((size_t)1 << 17)
#define SPANS_MAX  4000u
#define LOG_HEAD   4096u /* Of a file of the log; positions stand at 40 and 48 (docs/format.md). */
#define KEYS_WORDS ((KEYS + 63) / 64)

/* Keys of both tables. */
struct key_set {
    uint64_t bits[TABLES][KEYS_WORDS];
};

static void set_add(struct key_set *set, uint32_t table, uint32_t key)
{
    set->bits[table][key / 64] |= (uint64_t)1 << (key % 64);
}

static bool set_has(const struct key_set *set, uint32_t table, uint32_t key)
{
    return (set->bits[table][key / 64] >> (key % 64) & 1) != 0;
}

static void set_join(struct key_set *set, const struct key_set *more)
{
    for (uint32_t t = 0; t < TABLES; t++) {
        for (uint32_t w = 0; w < KEYS_WORDS; w++) {
            set->bits[t][w] |= more->bits[t][w];
        }
    }
}

struct stored {
    char name[64];
    size_t size;
    uint8_t *data;
};

/* Bytes of a file and the keys that depend on them. */
struct depend {
    uint32_t file;
    uint64_t offset;
    uint64_t size;
    struct key_set keys;
};

static uint32_t now[TABLES][KEYS];    /* Version of each row; 0: there is none. */
static uint32_t newest[TABLES][KEYS]; /* The highest version it ever had. */
static uint64_t ids[TABLES];
static struct stored files[FILES_MAX];
static uint32_t file_count;
static struct depend *depends;
static uint32_t depend_count;
static struct key_set everything;

static struct err err;
static struct call call = {.alloc = &alloc_system, .err = &err};

static void check_ok(tdbplus_status status, int line)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "line %d: %d %s\n", line, (int)status, err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

#define OK(call_) check_ok((call_), __LINE__)

/* ---- the database ---- */

static struct store *open_store(const struct env *env, const char *directory)
{
    struct store_options options = {.env = env,
                                    .alloc = &alloc_system,
                                    .directory = directory,
                                    .no_background = true,
                                    .memtable_size_bytes = 1 << 20,
                                    .log_file_size = 16384};
    struct store *store = NULL;
    OK(store_open(&options, &store, &err));
    return store;
}

static struct schema describe(uint32_t table, uint32_t column_count,
                              struct schema_column columns[3])
{
    static uint32_t key = 0;
    columns[0] = (struct schema_column){
        .id = 1, .not_null = true, .type = {.id = table == 0 ? TYPE_INT8 : TYPE_TEXT}, .name = "k"};
    columns[1] = (struct schema_column){
        .id = 2, .type = {.id = TYPE_TEXT}, .name = "v", .missing = {.is_null = true}};
    columns[2] = (struct schema_column){
        .id = 3, .type = {.id = TYPE_INT8}, .name = "n", .missing = {.is_null = true}};
    return (struct schema){.version = 1,
                           .column_count = column_count,
                           .columns = columns,
                           .key_count = 1,
                           .key_columns = &key,
                           .column_id_next = 4};
}

static void create_table(struct store *store, uint32_t table)
{
    struct schema_column columns[3];
    struct schema schema = describe(table, 2, columns);
    struct object_ref *object = NULL;
    OK(store_object_create(store, OBJECT_COLLECTION, table == 0 ? "numbers" : "texts", &schema,
                           (struct span){0}, &object, &err));
    ids[table] = store_object_get(object)->id;
    struct catalog_change change = {.id = ids[table], .after = object};
    struct store_commit commit = {.changes = &change, .change_count = 1};
    OK(store_commit(store, &commit, NULL, &call));
    store_object_release(object);
}

static void add_column(struct store *store, uint32_t table)
{
    struct schema_column columns[3];
    struct schema schema = describe(table, 3, columns);
    struct catalog *catalog = catalog_acquire(store);
    const struct object *before = catalog_by_id(catalog, ids[table]);
    struct object_ref *after = NULL;
    OK(store_object_change(store, before, NULL, &schema, NULL, &after, &err));
    struct catalog_change change = {.id = ids[table], .before = before, .after = after};
    struct store_commit commit = {.changes = &change, .change_count = 1};
    OK(store_commit(store, &commit, NULL, &call));
    store_object_release(after);
    catalog_release(catalog);
}

static void make_values(uint32_t table, uint32_t key, uint32_t version, char text[2][128],
                        struct datum values[3])
{
    (void)snprintf(text[0], 128, "key %05u", key);
    int size = snprintf(text[1], 128, "%u.%u.%u ", table, key, version);
    uint64_t random = hash_u64((uint64_t)key << 20 | version);
    for (int i = 0; i < 40; i++) { // So that pages differ and do not compress away.
        text[1][size++] = (char)('a' + hash_u64(random + (uint64_t)i) % 26);
    }
    text[1][size] = '\0';
    values[0] = table == 0
                    ? (struct datum){.type = {.id = TYPE_INT8}, .integer = (int64_t)key - 50}
                    : (struct datum){.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text[0])};
    values[1] = (struct datum){.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text[1])};
    values[2] = (struct datum){.type = {.id = TYPE_INT8}, .is_null = true};
}

static void make_key(uint32_t table, const struct datum *values, struct buffer *buffer)
{
    (void)table;
    OK(key_encode(values, 1, buffer, &err));
}

/* One commit on one table: row `first`, `first` + step, ... get their next version, or go. */
static void write_rows(struct store *store, uint32_t table, uint32_t first, uint32_t count,
                       uint32_t step, bool gone)
{
    struct commit_op ops[64];
    struct buffer buffers[64];
    struct catalog *catalog = catalog_acquire(store);
    const struct object *object = catalog_by_id(catalog, ids[table]);
    struct depend *depend = &depends[depend_count++];
    CHECK(count <= 64 && depend_count < SPANS_MAX);
    *depend = (struct depend){.file = UINT32_MAX, .offset = log_end(store->log)};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = first + i * step;
        char text[2][128];
        struct datum values[3];
        make_values(table, key, newest[table][key] + 1, text, values);
        buffers[i] = (struct buffer){.alloc = &alloc_system};
        make_key(table, values, &buffers[i]);
        size_t key_size = buffers[i].size;
        row_encode(object->schema, values, &buffers[i]);
        ops[i] = (struct commit_op){.kind = gone ? COMMIT_DELETE : COMMIT_PUT,
                                    .key = {.data = buffers[i].data, .size = key_size}};
        ops[i].code = key_code(ops[i].key);
        ops[i].hash = key_hash(ops[i].key);
        if (!gone) {
            ops[i].row = (struct span){.data = buffers[i].data + key_size,
                                       .size = buffers[i].size - key_size};
        }
        now[table][key] = gone ? 0 : ++newest[table][key];
        set_add(&depend->keys, table, key);
    }
    struct commit_group group = {
        .collection = object->collection, .schema = object->schema, .ops = ops, .op_count = count};
    struct store_commit commit = {.groups = &group, .group_count = 1};
    OK(store_commit(store, &commit, NULL, &call));
    depend->size = log_end(store->log) - depend->offset;
    for (uint32_t i = 0; i < count; i++) {
        buffer_deinit(&buffers[i]);
    }
    catalog_release(catalog);
}

/* ---- what depends on what ---- */

static uint32_t file_number(const char *name)
{
    for (uint32_t i = 0; i < file_count; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

static uint32_t key_of(const struct segment *segment, uint32_t table, uint64_t row)
{
    struct batch batch;
    struct datum value = {0};
    batch_init(&batch, &alloc_system);
    OK(segment_value((struct segment *)(uintptr_t)segment, row, 0, &batch, &value, &err));
    uint32_t key = 0;
    if (table == 0) {
        key = (uint32_t)(value.integer + 50);
    } else {
        key = (uint32_t)strtoul((const char *)value.bytes.data + 4, NULL, 10);
    }
    batch_deinit(&batch);
    return key;
}

static void note_segment(const struct segment_ref *ref, uint32_t table)
{
    char name[64];
    (void)snprintf(name, sizeof name, "segment-%016llx", (unsigned long long)ref->id);
    uint32_t file = file_number(name);
    CHECK(file != UINT32_MAX);
    struct depend whole = {.file = file, .size = FILE_SIZE};
    uint64_t pages_end = 64;
    for (uint64_t row = 0; row < ref->row_count; row++) {
        set_add(&whole.keys, table, key_of(ref->segment, table, row));
    }
    for (uint32_t c = 0; c < segment_schema(ref->segment)->column_count; c++) {
        for (uint64_t row = 0; row < ref->row_count;) {
            struct segment_stretch page = segment_page_stretch(ref->segment, row, c);
            struct depend *depend = &depends[depend_count++];
            CHECK(depend_count < SPANS_MAX);
            *depend = (struct depend){.file = file, .offset = page.offset, .size = page.size};
            for (uint32_t i = 0; i < page.row_count; i++) {
                set_add(&depend->keys, table, key_of(ref->segment, table, page.first_row + i));
            }
            pages_end = page.offset + page.size > pages_end ? page.offset + page.size : pages_end;
            row = page.first_row + page.row_count;
        }
    }
    // All rows depend on the head, and on what is behind the pages.
    depends[depend_count] = whole;
    depends[depend_count++].size = 64;
    depends[depend_count] = whole;
    depends[depend_count++].offset = pages_end;
}

static tdbplus_status note_file(void *ctx, const char *name, bool is_directory)
{
    const struct env *env = ctx;
    if (is_directory) {
        return TDBPLUS_OK;
    }
    CHECK(file_count < FILES_MAX);
    struct stored *stored = &files[file_count++];
    (void)snprintf(stored->name, sizeof stored->name, "%s", name);
    char path[ENV_PATH_SIZE_MAX];
    OK(env_join(path, "db", name, &err));
    struct bytes content = {0};
    OK(env_read_file(env, path, FILE_SIZE, &alloc_system, &content, &err));
    stored->size = content.size;
    stored->data = alloc_array(&alloc_system, content.size + 1, 1);
    if (content.size > 0) {
        memcpy(stored->data, content.data, content.size);
    }
    bytes_deinit(&content);
    return TDBPLUS_OK;
}

/* Turns positions of the log into places in its files. */
static void place_records(void)
{
    for (uint32_t d = 0; d < depend_count; d++) {
        struct depend *depend = &depends[d];
        if (depend->file != UINT32_MAX) {
            continue;
        }
        depend->size += depend->size == 0 ? 1 : 0;
        for (uint32_t f = 0; f < file_count; f++) {
            if (strncmp(files[f].name, "log-0", 5) != 0) {
                continue;
            }
            uint64_t first_lsn = load_u64(files[f].data + 40);
            uint64_t end_lsn = load_u64(files[f].data + 48);
            uint64_t lsn = depend->offset;
            if (lsn >= first_lsn && lsn < end_lsn) {
                depend->file = f;
                depend->offset = LOG_HEAD + (lsn - first_lsn);
                // A record may go on in the next file.
                uint64_t room = end_lsn - lsn;
                if (depend->size > room) {
                    struct depend rest = *depend; // Placed when its turn comes.
                    rest.file = UINT32_MAX;
                    rest.offset = lsn + room;
                    rest.size -= room;
                    depends[depend_count++] = rest;
                    depend->size = room;
                }
                break;
            }
        }
    }
    // Everything in a file of the log depends on its head.
    for (uint32_t f = 0; f < file_count; f++) {
        if (strncmp(files[f].name, "log-0", 5) == 0) {
            struct depend head = {.file = f, .size = LOG_HEAD};
            for (uint32_t d = 0; d < depend_count; d++) {
                if (depends[d].file == f) {
                    set_join(&head.keys, &depends[d].keys);
                }
            }
            depends[depend_count++] = head;
        }
    }
}

/* Random changes with flushes and a merge between them; the last ones are only in the log. */
static void build(void)
{
    if (depends != NULL) {
        return;
    }
    depends = alloc_array(&alloc_system, SPANS_MAX, sizeof *depends);
    memset(&everything, 0xFF, sizeof everything);
    struct env *env = NULL;
    OK(env_ram_create(&alloc_system, &env, &err));
    struct store *store = open_store(env, "db");
    create_table(store, 0);
    create_table(store, 1);
    for (uint32_t t = 0; t < TABLES; t++) {
        for (uint32_t first = 0; first < 640; first += 64) {
            write_rows(store, t, first, 64, 1, false);
        }
    }
    OK(store_flush(store, &call));
    write_rows(store, 0, 7, 60, 3, false);
    write_rows(store, 1, 3, 50, 5, false);
    write_rows(store, 0, 100, 20, 2, true);
    add_column(store, 0);
    OK(store_flush(store, &call));
    OK(store_optimize(store, ids[1], &call));
    write_rows(store, 0, 400, 60, 1, false);
    write_rows(store, 1, 200, 30, 7, true);
    write_rows(store, 1, 5, 40, 6, false);
    OK(store_flush(store, &call));
    for (uint32_t i = 0; i < 12; i++) {
        write_rows(store, i % 2, 20 + i * 31, 9, 2, i % 5 == 4);
    }
    write_rows(store, 0, 640, 30, 1, false);
    // Close first: what is there then is what gets damaged.
    store_close(store);
    OK(env_list(env, "db", note_file, env, &err));
    store = open_store(env, "db");
    for (uint32_t t = 0; t < TABLES; t++) {
        struct catalog *catalog = catalog_acquire(store);
        struct version *version = version_acquire(catalog_by_id(catalog, ids[t])->collection);
        CHECK(version->segment_count >= 2);
        for (uint32_t s = 0; s < version->segment_count; s++) {
            note_segment(version->segments[s], t);
        }
        version_release(version);
        catalog_release(catalog);
    }
    store_close(store);
    place_records();
    env_ram_destroy(env);
}

/* Keys that depend on a stretch of a file. */
static struct key_set affected(uint32_t file, uint64_t offset, uint64_t size)
{
    struct key_set keys = {0};
    for (uint32_t d = 0; d < depend_count; d++) {
        const struct depend *depend = &depends[d];
        if (depend->file == file && depend->offset < offset + size &&
            offset < depend->offset + depend->size) {
            set_join(&keys, &depend->keys);
        }
    }
    if (strncmp(files[file].name, "deletes-", 8) == 0) {
        keys = everything; // Deleted rows may be back; check_rows() knows which.
    }
    return keys;
}

/* ---- damage and recovery ---- */

struct heard {
    uint32_t count;
    bool named; /* Some loss names the damaged file. */
    const char *file;
};

static void hear(void *ctx, const struct store_loss *loss)
{
    struct heard *heard = ctx;
    heard->count++;
    CHECK(loss->file != NULL && loss->what != NULL && loss->what[0] != '\0');
    // A record may begin in the file of the log before the one that is damaged.
    bool logs = strncmp(loss->file, "log-", 4) == 0 && strncmp(heard->file, "log-", 4) == 0;
    heard->named = heard->named || logs || strcmp(loss->file, heard->file) == 0 ||
                   strstr(loss->what, heard->file) != NULL;
}

static struct env *restore(uint32_t without)
{
    struct env *env = NULL;
    OK(env_ram_create(&alloc_system, &env, &err));
    for (uint32_t i = 0; i < file_count; i++) {
        char path[ENV_PATH_SIZE_MAX];
        OK(env_join(path, "db", files[i].name, &err));
        if (i != without) {
            OK(env_write_file(env, path, (struct span){files[i].data, files[i].size}, &err));
        }
    }
    return env;
}

/* Version of the row as found; UINT32_MAX: not a value it ever had. */
static uint32_t version_of(uint32_t table, uint32_t key, struct span value)
{
    for (uint32_t v = 1; v <= newest[table][key]; v++) {
        char text[2][128];
        struct datum values[3];
        make_values(table, key, v, text, values);
        if (span_compare(values[1].bytes, value) == 0) {
            return v;
        }
    }
    return UINT32_MAX;
}

static uint32_t read_row(struct version *version, const struct schema *schema, uint32_t table,
                         uint32_t key)
{
    char text[2][128];
    struct datum values[3];
    struct buffer buffer = {.alloc = &alloc_system};
    make_values(table, key, 1, text, values);
    make_key(table, values, &buffer);
    struct segment_key wanted = {.key = buffer_span(&buffer)};
    wanted.code = key_code(wanted.key);
    wanted.hash = key_hash(wanted.key);
    struct row_place place = {0};
    OK(version_find(version, &wanted, UINT64_MAX - 1, &place, &err));
    uint32_t found = 0;
    if (place.found) {
        struct batch batch;
        uint32_t position = 1;
        batch_init(&batch, &alloc_system);
        OK(version_row(version, &place, schema, &position, 1, &batch, values, &err));
        found = version_of(table, key, values[0].bytes);
        batch_deinit(&batch);
    }
    buffer_deinit(&buffer);
    return found;
}

/* Compares with the model; returns how many rows differ. */
static uint32_t check_rows(const struct env *env, const struct key_set *may_differ,
                           const struct store_recovered *recovered, const char *where)
{
    uint32_t differing = 0;
    uint64_t rows = 0;
    struct store *store = open_store(env, "new");
    OK(store_verify(store, NULL, NULL, &call));
    struct catalog *catalog = catalog_acquire(store);
    for (uint32_t t = 0; t < TABLES; t++) {
        const struct object *object = catalog_by_id(catalog, ids[t]);
        struct version *version = object == NULL ? NULL : version_acquire(object->collection);
        for (uint32_t key = 0; key < KEYS; key++) {
            uint32_t found = object == NULL ? 0 : read_row(version, object->schema, t, key);
            rows += found != 0 ? 1 : 0;
            if (found == now[t][key]) {
                continue;
            }
            differing++;
            if (!set_has(may_differ, t, key) || found == UINT32_MAX) {
                fprintf(stderr, "%s: table %u key %u is %u and was %u\n", where, t, key, found,
                        now[t][key]);
            }
            CHECK(set_has(may_differ, t, key));
            CHECK(found != UINT32_MAX);
        }
        version_release(version);
    }
    catalog_release(catalog);
    store_close(store);
    CHECK(rows == recovered->row_count); // None that nobody knows.
    return differing;
}

/* Recovers what is in `env` after file `file` was damaged. */
static void recover_and_check(const struct env *env, uint32_t file, const struct key_set *keys,
                              const char *where)
{
    struct heard heard = {.file = files[file].name};
    struct store_recover_options options = {.env = env,
                                            .alloc = &alloc_system,
                                            .source = "db",
                                            .target = "new",
                                            .memory_limit_bytes = 64 << 20,
                                            .report = hear,
                                            .report_ctx = &heard};
    struct store_recovered recovered = {0};
    tdbplus_status status = store_recover(&options, &recovered, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s: %d %s\n", where, (int)status, err.text);
    }
    CHECK(status == TDBPLUS_OK);
    CHECK(recovered.loss_count == heard.count);
    uint32_t differing = check_rows(env, keys, &recovered, where);
    if (differing > 0) {
        if (recovered.loss_count == 0 || !heard.named) {
            fprintf(stderr, "%s: %u rows differ, %llu losses\n", where, differing,
                    (unsigned long long)recovered.loss_count);
        }
        CHECK(recovered.loss_count > 0);
        CHECK(heard.named);
        CHECK(recovered.rows_uncertain || recovered.lost_rows >= 1);
    }
}

static void strike(uint32_t file, uint64_t offset, uint64_t size, int how)
{
    char where[160];
    (void)snprintf(where, sizeof where, "%.63s at %llu, %llu bytes, kind %d", files[file].name,
                   (unsigned long long)offset, (unsigned long long)size, how);
    uint8_t *before = alloc_array(&alloc_system, size, 1);
    memcpy(before, files[file].data + offset, size);
    for (uint64_t i = 0; i < size; i++) {
        files[file].data[offset + i] = how == 0 ? before[i] ^ 0x10 : 0;
    }
    struct env *env = restore(UINT32_MAX);
    memcpy(files[file].data + offset, before, size);
    alloc_free(&alloc_system, before, size, 1);
    struct key_set keys = affected(file, offset, size);
    recover_and_check(env, file, &keys, where);
    env_ram_destroy(env);
}

TEST(an_undamaged_database_is_recovered_whole)
{
    build();
    struct env *env = restore(UINT32_MAX);
    struct key_set none = {0};
    recover_and_check(env, 0, &none, "undamaged");
    env_ram_destroy(env);
}

/* The log's unused space and the like may be skipped: nothing is there. */
static uint64_t used_size(uint32_t file)
{
    uint64_t used = files[file].size;
    while (used > 0 && files[file].data[used - 1] == 0) {
        used--;
    }
    return used;
}

TEST(flipped_bits_cost_only_the_rows_that_depend_on_them)
{
    build();
    for (uint32_t f = 0; f < file_count; f++) {
        uint64_t used = used_size(f);
        uint64_t step = used / 40 + 1;
        for (uint64_t offset = f % 7; offset < used; offset += step) {
            strike(f, offset, 1, 0);
        }
    }
}

TEST(zeroed_blocks_cost_only_the_rows_that_depend_on_them)
{
    build();
    for (uint32_t f = 0; f < file_count; f++) {
        uint64_t used = used_size(f);
        for (uint64_t offset = 0; offset < used; offset += 4096) {
            uint64_t size = used - offset < 4096 ? used - offset : 4096;
            strike(f, offset, size, 1);
        }
    }
}

TEST(files_that_are_cut_or_gone_cost_only_the_rows_in_them)
{
    build();
    for (uint32_t f = 0; f < file_count; f++) {
        uint64_t used = used_size(f);
        for (uint32_t part = 0; part <= 4; part++) {
            char where[160];
            size_t whole = files[f].size;
            uint64_t keep = part == 4 ? 0 : used * part / 4;
            (void)snprintf(where, sizeof where, "%.63s cut to %llu", files[f].name,
                           (unsigned long long)keep);
            files[f].size = keep;
            struct env *env = restore(part == 4 ? f : UINT32_MAX);
            files[f].size = whole;
            struct key_set keys = affected(f, keep, whole);
            // A segment is known by its end.
            if (strncmp(files[f].name, "segment-", 8) == 0) {
                keys = affected(f, 0, whole);
            }
            recover_and_check(env, f, &keys, where);
            env_ram_destroy(env);
        }
    }
}

TEST(without_any_manifest_the_rows_are_found_by_the_files_themselves)
{
    build();
    for (uint32_t f = 0; f < file_count; f++) {
        if (strncmp(files[f].name, "manifest-", 9) == 0) {
            struct env *env = restore(f);
            struct key_set none = {0};
            recover_and_check(env, f, &none, "no manifest");
            env_ram_destroy(env);
        }
    }
}

TEST(a_recovery_refuses_what_it_must_not_touch)
{
    build();
    struct env *env = restore(UINT32_MAX);
    struct store_recover_options options = {
        .env = env, .alloc = &alloc_system, .source = "db", .target = "db"};
    struct store_recovered recovered = {0};
    CHECK(store_recover(&options, &recovered, &call) == TDBPLUS_E_EXISTS);
    err_clear(&err);
    options.source = "nothing";
    options.target = "new";
    CHECK(store_recover(&options, &recovered, &call) == TDBPLUS_E_NOT_FOUND);
    err_clear(&err);
    struct store *store = open_store(env, "db");
    options.source = "db";
    CHECK(store_recover(&options, &recovered, &call) == TDBPLUS_E_BUSY);
    err_clear(&err);
    store_close(store);
    OK(store_recover(&options, &recovered, &call));
    // The source is as it was but for what opening it for writing did.
    store = open_store(env, "db");
    store_close(store);
    env_ram_destroy(env);
}

TEST(a_recovery_survives_every_failed_allocation)
{
    build();
    uint32_t refused = 0;
    for (uint32_t fail_at = 0;; fail_at += 1 + fail_at / 40) {
        struct env *env = restore(UINT32_MAX);
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct store_recover_options options = {.env = env,
                                                .alloc = &fault.alloc,
                                                .source = "db",
                                                .target = "new",
                                                .memory_limit_bytes = 64 << 20};
        struct store_recovered recovered = {0};
        tdbplus_status status = store_recover(&options, &recovered, &call);
        CHECK(atomic_load(&fault.live_bytes) == 0);
        bool reached = atomic_load(&fault.calls) > fail_at;
        env_ram_destroy(env);
        if (!reached) {
            CHECK(status == TDBPLUS_OK && recovered.loss_count == 0);
            break;
        }
        // A background task may get the failure and try again.
        if (status != TDBPLUS_OK) {
            if (status != TDBPLUS_E_NOMEM) {
                fprintf(stderr, "allocation %u: %d %s\n", fail_at, (int)status, err.text);
            }
            CHECK(status == TDBPLUS_E_NOMEM);
            refused++;
        } else {
            CHECK(recovered.loss_count == 0);
        }
        err_clear(&err);
    }
    CHECK(refused > 20);
}
