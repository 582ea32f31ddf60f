/*
 * Where a statement ends, by the lexical rules of PostgreSQL: a semicolon that is not inside of a
 * string, a quoted name, a dollar-quoted text or a comment. Parsing alone would not do, as what
 * follows may be wrong, or depend on what comes first.
 */

#include <string.h>

#include "engine/session.h"

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* Past the closing quote. A doubled quote ends one string and begins the next, which is the same
 * for this purpose. */
static size_t skip_quoted(const char *text, size_t size, size_t at, bool escapes)
{
    char quote = text[at++];
    while (at < size && text[at] != quote) {
        at += escapes && text[at] == '\\' ? 2 : 1;
    }
    return at < size ? at + 1 : size;
}

static size_t skip_comment(const char *text, size_t size, size_t at)
{
    uint32_t depth = 0;
    while (at + 1 < size) {
        if (text[at] == '/' && text[at + 1] == '*') {
            depth++;
            at += 2;
        } else if (text[at] == '*' && text[at + 1] == '/') {
            at += 2;
            if (--depth == 0) {
                return at;
            }
        } else {
            at++;
        }
    }
    return size;
}

/* $tag$ ... $tag$, or a parameter such as $1. */
static size_t skip_dollar(const char *text, size_t size, size_t at)
{
    size_t end = at + 1;
    while (end < size && is_name_byte(text[end])) {
        end++;
    }
    bool digit = at + 1 < size && text[at + 1] >= '0' && text[at + 1] <= '9';
    if (end == size || text[end] != '$' || digit) {
        return at + 1;
    }
    size_t tag_size = end + 1 - at;
    const char *found = memmem(text + end + 1, size - end - 1, text + at, tag_size);
    return found == NULL ? size : (size_t)(found - text) + tag_size;
}

static size_t skip_name(const char *text, size_t size, size_t at)
{
    size_t begin = at;
    while (at < size && (is_name_byte(text[at]) || text[at] == '$')) {
        at++;
    }
    bool escapes = at - begin == 1 && (text[begin] == 'e' || text[begin] == 'E');
    return escapes && at < size && text[at] == '\'' ? skip_quoted(text, size, at, true) : at;
}

size_t split_statement(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        char c = text[at];
        bool pair = at + 1 < size;
        if (c == ';') {
            return at + 1;
        }
        if (c == '\'' || c == '"') {
            at = skip_quoted(text, size, at, false);
        } else if (c == '-' && pair && text[at + 1] == '-') {
            const char *line = memchr(text + at, '\n', size - at);
            at = line == NULL ? size : (size_t)(line - text) + 1;
        } else if (c == '/' && pair && text[at + 1] == '*') {
            at = skip_comment(text, size, at);
        } else if (c == '$') {
            at = skip_dollar(text, size, at);
        } else if (is_name_byte(c)) {
            at = skip_name(text, size, at);
        } else {
            at++;
        }
    }
    return size;
}
