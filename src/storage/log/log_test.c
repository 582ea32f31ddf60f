/*
 * Goal: what was synced is there after reopening, and nothing else is (L1-L6).
 *
 * Method: a plain array of what was appended is the model. Logs live on files in memory, with
 * small files so that records cross their ends all the time. Damage is put in from outside.
 */

#include "base/budget.h"
#include "storage/log/log_internal.h"

#include "test.h"

#define DIRECTORY   "/db"
#define FILE_SIZE   ((uint64_t)8192)
#define DATABASE_ID 0x1234567890ABCDEFu
#define PAYLOAD_MAX 20000u
#define RECORDS_MAX 4096u

/* ---- a model ---- */

struct written {
    uint64_t lsn_end;
    uint64_t seed;
    uint64_t timestamp;
    uint64_t term;
    uint64_t stream_seq;
    uint32_t stream;
    uint32_t size;
    uint8_t kind;
};

struct model {
    struct written records[RECORDS_MAX];
    size_t count;
    uint64_t seq[64];
    size_t replayed;
    uint64_t from;
    bool exact; /* Replay must give record `replayed` of the model next. */
    bool differs;
};

static struct model model;
static uint8_t payload_bytes[1u << 21];

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state += 0x9E3779B97F4A7C15u;
    return hash_u64(random_state);
}

static void fill_payload(uint8_t *at, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(hash_u64(seed + i / 8) >> (i % 8 * 8));
    }
}

static bool same_record(const struct log_record *record, const struct written *written)
{
    fill_payload(payload_bytes, written->size, written->seed);
    return record->lsn_end == written->lsn_end && record->stream == written->stream &&
           record->stream_seq == written->stream_seq && record->term == written->term &&
           record->timestamp == written->timestamp && record->kind == written->kind &&
           record->payload.size == written->size &&
           (written->size == 0 || memcmp(record->payload.data, payload_bytes, written->size) == 0);
}

static tdbplus_status replay_model(void *ctx, const struct log_record *record, struct err *err)
{
    struct model *m = ctx;
    (void)err;
    while (m->replayed < m->count && m->records[m->replayed].lsn_end <= m->from) {
        m->replayed++;
    }
    if (m->replayed == m->count || !same_record(record, &m->records[m->replayed])) {
        m->differs = true;
        return TDBPLUS_OK;
    }
    m->replayed++;
    return TDBPLUS_OK;
}

static struct log_options options_of(const struct env *env, const struct alloc *alloc)
{
    return (struct log_options){.env = env,
                                .alloc = alloc,
                                .directory = DIRECTORY,
                                .database_id = DATABASE_ID,
                                .file_size = FILE_SIZE};
}

static struct log *open_log(const struct log_options *options, uint64_t from)
{
    struct log *log = NULL;
    struct err err = {0};
    model.replayed = 0;
    model.from = from;
    model.differs = false;
    tdbplus_status status = log_open(options, from, replay_model, &model, &log, NULL, &err);
    if (status != TDBPLUS_OK) {
        printf("open: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
    CHECK(!model.differs);
    return log;
}

static uint64_t append_record(struct log *log, uint32_t stream, size_t size, uint64_t term)
{
    uint64_t seed = random_next();
    fill_payload(payload_bytes, size, seed);
    struct span payload = {payload_bytes, size};
    struct log_entry entry = {.stream = stream,
                              .kind = size % 3 == 0 ? LOG_KIND_MULTI : LOG_KIND_COMMIT,
                              .term = term,
                              .timestamp = model.count + 77,
                              .payload = payload,
                              .payload_crc = crc32c(payload)};
    CHECK(log_prepare(log, size, NULL) == TDBPLUS_OK);
    uint64_t lsn_end = log_append(log, &entry);
    CHECK(model.count < RECORDS_MAX);
    model.records[model.count++] = (struct written){.lsn_end = lsn_end,
                                                    .seed = seed,
                                                    .timestamp = entry.timestamp,
                                                    .term = term,
                                                    .stream_seq = ++model.seq[stream],
                                                    .stream = stream,
                                                    .size = (uint32_t)size,
                                                    .kind = entry.kind};
    return lsn_end;
}

static void model_reset(uint64_t seed)
{
    memset(&model, 0, sizeof model);
    random_state = seed;
}

static struct env *new_ram(void)
{
    struct env *env = NULL;
    CHECK(env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK);
    CHECK(env_make_directory(env, DIRECTORY, NULL) == TDBPLUS_OK);
    return env;
}

static size_t random_size(void)
{
    uint64_t kind = random_next() % 16;
    if (kind == 0) {
        return 0;
    }
    if (kind == 1) {
        return random_next() % PAYLOAD_MAX;
    }
    return random_next() % (kind < 8 ? 64 : 400);
}

TEST(everything_appended_is_replayed_after_close)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        model_reset(seed);
        struct env *env = new_ram();
        struct log_options options = options_of(env, &alloc_system);
        for (int round = 0; round < 6; round++) {
            struct log *log = open_log(&options, 0);
            CHECK(model.replayed == model.count);
            size_t count = random_next() % 60;
            for (size_t i = 0; i < count; i++) {
                uint64_t term = random_next() % 4 == 0 ? random_next() : 0;
                uint64_t lsn =
                    append_record(log, (uint32_t)(random_next() % 5), random_size(), term);
                CHECK(log_end(log) == lsn);
                if (random_next() % 5 == 0) {
                    CHECK(log_sync(log, lsn, NULL) == TDBPLUS_OK);
                    CHECK(log_synced(log) == lsn);
                }
                if (random_next() % 17 == 0) {
                    CHECK(log_write_out(log, NULL) == TDBPLUS_OK);
                }
            }
            log_close(log);
        }
        struct log *log = open_log(&options, 0);
        CHECK(model.replayed == model.count);
        log_close(log);
        env_ram_destroy(env);
    }
}

TEST(replay_starts_where_it_is_told)
{
    model_reset(7);
    struct env *env = new_ram();
    struct log_options options = options_of(env, &alloc_system);
    struct log *log = open_log(&options, 0);
    for (int i = 0; i < 200; i++) {
        (void)append_record(log, 1, random_size(), 0);
    }
    log_close(log);
    options.read_only = true;
    for (size_t i = 0; i < model.count; i += 13) {
        log = open_log(&options, model.records[i].lsn_end);
        CHECK(model.replayed == model.count);
        log_close(log);
    }
    env_ram_destroy(env);
}
