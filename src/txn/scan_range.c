/* From bounds on key columns to a range of normalised keys. */

#include <string.h>

#include "base/assert.h"
#include "txn/scan_internal.h"

bool key_in_range(const struct key_range *range, struct span key)
{
    if (range->has_lower && span_compare(key, range->lower.key) < 0) {
        return false;
    }
    return !range->has_upper || span_compare(key, range->upper.key) < 0;
}

static void finish_key(struct segment_key *key)
{
    key->code = key_code(key->key);
    key->hash = key_hash(key->key);
}

/* The least key above every key that begins with `bytes`, or with `whole` above exactly it. False
 * when there is none. */
static bool make_successor(uint8_t *bytes, size_t *size, bool whole)
{
    if (whole) {
        bytes[(*size)++] = 0;
        return true;
    }
    while (*size > 0 && bytes[*size - 1] == 0xFF) {
        (*size)--;
    }
    if (*size == 0) {
        return false;
    }
    bytes[*size - 1]++;
    return true;
}

/* Integer keys are their codes, and need no buffer. */
static tdbplus_status make_integer_bound(struct scan *scan, const struct scan_bound *bound,
                                         bool after, struct segment_key *key_out, bool *none_out,
                                         struct err *err)
{
    uint8_t *bytes = arena_bytes(&scan->arena, sizeof(uint64_t));
    if (bytes == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "scan: a bound does not fit in memory");
    }
    uint64_t code = key_code_of_integer(bound->values[0].integer);
    *none_out = after && code == UINT64_MAX;
    store_u64_be(bytes, code + (after ? 1 : 0));
    key_out->key = (struct span){.data = bytes, .size = sizeof(uint64_t)};
    finish_key(key_out);
    return TDBPLUS_OK;
}

/* Encodes a bound; *none_out when nothing lies beyond it. `after`: the key just above. */
static tdbplus_status make_bound(struct scan *scan, const struct scan_bound *bound, bool after,
                                 struct segment_key *key_out, bool *none_out, struct err *err)
{
    const struct schema *schema = scan->schema;
    if (key_is_integer(schema)) {
        return make_integer_bound(scan, bound, after, key_out, none_out, err);
    }
    struct buffer buffer = {.alloc = scan->alloc};
    bool whole = bound->value_count == schema->key_count;
    tdbplus_status status =
        whole ? key_encode(bound->values, bound->value_count, &buffer, err)
              : key_encode_prefix(bound->values, bound->value_count, &buffer, err);
    if (status == TDBPLUS_OK) {
        size_t size = buffer.size;
        uint8_t *bytes = arena_bytes(&scan->arena, size + 1);
        if (bytes == NULL || buffer.failed) {
            status = err_set(err, TDBPLUS_E_NOMEM, "scan: a bound does not fit in memory");
        } else {
            if (size > 0) {
                memcpy(bytes, buffer.data, size); // Without values the buffer has no memory.
            }
            *none_out = after && !make_successor(bytes, &size, whole);
            key_out->key = (struct span){.data = bytes, .size = size};
            finish_key(key_out);
        }
    }
    buffer_deinit(&buffer);
    return status;
}

static bool has_null(const struct scan_bound *bound)
{
    for (uint32_t i = 0; i < bound->value_count; i++) {
        if (bound->values[i].is_null) {
            return true;
        }
    }
    return false;
}

tdbplus_status scan_make_range(struct scan *scan, struct err *err)
{
    const struct scan_bound *lower = &scan->options.lower;
    const struct scan_bound *upper = &scan->options.upper;
    struct key_range *range = &scan->range;
    bool none = false;
    if (lower->value_count > scan->schema->key_count ||
        upper->value_count > scan->schema->key_count) {
        return err_set(err, TDBPLUS_E_INVALID, "scan: a bound has more values than the key");
    }
    if (has_null(lower) || has_null(upper)) {
        range->empty = true; // Keys are never null, and nothing compares with null.
        return TDBPLUS_OK;
    }
    if (lower->value_count > 0) {
        TRY(make_bound(scan, lower, lower->exclusive, &range->lower, &none, err));
        range->empty = none;
        range->has_lower = true;
    }
    if (upper->value_count > 0) {
        TRY(make_bound(scan, upper, !upper->exclusive, &range->upper, &none, err));
        range->has_upper = !none;
    }
    if (range->has_lower && range->has_upper &&
        span_compare(range->lower.key, range->upper.key) >= 0) {
        range->empty = true;
    }
    return TDBPLUS_OK;
}
