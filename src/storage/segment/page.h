#pragma once

/*
 * page: up to 2,048 values of one column, checked and in memory, still encoded.
 *
 * page_check() looks at every length, offset and code once, when the page is loaded; everything
 * else trusts them (G2). Kernels read up to SIMD_PACKED_SLACK bytes past the payload, which the
 * memory of a page has.
 *
 * Threads: a checked page is read-only; the counters belong to page_cache.c.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "base/epoch.h"
#include "base/err.h"
#include "simd/simd.h"
#include "storage/segment/segment_format.h"
#include "types/column.h"

struct page_memory;

struct page {
    /* What a lookup needs: one cache line. */
    _Atomic uint32_t reference_count; /* The cache's own, and one for each pin. */
    _Atomic uint8_t use_count;        /* 0..3, for the cache. */
    uint8_t encoding;                 /* enum page_encoding. */
    uint8_t width;
    uint8_t flags; /* enum page_flag. */
    uint16_t row_count;
    uint16_t value_count;
    uint32_t value_size; /* Bytes of a fixed-size value; 0: variable. */
    uint64_t base;
    const uint8_t *data;      /* Values, packed bits, or the bytes of variable-size values. */
    const uint8_t *offsets;   /* Of variable-size values; run ends. */
    const uint8_t *codes;     /* Packed, of a dictionary. */
    const uint64_t *validity; /* NULL: no nulls. */
    uint64_t step;            /* Of differences. */

    uint64_t first_difference;
    const uint64_t *external;   /* Rows that are references, where values vary in size. */
    struct page_memory *memory; /* The page goes back to it. */
    struct page *_Atomic *slot; /* Where the segment points at it; NULL once it does not. */
    struct page *previous;      /* In its queue. */
    struct page *next;
    uint64_t identity; /* For the ghost queue. */
    size_t memory_size;
    struct epoch_garbage garbage;
    uint8_t queue; /* enum page_queue. */
    bool chunked;  /* For page_memory_free(). */
};

/* The stored header lies right before the payload, which begins at a multiple of 64. */
#define PAGE_HEAD_SIZE             (sizeof(struct page) + sizeof(struct page_header))
#define PAGE_PAYLOAD_OFFSET        ((PAGE_HEAD_SIZE + 63) / 64 * 64)
#define PAGE_MEMORY_SIZE(raw_size) (PAGE_PAYLOAD_OFFSET + (size_t)(raw_size) + SIMD_PACKED_SLACK)

static inline uint8_t *page_payload(struct page *page)
{
    return (uint8_t *)page + PAGE_PAYLOAD_OFFSET;
}

/* Tells the pages of a segment apart: column and first row, mixed. */
uint32_t page_place(uint32_t column_position, uint64_t first_row);

/* The checksum of a page as it lies in the file. `stored` has header->stored_size bytes. */
uint32_t page_crc(uint64_t segment_id, const struct page_header *header, const uint8_t *stored);

/*
 * Fills in `page`, whose payload holds header->raw_size decompressed bytes, after checking that
 * they are `row_count` values of `type`. False when they are not.
 */
bool page_check(struct page *page, const struct page_header *header, struct type type,
                uint32_t row_count);

static inline bool page_is_null(const struct page *page, uint32_t row)
{
    return page->validity != NULL && (page->validity[row / 64] >> (row % 64) & 1) == 0;
}

/* Are values numbers of 1 to 8 bytes? Vectors of that size are not. */
static inline bool page_is_word(const struct page *page)
{
    return (page->flags & PAGE_FLAG_WORD) != 0;
}

/* Does the row's value, which is not null, lie in a value file? Then page_bytes() gives its struct
 * value_reference, or page_word() its place if the column's values are vectors. */
static inline bool page_is_external(const struct page *page, uint32_t row)
{
    return (page->flags & PAGE_FLAG_EXTERNAL) != 0 &&
           (page->external == NULL || (page->external[row / 64] >> (row % 64) & 1) != 0);
}

/* True where page_word() and page_bytes() take constant time. */
static inline bool page_is_random_access(const struct page *page)
{
    return page->encoding != PAGE_DELTA && page->encoding != PAGE_DELTA2 &&
           page->encoding != PAGE_RUNS;
}

/* The value of a row, 1 to 8 bytes wide, sign-extended. */
int64_t page_word(const struct page *page, uint32_t row);

/* The bytes of a row's value, 16 or more bytes wide or of variable size. */
struct span page_bytes(const struct page *page, uint32_t row);

/* Asks for the memory that a row's value lies in, as far as that is known without reading it. */
void page_prefetch(const struct page *page, uint32_t row);

/* One value as a datum; bytes are borrowed from the page. */
void page_datum(const struct page *page, struct type type, uint32_t row, struct datum *datum_out);

/* Writes the values of rows [first, first + count) as a flat column has them; views point into the
 * page. Nulls have any value. */
void page_decode(const struct page *page, uint32_t first, uint32_t count, void *out);

/* Sets or clears bit `at` + i of `validity` for each of the rows. */
void page_decode_validity(const struct page *page, uint32_t first, uint32_t count,
                          uint64_t *validity, uint32_t at);

/* The values of a dictionary page, as a flat column has them; value_count of them. */
void page_decode_dictionary(const struct page *page, void *out);
