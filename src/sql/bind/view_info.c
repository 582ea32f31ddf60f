#include "sql/bind/view_info.h"

#include "base/codec.h"

#define VIEW_INFO_VERSION   1u
#define FLAG_CHECK          3u /* enum ast_view_check. */
#define FLAG_MATERIALIZED   4u
#define COLUMN_COUNT_MAX    1664u /* As PostgreSQL's select lists. */
#define REFERENCE_COUNT_MAX 65536u

static void encode_type(struct type type, struct buffer *buffer)
{
    buffer_put_u8(buffer, type.id);
    buffer_put_u8(buffer, type.element);
    buffer_put_u16(buffer, (uint16_t)type.precision);
    buffer_put_u16(buffer, (uint16_t)type.scale);
    buffer_put_u32(buffer, type.parameter);
}

static struct type decode_type(struct reader *reader)
{
    struct type type = {.id = reader_u8(reader), .element = reader_u8(reader)};
    type.precision = (int16_t)reader_u16(reader);
    type.scale = (int16_t)reader_u16(reader);
    type.parameter = reader_u32(reader);
    return type;
}

void view_info_encode(const struct view_info *info, struct buffer *buffer)
{
    buffer_put_u8(buffer, VIEW_INFO_VERSION);
    buffer_put_u8(buffer, (uint8_t)(info->check | (info->materialized ? FLAG_MATERIALIZED : 0)));
    buffer_put_sized(buffer, span_from_text(info->text));
    buffer_put_varint(buffer, info->column_count);
    for (uint32_t i = 0; i < info->column_count; i++) {
        buffer_put_sized(buffer, span_from_text(info->columns[i].name));
        encode_type(info->columns[i].type, buffer);
    }
    buffer_put_varint(buffer, info->reference_count);
    for (uint32_t i = 0; i < info->reference_count; i++) {
        const struct view_reference *reference = &info->references[i];
        buffer_put_varint(buffer, reference->position);
        buffer_put_varint(buffer, reference->name_count);
        for (uint32_t n = 0; n < reference->name_count; n++) {
            buffer_put_varint(buffer, reference->names[n].column_id);
            buffer_put_sized(buffer, span_from_text(reference->names[n].name));
        }
    }
}

static tdbplus_status damaged(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "the definition of a view is damaged");
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "out of memory for the definition of a view");
}

static tdbplus_status decode_columns(struct reader *reader, struct arena *arena,
                                     struct view_info *info, struct err *err)
{
    uint64_t count = reader_varint(reader);
    if (reader->overrun || count > COLUMN_COUNT_MAX) {
        return damaged(err);
    }
    info->columns = arena_array(arena, (size_t)count + 1, sizeof *info->columns);
    if (info->columns == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct view_column *column = &info->columns[i];
        column->name = arena_text(arena, reader_sized(reader));
        column->type = decode_type(reader);
        if (column->name == NULL) {
            return no_memory(err);
        }
        if (reader->overrun || !type_valid(column->type)) {
            return damaged(err);
        }
    }
    info->column_count = (uint32_t)count;
    return TDBPLUS_OK;
}

static tdbplus_status decode_reference(struct reader *reader, struct arena *arena,
                                       struct view_reference *reference, struct err *err)
{
    reference->position = (uint32_t)reader_varint(reader);
    uint64_t count = reader_varint(reader);
    if (reader->overrun || count > COLUMN_COUNT_MAX) {
        return damaged(err);
    }
    reference->names = arena_array(arena, (size_t)count + 1, sizeof *reference->names);
    if (reference->names == NULL) {
        return no_memory(err);
    }
    reference->name_count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        reference->names[i].column_id = (uint32_t)reader_varint(reader);
        reference->names[i].name = arena_text(arena, reader_sized(reader));
        if (reference->names[i].name == NULL) {
            return no_memory(err);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status view_info_decode(const struct catalog_entry *entry, struct arena *arena,
                                struct view_info *info_out, struct err *err)
{
    struct view_info info = {0};
    struct reader reader = reader_of(entry->definition);
    if (entry->definition.size == 0 || reader_u8(&reader) != VIEW_INFO_VERSION) {
        return damaged(err);
    }
    uint8_t flags = reader_u8(&reader);
    info.check = flags & FLAG_CHECK;
    info.materialized = (flags & FLAG_MATERIALIZED) != 0;
    info.text = arena_text(arena, reader_sized(&reader));
    if (info.text == NULL) {
        return no_memory(err);
    }
    TRY(decode_columns(&reader, arena, &info, err));
    uint64_t count = reader_varint(&reader);
    if (reader.overrun || count > REFERENCE_COUNT_MAX) {
        return damaged(err);
    }
    info.references = arena_array(arena, (size_t)count + 1, sizeof *info.references);
    if (info.references == NULL) {
        return no_memory(err);
    }
    info.reference_count = (uint32_t)count;
    for (uint32_t i = 0; i < info.reference_count; i++) {
        struct catalog_dependency dependency;
        TRY(decode_reference(&reader, arena, &info.references[i], err));
        if (!catalog_dependency_at(entry, i, &dependency)) {
            return damaged(err);
        }
        info.references[i].oid = dependency.oid;
    }
    if (reader.overrun || reader.rest.size > 0) {
        return damaged(err);
    }
    *info_out = info;
    return TDBPLUS_OK;
}

const struct view_reference *view_find_reference(const struct view_info *info, uint32_t position)
{
    for (uint32_t i = 0; info != NULL && i < info->reference_count; i++) {
        if (info->references[i].position == position) {
            return &info->references[i];
        }
    }
    return NULL;
}
