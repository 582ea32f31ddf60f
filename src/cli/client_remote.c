/* A server that speaks PostgreSQL's protocol, through PostgreSQL's own client library. */

#include "cli/client_ops.h"

#ifdef TDBPLUS_LIBPQ

#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/libpq.h"

#define PASSWORD_SIZE_MAX 1024
#define TYPE_NAME_SIZE    64 /* As long as PostgreSQL's names get, with the zero byte. */
#define TYPE_COUNT_MAX    100000

struct remote_type {
    Oid oid;
    char name[TYPE_NAME_SIZE];
};

struct remote_client {
    struct client client;
    const struct libpq *pq;
    const char *url; /* Borrowed. */
    PGconn *connection;
    PGcancel *canceller;
    struct remote_type *types; /* Read when the first rows come; sorted by oid. */
    size_t type_count;
};

/* Rows come one at a time, each as a result of its own. */
struct remote_answer {
    struct answer answer;
    struct remote_client *owner;
    PGresult *first; /* Tells the columns, or that there are none. */
    PGresult *row;   /* The current one; may be `first`. */
    bool is_fresh;   /* `first` has a row that was not taken. */
    bool is_ended;   /* There is nothing more to get from the connection. */
    char *piece;     /* Of COPY TO STDOUT. */
    size_t piece_size;
    char tag[64];
};

static const struct client_ops remote_ops; // Its functions stand below.

static struct remote_answer *remote_of(struct answer *answer)
{
    return (struct remote_answer *)answer;
}

// ---- connecting ----

static void print_notice(void *context, const char *message)
{
    (void)context;
    (void)fflush(stdout);
    (void)fputs(message, stderr);
}

/* Asks at the terminal, without showing what is typed. */
static bool ask_password(char password[PASSWORD_SIZE_MAX])
{
    struct termios shown;
    if (tcgetattr(STDIN_FILENO, &shown) != 0) {
        return false;
    }
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)fputs("Password: ", stderr);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    const bool got = fgets(password, PASSWORD_SIZE_MAX, stdin) != NULL;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)fputc('\n', stderr);
    password[got ? strcspn(password, "\n") : 0] = '\0';
    return got;
}

static PGconn *connect_to(const struct libpq *pq, const char *url, const char *password)
{
    const char *const names[] = {"dbname", "fallback_application_name", "password", NULL};
    const char *const values[] = {url, "tdb", password, NULL};
    return pq->PQconnectdbParams(names, values, 1);
}

/* The first line alone: libpq adds its own newline and hints. */
static void complain_of_connection(const struct remote_client *remote)
{
    const char *message = remote->pq->PQerrorMessage(remote->connection);
    (void)fprintf(stderr, "tdb: %s", message);
    if (message[0] == '\0' || message[strlen(message) - 1] != '\n') {
        (void)fputc('\n', stderr);
    }
}

/* What was tried to connect is usable, or complained about. */
static bool begin_connection(struct remote_client *remote)
{
    const struct libpq *pq = remote->pq;
    if (pq->PQstatus(remote->connection) != CONNECTION_OK) {
        complain_of_connection(remote);
        return false;
    }
    (void)pq->PQsetNoticeProcessor(remote->connection, print_notice, NULL);
    remote->canceller = pq->PQgetCancel(remote->connection);
    return true;
}

struct client *client_open_remote(const char *url)
{
    const struct libpq *pq = libpq_load();
    struct remote_client *remote =
        pq == NULL ? NULL : alloc_array(&alloc_system, 1, sizeof *remote);
    if (remote == NULL) {
        return NULL;
    }
    *remote = (struct remote_client){.client.ops = &remote_ops, .pq = pq, .url = url};
    remote->connection = connect_to(pq, url, NULL);
    char password[PASSWORD_SIZE_MAX] = {0};
    if (pq->PQstatus(remote->connection) != CONNECTION_OK &&
        pq->PQconnectionNeedsPassword(remote->connection) != 0 && isatty(STDIN_FILENO) == 1 &&
        ask_password(password)) {
        pq->PQfinish(remote->connection);
        remote->connection = connect_to(pq, url, password);
        explicit_bzero(password, sizeof password);
    }
    if (!begin_connection(remote)) {
        client_close(&remote->client);
        return NULL;
    }
    return &remote->client;
}

static struct client *remote_another(struct client *client)
{
    const struct remote_client *first = (const struct remote_client *)client;
    struct remote_client *remote = alloc_array(&alloc_system, 1, sizeof *remote);
    if (remote == NULL) {
        (void)fprintf(stderr, "tdb: no memory for a session\n");
        return NULL;
    }
    *remote = (struct remote_client){.client.ops = &remote_ops, .pq = first->pq, .url = first->url};
    remote->connection = connect_to(remote->pq, remote->url, remote->pq->PQpass(first->connection));
    if (!begin_connection(remote)) {
        client_close(&remote->client);
        return NULL;
    }
    return &remote->client;
}

static void remote_close(struct client *client)
{
    struct remote_client *remote = (struct remote_client *)client;
    remote->pq->PQfreeCancel(remote->canceller);
    remote->pq->PQfinish(remote->connection);
    alloc_free(&alloc_system, remote->types, remote->type_count, sizeof *remote->types);
    alloc_free(&alloc_system, remote, 1, sizeof *remote);
}

/* In a signal handler, which PQcancel() allows. */
static void remote_cancel(struct client *client, tdbplus_call *call)
{
    const struct remote_client *remote = (const struct remote_client *)client;
    char message[256];
    (void)call;
    if (remote->canceller != NULL) {
        (void)remote->pq->PQcancel(remote->canceller, message, sizeof message);
    }
}

static bool remote_in_transaction(const struct client *client)
{
    const struct remote_client *remote = (const struct remote_client *)client;
    const PGTransactionStatusType state = remote->pq->PQtransactionStatus(remote->connection);
    return state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
}

static void remote_describe(const struct client *client, FILE *out)
{
    const struct remote_client *remote = (const struct remote_client *)client;
    const struct libpq *pq = remote->pq;
    PGconn *connection = remote->connection;
    const char *host = pq->PQhost(connection);
    const char *version = pq->PQparameterStatus(connection, "server_version");
    (void)fprintf(out, "Database \"%s\" as user \"%s\" %s \"%s\" at port %s%s; server %s.\n",
                  pq->PQdb(connection), pq->PQuser(connection),
                  host[0] == '/' ? "by the socket in" : "on host", host, pq->PQport(connection),
                  pq->PQsslInUse(connection) != 0 ? ", with TLS" : "",
                  version == NULL ? "of an unknown version" : version);
}

// ---- errors ----

static void copy_field(char *target, size_t size, const char *text)
{
    (void)snprintf(target, size, "%s", text == NULL ? "" : text);
}

static tdbplus_status fail_result(const struct remote_client *remote, const PGresult *result,
                                  tdbplus_call *call)
{
    const struct libpq *pq = remote->pq;
    tdbplus_error *error = &call->error;
    const char *position = pq->PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *message = pq->PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    *error = (tdbplus_error){.status = TDBPLUS_E_SQL};
    error->position = position == NULL ? 0 : (uint32_t)strtoul(position, NULL, 10);
    copy_field(error->message, sizeof error->message,
               message == NULL ? pq->PQresultErrorMessage(result) : message);
    error->message[strcspn(error->message, "\n")] = '\0';
    copy_field(error->sqlstate, sizeof error->sqlstate,
               pq->PQresultErrorField(result, PG_DIAG_SQLSTATE));
    copy_field(error->detail, sizeof error->detail,
               pq->PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
    copy_field(error->hint, sizeof error->hint,
               pq->PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
    copy_field(error->context, sizeof error->context,
               pq->PQresultErrorField(result, PG_DIAG_CONTEXT));
    return TDBPLUS_E_SQL;
}

static tdbplus_status fail_connection(const struct remote_client *remote, tdbplus_call *call)
{
    call->error = (tdbplus_error){.status = TDBPLUS_E_IO};
    copy_field(call->error.message, sizeof call->error.message,
               remote->pq->PQerrorMessage(remote->connection));
    call->error.message[strcspn(call->error.message, "\n")] = '\0';
    copy_field(call->error.hint, sizeof call->error.hint,
               "The next statement connects again; an open transaction is gone.");
    return TDBPLUS_E_IO;
}

static tdbplus_status fail_memory(tdbplus_call *call)
{
    call->error = (tdbplus_error){.status = TDBPLUS_E_NOMEM};
    copy_field(call->error.message, sizeof call->error.message, "no memory for a result");
    return TDBPLUS_E_NOMEM;
}

// ---- names of types ----

static PGresult *run_whole(const struct remote_client *remote, const char *sql)
{
    const struct libpq *pq = remote->pq;
    PGresult *last = NULL;
    if (pq->PQsendQuery(remote->connection, sql) == 1) {
        for (PGresult *next = NULL; (next = pq->PQgetResult(remote->connection)) != NULL;) {
            pq->PQclear(last);
            last = next;
        }
    }
    return last;
}

/* Once for a connection, and only outside of a transaction that has failed. A server that does not
 * answer has columns without names of types. */
static void read_types(struct remote_client *remote)
{
    const struct libpq *pq = remote->pq;
    PGresult *result =
        run_whole(remote, "SELECT oid, typname FROM pg_catalog.pg_type ORDER BY oid");
    const int count =
        result != NULL && pq->PQresultStatus(result) == PGRES_TUPLES_OK ? pq->PQntuples(result) : 0;
    if (count > 0 && count <= TYPE_COUNT_MAX) {
        remote->types = alloc_array(&alloc_system, (size_t)count, sizeof *remote->types);
        remote->type_count = remote->types == NULL ? 0 : (size_t)count;
    }
    for (size_t i = 0; i < remote->type_count; i++) {
        struct remote_type *type = &remote->types[i];
        type->oid = (Oid)strtoul(pq->PQgetvalue(result, (int)i, 0), NULL, 10);
        copy_field(type->name, sizeof type->name, pq->PQgetvalue(result, (int)i, 1));
    }
    pq->PQclear(result);
}

static int compare_types(const void *left, const void *right)
{
    const Oid one = ((const struct remote_type *)left)->oid;
    const Oid other = ((const struct remote_type *)right)->oid;
    return (one > other) - (one < other);
}

static const char *type_name(const struct remote_client *remote, Oid oid)
{
    const struct remote_type wanted = {.oid = oid};
    const struct remote_type *found = remote->type_count == 0
                                          ? NULL
                                          : bsearch(&wanted, remote->types, remote->type_count,
                                                    sizeof *remote->types, compare_types);
    return found == NULL ? "unknown" : found->name;
}

// ---- statements ----

/* After a lost connection a new one, without a word: the loss was told when it was met. */
static bool ensure_connected(struct remote_client *remote)
{
    const struct libpq *pq = remote->pq;
    if (pq->PQstatus(remote->connection) == CONNECTION_OK) {
        return true;
    }
    pq->PQreset(remote->connection);
    pq->PQfreeCancel(remote->canceller);
    remote->canceller = pq->PQgetCancel(remote->connection);
    return pq->PQstatus(remote->connection) == CONNECTION_OK;
}

/* NOTIFY of others, which comes with the answers to statements. */
static void print_notifications(const struct remote_client *remote)
{
    const struct libpq *pq = remote->pq;
    PGnotify *notice = NULL;
    (void)pq->PQconsumeInput(remote->connection);
    while ((notice = pq->PQnotifies(remote->connection)) != NULL) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "NOTIFY:  \"%s\"%s%s from process %d\n", notice->relname,
                      notice->extra[0] == '\0' ? "" : ": ", notice->extra, notice->be_pid);
        pq->PQfreemem(notice);
    }
}

static void finish(struct remote_answer *answer)
{
    const struct libpq *pq = answer->owner->pq;
    for (PGresult *next = NULL; !answer->is_ended;) {
        next = pq->PQgetResult(answer->owner->connection);
        answer->is_ended = next == NULL;
        pq->PQclear(next);
    }
}

/* What the statement began with: rows, a COPY, a tag or an error. */
static tdbplus_status begin_answer(struct remote_answer *answer, tdbplus_call *call)
{
    struct remote_client *remote = answer->owner;
    const struct libpq *pq = remote->pq;
    answer->first = pq->PQgetResult(remote->connection);
    if (answer->first == NULL) {
        return fail_connection(remote, call);
    }
    switch ((int)pq->PQresultStatus(answer->first)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
        answer->is_fresh = true;
        return TDBPLUS_OK;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        copy_field(answer->tag, sizeof answer->tag, pq->PQcmdStatus(answer->first));
        finish(answer);
        return TDBPLUS_OK;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
        return TDBPLUS_OK;
    default:
        return pq->PQresultErrorField(answer->first, PG_DIAG_MESSAGE_PRIMARY) == NULL
                   ? fail_connection(remote, call)
                   : fail_result(remote, answer->first, call);
    }
}

static tdbplus_status remote_execute(struct client *client, const char *sql, size_t size,
                                     struct answer **answer_out, tdbplus_call *call)
{
    struct remote_client *remote = (struct remote_client *)client;
    const struct libpq *pq = remote->pq;
    if (!ensure_connected(remote)) {
        return fail_connection(remote, call);
    }
    if (remote->type_count == 0 && pq->PQtransactionStatus(remote->connection) == PQTRANS_IDLE) {
        read_types(remote);
    }
    struct remote_answer *answer = alloc_array(&alloc_system, 1, sizeof *answer);
    char *text = alloc_array(&alloc_system, size + 1, 1);
    tdbplus_status status = answer == NULL || text == NULL ? fail_memory(call) : TDBPLUS_OK;
    if (status == TDBPLUS_OK) {
        *answer = (struct remote_answer){.answer.ops = &remote_ops, .owner = remote};
        memcpy(text, sql, size);
        text[size] = '\0';
        if (pq->PQsendQuery(remote->connection, text) == 1) {
            (void)pq->PQsetSingleRowMode(remote->connection);
            status = begin_answer(answer, call);
        } else {
            answer->is_ended = true;
            status = fail_connection(remote, call);
        }
    }
    alloc_free(&alloc_system, text, size + 1, 1);
    if (status != TDBPLUS_OK) {
        answer_close(answer == NULL ? NULL : &answer->answer);
        return status;
    }
    *answer_out = &answer->answer;
    return TDBPLUS_OK;
}

static void drop_row(struct remote_answer *answer)
{
    if (answer->row != answer->first) {
        answer->owner->pq->PQclear(answer->row);
    }
    answer->row = NULL;
}

static tdbplus_copy_direction remote_copy(const struct answer *answer)
{
    const struct remote_answer *remote = (const struct remote_answer *)answer;
    const ExecStatusType state = remote->owner->pq->PQresultStatus(remote->first);
    return state == PGRES_COPY_IN    ? TDBPLUS_COPY_IN
           : state == PGRES_COPY_OUT ? TDBPLUS_COPY_OUT
                                     : TDBPLUS_COPY_NONE;
}

static void remote_answer_close(struct answer *answer)
{
    struct remote_answer *remote = remote_of(answer);
    const struct libpq *pq = remote->owner->pq;
    drop_row(remote);
    if (!remote->is_ended && remote->first != NULL && remote_copy(answer) != TDBPLUS_COPY_NONE) {
        char *piece = NULL;
        (void)pq->PQputCopyEnd(remote->owner->connection, "the copy was given up");
        while (pq->PQgetCopyData(remote->owner->connection, &piece, 0) > 0) {
            pq->PQfreemem(piece);
        }
    }
    finish(remote);
    print_notifications(remote->owner);
    pq->PQclear(remote->first);
    pq->PQfreemem(remote->piece);
    alloc_free(&alloc_system, remote, 1, sizeof *remote);
}

static uint32_t remote_column_count(const struct answer *answer)
{
    const struct remote_answer *remote = (const struct remote_answer *)answer;
    return remote_copy(answer) == TDBPLUS_COPY_NONE
               ? (uint32_t)remote->owner->pq->PQnfields(remote->first)
               : 0;
}

static struct client_column remote_column(const struct answer *answer, uint32_t number)
{
    const struct remote_answer *remote = (const struct remote_answer *)answer;
    const struct libpq *pq = remote->owner->pq;
    return client_column_of(pq->PQfname(remote->first, (int)number),
                            type_name(remote->owner, pq->PQftype(remote->first, (int)number)));
}

static tdbplus_status next_piece(struct remote_answer *answer, tdbplus_call *call)
{
    const struct libpq *pq = answer->owner->pq;
    pq->PQfreemem(answer->piece);
    answer->piece = NULL;
    const int size = pq->PQgetCopyData(answer->owner->connection, &answer->piece, 0);
    if (size > 0) {
        answer->piece_size = (size_t)size;
        return TDBPLUS_OK;
    }
    PGresult *last = pq->PQgetResult(answer->owner->connection);
    tdbplus_status status = TDBPLUS_END;
    if (last == NULL || pq->PQresultStatus(last) != PGRES_COMMAND_OK) {
        status = last == NULL ? fail_connection(answer->owner, call)
                              : fail_result(answer->owner, last, call);
    } else {
        copy_field(answer->tag, sizeof answer->tag, pq->PQcmdStatus(last));
    }
    pq->PQclear(last);
    finish(answer);
    return status;
}

static tdbplus_status remote_next(struct answer *answer, tdbplus_call *call)
{
    struct remote_answer *remote = remote_of(answer);
    const struct libpq *pq = remote->owner->pq;
    if (remote->is_ended) {
        return TDBPLUS_END;
    }
    if (remote_copy(answer) == TDBPLUS_COPY_OUT) {
        return next_piece(remote, call);
    }
    drop_row(remote);
    remote->row = remote->is_fresh ? remote->first : pq->PQgetResult(remote->owner->connection);
    remote->is_fresh = false;
    if (remote->row == NULL) {
        remote->is_ended = true;
        return fail_connection(remote->owner, call);
    }
    const ExecStatusType state = pq->PQresultStatus(remote->row);
    if (state == PGRES_SINGLE_TUPLE) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = TDBPLUS_END;
    if (state == PGRES_TUPLES_OK) { // Without rows: the end.
        copy_field(remote->tag, sizeof remote->tag, pq->PQcmdStatus(remote->row));
    } else {
        status = fail_result(remote->owner, remote->row, call);
    }
    drop_row(remote);
    finish(remote);
    return status;
}

static tdbplus_status remote_text(struct answer *answer, uint32_t column, struct span *text_out,
                                  tdbplus_call *call)
{
    const struct remote_answer *remote = (const struct remote_answer *)answer;
    const struct libpq *pq = remote->owner->pq;
    (void)call;
    if (remote->piece != NULL) {
        *text_out = (struct span){(const uint8_t *)remote->piece, remote->piece_size};
    } else if (pq->PQgetisnull(remote->row, 0, (int)column) != 0) {
        *text_out = (struct span){NULL, 0};
    } else {
        *text_out = (struct span){(const uint8_t *)pq->PQgetvalue(remote->row, 0, (int)column),
                                  (size_t)pq->PQgetlength(remote->row, 0, (int)column)};
    }
    return TDBPLUS_OK;
}

static const char *remote_tag(const struct answer *answer)
{
    return ((const struct remote_answer *)answer)->tag;
}

static tdbplus_status remote_copy_put(struct answer *answer, const void *data, size_t size,
                                      tdbplus_call *call)
{
    struct remote_answer *remote = remote_of(answer);
    const char *bytes = data;
    for (size_t at = 0; at < size;) { // Its sizes are ints.
        const size_t part = size - at < 1u << 20 ? size - at : 1u << 20;
        if (remote->owner->pq->PQputCopyData(remote->owner->connection, bytes + at, (int)part) !=
            1) {
            return fail_connection(remote->owner, call);
        }
        at += part;
    }
    return TDBPLUS_OK;
}

static tdbplus_status remote_copy_end(struct answer *answer, tdbplus_call *call)
{
    struct remote_answer *remote = remote_of(answer);
    const struct libpq *pq = remote->owner->pq;
    if (pq->PQputCopyEnd(remote->owner->connection, NULL) != 1) {
        return fail_connection(remote->owner, call);
    }
    PGresult *last = pq->PQgetResult(remote->owner->connection);
    tdbplus_status status = TDBPLUS_OK;
    if (last == NULL) {
        status = fail_connection(remote->owner, call);
    } else if (pq->PQresultStatus(last) != PGRES_COMMAND_OK) {
        status = fail_result(remote->owner, last, call);
    } else {
        copy_field(remote->tag, sizeof remote->tag, pq->PQcmdStatus(last));
    }
    pq->PQclear(last);
    finish(remote);
    return status;
}

static const struct client_ops remote_ops = {
    .is_remote = true,
    .close = remote_close,
    .another = remote_another,
    .cancel = remote_cancel,
    .in_transaction = remote_in_transaction,
    .describe = remote_describe,
    .execute = remote_execute,
    .answer_close = remote_answer_close,
    .column_count = remote_column_count,
    .column = remote_column,
    .next = remote_next,
    .text = remote_text,
    .tag = remote_tag,
    .copy = remote_copy,
    .copy_put = remote_copy_put,
    .copy_end = remote_copy_end,
};

#else

struct client *client_open_remote(const char *url)
{
    (void)fprintf(stderr,
                  "tdb: %s: this program was built without PostgreSQL's client library\n"
                  "HINT:  Build it where libpq-dev is installed.\n",
                  url);
    return NULL;
}

#endif
