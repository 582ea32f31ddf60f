/* f(VARIADIC array): the items of an array that is known become arguments; others go to a function
 * that takes the array itself. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/func/array_func.h"
#include "types/array.h"

/* concat(VARIADIC a) and concat_ws(s, VARIADIC a) of any array. */
static tdbplus_status join_items(struct binder *binder, const char *name, struct expr ***arguments,
                                 uint32_t *count, const char **name_out)
{
    bool plain = strcmp(name, "concat") == 0 && *count == 1;
    bool separated = strcmp(name, "concat_ws") == 0 && *count == 2;
    if (!plain && !separated) {
        return TDBPLUS_OK;
    }
    struct expr **changed = arena_array(binder->arena, 3, sizeof(struct expr *));
    struct datum nothing = {.type = type_of(TYPE_TEXT), .bytes = span_from_text("")};
    if (changed == NULL) {
        return bind_no_memory(binder);
    }
    changed[0] = (*arguments)[*count - 1];
    changed[1] = separated ? (*arguments)[0] : expr_constant(binder->arena, &nothing);
    if (changed[1] == NULL) {
        return bind_no_memory(binder);
    }
    *arguments = changed;
    *count = 2;
    *name_out = "array_to_string";
    return TDBPLUS_OK;
}

/* An untyped literal is an array of texts. */
static tdbplus_status settle_literal(struct binder *binder, struct expr **last)
{
    if ((*last)->type.id != TYPE_NONE) {
        return TDBPLUS_OK;
    }
    return bind_coerce(binder, last, func_array_of(type_of(TYPE_TEXT)), FUNC_CAST_IMPLICIT);
}

static tdbplus_status spread_constant(struct binder *binder, const struct expr *last,
                                      struct expr ***arguments, uint32_t *count)
{
    struct array array;
    TRY(array_open(last->constant.bytes, last->type, &array, binder->err));
    if (*count - 1 + array.count > FUNC_ARGUMENT_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_SQL, "54023", last->position,
                         "cannot pass more than %u arguments to a function",
                         FUNC_ARGUMENT_COUNT_MAX);
    }
    struct expr **all =
        arena_array(binder->arena, (size_t)*count + array.count + 1, sizeof(struct expr *));
    if (all == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(all, *arguments, (*count - 1) * sizeof(struct expr *));
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        all[*count - 1 + i] = expr_constant(binder->arena, &item);
        if (all[*count - 1 + i] == NULL) {
            return bind_no_memory(binder);
        }
        all[*count - 1 + i]->position = last->position;
    }
    *arguments = all;
    *count = *count - 1 + array.count;
    return TDBPLUS_OK;
}

/* ARRAY[a, b] */
static tdbplus_status spread_items(struct binder *binder, const struct expr *last,
                                   struct expr ***arguments, uint32_t *count)
{
    uint32_t more = last->argument_count;
    if (*count - 1 + more > FUNC_ARGUMENT_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_SQL, "54023", last->position,
                         "cannot pass more than %u arguments to a function",
                         FUNC_ARGUMENT_COUNT_MAX);
    }
    struct expr **all =
        arena_array(binder->arena, (size_t)*count + more + 1, sizeof(struct expr *));
    if (all == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(all, *arguments, (*count - 1) * sizeof(struct expr *));
    memcpy(all + *count - 1, last->arguments, more * sizeof(struct expr *));
    *arguments = all;
    *count = *count - 1 + more;
    return TDBPLUS_OK;
}

tdbplus_status bind_variadic(struct binder *binder, const char *name, struct expr ***arguments,
                             uint32_t *count, const char **name_out)
{
    *name_out = name;
    struct expr **last = &(*arguments)[*count - 1];
    TRY(settle_literal(binder, last));
    if ((*last)->type.id != TYPE_ARRAY) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", (*last)->position,
                         "VARIADIC argument must be an array");
    }
    struct type types[FUNC_ARGUMENT_COUNT_MAX];
    struct func_match match;
    for (uint32_t i = 0; i < *count && i < FUNC_ARGUMENT_COUNT_MAX; i++) {
        types[i] = (*arguments)[i]->type;
    }
    bool takes_array = *count <= FUNC_ARGUMENT_COUNT_MAX &&
                       func_resolve(name, false, types, *count, &match) == FUNC_FOUND &&
                       (match.func->flags & FUNC_VARIADIC) == 0;
    if (takes_array) {
        return TDBPLUS_OK;
    }
    if ((*last)->kind == EXPR_CONSTANT && !(*last)->constant.is_null) {
        return spread_constant(binder, *last, arguments, count);
    }
    if ((*last)->kind == EXPR_CALL && (*last)->func == &func_array_make) {
        return spread_items(binder, *last, arguments, count);
    }
    TRY(join_items(binder, name, arguments, count, name_out));
    return strcmp(*name_out, name) != 0
               ? TDBPLUS_OK
               : bind_unsupported(binder, (*last)->position,
                                  "VARIADIC of an array that is not constant, here");
}
