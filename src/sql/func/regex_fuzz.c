/* Goal: no expression crashes the translation, PCRE2 or the search, and a match lies inside of the
 * text. The input is an expression, a byte 0xFF, and a text. */

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "sql/func/regex.h"

static bool is_utf8(struct span text)
{
    while (text.size > 0) {
        int32_t code = 0;
        utf8proc_ssize_t used = utf8proc_iterate(text.data, (utf8proc_ssize_t)text.size, &code);
        if (used <= 0 || code == 0) {
            return false;
        }
        text.data += used;
        text.size -= (size_t)used;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *middle = memchr(data, 0xFF, size);
    if (middle == NULL || size > 512) {
        return 0;
    }
    struct span pattern = {.data = data, .size = (size_t)(middle - data)};
    struct span text = {.data = middle + 1, .size = size - pattern.size - 1};
    struct regex *regex = NULL;
    if (!is_utf8(pattern) || !is_utf8(text) ||
        regex_create(pattern, 0, &alloc_system, &regex, NULL) != TDBPLUS_OK) {
        return 0;
    }
    static struct regex_range ranges[REGEX_GROUP_COUNT_MAX + 1];
    bool found = false;
    bool tested = false;
    tdbplus_status status = regex_find(regex, text, 0, ranges, &found, NULL);
    if (status == TDBPLUS_OK && found &&
        (ranges[0].begin > ranges[0].end || ranges[0].end > text.size)) {
        abort();
    }
    if (status == TDBPLUS_OK && regex_find(regex, text, 0, NULL, &tested, NULL) == TDBPLUS_OK &&
        tested != found) {
        abort();
    }
    regex_destroy(regex);
    return 0;
}
