/*
 * Damage: bits of the closed database flip. Opening, verifying and reading must then give the right
 * data or TDBPLUS_E_CORRUPT with the name of the file, and nothing else.
 */

#include <stdio.h>
#include <string.h>

#include "tdb_life.h"

#define FILE_COUNT_MAX 256u
#define DAMAGE_COUNT   12u
#define EDIT_SIZE_MAX  1024u /* Of the manifest, with so few objects and segments. */
#define FLIP_COUNT_MAX 3u
#define HEAD_COUNT_MAX 16u /* Of records of the log, the last that were seen in a file. */

struct damage {
    struct life *life;
    char names[FILE_COUNT_MAX][64];
    uint64_t sizes[FILE_COUNT_MAX];
    uint64_t used[FILE_COUNT_MAX]; /* Behind it are only zeros. */
    uint64_t heads[FILE_COUNT_MAX][HEAD_COUNT_MAX];
    uint32_t head_counts[FILE_COUNT_MAX];
    uint32_t file_count;
    uint32_t struck; /* The file that is damaged. */
    uint64_t last;   /* The last byte that is damaged. */
    bool whole;      /* It is opened for writing. */
};

static tdbplus_status note_file(void *ctx, const char *name, bool is_directory)
{
    struct damage *damage = ctx;
    if (!is_directory && damage->file_count < FILE_COUNT_MAX && strlen(name) < 64) {
        memcpy(damage->names[damage->file_count++], name, strlen(name) + 1);
    }
    return TDBPLUS_OK;
}

static void make_path(const struct damage *damage, uint32_t file, char path[128])
{
    (void)snprintf(path, 128, "db/%s", damage->names[file]);
}

/* Notes what looks like the head of a commit's record: few bytes that much hangs on. */
static void note_heads(struct damage *damage, uint32_t number, uint64_t at, const uint8_t *bytes,
                       size_t size)
{
    for (size_t i = 0; i + 24 <= size; i += 8) {
        const uint8_t *head = bytes + i;
        bool small = head[10] == 0 && head[11] == 0 && (head[8] != 0 || head[9] != 0);
        if (small && head[12] >= 1 && head[12] <= 2 && head[13] <= 3 && head[14] == 0 &&
            head[15] == 0) {
            damage->heads[number][damage->head_counts[number]++ % HEAD_COUNT_MAX] = at + i;
        }
    }
}

/* Logs and manifests are made larger than what is in them. */
static tdbplus_status measure(struct damage *damage, uint32_t number, struct env_file *file,
                              struct err *err)
{
    const struct env *env = sim_env(damage->life->sim);
    uint8_t bytes[4096];
    TRY(env_size(env, file, &damage->sizes[number], err));
    for (uint64_t at = 0; at < damage->sizes[number]; at += sizeof bytes) {
        uint64_t left = damage->sizes[number] - at;
        size_t size = left < sizeof bytes ? (size_t)left : sizeof bytes;
        TRY(env_read(env, file, at, bytes, size, err));
        if (strncmp(damage->names[number], "log-", 4) == 0) {
            note_heads(damage, number, at, bytes, size);
        }
        for (size_t i = 0; i < size; i++) {
            damage->used[number] = bytes[i] != 0 ? at + i + 1 : damage->used[number];
        }
    }
    return TDBPLUS_OK;
}

static void list_main(void *arg)
{
    struct damage *damage = arg;
    const struct env *env = sim_env(damage->life->sim);
    struct err err = {0};
    if (env_list(env, "db", note_file, damage, &err) != TDBPLUS_OK) {
        life_fail(damage->life, err.text);
    }
    for (uint32_t i = 0; i < damage->file_count; i++) {
        char path[128];
        struct env_file *file = NULL;
        make_path(damage, i, path);
        if (env_open(env, path, ENV_OPEN_READ, &file, &err) != TDBPLUS_OK ||
            measure(damage, i, file, &err) != TDBPLUS_OK) {
            life_fail(damage->life, err.text);
        }
        env_close(env, file);
    }
}

static tdbplus_status look(struct damage *damage, struct store *store, struct state *state,
                           struct call *call)
{
    TRY(store_verify(store, NULL, NULL, call));
    struct txn *txn = NULL;
    TRY(txn_begin(store, NULL, call->alloc, &txn, call->err));
    tdbplus_status status = model_read(damage->life, txn, true, state, call);
    txn_abort(txn);
    return status;
}

/* A record of the log may begin in the file before the one that is damaged; a damaged last edit of
 * the manifest looks torn, and then what it removed is missing. */
static bool names_file(const struct damage *damage, const char *text)
{
    const char *name = damage->names[damage->struck];
    bool manifest = strncmp(name, "manifest-", 9) == 0 &&
                    damage->last + EDIT_SIZE_MAX >= damage->used[damage->struck];
    return strstr(text, strncmp(name, "log-", 4) == 0 ? "/log-" : name) != NULL ||
           (manifest && strstr(text, "missing") != NULL);
}

static void look_main(void *arg)
{
    struct damage *damage = arg;
    struct life *life = damage->life;
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    struct store *store = NULL;
    struct state state;
    tdbplus_status status = life_open(life, "db", !damage->whole, &store, &call);
    if (status == TDBPLUS_OK) {
        status = look(damage, store, &state, &call);
        store_close(store);
        if (status == TDBPLUS_OK) {
            if (!model_is_current(life, &state)) {
                life_fail(life, "damage was not noticed, and the data are wrong");
            }
            return;
        }
    }
    char text[1024];
    if (status != TDBPLUS_E_CORRUPT) {
        (void)snprintf(text, sizeof text, "damage gives status %d: %s", (int)status, err.text);
        life_fail(life, text);
    } else if (!names_file(damage, err.text)) {
        (void)snprintf(text, sizeof text, "the message does not name the file: %s", err.text);
        life_fail(life, text);
    }
    life->totals->damages_found++;
}

/* Anywhere in the file; of the log, every other time in the head of a record. */
static uint64_t choose_offset(const struct damage *damage, uint64_t limit)
{
    struct life *life = damage->life;
    uint32_t count = damage->head_counts[damage->struck];
    if (count == 0 || life_below(life, 2) == 0) {
        return life_below(life, limit);
    }
    count = count < HEAD_COUNT_MAX ? count : HEAD_COUNT_MAX;
    uint64_t head = damage->heads[damage->struck][life_below(life, count)];
    return head + (life_below(life, 3) == 0 ? 12 : life_below(life, 40)); // 12: what kind it is.
}

static void strike(struct damage *damage)
{
    struct life *life = damage->life;
    char path[128];
    uint64_t offsets[FLIP_COUNT_MAX];
    uint32_t bits[FLIP_COUNT_MAX];
    uint32_t count = 1 + (uint32_t)life_below(life, FLIP_COUNT_MAX);
    make_path(damage, damage->struck, path);
    uint64_t limit =
        life_below(life, 8) == 0 ? damage->sizes[damage->struck] : damage->used[damage->struck];
    for (uint32_t i = 0; i < count; i++) {
        offsets[i] = choose_offset(damage, limit);
        bits[i] = (uint32_t)life_below(life, 8);
        damage->last = i == 0 || offsets[i] > damage->last ? offsets[i] : damage->last;
        (void)sim_file_flip_bit(life->sim, path, offsets[i], bits[i]);
    }
    enum sim_result result = sim_run(life->sim, look_main, damage);
    if (result != SIM_DONE) {
        life_fail(life, sim_report(life->sim));
    }
    if (life->broken[0] != '\0') {
        char text[sizeof life->broken];
        memcpy(text, life->broken, sizeof text);
        (void)snprintf(life->broken, sizeof life->broken, "%.800s (%s, byte %llu, bit %u, of %u)",
                       text, damage->names[damage->struck], (unsigned long long)offsets[0], bits[0],
                       count);
    }
    for (uint32_t i = 0; i < count && !damage->whole; i++) {
        (void)sim_file_flip_bit(life->sim, path, offsets[i], bits[i]); // As it was.
    }
    life->totals->damages++;
    life->totals->value_damages +=
        strncmp(damage->names[damage->struck], "values-", 7) == 0 ? 1 : 0;
}

/* Segments are many; log and manifest shall be struck as often. */
static uint32_t choose_file(const struct damage *damage)
{
    uint32_t file = 0;
    for (uint32_t i = 0; i < 4; i++) {
        file = (uint32_t)life_below(damage->life, damage->file_count);
        const char *name = damage->names[file];
        if (strncmp(name, "log-", 4) == 0 || strncmp(name, "manifest-", 9) == 0) {
            break;
        }
    }
    return file;
}

void damage_run(struct life *life, bool for_good)
{
    struct damage damage = {.life = life};
    life->doing = "damage";
    if (sim_run(life->sim, list_main, &damage) != SIM_DONE) {
        life_fail(life, sim_report(life->sim));
    }
    for (uint32_t i = 0; i < DAMAGE_COUNT && life->broken[0] == '\0'; i++) {
        damage.struck = choose_file(&damage);
        damage.whole = for_good && i + 1 == DAMAGE_COUNT;
        if (damage.used[damage.struck] > 0) {
            strike(&damage);
        }
    }
}

/* ---- a disk that lies ---- */

static void look_after_lie(void *arg)
{
    struct damage *damage = arg;
    struct life *life = damage->life;
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    struct store *store = NULL;
    struct state state;
    uint32_t bounds[WRITER_COUNT];
    tdbplus_status status = life_open(life, "db", life_below(life, 2) == 0, &store, &call);
    if (status == TDBPLUS_OK) {
        status = look(damage, store, &state, &call);
        store_close(store);
    }
    if (status == TDBPLUS_OK) {
        model_bounds(life, false, bounds); // It was closed in good order, so all of it.
        model_check(life, &state, bounds, false);
    } else if (status == TDBPLUS_E_CORRUPT) {
        life->totals->lies_found++;
    } else {
        life_fail(life, err.text);
    }
}

void damage_by_lie(struct life *life, void (*boot)(void *arg))
{
    struct damage damage = {.life = life};
    static const char *const parts[] = {"segment-", "manifest-", "deletes-", "log-", "values-"};
    bool lost = life_below(life, 2) == 0;
    enum sim_fault fault = lost ? SIM_FAULT_LOST_WRITE : SIM_FAULT_MISDIRECTED_WRITE;
    struct sim_fault_rule rule = {.op = SIM_OP_WRITE,
                                  .fault = fault,
                                  .nth = 1 + life_below(life, lost ? 200 : 40),
                                  .path_part = lost ? NULL : parts[life_below(life, 5)]};
    uint64_t hits = sim_fault_hits(life->sim, SIM_OP_WRITE, fault);
    sim_fault_add(life->sim, rule);
    enum sim_result result = sim_run(life->sim, boot, life);
    sim_fault_clear(life->sim);
    if (result != SIM_DONE) {
        life_fail(life, sim_report(life->sim));
    }
    sim_reboot(life->sim);
    if (life->broken[0] != '\0' || sim_fault_hits(life->sim, SIM_OP_WRITE, fault) == hits) {
        return;
    }
    life->totals->lies++;
    life->doing = fault == SIM_FAULT_LOST_WRITE ? "lost write" : "misdirected write";
    if (sim_run(life->sim, look_after_lie, &damage) != SIM_DONE) {
        life_fail(life, sim_report(life->sim));
    }
}
