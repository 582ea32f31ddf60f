#pragma once

/* What the parts of the simulated world share. */

#include "os/context.h"
#include "sim_disk.h"
#include "sim_env.h"
#include "sim_memory.h"

#define SIM_RULES_MAX     16u
#define SIM_NAME_SIZE     48u
#define SIM_REPORT_SIZE   2048u
#define SIM_WALL_START_US UINT64_C(1767225600000000) /* 2026-01-01. */
#define SIM_MONO_START_US UINT64_C(1000000)

enum task_state {
    TASK_READY,
    TASK_WAITS, /* For `event` (NULL: only for time), until `deadline_us`. */
    TASK_ENDED,
};

/* What callers hold as a struct env_task. */
struct sim_task {
    struct sim_task *next;
    struct sim *sim;
    struct context context;
    void *stack;
    void (*fn)(void *arg);
    void *arg;
    enum task_state state;
    struct env_event *event;
    uint64_t deadline_us;
    bool woken;
    struct env_event ended;
    uint32_t number;
    char name[SIM_NAME_SIZE];
};

/* What callers hold as a struct env_file. Kept until the boot ends, to catch late uses. */
struct sim_handle {
    struct sim_handle *next;
    struct sim_inode *inode;
    uint32_t flags;
    bool open;
    bool is_lock;
    bool is_exclusive;
    char path[ENV_PATH_SIZE_MAX];
};

struct sim {
    struct env env;
    struct env_ops ops;
    struct sim_random random;
    struct sim_disk disk;
    struct sim_memory memory;
    struct sim_memory scratch; /* Our own, that must not outlive a crash. */
    struct sim_handle *handles;
    struct sim_task *tasks; /* In order of their start. */
    struct sim_task *current;
    struct context host;
    uint32_t next_task;
    uint64_t mono_us;
    int64_t wall_shift_us;
    bool crashed;
    enum sim_op crash_op;
    uint64_t crash_countdown;     /* 0: no crash is planned. */
    struct sim_task *crash_after; /* The call that this one is in is the last of all. */
    struct sim_fault_rule rules[SIM_RULES_MAX];
    uint32_t rule_count;
    uint64_t hits[SIM_OP_COUNT][SIM_FAULT_COUNT];
    uint64_t op_counts[SIM_OP_COUNT];
    uint64_t trace;
    bool print_trace;
    char report[SIM_REPORT_SIZE];
};

/* ---- sim_tasks.c: whose turn it is, and waiting ---- */

/* Where a thread could lose its processor; not where a latch is held, as others would spin. */
void sim_maybe_turn(struct sim *sim);
void sim_sleep_us(struct sim *sim, uint64_t duration_us);
void sim_task_destroy(struct sim *sim, struct sim_task *task);
void sim_tasks_fill(struct env_ops *ops);

/* ---- sim_files.c: the disk as an environment ---- */

void sim_files_fill(struct env_ops *ops);

/* ---- sim_env.c: what every call passes through ---- */

uint64_t sim_hash_path(const char *path);
const char *sim_op_name(enum sim_op op);

/* Notes what is asked in the trace. Part of sim_begin_call(). */
void sim_note_call(struct sim *sim, enum sim_op op, const char *path, uint64_t offset,
                   uint64_t size);

/* Draws the fault of the call, SIM_FAULT_COUNT for none; others may run, or the world end. */
enum sim_fault sim_begin_call(struct sim *sim, enum sim_op op, const char *path, uint64_t offset,
                              uint64_t size);

/* Returns `status`; others may run, or the world end. */
TDBPLUS_CHECKED tdbplus_status sim_end_call(struct sim *sim, tdbplus_status status);

/* The status and words of a fault; OK for those that do not tell. */
TDBPLUS_CHECKED tdbplus_status sim_tell_fault(struct err *err, enum sim_fault fault, enum sim_op op,
                                              const char *path);
