/*
 * Cursors: DECLARE, FETCH, MOVE, CLOSE. A cursor's query is a result like any other, read as rows
 * are fetched; the rows that were read are kept, so that a cursor goes both ways.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/session.h"
#include "sql/parse/ast_session.h"

#define BATCH_ALL UINT64_MAX

struct named_cursor {
    char name[64];
    tdbplus_result *source;
    struct list rows;    /* struct batch, flat, of what was read so far. */
    uint64_t read_count; /* Rows in them. */
    uint64_t place;      /* Of the current row, from 1; 0: before the first. */
    bool after_last;
    bool ended;   /* The source has no more. */
    bool forward; /* NO SCROLL. */
    bool hold;
    bool of_txn;     /* Ends with the transaction, or is held when it commits. */
    uint64_t serial; /* By which savepoints know what was declared after them. */
};

void session_init_cursors(tdbplus_session *session)
{
    list_init(&session->cursors, &session->db->host, sizeof(struct named_cursor));
}

static struct named_cursor *cursor_at(const tdbplus_session *session, size_t place)
{
    return list_at(&session->cursors, place);
}

static size_t find(const tdbplus_session *session, const char *name)
{
    size_t place = 0;
    while (place < session->cursors.count && strcmp(cursor_at(session, place)->name, name) != 0) {
        place++;
    }
    return place;
}

static void close_at(tdbplus_session *session, size_t place)
{
    struct named_cursor *cursor = cursor_at(session, place);
    for (size_t i = 0; i < cursor->rows.count; i++) {
        batch_deinit(list_at(&cursor->rows, i));
    }
    list_deinit(&cursor->rows);
    result_destroy(cursor->source);
    list_remove(&session->cursors, place);
}

void session_close_cursors(tdbplus_session *session, bool held_too)
{
    for (size_t i = session->cursors.count; i > 0; i--) {
        if (held_too || cursor_at(session, i - 1)->of_txn) {
            close_at(session, i - 1);
        }
    }
}

void session_close_cursors_since(tdbplus_session *session, uint64_t serial)
{
    for (size_t i = session->cursors.count; i > 0; i--) {
        const struct named_cursor *cursor = cursor_at(session, i - 1);
        if (cursor->of_txn && cursor->serial > serial) {
            close_at(session, i - 1);
        }
    }
}

/* ---- reading ---- */

/* Reads on until the cursor has `wanted` rows or its source has no more. */
static tdbplus_status read_to(struct named_cursor *cursor, uint64_t wanted, const struct call *call)
{
    while (!cursor->ended && cursor->read_count < wanted) {
        tdbplus_status status = result_next_batch(cursor->source, call);
        if (status == TDBPLUS_END) {
            cursor->ended = true;
            return TDBPLUS_OK;
        }
        TRY(status);
        const struct batch *batch = &cursor->source->batch;
        TRY(result_keep_batch(&cursor->rows, batch, call));
        cursor->read_count += batch_live_count(batch);
    }
    return TDBPLUS_OK;
}

tdbplus_status session_hold_cursors(tdbplus_session *session, const struct call *call)
{
    for (size_t i = 0; i < session->cursors.count; i++) {
        struct named_cursor *cursor = cursor_at(session, i);
        if (cursor->of_txn && cursor->hold) {
            TRY(read_to(cursor, BATCH_ALL, call));
            cursor->of_txn = false;
        }
    }
    return TDBPLUS_OK;
}

/* ---- DECLARE ---- */

static tdbplus_status start(tdbplus_session *session, tdbplus_result *source,
                            const struct call *call)
{
    struct txn *txn = session->txn;
    struct txn *own = NULL;
    int64_t time_us = session->begin_time_us;
    if (txn == NULL) {
        struct txn_options options = session->state->txn;
        TRY(txn_begin(session->db->store, &options, call->alloc, &own, call->err));
        txn = own;
        time_us = (int64_t)env_clock_wall_us(store_env(session->db->store));
    }
    tdbplus_status status = txn_statement(txn, call->err);
    if (status == TDBPLUS_OK) {
        struct parameter_list none = {0};
        status = result_prepare(source, txn, &none, call);
    }
    if (status == TDBPLUS_OK) {
        status = result_start(source, txn, true, time_us, call);
    }
    if (status == TDBPLUS_OK && source->cursor != NULL && own != NULL) {
        source->own_txn = own; // Ended with the source.
        own = NULL;
    } else if (status == TDBPLUS_OK && source->cursor != NULL) {
        source->session = session;
        session->result_open = source;
    }
    txn_abort(own);
    return status;
}

tdbplus_status session_declare(tdbplus_session *session, tdbplus_result *result,
                               const struct call *call)
{
    const struct ast_declare_cursor *ast =
        (const struct ast_declare_cursor *)sql_statement_ast(result->script, 0);
    struct named_cursor cursor = {.forward = ast->scroll == AST_NO_SCROLL,
                                  .hold = ast->hold,
                                  .of_txn = session->txn != NULL,
                                  .serial = ++session->cursor_serial};
    (void)memccpy(cursor.name, ast->name, 0, sizeof cursor.name - 1);
    if (session->txn == NULL && !ast->hold) {
        return err_set_state(call->err, TDBPLUS_E_STATE, "25P01",
                             "DECLARE CURSOR can only be used in transaction blocks");
    }
    if (find(session, cursor.name) < session->cursors.count) {
        return err_set_state(call->err, TDBPLUS_E_EXISTS, "42P03", "cursor \"%s\" already exists",
                             cursor.name);
    }
    if (ast->query->kind != AST_SELECT) {
        return err_set_state(call->err, TDBPLUS_E_SQL, "42P11",
                             "DECLARE CURSOR must specify a query");
    }
    if (session->result_open != NULL) {
        result_hold(session->result_open, call);
    }
    tdbplus_status status = TDBPLUS_OK;
    TRY(result_create(session, "", &cursor.source, call->err));
    cursor.source->script = result->script;
    cursor.source->lazy = true;
    result->script = NULL;
    list_init(&cursor.rows, store_alloc(session->db->store), sizeof(struct batch));
    sql_script_unwrap(cursor.source->script);
    TRY_OR(done, start(session, cursor.source, call));
    if (list_push(&session->cursors, &cursor) == NULL) {
        status = err_set(call->err, TDBPLUS_E_NOMEM, "a cursor does not fit in memory");
        goto done;
    }
    if (session->txn == NULL) {
        // Nobody waits for its end: all rows are read now.
        size_t place = session->cursors.count - 1;
        status = read_to(cursor_at(session, place), BATCH_ALL, call);
        if (status != TDBPLUS_OK) {
            close_at(session, place);
        }
    }
    return status;
done:
    result_destroy(cursor.source);
    return status;
}

tdbplus_status session_close(tdbplus_session *session, const struct ast *ast, struct err *err)
{
    const char *name = ((const struct ast_close_cursor *)ast)->name;
    if (name == NULL) {
        session_close_cursors(session, true);
        return TDBPLUS_OK;
    }
    size_t place = find(session, name);
    if (place == session->cursors.count) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "34000", "cursor \"%s\" does not exist",
                             name);
    }
    close_at(session, place);
    return TDBPLUS_OK;
}

/* ---- FETCH and MOVE ---- */

/* Rows that a FETCH gives: `count` from row `first` on (1: the first), or backward from it. */
struct range {
    uint64_t first;
    uint64_t count;
    bool backward;
};

static uint64_t distance(int64_t count)
{
    return count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
}

/* The current row again, if there is one. */
static struct range again(const struct named_cursor *cursor)
{
    bool on_row = cursor->place > 0 && !cursor->after_last;
    return (struct range){.first = cursor->place, .count = on_row};
}

static tdbplus_status go_forward(struct named_cursor *cursor, uint64_t count, bool all,
                                 const struct call *call, struct range *range_out)
{
    uint64_t begin = cursor->after_last ? cursor->read_count : cursor->place;
    uint64_t wanted = all || count > BATCH_ALL - begin ? BATCH_ALL : begin + count;
    TRY(read_to(cursor, wanted, call));
    uint64_t end = wanted < cursor->read_count ? wanted : cursor->read_count;
    *range_out = (struct range){.first = begin + 1, .count = end - begin};
    cursor->after_last = end < wanted;
    cursor->place = end;
    return TDBPLUS_OK;
}

static void go_backward(struct named_cursor *cursor, uint64_t count, bool all,
                        struct range *range_out)
{
    // After the last row it is the last one that comes first.
    uint64_t before = cursor->after_last ? cursor->place : cursor->place - (cursor->place > 0);
    uint64_t given = all || count > before ? before : count;
    *range_out = (struct range){.first = before, .count = given, .backward = true};
    cursor->place = all || count > before ? 0 : before - given + 1;
    cursor->after_last = false;
}

/* To one row by its number, which may be past either end. */
static tdbplus_status go_to(struct named_cursor *cursor, uint64_t row, const struct call *call,
                            struct range *range_out)
{
    TRY(read_to(cursor, row, call));
    cursor->after_last = row > cursor->read_count;
    cursor->place = cursor->after_last ? cursor->read_count : row;
    *range_out = again(cursor);
    return TDBPLUS_OK;
}

static tdbplus_status go_absolute(struct named_cursor *cursor, int64_t number,
                                  const struct call *call, struct range *range_out)
{
    if (number >= 0) {
        return go_to(cursor, (uint64_t)number, call, range_out);
    }
    TRY(read_to(cursor, BATCH_ALL, call));
    uint64_t back = distance(number);
    return go_to(cursor, back > cursor->read_count ? 0 : cursor->read_count + 1 - back, call,
                 range_out);
}

static tdbplus_status go_relative(struct named_cursor *cursor, int64_t number,
                                  const struct call *call, struct range *range_out)
{
    uint64_t here = cursor->after_last ? cursor->read_count + 1 : cursor->place;
    uint64_t by = distance(number);
    if (number == 0) {
        *range_out = again(cursor);
        return TDBPLUS_OK;
    }
    if (number < 0) {
        return go_to(cursor, by >= here ? 0 : here - by, call, range_out);
    }
    return go_to(cursor, by > BATCH_ALL - 1 - here ? BATCH_ALL - 1 : here + by, call, range_out);
}

static bool goes_back(const struct named_cursor *cursor, const struct ast_fetch *ast)
{
    switch ((enum ast_fetch_direction)ast->direction) {
    case AST_FETCH_FORWARD:
        return ast->count < 0 || (ast->count == 0 && !ast->move);
    case AST_FETCH_BACKWARD:
        return ast->count > 0 || (ast->count == 0 && !ast->move);
    case AST_FETCH_ABSOLUTE:
        return cursor->place > 0 && (ast->count < 0 || (uint64_t)ast->count <= cursor->place);
    case AST_FETCH_RELATIVE:
        return ast->count <= 0;
    }
    return false;
}

static tdbplus_status go(struct named_cursor *cursor, const struct ast_fetch *ast,
                         const struct call *call, struct range *range_out)
{
    bool all = ast->count == AST_FETCH_ALL;
    bool backward = (ast->direction == AST_FETCH_BACKWARD) != (ast->count < 0);
    if (cursor->forward && goes_back(cursor, ast)) {
        tdbplus_status status =
            err_set_state(call->err, TDBPLUS_E_STATE, "55000", "cursor can only scan forward");
        err_hint(call->err, "Declare it with SCROLL option to enable backward scan.");
        return status;
    }
    switch ((enum ast_fetch_direction)ast->direction) {
    case AST_FETCH_ABSOLUTE:
        return go_absolute(cursor, ast->count, call, range_out);
    case AST_FETCH_RELATIVE:
        return go_relative(cursor, ast->count, call, range_out);
    case AST_FETCH_FORWARD:
    case AST_FETCH_BACKWARD:
        break;
    }
    if (ast->count == 0) {
        *range_out = again(cursor);
        return TDBPLUS_OK;
    }
    if (!backward) {
        return go_forward(cursor, distance(ast->count), all, call, range_out);
    }
    go_backward(cursor, distance(ast->count), all, range_out);
    return TDBPLUS_OK;
}

/* Gives the result the rows of one kept batch that are in the range. */
static tdbplus_status give_rows(const struct batch *kept, uint64_t before,
                                const struct range *range, tdbplus_result *result,
                                const struct call *call)
{
    uint16_t rows[BATCH_ROW_COUNT_MAX];
    uint32_t count = 0;
    uint64_t low = range->backward ? range->first - range->count + 1 : range->first;
    uint64_t high = range->backward ? range->first : range->first + range->count - 1;
    for (uint32_t i = 0; i < kept->row_count; i++) {
        uint32_t row = range->backward ? kept->row_count - 1 - i : i;
        uint64_t number = before + row + 1;
        if (number >= low && number <= high) {
            rows[count++] = (uint16_t)row;
        }
    }
    struct batch part = *kept;
    part.selection = rows;
    part.selected_count = count;
    return result_keep_batch(&result->held, &part, call);
}

static tdbplus_status give_range(const struct named_cursor *cursor, const struct range *range,
                                 tdbplus_result *result, const struct call *call)
{
    uint64_t before = range->backward ? cursor->read_count : 0;
    for (size_t i = 0; range->count > 0 && i < cursor->rows.count; i++) {
        size_t at = range->backward ? cursor->rows.count - 1 - i : i;
        const struct batch *kept = list_at(&cursor->rows, at);
        before -= range->backward ? kept->row_count : 0;
        TRY(give_rows(kept, before, range, result, call));
        before += range->backward ? 0 : kept->row_count;
    }
    return TDBPLUS_OK;
}

tdbplus_status session_fetch(tdbplus_session *session, tdbplus_result *result,
                             const struct call *call)
{
    const struct ast_fetch *ast = (const struct ast_fetch *)sql_statement_ast(result->script, 0);
    size_t place = find(session, ast->name);
    if (place == session->cursors.count) {
        return err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "34000",
                             "cursor \"%s\" does not exist", ast->name);
    }
    struct named_cursor *cursor = cursor_at(session, place);
    struct range range = {0};
    TRY(go(cursor, ast, call, &range));
    if (!ast->move) {
        TRY(result_describe_as(result, cursor->source, call->err));
        TRY(give_range(cursor, &range, result, call));
    }
    (void)snprintf(result->tag, sizeof result->tag, "%s %" PRIu64, ast->move ? "MOVE" : "FETCH",
                   range.count);
    return TDBPLUS_OK;
}

const tdbplus_result *session_cursor_source(const tdbplus_session *session, const char *name)
{
    size_t place = find(session, name);
    return place == session->cursors.count ? NULL : cursor_at(session, place)->source;
}
