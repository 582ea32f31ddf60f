/*
 * Goal: what is loaded is there as if its rows had been written one by one, inside the transaction
 * at once and outside after the commit, whatever else happens before, between and after; and an
 * aborted, failed or crashed load leaves nothing. Method: random loads, row changes, savepoints,
 * flushes, merges and reopenings against an array, with integer and text keys; each allocation of a
 * load refused in turn; writers on threads beside loads.
 */

#include "txn/bulk.h"

#include <stdlib.h>

#include "storage/store/store_read.h"
#include "storage/store/store_recover.h"
#include "store_fixture.h"

#define KEY_COUNT  1200
#define NONE       (-2)
#define ROWS_MAX   6000
#define TEXT_EXTRA "-and-so-much-that-it-is-not-inline"

static uint64_t chance; /* State of next_random(). */

static int32_t next_random(void)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (int32_t)(chance >> 33);
}

struct fixture {
    struct env *env;
    struct store *store;
    struct fault_alloc fault;
    bool text_key;
    bool background;
    struct err err;
    struct call call;
};

static void open_store(struct fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &fixture->fault.alloc,
                                    .directory = "db",
                                    .no_background = !fixture->background,
                                    .memory_limit_bytes = (size_t)64 << 20,
                                    .cache_size_bytes = 4 << 20,
                                    .memtable_size_bytes = 64 << 10,
                                    .deadlock_timeout_us = 20000,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static void create_table(struct fixture *fixture, struct txn *txn, const char *name)
{
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2, .type = {.id = TYPE_INT4}, .name = "v", .missing = {.is_null = true}},
        {.id = 3, .not_null = true, .type = {.id = TYPE_TEXT}, .name = "k"},
        {.id = 4, .type = {.id = TYPE_BYTEA}, .name = "b", .missing = {.is_null = true}},
    };
    uint32_t key = fixture->text_key ? 2 : 0;
    struct schema schema = {.version = 1,
                            .column_count = 4,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 5};
    uint64_t id = 0;
    OK(txn_object_create(txn, OBJECT_COLLECTION, name, &schema, (struct span){0}, &id,
                         &fixture->err));
}

static struct txn *begin(struct fixture *fixture, uint8_t isolation)
{
    struct txn_options options = {.isolation = isolation, .durability = -1};
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, &options, &fixture->fault.alloc, &txn, &fixture->err));
    return txn;
}

static void begin_fixture(struct fixture *fixture, bool text_key, bool background)
{
    *fixture = (struct fixture){.text_key = text_key, .background = background};
    fault_alloc_init(&fixture->fault, UINT32_MAX);
    fixture->call = (struct call){.alloc = &fixture->fault.alloc, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    open_store(fixture);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    create_table(fixture, txn, "t");
    OK(txn_commit(txn, &fixture->call));
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    CHECK(fixture->fault.live_bytes == 0);
    env_ram_destroy(fixture->env);
}

static void key_text(int64_t number, char text[64])
{
    (void)snprintf(text, 64, number % 3 == 0 ? "key-%08lld" : "key-%08lld" TEXT_EXTRA,
                   (long long)number);
}

/* What a row has besides its value: sometimes so much that it goes into a value file. */
static struct datum body_of(int32_t value)
{
    static uint8_t bytes[4096];
    static bool filled;
    for (uint32_t i = 0; !filled && i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 31 % 251);
    }
    filled = true;
    struct datum body = {.type = {.id = TYPE_BYTEA}, .is_null = value < 0};
    if (value >= 0) {
        uint32_t number = (uint32_t)value;
        body.bytes = (struct span){.data = bytes + number % 100,
                                   .size = number % (number % 13 == 0 ? 3900 : 40)};
    }
    return body;
}

/* ---- loading ---- */

struct row {
    int64_t number;
    int32_t value;
};

/* Adds the rows in batches of `step`. */
static tdbplus_status add_rows(struct fixture *fixture, struct bulk *bulk, const struct row *rows,
                               uint32_t count, uint32_t step)
{
    static const struct type types[] = {
        {.id = TYPE_INT8}, {.id = TYPE_INT4}, {.id = TYPE_TEXT}, {.id = TYPE_BYTEA}};
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t first = 0; first < count && status == TDBPLUS_OK; first += step) {
        uint32_t portion = count - first < step ? count - first : step;
        struct batch batch;
        struct column columns[4];
        batch_init(&batch, &alloc_system);
        for (uint32_t c = 0; c < 4; c++) {
            CHECK(column_make(&columns[c], types[c], portion, c % 2 == 1, &batch.arena));
        }
        char(*texts)[64] = arena_array(&batch.arena, portion, sizeof *texts);
        for (uint32_t i = 0; i < portion; i++) {
            const struct row *row = &rows[first + i];
            key_text(row->number, texts[i]);
            struct datum values[] = {
                {.type = types[0], .integer = row->number},
                {.type = types[1], .is_null = row->value < 0, .integer = row->value},
                {.type = types[2], .bytes = span_from_text(texts[i])},
                body_of(row->value),
            };
            for (uint32_t c = 0; c < 4; c++) {
                column_set(&columns[c], i, &values[c]);
            }
        }
        batch.columns = columns;
        batch.column_count = 4;
        batch.row_count = portion;
        status = bulk_add(bulk, &batch, &fixture->call);
        batch_deinit(&batch);
    }
    return status;
}

struct load {
    uint8_t mode;
    uint64_t direct_rows;
    uint32_t step;
};

static tdbplus_status load(struct fixture *fixture, struct txn *txn, const struct load *how,
                           const struct row *rows, uint32_t count)
{
    struct bulk *bulk = NULL;
    struct bulk_options options = {.mode = how->mode, .direct_rows = how->direct_rows};
    err_clear(&fixture->err);
    TRY(bulk_begin(txn, fixture_table(txn, "t"), &options, &bulk, &fixture->err));
    tdbplus_status status = add_rows(fixture, bulk, rows, count, how->step);
    if (status != TDBPLUS_OK) {
        bulk_abort(bulk);
        return status;
    }
    uint64_t loaded = 0;
    status = bulk_end(bulk, &loaded, &fixture->call);
    CHECK(status != TDBPLUS_OK || loaded == count);
    return status;
}

/* ---- the model ---- */

static tdbplus_status put(struct fixture *fixture, struct txn *txn, uint8_t mode, int64_t number,
                          int32_t value)
{
    char text[64];
    key_text(number, text);
    err_clear(&fixture->err);
    struct datum values[] = {
        {.type = {.id = TYPE_INT8}, .integer = number},
        {.type = {.id = TYPE_INT4}, .is_null = value < 0, .integer = value},
        {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)},
        body_of(value),
    };
    return txn_write(txn, fixture_table(txn, "t"), mode, values, NULL, &fixture->call);
}

static struct datum key_datum(const struct fixture *fixture, int64_t number, char text[64])
{
    key_text(number, text);
    if (fixture->text_key) {
        return (struct datum){.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)};
    }
    return (struct datum){.type = {.id = TYPE_INT8}, .integer = number};
}

static int32_t read_row(struct fixture *fixture, struct txn *txn, int64_t number, bool with_body)
{
    char text[64];
    struct datum key = key_datum(fixture, number, text);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct datum values[4];
    bool found = false;
    OK(txn_get(txn, fixture_table(txn, "t"), &key, NULL, 0, &batch, values, &found,
               &fixture->call));
    int32_t value = NONE;
    if (found) {
        char text_of_row[64];
        key_text(number, text_of_row);
        CHECK(values[0].integer == number);
        CHECK(span_compare(values[2].bytes, span_from_text(text_of_row)) == 0);
        value = values[1].is_null ? -1 : (int32_t)values[1].integer;
        struct datum body = body_of(value);
        CHECK(!with_body || values[3].is_null == body.is_null);
        CHECK(!with_body || body.is_null || span_compare(values[3].bytes, body.bytes) == 0);
    }
    batch_deinit(&batch);
    return value;
}

static int32_t get(struct fixture *fixture, struct txn *txn, int64_t number)
{
    return read_row(fixture, txn, number, true);
}

static bool erase(struct fixture *fixture, struct txn *txn, int64_t number)
{
    char text[64];
    struct datum key = key_datum(fixture, number, text);
    bool existed = false;
    OK(txn_delete(txn, fixture_table(txn, "t"), &key, &existed, &fixture->call));
    return existed;
}

/* All rows by a scan are those of the model. */
static void check_scan(struct fixture *fixture, struct txn *txn, const int32_t *model,
                       uint8_t order)
{
    static const uint32_t positions[] = {1, 0};
    struct scan_options options = {.positions = positions, .position_count = 2, .order = order};
    struct scan *scan = NULL;
    struct batch batch;
    batch_init(&batch, &alloc_system);
    static int32_t seen[KEY_COUNT];
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        seen[i] = NONE;
    }
    int64_t last = order == SCAN_DESCENDING ? INT64_MAX : INT64_MIN;
    OK(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
    tdbplus_status status;
    while ((status = scan_next(scan, &batch, &fixture->call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t row = batch.selection == NULL ? i : batch.selection[i];
            struct datum value;
            struct datum number;
            column_get(&batch.columns[0], row, &value);
            column_get(&batch.columns[1], row, &number);
            CHECK(number.integer >= 0 && number.integer < KEY_COUNT);
            CHECK(seen[number.integer] == NONE);
            CHECK(order == SCAN_ANY ||
                  (order == SCAN_ASCENDING ? number.integer > last : number.integer < last));
            last = number.integer;
            seen[number.integer] = value.is_null ? -1 : (int32_t)value.integer;
        }
    }
    CHECK(status == TDBPLUS_END);
    CHECK(memcmp(seen, model, sizeof seen) == 0);
    scan_close(scan);
    batch_deinit(&batch);
}

static void check_model(struct fixture *fixture, struct txn *txn, const int32_t *model)
{
    OK(txn_statement(txn, &fixture->err));
    for (uint8_t order = SCAN_ANY; order <= SCAN_DESCENDING; order++) {
        check_scan(fixture, txn, model, order);
    }
    for (uint32_t i = 0; i < 40; i++) {
        int64_t number = next_random() % KEY_COUNT;
        CHECK(get(fixture, txn, number) == model[number]);
    }
}

static void check_committed(struct fixture *fixture, const int32_t *model)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    check_model(fixture, txn, model);
    txn_abort(txn);
}

static void count_file(const char *name, uint32_t *count)
{
    *count += strncmp(name, "segment-", 8) == 0 ? 1 : 0;
}

static tdbplus_status count_entry(void *ctx, const char *name, bool is_directory)
{
    (void)is_directory;
    count_file(name, ctx);
    return TDBPLUS_OK;
}

/* Files of segments are those that the store knows of. */
static void check_files(struct fixture *fixture)
{
    uint32_t files = 0;
    struct store_statistics statistics;
    OK(env_list(fixture->env, "db", count_entry, &files, &fixture->err));
    store_get_statistics(fixture->store, &statistics);
    if (files != statistics.segment_count) {
        fprintf(stderr, "%u files, %llu segments\n", files,
                (unsigned long long)statistics.segment_count);
    }
    CHECK(files == statistics.segment_count);
}

/* ---- random lives ---- */

static uint32_t make_rows(struct row *rows, int32_t *model, bool insert, bool *refused_out)
{
    int kind = next_random() % 4;
    int64_t from = next_random() % KEY_COUNT;
    uint32_t count = 1 + (uint32_t)next_random() % 700;
    uint32_t made = 0;
    *refused_out = false;
    static int32_t after[KEY_COUNT];
    memcpy(after, model, sizeof after);
    for (uint32_t i = 0; i < count; i++) {
        int64_t number = kind == 0   ? from + i
                         : kind == 1 ? next_random() % KEY_COUNT
                         : kind == 2 ? from + i * 2
                                     : from - i;
        if (number < 0 || number >= KEY_COUNT) {
            break;
        }
        int32_t value = next_random() % 10 == 0 ? -1 : next_random();
        if (insert && after[number] != NONE) {
            // Mostly only what may be inserted.
            if (next_random() % 400 != 0) {
                continue;
            }
            *refused_out = true;
        }
        rows[made++] = (struct row){.number = number, .value = value};
        after[number] = value;
    }
    if (!*refused_out) {
        memcpy(model, after, sizeof after);
    }
    return made;
}

static void load_some(struct fixture *fixture, struct txn *txn, int32_t *model)
{
    static struct row rows[ROWS_MAX];
    bool insert = next_random() % 2 == 0;
    bool refused = false;
    uint32_t count = make_rows(rows, model, insert, &refused);
    struct load how = {.mode = insert ? TXN_INSERT : TXN_UPSERT,
                       .direct_rows = (uint64_t)(1 + next_random() % 200),
                       .step = 1 + (uint32_t)next_random() % 300};
    tdbplus_status status = load(fixture, txn, &how, rows, count);
    if (refused) {
        CHECK(status == TDBPLUS_E_UNIQUE);
        CHECK(strstr(fixture->err.text, "t_pkey") != NULL && fixture->err.detail[0] != '\0');
        err_clear(&fixture->err);
    } else {
        OK(status);
    }
}

static void write_some(struct fixture *fixture, struct txn *txn, int32_t *model)
{
    for (int i = next_random() % 30; i > 0; i--) {
        int64_t number = next_random() % KEY_COUNT;
        if (next_random() % 3 == 0) {
            CHECK(erase(fixture, txn, number) == (model[number] != NONE));
            model[number] = NONE;
        } else if (next_random() % 3 == 0) {
            int32_t value = next_random();
            tdbplus_status status = put(fixture, txn, TXN_INSERT, number, value);
            CHECK(status == (model[number] == NONE ? TDBPLUS_OK : TDBPLUS_E_UNIQUE));
            model[number] = model[number] == NONE ? value : model[number];
            err_clear(&fixture->err);
        } else {
            int32_t value = next_random();
            OK(put(fixture, txn, TXN_UPSERT, number, value));
            model[number] = value;
        }
    }
}

/* Deletes a range of keys. Numbers sort as their texts do. */
static void delete_some(struct fixture *fixture, struct txn *txn, int32_t *model)
{
    char texts[2][64];
    int64_t low = next_random() % KEY_COUNT;
    int64_t high = low + next_random() % (KEY_COUNT / 4);
    struct datum bounds[2] = {key_datum(fixture, low, texts[0]),
                              key_datum(fixture, high, texts[1])};
    struct scan_bound lower = {.values = &bounds[0], .value_count = next_random() % 4 == 0 ? 0 : 1};
    struct scan_bound upper = {
        .values = &bounds[1], .value_count = next_random() % 4 == 0 ? 0 : 1, .exclusive = true};
    uint64_t count = 0;
    uint64_t expected = 0;
    for (int64_t i = 0; i < KEY_COUNT; i++) {
        bool inside = (lower.value_count == 0 || i >= low) && (upper.value_count == 0 || i < high);
        expected += inside && model[i] != NONE ? 1 : 0;
        model[i] = inside ? NONE : model[i];
    }
    bool wants_count = next_random() % 2 == 0;
    OK(txn_statement(txn, &fixture->err));
    OK(txn_delete_range(txn, fixture_table(txn, "t"), &lower, &upper, wants_count ? &count : NULL,
                        &fixture->call));
    CHECK(!wants_count || count == expected);
}

static void change_some(struct fixture *fixture, struct txn *txn, int32_t *model)
{
    for (int i = 1 + next_random() % 3; i > 0; i--) {
        if (next_random() % 2 == 0) {
            load_some(fixture, txn, model);
        } else if (next_random() % 3 == 0) {
            delete_some(fixture, txn, model);
        } else {
            write_some(fixture, txn, model);
        }
        if (next_random() % 4 == 0) {
            check_model(fixture, txn, model);
        }
    }
}

static void run_txn(struct fixture *fixture, int32_t *model)
{
    static int32_t now[KEY_COUNT];
    static int32_t kept[KEY_COUNT];
    struct txn *txn =
        begin(fixture, next_random() % 2 == 0 ? TXN_READ_COMMITTED : TXN_REPEATABLE_READ);
    memcpy(now, model, sizeof now);
    change_some(fixture, txn, now);
    if (next_random() % 3 == 0) {
        struct txn_savepoint savepoint = txn_savepoint_set(txn);
        memcpy(kept, now, sizeof kept);
        change_some(fixture, txn, now);
        if (next_random() % 2 == 0) {
            txn_savepoint_rollback(txn, savepoint);
            memcpy(now, kept, sizeof now);
            check_model(fixture, txn, now);
            change_some(fixture, txn, now);
        }
    }
    if (next_random() % 4 == 0) {
        txn_abort(txn);
        return;
    }
    OK(txn_commit(txn, &fixture->call));
    memcpy(model, now, sizeof now);
}

static void live(bool text_key, unsigned seed)
{
    struct fixture own;
    struct fixture *fixture = &own;
    static int32_t model[KEY_COUNT];
    static int32_t held_model[KEY_COUNT];
    begin_fixture(fixture, text_key, false);
    chance = seed;
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        model[i] = NONE;
    }
    for (uint32_t round = 0; round < 40; round++) {
        struct txn *held = next_random() % 3 == 0 ? begin(fixture, TXN_REPEATABLE_READ) : NULL;
        memcpy(held_model, model, sizeof model);
        run_txn(fixture, model);
        int what = next_random() % 6;
        if (what == 0) {
            OK(store_flush(fixture->store, &fixture->call));
        } else if (what == 1) {
            OK(store_optimize(fixture->store, 0, &fixture->call));
        }
        if (held != NULL) {
            check_scan(fixture, held, held_model, SCAN_ANY);
            CHECK(get(fixture, held, 7) == held_model[7]);
            txn_abort(held);
        }
        if (what == 2) {
            store_close(fixture->store);
            open_store(fixture);
            check_files(fixture);
        }
        check_committed(fixture, model);
    }
    OK(store_verify(fixture->store, NULL, NULL, &fixture->call));
    end_fixture(fixture);
}

TEST(loads_are_as_good_as_rows_with_integer_keys)
{
    for (unsigned seed = 1; seed <= 6; seed++) {
        live(false, seed);
    }
}

TEST(loads_are_as_good_as_rows_with_text_keys)
{
    for (unsigned seed = 100; seed <= 105; seed++) {
        live(true, seed);
    }
}

/* ---- one thing at a time ---- */

static void fill(struct row *rows, uint32_t count, int64_t from, int64_t step)
{
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = (struct row){.number = from + (int64_t)i * step, .value = (int32_t)i};
    }
}

static uint64_t count_rows(struct fixture *fixture, struct txn *txn)
{
    struct scan_options options = {.order = SCAN_ANY};
    struct scan *scan = NULL;
    struct batch batch;
    uint64_t count = 0;
    batch_init(&batch, &alloc_system);
    OK(txn_statement(txn, &fixture->err));
    OK(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
    while (scan_next(scan, &batch, &fixture->call) == TDBPLUS_OK) {
        count += batch_live_count(&batch);
    }
    scan_close(scan);
    batch_deinit(&batch);
    return count;
}

TEST(rows_that_need_many_sorted_runs_come_out_once_each)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, true, false);
    // 4 MiB are sorted in memory: many runs of descending and repeated keys.
    static struct row rows[300000];
    uint32_t count = sizeof rows / sizeof *rows;
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = (struct row){.number = (int64_t)(i * 7919u % 200000u), .value = (int32_t)i};
    }
    struct load how = {.mode = TXN_UPSERT, .direct_rows = 1000, .step = 2048};
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(load(fixture, txn, &how, rows, count));
    CHECK(count_rows(fixture, txn) == 200000);
    // The newest row of a key is the one that counts.
    for (uint32_t i = count - 1000; i < count; i++) {
        CHECK(get(fixture, txn, rows[i].number) == (int32_t)i);
    }
    OK(txn_commit(txn, &fixture->call));
    how.mode = TXN_INSERT;
    txn = begin(fixture, TXN_READ_COMMITTED);
    fill(rows, 100000, 500000, -1);
    rows[99999].number = rows[3].number;
    CHECK(load(fixture, txn, &how, rows, 100000) == TDBPLUS_E_UNIQUE);
    CHECK(strstr(fixture->err.detail, "00499997") != NULL);
    CHECK(count_rows(fixture, txn) == 200000);
    txn_abort(txn);
    check_files(fixture);
    end_fixture(fixture);
}

TEST(a_table_made_in_the_same_transaction_can_be_loaded)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, false, false);
    static struct row rows[ROWS_MAX];
    fill(rows, ROWS_MAX, 0, 1);
    struct load how = {.mode = TXN_INSERT, .direct_rows = 100, .step = 2048};
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(txn_object_drop(txn, fixture_table(txn, "t")->id, &fixture->err));
    create_table(fixture, txn, "t");
    OK(load(fixture, txn, &how, rows, ROWS_MAX));
    CHECK(count_rows(fixture, txn) == ROWS_MAX);
    OK(txn_commit(txn, &fixture->call));
    for (int i = 0; i < 2; i++) {
        txn = begin(fixture, TXN_READ_COMMITTED);
        CHECK(count_rows(fixture, txn) == ROWS_MAX);
        txn_abort(txn);
        store_close(fixture->store);
        open_store(fixture);
        check_files(fixture);
    }
    end_fixture(fixture);
}

TEST(an_old_snapshot_sees_no_load_and_repeatable_read_refuses_to_replace_its_rows)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, false, false);
    static struct row rows[ROWS_MAX];
    fill(rows, 1000, 0, 1);
    struct load how = {.mode = TXN_UPSERT, .direct_rows = 100, .step = 2048};
    struct txn *old = begin(fixture, TXN_REPEATABLE_READ);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(load(fixture, txn, &how, rows, 1000));
    OK(txn_commit(txn, &fixture->call));
    CHECK(count_rows(fixture, old) == 0);
    CHECK(get(fixture, old, 5) == NONE);
    CHECK(put(fixture, old, TXN_UPSERT, 5, 1) == TDBPLUS_E_CONFLICT);
    CHECK(load(fixture, old, &how, rows, 1000) == TDBPLUS_E_CONFLICT);
    OK(store_flush(fixture->store, &fixture->call));
    OK(store_optimize(fixture->store, 0, &fixture->call));
    CHECK(count_rows(fixture, old) == 0);
    txn_abort(old);
    end_fixture(fixture);
}

TEST(rows_that_break_the_schema_are_named_and_nothing_stays)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, false, false);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    struct bulk *bulk = NULL;
    struct bulk_options options = {.mode = TXN_INSERT, .direct_rows = 1};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct column columns[4];
    CHECK(column_make(&columns[0], (struct type){.id = TYPE_INT8}, 1, true, &batch.arena));
    CHECK(column_make(&columns[1], (struct type){.id = TYPE_INT4}, 1, true, &batch.arena));
    CHECK(column_make(&columns[2], (struct type){.id = TYPE_TEXT}, 1, true, &batch.arena));
    CHECK(column_make(&columns[3], (struct type){.id = TYPE_BYTEA}, 1, true, &batch.arena));
    struct datum null = {.type = {.id = TYPE_INT8}, .is_null = true};
    for (uint32_t c = 0; c < 4; c++) {
        column_set(&columns[c], 0, &null);
    }
    batch.columns = columns;
    batch.column_count = 4;
    batch.row_count = 1;
    OK(bulk_begin(txn, fixture_table(txn, "t"), &options, &bulk, &fixture->err));
    CHECK(bulk_add(bulk, &batch, &fixture->call) == TDBPLUS_E_NULL);
    bulk_abort(bulk);
    columns[0].type.id = TYPE_TIMESTAMP;
    err_clear(&fixture->err);
    OK(bulk_begin(txn, fixture_table(txn, "t"), &options, &bulk, &fixture->err));
    CHECK(bulk_add(bulk, &batch, &fixture->call) == TDBPLUS_E_TYPE);
    bulk_abort(bulk);
    CHECK(!txn_has_changes(txn));
    batch_deinit(&batch);
    txn_abort(txn);
    check_files(fixture);
    end_fixture(fixture);
}

TEST(what_only_the_log_names_is_recovered)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, true, false);
    static struct row rows[ROWS_MAX];
    fill(rows, 1000, 0, 1);
    struct load how = {.mode = TXN_UPSERT, .direct_rows = 100, .step = 2048};
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_UPSERT, 5, 50000)); // Replaced by the load.
    OK(txn_commit(txn, &fixture->call));
    txn = begin(fixture, TXN_READ_COMMITTED);
    OK(load(fixture, txn, &how, rows, 1000));
    OK(put(fixture, txn, TXN_UPSERT, 6, 60000)); // Replaces a row of it.
    OK(txn_commit(txn, &fixture->call));
    txn = begin(fixture, TXN_READ_COMMITTED);
    char texts[2][64];
    struct datum bounds[2] = {key_datum(fixture, 10, texts[0]), key_datum(fixture, 15, texts[1])};
    struct scan_bound lower = {.values = &bounds[0], .value_count = 1};
    struct scan_bound upper = {.values = &bounds[1], .value_count = 1, .exclusive = true};
    OK(txn_delete_range(txn, fixture_table(txn, "t"), &lower, &upper, NULL, &fixture->call));
    OK(put(fixture, txn, TXN_INSERT, 12, 12)); // One comes back.
    OK(txn_commit(txn, &fixture->call));
    store_close(fixture->store);
    struct store_recover_options options = {
        .env = fixture->env, .alloc = &alloc_system, .source = "db", .target = "saved"};
    struct store_recovered recovered = {0};
    OK(store_recover(&options, &recovered, &fixture->call));
    CHECK(recovered.row_count == 996 && recovered.loss_count == 0);
    struct store_options saved = {
        .env = fixture->env, .alloc = &fixture->fault.alloc, .directory = "saved"};
    OK(store_open(&saved, &fixture->store, &fixture->err));
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(count_rows(fixture, txn) == 996);
    CHECK(get(fixture, txn, 5) == 5 && get(fixture, txn, 6) == 60000);
    txn_abort(txn);
    end_fixture(fixture);
}

/* A load with all its parts: a row before, runs, replaced rows, a row after, a flush. */
static tdbplus_status load_with_everything(struct fixture *fixture, struct txn *txn,
                                           const struct row *rows)
{
    struct load how = {.mode = TXN_UPSERT, .direct_rows = 50, .step = 64};
    TRY(load(fixture, txn, &how, rows, 300));
    TRY(load(fixture, txn, &how, rows + 100, 300));
    return put(fixture, txn, TXN_UPSERT, rows[0].number, 4711);
}

TEST(a_load_survives_every_failed_allocation)
{
    struct fixture own;
    struct fixture *fixture = &own;
    static struct row rows[ROWS_MAX];
    begin_fixture(fixture, true, false);
    fill(rows, 400, 0, 2);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 20, 20));
    OK(txn_commit(txn, &fixture->call));
    uint32_t fail_at = 0;
    bool through = false;
    bool committed = false;
    for (; !through; fail_at++) {
        txn = begin(fixture, TXN_READ_COMMITTED);
        fixture->fault.calls = 0;
        fixture->fault.fail_at = fail_at;
        tdbplus_status status = load_with_everything(fixture, txn, rows);
        if (status == TDBPLUS_OK) {
            err_clear(&fixture->err);
            status = txn_commit(txn, &fixture->call);
        } else {
            txn_abort(txn);
        }
        through = fixture->fault.calls <= fail_at;
        fixture->fault.fail_at = UINT32_MAX;
        // A cache without memory is no failure.
        CHECK(status == TDBPLUS_OK || (!through && status == TDBPLUS_E_NOMEM));
        committed = committed || status == TDBPLUS_OK;
        txn = begin(fixture, TXN_READ_COMMITTED);
        CHECK(get(fixture, txn, 20) == (committed ? 10 : 20));
        CHECK(get(fixture, txn, 22) == (committed ? 11 : NONE));
        txn_abort(txn);
    }
    CHECK(fail_at > 50);
    store_close(fixture->store);
    open_store(fixture);
    check_files(fixture);
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(count_rows(fixture, txn) == 400 && get(fixture, txn, 0) == 4711);
    txn_abort(txn);
    end_fixture(fixture);
}

/* ---- beside others ---- */

struct writer {
    struct fixture *fixture;
    struct env_task *task;
    uint32_t number;
    uint32_t written;
    bool stop;
};

/* Keeps raising its own keys' values by itself, in transactions and without. */
static void write_beside(void *arg)
{
    struct writer *writer = arg;
    struct fixture *fixture = writer->fixture;
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    while (!__atomic_load_n(&writer->stop, __ATOMIC_ACQUIRE)) {
        char text[64];
        int64_t number = 100000 + writer->number;
        key_text(number, text);
        struct datum values[] = {
            {.type = {.id = TYPE_INT8}, .integer = number},
            {.type = {.id = TYPE_INT4}, .integer = (int32_t)(writer->written + 1)},
            {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)},
            {.type = {.id = TYPE_BYTEA}, .is_null = true},
        };
        struct txn *txn = NULL;
        CHECK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &err) == TDBPLUS_OK);
        const struct object *object = fixture_table(txn, "t");
        tdbplus_status status = TDBPLUS_OK;
        if (writer->written % 2 == 0) {
            status = txn_upsert_now(fixture->store, object, values, &call);
            txn_abort(txn);
        } else {
            status = txn_write(txn, object, TXN_UPSERT, values, NULL, &call);
            status = status == TDBPLUS_OK ? txn_commit(txn, &call) : status;
        }
        CHECK(status == TDBPLUS_OK);
        writer->written++;
    }
}

TEST(writers_wait_for_loads_and_nothing_is_lost)
{
    struct fixture own;
    struct fixture *fixture = &own;
    static struct row rows[ROWS_MAX];
    begin_fixture(fixture, false, true);
    struct writer writers[2] = {{.fixture = fixture, .number = 0},
                                {.fixture = fixture, .number = 1}};
    const struct env *env = fixture->env;
    for (uint32_t w = 0; w < 2; w++) {
        OK(env_task_start(env, "writer", write_beside, &writers[w], &writers[w].task,
                          &fixture->err));
    }
    for (int64_t i = 0; i < 15; i++) {
        struct load how = {.mode = TXN_UPSERT, .direct_rows = 100, .step = 512};
        struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
        fill(rows, 2000, i * 1000, 1); // Half of them replace rows of the load before.
        OK(load(fixture, txn, &how, rows, 2000));
        OK(txn_commit(txn, &fixture->call));
    }
    struct txn *txn = NULL;
    for (uint32_t w = 0; w < 2; w++) {
        __atomic_store_n(&writers[w].stop, true, __ATOMIC_RELEASE);
        env_task_join(env, writers[w].task);
        CHECK(writers[w].written > 0);
        txn = begin(fixture, TXN_READ_COMMITTED);
        CHECK(read_row(fixture, txn, 100000 + w, false) == (int32_t)writers[w].written);
        txn_abort(txn);
    }
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(count_rows(fixture, txn) == 16000 + 2);
    txn_abort(txn);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    store_close(fixture->store);
    open_store(fixture);
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(count_rows(fixture, txn) == 16000 + 2);
    txn_abort(txn);
    end_fixture(fixture);
}
