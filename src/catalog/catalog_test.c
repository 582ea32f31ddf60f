/*
 * Goal: the catalog's entries are what was made of them, through transactions, savepoints and
 * reopening. Method: random changes against a plain array; scripted meetings of two transactions.
 */

#include "catalog/catalog.h"

#include "store_fixture.h"

static void open_store(struct store_fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static void begin_fixture(struct store_fixture *fixture)
{
    fixture_begin(fixture);
    open_store(fixture);
}

static struct catalog_entry describe(uint8_t kind, const char *schema, const char *name,
                                     uint64_t owner, const char *definition)
{
    struct catalog_entry entry = {
        .kind = kind, .owner = owner, .definition = span_from_text(definition)};
    (void)snprintf(entry.schema, sizeof entry.schema, "%s", schema);
    (void)snprintf(entry.name, sizeof entry.name, "%s", name);
    return entry;
}

static uint64_t create(struct store_fixture *fixture, struct txn *txn, uint8_t kind,
                       const char *name, uint64_t owner)
{
    struct catalog_entry entry = describe(kind, "public", name, owner, "text");
    uint64_t oid = 0;
    OK(catalog_entry_create(txn, &entry, &oid, &fixture->err));
    return oid;
}

static uint64_t create_table(struct store_fixture *fixture, struct txn *txn, const char *name)
{
    static struct schema_column column = {
        .id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"};
    static uint32_t key = 0;
    const struct schema schema = {.version = 1,
                                  .column_count = 1,
                                  .columns = &column,
                                  .key_count = 1,
                                  .key_columns = &key,
                                  .column_id_next = 2};
    uint64_t id = 0;
    OK(txn_object_create(txn, OBJECT_COLLECTION, name, &schema, (struct span){0}, &id,
                         &fixture->err));
    return id;
}

TEST(entries_have_names_in_schemas_and_relations_share_them)
{
    struct store_fixture one;
    struct store_fixture *fixture = &one;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create_table(fixture, txn, "t");
    struct catalog_entry view = describe(CATALOG_VIEW, "public", "t", 0, "select 1");
    uint64_t oid = 0;
    CHECK(catalog_entry_create(txn, &view, &oid, &fixture->err) == TDBPLUS_E_EXISTS);
    CHECK(strcmp(fixture->err.sqlstate, "42P07") == 0);
    err_clear(&fixture->err);
    view = describe(CATALOG_VIEW, "other", "t", 0, "select 2");
    OK(catalog_entry_create(txn, &view, &oid, &fixture->err));
    struct catalog_entry found = {0};
    CHECK(catalog_relation_find(txn, NULL, "t", &found) && found.kind == CATALOG_TABLE);
    CHECK(catalog_relation_find(txn, "other", "t", &found) && found.kind == CATALOG_VIEW);
    CHECK(strcmp(found.schema, "other") == 0 && strcmp(found.name, "t") == 0);
    CHECK(found.oid == oid && span_compare(found.definition, span_from_text("select 2")) == 0);
    // Types have names of their own.
    create(fixture, txn, CATALOG_TYPE, "t", 0);
    view = describe(CATALOG_SCHEMA, "", "", 0, "");
    CHECK(catalog_entry_create(txn, &view, &oid, &fixture->err) == TDBPLUS_E_INVALID);
    err_clear(&fixture->err);
    view = describe(CATALOG_TABLE, "public", "u", 0, "");
    CHECK(catalog_entry_create(txn, &view, &oid, &fixture->err) == TDBPLUS_E_INVALID);
    txn_abort(txn);
    fixture_end(fixture);
}

TEST(a_drop_takes_along_what_is_owned)
{
    struct store_fixture one;
    struct store_fixture *fixture = &one;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    uint64_t table = create_table(fixture, txn, "t");
    uint64_t sequence = create(fixture, txn, CATALOG_SEQUENCE, "t_seq", table);
    uint64_t comment = create(fixture, txn, CATALOG_COMMENT, "c", sequence);
    uint64_t other = create(fixture, txn, CATALOG_SEQUENCE, "s", 0);
    OK(txn_commit(txn, &fixture->call));
    txn = fixture_txn(fixture->store);
    struct txn_savepoint savepoint = txn_savepoint_set(txn);
    OK(catalog_entry_drop(txn, table, &fixture->err));
    CHECK(txn_object_by_id(txn, table) == NULL && txn_object_by_id(txn, sequence) == NULL);
    CHECK(txn_object_by_id(txn, comment) == NULL && txn_object_by_id(txn, other) != NULL);
    txn_savepoint_rollback(txn, savepoint);
    CHECK(txn_object_by_id(txn, comment) != NULL);
    CHECK(catalog_entry_drop(txn, 999999, &fixture->err) == TDBPLUS_E_NOT_FOUND);
    txn_abort(txn);
    fixture_end(fixture);
}

TEST(a_revision_changes_with_the_entry_only)
{
    struct store_fixture one;
    struct store_fixture *fixture = &one;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    uint64_t view = create(fixture, txn, CATALOG_VIEW, "v", 0);
    uint64_t other = create(fixture, txn, CATALOG_VIEW, "w", 0);
    OK(txn_commit(txn, &fixture->call));
    txn = fixture_txn(fixture->store);
    struct catalog_entry before = {0};
    CHECK(catalog_entry_by_oid(txn, view, &before));
    uint64_t version = txn_catalog_version(txn);
    struct txn *second = fixture_txn(fixture->store);
    struct catalog_entry changed = describe(CATALOG_VIEW, "public", "w", 0, "new");
    OK(catalog_entry_alter(second, other, &changed, &fixture->err));
    CHECK(txn_catalog_version(second) == 0);
    OK(txn_commit(second, &fixture->call));
    OK(txn_statement(txn, &fixture->err));
    CHECK(txn_catalog_version(txn) != version);
    CHECK(catalog_entry_unchanged(txn, view, before.revision));
    changed = describe(CATALOG_VIEW, "public", "renamed", 0, "text");
    OK(catalog_entry_alter(txn, view, &changed, &fixture->err));
    CHECK(!catalog_entry_unchanged(txn, view, before.revision));
    CHECK(catalog_entry_find(txn, CATALOG_VIEW, NULL, "renamed", &changed) && changed.oid == view);
    txn_abort(txn);
    fixture_end(fixture);
}

TEST(of_two_transactions_that_change_an_entry_the_second_fails)
{
    struct store_fixture one;
    struct store_fixture *fixture = &one;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    uint64_t view = create(fixture, txn, CATALOG_VIEW, "v", 0);
    OK(txn_commit(txn, &fixture->call));
    txn = fixture_txn(fixture->store);
    struct txn *second = fixture_txn(fixture->store);
    struct catalog_entry changed = describe(CATALOG_VIEW, "public", "v", 0, "one");
    OK(catalog_entry_alter(txn, view, &changed, &fixture->err));
    OK(catalog_entry_drop(second, view, &fixture->err));
    OK(txn_commit(second, &fixture->call));
    CHECK(txn_commit(txn, &fixture->call) == TDBPLUS_E_CONFLICT);
    fixture_end(fixture);
}

/* ---- random changes against an array ---- */

#define MODEL_COUNT 24u

static uint32_t chance(uint32_t bound)
{
    static uint64_t state = 7;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % bound;
}

struct model {
    bool there[MODEL_COUNT];
    uint64_t oid[MODEL_COUNT];
    uint32_t content[MODEL_COUNT];
};

static void name_of(uint32_t number, struct catalog_entry *entry, uint32_t content)
{
    char name[32];
    char text[32];
    (void)snprintf(name, sizeof name, "e%02u", number / 2);
    (void)snprintf(text, sizeof text, "content %u", content);
    // Two numbers share a name in two schemas.
    *entry = describe(number % 4 < 2 ? CATALOG_SEQUENCE : CATALOG_TYPE,
                      number % 2 == 0 ? "public" : "a", name, 0, "");
    entry->definition = span_from_text(text);
    static char kept[32];
    memcpy(kept, text, sizeof kept);
    entry->definition.data = (const uint8_t *)kept;
}

static void change_one(struct store_fixture *fixture, struct txn *txn, struct model *model,
                       uint32_t *content)
{
    uint32_t number = chance(MODEL_COUNT);
    struct catalog_entry entry;
    name_of(number, &entry, ++*content);
    if (!model->there[number]) {
        OK(catalog_entry_create(txn, &entry, &model->oid[number], &fixture->err));
        model->there[number] = true;
    } else if (chance(2) == 0) {
        OK(catalog_entry_drop(txn, model->oid[number], &fixture->err));
        model->there[number] = false;
        return;
    } else {
        OK(catalog_entry_alter(txn, model->oid[number], &entry, &fixture->err));
    }
    model->content[number] = *content;
}

static void compare(struct store_fixture *fixture, const struct model *model)
{
    struct txn *txn = fixture_txn(fixture->store);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < MODEL_COUNT; i++) {
        struct catalog_entry entry;
        struct catalog_entry found = {0};
        name_of(i, &entry, model->content[i]);
        bool there = catalog_entry_find(txn, entry.kind, entry.schema, entry.name, &found);
        CHECK(there == model->there[i]);
        if (there) {
            CHECK(found.oid == model->oid[i]);
            CHECK(span_compare(found.definition, entry.definition) == 0);
            expected++;
        }
    }
    uint32_t walked = 0;
    for (uint8_t kind = CATALOG_SEQUENCE; kind <= CATALOG_TYPE; kind++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(txn, kind, &entry)) {
            walked++;
        }
    }
    CHECK(walked == expected);
    txn_abort(txn);
}

TEST(random_changes_are_as_in_an_array)
{
    struct store_fixture one;
    struct store_fixture *fixture = &one;
    begin_fixture(fixture);
    struct model model = {0};
    uint32_t content = 0;
    for (uint32_t round = 0; round < 60; round++) {
        struct model kept = model;
        struct txn *txn = fixture_txn(fixture->store);
        for (uint32_t i = 0; i < 4; i++) {
            struct model inner = model;
            struct txn_savepoint savepoint = txn_savepoint_set(txn);
            change_one(fixture, txn, &model, &content);
            if (chance(4) == 0) {
                txn_savepoint_rollback(txn, savepoint);
                model = inner;
            }
        }
        if (chance(4) == 0) {
            txn_abort(txn);
            model = kept;
        } else {
            OK(txn_commit(txn, &fixture->call));
        }
        compare(fixture, &model);
        if (round % 10 == 9) {
            store_close(fixture->store);
            open_store(fixture);
            compare(fixture, &model);
        }
    }
    fixture_end(fixture);
}

TEST(a_part_without_its_two_ids_is_refused)
{
    struct store_fixture one;
    struct store_fixture *fixture = &one;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    uint64_t id = 0;
    struct span half = span_from_text("only nine");
    CHECK(txn_object_create(txn, OBJECT_FOREIGN_KEY, "f", NULL, half, &id, &fixture->err) ==
          TDBPLUS_E_CORRUPT);
    err_clear(&fixture->err);
    uint8_t ids[OBJECT_PART_HEADER_SIZE];
    uint64_t table = create_table(fixture, txn, "t");
    uint64_t other = create_table(fixture, txn, "u");
    store_u64(ids, table);
    store_u64(ids + 8, other);
    struct span span = {.data = ids, .size = sizeof ids};
    OK(txn_object_create(txn, OBJECT_FOREIGN_KEY, "f", NULL, span, &id, &fixture->err));
    CHECK(txn_part_at(txn, table, 0)->id == id && txn_part_at(txn, other, 0)->id == id);
    CHECK(txn_part_at(txn, table, 1) == NULL);
    OK(txn_commit(txn, &fixture->call));
    txn = fixture_txn(fixture->store);
    CHECK(txn_part_at(txn, table, 0)->id == id && txn_part_at(txn, other, 0)->id == id);
    CHECK(txn_part_at(txn, other, 1) == NULL && txn_part_at(txn, id, 0) == NULL);
    OK(txn_object_drop(txn, id, &fixture->err));
    CHECK(txn_part_at(txn, table, 0) == NULL);
    txn_abort(txn);
    fixture_end(fixture);
}
