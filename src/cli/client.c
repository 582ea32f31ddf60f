/* Which kind of client, and what both kinds share. */

#include <string.h>

#include "cli/client_ops.h"

bool client_is_url(const char *target)
{
    return target != NULL &&
           (strncmp(target, "postgresql://", 13) == 0 || strncmp(target, "postgres://", 11) == 0);
}

struct client *client_open(const char *target)
{
    return client_is_url(target) ? client_open_remote(target) : client_open_local(target, false);
}

struct client *client_open_reading(const char *target)
{
    return client_is_url(target) ? client_open_remote(target) : client_open_local(target, true);
}

void client_close(struct client *client)
{
    if (client != NULL) {
        client->ops->close(client);
    }
}

struct client *client_another(struct client *client)
{
    return client->ops->another(client);
}

bool client_is_remote(const struct client *client)
{
    return client->ops->is_remote;
}

void client_cancel(struct client *client, tdbplus_call *call)
{
    client->ops->cancel(client, call);
}

bool client_in_transaction(const struct client *client)
{
    return client->ops->in_transaction(client);
}

void client_describe(const struct client *client, FILE *out)
{
    client->ops->describe(client, out);
}

tdbplus_status client_execute(struct client *client, const char *sql, size_t size,
                              struct answer **answer_out, tdbplus_call *call)
{
    return client->ops->execute(client, sql, size, answer_out, call);
}

void answer_close(struct answer *answer)
{
    if (answer != NULL) {
        answer->ops->answer_close(answer);
    }
}

uint32_t answer_column_count(const struct answer *answer)
{
    return answer->ops->column_count(answer);
}

struct client_column answer_column(const struct answer *answer, uint32_t number)
{
    return answer->ops->column(answer, number);
}

tdbplus_status answer_next(struct answer *answer, tdbplus_call *call)
{
    return answer->ops->next(answer, call);
}

tdbplus_status answer_text(struct answer *answer, uint32_t column, struct span *text_out,
                           tdbplus_call *call)
{
    return answer->ops->text(answer, column, text_out, call);
}

const char *answer_tag(const struct answer *answer)
{
    return answer->ops->tag(answer);
}

tdbplus_copy_direction answer_copy(const struct answer *answer)
{
    return answer->ops->copy(answer);
}

tdbplus_status answer_copy_put(struct answer *answer, const void *data, size_t size,
                               tdbplus_call *call)
{
    return answer->ops->copy_put(answer, data, size, call);
}

tdbplus_status answer_copy_end(struct answer *answer, tdbplus_call *call)
{
    return answer->ops->copy_end(answer, call);
}

static bool is_one_of(const char *type, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(type, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct client_column client_column_of(const char *name, const char *type)
{
    static const char *const numbers[] = {"int2", "int4", "int8", "float4", "float8", "numeric"};
    static const char *const documents[] = {"json", "jsonb", "vector"};
    struct client_column column = {.name = name, .type = type};
    if (is_one_of(type, numbers, sizeof numbers / sizeof numbers[0])) {
        column.is_number = true;
        column.json = CLIENT_JSON_NUMBER;
    } else if (is_one_of(type, documents, sizeof documents / sizeof documents[0])) {
        column.json = CLIENT_JSON_RAW;
    } else if (strcmp(type, "bool") == 0) {
        column.json = CLIENT_JSON_BOOL;
    }
    return column;
}
