/* What was typed before. A line of the file is an entry, with newlines, backslashes and blanks as
 * octal escapes: the form of libedit's history files, which earlier versions wrote. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "cli/editor_internal.h"

#define HEADER "_HiStOrY_V2_"

static void drop_first(struct editor_history *history)
{
    alloc_free(&alloc_system, history->items[0], strlen(history->items[0]) + 1, 1);
    history->count--;
    memmove(history->items, history->items + 1, history->count * sizeof history->items[0]);
}

void history_add(struct editor *editor, const char *text, size_t size)
{
    struct editor_history *history = &editor->history;
    const char *last = history->count == 0 ? NULL : history->items[history->count - 1];
    const bool is_same = last != NULL && strlen(last) == size && memcmp(last, text, size) == 0;
    if (size == 0 || is_same || memchr(text, '\0', size) != NULL) {
        return;
    }
    char *item = alloc_array(&alloc_system, size + 1, 1);
    if (item == NULL) {
        return; // A history may forget.
    }
    memcpy(item, text, size);
    item[size] = '\0';
    if (history->count == EDITOR_HISTORY_COUNT_MAX) {
        drop_first(history);
    }
    history->items[history->count++] = item;
}

void history_clear(struct editor_history *history)
{
    while (history->count > 0) {
        drop_first(history);
    }
}

size_t history_find(const struct editor_history *history, struct span text, size_t before)
{
    while (before > 0) {
        before--;
        const char *item = history->items[before];
        if (memmem(item, strlen(item), text.data, text.size) != NULL) {
            return before;
        }
    }
    return SIZE_MAX;
}

static bool is_octal(const char *text)
{
    return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' && text[2] >= '0' &&
           text[2] <= '7';
}

/* In place; the result is never longer. */
static size_t take_escapes(char *line)
{
    size_t size = 0;
    for (const char *at = line; *at != '\0' && *at != '\n'; at++) {
        if (at[0] == '\\' && is_octal(at + 1)) {
            line[size++] = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            at += 3;
        } else {
            line[size++] = *at;
        }
    }
    return size;
}

void history_load(struct editor *editor)
{
    static char line[65536];
    FILE *file = editor->path == NULL ? NULL : fopen(editor->path, "r");
    if (file == NULL) {
        return; // None at the first start.
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, HEADER, strlen(HEADER)) != 0) {
            const size_t size = take_escapes(line);
            history_add(editor, line, size);
        }
    }
    (void)fclose(file);
}

/* Beside the old file first, so that a full disk does not lose it. */
void history_save(const struct editor *editor)
{
    char beside[4096];
    if (editor->path == NULL ||
        snprintf(beside, sizeof beside, "%s.new", editor->path) >= (int)sizeof beside) {
        return;
    }
    const mode_t before = umask(S_IRWXG | S_IRWXO); // Passwords get typed.
    FILE *file = fopen(beside, "w");
    (void)umask(before);
    if (file == NULL) {
        return;
    }
    (void)fputs(HEADER "\n", file);
    for (size_t i = 0; i < editor->history.count; i++) {
        for (const char *at = editor->history.items[i]; *at != '\0'; at++) {
            if (*at == '\n' || *at == '\\' || *at == ' ' || *at == '\t') {
                (void)fprintf(file, "\\%03o", (unsigned)(unsigned char)*at);
            } else {
                (void)fputc(*at, file);
            }
        }
        (void)fputc('\n', file);
    }
    const bool written = ferror(file) == 0;
    if (fclose(file) == 0 && written) {
        (void)rename(beside, editor->path);
    } else {
        (void)remove(beside);
    }
}
