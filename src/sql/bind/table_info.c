#include "sql/bind/table_info.h"

#include "base/codec.h"

#define TABLE_INFO_VERSION 3u /* 2: without domains. 1: without sequences, kinds, not_valid. */
#define FLAG_HIDDEN_KEY    1u
#define FLAG_MATERIALIZED  2u
#define FLAG_KEY_NAME      4u
#define FLAG_UNPOPULATED   8u
#define FLAG_DOCUMENTS     16u
#define TEXT_COUNT_MAX     4096u

void table_info_encode(const struct table_info *info, struct buffer *buffer)
{
    buffer_put_u8(buffer, TABLE_INFO_VERSION);
    buffer_put_u8(buffer, (uint8_t)((info->hidden_key ? FLAG_HIDDEN_KEY : 0) |
                                    (info->materialized ? FLAG_MATERIALIZED : 0) |
                                    (info->unpopulated ? FLAG_UNPOPULATED : 0) |
                                    (info->documents ? FLAG_DOCUMENTS : 0) |
                                    (info->key_name != NULL ? FLAG_KEY_NAME : 0)));
    if (info->key_name != NULL) {
        buffer_put_sized(buffer, span_from_text(info->key_name));
    }
    buffer_put_varint(buffer, info->default_count);
    for (uint32_t i = 0; i < info->default_count; i++) {
        buffer_put_varint(buffer, info->defaults[i].column_id);
        buffer_put_sized(buffer, span_from_text(info->defaults[i].text));
        buffer_put_u8(buffer, info->defaults[i].kind);
        buffer_put_varint(buffer, info->defaults[i].sequence);
    }
    buffer_put_varint(buffer, info->check_count);
    for (uint32_t i = 0; i < info->check_count; i++) {
        buffer_put_sized(buffer, span_from_text(info->checks[i].name));
        buffer_put_sized(buffer, span_from_text(info->checks[i].text));
        buffer_put_u8(buffer, info->checks[i].not_valid);
    }
    buffer_put_varint(buffer, info->domain_count);
    for (uint32_t i = 0; i < info->domain_count; i++) {
        buffer_put_varint(buffer, info->domains[i].column_id);
        buffer_put_varint(buffer, info->domains[i].oid);
    }
}

static tdbplus_status damaged(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "the properties of a table are damaged");
}

struct decoder {
    struct reader *reader;
    struct arena *arena;
    uint8_t version;
    struct err *err;
};

static tdbplus_status decode_text(const struct decoder *decoder, bool named,
                                  struct table_text *text)
{
    struct reader *reader = decoder->reader;
    if (named) {
        text->name = arena_text(decoder->arena, reader_sized(reader));
    } else {
        text->column_id = (uint32_t)reader_varint(reader);
    }
    text->text = arena_text(decoder->arena, reader_sized(reader));
    if (text->text == NULL || (named && text->name == NULL)) {
        return err_set(decoder->err, TDBPLUS_E_NOMEM,
                       "out of memory for the properties of a table");
    }
    if (decoder->version > 1 && named) {
        uint8_t not_valid = reader_u8(reader);
        text->not_valid = not_valid == 1;
        return not_valid > 1 ? damaged(decoder->err) : TDBPLUS_OK;
    }
    if (decoder->version > 1) {
        text->kind = reader_u8(reader);
        text->sequence = reader_varint(reader);
        return text->kind > TABLE_GENERATED ? damaged(decoder->err) : TDBPLUS_OK;
    }
    return TDBPLUS_OK;
}

static tdbplus_status decode_texts(const struct decoder *decoder, bool named,
                                   struct table_text **texts_out, uint32_t *count_out)
{
    uint64_t count = reader_varint(decoder->reader);
    if (decoder->reader->overrun || count > TEXT_COUNT_MAX) {
        return damaged(decoder->err);
    }
    struct table_text *texts = arena_array(decoder->arena, (size_t)count + 1, sizeof *texts);
    if (texts == NULL) {
        return err_set(decoder->err, TDBPLUS_E_NOMEM,
                       "out of memory for the properties of a table");
    }
    for (uint64_t i = 0; i < count; i++) {
        TRY(decode_text(decoder, named, &texts[i]));
    }
    *texts_out = texts;
    *count_out = (uint32_t)count;
    return TDBPLUS_OK;
}

static tdbplus_status decode_domains(const struct decoder *decoder, struct table_info *info)
{
    uint64_t count = reader_varint(decoder->reader);
    if (decoder->reader->overrun || count > TEXT_COUNT_MAX) {
        return damaged(decoder->err);
    }
    // One more, for a column that ALTER TABLE gives a domain.
    info->domains = arena_array(decoder->arena, (size_t)count + 1, sizeof *info->domains);
    if (info->domains == NULL) {
        return err_set(decoder->err, TDBPLUS_E_NOMEM,
                       "out of memory for the properties of a table");
    }
    for (uint64_t i = 0; i < count; i++) {
        info->domains[i].column_id = (uint32_t)reader_varint(decoder->reader);
        info->domains[i].oid = reader_varint(decoder->reader);
    }
    info->domain_count = (uint32_t)count;
    return TDBPLUS_OK;
}

tdbplus_status table_info_decode(struct span encoded, struct arena *arena,
                                 struct table_info *info_out, struct err *err)
{
    struct table_info info = {0};
    if (encoded.size > 0) {
        struct reader reader = reader_of(encoded);
        struct decoder decoder = {&reader, arena, reader_u8(&reader), err};
        uint8_t flags = reader_u8(&reader);
        if (decoder.version == 0 || decoder.version > TABLE_INFO_VERSION) {
            return damaged(err);
        }
        info.hidden_key = (flags & FLAG_HIDDEN_KEY) != 0;
        info.materialized = (flags & FLAG_MATERIALIZED) != 0;
        info.unpopulated = (flags & FLAG_UNPOPULATED) != 0;
        info.documents = (flags & FLAG_DOCUMENTS) != 0;
        if ((flags & FLAG_KEY_NAME) != 0) {
            info.key_name = arena_text(arena, reader_sized(&reader));
            if (info.key_name == NULL) {
                return err_set(err, TDBPLUS_E_NOMEM, "out of memory for the properties of a table");
            }
        }
        TRY(decode_texts(&decoder, false, &info.defaults, &info.default_count));
        TRY(decode_texts(&decoder, true, &info.checks, &info.check_count));
        if (decoder.version > 2) {
            TRY(decode_domains(&decoder, &info));
        }
        if (reader.overrun || reader.rest.size > 0) {
            return damaged(err);
        }
    }
    *info_out = info;
    return TDBPLUS_OK;
}

bool table_is_materialized(struct span encoded)
{
    return encoded.size > 1 && (encoded.data[1] & FLAG_MATERIALIZED) != 0;
}

const struct table_text *table_find_default(const struct table_info *info, uint32_t column_id)
{
    for (uint32_t i = 0; i < info->default_count; i++) {
        if (info->defaults[i].column_id == column_id) {
            return &info->defaults[i];
        }
    }
    return NULL;
}

uint64_t table_find_domain(const struct table_info *info, uint32_t column_id)
{
    uint64_t oid = 0;
    for (uint32_t i = 0; i < info->domain_count; i++) {
        oid = info->domains[i].column_id == column_id ? info->domains[i].oid : oid;
    }
    return oid;
}
