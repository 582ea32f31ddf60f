/*
 * dump --sql: a script that makes everything again, here or, where it has the types, in PostgreSQL.
 *
 * It asks pg_catalog as any client would, in one read-only transaction, so that it dumps a
 * directory and a server alike. Keys stand in the tables' definitions, for tables are kept by them;
 * other indexes and constraints come behind the rows.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "cli/client.h"
#include "cli/dump_sql.h"

#define QUERY_SIZE 4096

/* The rows of a query as texts; NULL: a null. */
struct table {
    const char **cells; /* Row after row. */
    uint32_t row_count;
    uint32_t column_count;
};

struct dump {
    struct client *client;
    struct arena arena;
    const struct dump_options *options;
    bool failed;
};

/* Names as they stand in a statement: "public" is where names are looked for anyway. */
#define QUALIFIED "quote_ident(n.nspname) || '.' || quote_ident(c.relname)"

/* ---- asking ---- */

static void fail(struct dump *dump, const tdbplus_call *call)
{
    if (!dump->failed) {
        cli_complain("dump", &call->error);
    }
    dump->failed = true;
}

static void fail_memory(struct dump *dump)
{
    if (!dump->failed) {
        (void)fprintf(stderr, "tdb: dump: out of memory\n");
    }
    dump->failed = true;
}

static bool keep_row(struct dump *dump, struct answer *answer, struct buffer *cells,
                     tdbplus_call *call)
{
    for (uint32_t i = 0; i < answer_column_count(answer); i++) {
        struct span text = {0};
        if (answer_text(answer, i, &text, call) != TDBPLUS_OK) {
            fail(dump, call);
            return false;
        }
        const char *copy = text.data == NULL ? NULL : arena_text(&dump->arena, text);
        if (text.data != NULL && copy == NULL) {
            fail_memory(dump);
            return false;
        }
        buffer_put(cells, &copy, sizeof copy);
    }
    return true;
}

/* No rows at all after a failure. */
static struct table ask(struct dump *dump, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static struct table ask(struct dump *dump, const char *format, ...)
{
    struct table table = {0};
    struct buffer cells;
    struct answer *answer = NULL;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    char query[QUERY_SIZE];
    va_list arguments;
    if (dump->failed) {
        return table;
    }
    va_start(arguments, format);
    (void)vsnprintf(query, sizeof query, format, arguments);
    va_end(arguments);
    buffer_init(&cells, &alloc_system);
    tdbplus_status status = client_execute(dump->client, query, strlen(query), &answer, &call);
    while (status == TDBPLUS_OK && (status = answer_next(answer, &call)) == TDBPLUS_OK) {
        table.row_count++;
        status = keep_row(dump, answer, &cells, &call) ? TDBPLUS_OK : TDBPLUS_E_INTERNAL;
    }
    table.column_count = answer == NULL ? 0 : answer_column_count(answer);
    if (status != TDBPLUS_END && !dump->failed) {
        fail(dump, &call);
    }
    answer_close(answer);
    void *copy = arena_alloc(&dump->arena, cells.size + 1);
    if (copy == NULL || cells.failed) {
        fail_memory(dump);
    } else {
        memcpy(copy, cells.data == NULL ? copy : cells.data, cells.size);
        table.cells = copy;
    }
    buffer_deinit(&cells);
    return dump->failed ? (struct table){0} : table;
}

/* "" for a null. */
static const char *cell(const struct table *table, uint32_t row, uint32_t column)
{
    const char *text = table->cells[(size_t)row * table->column_count + column];
    return text == NULL ? "" : text;
}

static bool is_null(const struct table *table, uint32_t row, uint32_t column)
{
    return table->cells[(size_t)row * table->column_count + column] == NULL;
}

static bool yes(const struct table *table, uint32_t row, uint32_t column)
{
    return cell(table, row, column)[0] == 't';
}

/* ---- schemas and types ---- */

static void dump_schemas(struct dump *dump)
{
    const struct table schemas =
        ask(dump, "SELECT quote_ident(nspname) FROM pg_namespace WHERE oid "
                  ">= 16384 AND nspname NOT LIKE 'pg\\_%%' ORDER BY oid");
    for (uint32_t i = 0; i < schemas.row_count; i++) {
        (void)printf("CREATE SCHEMA %s;\n", cell(&schemas, i, 0));
    }
}

static void dump_enum(struct dump *dump, const char *oid, const char *name)
{
    const struct table labels = ask(dump,
                                    "SELECT quote_literal(enumlabel) FROM pg_enum WHERE enumtypid "
                                    "= %s ORDER BY enumsortorder",
                                    oid);
    (void)printf("CREATE TYPE %s AS ENUM (", name);
    for (uint32_t i = 0; i < labels.row_count; i++) {
        (void)printf("%s\n    %s", i == 0 ? "" : ",", cell(&labels, i, 0));
    }
    (void)printf("\n);\n");
}

static void dump_domain_checks(struct dump *dump, const char *oid)
{
    const struct table checks = ask(dump,
                                    "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM "
                                    "pg_constraint WHERE contypid = %s ORDER BY oid",
                                    oid);
    for (uint32_t i = 0; i < checks.row_count; i++) {
        (void)printf("\n    CONSTRAINT %s %s", cell(&checks, i, 0), cell(&checks, i, 1));
    }
}

static void dump_types(struct dump *dump)
{
    const struct table types =
        ask(dump, "SELECT t.oid, quote_ident(n.nspname) || '.' || quote_ident(t.typname), "
                  "t.typtype, format_type(t.typbasetype, t.typtypmod), t.typnotnull, "
                  "btrim(t.typdefault) FROM pg_type t JOIN pg_namespace n ON n.oid = "
                  "t.typnamespace WHERE t.typtype IN ('e', 'd') AND t.oid >= 16384 AND n.nspname "
                  "NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema' ORDER BY t.oid");
    for (uint32_t i = 0; i < types.row_count; i++) {
        if (cell(&types, i, 2)[0] == 'e') {
            dump_enum(dump, cell(&types, i, 0), cell(&types, i, 1));
            continue;
        }
        (void)printf("CREATE DOMAIN %s AS %s", cell(&types, i, 1), cell(&types, i, 3));
        if (!is_null(&types, i, 5)) {
            (void)printf(" DEFAULT %s", cell(&types, i, 5));
        }
        (void)printf("%s", yes(&types, i, 4) ? " NOT NULL" : "");
        dump_domain_checks(dump, cell(&types, i, 0));
        (void)printf(";\n");
    }
}

/* ---- sequences ---- */

#define SEQUENCE_FORM                                                                          \
    "'START WITH ' || s.seqstart || ' INCREMENT BY ' || s.seqincrement || ' MINVALUE ' || "    \
    "s.seqmin || ' MAXVALUE ' || s.seqmax || ' CACHE ' || s.seqcache || CASE WHEN s.seqcycle " \
    "THEN ' CYCLE' ELSE '' END"

/* Columns that count, and their sequences. */
#define COUNTING                                                                               \
    "(SELECT a.attrelid, a.attname, a.attidentity, pg_get_serial_sequence(quote_ident("        \
    "tn.nspname) || '.' || quote_ident(tc.relname), a.attname) AS sequence FROM pg_attribute " \
    "a JOIN pg_class tc ON tc.oid = a.attrelid JOIN pg_namespace tn ON tn.oid = "              \
    "tc.relnamespace WHERE tc.relkind = 'r' AND tc.oid >= 16384 AND a.attnum > 0)"

/* Those of identity columns are made with the table. */
static void dump_sequences(struct dump *dump)
{
    const struct table sequences = ask(
        dump, "SELECT " QUALIFIED ", format_type(s.seqtypid, NULL), " SEQUENCE_FORM
              " FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON "
              "n.oid = c.relnamespace WHERE n.nspname NOT LIKE 'pg\\_%%' AND NOT EXISTS (SELECT "
              "FROM " COUNTING " u WHERE u.attidentity <> '' AND u.sequence = n.nspname || '.' || "
              "c.relname) ORDER BY c.oid");
    for (uint32_t i = 0; i < sequences.row_count; i++) {
        (void)printf("CREATE SEQUENCE %s AS %s %s;\n", cell(&sequences, i, 0),
                     cell(&sequences, i, 1), cell(&sequences, i, 2));
    }
}

static void dump_owners(struct dump *dump)
{
    const struct table owned =
        ask(dump, "SELECT quote_ident(sn.nspname) || '.' || quote_ident(sc.relname), " QUALIFIED
                  " || '.' || quote_ident(u.attname) FROM " COUNTING
                  " u JOIN pg_class c ON c.oid = u.attrelid JOIN pg_namespace n ON n.oid = "
                  "c.relnamespace JOIN pg_namespace sn ON true JOIN pg_class sc ON sc.relkind = "
                  "'S' AND sc.relnamespace = sn.oid WHERE u.attidentity = '' AND u.sequence = "
                  "sn.nspname || '.' || sc.relname AND n.nspname NOT LIKE 'pg\\_%%' ORDER BY "
                  "sc.oid");
    for (uint32_t i = 0; i < owned.row_count; i++) {
        (void)printf("ALTER SEQUENCE %s OWNED BY %s;\n", cell(&owned, i, 0), cell(&owned, i, 1));
    }
}

static void dump_positions(struct dump *dump)
{
    const struct table positions =
        ask(dump, "SELECT quote_literal(" QUALIFIED "), pg_sequence_position(c.oid) FROM pg_class "
                  "c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND "
                  "n.nspname NOT LIKE 'pg\\_%%' ORDER BY 1");
    for (uint32_t i = 0; i < positions.row_count; i++) {
        (void)printf("SELECT pg_catalog.setval(%s, %s);\n", cell(&positions, i, 0),
                     cell(&positions, i, 1));
    }
}

/* ---- tables ---- */

static const char *identity_form(struct dump *dump, const char *sequence)
{
    // The name has its schema in front, as pg_get_serial_sequence() gives it.
    const struct table form =
        ask(dump,
            "SELECT 'SEQUENCE NAME ' || " QUALIFIED " || ' ' || " SEQUENCE_FORM
            " FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON "
            "n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = %s",
            sequence);
    return form.row_count == 1 ? cell(&form, 0, 0) : "";
}

static void dump_column(struct dump *dump, const struct table *columns, uint32_t i)
{
    const char *identity = cell(columns, i, 3);
    const char *expression = cell(columns, i, 5);
    (void)printf("%s\n    %s %s", i == 0 ? "" : ",", cell(columns, i, 0), cell(columns, i, 1));
    if (identity[0] != 0) {
        (void)printf(" GENERATED %s AS IDENTITY (%s)", identity[0] == 'a' ? "ALWAYS" : "BY DEFAULT",
                     identity_form(dump, cell(columns, i, 6)));
    } else if (cell(columns, i, 4)[0] == 's') {
        bool closed = expression[0] == '(' && expression[strlen(expression) - 1] == ')';
        (void)printf(closed ? " GENERATED ALWAYS AS %s STORED" : " GENERATED ALWAYS AS (%s) STORED",
                     expression);
    } else if (!is_null(columns, i, 5)) {
        (void)printf(" DEFAULT %s", expression);
    }
    (void)printf("%s", yes(columns, i, 2) ? " NOT NULL" : "");
}

static struct table columns_of(struct dump *dump, const char *oid)
{
    return ask(dump,
               "SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, "
               "a.attidentity, a.attgenerated, btrim(pg_get_expr(d.adbin, d.adrelid)), "
               "quote_literal(pg_get_serial_sequence(quote_ident(n.nspname) || '.' || "
               "quote_ident(c.relname), a.attname)) FROM pg_attribute a JOIN pg_class c ON c.oid = "
               "a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attrdef d ON "
               "d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = %s AND a.attnum > "
               "0 AND NOT a.attisdropped ORDER BY a.attnum",
               oid);
}

/* A table of documents has other columns by itself, and computes those that are declared. */
static void dump_documents(struct dump *dump, const char *oid, const char *name,
                           const char *options)
{
    const struct table columns = columns_of(dump, oid);
    const struct table checks =
        ask(dump,
            "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint WHERE "
            "conrelid = %s AND contype = 'c' ORDER BY oid",
            oid);
    uint32_t written = 0;
    (void)printf("\nCREATE TABLE %s (", name);
    for (uint32_t i = 0; i < columns.row_count; i++) {
        if (cell(&columns, i, 4)[0] == 's') {
            (void)printf("%s\n    %s %s%s", written++ == 0 ? "" : ",", cell(&columns, i, 0),
                         cell(&columns, i, 1), yes(&columns, i, 2) ? " NOT NULL" : "");
        }
    }
    for (uint32_t i = 0; i < checks.row_count; i++) {
        (void)printf("%s\n    CONSTRAINT %s %s", written++ == 0 ? "" : ",", cell(&checks, i, 0),
                     cell(&checks, i, 1));
    }
    (void)printf("\n)%s;\n", options);
}

static void dump_table(struct dump *dump, const char *oid, const char *name, const char *options)
{
    if (strstr(options, "documents='true'") != NULL) {
        dump_documents(dump, oid, name, options);
        return;
    }
    const struct table columns = columns_of(dump, oid);
    const struct table checks =
        ask(dump,
            "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint WHERE "
            "conrelid = %s AND contype IN ('c', 'p') ORDER BY contype, oid",
            oid);
    (void)printf("\nCREATE TABLE %s (", name);
    for (uint32_t i = 0; i < columns.row_count; i++) {
        dump_column(dump, &columns, i);
    }
    for (uint32_t i = 0; i < checks.row_count; i++) {
        (void)printf("%s\n    CONSTRAINT %s %s", i + columns.row_count == 0 ? "" : ",",
                     cell(&checks, i, 0), cell(&checks, i, 1));
    }
    (void)printf("\n)%s;\n", options);
}

/* Those of tables ('r'), views ('v') or materialized views ('m'), in the order they were made. */
static struct table relations_of(struct dump *dump, const char *kinds)
{
    return ask(dump,
               "SELECT c.oid, " QUALIFIED ", c.relkind, pg_get_viewdef(c.oid), c.relispopulated, "
               "(SELECT ' WITH (' || string_agg(split_part(o, '=', 1) || '=' || "
               "quote_literal(split_part(o, '=', 2)), ', ') || ')' FROM unnest(c.reloptions) AS u "
               "(o)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid >= "
               "16384 AND c.relkind IN (%s) AND n.nspname NOT LIKE 'pg\\_%%' ORDER BY c.oid",
               kinds);
}

/* ---- rows ---- */

static void dump_rows(struct dump *dump, const char *oid, const char *name)
{
    const struct table columns =
        ask(dump,
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE "
            "attrelid = %s AND attnum > 0 AND attgenerated = '' AND NOT attisdropped",
            oid);
    if (columns.row_count == 0 || is_null(&columns, 0, 0)) {
        return;
    }
    struct buffer query;
    struct answer *answer = NULL;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    buffer_init(&query, &alloc_system);
    buffer_printf(&query, "COPY %s (%s) TO STDOUT", name, cell(&columns, 0, 0));
    tdbplus_status status = query.failed ? TDBPLUS_E_NOMEM
                                         : client_execute(dump->client, (const char *)query.data,
                                                          query.size, &answer, &call);
    if (status == TDBPLUS_OK) {
        (void)printf("\nCOPY %s (%s) FROM stdin;\n", name, cell(&columns, 0, 0));
    }
    while (status == TDBPLUS_OK && (status = answer_next(answer, &call)) == TDBPLUS_OK) {
        struct span piece = {0};
        status = answer_text(answer, 0, &piece, &call);
        (void)fwrite(piece.data, 1, status == TDBPLUS_OK ? piece.size : 0, stdout);
    }
    answer_close(answer);
    buffer_deinit(&query);
    if (status == TDBPLUS_END) {
        (void)printf("\\.\n");
    } else {
        fail(dump, &call);
    }
}

/* ---- behind the rows ---- */

static void dump_indexes(struct dump *dump, const char *oid)
{
    const struct table indexes =
        ask(dump,
            "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = %s AND NOT "
            "EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN "
            "('p', 'u')) ORDER BY i.indexrelid",
            oid);
    for (uint32_t i = 0; i < indexes.row_count; i++) {
        (void)printf("%s;\n", cell(&indexes, i, 0));
    }
}

static void dump_constraints(struct dump *dump, char kind)
{
    const struct table constraints =
        ask(dump,
            "SELECT " QUALIFIED ", quote_ident(k.conname), pg_get_constraintdef(k.oid) FROM "
            "pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = "
            "c.relnamespace WHERE k.contype = '%c' AND c.oid >= 16384 AND n.nspname NOT LIKE "
            "'pg\\_%%' ORDER BY k.oid",
            kind);
    for (uint32_t i = 0; i < constraints.row_count; i++) {
        (void)printf("ALTER TABLE %s ADD CONSTRAINT %s %s;\n", cell(&constraints, i, 0),
                     cell(&constraints, i, 1), cell(&constraints, i, 2));
    }
}

static void dump_view(struct dump *dump, const struct table *views, uint32_t i)
{
    const struct table columns =
        ask(dump,
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE "
            "attrelid = %s AND attnum > 0",
            cell(views, i, 0));
    const char *text = cell(views, i, 3);
    bool kept = cell(views, i, 2)[0] == 'm';
    size_t size = strlen(text);
    size -= size > 0 && text[size - 1] == ';';
    if (columns.row_count == 1) {
        (void)printf("\nCREATE %sVIEW %s (%s) AS%.*s%s;\n", kept ? "MATERIALIZED " : "",
                     cell(views, i, 1), cell(&columns, 0, 0), (int)size, text,
                     kept ? "\nWITH NO DATA" : "");
    }
    if (kept) {
        dump_indexes(dump, cell(views, i, 0));
    }
    if (kept && yes(views, i, 4) && !dump->options->schema_only) {
        (void)printf("REFRESH MATERIALIZED VIEW %s;\n", cell(views, i, 1));
    }
}

static void dump_comments(struct dump *dump)
{
    const struct table comments = ask(
        dump, "SELECT CASE WHEN d.objsubid > 0 THEN 'COLUMN' WHEN c.relkind = 'v' THEN 'VIEW' WHEN "
              "c.relkind = 'm' THEN 'MATERIALIZED VIEW' WHEN c.relkind = 'i' THEN 'INDEX' WHEN "
              "c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, " QUALIFIED
              " || coalesce('.' || quote_ident(a.attname), ''), quote_literal(d.description) FROM "
              "pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.classoid = "
              "'pg_class'::regclass JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN "
              "pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 "
              "WHERE c.oid >= 16384 UNION ALL SELECT 'TYPE', quote_ident(n.nspname) || '.' || "
              "quote_ident(t.typname), quote_literal(d.description) FROM pg_description d JOIN "
              "pg_type t ON t.oid = d.objoid AND d.classoid = 'pg_type'::regclass JOIN "
              "pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 16384 UNION ALL SELECT "
              "'SCHEMA', quote_ident(n.nspname), quote_literal(d.description) FROM pg_description "
              "d JOIN pg_namespace n ON n.oid = d.objoid AND d.classoid = "
              "'pg_namespace'::regclass WHERE n.oid >= 16384");
    for (uint32_t i = 0; i < comments.row_count; i++) {
        (void)printf("COMMENT ON %s %s IS %s;\n", cell(&comments, i, 0), cell(&comments, i, 1),
                     cell(&comments, i, 2));
    }
}

static void dump_all(struct dump *dump)
{
    bool definitions = !dump->options->data_only;
    bool rows = !dump->options->schema_only;
    const struct table tables = relations_of(dump, "'r'");
    (void)printf("-- Made by tdb dump --sql.\n\nSET client_encoding = 'UTF8';\n"
                 "SET standard_conforming_strings = on;\n\n");
    if (definitions) {
        dump_schemas(dump);
        dump_types(dump);
        dump_sequences(dump);
    }
    for (uint32_t i = 0; definitions && i < tables.row_count; i++) {
        dump_table(dump, cell(&tables, i, 0), cell(&tables, i, 1), cell(&tables, i, 5));
    }
    if (definitions) {
        dump_owners(dump);
    }
    for (uint32_t i = 0; rows && i < tables.row_count; i++) {
        dump_rows(dump, cell(&tables, i, 0), cell(&tables, i, 1));
    }
    if (rows) {
        (void)printf("\n");
        dump_positions(dump);
    }
    if (!definitions) {
        return;
    }
    (void)printf("\n");
    dump_constraints(dump, 'u');
    for (uint32_t i = 0; i < tables.row_count; i++) {
        dump_indexes(dump, cell(&tables, i, 0));
    }
    dump_constraints(dump, 'f');
    const struct table views = relations_of(dump, "'v', 'm'");
    for (uint32_t i = 0; i < views.row_count; i++) {
        dump_view(dump, &views, i);
    }
    dump_comments(dump);
}

int dump_sql(const char *target, const struct dump_options *options)
{
    struct dump dump = {.client = client_open_reading(target), .options = options};
    if (dump.client == NULL) {
        return CLI_FAILED;
    }
    arena_init(&dump.arena, &alloc_system, 0);
    (void)ask(&dump, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    (void)ask(&dump, "SET LOCAL search_path = public");
    (void)ask(&dump, "SET LOCAL datestyle = ISO");
    (void)ask(&dump, "SET LOCAL intervalstyle = postgres");
    dump_all(&dump);
    bool good = !dump.failed;
    (void)ask(&dump, "ROLLBACK");
    arena_deinit(&dump.arena);
    client_close(dump.client);
    return cli_flushed() && good ? CLI_OK : CLI_FAILED;
}
