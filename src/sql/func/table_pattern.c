#include "sql/func/text_kernel.h"

#include <string.h>
#include <utf8proc.h>

/* LIKE. A pattern ends in a backslash: 22025. */

enum like { LIKE_NO, LIKE_YES, LIKE_BAD };

static int32_t fold(struct span text, size_t at, size_t *size)
{
    int32_t code = 0;
    utf8proc_ssize_t used =
        utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size - at), &code);
    if (used <= 0) {
        *size = 1;
        return text.data[at];
    }
    *size = (size_t)used;
    return utf8proc_tolower(code);
}

/* Compares one character of each at the two places; moves both on if they are the same. */
static bool same_character(struct span text, size_t *t, struct span pattern, size_t *p,
                           bool fold_case)
{
    size_t text_size = 0;
    size_t pattern_size = 0;
    bool same;
    if (fold_case) {
        same = fold(text, *t, &text_size) == fold(pattern, *p, &pattern_size);
    } else {
        same = text.data[*t] == pattern.data[*p];
        text_size = pattern_size = 1;
    }
    if (same) {
        *t += text_size;
        *p += pattern_size;
    }
    return same;
}

/*
 * One pass with a memory of the last %: after a mismatch the text there begins one character later.
 * Earlier ones need not be tried again, so the time is at most the product of the sizes.
 */
static enum like match(struct span text, struct span pattern, bool fold_case)
{
    size_t t = 0;
    size_t p = 0;
    size_t star_p = SIZE_MAX;
    size_t star_t = 0;
    while (t < text.size) {
        bool matched = false;
        if (p < pattern.size && pattern.data[p] == '%') {
            star_p = ++p;
            star_t = t;
            continue;
        }
        if (p < pattern.size && pattern.data[p] == '_') {
            p++;
            t += text_character_size(text.data[t]);
            matched = true;
        } else if (p < pattern.size) {
            size_t literal = p + (pattern.data[p] == '\\' ? 1u : 0u);
            if (literal == pattern.size) {
                return LIKE_BAD;
            }
            matched = same_character(text, &t, pattern, &literal, fold_case);
            p = matched ? literal : p;
        }
        if (!matched) {
            if (star_p == SIZE_MAX) {
                return LIKE_NO;
            }
            star_t += text_character_size(text.data[star_t]);
            t = star_t;
            p = star_p;
        }
    }
    while (p < pattern.size && pattern.data[p] == '%') {
        p++;
    }
    return p == pattern.size ? LIKE_YES : LIKE_NO;
}

/* A pattern of plain text between percent signs: '%special%requests%'. */
#define PIECE_COUNT_MAX 16u

struct pieces {
    struct span items[PIECE_COUNT_MAX];
    uint32_t count;
    bool open_begin; /* Begins with a percent sign. */
    bool open_end;
};

/* False for patterns that need more than looking for texts one after the other. */
static bool cut_pieces(struct span pattern, struct pieces *pieces)
{
    size_t begin = 0;
    *pieces = (struct pieces){.count = 0};
    if (pattern.size == 0 || memchr(pattern.data, '%', pattern.size) == NULL) {
        return false;
    }
    pieces->open_begin = pattern.data[0] == '%';
    pieces->open_end = pattern.data[pattern.size - 1] == '%';
    for (size_t at = 0; at <= pattern.size; at++) {
        bool ends = at == pattern.size || pattern.data[at] == '%';
        if (!ends && (pattern.data[at] == '_' || pattern.data[at] == '\\')) {
            return false;
        }
        if (ends && at > begin) {
            if (pieces->count == PIECE_COUNT_MAX) {
                return false;
            }
            pieces->items[pieces->count++] =
                (struct span){.data = pattern.data + begin, .size = at - begin};
        }
        begin = ends ? at + 1 : begin;
    }
    return true;
}

static bool match_pieces(const struct pieces *pieces, struct span text)
{
    const uint8_t *at = text.data;
    size_t left = text.size;
    uint32_t first = 0;
    uint32_t last = pieces->count;
    if (!pieces->open_begin) {
        struct span head = pieces->items[first++];
        if (left < head.size || memcmp(at, head.data, head.size) != 0) {
            return false;
        }
        at += head.size;
        left -= head.size;
    }
    if (!pieces->open_end) {
        struct span tail = pieces->items[--last];
        if (left < tail.size || memcmp(at + left - tail.size, tail.data, tail.size) != 0) {
            return false;
        }
        left -= tail.size;
    }
    for (; first < last; first++) {
        const uint8_t *found =
            memmem(at, left, pieces->items[first].data, pieces->items[first].size);
        if (found == NULL) {
            return false;
        }
        left -= (size_t)(found - at) + pieces->items[first].size;
        at = found + pieces->items[first].size;
    }
    return true;
}

static tdbplus_status match_all(struct func_call *call, bool fold_case, bool negated)
{
    uint8_t *result = call->result->data;
    struct pieces pieces;
    if (call->arguments[1].form == COLUMN_CONSTANT && !fold_case && call->count > 0 &&
        cut_pieces(text_argument(call, 1, 0), &pieces)) {
        for (uint32_t i = 0; i < call->count; i++) {
            uint32_t row = kernel_row(call, i);
            result[row] = match_pieces(&pieces, text_argument(call, 0, row)) != negated;
        }
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        enum like like = match(text_argument(call, 0, row), text_argument(call, 1, row), fold_case);
        if (like == LIKE_BAD) {
            return err_set_state(call->err, TDBPLUS_E_SQL, "22025",
                                 "LIKE pattern must not end with escape character");
        }
        result[row] = (like == LIKE_YES) != negated;
    }
    return TDBPLUS_OK;
}

static tdbplus_status like(struct func_call *call)
{
    return match_all(call, false, false);
}

static tdbplus_status not_like(struct func_call *call)
{
    return match_all(call, false, true);
}

static tdbplus_status ilike(struct func_call *call)
{
    return match_all(call, true, false);
}

static tdbplus_status not_ilike(struct func_call *call)
{
    return match_all(call, true, true);
}

/* like_escape(pattern, escape): the pattern with a backslash in the escape character's place. */
static tdbplus_status escape_one(struct func_call *call, uint32_t row)
{
    struct span pattern = text_argument(call, 0, row);
    struct span escape = text_argument(call, 1, row);
    if (escape.size > 0 && text_character_size(escape.data[0]) != escape.size) {
        tdbplus_status status =
            err_set_state(call->err, TDBPLUS_E_SQL, "22025", "invalid escape string");
        err_hint(call->err, "Escape string must be empty or one character.");
        return status;
    }
    tdbplus_status status = TDBPLUS_OK;
    uint8_t *out = text_make(call, pattern.size * 2, &status);
    if (out == NULL) {
        return status;
    }
    size_t used = 0;
    bool escaped = false;
    for (size_t at = 0; at < pattern.size;) {
        size_t size = text_character_size(pattern.data[at]);
        bool is_escape =
            !escaped && escape.size == size && memcmp(pattern.data + at, escape.data, size) == 0;
        if (is_escape) {
            out[used++] = '\\';
            escaped = true;
        } else {
            if (pattern.data[at] == '\\' && !escaped) {
                out[used++] = '\\';
            }
            memcpy(out + used, pattern.data + at, size);
            used += size;
            escaped = false;
        }
        at += size;
    }
    text_result(call, row, (struct span){.data = out, .size = used});
    return TDBPLUS_OK;
}

static tdbplus_status like_escape(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        TRY(escape_one(call, kernel_row(call, i)));
    }
    return TDBPLUS_OK;
}

#define TX TYPE_TEXT

const struct func table_pattern[] = {
    {"~~", 2, {TX, TX}, TYPE_BOOL, FUNC_OPERATOR, like, "LIKE: % any text, _ any character."},
    {"!~~", 2, {TX, TX}, TYPE_BOOL, FUNC_OPERATOR, not_like, "NOT LIKE."},
    {"~~*", 2, {TX, TX}, TYPE_BOOL, FUNC_OPERATOR, ilike, "LIKE without regard to case."},
    {"!~~*", 2, {TX, TX}, TYPE_BOOL, FUNC_OPERATOR, not_ilike, "NOT ILIKE."},
    {"like", 2, {TX, TX}, TYPE_BOOL, 0, like, "LIKE: % any text, _ any character."},
    {"notlike", 2, {TX, TX}, TYPE_BOOL, 0, not_like, "NOT LIKE."},
    {"like_escape", 2, {TX, TX}, TX, 0, like_escape, "A pattern with another escape character."},
    FUNC_END,
};
