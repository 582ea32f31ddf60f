/*
 * Hostile files: opening and salvaging never read astray, and a log that opened goes on (L2-L5).
 *
 * Input: a byte of options (bits 0-1: files less one; bit 2: file headers come from the input; bits
 * 3-7: where replay starts, in steps of 512 bytes), then the bytes behind the file headers.
 * Checksums of heads and payloads are repaired where a reader would look, except for records that
 * begin with FF.
 */

#include "base/assert.h"
#include "fuzz.h"
#include "storage/log/log_internal.h"

#define DIRECTORY   "/fuzz"
#define DATABASE_ID 7u
#define FILE_SIZE   ((uint64_t)8192)
#define CAPACITY    (FILE_SIZE - LOG_FILE_HEADER_SIZE)

struct count {
    uint64_t records;
    uint64_t bytes;
    uint64_t lsn_end;
};

static tdbplus_status count_record(void *ctx, const struct log_record *record, struct err *err)
{
    struct count *count = ctx;
    (void)err;
    ASSERT(record->lsn >= count->lsn_end && record->lsn_end > record->lsn);
    count->lsn_end = record->lsn_end;
    count->records++;
    for (size_t i = 0; i < record->payload.size; i++) {
        count->bytes += record->payload.data[i]; // Every byte is there to be read.
    }
    return TDBPLUS_OK;
}

static void note_damage(void *ctx, const struct log_gap *gap)
{
    (void)ctx;
    ASSERT(gap->lsn < gap->lsn_end && gap->why != NULL);
}

static void repair_records(uint8_t *area, uint64_t size, uint64_t key, uint64_t lsn)
{
    for (uint64_t at = 0; at + LOG_HEADER_SIZE_MAX <= size;) {
        uint8_t *head = area + at;
        uint64_t mask = hash_u64(key + lsn + at);
        size_t head_size = log_header_size(head[13]);
        uint64_t end = at + head_size + load_u32(head + 8);
        if (head[0] != 0xFF) {
            uint64_t payload_end = end < size ? end : size;
            uint32_t crc = crc32c((struct span){head + head_size, payload_end - at - head_size});
            store_u32(head + 4, crc ^ (uint32_t)(mask >> 32));
            crc = crc32c((struct span){head + 4, head_size - 4});
            store_u32(head, crc ^ (uint32_t)mask);
        }
        at = log_align(end);
    }
}

static void write_file(const struct env *env, uint64_t number, bool hostile, struct span area)
{
    uint8_t block[FILE_SIZE] = {0};
    struct log_file_header header = {.database_id = DATABASE_ID,
                                     .epoch = number * 3,
                                     .number = number,
                                     .first_lsn = (number - 1) * CAPACITY,
                                     .end_lsn = number * CAPACITY};
    log_file_header_encode(block, &header);
    if (hostile && area.size >= LOG_FILE_HEADER_BYTES) {
        memcpy(block + 12, area.data + 12, LOG_FILE_HEADER_BYTES - 12);
        store_u32(block + 8, crc32c((struct span){block + 12, LOG_FILE_HEADER_BYTES - 12}));
    }
    size_t size = area.size < CAPACITY ? area.size : CAPACITY;
    if (size > 0) {
        memcpy(block + LOG_FILE_HEADER_SIZE, area.data, size);
    }
    repair_records(block + LOG_FILE_HEADER_SIZE, size, log_key(DATABASE_ID, header.epoch),
                   header.first_lsn);
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    tdbplus_status status = log_path(path, DIRECTORY, number, LOG_NAME_FILE, NULL);
    ASSERT(status == TDBPLUS_OK);
    status = env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, NULL);
    ASSERT(status == TDBPLUS_OK);
    // A shorter area makes a shorter file.
    size_t file_size = area.size < CAPACITY ? LOG_FILE_HEADER_SIZE + area.size : FILE_SIZE;
    status = env_write(env, file, 0, block, file_size, NULL);
    ASSERT(status == TDBPLUS_OK);
    env_close(env, file);
}

static tdbplus_status open_once(const struct log_options *options, uint64_t from,
                                struct count *count, struct log **log_out)
{
    *count = (struct count){.lsn_end = from};
    return log_open(options, from, count_record, count, log_out, NULL, NULL);
}

static void exercise(const struct log_options *options, uint64_t from)
{
    struct log_options reading = *options;
    struct log *log = NULL;
    struct count seen;
    struct count again;
    reading.read_only = true;
    tdbplus_status status = open_once(&reading, from, &seen, &log);
    log_close(log);
    log = NULL;
    again = (struct count){0};
    tdbplus_status salvaged = log_salvage(options, from, count_record, &again, note_damage, NULL);
    ASSERT(salvaged == TDBPLUS_OK || salvaged == TDBPLUS_E_VERSION);
    ASSERT(status != TDBPLUS_OK || again.records >= seen.records);

    ASSERT(open_once(options, from, &again, &log) == status);
    ASSERT(again.records == seen.records && again.bytes == seen.bytes);
    if (status != TDBPLUS_OK) {
        return;
    }
    struct log_entry entry = {.kind = LOG_KIND_COMMIT, .stream = 3};
    status = log_prepare(log, 0, NULL);
    ASSERT(status == TDBPLUS_OK || status == TDBPLUS_E_LIMIT);
    if (status == TDBPLUS_OK) {
        (void)log_append(log, &entry);
        seen.records++;
    }
    log_close(log);
    log = NULL;
    status = open_once(options, from, &again, &log);
    ASSERT(status == TDBPLUS_OK && again.records == seen.records);
    log_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct env *env = NULL;
    tdbplus_status status = env_ram_create(&alloc_system, &env, NULL);
    ASSERT(status == TDBPLUS_OK);
    struct span rest = {data + 1, size - 1};
    uint64_t files = (data[0] & 3) + 1;
    for (uint64_t number = 1; number <= files; number++) {
        struct span area = {rest.data, rest.size < CAPACITY ? rest.size : CAPACITY};
        write_file(env, number, (data[0] & 4) != 0, area);
        rest.data += area.size;
        rest.size -= area.size;
    }
    struct log_options options = {.env = env,
                                  .alloc = &alloc_system,
                                  .directory = DIRECTORY,
                                  .database_id = DATABASE_ID,
                                  .file_size = FILE_SIZE};
    exercise(&options, (uint64_t)(data[0] >> 3) * 512);
    env_ram_destroy(env);
    return 0;
}
