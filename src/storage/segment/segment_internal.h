#pragma once

/* An open segment, shared by the files of the reading side. */

#include <string.h>

#include "index/learned/pkindex.h"
#include "storage/segment/page_cache_internal.h"
#include "storage/segment/segment.h"
#include "storage/segment/shred.h"
#include "storage/segment/value_file.h"

struct segment_column {
    struct type type;
    uint32_t value_size; /* Bytes of a fixed-size value; 0: variable. */
};

struct segment {
    struct page_cache *cache;
    struct epoch *epoch;
    struct pkindex *index;
    page_slot *slots;                   /* page_count of them. */
    const struct segment_chunk *chunks; /* group_count * column_count; in `metadata`. */
    uint32_t column_count;              /* With begin timestamps and document paths. */
    uint32_t group_count;
    uint64_t row_count;
    bool is_integer_key;
    bool is_bytes_key;   /* One text or bytea column: the key is its bytes. */
    uint32_t key_column; /* Position of the first key column. */
    int32_t begin_column;
    struct span prefix; /* Of every key; codes are taken behind it. */
    struct segment_column *columns;
    const struct segment_zone_entry *zones; /* A page; in `metadata`. */
    const uint64_t *offsets;
    const uint32_t *sizes;
    uint32_t page_count;
    struct schema *schema; /* As the file has it. */
    struct span key_min;
    struct span key_max;
    struct value_file **values; /* value_count of them; references name them by number. */
    const struct segment_value_file *value_uses; /* Likewise; in `metadata`. */
    uint32_t value_count;
    struct shred_plan plan; /* Of documents; */
    uint32_t path_column;   /* the column of its first path. */
    struct page_source source;
    const struct alloc *alloc;
    struct segment_footer footer;
    uint64_t file_size;
    bool is_salvaged; /* Opened by `tdb recover`: there is no `index`, and value files may be */
    bool is_unproven; /* missing (NULL). No checksum of the metadata holds. */
    uint8_t *metadata;
    size_t metadata_size;
    char path[ENV_PATH_SIZE_MAX];
};

/* Where a row's value of a column lies. */
struct segment_place {
    uint32_t page;
    uint32_t row; /* Inside the page. */
};

static inline struct segment_place segment_locate(const struct segment *segment, uint64_t row,
                                                  uint32_t column)
{
    const struct segment_chunk *chunk =
        &segment->chunks[(row >> SEGMENT_GROUP_SHIFT) * segment->column_count + column];
    uint32_t in_group = (uint32_t)(row & ((1u << SEGMENT_GROUP_SHIFT) - 1));
    return (struct segment_place){
        .page = chunk->first_page + (in_group >> chunk->shift),
        .row = in_group & ((1u << chunk->shift) - 1),
    };
}

/* Everything about the page that holds `row` of `column`. */
struct segment_page {
    uint32_t page;
    uint64_t first_row; /* Of the segment. */
    uint32_t row_count;
};

struct segment_page segment_page_of(const struct segment *segment, uint64_t row, uint32_t column);

/* segment_salvage.c: calls `read_ends`; where the footer is damaged, finds the metadata behind the
 * pages. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_find_ends(struct segment *segment,
                                                 tdbplus_status (*read_ends)(struct segment *,
                                                                             struct err *),
                                                 struct err *err);
/* True when the checksum inside the metadata holds. */
bool segment_metadata_proves_itself(const struct segment *segment);

/* A request to load that page. */
struct page_request segment_page_request(const struct segment *segment,
                                         const struct segment_page *page, uint32_t column);

/* Loads the page that holds `row` of `column`, pinned. [waits] Not inside an epoch. */
TDBPLUS_CHECKED tdbplus_status segment_load(struct segment *segment, uint64_t row, uint32_t column,
                                            struct page **page_out, struct err *err);

/* The same, but cheap when the page is cached. [waits] Not inside an epoch. */
TDBPLUS_CHECKED tdbplus_status segment_take_page(struct segment *segment, uint64_t row,
                                                 uint32_t column, struct page **page_out,
                                                 struct err *err);

/* Gives a pin to the batch; without memory lets go of it. */
TDBPLUS_CHECKED tdbplus_status segment_hand_over(struct batch *batch, struct page *page,
                                                 struct err *err);

/*
 * Reads normalised keys row by row, keeping the pages of the last row pinned. key_reader_init()
 * makes it ready without touching all of it; key_reader_deinit() lets go.
 */
struct key_reader {
    struct segment *segment;
    struct page *pages[SCHEMA_KEY_COUNT_MAX];
    struct segment_page places[SCHEMA_KEY_COUNT_MAX];
    uint8_t memory[2 * KEY_SIZE_MAX]; /* Of the key read last. */
};

static inline void key_reader_init(struct key_reader *reader, struct segment *segment)
{
    reader->segment = segment;
    memset(reader->pages, 0, sizeof reader->pages);
    reader->places[0] = (struct segment_page){0};
}

void key_reader_deinit(struct key_reader *reader);

/* *key_out is valid until the next call. [waits] */
TDBPLUS_CHECKED tdbplus_status key_reader_read(struct key_reader *reader, uint64_t row,
                                               struct span *key_out, struct err *err);

/* Pins the pages of `row` and asks for the memory that the keys of rows [row, end) lie in, so that
 * a search among them does not wait for each. [waits] */
TDBPLUS_CHECKED tdbplus_status key_reader_prefetch(struct key_reader *reader, uint64_t row,
                                                   uint64_t end, struct err *err);

/* ---- values in value files ---- */

struct external_source;
struct external_column;

/* A value to be fetched: bytes of a fixed size are copied to `to`, else a view is put there whose
 * page the batch pins. */
struct value_want {
    uint64_t place;
    uint32_t size;
    void *to;
};

/* Fetches the values of a column, with as few waits as possible. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_fetch(struct segment *segment, uint32_t position,
                                             const struct value_want *wants, uint32_t count,
                                             struct batch *batch, struct err *err);

/* One value that is referred to. Its page is pinned by the batch. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_fetch_one(struct segment *segment, uint32_t position,
                                                 const struct value_reference *reference,
                                                 struct batch *batch, struct datum *datum_out,
                                                 struct err *err);

/* What an external row of a page refers to. */
struct value_reference segment_reference(const struct segment *segment, uint32_t position,
                                         const struct page *page, uint32_t row);

/*
 * Like segment_read() of a column that may have values in value files, but gives references: a flat
 * column of views, and in *external_out the bits of those that stand for a struct value_reference
 * (for vectors: the place alone), or NULL. [waits]
 */
TDBPLUS_CHECKED tdbplus_status segment_read_references(struct segment *segment, uint64_t first_row,
                                                       uint32_t row_count, uint32_t position,
                                                       struct batch *batch,
                                                       struct column *column_out,
                                                       uint64_t **external_out, struct err *err);

/* Files of the rows that a merge brings, and rows with references into them (external.h). */
TDBPLUS_CHECKED tdbplus_status segment_writer_set_sources(struct segment_writer *writer,
                                                          const struct external_source *sources,
                                                          uint32_t count, struct err *err);
TDBPLUS_CHECKED tdbplus_status
segment_writer_add_references(struct segment_writer *writer, const struct batch *batch,
                              const struct external_column *references, const struct span *keys,
                              const uint64_t *begins, struct err *err);

/* ---- documents ---- */

/* How the documents of a column were taken apart; NULL when they were not. */
static inline const struct shred_tree *segment_tree(const struct segment *segment,
                                                    uint32_t position)
{
    return segment->plan.tree_count == 0 ? NULL : shred_plan_tree(&segment->plan, position);
}

/* Which rows a column was read of: those listed, or all from `first_row` on. */
struct segment_rows {
    uint64_t first_row;
    const uint64_t *rows; /* NULL: adjacent ones. */
    uint32_t count;
};

/*
 * Makes documents of the rests in *column_inout, which becomes flat. Rows whose bit is set in
 * `references` (may be NULL) are left alone. [waits]
 */
TDBPLUS_CHECKED tdbplus_status segment_assemble(struct segment *segment,
                                                const struct shred_tree *tree,
                                                const struct segment_rows *rows,
                                                const uint64_t *references, struct batch *batch,
                                                struct column *column_inout, struct err *err);

/* Like segment_read() of one column, but of documents that were taken apart only the rests. [waits]
 */
TDBPLUS_CHECKED tdbplus_status segment_read_stored(struct segment *segment, uint64_t first_row,
                                                   uint32_t row_count, uint32_t position,
                                                   struct batch *batch, struct column *column_out,
                                                   struct err *err);

/* The same for one row. */
TDBPLUS_CHECKED tdbplus_status segment_assemble_one(struct segment *segment,
                                                    const struct shred_tree *tree, uint64_t row,
                                                    struct batch *batch, struct datum *datum_inout,
                                                    struct err *err);
