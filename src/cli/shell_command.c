/* Commands of the shell that are not SQL. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/shell_words.h"
#include "os/env.h"

#define ARGUMENT_SIZE 1024
#define WATCH_SECONDS 2.0
#define WATCH_MAX     86400.0
#define SLIPS_MAX     2 /* Between a word and what was meant by it. */
#define WORD_SIZE_MAX 32

/* ---- what a wrong word was meant to be ---- */

/* Letters to change, add or leave out; over SLIPS_MAX for long words. */
static size_t slips_between(const char *one, const char *other)
{
    size_t costs[WORD_SIZE_MAX + 1];
    const size_t size = strlen(other);
    if (strlen(one) > WORD_SIZE_MAX || size > WORD_SIZE_MAX) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i <= size; i++) {
        costs[i] = i;
    }
    for (size_t row = 1; one[row - 1] != '\0'; row++) {
        size_t diagonal = costs[0];
        costs[0] = row;
        for (size_t i = 1; i <= size; i++) {
            const size_t changed = diagonal + (one[row - 1] == other[i - 1] ? 0 : 1);
            const size_t grown = (costs[i] < costs[i - 1] ? costs[i] : costs[i - 1]) + 1;
            diagonal = costs[i];
            costs[i] = changed < grown ? changed : grown;
        }
    }
    return costs[size];
}

const char *shell_similar(const char *text, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t slips_best = SLIPS_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        const size_t slips = slips_between(text, names[i]);
        if (slips < slips_best && slips * 2 < strlen(names[i])) {
            best = names[i];
            slips_best = slips;
        }
    }
    return best;
}

/* ---- the commands ---- */

static const char help[] =
    "Statements\n"
    "  ;  \\g                      run what was typed (\\gx: a record for each row)\n"
    "  \\watch [SECONDS]           run it again and again, until Ctrl-C\n"
    "  \\e [FILE]                  edit it in $EDITOR, then run it\n"
    "  \\p  \\r                     print it; forget it\n"
    "  \\i FILE, .read FILE        run a script\n"
    "  \\copy ...                  COPY; the file is this machine's and needs no quotes\n"
    "  \\h [STATEMENT]             how a statement is written\n"
    "What there is (+: more of it; PATTERN: * and ? stand for what is left out)\n"
    "  \\d [NAME], .schema NAME    tables, views and sequences, or one of them in full\n"
    "  \\dt \\di \\dv \\ds [PATTERN]   tables, indexes, views, sequences; .tables\n"
    "  \\dm \\dn \\df [PATTERN]       materialized views, schemas, functions\n"
    "  \\dT \\dD \\du \\dp [PATTERN]   types, domains, roles, privileges\n"
    "  \\l  \\conninfo              databases; what this shell is connected to\n"
    "How it is shown\n"
    "  .mode [MODE]               box, table, csv, json, ndjson, markdown, line, expanded\n"
    "  .maxrows [N]               how many rows of a box are shown (at a terminal 1000; 0: all)\n"
    "  \\x [on|off]                a record for each row\n"
    "  \\timing [on|off], .timer   tell how long statements take\n"
    "  \\pset [NAME [VALUE]]       format, null, footer, types, expanded\n"
    "  \\o [FILE or |PROGRAM]      send results there; alone: back to the screen\n"
    "The shell\n"
    "  \\c DIR or URL, .open       go on with another database or server\n"
    "  \\q, .quit                  end, as does Ctrl-D; Ctrl-C takes back what was typed\n"
    "  \\! [COMMAND]               run a program\n"
    "  \\cd [DIR]  \\echo TEXT      change the directory; print a text\n"
    "  \\?, .help                  this text\n"
    "Anything else is SQL and ends with a semicolon. Tab completes words.\n";

static void set_switch(struct shell *shell, bool *value, const char *name, const char *text)
{
    if (text[0] != '\0' && strcmp(text, "on") != 0 && strcmp(text, "off") != 0) {
        shell_refuse(shell, "that is on or off, not ", text);
        return;
    }
    *value = text[0] == '\0' ? !*value : strcmp(text, "on") == 0;
    if (shell->interactive) {
        (void)printf("%s is %s.\n", name, *value ? "on" : "off");
    }
}

static void command_mode(struct shell *shell, const char *value)
{
    size_t count = 0;
    const char *const *names = print_mode_names(&count);
    if (value[0] == '\0') {
        (void)printf("%s\n", print_mode_name(shell->style.mode));
    } else if (!print_mode_of(value, &shell->style.mode)) {
        const char *meant = shell_similar(value, names, count);
        if (meant != NULL) {
            char hint[64];
            (void)snprintf(hint, sizeof hint, "%.20s; did you mean %s?", value, meant);
            shell_refuse(shell, "there is no mode ", hint);
        } else {
            shell_refuse(shell,
                         "the modes are box, table, csv, json, ndjson, markdown, line and "
                         "expanded, not ",
                         value);
        }
    }
}

static void command_expanded(struct shell *shell, const char *value)
{
    bool is_expanded = shell->style.mode == PRINT_EXPANDED;
    const bool before = is_expanded;
    set_switch(shell, &is_expanded, "Expanded display", value);
    if (is_expanded && !before) {
        shell->mode_before = shell->style.mode;
        shell->style.mode = PRINT_EXPANDED;
    } else if (!is_expanded && before) {
        shell->style.mode = shell->mode_before;
    }
}

static void command_timing(struct shell *shell, const char *value)
{
    set_switch(shell, &shell->timer, "Timing", value);
}

static void command_pset(struct shell *shell, const char *value)
{
    char name[WORD_SIZE_MAX] = "";
    const size_t size = strcspn(value, " \t");
    const char *rest = value + size + strspn(value + size, " \t");
    bool shown = false;
    (void)snprintf(name, sizeof name, "%.*s", (int)size, value);
    if (value[0] == '\0') {
        (void)printf("expanded %s\nfooter   %s\nformat   %s\nnull     '%s'\ntypes    %s\n",
                     shell->style.mode == PRINT_EXPANDED ? "on" : "off",
                     shell->style.has_no_footer ? "off" : "on", print_mode_name(shell->style.mode),
                     shell->style.has_null ? shell->style.null : "NULL",
                     shell->style.has_no_types ? "off" : "on");
    } else if (strcmp(name, "format") == 0) {
        command_mode(shell, strcmp(rest, "aligned") == 0 ? "table" : rest);
    } else if (strcmp(name, "expanded") == 0 || strcmp(name, "x") == 0) {
        command_expanded(shell, rest);
    } else if (strcmp(name, "null") == 0) {
        const bool quoted = rest[0] == '\'' && strlen(rest) > 1 && rest[strlen(rest) - 1] == '\'';
        (void)snprintf(shell->style.null, sizeof shell->style.null, "%.*s",
                       (int)(strlen(rest) - (quoted ? 2 : 0)), rest + (quoted ? 1 : 0));
        shell->style.has_null = true;
    } else if (strcmp(name, "footer") == 0) {
        shown = !shell->style.has_no_footer;
        set_switch(shell, &shown, "The count of rows", rest);
        shell->style.has_no_footer = !shown;
    } else if (strcmp(name, "types") == 0) {
        shown = !shell->style.has_no_types;
        set_switch(shell, &shown, "The line of types", rest);
        shell->style.has_no_types = !shown;
    } else if (strcmp(name, "pager") != 0 && strcmp(name, "border") != 0) {
        shell_refuse(shell, "\\pset knows format, null, footer, types and expanded, not ", name);
    }
}

static void command_go(struct shell *shell, const char *value)
{
    (void)value;
    (void)shell_run_again(shell);
}

static void command_go_expanded(struct shell *shell, const char *value)
{
    const enum print_mode before = shell->style.mode;
    (void)value;
    shell->style.mode = PRINT_EXPANDED;
    (void)shell_run_again(shell);
    shell->style.mode = before;
}

static void command_watch(struct shell *shell, const char *value)
{
    char *end = NULL;
    const double seconds = value[0] == '\0' ? WATCH_SECONDS : strtod(value, &end);
    if ((end != NULL && *end != '\0') || !(seconds >= 0.0 && seconds <= WATCH_MAX)) {
        shell_refuse(shell, "\\watch takes seconds up to 86400, not ", value);
        return;
    }
    const bool shows_time = isatty(STDOUT_FILENO) == 1;
    do {
        char now[64] = "";
        const time_t wall = (time_t)(env_clock_wall_us(env_real()) / 1000000);
        struct tm local;
        if (shows_time && localtime_r(&wall, &local) != NULL &&
            strftime(now, sizeof now, "%Y-%m-%d %H:%M:%S", &local) > 0) {
            (void)printf("%s (every %gs)\n", now, seconds);
        }
        if (!shell_run_again(shell) || fflush(stdout) != 0) {
            return;
        }
    } while (shell_sleep(seconds));
    (void)putchar('\n');
}

static void command_print(struct shell *shell, const char *value)
{
    const struct buffer *text = shell->pending.size > 0 ? &shell->pending : &shell->last;
    (void)value;
    (void)fwrite(text->data, 1, text->size, stdout);
    (void)putchar('\n');
}

static void command_reset(struct shell *shell, const char *value)
{
    (void)value;
    buffer_clear(&shell->pending);
}

static void command_read(struct shell *shell, const char *value)
{
    if (value[0] == '\0') {
        shell_refuse(shell, "which script? \\i FILE", "");
        return;
    }
    shell_read(shell, value);
}

/* Writes what there is to a file, lets an editor at it, and reads it back. */
static void command_edit(struct shell *shell, const char *value)
{
    const char *editor = getenv("VISUAL") != NULL ? getenv("VISUAL") : getenv("EDITOR");
    const struct buffer *text = shell->pending.size > 0 ? &shell->pending : &shell->last;
    char path[ARGUMENT_SIZE];
    char command[2 * ARGUMENT_SIZE];
    const char *folder = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/tdb-edit-XXXXXX.sql", folder == NULL ? "/tmp" : folder);
    if (value[0] != '\0') {
        (void)snprintf(path, sizeof path, "%s", value);
    } else {
        const int made = mkstemps(path, 4);
        FILE *file = made < 0 ? NULL : fdopen(made, "w");
        const bool written = file != NULL && fwrite(text->data, 1, text->size, file) == text->size;
        if (file == NULL || fclose(file) != 0 || !written) {
            shell_refuse(shell, "no file to edit could be made: ", strerror(errno));
            return;
        }
    }
    (void)snprintf(command, sizeof command, "%s '%s'", editor == NULL ? "vi" : editor, path);
    (void)fflush(stdout);
    if (strchr(path, '\'') != NULL || system(command) != 0) {
        shell_refuse(shell, "the editor did not end well: ", command);
    } else {
        buffer_clear(&shell->pending);
        shell_read(shell, path);
    }
    if (value[0] == '\0') {
        (void)unlink(path);
    }
}

static void command_shell_out(struct shell *shell, const char *value)
{
    const char *program = getenv("SHELL");
    (void)fflush(stdout);
    if (system(value[0] != '\0' ? value : program == NULL ? "/bin/sh" : program) != 0) {
        shell_refuse(shell, "that did not end well: ", value);
    }
}

static void command_folder(struct shell *shell, const char *value)
{
    const char *home = getenv("HOME");
    if (chdir(value[0] != '\0' ? value : home == NULL ? "/" : home) != 0) {
        shell_refuse(shell, strerror(errno), value);
    }
}

static void command_echo(struct shell *shell, const char *value)
{
    (void)shell;
    (void)printf("%s\n", value);
}

static void command_connection(struct shell *shell, const char *value)
{
    (void)value;
    client_describe(shell->client, stdout);
}

/* The old one is kept when the new one cannot be opened; a directory that is open is opened anew.
 */
static void command_connect(struct shell *shell, const char *value)
{
    if (value[0] == '\0') {
        command_connection(shell, value);
        return;
    }
    const size_t size = strlen(value) + 1;
    char *target = alloc_array(&alloc_system, size, 1);
    if (target == NULL) {
        shell_refuse(shell, "no memory to open ", value);
        return;
    }
    memcpy(target, value, size);
    struct client *client = client_open(strcmp(target, ":memory:") == 0 ? NULL : target);
    if (client == NULL) {
        alloc_free(&alloc_system, target, size, 1);
        shell_failed(shell);
        return;
    }
    client_close(shell->client);
    shell_forget_opened(shell);
    shell->client = client;
    shell->opened = target;
    if (shell->interactive) {
        client_describe(client, stdout);
    }
}

static void command_rows(struct shell *shell, const char *value)
{
    char *end = NULL;
    const unsigned long long count = strtoull(value, &end, 10);
    if (value[0] == '\0') {
        (void)printf("%llu\n", (unsigned long long)shell->style.row_max);
    } else if (*end != '\0' || value[0] == '-') {
        shell_refuse(shell, ".maxrows takes a number of rows, 0 for all, not ", value);
    } else {
        shell->style.row_max = count;
    }
}

static void command_help(struct shell *shell, const char *value)
{
    (void)shell;
    (void)value;
    (void)fputs(help, stdout);
}

static void command_quit(struct shell *shell, const char *value)
{
    (void)value;
    shell->quit = true;
}

static void command_tables(struct shell *shell, const char *value)
{
    (void)shell_describe(shell, "dt", value);
}

static void command_schema(struct shell *shell, const char *value)
{
    (void)shell_describe(shell, "d", value);
}

struct command {
    const char *name;
    void (*run)(struct shell *shell, const char *value);
};

static const struct command commands[] = {
    {".exit", command_quit},        {".help", command_help},
    {".maxrows", command_rows},     {".mode", command_mode},
    {".open", command_connect},     {".q", command_quit},
    {".quit", command_quit},        {".read", command_read},
    {".schema", command_schema},    {".tables", command_tables},
    {".timer", command_timing},     {"\\!", command_shell_out},
    {"\\?", command_help},          {"\\c", command_connect},
    {"\\cd", command_folder},       {"\\conninfo", command_connection},
    {"\\copy", shell_copy_command}, {"\\e", command_edit},
    {"\\echo", command_echo},       {"\\g", command_go},
    {"\\gx", command_go_expanded},  {"\\h", shell_help_sql},
    {"\\help", shell_help_sql},     {"\\i", command_read},
    {"\\include", command_read},    {"\\o", shell_redirect},
    {"\\p", command_print},         {"\\pset", command_pset},
    {"\\q", command_quit},          {"\\quit", command_quit},
    {"\\r", command_reset},         {"\\timing", command_timing},
    {"\\watch", command_watch},     {"\\x", command_expanded},
};

#define COMMAND_COUNT   (sizeof commands / sizeof commands[0])
#define DESCRIBED_COUNT 13

/* Those of \d too, which are not in the table. */
const char *const *shell_command_names(size_t *count_out)
{
    static const char *const described[DESCRIBED_COUNT] = {"\\d",  "\\dt", "\\di", "\\dv", "\\ds",
                                                           "\\dm", "\\dn", "\\df", "\\dD", "\\dp",
                                                           "\\dT", "\\du", "\\l"};
    static const char *names[COMMAND_COUNT + DESCRIBED_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT + DESCRIBED_COUNT; i++) {
        names[i] = i < COMMAND_COUNT ? commands[i].name : described[i - COMMAND_COUNT];
    }
    *count_out = COMMAND_COUNT + DESCRIBED_COUNT;
    return names;
}

static void refuse_unknown(struct shell *shell, const char *name)
{
    size_t count = 0;
    const char *const *names = shell_command_names(&count);
    const char *meant = shell_similar(name, names, count);
    char what[128];
    (void)snprintf(what, sizeof what, "%.40s%s%s%s", name, meant == NULL ? "" : "; did you mean ",
                   meant == NULL ? "" : meant, meant == NULL ? "; \\? lists them" : "?");
    shell_refuse(shell, "there is no command ", what);
}

/* Takes the line apart in place: the name, and what follows it without blanks around. */
void shell_command(struct shell *shell, const char *line, size_t size)
{
    char text[ARGUMENT_SIZE];
    const char *newline = memchr(line, '\n', size);
    size = newline == NULL ? size : (size_t)(newline - line);
    while (size > 0 && strchr(" \t\r;", line[size - 1]) != NULL) {
        size--;
    }
    if (size >= sizeof text) {
        shell_refuse(shell, "that command is too long", "");
        return;
    }
    memcpy(text, line, size);
    text[size] = '\0';
    const size_t name_size = strcspn(text, " \t");
    const char *value = text + name_size + strspn(text + name_size, " \t");
    value = value > text + size ? text + size : value;
    text[name_size] = '\0';
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(text, commands[i].name) == 0) {
            commands[i].run(shell, value);
            return;
        }
    }
    if (text[0] != '\\' || !shell_describe(shell, text + 1, value)) {
        refuse_unknown(shell, text);
    }
}
