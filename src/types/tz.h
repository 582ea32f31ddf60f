#pragma once

/*
 * Time zones, read from the bytes of a TZif file (RFC 8536, any version). Whoever has the files
 * loads them; nothing here is shared between zones or kept in the process.
 *
 * Threads: a zone is read-only once loaded.
 */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/err.h"

#define TZ_NAME_SIZE_MAX      64u
#define TZ_FILE_SIZE_MAX      ((size_t)1 << 20)
#define TZ_OFFSET_SECONDS_MAX 93599 /* 25:59:59 */

struct tz;

/*
 * Reads a zone. `name` is kept for messages and tz_name().
 *
 *   TDBPLUS_E_CORRUPT  not a TZif file, or a damaged one
 *   TDBPLUS_E_NOMEM    memory is out
 */
TDBPLUS_CHECKED tdbplus_status tz_load(struct span file, struct span name,
                                       const struct alloc *alloc, struct tz **tz_out,
                                       struct err *err);

/* A zone that is always `offset_seconds` east of Greenwich. */
TDBPLUS_CHECKED tdbplus_status tz_fixed(int32_t offset_seconds, struct span name,
                                        const struct alloc *alloc, struct tz **tz_out,
                                        struct err *err);

/* NULL is accepted. */
void tz_destroy(struct tz *tz);

const char *tz_name(const struct tz *tz);

/* Seconds east of Greenwich at a moment (microseconds since 1970 UTC). NULL is UTC. */
int32_t tz_offset_at(const struct tz *tz, int64_t timestamp);

/* The abbreviation in use at a moment ("CEST"); lives as long as the zone. */
const char *tz_abbreviation_at(const struct tz *tz, int64_t timestamp);

/*
 * The offset that holds at a local time (microseconds since 1970-01-01 00:00 local). Where a clock
 * was put forward, the time that never was is taken as before the change; where it was put back,
 * the time that was twice as after it (both as PostgreSQL).
 */
int32_t tz_offset_of_local(const struct tz *tz, int64_t local);
