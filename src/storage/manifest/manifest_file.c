/*
 * The file: names, records, writing a snapshot, reading everything back.
 *
 * A file is named only when its snapshot is durable (S5). Edits follow one at a time, each synced
 * before the next is written, so at most the last of them can be torn, and any intact record
 * behind damage proves that the damaged one had been acknowledged (M3).
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/plant.h"
#include "storage/manifest/manifest_internal.h"

#define NAME_DIGITS 16u
#define WINDOW_SIZE ((size_t)256 << 10)

static const uint8_t file_magic[8] = {'T', 'D', 'B', '+', 'M', 'A', 'N', '\n'};

void manifest_discard(const struct env *env, const char *path)
{
    tdbplus_status status = env_unlink(env, path, NULL);
    (void)status;
}

tdbplus_status manifest_path(char path[ENV_PATH_SIZE_MAX], const char *directory, uint64_t number,
                             bool temporary, struct err *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "manifest-%016llx%s", (unsigned long long)number,
                   temporary ? ".tmp" : "");
    return env_join(path, directory, name, err);
}

/* ---- names ---- */

struct listing {
    struct list *numbers;
    struct list *temporary;
    bool failed;
};

static tdbplus_status note_name(void *ctx, const char *name, bool is_directory)
{
    struct listing *listing = ctx;
    static const char prefix[] = "manifest-";
    if (is_directory || strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return TDBPLUS_OK;
    }
    const char *digits = name + sizeof prefix - 1;
    uint64_t number = 0;
    for (uint32_t i = 0; i < NAME_DIGITS; i++) {
        bool decimal = digits[i] >= '0' && digits[i] <= '9';
        if (!decimal && !(digits[i] >= 'a' && digits[i] <= 'f')) {
            return TDBPLUS_OK;
        }
        number = number << 4 | (uint64_t)(decimal ? digits[i] - '0' : digits[i] - 'a' + 10);
    }
    const char *rest = digits + NAME_DIGITS;
    if (rest[0] == '\0') {
        listing->failed |= list_push(listing->numbers, &number) == NULL;
    } else if (strcmp(rest, ".tmp") == 0) {
        listing->failed |= list_push(listing->temporary, &number) == NULL;
    }
    return TDBPLUS_OK;
}

static int compare_numbers(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;
    return (*a > *b) - (*a < *b);
}

tdbplus_status manifest_list(const struct env *env, const char *directory, struct list *numbers,
                             struct list *temporary, struct err *err)
{
    struct listing listing = {.numbers = numbers, .temporary = temporary};
    TRY(env_list(env, directory, note_name, &listing, err));
    if (listing.failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "manifest: listing %s", directory);
    }
    if (numbers->count > 1) {
        qsort(numbers->items, numbers->count, sizeof(uint64_t), compare_numbers);
    }
    return TDBPLUS_OK;
}

/* ---- records ---- */

size_t manifest_record_size(size_t body_size)
{
    size_t mask = MANIFEST_ALIGN - 1;
    return MANIFEST_RECORD_HEAD_SIZE + ((body_size + mask) & ~mask);
}

/* The position and the file's random epoch are part of every checksum, so that an entry which
 * happens to hold an old manifest is never taken for a record. */
void manifest_record_seal(uint8_t *record, enum manifest_record_kind kind, size_t body_size,
                          uint64_t key, uint64_t offset)
{
    uint64_t mask = hash_u64(key + offset);
    uint8_t *body = record + MANIFEST_RECORD_HEAD_SIZE;
    size_t size = manifest_record_size(body_size);
    memset(body + body_size, 0, size - MANIFEST_RECORD_HEAD_SIZE - body_size);
    uint32_t body_crc = crc32c((struct span){body, size - MANIFEST_RECORD_HEAD_SIZE});
    store_u32(record + 4, body_crc ^ (uint32_t)(mask >> 32));
    store_u32(record + 8, (uint32_t)body_size);
    store_u32(record + 12, (uint32_t)kind);
    uint32_t head_crc = crc32c((struct span){record + 4, MANIFEST_RECORD_HEAD_SIZE - 4});
    store_u32(record, head_crc ^ (uint32_t)mask);
}

/* ---- writing ---- */

struct writer {
    const struct env *env;
    struct env_file *file;
    struct buffer part; /* Head and body under construction. */
    uint64_t key;
    uint64_t offset;
};

static void writer_begin(struct writer *writer)
{
    static const uint8_t head[MANIFEST_RECORD_HEAD_SIZE];
    buffer_clear(&writer->part);
    buffer_put(&writer->part, head, sizeof head);
}

static tdbplus_status writer_flush(struct writer *writer, enum manifest_record_kind kind,
                                   struct err *err)
{
    size_t body_size = writer->part.size - MANIFEST_RECORD_HEAD_SIZE;
    static const uint8_t zeros[MANIFEST_ALIGN];
    buffer_put(&writer->part, zeros, sizeof zeros); // Room for the padding.
    if (writer->part.failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "manifest: writing a snapshot");
    }
    size_t size = manifest_record_size(body_size);
    manifest_record_seal(writer->part.data, kind, body_size, writer->key, writer->offset);
    TRY(env_write(writer->env, writer->file, writer->offset, writer->part.data, size, err));
    writer->offset += size;
    writer_begin(writer);
    return TDBPLUS_OK;
}

static void encode_header(uint8_t header[MANIFEST_FILE_HEADER_SIZE], uint64_t epoch,
                          uint64_t number)
{
    memset(header, 0, MANIFEST_FILE_HEADER_SIZE);
    memcpy(header, file_magic, sizeof file_magic);
    store_u32(header + 12, MANIFEST_FORMAT_VERSION);
    store_u64(header + 16, epoch);
    store_u64(header + 24, number);
    store_u32(header + 8, crc32c((struct span){header + 12, MANIFEST_FILE_HEADER_SIZE - 12}));
}

static tdbplus_status write_snapshot(const struct manifest *manifest, struct writer *writer,
                                     struct err *err)
{
    writer_begin(writer);
    for (size_t b = 0; b < manifest->table.blocks.count; b++) {
        struct manifest_block **block = list_at(&manifest->table.blocks, b);
        for (uint32_t i = 0; i < (*block)->count; i++) {
            const struct manifest_entry *entry = &(*block)->entries[i];
            buffer_put_u8(&writer->part, MANIFEST_CHANGE_PUT);
            buffer_put_u8(&writer->part, entry->kind);
            buffer_put_varint(&writer->part, entry->id);
            buffer_put_sized(&writer->part, (struct span){entry->value, entry->size});
            if (writer->part.size >= MANIFEST_PART_SIZE) {
                TRY(writer_flush(writer, MANIFEST_RECORD_SNAPSHOT, err));
            }
        }
    }
    if (writer->part.size > MANIFEST_RECORD_HEAD_SIZE) {
        TRY(writer_flush(writer, MANIFEST_RECORD_SNAPSHOT, err));
    }
    buffer_put_varint(&writer->part, manifest->table.count);
    return writer_flush(writer, MANIFEST_RECORD_SNAPSHOT_END, err);
}

tdbplus_status manifest_file_write(const struct manifest *manifest, const char *directory,
                                   uint64_t number, struct manifest_written *written_out,
                                   struct err *err)
{
    const struct env *env = manifest->env;
    char path[ENV_PATH_SIZE_MAX];
    char temporary[ENV_PATH_SIZE_MAX];
    uint8_t header[MANIFEST_FILE_HEADER_SIZE];
    uint64_t epoch = 0;
    env_entropy(env, &epoch, sizeof epoch);
    encode_header(header, epoch, number);
    TRY(manifest_path(path, directory, number, false, err));
    TRY(manifest_path(temporary, directory, number, true, err));

    tdbplus_status status = TDBPLUS_OK;
    bool renamed = false;
    struct writer writer = {.env = env, .key = hash_u64(epoch), .offset = sizeof header};
    buffer_init(&writer.part, manifest->alloc);
    uint32_t flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    TRY_OR(done, env_open(env, temporary, flags, &writer.file, err));
    TRY_OR(done, env_truncate(env, writer.file, 0, err));
    TRY_OR(done, env_write(env, writer.file, 0, header, sizeof header, err));
    TRY_OR(done, write_snapshot(manifest, &writer, err));
    TRY_OR(done, env_sync(env, writer.file, err));
    TRY_OR(done, env_rename(env, temporary, path, err));
    renamed = true;
    TRY_OR(done, env_sync_directory(env, directory, err));
    *written_out =
        (struct manifest_written){.file = writer.file, .key = writer.key, .end = writer.offset};
    writer.file = NULL;

done:
    buffer_deinit(&writer.part);
    if (writer.file != NULL) {
        env_close(env, writer.file);
        manifest_discard(env, renamed ? path : temporary);
    }
    return status;
}

/* ---- reading ---- */

struct source {
    struct manifest *manifest;
    struct env_file *file;
    const char *path;
    uint64_t size;
    uint64_t key;
    uint8_t *data; /* A window on the file. */
    size_t capacity;
    uint64_t offset;
    size_t filled;
};

struct record {
    uint32_t kind;
    struct span body;
    uint64_t end;
};

static tdbplus_status source_get(struct source *source, uint64_t offset, size_t size,
                                 const uint8_t **at_out, struct err *err)
{
    ASSERT(offset + size <= source->size);
    if (offset < source->offset || offset + size > source->offset + source->filled) {
        const struct alloc *alloc = source->manifest->alloc;
        size_t usual = source->size < WINDOW_SIZE ? (size_t)source->size : WINDOW_SIZE;
        size_t capacity = size > usual ? size : usual;
        if (source->capacity < capacity) {
            uint8_t *data = alloc_raw(alloc, capacity);
            if (data == NULL) {
                return err_set(err, TDBPLUS_E_NOMEM, "manifest: reading %zu bytes", capacity);
            }
            alloc_free(alloc, source->data, source->capacity, 1);
            source->data = data;
            source->capacity = capacity;
        }
        uint64_t left = source->size - offset;
        size_t fill = left < source->capacity ? (size_t)left : source->capacity;
        source->filled = 0;
        TRY(env_read(source->manifest->env, source->file, offset, source->data, fill, err));
        source->offset = offset;
        source->filled = fill;
    }
    *at_out = source->data + (offset - source->offset);
    return TDBPLUS_OK;
}

/* Reads the record at `offset`; record_out->kind is 0 when none is intact there. */
static tdbplus_status read_record(struct source *source, uint64_t offset, struct record *record_out,
                                  struct err *err)
{
    *record_out = (struct record){0};
    if (source->size - offset < MANIFEST_RECORD_HEAD_SIZE) {
        return TDBPLUS_OK;
    }
    const uint8_t *at = NULL;
    TRY(source_get(source, offset, MANIFEST_RECORD_HEAD_SIZE, &at, err));
    uint64_t mask = hash_u64(source->key + offset);
    uint32_t head_crc = crc32c((struct span){at + 4, MANIFEST_RECORD_HEAD_SIZE - 4});
    size_t body_size = load_u32(at + 8);
    size_t size = manifest_record_size(body_size);
    if (load_u32(at) != (head_crc ^ (uint32_t)mask) || size > source->size - offset) {
        return TDBPLUS_OK;
    }
    TRY(source_get(source, offset, size, &at, err));
    struct span padded = {at + MANIFEST_RECORD_HEAD_SIZE, size - MANIFEST_RECORD_HEAD_SIZE};
    if (load_u32(at + 4) != (crc32c(padded) ^ (uint32_t)(mask >> 32)) &&
        !planted(PLANT_MANIFEST_UNCHECKED)) {
        return TDBPLUS_OK;
    }
    record_out->kind = load_u32(at + 12);
    record_out->body = (struct span){padded.data, body_size};
    record_out->end = offset + size;
    return TDBPLUS_OK;
}

static tdbplus_status read_header(struct source *source, uint64_t number, struct err *err)
{
    const uint8_t *at = NULL;
    if (source->size < MANIFEST_FILE_HEADER_SIZE) {
        return err_set(err, TDBPLUS_E_CORRUPT, "manifest: %s: %llu bytes are no manifest",
                       source->path, (unsigned long long)source->size);
    }
    TRY(source_get(source, 0, MANIFEST_FILE_HEADER_SIZE, &at, err));
    if (memcmp(at, file_magic, sizeof file_magic) != 0 ||
        load_u32(at + 8) != crc32c((struct span){at + 12, MANIFEST_FILE_HEADER_SIZE - 12})) {
        return err_set(err, TDBPLUS_E_CORRUPT, "manifest: %s: the header (offset 0) is damaged",
                       source->path);
    }
    if (load_u32(at + 12) > MANIFEST_FORMAT_VERSION) {
        return err_set(err, TDBPLUS_E_VERSION,
                       "manifest: %s: format version %u; this release reads %u", source->path,
                       load_u32(at + 12), MANIFEST_FORMAT_VERSION);
    }
    if (load_u32(at + 12) == 0 || load_u64(at + 24) != number) {
        return err_set(err, TDBPLUS_E_CORRUPT, "manifest: %s: the header names another file",
                       source->path);
    }
    source->key = hash_u64(load_u64(at + 16));
    return TDBPLUS_OK;
}

static tdbplus_status apply_record(struct source *source, const struct record *record,
                                   uint64_t offset, struct err *err)
{
    struct manifest *manifest = source->manifest;
    struct list undo;
    list_init(&undo, manifest->alloc, sizeof(struct manifest_undo));
    struct err reason = {0};
    tdbplus_status status = manifest_table_apply(&manifest->table, record->body, &undo, &reason);
    manifest_table_commit(&manifest->table, &undo); // After a failure the table is thrown away.
    list_deinit(&undo);
    if (status == TDBPLUS_OK) {
        return TDBPLUS_OK;
    }
    status = status == TDBPLUS_E_LIMIT ? TDBPLUS_E_CORRUPT : status;
    return err_set(err, status, "%s (%s, offset %llu)", reason.text, source->path,
                   (unsigned long long)offset);
}

static tdbplus_status end_snapshot(struct source *source, const struct record *record,
                                   uint64_t offset, struct err *err)
{
    struct reader reader = reader_of(record->body);
    uint64_t count = reader_varint(&reader);
    if (reader.overrun || reader.rest.size > 0 || count != source->manifest->table.count) {
        return err_set(err, TDBPLUS_E_CORRUPT,
                       "manifest: %s, offset %llu: the snapshot counts other entries than it has",
                       source->path, (unsigned long long)offset);
    }
    return TDBPLUS_OK;
}

/* Reads records from `*offset_inout` on while they are intact. */
static tdbplus_status read_records(struct source *source, uint64_t *offset_inout, struct err *err)
{
    struct manifest *manifest = source->manifest;
    bool complete = false;
    for (;;) {
        uint64_t offset = *offset_inout;
        struct record record;
        TRY(read_record(source, offset, &record, err));
        if (record.kind == 0) {
            break;
        }
        bool snapshot =
            record.kind == MANIFEST_RECORD_SNAPSHOT || record.kind == MANIFEST_RECORD_SNAPSHOT_END;
        if (record.kind > MANIFEST_RECORD_SEAL || snapshot == complete) {
            return err_set(err, TDBPLUS_E_CORRUPT,
                           "manifest: %s, offset %llu: a record of kind %u has no place here",
                           source->path, (unsigned long long)offset, record.kind);
        }
        if (record.kind == MANIFEST_RECORD_SNAPSHOT_END) {
            TRY(end_snapshot(source, &record, offset, err));
            complete = true;
            manifest->snapshot_size = record.end;
        } else if (record.kind != MANIFEST_RECORD_SEAL) {
            TRY(apply_record(source, &record, offset, err));
            manifest->statistics.edit_count += record.kind == MANIFEST_RECORD_EDIT ? 1 : 0;
        }
        *offset_inout = record.end;
    }
    if (!complete) {
        return err_set(err, TDBPLUS_E_CORRUPT, "manifest: %s, offset %llu: the snapshot is damaged",
                       source->path, (unsigned long long)*offset_inout);
    }
    return TDBPLUS_OK;
}

/* Decides between a clean end, a torn edit and damage: see the top of the file. */
static tdbplus_status judge_tail(struct source *source, uint64_t end, uint64_t *tail_out,
                                 struct err *err)
{
    uint64_t dirty_end = end;
    for (uint64_t offset = end; source->size - offset >= MANIFEST_ALIGN; offset += MANIFEST_ALIGN) {
        const uint8_t *at = NULL;
        TRY(source_get(source, offset, MANIFEST_ALIGN, &at, err));
        if (load_u64(at) == 0) {
            continue; // No head begins with eight zeros, and an unused tail has nothing else.
        }
        dirty_end = offset + MANIFEST_ALIGN;
        struct record record;
        TRY(read_record(source, offset, &record, err));
        if (record.kind != 0 && !planted(PLANT_MANIFEST_DAMAGE_TAKEN_FOR_TAIL)) {
            tdbplus_status status =
                err_set(err, TDBPLUS_E_CORRUPT,
                        "manifest: %s: the record at offset %llu is damaged, but one at %llu was "
                        "written later",
                        source->path, (unsigned long long)end, (unsigned long long)offset);
            err_hint(err, "restore a backup");
            return status;
        }
    }
    uint64_t rest = (source->size - end) % MANIFEST_ALIGN;
    *tail_out = rest != 0 ? source->size - end : dirty_end - end;
    return TDBPLUS_OK;
}

tdbplus_status manifest_file_read(struct manifest *manifest, uint64_t number, uint64_t *tail_out,
                                  struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(manifest_path(path, manifest->directory, number, false, err));
    tdbplus_status status = TDBPLUS_OK;
    struct source source = {.manifest = manifest, .path = path};
    uint64_t end = MANIFEST_FILE_HEADER_SIZE;
    uint32_t flags = manifest->read_only ? ENV_OPEN_READ : ENV_OPEN_READ | ENV_OPEN_WRITE;
    TRY_OR(done, env_open(manifest->env, path, flags, &source.file, err));
    TRY_OR(done, env_size(manifest->env, source.file, &source.size, err));
    TRY_OR(done, read_header(&source, number, err));
    TRY_OR(done, read_records(&source, &end, err));
    TRY_OR(done, judge_tail(&source, end, tail_out, err));
    TRY_OR(done, manifest_proof_check(manifest, number, source.key, end, err));
    manifest->file = source.file;
    manifest->number = number;
    manifest->key = source.key;
    manifest->end = end;
    manifest->reserved = source.size;
    source.file = NULL;

done:
    env_close(manifest->env, source.file);
    alloc_free(manifest->alloc, source.data, source.capacity, 1);
    return status;
}

/* ---- what is left of a damaged file ---- */

/* Finds the next intact record at or behind `offset`; record_out->kind is 0 when there is none.
 * *dirty_end_out is behind the last byte on the way that is not zero. */
static tdbplus_status find_record(struct source *source, uint64_t *offset_inout,
                                  struct record *record_out, uint64_t *dirty_end_out,
                                  struct err *err)
{
    uint64_t offset = *offset_inout;
    *record_out = (struct record){0};
    *dirty_end_out = offset;
    for (; source->size - offset >= MANIFEST_ALIGN; offset += MANIFEST_ALIGN) {
        const uint8_t *at = NULL;
        TRY(source_get(source, offset, MANIFEST_ALIGN, &at, err));
        if (load_u64(at) == 0) {
            continue;
        }
        TRY(read_record(source, offset, record_out, err));
        if (record_out->kind != 0) {
            break;
        }
        *dirty_end_out = offset + MANIFEST_ALIGN;
    }
    *offset_inout = offset;
    return TDBPLUS_OK;
}

tdbplus_status manifest_file_salvage(struct manifest *manifest, uint64_t number,
                                     void (*damage)(void *ctx, const char *path, uint64_t offset,
                                                    uint64_t size),
                                     void *damage_ctx, struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(manifest_path(path, manifest->directory, number, false, err));
    tdbplus_status status = TDBPLUS_OK;
    struct source source = {.manifest = manifest, .path = path};
    TRY_OR(done, env_open(manifest->env, path, ENV_OPEN_READ, &source.file, err));
    TRY_OR(done, env_size(manifest->env, source.file, &source.size, err));
    TRY_OR(done, read_header(&source, number, err));
    for (uint64_t offset = MANIFEST_FILE_HEADER_SIZE;;) {
        uint64_t found = offset;
        uint64_t dirty_end = 0;
        struct record record;
        TRY_OR(done, find_record(&source, &found, &record, &dirty_end, err));
        uint64_t lost_end = record.kind != 0 ? found : dirty_end;
        if (lost_end > offset) {
            damage(damage_ctx, path, offset, lost_end - offset);
        }
        if (record.kind == 0) {
            break;
        }
        if (record.kind == MANIFEST_RECORD_SNAPSHOT || record.kind == MANIFEST_RECORD_EDIT) {
            status = apply_record(&source, &record, found, err);
            if (status == TDBPLUS_E_CORRUPT) {
                damage(damage_ctx, path, found, record.end - found);
                err_clear(err);
                status = TDBPLUS_OK;
            }
            TRY_OR(done, status);
        }
        offset = record.end;
    }

done:
    env_close(manifest->env, source.file);
    alloc_free(manifest->alloc, source.data, source.capacity, 1);
    return status;
}
