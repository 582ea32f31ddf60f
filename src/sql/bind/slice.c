/* Cutting an expression's text out of a definition, with a small scanner of SQL's tokens. The
 * grammar tells where a constraint begins, but not where it ends. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/view_info.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    size_t begin;
    size_t end;
};

static size_t skip_blank(struct span text, size_t at)
{
    while (at < text.size) {
        if (isspace(text.data[at])) {
            at++;
        } else if (at + 1 < text.size && text.data[at] == '-' && text.data[at + 1] == '-') {
            while (at < text.size && text.data[at] != '\n') {
                at++;
            }
        } else if (at + 1 < text.size && text.data[at] == '/' && text.data[at + 1] == '*') {
            uint32_t depth = 0;
            do {
                bool open = at + 1 < text.size && text.data[at] == '/' && text.data[at + 1] == '*';
                bool close = at + 1 < text.size && text.data[at] == '*' && text.data[at + 1] == '/';
                depth += open;
                depth -= close;
                at += open || close ? 2 : 1;
            } while (depth > 0 && at < text.size);
        } else {
            break;
        }
    }
    return at;
}

/* The end of a quoted piece that begins at `at`; a doubled quote goes on. */
static size_t quoted_end(struct span text, size_t at, bool backslashes)
{
    uint8_t quote = text.data[at++];
    while (at < text.size) {
        if (backslashes && text.data[at] == '\\') {
            at += 2;
        } else if (text.data[at] == quote) {
            if (at + 1 >= text.size || text.data[at + 1] != quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at++;
        }
    }
    return text.size;
}

static bool is_word(uint8_t byte)
{
    return isalnum(byte) || byte == '_' || byte >= 0x80;
}

/* The end of $tag$...$tag$ that begins at `at`, or `at` if it is none. */
static size_t dollar_end(struct span text, size_t at)
{
    size_t tag = at + 1;
    while (tag < text.size && is_word(text.data[tag])) {
        tag++;
    }
    if (tag >= text.size || text.data[tag] != '$' || isdigit(text.data[at + 1])) {
        return at;
    }
    size_t size = tag + 1 - at;
    const uint8_t *close = memmem(text.data + tag + 1, text.size - tag - 1, text.data + at, size);
    return close == NULL ? text.size : (size_t)(close - text.data) + size;
}

static struct token next_token(struct span text, size_t at)
{
    at = skip_blank(text, at);
    struct token token = {TOKEN_OTHER, at, at + 1};
    if (at >= text.size) {
        return (struct token){TOKEN_END, text.size, text.size};
    }
    uint8_t byte = text.data[at];
    bool escapes = (byte == 'e' || byte == 'E') && at + 1 < text.size && text.data[at + 1] == '\'';
    if (escapes) {
        token.end = quoted_end(text, at + 1, true);
    } else if (byte == '\'' || byte == '"') {
        token.end = quoted_end(text, at, false);
    } else if (byte == '$') {
        size_t end = dollar_end(text, at);
        token.end = end > at ? end : at + 1;
    } else if (is_word(byte)) {
        token.kind = isdigit(byte) ? TOKEN_OTHER : TOKEN_WORD;
        while (token.end < text.size && is_word(text.data[token.end])) {
            token.end++;
        }
    }
    return token;
}

static bool is_any_of(struct span text, const struct token *token, const char *const *words)
{
    if (token->kind != TOKEN_WORD) {
        return false;
    }
    size_t size = token->end - token->begin;
    for (; *words != NULL; words++) {
        if (strlen(*words) == size &&
            strncasecmp((const char *)text.data + token->begin, *words, size) == 0) {
            return true;
        }
    }
    return false;
}

struct span bind_slice_default(struct span text, size_t begin)
{
    static const char *const start[] = {"default", NULL};
    static const char *const after[] = {
        "not",     "null",      "check",   "primary",    "unique",    "references", "constraint",
        "default", "generated", "collate", "deferrable", "initially", NULL};
    struct token token = next_token(text, begin);
    while (token.kind != TOKEN_END && !is_any_of(text, &token, start)) {
        token = next_token(text, token.end);
    }
    struct span slice = {.data = text.data + token.end, .size = 0};
    uint32_t depth = 0;
    size_t from = token.end;
    for (token = next_token(text, from); token.kind != TOKEN_END;
         token = next_token(text, token.end)) {
        uint8_t byte = text.data[token.begin];
        bool close = byte == ')' || byte == ']';
        bool stop = depth == 0 && slice.size > 0 &&
                    (byte == ',' || close || byte == ';' || is_any_of(text, &token, after));
        if (stop) {
            break;
        }
        depth += byte == '(' || byte == '[';
        depth -= close && depth > 0;
        slice.size = token.end - from;
    }
    return slice;
}

/* The end of the parentheses that `token` opens. */
static size_t close_of(struct span text, struct token token)
{
    uint32_t depth = 0;
    for (; token.kind != TOKEN_END; token = next_token(text, token.end)) {
        depth += text.data[token.begin] == '(';
        depth -= text.data[token.begin] == ')' && depth > 0;
        if (depth == 0) {
            return token.end;
        }
    }
    return text.size;
}

/* What stands in parentheses that enclose all of a text; the text itself if none do. */
static struct span inside(struct span text)
{
    struct token first = next_token(text, 0);
    bool opens = first.kind == TOKEN_OTHER && text.data[first.begin] == '(';
    size_t end = opens ? close_of(text, first) : 0;
    if (!opens || next_token(text, end).kind != TOKEN_END) {
        return text;
    }
    struct span inner = {.data = text.data + first.end, .size = end - 1 - first.end};
    size_t blank = skip_blank(inner, 0);
    return (struct span){.data = inner.data + blank, .size = inner.size - blank};
}

/* One pair of parentheses is kept of several around each other, so that what is shown and defined
 * again stays the same. */
static struct span single_pair(struct span text)
{
    struct span inner = inside(text);
    while (inner.size < text.size && inside(inner).size < inner.size) {
        text = inner;
        inner = inside(inner);
    }
    return text;
}

static struct span slice_parentheses(struct span text, size_t begin, const char *const *start)
{
    struct token token = next_token(text, begin);
    while (token.kind != TOKEN_END && !is_any_of(text, &token, start)) {
        token = next_token(text, token.end);
    }
    token = next_token(text, token.end);
    size_t from = token.begin;
    uint32_t depth = 0;
    for (; token.kind != TOKEN_END; token = next_token(text, token.end)) {
        depth += text.data[token.begin] == '(';
        depth -= text.data[token.begin] == ')' && depth > 0;
        if (depth == 0) {
            break;
        }
    }
    return single_pair((struct span){.data = text.data + from, .size = token.end - from});
}

struct span bind_slice_parentheses(struct span text, size_t begin)
{
    static const char *const start[] = {"check", NULL};
    return slice_parentheses(text, begin, start);
}

struct span bind_slice_generated(struct span text, size_t begin)
{
    static const char *const start[] = {"as", NULL};
    return slice_parentheses(text, begin, start);
}

static struct token find_byte(struct span text, size_t at, uint8_t byte)
{
    struct token token = next_token(text, at);
    while (token.kind != TOKEN_END && text.data[token.begin] != byte) {
        token = next_token(text, token.end);
    }
    return token;
}

struct span bind_slice_index(struct span text, uint32_t number)
{
    struct token token = find_byte(text, 0, '(');
    uint32_t depth = 0;
    for (token = next_token(text, token.end); token.kind != TOKEN_END && number > 0;
         token = next_token(text, token.end)) {
        uint8_t byte = text.data[token.begin];
        number -= byte == ',' && depth == 0;
        depth += byte == '(' || byte == '[';
        depth -= (byte == ')' || byte == ']') && depth > 0;
    }
    // An expression in parentheses, or a call.
    size_t begin = token.begin;
    token = find_byte(text, begin, '(');
    size_t end = close_of(text, token);
    return single_pair((struct span){.data = text.data + begin, .size = end - begin});
}

struct span bind_slice_predicate(struct span text)
{
    static const char *const where[] = {"where", NULL};
    struct token token = find_byte(text, 0, '(');
    size_t at = close_of(text, token);
    for (token = next_token(text, at);
         token.kind != TOKEN_END && !is_any_of(text, &token, where);) {
        bool opens = text.data[token.begin] == '(';
        token = next_token(text, opens ? close_of(text, token) : token.end);
    }
    size_t begin = token.end;
    size_t end = begin;
    for (token = next_token(text, begin); token.kind != TOKEN_END && text.data[token.begin] != ';';
         token = next_token(text, token.end)) {
        end = token.end;
    }
    struct span predicate = {.data = text.data + begin, .size = end - begin};
    for (struct span inner = inside(predicate); inner.size < predicate.size;
         inner = inside(inner)) {
        predicate = inner; // It is shown in parentheses anyway.
    }
    return predicate;
}

/* CREATE RECURSIVE VIEW v (a, b) AS q: WITH RECURSIVE v (a, b) AS (q) SELECT a, b FROM v. */
static tdbplus_status recursive_view(struct binder *binder, struct span name, struct span columns,
                                     struct span query, struct span *text_out)
{
    static const char format[] = "WITH RECURSIVE %.*s(%.*s) AS (%.*s) SELECT %.*s FROM %.*s";
    size_t size = sizeof format + 2 * name.size + 2 * columns.size + query.size;
    char *text = (char *)arena_bytes(binder->arena, size);
    if (text == NULL) {
        return bind_no_memory(binder);
    }
    int wrote = snprintf(text, size, format, (int)name.size, (const char *)name.data,
                         (int)columns.size, (const char *)columns.data, (int)query.size,
                         (const char *)query.data, (int)columns.size, (const char *)columns.data,
                         (int)name.size, (const char *)name.data);
    *text_out = (struct span){.data = (const uint8_t *)text, .size = (size_t)wrote};
    return TDBPLUS_OK;
}

/* Where the last words WITH [LOCAL | CASCADED] CHECK OPTION or WITH [NO] DATA of a text begin, or
 * its end. */
static size_t last_words_begin(struct span text, size_t at)
{
    static const char *const with[] = {"with", NULL};
    static const char *const kinds[] = {"local", "cascaded", "no", NULL};
    static const char *const data[] = {"data", NULL};
    static const char *const check[] = {"check", NULL};
    static const char *const option[] = {"option", NULL};
    size_t end = at;
    for (struct token token = next_token(text, at); token.kind != TOKEN_END;
         token = next_token(text, token.end)) {
        if (text.data[token.begin] == ';') {
            return end;
        }
        struct token next = next_token(text, token.end);
        if (is_any_of(text, &token, with)) {
            next = is_any_of(text, &next, kinds) ? next_token(text, next.end) : next;
            struct token last = next_token(text, next.end);
            bool ends = last.kind == TOKEN_END || text.data[last.begin] == ';';
            if ((is_any_of(text, &next, check) && is_any_of(text, &last, option)) ||
                (is_any_of(text, &next, data) && ends)) {
                return end;
            }
        }
        end = token.end;
    }
    return end;
}

tdbplus_status bind_slice_view(struct binder *binder, struct span *text_out)
{
    static const char *const view[] = {"view", NULL};
    static const char *const as[] = {"as", NULL};
    static const char *const recursive_word[] = {"recursive", NULL};
    struct span text = binder->text;
    struct token token = next_token(text, 0);
    bool recursive = false;
    while (token.kind != TOKEN_END && !is_any_of(text, &token, view)) {
        recursive = recursive || is_any_of(text, &token, recursive_word);
        token = next_token(text, token.end);
    }
    struct token name = next_token(text, token.end);
    struct span columns = {0};
    for (token = next_token(text, name.end); token.kind != TOKEN_END;) {
        if (is_any_of(text, &token, as)) {
            break;
        }
        size_t end = token.end;
        if (text.data[token.begin] == '.') {
            name = next_token(text, token.end);
            end = name.end;
        } else if (text.data[token.begin] == '(') {
            end = close_of(text, token);
            if (columns.size == 0) {
                columns = (struct span){.data = text.data + token.end, .size = end - 1 - token.end};
            }
        }
        token = next_token(text, end);
    }
    size_t begin = skip_blank(text, token.end);
    size_t end = last_words_begin(text, begin);
    struct span query = {.data = text.data + begin, .size = end - begin};
    if (recursive) {
        struct span called = {.data = text.data + name.begin, .size = name.end - name.begin};
        return recursive_view(binder, called, columns, query, text_out);
    }
    *text_out = query;
    return TDBPLUS_OK;
}

/* Whether a token is that name, quoted or not. */
static bool is_name(struct span text, const struct token *token, const char *name)
{
    const char *begin = (const char *)text.data + token->begin;
    size_t size = token->end - token->begin;
    if (token->kind == TOKEN_WORD) {
        return strlen(name) == size && strncasecmp(begin, name, size) == 0;
    }
    return size >= 2 && begin[0] == '"' && strlen(name) == size - 2 &&
           memcmp(begin + 1, name, size - 2) == 0;
}

struct span bind_slice_set_default(struct span text, const char *name)
{
    static const char *const set[] = {"set", NULL};
    static const char *const word[] = {"default", NULL};
    struct token before = {TOKEN_END, 0, 0};
    for (struct token token = next_token(text, 0); token.kind != TOKEN_END;
         token = next_token(text, token.end)) {
        struct token after = next_token(text, token.end);
        if (is_any_of(text, &token, set) && is_any_of(text, &after, word) &&
            before.kind != TOKEN_END && is_name(text, &before, name)) {
            return bind_slice_default(text, token.begin);
        }
        before = token;
    }
    return (struct span){0};
}

tdbplus_status bind_rename_in(struct binder *binder, const char *text, const char *from,
                              const char *to, const char **text_out)
{
    struct span span = span_from_text(text);
    struct buffer out;
    size_t done = 0;
    buffer_init(&out, binder->arena->alloc);
    for (struct token token = next_token(span, 0); token.kind != TOKEN_END;
         token = next_token(span, token.end)) {
        struct token after = next_token(span, token.end);
        bool call = after.kind == TOKEN_OTHER && span.data[after.begin] == '(';
        if (!is_name(span, &token, from) || call) {
            continue;
        }
        buffer_put_span(&out, (struct span){.data = span.data + done, .size = token.begin - done});
        buffer_put_u8(&out, '"');
        for (const char *at = to; *at != 0; at++) {
            buffer_put_text(&out, *at == '"' ? "\"" : "");
            buffer_put_u8(&out, (uint8_t)*at);
        }
        buffer_put_u8(&out, '"');
        done = token.end;
    }
    buffer_put_span(&out, (struct span){.data = span.data + done, .size = span.size - done});
    *text_out = out.failed ? NULL : arena_text(binder->arena, buffer_span(&out));
    buffer_deinit(&out);
    return *text_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* ---- the text of a view, by today's names ---- */

static void put_quoted(struct buffer *out, const char *name)
{
    buffer_put_u8(out, '"');
    for (const char *at = name; *at != 0; at++) {
        buffer_put_text(out, *at == '"' ? "\"" : "");
        buffer_put_u8(out, (uint8_t)*at);
    }
    buffer_put_u8(out, '"');
}

/* Whether a token behind a table's name is its alias, and not how the statement goes on. */
static bool is_alias(struct span text, const struct token *token)
{
    static const char *const goes_on[] = {
        "where",     "group", "having",      "order",   "limit", "offset", "fetch",
        "for",       "union", "except",      "window",  "on",    "using",  "intersect",
        "inner",     "join",  "left",        "natural", "right", "full",   "cross",
        "returning", "set",   "tablesample", "with",    NULL};
    bool quoted = token->kind != TOKEN_END && text.data[token->begin] == '"';
    return quoted || (token->kind == TOKEN_WORD && !is_any_of(text, token, goes_on));
}

/* What the view's text names, as it is today. */
struct today {
    struct catalog_entry entry;
    struct view_column *columns; /* Only names; of a table without the hidden key. */
    uint32_t *ids;
    uint32_t count;
};

static tdbplus_status read_today(struct txn *txn, uint64_t oid, struct arena *arena,
                                 struct today *today, struct err *err)
{
    struct view_info view = {0};
    struct table_info table = {0};
    if (!catalog_entry_by_oid(txn, oid, &today->entry)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "a view reads what is gone");
    }
    bool is_view = today->entry.kind == CATALOG_VIEW;
    if (is_view) {
        TRY(view_info_decode(&today->entry, arena, &view, err));
        today->count = view.column_count;
    } else {
        TRY(table_info_decode(today->entry.object->properties, arena, &table, err));
        today->count = today->entry.object->schema->column_count - (table.hidden_key ? 1u : 0u);
    }
    today->columns = arena_array(arena, today->count + 1u, sizeof *today->columns);
    today->ids = arena_array(arena, today->count + 1u, sizeof *today->ids);
    if (today->columns == NULL || today->ids == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "out of memory for a view's text");
    }
    for (uint32_t i = 0; i < today->count; i++) {
        const struct schema *schema = is_view ? NULL : today->entry.object->schema;
        today->columns[i].name = is_view ? view.columns[i].name : schema->columns[i].name;
        today->ids[i] = is_view ? i + 1 : schema->columns[i].id;
    }
    return TDBPLUS_OK;
}

static bool same_columns(const struct view_reference *reference, const struct today *today)
{
    bool same = reference->name_count == today->count;
    for (uint32_t i = 0; same && i < today->count; i++) {
        same = reference->names[i].column_id == today->ids[i] &&
               strcmp(reference->names[i].name, today->columns[i].name) == 0;
    }
    return same;
}

static void put_full_name(struct buffer *out, const struct today *today)
{
    put_quoted(out, today->entry.schema);
    buffer_put_u8(out, '.');
    put_quoted(out, today->entry.name);
}

/* The columns that the view knows, under the names that it knows them by. */
static void put_known(struct buffer *out, const struct view_reference *reference,
                      const struct today *today)
{
    bool first = true;
    buffer_put_text(out, "(SELECT ");
    for (uint32_t i = 0; i < reference->name_count; i++) {
        for (uint32_t k = 0; k < today->count; k++) {
            if (today->ids[k] == reference->names[i].column_id) {
                buffer_put_text(out, first ? "" : ", ");
                put_quoted(out, today->columns[k].name);
                buffer_put_text(out, " AS ");
                put_quoted(out, reference->names[i].name);
                first = false;
            }
        }
    }
    buffer_put_text(out, " FROM ");
    put_full_name(out, today);
    buffer_put_u8(out, ')');
}

/* Writes what stands for the name that begins at `begin`; returns where the text goes on. */
static size_t put_reference(struct buffer *out, struct span text, size_t begin,
                            const struct view_reference *reference, const struct today *today)
{
    struct token name = next_token(text, begin);
    struct token after = next_token(text, name.end);
    struct token schema = {TOKEN_END, 0, 0};
    while (after.kind != TOKEN_END && text.data[after.begin] == '.') {
        schema = name;
        name = next_token(text, after.end);
        after = next_token(text, name.end);
    }
    bool same = is_name(text, &name, today->entry.name) &&
                (schema.kind == TOKEN_END ? strcmp(today->entry.schema, "public") == 0
                                          : is_name(text, &schema, today->entry.schema));
    bool columns = same_columns(reference, today);
    if (same && columns) {
        buffer_put(out, text.data + begin, name.end - begin);
        return name.end;
    }
    if (columns) {
        put_full_name(out, today);
    } else {
        put_known(out, reference, today);
    }
    if (!is_alias(text, &after)) {
        buffer_put_text(out, " AS ");
        buffer_put(out, text.data + name.begin, name.end - name.begin);
    }
    return name.end;
}

tdbplus_status bind_view_text(struct txn *txn, const struct view_info *info, struct arena *arena,
                              struct buffer *out, struct err *err)
{
    struct span text = span_from_text(info->text);
    size_t done = 0;
    for (;;) {
        const struct view_reference *next = NULL;
        for (uint32_t i = 0; i < info->reference_count; i++) {
            const struct view_reference *reference = &info->references[i];
            if (reference->position > done &&
                (next == NULL || reference->position < next->position)) {
                next = reference;
            }
        }
        if (next == NULL || next->position > text.size) {
            break;
        }
        struct today today = {0};
        TRY(read_today(txn, next->oid, arena, &today, err));
        buffer_put(out, text.data + done, next->position - 1 - done);
        done = put_reference(out, text, next->position - 1, next, &today);
    }
    buffer_put(out, text.data + done, text.size - done);
    return TDBPLUS_OK;
}
