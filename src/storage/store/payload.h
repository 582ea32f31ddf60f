#pragma once

/*
 * What a commit's log record says.
 *
 *   u8 layout, varint change count, changes, varint group count, groups
 *   change:  u8 1 put / 2 drop, varint id, [sized object_encode() without older schemas]
 *   group:   varint collection id, varint schema version, [stages,] varint op count, ops
 *   stages:  layout 2 only: varint stage count, stages
 *   stage:   u8 enum commit_stage_kind, varint ops of the group before it, then
 *            COMMIT_LOAD: varint segment count, segments
 *            COMMIT_DELETE_RANGE: u8 has upper, sized lower, sized upper
 *   segment: u64 id, varint row count, varint file size, u32 crc of its footer
 *   op:      u8 enum commit_op_kind, sized key, [sized row]
 *
 * Layout 1 has no stages; records that need none are written so.
 */

#include "storage/store/store_internal.h"

void payload_encode(const struct store_commit *commit, struct buffer *buffer);

/* Walks a record. Nothing of it is trusted; every failure is TDBPLUS_E_CORRUPT. */
struct payload_reader {
    struct reader reader;
    uint64_t change_count;
    uint64_t group_count;
    bool has_stages; /* Layout 2. */
};

struct payload_change {
    bool drop;
    uint64_t id;
    struct span encoded;
};

struct payload_group {
    uint64_t collection_id;
    uint32_t schema_version;
};

struct payload_stage {
    uint8_t kind;
    uint64_t op_count;
    uint64_t segment_count;
    struct span lower;
    struct span upper;
    bool has_upper;
};

struct payload_segment {
    uint64_t id;
    uint64_t row_count;
    uint64_t file_size;
    uint32_t footer_crc;
};

TDBPLUS_CHECKED tdbplus_status payload_begin(struct payload_reader *payload, struct span bytes,
                                             struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_change(struct payload_reader *payload,
                                              struct payload_change *change_out, struct err *err);
/* Call after all changes; `payload->group_count` is set by the first call's predecessor. */
TDBPLUS_CHECKED tdbplus_status payload_groups(struct payload_reader *payload, struct err *err);
/* A group's head, its stages (payload_stages() says how many), payload_ops(), its ops. */
TDBPLUS_CHECKED tdbplus_status payload_group(struct payload_reader *payload,
                                             struct payload_group *group_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_stages(struct payload_reader *payload, uint64_t *count_out,
                                              struct err *err);
/* A stage's segments follow it. */
TDBPLUS_CHECKED tdbplus_status payload_stage(struct payload_reader *payload,
                                             struct payload_stage *stage_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_segment(struct payload_reader *payload,
                                               struct payload_segment *segment_out,
                                               struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_ops(struct payload_reader *payload, uint64_t *count_out,
                                           struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_op(struct payload_reader *payload, struct commit_op *op_out,
                                          struct err *err);
