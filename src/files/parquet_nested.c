/*
 * Rows of nested columns, put together from levels (Melnik et al., "Dremel", VLDB 2010). A leaf's
 * next entry says by its definition level how far down the path something is there, and by its
 * repetition level at which repeated group a new item begins.
 */

#include <string.h>

#include "base/list.h"
#include "files/parquet_internal.h"
#include "types/array.h"
#include "types/json.h"
#include "types/text.h"

struct assembly {
    struct parquet_leaf *leaves; /* Of the whole file, by number. */
    struct json_builder *builder;
    struct arena *arena; /* Texts that the builder borrows. */
    struct buffer *text;
    struct err *err;
};

/* ---- entries ---- */

/* The levels of the next entry; an end of the chunk looks like the beginning of a row. */
static tdbplus_status peek(struct assembly *assembly, uint32_t number, uint8_t *def_out,
                           uint8_t *rep_out)
{
    struct parquet_leaf *leaf = &assembly->leaves[number];
    *def_out = 0;
    *rep_out = 0;
    tdbplus_status status = parquet_leaf_fill(leaf, assembly->err);
    if (status == TDBPLUS_OK) {
        *def_out = leaf->defs == NULL ? leaf->node->def : leaf->defs[leaf->at];
        *rep_out = leaf->reps == NULL ? 0 : leaf->reps[leaf->at];
    }
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status pass_entry(struct assembly *assembly, uint32_t number)
{
    struct parquet_leaf *leaf = &assembly->leaves[number];
    tdbplus_status status = parquet_leaf_fill(leaf, assembly->err);
    if (status == TDBPLUS_END) {
        return parquet_damaged(assembly->err, "a column of too few values");
    }
    TRY(status);
    leaf->at++;
    return TDBPLUS_OK;
}

static tdbplus_status pass_all(struct assembly *assembly, const struct parquet_node *node)
{
    for (uint32_t i = 0; i < node->leaf_count; i++) {
        TRY(pass_entry(assembly, node->first_leaf + i));
    }
    return TDBPLUS_OK;
}

/* The value of the next entry, which is there. */
static tdbplus_status take_value(struct assembly *assembly, uint32_t number,
                                 struct datum *value_out)
{
    struct parquet_leaf *leaf = &assembly->leaves[number];
    if (leaf->codes != NULL) {
        column_get(&leaf->dictionary, leaf->codes[leaf->at], value_out);
    } else {
        column_get(&leaf->values, leaf->at, value_out);
    }
    return pass_entry(assembly, number);
}

/* ---- documents ---- */

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory for a row of a Parquet file");
}

static tdbplus_status put_text(struct assembly *assembly, const struct datum *value)
{
    buffer_clear(assembly->text);
    text_print(value, NULL, assembly->text);
    uint8_t *copy = arena_bytes(assembly->arena, assembly->text->size + 1);
    if (assembly->text->failed || copy == NULL) {
        return no_memory(assembly->err);
    }
    memcpy(copy, assembly->text->data, assembly->text->size);
    json_builder_string(assembly->builder, (struct span){copy, assembly->text->size});
    return TDBPLUS_OK;
}

static tdbplus_status put_number(struct assembly *assembly, const struct datum *value)
{
    struct json_builder parser;
    struct buffer document;
    tdbplus_status status = TDBPLUS_OK;
    json_builder_init(&parser, assembly->arena->alloc);
    buffer_init(&document, assembly->arena->alloc);
    buffer_clear(assembly->text);
    text_print(value, NULL, assembly->text);
    TRY_OR(done, json_parse(&parser, buffer_span(assembly->text), &document, assembly->err));
    uint8_t *copy = arena_bytes(assembly->arena, document.size);
    if (copy == NULL) {
        status = no_memory(assembly->err);
        goto done;
    }
    memcpy(copy, document.data, document.size);
    json_builder_document(assembly->builder, (struct span){copy, document.size});
done:
    json_builder_deinit(&parser);
    buffer_deinit(&document);
    return status;
}

/* NaN and infinities are no numbers of JSON. */
static bool is_finite(const struct datum *value)
{
    return value->real - value->real == 0;
}

static tdbplus_status put_value(struct assembly *assembly, const struct datum *value)
{
    switch (value->type.id) {
    case TYPE_BOOL:
        json_builder_boolean(assembly->builder, value->boolean);
        return TDBPLUS_OK;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        json_builder_integer(assembly->builder, value->integer);
        return TDBPLUS_OK;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        return is_finite(value) ? put_number(assembly, value) : put_text(assembly, value);
    case TYPE_NUMERIC:
        return put_number(assembly, value);
    case TYPE_TEXT: {
        // The page may be gone before the document is written.
        uint8_t *copy = arena_bytes(assembly->arena, value->bytes.size + 1);
        if (copy == NULL) {
            return no_memory(assembly->err);
        }
        memcpy(copy, value->bytes.data, value->bytes.size);
        json_builder_string(assembly->builder, (struct span){copy, value->bytes.size});
        return TDBPLUS_OK;
    }
    case TYPE_JSON: {
        uint8_t *copy = arena_bytes(assembly->arena, value->bytes.size);
        if (copy == NULL) {
            return no_memory(assembly->err);
        }
        memcpy(copy, value->bytes.data, value->bytes.size);
        json_builder_document(assembly->builder, (struct span){copy, value->bytes.size});
        return TDBPLUS_OK;
    }
    default:
        return put_text(assembly, value);
    }
}

static tdbplus_status put_node(struct assembly *assembly, const struct parquet_node *node);

/* What a node is once it is there: a value or a struct. */
static tdbplus_status put_content(struct assembly *assembly, const struct parquet_node *node)
{
    if (node->child_count == 0) {
        struct datum value;
        TRY(take_value(assembly, node->first_leaf, &value));
        return put_value(assembly, &value);
    }
    json_builder_begin_object(assembly->builder);
    for (uint32_t i = 0; i < node->child_count; i++) {
        json_builder_key(assembly->builder, span_from_text(node->children[i]->name));
        TRY(put_node(assembly, node->children[i]));
    }
    json_builder_end_object(assembly->builder);
    return TDBPLUS_OK;
}

/* An entry of a map as a member; only keys that are texts can be. */
static tdbplus_status put_member(struct assembly *assembly, const struct parquet_node *entry)
{
    struct datum key;
    TRY(take_value(assembly, entry->first_leaf, &key));
    uint8_t *copy = arena_bytes(assembly->arena, key.bytes.size + 1);
    if (copy == NULL) {
        return no_memory(assembly->err);
    }
    memcpy(copy, key.bytes.data, key.bytes.size);
    json_builder_key(assembly->builder, (struct span){copy, key.bytes.size});
    return put_node(assembly, entry->children[1]);
}

static bool is_map(const struct parquet_node *node)
{
    if (node->meaning != MEANS_MAP || node->child_count != 1) {
        return false;
    }
    const struct parquet_node *entry = node->children[0];
    return entry->repetition == PARQUET_REPEATED && entry->child_count == 2 &&
           entry->children[0]->child_count == 0 &&
           entry->children[0]->repetition == PARQUET_REQUIRED &&
           entry->children[0]->type.id == TYPE_TEXT;
}

static bool is_list(const struct parquet_node *node)
{
    return node->meaning == MEANS_LIST && node->child_count == 1 &&
           node->children[0]->repetition == PARQUET_REPEATED;
}

/* The items of a repeated node. `wrapped`: each is the only child of it (LIST). */
static tdbplus_status put_items(struct assembly *assembly, const struct parquet_node *node,
                                bool wrapped, bool members)
{
    uint8_t def = 0;
    uint8_t rep = 0;
    TRY(peek(assembly, node->first_leaf, &def, &rep));
    if (def < node->def) {
        return pass_all(assembly, node);
    }
    do {
        if (members) {
            TRY(put_member(assembly, node));
        } else if (wrapped && node->child_count == 1) {
            TRY(put_node(assembly, node->children[0]));
        } else {
            TRY(put_content(assembly, node));
        }
        TRY(peek(assembly, node->first_leaf, &def, &rep));
    } while (rep == node->rep);
    return TDBPLUS_OK;
}

static tdbplus_status put_node(struct assembly *assembly, const struct parquet_node *node)
{
    uint8_t def = 0;
    uint8_t rep = 0;
    TRY(peek(assembly, node->first_leaf, &def, &rep));
    if (node->repetition == PARQUET_OPTIONAL && def < node->def) {
        json_builder_null(assembly->builder);
        return pass_all(assembly, node);
    }
    if (node->repetition == PARQUET_REPEATED) {
        json_builder_begin_array(assembly->builder);
        TRY(put_items(assembly, node, false, false));
        json_builder_end_array(assembly->builder);
        return TDBPLUS_OK;
    }
    if (is_list(node)) {
        json_builder_begin_array(assembly->builder);
        TRY(put_items(assembly, node->children[0], true, false));
        json_builder_end_array(assembly->builder);
        return TDBPLUS_OK;
    }
    if (is_map(node)) {
        json_builder_begin_object(assembly->builder);
        TRY(put_items(assembly, node->children[0], false, true));
        json_builder_end_object(assembly->builder);
        return TDBPLUS_OK;
    }
    return put_content(assembly, node);
}

/* ---- arrays ---- */

static tdbplus_status take_items(struct assembly *assembly, const struct parquet_column *form,
                                 struct list *items, bool *null_out)
{
    const struct parquet_node *node = form->node;
    const struct parquet_node *item = form->item;
    uint32_t number = item->first_leaf;
    // The repeated group: the item itself, or what stands around it.
    uint8_t repeated = (uint8_t)(item->def - (item->repetition == PARQUET_OPTIONAL));
    uint8_t def = 0;
    uint8_t rep = 0;
    TRY(peek(assembly, number, &def, &rep));
    *null_out = node->repetition == PARQUET_OPTIONAL && def < node->def;
    if (*null_out || def < repeated) {
        return pass_entry(assembly, number);
    }
    do {
        struct datum value = {.type = item->type, .is_null = def < item->def};
        if (value.is_null) {
            TRY(pass_entry(assembly, number));
        } else {
            TRY(take_value(assembly, number, &value));
        }
        if (list_push(items, &value) == NULL) {
            return no_memory(assembly->err);
        }
        TRY(peek(assembly, number, &def, &rep));
    } while (rep != 0);
    return TDBPLUS_OK;
}

/* ---- columns ---- */

static tdbplus_status put_bytes(struct column *column, uint32_t row, const struct buffer *bytes,
                                struct arena *arena, struct err *err)
{
    uint8_t *copy = arena_bytes(arena, bytes->size + 1);
    if (copy == NULL || bytes->failed) {
        return no_memory(err);
    }
    memcpy(copy, bytes->data, bytes->size);
    ((struct view *)column->data)[row] = view_of((struct span){copy, bytes->size});
    return TDBPLUS_OK;
}

static void set_null(struct column *column, uint32_t row)
{
    column->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
}

static tdbplus_status read_arrays(struct assembly *assembly, const struct parquet_column *form,
                                  uint32_t row_count, struct column *column, struct arena *arena)
{
    struct list items;
    struct buffer bytes;
    tdbplus_status status = TDBPLUS_OK;
    list_init(&items, arena->alloc, sizeof(struct datum));
    buffer_init(&bytes, arena->alloc);
    for (uint32_t row = 0; row < row_count; row++) {
        bool is_null = false;
        items.count = 0;
        buffer_clear(&bytes);
        TRY_OR(done, take_items(assembly, form, &items, &is_null));
        if (is_null) {
            set_null(column, row);
            continue;
        }
        struct array_dimension dimension = {.length = (uint32_t)items.count, .lower = 1};
        TRY_OR(done, array_encode(form->item->type, items.items, &dimension, items.count > 0,
                                  &bytes, assembly->err));
        TRY_OR(done, put_bytes(column, row, &bytes, arena, assembly->err));
    }
done:
    list_deinit(&items);
    buffer_deinit(&bytes);
    return status;
}

static tdbplus_status read_documents(struct assembly *assembly, const struct parquet_column *form,
                                     uint32_t row_count, struct column *column, struct arena *arena)
{
    struct buffer bytes;
    tdbplus_status status = TDBPLUS_OK;
    buffer_init(&bytes, arena->alloc);
    for (uint32_t row = 0; row < row_count; row++) {
        uint8_t def = 0;
        uint8_t rep = 0;
        TRY_OR(done, peek(assembly, form->node->first_leaf, &def, &rep));
        if (form->node->repetition == PARQUET_OPTIONAL && def < form->node->def) {
            set_null(column, row);
            TRY_OR(done, pass_all(assembly, form->node));
            continue;
        }
        buffer_clear(&bytes);
        arena_reset(assembly->arena);
        TRY_OR(done, put_node(assembly, form->node));
        TRY_OR(done, json_builder_finish(assembly->builder, &bytes, assembly->err));
        TRY_OR(done, put_bytes(column, row, &bytes, arena, assembly->err));
    }
done:
    buffer_deinit(&bytes);
    return status;
}

tdbplus_status parquet_read_nested(const struct parquet_column *form, struct parquet_leaf *leaves,
                                   uint32_t row_count, struct column *column, struct arena *arena,
                                   struct err *err)
{
    struct json_builder builder;
    struct arena texts;
    struct buffer text;
    json_builder_init(&builder, arena->alloc);
    arena_init(&texts, arena->alloc, 1024);
    buffer_init(&text, arena->alloc);
    struct assembly assembly = {
        .leaves = leaves, .builder = &builder, .arena = &texts, .text = &text, .err = err};
    tdbplus_status status = form->form == FORM_ARRAY
                                ? read_arrays(&assembly, form, row_count, column, arena)
                                : read_documents(&assembly, form, row_count, column, arena);
    json_builder_deinit(&builder);
    arena_deinit(&texts);
    buffer_deinit(&text);
    return status;
}
