/* interval '90' day: a number without a unit takes the field's. */

#include <string.h>

#include "sql/bind/bind_internal.h"

/* The grammar gives a field as a bit of PostgreSQL's numbering; several bits for DAY TO HOUR. */
static const char *unit_of(int32_t mask)
{
    static const struct {
        int32_t mask;
        const char *unit;
    } units[] = {{1 << 2, " year"},  {1 << 1, " month"},   {1 << 3, " day"},
                 {1 << 10, " hour"}, {1 << 11, " minute"}, {1 << 12, " second"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].mask == mask) {
            return units[i].unit;
        }
    }
    return NULL;
}

tdbplus_status bind_interval_field(struct binder *binder, const struct ast_cast *ast,
                                   struct expr **expr_out)
{
    const struct ast_type_name *name = (const struct ast_type_name *)ast->type;
    const struct ast_constant *text = (const struct ast_constant *)ast->argument;
    if (name->names.count != 1 || name->array_depth > 0 ||
        strcmp(name->names.items[0], "interval") != 0 || name->modifiers.count != 1 ||
        text->ast.kind != AST_CONSTANT || text->constant != AST_STRING) {
        return TDBPLUS_OK;
    }
    const struct ast_constant *mask = (const struct ast_constant *)name->modifiers.items[0];
    const char *unit = mask->ast.kind == AST_CONSTANT && mask->constant == AST_INTEGER
                           ? unit_of(mask->integer)
                           : NULL;
    size_t size = strlen(text->text);
    // A text with units of its own would have to be cut to the field: that is not there yet.
    bool whole = size > 0 && strspn(text->text, "+-0123456789 ") == size;
    if (unit == NULL || !whole) {
        return TDBPLUS_OK;
    }
    char *copy = (char *)arena_bytes(binder->arena, size + 16);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(copy, text->text, size);
    memcpy(copy + size, unit, strlen(unit) + 1);
    struct datum value = {0};
    struct span span = {.data = (const uint8_t *)copy, .size = size + strlen(unit)};
    TRY(func_read(span, type_of(TYPE_INTERVAL), binder->arena, &value, binder->err));
    *expr_out = expr_constant(binder->arena, &value);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}
