/*
 * Goal: batches of rows and short ranges, the calls that go without a transaction, leave and find
 * what an array says, whatever lies in memtables and segments. Method: random batches, ascending,
 * scattered and with keys twice, among deletes, flushes and merges; ranges with limits, two open at
 * a time, so that the memory of closed scans is used again. Threads write batches of the same rows
 * in any order: each succeeds.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdbplus/tdbplus.h"

#include "test.h"

#define KEY_COUNT   600
#define BATCH_COUNT 60
#define OPEN_COUNT  2

struct model {
    int32_t versions[KEY_COUNT]; /* -1: no row. */
};

struct fixture {
    tdbplus_db *db;
    tdbplus_collection *rows;
    bool text_key;
    uint32_t state;
    struct model model;
    char texts[BATCH_COUNT][24];
    tdbplus_value values[2 * BATCH_COUNT];
};

static int dice(struct fixture *fixture, int sides)
{
    return rand_r(&fixture->state) % sides;
}

static tdbplus_value make_key(const struct fixture *fixture, int number, char text[24])
{
    if (!fixture->text_key) {
        return tdbplus_int8((int64_t)number * 1000003 - 7);
    }
    (void)snprintf(text, 24, "a common beginning %04d", number);
    return tdbplus_text(text);
}

static void begin_fixture(struct fixture *fixture, bool text_key)
{
    *fixture = (struct fixture){.text_key = text_key, .state = text_key ? 11 : 7};
    tdbplus_column columns[] = {
        {.name = "k", .type = text_key ? TDBPLUS_TYPE_TEXT : TDBPLUS_TYPE_INT8, .not_null = true},
        {.name = "v", .type = TDBPLUS_TYPE_INT4},
    };
    const char *key[] = {"k"};
    CHECK(tdbplus_open(":memory:", NULL, &fixture->db, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_collection_create(fixture->db, NULL, "t", columns, 2, key, 1, NULL) ==
          TDBPLUS_OK);
    CHECK(tdbplus_collection_open(fixture->db, NULL, "t", &fixture->rows, NULL) == TDBPLUS_OK);
    for (int i = 0; i < KEY_COUNT; i++) {
        fixture->model.versions[i] = -1;
    }
}

/* Rows that ascend, or are anywhere, or have some key twice, whose last row counts. */
static void put_batch(struct fixture *fixture, int round)
{
    int kind = dice(fixture, 3);
    int count = 1 + dice(fixture, BATCH_COUNT);
    int number = dice(fixture, KEY_COUNT);
    for (int i = 0; i < count; i++) {
        number = kind == 0   ? (number + 1) % KEY_COUNT
                 : kind == 1 ? dice(fixture, KEY_COUNT)
                             : number + dice(fixture, 2);
        number %= KEY_COUNT;
        int32_t version = round * BATCH_COUNT + i;
        fixture->values[2 * (size_t)i] = make_key(fixture, number, fixture->texts[i]);
        fixture->values[2 * (size_t)i + 1] = tdbplus_int8(version);
        if (version % 7 == 0) {
            fixture->values[2 * (size_t)i + 1] = tdbplus_null();
        }
        fixture->model.versions[number] = version;
    }
    CHECK(tdbplus_upsert_many(fixture->rows, NULL, fixture->values, 2, (size_t)count, NULL) ==
          TDBPLUS_OK);
}

static void erase_one(struct fixture *fixture)
{
    int number = dice(fixture, KEY_COUNT);
    tdbplus_value key = make_key(fixture, number, fixture->texts[0]);
    bool deleted = false;
    CHECK(tdbplus_delete(fixture->rows, NULL, &key, 1, &deleted, NULL) == TDBPLUS_OK);
    CHECK(deleted == (fixture->model.versions[number] >= 0));
    fixture->model.versions[number] = -1;
}

/* A range that is being read, and what is to come of it. */
struct reading {
    tdbplus_scan *scan;
    int next;
    int step;
    int left;
    struct model model; /* As it was when the scan began. */
};

static void begin_reading(struct fixture *fixture, struct reading *reading)
{
    char text[24];
    reading->step = dice(fixture, 2) == 0 ? 1 : -1;
    reading->next = dice(fixture, KEY_COUNT);
    reading->left = 1 + dice(fixture, 200);
    reading->model = fixture->model;
    tdbplus_value key = make_key(fixture, reading->next, text);
    tdbplus_scan_options options = {.struct_size = sizeof options,
                                    .order =
                                        reading->step > 0 ? TDBPLUS_ASCENDING : TDBPLUS_DESCENDING,
                                    .limit = (uint64_t)reading->left};
    if (reading->step > 0) {
        options.from = &key;
        options.from_count = 1;
    } else {
        options.to = &key;
        options.to_count = 1;
    }
    CHECK(tdbplus_scan_open(fixture->rows, NULL, &options, &reading->scan, NULL) == TDBPLUS_OK);
}

static bool same_key(const struct fixture *fixture, const tdbplus_value *value, int number)
{
    char text[24];
    tdbplus_value key = make_key(fixture, number, text);
    return fixture->text_key ? value->as.bytes.size == key.as.bytes.size &&
                                   memcmp(value->as.bytes.data, text, key.as.bytes.size) == 0
                             : value->as.integer == key.as.integer;
}

/* One more row; false, and closed, at the end. */
static bool read_on(const struct fixture *fixture, struct reading *reading)
{
    const tdbplus_value *values = NULL;
    const int32_t *versions = reading->model.versions;
    while (reading->next >= 0 && reading->next < KEY_COUNT && versions[reading->next] < 0) {
        reading->next += reading->step;
    }
    tdbplus_status status = tdbplus_scan_next(reading->scan, &values, NULL);
    if (reading->left == 0 || reading->next < 0 || reading->next == KEY_COUNT) {
        CHECK(status == TDBPLUS_END);
        tdbplus_scan_close(reading->scan);
        return false;
    }
    CHECK(status == TDBPLUS_OK);
    CHECK(same_key(fixture, &values[0], reading->next));
    int32_t version = versions[reading->next];
    CHECK(values[1].is_null == (version % 7 == 0));
    CHECK(values[1].is_null || values[1].as.integer == version);
    reading->next += reading->step;
    reading->left--;
    return true;
}

static void check_ranges(struct fixture *fixture)
{
    struct reading readings[OPEN_COUNT];
    bool open[OPEN_COUNT] = {true, true};
    begin_reading(fixture, &readings[0]);
    erase_one(fixture); // The first scan must not notice.
    begin_reading(fixture, &readings[1]);
    while (open[0] || open[1]) {
        int which = dice(fixture, OPEN_COUNT);
        open[which] = open[which] && read_on(fixture, &readings[which]);
    }
}

static void check_against_array(bool text_key)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, text_key);
    for (int round = 1; round < 600; round++) {
        put_batch(fixture, round);
        check_ranges(fixture);
        int turn = dice(fixture, 40);
        if (turn == 0) {
            CHECK(tdbplus_optimize(fixture->db, NULL, NULL) == TDBPLUS_OK);
        } else if (turn < 4) {
            CHECK(tdbplus_flush(fixture->db, NULL) == TDBPLUS_OK);
        }
    }
    tdbplus_collection_close(fixture->rows);
    tdbplus_close(fixture->db);
}

TEST(batches_and_short_ranges_agree_with_an_array_with_integer_keys)
{
    check_against_array(false);
}

TEST(batches_and_short_ranges_agree_with_an_array_with_text_keys)
{
    check_against_array(true);
}

/* ---- several threads ---- */

#define CROWD_THREADS 4
#define CROWD_KEYS    40
#define CROWD_BATCH   20
#define CROWD_ROUNDS  300

struct crowd_member {
    struct fixture *fixture;
    uint32_t state;
    int number;
};

/* Batches of different keys, in any order, all of which others want too. */
static void *write_in_a_crowd(void *arg)
{
    struct crowd_member *member = arg;
    tdbplus_value values[2 * CROWD_BATCH];
    char texts[CROWD_BATCH][24];
    for (int round = 0; round < CROWD_ROUNDS; round++) {
        int keys[CROWD_KEYS];
        for (int i = 0; i < CROWD_KEYS; i++) {
            keys[i] = i;
        }
        for (int i = 0; i < CROWD_BATCH; i++) {
            int from = i + rand_r(&member->state) % (CROWD_KEYS - i);
            int number = keys[from];
            keys[from] = keys[i];
            values[2 * i] = make_key(member->fixture, number, texts[i]);
            values[2 * i + 1] = tdbplus_int8(member->number);
        }
        CHECK(tdbplus_upsert_many(member->fixture->rows, NULL, values, 2, CROWD_BATCH, NULL) ==
              TDBPLUS_OK);
    }
    return NULL;
}

static void write_together(bool text_key)
{
    static struct fixture fixture;
    begin_fixture(&fixture, text_key);
    pthread_t threads[CROWD_THREADS];
    struct crowd_member members[CROWD_THREADS];
    for (int i = 0; i < CROWD_THREADS; i++) {
        members[i] =
            (struct crowd_member){.fixture = &fixture, .state = (uint32_t)i + 1, .number = i};
        CHECK(pthread_create(&threads[i], NULL, write_in_a_crowd, &members[i]) == 0);
    }
    for (int i = 0; i < CROWD_THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    tdbplus_collection_close(fixture.rows);
    tdbplus_close(fixture.db);
}

TEST(batches_that_want_each_others_rows_are_no_deadlock)
{
    write_together(false);
    write_together(true);
}
