/* Where a statement ends: at a semicolon that is not inside a string, a name or a comment. */

#include <string.h>
#include <strings.h>

#include "cli/shell.h"

static bool is_name_byte(char c)
{
    const unsigned char u = (unsigned char)c;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           u >= 0x80;
}

/* Each skip function begins at the opening mark and returns the place after the closing one, or
 * `size` + 1 when there is none. */
static size_t skip_quoted(const char *text, size_t size, size_t at, bool has_escapes)
{
    const char quote = text[at];
    for (at++; at < size; at++) {
        if (has_escapes && text[at] == '\\') {
            at++;
        } else if (text[at] == quote) {
            return at + 1; // A doubled quote opens again at once, which comes to the same.
        }
    }
    return size + 1;
}

static size_t skip_line_comment(const char *text, size_t size, size_t at)
{
    const char *end = memchr(text + at, '\n', size - at);
    return end == NULL ? size + 1 : (size_t)(end - text) + 1;
}

/* They nest. */
static size_t skip_comment(const char *text, size_t size, size_t at)
{
    size_t depth = 0;
    while (at + 1 < size) {
        if (text[at] == '/' && text[at + 1] == '*') {
            depth++;
            at += 2;
        } else if (text[at] == '*' && text[at + 1] == '/') {
            depth--;
            at += 2;
        } else {
            at++;
        }
        if (depth == 0) {
            return at;
        }
    }
    return size + 1;
}

/* $tag$ ... $tag$; a parameter such as $1 is not one. */
static size_t skip_dollar(const char *text, size_t size, size_t at)
{
    size_t end = at + 1;
    while (end < size && is_name_byte(text[end])) {
        end++;
    }
    const bool digit_first = at + 1 < size && text[at + 1] >= '0' && text[at + 1] <= '9';
    if (end >= size || text[end] != '$' || digit_first) {
        return at + 1;
    }
    const size_t tag_size = end + 1 - at;
    for (size_t i = end + 1; i + tag_size <= size; i++) {
        if (memcmp(text + i, text + at, tag_size) == 0) {
            return i + tag_size;
        }
    }
    return size + 1;
}

static bool starts(const char *text, size_t size, size_t at, const char *mark)
{
    return at + 1 < size && text[at] == mark[0] && text[at + 1] == mark[1];
}

/* E'...' knows backslashes; the e of date'...' is not such a mark. */
static bool has_escapes_at(const char *text, size_t at)
{
    return at > 0 && (text[at - 1] == 'e' || text[at - 1] == 'E') &&
           (at == 1 || !is_name_byte(text[at - 2]));
}

/* The first place with the byte `wanted` outside of quotes and comments; `size` or more: none. */
static size_t find_plain(const char *text, size_t size, char wanted)
{
    size_t at = 0;
    while (at < size && text[at] != wanted) {
        if (text[at] == '\'') {
            at = skip_quoted(text, size, at, has_escapes_at(text, at));
        } else if (text[at] == '"') {
            at = skip_quoted(text, size, at, false);
        } else if (starts(text, size, at, "--")) {
            at = skip_line_comment(text, size, at);
        } else if (starts(text, size, at, "/*")) {
            at = skip_comment(text, size, at);
        } else if (text[at] == '$' && (at == 0 || !is_name_byte(text[at - 1]))) {
            at = skip_dollar(text, size, at);
        } else {
            at++;
        }
    }
    return at;
}

size_t shell_statement_size(const char *text, size_t size)
{
    const size_t at = find_plain(text, size, ';');
    return at < size ? at + 1 : 0;
}

const char *shell_plain_command(const char *text, size_t size)
{
    static const char *const words[][2] = {{"help", ".help"}, {"quit", ".quit"}, {"exit", ".quit"}};
    const size_t blank = shell_blank_size(text, size);
    text += blank;
    size -= blank;
    while (size > 0 && strchr(" \t\r\n;", text[size - 1]) != NULL) {
        size--;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (size == strlen(words[i][0]) && strncasecmp(text, words[i][0], size) == 0) {
            return words[i][1];
        }
    }
    return NULL;
}

size_t shell_backslash(const char *text, size_t size)
{
    const size_t at = find_plain(text, size, '\\');
    return at < size ? at : size;
}

size_t shell_blank_size(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t next = at;
        if (strchr(" \t\r\n\f\v", text[at]) != NULL && text[at] != '\0') {
            next = at + 1;
        } else if (starts(text, size, at, "--")) {
            next = skip_line_comment(text, size, at);
        } else if (starts(text, size, at, "/*")) {
            next = skip_comment(text, size, at);
        }
        if (next == at || next > size) {
            break;
        }
        at = next;
    }
    return at;
}
