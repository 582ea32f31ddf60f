#pragma once

/*
 * One life of a database in the simulated world: what its writers did, what must therefore be
 * there, and who looks. tdb_sim.c says how it goes.
 */

#include "storage/store/store_read.h"
#include "txn/txn.h"

#include "sim_disk.h"
#include "sim_env.h"

#define WRITER_COUNT      3u
#define WATCHER_COUNT     2u
#define KEYS_PER_WRITER   24u
#define KEY_COUNT         (WRITER_COUNT * KEYS_PER_WRITER)
#define COMMIT_COUNT_MAX  4000u
#define CHANGE_COUNT_MAX  8u
#define COLUMN_COUNT      5u               /* Of rows: key, value, body, document, time. */
#define TTL_US            INT64_C(1000000) /* Rows expire so long after the time in them. */
#define VALUE_COUNT_MAX   (1u << 17)       /* Values past it never expire. */
#define GHOST_COUNT_MAX   6u
#define EXTRA_VALUE       7 /* In every column added later, of old rows and new. */
#define OPERATION_MINIMUM 2000u
#define CRASH_MINIMUM     3u
#define BOOT_COUNT_MAX    40u

struct change {
    uint32_t key;
    uint32_t value; /* 0: deleted. */
};

struct commit {
    struct change changes[CHANGE_COUNT_MAX];
    uint32_t change_count;
    bool emptied;        /* First all keys of the writer were deleted, as a range. */
    uint32_t load_count; /* So many of the first changes are loaded and not written one by one. */
    uint64_t started;    /* On the test's own clock of events. */
    uint64_t acked;      /* 0: not. */
    bool failed;         /* Reported as not done. */
    bool full;
    bool seen;      /* A reader saw it for certain. */
    bool counted;   /* It also raises the counter that all writers share. */
    bool effective; /* It changed something; else there is nothing to lose or keep. */
};

/* Values that had expired when they were looked for after a boot. Should the wall clock be back
 * before that time after the next boot, they may be seen again, if nobody wrote the key. */
struct ghosts {
    uint32_t values[GHOST_COUNT_MAX];
    uint32_t count; /* More than fit: any value. */
};

struct writer {
    struct life *life;
    uint32_t number;
    struct ghosts ghosts[KEYS_PER_WRITER];
    struct commit *commits;
    uint32_t commit_count;
    uint32_t model[KEYS_PER_WRITER];   /* Before the first of `commits`. */
    uint32_t current[KEYS_PER_WRITER]; /* After those known to be in. */
    struct sim_random random;
    struct env_task *task;
    uint8_t load_phase; /* enum load_phase. */
    bool stopped;
};

/* Where a writer's load is, to see that crashes and faults strike at each place. */
enum load_phase {
    LOAD_NONE = 0,
    LOAD_ADD = 1,    /* Files are written. */
    LOAD_END = 2,    /* The last one is synced and renamed. */
    LOAD_COMMIT = 3, /* The commit names them. */
    LOAD_PHASE_COUNT = 4,
};

struct watcher {
    struct life *life;
    struct sim_random random;
    struct env_task *task;
};

struct totals {
    uint64_t lives, boots, crashes, commits, operations, flushes, merges, backups, alters, stops;
    uint64_t snapshots, read_only_opens, damages, damages_found, lies, lies_found;
    uint64_t value_files, value_damages, value_garbage, path_reads;
    uint64_t loads, ranges, spills;
    uint64_t expired, expired_at_once, reborn;
    uint64_t load_crashes[LOAD_PHASE_COUNT], load_faults[LOAD_PHASE_COUNT];
    uint64_t faults[SIM_OP_COUNT][SIM_FAULT_COUNT];
};

/* What one transaction sees of the whole database. */
struct state {
    uint32_t values[KEY_COUNT];
    uint64_t counter;
    uint64_t now_us;   /* The snapshot's time: rows that expire then or before are not seen. */
    uint64_t doubt_us; /* Those that expire until then may be gone already. 0: none of them. */
};

struct life {
    uint64_t seed;
    struct sim *sim;
    struct sim_random random;
    struct writer writers[WRITER_COUNT];
    struct watcher watchers[WATCHER_COUNT];
    struct store *store;
    struct totals *totals;
    uint64_t events;
    uint64_t operations;
    uint64_t until;   /* Operations after which this boot's writers stop. */
    uint64_t counter; /* The shared counter when this boot began. */
    uint32_t boots;
    uint32_t crashes;
    uint32_t backups;
    bool created; /* The tables are there for good. */
    bool faults_on;
    bool lazy;      /* This boot's writers seldom ask for durability. */
    bool wind_down; /* Writers stop at their next transaction. */
    bool final;     /* The last boot: no crash, no fault. */
    bool verbose;
    uint32_t value_next;
    uint64_t *expiries; /* When the row of a value expires, in microseconds; 0: never. */
    uint64_t time_most; /* The latest that any boot's clock has shown. */
    const char *doing;
    char broken[1024];
};

/* A kind of fault that lives meet; each must have struck somewhere in 500 of them. */
struct fault_site {
    enum sim_op op;
    enum sim_fault fault;
};

/* ---- tdb_sim.c ---- */

void life_fail(struct life *life, const char *what);
uint64_t life_below(struct life *life, uint64_t limit);
tdbplus_status life_open(struct life *life, const char *directory, bool read_only,
                         struct store **store_out, struct call *call);
/* True when a failure may happen to anybody at any time. */
bool life_excuses(const struct life *life, tdbplus_status status);
/* False, with the seed and the reason printed, when a rule was broken. */
bool life_run(uint64_t seed, bool verbose, struct totals *totals);

/* ---- tdb_model.c ---- */

/* A value that no row had yet, and when its row expires. Inside a boot. */
uint32_t life_new_value(struct life *life);
/* True when a row of that value, 0 for none, is seen at that time. */
bool life_shows(const struct life *life, uint32_t value, uint64_t now_us);
/* Notes the wall clock. Before it jumps and when a boot ends. */
void life_note_time(struct life *life);
/* The time column of the row of a value. */
struct datum model_make_time(const struct life *life, uint32_t value);

tdbplus_status model_create_tables(struct life *life, struct call *call);
void model_make_key(uint32_t writer, uint32_t key, char text[32]);
/* The body follows from the value, so that any mix-up shows. `bytes` holds 8,192. */
struct span model_make_body(uint32_t value, uint8_t *bytes);
/* The document too: most have the same members, some have others or are long. */
struct span model_make_document(uint32_t value, uint8_t *bytes);
/* All that the transaction sees. Fails the life if it makes no sense in itself. `doubt`: in the
 * state, rows may be missing that only expired by a clock of before. */
tdbplus_status model_read(struct life *life, struct txn *txn, bool doubt, struct state *state,
                          struct call *call);
/* For each writer how many of its commits must be in any state read from now on. */
void model_bounds(const struct life *life, bool durable_only, uint32_t bounds[WRITER_COUNT]);
/* The state must be a prefix of what each writer did, not shorter than its bound. With `seen` marks
 * what is in it for certain. */
void model_check(struct life *life, const struct state *state, const uint32_t bounds[WRITER_COUNT],
                 bool seen);
/* After opening: checks, and begins history anew from what was found. False when nothing could be
 * read. */
bool model_settle(struct life *life, struct call *call);
/* What the life left behind, exactly. */
bool model_is_current(const struct life *life, const struct state *state);

/* ---- tdb_tasks.c ---- */

void writer_main(void *arg);
void watcher_main(void *arg);
void keeper_step(struct life *life);

/* ---- tdb_damage.c ---- */

/* Flips bits of the closed database's files: right data or TDBPLUS_E_CORRUPT, nothing else. With
 * `for_good` the last flips stay. */
void damage_run(struct life *life, bool for_good);
/* One boot on a disk that acknowledges a write and does not do it, or does it elsewhere; the same
 * must hold after it. */
void damage_by_lie(struct life *life, void (*boot)(void *arg));

/* ---- tdb_plant.c ---- */

/* Runs lives with each planted bug until it is caught. Returns the exit status of the program. */
int plant_run(uint64_t start, uint64_t seeds, const char *only);
