/* Rows of arrays: each input row becomes as many as its longest array has. */

#include <string.h>

#include "sql/exec/exec_internal.h"
#include "types/array.h"

struct expand_stage {
    struct stage stage;
    const struct plan *plan;
    struct expr **exprs;
    struct column *arrays; /* Of the batch at work, in `arena`. */
    struct arena arena;
    uint32_t at;     /* Which of the live rows is next. */
    uint32_t offset; /* How many of its rows were made. */
};

/* One piece of work: rows [from, from + count) of an input row. */
struct piece {
    uint32_t row;
    uint32_t from;
    uint32_t count;
    uint32_t first; /* In the output. */
};

static bool gives_arrays(const struct expand_stage *expand, uint32_t e, uint32_t first_column)
{
    return expand->plan->columns[first_column + e].type.id == TYPE_ARRAY;
}

/* How many rows an array stands for; of several dimensions, the first counts where rows are arrays
 * themselves. */
static tdbplus_status open_array(const struct expand_stage *expand, struct exec *exec, uint32_t e,
                                 uint32_t row, struct array *array, uint32_t *count_out)
{
    struct datum value;
    column_get(&expand->arrays[e], row, &value);
    *array = (struct array){0};
    *count_out = 0;
    if (value.is_null) {
        return TDBPLUS_OK;
    }
    TRY(array_open(value.bytes, value.type, array, exec->call->err));
    uint32_t first = expand->plan->left->column_count;
    *count_out = gives_arrays(expand, e, first) && array->count > 0 ? array->dimensions[0].length
                                                                    : array->count;
    return TDBPLUS_OK;
}

static tdbplus_status begin_batch(struct expand_stage *expand, struct exec *exec,
                                  const struct batch *in)
{
    arena_reset(&expand->arena);
    expand->at = 0;
    expand->offset = 0;
    uint32_t count = expand->plan->expr_count;
    expand->arrays = arena_array(&expand->arena, count + 1u, sizeof *expand->arrays);
    if (expand->arrays == NULL) {
        return exec_no_memory(exec);
    }
    struct eval eval = {.exec = exec, .input = in, .arena = &expand->arena};
    struct func_rows rows = batch_rows(in);
    for (uint32_t e = 0; e < count; e++) {
        TRY(eval_expr(&eval, expand->exprs[e], &rows, &expand->arrays[e]));
    }
    return TDBPLUS_OK;
}

/* Chooses what fits into one batch; remembers where to go on. */
static tdbplus_status choose(struct expand_stage *expand, struct exec *exec,
                             const struct func_rows *rows, struct piece *pieces,
                             uint32_t *piece_count, uint32_t *row_count)
{
    *piece_count = 0;
    *row_count = 0;
    while (expand->at < rows->count && *row_count < BATCH_ROW_COUNT_MAX) {
        uint32_t row = rows_at(rows, expand->at);
        uint32_t longest = 0;
        for (uint32_t e = 0; e < expand->plan->expr_count; e++) {
            struct array array;
            uint32_t length = 0;
            TRY(open_array(expand, exec, e, row, &array, &length));
            longest = length > longest ? length : longest;
        }
        uint32_t left = longest - expand->offset;
        uint32_t room = BATCH_ROW_COUNT_MAX - *row_count;
        uint32_t count = left < room ? left : room;
        if (count > 0) {
            pieces[(*piece_count)++] = (struct piece){row, expand->offset, count, *row_count};
        }
        *row_count += count;
        expand->offset += count;
        if (expand->offset == longest) {
            expand->at++;
            expand->offset = 0;
        }
    }
    return TDBPLUS_OK;
}

/* The i-th part of an array along its first dimension, as an array of its own. */
static tdbplus_status take_part(struct exec *exec, const struct array *array, uint32_t i,
                                struct type type, struct arena *arena, struct datum *part_out)
{
    tdbplus_status status = TDBPLUS_OK;
    uint32_t size = array->count / array->dimensions[0].length;
    struct datum *items = arena_alloc(arena, ((size_t)size + 1) * sizeof *items);
    if (items == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t k = 0; k < size; k++) {
        array_get(array, i * size + k, &items[k]);
    }
    struct buffer buffer;
    buffer_init(&buffer, exec->call->alloc);
    struct array_dimension flat = {.length = size, .lower = 1};
    bool nested = array->dimension_count > 1;
    TRY_OR(done, array_encode(array->element, items, nested ? array->dimensions + 1 : &flat,
                              nested ? array->dimension_count - 1 : 1, &buffer, exec->call->err));
    uint8_t *bytes = arena_bytes(arena, buffer.size);
    if (bytes == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    memcpy(bytes, buffer.data, buffer.size);
    *part_out = (struct datum){.type = type, .bytes = {.data = bytes, .size = buffer.size}};
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status fill_items(const struct expand_stage *expand, struct exec *exec, uint32_t e,
                                 const struct piece *pieces, uint32_t piece_count,
                                 struct column *column, struct arena *arena)
{
    bool nested = gives_arrays(expand, e, expand->plan->left->column_count);
    for (uint32_t p = 0; p < piece_count; p++) {
        const struct piece *piece = &pieces[p];
        struct array array;
        uint32_t length = 0;
        TRY(open_array(expand, exec, e, piece->row, &array, &length));
        for (uint32_t i = 0; i < piece->count; i++) {
            struct datum item = {.type = column->type, .is_null = true};
            uint32_t at = piece->from + i;
            if (at < length && nested) {
                TRY(take_part(exec, &array, at, column->type, arena, &item));
            } else if (at < length) {
                array_get(&array, at, &item);
            }
            column_set(column, piece->first + i, &item);
        }
    }
    return TDBPLUS_OK;
}

/* An input column, each value as often as its row became rows. */
static bool repeat_column(const struct column *from, const uint32_t *rows, uint32_t count,
                          struct column *to, struct arena *arena)
{
    *to = *from;
    to->row_count = count;
    if (from->form == COLUMN_CONSTANT) {
        return true;
    }
    uint32_t *codes = arena_alloc(arena, ((size_t)count + 1) * sizeof *codes);
    if (codes == NULL) {
        return false;
    }
    const struct column *dictionary = from->form == COLUMN_DICTIONARY ? from->dictionary : from;
    uint64_t *validity = NULL;
    if (from->form == COLUMN_DICTIONARY && from->validity != NULL) {
        validity = arena_array(arena, count / 64 + 1, sizeof *validity);
        if (validity == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        codes[i] = from->form == COLUMN_DICTIONARY ? from->codes[rows[i]] : rows[i];
        if (validity != NULL && !column_is_null(from, rows[i])) {
            validity[i / 64] |= (uint64_t)1 << (i % 64);
        }
    }
    *to = (struct column){.type = from->type,
                          .form = COLUMN_DICTIONARY,
                          .row_count = count,
                          .codes = codes,
                          .validity = validity,
                          .dictionary = dictionary};
    return true;
}

static tdbplus_status fill_batch(const struct expand_stage *expand, struct exec *exec,
                                 const struct batch *in, const struct piece *pieces,
                                 uint32_t piece_count, struct batch *out)
{
    const struct plan *plan = expand->plan;
    uint32_t before = in->column_count;
    uint32_t *rows = arena_alloc(&out->arena, ((size_t)out->row_count + 1) * sizeof *rows);
    int64_t *numbers = arena_alloc(&out->arena, ((size_t)out->row_count + 1) * sizeof *numbers);
    if (rows == NULL || numbers == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t p = 0; p < piece_count; p++) {
        for (uint32_t i = 0; i < pieces[p].count; i++) {
            rows[pieces[p].first + i] = pieces[p].row;
            numbers[pieces[p].first + i] = (int64_t)pieces[p].from + i + 1;
        }
    }
    for (uint32_t c = 0; c < before; c++) {
        if (!repeat_column(&in->columns[c], rows, out->row_count, &out->columns[c], &out->arena)) {
            return exec_no_memory(exec);
        }
    }
    for (uint32_t e = 0; e < plan->expr_count; e++) {
        struct column *column = &out->columns[before + e];
        if (!column_make(column, plan->columns[before + e].type, out->row_count, true,
                         &out->arena)) {
            return exec_no_memory(exec);
        }
        TRY(fill_items(expand, exec, e, pieces, piece_count, column, &out->arena));
    }
    if (plan->ordinality) {
        out->columns[before + plan->expr_count] = (struct column){
            .type = type_of(TYPE_INT8), .row_count = out->row_count, .data = numbers};
    }
    return TDBPLUS_OK;
}

static tdbplus_status expand_push(struct stage *stage, struct exec *exec, const struct batch *in,
                                  struct batch *out, bool *more_out)
{
    struct expand_stage *expand = (struct expand_stage *)stage;
    struct func_rows rows = batch_rows(in);
    if (expand->arrays == NULL) {
        TRY(begin_batch(expand, exec, in));
    }
    struct piece *pieces =
        arena_alloc(&out->arena, ((size_t)BATCH_ROW_COUNT_MAX + 1) * sizeof *pieces);
    uint32_t piece_count = 0;
    uint32_t row_count = 0;
    if (pieces == NULL) {
        return exec_no_memory(exec);
    }
    TRY(choose(expand, exec, &rows, pieces, &piece_count, &row_count));
    if (!batch_shape(out, expand->plan->column_count, row_count)) {
        return exec_no_memory(exec);
    }
    TRY(fill_batch(expand, exec, in, pieces, piece_count, out));
    *more_out = expand->at < rows.count;
    if (!*more_out) {
        // What was made points into the arena: it is reset when the next batch begins.
        expand->arrays = NULL;
    }
    return TDBPLUS_OK;
}

static void expand_close(struct stage *stage)
{
    arena_deinit(&((struct expand_stage *)stage)->arena);
}

tdbplus_status make_expand(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "expand", .push = expand_push, .close = expand_close};
    struct pipeline below = {0};
    TRY(exec_compile(exec, plan->left, &below));
    struct expand_stage *expand = stage_make(exec, sizeof *expand, &ops, below.last);
    if (expand == NULL) {
        return exec_no_memory(exec);
    }
    expand->plan = plan;
    arena_init(&expand->arena, exec->call->alloc, 0);
    expand->exprs = arena_array(&exec->arena, plan->expr_count + 1u, sizeof *expand->exprs);
    if (expand->exprs == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        TRY(exec_compile_expr(exec, plan->exprs[i], below.columns, below.column_count,
                              &expand->exprs[i]));
    }
    pipeline->last = &expand->stage;
    return TDBPLUS_OK;
}
