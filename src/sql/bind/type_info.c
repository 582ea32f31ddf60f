#include "sql/bind/type_info.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "sql/bind/bind.h"

#define TYPE_INFO_VERSION 1u
#define FLAG_NOT_NULL     1u
#define FLAG_DEFAULT      2u
#define CHECK_COUNT_MAX   1024u
#define HEADER_SIZE       6u /* Version, kind, count. */
#define ENTRY_SIZE        8u /* Ordinal, and where the label ends. */
/* Labels at the end are so far apart: 19 can be put between two by halves. Where the numbers come
 * to their end the steps get smaller. */
#define STEP_SHARE 4096

/* ---- enums ---- */

static void encode_labels(const struct type_info *info, struct buffer *buffer)
{
    uint32_t end = 0;
    buffer_put_u32(buffer, info->label_count);
    for (uint32_t i = 0; i < info->label_count; i++) {
        end += (uint32_t)strlen(info->labels[i].label);
        buffer_put_u32(buffer, (uint32_t)info->labels[i].ordinal);
        buffer_put_u32(buffer, end);
    }
    for (uint32_t i = 0; i < info->label_count; i++) {
        buffer_put_text(buffer, info->labels[i].label);
    }
    buffer_put_varint(buffer, info->former_count);
    for (uint32_t i = 0; i < info->former_count; i++) {
        buffer_put_u32(buffer, (uint32_t)info->former[i].ordinal);
        buffer_put_sized(buffer, span_from_text(info->former[i].label));
    }
}

/* The labels of a definition as it lies in memory. */
struct labels {
    const uint8_t *entries;
    struct span texts; /* Of the labels, and then what they were called before. */
    uint32_t count;
};

static bool open_labels(struct span definition, struct labels *labels_out)
{
    if (definition.size < HEADER_SIZE || definition.data[0] != TYPE_INFO_VERSION ||
        definition.data[1] != TYPE_INFO_ENUM) {
        return false;
    }
    uint32_t count = load_u32(definition.data + 2);
    size_t rest = definition.size - HEADER_SIZE;
    if (count > TYPE_LABEL_COUNT_MAX || rest < (size_t)count * ENTRY_SIZE) {
        return false;
    }
    *labels_out = (struct labels){.entries = definition.data + HEADER_SIZE, .count = count};
    labels_out->texts.data = labels_out->entries + (size_t)count * ENTRY_SIZE;
    labels_out->texts.size = rest - (size_t)count * ENTRY_SIZE;
    return true;
}

static int32_t ordinal_at(const struct labels *labels, uint32_t number)
{
    return (int32_t)load_u32(labels->entries + (size_t)number * ENTRY_SIZE);
}

/* False: the definition is damaged. */
static bool label_at(const struct labels *labels, uint32_t number, struct span *label_out)
{
    const uint8_t *entry = labels->entries + (size_t)number * ENTRY_SIZE;
    uint32_t begin = number == 0 ? 0 : load_u32(entry - ENTRY_SIZE + 4);
    uint32_t end = load_u32(entry + 4);
    if (begin > end || end > labels->texts.size) {
        return false;
    }
    *label_out = (struct span){.data = labels->texts.data + begin, .size = end - begin};
    return true;
}

/* The first label whose ordinal is `from` or more; the number of labels: none. */
static uint32_t find_ordinal(const struct labels *labels, int64_t from)
{
    uint32_t low = 0;
    uint32_t high = labels->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ordinal_at(labels, middle) < from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What labels were called before: a reader at the first, and their number. */
static struct reader former_labels(const struct labels *labels, uint32_t *count_out)
{
    size_t end =
        labels->count == 0 ? 0 : load_u32(labels->entries + (size_t)labels->count * ENTRY_SIZE - 4);
    struct span rest = {0};
    if (end <= labels->texts.size) {
        rest = (struct span){.data = labels->texts.data + end, .size = labels->texts.size - end};
    }
    struct reader reader = reader_of(rest);
    uint64_t count = reader_varint(&reader);
    reader.overrun = reader.overrun || count > TYPE_FORMER_COUNT_MAX;
    *count_out = reader.overrun ? 0 : (uint32_t)count;
    return reader;
}

bool type_ordinal_between(const struct type_label *before, const struct type_label *after,
                          int32_t *ordinal_out)
{
    int64_t low = before == NULL ? (int64_t)INT32_MIN : (int64_t)before->ordinal + 1;
    int64_t high = after == NULL ? (int64_t)INT32_MAX : (int64_t)after->ordinal - 1;
    if (low > high) {
        return false;
    }
    int64_t step = (high - low) / STEP_SHARE;
    *ordinal_out = (int32_t)(before == NULL && after == NULL ? 0
                             : after == NULL                 ? low + step
                             : before == NULL                ? high - step
                                                             : low + (high - low) / 2);
    return true;
}

/* ---- encoding ---- */

static void encode_domain(const struct type_info *info, struct buffer *buffer)
{
    buffer_put_u8(buffer, (uint8_t)((info->not_null ? FLAG_NOT_NULL : 0) |
                                    (info->default_text != NULL ? FLAG_DEFAULT : 0)));
    buffer_put_u8(buffer, info->base.id);
    buffer_put_u8(buffer, info->base.element);
    buffer_put_u16(buffer, (uint16_t)info->base.precision);
    buffer_put_u16(buffer, (uint16_t)info->base.scale);
    buffer_put_u32(buffer, info->base.parameter);
    buffer_put_varint(buffer, info->parent);
    if (info->default_text != NULL) {
        buffer_put_sized(buffer, span_from_text(info->default_text));
    }
    buffer_put_varint(buffer, info->check_count);
    for (uint32_t i = 0; i < info->check_count; i++) {
        buffer_put_sized(buffer, span_from_text(info->checks[i].name));
        buffer_put_sized(buffer, span_from_text(info->checks[i].text));
        buffer_put_u8(buffer, info->checks[i].not_valid);
    }
}

void type_info_encode(const struct type_info *info, struct buffer *buffer)
{
    buffer_put_u8(buffer, TYPE_INFO_VERSION);
    buffer_put_u8(buffer, info->kind);
    if (info->kind == TYPE_INFO_ENUM) {
        encode_labels(info, buffer);
    } else {
        encode_domain(info, buffer);
    }
}

static tdbplus_status damaged(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "the definition of a type is damaged");
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "out of memory for the definition of a type");
}

static tdbplus_status decode_former(const struct labels *labels, struct arena *arena,
                                    struct type_info *info, struct err *err)
{
    struct reader reader = former_labels(labels, &info->former_count);
    // One more, for the label that ALTER TYPE renames.
    info->former = arena_array(arena, (size_t)info->former_count + 1, sizeof *info->former);
    if (info->former == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < info->former_count; i++) {
        info->former[i].ordinal = (int32_t)reader_u32(&reader);
        info->former[i].label = arena_text(arena, reader_sized(&reader));
        if (info->former[i].label == NULL) {
            return no_memory(err);
        }
    }
    return reader.overrun || reader.rest.size > 0 ? damaged(err) : TDBPLUS_OK;
}

static tdbplus_status decode_labels(struct span definition, struct arena *arena,
                                    struct type_info *info, struct err *err)
{
    struct labels labels = {0};
    if (!open_labels(definition, &labels)) {
        return damaged(err);
    }
    // One more, for the label that ALTER TYPE adds.
    info->labels = arena_array(arena, (size_t)labels.count + 1, sizeof *info->labels);
    if (info->labels == NULL) {
        return no_memory(err);
    }
    info->label_count = labels.count;
    for (uint32_t i = 0; i < labels.count; i++) {
        struct span label = {0};
        int32_t ordinal = ordinal_at(&labels, i);
        if (!label_at(&labels, i, &label) || (i > 0 && ordinal <= info->labels[i - 1].ordinal)) {
            return damaged(err);
        }
        info->labels[i] = (struct type_label){ordinal, arena_text(arena, label)};
        if (info->labels[i].label == NULL) {
            return no_memory(err);
        }
    }
    return decode_former(&labels, arena, info, err);
}

static tdbplus_status decode_check(struct reader *reader, struct arena *arena,
                                   struct table_text *check, struct err *err)
{
    check->name = arena_text(arena, reader_sized(reader));
    check->text = arena_text(arena, reader_sized(reader));
    uint8_t not_valid = reader_u8(reader);
    check->not_valid = not_valid == 1;
    if (check->name == NULL || check->text == NULL) {
        return no_memory(err);
    }
    return reader->overrun || not_valid > 1 ? damaged(err) : TDBPLUS_OK;
}

static tdbplus_status decode_domain(struct span definition, struct arena *arena,
                                    struct type_info *info, struct err *err)
{
    struct reader reader = reader_of(definition);
    (void)reader_u16(&reader);
    uint8_t flags = reader_u8(&reader);
    info->base = (struct type){.id = reader_u8(&reader), .element = reader_u8(&reader)};
    info->base.precision = (int16_t)reader_u16(&reader);
    info->base.scale = (int16_t)reader_u16(&reader);
    info->base.parameter = reader_u32(&reader);
    info->parent = reader_varint(&reader);
    info->not_null = (flags & FLAG_NOT_NULL) != 0;
    if ((flags & FLAG_DEFAULT) != 0) {
        info->default_text = arena_text(arena, reader_sized(&reader));
        if (info->default_text == NULL) {
            return no_memory(err);
        }
    }
    uint64_t count = reader_varint(&reader);
    if (reader.overrun || count > CHECK_COUNT_MAX || !type_valid(info->base)) {
        return damaged(err);
    }
    // One more, for the check that ALTER DOMAIN adds.
    info->checks = arena_array(arena, (size_t)count + 1, sizeof *info->checks);
    if (info->checks == NULL) {
        return no_memory(err);
    }
    info->check_count = (uint32_t)count;
    for (uint32_t i = 0; i < info->check_count; i++) {
        TRY(decode_check(&reader, arena, &info->checks[i], err));
    }
    return reader.overrun || reader.rest.size > 0 ? damaged(err) : TDBPLUS_OK;
}

uint8_t type_info_kind(struct span definition)
{
    bool known = definition.size >= HEADER_SIZE && definition.data[0] == TYPE_INFO_VERSION &&
                 (definition.data[1] == TYPE_INFO_ENUM || definition.data[1] == TYPE_INFO_DOMAIN);
    return known ? definition.data[1] : 0;
}

tdbplus_status type_info_decode(struct span definition, struct arena *arena,
                                struct type_info *info_out, struct err *err)
{
    struct type_info info = {.kind = type_info_kind(definition)};
    if (info.kind == 0) {
        return damaged(err);
    }
    TRY(info.kind == TYPE_INFO_ENUM ? decode_labels(definition, arena, &info, err)
                                    : decode_domain(definition, arena, &info, err));
    *info_out = info;
    return TDBPLUS_OK;
}

/* ---- looking up ---- */

static bool find_labels(struct txn *txn, uint32_t oid, struct labels *labels_out)
{
    struct catalog_entry entry;
    return catalog_entry_by_oid(txn, oid, &entry) && entry.kind == CATALOG_TYPE &&
           open_labels(entry.definition, labels_out);
}

bool type_label_of(struct txn *txn, uint32_t oid, int64_t ordinal, struct span *label_out)
{
    struct labels labels;
    if (!find_labels(txn, oid, &labels)) {
        return false;
    }
    uint32_t at = find_ordinal(&labels, ordinal);
    return at < labels.count && ordinal_at(&labels, at) == ordinal &&
           label_at(&labels, at, label_out);
}

bool type_ordinal_of(struct txn *txn, uint32_t oid, struct span label, int64_t *ordinal_out)
{
    struct labels labels;
    struct span other;
    bool found = find_labels(txn, oid, &labels);
    for (uint32_t i = 0; found && i < labels.count; i++) {
        if (label_at(&labels, i, &other) && span_compare(label, other) == 0) {
            *ordinal_out = ordinal_at(&labels, i);
            return true;
        }
    }
    return false;
}

bool type_ordinal_once(struct txn *txn, uint32_t oid, struct span label, int64_t *ordinal_out)
{
    struct labels labels;
    uint32_t count = 0;
    bool found = false;
    if (type_ordinal_of(txn, oid, label, ordinal_out)) {
        return true;
    }
    if (!find_labels(txn, oid, &labels)) {
        return false;
    }
    struct reader reader = former_labels(&labels, &count);
    for (uint32_t i = 0; i < count && !reader.overrun; i++) {
        int32_t ordinal = (int32_t)reader_u32(&reader);
        if (span_compare(label, reader_sized(&reader)) == 0 && !reader.overrun) {
            *ordinal_out = ordinal;
            found = true;
        }
    }
    return found;
}

bool type_ordinal_next(struct txn *txn, uint32_t oid, int64_t from, int64_t *ordinal_out)
{
    struct labels labels;
    if (!find_labels(txn, oid, &labels)) {
        return false;
    }
    uint32_t at = find_ordinal(&labels, from);
    if (at < labels.count) {
        *ordinal_out = ordinal_at(&labels, at);
    }
    return at < labels.count;
}

bool type_name_of(struct txn *txn, const struct bind_session *session, uint32_t oid,
                  char name_out[ENUM_NAME_SIZE])
{
    struct catalog_entry entry;
    struct catalog_entry visible;
    if (!catalog_entry_by_oid(txn, oid, &entry)) {
        return false;
    }
    bool plain = bind_find_named(txn, session, CATALOG_TYPE, NULL, entry.name, &visible) &&
                 visible.oid == oid;
    if (plain) {
        (void)snprintf(name_out, ENUM_NAME_SIZE, "%.63s", entry.name);
    } else {
        (void)snprintf(name_out, ENUM_NAME_SIZE, "%.30s.%.30s", entry.schema, entry.name);
    }
    return true;
}
