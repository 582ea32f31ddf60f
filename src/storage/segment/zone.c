#include "storage/segment/zone.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"

__extension__ typedef __int128 wide_int;

enum zone_class {
    ZONE_NONE = 0,
    ZONE_INTEGER = 1,
    ZONE_REAL = 2,
    ZONE_WIDE = 3, /* 128-bit numbers and UUIDs. */
    ZONE_TEXT = 4,
};

static enum zone_class class_of(struct type type)
{
    switch (type_physical(type)) {
    case PHYSICAL_1:
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8:
        return type.id == TYPE_FLOAT4 || type.id == TYPE_FLOAT8 ? ZONE_REAL : ZONE_INTEGER;
    case PHYSICAL_16:
        return type.id == TYPE_INTERVAL ? ZONE_NONE : ZONE_WIDE;
    case PHYSICAL_VIEW:
        return type.id == TYPE_TEXT || type.id == TYPE_BYTEA ? ZONE_TEXT : ZONE_NONE;
    case PHYSICAL_FIXED:
    default:
        return ZONE_NONE;
    }
}

static bool is_null(const struct encoding_input *input, uint32_t row)
{
    return input->validity != NULL && (input->validity[row / 64] >> (row % 64) & 1) == 0;
}

/* ---- making ---- */

/* Null rows repeat a valid value in the scratch's words, so they do not widen the bounds. */
static void make_integers(const int64_t *words, uint32_t count, struct segment_zone_entry *entry)
{
    int64_t min = words[0];
    int64_t max = words[0];
    for (uint32_t i = 1; i < count; i++) {
        min = words[i] < min ? words[i] : min;
        max = words[i] > max ? words[i] : max;
    }
    memcpy(entry->min, &min, sizeof min);
    memcpy(entry->max, &max, sizeof max);
}

static double real_of(int64_t word, struct type type)
{
    if (type.id == TYPE_FLOAT4) {
        float narrow = 0;
        uint32_t bits = (uint32_t)word;
        memcpy(&narrow, &bits, sizeof narrow);
        return (double)narrow;
    }
    double real = 0;
    memcpy(&real, &word, sizeof real);
    return real;
}

/* NaN comes after every number. */
static bool real_less(double left, double right)
{
    return left < right || (left == left && right != right);
}

static void make_reals(const int64_t *words, uint32_t count, struct type type,
                       struct segment_zone_entry *entry)
{
    double min = real_of(words[0], type);
    double max = min;
    for (uint32_t i = 1; i < count; i++) {
        double real = real_of(words[i], type);
        min = real_less(real, min) ? real : min;
        max = real_less(max, real) ? real : max;
    }
    memcpy(entry->min, &min, sizeof min);
    memcpy(entry->max, &max, sizeof max);
}

static int compare_wide(const uint8_t *left, const uint8_t *right, struct type type)
{
    if (type.id == TYPE_UUID) {
        return memcmp(left, right, ZONE_BOUND_SIZE);
    }
    wide_int a = 0;
    wide_int b = 0;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return (a > b) - (a < b);
}

static void make_wide(const struct encoding_input *input, struct segment_zone_entry *entry)
{
    const uint8_t *min = NULL;
    const uint8_t *max = NULL;
    for (uint32_t i = 0; i < input->row_count; i++) {
        const uint8_t *value = input->values + (size_t)i * ZONE_BOUND_SIZE;
        if (is_null(input, i)) {
            continue;
        }
        min = min == NULL || compare_wide(value, min, input->type) < 0 ? value : min;
        max = max == NULL || compare_wide(value, max, input->type) > 0 ? value : max;
    }
    memcpy(entry->min, min, ZONE_BOUND_SIZE);
    memcpy(entry->max, max, ZONE_BOUND_SIZE);
}

/* Keeps the first bytes of a maximum, rounded up when some are missing; false when there is nothing
 * above them. */
static bool cut_maximum(struct span max, bool missing, struct segment_zone_entry *entry)
{
    size_t size = max.size < ZONE_BOUND_SIZE ? max.size : ZONE_BOUND_SIZE;
    memcpy(entry->max, max.data, size);
    if (max.size > ZONE_BOUND_SIZE || missing) {
        while (size > 0 && entry->max[size - 1] == UINT8_MAX) {
            entry->max[--size] = 0;
        }
        if (size == 0) {
            return false;
        }
        entry->max[size - 1]++;
    }
    entry->max_size = (uint8_t)size;
    return true;
}

static bool make_text(const struct encoding_input *input, struct segment_zone_entry *entry)
{
    struct span min = {0};
    struct span max = {0};
    bool found = false;
    bool cut = input->external != NULL; // Of some values only the first bytes are at hand.
    uint64_t begin = input->begin;
    for (uint32_t i = 0; i < input->row_count; i++) {
        struct span value = {input->values + begin, (size_t)(input->ends[i] - begin)};
        begin = input->ends[i];
        if (is_null(input, i)) {
            continue;
        }
        if (cut && (input->external[i / 64] >> (i % 64) & 1) != 0) {
            value.data += offsetof(struct value_reference, prefix);
            value.size = VALUE_PREFIX_SIZE;
        }
        if (!found) {
            min = value;
            max = value;
            found = true;
        } else if (span_compare(value, min) < 0) {
            min = value;
        } else if (span_compare(value, max) > 0) {
            max = value;
        }
    }
    entry->min_size = (uint8_t)(min.size < ZONE_BOUND_SIZE ? min.size : ZONE_BOUND_SIZE);
    if (min.size > 0) {
        memcpy(entry->min, min.data, entry->min_size);
    }
    if (max.size > 0 && !cut_maximum(max, cut, entry)) {
        return false;
    }
    if (!cut && min.size <= ZONE_BOUND_SIZE && max.size <= ZONE_BOUND_SIZE) {
        entry->flags |= ZONE_FLAG_EXACT;
    }
    return true;
}

void zone_make(const struct encoding_input *input, const struct encoding_scratch *scratch,
               uint32_t null_count, struct segment_zone_entry *entry_out)
{
    struct segment_zone_entry entry = {.null_count = (uint16_t)null_count};
    if (null_count < input->row_count) {
        bool bounded = true;
        entry.flags = ZONE_FLAG_EXACT;
        switch (class_of(input->type)) {
        case ZONE_INTEGER:
            make_integers(scratch->words, input->row_count, &entry);
            break;
        case ZONE_REAL:
            make_reals(scratch->words, input->row_count, input->type, &entry);
            break;
        case ZONE_WIDE:
            make_wide(input, &entry);
            break;
        case ZONE_TEXT:
            entry.flags = 0;
            bounded = make_text(input, &entry);
            break;
        case ZONE_NONE:
        default:
            bounded = false;
        }
        if (bounded) {
            entry.flags |= ZONE_FLAG_BOUNDS;
        } else {
            entry = (struct segment_zone_entry){.null_count = (uint16_t)null_count};
        }
    }
    *entry_out = entry;
}

/* ---- reading ---- */

bool zone_valid(const struct segment_zone_entry *entry, struct type type, uint32_t row_count)
{
    if (entry->null_count > row_count || entry->min_size > ZONE_BOUND_SIZE ||
        entry->max_size > ZONE_BOUND_SIZE || entry->flags > (ZONE_FLAG_BOUNDS | ZONE_FLAG_EXACT)) {
        return false;
    }
    if ((entry->flags & ZONE_FLAG_BOUNDS) == 0) {
        return entry->flags == 0;
    }
    if (class_of(type) == ZONE_NONE || entry->null_count == row_count) {
        return false;
    }
    struct datum min;
    struct datum max;
    zone_bounds(entry, type, &min, &max);
    return datum_compare(&min, &max) <= 0;
}

static void bound_datum(const uint8_t *bound, uint8_t size, struct datum *datum)
{
    switch (class_of(datum->type)) {
    case ZONE_INTEGER: {
        int64_t integer = 0;
        memcpy(&integer, bound, sizeof integer);
        if (datum->type.id == TYPE_BOOL) {
            datum->boolean = integer != 0;
        } else {
            datum->integer = integer;
        }
        break;
    }
    case ZONE_REAL:
        memcpy(&datum->real, bound, sizeof datum->real);
        break;
    case ZONE_WIDE:
        memcpy(datum->uuid, bound, sizeof datum->uuid);
        break;
    case ZONE_TEXT:
        datum->bytes = (struct span){bound, size};
        break;
    case ZONE_NONE:
    default:
        ASSERT(false);
    }
}

void zone_bounds(const struct segment_zone_entry *entry, struct type type, struct datum *min_out,
                 struct datum *max_out)
{
    *min_out = (struct datum){.type = type};
    *max_out = (struct datum){.type = type};
    bound_datum(entry->min, entry->min_size, min_out);
    bound_datum(entry->max, entry->max_size, max_out);
}

void zone_merge(struct segment_zone *zone, bool *unknown, const struct segment_zone_entry *entry,
                struct type type, uint32_t row_count)
{
    zone->null_count += entry->null_count;
    if (entry->null_count == row_count) {
        return; // Nothing but nulls: the bounds stand.
    }
    if ((entry->flags & ZONE_FLAG_BOUNDS) == 0) {
        *unknown = true;
        return;
    }
    struct datum min;
    struct datum max;
    zone_bounds(entry, type, &min, &max);
    if (!zone->has_bounds) {
        zone->min = min;
        zone->max = max;
        zone->has_bounds = true;
        zone->exact = true;
    } else {
        if (datum_compare(&min, &zone->min) < 0) {
            zone->min = min;
        }
        if (datum_compare(&max, &zone->max) > 0) {
            zone->max = max;
        }
    }
    zone->exact = zone->exact && (entry->flags & ZONE_FLAG_EXACT) != 0;
}
