#include "storage/store/payload.h"

#define PAYLOAD_LAYOUT_PLAIN  1u
#define PAYLOAD_LAYOUT_STAGES 2u
#define CHANGE_PUT            1u
#define CHANGE_DROP           2u

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

static void encode_stage(const struct commit_stage *stage, struct buffer *buffer)
{
    buffer_put_u8(buffer, stage->kind);
    buffer_put_varint(buffer, stage->op_count);
    if (stage->kind == COMMIT_DELETE_RANGE) {
        buffer_put_u8(buffer, stage->has_upper ? 1 : 0);
        buffer_put_sized(buffer, stage->lower);
        buffer_put_sized(buffer, stage->upper);
        return;
    }
    buffer_put_varint(buffer, stage->segment_count);
    for (uint32_t i = 0; i < stage->segment_count; i++) {
        const struct segment_ref *ref = stage->segments[i];
        buffer_put_u64(buffer, ref->id);
        buffer_put_varint(buffer, ref->row_count);
        buffer_put_varint(buffer, ref->size);
        buffer_put_u32(buffer, segment_footer_crc(ref->segment));
    }
}

static void encode_group(const struct commit_group *group, bool with_stages, struct buffer *buffer)
{
    buffer_put_varint(buffer, collection_id(group->collection));
    buffer_put_varint(buffer, group->schema->version);
    if (with_stages) {
        buffer_put_varint(buffer, group->stage_count);
    }
    for (uint32_t i = 0; i < group->stage_count; i++) {
        encode_stage(&group->stages[i], buffer);
    }
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
    bool with_stages = false;
    for (uint32_t i = 0; i < commit->group_count; i++) {
        with_stages = with_stages || commit->groups[i].stage_count > 0;
    }
    buffer_put_u8(buffer, with_stages ? PAYLOAD_LAYOUT_STAGES : PAYLOAD_LAYOUT_PLAIN);
    buffer_put_varint(buffer, commit->change_count);
    for (uint32_t i = 0; i < commit->change_count; i++) {
        encode_change(&commit->changes[i], buffer);
    }
    buffer_put_varint(buffer, commit->group_count);
    for (uint32_t i = 0; i < commit->group_count; i++) {
        encode_group(&commit->groups[i], with_stages, buffer);
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
    if (layout != PAYLOAD_LAYOUT_PLAIN && layout != PAYLOAD_LAYOUT_STAGES) {
        return err_set(err, TDBPLUS_E_VERSION, "log: commit layout %u, this build reads up to %u",
                       layout, PAYLOAD_LAYOUT_STAGES);
    }
    payload->has_stages = layout == PAYLOAD_LAYOUT_STAGES;
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
    if (payload->reader.overrun || version == 0 || version > UINT32_MAX) {
        return nonsense(err, "group");
    }
    group.schema_version = (uint32_t)version;
    *group_out = group;
    return TDBPLUS_OK;
}

/* Whatever is counted has at least one byte. */
static tdbplus_status read_count(struct payload_reader *payload, const char *what,
                                 uint64_t *count_out, struct err *err)
{
    uint64_t count = reader_varint(&payload->reader);
    if (payload->reader.overrun || count > payload->reader.rest.size || count > UINT32_MAX) {
        return nonsense(err, what);
    }
    *count_out = count;
    return TDBPLUS_OK;
}

tdbplus_status payload_stages(struct payload_reader *payload, uint64_t *count_out, struct err *err)
{
    if (!payload->has_stages) {
        *count_out = 0;
        return TDBPLUS_OK;
    }
    return read_count(payload, "stage count", count_out, err);
}

tdbplus_status payload_stage(struct payload_reader *payload, struct payload_stage *stage_out,
                             struct err *err)
{
    struct payload_stage stage = {.kind = reader_u8(&payload->reader)};
    stage.op_count = reader_varint(&payload->reader);
    if (payload->reader.overrun ||
        (stage.kind != COMMIT_LOAD && stage.kind != COMMIT_DELETE_RANGE)) {
        return nonsense(err, "stage");
    }
    if (stage.kind == COMMIT_LOAD) {
        TRY(read_count(payload, "segment count", &stage.segment_count, err));
    } else {
        uint8_t has_upper = reader_u8(&payload->reader);
        stage.lower = reader_sized(&payload->reader);
        stage.upper = reader_sized(&payload->reader);
        stage.has_upper = has_upper == 1;
        if (payload->reader.overrun || has_upper > 1 || stage.lower.size > KEY_SIZE_MAX ||
            stage.upper.size > KEY_SIZE_MAX) {
            return nonsense(err, "range");
        }
    }
    *stage_out = stage;
    return TDBPLUS_OK;
}

tdbplus_status payload_segment(struct payload_reader *payload, struct payload_segment *segment_out,
                               struct err *err)
{
    struct payload_segment segment = {.id = reader_u64(&payload->reader)};
    segment.row_count = reader_varint(&payload->reader);
    segment.file_size = reader_varint(&payload->reader);
    segment.footer_crc = reader_u32(&payload->reader);
    if (payload->reader.overrun) {
        return nonsense(err, "segment");
    }
    *segment_out = segment;
    return TDBPLUS_OK;
}

tdbplus_status payload_ops(struct payload_reader *payload, uint64_t *count_out, struct err *err)
{
    return read_count(payload, "row count", count_out, err);
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
