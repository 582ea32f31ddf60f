/*
 * Goal: the memtable answers every question as a sorted list of all versions would, whatever the
 * order of the puts, while it grows, while others read, and when memory fails.
 *
 * Method: random puts and ends on few keys (so that versions pile up) and on many (so that the
 * tree splits), each followed by the same question to a naive model; one writer with readers that
 * check what a snapshot promises; every allocation made to fail once.
 */

#include "storage/memtable/memtable.h"

#include <pthread.h>

#include "base/hash.h"
#include "storage/memtable/memtable_internal.h"
#include "test.h"

#define KEY_COUNT_MAX 4096u

/* ---- fixtures ---- */

static uint64_t random_state = 20261120;

static uint64_t draw(uint64_t bound)
{
    random_state++;
    return hash_u64(random_state) % bound;
}

/* id int8 or name text as the key; a note text; a number int4; a vector; a flag. */
static struct schema *make_schema(bool integer_key)
{
    struct type vector = type_of(TYPE_VECTOR);
    vector.parameter = 3;
    struct schema_column columns[5] = {
        {.id = 1, .not_null = true, .name = "id", .type = type_of(TYPE_INT8)},
        {.id = 2, .name = "note", .type = type_of(TYPE_TEXT)},
        {.id = 3, .name = "number", .type = type_of(TYPE_INT4)},
        {.id = 4, .name = "place", .type = vector},
        {.id = 5, .name = "flag", .type = type_of(TYPE_BOOL)},
    };
    if (!integer_key) {
        columns[0].type = type_of(TYPE_TEXT);
    }
    for (size_t i = 0; i < 5; i++) {
        columns[i].missing = (struct datum){.type = columns[i].type, .is_null = true};
    }
    uint32_t key_columns[1] = {0};
    const struct schema description = {
        .version = 1,
        .column_count = 5,
        .columns = columns,
        .key_count = 1,
        .key_columns = key_columns,
        .column_id_next = 6,
    };
    struct schema *schema = NULL;
    struct err err = {0};
    CHECK(schema_create(&description, &alloc_system, &schema, &err) == TDBPLUS_OK);
    return schema;
}

/* A key, by a number below KEY_COUNT_MAX that orders like it. */
struct test_key {
    uint8_t data[64];
    size_t size;
    uint64_t code;
};

static int64_t integer_of(uint32_t number)
{
    return ((int64_t)number - KEY_COUNT_MAX / 2) * 1000;
}

/* Text keys share their first bytes in groups of 64, so that codes tie; some contain zero bytes,
 * and each group's first is a prefix of the others. */
static struct span text_of(uint32_t number, char text[64])
{
    int size = snprintf(text, 64, "k%06u", number / 64);
    if (number % 64 > 0) {
        size += snprintf(text + size, 64 - (size_t)size, "%c%02u-and-more", 0, number % 64);
        size -= number % 3 == 0 ? 9 : 0;
    }
    return (struct span){.data = (const uint8_t *)text, .size = (size_t)size};
}

static struct test_key make_key(bool integer_key, uint32_t number)
{
    struct test_key key = {0};
    if (integer_key) {
        key.code = key_code_of_integer(integer_of(number));
        store_u64_be(key.data, key.code);
        key.size = 8;
        return key;
    }
    struct span text = text_of(number, (char *)key.data);
    key.size = text.size;
    key.code = key_code(text);
    return key;
}

static struct span span_of_key(const struct test_key *key)
{
    return (struct span){.data = key->data, .size = key->size};
}

/* The values of version `version` of key `number`; everything follows from the two. */
struct test_row {
    struct datum values[5];
    char text[64];
    char note[64];
    float place[3];
};

static void make_row(struct test_row *row, bool integer_key, uint32_t number, uint64_t version)
{
    uint64_t chance = hash_u64(number * (uint64_t)1000003 + version);
    int note_size = snprintf(row->note, sizeof row->note, "note %u of %llu", number,
                             (unsigned long long)version);
    note_size = chance % 5 == 0 ? 3 : note_size;
    row->place[0] = (float)number;
    row->place[1] = (float)(version % 1000);
    row->place[2] = 0.5F;
    struct type vector = type_of(TYPE_VECTOR);
    vector.parameter = 3;
    row->values[0] = (struct datum){.type = type_of(integer_key ? TYPE_INT8 : TYPE_TEXT)};
    if (integer_key) {
        row->values[0].integer = integer_of(number);
    } else {
        row->values[0].bytes = text_of(number, row->text);
    }
    row->values[1] = (struct datum){
        .type = type_of(TYPE_TEXT),
        .is_null = chance % 7 == 0,
        .bytes = {.data = (const uint8_t *)row->note, .size = (size_t)note_size},
    };
    row->values[2] =
        (struct datum){.type = type_of(TYPE_INT4), .integer = (int32_t)(chance & 0xFFFFFF)};
    row->values[3] = (struct datum){
        .type = vector,
        .is_null = chance % 11 == 0,
        .bytes = {.data = (const uint8_t *)row->place, .size = sizeof row->place},
    };
    row->values[4] = (struct datum){.type = type_of(TYPE_BOOL), .boolean = (chance & 1) != 0};
}

static size_t bytes_of_row(const struct test_row *row, const struct test_key *key)
{
    return key->size + row->values[1].bytes.size +
           (row->values[0].type.id == TYPE_TEXT ? row->values[0].bytes.size : 0);
}

static struct memtable *make_memtable(const struct schema *schema, const struct alloc *alloc)
{
    struct memtable *memtable = NULL;
    struct err err = {0};
    CHECK(memtable_create(schema, alloc, &memtable, &err) == TDBPLUS_OK);
    return memtable;
}

static uint32_t put(struct memtable *memtable, bool integer_key, uint32_t number,
                    uint64_t timestamp, bool *ended_out)
{
    struct test_key key = make_key(integer_key, number);
    struct test_row row;
    make_row(&row, integer_key, number, timestamp);
    CHECK(memtable_reserve(memtable, 1, bytes_of_row(&row, &key), NULL) == TDBPLUS_OK);
    return memtable_put(memtable, span_of_key(&key), key.code, row.values, timestamp, ended_out);
}

/* ---- the model ---- */

struct version {
    uint32_t number; /* Of the key. */
    uint64_t begin;
    uint64_t end;
    uint32_t older;
};

struct model {
    struct version *versions; /* By row. */
    uint32_t count;
    uint32_t newest[KEY_COUNT_MAX];
};

static void model_init(struct model *model, uint32_t row_count_max)
{
    model->versions = alloc_array(&alloc_system, row_count_max, sizeof *model->versions);
    model->count = 0;
    for (uint32_t i = 0; i < KEY_COUNT_MAX; i++) {
        model->newest[i] = MEMTABLE_ROW_NONE;
    }
}

static void model_deinit(struct model *model, uint32_t row_count_max)
{
    alloc_free(&alloc_system, model->versions, row_count_max, sizeof *model->versions);
}

static bool model_end(struct model *model, uint32_t number, uint64_t timestamp)
{
    uint32_t newest = model->newest[number];
    if (newest == MEMTABLE_ROW_NONE || model->versions[newest].end != TIMESTAMP_OPEN) {
        return false;
    }
    model->versions[newest].end = timestamp;
    return true;
}

static bool model_put(struct model *model, uint32_t number, uint64_t timestamp)
{
    bool ended = model_end(model, number, timestamp);
    model->versions[model->count] =
        (struct version){number, timestamp, TIMESTAMP_OPEN, model->newest[number]};
    model->newest[number] = model->count++;
    return ended;
}

/* The naive way: look at every version. */
static uint32_t model_find(const struct model *model, uint32_t number, uint64_t snapshot)
{
    for (uint32_t row = model->newest[number]; row != MEMTABLE_ROW_NONE;
         row = model->versions[row].older) {
        if (model->versions[row].begin <= snapshot && snapshot < model->versions[row].end) {
            return row;
        }
    }
    return MEMTABLE_ROW_NONE;
}

static bool same_datum(const struct datum *left, const struct datum *right)
{
    return left->is_null == right->is_null && type_equal(left->type, right->type) &&
           (left->is_null || datum_compare(left, right) == 0);
}

static void check_row(const struct memtable *memtable, const struct model *model, uint32_t row,
                      bool integer_key)
{
    const struct version *version = &model->versions[row];
    CHECK(memtable_begin(memtable, row) == version->begin);
    CHECK(memtable_end_of(memtable, row) == version->end);
    CHECK(memtable_older(memtable, row) == version->older);
    struct test_key key = make_key(integer_key, version->number);
    uint8_t scratch[8];
    CHECK(span_compare(memtable_key(memtable, row, scratch), span_of_key(&key)) == 0);
    struct test_row expected;
    make_row(&expected, integer_key, version->number, version->begin);
    for (uint32_t i = 0; i < 5; i++) {
        struct datum value;
        memtable_value(memtable, row, i, &value);
        CHECK(same_datum(&value, &expected.values[i]));
    }
}

/* ---- order of keys ---- */

static void check_cursors(const struct memtable *memtable, const struct model *model,
                          bool integer_key, uint32_t from)
{
    struct test_key key = make_key(integer_key, from);
    struct memtable_cursor cursor;
    memtable_cursor_seek(&cursor, memtable, span_of_key(&key));
    for (uint32_t number = from; number < KEY_COUNT_MAX; number++) {
        if (model->newest[number] != MEMTABLE_ROW_NONE) {
            CHECK(memtable_cursor_next(&cursor) == model->newest[number]);
        }
    }
    CHECK(memtable_cursor_next(&cursor) == MEMTABLE_ROW_NONE);
    CHECK(memtable_cursor_next(&cursor) == MEMTABLE_ROW_NONE);

    memtable_cursor_seek_last(&cursor, memtable, span_of_key(&key));
    for (uint32_t number = from + 1; number-- > 0;) {
        if (model->newest[number] != MEMTABLE_ROW_NONE) {
            CHECK(memtable_cursor_previous(&cursor) == model->newest[number]);
        }
    }
    CHECK(memtable_cursor_previous(&cursor) == MEMTABLE_ROW_NONE);
    CHECK(memtable_cursor_previous(&cursor) == MEMTABLE_ROW_NONE);
}

static void check_whole_walks(const struct memtable *memtable, const struct model *model)
{
    struct memtable_cursor cursor;
    memtable_cursor_seek(&cursor, memtable, (struct span){0});
    for (uint32_t number = 0; number < KEY_COUNT_MAX; number++) {
        if (model->newest[number] != MEMTABLE_ROW_NONE) {
            CHECK(memtable_cursor_next(&cursor) == model->newest[number]);
            uint8_t scratch[8];
            struct span key = memtable_key(memtable, model->newest[number], scratch);
            CHECK(memtable_cursor_next_code(&cursor) == key_code(key));
        }
    }
    CHECK(memtable_cursor_next(&cursor) == MEMTABLE_ROW_NONE);
    memtable_cursor_seek_last(&cursor, memtable, (struct span){0});
    for (uint32_t number = KEY_COUNT_MAX; number-- > 0;) {
        if (model->newest[number] != MEMTABLE_ROW_NONE) {
            CHECK(memtable_cursor_previous(&cursor) == model->newest[number]);
            uint8_t scratch[8];
            struct span key = memtable_key(memtable, model->newest[number], scratch);
            CHECK(memtable_cursor_previous_code(&cursor) == key_code(key));
        }
    }
    CHECK(memtable_cursor_previous(&cursor) == MEMTABLE_ROW_NONE);
}

/* ---- scans ---- */

static void check_scan(const struct memtable *memtable, const struct model *model, bool integer_key,
                       uint64_t snapshot)
{
    const uint32_t positions[3] = {2, 1, 3};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint32_t first = 0;
    for (;; first += MEMTABLE_CHUNK_ROW_COUNT) {
        batch_reset(&batch);
        CHECK(memtable_scan_chunk(memtable, first, snapshot, positions, 3, &batch, NULL) ==
              TDBPLUS_OK);
        if (batch.row_count == 0) {
            break;
        }
        uint32_t live = 0;
        for (uint32_t i = 0; i < batch.row_count; i++) {
            const struct version *version = &model->versions[first + i];
            bool is_visible = version->begin <= snapshot && snapshot < version->end;
            bool is_selected = batch.selection == NULL ||
                               (live < batch.selected_count && batch.selection[live] == i);
            CHECK(is_selected == is_visible);
            live += is_selected ? 1 : 0;
            struct test_row expected;
            make_row(&expected, integer_key, version->number, version->begin);
            for (uint32_t c = 0; c < 3; c++) {
                struct datum value;
                column_get(&batch.columns[c], i, &value);
                CHECK(same_datum(&value, &expected.values[positions[c]]));
            }
        }
        CHECK(live == batch_live_count(&batch));
    }
    CHECK(first >= model->count && first < model->count + MEMTABLE_CHUNK_ROW_COUNT);
    batch_deinit(&batch);
}

static void check_gather(const struct memtable *memtable, const struct model *model,
                         bool integer_key)
{
    const uint32_t positions[5] = {4, 3, 2, 1, 0};
    uint32_t rows[100];
    for (uint32_t i = 0; i < 100; i++) {
        rows[i] = (uint32_t)draw(model->count);
    }
    struct batch batch;
    batch_init(&batch, &alloc_system);
    CHECK(memtable_gather(memtable, rows, 100, positions, 5, &batch, NULL) == TDBPLUS_OK);
    CHECK(batch.row_count == 100 && batch.column_count == 5 && batch.selection == NULL);
    for (uint32_t i = 0; i < 100; i++) {
        struct test_row expected;
        make_row(&expected, integer_key, model->versions[rows[i]].number,
                 model->versions[rows[i]].begin);
        for (uint32_t c = 0; c < 5; c++) {
            struct datum value;
            column_get(&batch.columns[c], i, &value);
            CHECK(same_datum(&value, &expected.values[positions[c]]));
        }
    }
    batch_deinit(&batch);
}

static void check_find_batch(const struct memtable *memtable, const struct model *model,
                             bool integer_key, uint32_t key_count, uint64_t snapshot)
{
    struct test_key data[50] = {0};
    struct memtable_key keys[50] = {0};
    uint32_t numbers[50];
    uint32_t rows[50];
    uint32_t count = (uint32_t)draw(51);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = (uint32_t)draw(key_count);
        data[i] = make_key(integer_key, numbers[i]);
        keys[i] = (struct memtable_key){span_of_key(&data[i]), data[i].code};
    }
    memtable_find_batch(memtable, keys, count, snapshot, rows);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(rows[i] == model_find(model, numbers[i], snapshot));
    }
}

/* ---- against the model ---- */

enum key_order { RANDOM_KEYS, ASCENDING_KEYS, DESCENDING_KEYS, RUNS_OF_KEYS };

static uint32_t next_number(enum key_order order, uint32_t i, uint32_t key_count)
{
    switch (order) {
    case ASCENDING_KEYS:
        return i % key_count;
    case DESCENDING_KEYS:
        return key_count - 1 - i % key_count;
    case RUNS_OF_KEYS: // Ascending runs that begin anywhere.
        return (uint32_t)((hash_u64(i / 100) + i % 100) % key_count);
    case RANDOM_KEYS:
    default:
        return (uint32_t)draw(key_count);
    }
}

static void compare_with_model(bool integer_key, enum key_order order, uint32_t key_count,
                               uint32_t step_count)
{
    static struct model model;
    model_init(&model, step_count);
    struct schema *schema = make_schema(integer_key);
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct memtable *memtable = make_memtable(schema, &fault.alloc);
    uint64_t timestamp = 10;
    for (uint32_t i = 0; i < step_count; i++) {
        timestamp += draw(3) == 0 ? 0 : 1; // Versions of one timestamp happen.
        uint32_t number = next_number(order, i, key_count);
        struct test_key key = make_key(integer_key, number);
        if (draw(8) == 0) {
            bool ended = memtable_end(memtable, span_of_key(&key), key.code, timestamp);
            CHECK(ended == model_end(&model, number, timestamp));
        } else {
            bool ended = false;
            uint32_t row = put(memtable, integer_key, number, timestamp, &ended);
            CHECK(ended == model_put(&model, number, timestamp));
            CHECK(row == model.newest[number]);
        }
        uint32_t other = (uint32_t)draw(key_count);
        uint64_t snapshot = 9 + draw(timestamp - 8);
        key = make_key(integer_key, other);
        CHECK(memtable_newest(memtable, span_of_key(&key), key.code) == model.newest[other]);
        CHECK(memtable_find(memtable, span_of_key(&key), key.code, snapshot) ==
              model_find(&model, other, snapshot));
        if (draw(step_count / 16) == 0) {
            check_cursors(memtable, &model, integer_key, other);
            check_find_batch(memtable, &model, integer_key, key_count, snapshot);
        }
    }
    CHECK(memtable_row_count(memtable) == model.count);
    for (uint32_t row = 0; row < model.count; row++) {
        check_row(memtable, &model, row, integer_key);
    }
    check_whole_walks(memtable, &model);
    check_scan(memtable, &model, integer_key, timestamp);
    check_scan(memtable, &model, integer_key, timestamp / 2);
    check_scan(memtable, &model, integer_key, 0);
    check_gather(memtable, &model, integer_key);
    for (uint32_t i = 0; i < 100; i++) {
        check_find_batch(memtable, &model, integer_key, key_count, 9 + draw(timestamp));
    }
    CHECK(memtable_size_bytes(memtable) == fault.live_bytes);
    memtable_trim(memtable);
    CHECK(memtable_size_bytes(memtable) == fault.live_bytes);
    memtable_destroy(memtable);
    CHECK(fault.live_bytes == 0);
    schema_destroy(schema);
    model_deinit(&model, step_count);
}

TEST(integer_keys_answer_like_a_list_of_versions)
{
    compare_with_model(true, RANDOM_KEYS, KEY_COUNT_MAX, 20000);
    compare_with_model(true, RANDOM_KEYS, 3, 300);
    compare_with_model(true, ASCENDING_KEYS, KEY_COUNT_MAX, 6000);
    compare_with_model(true, DESCENDING_KEYS, KEY_COUNT_MAX, 6000);
    compare_with_model(true, RUNS_OF_KEYS, KEY_COUNT_MAX, 6000);
}

TEST(text_keys_with_equal_codes_answer_like_a_list_of_versions)
{
    compare_with_model(false, RANDOM_KEYS, KEY_COUNT_MAX, 20000);
    compare_with_model(false, RANDOM_KEYS, 64, 1000);
    compare_with_model(false, ASCENDING_KEYS, KEY_COUNT_MAX, 6000);
    compare_with_model(false, DESCENDING_KEYS, KEY_COUNT_MAX, 6000);
    compare_with_model(false, RUNS_OF_KEYS, KEY_COUNT_MAX, 6000);
}

/* ---- rows that are appended first and linked later ---- */

#define LATE_COUNT_MAX 6000u

struct late_change {
    uint32_t number; /* Of the key. */
    uint32_t row;    /* MEMTABLE_ROW_NONE: the key's row ends. */
    uint64_t timestamp;
    bool ends; /* What the model says of it. */
};

/* Sorts by key; changes of one key stay in order. */
static void sort_changes(struct late_change *changes, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct late_change change = changes[i];
        uint32_t at = i;
        for (; at > 0 && changes[at - 1].number > change.number; at--) {
            changes[at] = changes[at - 1];
        }
        changes[at] = change;
    }
}

static struct late_change draw_change(struct memtable *memtable, struct model *model,
                                      bool integer_key, uint32_t number, uint64_t timestamp)
{
    struct late_change change = {.number = number, .timestamp = timestamp};
    if (draw(6) == 0) {
        change.row = MEMTABLE_ROW_NONE;
        change.ends = model_end(model, number, timestamp);
        return change;
    }
    struct test_key key = make_key(integer_key, number);
    struct test_row row;
    make_row(&row, integer_key, number, timestamp);
    CHECK(memtable_reserve_rows(memtable, 1, bytes_of_row(&row, &key), NULL) == TDBPLUS_OK);
    change.row = memtable_append(memtable, span_of_key(&key), key.code, row.values, timestamp);
    change.ends = model_put(model, number, timestamp);
    return change;
}

static void link_change(struct memtable *memtable, bool integer_key,
                        const struct late_change *change)
{
    struct test_key key = make_key(integer_key, change->number);
    struct span span = span_of_key(&key);
    if (change->row == MEMTABLE_ROW_NONE) {
        CHECK(memtable_end(memtable, span, key.code, change->timestamp) == change->ends);
        return;
    }
    CHECK(memtable_reserve_links(memtable, 1, NULL) == TDBPLUS_OK);
    CHECK(memtable_link(memtable, change->row, memtable_order_of(memtable, span, key.code)) ==
          change->ends);
}

static void compare_linked_rows(bool integer_key, uint32_t key_count, uint32_t batch_count)
{
    static struct model model;
    static struct late_change changes[LATE_COUNT_MAX];
    model_init(&model, 3 * LATE_COUNT_MAX);
    struct schema *schema = make_schema(integer_key);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    uint64_t timestamp = 10;
    while (model.count + batch_count <= 3 * LATE_COUNT_MAX) {
        for (uint32_t i = 0; i < batch_count; i++) {
            timestamp += draw(3) == 0 ? 0 : 1;
            changes[i] =
                draw_change(memtable, &model, integer_key, (uint32_t)draw(key_count), timestamp);
        }
        sort_changes(changes, batch_count);
        CHECK(memtable_links_begin(memtable, NULL) == TDBPLUS_OK);
        for (uint32_t i = 0; i < batch_count; i++) {
            link_change(memtable, integer_key, &changes[i]);
        }
        check_find_batch(memtable, &model, integer_key, key_count, 9 + draw(timestamp));
    }
    for (uint32_t row = 0; row < model.count; row++) {
        check_row(memtable, &model, row, integer_key);
    }
    check_whole_walks(memtable, &model);
    memtable_destroy(memtable);
    schema_destroy(schema);
    model_deinit(&model, 3 * LATE_COUNT_MAX);
}

TEST(rows_linked_after_they_came_answer_like_a_list_of_versions)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        compare_linked_rows(kind == 0, KEY_COUNT_MAX, LATE_COUNT_MAX);
        compare_linked_rows(kind == 0, KEY_COUNT_MAX, 100);
        compare_linked_rows(kind == 0, 5, 1000);
    }
}

TEST(an_empty_memtable_finds_nothing)
{
    struct schema *schema = make_schema(true);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    for (int round = 0; round < 2; round++) {
        struct test_key key = make_key(true, 5);
        CHECK(memtable_newest(memtable, span_of_key(&key), key.code) == MEMTABLE_ROW_NONE);
        CHECK(!memtable_end(memtable, span_of_key(&key), key.code, 7));
        memtable_walk_prefetch(memtable, key.code);
        const struct memtable_key one = {span_of_key(&key), key.code};
        memtable_put_prefetch(memtable, &one);
        uint32_t row = 0;
        memtable_find_batch(memtable, &one, 1, 5, &row);
        CHECK(row == MEMTABLE_ROW_NONE);
        struct memtable_cursor cursor;
        memtable_cursor_seek(&cursor, memtable, (struct span){0});
        CHECK(memtable_cursor_next(&cursor) == MEMTABLE_ROW_NONE);
        memtable_cursor_seek_last(&cursor, memtable, (struct span){0});
        CHECK(memtable_cursor_previous(&cursor) == MEMTABLE_ROW_NONE);
        memtable_cursor_seek(&cursor, memtable, span_of_key(&key));
        CHECK(memtable_cursor_next(&cursor) == MEMTABLE_ROW_NONE);
        memtable_cursor_seek_last(&cursor, memtable, span_of_key(&key));
        CHECK(memtable_cursor_previous(&cursor) == MEMTABLE_ROW_NONE);
        struct batch batch;
        batch_init(&batch, &alloc_system);
        CHECK(memtable_scan_chunk(memtable, 0, 5, NULL, 0, &batch, NULL) == TDBPLUS_OK);
        CHECK(batch.row_count == 0);
        batch_deinit(&batch);
        // The second round: reserved, but nothing put.
        CHECK(memtable_reserve(memtable, 1, 0, NULL) == TDBPLUS_OK);
    }
    memtable_destroy(memtable);
    memtable_destroy(NULL);
    schema_destroy(schema);
}

/* ---- memory ---- */

TEST(small_memtables_take_little_memory)
{
    struct schema *schema = make_schema(false);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    CHECK(memtable_size_bytes(memtable) < 4096);
    for (uint32_t i = 0; i < 10; i++) {
        put(memtable, false, i * 37, 5, NULL);
    }
    CHECK(memtable_size_bytes(memtable) < 16u << 10);
    memtable_destroy(memtable);
    schema_destroy(schema);
}

TEST(ascending_keys_fill_their_leaves)
{
    struct schema *schema = make_schema(true);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    const uint32_t row_count = 100000;
    for (uint32_t i = 0; i < row_count; i++) {
        struct test_row row;
        make_row(&row, true, 0, 1);
        row.values[0].integer = i;
        row.values[1].is_null = true;
        uint8_t data[8];
        store_u64_be(data, key_code_of_integer(i));
        CHECK(memtable_reserve(memtable, 1, 0, NULL) == TDBPLUS_OK);
        memtable_put(memtable, (struct span){data, 8}, key_code_of_integer(i), row.values, 1, NULL);
    }
    memtable_trim(memtable);
    // A row: two stamps, older, 8 + 16 + 4 + 12 + 1 bytes of values. Leaves take 14 bytes a row if
    // they are full and 28 if they are half empty; bitmaps and the first chunks' copies take 2; the
    // table of keys has 13 to 26 bytes a row. Memory comes in blocks of 2 MiB.
    size_t rows_bytes = (size_t)row_count * (16 + 4 + 41);
    CHECK(memtable_size_bytes(memtable) <
          rows_bytes + (size_t)row_count * (17 + 26) + ((size_t)2 << 20));
    memtable_destroy(memtable);
    schema_destroy(schema);
}

/* Puts `row_count` rows with an allocator that refuses everything since the reserve. */
static void put_without_memory(struct memtable *memtable, struct fault_alloc *fault,
                               bool integer_key, uint32_t row_count, enum key_order order)
{
    static uint32_t turn;
    size_t byte_count = 0;
    static uint32_t numbers[KEY_COUNT_MAX];
    for (uint32_t i = 0; i < row_count; i++) {
        numbers[i] = next_number(order, turn++, KEY_COUNT_MAX);
        struct test_key key = make_key(integer_key, numbers[i]);
        struct test_row row;
        make_row(&row, integer_key, numbers[i], 7);
        byte_count += bytes_of_row(&row, &key);
    }
    CHECK(memtable_reserve(memtable, row_count, byte_count, NULL) == TDBPLUS_OK);
    uint32_t calls = fault->calls;
    for (uint32_t i = 0; i < row_count; i++) {
        struct test_key key = make_key(integer_key, numbers[i]);
        struct test_row row;
        make_row(&row, integer_key, numbers[i], 7);
        memtable_put(memtable, span_of_key(&key), key.code, row.values, 7, NULL);
    }
    CHECK(fault->calls == calls);
}

TEST(a_reserve_is_enough_for_every_order_of_puts)
{
    static const uint32_t batch_sizes[] = {1, 2, 3, 31, 64, 65, 400, 2500};
    for (uint32_t variant = 0; variant < 8; variant++) {
        bool integer_key = variant % 2 == 0;
        struct schema *schema = make_schema(integer_key);
        for (size_t size = 0; size < sizeof batch_sizes / sizeof batch_sizes[0]; size++) {
            struct fault_alloc fault;
            fault_alloc_init(&fault, UINT32_MAX);
            struct memtable *memtable = make_memtable(schema, &fault.alloc);
            uint32_t rounds = batch_sizes[size] < 32 ? 1500 : 6;
            for (uint32_t round = 0; round < rounds; round++) {
                put_without_memory(memtable, &fault, integer_key, batch_sizes[size],
                                   (enum key_order)(variant / 2));
            }
            memtable_destroy(memtable);
        }
        schema_destroy(schema);
    }
}

TEST(a_reserve_beyond_the_row_limit_is_refused)
{
    struct schema *schema = make_schema(true);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    put(memtable, true, 1, 5, NULL);
    struct err err = {0};
    CHECK(memtable_reserve(memtable, MEMTABLE_ROW_COUNT_MAX, 0, &err) == TDBPLUS_E_LIMIT);
    put(memtable, true, 2, 6, NULL);
    CHECK(memtable_row_count(memtable) == 2);
    memtable_destroy(memtable);
    schema_destroy(schema);
}

/* One script; stops at the first failure. Rows put before must still be right after it. */
static tdbplus_status run_script(const struct schema *schema, struct fault_alloc *fault)
{
    struct memtable *memtable = NULL;
    tdbplus_status status = memtable_create(schema, &fault->alloc, &memtable, NULL);
    uint32_t done = 0;
    while (status == TDBPLUS_OK && done < 3000) {
        struct test_key key = make_key(false, done);
        struct test_row row;
        make_row(&row, false, done, done + 1);
        status = memtable_reserve(memtable, 1, bytes_of_row(&row, &key), NULL);
        if (status == TDBPLUS_OK) {
            memtable_put(memtable, span_of_key(&key), key.code, row.values, done + 1, NULL);
            done++;
        }
    }
    for (uint32_t i = 0; i < done; i += 7) {
        struct test_key key = make_key(false, i);
        CHECK(memtable_find(memtable, span_of_key(&key), key.code, done) == i);
    }
    if (status == TDBPLUS_OK) {
        const uint32_t positions[2] = {1, 3};
        struct batch batch;
        batch_init(&batch, &fault->alloc);
        status = memtable_scan_chunk(memtable, 2048, 2500, positions, 2, &batch, NULL);
        const uint32_t rows[2] = {5, 2999};
        if (status == TDBPLUS_OK) {
            status = memtable_gather(memtable, rows, 2, positions, 2, &batch, NULL);
        }
        batch_deinit(&batch);
    }
    memtable_destroy(memtable);
    return status;
}

TEST(every_failed_allocation_is_an_ordinary_error)
{
    struct schema *schema = make_schema(false);
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        tdbplus_status status = run_script(schema, &fault);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at > 50); // Memtable, chunks, directory, nodes, values, batch.
    schema_destroy(schema);
}

TEST(a_batch_stays_valid_while_the_first_chunk_grows)
{
    struct schema *schema = make_schema(true);
    struct memtable *memtable = make_memtable(schema, &alloc_system);
    for (uint32_t i = 0; i < 5; i++) {
        put(memtable, true, i, 5, NULL);
    }
    const uint32_t positions[2] = {0, 1};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    CHECK(memtable_scan_chunk(memtable, 0, 5, positions, 2, &batch, NULL) == TDBPLUS_OK);
    for (uint32_t i = 5; i < 4000; i++) {
        put(memtable, true, i, 6, NULL);
    }
    for (uint32_t i = 0; i < 5; i++) {
        struct datum value;
        column_get(&batch.columns[0], i, &value);
        CHECK(value.integer == integer_of(i));
    }
    batch_deinit(&batch);
    memtable_destroy(memtable);
    schema_destroy(schema);
}

/* ---- readers beside the writer ---- */

#define READER_COUNT  3u
#define THREAD_KEYS   2000u
#define THREAD_ROUNDS 3u

struct shared {
    struct memtable *memtable;
    bool integer_key;
    _Atomic uint64_t visible; /* Puts up to this timestamp are done. */
    _Atomic bool is_done;
    _Atomic uint64_t checks;
};

/* Timestamp t puts key (t * 701) % THREAD_KEYS: every key once a round, in a scattered order. */
static uint32_t number_at(uint64_t timestamp)
{
    return (uint32_t)(timestamp * 701 % THREAD_KEYS);
}

/* When key `number` was last put at or below `snapshot`; 0: never. */
static uint64_t last_put(uint32_t number, uint64_t snapshot)
{
    for (uint64_t back = 0; back < THREAD_KEYS && back < snapshot; back++) {
        if (number_at(snapshot - back) == number) {
            return snapshot - back;
        }
    }
    return 0;
}

static void check_point(struct shared *shared, uint64_t snapshot, uint64_t *state)
{
    uint32_t number = (uint32_t)(hash_u64((*state)++) % THREAD_KEYS);
    struct test_key key = make_key(shared->integer_key, number);
    uint64_t expected = last_put(number, snapshot);
    uint32_t row = memtable_find(shared->memtable, span_of_key(&key), key.code, snapshot);
    const struct memtable_key keys[2] = {{span_of_key(&key), key.code},
                                         {span_of_key(&key), key.code}};
    uint32_t rows[2];
    memtable_find_batch(shared->memtable, keys, 2, snapshot, rows);
    CHECK(rows[0] == row && rows[1] == row);
    CHECK((row == MEMTABLE_ROW_NONE) == (expected == 0));
    if (row == MEMTABLE_ROW_NONE) {
        return;
    }
    CHECK(memtable_begin(shared->memtable, row) == expected);
    struct test_row content;
    make_row(&content, shared->integer_key, number, expected);
    for (uint32_t i = 0; i < 5; i++) {
        struct datum value;
        memtable_value(shared->memtable, row, i, &value);
        CHECK(same_datum(&value, &content.values[i]));
    }
}

/* Every key put so far comes along in order; others may. */
static void check_walk(struct shared *shared, uint64_t snapshot, bool forward)
{
    struct memtable_cursor cursor;
    struct span whole = {0};
    if (forward) {
        memtable_cursor_seek(&cursor, shared->memtable, whole);
    } else {
        memtable_cursor_seek_last(&cursor, shared->memtable, whole);
    }
    uint64_t seen = 0;
    struct bytes before = {0};
    uint8_t before_data[64];
    for (;;) {
        uint32_t row = forward ? memtable_cursor_next(&cursor) : memtable_cursor_previous(&cursor);
        if (row == MEMTABLE_ROW_NONE) {
            break;
        }
        uint8_t scratch[8];
        struct span key = memtable_key(shared->memtable, row, scratch);
        int order =
            before.size == 0 ? 0 : span_compare((struct span){before_data, before.size}, key);
        CHECK(before.size == 0 || (forward ? order < 0 : order > 0));
        memcpy(before_data, key.data, key.size);
        before.size = key.size;
        while (row != MEMTABLE_ROW_NONE && memtable_begin(shared->memtable, row) > snapshot) {
            row = memtable_older(shared->memtable, row);
        }
        seen += row != MEMTABLE_ROW_NONE ? 1 : 0;
    }
    CHECK(seen == (snapshot < THREAD_KEYS ? snapshot : THREAD_KEYS));
}

static void check_chunks(struct shared *shared, uint64_t snapshot)
{
    const uint32_t positions[2] = {2, 1};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint64_t live = 0;
    for (uint32_t first = 0;; first += MEMTABLE_CHUNK_ROW_COUNT) {
        batch_reset(&batch);
        CHECK(memtable_scan_chunk(shared->memtable, first, snapshot, positions, 2, &batch, NULL) ==
              TDBPLUS_OK);
        if (batch.row_count == 0) {
            break;
        }
        live += batch_live_count(&batch);
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t at = batch.selection == NULL ? i : batch.selection[i];
            uint64_t timestamp = first + at + 1; // One row a timestamp.
            struct test_row content;
            make_row(&content, shared->integer_key, number_at(timestamp), timestamp);
            struct datum value;
            column_get(&batch.columns[1], at, &value);
            CHECK(same_datum(&value, &content.values[1]));
        }
    }
    CHECK(live == (snapshot < THREAD_KEYS ? snapshot : THREAD_KEYS));
    batch_deinit(&batch);
}

static void *read_along(void *arg)
{
    struct shared *shared = arg;
    uint64_t state = (uint64_t)(uintptr_t)&state;
    uint64_t rounds = 0;
    bool is_last = false;
    while (!is_last) {
        is_last = atomic_load_explicit(&shared->is_done, memory_order_acquire);
        uint64_t snapshot = atomic_load_explicit(&shared->visible, memory_order_acquire);
        for (int i = 0; i < 20; i++) {
            check_point(shared, snapshot, &state);
        }
        check_walk(shared, snapshot, rounds % 2 == 0);
        check_chunks(shared, snapshot);
        rounds++;
    }
    atomic_fetch_add(&shared->checks, rounds);
    return NULL;
}

static void read_beside_the_writer(bool integer_key)
{
    struct schema *schema = make_schema(integer_key);
    struct shared shared = {.integer_key = integer_key};
    shared.memtable = make_memtable(schema, &alloc_system);
    pthread_t readers[READER_COUNT];
    for (uint32_t i = 0; i < READER_COUNT; i++) {
        CHECK(pthread_create(&readers[i], NULL, read_along, &shared) == 0);
    }
    for (uint64_t timestamp = 1; timestamp <= THREAD_ROUNDS * THREAD_KEYS; timestamp++) {
        bool ended = false;
        put(shared.memtable, integer_key, number_at(timestamp), timestamp, &ended);
        CHECK(ended == (timestamp > THREAD_KEYS));
        atomic_store_explicit(&shared.visible, timestamp, memory_order_release);
    }
    atomic_store_explicit(&shared.is_done, true, memory_order_release);
    for (uint32_t i = 0; i < READER_COUNT; i++) {
        pthread_join(readers[i], NULL);
    }
    CHECK(shared.checks >= READER_COUNT);
    memtable_destroy(shared.memtable);
    schema_destroy(schema);
}

TEST(readers_see_whole_snapshots_while_integer_keys_arrive)
{
    read_beside_the_writer(true);
}

TEST(readers_see_whole_snapshots_while_text_keys_arrive)
{
    read_beside_the_writer(false);
}
