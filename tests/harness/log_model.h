#pragma once

/*
 * What a log must hold, kept in the simplest way: an array of what was appended. Shared by the
 * tests of storage/log.
 */

#include "base/codec.h"
#include "base/hash.h"
#include "storage/log/log.h"
#include "test.h"

#define LOG_MODEL_DIRECTORY   "/db"
#define LOG_MODEL_DATABASE    0x1234567890ABCDEFu
#define LOG_MODEL_FILE_SIZE   ((uint64_t)8192)
#define LOG_MODEL_RECORDS_MAX 8192u
#define LOG_MODEL_STREAMS     64u
#define LOG_MODEL_PAYLOAD_MAX (1u << 21)

struct log_model_record {
    uint64_t lsn;
    uint64_t lsn_end;
    uint64_t synced; /* log_synced() when it was appended. */
    uint64_t seed;   /* Of the payload's bytes. */
    uint64_t timestamp;
    uint64_t term;
    uint64_t seq;
    uint32_t stream;
    uint32_t size;
    uint8_t kind;
};

struct log_model {
    struct log_model_record records[LOG_MODEL_RECORDS_MAX];
    size_t count;
    uint64_t seq[LOG_MODEL_STREAMS];
    uint64_t random_state;
    uint8_t payload[LOG_MODEL_PAYLOAD_MAX];

    size_t next; /* Replay: the record that must come next. */
    uint64_t from;
    bool differs;
};

static inline uint64_t log_model_random(struct log_model *model, uint64_t below)
{
    model->random_state += 0x9E3779B97F4A7C15u;
    return hash_u64(model->random_state) % below;
}

static inline void log_model_reset(struct log_model *model, uint64_t seed)
{
    memset(model, 0, offsetof(struct log_model, payload));
    model->random_state = hash_u64(seed);
}

static inline struct span log_model_payload(struct log_model *model, uint64_t seed, size_t size)
{
    CHECK(size <= LOG_MODEL_PAYLOAD_MAX);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = hash_u64(seed + i);
        memcpy(model->payload + i, &word, size - i < 8 ? size - i : 8);
    }
    return (struct span){model->payload, size};
}

/* Small ones mostly, none at all sometimes, and now and then one over several small files. */
static inline size_t log_model_size(struct log_model *model)
{
    uint64_t kind = log_model_random(model, 16);
    uint64_t bound = kind == 0 ? 1 : kind == 1 ? 20000 : kind < 8 ? 64 : 400;
    return log_model_random(model, bound);
}

static inline struct log_options log_model_options(const struct env *env, const struct alloc *alloc)
{
    return (struct log_options){.env = env,
                                .alloc = alloc,
                                .directory = LOG_MODEL_DIRECTORY,
                                .database_id = LOG_MODEL_DATABASE,
                                .file_size = LOG_MODEL_FILE_SIZE};
}

/* The record at `index` as replay must show it. */
static inline bool log_model_same(struct log_model *model, size_t index,
                                  const struct log_record *record)
{
    const struct log_model_record *expected = &model->records[index];
    struct span payload = log_model_payload(model, expected->seed, expected->size);
    return record->lsn == expected->lsn && record->lsn_end == expected->lsn_end &&
           record->stream == expected->stream && record->stream_seq == expected->seq &&
           record->term == expected->term && record->timestamp == expected->timestamp &&
           record->kind == expected->kind && span_compare(record->payload, payload) == 0;
}

static inline void log_model_skip(struct log_model *model)
{
    while (model->next < model->count && (model->records[model->next].kind == LOG_KIND_MARK ||
                                          model->records[model->next].lsn < model->from)) {
        model->next++;
    }
}

/* A log_replay_fn: checks each record against the model. */
static inline tdbplus_status log_model_replay(void *ctx, const struct log_record *record,
                                              struct err *err)
{
    struct log_model *model = ctx;
    (void)err;
    log_model_skip(model);
    model->differs |= model->next == model->count || !log_model_same(model, model->next, record);
    model->next++;
    return TDBPLUS_OK;
}

/* Opens; afterwards `next` says how many records (marks at the end counted or not) came. */
static inline tdbplus_status log_model_try_open(struct log_model *model,
                                                const struct log_options *options, uint64_t from,
                                                struct log **log_out, struct err *err)
{
    model->next = 0;
    model->from = from;
    model->differs = false;
    tdbplus_status status = log_open(options, from, log_model_replay, model, log_out, NULL, err);
    log_model_skip(model);
    CHECK(!model->differs);
    return status;
}

static inline struct log *log_model_open(struct log_model *model, const struct log_options *options,
                                         uint64_t from)
{
    struct log *log = NULL;
    struct err err = {0};
    tdbplus_status status = log_model_try_open(model, options, from, &log, &err);
    if (status != TDBPLUS_OK) {
        printf("log_open: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
    return log;
}

/* Forgets records from `count` on: a crash took them. */
static inline void log_model_cut(struct log_model *model, size_t count)
{
    model->count = count;
    memset(model->seq, 0, sizeof model->seq);
    for (size_t i = 0; i < count; i++) {
        const struct log_model_record *record = &model->records[i];
        if (record->kind != LOG_KIND_MARK) {
            model->seq[record->stream] = record->seq;
        }
    }
}

/* Appends what the caller prepared for, and notes it. */
static inline uint64_t log_model_append_prepared(struct log_model *model, struct log *log,
                                                 uint32_t stream, size_t size, uint64_t term)
{
    uint64_t seed = log_model_random(model, UINT64_MAX);
    struct span payload = log_model_payload(model, seed, size);
    CHECK(model->count < LOG_MODEL_RECORDS_MAX);
    struct log_model_record *record = &model->records[model->count++];
    *record = (struct log_model_record){
        .lsn = log_end(log),
        .synced = log_synced(log),
        .seed = seed,
        .timestamp = log_model_random(model, UINT64_MAX),
        .term = term,
        .seq = ++model->seq[stream],
        .stream = stream,
        .size = (uint32_t)size,
        .kind = size % 3 == 0 ? LOG_KIND_MULTI : LOG_KIND_COMMIT,
    };
    struct log_entry entry = {.stream = stream,
                              .kind = record->kind,
                              .term = term,
                              .timestamp = record->timestamp,
                              .payload = payload,
                              .payload_crc = crc32c(payload)};
    record->lsn_end = log_append(log, &entry);
    CHECK(record->lsn_end == log_end(log));
    return record->lsn_end;
}

static inline uint64_t log_model_append(struct log_model *model, struct log *log, size_t size)
{
    uint64_t term = log_model_random(model, 4) == 0 ? log_model_random(model, UINT64_MAX) : 0;
    uint32_t stream = (uint32_t)log_model_random(model, 7);
    CHECK(log_prepare(log, size, NULL) == TDBPLUS_OK);
    return log_model_append_prepared(model, log, stream, size, term);
}

static inline void log_model_no_lock(void *ctx)
{
    (void)ctx;
}

/* Falls idle; notes the mark if one was written. */
static inline tdbplus_status log_model_mark(struct log_model *model, struct log *log,
                                            struct err *err)
{
    uint64_t before = log_end(log);
    tdbplus_status status = log_mark_idle(log, log_model_no_lock, log_model_no_lock, NULL, err);
    if (log_end(log) > before) {
        CHECK(model->count < LOG_MODEL_RECORDS_MAX);
        model->records[model->count++] = (struct log_model_record){
            .lsn = before, .lsn_end = log_end(log), .synced = before, .kind = LOG_KIND_MARK};
    }
    return status;
}

/* ---- files in memory, from outside ---- */

static inline struct env *log_model_ram(void)
{
    struct env *env = NULL;
    CHECK(env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK);
    CHECK(env_make_directory(env, LOG_MODEL_DIRECTORY, NULL) == TDBPLUS_OK);
    return env;
}

static inline void log_model_path(char path[ENV_PATH_SIZE_MAX], uint64_t number)
{
    (void)snprintf(path, ENV_PATH_SIZE_MAX, "%s/log-%016llx", LOG_MODEL_DIRECTORY,
                   (unsigned long long)number);
}

static inline void log_model_poke(const struct env *env, uint64_t number, uint64_t offset,
                                  const void *data, size_t size)
{
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    log_model_path(path, number);
    CHECK(env_open(env, path, ENV_OPEN_WRITE, &file, NULL) == TDBPLUS_OK);
    CHECK(env_write(env, file, offset, data, size, NULL) == TDBPLUS_OK);
    env_close(env, file);
}

static inline void log_model_peek(const struct env *env, uint64_t number, uint64_t offset,
                                  void *data, size_t size)
{
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    log_model_path(path, number);
    CHECK(env_open(env, path, ENV_OPEN_READ, &file, NULL) == TDBPLUS_OK);
    CHECK(env_read(env, file, offset, data, size, NULL) == TDBPLUS_OK);
    env_close(env, file);
}
