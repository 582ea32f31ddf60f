/* The world as a whole: its making and ending, and what every call passes through. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "sim_internal.h"

#define OP_US_MAX 20u

/* ---- every call passes here ---- */

static const char *const op_names[SIM_OP_COUNT] = {
    [SIM_OP_OPEN] = "open",
    [SIM_OP_READ] = "read",
    [SIM_OP_WRITE] = "write",
    [SIM_OP_SYNC] = "sync",
    [SIM_OP_ALLOCATE] = "allocate",
    [SIM_OP_TRUNCATE] = "truncate",
    [SIM_OP_SIZE] = "size",
    [SIM_OP_RENAME] = "rename",
    [SIM_OP_UNLINK] = "unlink",
    [SIM_OP_LINK] = "link",
    [SIM_OP_MAKE_DIRECTORY] = "make directory",
    [SIM_OP_REMOVE_DIRECTORY] = "remove directory",
    [SIM_OP_LIST] = "list",
    [SIM_OP_SYNC_DIRECTORY] = "sync directory",
    [SIM_OP_LOCK] = "lock",
    [SIM_OP_TASK_START] = "start of a task",
    [SIM_OP_ANY] = "any",
    [SIM_OP_EVENT_WAIT] = "event wait",
    [SIM_OP_EVENT_SET] = "event set",
    [SIM_OP_MEMORY] = "memory",
};

const char *sim_op_name(enum sim_op op)
{
    return op_names[op];
}

uint64_t sim_hash_path(const char *path)
{
    return hash_bytes(span_from_text(path), 0);
}

void sim_note_call(struct sim *sim, enum sim_op op, const char *path, uint64_t offset,
                   uint64_t size)
{
    sim->op_counts[op]++;
    sim->trace = hash_combine(sim->trace, op);
    sim->trace = hash_combine(sim->trace, sim_hash_path(path));
    sim->trace = hash_combine(sim->trace, offset);
    sim->trace = hash_combine(sim->trace, size);
    if (sim->print_trace) {
        (void)fprintf(stderr, "sim %llu us task %u: %s %s %llu+%llu\n",
                      (unsigned long long)sim->mono_us,
                      sim->current == NULL ? 0 : sim->current->number, sim_op_name(op), path,
                      (unsigned long long)offset, (unsigned long long)size);
    }
}

static void count_down_to_crash(struct sim *sim, enum sim_op op)
{
    bool counts = sim->crash_op == op || (sim->crash_op == SIM_OP_ANY && op < SIM_OP_ANY);
    if (sim->current == NULL || sim->crash_countdown == 0 || !counts) {
        return;
    }
    sim->crash_countdown--;
    if (sim->crash_countdown == 0) {
        if (sim_random_below(&sim->random, 2) == 0) {
            sim_crash(sim);
        }
        sim->crash_after = sim->current;
    }
}

static enum sim_fault draw_fault(struct sim *sim, enum sim_op op, const char *path)
{
    for (uint32_t i = 0; i < sim->rule_count; i++) {
        struct sim_fault_rule *rule = &sim->rules[i];
        bool matches = rule->op == op || (rule->op == SIM_OP_ANY && op < SIM_OP_ANY);
        if (!matches || (rule->path_part != NULL && strstr(path, rule->path_part) == NULL)) {
            continue;
        }
        rule->seen++;
        if (rule->nth == 0 ? sim_random_ppm(&sim->random, rule->ppm) : rule->seen == rule->nth) {
            sim->hits[op][rule->fault]++;
            return rule->fault;
        }
    }
    return SIM_FAULT_COUNT;
}

enum sim_fault sim_begin_call(struct sim *sim, enum sim_op op, const char *path, uint64_t offset,
                              uint64_t size)
{
    sim_note_call(sim, op, path, offset, size);
    if (op < SIM_OP_ANY) {
        sim->op_counts[SIM_OP_ANY]++;
    }
    sim->mono_us += sim_random_below(&sim->random, OP_US_MAX);
    sim_maybe_turn(sim);
    count_down_to_crash(sim, op);
    return draw_fault(sim, op, path);
}

tdbplus_status sim_end_call(struct sim *sim, tdbplus_status status)
{
    sim->trace = hash_combine(sim->trace, status);
    if (sim->crash_after != NULL && sim->crash_after == sim->current) {
        sim_crash(sim);
    }
    sim_maybe_turn(sim);
    return status;
}

tdbplus_status sim_tell_fault(struct err *err, enum sim_fault fault, enum sim_op op,
                              const char *path)
{
    switch (fault) {
    case SIM_FAULT_IO:
        return err_set(err, TDBPLUS_E_IO, "%s: %s: simulated I/O error", path, sim_op_name(op));
    case SIM_FAULT_FULL:
        return err_set(err, TDBPLUS_E_FULL, "%s: %s: simulated full disk", path, sim_op_name(op));
    case SIM_FAULT_NOMEM:
        return err_set(err, TDBPLUS_E_NOMEM, "%s: %s: simulated lack of memory", path,
                       sim_op_name(op));
    case SIM_FAULT_LOST_WRITE:
    case SIM_FAULT_MISDIRECTED_WRITE:
    case SIM_FAULT_COUNT:
        break;
    }
    return TDBPLUS_OK;
}

/* ---- the world ---- */

static bool refuse_memory(void *ctx)
{
    struct sim *sim = ctx;
    sim->op_counts[SIM_OP_MEMORY]++;
    return draw_fault(sim, SIM_OP_MEMORY, "") == SIM_FAULT_NOMEM;
}

static bool never_refuse(void *ctx)
{
    (void)ctx;
    return false;
}

struct sim *sim_create(uint64_t seed)
{
    struct sim *sim = calloc(1, sizeof *sim);
    ASSERT(sim != NULL);
    sim->env = (struct env){.ops = &sim->ops, .ctx = sim, .name = "sim"};
    sim_tasks_fill(&sim->ops);
    sim_files_fill(&sim->ops);
    sim->random.state = hash_u64(seed);
    sim->mono_us = SIM_MONO_START_US;
    sim->print_trace = getenv("SIM_TRACE") != NULL;
    sim_disk_init(&sim->disk, &sim->random);
    sim_memory_init(&sim->memory, refuse_memory, sim);
    sim_memory_init(&sim->scratch, never_refuse, NULL);
    return sim;
}

/* Drops all that a process holds. */
static void end_boot(struct sim *sim)
{
    ASSERT(sim->current == NULL);
    while (sim->tasks != NULL) {
        sim_task_destroy(sim, sim->tasks);
    }
    while (sim->handles != NULL) {
        struct sim_handle *handle = sim->handles;
        sim->handles = handle->next;
        free(handle);
    }
    sim_memory_drop(&sim->memory);
    sim_memory_drop(&sim->scratch);
    sim->crashed = false;
    sim->crash_after = NULL;
    sim->mono_us += 1 + sim_random_below(&sim->random, 1000000); // Boots take time.
}

void sim_destroy(struct sim *sim)
{
    end_boot(sim);
    sim_disk_deinit(&sim->disk);
    free(sim);
}

void sim_reboot(struct sim *sim)
{
    end_boot(sim);
    sim_disk_lose_power(&sim->disk);
}

void sim_restart(struct sim *sim)
{
    end_boot(sim);
    sim_disk_close_all(&sim->disk);
}

const struct env *sim_env(struct sim *sim)
{
    return &sim->env;
}

const struct alloc *sim_alloc(struct sim *sim)
{
    return &sim->memory.alloc;
}

const char *sim_report(const struct sim *sim)
{
    return sim->report;
}

void sim_crash_at(struct sim *sim, enum sim_op op, uint64_t nth)
{
    sim->crash_op = op;
    sim->crash_countdown = nth;
}

void sim_fault_add(struct sim *sim, struct sim_fault_rule rule)
{
    ASSERT(sim->rule_count < SIM_RULES_MAX);
    rule.seen = 0;
    sim->rules[sim->rule_count++] = rule;
}

void sim_fault_clear(struct sim *sim)
{
    sim->rule_count = 0;
}

uint64_t sim_fault_hits(const struct sim *sim, enum sim_op op, enum sim_fault fault)
{
    uint64_t hits = 0;
    for (uint32_t i = 0; i < SIM_OP_COUNT; i++) {
        if (i == (uint32_t)op || (op == SIM_OP_ANY && i < SIM_OP_ANY)) {
            hits += sim->hits[i][fault];
        }
    }
    return hits;
}

void sim_disk_limit(struct sim *sim, uint64_t bytes)
{
    sim->disk.limit = bytes;
}

bool sim_file_flip_bit(struct sim *sim, const char *path, uint64_t offset, uint32_t bit)
{
    char normal[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path)) {
        return false;
    }
    struct sim_inode *inode = sim_disk_find(&sim->disk, normal);
    return inode != NULL && sim_disk_flip_bit(inode, offset, bit);
}

void sim_wall_jump_us(struct sim *sim, int64_t by_us)
{
    sim->wall_shift_us += by_us;
}

uint64_t sim_op_count(const struct sim *sim, enum sim_op op)
{
    return sim->op_counts[op];
}

uint64_t sim_trace_hash(const struct sim *sim)
{
    return sim->trace;
}

size_t sim_memory_live(const struct sim *sim)
{
    return sim->memory.live_bytes;
}

uint32_t sim_tasks_live(const struct sim *sim)
{
    uint32_t count = 0;
    for (const struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        count++;
    }
    return count;
}

uint32_t sim_files_open(const struct sim *sim)
{
    uint32_t count = 0;
    for (const struct sim_handle *handle = sim->handles; handle != NULL; handle = handle->next) {
        count += handle->open;
    }
    return count;
}

struct sim_random *sim_chance(struct sim *sim)
{
    return &sim->random;
}
