#pragma once

/*
 * setting: the settings of one session: what there are, what they are set to, and what a
 * transaction that ends does to them. SET changes a value for the session, SET LOCAL until the
 * transaction ends; both are undone when it, or the savepoint around them, is rolled back.
 *
 * What a value does is its readers' business: whoever works from settings keeps what it made of
 * them until settings_generation() is another.
 *
 * Threads: one at a time.
 */

#include "base/buffer.h"
#include "base/err.h"
#include "base/list.h"

enum setting_kind {
    SETTING_BOOL = 1,
    SETTING_INTEGER,
    SETTING_REAL,
    SETTING_TEXT,
    SETTING_CHOICE, /* One of a few words. */
};

/* What a number without a unit counts. */
enum setting_unit {
    UNIT_NONE = 0,
    UNIT_KB,
    UNIT_8KB,
    UNIT_MB,
    UNIT_MS,
    UNIT_S,
};

enum setting_context {
    SETTING_USER = 0, /* Anybody changes it for his session. */
    SETTING_INTERNAL, /* Nobody does. */
    SETTING_SERVER,   /* Only when the server starts. */
};

/* Settings that the engine reads; the others are known by name only. In the order of the table. */
enum setting_id {
    SETTING_APPLICATION_NAME = 0,
    SETTING_BYTEA_OUTPUT,
    SETTING_CLIENT_ENCODING,
    SETTING_DATE_STYLE,
    SETTING_DEFAULT_DEFERRABLE,
    SETTING_DEFAULT_ISOLATION,
    SETTING_DEFAULT_READ_ONLY,
    SETTING_DISABLED_RULES,
    SETTING_EXTRA_FLOAT_DIGITS,
    SETTING_IDLE_IN_TRANSACTION,
    SETTING_IDLE_SESSION,
    SETTING_INTERVAL_STYLE,
    SETTING_LOCK_TIMEOUT,
    SETTING_LOG_MIN_DURATION,
    SETTING_MEMORY_LIMIT,
    SETTING_ROLE,
    SETTING_SEARCH_PATH,
    SETTING_SESSION_AUTHORIZATION,
    SETTING_STATEMENT_TIMEOUT,
    SETTING_SYNCHRONOUS_COMMIT,
    SETTING_THREADS,
    SETTING_TIME_ZONE,
    SETTING_TRANSACTION_DEFERRABLE,
    SETTING_TRANSACTION_ISOLATION,
    SETTING_TRANSACTION_READ_ONLY,
    SETTING_WORK_MEM,
    SETTING_KNOWN_COUNT,
};

struct setting_info {
    const char *name;
    uint8_t kind;    /* enum setting_kind. */
    uint8_t unit;    /* enum setting_unit. */
    uint8_t context; /* enum setting_context. */
    bool list;       /* Of names between commas. */
    double min;
    double max;
    const char *initial;
    const char *choices; /* Words between commas. */
    const char *category;
    const char *summary;
};

/* Settings by number; NULL past the last. */
const struct setting_info *setting_at(uint32_t number);

/* "kB", "ms"; "" without. */
const char *setting_unit_name(uint8_t unit);

enum setting_scope { SCOPE_SESSION = 0, SCOPE_LOCAL };

/* Looks at a new value, already of the right form, and may put another text in its place. */
typedef tdbplus_status (*setting_check)(void *ctx, uint32_t number, struct buffer *text,
                                        struct err *err);

struct setting_value; /* Inside. */

struct settings {
    const struct alloc *alloc;
    struct list values;  /* struct setting_value: the table's, then those with a dot in the name. */
    struct list changes; /* What a rollback undoes. */
    uint64_t generation;
    setting_check check; /* May be NULL. */
    void *check_ctx;
};

/* Everything as it is initially. */
TDBPLUS_CHECKED tdbplus_status settings_init(struct settings *settings, const struct alloc *alloc,
                                             struct err *err);
/* A zeroed struct is accepted. */
void settings_deinit(struct settings *settings);

/* Another number than before: a value may have changed. */
static inline uint64_t settings_generation(const struct settings *settings)
{
    return settings->generation;
}

/*
 * SET name = text. Names are found in any case; a name with a dot that nobody knows is made.
 *
 *   TDBPLUS_E_NOT_FOUND  42704, with the name that may be meant
 *   TDBPLUS_E_SQL        22023: not such a value; 55P02: it cannot be changed
 *   TDBPLUS_E_NOMEM
 */
TDBPLUS_CHECKED tdbplus_status settings_set(struct settings *settings, const char *name,
                                            struct span text, enum setting_scope scope,
                                            struct err *err);

/* The same by whoever may change everything: what a server is started with, or its own state. It
 * becomes what RESET goes back to, and no rollback undoes it. */
TDBPLUS_CHECKED tdbplus_status settings_preset(struct settings *settings, uint32_t number,
                                               struct span text, struct err *err);

/* RESET name, or of all with NULL. */
TDBPLUS_CHECKED tdbplus_status settings_reset(struct settings *settings, const char *name,
                                              enum setting_scope scope, struct err *err);

/* Number of a name; 42704 when there is none. */
TDBPLUS_CHECKED tdbplus_status settings_find(const struct settings *settings, const char *name,
                                             uint32_t *number_out, struct err *err);

/* How many there are, and their names. */
uint32_t settings_count(const struct settings *settings);
const char *settings_name(const struct settings *settings, uint32_t number);

/* As kept: numbers in their unit. */
const char *settings_text(const struct settings *settings, uint32_t number);
const char *settings_reset_text(const struct settings *settings, uint32_t number);

/* As SHOW has it: numbers with the largest unit that fits. */
void settings_show(const struct settings *settings, uint32_t number, struct buffer *text);

/* Of a number or a truth value. */
int64_t settings_integer(const struct settings *settings, uint32_t number);

/* Truth as SET and boolean options read it; false: it is none. */
bool setting_read_bool(struct span text, bool *value_out);

/* ---- transactions ---- */

/* How many changes there are to undo, for settings_rollback(). */
size_t settings_mark(const struct settings *settings);
void settings_rollback(struct settings *settings, size_t mark);

/* The transaction is over: what was local ends, the rest stays. */
void settings_commit(struct settings *settings);
