/* What the columns of a Parquet file are here. */

#include "files/parquet_internal.h"

static struct type decimal_type(const struct parquet_node *node)
{
    bool usable = node->precision >= 1 && node->precision <= NUMERIC_DIGITS_MAX_16 &&
                  node->scale >= 0 && node->scale <= node->precision;
    return (struct type){.id = TYPE_NUMERIC,
                         .precision = (int16_t)(usable ? node->precision : 0),
                         .scale = (int16_t)(usable ? node->scale : 0)};
}

static struct type integer_type(const struct parquet_node *node)
{
    unsigned bits = node->bits == 0 ? (node->physical == PARQUET_INT32 ? 32 : 64) : node->bits;
    bool is_signed = node->meaning != MEANS_INTEGER || node->is_signed;
    if (is_signed) {
        return type_of(bits <= 16 ? TYPE_INT2 : bits == 32 ? TYPE_INT4 : TYPE_INT8);
    }
    if (bits == 64) {
        return (struct type){.id = TYPE_NUMERIC, .precision = 20};
    }
    return type_of(bits == 8 ? TYPE_INT2 : bits == 16 ? TYPE_INT4 : TYPE_INT8);
}

static struct type number_type(const struct parquet_node *node)
{
    switch (node->meaning) {
    case MEANS_DECIMAL:
        return decimal_type(node);
    case MEANS_DATE:
        return type_of(TYPE_DATE);
    case MEANS_TIME:
        return type_of(TYPE_TIME);
    case MEANS_TIMESTAMP:
        return type_of(node->utc ? TYPE_TIMESTAMPTZ : TYPE_TIMESTAMP);
    case MEANS_NOTHING:
        return type_of(TYPE_TEXT);
    default:
        return integer_type(node);
    }
}

static struct type bytes_type(const struct parquet_node *node)
{
    switch (node->meaning) {
    case MEANS_TEXT:
    case MEANS_NOTHING:
        return type_of(TYPE_TEXT);
    case MEANS_JSON:
        return type_of(TYPE_JSON);
    case MEANS_DECIMAL:
        return decimal_type(node);
    case MEANS_UUID:
        return type_of(node->length == 16 ? TYPE_UUID : TYPE_BYTEA);
    case MEANS_FLOAT16:
        return type_of(node->length == 2 ? TYPE_FLOAT4 : TYPE_BYTEA);
    case MEANS_INTERVAL:
        return type_of(node->length == 12 ? TYPE_INTERVAL : TYPE_BYTEA);
    default:
        return type_of(TYPE_BYTEA);
    }
}

static struct type leaf_type(const struct parquet_node *node)
{
    switch ((enum parquet_physical)node->physical) {
    case PARQUET_BOOLEAN:
        return type_of(TYPE_BOOL);
    case PARQUET_INT32:
    case PARQUET_INT64:
        return number_type(node);
    case PARQUET_INT96:
        return type_of(TYPE_TIMESTAMP);
    case PARQUET_FLOAT:
        return type_of(TYPE_FLOAT4);
    case PARQUET_DOUBLE:
        return type_of(TYPE_FLOAT8);
    case PARQUET_BYTES:
    case PARQUET_FIXED:
        break;
    }
    return bytes_type(node);
}

/* LIST's three levels, or the two of older writers, around a leaf that arrays may have. */
static const struct parquet_node *array_item(const struct parquet_node *node)
{
    const struct parquet_node *repeated = node;
    if (node->meaning == MEANS_LIST && node->child_count == 1 &&
        node->children[0]->repetition == PARQUET_REPEATED) {
        repeated = node->children[0];
    } else if (node->repetition != PARQUET_REPEATED) {
        return NULL;
    }
    const struct parquet_node *item = repeated;
    if (repeated->child_count == 1 && node != repeated) {
        item = repeated->children[0];
    }
    bool plain =
        item->child_count == 0 && (item == repeated || item->repetition != PARQUET_REPEATED);
    return plain && item->type.id != TYPE_JSON ? item : NULL;
}

static struct type array_type(struct type element)
{
    struct type type = element;
    type.id = TYPE_ARRAY;
    type.element = element.id;
    return type;
}

tdbplus_status parquet_read_schema(struct parquet_file *file, struct err *err)
{
    const struct parquet_node *root = file->root;
    for (uint32_t i = 0; i < file->leaf_count; i++) {
        struct parquet_node *leaf = file->leaves[i];
        if (leaf->physical == PARQUET_FIXED && leaf->length == 0) {
            return parquet_damaged(err, "a column of values without a length");
        }
        leaf->type = leaf_type(leaf);
    }
    file->column_count = root->child_count;
    file->forms = arena_array(&file->arena, file->column_count, sizeof *file->forms);
    file->columns = arena_array(&file->arena, file->column_count, sizeof *file->columns);
    if (file->forms == NULL || file->columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory for a Parquet file's schema");
    }
    for (uint32_t i = 0; i < file->column_count; i++) {
        const struct parquet_node *node = root->children[i];
        struct parquet_column *form = &file->forms[i];
        *form = (struct parquet_column){.node = node, .form = FORM_JSON};
        file->columns[i] = (struct file_column){.name = node->name, .type = type_of(TYPE_JSON)};
        const struct parquet_node *item = array_item(node);
        if (node->child_count == 0 && node->repetition != PARQUET_REPEATED) {
            form->form = FORM_FLAT;
            file->columns[i].type = node->type;
        } else if (item != NULL && type_valid(array_type(item->type))) {
            form->form = FORM_ARRAY;
            form->item = item;
            file->columns[i].type = array_type(item->type);
        }
    }
    return TDBPLUS_OK;
}
