/* Paths into documents, containment, and documents changed: PostgreSQL's manual, 9.16. */

#include <string.h>

#include "sql/func/json_value.h"

/* ---- paths as text[] ---- */

struct path {
    struct array steps;
};

static struct span step_text(const struct path *path, uint32_t number)
{
    struct datum step;
    array_get(&path->steps, number, &step);
    return step.is_null ? (struct span){0} : step.bytes;
}

/* An index: digits with a sign; false for anything else. */
static bool read_index(struct span text, int64_t *index_out)
{
    struct datum value = {0};
    struct arena none;
    arena_init(&none, &alloc_system, 0);
    bool good = func_read(text, type_of(TYPE_INT4), &none, &value, NULL) == TDBPLUS_OK;
    arena_deinit(&none);
    *index_out = value.integer;
    return good;
}

static tdbplus_status open_path(struct func_call *call, uint32_t number, uint32_t row,
                                struct path *path, bool *has_null)
{
    TRY(kernel_array(call, number, row, &path->steps));
    *has_null = path->steps.nulls != NULL;
    return TDBPLUS_OK;
}

static bool follow(struct span document, struct span step, struct span *found_out)
{
    int64_t index = 0;
    if (json_kind(document) == JSON_OBJECT) {
        return json_get(document, step, found_out);
    }
    return json_kind(document) == JSON_ARRAY && read_index(step, &index) &&
           json_get_index(document, index, found_out);
}

/* The place a path leads to; null where there is none. */
static tdbplus_status find_path(struct func_call *call, uint32_t row, struct span *found_out,
                                bool *known_out)
{
    struct path path;
    bool has_null = false;
    TRY(open_path(call, 1, row, &path, &has_null));
    *found_out = text_argument(call, 0, row);
    *known_out = !has_null;
    for (uint32_t i = 0; *known_out && i < path.steps.count; i++) {
        *known_out = follow(*found_out, step_text(&path, i), found_out);
    }
    return TDBPLUS_OK;
}

/* The same with the steps as arguments. */
static void find_arguments(struct func_call *call, uint32_t row, struct span *found_out,
                           bool *known_out)
{
    *found_out = text_argument(call, 0, row);
    *known_out = true;
    for (uint32_t a = 1; *known_out && a < call->argument_count; a++) {
        *known_out = follow(*found_out, text_argument(call, a, row), found_out);
    }
}

static tdbplus_status put_found(struct func_call *call, struct span found, bool known,
                                struct datum *result)
{
    bool as_text = call->result->type.id == TYPE_TEXT;
    result->is_null = !known || (as_text && json_kind(found) == JSON_NULL);
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    struct buffer out;
    buffer_init(&out, call->arena->alloc);
    if (!as_text) {
        buffer_put_span(&out, found);
    } else if (json_kind(found) == JSON_STRING) {
        buffer_put_span(&out, json_string(found));
    } else {
        json_print(found, &out);
    }
    tdbplus_status status = kernel_keep(call, &out, result);
    buffer_deinit(&out);
    return status;
}

static tdbplus_status at_path_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span found = {0};
    bool known = false;
    TRY(find_path(call, row, &found, &known));
    return put_found(call, found, known, result);
}

static tdbplus_status extract_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span found = {0};
    bool known = false;
    find_arguments(call, row, &found, &known);
    return put_found(call, found, known, result);
}

ROW_KERNEL(at_path)
ROW_KERNEL(extract)

/* ---- what is inside ---- */

/* A string among the items of an array, a key of an object, or the string itself. */
static bool has_text(struct span document, struct span text)
{
    struct span found;
    if (json_kind(document) == JSON_OBJECT) {
        return json_get(document, text, &found);
    }
    if (json_kind(document) == JSON_STRING) {
        return span_compare(json_string(document), text) == 0;
    }
    for (uint32_t i = 0; i < json_count(document); i++) {
        struct span item = json_item(document, i);
        if (json_kind(item) == JSON_STRING && span_compare(json_string(item), text) == 0) {
            return true;
        }
    }
    return false;
}

static tdbplus_status exists_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->boolean = has_text(text_argument(call, 0, row), text_argument(call, 1, row));
    return TDBPLUS_OK;
}

static tdbplus_status exists_some(struct func_call *call, uint32_t row, bool all,
                                  struct datum *result)
{
    struct path path;
    bool has_null = false;
    TRY(open_path(call, 1, row, &path, &has_null));
    result->boolean = all;
    for (uint32_t i = 0; i < path.steps.count; i++) {
        struct datum key;
        array_get(&path.steps, i, &key);
        if (!key.is_null && has_text(text_argument(call, 0, row), key.bytes) != all) {
            result->boolean = !all;
            break;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status exists_any_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return exists_some(call, row, false, result);
}

static tdbplus_status exists_all_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return exists_some(call, row, true, result);
}

ROW_KERNEL(exists)
ROW_KERNEL(exists_any)
ROW_KERNEL(exists_all)

/* Everything of `part` is in `whole`, at the same places; items of arrays anywhere. Documents are
 * at most JSON_DEPTH_MAX deep, so the recursion is, too. */
static bool contains(struct span whole, struct span part)
{
    enum json_kind kind = json_kind(part);
    if (json_kind(whole) != kind) {
        return false;
    }
    if (kind < JSON_ARRAY) {
        return json_compare(whole, part) == 0;
    }
    for (uint32_t i = 0; i < json_count(part); i++) {
        bool found = false;
        if (kind == JSON_OBJECT) {
            struct span key = {0};
            struct span member = json_member(part, i, &key);
            struct span other;
            found = json_get(whole, key, &other) && contains(other, member);
        }
        for (uint32_t k = 0; kind == JSON_ARRAY && !found && k < json_count(whole); k++) {
            found = contains(json_item(whole, k), json_item(part, i));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* At the top, an array contains a scalar that is one of its items. */
static bool contains_top(struct span whole, struct span part)
{
    if (json_kind(whole) == JSON_ARRAY && json_kind(part) < JSON_ARRAY) {
        for (uint32_t i = 0; i < json_count(whole); i++) {
            if (contains(json_item(whole, i), part)) {
                return true;
            }
        }
        return false;
    }
    return contains(whole, part);
}

static tdbplus_status contains_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->boolean = contains_top(text_argument(call, 0, row), text_argument(call, 1, row));
    return TDBPLUS_OK;
}

static tdbplus_status contained_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->boolean = contains_top(text_argument(call, 1, row), text_argument(call, 0, row));
    return TDBPLUS_OK;
}

static tdbplus_status contains_kernel(struct func_call *call)
{
    return kernel_each(call, contains_row);
}

static tdbplus_status contained_kernel(struct func_call *call)
{
    return kernel_each(call, contained_row);
}

/* ---- joined ---- */

static void put_items(struct span document, struct json_builder *builder)
{
    if (json_kind(document) != JSON_ARRAY) {
        json_builder_document(builder, document);
        return;
    }
    for (uint32_t i = 0; i < json_count(document); i++) {
        json_builder_document(builder, json_item(document, i));
    }
}

static void put_members(struct span object, struct json_builder *builder)
{
    for (uint32_t i = 0; i < json_count(object); i++) {
        struct span key = {0};
        struct span member = json_member(object, i, &key);
        json_builder_key(builder, key);
        json_builder_document(builder, member);
    }
}

static tdbplus_status join_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span left = text_argument(call, 0, row);
    struct span right = text_argument(call, 1, row);
    struct json_builder builder;
    json_builder_init(&builder, call->arena->alloc);
    if (json_kind(left) == JSON_OBJECT && json_kind(right) == JSON_OBJECT) {
        json_builder_begin_object(&builder);
        put_members(left, &builder);
        put_members(right, &builder);
        json_builder_end_object(&builder);
    } else {
        json_builder_begin_array(&builder);
        put_items(left, &builder);
        put_items(right, &builder);
        json_builder_end_array(&builder);
    }
    tdbplus_status status = json_take(&builder, call->arena, result, call->err);
    json_builder_deinit(&builder);
    return status;
}

ROW_KERNEL(join)

/* ---- changed at a path ---- */

enum change_kind { CHANGE_SET, CHANGE_INSERT, CHANGE_DELETE };

struct change {
    struct func_call *call;
    struct json_builder builder;
    struct path path;
    enum change_kind kind;
    struct span value;
    bool create; /* SET: where there is nothing. */
    bool after;  /* INSERT: behind the item. */
};

static tdbplus_status change_value(struct change *change, struct span value, uint32_t level);

static tdbplus_status change_object(struct change *change, struct span object, uint32_t level)
{
    struct span wanted = step_text(&change->path, level);
    bool last = level + 1 == change->path.steps.count;
    bool seen = false;
    json_builder_begin_object(&change->builder);
    for (uint32_t i = 0; i < json_count(object); i++) {
        struct span key = {0};
        struct span member = json_member(object, i, &key);
        bool here = span_compare(key, wanted) == 0;
        seen = seen || here;
        if (here && last && change->kind == CHANGE_DELETE) {
            continue;
        }
        if (here && last && change->kind == CHANGE_INSERT) {
            return kernel_error(change->call, "22023", "cannot replace existing key");
        }
        json_builder_key(&change->builder, key);
        if (here && last) {
            json_builder_document(&change->builder, change->value);
        } else if (here) {
            TRY(change_value(change, member, level + 1));
        } else {
            json_builder_document(&change->builder, member);
        }
    }
    if (!seen && last && change->kind != CHANGE_DELETE &&
        (change->create || change->kind == CHANGE_INSERT)) {
        json_builder_key(&change->builder, wanted);
        json_builder_document(&change->builder, change->value);
    }
    json_builder_end_object(&change->builder);
    return TDBPLUS_OK;
}

static void put_item_changed(struct change *change, struct span item)
{
    if (change->kind == CHANGE_SET) {
        json_builder_document(&change->builder, change->value);
    } else if (change->kind == CHANGE_INSERT) {
        json_builder_document(&change->builder, change->after ? item : change->value);
        json_builder_document(&change->builder, change->after ? change->value : item);
    }
}

static tdbplus_status change_array(struct change *change, struct span array, uint32_t level)
{
    int64_t index = 0;
    struct span step = step_text(&change->path, level);
    int64_t count = json_count(array);
    bool last = level + 1 == change->path.steps.count;
    if (!read_index(step, &index)) {
        return kernel_error(change->call, "22P02",
                            "path element at position %u is not an integer: \"%.*s\"", level + 1,
                            (int)step.size, (const char *)step.data);
    }
    bool before = index < 0 && -index > count;
    index = index < 0 ? count + index : index;
    bool adds =
        last && change->kind != CHANGE_DELETE && (change->create || change->kind == CHANGE_INSERT);
    json_builder_begin_array(&change->builder);
    if (before && adds) {
        json_builder_document(&change->builder, change->value);
    }
    for (int64_t i = 0; i < count; i++) {
        struct span item = json_item(array, (uint32_t)i);
        if (i == index && !before && last) {
            put_item_changed(change, item);
        } else if (i == index && !before) {
            TRY(change_value(change, item, level + 1));
        } else {
            json_builder_document(&change->builder, item);
        }
    }
    if (!before && index >= count && adds) {
        json_builder_document(&change->builder, change->value);
    }
    json_builder_end_array(&change->builder);
    return TDBPLUS_OK;
}

/* Not deeper than the document, which is at most JSON_DEPTH_MAX deep. */
static tdbplus_status change_value(struct change *change, struct span value, uint32_t level)
{
    struct datum step;
    array_get(&change->path.steps, level, &step);
    if (step.is_null) {
        return kernel_error(change->call, "22004", "path element at position %u is null",
                            level + 1);
    }
    switch (json_kind(value)) {
    case JSON_OBJECT:
        return change_object(change, value, level);
    case JSON_ARRAY:
        return change_array(change, value, level);
    case JSON_NULL:
    case JSON_STRING:
    case JSON_NUMBER:
    case JSON_BOOLEAN:
        break;
    }
    json_builder_document(&change->builder, value);
    return TDBPLUS_OK;
}

static tdbplus_status apply_change(struct change *change, uint32_t row, struct datum *result)
{
    struct func_call *call = change->call;
    tdbplus_status status = TDBPLUS_OK;
    struct span document = text_argument(call, 0, row);
    bool has_null = false;
    TRY(open_path(call, 1, row, &change->path, &has_null));
    if (json_kind(document) < JSON_ARRAY) {
        return kernel_error(call, "22023",
                            change->kind == CHANGE_DELETE ? "cannot delete path in scalar"
                                                          : "cannot set path in scalar");
    }
    if (change->path.steps.dimension_count > 1) {
        return kernel_error(call, "2202E", "wrong number of array subscripts");
    }
    if (change->path.steps.count == 0) {
        *result = kernel_argument(call, 0, row);
        return TDBPLUS_OK;
    }
    json_builder_init(&change->builder, call->arena->alloc);
    TRY_OR(done, change_value(change, document, 0));
    TRY_OR(done, json_take(&change->builder, call->arena, result, call->err));
done:
    json_builder_deinit(&change->builder);
    return status;
}

static tdbplus_status set_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct change change = {.call = call, .kind = CHANGE_SET, .value = text_argument(call, 2, row)};
    change.create = call->argument_count < 4 || kernel_argument(call, 3, row).boolean;
    return apply_change(&change, row, result);
}

static tdbplus_status insert_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct change change = {
        .call = call, .kind = CHANGE_INSERT, .value = text_argument(call, 2, row)};
    change.after = call->argument_count > 3 && kernel_argument(call, 3, row).boolean;
    return apply_change(&change, row, result);
}

static tdbplus_status delete_path_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum document = kernel_argument(call, 0, row);
    if (json_kind(document.bytes) >= JSON_ARRAY && json_count(document.bytes) == 0) {
        *result = document; // Whatever the path says, also if it could not be followed.
        return TDBPLUS_OK;
    }
    struct change change = {.call = call, .kind = CHANGE_DELETE};
    return apply_change(&change, row, result);
}

/* jsonb_set_lax(): what to do when the new value is null. */
static tdbplus_status set_lax_row(struct func_call *call, uint32_t row, struct datum *result)
{
    static const uint8_t json_null[] = {0};
    bool has_create = call->argument_count > 3;
    bool has_handling = call->argument_count > 4;
    result->is_null = kernel_is_null(call, 0, row) || kernel_is_null(call, 1, row) ||
                      (has_create && kernel_is_null(call, 3, row));
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    struct change change = {.call = call, .kind = CHANGE_SET};
    change.create = !has_create || kernel_argument(call, 3, row).boolean;
    if (!kernel_is_null(call, 2, row)) {
        change.value = text_argument(call, 2, row);
        return apply_change(&change, row, result);
    }
    if (has_handling && kernel_is_null(call, 4, row)) {
        return kernel_error(call, "22023",
                            "null_value_treatment must be \"delete_key\", \"return_target\", "
                            "\"use_json_null\", or \"raise_exception\"");
    }
    struct span handling =
        has_handling ? text_argument(call, 4, row) : span_from_text("use_json_null");
    if (span_compare(handling, span_from_text("raise_exception")) == 0) {
        return kernel_error(call, "22004", "JSON value must not be null");
    }
    if (span_compare(handling, span_from_text("return_target")) == 0) {
        *result = kernel_argument(call, 0, row);
        return TDBPLUS_OK;
    }
    if (span_compare(handling, span_from_text("delete_key")) == 0) {
        change.kind = CHANGE_DELETE;
        return apply_change(&change, row, result);
    }
    if (span_compare(handling, span_from_text("use_json_null")) != 0) {
        return kernel_error(call, "22023",
                            "null_value_treatment must be \"delete_key\", \"return_target\", "
                            "\"use_json_null\", or \"raise_exception\"");
    }
    change.value = (struct span){.data = json_null, .size = 1};
    return apply_change(&change, row, result);
}

ROW_KERNEL(set)
ROW_KERNEL(insert)
ROW_KERNEL(delete_path)
ROW_KERNEL(set_lax)

/* ---- members and items taken out ---- */

static tdbplus_status check_container(struct func_call *call, struct span document)
{
    return json_kind(document) < JSON_ARRAY
               ? kernel_error(call, "22023", "cannot delete from scalar")
               : TDBPLUS_OK;
}

/* True for a string that is among the keys to be deleted. */
static bool is_listed(const struct array *keys, struct span text)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        struct datum key;
        array_get(keys, i, &key);
        if (!key.is_null && span_compare(key.bytes, text) == 0) {
            return true;
        }
    }
    return false;
}

static void put_without(struct span document, const struct array *keys, struct span only,
                        struct json_builder *builder)
{
    bool object = json_kind(document) == JSON_OBJECT;
    if (object) {
        json_builder_begin_object(builder);
    } else {
        json_builder_begin_array(builder);
    }
    for (uint32_t i = 0; i < json_count(document); i++) {
        struct span text = {0};
        struct span part = object ? json_member(document, i, &text) : json_item(document, i);
        bool is_text = object || json_kind(part) == JSON_STRING;
        text = is_text && !object ? json_string(part) : text;
        bool out =
            is_text && (keys != NULL ? is_listed(keys, text) : span_compare(text, only) == 0);
        if (out) {
            continue;
        }
        if (object) {
            json_builder_key(builder, text);
        }
        json_builder_document(builder, part);
    }
    if (object) {
        json_builder_end_object(builder);
    } else {
        json_builder_end_array(builder);
    }
}

static tdbplus_status delete_texts(struct func_call *call, uint32_t row, const struct array *keys,
                                   struct span only, struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    TRY(check_container(call, document));
    struct json_builder builder;
    json_builder_init(&builder, call->arena->alloc);
    put_without(document, keys, only, &builder);
    tdbplus_status status = json_take(&builder, call->arena, result, call->err);
    json_builder_deinit(&builder);
    return status;
}

static tdbplus_status delete_key_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return delete_texts(call, row, NULL, text_argument(call, 1, row), result);
}

static tdbplus_status delete_keys_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array keys;
    TRY(kernel_array(call, 1, row, &keys));
    if (keys.dimension_count > 1) {
        return kernel_error(call, "2202E", "wrong number of array subscripts");
    }
    return delete_texts(call, row, &keys, (struct span){0}, result);
}

static tdbplus_status delete_item_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    TRY(check_container(call, document));
    if (json_kind(document) == JSON_OBJECT) {
        return kernel_error(call, "22023", "cannot delete from object using integer index");
    }
    int64_t count = json_count(document);
    int64_t index = int4_argument(call, 1, row);
    index = index < 0 ? count + index : index;
    struct json_builder builder;
    json_builder_init(&builder, call->arena->alloc);
    json_builder_begin_array(&builder);
    for (int64_t i = 0; i < count; i++) {
        if (i != index) {
            json_builder_document(&builder, json_item(document, (uint32_t)i));
        }
    }
    json_builder_end_array(&builder);
    tdbplus_status status = json_take(&builder, call->arena, result, call->err);
    json_builder_deinit(&builder);
    return status;
}

ROW_KERNEL(delete_key)
ROW_KERNEL(delete_keys)
ROW_KERNEL(delete_item)

#define JS  TYPE_JSON
#define TX  TYPE_TEXT
#define TXA FUNC_ARRAY_OF(TYPE_TEXT)
#define I4  TYPE_INT4
#define BO  TYPE_BOOL
#define OP  FUNC_OPERATOR
#define ON  (FUNC_OPERATOR | FUNC_NULLABLE)
#define NL  FUNC_NULLABLE
#define VN  (FUNC_VARIADIC | FUNC_NULLABLE)

const struct func table_json_change[] = {
    {"#>", 2, {JS, TXA}, JS, ON, at_path, "What a path leads to."},
    {"#>>", 2, {JS, TXA}, TX, ON, at_path, "What a path leads to, as text."},
    {"jsonb_extract_path", 2, {JS, TXA}, JS, FUNC_NULLABLE, at_path, "What a path leads to."},
    {"json_extract_path", 2, {JS, TXA}, JS, FUNC_NULLABLE, at_path, "What a path leads to."},
    {"jsonb_extract_path_text", 2, {JS, TXA}, TX, FUNC_NULLABLE, at_path, "The same as text."},
    {"json_extract_path_text", 2, {JS, TXA}, TX, FUNC_NULLABLE, at_path, "The same as text."},
    {"jsonb_extract_path", 2, {JS, TX}, JS, VN, extract, "What the steps lead to."},
    {"json_extract_path", 2, {JS, TX}, JS, VN, extract, "What the steps lead to."},
    {"jsonb_extract_path_text", 2, {JS, TX}, TX, VN, extract, "The same as text."},
    {"json_extract_path_text", 2, {JS, TX}, TX, VN, extract, "The same as text."},
    {"?", 2, {JS, TX}, BO, OP, exists, "True if it has that key or item."},
    {"?|", 2, {JS, TXA}, BO, OP, exists_any, "True if it has one of the keys or items."},
    {"?&", 2, {JS, TXA}, BO, OP, exists_all, "True if it has all of the keys or items."},
    {"jsonb_exists_any", 2, {JS, TXA}, BO, 0, exists_any, "As ?|."},
    {"jsonb_exists_all", 2, {JS, TXA}, BO, 0, exists_all, "As ?&."},
    {"@>", 2, {JS, JS}, BO, OP, contains_kernel, "True if all of the second is in the first."},
    {"<@", 2, {JS, JS}, BO, OP, contained_kernel, "True if all of the first is in the second."},
    {"jsonb_contains", 2, {JS, JS}, BO, 0, contains_kernel, "As @>."},
    {"jsonb_contained", 2, {JS, JS}, BO, 0, contained_kernel, "As <@."},
    {"||", 2, {JS, JS}, JS, OP, join, "Members or items of both."},
    {"jsonb_concat", 2, {JS, JS}, JS, 0, join, "As ||."},
    {"-", 2, {JS, TX}, JS, OP, delete_key, "Without a key or item."},
    {"-", 2, {JS, TXA}, JS, OP, delete_keys, "Without keys or items."},
    {"-", 2, {JS, I4}, JS, OP, delete_item, "Without the item at that index."},
    {"#-", 2, {JS, TXA}, JS, OP, delete_path, "Without what a path leads to."},
    {"jsonb_delete", 2, {JS, TX}, JS, 0, delete_key, "As -."},
    {"jsonb_delete", 2, {JS, I4}, JS, 0, delete_item, "As -."},
    {"jsonb_delete_path", 2, {JS, TXA}, JS, 0, delete_path, "As #-."},
    {"jsonb_set", 3, {JS, TXA, JS}, JS, 0, set, "With a value at a path."},
    {"jsonb_set", 4, {JS, TXA, JS, BO}, JS, 0, set, "The same; false: only where there is one."},
    {"jsonb_insert", 3, {JS, TXA, JS}, JS, 0, insert, "With a value put in before."},
    {"jsonb_insert", 4, {JS, TXA, JS, BO}, JS, 0, insert, "The same; true: behind."},
    {"jsonb_set_lax", 3, {JS, TXA, JS}, JS, FUNC_CALLED_ON_NULL | NL, set_lax, "A null is one."},
    {"jsonb_set_lax", 4, {JS, TXA, JS, BO}, JS, FUNC_CALLED_ON_NULL | NL, set_lax, "The same."},
    {"jsonb_set_lax",
     5,
     {JS, TXA, JS, BO, TX},
     JS,
     FUNC_CALLED_ON_NULL | NL,
     set_lax,
     "The same, with a choice of what a null does."},
    FUNC_END,
};
