#pragma once

/*
 * A history: what transactions asked and were told, written down by their
 * threads; and its judge, which knows nothing of the engine.
 *
 * Registers hold versions, numbered from 1; no number is written twice. A step
 * belongs to a snapshot (a statement of READ COMMITTED, a whole transaction of
 * REPEATABLE READ). Every write names the version it replaces, as read under
 * its lock or snapshot, so the order of a register's versions needs no clock.
 * Ticks come from one counter: what ended at a tick was over before anything
 * that began at a later one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_REGISTER_COUNT 8u

enum history_kind {
    HISTORY_READ = 1,
    HISTORY_WRITE = 2,
};

struct history_step {
    uint8_t kind;      /* enum history_kind. */
    uint8_t reg;       /* Which register. */
    uint32_t snapshot; /* Number within the transaction, from 0. */
    uint64_t version;  /* Read or written. */
    uint64_t replaced; /* HISTORY_WRITE: what the register held for the writer. */
};

struct history_snapshot {
    uint64_t begin_tick; /* Before it was asked for. */
    uint64_t end_tick;   /* After it was there. */
};

struct history_txn {
    bool committed;
    uint64_t commit_tick; /* Before the commit was asked for. */
    uint64_t done_tick;   /* After it was acknowledged. */
    const struct history_snapshot *snapshots;
    uint32_t snapshot_count;
    const struct history_step *steps; /* In the order they happened. */
    uint32_t step_count;
};

/*
 * True when some order of all commits and snapshots explains the history: it
 * keeps to the ticks, every read returns the newest version committed before
 * its snapshot or the transaction's own last write, and nothing was written
 * over unseen. Else says in `why` what cannot be. Versions are below
 * `version_end`; those that no transaction wrote were there at the beginning.
 */
bool history_check(const struct history_txn *txns, size_t txn_count, uint64_t version_end,
                   uint64_t tick_end, char why[256]);
