/* Giving values the types that their places want. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"
#include "sql/bind/type_info.h"
#include "sql/func/moment.h"
#include "types/catalog_type.h"

static bool style_label(void *ctx, uint32_t list, int64_t ordinal, struct span *label_out)
{
    return type_label_of(((const struct binder *)ctx)->txn, list, ordinal, label_out);
}

static bool style_ordinal(void *ctx, uint32_t list, struct span label, int64_t *ordinal_out)
{
    const struct binder *binder = ctx;
    return binder->view != NULL || binder->stored
               ? type_ordinal_once(binder->txn, list, label, ordinal_out)
               : type_ordinal_of(binder->txn, list, label, ordinal_out);
}

static bool style_next(void *ctx, uint32_t list, int64_t from, int64_t *ordinal_out)
{
    return type_ordinal_next(((const struct binder *)ctx)->txn, list, from, ordinal_out);
}

static bool style_name(void *ctx, uint32_t list, char name_out[ENUM_NAME_SIZE])
{
    const struct binder *binder = ctx;
    return type_name_of(binder->txn, binder->names, list, name_out);
}

/* The session's style, with the labels as the binder's transaction sees them. */
const struct text_style *bind_style(struct binder *binder)
{
    if (!binder->styled) {
        if (binder->session != NULL && binder->session->style != NULL) {
            binder->style = *binder->session->style;
        }
        binder->style.label_of = style_label;
        binder->style.ordinal_of = style_ordinal;
        binder->style.ordinal_next = style_next;
        binder->style.enum_name = style_name;
        binder->style.ctx = binder;
        binder->styled = true;
    }
    return &binder->style;
}

void bind_show_type(struct binder *binder, struct type type, char text[64])
{
    func_type_name_as(type, bind_style(binder), text);
}

/* What was read of a label holds while the type has it. */
static tdbplus_status depend_on_labels(struct binder *binder, struct type type)
{
    bool labels = type.id == TYPE_ENUM || (type.id == TYPE_ARRAY && type.element == TYPE_ENUM);
    const struct object *object = labels ? txn_object_by_id(binder->txn, type.parameter) : NULL;
    return object == NULL ? TDBPLUS_OK : bind_depends_on(binder, object);
}

tdbplus_status bind_labels_as_text(struct binder *binder, const char *function,
                                   struct expr **arguments, uint32_t count)
{
    static const char *const beginnings[] = {"json", "to_json", "array_to_json", "row_to_json"};
    bool makes = false;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        makes = makes || strncmp(function, beginnings[i], strlen(beginnings[i])) == 0;
    }
    for (uint32_t i = 0; makes && i < count; i++) {
        struct type type = arguments[i]->type;
        if (type.id == TYPE_ENUM) {
            TRY(bind_coerce(binder, &arguments[i], type_of(TYPE_TEXT), FUNC_CAST_EXPLICIT));
        } else if (type.id == TYPE_ARRAY && type.element == TYPE_ENUM) {
            TRY(bind_coerce(binder, &arguments[i], func_array_of(type_of(TYPE_TEXT)),
                            FUNC_CAST_EXPLICIT));
        }
    }
    return TDBPLUS_OK;
}

/* Literals are read now, so that a wrong one is an error at its place in the text. */
static tdbplus_status coerce_literal(struct binder *binder, struct expr **expr, struct type type)
{
    struct datum value = {.type = type, .is_null = (*expr)->constant.is_null};
    if (type.id == TYPE_VECTOR && type.parameter == 0) {
        // '[1,2,3]'::vector: the literal says how many components there are.
        type.parameter = 1;
        for (size_t i = 0; !value.is_null && i < (*expr)->constant.bytes.size; i++) {
            type.parameter += (*expr)->constant.bytes.data[i] == ',';
        }
        value.type = type;
    }
    if (!value.is_null) {
        struct type base = func_type_base(type);
        tdbplus_status status = func_read_as((*expr)->constant.bytes, base, bind_style(binder),
                                             binder->arena, &value, binder->err);
        if (status != TDBPLUS_OK) {
            if (binder->err != NULL && binder->err->position == 0) {
                binder->err->position = parse_character(binder->text, (*expr)->position);
            }
            return status;
        }
        value.type = base;
        TRY(depend_on_labels(binder, base));
    }
    struct expr *constant = expr_constant(binder->arena, &value);
    if (constant == NULL) {
        return bind_no_memory(binder);
    }
    constant->position = (*expr)->position;
    *expr = constant;
    return TDBPLUS_OK;
}

/* 'book'::regclass: what has that name is looked up when the statement runs, not now. */
static bool is_reg_name(const struct expr *expr, struct type type)
{
    if (expr->type.id != TYPE_NONE || expr->kind != EXPR_CONSTANT || expr->constant.is_null ||
        !catalog_reg_type(type)) {
        return false;
    }
    struct span text = expr->constant.bytes;
    return text.size > 0 && (text.data[0] < '0' || text.data[0] > '9');
}

/* 'now', 'tomorrow 08:00': what it means is looked up when the statement runs, too. */
static bool is_moment(const struct expr *expr, struct type type)
{
    bool timed = type.id == TYPE_DATE || type.id == TYPE_TIME || type.id == TYPE_TIMETZ ||
                 type.id == TYPE_TIMESTAMP || type.id == TYPE_TIMESTAMPTZ;
    return timed && expr->type.id == TYPE_NONE && expr->kind == EXPR_CONSTANT &&
           !expr->constant.is_null && moment_in(expr->constant.bytes);
}

static tdbplus_status name_literal(struct binder *binder, struct expr **expr)
{
    struct datum value = {.type = type_of(TYPE_TEXT), .bytes = (*expr)->constant.bytes};
    struct expr *constant = expr_constant(binder->arena, &value);
    if (constant == NULL) {
        return bind_no_memory(binder);
    }
    constant->position = (*expr)->position;
    *expr = constant;
    return TDBPLUS_OK;
}

/* The first use decides what an untyped parameter is. */
static tdbplus_status coerce_parameter(struct binder *binder, struct expr **expr, struct type type)
{
    struct type *declared = &binder->parameters[(*expr)->number];
    if (declared->id == TYPE_NONE) {
        *declared = func_type_base(type);
    }
    (*expr)->type = *declared;
    return TDBPLUS_OK;
}

static tdbplus_status add_steps(struct binder *binder, struct expr **expr,
                                const struct func_cast_step *steps, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct expr *call = expr_call(binder->arena, steps[i].func, steps[i].type, 1);
        if (call == NULL) {
            return bind_no_memory(binder);
        }
        call->arguments[0] = *expr;
        call->position = (*expr)->position;
        *expr = call;
    }
    return TDBPLUS_OK;
}

/* The same value under another length: a copy, since the node may be shared. What a call gives
 * depends on its type (a cast cuts to its length), so a call stays as it is inside of another. */
static tdbplus_status relabel(struct binder *binder, struct expr **expr, struct type type)
{
    if ((*expr)->kind == EXPR_CALL) {
        struct func_cast_step step = {.func = func_relabel(), .type = type};
        return add_steps(binder, expr, &step, 1);
    }
    struct expr *copy = arena_array(binder->arena, 1, sizeof *copy);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    *copy = **expr;
    copy->type = type;
    *expr = copy;
    return TDBPLUS_OK;
}

tdbplus_status bind_try_coerce(struct binder *binder, struct expr **expr, struct type type,
                               enum func_cast_context context, bool *done_out)
{
    *done_out = true;
    if (is_reg_name(*expr, type)) {
        TRY(name_literal(binder, expr));
        context = FUNC_CAST_EXPLICIT;
    } else if (is_moment(*expr, type)) {
        struct func_cast_step moment = {.func = &func_moment, .type = type_of(TYPE_TEXT)};
        TRY(name_literal(binder, expr));
        TRY(add_steps(binder, expr, &moment, 1));
        context = FUNC_CAST_EXPLICIT;
    } else if ((*expr)->type.id == TYPE_NONE && (*expr)->kind == EXPR_CONSTANT) {
        TRY(coerce_literal(binder, expr, type));
    } else if ((*expr)->type.id == TYPE_NONE && (*expr)->kind == EXPR_PARAMETER) {
        TRY(coerce_parameter(binder, expr, type));
    }
    struct func_cast_step steps[FUNC_CAST_STEPS_MAX];
    int32_t count = func_cast_path((*expr)->type, type, context, steps);
    if (count < 0) {
        *done_out = false;
        return TDBPLUS_OK;
    }
    if (count == 0 && type.id == TYPE_TEXT && (*expr)->type.id == TYPE_TEXT &&
        (*expr)->type.parameter != type.parameter) {
        return relabel(binder, expr, type);
    }
    return add_steps(binder, expr, steps, count);
}

tdbplus_status bind_coerce(struct binder *binder, struct expr **expr, struct type type,
                           enum func_cast_context context)
{
    bool done = false;
    TRY(bind_try_coerce(binder, expr, type, context, &done));
    if (!done) {
        char from[64];
        char to[64];
        bind_show_type(binder, (*expr)->type, from);
        bind_show_type(binder, type, to);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42846", (*expr)->position,
                         "cannot cast type %s to %s", from, to);
    }
    return TDBPLUS_OK;
}

/* Types of one category have a common type, of which one is not to be had. */
static tdbplus_status not_converted(struct binder *binder, const struct expr *expr,
                                    const char *what, bool first, struct type common)
{
    char from[64];
    char to[64];
    const char *part = strcmp(what, "CASE") != 0 ? "" : first ? "/ELSE" : "/WHEN";
    bind_show_type(binder, expr->type, from);
    bind_show_type(binder, common, to);
    return bind_fail(binder, TDBPLUS_E_TYPE, "42846", expr->position,
                     "%s%s could not convert type %s to %s", what, part, from, to);
}

tdbplus_status bind_unify(struct binder *binder, struct expr ***exprs, uint32_t count,
                          const char *what, struct type *type_out)
{
    struct type *types = arena_array(binder->arena, (size_t)count + 1, sizeof *types);
    if (types == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        types[i] = (*exprs[i])->type;
    }
    struct type common = {0};
    uint32_t conflict = 0;
    if (!func_common_type(types, count, &common, &conflict)) {
        if (common.id != TYPE_NONE) {
            return not_converted(binder, *exprs[conflict], what, conflict == 0, common);
        }
        char first[64];
        char second[64];
        uint32_t known = 0;
        while (types[known].id == TYPE_NONE) {
            known++;
        }
        bind_show_type(binder, types[known], first);
        bind_show_type(binder, types[conflict], second);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", (*exprs[conflict])->position,
                         "%s types %s and %s cannot be matched", what, first, second);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(bind_coerce(binder, exprs[i], common, FUNC_CAST_IMPLICIT));
    }
    *type_out = common;
    return TDBPLUS_OK;
}

tdbplus_status bind_condition(struct binder *binder, struct bind_query *query,
                              const struct ast *ast, const char *clause, struct expr **expr_out)
{
    struct expr *expr = NULL;
    TRY(bind_expression(binder, query, ast, &expr));
    bool done = false;
    bool member = expr->path;
    TRY(member ? document_as_text(binder, &expr) : TDBPLUS_OK);
    TRY(bind_try_coerce(binder, &expr, type_of(TYPE_BOOL),
                        member ? FUNC_CAST_EXPLICIT : FUNC_CAST_IMPLICIT, &done));
    if (!done) {
        char name[64];
        bind_show_type(binder, expr->type, name);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", expr->position,
                         "argument of %s must be type boolean, not type %s", clause, name);
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}
