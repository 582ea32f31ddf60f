/* Opening, sharing and reading value files. */

#include "storage/segment/value_file.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/plant.h"
#include "storage/segment/segment.h"

/* A page that would take more than this share of the cache is read past it. */
#define CACHE_SHARE 32u

/* The files that are open in one database. */
struct value_files {
    const struct alloc *alloc;
    struct latch latch;
    struct value_file *first;
};

tdbplus_status value_files_create(const struct alloc *alloc, struct value_files **files_out,
                                  struct err *err)
{
    struct value_files *files = alloc_array(alloc, 1, sizeof *files);
    if (files == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "value files: no memory for their list");
    }
    files->alloc = alloc;
    *files_out = files;
    return TDBPLUS_OK;
}

void value_files_destroy(struct value_files *files)
{
    if (files == NULL) {
        return;
    }
    ASSERT(files->first == NULL);
    alloc_free(files->alloc, files, 1, sizeof *files);
}

tdbplus_status value_file_path(const char *segment_path, uint64_t id, char path[ENV_PATH_SIZE_MAX],
                               struct err *err)
{
    const char *slash = strrchr(segment_path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - segment_path) + 1;
    int length =
        snprintf(path, ENV_PATH_SIZE_MAX, "%.*svalues-%016" PRIx64, (int)size, segment_path, id);
    return length < 0 || length >= (int)ENV_PATH_SIZE_MAX
               ? err_set(err, TDBPLUS_E_LIMIT, "segment: the path is too long")
               : TDBPLUS_OK;
}

/* ---- opening ---- */

static tdbplus_status corrupt(const struct value_file *file, const char *what, struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: %s", file->path, what);
}

static tdbplus_status read_ends(struct value_file *file, struct err *err)
{
    const struct page_source *source = &file->source;
    TRY(env_size(source->env, source->file, &file->size, err));
    if (file->size < sizeof(struct segment_header) + sizeof(struct value_file_footer) ||
        file->size > SEGMENT_FILE_SIZE_MAX) {
        return corrupt(file, "its size is impossible", err);
    }
    struct segment_header header;
    struct value_file_footer footer;
    TRY(env_read(source->env, source->file, 0, &header, sizeof header, err));
    TRY(env_read(source->env, source->file, file->size - sizeof footer, &footer, sizeof footer,
                 err));
    file->footer = footer;
    footer.crc = 0;
    if (header.magic != VALUE_FILE_MAGIC || footer.magic != VALUE_FILE_FOOTER_MAGIC ||
        header.crc !=
            crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)}) ||
        file->footer.crc != crc32c((struct span){(const uint8_t *)&footer, sizeof footer})) {
        return corrupt(file, "it has no valid header and footer", err);
    }
    if (footer.version > VALUE_FILE_VERSION || header.version > VALUE_FILE_VERSION) {
        return err_set(err, TDBPLUS_E_VERSION,
                       "segment: %s: format %u; this release reads up to %u", file->path,
                       footer.version, VALUE_FILE_VERSION);
    }
    uint64_t directory = (uint64_t)footer.page_count * sizeof(struct value_page);
    uint64_t room = file->size - sizeof header - sizeof footer;
    if (header.segment_id != file->id || footer.file_id != file->id) {
        return corrupt(file, "it is another file", err);
    }
    if (footer.page_count == 0 || footer.page_count > VALUE_FILE_PAGES_MAX || directory > room ||
        footer.directory_offset != file->size - sizeof footer - directory) {
        return corrupt(file, "the footer is impossible", err);
    }
    return TDBPLUS_OK;
}

/* Could a page be what its entry says? */
static bool check_entry(const struct value_file *file, const struct value_page *entry)
{
    uint64_t end = file->footer.directory_offset;
    return entry->offset >= sizeof(struct segment_header) && entry->offset <= end &&
           entry->stored_size <= end - entry->offset &&
           entry->stored_size > sizeof(struct page_header) &&
           entry->stored_size <= PAGE_RAW_SIZE_MAX && entry->raw_size <= PAGE_RAW_SIZE_MAX &&
           entry->row_count > 0 && entry->row_count <= SEGMENT_PAGE_ROW_MAX &&
           entry->value_size % sizeof(float) == 0 &&
           entry->value_size <= VECTOR_DIMENSION_MAX * sizeof(float) && entry->zero == 0;
}

static tdbplus_status read_directory(struct value_file *file, struct err *err)
{
    uint32_t count = file->footer.page_count;
    file->pages = alloc_array(file->alloc, count, sizeof *file->pages);
    file->slots = alloc_array(file->alloc, count, sizeof *file->slots);
    if (file->pages == NULL || file->slots == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: %s: no memory for %u pages", file->path,
                       count);
    }
    size_t size = count * sizeof *file->pages;
    TRY(env_read(file->source.env, file->source.file, file->footer.directory_offset, file->pages,
                 size, err));
    if (crc32c((struct span){(const uint8_t *)file->pages, size}) != file->footer.directory_crc) {
        return corrupt(file, "the directory's checksum does not hold", err);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!check_entry(file, &file->pages[i])) {
            return corrupt(file, "the directory is impossible", err);
        }
    }
    return TDBPLUS_OK;
}

static void close_file(struct value_file *file, bool keep)
{
    uint32_t count = file->footer.page_count;
    if (file->slots != NULL) {
        page_cache_drop(file->cache, file->slots, count);
    }
    alloc_free(file->alloc, file->pages, count, sizeof *file->pages);
    alloc_free(file->alloc, file->slots, count, sizeof *file->slots);
    env_close(file->source.env, file->source.file);
    if (!keep) {
        // A failure leaves a file that no manifest names; the next open sweeps it.
        (void)!env_unlink(file->source.env, file->path, NULL);
    }
    alloc_free(file->alloc, file, 1, sizeof *file);
}

static tdbplus_status open_file(const struct value_file_options *options, uint64_t id,
                                struct value_file **file_out, struct err *err)
{
    struct value_file *file = alloc_array(options->alloc, 1, sizeof *file);
    if (file == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to open value file %llu",
                       (unsigned long long)id);
    }
    file->cache = options->cache;
    file->epoch = page_cache_epoch(options->cache);
    file->alloc = options->alloc;
    file->files = options->files;
    file->ref_count = 1;
    file->id = id;
    file->source = (struct page_source){.env = options->env,
                                        .path = file->path,
                                        .segment_id = id,
                                        .cache_id = page_cache_new_id(options->cache)};
    struct err why = {0};
    tdbplus_status status = value_file_path(options->segment_path, id, file->path, &why);
    if (status == TDBPLUS_OK) {
        status = env_open(options->env, file->path, ENV_OPEN_READ, &file->source.file, &why);
    }
    if (status == TDBPLUS_E_NOT_FOUND) {
        // A segment that refers to it is there.
        status = err_set(err, TDBPLUS_E_CORRUPT, "%s is missing", file->path);
    } else if (status != TDBPLUS_OK) {
        status = err_set(err, status, "%s", why.text);
    } else {
        status = read_ends(file, err);
    }
    if (status == TDBPLUS_OK) {
        status = read_directory(file, err);
    }
    if (status != TDBPLUS_OK) {
        close_file(file, true);
        return status;
    }
    *file_out = file;
    return TDBPLUS_OK;
}

/* ---- sharing ---- */

/* Under the latch. */
static struct value_file *find_file(const struct value_files *files, uint64_t id)
{
    struct value_file *file = files->first;
    while (file != NULL && file->id != id) {
        file = file->next;
    }
    return file;
}

static struct value_file *share_file(struct value_files *files, uint64_t id,
                                     struct value_file *opened)
{
    if (files == NULL) {
        return opened;
    }
    latch_lock(&files->latch);
    struct value_file *file = find_file(files, id);
    if (file != NULL) {
        file->ref_count++;
    } else if (opened != NULL) {
        opened->next = files->first;
        files->first = opened;
        file = opened;
    }
    latch_unlock(&files->latch);
    return file;
}

tdbplus_status value_file_acquire(const struct value_file_options *options, uint64_t id,
                                  uint32_t footer_crc, struct value_file **file_out,
                                  struct err *err)
{
    struct value_file *file = share_file(options->files, id, NULL);
    if (file == NULL) {
        struct value_file *opened = NULL;
        TRY(open_file(options, id, &opened, err));
        file = share_file(options->files, id, opened);
        if (file != opened) {
            close_file(opened, true); // Another one was faster.
        }
    }
    if (file->footer.crc != footer_crc) {
        tdbplus_status status = corrupt(file, "not the file that the segment means", err);
        value_file_release(file, true);
        return status;
    }
    *file_out = file;
    return TDBPLUS_OK;
}

void value_file_retain(struct value_file *file)
{
    if (file->files == NULL) {
        file->ref_count++;
        return;
    }
    latch_lock(&file->files->latch);
    file->ref_count++;
    latch_unlock(&file->files->latch);
}

static void unlink_shared(struct value_file *file)
{
    struct value_file **at = &file->files->first;
    while (*at != file) {
        at = &(*at)->next;
    }
    *at = file->next;
}

void value_file_release(struct value_file *file, bool keep)
{
    if (file == NULL) {
        return;
    }
    struct value_files *files = file->files;
    if (files != NULL) {
        latch_lock(&files->latch);
    }
    file->kept = file->kept || keep;
    bool last = --file->ref_count == 0;
    if (!keep && !last && planted(PLANT_VALUES_UNLINKED_NAMED)) {
        (void)!env_unlink(file->source.env, file->path, NULL);
    }
    if (last && files != NULL) {
        unlink_shared(file);
    }
    if (files != NULL) {
        latch_unlock(&files->latch);
    }
    if (last) {
        close_file(file, file->kept);
    }
}

/* ---- reading ---- */

bool value_file_has(const struct value_file *file, struct value_place place, uint32_t value_size)
{
    return place.page < file->footer.page_count && place.row < file->pages[place.page].row_count &&
           file->pages[place.page].value_size == value_size;
}

static struct page_request request_of(struct value_file *file, uint32_t number)
{
    const struct value_page *entry = &file->pages[number];
    struct type type = type_of(TYPE_BYTEA);
    if (entry->value_size != 0) {
        type = type_of(TYPE_VECTOR);
        type.parameter = entry->value_size / (uint32_t)sizeof(float);
    }
    return (struct page_request){.slot = &file->slots[number],
                                 .offset = entry->offset,
                                 .stored_size = entry->stored_size,
                                 .page_index = number,
                                 .place = page_place(UINT32_MAX, number),
                                 .row_count = entry->row_count,
                                 .type = type};
}

/* Pages beyond a share of the cache would push out thousands of others: they are read past it. */
static bool is_large(const struct value_file *file, uint32_t number)
{
    return file->pages[number].raw_size > page_cache_capacity(file->cache) / CACHE_SHARE;
}

tdbplus_status value_file_load(struct value_file *file, const uint32_t *numbers, uint32_t count,
                               struct page **pages_out, struct err *err)
{
    ASSERT(count <= PAGE_LOAD_COUNT_MAX);
    struct page_request requests[PAGE_LOAD_COUNT_MAX];
    struct page *loaded[PAGE_LOAD_COUNT_MAX];
    uint32_t small = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_large(file, numbers[i])) {
            requests[small++] = request_of(file, numbers[i]);
        }
    }
    if (small > 0) {
        TRY(page_cache_load(file->cache, &file->source, requests, small, loaded, err));
    }
    tdbplus_status status = TDBPLUS_OK;
    uint32_t done = 0;
    uint32_t next = 0;
    for (; done < count && status == TDBPLUS_OK; done++) {
        struct page_request request = request_of(file, numbers[done]);
        if (!is_large(file, numbers[done])) {
            pages_out[done] = loaded[next++];
        } else {
            status =
                page_cache_read_past(file->cache, &file->source, &request, &pages_out[done], err);
        }
    }
    if (status == TDBPLUS_OK) {
        return status;
    }
    for (uint32_t i = 0; i + 1 < done; i++) {
        page_release(pages_out[i]);
    }
    while (next < small) {
        page_release(loaded[next++]);
    }
    return status;
}

/* ---- checking ---- */

static tdbplus_status verify_page(struct value_file *file, uint32_t number, uint64_t *value_bytes,
                                  struct err *err)
{
    struct page_request request = request_of(file, number);
    struct page *page = NULL;
    TRY(page_cache_read_past(file->cache, &file->source, &request, &page, err));
    for (uint32_t i = 0; i < page->row_count; i++) {
        *value_bytes += page_bytes(page, i).size;
    }
    bool good = page->validity == NULL &&
                page->memory_size == PAGE_MEMORY_SIZE(file->pages[number].raw_size);
    page_release(page);
    return good ? TDBPLUS_OK : corrupt(file, "a page is not what the directory says", err);
}

tdbplus_status value_file_verify(struct value_file *file, const struct call *call)
{
    uint64_t value_count = 0;
    uint64_t value_bytes = 0;
    for (uint32_t i = 0; i < file->footer.page_count; i++) {
        TRY(env_check_call(file->source.env, call));
        TRY(verify_page(file, i, &value_bytes, call->err));
        value_count += file->pages[i].row_count;
    }
    if (value_count != file->footer.value_count || value_bytes != file->footer.value_bytes) {
        return corrupt(file, "its counts do not hold", call->err);
    }
    return TDBPLUS_OK;
}
