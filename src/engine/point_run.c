/* Statements of one row without an executor. */

#include <string.h>

#include "engine/session.h"
#include "storage/store/store_read.h"
#include "txn/parts.h"
#include "txn/pending.h"

/* What one run works with. */
struct point_job {
    tdbplus_session *session;
    struct plan_entry *plan;
    const struct call *call;
    tdbplus_result *result;
    struct catalog *catalog; /* NULL: the session's transaction has one. */
    const struct object *object;
    struct datum values[POINT_VALUE_COUNT_MAX];
    struct datum parameters[PLAN_PARAMETERS_MAX];
};

/* The result of the last run again, or a new one. */
static bool take_result(struct point_job *job)
{
    struct plan_entry *plan = job->plan;
    tdbplus_result *result = plan->spare;
    if (result == NULL) {
        if (result_create(job->session, "", &result, NULL) != TDBPLUS_OK) {
            return false;
        }
        result->is_point = true;
        result->script = plan->script;
        result->prepared = plan->prepared;
        bool rows = plan->point.kind == POINT_SELECT;
        if (rows && result_describe(result, NULL) != TDBPLUS_OK) {
            result_destroy(result);
            return false;
        }
    }
    plan->spare = NULL;
    result->script = plan->script;
    result->prepared = plan->prepared;
    result->status = TDBPLUS_END;
    job->result = result;
    return true;
}

static bool read_values(struct point_job *job, const struct execute_args *args)
{
    if (args->parameters.count > PLAN_PARAMETERS_MAX ||
        !parameters_convert(job->plan->prepared, &args->parameters, &job->result->row_arena,
                            job->parameters)) {
        return false;
    }
    point_fill(&job->plan->point, job->parameters, job->values);
    return true;
}

static bool has_null(const struct point_job *job)
{
    for (uint32_t i = 0; i < job->plan->point.value_count; i++) {
        if (job->values[i].is_null) {
            return true;
        }
    }
    return false;
}

/* ---- SELECT ---- */

/* One row of the output's columns. */
static bool fill_batch(struct point_job *job, const struct datum *row)
{
    const struct point *point = &job->plan->point;
    struct batch *batch = &job->result->batch;
    batch->columns = arena_array(&batch->arena, point->position_count + 1u, sizeof *batch->columns);
    bool good = batch->columns != NULL;
    for (uint32_t i = 0; good && i < point->position_count; i++) {
        const struct datum *value = &row[point->positions[i]];
        struct type type = job->object->schema->columns[point->positions[i]].type;
        good = column_make(&batch->columns[i], type, 1, true, &batch->arena);
        if (good && value->is_null) {
            batch->columns[i].validity[0] = 0;
        } else if (good) {
            column_set(&batch->columns[i], 0, value);
        }
    }
    batch->column_count = point->position_count;
    batch->row_count = 1;
    job->result->batch_ready = good;
    return good;
}

/* All columns of the row with these key values; NULL: memory is out. */
static tdbplus_status get_row(struct point_job *job, const struct object *object,
                              const struct datum *key, struct datum **row_out, bool *found_out)
{
    struct batch *batch = &job->result->batch;
    struct txn *txn = job->session->txn;
    struct datum *row = arena_alloc(&batch->arena, object->schema->column_count * sizeof *row);
    *row_out = row;
    if (row == NULL) {
        return TDBPLUS_E_NOMEM;
    }
    return txn != NULL ? txn_get(txn, object, key, NULL, 0, batch, row, found_out, job->call)
                       : txn_get_now(job->session->db->store, object, key, &job->session->key,
                                     batch, row, found_out, job->call->err);
}

/* A unique index as the statement sees it; false: it is not to be read. */
static bool find_index(struct point_job *job, struct txn_index *index_out)
{
    uint64_t id = job->plan->point.index_id;
    struct txn *txn = job->session->txn;
    if (txn != NULL) {
        const struct txn_index *indexes = NULL;
        uint32_t count = 0;
        if (txn_indexes(txn, job->object, &indexes, &count, job->call->err) != TDBPLUS_OK) {
            return false;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (indexes[i].object->id == id && txn_index_usable(txn, &indexes[i])) {
                *index_out = indexes[i];
                return true;
            }
        }
        return false;
    }
    struct txn_index index = {.object = catalog_by_id(job->catalog, id)};
    if (index.object == NULL ||
        index_def_decode(index.object->properties, &job->result->batch.arena, &index.def, NULL) !=
            TDBPLUS_OK) {
        return false;
    }
    index.entries = catalog_by_id(job->catalog, index.object->other);
    *index_out = index;
    return index.def.ready && index.entries != NULL && index.entries->collection != NULL;
}

/* The row by its index's entry. Without a transaction the row may have changed since the entry was
 * read: what does not have the values any more is left to the long way (*sure_out false). */
static tdbplus_status get_by_index(struct point_job *job, struct datum **row_out, bool *found_out,
                                   bool *sure_out)
{
    const struct point *point = &job->plan->point;
    const struct schema *schema = job->object->schema;
    struct txn_index index = {0};
    struct datum *entry = NULL;
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    struct buffer bytes = {.alloc = job->call->alloc};
    *sure_out = find_index(job, &index) && index_key_is_unique(&index.def, job->values);
    if (!*sure_out) {
        return TDBPLUS_OK;
    }
    tdbplus_status status =
        index_key_encode(&index.def, job->values, NULL, 0, &bytes, job->call->err);
    if (status == TDBPLUS_OK) {
        struct datum wanted = {.type = type_of(TYPE_BYTEA), .bytes = buffer_span(&bytes)};
        status = get_row(job, index.entries, &wanted, &entry, found_out);
    }
    buffer_deinit(&bytes);
    TRY(status);
    if (!*found_out) {
        return TDBPLUS_OK;
    }
    for (uint32_t k = 0; k < schema->key_count; k++) {
        uint32_t id = schema->columns[schema->key_columns[k]].id;
        key[k] = entry[index_entries_find(index.entries->schema, id)];
    }
    TRY(get_row(job, job->object, key, row_out, found_out));
    *sure_out = *found_out;
    for (uint32_t i = 0; *sure_out && i < point->value_count; i++) {
        const struct datum *value = &(*row_out)[point->index_positions[i]];
        *sure_out = !value->is_null && datum_compare(value, &job->values[i]) == 0;
    }
    return TDBPLUS_OK;
}

static bool select_row(struct point_job *job)
{
    bool found = false;
    bool sure = true;
    struct datum *row = NULL;
    if (!has_null(job)) {
        tdbplus_status status = job->plan->point.index_id == 0
                                    ? get_row(job, job->object, job->values, &row, &found)
                                    : get_by_index(job, &row, &found, &sure);
        if (status != TDBPLUS_OK || !sure || (found && !fill_batch(job, row))) {
            return false;
        }
    }
    memcpy(job->result->tag, found ? "SELECT 1" : "SELECT 0", sizeof "SELECT 1");
    return true;
}

/* ---- INSERT, UPDATE and DELETE ---- */

static tdbplus_status update_row(struct point_job *job, struct txn *txn, bool *existed_out)
{
    struct batch *batch = &job->result->batch;
    struct func_context context = {.session = &job->session->state->func};
    struct point_run run = {.point = &job->plan->point,
                            .parameters = job->parameters,
                            .arena = &batch->arena,
                            .context = &context,
                            .err = job->call->err};
    struct txn_modifier modifier = {.modify = point_modify, .context = &run, .batch = batch};
    return txn_modify(txn, job->object, job->values, &modifier, existed_out, job->call);
}

static tdbplus_status write_row(struct point_job *job, struct txn *txn)
{
    bool existed = true;
    if (job->plan->point.kind == POINT_INSERT) {
        TRY(txn_write(txn, job->object, TXN_INSERT, job->values, NULL, job->call));
        memcpy(job->result->tag, "INSERT 0 1", sizeof "INSERT 0 1");
        return TDBPLUS_OK;
    }
    bool updates = job->plan->point.kind == POINT_UPDATE;
    if (has_null(job)) {
        existed = false;
    } else if (updates) {
        TRY(update_row(job, txn, &existed));
    } else {
        TRY(txn_delete(txn, job->object, job->values, &existed, job->call));
    }
    static const char tags[2][2][sizeof "DELETE 1"] = {{"DELETE 0", "DELETE 1"},
                                                       {"UPDATE 0", "UPDATE 1"}};
    memcpy(job->result->tag, tags[updates][existed], sizeof tags[0][0]);
    return TDBPLUS_OK;
}

static bool change_row(struct point_job *job, tdbplus_status *status_out)
{
    struct txn *txn = job->session->txn;
    const struct call *call = job->call;
    *status_out = TDBPLUS_OK;
    if (txn != NULL) {
        if (write_row(job, txn) != TDBPLUS_OK) {
            return false;
        }
        *status_out = txn_end_statement(txn, call);
    } else {
        struct store *store = job->session->db->store;
        if (txn_begin(store, &job->session->state->txn, call->alloc, &txn, call->err) !=
            TDBPLUS_OK) {
            return false;
        }
        bool good = txn_object_by_id(txn, job->object->id) == job->object &&
                    write_row(job, txn) == TDBPLUS_OK;
        if (!good) {
            txn_abort(txn);
            return false;
        }
        // From here on the long way must not try again what may have happened; a conflict did not.
        *status_out = txn_commit(txn, call);
        if (*status_out == TDBPLUS_E_CONFLICT) {
            return false;
        }
    }
    return true;
}

/* ---- all of them ---- */

static bool run_job(struct point_job *job, const struct execute_args *args,
                    tdbplus_status *status_out)
{
    if (!take_result(job)) {
        return false;
    }
    tdbplus_result *result = job->result;
    *status_out = TDBPLUS_OK;
    bool done =
        read_values(job, args) &&
        (job->plan->point.kind == POINT_SELECT ? select_row(job) : change_row(job, status_out));
    if (done && *status_out == TDBPLUS_OK) {
        plan_use(&job->session->plans, job->plan);
        result->plan = job->plan;
        *args->result_out = result;
        return true;
    }
    result_destroy(result);
    return done;
}

bool point_run(const struct execute_args *args, const struct call *call, tdbplus_status *status_out)
{
    tdbplus_session *session = args->session;
    struct span text = {.data = (const uint8_t *)args->sql, .size = args->size};
    struct point_job job = {
        .session = session,
        .plan =
            session->failed || session->result_open != NULL || session->state->idle_timeout_us != 0
                ? NULL
                : plan_cache_peek(&session->plans, text, &args->parameters),
        .call = call,
    };
    if (job.plan == NULL || job.plan->point.kind == POINT_NONE) {
        return false;
    }
    struct store *store = session->db->store;
    struct catalog *catalog = NULL;
    uint64_t version = 0;
    if (session->txn == NULL) {
        catalog = catalog_acquire(store);
        version = catalog_version(catalog);
        job.catalog = catalog;
        job.object = catalog_by_id(catalog, job.plan->point.object_id);
    } else if (txn_statement(session->txn, call->err) == TDBPLUS_OK) {
        session->used = true;
        version = txn_catalog_version(session->txn);
        job.object = txn_object_by_id(session->txn, job.plan->point.object_id);
    }
    bool done = job.object != NULL && job.object->revision == job.plan->point.revision &&
                sql_prepared_checked(job.plan->prepared, version) &&
                run_job(&job, args, status_out);
    catalog_release(catalog);
    if (!done) {
        err_clear(call->err);
    } else if (*status_out != TDBPLUS_OK) {
        session->failed = session->txn != NULL;
    }
    return done;
}
