/* DROP, and what depends on what is dropped. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/type_info.h"
#include "sql/bind/view_info.h"

/* What a statement drops: oids in the order they were found, owners before what they own. */
struct dropping {
    struct bound *bound;
    struct list oids;
    size_t named; /* So many of them were named by the statement. */
    const struct ast_drop *ast;
};

static bool is_listed(const struct dropping *dropping, uint64_t oid)
{
    for (size_t i = 0; i < dropping->oids.count; i++) {
        if (*(const uint64_t *)list_at(&dropping->oids, i) == oid) {
            return true;
        }
    }
    return false;
}

static tdbplus_status add_oid(struct binder *binder, struct dropping *dropping, uint64_t oid)
{
    return is_listed(dropping, oid) || list_push(&dropping->oids, &oid) != NULL
               ? TDBPLUS_OK
               : bind_no_memory(binder);
}

/* ---- finding what is named ---- */

static uint8_t kind_of(uint8_t object_kind)
{
    switch (object_kind) {
    case AST_OBJECT_TABLE:
    case AST_OBJECT_MATERIALIZED_VIEW:
        return CATALOG_TABLE;
    case AST_OBJECT_VIEW:
        return CATALOG_VIEW;
    case AST_OBJECT_INDEX:
        return CATALOG_INDEX;
    case AST_OBJECT_SEQUENCE:
        return CATALOG_SEQUENCE;
    case AST_OBJECT_SCHEMA:
        return CATALOG_SCHEMA;
    case AST_OBJECT_TYPE:
    case AST_OBJECT_DOMAIN:
        return CATALOG_TYPE;
    default:
        return 0;
    }
}

/* It is a relation of another kind than the statement says. */
static tdbplus_status wrong_kind(struct binder *binder, uint8_t wanted, bool materialized,
                                 const struct catalog_entry *entry)
{
    bool is_view = entry->kind == CATALOG_TABLE && table_is_materialized(entry->object->properties);
    static const char *const upper[] = {[CATALOG_TABLE] = "TABLE",
                                        [CATALOG_INDEX] = "INDEX",
                                        [CATALOG_VIEW] = "VIEW",
                                        [CATALOG_SEQUENCE] = "SEQUENCE"};
    const char *name = materialized ? "materialized view" : bind_kind_name(wanted);
    tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not %s %s",
                                      entry->name, wanted == CATALOG_INDEX ? "an" : "a", name);
    err_hint(binder->err, "Use DROP %s to remove %s %s.",
             is_view ? "MATERIALIZED VIEW" : upper[entry->kind],
             entry->kind == CATALOG_INDEX ? "an" : "a", bind_entry_kind(entry));
    return status;
}

static tdbplus_status missing(struct binder *binder, uint8_t kind, const struct ast_table_ref *name)
{
    char full[2 * CATALOG_FULL_NAME_SIZE];
    (void)snprintf(full, sizeof full, "%s%s%s", name->schema != NULL ? name->schema : "",
                   name->schema != NULL ? "." : "", name->name);
    if (name->schema != NULL && !bind_schema_exists(binder, name->schema)) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", 0, "schema \"%s\" does not exist",
                         name->schema);
    }
    const char *state = kind == CATALOG_SCHEMA                          ? "3F000"
                        : kind == CATALOG_TYPE || kind == CATALOG_INDEX ? "42704"
                                                                        : "42P01";
    return bind_fail(binder, TDBPLUS_E_NOT_FOUND, state, 0, "%s \"%s\" does not exist",
                     bind_kind_name(kind), full);
}

static tdbplus_status add_named(struct binder *binder, struct dropping *dropping,
                                const struct ast_table_ref *name)
{
    uint8_t kind = kind_of(dropping->ast->object_kind);
    struct catalog_entry entry;
    bool relation = kind == CATALOG_TABLE || kind == CATALOG_VIEW || kind == CATALOG_SEQUENCE;
    bool found = kind == CATALOG_SCHEMA
                     ? catalog_entry_find(binder->txn, kind, NULL, name->name, &entry)
                     : bind_lookup(binder, relation ? 0 : kind, name->schema, name->name, &entry);
    if (!found) {
        if (!dropping->ast->missing_ok) {
            return missing(binder, kind, name);
        }
        bind_notice(binder, "00000", "%s \"%s\" does not exist, skipping", bind_kind_name(kind),
                    name->name);
        return TDBPLUS_OK;
    }
    bool materialized = dropping->ast->object_kind == AST_OBJECT_MATERIALIZED_VIEW;
    if (entry.kind != kind || (kind == CATALOG_TABLE &&
                               materialized != table_is_materialized(entry.object->properties))) {
        return wrong_kind(binder, kind, materialized, &entry);
    }
    if (dropping->ast->object_kind == AST_OBJECT_DOMAIN &&
        type_info_kind(entry.definition) != TYPE_INFO_DOMAIN) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not a domain", entry.name);
    }
    TRY(bind_check_drop(binder, &entry));
    return add_oid(binder, dropping, entry.oid);
}

/* ---- what depends on it ---- */

/* "view v", "table t": as PostgreSQL names objects in details. */
static void describe(struct binder *binder, uint64_t oid, char text[300])
{
    struct catalog_entry entry;
    if (!catalog_entry_by_oid(binder->txn, oid, &entry)) {
        (void)snprintf(text, 300, "object %" PRIu64, oid);
        return;
    }
    if (entry.kind == CATALOG_FOREIGN_KEY) {
        const struct object *table = txn_object_by_id(binder->txn, entry.object->parent);
        (void)snprintf(text, 300, "constraint %s on table %s", entry.name,
                       table == NULL ? "" : catalog_own_name(table->name));
        return;
    }
    bool plain = strcmp(entry.schema, CATALOG_SCHEMA_DEFAULT) == 0 || entry.kind == CATALOG_SCHEMA;
    (void)snprintf(text, 300, "%s %s%s%s", bind_entry_kind(&entry), plain ? "" : entry.schema,
                   plain ? "" : ".", entry.name);
}

static tdbplus_status refuse(struct binder *binder, uint64_t oid, const char *details)
{
    char what[300];
    describe(binder, oid, what);
    tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "2BP01", 0,
                                      "cannot drop %s because other objects depend on it", what);
    err_detail(binder->err, "%s", details);
    err_hint(binder->err, "Use DROP ... CASCADE to drop the dependent objects too.");
    return status;
}

/* A foreign key that refers to the table goes with it; those of other tables are in the way. */
static tdbplus_status add_references(struct binder *binder, struct dropping *dropping, uint64_t oid)
{
    const struct object *part = NULL;
    for (uint32_t i = 0; (part = txn_part_at(binder->txn, oid, i)) != NULL; i++) {
        if (part->kind == OBJECT_FOREIGN_KEY && part->other == oid && part->parent != oid) {
            TRY(add_oid(binder, dropping, part->id));
        }
    }
    return TDBPLUS_OK;
}

/* Everything in a schema depends on it. */
static tdbplus_status add_schema(struct binder *binder, struct dropping *dropping,
                                 const struct catalog_entry *schema)
{
    static const uint8_t kinds[] = {CATALOG_TYPE, CATALOG_SEQUENCE, CATALOG_TABLE, CATALOG_VIEW};
    for (size_t k = 0; k < sizeof kinds; k++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(binder->txn, kinds[k], &entry)) {
            if (strcmp(entry.schema, schema->name) == 0) {
                TRY(add_oid(binder, dropping, entry.oid));
            }
        }
    }
    return TDBPLUS_OK;
}

/* Whether a statement that drops `oid` drops this as a part of it. */
static bool is_owned(struct binder *binder, const struct dropping *dropping, uint64_t oid)
{
    struct catalog_entry entry;
    uint32_t depth = 0;
    while (catalog_entry_by_oid(binder->txn, oid, &entry) && entry.owner != 0 && depth++ < 16) {
        if (is_listed(dropping, entry.owner)) {
            return true;
        }
        oid = entry.owner;
    }
    return false;
}

/* ---- defaults that read a sequence ---- */

struct default_user {
    struct catalog_entry table;
    struct table_info info;
    const char *column;
    uint32_t number; /* Of the default. */
};

/* The next table after `user->table` with a default that reads the sequence. */
static tdbplus_status next_user(struct binder *binder, uint64_t sequence, struct default_user *user,
                                bool *found_out)
{
    *found_out = false;
    while (!*found_out && catalog_entry_next(binder->txn, CATALOG_TABLE, &user->table)) {
        const struct schema *schema = user->table.object->schema;
        TRY(table_info_decode(user->table.object->properties, binder->arena, &user->info,
                              binder->err));
        for (uint32_t i = 0; i < user->info.default_count; i++) {
            int32_t at = schema_find_id(schema, user->info.defaults[i].column_id);
            if (user->info.defaults[i].sequence == sequence && at >= 0) {
                user->column = schema->columns[at].name;
                user->number = i;
                *found_out = true;
            }
        }
    }
    return TDBPLUS_OK;
}

/* Without CASCADE a default that reads the sequence is in the way; *detail gets another line. */
static tdbplus_status detail_defaults(struct binder *binder, const struct dropping *dropping,
                                      const struct catalog_entry *sequence,
                                      char details[ERR_HINT_SIZE])
{
    struct default_user user = {0};
    bool found = false;
    TRY(next_user(binder, sequence->oid, &user, &found));
    for (; found; user.info = (struct table_info){0}) {
        bool identity = user.info.defaults[user.number].kind != TABLE_DEFAULT;
        bool goes = is_listed(dropping, user.table.oid);
        if (!goes && identity) {
            tdbplus_status status =
                bind_fail(binder, TDBPLUS_E_SQL, "2BP01", 0,
                          "cannot drop sequence %s because column %s of table %s requires it",
                          sequence->name, user.column, user.table.name);
            err_hint(binder->err, "You can drop column %s of table %s instead.", user.column,
                     user.table.name);
            return status;
        }
        if (!goes) {
            size_t used = strlen(details);
            (void)snprintf(details + used, ERR_HINT_SIZE - used,
                           "%sdefault value for column %.60s of table %.60s depends on sequence "
                           "%.60s",
                           used > 0 ? "\n" : "", user.column, user.table.name, sequence->name);
        }
        TRY(next_user(binder, sequence->oid, &user, &found));
    }
    return TDBPLUS_OK;
}

/* With CASCADE the columns lose their defaults. */
static tdbplus_status drop_defaults(struct binder *binder, const struct dropping *dropping,
                                    uint64_t sequence)
{
    struct default_user user = {0};
    bool found = false;
    TRY(next_user(binder, sequence, &user, &found));
    while (found) {
        struct bound_action action = {.kind = ACTION_TABLE, .oid = user.table.oid};
        struct table_info *info = &user.info;
        if (!is_listed(dropping, user.table.oid)) {
            info->defaults[user.number] = info->defaults[--info->default_count];
            TRY(bind_encode_info(binder, info, &action.properties));
            TRY(bind_add_action(binder, dropping->bound, &action));
        }
        TRY(next_user(binder, sequence, &user, &found));
    }
    return TDBPLUS_OK;
}

/* ---- columns of a type ---- */

/* Without CASCADE a column of the type is in the way. */
static void detail_columns(struct binder *binder, const struct dropping *dropping, uint64_t type,
                           char details[ERR_HINT_SIZE])
{
    struct type_user user = {.position = UINT32_MAX};
    char what[300];
    describe(binder, type, what);
    while (bind_next_type_user(binder, type, &user)) {
        size_t used = strlen(details);
        if (!is_listed(dropping, user.table.oid)) {
            (void)snprintf(details + used, ERR_HINT_SIZE - used,
                           "%scolumn %.60s of table %.60s depends on %.80s", used > 0 ? "\n" : "",
                           user.table.object->schema->columns[user.position].name, user.table.name,
                           what);
        }
    }
}

/* With CASCADE it goes. */
static tdbplus_status drop_columns(struct binder *binder, const struct dropping *dropping,
                                   uint64_t type)
{
    struct type_user user = {.position = UINT32_MAX};
    while (bind_next_type_user(binder, type, &user)) {
        struct ast_alter_command command = {.ast = {.kind = AST_ALTER_COMMAND},
                                            .alter_kind = AST_ALTER_DROP_COLUMN,
                                            .cascade = true};
        struct bound_alter_table *alter = arena_array(binder->arena, 1, sizeof *alter);
        struct bound_action action = {.kind = ACTION_ALTER_TABLE, .alter = alter};
        if (is_listed(dropping, user.table.oid)) {
            continue;
        }
        if (alter == NULL) {
            return bind_no_memory(binder);
        }
        TRY(bind_copy_name(binder, user.table.object->schema->columns[user.position].name,
                           &command.name));
        TRY(bind_alter_by(binder, user.table.oid, &command, alter));
        TRY(bind_add_action(binder, dropping->bound, &action));
    }
    return TDBPLUS_OK;
}

static bool is_type(struct binder *binder, uint64_t oid)
{
    struct catalog_entry entry;
    return catalog_entry_by_oid(binder->txn, oid, &entry) && entry.kind == CATALOG_TYPE;
}

static tdbplus_status add_owned_sequences(struct binder *binder, struct dropping *dropping,
                                          uint64_t table)
{
    struct catalog_entry entry = {0};
    while (catalog_entry_next(binder->txn, CATALOG_SEQUENCE, &entry)) {
        if (entry.owner == table) {
            TRY(add_oid(binder, dropping, entry.oid));
        }
    }
    return TDBPLUS_OK;
}

/* Appends what depends on number `at` of the list. */
static tdbplus_status add_dependents(struct binder *binder, struct dropping *dropping, size_t at)
{
    struct catalog_entry entry;
    uint64_t oid = *(const uint64_t *)list_at(&dropping->oids, at);
    if (!catalog_entry_by_oid(binder->txn, oid, &entry)) {
        return TDBPLUS_OK;
    }
    if (entry.kind == CATALOG_SCHEMA) {
        return add_schema(binder, dropping, &entry);
    }
    struct list found;
    list_init(&found, binder->arena->alloc, sizeof(uint64_t));
    tdbplus_status status = catalog_dependents(binder->txn, oid, 0, &found, binder->err);
    for (size_t i = 0; status == TDBPLUS_OK && i < found.count; i++) {
        status = add_oid(binder, dropping, *(const uint64_t *)list_at(&found, i));
    }
    list_deinit(&found);
    TRY(status);
    if (entry.kind != CATALOG_TABLE) {
        return TDBPLUS_OK;
    }
    TRY(add_owned_sequences(binder, dropping, oid));
    return add_references(binder, dropping, oid);
}

/* The lines of the detail: each dependent and what it depends on. */
static tdbplus_status check_restrict(struct binder *binder, struct dropping *dropping)
{
    char details[ERR_HINT_SIZE] = "";
    uint64_t first = 0;
    for (size_t at = 0; at < dropping->oids.count; at++) {
        size_t before = dropping->oids.count;
        uint64_t oid = *(const uint64_t *)list_at(&dropping->oids, at);
        struct catalog_entry entry;
        TRY(add_dependents(binder, dropping, at));
        if (catalog_entry_by_oid(binder->txn, oid, &entry) && entry.kind == CATALOG_SEQUENCE) {
            TRY(detail_defaults(binder, dropping, &entry, details));
            first = first != 0 || details[0] == 0 ? first : oid;
        }
        if (is_type(binder, oid)) {
            detail_columns(binder, dropping, oid, details);
            first = first != 0 || details[0] == 0 ? first : oid;
        }
        for (size_t i = before; i < dropping->oids.count; i++) {
            uint64_t dependent = *(const uint64_t *)list_at(&dropping->oids, i);
            if (is_owned(binder, dropping, dependent)) {
                continue;
            }
            char what[300];
            char on[300];
            size_t used = strlen(details);
            describe(binder, dependent, what);
            describe(binder, oid, on);
            (void)snprintf(details + used, sizeof details - used, "%s%.120s depends on %.120s",
                           used > 0 ? "\n" : "", what, on);
            first = first != 0 ? first : *(const uint64_t *)list_at(&dropping->oids, 0);
        }
    }
    if (details[0] == 0) {
        return TDBPLUS_OK;
    }
    if (dropping->named > 1) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_SQL, "2BP01", 0,
                      "cannot drop desired object(s) because other objects depend on them");
        err_detail(binder->err, "%s", details);
        err_hint(binder->err, "Use DROP ... CASCADE to drop the dependent objects too.");
        return status;
    }
    return refuse(binder, first, details);
}

static tdbplus_status collect(struct binder *binder, struct dropping *dropping)
{
    for (uint32_t i = 0; i < dropping->ast->names.count; i++) {
        TRY(add_named(binder, dropping,
                      (const struct ast_table_ref *)dropping->ast->names.items[i]));
    }
    dropping->named = dropping->oids.count;
    if (!dropping->ast->cascade) {
        TRY(check_restrict(binder, dropping));
    }
    for (size_t at = 0; dropping->ast->cascade && at < dropping->oids.count; at++) {
        TRY(add_dependents(binder, dropping, at));
    }
    for (size_t i = 0; dropping->ast->cascade && i < dropping->oids.count; i++) {
        uint64_t oid = *(const uint64_t *)list_at(&dropping->oids, i);
        TRY(drop_defaults(binder, dropping, oid));
        if (is_type(binder, oid)) {
            TRY(drop_columns(binder, dropping, oid));
        }
    }
    // Dependents first; what went with its owner is not there any more by then.
    for (size_t i = dropping->oids.count; i > 0; i--) {
        struct bound_action action = {.kind = ACTION_DROP,
                                      .oid = *(const uint64_t *)list_at(&dropping->oids, i - 1)};
        TRY(bind_add_action(binder, dropping->bound, &action));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_drop_objects(struct binder *binder, const struct ast_drop *ast,
                                 struct bound *bound)
{
    struct dropping dropping = {.bound = bound, .ast = ast};
    if (kind_of(ast->object_kind) == 0) {
        return bind_unsupported(binder, 0, parse_statement_name(&ast->ast));
    }
    list_init(&dropping.oids, binder->arena->alloc, sizeof(uint64_t));
    bound->kind = BOUND_ACTIONS;
    tdbplus_status status = collect(binder, &dropping);
    list_deinit(&dropping.oids);
    return status;
}
