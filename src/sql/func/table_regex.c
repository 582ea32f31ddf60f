/* Regular expressions: PostgreSQL's manual, 9.7.2 and 9.7.3. */

#include <string.h>

#include "sql/func/regex.h"
#include "sql/func/value_kernel.h"

/* The expression of the row before, which is mostly that of the next one, too. */
struct matcher {
    struct func_call *call;
    struct regex *regex;
    struct span pattern;
    uint32_t flags;
    struct regex_range ranges[REGEX_GROUP_COUNT_MAX + 1];
};

static void matcher_init(struct matcher *matcher, struct func_call *call)
{
    *matcher = (struct matcher){.call = call};
}

static void matcher_deinit(struct matcher *matcher)
{
    regex_destroy(matcher->regex);
}

static tdbplus_status prepare(struct matcher *matcher, struct span pattern, uint32_t flags)
{
    bool same = matcher->regex != NULL && matcher->flags == flags &&
                matcher->pattern.size == pattern.size &&
                span_compare(matcher->pattern, pattern) == 0;
    if (same) {
        return TDBPLUS_OK;
    }
    regex_destroy(matcher->regex);
    matcher->regex = NULL;
    TRY(regex_create(pattern, flags, matcher->call->arena->alloc, &matcher->regex,
                     matcher->call->err));
    matcher->pattern = pattern;
    matcher->flags = flags;
    return TDBPLUS_OK;
}

static tdbplus_status find(struct matcher *matcher, struct span text, size_t from, bool *found_out)
{
    return regex_find(matcher->regex, text, from, matcher->ranges, found_out, matcher->call->err);
}

/* Work on one row; `ctx` is the kernel's own. */
typedef tdbplus_status (*match_row)(struct matcher *matcher, uint32_t row, struct datum *result);

static tdbplus_status match_each(struct func_call *call, match_row function)
{
    tdbplus_status status = TDBPLUS_OK;
    struct matcher matcher;
    matcher_init(&matcher, call);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum result = {.type = call->result->type};
        TRY_OR(done, function(&matcher, row, &result));
        if (result.is_null) {
            kernel_set_null(call, row);
        } else {
            column_set(call->result, row, &result);
        }
    }
done:
    matcher_deinit(&matcher);
    return status;
}

#define MATCH_KERNEL(NAME)                             \
    static tdbplus_status NAME(struct func_call *call) \
    {                                                  \
        return match_each(call, NAME##_row);           \
    }

/* ---- ~ and its kin ---- */

static tdbplus_status test(struct matcher *matcher, uint32_t row, uint32_t flags, bool negated,
                           struct datum *result)
{
    bool found = false;
    TRY(prepare(matcher, text_argument(matcher->call, 1, row), flags));
    TRY(regex_find(matcher->regex, text_argument(matcher->call, 0, row), 0, NULL, &found,
                   matcher->call->err));
    result->boolean = found != negated;
    return TDBPLUS_OK;
}

#define TEST_KERNEL(NAME, FLAGS, NEGATED)                                                         \
    static tdbplus_status NAME##_row(struct matcher *matcher, uint32_t row, struct datum *result) \
    {                                                                                             \
        return test(matcher, row, FLAGS, NEGATED, result);                                        \
    }                                                                                             \
    MATCH_KERNEL(NAME)

TEST_KERNEL(matches, 0, false)
TEST_KERNEL(matches_folded, REGEX_FOLD_CASE, false)
TEST_KERNEL(matches_not, 0, true)
TEST_KERNEL(matches_folded_not, REGEX_FOLD_CASE, true)

/* ---- arguments ---- */

/* Options in argument `number`, if there is one. */
static tdbplus_status read_flags(struct func_call *call, uint32_t number, uint32_t row,
                                 bool global_allowed, uint32_t *flags_out)
{
    char bad = 0;
    *flags_out = 0;
    if (number >= call->argument_count) {
        return TDBPLUS_OK;
    }
    if (!regex_flags_of(text_argument(call, number, row), flags_out, &bad)) {
        return kernel_error(call, "22023", "invalid regular expression option: \"%c\"", bad);
    }
    if ((*flags_out & REGEX_GLOBAL) != 0 && !global_allowed) {
        return kernel_error(call, "22023", "%s() does not support the \"global\" option",
                            call->func->name);
    }
    return TDBPLUS_OK;
}

/* A number that must be at least `least`; `otherwise` if it is not given. */
static tdbplus_status read_number(struct func_call *call, uint32_t number, uint32_t row,
                                  const char *name, int32_t least, int32_t otherwise,
                                  int32_t *value_out)
{
    *value_out = otherwise;
    if (number >= call->argument_count) {
        return TDBPLUS_OK;
    }
    *value_out = int4_argument(call, number, row);
    if (*value_out < least) {
        return kernel_error(call, "22023", "invalid value for parameter \"%s\": %d", name,
                            *value_out);
    }
    return TDBPLUS_OK;
}

/* Bytes of the text that stay where they are: short ones lie inside of a view. */
static tdbplus_status steady(struct func_call *call, struct span text, struct span *steady_out)
{
    uint8_t *copy = arena_bytes(call->arena, text.size + 1);
    if (copy == NULL) {
        return kernel_no_memory(call);
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *steady_out = (struct span){.data = copy, .size = text.size};
    return TDBPLUS_OK;
}

/* Where the next search begins after a match; false past the end. */
static bool next_search(struct span text, const struct regex_range *match, size_t *from)
{
    *from = match->end;
    if (match->begin == match->end) {
        *from += match->end < text.size ? text_character_size(text.data[match->end]) : 1;
    }
    return *from <= text.size;
}

/* ---- regexp_match, regexp_matches ---- */

static struct datum range_datum(struct span text, const struct regex_range *range)
{
    struct datum datum = kernel_text_datum((struct span){0});
    datum.is_null = range->begin == SIZE_MAX;
    if (!datum.is_null) {
        datum.bytes = (struct span){text.data + range->begin, range->end - range->begin};
    }
    return datum;
}

/* The groups of a match, or all of it if there are none. */
static tdbplus_status push_match(struct matcher *matcher, struct span text,
                                 struct kernel_items *items)
{
    uint32_t groups = regex_group_count(matcher->regex);
    for (uint32_t g = groups == 0 ? 0 : 1; g <= groups; g++) {
        struct datum item = range_datum(text, &matcher->ranges[g]);
        TRY(kernel_push(matcher->call, items, &item));
    }
    return TDBPLUS_OK;
}

static tdbplus_status match_row_function(struct matcher *matcher, uint32_t row,
                                         struct datum *result)
{
    struct func_call *call = matcher->call;
    struct kernel_items items = {0};
    struct span text;
    uint32_t flags = 0;
    bool found = false;
    TRY(read_flags(call, 2, row, false, &flags));
    TRY(prepare(matcher, text_argument(call, 1, row), flags));
    TRY(steady(call, text_argument(call, 0, row), &text));
    TRY(find(matcher, text, 0, &found));
    result->is_null = !found;
    if (!found) {
        return TDBPLUS_OK;
    }
    TRY(push_match(matcher, text, &items));
    return kernel_list_result(call, items.items, items.count, result);
}

static tdbplus_status match(struct func_call *call)
{
    return match_each(call, match_row_function);
}

/* A row a match: an array of two dimensions. */
static tdbplus_status all_matches_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    struct func_call *call = matcher->call;
    struct kernel_items items = {0};
    struct span text;
    uint32_t flags = 0;
    uint32_t count = 0;
    bool found = false;
    TRY(read_flags(call, 2, row, true, &flags));
    TRY(prepare(matcher, text_argument(call, 1, row), flags & ~(uint32_t)REGEX_GLOBAL));
    TRY(steady(call, text_argument(call, 0, row), &text));
    size_t from = 0;
    do {
        TRY(find(matcher, text, from, &found));
        if (found) {
            TRY(push_match(matcher, text, &items));
            count++;
        }
    } while (found && (flags & REGEX_GLOBAL) != 0 && next_search(text, matcher->ranges, &from));
    struct array_dimension shape[2] = {{count, 1}, {count == 0 ? 0 : items.count / count, 1}};
    return kernel_array_result(call, items.items, shape, count == 0 ? 0 : 2, result);
}

MATCH_KERNEL(all_matches)

/* ---- splitting ---- */

static tdbplus_status split_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    struct func_call *call = matcher->call;
    struct kernel_items items = {0};
    struct span text;
    uint32_t flags = 0;
    bool found = true;
    TRY(read_flags(call, 2, row, false, &flags));
    TRY(prepare(matcher, text_argument(call, 1, row), flags));
    TRY(steady(call, text_argument(call, 0, row), &text));
    size_t from = 0;
    size_t begin = 0;
    size_t last_end = 0;
    bool more = true;
    while (more) {
        TRY(find(matcher, text, from, &found));
        if (!found) {
            break;
        }
        const struct regex_range *range = &matcher->ranges[0];
        // Empty matches at the end or right after another match separate nothing.
        if (range->begin < text.size && range->end > last_end) {
            struct regex_range part = {begin, range->begin};
            struct datum item = range_datum(text, &part);
            TRY(kernel_push(call, &items, &item));
            begin = range->end;
        }
        last_end = range->end;
        more = next_search(text, range, &from);
    }
    struct regex_range part = {begin, text.size};
    struct datum item = range_datum(text, &part);
    TRY(kernel_push(call, &items, &item));
    return kernel_list_result(call, items.items, items.count, result);
}

MATCH_KERNEL(split)

/* ---- regexp_replace ---- */

static void put_part(struct span text, const struct regex_range *range, struct buffer *out)
{
    if (range->begin != SIZE_MAX) {
        buffer_put(out, text.data + range->begin, range->end - range->begin);
    }
}

/* The replacement: \1 to \9 are groups, \& the match, \\ a backslash. */
static void put_replacement(const struct matcher *matcher, struct span text, struct span with,
                            struct buffer *out)
{
    for (size_t i = 0; i < with.size; i++) {
        uint8_t next = i + 1 < with.size ? with.data[i + 1] : 0;
        if (with.data[i] != '\\' || next == 0) {
            buffer_put_u8(out, with.data[i]);
        } else if (next >= '1' && next <= '9') {
            uint32_t group = (uint32_t)(next - '0');
            if (group <= regex_group_count(matcher->regex)) {
                put_part(text, &matcher->ranges[group], out);
            }
            i++;
        } else if (next == '&') {
            put_part(text, &matcher->ranges[0], out);
            i++;
        } else {
            buffer_put_u8(out, '\\');
            i += next == '\\';
        }
    }
}

/* `number` 0: all matches; else the one of that number. */
static tdbplus_status replace(struct matcher *matcher, struct span text, struct span with,
                              size_t from, int32_t number, struct buffer *out)
{
    size_t kept = 0;
    int32_t count = 0;
    bool found = true;
    bool more = true;
    while (more) {
        TRY(find(matcher, text, from, &found));
        if (!found) {
            break;
        }
        const struct regex_range range = matcher->ranges[0];
        count++;
        if (number == 0 || count == number) {
            buffer_put(out, text.data + kept, range.begin - kept);
            put_replacement(matcher, text, with, out);
            kept = range.end;
        }
        more = count != number && next_search(text, &range, &from);
    }
    buffer_put(out, text.data + kept, text.size - kept);
    return TDBPLUS_OK;
}

static tdbplus_status replace_with(struct matcher *matcher, uint32_t row, size_t from,
                                   int32_t number, uint32_t flags, struct datum *result)
{
    struct func_call *call = matcher->call;
    tdbplus_status status = TDBPLUS_OK;
    struct buffer out;
    buffer_init(&out, call->arena->alloc);
    TRY_OR(done, prepare(matcher, text_argument(call, 1, row), flags & ~(uint32_t)REGEX_GLOBAL));
    TRY_OR(done, replace(matcher, text_argument(call, 0, row), text_argument(call, 2, row), from,
                         number, &out));
    TRY_OR(done, kernel_keep(call, &out, result));
done:
    buffer_deinit(&out);
    return status;
}

static tdbplus_status replace_flags_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    struct func_call *call = matcher->call;
    uint32_t flags = 0;
    if (call->argument_count > 3) {
        struct span text = text_argument(call, 3, row);
        if (text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9') {
            tdbplus_status status = kernel_error(
                call, "22023", "invalid regular expression option: \"%c\"", text.data[0]);
            err_hint(call->err, "If you meant to use regexp_replace() with a start parameter, cast "
                                "the fourth argument to integer explicitly.");
            return status;
        }
    }
    TRY(read_flags(call, 3, row, true, &flags));
    return replace_with(matcher, row, 0, (flags & REGEX_GLOBAL) != 0 ? 0 : 1, flags, result);
}

/* The byte of a character's number; one past the end when there is no such character. */
static size_t byte_of(struct span text, int32_t character)
{
    size_t at = text_offset(text, (size_t)character - 1);
    return at == text.size && text_length(text) < (size_t)character - 1 ? text.size + 1 : at;
}

static tdbplus_status replace_from_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    struct func_call *call = matcher->call;
    int32_t start = 0;
    int32_t number = 0;
    uint32_t flags = 0;
    TRY(read_number(call, 3, row, "start", 1, 1, &start));
    TRY(read_number(call, 4, row, "n", 0, 1, &number));
    TRY(read_flags(call, 5, row, true, &flags));
    if (call->argument_count < 5 && (flags & REGEX_GLOBAL) != 0) {
        number = 0;
    }
    size_t from = byte_of(text_argument(call, 0, row), start);
    if (from > text_argument(call, 0, row).size) {
        // Nothing is found there.
        *result = kernel_argument(call, 0, row);
        return TDBPLUS_OK;
    }
    return replace_with(matcher, row, from, number, flags, result);
}

MATCH_KERNEL(replace_flags)
MATCH_KERNEL(replace_from)

/* ---- counting, finding ---- */

/* The `number`-th match from a character on; false in *found_out if there are fewer. */
static tdbplus_status find_number(struct matcher *matcher, struct span text, int32_t start,
                                  int32_t number, bool *found_out)
{
    size_t from = byte_of(text, start);
    *found_out = false;
    if (from > text.size) {
        return TDBPLUS_OK;
    }
    for (int32_t i = 1;; i++) {
        TRY(find(matcher, text, from, found_out));
        if (!*found_out || i == number) {
            return TDBPLUS_OK;
        }
        if (!next_search(text, matcher->ranges, &from)) {
            *found_out = false;
            return TDBPLUS_OK;
        }
    }
}

static tdbplus_status count_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    struct func_call *call = matcher->call;
    struct span text = text_argument(call, 0, row);
    int32_t start = 0;
    uint32_t flags = 0;
    bool found = true;
    TRY(read_number(call, 2, row, "start", 1, 1, &start));
    TRY(read_flags(call, 3, row, false, &flags));
    TRY(prepare(matcher, text_argument(call, 1, row), flags));
    size_t from = byte_of(text, start);
    bool more = from <= text.size;
    while (more) {
        TRY(find(matcher, text, from, &found));
        if (!found) {
            break;
        }
        result->integer++;
        more = next_search(text, matcher->ranges, &from);
    }
    return TDBPLUS_OK;
}

static tdbplus_status like_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    uint32_t flags = 0;
    TRY(read_flags(matcher->call, 2, row, false, &flags));
    return test(matcher, row, flags, false, result);
}

static tdbplus_status instr_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    struct func_call *call = matcher->call;
    struct span text = text_argument(call, 0, row);
    int32_t start = 0;
    int32_t number = 0;
    int32_t end_option = 0;
    int32_t group = 0;
    uint32_t flags = 0;
    bool found = false;
    TRY(read_number(call, 2, row, "start", 1, 1, &start));
    TRY(read_number(call, 3, row, "n", 1, 1, &number));
    TRY(read_number(call, 4, row, "endoption", 0, 0, &end_option));
    if (end_option > 1) {
        return kernel_error(call, "22023", "invalid value for parameter \"%s\": %d", "endoption",
                            end_option);
    }
    TRY(read_flags(call, 5, row, false, &flags));
    TRY(read_number(call, 6, row, "subexpr", 0, 0, &group));
    TRY(prepare(matcher, text_argument(call, 1, row), flags));
    TRY(find_number(matcher, text, start, number, &found));
    if (!found || (uint32_t)group > regex_group_count(matcher->regex)) {
        return TDBPLUS_OK;
    }
    const struct regex_range *range = &matcher->ranges[group];
    if (range->begin != SIZE_MAX) {
        struct span before = {.data = text.data,
                              .size = end_option == 0 ? range->begin : range->end};
        result->integer = (int64_t)text_length(before) + 1;
    }
    return TDBPLUS_OK;
}

static tdbplus_status substr_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    struct func_call *call = matcher->call;
    struct span text;
    int32_t start = 0;
    int32_t number = 0;
    int32_t group = 0;
    uint32_t flags = 0;
    bool found = false;
    TRY(read_number(call, 2, row, "start", 1, 1, &start));
    TRY(read_number(call, 3, row, "n", 1, 1, &number));
    TRY(read_flags(call, 4, row, false, &flags));
    TRY(read_number(call, 5, row, "subexpr", 0, 0, &group));
    TRY(prepare(matcher, text_argument(call, 1, row), flags));
    TRY(steady(call, text_argument(call, 0, row), &text));
    TRY(find_number(matcher, text, start, number, &found));
    if (found && (uint32_t)group <= regex_group_count(matcher->regex)) {
        *result = range_datum(text, &matcher->ranges[group]);
    } else {
        result->is_null = true;
    }
    return TDBPLUS_OK;
}

MATCH_KERNEL(count)
MATCH_KERNEL(like)
MATCH_KERNEL(instr)
MATCH_KERNEL(substr)

/* substring(text FROM pattern): the first group, or all of the match. */
static tdbplus_status substring_of(struct matcher *matcher, struct span pattern, uint32_t row,
                                   struct datum *result)
{
    struct span text;
    bool found = false;
    TRY(prepare(matcher, pattern, 0));
    TRY(steady(matcher->call, text_argument(matcher->call, 0, row), &text));
    TRY(find(matcher, text, 0, &found));
    if (found) {
        *result = range_datum(text, &matcher->ranges[regex_group_count(matcher->regex) > 0]);
    } else {
        result->is_null = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status substring_row(struct matcher *matcher, uint32_t row, struct datum *result)
{
    return substring_of(matcher, text_argument(matcher->call, 1, row), row, result);
}

MATCH_KERNEL(substring)

/* ---- SIMILAR TO: patterns of the standard as regular expressions ---- */

struct similar {
    struct func_call *call;
    struct span pattern;
    struct span escape; /* Empty: there is none. */
    struct buffer *out;
    uint32_t separators; /* escape-quote, which marks off the part wanted by substring(). */
    bool in_brackets;
    bool escaped;
};

static tdbplus_status put_separator(struct similar *similar)
{
    if (similar->separators == 0) {
        buffer_put_text(similar->out, "){1,1}?(");
    } else if (similar->separators == 1) {
        buffer_put_text(similar->out, "){1,1}(?:");
    } else {
        return kernel_error(similar->call, "2200C",
                            "SQL regular expression may not contain more than two escape-double-"
                            "quote separators");
    }
    similar->separators++;
    return TDBPLUS_OK;
}

static tdbplus_status put_similar_character(struct similar *similar, struct span character)
{
    struct buffer *out = similar->out;
    uint8_t byte = character.data[0];
    bool is_escape = character.size == similar->escape.size && similar->escape.size > 0 &&
                     memcmp(character.data, similar->escape.data, character.size) == 0;
    if (similar->escaped) {
        similar->escaped = false;
        if (byte == '"' && !similar->in_brackets) {
            return put_separator(similar);
        }
        buffer_put_u8(out, '\\');
        buffer_put_span(out, character);
    } else if (is_escape) {
        similar->escaped = true;
    } else if (similar->in_brackets) {
        buffer_put_text(out, byte == '\\' ? "\\" : "");
        buffer_put_span(out, character);
        similar->in_brackets = byte != ']';
    } else if (byte == '[') {
        buffer_put_u8(out, byte);
        similar->in_brackets = true;
    } else if (byte == '%') {
        buffer_put_text(out, ".*");
    } else if (byte == '_') {
        buffer_put_u8(out, '.');
    } else if (byte == '(') {
        buffer_put_text(out, "(?:");
    } else {
        buffer_put_text(out, byte == '\\' || byte == '.' || byte == '^' || byte == '$' ? "\\" : "");
        buffer_put_span(out, character);
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_similar(struct func_call *call, struct span pattern, struct span escape,
                                  struct buffer *out)
{
    struct similar similar = {.call = call, .pattern = pattern, .escape = escape, .out = out};
    if (escape.size > 0 && text_character_size(escape.data[0]) != escape.size) {
        tdbplus_status status = kernel_error(call, "22025", "invalid escape string");
        err_hint(call->err, "Escape string must be empty or one character.");
        return status;
    }
    buffer_put_text(out, "^(?:");
    for (size_t at = 0; at < pattern.size;) {
        size_t size = text_character_size(pattern.data[at]);
        size = size > pattern.size - at ? pattern.size - at : size;
        TRY(put_similar_character(&similar,
                                  (struct span){.data = pattern.data + at, .size = size}));
        at += size;
    }
    buffer_put_text(out, ")$");
    return TDBPLUS_OK;
}

static tdbplus_status similar_row(struct func_call *call, uint32_t row, struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    bool strict = (call->func->flags & FUNC_CALLED_ON_NULL) == 0;
    struct span escape = span_from_text("\\");
    struct buffer out;
    if (!strict && kernel_is_null(call, 0, row)) {
        result->is_null = true;
        return TDBPLUS_OK;
    }
    if (call->argument_count > 1 && !kernel_is_null(call, 1, row)) {
        escape = text_argument(call, 1, row);
    }
    buffer_init(&out, call->arena->alloc);
    TRY_OR(done, put_similar(call, text_argument(call, 0, row), escape, &out));
    TRY_OR(done, kernel_keep(call, &out, result));
done:
    buffer_deinit(&out);
    return status;
}

ROW_KERNEL(similar)

static tdbplus_status substring_similar_row(struct matcher *matcher, uint32_t row,
                                            struct datum *result)
{
    struct func_call *call = matcher->call;
    tdbplus_status status = TDBPLUS_OK;
    struct datum pattern = {0};
    struct buffer out;
    buffer_init(&out, call->arena->alloc);
    TRY_OR(done, put_similar(call, text_argument(call, 1, row), text_argument(call, 2, row), &out));
    TRY_OR(done, kernel_keep(call, &out, &pattern));
    TRY_OR(done, substring_of(matcher, pattern.bytes, row, result));
done:
    buffer_deinit(&out);
    return status;
}

MATCH_KERNEL(substring_similar)

#define TX  TYPE_TEXT
#define TXA FUNC_ARRAY_OF(TYPE_TEXT)
#define I4  TYPE_INT4
#define BO  TYPE_BOOL
#define OP  FUNC_OPERATOR
#define NL  FUNC_NULLABLE

const struct func table_regex[] = {
    {"~", 2, {TX, TX}, BO, OP, matches, "True if the regular expression matches."},
    {"~*", 2, {TX, TX}, BO, OP, matches_folded, "The same without regard to case."},
    {"!~", 2, {TX, TX}, BO, OP, matches_not, "True if it does not match."},
    {"!~*", 2, {TX, TX}, BO, OP, matches_folded_not, "The same without regard to case."},
    {"textregexeq", 2, {TX, TX}, BO, 0, matches, "As ~."},
    {"textregexne", 2, {TX, TX}, BO, 0, matches_not, "As !~."},
    {"texticregexeq", 2, {TX, TX}, BO, 0, matches_folded, "As ~*."},
    {"texticregexne", 2, {TX, TX}, BO, 0, matches_folded_not, "As !~*."},
    {"regexp_match", 2, {TX, TX}, TXA, NL, match, "The groups of the first match."},
    {"regexp_match", 3, {TX, TX, TX}, TXA, NL, match, "The same with options."},
    {"regexp_matches", 2, {TX, TX}, TXA, FUNC_SET, all_matches, "A row for the first match."},
    {"regexp_matches", 3, {TX, TX, TX}, TXA, FUNC_SET, all_matches, "A row a match with g."},
    {"regexp_split_to_array", 2, {TX, TX}, TXA, 0, split, "The parts between matches."},
    {"regexp_split_to_array", 3, {TX, TX, TX}, TXA, 0, split, "The same with options."},
    {"regexp_split_to_table", 2, {TX, TX}, TX, FUNC_SET, split, "The parts between matches."},
    {"regexp_split_to_table", 3, {TX, TX, TX}, TX, FUNC_SET, split, "The same with options."},
    {"regexp_replace", 3, {TX, TX, TX}, TX, 0, replace_flags, "The first match replaced."},
    {"regexp_replace", 4, {TX, TX, TX, TX}, TX, 0, replace_flags, "All of them with g."},
    {"regexp_replace", 4, {TX, TX, TX, I4}, TX, 0, replace_from, "From a character on."},
    {"regexp_replace", 5, {TX, TX, TX, I4, I4}, TX, 0, replace_from, "The n-th match."},
    {"regexp_replace", 6, {TX, TX, TX, I4, I4, TX}, TX, 0, replace_from, "With options."},
    {"regexp_count", 2, {TX, TX}, I4, 0, count, "Number of matches."},
    {"regexp_count", 3, {TX, TX, I4}, I4, 0, count, "From a character on."},
    {"regexp_count", 4, {TX, TX, I4, TX}, I4, 0, count, "With options."},
    {"regexp_like", 2, {TX, TX}, BO, 0, like, "True if it matches."},
    {"regexp_like", 3, {TX, TX, TX}, BO, 0, like, "With options."},
    {"regexp_instr", 2, {TX, TX}, I4, 0, instr, "Where the match begins, or 0."},
    {"regexp_instr", 3, {TX, TX, I4}, I4, 0, instr, "From a character on."},
    {"regexp_instr", 4, {TX, TX, I4, I4}, I4, 0, instr, "The n-th match."},
    {"regexp_instr", 5, {TX, TX, I4, I4, I4}, I4, 0, instr, "Where it ends, with 1."},
    {"regexp_instr", 6, {TX, TX, I4, I4, I4, TX}, I4, 0, instr, "With options."},
    {"regexp_instr", 7, {TX, TX, I4, I4, I4, TX, I4}, I4, 0, instr, "Of a group."},
    {"regexp_substr", 2, {TX, TX}, TX, NL, substr, "The match."},
    {"regexp_substr", 3, {TX, TX, I4}, TX, NL, substr, "From a character on."},
    {"regexp_substr", 4, {TX, TX, I4, I4}, TX, NL, substr, "The n-th match."},
    {"regexp_substr", 5, {TX, TX, I4, I4, TX}, TX, NL, substr, "With options."},
    {"regexp_substr", 6, {TX, TX, I4, I4, TX, I4}, TX, NL, substr, "Of a group."},
    {"substring", 2, {TX, TX}, TX, NL, substring, "What matches, or its first group."},
    {"substring", 3, {TX, TX, TX}, TX, NL, substring_similar, "By a pattern of SIMILAR TO."},
    {"similar_to_escape", 1, {TX}, TX, 0, similar, "A SIMILAR TO pattern as an expression."},
    {"similar_to_escape", 2, {TX, TX}, TX, 0, similar, "The same with an escape character."},
    {"similar_escape",
     2,
     {TX, TX},
     TX,
     FUNC_CALLED_ON_NULL | NL,
     similar,
     "The same; null is the backslash."},
    FUNC_END,
};
