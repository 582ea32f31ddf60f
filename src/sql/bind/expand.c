/* Functions that give rows: in the select list, where each call becomes a column of an operator
 * below, and in FROM. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/view_info.h"
#include "sql/func/array_func.h"
#include "sql/func/json_record.h"

/* ---- in the select list ---- */

struct id_reader {
    uint32_t id;
};

static bool is_other_column(void *ctx, struct expr **node)
{
    return (*node)->kind != EXPR_COLUMN || (*node)->number != ((struct id_reader *)ctx)->id;
}

bool bind_reads_id(struct expr *expr, uint32_t id)
{
    struct id_reader reader = {id};
    return !expr_walk(&expr, is_other_column, &reader);
}

tdbplus_status bind_expansion(struct binder *binder, struct bind_query *query, struct expr **expr)
{
    uint32_t position = (*expr)->position;
    const char *clause = bind_clause_name(query->clause);
    if (query->clause == CLAUSE_HAVING) {
        clause = "HAVING";
    }
    bool in_call = query->in_aggregate || (query->in_window && query->clause != CLAUSE_WINDOW);
    if (query->clause == CLAUSE_FROM_FUNCTION) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", position,
                         "set-returning functions must appear at top level of FROM");
    }
    if (in_call) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", position,
                         "%s function calls cannot contain set-returning function calls",
                         query->in_aggregate ? "aggregate" : "window");
    }
    if (clause != NULL) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", position,
                         "set-returning functions are not allowed in %s", clause);
    }
    struct bind_expansion *expansion = arena_array(binder->arena, 1, sizeof *expansion);
    if (expansion == NULL || !pointers_push(binder->arena, &query->expansions, expansion)) {
        return bind_no_memory(binder);
    }
    *expansion = (struct bind_expansion){.array = *expr, .id = binder->next_id++};
    expansion->type = bind_row_type(*expr);
    for (uint32_t i = 0; i + 1 < query->expansions.count; i++) {
        const struct bind_expansion *other = query->expansions.items[i];
        if (other->level >= expansion->level && bind_reads_id(*expr, other->id)) {
            expansion->level = other->level + 1;
        }
    }
    *expr = expr_column(binder->arena, expansion->id, expansion->type);
    if (*expr == NULL) {
        return bind_no_memory(binder);
    }
    (*expr)->position = position;
    return TDBPLUS_OK;
}

struct type bind_row_type(const struct expr *call)
{
    return call->func->result > FUNC_ARRAY_BASE && call->func->result < FUNC_ANY
               ? call->type
               : type_element(call->type);
}

/* An operator over `input` that adds a column for each array. */
static tdbplus_status make_expand(struct binder *binder, struct plan *input,
                                  struct expr *const *arrays, uint32_t count, bool ordinality,
                                  struct plan **plan_out)
{
    uint32_t before = input->column_count;
    struct plan *plan =
        plan_make(binder->arena, PLAN_EXPAND, before + count + (ordinality ? 1u : 0u));
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->exprs = arena_array(binder->arena, count + 1u, sizeof *plan->exprs);
    if (plan->exprs == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(plan->columns, input->columns, before * sizeof *plan->columns);
    memcpy(plan->exprs, arrays, count * sizeof *arrays);
    plan->expr_count = count;
    plan->left = input;
    plan->ordinality = ordinality;
    if (ordinality) {
        plan->columns[before + count] = (struct plan_column){
            .id = binder->next_id++, .type = type_of(TYPE_INT8), .name = "ordinality"};
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

static bool is_in_key(struct bind_grouping *grouping, uint32_t id)
{
    for (uint32_t k = 0; k < grouping->keys.count; k++) {
        if (bind_reads_id(grouping->keys.items[k], id)) {
            return true;
        }
    }
    return false;
}

/* What a group key reads is expanded below the groups, and all that it is made of. */
static void mark_below(struct bind_query *query, struct bind_grouping *grouping)
{
    for (uint32_t i = query->expansions.count; i-- > 0;) {
        struct bind_expansion *expansion = query->expansions.items[i];
        expansion->below = expansion->below || is_in_key(grouping, expansion->id);
        for (uint32_t k = i + 1; k < query->expansions.count; k++) {
            const struct bind_expansion *later = query->expansions.items[k];
            expansion->below =
                expansion->below || (later->below && bind_reads_id(later->array, expansion->id));
        }
    }
}

tdbplus_status bind_expand_plan(struct binder *binder, struct bind_query *query,
                                struct bind_grouping *grouping, bool below, struct plan **plan)
{
    uint32_t total = query->expansions.count;
    struct expr **arrays = arena_array(binder->arena, total + 1u, sizeof *arrays);
    struct bind_expansion **chosen = arena_array(binder->arena, total + 1u, sizeof *chosen);
    if (arrays == NULL || chosen == NULL) {
        return bind_no_memory(binder);
    }
    if (below) {
        mark_below(query, grouping);
    }
    for (uint32_t level = 0; level < total; level++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < total; i++) {
            struct bind_expansion *expansion = query->expansions.items[i];
            if (expansion->level == level && expansion->below == below) {
                chosen[count] = expansion;
                arrays[count++] = expansion->array;
            }
        }
        if (count == 0) {
            continue;
        }
        uint32_t before = (*plan)->column_count;
        TRY(make_expand(binder, *plan, arrays, count, false, plan));
        for (uint32_t i = 0; i < count; i++) {
            (*plan)->columns[before + i] =
                (struct plan_column){.id = chosen[i]->id, .type = chosen[i]->type};
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_expansions_over_groups(struct binder *binder, struct bind_query *query,
                                           struct bind_grouping *grouping)
{
    for (uint32_t i = 0; i < query->expansions.count; i++) {
        struct bind_expansion *expansion = query->expansions.items[i];
        if (!expansion->below) {
            TRY(bind_over_groups(binder, query, grouping, &expansion->array));
        }
    }
    return TDBPLUS_OK;
}

/* ---- in FROM ---- */

/* Functions whose rows have several columns, or a column with a name of its own. */
static const struct {
    const char *name;
    const char *columns[4]; /* Their names. */
    const char *parts[4];   /* The functions that give one column each. */
} row_functions[] = {
    {"json_each", {"key", "value"}, {"jsonb_object_keys", "jsonb_object values"}},
    {"jsonb_each", {"key", "value"}, {"jsonb_object_keys", "jsonb_object values"}},
    {"json_each_text", {"key", "value"}, {"jsonb_object_keys", "jsonb_object texts"}},
    {"jsonb_each_text", {"key", "value"}, {"jsonb_object_keys", "jsonb_object texts"}},
    {"json_array_elements", {"value"}, {"json_array_elements"}},
    {"jsonb_array_elements", {"value"}, {"jsonb_array_elements"}},
    {"json_array_elements_text", {"value"}, {"json_array_elements_text"}},
    {"jsonb_array_elements_text", {"value"}, {"jsonb_array_elements_text"}},
};

/* The rows of an item of FROM, column by column. */
struct row_source {
    struct pointers arrays; /* struct expr */
    struct pointers names;  /* const char; NULL: the alias of the item. */
    bool single;            /* Its only function gives a value, not rows. */
};

static tdbplus_status add_array(struct binder *binder, struct row_source *source,
                                struct expr *array, const char *name)
{
    void *name_pointer = NULL;
    memcpy(&name_pointer, &name, sizeof name_pointer);
    if (!pointers_push(binder->arena, &source->arrays, array) ||
        !pointers_push(binder->arena, &source->names, name_pointer)) {
        return bind_no_memory(binder);
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_arguments(struct binder *binder, struct bind_query *query,
                                     const struct ast_function *call, struct expr ***arguments_out)
{
    uint32_t count = call->arguments.count;
    struct expr **arguments = arena_array(binder->arena, (size_t)count + 1, sizeof *arguments);
    if (arguments == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(bind_expression(binder, query, call->arguments.items[i], &arguments[i]));
    }
    *arguments_out = arguments;
    return TDBPLUS_OK;
}

/* unnest(a, b, ...): a column for each array. */
static tdbplus_status bind_unnest(struct binder *binder, struct bind_query *query,
                                  const struct ast_function *call, struct row_source *source)
{
    struct expr **arguments = NULL;
    TRY(bind_arguments(binder, query, call, &arguments));
    for (uint32_t i = 0; i < call->arguments.count; i++) {
        struct expr *array = NULL;
        TRY(bind_call(binder, "unnest", false, &arguments[i], 1, call->ast.position, &array));
        TRY(add_array(binder, source, array, "unnest"));
    }
    return TDBPLUS_OK;
}

/* A function that gives a value is an array of that one. */
static tdbplus_status add_function(struct binder *binder, struct row_source *source,
                                   struct expr *expr, const char *name)
{
    source->single = true;
    if (expr->kind == EXPR_CALL && (expr->func->flags & FUNC_SET) != 0) {
        return add_array(binder, source, expr, name);
    }
    struct type type = func_type_base(expr->type);
    TRY(bind_coerce(binder, &expr, type.id == TYPE_NONE ? type_of(TYPE_TEXT) : type,
                    FUNC_CAST_IMPLICIT));
    bool nested = expr->type.id == TYPE_ARRAY;
    struct expr *array = expr_call(binder->arena, &func_array_make,
                                   nested ? expr->type : func_array_of(expr->type), 1);
    if (array == NULL) {
        return bind_no_memory(binder);
    }
    array->arguments[0] = expr;
    array->position = expr->position;
    return add_array(binder, source, array, name);
}

static tdbplus_status bind_row_source(struct binder *binder, struct bind_query *query,
                                      const struct ast_function *call, struct row_source *source)
{
    const char *name = call->name.items[call->name.count - 1];
    if (strcmp(name, "unnest") == 0 && call->arguments.count > 1) {
        return bind_unnest(binder, query, call, source);
    }
    struct expr *expr = NULL;
    source->single = false;
    for (size_t i = 0; i < sizeof row_functions / sizeof *row_functions; i++) {
        if (strcmp(row_functions[i].name, name) != 0) {
            continue;
        }
        for (uint32_t c = 0; c < 4 && row_functions[i].parts[c] != NULL; c++) {
            struct expr **arguments = NULL;
            TRY(bind_arguments(binder, query, call, &arguments));
            TRY(bind_call(binder, row_functions[i].parts[c], false, arguments,
                          call->arguments.count, call->ast.position, &expr));
            TRY(add_array(binder, source, expr, row_functions[i].columns[c]));
        }
        return TDBPLUS_OK;
    }
    TRY(bind_function_rows(binder, query, call, &expr));
    return add_function(binder, source, expr, name);
}

/* Anything else that the grammar takes for a function: one value. */
static tdbplus_status bind_row_value(struct binder *binder, struct bind_query *query,
                                     const struct ast *ast, struct row_source *source)
{
    struct expr *expr = NULL;
    TRY(bind_expression(binder, query, ast, &expr));
    return add_function(binder, source, expr, bind_default_name(ast));
}

static tdbplus_status one_row(struct binder *binder, struct plan **plan_out)
{
    struct plan *plan = plan_make(binder->arena, PLAN_VALUES, 0);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->row_count = 1;
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* A series of integers that reads nothing beside it has an operator of its own. */
static bool is_plain_series(const struct row_source *source, const struct pointers *ids,
                            bool ordinality)
{
    const struct expr *call = source->arrays.items[0];
    return source->arrays.count == 1 && ids->count == 0 && !ordinality && call->kind == EXPR_CALL &&
           strcmp(call->func->name, "generate_series") == 0 &&
           (bind_row_type(call).id == TYPE_INT4 || bind_row_type(call).id == TYPE_INT8);
}

static tdbplus_status source_plan(struct binder *binder, struct row_source *source,
                                  const struct pointers *ids, bool ordinality,
                                  struct plan **plan_out)
{
    struct plan *plan = NULL;
    if (is_plain_series(source, ids, ordinality)) {
        const struct expr *call = source->arrays.items[0];
        plan = plan_make(binder->arena, PLAN_SERIES, 1);
        if (plan == NULL) {
            return bind_no_memory(binder);
        }
        plan->exprs = call->arguments;
        plan->expr_count = call->argument_count;
    } else {
        TRY(one_row(binder, &plan));
        TRY(make_expand(binder, plan, (struct expr *const *)source->arrays.items,
                        source->arrays.count, ordinality, &plan));
    }
    for (uint32_t i = 0; i < source->arrays.count; i++) {
        plan->columns[i] = (struct plan_column){.id = binder->next_id++,
                                                .type = bind_row_type(source->arrays.items[i]),
                                                .name = source->names.items[i]};
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

static tdbplus_status bind_sources(struct binder *binder, struct bind_query *query,
                                   const struct ast_list *functions, struct row_source *source)
{
    for (uint32_t i = 0; i < functions->count; i++) {
        if (functions->items[i]->kind == AST_FUNCTION) {
            TRY(bind_row_source(binder, query, (const struct ast_function *)functions->items[i],
                                source));
        } else {
            TRY(bind_row_value(binder, query, functions->items[i], source));
        }
    }
    return TDBPLUS_OK;
}

static const char *item_name(const struct ast_table_function *ast)
{
    const struct ast *first = ast->functions.items[0];
    if (ast->alias != NULL) {
        return ast->alias->name;
    }
    if (first->kind != AST_FUNCTION) {
        return bind_default_name(first);
    }
    const struct ast_names *names = &((const struct ast_function *)first)->name;
    return names->items[names->count - 1];
}

/* The function that gives records, which a list of columns must stand beside, or NULL. */
static tdbplus_status find_records(struct binder *binder, const struct ast_table_function *ast,
                                   const struct ast_function **records_out)
{
    const struct ast *first = ast->functions.items[0];
    const struct ast_function *function = (const struct ast_function *)first;
    bool gives_records = first->kind == AST_FUNCTION &&
                         func_record_column(function->name.items[function->name.count - 1]) != NULL;
    if (ast->definitions.count > 0 && (!gives_records || ast->functions.count > 1)) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->definitions.items[0]->position,
                         "a column definition list is only allowed for functions returning "
                         "\"record\"");
    }
    if (gives_records && ast->definitions.count == 0) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", first->position,
                         "a column definition list is required for functions returning "
                         "\"record\"");
    }
    *records_out = gives_records ? function : NULL;
    return TDBPLUS_OK;
}

/* What a document is taken apart into. */
struct record {
    const char *function; /* json_to_record or one of its kin. */
    uint32_t argument;    /* The document's number. */
    struct view_column *columns;
    uint32_t column_count;
};

/* AS x(a int, b text) */
static tdbplus_status listed_columns(struct binder *binder, const struct ast_list *definitions,
                                     struct record *record)
{
    record->column_count = definitions->count;
    record->columns = arena_array(binder->arena, definitions->count + 1u, sizeof *record->columns);
    if (record->columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < definitions->count; i++) {
        const struct ast_column_definition *column =
            (const struct ast_column_definition *)definitions->items[i];
        record->columns[i].name = column->name;
        TRY(bind_type(binder, column->type, &record->columns[i].type));
        if (record->columns[i].type.id == TYPE_ARRAY) {
            return bind_unsupported(binder, column->type->position, "an array in a record");
        }
    }
    return TDBPLUS_OK;
}

/* json_populate_record(NULL::t, document): the columns of the table. */
static tdbplus_status table_columns(struct binder *binder, const struct ast *row,
                                    struct record *record)
{
    const struct ast_cast *cast = (const struct ast_cast *)row;
    const struct ast_type_name *type = (const struct ast_type_name *)cast->type;
    const struct ast_constant *value =
        row->kind == AST_CAST ? (const struct ast_constant *)cast->argument : NULL;
    struct table_info info = {0};
    struct catalog_entry entry;
    if (value == NULL || value->ast.kind != AST_CONSTANT || value->constant != AST_NULL ||
        type->names.count > 2 || type->array_depth > 0) {
        return bind_unsupported(binder, row->position, "a row that is not NULL::table");
    }
    uint32_t count = type->names.count;
    const struct ast_table_ref name = {.ast.position = type->ast.position,
                                       .schema = count == 2 ? type->names.items[0] : NULL,
                                       .name = type->names.items[count - 1]};
    if (!bind_lookup(binder, 0, name.schema, name.name, &entry)) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", type->ast.position,
                         "type \"%s\" does not exist", name.name);
    }
    if (entry.kind != CATALOG_TABLE) {
        return bind_unsupported(binder, row->position, "a row that is not a table's");
    }
    const struct schema *schema = entry.object->schema;
    TRY(bind_depends_on(binder, entry.object));
    TRY(table_info_decode(entry.object->properties, binder->arena, &info, binder->err));
    record->column_count = schema->column_count - (info.hidden_key ? 1u : 0u);
    record->columns =
        arena_array(binder->arena, record->column_count + 1u, sizeof *record->columns);
    if (record->columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < record->column_count; i++) {
        record->columns[i].type = schema->columns[i].type;
        TRY(bind_copy_name(binder, schema->columns[i].name, &record->columns[i].name));
        if (record->columns[i].type.id == TYPE_ARRAY) {
            return bind_unsupported(binder, row->position, "an array in a record");
        }
    }
    return TDBPLUS_OK;
}

/* A call for each column. */
static tdbplus_status bind_records(struct binder *binder, struct bind_query *query,
                                   const struct ast_function *call, const struct record *record,
                                   struct row_source *source)
{
    uint32_t position = call->ast.position;
    if (call->arguments.count != record->argument + 1) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42883", position,
                         "function %s takes one document", call->name.items[call->name.count - 1]);
    }
    for (uint32_t i = 0; i < record->column_count; i++) {
        const struct view_column *column = &record->columns[i];
        struct expr *document = NULL;
        TRY(bind_expression(binder, query, call->arguments.items[record->argument], &document));
        TRY(bind_coerce(binder, &document, type_of(TYPE_JSON), FUNC_CAST_IMPLICIT));
        struct datum key = {.type = type_of(TYPE_TEXT), .bytes = span_from_text(column->name)};
        struct expr *array = expr_call(binder->arena, func_record_column(record->function),
                                       func_array_of(column->type), 2);
        if (array == NULL) {
            return bind_no_memory(binder);
        }
        array->arguments[0] = document;
        array->arguments[1] = expr_constant(binder->arena, &key);
        array->position = position;
        if (array->arguments[1] == NULL) {
            return bind_no_memory(binder);
        }
        TRY(add_array(binder, source, array, column->name));
    }
    return TDBPLUS_OK;
}

/* The record that FROM's function gives; without a function: none. */
static tdbplus_status read_record(struct binder *binder, const struct ast_table_function *ast,
                                  const struct ast_function **call_out, struct record *record)
{
    static const struct {
        const char *name;
        const char *function;
    } populating[] = {{"json_populate_record", "json_to_record"},
                      {"jsonb_populate_record", "jsonb_to_record"},
                      {"json_populate_recordset", "json_to_recordset"},
                      {"jsonb_populate_recordset", "jsonb_to_recordset"}};
    const struct ast_function *call = (const struct ast_function *)ast->functions.items[0];
    const char *name = call->ast.kind == AST_FUNCTION ? call->name.items[call->name.count - 1] : "";
    for (size_t i = 0; i < sizeof populating / sizeof *populating; i++) {
        if (strcmp(populating[i].name, name) == 0 && call->arguments.count > 0 &&
            ast->functions.count == 1) {
            *call_out = call;
            record->function = populating[i].function;
            record->argument = 1;
            return table_columns(binder, call->arguments.items[0], record);
        }
    }
    TRY(find_records(binder, ast, call_out));
    if (*call_out == NULL) {
        return TDBPLUS_OK;
    }
    record->function = name;
    return listed_columns(binder, &ast->definitions, record);
}

/* Functions of FROM see the items before them, said LATERAL or not. */
tdbplus_status bind_table_function(struct binder *binder, struct bind_query *query,
                                   const struct ast_table_function *ast, struct plan **plan_out)
{
    if (bind_is_file_function(ast)) {
        return bind_file_function(binder, query, ast, plan_out);
    }
    const struct ast_function *records = NULL;
    struct record record = {0};
    TRY(read_record(binder, ast, &records, &record));
    struct pointers ids = {0};
    struct bind_query border = {
        .outer = query, .ctes = query->ctes, .outer_ids = &ids, .clause = CLAUSE_FROM_FUNCTION};
    struct row_source source = {0};
    if (records != NULL) {
        TRY(bind_records(binder, &border, records, &record, &source));
    } else {
        TRY(bind_sources(binder, &border, &ast->functions, &source));
    }
    TRY(bind_note_lateral(binder, query, &ids));
    TRY(source_plan(binder, &source, &ids, ast->ordinality, plan_out));
    // The only column of an only function that does not name it is called as the item is.
    if (source.arrays.count == 1 && source.single) {
        (*plan_out)->columns[0].name = item_name(ast);
    }
    TRY(bind_add_named(binder, query, (*plan_out)->columns, (*plan_out)->column_count, ast->alias,
                       item_name(ast)));
    if ((*plan_out)->column_count == 1) {
        struct bind_column *column = query->columns.items[query->columns.count - 1];
        column->is_item = true;
    }
    return TDBPLUS_OK;
}
