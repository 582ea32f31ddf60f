#include "storage/segment/shred.h"

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"

#define NUMERIC_PRECISION 18
#define DECIMAL_LIMIT     ((int64_t)1000000000000000000)
#define MANTISSA_LIMIT    ((int64_t)1 << 53) /* Integers below it are doubles. */
#define SCALE_MAX         18u

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to take documents apart");
}

/* Keys order by size, then by bytes, as in documents. */
static int compare_keys(struct span left, struct span right)
{
    if (left.size != right.size) {
        return left.size < right.size ? -1 : 1;
    }
    return left.size == 0 ? 0 : memcmp(left.data, right.data, left.size);
}

bool shred_is_object(struct span document)
{
    return document.size > 0 && json_kind(document) == JSON_OBJECT;
}

/* ---- numbers ---- */

static double power_of_ten(unsigned scale)
{
    double power = 1;
    for (unsigned i = 0; i < scale; i++) {
        power *= 10; // Exact up to 10^22.
    }
    return power;
}

/* The shortest mantissa / 10^scale that is this double; false when there is none of our kind. */
static bool decimal_of_real(double real, int64_t *mantissa_out, unsigned *scale_out)
{
    double power = 1;
    for (unsigned scale = 0; scale <= SCALE_MAX; scale++, power *= 10) {
        double scaled = real * power;
        if (!(scaled > -(double)MANTISSA_LIMIT && scaled < (double)MANTISSA_LIMIT)) {
            return false;
        }
        int64_t mantissa = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        if ((double)mantissa / power == real) {
            *mantissa_out = mantissa;
            *scale_out = scale;
            return true;
        }
    }
    return false;
}

/* The double from which the same number is made again. */
bool shred_real_of_decimal(int64_t mantissa, unsigned scale, double *real_out)
{
    if (mantissa <= -MANTISSA_LIMIT || mantissa >= MANTISSA_LIMIT || scale > SCALE_MAX) {
        return false;
    }
    double real = (double)mantissa / power_of_ten(scale);
    int64_t again = 0;
    unsigned scale_again = 0;
    *real_out = real;
    return decimal_of_real(real, &again, &scale_again) && again == mantissa && scale_again == scale;
}

/* ---- one value ---- */

/* Fills in *datum_out if the value can be made from it again, byte by byte. */
static bool take_value(struct type type, struct span value, struct datum *datum_out)
{
    struct datum datum = {.type = type};
    int64_t mantissa = 0;
    unsigned scale = 0;
    enum json_kind kind = json_kind(value);
    bool good = false;
    switch (type.id) {
    case TYPE_BOOL:
        good = kind == JSON_BOOLEAN;
        datum.boolean = good && json_boolean(value);
        break;
    case TYPE_TEXT:
        datum.bytes = kind == JSON_STRING ? json_string(value) : (struct span){0};
        good = kind == JSON_STRING && datum.bytes.size <= VALUE_INLINE_SIZE_MAX;
        break;
    case TYPE_INT8:
        good = kind == JSON_NUMBER && json_decimal(value, &mantissa, &scale) && scale == 0;
        datum.integer = mantissa;
        break;
    case TYPE_NUMERIC:
        good = kind == JSON_NUMBER && json_decimal(value, &mantissa, &scale) &&
               scale == (unsigned)type.scale && mantissa < DECIMAL_LIMIT &&
               mantissa > -DECIMAL_LIMIT;
        datum.integer = mantissa;
        break;
    case TYPE_FLOAT8:
        good = kind == JSON_NUMBER && json_decimal(value, &mantissa, &scale) &&
               shred_real_of_decimal(mantissa, scale, &datum.real);
        break;
    default:
        ASSERT(false);
    }
    if (good) {
        *datum_out = datum;
    }
    return good;
}

static void build_value(const struct datum *value, struct json_builder *builder)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    switch (value->type.id) {
    case TYPE_BOOL:
        json_builder_boolean(builder, value->boolean);
        break;
    case TYPE_TEXT:
        json_builder_string(builder, value->bytes);
        break;
    case TYPE_INT8:
        json_builder_integer(builder, value->integer);
        break;
    case TYPE_NUMERIC:
        json_builder_decimal(builder, value->integer, (unsigned)value->type.scale);
        break;
    case TYPE_FLOAT8:
    default:
        // Hostile bytes may hold a double that no document gave.
        if (!decimal_of_real(value->real, &mantissa, &scale)) {
            json_builder_null(builder);
        } else if (scale == 0) {
            json_builder_integer(builder, mantissa);
        } else {
            json_builder_decimal(builder, mantissa, scale);
        }
    }
}

tdbplus_status shred_put_value(const struct datum *value, struct json_builder *builder,
                               struct buffer *document, struct err *err)
{
    build_value(value, builder);
    return json_builder_finish(builder, document, err);
}

/* ---- plans ---- */

void shred_plan_deinit(struct shred_plan *plan)
{
    arena_deinit(&plan->arena);
    *plan = (struct shred_plan){0};
}

const struct shred_tree *shred_plan_tree(const struct shred_plan *plan, uint32_t column)
{
    for (uint32_t i = 0; i < plan->tree_count; i++) {
        if (plan->trees[i].column == column) {
            return &plan->trees[i];
        }
    }
    return NULL;
}

void shred_plan_init(struct shred_plan *plan, const struct alloc *alloc)
{
    *plan = (struct shred_plan){0};
    arena_init(&plan->arena, alloc, 0);
}

/* The child of a node with that key, made if it was not there. */
static uint32_t add_child(struct shred_tree *tree, uint32_t parent, struct span key)
{
    uint32_t *link = &tree->nodes[parent].first_child;
    while (*link != 0 && compare_keys(tree->nodes[*link].key, key) < 0) {
        link = &tree->nodes[*link].next;
    }
    if (*link != 0 && compare_keys(tree->nodes[*link].key, key) == 0) {
        return *link;
    }
    uint32_t number = tree->node_count++;
    tree->nodes[number] = (struct shred_node){.key = key, .next = *link};
    *link = number;
    return number;
}

bool shred_plan_add_tree(struct shred_plan *plan, uint32_t first_path, bool *no_memory_out)
{
    struct shred_tree *trees =
        arena_array(&plan->arena, (size_t)plan->tree_count + 1, sizeof *trees);
    uint32_t count = plan->path_count - first_path;
    size_t capacity = (size_t)count * SHRED_DEPTH_MAX + 1;
    struct shred_tree tree = {.column = plan->paths[first_path].column,
                              .first_path = first_path,
                              .path_count = count,
                              .nodes = arena_array(&plan->arena, capacity, sizeof *tree.nodes),
                              .node_count = 1};
    *no_memory_out = trees == NULL || tree.nodes == NULL;
    if (*no_memory_out) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct shred_path *path = &plan->paths[first_path + i];
        uint32_t node = 0;
        for (uint32_t k = 0; k < path->key_count; k++) {
            node = add_child(&tree, node, path->keys[k]);
            if (tree.nodes[node].leaf != 0) {
                return false;
            }
        }
        if (node == 0 || tree.nodes[node].first_child != 0) {
            return false;
        }
        tree.nodes[node].leaf = i + 1;
    }
    if (plan->tree_count > 0) {
        memcpy(trees, plan->trees, plan->tree_count * sizeof *trees);
    }
    trees[plan->tree_count] = tree;
    plan->trees = trees;
    plan->tree_count++;
    return true;
}

bool shred_plan_make_paths(struct shred_plan *plan)
{
    if (plan->paths == NULL) {
        plan->paths = arena_array(&plan->arena, SHRED_PATH_COUNT_MAX, sizeof *plan->paths);
    }
    return plan->paths != NULL;
}

/* ---- as bytes ---- */

void shred_plan_encode(const struct shred_plan *plan, struct buffer *out)
{
    for (uint32_t i = 0; i < plan->path_count; i++) {
        const struct shred_path *path = &plan->paths[i];
        buffer_put_u16(out, (uint16_t)path->column);
        buffer_put_u8(out, path->type.id);
        buffer_put_u8(out, (uint8_t)path->type.scale);
        buffer_put_u8(out, path->flags);
        buffer_put_u8(out, path->key_count);
        for (uint32_t k = 0; k < path->key_count; k++) {
            buffer_put_sized(out, path->keys[k]);
        }
    }
}

static bool decode_type(uint8_t id, uint8_t scale, struct type *type_out)
{
    struct type type = type_of((enum type_id)id);
    bool plain = id == TYPE_BOOL || id == TYPE_INT8 || id == TYPE_FLOAT8 || id == TYPE_TEXT;
    if (id == TYPE_NUMERIC && scale >= 1 && scale <= SCALE_MAX) {
        type.precision = NUMERIC_PRECISION;
        type.scale = scale;
    } else if (!plain || scale != 0) {
        return false;
    }
    *type_out = type;
    return true;
}

/* False for nonsense, and, with *out_out, when memory is out. */
static bool decode_path(struct reader *reader, struct arena *arena, struct shred_path *path_out,
                        bool *out_out)
{
    struct shred_path path = {.column = reader_u16(reader)};
    uint8_t id = reader_u8(reader);
    uint8_t scale = reader_u8(reader);
    path.flags = reader_u8(reader);
    path.key_count = reader_u8(reader);
    if (reader->overrun || path.key_count == 0 || path.key_count > SHRED_DEPTH_MAX ||
        path.flags > (SHRED_FLAG_NULLS | SHRED_FLAG_OTHERS) ||
        !decode_type(id, scale, &path.type)) {
        return false;
    }
    for (uint32_t k = 0; k < path.key_count; k++) {
        struct span key = reader_sized(reader);
        if (reader->overrun || key.size > SHRED_KEY_SIZE_MAX) {
            return false;
        }
        uint8_t *copy = arena_bytes(arena, key.size);
        if (copy == NULL) {
            *out_out = true;
            return false;
        }
        if (key.size > 0) {
            memcpy(copy, key.data, key.size);
        }
        path.keys[k] = (struct span){copy, key.size};
    }
    *path_out = path;
    return true;
}

static tdbplus_status impossible(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "segment: its list of document paths is impossible");
}

tdbplus_status shred_plan_decode(struct span bytes, uint32_t path_count, uint32_t column_count,
                                 struct shred_plan *plan, struct err *err)
{
    if (path_count > SHRED_PATH_COUNT_MAX) {
        return impossible(err);
    }
    if (path_count == 0) {
        return bytes.size == 0 ? TDBPLUS_OK : impossible(err);
    }
    if (!shred_plan_make_paths(plan)) {
        return no_memory(err);
    }
    struct reader reader = reader_of(bytes);
    uint32_t first = 0;
    for (uint32_t i = 0; i < path_count; i++) {
        struct shred_path *path = &plan->paths[i];
        bool out = false;
        if (!decode_path(&reader, &plan->arena, path, &out)) {
            return out ? no_memory(err) : impossible(err);
        }
        if (path->column >= column_count || (i > 0 && path->column < plan->paths[i - 1].column)) {
            return impossible(err);
        }
        plan->path_count = i + 1;
        if (i > 0 && path->column != plan->paths[first].column) {
            plan->path_count = i; // The tree of the column before.
            if (!shred_plan_add_tree(plan, first, &out)) {
                return out ? no_memory(err) : impossible(err);
            }
            first = i;
            plan->path_count = i + 1;
        }
    }
    bool out = false;
    if (!shred_plan_add_tree(plan, first, &out)) {
        return out ? no_memory(err) : impossible(err);
    }
    return reader.rest.size == 0 ? TDBPLUS_OK : impossible(err);
}

/* ---- taking apart ---- */

struct shredding {
    const struct shred_tree *tree;
    const struct shred_path *paths; /* Of the tree. */
    struct json_builder *builder;   /* NULL: the document stays whole. */
    struct datum *values;
    uint8_t *flags;
};

static bool take_leaf(const struct shredding *work, uint32_t leaf, struct span value)
{
    uint32_t path = leaf - 1;
    if (take_value(work->values[path].type, value, &work->values[path])) {
        return true;
    }
    work->flags[path] |= json_kind(value) == JSON_NULL ? SHRED_FLAG_NULLS : SHRED_FLAG_OTHERS;
    return false;
}

/* Depth is that of the tree. */
static void shred_object(const struct shredding *work, uint32_t node, struct span object)
{
    const struct shred_node *nodes = work->tree->nodes;
    uint32_t child = nodes[node].first_child;
    uint32_t count = json_count(object);
    if (work->builder != NULL) {
        json_builder_begin_object(work->builder);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct span key;
        struct span value = json_member(object, i, &key);
        while (child != 0 && compare_keys(nodes[child].key, key) < 0) {
            child = nodes[child].next;
        }
        bool met = child != 0 && compare_keys(nodes[child].key, key) == 0;
        if (met && nodes[child].leaf != 0 && take_leaf(work, nodes[child].leaf, value)) {
            continue;
        }
        if (work->builder != NULL) {
            json_builder_key(work->builder, key);
        }
        if (met && nodes[child].leaf == 0 && json_kind(value) == JSON_OBJECT) {
            shred_object(work, child, value);
        } else if (work->builder != NULL) {
            json_builder_document(work->builder, value);
        }
    }
    if (work->builder != NULL) {
        json_builder_end_object(work->builder);
    }
}

static void clear_values(const struct shred_path *paths, uint32_t count, struct datum *values)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = (struct datum){.type = paths[i].type, .is_null = true};
    }
}

void shred_copy_values(const struct shred_tree *tree, const struct shred_path *paths,
                       struct span document, struct datum *values, uint8_t *flags)
{
    clear_values(paths, tree->path_count, values);
    struct shredding work = {.tree = tree, .paths = paths, .values = values, .flags = flags};
    if (shred_is_object(document)) {
        shred_object(&work, 0, document);
    }
}

tdbplus_status shred_document(const struct shred_tree *tree, const struct shred_path *paths,
                              struct span document, const struct shred_output *out, struct err *err)
{
    clear_values(paths, tree->path_count, out->values);
    if (!shred_is_object(document)) {
        buffer_put_span(out->rest, document);
        return out->rest->failed ? no_memory(err) : TDBPLUS_OK;
    }
    struct shredding work = {.tree = tree,
                             .paths = paths,
                             .builder = out->builder,
                             .values = out->values,
                             .flags = out->flags};
    shred_object(&work, 0, document);
    return json_builder_finish(out->builder, out->rest, err);
}

/* ---- putting together ---- */

struct assembling {
    const struct shred_tree *tree;
    const struct datum *values;
    struct json_builder *builder;
};

/* Depth is that of the tree. */
static void assemble_object(const struct assembling *work, uint32_t node, struct span rest)
{
    const struct shred_node *nodes = work->tree->nodes;
    uint32_t child = nodes[node].first_child;
    uint32_t count = json_count(rest);
    json_builder_begin_object(work->builder);
    for (uint32_t i = 0; i < count; i++) {
        struct span key;
        struct span value = json_member(rest, i, &key);
        while (child != 0 && compare_keys(nodes[child].key, key) < 0) {
            child = nodes[child].next;
        }
        json_builder_key(work->builder, key);
        bool met = child != 0 && compare_keys(nodes[child].key, key) == 0;
        if (met && nodes[child].leaf == 0 && json_kind(value) == JSON_OBJECT) {
            assemble_object(work, child, value);
        } else {
            json_builder_document(work->builder, value);
        }
    }
    for (child = nodes[node].first_child; child != 0; child = nodes[child].next) {
        const struct datum *value =
            nodes[child].leaf == 0 ? NULL : &work->values[nodes[child].leaf - 1];
        if (value != NULL && !value->is_null) {
            json_builder_key(work->builder, nodes[child].key);
            build_value(value, work->builder);
        }
    }
    json_builder_end_object(work->builder);
}

tdbplus_status shred_assemble(const struct shred_tree *tree, struct span rest,
                              const struct datum *values, struct json_builder *builder,
                              struct buffer *document, struct err *err)
{
    bool any = false;
    for (uint32_t i = 0; i < tree->path_count; i++) {
        any = any || !values[i].is_null;
    }
    if (!any || !shred_is_object(rest)) {
        buffer_put_span(document, rest);
        return document->failed ? no_memory(err) : TDBPLUS_OK;
    }
    struct assembling work = {.tree = tree, .values = values, .builder = builder};
    assemble_object(&work, 0, rest);
    return json_builder_finish(builder, document, err);
}

/* ---- finding ---- */

enum shred_match shred_find(const struct shred_tree *tree, const struct span *keys,
                            uint32_t key_count, uint32_t *path_out)
{
    uint32_t node = 0;
    for (uint32_t k = 0; tree != NULL && k < key_count; k++) {
        uint32_t child = tree->nodes[node].first_child;
        while (child != 0 && compare_keys(tree->nodes[child].key, keys[k]) != 0) {
            child = tree->nodes[child].next;
        }
        if (child == 0) {
            return SHRED_MATCH_NONE;
        }
        node = child;
    }
    if (tree == NULL) {
        return SHRED_MATCH_NONE;
    }
    if (tree->nodes[node].leaf == 0) {
        return SHRED_MATCH_ABOVE;
    }
    *path_out = tree->nodes[node].leaf - 1;
    return SHRED_MATCH_LEAF;
}
