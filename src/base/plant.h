#pragma once

/*
 * plant: known bugs, to prove that the simulation would notice them (`./dev sim --planted`).
 *
 * In every normal build planted() is the constant false and no code is left of it. Only the program
 * tdb_sim_planted compiles the files that use it with TDBPLUS_PLANTED, and there switches on one
 * bug at a time. tests/sim/tdb_plant.c says what each one is.
 */

#include <stdbool.h>

enum plant {
    PLANT_NONE,
    PLANT_LOG_SYNC_SKIPPED,
    PLANT_LOG_SYNC_RETRIED,
    PLANT_LOG_PAYLOAD_UNCHECKED,
    PLANT_LOG_HEAD_UNCHECKED,
    PLANT_LOG_DAMAGE_TAKEN_FOR_TAIL,
    PLANT_LOG_CUT_TOO_FAR,
    PLANT_MANIFEST_SYNC_SKIPPED,
    PLANT_MANIFEST_STALE_CHOSEN,
    PLANT_MANIFEST_UNCHECKED,
    PLANT_MANIFEST_DAMAGE_TAKEN_FOR_TAIL,
    PLANT_PAGE_UNCHECKED,
    PLANT_SEGMENT_SYNC_SKIPPED,
    PLANT_SEGMENT_NAME_UNSYNCED,
    PLANT_SEGMENT_BEGIN_IGNORED,
    PLANT_MEMTABLE_BEGIN_LESS,
    PLANT_MEMTABLE_SCAN_NEXT,
    PLANT_DELETE_END_LESS,
    PLANT_DELETES_TOO_NEW,
    PLANT_DELETES_NOT_WRITTEN,
    PLANT_REPLAY_ONE_SHORT,
    PLANT_REPLAY_FROM_TOO_LATE,
    PLANT_FLUSH_LATE_ENDS_LOST,
    PLANT_FLUSH_DROPS_SEEN,
    PLANT_FLUSH_LOG_UNSYNCED,
    PLANT_MERGE_LATE_ENDS_LOST,
    PLANT_MERGE_KEPT_ENDS_LOST,
    PLANT_MERGE_DROPS_SEEN,
    PLANT_MERGE_LOG_UNSYNCED,
    PLANT_MERGE_UNLINKS_EARLY,
    PLANT_COMMIT_SYNC_SKIPPED,
    PLANT_VISIBLE_BEFORE_SYNC,
    PLANT_SYNC_OWN_ONLY,
    PLANT_CLOCK_GOES_BACK,
    PLANT_APPLY_UNRESERVED,
    PLANT_SNAPSHOT_FROM_CLOCK,
    PLANT_BACKUP_WITHOUT_LOG,
    PLANT_SWEEP_TAKES_LIVE,
    PLANT_MISSING_VALUE_IGNORED,
    PLANT_SHADOWED_ROW_SHOWN,
    PLANT_SAVEPOINT_KEEPS_ONE,
    PLANT_UNIQUE_UNCHECKED,
    PLANT_CONFLICT_UNCHECKED,
    PLANT_LOCK_NOT_TAKEN,
    PLANT_COUNT,
};

#ifdef TDBPLUS_PLANTED

extern enum plant plant_active; /* Set before anything runs; PLANT_NONE: no bug. */

static inline bool planted(enum plant plant)
{
    return plant_active == plant;
}

#else
#define planted(plant) false
#endif
