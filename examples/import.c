/*
 * Import: earthquakes.csv into a table ordered by time, and a scan of one hour of it.
 *
 *     import EARTHQUAKES.CSV DIRECTORY
 */

#define _DEFAULT_SOURCE // timegm()

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tdbplus/tdbplus.h>

#define LINE_SIZE   1024
#define FIELD_COUNT 11

static tdbplus_call call;

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
        const int quoted = *at == '"';
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

/* "2018-02-07T01:26:13.840Z", as a timestamp: microseconds since 1970. */
static tdbplus_value timestamp(const char *text)
{
    struct tm tm = {0};
    int milliseconds = 0;
    sscanf(text, "%d-%d-%dT%d:%d:%d.%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
           &tm.tm_min, &tm.tm_sec, &milliseconds);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (tdbplus_value){.type = TDBPLUS_TYPE_TIMESTAMPTZ,
                           .as.integer = (int64_t)timegm(&tm) * 1000000 + milliseconds * 1000};
}

static int load(tdbplus_db *db, tdbplus_collection *quakes, const char *path)
{
    char line[LINE_SIZE];
    tdbplus_txn *txn = NULL;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    must(tdbplus_begin(db, NULL, &txn, &call), "begin");
    int rows = -1; // The first line is the header.
    for (; fgets(line, sizeof line, file) != NULL; rows++) {
        char *fields[FIELD_COUNT];
        if (rows < 0 || split(line, fields) != FIELD_COUNT) {
            continue;
        }
        // A numeric is exact, and is given as its text.
        const tdbplus_value row[] = {timestamp(fields[1]), tdbplus_text(fields[0]),
                                     tdbplus_text(fields[2]), tdbplus_text(fields[4])};
        must(tdbplus_insert(quakes, txn, row, 4, &call), "insert");
    }
    must(tdbplus_commit(txn, &call), "commit");
    fclose(file);
    return rows;
}

/* Rows are in order of their key, so a range of times reads these rows and no others. */
static int scan(tdbplus_collection *quakes, tdbplus_value from, tdbplus_value to)
{
    const tdbplus_scan_options options = {.struct_size = sizeof options,
                                          .order = TDBPLUS_ASCENDING,
                                          .from = &from,
                                          .from_count = 1,
                                          .to = &to,
                                          .to_count = 1,
                                          .to_exclusive = true};
    int count = 0;
    tdbplus_scan *rows = NULL;
    const tdbplus_value *row = NULL;
    tdbplus_status status = TDBPLUS_OK;
    must(tdbplus_scan_open(quakes, NULL, &options, &rows, &call), "scan");
    while ((status = tdbplus_scan_next(rows, &row, &call)) == TDBPLUS_OK) {
        const int minute = (int)(row[0].as.integer / 60000000 % 60);
        printf("  01:%02d  %.*s  %.*s\n", minute, (int)row[2].as.bytes.size,
               (const char *)row[2].as.bytes.data, (int)row[3].as.bytes.size,
               (const char *)row[3].as.bytes.data);
        count++;
    }
    must(status == TDBPLUS_END ? TDBPLUS_OK : status, "scan");
    tdbplus_scan_close(rows);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: import EARTHQUAKES.CSV DIRECTORY\n");
        return 2;
    }
    call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    tdbplus_collection *quakes = NULL;
    const tdbplus_column columns[] = {
        {.name = "time", .type = TDBPLUS_TYPE_TIMESTAMPTZ, .not_null = true},
        {.name = "id", .type = TDBPLUS_TYPE_TEXT, .not_null = true},
        {.name = "magnitude", .type = TDBPLUS_TYPE_NUMERIC, .precision = 4, .scale = 2},
        {.name = "place", .type = TDBPLUS_TYPE_TEXT}};
    const char *const key[] = {"time", "id"};
    must(tdbplus_open(argv[2], NULL, &db, &call), "open");
    must(tdbplus_collection_create(db, NULL, "quakes", columns, 4, key, 2, &call), "create");
    must(tdbplus_collection_open(db, NULL, "quakes", &quakes, &call), "collection");
    printf("loaded %d earthquakes, ordered by time\n", load(db, quakes, argv[1]));
    printf("one hour of them:\n");
    printf("%d in that hour\n", scan(quakes, timestamp("2018-02-07T01:00:00.000Z"),
                                     timestamp("2018-02-07T02:00:00.000Z")));
    tdbplus_collection_close(quakes);
    tdbplus_close(db);
    return 0;
}
