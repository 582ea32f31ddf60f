/*
 * Goal: the manifest is a map that survives everything that was acknowledged and nothing else
 * (M1-M5).
 *
 * Method: a naive array of entries is the model; random edits go to both. Files live in memory;
 * damage is put in from outside, and after each change the only permitted answers are computed
 * from what was written where. Crashes are in tests/sim/manifest_crash_test.c.
 */

#include "storage/manifest/manifest_internal.h"

#include "test.h"

#define DIRECTORY "/db"
#define KINDS     4u
#define IDS       64u

struct model_entry {
    bool present;
    uint32_t size;
    uint64_t seed;
};

static struct model_entry model[KINDS][IDS];
static uint64_t random_state;
static size_t value_size_max = 600;

static uint64_t random_next(void)
{
    random_state += 0x9E3779B97F4A7C15u;
    return hash_u64(random_state);
}

static struct env *new_ram(void)
{
    struct env *env = NULL;
    CHECK(env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK);
    CHECK(env_make_directory(env, DIRECTORY, NULL) == TDBPLUS_OK);
    return env;
}

static struct manifest_options options_of(const struct env *env)
{
    return (struct manifest_options){
        .env = env, .alloc = &alloc_system, .directory = DIRECTORY, .rotate_size = 4096};
}

static struct span value_of(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(hash_u64(seed + i / 8) >> (i % 8 * 8));
    }
    return (struct span){bytes, size};
}

static void random_edit(struct manifest_edit *edit, struct model_entry (*after)[IDS])
{
    uint8_t bytes[600];
    size_t changes = 1 + random_next() % 12;
    for (size_t i = 0; i < changes; i++) {
        uint8_t kind = (uint8_t)(random_next() % KINDS);
        uint64_t id = random_next() % IDS;
        if (random_next() % 3 == 0) {
            manifest_edit_remove(edit, kind, id);
            after[kind][id] = (struct model_entry){0};
        } else {
            struct model_entry entry = {true, (uint32_t)(random_next() % value_size_max),
                                        random_next()};
            manifest_edit_put(edit, kind, id, value_of(bytes, entry.size, entry.seed));
            after[kind][id] = entry;
        }
    }
}

static void check_equal(const struct manifest *manifest, struct model_entry (*expected)[IDS])
{
    uint8_t bytes[600];
    uint64_t count = 0;
    for (uint8_t kind = 0; kind < KINDS; kind++) {
        uint64_t next = 0;
        for (uint64_t id = 0; id < IDS; id++) {
            struct span value = {0};
            const struct model_entry *entry = &expected[kind][id];
            CHECK(manifest_get(manifest, kind, id, &value) == entry->present);
            if (!entry->present) {
                continue;
            }
            count++;
            CHECK(span_compare(value, value_of(bytes, entry->size, entry->seed)) == 0);
            CHECK(manifest_next(manifest, kind, &next, &value));
            CHECK(next == id);
            next++;
        }
        struct span value = {0};
        CHECK(!manifest_next(manifest, kind, &next, &value));
    }
    struct manifest_statistics statistics;
    manifest_get_statistics(manifest, &statistics);
    CHECK(statistics.entry_count == count);
}

TEST(random_edits_survive_reopening_and_rotation)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        random_state = seed;
        memset(model, 0, sizeof model);
        struct env *env = new_ram();
        struct manifest_options options = options_of(env);
        struct manifest *manifest = NULL;
        CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_OK);
        uint64_t files = 0;
        for (int round = 0; round < 300; round++) {
            struct manifest_edit edit;
            manifest_edit_init(&edit, &alloc_system);
            random_edit(&edit, model);
            CHECK(manifest_commit(manifest, &edit, NULL) == TDBPLUS_OK);
            manifest_edit_deinit(&edit);
            if (random_next() % 20 == 0) {
                struct manifest_statistics statistics;
                manifest_get_statistics(manifest, &statistics);
                files += statistics.file_count;
                check_equal(manifest, model);
                manifest_close(manifest);
                manifest = NULL;
                CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
                check_equal(manifest, model);
            }
        }
        CHECK(files > 3); // Rotation happened.
        check_equal(manifest, model);
        manifest_close(manifest);
        env_ram_destroy(env);
    }
}

TEST(create_refuses_a_second_and_open_an_empty_directory)
{
    struct env *env = new_ram();
    struct manifest_options options = options_of(env);
    struct manifest *manifest = NULL;
    CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_OK);
    manifest_close(manifest);
    CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_E_EXISTS);
    env_ram_destroy(env);
}

/* ---- damage ---- */

#define EDITS 12u
#define PROOF DIRECTORY "/manifest-proof"

/* A manifest of one file: a snapshot and edits; where each edit ends, and the state after it. */
struct history {
    struct env *env;
    uint8_t file[1u << 16];
    uint64_t ends[EDITS + 1]; /* [0]: of the snapshot. */
    struct model_entry states[EDITS + 1][KINDS][IDS];
    uint64_t size; /* Up to the end of the last record, a seal. */
};

static struct history history;

static void poke(const struct env *env, uint64_t offset, const void *data, size_t size)
{
    struct env_file *file = NULL;
    CHECK(env_open(env, DIRECTORY "/manifest-0000000000000002", ENV_OPEN_WRITE, &file, NULL) ==
          TDBPLUS_OK);
    CHECK(env_write(env, file, offset, data, size, NULL) == TDBPLUS_OK);
    env_close(env, file);
}

static void cut_file(const struct env *env, uint64_t size)
{
    struct env_file *file = NULL;
    CHECK(env_open(env, DIRECTORY "/manifest-0000000000000002", ENV_OPEN_WRITE, &file, NULL) ==
          TDBPLUS_OK);
    CHECK(env_truncate(env, file, size, NULL) == TDBPLUS_OK);
    env_close(env, file);
}

/* As if the process had died before it closed the manifest. */
static void forget_proof(const struct env *env)
{
    CHECK(env_unlink(env, PROOF, NULL) == TDBPLUS_OK);
}

static void commit_random(struct manifest *manifest, struct model_entry (*after)[IDS])
{
    struct manifest_edit edit;
    manifest_edit_init(&edit, &alloc_system);
    random_edit(&edit, after);
    CHECK(manifest_commit(manifest, &edit, NULL) == TDBPLUS_OK);
    manifest_edit_deinit(&edit);
}

/* The first file is turned over at once, so that the second begins with a snapshot of something. */
static void make_history(uint64_t seed)
{
    random_state = seed;
    value_size_max = 60; // So that every byte can be tried.
    memset(&history, 0, sizeof history);
    history.env = new_ram();
    struct manifest_options options = options_of(history.env);
    struct manifest *manifest = NULL;
    CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_OK);
    while (manifest->number == 1) {
        commit_random(manifest, history.states[0]);
    }
    manifest->rotate_at = UINT64_MAX;
    history.ends[0] = manifest->end;
    for (size_t i = 1; i <= EDITS; i++) {
        memcpy(history.states[i], history.states[i - 1], sizeof history.states[i]);
        commit_random(manifest, history.states[i]);
        history.ends[i] = manifest->end;
    }
    history.size = manifest->end + MANIFEST_RECORD_HEAD_SIZE;
    CHECK(history.size < sizeof history.file);
    manifest_close(manifest);
    struct env_file *file = NULL;
    CHECK(env_open(history.env, DIRECTORY "/manifest-0000000000000002", ENV_OPEN_READ, &file,
                   NULL) == TDBPLUS_OK);
    CHECK(env_read(history.env, file, 0, history.file, history.size, NULL) == TDBPLUS_OK);
    env_close(history.env, file);
}

/* Opens read-only; `state` SIZE_MAX means that nothing may be told but damage. */
static void check_state(size_t state)
{
    struct manifest_options options = options_of(history.env);
    struct manifest *manifest = NULL;
    struct err err = {0};
    options.read_only = true;
    tdbplus_status status = manifest_open(&options, &manifest, &err);
    if (state == SIZE_MAX) {
        CHECK(status == TDBPLUS_E_CORRUPT);
        CHECK(strstr(err.text, "manifest-0000000000000002") != NULL);
        return;
    }
    CHECK(status == TDBPLUS_OK);
    check_equal(manifest, history.states[state]);
    manifest_close(manifest);
}

/* Which edits are whole when only `size` bytes are there. */
static size_t state_at(uint64_t size)
{
    size_t state = 0;
    while (state < EDITS && history.ends[state + 1] <= size) {
        state++;
    }
    return state;
}

TEST(every_truncation_is_a_torn_edit_or_damage)
{
    make_history(1);
    cut_file(history.env, history.ends[EDITS]);
    check_state(EDITS); // The proof is of the last edit, not of the seal.
    cut_file(history.env, history.ends[EDITS] - 1);
    check_state(SIZE_MAX);
    forget_proof(history.env);
    for (uint64_t size = history.ends[EDITS]; size > 0; size--) {
        cut_file(history.env, size - 1);
        check_state(size - 1 < history.ends[0] ? SIZE_MAX : state_at(size - 1));
    }
    env_ram_destroy(history.env);
}

TEST(flipped_bits_are_found_everywhere)
{
    make_history(2);
    for (uint64_t bit = 0; bit < history.size * 8; bit += bit % 64 < 8 ? 1 : 11) {
        uint64_t at = bit / 8;
        uint8_t byte = history.file[at] ^ (uint8_t)(1u << bit % 8);
        poke(history.env, at, &byte, 1);
        // The seal at the end proves every edit; a torn seal says nothing about them.
        check_state(at < history.ends[EDITS] ? SIZE_MAX : EDITS);
        poke(history.env, at, &history.file[at], 1);
    }
    // Without a seal it is the proof beside the file that tells.
    uint8_t zeros[MANIFEST_RECORD_HEAD_SIZE] = {0};
    poke(history.env, history.ends[EDITS], zeros, sizeof zeros);
    for (uint64_t at = 0; at < history.ends[EDITS]; at++) {
        uint8_t byte = history.file[at] ^ 0x10;
        poke(history.env, at, &byte, 1);
        check_state(SIZE_MAX);
        poke(history.env, at, &history.file[at], 1);
    }
    // Without both the last edit may have been torn, and only the last.
    forget_proof(history.env);
    for (uint64_t at = 0; at < history.ends[EDITS]; at++) {
        uint8_t byte = history.file[at] ^ 0x10;
        poke(history.env, at, &byte, 1);
        check_state(at < history.ends[EDITS - 1] ? SIZE_MAX : EDITS - 1);
        poke(history.env, at, &history.file[at], 1);
    }
    env_ram_destroy(history.env);
}

TEST(a_damaged_proof_proves_nothing)
{
    make_history(4);
    uint8_t proof[40];
    struct env_file *file = NULL;
    CHECK(env_open(history.env, PROOF, ENV_OPEN_READ | ENV_OPEN_WRITE, &file, NULL) == TDBPLUS_OK);
    CHECK(env_read(history.env, file, 0, proof, sizeof proof, NULL) == TDBPLUS_OK);
    cut_file(history.env, history.ends[EDITS - 1]);
    check_state(SIZE_MAX);
    for (uint32_t bit = 0; bit < 8 * sizeof proof; bit++) {
        uint8_t byte = proof[bit / 8] ^ (uint8_t)(1u << bit % 8);
        CHECK(env_write(history.env, file, bit / 8, &byte, 1, NULL) == TDBPLUS_OK);
        check_state(EDITS - 1);
        CHECK(env_write(history.env, file, bit / 8, &proof[bit / 8], 1, NULL) == TDBPLUS_OK);
    }
    check_state(SIZE_MAX);
    // One of another file, with a good checksum.
    store_u64(proof + 24, load_u64(proof + 24) + 1);
    store_u32(proof + 8, crc32c((struct span){proof + 12, sizeof proof - 12}));
    CHECK(env_write(history.env, file, 0, proof, sizeof proof, NULL) == TDBPLUS_OK);
    check_state(EDITS - 1);
    CHECK(env_truncate(history.env, file, 39, NULL) == TDBPLUS_OK);
    check_state(EDITS - 1);
    env_close(history.env, file);
    env_ram_destroy(history.env);
}

TEST(a_torn_edit_never_comes_back)
{
    for (uint64_t at = 1; at < 60; at++) {
        make_history(at);
        forget_proof(history.env);
        uint64_t begin = history.ends[EDITS - 1];
        uint8_t junk[MANIFEST_RECORD_HEAD_SIZE + 1];
        memset(junk, 0xA5, sizeof junk);
        poke(history.env, history.ends[EDITS], junk, sizeof junk); // Instead of the seal.
        uint64_t flip = begin + at % (history.ends[EDITS] - begin);
        uint8_t byte = history.file[flip] ^ 0x80;
        poke(history.env, flip, &byte, 1);
        struct manifest_options options = options_of(history.env);
        struct manifest *manifest = NULL;
        CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
        check_equal(manifest, history.states[EDITS - 1]);
        commit_random(manifest, history.states[EDITS - 1]);
        manifest_close(manifest);
        CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
        check_equal(manifest, history.states[EDITS - 1]);
        manifest_close(manifest);
        env_ram_destroy(history.env);
    }
}

TEST(the_older_file_counts_while_the_newer_one_s_snapshot_is_damaged)
{
    struct env *env = new_ram();
    struct manifest_options options = options_of(env);
    struct manifest *manifest = NULL;
    random_state = 5;
    memset(model, 0, sizeof model);
    CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_OK);
    commit_random(manifest, model);
    // What a crash between naming the new file and removing the old one leaves.
    struct manifest_written written = {0};
    CHECK(manifest_file_write(manifest, DIRECTORY, 2, &written, NULL) == TDBPLUS_OK);
    env_close(env, written.file);
    manifest_close(manifest);
    uint8_t byte = 0xFF;
    poke(env, MANIFEST_FILE_HEADER_SIZE + 3, &byte, 1);
    CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
    check_equal(manifest, model);
    commit_random(manifest, model);
    manifest_close(manifest);
    CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
    check_equal(manifest, model);
    manifest_close(manifest);
    env_ram_destroy(env);
}

/* ---- lies with good checksums ---- */

static void seal_at(uint64_t offset, uint32_t kind, size_t body_size)
{
    uint64_t key = hash_u64(load_u64(history.file + 16));
    uint8_t record[4096];
    size_t size = manifest_record_size(body_size);
    memcpy(record, history.file + offset, size);
    manifest_record_seal(record, kind, body_size, key, offset);
    poke(history.env, offset, record, size);
}

TEST(sealed_lies_are_refused)
{
    make_history(3);
    uint64_t at = history.ends[EDITS - 1];
    size_t body = load_u32(history.file + at + 8);
    size_t record = manifest_record_size(body);
    uint8_t good[4096];
    memcpy(good, history.file + at, record);
    static const uint32_t kinds[] = {0, 1, 2, 5, UINT32_MAX};
    for (size_t i = 1; i < sizeof kinds / sizeof kinds[0]; i++) {
        seal_at(at, kinds[i], body); // No record of that kind has a place there.
        check_state(SIZE_MAX);
    }
    for (size_t i = 0; i < body; i++) {
        uint8_t before = history.file[at + MANIFEST_RECORD_HEAD_SIZE + i];
        static const uint8_t values[] = {0, 3, 0x80, 0xFF};
        for (size_t k = 0; k < sizeof values; k++) {
            history.file[at + MANIFEST_RECORD_HEAD_SIZE + i] = values[k];
            seal_at(at, MANIFEST_RECORD_EDIT, body);
            struct manifest_options options = options_of(history.env);
            struct manifest *manifest = NULL;
            options.read_only = true;
            // It decodes to something else, or not at all; never to a crash.
            tdbplus_status status = manifest_open(&options, &manifest, NULL);
            CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
            manifest_close(manifest);
        }
        history.file[at + MANIFEST_RECORD_HEAD_SIZE + i] = before;
    }
    seal_at(at, MANIFEST_RECORD_EDIT, body);
    check_state(EDITS);
    env_ram_destroy(history.env);
}

TEST(a_snapshot_that_counts_wrongly_is_refused)
{
    make_history(9);
    uint64_t at = history.ends[0] - manifest_record_size(1); // A varint of one byte or two.
    size_t body = load_u32(history.file + at + 8);
    CHECK(load_u32(history.file + at + 12) == MANIFEST_RECORD_SNAPSHOT_END && body <= 2);
    uint8_t *count = &history.file[at + MANIFEST_RECORD_HEAD_SIZE];
    uint8_t before = *count;
    for (uint32_t i = 0; i < 128; i++) {
        *count = (uint8_t)((before & 0x80) | i);
        seal_at(at, MANIFEST_RECORD_SNAPSHOT_END, body);
        check_state(*count == before ? EDITS : SIZE_MAX);
    }
    env_ram_destroy(history.env);
}

TEST(sealed_lies_in_the_header_are_refused)
{
    static const struct {
        uint32_t offset;
        uint32_t value;
        tdbplus_status status;
    } lies[] = {{12, 0, TDBPLUS_E_CORRUPT}, {12, 2, TDBPLUS_E_VERSION}, {24, 3, TDBPLUS_E_CORRUPT}};
    make_history(4);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t header[MANIFEST_FILE_HEADER_SIZE];
        memcpy(header, history.file, sizeof header);
        store_u32(header + lies[i].offset, lies[i].value);
        store_u32(header + 8, crc32c((struct span){header + 12, sizeof header - 12}));
        poke(history.env, 0, header, sizeof header);
        struct manifest_options options = options_of(history.env);
        struct manifest *manifest = NULL;
        CHECK(manifest_open(&options, &manifest, NULL) == lies[i].status);
        CHECK(manifest == NULL);
    }
    env_ram_destroy(history.env);
}

/* ---- the rest of the contract ---- */

TEST(a_copy_is_a_compact_manifest_of_the_same_entries)
{
    make_history(6);
    struct manifest_options options = options_of(history.env);
    struct manifest *manifest = NULL;
    CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
    CHECK(env_make_directory(history.env, "/copy", NULL) == TDBPLUS_OK);
    CHECK(manifest_copy(manifest, "/copy", NULL) == TDBPLUS_OK);
    manifest_close(manifest);
    options.directory = "/copy";
    CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
    check_equal(manifest, history.states[EDITS]);
    CHECK(manifest->end == manifest->snapshot_size);
    commit_random(manifest, history.states[EDITS]);
    manifest_close(manifest);
    CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
    check_equal(manifest, history.states[EDITS]);
    manifest_close(manifest);
    env_ram_destroy(history.env);
}

TEST(reading_only_changes_nothing)
{
    make_history(7);
    cut_file(history.env, history.ends[EDITS] - 5);
    forget_proof(history.env);
    struct manifest_options options = options_of(history.env);
    options.read_only = true;
    struct manifest *manifest = NULL;
    CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
    struct manifest_edit edit;
    manifest_edit_init(&edit, &alloc_system);
    manifest_edit_remove(&edit, 1, 1);
    CHECK(manifest_commit(manifest, &edit, NULL) == TDBPLUS_E_READ_ONLY);
    manifest_edit_deinit(&edit);
    manifest_close(manifest);
    struct env_file *file = NULL;
    uint64_t size = 0;
    CHECK(env_open(history.env, DIRECTORY "/manifest-0000000000000002", ENV_OPEN_READ, &file,
                   NULL) == TDBPLUS_OK);
    CHECK(env_size(history.env, file, &size, NULL) == TDBPLUS_OK);
    env_close(history.env, file);
    CHECK(size == history.ends[EDITS] - 5); // The torn edit is still there.
    env_ram_destroy(history.env);
}

TEST(entries_that_are_too_large_are_refused)
{
    struct env *env = new_ram();
    struct manifest_options options = options_of(env);
    struct manifest *manifest = NULL;
    CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_OK);
    size_t size = MANIFEST_ENTRY_SIZE_MAX + 1;
    uint8_t *bytes = alloc_array(&alloc_system, size, 1);
    struct manifest_edit edit;
    manifest_edit_init(&edit, &alloc_system);
    manifest_edit_put(&edit, 1, 1, (struct span){bytes, 3});
    manifest_edit_put(&edit, 1, 2, (struct span){bytes, size});
    CHECK(manifest_commit(manifest, &edit, NULL) == TDBPLUS_E_LIMIT);
    manifest_edit_deinit(&edit);
    struct span value;
    CHECK(!manifest_get(manifest, 1, 1, &value)); // All or nothing.
    alloc_free(&alloc_system, bytes, size, 1);
    manifest_close(manifest);
    env_ram_destroy(env);
}

TEST(many_entries_stay_in_order)
{
    enum { COUNT = 20000 };
    struct env *env = new_ram();
    struct manifest_options options = options_of(env);
    struct manifest *manifest = NULL;
    CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_OK);
    struct manifest_edit edit;
    manifest_edit_init(&edit, &alloc_system);
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t id = i * 7919 % COUNT; // A permutation.
        manifest_edit_put(&edit, (uint8_t)(id % 3), id, (struct span){(const uint8_t *)&id, 8});
    }
    CHECK(manifest_commit(manifest, &edit, NULL) == TDBPLUS_OK);
    buffer_clear(&edit.body);
    for (uint64_t id = 0; id < COUNT; id += 2) {
        manifest_edit_remove(&edit, (uint8_t)(id % 3), id);
    }
    CHECK(manifest_commit(manifest, &edit, NULL) == TDBPLUS_OK);
    manifest_edit_deinit(&edit);
    uint64_t count = 0;
    for (uint8_t kind = 0; kind < 3; kind++) {
        uint64_t id = 0;
        uint64_t last = 0;
        struct span value;
        for (; manifest_next(manifest, kind, &id, &value); id++) {
            CHECK(id >= last && id % 2 == 1 && id % 3 == kind && load_u64(value.data) == id);
            last = id + 1;
            count++;
        }
    }
    CHECK(count == COUNT / 2);
    manifest_close(manifest);
    env_ram_destroy(env);
}

static tdbplus_status work_once(struct env *env, const struct alloc *alloc)
{
    struct manifest_options options = options_of(env);
    options.alloc = alloc;
    options.rotate_size = 400;
    struct manifest *manifest = NULL;
    tdbplus_status status = manifest_open(&options, &manifest, NULL);
    for (uint64_t i = 0; i < 10 && status == TDBPLUS_OK; i++) {
        struct manifest_edit edit;
        manifest_edit_init(&edit, alloc);
        struct model_entry after[KINDS][IDS];
        memcpy(after, model, sizeof after);
        random_edit(&edit, after);
        status = manifest_commit(manifest, &edit, NULL);
        manifest_edit_deinit(&edit);
        if (status == TDBPLUS_OK) {
            memcpy(model, after, sizeof after);
        }
        check_equal(manifest, model);
    }
    if (status == TDBPLUS_OK) {
        status = manifest_copy(manifest, "/copy", NULL);
    }
    manifest_close(manifest);
    return status;
}

TEST(every_failed_allocation_changes_nothing)
{
    uint32_t failures = 0;
    for (uint32_t fail_at = 0;; fail_at++) {
        struct env *env = new_ram();
        CHECK(env_make_directory(env, "/copy", NULL) == TDBPLUS_OK);
        random_state = 9;
        memset(model, 0, sizeof model);
        struct manifest_options options = options_of(env);
        struct manifest *manifest = NULL;
        CHECK(manifest_create(&options, &manifest, NULL) == TDBPLUS_OK);
        commit_random(manifest, model);
        manifest_close(manifest);

        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        tdbplus_status status = work_once(env, &fault.alloc);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        CHECK(atomic_load(&fault.live_bytes) == 0);
        failures += status == TDBPLUS_E_NOMEM;
        CHECK(manifest_open(&options, &manifest, NULL) == TDBPLUS_OK);
        check_equal(manifest, model);
        manifest_close(manifest);
        env_ram_destroy(env);
        if (atomic_load(&fault.calls) <= fail_at) {
            CHECK(status == TDBPLUS_OK);
            break;
        }
    }
    CHECK(failures > 20);
}
