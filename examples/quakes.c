/*
 * Loads earthquakes.csv into a database, asks it questions, and opens it again.
 *
 *     quakes EARTHQUAKES.CSV DIRECTORY
 *
 * Only the public API is used: this is what a program of yours looks like.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdbplus/tdbplus.h>

#define LINE_SIZE   1024
#define FIELD_COUNT 11

static tdbplus_call call;

/* Ends the program with the reason when a call failed. */
static void must(tdbplus_status status, const char *what)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s: %s\n%s\n", what, call.error.message, call.error.hint);
        exit(1);
    }
}

/* Cuts a line of CSV into fields in place; a quoted field may hold commas. */
static int split(char *line, char **fields)
{
    int count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *at = line; at != NULL && count < FIELD_COUNT;) {
        bool quoted = *at == '"';
        char *end = strchr(at + quoted, quoted ? '"' : ',');
        fields[count++] = at + quoted;
        if (end != NULL) {
            *end = '\0';
            end = quoted ? strchr(end + 1, ',') : end;
        }
        at = end == NULL ? NULL : end + 1;
    }
    return count;
}

static void create(tdbplus_db *db)
{
    const tdbplus_column columns[] = {
        {.name = "id", .type = TDBPLUS_TYPE_TEXT, .not_null = true},
        {.name = "magnitude", .type = TDBPLUS_TYPE_FLOAT8},
        {.name = "place", .type = TDBPLUS_TYPE_TEXT},
        {.name = "depth_km", .type = TDBPLUS_TYPE_FLOAT8},
    };
    const char *const key[] = {"id"};
    must(tdbplus_collection_create(db, NULL, "quakes", columns, 4, key, 1, &call), "create");
}

/* All rows in one transaction: all of them are there afterwards, or none. */
static int load(tdbplus_db *db, const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    tdbplus_collection *quakes = NULL;
    tdbplus_txn *txn = NULL;
    must(tdbplus_collection_open(db, NULL, "quakes", &quakes, &call), "open");
    must(tdbplus_begin(db, NULL, &txn, &call), "begin");
    char line[LINE_SIZE];
    int rows = -1; // The first line is the header.
    for (; fgets(line, sizeof line, file) != NULL; rows++) {
        char *fields[FIELD_COUNT];
        if (rows < 0 || split(line, fields) != FIELD_COUNT) {
            continue;
        }
        const tdbplus_value row[] = {tdbplus_text(fields[0]), tdbplus_float8(atof(fields[2])),
                                     tdbplus_text(fields[4]), tdbplus_float8(atof(fields[7]))};
        must(tdbplus_insert(quakes, txn, row, 4, &call), "insert");
    }
    must(tdbplus_commit(txn, &call), "commit");
    tdbplus_collection_close(quakes);
    (void)fclose(file);
    return rows;
}

/* Tells the earthquakes of at least that magnitude, and how many there were. */
static int strong(tdbplus_db *db, double magnitude, bool tell)
{
    tdbplus_collection *quakes = NULL;
    tdbplus_scan *scan = NULL;
    const tdbplus_value *row = NULL;
    const tdbplus_condition conditions[] = {
        {"magnitude", TDBPLUS_GREATER_EQUAL, tdbplus_float8(magnitude)}};
    const tdbplus_scan_options options = {.struct_size = sizeof options,
                                          .order = TDBPLUS_ASCENDING,
                                          .conditions = conditions,
                                          .condition_count = 1};
    must(tdbplus_collection_open(db, NULL, "quakes", &quakes, &call), "open");
    must(tdbplus_scan_open(quakes, NULL, &options, &scan, &call), "scan");
    int count = 0;
    tdbplus_status status = TDBPLUS_OK;
    while ((status = tdbplus_scan_next(scan, &row, &call)) == TDBPLUS_OK) {
        if (tell) {
            printf("  %.1f  %6.1f km deep  %.*s\n", row[1].as.real, row[3].as.real,
                   (int)row[2].as.bytes.size, (const char *)row[2].as.bytes.data);
        }
        count++;
    }
    must(status == TDBPLUS_END ? TDBPLUS_OK : status, "scan");
    tdbplus_scan_close(scan);
    tdbplus_collection_close(quakes);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: quakes EARTHQUAKES.CSV DIRECTORY\n");
        return 2;
    }
    call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    must(tdbplus_open(argv[2], NULL, &db, &call), "open");
    create(db);
    printf("loaded %d earthquakes in one transaction\n", load(db, argv[1]));
    printf("magnitude 6 and more:\n");
    (void)strong(db, 6.0, true);
    tdbplus_close(db);

    must(tdbplus_open(argv[2], NULL, &db, &call), "open again");
    printf("after opening again: %d of magnitude 5 and more\n", strong(db, 5.0, false));
    must(tdbplus_verify(db, NULL, NULL, &call), "verify");
    printf("every byte on disk was read and checked\n");
    tdbplus_close(db);
    return 0;
}
