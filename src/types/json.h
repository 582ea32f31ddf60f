#pragma once

/*
 * Documents: JSON as bytes that are read in place.
 *
 * A value is a span; so is every value inside it, and each is a document of its own. The last byte
 * of a span is its tag; what comes before it is the payload (docs/format.md, "Documents"). Members
 * of objects are sorted by the size of their keys, then by bytes, as in PostgreSQL's jsonb, each
 * key once; equal texts give equal bytes.
 *
 * Reading functions expect valid documents: made by this module, or checked by json_validate().
 *
 * Threads: documents are plain memory; a parser or builder belongs to one thread at a time.
 */

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 1000u /* Arrays and objects inside one another. */

/* What a value is, in PostgreSQL's btree order. */
enum json_kind {
    JSON_NULL = 0,
    JSON_STRING = 1,
    JSON_NUMBER = 2,
    JSON_BOOLEAN = 3,
    JSON_ARRAY = 4,
    JSON_OBJECT = 5,
};

/* ---- making documents ---- */

/*
 * Collects values in any order of keys and writes them as a document. Texts and documents given to
 * it are borrowed until json_builder_finish(). Running out of memory and nesting too deep are
 * remembered and told at the end. A key must come before each value of an object, and nowhere else
 * (asserted).
 */
struct json_builder {
    const struct alloc *alloc;
    struct json_node *nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    uint32_t *stack; /* Keys of open objects; ends of items while writing. */
    uint32_t stack_count;
    uint32_t stack_capacity;
    uint32_t *order; /* Keys of closed objects, sorted. */
    uint32_t order_count;
    uint32_t order_capacity;
    struct arena arena; /* Texts that had escapes. */
    struct json_frame *frames;
    uint32_t depth;
    uint32_t frame_capacity;
    tdbplus_status status;
};

void json_builder_init(struct json_builder *builder, const struct alloc *alloc);

/* Zeroed is accepted. */
void json_builder_deinit(struct json_builder *builder);

void json_builder_null(struct json_builder *builder);
void json_builder_boolean(struct json_builder *builder, bool value);
void json_builder_integer(struct json_builder *builder, int64_t value);

/* mantissa / 10^scale, scale at most 18; trailing zeros are kept. */
void json_builder_decimal(struct json_builder *builder, int64_t mantissa, unsigned scale);

/* A finite number of types/numeric.h. */
void json_builder_numeric(struct json_builder *builder, struct span numeric);

/* UTF-8 without zero bytes. */
void json_builder_string(struct json_builder *builder, struct span text);

/* A valid document, put in as it is. */
void json_builder_document(struct json_builder *builder, struct span document);
void json_builder_key(struct json_builder *builder, struct span key);
void json_builder_begin_array(struct json_builder *builder);
void json_builder_end_array(struct json_builder *builder);
void json_builder_begin_object(struct json_builder *builder);

/* Of members with one key, the last is kept. */
void json_builder_end_object(struct json_builder *builder);

/* Appends the one value that was built and makes the builder ready for the next. On failure nothing
 * is appended.
 *
 *   TDBPLUS_E_NOMEM  memory ran out on the way
 *   TDBPLUS_E_LIMIT  nested deeper than JSON_DEPTH_MAX, or larger than VALUE_SIZE_MAX
 */
TDBPLUS_CHECKED tdbplus_status json_builder_finish(struct json_builder *builder,
                                                   struct buffer *document, struct err *err);

/*
 * Appends the document that `text` spells. The builder must be empty; it is only used for its
 * memory, which is kept for the next text.
 *
 *   TDBPLUS_E_SYNTAX  not JSON (22P02), or \u0000 (22P05); err says at which byte
 *   TDBPLUS_E_RANGE   a number outside of what numeric can hold (22003)
 *   TDBPLUS_E_LIMIT   nested too deep (54001), or too large
 *   TDBPLUS_E_NOMEM   memory is out
 */
TDBPLUS_CHECKED tdbplus_status json_parse(struct json_builder *builder, struct span text,
                                          struct buffer *document, struct err *err);

/* Accepts exactly the bytes that json_builder_finish() writes: TDBPLUS_E_CORRUPT for others. Needs
 * no memory; safe on any bytes. */
TDBPLUS_CHECKED tdbplus_status json_validate(struct span document, struct err *err);

/* ---- reading ---- */

enum json_kind json_kind(struct span value);
bool json_boolean(struct span value);

/* The text of a string, borrowed. */
struct span json_string(struct span value);

/* False when the number has digits after the point or does not fit. 1.0 has none that count. */
bool json_integer(struct span value, int64_t *integer_out);

/* The nearest double of a number. */
double json_real(struct span value);

/* A number as value / 10^scale, scale 0..18; false when it needs a long numeric. */
bool json_decimal(struct span value, int64_t *mantissa_out, unsigned *scale_out);

/* Appends a number as a long numeric (types/numeric.h). */
void json_numeric(struct span value, struct buffer *numeric);

/* Items of an array or members of an object; 0 for others. */
uint32_t json_count(struct span value);

/* Item of an array, `index` below json_count(). */
struct span json_item(struct span array, uint32_t index);

/* Member of an object in key order, `index` below json_count(). */
struct span json_member(struct span object, uint32_t index, struct span *key_out);

/* The member of that name; false when there is none or the value is no object. */
bool json_get(struct span value, struct span key, struct span *member_out);

/* The item at `index`, from the end when negative; false when there is none or no array. */
bool json_get_index(struct span value, int64_t index, struct span *item_out);

/* One step of a path: a key, or an index where `key.data` is NULL. */
struct json_step {
    struct span key;
    int64_t index;
};

/* Follows `count` steps; false when one leads nowhere. */
bool json_find(struct span value, const struct json_step *steps, uint32_t count,
               struct span *found_out);

/* Order of PostgreSQL's jsonb btree class, strings by bytes: < 0, 0, > 0. */
int json_compare(struct span left, struct span right);

/* The same for equal documents (json_compare() == 0). Does not reach disk. */
uint64_t json_hash(struct span value);

/* Appends the text as PostgreSQL prints jsonb: one space after ':' and ','. */
void json_print(struct span document, struct buffer *text);

/* Appends a JSON string in quotes. */
void json_print_string(struct span string, struct buffer *text);
