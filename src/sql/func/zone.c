#include "sql/func/zone.h"

#include <string.h>
#include <strings.h>

#include "sql/func/value_kernel.h"
#include "types/datetime_text.h"
#include "types/text.h"

#define NAME_SHOWN_MAX 200

static bool take_number(struct span *rest, int32_t *number_out)
{
    size_t digits = 0;
    *number_out = 0;
    while (digits < 2 && digits < rest->size && rest->data[digits] >= '0' &&
           rest->data[digits] <= '9') {
        *number_out = *number_out * 10 + (rest->data[digits++] - '0');
    }
    rest->data += digits;
    rest->size -= digits;
    return digits > 0;
}

/* "+2", "-05:30", "UTC+3": a sign is POSIX's, plus is west. */
static bool read_offset(struct span name, int32_t *offset_out)
{
    struct span rest = name;
    int32_t hours = 0;
    int32_t minutes = 0;
    if (rest.size > 3 && (strncasecmp((const char *)rest.data, "utc", 3) == 0 ||
                          strncasecmp((const char *)rest.data, "gmt", 3) == 0)) {
        rest.data += 3;
        rest.size -= 3;
    }
    bool east = rest.size > 0 && rest.data[0] == '-';
    if (!east && (rest.size == 0 || rest.data[0] != '+')) {
        return false;
    }
    rest.data++;
    rest.size--;
    bool good = take_number(&rest, &hours);
    if (good && rest.size > 0 && rest.data[0] == ':') {
        rest.data++;
        rest.size--;
        good = take_number(&rest, &minutes);
    }
    *offset_out = (hours * 60 + minutes) * (east ? 60 : -60);
    return good && rest.size == 0 && hours <= 24 && minutes <= 59;
}

tdbplus_status zone_find(struct func_call *call, struct span name, struct zone *zone_out)
{
    struct zone zone = {0};
    const struct text_style *style = func_style(call);
    if (!datetime_abbreviation(name, &zone.offset) && !read_offset(name, &zone.offset)) {
        const struct tz_finder *finder = style == NULL ? NULL : style->finder;
        zone.tz = finder == NULL ? NULL : finder->find(finder->ctx, name);
        bool utc = zone.tz == NULL && name.size == 7 &&
                   strncasecmp((const char *)name.data, "etc/utc", 7) == 0;
        if (zone.tz == NULL && !utc) {
            int size = name.size > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : (int)name.size;
            return kernel_error(call, "22023", "time zone \"%.*s\" not recognized", size,
                                (const char *)name.data);
        }
    }
    *zone_out = zone;
    return TDBPLUS_OK;
}

tdbplus_status zone_of_interval(struct func_call *call, const struct interval *interval,
                                struct zone *zone_out)
{
    int64_t seconds = interval->microseconds / US_PER_SECOND;
    bool whole_days = interval->months != 0 || interval->days != 0;
    if (!whole_days && seconds <= TZ_OFFSET_SECONDS_MAX && seconds >= -TZ_OFFSET_SECONDS_MAX) {
        *zone_out = (struct zone){.offset = (int32_t)seconds};
        return TDBPLUS_OK;
    }
    struct buffer text = {.alloc = call->arena->alloc};
    interval_print(interval, &text);
    buffer_put_u8(&text, 0);
    tdbplus_status status =
        text.failed ? kernel_no_memory(call)
                    : kernel_error(call, "22023",
                                   whole_days ? "interval time zone \"%s\" must not include months "
                                                "or days"
                                              : "interval time zone \"%s\" is out of range",
                                   (const char *)text.data);
    buffer_deinit(&text);
    return status;
}

int32_t zone_offset_at(const struct zone *zone, int64_t timestamp)
{
    return zone->tz == NULL ? zone->offset : tz_offset_at(zone->tz, timestamp);
}

int32_t zone_offset_of_local(const struct zone *zone, int64_t local)
{
    return zone->tz == NULL ? zone->offset : tz_offset_of_local(zone->tz, local);
}

const struct tz *zone_session(const struct func_call *call)
{
    const struct text_style *style = func_style(call);
    return style == NULL ? NULL : style->zone;
}
