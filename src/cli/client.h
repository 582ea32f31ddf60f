#pragma once

/*
 * client: where the shell's statements go, either a session in this process or a server that speaks
 * PostgreSQL's protocol. Both give the same answers, so that what prints them need not know which.
 *
 * One thread, except client_cancel(), which a signal handler may call.
 */

#include <stdio.h>

#include "base/alloc.h"
#include "cli/cli.h"

struct client;
struct answer;

/* How a text of a column becomes JSON. */
enum client_json {
    CLIENT_JSON_STRING,
    CLIENT_JSON_NUMBER, /* When it looks like one: not so NaN. */
    CLIENT_JSON_BOOL,
    CLIENT_JSON_RAW, /* It is JSON. */
};

/* Texts live as long as the answer. */
struct client_column {
    const char *name;
    const char *type; /* PostgreSQL's name, such as "int4". */
    bool is_number;
    enum client_json json;
};

/* Whether `target` names a server: "postgresql://..." or "postgres://...". */
bool client_is_url(const char *target);

/* Opens the database in directory `target` (NULL: a new one in memory), or connects to the server
 * it names. On failure complains and returns NULL. */
struct client *client_open(const char *target);
/* The same of a database that must be there, to read it alone. */
struct client *client_open_reading(const char *target);
void client_close(struct client *client); /* NULL is fine. */

/* A second session of the same database or server; close it before the first. NULL and a complaint.
 */
struct client *client_another(struct client *client);

/* Whether this is a server, whose files are not those of the shell. */
bool client_is_remote(const struct client *client);

/* Asks the statement that runs with `call` to end. */
void client_cancel(struct client *client, tdbplus_call *call);

/* Between BEGIN and its end, also after a failure in between. */
bool client_in_transaction(const struct client *client);

/* Tells on `out` what this is connected to. */
void client_describe(const struct client *client, FILE *out);

/* Runs one statement; end with answer_close() before the next one. */
TDBPLUS_CHECKED tdbplus_status client_execute(struct client *client, const char *sql, size_t size,
                                              struct answer **answer_out, tdbplus_call *call);

void answer_close(struct answer *answer); /* NULL is fine. */
uint32_t answer_column_count(const struct answer *answer);
struct client_column answer_column(const struct answer *answer, uint32_t number);

/* The next row; TDBPLUS_END when there is none. */
TDBPLUS_CHECKED tdbplus_status answer_next(struct answer *answer, tdbplus_call *call);

/* A value of the current row as PostgreSQL prints it; a span of NULL is a null. Valid until the
 * next row. Of COPY TO STDOUT column 0 is a piece of the output. */
TDBPLUS_CHECKED tdbplus_status answer_text(struct answer *answer, uint32_t column,
                                           struct span *text_out, tdbplus_call *call);

/* "INSERT 0 1"; of a query only after its last row. */
const char *answer_tag(const struct answer *answer);

/* COPY; see tdbplus_copy_put(). */
tdbplus_copy_direction answer_copy(const struct answer *answer);
TDBPLUS_CHECKED tdbplus_status answer_copy_put(struct answer *answer, const void *data, size_t size,
                                               tdbplus_call *call);
TDBPLUS_CHECKED tdbplus_status answer_copy_end(struct answer *answer, tdbplus_call *call);
