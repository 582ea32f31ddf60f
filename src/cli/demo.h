#pragma once

/* demo: a narrated tour of what the database does, on the data in examples/data. */

#include <stdbool.h>

#include "cli/shell.h"

/* What stands in a script between two statements. */
struct demo_step {
    struct span title; /* "--#"; empty: none. */
    struct span text;  /* Comments, with their dashes. */
    struct span mark;  /* "--@"; empty: none. */
    struct span sql;   /* With its semicolon; empty: the script ends. */
};

/* Takes the next step off a script, both borrowed from it. False: there is none. */
bool demo_next(struct span *script, struct demo_step *step_out);

/* Whether the mark has the word. */
bool demo_is_marked(const struct demo_step *step, const char *word);

/* Draws images of 28 x 28 points side by side, with their captions below: the first two columns of
 * the rows that the query gives. */
bool demo_pictures(struct shell *shell, struct span sql);
