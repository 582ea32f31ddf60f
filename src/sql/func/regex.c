#include "sql/func/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

/* Steps of one search: about a second of work at worst. */
#define MATCH_LIMIT      5000000u
#define HEAP_LIMIT_KIB   (32u << 10)
#define DFA_WORK_COUNT   4096u
#define PATTERN_SIZE_MAX ((size_t)1 << 20)

struct regex {
    const struct alloc *alloc;
    struct regex_traits traits;
    pcre2_general_context *general;
    pcre2_match_context *limits;
    pcre2_code *code;
    pcre2_match_data *data;
    int *work; /* DFA_WORK_COUNT, of the search for the longest match. */
};

/* ---- PCRE2's memory comes from ours, with its size in front ---- */

#define HEADER     16u
#define MEMORY_MAX ((size_t)256 << 20)

static void *take_memory(PCRE2_SIZE size, void *ctx)
{
    const struct alloc *alloc = ctx;
    if (size > MEMORY_MAX) {
        return NULL;
    }
    uint8_t *block = alloc_raw(alloc, size + HEADER);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &size, sizeof size);
    return block + HEADER;
}

static void give_memory(void *memory, void *ctx)
{
    if (memory == NULL) {
        return;
    }
    const struct alloc *alloc = ctx;
    uint8_t *block = (uint8_t *)memory - HEADER;
    PCRE2_SIZE size = 0;
    memcpy(&size, block, sizeof size);
    alloc_free(alloc, block, size + HEADER, 1);
}

void regex_destroy(struct regex *regex)
{
    if (regex == NULL) {
        return;
    }
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
    pcre2_match_context_free(regex->limits);
    pcre2_general_context_free(regex->general);
    alloc_free(regex->alloc, regex->work, DFA_WORK_COUNT, sizeof *regex->work);
    alloc_free(regex->alloc, regex, 1, sizeof *regex);
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "out of memory for a regular expression");
}

static tdbplus_status compile(struct regex *regex, struct span text, struct err *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_DOTALL |
                       PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
    if ((regex->traits.flags & REGEX_FOLD_CASE) != 0) {
        options |= PCRE2_CASELESS;
    }
    if (regex->traits.prefers_short) {
        // A possessive quantifier would hide the shorter matches.
        options |= PCRE2_NO_AUTO_POSSESS;
    }
    int code = 0;
    PCRE2_SIZE place = 0;
    void *ctx = NULL;
    memcpy(&ctx, &regex->alloc, sizeof ctx);
    regex->general = pcre2_general_context_create(take_memory, give_memory, ctx);
    if (regex->general == NULL) {
        return no_memory(err);
    }
    pcre2_compile_context *context = pcre2_compile_context_create(regex->general);
    if (context == NULL) {
        return no_memory(err);
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    regex->code = pcre2_compile(text.data, text.size, options, &code, &place, context);
    pcre2_compile_context_free(context);
    if (regex->code == NULL) {
        PCRE2_UCHAR words[160] = "";
        (void)pcre2_get_error_message(code, words, sizeof words);
        if (code == PCRE2_ERROR_HEAP_FAILED) {
            return no_memory(err);
        }
        return err_set_state(err, TDBPLUS_E_SQL, "2201B", "invalid regular expression: %s",
                             (const char *)words);
    }
    regex->limits = pcre2_match_context_create(regex->general);
    regex->data = pcre2_match_data_create_from_pattern(regex->code, regex->general);
    regex->work = alloc_array(regex->alloc, DFA_WORK_COUNT, sizeof *regex->work);
    if (regex->limits == NULL || regex->data == NULL || regex->work == NULL) {
        return no_memory(err);
    }
    pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(regex->limits, HEAP_LIMIT_KIB);
    return TDBPLUS_OK;
}

tdbplus_status regex_create(struct span pattern, uint32_t flags, const struct alloc *alloc,
                            struct regex **regex_out, struct err *err)
{
    if (pattern.size > PATTERN_SIZE_MAX) {
        return err_set_state(err, TDBPLUS_E_LIMIT, "54000",
                             "a regular expression has at most %zu bytes", PATTERN_SIZE_MAX);
    }
    struct buffer text;
    buffer_init(&text, alloc);
    tdbplus_status status = TDBPLUS_OK;
    struct regex *regex = alloc_array(alloc, 1, sizeof *regex);
    if (regex == NULL) {
        return no_memory(err);
    }
    regex->alloc = alloc;
    TRY_OR(done, regex_translate(pattern, flags, &text, &regex->traits, err));
    if (text.failed || !buffer_reserve(&text, 1)) {
        status = no_memory(err);
        goto done;
    }
    TRY_OR(done, compile(regex, buffer_span(&text), err));
    *regex_out = regex;
    regex = NULL;
done:
    regex_destroy(regex);
    buffer_deinit(&text);
    return status;
}

uint32_t regex_group_count(const struct regex *regex)
{
    return regex->traits.group_count;
}

/* ---- searching ---- */

static tdbplus_status failed(int code, struct err *err)
{
    if (code == PCRE2_ERROR_NOMEMORY) {
        return no_memory(err);
    }
    PCRE2_UCHAR words[160] = "";
    (void)pcre2_get_error_message(code, words, sizeof words);
    return err_set_state(err, TDBPLUS_E_LIMIT, "54001", "regular expression failed: %s",
                         (const char *)words);
}

static void read_ranges(const struct regex *regex, struct regex_range *ranges)
{
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(regex->data);
    for (uint32_t i = 0; i <= regex->traits.group_count; i++) {
        ranges[i] = (struct regex_range){places[2 * i], places[2 * i + 1]};
    }
}

/* PCRE2's own match: the first that its order of trying finds. */
static tdbplus_status find_first(struct regex *regex, struct span text, size_t from,
                                 uint32_t options, bool *found_out, struct err *err)
{
    int code = pcre2_match(regex->code, text.data, text.size, from, PCRE2_NO_UTF_CHECK | options,
                           regex->data, regex->limits);
    *found_out = code >= 0;
    return code >= 0 || code == PCRE2_ERROR_NOMATCH ? TDBPLUS_OK : failed(code, err);
}

/* The longest or shortest of the leftmost matches; false in *known_out: this way cannot tell. */
static tdbplus_status find_extent(struct regex *regex, struct span text, size_t from,
                                  struct regex_range *extent, bool *found_out, bool *known_out,
                                  struct err *err)
{
    uint32_t options = PCRE2_NO_UTF_CHECK;
    if (regex->traits.prefers_short) {
        options |= PCRE2_DFA_SHORTEST;
    }
    int code = pcre2_dfa_match(regex->code, text.data, text.size, from, options, regex->data,
                               regex->limits, regex->work, DFA_WORK_COUNT);
    *known_out = code >= 0 || code == PCRE2_ERROR_NOMATCH;
    *found_out = code >= 0;
    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_HEAPLIMIT ||
        code == PCRE2_ERROR_NOMEMORY) {
        return failed(code, err);
    }
    if (*found_out) {
        const PCRE2_SIZE *places = pcre2_get_ovector_pointer(regex->data);
        *extent = (struct regex_range){places[0], places[1]};
    }
    return TDBPLUS_OK;
}

tdbplus_status regex_find(struct regex *regex, struct span text, size_t from,
                          struct regex_range *ranges, bool *found_out, struct err *err)
{
    static const uint8_t nothing[1] = "";
    text.data = text.size == 0 ? nothing : text.data;
    bool simple = ranges == NULL || regex->traits.has_references || !regex->traits.has_choice;
    struct regex_range extent = {0};
    bool known = false;
    if (!simple) {
        TRY(find_extent(regex, text, from, &extent, found_out, &known, err));
        if (known && (!*found_out || regex->traits.group_count == 0)) {
            ranges[0] = extent;
            return TDBPLUS_OK;
        }
    }
    bool inside = false;
    if (known) {
        // The groups within the match: the same text again, which now ends there.
        struct span cut = {.data = text.data, .size = extent.end};
        TRY(find_first(regex, cut, extent.begin, PCRE2_ANCHORED | PCRE2_ENDANCHORED, &inside, err));
    }
    if (inside) {
        *found_out = true;
    } else {
        TRY(find_first(regex, text, from, 0, found_out, err));
    }
    if (*found_out && ranges != NULL) {
        read_ranges(regex, ranges);
    }
    return TDBPLUS_OK;
}
