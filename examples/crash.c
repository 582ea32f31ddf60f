/*
 * Crash: 36,273 films as documents without a schema and 200,000 flights as a table are loaded and
 * asked about; then a process that commits as fast as it can is killed, and everything it was told
 * was committed must be there. The killing is done three times.
 *
 *     crash MOVIES.NDJSON FLIGHTS.ARROW DIRECTORY
 */

#define _DEFAULT_SOURCE // fork(), kill()

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdbplus/arrow.h>
#include <tdbplus/tdbplus.h>

#define ROUNDS          3
#define COMMITS_PER_RUN 400 /* Acknowledged ones after which the process is killed. */

static tdbplus_call call;

static void must(tdbplus_status status, const char *what)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s: %s\n%s\n", what, call.error.message, call.error.hint);
        exit(1);
    }
}

static tdbplus_db *open_database(const char *directory)
{
    tdbplus_db *db = NULL;
    call = TDBPLUS_CALL_INIT;
    must(tdbplus_open(directory, NULL, &db, &call), "open");
    return db;
}

static tdbplus_collection *open_collection(tdbplus_db *db, const char *name)
{
    tdbplus_collection *collection = NULL;
    must(tdbplus_collection_open(db, NULL, name, &collection, &call), name);
    return collection;
}

/* ---- loading ---- */

/* A line of the file is a document; no column was declared for it. */
static int load_films(tdbplus_db *db, const char *path)
{
    static char line[65536];
    int count = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    must(tdbplus_documents_create(db, NULL, "films", &call), "create films");
    tdbplus_collection *films = open_collection(db, "films");
    tdbplus_txn *txn = NULL;
    must(tdbplus_begin(db, NULL, &txn, &call), "begin");
    while (fgets(line, sizeof line, file) != NULL) {
        char id[32];
        snprintf(id, sizeof id, "film-%05d", ++count);
        const tdbplus_value document[] = {tdbplus_text(id),
                                          tdbplus_json(line, strcspn(line, "\r\n"))};
        must(tdbplus_insert(films, txn, document, 2, &call), "insert a film");
    }
    must(tdbplus_commit(txn, &call), "commit the films");
    fclose(file);
    tdbplus_collection_close(films);
    return count;
}

/* Value `at` of an Arrow array of small integers or floats, whichever the file has. */
static double number_at(const struct ArrowSchema *field, const struct ArrowArray *array, int64_t at)
{
    const void *values = array->buffers[1];
    at += array->offset;
    switch (field->format[0]) {
    case 's':
        return ((const int16_t *)values)[at];
    case 'i':
        return ((const int32_t *)values)[at];
    case 'f':
        return ((const float *)values)[at];
    default:
        return ((const double *)values)[at];
    }
}

/* The file's columns are read as Arrow gives them; the flights get numbers as their key. */
static int64_t load_flights(tdbplus_db *db, const char *path)
{
    static const char *const names[] = {"delay", "distance", "time"};
    const tdbplus_column columns[] = {
        {.name = "flight", .type = TDBPLUS_TYPE_INT8, .not_null = true},
        {.name = "delay", .type = TDBPLUS_TYPE_INT4},
        {.name = "distance", .type = TDBPLUS_TYPE_INT4},
        {.name = "time", .type = TDBPLUS_TYPE_FLOAT8}};
    const char *const key[] = {"flight"};
    must(tdbplus_collection_create(db, NULL, "flights", columns, 4, key, 1, &call),
         "create flights");
    tdbplus_collection *flights = open_collection(db, "flights");
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    must(tdbplus_arrow_file(path, &stream, &call), path);
    if (stream.get_schema(&stream, &schema) != 0 || schema.n_children != 3) {
        fprintf(stderr, "%s: not the flights\n", path);
        exit(1);
    }
    int fields[3] = {0};
    for (int n = 0; n < 3; n++) {
        for (int f = 0; f < 3; f++) {
            fields[n] = strcmp(schema.children[f]->name, names[n]) == 0 ? f : fields[n];
        }
    }
    int64_t count = 0;
    for (;;) {
        struct ArrowArray array;
        tdbplus_txn *txn = NULL;
        if (stream.get_next(&stream, &array) != 0) {
            fprintf(stderr, "%s: %s\n", path, stream.get_last_error(&stream));
            exit(1);
        }
        if (array.release == NULL) {
            break;
        }
        must(tdbplus_begin(db, NULL, &txn, &call), "begin");
        for (int64_t i = 0; i < array.length; i++) {
            double values[3];
            for (int n = 0; n < 3; n++) {
                values[n] = number_at(schema.children[fields[n]], array.children[fields[n]], i);
            }
            const tdbplus_value row[] = {
                {.type = TDBPLUS_TYPE_INT8, .as.integer = ++count},
                {.type = TDBPLUS_TYPE_INT4, .as.integer = (int64_t)values[0]},
                {.type = TDBPLUS_TYPE_INT4, .as.integer = (int64_t)values[1]},
                {.type = TDBPLUS_TYPE_FLOAT8, .as.real = values[2]}};
            must(tdbplus_insert(flights, txn, row, 4, &call), "insert a flight");
        }
        must(tdbplus_commit(txn, &call), "commit flights");
        array.release(&array);
    }
    schema.release(&schema);
    stream.release(&stream);
    tdbplus_collection_close(flights);
    return count;
}

/* ---- asking ---- */

static int64_t ask_number(tdbplus_db *db, const char *sql)
{
    tdbplus_session *session = NULL;
    tdbplus_result *result = NULL;
    const tdbplus_value *row = NULL;
    must(tdbplus_session_open(db, &session, &call), "session");
    must(tdbplus_execute(session, sql, strlen(sql), NULL, 0, NULL, &result, &call), sql);
    must(tdbplus_result_next(result, &row, &call), sql);
    const int64_t number = row[0].as.integer;
    tdbplus_result_close(result);
    tdbplus_session_close(session);
    return number;
}

static void ask(tdbplus_db *db, const char *what, const char *sql)
{
    tdbplus_session *session = NULL;
    tdbplus_result *result = NULL;
    const tdbplus_value *row = NULL;
    tdbplus_status status = TDBPLUS_OK;
    printf("%s\n", what);
    must(tdbplus_session_open(db, &session, &call), "session");
    must(tdbplus_execute(session, sql, strlen(sql), NULL, 0, NULL, &result, &call), sql);
    while ((status = tdbplus_result_next(result, &row, &call)) == TDBPLUS_OK) {
        printf("  %.*s\n", (int)row[0].as.bytes.size, (const char *)row[0].as.bytes.data);
    }
    must(status == TDBPLUS_END ? TDBPLUS_OK : status, sql);
    tdbplus_result_close(result);
    tdbplus_session_close(session);
}

/* ---- crashing ---- */

/* Commit n: a film is marked as seen, a flight gets n as its delay, and the journal says so. */
static void commit_for_ever(const char *directory, int64_t first, int acknowledged)
{
    tdbplus_db *db = open_database(directory);
    tdbplus_collection *journal = open_collection(db, "journal");
    tdbplus_collection *films = open_collection(db, "films");
    tdbplus_collection *flights = open_collection(db, "flights");
    for (int64_t n = first;; n++) {
        char id[32];
        char text[64];
        tdbplus_txn *txn = NULL;
        snprintf(id, sizeof id, "film-%05" PRId64, 1 + n % 36273);
        snprintf(text, sizeof text, "{\"seen\": %" PRId64 "}", n);
        const tdbplus_value number = {.type = TDBPLUS_TYPE_INT8, .as.integer = n};
        const tdbplus_value film[] = {tdbplus_text(id), tdbplus_json(text, strlen(text))};
        const tdbplus_value flight[] = {{.type = TDBPLUS_TYPE_INT8, .as.integer = 1 + n % 200000},
                                        {.type = TDBPLUS_TYPE_INT4, .as.integer = n},
                                        {.type = TDBPLUS_TYPE_INT4, .as.integer = 0},
                                        {.type = TDBPLUS_TYPE_FLOAT8, .as.real = -1}};
        must(tdbplus_begin(db, NULL, &txn, &call), "begin");
        must(tdbplus_insert(journal, txn, &number, 1, &call), "journal");
        must(tdbplus_upsert(films, txn, film, 2, &call), "film");
        must(tdbplus_upsert(flights, txn, flight, 4, &call), "flight");
        must(tdbplus_commit(txn, &call), "commit");
        // From here on it is promised.
        if (write(acknowledged, &n, sizeof n) != sizeof n) {
            exit(1);
        }
    }
}

/* Lets a process commit, kills it, and returns the last number that it was promised. */
static int64_t crash(const char *directory, int64_t first)
{
    int pipes[2];
    fflush(stdout);
    if (pipe(pipes) != 0) {
        perror("pipe");
        exit(1);
    }
    const pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        commit_for_ever(directory, first, pipes[1]);
    }
    close(pipes[1]);
    int64_t last = first - 1;
    int64_t n = 0;
    while (read(pipes[0], &n, sizeof n) == sizeof n) {
        last = n;
        if (n == first + COMMITS_PER_RUN) {
            kill(child, SIGKILL); // No handler, no goodbye. What is in the pipe still counts.
        }
    }
    close(pipes[0]);
    waitpid(child, NULL, 0);
    return last;
}

static void check(tdbplus_db *db, int64_t promised)
{
    char sql[160];
    const int64_t journal = ask_number(db, "SELECT count(*) FROM journal");
    const int64_t films =
        ask_number(db, "SELECT count(*) FROM films WHERE document->'seen' IS NOT NULL");
    const int64_t flights = ask_number(db, "SELECT count(*) FROM flights WHERE time = -1");
    snprintf(sql, sizeof sql, "SELECT count(*) FROM journal WHERE n <= %" PRId64, promised);
    const int64_t kept = ask_number(db, sql);
    // A commit that was not acknowledged any more may have happened, but as a whole.
    if (kept != promised || films != journal || flights != journal || journal > promised + 1) {
        printf("promised %" PRId64 ", found %" PRId64 " commits, %" PRId64 " films, %" PRId64
               " flights\n",
               promised, journal, films, flights);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: crash MOVIES.NDJSON FLIGHTS.ARROW DIRECTORY\n");
        return 2;
    }
    const char *directory = argv[3];
    tdbplus_db *db = open_database(directory);
    printf("loaded %d films as documents\n", load_films(db, argv[1]));
    printf("loaded %" PRId64 " flights as a table\n", load_flights(db, argv[2]));
    ask(db, "the decades with most westerns:",
        "SELECT (document->>'year')::int / 10 * 10 || 's: ' || count(*) FROM films"
        " WHERE document->>'genres' LIKE '%Western%'"
        " GROUP BY (document->>'year')::int / 10 ORDER BY count(*) DESC LIMIT 3");
    ask(db, "flights by length, and how many of them were an hour late:",
        "SELECT distance / 1000 * 1000 || ' miles and more: ' || count(*) || ', ' ||"
        " count(*) FILTER (WHERE delay >= 60) FROM flights"
        " GROUP BY distance / 1000 ORDER BY distance / 1000");
    const tdbplus_column column = {.name = "n", .type = TDBPLUS_TYPE_INT8, .not_null = true};
    const char *const key[] = {"n"};
    must(tdbplus_collection_create(db, NULL, "journal", &column, 1, key, 1, &call), "journal");
    tdbplus_close(db);

    int64_t promised = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        const int64_t last = crash(directory, promised + 1);
        db = open_database(directory);
        check(db, last);
        promised = ask_number(db, "SELECT count(*) FROM journal");
        printf("killed while committing, round %d: every acknowledged commit is there, whole\n",
               round);
        tdbplus_close(db);
    }
    return 0;
}
