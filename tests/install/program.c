/* A user's program, as C and as C++. It has names of its own that the library uses inside, which a
 * leaking archive would turn into a clash at link time. */

#include <stdio.h>
#include <string.h>

#include <tdbplus/tdbplus.h>

#ifdef __cplusplus
extern "C" {
#endif
int map_get(void);
int epoch_enter(void);
int arena_alloc(void);
int map_get(void)
{
    return 1;
}
int epoch_enter(void)
{
    return 2;
}
int arena_alloc(void)
{
    return 3;
}
#ifdef __cplusplus
}
#endif

/* A database in memory, a collection, a row in and out. */
static int store_and_read(void)
{
    tdbplus_db *db = NULL;
    tdbplus_collection *pairs = NULL;
    tdbplus_row *row = NULL;
    const char *key[] = {"name"};
    tdbplus_column columns[2];
    tdbplus_value values[2];
    int64_t found = 0;
    memset(columns, 0, sizeof columns);
    columns[0].name = "name";
    columns[0].type = TDBPLUS_TYPE_TEXT;
    columns[0].not_null = true;
    columns[1].name = "value";
    columns[1].type = TDBPLUS_TYPE_INT8;
    values[0] = tdbplus_text("answer");
    values[1] = tdbplus_int8(42);
    if (tdbplus_open(":memory:", NULL, &db, NULL) != TDBPLUS_OK ||
        tdbplus_collection_create(db, NULL, "pairs", columns, 2, key, 1, NULL) != TDBPLUS_OK ||
        tdbplus_collection_open(db, NULL, "pairs", &pairs, NULL) != TDBPLUS_OK ||
        tdbplus_insert(pairs, NULL, values, 2, NULL) != TDBPLUS_OK ||
        tdbplus_row_create(db, &row, NULL) != TDBPLUS_OK ||
        tdbplus_get(pairs, NULL, values, 1, row, NULL) != TDBPLUS_OK) {
        return 1;
    }
    found = tdbplus_row_value(row, 1).as.integer;
    tdbplus_row_destroy(row);
    tdbplus_collection_close(pairs);
    tdbplus_close(db);
    return found == 42 ? 0 : 1;
}

int main(void)
{
    if (strcmp(tdbplus_status_sqlstate(TDBPLUS_E_UNIQUE), "23505") != 0) {
        return 1;
    }
    if (map_get() + epoch_enter() + arena_alloc() != 6) {
        return 2;
    }
    if (strcmp(tdbplus_version(), TDBPLUS_VERSION) != 0) {
        return 3;
    }
    if (store_and_read() != 0) {
        return 4;
    }
    printf("%s\n", tdbplus_status_text(TDBPLUS_OK));
    return 0;
}
