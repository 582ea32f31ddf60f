/*
 * Goal: the manifest is a map that survives everything that was acknowledged and nothing else
 * (M1-M4).
 *
 * Method: a naive array of entries is the model; random edits go to both. Files live in memory;
 * damage is put in from outside.
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
            struct model_entry entry = {true, (uint32_t)(random_next() % sizeof bytes),
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
