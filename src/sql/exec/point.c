#include "sql/exec/point.h"

#include "sql/exec/exec_internal.h"

/* A parameter or constant of exactly the column's type. */
static bool read_value(const struct expr *expr, struct type type, struct point_value *value)
{
    if (expr == NULL || !type_equal(expr->type, type)) {
        return false;
    }
    if (expr->kind == EXPR_PARAMETER) {
        *value = (struct point_value){.is_parameter = true, .parameter = expr->number};
        return true;
    }
    if (expr->kind == EXPR_CONSTANT && type_equal(expr->constant.type, type)) {
        *value = (struct point_value){.constant = &expr->constant};
        return true;
    }
    return false;
}

/* The key's values: one range of the primary key with nothing else asked for. */
static bool read_key(const struct plan *scan, struct point *point)
{
    const struct plan_access *access = scan->scan.access;
    if (access == NULL || access->probe_count != 1 || access->ordered) {
        return false;
    }
    const struct plan_probe *probe = &access->probes[0];
    const struct schema *schema = scan->scan.object->schema;
    if (probe->index->id != 0 || probe->equal_count != schema->key_count ||
        scan->scan.condition_count != schema->key_count ||
        schema->key_count > POINT_VALUE_COUNT_MAX) {
        return false;
    }
    for (uint32_t k = 0; k < schema->key_count; k++) {
        struct type type = schema->columns[schema->key_columns[k]].type;
        if (!read_value(probe->equal[k], type, &point->values[k])) {
            return false;
        }
    }
    point->value_count = schema->key_count;
    return true;
}

/* The values of all columns of a unique index over plain columns, and nothing else. */
static bool read_index(const struct plan *scan, struct point *point)
{
    const struct plan_access *access = scan->scan.access;
    if (access == NULL || access->probe_count != 1 || access->ordered) {
        return false;
    }
    const struct plan_probe *probe = &access->probes[0];
    const struct plan_index *index = probe->index;
    const struct schema *schema = scan->scan.object->schema;
    if (index->id == 0 || !index->unique || index->hash || index->predicate != NULL ||
        probe->equal_count != index->column_count || index->column_count > POINT_VALUE_COUNT_MAX ||
        scan->scan.condition_count != index->column_count) {
        return false;
    }
    for (uint32_t i = 0; i < index->column_count; i++) {
        uint32_t position = index->positions[i];
        if (position >= schema->column_count ||
            !read_value(probe->equal[i], schema->columns[position].type, &point->values[i])) {
            return false;
        }
    }
    point->index_id = index->id;
    point->index_positions = index->positions;
    point->value_count = index->column_count;
    return true;
}

static bool read_select(const struct plan *plan, struct point *point)
{
    const struct plan *scan = plan->kind == PLAN_PROJECT ? plan->left : plan;
    if (scan->kind != PLAN_SCAN || plan->column_count > POINT_VALUE_COUNT_MAX ||
        !(read_key(scan, point) || read_index(scan, point))) {
        return false;
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        uint32_t id = plan->columns[i].id;
        if (plan->kind == PLAN_PROJECT) {
            if (plan->exprs[i]->kind != EXPR_COLUMN) {
                return false;
            }
            id = plan->exprs[i]->number;
        }
        uint32_t at = 0;
        while (at < scan->column_count && scan->columns[at].id != id) {
            at++;
        }
        if (at == scan->column_count) {
            return false;
        }
        point->positions[i] = scan->scan.positions[at];
    }
    point->position_count = plan->column_count;
    point->object_id = scan->scan.object->id;
    point->revision = scan->scan.object->revision;
    return true;
}

static bool read_insert(const struct plan *plan, struct point *point)
{
    const struct plan_change *change = &plan->change;
    const struct plan *values = plan->left;
    const struct schema *schema = change->object->schema;
    if (values->kind != PLAN_VALUES || values->row_count != 1 || plan->column_count > 0 ||
        change->has_hidden_key || change->check_count > 0 || change->conflict != CONFLICT_ERROR ||
        schema->column_count > POINT_VALUE_COUNT_MAX ||
        values->expr_count != schema->column_count) {
        return false;
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (!read_value(values->exprs[i], schema->columns[i].type, &point->values[i])) {
            return false;
        }
    }
    point->value_count = schema->column_count;
    point->object_id = change->object->id;
    point->revision = change->object->revision;
    return true;
}

/* The row with the key, whatever else it holds. */
static bool read_delete(const struct plan *plan, struct point *point)
{
    const struct plan *scan = plan->left->kind == PLAN_PROJECT ? plan->left->left : plan->left;
    if (plan->column_count > 0 || scan->kind != PLAN_SCAN || !read_key(scan, point)) {
        return false;
    }
    point->object_id = scan->scan.object->id;
    point->revision = scan->scan.object->revision;
    return plan->change.object->id == point->object_id;
}

/* ---- UPDATE ---- */

#define POINT_DEPTH_MAX     8u
#define POINT_ARGUMENTS_MAX 4u

static uint32_t find_column(const struct plan *scan, uint32_t id)
{
    uint32_t at = 0;
    while (at < scan->column_count && scan->columns[at].id != id) {
        at++;
    }
    return at;
}

/* True for what point_modify() computes: calls that need neither rows nor a statement's time. */
static bool is_simple(const struct expr *expr, const struct plan *scan, uint32_t depth)
{
    switch (expr->kind) {
    case EXPR_CONSTANT:
    case EXPR_PARAMETER:
        return true;
    case EXPR_COLUMN:
        return find_column(scan, expr->number) < scan->column_count;
    case EXPR_CALL:
        break;
    default:
        return false;
    }
    bool simple = depth < POINT_DEPTH_MAX && expr->argument_count <= POINT_ARGUMENTS_MAX &&
                  (expr->func->flags & (FUNC_VOLATILE | FUNC_STABLE | FUNC_SET)) == 0;
    for (uint32_t i = 0; simple && i < expr->argument_count; i++) {
        simple = is_simple(expr->arguments[i], scan, depth + 1);
    }
    return simple;
}

static bool is_key(const struct schema *schema, uint32_t position)
{
    for (uint32_t k = 0; k < schema->key_count; k++) {
        if (schema->key_columns[k] == position) {
            return true;
        }
    }
    return false;
}

/* The row with the key, whose key stays. */
static bool read_update(const struct plan *plan, struct point *point)
{
    const struct plan *project = plan->left;
    const struct schema *schema = plan->change.object->schema;
    if (plan->column_count > 0 || plan->change.check_count > 0 || project->kind != PLAN_PROJECT ||
        project->left->kind != PLAN_SCAN || !read_key(project->left, point) ||
        project->expr_count != schema->key_count + schema->column_count) {
        return false;
    }
    const struct plan *scan = project->left;
    struct expr *const *updates = project->exprs + schema->key_count;
    if (scan->scan.object->id != plan->change.object->id) {
        return false;
    }
    for (uint32_t c = 0; c < schema->column_count; c++) {
        uint32_t at = updates[c]->kind == EXPR_COLUMN ? find_column(scan, updates[c]->number)
                                                      : scan->column_count;
        bool same = at < scan->column_count && scan->scan.positions[at] == c;
        if (!same && (is_key(schema, c) || !type_equal(updates[c]->type, schema->columns[c].type) ||
                      !is_simple(updates[c], scan, 0))) {
            return false;
        }
    }
    point->scan = scan;
    point->updates = updates;
    point->object_id = scan->scan.object->id;
    point->revision = scan->scan.object->revision;
    return true;
}

static tdbplus_status compute(const struct point_run *run, const struct expr *expr,
                              const struct datum *old, struct datum *out)
{
    if (expr->kind == EXPR_COLUMN) {
        *out = old[run->point->scan->scan.positions[find_column(run->point->scan, expr->number)]];
        return TDBPLUS_OK;
    }
    if (expr->kind != EXPR_CALL) {
        *out = expr->kind == EXPR_PARAMETER ? run->parameters[expr->number] : expr->constant;
        return TDBPLUS_OK;
    }
    struct datum arguments[POINT_ARGUMENTS_MAX];
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        TRY(compute(run, expr->arguments[i], old, &arguments[i]));
    }
    TRY(func_apply_once(expr->func, expr->type, arguments, expr->argument_count, run->arena,
                        run->context, out, run->err));
    out->type = expr->type;
    return TDBPLUS_OK;
}

tdbplus_status point_modify(void *context, const struct datum *old, struct datum *fresh)
{
    const struct point_run *run = context;
    const struct schema *schema = run->point->scan->scan.object->schema;
    for (uint32_t c = 0; c < schema->column_count; c++) {
        TRY(compute(run, run->point->updates[c], old, &fresh[c]));
    }
    return TDBPLUS_OK;
}

void point_of(const struct sql_prepared *prepared, struct point *point_out)
{
    const struct plan *plan = sql_prepared_plan(prepared);
    *point_out = (struct point){0};
    if (plan == NULL) {
        return;
    }
    if (plan->kind == PLAN_INSERT && read_insert(plan, point_out)) {
        point_out->kind = POINT_INSERT;
    } else if (plan->kind == PLAN_DELETE && read_delete(plan, point_out)) {
        point_out->kind = POINT_DELETE;
    } else if (plan->kind == PLAN_UPDATE && read_update(plan, point_out)) {
        point_out->kind = POINT_UPDATE;
    } else if (plan->kind <= PLAN_PROJECT && read_select(plan, point_out)) {
        point_out->kind = POINT_SELECT;
    }
}

void point_fill(const struct point *point, const struct datum *parameters, struct datum *values_out)
{
    for (uint32_t i = 0; i < point->value_count; i++) {
        values_out[i] = point->values[i].is_parameter ? parameters[point->values[i].parameter]
                                                      : *point->values[i].constant;
    }
}
