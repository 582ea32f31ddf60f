/*
 * Goal: whatever call the machine dies at, and whatever call fails, the manifest holds exactly what
 * was acknowledged, or that and the edit that was under way; no file is left over (M1-M5).
 *
 * Method: the manifest runs in the simulated world with a tiny size for turning over, so that most
 * calls belong to that. Two models outlive each crash: before and after the edit under way.
 */

#include "base/hash.h"
#include "sim_env.h"
#include "storage/manifest/manifest_internal.h"

#include "test.h"

#define DIRECTORY "/db"
#define KINDS     3u
#define IDS       24u

struct entry {
    bool present;
    uint32_t size;
    uint64_t seed;
};

struct state {
    struct entry entries[KINDS][IDS];
};

struct life {
    struct sim *sim;
    uint64_t seed;
    uint64_t random_state;
    struct state before; /* What was acknowledged. */
    struct state after;  /* With the edit under way. */
    size_t steps;
    bool created;
    bool faults;
    tdbplus_status status;
};

static uint64_t draw(struct life *life, uint64_t below)
{
    life->random_state += 0x9E3779B97F4A7C15u;
    return hash_u64(life->random_state) % below;
}

static struct span value_of(uint8_t *bytes, const struct entry *entry)
{
    for (size_t i = 0; i < entry->size; i++) {
        bytes[i] = (uint8_t)(hash_u64(entry->seed + i / 8) >> (i % 8 * 8));
    }
    return (struct span){bytes, entry->size};
}

static bool equal(const struct manifest *manifest, const struct state *state)
{
    uint8_t bytes[300];
    for (uint8_t kind = 0; kind < KINDS; kind++) {
        for (uint64_t id = 0; id < IDS; id++) {
            struct span value = {0};
            const struct entry *entry = &state->entries[kind][id];
            if (manifest_get(manifest, kind, id, &value) != entry->present) {
                return false;
            }
            if (entry->present && span_compare(value, value_of(bytes, entry)) != 0) {
                return false;
            }
        }
    }
    return true;
}

static void draw_edit(struct life *life, struct manifest_edit *edit)
{
    uint8_t bytes[300];
    size_t changes = 1 + draw(life, 5);
    for (size_t i = 0; i < changes; i++) {
        uint8_t kind = (uint8_t)draw(life, KINDS);
        uint64_t id = draw(life, IDS);
        struct entry entry = {true, (uint32_t)draw(life, sizeof bytes), draw(life, UINT64_MAX)};
        if (draw(life, 3) == 0) {
            manifest_edit_remove(edit, kind, id);
            entry = (struct entry){0};
        } else {
            manifest_edit_put(edit, kind, id, value_of(bytes, &entry));
        }
        life->after.entries[kind][id] = entry;
    }
}

static tdbplus_status step(struct life *life, struct manifest *manifest)
{
    struct manifest_edit edit;
    life->after = life->before;
    manifest_edit_init(&edit, sim_alloc(life->sim));
    draw_edit(life, &edit);
    tdbplus_status status = manifest_commit(manifest, &edit, NULL);
    manifest_edit_deinit(&edit);
    CHECK(equal(manifest, status == TDBPLUS_OK ? &life->after : &life->before));
    if (status == TDBPLUS_OK) {
        life->before = life->after;
    } else if (status != TDBPLUS_E_STOPPED && status != TDBPLUS_E_IO && status != TDBPLUS_E_FULL) {
        life->after = life->before; // Nothing reached the disk.
    }
    return status;
}

static tdbplus_status check_name(void *ctx, const char *name, bool is_directory)
{
    uint32_t *count = ctx;
    CHECK(!is_directory);
    CHECK(strstr(name, ".tmp") == NULL);
    *count += strcmp(name, "manifest-proof") != 0 ? 1 : 0;
    return TDBPLUS_OK;
}

static tdbplus_status open_again(struct life *life, struct manifest **manifest_out)
{
    struct manifest_options options = {.env = sim_env(life->sim),
                                       .alloc = sim_alloc(life->sim),
                                       .directory = DIRECTORY,
                                       .rotate_size = 700};
    TRY(env_make_directory(options.env, DIRECTORY, NULL));
    TRY(env_sync_directory(options.env, "/", NULL));
    struct err err = {0};
    tdbplus_status status = manifest_open(&options, manifest_out, &err);
    if (status == TDBPLUS_E_NOT_FOUND && !life->created) {
        TRY(manifest_create(&options, manifest_out, NULL));
        life->created = true;
        return TDBPLUS_OK;
    }
    if (status != TDBPLUS_OK &&
        (!life->faults || status == TDBPLUS_E_CORRUPT || status == TDBPLUS_E_NOT_FOUND)) {
        printf("seed %llu: %s\n", (unsigned long long)life->seed, err.text);
        CHECK(false);
    }
    TRY(status);
    life->created = true;
    if (equal(*manifest_out, &life->after)) {
        life->before = life->after;
    }
    CHECK(equal(*manifest_out, &life->before));
    life->after = life->before;
    uint32_t files = 0;
    CHECK(env_list(options.env, DIRECTORY, check_name, &files, NULL) == TDBPLUS_OK || life->faults);
    CHECK(files == 1 || life->faults);
    return TDBPLUS_OK;
}

static void live(void *arg)
{
    struct life *life = arg;
    struct manifest *manifest = NULL;
    life->status = open_again(life, &manifest);
    for (size_t i = 0; i < life->steps && life->status == TDBPLUS_OK; i++) {
        life->status = step(life, manifest);
    }
    CHECK(life->faults || life->status == TDBPLUS_OK);
    manifest_close(manifest);
}

static void end_life(struct life *life)
{
    if (draw(life, 3) == 0) {
        sim_restart(life->sim);
    } else {
        sim_reboot(life->sim);
    }
}

static void check_released(const struct life *life)
{
    CHECK(sim_memory_live(life->sim) == 0);
    CHECK(sim_files_open(life->sim) == 0);
}

TEST(many_lives_each_ended_at_any_call)
{
    static struct life life;
    uint64_t crashes = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        life = (struct life){
            .sim = sim_create(seed), .seed = seed, .random_state = hash_u64(seed), .steps = 30};
        for (int round = 0; round < 20; round++) {
            sim_crash_at(life.sim, SIM_OP_ANY, 1 + draw(&life, 120));
            enum sim_result result = sim_run(life.sim, live, &life);
            CHECK(result == SIM_DONE || result == SIM_CRASHED);
            crashes += result == SIM_CRASHED;
            end_life(&life);
        }
        sim_crash_at(life.sim, SIM_OP_ANY, 0);
        CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
        check_released(&life);
        sim_destroy(life.sim);
    }
    CHECK(crashes > 2000);
}

TEST(one_life_ended_at_each_of_its_calls)
{
    static struct life life;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        uint64_t nth = 1;
        for (enum sim_result result = SIM_CRASHED; result == SIM_CRASHED; nth++) {
            life = (struct life){
                .sim = sim_create(seed), .seed = seed, .random_state = hash_u64(seed), .steps = 25};
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            sim_crash_at(life.sim, SIM_OP_ANY, nth);
            result = sim_run(life.sim, live, &life);
            CHECK(result == SIM_DONE || result == SIM_CRASHED);
            end_life(&life);
            sim_crash_at(life.sim, SIM_OP_ANY, 0);
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            sim_destroy(life.sim);
        }
        CHECK(nth > 60);
    }
}

TEST(nothing_acknowledged_is_lost_to_faults)
{
    static const enum sim_op ops[] = {SIM_OP_WRITE,  SIM_OP_SYNC,     SIM_OP_ALLOCATE,
                                      SIM_OP_RENAME, SIM_OP_UNLINK,   SIM_OP_SYNC_DIRECTORY,
                                      SIM_OP_OPEN,   SIM_OP_READ,     SIM_OP_MEMORY,
                                      SIM_OP_LIST,   SIM_OP_TRUNCATE, SIM_OP_SIZE};
    static struct life life;
    uint64_t hits = 0;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        life = (struct life){.sim = sim_create(seed),
                             .seed = seed,
                             .random_state = hash_u64(seed),
                             .steps = 30,
                             .faults = true};
        for (int round = 0; round < 6; round++) {
            struct sim_fault_rule rule = {
                .op = ops[draw(&life, 12)], .nth = 1 + draw(&life, 25), .path_part = DIRECTORY};
            rule.path_part =
                rule.op == SIM_OP_MEMORY || rule.op == SIM_OP_TASK_START ? NULL : rule.path_part;
            rule.fault = rule.op == SIM_OP_MEMORY ? SIM_FAULT_NOMEM
                         : draw(&life, 2) == 0    ? SIM_FAULT_FULL
                                                  : SIM_FAULT_IO;
            sim_fault_add(life.sim, rule);
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            check_released(&life);
            hits += sim_fault_hits(life.sim, rule.op, rule.fault) > 0;
            sim_fault_clear(life.sim);
            end_life(&life);
            life.faults = false;
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            life.faults = true;
        }
        sim_destroy(life.sim);
    }
    CHECK(hits > 500);
}

static void stop_and_see(void *arg)
{
    struct life *life = arg;
    struct manifest *manifest = NULL;
    CHECK(open_again(life, &manifest) == TDBPLUS_OK);
    CHECK(step(life, manifest) == TDBPLUS_OK);
    sim_fault_add(life->sim, (struct sim_fault_rule){
                                 .op = life->seed % 2 == 0 ? SIM_OP_SYNC : SIM_OP_WRITE,
                                 .fault = life->seed % 4 < 2 ? SIM_FAULT_IO : SIM_FAULT_FULL,
                                 .nth = 1});
    tdbplus_status status = step(life, manifest);
    CHECK(status == TDBPLUS_E_IO || status == TDBPLUS_E_FULL);
    struct state tried = life->after;
    uint64_t syncs = sim_op_count(life->sim, SIM_OP_SYNC);
    CHECK(step(life, manifest) == TDBPLUS_E_STOPPED);
    life->after = tried;
    manifest_close(manifest);
    CHECK(sim_op_count(life->sim, SIM_OP_SYNC) == syncs);
}

TEST(a_failed_write_or_sync_stops_the_manifest_for_good)
{
    static struct life life;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        life = (struct life){
            .sim = sim_create(seed), .seed = seed, .random_state = hash_u64(seed), .steps = 5};
        CHECK(sim_run(life.sim, stop_and_see, &life) == SIM_DONE);
        check_released(&life);
        end_life(&life);
        CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
        sim_destroy(life.sim);
    }
}

static void fill_disk(void *arg)
{
    struct life *life = arg;
    struct manifest *manifest = NULL;
    uint8_t bytes[60000] = {0};
    CHECK(open_again(life, &manifest) == TDBPLUS_OK);
    sim_disk_limit(life->sim, 150000);
    tdbplus_status status = TDBPLUS_OK;
    uint64_t id = 1000;
    for (; status == TDBPLUS_OK; id++) {
        struct manifest_edit edit;
        manifest_edit_init(&edit, sim_alloc(life->sim));
        manifest_edit_put(&edit, 9, id, (struct span){bytes, sizeof bytes});
        status = manifest_commit(manifest, &edit, NULL);
        manifest_edit_deinit(&edit);
    }
    CHECK(status == TDBPLUS_E_FULL);
    struct span value;
    CHECK(!manifest_get(manifest, 9, id - 1, &value));
    sim_disk_limit(life->sim, UINT64_MAX);
    CHECK(step(life, manifest) == TDBPLUS_OK); // It lives.
    manifest_close(manifest);
}

TEST(a_full_disk_is_an_ordinary_error)
{
    static struct life life;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        life = (struct life){
            .sim = sim_create(seed), .seed = seed, .random_state = hash_u64(seed), .steps = 5};
        CHECK(sim_run(life.sim, fill_disk, &life) == SIM_DONE);
        check_released(&life);
        end_life(&life);
        CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
        sim_destroy(life.sim);
    }
}
