/* SET, RESET, SHOW, DISCARD, and the modes of the transaction at hand. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/session.h"
#include "sql/parse/ast_session.h"

/* ---- values ---- */

static void put_quoted(struct span name, struct buffer *text)
{
    bool plain = name.size > 0 && (name.data[0] < '0' || name.data[0] > '9');
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        plain =
            plain && ((byte >= 'a' && byte <= 'z') || byte == '_' || (byte >= '0' && byte <= '9'));
    }
    if (plain) {
        buffer_put_span(text, name);
        return;
    }
    buffer_put_u8(text, '"');
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '"') {
            buffer_put_u8(text, '"');
        }
        buffer_put_u8(text, name.data[i]);
    }
    buffer_put_u8(text, '"');
}

/* SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE. */
static tdbplus_status put_interval(const struct ast_cast *cast, struct buffer *text,
                                   struct err *err)
{
    const struct ast_constant *value = (const struct ast_constant *)cast->argument;
    struct interval interval = {0};
    if (value->ast.kind != AST_CONSTANT || value->constant != AST_STRING) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "SET is not supported with this value");
    }
    TRY(interval_parse(span_from_text(value->text), &interval, err));
    if (interval.months != 0 || interval.days != 0) {
        return err_set_state(err, TDBPLUS_E_SQL, "22023",
                             "invalid value for parameter \"TimeZone\": \"%s\"", value->text);
    }
    // check_zone() makes a zone of a number of hours.
    buffer_printf(text, "%.10g", (double)interval.microseconds / (double)US_PER_HOUR);
    return TDBPLUS_OK;
}

static tdbplus_status put_value(const struct ast *ast, bool quoted, struct buffer *text,
                                struct err *err)
{
    const struct ast_constant *value = (const struct ast_constant *)ast;
    if (ast->kind == AST_CAST) {
        return put_interval((const struct ast_cast *)ast, text, err);
    }
    if (ast->kind != AST_CONSTANT || value->constant == AST_NULL) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "SET is not supported with this value");
    }
    if (value->constant == AST_INTEGER) {
        buffer_printf(text, "%" PRId32, value->integer);
    } else if (value->constant == AST_BOOL) {
        buffer_put_text(text, value->boolean ? "true" : "false");
    } else if (quoted) {
        put_quoted(span_from_text(value->text), text);
    } else {
        buffer_put_text(text, value->text);
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_values(const struct settings *settings, const struct ast_set *set,
                                 struct buffer *text, struct err *err)
{
    uint32_t number = UINT32_MAX;
    const struct setting_info *info = NULL;
    if (settings_find(settings, set->name, &number, NULL) == TDBPLUS_OK) {
        info = setting_at(number);
    }
    bool list = info != NULL && info->list;
    if (set->values.count > 1 && !list && number != SETTING_DATE_STYLE) {
        return err_set_state(err, TDBPLUS_E_SQL, "22023", "SET %s takes only one argument",
                             set->name);
    }
    for (uint32_t i = 0; i < set->values.count; i++) {
        buffer_put_text(text, i > 0 ? ", " : "");
        TRY(put_value(set->values.items[i], list, text, err));
    }
    return text->failed ? err_set(err, TDBPLUS_E_NOMEM, "a setting does not fit in memory")
                        : TDBPLUS_OK;
}

/* ---- modes of a transaction ---- */

static const char *isolation_name(const struct txn_options *options)
{
    return options->isolation == TXN_REPEATABLE_READ ? "repeatable read" : "read committed";
}

const char *session_mode(const tdbplus_session *session, uint32_t number)
{
    const struct txn_options *options =
        session->txn != NULL ? &session->options : &session->state->txn;
    switch (number) {
    case SETTING_TRANSACTION_ISOLATION:
        return isolation_name(options);
    case SETTING_TRANSACTION_READ_ONLY:
        return options->read_only ? "on" : "off";
    default:
        return session->txn != NULL && session->deferrable ? "on" : "off";
    }
}

static bool is_text(struct span text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

static tdbplus_status set_isolation(tdbplus_session *session, struct span level, struct err *err)
{
    bool repeatable = is_text(level, "repeatable read");
    if (is_text(level, "serializable")) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "isolation level SERIALIZABLE is not supported; REPEATABLE READ is");
    }
    struct txn_options options = session->options;
    options.isolation = repeatable ? TXN_REPEATABLE_READ : TXN_READ_COMMITTED;
    if (options.isolation == session->options.isolation) {
        return TDBPLUS_OK;
    }
    if (session->used) {
        return err_set_state(err, TDBPLUS_E_SQL, "25001",
                             "SET TRANSACTION ISOLATION LEVEL must be called before any query");
    }
    if (session->savepoints.count > 0) {
        return err_set_state(
            err, TDBPLUS_E_SQL, "25001",
            "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction");
    }
    // Nothing has been read or changed in it: another one is the same.
    struct txn *txn = NULL;
    TRY(txn_begin(session->db->store, &options, store_alloc(session->db->store), &txn, err));
    txn_abort(session->txn);
    session->txn = txn;
    session->options = options;
    return TDBPLUS_OK;
}

tdbplus_status session_set_mode(tdbplus_session *session, uint32_t number, struct span text,
                                struct err *err)
{
    if (session == NULL || session->txn == NULL) {
        return TDBPLUS_OK; // PostgreSQL warns that it means nothing outside of a transaction.
    }
    if (number == SETTING_TRANSACTION_ISOLATION) {
        return set_isolation(session, text, err);
    }
    bool on = is_text(text, "on");
    if (number == SETTING_TRANSACTION_DEFERRABLE) {
        session->deferrable = on;
        return TDBPLUS_OK;
    }
    if (!on && session->options.read_only && session->used) {
        return err_set_state(err, TDBPLUS_E_SQL, "25001",
                             "transaction read-write mode must be set before any query");
    }
    session->options.read_only = on;
    txn_set_read_only(session->txn, on);
    return TDBPLUS_OK;
}

/* SET TRANSACTION and SET SESSION CHARACTERISTICS: a list of modes. */
static tdbplus_status set_modes(tdbplus_session *session, const struct ast_set *set,
                                struct err *err)
{
    bool defaults = strcmp(set->name, "SESSION CHARACTERISTICS") == 0;
    if (!defaults && strcmp(set->name, "TRANSACTION") != 0) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "SET %s is not supported", set->name);
    }
    for (uint32_t i = 0; i < set->values.count; i++) {
        const struct ast_option *option = (const struct ast_option *)set->values.items[i];
        const struct ast_constant *value = (const struct ast_constant *)option->value;
        if (option->ast.kind != AST_OPTION || value == NULL || value->ast.kind != AST_CONSTANT) {
            return err_set(err, TDBPLUS_E_UNSUPPORTED, "this transaction option is not supported");
        }
        char name[64];
        (void)snprintf(name, sizeof name, "%s%s", defaults ? "default_" : "", option->name);
        const char *text = value->constant == AST_STRING ? value->text
                           : value->integer != 0         ? "on"
                                                         : "off";
        TRY(settings_set(&session->state->settings, name, span_from_text(text),
                         defaults ? SCOPE_SESSION : SCOPE_LOCAL, err));
    }
    return TDBPLUS_OK;
}

/* ---- statements ---- */

static tdbplus_status set_value(tdbplus_session *session, const struct ast_set *set,
                                enum setting_scope scope, struct err *err)
{
    struct settings *settings = &session->state->settings;
    struct buffer text;
    buffer_init(&text, &session->db->host);
    tdbplus_status status = put_values(settings, set, &text, err);
    if (status == TDBPLUS_OK) {
        status = settings_set(settings, set->name, buffer_span(&text), scope, err);
    }
    buffer_deinit(&text);
    return status;
}

tdbplus_status session_set(tdbplus_session *session, const struct ast *ast, struct err *err)
{
    const struct ast_set *set = (const struct ast_set *)ast;
    struct settings *settings = &session->state->settings;
    enum setting_scope scope = set->local ? SCOPE_LOCAL : SCOPE_SESSION;
    tdbplus_status status = TDBPLUS_OK;
    size_t mark = settings_mark(settings);
    switch ((enum ast_set_statement_kind)set->set_kind) {
    case AST_SET_VALUE:
        status = set_value(session, set, scope, err);
        break;
    case AST_SET_DEFAULT:
    case AST_RESET:
        status = settings_reset(settings, set->name, scope, err);
        break;
    case AST_RESET_ALL:
        status = settings_reset(settings, NULL, SCOPE_SESSION, err);
        break;
    case AST_SET_MULTI:
        status = set_modes(session, set, err);
        break;
    case AST_SET_CURRENT:
        status = err_set(err, TDBPLUS_E_UNSUPPORTED, "SET FROM CURRENT is not supported");
        break;
    }
    if (status == TDBPLUS_OK && set->name != NULL &&
        strcmp(set->name, "session_authorization") == 0) {
        status = settings_set(settings, "role", span_from_text("none"), scope, err);
    }
    if (status != TDBPLUS_OK) {
        settings_rollback(settings, mark);
    } else if (session->txn == NULL) {
        settings_commit(settings);
    }
    session_refresh(session);
    return status;
}

static tdbplus_status show_all(const struct settings *settings, const struct session_state *state,
                               tdbplus_result *result, struct err *err)
{
    static const char *const names[] = {"name", "setting", "description"};
    uint32_t count = settings_count(settings);
    struct text_cell *cells = arena_array(&result->arena, (size_t)count * 3, sizeof *cells);
    struct buffer text;
    buffer_init(&text, result->call.alloc);
    bool good = cells != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        buffer_clear(&text);
        session_state_show(state, i, &text);
        char *value = text.failed ? NULL : arena_text(&result->arena, buffer_span(&text));
        good = value != NULL;
        cells[3 * (size_t)i] = (struct text_cell){settings_name(settings, i)};
        cells[3 * (size_t)i + 1] = (struct text_cell){value};
        cells[3 * (size_t)i + 2] =
            (struct text_cell){setting_at(i) == NULL ? NULL : setting_at(i)->summary};
    }
    buffer_deinit(&text);
    return good ? result_fill_text(result, names, 3, cells, count, err)
                : err_set(err, TDBPLUS_E_NOMEM, "settings do not fit the memory limit");
}

tdbplus_status session_show(tdbplus_session *session, const struct ast *ast, tdbplus_result *result,
                            struct err *err)
{
    const struct ast_show *show = (const struct ast_show *)ast;
    const struct session_state *state = session->state;
    uint32_t number = 0;
    if (strcmp(show->name, "all") == 0) {
        return show_all(&state->settings, state, result, err);
    }
    TRY(settings_find(&state->settings, show->name, &number, err));
    struct buffer text;
    buffer_init(&text, result->call.alloc);
    session_state_show(state, number, &text);
    const char *name = settings_name(&state->settings, number);
    struct text_cell cell = {.text = text.failed ? NULL
                                                 : arena_text(&result->arena, buffer_span(&text))};
    buffer_deinit(&text);
    return cell.text == NULL
               ? err_set(err, TDBPLUS_E_NOMEM, "a setting does not fit the memory limit")
               : result_fill_text(result, &name, 1, &cell, 1, err);
}

tdbplus_status session_discard(tdbplus_session *session, const struct ast *ast, struct err *err)
{
    const struct ast_discard *discard = (const struct ast_discard *)ast;
    if (discard->discard_kind == AST_DISCARD_PLANS) {
        plan_cache_deinit(&session->plans);
        return TDBPLUS_OK;
    }
    if (discard->discard_kind != AST_DISCARD_ALL) {
        return TDBPLUS_OK; // What a session keeps of sequences and temporary tables: nothing.
    }
    if (session->txn != NULL) {
        return err_set_state(err, TDBPLUS_E_STATE, "25001",
                             "DISCARD ALL cannot run inside a transaction block");
    }
    session_close_cursors(session, true);
    session_forget_statements(session);
    TRY(settings_reset(&session->state->settings, NULL, SCOPE_SESSION, err));
    settings_commit(&session->state->settings);
    plan_cache_deinit(&session->plans);
    session_refresh(session);
    return TDBPLUS_OK;
}
