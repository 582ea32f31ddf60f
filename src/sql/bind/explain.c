/* EXPLAIN: what is to be shown. */

#include <string.h>

#include "sql/bind/bind_internal.h"

static bool read_boolean(const struct ast *value, bool *boolean_out)
{
    const struct ast_constant *constant = (const struct ast_constant *)value;
    *boolean_out = true;
    if (value == NULL) {
        return true;
    }
    if (value->kind != AST_CONSTANT) {
        return false;
    }
    if (constant->constant == AST_INTEGER) {
        *boolean_out = constant->integer == 1;
        return constant->integer == 0 || constant->integer == 1;
    }
    if (constant->constant == AST_BOOL) {
        *boolean_out = constant->boolean;
        return true;
    }
    static const char *const names[] = {"true", "false", "on", "off"};
    for (uint32_t i = 0; i < 4 && constant->text != NULL; i++) {
        if (strcmp(constant->text, names[i]) == 0) {
            *boolean_out = i % 2 == 0;
            return true;
        }
    }
    return false;
}

static tdbplus_status bind_format(struct binder *binder, const struct ast_option *option,
                                  struct plan_explain *explain)
{
    const struct ast_constant *value = (const struct ast_constant *)option->value;
    const char *name = value != NULL && value->ast.kind == AST_CONSTANT ? value->text : NULL;
    if (name != NULL && strcmp(name, "text") == 0) {
        explain->json = false;
        return TDBPLUS_OK;
    }
    if (name != NULL && strcmp(name, "json") == 0) {
        explain->json = true;
        return TDBPLUS_OK;
    }
    if (name != NULL && (strcmp(name, "xml") == 0 || strcmp(name, "yaml") == 0)) {
        return bind_unsupported(binder, option->ast.position, "EXPLAIN in XML or YAML");
    }
    return bind_fail(binder, TDBPLUS_E_INVALID, "22023", option->ast.position,
                     "unrecognized value for EXPLAIN option \"format\": \"%s\"",
                     name != NULL ? name : "");
}

/* `said` has a bit for each option that was given. */
enum { SAID_TIMING = 1, SAID_SUMMARY = 2, SAID_WAL = 4 };

static tdbplus_status bind_option(struct binder *binder, const struct ast_option *option,
                                  struct plan_explain *explain, uint32_t *said)
{
    bool ignored = false;
    struct {
        const char *name;
        bool *value;
        uint32_t said;
    } options[] = {
        {"analyze", &explain->analyze, 0},
        {"verbose", &explain->verbose, 0},
        {"costs", &explain->costs, 0},
        {"timing", &explain->timing, SAID_TIMING},
        {"summary", &explain->summary, SAID_SUMMARY},
        {"settings", &ignored, 0},
        {"wal", &ignored, SAID_WAL},
        {"buffers", &ignored, 0},
    };
    if (strcmp(option->name, "format") == 0) {
        return bind_format(binder, option, explain);
    }
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, option->name) != 0) {
            continue;
        }
        if (!read_boolean(option->value, options[i].value)) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", option->ast.position,
                             "%s requires a Boolean value", option->name);
        }
        *said |= *options[i].value ? options[i].said : 0;
        return ignored && options[i].said == 0
                   ? bind_unsupported(binder, option->ast.position,
                                      strcmp(option->name, "buffers") == 0
                                          ? "EXPLAIN with BUFFERS"
                                          : "EXPLAIN with SETTINGS")
                   : TDBPLUS_OK;
    }
    return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", option->ast.position,
                     "unrecognized EXPLAIN option \"%s\"", option->name);
}

static tdbplus_status bind_options(struct binder *binder, const struct ast_list *list,
                                   struct plan_explain *explain)
{
    uint32_t said = 0;
    explain->timing = true;
    explain->summary = true;
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(bind_option(binder, (const struct ast_option *)list->items[i], explain, &said));
    }
    if (!explain->analyze && (said & (SAID_TIMING | SAID_WAL)) != 0) {
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0,
                         "EXPLAIN option %s requires ANALYZE",
                         (said & SAID_WAL) != 0 ? "WAL" : "TIMING");
    }
    return (said & SAID_WAL) != 0 ? bind_unsupported(binder, 0, "EXPLAIN with WAL") : TDBPLUS_OK;
}

tdbplus_status bind_explain(struct binder *binder, const struct ast_explain *ast,
                            struct bound *bound)
{
    TRY(bind_options(binder, &ast->options, &bound->explain));
    bound->kind = BOUND_EXPLAIN;
    switch (ast->query->kind) {
    case AST_SELECT:
        return bind_select(binder, NULL, (const struct ast_select *)ast->query, false,
                           &bound->plan);
    case AST_INSERT:
    case AST_UPDATE:
    case AST_DELETE:
    case AST_MERGE: {
        struct bound inner = {0};
        TRY(bind_change_statement(binder, ast->query, &inner));
        bound->plan = inner.plan;
        return TDBPLUS_OK;
    }
    default:
        return bind_unsupported(binder, 0, "EXPLAIN of this statement");
    }
}
