#pragma once

/*
 * libpq: PostgreSQL's client library, loaded when a server is first wanted, so that a program
 * without it does all the rest.
 */

#ifdef TDBPLUS_LIBPQ // Set for the files that use it, where its headers are.

#include <libpq-fe.h>

#define LIBPQ_FUNCTIONS(X)       \
    X(PQcancel)                  \
    X(PQclear)                   \
    X(PQcmdStatus)               \
    X(PQconsumeInput)            \
    X(PQconnectdbParams)         \
    X(PQconnectionNeedsPassword) \
    X(PQdb)                      \
    X(PQerrorMessage)            \
    X(PQfinish)                  \
    X(PQfname)                   \
    X(PQfreeCancel)              \
    X(PQfreemem)                 \
    X(PQftype)                   \
    X(PQgetCancel)               \
    X(PQgetCopyData)             \
    X(PQgetResult)               \
    X(PQgetisnull)               \
    X(PQgetlength)               \
    X(PQgetvalue)                \
    X(PQhost)                    \
    X(PQnfields)                 \
    X(PQnotifies)                \
    X(PQntuples)                 \
    X(PQpass)                    \
    X(PQparameterStatus)         \
    X(PQport)                    \
    X(PQputCopyData)             \
    X(PQputCopyEnd)              \
    X(PQreset)                   \
    X(PQresultErrorField)        \
    X(PQresultErrorMessage)      \
    X(PQresultStatus)            \
    X(PQsendQuery)               \
    X(PQsetNoticeProcessor)      \
    X(PQsetSingleRowMode)        \
    X(PQsslInUse)                \
    X(PQstatus)                  \
    X(PQtransactionStatus)       \
    X(PQuser)

struct libpq {
#define LIBPQ_MEMBER(name) __typeof__(&(name)) name;
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
};

/* The functions, or NULL and a complaint. */
const struct libpq *libpq_load(void);

#endif
