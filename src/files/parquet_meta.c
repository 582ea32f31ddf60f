/* The footer: Thrift structs into plain ones. Field numbers are those of parquet.thrift. */

#include <string.h>

#include "files/parquet_internal.h"

tdbplus_status parquet_damaged(struct err *err, const char *what)
{
    return err_set_state(err, TDBPLUS_E_CORRUPT, "22P04", "the Parquet file is damaged: %s", what);
}

/* ---- schema elements ---- */

static void read_unit(struct thrift *thrift, struct parquet_node *node)
{
    struct thrift_field field = {0};
    while (thrift_next_field(thrift, &field)) {
        node->unit = field.id >= 1 && field.id <= 3 ? (uint8_t)field.id : node->unit;
        thrift_skip(thrift, field.type, 0);
    }
}

/* Decimals, times and integers have parameters. */
static void read_parameters(struct thrift *thrift, struct parquet_node *node)
{
    struct thrift_field field = {0};
    while (thrift_next_field(thrift, &field)) {
        bool flag = field.type == THRIFT_TRUE || field.type == THRIFT_FALSE;
        if (node->meaning == MEANS_DECIMAL && field.type == THRIFT_I32) {
            int64_t value = thrift_integer(thrift);
            *(field.id == 1 ? &node->scale : &node->precision) = (int32_t)value;
        } else if (node->meaning == MEANS_INTEGER && field.type == THRIFT_I8) {
            node->bits = thrift->at < thrift->end ? *thrift->at : 0;
            thrift_skip(thrift, field.type, 0);
        } else if (node->meaning == MEANS_INTEGER && flag) {
            node->is_signed = thrift_boolean(&field);
        } else if (field.id == 1 && flag) {
            node->utc = thrift_boolean(&field);
        } else if (field.id == 2 && field.type == THRIFT_STRUCT) {
            read_unit(thrift, node);
        } else {
            thrift_skip(thrift, field.type, 0);
        }
    }
}

static void read_logical(struct thrift *thrift, struct parquet_node *node)
{
    static const uint8_t meanings[] = {
        [1] = MEANS_TEXT,     [2] = MEANS_MAP,      [3] = MEANS_LIST,  [4] = MEANS_TEXT,
        [5] = MEANS_DECIMAL,  [6] = MEANS_DATE,     [7] = MEANS_TIME,  [8] = MEANS_TIMESTAMP,
        [10] = MEANS_INTEGER, [11] = MEANS_NOTHING, [12] = MEANS_JSON, [14] = MEANS_UUID,
        [15] = MEANS_FLOAT16,
    };
    struct thrift_field field = {0};
    while (thrift_next_field(thrift, &field)) {
        if (field.type != THRIFT_STRUCT || field.id < 1 ||
            (size_t)field.id >= sizeof meanings / sizeof *meanings) {
            thrift_skip(thrift, field.type, 0);
            continue;
        }
        node->meaning = meanings[field.id];
        read_parameters(thrift, node);
    }
}

/* The older way of saying it. */
static void set_converted(struct parquet_node *node, int64_t converted)
{
    static const uint8_t meanings[] = {
        MEANS_TEXT,      MEANS_MAP,     MEANS_MAP,     MEANS_LIST,    MEANS_TEXT,
        MEANS_DECIMAL,   MEANS_DATE,    MEANS_TIME,    MEANS_TIME,    MEANS_TIMESTAMP,
        MEANS_TIMESTAMP, MEANS_INTEGER, MEANS_INTEGER, MEANS_INTEGER, MEANS_INTEGER,
        MEANS_INTEGER,   MEANS_INTEGER, MEANS_INTEGER, MEANS_INTEGER, MEANS_JSON,
        MEANS_PLAIN,     MEANS_INTERVAL};
    if (node->meaning != MEANS_PLAIN || converted < 0 ||
        (uint64_t)converted >= sizeof meanings / sizeof *meanings) {
        return;
    }
    node->meaning = meanings[converted];
    if (converted >= 7 && converted <= 10) {
        node->unit = converted % 2 == 1 ? 1 : 2;
        node->utc = true;
    }
    if (converted >= 11 && converted <= 18) {
        node->is_signed = converted >= 15;
        node->bits = (uint8_t)(8u << ((converted - 11) % 4));
    }
}

static void read_element(struct thrift *thrift, struct parquet_file *file,
                         struct parquet_node *node)
{
    struct thrift_field field = {0};
    int64_t converted = -1;
    node->physical = -1;
    while (thrift_next_field(thrift, &field)) {
        if (field.id == 10 && field.type == THRIFT_STRUCT) {
            read_logical(thrift, node);
            continue;
        }
        if (field.id == 4 && field.type == THRIFT_BINARY) {
            node->name = arena_text(&file->arena, thrift_binary(thrift));
            thrift->failed = thrift->failed || node->name == NULL;
            continue;
        }
        if (field.type != THRIFT_I32) {
            thrift_skip(thrift, field.type, 0);
            continue;
        }
        int64_t value = thrift_integer(thrift);
        switch (field.id) {
        case 1:
            node->physical = (int8_t)(value >= 0 && value <= PARQUET_FIXED ? value : -2);
            break;
        case 2:
            node->length = (int32_t)value;
            break;
        case 3:
            node->repetition = (uint8_t)(value < 0 || value > 2 ? 3 : value);
            break;
        case 5:
            node->child_count = value < 0 || value > UINT16_MAX ? UINT32_MAX : (uint32_t)value;
            break;
        case 6:
            converted = value;
            break;
        case 7:
            node->scale = (int32_t)value;
            break;
        case 8:
            node->precision = (int32_t)value;
            break;
        default:
            break;
        }
    }
    set_converted(node, converted);
    if (node->physical == -2 || node->repetition == 3 || node->child_count == UINT32_MAX ||
        node->name == NULL || node->length < 0) {
        thrift->failed = true;
    }
}

/* ---- row groups ---- */

static void read_statistics(struct thrift *thrift, struct parquet_chunk *chunk)
{
    struct thrift_field field = {0};
    bool has_min = false;
    bool has_max = false;
    while (thrift_next_field(thrift, &field)) {
        if (field.id == 3 && field.type == THRIFT_I64) {
            chunk->null_count = thrift_integer(thrift);
        } else if (field.id == 5 && field.type == THRIFT_BINARY) {
            chunk->max = thrift_binary(thrift);
            has_max = true;
        } else if (field.id == 6 && field.type == THRIFT_BINARY) {
            chunk->min = thrift_binary(thrift);
            has_min = true;
        } else {
            thrift_skip(thrift, field.type, 0);
        }
    }
    chunk->has_range = has_min && has_max;
}

static void read_chunk_data(struct thrift *thrift, struct parquet_chunk *chunk)
{
    struct thrift_field field = {0};
    while (thrift_next_field(thrift, &field)) {
        if (field.id == 12 && field.type == THRIFT_STRUCT) {
            read_statistics(thrift, chunk);
            continue;
        }
        if (field.type != THRIFT_I32 && field.type != THRIFT_I64) {
            thrift_skip(thrift, field.type, 0);
            continue;
        }
        int64_t value = thrift_integer(thrift);
        switch (field.id) {
        case 4:
            chunk->codec = value;
            break;
        case 5:
            chunk->value_count = value;
            break;
        case 7:
            chunk->compressed_size = value;
            break;
        case 9:
            chunk->data_offset = value;
            break;
        case 11:
            chunk->dictionary_offset = value;
            break;
        default:
            break;
        }
    }
}

static void read_chunk(struct thrift *thrift, struct parquet_chunk *chunk)
{
    struct thrift_field field = {0};
    chunk->null_count = -1;
    chunk->value_count = -1;
    while (thrift_next_field(thrift, &field)) {
        if (field.id == 3 && field.type == THRIFT_STRUCT) {
            read_chunk_data(thrift, chunk);
        } else {
            // A chunk in another file has no data here.
            thrift->failed = thrift->failed || field.id == 1;
            thrift_skip(thrift, field.type, 0);
        }
    }
}

static void read_group(struct thrift *thrift, struct parquet_file *file,
                       struct parquet_group *group)
{
    struct thrift_field field = {0};
    group->row_count = -1;
    while (thrift_next_field(thrift, &field)) {
        if (field.id == 3 && field.type == THRIFT_I64) {
            group->row_count = thrift_integer(thrift);
            continue;
        }
        if (field.id != 1 || field.type != THRIFT_LIST) {
            thrift_skip(thrift, field.type, 0);
            continue;
        }
        uint8_t type = 0;
        uint32_t count = thrift_list(thrift, &type);
        if (count != file->leaf_count || type != THRIFT_STRUCT) {
            thrift->failed = true;
            return;
        }
        group->chunks = arena_array(&file->arena, (size_t)count + 1, sizeof *group->chunks);
        for (uint32_t i = 0; i < count && group->chunks != NULL && !thrift->failed; i++) {
            read_chunk(thrift, &group->chunks[i]);
        }
    }
    thrift->failed = thrift->failed || group->chunks == NULL || group->row_count < 0 ||
                     group->row_count > (int64_t)1 << 40;
}

/* ---- the tree ---- */

/* Children follow their parent. */
static bool link_node(struct parquet_file *file, struct parquet_node *nodes, uint32_t count,
                      uint32_t *next, uint32_t depth)
{
    struct parquet_node *node = &nodes[*next];
    (*next)++;
    node->first_leaf = file->leaf_count;
    if (node->child_count == 0) {
        if (node->physical < 0) {
            return false;
        }
        file->leaves[file->leaf_count++] = node;
        node->leaf_count = 1;
        return true;
    }
    node->physical = -1;
    node->children = arena_array(&file->arena, node->child_count, sizeof(struct parquet_node *));
    if (node->children == NULL || depth > PARQUET_DEPTH_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < node->child_count; i++) {
        if (*next >= count) {
            return false;
        }
        struct parquet_node *child = &nodes[*next];
        child->def = (uint8_t)(node->def + (child->repetition != PARQUET_REQUIRED));
        child->rep = (uint8_t)(node->rep + (child->repetition == PARQUET_REPEATED));
        node->children[i] = child;
        if (!link_node(file, nodes, count, next, depth + 1)) {
            return false;
        }
    }
    node->leaf_count = file->leaf_count - node->first_leaf;
    return true;
}

static void read_elements(struct thrift *thrift, struct parquet_file *file)
{
    uint8_t type = 0;
    uint32_t count = thrift_list(thrift, &type);
    struct parquet_node *nodes = arena_array(&file->arena, (size_t)count + 1, sizeof *nodes);
    file->leaves = arena_array(&file->arena, (size_t)count + 1, sizeof(struct parquet_node *));
    if (nodes == NULL || file->leaves == NULL || type != THRIFT_STRUCT || count < 2 ||
        file->root != NULL) {
        thrift->failed = true;
        return;
    }
    for (uint32_t i = 0; i < count && !thrift->failed; i++) {
        read_element(thrift, file, &nodes[i]);
    }
    uint32_t next = 0;
    nodes[0].repetition = PARQUET_REQUIRED;
    if (thrift->failed || nodes[0].child_count == 0 || !link_node(file, nodes, count, &next, 0) ||
        next != count) {
        thrift->failed = true;
        return;
    }
    file->root = &nodes[0];
}

static void read_groups(struct thrift *thrift, struct parquet_file *file)
{
    uint8_t type = 0;
    uint32_t count = thrift_list(thrift, &type);
    file->groups = arena_array(&file->arena, (size_t)count + 1, sizeof *file->groups);
    thrift->failed = thrift->failed || file->groups == NULL || file->root == NULL ||
                     (count > 0 && type != THRIFT_STRUCT);
    for (uint32_t i = 0; i < count && !thrift->failed; i++) {
        read_group(thrift, file, &file->groups[i]);
        file->group_count++;
    }
}

tdbplus_status parquet_read_meta(struct parquet_file *file, struct err *err)
{
    struct thrift thrift = {.at = file->footer.data, .end = file->footer.data + file->footer.size};
    struct thrift_field field = {0};
    while (thrift_next_field(&thrift, &field)) {
        if (field.id == 2 && field.type == THRIFT_LIST) {
            read_elements(&thrift, file);
        } else if (field.id == 4 && field.type == THRIFT_LIST) {
            read_groups(&thrift, file);
        } else {
            thrift_skip(&thrift, field.type, 0);
        }
    }
    return thrift.failed || file->root == NULL ? parquet_damaged(err, "its footer makes no sense")
                                               : TDBPLUS_OK;
}
