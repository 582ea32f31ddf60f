/* Paths applied to documents. Paths are at most JSONPATH_DEPTH_MAX nested and documents
 * JSON_DEPTH_MAX, which bounds every recursion here. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sql/func/jsonpath.h"
#include "sql/func/regex.h"
#include "types/json.h"
#include "types/numeric.h"

#define ITEMS_MAX (1u << 24)

enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN };

struct walk {
    const struct jsonpath *path;
    struct span document;
    struct span variables;
    struct span current;
    uint32_t last; /* Of the array whose subscripts are computed; UINT32_MAX: it is empty. */
    bool lenient;  /* lax: arrays are unwrapped, missing parts are nothing. */
    struct arena *arena;
    struct err *err;
    uint32_t depth;
};

static tdbplus_status apply(struct walk *walk, const struct jsonpath_node *node,
                            struct jsonpath_items *out);
static tdbplus_status judge(struct walk *walk, const struct jsonpath_node *node,
                            enum truth *truth_out);

static tdbplus_status no_memory(struct walk *walk)
{
    return err_set(walk->err, TDBPLUS_E_NOMEM, "out of memory in a path");
}

static tdbplus_status push(struct walk *walk, struct jsonpath_items *items, struct span item)
{
    if (items->count == items->capacity) {
        uint32_t capacity = items->capacity * 2 + 8;
        struct span *grown = capacity > ITEMS_MAX
                                 ? NULL
                                 : arena_alloc(walk->arena, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            return no_memory(walk);
        }
        if (items->count > 0) {
            memcpy(grown, items->items, items->count * sizeof *grown);
        }
        items->items = grown;
        items->capacity = capacity;
    }
    items->items[items->count++] = item;
    return TDBPLUS_OK;
}

static TDBPLUS_CHECKED tdbplus_status fail(struct walk *walk, const char *sqlstate,
                                           const char *text)
{
    return err_set_state(walk->err, TDBPLUS_E_SQL, sqlstate, "%s", text);
}

/* ---- values made on the way ---- */

static tdbplus_status take_built(struct walk *walk, struct json_builder *builder,
                                 struct span *value_out)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer document;
    buffer_init(&document, walk->arena->alloc);
    TRY_OR(done, json_builder_finish(builder, &document, walk->err));
    uint8_t *bytes = arena_bytes(walk->arena, document.size);
    if (bytes == NULL) {
        status = no_memory(walk);
        goto done;
    }
    memcpy(bytes, document.data, document.size);
    *value_out = (struct span){.data = bytes, .size = document.size};
done:
    buffer_deinit(&document);
    return status;
}

static tdbplus_status push_number(struct walk *walk, struct span numeric,
                                  struct jsonpath_items *out)
{
    struct json_builder builder;
    struct span value = {0};
    json_builder_init(&builder, walk->arena->alloc);
    json_builder_numeric(&builder, numeric);
    tdbplus_status status = take_built(walk, &builder, &value);
    json_builder_deinit(&builder);
    return status == TDBPLUS_OK ? push(walk, out, value) : status;
}

static tdbplus_status push_string(struct walk *walk, struct span text, struct jsonpath_items *out)
{
    struct json_builder builder;
    struct span value = {0};
    json_builder_init(&builder, walk->arena->alloc);
    json_builder_string(&builder, text);
    tdbplus_status status = take_built(walk, &builder, &value);
    json_builder_deinit(&builder);
    return status == TDBPLUS_OK ? push(walk, out, value) : status;
}

static tdbplus_status push_plain(struct walk *walk, enum json_kind kind, bool boolean,
                                 struct jsonpath_items *out)
{
    struct json_builder builder;
    struct span value = {0};
    json_builder_init(&builder, walk->arena->alloc);
    if (kind == JSON_NULL) {
        json_builder_null(&builder);
    } else {
        json_builder_boolean(&builder, boolean);
    }
    tdbplus_status status = take_built(walk, &builder, &value);
    json_builder_deinit(&builder);
    return status == TDBPLUS_OK ? push(walk, out, value) : status;
}

/* ---- steps ---- */

static bool unwraps(const struct walk *walk, struct span item)
{
    return walk->lenient && json_kind(item) == JSON_ARRAY;
}

/* Items with arrays taken apart, one level, as lax paths do before most steps. */
static tdbplus_status unwrap(struct walk *walk, const struct jsonpath_items *items,
                             struct jsonpath_items *out)
{
    for (uint32_t i = 0; i < items->count; i++) {
        struct span item = items->items[i];
        if (!unwraps(walk, item)) {
            TRY(push(walk, out, item));
            continue;
        }
        for (uint32_t k = 0; k < json_count(item); k++) {
            TRY(push(walk, out, json_item(item, k)));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status apply_unwrapped(struct walk *walk, const struct jsonpath_node *node,
                                      struct jsonpath_items *out)
{
    struct jsonpath_items items = {0};
    TRY(apply(walk, node, &items));
    return unwrap(walk, &items, out);
}

static tdbplus_status step_key(struct walk *walk, const struct jsonpath_node *node,
                               struct span item, struct jsonpath_items *out)
{
    struct span member;
    if (json_kind(item) != JSON_OBJECT) {
        return walk->lenient ? TDBPLUS_OK
                             : fail(walk, "2203A",
                                    "jsonpath member accessor can only be applied to an object");
    }
    if (json_get(item, node->text, &member)) {
        return push(walk, out, member);
    }
    return walk->lenient ? TDBPLUS_OK
                         : err_set_state(walk->err, TDBPLUS_E_SQL, "2203A",
                                         "JSON object does not contain key \"%.*s\"",
                                         (int)node->text.size, (const char *)node->text.data);
}

static tdbplus_status step_any_key(struct walk *walk, struct span item, struct jsonpath_items *out)
{
    if (json_kind(item) != JSON_OBJECT) {
        return walk->lenient
                   ? TDBPLUS_OK
                   : fail(walk, "2203C",
                          "jsonpath wildcard member accessor can only be applied to an object");
    }
    for (uint32_t i = 0; i < json_count(item); i++) {
        struct span key = {0};
        TRY(push(walk, out, json_member(item, i, &key)));
    }
    return TDBPLUS_OK;
}

/* Everything at depths [from, to] below an item, in the order of the document. */
static tdbplus_status step_depths(struct walk *walk, const struct jsonpath_node *node,
                                  struct span item, uint32_t depth, struct jsonpath_items *out)
{
    bool leaf = json_kind(item) < JSON_ARRAY;
    bool wanted = node->from == UINT32_MAX ? leaf : depth >= node->from && depth <= node->to;
    if (wanted) {
        TRY(push(walk, out, item));
    }
    if (node->from != UINT32_MAX && depth >= node->to) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < json_count(item); i++) {
        struct span key = {0};
        struct span part =
            json_kind(item) == JSON_ARRAY ? json_item(item, i) : json_member(item, i, &key);
        TRY(step_depths(walk, node, part, depth + 1, out));
    }
    return TDBPLUS_OK;
}

static tdbplus_status step_items(struct walk *walk, struct span item, struct jsonpath_items *out)
{
    if (json_kind(item) != JSON_ARRAY) {
        return walk->lenient
                   ? push(walk, out, item)
                   : fail(walk, "22039",
                          "jsonpath wildcard array accessor can only be applied to an array");
    }
    for (uint32_t i = 0; i < json_count(item); i++) {
        TRY(push(walk, out, json_item(item, i)));
    }
    return TDBPLUS_OK;
}

/* A subscript: one number, cut to a whole one. */
static tdbplus_status read_subscript(struct walk *walk, const struct jsonpath_node *node,
                                     int64_t *index_out)
{
    struct jsonpath_items items = {0};
    TRY(apply(walk, node, &items));
    if (items.count != 1 || json_kind(items.items[0]) != JSON_NUMBER) {
        return fail(walk, "22033", "jsonpath array subscript is not a single numeric value");
    }
    double value = trunc(json_real(items.items[0]));
    if (!(value >= INT32_MIN && value <= INT32_MAX)) {
        return fail(walk, "22033", "jsonpath array subscript is out of integer range");
    }
    *index_out = (int64_t)value;
    return TDBPLUS_OK;
}

static tdbplus_status step_range(struct walk *walk, const struct jsonpath_node *range,
                                 struct span item, bool is_array, struct jsonpath_items *out)
{
    int64_t count = is_array ? json_count(item) : 1;
    int64_t from = 0;
    int64_t to = 0;
    TRY(read_subscript(walk, range->left, &from));
    to = from;
    if (range->right != NULL) {
        TRY(read_subscript(walk, range->right, &to));
    }
    if (!walk->lenient && (from < 0 || from > to || to >= count)) {
        return fail(walk, "22033", "jsonpath array subscript is out of bounds");
    }
    from = from < 0 ? 0 : from;
    to = to >= count ? count - 1 : to;
    for (int64_t i = from; i <= to; i++) {
        TRY(push(walk, out, is_array ? json_item(item, (uint32_t)i) : item));
    }
    return TDBPLUS_OK;
}

static tdbplus_status step_index(struct walk *walk, const struct jsonpath_node *node,
                                 struct span item, struct jsonpath_items *out)
{
    bool is_array = json_kind(item) == JSON_ARRAY;
    if (!is_array && !walk->lenient) {
        return fail(walk, "22039", "jsonpath array accessor can only be applied to an array");
    }
    uint32_t before = walk->last;
    walk->last = is_array ? json_count(item) - 1 : 0;
    tdbplus_status status = TDBPLUS_OK;
    for (const struct jsonpath_node *range = node->right; range != NULL && status == TDBPLUS_OK;
         range = range->next) {
        status = step_range(walk, range, item, is_array, out);
    }
    walk->last = before;
    return status;
}

static tdbplus_status step_filter(struct walk *walk, const struct jsonpath_node *node,
                                  struct span item, struct jsonpath_items *out)
{
    enum truth truth = TRUTH_UNKNOWN;
    struct span before = walk->current;
    walk->current = item;
    tdbplus_status status = judge(walk, node->right, &truth);
    walk->current = before;
    if (status != TDBPLUS_OK) {
        return status;
    }
    return truth == TRUTH_TRUE ? push(walk, out, item) : TDBPLUS_OK;
}

/* ---- methods ---- */

static const char *type_word(struct span item)
{
    static const char *const words[] = {
        [JSON_NULL] = "null",       [JSON_STRING] = "string", [JSON_NUMBER] = "number",
        [JSON_BOOLEAN] = "boolean", [JSON_ARRAY] = "array",   [JSON_OBJECT] = "object"};
    return words[json_kind(item)];
}

static tdbplus_status push_integer(struct walk *walk, int64_t value, struct jsonpath_items *out)
{
    struct buffer number;
    buffer_init(&number, walk->arena->alloc);
    numeric_of_integer(value, &number);
    tdbplus_status status =
        number.failed ? no_memory(walk) : push_number(walk, buffer_span(&number), out);
    buffer_deinit(&number);
    return status;
}

static tdbplus_status method_double(struct walk *walk, struct span item, struct jsonpath_items *out)
{
    double value = 0;
    if (json_kind(item) == JSON_NUMBER) {
        value = json_real(item);
    } else if (json_kind(item) == JSON_STRING) {
        char text[64];
        struct span string = json_string(item);
        size_t size = string.size < sizeof text ? string.size : sizeof text - 1;
        memcpy(text, string.data, size);
        text[size] = 0;
        char *end = text;
        value = strtod(text, &end);
        if (size != string.size || size == 0 || end != text + size) {
            return fail(walk, "22036",
                        "string argument of jsonpath item method .double() is not a valid "
                        "representation of a double precision number");
        }
    } else {
        return fail(walk, "22036",
                    "jsonpath item method .double() can only be applied to a string or numeric "
                    "value");
    }
    if (isinf(value) || isnan(value)) {
        return fail(walk, "22036",
                    "NaN or Infinity is not allowed for jsonpath item method "
                    ".double()");
    }
    struct buffer number;
    buffer_init(&number, walk->arena->alloc);
    tdbplus_status status = numeric_of_float8(value, &number, walk->err);
    if (status == TDBPLUS_OK) {
        status = push_number(walk, buffer_span(&number), out);
    }
    buffer_deinit(&number);
    return status;
}

static tdbplus_status method_rounding(struct walk *walk, struct span name, struct span item,
                                      struct jsonpath_items *out)
{
    if (json_kind(item) != JSON_NUMBER) {
        return err_set_state(walk->err, TDBPLUS_E_SQL, "22036",
                             "jsonpath item method .%.*s() can only be applied to a numeric value",
                             (int)name.size, (const char *)name.data);
    }
    tdbplus_status status = TDBPLUS_OK;
    struct buffer before;
    struct buffer after;
    buffer_init(&before, walk->arena->alloc);
    buffer_init(&after, walk->arena->alloc);
    json_numeric(item, &before);
    TRY_OR(done, name.data[0] == 'c'   ? numeric_ceiling(buffer_span(&before), &after, walk->err)
                 : name.data[0] == 'f' ? numeric_floor(buffer_span(&before), &after, walk->err)
                                       : numeric_absolute(buffer_span(&before), &after, walk->err));
    TRY_OR(done, push_number(walk, buffer_span(&after), out));
done:
    buffer_deinit(&after);
    buffer_deinit(&before);
    return status;
}

static tdbplus_status method_keyvalue(struct walk *walk, struct span item,
                                      struct jsonpath_items *out)
{
    if (json_kind(item) != JSON_OBJECT) {
        return fail(walk, "2203C",
                    "jsonpath item method .keyvalue() can only be applied to an object");
    }
    // Where the object lies in the document tells objects apart.
    bool inside =
        item.data >= walk->document.data && item.data < walk->document.data + walk->document.size;
    int64_t id = inside ? item.data - walk->document.data : 0;
    for (uint32_t i = 0; i < json_count(item); i++) {
        struct span key = {0};
        struct span member = json_member(item, i, &key);
        struct json_builder builder;
        struct span value = {0};
        json_builder_init(&builder, walk->arena->alloc);
        json_builder_begin_object(&builder);
        json_builder_key(&builder, span_from_text("key"));
        json_builder_string(&builder, key);
        json_builder_key(&builder, span_from_text("value"));
        json_builder_document(&builder, member);
        json_builder_key(&builder, span_from_text("id"));
        json_builder_integer(&builder, id);
        json_builder_end_object(&builder);
        tdbplus_status status = take_built(walk, &builder, &value);
        json_builder_deinit(&builder);
        TRY(status);
        TRY(push(walk, out, value));
    }
    return TDBPLUS_OK;
}

static tdbplus_status step_method(struct walk *walk, const struct jsonpath_node *node,
                                  struct span item, struct jsonpath_items *out)
{
    switch (node->text.data[0]) {
    case 't':
        return push_string(walk, span_from_text(type_word(item)), out);
    case 's':
        if (json_kind(item) != JSON_ARRAY && !walk->lenient) {
            return fail(walk, "22039",
                        "jsonpath item method .size() can only be applied to an array");
        }
        return push_integer(walk, json_kind(item) == JSON_ARRAY ? json_count(item) : 1, out);
    case 'd':
        return node->text.size == 6 ? method_double(walk, item, out)
                                    : err_set(walk->err, TDBPLUS_E_UNSUPPORTED,
                                              "the path method datetime() is not supported");
    case 'k':
        return method_keyvalue(walk, item, out);
    default:
        return method_rounding(walk, node->text, item, out);
    }
}

/* True for steps that lax paths give the items of arrays to, and not the arrays. */
static bool wants_unwrapped(const struct jsonpath_node *node)
{
    switch (node->kind) {
    case PATH_KEY:
    case PATH_ANY_KEY:
    case PATH_FILTER:
        return true;
    case PATH_METHOD:
        return node->text.data[0] != 't' && node->text.data[0] != 's';
    default:
        return false;
    }
}

static tdbplus_status step(struct walk *walk, const struct jsonpath_node *node, struct span item,
                           struct jsonpath_items *out)
{
    switch (node->kind) {
    case PATH_KEY:
        return step_key(walk, node, item, out);
    case PATH_ANY_KEY:
        return step_any_key(walk, item, out);
    case PATH_ANY_DEPTH:
        return step_depths(walk, node, item, 0, out);
    case PATH_ITEMS:
        return step_items(walk, item, out);
    case PATH_INDEX:
        return step_index(walk, node, item, out);
    case PATH_FILTER:
        return step_filter(walk, node, item, out);
    default:
        return step_method(walk, node, item, out);
    }
}

static tdbplus_status apply_step(struct walk *walk, const struct jsonpath_node *node,
                                 struct jsonpath_items *out)
{
    struct jsonpath_items items = {0};
    if (wants_unwrapped(node)) {
        TRY(apply_unwrapped(walk, node->left, &items));
    } else {
        TRY(apply(walk, node->left, &items));
    }
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < items.count && status == TDBPLUS_OK; i++) {
        status = step(walk, node, items.items[i], out);
    }
    return status;
}

/* ---- arithmetic ---- */

static tdbplus_status operand(struct walk *walk, const struct jsonpath_node *node,
                              const char *which, const char *name, struct buffer *number)
{
    struct jsonpath_items items = {0};
    TRY(apply_unwrapped(walk, node, &items));
    if (items.count != 1 || json_kind(items.items[0]) != JSON_NUMBER) {
        return err_set_state(walk->err, TDBPLUS_E_SQL, "22038",
                             "%s operand of jsonpath operator %s is not a single numeric value",
                             which, name);
    }
    json_numeric(items.items[0], number);
    return number->failed ? no_memory(walk) : TDBPLUS_OK;
}

static tdbplus_status apply_arithmetic(struct walk *walk, const struct jsonpath_node *node,
                                       struct jsonpath_items *out)
{
    static const char *const names[] = {"+", "-", "*", "/", "%"};
    const char *name = names[node->kind - PATH_ADD];
    tdbplus_status status = TDBPLUS_OK;
    struct buffer left;
    struct buffer right;
    struct buffer result;
    buffer_init(&left, walk->arena->alloc);
    buffer_init(&right, walk->arena->alloc);
    buffer_init(&result, walk->arena->alloc);
    TRY_OR(done, operand(walk, node->left, "left", name, &left));
    TRY_OR(done, operand(walk, node->right, "right", name, &right));
    struct span a = buffer_span(&left);
    struct span b = buffer_span(&right);
    TRY_OR(done, node->kind == PATH_ADD        ? numeric_add(a, b, &result, walk->err)
                 : node->kind == PATH_SUBTRACT ? numeric_subtract(a, b, &result, walk->err)
                 : node->kind == PATH_MULTIPLY ? numeric_multiply(a, b, &result, walk->err)
                 : node->kind == PATH_DIVIDE   ? numeric_divide(a, b, &result, walk->err)
                                               : numeric_modulo(a, b, &result, walk->err));
    TRY_OR(done, push_number(walk, buffer_span(&result), out));
done:
    buffer_deinit(&result);
    buffer_deinit(&right);
    buffer_deinit(&left);
    return status;
}

static tdbplus_status apply_sign(struct walk *walk, const struct jsonpath_node *node,
                                 struct jsonpath_items *out)
{
    struct jsonpath_items items = {0};
    TRY(apply_unwrapped(walk, node->left, &items));
    for (uint32_t i = 0; i < items.count; i++) {
        if (json_kind(items.items[i]) != JSON_NUMBER) {
            return err_set_state(walk->err, TDBPLUS_E_SQL, "2203B",
                                 "operand of unary jsonpath operator %s is not a numeric value",
                                 node->kind == PATH_PLUS ? "+" : "-");
        }
        if (node->kind == PATH_PLUS) {
            TRY(push(walk, out, items.items[i]));
            continue;
        }
        struct buffer number;
        struct buffer negated;
        buffer_init(&number, walk->arena->alloc);
        buffer_init(&negated, walk->arena->alloc);
        json_numeric(items.items[i], &number);
        tdbplus_status status = numeric_negate(buffer_span(&number), &negated, walk->err);
        if (status == TDBPLUS_OK) {
            status = push_number(walk, buffer_span(&negated), out);
        }
        buffer_deinit(&negated);
        buffer_deinit(&number);
        TRY(status);
    }
    return TDBPLUS_OK;
}

/* ---- leaves ---- */

static tdbplus_status apply_variable(struct walk *walk, const struct jsonpath_node *node,
                                     struct jsonpath_items *out)
{
    struct span value;
    if (walk->variables.size > 0 && json_kind(walk->variables) == JSON_OBJECT &&
        json_get(walk->variables, node->text, &value)) {
        return push(walk, out, value);
    }
    return err_set_state(walk->err, TDBPLUS_E_SQL, "42704",
                         "could not find jsonpath variable \"%.*s\"", (int)node->text.size,
                         (const char *)node->text.data);
}

static tdbplus_status apply_node(struct walk *walk, const struct jsonpath_node *node,
                                 struct jsonpath_items *out)
{
    switch (node->kind) {
    case PATH_ROOT:
        return push(walk, out, walk->document);
    case PATH_CURRENT:
        return push(walk, out, walk->current);
    case PATH_LAST:
        return push_integer(walk, (int64_t)(int32_t)walk->last, out);
    case PATH_VARIABLE:
        return apply_variable(walk, node, out);
    case PATH_NULL:
        return push_plain(walk, JSON_NULL, false, out);
    case PATH_BOOLEAN:
        return push_plain(walk, JSON_BOOLEAN, node->boolean, out);
    case PATH_NUMBER:
        return push_number(walk, node->text, out);
    case PATH_STRING:
        return push_string(walk, node->text, out);
    case PATH_ADD:
    case PATH_SUBTRACT:
    case PATH_MULTIPLY:
    case PATH_DIVIDE:
    case PATH_MODULO:
        return apply_arithmetic(walk, node, out);
    case PATH_PLUS:
    case PATH_MINUS:
        return apply_sign(walk, node, out);
    case PATH_KEY:
    case PATH_ANY_KEY:
    case PATH_ANY_DEPTH:
    case PATH_ITEMS:
    case PATH_INDEX:
    case PATH_METHOD:
    case PATH_FILTER:
        return apply_step(walk, node, out);
    case PATH_RANGE:
        return TDBPLUS_OK;
    default:
        break;
    }
    enum truth truth = TRUTH_UNKNOWN;
    TRY(judge(walk, node, &truth));
    return push_plain(walk, truth == TRUTH_UNKNOWN ? JSON_NULL : JSON_BOOLEAN, truth == TRUTH_TRUE,
                      out);
}

static tdbplus_status apply(struct walk *walk, const struct jsonpath_node *node,
                            struct jsonpath_items *out)
{
    if (++walk->depth > 4 * JSONPATH_DEPTH_MAX) {
        return err_set_state(walk->err, TDBPLUS_E_LIMIT, "54001", "a path is nested too deep");
    }
    TRY(apply_node(walk, node, out));
    walk->depth--;
    return TDBPLUS_OK;
}

/* ---- predicates ---- */

/* Errors of values inside of a predicate make it unknown. */
static tdbplus_status soften(struct walk *walk, tdbplus_status status, bool *failed)
{
    *failed = status == TDBPLUS_E_SQL || status == TDBPLUS_E_RANGE;
    if (*failed) {
        err_clear(walk->err);
        return TDBPLUS_OK;
    }
    return status;
}

static tdbplus_status predicate_items(struct walk *walk, const struct jsonpath_node *node,
                                      struct jsonpath_items *out, bool *failed)
{
    uint32_t depth = walk->depth;
    uint32_t last = walk->last;
    struct span current = walk->current;
    tdbplus_status status = soften(walk, apply_unwrapped(walk, node, out), failed);
    walk->depth = depth;
    walk->last = last;
    walk->current = current;
    return status;
}

static enum truth compare(enum jsonpath_kind kind, struct span left, struct span right)
{
    enum json_kind a = json_kind(left);
    enum json_kind b = json_kind(right);
    if (a != b) {
        bool null = a == JSON_NULL || b == JSON_NULL;
        return !null ? TRUTH_UNKNOWN : kind == PATH_NOT_EQUAL ? TRUTH_TRUE : TRUTH_FALSE;
    }
    if (a >= JSON_ARRAY) {
        return TRUTH_UNKNOWN;
    }
    int order = json_compare(left, right);
    bool holds = kind == PATH_EQUAL        ? order == 0
                 : kind == PATH_NOT_EQUAL  ? order != 0
                 : kind == PATH_LESS       ? order < 0
                 : kind == PATH_LESS_EQUAL ? order <= 0
                 : kind == PATH_GREATER    ? order > 0
                                           : order >= 0;
    return holds ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum truth starts_with(struct span left, struct span right)
{
    if (json_kind(left) != JSON_STRING || json_kind(right) != JSON_STRING) {
        return TRUTH_UNKNOWN;
    }
    struct span text = json_string(left);
    struct span begin = json_string(right);
    bool holds = text.size >= begin.size &&
                 (begin.size == 0 || memcmp(text.data, begin.data, begin.size) == 0);
    return holds ? TRUTH_TRUE : TRUTH_FALSE;
}

/* True if a pair of items is so; a pair that cannot be compared makes it unknown. */
static enum truth judge_pairs(const struct walk *walk, const struct jsonpath_node *node,
                              const struct jsonpath_items *left, const struct jsonpath_items *right)
{
    bool found = false;
    bool unknown = false;
    for (uint32_t i = 0; i < left->count; i++) {
        for (uint32_t k = 0; k < right->count; k++) {
            enum truth one =
                node->kind == PATH_STARTS_WITH
                    ? starts_with(left->items[i], right->items[k])
                    : compare((enum jsonpath_kind)node->kind, left->items[i], right->items[k]);
            if (one == TRUTH_UNKNOWN && !walk->lenient) {
                return TRUTH_UNKNOWN;
            }
            if (one == TRUTH_TRUE && walk->lenient) {
                return TRUTH_TRUE;
            }
            found = found || one == TRUTH_TRUE;
            unknown = unknown || one == TRUTH_UNKNOWN;
        }
    }
    return found ? TRUTH_TRUE : unknown ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

static tdbplus_status judge_comparison(struct walk *walk, const struct jsonpath_node *node,
                                       enum truth *truth_out)
{
    struct jsonpath_items left = {0};
    struct jsonpath_items right = {0};
    bool failed = false;
    TRY(predicate_items(walk, node->left, &left, &failed));
    if (!failed) {
        TRY(predicate_items(walk, node->right, &right, &failed));
    }
    *truth_out = failed ? TRUTH_UNKNOWN : judge_pairs(walk, node, &left, &right);
    return TDBPLUS_OK;
}

static tdbplus_status judge_regex(struct walk *walk, const struct jsonpath_node *node,
                                  enum truth *truth_out)
{
    struct jsonpath_items items = {0};
    bool failed = false;
    TRY(predicate_items(walk, node->left, &items, &failed));
    *truth_out = failed ? TRUTH_UNKNOWN : TRUTH_FALSE;
    struct regex *regex = NULL;
    TRY(regex_create(node->text, node->flags, walk->arena->alloc, &regex, walk->err));
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < items.count && *truth_out != TRUTH_TRUE && !failed; i++) {
        bool found = false;
        if (json_kind(items.items[i]) != JSON_STRING) {
            *truth_out = TRUTH_UNKNOWN;
            continue;
        }
        TRY_OR(done, regex_find(regex, json_string(items.items[i]), 0, NULL, &found, walk->err));
        *truth_out = found ? TRUTH_TRUE : *truth_out;
    }
done:
    regex_destroy(regex);
    return status;
}

static tdbplus_status judge_exists(struct walk *walk, const struct jsonpath_node *node,
                                   enum truth *truth_out)
{
    struct jsonpath_items items = {0};
    bool failed = false;
    TRY(predicate_items(walk, node->left, &items, &failed));
    *truth_out = failed ? TRUTH_UNKNOWN : items.count > 0 ? TRUTH_TRUE : TRUTH_FALSE;
    return TDBPLUS_OK;
}

static tdbplus_status judge_joined(struct walk *walk, const struct jsonpath_node *node,
                                   enum truth *truth_out)
{
    enum truth settling = node->kind == PATH_AND ? TRUTH_FALSE : TRUTH_TRUE;
    enum truth left = TRUTH_UNKNOWN;
    enum truth right = TRUTH_UNKNOWN;
    TRY(judge(walk, node->left, &left));
    if (left == settling) {
        *truth_out = left;
        return TDBPLUS_OK;
    }
    TRY(judge(walk, node->right, &right));
    *truth_out = right == settling                                 ? right
                 : left == TRUTH_UNKNOWN || right == TRUTH_UNKNOWN ? TRUTH_UNKNOWN
                                                                   : left;
    return TDBPLUS_OK;
}

static tdbplus_status judge(struct walk *walk, const struct jsonpath_node *node,
                            enum truth *truth_out)
{
    enum truth inner = TRUTH_UNKNOWN;
    switch (node->kind) {
    case PATH_AND:
    case PATH_OR:
        return judge_joined(walk, node, truth_out);
    case PATH_NOT:
        TRY(judge(walk, node->left, &inner));
        *truth_out = inner == TRUTH_UNKNOWN ? inner
                     : inner == TRUTH_TRUE  ? TRUTH_FALSE
                                            : TRUTH_TRUE;
        return TDBPLUS_OK;
    case PATH_IS_UNKNOWN:
        TRY(judge(walk, node->left, &inner));
        *truth_out = inner == TRUTH_UNKNOWN ? TRUTH_TRUE : TRUTH_FALSE;
        return TDBPLUS_OK;
    case PATH_EXISTS:
        return judge_exists(walk, node, truth_out);
    case PATH_LIKE_REGEX:
        return judge_regex(walk, node, truth_out);
    default:
        return judge_comparison(walk, node, truth_out);
    }
}

tdbplus_status jsonpath_apply(const struct jsonpath *path, struct span document,
                              struct span variables, struct arena *arena,
                              struct jsonpath_items *items_out, struct err *err)
{
    struct walk walk = {.path = path,
                        .document = document,
                        .current = document,
                        .variables = variables,
                        .lenient = !path->strict,
                        .arena = arena,
                        .err = err};
    struct jsonpath_items items = {0};
    TRY(apply(&walk, path->root, &items));
    *items_out = items;
    return TDBPLUS_OK;
}
