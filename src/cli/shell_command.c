/* Commands of the shell that are not SQL. */

#include <string.h>

#include "cli/shell.h"

#define ARGUMENT_SIZE 1024

static const char help[] = ".help                        this text\n"
                           ".mode box|csv|json|markdown|line   how rows are printed\n"
                           ".timer on|off                tell how long statements take\n"
                           ".tables, \\dt, \\d             names of the tables\n"
                           "\\d NAME, .schema NAME        columns of a table\n"
                           ".read FILE                   run a script\n"
                           "\\copy ...                    COPY; the file needs no quotes\n"
                           ".quit, \\q                    end\n"
                           "Anything else is SQL and ends with a semicolon.\n";

bool shell_mode_of(const char *name, enum shell_mode *mode_out)
{
    static const char *const names[] = {[SHELL_BOX] = "box",
                                        [SHELL_CSV] = "csv",
                                        [SHELL_JSON] = "json",
                                        [SHELL_MARKDOWN] = "markdown",
                                        [SHELL_LINE] = "line"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *mode_out = (enum shell_mode)i;
            return true;
        }
    }
    return false;
}

static void refuse(struct shell *shell, const char *message, const char *what)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "tdb: %s%s\n", message, what);
    shell_failed(shell);
}

static bool write_name(void *context, const char *name)
{
    (void)context;
    (void)printf("%s\n", name);
    return true;
}

static void list_tables(struct shell *shell)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    if (tdbplus_collections(shell->db, NULL, write_name, NULL, &call) != TDBPLUS_OK) {
        shell_print_error(&call.error, "", 0);
        shell_failed(shell);
    }
}

static void describe(struct shell *shell, const char *name)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_collection *collection = NULL;
    if (tdbplus_collection_open(shell->db, NULL, name, &collection, &call) != TDBPLUS_OK) {
        shell_print_error(&call.error, "", 0);
        shell_failed(shell);
        return;
    }
    const uint32_t count = tdbplus_collection_column_count(collection);
    for (uint32_t i = 0; i < count; i++) {
        const tdbplus_column column = tdbplus_collection_column(collection, i);
        char type[CLI_TYPE_SIZE];
        cli_type_text(&column, type);
        (void)printf("%-24s %s%s\n", column.name, type, column.not_null ? " not null" : "");
    }
    tdbplus_collection_close(collection);
}

static void set_mode(struct shell *shell, const char *name)
{
    if (!shell_mode_of(name, &shell->mode)) {
        refuse(shell, "the modes are box, csv, json, markdown and line, not ", name);
    }
}

static void set_timer(struct shell *shell, const char *value)
{
    if (strcmp(value, "on") == 0 || strcmp(value, "off") == 0) {
        shell->timer = strcmp(value, "on") == 0;
    } else {
        refuse(shell, ".timer is on or off, not ", value);
    }
}

static bool is(const char *name, const char *one, const char *other)
{
    return strcmp(name, one) == 0 || strcmp(name, other) == 0;
}

void shell_command(struct shell *shell, const char *line)
{
    char text[ARGUMENT_SIZE];
    size_t size = strcspn(line, "\r\n");
    while (size > 0 && strchr(" \t;", line[size - 1]) != NULL) {
        size--;
    }
    if (size >= sizeof text) {
        refuse(shell, "that command is too long", "");
        return;
    }
    memcpy(text, line, size);
    text[size] = '\0';
    const size_t name_size = strcspn(text, " \t");
    char *argument = text + name_size + strspn(text + name_size, " \t");
    text[name_size] = '\0';
    const bool has_argument = argument < text + size;
    const char *value = has_argument ? argument : "";
    if (is(text, ".help", "\\?")) {
        (void)fputs(help, stdout);
    } else if (is(text, ".quit", "\\q") || is(text, ".exit", ".q")) {
        shell->quit = true;
    } else if (is(text, ".tables", "\\dt") || (strcmp(text, "\\d") == 0 && !has_argument)) {
        list_tables(shell);
    } else if (is(text, ".schema", "\\d")) {
        describe(shell, value);
    } else if (strcmp(text, ".mode") == 0) {
        set_mode(shell, value);
    } else if (is(text, ".timer", "\\timer")) {
        set_timer(shell, value);
    } else if (strcmp(text, "\\copy") == 0) {
        shell_copy_command(shell, value);
    } else if (is(text, ".read", "\\i")) {
        shell_read(shell, value);
    } else {
        refuse(shell, ".help tells the commands; there is none named ", text);
    }
}
