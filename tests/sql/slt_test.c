/*
 * Goal: SQL gives what PostgreSQL gives. Method: the records of every *.slt file beside this one
 * are run in a database of its own in memory; expected rows and SQLSTATEs were written into the
 * files by PostgreSQL 15 (generate.py), never by hand.
 *
 * A record is a header line, the statement's lines, and after a line "----" the expected rows, one
 * a line, values separated by tabs; an empty line ends it.
 *
 *     statement ok | statement error SQLSTATE | query [rowsort]
 *     ours ok | ours error SQLSTATE | ours query [rowsort]       not asked of PostgreSQL
 */

#include <dirent.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "tdbplus/tdbplus.h"
#include "test.h"

/* ---- running one statement ---- */

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
};

static tdbplus_status print_row(struct fixture *fixture, tdbplus_result *result,
                                struct buffer *rows)
{
    for (uint32_t i = 0; i < tdbplus_result_column_count(result); i++) {
        const char *text = NULL;
        size_t size = 0;
        TRY(tdbplus_result_text(result, i, &text, &size, &fixture->call));
        buffer_put_text(rows, i == 0 ? "" : "\t");
        if (text == NULL) {
            buffer_put_text(rows, "NULL");
        } else {
            buffer_put(rows, text, size);
            buffer_put_text(rows, size == 0 ? "(empty)" : "");
        }
    }
    buffer_put_text(rows, "\n");
    return TDBPLUS_OK;
}

/* Appends the statement's rows as lines. */
static tdbplus_status run(struct fixture *fixture, const char *text, struct buffer *rows)
{
    tdbplus_result *result = NULL;
    TRY(tdbplus_execute(fixture->session, text, strlen(text), NULL, 0, NULL, &result,
                        &fixture->call));
    tdbplus_status status = TDBPLUS_OK;
    while (tdbplus_result_column_count(result) > 0 && status == TDBPLUS_OK) {
        status = tdbplus_result_next(result, NULL, &fixture->call);
        if (status == TDBPLUS_OK) {
            status = print_row(fixture, result, rows);
        }
    }
    tdbplus_result_close(result);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

/* ---- records ---- */

struct record {
    const char *file;
    int line;
    bool is_query;
    bool sorted;
    char sqlstate[6]; /* Expected; "00000": none. */
    char text[65536];
    char expected[262144];
};

static int compare_lines(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void sort_lines(char *text)
{
    static char *lines[65536];
    static char copy[262144];
    size_t count = 0;
    (void)snprintf(copy, sizeof copy, "%s", text);
    char *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)sprintf(text + used, "%s\n", lines[i]);
    }
}

static uint32_t failures;

static void fail(const struct record *record, const char *what, const char *detail)
{
    (void)fprintf(stderr, "%s:%d: %s: %s\n%s", record->file, record->line, what, detail,
                  record->text);
    failures++;
}

static void check_record(struct fixture *fixture, struct record *record)
{
    struct buffer got;
    buffer_init(&got, &alloc_system);
    tdbplus_status status = run(fixture, record->text, &got);
    const char *state = status == TDBPLUS_OK ? "00000" : fixture->call.error.sqlstate;
    if (strcmp(state, record->sqlstate) != 0) {
        char text[1024];
        (void)snprintf(text, sizeof text, "expected %s, got %s %s", record->sqlstate, state,
                       fixture->call.error.message);
        fail(record, "SQLSTATE", text);
    } else if (record->is_query && status == TDBPLUS_OK) {
        static char rows[262144];
        (void)snprintf(rows, sizeof rows, "%.*s", (int)got.size,
                       got.size > 0 ? (const char *)got.data : "");
        if (record->sorted) {
            sort_lines(rows);
            sort_lines(record->expected);
        }
        if (strcmp(rows, record->expected) != 0) {
            static char text[600000];
            (void)snprintf(text, sizeof text, "expected\n%sgot\n%s", record->expected, rows);
            fail(record, "rows", text);
        }
    }
    buffer_deinit(&got);
}

/* Reads the header's words; false when the line is none. */
static bool read_header(struct record *record, const char *line)
{
    char words[4][32] = {"", "", "", ""};
    int count = sscanf(line, "%31s %31s %31s %31s", words[0], words[1], words[2], words[3]);
    uint32_t at = strcmp(words[0], "ours") == 0 ? 1 : 0;
    if (count <= 0 ||
        (at == 0 && strcmp(words[0], "statement") != 0 && strcmp(words[0], "query") != 0)) {
        return false;
    }
    record->is_query = strcmp(words[at], "query") == 0;
    record->sorted = record->is_query && strcmp(words[at + 1], "rowsort") == 0;
    if (!record->is_query && strcmp(words[at], "statement") == 0) {
        at++;
    }
    bool error = strcmp(words[at], "error") == 0;
    (void)snprintf(record->sqlstate, sizeof record->sqlstate, "%.5s",
                   error ? words[at + 1] : "00000");
    return true;
}

static void append(char *text, size_t size, const char *line)
{
    size_t used = strlen(text);
    CHECK(used + strlen(line) + 2 < size);
    (void)snprintf(text + used, size - used, "%s", line);
}

static void run_file(const char *path)
{
    struct fixture fixture = {.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, NULL, &fixture.db, &fixture.call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture.db, &fixture.session, &fixture.call) == TDBPLUS_OK);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    static struct record record;
    static char line[65536];
    int number = 0;
    enum { OUTSIDE, TEXT, EXPECTED } part = OUTSIDE;
    while (fgets(line, sizeof line, file) != NULL) {
        number++;
        if (part == OUTSIDE && read_header(&record, line)) {
            record.file = path;
            record.line = number;
            record.text[0] = record.expected[0] = 0;
            part = TEXT;
        } else if (part != OUTSIDE && line[0] == '\n') {
            check_record(&fixture, &record);
            part = OUTSIDE;
        } else if (part == TEXT && strcmp(line, "----\n") == 0) {
            part = EXPECTED;
        } else if (part != OUTSIDE) {
            append(part == TEXT ? record.text : record.expected,
                   part == TEXT ? sizeof record.text : sizeof record.expected, line);
        }
    }
    if (part != OUTSIDE) {
        check_record(&fixture, &record);
    }
    (void)fclose(file);
    tdbplus_session_close(fixture.session);
    tdbplus_close(fixture.db);
}

TEST(statements_give_what_postgresql_gives)
{
    char directory[512];
    (void)snprintf(directory, sizeof directory, "%s", __FILE__);
    *strrchr(directory, '/') = 0;
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, NULL, alphasort);
    CHECK(count > 0);
    uint32_t files = 0;
    for (int i = 0; i < count; i++) {
        size_t size = strlen(entries[i]->d_name);
        if (size > 4 && strcmp(entries[i]->d_name + size - 4, ".slt") == 0) {
            char path[1024];
            (void)snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
            run_file(path);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    CHECK(files > 0);
    CHECK(failures == 0);
}
