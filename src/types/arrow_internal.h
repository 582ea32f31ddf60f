#pragma once

/*
 * What Arrow data looks like after its description was read, wherever that came from: the C data
 * interface or a file.
 */

#include "types/arrow.h"

#define ARROW_EXTENSION_PREFIX "tdbplus."     /* Of names of our own types, before type_name(). */
#define ARROW_SIZE_UNKNOWN     (SIZE_MAX / 4) /* Of a buffer that came without its size. */

/* Packed types that are numbers here and there; regclass and its kin go out as their text. */
static inline bool arrow_number_type(struct type type)
{
    return type.id == TYPE_MONEY || type.id == TYPE_OID || type.id == TYPE_XID;
}

enum arrow_kind {
    ARROW_KIND_NULL,
    ARROW_KIND_BOOL,
    ARROW_KIND_INTEGER, /* `width`, `is_signed`; also dates, times and timestamps of our unit. */
    ARROW_KIND_SCALED,  /* The same, to be multiplied and divided: times of other units. */
    ARROW_KIND_FLOAT,   /* `width` 2, 4, 8. */
    ARROW_KIND_DECIMAL, /* 16 bytes. */
    ARROW_KIND_BYTES,   /* Offsets of `width` 4 or 8. */
    ARROW_KIND_VIEWS,
    ARROW_KIND_FIXED, /* `size` bytes. */
    ARROW_KIND_INTERVAL_MONTHS,
    ARROW_KIND_INTERVAL_DAYS,
    ARROW_KIND_INTERVAL_ALL, /* Months, days, nanoseconds. */
    ARROW_KIND_LIST,         /* Offsets of `width` 4 or 8. */
    ARROW_KIND_VECTOR,       /* `size` floats each. */
};

struct arrow_field {
    const char *name;
    bool nullable;
    uint8_t kind; /* enum arrow_kind. */
    uint8_t width;
    bool is_signed;
    int64_t multiply; /* ARROW_KIND_SCALED: value * multiply / divide, downwards. */
    int64_t divide;
    uint32_t size;
    struct type type; /* Ours. */
    struct arrow_field *child;
    struct arrow_field *dictionary; /* Of what the values are; this one describes the codes. */
    int64_t dictionary_id;          /* In files and streams. */
};

/* The buffers of one field in one batch. */
struct arrow_node {
    int64_t length;
    int64_t offset;
    int64_t null_count;
    struct span validity; /* `data` NULL: nothing is null. */
    struct span first;    /* Values or offsets. */
    struct span second;   /* Bytes. */
    const struct span *variadic;
    uint32_t variadic_count;
    struct arrow_node *child;
    struct arrow_node *dictionary;
    const struct column *dictionary_column; /* Already made, instead of `dictionary`. */
};

/*
 * Sets kind and type from a format string. `extension` is the extension's name or empty. Lists and
 * fixed lists are told by their kind; their type is set once the child is known, by
 * arrow_field_finish().
 */
TDBPLUS_CHECKED tdbplus_status arrow_field_of_format(const char *format, struct span extension,
                                                     struct arrow_field *field, struct err *err);

/* After `child` or `dictionary` were set. */
TDBPLUS_CHECKED tdbplus_status arrow_field_finish(struct arrow_field *field, struct err *err);

/* A flat column of what the node holds; borrows from its buffers where the layout is ours. */
TDBPLUS_CHECKED tdbplus_status arrow_import_column(const struct arrow_field *field,
                                                   const struct arrow_node *node,
                                                   struct arena *arena, struct column *column_out,
                                                   struct err *err);
