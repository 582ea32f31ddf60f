/*
 * Reading the log: replay of intact records, the verdict of S2, and the search for intact records
 * behind damage.
 *
 * Files are read through one window of a megabyte that stays in the CPU's cache. Nothing in it is
 * used before its checksum holds (S3); a length grows the window only after the checksum of its
 * head held and only up to what the file has.
 */

#include "base/plant.h"
#include "storage/log/log_internal.h"

#define WINDOW_SIZE ((size_t)1 << 20)

struct window {
    struct env_file *handle;
    const struct log_file *file;
    uint64_t file_size; /* Physical; records end before it or are not there. */
    uint8_t *data;
    size_t capacity;
    uint64_t offset; /* Of data[0] in the file. */
    size_t size;
};

struct scan {
    struct log *log;
    struct window window;
    uint8_t *assembly; /* The payload of a record in several fragments. */
    size_t assembly_size;
    size_t assembly_capacity;
    uint64_t stop; /* Records from here on are not looked at. */
    bool newer;    /* A head with a good checksum and an unknown kind was met. */
};

/* An intact record and what follows it. */
struct found {
    struct log_record record;
    uint64_t synced_lsn;
    struct log_file *end_file;
};

static void scan_deinit(struct scan *scan)
{
    const struct alloc *alloc = scan->log->alloc;
    env_close(scan->log->env, scan->window.handle);
    alloc_free(alloc, scan->window.data, scan->window.capacity, 1);
    alloc_free(alloc, scan->assembly, scan->assembly_capacity, 1);
}

static tdbplus_status window_switch(struct scan *scan, const struct log_file *file, struct err *err)
{
    struct window *window = &scan->window;
    env_close(scan->log->env, window->handle);
    window->handle = NULL;
    window->file = NULL;
    window->size = 0;
    char path[ENV_PATH_SIZE_MAX];
    TRY(log_path(path, scan->log->directory, file->number, LOG_NAME_FILE, err));
    TRY(env_open(scan->log->env, path, ENV_OPEN_READ, &window->handle, err));
    TRY(env_size(scan->log->env, window->handle, &window->file_size, err));
    uint64_t end = log_file_offset(file, file->end_lsn);
    window->file_size = window->file_size < end ? window->file_size : end;
    window->file = file;
    return TDBPLUS_OK;
}

static tdbplus_status window_load(struct scan *scan, uint64_t offset, size_t want, struct err *err)
{
    struct window *window = &scan->window;
    uint64_t left = window->file_size - offset;
    size_t usual = window->file_size < WINDOW_SIZE ? (size_t)window->file_size : WINDOW_SIZE;
    size_t capacity = want > usual ? want : usual;
    if (window->capacity < capacity) {
        uint8_t *data = alloc_raw(scan->log->alloc, capacity);
        if (data == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "log: %zu bytes to read records", capacity);
        }
        alloc_free(scan->log->alloc, window->data, window->capacity, 1);
        window->data = data;
        window->capacity = capacity;
    }
    size_t size = left < window->capacity ? (size_t)left : window->capacity;
    window->size = 0;
    if (size > 0) {
        TRY(env_read(scan->log->env, window->handle, offset, window->data, size, err));
    }
    window->offset = offset;
    window->size = size;
    return TDBPLUS_OK;
}

/* Gives at least `want` bytes at `lsn`, or all that the file has from there. */
static inline tdbplus_status window_get(struct scan *scan, const struct log_file *file,
                                        uint64_t lsn, size_t want, struct span *bytes_out,
                                        struct err *err)
{
    struct window *window = &scan->window;
    if (window->file != file) {
        TRY(window_switch(scan, file, err));
    }
    uint64_t offset = log_file_offset(file, lsn);
    if (offset >= window->file_size) {
        *bytes_out = (struct span){0};
        return TDBPLUS_OK;
    }
    uint64_t left = window->file_size - offset;
    want = left < want ? (size_t)left : want;
    if (offset < window->offset || offset + want > window->offset + window->size) {
        TRY(window_load(scan, offset, want, err));
    }
    size_t skip = (size_t)(offset - window->offset);
    *bytes_out = (struct span){window->data + skip, window->size - skip};
    return TDBPLUS_OK;
}

static bool all_zero(const uint8_t *at, size_t size)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum |= at[i];
    }
    return sum == 0;
}

/* ---- one record ---- */

static tdbplus_status assemble(struct scan *scan, struct span part, struct err *err)
{
    size_t wanted = scan->assembly_size + part.size; // Both at most 1 GiB.
    if (wanted > scan->assembly_capacity) {
        size_t capacity = scan->assembly_capacity * 2;
        capacity = capacity < wanted ? wanted : capacity;
        uint8_t *grown =
            alloc_resize(scan->log->alloc, scan->assembly, scan->assembly_capacity, capacity, 1);
        if (grown == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "log: a record of %zu bytes", wanted);
        }
        scan->assembly = grown;
        scan->assembly_capacity = capacity;
    }
    if (part.size > 0) {
        memcpy(scan->assembly + scan->assembly_size, part.data, part.size);
    }
    scan->assembly_size = wanted;
    return TDBPLUS_OK;
}

/* Reads the fragment at `lsn`. `*end_out` is 0 when it is not intact, else the position behind it
 * and behind the zeros that belong to it. */
static tdbplus_status read_fragment(struct scan *scan, const struct log_file *file, uint64_t lsn,
                                    struct log_header *header_out, struct span *part_out,
                                    uint64_t *end_out, struct err *err)
{
    *end_out = 0;
    struct span bytes = {0};
    uint64_t room = file->end_lsn - lsn;
    TRY(window_get(scan, file, lsn, LOG_HEADER_SIZE_MAX, &bytes, err));
    if (!log_header_decode(bytes.data, bytes.size, file->key, lsn, room, header_out,
                           &scan->newer)) {
        return TDBPLUS_OK;
    }
    size_t head = log_header_size(header_out->flags);
    size_t used = head + header_out->size;
    uint64_t size = log_align(used);
    size = room - size < LOG_TAIL_MIN ? room : size;
    if (bytes.size < size) {
        TRY(window_get(scan, file, lsn, (size_t)size, &bytes, err));
        if (bytes.size < size) {
            return TDBPLUS_OK; // The file is shorter than it should be.
        }
    }
    if (all_zero(bytes.data + used, (size_t)size - used)) {
        *part_out = (struct span){bytes.data + head, header_out->size};
        *end_out = lsn + size;
    }
    return TDBPLUS_OK;
}

static bool continues(const struct log_header *first, const struct log_header *next,
                      uint16_t fragment)
{
    return (next->flags & LOG_FLAG_FIRST) == 0 && next->fragment == fragment &&
           next->kind == first->kind && next->stream == first->stream &&
           next->stream_seq == first->stream_seq && next->payload_crc == first->payload_crc &&
           next->timestamp == first->timestamp && next->term == first->term;
}

/* Collects the payload of a record whose first fragment fills the rest of its file. */
static tdbplus_status read_fragments(struct scan *scan, const struct log_header *first,
                                     struct span part, struct log_file **file_inout,
                                     uint64_t *end_inout, struct err *err)
{
    struct log_file *file = *file_inout;
    uint64_t lsn = *end_inout;
    *end_inout = 0;
    scan->assembly_size = 0;
    TRY(assemble(scan, part, err));
    for (uint16_t fragment = 1;; fragment++) {
        struct log_file *next = file->next;
        if (lsn != file->end_lsn || next == NULL || next->damaged || next->first_lsn != lsn) {
            return TDBPLUS_OK;
        }
        file = next;
        struct log_header header = {0};
        uint64_t end = 0;
        TRY(read_fragment(scan, file, lsn, &header, &part, &end, err));
        if (end == 0 || !continues(first, &header, fragment) ||
            part.size > LOG_RECORD_SIZE_MAX - scan->assembly_size) {
            return TDBPLUS_OK;
        }
        TRY(assemble(scan, part, err));
        lsn = end;
        if ((header.flags & LOG_FLAG_LAST) != 0) {
            break;
        }
    }
    *file_inout = file;
    *end_inout = lsn;
    return TDBPLUS_OK;
}

/* Reads the whole record at `lsn`; found_out->end_file is NULL when it is not intact. */
static tdbplus_status read_record(struct scan *scan, struct log_file *file, uint64_t lsn,
                                  struct found *found_out, struct err *err)
{
    found_out->end_file = NULL;
    struct log_header header = {0};
    struct span payload = {0};
    uint64_t end = 0;
    TRY(read_fragment(scan, file, lsn, &header, &payload, &end, err));
    if (end == 0 || (header.flags & LOG_FLAG_FIRST) == 0 || header.fragment != 0) {
        return TDBPLUS_OK;
    }
    if ((header.flags & LOG_FLAG_LAST) == 0) {
        TRY(read_fragments(scan, &header, payload, &file, &end, err));
        if (end == 0) {
            return TDBPLUS_OK;
        }
        payload = (struct span){scan->assembly, scan->assembly_size};
    }
    bool whole = crc32c(payload) == header.payload_crc || planted(PLANT_LOG_PAYLOAD_UNCHECKED);
    if (payload.size > LOG_RECORD_SIZE_MAX || !whole) {
        return TDBPLUS_OK;
    }
    *found_out = (struct found){
        .record = {.lsn = lsn,
                   .lsn_end = end,
                   .stream_seq = header.stream_seq,
                   .term = header.term,
                   .timestamp = header.timestamp,
                   .stream = header.stream,
                   .kind = header.kind,
                   .payload = payload},
        .synced_lsn = header.synced_lsn,
        .end_file = file,
    };
    return TDBPLUS_OK;
}

/* ---- behind damage ---- */

/* Notes that bytes behind the end of the log are not what an unused file holds. In a recycled
 * file old bytes are normal, and only an intact head is ours. */
static void note_leftover(struct log_scan_result *result, uint64_t lsn_end)
{
    result->leftovers = result->leftovers < lsn_end ? lsn_end : result->leftovers;
}

/* Steps over what cannot be the head of a record, as far as the window reaches. */
static void skip_plain(struct span *bytes, uint64_t *lsn_inout, bool recycled,
                       struct log_scan_result *result)
{
    uint64_t lsn = *lsn_inout;
    while (bytes->size >= LOG_HEADER_SIZE_MAX &&
           (bytes->data[12] == 0 || bytes->data[12] > LOG_KIND_MARK)) {
        if (!recycled && load_u64(bytes->data) != 0) {
            note_leftover(result, lsn + LOG_ALIGN);
        }
        bytes->data += LOG_ALIGN;
        bytes->size -= LOG_ALIGN;
        lsn += LOG_ALIGN;
    }
    *lsn_inout = lsn;
}

/* Looks for an intact record in `file` from `*lsn_inout` on; found_out->end_file is NULL when
 * there is none. */
static tdbplus_status search_file(struct scan *scan, struct log_file *file, uint64_t *lsn_inout,
                                  struct found *found_out, struct log_scan_result *result,
                                  struct err *err)
{
    uint64_t lsn = *lsn_inout;
    found_out->end_file = NULL;
    while (lsn < file->end_lsn) {
        struct span bytes = {0};
        TRY(window_get(scan, file, lsn, LOG_HEADER_SIZE_MAX, &bytes, err));
        if (bytes.size < LOG_ALIGN) {
            break;
        }
        uint64_t before = lsn;
        skip_plain(&bytes, &lsn, file->recycled, result);
        if (bytes.size < LOG_HEADER_SIZE_MAX && lsn > before) {
            continue; // The window ran out; the rest of the file decides.
        }
        struct log_header header = {0};
        bool newer = false;
        if (log_header_decode(bytes.data, bytes.size, file->key, lsn, file->end_lsn - lsn, &header,
                              &newer)) {
            note_leftover(result, lsn + log_align(log_header_size(header.flags) + header.size));
            TRY(read_record(scan, file, lsn, found_out, err));
            if (found_out->end_file != NULL) {
                break;
            }
        } else if (!file->recycled && load_u64(bytes.data) != 0) {
            note_leftover(result, lsn + LOG_ALIGN);
        }
        lsn += LOG_ALIGN;
    }
    *lsn_inout = lsn;
    return TDBPLUS_OK;
}

/* The same through all files. On return *file_inout and *lsn_inout say where the record begins. */
static tdbplus_status search(struct scan *scan, struct log_file **file_inout, uint64_t *lsn_inout,
                             struct found *found_out, struct log_scan_result *result,
                             struct err *err)
{
    struct log_file *file = *file_inout;
    uint64_t lsn = *lsn_inout;
    for (;;) {
        if (!file->damaged) {
            TRY(search_file(scan, file, &lsn, found_out, result, err));
            if (found_out->end_file != NULL) {
                break;
            }
        }
        file = file->next;
        if (file == NULL) {
            return TDBPLUS_OK;
        }
        lsn = file->first_lsn;
    }
    *file_inout = file;
    *lsn_inout = lsn;
    return TDBPLUS_OK;
}

/* Finds the highest synced_lsn behind the end of the intact prefix. Every intact record counts,
 * wherever it lies: unsynced blocks reach the disk in any order. */
static tdbplus_status find_proof(struct scan *scan, struct log_scan_result *result, struct err *err)
{
    struct log_file *file = result->end_file;
    uint64_t lsn = result->end;
    while (result->proven <= result->end) {
        struct found found = {0};
        TRY(search(scan, &file, &lsn, &found, result, err));
        if (found.end_file == NULL) {
            break;
        }
        result->proven = result->proven < found.synced_lsn ? found.synced_lsn : result->proven;
        file = found.end_file;
        lsn = found.record.lsn_end;
    }
    return TDBPLUS_OK;
}

static tdbplus_status judge(const struct scan *scan, const struct log_scan_result *result,
                            struct err *err)
{
    if (result->proven <= result->end || planted(PLANT_LOG_DAMAGE_TAKEN_FOR_TAIL)) {
        return TDBPLUS_OK;
    }
    const struct log_file *file = result->end_file;
    uint64_t lsn = result->end;
    if (lsn == file->end_lsn && file->next != NULL) {
        file = file->next;
    }
    tdbplus_status status = err_set(
        err, TDBPLUS_E_CORRUPT,
        "log: %s/log-%016llx: the record at offset %llu (position %llu) is damaged, but it is "
        "proven that everything below %llu was synced",
        scan->log->directory, (unsigned long long)file->number,
        (unsigned long long)log_file_offset(file, lsn), (unsigned long long)lsn,
        (unsigned long long)result->proven);
    err_hint(err, "restore a backup, or salvage what is left with: tdb recover");
    return status;
}

static tdbplus_status missing_files(const struct log *log, uint64_t from, struct err *err)
{
    tdbplus_status status = err_set(
        err, TDBPLUS_E_CORRUPT,
        "log: %s/log-*: there is no file from position %llu (offset 0) on, but it is proven "
        "that everything below %llu was synced",
        log->directory, (unsigned long long)from, (unsigned long long)log->proof_lsn);
    err_hint(err, "restore a backup, or salvage what is left with: tdb recover");
    return status;
}

/* ---- the whole log ---- */

static struct log_file *file_of(const struct log *log, uint64_t lsn)
{
    struct log_file *found = log->first;
    for (struct log_file *file = log->first; file != NULL; file = file->next) {
        if (!file->damaged && file->first_lsn <= lsn) {
            found = file;
        }
    }
    return found;
}

static tdbplus_status take_record(struct scan *scan, const struct found *found,
                                  log_replay_fn replay, void *ctx, struct log_scan_result *result,
                                  struct err *err)
{
    const struct log_record *record = &found->record;
    bool mark = record->kind == LOG_KIND_MARK;
    result->end = record->lsn_end;
    result->end_file = found->end_file;
    result->newest_proves = mark && found->synced_lsn == record->lsn;
    result->newest_mark = record->lsn;
    result->proven = result->proven < found->synced_lsn ? found->synced_lsn : result->proven;
    result->record_count++;
    if (mark) {
        return TDBPLUS_OK;
    }
    TRY(log_streams_note(scan->log, record->stream, record->stream_seq, record->lsn, err));
    return replay == NULL ? TDBPLUS_OK : replay(ctx, record, err);
}

static void tell_gap(const struct log_damage *damage, const struct log_scan_result *result,
                     uint64_t lsn_end, const char *why)
{
    const struct log_file *file = result->end_file;
    if (file != NULL && !file->damaged && result->end == file->end_lsn && file->next != NULL) {
        file = file->next;
    }
    struct log_gap gap = {.lsn = result->end, .lsn_end = lsn_end, .why = why};
    if (file != NULL) {
        bool inside = !file->damaged && result->end >= file->first_lsn;
        gap.file_number = file->number;
        gap.offset = inside ? log_file_offset(file, result->end) : 0;
        gap.why = file->damaged ? "the head of the file is damaged" : why;
    }
    damage->fn(damage->ctx, &gap);
}

/* Steps over damage when somebody listens. False in *more_out at the end of the log. */
static tdbplus_status step_over(struct scan *scan, const struct log_damage *damage,
                                struct log_scan_result *result, bool *more_out, struct err *err)
{
    struct log_file *file = result->end_file;
    uint64_t lsn = result->end;
    struct found found = {0};
    struct log_scan_result ignored = {0};
    *more_out = false;
    TRY(search(scan, &file, &lsn, &found, &ignored, err));
    if (found.end_file != NULL) {
        tell_gap(damage, result, lsn, "no intact record");
        result->end = lsn;
        result->end_file = file;
        *more_out = true;
    } else if (result->proven > result->end) {
        tell_gap(damage, result, result->proven, "synced records are missing");
    }
    return TDBPLUS_OK;
}

static tdbplus_status scan_records(struct scan *scan, log_replay_fn replay, void *replay_ctx,
                                   const struct log_damage *damage, struct log_scan_result *result,
                                   struct err *err)
{
    while (result->end < scan->stop) {
        struct log_file *file = result->end_file;
        struct log_file *next = file->next;
        if (result->end >= file->end_lsn && next != NULL && !next->damaged &&
            next->first_lsn == result->end) {
            result->end_file = next;
            continue;
        }
        struct found found = {0};
        scan->newer = false;
        if (!file->damaged && result->end < file->end_lsn) {
            TRY(read_record(scan, file, result->end, &found, err));
        }
        if (found.end_file != NULL) {
            TRY(take_record(scan, &found, replay, replay_ctx, result, err));
            continue;
        }
        if (scan->newer && damage == NULL) {
            return err_set(err, TDBPLUS_E_VERSION,
                           "log: position %llu holds a record of a newer release",
                           (unsigned long long)result->end);
        }
        bool more = false;
        if (damage != NULL) {
            TRY(step_over(scan, damage, result, &more, err));
        }
        if (!more) {
            break;
        }
    }
    return TDBPLUS_OK;
}

static void ignore_damage(void *ctx, const struct log_gap *gap)
{
    (void)ctx;
    (void)gap;
}

/* Records below `from` count for one thing only: the numbers of their streams. Damage there is
 * nobody's business any more. */
static tdbplus_status scan_numbers(struct scan *scan, uint64_t from, struct err *err)
{
    static const struct log_damage deaf = {.fn = ignore_damage};
    struct log_scan_result result = {.end_file = scan->log->first,
                                     .end = scan->log->first->first_lsn};
    scan->stop = from;
    tdbplus_status status = scan_records(scan, NULL, NULL, &deaf, &result, err);
    scan->stop = UINT64_MAX;
    return status;
}

tdbplus_status log_scan(struct log *log, uint64_t from, log_replay_fn replay, void *replay_ctx,
                        const struct log_damage *damage, struct log_scan_result *result_out,
                        struct err *err)
{
    if (log->first == NULL) {
        *result_out = (struct log_scan_result){.end = from, .newest_proves = true};
        if (log->proof_lsn > from && damage != NULL) {
            tell_gap(damage, result_out, log->proof_lsn, "synced records are missing");
        }
        return log->proof_lsn > from && damage == NULL ? missing_files(log, from, err) : TDBPLUS_OK;
    }
    struct log_scan_result result = {
        .end_file = file_of(log, from), .proven = log->proof_lsn, .newest_proves = true};
    result.end = result.end_file->first_lsn < from ? from : result.end_file->first_lsn;
    struct scan scan = {.log = log};
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, scan_numbers(&scan, result.end, err));
    TRY_OR(done, scan_records(&scan, replay, replay_ctx, damage, &result, err));
    if (damage == NULL) {
        TRY_OR(done, find_proof(&scan, &result, err));
        TRY_OR(done, judge(&scan, &result, err));
    }
    *result_out = result;

done:
    scan_deinit(&scan);
    return status;
}
