/* Comparisons of a stored column with a value become conditions of the scan, which leaves out whole
 * pages by them; those of the key's first columns become bounds of the key. */

#include <string.h>

#include "sql/opt/opt_internal.h"

#define NARROW_KEYS_MAX 10000u

static int32_t stored_position(const struct plan *scan, const struct expr *expr)
{
    if (expr->kind != EXPR_COLUMN) {
        return -1;
    }
    for (uint32_t i = 0; i < scan->column_count; i++) {
        if (scan->columns[i].id == expr->number) {
            return (int32_t)(scan->kind == PLAN_FILE ? scan->file.positions[i]
                                                     : scan->scan.positions[i]);
        }
    }
    return -1;
}

/* Known before the first row is read: constants, parameters, columns of outer rows. */
bool opt_known_before(const struct plan *scan, const struct expr *expr)
{
    if (expr->kind == EXPR_SUBQUERY || stored_position(scan, expr) >= 0 || expr_volatile(expr)) {
        return false;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!opt_known_before(scan, expr->arguments[i])) {
            return false;
        }
    }
    return true;
}

int32_t opt_compare_of(const char *name, bool swapped)
{
    static const struct {
        const char *name;
        int32_t compare;
        int32_t swapped;
    } compares[] = {
        {"=", SCAN_EQUAL, SCAN_EQUAL},
        {"<", SCAN_LESS, SCAN_GREATER},
        {"<=", SCAN_LESS_EQUAL, SCAN_GREATER_EQUAL},
        {">", SCAN_GREATER, SCAN_LESS},
        {">=", SCAN_GREATER_EQUAL, SCAN_LESS_EQUAL},
    };
    for (size_t i = 0; i < sizeof compares / sizeof *compares; i++) {
        if (strcmp(compares[i].name, name) == 0) {
            return swapped ? compares[i].swapped : compares[i].compare;
        }
    }
    return -1;
}

static bool match_comparison(struct optimizer *optimizer, const struct plan *scan,
                             const struct expr *expr, struct plan_condition *condition)
{
    if (expr->kind != EXPR_CALL || expr->argument_count != 2 ||
        (expr->func->flags & FUNC_OPERATOR) == 0 || expr->type.id != TYPE_BOOL) {
        return false;
    }
    for (uint32_t side = 0; side < 2; side++) {
        struct expr *value = expr->arguments[1 - side];
        const struct expr *column = opt_below_cast(expr->arguments[side]);
        int32_t position = stored_position(scan, column);
        int32_t compare = opt_compare_of(expr->func->name, side == 1);
        if (position < 0 || compare < 0 || !opt_known_before(scan, value)) {
            continue;
        }
        struct type stored = scan->kind == PLAN_FILE
                                 ? scan->file.spec->columns[position].type
                                 : scan->scan.object->schema->columns[position].type;
        uint8_t exact = (uint8_t)compare;
        if (column != expr->arguments[side]) {
            if (!opt_scan_constant(optimizer, stored, value, &exact, &value)) {
                continue;
            }
            *condition = (struct plan_condition){(uint32_t)position, exact, value};
            return true;
        }
        // The scan compares values of one type and form; jsonb has operators of its own.
        if (stored.id != value->type.id || stored.id == TYPE_JSON || stored.id == TYPE_NUMERIC) {
            continue;
        }
        *condition = (struct plan_condition){(uint32_t)position, (uint8_t)compare, value};
        return true;
    }
    return false;
}

static bool match(struct optimizer *optimizer, const struct plan *scan, const struct expr *expr,
                  struct plan_condition *condition)
{
    if (expr->kind == EXPR_IS_NULL) {
        int32_t position = stored_position(scan, expr->arguments[0]);
        *condition = (struct plan_condition){(uint32_t)position,
                                             expr->negated ? SCAN_IS_NOT_NULL : SCAN_IS_NULL, NULL};
        return position >= 0;
    }
    return match_comparison(optimizer, scan, expr, condition);
}

/* The scan's condition of that kind on a column, or NULL. */
static const struct plan_condition *find(const struct plan_scan *scan, uint32_t position,
                                         uint8_t compare, uint8_t or_compare)
{
    for (uint32_t i = 0; i < scan->condition_count; i++) {
        const struct plan_condition *condition = &scan->conditions[i];
        if (condition->position == position &&
            (condition->compare == compare || condition->compare == or_compare)) {
            return condition;
        }
    }
    return NULL;
}

static void add_bound(struct plan_bound *bound, const struct plan_condition *condition)
{
    if (condition != NULL) {
        bound->values[bound->value_count++] = condition->value;
        bound->exclusive = condition->compare == SCAN_LESS || condition->compare == SCAN_GREATER;
    }
}

/* Values of the last key column between its bounds; false if they are not constants. */
static bool width_of(const struct plan_bound *lower, const struct plan_bound *upper,
                     uint64_t *width_out)
{
    const struct expr *from = lower->values[lower->value_count - 1];
    const struct expr *to = upper->values[upper->value_count - 1];
    bool integers =
        from->type.id == to->type.id &&
        (from->type.id == TYPE_INT2 || from->type.id == TYPE_INT4 || from->type.id == TYPE_INT8);
    if (from->kind != EXPR_CONSTANT || to->kind != EXPR_CONSTANT || !integers ||
        from->constant.is_null || to->constant.is_null) {
        return false;
    }
    *width_out = (uint64_t)to->constant.integer - (uint64_t)from->constant.integer;
    return true;
}

/*
 * A range of few keys is found by seeking each of its ends, which only a scan in the key's order
 * does; one in the order of storage looks at every row that is not in a segment yet. Without
 * constants the statement is one that is prepared, and those rarely ask for much.
 */
static bool is_narrow(const struct plan_scan *scan)
{
    uint64_t width = 0;
    if (scan->lower.value_count == 0 || scan->lower.value_count != scan->upper.value_count) {
        return false;
    }
    return !width_of(&scan->lower, &scan->upper, &width) || width <= NARROW_KEYS_MAX;
}

static tdbplus_status bound_key(struct optimizer *optimizer, struct plan_scan *scan)
{
    const struct schema *schema = scan->object->schema;
    scan->lower.values =
        arena_array(optimizer->arena, schema->key_count, sizeof *scan->lower.values);
    scan->upper.values =
        arena_array(optimizer->arena, schema->key_count, sizeof *scan->upper.values);
    if (scan->lower.values == NULL || scan->upper.values == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint32_t k = 0; k < schema->key_count; k++) {
        uint32_t position = schema->key_columns[k];
        const struct plan_condition *equal = find(scan, position, SCAN_EQUAL, SCAN_EQUAL);
        if (equal != NULL) {
            add_bound(&scan->lower, equal);
            add_bound(&scan->upper, equal);
            continue;
        }
        add_bound(&scan->lower, find(scan, position, SCAN_GREATER, SCAN_GREATER_EQUAL));
        add_bound(&scan->upper, find(scan, position, SCAN_LESS, SCAN_LESS_EQUAL));
        break;
    }
    if (is_narrow(scan)) {
        scan->order = SCAN_ASCENDING;
        scan->narrow = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status take_conditions(struct optimizer *optimizer, struct plan **plan)
{
    struct plan *filter = *plan;
    struct plan *scan = filter->left;
    struct plan_condition *conditions =
        arena_array(optimizer->arena, filter->expr_count, sizeof *conditions);
    if (conditions == NULL) {
        return opt_no_memory(optimizer);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        struct plan_condition condition;
        if (match(optimizer, scan, filter->exprs[i], &condition)) {
            conditions[scan->scan.condition_count++] = condition;
        } else {
            filter->exprs[kept++] = filter->exprs[i];
        }
    }
    scan->scan.conditions = conditions;
    scan->rows = filter->rows; // What a scan drops by itself was counted above it.
    filter->expr_count = kept;
    if (kept == 0) {
        *plan = scan;
    }
    return bound_key(optimizer, &scan->scan);
}

/* Files are told the conditions, and may ignore them. */
static tdbplus_status note_conditions(struct optimizer *optimizer, struct plan *filter)
{
    struct plan *file = filter->left;
    file->file.conditions =
        arena_array(optimizer->arena, filter->expr_count + 1u, sizeof *file->file.conditions);
    if (file->file.conditions == NULL) {
        return opt_no_memory(optimizer);
    }
    file->file.condition_count = 0;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        struct plan_condition condition;
        if (match(optimizer, file, filter->exprs[i], &condition)) {
            file->file.conditions[file->file.condition_count++] = condition;
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status opt_scan_bounds(struct optimizer *optimizer, struct plan **plan)
{
    if (*plan == NULL) {
        return TDBPLUS_OK;
    }
    if ((*plan)->kind == PLAN_FILTER && (*plan)->left->kind == PLAN_SCAN) {
        return take_conditions(optimizer, plan);
    }
    if ((*plan)->kind == PLAN_FILTER && (*plan)->left->kind == PLAN_FILE) {
        return note_conditions(optimizer, *plan);
    }
    TRY(opt_scan_bounds(optimizer, &(*plan)->left));
    return opt_scan_bounds(optimizer, &(*plan)->right);
}
