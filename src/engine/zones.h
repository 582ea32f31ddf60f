#pragma once

/*
 * zones: time zones by name, read from the machine's files when they are first asked for and kept.
 *
 * Threads: every function may be called at once; a zone found lives as long as the zones.
 */

#include "base/list.h"
#include "os/mutex.h"
#include "types/tz.h"

struct zones {
    const struct env *env; /* For waiting; the files are the machine's, wherever the database is. */
    const struct alloc *alloc;
    struct mutex mutex;
    struct list loaded; /* struct tz *, none twice. */
};

void zones_init(struct zones *zones, const struct env *env, const struct alloc *alloc);
/* A zeroed struct is accepted. */
void zones_deinit(struct zones *zones);

/*
 * The zone that a name means: of the database of zones in any case ("europe/berlin"), or a POSIX
 * one ("<+02>-2"). NULL: there is none, or it cannot be read. [waits]
 */
const struct tz *zones_find(struct zones *zones, struct span name);

/* A zone that is always so many seconds east of Greenwich; NULL when memory is out. [waits] */
const struct tz *zones_fixed(struct zones *zones, int32_t offset_seconds);
