/* tdb serve: PostgreSQL clients, until a signal. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "server/server.h"

#define DRAIN_US          INT64_C(10000000)
#define PASSWORD_SIZE_MAX 1024

struct serve_options {
    const char *directory; /* NULL: in memory. */
    struct server_options server;
};

static const char usage_text[] =
    "usage: tdb serve [DIR] [OPTIONS]      without DIR in memory\n\n"
    "  --host ADDRESS            IP address to listen on (127.0.0.1; \"\" for none)\n"
    "  --port N                  TCP port, also in the name of the unix socket (7432)\n"
    "  --socket-directory DIR    where the unix socket is made (none)\n"
    "  --max-connections N       (1000)\n"
    "  --loops N                 threads for sockets (one per core)\n"
    "  --tls-certificate FILE    PEM; with --tls-key FILE: encryption (TLS 1.3)\n"
    "  --tls-client-ca FILE      PEM; clients must show a certificate signed by it\n"
    "  --tls-required            no unencrypted connections over TCP\n"
    "  --trust                   no passwords; only with a unix socket or a loopback address\n\n"
    "The first start makes the role \"admin\". Its password is that of the variable\n"
    "TDB_ADMIN_PASSWORD, or the first line of the file TDB_ADMIN_PASSWORD_FILE names, or a\n"
    "random one that is printed once.\n";

static int fail_usage(const char *text, const char *what)
{
    (void)fprintf(stderr, "tdb: serve: %s%s\n\n%s", text, what, usage_text);
    return CLI_USAGE;
}

static bool read_number(const char *text, long min, long max, long *number_out)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || number < min || number > max) {
        return false;
    }
    *number_out = number;
    return true;
}

/* Takes an option with a value; false when the value is none. */
static bool set_option(struct serve_options *options, const char *name, const char *value)
{
    long number = 0;
    if (strcmp(name, "--host") == 0) {
        options->server.host = value;
        return true;
    }
    if (strcmp(name, "--socket-directory") == 0) {
        options->server.socket_directory = value;
        return true;
    }
    if (strcmp(name, "--tls-certificate") == 0) {
        options->server.tls_certificate = value;
        return true;
    }
    if (strcmp(name, "--tls-key") == 0) {
        options->server.tls_key = value;
        return true;
    }
    if (strcmp(name, "--tls-client-ca") == 0) {
        options->server.tls_client_ca = value;
        return true;
    }
    if (strcmp(name, "--port") == 0 && read_number(value, 0, 65535, &number)) {
        options->server.port = (int)number;
        return true;
    }
    if (strcmp(name, "--max-connections") == 0 && read_number(value, 1, 1000000, &number)) {
        options->server.connection_count_max = (unsigned)number;
        return true;
    }
    if (strcmp(name, "--loops") == 0 && read_number(value, 1, 64, &number)) {
        options->server.loop_count = (unsigned)number;
        return true;
    }
    return false;
}

static int read_arguments(int count, char **arguments, struct serve_options *options)
{
    static const char *const names[] = {"--host",
                                        "--port",
                                        "--socket-directory",
                                        "--max-connections",
                                        "--loops",
                                        "--tls-certificate",
                                        "--tls-key",
                                        "--tls-client-ca"};
    for (int i = 0; i < count; i++) {
        bool takes_value = false;
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            takes_value = takes_value || strcmp(arguments[i], names[k]) == 0;
        }
        if (takes_value) {
            if (i + 1 == count || !set_option(options, arguments[i], arguments[i + 1])) {
                return fail_usage("a value is missing or wrong: ", arguments[i]);
            }
            i++;
        } else if (strcmp(arguments[i], "--trust") == 0) {
            options->server.trust = true;
        } else if (strcmp(arguments[i], "--tls-required") == 0) {
            options->server.tls_required = true;
        } else if (arguments[i][0] == '-' || options->directory != NULL) {
            return fail_usage("what is this: ", arguments[i]);
        } else {
            options->directory = arguments[i];
        }
    }
    const struct server_options *server = &options->server;
    if ((server->tls_certificate == NULL) != (server->tls_key == NULL) ||
        (server->tls_certificate == NULL &&
         (server->tls_required || server->tls_client_ca != NULL))) {
        return fail_usage("--tls-certificate and --tls-key are needed", "");
    }
    const char *host = options->server.host;
    bool loopback = host == NULL || host[0] == '\0' || strncmp(host, "127.", 4) == 0 ||
                    strcmp(host, "::1") == 0;
    if (options->server.trust && !loopback) {
        return fail_usage("--trust would let everybody in at ", host);
    }
    return CLI_OK;
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

static void announce(const struct serve_options *options, const struct server *server)
{
    const char *host = options->server.host == NULL ? "127.0.0.1" : options->server.host;
    int port = server_port(server);
    (void)printf("tdb %s serves %s\n", tdbplus_version(),
                 options->directory == NULL ? "a database in memory" : options->directory);
    if (host[0] != '\0') {
        (void)printf("  psql \"postgresql://" SERVER_ADMIN_NAME "@%s:%d/tdb\"\n", host, port);
    }
    if (options->server.socket_directory != NULL) {
        (void)printf("  psql -h %s -p %d -U " SERVER_ADMIN_NAME " tdb\n",
                     options->server.socket_directory, port);
    }
    (void)fflush(stdout);
}

static void wait_for_signal(const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) != 0) {
        continue;
    }
    (void)printf("stopping (signal %d)\n", number);
    (void)fflush(stdout);
}

static int serve(tdbplus_db *db, const struct serve_options *options)
{
    struct server *server = NULL;
    struct err err = {0};
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    // Threads made from here on leave them to this one.
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (!options->server.trust) {
        int failed = ensure_admin(db);
        if (failed != CLI_OK) {
            return failed;
        }
    }
    if (server_create(db, &options->server, &server, &err) != TDBPLUS_OK) {
        return complain(&err);
    }
    announce(options, server);
    wait_for_signal(&signals);
    server_stop(server, DRAIN_US);
    server_destroy(server);
    return CLI_OK;
}

int command_serve(int count, char **arguments)
{
    struct serve_options options = {.server = {.port = SERVER_PORT_DEFAULT}};
    if (count > 0 && (strcmp(arguments[0], "--help") == 0 || strcmp(arguments[0], "help") == 0)) {
        (void)fputs(usage_text, stdout);
        return CLI_OK;
    }
    int status = read_arguments(count, arguments, &options);
    if (status != CLI_OK) {
        return status;
    }
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    const char *directory = options.directory == NULL ? ":memory:" : options.directory;
    if (tdbplus_open(directory, NULL, &db, &call) != TDBPLUS_OK) {
        cli_complain(directory, &call.error);
        return CLI_FAILED;
    }
    status = serve(db, &options);
    tdbplus_close(db);
    return status;
}
