/*
 * Goal: a memtable of many keys finds each of them and no other, by its table of keys and by the
 * tree where that has no place, while the table grows and others read; and large memtables give all
 * of their memory back.
 *
 * Method: keys whose hashes are chosen; readers that know from the snapshot which keys there are;
 * allocations that fail.
 */

#include <pthread.h>

#include "base/hash.h"
#include "storage/memtable/memtable_internal.h"
#include "test.h"

#define VALUE_SIZE 200u

/* A key int8 or text, and a text. */
static struct schema *make_schema(bool integer_key)
{
    struct type key_type = type_of(integer_key ? TYPE_INT8 : TYPE_TEXT);
    struct schema_column columns[2] = {
        {.id = 1, .not_null = true, .name = "key", .type = key_type},
        {.id = 2, .not_null = true, .name = "value", .type = type_of(TYPE_TEXT)},
    };
    uint32_t key_columns[1] = {0};
    const struct schema description = {
        .version = 1,
        .column_count = 2,
        .columns = columns,
        .key_count = 1,
        .key_columns = key_columns,
        .column_id_next = 3,
    };
    struct schema *schema = NULL;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_OK);
    return schema;
}

static struct memtable *make_memtable(const struct schema *schema, const struct alloc *alloc)
{
    struct memtable *memtable = NULL;
    CHECK(memtable_create(schema, alloc, &memtable, NULL) == TDBPLUS_OK);
    return memtable;
}

struct test_key {
    uint8_t data[64];
    size_t size;
    uint64_t code;
    int64_t integer;
};

/* Keys by number: scattered integers; texts that agree in their first 16 bytes. */
static struct test_key make_key(bool integer_key, uint32_t number)
{
    struct test_key key = {.integer = (int64_t)hash_u64(number)};
    if (integer_key) {
        key.code = key_code_of_integer(key.integer);
        key.size = sizeof key.code;
        store_u64_be(key.data, key.code);
        return key;
    }
    key.size = (size_t)snprintf((char *)key.data, sizeof key.data, "the first sixteen, then %u",
                                (unsigned)hash_u64(number) ^ number);
    key.size += (size_t)snprintf((char *)key.data + key.size, 16, "-%u", number);
    key.code = key_code((struct span){key.data, key.size});
    return key;
}

static struct span span_of_key(const struct test_key *key)
{
    return (struct span){.data = key->data, .size = key->size};
}

static struct probe probe_of_key(const struct memtable *memtable, const struct test_key *key)
{
    return probe_of(memtable, span_of_key(key), key->code);
}

static void fill_value(uint8_t value[VALUE_SIZE], uint32_t number)
{
    memset(value, (int)(number % 251), VALUE_SIZE);
}

static tdbplus_status try_put(struct memtable *memtable, bool integer_key, uint32_t number,
                              uint64_t timestamp, uint32_t *row_out)
{
    struct test_key key = make_key(integer_key, number);
    uint8_t value[VALUE_SIZE];
    fill_value(value, number);
    struct datum values[2] = {
        {.type = type_of(integer_key ? TYPE_INT8 : TYPE_TEXT)},
        {.type = type_of(TYPE_TEXT), .bytes = {.data = value, .size = VALUE_SIZE}},
    };
    if (integer_key) {
        values[0].integer = key.integer;
    } else {
        values[0].bytes = span_of_key(&key);
    }
    TRY(memtable_reserve(memtable, 1, 2 * key.size + VALUE_SIZE, NULL));
    *row_out = memtable_put(memtable, span_of_key(&key), key.code, values, timestamp, NULL);
    return TDBPLUS_OK;
}

static uint32_t put(struct memtable *memtable, bool integer_key, uint32_t number,
                    uint64_t timestamp)
{
    uint32_t row = 0;
    CHECK(try_put(memtable, integer_key, number, timestamp, &row) == TDBPLUS_OK);
    return row;
}

/* ---- one thread ---- */

#define MANY_COUNT 30000u /* The table of keys doubles three times. */

/* Counts keys [first, first + count) that are found one by one and in batches alike. */
static uint32_t count_found(const struct memtable *memtable, bool integer_key, uint32_t first,
                            uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct test_key key = make_key(integer_key, first + i);
        const struct memtable_key wanted = {.key = span_of_key(&key), .code = key.code};
        uint32_t row = MEMTABLE_ROW_NONE;
        memtable_find_batch(memtable, &wanted, 1, 10, &row);
        CHECK(row == memtable_find(memtable, wanted.key, wanted.code, 10));
        CHECK(row == memtable_newest(memtable, wanted.key, wanted.code));
        found += row != MEMTABLE_ROW_NONE;
    }
    return found;
}

static void find_while_the_table_grows(bool integer_key)
{
    struct schema *schema = make_schema(integer_key);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    for (uint32_t i = 0; i < MANY_COUNT; i++) {
        (void)put(memtable, integer_key, i, 1);
        if (i % 5000 == 4999) {
            CHECK(count_found(memtable, integer_key, 0, i + 1) == i + 1);
            CHECK(count_found(memtable, integer_key, i + 1, 5000) == 0);
        }
    }
    memtable_destroy(memtable);
    schema_destroy(schema);
}

TEST(every_key_is_found_while_the_table_of_integer_keys_grows)
{
    find_while_the_table_grows(true);
}

TEST(every_key_is_found_while_the_table_of_text_keys_grows)
{
    find_while_the_table_grows(false);
}

TEST(the_table_of_keys_knows_which_keys_are_absent)
{
    struct schema *schema = make_schema(true);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    for (uint32_t i = 0; i < 16384; i++) {
        (void)put(memtable, true, i, 1);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        struct test_key key = make_key(true, MANY_COUNT + i);
        const struct probe probe = probe_of_key(memtable, &key);
        uint32_t row = 0;
        CHECK(key_places_find(memtable, &probe, &row) == KEY_ABSENT);
    }
    memtable_destroy(memtable);
    schema_destroy(schema);
}

#define LIKE_COUNT 600u    /* Twice what a group of the table has places for. */
#define LIKE_MASK  0xFFE0u /* Keys without these bits in their hash share a group. */

TEST(keys_with_like_hashes_are_found_and_absent_ones_are_not)
{
    struct schema *schema = make_schema(true);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    uint32_t *like = alloc_array(&alloc_system, LIKE_COUNT, sizeof *like);
    uint32_t count = 0;
    for (uint32_t i = 0; count < LIKE_COUNT; i++) {
        struct test_key key = make_key(true, i);
        const struct probe probe = probe_of_key(memtable, &key);
        if ((key_places_hash(&probe) & LIKE_MASK) == 0) {
            like[count++] = i;
        }
    }
    for (uint32_t i = 0; i < 5000; i++) {
        (void)put(memtable, true, i, 1);
    }
    for (uint32_t i = 0; i < LIKE_COUNT / 2; i++) {
        (void)put(memtable, true, like[i], 2);
    }
    for (uint32_t i = 5000; i < MANY_COUNT; i++) { // The table grows with them in it.
        (void)put(memtable, true, i, 3);
    }
    for (uint32_t i = 0; i < LIKE_COUNT / 2; i++) {
        uint32_t row = put(memtable, true, like[i], 4);
        struct test_key key = make_key(true, like[i]);
        CHECK(memtable_newest(memtable, span_of_key(&key), key.code) == row);
    }
    for (uint32_t i = LIKE_COUNT / 2; i < LIKE_COUNT; i++) {
        CHECK(count_found(memtable, true, like[i], 1) == (like[i] < MANY_COUNT));
    }
    CHECK(count_found(memtable, true, 0, MANY_COUNT) == MANY_COUNT);
    memtable_destroy(memtable);
    alloc_free(&alloc_system, like, LIKE_COUNT, sizeof *like);
    schema_destroy(schema);
}

/* Keys by number, in order. */
static struct test_key make_ascending(int64_t number)
{
    struct test_key key = {.integer = number, .code = key_code_of_integer(number), .size = 8};
    store_u64_be(key.data, key.code);
    return key;
}

static uint32_t put_ascending(struct memtable *memtable, int64_t number, uint64_t timestamp)
{
    struct test_key key = make_ascending(number);
    const struct datum values[2] = {
        {.type = type_of(TYPE_INT8), .integer = number},
        {.type = type_of(TYPE_TEXT), .bytes = {.data = key.data, .size = 3}},
    };
    return memtable_put(memtable, span_of_key(&key), key.code, values, timestamp, NULL);
}

/* Multiples of three from `first` on are there, and no other numbers. */
static void check_threes(const struct memtable *memtable, int64_t first, int64_t end)
{
    for (int64_t i = first - 10; i < end + 10; i++) {
        struct test_key key = make_ascending(i);
        bool is_there = i >= first && i < end && (i - first) % 3 == 0;
        uint32_t row = memtable_find(memtable, span_of_key(&key), key.code, 10);
        CHECK(is_there == (row != MEMTABLE_ROW_NONE));
    }
}

/* Keys that came in order, then others among and around them, in one reserve and many. */
static void find_after_a_run(uint32_t run_count, uint32_t reserve)
{
    struct schema *schema = make_schema(true);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    const int64_t end = 3 * (int64_t)run_count;
    for (int64_t i = 0; i < run_count; i++) {
        if (i % reserve == 0) {
            CHECK(memtable_reserve(memtable, reserve, 100 * (size_t)reserve, NULL) == TDBPLUS_OK);
        }
        (void)put_ascending(memtable, 3 * i, 1);
    }
    check_threes(memtable, 0, end);
    CHECK(memtable_reserve(memtable, 9000, 900000, NULL) == TDBPLUS_OK);
    uint32_t row = put_ascending(memtable, 300, 2); // A new version ends no run.
    struct test_key key = make_ascending(300);
    CHECK(memtable_newest(memtable, span_of_key(&key), key.code) == row);
    for (int64_t i = 1; i <= 1000; i++) {
        (void)put_ascending(memtable, -3 * i, 3);
        (void)put_ascending(memtable, end + 3 * (1000 - i), 3);
    }
    check_threes(memtable, -3000, end + 3000);
    row = put_ascending(memtable, 600, 4);
    key = make_ascending(600);
    CHECK(memtable_newest(memtable, span_of_key(&key), key.code) == row);
    for (int64_t i = 0; i < run_count; i++) { // Between those of the run.
        CHECK(memtable_reserve(memtable, 1, 100, NULL) == TDBPLUS_OK);
        (void)put_ascending(memtable, 3 * i + 1, 5);
    }
    for (int64_t i = -3000; i < end + 3000; i++) {
        key = make_ascending(i);
        bool is_there = i % 3 == 0 || (i >= 0 && i < end && i % 3 == 1);
        CHECK(is_there ==
              (memtable_newest(memtable, span_of_key(&key), key.code) != MEMTABLE_ROW_NONE));
    }
    memtable_destroy(memtable);
    schema_destroy(schema);
}

TEST(keys_are_found_after_a_run_of_ascending_ones)
{
    find_after_a_run(300, 1);
    find_after_a_run(4096, 100);
    find_after_a_run(4097, 1);
    find_after_a_run(20000, 100);
    find_after_a_run(6000, 6000);
}

/* ---- memory ---- */

/* Every tenth allocation fails; what failed is tried again. */
static void fill_with_failures(bool integer_key)
{
    struct schema *schema = make_schema(integer_key);
    struct fault_alloc fault;
    fault_alloc_init(&fault, 10);
    struct memtable *memtable = make_memtable(schema, &fault.alloc);
    uint32_t failures = 0;
    for (uint32_t i = 0; i < MANY_COUNT;) {
        uint32_t row = 0;
        tdbplus_status status = try_put(memtable, integer_key, i, 1, &row);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        if (status == TDBPLUS_OK) {
            i++;
            continue;
        }
        failures++;
        fault.fail_at = fault.calls + 10;
    }
    CHECK(failures > 20);
    CHECK(memtable_size_bytes(memtable) > (size_t)4 << 20); // It asks for blocks by now.
    CHECK(memtable_size_bytes(memtable) == fault.live_bytes);
    CHECK(count_found(memtable, integer_key, 0, 2 * MANY_COUNT) == MANY_COUNT);
    for (uint32_t i = 0; i < MANY_COUNT; i += 7) {
        struct test_key key = make_key(integer_key, i);
        struct datum value;
        uint8_t expected[VALUE_SIZE];
        fill_value(expected, i);
        memtable_value(memtable, memtable_newest(memtable, span_of_key(&key), key.code), 1, &value);
        CHECK(value.bytes.size == VALUE_SIZE &&
              memcmp(value.bytes.data, expected, VALUE_SIZE) == 0);
    }
    memtable_trim(memtable);
    memtable_destroy(memtable);
    CHECK(fault.live_bytes == 0);
    schema_destroy(schema);
}

TEST(large_memtables_survive_failed_allocations_and_give_all_back)
{
    fill_with_failures(true);
    fill_with_failures(false);
}

/* ---- readers beside the writer ---- */

#define READER_COUNT 2u
#define THREAD_COUNT 12000u /* The table doubles twice. */

struct shared {
    struct memtable *memtable;
    bool integer_key;
    _Atomic uint64_t visible; /* Puts up to this timestamp are done: of as many keys. */
    _Atomic bool is_done;
    _Atomic uint64_t checks;
};

static void *find_along(void *arg)
{
    struct shared *shared = arg;
    uint64_t state = (uint64_t)(uintptr_t)&state;
    uint64_t checks = 0;
    bool is_last = false;
    while (!is_last) {
        is_last = atomic_load_explicit(&shared->is_done, memory_order_acquire);
        uint64_t snapshot = atomic_load_explicit(&shared->visible, memory_order_acquire);
        uint32_t number = (uint32_t)(hash_u64(state++) % (snapshot + snapshot / 4 + 1));
        struct test_key key = make_key(shared->integer_key, number);
        uint32_t row = memtable_find(shared->memtable, span_of_key(&key), key.code, snapshot);
        CHECK((row != MEMTABLE_ROW_NONE) == (number < snapshot));
        CHECK(row == MEMTABLE_ROW_NONE || memtable_begin(shared->memtable, row) == number + 1);
        checks++;
    }
    atomic_fetch_add(&shared->checks, checks);
    return NULL;
}

static void find_beside_the_writer(bool integer_key)
{
    struct schema *schema = make_schema(integer_key);
    struct shared shared = {.integer_key = integer_key};
    shared.memtable = make_memtable(schema, &alloc_system);
    pthread_t readers[READER_COUNT];
    for (uint32_t i = 0; i < READER_COUNT; i++) {
        CHECK(pthread_create(&readers[i], NULL, find_along, &shared) == 0);
    }
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        (void)put(shared.memtable, integer_key, i, i + 1);
        atomic_store_explicit(&shared.visible, i + 1, memory_order_release);
    }
    atomic_store_explicit(&shared.is_done, true, memory_order_release);
    for (uint32_t i = 0; i < READER_COUNT; i++) {
        (void)pthread_join(readers[i], NULL);
    }
    CHECK(shared.checks >= READER_COUNT);
    memtable_destroy(shared.memtable);
    schema_destroy(schema);
}

TEST(readers_find_every_integer_key_while_the_table_of_keys_grows)
{
    find_beside_the_writer(true);
}

TEST(readers_find_every_text_key_while_the_table_of_keys_grows)
{
    find_beside_the_writer(false);
}
