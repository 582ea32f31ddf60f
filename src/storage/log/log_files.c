/*
 * Files of the log: which exist, making the next one before it is needed, and dropping old ones.
 *
 * A file gets its final name only when it is complete, zeroed or recycled, and durable (S5), so a
 * named file with a damaged header is always damage and never a torn creation (L2). Names appear
 * in ascending order and vanish from either end one at a time, each change durable before the
 * next, so that a crash never leaves a hole in the numbers.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "storage/log/log_internal.h"

#define NAME_DIGITS    16u
#define ZERO_FILL_SIZE ((size_t)256 << 10)
/* Syncs since the file before was made, from which on the next one is filled with zeros. */
#define ZERO_SYNC_COUNT 32u

tdbplus_status log_path(char path[ENV_PATH_SIZE_MAX], const char *directory, uint64_t number,
                        enum log_name name, struct err *err)
{
    static const char *const endings[] = {"", ".tmp", ".spare"};
    char text[64];
    (void)snprintf(text, sizeof text, "log-%016llx%s", (unsigned long long)number, endings[name]);
    return env_join(path, directory, text, err);
}

void log_discard(const struct env *env, const char *path)
{
    tdbplus_status status = env_unlink(env, path, NULL);
    (void)status;
}

/* ---- what lies in the directory ---- */

struct listing {
    struct list numbers[3]; /* By enum log_name. */
    bool streams_temporary; /* Writing the numbers of streams was interrupted, */
    bool proof_temporary;   /* or the first proof. */
    bool failed;
};

static bool parse_name(const char *text, uint64_t *number_out, enum log_name *name_out)
{
    if (strncmp(text, "log-", 4) != 0) {
        return false;
    }
    uint64_t number = 0;
    const char *digits = text + 4;
    for (uint32_t i = 0; i < NAME_DIGITS; i++) {
        char digit = digits[i];
        bool decimal = digit >= '0' && digit <= '9';
        if (!decimal && !(digit >= 'a' && digit <= 'f')) {
            return false;
        }
        number = number << 4 | (uint64_t)(decimal ? digit - '0' : digit - 'a' + 10);
    }
    const char *rest = digits + NAME_DIGITS;
    *name_out = rest[0] == '\0'             ? LOG_NAME_FILE
                : strcmp(rest, ".tmp") == 0 ? LOG_NAME_TMP
                                            : LOG_NAME_SPARE;
    *number_out = number;
    return *name_out != LOG_NAME_SPARE || strcmp(rest, ".spare") == 0;
}

static tdbplus_status note_name(void *ctx, const char *name, bool is_directory)
{
    struct listing *listing = ctx;
    uint64_t number = 0;
    enum log_name kind = LOG_NAME_FILE;
    listing->streams_temporary |= strcmp(name, LOG_STREAMS_NAME ENV_TEMPORARY_SUFFIX) == 0;
    listing->proof_temporary |= strcmp(name, LOG_PROOF_NAME ENV_TEMPORARY_SUFFIX) == 0;
    if (is_directory || !parse_name(name, &number, &kind)) {
        return TDBPLUS_OK;
    }
    listing->failed |= list_push(&listing->numbers[kind], &number) == NULL;
    return TDBPLUS_OK;
}

static int compare_numbers(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;
    return (*a > *b) - (*a < *b);
}

static void listing_deinit(struct listing *listing)
{
    for (size_t i = 0; i < 3; i++) {
        list_deinit(&listing->numbers[i]);
    }
}

static tdbplus_status listing_init(struct listing *listing, const struct log *log, struct err *err)
{
    *listing = (struct listing){0};
    for (size_t i = 0; i < 3; i++) {
        list_init(&listing->numbers[i], log->alloc, sizeof(uint64_t));
    }
    tdbplus_status status = env_list(log->env, log->directory, note_name, listing, err);
    if (status == TDBPLUS_OK && listing->failed) {
        status = err_set(err, TDBPLUS_E_NOMEM, "log: listing %s", log->directory);
    }
    if (status != TDBPLUS_OK) {
        listing_deinit(listing);
        return status;
    }
    for (size_t i = 0; i < 3; i++) {
        if (listing->numbers[i].count > 1) {
            qsort(listing->numbers[i].items, listing->numbers[i].count, sizeof(uint64_t),
                  compare_numbers);
        }
    }
    return TDBPLUS_OK;
}

/* ---- loading ---- */

static void file_destroy(const struct log *log, struct log_file *file)
{
    env_close(log->env, file->file);
    alloc_free(log->alloc, file, 1, sizeof *file);
}

static void list_append(struct log *log, struct log_file *file)
{
    if (log->last == NULL) {
        log->first = file;
    } else {
        atomic_store_explicit(&log->last->next, file, memory_order_release);
    }
    log->last = file;
}

void log_files_release(struct log *log)
{
    struct log_file *file = log->first;
    while (file != NULL) {
        struct log_file *next = atomic_load_explicit(&file->next, memory_order_relaxed);
        file_destroy(log, file);
        file = next;
    }
    log->first = NULL;
    log->last = NULL;
}

tdbplus_status log_file_open(const struct log *log, struct log_file *file, struct err *err)
{
    if (file->file != NULL) {
        return TDBPLUS_OK;
    }
    char path[ENV_PATH_SIZE_MAX];
    TRY(log_path(path, log->directory, file->number, LOG_NAME_FILE, err));
    uint32_t flags = log->read_only ? ENV_OPEN_READ : ENV_OPEN_READ | ENV_OPEN_WRITE;
    return env_open(log->env, path, flags, &file->file, err);
}

/* Reads the header of `file`. Damage is a status; the caller knows whether it matters. */
static tdbplus_status read_header(const struct log *log, struct log_file *file, uint8_t *block,
                                  struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(log_path(path, log->directory, file->number, LOG_NAME_FILE, err));

    tdbplus_status status = TDBPLUS_OK;
    struct env_file *handle = NULL;
    struct log_file_header header = {0};
    TRY_OR(done, env_open(log->env, path, ENV_OPEN_READ, &handle, err));
    TRY_OR(done, env_size(log->env, handle, &file->size, err));
    if (file->size < LOG_FILE_HEADER_SIZE) {
        status = err_set(err, TDBPLUS_E_CORRUPT, "log: %s: %llu bytes are no log file", path,
                         (unsigned long long)file->size);
        goto done;
    }
    TRY_OR(done, env_read(log->env, handle, 0, block, LOG_FILE_HEADER_SIZE, err));
    TRY_OR(done, log_file_header_decode(block, path, &header, err));
    if (header.database_id != log->database_id) {
        status = err_set(err, TDBPLUS_E_CORRUPT, "log: %s belongs to another database", path);
        goto done;
    }
    if (header.number != file->number) {
        status = err_set(err, TDBPLUS_E_CORRUPT, "log: %s says that it is file %llx", path,
                         (unsigned long long)header.number);
        goto done;
    }
    file->epoch = header.epoch;
    file->first_lsn = header.first_lsn;
    file->end_lsn = header.end_lsn;
    file->key = log_key(header.database_id, header.epoch);
    file->recycled = (header.flags & LOG_FILE_RECYCLED) != 0;

done:
    env_close(log->env, handle);
    return status;
}

static tdbplus_status load_file(struct log *log, uint64_t number, uint8_t *block, struct err *err)
{
    struct log_file *file = alloc_array(log->alloc, 1, sizeof *file);
    if (file == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "log: a file");
    }
    file->number = number;
    struct err reason = {0};
    tdbplus_status status = read_header(log, file, block, &reason);
    if (status == TDBPLUS_E_CORRUPT) {
        file->damaged = true; // Whether that matters depends on where replay starts.
    } else if (status != TDBPLUS_OK) {
        file_destroy(log, file);
        return err_set(err, status, "%s", reason.text);
    }
    list_append(log, file);
    return TDBPLUS_OK;
}

/* From the file that holds `from` on, every number and every position must be there. */
static tdbplus_status check_chain(const struct log *log, uint64_t from, struct err *err)
{
    struct log_file *begin = NULL;
    for (struct log_file *file = log->first; file != NULL; file = file->next) {
        if (!file->damaged && file->first_lsn <= from) {
            begin = file;
        }
    }
    begin = from == 0 ? log->first : begin;
    if (begin == NULL) {
        return err_set(err, TDBPLUS_E_CORRUPT,
                       "log: %s: replay starts at %llu, but the files from there are missing",
                       log->directory, (unsigned long long)from);
    }
    for (struct log_file *file = begin; file != NULL; file = file->next) {
        if (file->damaged) {
            return err_set(err, TDBPLUS_E_CORRUPT,
                           "log: %s/log-%016llx: the file header (offset 0) is damaged",
                           log->directory, (unsigned long long)file->number);
        }
        struct log_file *next = file->next;
        if (next != NULL && !next->damaged &&
            (next->number != file->number + 1 || next->first_lsn != file->end_lsn)) {
            return err_set(err, TDBPLUS_E_CORRUPT,
                           "log: %s: a file is missing between log-%016llx and log-%016llx",
                           log->directory, (unsigned long long)file->number,
                           (unsigned long long)next->number);
        }
    }
    if (!log->last->damaged && from > log->last->end_lsn) {
        return err_set(err, TDBPLUS_E_CORRUPT,
                       "log: %s: replay starts at %llu, but the last file ends at %llu",
                       log->directory, (unsigned long long)from,
                       (unsigned long long)log->last->end_lsn);
    }
    return TDBPLUS_OK;
}

tdbplus_status log_files_load(struct log *log, uint64_t from, bool tolerant, struct err *err)
{
    struct listing listing;
    TRY(listing_init(&listing, log, err));

    tdbplus_status status = TDBPLUS_OK;
    const struct list *files = &listing.numbers[LOG_NAME_FILE];
    uint8_t *block = alloc_raw(log->alloc, LOG_FILE_HEADER_SIZE);
    if (block == NULL) {
        status = err_set(err, TDBPLUS_E_NOMEM, "log: a block");
        goto done;
    }
    for (size_t i = 0; i < files->count; i++) {
        TRY_OR(done, load_file(log, *(uint64_t *)list_at(files, i), block, err));
    }
    if (!tolerant && (files->count > 0 || from > 0)) {
        TRY_OR(done, check_chain(log, from, err));
    }

done:
    alloc_free(log->alloc, block, LOG_FILE_HEADER_SIZE, 1);
    listing_deinit(&listing);
    return status;
}

tdbplus_status log_files_identify(struct log *log, struct log_identity *identity_out,
                                  struct err *err)
{
    struct listing listing;
    TRY(listing_init(&listing, log, err));
    tdbplus_status status = TDBPLUS_OK;
    const struct list *files = &listing.numbers[LOG_NAME_FILE];
    uint8_t block[LOG_FILE_HEADER_SIZE];
    struct log_identity identity = {0};
    for (size_t i = 0; i < files->count && !identity.found; i++) {
        char path[ENV_PATH_SIZE_MAX];
        struct env_file *handle = NULL;
        uint64_t size = 0;
        struct log_file_header header = {0};
        TRY_OR(done,
               log_path(path, log->directory, *(uint64_t *)list_at(files, i), LOG_NAME_FILE, err));
        TRY_OR(done, env_open(log->env, path, ENV_OPEN_READ, &handle, err));
        status = env_size(log->env, handle, &size, err);
        bool whole = status == TDBPLUS_OK && size >= sizeof block;
        if (whole) {
            status = env_read(log->env, handle, 0, block, sizeof block, err);
        }
        env_close(log->env, handle);
        TRY_OR(done, status);
        if (whole && log_file_header_decode(block, path, &header, NULL) == TDBPLUS_OK) {
            identity = (struct log_identity){
                .found = true, .database_id = header.database_id, .first_lsn = header.first_lsn};
        }
    }
    *identity_out = identity;

done:
    listing_deinit(&listing);
    return status;
}

/* ---- making files ---- */

tdbplus_status log_zero_fill(const struct log *log, struct env_file *file, uint64_t from,
                             uint64_t to, struct err *err)
{
    if (from >= to) {
        return TDBPLUS_OK;
    }
    size_t size = to - from < ZERO_FILL_SIZE ? (size_t)(to - from) : ZERO_FILL_SIZE;
    uint8_t *zeros = alloc_array(log->alloc, size, 1);
    if (zeros == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "log: zeros for a file");
    }
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK && from < to) {
        size_t piece = to - from < size ? (size_t)(to - from) : size;
        status = env_write(log->env, file, from, zeros, piece, err);
        from += piece;
    }
    alloc_free(log->alloc, zeros, size, 1);
    return status;
}

static uint64_t next_file_size(const struct log *log)
{
    uint64_t size = log->file_size < LOG_FILE_SIZE_FIRST ? log->file_size : LOG_FILE_SIZE_FIRST;
    if (log->last != NULL) {
        uint64_t before = LOG_FILE_HEADER_SIZE + (log->last->end_lsn - log->last->first_lsn);
        uint64_t doubled = (before * 2) & ~(uint64_t)(LOG_BLOCK_SIZE - 1);
        size = doubled > size ? doubled : size;
    }
    return size < log->file_size ? size : log->file_size;
}

/* Takes a spare of the right size and opens it under the temporary name; *handle_out stays NULL
 * when there is none. A spare that cannot be used is forgotten: the next open removes it. */
static void take_spare(struct log *log, const char *temporary, uint64_t size,
                       struct env_file **handle_out)
{
    while (log->spare_count > 0 && size == log->file_size) {
        char path[ENV_PATH_SIZE_MAX];
        struct env_file *handle = NULL;
        uint64_t found = 0;
        uint64_t number = log->spares[--log->spare_count];
        if (log_path(path, log->directory, number, LOG_NAME_SPARE, NULL) == TDBPLUS_OK &&
            env_rename(log->env, path, temporary, NULL) == TDBPLUS_OK &&
            env_open(log->env, temporary, ENV_OPEN_READ | ENV_OPEN_WRITE, &handle, NULL) ==
                TDBPLUS_OK &&
            env_size(log->env, handle, &found, NULL) == TDBPLUS_OK && found == size) {
            *handle_out = handle;
            return;
        }
        env_close(log->env, handle);
    }
}

/* Are zeros to be written to the next file? A sync of bytes in space that is only reserved has to
 * commit file system metadata too, so where syncs are frequent it pays to write the file twice.
 * Where they are rare, the zeros would be half of all that the log writes. */
static bool wants_zeros(struct log *log, uint64_t size)
{
    uint64_t syncs = atomic_load(&log->sync_count);
    uint64_t since = syncs - log->sync_count_before;
    log->sync_count_before = syncs;
    return size <= LOG_FILE_SIZE_FIRST || since >= ZERO_SYNC_COUNT;
}

/* Fills the temporary file and makes it durable. What is not written of it reads as zeros. */
static tdbplus_status fill_file(struct log *log, struct env_file *handle,
                                const struct log_file_header *header, struct err *err)
{
    uint8_t *block = alloc_raw(log->alloc, LOG_FILE_HEADER_SIZE);
    if (block == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "log: a block");
    }
    tdbplus_status status = TDBPLUS_OK;
    log_file_header_encode(block, header);
    if ((header->flags & LOG_FILE_RECYCLED) == 0) {
        uint64_t size = LOG_FILE_HEADER_SIZE + (header->end_lsn - header->first_lsn);
        TRY_OR(done, env_truncate(log->env, handle, 0, err));
        TRY_OR(done, env_allocate(log->env, handle, size, err));
        if (wants_zeros(log, size)) {
            TRY_OR(done, log_zero_fill(log, handle, LOG_FILE_HEADER_SIZE, size, err));
        }
    }
    TRY_OR(done, env_write(log->env, handle, 0, block, LOG_FILE_HEADER_SIZE, err));
    TRY_OR(done, env_sync(log->env, handle, err));

done:
    alloc_free(log->alloc, block, LOG_FILE_HEADER_SIZE, 1);
    return status;
}

/* Gives the finished file its name. */
static tdbplus_status name_file(const struct log *log, const char *temporary, const char *path,
                                struct err *err)
{
    TRY(env_rename(log->env, temporary, path, err));
    tdbplus_status status = env_sync_directory(log->env, log->directory, err);
    if (status != TDBPLUS_OK) {
        // Whether the name survives is unknown. An empty file of the next number does no harm,
        // and another attempt replaces it.
        log_discard(log->env, path);
    }
    return status;
}

static tdbplus_status make_file(struct log *log, struct err *err)
{
    struct log_file_header header = {.database_id = log->database_id, .number = 1};
    if (log->last != NULL) {
        header.number = log->last->number + 1;
        header.first_lsn = log->last->end_lsn;
    }
    uint64_t size = next_file_size(log);
    header.end_lsn = header.first_lsn + (size - LOG_FILE_HEADER_SIZE);
    env_entropy(log->env, &header.epoch, sizeof header.epoch);
    char path[ENV_PATH_SIZE_MAX];
    char temporary[ENV_PATH_SIZE_MAX];
    TRY(log_path(path, log->directory, header.number, LOG_NAME_FILE, err));
    TRY(log_path(temporary, log->directory, header.number, LOG_NAME_TMP, err));

    tdbplus_status status = TDBPLUS_OK;
    struct env_file *handle = NULL;
    struct log_file *file = alloc_array(log->alloc, 1, sizeof *file);
    if (file == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "log: a file");
    }
    take_spare(log, temporary, size, &handle);
    if (handle != NULL) {
        header.flags |= LOG_FILE_RECYCLED;
    } else {
        uint32_t flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE;
        TRY_OR(done, env_open(log->env, temporary, flags, &handle, err));
    }
    TRY_OR(done, fill_file(log, handle, &header, err));
    TRY_OR(done, name_file(log, temporary, path, err));

    file->file = handle;
    file->number = header.number;
    file->epoch = header.epoch;
    file->first_lsn = header.first_lsn;
    file->end_lsn = header.end_lsn;
    file->size = size;
    file->key = log_key(header.database_id, header.epoch);
    file->recycled = (header.flags & LOG_FILE_RECYCLED) != 0;
    atomic_fetch_add(file->recycled ? &log->file_recycled_count : &log->file_created_count, 1);
    list_append(log, file);
    log_note_space(log, file);
    file = NULL;
    handle = NULL;

done:
    if (handle != NULL) {
        env_close(log->env, handle);
        log_discard(log->env, temporary);
    }
    alloc_free(log->alloc, file, 1, sizeof *file);
    return status;
}

tdbplus_status log_files_extend(struct log *log, uint64_t lsn, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    mutex_lock(log->env, &log->files_mutex);
    while (status == TDBPLUS_OK && (log->last == NULL || log->last->end_lsn < lsn)) {
        status = log_stopped(log) ? log_stopped_error(log, err) : make_file(log, err);
    }
    mutex_unlock(log->env, &log->files_mutex);
    log_limit_update(log);
    return status;
}

/* A file ahead once a quarter of the newest is used: with 64 MiB files there are 48 MiB to write
 * before a writer would have to wait for it. */
void log_note_space(struct log *log, const struct log_file *last)
{
    uint64_t capacity = last->end_lsn - last->first_lsn;
    atomic_store(&log->space_low, capacity - capacity / 4);
    atomic_store_explicit(&log->space, last->end_lsn, memory_order_release);
}

bool log_files_wants_space(const struct log *log)
{
    uint64_t left = atomic_load(&log->space) - log_end(log);
    return left < log->space_low;
}

/* ---- dropping files ---- */

static tdbplus_status remove_name(struct log *log, const struct log_file *file, bool keep_spare,
                                  struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    char spare[ENV_PATH_SIZE_MAX];
    TRY(log_path(path, log->directory, file->number, LOG_NAME_FILE, err));
    TRY(log_path(spare, log->directory, file->number, LOG_NAME_SPARE, err));
    bool full = file->size == log->file_size && !file->damaged;
    bool recycle = keep_spare && full && log->spare_count < LOG_SPARE_COUNT_MAX;
    struct err reason = {0};
    tdbplus_status status =
        recycle ? env_rename(log->env, path, spare, &reason) : env_unlink(log->env, path, &reason);
    if (status == TDBPLUS_E_NOT_FOUND) {
        recycle = false; // An earlier attempt got as far as this and failed to sync.
    } else if (status != TDBPLUS_OK) {
        return log_pass_error(err, &reason);
    }
    // Only once the old name is gone for good may the bytes behind it be overwritten.
    TRY(env_sync_directory(log->env, log->directory, err));
    if (recycle) {
        log->spares[log->spare_count++] = file->number;
    }
    return TDBPLUS_OK;
}

/* Takes the first file out of the list, on disk and in memory. */
static tdbplus_status drop_first(struct log *log, struct err *err)
{
    struct log_file *file = log->first;
    tdbplus_status status = remove_name(log, file, true, err);
    if (status != TDBPLUS_OK) {
        return status;
    }
    log->first = atomic_load_explicit(&file->next, memory_order_acquire);
    atomic_store(&log->start, log->first->first_lsn);
    file_destroy(log, file);
    return TDBPLUS_OK;
}

/* Temporary files and spares are what a crash or the last close left behind (S6). Spares are not
 * taken over from there: after a loss of power one may be a second name of a file in use, because
 * of the two renames that put it to use only the later survived. */
static tdbplus_status remove_leftovers(struct log *log, struct err *err)
{
    struct listing listing;
    TRY(listing_init(&listing, log, err));
    tdbplus_status status = TDBPLUS_OK;
    char path[ENV_PATH_SIZE_MAX];
    for (enum log_name name = LOG_NAME_TMP; name <= LOG_NAME_SPARE; name++) {
        for (size_t i = 0; i < listing.numbers[name].count; i++) {
            uint64_t number = *(uint64_t *)list_at(&listing.numbers[name], i);
            TRY_OR(done, log_path(path, log->directory, number, name, err));
            TRY_OR(done, env_unlink(log->env, path, err));
        }
    }
    if (listing.streams_temporary) {
        TRY_OR(done, env_join(path, log->directory, LOG_STREAMS_NAME ENV_TEMPORARY_SUFFIX, err));
        TRY_OR(done, env_unlink(log->env, path, err));
    }
    if (listing.proof_temporary) {
        TRY_OR(done, env_join(path, log->directory, LOG_PROOF_NAME ENV_TEMPORARY_SUFFIX, err));
        TRY_OR(done, env_unlink(log->env, path, err));
    }

done:
    listing_deinit(&listing);
    return status;
}

/* Whether a later file holds `from`, so that the first one is not needed. */
static bool first_is_below(const struct log *log, uint64_t from)
{
    const struct log_file *next = log->first == NULL ? NULL : log->first->next;
    for (const struct log_file *file = next; file != NULL; file = file->next) {
        if (!file->damaged && file->first_lsn <= from) {
            return true;
        }
    }
    return false;
}

tdbplus_status log_files_drop_below(struct log *log, uint64_t from, struct err *err)
{
    TRY(remove_leftovers(log, err)); // Before new spares are made.
    if (first_is_below(log, from)) {
        TRY(log_streams_save(log, log->directory, from, err));
    }
    while (first_is_below(log, from)) {
        TRY(drop_first(log, err));
    }
    return TDBPLUS_OK;
}

tdbplus_status log_files_drop_after(struct log *log, struct log_file *keep, struct err *err)
{
    while (log->last != keep) {
        struct log_file *before = keep;
        while (before->next != log->last) {
            before = before->next;
        }
        TRY(remove_name(log, log->last, false, err));
        file_destroy(log, log->last);
        atomic_store(&before->next, NULL);
        log->last = before;
    }
    return TDBPLUS_OK;
}

/* The first file, if it may be dropped: it lies below the cut and below every pin, and strictly
 * below what is synced, because the file of the newest bytes is in use. */
static bool may_drop_first(struct log *log, uint64_t lsn)
{
    uint64_t bound = log_synced(log);
    latch_lock(&log->state_latch);
    for (const struct log_pin *pin = log->pins; pin != NULL; pin = pin->next) {
        bound = pin->lsn < bound ? pin->lsn : bound;
    }
    latch_unlock(&log->state_latch);
    return log->first->end_lsn <= lsn && log->first->end_lsn < bound;
}

tdbplus_status log_cut(struct log *log, uint64_t lsn, struct err *err)
{
    if (log->read_only) {
        return err_set(err, TDBPLUS_E_READ_ONLY, "log: opened read-only");
    }
    uint64_t end = log_end(log);
    lsn = lsn < end ? lsn : end;
    TRY(log_sync(log, lsn, err)); // What is cut was synced, so no leader still looks at it.

    mutex_lock(log->env, &log->files_mutex);
    bool some = may_drop_first(log, lsn);
    mutex_unlock(log->env, &log->files_mutex);
    if (!some) {
        return TDBPLUS_OK;
    }
    TRY(log_streams_save(log, log->directory, lsn, err));
    tdbplus_status status = TDBPLUS_OK;
    mutex_lock(log->env, &log->files_mutex);
    while (status == TDBPLUS_OK && may_drop_first(log, lsn)) {
        status = drop_first(log, err);
    }
    mutex_unlock(log->env, &log->files_mutex);
    return status;
}
