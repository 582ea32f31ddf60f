#pragma once

/* describe: what files hold, found out by looking at them. */

#include "files/source.h"

#define FILE_PATH_COUNT_MAX 100000u

/* What is not said (-1, or NULL) is found out. */
struct csv_choice {
    int delimiter;
    int quote;
    int escape;
    int header; /* 0, 1. */
    const char *null_text;
    bool all_text;
    uint32_t sample_rows; /* 0: 4,096. */
};

struct file_request {
    uint8_t format;              /* enum file_format; FILE_FORMAT_NONE: by the first file's name. */
    const char *const *patterns; /* Paths, with * ? [a-z] in any part, ** for any folders. */
    uint32_t pattern_count;
    struct csv_choice csv;
    const struct charset *encoding;     /* Of texts; NULL: UTF-8. */
    const struct file_column *declared; /* NULL: found out. */
    uint32_t declared_count;
};

/* Nothing said. */
struct file_request file_request_default(void);

/*
 * Fills *spec_out, in the arena.
 *
 *   TDBPLUS_E_NOT_FOUND  58P01: no file matches
 *   TDBPLUS_E_SQL        files that do not belong together, or of no known format
 *   others               as reading the files
 */
TDBPLUS_CHECKED tdbplus_status file_describe(const struct file_request *request,
                                             struct arena *arena, struct file_spec *spec_out,
                                             struct err *err);

/* ---- parts ---- */

/* Paths that match a pattern, sorted; in the arena. */
TDBPLUS_CHECKED tdbplus_status file_glob(const char *pattern, struct arena *arena,
                                         const char ***paths_out, uint32_t *count_out,
                                         struct err *err);

/* Types of texts: what all values seen so far can be. */
struct type_guess {
    uint8_t can; /* Bits of enum guess_type. */
    bool seen;
};

void type_guess_init(struct type_guess *guess);
void type_guess_add(struct type_guess *guess, struct span text);
struct type type_guess_type(const struct type_guess *guess);

/* Dialect, names and types of the text of the first file's beginning. */
TDBPLUS_CHECKED tdbplus_status csv_describe(const struct file_request *request, const char *path,
                                            struct arena *arena, struct file_spec *spec,
                                            struct err *err);
TDBPLUS_CHECKED tdbplus_status ndjson_describe(const struct file_request *request, const char *path,
                                               struct arena *arena, struct file_spec *spec,
                                               struct err *err);
