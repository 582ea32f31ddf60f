/*
 * Encoding of records and file headers. Why checksums are mixed with a key that is stored nowhere:
 * database, epoch and position cost 24 bytes a record otherwise, and a stale record of a recycled
 * file, or one of another database, fails its checksum by itself (L3).
 */

#include "base/plant.h"
#include "storage/log/log_internal.h"

static const uint8_t file_magic[8] = {'T', 'D', 'B', '+', 'L', 'O', 'G', '\n'};

_Static_assert(LOG_HEADER_SIZE % LOG_ALIGN == 0, "heads keep records aligned");
_Static_assert(LOG_HEADER_SIZE_MAX < LOG_TAIL_MIN, "a head fits into any rest that is used");
_Static_assert(LOG_FILE_HEADER_SECOND + LOG_FILE_HEADER_BYTES <= LOG_FILE_HEADER_SIZE,
               "both copies fit");

size_t log_header_encode(uint8_t *at, const struct log_header *header, uint64_t key, uint64_t lsn)
{
    uint64_t behind = (lsn - header->synced_lsn) / LOG_ALIGN;
    uint64_t mask = hash_u64(key + lsn);
    uint32_t kinds =
        (uint32_t)header->kind | (uint32_t)header->flags << 8 | (uint32_t)header->fragment << 16;
    store_u32(at + 4, header->payload_crc ^ (uint32_t)(mask >> 32));
    store_u32(at + 8, header->size);
    store_u32(at + 12, kinds);
    store_u32(at + 16, header->stream);
    store_u32(at + 20, behind < LOG_BEHIND_MAX ? (uint32_t)behind : LOG_BEHIND_MAX);
    store_u64(at + 24, header->stream_seq);
    store_u64(at + 32, header->timestamp);
    size_t size = log_header_size(header->flags);
    if (size == LOG_HEADER_SIZE_MAX) {
        store_u64(at + 40, header->term);
    }
    store_u32(at, crc32c((struct span){at + 4, size - 4}) ^ (uint32_t)mask);
    return size;
}

/* Cheap questions first: a search for intact records asks them at every eighth byte. */
bool log_header_decode(const uint8_t *at, size_t size, uint64_t key, uint64_t lsn, uint64_t room,
                       struct log_header *header_out, bool *newer_out)
{
    if (size < LOG_HEADER_SIZE || room < LOG_TAIL_MIN || at[12] == 0) {
        return false;
    }
    uint8_t flags = at[13];
    size_t head = log_header_size(flags);
    uint32_t payload = load_u32(at + 8);
    if (size < head || payload > room - head) {
        return false;
    }
    uint64_t mask = hash_u64(key + lsn);
    if (load_u32(at) != (crc32c((struct span){at + 4, head - 4}) ^ (uint32_t)mask) &&
        !planted(PLANT_LOG_HEAD_UNCHECKED)) {
        return false;
    }
    uint64_t behind = load_u32(at + 20);
    uint64_t synced = behind == LOG_BEHIND_MAX ? 0 : lsn - behind * LOG_ALIGN;
    if (synced > lsn) {
        return false; // It wrapped: nothing we wrote.
    }
    if (at[12] > LOG_KIND_MARK || (flags & ~LOG_FLAG_ALL) != 0) {
        *newer_out = true;
        return false;
    }
    *header_out = (struct log_header){
        .size = payload,
        .payload_crc = load_u32(at + 4) ^ (uint32_t)(mask >> 32),
        .stream = load_u32(at + 16),
        .kind = at[12],
        .flags = flags,
        .fragment = load_u16(at + 14),
        .stream_seq = load_u64(at + 24),
        .timestamp = load_u64(at + 32),
        .term = head == LOG_HEADER_SIZE_MAX ? load_u64(at + 40) : 0,
        .synced_lsn = synced,
    };
    return true;
}

static void encode_copy(uint8_t *at, const struct log_file_header *header)
{
    memcpy(at, file_magic, sizeof file_magic);
    store_u32(at + 12, LOG_FORMAT_VERSION);
    store_u64(at + 16, header->database_id);
    store_u64(at + 24, header->epoch);
    store_u64(at + 32, header->number);
    store_u64(at + 40, header->first_lsn);
    store_u64(at + 48, header->end_lsn);
    store_u32(at + 56, header->flags);
    store_u32(at + 60, 0);
    store_u32(at + 8, crc32c((struct span){at + 12, LOG_FILE_HEADER_BYTES - 12}));
}

void log_file_header_encode(uint8_t block[LOG_FILE_HEADER_SIZE],
                            const struct log_file_header *header)
{
    memset(block, 0, LOG_FILE_HEADER_SIZE);
    encode_copy(block, header);
    encode_copy(block + LOG_FILE_HEADER_SECOND, header);
}

static bool copy_intact(const uint8_t *at)
{
    return memcmp(at, file_magic, sizeof file_magic) == 0 &&
           load_u32(at + 8) == crc32c((struct span){at + 12, LOG_FILE_HEADER_BYTES - 12});
}

tdbplus_status log_file_header_decode(const uint8_t block[LOG_FILE_HEADER_SIZE], const char *path,
                                      struct log_file_header *header_out, struct err *err)
{
    const uint8_t *at = copy_intact(block) ? block : block + LOG_FILE_HEADER_SECOND;
    if (!copy_intact(at)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "log: %s: the file header is damaged", path);
    }
    if (load_u32(at + 12) > LOG_FORMAT_VERSION) {
        return err_set(err, TDBPLUS_E_VERSION, "log: %s: format version %u; this release reads %u",
                       path, load_u32(at + 12), LOG_FORMAT_VERSION);
    }
    struct log_file_header header = {
        .database_id = load_u64(at + 16),
        .epoch = load_u64(at + 24),
        .number = load_u64(at + 32),
        .first_lsn = load_u64(at + 40),
        .end_lsn = load_u64(at + 48),
        .flags = load_u32(at + 56),
    };
    uint64_t capacity = header.end_lsn - header.first_lsn;
    if (load_u32(at + 12) == 0 || header.end_lsn <= header.first_lsn || capacity < LOG_TAIL_MIN ||
        capacity > LOG_FILE_SIZE_MAX || header.first_lsn % LOG_ALIGN != 0 ||
        capacity % LOG_ALIGN != 0) {
        return err_set(err, TDBPLUS_E_CORRUPT, "log: %s: impossible positions in the file header",
                       path);
    }
    *header_out = header;
    return TDBPLUS_OK;
}
