#pragma once

/*
 * The bytes of a segment file, shared by writer and reader. README.md describes them in words.
 *
 *   segment:    header (64) | pages | metadata | footer (64)
 *   value file: header (64) | pages | directory | footer (64)
 *
 * All fields are little-endian. Everything but page payloads is read through the structs below,
 * whose layout is asserted.
 */

#include <stdint.h>

#define SEGMENT_MAGIC          0x3147455342445454u /* "TTDBSEG1" */
#define SEGMENT_FOOTER_MAGIC   0x31444E4542445454u /* "TTDBEND1" */
#define SEGMENT_FORMAT_VERSION 3u /* The newest that is read; what needs less says 1. */

#define SEGMENT_GROUP_SHIFT    16u /* Rows of a group: 2^16. */
#define SEGMENT_PAGE_SHIFT_MAX 11u
#define SEGMENT_PAGE_ROW_MAX   (1u << SEGMENT_PAGE_SHIFT_MAX)
#define SEGMENT_PAGE_SIZE_GOAL ((size_t)64 << 10)
#define SEGMENT_ROW_COUNT_MAX  ((uint64_t)1 << 40)
#define SEGMENT_FILE_SIZE_MAX  ((uint64_t)1 << 48)
#define SEGMENT_COLUMN_MAX \
    (1601u + 256u) /* SCHEMA_COLUMN_COUNT_MAX, the begin timestamps, document paths. */

/* How the values of a page are stored. Frozen; the numbers without a decoder are reserved. */
enum page_encoding {
    PAGE_PLAIN = 1,      /* Fixed-size values one after another. */
    PAGE_CONSTANT = 2,   /* One value, or none when every row is null. */
    PAGE_PACKED = 3,     /* Frame of reference: (value - base) in `width` bits. */
    PAGE_DELTA = 4,      /* Differences, packed as (difference - step). */
    PAGE_DELTA2 = 5,     /* Differences of differences, packed as (second difference - step). */
    PAGE_RUNS = 6,       /* Run ends (u16), then one value a run. */
    PAGE_DICTIONARY = 7, /* Distinct values, then packed positions. */
    PAGE_BYTES = 8,      /* Variable-size: offsets, then bytes. */
    PAGE_FSST = 9,       /* Reserved. */
    PAGE_ALP = 10,       /* Reserved. */
};

enum page_compression {
    PAGE_COMPRESSION_NONE = 0,
    PAGE_COMPRESSION_LZ4 = 1,
    PAGE_COMPRESSION_ZSTD = 2,
};

enum page_flag {
    PAGE_FLAG_VALIDITY = 1, /* A null bitmap of whole 64-bit words ends the payload. */
    PAGE_FLAG_STRIDE = 2,   /* PAGE_BYTES: all values have `base` bytes; no offsets. */
    PAGE_FLAG_WIDE = 4,     /* PAGE_BYTES: offsets are u32, not u16. */
    PAGE_FLAG_EXTERNAL = 8, /* Values lie in value files: see struct value_reference. */
    PAGE_FLAG_WORD = 128,   /* Never stored: values are numbers of 1 to 8 bytes. */
};

/* Before each page's payload. */
struct page_header {
    uint32_t crc;         /* CRC-32C of segment id, the rest of this header, stored payload. */
    uint8_t encoding;     /* enum page_encoding. */
    uint8_t compression;  /* enum page_compression. */
    uint8_t width;        /* Bits of a packed value, 0..64. */
    uint8_t flags;        /* enum page_flag. */
    uint16_t row_count;   /* 1..2048. */
    uint16_t value_count; /* Distinct values of a dictionary, or runs. */
    uint32_t stored_size; /* Of the payload in the file. */
    uint32_t raw_size;    /* Of the payload in memory. */
    uint32_t place;       /* page_place(), so that a page read from a wrong place is noticed. */
    uint64_t base;
};

_Static_assert(sizeof(struct page_header) == 32, "on disk");

/* At the start of the file. */
struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t reserved;
    uint64_t segment_id;
    uint64_t collection_id; /* For `tdb recover`; 0: not told. */
    uint8_t zeroes[28];
    uint32_t crc; /* Of all before. */
};

_Static_assert(sizeof(struct segment_header) == 64, "on disk");

/* At the end of the file. */
struct segment_footer {
    uint64_t segment_id;
    uint64_t row_count;
    uint64_t metadata_offset;
    uint64_t metadata_size;
    uint64_t begin_max;
    uint32_t metadata_crc;
    uint32_t version;
    uint32_t schema_version;
    uint32_t crc; /* Of the footer with this field zero. */
    uint64_t magic;
};

_Static_assert(sizeof(struct segment_footer) == 64, "on disk");

/*
 * Metadata: this struct, then the sections, each beginning at the next multiple of 64 after the one
 * before: schema, minimal key, maximal key, chunks, page offsets, page sizes, zones, primary index,
 * value files, paths of documents.
 */
struct segment_metadata {
    uint32_t column_count; /* Of the file: the schema's, begin timestamps, document paths. */
    uint32_t group_count;
    uint32_t page_count;
    uint32_t prefix_size; /* Bytes that every key shares; codes are taken behind them. */
    uint32_t schema_size;
    uint32_t key_min_size;
    uint32_t key_max_size;
    uint32_t group_shift;
    uint64_t index_size;
    uint8_t with_begin;
    uint8_t zeroes[3];
    uint32_t value_file_count;
    uint32_t path_count; /* Sub-columns of documents: the last columns. */
    uint32_t path_size;
    uint32_t own_crc; /* Of the metadata with this field zero, for `tdb recover`; 0: not told. */
    uint8_t more_zeroes[4];
};

_Static_assert(sizeof(struct segment_metadata) == 64, "on disk");

/* The pages of one column in one group; chunk [group * column_count + column]. */
struct segment_chunk {
    uint32_t first_page; /* The others follow in number. */
    uint32_t shift;      /* Rows of a page: 2^shift. */
};

_Static_assert(sizeof(struct segment_chunk) == 8, "on disk");

enum zone_flag {
    ZONE_FLAG_BOUNDS = 1, /* `min` and `max` are set. */
    ZONE_FLAG_EXACT = 2,  /* They are values of the page, not cut. */
};

#define ZONE_BOUND_SIZE 16u

/* What is known of one page. Bounds are an int64 for integers, a double for floats, the value's 16
 * bytes, or the first bytes of a text (the maximum rounded up). */
struct segment_zone_entry {
    uint8_t min[ZONE_BOUND_SIZE];
    uint8_t max[ZONE_BOUND_SIZE];
    uint16_t null_count;
    uint8_t min_size; /* Bytes in use, for text. */
    uint8_t max_size;
    uint8_t flags; /* enum zone_flag. */
    uint8_t zeroes[3];
};

_Static_assert(sizeof(struct segment_zone_entry) == 40, "on disk");

/* ---- value files ---- */

#define VALUE_FILE_MAGIC        0x314C415642445454u /* "TTDBVAL1" */
#define VALUE_FILE_FOOTER_MAGIC 0x314E455642445454u /* "TTDBVEN1" */
#define VALUE_FILE_VERSION      1u

#define VALUE_INLINE_SIZE_MAX  1024u /* Longer values of variable size go to value files. */
#define VALUE_VECTOR_SIZE_MIN  256u  /* So do all values of vector columns that wide. */
#define VALUE_PREFIX_SIZE      16u
#define VALUE_FILE_COUNT_MAX   4096u /* That one segment refers to. */
#define VALUE_FILE_PAGES_MAX   ((uint32_t)1 << 30)
#define VALUE_PLACE_ROW_BITS   11
#define VALUE_PLACE_FILE_SHIFT 43 /* Behind 11 bits of row and 32 of page. */

/*
 * What a page with PAGE_FLAG_EXTERNAL holds in the place of a value of variable size; a bitmap of
 * whole 64-bit words before the null bitmap says for which rows. In a page of a vector column there
 * is no bitmap: every value is a `place`, stored as an int8 would be.
 */
struct value_reference {
    uint64_t place; /* File of the segment's list, page of the file, row of the page. */
    uint32_t size;
    uint32_t zero;
    uint8_t prefix[VALUE_PREFIX_SIZE]; /* The value's first bytes. */
};

_Static_assert(sizeof(struct value_reference) == 32, "on disk");

/* One page in the directory of a value file. */
struct value_page {
    uint64_t offset;
    uint32_t stored_size; /* Header included. */
    uint32_t raw_size;    /* Of the payload in memory. */
    uint32_t value_size;  /* Bytes of a fixed-size value; 0: variable. */
    uint16_t row_count;
    uint16_t zero;
};

_Static_assert(sizeof(struct value_page) == 24, "on disk");

struct value_file_footer {
    uint64_t file_id;
    uint64_t value_count;
    uint64_t value_bytes;
    uint64_t directory_offset;
    uint32_t page_count;
    uint32_t directory_crc;
    uint32_t version;
    uint32_t zeroes[2];
    uint32_t crc; /* Of the footer with this field zero. */
    uint64_t magic;
};

_Static_assert(sizeof(struct value_file_footer) == 64, "on disk");

/* A value file that a segment refers to, in the segment's metadata. */
struct segment_value_file {
    uint64_t file_id;
    uint64_t value_count; /* That the segment refers to. */
    uint64_t value_bytes;
    uint32_t footer_crc; /* Ties segment and file together. */
    uint32_t zero;
};

_Static_assert(sizeof(struct segment_value_file) == 32, "on disk");
