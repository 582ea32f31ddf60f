/*
 * Goal: every type comes back as it was written, from memtables, segments, merged segments and
 * after reopening, and a condition finds exactly the rows that meet it although zone maps leave
 * most pages unread. Method: boundary values of all types as columns, two rows a segment so that
 * zones are narrow, each comparison with each value against a plain loop.
 */

#include "txn/txn.h"

#include "store_fixture.h"
#include "type_samples.h"

#define ROW_COUNT 48u

static struct samples samples[SAMPLE_TYPES];

static void open_store(struct store_fixture *fixture, bool read_only)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .read_only = read_only,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static void begin_fixture(struct store_fixture *fixture)
{
    fixture_begin(fixture);
    open_store(fixture, false);
    struct schema_column columns[SAMPLE_TYPES + 1] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"}};
    char names[SAMPLE_TYPES][8];
    for (uint32_t i = 0; i < SAMPLE_TYPES; i++) {
        samples_make(&samples[i], i);
        (void)snprintf(names[i], sizeof names[i], "c%u", i);
        columns[i + 1] = (struct schema_column){
            .id = i + 2, .type = samples[i].type, .name = names[i], .missing = {.is_null = true}};
    }
    uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = SAMPLE_TYPES + 1,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = SAMPLE_TYPES + 2};
    (void)fixture_create(fixture->store, "t", &schema);
}

static struct datum value_at(uint32_t row, uint32_t which)
{
    if ((row + which) % 6 == 0) {
        return (struct datum){.type = samples[which].type, .is_null = true};
    }
    return samples[which].values[(row * 5 + which) % samples[which].count];
}

static void put_row(struct store_fixture *fixture, uint32_t row)
{
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    struct datum values[SAMPLE_TYPES + 1] = {{.type = {.id = TYPE_INT8}, .integer = row}};
    for (uint32_t i = 0; i < SAMPLE_TYPES; i++) {
        values[i + 1] = value_at(row, i);
    }
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    OK(txn_write(txn, table, TXN_INSERT, values, NULL, &fixture->call));
    OK(txn_commit(txn, &fixture->call));
}

static bool same(const struct datum *left, const struct datum *right)
{
    if (left->is_null || right->is_null) {
        return left->is_null && right->is_null;
    }
    return type_equal(left->type, right->type) && datum_compare(left, right) == 0;
}

static bool meets(const struct datum *value, uint8_t compare, const struct datum *with)
{
    if (compare >= SCAN_IS_NULL) {
        return value->is_null == (compare == SCAN_IS_NULL);
    }
    if (value->is_null) {
        return false;
    }
    int order = datum_compare(value, with);
    return (order < 0 && (compare == SCAN_LESS || compare == SCAN_LESS_EQUAL)) ||
           (order > 0 && (compare == SCAN_GREATER || compare == SCAN_GREATER_EQUAL)) ||
           (order == 0 &&
            (compare == SCAN_EQUAL || compare == SCAN_LESS_EQUAL || compare == SCAN_GREATER_EQUAL));
}

/* Rows that a scan with one condition returns, checked against the written ones. */
static void check_condition(struct store_fixture *fixture, struct txn *txn, uint32_t which,
                            uint8_t compare, const struct datum *with)
{
    struct scan_condition condition = {.position = which + 1, .compare = compare, .value = *with};
    uint32_t positions[2] = {which + 1, 0};
    struct scan_options options = {.positions = positions,
                                   .position_count = 2,
                                   .order = (uint8_t)(which % 3),
                                   .filter_rows = true,
                                   .conditions = &condition,
                                   .condition_count = 1};
    struct scan *scan = NULL;
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    OK(scan_open(txn, table, &options, &scan, &fixture->err));
    struct batch batch;
    batch_init(&batch, &alloc_system);
    bool seen[ROW_COUNT] = {false};
    tdbplus_status status = TDBPLUS_OK;
    while ((status = scan_next(scan, &batch, &fixture->call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t at = batch.selection == NULL ? i : batch.selection[i];
            struct datum value;
            struct datum number;
            column_get(&batch.columns[0], at, &value);
            column_get(&batch.columns[1], at, &number);
            struct datum wanted = value_at((uint32_t)number.integer, which);
            CHECK(same(&value, &wanted));
            CHECK(!seen[number.integer]);
            seen[number.integer] = true;
        }
    }
    CHECK(status == TDBPLUS_END);
    for (uint32_t row = 0; row < ROW_COUNT; row++) {
        struct datum value = value_at(row, which);
        CHECK(seen[row] == meets(&value, compare, with));
    }
    batch_deinit(&batch);
    scan_close(scan);
}

static void check_rows(struct store_fixture *fixture, uint32_t step)
{
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint32_t row = 0; row < ROW_COUNT; row++) {
        struct datum key = {.type = {.id = TYPE_INT8}, .integer = row};
        struct datum values[SAMPLE_TYPES + 1];
        bool found = false;
        OK(txn_get(txn, table, &key, NULL, 0, &batch, values, &found, &fixture->call));
        CHECK(found);
        for (uint32_t i = 0; i < SAMPLE_TYPES; i++) {
            struct datum wanted = value_at(row, i);
            CHECK(same(&values[i + 1], &wanted));
        }
        batch_reset(&batch);
    }
    batch_deinit(&batch);
    for (uint32_t i = 0; i < SAMPLE_TYPES; i++) {
        for (uint8_t compare = SCAN_EQUAL; compare <= SCAN_IS_NOT_NULL; compare++) {
            for (uint32_t v = 0; v < samples[i].count; v += step) {
                check_condition(fixture, txn, i, compare, &samples[i].values[v]);
            }
        }
    }
    txn_abort(txn);
}

TEST(every_type_is_found_again_wherever_it_is_stored)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    for (uint32_t row = 0; row < ROW_COUNT; row++) {
        put_row(fixture, row);
    }
    check_rows(fixture, 5); // All in a memtable.
    OK(store_flush(fixture->store, &fixture->call));
    check_rows(fixture, 5); // In one segment.
    store_close(fixture->store);
    open_store(fixture, true); // And as a reader finds it.
    check_rows(fixture, 11);
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

TEST(narrow_zones_leave_out_no_row_that_meets_a_condition)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    for (uint32_t row = 0; row < ROW_COUNT; row++) {
        put_row(fixture, row);
        if (row % 2 == 1 && row < ROW_COUNT - 4) {
            OK(store_flush(fixture->store, &fixture->call));
        }
    }
    check_rows(fixture, 3);
    store_close(fixture->store);
    open_store(fixture, true); // The last rows are only in the log.
    check_rows(fixture, 7);
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = 1};
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    CHECK(txn_delete(txn, table, &key, NULL, &fixture->call) == TDBPLUS_E_READ_ONLY);
    err_clear(&fixture->err);
    CHECK(store_flush(fixture->store, &fixture->call) == TDBPLUS_E_READ_ONLY);
    err_clear(&fixture->err);
    txn_abort(txn);
    store_close(fixture->store);
    open_store(fixture, false);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    check_rows(fixture, 7);
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}
