/*
 * Copying a synced range for a backup. The copies keep number, epoch and positions, so every record
 * in them passes its checksum unchanged; only the header's first position may be later.
 */

#include "storage/log/log_internal.h"

#define COPY_SIZE ((size_t)1 << 20)

struct copy {
    struct log *log;
    const char *directory;
    uint64_t from;
    uint64_t to;
    uint8_t *data;
};

static tdbplus_status copy_bytes(const struct copy *copy, const struct log_file *file,
                                 uint64_t first_lsn, struct env_file *target, struct err *err)
{
    const struct env *env = copy->log->env;
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *source = NULL;
    TRY(log_path(path, copy->log->directory, file->number, LOG_NAME_FILE, err));
    TRY(env_open(env, path, ENV_OPEN_READ, &source, err));
    tdbplus_status status = TDBPLUS_OK;
    uint64_t end = copy->to < file->end_lsn ? copy->to : file->end_lsn;
    for (uint64_t lsn = first_lsn; lsn < end;) {
        size_t piece = end - lsn < COPY_SIZE ? (size_t)(end - lsn) : COPY_SIZE;
        TRY_OR(done, env_read(env, source, log_file_offset(file, lsn), copy->data, piece, err));
        uint64_t offset = LOG_FILE_HEADER_SIZE + (lsn - first_lsn);
        TRY_OR(done, env_write(env, target, offset, copy->data, piece, err));
        lsn += piece;
    }

done:
    env_close(env, source);
    return status;
}

static tdbplus_status copy_file(const struct copy *copy, const struct log_file *file,
                                struct err *err)
{
    const struct env *env = copy->log->env;
    bool inside = copy->from > file->first_lsn && copy->from < file->end_lsn;
    struct log_file_header header = {
        .database_id = copy->log->database_id,
        .epoch = file->epoch,
        .number = file->number,
        .first_lsn = inside ? copy->from : file->first_lsn,
        .end_lsn = file->end_lsn,
    };
    char path[ENV_PATH_SIZE_MAX];
    char temporary[ENV_PATH_SIZE_MAX];
    TRY(log_path(path, copy->directory, file->number, LOG_NAME_FILE, err));
    TRY(log_path(temporary, copy->directory, file->number, LOG_NAME_TMP, err));

    tdbplus_status status = TDBPLUS_OK;
    struct env_file *target = NULL;
    uint32_t flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    TRY_OR(done, env_open(env, temporary, flags, &target, err));
    TRY_OR(done, env_truncate(env, target, 0, err));
    log_file_header_encode(copy->data, &header);
    TRY_OR(done, env_write(env, target, 0, copy->data, LOG_FILE_HEADER_SIZE, err));
    TRY_OR(done, copy_bytes(copy, file, header.first_lsn, target, err));
    TRY_OR(done, env_sync(env, target, err));
    TRY_OR(done, env_rename(env, temporary, path, err));

done:
    env_close(env, target);
    if (status != TDBPLUS_OK) {
        log_discard(env, temporary);
    }
    return status;
}

static tdbplus_status copy_files(const struct copy *copy, struct log_file *file, struct err *err)
{
    TRY(log_streams_save(copy->log, copy->directory, copy->from, err));
    TRY(log_proof_save(copy->log, copy->directory, copy->to, err));
    for (; file != NULL; file = atomic_load_explicit(&file->next, memory_order_acquire)) {
        TRY(copy_file(copy, file, err));
        if (copy->to <= file->end_lsn) {
            break;
        }
    }
    return env_sync_directory(copy->log->env, copy->directory, err);
}

/* Pins `from` against log_cut() and finds the file where it lies. */
static tdbplus_status pin_from(struct log *log, struct log_pin *pin, struct log_file **file_out,
                               struct err *err)
{
    mutex_lock(log->env, &log->files_mutex);
    struct log_file *found = NULL;
    for (struct log_file *file = log->first; file != NULL; file = file->next) {
        found = !file->damaged && file->first_lsn <= pin->lsn ? file : found;
    }
    if (found != NULL) {
        latch_lock(&log->state_latch);
        pin->next = log->pins;
        log->pins = pin;
        latch_unlock(&log->state_latch);
        *file_out = found;
    }
    mutex_unlock(log->env, &log->files_mutex);
    return found != NULL ? TDBPLUS_OK
                         : err_set(err, TDBPLUS_E_NOT_FOUND, "log: position %llu was cut off",
                                   (unsigned long long)pin->lsn);
}

static void unpin(struct log *log, const struct log_pin *pin)
{
    latch_lock(&log->state_latch);
    struct log_pin **link = &log->pins;
    while (*link != pin) {
        link = &(*link)->next;
    }
    *link = pin->next;
    latch_unlock(&log->state_latch);
}

tdbplus_status log_copy(struct log *log, uint64_t from, uint64_t to, const char *directory,
                        struct err *err)
{
    if (from > to || to > log_synced(log) || from % LOG_ALIGN != 0 || to % LOG_ALIGN != 0) {
        return err_set(err, TDBPLUS_E_INVALID, "log: cannot copy [%llu, %llu): synced is %llu",
                       (unsigned long long)from, (unsigned long long)to,
                       (unsigned long long)log_synced(log));
    }
    struct copy copy = {.log = log, .directory = directory, .from = from, .to = to};
    struct log_pin pin = {.lsn = from};
    struct log_file *file = NULL;
    TRY(pin_from(log, &pin, &file, err));

    tdbplus_status status = TDBPLUS_OK;
    copy.data = alloc_raw(log->alloc, COPY_SIZE);
    if (copy.data == NULL) {
        status = err_set(err, TDBPLUS_E_NOMEM, "log: a buffer for copying");
        goto done;
    }
    TRY_OR(done, copy_files(&copy, file, err));

done:
    unpin(log, &pin);
    alloc_free(log->alloc, copy.data, COPY_SIZE, 1);
    return status;
}
