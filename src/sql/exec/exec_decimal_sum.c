/* Sums of decimals: 128 bits, and a number of any length for what does not fit. */

#include <string.h>

#include "base/codec.h"
#include "sql/exec/exec_decimal.h"
#include "types/numeric.h"

/* The part of a sum that is in long form, in the state's arena. */
struct decimal_long {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

static tdbplus_status keep(struct exec *exec, struct decimal_long *more,
                           const struct buffer *buffer, struct arena *arena)
{
    if (buffer->failed) {
        return exec_no_memory(exec);
    }
    if (buffer->size > more->capacity) {
        size_t capacity = buffer->size * 2 + 32;
        more->data = arena_bytes(arena, capacity);
        if (more->data == NULL) {
            more->capacity = 0;
            return exec_no_memory(exec);
        }
        more->capacity = capacity;
    }
    memcpy(more->data, buffer->data, buffer->size);
    more->size = buffer->size;
    return TDBPLUS_OK;
}

/* Adds to the long part alone. */
static tdbplus_status add_long(struct exec *exec, struct decimal_sum *sum, struct span value,
                               struct arena *arena)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, exec->call->alloc);
    if (sum->more == NULL) {
        struct decimal_long *more = arena_array(arena, 1, sizeof *more);
        buffer_put_span(&buffer, value);
        status = more == NULL ? exec_no_memory(exec) : keep(exec, more, &buffer, arena);
        sum->more = status == TDBPLUS_OK ? more : NULL;
        goto done;
    }
    struct span before = {.data = sum->more->data, .size = sum->more->size};
    TRY_OR(done, numeric_add(before, value, &buffer, exec->call->err));
    status = keep(exec, sum->more, &buffer, arena);
done:
    buffer_deinit(&buffer);
    return status;
}

static struct datum integer_part(const struct decimal_sum *sum, uint8_t program_scale)
{
    return (struct datum){
        .type = {.id = TYPE_NUMERIC, .precision = 38, .scale = (int16_t)program_scale},
        .wide = sum->sum};
}

/* The integer part with as many digits as its rows showed. */
static tdbplus_status put_integer_part(struct exec *exec, const struct decimal_sum *sum,
                                       uint8_t program_scale, struct buffer *out)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    struct datum value = integer_part(sum, program_scale);
    if (sum->scale == program_scale) {
        numeric_of_datum(&value, out);
        return TDBPLUS_OK;
    }
    buffer_init(&buffer, exec->call->alloc);
    numeric_of_datum(&value, &buffer);
    if (buffer.failed) {
        status = exec_no_memory(exec);
        goto done;
    }
    status = numeric_round(buffer_span(&buffer), sum->scale, out, exec->call->err);
done:
    buffer_deinit(&buffer);
    return status;
}

tdbplus_status decimal_sum_flush(struct exec *exec, struct decimal_sum *sum, uint8_t program_scale,
                                 struct arena *arena)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, exec->call->alloc);
    TRY_OR(done, put_integer_part(exec, sum, program_scale, &buffer));
    if (buffer.failed) {
        status = exec_no_memory(exec);
        goto done;
    }
    TRY_OR(done, add_long(exec, sum, buffer_span(&buffer), arena));
    sum->sum = 0;
done:
    buffer_deinit(&buffer);
    return status;
}

tdbplus_status decimal_sum_add_long(struct exec *exec, struct decimal_sum *sum,
                                    uint8_t program_scale, struct span value, struct arena *arena)
{
    (void)program_scale;
    TRY(add_long(exec, sum, value, arena));
    sum->count++;
    return TDBPLUS_OK;
}

tdbplus_status decimal_sum_merge(struct exec *exec, struct decimal_sum *into,
                                 const struct decimal_sum *from, uint8_t program_scale,
                                 struct arena *arena)
{
    if (from->more != NULL) {
        struct span span = {.data = from->more->data, .size = from->more->size};
        TRY(add_long(exec, into, span, arena));
    }
    wide_int total;
    if (__builtin_add_overflow(into->sum, from->sum, &total)) {
        TRY(decimal_sum_flush(exec, into, program_scale, arena));
        total = from->sum;
    }
    into->sum = total;
    into->count += from->count;
    into->scale = from->scale > into->scale ? from->scale : into->scale;
    return TDBPLUS_OK;
}

/* All of it in long form. */
static tdbplus_status put_total(struct exec *exec, const struct decimal_sum *sum,
                                uint8_t program_scale, struct buffer *out)
{
    if (sum->more == NULL) {
        return put_integer_part(exec, sum, program_scale, out);
    }
    struct span more = {.data = sum->more->data, .size = sum->more->size};
    if (sum->sum == 0 && sum->scale == 0) {
        buffer_put_span(out, more);
        return TDBPLUS_OK;
    }
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, exec->call->alloc);
    TRY_OR(done, put_integer_part(exec, sum, program_scale, &buffer));
    if (buffer.failed) {
        status = exec_no_memory(exec);
        goto done;
    }
    status = numeric_add(more, buffer_span(&buffer), out, exec->call->err);
done:
    buffer_deinit(&buffer);
    return status;
}

#define LIMB_DIGITS     4u
#define SHORT_LIMBS_MAX 16u

/* Numbers of up to 18 digits without the detour through 128 bits and buffers: limbs from the last.
 */
static tdbplus_status finish_short(struct exec *exec, const struct decimal_sum *sum,
                                   struct arena *arena, struct datum *value_out)
{
    static const uint32_t powers[LIMB_DIGITS] = {1, 1000, 100, 10};
    uint16_t limbs[SHORT_LIMBS_MAX];
    int64_t value = (int64_t)sum->sum;
    uint64_t rest = value < 0 ? (uint64_t)-value : (uint64_t)value;
    uint32_t behind = (sum->scale + LIMB_DIGITS - 1u) / LIMB_DIGITS;
    uint32_t count = 0;
    uint32_t zeros = 0; // Limbs of zero at the end are not stored.
    if (sum->scale % LIMB_DIGITS != 0) {
        uint32_t unit = NUMERIC_LIMB_BASE / powers[sum->scale % LIMB_DIGITS];
        limbs[count++] = (uint16_t)(rest % unit * powers[sum->scale % LIMB_DIGITS]);
        rest /= unit;
    }
    for (; rest > 0; rest /= NUMERIC_LIMB_BASE) {
        limbs[count++] = (uint16_t)(rest % NUMERIC_LIMB_BASE);
    }
    while (count > 0 && limbs[count - 1] == 0) {
        count--;
    }
    while (zeros < count && limbs[zeros] == 0) {
        zeros++;
    }
    uint8_t *bytes = arena_bytes(arena, NUMERIC_HEADER_SIZE + 2u * (size_t)count + 1);
    if (bytes == NULL) {
        return exec_no_memory(exec);
    }
    int32_t weight = count == 0 ? 0 : (int32_t)count - (int32_t)behind - 1;
    bytes[0] = value < 0 ? NUMERIC_NEGATIVE : NUMERIC_POSITIVE;
    bytes[1] = 0;
    store_u16(bytes + 2, sum->scale);
    store_u16(bytes + 4, (uint16_t)weight);
    for (uint32_t i = count; i > zeros; i--) {
        store_u16(bytes + NUMERIC_HEADER_SIZE + 2u * (count - i), limbs[i - 1]);
    }
    value_out->bytes =
        (struct span){.data = bytes, .size = NUMERIC_HEADER_SIZE + 2u * (size_t)(count - zeros)};
    return TDBPLUS_OK;
}

#define SHORT_SUM_MAX ((wide_int)999999999999999999) /* 18 digits. */

tdbplus_status decimal_sum_finish(struct exec *exec, const struct decimal_sum *sum,
                                  uint8_t program_scale, bool average, struct arena *arena,
                                  struct datum *value_out)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer total;
    struct buffer count;
    struct buffer mean;
    buffer_init(&total, exec->call->alloc);
    buffer_init(&count, exec->call->alloc);
    buffer_init(&mean, exec->call->alloc);
    *value_out = (struct datum){.type = type_of(TYPE_NUMERIC), .is_null = sum->count == 0};
    if (sum->count == 0) {
        return TDBPLUS_OK;
    }
    bool is_short = sum->sum <= SHORT_SUM_MAX && sum->sum >= -SHORT_SUM_MAX && sum->more == NULL;
    if (!average && is_short && sum->scale == program_scale) {
        return finish_short(exec, sum, arena, value_out);
    }
    const struct buffer *result = &total;
    TRY_OR(done, put_total(exec, sum, program_scale, &total));
    if (average) {
        numeric_of_integer(sum->count, &count);
        if (total.failed || count.failed) {
            status = exec_no_memory(exec);
            goto done;
        }
        TRY_OR(done,
               numeric_divide(buffer_span(&total), buffer_span(&count), &mean, exec->call->err));
        result = &mean;
    }
    uint8_t *bytes = result->failed ? NULL : arena_bytes(arena, result->size + 1);
    if (bytes == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    memcpy(bytes, result->data, result->size);
    value_out->bytes = (struct span){.data = bytes, .size = result->size};
done:
    buffer_deinit(&total);
    buffer_deinit(&count);
    buffer_deinit(&mean);
    return status;
}
