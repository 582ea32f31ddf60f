/* Colours of SQL: a scanner that never fails, since what is being typed is rarely right yet. */

#include <stdlib.h>
#include <string.h>

#include "cli/shell_words.h"

#define WORD_SIZE_MAX 24

static const char *const keywords[] = {
    "ADD",         "ALL",          "ALTER",      "ALWAYS",     "ANALYZE",     "AND",
    "ANY",         "ARRAY",        "AS",         "ASC",        "BEGIN",       "BETWEEN",
    "BY",          "CASCADE",      "CASE",       "CAST",       "CHECK",       "CLOSE",
    "COLLATE",     "COLUMN",       "COMMENT",    "COMMIT",     "COMMITTED",   "CONFLICT",
    "CONSTRAINT",  "COPY",         "CREATE",     "CROSS",      "CUBE",        "CURRENT",
    "CURSOR",      "CYCLE",        "DEALLOCATE", "DECLARE",    "DEFAULT",     "DELETE",
    "DESC",        "DESCRIBE",     "DISTINCT",   "DO",         "DROP",        "ELSE",
    "END",         "EXCEPT",       "EXCLUDE",    "EXECUTE",    "EXISTS",      "EXPLAIN",
    "FALSE",       "FETCH",        "FILTER",     "FIRST",      "FOLLOWING",   "FOR",
    "FOREIGN",     "FROM",         "FULL",       "GENERATED",  "GRANT",       "GROUP",
    "GROUPING",    "HAVING",       "IDENTITY",   "IF",         "ILIKE",       "IN",
    "INCLUDE",     "INDEX",        "INNER",      "INSERT",     "INTERSECT",   "INTERVAL",
    "INTO",        "IS",           "ISOLATION",  "JOIN",       "KEY",         "LAST",
    "LATERAL",     "LEFT",         "LEVEL",      "LIKE",       "LIMIT",       "LOCKED",
    "MATCHED",     "MATERIALIZED", "MERGE",      "NAME",       "NATURAL",     "NOT",
    "NOTHING",     "NOWAIT",       "NULL",       "NULLS",      "OFFSET",      "ON",
    "ONLY",        "OR",           "ORDER",      "OUTER",      "OVER",        "PARTITION",
    "PRECEDING",   "PREPARE",      "PRIMARY",    "RANGE",      "READ",        "RECURSIVE",
    "REFERENCES",  "RELEASE",      "RENAME",     "REPEATABLE", "REPLACE",     "RESET",
    "RESTRICT",    "RETURNING",    "REVOKE",     "RIGHT",      "ROLE",        "ROLLBACK",
    "ROLLUP",      "ROW",          "ROWS",       "SAVEPOINT",  "SCHEMA",      "SELECT",
    "SEQUENCE",    "SET",          "SETS",       "SHARE",      "SHOW",        "SIMILAR",
    "SKIP",        "SOME",         "START",      "STORED",     "SUMMARIZE",   "TABLE",
    "TABLESAMPLE", "TEMPORARY",    "THEN",       "TO",         "TRANSACTION", "TRUE",
    "TRUNCATE",    "TYPE",         "UNBOUNDED",  "UNION",      "UNIQUE",      "UPDATE",
    "USER",        "USING",        "VALUES",     "VIEW",       "WHEN",        "WHERE",
    "WINDOW",      "WITH",         "WITHIN",     "WITHOUT",    "WORK",
};

const char *const *shell_keywords(size_t *count_out)
{
    *count_out = sizeof keywords / sizeof keywords[0];
    return keywords;
}

static int compare_words(const void *one, const void *other)
{
    return strcmp(one, *(const char *const *)other);
}

static bool is_keyword(const char *word, size_t size)
{
    char upper[WORD_SIZE_MAX];
    if (size >= sizeof upper) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        upper[i] = word[i] >= 'a' && word[i] <= 'z' ? (char)(word[i] - 'a' + 'A') : word[i];
    }
    upper[size] = '\0';
    return bsearch(upper, keywords, sizeof keywords / sizeof keywords[0], sizeof keywords[0],
                   compare_words) != NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of a word or number. */
static size_t word_size(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size &&
           (is_letter(text[at]) || is_digit(text[at]) || (text[at] == '.' && is_digit(text[0])))) {
        at++;
    }
    return at;
}

static size_t quoted_size(const char *text, size_t size)
{
    const char *end = size > 1 ? memchr(text + 1, text[0], size - 1) : NULL;
    return end == NULL ? size : (size_t)(end - text) + 1;
}

void shell_style(const char *text, size_t size, uint8_t *styles)
{
    for (size_t at = 0; at < size;) {
        const size_t left = size - at;
        size_t taken = 1;
        enum editor_style style = EDITOR_PLAIN;
        const size_t blank = shell_blank_size(text + at, left);
        if (strchr(" \t\r\n", text[at]) != NULL) {
            style = EDITOR_PLAIN;
        } else if (blank > 0 || (left > 1 && (strncmp(text + at, "--", 2) == 0 ||
                                              strncmp(text + at, "/*", 2) == 0))) {
            taken = blank > 0 ? blank : left; // A comment that does not end yet.
            style = EDITOR_COMMENT;
        } else if (text[at] == '\\' || (text[at] == '.' && at == 0)) {
            const char *end = memchr(text + at, '\n', left);
            taken = end == NULL ? left : (size_t)(end - text) - at;
            style = EDITOR_COMMAND;
        } else if (text[at] == '\'') {
            taken = quoted_size(text + at, left);
            style = EDITOR_STRING;
        } else if (text[at] == '"') {
            taken = quoted_size(text + at, left);
        } else if (is_digit(text[at])) {
            taken = word_size(text + at, left);
            style = EDITOR_NUMBER;
        } else if (is_letter(text[at])) {
            taken = word_size(text + at, left);
            style = is_keyword(text + at, taken) ? EDITOR_KEYWORD : EDITOR_PLAIN;
        }
        memset(styles + at, style, taken);
        at += taken;
    }
}
