/*
 * The proof: a small file beside the log that says up to where the log was synced when it last fell
 * idle. A mark says the same inside the log, but damage to it and to a record that only it proves
 * would look like a torn tail; with the proof elsewhere, two damages in two files are needed (S2).
 *
 * Two slots of a block each are written in turn, so a torn write leaves the other. A file that is
 * missing or damaged proves nothing, and that is all: it is an addition to the log, not a part.
 */

#include <string.h>

#include "base/buffer.h"
#include "storage/log/log_internal.h"

#define PROOF_SIZE      40u
#define PROOF_SLOT_SIZE 4096u

static const uint8_t proof_magic[8] = {'T', 'D', 'B', '+', 'P', 'R', 'F', '\n'};

struct proof {
    uint64_t sequence;
    uint64_t lsn;
};

static void encode(uint8_t slot[PROOF_SIZE], uint64_t database_id, const struct proof *proof)
{
    memcpy(slot, proof_magic, sizeof proof_magic);
    store_u32(slot + 12, LOG_FORMAT_VERSION);
    store_u64(slot + 16, database_id);
    store_u64(slot + 24, proof->sequence);
    store_u64(slot + 32, proof->lsn);
    store_u32(slot + 8, crc32c((struct span){slot + 12, PROOF_SIZE - 12}));
}

static bool decode(const uint8_t slot[PROOF_SIZE], uint64_t database_id, struct proof *proof_out)
{
    if (memcmp(slot, proof_magic, sizeof proof_magic) != 0 ||
        load_u32(slot + 8) != crc32c((struct span){slot + 12, PROOF_SIZE - 12}) ||
        load_u32(slot + 12) != LOG_FORMAT_VERSION || load_u64(slot + 16) != database_id) {
        return false;
    }
    *proof_out = (struct proof){.sequence = load_u64(slot + 24), .lsn = load_u64(slot + 32)};
    return true;
}

tdbplus_status log_proof_load(struct log *log, struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(env_join(path, log->directory, LOG_PROOF_NAME, err));
    struct env_file *file = NULL;
    struct err reason = {0};
    tdbplus_status status = env_open(log->env, path, ENV_OPEN_READ, &file, &reason);
    if (status == TDBPLUS_E_NOT_FOUND) {
        return TDBPLUS_OK; // It never fell idle.
    }
    uint64_t size = 0;
    if (status == TDBPLUS_OK) {
        status = env_size(log->env, file, &size, &reason);
    }
    for (uint64_t at = 0; status == TDBPLUS_OK && at <= PROOF_SLOT_SIZE; at += PROOF_SLOT_SIZE) {
        uint8_t slot[PROOF_SIZE];
        struct proof proof = {0};
        if (size < at + sizeof slot) {
            break;
        }
        status = env_read(log->env, file, at, slot, sizeof slot, &reason);
        if (status == TDBPLUS_OK && decode(slot, log->database_id, &proof)) {
            log->proof_lsn = proof.lsn > log->proof_lsn ? proof.lsn : log->proof_lsn;
            if (proof.sequence > log->proof_sequence) {
                log->proof_sequence = proof.sequence;
            }
        }
    }
    env_close(log->env, file);
    return status == TDBPLUS_OK ? TDBPLUS_OK : log_pass_error(err, &reason);
}

static tdbplus_status write_slot(const struct log *log, const char *path, const struct proof *proof,
                                 struct err *err)
{
    uint8_t slot[PROOF_SIZE];
    encode(slot, log->database_id, proof);
    struct env_file *file = NULL;
    TRY(env_open(log->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &file, err));
    uint64_t offset = proof->sequence % 2 * PROOF_SLOT_SIZE;
    tdbplus_status status = env_write(log->env, file, offset, slot, sizeof slot, err);
    if (status == TDBPLUS_OK) {
        status = env_sync(log->env, file, err);
    }
    env_close(log->env, file);
    return status;
}

/* The first time the file is made as a whole: a name without its content would be damage. */
static tdbplus_status write_file(const struct log *log, const char *path, const struct proof *proof,
                                 struct err *err)
{
    struct buffer content;
    buffer_init(&content, log->alloc);
    uint8_t *bytes = buffer_extend(&content, 2 * PROOF_SLOT_SIZE);
    tdbplus_status status = TDBPLUS_OK;
    if (bytes == NULL) {
        status = err_set(err, TDBPLUS_E_NOMEM, "log: a block");
    } else {
        memset(bytes, 0, 2 * PROOF_SLOT_SIZE);
        encode(bytes + proof->sequence % 2 * PROOF_SLOT_SIZE, log->database_id, proof);
        status = env_write_file(log->env, path, buffer_span(&content), err);
    }
    buffer_deinit(&content);
    return status;
}

tdbplus_status log_proof_save(const struct log *log, const char *directory, uint64_t lsn,
                              struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(env_join(path, directory, LOG_PROOF_NAME, err));
    struct proof proof = {.sequence = 1, .lsn = lsn};
    return write_file(log, path, &proof, err);
}

/* A failure is nobody's: the log is whole without a proof, and the next idle moment tries again. */
void log_proof_note(struct log *log, uint64_t lsn)
{
    char path[ENV_PATH_SIZE_MAX];
    mutex_lock(log->env, &log->proof_mutex);
    if (lsn > log->proof_lsn &&
        env_join(path, log->directory, LOG_PROOF_NAME, NULL) == TDBPLUS_OK) {
        struct proof proof = {.sequence = log->proof_sequence + 1, .lsn = lsn};
        tdbplus_status status = write_slot(log, path, &proof, NULL);
        if (status == TDBPLUS_E_NOT_FOUND) {
            status = write_file(log, path, &proof, NULL);
        }
        if (status == TDBPLUS_OK) {
            log->proof_lsn = lsn;
            log->proof_sequence = proof.sequence;
        }
    }
    mutex_unlock(log->env, &log->proof_mutex);
}
