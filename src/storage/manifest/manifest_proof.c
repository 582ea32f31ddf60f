/*
 * The proof: a small file beside the manifest that says up to where it was written when it was last
 * closed. The seal says the same inside the file, but damage to it and to the edit before it would
 * look like a torn edit; with the proof elsewhere, damage in two files is needed (M4).
 *
 * What it says stays true while the file grows. A proof that is missing or damaged proves nothing.
 */

#include <string.h>

#include "storage/manifest/manifest_internal.h"

#define PROOF_NAME "manifest-proof"
#define PROOF_SIZE 40u

static const uint8_t proof_magic[8] = {'T', 'D', 'B', '+', 'M', 'P', 'R', '\n'};

void manifest_proof_note(const struct manifest *manifest, uint64_t end)
{
    uint8_t bytes[PROOF_SIZE];
    char path[ENV_PATH_SIZE_MAX];
    memcpy(bytes, proof_magic, sizeof proof_magic);
    store_u32(bytes + 12, MANIFEST_FORMAT_VERSION);
    store_u64(bytes + 16, manifest->number);
    store_u64(bytes + 24, manifest->key);
    store_u64(bytes + 32, end);
    store_u32(bytes + 8, crc32c((struct span){bytes + 12, PROOF_SIZE - 12}));
    // A failure is nobody's: the manifest is whole without a proof.
    if (env_join(path, manifest->directory, PROOF_NAME, NULL) == TDBPLUS_OK) {
        (void)!env_write_file(manifest->env, path, (struct span){bytes, sizeof bytes}, NULL);
    }
}

tdbplus_status manifest_proof_sweep(const struct manifest *manifest, struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    struct err reason = {0};
    TRY(env_join(path, manifest->directory, PROOF_NAME ENV_TEMPORARY_SUFFIX, err));
    tdbplus_status status = env_unlink(manifest->env, path, &reason);
    return status == TDBPLUS_OK || status == TDBPLUS_E_NOT_FOUND
               ? TDBPLUS_OK
               : err_set(err, status, "%s", reason.text);
}

/* `bytes` gets the proof; *found_out tells whether there is one that holds. */
static tdbplus_status read_proof(const struct manifest *manifest, uint8_t bytes[PROOF_SIZE],
                                 bool *found_out, struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    struct err reason = {0};
    uint64_t size = 0;
    *found_out = false;
    TRY(env_join(path, manifest->directory, PROOF_NAME, err));
    tdbplus_status status = env_open(manifest->env, path, ENV_OPEN_READ, &file, &reason);
    if (status == TDBPLUS_E_NOT_FOUND) {
        return TDBPLUS_OK;
    }
    if (status == TDBPLUS_OK) {
        status = env_size(manifest->env, file, &size, &reason);
    }
    if (status == TDBPLUS_OK && size == PROOF_SIZE) {
        status = env_read(manifest->env, file, 0, bytes, PROOF_SIZE, &reason);
        *found_out = status == TDBPLUS_OK && memcmp(bytes, proof_magic, sizeof proof_magic) == 0 &&
                     load_u32(bytes + 8) == crc32c((struct span){bytes + 12, PROOF_SIZE - 12}) &&
                     load_u32(bytes + 12) == MANIFEST_FORMAT_VERSION;
    }
    env_close(manifest->env, file);
    return status == TDBPLUS_OK ? TDBPLUS_OK : err_set(err, status, "%s", reason.text);
}

tdbplus_status manifest_proof_check(const struct manifest *manifest, uint64_t number, uint64_t key,
                                    uint64_t end, struct err *err)
{
    uint8_t bytes[PROOF_SIZE];
    bool found = false;
    char path[ENV_PATH_SIZE_MAX];
    TRY(read_proof(manifest, bytes, &found, err));
    bool same = found && load_u64(bytes + 16) == number && load_u64(bytes + 24) == key;
    if (!same || end >= load_u64(bytes + 32)) {
        return TDBPLUS_OK;
    }
    TRY(manifest_path(path, manifest->directory, number, false, err));
    tdbplus_status status = err_set(
        err, TDBPLUS_E_CORRUPT,
        "manifest: %s: the record at offset %llu is damaged, but it is proven that everything "
        "below %llu was written",
        path, (unsigned long long)end, (unsigned long long)load_u64(bytes + 32));
    err_hint(err, "restore a backup");
    return status;
}
