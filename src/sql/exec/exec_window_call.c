/* Window functions over the rows of a partition. */

#include <string.h>

#include "sql/exec/exec_window.h"

/* Keeps a result; bytes are copied, because aggregates overwrite theirs. */
static tdbplus_status put_result(struct exec *exec, struct window_call *call, uint32_t row,
                                 const struct datum *value)
{
    struct column *column = &call->results[row / BATCH_ROW_COUNT_MAX];
    uint32_t at = row % BATCH_ROW_COUNT_MAX;
    if (value->is_null) {
        column->validity[at / 64] &= ~((uint64_t)1 << (at % 64));
        return TDBPLUS_OK;
    }
    struct datum copy = *value;
    enum physical physical = type_physical(call->type);
    if ((physical == PHYSICAL_VIEW || physical == PHYSICAL_FIXED) && copy.bytes.size > 0) {
        uint8_t *bytes = arena_bytes(call->kept, copy.bytes.size);
        if (bytes == NULL) {
            return exec_no_memory(exec);
        }
        memcpy(bytes, copy.bytes.data, copy.bytes.size);
        copy.bytes.data = bytes;
    }
    copy.type = call->type;
    column_set(column, at, &copy);
    return TDBPLUS_OK;
}

static tdbplus_status copy_result(struct exec *exec, struct window_call *call, uint32_t from,
                                  uint32_t to)
{
    struct datum value;
    column_get(&call->results[from / BATCH_ROW_COUNT_MAX], from % BATCH_ROW_COUNT_MAX, &value);
    struct column *column = &call->results[to / BATCH_ROW_COUNT_MAX];
    if (value.is_null) {
        return put_result(exec, call, to, &value);
    }
    // Short strings lie in the column; longer ones are shared.
    value.type = call->type;
    column_set(column, to % BATCH_ROW_COUNT_MAX, &value);
    return TDBPLUS_OK;
}

/* Partitions may have any number of rows. */
static tdbplus_status check_at(struct exec *exec, uint32_t row)
{
    return row % 512 == 0 ? exec_check(exec) : TDBPLUS_OK;
}

/* ---- ranks ---- */

static tdbplus_status compute_ranks(struct exec *exec, struct window_call *call,
                                    const struct window_rows *rows)
{
    double count = (double)(rows->end - rows->begin);
    uint32_t group = 0;
    for (uint32_t row = rows->begin; row < rows->end; row++) {
        TRY(check_at(exec, row));
        group += row >= rows->groups[group + 1];
        uint32_t before = rows->groups[group] - rows->begin;
        uint32_t through = rows->groups[group + 1] - rows->begin;
        struct datum value = {.type = call->type};
        switch (call->plan->kind) {
        case WINDOW_ROW_NUMBER:
            value.integer = row - rows->begin + 1;
            break;
        case WINDOW_RANK:
            value.integer = before + 1;
            break;
        case WINDOW_DENSE_RANK:
            value.integer = group + 1;
            break;
        case WINDOW_PERCENT_RANK:
            value.real = count > 1 ? (double)before / (count - 1) : 0;
            break;
        default:
            value.real = (double)through / count;
            break;
        }
        TRY(put_result(exec, call, row, &value));
    }
    return TDBPLUS_OK;
}

/* The first rows % buckets buckets have one row more than the others. The argument is asked of the
 * first row where it is not null. */
static tdbplus_status compute_ntile(struct exec *exec, struct window_call *call,
                                    const struct window_rows *rows)
{
    struct datum buckets = {.is_null = true};
    uint64_t count = rows->end - rows->begin;
    uint64_t done = 0;
    for (uint32_t row = rows->begin; row < rows->end; row++) {
        TRY(check_at(exec, row));
        if (buckets.is_null) {
            window_value(rows, row, call->first_argument, &buckets);
        }
        struct datum value = {.type = call->type, .is_null = buckets.is_null};
        if (!buckets.is_null) {
            if (buckets.integer <= 0) {
                return err_set_state(exec->call->err, TDBPLUS_E_SQL, "22014",
                                     "argument of ntile must be greater than zero");
            }
            uint64_t size = count / (uint64_t)buckets.integer;
            uint64_t larger = count % (uint64_t)buckets.integer;
            uint64_t in_larger = larger * (size + 1);
            value.integer = done < in_larger ? (int64_t)(done / (size + 1))
                                             : (int64_t)(larger + (done - in_larger) / size);
            value.integer++;
            done++;
        }
        TRY(put_result(exec, call, row, &value));
    }
    return TDBPLUS_OK;
}

/* ---- values of other rows ---- */

static tdbplus_status compute_offset(struct exec *exec, struct window_call *call,
                                     const struct window_rows *rows)
{
    int64_t sign = call->plan->kind == WINDOW_LAG ? -1 : 1;
    uint32_t arguments = call->plan->argument_count;
    for (uint32_t row = rows->begin; row < rows->end; row++) {
        TRY(check_at(exec, row));
        struct datum offset = {.integer = 1};
        struct datum value = {.type = call->type, .is_null = true};
        if (arguments > 1) {
            window_value(rows, row, call->first_argument + 1, &offset);
        }
        int64_t from = offset.is_null ? -1 : (int64_t)row + sign * offset.integer;
        if (!offset.is_null && from >= (int64_t)rows->begin && from < (int64_t)rows->end) {
            window_value(rows, (uint32_t)from, call->first_argument, &value);
        } else if (!offset.is_null && arguments > 2) {
            window_value(rows, row, call->first_argument + 2, &value);
        }
        TRY(put_result(exec, call, row, &value));
    }
    return TDBPLUS_OK;
}

/* ---- values of rows that have none ---- */

static tdbplus_status compute_locf(struct exec *exec, struct window_call *call,
                                   const struct window_rows *rows)
{
    struct datum last = {.type = call->type, .is_null = true};
    for (uint32_t row = rows->begin; row < rows->end; row++) {
        struct datum value;
        TRY(check_at(exec, row));
        window_value(rows, row, call->first_argument, &value);
        last = value.is_null ? last : value;
        TRY(put_result(exec, call, row, &last));
    }
    return TDBPLUS_OK;
}

/* A row with a value and a place; false: it lacks one. */
static bool read_point(const struct window_call *call, const struct window_rows *rows, uint32_t row,
                       double *value_out, double *place_out)
{
    struct datum value;
    struct datum place;
    window_value(rows, row, call->first_argument, &value);
    window_value(rows, row, call->first_argument + 1, &place);
    *value_out = value.is_null ? 0 : value.real;
    *place_out = place.is_null                  ? 0
                 : place.type.id == TYPE_FLOAT8 ? place.real
                                                : (double)place.integer;
    return !value.is_null && !place.is_null;
}

static tdbplus_status compute_interpolation(struct exec *exec, struct window_call *call,
                                            const struct window_rows *rows)
{
    double value[2] = {0}; /* Of the points before and after; */
    double place[2] = {0};
    bool before = false;
    uint32_t next = rows->begin; /* the latter's row. */
    for (uint32_t row = rows->begin; row < rows->end; row++) {
        struct datum result = {.type = call->type, .is_null = true};
        double own = 0;
        double at = 0;
        TRY(check_at(exec, row));
        if (read_point(call, rows, row, &own, &at)) {
            result = (struct datum){.type = call->type, .real = own};
            value[0] = own;
            place[0] = at;
            before = true;
            next = row + 1;
        } else {
            next = next > row ? next : row + 1;
            while (next < rows->end && !read_point(call, rows, next, &value[1], &place[1])) {
                next++;
            }
            struct datum here;
            window_value(rows, row, call->first_argument + 1, &here);
            if (before && next < rows->end && !here.is_null && place[1] != place[0]) {
                result.is_null = false;
                result.real =
                    value[0] + (value[1] - value[0]) * (at - place[0]) / (place[1] - place[0]);
            }
        }
        TRY(put_result(exec, call, row, &result));
    }
    return TDBPLUS_OK;
}

/* Which row of the frame is meant, counted from 1; 0: none. */
static tdbplus_status wanted_number(struct exec *exec, const struct window_call *call,
                                    const struct window_rows *rows, uint32_t row, uint64_t total,
                                    uint64_t *number_out)
{
    *number_out = call->plan->kind == WINDOW_LAST_VALUE ? total : 1;
    if (call->plan->kind != WINDOW_NTH_VALUE) {
        return TDBPLUS_OK;
    }
    struct datum number;
    window_value(rows, row, call->first_argument + 1, &number);
    if (!number.is_null && number.integer <= 0) {
        return err_set_state(exec->call->err, TDBPLUS_E_SQL, "22016",
                             "argument of nth_value must be greater than zero");
    }
    *number_out = number.is_null ? 0 : (uint64_t)number.integer;
    return TDBPLUS_OK;
}

static tdbplus_status compute_of_frame(struct exec *exec, struct window_call *call,
                                       const struct window_rows *rows)
{
    struct frame frame;
    frame_begin(&frame, exec, call, rows);
    for (uint32_t row = rows->begin; row < rows->end; row++) {
        TRY(check_at(exec, row));
        struct frame_parts parts;
        struct datum value = {.type = call->type, .is_null = true};
        uint64_t total = 0;
        uint64_t number = 0;
        TRY(frame_move(&frame, row));
        frame_cut(&frame, &parts);
        for (uint32_t i = 0; i < parts.count; i++) {
            total += parts.end[i] - parts.begin[i];
        }
        TRY(wanted_number(exec, call, rows, row, total, &number));
        if (number > 0 && number <= total) {
            uint32_t part = 0;
            number--;
            while (number >= parts.end[part] - parts.begin[part]) {
                number -= parts.end[part] - parts.begin[part];
                part++;
            }
            window_value(rows, parts.begin[part] + (uint32_t)number, call->first_argument, &value);
        }
        TRY(put_result(exec, call, row, &value));
    }
    return TDBPLUS_OK;
}

/* ---- aggregates ---- */

/* An aggregate over the rows [start, end), without what EXCLUDE leaves out. */
struct running {
    struct exec *exec;
    struct window_call *call;
    const struct window_rows *rows;
    uint8_t *state;
    uint16_t *numbers;
    uint8_t **states; /* `state`, for as many rows as are fed at once. */
    uint32_t start;
    uint32_t end;
    bool begun;
};

static bool counts(const struct running *running, uint32_t row)
{
    uint32_t filter = running->call->filter;
    struct datum value = {.boolean = true};
    if (filter != WINDOW_NO_COLUMN) {
        window_value(running->rows, row, filter, &value);
    }
    return !value.is_null && value.boolean;
}

/* Adds rows to the state, or takes them away. */
static tdbplus_status feed(struct running *running, uint32_t begin, uint32_t end, bool removing)
{
    const struct window_call *call = running->call;
    const struct aggregate *aggregate = call->plan->aggregate;
    while (begin < end) {
        if (end - begin > BATCH_ROW_COUNT_MAX) {
            TRY(exec_check(running->exec));
        }
        uint32_t chunk = begin / BATCH_ROW_COUNT_MAX;
        uint32_t stop = (chunk + 1) * BATCH_ROW_COUNT_MAX;
        stop = stop < end ? stop : end;
        uint32_t count = 0;
        for (; begin < stop; begin++) {
            running->numbers[count] = (uint16_t)(begin % BATCH_ROW_COUNT_MAX);
            running->states[count] = running->state;
            count += counts(running, begin);
        }
        struct aggregate_update update = {.arguments =
                                              &running->rows->chunks[chunk][call->first_argument],
                                          .argument_count = call->plan->argument_count,
                                          .rows = running->numbers,
                                          .count = count,
                                          .states = running->states,
                                          .arena = &running->call->arena,
                                          .err = running->exec->call->err};
        if (count > 0) {
            TRY(removing ? aggregate->remove(&update) : aggregate->update(&update));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status restart(struct running *running)
{
    arena_reset(&running->call->arena);
    uint16_t size = running->call->plan->aggregate->state_size;
    running->state = arena_array(&running->call->arena, 1, size + 16u);
    if (running->state == NULL) {
        return exec_no_memory(running->exec);
    }
    return TDBPLUS_OK;
}

static tdbplus_status finish_at(struct running *running, uint32_t row)
{
    struct datum value = {0};
    TRY(running->call->plan->aggregate->finish(running->state, &running->call->arena, &value,
                                               running->exec->call->err));
    return put_result(running->exec, running->call, row, &value);
}

/* Brings the state from the last frame to this one: rows are added at the end, and taken away at
 * the start if the aggregate can do that; otherwise it begins anew. */
static tdbplus_status follow(struct running *running, const struct frame *frame, bool *same_out)
{
    uint32_t start = frame->start;
    uint32_t end = frame->end > start ? frame->end : start;
    bool removable = running->call->plan->aggregate->remove != NULL;
    *same_out = running->begun && start == running->start && end == running->end;
    if (*same_out) {
        return TDBPLUS_OK;
    }
    bool go_on = running->begun && end >= running->end && start >= running->start &&
                 start < running->end && (start == running->start || removable);
    tdbplus_status status = go_on ? feed(running, running->start, start, true) : TDBPLUS_END;
    if (status == TDBPLUS_END) {
        TRY(restart(running));
        TRY(feed(running, start, end, false));
    } else {
        TRY(status);
        TRY(feed(running, running->end, end, false));
    }
    running->begun = true;
    running->start = start;
    running->end = end;
    return TDBPLUS_OK;
}

static tdbplus_status compute_aggregate(struct running *running)
{
    struct frame frame;
    frame_begin(&frame, running->exec, running->call, running->rows);
    bool excludes = running->call->plan->frame.exclude != FRAME_EXCLUDE_NONE;
    for (uint32_t row = running->rows->begin; row < running->rows->end; row++) {
        TRY(check_at(running->exec, row));
        bool same = false;
        TRY(frame_move(&frame, row));
        if (excludes) {
            struct frame_parts parts;
            frame_cut(&frame, &parts);
            TRY(restart(running));
            for (uint32_t i = 0; i < parts.count; i++) {
                TRY(feed(running, parts.begin[i], parts.end[i], false));
            }
        } else {
            TRY(follow(running, &frame, &same));
        }
        TRY(same ? copy_result(running->exec, running->call, row - 1, row)
                 : finish_at(running, row));
    }
    return TDBPLUS_OK;
}

/* ---- smallest and largest of a sliding frame ---- */

/* Rows that may still be the answer, best first: one that comes later and is as good takes the
 * place of those before it. */
struct best_rows {
    uint32_t *items;
    uint32_t head;
    uint32_t tail;
};

static void add_best(const struct running *running, struct best_rows *best, uint32_t row, int sign)
{
    uint32_t column = running->call->first_argument;
    if (!counts(running, row) || window_is_null(running->rows, row, column)) {
        return;
    }
    struct datum value;
    window_value(running->rows, row, column, &value);
    while (best->tail > best->head) {
        struct datum last;
        window_value(running->rows, best->items[best->tail - 1], column, &last);
        if (sign * datum_compare(&value, &last) <= 0) {
            break;
        }
        best->tail--;
    }
    best->items[best->tail++] = row;
}

static tdbplus_status compute_extreme(struct running *running, int sign)
{
    const struct window_rows *rows = running->rows;
    struct frame frame;
    struct best_rows best = {
        .items =
            arena_alloc(&running->call->arena, (rows->end - rows->begin + 1u) * sizeof(uint32_t))};
    if (best.items == NULL) {
        return exec_no_memory(running->exec);
    }
    uint32_t added = rows->begin;
    frame_begin(&frame, running->exec, running->call, rows);
    for (uint32_t row = rows->begin; row < rows->end; row++) {
        TRY(check_at(running->exec, row));
        TRY(frame_move(&frame, row));
        added = added > frame.start ? added : frame.start;
        for (; added < frame.end; added++) {
            add_best(running, &best, added, sign);
        }
        while (best.head < best.tail && best.items[best.head] < frame.start) {
            best.head++;
        }
        struct datum value = {.type = running->call->type, .is_null = true};
        if (best.head < best.tail) {
            window_value(rows, best.items[best.head], running->call->first_argument, &value);
        }
        TRY(put_result(running->exec, running->call, row, &value));
    }
    return TDBPLUS_OK;
}

static tdbplus_status compute_over_frame(struct exec *exec, struct window_call *call,
                                         const struct window_rows *rows)
{
    struct running running = {.exec = exec, .call = call, .rows = rows};
    arena_reset(&call->arena);
    struct arena scratch;
    arena_init(&scratch, exec->call->alloc, 0);
    tdbplus_status status = TDBPLUS_OK;
    running.numbers = arena_alloc(&scratch, BATCH_ROW_COUNT_MAX * sizeof(uint16_t));
    running.states = arena_alloc(&scratch, BATCH_ROW_COUNT_MAX * sizeof(uint8_t *));
    if (running.numbers == NULL || running.states == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    int extreme = aggregate_extreme(call->plan->aggregate);
    if (extreme != 0 && call->plan->frame.exclude == FRAME_EXCLUDE_NONE) {
        TRY_OR(done, compute_extreme(&running, extreme));
    } else {
        TRY_OR(done, compute_aggregate(&running));
    }
done:
    arena_deinit(&scratch);
    return status;
}

tdbplus_status window_compute(struct exec *exec, struct window_call *call,
                              const struct window_rows *rows)
{
    switch ((enum plan_window_kind)call->plan->kind) {
    case WINDOW_AGGREGATE:
        return compute_over_frame(exec, call, rows);
    case WINDOW_ROW_NUMBER:
    case WINDOW_RANK:
    case WINDOW_DENSE_RANK:
    case WINDOW_PERCENT_RANK:
    case WINDOW_CUME_DIST:
        return compute_ranks(exec, call, rows);
    case WINDOW_NTILE:
        return compute_ntile(exec, call, rows);
    case WINDOW_LAG:
    case WINDOW_LEAD:
        return compute_offset(exec, call, rows);
    case WINDOW_LOCF:
        return compute_locf(exec, call, rows);
    case WINDOW_INTERPOLATE:
        return compute_interpolation(exec, call, rows);
    case WINDOW_FIRST_VALUE:
    case WINDOW_LAST_VALUE:
    case WINDOW_NTH_VALUE:
        break;
    }
    return compute_of_frame(exec, call, rows);
}
