/* The loop of the shell, its options, and the running of statements. */

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/shell.h"
#include "cli/ticker.h"
#include "os/env.h"

#define LINE_SIZE      65536
#define READ_DEPTH_MAX 16
#define SLEEP_US       50000

/* What an interrupt cancels. */
static struct client *volatile running_client;
static tdbplus_call *volatile running;
static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t ends_when_idle; // A script does; a terminal asks again.

static void on_interrupt(int number)
{
    interrupted = 1;
    if (running != NULL) {
        client_cancel(running_client, running);
    } else if (ends_when_idle != 0) {
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
}

void shell_prepare(bool ends)
{
    // Writing rows must not be interrupted, or some of them would be lost.
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    ends_when_idle = ends ? 1 : 0;
    (void)sigaction(SIGINT, &action, NULL);
    // Widths of characters need a locale that knows UTF-8.
    if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1) {
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    }
}

bool shell_sleep(double seconds)
{
    const uint64_t end = env_clock_mono_us(env_real()) + (uint64_t)(seconds * 1e6);
    interrupted = 0;
    const sig_atomic_t before = ends_when_idle;
    ends_when_idle = 0; // An interrupt ends the wait.
    for (uint64_t now = 0; interrupted == 0;) {
        now = env_clock_mono_us(env_real());
        if (now >= end) {
            break;
        }
        env_sleep_us(env_real(), end - now < SLEEP_US ? end - now : SLEEP_US);
    }
    ends_when_idle = before;
    return interrupted == 0;
}

void shell_failed(struct shell *shell)
{
    shell->failures++;
    if (!shell->interactive && !shell->keep_going) {
        shell->quit = true;
    }
}

void shell_refuse(struct shell *shell, const char *message, const char *what)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "tdb: %s%s\n", message, what);
    shell_failed(shell);
}

static void begin_call(struct shell *shell, tdbplus_call *call)
{
    interrupted = 0;
    running_client = shell->client;
    running = call;
    ticker_start(call);
}

static void end_call(void)
{
    running = NULL;
    ticker_hide();
}

static void print_failure(struct shell *shell, const tdbplus_call *call, const char *sql,
                          size_t size)
{
    (void)fflush(stdout);
    if (shell->source != NULL) {
        (void)fprintf(stderr, "%s:%d: ", shell->source, shell->line_first);
    }
    print_error(&call->error, sql, size);
    shell_failed(shell);
}

bool shell_run(struct shell *shell, const char *sql, size_t size)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    struct answer *answer = NULL;
    const uint64_t started = env_clock_mono_us(env_real());
    begin_call(shell, &call);
    tdbplus_status status = client_execute(shell->client, sql, size, &answer, &call);
    if (status == TDBPLUS_OK && shell_copy_begin(shell, answer)) {
        end_call();
        return true;
    }
    if (status == TDBPLUS_OK) {
        status = answer_copy(answer) == TDBPLUS_COPY_OUT
                     ? shell_copy_out(answer, &call)
                     : print_answer(&shell->style, answer, &call);
    }
    end_call();
    answer_close(answer);
    if (status != TDBPLUS_OK) {
        print_failure(shell, &call, sql, size);
    }
    if (shell->timer) {
        const uint64_t took = env_clock_mono_us(env_real()) - started;
        (void)printf("Time: %.3f ms\n", (double)took / 1000.0);
    }
    return status == TDBPLUS_OK;
}

bool shell_rows(struct shell *shell, const char *sql, bool is_quiet, shell_row row, void *context)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    struct answer *answer = NULL;
    struct span values[SHELL_ROW_COLUMN_MAX];
    begin_call(shell, &call);
    tdbplus_status status = client_execute(shell->client, sql, strlen(sql), &answer, &call);
    const uint32_t count = status == TDBPLUS_OK ? answer_column_count(answer) : 0;
    while (status == TDBPLUS_OK && count > 0 && count <= SHELL_ROW_COLUMN_MAX) {
        status = answer_next(answer, &call);
        for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
            status = answer_text(answer, i, &values[i], &call);
        }
        if (status == TDBPLUS_OK && !row(context, values, count)) {
            status = TDBPLUS_END;
        }
    }
    end_call();
    answer_close(answer);
    const bool is_done = status == TDBPLUS_OK || status == TDBPLUS_END;
    if (!is_done && !is_quiet) {
        print_failure(shell, &call, sql, strlen(sql));
    }
    return is_done;
}

/* Statements are kept for \\g, \\watch and \\e. */
static bool run_kept(struct shell *shell, const char *sql, size_t size)
{
    buffer_clear(&shell->last);
    buffer_put(&shell->last, sql, size);
    return shell_run(shell, sql, size);
}

bool shell_run_again(struct shell *shell)
{
    if (shell->pending.size > 0) {
        buffer_clear(&shell->last);
        buffer_put(&shell->last, shell->pending.data, shell->pending.size);
        buffer_clear(&shell->pending);
    }
    if (shell->last.size == 0 || shell->last.failed) {
        shell_refuse(shell, "there is no statement to run again", "");
        return false;
    }
    return shell_run(shell, (const char *)shell->last.data, shell->last.size);
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

/* A command behind SQL, up to the end of its line; what stands before it stays to be run by it. */
static void run_command_at(struct shell *shell, size_t at)
{
    struct buffer command;
    buffer_init(&command, &alloc_system);
    buffer_put(&command, shell->pending.data + at, shell->pending.size - at);
    shell->pending.size = at;
    shell_command(shell, (const char *)command.data, command.size);
    buffer_deinit(&command);
}

static void run_complete(struct shell *shell)
{
    struct buffer *pending = &shell->pending;
    while (pending->size > 0 && !shell->quit && shell->copy == NULL) {
        const char *text = (const char *)pending->data;
        const size_t size = shell_statement_size(text, pending->size);
        const size_t limit = size == 0 ? pending->size : size;
        const size_t command = shell_backslash(text, limit);
        if (command < limit) {
            run_command_at(shell, command);
            return;
        }
        if (size == 0) {
            return;
        }
        (void)run_kept(shell, text, size);
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
            shell_command(shell, line + blank, size - blank);
            return;
        }
        const char *word = shell->interactive ? shell_plain_command(line, size) : NULL;
        if (word != NULL) {
            shell_command(shell, word, strlen(word));
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
    // A comment alone may have got its end.
    if (shell->pending.size == size || shell->pending.data[0] == '-') {
        drop_pending(shell, 0);
    }
    if (memchr(line, ';', size) != NULL || memchr(line, '\\', size) != NULL) {
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
            (void)run_kept(shell, (const char *)shell->pending.data, shell->pending.size);
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

// ---- options ----

static const char shell_usage[] =
    "usage: tdb [DIR | URL] [-c SQL]... [-f FILE]... [--MODE] [--timer] [--keep-going]\n"
    "'tdb help' tells more.\n";

static bool takes_text(const char *option)
{
    return strcmp(option, "-c") == 0 || strcmp(option, "-f") == 0;
}

/* First all that holds for the whole run; *target_out is borrowed. False: wrong usage. */
static bool take_options(struct shell *shell, int count, char **arguments, const char **target_out)
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
            if (argument[1] != '-' || !print_mode_of(argument + 2, &shell->style.mode)) {
                return false;
            }
        } else if (*target_out == NULL) {
            *target_out = argument;
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

void shell_forget_opened(struct shell *shell)
{
    if (shell->opened != NULL) {
        alloc_free(&alloc_system, shell->opened, strlen(shell->opened) + 1, 1);
        shell->opened = NULL;
    }
}

int command_shell(int count, char **arguments)
{
    struct shell shell = {.interactive = isatty(STDIN_FILENO) == 1, .terminal = -1};
    const char *target = NULL;
    if (!take_options(&shell, count, arguments, &target)) {
        (void)fputs(shell_usage, stderr);
        return CLI_USAGE;
    }
    buffer_init(&shell.pending, &alloc_system);
    buffer_init(&shell.last, &alloc_system);
    shell_prepare(!shell.interactive);
    int status = CLI_FAILED;
    shell.client = client_open(target);
    if (shell.client != NULL) {
        if (!run_texts(&shell, count, arguments)) {
            if (shell.interactive) {
                shell_terminal(&shell);
            } else {
                feed_file(&shell, stdin);
            }
        }
        status = shell.failures == 0 || shell.interactive ? CLI_OK : CLI_FAILED;
    }
    shell_redirect(&shell, "");
    answer_close(shell.copy);
    client_close(shell.client);
    shell_forget_opened(&shell);
    buffer_deinit(&shell.pending);
    buffer_deinit(&shell.last);
    return cli_flushed() ? status : CLI_FAILED;
}
