/*
 * Proves that the simulation notices bugs: one after another each planted bug (base/plant.h) is
 * switched on in a process of its own, which lives lives until one breaks a rule.
 */

#include <stdio.h>
#include <string.h>

#include "base/plant.h"

#include "tdb_life.h"

#ifndef TDBPLUS_PLANTED

int plant_run(uint64_t start, uint64_t seeds, const char *only)
{
    (void)start;
    (void)seeds;
    (void)only;
    fprintf(stderr, "this build has no planted bugs: ./dev sim --planted\n");
    return 2;
}

#else

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE_SECONDS_MAX 120u

enum plant plant_active = PLANT_NONE;

static const struct {
    enum plant plant;
    const char *name;
    const char *what;
} plants[] = {
    {PLANT_LOG_SYNC_SKIPPED, "log_sync_skipped", "the log is written, but not synced"},
    {PLANT_LOG_SYNC_RETRIED, "log_sync_retried", "a failed sync is tried again and believed"},
    {PLANT_LOG_PAYLOAD_UNCHECKED, "log_payload_unchecked", "torn records are taken for good"},
    {PLANT_LOG_HEAD_UNCHECKED, "log_head_unchecked", "any bytes are taken for a record's head"},
    {PLANT_LOG_DAMAGE_TAKEN_FOR_TAIL, "log_damage_is_tail", "damage is taken for a torn tail"},
    {PLANT_LOG_CUT_TOO_FAR, "log_cut_too_far", "the log is cut above what is in segments"},
    {PLANT_MANIFEST_SYNC_SKIPPED, "manifest_sync_skipped", "an edit is written, but not synced"},
    {PLANT_MANIFEST_STALE_CHOSEN, "manifest_stale_chosen", "an older manifest is kept and read"},
    {PLANT_MANIFEST_UNCHECKED, "manifest_unchecked", "an edit's checksum is not looked at"},
    {PLANT_MANIFEST_DAMAGE_TAKEN_FOR_TAIL, "manifest_damage_is_tail",
     "a damaged edit is taken for a torn one"},
    {PLANT_PAGE_UNCHECKED, "page_unchecked", "a page's checksum is not looked at"},
    {PLANT_SEGMENT_SYNC_SKIPPED, "segment_sync_skipped", "a segment is published unsynced"},
    {PLANT_SEGMENT_NAME_UNSYNCED, "segment_name_unsynced", "its directory is not synced"},
    {PLANT_SEGMENT_BEGIN_IGNORED, "segment_begin_ignored", "rows newer than the snapshot show"},
    {PLANT_MEMTABLE_BEGIN_LESS, "memtable_begin_less", "a commit is invisible at its timestamp"},
    {PLANT_MEMTABLE_SCAN_NEXT, "memtable_scan_next", "a scan sees one timestamp too far"},
    {PLANT_DELETE_END_LESS, "delete_end_less", "a row still shows at the moment of its end"},
    {PLANT_DELETES_TOO_NEW, "deletes_too_new", "delete maps are written with later ends"},
    {PLANT_DELETES_NOT_WRITTEN, "deletes_not_written", "delete maps are not written"},
    {PLANT_REPLAY_ONE_SHORT, "replay_one_short", "replay leaves out one record"},
    {PLANT_REPLAY_FROM_TOO_LATE, "replay_from_too_late", "frozen memtables do not hold the log"},
    {PLANT_FLUSH_LATE_ENDS_LOST, "flush_late_ends_lost", "deletes during a flush are lost"},
    {PLANT_FLUSH_DROPS_SEEN, "flush_drops_seen", "a flush drops rows that a snapshot sees"},
    {PLANT_FLUSH_LOG_UNSYNCED, "flush_log_unsynced", "a segment survives what the log loses"},
    {PLANT_MERGE_LATE_ENDS_LOST, "merge_late_ends_lost", "deletes during a merge are lost"},
    {PLANT_MERGE_KEPT_ENDS_LOST, "merge_kept_ends_lost", "ended rows come back in a merge"},
    {PLANT_MERGE_DROPS_SEEN, "merge_drops_seen", "a merge drops rows that a snapshot sees"},
    {PLANT_MERGE_LOG_UNSYNCED, "merge_log_unsynced", "a merge drops what the log may bring back"},
    {PLANT_MERGE_UNLINKS_EARLY, "merge_unlinks_early", "files go before the manifest says so"},
    {PLANT_COMMIT_SYNC_SKIPPED, "commit_sync_skipped", "acknowledged before the log is synced"},
    {PLANT_VISIBLE_BEFORE_SYNC, "visible_before_sync", "readers see what a crash takes back"},
    {PLANT_SYNC_OWN_ONLY, "sync_own_only", "a later commit shows earlier, unsynced ones"},
    {PLANT_CLOCK_GOES_BACK, "clock_goes_back", "timestamps follow the wall clock back"},
    {PLANT_APPLY_UNRESERVED, "apply_unreserved", "a commit is applied without its memory"},
    {PLANT_SNAPSHOT_FROM_CLOCK, "snapshot_from_clock", "snapshots are the clock's time"},
    {PLANT_BACKUP_WITHOUT_LOG, "backup_without_log", "a backup leaves out the log"},
    {PLANT_SWEEP_TAKES_LIVE, "sweep_takes_live", "opening removes delete maps in use"},
    {PLANT_MISSING_VALUE_IGNORED, "missing_value_ignored", "old rows show null in new columns"},
    {PLANT_SHADOWED_ROW_SHOWN, "shadowed_row_shown", "scans show rows the transaction changed"},
    {PLANT_SAVEPOINT_KEEPS_ONE, "savepoint_keeps_one", "a rollback leaves one change"},
    {PLANT_UNIQUE_UNCHECKED, "unique_unchecked", "an insert takes any key"},
    {PLANT_CONFLICT_UNCHECKED, "conflict_unchecked", "REPEATABLE READ overwrites newer rows"},
    {PLANT_LOCK_NOT_TAKEN, "lock_not_taken", "row locks are not taken"},
    {PLANT_SPILL_REPLACED_STAY, "spill_replaced_stay", "rows that a spilled one replaces stay"},
    {PLANT_SPILL_SAVEPOINTS_STAY, "spill_savepoints_stay", "spilling does not move savepoints"},
    {PLANT_LOAD_REPLACED_STAY, "load_replaced_stay", "rows that a load replaces stay"},
    {PLANT_LOAD_SWEPT, "load_swept", "opening removes segments that only the log names"},
    {PLANT_LOAD_SEEN_EARLY, "load_seen_early", "older snapshots see the rows of a load"},
    {PLANT_VALUES_SYNC_SKIPPED, "values_sync_skipped", "a value file is named unsynced"},
    {PLANT_VALUES_GARBAGE_WRONG, "values_garbage_wrong", "a merge miscounts what is still used"},
    {PLANT_VALUES_FORGOTTEN, "values_forgotten", "a merge forgets a value file still in use"},
    {PLANT_VALUES_UNLINKED_NAMED, "values_unlinked_named", "a value file goes before its segment"},
    {PLANT_VALUES_WRONG_PLACE, "values_wrong_place", "a reference leads to the value before it"},
    {PLANT_SHRED_OTHER_PATH, "shred_other_path", "a path is read from another path's column"},
    {PLANT_SHRED_REST_IGNORED, "shred_rest_ignored", "a path's values in the rest are not seen"},
    {PLANT_SHRED_VALUE_LOST, "shred_value_lost", "a document is made without its last column"},
    {PLANT_RANGE_NOT_REPLAYED, "range_not_replayed", "replay leaves out ranges of deletes"},
    {PLANT_RANGE_ONE_SHORT, "range_one_short", "a range leaves its last row of a segment"},
    {PLANT_RANGE_TAKES_LATER, "range_takes_later", "a range ends rows loaded after it"},
    {PLANT_RANGE_LEAVES_MEMTABLES, "range_leaves_memtables", "a range ends rows of segments only"},
    {PLANT_EXPIRY_TAKES_RENEWED, "expiry_takes_renewed",
     "an expired row takes its successor along"},
    {PLANT_EXPIRY_PAST_HORIZON, "expiry_past_horizon", "merges drop what a snapshot still sees"},
    {PLANT_EXPIRY_BY_CLOCK, "expiry_by_clock", "a scan asks the clock, not its snapshot"},
    {PLANT_EXPIRY_ONE_LATE, "expiry_one_late", "a row still shows in the moment it expires"},
    {PLANT_EXPIRY_NOT_ASKED, "expiry_not_asked", "reads by key show rows that have expired"},
};

_Static_assert(sizeof plants / sizeof *plants == PLANT_COUNT - 1, "a plant is not in the table");

static void live_until_caught(enum plant plant, uint64_t start, uint64_t seeds)
{
    static struct totals totals;
    plant_active = plant;
    for (uint64_t seed = start; seed < start + seeds; seed++) {
        printf("@%llu\n", (unsigned long long)seed);
        fflush(stdout);
        (void)alarm(LIFE_SECONDS_MAX);
        if (!life_run(seed, false, &totals)) {
            exit(1);
        }
    }
    exit(0);
}

/* What a process said: the last seed it began, and the last line that is not a seed. */
struct verdict {
    uint64_t seed;
    char text[512];
    bool caught;
};

static void read_words(int from, struct verdict *verdict)
{
    FILE *words = fdopen(from, "r");
    char line[2048];
    while (words != NULL && fgets(line, sizeof line, words) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '@') {
            verdict->seed = strtoull(line + 1, NULL, 10);
        } else if (line[0] != '\0') {
            const char *text = strstr(line, ": ");
            (void)snprintf(verdict->text, sizeof verdict->text, "%.500s",
                           strncmp(line, "seed ", 5) == 0 && text != NULL ? text + 2 : line);
        }
    }
    if (words != NULL) {
        (void)fclose(words);
    }
}

static bool try_plant(size_t number, uint64_t start, uint64_t seeds, struct verdict *verdict)
{
    int ends[2];
    fflush(NULL);
    if (pipe(ends) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        live_until_caught(plants[number].plant, start, seeds);
    }
    (void)close(ends[1]);
    read_words(ends[0], verdict);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return false;
    }
    if (WIFSIGNALED(status) && verdict->text[0] == '\0') {
        (void)snprintf(verdict->text, sizeof verdict->text, "%s",
                       WTERMSIG(status) == SIGALRM ? "a life does not end"
                                                   : strsignal(WTERMSIG(status)));
    }
    verdict->caught = WIFSIGNALED(status) || WEXITSTATUS(status) == 1;
    return true;
}

int plant_run(uint64_t start, uint64_t seeds, const char *only)
{
    uint32_t caught = 0;
    uint32_t missed = 0;
    printf("%-24s %5s  %s\n", "planted bug", "seeds", "caught by");
    for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
        if (only != NULL && strcmp(only, plants[i].name) != 0) {
            continue;
        }
        struct verdict verdict = {0};
        if (!try_plant(i, start, seeds, &verdict)) {
            perror("tdb_sim");
            return 2;
        }
        caught += verdict.caught ? 1 : 0;
        missed += verdict.caught ? 0 : 1;
        printf("%-24s %5llu  %s\n", plants[i].name, (unsigned long long)(verdict.seed - start + 1),
               verdict.caught ? verdict.text : "NOT CAUGHT");
        if (!verdict.caught) {
            printf("%-24s        (%s)\n", "", plants[i].what);
        }
        fflush(stdout);
    }
    printf("%u passed, %u failed\n", caught, missed);
    return missed == 0 ? 0 : 1;
}

#endif
