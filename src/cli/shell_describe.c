/* \d and its family: questions to the system catalog, the same for a database and for a server. */

#include <string.h>

#include "cli/shell.h"

#define RELATION_COUNT_MAX 1000 /* Described by one \d PATTERN. */
#define NAME_SIZE          256

/* ---- patterns ---- */

static void put_literal(struct buffer *sql, const char *text, size_t size)
{
    buffer_put_text(sql, "'");
    for (size_t i = 0; i < size; i++) {
        buffer_put(sql, text + i, 1);
        if (text[i] == '\'') {
            buffer_put_text(sql, "'");
        }
    }
    buffer_put_text(sql, "'");
}

/* One part of a pattern as a regular expression: small letters outside of double quotes, where *
 * and ? stand for what is left out. Returns the place behind it: a dot or the end. */
static const char *put_part(struct buffer *expression, const char *at)
{
    bool quoted = false;
    buffer_put_text(expression, "^(");
    for (; *at != '\0' && (quoted || *at != '.'); at++) {
        const char c = *at;
        if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && c == '*') {
            buffer_put_text(expression, ".*");
        } else if (!quoted && c == '?') {
            buffer_put_text(expression, ".");
        } else {
            if (strchr("\\^$.[]|()?*+{}", c) != NULL) {
                buffer_put_text(expression, "\\");
            }
            const char lower = !quoted && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
            buffer_put(expression, &lower, 1);
        }
    }
    buffer_put_text(expression, ")$");
    return at;
}

/* " AND name ~ '...'", with the schema when the pattern has one; else `otherwise`. */
static void put_pattern(struct buffer *sql, const char *pattern, const char *name,
                        const char *schema, const char *otherwise)
{
    struct buffer first;
    struct buffer second;
    buffer_init(&first, &alloc_system);
    buffer_init(&second, &alloc_system);
    if (pattern[0] == '\0') {
        buffer_put_text(sql, otherwise);
    } else {
        const char *rest = put_part(&first, pattern);
        const bool has_schema = *rest == '.' && schema != NULL;
        if (has_schema) {
            (void)put_part(&second, rest + 1);
        }
        const struct buffer *named = has_schema ? &second : &first;
        buffer_printf(sql, " AND %s ~ ", name);
        put_literal(sql, (const char *)named->data, named->size);
        if (has_schema) {
            buffer_printf(sql, " AND %s ~ ", schema);
            put_literal(sql, (const char *)first.data, first.size);
        }
    }
    sql->failed = sql->failed || first.failed || second.failed;
    buffer_deinit(&first);
    buffer_deinit(&second);
}

/* ---- lists ---- */

static bool print_list(struct shell *shell, struct buffer *sql, const char *title)
{
    const struct print_style before = shell->style;
    const bool timer = shell->timer;
    shell->style.title = title;
    shell->style.has_no_types = true;
    if (!shell->style.has_null) {
        shell->style.has_null = true;
        shell->style.null[0] = '\0';
    }
    shell->timer = false;
    bool good = !sql->failed;
    if (good) {
        good = shell_run(shell, (const char *)sql->data, sql->size);
    } else {
        shell_refuse(shell, "no memory for that pattern", "");
    }
    shell->style = before;
    shell->timer = timer;
    return good;
}

static const char not_system[] = " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
                                 " AND pg_catalog.pg_table_is_visible(c.oid)";

static void list_relations(struct shell *shell, const char *kinds, bool more, const char *pattern)
{
    struct buffer sql;
    const bool has_tables = strchr(kinds, 'i') != NULL;
    buffer_init(&sql, &alloc_system);
    buffer_put_text(&sql, "SELECT n.nspname AS \"Schema\", c.relname AS \"Name\","
                          " CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view'"
                          " WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index'"
                          " WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'"
                          " WHEN 'p' THEN 'partitioned table' END AS \"Type\","
                          " pg_catalog.pg_get_userbyid(c.relowner) AS \"Owner\"");
    if (has_tables) {
        buffer_put_text(&sql, ", t.relname AS \"Table\"");
    }
    if (more) {
        buffer_put_text(&sql, ", pg_catalog.pg_size_pretty(pg_catalog.pg_table_size(c.oid)) AS"
                              " \"Size\", pg_catalog.obj_description(c.oid, 'pg_class') AS"
                              " \"Description\"");
    }
    buffer_put_text(&sql, " FROM pg_catalog.pg_class c"
                          " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace");
    if (has_tables) {
        buffer_put_text(&sql, " LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
                              " LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid");
    }
    buffer_put_text(&sql, " WHERE c.relkind IN (''");
    for (const char *kind = kinds; *kind != '\0'; kind++) {
        buffer_printf(&sql, ", '%c'", *kind);
    }
    buffer_put_text(&sql, ")");
    put_pattern(&sql, pattern, "c.relname", "n.nspname", not_system);
    buffer_put_text(&sql, " ORDER BY 1, 2");
    (void)print_list(shell, &sql, "List of relations");
    buffer_deinit(&sql);
}

/* A list whose question is fixed, but for its pattern. */
struct list {
    const char *name; /* The letter after \d, or the whole command. */
    const char *title;
    const char *select;
    const char *select_more; /* Added with +. */
    const char *from;        /* Up to its WHERE, which has a condition. */
    const char *match_name;
    const char *match_schema; /* NULL: these have none. */
    const char *otherwise;    /* Without a pattern. */
    const char *order;
};

static const struct list lists[] = {
    {"dn", "List of schemas",
     "SELECT n.nspname AS \"Name\", pg_catalog.pg_get_userbyid(n.nspowner) AS \"Owner\"",
     ", pg_catalog.obj_description(n.oid, 'pg_namespace') AS \"Description\"",
     " FROM pg_catalog.pg_namespace n WHERE true", "n.nspname", NULL,
     " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'", " ORDER BY 1"},
    {"df", "List of functions",
     "SELECT n.nspname AS \"Schema\", p.proname AS \"Name\","
     " pg_catalog.pg_get_function_result(p.oid) AS \"Result\","
     " pg_catalog.pg_get_function_arguments(p.oid) AS \"Arguments\","
     " CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window' WHEN 'p' THEN 'procedure'"
     " ELSE 'function' END AS \"Type\"",
     "",
     " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
     " WHERE true",
     "p.proname", "n.nspname", " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
     " ORDER BY 1, 2, 4"},
    {"du", "List of roles",
     "SELECT r.rolname AS \"Role\", concat_ws(', ', CASE WHEN r.rolsuper THEN 'Superuser' END,"
     " CASE WHEN r.rolcreaterole THEN 'Create role' END,"
     " CASE WHEN r.rolcreatedb THEN 'Create DB' END,"
     " CASE WHEN NOT r.rolcanlogin THEN 'Cannot login' END) AS \"Attributes\"",
     "", " FROM pg_catalog.pg_roles r WHERE true", "r.rolname", NULL, " AND r.rolname !~ '^pg_'",
     " ORDER BY 1"},
    {"l", "List of databases",
     "SELECT d.datname AS \"Name\", pg_catalog.pg_get_userbyid(d.datdba) AS \"Owner\","
     " pg_catalog.pg_encoding_to_char(d.encoding) AS \"Encoding\", d.datcollate AS \"Collate\","
     " d.datctype AS \"Ctype\"",
     ", pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(d.oid)) AS \"Size\"",
     " FROM pg_catalog.pg_database d WHERE true", "d.datname", NULL, "", " ORDER BY 1"},
    {"dT", "List of data types",
     "SELECT n.nspname AS \"Schema\", pg_catalog.format_type(t.oid, NULL) AS \"Name\","
     " (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e"
     " WHERE e.enumtypid = t.oid) AS \"Elements\"",
     ", t.typname AS \"Internal name\", t.typlen AS \"Size\"",
     " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
     " WHERE t.typtype IN ('b', 'd', 'e', 'm', 'r') AND t.typname !~ '^_'",
     "t.typname", "n.nspname", " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
     " ORDER BY 1, 2"},
    {"dD", "List of domains",
     "SELECT n.nspname AS \"Schema\", t.typname AS \"Name\","
     " pg_catalog.format_type(t.typbasetype, t.typtypmod) AS \"Type\","
     " CASE WHEN t.typnotnull THEN 'not null' ELSE '' END AS \"Nullable\","
     " btrim(t.typdefault) AS \"Default\"",
     "",
     " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
     " WHERE t.typtype = 'd'",
     "t.typname", "n.nspname", " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
     " ORDER BY 1, 2"},
    {"dp", "Access privileges",
     "SELECT n.nspname AS \"Schema\", c.relname AS \"Name\", CASE c.relkind WHEN 'r' THEN 'table'"
     " WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'sequence' END AS \"Type\","
     " pg_catalog.array_to_string(c.relacl, ', ') AS \"Privileges\"",
     "",
     " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
     " WHERE c.relkind IN ('r', 'v', 'm', 'S', 'p')",
     "c.relname", "n.nspname", " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
     " ORDER BY 1, 2"},
};

static void list_plain(struct shell *shell, const struct list *list, bool more, const char *pattern)
{
    struct buffer sql;
    buffer_init(&sql, &alloc_system);
    buffer_put_text(&sql, list->select);
    buffer_put_text(&sql, more ? list->select_more : "");
    buffer_put_text(&sql, list->from);
    put_pattern(&sql, pattern, list->match_name, list->match_schema, list->otherwise);
    buffer_put_text(&sql, list->order);
    (void)print_list(shell, &sql, list->title);
    buffer_deinit(&sql);
}

/* ---- one relation in full ---- */

struct relation {
    char oid[16];
    char schema[NAME_SIZE];
    char name[NAME_SIZE];
    char kind;
};

struct relations {
    struct relation *items;
    size_t count;
};

static void keep_text(char *target, size_t size, struct span text)
{
    (void)snprintf(target, size, "%.*s", (int)text.size,
                   text.data == NULL ? "" : (const char *)text.data);
}

static bool keep_relation(void *context, const struct span *values, uint32_t count)
{
    struct relations *found = context;
    (void)count;
    if (found->count == RELATION_COUNT_MAX) {
        return false;
    }
    struct relation *relation = &found->items[found->count++];
    keep_text(relation->oid, sizeof relation->oid, values[0]);
    keep_text(relation->schema, sizeof relation->schema, values[1]);
    keep_text(relation->name, sizeof relation->name, values[2]);
    relation->kind = values[3].size > 0 ? (char)values[3].data[0] : ' ';
    return true;
}

/* Lines of text below a table, under a heading. */
struct footer {
    const char *heading; /* NULL: the lines stand for themselves. */
    const char *kinds;   /* Of relations that have it. */
    const char *select;  /* One text a row; followed by the oid and `after`. */
    const char *after;
    bool is_more; /* Only with +. */
};

static const struct footer footers[] = {
    {"Indexes:", "rm",
     "SELECT '\"' || c.relname || '\" ' || CASE WHEN i.indisprimary THEN 'PRIMARY KEY, '"
     " WHEN i.indisunique AND EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE"
     " k.conrelid = i.indrelid AND k.conname = c.relname AND k.contype = 'u')"
     " THEN 'UNIQUE CONSTRAINT, ' WHEN i.indisunique THEN 'UNIQUE, ' ELSE '' END ||"
     " regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.* USING ', '') ||"
     " CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END"
     " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
     " WHERE i.indrelid = ",
     " ORDER BY i.indisprimary DESC, c.relname", false},
    {"Check constraints:", "r",
     "SELECT '\"' || conname || '\" ' || pg_catalog.pg_get_constraintdef(oid, true)"
     " FROM pg_catalog.pg_constraint WHERE contype = 'c' AND conrelid = ",
     " ORDER BY conname", false},
    {"Foreign-key constraints:", "r",
     "SELECT '\"' || conname || '\" ' || pg_catalog.pg_get_constraintdef(oid, true)"
     " FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid = ",
     " ORDER BY conname", false},
    {"Referenced by:", "r",
     "SELECT 'TABLE \"' || conrelid::pg_catalog.regclass || '\" CONSTRAINT \"' || conname || '\" ' "
     "||"
     " pg_catalog.pg_get_constraintdef(oid, true)"
     " FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = ",
     " ORDER BY conrelid::pg_catalog.regclass::text, conname", false},
    {"View definition:", "vm",
     "SELECT pg_catalog.pg_get_viewdef(oid, true)"
     " FROM pg_catalog.pg_class WHERE oid = ",
     "", false},
    {NULL, "S",
     "SELECT 'Owned by: ' || n.nspname || '.' || c.relname || '.' || a.attname"
     " FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.refobjid"
     " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
     " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid"
     " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')"
     " AND d.objid = ",
     "", false},
    {NULL, "i",
     "SELECT CASE WHEN i.indisprimary THEN 'primary key, ' WHEN i.indisunique THEN 'unique, '"
     " ELSE '' END || substring(pg_catalog.pg_get_indexdef(i.indexrelid) from ' USING (\\w+)') ||"
     " ', for table \"' || n.nspname || '.' || c.relname || '\"' || coalesce(', predicate (' ||"
     " btrim(pg_catalog.pg_get_expr(i.indpred, i.indrelid, true)) || ')', '')"
     " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid"
     " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.indexrelid = ",
     "", false},
    {"Comment:", "rvmSi",
     "SELECT pg_catalog.obj_description(oid, 'pg_class')"
     " FROM pg_catalog.pg_class WHERE oid = ",
     "", true},
    {"Size:", "rmi",
     "SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size(oid))"
     " FROM pg_catalog.pg_class WHERE oid = ",
     "", true},
};

/* What is printed of a footer, and how. */
struct footer_lines {
    const char *heading; /* NULL: it stands there already. */
    const char *indent;
};

static bool put_footer(void *context, const struct span *values, uint32_t count)
{
    struct footer_lines *lines = context;
    (void)count;
    if (values[0].data == NULL) {
        return true; // Nothing to say.
    }
    if (lines->heading != NULL) {
        (void)printf("%s\n", lines->heading);
        lines->heading = NULL;
    }
    (void)fputs(lines->indent, stdout);
    for (size_t i = 0; i < values[0].size; i++) {
        (void)putchar(values[0].data[i]);
        if (values[0].data[i] == '\n') {
            (void)fputs(lines->indent, stdout);
        }
    }
    (void)putchar('\n');
    return true;
}

static bool put_footers(struct shell *shell, const struct relation *relation, bool more)
{
    struct buffer sql;
    bool good = true;
    buffer_init(&sql, &alloc_system);
    for (size_t i = 0; i < sizeof footers / sizeof footers[0] && good; i++) {
        const struct footer *footer = &footers[i];
        if (strchr(footer->kinds, relation->kind) == NULL || (footer->is_more && !more)) {
            continue;
        }
        struct footer_lines lines = {footer->heading, footer->heading == NULL ? "" : "    "};
        buffer_clear(&sql);
        buffer_printf(&sql, "%s%s%s", footer->select, relation->oid, footer->after);
        buffer_put(&sql, "", 1);
        good = !sql.failed && shell_rows(shell, (const char *)sql.data, false, put_footer, &lines);
    }
    buffer_deinit(&sql);
    return good;
}

static const char *kind_name(char kind)
{
    static const struct {
        char kind;
        const char *name;
    } names[] = {{'r', "Table"},    {'v', "View"},  {'m', "Materialized view"},
                 {'S', "Sequence"}, {'i', "Index"}, {'p', "Partitioned table"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].kind == kind) {
            return names[i].name;
        }
    }
    return "Relation";
}

static void put_columns_query(struct buffer *sql, const struct relation *relation, bool more)
{
    if (relation->kind == 'S') {
        buffer_printf(sql,
                      "SELECT pg_catalog.format_type(seqtypid, NULL) AS \"Type\", seqstart AS"
                      " \"Start\", seqmin AS \"Minimum\", seqmax AS \"Maximum\", seqincrement AS"
                      " \"Increment\", CASE WHEN seqcycle THEN 'yes' ELSE 'no' END AS \"Cycles?\","
                      " seqcache AS \"Cache\" FROM pg_catalog.pg_sequence WHERE seqrelid = %s",
                      relation->oid);
        return;
    }
    buffer_put_text(sql, "SELECT a.attname AS \"Column\","
                         " pg_catalog.format_type(a.atttypid, a.atttypmod) AS \"Type\"");
    if (relation->kind == 'i') {
        buffer_put_text(sql, ", CASE WHEN a.attnum <= (SELECT indnkeyatts FROM pg_catalog.pg_index"
                             " WHERE indexrelid = a.attrelid) THEN 'yes' ELSE 'no' END AS \"Key?\","
                             " pg_catalog.pg_get_indexdef(a.attrelid, a.attnum, true) AS"
                             " \"Definition\"");
    } else {
        buffer_put_text(sql, ", CASE WHEN a.attnotnull THEN 'not null' ELSE '' END AS \"Nullable\","
                             " CASE WHEN a.attidentity = 'a' THEN 'generated always as identity'"
                             " WHEN a.attidentity = 'd' THEN 'generated by default as identity'"
                             " WHEN a.attgenerated = 's' THEN 'generated always as (' ||"
                             " pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') stored'"
                             " ELSE coalesce(btrim(pg_catalog.pg_get_expr(d.adbin, d.adrelid)), '')"
                             " END AS \"Default\"");
    }
    if (more) {
        buffer_put_text(sql, ", pg_catalog.col_description(a.attrelid, a.attnum) AS"
                             " \"Description\"");
    }
    buffer_printf(sql,
                  " FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d"
                  " ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
                  " WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped"
                  " ORDER BY a.attnum",
                  relation->oid);
}

/* Programs that read CSV or JSON get the columns alone. */
static bool has_footers(enum print_mode mode)
{
    return mode == PRINT_BOX || mode == PRINT_TABLE || mode == PRINT_EXPANDED || mode == PRINT_LINE;
}

static bool describe_relation(struct shell *shell, const struct relation *relation, bool more)
{
    struct buffer sql;
    char title[2 * NAME_SIZE + 32];
    buffer_init(&sql, &alloc_system);
    (void)snprintf(title, sizeof title, "%s \"%s.%s\"", kind_name(relation->kind), relation->schema,
                   relation->name);
    put_columns_query(&sql, relation, more);
    const bool had_no_footer = shell->style.has_no_footer;
    shell->style.has_no_footer = true;
    const bool good = print_list(shell, &sql, title);
    shell->style.has_no_footer = had_no_footer;
    buffer_deinit(&sql);
    return good && (!has_footers(shell->style.mode) || put_footers(shell, relation, more));
}

static void describe(struct shell *shell, bool more, const char *pattern)
{
    struct buffer sql;
    struct relations found = {
        .items = alloc_array(&alloc_system, RELATION_COUNT_MAX, sizeof *found.items)};
    buffer_init(&sql, &alloc_system);
    buffer_put_text(&sql, "SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c"
                          " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE true");
    put_pattern(&sql, pattern, "c.relname", "n.nspname", "");
    if (strchr(pattern, '.') == NULL) {
        buffer_put_text(&sql, " AND pg_catalog.pg_table_is_visible(c.oid)");
    }
    buffer_put_text(&sql, " ORDER BY 2, 3");
    buffer_put(&sql, "", 1);
    if (found.items == NULL || sql.failed) {
        shell_refuse(shell, "no memory to describe ", pattern);
    } else if (shell_rows(shell, (const char *)sql.data, false, keep_relation, &found)) {
        if (found.count == 0) {
            shell_refuse(shell, "there is no table, view, sequence or index named ", pattern);
        }
        for (size_t i = 0; i < found.count; i++) {
            if (i > 0) {
                (void)putchar('\n');
            }
            if (!describe_relation(shell, &found.items[i], more)) {
                break;
            }
        }
    }
    alloc_free(&alloc_system, found.items, RELATION_COUNT_MAX, sizeof *found.items);
    buffer_deinit(&sql);
}

bool shell_describe(struct shell *shell, const char *name, const char *pattern)
{
    char bare[8] = "";
    size_t size = strlen(name);
    const bool more = size > 0 && name[size - 1] == '+';
    size -= more ? 1 : 0;
    if (size == 0 || size >= sizeof bare) {
        return false;
    }
    memcpy(bare, name, size);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (strcmp(bare, lists[i].name) == 0) {
            list_plain(shell, &lists[i], more, pattern);
            return true;
        }
    }
    if (strcmp(bare, "d") == 0) {
        if (pattern[0] == '\0') {
            list_relations(shell, "rvmSp", more, pattern);
        } else {
            describe(shell, more, pattern);
        }
        return true;
    }
    char kinds[8] = "";
    for (size_t i = 1; i < size; i++) {
        if (strchr("tivsm", bare[i]) == NULL) {
            return false;
        }
        kinds[i - 1] = bare[i] == 't' ? 'r' : bare[i] == 's' ? 'S' : bare[i];
    }
    if (bare[0] != 'd') {
        return false;
    }
    list_relations(shell, kinds, more, pattern);
    return true;
}
