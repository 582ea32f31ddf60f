/* tdb: which command, and what it is told. */

#include <string.h>

#include "cli/cli.h"
#include "cli/shell.h"

struct command {
    const char *name;
    const char *arguments;
    const char *purpose;
    int count_min;
    int count_max;
    int (*run)(int count, char **arguments);
};

static const struct command commands[] = {
    {"stat", "DIR", "collections, columns and counters", 1, 1, command_stat},
    {"verify", "DIR", "read and check every byte", 1, 1, command_verify},
    {"backup", "DIR TARGET", "copy into a new or empty directory", 2, 2, command_backup},
    {"recover", "DIR TARGET", "save what is readable of a damaged one (--json)", 2, 3,
     command_recover},
    {"dump", "[--sql] DIR", "rows as lines of JSON, or everything as SQL", 1, 4, command_dump},
    {"demo", "[DIR | URL]", "a tour on real data (demo --help)", 0, 4, command_demo},
    {"serve", "[DIR] [OPTIONS]", "PostgreSQL clients (serve --help)", 0, 64, command_serve},
    {"config", "check [FILE]", "check what serve would be told", 1, 64, command_config},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void write_usage(FILE *out)
{
    (void)fprintf(out, "usage: tdb [DIR | URL] [OPTIONS]    SQL shell; without DIR in memory\n"
                       "       tdb COMMAND ARGUMENTS\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(out, "  tdb %-8s%-17s%s\n", commands[i].name, commands[i].arguments,
                      commands[i].purpose);
    }
    (void)fprintf(out, "  tdb help                     this text\n"
                       "  tdb --version                the version\n\n"
                       "A URL such as postgresql://admin@127.0.0.1:7432/tdb names a server.\n\n"
                       "options of the shell\n"
                       "  -c SQL                       run it and end; may be repeated\n"
                       "  -f FILE                      run a script (- is standard input)\n"
                       "  --box --table --csv --json --ndjson --markdown --line --expanded\n"
                       "                               how rows are printed\n"
                       "  --timer                      tell how long statements take\n"
                       "  --keep-going                 do not stop a script at its first error\n\n"
                       "Exit status: 0 done, 1 failed, 2 wrong usage, 3 recovered with losses.\n");
}

static int run_command(const struct command *command, int count, char **arguments)
{
    if (count < command->count_min || count > command->count_max) {
        (void)fprintf(stderr, "usage: tdb %s %s\n", command->name, command->arguments);
        return CLI_USAGE;
    }
    return command->run(count, arguments);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return command_shell(0, NULL);
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        write_usage(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("tdb %s\n", tdbplus_version());
        return CLI_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return run_command(&commands[i], argc - 2, argv + 2);
        }
    }
    return command_shell(argc - 1, argv + 1);
}
