#pragma once

/*
 * shell: reads SQL statements and dot commands, runs them in one session, and prints what comes.
 * One thread; a signal may cancel the statement that runs.
 */

#include "base/buffer.h"
#include "cli/cli.h"

enum shell_mode {
    SHELL_BOX,
    SHELL_CSV,
    SHELL_JSON,
    SHELL_MARKDOWN,
    SHELL_LINE,
};

struct shell {
    tdbplus_db *db;
    tdbplus_session *session;
    enum shell_mode mode;
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
};

/* The program without a command: `tdb [OPTIONS] [DIR]`. Returns its exit status. */
int command_shell(int count, char **arguments);

/* Takes one line of input (with or without its newline), or a piece of a long one: runs what it
 * completes. Without a newline at its end, the next piece belongs to the same line, until
 * shell_finish. */
void shell_feed(struct shell *shell, const char *line, size_t size);

/* The input ended: runs what is left. */
void shell_finish(struct shell *shell);

/* Feeds a whole file; complains and counts a failure when it cannot be read. */
void shell_read(struct shell *shell, const char *path);

/* Counts a failure and, in a script without --keep-going, ends it. */
void shell_failed(struct shell *shell);

/* Runs a line that begins with a dot or a backslash. */
void shell_command(struct shell *shell, const char *line);

/* "box", "csv", ...; false: no such mode. */
bool shell_mode_of(const char *name, enum shell_mode *mode_out);

/* Prints all rows, or the tag. The status is that of reading them. */
TDBPLUS_CHECKED tdbplus_status shell_print(enum shell_mode mode, tdbplus_result *result,
                                           tdbplus_call *call);

/* Prints an error as psql does, with the line of `sql` it points at. */
void shell_print_error(const tdbplus_error *error, const char *sql, size_t size);

/* Bytes of the first statement with its semicolon; 0: it is not complete. */
size_t shell_statement_size(const char *text, size_t size);

/* Bytes of blanks and comments that `text` begins with. */
size_t shell_blank_size(const char *text, size_t size);
