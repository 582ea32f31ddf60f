#pragma once

#include <stdint.h>

#include "tdbplus/status.h"

#define ERR_TEXT_SIZE 512
#define ERR_HINT_SIZE 256
#define ERR_NAME_SIZE 260

/*
 * Why the last call failed, in words. Zeroed means "no error". Every function that takes one
 * accepts NULL, for callers who only need the code.
 *
 * `text` says what is wrong and where; `hint` what to do about it (may be empty). `position` is
 * the 1-based character of a statement's text that the error points at, 0 when there is none.
 */
struct err {
    tdbplus_status status;
    char sqlstate[6];
    uint32_t position;
    char text[ERR_TEXT_SIZE];
    char detail[ERR_HINT_SIZE];
    char hint[ERR_HINT_SIZE];
    char context[ERR_HINT_SIZE];  /* Where in the data: PostgreSQL's CONTEXT. */
    char relation[ERR_NAME_SIZE]; /* What it is about, as the store keeps the name; "": nothing. */
    char column[ERR_NAME_SIZE];
    char constraint[ERR_NAME_SIZE];
};

/*
 * Records a failure and returns `status`, so a failing line reads `return err_set(...)`.
 * The innermost failure wins: an error already present is kept, and the given status returned.
 */
TDBPLUS_CHECKED tdbplus_status err_set(struct err *err, tdbplus_status status, const char *format,
                                       ...) __attribute__((format(printf, 3, 4)));

/* The same with a SQLSTATE finer than the status's own. */
TDBPLUS_CHECKED tdbplus_status err_set_state(struct err *err, tdbplus_status status,
                                             const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds a remedy (or a detail) to the error present; without one it does nothing. */
void err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void err_detail(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for the place in the data where it happened. */
void err_context(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what it is about: a relation, and its column or constraint (NULL: none). */
void err_about(struct err *err, const char *relation, const char *column, const char *constraint);

/* Forgets the error, so that the object can carry another. NULL is fine. */
void err_clear(struct err *err);

/* Leave at once on failure. Only where this function owns nothing yet. */
#define TRY(call)                            \
    do {                                     \
        tdbplus_status try_status_ = (call); \
        if (try_status_ != TDBPLUS_OK) {     \
            return try_status_;              \
        }                                    \
    } while (0)

/* Leave through a cleanup label. Needs a local `status`; the label is spelled at the call. */
#define TRY_OR(label, call)         \
    do {                            \
        status = (call);            \
        if (status != TDBPLUS_OK) { \
            goto label;             \
        }                           \
    } while (0)
