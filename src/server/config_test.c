/*
 * Goal: a configuration means what its file, environment and flags say, in that order, and a
 * mistake is told with its place. Method: tables of texts; a file in memory; every failed
 * allocation.
 */

#include "server/config.h"

#include "server/guard.h"
#include "server/http.h"
#include "server/server_log.h"
#include "test.h"

static tdbplus_status parse(const char *text, struct arena *arena, struct list *pairs,
                            struct err *err)
{
    arena_init(arena, &alloc_system, 0);
    list_init(pairs, &alloc_system, sizeof(struct config_pair));
    return config_parse(span_from_text(text), arena, pairs, err);
}

TEST(keys_and_values_are_read)
{
    static const struct {
        const char *text;
        const char *key;
        const char *value;
    } cases[] = {
        {"port = 7432", "port", "7432"},
        {"  port=1_000 # why\r\n", "port", "1000"},
        {"a.b = true", "a.b", "true"},
        {"[log]\nlevel = 'in\\fo'", "log.level", "in\\fo"},
        {"[a . \"b c\"]\nd = \"x\\ty\\u0041\\\"\"", "a.b c.d", "x\tyA\""},
        {"\n\n# nothing\nx = -1.5\n", "x", "-1.5"},
        {"s = \"\"", "s", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct list pairs;
        struct err err = {0};
        CHECK(parse(cases[i].text, &arena, &pairs, &err) == TDBPLUS_OK);
        CHECK(pairs.count == 1);
        const struct config_pair *pair = list_at(&pairs, 0);
        CHECK(strcmp(pair->key, cases[i].key) == 0);
        CHECK(strcmp(pair->value, cases[i].value) == 0);
        list_deinit(&pairs);
        arena_deinit(&arena);
    }
}

TEST(mistakes_are_told_with_their_line)
{
    static const struct {
        const char *text;
        uint32_t line;
    } cases[] = {
        {"port", 1},
        {"\nport 5", 2},
        {"port = ", 1},
        {"port = maybe", 1},
        {"a = \"x\nb = 1", 1},
        {"a = \"\\q\"", 1},
        {"a = \"\\ud800\"", 1},
        {"[a\nb = 1", 1},
        {"[[a]]", 1},
        {"a = [1]", 1},
        {"a = {b = 1}", 1},
        {"a = 1 b = 2", 1},
        {"a = 1\na = 2", 2},
        {"[t]\na = 1\n[u]\n[t]\na = 2", 5},
        {"= 1", 1},
        {"a = 2020-01-01x", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct list pairs;
        struct err err = {0};
        CHECK(parse(cases[i].text, &arena, &pairs, &err) == TDBPLUS_E_INVALID);
        CHECK(err.position == cases[i].line);
        list_deinit(&pairs);
        arena_deinit(&arena);
    }
}

/* ---- all of it ---- */

static const char *none(const char *name)
{
    (void)name;
    return NULL;
}

static const char *two_variables(const char *name)
{
    return strcmp(name, "TDB_PORT") == 0                ? "2"
           : strcmp(name, "TDB_LIMITS_LOGIN_TIME") == 0 ? "2min"
                                                        : NULL;
}

static const char *bad_variable(const char *name)
{
    return strcmp(name, "TDB_LOG_LEVEL") == 0 ? "loud" : NULL;
}

static tdbplus_status load(const char *const *arguments, int count,
                           const char *(*environment)(const char *name), struct arena *arena,
                           struct config *config, struct err *err)
{
    struct config_sources sources = {.env = env_real(),
                                     .environment = environment,
                                     .argument_count = count,
                                     .arguments = (char **)(uintptr_t)arguments};
    arena_init(arena, &alloc_system, 0);
    return config_load(&sources, arena, config, err);
}

TEST(flags_win_over_the_environment_and_that_over_defaults)
{
    static const char *const arguments[] = {"dir",  "--port",
                                            "3",    "--log-slow-statement",
                                            "2s",   "--limits-message-size",
                                            "1MiB", "--max-connections",
                                            "7"};
    struct config config = {0};
    struct arena arena;
    struct err err = {0};
    CHECK(load(NULL, 0, none, &arena, &config, &err) == TDBPLUS_OK);
    CHECK(config.server.port == SERVER_PORT_DEFAULT && config.directory == NULL);
    CHECK(!config.server.limits.logs_slow);
    arena_deinit(&arena);
    CHECK(load(NULL, 0, two_variables, &arena, &config, &err) == TDBPLUS_OK);
    CHECK(config.server.port == 2 && config.server.limits.login_s_max == 120);
    arena_deinit(&arena);
    CHECK(load(arguments, 9, two_variables, &arena, &config, &err) == TDBPLUS_OK);
    CHECK(config.server.port == 3 && strcmp(config.directory, "dir") == 0);
    CHECK(config.server.limits.logs_slow && config.server.limits.slow_statement_ms == 2000);
    CHECK(config.server.limits.message_size_max == 1u << 20);
    CHECK(config.server.limits.connection_count_max == 7);
    arena_deinit(&arena);
}

TEST(mistakes_in_flags_and_variables_name_them)
{
    static const struct {
        const char *arguments[2];
        const char *(*environment)(const char *name);
        const char *wanted;
    } cases[] = {
        {{"--port", "70000"}, none, "--port: "},
        {{"--what", "1"}, none, "--what: "},
        {{"--limits-login-time", "soon"}, none, "--limits-login-time: "},
        {{"--limits-connections", "0"}, none, "--limits-connections: "},
        {{"--limits-message-size", "99999999999999999999GiB"}, none, "--limits-message-size: "},
        {{"--trust", "--port"}, none, "--port: "},
        {{"--tls-key", "k"}, none, "tls needs "},
        {{"--tls-required", "x"}, none, "tls needs "},
        {{"x", "y"}, bad_variable, "TDB_LOG_LEVEL: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config = {0};
        struct arena arena;
        struct err err = {0};
        CHECK(load(cases[i].arguments, 2, cases[i].environment, &arena, &config, &err) ==
              TDBPLUS_E_INVALID);
        CHECK(strncmp(err.text, cases[i].wanted, strlen(cases[i].wanted)) == 0);
        arena_deinit(&arena);
    }
}

TEST(parsing_survives_every_failed_allocation)
{
    static const char text[] = "[log]\nlevel = \"info\"\nfile = 'x'\n[session]\na.b = 1\n";
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        struct arena arena;
        struct list pairs;
        struct err err = {0};
        fault_alloc_init(&fault, fail_at);
        arena_init(&arena, &fault.alloc, 0);
        list_init(&pairs, &fault.alloc, sizeof(struct config_pair));
        tdbplus_status status = config_parse(span_from_text(text), &arena, &pairs, &err);
        list_deinit(&pairs);
        arena_deinit(&arena);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            CHECK(fail_at > 1);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM || status == TDBPLUS_E_INVALID);
    }
}

/* ---- requests, secrets, logins ---- */

TEST(requests_are_what_they_ask_for)
{
    static const struct {
        const char *text;
        uint32_t status;
        uint8_t path;
    } cases[] = {
        {"GET /livez HTTP/1.1\r\n\r\n", 200, HTTP_LIVEZ},
        {"HEAD /readyz?v=1 HTTP/1.0\r\nA: b\r\n\r\n", 200, HTTP_READYZ},
        {"GET /metrics HTTP/1.1\r\n\r\n", 200, HTTP_METRICS},
        {"GET /metricsx HTTP/1.1\r\n\r\n", 404, HTTP_UNKNOWN},
        {"POST /livez HTTP/1.1\r\n\r\n", 405, HTTP_UNKNOWN},
        {"GET /livez\r\n\r\n", 400, HTTP_UNKNOWN},
        {"nonsense\r\n\r\n", 400, HTTP_UNKNOWN},
        {"GET /livez HTTP/1.1\r\n", 0, HTTP_UNKNOWN},
        {"", 0, HTTP_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request request = {0};
        CHECK(http_parse(span_from_text(cases[i].text), &request) == cases[i].status);
        CHECK(cases[i].status != 200 || request.path == cases[i].path);
    }
    static uint8_t endless[HTTP_REQUEST_SIZE_MAX];
    struct http_request request = {0};
    CHECK(http_parse((struct span){endless, sizeof endless}, &request) == 431);
}

TEST(passwords_do_not_reach_the_log)
{
    static const char *const texts[][2] = {
        {"ALTER ROLE a PASSWORD 'it''s'", "ALTER ROLE a PASSWORD '***'"},
        {"create user a password\n'x' login", "create user a password\n'***' login"},
        {"ALTER ROLE a PASSWORD E'a\\'b' LOGIN", "ALTER ROLE a PASSWORD E'***' LOGIN"},
        {"ALTER ROLE a PASSWORD 'open", "ALTER ROLE a PASSWORD '***'"},
        {"ALTER ROLE a PASSWORD $$x$$", "ALTER ROLE a PASSWORD ***"},
        {"SELECT 'kept', mypassword FROM t WHERE a = 'b'",
         "SELECT 'kept', mypassword FROM t WHERE a = 'b'"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buffer out;
        buffer_init(&out, &alloc_system);
        server_log_redact(span_from_text(texts[i][0]), &out);
        CHECK(out.size == strlen(texts[i][1]));
        CHECK(memcmp(out.data, texts[i][1], out.size) == 0);
        buffer_deinit(&out);
    }
}

TEST(failed_logins_close_the_door_for_a_while)
{
    static struct guard guard;
    struct guard_limits limits = {.failures = 3, .wait_s = 60};
    guard_init(&guard, &alloc_system);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(guard_wait_s(&guard, &limits, "10.0.0.1", "a", 100) == 0);
        guard_failed(&guard, &limits, "10.0.0.1", "a", 100);
    }
    CHECK(guard_wait_s(&guard, &limits, "10.0.0.1", "a", 110) == 50);
    CHECK(guard_wait_s(&guard, &limits, "10.0.0.2", "a", 110) == 0);
    CHECK(guard_wait_s(&guard, &limits, "10.0.0.1", "a", 160) == 0);
    // A name from many addresses, ten times as often.
    for (uint32_t i = 0; i < 30; i++) {
        char address[16];
        (void)snprintf(address, sizeof address, "10.0.1.%u", i);
        guard_failed(&guard, &limits, address, "b", 200);
    }
    CHECK(guard_wait_s(&guard, &limits, "10.9.9.9", "b", 200) == 60);
    guard_succeeded(&guard, "10.9.9.9", "b");
    CHECK(guard_wait_s(&guard, &limits, "10.9.9.9", "b", 200) == 0);
    guard_deinit(&guard);
}

TEST(a_role_has_as_many_sessions_as_it_may)
{
    static struct guard guard;
    guard_init(&guard, &alloc_system);
    CHECK(guard_enter_role(&guard, 7, 2) && guard_enter_role(&guard, 7, 2));
    CHECK(!guard_enter_role(&guard, 7, 2) && guard_enter_role(&guard, 8, -1));
    guard_leave_role(&guard, 7);
    CHECK(guard_enter_role(&guard, 7, 2) && !guard_enter_role(&guard, 9, 0));
    guard_deinit(&guard);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

TEST(statements_wait_in_line_or_are_turned_away)
{
    static struct guard guard;
    const struct env *env = env_real();
    guard_init(&guard, &alloc_system);
    CHECK(guard_begin(&guard, 1, 0, env, never, NULL) == GUARD_RUNS);
    CHECK(guard_begin(&guard, 1, 0, env, never, NULL) == GUARD_FULL);
    CHECK(guard_begin(&guard, 0, 0, env, never, NULL) == GUARD_RUNS); // Within a transaction.
    CHECK(guard_begin(&guard, 1, 5, env, never, NULL) == GUARD_GIVEN_UP);
    CHECK(guard.waiting == 0 && guard.running == 2);
    guard_end(&guard, env);
    guard_end(&guard, env);
    CHECK(guard_begin(&guard, 1, 0, env, never, NULL) == GUARD_RUNS);
    guard_end(&guard, env);
    guard_deinit(&guard);
}
