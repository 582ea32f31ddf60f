#pragma once

/*
 * replay: rows of log records on their way into a collection's memtable.
 *
 * Looking for each row's place among the keys costs a wait for memory or two, which was most of the
 * time of a large replay. So rows are appended as their records come, and linked to their keys many
 * at a time, in the order of the keys, when a portion is full or something needs to find them.
 *
 * A replay is attached to its collection while recovery runs.
 */

#include "storage/store/payload.h"

struct replay;

/* All replays of one recovery. Zeroed, with `store` set, it is ready. */
struct replay_list {
    struct store *store;
    struct replay *first;
    size_t change_count; /* Of all that wait. */
};

/* Nothing may wait any more, unless the recovery failed. */
void replay_list_deinit(struct replay_list *list);

/*
 * Takes the ops of one group, `count` of them, from the payload: their rows into the collection's
 * active memtable, which has the schema. `values` has room for its columns. The changes count once
 * replay_link() has been called, which must happen before anything else changes the collection's
 * rows, freezes its memtable, or looks for a key.
 */
struct replay_group {
    struct collection *collection;
    const struct schema *schema;
    const struct log_record *record;
    uint64_t count;
    struct datum *values;
};

TDBPLUS_CHECKED tdbplus_status replay_take(struct replay_list *list,
                                           const struct replay_group *group,
                                           struct payload_reader *payload, struct err *err);
TDBPLUS_CHECKED tdbplus_status replay_link(struct replay_list *list, struct collection *collection,
                                           struct err *err);
TDBPLUS_CHECKED tdbplus_status replay_link_all(struct replay_list *list, struct err *err);
