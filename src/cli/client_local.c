/* A session of a database in this process. */

#include "base/alloc.h"
#include "cli/client_ops.h"

struct local_client {
    struct client client;
    tdbplus_db *db;
    tdbplus_session *session;
    const char *directory; /* Borrowed; NULL: in memory. */
    bool has_only_session; /* The database is another client's. */
};

struct local_answer {
    struct answer answer;
    tdbplus_result *result;
    const tdbplus_value *values; /* Of the current row. */
};

static const struct client_ops local_ops; // Its functions stand below.

static struct local_client *local_of(struct client *client)
{
    return (struct local_client *)client;
}

static tdbplus_result *result_of(const struct answer *answer)
{
    return ((const struct local_answer *)answer)->result;
}

struct client *client_open_local(const char *directory, bool read_only)
{
    const tdbplus_options options = {.struct_size = sizeof options, .read_only = read_only};
    tdbplus_call call = TDBPLUS_CALL_INIT;
    struct local_client *local = alloc_array(&alloc_system, 1, sizeof *local);
    if (local == NULL) {
        (void)fprintf(stderr, "tdb: no memory for a session\n");
        return NULL;
    }
    *local = (struct local_client){.client.ops = &local_ops, .directory = directory};
    if (tdbplus_open(directory, &options, &local->db, &call) != TDBPLUS_OK ||
        tdbplus_session_open(local->db, &local->session, &call) != TDBPLUS_OK) {
        cli_complain(directory == NULL ? "database in memory" : directory, &call.error);
        if (call.error.status == TDBPLUS_E_BUSY) {
            (void)fprintf(stderr, "HINT:  If a server has it open, connect to that:"
                                  " tdb postgresql://admin@127.0.0.1:7432/tdb\n");
        }
        client_close(&local->client);
        return NULL;
    }
    return &local->client;
}

static struct client *local_another(struct client *client)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    struct local_client *local = alloc_array(&alloc_system, 1, sizeof *local);
    if (local == NULL) {
        (void)fprintf(stderr, "tdb: no memory for a session\n");
        return NULL;
    }
    *local = *local_of(client);
    local->has_only_session = true;
    local->session = NULL;
    if (tdbplus_session_open(local->db, &local->session, &call) != TDBPLUS_OK) {
        cli_complain("second session", &call.error);
        client_close(&local->client);
        return NULL;
    }
    return &local->client;
}

static void local_close(struct client *client)
{
    struct local_client *local = local_of(client);
    tdbplus_session_close(local->session);
    if (!local->has_only_session) {
        tdbplus_close(local->db);
    }
    alloc_free(&alloc_system, local, 1, sizeof *local);
}

static void local_cancel(struct client *client, tdbplus_call *call)
{
    (void)client;
    tdbplus_cancel(call);
}

static bool local_in_transaction(const struct client *client)
{
    return tdbplus_session_in_transaction(((const struct local_client *)client)->session);
}

static void local_describe(const struct client *client, FILE *out)
{
    const char *directory = ((const struct local_client *)client)->directory;
    (void)fprintf(out, "TDB+ %s in this process, the database ", tdbplus_version());
    if (directory == NULL) {
        (void)fprintf(out, "in memory: it ends with the shell.\n");
    } else {
        (void)fprintf(out, "in the directory \"%s\".\n", directory);
    }
}

static tdbplus_status local_execute(struct client *client, const char *sql, size_t size,
                                    struct answer **answer_out, tdbplus_call *call)
{
    struct local_answer *answer = alloc_array(&alloc_system, 1, sizeof *answer);
    if (answer == NULL) {
        (void)snprintf(call->error.message, sizeof call->error.message, "no memory for a result");
        return TDBPLUS_E_NOMEM;
    }
    *answer = (struct local_answer){.answer.ops = &local_ops};
    const tdbplus_status status =
        tdbplus_execute(local_of(client)->session, sql, size, NULL, 0, NULL, &answer->result, call);
    if (status != TDBPLUS_OK) {
        alloc_free(&alloc_system, answer, 1, sizeof *answer);
        return status;
    }
    *answer_out = &answer->answer;
    return TDBPLUS_OK;
}

static void local_answer_close(struct answer *answer)
{
    tdbplus_result_close(result_of(answer));
    alloc_free(&alloc_system, answer, 1, sizeof(struct local_answer));
}

static uint32_t local_column_count(const struct answer *answer)
{
    return tdbplus_result_column_count(result_of(answer));
}

static struct client_column local_column(const struct answer *answer, uint32_t number)
{
    const tdbplus_column column = tdbplus_result_column(result_of(answer), number);
    return client_column_of(column.name, cli_type_name(column.type));
}

static tdbplus_status local_next(struct answer *answer, tdbplus_call *call)
{
    struct local_answer *local = (struct local_answer *)answer;
    return tdbplus_result_next(local->result, &local->values, call);
}

static tdbplus_status local_text(struct answer *answer, uint32_t column, struct span *text_out,
                                 tdbplus_call *call)
{
    const struct local_answer *local = (const struct local_answer *)answer;
    if (tdbplus_result_copy(local->result).direction == TDBPLUS_COPY_OUT) {
        const tdbplus_value *piece = &local->values[column];
        *text_out = (struct span){piece->as.bytes.data, piece->as.bytes.size};
        return TDBPLUS_OK;
    }
    const char *text = NULL;
    size_t size = 0;
    const tdbplus_status status = tdbplus_result_text(local->result, column, &text, &size, call);
    *text_out = (struct span){(const uint8_t *)text, size};
    return status;
}

static const char *local_tag(const struct answer *answer)
{
    return tdbplus_result_tag(result_of(answer));
}

static tdbplus_copy_direction local_copy(const struct answer *answer)
{
    return tdbplus_result_copy(result_of(answer)).direction;
}

static tdbplus_status local_copy_put(struct answer *answer, const void *data, size_t size,
                                     tdbplus_call *call)
{
    return tdbplus_copy_put(result_of(answer), data, size, call);
}

static tdbplus_status local_copy_end(struct answer *answer, tdbplus_call *call)
{
    return tdbplus_copy_end(result_of(answer), NULL, call);
}

static const struct client_ops local_ops = {
    .close = local_close,
    .another = local_another,
    .cancel = local_cancel,
    .in_transaction = local_in_transaction,
    .describe = local_describe,
    .execute = local_execute,
    .answer_close = local_answer_close,
    .column_count = local_column_count,
    .column = local_column,
    .next = local_next,
    .text = local_text,
    .tag = local_tag,
    .copy = local_copy,
    .copy_put = local_copy_put,
    .copy_end = local_copy_end,
};
