#pragma once

/* What a Parquet file says of itself, and the parts of the reader. */

#include "files/parquet.h"
#include "files/thrift.h"

#define PARQUET_DEPTH_MAX     32u
#define PARQUET_FOOTER_MAX    ((size_t)256 << 20)
#define PARQUET_PAGE_SIZE_MAX ((size_t)512 << 20)
#define PARQUET_PAGE_ROWS_MAX (1u << 28)

enum parquet_physical {
    PARQUET_BOOLEAN = 0,
    PARQUET_INT32 = 1,
    PARQUET_INT64 = 2,
    PARQUET_INT96 = 3,
    PARQUET_FLOAT = 4,
    PARQUET_DOUBLE = 5,
    PARQUET_BYTES = 6,
    PARQUET_FIXED = 7,
};

enum parquet_codec {
    PARQUET_PLAIN_CODEC = 0,
    PARQUET_SNAPPY = 1,
    PARQUET_GZIP = 2,
    PARQUET_BROTLI = 4,
    PARQUET_LZ4 = 5, /* With Hadoop's frames. */
    PARQUET_ZSTD = 6,
    PARQUET_LZ4_RAW = 7,
};

enum parquet_encoding {
    ENCODING_PLAIN = 0,
    ENCODING_PLAIN_DICTIONARY = 2,
    ENCODING_RLE = 3,
    ENCODING_BIT_PACKED = 4,
    ENCODING_DELTA = 5,
    ENCODING_DELTA_LENGTH = 6,
    ENCODING_DELTA_BYTES = 7,
    ENCODING_RLE_DICTIONARY = 8,
    ENCODING_SPLIT = 9,
};

/* What a leaf's numbers mean, from the logical or the older converted type. */
enum parquet_meaning {
    MEANS_PLAIN = 0,
    MEANS_TEXT,
    MEANS_MAP,
    MEANS_LIST,
    MEANS_DECIMAL,
    MEANS_DATE,
    MEANS_TIME,
    MEANS_TIMESTAMP,
    MEANS_INTEGER,
    MEANS_NOTHING,
    MEANS_JSON,
    MEANS_UUID,
    MEANS_FLOAT16,
    MEANS_INTERVAL,
};

enum parquet_repetition { PARQUET_REQUIRED = 0, PARQUET_OPTIONAL = 1, PARQUET_REPEATED = 2 };

/* One element of the schema, with its place in the tree. */
struct parquet_node {
    const char *name;
    int8_t physical; /* enum parquet_physical; -1: a group. */
    uint8_t repetition;
    uint8_t meaning;
    uint8_t unit; /* Of times: thousands below a second, 1..3. */
    bool utc;
    bool is_signed;
    uint8_t bits;
    int32_t length; /* PARQUET_FIXED. */
    int32_t scale;
    int32_t precision;
    uint32_t child_count;
    struct parquet_node **children;
    uint8_t def; /* Level at which it is there. */
    uint8_t rep; /* Of the nearest repeated group. */
    uint32_t first_leaf;
    uint32_t leaf_count;
    struct type type; /* Of a leaf's values. */
};

struct parquet_chunk {
    int64_t codec;
    int64_t value_count;
    int64_t compressed_size;
    int64_t data_offset;
    int64_t dictionary_offset; /* 0: none. */
    struct span min;
    struct span max;
    bool has_range;
    int64_t null_count; /* -1: not said. */
};

struct parquet_group {
    int64_t row_count;
    struct parquet_chunk *chunks; /* One a leaf. */
};

/* How a column of the file becomes one of ours. */
enum parquet_form { FORM_FLAT = 0, FORM_ARRAY, FORM_JSON };

struct parquet_column {
    const struct parquet_node *node;
    const struct parquet_node *item; /* FORM_ARRAY: the leaf. */
    uint8_t form;                    /* enum parquet_form. */
};

struct parquet_file {
    const struct alloc *alloc;
    struct arena arena; /* Owns all of the description. */
    struct env_file *file;
    uint64_t size;
    struct bytes footer;
    struct parquet_node *root;
    struct parquet_node **leaves;
    uint32_t leaf_count;
    struct parquet_group *groups;
    uint32_t group_count;
    struct parquet_column *forms;
    struct file_column *columns;
    uint32_t column_count;
};

TDBPLUS_CHECKED tdbplus_status parquet_damaged(struct err *err, const char *what);

/* parquet_meta.c: the footer's bytes. */
TDBPLUS_CHECKED tdbplus_status parquet_read_meta(struct parquet_file *file, struct err *err);

/* parquet_schema.c: leaves' types and columns. */
TDBPLUS_CHECKED tdbplus_status parquet_read_schema(struct parquet_file *file, struct err *err);

/* ---- parquet_codec.c ---- */

/* Fills `out`, which must come out exactly full. */
TDBPLUS_CHECKED tdbplus_status parquet_decompress(int64_t codec, struct span in, uint8_t *out,
                                                  size_t out_size, struct err *err);

/* ---- parquet_decode.c ---- */

/* Values as the file has them: numbers in the width of the physical type (bool: a byte), or spans.
 */
struct parquet_values {
    uint32_t count;
    const uint8_t *fixed; /* Not PARQUET_BYTES. */
    const struct span *bytes;
};

/* Numbers of runs and packed bits, `width` bits each. False: the bytes do not have so many. */
bool parquet_hybrid_u32(struct span in, unsigned width, uint32_t count, uint32_t *out);
bool parquet_hybrid_u8(struct span in, unsigned width, uint32_t count, uint8_t *out);

/* Levels of the old encoding, high bits first. */
bool parquet_bit_packed(struct span in, unsigned width, uint32_t count, uint8_t *out);

/* Decodes `count` values of anything but a dictionary; memory comes from the arena, spans point
 * into `in` or the arena. */
TDBPLUS_CHECKED tdbplus_status parquet_decode(const struct parquet_node *leaf, int64_t encoding,
                                              struct span in, uint32_t count, struct arena *arena,
                                              struct parquet_values *values_out, struct err *err);

/* ---- parquet_convert.c ---- */

/* Values of the file as values of leaf->type, flat. */
TDBPLUS_CHECKED tdbplus_status parquet_convert(const struct parquet_node *leaf,
                                               const struct parquet_values *values,
                                               struct arena *arena, struct column *column_out,
                                               struct err *err);

/* A bound of statistics; false when it cannot be used. */
bool parquet_bound(const struct parquet_node *leaf, struct span bytes, struct arena *arena,
                   struct datum *value_out);

/* ---- parquet_page.c ---- */

/* A column chunk being read: the page at hand, decoded whole. */
struct parquet_leaf {
    const struct parquet_node *node;
    const struct alloc *alloc;
    uint8_t *chunk;
    size_t chunk_size;
    size_t chunk_at;
    int64_t codec;
    int64_t values_left; /* Entries of pages to come. */
    struct column dictionary;
    bool has_dictionary;
    struct arena dictionary_arena;
    /* The page: `count` entries from `at` on. */
    struct arena pages[2]; /* Pages of a batch go into one, and stay until the next batch. */
    uint8_t current;       /* Where the page at hand is, */
    uint8_t target;        /* and where others go. */
    uint32_t count;
    uint32_t at;
    const uint8_t *defs;   /* NULL: all are there. */
    const uint8_t *reps;   /* NULL: all 0. */
    struct column values;  /* Flat, an entry each where there is no dictionary, */
    const uint32_t *codes; /* or codes of the dictionary, an entry each. */
};

void parquet_leaf_init(struct parquet_leaf *leaf, const struct parquet_node *node,
                       const struct alloc *alloc);
void parquet_leaf_deinit(struct parquet_leaf *leaf);

/* Reads the chunk of a row group. */
TDBPLUS_CHECKED tdbplus_status parquet_leaf_begin(struct parquet_leaf *leaf,
                                                  const struct parquet_file *file,
                                                  const struct parquet_chunk *chunk,
                                                  struct err *err);

/* The rows given so far are not needed any more. */
void parquet_leaf_next_batch(struct parquet_leaf *leaf);

/* Makes sure that the page has an entry at `at`: TDBPLUS_END when the chunk has no more. */
TDBPLUS_CHECKED tdbplus_status parquet_leaf_fill(struct parquet_leaf *leaf, struct err *err);

/* ---- parquet_nested.c ---- */

/* The next `row_count` rows of a column that is no plain leaf. */
TDBPLUS_CHECKED tdbplus_status parquet_read_nested(const struct parquet_column *form,
                                                   struct parquet_leaf *leaves, uint32_t row_count,
                                                   struct column *column, struct arena *arena,
                                                   struct err *err);
