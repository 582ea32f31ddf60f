#pragma once

/* What the two kinds of client implement; see client.h for what each function promises. */

#include "cli/client.h"

struct client_ops {
    bool is_remote;
    void (*close)(struct client *client);
    struct client *(*another)(struct client *client);
    void (*cancel)(struct client *client, tdbplus_call *call);
    bool (*in_transaction)(const struct client *client);
    void (*describe)(const struct client *client, FILE *out);
    tdbplus_status (*execute)(struct client *client, const char *sql, size_t size,
                              struct answer **answer_out, tdbplus_call *call);
    void (*answer_close)(struct answer *answer);
    uint32_t (*column_count)(const struct answer *answer);
    struct client_column (*column)(const struct answer *answer, uint32_t number);
    tdbplus_status (*next)(struct answer *answer, tdbplus_call *call);
    tdbplus_status (*text)(struct answer *answer, uint32_t column, struct span *text_out,
                           tdbplus_call *call);
    const char *(*tag)(const struct answer *answer);
    tdbplus_copy_direction (*copy)(const struct answer *answer);
    tdbplus_status (*copy_put)(struct answer *answer, const void *data, size_t size,
                               tdbplus_call *call);
    tdbplus_status (*copy_end)(struct answer *answer, tdbplus_call *call);
};

/* The first member of each kind's own struct. */
struct client {
    const struct client_ops *ops;
};

struct answer {
    const struct client_ops *ops;
};

struct client *client_open_local(const char *directory, bool read_only);
struct client *client_open_remote(const char *url);

/* A column of a type by its name. */
struct client_column client_column_of(const char *name, const char *type);
