/*
 * Goal: docs/reference/functions.md says which of PostgreSQL 15's functions and operators work, and
 * says it of this tree. Method: every line of postgres15.txt (kind, name, arguments, result; taken
 * from PostgreSQL's own catalogue) is looked up as a call with those types would be; the page made
 * from that must be the one in docs. With TDBPLUS_WRITE=1 in the environment the page is written.
 */

#include <stdlib.h>

#include "base/buffer.h"
#include "sql/func/aggregate.h"
#include "sql/func/func.h"
#include "test.h"

#define LINES_MAX 3000u

struct line {
    const char *kind;
    const char *name;
    const char *arguments;
    bool works;
    bool known; /* All types of the arguments are. */
};

static struct line lines[LINES_MAX];
static uint32_t line_count;

/* ---- reading ---- */

static char *read_file(const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s", __FILE__);
    (void)snprintf(strrchr(path, '/') + 1, 512, "%s", name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    static char texts[2][1 << 20];
    static uint32_t used;
    char *text = texts[used++ % 2];
    text[fread(text, 1, sizeof texts[0] - 1, file)] = 0;
    (void)fclose(file);
    return text;
}

/* The fields of a line, ended by zeros; the rest of the text. */
static char *cut(char *text, char until)
{
    char *end = strchr(text, until);
    if (end == NULL) {
        return text + strlen(text);
    }
    *end = 0;
    return end + 1;
}

/* ---- looking up ---- */

/* PostgreSQL's long names of types; open types by one that they may stand for. */
static bool find_type(const char *name, struct type *type_out)
{
    static const char *const names[][2] = {
        {"integer", "int4"},
        {"bigint", "int8"},
        {"smallint", "int2"},
        {"real", "float4"},
        {"double precision", "float8"},
        {"boolean", "bool"},
        {"character varying", "varchar"},
        {"timestamp without time zone", "timestamp"},
        {"timestamp with time zone", "timestamptz"},
        {"time without time zone", "time"},
        {"time with time zone", "timetz"},
        {"anyelement", "int4"},
        {"anynonarray", "int4"},
        {"anycompatible", "int4"},
        {"anycompatiblenonarray", "int4"},
        {"\"any\"", "int4"},
        {"character", "bpchar"},
        {"bit varying", "varbit"},
        {"anyrange", "int4range"},
        {"anymultirange", "int4multirange"},
        {"jsonpath", "text"},
    };
    char plain[512];
    (void)snprintf(plain, sizeof plain, "%s", name);
    if (strcmp(plain, "anyarray") == 0 || strcmp(plain, "anycompatiblearray") == 0) {
        *type_out = func_array_of(type_of(TYPE_INT4));
        return true;
    }
    if (strcmp(plain, "anyenum") == 0) {
        *type_out = (struct type){.id = TYPE_ENUM, .parameter = 1};
        return true;
    }
    size_t size = strlen(plain);
    bool array = size > 2 && strcmp(plain + size - 2, "[]") == 0;
    plain[array ? size - 2 : size] = 0;
    const char *found = plain;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        found = strcmp(names[i][0], plain) == 0 ? names[i][1] : found;
    }
    struct type type = {0};
    if (func_type_find(found, NULL, 0, &type, NULL) != TDBPLUS_OK) {
        return false;
    }
    *type_out = array ? func_array_of(type) : type;
    return true;
}

/* What the binder knows without a line in a table. */
static bool is_syntax(const char *name)
{
    static const char *const names[] = {
        "row_number",
        "rank",
        "dense_rank",
        "percent_rank",
        "cume_dist",
        "ntile",
        "lag",
        "lead",
        "first_value",
        "last_value",
        "nth_value",
        "jsonb_each",
        "json_each",
        "json_each_text",
        "jsonb_each_text",
        "percentile_cont",
        "percentile_disc",
        "mode",
        "json_populate_record",
        "json_populate_recordset",
        "jsonb_populate_record",
        "jsonb_populate_recordset",
        "json_to_record",
        "json_to_recordset",
        "jsonb_to_record",
        "jsonb_to_recordset",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool works(const struct line *line, const struct type *types, uint32_t count)
{
    static struct func_match match;
    struct type wanted[2];
    struct type result;
    const struct aggregate *aggregate = NULL;
    if (strcmp(line->kind, "aggregate") == 0) {
        bool found = count <= 2 && aggregate_resolve(line->name, types, count, &aggregate, wanted,
                                                     &result) == FUNC_FOUND;
        return found || is_syntax(line->name);
    }
    bool is_operator = strcmp(line->kind, "operator") == 0;
    struct type type;
    if (!is_operator && is_syntax(line->name)) {
        return true;
    }
    struct func_cast_step steps[FUNC_CAST_STEPS_MAX];
    if (!is_operator && count == 1 &&
        func_type_find(line->name, NULL, 0, &type, NULL) == TDBPLUS_OK &&
        func_cast_path(types[0], type, FUNC_CAST_EXPLICIT, steps) >= 0) {
        return true;
    }
    return func_resolve(line->name, is_operator, types, count, &match) == FUNC_FOUND;
}

static void look_up(struct line *line)
{
    struct type types[16];
    uint32_t count = 0;
    char arguments[512];
    (void)snprintf(arguments, sizeof arguments, "%s", line->arguments);
    line->known = true;
    for (char *at = arguments; *at != 0 && count < 16;) {
        char *next = cut(at, ',');
        line->known = find_type(at, &types[count++]) && line->known;
        at = next;
    }
    line->works = line->known && works(line, types, count);
}

static void read_lines(void)
{
    char *text = read_file("postgres15.txt");
    CHECK(text != NULL);
    for (char *at = text; *at != 0 && line_count < LINES_MAX;) {
        struct line *line = &lines[line_count++];
        char *next = cut(at, '\n');
        line->kind = at;
        line->name = cut(at, '\t');
        line->arguments = cut(at + strlen(line->kind) + 1, '\t');
        (void)cut(at + strlen(line->kind) + 1 + strlen(line->name) + 1, '\t');
        at = next;
        look_up(line);
    }
    CHECK(line_count > 1000);
}

/* ---- the page ---- */

static void put_group(const struct line *first, uint32_t count, struct buffer *page)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < count; i++) {
        good += first[i].works;
    }
    char name[64];
    size_t used = 0;
    for (const char *at = first->name; *at != 0 && used < 60; at++) {
        // A bar would end the cell.
        if (*at == '|') {
            name[used++] = '\\';
        }
        name[used++] = *at;
    }
    name[used] = 0;
    buffer_printf(page, "| `%s` | %s |", name, good == count ? "yes" : good == 0 ? "no" : "partly");
    bool any = false;
    for (uint32_t i = 0; i < count && good > 0 && good < count; i++) {
        if (!first[i].works) {
            buffer_printf(page, "%s(%s)", any ? ", " : " not ", first[i].arguments);
            any = true;
        }
    }
    buffer_put_text(page, " |\n");
}

static void put_kind(const char *kind, const char *title, struct buffer *page)
{
    uint32_t total = 0;
    uint32_t good = 0;
    for (uint32_t i = 0; i < line_count; i++) {
        if (strcmp(lines[i].kind, kind) == 0) {
            total++;
            good += lines[i].works;
        }
    }
    buffer_printf(page, "\n## %s\n\n%u of %u work.\n\n| name | works | |\n| --- | --- | --- |\n",
                  title, good, total);
    for (uint32_t i = 0; i < line_count;) {
        uint32_t count = 1;
        while (i + count < line_count && strcmp(lines[i + count].name, lines[i].name) == 0 &&
               strcmp(lines[i + count].kind, lines[i].kind) == 0) {
            count++;
        }
        if (strcmp(lines[i].kind, kind) == 0) {
            put_group(&lines[i], count, page);
        }
        i += count;
    }
}

/* What there is that PostgreSQL has not. */
static void put_own(struct buffer *page)
{
    buffer_put_text(page, "\n## Beyond PostgreSQL\n\n| name | what |\n| --- | --- |\n");
    const struct func *func = NULL;
    for (uint32_t n = 0; (func = func_at(n)) != NULL; n++) {
        bool listed = strchr(func->name, ' ') != NULL || strcmp(func->name, "not") == 0;
        for (uint32_t i = 0; i < line_count && !listed; i++) {
            listed = strcmp(lines[i].name, func->name) == 0;
        }
        const struct func *before = n > 0 ? func_at(n - 1) : NULL;
        if (!listed && (before == NULL || strcmp(before->name, func->name) != 0)) {
            buffer_printf(page, "| `%s` | %s |\n", func->name, func->summary);
        }
    }
}

static void make_page(struct buffer *page)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < line_count; i++) {
        good += lines[i].works;
    }
    buffer_printf(
        page,
        "# Functions and operators\n\n"
        "Chapter 9 of PostgreSQL 15's manual, and what of it works here: %u of %u forms "
        "(%u %%).\nThis page is made from the registry by `reference_test` "
        "(`TDBPLUS_WRITE=1` writes it), with the\nlist of PostgreSQL's own catalogue in "
        "`src/sql/func/postgres15.txt`. Left out of the list: text\nsearch (9.13), XML "
        "(9.15), geometry (9.11), and administration of a PostgreSQL server (9.27);\nnone "
        "of these is there. Special syntax (`CASE`, `COALESCE`, `ARRAY[...]`, subscripts, "
        "`ANY`,\n`EXTRACT`, `IS JSON`...) is described in [reference.md](../reference.md)."
        "\n",
        good, line_count, good * 100 / line_count);
    put_kind("operator", "Operators", page);
    put_kind("function", "Functions", page);
    put_kind("aggregate", "Aggregates", page);
    put_kind("window", "Window functions", page);
    put_own(page);
    CHECK(!page->failed);
    buffer_put_u8(page, 0);
}

TEST(the_reference_of_functions_is_current)
{
    struct buffer page;
    buffer_init(&page, &alloc_system);
    read_lines();
    make_page(&page);
    const char *path = "../../../docs/reference/functions.md";
    if (getenv("TDBPLUS_WRITE") != NULL) {
        char whole[1024];
        (void)snprintf(whole, sizeof whole, "%s", __FILE__);
        (void)snprintf(strrchr(whole, '/') + 1, 512, "%s", path);
        FILE *file = fopen(whole, "w");
        CHECK(file != NULL);
        (void)fputs((const char *)page.data, file);
        (void)fclose(file);
    }
    const char *there = read_file(path);
    CHECK(there != NULL);
    if (strcmp(there, (const char *)page.data) != 0) {
        (void)fprintf(stderr, "docs/reference/functions.md is old: TDBPLUS_WRITE=1 reference_test "
                              "writes it\n");
    }
    CHECK(strcmp(there, (const char *)page.data) == 0);
    buffer_deinit(&page);
}
