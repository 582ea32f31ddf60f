/*
 * Goal: the lock table grants exactly what PostgreSQL's conflict tables allow, in the order of the
 * requests; gives everything back; finds every circle of waiters and nothing that is none.
 *
 * Method: one thread against a naive list of grants; scenes with real threads, each step awaited by
 * looking at the table's own list; a crowd of threads that checks exclusion on its own counters;
 * every allocation made to fail once.
 */

#include "locks/lock_table.h"

#include <pthread.h>

#include "base/hash.h"
#include "test.h"

#define PATIENCE_US 20000000u /* Tests that wait longer are broken. */
#define SEARCH_US   20000u    /* The deadlock timeout of most scenes. */

/* ---- fixtures ---- */

static uint64_t random_state = 99;

static uint64_t draw(uint64_t bound)
{
    random_state++;
    return hash_u64(random_state) % bound;
}

static struct lock_table *make_table(const struct alloc *alloc, uint64_t deadlock_timeout_us)
{
    const struct lock_table_options options = {
        .env = env_real(),
        .alloc = alloc,
        .deadlock_timeout_us = deadlock_timeout_us,
    };
    struct lock_table *table = NULL;
    CHECK(lock_table_create(&options, &table, NULL) == TDBPLUS_OK);
    return table;
}

static struct lock_request row_request(uint64_t hash, uint8_t mode)
{
    return (struct lock_request){.table = 7, .hash = hash, .mode = mode};
}

static tdbplus_status acquire(struct lock_owner *owner, uint64_t hash, uint8_t mode, bool no_wait)
{
    struct lock_request request = row_request(hash, mode);
    request.no_wait = no_wait;
    const struct call call = {.alloc = &alloc_system};
    return lock_table_acquire(owner, &request, &call);
}

static void must_acquire(struct lock_owner *owner, uint64_t hash, uint8_t mode)
{
    CHECK(acquire(owner, hash, mode, true) == TDBPLUS_OK);
}

static bool release(struct lock_owner *owner, uint64_t hash, uint8_t mode)
{
    struct lock_request request = row_request(hash, mode);
    return lock_table_release(owner, &request);
}

/* How many requests wait in the table. */
static uint32_t count_waiting(struct lock_table *table)
{
    struct list infos;
    list_init(&infos, &alloc_system, sizeof(struct lock_info));
    CHECK(lock_table_list(table, &infos, NULL) == TDBPLUS_OK);
    uint32_t count = 0;
    for (size_t i = 0; i < infos.count; i++) {
        const struct lock_info *info = list_at(&infos, i);
        CHECK(info->is_granted == (info->waiting_since_us == 0));
        count += info->is_granted ? 0 : 1;
    }
    list_deinit(&infos);
    return count;
}

static void await_waiting(struct lock_table *table, uint32_t count)
{
    uint64_t deadline_us = env_clock_mono_us(env_real()) + PATIENCE_US;
    while (count_waiting(table) != count) {
        CHECK(env_clock_mono_us(env_real()) < deadline_us);
        env_sleep_us(env_real(), 200);
    }
}

/* ---- modes ---- */

TEST(modes_conflict_as_postgresql_documents)
{
    // PostgreSQL 15, section 13.3.1: a # where the row's mode conflicts with the column's.
    static const char *const tables[8] = {
        ".......#", // ACCESS SHARE
        "......##", // ROW SHARE
        "....####", // ROW EXCLUSIVE
        "...#####", // SHARE UPDATE EXCLUSIVE
        "..##.###", // SHARE
        "..######", // SHARE ROW EXCLUSIVE
        ".#######", // EXCLUSIVE
        "########", // ACCESS EXCLUSIVE
    };
    // Section 13.3.2.
    static const char *const rows[4] = {
        "...#", // FOR KEY SHARE
        "..##", // FOR SHARE
        ".###", // FOR NO KEY UPDATE
        "####", // FOR UPDATE
    };
    for (uint8_t left = 0; left < 8; left++) {
        for (uint8_t right = 0; right < 8; right++) {
            CHECK(lock_mode_conflicts(left + 1, right + 1) == (tables[left][right] == '#'));
        }
        CHECK(!lock_mode_is_row(left + 1));
    }
    for (uint8_t left = 0; left < 4; left++) {
        for (uint8_t right = 0; right < 4; right++) {
            CHECK(lock_mode_conflicts(left + 9, right + 9) == (rows[left][right] == '#'));
        }
        CHECK(lock_mode_is_row(left + 9));
    }
    CHECK(lock_mode_covers(LOCK_ROW_UPDATE, LOCK_ROW_KEY_SHARE));
    CHECK(lock_mode_covers(LOCK_ROW_UPDATE, LOCK_ROW_UPDATE));
    CHECK(!lock_mode_covers(LOCK_ROW_FOR_SHARE, LOCK_ROW_NO_KEY_UPDATE));
    CHECK(!lock_mode_covers(LOCK_SHARE, LOCK_ROW_EXCLUSIVE));
    CHECK(!lock_mode_covers(LOCK_ROW_EXCLUSIVE, LOCK_SHARE));
    CHECK(strcmp(lock_mode_name(LOCK_SHARE), "ShareLock") == 0);
    CHECK(strcmp(lock_mode_name(200), "none") == 0);
}

TEST(every_pair_of_modes_is_granted_or_refused_by_the_matrix)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct lock_owner owners[2];
    lock_owner_init(&owners[0], table, 1);
    lock_owner_init(&owners[1], table, 2);
    const uint8_t mode_count = LOCK_MODE_COUNT;
    for (uint8_t held = 1; held < mode_count; held++) {
        for (uint8_t wanted = 1; wanted < mode_count; wanted++) {
            must_acquire(&owners[0], 5, held);
            tdbplus_status status = acquire(&owners[1], 5, wanted, true);
            bool same_kind = lock_mode_is_row(held) == lock_mode_is_row(wanted);
            bool conflicts = same_kind && lock_mode_conflicts(held, wanted);
            CHECK(status == (conflicts ? TDBPLUS_E_LOCK : TDBPLUS_OK));
            lock_owner_release_all(&owners[0]);
            lock_owner_release_all(&owners[1]);
            CHECK(lock_table_count(table) == 0);
        }
    }
    lock_owner_deinit(&owners[0]);
    lock_owner_deinit(&owners[1]);
    lock_table_destroy(table);
}

/* ---- against a list ---- */

#define MODEL_OWNERS 6u
#define MODEL_LOCKS  5u
#define MODEL_MAX    4096u

struct grant {
    uint32_t owner;
    uint64_t hash;
    uint8_t mode;
    uint32_t count;
};

/* Grants in the order they were made. */
struct model {
    struct grant grants[MODEL_MAX];
    uint32_t count;
};

static struct grant *model_cover(struct model *model, uint32_t owner, uint64_t hash, uint8_t mode)
{
    struct grant *found = NULL;
    for (uint32_t i = 0; i < model->count; i++) {
        struct grant *grant = &model->grants[i];
        if (grant->owner == owner && grant->hash == hash &&
            lock_mode_is_row(grant->mode) == lock_mode_is_row(mode) &&
            lock_mode_covers(grant->mode, mode) && found == NULL) {
            found = grant;
        }
    }
    return found;
}

static bool model_acquire(struct model *model, uint32_t owner, uint64_t hash, uint8_t mode)
{
    struct grant *cover = model_cover(model, owner, hash, mode);
    if (cover != NULL) {
        cover->count++;
        return true;
    }
    for (uint32_t i = 0; i < model->count; i++) {
        const struct grant *grant = &model->grants[i];
        if (grant->owner != owner && grant->hash == hash &&
            lock_mode_is_row(grant->mode) == lock_mode_is_row(mode) &&
            lock_mode_conflicts(grant->mode, mode)) {
            return false;
        }
    }
    CHECK(model->count < MODEL_MAX);
    model->grants[model->count++] = (struct grant){owner, hash, mode, 1};
    return true;
}

static void model_remove(struct model *model, uint32_t at)
{
    for (; at + 1 < model->count; at++) {
        model->grants[at] = model->grants[at + 1];
    }
    model->count--;
}

/* Keeps the owner's first `keep` grants. */
static void model_release_to(struct model *model, uint32_t owner, uint32_t keep)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < model->count;) {
        if (model->grants[i].owner == owner && seen++ >= keep) {
            model_remove(model, i);
        } else {
            i++;
        }
    }
}

static uint32_t model_holds_of(const struct model *model, uint32_t owner)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        count += model->grants[i].owner == owner ? 1 : 0;
    }
    return count;
}

static void check_row_free(struct lock_table *table, const struct model *model,
                           struct lock_owner *owners)
{
    uint32_t asker = (uint32_t)draw(MODEL_OWNERS + 1);
    uint64_t hash = draw(MODEL_LOCKS);
    bool is_free = true;
    for (uint32_t i = 0; i < model->count; i++) {
        const struct grant *grant = &model->grants[i];
        if (grant->hash == hash && lock_mode_is_row(grant->mode) && grant->owner != asker) {
            is_free = false;
        }
    }
    CHECK(lock_table_row_free(table, 7, hash, asker < MODEL_OWNERS ? &owners[asker] : NULL) ==
          is_free);
}

static void check_list(struct lock_table *table, const struct model *model)
{
    struct list infos;
    list_init(&infos, &alloc_system, sizeof(struct lock_info));
    CHECK(lock_table_list(table, &infos, NULL) == TDBPLUS_OK);
    CHECK(infos.count == model->count);
    for (size_t i = 0; i < infos.count; i++) {
        const struct lock_info *info = list_at(&infos, i);
        uint32_t found = 0;
        for (uint32_t k = 0; k < model->count; k++) {
            const struct grant *grant = &model->grants[k];
            found += grant->owner + 100 == info->owner_id && grant->hash == info->hash &&
                     grant->mode == info->mode;
        }
        CHECK(found == 1 && info->table == 7);
    }
    list_deinit(&infos);
}

/* The table and the list, side by side. */
struct pair {
    struct lock_table *table;
    struct lock_owner owners[MODEL_OWNERS];
    uint64_t marks[MODEL_OWNERS];
    uint32_t kept[MODEL_OWNERS]; /* Grants at the mark. */
    struct model model;
};

/* The naive mark counts grants; it no longer holds when one of them is gone. */
static void forget_mark(struct pair *pair, uint32_t owner)
{
    pair->marks[owner] = 0;
    pair->kept[owner] = 0;
}

static void do_both(struct pair *pair, uint32_t owner, uint64_t hash, uint8_t mode)
{
    struct model *model = &pair->model;
    struct lock_owner *real = &pair->owners[owner];
    struct lock_request request = row_request(hash, mode);
    struct grant *cover = model_cover(model, owner, hash, mode);
    switch (draw(12)) {
    case 0:
        CHECK(release(real, hash, mode) == (cover != NULL));
        if (cover != NULL && --cover->count == 0) {
            model_remove(model, (uint32_t)(cover - model->grants));
            forget_mark(pair, owner);
        }
        break;
    case 1:
        pair->marks[owner] = lock_owner_mark(real);
        pair->kept[owner] = model_holds_of(model, owner);
        break;
    case 2:
        lock_owner_release_to(real, pair->marks[owner]);
        model_release_to(model, owner, pair->kept[owner]);
        break;
    case 3:
        if (draw(4) == 0) {
            lock_owner_release_all(real);
            model_release_to(model, owner, 0);
            forget_mark(pair, owner);
        }
        break;
    case 4:
        CHECK(lock_table_holds(real, &request) == (cover != NULL));
        break;
    default:
        CHECK((acquire(real, hash, mode, true) == TDBPLUS_OK) ==
              model_acquire(model, owner, hash, mode));
    }
}

TEST(grants_are_those_of_a_naive_list)
{
    static struct pair pair;
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    pair.table = make_table(&fault.alloc, 0);
    for (uint32_t i = 0; i < MODEL_OWNERS; i++) {
        lock_owner_init(&pair.owners[i], pair.table, i + 100);
    }
    for (uint32_t step = 0; step < 60000; step++) {
        do_both(&pair, (uint32_t)draw(MODEL_OWNERS), draw(MODEL_LOCKS),
                (uint8_t)(1 + draw(LOCK_MODE_COUNT - 1)));
        check_row_free(pair.table, &pair.model, pair.owners);
        if (step % 64 == 0) {
            check_list(pair.table, &pair.model);
        }
    }
    for (uint32_t i = 0; i < MODEL_OWNERS; i++) {
        lock_owner_release_all(&pair.owners[i]);
        lock_owner_deinit(&pair.owners[i]);
    }
    CHECK(lock_table_count(pair.table) == 0);
    CHECK(lock_table_size_bytes(pair.table) == fault.live_bytes);
    lock_table_destroy(pair.table);
    CHECK(fault.live_bytes == 0);
}

TEST(many_locks_are_given_back)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct lock_table *table = make_table(&fault.alloc, 0);
    struct lock_owner owner;
    lock_owner_init(&owner, table, 1);
    size_t empty = lock_table_size_bytes(table);
    CHECK(empty < 64u << 10);
    for (uint64_t hash = 0; hash < 50000; hash++) {
        must_acquire(&owner, hash_u64(hash), LOCK_ROW_UPDATE);
    }
    CHECK(lock_table_count(table) == 50000);
    CHECK(lock_table_size_bytes(table) == fault.live_bytes);
    uint64_t mark = lock_owner_mark(&owner);
    must_acquire(&owner, 1, LOCK_ROW_UPDATE);
    lock_owner_release_to(&owner, mark);
    CHECK(lock_table_count(table) == 50000);
    lock_owner_release_all(&owner);
    CHECK(lock_table_count(table) == 0);
    CHECK(lock_table_size_bytes(table) < 50000 * 16 + (1u << 20)); // The buckets stay.
    lock_owner_deinit(&owner);
    lock_table_destroy(table);
    CHECK(fault.live_bytes == 0);
}

TEST(every_failed_allocation_is_an_ordinary_error)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        const struct lock_table_options options = {.env = env_real(), .alloc = &fault.alloc};
        struct lock_table *table = NULL;
        tdbplus_status status = lock_table_create(&options, &table, NULL);
        if (status == TDBPLUS_OK) {
            struct lock_owner owner;
            lock_owner_init(&owner, table, 1);
            for (uint64_t hash = 0; hash < 3000 && status == TDBPLUS_OK; hash++) {
                status = acquire(&owner, hash_u64(hash), LOCK_ROW_UPDATE, true);
                CHECK(lock_table_count(table) == hash + (status == TDBPLUS_OK ? 1 : 0));
            }
            lock_owner_release_all(&owner);
            CHECK(lock_table_count(table) == 0);
            lock_owner_deinit(&owner);
        }
        bool refused = fault.calls > fail_at;
        lock_table_destroy(table);
        CHECK(fault.live_bytes == 0);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        if (!refused) {
            break; // Growing the buckets may fail without anybody noticing.
        }
    }
    CHECK(fail_at > 65);
}

/* ---- actors: owners on threads of their own ---- */

struct actor {
    struct lock_owner owner;
    struct lock_request request;
    struct err err;
    uint64_t deadline_us;
    pthread_t thread;
    _Atomic uint32_t *turns; /* Counts grants; this actor's number goes to `turn`. */
    uint32_t turn;
    tdbplus_status status;
    _Atomic bool cancel;
    bool releases;
};

static void *act(void *arg)
{
    struct actor *actor = arg;
    const struct call call = {
        .alloc = &alloc_system,
        .err = &actor->err,
        .cancel = &actor->cancel,
        .deadline_us = actor->deadline_us,
    };
    actor->status = lock_table_acquire(&actor->owner, &actor->request, &call);
    if (actor->turns != NULL) {
        actor->turn = atomic_fetch_add(actor->turns, 1);
    }
    if (actor->releases || actor->status != TDBPLUS_OK) {
        lock_owner_release_all(&actor->owner);
    }
    return NULL;
}

static void start(struct actor *actor, uint64_t hash, uint8_t mode)
{
    actor->request.table = 7;
    actor->request.hash = hash;
    actor->request.mode = mode;
    CHECK(pthread_create(&actor->thread, NULL, act, actor) == 0);
}

static tdbplus_status finish(struct actor *actor)
{
    CHECK(pthread_join(actor->thread, NULL) == 0);
    return actor->status;
}

static void init_actors(struct actor *actors, uint32_t count, struct lock_table *table)
{
    for (uint32_t i = 0; i < count; i++) {
        actors[i] = (struct actor){0};
        lock_owner_init(&actors[i].owner, table, i + 1);
    }
}

static void deinit_actors(struct actor *actors, uint32_t count, struct lock_table *table)
{
    for (uint32_t i = 0; i < count; i++) {
        lock_owner_release_all(&actors[i].owner);
        lock_owner_deinit(&actors[i].owner);
    }
    CHECK(lock_table_count(table) == 0);
    lock_table_destroy(table);
}

TEST(waiters_are_served_in_order)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct actor actors[6];
    init_actors(actors, 6, table);
    _Atomic uint32_t turns = 0;
    must_acquire(&actors[0].owner, 5, LOCK_ROW_UPDATE);
    for (uint32_t i = 1; i < 6; i++) {
        actors[i].turns = &turns;
        actors[i].releases = true;
        start(&actors[i], 5, LOCK_ROW_UPDATE);
        await_waiting(table, i);
    }
    lock_owner_release_all(&actors[0].owner);
    for (uint32_t i = 1; i < 6; i++) {
        CHECK(finish(&actors[i]) == TDBPLUS_OK);
        CHECK(actors[i].turn == i - 1);
    }
    deinit_actors(actors, 6, table);
}

TEST(a_reader_does_not_pass_a_waiting_writer)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct actor actors[5];
    init_actors(actors, 5, table);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_FOR_SHARE);
    start(&actors[1], 5, LOCK_ROW_UPDATE);
    await_waiting(table, 1);
    CHECK(acquire(&actors[2].owner, 5, LOCK_ROW_FOR_SHARE, true) == TDBPLUS_E_LOCK);
    CHECK(acquire(&actors[0].owner, 5, LOCK_ROW_KEY_SHARE, true) == TDBPLUS_OK); // Has it already.
    start(&actors[2], 5, LOCK_ROW_FOR_SHARE);
    await_waiting(table, 2);
    start(&actors[3], 5, LOCK_ROW_KEY_SHARE);
    await_waiting(table, 3);
    CHECK(!lock_table_row_free(table, 7, 5, &actors[0].owner));
    lock_owner_release_all(&actors[0].owner);
    CHECK(finish(&actors[1]) == TDBPLUS_OK);
    CHECK(count_waiting(table) == 2);
    lock_owner_release_all(&actors[1].owner);
    CHECK(finish(&actors[2]) == TDBPLUS_OK); // Both readers at once.
    CHECK(finish(&actors[3]) == TDBPLUS_OK);
    deinit_actors(actors, 5, table);
}

TEST(an_upgrade_goes_before_those_it_blocks)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct actor actors[3];
    init_actors(actors, 3, table);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_FOR_SHARE);
    start(&actors[1], 5, LOCK_ROW_UPDATE);
    await_waiting(table, 1);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_UPDATE); // Alone, so at once.
    lock_owner_release_all(&actors[0].owner);
    CHECK(finish(&actors[1]) == TDBPLUS_OK);
    lock_owner_release_all(&actors[1].owner);

    // With another reader it waits, but in front of the writer.
    must_acquire(&actors[0].owner, 5, LOCK_ROW_FOR_SHARE);
    must_acquire(&actors[1].owner, 5, LOCK_ROW_FOR_SHARE);
    start(&actors[2], 5, LOCK_ROW_UPDATE);
    await_waiting(table, 1);
    start(&actors[0], 5, LOCK_ROW_UPDATE);
    await_waiting(table, 2);
    lock_owner_release_all(&actors[1].owner);
    CHECK(finish(&actors[0]) == TDBPLUS_OK);
    CHECK(count_waiting(table) == 1);
    lock_owner_release_all(&actors[0].owner);
    CHECK(finish(&actors[2]) == TDBPLUS_OK);
    deinit_actors(actors, 3, table);
}

TEST(a_savepoint_takes_an_upgrade_back)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct actor actors[2];
    init_actors(actors, 2, table);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_FOR_SHARE);
    uint64_t mark = lock_owner_mark(&actors[0].owner);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_UPDATE);
    must_acquire(&actors[0].owner, 6, LOCK_ROW_UPDATE);
    CHECK(acquire(&actors[1].owner, 5, LOCK_ROW_FOR_SHARE, true) == TDBPLUS_E_LOCK);
    start(&actors[1], 5, LOCK_ROW_FOR_SHARE);
    await_waiting(table, 1);
    lock_owner_release_to(&actors[0].owner, mark);
    CHECK(finish(&actors[1]) == TDBPLUS_OK);
    CHECK(acquire(&actors[1].owner, 6, LOCK_ROW_UPDATE, true) == TDBPLUS_OK);
    CHECK(acquire(&actors[1].owner, 5, LOCK_ROW_UPDATE, true) == TDBPLUS_E_LOCK);
    deinit_actors(actors, 2, table);
}

/* ---- giving up ---- */

TEST(a_wait_ends_by_timeout_deadline_and_cancel)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct actor actors[5];
    init_actors(actors, 5, table);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_UPDATE);
    uint64_t begin_us = env_clock_mono_us(env_real());
    actors[1].request.timeout_us = 30000;
    start(&actors[1], 5, LOCK_ROW_UPDATE);
    actors[2].deadline_us = begin_us + 40000;
    start(&actors[2], 5, LOCK_ROW_UPDATE);
    start(&actors[3], 5, LOCK_ROW_UPDATE);
    start(&actors[4], 5, LOCK_ROW_FOR_SHARE);
    CHECK(finish(&actors[1]) == TDBPLUS_E_LOCK);
    CHECK(strcmp(actors[1].err.sqlstate, "55P03") == 0);
    CHECK(env_clock_mono_us(env_real()) >= begin_us + 30000);
    CHECK(finish(&actors[2]) == TDBPLUS_E_TIMEOUT);
    await_waiting(table, 2);
    atomic_store(&actors[3].cancel, true);
    lock_table_cancel(&actors[3].owner);
    CHECK(finish(&actors[3]) == TDBPLUS_E_CANCELLED);
    lock_owner_release_all(&actors[0].owner);
    CHECK(finish(&actors[4]) == TDBPLUS_OK);
    deinit_actors(actors, 5, table);
}

TEST(a_cancelled_call_does_not_begin_to_wait)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct actor actors[2];
    init_actors(actors, 2, table);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_UPDATE);
    atomic_store(&actors[1].cancel, true);
    start(&actors[1], 5, LOCK_ROW_UPDATE);
    CHECK(finish(&actors[1]) == TDBPLUS_E_CANCELLED);
    deinit_actors(actors, 2, table);
}

TEST(who_gives_up_lets_those_behind_pass)
{
    struct lock_table *table = make_table(&alloc_system, 0);
    struct actor actors[3];
    init_actors(actors, 3, table);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_FOR_SHARE);
    start(&actors[1], 5, LOCK_ROW_UPDATE);
    await_waiting(table, 1);
    start(&actors[2], 5, LOCK_ROW_FOR_SHARE); // Only behind the writer.
    await_waiting(table, 2);
    atomic_store(&actors[1].cancel, true);
    lock_table_cancel(&actors[1].owner);
    CHECK(finish(&actors[1]) == TDBPLUS_E_CANCELLED);
    CHECK(finish(&actors[2]) == TDBPLUS_OK);
    deinit_actors(actors, 3, table);
}

/* ---- circles ---- */

static void check_ring(uint32_t count)
{
    struct lock_table *table = make_table(&alloc_system, SEARCH_US);
    struct actor actors[5];
    init_actors(actors, count, table);
    for (uint32_t i = 0; i < count; i++) {
        must_acquire(&actors[i].owner, i, LOCK_ROW_UPDATE);
    }
    for (uint32_t i = 0; i < count; i++) {
        actors[i].releases = true;
        start(&actors[i], (i + 1) % count, LOCK_ROW_UPDATE);
    }
    uint32_t victims = 0;
    for (uint32_t i = 0; i < count; i++) {
        tdbplus_status status = finish(&actors[i]);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_DEADLOCK);
        if (status == TDBPLUS_E_DEADLOCK) {
            victims++;
            CHECK(strcmp(actors[i].err.sqlstate, "40P01") == 0);
            char party[64];
            (void)snprintf(party, sizeof party, "transaction %u waits for a row for update", i + 1);
            CHECK(strstr(actors[i].err.text, party) != NULL);
            (void)snprintf(party, sizeof party, "blocked by transaction %u", (i + 1) % count + 1);
            CHECK(strstr(actors[i].err.text, party) != NULL);
        }
    }
    CHECK(victims == 1); // One gives up, and the others get through.
    deinit_actors(actors, count, table);
}

TEST(a_circle_of_two_to_five_loses_one_party)
{
    for (uint32_t count = 2; count <= 5; count++) {
        check_ring(count);
    }
}

TEST(two_upgrades_of_one_row_are_a_circle)
{
    struct lock_table *table = make_table(&alloc_system, SEARCH_US);
    struct actor actors[2];
    init_actors(actors, 2, table);
    for (uint32_t i = 0; i < 2; i++) {
        must_acquire(&actors[i].owner, 5, LOCK_ROW_FOR_SHARE);
        actors[i].releases = true;
    }
    start(&actors[0], 5, LOCK_ROW_UPDATE);
    start(&actors[1], 5, LOCK_ROW_UPDATE);
    bool first_lost = finish(&actors[0]) == TDBPLUS_E_DEADLOCK;
    CHECK(finish(&actors[1]) == (first_lost ? TDBPLUS_OK : TDBPLUS_E_DEADLOCK));
    CHECK(actors[0].status == (first_lost ? TDBPLUS_E_DEADLOCK : TDBPLUS_OK));
    deinit_actors(actors, 2, table);
}

TEST(a_chain_of_waiters_is_no_circle)
{
    struct lock_table *table = make_table(&alloc_system, 2000);
    struct actor actors[6];
    init_actors(actors, 6, table);
    for (uint32_t i = 0; i < 6; i++) {
        must_acquire(&actors[i].owner, i, LOCK_ROW_UPDATE);
        actors[i].releases = true;
    }
    for (uint32_t i = 1; i < 6; i++) {
        start(&actors[i], i - 1, LOCK_ROW_UPDATE);
    }
    await_waiting(table, 5);
    env_sleep_us(env_real(), 50000); // Many searches.
    CHECK(count_waiting(table) == 5);
    lock_owner_release_all(&actors[0].owner);
    for (uint32_t i = 1; i < 6; i++) {
        CHECK(finish(&actors[i]) == TDBPLUS_OK);
    }
    deinit_actors(actors, 6, table);
}

TEST(a_circle_through_the_queue_alone_is_broken_without_a_victim)
{
    // 1 holds row 5 for share and waits for row 6, which 3 holds. 2 waits to update row 5. 3 wants
    // to share row 5 and only queues behind 2: nobody has to lose.
    struct lock_table *table = make_table(&alloc_system, SEARCH_US);
    struct actor actors[3];
    init_actors(actors, 3, table);
    must_acquire(&actors[0].owner, 5, LOCK_ROW_FOR_SHARE);
    must_acquire(&actors[2].owner, 6, LOCK_ROW_UPDATE);
    actors[0].releases = true;
    actors[1].releases = true;
    actors[2].releases = true;
    start(&actors[1], 5, LOCK_ROW_UPDATE);
    await_waiting(table, 1);
    start(&actors[0], 6, LOCK_ROW_UPDATE);
    await_waiting(table, 2);
    start(&actors[2], 5, LOCK_ROW_FOR_SHARE);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(finish(&actors[i]) == TDBPLUS_OK);
    }
    deinit_actors(actors, 3, table);
}

TEST(rows_and_tables_make_circles_together)
{
    struct lock_table *table = make_table(&alloc_system, SEARCH_US);
    struct actor actors[2];
    init_actors(actors, 2, table);
    must_acquire(&actors[0].owner, 0, LOCK_ROW_EXCLUSIVE);
    must_acquire(&actors[1].owner, 5, LOCK_ROW_UPDATE);
    actors[0].releases = true;
    actors[1].releases = true;
    start(&actors[0], 5, LOCK_ROW_UPDATE);
    start(&actors[1], 0, LOCK_SHARE);
    bool first_lost = finish(&actors[0]) == TDBPLUS_E_DEADLOCK;
    bool second_lost = finish(&actors[1]) == TDBPLUS_E_DEADLOCK;
    CHECK(first_lost != second_lost);
    deinit_actors(actors, 2, table);
}

/* ---- a crowd ---- */

#define CROWD_THREADS 8u
#define CROWD_ROWS    6u
#define CROWD_ROUNDS  250u

struct crowd {
    struct lock_table *table;
    _Atomic uint32_t readers[CROWD_ROWS];
    _Atomic uint32_t writers[CROWD_ROWS];
    _Atomic uint64_t ids;
    _Atomic uint64_t deadlocks;
    _Atomic uint64_t done;
    uint64_t plain[CROWD_ROWS]; /* Only touched under the row's lock: for ThreadSanitizer. */
};

/* Looks around while the row is locked: nobody in a conflicting mode may be here. */
static void visit(struct crowd *crowd, uint64_t row, bool writes)
{
    if (writes) {
        CHECK(atomic_fetch_add(&crowd->writers[row], 1) == 0);
        CHECK(atomic_load(&crowd->readers[row]) == 0);
        crowd->plain[row]++;
        env_yield(env_real());
        CHECK(atomic_load(&crowd->readers[row]) == 0);
        CHECK(atomic_fetch_sub(&crowd->writers[row], 1) == 1);
    } else {
        atomic_fetch_add(&crowd->readers[row], 1);
        CHECK(atomic_load(&crowd->writers[row]) == 0);
        (void)*(volatile uint64_t *)&crowd->plain[row];
        env_yield(env_real());
        CHECK(atomic_load(&crowd->writers[row]) == 0);
        atomic_fetch_sub(&crowd->readers[row], 1);
    }
}

static void *join_crowd(void *arg)
{
    struct crowd *crowd = arg;
    struct lock_owner owner;
    uint64_t id = atomic_fetch_add(&crowd->ids, 1) + 1;
    uint64_t state = id << 32;
    lock_owner_init(&owner, crowd->table, id);
    for (uint32_t round = 0; round < CROWD_ROUNDS; round++) {
        uint64_t count = 1 + hash_u64(state++) % 3;
        tdbplus_status status = TDBPLUS_OK;
        for (uint64_t i = 0; i < count && status == TDBPLUS_OK; i++) {
            uint64_t row = hash_u64(state++) % CROWD_ROWS;
            bool writes = hash_u64(state++) % 2 == 0;
            status = acquire(&owner, row, writes ? LOCK_ROW_UPDATE : LOCK_ROW_FOR_SHARE, false);
            CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_DEADLOCK);
            if (status == TDBPLUS_OK) {
                visit(crowd, row, writes);
            }
        }
        atomic_fetch_add(status == TDBPLUS_OK ? &crowd->done : &crowd->deadlocks, 1);
        lock_owner_release_all(&owner);
    }
    lock_owner_deinit(&owner);
    return NULL;
}

TEST(a_crowd_never_meets_in_conflicting_modes)
{
    static struct crowd crowd;
    crowd.table = make_table(&alloc_system, 1000);
    pthread_t threads[CROWD_THREADS];
    for (uint32_t i = 0; i < CROWD_THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, join_crowd, &crowd) == 0);
    }
    for (uint32_t i = 0; i < CROWD_THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(crowd.done + crowd.deadlocks == CROWD_THREADS * CROWD_ROUNDS);
    CHECK(crowd.done > CROWD_THREADS * CROWD_ROUNDS / 4);
    CHECK(lock_table_count(crowd.table) == 0);
    lock_table_destroy(crowd.table);
}
