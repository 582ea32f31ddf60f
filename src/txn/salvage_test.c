/*
 * Goal: `tdb recover` loses no more than what cannot be read. Method: one table with large values
 * and documents in two segments; then value files are removed, their pages and directories and the
 * segments' footers and metadata damaged, and what store_recover() saves is compared row by row
 * with what depends on the damage.
 */

#include "storage/store/store_read.h"
#include <stdlib.h>

#include "storage/store/store_recover.h"
#include "txn/txn.h"
#include "types/json.h"

#include "store_fixture.h"

#define ROWS      600
#define LARGE(n)  ((n) % 5 == 0) /* Rows whose body lies in the value file. */
#define BODY_SIZE 3000u

struct fixture {
    struct env *env;
    struct store *store;
    struct err err;
    struct call call;
    bool documents;
    char segments[4][64];
    char values[4][64];
    uint32_t segment_count;
    uint32_t value_count;
    struct store_recovered recovered;
    uint64_t told_rows; /* Lost rows whose key was told, */
    bool told_small;    /* one of them with a small body, */
    bool told_values;   /* and a value file. */
};

static void open_store(struct fixture *fixture, const char *directory)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = directory,
                                    .no_background = true,
                                    .log_file_size = 1 << 22};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

/* ---- the table ---- */

static void create_table(struct fixture *fixture)
{
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2, .type = {.id = TYPE_TEXT}, .name = "body", .missing = {.is_null = true}},
        {.id = 3, .type = {.id = TYPE_JSON}, .name = "doc", .missing = {.is_null = true}},
    };
    uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = fixture->documents ? 3 : 2,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 4};
    (void)fixture_create(fixture->store, "t", &schema);
}

static struct span make_body(int64_t number, char text[BODY_SIZE])
{
    uint32_t size = LARGE(number) ? BODY_SIZE : 60;
    for (uint32_t i = 0; i < size; i++) {
        text[i] = (char)('a' + (uint64_t)(number * 31 + i * (i % 7 + 1)) % 26);
    }
    return (struct span){(const uint8_t *)text, size};
}

static void write_rows(struct fixture *fixture, int64_t first, int64_t end)
{
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    for (int64_t n = first; n < end; n++) {
        char body[BODY_SIZE];
        char text[64];
        struct json_builder builder;
        struct buffer document = {.alloc = &alloc_system};
        json_builder_init(&builder, &alloc_system);
        (void)snprintf(text, sizeof text, "{\"n\": %d, \"name\": \"row %d\"}", (int)n, (int)n);
        OK(json_parse(&builder, span_from_text(text), &document, &fixture->err));
        struct datum values[] = {
            {.type = {.id = TYPE_INT8}, .integer = n},
            {.type = {.id = TYPE_TEXT}, .bytes = make_body(n, body)},
            {.type = {.id = TYPE_JSON}, .bytes = buffer_span(&document)},
        };
        OK(txn_write(txn, table, TXN_INSERT, values, NULL, &fixture->call));
        json_builder_deinit(&builder);
        buffer_deinit(&document);
    }
    OK(txn_commit(txn, &fixture->call));
}

static tdbplus_status note_file(void *ctx, const char *name, bool is_directory)
{
    struct fixture *fixture = ctx;
    (void)is_directory;
    if (strncmp(name, "segment-", 8) == 0) {
        (void)snprintf(fixture->segments[fixture->segment_count++], 64, "db/%.50s", name);
    } else if (strncmp(name, "values-", 7) == 0) {
        (void)snprintf(fixture->values[fixture->value_count++], 64, "db/%.50s", name);
    }
    return TDBPLUS_OK;
}

/* Two segments of half the rows each, each with a value file. */
static void begin_fixture(struct fixture *fixture, bool documents)
{
    *fixture = (struct fixture){.documents = documents};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    open_store(fixture, "db");
    create_table(fixture);
    write_rows(fixture, 0, ROWS / 2);
    OK(store_flush(fixture->store, &fixture->call));
    write_rows(fixture, ROWS / 2, ROWS);
    OK(store_flush(fixture->store, &fixture->call));
    store_close(fixture->store);
    OK(env_list(fixture->env, "db", note_file, fixture, &fixture->err));
    CHECK(fixture->segment_count == 2 && fixture->value_count == 2);
}

/* ---- damage ---- */

static uint64_t file_size(struct fixture *fixture, const char *path)
{
    struct env_file *file = NULL;
    uint64_t size = 0;
    OK(env_open(fixture->env, path, ENV_OPEN_READ, &file, &fixture->err));
    OK(env_size(fixture->env, file, &size, &fixture->err));
    env_close(fixture->env, file);
    return size;
}

static void overwrite(struct fixture *fixture, const char *path, uint64_t offset, uint64_t size)
{
    struct env_file *file = NULL;
    uint8_t junk[64];
    memset(junk, 0xA5, sizeof junk);
    OK(env_open(fixture->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &file, &fixture->err));
    CHECK(size <= sizeof junk);
    OK(env_write(fixture->env, file, offset, junk, size, &fixture->err));
    env_close(fixture->env, file);
}

static void hear(void *ctx, const struct store_loss *loss)
{
    struct fixture *fixture = ctx;
    fixture->told_values = fixture->told_values || strncmp(loss->file, "values-", 7) == 0;
    if (loss->row_count > 0 && loss->key_from != NULL && !loss->keys_outside) {
        long from = strtol(loss->key_from + strcspn(loss->key_from, "0123456789"), NULL, 10);
        fixture->told_small = fixture->told_small || !LARGE(from);
        fixture->told_rows += loss->row_count;
    }
}

/* Recovers into "new" and opens that. */
static void recover(struct fixture *fixture)
{
    struct store_recover_options options = {.env = fixture->env,
                                            .alloc = &alloc_system,
                                            .source = "db",
                                            .target = "new",
                                            .report = hear,
                                            .report_ctx = fixture};
    OK(store_recover(&options, &fixture->recovered, &fixture->call));
    open_store(fixture, "new");
}

/* How many rows of [first, end) are there; those that are must be right. */
static uint32_t count_rows(struct fixture *fixture, int64_t first, int64_t end, bool large)
{
    struct txn *txn = NULL;
    uint32_t count = 0;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    CHECK(table != NULL);
    for (int64_t n = first; n < end; n++) {
        struct datum key = {.type = {.id = TYPE_INT8}, .integer = n};
        struct datum values[3];
        char body[BODY_SIZE];
        struct span text;
        bool found = false;
        struct batch batch;
        batch_init(&batch, &alloc_system);
        OK(txn_get(txn, table, &key, NULL, 0, &batch, values, &found, &fixture->call));
        if (found) {
            CHECK(span_compare(values[1].bytes, make_body(n, body)) == 0);
            CHECK(!fixture->documents || (json_get(values[2].bytes, span_from_text("n"), &text) &&
                                          json_kind(text) != JSON_NULL));
            count += LARGE(n) == large ? 1 : 0;
        }
        batch_deinit(&batch);
    }
    txn_abort(txn);
    return count;
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

/* The first segment's large rows are gone, each told by its key, and nothing else. */
static void check_values_lost(struct fixture *fixture)
{
    recover(fixture);
    CHECK(count_rows(fixture, 0, ROWS / 2, true) == 0);
    CHECK(count_rows(fixture, 0, ROWS / 2, false) == ROWS / 2 - ROWS / 10);
    CHECK(count_rows(fixture, ROWS / 2, ROWS, true) == ROWS / 10);
    CHECK(count_rows(fixture, ROWS / 2, ROWS, false) == ROWS / 2 - ROWS / 10);
    CHECK(fixture->recovered.lost_rows == ROWS / 10);
    CHECK(fixture->told_rows == ROWS / 10 && !fixture->told_small && fixture->told_values);
    end_fixture(fixture);
}

TEST(a_missing_value_file_costs_the_rows_whose_values_it_had)
{
    for (int documents = 0; documents < 2; documents++) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture, documents == 1);
        OK(env_unlink(fixture->env, fixture->values[0], &fixture->err));
        check_values_lost(fixture);
    }
}

TEST(a_value_file_without_its_end_costs_no_more)
{
    for (uint64_t back = 1; back < 128; back += 40) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture, true);
        overwrite(fixture, fixture->values[0], file_size(fixture, fixture->values[0]) - back, 1);
        check_values_lost(fixture);
    }
}

TEST(a_damaged_page_of_values_costs_the_rows_in_it)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, false);
    overwrite(fixture, fixture->values[1], 64 + 40, 8);
    recover(fixture);
    uint32_t left = count_rows(fixture, ROWS / 2, ROWS, true);
    CHECK(left > 0 && left < ROWS / 10);
    CHECK(count_rows(fixture, 0, ROWS, false) == ROWS - ROWS / 5);
    CHECK(fixture->recovered.lost_rows == ROWS / 10 - left);
    CHECK(fixture->told_rows == ROWS / 10 - left && !fixture->told_small);
    end_fixture(fixture);
}

TEST(a_footer_that_is_gone_costs_nothing)
{
    for (int documents = 0; documents < 2; documents++) {
        for (uint64_t begin = 1; begin <= 64; begin += 9) {
            struct fixture own;
            struct fixture *fixture = &own;
            begin_fixture(fixture, documents == 1);
            uint64_t size = file_size(fixture, fixture->segments[0]);
            overwrite(fixture, fixture->segments[0], size - begin, begin);
            recover(fixture);
            CHECK(count_rows(fixture, 0, ROWS, true) == ROWS / 5);
            CHECK(count_rows(fixture, 0, ROWS, false) == ROWS - ROWS / 5);
            CHECK(fixture->recovered.lost_rows == 0);
            end_fixture(fixture);
        }
    }
}

/* Strikes all over the metadata. Returns how often rows were lost. */
static uint32_t strike_metadata(bool documents, uint32_t *tries)
{
    uint32_t losses = 0;
    *tries = 0;
    for (uint64_t back = 70;; back += 31) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture, documents);
        uint64_t size = file_size(fixture, fixture->segments[1]);
        // Where pages are one byte costs rows of a page; the metadata are the last tenth.
        bool done = back > size / 10 || back > 4000;
        if (!done) {
            overwrite(fixture, fixture->segments[1], size - back, 1);
            recover(fixture);
            CHECK(count_rows(fixture, 0, ROWS / 2, true) == ROWS / 10); // The other segment.
            uint32_t left = count_rows(fixture, ROWS / 2, ROWS, true) +
                            count_rows(fixture, ROWS / 2, ROWS, false);
            CHECK(fixture->recovered.lost_rows == ROWS / 2 - left);
            losses += left < ROWS / 2 ? 1 : 0;
            (*tries)++;
        } else {
            open_store(fixture, "db");
        }
        end_fixture(fixture);
        if (done) {
            return losses;
        }
    }
}

TEST(damaged_metadata_cost_nothing_where_the_columns_are_known)
{
    uint32_t tries = 0;
    uint32_t losses = strike_metadata(false, &tries);
    CHECK(tries > 5 && losses < tries / 2);
    // Of documents that were taken apart nobody else knows how.
    losses = strike_metadata(true, &tries);
    CHECK(tries > 5 && losses == tries);
}
