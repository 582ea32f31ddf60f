#ifndef TDBPLUS_STATUS_H
#define TDBPLUS_STATUS_H

/*
 * Status codes. One table, numbers frozen forever, one plain sentence each, and the SQLSTATE that
 * an error carries unless the failing place knows a finer one.
 *
 * Tens group codes by what the caller should do: 1x retry (perhaps the whole transaction),
 * 2x fix the call, 3x the store is damaged or too new, 4x the machine is short of something,
 * 5x a fault in the library.
 */
#define TDBPLUS_STATUS_LIST(X)                                                                \
    X(TDBPLUS_OK, 0, "00000", "ok")                                                           \
    X(TDBPLUS_PENDING, 1, "00000", "the call goes on; its completion will be told")           \
    X(TDBPLUS_END, 2, "02000", "there are no more rows")                                      \
    X(TDBPLUS_E_BUSY, 10, "55006", "somebody else holds what this call needs")                \
    X(TDBPLUS_E_CONFLICT, 11, "40001", "another transaction changed the same row first")      \
    X(TDBPLUS_E_DEADLOCK, 12, "40P01", "transactions wait for each other in a circle")        \
    X(TDBPLUS_E_TIMEOUT, 13, "57014", "the deadline passed")                                  \
    X(TDBPLUS_E_CANCELLED, 14, "57014", "the call was cancelled")                             \
    X(TDBPLUS_E_SNAPSHOT, 15, "72000", "the snapshot is too old to read")                     \
    X(TDBPLUS_E_LOCK, 16, "55P03", "the lock was not free in time")                           \
    X(TDBPLUS_E_INVALID, 20, "22023", "an argument is outside its documented range")          \
    X(TDBPLUS_E_NOT_FOUND, 21, "42704", "nothing by that name exists")                        \
    X(TDBPLUS_E_EXISTS, 22, "42710", "that name is taken")                                    \
    X(TDBPLUS_E_UNIQUE, 23, "23505", "a row with that key exists")                            \
    X(TDBPLUS_E_NULL, 24, "23502", "the column takes no null")                                \
    X(TDBPLUS_E_TYPE, 25, "42804", "the value has another type than the column")              \
    X(TDBPLUS_E_RANGE, 26, "22003", "the value does not fit its type")                        \
    X(TDBPLUS_E_SYNTAX, 27, "42601", "the text does not follow the grammar")                  \
    X(TDBPLUS_E_UNSUPPORTED, 28, "0A000", "this release does not have that feature")          \
    X(TDBPLUS_E_READ_ONLY, 29, "25006", "the database or transaction is read-only")           \
    X(TDBPLUS_E_CORRUPT, 30, "XX001", "stored bytes fail their checks")                       \
    X(TDBPLUS_E_VERSION, 31, "XX001", "the file was written by a newer format")               \
    X(TDBPLUS_E_STOPPED, 32, "57P02", "the database stopped after a failed write; reopen it") \
    X(TDBPLUS_E_STATE, 33, "55000", "the object is not in a state that allows this call")     \
    X(TDBPLUS_E_ABORTED, 34, "25P02", "the transaction failed before; roll it back")          \
    X(TDBPLUS_E_CONSTRAINT, 35, "23514", "the row breaks a constraint")                       \
    X(TDBPLUS_E_SQL, 36, "42000", "the statement is wrong; its SQLSTATE says how")            \
    X(TDBPLUS_E_NOMEM, 40, "53200", "the memory budget is used up")                           \
    X(TDBPLUS_E_IO, 41, "58030", "the operating system refused a read or a write")            \
    X(TDBPLUS_E_FULL, 42, "53100", "the disk is full")                                        \
    X(TDBPLUS_E_LIMIT, 43, "54000", "a documented limit was reached")                         \
    X(TDBPLUS_E_INTERNAL, 50, "XX000", "a fault in the library; please report it")

typedef enum tdbplus_status {
#define TDBPLUS_STATUS_ENUM(name, number, sqlstate, text) name = (number),
    TDBPLUS_STATUS_LIST(TDBPLUS_STATUS_ENUM)
#undef TDBPLUS_STATUS_ENUM
} tdbplus_status;

#define TDBPLUS_API     __attribute__((visibility("default")))
#define TDBPLUS_CHECKED __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the sentence for `status`; never NULL, even for a number from a newer library. */
TDBPLUS_API const char *tdbplus_status_text(tdbplus_status status);

/* Returns the five-character SQLSTATE `status` stands for by default; never NULL. */
TDBPLUS_API const char *tdbplus_status_sqlstate(tdbplus_status status);

#ifdef __cplusplus
}
#endif

#endif
