#pragma once

/* What the files of the editor share. */

#include <stdio.h>
#include <termios.h>

#include "cli/editor.h"

#define EDITOR_HISTORY_COUNT_MAX 1000
#define EDITOR_TEXT_SIZE_MAX     (1u << 20) /* More is not taken at a terminal. */

/* Entries, oldest first. */
struct editor_history {
    char *items[EDITOR_HISTORY_COUNT_MAX];
    size_t count;
};

struct editor {
    struct editor_host host;
    const char *path; /* Of the history; owned, or NULL. */
    struct editor_history history;
    size_t history_at;    /* Entry shown; count: the draft. */
    struct buffer draft;  /* What was typed before going through the history. */
    struct buffer text;   /* What is being typed. */
    size_t cursor;        /* In it. */
    struct buffer killed; /* What Ctrl-Y puts back. */
    struct buffer frame;  /* What is drawn, and the styles of the text behind it. */
    struct buffer styles;
    FILE *screen;
    struct termios cooked;
    const char *note;  /* Instead of the first prompt, while searching. */
    size_t cursor_row; /* Where the last frame left the cursor, from its first row. */
    bool has_colours;
    bool was_tab; /* The key before was a Tab that completed nothing. */
};

/* Draws the text with its prompts, and puts the cursor in its place. */
void editor_paint(struct editor *editor);

/* Goes to a new line below what is drawn; the next frame begins there. */
void editor_leave(struct editor *editor);

/* Draws a list of choices below, and the text again below that. */
void editor_paint_choices(struct editor *editor, const struct editor_choices *choices);

void history_load(struct editor *editor);
void history_save(const struct editor *editor);
void history_add(struct editor *editor, const char *text, size_t size);
void history_clear(struct editor_history *history);

/* The newest entry before `before` that contains the text; SIZE_MAX: none does. */
size_t history_find(const struct editor_history *history, struct span text, size_t before);
