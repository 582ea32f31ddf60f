/* tdb serve: PostgreSQL clients, until a signal. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "server/config.h"

#define DRAIN_US          INT64_C(10000000)
#define PASSWORD_SIZE_MAX 1024

static const char usage_text[] =
    "usage: tdb serve [DIR] [OPTIONS]      without DIR in memory\n"
    "       tdb config check [OPTIONS]     reads and checks the same, and does nothing\n\n"
    "  --config FILE                     TOML; else the file that TDB_CONFIG names\n";

static const char usage_end[] =
    "\nEach option is a key of the file (--log-level is level below [log]) and a variable\n"
    "(TDB_LOG_LEVEL). The file comes first, then the environment, then the options. Below\n"
    "[session] stand settings of SQL that sessions begin with, such as statement_timeout.\n"
    "SIGHUP reads all of it again: limits and the log's level change, log files are opened "
    "anew.\n\n"
    "The first start makes the role \"admin\". Its password is that of the variable\n"
    "TDB_ADMIN_PASSWORD, or the first line of the file TDB_ADMIN_PASSWORD_FILE names, or a\n"
    "random one that is printed once.\n";

static int print_usage(void)
{
    struct buffer text;
    buffer_init(&text, &alloc_system);
    config_help(&text);
    (void)fputs(usage_text, stdout);
    (void)fwrite(text.data, 1, text.size, stdout);
    (void)fputs(usage_end, stdout);
    buffer_deinit(&text);
    return CLI_OK;
}

static const char *variable(const char *name)
{
    return getenv(name);
}

static int complain(const struct err *err)
{
    (void)fprintf(stderr, "tdb: serve: %s\n", err->text);
    if (err->hint[0] != '\0') {
        (void)fprintf(stderr, "hint: %s\n", err->hint);
    }
    return CLI_FAILED;
}

/* The password that the operator chose: true if there is one. */
static bool given_password(char password[PASSWORD_SIZE_MAX], bool *failed_out)
{
    const char *given = getenv("TDB_ADMIN_PASSWORD");
    const char *path = getenv("TDB_ADMIN_PASSWORD_FILE");
    if (given != NULL && given[0] != '\0') {
        (void)snprintf(password, PASSWORD_SIZE_MAX, "%s", given);
        return true;
    }
    if (path == NULL) {
        return false;
    }
    FILE *file = fopen(path, "r");
    bool good = file != NULL && fgets(password, PASSWORD_SIZE_MAX, file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    password[good ? strcspn(password, "\r\n") : 0] = '\0';
    *failed_out = !good || password[0] == '\0';
    if (*failed_out) {
        (void)fprintf(stderr, "tdb: serve: no password can be read from %s\n", path);
    }
    return good;
}

static int ensure_admin(tdbplus_db *db)
{
    char password[PASSWORD_SIZE_MAX] = {0};
    struct err err = {0};
    bool failed = false;
    bool made = false;
    bool given = given_password(password, &failed);
    if (failed) {
        return CLI_FAILED;
    }
    if (!given) {
        server_make_password(db, password);
    }
    if (server_ensure_admin(db, password, &made, &err) != TDBPLUS_OK) {
        return complain(&err);
    }
    if (made && !given) {
        (void)printf("The role \"" SERVER_ADMIN_NAME "\" was made. Its password, shown only now:"
                     " %s\n",
                     password);
    }
    return CLI_OK;
}

static void announce(const struct config *config, const struct server *server)
{
    const char *host = config->server.host == NULL ? "127.0.0.1" : config->server.host;
    int port = server_port(server);
    (void)printf("tdb %s serves %s\n", tdbplus_version(),
                 config->directory == NULL ? "a database in memory" : config->directory);
    if (host[0] != '\0') {
        (void)printf("  psql \"postgresql://" SERVER_ADMIN_NAME "@%s:%d/tdb\"\n", host, port);
    }
    if (config->server.socket_directory != NULL) {
        (void)printf("  psql -h %s -p %d -U " SERVER_ADMIN_NAME " tdb\n",
                     config->server.socket_directory, port);
    }
    if (config->server.http_host != NULL) {
        (void)printf("  http://%s:%d/metrics\n", config->server.http_host,
                     server_http_port(server));
    }
    (void)fflush(stdout);
}

/* What can change while it runs. A configuration with a mistake changes nothing. */
static void reload(struct server *server, const struct config_sources *sources)
{
    struct config config = {0};
    struct arena arena;
    struct err err = {0};
    arena_init(&arena, &alloc_system, 0);
    if (config_load(sources, &arena, &config, &err) == TDBPLUS_OK) {
        server_reload(server, &config.server.limits);
        (void)printf("configuration read again\n");
        (void)fflush(stdout);
    } else {
        (void)complain(&err);
    }
    arena_deinit(&arena);
}

static void wait_for_end(const sigset_t *signals, struct server *server,
                         const struct config_sources *sources)
{
    int number = SIGHUP;
    while (number == SIGHUP) {
        while (sigwait(signals, &number) != 0) {
            continue;
        }
        if (number == SIGHUP) {
            (void)cli_notify("RELOADING=1");
            reload(server, sources);
            (void)cli_notify("READY=1");
        }
    }
    (void)printf("stopping (signal %d)\n", number);
    (void)fflush(stdout);
    (void)cli_notify("STOPPING=1");
}

static int serve(tdbplus_db *db, const struct config *config, const struct config_sources *sources)
{
    struct server *server = NULL;
    struct err err = {0};
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    // Threads made from here on leave them to this one.
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (!config->server.trust) {
        int failed = ensure_admin(db);
        if (failed != CLI_OK) {
            return failed;
        }
    }
    if (server_create(db, &config->server, &server, &err) != TDBPLUS_OK) {
        return complain(&err);
    }
    announce(config, server);
    if (!cli_notify("READY=1")) {
        (void)fprintf(stderr, "tdb: serve: the service manager cannot be told that it is ready\n");
    }
    wait_for_end(&signals, server, sources);
    server_stop(server, DRAIN_US);
    server_destroy(server);
    return CLI_OK;
}

static int open_and_serve(const struct config *config, const struct config_sources *sources)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    const char *directory = config->directory == NULL ? ":memory:" : config->directory;
    if (tdbplus_open(directory, NULL, &db, &call) != TDBPLUS_OK) {
        cli_complain(directory, &call.error);
        return CLI_FAILED;
    }
    int status = serve(db, config, sources);
    tdbplus_close(db);
    return status;
}

/* Loads the configuration for `work`; a mistake in it is wrong usage. */
static int with_config(int count, char **arguments,
                       int (*work)(const struct config *config,
                                   const struct config_sources *sources))
{
    struct config_sources sources = {.env = env_real(),
                                     .environment = variable,
                                     .argument_count = count,
                                     .arguments = arguments};
    struct config config = {0};
    struct arena arena;
    struct err err = {0};
    arena_init(&arena, &alloc_system, 0);
    int status = CLI_USAGE;
    if (config_load(&sources, &arena, &config, &err) == TDBPLUS_OK) {
        status = work(&config, &sources);
    } else {
        (void)complain(&err);
        (void)fprintf(stderr, "tdb serve --help lists the options\n");
    }
    arena_deinit(&arena);
    return status;
}

static bool wants_help(int count, char **arguments)
{
    return count > 0 && (strcmp(arguments[0], "--help") == 0 || strcmp(arguments[0], "help") == 0);
}

int command_serve(int count, char **arguments)
{
    return wants_help(count, arguments) ? print_usage()
                                        : with_config(count, arguments, open_and_serve);
}

static int say_good(const struct config *config, const struct config_sources *sources)
{
    (void)sources;
    (void)printf("%s: good\n", config->path == NULL ? "configuration" : config->path);
    return CLI_OK;
}

int command_config(int count, char **arguments)
{
    if (strcmp(arguments[0], "check") != 0) {
        (void)fprintf(stderr, "usage: tdb config check [FILE] [OPTIONS]\n");
        return CLI_USAGE;
    }
    // A file alone is the one to check.
    char flag[] = "--config";
    char *with_file[] = {flag, count == 2 ? arguments[1] : NULL};
    if (count == 2 && arguments[1][0] != '-') {
        return with_config(2, with_file, say_good);
    }
    return with_config(count - 1, arguments + 1, say_good);
}
