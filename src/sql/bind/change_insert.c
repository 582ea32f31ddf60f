/* INSERT, its ON CONFLICT, and COPY FROM. */

#include "sql/bind/change.h"
#include "sql/bind/document.h"

/* For each column of the schema, which value of the source it gets; UINT32_MAX: its default. */
tdbplus_status change_map_columns(struct binder *binder, const struct change_target *target,
                                  const struct ast_insert *ast, uint32_t **map_out,
                                  uint32_t *listed_out)
{
    uint32_t *map = arena_array(binder->arena, target->schema->column_count + 1u, sizeof *map);
    if (map == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < target->schema->column_count; i++) {
        bool all =
            ast->columns.count == 0 && target->view.layer_count == 0 && !target->info.documents;
        map[i] = all && i < target->visible_count ? i : UINT32_MAX;
    }
    if (target->info.documents && ast->columns.count == 0 && target->view.layer_count == 0) {
        map[document_position(target->schema)] = 0; // One value a row: the document.
    }
    for (uint32_t i = 0; ast->columns.count == 0 && i < target->values.count; i++) {
        if (target->values.values[i].position != UINT32_MAX) {
            map[target->values.values[i].position] = i;
        }
    }
    for (uint32_t i = 0; i < ast->columns.count; i++) {
        const struct ast_target *column = (const struct ast_target *)ast->columns.items[i];
        uint32_t position = 0;
        TRY(change_find_position(binder, target, column, &position));
        if (column->indirection.count > 0) {
            return bind_unsupported(binder, column->ast.position, "inserting a part of a column");
        }
        change_mark(target, column->name, position, true);
        if (map[position] != UINT32_MAX) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42701", column->ast.position,
                             "column \"%s\" specified more than once", column->name);
        }
        map[position] = i;
    }
    if (ast->columns.count == 0) {
        change_mark_all(target);
    }
    *map_out = map;
    bool document = target->info.documents && target->view.layer_count == 0;
    *listed_out = ast->columns.count > 0 ? ast->columns.count : document ? 1 : target->named_count;
    return TDBPLUS_OK;
}

static tdbplus_status check_width(struct binder *binder, const struct change_target *target,
                                  const struct ast_insert *ast, uint32_t have, uint32_t listed,
                                  uint32_t position)
{
    for (uint32_t i = 0; ast->columns.count == 0 && i < have && i < target->values.count; i++) {
        if (target->values.values[i].position == UINT32_MAX) {
            return change_refuse_computed(binder, target, target->values.values[i].name);
        }
    }
    if (have > listed) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", position,
                         "INSERT has more expressions than target columns");
    }
    if (ast->columns.count > 0 && have < listed) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->columns.items[have]->position,
                         "INSERT has more target columns than expressions");
    }
    return TDBPLUS_OK;
}

tdbplus_status change_insert_row(struct binder *binder, struct bind_query *query,
                                 const struct change_target *target, const uint32_t *map,
                                 const struct ast_list *row, struct expr **exprs)
{
    for (uint32_t c = 0; c < target->schema->column_count; c++) {
        bool given = map[c] < row->count && row->items[map[c]]->kind != AST_DEFAULT;
        if (!given || change_ignores_given(target, c)) {
            TRY(change_default(binder, target, c, &exprs[c]));
            continue;
        }
        TRY(change_check_given(binder, target, c, true));
        TRY(bind_expression(binder, query, row->items[map[c]], &exprs[c]));
        TRY(bind_assign(binder, &target->schema->columns[c], &exprs[c]));
    }
    return target->info.documents && map[0] >= row->count
               ? document_id(binder, exprs[document_position(target->schema)], &exprs[0])
               : TDBPLUS_OK;
}

static tdbplus_status bind_insert_values(struct binder *binder, struct bind_query *query,
                                         const struct change_target *target,
                                         const struct ast_insert *ast, struct plan **plan_out)
{
    const struct ast_select *source = (const struct ast_select *)ast->source;
    static const struct ast_list no_values = {0};
    uint32_t rows = source != NULL ? source->values.count : 1;
    uint32_t columns = target->schema->column_count;
    uint32_t *map = NULL;
    uint32_t listed = 0;
    TRY(change_map_columns(binder, target, ast, &map, &listed));
    struct plan *plan = plan_make(binder->arena, PLAN_VALUES, columns);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->row_count = rows;
    plan->expr_count = rows * columns;
    plan->exprs = arena_array(binder->arena, (size_t)rows * columns + 1, sizeof *plan->exprs);
    if (plan->exprs == NULL) {
        return bind_no_memory(binder);
    }
    query->clause = CLAUSE_VALUES;
    for (uint32_t r = 0; r < rows; r++) {
        const struct ast_list *row =
            source != NULL ? &((const struct ast_items *)source->values.items[r])->list
                           : &no_values;
        if (source != NULL) {
            const struct ast_items *first = (const struct ast_items *)source->values.items[0];
            if (row->count != first->list.count) {
                return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", row->items[0]->position,
                                 "VALUES lists must all be the same length");
            }
            uint32_t at = row->count > listed ? listed : 0;
            TRY(check_width(binder, target, ast, row->count, listed, row->items[at]->position));
        }
        TRY(change_insert_row(binder, query, target, map, row, &plan->exprs[(size_t)r * columns]));
    }
    for (uint32_t c = 0; c < columns; c++) {
        plan->columns[c] =
            (struct plan_column){.id = binder->next_id++, .type = target->schema->columns[c].type};
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* INSERT ... BY NAME: the list of columns is what the source's are called. */
static tdbplus_status name_targets(struct binder *binder, const struct plan *source,
                                   struct ast_insert *insert)
{
    struct ast_target *targets =
        arena_array(binder->arena, source->column_count + 1u, sizeof *targets);
    insert->columns.items =
        arena_array(binder->arena, source->column_count + 1u, sizeof *insert->columns.items);
    if (targets == NULL || insert->columns.items == NULL) {
        return bind_no_memory(binder);
    }
    insert->columns.count = source->column_count;
    for (uint32_t i = 0; i < source->column_count; i++) {
        const char *name = source->columns[i].name;
        targets[i] = (struct ast_target){.ast = {.kind = AST_TARGET},
                                         .name = name != NULL ? name : "?column?"};
        insert->columns.items[i] = &targets[i].ast;
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_insert_select(struct binder *binder, struct bind_query *query,
                                         const struct change_target *target,
                                         const struct ast_insert *ast, struct plan **plan_out)
{
    uint32_t *map = NULL;
    uint32_t listed = 0;
    struct plan *source = NULL;
    const struct ast_select *by_name = NULL;
    struct ast_insert named = *ast;
    TRY(bind_unmark(binder, ast->source, &by_name));
    TRY(bind_select(binder, query,
                    by_name != NULL ? by_name : (const struct ast_select *)ast->source, true,
                    &source));
    if (by_name != NULL) {
        TRY(name_targets(binder, source, &named));
        ast = &named;
    }
    TRY(change_map_columns(binder, target, ast, &map, &listed));
    TRY(check_width(binder, target, ast, source->column_count, listed, 0));
    struct pointers exprs = {0};
    struct pointers names = {0};
    for (uint32_t c = 0; c < target->schema->column_count; c++) {
        struct expr *expr = NULL;
        if (map[c] >= source->column_count || change_ignores_given(target, c)) {
            TRY(change_default(binder, target, c, &expr));
        } else {
            TRY(change_check_given(binder, target, c, true));
            struct plan_column *column = &source->columns[map[c]];
            if (column->type.id == TYPE_NONE && source->kind == PLAN_PROJECT) {
                TRY(bind_assign(binder, &target->schema->columns[c], &source->exprs[map[c]]));
                column->type = source->exprs[map[c]]->type;
            }
            expr = expr_column(binder->arena, column->id, column->type);
            if (expr == NULL) {
                return bind_no_memory(binder);
            }
            TRY(bind_assign(binder, &target->schema->columns[c], &expr));
        }
        if (!pointers_push(binder->arena, &exprs, expr) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    if (target->info.documents && map[0] == UINT32_MAX) {
        TRY(document_id(binder, exprs.items[document_position(target->schema)],
                        (struct expr **)&exprs.items[0]));
    }
    return bind_project(binder, source, &exprs, &names, plan_out);
}

/* What SET names is a member of the document: no column, or one that is computed of it. */
static bool is_member(const struct change_target *target, const struct ast_target *item)
{
    if (!target->info.documents || target->view.layer_count > 0 || item->multi_count > 0) {
        return false;
    }
    int32_t at = schema_find_name(target->schema, item->name);
    const struct table_text *text =
        at < 0 ? NULL : table_find_default(&target->info, target->schema->columns[at].id);
    return at < 0 || (text != NULL && text->kind == TABLE_GENERATED);
}

/* What was assigned to a column: several parts may be, or all of it once. */
enum { WHOLE_SET = 1, PART_SET = 2 };

tdbplus_status change_assignments(struct binder *binder, struct bind_query *query,
                                  const struct change_target *target,
                                  const struct ast_list *targets, struct expr **row)
{
    query->clause = CLAUSE_UPDATE;
    uint8_t *set = arena_array(binder->arena, target->schema->column_count + 1u, sizeof *set);
    if (set == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < targets->count; i++) {
        const struct ast_target *item = (const struct ast_target *)targets->items[i];
        uint32_t position = 0;
        if (is_member(target, item)) {
            struct expr *given = NULL;
            position = document_position(target->schema);
            change_mark(target, target->schema->columns[position].name, position, false);
            TRY(bind_expression(binder, query, item->value, &given));
            TRY(document_put(binder, item, given, &row[position]));
            set[position] = PART_SET;
            continue;
        }
        TRY(change_find_position(binder, target, item, &position));
        change_mark(target, item->name, position, false);
        bool part = item->indirection.count > 0;
        if (set[position] != 0 && !(part && set[position] == PART_SET)) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", item->ast.position,
                             "multiple assignments to same column \"%s\"", item->name);
        }
        set[position] = part ? PART_SET : WHOLE_SET;
        const struct ast *value = item->value;
        if (item->multi_count > 0) {
            TRY(change_check_given(binder, target, position, false));
            if (value->kind == AST_SUBQUERY) {
                TRY(bind_query_column(binder, query, (const struct ast_subquery *)value,
                                      item->multi_column - 1, item->multi_count, &row[position]));
                TRY(bind_assign(binder, &target->schema->columns[position], &row[position]));
                continue;
            }
            if (value->kind != AST_ROW) {
                return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", item->ast.position,
                                 "source for a multiple-column UPDATE item must be a sub-SELECT or "
                                 "ROW() expression");
            }
            const struct ast_list *elements = &((const struct ast_row *)value)->elements;
            if (elements->count != item->multi_count) {
                return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", item->ast.position,
                                 "number of columns does not match number of values");
            }
            value = elements->items[item->multi_column - 1];
        }
        if (value->kind == AST_DEFAULT) {
            TRY(change_default(binder, target, position, &row[position]));
            continue;
        }
        struct expr *given = NULL;
        TRY(change_check_given(binder, target, position, false));
        TRY(bind_expression(binder, query, value, &given));
        if (part) {
            TRY(bind_put(binder, query, &item->indirection, given, &row[position]));
        } else {
            row[position] = given;
        }
        TRY(bind_assign(binder, &target->schema->columns[position], &row[position]));
    }
    return target->info.documents ? document_touch(binder, target->schema, set, row) : TDBPLUS_OK;
}

static tdbplus_status fresh_ids(struct binder *binder, uint32_t count, uint32_t **ids_out)
{
    uint32_t *ids = arena_array(binder->arena, count + 1u, sizeof *ids);
    if (ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = binder->next_id++;
    }
    *ids_out = ids;
    return TDBPLUS_OK;
}

struct inlining {
    const struct plan_column *columns;
    struct expr **exprs;
    uint32_t count;
};

static bool inline_column(void *ctx, struct expr **node)
{
    const struct inlining *inlining = ctx;
    for (uint32_t i = 0; (*node)->kind == EXPR_COLUMN && i < inlining->count; i++) {
        if (inlining->columns[i].id == (*node)->number) {
            *node = inlining->exprs[i];
            break;
        }
    }
    return true;
}

/* DO UPDATE: generated columns over the expressions of the others. */
static tdbplus_status update_generated(struct binder *binder, const struct change_target *target,
                                       struct expr **updates)
{
    uint32_t count = target->schema->column_count;
    if (!change_has_generated(target)) {
        return TDBPLUS_OK;
    }
    struct plan_column *columns = arena_array(binder->arena, count + 1u, sizeof *columns);
    struct expr **exprs = arena_array(binder->arena, count + 1u, sizeof *exprs);
    if (columns == NULL || exprs == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        columns[i] =
            (struct plan_column){.id = binder->next_id++, .type = target->schema->columns[i].type};
    }
    TRY(change_generated_exprs(binder, target, columns, exprs));
    struct inlining inlining = {columns, updates, count};
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i] != NULL) {
            (void)expr_walk(&exprs[i], inline_column, &inlining);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        updates[i] = exprs[i] != NULL ? exprs[i] : updates[i];
    }
    return TDBPLUS_OK;
}

/* Where there may be a conflict is something that the statement reads. */
static void read_arbiters(const struct change_target *target, const struct ast_conflict *ast)
{
    for (uint32_t i = 0; i < ast->elements.count; i++) {
        const char *name = ((const struct ast_index_element *)ast->elements.items[i])->name;
        int32_t position = name == NULL ? -1 : schema_find_name(target->schema, name);
        if (position >= 0 && (uint32_t)position < target->access->column_count) {
            target->access->read[position] = true;
        }
    }
}

static tdbplus_status bind_conflict(struct binder *binder, const struct change_target *target,
                                    const struct ast_conflict *ast, struct plan *plan)
{
    const struct schema *schema = target->schema;
    struct plan_change *change = &plan->change;
    if (target->view.layer_count > 0) {
        return bind_unsupported(binder, ast->ast.position, "ON CONFLICT on a view");
    }
    TRY(bind_arbiters(binder, target->object, target->info.hidden_key, ast, change));
    change->conflict = ast->update ? CONFLICT_UPDATE : CONFLICT_NOTHING;
    read_arbiters(target, ast);
    if (!ast->update) {
        return TDBPLUS_OK;
    }
    change_needs(target, PRIVILEGE_UPDATE);
    TRY(fresh_ids(binder, schema->column_count, &change->old_ids));
    TRY(fresh_ids(binder, schema->column_count, &change->new_ids));
    struct bind_query query = {0};
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < target->visible_count; i++) {
            struct bind_column column = {.table = side == 0 ? target->alias : "excluded",
                                         .name = schema->columns[i].name,
                                         .id = side == 0 ? change->old_ids[i] : change->new_ids[i],
                                         .type = schema->columns[i].type,
                                         .qualified_only = side == 1,
                                         .schema = side == 0 ? target->own_schema : NULL,
                                         .read = side == 0 ? &target->access->read[i] : NULL};
            TRY(bind_add_column(binder, &query, &column));
        }
    }
    change->updates = arena_array(binder->arena, schema->column_count + 1u, sizeof(struct expr *));
    if (change->updates == NULL) {
        return bind_no_memory(binder);
    }
    change->update_count = schema->column_count;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        change->updates[i] =
            expr_column(binder->arena, change->old_ids[i], schema->columns[i].type);
        if (change->updates[i] == NULL) {
            return bind_no_memory(binder);
        }
    }
    TRY(change_assignments(binder, &query, target, &ast->targets, change->updates));
    TRY(update_generated(binder, target, change->updates));
    if (ast->where != NULL) {
        query.clause = CLAUSE_WHERE;
        TRY(bind_condition(binder, &query, ast->where, "WHERE", &change->where));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_insert(struct binder *binder, struct bind_query *outer,
                           const struct ast_insert *ast, struct plan **plan_out)
{
    struct change_target target = {0};
    TRY(change_find_target(binder, ast->table, "insert into", &target));
    target.overriding = ast->overriding;
    struct bind_query query = {.outer = outer};
    TRY(bind_with(binder, &query, ast->with));
    struct plan *input = NULL;
    const struct ast_select *source = (const struct ast_select *)ast->source;
    bool plain_values =
        source == NULL || (source->values.count > 0 && source->order.count == 0 &&
                           source->limit == NULL && source->offset == NULL && source->with == NULL);
    if (plain_values) {
        TRY(bind_insert_values(binder, &query, &target, ast, &input));
    } else {
        TRY(bind_insert_select(binder, &query, &target, ast, &input));
    }
    struct plan *plan = NULL;
    TRY(change_generated(binder, &target, 0, &input));
    TRY(change_make(binder, PLAN_INSERT, &target, input, &plan));
    plan->change.bulk = !plain_values && outer == NULL;
    TRY(change_checks(binder, &target, plan));
    if (ast->conflict != NULL) {
        TRY(bind_conflict(binder, &target, ast->conflict, plan));
    }
    TRY(change_returning(binder, &target, &query, query.columns.count, &ast->returning, &plan));
    TRY(bind_own_ctes(binder, &query, &plan));
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* ---- COPY FROM ---- */

tdbplus_status bind_copy_target(struct binder *binder, const struct ast_table_ref *table,
                                const struct ast_names *names, struct bind_copy *copy)
{
    struct change_target *target = arena_array(binder->arena, 1, sizeof *target);
    if (target == NULL) {
        return bind_no_memory(binder);
    }
    TRY(change_find_target(binder, table, "insert into", target));
    if (target->view.layer_count > 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "cannot copy to view \"%s\"",
                         table->name);
    }
    // What is in the file is taken as it is, identity columns too.
    target->overriding = OVERRIDING_SYSTEM;
    uint32_t count = names->count > 0 ? names->count : target->visible_count;
    struct ast_target *items = arena_array(binder->arena, count + 1u, sizeof *items);
    copy->columns.items = arena_array(binder->arena, count + 1u, sizeof *copy->columns.items);
    copy->file_columns = arena_array(binder->arena, count + 1u, sizeof *copy->file_columns);
    if (items == NULL || copy->columns.items == NULL || copy->file_columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = i;
        items[i] = (struct ast_target){.ast = {.kind = AST_TARGET}};
        items[i].name = names->count > 0 ? names->items[i] : target->schema->columns[i].name;
        TRY(change_find_position(binder, target, &items[i], &position));
        TRY(bind_copy_name(binder, items[i].name, &copy->file_columns[i].name));
        struct type type = target->schema->columns[position].type;
        // Seconds are rounded where the value is assigned, not where it is read.
        uint8_t id = type.id == TYPE_ARRAY ? type.element : type.id;
        type.parameter = type_has_seconds(type_of((enum type_id)id)) ? 0 : type.parameter;
        copy->file_columns[i].type = type;
        copy->columns.items[i] = &items[i].ast;
    }
    copy->columns.count = count;
    copy->target = target;
    return TDBPLUS_OK;
}

tdbplus_status bind_copy_rows(struct binder *binder, const struct bind_copy *copy,
                              struct plan *source, const struct ast *where, struct plan **plan_out)
{
    const struct change_target *target = copy->target;
    struct ast_insert insert = {.columns = copy->columns};
    uint32_t *map = NULL;
    uint32_t listed = 0;
    struct pointers exprs = {0};
    struct pointers names = {0};
    TRY(change_map_columns(binder, target, &insert, &map, &listed));
    for (uint32_t c = 0; c < target->schema->column_count; c++) {
        struct expr *expr = NULL;
        if (map[c] == UINT32_MAX) {
            TRY(change_default(binder, target, c, &expr));
        } else {
            expr = expr_column(binder->arena, source->columns[map[c]].id,
                               source->columns[map[c]].type);
            if (expr != NULL) {
                TRY(bind_assign(binder, &target->schema->columns[c], &expr));
            }
        }
        if (expr == NULL || !pointers_push(binder->arena, &exprs, expr) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    struct plan *input = NULL;
    TRY(bind_project(binder, source, &exprs, &names, &input));
    if (where != NULL) {
        struct bind_query query = {.clause = CLAUSE_COPY};
        struct plan_column *columns =
            arena_array(binder->arena, input->column_count, sizeof *columns);
        struct expr *condition = NULL;
        if (columns == NULL) {
            return bind_no_memory(binder);
        }
        for (uint32_t c = 0; c < input->column_count; c++) {
            columns[c] = input->columns[c];
            TRY(bind_copy_name(binder, target->schema->columns[c].name, &columns[c].name));
        }
        TRY(change_name_columns(binder, &query, target, columns));
        TRY(bind_condition(binder, &query, where, "WHERE", &condition));
        TRY(bind_filter(binder, input, condition, &input));
    }
    TRY(change_generated(binder, target, 0, &input));
    TRY(change_make(binder, PLAN_INSERT, target, input, plan_out));
    (*plan_out)->change.bulk = true;
    TRY(change_checks(binder, target, *plan_out));
    (*plan_out)->column_count = 0;
    return TDBPLUS_OK;
}
