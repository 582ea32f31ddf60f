/* Comments, and what pg_description shows of them. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/system/system_internal.h"

/* The catalog that has objects of that kind, and its oid. */
struct home {
    const char *name;
    int64_t oid;
};

static struct home home_of(uint8_t kind)
{
    switch ((enum catalog_kind)kind) {
    case CATALOG_TABLE:
    case CATALOG_INDEX:
    case CATALOG_VIEW:
    case CATALOG_SEQUENCE:
        return (struct home){"pg_class", OID_PG_CLASS};
    case CATALOG_FOREIGN_KEY:
        return (struct home){"pg_constraint", OID_PG_CONSTRAINT};
    case CATALOG_SCHEMA:
        return (struct home){"pg_namespace", OID_PG_NAMESPACE};
    case CATALOG_TYPE:
        return (struct home){"pg_type", OID_PG_TYPE};
    case CATALOG_COMMENT:
    case CATALOG_STATISTICS:
    case CATALOG_MATERIALIZED:
    case CATALOG_PRIVILEGES:
        break;
    }
    return (struct home){"", 0};
}

/* Those that PostgreSQL is born with. */
static const struct {
    int64_t oid;
    const char *text;
} born[] = {{OID_PG_CATALOG, "system catalog schema"}, {OID_PUBLIC, "standard public schema"}};

bool system_comment(struct txn *txn, int64_t oid, int64_t number, const char **kind_out,
                    struct buffer *text)
{
    struct catalog_entry entry;
    struct catalog_entry comment;
    char name[CATALOG_NAME_SIZE_MAX + 1];
    for (size_t i = 0; number == 0 && i < sizeof born / sizeof *born; i++) {
        if (born[i].oid == oid) {
            *kind_out = "pg_namespace";
            buffer_put_text(text, born[i].text);
            return true;
        }
    }
    if (oid < OID_USER_FIRST ||
        !catalog_entry_by_oid(txn, (uint64_t)(oid - OID_USER_FIRST), &entry)) {
        return false;
    }
    uint32_t column = (uint32_t)number;
    if (number > 0 && entry.kind == CATALOG_TABLE) {
        const struct schema *schema = entry.object->schema;
        column = number <= (int64_t)schema->column_count ? schema->columns[number - 1].id : 0;
    }
    catalog_comment_name(entry.oid, column, name);
    if ((number > 0 && column == 0) ||
        !catalog_entry_find(txn, CATALOG_COMMENT, NULL, name, &comment)) {
        return false;
    }
    *kind_out = home_of(entry.kind).name;
    buffer_put_span(text, comment.definition);
    return true;
}

static void put_comment(struct system_rows *rows, int64_t oid, struct home home, int64_t number,
                        struct span text)
{
    system_row(rows);
    system_put(rows, "objoid", oid);
    system_put(rows, "classoid", home.oid);
    system_put(rows, "objsubid", number);
    system_put_span(rows, "description", text);
}

tdbplus_status system_fill_description(struct system_rows *rows)
{
    struct catalog_entry comment = {0};
    for (size_t i = 0; i < sizeof born / sizeof *born; i++) {
        put_comment(rows, born[i].oid, home_of(CATALOG_SCHEMA), 0, span_from_text(born[i].text));
    }
    while (catalog_entry_next(rows->txn, CATALOG_COMMENT, &comment)) {
        struct catalog_entry entry;
        const char *point = strchr(comment.name, '.');
        int64_t number = point == NULL ? 0 : strtol(point + 1, NULL, 10);
        if (!catalog_entry_by_oid(rows->txn, comment.owner, &entry)) {
            continue;
        }
        if (number > 0 && entry.kind == CATALOG_TABLE) {
            number = schema_find_id(entry.object->schema, (uint32_t)number) + 1;
        }
        put_comment(rows, system_oid(entry.oid), home_of(entry.kind), number, comment.definition);
    }
    return TDBPLUS_OK;
}
