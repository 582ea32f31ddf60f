#include "sql/parse/friendly.h"

#include <string.h>
#include <strings.h>

#include "base/list.h"

#define NEST_MAX 200u

enum token_kind { TOKEN_WORD = 1, TOKEN_TEXT, TOKEN_NAME, TOKEN_OTHER, TOKEN_SYMBOL };

struct token {
    uint8_t kind;
    uint32_t begin;
    uint32_t end;
    uint32_t partner; /* Of an opening parenthesis: the closing one's number. */
};

struct rewriter {
    const char *text;
    struct token *tokens;
    uint32_t count;
    struct buffer out;
    struct list pieces;
    uint32_t emitted; /* End of what was copied last. */
    bool changed;
    bool failed;
    uint32_t depth;
};

/* ---- tokens ---- */

static bool is_letter(uint8_t byte)
{
    return byte == '_' || byte >= 0x80 || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* Past the quote that closes the one at `at`. */
static size_t quoted_end(const char *text, size_t at, size_t size, bool escapes)
{
    char quote = text[at++];
    while (at < size) {
        if (escapes && text[at] == '\\') {
            at += 2;
            continue;
        }
        if (text[at] == quote) {
            if (at + 1 >= size || text[at + 1] != quote) {
                return at + 1;
            }
            at++;
        }
        at++;
    }
    return size;
}

/* $tag$ ... $tag$; 0 when it is none. */
static size_t dollar_end(const char *text, size_t at, size_t size)
{
    size_t tag = at + 1;
    while (tag < size && (is_letter((uint8_t)text[tag]) || is_digit((uint8_t)text[tag]))) {
        tag++;
    }
    if (tag >= size || text[tag] != '$' || is_digit((uint8_t)text[at + 1])) {
        return 0;
    }
    size_t length = tag + 1 - at;
    for (size_t i = tag + 1; i + length <= size; i++) {
        if (memcmp(text + i, text + at, length) == 0) {
            return i + length;
        }
    }
    return size;
}

/* Blanks and comments, which may be nested. */
static size_t skip_blank(const char *text, size_t at, size_t size)
{
    while (at < size) {
        if (strchr(" \t\r\n\f\v", text[at]) != NULL) {
            at++;
        } else if (text[at] == '-' && at + 1 < size && text[at + 1] == '-') {
            while (at < size && text[at] != '\n') {
                at++;
            }
        } else if (text[at] == '/' && at + 1 < size && text[at + 1] == '*') {
            size_t depth = 0;
            do {
                bool opens = at + 1 < size && text[at] == '/' && text[at + 1] == '*';
                bool closes = at + 1 < size && text[at] == '*' && text[at + 1] == '/';
                depth = opens ? depth + 1 : closes ? depth - 1 : depth;
                at += opens || closes ? 2 : 1;
            } while (depth > 0 && at < size);
        } else {
            break;
        }
    }
    return at;
}

static struct token next_token(const char *text, size_t at, size_t size)
{
    struct token token = {.kind = TOKEN_SYMBOL, .begin = (uint32_t)at};
    uint8_t byte = (uint8_t)text[at];
    size_t end = at + 1;
    bool prefixed = end < size && text[end] == '\'' && strchr("eEbBxXnN", byte) != NULL;
    if (prefixed) {
        token.kind = TOKEN_OTHER;
        end = quoted_end(text, end, size, byte == 'e' || byte == 'E');
    } else if (is_letter(byte)) {
        token.kind = TOKEN_WORD;
        while (end < size && (is_letter((uint8_t)text[end]) || is_digit((uint8_t)text[end]) ||
                              text[end] == '$')) {
            end++;
        }
    } else if (is_digit(byte)) {
        token.kind = TOKEN_OTHER;
        while (end < size && (is_letter((uint8_t)text[end]) || is_digit((uint8_t)text[end]) ||
                              text[end] == '.')) {
            end++;
        }
    } else if (byte == '\'' || byte == '"') {
        token.kind = byte == '"' ? TOKEN_NAME : TOKEN_TEXT;
        end = quoted_end(text, at, size, false);
    } else if (byte == '$' && dollar_end(text, at, size) > 0) {
        token.kind = TOKEN_OTHER;
        end = dollar_end(text, at, size);
    }
    token.end = (uint32_t)(end > size ? size : end);
    return token;
}

/* Finds the partner of each parenthesis; false when they do not match. */
static bool pair_up(struct token *tokens, uint32_t count, const char *text)
{
    uint32_t open[NEST_MAX];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < count; i++) {
        char byte = tokens[i].kind == TOKEN_SYMBOL ? text[tokens[i].begin] : ' ';
        if (byte == '(') {
            if (depth == NEST_MAX) {
                return false;
            }
            open[depth++] = i;
        } else if (byte == ')') {
            if (depth == 0) {
                return false;
            }
            tokens[open[--depth]].partner = i;
        }
    }
    return depth == 0;
}

/* ---- looking ---- */

static bool is_word(const struct rewriter *rewriter, uint32_t i, uint32_t end, const char *word)
{
    if (i >= end || rewriter->tokens[i].kind != TOKEN_WORD) {
        return false;
    }
    const struct token *token = &rewriter->tokens[i];
    size_t size = token->end - token->begin;
    return size == strlen(word) && strncasecmp(rewriter->text + token->begin, word, size) == 0;
}

static bool is_any(const struct rewriter *rewriter, uint32_t i, uint32_t end,
                   const char *const *words)
{
    for (size_t w = 0; words[w] != NULL; w++) {
        if (is_word(rewriter, i, end, words[w])) {
            return true;
        }
    }
    return false;
}

static bool is_symbol(const struct rewriter *rewriter, uint32_t i, uint32_t end, char symbol)
{
    return i < end && rewriter->tokens[i].kind == TOKEN_SYMBOL &&
           rewriter->text[rewriter->tokens[i].begin] == symbol;
}

/* The next token at the same depth. */
static uint32_t after(const struct rewriter *rewriter, uint32_t i)
{
    return is_symbol(rewriter, i, rewriter->count, '(') ? rewriter->tokens[i].partner + 1 : i + 1;
}

static uint32_t find_any(const struct rewriter *rewriter, uint32_t i, uint32_t end,
                         const char *const *words)
{
    while (i < end && !is_any(rewriter, i, end, words)) {
        i = after(rewriter, i);
    }
    return i < end ? i : end;
}

static const char *const set_words[] = {"UNION", "INTERSECT", "EXCEPT", NULL};
static const char *const tail_words[] = {"WHERE", "GROUP",  "HAVING", "WINDOW", "ORDER",
                                         "LIMIT", "OFFSET", "FETCH",  "FOR",    NULL};
static const char *const query_words[] = {"SELECT", "FROM",     "WITH",      "VALUES",
                                          "TABLE",  "DESCRIBE", "SUMMARIZE", NULL};
static const char *const main_words[] = {"SELECT", "FROM", "VALUES", NULL};

/* ---- writing ---- */

static void copy_bytes(struct rewriter *rewriter, uint32_t from, uint32_t to)
{
    struct friendly_piece piece = {.to = (uint32_t)rewriter->out.size, .from = from};
    if (from >= to) {
        return;
    }
    rewriter->failed = rewriter->failed || list_push(&rewriter->pieces, &piece) == NULL;
    buffer_put(&rewriter->out, rewriter->text + from, to - from);
}

/* A text of ours, which stands for what is at `at` of the old text. */
static void put(struct rewriter *rewriter, const char *text, uint32_t at)
{
    struct friendly_piece piece = {.to = (uint32_t)rewriter->out.size, .from = at, .put_in = true};
    rewriter->failed = rewriter->failed || list_push(&rewriter->pieces, &piece) == NULL;
    buffer_put_text(&rewriter->out, text);
    rewriter->changed = true;
}

/* A token, with a blank before it. */
static void copy_token(struct rewriter *rewriter, uint32_t i)
{
    const struct token *token = &rewriter->tokens[i];
    bool touches = i > 0 && rewriter->tokens[i - 1].end == token->begin;
    if (!touches || rewriter->emitted != token->begin) {
        buffer_put_text(&rewriter->out, " ");
    }
    copy_bytes(rewriter, token->begin, token->end);
    rewriter->emitted = token->end;
}

static uint32_t place(const struct rewriter *rewriter, uint32_t i)
{
    return i < rewriter->count   ? rewriter->tokens[i].begin
           : rewriter->count > 0 ? rewriter->tokens[rewriter->count - 1].end
                                 : 0;
}

static void put_query(struct rewriter *rewriter, uint32_t i, uint32_t end);

/* What is in parentheses. */
static uint32_t put_group(struct rewriter *rewriter, uint32_t i);

/* A name as a text: folded unless it was quoted. */
static void put_name_text(struct rewriter *rewriter, uint32_t i)
{
    const struct token *token = &rewriter->tokens[i];
    bool quoted = token->kind == TOKEN_NAME;
    put(rewriter, " '", token->begin);
    for (uint32_t b = token->begin + quoted; b < token->end - quoted; b++) {
        char byte = rewriter->text[b];
        byte = !quoted && byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
        buffer_put(&rewriter->out, &byte, 1);
        if (byte == '\'') {
            buffer_put(&rewriter->out, &byte, 1);
        }
    }
    buffer_put_text(&rewriter->out, "'");
}

static bool is_name(const struct rewriter *rewriter, uint32_t i, uint32_t end)
{
    return i < end &&
           (rewriter->tokens[i].kind == TOKEN_WORD || rewriter->tokens[i].kind == TOKEN_NAME);
}

static void put_range(struct rewriter *rewriter, uint32_t i, uint32_t end, bool in_query);

/* (e AS a, f AS b): e, 'a', f, 'b' */
static void put_replacements(struct rewriter *rewriter, uint32_t i, uint32_t end)
{
    while (i < end) {
        uint32_t stop = i;
        uint32_t as = end;
        while (stop < end && !is_symbol(rewriter, stop, end, ',')) {
            as = is_word(rewriter, stop, end, "AS") ? stop : as;
            stop = after(rewriter, stop);
        }
        put(rewriter, ",", place(rewriter, i));
        put_range(rewriter, i, as < stop ? as : stop, false);
        put(rewriter, ",", place(rewriter, i));
        if (is_name(rewriter, as + 1, stop)) {
            put_name_text(rewriter, as + 1);
        } else {
            put(rewriter, " NULL", place(rewriter, i));
        }
        i = stop + 1;
    }
}

static const char *const star_words[] = {"EXCLUDE", "REPLACE", NULL};

/* `i` is the star, `table` the name before it (UINT32_MAX: none). Returns what comes after. */
static uint32_t put_star(struct rewriter *rewriter, uint32_t i, uint32_t end, uint32_t table)
{
    uint32_t replace = UINT32_MAX;
    put(rewriter, " \"" FRIENDLY_STAR "\"(", place(rewriter, i));
    if (table == UINT32_MAX) {
        put(rewriter, "'', ARRAY[", place(rewriter, i));
    } else {
        put_name_text(rewriter, table);
        put(rewriter, ", ARRAY[", place(rewriter, i));
    }
    bool first = true;
    for (i++; is_any(rewriter, i, end, star_words);) {
        bool excludes = is_word(rewriter, i, end, "EXCLUDE");
        uint32_t from = i + 1;
        uint32_t to = i + 2;
        i += 2;
        if (is_symbol(rewriter, from, end, '(')) {
            to = rewriter->tokens[from].partner;
            i = to + 1;
            from++;
        }
        replace = excludes ? replace : from;
        for (; excludes && from < to && from < end; from++) {
            if (is_name(rewriter, from, end)) {
                put(rewriter, first ? "" : ",", place(rewriter, from));
                put_name_text(rewriter, from);
                first = false;
            }
        }
    }
    put(rewriter, "]", place(rewriter, i));
    if (replace != UINT32_MAX) {
        put_replacements(rewriter, replace, i - 1);
    }
    put(rewriter, ")", place(rewriter, i));
    return i;
}

/* GROUP BY ALL, ORDER BY ALL: `i` is the first word. */
static bool is_all(const struct rewriter *rewriter, uint32_t i, uint32_t end)
{
    static const char *const next[] = {"HAVING", "WINDOW", "ORDER",     "LIMIT", "OFFSET",
                                       "FETCH",  "FOR",    "ASC",       "DESC",  "NULLS",
                                       "UNION",  "EXCEPT", "INTERSECT", NULL};
    bool begins = (is_word(rewriter, i, end, "GROUP") || is_word(rewriter, i, end, "ORDER")) &&
                  is_word(rewriter, i + 1, end, "BY") && is_word(rewriter, i + 2, end, "ALL");
    return begins && (i + 3 >= end || is_any(rewriter, i + 3, end, next) ||
                      is_symbol(rewriter, i + 3, end, ';'));
}

/* Tokens [i, end) with what is friendly among them. `in_query`: FROM is the clause. */
static void put_range(struct rewriter *rewriter, uint32_t i, uint32_t end, bool in_query)
{
    bool in_from = false;
    while (i < end) {
        bool dotted =
            i >= 2 && is_symbol(rewriter, i - 1, end, '.') && is_name(rewriter, i - 2, end);
        if (is_symbol(rewriter, i, end, '(')) {
            i = put_group(rewriter, i);
            continue;
        }
        if (is_symbol(rewriter, i, end, '*') && !dotted &&
            is_any(rewriter, i + 1, end, star_words)) {
            i = put_star(rewriter, i, end, UINT32_MAX);
            continue;
        }
        if (is_name(rewriter, i, end) && is_symbol(rewriter, i + 1, end, '.') &&
            is_symbol(rewriter, i + 2, end, '*') && is_any(rewriter, i + 3, end, star_words)) {
            i = put_star(rewriter, i + 2, end, i);
            continue;
        }
        if (is_all(rewriter, i, end)) {
            copy_token(rewriter, i);
            copy_token(rewriter, i + 1);
            put(rewriter, " \"" FRIENDLY_ALL "\"", place(rewriter, i + 2));
            i += 3;
            in_from = false;
            continue;
        }
        if (in_query && is_word(rewriter, i, end, "FROM") &&
            !(i > 0 && is_word(rewriter, i - 1, end, "DISTINCT"))) {
            in_from = true;
        } else if (is_any(rewriter, i, end, tail_words)) {
            in_from = false;
        }
        bool place_of_table =
            in_from && i > 0 &&
            (is_word(rewriter, i - 1, end, "FROM") || is_word(rewriter, i - 1, end, "JOIN") ||
             is_symbol(rewriter, i - 1, end, ','));
        if (place_of_table && rewriter->tokens[i].kind == TOKEN_TEXT) {
            const struct token *token = &rewriter->tokens[i];
            put(rewriter, " \"", token->begin);
            copy_bytes(rewriter, token->begin + 1, token->end - 1);
            put(rewriter, "\"", token->end - 1);
            rewriter->emitted = token->end;
            i++;
            continue;
        }
        // A comma before FROM or the end of a list is one too many.
        if (in_query && is_symbol(rewriter, i, end, ',') && is_word(rewriter, i + 1, end, "FROM")) {
            rewriter->changed = true;
            i++;
            continue;
        }
        copy_token(rewriter, i++);
    }
}

static uint32_t put_group(struct rewriter *rewriter, uint32_t i)
{
    uint32_t close = rewriter->tokens[i].partner;
    copy_token(rewriter, i);
    if (++rewriter->depth > NEST_MAX) {
        rewriter->failed = true;
    } else if (is_any(rewriter, i + 1, close, query_words)) {
        put_query(rewriter, i + 1, close);
    } else {
        put_range(rewriter, i + 1, close, false);
    }
    rewriter->depth--;
    copy_token(rewriter, close);
    return close + 1;
}

/* ---- queries ---- */

/* SELECT [ALL | DISTINCT [ON (...)]] at `i`, with a mark behind it. Returns what comes after. */
static uint32_t put_select_word(struct rewriter *rewriter, uint32_t i, uint32_t end, bool by_name)
{
    copy_token(rewriter, i++);
    if (is_word(rewriter, i, end, "DISTINCT") || is_word(rewriter, i, end, "ALL")) {
        copy_token(rewriter, i++);
        if (is_word(rewriter, i, end, "ON") && is_symbol(rewriter, i + 1, end, '(')) {
            copy_token(rewriter, i);
            i = put_group(rewriter, i + 1);
        }
    }
    if (by_name) {
        put(rewriter, " \"" FRIENDLY_BY_NAME "\"(),", place(rewriter, i));
    }
    return i;
}

/* One operand of UNION and the like, or the whole of a query without them. */
static void put_operand(struct rewriter *rewriter, uint32_t i, uint32_t end, bool by_name)
{
    static const char *const select_word[] = {"SELECT", NULL};
    if (is_word(rewriter, i, end, "SELECT")) {
        i = put_select_word(rewriter, i, end, by_name);
        put_range(rewriter, i, end, true);
        return;
    }
    if (!is_word(rewriter, i, end, "FROM")) {
        put_range(rewriter, i, end, true);
        return;
    }
    uint32_t select = find_any(rewriter, i + 1, end, select_word);
    if (select == end) {
        put(rewriter, by_name ? " SELECT \"" FRIENDLY_BY_NAME "\"(), *" : " SELECT *",
            place(rewriter, i));
        put_range(rewriter, i, end, true);
        return;
    }
    uint32_t stop = find_any(rewriter, select, end, tail_words);
    rewriter->changed = true;
    uint32_t list = put_select_word(rewriter, select, stop, by_name);
    put_range(rewriter, list, stop, false);
    put_range(rewriter, i, select, true);
    put_range(rewriter, stop, end, true);
}

/* DESCRIBE and SUMMARIZE of a query or a table. */
static void put_about(struct rewriter *rewriter, uint32_t i, uint32_t end, const char *alias)
{
    put(rewriter, " SELECT * FROM (", place(rewriter, i));
    if (is_any(rewriter, i + 1, end, query_words) || is_symbol(rewriter, i + 1, end, '(')) {
        put_query(rewriter, i + 1, end);
    } else {
        put(rewriter, "SELECT * FROM", place(rewriter, i));
        const struct token *token = &rewriter->tokens[i + 1];
        if (i + 1 < end && token->kind == TOKEN_TEXT) {
            put(rewriter, " \"", token->begin);
            copy_bytes(rewriter, token->begin + 1, token->end - 1);
            put(rewriter, "\"", token->end - 1);
            put_range(rewriter, i + 2, end, true);
        } else {
            put_range(rewriter, i + 1, end, true);
        }
    }
    put(rewriter, ") \"", place(rewriter, end));
    put(rewriter, alias, place(rewriter, end));
    put(rewriter, "\"", place(rewriter, end));
}

static void put_query(struct rewriter *rewriter, uint32_t i, uint32_t end)
{
    if (is_word(rewriter, i, end, "DESCRIBE")) {
        put_about(rewriter, i, end, FRIENDLY_DESCRIBE);
        return;
    }
    if (is_word(rewriter, i, end, "SUMMARIZE")) {
        put_about(rewriter, i, end, FRIENDLY_SUMMARIZE);
        return;
    }
    if (is_word(rewriter, i, end, "WITH")) {
        uint32_t main = find_any(rewriter, i + 1, end, main_words);
        put_range(rewriter, i, main, false);
        i = main;
    }
    bool by_name = false;
    while (i < end) {
        uint32_t stop = find_any(rewriter, i, end, set_words);
        put_operand(rewriter, i, stop, by_name);
        by_name = false;
        i = stop;
        if (i < end) {
            copy_token(rewriter, i++);
        }
        if (is_word(rewriter, i, end, "ALL") || is_word(rewriter, i, end, "DISTINCT")) {
            copy_token(rewriter, i++);
        }
        if (is_word(rewriter, i, end, "BY") && is_word(rewriter, i + 1, end, "NAME")) {
            by_name = true;
            i += 2;
        }
    }
}

/* A statement: its query begins with the first FROM or SELECT of those that have one. */
static void put_statement(struct rewriter *rewriter, uint32_t i, uint32_t end)
{
    static const char *const leaders[] = {"INSERT", "CREATE", "EXPLAIN", NULL};
    static const char *const about[] = {"SELECT",    "FROM", "VALUES", "DESCRIBE",
                                        "SUMMARIZE", "BY",   NULL};
    if (is_any(rewriter, i, end, query_words)) {
        put_query(rewriter, i, end);
        return;
    }
    if (!is_any(rewriter, i, end, leaders)) {
        put_range(rewriter, i, end,
                  is_word(rewriter, i, end, "DELETE") || is_word(rewriter, i, end, "UPDATE"));
        return;
    }
    uint32_t query = find_any(rewriter, i + 1, end, about);
    put_range(rewriter, i, query, false);
    if (is_word(rewriter, query, end, "BY") && is_word(rewriter, query + 1, end, "NAME")) {
        put_operand(rewriter, query + 2, end, true);
    } else {
        put_query(rewriter, query, end);
    }
}

/* ---- all of it ---- */

static bool read_tokens(struct span text, struct arena *arena, struct rewriter *rewriter)
{
    size_t room = 0;
    const char *bytes = (const char *)text.data;
    for (size_t at = skip_blank(bytes, 0, text.size); at < text.size; room++) {
        at = skip_blank(bytes, next_token(bytes, at, text.size).end, text.size);
    }
    rewriter->tokens = arena_array(arena, room + 4, sizeof *rewriter->tokens);
    if (rewriter->tokens == NULL) {
        return false;
    }
    for (size_t at = skip_blank(bytes, 0, text.size); at < text.size;) {
        rewriter->tokens[rewriter->count] = next_token(bytes, at, text.size);
        at = skip_blank(bytes, rewriter->tokens[rewriter->count++].end, text.size);
    }
    return pair_up(rewriter->tokens, rewriter->count, bytes);
}

bool friendly_rewrite(struct span text, struct arena *arena, struct friendly *friendly_out)
{
    struct rewriter rewriter = {.text = (const char *)text.data};
    if (text.size == 0 || !read_tokens(text, arena, &rewriter)) {
        return false;
    }
    buffer_init(&rewriter.out, arena->alloc);
    list_init(&rewriter.pieces, arena->alloc, sizeof(struct friendly_piece));
    for (uint32_t i = 0; i < rewriter.count;) {
        uint32_t end = i;
        while (end < rewriter.count && !is_symbol(&rewriter, end, rewriter.count, ';')) {
            end++;
        }
        put_statement(&rewriter, i, end);
        if (end < rewriter.count) {
            copy_token(&rewriter, end);
        }
        i = end + 1;
    }
    bool good = rewriter.changed && !rewriter.failed && !rewriter.out.failed;
    if (good) {
        friendly_out->text = arena_text(arena, buffer_span(&rewriter.out));
        friendly_out->piece_count = (uint32_t)rewriter.pieces.count;
        friendly_out->pieces =
            arena_array(arena, rewriter.pieces.count + 1, sizeof *friendly_out->pieces);
        good = friendly_out->text != NULL && friendly_out->pieces != NULL;
    }
    if (good) {
        memcpy(friendly_out->pieces, rewriter.pieces.items,
               rewriter.pieces.count * sizeof *friendly_out->pieces);
    }
    buffer_deinit(&rewriter.out);
    list_deinit(&rewriter.pieces);
    return good;
}

uint32_t friendly_source(const struct friendly *friendly, uint32_t byte)
{
    if (friendly == NULL || friendly->piece_count == 0) {
        return byte;
    }
    uint32_t low = 0;
    uint32_t high = friendly->piece_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        *(friendly->pieces[middle].to <= byte ? &low : &high) = middle;
    }
    const struct friendly_piece *piece = &friendly->pieces[low];
    if (byte < piece->to) {
        return piece->from;
    }
    return piece->put_in ? piece->from : piece->from + (byte - piece->to);
}
