#pragma once

/*
 * config: what a server is told: defaults, then a file (the part of TOML that settings need), then
 * the environment, then the command line, each over the ones before.
 *
 * In the file a key is `port = 7432`, or `level = "info"` below `[log]`; in the environment the
 * same are TDB_PORT and TDB_LOG_LEVEL, on the command line --port and --log-level. Below [session]
 * stand settings of SQL that every session begins with.
 *
 * Threads: one user at a time.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "os/env.h"
#include "server/server.h"

#define CONFIG_FILE_SIZE_MAX ((size_t)1 << 20)

/* ---- the file ---- */

/* One key of a file with its tables in front: "log.level". All are in the arena. */
struct config_pair {
    const char *key;
    const char *value; /* Of a string its bytes, of others as written. */
    uint32_t line;
};

/* Appends the pairs of a text to a list of struct config_pair. TDBPLUS_E_INVALID says in which line
 * (err->position) something is wrong, TDBPLUS_E_LIMIT, TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status config_parse(struct span text, struct arena *arena,
                                            struct list *pairs, struct err *err);

/* ---- all of it ---- */

struct config {
    const char *directory; /* NULL: in memory. */
    const char *path;      /* Of the file; NULL: none. */
    struct server_options server;
};

/* What a server is told. Texts are in the arena or borrowed. `environment` gives the value of a
 * variable, NULL when there is none. Errors name the file and line, the variable or the flag.
 * TDBPLUS_E_INVALID, TDBPLUS_E_IO, TDBPLUS_E_NOMEM. */
struct config_sources {
    const struct env *env;
    const char *(*environment)(const char *name);
    int argument_count;
    char **arguments;
};

TDBPLUS_CHECKED tdbplus_status config_load(const struct config_sources *sources,
                                           struct arena *arena, struct config *config_out,
                                           struct err *err);

/* A line for each key: its flag, what it is and its default. */
void config_help(struct buffer *text);
