/*
 * Building happens in two steps: values are collected as nodes, in the order they come; then they
 * are written in one pass, members in key order. Writing at once would need to move what an object
 * holds when its keys turn out to be unsorted, once for every level around it.
 */

#include "base/assert.h"
#include "types/json_internal.h"
#include "types/numeric_internal.h"
#include "types/type.h"

#define CAPACITY_MIN      64u
#define INSERTION_MAX     12u /* Fewer members are sorted by insertion. */
#define ARENA_BLOCK_BYTES ((size_t)4096)

void json_builder_init(struct json_builder *builder, const struct alloc *alloc)
{
    *builder = (struct json_builder){.alloc = alloc};
    arena_init(&builder->arena, alloc, ARENA_BLOCK_BYTES);
}

void json_builder_deinit(struct json_builder *builder)
{
    const struct alloc *alloc = builder->alloc;
    alloc_free(alloc, builder->nodes, builder->node_capacity, sizeof *builder->nodes);
    alloc_free(alloc, builder->stack, builder->stack_capacity, sizeof *builder->stack);
    alloc_free(alloc, builder->order, builder->order_capacity, sizeof *builder->order);
    alloc_free(alloc, builder->frames, builder->frame_capacity, sizeof *builder->frames);
    arena_deinit(&builder->arena);
    *builder = (struct json_builder){0};
}

void json_builder_clear(struct json_builder *builder)
{
    builder->node_count = 0;
    builder->stack_count = 0;
    builder->order_count = 0;
    builder->depth = 0;
    builder->status = TDBPLUS_OK;
    arena_reset(&builder->arena);
}

/* Doubles an array; the new items are not zeroed. */
static void *grow(struct json_builder *builder, void *items, uint32_t *capacity, size_t item_size)
{
    uint32_t wanted = *capacity == 0 ? CAPACITY_MIN : *capacity * 2;
    void *grown = NULL;
    if (*capacity <= UINT32_MAX / 4) {
        grown = alloc_resize(builder->alloc, items, *capacity, wanted, item_size);
    }
    if (grown == NULL) {
        builder->status = TDBPLUS_E_NOMEM;
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

static struct json_node *push_node(struct json_builder *builder, enum json_node_kind kind)
{
    if (builder->node_count == builder->node_capacity) {
        void *grown =
            grow(builder, builder->nodes, &builder->node_capacity, sizeof *builder->nodes);
        if (grown == NULL) {
            return NULL;
        }
        builder->nodes = grown;
    }
    struct json_node *node = &builder->nodes[builder->node_count++];
    *node = (struct json_node){.kind = (uint8_t)kind};
    return node;
}

static bool push_word(struct json_builder *builder, uint32_t word)
{
    if (builder->stack_count == builder->stack_capacity) {
        void *grown =
            grow(builder, builder->stack, &builder->stack_capacity, sizeof *builder->stack);
        if (grown == NULL) {
            return false;
        }
        builder->stack = grown;
    }
    builder->stack[builder->stack_count++] = word;
    return true;
}

static struct json_frame *push_frame(struct json_builder *builder)
{
    if (builder->depth == JSON_DEPTH_MAX) {
        builder->status = TDBPLUS_E_LIMIT;
        return NULL;
    }
    if (builder->depth == builder->frame_capacity) {
        void *grown =
            grow(builder, builder->frames, &builder->frame_capacity, sizeof *builder->frames);
        if (grown == NULL) {
            return NULL;
        }
        builder->frames = grown;
    }
    struct json_frame *frame = &builder->frames[builder->depth++];
    *frame = (struct json_frame){.base = builder->stack_count};
    return frame;
}

struct json_node *json_builder_value(struct json_builder *builder, enum json_node_kind kind)
{
    if (builder->status != TDBPLUS_OK) {
        return NULL;
    }
    if (builder->depth == 0) {
        ASSERT(builder->node_count == 0); // A document is one value.
    } else {
        struct json_frame *frame = &builder->frames[builder->depth - 1];
        ASSERT(frame->has_key == (builder->nodes[frame->node].kind == NODE_OBJECT));
        frame->has_key = false;
        frame->count++;
    }
    return push_node(builder, kind);
}

void json_builder_null(struct json_builder *builder)
{
    (void)json_builder_value(builder, NODE_NULL);
}

void json_builder_boolean(struct json_builder *builder, bool value)
{
    (void)json_builder_value(builder, value ? NODE_TRUE : NODE_FALSE);
}

void json_builder_integer(struct json_builder *builder, int64_t value)
{
    struct json_node *node = json_builder_value(builder, NODE_INTEGER);
    if (node != NULL) {
        node->integer = value;
    }
}

void json_builder_decimal(struct json_builder *builder, int64_t mantissa, unsigned scale)
{
    ASSERT(scale <= DECIMAL_SCALE_MAX);
    struct json_node *node = json_builder_value(builder, scale == 0 ? NODE_INTEGER : NODE_DECIMAL);
    if (node != NULL) {
        node->integer = mantissa;
        node->scale = (uint8_t)scale;
    }
}

void json_builder_numeric(struct json_builder *builder, struct span numeric)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    // A number has one form only, so that equal texts have equal bytes.
    if (numeric_to_decimal(numeric, &mantissa, &scale)) {
        json_builder_decimal(builder, mantissa, scale);
        return;
    }
    ASSERT(numeric_parts(numeric).kind <= NUMERIC_NEGATIVE);
    struct json_node *node = json_builder_value(builder, NODE_NUMERIC);
    if (node != NULL) {
        node->bytes = numeric.data;
        node->size = (uint32_t)numeric.size;
    }
}

static void set_bytes(struct json_builder *builder, struct json_node *node, struct span bytes)
{
    if (bytes.size > VALUE_SIZE_MAX) {
        builder->status = TDBPLUS_E_LIMIT;
        return;
    }
    node->bytes = bytes.data;
    node->size = (uint32_t)bytes.size;
}

void json_builder_string(struct json_builder *builder, struct span text)
{
    struct json_node *node = json_builder_value(builder, NODE_STRING);
    if (node != NULL) {
        set_bytes(builder, node, text);
    }
}

void json_builder_document(struct json_builder *builder, struct span document)
{
    struct json_node *node = json_builder_value(builder, NODE_DOCUMENT);
    if (node == NULL) {
        return;
    }
    set_bytes(builder, node, document);
    if (builder->status == TDBPLUS_OK && builder->depth + json_depth(document) > JSON_DEPTH_MAX) {
        builder->status = TDBPLUS_E_LIMIT;
    }
}

void json_builder_key(struct json_builder *builder, struct span key)
{
    if (builder->status != TDBPLUS_OK) {
        return;
    }
    ASSERT(builder->depth > 0);
    struct json_frame *frame = &builder->frames[builder->depth - 1];
    ASSERT(builder->nodes[frame->node].kind == NODE_OBJECT);
    ASSERT(!frame->has_key);
    struct json_node *node = push_node(builder, NODE_STRING);
    if (node != NULL && push_word(builder, builder->node_count - 1)) {
        frame->has_key = true;
        set_bytes(builder, node, key);
    }
}

static void begin(struct json_builder *builder, enum json_node_kind kind)
{
    if (json_builder_value(builder, kind) != NULL) {
        struct json_frame *frame = push_frame(builder);
        if (frame != NULL) {
            frame->node = builder->node_count - 1;
        }
    }
}

void json_builder_begin_array(struct json_builder *builder)
{
    begin(builder, NODE_ARRAY);
}

void json_builder_begin_object(struct json_builder *builder)
{
    begin(builder, NODE_OBJECT);
}

/* Closes the innermost container; NULL after a failure. */
static struct json_frame *end(struct json_builder *builder, enum json_node_kind kind)
{
    if (builder->status != TDBPLUS_OK) {
        return NULL;
    }
    ASSERT(builder->depth > 0);
    struct json_frame *frame = &builder->frames[builder->depth - 1];
    ASSERT(builder->nodes[frame->node].kind == kind);
    ASSERT(!frame->has_key);
    builder->depth--;
    builder->nodes[frame->node].next = builder->node_count;
    return frame;
}

void json_builder_end_array(struct json_builder *builder)
{
    struct json_frame *frame = end(builder, NODE_ARRAY);
    if (frame != NULL) {
        builder->nodes[frame->node].size = frame->count;
    }
}

static struct span key_of(const struct json_builder *builder, uint32_t node)
{
    return (struct span){builder->nodes[node].bytes, builder->nodes[node].size};
}

/* Order of keys; of equal ones, the later first, so that the first of a run is the one to keep. */
static bool comes_before(const struct json_builder *builder, uint32_t left, uint32_t right)
{
    int order = json_compare_keys(key_of(builder, left), key_of(builder, right));
    return order != 0 ? order < 0 : left > right;
}

static void sort_by_insertion(const struct json_builder *builder, uint32_t *keys, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint32_t key = keys[i];
        uint32_t k = i;
        for (; k > 0 && comes_before(builder, key, keys[k - 1]); k--) {
            keys[k] = keys[k - 1];
        }
        keys[k] = key;
    }
}

static void sift_down(const struct json_builder *builder, uint32_t *keys, uint32_t root,
                      uint32_t count)
{
    uint32_t key = keys[root];
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && comes_before(builder, keys[child], keys[child + 1])) {
            child++;
        }
        if (!comes_before(builder, key, keys[child])) {
            break;
        }
        keys[root] = keys[child];
        root = child;
    }
    keys[root] = key;
}

/* Heapsort: in place, and no order of keys makes it slow. */
static void sort_keys(const struct json_builder *builder, uint32_t *keys, uint32_t count)
{
    if (count <= INSERTION_MAX) {
        sort_by_insertion(builder, keys, count);
        return;
    }
    for (uint32_t i = count / 2; i > 0; i--) {
        sift_down(builder, keys, i - 1, count);
    }
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t largest = keys[0];
        keys[0] = keys[i];
        keys[i] = largest;
        sift_down(builder, keys, 0, i);
    }
}

static bool reserve_order(struct json_builder *builder, uint32_t count)
{
    while (builder->order_capacity - builder->order_count < count) {
        void *grown =
            grow(builder, builder->order, &builder->order_capacity, sizeof *builder->order);
        if (grown == NULL) {
            return false;
        }
        builder->order = grown;
    }
    return true;
}

void json_builder_end_object(struct json_builder *builder)
{
    struct json_frame *frame = end(builder, NODE_OBJECT);
    if (frame == NULL || !reserve_order(builder, frame->count)) {
        return;
    }
    uint32_t *keys = builder->stack + frame->base;
    struct json_node *node = &builder->nodes[frame->node];
    sort_keys(builder, keys, frame->count);
    node->order = builder->order_count;
    for (uint32_t i = 0; i < frame->count; i++) {
        if (i == 0 || json_compare_keys(key_of(builder, keys[i]), key_of(builder, keys[i - 1]))) {
            builder->order[builder->order_count++] = keys[i];
        }
    }
    node->size = builder->order_count - node->order;
    builder->stack_count = frame->base;
}

/* ---- writing ---- */

static void put_number(const struct json_node *node, struct buffer *out)
{
    unsigned width = json_integer_width(node->integer);
    uint8_t *at = buffer_extend(out, width + (node->kind == NODE_DECIMAL) + 1u);
    if (at == NULL) {
        return;
    }
    memcpy(at, &node->integer, width);
    at += width;
    if (node->kind == NODE_DECIMAL) {
        *at++ = node->scale;
    }
    *at = node->kind == NODE_DECIMAL ? TAG_DECIMAL : TAG_INTEGER;
}

static void put_tagged(const struct json_node *node, uint8_t tag, struct buffer *out)
{
    uint8_t *at = buffer_extend(out, (size_t)node->size + 1);
    if (at != NULL) {
        if (node->size > 0) {
            memcpy(at, node->bytes, node->size);
        }
        at[node->size] = tag;
    }
}

static void put_scalar(const struct json_node *node, struct buffer *out)
{
    switch (node->kind) {
    case NODE_INTEGER:
    case NODE_DECIMAL:
        put_number(node, out);
        break;
    case NODE_STRING:
        put_tagged(node, TAG_STRING, out);
        break;
    case NODE_NUMERIC:
        put_tagged(node, TAG_NUMERIC, out);
        break;
    case NODE_DOCUMENT:
        buffer_put(out, node->bytes, node->size);
        break;
    default:
        buffer_put_u8(out, node->kind == NODE_NULL    ? TAG_NULL
                           : node->kind == NODE_FALSE ? TAG_FALSE
                                                      : TAG_TRUE);
    }
}

static inline uint8_t *store(uint8_t *at, uint32_t value, unsigned width)
{
    memcpy(at, &value, width);
    return at + width;
}

/* The table, the count and the tag after everything inside has been written. */
static void put_table(struct json_builder *builder, const struct json_frame *frame,
                      struct buffer *out)
{
    const struct json_node *node = &builder->nodes[frame->node];
    size_t data_size = out->size - frame->start;
    if (data_size > VALUE_SIZE_MAX) {
        builder->status = TDBPLUS_E_LIMIT;
        return;
    }
    unsigned code = json_width_code(data_size, node->size);
    unsigned width = 1u << code;
    uint32_t words = builder->stack_count - frame->base;
    uint8_t *at = buffer_extend(out, (size_t)(words + 1) * width + 1);
    if (at == NULL) {
        return;
    }
    const uint32_t *word = builder->stack + frame->base;
    for (uint32_t i = 0; i < words; i++) {
        at = store(at, word[i], width);
    }
    at = store(at, node->size, width);
    *at = (uint8_t)((node->kind == NODE_ARRAY ? TAG_ARRAY : TAG_OBJECT) | code << TAG_WIDTH_SHIFT);
    builder->stack_count = frame->base;
}

/* Writes the key of the next member, if it is one, and returns the node of the next value. */
static uint32_t next_value(struct json_builder *builder, struct json_frame *frame,
                           struct buffer *out)
{
    const struct json_node *node = &builder->nodes[frame->node];
    uint32_t position = frame->position++;
    if (node->kind == NODE_ARRAY) {
        uint32_t item = frame->cursor;
        const struct json_node *value = &builder->nodes[item];
        frame->cursor = value->kind >= NODE_ARRAY ? value->next : item + 1;
        return item;
    }
    uint32_t key = builder->order[node->order + position];
    struct span bytes = key_of(builder, key);
    buffer_put_span(out, bytes);
    (void)push_word(builder, (uint32_t)bytes.size); // Its failure is remembered.
    return key + 1;
}

/* Writes one value, or begins it. */
static void put_value(struct json_builder *builder, uint32_t index, struct buffer *out)
{
    const struct json_node *node = &builder->nodes[index];
    if (node->kind < NODE_ARRAY) {
        put_scalar(node, out);
        return;
    }
    struct json_frame *frame = push_frame(builder);
    if (frame != NULL) {
        frame->node = index;
        frame->cursor = index + 1;
        frame->start = out->size;
    }
}

/* Tells the container around a value that it ends here. */
static void put_end(struct json_builder *builder, const struct buffer *out)
{
    if (builder->depth > 0) {
        size_t start = builder->frames[builder->depth - 1].start;
        (void)push_word(builder, (uint32_t)(out->size - start));
    }
}

static void put_all(struct json_builder *builder, struct buffer *out)
{
    put_value(builder, 0, out);
    while (builder->depth > 0 && builder->status == TDBPLUS_OK && !out->failed) {
        struct json_frame *frame = &builder->frames[builder->depth - 1];
        uint32_t depth = builder->depth;
        if (frame->position == builder->nodes[frame->node].size) {
            put_table(builder, frame, out);
            builder->depth--;
            put_end(builder, out);
            continue;
        }
        put_value(builder, next_value(builder, frame, out), out);
        if (builder->depth == depth) {
            put_end(builder, out); // It was a scalar, so it is complete.
        }
    }
}

tdbplus_status json_builder_finish(struct json_builder *builder, struct buffer *document,
                                   struct err *err)
{
    size_t before = document->size;
    if (builder->status == TDBPLUS_OK) {
        ASSERT(builder->depth == 0);
        ASSERT(builder->node_count > 0);
        put_all(builder, document);
    }
    tdbplus_status status = builder->status;
    if (status == TDBPLUS_OK && document->failed) {
        status = TDBPLUS_E_NOMEM;
    }
    if (status == TDBPLUS_OK && document->size - before > VALUE_SIZE_MAX) {
        status = TDBPLUS_E_LIMIT;
    }
    json_builder_clear(builder);
    if (status == TDBPLUS_OK) {
        return TDBPLUS_OK;
    }
    document->size = before;
    if (status == TDBPLUS_E_NOMEM) {
        return err_set(err, status, "json: no memory for the document");
    }
    return err_set_state(err, status, "54001",
                         "json: the document is nested deeper than %u or larger than %zu bytes",
                         JSON_DEPTH_MAX, VALUE_SIZE_MAX);
}
