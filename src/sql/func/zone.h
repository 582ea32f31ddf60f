#pragma once

/* Time zones in functions: offsets are understood here, names by the finder of the session. */

#include "sql/func/func.h"
#include "types/tz.h"

/* Zeroed is UTC. */
struct zone {
    const struct tz *tz; /* NULL: the offset. */
    int32_t offset;      /* Seconds east of Greenwich. */
};

/* 'UTC', '+02:00' (POSIX: that is west), an abbreviation, 'Europe/Berlin'; otherwise 22023. */
TDBPLUS_CHECKED tdbplus_status zone_find(struct func_call *call, struct span name,
                                         struct zone *zone_out);

/* The offset of an interval, which has no months and days (22023). */
TDBPLUS_CHECKED tdbplus_status zone_of_interval(struct func_call *call,
                                                const struct interval *interval,
                                                struct zone *zone_out);

int32_t zone_offset_at(const struct zone *zone, int64_t timestamp);
int32_t zone_offset_of_local(const struct zone *zone, int64_t local);

/* The zone of the session; NULL is UTC. */
const struct tz *zone_session(const struct func_call *call);
