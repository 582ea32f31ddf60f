/* The loop of the shell, its options, and the running of statements. */

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <histedit.h>

#include "cli/shell.h"
#include "os/env.h"

#define LINE_SIZE      65536
#define READ_DEPTH_MAX 16
#define HISTORY_COUNT  1000

/* The call that an interrupt cancels. */
static tdbplus_call *volatile running;
static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t ends_when_idle; // A script does; a terminal asks again.

static void on_interrupt(int number)
{
    interrupted = 1;
    if (running != NULL) {
        tdbplus_cancel(running);
    } else if (ends_when_idle != 0) {
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
}

/* Reading a line must be interrupted; writing rows must not, or some of them would be lost. */
static void catch_interrupts(bool interrupts_calls)
{
    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = interrupts_calls ? 0 : SA_RESTART};
    (void)sigaction(SIGINT, &action, NULL);
}

void shell_failed(struct shell *shell)
{
    shell->failures++;
    if (!shell->interactive && !shell->keep_going) {
        shell->quit = true;
    }
}

void shell_run(struct shell *shell, const char *sql, size_t size)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_result *result = NULL;
    const uint64_t started = env_clock_mono_us(env_real());
    running = &call;
    tdbplus_status status =
        tdbplus_execute(shell->session, sql, size, NULL, 0, NULL, &result, &call);
    if (status == TDBPLUS_OK && shell_copy_begin(shell, result)) {
        running = NULL;
        return;
    }
    if (status == TDBPLUS_OK) {
        status = tdbplus_result_copy(result).direction == TDBPLUS_COPY_OUT
                     ? shell_copy_out(result, &call)
                     : shell_print(shell->mode, result, &call);
    }
    running = NULL;
    tdbplus_result_close(result);
    if (status != TDBPLUS_OK) {
        (void)fflush(stdout);
        if (shell->source != NULL) {
            (void)fprintf(stderr, "%s:%d: ", shell->source, shell->line_first);
        }
        shell_print_error(&call.error, sql, size);
        shell_failed(shell);
    }
    if (shell->timer) {
        const uint64_t took = env_clock_mono_us(env_real()) - started;
        (void)printf("Time: %.3f ms\n", (double)took / 1000.0);
    }
}

/* Forgets `size` bytes and the blanks behind them, so that an empty `pending` means: between
 * statements. */
static void drop_pending(struct shell *shell, size_t size)
{
    struct buffer *pending = &shell->pending;
    size += shell_blank_size((const char *)pending->data + size, pending->size - size);
    memmove(pending->data, pending->data + size, pending->size - size);
    pending->size -= size;
}

static void run_complete(struct shell *shell)
{
    struct buffer *pending = &shell->pending;
    while (pending->size > 0 && !shell->quit && shell->copy == NULL) {
        const size_t size = shell_statement_size((const char *)pending->data, pending->size);
        if (size == 0) {
            return;
        }
        shell_run(shell, (const char *)pending->data, size);
        drop_pending(shell, size);
        shell->line_first = shell->line;
    }
}

void shell_feed(struct shell *shell, const char *line, size_t size)
{
    const bool begins = !shell->within_line;
    shell->within_line = size > 0 && line[size - 1] != '\n';
    shell->line += begins ? 1 : 0;
    if (shell->copy != NULL) {
        shell_copy_line(shell, line, size, begins);
        if (shell->copy == NULL) {
            run_complete(shell);
        }
        return;
    }
    const size_t blank = shell_blank_size(line, size);
    if (shell->pending.size == 0) {
        shell->line_first = shell->line;
        if (begins && blank < size && (line[blank] == '.' || line[blank] == '\\')) {
            shell_command(shell, line + blank);
            return;
        }
    }
    buffer_put(&shell->pending, line, size);
    if (shell->pending.failed) {
        (void)fprintf(stderr, "tdb: no memory for so long a statement\n");
        buffer_clear(&shell->pending);
        shell_failed(shell);
        return;
    }
    if (shell->pending.size == size) {
        drop_pending(shell, 0);
    }
    if (memchr(line, ';', size) != NULL) {
        run_complete(shell);
    }
}

void shell_finish(struct shell *shell)
{
    if (shell->copy != NULL) {
        shell_copy_rest(shell, NULL);
    }
    if (!shell->quit && shell->pending.size > 0) {
        drop_pending(shell, 0);
        // A comment without a newline ends here too.
        buffer_put(&shell->pending, "\n", 1);
        drop_pending(shell, 0);
        if (shell->pending.size > 0 && !shell->pending.failed) {
            shell_run(shell, (const char *)shell->pending.data, shell->pending.size);
        }
    }
    buffer_clear(&shell->pending);
    shell->within_line = false;
}

static void feed_file(struct shell *shell, FILE *file)
{
    static const char mark[] = "\xEF\xBB\xBF"; // Editors put this before UTF-8.
    static char line[LINE_SIZE];
    // Newlines behind what is read tell where it ends, also when there are zero bytes in it.
    while (!shell->quit && memset(line, '\n', sizeof line) != NULL &&
           fgets(line, sizeof line, file) != NULL) {
        size_t size = sizeof line;
        while (size > 1 && line[size - 1] == '\n') {
            size--;
        }
        const bool marked = shell->line == 0 && strncmp(line, mark, strlen(mark)) == 0;
        const size_t skipped = marked ? strlen(mark) : 0;
        shell_feed(shell, line + skipped, size - 1 - skipped);
    }
    if (ferror(file) != 0) {
        (void)fprintf(stderr, "tdb: %s: %s\n", shell->source != NULL ? shell->source : "input",
                      strerror(errno));
        shell_failed(shell);
    }
    shell_finish(shell);
}

void shell_read(struct shell *shell, const char *path)
{
    if (shell->depth >= READ_DEPTH_MAX) {
        (void)fprintf(stderr, "tdb: %s: scripts read each other more than %d deep\n", path,
                      READ_DEPTH_MAX);
        shell_failed(shell);
        return;
    }
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "tdb: %s: %s\n", path, strerror(errno));
        shell_failed(shell);
        return;
    }
    const char *source = shell->source;
    const int line = shell->line;
    shell->source = path;
    shell->line = 0;
    shell->depth++;
    feed_file(shell, file);
    shell->depth--;
    shell->source = source;
    shell->line = line;
    (void)fclose(file);
}

// ---- at a terminal ----

static struct shell *prompted; // libedit's prompt function has no context.

static char *prompt(EditLine *editor)
{
    static char idle[] = "tdb> ";
    static char open[] = "tdb*> ";
    static char more[] = "...> ";
    (void)editor;
    if (prompted->copy != NULL || prompted->pending.size > 0) {
        return more;
    }
    return tdbplus_session_in_transaction(prompted->session) ? open : idle;
}

static void edit_lines(struct shell *shell, EditLine *editor, History *past, HistEvent *event)
{
    while (!shell->quit) {
        int count = 0;
        interrupted = 0;
        catch_interrupts(true);
        const char *line = el_gets(editor, &count);
        catch_interrupts(false);
        if (line == NULL || count <= 0) {
            if (interrupted == 0) {
                (void)putchar('\n');
                return;
            }
            buffer_clear(&shell->pending); // An interrupt takes back what was typed.
            (void)putchar('\n');
            continue;
        }
        if (shell_blank_size(line, (size_t)count) < (size_t)count) {
            (void)history(past, event, H_ENTER, line);
        }
        shell_feed(shell, line, (size_t)count);
        (void)fflush(stdout);
    }
}

static void run_terminal(struct shell *shell)
{
    char path[ENV_PATH_SIZE_MAX] = "";
    const char *home = getenv("HOME");
    HistEvent event;
    History *past = history_init();
    EditLine *editor = el_init("tdb", stdin, stdout, stderr);
    if (past == NULL || editor == NULL) {
        (void)fprintf(stderr, "tdb: no memory for the line editor\n");
        shell_failed(shell);
    } else {
        prompted = shell;
        (void)el_set(editor, EL_PROMPT, prompt);
        (void)el_set(editor, EL_EDITOR, "emacs");
        (void)el_set(editor, EL_HIST, history, past);
        (void)history(past, &event, H_SETSIZE, HISTORY_COUNT);
        if (home != NULL && env_join(path, home, ".tdb_history", NULL) == TDBPLUS_OK) {
            (void)history(past, &event, H_LOAD, path); // None at the first start.
        }
        (void)printf("TDB+ %s. Statements end with a semicolon; .help tells the commands.\n",
                     tdbplus_version());
        edit_lines(shell, editor, past, &event);
        if (path[0] != '\0') {
            (void)history(past, &event, H_SAVE, path);
        }
    }
    if (editor != NULL) {
        el_end(editor);
    }
    if (past != NULL) {
        history_end(past);
    }
}

// ---- options ----

static const char shell_usage[] =
    "usage: tdb [DIR] [-c SQL]... [-f FILE]... [--csv | --json | --markdown | --line] [--timer]\n"
    "           [--keep-going]\n"
    "'tdb help' tells more.\n";

static bool takes_text(const char *option)
{
    return strcmp(option, "-c") == 0 || strcmp(option, "-f") == 0;
}

/* First all that holds for the whole run; *directory_out is borrowed. False: wrong usage. */
static bool take_options(struct shell *shell, int count, char **arguments,
                         const char **directory_out)
{
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (takes_text(argument)) {
            if (++i >= count) {
                return false;
            }
            shell->interactive = false;
        } else if (strcmp(argument, "--keep-going") == 0) {
            shell->keep_going = true;
        } else if (strcmp(argument, "--timer") == 0) {
            shell->timer = true;
        } else if (argument[0] == '-') {
            if (argument[1] != '-' || !shell_mode_of(argument + 2, &shell->mode)) {
                return false;
            }
        } else if (*directory_out == NULL) {
            *directory_out = argument;
        } else {
            return false;
        }
    }
    return true;
}

/* Feeds a text of -c line by line, as a file would be. */
static void feed_text(struct shell *shell, const char *text)
{
    shell->line = 0;
    while (*text != '\0' && !shell->quit) {
        const char *end = strchr(text, '\n');
        const size_t size = end == NULL ? strlen(text) : (size_t)(end - text) + 1;
        shell_feed(shell, text, size);
        text += size;
    }
    if (shell->copy != NULL) {
        shell_copy_rest(shell, stdin); // As psql -c does.
    }
    shell_finish(shell);
    if (shell->copy != NULL) {
        shell_copy_rest(shell, stdin);
    }
}

/* Runs each -c and -f in order. False: there is none. */
static bool run_texts(struct shell *shell, int count, char **arguments)
{
    bool any = false;
    for (int i = 0; i < count && !shell->quit; i++) {
        if (!takes_text(arguments[i])) {
            continue;
        }
        any = true;
        i++;
        if (arguments[i - 1][1] == 'c') {
            feed_text(shell, arguments[i]);
        } else if (strcmp(arguments[i], "-") == 0) {
            feed_file(shell, stdin);
        } else {
            shell_read(shell, arguments[i]);
        }
    }
    return any;
}

static bool open_session(struct shell *shell, const char *directory)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    if (tdbplus_open(directory, NULL, &shell->db, &call) != TDBPLUS_OK ||
        tdbplus_session_open(shell->db, &shell->session, &call) != TDBPLUS_OK) {
        cli_complain(directory == NULL ? "database in memory" : directory, &call.error);
        return false;
    }
    return true;
}

int command_shell(int count, char **arguments)
{
    struct shell shell = {.interactive = isatty(STDIN_FILENO) == 1};
    const char *directory = NULL;
    if (!take_options(&shell, count, arguments, &directory)) {
        (void)fputs(shell_usage, stderr);
        return CLI_USAGE;
    }
    // Widths of characters need a locale that knows UTF-8.
    if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1) {
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    }
    buffer_init(&shell.pending, &alloc_system);
    ends_when_idle = shell.interactive ? 0 : 1;
    catch_interrupts(false);
    int status = CLI_FAILED;
    if (open_session(&shell, directory)) {
        if (!run_texts(&shell, count, arguments)) {
            if (shell.interactive) {
                run_terminal(&shell);
            } else {
                feed_file(&shell, stdin);
            }
        }
        status = shell.failures == 0 || shell.interactive ? CLI_OK : CLI_FAILED;
    }
    tdbplus_result_close(shell.copy);
    tdbplus_session_close(shell.session);
    tdbplus_close(shell.db);
    buffer_deinit(&shell.pending);
    return cli_flushed() ? status : CLI_FAILED;
}
