/*
 * Goal: what was acknowledged is there after the process was killed, whatever it was doing.
 *
 * Method: a process of its own writes with several threads, flushing and merging all the time, and
 * reports each acknowledged commit through a pipe. It is killed (SIGKILL) at a random moment; the
 * database is opened again and must hold, for each thread, all that was reported and at most one
 * commit more, each commit whole. The next process goes on from there.
 *
 *   tdb_kill [--rounds N] [--seed S]
 */

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tdbplus/tdbplus.h"

#define THREAD_COUNT 4u
#define SLOT_COUNT   61u
#define HEAD_SLOT    999u
#define BODY_SIZE    700u

/* One acknowledged commit; smaller than PIPE_BUF, so that it travels whole. */
struct report {
    uint32_t thread;
    uint32_t number;
};

struct worker {
    tdbplus_db *db;
    tdbplus_collection *rows;
    uint32_t thread;
    uint32_t number; /* Of the last commit. */
    int out;
};

static _Noreturn void give_up(const char *what, const tdbplus_call *call)
{
    fprintf(stderr, "tdb_kill: %s: %s\n", what, call == NULL ? "failed" : call->error.message);
    exit(1);
}

/* ---- rows ---- */

/* Commit number n of a thread writes slot n % SLOT_COUNT and the slot that says how far it is. */
static void make_row(uint32_t thread, uint32_t slot, uint32_t number, char body[BODY_SIZE],
                     tdbplus_value values[3])
{
    memset(body, 'a' + (int)(number % 26), BODY_SIZE);
    values[0] = tdbplus_int8((int64_t)thread * 1000 + slot);
    values[1] = tdbplus_int8(number);
    values[2] = tdbplus_text_sized(body, slot == HEAD_SLOT ? 0 : 1 + number % BODY_SIZE);
}

static tdbplus_db *open_database(const char *directory)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_options options = {.struct_size = sizeof options,
                               .memtable_size_bytes = 256 << 10,
                               .memory_limit_bytes = 256 << 20};
    tdbplus_db *db = NULL;
    if (tdbplus_open(directory, &options, &db, &call) != TDBPLUS_OK) {
        give_up("open", &call);
    }
    return db;
}

static tdbplus_collection *open_rows(tdbplus_db *db)
{
    static const tdbplus_column columns[] = {
        {.name = "id", .type = TDBPLUS_TYPE_INT8, .not_null = true},
        {.name = "number", .type = TDBPLUS_TYPE_INT8},
        {.name = "body", .type = TDBPLUS_TYPE_TEXT},
    };
    static const char *const key[] = {"id"};
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_collection *rows = NULL;
    tdbplus_status status = tdbplus_collection_create(db, NULL, "rows", columns, 3, key, 1, &call);
    if (status != TDBPLUS_OK && status != TDBPLUS_E_EXISTS) {
        give_up("create", &call);
    }
    if (tdbplus_collection_open(db, NULL, "rows", &rows, &call) != TDBPLUS_OK) {
        give_up("collection", &call);
    }
    return rows;
}

/* The number in a slot, 0 if the row is not there; fails when its body is not its own. */
static uint32_t read_slot(tdbplus_collection *rows, tdbplus_row *row, uint32_t thread,
                          uint32_t slot)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    char body[BODY_SIZE];
    tdbplus_value wanted[3];
    tdbplus_value key = tdbplus_int8((int64_t)thread * 1000 + slot);
    tdbplus_status status = tdbplus_get(rows, NULL, &key, 1, row, &call);
    if (status == TDBPLUS_E_NOT_FOUND) {
        return 0;
    }
    if (status != TDBPLUS_OK) {
        give_up("get", &call);
    }
    uint32_t number = (uint32_t)tdbplus_row_value(row, 1).as.integer;
    tdbplus_value found = tdbplus_row_value(row, 2);
    make_row(thread, slot, number, body, wanted);
    if (found.as.bytes.size != wanted[2].as.bytes.size ||
        memcmp(found.as.bytes.data, body, found.as.bytes.size) != 0) {
        give_up("a row's body is not its own", NULL);
    }
    return number;
}

/* ---- the process that is killed ---- */

static void write_commit(struct worker *worker)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_txn *txn = NULL;
    char body[BODY_SIZE];
    tdbplus_value values[3];
    uint32_t number = worker->number + 1;
    if (tdbplus_begin(worker->db, NULL, &txn, &call) != TDBPLUS_OK) {
        give_up("begin", &call);
    }
    make_row(worker->thread, number % SLOT_COUNT, number, body, values);
    if (tdbplus_upsert(worker->rows, txn, values, 3, &call) != TDBPLUS_OK) {
        give_up("upsert", &call);
    }
    make_row(worker->thread, HEAD_SLOT, number, body, values);
    if (tdbplus_upsert(worker->rows, txn, values, 3, &call) != TDBPLUS_OK) {
        give_up("upsert", &call);
    }
    if (tdbplus_commit(txn, &call) != TDBPLUS_OK) {
        give_up("commit", &call);
    }
    worker->number = number;
    struct report report = {.thread = worker->thread, .number = number};
    if (write(worker->out, &report, sizeof report) != (ssize_t)sizeof report) {
        exit(0); // Nobody listens any more.
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (;;) {
        write_commit(worker);
        tdbplus_call call = TDBPLUS_CALL_INIT;
        if (worker->thread == 0 && worker->number % 40 == 0 &&
            tdbplus_flush(worker->db, &call) != TDBPLUS_OK) {
            give_up("flush", &call);
        }
        if (worker->thread == 1 && worker->number % 150 == 0 &&
            tdbplus_optimize(worker->db, NULL, &call) != TDBPLUS_OK) {
            give_up("optimize", &call);
        }
    }
    return NULL;
}

static int run_child(const char *directory, int out)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = open_database(directory);
    tdbplus_collection *rows = open_rows(db);
    tdbplus_row *row = NULL;
    struct worker workers[THREAD_COUNT];
    pthread_t threads[THREAD_COUNT];
    if (tdbplus_row_create(db, &row, &call) != TDBPLUS_OK) {
        give_up("row", &call);
    }
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        workers[i] = (struct worker){.db = db, .rows = rows, .thread = i, .out = out};
        workers[i].number = read_slot(rows, row, i, HEAD_SLOT);
    }
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            give_up("thread", NULL);
        }
    }
    (void)pthread_join(threads[0], NULL);
    return 0;
}

/* ---- the process that kills ---- */

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static pid_t start_child(const char *self, const char *directory, int *from_out)
{
    int ends[2];
    if (pipe(ends) != 0) {
        give_up("pipe", NULL);
    }
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", ends[1]);
        (void)execl(self, self, "--child", directory, number, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    if (child < 0) {
        give_up("fork", NULL);
    }
    *from_out = ends[0];
    return child;
}

/* Takes reports until the moment comes (0: until all are read). False when the process is gone. */
static bool listen_until(int from, uint64_t moment_us, uint32_t acked[THREAD_COUNT],
                         uint64_t *count)
{
    for (;;) {
        uint64_t now = now_us();
        if (moment_us != 0 && now >= moment_us) {
            return true;
        }
        struct pollfd wait = {.fd = from, .events = POLLIN};
        int ready = poll(&wait, 1, moment_us == 0 ? -1 : (int)((moment_us - now) / 1000) + 1);
        struct report report;
        if (ready <= 0) {
            continue;
        }
        if (read(from, &report, sizeof report) != (ssize_t)sizeof report) {
            return false;
        }
        acked[report.thread] = report.number;
        (*count)++;
    }
}

/* Afterwards `acked` says what is there: a commit may be in without its report having been sent. */
static void check(const char *directory, uint32_t acked[THREAD_COUNT])
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = open_database(directory);
    tdbplus_collection *rows = open_rows(db);
    tdbplus_row *row = NULL;
    if (tdbplus_verify(db, NULL, NULL, &call) != TDBPLUS_OK ||
        tdbplus_row_create(db, &row, &call) != TDBPLUS_OK) {
        give_up("verify", &call);
    }
    for (uint32_t thread = 0; thread < THREAD_COUNT; thread++) {
        uint32_t head = read_slot(rows, row, thread, HEAD_SLOT);
        if (head < acked[thread] || head > acked[thread] + 1) {
            fprintf(stderr, "thread %u: %u commits acknowledged, %u found\n", thread, acked[thread],
                    head);
            exit(1);
        }
        for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
            uint32_t back = (head % SLOT_COUNT + SLOT_COUNT - slot) % SLOT_COUNT;
            uint32_t wanted = head > back ? head - back : 0;
            uint32_t found = read_slot(rows, row, thread, slot);
            if (found != wanted) {
                fprintf(stderr, "thread %u, slot %u: %u instead of %u\n", thread, slot, found,
                        wanted);
                exit(1);
            }
        }
        acked[thread] = head;
    }
    tdbplus_row_destroy(row);
    tdbplus_collection_close(rows);
    tdbplus_close(db);
}

/* One process, killed after a random while. Returns how many commits it reported. */
static uint64_t run_round(const char *self, const char *directory, uint64_t delay_us,
                          uint32_t acked[THREAD_COUNT])
{
    int from = -1;
    int status = 0;
    uint64_t count = 0;
    pid_t child = start_child(self, directory, &from);
    bool alive = listen_until(from, now_us() + delay_us, acked, &count);
    (void)kill(child, SIGKILL);
    while (alive) {
        alive = listen_until(from, 0, acked, &count);
    }
    (void)close(from);
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) ||
        WTERMSIG(status) != SIGKILL) {
        give_up("the writing process ended by itself", NULL);
    }
    return count;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int run_rounds(const char *self, uint64_t rounds, unsigned seed)
{
    char directory[4096];
    const char *parent = getenv("TMPDIR");
    (void)snprintf(directory, sizeof directory, "%s/tdb_kill.XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    if (mkdtemp(directory) == NULL) {
        give_up("a folder for the database", NULL);
    }
    uint32_t acked[THREAD_COUNT] = {0};
    uint64_t commits = 0;
    uint64_t idle = 0;
    printf("seed %u, %s\n", seed, directory);
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t delay_us = 2000 + (uint64_t)rand_r(&seed) % 200000;
        uint64_t count = run_round(self, directory, delay_us, acked);
        check(directory, acked);
        commits += count;
        idle += count == 0 ? 1 : 0;
    }
    (void)nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    printf("%llu commits reported by %llu killed processes (%llu killed before their first)\n",
           (unsigned long long)commits, (unsigned long long)rounds, (unsigned long long)idle);
    printf("%llu passed, 0 failed\n", (unsigned long long)rounds);
    return commits == 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    uint64_t rounds = 20;
    unsigned seed = (unsigned)now_us();
    if (argc == 4 && strcmp(argv[1], "--child") == 0) {
        return run_child(argv[2], atoi(argv[3]));
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            rounds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: tdb_kill [--rounds N] [--seed S]\n");
            return 2;
        }
    }
    return run_rounds("/proc/self/exe", rounds, seed);
}
