#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

const char *tdbplus_status_text(tdbplus_status status)
{
    switch (status) {
#define STATUS_CASE(name, number, sqlstate, text) \
    case name:                                    \
        return text;
        TDBPLUS_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown status";
}

const char *tdbplus_status_sqlstate(tdbplus_status status)
{
    switch (status) {
#define STATUS_CASE(name, number, sqlstate, text) \
    case name:                                    \
        return sqlstate;
        TDBPLUS_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "XX000";
}

__attribute__((format(printf, 4, 0))) static tdbplus_status
set(struct err *err, tdbplus_status status, const char *sqlstate, const char *format, va_list args)
{
    ASSERT(status != TDBPLUS_OK);
    if (err == NULL || err->status != TDBPLUS_OK) {
        return status;
    }
    *err = (struct err){.status = status};
    memcpy(err->sqlstate, sqlstate, 5);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    return status;
}

tdbplus_status err_set(struct err *err, tdbplus_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tdbplus_status result = set(err, status, tdbplus_status_sqlstate(status), format, args);
    va_end(args);
    return result;
}

tdbplus_status err_set_state(struct err *err, tdbplus_status status, const char *sqlstate,
                             const char *format, ...)
{
    ASSERT(strlen(sqlstate) == 5);
    va_list args;
    va_start(args, format);
    tdbplus_status result = set(err, status, sqlstate, format, args);
    va_end(args);
    return result;
}

void err_hint(struct err *err, const char *format, ...)
{
    if (err == NULL || err->status == TDBPLUS_OK || err->hint[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
}

void err_detail(struct err *err, const char *format, ...)
{
    if (err == NULL || err->status == TDBPLUS_OK || err->detail[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->detail, sizeof err->detail, format, args);
    va_end(args);
}

void err_context(struct err *err, const char *format, ...)
{
    if (err == NULL || err->status == TDBPLUS_OK || err->context[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->context, sizeof err->context, format, args);
    va_end(args);
}

static void put_name(char place[ERR_NAME_SIZE], const char *name)
{
    (void)snprintf(place, ERR_NAME_SIZE, "%s", name == NULL ? "" : name);
}

void err_about(struct err *err, const char *relation, const char *column, const char *constraint)
{
    if (err == NULL || err->status == TDBPLUS_OK || err->relation[0] != '\0') {
        return;
    }
    put_name(err->relation, relation);
    put_name(err->column, column);
    put_name(err->constraint, constraint);
}

void err_clear(struct err *err)
{
    // Not the whole kilobyte: this runs at the beginning of every call.
    if (err != NULL) {
        err->status = TDBPLUS_OK;
        err->position = 0;
        err->sqlstate[0] = '\0';
        err->text[0] = '\0';
        err->detail[0] = '\0';
        err->hint[0] = '\0';
        err->context[0] = '\0';
        err->relation[0] = '\0';
        err->column[0] = '\0';
        err->constraint[0] = '\0';
    }
}
