#pragma once

/*
 * What a commit's log record says.
 *
 *   u8 1 (layout), varint change count, changes, varint group count, groups
 *   change: u8 1 put / 2 drop, varint id, [sized object_encode() without older schemas]
 *   group:  varint collection id, varint schema version, varint op count, ops
 *   op:     u8 enum commit_op_kind, sized key, [sized row]
 */

#include "storage/store/store_internal.h"

void payload_encode(const struct store_commit *commit, struct buffer *buffer);

/* Walks a record. Nothing of it is trusted; every failure is TDBPLUS_E_CORRUPT. */
struct payload_reader {
    struct reader reader;
    uint64_t change_count;
    uint64_t group_count;
};

struct payload_change {
    bool drop;
    uint64_t id;
    struct span encoded;
};

struct payload_group {
    uint64_t collection_id;
    uint32_t schema_version;
    uint64_t op_count;
};

TDBPLUS_CHECKED tdbplus_status payload_begin(struct payload_reader *payload, struct span bytes,
                                             struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_change(struct payload_reader *payload,
                                              struct payload_change *change_out, struct err *err);
/* Call after all changes; `payload->group_count` is set by the first call's predecessor. */
TDBPLUS_CHECKED tdbplus_status payload_groups(struct payload_reader *payload, struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_group(struct payload_reader *payload,
                                             struct payload_group *group_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status payload_op(struct payload_reader *payload, struct commit_op *op_out,
                                          struct err *err);
