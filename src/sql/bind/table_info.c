#include "sql/bind/table_info.h"

#include "base/codec.h"

#define TABLE_INFO_VERSION 1u
#define FLAG_HIDDEN_KEY    1u
#define TEXT_COUNT_MAX     4096u

void table_info_encode(const struct table_info *info, struct buffer *buffer)
{
    buffer_put_u8(buffer, TABLE_INFO_VERSION);
    buffer_put_u8(buffer, info->hidden_key ? FLAG_HIDDEN_KEY : 0);
    buffer_put_varint(buffer, info->default_count);
    for (uint32_t i = 0; i < info->default_count; i++) {
        buffer_put_varint(buffer, info->defaults[i].column_id);
        buffer_put_sized(buffer, span_from_text(info->defaults[i].text));
    }
    buffer_put_varint(buffer, info->check_count);
    for (uint32_t i = 0; i < info->check_count; i++) {
        buffer_put_sized(buffer, span_from_text(info->checks[i].name));
        buffer_put_sized(buffer, span_from_text(info->checks[i].text));
    }
}

static tdbplus_status damaged(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "the properties of a table are damaged");
}

static tdbplus_status decode_texts(struct reader *reader, struct arena *arena, bool named,
                                   struct table_text **texts_out, uint32_t *count_out,
                                   struct err *err)
{
    uint64_t count = reader_varint(reader);
    if (reader->overrun || count > TEXT_COUNT_MAX) {
        return damaged(err);
    }
    struct table_text *texts = arena_array(arena, (size_t)count + 1, sizeof *texts);
    if (texts == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "out of memory for the properties of a table");
    }
    for (uint64_t i = 0; i < count; i++) {
        if (named) {
            texts[i].name = arena_text(arena, reader_sized(reader));
        } else {
            texts[i].column_id = (uint32_t)reader_varint(reader);
        }
        texts[i].text = arena_text(arena, reader_sized(reader));
        if (texts[i].text == NULL || (named && texts[i].name == NULL)) {
            return err_set(err, TDBPLUS_E_NOMEM, "out of memory for the properties of a table");
        }
    }
    *texts_out = texts;
    *count_out = (uint32_t)count;
    return TDBPLUS_OK;
}

tdbplus_status table_info_decode(struct span encoded, struct arena *arena,
                                 struct table_info *info_out, struct err *err)
{
    struct table_info info = {0};
    if (encoded.size > 0) {
        struct reader reader = reader_of(encoded);
        if (reader_u8(&reader) != TABLE_INFO_VERSION) {
            return damaged(err);
        }
        info.hidden_key = (reader_u8(&reader) & FLAG_HIDDEN_KEY) != 0;
        TRY(decode_texts(&reader, arena, false, &info.defaults, &info.default_count, err));
        TRY(decode_texts(&reader, arena, true, &info.checks, &info.check_count, err));
        if (reader.overrun || reader.rest.size > 0) {
            return damaged(err);
        }
    }
    *info_out = info;
    return TDBPLUS_OK;
}
