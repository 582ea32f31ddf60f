#pragma once

/*
 * PostgreSQL's "advanced regular expressions", matched by PCRE2 behind a translation.
 *
 * Where a match begins and ends is found as POSIX wants it (leftmost, then longest, or shortest if
 * the expression prefers that); PCRE2's own choice is used only with back references.
 *
 * Threads: a compiled expression belongs to one thread at a time.
 */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/err.h"

#define REGEX_GROUP_COUNT_MAX 200u
#define REGEX_NESTING_MAX     100u
#define REGEX_REPEAT_MAX      255u /* As PostgreSQL. */

/* Options of functions, and of (?...) at the beginning of an expression. */
enum regex_flag {
    REGEX_FOLD_CASE = 1,       /* i */
    REGEX_NEWLINE_STOPS = 2,   /* p, n: . and [^...] do not match a line's end. */
    REGEX_NEWLINE_ANCHORS = 4, /* w, n: ^ and $ match around a line's end. */
    REGEX_EXPANDED = 8,        /* x */
    REGEX_LITERAL = 16,        /* q */
    REGEX_GLOBAL = 32,         /* g: for functions, not for the expression. */
    REGEX_BASIC = 64,          /* b: not supported. */
};

/* Reads options; false for one that there is not, which is *bad_out then. */
bool regex_flags_of(struct span text, uint32_t *flags_out, char *bad_out);

/* What a translation found out. */
struct regex_traits {
    uint32_t flags;       /* With those of the expression itself. */
    uint32_t group_count; /* Capturing ones. */
    bool has_references;
    bool prefers_short; /* As a whole. */
    bool has_choice;    /* The longest match may not be the first one found. */
};

/*
 * Appends the expression in PCRE2's syntax.
 *
 *   TDBPLUS_E_SQL          2201B, with PostgreSQL's words
 *   TDBPLUS_E_UNSUPPORTED  basic regular expressions
 *   TDBPLUS_E_LIMIT        nested too deep, too many groups
 */
TDBPLUS_CHECKED tdbplus_status regex_translate(struct span pattern, uint32_t flags,
                                               struct buffer *out, struct regex_traits *traits_out,
                                               struct err *err);

struct regex;

/* Translates and compiles; *regex_out is given back with regex_destroy(). NULL is accepted there.
 */
TDBPLUS_CHECKED tdbplus_status regex_create(struct span pattern, uint32_t flags,
                                            const struct alloc *alloc, struct regex **regex_out,
                                            struct err *err);
void regex_destroy(struct regex *regex);

uint32_t regex_group_count(const struct regex *regex);

/* Where a group matched, in bytes; begin SIZE_MAX: it did not. */
struct regex_range {
    size_t begin;
    size_t end;
};

/*
 * Looks for a match that begins at byte `from` or later. With `ranges`, fills those of the whole
 * match and of group 1 and so on; NULL if only the answer matters.
 *
 *   TDBPLUS_E_LIMIT  matching took too many steps or too much memory
 */
TDBPLUS_CHECKED tdbplus_status regex_find(struct regex *regex, struct span text, size_t from,
                                          struct regex_range *ranges, bool *found_out,
                                          struct err *err);
