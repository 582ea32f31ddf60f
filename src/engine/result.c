/* Results: rows of statements, as they come or held. */

#include <string.h>

#include "base/assert.h"
#include "engine/session.h"
#include "types/text.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a result does not fit the memory limit");
}

tdbplus_status result_create(tdbplus_session *session, const char *tag, tdbplus_result **result_out,
                             struct err *err)
{
    tdbplus_db *db = session->db;
    const struct alloc *alloc = store_alloc(db->store);
    tdbplus_result *result = alloc_array(alloc, 1, sizeof *result);
    if (result == NULL) {
        return no_memory(err);
    }
    result->db = db;
    result->state = session_state_share(session->state);
    result->status = TDBPLUS_END;
    (void)memccpy(result->tag, tag, 0, sizeof result->tag - 1);
    arena_init(&result->arena, alloc, 1024);
    arena_init(&result->row_arena, alloc, 1024);
    batch_init(&result->batch, alloc);
    list_init(&result->held, alloc, sizeof(struct batch));
    result->call = (struct call){.alloc = alloc, .err = &result->err};
    *result_out = result;
    return TDBPLUS_OK;
}

static void forget_held(tdbplus_result *result)
{
    for (size_t i = result->held_at; i < result->held.count; i++) {
        batch_deinit(list_at(&result->held, i));
    }
    result->held.count = 0;
    result->held_at = 0;
}

/* The transaction of a COPY FROM STDIN goes with it, or has failed. */
void result_abandon_copy(tdbplus_result *result)
{
    if (result->session != NULL) {
        result->session->failed = true;
    }
    result->copy.direction = TDBPLUS_COPY_NONE;
    result->status = err_set_state(&result->err, TDBPLUS_E_STATE, "57014", "COPY was given up");
}

/* Ends the run; rows at hand stay only if they are held. */
static void close_cursor(tdbplus_result *result)
{
    if (result->cursor != NULL && result->copy.direction == TDBPLUS_COPY_IN) {
        result_abandon_copy(result);
    }
    sql_cursor_close(result->cursor);
    result->cursor = NULL;
    if (result->session != NULL) {
        result->session->result_open = NULL;
        result->session = NULL;
    }
    if (result->own_txn != NULL && result->state != NULL && result->state->session != NULL) {
        // What its functions told and locked: a query that does not fail commits.
        bool failed = result->status != TDBPLUS_OK && result->status != TDBPLUS_END;
        if (failed) {
            session_drop_news(result->state->session, 0);
        } else {
            session_publish_news(result->state->session);
        }
        session_end_advisory(result->state->session);
    }
    txn_abort(result->own_txn); // It read only, or came to nothing.
    result->own_txn = NULL;
}

void result_stop(tdbplus_result *result)
{
    batch_reset(&result->batch);
    result->batch_ready = false;
    forget_held(result);
    close_cursor(result);
    if (result->plan != NULL) {
        plan_release(result->plan);
        result->plan = NULL;
        result->script = NULL;
    } else {
        sql_prepared_destroy(result->prepared);
    }
    result->prepared = NULL;
    result->status = TDBPLUS_END;
    err_clear(&result->err);
}

/* A result of a statement of one row waits in its plan for the next run. */
static bool put_aside(tdbplus_result *result)
{
    struct plan_entry *plan = result->plan;
    if (!result->is_point || plan == NULL || plan->spare != NULL) {
        return false;
    }
    batch_reset(&result->batch);
    arena_reset(&result->row_arena);
    result->batch_ready = false;
    result->at = 0;
    result->plan = NULL;
    plan->spare = result;
    plan_release(plan);
    return true;
}

void tdbplus_result_close(tdbplus_result *result)
{
    if (result == NULL || put_aside(result)) {
        return;
    }
    result_destroy(result);
}

void result_destroy(tdbplus_result *result)
{
    if (result == NULL) {
        return;
    }
    if (result->is_point && result->plan == NULL) {
        result->script = NULL; // The plan's, as what is prepared.
        result->prepared = NULL;
    }
    result_stop(result);
    sql_script_destroy(result->script);
    batch_deinit(&result->batch);
    list_deinit(&result->held);
    arena_deinit(&result->row_arena);
    arena_deinit(&result->arena);
    session_state_release(result->state);
    alloc_free(store_alloc(result->db->store), result, 1, sizeof *result);
}

/* ---- running ---- */

/* The cursor keeps one call for its life; what the caller of the moment set goes into it. */
static void lend_limits(tdbplus_result *result, const struct call *call)
{
    result->call.cancel = call->cancel;
    result->call.deadline_us = call->deadline_us;
    if (result->deadline_us != 0 &&
        (call->deadline_us == 0 || result->deadline_us < call->deadline_us)) {
        result->call.deadline_us = result->deadline_us;
    }
    result->call.progress = call->progress;
    result->call.progress_ctx = call->progress_ctx;
}

static tdbplus_status next_of_cursor(tdbplus_result *result, struct batch *batch,
                                     const struct call *call)
{
    lend_limits(result, call);
    tdbplus_status status = sql_cursor_next(result->cursor, batch);
    lend_limits(result, &(struct call){0});
    if (status == TDBPLUS_END) {
        sql_cursor_tag(result->cursor, result->tag);
    } else if (status != TDBPLUS_OK && call->err != NULL && call->err->status == TDBPLUS_OK) {
        *call->err = result->err;
    }
    return status;
}

static bool copy_bytes(struct column *column, struct arena *arena)
{
    if (type_physical(column->type) != PHYSICAL_VIEW) {
        return true;
    }
    struct view *views = column->data;
    for (uint32_t i = 0; i < column->row_count; i++) {
        if (column_is_null(column, i) || views[i].size <= VIEW_INLINE_SIZE_MAX) {
            continue;
        }
        uint8_t *copy = arena_bytes(arena, views[i].size);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, views[i].far.data, views[i].size);
        views[i] = view_of((struct span){.data = copy, .size = views[i].size});
    }
    return true;
}

tdbplus_status result_keep_batch(struct list *batches, const struct batch *batch,
                                 const struct call *call)
{
    uint32_t count = batch_live_count(batch);
    if (count == 0 || batch->column_count == 0) {
        return TDBPLUS_OK;
    }
    struct batch copy;
    batch_init(&copy, call->alloc);
    copy.columns = arena_array(&copy.arena, batch->column_count, sizeof *copy.columns);
    bool good = copy.columns != NULL;
    for (uint32_t i = 0; good && i < batch->column_count; i++) {
        good = column_flatten(&batch->columns[i], batch->selection, count, &copy.columns[i],
                              &copy.arena) &&
               copy_bytes(&copy.columns[i], &copy.arena);
    }
    copy.column_count = batch->column_count;
    copy.row_count = count;
    if (!good || list_push(batches, &copy) == NULL) {
        batch_deinit(&copy);
        return no_memory(call->err);
    }
    return TDBPLUS_OK;
}

static tdbplus_status hold_batch(tdbplus_result *result, const struct batch *batch, struct err *err)
{
    struct call call = {.alloc = result->call.alloc, .err = err};
    return result_keep_batch(&result->held, batch, &call);
}

static tdbplus_status hold_rest(tdbplus_result *result, const struct call *call)
{
    struct batch batch;
    batch_init(&batch, result->call.alloc);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        status = next_of_cursor(result, &batch, call);
        if (status == TDBPLUS_OK) {
            status = hold_batch(result, &batch, call->err);
        }
    }
    batch_deinit(&batch);
    return status;
}

tdbplus_status result_describe(tdbplus_result *result, struct err *err)
{
    uint32_t count = sql_column_count(result->prepared);
    struct arena *arena = &result->arena;
    result->columns = arena_array(arena, (size_t)count + 1, sizeof *result->columns);
    result->types = arena_array(arena, (size_t)count + 1, sizeof *result->types);
    result->values = arena_array(arena, (size_t)count + 1, sizeof *result->values);
    if (result->columns == NULL || result->types == NULL || result->values == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct sql_column column = sql_column_at(result->prepared, i);
        char *name = arena_text(arena, span_from_text(column.name));
        if (name == NULL) {
            return no_memory(err);
        }
        result->types[i] = column.type;
        result->columns[i] = (tdbplus_column){.name = name, .type = (tdbplus_type)column.type.id};
        if (column.type.id == TYPE_NUMERIC) {
            result->columns[i].precision = (uint16_t)column.type.precision;
            result->columns[i].scale = (uint16_t)column.type.scale;
        } else if (column.type.id == TYPE_VECTOR) {
            result->columns[i].dimension = column.type.parameter;
        }
    }
    result->column_count = count;
    return TDBPLUS_OK;
}

static tdbplus_copy describe_copy(const struct sql_prepared *prepared)
{
    tdbplus_copy copy = {.direction = (tdbplus_copy_direction)sql_prepared_copy(prepared)};
    sql_prepared_copied(prepared, &copy.binary, &copy.column_count);
    return copy;
}

tdbplus_status result_describe_as(tdbplus_result *result, const tdbplus_result *other,
                                  struct err *err)
{
    uint32_t count = other->column_count;
    struct arena *arena = &result->arena;
    result->columns = arena_array(arena, (size_t)count + 1, sizeof *result->columns);
    result->types = arena_array(arena, (size_t)count + 1, sizeof *result->types);
    result->values = arena_array(arena, (size_t)count + 1, sizeof *result->values);
    if (result->columns == NULL || result->types == NULL || result->values == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        result->types[i] = other->types[i];
        result->columns[i] = other->columns[i];
        result->columns[i].name = arena_text(arena, span_from_text(other->columns[i].name));
        if (result->columns[i].name == NULL) {
            return no_memory(err);
        }
    }
    result->column_count = count;
    return TDBPLUS_OK;
}

/* One batch of texts, kept with the held ones. */
static bool fill_batch(tdbplus_result *result, const struct text_cell *cells, uint32_t count)
{
    uint32_t columns = result->column_count;
    struct batch batch;
    batch_init(&batch, result->call.alloc);
    batch.columns = arena_array(&batch.arena, columns, sizeof *batch.columns);
    bool good = batch.columns != NULL;
    for (uint32_t c = 0; good && c < columns; c++) {
        good = column_make(&batch.columns[c], type_of(TYPE_TEXT), count, true, &batch.arena);
        for (uint32_t r = 0; good && r < count; r++) {
            const char *text = cells[(size_t)r * columns + c].text;
            struct datum value = {.type = type_of(TYPE_TEXT), .is_null = text == NULL};
            value.bytes = text == NULL ? (struct span){0} : span_from_text(text);
            column_set(&batch.columns[c], r, &value);
        }
    }
    batch.column_count = columns;
    batch.row_count = count;
    good = good && list_push(&result->held, &batch) != NULL;
    if (!good) {
        batch_deinit(&batch);
    }
    return good;
}

tdbplus_status result_fill_text(tdbplus_result *result, const char *const *names,
                                uint32_t column_count, const struct text_cell *cells,
                                uint32_t row_count, struct err *err)
{
    tdbplus_column columns[8];
    struct type types[8];
    ASSERT(column_count <= 8);
    for (uint32_t i = 0; i < column_count; i++) {
        types[i] = type_of(TYPE_TEXT);
        columns[i] = (tdbplus_column){.name = names[i], .type = TDBPLUS_TYPE_TEXT};
    }
    tdbplus_result shape = {.columns = columns, .types = types, .column_count = column_count};
    TRY(result_describe_as(result, &shape, err));
    for (uint32_t at = 0; at < row_count; at += BATCH_ROW_COUNT_MAX) {
        uint32_t count =
            row_count - at < BATCH_ROW_COUNT_MAX ? row_count - at : BATCH_ROW_COUNT_MAX;
        if (!fill_batch(result, cells + (size_t)at * column_count, count)) {
            return no_memory(err);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status result_start(tdbplus_result *result, struct txn *txn, bool retry_conflicts,
                            int64_t time_us, const struct call *call)
{
    TRY(result_describe(result, call->err));
    result->copy = describe_copy(result->prepared);
    struct sql_run_options options = {
        .txn = txn,
        .parameters = result->parameters,
        .parameter_count = result->parameter_count,
        .user = result->state->role.name,
        .session_user = result->state->session_role.name,
        .database = result->state->database[0] == 0 ? NULL : result->state->database,
        .transaction_time_us = time_us,
        .retry_conflicts = retry_conflicts};
    lend_limits(result, call);
    tdbplus_status status =
        sql_cursor_open(result->prepared, &options, &result->call, &result->cursor);
    lend_limits(result, &(struct call){0});
    if (status != TDBPLUS_OK) {
        if (call->err != NULL && call->err->status == TDBPLUS_OK) {
            *call->err = result->err;
        }
        return status;
    }
    if (result->copy.direction == TDBPLUS_COPY_IN) {
        return TDBPLUS_OK;
    }
    bool query = sql_statement_kind(result->script, 0) == SQL_QUERY;
    if (query && result->lazy) {
        result->status = TDBPLUS_OK;
        return TDBPLUS_OK;
    }
    if (query) {
        // The first rows are made at once, so that what is wrong is known early.
        status = next_of_cursor(result, &result->batch, call);
        result->batch_ready = status == TDBPLUS_OK;
        result->status = status;
    } else {
        status = hold_rest(result, call);
    }
    if (status == TDBPLUS_END) {
        sql_cursor_close(result->cursor);
        result->cursor = NULL;
    }
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

void result_hold(tdbplus_result *result, const struct call *call)
{
    if (result->cursor == NULL) {
        return;
    }
    tdbplus_status status = TDBPLUS_OK;
    struct err err = {0};
    struct call quiet = *call;
    quiet.err = &err;
    // The rows being read move as well: their bytes may be storage's. They stay the current ones.
    if (result->batch.column_count > 0) {
        status = hold_batch(result, &result->batch, &err);
        if (status == TDBPLUS_OK && result->held.count > 0) {
            batch_deinit(&result->batch);
            result->batch = *(struct batch *)list_at(&result->held, 0);
            result->held.count = 0;
        } else {
            batch_reset(&result->batch);
        }
    }
    if (status == TDBPLUS_OK) {
        status = hold_rest(result, &quiet);
    }
    if (status != TDBPLUS_END) {
        batch_reset(&result->batch);
        result->batch_ready = false;
        forget_held(result);
        result->err = err;
    }
    result->status = status;
    close_cursor(result);
}

void result_abandon(tdbplus_result *result)
{
    if (result->cursor != NULL) {
        batch_reset(&result->batch);
        result->batch_ready = false;
        result->at = 0;
        result->status = err_set_state(&result->err, TDBPLUS_E_STATE, "24000",
                                       "the transaction of this result was rolled back");
    }
    close_cursor(result);
}

tdbplus_status result_next_batch(tdbplus_result *result, const struct call *call)
{
    result->at = 0;
    if (result->batch_ready) {
        result->batch_ready = false;
        return TDBPLUS_OK;
    }
    if (result->held_at < result->held.count) {
        batch_deinit(&result->batch);
        result->batch = *(struct batch *)list_at(&result->held, result->held_at);
        result->held_at++;
        return TDBPLUS_OK;
    }
    batch_reset(&result->batch);
    if (result->cursor == NULL) {
        if (result->status != TDBPLUS_END && call->err != NULL) {
            *call->err = result->err;
        }
        return result->status;
    }
    if (result->copy.direction == TDBPLUS_COPY_IN) {
        return err_set(call->err, TDBPLUS_E_STATE, "COPY FROM STDIN gives no rows");
    }
    tdbplus_session *session = result->session;
    tdbplus_session *open = result->state->session;
    if (open != NULL) {
        open->running = call;
    }
    result->status = next_of_cursor(result, &result->batch, call);
    if (open != NULL) {
        open->running = NULL;
    }
    if (result->status != TDBPLUS_OK) {
        batch_reset(&result->batch);
        if (result->status != TDBPLUS_END && session != NULL) {
            session->failed = true;
        }
        close_cursor(result);
    }
    return result->status;
}

/* ---- what callers see ---- */

uint32_t tdbplus_result_column_count(const tdbplus_result *result)
{
    return result->column_count;
}

tdbplus_column tdbplus_result_column(const tdbplus_result *result, uint32_t number)
{
    return number < result->column_count ? result->columns[number] : (tdbplus_column){0};
}

const char *tdbplus_result_tag(const tdbplus_result *result)
{
    return result->tag;
}

struct result_args {
    tdbplus_result *result;
    const tdbplus_value **values_out;
    uint32_t column;
    const char **text_out;
    size_t *size_out;
};

static uint32_t current_row(const tdbplus_result *result)
{
    uint32_t at = result->at - 1;
    return result->batch.selection == NULL ? at : result->batch.selection[at];
}

static tdbplus_status next_work(void *arg, const struct call *call)
{
    const struct result_args *args = arg;
    tdbplus_result *result = args->result;
    arena_reset(&result->row_arena);
    while (result->batch_ready || result->at >= batch_live_count(&result->batch)) {
        TRY(result_next_batch(result, call));
    }
    result->at++;
    if (args->values_out == NULL) {
        return TDBPLUS_OK;
    }
    uint32_t row = current_row(result);
    for (uint32_t i = 0; i < result->column_count; i++) {
        struct datum datum;
        column_get(&result->batch.columns[i], row, &datum);
        TRY(engine_value(&datum, &result->row_arena, &result->values[i], call->err));
    }
    *args->values_out = result->values;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_result_next(tdbplus_result *result, const tdbplus_value **values_out,
                                   tdbplus_call *call)
{
    struct result_args args = {.result = result, .values_out = values_out};
    return engine_run(result->db, call, next_work, &args, sizeof args);
}

static tdbplus_status text_work(void *arg, const struct call *call)
{
    const struct result_args *args = arg;
    tdbplus_result *result = args->result;
    if (result->at == 0 || result->batch_ready || result->at > batch_live_count(&result->batch)) {
        return err_set(call->err, TDBPLUS_E_STATE, "the result has no current row");
    }
    if (args->column >= result->column_count) {
        return err_set(call->err, TDBPLUS_E_INVALID, "the result has %u columns, not %u",
                       result->column_count, args->column + 1);
    }
    struct datum datum;
    column_get(&result->batch.columns[args->column], current_row(result), &datum);
    if (datum.is_null) {
        *args->text_out = NULL;
        *args->size_out = 0;
        return TDBPLUS_OK;
    }
    struct buffer text;
    buffer_init(&text, result->call.alloc);
    text_print(&datum, &result->state->style, &text);
    char *copy = text.failed ? NULL : arena_text(&result->row_arena, buffer_span(&text));
    size_t size = text.size;
    buffer_deinit(&text);
    if (copy == NULL) {
        return no_memory(call->err);
    }
    *args->text_out = copy;
    *args->size_out = size;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_result_text(tdbplus_result *result, uint32_t column, const char **text_out,
                                   size_t *size_out, tdbplus_call *call)
{
    struct result_args args = {
        .result = result, .column = column, .text_out = text_out, .size_out = size_out};
    return engine_run(result->db, call, text_work, &args, sizeof args);
}
