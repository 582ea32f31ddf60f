/*
 * Documents: loads films (a JSON object a line), reads one by its id, changes it, counts.
 *
 *     documents MOVIES.NDJSON DIRECTORY
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdbplus/tdbplus.h>

static tdbplus_call call;

static void must(tdbplus_status status, const char *what)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s: %s\n%s\n", what, call.error.message, call.error.hint);
        exit(1);
    }
}

/* A document is a row of two values: its id, a text, and itself. All go in with one commit. */
static int load(tdbplus_db *db, tdbplus_collection *films, const char *path)
{
    static char line[65536];
    int count = 0;
    tdbplus_txn *txn = NULL;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    must(tdbplus_begin(db, NULL, &txn, &call), "begin");
    while (fgets(line, sizeof line, file) != NULL) {
        char id[32];
        snprintf(id, sizeof id, "film-%04d", ++count);
        const tdbplus_value document[] = {tdbplus_text(id),
                                          tdbplus_json(line, strcspn(line, "\r\n"))};
        must(tdbplus_insert(films, txn, document, 2, &call), "insert");
    }
    must(tdbplus_commit(txn, &call), "commit");
    fclose(file);
    return count;
}

static void show(tdbplus_db *db, tdbplus_collection *films, const char *id)
{
    tdbplus_row *row = NULL;
    const tdbplus_value key = tdbplus_text(id);
    must(tdbplus_row_create(db, &row, &call), "row");
    must(tdbplus_get(films, NULL, &key, 1, row, &call), "get");
    const tdbplus_value document = tdbplus_row_value(row, 1);
    printf("%s: %.*s\n", id, (int)document.as.bytes.size, (const char *)document.as.bytes.data);
    tdbplus_row_destroy(row);
}

static int count_all(tdbplus_collection *films)
{
    int count = 0;
    tdbplus_scan *scan = NULL;
    const tdbplus_value *values = NULL;
    tdbplus_status status = TDBPLUS_OK;
    must(tdbplus_scan_open(films, NULL, NULL, &scan, &call), "scan");
    while ((status = tdbplus_scan_next(scan, &values, &call)) == TDBPLUS_OK) {
        count++;
    }
    must(status == TDBPLUS_END ? TDBPLUS_OK : status, "scan");
    tdbplus_scan_close(scan);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: documents MOVIES.NDJSON DIRECTORY\n");
        return 2;
    }
    call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    tdbplus_collection *films = NULL;
    must(tdbplus_open(argv[2], NULL, &db, &call), "open");
    must(tdbplus_documents_create(db, NULL, "films", &call), "create");
    must(tdbplus_collection_open(db, NULL, "films", &films, &call), "collection");
    printf("loaded %d films\n", load(db, films, argv[1]));
    show(db, films, "film-0001");

    static const char changed[] = "{\"title\": \"Watermelon Contest\", \"seen\": true}";
    const tdbplus_value document[] = {tdbplus_text("film-0001"),
                                      tdbplus_json(changed, strlen(changed))};
    must(tdbplus_update(films, NULL, document, 2, &call), "update");
    show(db, films, "film-0001");

    bool deleted = false;
    const tdbplus_value key = tdbplus_text("film-0002");
    must(tdbplus_delete(films, NULL, &key, 1, &deleted, &call), "delete");
    printf("film-0002 was %s; %d films are left\n", deleted ? "deleted" : "not there",
           count_all(films));
    tdbplus_collection_close(films);
    tdbplus_close(db);
    return 0;
}
