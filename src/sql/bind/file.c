/* Files in FROM: read_csv('x.csv', delim = ';') and its kin, and names that are files'. */

#include <stdio.h>
#include <string.h>

#include "files/describe.h"
#include "sql/bind/bind_internal.h"

static const struct {
    const char *name;
    uint8_t format;
} functions[] = {
    {"read_csv", FILE_CSV},         {"read_csv_auto", FILE_CSV},     {"read_json", FILE_NDJSON},
    {"read_ndjson", FILE_NDJSON},   {"read_json_auto", FILE_NDJSON}, {"read_parquet", FILE_PARQUET},
    {"parquet_scan", FILE_PARQUET}, {"read_arrow", FILE_ARROW},
};

/* The format of a function's files; FILE_FORMAT_NONE: it is no such function. */
static uint8_t format_of(const struct ast_function *ast)
{
    const char *name = ast->name.items[ast->name.count - 1];
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return functions[i].format;
        }
    }
    return FILE_FORMAT_NONE;
}

bool bind_is_file_function(const struct ast_table_function *ast)
{
    return ast->functions.count == 1 && ast->functions.items[0]->kind == AST_FUNCTION &&
           format_of((const struct ast_function *)ast->functions.items[0]) != FILE_FORMAT_NONE;
}

/* ---- arguments ---- */

static tdbplus_status wants(struct binder *binder, const struct ast *ast, const char *name,
                            const char *what)
{
    return bind_fail(binder, TDBPLUS_E_INVALID, "22023", ast->position, "%s must be %s", name,
                     what);
}

static tdbplus_status read_text(struct binder *binder, const struct ast *value, const char *name,
                                const char **text_out)
{
    const struct ast_constant *constant = (const struct ast_constant *)value;
    if (value->kind != AST_CONSTANT || constant->constant != AST_STRING) {
        return wants(binder, value, name, "a text that stands in the statement");
    }
    return bind_copy_name(binder, constant->text, text_out);
}

static tdbplus_status read_byte(struct binder *binder, const struct ast *value, const char *name,
                                int *byte_out)
{
    const char *text = NULL;
    TRY(read_text(binder, value, name, &text));
    if (strcmp(text, "\\t") == 0) {
        text = "\t";
    }
    if (strlen(text) != 1) {
        return wants(binder, value, name, "a single one-byte character");
    }
    *byte_out = (uint8_t)text[0];
    return TDBPLUS_OK;
}

static tdbplus_status read_flag(struct binder *binder, const struct ast *value, const char *name,
                                bool *flag_out)
{
    const struct ast_constant *constant = (const struct ast_constant *)value;
    if (value->kind != AST_CONSTANT || constant->constant != AST_BOOL) {
        return wants(binder, value, name, "true or false");
    }
    *flag_out = constant->boolean;
    return TDBPLUS_OK;
}

static tdbplus_status read_option(struct binder *binder, const char *name, const struct ast *value,
                                  struct file_request *request)
{
    struct csv_choice *csv = &request->csv;
    bool flag = false;
    bool is_csv = request->format == FILE_CSV;
    if (is_csv && (strcmp(name, "delim") == 0 || strcmp(name, "sep") == 0 ||
                   strcmp(name, "delimiter") == 0)) {
        return read_byte(binder, value, name, &csv->delimiter);
    }
    if (is_csv && strcmp(name, "quote") == 0) {
        return read_byte(binder, value, name, &csv->quote);
    }
    if (is_csv && strcmp(name, "escape") == 0) {
        return read_byte(binder, value, name, &csv->escape);
    }
    if (is_csv && strcmp(name, "header") == 0) {
        TRY(read_flag(binder, value, name, &flag));
        csv->header = flag;
        return TDBPLUS_OK;
    }
    if (is_csv && (strcmp(name, "nullstr") == 0 || strcmp(name, "null") == 0)) {
        return read_text(binder, value, name, &csv->null_text);
    }
    if (is_csv && strcmp(name, "all_varchar") == 0) {
        return read_flag(binder, value, name, &csv->all_text);
    }
    if ((is_csv || request->format == FILE_NDJSON) && strcmp(name, "sample_size") == 0) {
        const struct ast_constant *constant = (const struct ast_constant *)value;
        if (value->kind != AST_CONSTANT || constant->constant != AST_INTEGER ||
            constant->integer < 1) {
            return wants(binder, value, name, "a number of rows");
        }
        csv->sample_rows = (uint32_t)constant->integer;
        return TDBPLUS_OK;
    }
    if ((is_csv || request->format == FILE_NDJSON) && strcmp(name, "encoding") == 0) {
        const char *text = NULL;
        TRY(read_text(binder, value, name, &text));
        return charset_find(text, &request->encoding)
                   ? TDBPLUS_OK
                   : wants(binder, value, name, "the name of an encoding");
    }
    tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42883", value->position,
                                      "there is no option \"%s\" for these files", name);
    err_hint(
        binder->err,
        is_csv ? "delim, quote, escape, header, nullstr, all_varchar, encoding and sample_size are."
               : "encoding and sample_size are, of JSON.");
    return status;
}

static tdbplus_status read_paths(struct binder *binder, const struct ast *value,
                                 struct file_request *request)
{
    struct ast *one[1];
    struct ast_list list = {.count = 1, .items = one};
    if (value->kind == AST_ARRAY) {
        list = ((const struct ast_array *)value)->elements;
    }
    const char **paths = arena_array(binder->arena, list.count + 1u, sizeof *paths);
    if (paths == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < list.count; i++) {
        TRY(read_text(binder, value->kind == AST_ARRAY ? list.items[i] : value,
                      "the path of a file", &paths[i]));
    }
    if (list.count == 0) {
        return wants(binder, value, "the list of files", "at least one");
    }
    request->patterns = paths;
    request->pattern_count = list.count;
    return TDBPLUS_OK;
}

/* name => value, or name = value as DuckDB writes it. */
static tdbplus_status read_argument(struct binder *binder, const struct ast *ast,
                                    struct file_request *request)
{
    if (ast->kind == AST_NAMED_ARGUMENT) {
        const struct ast_named_argument *named = (const struct ast_named_argument *)ast;
        return read_option(binder, named->name, named->argument, request);
    }
    if (ast->kind == AST_OPERATOR) {
        const struct ast_operator *set = (const struct ast_operator *)ast;
        if (set->left != NULL && set->left->kind == AST_COLUMN_REF && set->name != NULL &&
            strcmp(set->name, "=") == 0 && set->right != NULL) {
            const struct ast_column_ref *name = (const struct ast_column_ref *)set->left;
            return read_option(binder, name->names.items[0], set->right, request);
        }
    }
    return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->position,
                     "an option is written name => value");
}

static tdbplus_status read_declared(struct binder *binder, const struct ast_list *definitions,
                                    struct file_request *request)
{
    if (definitions->count == 0) {
        return TDBPLUS_OK;
    }
    struct file_column *columns = arena_array(binder->arena, definitions->count, sizeof *columns);
    if (columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < definitions->count; i++) {
        const struct ast_column_definition *definition =
            (const struct ast_column_definition *)definitions->items[i];
        TRY(bind_type(binder, definition->type, &columns[i].type));
        TRY(bind_copy_name(binder, definition->name, &columns[i].name));
    }
    request->declared = columns;
    request->declared_count = definitions->count;
    return TDBPLUS_OK;
}

/* ---- plans ---- */

static tdbplus_status describe(struct binder *binder, const struct file_request *request,
                               uint32_t position, struct plan **plan_out)
{
    struct file_spec *spec = arena_array(binder->arena, 1, sizeof *spec);
    if (spec == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_access_files(binder, false,
                          "must be superuser or have privileges of the pg_read_server_files role "
                          "to read a file"));
    tdbplus_status status = file_describe(request, binder->arena, spec, binder->err);
    if (status != TDBPLUS_OK) {
        if (binder->err != NULL && binder->err->position == 0) {
            binder->err->position = parse_character(binder->text, position);
        }
        return status;
    }
    return bind_file_plan(binder, spec, plan_out);
}

tdbplus_status bind_file_plan(struct binder *binder, const struct file_spec *spec,
                              struct plan **plan_out)
{
    uint32_t count = spec->column_count;
    struct plan *plan = plan_make(binder->arena, PLAN_FILE, count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->file.spec = spec;
    plan->file.positions = arena_array(binder->arena, count + 1u, sizeof(uint32_t));
    if (plan->file.positions == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        plan->file.positions[i] = i;
        plan->columns[i] = (struct plan_column){
            .id = binder->next_id++, .type = spec->columns[i].type, .name = spec->columns[i].name};
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

tdbplus_status bind_file_function(struct binder *binder, struct bind_query *query,
                                  const struct ast_table_function *ast, struct plan **plan_out)
{
    const struct ast_function *call = (const struct ast_function *)ast->functions.items[0];
    struct file_request request = file_request_default();
    request.format = format_of(call);
    if (call->arguments.count == 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42883", call->ast.position,
                         "%s() needs the path of a file", call->name.items[call->name.count - 1]);
    }
    if (ast->ordinality) {
        return bind_unsupported(binder, call->ast.position, "WITH ORDINALITY of files");
    }
    TRY(read_paths(binder, call->arguments.items[0], &request));
    for (uint32_t i = 1; i < call->arguments.count; i++) {
        TRY(read_argument(binder, call->arguments.items[i], &request));
    }
    TRY(read_declared(binder, &ast->definitions, &request));
    TRY(describe(binder, &request, call->arguments.items[0]->position, plan_out));
    const char *alias =
        ast->alias != NULL ? ast->alias->name : call->name.items[call->name.count - 1];
    return bind_add_named(binder, query, (*plan_out)->columns, (*plan_out)->column_count,
                          ast->alias, alias);
}

/* ---- names that are files' ---- */

/* The grammar cuts names at 63 bytes: the text has all of it, in quotes of either kind. */
static tdbplus_status whole_name(struct binder *binder, const struct ast_table_ref *table,
                                 const char **name_out)
{
    size_t at = table->ast.position;
    *name_out = table->name;
    if (at == 0 || at > binder->text.size) {
        return TDBPLUS_OK;
    }
    const char *text = (const char *)binder->text.data + at - 1;
    size_t rest = binder->text.size - at + 1;
    char quote = text[0];
    if (quote != '\'' && quote != '"') {
        return TDBPLUS_OK;
    }
    char *name = (char *)arena_bytes(binder->arena, rest);
    size_t size = 0;
    if (name == NULL) {
        return bind_no_memory(binder);
    }
    for (size_t i = 1; i < rest; i++) {
        if (text[i] == quote && (i + 1 == rest || text[i + 1] != quote)) {
            name[size] = '\0';
            *name_out = name;
            break;
        }
        i += text[i] == quote;
        name[size++] = text[i];
    }
    return TDBPLUS_OK;
}

/* The file's name without folders and endings. */
static tdbplus_status short_name(struct binder *binder, const char *path, const char **name_out)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t size = strcspn(name, ".");
    *name_out = arena_text(binder->arena, (struct span){(const uint8_t *)name, size});
    return *name_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

tdbplus_status bind_file_name(struct binder *binder, struct bind_query *query,
                              const struct ast_table_ref *table, bool *done_out,
                              struct plan **plan_out)
{
    struct file_request request = file_request_default();
    const char *name = NULL;
    const char *alias = NULL;
    *done_out = false;
    if (table->schema != NULL || txn_object(binder->txn, OBJECT_COLLECTION, table->name) != NULL) {
        return TDBPLUS_OK;
    }
    TRY(whole_name(binder, table, &name));
    if (file_format_of_path(name) == FILE_FORMAT_NONE) {
        return TDBPLUS_OK;
    }
    *done_out = true;
    request.patterns = &name;
    request.pattern_count = 1;
    TRY(describe(binder, &request, table->ast.position, plan_out));
    TRY(short_name(binder, name, &alias));
    alias = table->alias != NULL ? table->alias->name : alias;
    return bind_add_named(binder, query, (*plan_out)->columns, (*plan_out)->column_count,
                          table->alias, alias);
}
