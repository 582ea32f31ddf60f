/* Frames of windows: ROWS, RANGE and GROUPS with their bounds. */

#include "sql/bind/bind_internal.h"

/* PostgreSQL's bits in ast_window.frame_options. */
enum {
    OPTION_NONDEFAULT = 0x00001,
    OPTION_ROWS = 0x00004,
    OPTION_GROUPS = 0x00008,
    OPTION_START_UNBOUNDED_PRECEDING = 0x00020,
    OPTION_END_UNBOUNDED_FOLLOWING = 0x00100,
    OPTION_START_CURRENT = 0x00200,
    OPTION_END_CURRENT = 0x00400,
    OPTION_START_PRECEDING = 0x00800,
    OPTION_END_PRECEDING = 0x01000,
    OPTION_START_FOLLOWING = 0x02000,
    OPTION_END_FOLLOWING = 0x04000,
    OPTION_EXCLUDE_CURRENT = 0x08000,
    OPTION_EXCLUDE_GROUP = 0x10000,
    OPTION_EXCLUDE_TIES = 0x20000,
};

static void read_options(int32_t options, struct plan_frame *frame)
{
    frame->mode = (options & OPTION_ROWS) != 0     ? FRAME_ROWS
                  : (options & OPTION_GROUPS) != 0 ? FRAME_GROUPS
                                                   : FRAME_RANGE;
    frame->start = (options & OPTION_START_UNBOUNDED_PRECEDING) != 0 ? FRAME_UNBOUNDED_PRECEDING
                   : (options & OPTION_START_PRECEDING) != 0         ? FRAME_PRECEDING
                   : (options & OPTION_START_FOLLOWING) != 0         ? FRAME_FOLLOWING
                                                                     : FRAME_CURRENT;
    frame->end = (options & OPTION_END_UNBOUNDED_FOLLOWING) != 0 ? FRAME_UNBOUNDED_FOLLOWING
                 : (options & OPTION_END_PRECEDING) != 0         ? FRAME_PRECEDING
                 : (options & OPTION_END_FOLLOWING) != 0         ? FRAME_FOLLOWING
                                                                 : FRAME_CURRENT;
    frame->exclude = (options & OPTION_EXCLUDE_CURRENT) != 0 ? FRAME_EXCLUDE_CURRENT
                     : (options & OPTION_EXCLUDE_GROUP) != 0 ? FRAME_EXCLUDE_GROUP
                     : (options & OPTION_EXCLUDE_TIES) != 0  ? FRAME_EXCLUDE_TIES
                                                             : FRAME_EXCLUDE_NONE;
}

/* What may be added to a value of the ORDER BY column; TYPE_NONE: nothing. */
static enum type_id offset_type(struct type column)
{
    switch (column.id) {
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        return TYPE_INT8;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        return TYPE_FLOAT8;
    case TYPE_NUMERIC:
        return TYPE_NUMERIC;
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
    case TYPE_INTERVAL:
        return TYPE_INTERVAL;
    default:
        return TYPE_NONE;
    }
}

static tdbplus_status range_offset(struct binder *binder, const struct bind_window *window,
                                   struct expr **expr)
{
    struct type column = window->keys[0].value->type;
    struct type wanted = type_of(offset_type(column));
    char name[64];
    char given[64];
    bind_show_type(binder, column, name);
    bind_show_type(binder, (*expr)->type, given);
    if (wanted.id == TYPE_NONE) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", (*expr)->position,
                         "RANGE with offset PRECEDING/FOLLOWING is not supported for column type "
                         "%s",
                         name);
    }
    if ((*expr)->type.id == TYPE_NONE && wanted.id == TYPE_INT8) {
        // As PostgreSQL: an offset written as a literal has the column's own range.
        TRY(bind_coerce(binder, expr, column, FUNC_CAST_IMPLICIT));
    }
    bool done = false;
    TRY(bind_try_coerce(binder, expr, wanted, FUNC_CAST_IMPLICIT, &done));
    if (!done) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", (*expr)->position,
                      "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s "
                      "and offset type %s",
                      name, given);
        err_hint(binder->err, "Cast the offset value to an appropriate type.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_offset(struct binder *binder, struct bind_query *query,
                                  const struct bind_window *window, const struct ast *ast,
                                  struct expr **expr_out)
{
    static const char *const names[] = {
        [FRAME_RANGE] = "RANGE", [FRAME_ROWS] = "ROWS", [FRAME_GROUPS] = "GROUPS"};
    if (ast == NULL) {
        return TDBPLUS_OK;
    }
    const char *name = names[window->frame.mode];
    struct expr *expr = NULL;
    TRY(bind_expression(binder, query, ast, &expr));
    if (window->frame.mode == FRAME_RANGE) {
        TRY(range_offset(binder, window, &expr));
    } else {
        bool done = false;
        TRY(bind_try_coerce(binder, &expr, type_of(TYPE_INT8), FUNC_CAST_ASSIGNMENT, &done));
        if (!done) {
            char type[64];
            bind_show_type(binder, expr->type, type);
            return bind_fail(binder, TDBPLUS_E_TYPE, "42804", ast->position,
                             "argument of %s must be type bigint, not type %s", name, type);
        }
    }
    // A column of an outer query would be fine; one of this query is not.
    if (bind_reads_level(query, expr)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->position,
                         "argument of %s must not contain variables", name);
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}

tdbplus_status bind_frame(struct binder *binder, struct bind_query *query,
                          const struct ast_window *ast, struct bind_window *window)
{
    struct plan_frame *frame = &window->frame;
    read_options(ast->frame_options, frame);
    window->framed = (ast->frame_options & OPTION_NONDEFAULT) != 0;
    bool offsets = ast->start_offset != NULL || ast->end_offset != NULL;
    if (frame->mode == FRAME_RANGE && offsets && window->key_count != 1) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", ast->ast.position,
                         "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY "
                         "column");
    }
    if (frame->mode == FRAME_GROUPS && window->key_count == 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", ast->ast.position,
                         "GROUPS mode requires an ORDER BY clause");
    }
    TRY(bind_offset(binder, query, window, ast->start_offset, &frame->start_offset));
    return bind_offset(binder, query, window, ast->end_offset, &frame->end_offset);
}
