#include "engine/session.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "sql/bind/type_info.h"
#include "sql/system/system.h"

#define MS       1000u
#define KB_SHIFT 10

/* ---- DateStyle ---- */

static const char *const style_names[] = {[DATE_STYLE_ISO] = "ISO",
                                          [DATE_STYLE_SQL] = "SQL",
                                          [DATE_STYLE_POSTGRES] = "Postgres",
                                          [DATE_STYLE_GERMAN] = "German"};
static const char *const order_names[] = {
    [ORDER_MDY] = "MDY", [ORDER_DMY] = "DMY", [ORDER_YMD] = "YMD"};

struct date_words {
    int style; /* -1: not said. */
    int order;
};

static bool is_word(struct span word, const char *name)
{
    return word.size == strlen(name) && strncasecmp((const char *)word.data, name, word.size) == 0;
}

static bool starts_with(struct span word, const char *name)
{
    size_t size = strlen(name);
    return word.size >= size && strncasecmp((const char *)word.data, name, size) == 0;
}

static bool set_once(int *place, int value)
{
    bool good = *place < 0 || *place == value;
    *place = value;
    return good;
}

static bool read_date_word(struct span word, struct date_words *words)
{
    if (is_word(word, "iso")) {
        return set_once(&words->style, DATE_STYLE_ISO);
    }
    if (is_word(word, "sql")) {
        return set_once(&words->style, DATE_STYLE_SQL);
    }
    if (starts_with(word, "postgres")) {
        return set_once(&words->style, DATE_STYLE_POSTGRES);
    }
    if (is_word(word, "german")) {
        words->order = words->order < 0 ? (int)ORDER_DMY : words->order;
        return set_once(&words->style, DATE_STYLE_GERMAN);
    }
    if (is_word(word, "ymd")) {
        return set_once(&words->order, ORDER_YMD);
    }
    if (is_word(word, "dmy") || starts_with(word, "euro")) {
        return set_once(&words->order, ORDER_DMY);
    }
    if (is_word(word, "mdy") || is_word(word, "us") || starts_with(word, "noneuro")) {
        return set_once(&words->order, ORDER_MDY);
    }
    if (is_word(word, "default")) {
        words->style = words->style < 0 ? (int)DATE_STYLE_ISO : words->style;
        words->order = words->order < 0 ? (int)ORDER_MDY : words->order;
        return true;
    }
    return false;
}

/* What is not said stays as it is. */
static bool read_date_style(struct span text, struct date_words *words)
{
    size_t at = 0;
    while (at < text.size) {
        size_t end = at;
        while (end < text.size && text.data[end] != ',' && text.data[end] != ' ') {
            end++;
        }
        struct span word = {.data = text.data + at, .size = end - at};
        if (word.size > 0 && !read_date_word(word, words)) {
            return false;
        }
        at = end + 1;
    }
    return true;
}

/* ---- values of settings ---- */

static tdbplus_status refuse(const char *name, const struct buffer *text, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "22023",
                         "invalid value for parameter \"%s\": \"%.*s\"", name, (int)text->size,
                         text->size > 0 ? (const char *)text->data : "");
}

static void replace(struct buffer *text, const char *with)
{
    buffer_clear(text);
    buffer_put_text(text, with);
}

static tdbplus_status check_dates(const struct session_state *state, struct buffer *text,
                                  struct err *err)
{
    struct date_words words = {-1, -1};
    if (!read_date_style(buffer_span(text), &words)) {
        tdbplus_status status = refuse("DateStyle", text, err);
        err_detail(err, "Unrecognized key word.");
        return status;
    }
    buffer_clear(text);
    buffer_printf(text, "%s, %s",
                  style_names[words.style < 0 ? state->style.date_style : words.style],
                  order_names[words.order < 0 ? state->style.date_order : words.order]);
    return TDBPLUS_OK;
}

static tdbplus_status check_zone(struct session_state *state, struct buffer *text, struct err *err)
{
    struct span name = buffer_span(text);
    const struct tz *zone = NULL;
    char *end = NULL;
    char digits[32] = "";
    if (name.size > 0 && name.size < sizeof digits) {
        memcpy(digits, name.data, name.size);
        double hours = strtod(digits, &end);
        bool number = end != digits && *end == 0 && hours > -168 && hours < 168;
        zone = number ? zones_fixed(&state->zones, (int32_t)lrint(hours * 3600)) : NULL;
    }
    zone = zone == NULL ? zones_find(&state->zones, name) : zone;
    if (zone == NULL && is_word(name, "utc")) {
        replace(text, "UTC"); // Also where the machine has no files of zones.
        return TDBPLUS_OK;
    }
    if (zone == NULL) {
        return refuse("TimeZone", text, err);
    }
    replace(text, tz_name(zone));
    return TDBPLUS_OK;
}

static tdbplus_status check_encoding(struct buffer *text, struct err *err)
{
    // As PostgreSQL: only letters and digits count, so 'utf-8' in quotes is UTF8 as well.
    char letters[16];
    size_t size = 0;
    for (size_t i = 0; i < text->size && size < sizeof letters; i++) {
        if (isalnum(text->data[i])) {
            letters[size++] = (char)text->data[i];
        }
    }
    struct span name = {.data = (const uint8_t *)letters, .size = size};
    if (is_word(name, "utf8") || is_word(name, "unicode")) {
        replace(text, "UTF8");
        return TDBPLUS_OK;
    }
    return is_word(name, "sqlascii") ? TDBPLUS_OK : refuse("client_encoding", text, err);
}

/* The session's transaction, or one for the moment, which the caller ends. */
static struct txn *look(const struct session_state *state, struct txn **own)
{
    if (state->session != NULL && state->session->txn != NULL) {
        return state->session->txn;
    }
    struct txn_options options = {.read_only = true, .durability = -1};
    return txn_begin(state->store, &options, state->alloc, own, NULL) == TDBPLUS_OK ? *own : NULL;
}

/* ---- who asks ---- */

static bool find_role(const struct session_state *state, const char *name, struct role *role_out)
{
    struct txn *own = NULL;
    struct txn *txn = look(state, &own);
    bool found =
        txn != NULL && (strcmp(name, state->owner) == 0 ? role_by_oid(txn, ROLE_BOOTSTRAP, role_out)
                                                        : role_find(txn, name, role_out));
    if (found) {
        (void)snprintf(role_out->name, sizeof role_out->name, "%s", name);
    }
    role_out->groups = (struct span){0}; // Not beyond the transaction.
    role_out->object = NULL;
    txn_abort(own);
    return found;
}

static bool may_become(const struct session_state *state, uint64_t from, uint64_t to)
{
    struct txn *own = NULL;
    struct txn *txn = look(state, &own);
    bool may = txn != NULL && role_is_member(txn, from, to);
    txn_abort(own);
    return may;
}

/* SET ROLE: a role that the session's user is a member of. */
static tdbplus_status check_role(const struct session_state *state, const struct buffer *text,
                                 struct err *err)
{
    struct role role;
    char name[ROLE_NAME_SIZE_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)text->size, (const char *)text->data);
    if (strcmp(name, "none") == 0) {
        return TDBPLUS_OK;
    }
    if (!find_role(state, name, &role)) {
        return err_set_state(err, TDBPLUS_E_SQL, "22023", "role \"%s\" does not exist", name);
    }
    return may_become(state, state->session_role.oid, role.oid)
               ? TDBPLUS_OK
               : err_set_state(err, TDBPLUS_E_SQL, "42501", "permission denied to set role \"%s\"",
                               name);
}

/* SET SESSION AUTHORIZATION: for superusers, and back to whoever logged in. */
static tdbplus_status check_session_role(const struct session_state *state,
                                         const struct buffer *text, struct err *err)
{
    struct role role;
    char name[ROLE_NAME_SIZE_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)text->size, (const char *)text->data);
    if (name[0] == '\0') {
        return TDBPLUS_OK;
    }
    if (!find_role(state, name, &role)) {
        return err_set_state(err, TDBPLUS_E_SQL, "22023", "role \"%s\" does not exist", name);
    }
    struct txn *own = NULL;
    struct txn *txn = look(state, &own);
    bool may =
        role.oid == state->login_role || (txn != NULL && role_is_superuser(txn, state->login_role));
    txn_abort(own);
    return may ? TDBPLUS_OK
               : err_set_state(err, TDBPLUS_E_SQL, "42501",
                               "permission denied to set session authorization");
}

/* A role that is gone by now has no privileges but everybody's. */
static void become(const struct session_state *state, const char *name, struct role *role)
{
    if (!find_role(state, name, role)) {
        *role = role_initial(name);
    }
}

/* True when somebody else asks than before. */
static bool apply_roles(struct session_state *state)
{
    const char *session = settings_text(&state->settings, SETTING_SESSION_AUTHORIZATION);
    const char *role = settings_text(&state->settings, SETTING_ROLE);
    bool other = strcmp(session, state->shown_session) != 0;
    if (!other && strcmp(role, state->shown_role) == 0) {
        return false;
    }
    (void)snprintf(state->shown_session, sizeof state->shown_session, "%s", session);
    (void)snprintf(state->shown_role, sizeof state->shown_role, "%s", role);
    if (other) {
        become(state, session[0] == '\0' ? state->owner : session, &state->session_role);
    }
    state->role = state->session_role;
    if (strcmp(role, "none") != 0) {
        become(state, role, &state->role);
    }
    state->func.role = state->role.oid;
    return true;
}

tdbplus_status session_state_login(struct session_state *state, const char *name, bool trusted,
                                   struct err *err)
{
    struct role role = {0};
    if (!find_role(state, name, &role) && trusted) {
        (void)snprintf(state->owner, sizeof state->owner, "%s", name);
        role.oid = ROLE_BOOTSTRAP;
    } else if (role.oid == 0) {
        return err_set_state(err, TDBPLUS_E_SQL, "28000", "role \"%s\" does not exist", name);
    }
    state->login_role = role.oid;
    TRY(settings_preset(&state->settings, SETTING_SESSION_AUTHORIZATION, span_from_text(name),
                        err));
    (void)session_state_apply(state);
    return TDBPLUS_OK;
}

static tdbplus_status check_setting(void *ctx, uint32_t number, struct buffer *text,
                                    struct err *err)
{
    struct session_state *state = ctx;
    uint32_t rules = 0;
    switch (number) {
    case SETTING_DATE_STYLE:
        return check_dates(state, text, err);
    case SETTING_TIME_ZONE:
        return check_zone(state, text, err);
    case SETTING_CLIENT_ENCODING:
        return check_encoding(text, err);
    case SETTING_ROLE:
        return check_role(state, text, err);
    case SETTING_SESSION_AUTHORIZATION:
        return check_session_role(state, text, err);
    case SETTING_DISABLED_RULES:
        return sql_read_rules(buffer_span(text), &rules, err);
    case SETTING_DEFAULT_ISOLATION:
        return is_word(buffer_span(text), "serializable")
                   ? err_set(err, TDBPLUS_E_UNSUPPORTED,
                             "isolation level SERIALIZABLE is not supported; REPEATABLE READ is")
                   : TDBPLUS_OK;
    case SETTING_TRANSACTION_DEFERRABLE:
    case SETTING_TRANSACTION_ISOLATION:
    case SETTING_TRANSACTION_READ_ONLY:
        return session_set_mode(state->session, number, buffer_span(text), err);
    default:
        return TDBPLUS_OK;
    }
}

static tdbplus_status get_setting(void *ctx, const char *name, struct buffer *text, struct err *err)
{
    const struct session_state *state = ctx;
    uint32_t number = 0;
    TRY(settings_find(&state->settings, name, &number, err));
    session_state_show(state, number, text);
    return TDBPLUS_OK;
}

static tdbplus_status set_setting(void *ctx, const char *name, struct span text, bool local,
                                  struct err *err)
{
    struct session_state *state = ctx;
    enum setting_scope scope = local ? SCOPE_LOCAL : SCOPE_SESSION;
    TRY(text.data == NULL ? settings_reset(&state->settings, name, scope, err)
                          : settings_set(&state->settings, name, text, scope, err));
    (void)session_state_apply(state);
    return TDBPLUS_OK;
}

void session_state_show(const struct session_state *state, uint32_t number, struct buffer *text)
{
    bool own = number == SETTING_TRANSACTION_DEFERRABLE ||
               number == SETTING_TRANSACTION_ISOLATION || number == SETTING_TRANSACTION_READ_ONLY;
    if (own && state->session != NULL) {
        buffer_put_text(text, session_mode(state->session, number));
    } else {
        settings_show(&state->settings, number, text);
    }
}

/* ---- the catalog ---- */

/* Outside of a transaction the label would be gone with the one that was begun to find it, so it
 * goes into the state, whose user is one thread then. */
static bool label_of(void *ctx, uint32_t list, int64_t ordinal, struct span *label_out)
{
    struct session_state *state = ctx;
    struct txn *own = NULL;
    struct txn *txn = look(state, &own);
    bool found = txn != NULL && type_label_of(txn, list, ordinal, label_out) &&
                 label_out->size <= sizeof state->label;
    if (found && own != NULL) {
        memcpy(state->label, label_out->data, label_out->size);
        label_out->data = state->label;
    }
    txn_abort(own);
    return found;
}

static bool ordinal_of(void *ctx, uint32_t list, struct span label, int64_t *ordinal_out)
{
    struct txn *own = NULL;
    struct txn *txn = look(ctx, &own);
    bool found = txn != NULL && type_ordinal_of(txn, list, label, ordinal_out);
    txn_abort(own);
    return found;
}

static bool ordinal_next(void *ctx, uint32_t list, int64_t from, int64_t *ordinal_out)
{
    struct txn *own = NULL;
    struct txn *txn = look(ctx, &own);
    bool found = txn != NULL && type_ordinal_next(txn, list, from, ordinal_out);
    txn_abort(own);
    return found;
}

static bool enum_name(void *ctx, uint32_t list, char name_out[ENUM_NAME_SIZE])
{
    struct txn *own = NULL;
    struct txn *txn = look(ctx, &own);
    const struct session_state *state = ctx;
    const struct bind_session *names = state->session == NULL ? NULL : &state->session->names.bind;
    bool found = txn != NULL && type_name_of(txn, names, list, name_out);
    txn_abort(own);
    return found;
}

static bool print_reg(void *ctx, uint8_t type, int64_t oid, struct buffer *text)
{
    const struct session_state *state = ctx;
    struct txn *own = NULL;
    struct system_place place = {.txn = look(state, &own), .session = &state->func};
    bool found = place.txn != NULL && system_reg_print(&place, type, oid, text);
    txn_abort(own);
    return found;
}

static tdbplus_status parse_reg(void *ctx, uint8_t type, struct span text, int64_t *oid_out,
                                struct err *err)
{
    const struct session_state *state = ctx;
    struct txn *own = NULL;
    struct system_place place = {.txn = look(state, &own), .session = &state->func};
    tdbplus_status status = place.txn == NULL
                                ? err_set(err, TDBPLUS_E_NOMEM, "the catalog cannot be read")
                                : system_reg_parse(&place, type, text, oid_out, err);
    txn_abort(own);
    return status;
}

static void note(void *ctx, const char *level, const char *sqlstate, const char *text)
{
    session_note(ctx, level, sqlstate, "%s", text);
}

/* Functions that the session answers itself. */
static tdbplus_status session_answer(const struct session_state *state,
                                     const struct session_question *question, bool *found_out)
{
    tdbplus_session *session = state->session;
    const struct datum *arguments = question->arguments;
    *found_out = true;
    if (session == NULL) {
        *found_out = false;
        return TDBPLUS_OK;
    }
    if (strcmp(question->name, "pg_backend_pid") == 0) {
        question->answer->integer = session->backend_id;
        return TDBPLUS_OK;
    }
    if (strcmp(question->name, "pg_notify") == 0) {
        struct span payload = arguments[1].is_null ? (struct span){0} : arguments[1].bytes;
        struct span channel = arguments[0].is_null ? (struct span){0} : arguments[0].bytes;
        return session_notify(session, channel, payload, question->err);
    }
    return session_advisory(session, question, found_out);
}

static tdbplus_status call_catalog(void *ctx, const char *name, const struct datum *arguments,
                                   uint32_t count, struct func_answer *answer, struct err *err)
{
    const struct session_state *state = ctx;
    struct txn *own = NULL;
    bool found = false;
    struct session_question question = {name, arguments, count, answer, err};
    TRY(session_answer(state, &question, &found));
    if (found) {
        return TDBPLUS_OK;
    }
    struct system_place place = {.txn = look(state, &own), .session = &state->func};
    tdbplus_status status = place.txn == NULL
                                ? err_set(err, TDBPLUS_E_NOMEM, "the catalog cannot be read")
                                : system_call(&place, name, arguments, count, answer, err);
    txn_abort(own);
    return status;
}

/* ---- what follows from them ---- */

static const struct tz *find_zone(void *ctx, struct span name)
{
    return zones_find(ctx, name);
}

static uint8_t choice_number(const char *text, const char *const *choices, uint8_t count)
{
    uint8_t number = 0;
    while (number + 1 < count && strcmp(text, choices[number]) != 0) {
        number++;
    }
    return number;
}

static void apply_style(struct session_state *state)
{
    static const char *const intervals[] = {[INTERVAL_STYLE_POSTGRES] = "postgres",
                                            [INTERVAL_STYLE_VERBOSE] = "postgres_verbose",
                                            [INTERVAL_STYLE_SQL] = "sql_standard",
                                            [INTERVAL_STYLE_ISO] = "iso_8601"};
    const struct settings *settings = &state->settings;
    struct date_words words = {-1, -1};
    (void)read_date_style(span_from_text(settings_text(settings, SETTING_DATE_STYLE)), &words);
    state->style.date_style = (uint8_t)(words.style < 0 ? 0 : words.style);
    state->style.date_order = (uint8_t)(words.order < 0 ? 0 : words.order);
    state->style.interval_style =
        choice_number(settings_text(settings, SETTING_INTERVAL_STYLE), intervals, 4);
    state->style.bytea_escaped =
        strcmp(settings_text(settings, SETTING_BYTEA_OUTPUT), "escape") == 0;
    int64_t digits = settings_integer(settings, SETTING_EXTRA_FLOAT_DIGITS);
    state->style.float_digits_less = (uint8_t)(digits > 0 ? 0 : 1 - digits);
    const char *zone = settings_text(settings, SETTING_TIME_ZONE);
    state->style.zone =
        strcmp(zone, "UTC") == 0 ? NULL : zones_find(&state->zones, span_from_text(zone));
}

static void apply_transaction(struct session_state *state)
{
    const struct settings *settings = &state->settings;
    bool repeatable =
        strcmp(settings_text(settings, SETTING_DEFAULT_ISOLATION), "repeatable read") == 0;
    bool relaxed = strcmp(settings_text(settings, SETTING_SYNCHRONOUS_COMMIT), "off") == 0;
    state->deferrable = settings_integer(settings, SETTING_DEFAULT_DEFERRABLE) != 0;
    state->txn = (struct txn_options){
        .isolation = repeatable ? TXN_REPEATABLE_READ : TXN_READ_COMMITTED,
        .read_only = settings_integer(settings, SETTING_DEFAULT_READ_ONLY) != 0,
        .durability = relaxed ? (int16_t)DURABILITY_INTERVAL : (int16_t)-1,
        .lock_timeout_us = (uint64_t)settings_integer(settings, SETTING_LOCK_TIMEOUT) * MS};
}

/* At first work_mem is a share of what there is, whatever SHOW says. */
static void apply_memory(struct session_state *state)
{
    const struct settings *settings = &state->settings;
    const struct setting_info *info = setting_at(SETTING_WORK_MEM);
    bool set = strcmp(settings_text(settings, SETTING_WORK_MEM), info->initial) != 0;
    state->sql.memory_bytes = (size_t)settings_integer(settings, SETTING_MEMORY_LIMIT) << KB_SHIFT;
    state->sql.spill_bytes =
        set ? (size_t)settings_integer(settings, SETTING_WORK_MEM) << KB_SHIFT : 0;
}

bool session_state_apply(struct session_state *state)
{
    static const uint32_t plan_settings[] = {SETTING_BYTEA_OUTPUT,   SETTING_DATE_STYLE,
                                             SETTING_DISABLED_RULES, SETTING_EXTRA_FLOAT_DIGITS,
                                             SETTING_INTERVAL_STYLE, SETTING_SEARCH_PATH,
                                             SETTING_THREADS,        SETTING_TIME_ZONE,
                                             SETTING_WORK_MEM,       SETTING_MEMORY_LIMIT};
    const struct settings *settings = &state->settings;
    if (state->applied == settings_generation(settings)) {
        return false;
    }
    state->applied = settings_generation(settings);
    apply_style(state);
    state->func.search_path = settings_text(settings, SETTING_SEARCH_PATH);
    int64_t threads = settings_integer(settings, SETTING_THREADS);
    state->sql.thread_count = threads > 0 ? (uint32_t)threads : state->thread_count;
    apply_memory(state);
    state->sql.rules_off = 0;
    struct span rules = span_from_text(settings_text(settings, SETTING_DISABLED_RULES));
    if (sql_read_rules(rules, &state->sql.rules_off, NULL) != TDBPLUS_OK) {
        state->sql.rules_off = 0; // It was checked when it was set.
    }
    state->statement_timeout_us =
        (uint64_t)settings_integer(settings, SETTING_STATEMENT_TIMEOUT) * MS;
    apply_transaction(state);
    state->idle_timeout_us = (uint64_t)settings_integer(settings, SETTING_IDLE_IN_TRANSACTION) * MS;
    uint64_t key = 0;
    for (size_t i = 0; i < sizeof plan_settings / sizeof *plan_settings; i++) {
        key = hash_bytes(span_from_text(settings_text(settings, plan_settings[i])), key);
    }
    bool changed = key != state->plan_key;
    changed = apply_roles(state) || changed;
    state->plan_key = key;
    return changed;
}

/* ---- making and ending ---- */

tdbplus_status session_state_create(struct store *store, const struct alloc *alloc,
                                    uint32_t thread_count, struct session_state **state_out,
                                    struct err *err)
{
    struct session_state *state = alloc_array(alloc, 1, sizeof *state);
    if (state == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a session does not fit in memory");
    }
    atomic_init(&state->refs, 1);
    state->alloc = alloc;
    tdbplus_status status = settings_init(&state->settings, alloc, err);
    if (status != TDBPLUS_OK) {
        session_state_release(state);
        return status;
    }
    zones_init(&state->zones, store_env(store), alloc);
    state->finder = (struct tz_finder){.find = find_zone, .ctx = &state->zones};
    state->style.finder = &state->finder;
    state->style.label_of = label_of;
    state->style.ordinal_of = ordinal_of;
    state->style.ordinal_next = ordinal_next;
    state->style.enum_name = enum_name;
    state->style.ctx = state;
    state->style.reg_print = print_reg;
    state->style.reg_parse = parse_reg;
    state->style.reg_ctx = state;
    state->store = store;
    state->func = (struct func_session){.style = &state->style,
                                        .database = state->database,
                                        .ctx = state,
                                        .catalog_call = call_catalog,
                                        .note = note,
                                        .setting_get = get_setting,
                                        .setting_set = set_setting};
    state->sql.session = &state->func;
    state->thread_count = thread_count;
    state->settings.check = check_setting;
    state->settings.check_ctx = state;
    state->applied = UINT64_MAX;
    state->login_role = ROLE_BOOTSTRAP;
    (void)snprintf(state->owner, sizeof state->owner, "tdb");
    state->shown_session[0] = '*'; // Nothing was applied yet.
    (void)session_state_apply(state);
    *state_out = state;
    return TDBPLUS_OK;
}

struct session_state *session_state_share(struct session_state *state)
{
    atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
    return state;
}

void session_state_release(struct session_state *state)
{
    if (state != NULL && atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) == 1) {
        settings_deinit(&state->settings);
        zones_deinit(&state->zones);
        alloc_free(state->alloc, state, 1, sizeof *state);
    }
}
