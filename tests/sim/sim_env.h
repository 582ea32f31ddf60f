#pragma once

/*
 * A world for one test, replayable from a seed: disk, clocks, chance, memory and tasks. The code
 * under test gets sim_env() and sim_alloc() and cannot tell; it must not use anything else.
 *
 * Everything runs on the thread that calls sim_run(): tasks are stacks of their own, and the next
 * one to run is drawn from the seed at every wait and at many other calls. Virtual time advances
 * when everybody waits. docs/testing.md describes the disk's model.
 *
 *     struct sim *sim = sim_create(seed);
 *     sim_crash_at(sim, SIM_OP_SYNC, 3);
 *     while (sim_run(sim, work, &state) == SIM_CRASHED) {
 *         sim_reboot(sim);            // Power comes back; `state` holds nothing of before.
 *     }
 *     sim_destroy(sim);
 *
 * Not thread-safe: one simulation is one thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "os/env.h"

struct sim;

/* What the code under test asks of the world. */
enum sim_op {
    SIM_OP_OPEN,
    SIM_OP_READ, /* Each request of a batch is one. */
    SIM_OP_WRITE,
    SIM_OP_SYNC,
    SIM_OP_ALLOCATE,
    SIM_OP_TRUNCATE,
    SIM_OP_SIZE,
    SIM_OP_RENAME,
    SIM_OP_UNLINK,
    SIM_OP_LINK,
    SIM_OP_MAKE_DIRECTORY,
    SIM_OP_REMOVE_DIRECTORY,
    SIM_OP_LIST,
    SIM_OP_SYNC_DIRECTORY,
    SIM_OP_LOCK,
    SIM_OP_TASK_START,
    SIM_OP_ANY, /* All of the above: what a crash sweep counts through. */
    SIM_OP_EVENT_WAIT,
    SIM_OP_EVENT_SET,
    SIM_OP_MEMORY, /* Allocations from sim_alloc(); crashes do not happen here. */
    SIM_OP_COUNT,
};

enum sim_result {
    SIM_DONE,     /* The main function returned. */
    SIM_CRASHED,  /* A crash fired; all tasks are gone. */
    SIM_DEADLOCK, /* Nobody can run and no deadline is to come; sim_report() names who waits. */
    SIM_STUCK,    /* No end after very many steps. */
};

enum sim_fault {
    SIM_FAULT_IO,                /* TDBPLUS_E_IO. A failed write may have changed part of its
                                    range; what a failed sync covered survives in part, and is
                                    never tried again. */
    SIM_FAULT_FULL,              /* TDBPLUS_E_FULL, as above. */
    SIM_FAULT_NOMEM,             /* TDBPLUS_E_NOMEM, or NULL from sim_alloc(). */
    SIM_FAULT_LOST_WRITE,        /* The write is acknowledged, even synced, and not there after
                                    the next boot. Breaks S1 by nature: for damage tests. */
    SIM_FAULT_MISDIRECTED_WRITE, /* The same, and the bytes land elsewhere in the file. */
    SIM_FAULT_COUNT,
};

/* Where a fault strikes. Of several rules that match, the first decides. */
struct sim_fault_rule {
    enum sim_op op; /* SIM_OP_ANY: all but events and memory. */
    enum sim_fault fault;
    uint64_t nth;          /* The nth matching call from now, counted from 1; 0: */
    uint32_t ppm;          /* each with so many parts in a million. */
    const char *path_part; /* Only paths that contain this; NULL for all. Borrowed. */
    uint64_t seen;         /* Owned by the simulator. */
};

struct sim *sim_create(uint64_t seed);
void sim_destroy(struct sim *sim);

const struct env *sim_env(struct sim *sim);

/* Memory of this boot: gone after a crash, a reboot or a restart. Moves on every resize, checks
 * the sizes it is told, and hands out garbage, so that stale pointers and unset bytes show. */
const struct alloc *sim_alloc(struct sim *sim);

/* Runs fn(arg) as the main task until it returns or the world ends. Other tasks that still live
 * when it returns stay, and go on in the next run. */
enum sim_result sim_run(struct sim *sim, void (*fn)(void *arg), void *arg);

/* In words: why the last run ended as it did. Valid until the next. */
const char *sim_report(const struct sim *sim);

/* ---- ends of the world ---- */

/* Crashes at the nth call of that kind from now (counted from 1), before or after its effect as
 * the seed has it. 0 takes the order back. */
void sim_crash_at(struct sim *sim, enum sim_op op, uint64_t nth);

/* Crashes now. From a task it does not return; outside of a run it ends this boot. */
void sim_crash(struct sim *sim);

/* Power off and on: tasks, memory, handles and locks are gone, of what was not synced some
 * survives. Not while running. */
void sim_reboot(struct sim *sim);

/* The process dies and starts again: the same, but all that was written is there. */
void sim_restart(struct sim *sim);

/* ---- faults ---- */

void sim_fault_add(struct sim *sim, struct sim_fault_rule rule);
void sim_fault_clear(struct sim *sim); /* All rules; the hits stay. */
uint64_t sim_fault_hits(const struct sim *sim, enum sim_op op, enum sim_fault fault);

/* The disk holds so many bytes; UINT64_MAX for any number. */
void sim_disk_limit(struct sim *sim, uint64_t bytes);

/* Flips one bit of a file, on the platter and in memory; false when there is no such byte. */
bool sim_file_flip_bit(struct sim *sim, const char *path, uint64_t offset, uint32_t bit);

/* Moves the wall clock, forwards or backwards. */
void sim_wall_jump_us(struct sim *sim, int64_t by_us);

/* ---- what happened ---- */

uint64_t sim_op_count(const struct sim *sim, enum sim_op op); /* Since sim_create(). */
uint64_t sim_trace_hash(const struct sim *sim); /* Of every call, in order, with its bytes. */
size_t sim_memory_live(const struct sim *sim);  /* Bytes of sim_alloc() not given back. */
uint32_t sim_tasks_live(const struct sim *sim); /* Started, not joined. */
uint32_t sim_files_open(const struct sim *sim); /* Files and locks not closed. */
struct sim_random;
struct sim_random *sim_chance(struct sim *sim); /* For the test's own draws. */
