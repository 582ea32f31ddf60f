#include "sim_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "os/context.h"
#include "os/latch.h"
#include "sim_disk.h"
#include "sim_memory.h"

#define STACK_SIZE    ((size_t)2 << 20)
#define NAME_SIZE     48u
#define REPORT_SIZE   2048u
#define RULES_MAX     16u
#define STEPS_MAX     UINT64_C(50000000)
#define WALL_START_US UINT64_C(1767225600000000) /* 2026-01-01. */
#define MONO_START_US UINT64_C(1000000)
#define SWITCH_PPM    150000u /* How often a call that need not wait lets others run. */
#define SYNC_US_MAX   4000u
#define READ_US_MAX   200u
#define OP_US_MAX     20u
#define EVENT_CLEAR   0u
#define EVENT_SET     1u
#define EVENT_WAITS   2u

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
    char name[NAME_SIZE];
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
    struct sim_fault_rule rules[RULES_MAX];
    uint32_t rule_count;
    uint64_t hits[SIM_OP_COUNT][SIM_FAULT_COUNT];
    uint64_t op_counts[SIM_OP_COUNT];
    uint64_t trace;
    bool print_trace;
    char report[REPORT_SIZE];
};

/* ---- turns ---- */

static void stop_current(struct sim *sim)
{
    ASSERT(sim->current != NULL); // A wait outside of sim_run() would never end.
    ASSERT(latch_depth_now() == 0);
    context_switch(&sim->current->context, &sim->host);
}

/* Lets the scheduler draw again. */
static void take_turn(struct sim *sim)
{
    stop_current(sim);
}

/* Where a thread could lose its processor; not where a latch is held, as others would spin. */
static void maybe_take_turn(struct sim *sim)
{
    if (sim->current != NULL && latch_depth_now() == 0 &&
        sim_random_ppm(&sim->random, SWITCH_PPM)) {
        take_turn(sim);
    }
}

static void sleep_us(struct sim *sim, uint64_t duration_us)
{
    struct sim_task *task = sim->current;
    if (task == NULL || duration_us == 0) {
        return;
    }
    task->state = TASK_WAITS;
    task->event = NULL;
    task->deadline_us = sim->mono_us + duration_us;
    stop_current(sim);
}

void sim_crash(struct sim *sim)
{
    sim->crashed = true;
    if (sim->current != NULL) {
        context_leave(&sim->current->context, &sim->host);
    }
}

static void end_wait(struct sim_task *task, bool woken)
{
    if (task->event != NULL) {
        atomic_store_explicit(&task->event->state, EVENT_CLEAR, memory_order_relaxed);
    }
    task->state = TASK_READY;
    task->woken = woken;
}

static void set_event(struct env_event *event)
{
    if (atomic_load_explicit(&event->state, memory_order_relaxed) == EVENT_WAITS) {
        end_wait(atomic_load_explicit(&event->waiter, memory_order_relaxed), true);
    } else {
        atomic_store_explicit(&event->state, EVENT_SET, memory_order_relaxed);
    }
}

/* Advances the clock to the next deadline; false when there is none. */
static bool pass_time(struct sim *sim)
{
    uint64_t next_us = ENV_DEADLINE_NONE;
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_WAITS && task->deadline_us < next_us) {
            next_us = task->deadline_us;
        }
    }
    if (next_us == ENV_DEADLINE_NONE) {
        return false;
    }
    sim->mono_us = sim->mono_us < next_us ? next_us : sim->mono_us;
    return true;
}

/* Draws who runs next; NULL when all wait. */
static struct sim_task *draw_task(struct sim *sim)
{
    uint64_t ready = 0;
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_WAITS && task->deadline_us <= sim->mono_us) {
            end_wait(task, false);
        }
        ready += task->state == TASK_READY;
    }
    uint64_t chosen = sim_random_below(&sim->random, ready);
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_READY && chosen-- == 0) {
            return task;
        }
    }
    return NULL;
}

static void report_waiters(struct sim *sim)
{
    size_t size = (size_t)snprintf(sim->report, sizeof sim->report, "deadlock:");
    for (struct sim_task *task = sim->tasks; task != NULL; task = task->next) {
        if (task->state == TASK_WAITS && size < sizeof sim->report) {
            size += (size_t)snprintf(sim->report + size, sizeof sim->report - size,
                                     " task %u \"%s\" waits for ever;", task->number, task->name);
        }
    }
}

static enum sim_result run_until_end(struct sim *sim, const struct sim_task *main_task)
{
    for (uint64_t step = 0; step < STEPS_MAX; step++) {
        if (sim->crashed) {
            (void)snprintf(sim->report, sizeof sim->report, "crashed at %llu us",
                           (unsigned long long)sim->mono_us);
            return SIM_CRASHED;
        }
        if (main_task->state == TASK_ENDED) {
            (void)snprintf(sim->report, sizeof sim->report, "done");
            return SIM_DONE;
        }
        struct sim_task *task = draw_task(sim);
        if (task != NULL) {
            sim->trace = hash_combine(sim->trace, task->number);
            sim->current = task;
            context_switch(&sim->host, &task->context);
            sim->current = NULL;
        } else if (!pass_time(sim)) {
            report_waiters(sim);
            return SIM_DEADLOCK;
        }
    }
    (void)snprintf(sim->report, sizeof sim->report, "no end after %llu steps",
                   (unsigned long long)STEPS_MAX);
    return SIM_STUCK;
}

/* ---- tasks ---- */

static void task_main(void *arg)
{
    struct sim_task *task = arg;
    task->fn(task->arg);
    ASSERT(latch_depth_now() == 0);
    task->state = TASK_ENDED;
    set_event(&task->ended);
    context_leave(&task->context, &task->sim->host);
}

static struct sim_task *make_task(struct sim *sim, const char *name, void (*fn)(void *arg),
                                  void *arg)
{
    struct sim_task *task = calloc(1, sizeof *task);
    ASSERT(task != NULL);
    task->sim = sim;
    task->fn = fn;
    task->arg = arg;
    task->number = sim->next_task++;
    (void)snprintf(task->name, sizeof task->name, "%s", name);
    task->stack = stack_map(STACK_SIZE);
    ASSERT(task->stack != NULL);
    context_make(&task->context, task->stack, STACK_SIZE, task_main, task);
    struct sim_task **link = &sim->tasks;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = task;
    return task;
}

static void destroy_task(struct sim *sim, struct sim_task *task)
{
    struct sim_task **link = &sim->tasks;
    while (*link != task) {
        link = &(*link)->next;
    }
    *link = task->next;
    context_destroy(&task->context);
    stack_unmap(task->stack, STACK_SIZE);
    free(task);
}

enum sim_result sim_run(struct sim *sim, void (*fn)(void *arg), void *arg)
{
    ASSERT(sim->current == NULL);
    ASSERT(!sim->crashed); // Reboot first.
    struct sim_task *main_task = make_task(sim, "main", fn, arg);
    context_adopt(&sim->host);
    enum sim_result result = run_until_end(sim, main_task);
    context_release(&sim->host);
    if (result == SIM_DONE) {
        destroy_task(sim, main_task);
    }
    latch_depth_add(0u - latch_depth_now()); // A crash may strike while a latch is held.
    return result;
}

/* ---- every call passes here ---- */

static uint64_t hash_path(const char *path)
{
    return hash_bytes(span_from_text(path), 0);
}

/* Notes what is asked; the result follows in end_call(). */
static void note_call(struct sim *sim, enum sim_op op, const char *path, uint64_t offset,
                      uint64_t size)
{
    sim->op_counts[op]++;
    sim->trace = hash_combine(sim->trace, op);
    sim->trace = hash_combine(sim->trace, hash_path(path));
    sim->trace = hash_combine(sim->trace, offset);
    sim->trace = hash_combine(sim->trace, size);
    if (sim->print_trace) {
        (void)fprintf(stderr, "sim %llu us task %u: %s %s %llu+%llu\n",
                      (unsigned long long)sim->mono_us,
                      sim->current == NULL ? 0 : sim->current->number, op_names[op], path,
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

/* Draws the fault of a call; SIM_FAULT_COUNT for none. */
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

static enum sim_fault begin_call(struct sim *sim, enum sim_op op, const char *path, uint64_t offset,
                                 uint64_t size)
{
    note_call(sim, op, path, offset, size);
    if (op < SIM_OP_ANY) {
        sim->op_counts[SIM_OP_ANY]++;
    }
    sim->mono_us += sim_random_below(&sim->random, OP_US_MAX);
    maybe_take_turn(sim);
    count_down_to_crash(sim, op);
    return draw_fault(sim, op, path);
}

static tdbplus_status end_call(struct sim *sim, tdbplus_status status)
{
    sim->trace = hash_combine(sim->trace, status);
    if (sim->crash_after != NULL && sim->crash_after == sim->current) {
        sim_crash(sim);
    }
    maybe_take_turn(sim);
    return status;
}

/* The status and words of a fault; OK for those that do not tell. */
static tdbplus_status tell_fault(struct err *err, enum sim_fault fault, enum sim_op op,
                                 const char *path)
{
    switch (fault) {
    case SIM_FAULT_IO:
        return err_set(err, TDBPLUS_E_IO, "%s: %s: simulated I/O error", path, op_names[op]);
    case SIM_FAULT_FULL:
        return err_set(err, TDBPLUS_E_FULL, "%s: %s: simulated full disk", path, op_names[op]);
    case SIM_FAULT_NOMEM:
        return err_set(err, TDBPLUS_E_NOMEM, "%s: %s: simulated lack of memory", path,
                       op_names[op]);
    case SIM_FAULT_LOST_WRITE:
    case SIM_FAULT_MISDIRECTED_WRITE:
    case SIM_FAULT_COUNT:
        break;
    }
    return TDBPLUS_OK;
}

static tdbplus_status no_such(struct err *err, enum sim_op op, const char *path)
{
    return err_set(err, TDBPLUS_E_NOT_FOUND, "%s: %s: no such file or directory", path,
                   op_names[op]);
}

static tdbplus_status disk_full(struct err *err, enum sim_op op, const char *path)
{
    return err_set(err, TDBPLUS_E_FULL, "%s: %s: the simulated disk is full", path, op_names[op]);
}

static struct sim_handle *handle_of(struct env_file *file)
{
    struct sim_handle *handle = (struct sim_handle *)(void *)file;
    ASSERT(handle->open);
    return handle;
}

/* ---- opening and locking ---- */

static struct sim_handle *make_handle(struct sim *sim, const char *path, struct sim_inode *inode)
{
    struct sim_handle *handle = calloc(1, sizeof *handle);
    ASSERT(handle != NULL);
    handle->inode = inode;
    handle->open = true;
    (void)snprintf(handle->path, sizeof handle->path, "%s", path);
    handle->next = sim->handles;
    sim->handles = handle;
    inode->open_count++;
    return handle;
}

/* Finds or makes the file of an open or a lock. */
static tdbplus_status find_or_make(struct sim *sim, const char *path, uint32_t flags,
                                   enum sim_op op, struct sim_inode **inode_out, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    char parent[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path)) {
        return no_such(err, op, path);
    }
    sim_path_parent(parent, normal);
    struct sim_inode *inode = sim_disk_find(&sim->disk, normal);
    if (sim_disk_is_directory(&sim->disk, normal)) {
        return err_set(err, TDBPLUS_E_IO, "%s: %s: is a directory", path, op_names[op]);
    }
    if (inode != NULL) {
        if ((flags & ENV_OPEN_EXCLUSIVE) != 0) {
            return err_set(err, TDBPLUS_E_EXISTS, "%s: %s: the file exists", path, op_names[op]);
        }
        *inode_out = inode;
        return TDBPLUS_OK;
    }
    if ((flags & ENV_OPEN_CREATE) == 0 || !sim_disk_is_directory(&sim->disk, parent)) {
        return no_such(err, op, path);
    }
    if (!sim_disk_fits(&sim->disk, NULL, 0)) {
        return disk_full(err, op, path);
    }
    *inode_out = sim_disk_make(&sim->disk, normal, false);
    return TDBPLUS_OK;
}

static tdbplus_status op_open(void *ctx, const char *path, uint32_t flags,
                              struct env_file **file_out, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_OPEN, path, flags, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_OPEN, path);
    struct sim_inode *inode = NULL;
    if (status == TDBPLUS_OK) {
        status = find_or_make(sim, path, flags, SIM_OP_OPEN, &inode, err);
    }
    if (status == TDBPLUS_OK) {
        struct sim_handle *handle = make_handle(sim, path, inode);
        handle->flags = flags;
        *file_out = (struct env_file *)(void *)handle;
    }
    return end_call(sim, status);
}

static tdbplus_status op_lock(void *ctx, const char *path, bool exclusive,
                              struct env_file **lock_out, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_LOCK, path, exclusive, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_LOCK, path);
    struct sim_inode *inode = NULL;
    if (status == TDBPLUS_OK) {
        status = find_or_make(sim, path, exclusive ? ENV_OPEN_CREATE : 0, SIM_OP_LOCK, &inode, err);
    }
    if (status == TDBPLUS_OK &&
        (inode->locked_exclusive || (exclusive && inode->locks_shared > 0))) {
        status = err_set(err, TDBPLUS_E_BUSY, "%s: locked by another handle", path);
    }
    if (status == TDBPLUS_OK) {
        struct sim_handle *handle = make_handle(sim, path, inode);
        handle->is_lock = true;
        handle->is_exclusive = exclusive;
        inode->locked_exclusive = exclusive;
        inode->locks_shared += exclusive ? 0 : 1;
        *lock_out = (struct env_file *)(void *)handle;
    }
    return end_call(sim, status);
}

static void op_close(void *ctx, struct env_file *file)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    handle->open = false;
    handle->inode->open_count--;
    if (handle->is_lock && handle->is_exclusive) {
        handle->inode->locked_exclusive = false;
    } else if (handle->is_lock) {
        handle->inode->locks_shared--;
    }
    handle->inode = NULL; // It may be swept away from now on.
    maybe_take_turn(sim);
}

/* ---- content ---- */

static tdbplus_status read_now(const struct sim_handle *handle, uint64_t offset, void *data,
                               size_t size, struct err *err)
{
    uint64_t file_size = handle->inode->live.size;
    if ((handle->flags & ENV_OPEN_READ) == 0) {
        return err_set(err, TDBPLUS_E_IO, "%s: read: not open for reading", handle->path);
    }
    if (offset > file_size || size > file_size - offset) {
        return err_set(err, TDBPLUS_E_CORRUPT,
                       "%s: read of %zu bytes at %llu: the file ends at %llu", handle->path, size,
                       (unsigned long long)offset, (unsigned long long)file_size);
    }
    sim_disk_read(handle->inode, offset, data, size);
    return TDBPLUS_OK;
}

static tdbplus_status op_read(void *ctx, struct env_file *file, uint64_t offset, void *data,
                              size_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = begin_call(sim, SIM_OP_READ, handle->path, offset, size);
    if (sim_random_below(&sim->random, 4) == 0) {
        sleep_us(sim, sim_random_below(&sim->random, READ_US_MAX));
    }
    tdbplus_status status = tell_fault(err, fault, SIM_OP_READ, handle->path);
    if (status == TDBPLUS_OK) {
        status = read_now(handle, offset, data, size, err);
    } else {
        memset(data, (int)sim_random_below(&sim->random, 256), size); // Must not be looked at.
    }
    return end_call(sim, status);
}

static tdbplus_status op_read_batch(void *ctx, struct env_file *file,
                                    struct env_read_request *requests, size_t count,
                                    struct err *err)
{
    tdbplus_status first = TDBPLUS_OK;
    for (size_t i = 0; i < count; i++) {
        struct env_read_request *request = &requests[i];
        request->status = op_read(ctx, file, request->offset, request->data, request->size, err);
        first = first == TDBPLUS_OK ? request->status : first;
    }
    return first;
}

static tdbplus_status write_now(struct sim *sim, struct sim_handle *handle, uint64_t offset,
                                struct span data, enum sim_fault fault, struct err *err)
{
    struct sim_inode *inode = handle->inode;
    if ((handle->flags & ENV_OPEN_WRITE) == 0) {
        return err_set(err, TDBPLUS_E_IO, "%s: write: not open for writing", handle->path);
    }
    tdbplus_status status = tell_fault(err, fault, SIM_OP_WRITE, handle->path);
    if (status == TDBPLUS_OK && !sim_disk_fits(&sim->disk, inode, offset + data.size)) {
        status = disk_full(err, SIM_OP_WRITE, handle->path);
    }
    if (status != TDBPLUS_OK) {
        // Some of it may have happened, as far as there is room.
        data.size = (size_t)sim_random_below(&sim->random, data.size + 1);
        if (data.size > 0 && sim_disk_fits(&sim->disk, inode, offset + data.size)) {
            sim_disk_write(&sim->disk, inode, offset, data, SIM_WRITE_GOOD);
        }
        return status;
    }
    enum sim_write_fate fate = SIM_WRITE_GOOD;
    if (fault == SIM_FAULT_LOST_WRITE) {
        fate = SIM_WRITE_LOST;
    } else if (fault == SIM_FAULT_MISDIRECTED_WRITE) {
        fate = SIM_WRITE_MISDIRECTED;
    }
    sim_disk_write(&sim->disk, inode, offset, data, fate);
    return TDBPLUS_OK;
}

static tdbplus_status op_write(void *ctx, struct env_file *file, uint64_t offset, const void *data,
                               size_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    struct span span = {.data = data, .size = size};
    enum sim_fault fault = begin_call(sim, SIM_OP_WRITE, handle->path, offset, size);
    sim->trace = hash_combine(sim->trace, hash_bytes(span, 0));
    if (sim_random_below(&sim->random, 8) == 0) {
        sleep_us(sim, sim_random_below(&sim->random, READ_US_MAX));
    }
    return end_call(sim, write_now(sim, handle, offset, span, fault, err));
}

static tdbplus_status op_sync(void *ctx, struct env_file *file, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = begin_call(sim, SIM_OP_SYNC, handle->path, 0, 0);
    // What is written while the sync is under way is not covered by it.
    uint64_t mark = sim->disk.next_number;
    sleep_us(sim, 1 + sim_random_below(&sim->random, SYNC_US_MAX));
    tdbplus_status status = tell_fault(err, fault, SIM_OP_SYNC, handle->path);
    sim_disk_sync(&sim->disk, handle->inode, mark, status != TDBPLUS_OK);
    return end_call(sim, status);
}

static tdbplus_status op_allocate(void *ctx, struct env_file *file, uint64_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = begin_call(sim, SIM_OP_ALLOCATE, handle->path, size, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_ALLOCATE, handle->path);
    if (status == TDBPLUS_OK && !sim_disk_fits(&sim->disk, handle->inode, size)) {
        status = disk_full(err, SIM_OP_ALLOCATE, handle->path);
    }
    if (status == TDBPLUS_OK) {
        sim_disk_extend(&sim->disk, handle->inode, size);
    }
    return end_call(sim, status);
}

static tdbplus_status op_truncate(void *ctx, struct env_file *file, uint64_t size, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = begin_call(sim, SIM_OP_TRUNCATE, handle->path, size, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_TRUNCATE, handle->path);
    if (status == TDBPLUS_OK && !sim_disk_fits(&sim->disk, handle->inode, size)) {
        status = disk_full(err, SIM_OP_TRUNCATE, handle->path);
    }
    if (status == TDBPLUS_OK) {
        sim_disk_truncate(&sim->disk, handle->inode, size);
    }
    return end_call(sim, status);
}

static tdbplus_status op_size(void *ctx, struct env_file *file, uint64_t *size_out, struct err *err)
{
    struct sim *sim = ctx;
    struct sim_handle *handle = handle_of(file);
    enum sim_fault fault = begin_call(sim, SIM_OP_SIZE, handle->path, 0, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_SIZE, handle->path);
    if (status == TDBPLUS_OK) {
        *size_out = handle->inode->live.size;
    }
    return end_call(sim, status);
}

/* ---- names ---- */

/* The checks that rename and link share; paths come back normalised. */
static tdbplus_status check_pair(struct sim *sim, enum sim_op op, const char *from, const char *to,
                                 char normal[2][ENV_PATH_SIZE_MAX], struct err *err)
{
    char parent[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal[0], from) || sim_disk_find(&sim->disk, normal[0]) == NULL) {
        return no_such(err, op, from);
    }
    if (!sim_path_normalise(normal[1], to)) {
        return no_such(err, op, to);
    }
    sim_path_parent(parent, normal[1]);
    return sim_disk_is_directory(&sim->disk, parent) ? TDBPLUS_OK : no_such(err, op, to);
}

static tdbplus_status rename_now(struct sim *sim, const char *from, const char *to, struct err *err)
{
    char normal[2][ENV_PATH_SIZE_MAX];
    TRY(check_pair(sim, SIM_OP_RENAME, from, to, normal, err));
    const struct sim_inode *source = sim_disk_find(&sim->disk, normal[0]);
    const struct sim_inode *target = sim_disk_find(&sim->disk, normal[1]);
    if (target == source) {
        return TDBPLUS_OK;
    }
    bool fits = target == NULL || (target->is_directory == source->is_directory &&
                                   sim_disk_is_empty(&sim->disk, normal[1]));
    if (!fits) {
        return err_set(err, TDBPLUS_E_IO, "%s: rename: %s is in the way", from, to);
    }
    sim_disk_rename(&sim->disk, normal[0], normal[1]);
    return TDBPLUS_OK;
}

static tdbplus_status op_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_RENAME, from, hash_path(to), 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_RENAME, from);
    return end_call(sim, status == TDBPLUS_OK ? rename_now(sim, from, to, err) : status);
}

static tdbplus_status link_now(struct sim *sim, const char *from, const char *to, struct err *err)
{
    char normal[2][ENV_PATH_SIZE_MAX];
    TRY(check_pair(sim, SIM_OP_LINK, from, to, normal, err));
    struct sim_inode *source = sim_disk_find(&sim->disk, normal[0]);
    if (source->is_directory) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "%s: link: is a directory", from);
    }
    if (sim_disk_find(&sim->disk, normal[1]) != NULL) {
        return err_set(err, TDBPLUS_E_EXISTS, "%s: link: the file exists", to);
    }
    if (!sim_disk_fits(&sim->disk, NULL, 0)) {
        return disk_full(err, SIM_OP_LINK, to);
    }
    sim_disk_link(&sim->disk, source, normal[1]);
    return TDBPLUS_OK;
}

static tdbplus_status op_link(void *ctx, const char *from, const char *to, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_LINK, from, hash_path(to), 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_LINK, from);
    return end_call(sim, status == TDBPLUS_OK ? link_now(sim, from, to, err) : status);
}

static tdbplus_status unlink_now(struct sim *sim, const char *path, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path)) {
        return no_such(err, SIM_OP_UNLINK, path);
    }
    if (sim_disk_is_directory(&sim->disk, normal)) {
        return err_set(err, TDBPLUS_E_IO, "%s: unlink: is a directory", path);
    }
    if (sim_disk_find(&sim->disk, normal) == NULL) {
        return no_such(err, SIM_OP_UNLINK, path);
    }
    sim_disk_unlink(&sim->disk, normal);
    return TDBPLUS_OK;
}

static tdbplus_status op_unlink(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_UNLINK, path, 0, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_UNLINK, path);
    return end_call(sim, status == TDBPLUS_OK ? unlink_now(sim, path, err) : status);
}

static tdbplus_status make_directory_now(struct sim *sim, const char *path, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    char parent[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path)) {
        return no_such(err, SIM_OP_MAKE_DIRECTORY, path);
    }
    if (sim_disk_is_directory(&sim->disk, normal)) {
        return TDBPLUS_OK;
    }
    sim_path_parent(parent, normal);
    if (sim_disk_find(&sim->disk, normal) != NULL) {
        return err_set(err, TDBPLUS_E_EXISTS, "%s: make directory: a file is in the way", path);
    }
    if (!sim_disk_is_directory(&sim->disk, parent)) {
        return no_such(err, SIM_OP_MAKE_DIRECTORY, path);
    }
    if (!sim_disk_fits(&sim->disk, NULL, 0)) {
        return disk_full(err, SIM_OP_MAKE_DIRECTORY, path);
    }
    (void)sim_disk_make(&sim->disk, normal, true);
    return TDBPLUS_OK;
}

static tdbplus_status op_make_directory(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_MAKE_DIRECTORY, path, 0, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_MAKE_DIRECTORY, path);
    return end_call(sim, status == TDBPLUS_OK ? make_directory_now(sim, path, err) : status);
}

static tdbplus_status remove_directory_now(struct sim *sim, const char *path, struct err *err)
{
    char normal[ENV_PATH_SIZE_MAX];
    if (!sim_path_normalise(normal, path) || sim_disk_find(&sim->disk, normal) == NULL) {
        return no_such(err, SIM_OP_REMOVE_DIRECTORY, path);
    }
    if (!sim_disk_is_directory(&sim->disk, normal) || !sim_disk_is_empty(&sim->disk, normal)) {
        return err_set(err, TDBPLUS_E_IO, "%s: remove directory: not an empty directory", path);
    }
    sim_disk_unlink(&sim->disk, normal);
    return TDBPLUS_OK;
}

static tdbplus_status op_remove_directory(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_REMOVE_DIRECTORY, path, 0, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_REMOVE_DIRECTORY, path);
    return end_call(sim, status == TDBPLUS_OK ? remove_directory_now(sim, path, err) : status);
}

struct entry {
    char name[ENV_NAME_SIZE_MAX];
    bool is_directory;
};

/* Copies the entries of a directory, in an order from the seed. */
static struct entry *copy_entries(struct sim *sim, const char *path, size_t *count_out)
{
    // Not plain memory, because a crash inside the callback abandons the caller's frame.
    struct entry *entries =
        alloc_array(&sim->scratch.alloc, sim->disk.live.count + 1, sizeof *entries);
    size_t count = 0;
    for (size_t i = 0; i < sim->disk.live.count; i++) {
        const struct sim_name *name = &sim->disk.live.items[i];
        char parent[ENV_PATH_SIZE_MAX];
        sim_path_parent(parent, name->path);
        if (strcmp(parent, path) == 0) {
            size_t skip = parent[0] == '\0' ? 0 : strlen(parent) + 1;
            (void)snprintf(entries[count].name, sizeof entries[count].name, "%s",
                           name->path + skip);
            entries[count++].is_directory = name->inode->is_directory;
        }
    }
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)sim_random_below(&sim->random, i);
        struct entry held = entries[i - 1];
        entries[i - 1] = entries[other];
        entries[other] = held;
    }
    *count_out = count;
    return entries;
}

static tdbplus_status op_list(void *ctx, const char *path, env_list_fn fn, void *fn_ctx,
                              struct err *err)
{
    struct sim *sim = ctx;
    char normal[ENV_PATH_SIZE_MAX];
    enum sim_fault fault = begin_call(sim, SIM_OP_LIST, path, 0, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_LIST, path);
    if (status == TDBPLUS_OK &&
        (!sim_path_normalise(normal, path) || !sim_disk_is_directory(&sim->disk, normal))) {
        status = no_such(err, SIM_OP_LIST, path);
    }
    if (status != TDBPLUS_OK) {
        return end_call(sim, status);
    }
    size_t count = 0;
    size_t room = sim->disk.live.count + 1;
    struct entry *entries = copy_entries(sim, normal, &count);
    for (size_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        status = fn(fn_ctx, entries[i].name, entries[i].is_directory);
    }
    alloc_free(&sim->scratch.alloc, entries, room, sizeof *entries);
    return end_call(sim, status);
}

static tdbplus_status op_sync_directory(void *ctx, const char *path, struct err *err)
{
    struct sim *sim = ctx;
    char normal[ENV_PATH_SIZE_MAX];
    enum sim_fault fault = begin_call(sim, SIM_OP_SYNC_DIRECTORY, path, 0, 0);
    uint64_t mark = sim->disk.next_number;
    sleep_us(sim, 1 + sim_random_below(&sim->random, SYNC_US_MAX));
    if (!sim_path_normalise(normal, path) || !sim_disk_is_directory(&sim->disk, normal)) {
        return end_call(sim, no_such(err, SIM_OP_SYNC_DIRECTORY, path));
    }
    tdbplus_status status = tell_fault(err, fault, SIM_OP_SYNC_DIRECTORY, path);
    sim_disk_sync_directory(&sim->disk, normal, mark, status != TDBPLUS_OK);
    return end_call(sim, status);
}

/* ---- time and chance ---- */

static uint64_t op_clock_mono_us(void *ctx)
{
    struct sim *sim = ctx;
    sim->mono_us++; // So that a loop that looks at the clock ends.
    maybe_take_turn(sim);
    return sim->mono_us;
}

static uint64_t op_clock_wall_us(void *ctx)
{
    struct sim *sim = ctx;
    sim->mono_us++;
    maybe_take_turn(sim);
    return WALL_START_US + sim->mono_us + (uint64_t)sim->wall_shift_us;
}

static void op_entropy(void *ctx, void *data, size_t size)
{
    struct sim *sim = ctx;
    uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)sim_random_u64(&sim->random);
    }
}

/* ---- tasks and waiting ---- */

static tdbplus_status op_task_start(void *ctx, const char *name, void (*fn)(void *arg), void *arg,
                                    struct env_task **task_out, struct err *err)
{
    struct sim *sim = ctx;
    enum sim_fault fault = begin_call(sim, SIM_OP_TASK_START, name, 0, 0);
    tdbplus_status status = tell_fault(err, fault, SIM_OP_TASK_START, name);
    if (status == TDBPLUS_OK) {
        *task_out = (struct env_task *)(void *)make_task(sim, name, fn, arg);
    }
    return end_call(sim, status);
}

static bool op_event_wait(void *ctx, struct env_event *event, uint64_t deadline_us)
{
    struct sim *sim = ctx;
    note_call(sim, SIM_OP_EVENT_WAIT, "", 0, 0);
    maybe_take_turn(sim);
    uint32_t state = atomic_load_explicit(&event->state, memory_order_relaxed);
    ASSERT(state != EVENT_WAITS); // One waiter at a time.
    if (state == EVENT_SET) {
        atomic_store_explicit(&event->state, EVENT_CLEAR, memory_order_relaxed);
        maybe_take_turn(sim);
        return true;
    }
    if (deadline_us <= sim->mono_us) {
        return false;
    }
    struct sim_task *task = sim->current;
    ASSERT(task != NULL); // Outside of sim_run() nobody could ever set it.
    atomic_store_explicit(&event->state, EVENT_WAITS, memory_order_relaxed);
    atomic_store_explicit(&event->waiter, task, memory_order_relaxed);
    task->state = TASK_WAITS;
    task->event = event;
    task->deadline_us = deadline_us;
    stop_current(sim);
    return task->woken;
}

static void op_event_set(void *ctx, struct env_event *event)
{
    struct sim *sim = ctx;
    note_call(sim, SIM_OP_EVENT_SET, "", 0, 0);
    set_event(event);
    maybe_take_turn(sim);
}

static void op_task_join(void *ctx, struct env_task *task)
{
    struct sim *sim = ctx;
    struct sim_task *joined = (struct sim_task *)(void *)task;
    bool ended = op_event_wait(ctx, &joined->ended, ENV_DEADLINE_NONE);
    ASSERT(ended);
    destroy_task(sim, joined);
}

static void op_yield(void *ctx)
{
    struct sim *sim = ctx;
    if (sim->current != NULL) {
        take_turn(sim);
    }
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
    static const struct env_ops ops = {
        .open = op_open,
        .close = op_close,
        .read = op_read,
        .read_batch = op_read_batch,
        .write = op_write,
        .sync = op_sync,
        .allocate = op_allocate,
        .truncate = op_truncate,
        .size = op_size,
        .rename = op_rename,
        .unlink = op_unlink,
        .link = op_link,
        .make_directory = op_make_directory,
        .remove_directory = op_remove_directory,
        .list = op_list,
        .sync_directory = op_sync_directory,
        .lock = op_lock,
        .clock_wall_us = op_clock_wall_us,
        .clock_mono_us = op_clock_mono_us,
        .entropy = op_entropy,
        .task_start = op_task_start,
        .task_join = op_task_join,
        .event_wait = op_event_wait,
        .event_set = op_event_set,
        .yield = op_yield,
    };
    struct sim *sim = calloc(1, sizeof *sim);
    ASSERT(sim != NULL);
    sim->env = (struct env){.ops = &ops, .ctx = sim, .name = "sim"};
    sim->random.state = hash_u64(seed);
    sim->mono_us = MONO_START_US;
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
        destroy_task(sim, sim->tasks);
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
    ASSERT(sim->rule_count < RULES_MAX);
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
