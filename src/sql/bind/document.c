#include "sql/bind/document.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS_BEHIND 4u /* doc, _created, _updated, _version. */

/* ---- definitions ---- */

bool document_wanted(const struct ast_list *options)
{
    for (uint32_t i = 0; i < options->count; i++) {
        const struct ast_option *option = (const struct ast_option *)options->items[i];
        const struct ast_constant *value = (const struct ast_constant *)option->value;
        if (strcmp(option->name, "documents") == 0) {
            return value == NULL || value->ast.kind != AST_CONSTANT || value->text == NULL ||
                   strcmp(value->text, "false") != 0;
        }
    }
    return false;
}

static tdbplus_status add(struct binder *binder, struct table_builder *builder, const char *name,
                          struct type type, const char *default_text)
{
    struct schema_column *column = NULL;
    TRY(builder_add_column(binder, builder, name, type, 0, &column));
    column->not_null = true;
    return default_text == NULL ? TDBPLUS_OK
                                : builder_add_text(binder, &builder->defaults, column->id, NULL,
                                                   span_from_text(default_text));
}

tdbplus_status document_begin(struct binder *binder, struct table_builder *builder)
{
    static const char *const key = "_id";
    TRY(add(binder, builder, key, type_of(TYPE_TEXT), "gen_random_uuid()::text"));
    return builder_set_key(binder, builder, &key, 1, 0);
}

/* (doc ->> 'year')::integer */
static tdbplus_status compute(struct binder *binder, struct table_builder *builder,
                              const struct schema_column *column)
{
    struct buffer text;
    char type[64];
    for (uint32_t i = 0; i < builder->defaults.count; i++) {
        if (((const struct table_text *)builder->defaults.items[i])->column_id == column->id) {
            return bind_unsupported(binder, 0, "a default of a declared column of documents");
        }
    }
    if (column->type.id == TYPE_ARRAY) {
        return bind_unsupported(binder, 0, "a declared array of documents");
    }
    bind_show_type(binder, column->type, type);
    buffer_init(&text, binder->arena->alloc);
    buffer_put_text(&text, column->type.id == TYPE_JSON ? "(doc -> '" : "((doc ->> '");
    for (const char *at = column->name; *at != 0; at++) {
        buffer_put_text(&text, *at == '\'' ? "'" : "");
        buffer_put_u8(&text, (uint8_t)*at);
    }
    buffer_printf(&text, column->type.id == TYPE_JSON ? "')" : "')::%s)", type);
    tdbplus_status status = text.failed ? bind_no_memory(binder)
                                        : builder_add_text(binder, &builder->defaults, column->id,
                                                           column->name, buffer_span(&text));
    buffer_deinit(&text);
    TRY(status);
    ((struct table_text *)builder->defaults.items[builder->defaults.count - 1])->kind =
        TABLE_GENERATED;
    return TDBPLUS_OK;
}

tdbplus_status document_end(struct binder *binder, struct table_builder *builder)
{
    for (uint32_t i = 1; i < builder->columns.count; i++) {
        TRY(compute(binder, builder, builder->columns.items[i]));
    }
    TRY(add(binder, builder, "doc", type_of(TYPE_JSON), NULL));
    TRY(add(binder, builder, "_created", type_of(TYPE_TIMESTAMPTZ), "now()"));
    TRY(add(binder, builder, "_updated", type_of(TYPE_TIMESTAMPTZ), "now()"));
    return add(binder, builder, "_version", type_of(TYPE_INT8), "1");
}

uint32_t document_position(const struct schema *schema)
{
    int32_t position = schema_find_name(schema, "doc");
    return position < 0 ? schema->column_count - COLUMNS_BEHIND : (uint32_t)position;
}

bool document_is_column(const struct table_info *info, const struct schema *schema,
                        uint32_t position)
{
    return info->documents && position == document_position(schema);
}

tdbplus_status document_note(struct binder *binder, uint32_t id)
{
    return pointers_push(binder->arena, &binder->documents, (void *)(uintptr_t)id)
               ? TDBPLUS_OK
               : bind_no_memory(binder);
}

bool document_is(const struct binder *binder, uint32_t id)
{
    for (uint32_t i = 0; i < binder->documents.count; i++) {
        if ((uintptr_t)binder->documents.items[i] == id) {
            return true;
        }
    }
    return false;
}

/* ---- names ---- */

static tdbplus_status text_constant(struct binder *binder, const char *text, struct expr **expr_out)
{
    struct datum value = {.type = type_of(TYPE_TEXT), .bytes = span_from_text(text)};
    *expr_out = expr_constant(binder->arena, &value);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status member(struct binder *binder, const char *name, const char *operator,
                             struct expr ** expr)
{
    struct expr *arguments[2] = {*expr, NULL};
    TRY(text_constant(binder, name, &arguments[1]));
    return bind_call(binder, operator, true, arguments, 2, (*expr)->position, expr);
}

/* {"_created": ..., "_updated": ..., "_version": ...} */
static tdbplus_status metadata(struct binder *binder, struct bind_query *reader,
                               const struct bind_query *owner, const struct bind_column *document,
                               struct expr **expr_out)
{
    static const char *const names[] = {"_created", "_updated", "_version"};
    struct expr *arguments[6] = {NULL};
    uint32_t count = 0;
    for (uint32_t n = 0; n < 3; n++) {
        for (uint32_t i = 0; i < owner->columns.count; i++) {
            const struct bind_column *column = owner->columns.items[i];
            bool same = document->table == NULL
                            ? column->table == NULL
                            : column->table != NULL && strcmp(column->table, document->table) == 0;
            if (same && strcmp(column->name, names[n]) == 0 && count < 6) {
                TRY(text_constant(binder, names[n], &arguments[count]));
                TRY(bind_read_column(binder, reader, owner, column, 0, &arguments[count + 1]));
                count += 2;
            }
        }
    }
    return bind_call(binder, "jsonb_build_object", false, arguments, count, 0, expr_out);
}

/* The document of the table that the first word names; *known_out: some table has that name. */
static const struct bind_column *find_of_table(const struct bind_query *level, const char *table,
                                               bool *known_out)
{
    for (uint32_t i = 0; i < level->columns.count; i++) {
        const struct bind_column *column = level->columns.items[i];
        if (column->table != NULL && strcmp(column->table, table) == 0) {
            *known_out = true;
            if (column->is_document) {
                return column;
            }
        }
    }
    return NULL;
}

/* The only document of this level. */
static tdbplus_status find_only(struct binder *binder, const struct bind_query *level,
                                const struct ast_column_ref *ref,
                                const struct bind_column **document_out)
{
    const struct bind_column *only = NULL;
    for (uint32_t i = 0; i < level->columns.count; i++) {
        const struct bind_column *column = level->columns.items[i];
        if (column->is_document && only != NULL) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42702", ref->ast.position,
                             "column reference \"%s\" is ambiguous", ref->names.items[0]);
        }
        only = column->is_document ? column : only;
    }
    *document_out = only;
    return TDBPLUS_OK;
}

/* Follows the words of a name from number `first` on. */
static tdbplus_status follow(struct binder *binder, struct bind_query *reader,
                             const struct bind_query *owner, const struct bind_column *document,
                             const struct ast_column_ref *ref, uint32_t first,
                             struct expr **expr_out)
{
    struct expr *expr = NULL;
    if (strcmp(ref->names.items[first], "_metadata") == 0) {
        TRY(metadata(binder, reader, owner, document, &expr));
        first++;
    } else {
        TRY(bind_read_column(binder, reader, owner, document, ref->ast.position, &expr));
    }
    for (uint32_t i = first; i < ref->names.count; i++) {
        TRY(member(binder, ref->names.items[i], "->", &expr));
        expr->path = true;
    }
    expr->position = ref->ast.position;
    *expr_out = expr;
    return TDBPLUS_OK;
}

tdbplus_status document_find_path(struct binder *binder, struct bind_query *query,
                                  const struct ast_column_ref *ref, struct expr **expr_out,
                                  bool *found_out)
{
    *found_out = false;
    for (uint32_t first = ref->names.count > 1 ? 1 : 0;; first = 0) {
        for (struct bind_query *level = query; level != NULL; level = level->outer) {
            const struct bind_column *document = NULL;
            bool known = false;
            if (first == 1) {
                document = find_of_table(level, ref->names.items[0], &known);
            } else {
                TRY(find_only(binder, level, ref, &document));
            }
            if (document != NULL) {
                *found_out = true;
                return follow(binder, query, level, document, ref, first, expr_out);
            }
            if (known) {
                return TDBPLUS_OK;
            }
        }
        if (first == 0) {
            return TDBPLUS_OK;
        }
    }
}

/* ---- what a member becomes ---- */

tdbplus_status document_as_text(struct binder *binder, struct expr **expr)
{
    uint32_t position = (*expr)->position;
    struct expr *arguments[2] = {(*expr)->arguments[0], (*expr)->arguments[1]};
    return bind_call(binder, "->>", true, arguments, 2, position, expr);
}

static tdbplus_status as_number(struct binder *binder, struct expr **expr)
{
    TRY(document_as_text(binder, expr));
    return bind_coerce(binder, expr, type_of(TYPE_NUMERIC), FUNC_CAST_EXPLICIT);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

/* A value beside a member: as a document, so that they compare whatever they are. */
static tdbplus_status as_document(struct binder *binder, struct expr **expr)
{
    if ((*expr)->type.id == TYPE_JSON) {
        return TDBPLUS_OK;
    }
    if ((*expr)->type.id == TYPE_NONE) {
        TRY(bind_coerce(binder, expr, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
    }
    return bind_call(binder, "to_jsonb", false, expr, 1, (*expr)->position, expr);
}

static bool resolves(const char *name, bool is_operator, struct expr **arguments, uint32_t count)
{
    struct func_match match;
    struct type types[FUNC_ARGUMENT_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++) {
        types[i] = arguments[i]->type;
    }
    return func_resolve(name, is_operator, types, count, &match) == FUNC_FOUND;
}

tdbplus_status document_operands(struct binder *binder, const char *name, bool is_operator,
                                 struct expr **arguments, uint32_t count)
{
    static const char *const comparisons[] = {"=", "<>", "<", "<=", ">", ">=", NULL};
    static const char *const arithmetic[] = {"+", "-", "*", "/", "%", "^", NULL};
    static const char *const joining[] = {"||", NULL};
    bool any = false;
    bool texts = false;
    for (uint32_t i = 0; i < count; i++) {
        any = any || arguments[i]->path;
        texts = texts || arguments[i]->type.id == TYPE_NONE || arguments[i]->type.id == TYPE_TEXT;
    }
    if (!any || count > FUNC_ARGUMENT_COUNT_MAX) {
        return TDBPLUS_OK;
    }
    bool compares = is_operator && count == 2 && is_one_of(name, comparisons);
    bool counts = is_operator && is_one_of(name, arithmetic) && !texts;
    bool joins = is_operator && is_one_of(name, joining) && texts;
    if (!compares && !counts && !joins && resolves(name, is_operator, arguments, count)) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (compares) {
            TRY(as_document(binder, &arguments[i]));
        } else if (arguments[i]->path) {
            TRY(counts ? as_number(binder, &arguments[i])
                       : document_as_text(binder, &arguments[i]));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status document_aggregated(struct binder *binder, const char *name, struct expr **argument)
{
    static const char *const numbers[] = {"sum",        "avg",         "stddev",
                                          "stddev_pop", "variance",    "var_pop",
                                          "var_samp",   "stddev_samp", NULL};
    if (!(*argument)->path) {
        return TDBPLUS_OK;
    }
    if (is_one_of(name, numbers)) {
        return as_number(binder, argument);
    }
    return strcmp(name, "string_agg") == 0 ? document_as_text(binder, argument) : TDBPLUS_OK;
}

/* ---- writing ---- */

tdbplus_status document_id(struct binder *binder, struct expr *document, struct expr **id)
{
    struct expr *own = document;
    struct expr *first = expr_make(binder->arena, EXPR_COALESCE, type_of(TYPE_TEXT), 2);
    if (first == NULL) {
        return bind_no_memory(binder);
    }
    if (expr_volatile(document)) {
        return TDBPLUS_OK; // It would be computed twice; the key is made up.
    }
    TRY(member(binder, "_id", "->>", &own));
    first->arguments[0] = own;
    first->arguments[1] = *id;
    *id = first;
    return TDBPLUS_OK;
}

/* The path as a text[]: the name, and what stands behind it. */
static tdbplus_status put_path(struct binder *binder, const struct ast_target *target,
                               struct expr **path_out)
{
    struct expr *path = NULL;
    struct buffer text;
    buffer_init(&text, binder->arena->alloc);
    buffer_put_text(&text, "{");
    for (uint32_t i = 0; i <= target->indirection.count; i++) {
        const struct ast_constant *step =
            i == 0 ? NULL : (const struct ast_constant *)target->indirection.items[i - 1];
        const char *name = i == 0                                                 ? target->name
                           : step->ast.kind == AST_CONSTANT && step->text != NULL ? step->text
                                                                                  : NULL;
        if (name == NULL) {
            buffer_deinit(&text);
            return bind_unsupported(binder, target->ast.position, "this part of a document");
        }
        buffer_put_text(&text, i > 0 ? ",\"" : "\"");
        for (const char *at = name; *at != 0; at++) {
            buffer_put_text(&text, *at == '"' || *at == '\\' ? "\\" : "");
            buffer_put_u8(&text, (uint8_t)*at);
        }
        buffer_put_u8(&text, '"');
    }
    buffer_put_text(&text, "}");
    const char *copy = text.failed ? NULL : arena_text(binder->arena, buffer_span(&text));
    buffer_deinit(&text);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    TRY(text_constant(binder, copy, &path));
    TRY(bind_coerce(binder, &path, func_array_of(type_of(TYPE_TEXT)), FUNC_CAST_EXPLICIT));
    *path_out = path;
    return TDBPLUS_OK;
}

tdbplus_status document_put(struct binder *binder, const struct ast_target *target,
                            struct expr *value, struct expr **document)
{
    struct expr *path = NULL;
    struct expr *given = expr_make(binder->arena, EXPR_COALESCE, type_of(TYPE_JSON), 2);
    struct datum null = {.type = type_of(TYPE_TEXT), .bytes = span_from_text("null")};
    if (given == NULL) {
        return bind_no_memory(binder);
    }
    TRY(put_path(binder, target, &path));
    TRY(as_document(binder, &value));
    given->arguments[0] = value;
    given->arguments[1] = expr_constant(binder->arena, &null);
    if (given->arguments[1] == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_coerce(binder, &given->arguments[1], type_of(TYPE_JSON), FUNC_CAST_EXPLICIT));
    struct expr *arguments[3] = {*document, path, given};
    return bind_call(binder, "jsonb_set", false, arguments, 3, target->ast.position, document);
}

tdbplus_status document_touch(struct binder *binder, const struct schema *schema,
                              const uint8_t *set, struct expr **row)
{
    int32_t updated = schema_find_name(schema, "_updated");
    int32_t version = schema_find_name(schema, "_version");
    if (updated >= 0 && set[updated] == 0) {
        TRY(bind_call(binder, "now", false, NULL, 0, 0, &row[updated]));
    }
    if (version >= 0 && set[version] == 0) {
        struct datum one = {.type = type_of(TYPE_INT8), .integer = 1};
        struct expr *sides[2] = {row[version], expr_constant(binder->arena, &one)};
        if (sides[1] == NULL) {
            return bind_no_memory(binder);
        }
        TRY(bind_call(binder, "+", true, sides, 2, 0, &row[version]));
    }
    return TDBPLUS_OK;
}
