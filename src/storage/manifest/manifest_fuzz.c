/*
 * Hostile files: opening never reads astray, and a manifest that opened goes on (M1-M4).
 *
 * Input: the file behind its header. Checksums are repaired where a reader would look, except for
 * records that begin with FF. An input that begins with FE brings its own header of 64 bytes.
 */

#include "fuzz.h"
#include "storage/manifest/manifest_internal.h"

#define DIRECTORY "/fuzz"
#define PATH      DIRECTORY "/manifest-0000000000000001"

static const uint8_t magic[8] = {'T', 'D', 'B', '+', 'M', 'A', 'N', '\n'};

static void repair(uint8_t *file, size_t size, bool own_header)
{
    memcpy(file, magic, sizeof magic);
    if (!own_header) {
        store_u32(file + 12, MANIFEST_FORMAT_VERSION);
        store_u64(file + 24, 1);
    }
    store_u32(file + 8, crc32c((struct span){file + 12, MANIFEST_FILE_HEADER_SIZE - 12}));
    uint64_t key = hash_u64(load_u64(file + 16));
    size_t at = MANIFEST_FILE_HEADER_SIZE;
    while (at + MANIFEST_RECORD_HEAD_SIZE <= size) {
        size_t body = load_u32(file + at + 8);
        size_t record = manifest_record_size(body);
        if (record > size - at) {
            break;
        }
        if (file[at] != 0xFF) {
            manifest_record_seal(file + at, load_u32(file + at + 12), body, key, at);
        }
        at += record;
    }
}

static void walk(const struct manifest *manifest, uint64_t *count_out, uint64_t *bytes_out)
{
    *count_out = 0;
    *bytes_out = 0;
    for (uint32_t kind = 0; kind < 256; kind++) {
        uint64_t id = 0;
        struct span value;
        while (manifest_next(manifest, (uint8_t)kind, &id, &value)) {
            struct span got;
            ASSERT(manifest_get(manifest, (uint8_t)kind, id, &got));
            ASSERT(got.data == value.data && got.size == value.size);
            for (size_t i = 0; i < value.size; i++) {
                *bytes_out += value.data[i];
            }
            (*count_out)++;
            if (id++ == UINT64_MAX) {
                break;
            }
        }
    }
}

static void go_on(const struct manifest_options *options, struct manifest *manifest)
{
    uint64_t before[2];
    uint64_t after[2];
    struct manifest_edit edit;
    walk(manifest, &before[0], &before[1]);
    manifest_edit_init(&edit, &alloc_system);
    manifest_edit_put(&edit, 255, UINT64_MAX, (struct span){magic, sizeof magic});
    tdbplus_status status = manifest_commit(manifest, &edit, NULL);
    ASSERT(status == TDBPLUS_OK);
    walk(manifest, &before[0], &before[1]);
    manifest_edit_deinit(&edit);
    manifest_close(manifest);
    manifest = NULL;
    status = manifest_open(options, &manifest, NULL);
    ASSERT(status == TDBPLUS_OK);
    walk(manifest, &after[0], &after[1]);
    ASSERT(before[0] == after[0] && before[1] == after[1]);
    manifest_close(manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool own_header = size > MANIFEST_FILE_HEADER_SIZE && data[0] == 0xFE;
    size_t head = own_header ? 0 : MANIFEST_FILE_HEADER_SIZE;
    struct env *env = NULL;
    struct env_file *file = NULL;
    uint8_t *content = alloc_array(&alloc_system, head + size + 1, 1);
    ASSERT(content != NULL);
    if (size > 0) {
        memcpy(content + head, data, size);
    }
    repair(content, head + size, own_header);

    tdbplus_status status = env_ram_create(&alloc_system, &env, NULL);
    ASSERT(status == TDBPLUS_OK);
    status = env_open(env, PATH, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, NULL);
    ASSERT(status == TDBPLUS_OK);
    status = env_write(env, file, 0, content, head + size, NULL);
    ASSERT(status == TDBPLUS_OK);
    env_close(env, file);

    struct manifest_options options = {.env = env,
                                       .alloc = &alloc_system,
                                       .directory = DIRECTORY,
                                       .rotate_size = 1000,
                                       .read_only = true};
    struct manifest *manifest = NULL;
    tdbplus_status read_only = manifest_open(&options, &manifest, NULL);
    manifest_close(manifest);
    manifest = NULL;
    options.read_only = false;
    status = manifest_open(&options, &manifest, NULL);
    ASSERT(status == read_only);
    ASSERT(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT || status == TDBPLUS_E_VERSION);
    if (status == TDBPLUS_OK) {
        go_on(&options, manifest);
    }
    env_ram_destroy(env);
    alloc_free(&alloc_system, content, head + size + 1, 1);
    return 0;
}
