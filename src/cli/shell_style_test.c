/*
 * Goal: every byte of a text has the style of the word it is in, whatever is typed so far. Method:
 * the styles as letters below the text; every text cut at every place, where no style may be
 * missing.
 */

#include <string.h>

#include "cli/shell_words.h"
#include "test.h"

struct sample {
    const char *text;
    const char *styles; /* K keyword, s string, n number, c comment, m command, . plain. */
};

static const struct sample samples[] = {
    {"SELECT 1", "KKKKKK.n"},
    {"select x1", "KKKKKK..."},
    {"selects", "......."},
    {"SELECT 'it''s', \"from\"", "KKKKKK.sssssss........"},
    {"1.5e3+x", "nnnnn.."},
    {"/* a */ AS -- b", "ccccccccKK.cccc"},
    {"-- FROM\nFROM", "ccccccccKKKK"},
    {"\\d films", "mmmmmmmm"},
    {".mode box", "mmmmmmmmm"},
    {"a.b", "..."},
    {"'open", "sssss"},
    {"/* open", "ccccccc"},
    {"\xc3\xa4 AS", "...KK"},
};

static char letter_of(uint8_t style)
{
    static const char letters[] = {
        [EDITOR_PLAIN] = '.',  [EDITOR_KEYWORD] = 'K', [EDITOR_STRING] = 's',
        [EDITOR_NUMBER] = 'n', [EDITOR_COMMENT] = 'c', [EDITOR_COMMAND] = 'm'};
    return style < sizeof letters ? letters[style] : '?';
}

TEST(words_have_their_styles)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        uint8_t styles[64] = {0};
        char letters[64] = "";
        const size_t size = strlen(samples[i].text);
        shell_style(samples[i].text, size, styles);
        for (size_t k = 0; k < size; k++) {
            letters[k] = letter_of(styles[k]);
        }
        if (strcmp(letters, samples[i].styles) != 0) {
            (void)fprintf(stderr, "%s\n%s\n", samples[i].text, letters);
        }
        CHECK(strcmp(letters, samples[i].styles) == 0);
    }
}

TEST(no_cut_leaves_a_byte_without_a_style)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        for (size_t size = 0; size <= strlen(samples[i].text); size++) {
            uint8_t styles[64];
            memset(styles, 0xFF, sizeof styles);
            shell_style(samples[i].text, size, styles);
            for (size_t k = 0; k < size; k++) {
                CHECK(styles[k] != 0xFF);
            }
            CHECK(styles[size] == 0xFF);
        }
    }
}

TEST(key_words_are_sorted_and_all_are_found)
{
    size_t count = 0;
    const char *const *words = shell_keywords(&count);
    for (size_t i = 0; i < count; i++) {
        uint8_t styles[32] = {0};
        CHECK(i == 0 || strcmp(words[i - 1], words[i]) < 0);
        shell_style(words[i], strlen(words[i]), styles);
        CHECK(styles[0] == EDITOR_KEYWORD);
    }
}
