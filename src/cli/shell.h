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
    tdbplus_result *copy;  /* COPY FROM STDIN that takes the lines of the input; NULL: none. */
    bool copy_failed;      /* It takes no more, but lines come up to the end marker. */
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

/* Runs one statement and prints what comes of it. */
void shell_run(struct shell *shell, const char *sql, size_t size);

/* If the result is a COPY FROM STDIN, takes it over: lines of input go to it. */
bool shell_copy_begin(struct shell *shell, tdbplus_result *result);

/* A line for the COPY, or a piece of one that does not begin it; "\." ends it. */
void shell_copy_line(struct shell *shell, const char *line, size_t size, bool begins);

/* The rest of a file (NULL: nothing) is for the COPY, which ends then. */
void shell_copy_rest(struct shell *shell, FILE *file);

/* Writes what a COPY TO STDOUT gives. */
TDBPLUS_CHECKED tdbplus_status shell_copy_out(tdbplus_result *result, tdbplus_call *call);

/* \copy */
void shell_copy_command(struct shell *shell, const char *text);

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
