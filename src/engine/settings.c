/* SET: values of a session. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/session.h"

tdbplus_status session_set(tdbplus_session *session, const struct ast *ast, struct err *err)
{
    const struct ast_set *set = (const struct ast_set *)ast;
    bool resets = set->set_kind == AST_SET_DEFAULT || set->set_kind == AST_RESET;
    if ((set->set_kind != AST_SET_VALUE && !resets) || set->local || set->name == NULL) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "SET is not supported in this form");
    }
    char text[32];
    if (resets) {
        bool threads = strcmp(set->name, "threads") == 0;
        (void)snprintf(text, sizeof text, "%u", session->db->thread_count);
        struct span value = {.data = (const uint8_t *)text, .size = threads ? strlen(text) : 0};
        plan_cache_deinit(&session->plans); // They were made for other settings.
        return sql_settings_set(&session->settings, set->name, value, err);
    }
    const struct ast_constant *value =
        set->values.count == 1 ? (const struct ast_constant *)set->values.items[0] : NULL;
    if (value == NULL || value->ast.kind != AST_CONSTANT ||
        (value->constant != AST_INTEGER && value->constant != AST_STRING)) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "SET %s is not supported with this value",
                       set->name);
    }
    struct span span = {.data = (const uint8_t *)text};
    if (value->constant == AST_INTEGER) {
        (void)snprintf(text, sizeof text, "%" PRId32, value->integer);
        span.size = strlen(text);
    } else {
        span.data = (const uint8_t *)value->text;
        span.size = strlen(value->text);
    }
    plan_cache_deinit(&session->plans); // They were made for other settings.
    return sql_settings_set(&session->settings, set->name, span, err);
}
