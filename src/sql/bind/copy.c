/* COPY: its options, with PostgreSQL's rules and words, and the plans behind it. */

#include <stdio.h>
#include <string.h>

#include "files/describe.h"
#include "sql/bind/bind_internal.h"

/* What was said, before it is known whether it may be. */
struct copy_options {
    uint8_t format; /* enum file_format; FILE_FORMAT_NONE: not said. */
    const char *delimiter;
    const char *null_text;
    const char *quote;
    const char *escape;
    uint8_t header;
    const struct ast *force_quote;
    const struct ast *force_not_null;
    const struct ast *force_null;
    const char *compression;
    const struct charset *encoding; /* NULL: UTF-8. */
    uint32_t said;                  /* A bit for each option. */
};

static tdbplus_status wrong(struct binder *binder, const char *sqlstate, const char *message)
{
    return bind_fail(binder, TDBPLUS_E_SQL, sqlstate, 0, "%s", message);
}

/* ---- single options ---- */

static const char *option_text(const struct ast_option *option, char scratch[32])
{
    const struct ast_constant *constant = (const struct ast_constant *)option->value;
    if (option->value == NULL) {
        return NULL;
    }
    if (option->value->kind == AST_TYPE_NAME) {
        const struct ast_type_name *name = (const struct ast_type_name *)option->value;
        return name->names.count > 0 ? name->names.items[name->names.count - 1] : NULL;
    }
    if (option->value->kind != AST_CONSTANT) {
        return NULL;
    }
    switch (constant->constant) {
    case AST_BOOL:
        return constant->boolean ? "true" : "false";
    case AST_INTEGER:
        (void)snprintf(scratch, 32, "%d", constant->integer);
        return scratch;
    default:
        return constant->text;
    }
}

static tdbplus_status wants_text(struct binder *binder, const struct ast_option *option,
                                 const char **text_out)
{
    char scratch[32];
    const char *text = option_text(option, scratch);
    if (text == NULL) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0, "%s requires a parameter",
                         option->name);
    }
    return bind_copy_name(binder, text, text_out);
}

/* "true", "on", 1 and so on; false when it is none of them. */
static bool truth_of(const char *text, bool *value_out)
{
    static const char *const words[] = {"true", "on", "1", "false", "off", "0"};
    for (uint32_t i = 0; text != NULL && i < 6; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value_out = i < 3;
            return true;
        }
    }
    *value_out = true;
    return text == NULL;
}

static tdbplus_status read_header(struct binder *binder, const struct ast_option *option, bool from,
                                  uint8_t *header_out)
{
    char scratch[32];
    const char *text = option_text(option, scratch);
    bool wanted = false;
    if (truth_of(text, &wanted)) {
        *header_out = wanted ? CSV_HEADER_SKIP : CSV_HEADER_NONE;
        return TDBPLUS_OK;
    }
    if (strcmp(text, "match") != 0) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0,
                         "%s requires a Boolean value or \"match\"", option->name);
    }
    if (!from) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         "cannot use \"%s\" with HEADER in COPY TO", text);
    }
    *header_out = CSV_HEADER_MATCH;
    return TDBPLUS_OK;
}

static tdbplus_status read_format(struct binder *binder, const struct ast_option *option,
                                  uint8_t *format_out)
{
    const char *text = NULL;
    TRY(wants_text(binder, option, &text));
    *format_out = (uint8_t)file_format_of_name(text);
    if (*format_out == FILE_FORMAT_NONE) {
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", option->ast.position,
                         "COPY format \"%s\" not recognized", text);
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_encoding(struct binder *binder, const struct ast_option *option,
                                    const struct charset **encoding_out)
{
    const char *text = NULL;
    TRY(wants_text(binder, option, &text));
    if (charset_find(text, encoding_out)) {
        return TDBPLUS_OK;
    }
    return bind_fail(binder, TDBPLUS_E_INVALID, "22023", option->ast.position,
                     "argument to option \"%s\" must be a valid encoding name", option->name);
}

static tdbplus_status read_columns(struct binder *binder, const struct ast_option *option,
                                   bool star_allowed, const struct ast **list_out)
{
    const struct ast *value = option->value;
    if (value == NULL || (value->kind != AST_LIST && !(star_allowed && value->kind == AST_STAR))) {
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", option->ast.position,
                         "argument to option \"%s\" must be a list of column names", option->name);
    }
    *list_out = value;
    return TDBPLUS_OK;
}

static tdbplus_status read_option(struct binder *binder, const struct ast_option *option, bool from,
                                  struct copy_options *options)
{
    static const char *const names[] = {"format",     "delimiter", "null",        "header",
                                        "quote",      "escape",    "force_quote", "force_not_null",
                                        "force_null", "encoding",  "freeze",      "compression"};
    uint32_t number = 0;
    bool ignored = false;
    char scratch[32];
    while (number < sizeof names / sizeof *names && strcmp(names[number], option->name) != 0) {
        number++;
    }
    if (number == sizeof names / sizeof *names) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", option->ast.position,
                         "option \"%s\" not recognized", option->name);
    }
    if ((options->said & 1u << number) != 0) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", option->ast.position,
                         "conflicting or redundant options");
    }
    options->said |= 1u << number;
    switch (number) {
    case 0:
        return read_format(binder, option, &options->format);
    case 1:
        return wants_text(binder, option, &options->delimiter);
    case 2:
        return wants_text(binder, option, &options->null_text);
    case 3:
        return read_header(binder, option, from, &options->header);
    case 4:
        return wants_text(binder, option, &options->quote);
    case 5:
        return wants_text(binder, option, &options->escape);
    case 6:
        return read_columns(binder, option, true, &options->force_quote);
    case 7:
        return read_columns(binder, option, false, &options->force_not_null);
    case 8:
        return read_columns(binder, option, false, &options->force_null);
    case 9:
        return read_encoding(binder, option, &options->encoding);
    case 10:
        if (!truth_of(option_text(option, scratch), &ignored)) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0, "%s requires a Boolean value",
                             option->name);
        }
        return TDBPLUS_OK;
    default:
        return wants_text(binder, option, &options->compression);
    }
}

/* ---- what goes together ---- */

static tdbplus_status check_text(struct binder *binder, const struct copy_options *said,
                                 const struct csv_options *csv)
{
    if (said->delimiter != NULL && strlen(said->delimiter) != 1) {
        return wrong(binder, "0A000", "COPY delimiter must be a single one-byte character");
    }
    if (csv->delimiter == '\n' || csv->delimiter == '\r') {
        return wrong(binder, "22023", "COPY delimiter cannot be newline or carriage return");
    }
    if (said->null_text != NULL && strpbrk(said->null_text, "\r\n") != NULL) {
        return wrong(binder, "22023",
                     "COPY null representation cannot use newline or carriage return");
    }
    if (!csv->csv && csv->delimiter != 0 &&
        strchr("\\.abcdefghijklmnopqrstuvwxyz0123456789", (char)csv->delimiter) != NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "22023", 0, "COPY delimiter cannot be \"%c\"",
                         csv->delimiter);
    }
    if (!csv->csv && said->quote != NULL) {
        return wrong(binder, "0A000", "COPY quote available only in CSV mode");
    }
    if (said->quote != NULL && strlen(said->quote) != 1) {
        return wrong(binder, "0A000", "COPY quote must be a single one-byte character");
    }
    if (csv->csv && csv->delimiter == csv->quote) {
        return wrong(binder, "22023", "COPY delimiter and quote must be different");
    }
    if (!csv->csv && said->escape != NULL) {
        return wrong(binder, "0A000", "COPY escape available only in CSV mode");
    }
    if (said->escape != NULL && strlen(said->escape) != 1) {
        return wrong(binder, "0A000", "COPY escape must be a single one-byte character");
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_forces(struct binder *binder, const struct copy_options *said,
                                   const struct csv_options *csv, bool from)
{
    if (said->force_quote != NULL && (!csv->csv || from)) {
        return wrong(binder, "0A000",
                     csv->csv ? "COPY force quote only available using COPY TO"
                              : "COPY force quote available only in CSV mode");
    }
    if (said->force_not_null != NULL && (!csv->csv || !from)) {
        return wrong(binder, "0A000",
                     csv->csv ? "COPY force not null only available using COPY FROM"
                              : "COPY force not null available only in CSV mode");
    }
    if (said->force_null != NULL && (!csv->csv || !from)) {
        return wrong(binder, "0A000",
                     csv->csv ? "COPY force null only available using COPY FROM"
                              : "COPY force null available only in CSV mode");
    }
    const char *null_text = said->null_text;
    if (null_text != NULL && strchr(null_text, (char)csv->delimiter) != NULL) {
        return wrong(binder, "0A000", "COPY delimiter must not appear in the NULL specification");
    }
    if (null_text != NULL && csv->csv && strchr(null_text, (char)csv->quote) != NULL) {
        return wrong(binder, "0A000",
                     "CSV quote character must not appear in the NULL specification");
    }
    return TDBPLUS_OK;
}

/* Formats that are no text take none of the options of text. */
static tdbplus_status check_other(struct binder *binder, const struct copy_options *said)
{
    bool binary = said->format == FILE_BINARY;
    if (said->delimiter != NULL) {
        return wrong(binder, "42601",
                     binary ? "cannot specify DELIMITER in BINARY mode"
                            : "cannot specify DELIMITER in this format");
    }
    if (said->null_text != NULL) {
        return wrong(binder, "42601",
                     binary ? "cannot specify NULL in BINARY mode"
                            : "cannot specify NULL in this format");
    }
    if (said->header != CSV_HEADER_NONE) {
        return wrong(binder, "0A000",
                     binary ? "cannot specify HEADER in BINARY mode"
                            : "cannot specify HEADER in this format");
    }
    struct csv_options none = {0};
    TRY(check_text(binder, said, &none));
    return check_forces(binder, said, &none, true);
}

static tdbplus_status settle(struct binder *binder, struct copy_options *said, bool from,
                             struct csv_options *csv)
{
    *csv = csv_options_default((enum file_format)said->format);
    if (said->format != FILE_TEXT && said->format != FILE_CSV) {
        return check_other(binder, said);
    }
    csv->header = said->header;
    csv->delimiter = said->delimiter != NULL ? (uint8_t)said->delimiter[0] : csv->delimiter;
    csv->quote = said->quote != NULL ? (uint8_t)said->quote[0] : csv->quote;
    csv->escape = said->escape != NULL ? (uint8_t)said->escape[0] : csv->quote;
    csv->null_text = said->null_text != NULL ? span_from_text(said->null_text) : csv->null_text;
    TRY(check_text(binder, said, csv));
    if (said->compression != NULL) {
        return wrong(binder, "0A000", "COMPRESSION is for formats of columns");
    }
    return check_forces(binder, said, csv, from);
}

/* FORCE_QUOTE and its kin: a flag a column. */
static tdbplus_status read_forced(struct binder *binder, const struct ast *list, const char *what,
                                  const struct ast_table_ref *table, const struct file_spec *spec,
                                  const bool **flags_out)
{
    if (list == NULL) {
        return TDBPLUS_OK;
    }
    bool *flags = arena_array(binder->arena, spec->column_count + 1u, sizeof *flags);
    if (flags == NULL) {
        return bind_no_memory(binder);
    }
    *flags_out = flags;
    if (list->kind == AST_STAR) {
        memset(flags, 1, spec->column_count);
        return TDBPLUS_OK;
    }
    const struct ast_list *names = &((const struct ast_items *)list)->list;
    for (uint32_t i = 0; i < names->count; i++) {
        const char *name = ((const struct ast_constant *)names->items[i])->text;
        uint32_t at = 0;
        while (at < spec->column_count && strcmp(spec->columns[at].name, name) != 0) {
            at++;
        }
        if (at < spec->column_count) {
            flags[at] = true;
            continue;
        }
        const struct object *object = NULL;
        if (table != NULL && bind_find_table(binder, table, &object) == TDBPLUS_OK &&
            schema_find_name(object->schema, name) >= 0) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10", 0,
                             "%s column \"%s\" not referenced by COPY", what, name);
        }
        return table != NULL
                   ? bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                               "column \"%s\" of relation \"%s\" does not exist", name, table->name)
                   : bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                               "column \"%s\" does not exist", name);
    }
    return TDBPLUS_OK;
}

/* ---- plans ---- */

static tdbplus_status make_spec(struct binder *binder, const struct ast_copy *ast,
                                const struct copy_options *said, struct file_spec **spec_out)
{
    struct file_spec *spec = arena_array(binder->arena, 1, sizeof *spec);
    const char **paths = arena_array(binder->arena, 1, sizeof *paths);
    if (spec == NULL || paths == NULL) {
        return bind_no_memory(binder);
    }
    spec->format = said->format;
    if (ast->path != NULL) {
        TRY(bind_copy_name(binder, ast->path, &paths[0]));
        spec->paths = paths;
        spec->path_count = 1;
        spec->units = arena_array(binder->arena, 1, sizeof *spec->units);
        spec->unit_count = 1;
        if (spec->units == NULL) {
            return bind_no_memory(binder);
        }
    }
    *spec_out = spec;
    return TDBPLUS_OK;
}

/* Files that say themselves what is in them: their columns are found by name. */
static tdbplus_status bind_named_columns(struct binder *binder, const struct bind_copy *copy,
                                         struct file_spec *spec, struct plan **plan_out)
{
    struct file_request request = file_request_default();
    struct plan *all = NULL;
    if (spec->path_count == 0) {
        return bind_unsupported(binder, 0, "COPY FROM STDIN in this format");
    }
    request.format = spec->format;
    request.patterns = spec->paths;
    request.pattern_count = spec->path_count;
    TRY(file_describe(&request, binder->arena, spec, binder->err));
    TRY(bind_file_plan(binder, spec, &all));
    struct plan *plan = plan_make(binder->arena, PLAN_FILE, copy->columns.count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->file.spec = spec;
    plan->file.positions = arena_array(binder->arena, copy->columns.count + 1u, sizeof(uint32_t));
    if (plan->file.positions == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < copy->columns.count; i++) {
        const char *name = copy->file_columns[i].name;
        uint32_t at = 0;
        while (at < spec->column_count && strcmp(spec->columns[at].name, name) != 0) {
            at++;
        }
        if (at == spec->column_count) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                             "the file has no column \"%s\"", name);
        }
        plan->file.positions[i] = at;
        plan->columns[i] = all->columns[at];
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

static tdbplus_status bind_copy_from(struct binder *binder, const struct ast_copy *ast,
                                     const struct copy_options *said, struct file_spec *spec,
                                     struct plan **plan_out)
{
    struct bind_copy copy = {0};
    TRY(bind_copy_target(binder, ast->table, &ast->columns, &copy));
    uint32_t count = copy.columns.count;
    spec->columns = copy.file_columns;
    spec->column_count = count;
    TRY(read_forced(binder, said->force_not_null, "FORCE_NOT_NULL", ast->table, spec,
                    &spec->csv.force_not_null));
    TRY(read_forced(binder, said->force_null, "FORCE_NULL", ast->table, spec,
                    &spec->csv.force_null));
    char label[256];
    (void)snprintf(label, sizeof label, "COPY %s", ast->table->name);
    TRY(bind_copy_name(binder, label, &spec->label));
    struct plan *source = NULL;
    if (spec->format == FILE_PARQUET || spec->format == FILE_ARROW) {
        TRY(bind_named_columns(binder, &copy, spec, &source));
    } else {
        TRY(bind_file_plan(binder, spec, &source));
    }
    return bind_copy_rows(binder, &copy, source, ast->where, plan_out);
}

/* COPY table TO is COPY (SELECT columns FROM table) TO. */
static tdbplus_status select_of_table(struct binder *binder, const struct ast_copy *ast,
                                      struct plan **plan_out)
{
    uint32_t count = ast->columns.count > 0 ? ast->columns.count : 1;
    struct ast_target *targets = arena_array(binder->arena, count, sizeof *targets);
    struct ast_column_ref *refs = arena_array(binder->arena, count, sizeof *refs);
    struct ast **items = arena_array(binder->arena, (size_t)count + 1, sizeof *items);
    struct ast_select *select = arena_array(binder->arena, 1, sizeof *select);
    if (targets == NULL || refs == NULL || items == NULL || select == NULL) {
        return bind_no_memory(binder);
    }
    const struct object *object = NULL;
    TRY(bind_find_table(binder, ast->table, &object));
    for (uint32_t i = 0; i < count; i++) {
        refs[i] = (struct ast_column_ref){.ast = {.kind = AST_COLUMN_REF}, .star = true};
        if (ast->columns.count > 0) {
            refs[i].star = false;
            refs[i].names = (struct ast_names){.count = 1, .items = &ast->columns.items[i]};
            for (uint32_t k = 0; k < i; k++) {
                if (strcmp(ast->columns.items[k], ast->columns.items[i]) == 0) {
                    return bind_fail(binder, TDBPLUS_E_SQL, "42701", 0,
                                     "column \"%s\" specified more than once",
                                     ast->columns.items[i]);
                }
            }
            if (schema_find_name(object->schema, ast->columns.items[i]) < 0) {
                return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                                 "column \"%s\" of relation \"%s\" does not exist",
                                 ast->columns.items[i], ast->table->name);
            }
        }
        targets[i] = (struct ast_target){.ast = {.kind = AST_TARGET}, .value = &refs[i].ast};
        items[i] = &targets[i].ast;
    }
    items[count] = &ast->table->ast;
    select->ast.kind = AST_SELECT;
    select->targets = (struct ast_list){.count = count, .items = items};
    select->from = (struct ast_list){.count = 1, .items = &items[count]};
    return bind_select(binder, NULL, select, false, plan_out);
}

static tdbplus_status bind_copied_query(struct binder *binder, const struct ast *query,
                                        struct bound *bound)
{
    if (query->kind == AST_SELECT) {
        if (((const struct ast_select *)query)->into) {
            return wrong(binder, "0A000", "COPY (SELECT INTO) is not supported");
        }
        return bind_select(binder, NULL, (const struct ast_select *)query, false, &bound->plan);
    }
    TRY(bind_change_statement(binder, query, bound));
    if (bound->plan->column_count == 0) {
        return wrong(binder, "0A000", "COPY query must have a RETURNING clause");
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_copy_to(struct binder *binder, const struct ast_copy *ast,
                                   const struct copy_options *said, struct file_spec *spec,
                                   struct bound *bound)
{
    if (ast->query != NULL) {
        TRY(bind_copied_query(binder, ast->query, bound));
    } else {
        TRY(select_of_table(binder, ast, &bound->plan));
    }
    uint32_t count = bound->plan->column_count;
    struct file_column *columns = arena_array(binder->arena, count + 1u, sizeof *columns);
    if (columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name = bound->plan->columns[i].name;
        columns[i] =
            (struct file_column){name != NULL ? name : "?column?", bound->plan->columns[i].type};
    }
    spec->columns = columns;
    spec->column_count = count;
    bound->copy.spec = spec;
    return read_forced(binder, said->force_quote, "FORCE_QUOTE", ast->table, spec,
                       &spec->csv.force_quote);
}

/* Text, as in PostgreSQL, unless the file's name says that it cannot be. */
static uint8_t default_format(const struct ast_copy *ast)
{
    enum file_format format = ast->path == NULL ? FILE_TEXT : file_format_of_path(ast->path);
    return format == FILE_PARQUET || format == FILE_ARROW || format == FILE_NDJSON ? (uint8_t)format
                                                                                   : FILE_TEXT;
}

tdbplus_status bind_copy_statement(struct binder *binder, const struct ast_copy *ast,
                                   struct bound *bound)
{
    struct copy_options said = {0};
    struct file_spec *spec = NULL;
    if (ast->program) {
        return bind_unsupported(binder, 0, "COPY with a program");
    }
    for (uint32_t i = 0; i < ast->options.count; i++) {
        TRY(read_option(binder, (const struct ast_option *)ast->options.items[i], ast->from,
                        &said));
    }
    if (said.format == FILE_FORMAT_NONE) {
        said.format = default_format(ast);
    }
    if (ast->path != NULL) {
        TRY(bind_access_files(
            binder, !ast->from,
            ast->from ? "must be superuser or have privileges of the pg_read_server_files role to "
                        "COPY from a file"
                      : "must be superuser or have privileges of the pg_write_server_files role to "
                        "COPY to a file"));
    }
    TRY(make_spec(binder, ast, &said, &spec));
    TRY(settle(binder, &said, ast->from, &spec->csv));
    spec->compression = said.compression;
    spec->encoding = said.encoding;
    if (spec->encoding != NULL && spec->format != FILE_TEXT && spec->format != FILE_CSV &&
        spec->format != FILE_NDJSON) {
        return bind_unsupported(binder, 0, "ENCODING for a format that is no text");
    }
    if (ast->from) {
        bound->kind = BOUND_CHANGE;
        bound->copy = (struct bound_copy){.spec = spec, .from_caller = spec->path_count == 0};
        return bind_copy_from(binder, ast, &said, spec, &bound->plan);
    }
    TRY(bind_copy_to(binder, ast, &said, spec, bound));
    bound->kind = BOUND_COPY_TO;
    return TDBPLUS_OK;
}
