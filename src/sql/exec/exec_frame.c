/* Frames: which rows around the current one a window function sees. Both ends of a frame only move
 * forward while the rows of a partition are walked, so that finding them costs O(1) a row. */

#include <math.h>

#include "base/buffer.h"
#include "sql/exec/exec_window.h"
#include "types/datetime.h"
#include "types/numeric.h"

__extension__ typedef __int128 wide_int;

/* ---- value +- offset of RANGE ---- */

/* Compares `value` with base + offset, or base - offset. */
static int compare_doubles(double value, double base, double offset, bool minus)
{
    if (isnan(value) || isnan(base)) {
        return isnan(value) ? isnan(base) ? 0 : 1 : -1;
    }
    if (isinf(offset) && isinf(base) && (minus ? base > 0 : base < 0)) {
        return 0;
    }
    double sum = minus ? base - offset : base + offset;
    return value < sum ? -1 : value > sum;
}

static bool is_infinite(struct span numeric)
{
    return numeric.data[0] == NUMERIC_INFINITY || numeric.data[0] == NUMERIC_MINUS_INFINITY;
}

static tdbplus_status compare_numerics(struct exec *exec, const struct datum operands[3],
                                       bool minus, int *order_out)
{
    struct span value = operands[0].bytes;
    struct span base = operands[1].bytes;
    struct span offset = operands[2].bytes;
    bool value_nan = value.data[0] == NUMERIC_NAN;
    bool base_nan = base.data[0] == NUMERIC_NAN;
    if (value_nan || base_nan) {
        *order_out = value_nan ? base_nan ? 0 : 1 : -1;
        return TDBPLUS_OK;
    }
    uint8_t opposite = minus ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY;
    if (is_infinite(offset) && base.data[0] == opposite) {
        *order_out = 0;
        return TDBPLUS_OK;
    }
    struct buffer sum;
    buffer_init(&sum, exec->call->alloc);
    tdbplus_status status = minus ? numeric_subtract(base, offset, &sum, exec->call->err)
                                  : numeric_add(base, offset, &sum, exec->call->err);
    if (status == TDBPLUS_OK && sum.failed) {
        status = exec_no_memory(exec);
    }
    if (status == TDBPLUS_OK) {
        *order_out = numeric_compare(value, buffer_span(&sum));
    }
    buffer_deinit(&sum);
    return status;
}

static tdbplus_status shift_timestamp(struct exec *exec, const struct datum *base,
                                      const struct interval *offset, bool minus, int64_t *sum_out)
{
    struct interval shift = *offset;
    if (minus) {
        TRY(interval_negate(offset, &shift, exec->call->err));
    }
    int64_t from = base->integer;
    if (base->type.id == TYPE_DATE) {
        TRY(timestamp_of_date((int32_t)from, &from, exec->call->err));
    }
    return timestamp_add(from, &shift, NULL, sum_out, exec->call->err);
}

static tdbplus_status compare_moments(struct exec *exec, const struct datum operands[3], bool minus,
                                      int *order_out)
{
    int64_t sum = 0;
    int64_t value = operands[0].integer;
    if (operands[0].type.id == TYPE_DATE) {
        TRY(timestamp_of_date((int32_t)value, &value, exec->call->err));
    }
    TRY(shift_timestamp(exec, &operands[1], &operands[2].interval, minus, &sum));
    *order_out = value < sum ? -1 : value > sum;
    return TDBPLUS_OK;
}

static tdbplus_status compare_intervals(struct exec *exec, const struct datum operands[3],
                                        bool minus, int *order_out)
{
    struct interval shift = operands[2].interval;
    struct datum sum = {.type = type_of(TYPE_INTERVAL)};
    if (minus) {
        TRY(interval_negate(&operands[2].interval, &shift, exec->call->err));
    }
    TRY(interval_add(&operands[1].interval, &shift, &sum.interval, exec->call->err));
    *order_out = datum_compare(&operands[0], &sum);
    return TDBPLUS_OK;
}

/* Operands: value, base, offset. */
static tdbplus_status compare_shifted(struct exec *exec, const struct datum operands[3], bool minus,
                                      int *order_out)
{
    wide_int sum = 0;
    switch (operands[0].type.id) {
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        *order_out = compare_doubles(operands[0].real, operands[1].real, operands[2].real, minus);
        return TDBPLUS_OK;
    case TYPE_NUMERIC:
        return compare_numerics(exec, operands, minus, order_out);
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return compare_moments(exec, operands, minus, order_out);
    case TYPE_INTERVAL:
        return compare_intervals(exec, operands, minus, order_out);
    case TYPE_TIME:
        sum = operands[2].interval.microseconds;
        break;
    default:
        sum = operands[2].integer;
        break;
    }
    sum = minus ? operands[1].integer - sum : operands[1].integer + sum;
    *order_out = operands[0].integer < sum ? -1 : operands[0].integer > sum;
    return TDBPLUS_OK;
}

/* ---- offsets ---- */

static bool is_negative(const struct datum *value)
{
    switch (value->type.id) {
    case TYPE_FLOAT8:
        return isnan(value->real) || value->real < 0;
    case TYPE_NUMERIC:
        return value->bytes.data[0] == NUMERIC_NAN || numeric_sign(value->bytes) < 0;
    case TYPE_INTERVAL: {
        struct datum zero = {.type = type_of(TYPE_INTERVAL)};
        return datum_compare(value, &zero) < 0;
    }
    default:
        return value->integer < 0;
    }
}

tdbplus_status frame_prepare(struct exec *exec, struct window_call *call)
{
    static const char *const ends[] = {"starting", "ending"};
    for (uint32_t i = 0; i < 2; i++) {
        struct datum *value = &call->offset_values[i];
        if (call->offsets[i] == NULL) {
            continue;
        }
        TRY(eval_once(exec, call->offsets[i], &exec->arena, value));
        if (value->is_null) {
            return err_set_state(exec->call->err, TDBPLUS_E_SQL, "22004",
                                 "frame %s offset must not be null", ends[i]);
        }
        if (is_negative(value) && call->plan->frame.mode != FRAME_RANGE) {
            return err_set_state(exec->call->err, TDBPLUS_E_SQL, "22013",
                                 "frame %s offset must not be negative", ends[i]);
        }
        if (is_negative(value)) {
            return err_set_state(exec->call->err, TDBPLUS_E_SQL, "22013",
                                 "invalid preceding or following size in window function");
        }
    }
    return TDBPLUS_OK;
}

/* ---- walking ---- */

void frame_begin(struct frame *frame, struct exec *exec, const struct window_call *call,
                 const struct window_rows *rows)
{
    *frame = (struct frame){.exec = exec,
                            .call = call,
                            .rows = rows,
                            .row = rows->begin,
                            .start = rows->begin,
                            .end = rows->begin};
}

/* A row or group number moved by an offset, kept within [low, high]. */
static uint32_t shifted(uint32_t at, int64_t offset, bool preceding, uint32_t low, uint32_t high)
{
    wide_int moved = preceding ? (wide_int)at - offset : (wide_int)at + offset;
    return moved < (wide_int)low ? low : moved > (wide_int)high ? high : (uint32_t)moved;
}

/* True when `row` comes before the bound of the current row's frame: nulls are peers of nulls, and
 * no number is within reach of one. `start`: rows before the bound are left out; else they are in,
 * and so are those at the bound. */
static tdbplus_status passes(const struct frame *frame, uint32_t row, bool start, bool *passes_out)
{
    const struct window_call *call = frame->call;
    const struct window_rows *rows = frame->rows;
    bool row_null = window_is_null(rows, row, call->order);
    bool here_null = window_is_null(rows, frame->row, call->order);
    if (row_null || here_null) {
        if (start) {
            *passes_out = call->nulls_first ? row_null && !here_null : !row_null && here_null;
        } else {
            *passes_out = call->nulls_first ? row_null : here_null;
        }
        return TDBPLUS_OK;
    }
    uint8_t bound = start ? call->plan->frame.start : call->plan->frame.end;
    bool minus = (bound == FRAME_PRECEDING) != call->descending;
    struct datum operands[3];
    operands[2] = call->offset_values[start ? 0 : 1];
    window_value(rows, row, call->order, &operands[0]);
    window_value(rows, frame->row, call->order, &operands[1]);
    int order = 0;
    TRY(compare_shifted(frame->exec, operands, minus, &order));
    order = call->descending ? -order : order;
    *passes_out = start ? order < 0 : order <= 0;
    return TDBPLUS_OK;
}

static tdbplus_status range_bound(const struct frame *frame, bool start, uint32_t *bound)
{
    while (*bound < frame->rows->end) {
        bool more = false;
        TRY(passes(frame, *bound, start, &more));
        if (!more) {
            break;
        }
        (*bound)++;
    }
    return TDBPLUS_OK;
}

/* One end of the frame. The end is the row after the last. */
static tdbplus_status find_bound(const struct frame *frame, bool start, uint32_t *bound)
{
    const struct plan_frame *plan = &frame->call->plan->frame;
    const struct window_rows *rows = frame->rows;
    uint8_t kind = start ? plan->start : plan->end;
    int64_t offset = frame->call->offset_values[start ? 0 : 1].integer;
    uint32_t past = start ? 0 : 1;
    switch ((enum plan_frame_bound)kind) {
    case FRAME_UNBOUNDED_PRECEDING:
        *bound = rows->begin;
        return TDBPLUS_OK;
    case FRAME_UNBOUNDED_FOLLOWING:
        *bound = rows->end;
        return TDBPLUS_OK;
    case FRAME_CURRENT:
        *bound = plan->mode == FRAME_ROWS ? frame->row + past : rows->groups[frame->group + past];
        return TDBPLUS_OK;
    case FRAME_PRECEDING:
    case FRAME_FOLLOWING:
        break;
    }
    bool preceding = kind == FRAME_PRECEDING;
    if (plan->mode == FRAME_RANGE) {
        return range_bound(frame, start, bound);
    }
    if (plan->mode == FRAME_ROWS) {
        *bound = shifted(frame->row + past, offset, preceding, rows->begin, rows->end);
        return TDBPLUS_OK;
    }
    *bound = rows->groups[shifted(frame->group + past, offset, preceding, 0, rows->group_count)];
    return TDBPLUS_OK;
}

tdbplus_status frame_move(struct frame *frame, uint32_t row)
{
    frame->row = row;
    if (row >= frame->rows->groups[frame->group + 1]) {
        frame->group++;
    }
    TRY(find_bound(frame, true, &frame->start));
    return find_bound(frame, false, &frame->end);
}

static void add_part(struct frame_parts *parts, uint32_t begin, uint32_t end)
{
    if (begin < end) {
        parts->begin[parts->count] = begin;
        parts->end[parts->count++] = end;
    }
}

static uint32_t smaller(uint32_t left, uint32_t right)
{
    return left < right ? left : right;
}

static uint32_t larger(uint32_t left, uint32_t right)
{
    return left > right ? left : right;
}

void frame_cut(const struct frame *frame, struct frame_parts *parts_out)
{
    uint8_t exclude = frame->call->plan->frame.exclude;
    uint32_t from = frame->row;
    uint32_t to = frame->row + 1;
    parts_out->count = 0;
    if (exclude == FRAME_EXCLUDE_NONE) {
        add_part(parts_out, frame->start, frame->end);
        return;
    }
    if (exclude != FRAME_EXCLUDE_CURRENT) {
        from = frame->rows->groups[frame->group];
        to = frame->rows->groups[frame->group + 1];
    }
    add_part(parts_out, frame->start, smaller(frame->end, from));
    if (exclude == FRAME_EXCLUDE_TIES && frame->row >= frame->start && frame->row < frame->end) {
        add_part(parts_out, frame->row, frame->row + 1);
    }
    add_part(parts_out, larger(frame->start, to), frame->end);
}
