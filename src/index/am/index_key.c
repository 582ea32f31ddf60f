/* Keys of index entries: bytes that compare as the index's columns do. */

#include <string.h>

#include "base/codec.h"
#include "index/am/index_def.h"

/* In front of each column's bytes. Values always lie between the two places for nulls. */
enum marker { NULL_FIRST = 0, VALUE = 1, NULL_LAST = 2 };

/* Room for the row's key behind the columns' bytes, within what a key may have. */
#define INDEX_KEY_SIZE_MAX (KEY_SIZE_MAX - 16u)

bool index_key_is_unique(const struct index_def *def, const struct datum *values)
{
    // Deferrable ones may stand twice for a while.
    if (!def->unique || def->deferrable) {
        return false;
    }
    for (uint32_t i = 0; i < def->column_count && !def->nulls_not_distinct; i++) {
        if (values[i].is_null) {
            return false;
        }
    }
    return true;
}

static tdbplus_status put_column(const struct index_column *column, const struct datum *value,
                                 struct buffer *buffer, struct err *err)
{
    if (value->is_null) {
        buffer_put_u8(buffer, column->nulls_first ? NULL_FIRST : NULL_LAST);
        return TDBPLUS_OK;
    }
    buffer_put_u8(buffer, VALUE);
    size_t begin = buffer->size;
    TRY(key_encode_prefix(value, 1, buffer, err));
    for (size_t i = begin; column->descending && i < buffer->size; i++) {
        buffer->data[i] = (uint8_t)~buffer->data[i];
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_size(const struct buffer *buffer, size_t begin, struct err *err)
{
    if (buffer->failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "an index entry does not fit the memory limit");
    }
    if (buffer->size - begin > INDEX_KEY_SIZE_MAX) {
        err_clear(err);
        tdbplus_status status = err_set_state(err, TDBPLUS_E_LIMIT, "54000",
                                              "index row size %zu exceeds maximum %u for an index",
                                              buffer->size - begin, INDEX_KEY_SIZE_MAX);
        err_hint(err, "Consider a function index of an MD5 hash of the value.");
        return status;
    }
    return TDBPLUS_OK;
}

/* All columns of a hash index as one number. */
static tdbplus_status put_hash(const struct index_def *def, const struct datum *values,
                               struct buffer *buffer, struct err *err)
{
    if (values[0].is_null) {
        buffer_put_u8(buffer, NULL_LAST);
        return TDBPLUS_OK;
    }
    // Long values must hash too, so bytes are hashed as they are and others by their key.
    uint64_t hash = 0;
    enum physical physical = type_physical(def->columns[0].type);
    if (physical == PHYSICAL_VIEW && def->columns[0].type.id != TYPE_NUMERIC) {
        hash = key_hash(values[0].bytes);
    } else {
        size_t begin = buffer->size;
        TRY(key_encode_prefix(values, 1, buffer, err));
        if (!buffer->failed) {
            hash = key_hash((struct span){buffer->data + begin, buffer->size - begin});
            buffer->size = begin;
        }
    }
    buffer_put_u8(buffer, VALUE);
    uint8_t *at = buffer_extend(buffer, sizeof hash);
    if (at != NULL) {
        store_u64_be(at, hash);
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_values(const struct index_def *def, const struct datum *values,
                                 uint32_t count, struct buffer *buffer, struct err *err)
{
    size_t begin = buffer->size;
    for (uint32_t i = 0; i < count; i++) {
        tdbplus_status status = put_column(&def->columns[i], &values[i], buffer, err);
        if (status == TDBPLUS_E_LIMIT) {
            err_clear(err);
            status =
                err_set_state(err, TDBPLUS_E_LIMIT, "54000",
                              "index row size exceeds maximum %u for an index", INDEX_KEY_SIZE_MAX);
        }
        TRY(status);
    }
    return check_size(buffer, begin, err);
}

tdbplus_status index_key_encode(const struct index_def *def, const struct datum *values,
                                const struct datum *row_key, uint32_t row_key_count,
                                struct buffer *buffer, struct err *err)
{
    size_t begin = buffer->size;
    TRY(def->method == INDEX_HASH ? put_hash(def, values, buffer, err)
                                  : put_values(def, values, def->column_count, buffer, err));
    if (!index_key_is_unique(def, values)) {
        TRY(key_encode(row_key, row_key_count, buffer, err));
    }
    return check_size(buffer, begin, err);
}

/* Turns the bytes from `begin` on into the least that come after all that begin with them; cuts the
 * buffer to `begin` when there are none. */
static void step_over(struct buffer *buffer, size_t begin)
{
    while (buffer->size > begin && buffer->data[buffer->size - 1] == 0xFF) {
        buffer->size--;
    }
    if (buffer->size > begin) {
        buffer->data[buffer->size - 1]++;
    }
}

/* The bytes of one bound: the prefix, then the value; stepped over if the range ends, or begins,
 * behind it. */
static tdbplus_status put_bound(const struct index_def *def, const struct index_range *range,
                                const struct datum *value, bool behind, struct buffer *buffer,
                                struct err *err)
{
    size_t begin = buffer->size;
    TRY(put_values(def, range->equal, range->equal_count, buffer, err));
    if (value != NULL) {
        TRY(put_column(&def->columns[range->equal_count], value, buffer, err));
    } else if (range->lower != NULL || range->upper != NULL || range->not_null) {
        buffer_put_u8(buffer, VALUE); // A comparison holds for no null.
    }
    if (behind && !buffer->failed) {
        step_over(buffer, begin);
    }
    return check_size(buffer, begin, err);
}

tdbplus_status index_range_encode(const struct index_def *def, const struct index_range *range,
                                  struct buffer *from, struct buffer *to, struct err *err)
{
    if (def->method == INDEX_HASH) {
        TRY(put_hash(def, range->equal, from, err));
        TRY(put_hash(def, range->equal, to, err));
        if (!to->failed) {
            step_over(to, 0);
        }
        TRY(check_size(from, 0, err));
        return check_size(to, 0, err);
    }
    bool turned =
        range->equal_count < def->column_count && def->columns[range->equal_count].descending;
    const struct datum *least = turned ? range->upper : range->lower;
    const struct datum *most = turned ? range->lower : range->upper;
    bool least_exclusive = turned ? range->upper_exclusive : range->lower_exclusive;
    bool most_exclusive = turned ? range->lower_exclusive : range->upper_exclusive;
    TRY(put_bound(def, range, least, least != NULL && least_exclusive, from, err));
    return put_bound(def, range, most, most == NULL || !most_exclusive, to, err);
}
