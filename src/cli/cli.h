#pragma once

/*
 * cli: the program `tdb`. Each command is a function that takes its own arguments (without the
 * program and the command), writes results to standard output and complaints to standard error,
 * and returns the exit status of the process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tdbplus/tdbplus.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_LOST = 3, /* recover: done, and something was lost. */
};

int command_stat(int count, char **arguments);
int command_verify(int count, char **arguments);
int command_backup(int count, char **arguments);
int command_recover(int count, char **arguments);
int command_dump(int count, char **arguments);
int command_demo(int count, char **arguments);
int command_serve(int count, char **arguments);
int command_config(int count, char **arguments);

/* Tells the service manager (systemd's NOTIFY_SOCKET) the state. True when there is none to tell,
 * or it was told. */
bool cli_notify(const char *state);

/* Writes "tdb: WHAT: message" with detail and hint, if any, to standard error. */
void cli_complain(const char *what, const tdbplus_error *error);

/* Opens an existing database for one command; on failure complains and returns NULL. */
tdbplus_db *cli_open(const char *what, const char *directory, bool read_only);

/* A call whose progress is shown on standard error when that is a terminal. `what` lives as long
 * as the call; end with cli_progress_end(). */
tdbplus_call cli_call(const char *what);
void cli_progress_end(void);

/* Whether everything written to standard output so far arrived; complains if not. */
bool cli_flushed(void);

/* Writes one value as JSON, so that its text and its type's name give the value back. */
void json_write_value(FILE *out, const tdbplus_value *value);

/* Writes bytes as a JSON string: UTF-8 as it is, control characters escaped. */
void json_write_text(FILE *out, const char *text, size_t size);

/* PostgreSQL's name of a type, such as "int4". */
const char *cli_type_name(tdbplus_type type);

#define CLI_TYPE_SIZE 32

/* The same with what the column says about it, such as "numeric(10,2)". */
void cli_type_text(const tdbplus_column *column, char text[CLI_TYPE_SIZE]);
