/* What regclass and its kin print and read. */

#include <stdio.h>
#include <string.h>

#include "sql/system/system_internal.h"

static bool print_relation(const struct system_place *place, int64_t oid, struct buffer *text)
{
    struct catalog_entry entry;
    struct txn *txn = place->txn;
    bool visible = false;
    for (const struct plan_system *table = system_tables; table->name != NULL; table++) {
        if (table->oid == oid) {
            buffer_put_text(text, table->name);
            return true;
        }
    }
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        if (view->oid == oid) {
            bool plain = strcmp(view->schema, "pg_catalog") == 0 ||
                         (system_relation_visible(place, oid, &visible) && visible);
            buffer_printf(text, "%s%s%s", plain ? "" : view->schema, plain ? "" : ".", view->name);
            return true;
        }
    }
    bool key = oid >= OID_KEY_INDEX && oid < OID_KEY;
    if (oid < OID_USER_FIRST ||
        !catalog_entry_by_oid(txn, (uint64_t)(oid - (key ? OID_KEY_INDEX : OID_USER_FIRST)),
                              &entry)) {
        return false;
    }
    if (!system_relation_visible(place, oid, &visible) || !visible) {
        system_put_name(text, entry.schema);
        buffer_put_u8(text, '.');
    }
    char name[CATALOG_NAME_SIZE_MAX + 8];
    (void)snprintf(name, sizeof name, "%s%s", entry.name, key ? "_pkey" : "");
    system_put_name(text, name);
    return true;
}

static bool print_schema(struct txn *txn, int64_t oid, struct buffer *text)
{
    struct catalog_entry entry;
    const char *name = oid == OID_PG_CATALOG    ? "pg_catalog"
                       : oid == OID_PUBLIC      ? "public"
                       : oid == OID_INFORMATION ? "information_schema"
                                                : NULL;
    if (name == NULL && oid >= OID_USER_FIRST &&
        catalog_entry_by_oid(txn, (uint64_t)(oid - OID_USER_FIRST), &entry)) {
        name = entry.name;
    }
    if (name != NULL) {
        system_put_name(text, name);
    }
    return name != NULL;
}

bool system_put_type_function(int64_t oid, struct buffer *text)
{
    static const char *const underlined[] = {
        "date",    "time", "timestamp", "timestamptz", "timetz", "interval",
        "numeric", "uuid", "json",      "jsonb",       "bit",    "varbit",
        "inet",    "cidr", "macaddr",   "macaddr8",    "vector"};
    static const char *const ends[] = {"in", "out", "recv", "send"};
    int64_t number = (oid - OID_TYPE_IN) >> 20;
    if (oid < OID_TYPE_IN || number > 3) {
        return false;
    }
    int64_t type_oid = oid - OID_TYPE_IN - (number << 20);
    const struct system_type *type = system_type_by_oid(type_oid);
    const char *name = type_oid == OID_ANY_ENUM                         ? "enum"
                       : type_oid == OID_RECORD                         ? "record"
                       : type_oid == OID_ANY_RANGE                      ? "range"
                       : type_oid == OID_ANY_MULTIRANGE                 ? "multirange"
                       : type_oid == OID_ANY_ARRAY                      ? "array"
                       : type_oid == OID_USER_FIRST - 2 || type == NULL ? "vector"
                       : strcmp(type->name, "money") == 0               ? "cash"
                                                                        : type->name;
    bool line = type == NULL || type->name != name;
    for (size_t i = 0; i < sizeof underlined / sizeof *underlined; i++) {
        line = line || strcmp(name, underlined[i]) == 0;
    }
    buffer_printf(text, "%s%s%s", name, line ? "_" : "", ends[number]);
    return true;
}

bool system_put_defined_type(struct txn *txn, int64_t oid, struct buffer *text)
{
    struct catalog_entry entry;
    struct type type = wire_enum_by_oid(oid);
    if (type.id == TYPE_NONE || !catalog_entry_by_oid(txn, type.parameter, &entry) ||
        entry.kind != CATALOG_TYPE) {
        return false;
    }
    if (strcmp(entry.schema, CATALOG_SCHEMA_DEFAULT) != 0) {
        system_put_name(text, entry.schema);
        buffer_put_u8(text, '.');
    }
    system_put_name(text, entry.name);
    buffer_put_text(text, type.id == TYPE_ARRAY ? "[]" : "");
    return true;
}

bool system_reg_print(const struct system_place *place, uint8_t type, int64_t oid,
                      struct buffer *text)
{
    const struct func *func = NULL;
    struct role role;
    bool known = false;
    switch (type) {
    case TYPE_REGCLASS:
        return print_relation(place, oid, text);
    case TYPE_REGTYPE:
        if (system_put_defined_type(place->txn, oid, text)) {
            return true;
        }
        if (system_type_by_oid(oid) == NULL && oid != OID_USER_FIRST - 1 &&
            oid != OID_USER_FIRST - 2) {
            return oid >= OID_ROW_TYPE &&
                   print_relation(place, oid - OID_ROW_TYPE + OID_USER_FIRST, text);
        }
        system_format_type(oid, -1, text);
        return true;
    case TYPE_REGNAMESPACE:
        return print_schema(place->txn, oid, text);
    case TYPE_REGROLE:
        known = role_by_oid(place->txn, (uint64_t)oid, &role);
        system_put_name(text, known ? role.name : "");
        return known;
    case TYPE_REGPROC:
    case TYPE_REGPROCEDURE:
    case TYPE_REGOPER:
    case TYPE_REGOPERATOR:
        if (system_put_type_function(oid, text)) {
            return true;
        }
        func = system_function(oid);
        buffer_put_text(text, func == NULL ? "" : func->name);
        return func != NULL;
    default:
        return false;
    }
}

static void skip_blanks(struct span *rest)
{
    while (rest->size > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        rest->data++;
        rest->size--;
    }
}

/* One part of a dotted name, folded to small letters unless it is quoted. */
static bool take_part(struct span *rest, char part[CATALOG_NAME_SIZE_MAX + 1])
{
    size_t used = 0;
    skip_blanks(rest);
    bool quoted = rest->size > 0 && rest->data[0] == '"';
    size_t at = quoted;
    while (at < rest->size && used < CATALOG_NAME_SIZE_MAX) {
        uint8_t byte = rest->data[at];
        if (quoted && byte == '"') {
            if (at + 1 >= rest->size || rest->data[at + 1] != '"') {
                break;
            }
            at++;
        } else if (!quoted && (byte == '.' || byte == ' ')) {
            break;
        }
        bool capital = !quoted && byte >= 'A' && byte <= 'Z';
        part[used++] = (char)(capital ? byte + ('a' - 'A') : byte);
        at++;
    }
    part[used] = 0;
    at += quoted && at < rest->size;
    rest->data += at;
    rest->size -= at;
    skip_blanks(rest);
    return used > 0 && (rest->size == 0 || rest->data[0] == '.');
}

struct reg_name {
    char schema[CATALOG_NAME_SIZE_MAX + 1]; /* "": not given. */
    char name[CATALOG_NAME_SIZE_MAX + 1];
};

static bool read_name(struct span text, struct reg_name *name)
{
    struct span rest = text;
    name->schema[0] = 0;
    if (!take_part(&rest, name->name)) {
        return false;
    }
    while (rest.size > 0) {
        rest.data++;
        rest.size--;
        memcpy(name->schema, name->name, sizeof name->schema);
        if (!take_part(&rest, name->name)) {
            return false;
        }
    }
    return true;
}

static bool find_system_relation(const char *schema, const char *name, int64_t *oid_out)
{
    const struct plan_system *table = system_find_table(schema, name);
    if (table != NULL) {
        *oid_out = table->oid;
        return true;
    }
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        if (strcmp(view->name, name) == 0 && strcmp(view->schema, schema) == 0) {
            *oid_out = view->oid;
            return true;
        }
    }
    return false;
}

static bool find_in_schema(struct txn *txn, const char *schema, const char *name, int64_t *oid_out)
{
    struct catalog_entry entry;
    if (find_system_relation(schema, name, oid_out)) {
        return true;
    }
    if (catalog_relation_find(txn, schema, name, &entry)) {
        *oid_out = system_oid(entry.oid);
        return true;
    }
    // A table's key has an index's name.
    size_t size = strlen(name);
    char base[CATALOG_NAME_SIZE_MAX + 1];
    (void)snprintf(base, sizeof base, "%.*s", (int)(size > 5 ? size - 5 : 0), name);
    if (size > 5 && strcmp(name + size - 5, "_pkey") == 0 &&
        catalog_entry_find(txn, CATALOG_TABLE, schema, base, &entry)) {
        *oid_out = OID_KEY_INDEX + (int64_t)entry.oid;
        return true;
    }
    return false;
}

bool system_find_relation(const struct system_place *place, const char *schema, const char *name,
                          int64_t *oid_out)
{
    static const char *const default_path[] = {CATALOG_SCHEMA_DEFAULT};
    const struct func_session *session = place->session;
    bool known = session != NULL && session->path != NULL;
    const char *const *path = known ? session->path : default_path;
    uint32_t count = known ? session->path_count : 1;
    const char *temporary = known ? session->temp_schema : NULL;
    if (schema != NULL) {
        bool own = strcmp(schema, "pg_temp") == 0 && temporary != NULL;
        return find_in_schema(place->txn, own ? temporary : schema, name, oid_out);
    }
    if (temporary != NULL && find_in_schema(place->txn, temporary, name, oid_out)) {
        return true;
    }
    if (find_system_relation("pg_catalog", name, oid_out)) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (find_in_schema(place->txn, path[i], name, oid_out)) {
            return true;
        }
    }
    return false;
}

/* The name of a relation; false: there is none of that oid. */
static bool relation_name(struct txn *txn, int64_t oid, char name[CATALOG_NAME_SIZE_MAX + 8])
{
    struct catalog_entry entry;
    const char *own = NULL;
    for (const struct plan_system *table = system_tables; table->name != NULL; table++) {
        own = table->oid == oid ? table->name : own;
    }
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        own = view->oid == oid ? view->name : own;
    }
    bool key = oid >= OID_KEY_INDEX && oid < OID_KEY;
    if (own == NULL && oid >= OID_USER_FIRST &&
        catalog_entry_by_oid(txn, (uint64_t)(oid - (key ? OID_KEY_INDEX : OID_USER_FIRST)),
                             &entry)) {
        own = entry.name;
    }
    if (own != NULL) {
        (void)snprintf(name, CATALOG_NAME_SIZE_MAX + 8, "%s%s", own, key ? "_pkey" : "");
    }
    return own != NULL;
}

bool system_relation_visible(const struct system_place *place, int64_t oid, bool *visible_out)
{
    char name[CATALOG_NAME_SIZE_MAX + 8];
    int64_t found = 0;
    if (!relation_name(place->txn, oid, name)) {
        return false;
    }
    *visible_out = system_find_relation(place, NULL, name, &found) && found == oid;
    return true;
}

static bool find_type(const struct reg_name *name, struct span text, int64_t *oid_out)
{
    struct type type = {0};
    char copy[CATALOG_NAME_SIZE_MAX + 1];
    size_t size = text.size < sizeof copy ? text.size : sizeof copy - 1;
    memcpy(copy, text.data, size);
    copy[size] = 0;
    bool array = size > 2 && strcmp(copy + size - 2, "[]") == 0;
    copy[size - (array ? 2 : 0)] = 0;
    for (const struct system_type *known = system_types; known->oid != 0; known++) {
        struct buffer shown = {.alloc = &alloc_system};
        system_format_type(known->oid, -1, &shown);
        bool same = (shown.size == strlen(copy) && memcmp(shown.data, copy, shown.size) == 0) ||
                    strcmp(known->name, name->name) == 0;
        buffer_deinit(&shown);
        if (same) {
            *oid_out = array ? known->array : known->oid;
            return true;
        }
    }
    if (func_type_find(copy, NULL, 0, &type, NULL) == TDBPLUS_OK) {
        *oid_out = system_type_oid(array ? func_array_of(type) : type);
        return true;
    }
    return false;
}

static bool find_defined_type(struct txn *txn, const struct reg_name *name, int64_t *oid_out)
{
    struct catalog_entry entry;
    char own[CATALOG_NAME_SIZE_MAX + 1];
    size_t size = strlen(name->name);
    bool array = size > 2 && strcmp(name->name + size - 2, "[]") == 0;
    (void)snprintf(own, sizeof own, "%.*s", (int)(size - (array ? 2 : 0)), name->name);
    const char *schema = name->schema[0] == 0 ? CATALOG_SCHEMA_DEFAULT : name->schema;
    bool found = catalog_entry_find(txn, CATALOG_TYPE, schema, own, &entry);
    if (found) {
        *oid_out = array ? OID_ROW_ARRAY + (int64_t)entry.oid : system_oid(entry.oid);
    }
    return found;
}

/* "array_in": functions that read and print types. */
static bool find_type_function(const char *name, int64_t *oid_out)
{
    static const int64_t others[] = {OID_ANY_ARRAY, OID_ANY_RANGE, OID_ANY_MULTIRANGE, OID_ANY_ENUM,
                                     OID_RECORD};
    struct buffer text;
    bool found = false;
    buffer_init(&text, &alloc_system);
    for (int64_t kind = OID_TYPE_IN; !found && kind <= OID_TYPE_SEND; kind += 1 << 20) {
        const struct system_type *type = system_types;
        for (uint32_t i = 0; !found && (i < sizeof others / sizeof *others || type->oid != 0);
             i++) {
            bool other = i < sizeof others / sizeof *others;
            int64_t oid = kind + (other ? others[i] : type->oid);
            type += other ? 0 : 1;
            buffer_clear(&text);
            found = system_put_type_function(oid, &text) && text.size == strlen(name) &&
                    memcmp(text.data, name, text.size) == 0;
            *oid_out = found ? oid : *oid_out;
        }
    }
    buffer_deinit(&text);
    return found;
}

static bool find_function(const char *name, int64_t *oid_out)
{
    const struct func *func = NULL;
    for (uint32_t i = 0; (func = func_at(i)) != NULL; i++) {
        if (strcmp(func->name, name) == 0) {
            *oid_out = OID_FUNCTION + i;
            return true;
        }
    }
    return find_type_function(name, oid_out);
}

tdbplus_status system_reg_parse(const struct system_place *place, uint8_t type, struct span text,
                                int64_t *oid_out, struct err *err)
{
    struct txn *txn = place->txn;
    struct reg_name name;
    struct catalog_entry entry;
    const char *kind = "relation";
    const char *state = "42P01";
    bool good = read_name(text, &name);
    bool found = false;
    struct role role;
    switch (type) {
    case TYPE_REGCLASS:
        found = good && system_find_relation(place, name.schema[0] == 0 ? NULL : name.schema,
                                             name.name, oid_out);
        break;
    case TYPE_REGTYPE:
        kind = "type";
        state = "42704";
        found = good && (find_type(&name, text, oid_out) || find_defined_type(txn, &name, oid_out));
        break;
    case TYPE_REGNAMESPACE:
        kind = "schema";
        state = "3F000";
        *oid_out = strcmp(name.name, "pg_catalog") == 0           ? OID_PG_CATALOG
                   : strcmp(name.name, "information_schema") == 0 ? OID_INFORMATION
                   : strcmp(name.name, "public") == 0             ? OID_PUBLIC
                                                                  : 0;
        found = *oid_out != 0;
        if (!found && good && catalog_entry_find(txn, CATALOG_SCHEMA, NULL, name.name, &entry)) {
            *oid_out = system_oid(entry.oid);
            found = true;
        }
        break;
    case TYPE_REGROLE:
        kind = "role";
        state = "42704";
        found = good && role_find(txn, name.name, &role);
        *oid_out = found ? (int64_t)role.oid : 0;
        break;
    default:
        kind = "function";
        state = "42883";
        found = good && find_function(name.name, oid_out);
        break;
    }
    return found
               ? TDBPLUS_OK
               : err_set_state(err, TDBPLUS_E_NOT_FOUND, state, "%s \"%.*s\" does not exist", kind,
                               (int)(text.size > 200 ? 200 : text.size), (const char *)text.data);
}
