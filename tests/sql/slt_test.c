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
#include "os/env.h"
#include "simd/simd.h"
#include "sql/exec/statement.h"
#include "sql/func/func.h"
#include "test.h"

#define FILE_SIZE_MAX ((size_t)8 << 20)

struct session {
    struct env *env;
    struct store *store;
    struct txn *txn; /* Of BEGIN; NULL: each statement is one. */
    bool failed;     /* Until ROLLBACK. */
    struct txn_savepoint savepoints[16];
    char savepoint_names[16][64];
    uint32_t savepoint_count;
    struct err err;
};

struct result {
    struct buffer rows; /* Lines. */
    uint32_t columns;
    char tag[64];
};

/* ---- running one statement ---- */

static tdbplus_status print_batch(const struct batch *batch, struct buffer *rows, struct err *err)
{
    for (uint32_t i = 0; i < batch_live_count(batch); i++) {
        uint32_t row = batch->selection != NULL ? batch->selection[i] : i;
        for (uint32_t c = 0; c < batch->column_count; c++) {
            struct datum value;
            column_get(&batch->columns[c], row, &value);
            buffer_put_text(rows, c == 0 ? "" : "\t");
            size_t before = rows->size;
            if (value.is_null) {
                buffer_put_text(rows, "NULL");
            } else {
                TRY(func_print(&value, rows, err));
                buffer_put_text(rows, rows->size == before ? "(empty)" : "");
            }
        }
        buffer_put_text(rows, "\n");
    }
    return TDBPLUS_OK;
}

static tdbplus_status run_prepared(struct session *session, struct sql_prepared *prepared,
                                   struct txn *txn, const struct call *call, struct result *result)
{
    struct sql_run_options options = {
        .txn = txn, .transaction_time_us = 1700000000000000, .retry_conflicts = true};
    struct sql_cursor *cursor = NULL;
    TRY(sql_cursor_open(prepared, &options, call, &cursor));
    struct batch batch;
    batch_init(&batch, &alloc_system);
    tdbplus_status status;
    while ((status = sql_cursor_next(cursor, &batch)) == TDBPLUS_OK) {
        status = print_batch(&batch, &result->rows, &session->err);
        if (status != TDBPLUS_OK) {
            break;
        }
    }
    sql_cursor_tag(cursor, result->tag);
    result->columns = sql_column_count(prepared);
    batch_deinit(&batch);
    sql_cursor_close(cursor);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status run_in(struct session *session, struct txn *txn, struct sql_script *script,
                             struct result *result)
{
    struct call call = {.alloc = &alloc_system, .err = &session->err};
    struct sql_prepared *prepared = NULL;
    TRY(txn_statement(txn, &session->err));
    TRY(sql_prepare(script, 0, txn, NULL, 0, &call, &prepared));
    tdbplus_status status = run_prepared(session, prepared, txn, &call, result);
    sql_prepared_destroy(prepared);
    return status;
}

static tdbplus_status begin(struct session *session, struct txn **txn)
{
    struct txn_options options = {.isolation = TXN_READ_COMMITTED, .durability = -1};
    return txn_begin(session->store, &options, &alloc_system, txn, &session->err);
}

static int32_t find_savepoint(const struct session *session, const char *name)
{
    for (int32_t i = (int32_t)session->savepoint_count - 1; i >= 0; i--) {
        if (strcmp(session->savepoint_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static tdbplus_status run_transaction(struct session *session, const struct ast_transaction *ast)
{
    struct call call = {.alloc = &alloc_system, .err = &session->err};
    struct txn *txn = session->txn;
    int32_t number = -1;
    switch (ast->transaction_kind) {
    case AST_BEGIN:
    case AST_START:
        session->savepoint_count = 0;
        return begin(session, &session->txn);
    case AST_COMMIT:
    case AST_ROLLBACK:
        session->txn = NULL;
        if (txn == NULL || ast->transaction_kind == AST_ROLLBACK || session->failed) {
            txn_abort(txn);
            session->failed = false;
            return TDBPLUS_OK;
        }
        return txn_commit(txn, &call);
    case AST_SAVEPOINT:
        CHECK(session->savepoint_count < 16);
        (void)snprintf(session->savepoint_names[session->savepoint_count], 64, "%s",
                       ast->savepoint);
        session->savepoints[session->savepoint_count++] = txn_savepoint_set(txn);
        return TDBPLUS_OK;
    case AST_RELEASE:
    case AST_ROLLBACK_TO:
        number = find_savepoint(session, ast->savepoint);
        if (number < 0) {
            return err_set_state(&session->err, TDBPLUS_E_SQL, "3B001", "no such savepoint");
        }
        if (ast->transaction_kind == AST_ROLLBACK_TO) {
            txn_savepoint_rollback(txn, session->savepoints[number]);
            session->failed = false;
            number++;
        }
        session->savepoint_count = (uint32_t)number;
        return TDBPLUS_OK;
    default:
        return err_set(&session->err, TDBPLUS_E_UNSUPPORTED, "not in this test");
    }
}

static bool ends_failure(const struct ast *ast)
{
    uint8_t kind = ast->kind == AST_TRANSACTION
                       ? ((const struct ast_transaction *)ast)->transaction_kind
                       : AST_BEGIN;
    return kind == AST_ROLLBACK || kind == AST_COMMIT || kind == AST_ROLLBACK_TO;
}

static tdbplus_status run_script(struct session *session, struct sql_script *script,
                                 struct result *result)
{
    CHECK(sql_script_count(script) == 1);
    if (session->failed && !ends_failure(sql_statement_ast(script, 0))) {
        return err_set(&session->err, TDBPLUS_E_ABORTED, "the transaction failed before");
    }
    if (sql_statement_kind(script, 0) == SQL_TRANSACTION) {
        return run_transaction(session,
                               (const struct ast_transaction *)sql_statement_ast(script, 0));
    }
    if (session->txn != NULL) {
        struct txn_savepoint savepoint = txn_savepoint_set(session->txn);
        tdbplus_status status = run_in(session, session->txn, script, result);
        if (status != TDBPLUS_OK) {
            txn_savepoint_rollback(session->txn, savepoint);
        }
        return status;
    }
    struct txn *txn = NULL;
    TRY(begin(session, &txn));
    tdbplus_status status = run_in(session, txn, script, result);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    struct call call = {.alloc = &alloc_system, .err = &session->err};
    return txn_commit(txn, &call);
}

static tdbplus_status run(struct session *session, const char *text, struct result *result)
{
    err_clear(&session->err);
    struct sql_script *script = NULL;
    tdbplus_status status =
        sql_script_create(span_from_text(text), &alloc_system, &script, &session->err);
    if (status == TDBPLUS_OK) {
        status = run_script(session, script, result);
    }
    sql_script_destroy(script);
    if (status != TDBPLUS_OK && session->txn != NULL) {
        session->failed = true;
    }
    return status;
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

static void check_record(struct session *session, struct record *record)
{
    struct result result = {0};
    buffer_init(&result.rows, &alloc_system);
    tdbplus_status status = run(session, record->text, &result);
    const char *state = status == TDBPLUS_OK ? "00000" : session->err.sqlstate;
    if (strcmp(state, record->sqlstate) != 0) {
        char text[1024];
        (void)snprintf(text, sizeof text, "expected %s, got %s %s", record->sqlstate, state,
                       session->err.text);
        fail(record, "SQLSTATE", text);
    } else if (record->is_query && status == TDBPLUS_OK) {
        static char rows[262144];
        (void)snprintf(rows, sizeof rows, "%.*s", (int)result.rows.size,
                       result.rows.size > 0 ? (const char *)result.rows.data : "");
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
    buffer_deinit(&result.rows);
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
    struct session session = {0};
    simd_init();
    CHECK(env_ram_create(&alloc_system, &session.env, &session.err) == TDBPLUS_OK);
    struct store_options options = {.env = session.env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .log_file_size = 1 << 20};
    CHECK(store_open(&options, &session.store, &session.err) == TDBPLUS_OK);
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
            check_record(&session, &record);
            part = OUTSIDE;
        } else if (part == TEXT && strcmp(line, "----\n") == 0) {
            part = EXPECTED;
        } else if (part != OUTSIDE) {
            append(part == TEXT ? record.text : record.expected,
                   part == TEXT ? sizeof record.text : sizeof record.expected, line);
        }
    }
    if (part != OUTSIDE) {
        check_record(&session, &record);
    }
    (void)fclose(file);
    txn_abort(session.txn);
    store_close(session.store);
    env_ram_destroy(session.env);
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
