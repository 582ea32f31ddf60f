#pragma once

/*
 * value file: large values of the rows of segments, in pages that are compressed, checksummed and
 * addressable one by one.
 *
 * A value is written once, beside the segment that its row is first written to; segments that come
 * from merging that one refer to it instead of copying it. A file is never changed (G10-G12 in
 * README.md). Its name is "values-" and its id in 16 hexadecimal digits, in the directory of the
 * segments; the id is that of the segment it was written with.
 *
 * Threads: an open file is read-only; everything may be called at once.
 */

#include "base/epoch.h"
#include "os/latch.h"
#include "storage/segment/page_cache_internal.h"

struct value_files;

/* What is needed to open one. `files` may be NULL: then the file is opened for this user alone. */
struct value_file_options {
    const struct env *env;
    const struct alloc *alloc;
    struct page_cache *cache;
    struct value_files *files;
    const char *segment_path; /* Of the segment; the file lies beside it. */
};

/* An open file, shared by those who refer to it. */
struct value_file {
    struct page_source source;
    struct page_cache *cache;
    struct epoch *epoch;
    const struct alloc *alloc;
    struct value_files *files; /* Where others find it; NULL: nowhere. */
    struct value_file *next;   /* There. */
    uint64_t ref_count;        /* Under the latch of `files`, or its one user's. */
    uint64_t id;
    uint64_t size;
    bool kept; /* Like `ref_count`: the last user leaves the file where it is. */
    struct value_file_footer footer;
    struct value_page *pages;
    page_slot *slots;
    char path[ENV_PATH_SIZE_MAX];
};

/* Where a value lies, taken apart. */
struct value_place {
    uint32_t file; /* In a list that the context knows. */
    uint32_t page;
    uint32_t row;
};

static inline struct value_place value_place_of(uint64_t place)
{
    return (struct value_place){
        .file = (uint32_t)(place >> VALUE_PLACE_FILE_SHIFT),
        .page = (uint32_t)(place >> VALUE_PLACE_ROW_BITS),
        .row = (uint32_t)(place & ((1u << VALUE_PLACE_ROW_BITS) - 1)),
    };
}

static inline uint64_t value_place_make(uint32_t file, uint32_t page, uint32_t row)
{
    return (uint64_t)file << VALUE_PLACE_FILE_SHIFT | (uint64_t)page << VALUE_PLACE_ROW_BITS | row;
}

/* The same value, its file being number `file` of another list. */
static inline uint64_t value_place_move(uint64_t place, uint32_t file)
{
    uint64_t mask = ((uint64_t)1 << VALUE_PLACE_FILE_SHIFT) - 1;
    return (place & mask) | (uint64_t)file << VALUE_PLACE_FILE_SHIFT;
}

/* The path of the value file `id` beside the segment at `segment_path`. */
TDBPLUS_CHECKED tdbplus_status value_file_path(const char *segment_path, uint64_t id,
                                               char path[ENV_PATH_SIZE_MAX], struct err *err);

/*
 * Opens the file or finds it open; checks header, footer and directory. [waits] The caller holds
 * one reference, which value_file_release() takes back.
 *
 *   TDBPLUS_E_CORRUPT  damaged, missing, or not the file that `footer_crc` belongs to
 *   TDBPLUS_E_VERSION  a newer format
 */
TDBPLUS_CHECKED tdbplus_status value_file_acquire(const struct value_file_options *options,
                                                  uint64_t id, uint32_t footer_crc,
                                                  struct value_file **file_out, struct err *err);

/* One more reference to a file that the caller holds. */
void value_file_retain(struct value_file *file);

/*
 * With `keep` the file stays in the directory when its last user lets go; it is removed then if
 * nobody ever asked to keep it. [waits] NULL is fine.
 */
void value_file_release(struct value_file *file, bool keep);

/* The last `count` pages asked for, pinned. [waits] On failure nothing is pinned. `numbers` were
 * checked with value_file_has(). */
TDBPLUS_CHECKED tdbplus_status value_file_load(struct value_file *file, const uint32_t *numbers,
                                               uint32_t count, struct page **pages_out,
                                               struct err *err);

/* Is there a value of that size (0: variable) at the place? */
bool value_file_has(const struct value_file *file, struct value_place place, uint32_t value_size);

/* Reads and checks every page. [waits] */
TDBPLUS_CHECKED tdbplus_status value_file_verify(struct value_file *file, const struct call *call);
