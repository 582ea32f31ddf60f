/* stat, verify and backup: one call of the library each, and what it says in words. */

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

void cli_complain(const char *what, const tdbplus_error *error)
{
    (void)fflush(stdout); // What was found before stands before the complaint.
    (void)fprintf(stderr, "tdb: %s: %s\n", what, error->message);
    if (error->detail[0] != '\0') {
        (void)fprintf(stderr, "DETAIL:  %s\n", error->detail);
    }
    if (error->hint[0] != '\0') {
        (void)fprintf(stderr, "HINT:  %s\n", error->hint);
    }
    if (error->context[0] != '\0') {
        (void)fprintf(stderr, "CONTEXT:  %s\n", error->context);
    }
}

tdbplus_db *cli_open(const char *what, const char *directory, bool read_only)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    const tdbplus_options options = {
        .struct_size = sizeof options, .read_only = read_only, .must_exist = true};
    tdbplus_db *db = NULL;
    const tdbplus_status status = tdbplus_open(directory, &options, &db, &call);
    if (status == TDBPLUS_E_NOT_FOUND) {
        (void)fprintf(stderr, "tdb: %s: there is no database in '%s'\n", what, directory);
        return NULL;
    }
    if (status != TDBPLUS_OK) {
        cli_complain(what, &call.error);
        return NULL;
    }
    return db;
}

/* Told from a thread of the database; stdio locks the stream. */
static void show_progress(void *context, uint64_t done, uint64_t total)
{
    const char *what = context;
    const double percent = total == 0 ? 0.0 : 100.0 * (double)done / (double)total;
    (void)fprintf(stderr, "\r%s: %.0f %%", what, percent);
}

tdbplus_call cli_call(const char *what)
{
    static char name[16];
    tdbplus_call call = TDBPLUS_CALL_INIT;
    if (isatty(STDERR_FILENO) == 1) {
        (void)snprintf(name, sizeof name, "%s", what);
        call.progress = show_progress;
        call.progress_context = name;
    }
    return call;
}

void cli_progress_end(void)
{
    if (isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\r\033[K");
    }
}

bool cli_flushed(void)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return true;
    }
    (void)fprintf(stderr, "tdb: standard output could not be written\n");
    return false;
}

// ---- stat ----

struct stat_walk {
    tdbplus_db *db;
    int collections;
    bool failed;
};

static bool write_collection(void *context, const char *name)
{
    struct stat_walk *walk = context;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_collection *collection = NULL;
    if (tdbplus_collection_open(walk->db, NULL, name, &collection, &call) != TDBPLUS_OK) {
        cli_complain("stat", &call.error);
        walk->failed = true;
        return false;
    }
    (void)printf("%s (", name);
    const uint32_t count = tdbplus_collection_column_count(collection);
    for (uint32_t i = 0; i < count; i++) {
        const tdbplus_column column = tdbplus_collection_column(collection, i);
        char type[CLI_TYPE_SIZE];
        cli_type_text(&column, type);
        (void)printf("%s%s %s%s", i == 0 ? "" : ", ", column.name, type,
                     column.not_null ? " not null" : "");
    }
    (void)printf(")\n");
    tdbplus_collection_close(collection);
    walk->collections++;
    return true;
}

static void write_counter(void *context, const char *name, uint64_t value)
{
    (void)context;
    (void)printf("  %-36s %20" PRIu64 "\n", name, value);
}

int command_stat(int count, char **arguments)
{
    (void)count;
    struct stat_walk walk = {.db = cli_open("stat", arguments[0], true)};
    if (walk.db == NULL) {
        return CLI_FAILED;
    }
    tdbplus_call call = TDBPLUS_CALL_INIT;
    if (tdbplus_collections(walk.db, NULL, write_collection, &walk, &call) != TDBPLUS_OK) {
        cli_complain("stat", &call.error);
        walk.failed = true;
    } else if (!walk.failed) {
        (void)printf("%d %s\n\ncounters\n", walk.collections,
                     walk.collections == 1 ? "collection" : "collections");
        tdbplus_statistics(walk.db, write_counter, NULL);
    }
    tdbplus_close(walk.db);
    return cli_flushed() && !walk.failed ? CLI_OK : CLI_FAILED;
}

// ---- verify ----

static void write_problem(void *context, const char *problem)
{
    int *problems = context;
    (*problems)++;
    (void)printf("%s\n", problem);
}

int command_verify(int count, char **arguments)
{
    (void)count;
    int problems = 0;
    tdbplus_db *db = cli_open("verify", arguments[0], true);
    if (db == NULL) {
        return CLI_FAILED;
    }
    tdbplus_call call = cli_call("verify");
    const tdbplus_status status = tdbplus_verify(db, write_problem, &problems, &call);
    cli_progress_end();
    tdbplus_close(db);
    if (status != TDBPLUS_OK) {
        cli_complain("verify", &call.error);
        return CLI_FAILED;
    }
    (void)printf("every byte on disk was read and checked: no damage\n");
    return cli_flushed() ? CLI_OK : CLI_FAILED;
}

// ---- backup ----

int command_backup(int count, char **arguments)
{
    (void)count;
    tdbplus_db *db = cli_open("backup", arguments[0], false);
    if (db == NULL) {
        return CLI_FAILED;
    }
    tdbplus_call call = cli_call("backup");
    const tdbplus_status status = tdbplus_backup(db, arguments[1], &call);
    cli_progress_end();
    tdbplus_close(db);
    if (status != TDBPLUS_OK) {
        cli_complain("backup", &call.error);
        return CLI_FAILED;
    }
    (void)printf("%s is a copy of %s\n", arguments[1], arguments[0]);
    return cli_flushed() ? CLI_OK : CLI_FAILED;
}
