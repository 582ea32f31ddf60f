#pragma once

/* Foreign keys as values and as bytes. Threads: values; read-only once made. */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"

#define FOREIGN_COLUMN_COUNT_MAX 32u

/* What becomes of referencing rows; numbers reach disk. */
enum foreign_action {
    FOREIGN_NO_ACTION = 0,
    FOREIGN_RESTRICT = 1,
    FOREIGN_CASCADE = 2,
    FOREIGN_SET_NULL = 3,
    FOREIGN_SET_DEFAULT = 4,
};

struct foreign_def {
    uint64_t table;      /* That refers. */
    uint64_t referenced; /* Table referred to, */
    uint64_t index;      /* by this unique index of it; 0: its primary key. */
    uint8_t on_update;   /* enum foreign_action. */
    uint8_t on_delete;
    bool match_full;
    bool deferrable;
    bool deferred;
    uint32_t *columns;            /* Ids. */
    uint32_t *referenced_columns; /* In the same order. */
    uint32_t column_count;
    uint32_t *set_columns; /* Of ON DELETE SET NULL and SET DEFAULT; none: all. */
    uint32_t set_count;
};

/* The properties of the catalog object, the two ids in front included. */
void foreign_def_encode(const struct foreign_def *def, struct buffer *buffer);

/* Back; arrays are in the arena. TDBPLUS_E_CORRUPT, TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status foreign_def_decode(struct span encoded, struct arena *arena,
                                                  struct foreign_def *def_out, struct err *err);
