/* Paths into documents, read by descent; each level of nesting is counted. */

#include "sql/func/jsonpath.h"

#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "base/buffer.h"
#include "sql/func/regex.h"
#include "types/numeric.h"

struct reader {
    struct span rest;
    struct span text;
    struct arena *arena;
    struct err *err;
    uint32_t depth;
    uint32_t filters;    /* @ is allowed inside. */
    uint32_t subscripts; /* last is allowed inside. */
};

static TDBPLUS_CHECKED tdbplus_status bad(struct reader *reader)
{
    size_t size = reader->rest.size > 40 ? 40 : reader->rest.size;
    return err_set_state(reader->err, TDBPLUS_E_SYNTAX, "42601",
                         size == 0 ? "syntax error at end of jsonpath input%.*s"
                                   : "syntax error at or near \"%.*s\" of jsonpath input",
                         (int)size, (const char *)reader->rest.data);
}

static tdbplus_status no_memory(struct reader *reader)
{
    return err_set(reader->err, TDBPLUS_E_NOMEM, "out of memory for a path");
}

static tdbplus_status make(struct reader *reader, enum jsonpath_kind kind,
                           struct jsonpath_node *left, struct jsonpath_node **node_out)
{
    struct jsonpath_node *node = arena_array(reader->arena, 1, sizeof *node);
    if (node == NULL) {
        return no_memory(reader);
    }
    node->kind = (uint8_t)kind;
    node->left = left;
    *node_out = node;
    return TDBPLUS_OK;
}

static tdbplus_status enter(struct reader *reader)
{
    if (++reader->depth > JSONPATH_DEPTH_MAX) {
        return err_set_state(reader->err, TDBPLUS_E_LIMIT, "54001",
                             "a path is nested deeper than %u", JSONPATH_DEPTH_MAX);
    }
    return TDBPLUS_OK;
}

/* ---- tokens ---- */

static uint8_t peek(const struct reader *reader, size_t at)
{
    return at < reader->rest.size ? reader->rest.data[at] : 0;
}

static void skip(struct reader *reader, size_t count)
{
    reader->rest.data += count;
    reader->rest.size -= count;
}

static void skip_spaces(struct reader *reader)
{
    for (;;) {
        uint8_t byte = peek(reader, 0);
        if (byte == ' ' || (byte >= '\t' && byte <= '\r')) {
            skip(reader, 1);
        } else if (byte == '/' && peek(reader, 1) == '*') {
            skip(reader, 2);
            while (reader->rest.size > 0 && !(peek(reader, 0) == '*' && peek(reader, 1) == '/')) {
                skip(reader, 1);
            }
            skip(reader, reader->rest.size < 2 ? reader->rest.size : 2);
        } else {
            return;
        }
    }
}

static bool take(struct reader *reader, const char *token)
{
    skip_spaces(reader);
    size_t size = strlen(token);
    if (reader->rest.size < size || memcmp(reader->rest.data, token, size) != 0) {
        return false;
    }
    skip(reader, size);
    return true;
}

static bool is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte >= 0x80;
}

/* A word of letters, if it is the next token. */
static bool take_word(struct reader *reader, const char *word)
{
    skip_spaces(reader);
    size_t size = strlen(word);
    if (reader->rest.size < size || strncasecmp((const char *)reader->rest.data, word, size) != 0 ||
        is_name_byte(peek(reader, size))) {
        return false;
    }
    skip(reader, size);
    return true;
}

static int hex_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

static bool read_hex(struct reader *reader, uint32_t digits, int32_t *code_out)
{
    int32_t code = 0;
    for (uint32_t i = 0; i < digits; i++) {
        int digit = hex_digit(peek(reader, 0));
        if (digit < 0) {
            return false;
        }
        code = code * 16 + digit;
        skip(reader, 1);
    }
    *code_out = code;
    return true;
}

/* \uXXXX, \u{X...} or \xXX, after the backslash and its letter. */
static bool read_code(struct reader *reader, uint8_t letter, int32_t *code_out)
{
    if (letter == 'x') {
        return read_hex(reader, 2, code_out);
    }
    if (peek(reader, 0) != '{') {
        return read_hex(reader, 4, code_out);
    }
    skip(reader, 1);
    int32_t code = 0;
    uint32_t digits = 0;
    for (; hex_digit(peek(reader, 0)) >= 0 && digits < 6; digits++) {
        code = code * 16 + hex_digit(peek(reader, 0));
        skip(reader, 1);
    }
    *code_out = code;
    bool closed = digits > 0 && peek(reader, 0) == '}';
    skip(reader, closed ? 1 : 0);
    return closed;
}

static tdbplus_status read_escape(struct reader *reader, struct buffer *out)
{
    static const char plain[][2] = {{'b', '\b'}, {'f', '\f'}, {'n', '\n'},
                                    {'r', '\r'}, {'t', '\t'}, {'v', '\v'}};
    uint8_t letter = peek(reader, 0);
    if (reader->rest.size == 0) {
        return bad(reader);
    }
    skip(reader, 1);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if ((uint8_t)plain[i][0] == letter) {
            buffer_put_u8(out, (uint8_t)plain[i][1]);
            return TDBPLUS_OK;
        }
    }
    if (letter != 'u' && letter != 'x') {
        buffer_put_u8(out, letter);
        return TDBPLUS_OK;
    }
    int32_t code = 0;
    int32_t low = 0;
    if (!read_code(reader, letter, &code)) {
        return err_set_state(reader->err, TDBPLUS_E_SYNTAX, "42601",
                             "invalid Unicode escape sequence in jsonpath");
    }
    if (code >= 0xD800 && code <= 0xDBFF && peek(reader, 0) == '\\' && peek(reader, 1) == 'u') {
        skip(reader, 2);
        if (read_code(reader, 'u', &low) && low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
        return err_set_state(reader->err, TDBPLUS_E_SYNTAX, code == 0 ? "22P05" : "22P02",
                             "a character of a path cannot be written");
    }
    uint8_t bytes[4];
    buffer_put(out, bytes, (size_t)utf8proc_encode_char(code, bytes));
    return TDBPLUS_OK;
}

static tdbplus_status keep(struct reader *reader, const struct buffer *buffer,
                           struct span *span_out)
{
    uint8_t *bytes = buffer->failed ? NULL : arena_bytes(reader->arena, buffer->size + 1);
    if (bytes == NULL) {
        return no_memory(reader);
    }
    if (buffer->size > 0) {
        memcpy(bytes, buffer->data, buffer->size);
    }
    *span_out = (struct span){.data = bytes, .size = buffer->size};
    return TDBPLUS_OK;
}

/* "..." after its opening quote. */
static tdbplus_status read_string(struct reader *reader, struct span *text_out)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer text;
    buffer_init(&text, reader->arena->alloc);
    while (peek(reader, 0) != '"') {
        if (reader->rest.size == 0) {
            status = bad(reader);
            goto done;
        }
        uint8_t byte = peek(reader, 0);
        skip(reader, 1);
        if (byte == '\\') {
            TRY_OR(done, read_escape(reader, &text));
        } else {
            buffer_put_u8(&text, byte);
        }
    }
    skip(reader, 1);
    TRY_OR(done, keep(reader, &text, text_out));
done:
    buffer_deinit(&text);
    return status;
}

/* A name without quotes. */
static tdbplus_status read_name(struct reader *reader, struct span *text_out)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer text;
    buffer_init(&text, reader->arena->alloc);
    for (;;) {
        uint8_t byte = peek(reader, 0);
        if (byte == '\\') {
            skip(reader, 1);
            TRY_OR(done, read_escape(reader, &text));
        } else if (is_name_byte(byte) || byte == '$') {
            buffer_put_u8(&text, byte);
            skip(reader, 1);
        } else {
            break;
        }
    }
    if (text.size == 0) {
        status = bad(reader);
        goto done;
    }
    TRY_OR(done, keep(reader, &text, text_out));
done:
    buffer_deinit(&text);
    return status;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static tdbplus_status read_number(struct reader *reader, struct jsonpath_node **node_out)
{
    struct span text = {.data = reader->rest.data};
    while (is_digit(peek(reader, text.size))) {
        text.size++;
    }
    if (peek(reader, text.size) == '.' && !(peek(reader, text.size + 1) >= 'a')) {
        text.size++;
        while (is_digit(peek(reader, text.size))) {
            text.size++;
        }
    }
    uint8_t sign = peek(reader, text.size + 1);
    bool signed_exponent = sign == '+' || sign == '-';
    if ((peek(reader, text.size) | 32) == 'e' &&
        is_digit(peek(reader, text.size + 1 + signed_exponent))) {
        text.size += 1u + signed_exponent;
        while (is_digit(peek(reader, text.size))) {
            text.size++;
        }
    }
    bool zero = text.size > 1 && text.data[0] == '0' && is_digit(text.data[1]);
    if (zero || is_name_byte(peek(reader, text.size))) {
        return err_set_state(reader->err, TDBPLUS_E_SYNTAX, "42601",
                             "trailing junk after numeric literal in jsonpath");
    }
    struct buffer number;
    buffer_init(&number, reader->arena->alloc);
    tdbplus_status status = make(reader, PATH_NUMBER, NULL, node_out);
    if (status == TDBPLUS_OK) {
        status = numeric_parse(text, &number, reader->err);
    }
    if (status == TDBPLUS_OK) {
        status = keep(reader, &number, &(*node_out)->text);
    }
    buffer_deinit(&number);
    skip(reader, text.size);
    return status;
}

/* ---- accessors ---- */

static tdbplus_status read_expression(struct reader *reader, struct jsonpath_node **node_out);
static tdbplus_status read_sum(struct reader *reader, struct jsonpath_node **node_out);

static tdbplus_status read_subscripts(struct reader *reader, struct jsonpath_node **node)
{
    struct jsonpath_node *index = NULL;
    if (take(reader, "*")) {
        TRY(make(reader, PATH_ITEMS, *node, node));
        return take(reader, "]") ? TDBPLUS_OK : bad(reader);
    }
    TRY(make(reader, PATH_INDEX, *node, &index));
    struct jsonpath_node **end = &index->right;
    reader->subscripts++;
    do {
        TRY(make(reader, PATH_RANGE, NULL, end));
        TRY(read_sum(reader, &(*end)->left));
        if (take_word(reader, "to")) {
            TRY(read_sum(reader, &(*end)->right));
        }
        end = &(*end)->next;
    } while (take(reader, ","));
    reader->subscripts--;
    *node = index;
    return take(reader, "]") ? TDBPLUS_OK : bad(reader);
}

static tdbplus_status read_level(struct reader *reader, uint32_t *level_out)
{
    if (take_word(reader, "last")) {
        *level_out = UINT32_MAX;
        return TDBPLUS_OK;
    }
    skip_spaces(reader);
    uint32_t level = 0;
    if (!is_digit(peek(reader, 0))) {
        return bad(reader);
    }
    for (; is_digit(peek(reader, 0)); skip(reader, 1)) {
        level = level > 1000000 ? level : level * 10 + (uint32_t)(peek(reader, 0) - '0');
    }
    *level_out = level;
    return TDBPLUS_OK;
}

/* .** and its levels, after the stars. */
static tdbplus_status read_depths(struct reader *reader, struct jsonpath_node **node)
{
    TRY(make(reader, PATH_ANY_DEPTH, *node, node));
    (*node)->to = UINT32_MAX;
    if (!take(reader, "{")) {
        return TDBPLUS_OK;
    }
    TRY(read_level(reader, &(*node)->from));
    (*node)->to = (*node)->from;
    if (take_word(reader, "to")) {
        TRY(read_level(reader, &(*node)->to));
    }
    return take(reader, "}") ? TDBPLUS_OK : bad(reader);
}

static bool is_method(struct span name)
{
    static const char *const names[] = {"type",  "size", "double",   "ceiling",
                                        "floor", "abs",  "keyvalue", "datetime"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (span_compare(name, span_from_text(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* What follows a point. */
static tdbplus_status read_member(struct reader *reader, struct jsonpath_node **node)
{
    struct span name = {0};
    if (take(reader, "**")) {
        return read_depths(reader, node);
    }
    if (take(reader, "*")) {
        return make(reader, PATH_ANY_KEY, *node, node);
    }
    bool quoted = take(reader, "\"");
    if (quoted) {
        TRY(read_string(reader, &name));
    } else {
        TRY(read_name(reader, &name));
    }
    if (!quoted && is_method(name) && take(reader, "(")) {
        if (!take(reader, ")")) {
            return span_compare(name, span_from_text("datetime")) == 0
                       ? err_set(reader->err, TDBPLUS_E_UNSUPPORTED,
                                 "datetime() with a template is not supported")
                       : bad(reader);
        }
        TRY(make(reader, PATH_METHOD, *node, node));
    } else {
        TRY(make(reader, PATH_KEY, *node, node));
    }
    (*node)->text = name;
    return TDBPLUS_OK;
}

static tdbplus_status read_filter(struct reader *reader, struct jsonpath_node **node)
{
    if (!take(reader, "(")) {
        return bad(reader);
    }
    TRY(make(reader, PATH_FILTER, *node, node));
    reader->filters++;
    TRY(read_expression(reader, &(*node)->right));
    reader->filters--;
    if ((*node)->right->kind < PATH_EQUAL) {
        return bad(reader);
    }
    return take(reader, ")") ? TDBPLUS_OK : bad(reader);
}

static tdbplus_status read_accessors(struct reader *reader, struct jsonpath_node **node)
{
    uint32_t steps = 0;
    for (;; steps++) {
        // Each step is a level of the tree.
        if (steps > JSONPATH_DEPTH_MAX) {
            return err_set_state(reader->err, TDBPLUS_E_LIMIT, "54001",
                                 "a path has more than %u steps", JSONPATH_DEPTH_MAX);
        }
        if (take(reader, ".")) {
            TRY(read_member(reader, node));
        } else if (take(reader, "[")) {
            TRY(read_subscripts(reader, node));
        } else if (take(reader, "?")) {
            TRY(read_filter(reader, node));
        } else {
            return TDBPLUS_OK;
        }
    }
}

/* ---- expressions ---- */

static tdbplus_status read_dollar(struct reader *reader, struct jsonpath_node **node_out)
{
    if (peek(reader, 0) == '"' || is_name_byte(peek(reader, 0))) {
        TRY(make(reader, PATH_VARIABLE, NULL, node_out));
        if (peek(reader, 0) == '"') {
            skip(reader, 1);
            return read_string(reader, &(*node_out)->text);
        }
        return read_name(reader, &(*node_out)->text);
    }
    return make(reader, PATH_ROOT, NULL, node_out);
}

static tdbplus_status read_constant(struct reader *reader, struct jsonpath_node **node_out)
{
    if (take_word(reader, "null")) {
        return make(reader, PATH_NULL, NULL, node_out);
    }
    bool is_true = take_word(reader, "true");
    if (is_true || take_word(reader, "false")) {
        TRY(make(reader, PATH_BOOLEAN, NULL, node_out));
        (*node_out)->boolean = is_true;
        return TDBPLUS_OK;
    }
    if (take_word(reader, "last")) {
        if (reader->subscripts == 0) {
            return err_set_state(reader->err, TDBPLUS_E_SYNTAX, "42601",
                                 "LAST is allowed only in array subscripts");
        }
        return make(reader, PATH_LAST, NULL, node_out);
    }
    return bad(reader);
}

static tdbplus_status read_primary(struct reader *reader, struct jsonpath_node **node_out)
{
    skip_spaces(reader);
    uint8_t byte = peek(reader, 0);
    if (byte == '$') {
        skip(reader, 1);
        return read_dollar(reader, node_out);
    }
    if (byte == '@') {
        skip(reader, 1);
        if (reader->filters == 0) {
            return err_set_state(reader->err, TDBPLUS_E_SYNTAX, "42601",
                                 "@ is not allowed in root expressions");
        }
        return make(reader, PATH_CURRENT, NULL, node_out);
    }
    if (byte == '"') {
        skip(reader, 1);
        TRY(make(reader, PATH_STRING, NULL, node_out));
        return read_string(reader, &(*node_out)->text);
    }
    if (byte == '(') {
        skip(reader, 1);
        TRY(read_expression(reader, node_out));
        return take(reader, ")") ? TDBPLUS_OK : bad(reader);
    }
    if (is_digit(byte) || (byte == '.' && is_digit(peek(reader, 1)))) {
        return read_number(reader, node_out);
    }
    return read_constant(reader, node_out);
}

static tdbplus_status read_signed(struct reader *reader, struct jsonpath_node **node_out)
{
    TRY(enter(reader));
    bool minus = take(reader, "-");
    if (minus || take(reader, "+")) {
        struct jsonpath_node *operand = NULL;
        TRY(read_signed(reader, &operand));
        TRY(make(reader, minus ? PATH_MINUS : PATH_PLUS, operand, node_out));
    } else {
        TRY(read_primary(reader, node_out));
        TRY(read_accessors(reader, node_out));
    }
    reader->depth--;
    return TDBPLUS_OK;
}

static tdbplus_status read_product(struct reader *reader, struct jsonpath_node **node_out)
{
    TRY(read_signed(reader, node_out));
    for (uint32_t terms = 0;; terms++) {
        enum jsonpath_kind kind = take(reader, "*")   ? PATH_MULTIPLY
                                  : take(reader, "/") ? PATH_DIVIDE
                                  : take(reader, "%") ? PATH_MODULO
                                                      : PATH_ROOT;
        if (kind == PATH_ROOT) {
            return TDBPLUS_OK;
        }
        if (terms > JSONPATH_DEPTH_MAX) {
            return bad(reader);
        }
        TRY(make(reader, kind, *node_out, node_out));
        TRY(read_signed(reader, &(*node_out)->right));
    }
}

static tdbplus_status read_sum(struct reader *reader, struct jsonpath_node **node_out)
{
    TRY(read_product(reader, node_out));
    for (uint32_t terms = 0;; terms++) {
        enum jsonpath_kind kind = take(reader, "+")   ? PATH_ADD
                                  : take(reader, "-") ? PATH_SUBTRACT
                                                      : PATH_ROOT;
        if (kind == PATH_ROOT) {
            return TDBPLUS_OK;
        }
        if (terms > JSONPATH_DEPTH_MAX) {
            return bad(reader);
        }
        TRY(make(reader, kind, *node_out, node_out));
        TRY(read_product(reader, &(*node_out)->right));
    }
}

static bool is_predicate(const struct jsonpath_node *node)
{
    return node->kind >= PATH_EQUAL;
}

/* like_regex "..." flag "...": the expression is tried now. */
static tdbplus_status read_regex(struct reader *reader, struct jsonpath_node *node)
{
    struct span flags = {0};
    if (!take(reader, "\"")) {
        return bad(reader);
    }
    TRY(read_string(reader, &node->text));
    if (take_word(reader, "flag")) {
        if (!take(reader, "\"")) {
            return bad(reader);
        }
        TRY(read_string(reader, &flags));
    }
    // XQuery's flags: without s, a point does not match a line's end.
    node->flags = REGEX_NEWLINE_STOPS;
    for (size_t i = 0; i < flags.size; i++) {
        switch (flags.data[i]) {
        case 'i':
            node->flags |= REGEX_FOLD_CASE;
            break;
        case 's':
            node->flags &= ~(uint32_t)REGEX_NEWLINE_STOPS;
            break;
        case 'm':
            node->flags |= REGEX_NEWLINE_ANCHORS;
            break;
        case 'q':
            node->flags |= REGEX_LITERAL;
            break;
        case 'x':
            return err_set(reader->err, TDBPLUS_E_UNSUPPORTED,
                           "XQuery \"x\" flag (expanded regular expressions) is not implemented");
        default:
            return err_set_state(reader->err, TDBPLUS_E_SYNTAX, "42601",
                                 "unrecognized flag character \"%c\" in LIKE_REGEX predicate",
                                 flags.data[i]);
        }
    }
    struct regex *regex = NULL;
    TRY(regex_create(node->text, node->flags, reader->arena->alloc, &regex, reader->err));
    regex_destroy(regex);
    return TDBPLUS_OK;
}

static tdbplus_status read_comparison(struct reader *reader, struct jsonpath_node **node_out)
{
    static const struct {
        const char *token;
        enum jsonpath_kind kind;
    } operators[] = {{"==", PATH_EQUAL},      {"!=", PATH_NOT_EQUAL},     {"<>", PATH_NOT_EQUAL},
                     {"<=", PATH_LESS_EQUAL}, {">=", PATH_GREATER_EQUAL}, {"<", PATH_LESS},
                     {">", PATH_GREATER},     {"=", PATH_EQUAL}};
    TRY(read_sum(reader, node_out));
    if (take_word(reader, "starts")) {
        if (!take_word(reader, "with")) {
            return bad(reader);
        }
        TRY(make(reader, PATH_STARTS_WITH, *node_out, node_out));
        TRY(read_primary(reader, &(*node_out)->right));
        uint8_t kind = (*node_out)->right->kind;
        return kind == PATH_STRING || kind == PATH_VARIABLE ? TDBPLUS_OK : bad(reader);
    }
    if (take_word(reader, "like_regex")) {
        TRY(make(reader, PATH_LIKE_REGEX, *node_out, node_out));
        return read_regex(reader, *node_out);
    }
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (take(reader, operators[i].token)) {
            TRY(make(reader, operators[i].kind, *node_out, node_out));
            return read_sum(reader, &(*node_out)->right);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_not(struct reader *reader, struct jsonpath_node **node_out)
{
    TRY(enter(reader));
    struct jsonpath_node *operand = NULL;
    if (take_word(reader, "exists")) {
        if (!take(reader, "(")) {
            return bad(reader);
        }
        TRY(read_sum(reader, &operand));
        TRY(make(reader, PATH_EXISTS, operand, node_out));
        if (!take(reader, ")")) {
            return bad(reader);
        }
    } else if (peek(reader, 0) == '!' && peek(reader, 1) != '=') {
        skip(reader, 1);
        TRY(read_not(reader, &operand));
        if (!is_predicate(operand)) {
            return bad(reader);
        }
        TRY(make(reader, PATH_NOT, operand, node_out));
    } else {
        TRY(read_comparison(reader, node_out));
    }
    if (is_predicate(*node_out) && take_word(reader, "is")) {
        if (!take_word(reader, "unknown")) {
            return bad(reader);
        }
        TRY(make(reader, PATH_IS_UNKNOWN, *node_out, node_out));
    }
    reader->depth--;
    return TDBPLUS_OK;
}

static tdbplus_status read_joined(struct reader *reader, enum jsonpath_kind kind,
                                  struct jsonpath_node **node_out)
{
    bool is_or = kind == PATH_OR;
    if (is_or) {
        TRY(read_joined(reader, PATH_AND, node_out));
    } else {
        TRY(read_not(reader, node_out));
    }
    for (uint32_t terms = 0; take(reader, is_or ? "||" : "&&"); terms++) {
        if (!is_predicate(*node_out) || terms > JSONPATH_DEPTH_MAX) {
            return bad(reader);
        }
        TRY(make(reader, kind, *node_out, node_out));
        if (is_or) {
            TRY(read_joined(reader, PATH_AND, &(*node_out)->right));
        } else {
            TRY(read_not(reader, &(*node_out)->right));
        }
        if (!is_predicate((*node_out)->right)) {
            return bad(reader);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_expression(struct reader *reader, struct jsonpath_node **node_out)
{
    TRY(enter(reader));
    TRY(read_joined(reader, PATH_OR, node_out));
    reader->depth--;
    return TDBPLUS_OK;
}

tdbplus_status jsonpath_parse(struct span text, struct arena *arena, struct jsonpath *path_out,
                              struct err *err)
{
    struct reader reader = {.rest = text, .text = text, .arena = arena, .err = err};
    struct jsonpath path = {0};
    skip_spaces(&reader);
    if (reader.rest.size == 0) {
        return err_set_state(err, TDBPLUS_E_SYNTAX, "22P02",
                             "invalid input syntax for type jsonpath: \"\"");
    }
    path.strict = take_word(&reader, "strict");
    if (!path.strict) {
        (void)take_word(&reader, "lax");
    }
    TRY(read_expression(&reader, &path.root));
    // A predicate in parentheses may be followed by accessors: ($.a == 1).type().
    TRY(read_accessors(&reader, &path.root));
    skip_spaces(&reader);
    if (reader.rest.size > 0) {
        return bad(&reader);
    }
    *path_out = path;
    return TDBPLUS_OK;
}
