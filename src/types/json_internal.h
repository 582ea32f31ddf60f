#pragma once

/*
 * The layout of documents, shared by the reader (json.c), the builder (json_build.c) and the parser
 * (json_parse.c). docs/format.md describes it in words.
 */

#include <string.h>

#include "base/codec.h"
#include "types/json.h"

/* Low four bits of a tag. */
enum json_tag {
    TAG_NULL = 0,
    TAG_FALSE = 1,
    TAG_TRUE = 2,
    TAG_INTEGER = 3, /* 1, 2, 4 or 8 bytes, as few as hold it. */
    TAG_DECIMAL = 4, /* The same, then the scale, 1..18, in a byte. */
    TAG_NUMERIC = 5, /* types/numeric.h: finite, and none of the two above holds it. */
    TAG_STRING = 6,
    TAG_ARRAY = 7, /* High four bits: 0, 1, 2 for offsets of 1, 2, 4 bytes. */
    TAG_OBJECT = 8,
};

#define TAG_MASK          0x0Fu
#define TAG_WIDTH_SHIFT   4
#define DECIMAL_SCALE_MAX 18u

/* An array or object taken apart. Offsets count from `data`; what is stored about item i begins at
 * table + i * entry_size and ends with the offset of the item's end. */
struct json_container {
    const uint8_t *data;
    const uint8_t *table;
    uint32_t count;
    uint8_t width;
    bool is_object;
};

static inline uint32_t json_load(const uint8_t *at, unsigned width)
{
    return width == 1 ? *at : width == 2 ? load_u16(at) : load_u32(at);
}

/* Bytes of an integer's shortest form. */
static inline unsigned json_integer_width(int64_t value)
{
    return value == (int8_t)value    ? 1
           : value == (int16_t)value ? 2
           : value == (int32_t)value ? 4
                                     : 8;
}

/* Offset width code of a container: 0, 1, 2. */
static inline unsigned json_width_code(size_t data_size, uint32_t count)
{
    size_t largest = data_size > count ? data_size : count;
    return largest <= UINT8_MAX ? 0 : largest <= UINT16_MAX ? 1 : 2;
}

/* Keys order by size, then by bytes. */
static inline int json_compare_keys(struct span left, struct span right)
{
    if (left.size != right.size) {
        return left.size < right.size ? -1 : 1;
    }
    return left.size == 0 ? 0 : memcmp(left.data, right.data, left.size);
}

/* Length of the valid UTF-8 sequence that begins with a byte over 0x7F, or 0. */
unsigned json_utf8_sequence(const uint8_t *at, const uint8_t *end);

/* Nesting of a valid document: 0 for a scalar. */
uint32_t json_depth(struct span document);

/* ---- the builder's insides ---- */

enum json_node_kind {
    NODE_NULL,
    NODE_FALSE,
    NODE_TRUE,
    NODE_INTEGER,
    NODE_DECIMAL,
    NODE_NUMERIC,  /* `bytes`. */
    NODE_STRING,   /* `bytes`; a key when it stands before a value of an object. */
    NODE_DOCUMENT, /* `bytes`. */
    NODE_ARRAY,    /* `size` items, each following the one before it. */
    NODE_OBJECT,   /* `size` members, whose keys are listed from `order`. */
};

struct json_node {
    uint8_t kind;
    uint8_t scale;
    uint32_t size;
    union {
        int64_t integer;
        const uint8_t *bytes;
        struct {
            uint32_t next; /* Node after everything inside. */
            uint32_t order;
        };
    };
};

_Static_assert(sizeof(struct json_node) == 16, "nodes are small");

/* An open container, while building and again while writing. */
struct json_frame {
    uint32_t node;
    uint32_t base;     /* Of its part of the stack. */
    uint32_t count;    /* Building: items so far. */
    uint32_t position; /* Writing: items written. */
    uint32_t cursor;   /* Writing an array: the next item's node. */
    bool has_key;      /* Building: a key waits for its value. */
    size_t start;      /* Writing: where the payload begins. */
};

/* The next node, accounted to the open container; NULL after a failure, which is remembered. */
struct json_node *json_builder_value(struct json_builder *builder, enum json_node_kind kind);

/* Forgets everything that was built; keeps the memory. */
void json_builder_clear(struct json_builder *builder);
