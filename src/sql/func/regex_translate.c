/*
 * PostgreSQL's regular expressions in PCRE2's syntax: one pass, a stack of open groups.
 *
 * On the way it is found out whether the whole prefers long or short matches (manual, 9.7.3.5): a
 * branch does what its first quantifier does, a choice between branches prefers long ones.
 */

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "sql/func/regex.h"

enum preference { PREFERS_NOTHING = 0, PREFERS_LONG, PREFERS_SHORT };

/* An open group; the first is the whole expression. */
struct group {
    uint8_t preference; /* Of the branch so far. */
    bool has_branches;
    bool is_look; /* A look ahead or behind: nothing in it captures. */
    uint32_t number;
    size_t body; /* Where its content begins in the output. */
};

struct translator {
    struct span rest;
    struct buffer *out;
    struct err *err;
    struct regex_traits traits;
    struct group groups[REGEX_NESTING_MAX];
    uint32_t depth; /* Of the innermost group; 0: the whole. */
    bool closed[REGEX_GROUP_COUNT_MAX + 1];
    /* The atom just written; quantifiers look at it. */
    bool has_atom;
    uint8_t atom_preference;
    size_t atom_body;      /* SIZE_MAX: no group. */
    uint32_t choice_count; /* One quantifier alone needs no looking for the longest. */
};

static TDBPLUS_CHECKED tdbplus_status invalid(struct translator *t, const char *what)
{
    return err_set_state(t->err, TDBPLUS_E_SQL, "2201B", "invalid regular expression: %s", what);
}

bool regex_flags_of(struct span text, uint32_t *flags_out, char *bad_out)
{
    uint32_t flags = 0;
    const uint32_t newline = REGEX_NEWLINE_STOPS | REGEX_NEWLINE_ANCHORS;
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case 'g':
            flags |= REGEX_GLOBAL;
            break;
        case 'b':
            flags |= REGEX_BASIC;
            break;
        case 'c':
            flags &= ~(uint32_t)REGEX_FOLD_CASE;
            break;
        case 'e':
            flags &= ~(uint32_t)(REGEX_LITERAL | REGEX_BASIC);
            break;
        case 'i':
            flags |= REGEX_FOLD_CASE;
            break;
        case 'm':
        case 'n':
            flags |= newline;
            break;
        case 'p':
            flags = (flags & ~newline) | REGEX_NEWLINE_STOPS;
            break;
        case 'q':
            flags |= REGEX_LITERAL;
            break;
        case 's':
            flags &= ~newline;
            break;
        case 't':
            flags &= ~(uint32_t)REGEX_EXPANDED;
            break;
        case 'w':
            flags = (flags & ~newline) | REGEX_NEWLINE_ANCHORS;
            break;
        case 'x':
            flags |= REGEX_EXPANDED;
            break;
        default:
            *bad_out = (char)text.data[i];
            return false;
        }
    }
    *flags_out = flags;
    return true;
}

/* ---- reading ---- */

static bool at_end(const struct translator *t)
{
    return t->rest.size == 0;
}

static uint8_t peek(const struct translator *t, size_t at)
{
    return at < t->rest.size ? t->rest.data[at] : 0;
}

static void skip(struct translator *t, size_t count)
{
    t->rest.data += count;
    t->rest.size -= count;
}

static bool skip_text(struct translator *t, const char *text)
{
    size_t size = strlen(text);
    if (t->rest.size < size || memcmp(t->rest.data, text, size) != 0) {
        return false;
    }
    skip(t, size);
    return true;
}

/* The next character; texts in the database are valid UTF-8. */
static int32_t take_character(struct translator *t)
{
    int32_t code = 0;
    utf8proc_ssize_t used = utf8proc_iterate(t->rest.data, (utf8proc_ssize_t)t->rest.size, &code);
    if (used <= 0) {
        code = t->rest.data[0];
        used = 1;
    }
    skip(t, (size_t)used);
    return code;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_word(int32_t code)
{
    return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
           (code >= 'a' && code <= 'z') || code >= 0x80;
}

static int32_t hex_digit(uint8_t byte)
{
    return is_digit(byte)               ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

/* ---- writing ---- */

static void put(struct translator *t, const char *text)
{
    buffer_put_text(t->out, text);
}

static void put_character(struct translator *t, int32_t code)
{
    if (code < 0x80 && !is_word(code)) {
        buffer_printf(t->out, "\\x{%x}", (unsigned)code);
        return;
    }
    uint8_t bytes[4];
    utf8proc_ssize_t size = utf8proc_encode_char(code, bytes);
    buffer_put(t->out, bytes, (size_t)size);
}

static void made_atom(struct translator *t, uint8_t preference, size_t body)
{
    t->has_atom = true;
    t->atom_preference = preference;
    t->atom_body = body;
}

static void put_atom(struct translator *t, const char *text)
{
    put(t, text);
    made_atom(t, PREFERS_NOTHING, SIZE_MAX);
}

static void put_constraint(struct translator *t, const char *text)
{
    put(t, text);
    t->has_atom = false;
}

/* A branch takes the preference of its first atom that has one. */
static void settle_atom(struct translator *t, uint8_t preference)
{
    struct group *group = &t->groups[t->depth];
    if (group->preference == PREFERS_NOTHING) {
        group->preference = preference;
    }
}

/* ---- escapes ---- */

/* Up to `count` hexadecimal digits (exactly, if `exact`). */
static bool read_hex(struct translator *t, uint32_t count, bool exact, int32_t *code_out)
{
    uint32_t code = 0;
    uint32_t digits = 0;
    while (digits < count && hex_digit(peek(t, 0)) >= 0) {
        code = code << 4 | (uint32_t)hex_digit(peek(t, 0));
        skip(t, 1);
        digits++;
    }
    *code_out = (int32_t)(code & INT32_MAX);
    bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return digits > 0 && (!exact || digits == count) && code <= 0x10FFFF && !surrogate;
}

/* An escape that stands for one character, after its backslash; false in *known_out if it is none
 * of these. */
static tdbplus_status read_character_escape(struct translator *t, int32_t *code_out,
                                            bool *known_out)
{
    static const char plain[][2] = {{'a', 7},    {'b', 8},    {'B', '\\'}, {'e', 27}, {'f', 12},
                                    {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'v', 11}};
    uint8_t letter = peek(t, 0);
    *known_out = true;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (plain[i][0] == letter) {
            skip(t, 1);
            *code_out = plain[i][1];
            return TDBPLUS_OK;
        }
    }
    if (!is_word(letter) || letter >= 0x80) {
        *code_out = take_character(t);
        return TDBPLUS_OK;
    }
    switch (letter) {
    case 'c':
        skip(t, 1);
        if (at_end(t)) {
            return invalid(t, "invalid escape \\ sequence");
        }
        *code_out = take_character(t) & 31;
        return TDBPLUS_OK;
    case 'u':
    case 'U':
        skip(t, 1);
        return read_hex(t, letter == 'u' ? 4 : 8, true, code_out)
                   ? TDBPLUS_OK
                   : invalid(t, "invalid escape \\ sequence");
    case 'x':
        skip(t, 1);
        return read_hex(t, 255, false, code_out) ? TDBPLUS_OK
                                                 : invalid(t, "invalid escape \\ sequence");
    case '0':
        skip(t, 1);
        *code_out = 0;
        for (uint32_t i = 0; i < 2 && peek(t, 0) >= '0' && peek(t, 0) <= '7'; i++) {
            *code_out = *code_out * 8 + (peek(t, 0) - '0');
            skip(t, 1);
        }
        return TDBPLUS_OK;
    default:
        *known_out = false;
        return TDBPLUS_OK;
    }
}

/* \1 to \99: a group that was closed before. Two digits and more that name no group are octal. */
static tdbplus_status read_reference(struct translator *t)
{
    uint32_t number = 0;
    size_t digits = 0;
    while (digits < 4 && is_digit(peek(t, digits))) {
        number = number * 10 + (uint32_t)(peek(t, digits) - '0');
        digits++;
    }
    if (digits > 1 && number > t->traits.group_count) {
        int32_t code = 0;
        for (uint32_t i = 0; i < 3 && peek(t, 0) >= '0' && peek(t, 0) <= '7'; i++) {
            code = code * 8 + (peek(t, 0) - '0');
            skip(t, 1);
        }
        put_character(t, code);
        made_atom(t, PREFERS_NOTHING, SIZE_MAX);
        return TDBPLUS_OK;
    }
    skip(t, digits);
    if (number > t->traits.group_count || !t->closed[number] || t->groups[t->depth].is_look) {
        return invalid(t, "invalid backreference number");
    }
    t->traits.has_references = true;
    buffer_printf(t->out, "\\g{%u}", number);
    made_atom(t, PREFERS_NOTHING, SIZE_MAX);
    return TDBPLUS_OK;
}

static tdbplus_status read_escape(struct translator *t)
{
    static const struct {
        char letter;
        bool is_atom;
        const char *text;
    } classes[] = {
        {'d', true, "[0-9]"},        {'D', true, "[^0-9]"},       {'s', true, "[[:space:]]"},
        {'S', true, "[^[:space:]]"}, {'w', true, "[[:alnum:]_]"}, {'W', true, "[^[:alnum:]_]"},
        {'A', false, "\\A"},         {'Z', false, "\\z"},         {'m', false, "\\b(?=\\w)"},
        {'M', false, "\\b(?<=\\w)"}, {'y', false, "\\b"},         {'Y', false, "\\B"},
    };
    if (at_end(t)) {
        return invalid(t, "invalid escape \\ sequence");
    }
    uint8_t letter = peek(t, 0);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if ((uint8_t)classes[i].letter == letter) {
            skip(t, 1);
            if (classes[i].is_atom) {
                put_atom(t, classes[i].text);
            } else {
                put_constraint(t, classes[i].text);
            }
            return TDBPLUS_OK;
        }
    }
    if (letter >= '1' && letter <= '9') {
        return read_reference(t);
    }
    int32_t code = 0;
    bool known = false;
    TRY(read_character_escape(t, &code, &known));
    if (!known) {
        return invalid(t, "invalid escape \\ sequence");
    }
    put_character(t, code);
    made_atom(t, PREFERS_NOTHING, SIZE_MAX);
    return TDBPLUS_OK;
}

/* ---- bracket expressions ---- */

/* "[:alpha:]", "[=a=]" or "[.x.]" inside of brackets, after the opening two characters. */
static tdbplus_status read_named(struct translator *t, uint8_t kind, int32_t *code_out)
{
    static const char *const names[] = {"alnum", "alpha",  "blank", "cntrl", "digit",
                                        "graph", "lower",  "print", "punct", "space",
                                        "upper", "xdigit", "word"};
    size_t size = 0;
    while (size + 1 < t->rest.size &&
           !(t->rest.data[size] == kind && t->rest.data[size + 1] == ']')) {
        size++;
    }
    if (size + 1 >= t->rest.size) {
        return invalid(t, "brackets [] not balanced");
    }
    struct span name = {.data = t->rest.data, .size = size};
    *code_out = -1;
    if (kind != ':') {
        int32_t code = 0;
        utf8proc_ssize_t used = utf8proc_iterate(name.data, (utf8proc_ssize_t)name.size, &code);
        if (used <= 0 || (size_t)used != name.size) {
            return invalid(t, "invalid collating element");
        }
        *code_out = code;
        skip(t, size + 2);
        return TDBPLUS_OK;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], name.data, size) == 0) {
            bool digits = strcmp(names[i], "digit") == 0;
            if (digits) {
                put(t, "0-9");
            } else {
                buffer_printf(t->out, "[:%s:]", names[i]);
            }
            skip(t, size + 2);
            return TDBPLUS_OK;
        }
    }
    return invalid(t, "invalid character class");
}

/* One end of a range: a character, or a class that was written already (code -1). */
static tdbplus_status read_member(struct translator *t, int32_t *code_out)
{
    uint8_t kind = peek(t, 1);
    if (peek(t, 0) == '[' && (kind == ':' || kind == '=' || kind == '.')) {
        skip(t, 2);
        return read_named(t, kind, code_out);
    }
    if (peek(t, 0) != '\\') {
        *code_out = take_character(t);
        return TDBPLUS_OK;
    }
    skip(t, 1);
    static const char *const classes[][2] = {{"d", "0-9"}, {"s", "[:space:]"}, {"w", "[:alnum:]_"}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (skip_text(t, classes[i][0])) {
            put(t, classes[i][1]);
            *code_out = -1;
            return TDBPLUS_OK;
        }
    }
    bool known = false;
    TRY(read_character_escape(t, code_out, &known));
    return known ? TDBPLUS_OK : invalid(t, "invalid escape \\ sequence");
}

static tdbplus_status read_members(struct translator *t)
{
    for (bool first = true; first || peek(t, 0) != ']'; first = false) {
        if (at_end(t)) {
            return invalid(t, "brackets [] not balanced");
        }
        int32_t from = 0;
        int32_t to = 0;
        TRY(read_member(t, &from));
        bool range = peek(t, 0) == '-' && t->rest.size > 1 && peek(t, 1) != ']';
        if (!range) {
            if (from >= 0) {
                buffer_printf(t->out, "\\x{%x}", (unsigned)from);
            }
            continue;
        }
        skip(t, 1);
        TRY(read_member(t, &to));
        if (from < 0 || to < 0 || from > to) {
            return invalid(t, "invalid character range");
        }
        buffer_printf(t->out, "\\x{%x}-\\x{%x}", (unsigned)from, (unsigned)to);
    }
    skip(t, 1);
    return TDBPLUS_OK;
}

static tdbplus_status read_brackets(struct translator *t)
{
    if (skip_text(t, "[[:<:]]")) {
        put_constraint(t, "\\b(?=\\w)");
        return TDBPLUS_OK;
    }
    if (skip_text(t, "[[:>:]]")) {
        put_constraint(t, "\\b(?<=\\w)");
        return TDBPLUS_OK;
    }
    skip(t, 1);
    bool negated = skip_text(t, "^");
    put(t, negated ? "[^" : "[");
    if (negated && (t->traits.flags & REGEX_NEWLINE_STOPS) != 0) {
        put(t, "\\n");
    }
    TRY(read_members(t));
    put(t, "]");
    made_atom(t, PREFERS_NOTHING, SIZE_MAX);
    return TDBPLUS_OK;
}

/* ---- groups ---- */

static tdbplus_status open_group(struct translator *t)
{
    static const char *const looks[] = {"(?=", "(?!", "(?<=", "(?<!"};
    if (t->depth + 1 == REGEX_NESTING_MAX) {
        return err_set_state(t->err, TDBPLUS_E_LIMIT, "54000",
                             "invalid regular expression: nested deeper than %u",
                             REGEX_NESTING_MAX);
    }
    struct group group = {.is_look = t->groups[t->depth].is_look};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        if (skip_text(t, looks[i])) {
            put(t, looks[i]);
            group.is_look = true;
            group.number = UINT32_MAX;
            goto opened;
        }
    }
    if (skip_text(t, "(?:")) {
        put(t, "(?:");
    } else if (peek(t, 1) == '?') {
        return invalid(t, "quantifier operand invalid");
    } else {
        skip(t, 1);
        put(t, group.is_look ? "(?:" : "(");
        if (!group.is_look && ++t->traits.group_count > REGEX_GROUP_COUNT_MAX) {
            return err_set_state(t->err, TDBPLUS_E_LIMIT, "54000",
                                 "invalid regular expression: more than %u groups",
                                 REGEX_GROUP_COUNT_MAX);
        }
        group.number = group.is_look ? 0 : t->traits.group_count;
    }
opened:
    group.body = t->out->size;
    t->groups[++t->depth] = group;
    t->has_atom = false;
    return TDBPLUS_OK;
}

static tdbplus_status close_group(struct translator *t)
{
    if (t->depth == 0) {
        return invalid(t, "parentheses () not balanced");
    }
    const struct group *group = &t->groups[t->depth--];
    skip(t, 1);
    put(t, ")");
    if (group->number == UINT32_MAX) {
        t->has_atom = false; // A constraint: nothing repeats it.
        return TDBPLUS_OK;
    }
    t->closed[group->number] = true;
    made_atom(t, group->has_branches ? PREFERS_LONG : group->preference, group->body);
    return TDBPLUS_OK;
}

/* ---- quantifiers ---- */

static bool read_number(struct translator *t, uint32_t *number_out)
{
    uint32_t number = 0;
    size_t digits = 0;
    while (is_digit(peek(t, 0))) {
        number = number > REGEX_REPEAT_MAX ? number : number * 10 + (uint32_t)(peek(t, 0) - '0');
        skip(t, 1);
        digits++;
    }
    *number_out = number;
    return digits > 0;
}

/* {m}, {m,} or {m,n}, after the brace. */
static tdbplus_status read_bounds(struct translator *t, bool *exact_out, char text[32])
{
    uint32_t least = 0;
    uint32_t most = 0;
    bool good = read_number(t, &least);
    bool comma = skip_text(t, ",");
    bool limited = comma && read_number(t, &most);
    if (!good || !skip_text(t, "}") || least > REGEX_REPEAT_MAX || most > REGEX_REPEAT_MAX ||
        (limited && least > most)) {
        return invalid(t, "invalid repetition count(s)");
    }
    if (!comma) {
        (void)snprintf(text, 32, "{%u}", least);
    } else if (limited) {
        (void)snprintf(text, 32, "{%u,%u}", least, most);
    } else {
        (void)snprintf(text, 32, "{%u,}", least);
    }
    *exact_out = !comma;
    return TDBPLUS_OK;
}

static tdbplus_status read_quantifier(struct translator *t)
{
    char text[32] = {(char)peek(t, 0), 0};
    bool exact = false;
    if (!t->has_atom) {
        return invalid(t, "quantifier operand invalid");
    }
    skip(t, 1);
    if (text[0] == '{') {
        TRY(read_bounds(t, &exact, text));
    }
    bool is_short = skip_text(t, "?");
    if (is_short && t->atom_body != SIZE_MAX) {
        // The group prefers what its quantifier prefers; PCRE2 asks each quantifier inside.
        static const char turned[] = "(?U)";
        size_t size = t->out->size - t->atom_body;
        if (buffer_extend(t->out, 4) != NULL) {
            memmove(t->out->data + t->atom_body + 4, t->out->data + t->atom_body, size);
            memcpy(t->out->data + t->atom_body, turned, 4);
        }
    }
    put(t, text);
    put(t, is_short ? "?" : "");
    settle_atom(t, exact ? t->atom_preference : is_short ? PREFERS_SHORT : PREFERS_LONG);
    t->choice_count += !exact;
    t->has_atom = false;
    uint8_t next = peek(t, 0);
    if (next == '*' || next == '+' || next == '?' || (next == '{' && is_digit(peek(t, 1)))) {
        return invalid(t, "quantifier operand invalid");
    }
    return TDBPLUS_OK;
}

/* ---- the whole ---- */

/* Blanks and comments of the expanded syntax, and (?#...) of every syntax. */
static bool skip_comment(struct translator *t)
{
    if (peek(t, 0) == '(' && peek(t, 1) == '?' && peek(t, 2) == '#') {
        while (!at_end(t) && peek(t, 0) != ')') {
            skip(t, 1);
        }
        skip(t, at_end(t) ? 0 : 1);
        return true;
    }
    if ((t->traits.flags & REGEX_EXPANDED) == 0 || at_end(t)) {
        return false;
    }
    uint8_t byte = peek(t, 0);
    if (byte == ' ' || (byte >= '\t' && byte <= '\r')) {
        skip(t, 1);
        return true;
    }
    if (byte == '#') {
        while (!at_end(t) && peek(t, 0) != '\n') {
            skip(t, 1);
        }
        return true;
    }
    return false;
}

/* The atom written last gets no quantifier: what it prefers counts now. */
static void end_atom(struct translator *t)
{
    if (t->has_atom) {
        settle_atom(t, t->atom_preference);
        t->has_atom = false;
    }
}

static tdbplus_status read_plain(struct translator *t)
{
    put_character(t, take_character(t));
    made_atom(t, PREFERS_NOTHING, SIZE_MAX);
    return TDBPLUS_OK;
}

static void read_bar(struct translator *t)
{
    struct group *group = &t->groups[t->depth];
    skip(t, 1);
    put(t, "|");
    group->has_branches = true;
    group->preference = PREFERS_NOTHING;
    t->choice_count += 2;
}

static tdbplus_status read_piece(struct translator *t)
{
    uint8_t byte = peek(t, 0);
    if (byte == '*' || byte == '+' || byte == '?' || (byte == '{' && is_digit(peek(t, 1)))) {
        return read_quantifier(t);
    }
    end_atom(t);
    bool anchors = (t->traits.flags & REGEX_NEWLINE_ANCHORS) != 0;
    switch (byte) {
    case '|':
        read_bar(t);
        return TDBPLUS_OK;
    case '(':
        return open_group(t);
    case ')':
        return close_group(t);
    case '[':
        return read_brackets(t);
    case '\\':
        skip(t, 1);
        return read_escape(t);
    case '.':
        skip(t, 1);
        put_atom(t, (t->traits.flags & REGEX_NEWLINE_STOPS) != 0 ? "[^\\n]" : ".");
        return TDBPLUS_OK;
    case '^':
        skip(t, 1);
        put_constraint(t, anchors ? "(?m:^)" : "\\A");
        return TDBPLUS_OK;
    case '$':
        skip(t, 1);
        put_constraint(t, anchors ? "(?m:$)" : "\\z");
        return TDBPLUS_OK;
    default:
        return read_plain(t);
    }
}

/* "***:", "***=" and "(?xyz)" at the beginning. */
static tdbplus_status read_director(struct translator *t)
{
    if (skip_text(t, "***=")) {
        t->traits.flags |= REGEX_LITERAL;
    } else if (!skip_text(t, "***:") && skip_text(t, "***")) {
        return invalid(t, "quantifier operand invalid");
    }
    bool letters = peek(t, 0) == '(' && peek(t, 1) == '?' && peek(t, 2) >= 'a' && peek(t, 2) <= 'z';
    if (!letters || (t->traits.flags & REGEX_LITERAL) != 0) {
        return TDBPLUS_OK;
    }
    const uint8_t *end = memchr(t->rest.data, ')', t->rest.size);
    if (end == NULL) {
        return invalid(t, "invalid embedded option");
    }
    struct span options = {.data = t->rest.data + 2, .size = (size_t)(end - t->rest.data) - 2};
    for (size_t i = 0; i < options.size; i++) {
        struct span one = {.data = options.data + i, .size = 1};
        uint32_t flags = 0;
        char bad = 0;
        if (one.data[0] == 'g' || !regex_flags_of(one, &flags, &bad)) {
            return invalid(t, "invalid embedded option");
        }
        if (one.data[0] == 's' || one.data[0] == 'n' || one.data[0] == 'm' || one.data[0] == 'p' ||
            one.data[0] == 'w') {
            t->traits.flags &= ~(uint32_t)(REGEX_NEWLINE_STOPS | REGEX_NEWLINE_ANCHORS);
        }
        if (one.data[0] == 'c') {
            t->traits.flags &= ~(uint32_t)REGEX_FOLD_CASE;
        }
        if (one.data[0] == 't') {
            t->traits.flags &= ~(uint32_t)REGEX_EXPANDED;
        }
        t->traits.flags |= flags;
    }
    skip(t, options.size + 3);
    return TDBPLUS_OK;
}

static tdbplus_status translate(struct translator *t)
{
    TRY(read_director(t));
    if ((t->traits.flags & REGEX_BASIC) != 0) {
        return err_set(t->err, TDBPLUS_E_UNSUPPORTED,
                       "basic regular expressions are not supported");
    }
    bool literal = (t->traits.flags & REGEX_LITERAL) != 0;
    while (!at_end(t)) {
        if (literal) {
            put_character(t, take_character(t));
        } else if (!skip_comment(t)) {
            TRY(read_piece(t));
        }
    }
    end_atom(t);
    if (t->depth > 0) {
        return invalid(t, "parentheses () not balanced");
    }
    t->traits.has_choice = t->choice_count > 1;
    t->traits.prefers_short =
        !t->groups[0].has_branches && t->groups[0].preference == PREFERS_SHORT;
    return TDBPLUS_OK;
}

tdbplus_status regex_translate(struct span pattern, uint32_t flags, struct buffer *out,
                               struct regex_traits *traits_out, struct err *err)
{
    struct translator t = {.rest = pattern, .out = out, .err = err, .traits = {.flags = flags}};
    TRY(translate(&t));
    *traits_out = t.traits;
    return TDBPLUS_OK;
}
