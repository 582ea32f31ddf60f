#pragma once

/*
 * A team: several execs that run copies of one pipeline at once, each on its own thread, taking
 * morsels of one scan. The leader is the exec that the statement runs in; its thread works too.
 * What joins keep is built once, by the leader, before the others begin.
 */

#include "sql/exec/exec_internal.h"

struct team_worker {
    struct exec exec;
    struct call call;
    struct err err;
    struct pipeline input;
    struct team *team;
    uint32_t number;
    struct env_task *task;
    tdbplus_status status;
};

struct team {
    struct exec *leader;
    struct team_worker *workers; /* Without the leader. */
    uint32_t worker_count;
    tdbplus_status (*work)(void *ctx, uint32_t number, struct pipeline *input, struct exec *exec);
    void *ctx;
    _Atomic bool stop; /* Somebody failed. */
};

/*
 * Begins the pipeline that the leader compiled from `plan` and compiles copies of it: as many as
 * threads allow and morsels are worth. A team without workers is none. Release with team_close(),
 * when nothing that the workers' arenas hold is needed any more.
 */
TDBPLUS_CHECKED tdbplus_status team_open(struct team *team, struct exec *leader,
                                         const struct plan *plan, const struct pipeline *own);
/* Members that share nothing yet: as many as threads allow, and at most `size` with the leader. */
TDBPLUS_CHECKED tdbplus_status team_open_bare(struct team *team, struct exec *leader,
                                              uint32_t size);
void team_close(struct team *team);

/* Calls `work` once on each worker's thread and, as number 0, here. Waits for all of them; gives
 * the first failure. */
TDBPLUS_CHECKED tdbplus_status team_run(struct team *team, struct pipeline *own);
