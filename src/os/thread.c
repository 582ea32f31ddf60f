/* Tasks of env_real and env_ram: one thread each. */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/assert.h"
#include "os/os_internal.h"

#define THREAD_NAME_SIZE 16u /* The kernel's limit. */

struct env_task {
    pthread_t thread;
    void (*fn)(void *arg);
    void *arg;
    struct env_event ended;
    char name[THREAD_NAME_SIZE];
};

static void *run_task(void *arg)
{
    struct env_task *task = arg;
    (void)pthread_setname_np(pthread_self(), task->name);
    task->fn(task->arg);
    event_set(&task->ended);
    return NULL;
}

tdbplus_status thread_task_start(const char *name, void (*fn)(void *arg), void *arg,
                                 struct env_task **task_out, struct err *err)
{
    struct env_task *task = alloc_array(&alloc_system, 1, sizeof *task);
    if (task == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "task %s: out of memory", name);
    }
    task->fn = fn;
    task->arg = arg;
    (void)snprintf(task->name, sizeof task->name, "%s", name);

    // Signals belong to the host program's own threads.
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&task->thread, NULL, run_task, task);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        alloc_free(&alloc_system, task, 1, sizeof *task);
        return os_error(err, failure, "start of a thread", name);
    }
    *task_out = task;
    return TDBPLUS_OK;
}

void thread_task_join(struct env_task *task)
{
    // The event lets a fiber wait without its thread; the thread itself is then as good as gone.
    bool ended = event_wait(&task->ended, ENV_DEADLINE_NONE);
    ASSERT(ended);
    int failure = pthread_join(task->thread, NULL);
    ASSERT(failure == 0);
    alloc_free(&alloc_system, task, 1, sizeof *task);
}
