/*
 * Goal: a statement ends at the first semicolon that PostgreSQL would take for its end. Each text
 * is given with the size of its first statement, and cut short at every place: no cut before the
 * end may look complete.
 */

#include <string.h>

#include "cli/shell.h"
#include "test.h"

struct sample {
    const char *first; /* A statement with its semicolon. */
    const char *rest;
};

static const struct sample samples[] = {
    {"SELECT 1;", " SELECT 2;"},
    {";", ";"},
    {"SELECT 'a;b';", "'"},
    {"SELECT 'it''s; ok';", ""},
    {"SELECT E'a\\';b';", ""},
    {"SELECT date'\\';", " SELECT ';'"},
    {"SELECT \"a;\"\"b\";", ""},
    {"SELECT 1 -- no; end\n;", "-- more"},
    {"SELECT /* ; /* ; */ ; */ 1;", "*/"},
    {"SELECT $$a;b$$;", ""},
    {"SELECT $x$ a; $$ ; $y$ $x$;", ""},
    {"SELECT $1;", " SELECT $1;"},
    {"SELECT a$b; ", "$b;"},
    {"SELECT 4 - 3 / 2;", ""},
    {"SELECT '\xc3\xa4;';", ""},
};

TEST(statements_end_at_their_semicolon)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        char text[256];
        const char *end = strrchr(samples[i].first, ';');
        const size_t wanted = (size_t)(end - samples[i].first) + 1;
        (void)snprintf(text, sizeof text, "%s%s", samples[i].first, samples[i].rest);
        CHECK(shell_statement_size(text, strlen(text)) == wanted);
        for (size_t size = 0; size < wanted; size++) {
            CHECK(shell_statement_size(text, size) == 0);
        }
    }
}

TEST(blanks_and_whole_comments_are_skipped)
{
    const char *const texts[] = {"", " \t\n", "-- a\n", "/* a /* b */ */", "-- a\n /* b */ \n--\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[256];
        const size_t size = strlen(texts[i]);
        CHECK(shell_blank_size(texts[i], size) == size);
        (void)snprintf(text, sizeof text, "%s.mode", texts[i]);
        CHECK(shell_blank_size(text, strlen(text)) == size);
    }
    CHECK(shell_blank_size("/* a", 4) == 0);
    CHECK(shell_blank_size(" -- a", 5) == 1);
    CHECK(shell_blank_size("-1", 2) == 0);
}

TEST(commands_begin_at_a_plain_backslash)
{
    static const struct sample commands[] = {
        {"SELECT 1 ", "\\g"},
        {"SELECT '\\' , \"\\\" /* \\ */ ", "\\x -- no"},
        {"SELECT E'\\'', $$\\$$", "\\watch 1"},
        {"SELECT 1 -- \\g\n", "\\p"},
        {"SELECT 1 -- \\g", ""},
        {"SELECT 'open \\g", ""},
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char text[256];
        const int size = snprintf(text, sizeof text, "%s%s", commands[i].first, commands[i].rest);
        CHECK(shell_backslash(text, (size_t)size) == strlen(commands[i].first));
    }
}

TEST(bare_words_are_commands)
{
    CHECK(strcmp(shell_plain_command("help\n", 5), ".help") == 0);
    CHECK(strcmp(shell_plain_command("  EXIT ;\n", 9), ".quit") == 0);
    CHECK(strcmp(shell_plain_command("quit", 4), ".quit") == 0);
    CHECK(shell_plain_command("help me\n", 8) == NULL);
    CHECK(shell_plain_command("", 0) == NULL);
    CHECK(shell_plain_command("quitter", 7) == NULL);
}

TEST(a_wrong_word_finds_the_one_that_was_meant)
{
    static const char *const names[] = {"\\timing", "\\x", "\\d", "\\watch", "markdown"};
    CHECK(strcmp(shell_similar("\\timng", names, 5), "\\timing") == 0);
    CHECK(strcmp(shell_similar("markdwon", names, 5), "markdown") == 0);
    CHECK(shell_similar("\\zzz", names, 5) == NULL);
    CHECK(shell_similar("", names, 5) == NULL);
}
