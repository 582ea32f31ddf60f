/* 'now', 'today', 'tomorrow' and 'yesterday' in texts that are read as dates and times: what they
 * stand for is known when the statement runs. */

#include <string.h>

#include "sql/func/kernel.h"
#include "sql/func/moment.h"
#include "sql/func/text_kernel.h"
#include "sql/func/zone.h"
#include "types/datetime.h"
#include "types/datetime_text.h"

static const struct {
    const char *word;
    int32_t days; /* From today; `now` has the time too. */
} words[] = {{"now", 0}, {"today", 0}, {"tomorrow", 1}, {"yesterday", -1}};

#define WORD_COUNT (sizeof words / sizeof *words)

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The word of the text that is one of them: its number, WORD_COUNT if there is none. */
static size_t find_word(struct span text, size_t *begin_out, size_t *end_out)
{
    for (size_t at = 0; at < text.size;) {
        size_t end = at;
        while (end < text.size && is_letter(text.data[end])) {
            end++;
        }
        for (size_t w = 0; w < WORD_COUNT; w++) {
            size_t size = strlen(words[w].word);
            bool same = end - at == size;
            for (size_t i = 0; same && i < size; i++) {
                same = (text.data[at + i] | 0x20) == words[w].word[i];
            }
            if (same) {
                *begin_out = at;
                *end_out = end;
                return w;
            }
        }
        at = end > at ? end : at + 1;
    }
    return WORD_COUNT;
}

bool moment_in(struct span text)
{
    size_t begin = 0;
    size_t end = 0;
    return find_word(text, &begin, &end) < WORD_COUNT;
}

static bool has_digit(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= '0' && text.data[i] <= '9') {
            return true;
        }
    }
    return false;
}

/* In the session's zone, in ISO style, which every DateStyle reads. */
static void put_moment(const struct func_call *call, struct span text, struct buffer *out)
{
    size_t begin = 0;
    size_t end = 0;
    size_t word = find_word(text, &begin, &end);
    int64_t now = call->context == NULL ? 0 : call->context->transaction_time_us;
    int64_t local = now + tz_offset_at(zone_session(call), now) * US_PER_SECOND;
    if (word == WORD_COUNT) {
        buffer_put_span(out, text);
        return;
    }
    buffer_put_span(out, (struct span){.data = text.data, .size = begin});
    if (words[word].word[0] == 'n') {
        timestamp_print(local, out);
    } else {
        int64_t days = local / US_PER_DAY - (local % US_PER_DAY < 0);
        date_print((int32_t)(days + words[word].days), out);
        // A time may stand beside it; midnight if none does.
        buffer_put_text(out, has_digit(text) ? "" : " 00:00:00");
    }
    buffer_put_span(out, (struct span){.data = text.data + end, .size = text.size - end});
}

static tdbplus_status moment(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        buffer_clear(&buffer);
        put_moment(call, text_argument(call, 0, row), &buffer);
        uint8_t *bytes = text_make(call, buffer.size, &status);
        if (bytes == NULL || buffer.failed) {
            status = kernel_no_memory(call);
            goto done;
        }
        memcpy(bytes, buffer.data, buffer.size);
        text_result(call, row, (struct span){.data = bytes, .size = buffer.size});
    }
done:
    buffer_deinit(&buffer);
    return status;
}

const struct func func_moment = {"moment",
                                 1,
                                 {TYPE_TEXT},
                                 TYPE_TEXT,
                                 FUNC_STABLE,
                                 moment,
                                 "A text with its day and time put in."};
