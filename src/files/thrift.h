#pragma once

/* thrift: Thrift's compact protocol, read from memory. An overrun or nonsense is sticky, as in
 * base/codec.h: later reads give zeroes, and whoever reads checks `failed` at the end. */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/buffer.h"

#define THRIFT_DEPTH_MAX 32u

enum thrift_type {
    THRIFT_STOP = 0,
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_I8 = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_DOUBLE = 7,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_SET = 10,
    THRIFT_MAP = 11,
    THRIFT_STRUCT = 12,
};

struct thrift {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

/* A field of a struct; begin with id 0. False at the struct's end. */
struct thrift_field {
    int32_t id;
    uint8_t type; /* enum thrift_type. */
};

bool thrift_next_field(struct thrift *thrift, struct thrift_field *field);

/* A number of any width. */
int64_t thrift_integer(struct thrift *thrift);
bool thrift_boolean(const struct thrift_field *field);
struct span thrift_binary(struct thrift *thrift);

/* How many items follow, each at least a byte of what is left. */
uint32_t thrift_list(struct thrift *thrift, uint8_t *type_out);

/* Passes over a value. */
void thrift_skip(struct thrift *thrift, uint8_t type, uint32_t depth);

/* ---- writing ---- */

/* A field of the struct at hand; *last is the id before it, from 0. */
void thrift_put_field(struct buffer *out, int32_t *last, int32_t id, uint8_t type);
void thrift_put_integer(struct buffer *out, int64_t value);
void thrift_put_binary(struct buffer *out, struct span bytes);
void thrift_put_list(struct buffer *out, uint32_t count, uint8_t type);
void thrift_put_stop(struct buffer *out);
