/*
 * The manifest as its users see it: opening, committing, turning over to a new file.
 */

#include "base/plant.h"
#include "storage/manifest/manifest_internal.h"

#define ROTATE_SIZE_DEFAULT ((size_t)1 << 20)

/* ---- edits ---- */

void manifest_edit_init(struct manifest_edit *edit, const struct alloc *alloc)
{
    *edit = (struct manifest_edit){0};
    buffer_init(&edit->body, alloc);
}

void manifest_edit_deinit(struct manifest_edit *edit)
{
    buffer_deinit(&edit->body);
    edit->change_count = 0;
}

void manifest_edit_put(struct manifest_edit *edit, uint8_t kind, uint64_t id, struct span value)
{
    buffer_put_u8(&edit->body, MANIFEST_CHANGE_PUT);
    buffer_put_u8(&edit->body, kind);
    buffer_put_varint(&edit->body, id);
    buffer_put_sized(&edit->body, value);
    edit->change_count++;
}

void manifest_edit_remove(struct manifest_edit *edit, uint8_t kind, uint64_t id)
{
    buffer_put_u8(&edit->body, MANIFEST_CHANGE_REMOVE);
    buffer_put_u8(&edit->body, kind);
    buffer_put_varint(&edit->body, id);
    edit->change_count++;
}

/* ---- making and closing ---- */

static void destroy(struct manifest *manifest)
{
    if (manifest == NULL) {
        return;
    }
    env_close(manifest->env, manifest->file);
    manifest_table_deinit(&manifest->table);
    alloc_free(manifest->alloc, manifest, 1, sizeof *manifest);
}

static tdbplus_status create(const struct manifest_options *options, struct manifest **manifest_out,
                             struct err *err)
{
    if (strlen(options->directory) >= ENV_PATH_SIZE_MAX - ENV_NAME_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "manifest: the path of the directory is too long");
    }
    struct manifest *manifest = alloc_array(options->alloc, 1, sizeof *manifest);
    if (manifest == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "manifest: the manifest itself");
    }
    manifest->env = options->env;
    manifest->alloc = options->alloc;
    memcpy(manifest->directory, options->directory, strlen(options->directory) + 1);
    manifest->rotate_size = options->rotate_size == 0 ? ROTATE_SIZE_DEFAULT : options->rotate_size;
    manifest->read_only = options->read_only;
    manifest_table_init(&manifest->table, options->alloc);
    *manifest_out = manifest;
    return TDBPLUS_OK;
}

static void note_rotation(struct manifest *manifest)
{
    uint64_t edits = manifest->snapshot_size > manifest->rotate_size ? manifest->snapshot_size
                                                                     : manifest->rotate_size;
    manifest->rotate_at = manifest->snapshot_size + edits;
}

static void take_file(struct manifest *manifest, uint64_t number,
                      const struct manifest_written *written)
{
    env_close(manifest->env, manifest->file);
    manifest->file = written->file;
    manifest->number = number;
    manifest->key = written->key;
    manifest->end = written->end;
    manifest->reserved = written->end;
    manifest->snapshot_size = written->end;
    manifest->unsealed = false;
    manifest->statistics.written_bytes += written->end;
    manifest->statistics.file_count++;
    note_rotation(manifest);
}

tdbplus_status manifest_create(const struct manifest_options *options,
                               struct manifest **manifest_out, struct err *err)
{
    if (options->read_only) {
        return err_set(err, TDBPLUS_E_READ_ONLY, "manifest: opened read-only");
    }
    struct manifest *manifest = NULL;
    TRY(create(options, &manifest, err));

    tdbplus_status status = TDBPLUS_OK;
    struct list numbers;
    struct list temporary;
    struct manifest_written written = {0};
    list_init(&numbers, options->alloc, sizeof(uint64_t));
    list_init(&temporary, options->alloc, sizeof(uint64_t));
    TRY_OR(done, manifest_list(options->env, options->directory, &numbers, &temporary, err));
    if (numbers.count > 0) {
        status = err_set(err, TDBPLUS_E_EXISTS, "manifest: %s has one", options->directory);
        goto done;
    }
    TRY_OR(done, manifest_file_write(manifest, options->directory, 1, &written, err));
    take_file(manifest, 1, &written);
    *manifest_out = manifest;
    manifest = NULL;

done:
    destroy(manifest);
    list_deinit(&numbers);
    list_deinit(&temporary);
    return status;
}

/* Cuts off a torn edit, durably, before anything is written behind it. */
static tdbplus_status cut_tail(struct manifest *manifest, struct err *err)
{
    TRY(env_truncate(manifest->env, manifest->file, manifest->end, err));
    TRY(env_sync(manifest->env, manifest->file, err));
    manifest->reserved = manifest->end;
    return TDBPLUS_OK;
}

static tdbplus_status remove_file(const struct manifest *manifest, uint64_t number, bool temporary,
                                  struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(manifest_path(path, manifest->directory, number, temporary, err));
    return env_unlink(manifest->env, path, err);
}

/* Whatever is not the file in use is what a crash left behind (S6). */
static tdbplus_status remove_others(const struct manifest *manifest, const struct list *numbers,
                                    const struct list *temporary, struct err *err)
{
    for (size_t i = 0; i < temporary->count; i++) {
        TRY(remove_file(manifest, *(uint64_t *)list_at(temporary, i), true, err));
    }
    for (size_t i = 0; i < numbers->count; i++) {
        uint64_t number = *(uint64_t *)list_at(numbers, i);
        if (number != manifest->number) {
            TRY(remove_file(manifest, number, false, err));
        }
    }
    TRY(manifest_proof_sweep(manifest, err));
    // In any case: the process before may have died between naming this file and syncing the name.
    return env_sync_directory(manifest->env, manifest->directory, err);
}

/* Reads the newest file, or the one before it if the newest one's snapshot is damaged: as long as
 * an older file is there, no edit was written into the newer (M2), so both say the same. */
static tdbplus_status read_newest(struct manifest *manifest, const struct list *numbers,
                                  uint64_t *tail_out, struct err *err)
{
    struct err reason = {0};
    for (size_t i = numbers->count; i > 0; i--) {
        struct err failure = {0};
        size_t at = planted(PLANT_MANIFEST_STALE_CHOSEN) ? numbers->count - i : i - 1;
        uint64_t number = *(uint64_t *)list_at(numbers, at);
        manifest->snapshot_size = 0;
        tdbplus_status status = manifest_file_read(manifest, number, tail_out, &failure);
        if (status == TDBPLUS_OK) {
            return TDBPLUS_OK;
        }
        reason = reason.status == TDBPLUS_OK ? failure : reason;
        if (status != TDBPLUS_E_CORRUPT || manifest->snapshot_size != 0) {
            reason = failure;
            break;
        }
        manifest_table_deinit(&manifest->table);
        manifest_table_init(&manifest->table, manifest->alloc);
        manifest->statistics = (struct manifest_statistics){0};
    }
    if (err != NULL && err->status == TDBPLUS_OK) {
        *err = reason;
    }
    return reason.status;
}

tdbplus_status manifest_open(const struct manifest_options *options, struct manifest **manifest_out,
                             struct err *err)
{
    struct manifest *manifest = NULL;
    TRY(create(options, &manifest, err));

    tdbplus_status status = TDBPLUS_OK;
    uint64_t tail = 0;
    struct list numbers;
    struct list temporary;
    list_init(&numbers, options->alloc, sizeof(uint64_t));
    list_init(&temporary, options->alloc, sizeof(uint64_t));
    TRY_OR(done, manifest_list(options->env, options->directory, &numbers, &temporary, err));
    if (numbers.count == 0) {
        status = err_set(err, TDBPLUS_E_NOT_FOUND, "manifest: %s has none", options->directory);
        goto done;
    }
    TRY_OR(done, read_newest(manifest, &numbers, &tail, err));
    if (!manifest->read_only) {
        // What was read may be only in the page cache of a process that died before its sync, or of
        // a sync that failed.
        TRY_OR(done,
               env_rewrite(manifest->env, manifest->file, 0, manifest->end, manifest->alloc, err));
        TRY_OR(done,
               tail > 0 ? cut_tail(manifest, err) : env_sync(manifest->env, manifest->file, err));
        TRY_OR(done, remove_others(manifest, &numbers, &temporary, err));
    }
    note_rotation(manifest);
    *manifest_out = manifest;
    manifest = NULL;

done:
    destroy(manifest);
    list_deinit(&numbers);
    list_deinit(&temporary);
    return status;
}

tdbplus_status manifest_salvage(const struct manifest_options *options,
                                void (*damage)(void *ctx, const char *path, uint64_t offset,
                                               uint64_t size),
                                void *damage_ctx, struct manifest **manifest_out, struct err *err)
{
    struct manifest *manifest = NULL;
    TRY(create(options, &manifest, err));
    manifest->read_only = true;
    tdbplus_status status = TDBPLUS_OK;
    struct list numbers;
    struct list temporary;
    list_init(&numbers, options->alloc, sizeof(uint64_t));
    list_init(&temporary, options->alloc, sizeof(uint64_t));
    TRY_OR(done, manifest_list(options->env, options->directory, &numbers, &temporary, err));
    status = TDBPLUS_E_CORRUPT;
    for (size_t i = numbers.count; i > 0 && status == TDBPLUS_E_CORRUPT; i--) {
        uint64_t number = *(uint64_t *)list_at(&numbers, i - 1);
        struct err reason = {0};
        status = manifest_file_salvage(manifest, number, damage, damage_ctx, &reason);
        char path[ENV_PATH_SIZE_MAX];
        if (status == TDBPLUS_E_CORRUPT &&
            manifest_path(path, options->directory, number, false, NULL) == TDBPLUS_OK) {
            damage(damage_ctx, path, 0, MANIFEST_FILE_HEADER_SIZE);
        } else if (status != TDBPLUS_OK) {
            status = err_set(err, status, "%s", reason.text);
        }
    }
    if (status == TDBPLUS_E_CORRUPT) {
        status = err_set(err, TDBPLUS_E_NOT_FOUND, "manifest: %s has none that can be read",
                         options->directory);
    }
    if (status == TDBPLUS_OK) {
        *manifest_out = manifest;
        manifest = NULL;
    }

done:
    destroy(manifest);
    list_deinit(&numbers);
    list_deinit(&temporary);
    return status;
}

/* ---- committing ---- */

static tdbplus_status stopped_error(const struct manifest *manifest, struct err *err)
{
    tdbplus_status status =
        err_set(err, TDBPLUS_E_STOPPED, "manifest: stopped after a failed write or sync");
    err_detail(err, "%s", manifest->stop_text);
    return status;
}

static void stop(struct manifest *manifest, const struct err *why)
{
    memcpy(manifest->stop_text, why->text, sizeof manifest->stop_text);
    manifest->stopped = true;
}

/* A failure here has written nothing of the edit, so the manifest lives on. */
static tdbplus_status reserve(struct manifest *manifest, size_t size, struct err *err)
{
    uint64_t end = manifest->end + size;
    if (end <= manifest->reserved) {
        return TDBPLUS_OK;
    }
    uint64_t step = MANIFEST_RESERVE_STEP;
    uint64_t reserved = (end + step - 1) / step * step;
    TRY(env_allocate(manifest->env, manifest->file, reserved, err));
    manifest->reserved = reserved;
    return TDBPLUS_OK;
}

static tdbplus_status write_record(struct manifest *manifest, const uint8_t *record, size_t size,
                                   struct err *err)
{
    struct err reason = {0};
    tdbplus_status status =
        env_write(manifest->env, manifest->file, manifest->end, record, size, &reason);
    if (status == TDBPLUS_OK && !planted(PLANT_MANIFEST_SYNC_SKIPPED)) {
        status = env_sync(manifest->env, manifest->file, &reason);
    }
    if (status != TDBPLUS_OK) {
        stop(manifest, &reason);
        return err_set(err, status, "%s", reason.text);
    }
    manifest->end += size;
    manifest->statistics.written_bytes += size;
    return TDBPLUS_OK;
}

/* Begins a new file with a snapshot. The edit before it is durable already, so a failure is not
 * the caller's: the old file goes on, and a later commit tries again. Only if nobody can tell
 * which of the two a restart would find, the manifest stops. */
static void rotate(struct manifest *manifest)
{
    uint64_t number = manifest->number + 1;
    struct err reason = {0};
    struct manifest_written written = {0};
    tdbplus_status status =
        manifest_file_write(manifest, manifest->directory, number, &written, &reason);
    if (status == TDBPLUS_OK) {
        manifest->stale_number = manifest->number;
        take_file(manifest, number, &written);
        return;
    }
    manifest->rotate_at = manifest->end + manifest->rotate_size;
    tdbplus_status synced = env_sync_directory(manifest->env, manifest->directory, NULL);
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *left = NULL;
    tdbplus_status found = manifest_path(path, manifest->directory, number, false, NULL);
    if (found == TDBPLUS_OK) {
        found = env_open(manifest->env, path, ENV_OPEN_READ, &left, NULL);
    }
    env_close(manifest->env, left);
    if (synced != TDBPLUS_OK || found != TDBPLUS_E_NOT_FOUND) {
        stop(manifest, &reason);
    }
}

/* Removes the file before this one. Until that is durable no edit may be written (M2). */
static tdbplus_status remove_stale(struct manifest *manifest, struct err *err)
{
    if (manifest->stale_number == 0 || planted(PLANT_MANIFEST_STALE_CHOSEN)) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = remove_file(manifest, manifest->stale_number, false, err);
    if (status == TDBPLUS_E_NOT_FOUND) {
        err_clear(err);
        status = TDBPLUS_OK;
    }
    TRY(status);
    TRY(env_sync_directory(manifest->env, manifest->directory, err));
    manifest->stale_number = 0;
    return TDBPLUS_OK;
}

static tdbplus_status check_edit(const struct manifest *manifest, const struct manifest_edit *edit,
                                 struct err *err)
{
    if (manifest->read_only) {
        return err_set(err, TDBPLUS_E_READ_ONLY, "manifest: opened read-only");
    }
    if (manifest->stopped) {
        return stopped_error(manifest, err);
    }
    if (edit->body.failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "manifest: an edit of %u changes", edit->change_count);
    }
    if (edit->body.size > MANIFEST_EDIT_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "manifest: an edit of %zu bytes; at most %zu fit",
                       edit->body.size, MANIFEST_EDIT_SIZE_MAX);
    }
    return TDBPLUS_OK;
}

void manifest_cancel(struct manifest *manifest, struct manifest_pending *pending)
{
    if (pending->record == NULL) {
        return;
    }
    manifest_table_abort(&manifest->table, &pending->undo);
    list_deinit(&pending->undo);
    alloc_free(manifest->alloc, pending->record, pending->record_size, 1);
    *pending = (struct manifest_pending){0};
}

tdbplus_status manifest_prepare(struct manifest *manifest, const struct manifest_edit *edit,
                                struct manifest_pending *pending_out, struct err *err)
{
    TRY(check_edit(manifest, edit, err));
    TRY(remove_stale(manifest, err));
    size_t size = manifest_record_size(edit->body.size);
    TRY(reserve(manifest, size, err));
    struct manifest_pending pending = {.record_size = size, .body_size = edit->body.size};
    pending.record = alloc_raw(manifest->alloc, size);
    if (pending.record == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "manifest: an edit of %zu bytes", size);
    }
    list_init(&pending.undo, manifest->alloc, sizeof(struct manifest_undo));
    memcpy(pending.record + MANIFEST_RECORD_HEAD_SIZE, edit->body.data, edit->body.size);
    tdbplus_status status =
        manifest_table_apply(&manifest->table, buffer_span(&edit->body), &pending.undo, err);
    if (status != TDBPLUS_OK) {
        manifest_cancel(manifest, &pending);
        return status;
    }
    *pending_out = pending;
    return TDBPLUS_OK;
}

void manifest_pending_set(struct manifest *manifest, struct manifest_pending *pending, uint8_t kind,
                          uint64_t id, struct span value)
{
    struct reader reader =
        reader_of((struct span){pending->record + MANIFEST_RECORD_HEAD_SIZE, pending->body_size});
    struct manifest_entry *entry = manifest_table_find(&manifest->table, kind, id);
    ASSERT(entry != NULL);
    ASSERT(entry->present);
    ASSERT(entry->size == value.size);
    memcpy(entry->value, value.data, value.size);
    while (reader.rest.size > 0) {
        struct manifest_change change = {0};
        tdbplus_status status = manifest_change_decode(&reader, &change, NULL);
        ASSERT(status == TDBPLUS_OK); // Our own edit.
        if (change.change == MANIFEST_CHANGE_PUT && change.kind == kind && change.id == id) {
            ASSERT(change.value.size == value.size);
            memcpy(pending->record + (size_t)(change.value.data - pending->record), value.data,
                   value.size);
        }
    }
}

tdbplus_status manifest_finish(struct manifest *manifest, struct manifest_pending *pending,
                               struct err *err)
{
    manifest_record_seal(pending->record, MANIFEST_RECORD_EDIT, pending->body_size, manifest->key,
                         manifest->end);
    tdbplus_status status = write_record(manifest, pending->record, pending->record_size, err);
    if (status == TDBPLUS_OK) {
        manifest_table_commit(&manifest->table, &pending->undo);
        manifest->statistics.edit_count++;
        manifest->unsealed = true;
        if (manifest->end > manifest->rotate_at) {
            rotate(manifest);
        }
    }
    manifest_cancel(manifest, pending);
    return status;
}

tdbplus_status manifest_commit(struct manifest *manifest, const struct manifest_edit *edit,
                               struct err *err)
{
    TRY(check_edit(manifest, edit, err));
    if (edit->body.size == 0) {
        return TDBPLUS_OK;
    }
    struct manifest_pending pending = {0};
    TRY(manifest_prepare(manifest, edit, &pending, err));
    return manifest_finish(manifest, &pending, err);
}

/* Writes the record that proves the last edit (M4). Nobody can be told of a failure, and nothing
 * is lost by one. */
static void seal(struct manifest *manifest)
{
    uint8_t record[MANIFEST_RECORD_HEAD_SIZE];
    uint64_t end = manifest->end;
    manifest_record_seal(record, MANIFEST_RECORD_SEAL, 0, manifest->key, manifest->end);
    tdbplus_status status = reserve(manifest, sizeof record, NULL);
    if (status == TDBPLUS_OK) {
        status = write_record(manifest, record, sizeof record, NULL);
    }
    if (status == TDBPLUS_OK) {
        manifest_proof_note(manifest, end); // Rot in the seal alone is nobody's loss.
    }
}

void manifest_close(struct manifest *manifest)
{
    if (manifest == NULL) {
        return;
    }
    if (!manifest->read_only && !manifest->stopped) {
        tdbplus_status status = remove_stale(manifest, NULL);
        if (status == TDBPLUS_OK && manifest->unsealed) {
            seal(manifest);
        }
    }
    destroy(manifest);
}

/* ---- reading ---- */

bool manifest_get(const struct manifest *manifest, uint8_t kind, uint64_t id,
                  struct span *value_out)
{
    const struct manifest_entry *entry = manifest_table_find(&manifest->table, kind, id);
    if (entry == NULL || !entry->present) {
        return false;
    }
    *value_out = (struct span){entry->value, entry->size};
    return true;
}

bool manifest_next(const struct manifest *manifest, uint8_t kind, uint64_t *id_inout,
                   struct span *value_out)
{
    const struct manifest_entry *entry = manifest_table_seek(&manifest->table, kind, *id_inout);
    if (entry == NULL || entry->kind != kind) {
        return false;
    }
    *id_inout = entry->id;
    *value_out = (struct span){entry->value, entry->size};
    return true;
}

tdbplus_status manifest_copy(const struct manifest *manifest, const char *directory,
                             struct err *err)
{
    struct manifest_written written = {0};
    TRY(manifest_file_write(manifest, directory, 1, &written, err));
    env_close(manifest->env, written.file);
    return TDBPLUS_OK;
}

void manifest_get_statistics(const struct manifest *manifest,
                             struct manifest_statistics *statistics_out)
{
    *statistics_out = manifest->statistics;
    statistics_out->entry_count = manifest->table.count;
}
