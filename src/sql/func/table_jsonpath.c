/* Functions and operators of the path language: PostgreSQL's manual, 9.16.2. */

#include <string.h>

#include "sql/func/json_value.h"
#include "sql/func/jsonpath.h"

/* The path of the row before, which is mostly that of the next one, too. */
struct path_cache {
    struct span text;
    struct jsonpath path;
    bool parsed;
};

struct answer {
    struct jsonpath_items items;
    bool failed; /* An error that was to be silent. */
};

/* Applies argument 1 to argument 0, with the variables and the silence that may follow. */
static tdbplus_status ask(struct func_call *call, struct path_cache *cache, uint32_t row,
                          bool silent, struct answer *answer)
{
    struct span text = text_argument(call, 1, row);
    struct span variables = {0};
    if (!cache->parsed || span_compare(cache->text, text) != 0) {
        TRY(jsonpath_parse(text, call->arena, &cache->path, call->err));
        cache->text = text;
        cache->parsed = true;
    }
    if (call->argument_count > 2) {
        variables = text_argument(call, 2, row);
        if (json_kind(variables) != JSON_OBJECT) {
            return kernel_error(call, "22023", "\"vars\" argument is not an object");
        }
    }
    silent = silent || (call->argument_count > 3 && kernel_argument(call, 3, row).boolean);
    struct err hidden = {0};
    tdbplus_status status =
        jsonpath_apply(&cache->path, text_argument(call, 0, row), variables, call->arena,
                       &answer->items, silent ? &hidden : call->err);
    answer->failed = silent && (status == TDBPLUS_E_SQL || status == TDBPLUS_E_RANGE);
    if (answer->failed) {
        // A missing variable is the statement's mistake, not the document's.
        if (strcmp(hidden.sqlstate, "42704") != 0) {
            answer->items.count = 0;
            return TDBPLUS_OK;
        }
        answer->failed = false;
    }
    if (status != TDBPLUS_OK && silent) {
        return err_set_state(call->err, status, hidden.sqlstate, "%s", hidden.text);
    }
    return status;
}

typedef tdbplus_status (*answer_reader)(struct func_call *call, const struct answer *answer,
                                        struct datum *result);

static tdbplus_status answer_each(struct func_call *call, bool silent, answer_reader reader)
{
    struct path_cache cache = {0};
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct answer answer = {0};
        struct datum result = {.type = call->result->type};
        TRY(ask(call, &cache, row, silent, &answer));
        TRY(reader(call, &answer, &result));
        if (result.is_null) {
            kernel_set_null(call, row);
        } else {
            result.type = call->result->type;
            column_set(call->result, row, &result);
        }
    }
    return TDBPLUS_OK;
}

#define PATH_KERNEL(NAME, SILENT, READER)              \
    static tdbplus_status NAME(struct func_call *call) \
    {                                                  \
        return answer_each(call, SILENT, READER);      \
    }

static tdbplus_status read_exists(struct func_call *call, const struct answer *answer,
                                  struct datum *result)
{
    (void)call;
    result->is_null = answer->failed;
    result->boolean = answer->items.count > 0;
    return TDBPLUS_OK;
}

/* One truth value; null is unknown. */
static tdbplus_status read_match(struct func_call *call, const struct answer *answer,
                                 struct datum *result)
{
    bool one = answer->items.count == 1;
    enum json_kind kind = one ? json_kind(answer->items.items[0]) : JSON_ARRAY;
    if (!answer->failed && kind == JSON_BOOLEAN) {
        result->boolean = json_boolean(answer->items.items[0]);
        return TDBPLUS_OK;
    }
    result->is_null = true;
    bool silent =
        (call->func->flags & FUNC_OPERATOR) != 0 || answer->failed || call->argument_count > 3;
    if (kind == JSON_NULL || silent) {
        return TDBPLUS_OK;
    }
    return kernel_error(call, "22038", "single boolean result is expected");
}

static tdbplus_status put_document(struct func_call *call, struct span document,
                                   struct datum *result)
{
    struct buffer copy;
    buffer_init(&copy, call->arena->alloc);
    buffer_put_span(&copy, document);
    tdbplus_status status = kernel_keep(call, &copy, result);
    buffer_deinit(&copy);
    return status;
}

static tdbplus_status read_first(struct func_call *call, const struct answer *answer,
                                 struct datum *result)
{
    result->is_null = answer->items.count == 0;
    return result->is_null ? TDBPLUS_OK : put_document(call, answer->items.items[0], result);
}

static tdbplus_status read_array(struct func_call *call, const struct answer *answer,
                                 struct datum *result)
{
    struct json_builder builder;
    json_builder_init(&builder, call->arena->alloc);
    json_builder_begin_array(&builder);
    for (uint32_t i = 0; i < answer->items.count; i++) {
        json_builder_document(&builder, answer->items.items[i]);
    }
    json_builder_end_array(&builder);
    tdbplus_status status = json_take(&builder, call->arena, result, call->err);
    json_builder_deinit(&builder);
    return status;
}

static tdbplus_status read_rows(struct func_call *call, const struct answer *answer,
                                struct datum *result)
{
    struct kernel_items items = {0};
    for (uint32_t i = 0; i < answer->items.count; i++) {
        struct datum item = {.type = type_of(TYPE_JSON), .bytes = answer->items.items[i]};
        TRY(kernel_push(call, &items, &item));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

PATH_KERNEL(exists, false, read_exists)
PATH_KERNEL(exists_silent, true, read_exists)
PATH_KERNEL(match, false, read_match)
PATH_KERNEL(match_silent, true, read_match)
PATH_KERNEL(query_first, false, read_first)
PATH_KERNEL(query_array, false, read_array)
PATH_KERNEL(query, false, read_rows)

#define JS TYPE_JSON
#define TX TYPE_TEXT
#define BO TYPE_BOOL
#define ON (FUNC_OPERATOR | FUNC_NULLABLE)
#define NL FUNC_NULLABLE

#define FORMS(NAME, RESULT, FLAGS, KERNEL, SUMMARY)                          \
    {NAME, 2, {JS, TX}, RESULT, FLAGS, KERNEL, SUMMARY},                     \
        {NAME, 3, {JS, TX, JS}, RESULT, FLAGS, KERNEL, "With variables."},   \
    {                                                                        \
        NAME, 4, {JS, TX, JS, BO}, RESULT, FLAGS, KERNEL, "Silent, if true." \
    }

const struct func table_jsonpath[] = {
    {"@?", 2, {JS, TX}, BO, ON, exists_silent, "True if the path leads somewhere."},
    {"@@", 2, {JS, TX}, BO, ON, match_silent, "What the path's predicate says."},
    FORMS("jsonb_path_exists", BO, NL, exists, "True if the path leads somewhere."),
    FORMS("jsonb_path_match", BO, NL, match, "What the path's predicate says."),
    FORMS("jsonb_path_query", JS, FUNC_SET, query, "A row for each value."),
    FORMS("jsonb_path_query_array", JS, 0, query_array, "All values as an array."),
    FORMS("jsonb_path_query_first", JS, NL, query_first, "The first value."),
    FUNC_END,
};
