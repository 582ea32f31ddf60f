#include "server/config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_log.h"
#include "sql/session/setting.h"

#define ENVIRONMENT_PREFIX "TDB_"
#define SESSION_PREFIX     "session."
#define NAME_SIZE          128

enum key_kind {
    KEY_TEXT = 1,
    KEY_PORT,
    KEY_COUNT,
    KEY_BYTES,   /* "64MiB"; a number counts bytes. */
    KEY_SECONDS, /* "5min", "30s"; a number counts seconds. */
    KEY_MS,      /* "250ms"; a number counts milliseconds. */
    KEY_TRUTH,
    KEY_LEVEL,
};

struct key {
    const char *name;
    uint8_t kind;
    size_t offset; /* In struct config. */
    const char *initial;
    const char *help;
};

#define AT(member)    offsetof(struct config, server.member)
#define LIMIT(member) offsetof(struct config, server.limits.member)

static const struct key keys[] = {
    {"directory", KEY_TEXT, offsetof(struct config, directory), "",
     "of the database; none: in memory"},
    {"host", KEY_TEXT, AT(host), "127.0.0.1", "IP address for PostgreSQL clients; \"\": none"},
    {"port", KEY_PORT, AT(port), "7432", "0: one that is free"},
    {"socket_directory", KEY_TEXT, AT(socket_directory), "", "of the unix socket; none"},
    {"loops", KEY_COUNT, AT(loop_count), "", "threads for sockets; one per core"},
    {"trust", KEY_TRUTH, AT(trust), "false", "no passwords; loopback and unix socket only"},
    {"tls.certificate", KEY_TEXT, AT(tls_certificate), "", "PEM; encryption (TLS 1.3)"},
    {"tls.key", KEY_TEXT, AT(tls_key), "", "PEM; the certificate's"},
    {"tls.self_signed", KEY_TRUTH, AT(tls_self_signed), "false",
     "instead of both: made at each start; encrypts, proves nothing"},
    {"tls.client_ca", KEY_TEXT, AT(tls_client_ca), "", "PEM; clients show a certificate of it"},
    {"tls.required", KEY_TRUTH, AT(tls_required), "false", "no unencrypted connections over TCP"},
    {"http.host", KEY_TEXT, AT(http_host), "", "IP address of /livez, /readyz, /metrics; none"},
    {"http.port", KEY_PORT, AT(http_port), "7480", "0: one that is free"},
    {"log.file", KEY_TEXT, AT(log_path), "", "JSON lines; standard error"},
    {"log.level", KEY_LEVEL, LIMIT(log_level), "warning", "debug, info, warning, error or off"},
    {"log.audit_file", KEY_TEXT, AT(audit_path), "", "logins, definitions, roles; the log"},
    {"log.slow_statement", KEY_MS, LIMIT(slow_statement_ms), "", "log what takes longer; none"},
    {"limits.connections", KEY_COUNT, LIMIT(connection_count_max), "1000", ""},
    {"limits.message_size", KEY_BYTES, LIMIT(message_size_max), "256MiB", "of one message"},
    {"limits.prepared_statements", KEY_COUNT, LIMIT(statement_count_max), "10000",
     "of one connection"},
    {"limits.login_time", KEY_SECONDS, LIMIT(login_s_max), "60s",
     "from the first byte to the login"},
    {"limits.login_failures", KEY_COUNT, LIMIT(login_failure_max), "10",
     "of one address, then it waits; of one role ten times as many"},
    {"limits.login_wait", KEY_SECONDS, LIMIT(login_wait_s), "60s", "so long"},
    {"limits.write_time", KEY_SECONDS, LIMIT(write_s_max), "300s",
     "clients that read nothing for so long are cut"},
    {"limits.running_statements", KEY_COUNT, LIMIT(running_count_max), "512",
     "others wait in line"},
    {"limits.waiting_statements", KEY_COUNT, LIMIT(waiting_count_max), "10000",
     "then statements fail"},
};
#define KEY_COUNT_ALL (sizeof keys / sizeof keys[0])

/* Where a value stands, for errors. */
struct origin {
    const char *file; /* With `line`; NULL: `name`. */
    uint32_t line;
    const char *name; /* "--port", "TDB_PORT". */
};

struct loader {
    const struct config_sources *sources;
    struct arena *arena;
    struct config *config;
    struct list settings; /* struct server_setting */
    struct err *err;
};

static tdbplus_status wrong(struct loader *loader, const struct origin *origin, const char *what,
                            const char *value)
{
    if (origin->file != NULL) {
        return err_set_state(loader->err, TDBPLUS_E_INVALID, "F0000", "%s:%u: %s%s%s", origin->file,
                             origin->line, what, value[0] == '\0' ? "" : ": ", value);
    }
    return err_set_state(loader->err, TDBPLUS_E_INVALID, "F0000", "%s: %s%s%s", origin->name, what,
                         value[0] == '\0' ? "" : ": ", value);
}

/* ---- values ---- */

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit byte_units[] = {
    {"", 1},         {"B", 1},          {"kB", 1000},       {"KB", 1000},      {"KiB", 1u << 10},
    {"MB", 1000000}, {"MiB", 1u << 20}, {"GB", 1000000000}, {"GiB", 1u << 30}, {NULL, 0},
};
static const struct unit second_units[] = {{"", 1},     {"s", 1},     {"min", 60},
                                           {"h", 3600}, {"d", 86400}, {NULL, 0}};
static const struct unit ms_units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {NULL, 0}};

/* A whole number with one of the units, at most `max`. */
static bool read_amount(const char *text, const struct unit *units, uint64_t max,
                        uint64_t *amount_out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    unsigned long long number = strtoull(text, &end, 10);
    while (*end == ' ') {
        end++;
    }
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(end, unit->name) == 0) {
            *amount_out = number * unit->factor;
            return number <= max / unit->factor;
        }
    }
    return false;
}

static bool read_truth(const char *text, bool *truth_out)
{
    *truth_out = strcmp(text, "true") == 0;
    return *truth_out || strcmp(text, "false") == 0;
}

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static tdbplus_status set_key(struct loader *loader, const struct key *key, const char *value,
                              const struct origin *origin)
{
    uint8_t *place = (uint8_t *)loader->config + key->offset;
    uint64_t amount = 0;
    uint32_t count = 0;
    bool truth = false;
    uint8_t level = 0;
    const char *text = NULL;
    switch ((enum key_kind)key->kind) {
    case KEY_TEXT:
        text = arena_text(loader->arena, span_from_text(value));
        if (text == NULL) {
            return err_set(loader->err, TDBPLUS_E_NOMEM, "a configuration does not fit in memory");
        }
        memcpy(place, &text, sizeof text);
        return TDBPLUS_OK;
    case KEY_PORT:
        if (!read_amount(value, no_units, 65535, &amount)) {
            return wrong(loader, origin, "a port is a number from 0 to 65535, this is", value);
        }
        memcpy(place, &(int){(int)amount}, sizeof(int));
        return TDBPLUS_OK;
    case KEY_COUNT:
    case KEY_SECONDS:
    case KEY_MS:
        if (!read_amount(value,
                         key->kind == KEY_COUNT ? no_units
                         : key->kind == KEY_MS  ? ms_units
                                                : second_units,
                         INT32_MAX, &amount) ||
            (amount == 0 && key->kind != KEY_MS)) {
            return wrong(loader, origin,
                         key->kind == KEY_COUNT ? "a number above 0 is expected, this is"
                         : key->kind == KEY_MS  ? "a time such as 250ms is expected, this is"
                                                : "a time such as 30s or 5min is expected, this is",
                         value);
        }
        count = (uint32_t)amount;
        memcpy(place, &count, sizeof count);
        loader->config->server.limits.logs_slow |= key->kind == KEY_MS;
        return TDBPLUS_OK;
    case KEY_BYTES:
        if (!read_amount(value, byte_units, (uint64_t)1 << 40, &amount) || amount < 1024) {
            return wrong(loader, origin, "a size such as 64MiB is expected, this is", value);
        }
        memcpy(place, &(size_t){(size_t)amount}, sizeof(size_t));
        return TDBPLUS_OK;
    case KEY_TRUTH:
        if (!read_truth(value, &truth)) {
            return wrong(loader, origin, "true or false is expected, this is", value);
        }
        memcpy(place, &truth, sizeof truth);
        return TDBPLUS_OK;
    case KEY_LEVEL:
        if (!server_log_level_parse(value, &level)) {
            return wrong(loader, origin, "debug, info, warning, error or off, not", value);
        }
        *place = (uint8_t)(level + 1u);
        return TDBPLUS_OK;
    }
    return TDBPLUS_OK;
}

/* ---- keys ---- */

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < KEY_COUNT_ALL; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

/* A setting of SQL for every session. */
static tdbplus_status add_setting(struct loader *loader, const char *name, const char *value,
                                  const struct origin *origin)
{
    struct settings settings = {0};
    struct server_setting setting = {arena_text(loader->arena, span_from_text(name)),
                                     arena_text(loader->arena, span_from_text(value))};
    if (setting.name == NULL || setting.value == NULL) {
        return err_set(loader->err, TDBPLUS_E_NOMEM, "a configuration does not fit in memory");
    }
    struct err err = {0};
    TRY(settings_init(&settings, loader->arena->alloc, loader->err));
    tdbplus_status status =
        settings_set(&settings, name, span_from_text(value), SCOPE_SESSION, &err);
    settings_deinit(&settings);
    if (status != TDBPLUS_OK) {
        return wrong(loader, origin, err.text, "");
    }
    if (loader->settings.count >= SERVER_SESSION_SETTING_MAX) {
        return wrong(loader, origin, "too many settings of sessions", "");
    }
    return list_push(&loader->settings, &setting) != NULL
               ? TDBPLUS_OK
               : err_set(loader->err, TDBPLUS_E_NOMEM, "a configuration does not fit in memory");
}

static tdbplus_status set_pair(struct loader *loader, const char *name, const char *value,
                               const struct origin *origin)
{
    const struct key *key = find_key(name);
    if (key != NULL) {
        return set_key(loader, key, value, origin);
    }
    if (strncmp(name, SESSION_PREFIX, sizeof SESSION_PREFIX - 1) == 0) {
        return add_setting(loader, name + sizeof SESSION_PREFIX - 1, value, origin);
    }
    return wrong(loader, origin, "there is no such key", name);
}

/* ---- the sources ---- */

static tdbplus_status load_file(struct loader *loader, const char *path)
{
    struct bytes file = {0};
    struct list pairs;
    struct err err = {0};
    list_init(&pairs, loader->arena->alloc, sizeof(struct config_pair));
    tdbplus_status status = env_read_file(loader->sources->env, path, CONFIG_FILE_SIZE_MAX,
                                          loader->arena->alloc, &file, loader->err);
    if (status == TDBPLUS_OK) {
        struct span text = {.data = file.data, .size = file.size};
        status = config_parse(text, loader->arena, &pairs, &err);
        struct origin origin = {.file = path, .line = err.position};
        const char *what = strchr(err.text, ' ');
        if (status == TDBPLUS_E_INVALID && what != NULL && strchr(what, ':') != NULL) {
            status = wrong(loader, &origin, strchr(what, ':') + 2, ""); // Without "line 7: ".
        } else if (status != TDBPLUS_OK) {
            status = err_set(loader->err, status, "%s: %s", path, err.text);
        }
    }
    for (size_t i = 0; status == TDBPLUS_OK && i < pairs.count; i++) {
        const struct config_pair *pair = list_at(&pairs, i);
        struct origin origin = {.file = path, .line = pair->line};
        status = set_pair(loader, pair->key, pair->value, &origin);
    }
    list_deinit(&pairs);
    bytes_deinit(&file);
    return status;
}

/* "limits.login_time" as TDB_LIMITS_LOGIN_TIME or --limits-login-time. */
static void spell(const char *key, const char *prefix, bool variable, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "%s%s", prefix, key);
    for (char *at = name + strlen(prefix); *at != '\0'; at++) {
        if (variable) {
            bool small = *at >= 'a' && *at <= 'z';
            *at = *at == '.' ? '_' : small ? (char)(*at - ('a' - 'A')) : *at;
        } else {
            *at = *at == '.' || *at == '_' ? '-' : *at;
        }
    }
}

static tdbplus_status load_environment(struct loader *loader)
{
    for (size_t i = 0; i < KEY_COUNT_ALL; i++) {
        char name[NAME_SIZE];
        spell(keys[i].name, ENVIRONMENT_PREFIX, true, name);
        const char *value = loader->sources->environment(name);
        struct origin origin = {.name = name};
        if (value != NULL) {
            TRY(set_key(loader, &keys[i], value, &origin));
        }
    }
    return TDBPLUS_OK;
}

static const struct key *find_flag(const char *flag)
{
    if (strcmp(flag, "--max-connections") == 0) {
        return find_key("limits.connections"); // As it was called first.
    }
    for (size_t i = 0; i < KEY_COUNT_ALL; i++) {
        char name[NAME_SIZE];
        spell(keys[i].name, "--", false, name);
        if (strcmp(name, flag) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static tdbplus_status load_arguments(struct loader *loader)
{
    const struct config_sources *sources = loader->sources;
    for (int i = 0; i < sources->argument_count; i++) {
        const char *argument = sources->arguments[i];
        const struct key *key = find_flag(argument);
        struct origin origin = {.name = argument};
        const char *next = i + 1 < sources->argument_count ? sources->arguments[i + 1] : NULL;
        if (strcmp(argument, "--config") == 0 && next != NULL) {
            i++;
        } else if (key != NULL && key->kind == KEY_TRUTH) {
            TRY(set_key(loader, key, "true", &origin));
        } else if (key != NULL && next != NULL) {
            TRY(set_key(loader, key, next, &origin));
            i++;
        } else if (key != NULL) {
            return wrong(loader, &origin, "a value is missing", "");
        } else if (argument[0] == '-') {
            return wrong(loader, &origin, "there is no such option", "");
        } else {
            TRY(set_key(loader, find_key("directory"), argument, &origin));
        }
    }
    return TDBPLUS_OK;
}

/* The file that the command line names, or else the environment. */
static const char *find_file(const struct config_sources *sources)
{
    for (int i = 0; i + 1 < sources->argument_count; i++) {
        if (strcmp(sources->arguments[i], "--config") == 0) {
            return sources->arguments[i + 1];
        }
    }
    return sources->environment(ENVIRONMENT_PREFIX "CONFIG");
}

/* ---- what must fit together ---- */

static tdbplus_status check(struct loader *loader)
{
    const struct server_options *server = &loader->config->server;
    const char *host = server->host;
    bool loopback = host == NULL || host[0] == '\0' || strncmp(host, "127.", 4) == 0 ||
                    strcmp(host, "::1") == 0;
    bool pair = server->tls_certificate != NULL && server->tls_key != NULL;
    bool half = !pair && (server->tls_certificate != NULL || server->tls_key != NULL);
    bool wants = server->tls_required || server->tls_client_ca != NULL;
    if (half || (pair && server->tls_self_signed) || (wants && !pair && !server->tls_self_signed)) {
        return err_set_state(loader->err, TDBPLUS_E_INVALID, "F0000",
                             "tls needs tls.certificate and tls.key together, or "
                             "tls.self_signed");
    }
    if (server->trust && !loopback) {
        return err_set_state(loader->err, TDBPLUS_E_INVALID, "F0000",
                             "trust would let everybody in at %s", host);
    }
    return TDBPLUS_OK;
}

static tdbplus_status load(struct loader *loader)
{
    const char *path = find_file(loader->sources);
    loader->config->path = path;
    if (path != NULL && path[0] != '\0') {
        TRY(load_file(loader, path));
    }
    TRY(load_environment(loader));
    TRY(load_arguments(loader));
    TRY(check(loader));
    struct server_setting *settings =
        arena_array(loader->arena, loader->settings.count + 1, sizeof *settings);
    if (settings == NULL) {
        return err_set(loader->err, TDBPLUS_E_NOMEM, "a configuration does not fit in memory");
    }
    for (size_t i = 0; i < loader->settings.count; i++) {
        settings[i] = *(const struct server_setting *)list_at(&loader->settings, i);
    }
    loader->config->server.settings = settings;
    loader->config->server.setting_count = (uint32_t)loader->settings.count;
    return TDBPLUS_OK;
}

tdbplus_status config_load(const struct config_sources *sources, struct arena *arena,
                           struct config *config_out, struct err *err)
{
    struct config config = {
        .server = {.port = SERVER_PORT_DEFAULT, .http_port = SERVER_HTTP_PORT_DEFAULT}};
    struct loader loader = {.sources = sources, .arena = arena, .config = &config, .err = err};
    list_init(&loader.settings, arena->alloc, sizeof(struct server_setting));
    tdbplus_status status = load(&loader);
    list_deinit(&loader.settings);
    if (status == TDBPLUS_OK) {
        *config_out = config;
    }
    return status;
}

void config_help(struct buffer *text)
{
    for (size_t i = 0; i < KEY_COUNT_ALL; i++) {
        char name[NAME_SIZE];
        const struct key *key = &keys[i];
        spell(key->name, "--", false, name);
        if (strcmp(key->name, "directory") == 0) {
            continue;
        }
        const char *value = key->kind == KEY_TRUTH ? "" : key->kind == KEY_TEXT ? " TEXT" : " N";
        char flag[NAME_SIZE + 8];
        (void)snprintf(flag, sizeof flag, "%s%s", name, value);
        buffer_printf(text, "  %-34s%s%s%s%s\n", flag, key->help,
                      key->initial[0] != '\0' && key->kind != KEY_TRUTH ? " (" : "",
                      key->kind == KEY_TRUTH ? "" : key->initial,
                      key->initial[0] != '\0' && key->kind != KEY_TRUTH ? ")" : "");
    }
}
