#include "storage/store/payload.h"

#define PAYLOAD_LAYOUT 1u
#define CHANGE_PUT     1u
#define CHANGE_DROP    2u

static void encode_change(const struct catalog_change *change, struct buffer *buffer)
{
    buffer_put_u8(buffer, change->after == NULL ? CHANGE_DROP : CHANGE_PUT);
    buffer_put_varint(buffer, change->id);
    if (change->after == NULL) {
        return;
    }
    struct buffer encoded = {.alloc = buffer->alloc};
    object_encode(&change->after->object, NULL, &encoded);
    buffer_put_sized(buffer, buffer_span(&encoded));
    buffer->failed = buffer->failed || encoded.failed;
    buffer_deinit(&encoded);
}

static void encode_group(const struct commit_group *group, struct buffer *buffer)
{
    buffer_put_varint(buffer, collection_id(group->collection));
    buffer_put_varint(buffer, group->schema->version);
    buffer_put_varint(buffer, group->op_count);
    for (uint32_t i = 0; i < group->op_count; i++) {
        const struct commit_op *op = &group->ops[i];
        buffer_put_u8(buffer, op->kind);
        buffer_put_sized(buffer, op->key);
        if (op->kind == COMMIT_PUT) {
            buffer_put_sized(buffer, op->row);
        }
    }
}

void payload_encode(const struct store_commit *commit, struct buffer *buffer)
{
    buffer_put_u8(buffer, PAYLOAD_LAYOUT);
    buffer_put_varint(buffer, commit->change_count);
    for (uint32_t i = 0; i < commit->change_count; i++) {
        encode_change(&commit->changes[i], buffer);
    }
    buffer_put_varint(buffer, commit->group_count);
    for (uint32_t i = 0; i < commit->group_count; i++) {
        encode_group(&commit->groups[i], buffer);
    }
}

static tdbplus_status nonsense(struct err *err, const char *what)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "log: a commit record's %s makes no sense", what);
}

tdbplus_status payload_begin(struct payload_reader *payload, struct span bytes, struct err *err)
{
    *payload = (struct payload_reader){.reader = reader_of(bytes)};
    uint8_t layout = reader_u8(&payload->reader);
    payload->change_count = reader_varint(&payload->reader);
    if (payload->reader.overrun) {
        return nonsense(err, "beginning");
    }
    if (layout != PAYLOAD_LAYOUT) {
        return err_set(err, TDBPLUS_E_VERSION, "log: commit layout %u, this build reads %u", layout,
                       PAYLOAD_LAYOUT);
    }
    return TDBPLUS_OK;
}

tdbplus_status payload_change(struct payload_reader *payload, struct payload_change *change_out,
                              struct err *err)
{
    uint8_t kind = reader_u8(&payload->reader);
    struct payload_change change = {.drop = kind == CHANGE_DROP};
    change.id = reader_varint(&payload->reader);
    if (kind == CHANGE_PUT) {
        change.encoded = reader_sized(&payload->reader);
    }
    if (payload->reader.overrun || (kind != CHANGE_PUT && kind != CHANGE_DROP)) {
        return nonsense(err, "catalog change");
    }
    *change_out = change;
    return TDBPLUS_OK;
}

tdbplus_status payload_groups(struct payload_reader *payload, struct err *err)
{
    payload->group_count = reader_varint(&payload->reader);
    return payload->reader.overrun ? nonsense(err, "group count") : TDBPLUS_OK;
}

tdbplus_status payload_group(struct payload_reader *payload, struct payload_group *group_out,
                             struct err *err)
{
    struct payload_group group = {.collection_id = reader_varint(&payload->reader)};
    uint64_t version = reader_varint(&payload->reader);
    group.op_count = reader_varint(&payload->reader);
    // An op has at least three bytes.
    if (payload->reader.overrun || version == 0 || version > UINT32_MAX ||
        group.op_count > payload->reader.rest.size) {
        return nonsense(err, "group");
    }
    group.schema_version = (uint32_t)version;
    *group_out = group;
    return TDBPLUS_OK;
}

tdbplus_status payload_op(struct payload_reader *payload, struct commit_op *op_out, struct err *err)
{
    struct commit_op op = {.kind = reader_u8(&payload->reader)};
    op.key = reader_sized(&payload->reader);
    if (op.kind == COMMIT_PUT) {
        op.row = reader_sized(&payload->reader);
    }
    if (payload->reader.overrun || op.key.size == 0 || op.key.size > KEY_SIZE_MAX ||
        (op.kind != COMMIT_PUT && op.kind != COMMIT_DELETE)) {
        return nonsense(err, "row change");
    }
    op.code = key_code(op.key);
    op.hash = key_hash(op.key);
    *op_out = op;
    return TDBPLUS_OK;
}
