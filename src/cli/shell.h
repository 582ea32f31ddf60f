#pragma once

/*
 * shell: reads SQL statements and commands, runs them in one session, and prints what comes. One
 * thread of its own; a signal may cancel the statement that runs.
 */

#include "base/buffer.h"
#include "cli/client.h"
#include "cli/shell_print.h"

struct editor;

struct shell {
    struct client *client;
    struct print_style style;
    enum print_mode mode_before; /* What \x goes back to. */
    bool timer;
    bool interactive;
    bool keep_going;       /* After an error in a script. */
    bool quit;             /* Asked for, or a script failed. */
    int failures;          /* Statements and commands that failed. */
    int depth;             /* Of .read. */
    const char *source;    /* Name of the script for messages; NULL: none. */
    int line;              /* Of the source, the one read last. */
    bool within_line;      /* What was read last ends in the middle of a line. */
    int line_first;        /* Where the statement in `pending` begins. */
    struct buffer pending; /* What was read of a statement so far. */
    struct buffer last;    /* The statement that ran last. */
    struct answer *copy;   /* COPY FROM STDIN that takes the lines of the input; NULL: none. */
    bool copy_failed;      /* It takes no more, but lines come up to the end marker. */
    FILE *pipe;            /* Where \o sends results, when that is a program. */
    char *opened;          /* Target of \c; owned. */
    int terminal;          /* Standard output before \o; -1: it is where it was. */
    struct editor *editor; /* At a terminal. */
};

/* The program without a command: `tdb [OPTIONS] [DIR | URL]`. Returns its exit status. */
int command_shell(int count, char **arguments);

/* The program's locale knows UTF-8 from here on, and interrupts cancel statements. */
void shell_prepare(bool ends_when_idle);

/* Takes one line of input (with or without its newline), or a piece of a long one: runs what it
 * completes. Without a newline at its end, the next piece belongs to the same line, until
 * shell_finish. */
void shell_feed(struct shell *shell, const char *line, size_t size);

/* The input ended: runs what is left. */
void shell_finish(struct shell *shell);

/* Feeds a whole file; complains and counts a failure when it cannot be read. */
void shell_read(struct shell *shell, const char *path);

/* Runs one statement and prints what comes of it. True: it succeeded. */
bool shell_run(struct shell *shell, const char *sql, size_t size);

/* Runs what was typed of a statement, or the last one when that is nothing. */
bool shell_run_again(struct shell *shell);

/* One row of shell_rows(); the spans live as long as the call. False: enough. */
typedef bool (*shell_row)(void *context, const struct span *values, uint32_t count);

/* Runs a query of the shell's own and hands over its rows; at most SHELL_ROW_COLUMN_MAX columns.
 * With `is_quiet` a failure is silent and counts for nothing. */
#define SHELL_ROW_COLUMN_MAX 16
bool shell_rows(struct shell *shell, const char *sql, bool is_quiet, shell_row row, void *context);

/* Waits so long; false: an interrupt came. */
bool shell_sleep(double seconds);

/* If the answer is a COPY FROM STDIN, takes it over: lines of input go to it. */
bool shell_copy_begin(struct shell *shell, struct answer *answer);

/* A line for the COPY, or a piece of one that does not begin it; "\." ends it. */
void shell_copy_line(struct shell *shell, const char *line, size_t size, bool begins);

/* The rest of a file (NULL: nothing) is for the COPY, which ends then. */
void shell_copy_rest(struct shell *shell, FILE *file);

/* Writes what a COPY TO STDOUT gives. */
TDBPLUS_CHECKED tdbplus_status shell_copy_out(struct answer *answer, tdbplus_call *call);

/* \copy */
void shell_copy_command(struct shell *shell, const char *text);

/* Counts a failure and, in a script without --keep-going, ends it. */
void shell_failed(struct shell *shell);

/* Says so on standard error, and counts it. */
void shell_refuse(struct shell *shell, const char *message, const char *what);

/* Gives back what \c opened by name, when its client is closed. */
void shell_forget_opened(struct shell *shell);

/* Runs a line that begins with a dot or a backslash. */
void shell_command(struct shell *shell, const char *line, size_t size);

/* \d and its family: `name` without the backslash ("dt+"), `pattern` may be "". False: there is no
 * such command. */
bool shell_describe(struct shell *shell, const char *name, const char *pattern);

/* \h: how a statement is written; "" lists them. */
void shell_help_sql(struct shell *shell, const char *topic);

/* \o: results go to a file or, after "|", to a program; "" takes them back. */
void shell_redirect(struct shell *shell, const char *target);

/* Reads lines at a terminal until the end. */
void shell_terminal(struct shell *shell);

/* Bytes of the first statement with its semicolon; 0: it is not complete. */
size_t shell_statement_size(const char *text, size_t size);

/* The command that a bare word stands for, as newcomers type it: help, quit, exit. NULL: none. */
const char *shell_plain_command(const char *text, size_t size);

/* Where a backslash command begins in `text`, outside of quotes and comments; `size`: nowhere. */
size_t shell_backslash(const char *text, size_t size);

/* Bytes of blanks and comments that `text` begins with. */
size_t shell_blank_size(const char *text, size_t size);

/* The command or word of `names` that `text` resembles most; NULL: none does. */
const char *shell_similar(const char *text, const char *const *names, size_t count);
