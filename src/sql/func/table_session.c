/* Functions about the session: settings. */

#include <string.h>

#include "sql/func/text_kernel.h"

#define NAME_SIZE_MAX 128u

static tdbplus_status no_session(struct func_call *call)
{
    return err_set(call->err, TDBPLUS_E_UNSUPPORTED, "%s() needs a session", call->func->name);
}

static const struct func_session *session_of(const struct func_call *call)
{
    return call->context == NULL ? NULL : call->context->session;
}

/* A name that ends with a zero. */
static bool copy_name(struct span text, char name[NAME_SIZE_MAX])
{
    bool fits = text.size < NAME_SIZE_MAX;
    size_t size = fits ? text.size : NAME_SIZE_MAX - 1;
    memcpy(name, text.data, size);
    name[size] = 0;
    return fits;
}

static tdbplus_status show_row(struct func_call *call, uint32_t row, bool missing_ok)
{
    const struct func_session *session = session_of(call);
    char name[NAME_SIZE_MAX];
    struct err err = {0};
    struct buffer text;
    if (session == NULL) {
        return no_session(call);
    }
    (void)copy_name(text_argument(call, 0, row), name);
    buffer_init(&text, call->arena->alloc);
    tdbplus_status status = session->setting_get(session->ctx, name, &text, &err);
    if (status == TDBPLUS_E_NOT_FOUND && missing_ok) {
        kernel_set_null(call, row);
        buffer_deinit(&text);
        return TDBPLUS_OK;
    }
    if (status == TDBPLUS_OK) {
        uint8_t *bytes = text_make(call, text.size, &status);
        if (bytes != NULL && text.size > 0) {
            memcpy(bytes, text.data, text.size);
        }
        if (bytes != NULL) {
            text_result(call, row, (struct span){.data = bytes, .size = text.size});
        }
    } else if (call->err != NULL) {
        *call->err = err;
    }
    buffer_deinit(&text);
    return status;
}

static tdbplus_status current_setting(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum missing_ok = {0};
        if (call->argument_count > 1) {
            column_get(&call->arguments[1], row, &missing_ok);
        }
        TRY(show_row(call, row, missing_ok.boolean));
    }
    return TDBPLUS_OK;
}

/* An empty text is a text too. */
static struct span text_given(struct span text)
{
    text.data = text.data == NULL ? (const uint8_t *)"" : text.data;
    return text;
}

static tdbplus_status set_config(struct func_call *call)
{
    const struct func_session *session = session_of(call);
    if (session == NULL) {
        return no_session(call);
    }
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        char name[NAME_SIZE_MAX];
        struct datum value;
        struct datum local;
        struct datum setting;
        column_get(&call->arguments[0], row, &setting);
        column_get(&call->arguments[1], row, &value);
        column_get(&call->arguments[2], row, &local);
        if (setting.is_null) {
            return err_set_state(call->err, TDBPLUS_E_SQL, "22004", "SET requires parameter name");
        }
        (void)copy_name(setting.bytes, name);
        TRY(session->setting_set(session->ctx, name,
                                 value.is_null ? (struct span){0} : text_given(value.bytes),
                                 !local.is_null && local.boolean, call->err));
        TRY(show_row(call, row, false));
    }
    return TDBPLUS_OK;
}

const struct func table_session[] = {
    {"current_setting",
     1,
     {TYPE_TEXT},
     TYPE_TEXT,
     FUNC_STABLE,
     current_setting,
     "The value of a setting."},
    {"current_setting",
     2,
     {TYPE_TEXT, TYPE_BOOL},
     TYPE_TEXT,
     FUNC_STABLE | FUNC_NULLABLE,
     current_setting,
     "The same; null when there is none and the second argument is true."},
    {"set_config",
     3,
     {TYPE_TEXT, TYPE_TEXT, TYPE_BOOL},
     TYPE_TEXT,
     FUNC_VOLATILE | FUNC_CALLED_ON_NULL | FUNC_NULLABLE,
     set_config,
     "Sets a setting, until the transaction ends if the third argument is true."},
    FUNC_END,
};
