/* The shell at a terminal. */

#include <stdlib.h>
#include <string.h>

#include "cli/shell_words.h"
#include "os/env.h"

#define ROW_MAX 1000 /* More than anybody scrolls through; .maxrows changes it. */

static const char *prompt(void *context, bool is_first)
{
    const struct shell *shell = context;
    if (!is_first || shell->copy != NULL || shell->pending.size > 0) {
        return "...> ";
    }
    return client_in_transaction(shell->client) ? "tdb*> " : "tdb> ";
}

/* Nothing, or a comment that the end of the line will end. */
static bool is_blank(const char *text, size_t size)
{
    const size_t at = shell_blank_size(text, size);
    return at >= size || (size - at > 1 && strncmp(text + at, "--", 2) == 0 &&
                          memchr(text + at, '\n', size - at) == NULL);
}

/* Enter ends a command, and a text whose statements all have their semicolons. */
static bool is_complete(void *context, const char *text, size_t size)
{
    const struct shell *shell = context;
    const size_t blank = shell_blank_size(text, size);
    if (shell->copy != NULL || shell->pending.size > 0 || is_blank(text, size) ||
        text[blank] == '\\' || text[blank] == '.' || shell_plain_command(text, size) != NULL) {
        return true;
    }
    for (size_t at = blank; !is_blank(text + at, size - at);) {
        const size_t statement = shell_statement_size(text + at, size - at);
        if (statement == 0) {
            return shell_backslash(text + at, size - at) < size - at;
        }
        at += statement;
    }
    return true;
}

static void style(void *context, const char *text, size_t size, uint8_t *styles)
{
    const struct shell *shell = context;
    if (shell->copy == NULL) {
        shell_style(text, size, styles);
    }
}

static void complete(void *context, const char *text, size_t cursor, struct editor_choices *choices)
{
    struct shell *shell = context;
    if (shell->copy == NULL) {
        shell_complete(shell, text, cursor, choices);
    }
}

/* Line by line, since commands end with theirs; Enter ends the last one. */
static void feed_lines(struct shell *shell, struct span text)
{
    struct buffer lines;
    buffer_init(&lines, &alloc_system);
    buffer_put_span(&lines, text);
    buffer_put_text(&lines, "\n");
    if (lines.failed) {
        shell_refuse(shell, "no memory for so long a text", "");
    }
    const char *at = (const char *)lines.data;
    const char *end = lines.failed ? at : at + lines.size;
    while (at < end && !shell->quit) {
        const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        shell_feed(shell, at, (size_t)(next - at));
        at = next;
    }
    buffer_deinit(&lines);
}

static void edit_texts(struct shell *shell)
{
    struct span text = {0};
    while (!shell->quit) {
        const enum editor_status status = editor_read(shell->editor, &text);
        if (status == EDITOR_END) {
            return;
        }
        if (status == EDITOR_INTERRUPT) {
            buffer_clear(&shell->pending); // It takes back what was typed.
            shell->within_line = false;
        } else {
            feed_lines(shell, text);
        }
        (void)fflush(stdout);
    }
}

/* A terminal that cannot be drawn on: lines, as they come. */
static void read_lines(struct shell *shell)
{
    static char line[65536];
    while (!shell->quit) {
        (void)fputs(prompt(shell, true), stdout);
        (void)fflush(stdout);
        if (fgets(line, sizeof line, stdin) == NULL) {
            (void)putchar('\n');
            return;
        }
        shell_feed(shell, line, strlen(line));
    }
}

void shell_terminal(struct shell *shell)
{
    const struct editor_host host = {.context = shell,
                                     .prompt = prompt,
                                     .is_complete = is_complete,
                                     .style = style,
                                     .complete = complete};
    char path[ENV_PATH_SIZE_MAX];
    const char *home = getenv("HOME");
    const bool has_path = home != NULL && env_join(path, home, ".tdb_history", NULL) == TDBPLUS_OK;
    (void)printf("TDB+ %s. Statements end with a semicolon; \\? tells the commands.\n",
                 tdbplus_version());
    shell->style.row_max = ROW_MAX;
    shell->editor = editor_can() ? editor_create(&host, has_path ? path : NULL) : NULL;
    if (shell->editor != NULL) {
        edit_texts(shell);
        editor_destroy(shell->editor);
        shell->editor = NULL;
    } else {
        read_lines(shell);
    }
}
