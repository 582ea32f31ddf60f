#pragma once

/*
 * editor: reads statements of several lines at a terminal, with history, completion and colours.
 * Only sequences that every terminal since the VT100 knows are used.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct editor;

/* How a byte of the text is shown. */
enum editor_style {
    EDITOR_PLAIN,
    EDITOR_KEYWORD,
    EDITOR_STRING,
    EDITOR_NUMBER,
    EDITOR_COMMENT,
    EDITOR_COMMAND,
};

/* What may stand at the cursor instead of the word there; filled in by the host. */
struct editor_choices {
    struct buffer texts; /* Each with a zero byte. */
    size_t count;
    size_t word_size; /* Bytes before the cursor that a choice stands for. */
};

void editor_choices_add(struct editor_choices *choices, const char *text, size_t size);

/* What the editor asks its host; the context comes first. */
struct editor_host {
    void *context;
    const char *(*prompt)(void *context, bool is_first); /* Of the first line, or of the others. */
    bool (*is_complete)(void *context, const char *text, size_t size);
    void (*style)(void *context, const char *text, size_t size, uint8_t *styles); /* One a byte. */
    void (*complete)(void *context, const char *text, size_t cursor,
                     struct editor_choices *choices);
};

enum editor_status {
    EDITOR_TEXT,      /* Enter. */
    EDITOR_INTERRUPT, /* Ctrl-C: what was typed is gone. */
    EDITOR_END,       /* Ctrl-D in an empty line, or the terminal is gone. */
};

/* Whether standard input and output are a terminal that can be drawn on. */
bool editor_can(void);

/* Whether colours are wanted: NO_COLOR is not set. */
bool editor_has_colours(void);

/* The history is read from `path` and kept there by editor_destroy(); NULL: nowhere. NULL when
 * there is no memory. `host` is copied. */
struct editor *editor_create(const struct editor_host *host, const char *path);
void editor_destroy(struct editor *editor); /* NULL is fine. */

/* Reads a text; *text_out (without a newline at its end) lives until the next call. */
enum editor_status editor_read(struct editor *editor, struct span *text_out);

/* The next text begins with this one, as if it were typed. */
void editor_prefill(struct editor *editor, struct span text);
