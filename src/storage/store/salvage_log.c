/* What the log has: catalog changes, and the rows that no segment holds yet. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/store/payload.h"
#include "storage/store/salvage_internal.h"

struct reading {
    struct salvage *salvage;
    bool tell;         /* Of gaps: the log is read twice. */
    struct list sinks; /* struct salvage_sink *, one a collection. */
};

static struct log_options log_options_of(const struct salvage *salvage)
{
    return (struct log_options){.env = salvage->env,
                                .alloc = salvage->alloc,
                                .directory = salvage->options->source,
                                .database_id = salvage->database_id,
                                .read_only = true};
}

static void note_gap(void *ctx, const struct log_gap *gap)
{
    struct reading *reading = ctx;
    if (!reading->tell) {
        return;
    }
    char name[ENV_NAME_SIZE_MAX] = "";
    char what[160];
    if (gap->file_number != 0) {
        (void)snprintf(name, sizeof name, "log-%016" PRIx64, gap->file_number);
    }
    (void)snprintf(what, sizeof what,
                   "the log's positions %" PRIu64 " to %" PRIu64
                   " are lost (%s), and with them the commits that they held",
                   gap->lsn, gap->lsn_end, gap->why);
    struct store_loss loss = {
        .file = name, .offset = gap->offset, .size = gap->lsn_end - gap->lsn, .what = what};
    salvage_tell(reading->salvage, &loss);
}

/* A record whose checksum holds and that makes no sense all the same. */
static void tell_nonsense(struct reading *reading, const struct log_record *record,
                          const char *collection, const char *why)
{
    char what[ERR_TEXT_SIZE + 80];
    (void)snprintf(what, sizeof what, "the record at the log's position %" PRIu64 ": %s",
                   record->lsn, why);
    struct store_loss loss = {
        .file = "", .size = record->lsn_end - record->lsn, .what = what, .collection = collection};
    salvage_tell(reading->salvage, &loss);
}

static tdbplus_status read_log(struct reading *reading, log_replay_fn replay, struct err *err)
{
    struct salvage *salvage = reading->salvage;
    if (!salvage->database_known) {
        return TDBPLUS_OK;
    }
    struct log_options options = log_options_of(salvage);
    uint64_t from = salvage->manifest == NULL ? 0 : salvage->replay_from;
    return log_salvage(&options, from, replay, reading, note_gap, err);
}

/* ---- objects ---- */

static tdbplus_status take_change(struct reading *reading, const struct log_record *record,
                                  const struct payload_change *change, struct err *err)
{
    struct salvage *salvage = reading->salvage;
    if (change->drop) {
        struct salvage_object *object = salvage_find(salvage, change->id);
        if (object != NULL) {
            object->dropped = true;
        }
        return TDBPLUS_OK;
    }
    struct err why = {0};
    tdbplus_status status = salvage_describe(salvage, change->id, change->encoded, &why);
    if (salvage_is_damage(status)) {
        tell_nonsense(reading, record, NULL, why.text);
        return TDBPLUS_OK;
    }
    return status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text);
}

static tdbplus_status take_objects(void *ctx, const struct log_record *record, struct err *err)
{
    struct reading *reading = ctx;
    struct salvage *salvage = reading->salvage;
    struct payload_reader payload = {0};
    struct err why = {0};
    bool known = salvage->catalog_lsn_known && record->lsn < salvage->catalog_lsn;
    if (known || payload_begin(&payload, record->payload, &why) != TDBPLUS_OK) {
        return TDBPLUS_OK; // The second reading tells of nonsense.
    }
    for (uint64_t i = 0; i < payload.change_count; i++) {
        struct payload_change change = {0};
        if (payload_change(&payload, &change, &why) != TDBPLUS_OK) {
            break;
        }
        TRY(take_change(reading, record, &change, err));
    }
    return env_check_call(salvage->env, salvage->call);
}

tdbplus_status salvage_log_objects(struct salvage *salvage, struct err *err)
{
    struct reading reading = {.salvage = salvage};
    return read_log(&reading, take_objects, err);
}

/* ---- rows ---- */

static tdbplus_status sink_of(struct reading *reading, struct salvage_object *object,
                              struct salvage_sink **sink_out, struct err *err)
{
    for (size_t i = 0; i < reading->sinks.count; i++) {
        struct salvage_sink *sink = *(struct salvage_sink **)list_at(&reading->sinks, i);
        if (sink->object == object) {
            *sink_out = sink;
            return TDBPLUS_OK;
        }
    }
    struct salvage_sink *sink = alloc_array(reading->salvage->alloc, 1, sizeof *sink);
    if (sink == NULL || list_push(&reading->sinks, &sink) == NULL) {
        alloc_free(reading->salvage->alloc, sink, 1, sizeof *sink);
        return err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory");
    }
    salvage_sink_init(sink, reading->salvage, object);
    *sink_out = sink;
    return TDBPLUS_OK;
}

/* Puts or deletes one row, unless a segment has it already. */
static tdbplus_status take_op(struct salvage_sink *sink, const struct commit_op *op,
                              const struct schema *schema, struct err *err)
{
    struct salvage *salvage = sink->salvage;
    if (op->kind == COMMIT_DELETE) {
        return salvage_delete(sink, op->key, err);
    }
    TRY(row_decode(schema, op->row, salvage->values, err));
    return salvage_put(sink, schema, salvage->values, err);
}

/* A load or a range between the ops of a group. */
struct load {
    uint64_t op_count; /* Ops before it. */
    bool is_range;
    struct payload_stage range;
    struct salvage_segment segment;
};

static tdbplus_status read_loads(struct payload_reader *payload, uint64_t collection_id,
                                 struct list *loads, struct err *err)
{
    uint64_t count = 0;
    TRY(payload_stages(payload, &count, err));
    for (uint64_t i = 0; i < count; i++) {
        struct payload_stage stage = {0};
        TRY(payload_stage(payload, &stage, err));
        struct load range = {.op_count = stage.op_count, .is_range = true, .range = stage};
        if (stage.kind == COMMIT_DELETE_RANGE && list_push(loads, &range) == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory");
        }
        for (uint64_t k = 0; k < stage.segment_count; k++) {
            struct payload_segment segment = {0};
            TRY(payload_segment(payload, &segment, err));
            struct load load = {.op_count = stage.op_count,
                                .segment = {.id = segment.id,
                                            .collection_id = collection_id,
                                            .row_count = segment.row_count,
                                            .footer_crc = segment.footer_crc}};
            if (list_push(loads, &load) == NULL) {
                return err_set(err, TDBPLUS_E_NOMEM, "recover: out of memory");
            }
        }
    }
    return TDBPLUS_OK;
}

/* A merge has taken the file already where the manifest that knew of it is lost. */
static bool file_is_there(const struct salvage *salvage, uint64_t id)
{
    char path[ENV_PATH_SIZE_MAX];
    struct env_file *file = NULL;
    if (salvage_path(salvage, path, "segment", id, NULL) != TDBPLUS_OK ||
        env_open(salvage->env, path, ENV_OPEN_READ, &file, NULL) != TDBPLUS_OK) {
        return false;
    }
    env_close(salvage->env, file);
    return true;
}

/* Without the manifest a row may be newer than the range and nobody can tell: then it stays. */
static tdbplus_status take_range(struct salvage_sink *sink, const struct payload_stage *range,
                                 struct err *err)
{
    if (!sink->object->flushed_known && !sink->salvage->totals.manifest_whole) {
        sink->salvage->totals.rows_uncertain = true;
        return TDBPLUS_OK;
    }
    return salvage_delete_range(sink, range->lower, range->has_upper ? &range->upper : NULL, err);
}

/* Saves the rows of the loads that come before op number `op`. [waits] */
static tdbplus_status take_loads(struct salvage_sink *sink, const struct list *loads, size_t *next,
                                 uint64_t op, struct err *err)
{
    struct salvage *salvage = sink->salvage;
    for (; *next < loads->count; (*next)++) {
        struct load *load = list_at(loads, *next);
        if (load->op_count > op) {
            break;
        }
        if (load->is_range) {
            TRY(take_range(sink, &load->range, err));
        } else if (salvage->totals.manifest_whole || file_is_there(salvage, load->segment.id)) {
            TRY(salvage_sink_flush(sink, err)); // What came before it must be there before it.
            TRY(salvage_segment_rows(salvage, &load->segment, err));
        }
    }
    return TDBPLUS_OK;
}

/* Where the ops of a group go. */
struct target {
    struct salvage_sink *sink;   /* NULL: nowhere, */
    const struct schema *schema; /* as without their schema. */
    const struct list *loads;    /* struct load. */
};

static tdbplus_status take_ops(struct reading *reading, struct payload_reader *payload,
                               const struct log_record *record, const struct target *target,
                               struct err *err)
{
    uint64_t op_count = 0;
    size_t next_load = 0;
    TRY(payload_ops(payload, &op_count, err));
    for (uint64_t i = 0; i <= op_count; i++) {
        if (target->sink != NULL) {
            TRY(take_loads(target->sink, target->loads, &next_load, i, err));
        }
        if (i == op_count) {
            break;
        }
        struct commit_op op = {0};
        TRY(payload_op(payload, &op, err));
        if (target->schema == NULL) {
            continue;
        }
        struct err why = {0};
        tdbplus_status status = take_op(target->sink, &op, target->schema, &why);
        if (status == TDBPLUS_E_CORRUPT) {
            tell_nonsense(reading, record, salvage_name(target->sink->object), why.text);
        } else if (status != TDBPLUS_OK) {
            return err_set(err, status, "%s", why.text);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status take_group(struct reading *reading, struct payload_reader *payload,
                                 const struct log_record *record, struct err *err)
{
    struct salvage *salvage = reading->salvage;
    struct payload_group group = {0};
    TRY(payload_group(payload, &group, err));
    struct salvage_object *object = salvage_find(salvage, group.collection_id);
    bool skip = object == NULL || object->made == NULL ||
                (object->flushed_known && record->lsn < object->flushed_lsn);
    const struct schema *schema = NULL;
    struct salvage_sink *sink = NULL;
    if (!skip) {
        schema = salvage_schema(object, group.schema_version);
        TRY(sink_of(reading, object, &sink, err));
        if (schema == NULL) {
            tell_nonsense(reading, record, salvage_name(object),
                          "nothing is left that describes its columns");
        }
    }
    if (object == NULL) {
        tell_nonsense(reading, record, NULL, "nothing is left that describes its collection");
    }
    struct list loads = {0};
    list_init(&loads, salvage->alloc, sizeof(struct load));
    tdbplus_status status = read_loads(payload, group.collection_id, &loads, err);
    if (status == TDBPLUS_OK) {
        struct target target = {.sink = sink, .schema = schema, .loads = &loads};
        status = take_ops(reading, payload, record, &target, err);
    }
    list_deinit(&loads);
    return status;
}

static tdbplus_status take_rows(void *ctx, const struct log_record *record, struct err *err)
{
    struct reading *reading = ctx;
    struct salvage *salvage = reading->salvage;
    struct payload_reader payload = {0};
    struct err why = {0};
    salvage->totals.log_record_count++;
    tdbplus_status status = payload_begin(&payload, record->payload, &why);
    for (uint64_t i = 0; status == TDBPLUS_OK && i < payload.change_count; i++) {
        struct payload_change change = {0};
        status = payload_change(&payload, &change, &why);
    }
    if (status == TDBPLUS_OK) {
        status = payload_groups(&payload, &why);
    }
    for (uint64_t i = 0; status == TDBPLUS_OK && i < payload.group_count; i++) {
        status = take_group(reading, &payload, record, &why);
    }
    if (status == TDBPLUS_E_CORRUPT) {
        tell_nonsense(reading, record, NULL, why.text);
        status = TDBPLUS_OK;
    }
    TRY(status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text));
    return salvage_progress(salvage, record->lsn_end - record->lsn);
}

tdbplus_status salvage_log_rows(struct salvage *salvage, struct err *err)
{
    struct reading reading = {.salvage = salvage, .tell = true};
    list_init(&reading.sinks, salvage->alloc, sizeof(struct salvage_sink *));
    tdbplus_status status = read_log(&reading, take_rows, err);
    for (size_t i = 0; i < reading.sinks.count; i++) {
        struct salvage_sink *sink = *(struct salvage_sink **)list_at(&reading.sinks, i);
        if (status == TDBPLUS_OK) {
            status = salvage_sink_flush(sink, err);
        }
        salvage_sink_deinit(sink);
        alloc_free(salvage->alloc, sink, 1, sizeof *sink);
    }
    list_deinit(&reading.sinks);
    return status;
}
