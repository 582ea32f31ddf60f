/* Rows that were read from a damaged database, on their way into the new one. */

#include <stdio.h>
#include <string.h>

#include "storage/store/salvage_internal.h"
#include "types/text.h"

#define SINK_ROW_COUNT ((size_t)1024)
#define SINK_SIZE      ((size_t)1 << 20)

void salvage_sink_init(struct salvage_sink *sink, struct salvage *salvage,
                       struct salvage_object *object)
{
    *sink = (struct salvage_sink){.salvage = salvage, .object = object};
    list_init(&sink->ops, salvage->alloc, sizeof(struct commit_op));
    map_init(&sink->hashes, salvage->alloc);
    arena_init(&sink->bytes, salvage->alloc, 0);
    buffer_init(&sink->key, salvage->alloc);
    buffer_init(&sink->row, salvage->alloc);
}

void salvage_sink_deinit(struct salvage_sink *sink)
{
    list_deinit(&sink->ops);
    map_deinit(&sink->hashes);
    arena_deinit(&sink->bytes);
    buffer_deinit(&sink->key);
    buffer_deinit(&sink->row);
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "recover: a row does not fit the memory limit");
}

/* Whether it is on disk matters at the end only: the whole can be repeated. [waits] */
static tdbplus_status commit(struct salvage_sink *sink, const struct commit_group *group,
                             struct err *err)
{
    struct store_commit commit = {.groups = group, .group_count = 1, .durability = DURABILITY_NONE};
    struct call call = *sink->salvage->call;
    struct err why = {0};
    call.alloc = sink->salvage->alloc;
    call.err = &why;
    tdbplus_status status = store_commit(sink->salvage->target, &commit, NULL, &call);
    if (status != TDBPLUS_OK) {
        // Whatever it is, it is no damage of the source.
        status = status == TDBPLUS_E_IO ? TDBPLUS_E_STOPPED : status;
        return err_set(err, status, "recover: the new database: %s", why.text);
    }
    return TDBPLUS_OK;
}

tdbplus_status salvage_delete_range(struct salvage_sink *sink, struct span lower,
                                    const struct span *upper, struct err *err)
{
    TRY(salvage_sink_flush(sink, err));
    struct commit_stage stage = {.kind = COMMIT_DELETE_RANGE,
                                 .lower = lower,
                                 .upper = upper == NULL ? (struct span){0} : *upper,
                                 .has_upper = upper != NULL};
    struct commit_group group = {.collection = sink->object->made->collection,
                                 .schema = sink->object->reads,
                                 .stages = &stage,
                                 .stage_count = 1};
    return commit(sink, &group, err);
}

tdbplus_status salvage_sink_flush(struct salvage_sink *sink, struct err *err)
{
    if (sink->ops.count == 0) {
        return TDBPLUS_OK;
    }
    struct commit_group group = {.collection = sink->object->made->collection,
                                 .schema = sink->object->reads,
                                 .ops = sink->ops.items,
                                 .op_count = (uint32_t)sink->ops.count};
    TRY(commit(sink, &group, err));
    sink->ops.count = 0;
    sink->size = 0;
    arena_reset(&sink->bytes);
    map_deinit(&sink->hashes);
    map_init(&sink->hashes, sink->salvage->alloc);
    return TDBPLUS_OK;
}

/* Copies the op's bytes; a commit has one op for a key, so a second one goes into the next. */
static tdbplus_status add(struct salvage_sink *sink, uint8_t kind, struct span key, struct span row,
                          struct err *err)
{
    struct commit_op op = {.kind = kind, .code = key_code(key), .hash = key_hash(key)};
    if (map_get(&sink->hashes, op.hash) != NULL || sink->ops.count >= SINK_ROW_COUNT ||
        sink->size >= SINK_SIZE) {
        TRY(salvage_sink_flush(sink, err));
    }
    uint8_t *bytes = arena_bytes(&sink->bytes, key.size + row.size);
    if (bytes == NULL || !map_put(&sink->hashes, op.hash, 1)) {
        return no_memory(err);
    }
    sink->size += key.size + row.size;
    memcpy(bytes, key.data, key.size);
    if (row.size > 0) {
        memcpy(bytes + key.size, row.data, row.size);
    }
    op.key = (struct span){.data = bytes, .size = key.size};
    op.row = (struct span){.data = bytes + key.size, .size = row.size};
    return list_push(&sink->ops, &op) == NULL ? no_memory(err) : TDBPLUS_OK;
}

/* The target's columns: by id, or what rows have that were written before the column existed. */
static tdbplus_status map_values(const struct salvage_sink *sink, const struct schema *schema,
                                 const struct datum *values, struct err *err)
{
    const struct schema *target = sink->object->reads;
    struct datum *mapped = sink->salvage->mapped;
    for (uint32_t i = 0; i < target->column_count; i++) {
        const struct schema_column *column = &target->columns[i];
        int32_t at = schema_find_id(schema, column->id);
        mapped[i] = at < 0 ? column->missing : values[at];
        bool typed = mapped[i].is_null || type_equal(mapped[i].type, column->type);
        if (!typed || (mapped[i].is_null && column->not_null)) {
            return err_set(err, TDBPLUS_E_CORRUPT, "a row does not fit column \"%s\"",
                           column->name);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_key(struct salvage_sink *sink, struct err *err)
{
    const struct schema *schema = sink->object->reads;
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    for (uint32_t i = 0; i < schema->key_count; i++) {
        key[i] = sink->salvage->mapped[schema->key_columns[i]];
    }
    buffer_clear(&sink->key);
    if (key_is_integer(schema)) {
        uint8_t *bytes = buffer_extend(&sink->key, 8);
        if (bytes != NULL) {
            store_u64_be(bytes, key_code_of_integer(key[0].integer));
        }
    } else {
        TRY(key_encode(key, schema->key_count, &sink->key, err));
    }
    return sink->key.failed ? no_memory(err) : TDBPLUS_OK;
}

tdbplus_status salvage_put(struct salvage_sink *sink, const struct schema *schema,
                           const struct datum *values, struct err *err)
{
    TRY(map_values(sink, schema, values, err));
    TRY(make_key(sink, err));
    buffer_clear(&sink->row);
    row_encode(sink->object->reads, sink->salvage->mapped, &sink->row);
    if (sink->row.failed) {
        return no_memory(err);
    }
    return add(sink, COMMIT_PUT, buffer_span(&sink->key), buffer_span(&sink->row), err);
}

tdbplus_status salvage_delete(struct salvage_sink *sink, struct span key, struct err *err)
{
    if (key_is_integer(sink->object->reads) && key.size != 8) {
        return err_set(err, TDBPLUS_E_CORRUPT, "a key of %zu bytes where 8 are due", key.size);
    }
    return add(sink, COMMIT_DELETE, key, (struct span){0}, err);
}

void salvage_print_key(const struct schema *schema, const struct datum *values,
                       char text[SALVAGE_KEY_TEXT_SIZE])
{
    static const struct text_style plain = {0};
    struct buffer buffer = {.alloc = schema->alloc};
    for (uint32_t i = 0; i < schema->key_count; i++) {
        if (i > 0) {
            buffer_put(&buffer, ", ", 2);
        }
        const struct datum *value = &values[schema->key_columns[i]];
        struct datum cut = *value;
        bool is_text = value->type.id == TYPE_TEXT;
        if (is_text && cut.bytes.size > 60) {
            cut.bytes.size = 60;
        }
        if (!cut.is_null) {
            text_print(&cut, &plain, &buffer);
        }
    }
    size_t size = buffer.failed ? 0 : buffer.size;
    size = size < SALVAGE_KEY_TEXT_SIZE - 1 ? size : SALVAGE_KEY_TEXT_SIZE - 1;
    for (size_t i = 0; i < size; i++) {
        // It goes to terminals: no control characters.
        text[i] = buffer.data[i] < 32 || buffer.data[i] == 127 ? '?' : (char)buffer.data[i];
    }
    text[size] = '\0';
    buffer_deinit(&buffer);
}
