/*
 * Goal: env_real and env_ram keep the contract of env.h. Method: every case runs against both,
 * through the same function; what only one of them can do is tested apart. Content is compared
 * with a plain array as the model.
 */

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/call.h"
#include "os/env.h"
#include "os/latch.h"
#include "test.h"

#define MODEL_SIZE  100000u
#define MODEL_STEPS 400u

struct world {
    const struct env *env;
    char directory[64];
    struct fault_alloc memory;
};

static void path_in(const struct world *world, const char *name, char path[ENV_PATH_SIZE_MAX])
{
    CHECK(env_join(path, world->directory, name, NULL) == TDBPLUS_OK);
}

static tdbplus_status remove_entry(void *ctx, const char *name, bool is_directory)
{
    struct world *world = ctx;
    char path[ENV_PATH_SIZE_MAX];
    path_in(world, name, path);
    return is_directory ? env_remove_directory(world->env, path, NULL)
                        : env_unlink(world->env, path, NULL);
}

/* Runs `check` in a fresh real directory and in a fresh memory, and sees that nothing leaks. */
static void in_each_world(void (*check)(struct world *world))
{
    struct world real = {.env = env_real()};
    const char *base = getenv("TMPDIR");
    (void)snprintf(real.directory, sizeof real.directory, "%.40s/env_test.XXXXXX",
                   base == NULL ? "/tmp" : base);
    CHECK(mkdtemp(real.directory) != NULL);
    check(&real);
    CHECK(env_list(real.env, real.directory, remove_entry, &real, NULL) == TDBPLUS_OK);
    CHECK(env_remove_directory(real.env, real.directory, NULL) == TDBPLUS_OK);

    struct world ram = {.directory = "db"};
    fault_alloc_init(&ram.memory, UINT32_MAX);
    struct env *env = NULL;
    CHECK(env_ram_create(&ram.memory.alloc, &env, NULL) == TDBPLUS_OK);
    ram.env = env;
    check(&ram);
    env_ram_destroy(env);
    CHECK(ram.memory.live_bytes == 0);
}

static struct env_file *open_new(const struct world *world, const char *name)
{
    char path[ENV_PATH_SIZE_MAX];
    path_in(world, name, path);
    struct env_file *file = NULL;
    CHECK(env_open(world->env, path,
                   ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &file,
                   NULL) == TDBPLUS_OK);
    return file;
}

static void check_open(struct world *world)
{
    char path[ENV_PATH_SIZE_MAX];
    path_in(world, "a", path);
    struct env_file *file = NULL;
    struct err err = {0};
    CHECK(env_open(world->env, path, ENV_OPEN_READ, &file, &err) == TDBPLUS_E_NOT_FOUND);
    CHECK(file == NULL);
    CHECK(strstr(err.text, path) != NULL);
    CHECK(env_open(world->env, path, ENV_OPEN_WRITE, &file, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_open(world->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, NULL) == TDBPLUS_OK);
    env_close(world->env, file);
    err_clear(&err);
    CHECK(env_open(world->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &file,
                   &err) == TDBPLUS_E_EXISTS);
    CHECK(strstr(err.text, path) != NULL);
    CHECK(env_open(world->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file,
                   NULL) == TDBPLUS_OK);
    env_close(world->env, file);
    env_close(world->env, NULL);

    char long_path[ENV_PATH_SIZE_MAX + 8];
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    CHECK(env_open(world->env, long_path, ENV_OPEN_READ, &file, NULL) == TDBPLUS_E_LIMIT);
    CHECK(env_open(world->env, "", ENV_OPEN_READ, &file, NULL) == TDBPLUS_E_INVALID);
}

TEST(open_finds_makes_and_refuses)
{
    in_each_world(check_open);
}

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

/* One random step on the file and on the model; returns the model's new size. */
static size_t model_step(const struct world *world, struct env_file *file, uint8_t *model,
                         size_t model_size)
{
    static uint8_t data[MODEL_SIZE];
    size_t offset = random_below(MODEL_SIZE);
    size_t size = random_below((uint32_t)(MODEL_SIZE - offset) + 1);
    switch (random_below(5)) {
    case 0: // Write, often with a hole before it.
        for (size_t i = 0; i < size; i++) {
            data[i] = (uint8_t)random_below(256);
        }
        CHECK(env_write(world->env, file, offset, data, size, NULL) == TDBPLUS_OK);
        memcpy(model + offset, data, size);
        return size > 0 && offset + size > model_size ? offset + size : model_size;
    case 1:
        CHECK(env_truncate(world->env, file, offset, NULL) == TDBPLUS_OK);
        memset(model + offset, 0, MODEL_SIZE - offset);
        return offset;
    case 2:
        CHECK(env_allocate(world->env, file, offset, NULL) == TDBPLUS_OK);
        return offset > model_size ? offset : model_size;
    default: {
        tdbplus_status status = env_read(world->env, file, offset, data, size, NULL);
        bool inside = size == 0 || offset + size <= model_size;
        CHECK(status == (inside ? TDBPLUS_OK : TDBPLUS_E_CORRUPT));
        CHECK(!inside || memcmp(data, model + offset, size) == 0);
        return model_size;
    }
    }
}

static void check_content(struct world *world)
{
    static uint8_t model[MODEL_SIZE];
    memset(model, 0, sizeof model);
    size_t model_size = 0;
    struct env_file *file = open_new(world, "content");
    for (uint32_t step = 0; step < MODEL_STEPS; step++) {
        model_size = model_step(world, file, model, model_size);
        uint64_t size = 0;
        CHECK(env_size(world->env, file, &size, NULL) == TDBPLUS_OK);
        CHECK(size == model_size);
    }
    CHECK(env_sync(world->env, file, NULL) == TDBPLUS_OK);
    env_close(world->env, file);
}

TEST(content_follows_a_plain_array)
{
    in_each_world(check_content);
}

static void check_ends(struct world *world)
{
    struct env_file *file = open_new(world, "ends");
    uint8_t data[16] = "0123456789abcde";
    CHECK(env_write(world->env, file, 0, data, 10, NULL) == TDBPLUS_OK);
    struct err err = {0};
    CHECK(env_read(world->env, file, 5, data, 6, &err) == TDBPLUS_E_CORRUPT);
    CHECK(strstr(err.text, "ends") != NULL);
    CHECK(env_read(world->env, file, 5, data, 5, NULL) == TDBPLUS_OK);
    CHECK(memcmp(data, "56789", 5) == 0);
    CHECK(env_read(world->env, file, UINT64_MAX - 2, data, 5, NULL) == TDBPLUS_E_CORRUPT);
    CHECK(env_read(world->env, file, (uint64_t)INT64_MAX - 2, data, 5, NULL) == TDBPLUS_E_CORRUPT);
    CHECK(env_write(world->env, file, UINT64_MAX - 2, data, 5, NULL) == TDBPLUS_E_LIMIT);
    CHECK(env_truncate(world->env, file, UINT64_MAX, NULL) == TDBPLUS_E_LIMIT);
    CHECK(env_allocate(world->env, file, UINT64_MAX, NULL) == TDBPLUS_E_LIMIT);
    env_close(world->env, file);
}

TEST(reads_past_the_end_are_corruption)
{
    in_each_world(check_ends);
}

static void check_batch(struct world *world)
{
    enum { COUNT = 200, PIECE = 512 };
    static uint8_t written[COUNT * PIECE];
    static uint8_t got[COUNT][PIECE];
    struct env_file *file = open_new(world, "batch");
    for (size_t i = 0; i < sizeof written; i++) {
        written[i] = (uint8_t)random_below(256);
    }
    CHECK(env_write(world->env, file, 0, written, sizeof written, NULL) == TDBPLUS_OK);
    struct env_read_request requests[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        requests[i] = (struct env_read_request){.offset = random_below(sizeof written - PIECE),
                                                .data = got[i],
                                                .size = random_below(PIECE + 1),
                                                .status = TDBPLUS_E_INTERNAL};
    }
    CHECK(env_read_batch(world->env, file, requests, COUNT, NULL) == TDBPLUS_OK);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(requests[i].status == TDBPLUS_OK);
        CHECK(memcmp(got[i], written + requests[i].offset, requests[i].size) == 0);
    }

    // One bad request fails alone, and the call with it.
    memset(got, 0, sizeof got);
    requests[70].offset = sizeof written - 10;
    requests[70].size = 11;
    struct err err = {0};
    CHECK(env_read_batch(world->env, file, requests, COUNT, &err) == TDBPLUS_E_CORRUPT);
    CHECK(strstr(err.text, "batch") != NULL);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(requests[i].status == (i == 70 ? TDBPLUS_E_CORRUPT : TDBPLUS_OK));
        CHECK(i == 70 || memcmp(got[i], written + requests[i].offset, requests[i].size) == 0);
    }
    CHECK(env_read_batch(world->env, file, requests, 0, NULL) == TDBPLUS_OK);

    // A range that no file can have fails the whole batch before anything is read.
    requests[1].offset = UINT64_MAX - 1;
    requests[1].size = 4;
    CHECK(env_read_batch(world->env, file, requests, COUNT, NULL) == TDBPLUS_E_CORRUPT);
    CHECK(requests[0].status == TDBPLUS_E_CORRUPT);
    env_close(world->env, file);
}

TEST(read_batch_reads_each_range_and_tells_each_status)
{
    in_each_world(check_batch);
}

static void check_whole_files(struct world *world)
{
    char path[ENV_PATH_SIZE_MAX];
    path_in(world, "whole", path);
    struct fault_alloc memory;
    fault_alloc_init(&memory, UINT32_MAX);
    struct bytes bytes = {0};
    CHECK(env_read_file(world->env, path, 100, &memory.alloc, &bytes, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_write_file(world->env, path, span_from_text("first, and longer"), NULL) ==
          TDBPLUS_OK);
    CHECK(env_write_file(world->env, path, span_from_text("second"), NULL) == TDBPLUS_OK);
    CHECK(env_read_file(world->env, path, 6, &memory.alloc, &bytes, NULL) == TDBPLUS_OK);
    CHECK(bytes.size == 6 && memcmp(bytes.data, "second", 6) == 0);
    bytes_deinit(&bytes);
    CHECK(env_read_file(world->env, path, 5, &memory.alloc, &bytes, NULL) == TDBPLUS_E_LIMIT);
    memory.fail_at = memory.calls;
    CHECK(env_read_file(world->env, path, 6, &memory.alloc, &bytes, NULL) == TDBPLUS_E_NOMEM);
    CHECK(bytes.data == NULL);

    // A leftover of a crash, longer than the new content, must not show through.
    char leftover[ENV_PATH_SIZE_MAX];
    path_in(world, "whole" ENV_TEMPORARY_SUFFIX, leftover);
    struct env_file *file = open_new(world, "whole" ENV_TEMPORARY_SUFFIX);
    CHECK(env_write(world->env, file, 0, "garbage garbage", 15, NULL) == TDBPLUS_OK);
    env_close(world->env, file);
    CHECK(env_write_file(world->env, path, (struct span){0}, NULL) == TDBPLUS_OK);
    CHECK(env_read_file(world->env, path, 6, &memory.alloc, &bytes, NULL) == TDBPLUS_OK);
    CHECK(bytes.size == 0);
    bytes_deinit(&bytes);
    CHECK(env_unlink(world->env, leftover, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(memory.live_bytes == 0);
}

static void check_long_names(struct world *world)
{
    char path[ENV_PATH_SIZE_MAX];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0'; // Fits, but not with the ending of the temporary name.
    CHECK(env_write_file(world->env, path, span_from_text("a"), NULL) == TDBPLUS_E_LIMIT);
    CHECK(env_rename(world->env, path, "", NULL) == TDBPLUS_E_INVALID);
}

TEST(whole_files_need_room_for_a_temporary_name)
{
    in_each_world(check_long_names);
}

TEST(whole_files_are_replaced_and_bounded)
{
    in_each_world(check_whole_files);
}

static void check_names(struct world *world)
{
    char a[ENV_PATH_SIZE_MAX];
    char b[ENV_PATH_SIZE_MAX];
    char missing[ENV_PATH_SIZE_MAX];
    path_in(world, "a", a);
    path_in(world, "b", b);
    path_in(world, "missing", missing);
    CHECK(env_write_file(world->env, a, span_from_text("A"), NULL) == TDBPLUS_OK);
    CHECK(env_write_file(world->env, b, span_from_text("B"), NULL) == TDBPLUS_OK);

    // An open file stays readable when another takes its name.
    struct env_file *old = NULL;
    uint8_t byte = 0;
    CHECK(env_open(world->env, b, ENV_OPEN_READ, &old, NULL) == TDBPLUS_OK);
    CHECK(env_rename(world->env, a, b, NULL) == TDBPLUS_OK);
    CHECK(env_read(world->env, old, 0, &byte, 1, NULL) == TDBPLUS_OK);
    CHECK(byte == 'B');
    env_close(world->env, old);
    CHECK(env_open(world->env, b, ENV_OPEN_READ, &old, NULL) == TDBPLUS_OK);
    CHECK(env_read(world->env, old, 0, &byte, 1, NULL) == TDBPLUS_OK);
    CHECK(byte == 'A');

    CHECK(env_link(world->env, b, a, NULL) == TDBPLUS_OK);
    CHECK(env_link(world->env, b, a, NULL) == TDBPLUS_E_EXISTS);
    CHECK(env_rename(world->env, a, b, NULL) == TDBPLUS_OK); // Two names of one file stay.
    CHECK(env_unlink(world->env, b, NULL) == TDBPLUS_OK);
    CHECK(env_read(world->env, old, 0, &byte, 1, NULL) == TDBPLUS_OK);
    env_close(world->env, old);
    CHECK(env_unlink(world->env, a, NULL) == TDBPLUS_OK);

    struct err err = {0};
    CHECK(env_unlink(world->env, a, &err) == TDBPLUS_E_NOT_FOUND);
    CHECK(strstr(err.text, a) != NULL);
    CHECK(env_rename(world->env, missing, a, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_link(world->env, missing, a, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_sync_directory(world->env, world->directory, NULL) == TDBPLUS_OK);
}

TEST(names_are_replaced_linked_and_removed)
{
    in_each_world(check_names);
}

struct listing {
    uint32_t files;
    uint32_t directories;
    uint32_t stop_after;
};

static tdbplus_status note_entry(void *ctx, const char *name, bool is_directory)
{
    struct listing *listing = ctx;
    static const char *const names[] = {"a", "a-b", "a0", "sub"};
    uint32_t bit = 0;
    while (bit < 4 && strcmp(names[bit], name) != 0) {
        bit++;
    }
    CHECK(bit < 4);
    uint32_t *seen = is_directory ? &listing->directories : &listing->files;
    CHECK((*seen & (1u << bit)) == 0);
    *seen |= 1u << bit;
    listing->stop_after--;
    return listing->stop_after == 0 ? TDBPLUS_E_CANCELLED : TDBPLUS_OK;
}

static void check_list(struct world *world)
{
    char path[ENV_PATH_SIZE_MAX];
    char inner[ENV_PATH_SIZE_MAX];
    path_in(world, "sub", path);
    CHECK(env_make_directory(world->env, path, NULL) == TDBPLUS_OK);
    CHECK(env_make_directory(world->env, path, NULL) == TDBPLUS_OK);
    static const char *const names[] = {"a", "a-b", "a0", "sub/x", "sub/y"};
    for (size_t i = 0; i < 5; i++) {
        env_close(world->env, open_new(world, names[i]));
    }
    struct listing listing = {0};
    CHECK(env_list(world->env, world->directory, note_entry, &listing, NULL) == TDBPLUS_OK);
    CHECK(listing.files == 7 && listing.directories == 8);
    listing = (struct listing){.stop_after = 2};
    CHECK(env_list(world->env, world->directory, note_entry, &listing, NULL) ==
          TDBPLUS_E_CANCELLED);

    CHECK(env_remove_directory(world->env, path, NULL) == TDBPLUS_E_IO); // Not empty.
    CHECK(env_join(inner, path, "x", NULL) == TDBPLUS_OK);
    CHECK(env_unlink(world->env, inner, NULL) == TDBPLUS_OK);
    CHECK(env_join(inner, path, "y", NULL) == TDBPLUS_OK);
    CHECK(env_unlink(world->env, inner, NULL) == TDBPLUS_OK);
    CHECK(env_remove_directory(world->env, path, NULL) == TDBPLUS_OK);
}

TEST(list_names_each_entry_once)
{
    in_each_world(check_list);
}

static void check_lock(struct world *world)
{
    char path[ENV_PATH_SIZE_MAX];
    path_in(world, "LOCK", path);
    struct env_file *first = NULL;
    struct env_file *second = NULL;
    struct env_file *third = NULL;
    struct err err = {0};
    CHECK(env_lock(world->env, path, false, &first, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_lock(world->env, path, true, &first, NULL) == TDBPLUS_OK);
    CHECK(env_lock(world->env, path, true, &second, &err) == TDBPLUS_E_BUSY);
    CHECK(second == NULL);
    CHECK(strstr(err.text, path) != NULL);
    CHECK(env_lock(world->env, path, false, &second, NULL) == TDBPLUS_E_BUSY);

    // Opening and closing the file elsewhere must not release the lock.
    CHECK(env_open(world->env, path, ENV_OPEN_READ, &third, NULL) == TDBPLUS_OK);
    env_close(world->env, third);
    CHECK(env_lock(world->env, path, true, &second, NULL) == TDBPLUS_E_BUSY);
    env_close(world->env, first);

    CHECK(env_lock(world->env, path, false, &first, NULL) == TDBPLUS_OK);
    CHECK(env_lock(world->env, path, false, &second, NULL) == TDBPLUS_OK);
    CHECK(env_lock(world->env, path, true, &third, NULL) == TDBPLUS_E_BUSY);
    env_close(world->env, first);
    CHECK(env_lock(world->env, path, true, &third, NULL) == TDBPLUS_E_BUSY);
    env_close(world->env, second);
    CHECK(env_lock(world->env, path, true, &third, NULL) == TDBPLUS_OK);
    env_close(world->env, third);
}

TEST(lock_excludes_other_handles_of_this_process)
{
    in_each_world(check_lock);
}

/* Whoever holds the lock removes the file; what others then lock must be the new one. */
struct rivals {
    struct world *world;
    _Atomic bool inside;
    _Atomic uint32_t turns;
};

static void lock_and_remove(void *arg)
{
    struct rivals *rivals = arg;
    const struct env *env = rivals->world->env;
    char path[ENV_PATH_SIZE_MAX];
    path_in(rivals->world, "LOCK", path);
    for (uint32_t i = 0; i < 200; i++) {
        struct env_file *lock = NULL;
        tdbplus_status status = TDBPLUS_E_BUSY;
        while (status == TDBPLUS_E_BUSY) {
            status = env_lock(env, path, true, &lock, NULL);
        }
        CHECK(status == TDBPLUS_OK);
        CHECK(!atomic_exchange(&rivals->inside, true));
        atomic_fetch_add(&rivals->turns, 1);
        atomic_store(&rivals->inside, false);
        CHECK(env_unlink(env, path, NULL) == TDBPLUS_OK);
        env_close(env, lock);
    }
}

static void check_lock_rivals(struct world *world)
{
    struct rivals rivals = {.world = world};
    struct env_task *tasks[3];
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(env_task_start(world->env, "rival", lock_and_remove, &rivals, &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        env_task_join(world->env, tasks[i]);
    }
    CHECK(rivals.turns == 600);
}

TEST(lock_is_on_the_file_that_bears_the_name)
{
    in_each_world(check_lock_rivals);
}

static void check_time(struct world *world)
{
    uint64_t before = env_clock_mono_us(world->env);
    CHECK(before > 0);
    CHECK(env_clock_wall_us(world->env) > 1700000000000000u); // After 2023.
    env_sleep_us(world->env, 3000);
    CHECK(env_clock_mono_us(world->env) >= before + 3000);

    uint8_t chance[2][600];
    env_entropy(world->env, chance[0], sizeof chance[0]);
    env_entropy(world->env, chance[1], sizeof chance[1]);
    CHECK(memcmp(chance[0], chance[1], sizeof chance[0]) != 0);

    _Atomic bool cancel = false;
    struct err err = {0};
    struct call call = {.err = &err, .cancel = &cancel};
    CHECK(env_check_call(world->env, &call) == TDBPLUS_OK);
    call.deadline_us = env_clock_mono_us(world->env) + 1000000000u;
    CHECK(env_check_call(world->env, &call) == TDBPLUS_OK);
    call.deadline_us = before;
    CHECK(env_check_call(world->env, &call) == TDBPLUS_E_TIMEOUT);
    err_clear(&err);
    cancel = true;
    CHECK(env_check_call(world->env, &call) == TDBPLUS_E_CANCELLED);
    CHECK(err.status == TDBPLUS_E_CANCELLED);
}

TEST(clocks_advance_and_calls_end)
{
    in_each_world(check_time);
}

/* Two tasks hand a number to and fro; each handover must carry the plain memory with it. */
struct pair {
    const struct env *env;
    struct env_event ping;
    struct env_event pong;
    uint64_t number; /* Not atomic on purpose: the events order it. */
};

static void answer(void *arg)
{
    struct pair *pair = arg;
    for (uint64_t i = 0; i < 2000; i++) {
        CHECK(env_event_wait(pair->env, &pair->ping, ENV_DEADLINE_NONE));
        CHECK(pair->number == 2 * i + 1);
        pair->number++;
        env_event_set(pair->env, &pair->pong);
    }
}

static void check_events(struct world *world)
{
    struct pair pair = {.env = world->env};
    struct env_task *task = NULL;
    CHECK(env_task_start(world->env, "a name longer than threads may have", answer, &pair, &task,
                         NULL) == TDBPLUS_OK);
    for (uint64_t i = 0; i < 2000; i++) {
        CHECK(pair.number == 2 * i);
        pair.number++;
        env_event_set(world->env, &pair.ping);
        CHECK(env_event_wait(world->env, &pair.pong, ENV_DEADLINE_NONE));
    }
    env_task_join(world->env, task);

    struct env_event event = {0};
    CHECK(!env_event_wait(world->env, &event, 0));
    CHECK(!env_event_wait(world->env, &event, env_clock_mono_us(world->env) + 1000));
    env_event_set(world->env, &event);
    env_event_set(world->env, &event);             // Remembered once.
    CHECK(env_event_wait(world->env, &event, 0));  // Even past the deadline.
    CHECK(!env_event_wait(world->env, &event, 1)); // The wait cleared it.
    CHECK(latch_depth_now() == 0);
    env_yield(world->env);
}

TEST(events_are_remembered_order_memory_and_time_out)
{
    in_each_world(check_events);
}

/* A late set and a deadline at the same moment: each wait must end exactly one way. */
static void set_soon(void *arg)
{
    struct pair *pair = arg;
    env_sleep_us(pair->env, 200);
    env_event_set(pair->env, &pair->ping);
}

static void check_late_set(struct world *world)
{
    uint32_t in_time = 0;
    for (uint32_t round = 0; round < 200; round++) {
        struct pair pair = {.env = world->env};
        struct env_task *task = NULL;
        CHECK(env_task_start(world->env, "set", set_soon, &pair, &task, NULL) == TDBPLUS_OK);
        uint64_t deadline_us = env_clock_mono_us(world->env) + 150 + random_below(300);
        bool set = env_event_wait(world->env, &pair.ping, deadline_us);
        in_time += set;
        env_task_join(world->env, task);
        CHECK(env_event_wait(world->env, &pair.ping, 1) == !set);
    }
    CHECK(in_time <= 200);
}

TEST(a_set_at_the_deadline_is_never_lost)
{
    in_each_world(check_late_set);
}

TEST(join_makes_paths_that_fit)
{
    char path[ENV_PATH_SIZE_MAX];
    CHECK(env_join(path, "a", "b", NULL) == TDBPLUS_OK);
    CHECK(strcmp(path, "a/b") == 0);
    CHECK(env_join(path, path, "c", NULL) == TDBPLUS_OK);
    CHECK(strcmp(path, "a/b/c") == 0);
    CHECK(env_join(path, "/", "b", NULL) == TDBPLUS_OK);
    CHECK(strcmp(path, "/b") == 0);
    CHECK(env_join(path, "", "b", NULL) == TDBPLUS_OK);
    CHECK(strcmp(path, "b") == 0);
    char name[ENV_PATH_SIZE_MAX];
    memset(name, 'n', sizeof name);
    name[ENV_PATH_SIZE_MAX - 3] = '\0'; // "a/" and the terminator leave exactly this much.
    CHECK(env_join(path, "a", name, NULL) == TDBPLUS_OK);
    CHECK(strlen(path) == ENV_PATH_SIZE_MAX - 1);
    CHECK(env_join(path, "ab", name, NULL) == TDBPLUS_E_LIMIT);
}

static tdbplus_status use_ram_world(struct env *env)
{
    tdbplus_status status = TDBPLUS_OK;
    struct env_file *file = NULL;
    static uint8_t data[40000];
    TRY_OR(done,
           env_open(env, "d/f", ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, NULL));
    TRY_OR(done, env_write(env, file, 0, data, sizeof data, NULL));
    TRY_OR(done, env_allocate(env, file, 100000, NULL));
    TRY_OR(done, env_truncate(env, file, 200000, NULL));
    TRY_OR(done, env_link(env, "d/f", "d/g", NULL));
    TRY_OR(done, env_rename(env, "d/g", "d/h", NULL));
    TRY_OR(done, env_write_file(env, "d/i", (struct span){.data = data, .size = 100}, NULL));
    env_close(env, file);
    file = NULL;
    TRY_OR(done, env_lock(env, "d/LOCK", true, &file, NULL));

done:
    env_close(env, file);
    return status;
}

TEST(ram_survives_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct env *env = NULL;
        tdbplus_status status = env_ram_create(&fault.alloc, &env, NULL);
        if (status == TDBPLUS_OK) {
            status = use_ram_world(env);
            env_ram_destroy(env);
        }
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at > 25); // 13 chunks, their table, names, handles, inodes.
}

TEST(ram_lists_the_root)
{
    struct env *env = NULL;
    struct listing listing = {0};
    CHECK(env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK);
    CHECK(env_remove_directory(env, ".", NULL) == TDBPLUS_OK); // Empty, and there all the same.
    CHECK(env_write_file(env, "a", span_from_text("x"), NULL) == TDBPLUS_OK);
    CHECK(env_write_file(env, "sub/a", span_from_text("x"), NULL) == TDBPLUS_OK);
    CHECK(env_list(env, ".", note_entry, &listing, NULL) == TDBPLUS_OK);
    CHECK(listing.files == 1 && listing.directories == 8);
    CHECK(env_remove_directory(env, ".", NULL) == TDBPLUS_E_IO);
    env_ram_destroy(env);
    env_ram_destroy(NULL);
}

TEST(real_tells_a_file_too_large_and_a_missing_directory)
{
    const struct env *env = env_real();
    char directory[] = "/tmp/env_test.XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    struct err err = {0};
    CHECK(env_join(path, directory, "no/such", NULL) == TDBPLUS_OK);
    CHECK(env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, &err) ==
          TDBPLUS_E_NOT_FOUND);
    CHECK(env_open(env, directory, ENV_OPEN_READ, &file, NULL) == TDBPLUS_E_IO);
    CHECK(env_make_directory(env, path, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_list(env, path, note_entry, NULL, NULL) == TDBPLUS_E_NOT_FOUND);
    CHECK(env_sync_directory(env, path, NULL) == TDBPLUS_E_NOT_FOUND);

    CHECK(env_join(path, directory, "f", NULL) == TDBPLUS_OK);
    CHECK(env_open(env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, NULL) ==
          TDBPLUS_OK);
    CHECK(env_make_directory(env, path, NULL) == TDBPLUS_E_EXISTS); // A file in the way.
    CHECK(env_unlink(env, path, NULL) == TDBPLUS_OK);
    CHECK(env_allocate(env, file, UINT64_C(1) << 60, &err) != TDBPLUS_OK);
    uint64_t size = 1;
    CHECK(env_size(env, file, &size, NULL) == TDBPLUS_OK);
    CHECK(size == 0);
    env_close(env, file);
    CHECK(env_remove_directory(env, directory, NULL) == TDBPLUS_OK);
}

TEST(real_says_full_when_the_device_is)
{
    struct env_file *file = NULL;
    struct err err = {0};
    CHECK(env_open(env_real(), "/dev/full", ENV_OPEN_WRITE, &file, NULL) == TDBPLUS_OK);
    CHECK(env_write(env_real(), file, 0, "x", 1, &err) == TDBPLUS_E_FULL);
    CHECK(strcmp(err.text, "/dev/full: write: No space left on device") == 0);
    env_close(env_real(), file);
}

TEST(real_reserves_the_space_it_allocates)
{
    struct stat facts;
    struct env_file *file = NULL;
    char path[] = "./env_test_space.XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(env_open(env_real(), path, ENV_OPEN_WRITE, &file, NULL) == TDBPLUS_OK);
    CHECK(env_allocate(env_real(), file, 1 << 20, NULL) == TDBPLUS_OK);
    CHECK(fstat(fd, &facts) == 0);
    CHECK(facts.st_size == 1 << 20);
    CHECK(facts.st_blocks * 512 >= 1 << 20);
    CHECK(env_allocate(env_real(), file, 1000, NULL) == TDBPLUS_OK); // Never shrinks.
    CHECK(env_allocate(env_real(), file, 0, NULL) == TDBPLUS_OK);
    CHECK(fstat(fd, &facts) == 0);
    CHECK(facts.st_size == 1 << 20);
    env_close(env_real(), file);
    (void)close(fd);
    CHECK(env_unlink(env_real(), path, NULL) == TDBPLUS_OK);
}

/* Runs `check` in a child process; exit status 0 is success, 9 that this machine forbids it. */
static void in_child(void (*check)(void))
{
    (void)fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        check();
        _exit(0);
    }
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result));
    CHECK(WEXITSTATUS(result) == 0 || WEXITSTATUS(result) == 9);
    if (WEXITSTATUS(result) == 9) {
        printf("   (not tested: this machine lets nobody mount)\n");
    }
}

/* Mounts a file system of 64 KiB, or one that cannot reserve space, where only we see it. */
static void mount_on(const char *directory, const char *kind, const char *options)
{
    bool ours =
        geteuid() == 0 ? unshare(CLONE_NEWNS) == 0 : unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (!ours || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", directory, kind, 0, options) != 0) {
        _exit(9);
    }
}

static char mount_point[] = "/tmp/env_test_mount.XXXXXX";

static void check_full_disk(void)
{
    static uint8_t data[16384];
    const struct env *env = env_real();
    struct world world = {.env = env};
    mount_on(mount_point, "tmpfs", "size=64k");
    (void)snprintf(world.directory, sizeof world.directory, "%s", mount_point);
    struct env_file *first = open_new(&world, "first");
    struct env_file *second = open_new(&world, "second");
    CHECK(env_allocate(env, first, 40960, NULL) == TDBPLUS_OK);
    struct err err = {0};
    uint64_t size = 1;
    CHECK(env_allocate(env, second, 40960, &err) == TDBPLUS_E_FULL);
    CHECK(strstr(err.text, "second: allocate: No space left") != NULL);
    CHECK(env_size(env, second, &size, NULL) == TDBPLUS_OK);
    CHECK(size == 0);
    CHECK(env_write(env, second, 0, data, sizeof data, NULL) == TDBPLUS_OK);
    CHECK(env_write(env, second, 16384, data, sizeof data, NULL) == TDBPLUS_E_FULL);
    CHECK(env_write(env, first, 0, data, sizeof data, NULL) == TDBPLUS_OK); // Reserved.
    CHECK(env_truncate(env, first, 0, NULL) == TDBPLUS_OK);
    CHECK(env_write(env, second, 16384, data, sizeof data, NULL) == TDBPLUS_OK);
    char other[ENV_PATH_SIZE_MAX];
    path_in(&world, "second", other);
    CHECK(env_link(env, other, "./env_test_link", NULL) == TDBPLUS_E_UNSUPPORTED);
    env_close(env, first);
    env_close(env, second);
}

static void check_no_reservation(void)
{
    const struct env *env = env_real();
    struct world world = {.env = env};
    mount_on(mount_point, "ramfs", NULL);
    (void)snprintf(world.directory, sizeof world.directory, "%s", mount_point);
    struct env_file *file = open_new(&world, "file");
    CHECK(env_write(env, file, 0, "abc", 3, NULL) == TDBPLUS_OK);
    CHECK(env_allocate(env, file, 200001, NULL) == TDBPLUS_OK);
    uint64_t size = 0;
    CHECK(env_size(env, file, &size, NULL) == TDBPLUS_OK);
    CHECK(size == 200001);
    char data[4] = {0};
    CHECK(env_read(env, file, 0, data, 4, NULL) == TDBPLUS_OK);
    CHECK(memcmp(data, "abc", 4) == 0);
    CHECK(env_read(env, file, 199997, data, 4, NULL) == TDBPLUS_OK);
    CHECK(memcmp(data, "\0\0\0", 4) == 0);
    env_close(env, file);
}

TEST(real_on_file_systems_that_are_full_or_simple)
{
    CHECK(mkdtemp(mount_point) != NULL);
    in_child(check_full_disk);
    in_child(check_no_reservation);
    CHECK(env_remove_directory(env_real(), mount_point, NULL) == TDBPLUS_OK);
}

static void check_no_descriptors(void)
{
    struct rlimit limit = {0};
    struct env_file *file = NULL;
    struct err err = {0};
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(env_open(env_real(), "/dev/null", ENV_OPEN_READ, &file, &err) == TDBPLUS_E_IO);
    CHECK(strstr(err.text, "Too many open files") != NULL);
    CHECK(strstr(err.hint, "ulimit") != NULL);
}

TEST(real_tells_how_to_get_more_descriptors)
{
    in_child(check_no_descriptors);
}

/* Direct reads and writes of every alignment agree with plain ones. */
TEST(real_direct_files_take_any_alignment)
{
    const struct env *env = env_real();
    char path[] = "./env_test_direct.XXXXXX"; // The build tree lies on a disk; /tmp may not.
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    (void)close(fd);
    struct env_file *file = NULL;
    CHECK(env_open(env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_DIRECT, &file, NULL) ==
          TDBPLUS_OK);
    enum { SIZE = 64 * 1024 };
    uint8_t *model = NULL;
    uint8_t *data = NULL;
    CHECK(posix_memalign((void **)&model, 4096, SIZE) == 0);
    CHECK(posix_memalign((void **)&data, 4096, SIZE) == 0);
    memset(model, 0, SIZE);
    CHECK(env_allocate(env, file, SIZE, NULL) == TDBPLUS_OK);
    for (uint32_t step = 0; step < 100; step++) {
        uint32_t unit = random_below(2) == 0 ? 4096 : 1;
        size_t offset = (size_t)random_below(SIZE / unit) * unit;
        size_t size = (size_t)random_below((uint32_t)(SIZE - offset) / unit + 1) * unit;
        if (random_below(2) == 0) {
            memset(data, (int)random_below(256), size);
            memcpy(model + offset, data, size);
            CHECK(env_write(env, file, offset, data, size, NULL) == TDBPLUS_OK);
        } else {
            CHECK(env_read(env, file, offset, data, size, NULL) == TDBPLUS_OK);
            CHECK(memcmp(data, model + offset, size) == 0);
        }
    }
    env_close(env, file);
    CHECK(env_unlink(env, path, NULL) == TDBPLUS_OK);
    free(model);
    free(data);
}
