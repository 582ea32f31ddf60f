/* Completion: what may stand at the cursor, from the catalog, the folder and lists. */

#include <glob.h>
#include <string.h>
#include <strings.h>

#include "cli/shell_words.h"

#define PATH_SIZE     4096
#define CHOICE_MAX    "500"
#define TEXT_SIZE_MAX 65536 /* Of a statement whose tables are looked for. */

/* The text before the cursor, taken apart. */
struct place {
    struct shell *shell;
    struct editor_choices *choices;
    const char *text;
    size_t cursor;
    const char *word; /* Up to the cursor. */
    size_t word_size;
};

static void add_names(struct place *place, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], place->word, place->word_size) == 0) {
            editor_choices_add(place->choices, names[i], strlen(names[i]));
        }
    }
}

/* In the case of what is typed; capitals when that has no letters. */
static void add_keywords(struct place *place)
{
    size_t count = 0;
    const char *const *names = shell_keywords(&count);
    const bool is_lower = place->word_size > 0 && place->word[place->word_size - 1] >= 'a' &&
                          place->word[place->word_size - 1] <= 'z';
    for (size_t i = 0; i < count; i++) {
        char word[32];
        size_t size = strlen(names[i]);
        if (strncasecmp(names[i], place->word, place->word_size) != 0 || size >= sizeof word) {
            continue;
        }
        for (size_t k = 0; k < size; k++) {
            word[k] = is_lower ? (char)(names[i][k] | 0x20) : names[i][k];
        }
        editor_choices_add(place->choices, word, size);
    }
}

/* ---- from the catalog ---- */

static void put_literal(struct buffer *sql, const char *text, size_t size)
{
    buffer_put_text(sql, "'");
    for (size_t i = 0; i < size; i++) {
        buffer_put(sql, text + i, 1);
        if (text[i] == '\'') {
            buffer_put_text(sql, "'");
        }
    }
    buffer_put_text(sql, "'");
}

static bool add_row(void *context, const struct span *values, uint32_t count)
{
    struct place *place = context;
    (void)count;
    editor_choices_add(place->choices, (const char *)values[0].data, values[0].size);
    return true;
}

/* Asks for the names that `name` gives in `from` and that begin with the word; names in capitals
 * are found by small letters too. */
static void add_from(struct place *place, const char *name, const char *from,
                     const struct buffer *condition)
{
    struct buffer sql;
    buffer_init(&sql, &alloc_system);
    buffer_printf(&sql, "SELECT DISTINCT %s %s AND lower(left(%s, %zu)) = lower(", name, from, name,
                  place->word_size);
    put_literal(&sql, place->word, place->word_size);
    buffer_put_text(&sql, ")");
    if (condition != NULL) {
        buffer_put(&sql, condition->data, condition->size);
    }
    buffer_put_text(&sql, " ORDER BY 1 LIMIT " CHOICE_MAX);
    buffer_put(&sql, "", 1);
    if (!sql.failed) {
        (void)shell_rows(place->shell, (const char *)sql.data, true, add_row, place);
    }
    buffer_deinit(&sql);
}

static const char from_relations[] =
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'v', 'm', 'S', 'p')";
static const char from_columns[] =
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'p')";

static void add_tables(struct place *place)
{
    struct buffer visible;
    buffer_init(&visible, &alloc_system);
    buffer_put_text(&visible, " AND pg_catalog.pg_table_is_visible(c.oid)");
    if (place->word_size < 3 || strncasecmp(place->word, "pg_", 3) != 0) {
        buffer_put_text(&visible, " AND n.nspname <> 'pg_catalog'");
    }
    add_from(place, "quote_ident(c.relname)", from_relations, &visible);
    add_from(place, "quote_ident(n.nspname) || '.'",
             "FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_toast'", NULL);
    buffer_deinit(&visible);
}

/* Of the tables whose names the statement has anywhere: the select list comes before FROM. */
static void add_columns(struct place *place)
{
    const size_t size = strlen(place->text);
    struct buffer mentioned;
    if (size > TEXT_SIZE_MAX) {
        return;
    }
    buffer_init(&mentioned, &alloc_system);
    buffer_put_text(&mentioned, " AND n.nspname <> 'pg_catalog' AND strpos(lower(");
    put_literal(&mentioned, place->text, size);
    buffer_put_text(&mentioned, "), c.relname) > 0");
    add_from(place, "quote_ident(a.attname)", from_columns, &mentioned);
    buffer_deinit(&mentioned);
}

static void add_functions(struct place *place)
{
    add_from(place, "p.proname || '('", "FROM pg_catalog.pg_proc p WHERE true", NULL);
}

/* What stands behind a dot: a table of the schema, or a column of the table or of what is named so.
 */
static void add_members(struct place *place, const char *owner, size_t owner_size)
{
    const size_t size = strlen(place->text);
    struct buffer of;
    if (size > TEXT_SIZE_MAX) {
        return;
    }
    buffer_init(&of, &alloc_system);
    buffer_put_text(&of, " AND n.nspname = ");
    put_literal(&of, owner, owner_size);
    add_from(place, "quote_ident(c.relname)", from_relations, &of);
    buffer_clear(&of);
    buffer_put_text(&of, " AND (c.relname = lower(");
    put_literal(&of, owner, owner_size);
    buffer_put_text(&of, ") OR (c.relname ~ '^\\w+$' AND ");
    put_literal(&of, place->text, size);
    buffer_put_text(&of, " ~* ('\\m' || c.relname || '\\s+(as\\s+)?' || ");
    put_literal(&of, owner, owner_size);
    buffer_put_text(&of, " || '\\M')))");
    add_from(place, "quote_ident(a.attname)", from_columns, &of);
    buffer_deinit(&of);
}

/* ---- from the folder ---- */

/* `word` is a path so far; inside of quotes a file's name ends them. */
static void add_files(struct place *place, bool is_quoted)
{
    struct buffer pattern;
    glob_t found = {0};
    const char *slash = memrchr(place->word, '/', place->word_size);
    const size_t folder_size = slash == NULL ? 0 : (size_t)(slash + 1 - place->word);
    buffer_init(&pattern, &alloc_system);
    for (size_t i = 0; i < place->word_size; i++) {
        if (strchr("*?[\\", place->word[i]) != NULL) {
            buffer_put_text(&pattern, "\\");
        }
        buffer_put(&pattern, place->word + i, 1);
    }
    buffer_put(&pattern, "*", 2);
    place->choices->word_size = place->word_size - folder_size;
    if (!pattern.failed && glob((const char *)pattern.data, GLOB_MARK, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char name[PATH_SIZE];
            const char *path = found.gl_pathv[i];
            const bool is_folder = path[strlen(path) - 1] == '/';
            (void)snprintf(name, sizeof name, "%s%s", path + folder_size,
                           is_quoted && !is_folder ? "'" : "");
            editor_choices_add(place->choices, name, strlen(name));
        }
        globfree(&found);
    }
    buffer_deinit(&pattern);
}

/* ---- where the cursor is ---- */

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* The word before the one at the cursor; false: there is none. */
static bool is_after(const struct place *place, const char *const *words, size_t count)
{
    const char *end = place->word;
    while (end > place->text && !is_word_byte(end[-1])) {
        end--;
    }
    const char *start = end;
    while (start > place->text && is_word_byte(start[-1])) {
        start--;
    }
    for (size_t i = 0; i < count; i++) {
        if ((size_t)(end - start) == strlen(words[i]) &&
            strncasecmp(start, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The arguments of a command. */
static void complete_argument(struct place *place, const char *command)
{
    size_t count = 0;
    if (starts_with(command, ".mode") || starts_with(command, "\\pset format")) {
        const char *const *names = print_mode_names(&count);
        add_names(place, names, count);
    } else if (starts_with(command, "\\d") || starts_with(command, ".schema")) {
        add_tables(place);
    } else if (starts_with(command, "\\h")) {
        add_keywords(place);
    } else {
        add_files(place, false);
    }
}

/* Whether the cursor is inside of single quotes, and where these begin. */
static bool find_quote(const struct place *place, const char **start_out)
{
    const char *start = NULL;
    for (const char *at = place->text; at < place->text + place->cursor; at++) {
        if (*at == '\'') {
            start = start == NULL ? at + 1 : NULL;
        }
    }
    *start_out = start;
    return start != NULL;
}

static void complete_sql(struct place *place)
{
    static const char *const before_tables[] = {"FROM",     "JOIN",     "INTO",    "UPDATE",
                                                "TABLE",    "DESCRIBE", "ANALYZE", "SUMMARIZE",
                                                "TRUNCATE", "COPY",     "VIEW",    "REFERENCES"};
    const char *dot = memrchr(place->word, '.', place->word_size);
    if (dot != NULL) {
        const char *owner = place->word;
        place->word_size -= (size_t)(dot + 1 - owner);
        place->word = dot + 1;
        place->choices->word_size = place->word_size;
        add_members(place, owner, (size_t)(dot - owner));
    } else if (is_after(place, before_tables, sizeof before_tables / sizeof before_tables[0])) {
        add_tables(place);
    } else {
        add_columns(place);
        if (place->word_size > 0) {
            add_keywords(place);
            add_functions(place);
            add_tables(place);
        }
    }
}

void shell_complete(struct shell *shell, const char *text, size_t cursor,
                    struct editor_choices *choices)
{
    struct place place = {.shell = shell, .choices = choices, .text = text, .cursor = cursor};
    const size_t blank = shell_blank_size(text, cursor);
    const char *first = text + blank;
    const bool is_command = blank < cursor && (*first == '\\' || *first == '.');
    const char *quote = NULL;
    if (is_command) {
        const char *at = text + cursor;
        while (at > first && at[-1] != ' ' && at[-1] != '\t') {
            at--;
        }
        place.word = at;
    } else if (find_quote(&place, &quote)) {
        place.word = quote;
    } else {
        const char *at = text + cursor;
        while (at > text && (is_word_byte(at[-1]) || at[-1] == '.')) {
            at--;
        }
        place.word = at;
    }
    place.word_size = (size_t)(text + cursor - place.word);
    choices->word_size = place.word_size;
    if (is_command && place.word == first) {
        size_t count = 0;
        const char *const *names = shell_command_names(&count);
        add_names(&place, names, count);
    } else if (is_command) {
        complete_argument(&place, first);
    } else if (quote != NULL) {
        add_files(&place, true);
    } else {
        complete_sql(&place);
    }
}
