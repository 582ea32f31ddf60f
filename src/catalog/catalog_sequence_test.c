/*
 * Goal: a sequence hands a number out once: whatever rolls back, whoever asks beside, and when the
 * process ends in the middle. Method: numbers from random mixes of transactions that commit and
 * roll back, copies of the files at any moment opened as after a kill, threads that want numbers at
 * once; every number is marked, and marked twice is an error.
 */

#include <pthread.h>

#include "catalog/catalog_sequence.h"

#include "test.h"

#define NUMBERS 100000u
#define THREADS 4u

struct fixture {
    struct env *env;
    struct store *store;
    struct err err;
    struct call call;
    uint64_t oid;
};

static void check_ok(struct fixture *fixture, tdbplus_status status, int line)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "line %d: %d %s\n", line, (int)status, fixture->err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

#define OK(call_) check_ok(fixture, (call_), __LINE__)

static struct store *open_on(struct fixture *fixture, const struct env *env)
{
    struct store *store = NULL;
    struct store_options options = {.env = env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &store, &fixture->err));
    return store;
}

static struct txn *begin(struct fixture *fixture, struct store *store)
{
    struct txn *txn = NULL;
    OK(txn_begin(store, NULL, &alloc_system, &txn, &fixture->err));
    OK(txn_statement(txn, &fixture->err));
    return txn;
}

static void begin_fixture(struct fixture *fixture, struct sequence_def def)
{
    *fixture = (struct fixture){0};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    fixture->store = open_on(fixture, fixture->env);
    struct catalog_entry entry = {.schema = "public", .name = "s"};
    struct txn *txn = begin(fixture, fixture->store);
    OK(sequence_create(txn, &entry, &def, &fixture->oid, &fixture->err));
    OK(txn_commit(txn, &fixture->call));
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

static const struct sequence_def counting = {.type = TYPE_INT8,
                                             .start = 1,
                                             .increment = 1,
                                             .min = 1,
                                             .max = INT64_MAX,
                                             .cache = 1,
                                             .restart = 1};

static void mark(uint8_t *seen, int64_t value)
{
    CHECK(value >= 1 && value < (int64_t)NUMBERS);
    CHECK(seen[value] == 0); // Handed out before.
    seen[value] = 1;
}

static void take(struct fixture *fixture, struct store *store, uint32_t count, bool commit,
                 uint8_t *seen)
{
    int64_t values[64];
    struct txn *txn = begin(fixture, store);
    OK(sequence_next(txn, fixture->oid, count, values, &fixture->call));
    for (uint32_t i = 0; i < count; i++) {
        mark(seen, values[i]);
    }
    if (commit) {
        OK(txn_commit(txn, &fixture->call));
    } else {
        txn_abort(txn);
    }
}

struct copy {
    struct fixture *fixture;
    const struct env *to;
};

static tdbplus_status copy_file(void *ctx, const char *name, bool is_directory)
{
    struct copy *copy = ctx;
    struct fixture *fixture = copy->fixture;
    char path[ENV_PATH_SIZE_MAX];
    struct bytes content = {0};
    (void)is_directory;
    OK(env_join(path, "db", name, &fixture->err));
    OK(env_read_file(fixture->env, path, 64 << 20, &alloc_system, &content, &fixture->err));
    OK(env_write_file(copy->to, path, (struct span){content.data, content.size}, &fixture->err));
    bytes_deinit(&content);
    return TDBPLUS_OK;
}

/* What a process hands out that starts after this one was killed now. */
static void check_kill(struct fixture *fixture, const uint8_t *seen)
{
    static uint8_t after[NUMBERS];
    struct env *env = NULL;
    OK(env_ram_create(&alloc_system, &env, &fixture->err));
    struct copy copy = {.fixture = fixture, .to = env};
    OK(env_list(fixture->env, "db", copy_file, &copy, &fixture->err));
    struct store *store = open_on(fixture, env);
    memcpy(after, seen, sizeof after);
    take(fixture, store, 40, true, after);
    store_close(store);
    env_ram_destroy(env);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

TEST(a_kill_hands_no_number_out_twice)
{
    static uint8_t seen[NUMBERS];
    struct fixture own;
    struct fixture *fixture = &own;
    uint64_t random = 20261120;
    begin_fixture(fixture, counting);
    memset(seen, 0, sizeof seen);
    for (uint32_t step = 0; step < 300; step++) {
        uint32_t count = 1 + (uint32_t)(next_random(&random) % 50);
        count = next_random(&random) % 4 > 0 ? 1 : count;
        take(fixture, fixture->store, count, next_random(&random) % 2 == 0, seen);
        if (step % 10 == 0) {
            check_kill(fixture, seen);
        }
    }
    end_fixture(fixture);
}

TEST(closing_skips_nothing)
{
    static uint8_t seen[NUMBERS];
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, counting);
    memset(seen, 0, sizeof seen);
    take(fixture, fixture->store, 5, true, seen);
    sequence_settle(fixture->store, &fixture->call);
    store_close(fixture->store);
    fixture->store = open_on(fixture, fixture->env);
    take(fixture, fixture->store, 1, true, seen);
    CHECK(seen[6] == 1);
    end_fixture(fixture);
}

struct worker {
    struct fixture *fixture;
    struct err err;
    int64_t values[2000];
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct fixture *fixture = worker->fixture;
    struct call call = {.alloc = &alloc_system, .err = &worker->err};
    for (uint32_t i = 0; i < 2000;) {
        uint32_t count = i % 7 == 0 && i + 20 <= 2000 ? 20 : 1;
        struct txn *txn = NULL;
        CHECK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &worker->err) == TDBPLUS_OK);
        CHECK(txn_statement(txn, &worker->err) == TDBPLUS_OK);
        CHECK(sequence_next(txn, fixture->oid, count, &worker->values[i], &call) == TDBPLUS_OK);
        txn_abort(txn);
        i += count;
    }
    return NULL;
}

TEST(threads_get_different_numbers)
{
    static uint8_t seen[NUMBERS];
    static struct worker workers[THREADS];
    struct fixture own;
    struct fixture *fixture = &own;
    pthread_t threads[THREADS];
    begin_fixture(fixture, counting);
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].fixture = fixture;
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        for (uint32_t k = 0; k < 2000; k++) {
            mark(seen, workers[i].values[k]);
        }
    }
    end_fixture(fixture);
}

TEST(a_change_of_form_goes_on_where_the_numbers_stood)
{
    struct fixture own;
    struct fixture *fixture = &own;
    struct catalog_entry entry;
    struct sequence_def def = {0};
    int64_t value = 0;
    bool called = false;
    begin_fixture(fixture, counting);
    struct txn *txn = begin(fixture, fixture->store);
    OK(sequence_next(txn, fixture->oid, 1, &value, &fixture->call));
    OK(txn_statement(txn, &fixture->err)); // The block was logged after the first one began.
    CHECK(catalog_entry_by_oid(txn, fixture->oid, &entry));
    OK(sequence_decode(&entry, &def, &fixture->err));
    OK(sequence_freeze(txn, fixture->oid, &def.restart, &def.restart_called, &fixture->call));
    CHECK(def.restart == 1 && def.restart_called);
    def.epoch++;
    def.increment = 1000;
    OK(sequence_alter(txn, &entry, &def, &fixture->err));
    OK(txn_commit(txn, &fixture->call));
    txn = begin(fixture, fixture->store);
    OK(sequence_next(txn, fixture->oid, 1, &value, &fixture->call));
    CHECK(value == 1001);
    OK(sequence_peek(txn, fixture->oid, &value, &called, &fixture->call));
    CHECK(value == 1001 && called);
    OK(sequence_set(txn, fixture->oid, 7, false, &fixture->call));
    OK(sequence_next(txn, fixture->oid, 1, &value, &fixture->call));
    CHECK(value == 7);
    txn_abort(txn);
    end_fixture(fixture);
}

TEST(damaged_definitions_are_refused)
{
    uint8_t bytes[SEQUENCE_DEFINITION_SIZE];
    struct sequence_def def = {0};
    sequence_encode(&counting, bytes);
    struct catalog_entry entry = {.definition = {.data = bytes, .size = sizeof bytes}};
    CHECK(sequence_decode(&entry, &def, NULL) == TDBPLUS_OK);
    CHECK(def.increment == 1 && def.max == INT64_MAX && def.restart == 1);
    for (size_t size = 0; size < sizeof bytes; size++) {
        entry.definition.size = size;
        CHECK(sequence_decode(&entry, &def, NULL) == TDBPLUS_E_CORRUPT);
    }
    entry.definition.size = sizeof bytes;
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        tdbplus_status status = sequence_decode(&entry, &def, NULL);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}
