/* Aggregates of packed values: bit strings, money, ranges; string_agg() of bytes. */

#include <string.h>

#include "sql/func/aggregate_internal.h"
#include "types/range.h"

/* ---- bit strings ---- */

struct bits_state {
    uint8_t *bits;
    size_t size;
    bool seen;
};

static tdbplus_status join_bits(struct bits_state *state, struct span bits, char operation,
                                struct err *err)
{
    if (bits.size != state->size) {
        return err_set_state(err, TDBPLUS_E_SQL, "22026",
                             "cannot %s bit strings of different sizes",
                             operation == '&'   ? "AND"
                             : operation == '|' ? "OR"
                                                : "XOR");
    }
    for (size_t i = 0; i < bits.size; i++) {
        bool left = state->bits[i] == '1';
        bool right = bits.data[i] == '1';
        bool bit = operation == '&'   ? left && right
                   : operation == '|' ? left || right
                                      : left != right;
        state->bits[i] = bit ? '1' : '0';
    }
    return TDBPLUS_OK;
}

static tdbplus_status bits_update(const struct aggregate_update *update, char operation)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct bits_state *state = (void *)update->states[i];
        struct datum value;
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        if (value.is_null) {
            continue;
        }
        if (state->seen) {
            TRY(join_bits(state, value.bytes, operation, update->err));
            continue;
        }
        state->bits = arena_bytes(update->arena, value.bytes.size + 1);
        if (state->bits == NULL) {
            return aggregate_no_memory(update->err);
        }
        if (value.bytes.size > 0) {
            memcpy(state->bits, value.bytes.data, value.bytes.size);
        }
        state->size = value.bytes.size;
        state->seen = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status and_update(const struct aggregate_update *update)
{
    return bits_update(update, '&');
}

static tdbplus_status or_update(const struct aggregate_update *update)
{
    return bits_update(update, '|');
}

static tdbplus_status xor_update(const struct aggregate_update *update)
{
    return bits_update(update, '#');
}

static tdbplus_status bits_finish(const uint8_t *bytes, struct arena *arena,
                                  struct datum *result_out, struct err *err)
{
    struct bits_state state;
    (void)arena;
    (void)err;
    memcpy(&state, bytes, sizeof state);
    *result_out = (struct datum){.type = type_of(TYPE_BIT),
                                 .is_null = !state.seen,
                                 .bytes = {.data = state.bits, .size = state.size}};
    return TDBPLUS_OK;
}

/* ---- money ---- */

struct money_state {
    int64_t cents;
    bool seen;
};

static tdbplus_status money_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct money_state *state = (void *)update->states[i];
        struct datum value;
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        if (value.is_null) {
            continue;
        }
        state->seen = true;
        if (__builtin_add_overflow(state->cents, value.integer, &state->cents)) {
            return err_set_state(update->err, TDBPLUS_E_RANGE, "22003", "money out of range");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status money_finish(const uint8_t *bytes, struct arena *arena,
                                   struct datum *result_out, struct err *err)
{
    struct money_state state;
    (void)arena;
    (void)err;
    memcpy(&state, bytes, sizeof state);
    *result_out =
        (struct datum){.type = type_of(TYPE_MONEY), .is_null = !state.seen, .integer = state.cents};
    return TDBPLUS_OK;
}

/* ---- ranges ---- */

static tdbplus_status range_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct collected *state = (void *)update->states[i];
        struct datum value;
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        if (value.is_null) {
            continue;
        }
        if (state->count == RANGE_COUNT_MAX || !aggregate_collect(state, value, update->arena)) {
            return aggregate_no_memory(update->err);
        }
        state->type = value.type;
    }
    return TDBPLUS_OK;
}

static tdbplus_status keep_packed(struct buffer *packed, struct arena *arena,
                                  struct datum *result_out, struct err *err)
{
    uint8_t *copy = packed->failed ? NULL : arena_bytes(arena, packed->size + 1);
    if (copy == NULL) {
        return aggregate_no_memory(err);
    }
    if (packed->size > 0) {
        memcpy(copy, packed->data, packed->size);
    }
    result_out->bytes = (struct span){.data = copy, .size = packed->size};
    return TDBPLUS_OK;
}

static tdbplus_status ranges_of(const struct datum *value, struct arena *arena,
                                struct range **ranges_out, uint32_t *count_out, struct err *err)
{
    if (multirange_type(value->type)) {
        return multirange_unpack(value->type, value->bytes, arena, ranges_out, count_out, err);
    }
    struct range *range = arena_array(arena, 1, sizeof *range);
    if (range == NULL) {
        return aggregate_no_memory(err);
    }
    if (!range_unpack(value->type, value->bytes, range)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "a range is damaged");
    }
    *ranges_out = range;
    *count_out = 1;
    return TDBPLUS_OK;
}

static tdbplus_status union_finish(const uint8_t *bytes, struct arena *arena,
                                   struct datum *result_out, struct err *err)
{
    struct collected state;
    memcpy(&state, bytes, sizeof state);
    *result_out = (struct datum){.is_null = state.count == 0};
    if (state.count == 0) {
        return TDBPLUS_OK;
    }
    struct type type =
        multirange_type(state.type) ? state.type : range_multirange(func_type_base(state.type));
    struct range *all = NULL;
    uint32_t count = 0;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < state.count; i++) {
        struct range *ranges = NULL;
        uint32_t more = 0;
        TRY(ranges_of(&state.items[i], arena, &ranges, &more, err));
        if (count + more > capacity) {
            capacity = (count + more) * 2 + 8;
            struct range *grown = arena_array(arena, capacity, sizeof *grown);
            if (grown == NULL) {
                return aggregate_no_memory(err);
            }
            if (count > 0) {
                memcpy(grown, all, count * sizeof *all);
            }
            all = grown;
        }
        if (more > 0) {
            memcpy(all + count, ranges, more * sizeof *all);
        }
        count += more;
    }
    struct buffer packed = {.alloc = arena->alloc};
    multirange_pack(type, all, multirange_normalise(all, count), &packed);
    result_out->type = type;
    tdbplus_status status = keep_packed(&packed, arena, result_out, err);
    buffer_deinit(&packed);
    return status;
}

/* The kernel of "*" on what there is so far and the next. */
static tdbplus_status intersection_finish(const uint8_t *bytes, struct arena *arena,
                                          struct datum *result_out, struct err *err)
{
    struct collected state;
    memcpy(&state, bytes, sizeof state);
    *result_out = (struct datum){.is_null = true};
    if (state.count == 0) {
        return TDBPLUS_OK;
    }
    struct func_match match;
    struct type types[2] = {state.type, state.type};
    if (func_resolve("*", true, types, 2, &match) != FUNC_FOUND) {
        return err_set(err, TDBPLUS_E_INVALID, "range_intersect_agg: no intersection of this type");
    }
    struct datum pair[2] = {state.items[0], state.items[0]};
    for (uint32_t i = 1; i < state.count; i++) {
        pair[1] = state.items[i];
        struct datum both = {0};
        TRY(func_apply_once(match.func, state.type, pair, 2, arena, NULL, &both, err));
        pair[0] = both;
    }
    *result_out = pair[0];
    return TDBPLUS_OK;
}

/* ---- string_agg of bytes ---- */

static tdbplus_status bytes_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct collected *state = (void *)update->states[i];
        uint32_t row = aggregate_row(update, i);
        struct datum value;
        struct datum separator;
        column_get(&update->arguments[0], row, &value);
        column_get(&update->arguments[1], row, &separator);
        if (value.is_null) {
            continue;
        }
        bool good = state->count == 0 || separator.is_null ||
                    aggregate_collect(state, separator, update->arena);
        if (!good || !aggregate_collect(state, value, update->arena)) {
            return aggregate_no_memory(update->err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status bytes_finish(const uint8_t *bytes, struct arena *arena,
                                   struct datum *result_out, struct err *err)
{
    struct collected state;
    memcpy(&state, bytes, sizeof state);
    *result_out = (struct datum){.type = type_of(TYPE_BYTEA), .is_null = state.count == 0};
    struct buffer joined = {.alloc = arena->alloc};
    for (uint32_t i = 0; i < state.count && joined.size <= VALUE_SIZE_MAX; i++) {
        buffer_put_span(&joined, state.items[i].bytes);
    }
    tdbplus_status status =
        joined.size > VALUE_SIZE_MAX
            ? err_set(err, TDBPLUS_E_LIMIT, "string_agg: a value has at most %zu bytes",
                      VALUE_SIZE_MAX)
            : keep_packed(&joined, arena, result_out, err);
    buffer_deinit(&joined);
    return status;
}

#define BI TYPE_BIT
#define AR FUNC_ANY_RANGE
#define AM FUNC_ANY_MULTIRANGE

const struct aggregate aggregates_packed[] = {
    AGGREGATE("bit_and", 1, BI, 0, BI, struct bits_state, and_update, bits_finish, NULL,
              "Bits in all."),
    AGGREGATE("bit_or", 1, BI, 0, BI, struct bits_state, or_update, bits_finish, NULL,
              "Bits in any."),
    AGGREGATE("bit_xor", 1, BI, 0, BI, struct bits_state, xor_update, bits_finish, NULL,
              "Bits in an odd number."),
    AGGREGATE("sum", 1, TYPE_MONEY, 0, TYPE_MONEY, struct money_state, money_update, money_finish,
              NULL, "Sum."),
    AGGREGATE("range_agg", 1, AR, 0, AM, struct collected, range_update, union_finish, NULL,
              "What is in any."),
    AGGREGATE("range_agg", 1, AM, 0, AM, struct collected, range_update, union_finish, NULL,
              "What is in any."),
    AGGREGATE("range_intersect_agg", 1, AR, 0, FUNC_SAME, struct collected, range_update,
              intersection_finish, NULL, "What is in all."),
    AGGREGATE("range_intersect_agg", 1, AM, 0, FUNC_SAME, struct collected, range_update,
              intersection_finish, NULL, "What is in all."),
    AGGREGATE("string_agg", 2, TYPE_BYTEA, TYPE_BYTEA, TYPE_BYTEA, struct collected, bytes_update,
              bytes_finish, NULL, "All bytes, the second argument between them."),
    AGGREGATE_END,
};
