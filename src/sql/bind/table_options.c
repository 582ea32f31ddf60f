/* WITH (...) behind CREATE TABLE: when rows expire. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "types/datetime_text.h"

#define DAY_US ((int64_t)86400 * 1000000)

static tdbplus_status option_text(struct binder *binder, const struct ast_option *option,
                                  const char **text_out)
{
    const struct ast_constant *constant = (const struct ast_constant *)option->value;
    if (option->value == NULL || option->value->kind != AST_CONSTANT ||
        constant->constant != AST_STRING) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "22023", option->ast.position,
                         "storage parameter \"%s\" wants a text", option->name);
    }
    *text_out = constant->text;
    return TDBPLUS_OK;
}

static tdbplus_status set_column(struct binder *binder, const struct ast_option *option,
                                 struct schema *schema)
{
    const char *name = NULL;
    TRY(option_text(binder, option, &name));
    int32_t at = schema_find_name(schema, name);
    if (at < 0) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", option->ast.position,
                         "column \"%s\" does not exist", name);
    }
    uint8_t type = schema->columns[at].type.id;
    if (type != TYPE_DATE && type != TYPE_TIMESTAMP && type != TYPE_TIMESTAMPTZ) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", option->ast.position,
                         "rows can only expire by a date or a timestamp, and \"%s\" is neither",
                         name);
    }
    schema->ttl_column_id = schema->columns[at].id;
    return TDBPLUS_OK;
}

static tdbplus_status set_duration(struct binder *binder, const struct ast_option *option,
                                   struct schema *schema)
{
    const char *text = NULL;
    struct interval interval = {0};
    TRY(option_text(binder, option, &text));
    int64_t days_us = 0;
    int64_t ttl_us = 0;
    if (interval_parse(span_from_text(text), &interval, NULL) != TDBPLUS_OK ||
        interval.months != 0 || __builtin_mul_overflow((int64_t)interval.days, DAY_US, &days_us) ||
        __builtin_add_overflow(days_us, interval.microseconds, &ttl_us) || ttl_us < 0) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_INVALID, "22023", option->ast.position,
                      "invalid value for storage parameter \"ttl\": \"%s\"", text);
        err_hint(binder->err, "A duration in days or less, such as '7 days' or '90 minutes'.");
        return status;
    }
    schema->ttl_us = ttl_us;
    return TDBPLUS_OK;
}

tdbplus_status bind_table_options(struct binder *binder, const struct ast_list *options,
                                  struct bound_create *create)
{
    bool has_duration = false;
    for (uint32_t i = 0; i < options->count; i++) {
        const struct ast_option *option = (const struct ast_option *)options->items[i];
        if (strcmp(option->name, "ttl_column") == 0) {
            TRY(set_column(binder, option, create->schema));
        } else if (strcmp(option->name, "ttl") == 0) {
            TRY(set_duration(binder, option, create->schema));
            has_duration = true;
        } else if (strcmp(option->name, "documents") == 0) {
            continue; // See document.h.
        } else if (strcmp(option->name, "fillfactor") == 0 ||
                   strncmp(option->name, "autovacuum_", strlen("autovacuum_")) == 0) {
            continue; // There are no pages to fill and no vacuum: said, and of no effect.
        } else {
            return bind_fail(binder, TDBPLUS_E_INVALID, "22023", option->ast.position,
                             "unrecognized parameter \"%s\"", option->name);
        }
    }
    bool has_column = create->schema->ttl_column_id != 0;
    if (has_column != has_duration) {
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0,
                         "rows expire by both \"ttl_column\" and \"ttl\", or not at all");
    }
    if (has_column && (create->index_count > 0 || create->foreign_count > 0)) {
        return bind_unsupported(binder, 0,
                                "a table with indexes or foreign keys whose rows expire");
    }
    return TDBPLUS_OK;
}
