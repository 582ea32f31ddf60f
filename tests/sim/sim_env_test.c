/*
 * Goal: the simulated world is at least as nasty as the real one where it should be, never nastier
 * where it must not be, and replayable. Method: each claim of docs/testing.md about the disk is run
 * over many seeds; "may" claims must be seen to go both ways, "must" claims must hold in each.
 */

#include "sim_env.h"

#include <stdlib.h>

#include "base/hash.h"
#include "os/latch.h"
#include "os/mutex.h"
#include "sim_disk.h"
#include "test.h"

#define SEEDS  300u
#define CREATE (ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE)

/* What one seed's run needs; the rest is each test's own. */
struct play {
    struct sim *sim;
    const struct env *env;
    struct env_file *file;
    uint64_t seed;
    uint32_t steps;
    uint8_t *data;
    size_t size;
    struct mutex mutex;
    uint64_t counter;
    uint32_t order[8];
    uint32_t order_count;
    tdbplus_status status;
};

static struct play begin(uint64_t seed)
{
    struct play play = {.seed = seed, .sim = sim_create(seed)};
    play.env = sim_env(play.sim);
    return play;
}

static void end(struct play *play)
{
    sim_destroy(play->sim);
}

static struct env_file *open_file(const struct play *play, const char *path, uint32_t flags)
{
    struct env_file *file = NULL;
    CHECK(env_open(play->env, path, flags, &file, NULL) == TDBPLUS_OK);
    return file;
}

static bool exists(const struct play *play, const char *path)
{
    struct env_file *file = NULL;
    tdbplus_status status = env_open(play->env, path, ENV_OPEN_READ, &file, NULL);
    CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOT_FOUND);
    env_close(play->env, file);
    return status == TDBPLUS_OK;
}

/* The first byte of a file, or -1 when there is no such file or byte. */
static int first_byte(const struct play *play, const char *path)
{
    uint8_t byte = 0;
    struct env_file *file = NULL;
    if (env_open(play->env, path, ENV_OPEN_READ, &file, NULL) != TDBPLUS_OK) {
        return -1;
    }
    tdbplus_status status = env_read(play->env, file, 0, &byte, 1, NULL);
    env_close(play->env, file);
    return status == TDBPLUS_OK ? byte : -1;
}

static void put(const struct play *play, const char *path, const char *text, bool sync)
{
    struct env_file *file = open_file(play, path, CREATE);
    CHECK(env_write(play->env, file, 0, text, strlen(text), NULL) == TDBPLUS_OK);
    if (sync) {
        CHECK(env_sync(play->env, file, NULL) == TDBPLUS_OK);
    }
    env_close(play->env, file);
}

/* Runs `fn`, loses power, and hands the world that survived to `look`, which sorts it into one of
 * at most 8 outcomes. Returns the set of outcomes seen over all seeds. */
static uint32_t outcomes(void (*fn)(void *arg), uint32_t (*look)(struct play *play))
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, fn, &play) == SIM_DONE);
        sim_reboot(play.sim);
        seen |= 1u << look(&play);
        end(&play);
    }
    return seen;
}

/* ---- what survives: content ---- */

static void write_a_then_b(void *arg)
{
    struct play *play = arg;
    put(play, "f", "a", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    put(play, "f", "b", false);
}

static void write_a_then_b_synced(void *arg)
{
    struct play *play = arg;
    write_a_then_b(arg);
    struct env_file *file = open_file(play, "f", ENV_OPEN_WRITE);
    CHECK(env_sync(play->env, file, NULL) == TDBPLUS_OK); // Covers other handles' writes.
    env_close(play->env, file);
}

static uint32_t look_a_or_b(struct play *play)
{
    int byte = first_byte(play, "f");
    CHECK(byte == 'a' || byte == 'b');
    return byte == 'b';
}

TEST(an_unsynced_write_may_be_lost_and_may_be_kept)
{
    CHECK(outcomes(write_a_then_b, look_a_or_b) == 3);
}

TEST(a_synced_write_is_kept)
{
    CHECK(outcomes(write_a_then_b_synced, look_a_or_b) == 2);
}

#define TORN_SIZE 65536u

static void write_much(void *arg)
{
    static uint8_t data[TORN_SIZE];
    struct play *play = arg;
    play->file = open_file(play, "f", CREATE);
    memset(data, 'a', sizeof data);
    CHECK(env_write(play->env, play->file, 0, data, sizeof data, NULL) == TDBPLUS_OK);
    CHECK(env_sync(play->env, play->file, NULL) == TDBPLUS_OK);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    memset(data, 'b', sizeof data);
    CHECK(env_write(play->env, play->file, 100, data, sizeof data - 200, NULL) == TDBPLUS_OK);
}

/* 0 none, 1 all, 2 torn by 512 bytes, 3 torn by 4096 only. */
static uint32_t look_torn(struct play *play)
{
    static uint8_t data[TORN_SIZE];
    struct env_file *file = open_file(play, "f", ENV_OPEN_READ);
    CHECK(env_read(play->env, file, 0, data, sizeof data, NULL) == TDBPLUS_OK);
    env_close(play->env, file);
    size_t fresh = 0;
    bool fine = false;
    for (size_t sector = 0; sector < TORN_SIZE; sector += 512) {
        size_t first = sector == 0 ? 100 : sector;
        size_t end_at = sector + 512 == TORN_SIZE ? TORN_SIZE - 100 : sector + 512;
        for (size_t i = sector; i < sector + 512; i++) {
            bool covered = i >= first && i < end_at;
            CHECK(data[i] == (covered ? data[first] : 'a')); // A sector is whole.
        }
        fine |= sector % 4096 != 0 && data[first] != data[first - 512 < 100 ? 100 : first - 512];
        fresh += data[first] == 'b';
    }
    if (fresh == 0 || fresh == TORN_SIZE / 512) {
        return fresh != 0;
    }
    return fine ? 2 : 3;
}

TEST(a_large_write_may_be_torn_at_sectors)
{
    CHECK(outcomes(write_much, look_torn) == 15);
}

static void append_three(void *arg)
{
    struct play *play = arg;
    play->file = open_file(play, "f", CREATE);
    CHECK(env_sync(play->env, play->file, NULL) == TDBPLUS_OK);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    static uint8_t data[4096];
    for (uint32_t i = 0; i < 3; i++) {
        memset(data, 'a' + (int)i, sizeof data);
        CHECK(env_write(play->env, play->file, (uint64_t)i * 4096, data, sizeof data, NULL) ==
              TDBPLUS_OK);
    }
}

/* Which of three appended pages are there; never part of one. */
static uint32_t look_three(struct play *play)
{
    uint8_t data[4096];
    uint32_t kept = 0;
    uint64_t size = 0;
    struct env_file *file = open_file(play, "f", ENV_OPEN_READ);
    CHECK(env_size(play->env, file, &size, NULL) == TDBPLUS_OK);
    CHECK(size % 4096 == 0 && size <= 3 * 4096);
    for (uint32_t i = 0; i < size / 4096; i++) {
        CHECK(env_read(play->env, file, (uint64_t)i * 4096, data, sizeof data, NULL) == TDBPLUS_OK);
        CHECK(data[0] == 0 || data[0] == 'a' + (int)i);
        kept |= (uint32_t)(data[0] != 0) << i;
    }
    // What the platter holds past the size is not the file's: grown, it reads as zeros.
    CHECK(env_allocate(play->env, file, sizeof data * 3, NULL) == TDBPLUS_OK);
    for (uint64_t i = size / 4096; i < 3; i++) {
        CHECK(env_read(play->env, file, i * 4096, data, sizeof data, NULL) == TDBPLUS_OK);
        CHECK(data[0] == 0);
    }
    env_close(play->env, file);
    return kept;
}

TEST(unsynced_appends_survive_in_any_subset)
{
    CHECK(outcomes(append_three, look_three) == 255);
}

static void write_two_bytes(void *arg)
{
    struct play *play = arg;
    put(play, "f", "ab", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    struct env_file *file = open_file(play, "f", ENV_OPEN_WRITE);
    CHECK(env_write(play->env, file, 0, "A", 1, NULL) == TDBPLUS_OK);
    CHECK(env_write(play->env, file, 1, "B", 1, NULL) == TDBPLUS_OK);
    env_close(play->env, file);
}

static uint32_t look_two_bytes(struct play *play)
{
    char data[2];
    struct env_file *file = open_file(play, "f", ENV_OPEN_READ);
    CHECK(env_read(play->env, file, 0, data, 2, NULL) == TDBPLUS_OK);
    env_close(play->env, file);
    CHECK(data[0] == 'a' || data[0] == 'A');
    CHECK(data[1] == 'b' || data[1] == 'B');
    return (uint32_t)(data[0] == 'A') | (uint32_t)(data[1] == 'B') << 1;
}

TEST(writes_to_one_sector_survive_in_any_subset)
{
    CHECK(outcomes(write_two_bytes, look_two_bytes) == 15);
}

static void resize(void *arg)
{
    struct play *play = arg;
    play->file = open_file(play, "f", CREATE);
    CHECK(env_write(play->env, play->file, 0, "0123456789", 10, NULL) == TDBPLUS_OK);
    CHECK(env_sync(play->env, play->file, NULL) == TDBPLUS_OK);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    CHECK(env_truncate(play->env, play->file, 4, NULL) == TDBPLUS_OK);
    CHECK(env_allocate(play->env, play->file, 10, NULL) == TDBPLUS_OK);
}

/* 0 as before, 1 cut, 2 cut and grown: then what was cut reads as zeros. */
static uint32_t look_resized(struct play *play)
{
    char data[10] = {0};
    uint64_t size = 0;
    struct env_file *file = open_file(play, "f", ENV_OPEN_READ);
    CHECK(env_size(play->env, file, &size, NULL) == TDBPLUS_OK);
    CHECK(size == 4 || size == 10);
    CHECK(env_read(play->env, file, 0, data, (size_t)size, NULL) == TDBPLUS_OK);
    env_close(play->env, file);
    CHECK(memcmp(data, "0123", 4) == 0);
    bool cut = memcmp(data + 4, "\0\0\0\0\0", 6) == 0;
    CHECK(cut || memcmp(data + 4, "456789", 6) == 0);
    return size == 4 ? 1 : cut * 2u;
}

TEST(unsynced_sizes_survive_in_order)
{
    CHECK(outcomes(resize, look_resized) == 7);
}

/* ---- what survives: names ---- */

static void rename_unsynced(void *arg)
{
    struct play *play = arg;
    put(play, "old", "a", true);
    put(play, "new", "b", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    CHECK(env_rename(play->env, "new", "old", NULL) == TDBPLUS_OK);
}

static void rename_synced(void *arg)
{
    struct play *play = arg;
    rename_unsynced(arg);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
}

static uint32_t look_renamed(struct play *play)
{
    int byte = first_byte(play, "old");
    CHECK(byte == 'a' || byte == 'b');
    CHECK(exists(play, "new") == (byte == 'a')); // Atomic.
    return byte == 'b';
}

TEST(a_rename_without_a_directory_sync_may_be_lost)
{
    CHECK(outcomes(rename_unsynced, look_renamed) == 3);
}

TEST(a_rename_with_a_directory_sync_is_kept)
{
    CHECK(outcomes(rename_synced, look_renamed) == 2);
}

static void create_remove_link(void *arg)
{
    struct play *play = arg;
    put(play, "gone", "g", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    put(play, "made", "m", true); // The content is synced; the name is not.
    CHECK(env_unlink(play->env, "gone", NULL) == TDBPLUS_OK);
    CHECK(env_link(play->env, "made", "linked", NULL) == TDBPLUS_OK);
}

static uint32_t look_names(struct play *play)
{
    int made = first_byte(play, "made");
    int linked = first_byte(play, "linked");
    int gone = first_byte(play, "gone");
    CHECK(made == -1 || made == 'm');
    CHECK(linked == -1 || linked == 'm');
    CHECK(gone == -1 || gone == 'g');
    return (uint32_t)(made >= 0) | (uint32_t)(linked >= 0) << 1 | (uint32_t)(gone >= 0) << 2;
}

TEST(unsynced_names_survive_in_any_subset)
{
    CHECK(outcomes(create_remove_link, look_names) == 255);
}

static void rename_twice(void *arg)
{
    struct play *play = arg;
    put(play, "a", "a", true);
    put(play, "x", "x", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    CHECK(env_rename(play->env, "x", "a", NULL) == TDBPLUS_OK);
    CHECK(env_rename(play->env, "a", "b", NULL) == TDBPLUS_OK);
}

/* 0 neither, 1 the first, 2 the second, 3 both. */
static uint32_t look_twice(struct play *play)
{
    bool first = !exists(play, "x");
    bool second = exists(play, "b");
    CHECK(!second || first_byte(play, "b") == 'x');
    // The second moves the file that it moved, not whatever bears the name.
    int expected = first ? 'x' : 'a';
    CHECK(first_byte(play, "a") == (first && second ? -1 : expected));
    return first | (uint32_t)second << 1;
}

TEST(a_rename_that_survives_alone_takes_nothing_else_along)
{
    CHECK(outcomes(rename_twice, look_twice) == 15);
}

static void rename_directory(void *arg)
{
    struct play *play = arg;
    CHECK(env_make_directory(play->env, "d", NULL) == TDBPLUS_OK);
    CHECK(env_make_directory(play->env, "d/e", NULL) == TDBPLUS_OK);
    put(play, "d/e/f", "f", true);
    CHECK(env_sync_directory(play->env, "d/e", NULL) == TDBPLUS_OK);
    CHECK(env_sync_directory(play->env, "d", NULL) == TDBPLUS_OK);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    CHECK(env_rename(play->env, "d", "moved", NULL) == TDBPLUS_OK);
    CHECK(exists(play, "moved/e/f") && !exists(play, "d/e/f"));
}

static uint32_t look_moved(struct play *play)
{
    bool moved = exists(play, "moved/e/f");
    CHECK(exists(play, "d/e/f") == !moved);
    return moved;
}

TEST(a_directory_moves_with_all_below_it)
{
    CHECK(outcomes(rename_directory, look_moved) == 3);
}

static void make_tree(void *arg)
{
    struct play *play = arg;
    CHECK(env_make_directory(play->env, "d", NULL) == TDBPLUS_OK);
    put(play, "d/f", "f", true);
    CHECK(env_sync_directory(play->env, "d", NULL) == TDBPLUS_OK);
}

static uint32_t look_tree(struct play *play)
{
    return exists(play, "d/f");
}

TEST(a_synced_file_is_lost_with_its_unsynced_directory)
{
    CHECK(outcomes(make_tree, look_tree) == 3);
}

static void whole_file(void *arg)
{
    struct play *play = arg;
    CHECK(env_write_file(play->env, "w", span_from_text("first"), NULL) == TDBPLUS_OK);
    CHECK(env_write_file(play->env, "w", span_from_text("other"), NULL) == TDBPLUS_OK);
}

static uint32_t look_whole(struct play *play)
{
    struct bytes bytes = {0};
    CHECK(env_read_file(play->env, "w", 100, &alloc_system, &bytes, NULL) == TDBPLUS_OK);
    CHECK(bytes.size == 5 && memcmp(bytes.data, "other", 5) == 0);
    bytes_deinit(&bytes);
    CHECK(!exists(play, "w" ENV_TEMPORARY_SUFFIX));
    return 0;
}

TEST(env_write_file_is_durable)
{
    CHECK(outcomes(whole_file, look_whole) == 1);
}

/* A crash at each single call of env_write_file() leaves the old content or the new. */
TEST(env_write_file_is_atomic_at_every_crash)
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (uint64_t nth = 1;; nth++) {
            struct play play = begin(seed);
            CHECK(env_write_file(play.env, "w", span_from_text("first"), NULL) == TDBPLUS_OK);
            sim_crash_at(play.sim, SIM_OP_ANY, nth);
            enum sim_result result = sim_run(play.sim, whole_file, &play);
            CHECK(result == SIM_DONE || result == SIM_CRASHED);
            sim_reboot(play.sim);
            struct bytes bytes = {0};
            CHECK(env_read_file(play.env, "w", 100, &alloc_system, &bytes, NULL) == TDBPLUS_OK);
            CHECK(bytes.size == 5);
            bool other = memcmp(bytes.data, "other", 5) == 0;
            CHECK(other || memcmp(bytes.data, "first", 5) == 0);
            CHECK(other || result == SIM_CRASHED);
            seen |= 1u << other;
            bytes_deinit(&bytes);
            end(&play);
            if (result == SIM_DONE) {
                CHECK(nth > 10); // Seven calls each.
                break;
            }
        }
    }
    CHECK(seen == 3);
}

TEST(a_restart_keeps_all_that_was_written)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, create_remove_link, &play) == SIM_DONE);
        sim_restart(play.sim);
        CHECK(look_names(&play) == 3);
        end(&play);
    }
}

/* ---- syncs ---- */

static void write_b(void *arg)
{
    struct play *play = arg;
    struct env_file *file = open_file(play, "f", ENV_OPEN_WRITE);
    CHECK(env_write(play->env, file, 0, "b", 1, NULL) == TDBPLUS_OK);
    play->steps++;
    env_close(play->env, file);
}

static void sync_while_writing(void *arg)
{
    struct play *play = arg;
    put(play, "f", "a", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    struct env_file *file = open_file(play, "f", ENV_OPEN_WRITE);
    struct env_task *task = NULL;
    CHECK(env_task_start(play->env, "b", write_b, play, &task, NULL) == TDBPLUS_OK);
    play->counter = play->steps > 0 ? 2 : 0;
    CHECK(env_sync(play->env, file, NULL) == TDBPLUS_OK);
    play->counter += play->steps; // 1: written while the sync was under way.
    env_task_join(play->env, task);
    env_close(play->env, file);
}

TEST(a_sync_covers_what_was_written_before_it_began)
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, sync_while_writing, &play) == SIM_DONE);
        sim_reboot(play.sim);
        int byte = first_byte(&play, "f");
        CHECK(play.counter != 3 || byte == 'b');
        seen |= 1u << (play.counter * 2 + (byte == 'b'));
        end(&play);
    }
    CHECK((seen & 0xC) == 0xC); // Written meanwhile: lost and kept.
    CHECK((seen & 0x80) != 0);
}

static void unlink_f(void *arg)
{
    struct play *play = arg;
    CHECK(env_unlink(play->env, "f", NULL) == TDBPLUS_OK);
    play->steps++;
}

static void sync_directory_while_unlinking(void *arg)
{
    struct play *play = arg;
    put(play, "f", "a", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    struct env_task *task = NULL;
    CHECK(env_task_start(play->env, "unlink", unlink_f, play, &task, NULL) == TDBPLUS_OK);
    play->counter = play->steps > 0 ? 2 : 0;
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    play->counter += play->steps;
    env_task_join(play->env, task);
}

TEST(a_directory_sync_covers_what_was_changed_before_it_began)
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, sync_directory_while_unlinking, &play) == SIM_DONE);
        sim_reboot(play.sim);
        bool there = exists(&play, "f");
        CHECK(play.counter != 3 || !there);
        seen |= 1u << (play.counter * 2 + there);
        end(&play);
    }
    CHECK((seen & 0xC) == 0xC); // Removed meanwhile: lost and kept.
    CHECK((seen & 0x40) != 0);
}

static void fail_a_sync(void *arg)
{
    struct play *play = arg;
    put(play, "f", "a", true);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    put(play, "f", "b", false);
    struct env_file *file = open_file(play, "f", ENV_OPEN_WRITE);
    struct err err = {0};
    sim_fault_add(play->sim,
                  (struct sim_fault_rule){.op = SIM_OP_SYNC, .fault = SIM_FAULT_IO, .nth = 1});
    CHECK(env_sync(play->env, file, &err) == TDBPLUS_E_IO);
    CHECK(strstr(err.text, "f: sync") != NULL);
    play->counter = (uint64_t)first_byte(play, "f"); // What the page cache kept, or the platter.
    CHECK(play->counter == 'a' || play->counter == 'b');
    CHECK(env_sync(play->env, file, NULL) == TDBPLUS_OK); // And prove nothing.
    env_close(play->env, file);
    CHECK(sim_fault_hits(play->sim, SIM_OP_SYNC, SIM_FAULT_IO) == 1);
}

/* Bit 0: what reads saw after the failure, bit 1: what the platter held. */
static uint32_t look_failed(struct play *play)
{
    return (uint32_t)(play->counter == 'b') | look_a_or_b(play) << 1;
}

TEST(after_a_failed_sync_a_good_one_proves_nothing)
{
    // Both old, both new, or new in the page cache only; never new on the platter only.
    CHECK(outcomes(fail_a_sync, look_failed) == 11);
}

static void write_on_after_a_failed_sync(void *arg)
{
    struct play *play = arg;
    play->file = open_file(play, "f", CREATE);
    CHECK(env_write(play->env, play->file, 0, "one", 3, NULL) == TDBPLUS_OK);
    sim_fault_add(play->sim,
                  (struct sim_fault_rule){.op = SIM_OP_SYNC, .fault = SIM_FAULT_IO, .nth = 1});
    CHECK(env_sync(play->env, play->file, NULL) == TDBPLUS_E_IO);
    CHECK(env_write(play->env, play->file, 3, "two", 3, NULL) == TDBPLUS_OK);
    char data[6];
    uint64_t size = 0;
    CHECK(env_size(play->env, play->file, &size, NULL) == TDBPLUS_OK);
    CHECK(size == 6); // The size is not of the page cache.
    CHECK(env_read(play->env, play->file, 0, data, 6, NULL) == TDBPLUS_OK);
    CHECK(memcmp(data, "one", 3) == 0 || memcmp(data, "\0\0\0", 3) == 0);
    CHECK(memcmp(data + 3, "two", 3) == 0);
    CHECK(env_sync(play->env, play->file, NULL) == TDBPLUS_OK);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
}

static uint32_t look_written_on(struct play *play)
{
    char data[6];
    struct env_file *file = open_file(play, "f", ENV_OPEN_READ);
    CHECK(env_read(play->env, file, 0, data, 6, NULL) == TDBPLUS_OK);
    env_close(play->env, file);
    CHECK(memcmp(data + 3, "two", 3) == 0); // A good sync covers what came after the bad one.
    return data[0] == 'o';
}

TEST(a_good_sync_covers_what_was_written_after_a_failed_one)
{
    CHECK(outcomes(write_on_after_a_failed_sync, look_written_on) == 3);
}

static void fail_a_directory_sync(void *arg)
{
    struct play *play = arg;
    rename_unsynced(arg);
    sim_fault_add(play->sim, (struct sim_fault_rule){
                                 .op = SIM_OP_SYNC_DIRECTORY, .fault = SIM_FAULT_IO, .nth = 1});
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_E_IO);
}

static void repeat_a_failed_directory_sync(void *arg)
{
    struct play *play = arg;
    fail_a_directory_sync(arg);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
}

TEST(a_failed_directory_sync_keeps_some_names_and_a_good_one_the_rest)
{
    CHECK(outcomes(fail_a_directory_sync, look_renamed) == 3);
    CHECK(outcomes(repeat_a_failed_directory_sync, look_renamed) == 2);
}

/* ---- faults ---- */

static void write_with_fault(struct play *play, enum sim_fault fault)
{
    static uint8_t data[8 * 4096];
    play->file = open_file(play, "f", CREATE);
    memset(data, 'a', sizeof data);
    CHECK(env_write(play->env, play->file, 0, data, sizeof data, NULL) == TDBPLUS_OK);
    CHECK(env_sync(play->env, play->file, NULL) == TDBPLUS_OK);
    CHECK(env_sync_directory(play->env, ".", NULL) == TDBPLUS_OK);
    sim_fault_add(play->sim, (struct sim_fault_rule){.op = SIM_OP_WRITE, .fault = fault, .nth = 1});
    memset(data, 'b', 4096);
    CHECK(env_write(play->env, play->file, 0, data, 4096, NULL) == TDBPLUS_OK);
    CHECK(env_sync(play->env, play->file, NULL) == TDBPLUS_OK);
    CHECK(first_byte(play, "f") == 'b');
    CHECK(sim_fault_hits(play->sim, SIM_OP_WRITE, fault) == 1);
}

static void lose_a_write(void *arg)
{
    write_with_fault(arg, SIM_FAULT_LOST_WRITE);
}

static void misdirect_a_write(void *arg)
{
    write_with_fault(arg, SIM_FAULT_MISDIRECTED_WRITE);
}

/* How many pages of the file hold new bytes; never the first. */
static uint32_t look_misplaced(struct play *play)
{
    uint32_t count = 0;
    struct env_file *file = open_file(play, "f", ENV_OPEN_READ);
    for (uint64_t page = 0; page < 8; page++) {
        uint8_t byte = 0;
        CHECK(env_read(play->env, file, page * 4096, &byte, 1, NULL) == TDBPLUS_OK);
        CHECK(byte == 'a' || page > 0);
        count += byte == 'b';
    }
    env_close(play->env, file);
    return count;
}

TEST(a_lost_write_is_nowhere_after_a_reboot)
{
    CHECK(outcomes(lose_a_write, look_misplaced) == 1);
}

TEST(a_misdirected_write_is_elsewhere_after_a_reboot)
{
    CHECK((outcomes(misdirect_a_write, look_misplaced) & 2) != 0);
}

TEST(faults_strike_the_chosen_call_and_path)
{
    struct play play = begin(1);
    struct env_file *a = open_file(&play, "a", CREATE);
    struct env_file *b = open_file(&play, "b", CREATE);
    struct err err = {0};
    sim_fault_add(play.sim,
                  (struct sim_fault_rule){
                      .op = SIM_OP_WRITE, .fault = SIM_FAULT_FULL, .nth = 2, .path_part = "b"});
    CHECK(env_write(play.env, b, 0, "x", 1, NULL) == TDBPLUS_OK);
    CHECK(env_write(play.env, a, 0, "x", 1, NULL) == TDBPLUS_OK);
    CHECK(env_write(play.env, b, 0, "x", 1, &err) == TDBPLUS_E_FULL);
    CHECK(strcmp(err.text, "b: write: simulated full disk") == 0);
    CHECK(env_write(play.env, b, 0, "x", 1, NULL) == TDBPLUS_OK);
    sim_fault_clear(play.sim);

    // Half of all reads: far from none and far from all of 1000.
    uint32_t failed = 0;
    sim_fault_add(play.sim,
                  (struct sim_fault_rule){.op = SIM_OP_ANY, .fault = SIM_FAULT_IO, .ppm = 500000});
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t byte = 0;
        failed += env_read(play.env, a, 0, &byte, 1, NULL) == TDBPLUS_E_IO;
    }
    CHECK(failed > 400 && failed < 600);
    CHECK(sim_fault_hits(play.sim, SIM_OP_READ, SIM_FAULT_IO) == failed);
    CHECK(sim_fault_hits(play.sim, SIM_OP_ANY, SIM_FAULT_IO) == failed);
    CHECK(sim_fault_hits(play.sim, SIM_OP_ANY, SIM_FAULT_FULL) == 1);
    CHECK(sim_op_count(play.sim, SIM_OP_READ) == 1000);
    CHECK(sim_op_count(play.sim, SIM_OP_ANY) == 1000 + 4 + 2);
    CHECK(sim_files_open(play.sim) == 2);
    env_close(play.env, a);
    env_close(play.env, b);
    CHECK(sim_files_open(play.sim) == 0);
    end(&play);
}

TEST(a_full_disk_refuses_growth_until_there_is_room)
{
    static uint8_t data[4096];
    struct play play = begin(3);
    struct env_file *a = open_file(&play, "a", CREATE);
    struct env_file *b = open_file(&play, "b", CREATE);
    sim_disk_limit(play.sim, 10 * 4096);
    CHECK(env_allocate(play.env, a, 8 * 4096, NULL) == TDBPLUS_OK);
    CHECK(env_write(play.env, b, 0, data, 4096, NULL) == TDBPLUS_OK);
    CHECK(env_write(play.env, b, 4096, data, 4096, NULL) == TDBPLUS_OK);
    CHECK(env_write(play.env, b, 8192, data, 4096, NULL) == TDBPLUS_E_FULL);
    CHECK(env_allocate(play.env, b, 12288, NULL) == TDBPLUS_E_FULL);
    CHECK(env_truncate(play.env, b, 12288, NULL) == TDBPLUS_E_FULL);
    CHECK(env_make_directory(play.env, "d", NULL) == TDBPLUS_E_FULL);
    CHECK(env_write(play.env, a, 4096, data, 4096, NULL) == TDBPLUS_OK); // Reserved.
    uint64_t size = 0;
    CHECK(env_size(play.env, b, &size, NULL) == TDBPLUS_OK);
    CHECK(size == 8192);
    CHECK(env_unlink(play.env, "a", NULL) == TDBPLUS_OK);
    CHECK(env_write(play.env, b, 8192, data, 4096, NULL) == TDBPLUS_E_FULL); // Still open.
    env_close(play.env, a);
    CHECK(env_write(play.env, b, 8192, data, 4096, NULL) == TDBPLUS_OK);
    env_close(play.env, b);
    end(&play);
}

TEST(a_flipped_bit_is_there_at_once_and_after_a_reboot)
{
    struct play play = begin(5);
    CHECK(sim_run(play.sim, write_a_then_b_synced, &play) == SIM_DONE);
    CHECK(sim_file_flip_bit(play.sim, "f", 0, 3));
    CHECK(first_byte(&play, "f") == ('b' ^ 8));
    sim_reboot(play.sim);
    CHECK(first_byte(&play, "f") == ('b' ^ 8));
    CHECK(!sim_file_flip_bit(play.sim, "f", 1, 0));
    CHECK(!sim_file_flip_bit(play.sim, "g", 0, 0));
    end(&play);
}

/* ---- crashes ---- */

static void allocate_and_wait(void *arg)
{
    struct play *play = arg;
    void *block = alloc_raw(sim_alloc(play->sim), 100);
    CHECK(block != NULL);
    put(play, "f", "x", false);
    alloc_free(sim_alloc(play->sim), block, 100, 1);
}

static void crash_under_load(void *arg)
{
    struct play *play = arg;
    struct env_task *tasks[3];
    struct env_file *lock = NULL;
    CHECK(env_lock(play->env, "LOCK", true, &lock, NULL) == TDBPLUS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(env_task_start(play->env, "load", allocate_and_wait, play, &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        env_task_join(play->env, tasks[i]);
    }
    env_close(play->env, lock);
    play->steps++;
}

/* At every call, in turn, the world ends, with everything that was held at that moment. */
TEST(a_crash_at_any_call_drops_tasks_memory_and_locks)
{
    uint64_t nth = 1;
    for (;; nth++) {
        struct play play = begin(nth);
        sim_crash_at(play.sim, SIM_OP_ANY, nth);
        enum sim_result result = sim_run(play.sim, crash_under_load, &play);
        CHECK(latch_depth_now() == 0);
        if (result == SIM_DONE) {
            CHECK(sim_tasks_live(play.sim) == 0 && sim_files_open(play.sim) == 0);
            CHECK(sim_memory_live(play.sim) == 0);
            end(&play);
            break;
        }
        CHECK(result == SIM_CRASHED);
        CHECK(play.steps == 0);
        sim_reboot(play.sim);
        CHECK(sim_tasks_live(play.sim) == 0 && sim_files_open(play.sim) == 0);
        CHECK(sim_memory_live(play.sim) == 0);
        CHECK(sim_run(play.sim, crash_under_load, &play) == SIM_DONE); // The lock is free.
        CHECK(play.steps == 1);
        end(&play);
    }
    CHECK(nth > 10);
}

static void crash_on_purpose(void *arg)
{
    struct play *play = arg;
    play->steps = 1;
    sim_crash(play->sim);
    play->steps = 2;
}

TEST(sim_crash_does_not_return)
{
    struct play play = begin(1);
    CHECK(sim_run(play.sim, crash_on_purpose, &play) == SIM_CRASHED);
    CHECK(play.steps == 1);
    CHECK(strstr(sim_report(play.sim), "crashed") != NULL);
    end(&play); // A crashed world may be thrown away as it is.
}

static void sync_once(void *arg)
{
    struct play *play = arg;
    write_a_then_b(arg);
    sim_crash_at(play->sim, SIM_OP_SYNC, 1);
    struct env_file *file = open_file(play, "f", ENV_OPEN_WRITE);
    (void)!env_sync(play->env, file, NULL);
    play->steps++;
}

TEST(a_crash_at_a_sync_comes_before_or_after_it)
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, sync_once, &play) == SIM_CRASHED);
        CHECK(play.steps == 0);
        sim_reboot(play.sim);
        seen |= 1u << look_a_or_b(&play);
        end(&play);
    }
    CHECK(seen == 3);
}

static void write_at_crash(void *arg)
{
    struct play *play = arg;
    put(play, "f", "a", false);
    sim_crash_at(play->sim, SIM_OP_WRITE, 1);
    put(play, "f", "b", false);
}

TEST(a_crash_comes_before_or_after_the_effect)
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, write_at_crash, &play) == SIM_CRASHED);
        sim_restart(play.sim); // Nothing is lost but what did not happen.
        seen |= 1u << look_a_or_b(&play);
        end(&play);
    }
    CHECK(seen == 3);
}

TEST(locks_exclude_and_are_released)
{
    struct play play = begin(1);
    struct env_file *locks[3] = {0};
    CHECK(env_lock(play.env, "L", false, &locks[0], NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_lock(play.env, "L", true, &locks[0], NULL) == TDBPLUS_OK);
    CHECK(env_lock(play.env, "L", false, &locks[1], NULL) == TDBPLUS_E_BUSY);
    env_close(play.env, locks[0]);
    CHECK(env_lock(play.env, "L", false, &locks[0], NULL) == TDBPLUS_OK);
    CHECK(env_lock(play.env, "L", false, &locks[1], NULL) == TDBPLUS_OK);
    env_close(play.env, locks[0]);
    CHECK(env_lock(play.env, "L", true, &locks[2], NULL) == TDBPLUS_E_BUSY);
    env_close(play.env, locks[1]);
    CHECK(env_lock(play.env, "L", true, &locks[2], NULL) == TDBPLUS_OK);
    env_close(play.env, locks[2]);
    end(&play);
}

/* ---- memory ---- */

TEST(memory_is_counted_moved_and_refused)
{
    struct play play = begin(1);
    const struct alloc *alloc = sim_alloc(play.sim);
    uint8_t *raw = alloc_raw(alloc, 100);
    CHECK(raw[0] == 0xA5 && raw[99] == 0xA5);
    CHECK(sim_memory_live(play.sim) == 100);
    raw[0] = 7;
    uint8_t *moved = alloc_resize(alloc, raw, 100, 50, 1);
    CHECK(moved != raw && moved[0] == 7);
    CHECK(sim_memory_live(play.sim) == 50);
    void *aligned = alloc_aligned(alloc, 64);
    CHECK(((uintptr_t)aligned & 63u) == 0);
    alloc_free_aligned(alloc, aligned, 64);

    sim_fault_add(play.sim,
                  (struct sim_fault_rule){.op = SIM_OP_MEMORY, .fault = SIM_FAULT_NOMEM, .nth = 2});
    void *first = alloc_raw(alloc, 1);
    CHECK(first != NULL);
    CHECK(alloc_raw(alloc, 1) == NULL);
    CHECK(sim_fault_hits(play.sim, SIM_OP_MEMORY, SIM_FAULT_NOMEM) == 1);
    CHECK(sim_memory_live(play.sim) == 51);
    sim_restart(play.sim);
    CHECK(sim_memory_live(play.sim) == 0);
    end(&play);
}

/* ---- time ---- */

static void sleep_long(void *arg)
{
    struct play *play = arg;
    uint64_t mono_us = env_clock_mono_us(play->env);
    uint64_t wall_us = env_clock_wall_us(play->env);
    env_sleep_us(play->env, UINT64_C(3600) * 1000000);
    CHECK(env_clock_mono_us(play->env) >= mono_us + UINT64_C(3600) * 1000000);
    CHECK(env_clock_mono_us(play->env) < mono_us + UINT64_C(3601) * 1000000);
    CHECK(env_clock_wall_us(play->env) >= wall_us + UINT64_C(3600) * 1000000);
    sim_wall_jump_us(play->sim, -INT64_C(7200) * 1000000);
    CHECK(env_clock_wall_us(play->env) < wall_us);
    CHECK(env_clock_mono_us(play->env) > mono_us);
}

static void sleep_in_turn(void *arg)
{
    struct play *play = arg;
    uint32_t name = play->order_count++;
    env_sleep_us(play->env, (uint64_t)(3 - name) * 1000000);
    play->order[play->steps++] = name;
}

static void sleep_sorted(void *arg)
{
    struct play *play = arg;
    struct env_task *tasks[3];
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(env_task_start(play->env, "sleeper", sleep_in_turn, play, &tasks[i], NULL) ==
              TDBPLUS_OK);
        env_sleep_us(play->env, 1000);
    }
    for (uint32_t i = 0; i < 3; i++) {
        env_task_join(play->env, tasks[i]);
    }
    CHECK(play->order[0] == 2 && play->order[1] == 1 && play->order[2] == 0);
}

static void spin_on_the_clock(void *arg)
{
    struct play *play = arg;
    uint64_t until_us = env_clock_mono_us(play->env) + 1000;
    while (env_clock_mono_us(play->env) < until_us) {
    }
}

TEST(time_passes_while_all_wait)
{
    struct play play = begin(9);
    CHECK(sim_run(play.sim, sleep_long, &play) == SIM_DONE);
    CHECK(sim_run(play.sim, sleep_sorted, &play) == SIM_DONE);
    CHECK(sim_run(play.sim, spin_on_the_clock, &play) == SIM_DONE);
    end(&play);
}

/* ---- tasks ---- */

static void add_slowly(void *arg)
{
    struct play *play = arg;
    for (uint32_t i = 0; i < 10; i++) {
        if (play->size != 0) {
            mutex_lock(play->env, &play->mutex);
        }
        uint64_t seen = play->counter;
        env_yield(play->env);
        play->counter = seen + 1;
        if (play->size != 0) {
            mutex_unlock(play->env, &play->mutex);
        }
    }
}

static void add_together(void *arg)
{
    struct play *play = arg;
    struct env_task *task = NULL;
    CHECK(env_task_start(play->env, "adder", add_slowly, play, &task, NULL) == TDBPLUS_OK);
    add_slowly(play);
    env_task_join(play->env, task);
}

TEST(races_show_and_locks_prevent_them)
{
    uint32_t lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, add_together, &play) == SIM_DONE);
        lost += play.counter < 20;
        end(&play);
        play = begin(seed);
        play.size = 1;
        CHECK(sim_run(play.sim, add_together, &play) == SIM_DONE);
        CHECK(play.counter == 20);
        end(&play);
    }
    CHECK(lost > SEEDS / 2);
}

static void lock_first(void *arg)
{
    struct play *play = arg;
    mutex_lock(play->env, &play->mutex);
    env_sleep_us(play->env, 10);
    mutex_lock(play->env, &play->mutex); // Never free: the other side of the pair waits too.
}

TEST(deadlocks_are_found_and_named)
{
    struct play play = begin(1);
    CHECK(sim_run(play.sim, lock_first, &play) == SIM_DEADLOCK);
    CHECK(strstr(sim_report(play.sim), "deadlock: task 0 \"main\"") != NULL);
    end(&play);
}

static void wait_with_deadline(void *arg)
{
    struct play *play = arg;
    struct env_event event = {0};
    CHECK(!env_event_wait(play->env, &event, 0));
    CHECK(!env_event_wait(play->env, &event, env_clock_mono_us(play->env) + 500));
    env_event_set(play->env, &event);
    env_event_set(play->env, &event);
    CHECK(env_event_wait(play->env, &event, 0));
    CHECK(!env_event_wait(play->env, &event, 1));
    struct condition condition = {0};
    mutex_lock(play->env, &play->mutex);
    CHECK(!condition_wait(play->env, &condition, &play->mutex, env_clock_mono_us(play->env) + 500));
    CHECK(condition.first == NULL);
    mutex_unlock(play->env, &play->mutex);
}

TEST(waits_end_at_their_deadline)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct play play = begin(seed);
        CHECK(sim_run(play.sim, wait_with_deadline, &play) == SIM_DONE);
        end(&play);
    }
}

/* ---- the same world again ---- */

static void mixed_work(void *arg)
{
    struct play *play = arg;
    uint8_t chance[8];
    env_entropy(play->env, chance, sizeof chance);
    put(play, chance[0] % 2 == 0 ? "even" : "odd", "x", chance[1] % 2 == 0);
    mutex_lock(play->env, &play->mutex);
    play->counter++;
    env_sleep_us(play->env, chance[2]);
    mutex_unlock(play->env, &play->mutex);
}

static void mixed_tasks(void *arg)
{
    struct play *play = arg;
    struct env_task *tasks[4];
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(env_task_start(play->env, "mixed", mixed_work, play, &tasks[i], NULL) == TDBPLUS_OK);
    }
    for (uint32_t i = 0; i < 4; i++) {
        env_task_join(play->env, tasks[i]);
    }
}

static uint64_t trace_of(uint64_t seed)
{
    struct play play = begin(seed);
    sim_crash_at(play.sim, SIM_OP_ANY, 12);
    for (uint32_t boot = 0; boot < 3; boot++) {
        play.mutex = (struct mutex){0};
        enum sim_result result = sim_run(play.sim, mixed_tasks, &play);
        CHECK(result == SIM_DONE || result == SIM_CRASHED);
        sim_reboot(play.sim);
        play.counter += exists(&play, "even") + 2u * exists(&play, "odd");
    }
    uint64_t hash = sim_trace_hash(play.sim) ^ play.counter << 32;
    end(&play);
    return hash;
}

TEST(one_seed_is_one_history)
{
    uint64_t before = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t hash = trace_of(seed);
        CHECK(hash == trace_of(seed));
        CHECK(hash != before);
        before = hash;
    }
}

/* ---- the contract, against files in memory ---- */

static struct env_file *open_in(const struct env *env, const char *path, uint32_t flags,
                                tdbplus_status *status)
{
    struct env_file *file = NULL;
    *status = env_open(env, path, flags, &file, NULL);
    return file;
}

static tdbplus_status count_entry(void *ctx, const char *name, bool is_directory)
{
    uint64_t *sum = ctx;
    *sum += hash_bytes(span_from_text(name), 0) + is_directory;
    return TDBPLUS_OK;
}

/* One random call on a path in either world; returns what both must agree on. */
static uint64_t random_call(const struct env *env, uint64_t draw)
{
    static const char *const paths[] = {"d/a", "d/b", "d/c", "d/e/f"};
    const char *path = paths[draw % 4];
    const char *other = paths[draw / 4 % 4];
    uint64_t offset = draw / 16 % 20000;
    tdbplus_status status = TDBPLUS_OK;
    uint64_t result = 0;
    uint8_t data[3000];
    memset(data, (int)(draw >> 40), sizeof data);
    switch (draw / 4096 % 8) {
    case 0:
        return env_rename(env, path, other, NULL);
    case 1:
        return env_unlink(env, path, NULL);
    case 2:
        return env_link(env, path, other, NULL);
    case 3:
        CHECK(env_list(env, "d", count_entry, &result, NULL) == TDBPLUS_OK);
        return result;
    default:
        break;
    }
    uint32_t flags = draw / 4096 % 8 < 6 ? CREATE : ENV_OPEN_READ | ENV_OPEN_WRITE;
    struct env_file *file = open_in(env, path, flags, &status);
    if (file == NULL) {
        return status;
    }
    switch (draw / 65536 % 4) {
    case 0:
        status = env_write(env, file, offset, data, sizeof data, NULL);
        break;
    case 1:
        status = env_read(env, file, offset, data, sizeof data, NULL);
        result = hash_bytes((struct span){.data = data, .size = sizeof data}, 0);
        break;
    case 2:
        status = env_truncate(env, file, offset, NULL);
        break;
    default:
        status = env_allocate(env, file, offset, NULL);
        break;
    }
    uint64_t size = 0;
    CHECK(env_size(env, file, &size, NULL) == TDBPLUS_OK);
    env_close(env, file);
    return result + status + size * 1000;
}

TEST(without_faults_files_behave_as_in_memory)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct play play = begin(seed);
        struct env *ram = NULL;
        CHECK(env_ram_create(&alloc_system, &ram, NULL) == TDBPLUS_OK);
        CHECK(env_make_directory(play.env, "d", NULL) == TDBPLUS_OK);
        CHECK(env_make_directory(play.env, "d/e", NULL) == TDBPLUS_OK);
        env_close(play.env, open_file(&play, "d/e/keep", CREATE));
        struct env_file *keep = NULL;
        CHECK(env_open(ram, "d/e/keep", CREATE, &keep, NULL) == TDBPLUS_OK);
        env_close(ram, keep);
        struct sim_random random = {.state = seed};
        for (uint32_t step = 0; step < 2000; step++) {
            uint64_t draw = sim_random_u64(&random);
            CHECK(random_call(play.env, draw) == random_call(ram, draw));
        }
        env_ram_destroy(ram);
        end(&play);
    }
}
