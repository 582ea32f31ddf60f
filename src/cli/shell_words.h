#pragma once

/* shell_words: what the editor asks the shell about the text: its colours, and how a word goes on.
 */

#include "cli/editor.h"
#include "cli/shell.h"

/* Styles of the bytes of a statement or command. */
void shell_style(const char *text, size_t size, uint8_t *styles);

/* What may stand at the cursor. `text` ends with a zero byte. */
void shell_complete(struct shell *shell, const char *text, size_t cursor,
                    struct editor_choices *choices);

/* SQL's key words in capital letters, sorted. */
const char *const *shell_keywords(size_t *count_out);

/* The names of commands, of \pset and so on, for completion. */
const char *const *shell_command_names(size_t *count_out);
