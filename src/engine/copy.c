/* COPY FROM STDIN: the rows are handed over piece by piece, and the statement runs as they come. */

#include <string.h>

#include "engine/session.h"

tdbplus_copy tdbplus_result_copy(const tdbplus_result *result)
{
    return result->copy;
}

tdbplus_status session_check_copy(const tdbplus_session *session, struct err *err)
{
    const tdbplus_result *open = session->result_open;
    if (open != NULL && open->cursor != NULL && open->copy.direction == TDBPLUS_COPY_IN) {
        return err_set_state(err, TDBPLUS_E_STATE, "55000",
                             "COPY FROM STDIN is in progress: end it, or close its result");
    }
    return TDBPLUS_OK;
}

struct copy_args {
    tdbplus_result *result;
    const void *data;
    size_t size;
    const char *failure;
};

/* Runs until the statement wants more, is done or has failed. */
static tdbplus_status run_on(tdbplus_result *result, const struct call *call)
{
    struct call *own = &result->call;
    own->cancel = call->cancel;
    own->deadline_us = call->deadline_us;
    tdbplus_status status = sql_cursor_next(result->cursor, &result->batch);
    own->cancel = NULL;
    own->deadline_us = 0;
    if (status != TDBPLUS_END && status != TDBPLUS_PENDING && call->err != NULL) {
        *call->err = result->err;
    }
    return status;
}

/* After a failure only closing is left. */
static tdbplus_status give_up(tdbplus_result *result, tdbplus_status status)
{
    result_stop(result);
    result->copy.direction = TDBPLUS_COPY_NONE;
    return status;
}

static tdbplus_status check_open(const tdbplus_result *result, struct err *err)
{
    if (result->cursor == NULL || result->copy.direction != TDBPLUS_COPY_IN) {
        return err_set(err, TDBPLUS_E_STATE, "the result wants no rows to be handed over");
    }
    return TDBPLUS_OK;
}

tdbplus_status result_copy_put(tdbplus_result *result, struct span bytes, const struct call *call)
{
    TRY(check_open(result, call->err));
    if (result->at == UINT32_MAX) {
        return TDBPLUS_OK; // Past the end marker.
    }
    if (bytes.data == NULL && bytes.size > 0) {
        return err_set(call->err, TDBPLUS_E_INVALID, "copy: %zu bytes at NULL", bytes.size);
    }
    if (!sql_cursor_put(result->cursor, bytes.data, bytes.size)) {
        return give_up(result, err_set(call->err, TDBPLUS_E_NOMEM,
                                       "the rows handed over do not fit the memory limit"));
    }
    tdbplus_status status = run_on(result, call);
    if (status == TDBPLUS_END) {
        result->at = UINT32_MAX;
        return TDBPLUS_OK;
    }
    return status == TDBPLUS_PENDING ? TDBPLUS_OK : give_up(result, status);
}

static tdbplus_status put_work(void *arg, const struct call *call)
{
    const struct copy_args *args = arg;
    struct span bytes = {.data = args->data, .size = args->size};
    return result_copy_put(args->result, bytes, call);
}

tdbplus_status tdbplus_copy_put(tdbplus_result *result, const void *data, size_t size,
                                tdbplus_call *call)
{
    struct copy_args args = {.result = result, .data = data, .size = size};
    return engine_run(result->db, call, put_work, &args, sizeof args);
}

/* Commits what has a transaction of its own. */
static tdbplus_status finish(tdbplus_result *result, const struct call *call)
{
    struct txn *own = result->own_txn;
    sql_cursor_tag(result->cursor, result->tag);
    result->copy.direction = TDBPLUS_COPY_NONE;
    result->own_txn = NULL;
    result->at = 0;
    char tag[sizeof result->tag];
    memcpy(tag, result->tag, sizeof tag);
    result_stop(result);
    memcpy(result->tag, tag, sizeof tag);
    return own == NULL ? TDBPLUS_OK : txn_commit(own, call);
}

tdbplus_status result_copy_end(tdbplus_result *result, const char *failure, const struct call *call)
{
    TRY(check_open(result, call->err));
    if (failure != NULL) {
        return give_up(result, err_set_state(call->err, TDBPLUS_E_CANCELLED, "57014",
                                             "COPY from stdin failed: %s", failure));
    }
    sql_cursor_put_end(result->cursor);
    tdbplus_status status = result->at == UINT32_MAX ? TDBPLUS_END : run_on(result, call);
    return status == TDBPLUS_END ? finish(result, call) : give_up(result, status);
}

static tdbplus_status end_work(void *arg, const struct call *call)
{
    const struct copy_args *args = arg;
    return result_copy_end(args->result, args->failure, call);
}

tdbplus_status tdbplus_copy_end(tdbplus_result *result, const char *failure, tdbplus_call *call)
{
    struct copy_args args = {.result = result, .failure = failure};
    return engine_run(result->db, call, end_work, &args, sizeof args);
}
