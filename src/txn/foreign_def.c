#include "txn/foreign_def.h"

#include "base/codec.h"

#define DEF_VERSION 1u

enum def_flag { FLAG_MATCH_FULL = 1, FLAG_DEFERRABLE = 2, FLAG_DEFERRED = 4 };

static void put_ids(const uint32_t *ids, uint32_t count, struct buffer *buffer)
{
    buffer_put_varint(buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_varint(buffer, ids[i]);
    }
}

void foreign_def_encode(const struct foreign_def *def, struct buffer *buffer)
{
    buffer_put_u64(buffer, def->table);
    buffer_put_u64(buffer, def->referenced);
    buffer_put_u8(buffer, DEF_VERSION);
    buffer_put_u8(buffer, (uint8_t)((def->match_full ? FLAG_MATCH_FULL : 0) |
                                    (def->deferrable ? FLAG_DEFERRABLE : 0) |
                                    (def->deferred ? FLAG_DEFERRED : 0)));
    buffer_put_u8(buffer, def->on_update);
    buffer_put_u8(buffer, def->on_delete);
    buffer_put_varint(buffer, def->index);
    put_ids(def->columns, def->column_count, buffer);
    put_ids(def->referenced_columns, def->column_count, buffer);
    put_ids(def->set_columns, def->set_count, buffer);
}

static tdbplus_status damaged(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "the definition of a foreign key is damaged");
}

static tdbplus_status read_ids(struct reader *reader, struct arena *arena, uint32_t **ids_out,
                               uint32_t *count_out, struct err *err)
{
    uint64_t count = reader_varint(reader);
    if (reader->overrun || count > FOREIGN_COLUMN_COUNT_MAX) {
        return damaged(err);
    }
    uint32_t *ids = arena_array(arena, (size_t)count + 1, sizeof *ids);
    if (ids == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a foreign key does not fit in memory");
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = reader_varint(reader);
        if (id == 0 || id > UINT32_MAX) {
            return damaged(err);
        }
        ids[i] = (uint32_t)id;
    }
    *ids_out = ids;
    *count_out = (uint32_t)count;
    return TDBPLUS_OK;
}

tdbplus_status foreign_def_decode(struct span encoded, struct arena *arena,
                                  struct foreign_def *def_out, struct err *err)
{
    struct foreign_def def = {0};
    struct reader reader = reader_of(encoded);
    def.table = reader_u64(&reader);
    def.referenced = reader_u64(&reader);
    uint8_t version = reader_u8(&reader);
    uint8_t flags = reader_u8(&reader);
    def.on_update = reader_u8(&reader);
    def.on_delete = reader_u8(&reader);
    def.index = reader_varint(&reader);
    if (reader.overrun || version != DEF_VERSION || def.on_update > FOREIGN_SET_DEFAULT ||
        def.on_delete > FOREIGN_SET_DEFAULT) {
        return damaged(err);
    }
    def.match_full = (flags & FLAG_MATCH_FULL) != 0;
    def.deferrable = (flags & FLAG_DEFERRABLE) != 0;
    def.deferred = (flags & FLAG_DEFERRED) != 0;
    uint32_t referenced = 0;
    TRY(read_ids(&reader, arena, &def.columns, &def.column_count, err));
    TRY(read_ids(&reader, arena, &def.referenced_columns, &referenced, err));
    TRY(read_ids(&reader, arena, &def.set_columns, &def.set_count, err));
    if (reader.overrun || reader.rest.size > 0 || def.column_count == 0 ||
        referenced != def.column_count) {
        return damaged(err);
    }
    *def_out = def;
    return TDBPLUS_OK;
}
