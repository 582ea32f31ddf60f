#pragma once

/*
 * func: the functions, operators, casts and aggregates of SQL, found by name and argument types,
 * and called a column at a time.
 *
 * Tables (table_*.c) list them one a line; a kernel works on the rows of a batch that count. Null
 * handling, constants and dictionaries are dealt with before a kernel runs, so most kernels see
 * plain values only.
 *
 * Threads: the tables never change; calls may run at once on different columns.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"
#include "types/column.h"

#define FUNC_ARGUMENT_COUNT_MAX 100u /* As PostgreSQL. */
#define FUNC_DECLARED_MAX       8u

/* Pseudo-types of declarations; they are no values of enum type_id. */
enum func_pseudo {
    FUNC_ANY = 200,       /* Any type, unknown literals as text. */
    FUNC_SAME = 201,      /* Any type, the same wherever it stands ("anyelement"). */
    FUNC_ANY_ARRAY = 202, /* An array of the type that FUNC_SAME is ("anyarray"). */
    FUNC_AS_TEXT = 203,   /* Any type but arrays, cast to text. */
    FUNC_PRINTED = 204,   /* Any type, as its output function prints it. */
    FUNC_COMMON = 205,    /* Any types, cast to their common one ("anycompatible"). */
    FUNC_COMMON_ARRAY = 206,
    FUNC_ANY_RANGE = 207,      /* A range of the type that FUNC_SAME is ("anyrange"). */
    FUNC_ANY_MULTIRANGE = 208, /* A multirange of it ("anymultirange"). */
    FUNC_ANY_ENUM = 209,       /* An enum, the same wherever FUNC_SAME stands ("anyenum"). */
};

/* In declarations, an array of a type: FUNC_ARRAY_OF(TYPE_TEXT) is text[]. */
#define FUNC_ARRAY_BASE   128
#define FUNC_ARRAY_OF(id) ((uint8_t)(FUNC_ARRAY_BASE + (id)))

enum func_flag {
    FUNC_OPERATOR = 1,       /* The name is an operator's. */
    FUNC_CALLED_ON_NULL = 2, /* The kernel sees nulls; otherwise a null argument gives null. */
    FUNC_NULLABLE = 4,       /* May give null without a null argument. */
    FUNC_VARIADIC = 8,       /* The last argument may be repeated. */
    FUNC_STABLE = 16,        /* The same within one statement; not folded when planning. */
    FUNC_VOLATILE = 32,      /* Every call is its own. */
    /* Gives rows. The kernel gives an array of them; where `result` is an array itself, the
     * kernel's array has one dimension more. */
    FUNC_SET = 64,
    /* PostgreSQL has it stable: what it fails at comes up when it runs, if it does. */
    FUNC_LATE_ERRORS = 128,
};

struct text_style;

/* What a function about the catalog gives: a number or truth in `integer`, or `text`. */
struct func_answer {
    bool is_null;
    int64_t integer;
    struct buffer text;
};

/* What functions ask about the session, and change in it. */
struct func_session {
    const struct text_style *style; /* How values are read and printed. */
    const char *database;           /* What current_database() gives; NULL: none has a name. */
    const char *search_path;        /* As it is set: '"$user", public'. */
    const char *const *path;        /* The names in it; NULL: the default ones. */
    uint32_t path_count;
    const char *temp_schema; /* Of temporary tables; looked at first. NULL: there are none. */
    uint64_t role;           /* Who asks, as pg_authid numbers roles. */
    void *ctx;
    /* current_setting(): appends the value; TDBPLUS_E_NOT_FOUND when there is no such setting. */
    tdbplus_status (*setting_get)(void *ctx, const char *name, struct buffer *text,
                                  struct err *err);
    /* A function about the catalog, by its name. */
    tdbplus_status (*catalog_call)(void *ctx, const char *name, const struct datum *arguments,
                                   uint32_t count, struct func_answer *answer, struct err *err);
    /* Tells the client something beside the answer; NULL: nobody is told. */
    void (*note)(void *ctx, const char *level, const char *sqlstate, const char *text);
    /* set_config(); no text at all: as it is initially. */
    tdbplus_status (*setting_set)(void *ctx, const char *name, struct span text, bool local,
                                  struct err *err);
};

#define FUNC_SERIAL_NAME_SIZE 300

/* Sequences as the layer above has them. `oid` 0 is the one that the session used last. */
struct func_sequences {
    void *ctx;
    TDBPLUS_CHECKED tdbplus_status (*find)(void *ctx, struct span name, uint64_t *oid_out,
                                           struct err *err);
    TDBPLUS_CHECKED tdbplus_status (*next)(void *ctx, uint64_t oid, uint32_t count,
                                           int64_t *values_out, struct err *err);
    TDBPLUS_CHECKED tdbplus_status (*current)(void *ctx, uint64_t oid, int64_t *value_out,
                                              struct err *err);
    TDBPLUS_CHECKED tdbplus_status (*set)(void *ctx, uint64_t oid, int64_t value, bool called,
                                          struct err *err);
    /* The sequence that belongs to a table's column, as "schema.name" in `name_out`, empty if there
     * is none. */
    TDBPLUS_CHECKED tdbplus_status (*serial)(void *ctx, struct span table, struct span column,
                                             char name_out[FUNC_SERIAL_NAME_SIZE], struct err *err);
};

/* What stable functions ask about the statement. */
struct func_context {
    const struct func_session *session; /* NULL: defaults, and no settings. */
    int64_t transaction_time_us;        /* Since 1970, UTC. */
    const char *user;                   /* CURRENT_USER; NULL: whoever opened the database. */
    const char *session_user;           /* NULL: the same. */
    const char *database;
    const struct func_sequences *sequences; /* NULL: there are none. */
    const char *const *schemas;             /* Where names are looked for; NULL: "public". */
    uint32_t schema_count;
    uint64_t random_state[2]; /* Of random(); seeded by whoever begins the statement. */
};

struct func_call;
typedef tdbplus_status (*func_kernel)(struct func_call *call);

struct func {
    const char *name;
    uint8_t argument_count;
    uint8_t arguments[FUNC_DECLARED_MAX]; /* enum type_id or enum func_pseudo. */
    uint8_t result;
    uint8_t flags;
    func_kernel kernel;
    const char *summary; /* For the reference. */
};

/* One call of a kernel. `rows` NULL: rows 0 to count - 1. */
struct func_call {
    const struct func *func;
    const struct column *arguments; /* Flat or constant. */
    uint32_t argument_count;
    const uint16_t *rows;
    uint32_t count;
    struct column *result;        /* Flat, of enough rows; `validity` set with FUNC_NULLABLE. */
    struct arena *arena;          /* For the result's bytes. */
    struct func_context *context; /* While folding only `session` of it is set; may be NULL. */
    struct err *err;
};

/*
 * Calls a function for the `count` rows listed (all from 0 if `rows` is NULL) of columns that have
 * `row_count` rows. The result is constant if all arguments are, unless the function is volatile;
 * otherwise it has `row_count` rows of which the listed ones are set. Memory comes from `arena`.
 */
struct func_rows {
    const uint16_t *rows;
    uint32_t count;
    uint32_t row_count;
};

TDBPLUS_CHECKED tdbplus_status func_apply(const struct func *func, struct type result_type,
                                          const struct column *arguments, uint32_t argument_count,
                                          const struct func_rows *rows, struct func_call *call,
                                          struct column *result_out);

/* Calls a function once. The result's bytes are in `arena` or borrowed from the arguments. */
TDBPLUS_CHECKED tdbplus_status func_apply_once(const struct func *func, struct type result_type,
                                               const struct datum *arguments,
                                               uint32_t argument_count, struct arena *arena,
                                               struct func_context *context,
                                               struct datum *result_out, struct err *err);

/* ---- looking up ---- */

/* What resolving found: which function, what its arguments must become, what it gives. */
struct func_match {
    const struct func *func;
    struct type arguments[FUNC_ARGUMENT_COUNT_MAX];
    struct type result;
};

enum func_found {
    FUNC_FOUND = 0,
    FUNC_NOT_FOUND,    /* No such name, or none that these types can be given to. */
    FUNC_NAME_UNKNOWN, /* No function has that name. */
    FUNC_AMBIGUOUS,
    FUNC_INDETERMINATE, /* Found, but only unknown literals decide its types. */
};

/*
 * Chooses a function as PostgreSQL does (its manual, 10.2 and 10.3): exact match, else those that
 * implicit casts reach, preferring exact and preferred types, unknown literals last. TYPE_NONE is
 * the type of unknown literals.
 */
enum func_found func_resolve(const char *name, bool is_operator, const struct type *types,
                             uint32_t count, struct func_match *match_out);

/* The nearest known name for a hint, or NULL. */
const char *func_similar(const char *name);

/* True when the names differ by a slip or two and by less than *distance_in_out, which is lowered
 * then; begin with UINT32_MAX. */
bool func_name_similar(const char *name, const char *candidate, uint32_t *distance_in_out);

/* All functions in order of name, for the reference; NULL at the end. */
const struct func *func_at(uint32_t number);

/* ---- casts ---- */

enum func_cast_context { FUNC_CAST_IMPLICIT = 0, FUNC_CAST_ASSIGNMENT = 1, FUNC_CAST_EXPLICIT = 2 };

#define FUNC_CAST_STEPS_MAX 3u

struct func_cast_step {
    const struct func *func; /* Called with the value as its only argument. */
    struct type type;        /* What it gives. */
};

/*
 * How a value becomes another type: up to three calls, one after the other; none if the value can
 * stay as it is. Returns their number, or -1 when there is no such cast in that context. `from`
 * TYPE_NONE is an unknown literal, taken as text.
 */
int32_t func_cast_path(struct type from, struct type to, enum func_cast_context context,
                       struct func_cast_step steps[FUNC_CAST_STEPS_MAX]);

/* What prints a value of any type for FUNC_PRINTED. */
const struct func *func_output(void);

/* What gives a text as it is, under another length. */
const struct func *func_relabel(void);

/* The array type of an element type; of arrays there are none. */
struct type func_array_of(struct type element);

/* The type without precision or length, as functions take it. */
struct type func_type_base(struct type type);

/* PostgreSQL's long name for messages: "integer", "character varying(5)". */
void func_type_name(struct type type, char text[64]);
/* The same with the names of enums, which the style knows; it may be NULL. */
void func_type_name_as(struct type type, const struct text_style *style, char text[64]);

/* 'B' boolean, 'N' number, 'S' string, 'D' date and time, 'T' interval, 'A', 'E', 'U', 'X' unknown:
 * PostgreSQL's type categories. */
char func_type_category(struct type type);
bool func_type_preferred(struct type type);

/* The type that UNION, CASE, VALUES and the like give to values of these types; false when there is
 * none, then *conflict_out is the number of the type that does not fit, and *common_out, if all are
 * of one category, the type that it does not become. */
bool func_common_type(const struct type *types, uint32_t count, struct type *common_out,
                      uint32_t *conflict_out);

/* The type a name means, with its modifiers (numeric(12,2): 12 and 2), e.g. "int4", "varchar". */
TDBPLUS_CHECKED tdbplus_status func_type_find(const char *name, const int32_t *modifiers,
                                              uint32_t modifier_count, struct type *type_out,
                                              struct err *err);

/* True when every database has a type of that name. */
bool func_type_known(const char *name);

/* The style of the call's session; NULL: defaults. */
static inline const struct text_style *func_style(const struct func_call *call)
{
    const struct func_context *context = call->context;
    return context == NULL || context->session == NULL ? NULL : context->session->style;
}

/* Prints a value as PostgreSQL's text output; `style` may be NULL. */
TDBPLUS_CHECKED tdbplus_status func_print_as(const struct datum *value,
                                             const struct text_style *style, struct buffer *buffer,
                                             struct err *err);

/* Reads text as PostgreSQL's input of that type; bytes of the result are in `arena`. */
TDBPLUS_CHECKED tdbplus_status func_read_as(struct span text, struct type type,
                                            const struct text_style *style, struct arena *arena,
                                            struct datum *value_out, struct err *err);

/* The same with defaults. */
TDBPLUS_CHECKED tdbplus_status func_print(const struct datum *value, struct buffer *buffer,
                                          struct err *err);

TDBPLUS_CHECKED tdbplus_status func_read(struct span text, struct type type, struct arena *arena,
                                         struct datum *value_out, struct err *err);
