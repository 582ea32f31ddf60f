#pragma once

#include "auth/acl.h"
#include "catalog/catalog.h"
#include "index/am/index_def.h"
#include "sql/bind/table_info.h"
#include "sql/bind/view_info.h"
#include "sql/system/system.h"
#include "txn/foreign_def.h"
#include "types/wire_type.h"

#define OID_PG_CATALOG    11
#define OID_PUBLIC        2200
#define OID_INFORMATION   13183
#define OID_OWNER         10
#define OID_DATABASE      5
#define OID_TABLESPACE    1663
#define OID_HEAP          2
#define OID_BTREE         403
#define OID_HASH          405
#define OID_COLLATION     100
#define OID_PG_CLASS      1259
#define OID_PG_TYPE       1247
#define OID_PG_NAMESPACE  2615
#define OID_PG_CONSTRAINT 2606
#define OID_PG_ATTRDEF    2604
#define OID_INT2VECTOR    22
#define OID_OIDVECTOR     30
#define OID_USER_FIRST    WIRE_OID_USER_FIRST /* Plus the number of the object. */

/* What belongs to a table without being an object has the table's oid and a place above. */
#define OID_KEY_INDEX 0x40000000
#define OID_KEY       0x48000000
#define OID_UNIQUE    0x50000000
#define OID_ROW_TYPE  0x58000000
#define OID_ROW_ARRAY WIRE_OID_ROW_ARRAY
#define OID_PART      0x68000000 /* Checks and defaults: 64 for each table. */
#define OID_LABEL     0x02000000 /* Labels of enums: 512 for each type, then others'. */
#define OID_FUNCTION  0x01000000 /* Plus the number in the registry. */
#define OID_AGGREGATE 0x01800000
/* Functions that read and print a type, which SQL cannot call: plus the type's oid, below 65536. */
#define OID_ANY_ARRAY      2277
#define OID_ANY_RANGE      3831
#define OID_ANY_MULTIRANGE 4537
#define OID_ANY_ENUM       3500
#define OID_RECORD         2249
#define OID_TYPE_IN        0x03000000
#define OID_TYPE_OUT       0x03100000
#define OID_TYPE_RECV      0x03200000
#define OID_TYPE_SEND      0x03300000

struct system_type {
    uint32_t oid;
    const char *name;
    int16_t size;
    bool by_value;
    char kind;
    char category;
    bool preferred;
    uint32_t element;
    uint32_t array;
    char align;
    char storage;
    uint32_t collation;
};

extern const struct system_type system_types[]; /* Ended by oid 0. */

struct system_view {
    const char *schema;
    const char *name;
    uint32_t oid;
    const char *query;
};

extern const struct plan_system system_tables[]; /* Ended by a NULL name. */
extern const struct system_view system_views[];

const struct system_type *system_type_by_oid(int64_t oid);

/* PostgreSQL's number of a type, and its modifier. */
uint32_t system_type_oid(struct type type);
int32_t system_type_modifier(struct type type);

/* "integer", "character varying(5)". */
void system_format_type(int64_t oid, int32_t modifier, struct buffer *text);

static inline int64_t system_oid(uint64_t object)
{
    return OID_USER_FIRST + (int64_t)object;
}

int64_t system_schema_oid(struct txn *txn, const char *schema);

/* Appends the name of a type that SQL defined; false when the number is none's. */
bool system_put_defined_type(struct txn *txn, int64_t oid, struct buffer *text);

/* Appends the name of a function that reads or prints a type: "boolin". False: it is none. */
bool system_put_type_function(int64_t oid, struct buffer *text);

/* A function by its oid; NULL: there is none. */
const struct func *system_function(int64_t oid);

/* The relation of that name, in `schema` or, if that is NULL, along the session's path. */
bool system_find_relation(const struct system_place *place, const char *schema, const char *name,
                          int64_t *oid_out);

/* Whether the relation's name alone finds it; false: there is no such relation. */
bool system_relation_visible(const struct system_place *place, int64_t oid, bool *visible_out);

/* Appends the comment on an object, or on the column of it with that number, counted from 1. The
 * kind is the catalog that has the object: "pg_class". False: there is none. */
bool system_comment(struct txn *txn, int64_t oid, int64_t number, const char **kind_out,
                    struct buffer *text);

/* ---- rows ---- */

/* Begins a row of zeroes, empty texts and false; columns whose type has no such value are null. */
void system_row(struct system_rows *rows);
void system_put(struct system_rows *rows, const char *column, int64_t value);
void system_put_text(struct system_rows *rows, const char *column, const char *text);
void system_put_span(struct system_rows *rows, const char *column, struct span text);
void system_put_null(struct system_rows *rows, const char *column);
/* An array of numbers, from 1 on or, for vectors, from 0. */
void system_put_array(struct system_rows *rows, const char *column, const int64_t *items,
                      uint32_t count);
void system_put_texts(struct system_rows *rows, const char *column, const struct span *items,
                      uint32_t count);

/* has_..._privilege() and pg_has_role(). */
TDBPLUS_CHECKED tdbplus_status system_has_privilege(const struct system_place *place,
                                                    const char *name, const struct datum *arguments,
                                                    uint32_t count, struct func_answer *answer,
                                                    struct err *err);
TDBPLUS_CHECKED tdbplus_status system_has_role(const struct system_place *place,
                                               const struct datum *arguments, uint32_t count,
                                               struct func_answer *answer, struct err *err);

/* The columns of an object's owner and of its privileges. */
void system_put_owner(struct system_rows *rows, const char *owner, const char *acl, int64_t oid);
/* The column of the privileges on a table's or view's column. */
void system_put_column_acl(struct system_rows *rows, int64_t relation, uint32_t column_id);

/* ---- texts of definitions ---- */

void system_put_name(struct buffer *text, const char *name); /* Quoted where it must be. */

struct system_index {
    const struct object *table;
    struct index_def def;
    const char *schema;
    const char *name;
};

/* The index of that oid, a table's key among them; false: there is none. */
bool system_find_index(struct txn *txn, int64_t oid, struct arena *arena,
                       struct system_index *index_out);
/* Makes the index that stands for a table's key; false when it has none to show. */
bool system_key_index(struct txn *txn, const struct object *table, struct arena *arena,
                      struct system_index *index_out);
void system_index_text(const struct system_index *index, bool with_schema, struct buffer *text);
void system_index_column(const struct system_index *index, uint32_t number, bool with_order,
                         struct buffer *text);
/* False: no constraint has that oid. */
bool system_constraint_text(struct txn *txn, int64_t oid, struct arena *arena, struct buffer *text);

/* The schema and the name behind it of a collection. */
void system_split_name(const struct object *object, char schema[CATALOG_NAME_SIZE_MAX + 1],
                       char name[CATALOG_NAME_SIZE_MAX + 1]);

/* True when the table's last column is there for the key only. */
bool system_hides_last(const struct object *table, struct arena *arena);

TDBPLUS_CHECKED tdbplus_status system_fill_class(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_attribute(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_type(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_enum(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_namespace(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_index(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_constraint(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_attrdef(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_proc(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_operator(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_am(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_opclass(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_collation(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_database(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_authid(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_granted(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_auth_members(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_extension(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_settings(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_description(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_sequence(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_depend(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_tablespace(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_range(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_cast(struct system_rows *rows);
TDBPLUS_CHECKED tdbplus_status system_fill_language(struct system_rows *rows);
