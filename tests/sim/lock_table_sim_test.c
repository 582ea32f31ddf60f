/*
 * Goal: in every order of events that the simulator can draw, tasks that lock rows and tables in
 * conflicting ways never meet, all get through or fail for a reason they can name, and leave
 * nothing behind. Method: tasks with random requests, savepoints, timeouts, cancels and failing
 * memory; each keeps counters per lock that the others check; the same seed gives the same run.
 */

#include "sim_env.h"

#include "locks/lock_table.h"
#include "sim_disk.h"
#include "test.h"

#define SEEDS       150u
#define TASKS       6u
#define LOCKS       4u
#define ROUNDS      12u
#define STEPS_MAX   4u
#define SEARCH_US   3000u
#define TIMEOUT_US  9000u
#define FAILURE_PPM 3000u

struct scene {
    struct sim *sim;
    const struct env *env;
    struct lock_table *table;
    struct lock_owner owners[TASKS];
    _Atomic bool cancels[TASKS];
    bool is_inside[TASKS]; /* The owner can be cancelled. */
    uint32_t held[LOCKS][LOCK_MODE_COUNT][TASKS];
    uint64_t outcomes[64]; /* By status. */
};

struct actor {
    struct scene *scene;
    uint32_t number;
};

static uint64_t draw(struct scene *scene, uint64_t bound)
{
    return sim_random_below(sim_chance(scene->sim), bound);
}

/* Says that the actor holds the lock now, and checks that nobody else does who must not. */
static void enter(struct scene *scene, uint32_t actor, uint64_t lock, uint8_t mode)
{
    scene->held[lock][mode][actor]++;
    for (uint8_t other_mode = 1; other_mode < (uint8_t)LOCK_MODE_COUNT; other_mode++) {
        bool conflicts = lock_mode_is_row(mode) == lock_mode_is_row(other_mode) &&
                         lock_mode_conflicts(mode, other_mode);
        for (uint32_t other = 0; other < TASKS && conflicts; other++) {
            CHECK(other == actor || scene->held[lock][other_mode][other] == 0);
        }
    }
}

static void leave_all(struct scene *scene, uint32_t actor)
{
    for (uint64_t lock = 0; lock < LOCKS; lock++) {
        for (uint32_t mode = 0; mode < LOCK_MODE_COUNT; mode++) {
            scene->held[lock][mode][actor] = 0;
        }
    }
}

static uint8_t draw_mode(struct scene *scene)
{
    static const uint8_t modes[] = {LOCK_ROW_UPDATE,    LOCK_ROW_UPDATE,  LOCK_ROW_NO_KEY_UPDATE,
                                    LOCK_ROW_FOR_SHARE, LOCK_SHARE,       LOCK_ROW_EXCLUSIVE,
                                    LOCK_ROW_KEY_SHARE, LOCK_ACCESS_SHARE};
    return modes[draw(scene, sizeof modes)];
}

static tdbplus_status try_step(struct scene *scene, uint32_t actor)
{
    struct err err = {0};
    const struct call call = {
        .alloc = sim_alloc(scene->sim), .err = &err, .cancel = &scene->cancels[actor]};
    struct lock_request request = {
        .table = 3,
        .hash = draw(scene, LOCKS),
        .mode = draw_mode(scene),
        .no_wait = draw(scene, 10) == 0,
        .timeout_us = draw(scene, 6) == 0 ? 1 + draw(scene, TIMEOUT_US) : 0,
    };
    tdbplus_status status = lock_table_acquire(&scene->owners[actor], &request, &call);
    CHECK((status == TDBPLUS_OK) == (err.text[0] == 0));
    CHECK(status != TDBPLUS_E_LOCK || request.no_wait || request.timeout_us != 0);
    CHECK(status != TDBPLUS_E_CANCELLED || atomic_load(&scene->cancels[actor]));
    if (status == TDBPLUS_OK) {
        enter(scene, actor, request.hash, request.mode);
    }
    return status;
}

/* Cancels somebody, as a session would: first the flag, then the wake-up. */
static void disturb(struct scene *scene)
{
    uint32_t victim = (uint32_t)draw(scene, TASKS);
    if (scene->is_inside[victim] && draw(scene, 8) == 0) {
        atomic_store(&scene->cancels[victim], true);
        lock_table_cancel(&scene->owners[victim]);
    }
}

static void run_actor(void *arg)
{
    const struct actor *actor = arg;
    struct scene *scene = actor->scene;
    struct lock_owner *owner = &scene->owners[actor->number];
    lock_owner_init(owner, scene->table, actor->number + 1);
    scene->is_inside[actor->number] = true;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        tdbplus_status status = TDBPLUS_OK;
        atomic_store(&scene->cancels[actor->number], false);
        for (uint32_t step = 0; step < STEPS_MAX && status == TDBPLUS_OK; step++) {
            uint64_t mark = lock_owner_mark(owner);
            status = try_step(scene, actor->number);
            if (status == TDBPLUS_OK && mark == 0 && draw(scene, 5) == 0) {
                leave_all(scene, actor->number);
                lock_owner_release_to(owner, mark);
            }
            env_yield(scene->env);
            disturb(scene);
        }
        scene->outcomes[status]++;
        leave_all(scene, actor->number);
        lock_owner_release_all(owner);
    }
    scene->is_inside[actor->number] = false;
    lock_owner_deinit(owner);
}

static void run_scene(void *arg)
{
    struct scene *scene = arg;
    const struct lock_table_options options = {
        .env = scene->env,
        .alloc = sim_alloc(scene->sim),
        .deadlock_timeout_us = SEARCH_US,
    };
    CHECK(lock_table_create(&options, &scene->table, NULL) == TDBPLUS_OK);
    const struct sim_fault_rule no_memory = {
        .op = SIM_OP_MEMORY, .fault = SIM_FAULT_NOMEM, .ppm = FAILURE_PPM};
    struct actor actors[TASKS];
    struct env_task *tasks[TASKS];
    for (uint32_t i = 0; i < TASKS; i++) {
        actors[i] = (struct actor){scene, i};
        CHECK(env_task_start(scene->env, "actor", run_actor, &actors[i], &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    sim_fault_add(scene->sim, no_memory);
    for (uint32_t i = 0; i < TASKS; i++) {
        env_task_join(scene->env, tasks[i]);
    }
    sim_fault_clear(scene->sim);
    CHECK(lock_table_count(scene->table) == 0);
    lock_table_destroy(scene->table);
}

static uint64_t play(uint64_t seed, uint64_t outcomes[64])
{
    static struct scene scene;
    scene = (struct scene){.sim = sim_create(seed)};
    scene.env = sim_env(scene.sim);
    CHECK(sim_run(scene.sim, run_scene, &scene) == SIM_DONE); // Nobody is forgotten in a queue.
    CHECK(sim_memory_live(scene.sim) == 0);
    uint64_t total = 0;
    for (uint32_t i = 0; i < 64; i++) {
        outcomes[i] += scene.outcomes[i];
        total += scene.outcomes[i];
    }
    CHECK(total == TASKS * ROUNDS);
    uint64_t hash = sim_trace_hash(scene.sim);
    sim_destroy(scene.sim);
    return hash;
}

TEST(tasks_never_meet_and_leave_nothing_behind)
{
    uint64_t outcomes[64] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t hash = play(seed, outcomes);
        if (seed % 16 == 0) {
            CHECK(play(seed, outcomes) == hash);
        }
    }
    // Every way to end was seen.
    CHECK(outcomes[TDBPLUS_OK] > SEEDS);
    CHECK(outcomes[TDBPLUS_E_DEADLOCK] > 0);
    CHECK(outcomes[TDBPLUS_E_LOCK] > 0);
    CHECK(outcomes[TDBPLUS_E_CANCELLED] > 0);
    CHECK(outcomes[TDBPLUS_E_NOMEM] > 0);
}
