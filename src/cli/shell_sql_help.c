/* \h: how statements are written, in short. */

#include <string.h>
#include <strings.h>

#include "cli/shell.h"

struct topic {
    const char *name;
    const char *text;
};

static const struct topic topics[] = {
    {"ALTER TABLE",
     "ALTER TABLE name ADD [COLUMN] column type [DEFAULT ...] | DROP [COLUMN] column\n"
     "    | ALTER COLUMN column SET|DROP DEFAULT ... | SET|DROP NOT NULL | TYPE type\n"
     "    | RENAME [COLUMN] column TO other | RENAME TO other\n"
     "    | ADD [CONSTRAINT name] CHECK (...) | UNIQUE (...) | FOREIGN KEY (...) ...\n"
     "    | DROP CONSTRAINT name"},
    {"ANALYZE", "ANALYZE [table]"},
    {"BEGIN", "BEGIN [ISOLATION LEVEL READ COMMITTED | REPEATABLE READ] [READ ONLY]"},
    {"COMMENT", "COMMENT ON TABLE name | COLUMN table.column | ... IS 'text'"},
    {"COMMIT", "COMMIT"},
    {"COPY", "COPY table [(columns)] FROM 'file' | STDIN [WITH (FORMAT csv, HEADER, ...)]\n"
             "COPY table | (query) TO 'file' | STDOUT [WITH (FORMAT csv | text | parquet | ...)]"},
    {"CREATE INDEX", "CREATE [UNIQUE] INDEX [name] ON table [USING btree | hash]\n"
                     "    (column | (expression) [DESC] [NULLS FIRST | LAST], ...)\n"
                     "    [INCLUDE (columns)] [WHERE condition]"},
    {"CREATE SCHEMA", "CREATE SCHEMA [IF NOT EXISTS] name"},
    {"CREATE SEQUENCE", "CREATE SEQUENCE name [START n] [INCREMENT n] [MINVALUE n] [MAXVALUE n]"},
    {"CREATE TABLE", "CREATE TABLE [IF NOT EXISTS] name (\n"
                     "    column type [PRIMARY KEY] [NOT NULL] [UNIQUE] [DEFAULT expression]\n"
                     "        [CHECK (condition)] [REFERENCES table (column) [ON DELETE action]]\n"
                     "        [GENERATED ALWAYS AS IDENTITY | AS (expression) STORED], ...)\n"
                     "CREATE TABLE name AS query"},
    {"CREATE VIEW", "CREATE [OR REPLACE] VIEW name [(columns)] AS query"},
    {"DELETE", "[WITH ...] DELETE FROM table [USING tables] [WHERE condition] [RETURNING ...]"},
    {"DESCRIBE", "DESCRIBE table | query"},
    {"DROP", "DROP TABLE | VIEW | INDEX | SEQUENCE | SCHEMA [IF EXISTS] name [CASCADE]"},
    {"EXPLAIN", "EXPLAIN [ANALYZE] statement\n"
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT text | json) statement"},
    {"FROM", "FROM table | 'file.parquet' | 'files/*.csv' [SELECT ...] [WHERE ...]"},
    {"INSERT", "[WITH ...] INSERT INTO table [(columns)] [BY NAME] VALUES (...), ... | query\n"
               "    [ON CONFLICT (columns) DO NOTHING | DO UPDATE SET column = value, ...]\n"
               "    [RETURNING ...]"},
    {"MERGE", "MERGE INTO table USING source ON condition\n"
              "    WHEN [NOT] MATCHED [AND condition] THEN UPDATE SET ... | DELETE | INSERT ..."},
    {"PREPARE", "PREPARE name [(types)] AS statement;  EXECUTE name (values);  DEALLOCATE name"},
    {"ROLLBACK", "ROLLBACK [TO savepoint]"},
    {"SAVEPOINT", "SAVEPOINT name;  RELEASE name;  ROLLBACK TO name"},
    {"SELECT", "[WITH [RECURSIVE] name AS (query), ...]\n"
               "SELECT [DISTINCT [ON (...)]] expressions\n"
               "    FROM tables [[LEFT | RIGHT | FULL] JOIN table ON condition] [LATERAL (...)]\n"
               "    [WHERE condition] [GROUP BY ... | ALL | ROLLUP (...) | CUBE (...)]\n"
               "    [HAVING condition] [WINDOW name AS (...)]\n"
               "    [UNION | INTERSECT | EXCEPT [ALL] [BY NAME] query]\n"
               "    [ORDER BY ... | ALL] [LIMIT n] [OFFSET n] [FOR UPDATE | SHARE]"},
    {"SET", "SET [LOCAL] name = value;  RESET name;  SHOW name | ALL"},
    {"SUMMARIZE", "SUMMARIZE table | query"},
    {"TRUNCATE", "TRUNCATE table"},
    {"UPDATE", "[WITH ...] UPDATE table SET column = value, ... [FROM tables] [WHERE condition]\n"
               "    [RETURNING ...]"},
};

#define TOPIC_COUNT (sizeof topics / sizeof topics[0])

/* "alter" finds ALTER TABLE; "create t" CREATE TABLE. */
static bool print_matching(const char *topic)
{
    bool found = false;
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if (strncasecmp(topics[i].name, topic, strlen(topic)) == 0) {
            (void)printf("%s%s\n", found ? "\n" : "", topics[i].text);
            found = true;
        }
    }
    return found;
}

void shell_help_sql(struct shell *shell, const char *topic)
{
    if (topic[0] == '\0') {
        (void)printf("\\h NAME tells how one of these is written:\n");
        for (size_t i = 0; i < TOPIC_COUNT; i++) {
            (void)printf("  %s\n", topics[i].name);
        }
        return;
    }
    if (print_matching(topic)) {
        return;
    }
    const char *names[TOPIC_COUNT];
    char upper[64];
    char what[160];
    size_t size = 0;
    for (; topic[size] != '\0' && size + 1 < sizeof upper; size++) {
        const char c = topic[size];
        upper[size] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    upper[size] = '\0';
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        names[i] = topics[i].name;
    }
    const char *meant = shell_similar(upper, names, TOPIC_COUNT);
    (void)snprintf(what, sizeof what, "%s%s%s", upper, meant == NULL ? "" : "; did you mean ",
                   meant == NULL ? "; \\h lists what there is" : meant);
    shell_refuse(shell, "there is no help on ", what);
}
