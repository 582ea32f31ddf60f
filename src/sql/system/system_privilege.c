/* Questions about privileges: has_table_privilege() and its kin, pg_has_role(). */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sql/system/system_internal.h"

#define GRANT_OPTION      " with grant option"
#define PRIVILEGE_UNKNOWN 0u

/* What a question is about. */
struct question {
    const struct system_place *place;
    uint64_t role;
    struct acl_target target;
    const struct catalog_entry *entry; /* Of a relation; NULL: it is a system's one. */
    uint32_t column;                   /* 0: none was said. */
    bool any_column;
    bool exists;
    struct err *err;
};

static tdbplus_status find_role(const struct system_place *place, const struct datum *argument,
                                uint64_t *oid_out, struct err *err)
{
    struct role role;
    char name[ROLE_NAME_SIZE_MAX + 1];
    if (argument->type.id == TYPE_OID) {
        *oid_out = (uint64_t)argument->integer;
        return TDBPLUS_OK;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)argument->bytes.size,
                   (const char *)argument->bytes.data);
    if (strcmp(name, "public") == 0) {
        *oid_out = ROLE_PUBLIC;
        return TDBPLUS_OK;
    }
    if (!role_find(place->txn, name, &role)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42704", "role \"%s\" does not exist", name);
    }
    *oid_out = role.oid;
    return TDBPLUS_OK;
}

/* One word of a list such as "SELECT, UPDATE WITH GRANT OPTION". */
static bool read_word(struct span word, uint32_t all, uint32_t *privilege_out, bool *option_out)
{
    char text[64];
    while (word.size > 0 && word.data[0] == ' ') {
        word.data++;
        word.size--;
    }
    while (word.size > 0 && word.data[word.size - 1] == ' ') {
        word.size--;
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)word.size, (const char *)word.data);
    size_t size = strlen(text);
    size_t end = sizeof GRANT_OPTION - 1;
    *option_out = size > end && strcasecmp(text + size - end, GRANT_OPTION) == 0;
    text[*option_out ? size - end : size] = '\0';
    *privilege_out = acl_privilege(text) & all;
    return *privilege_out != 0;
}

static bool holds(const struct question *question, uint32_t privilege, bool option)
{
    struct txn *txn = question->place->txn;
    uint64_t role = question->role;
    if (option) {
        return (acl_options(txn, question->target, 0, role) & privilege) != 0 ||
               (question->column != 0 &&
                (acl_options(txn, question->target, question->column, role) & privilege) != 0);
    }
    return (acl_mask(txn, question->target, 0, role) & privilege) != 0 ||
           (question->column != 0 &&
            (acl_mask(txn, question->target, question->column, role) & privilege) != 0) ||
           (question->any_column && acl_any_column(txn, question->target, privilege, role));
}

/* True when any of the listed privileges is there. */
static tdbplus_status answer_list(const struct question *question, struct span list, uint32_t all,
                                  bool *answer_out)
{
    *answer_out = false;
    while (list.size > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.size);
        size_t size = comma == NULL ? list.size : (size_t)(comma - list.data);
        struct span word = {.data = list.data, .size = size};
        uint32_t privilege = PRIVILEGE_UNKNOWN;
        bool option = false;
        if (!read_word(word, all, &privilege, &option)) {
            return err_set_state(question->err, TDBPLUS_E_INVALID, "22023",
                                 "unrecognized privilege type: \"%.*s\"", (int)word.size,
                                 (const char *)word.data);
        }
        // What the system defines can be read, and no more.
        bool system =
            question->target.oid < ACL_OID_FIRST && question->target.acl_class == ACL_RELATION;
        bool good = system ? (privilege == PRIVILEGE_SELECT && !option) ||
                                 role_is_superuser(question->place->txn, question->role)
                           : holds(question, privilege, option);
        *answer_out = *answer_out || good;
        size += comma != NULL;
        list.data += size;
        list.size -= size;
    }
    return TDBPLUS_OK;
}

/* ---- objects ---- */

static tdbplus_status find_oid(const struct question *question, uint8_t type,
                               const struct datum *argument, int64_t *oid_out)
{
    if (argument->type.id == TYPE_OID) {
        *oid_out = argument->integer;
        return TDBPLUS_OK;
    }
    return system_reg_parse(question->place, type, argument->bytes, oid_out, question->err);
}

static tdbplus_status find_relation(struct question *question, const struct datum *argument,
                                    struct catalog_entry *entry)
{
    int64_t oid = 0;
    TRY(find_oid(question, TYPE_REGCLASS, argument, &oid));
    question->target = (struct acl_target){(uint64_t)oid, ACL_RELATION};
    question->exists = oid < OID_USER_FIRST;
    if (!question->exists &&
        catalog_entry_by_oid(question->place->txn, (uint64_t)(oid - OID_USER_FIRST), entry)) {
        question->exists = acl_target_of(entry, &question->target);
        question->entry = entry;
    }
    return TDBPLUS_OK;
}

static tdbplus_status find_schema(struct question *question, const struct datum *argument)
{
    int64_t oid = 0;
    TRY(find_oid(question, TYPE_REGNAMESPACE, argument, &oid));
    question->target = (struct acl_target){(uint64_t)oid, ACL_SCHEMA};
    question->exists = true;
    return TDBPLUS_OK;
}

static tdbplus_status find_column(struct question *question, const struct datum *argument)
{
    const struct catalog_entry *entry = question->entry;
    if (entry == NULL || entry->kind != CATALOG_TABLE) {
        question->column = argument->type.id == TYPE_INT2 ? (uint32_t)argument->integer : 0;
        return TDBPLUS_OK;
    }
    const struct schema *schema = entry->object->schema;
    int32_t at = (int32_t)argument->integer - 1;
    if (argument->type.id != TYPE_INT2) {
        char name[SCHEMA_NAME_SIZE_MAX];
        (void)snprintf(name, sizeof name, "%.*s", (int)argument->bytes.size,
                       (const char *)argument->bytes.data);
        at = schema_find_name(schema, name);
        if (at < 0) {
            return err_set_state(question->err, TDBPLUS_E_NOT_FOUND, "42703",
                                 "column \"%s\" of relation \"%s\" does not exist", name,
                                 entry->name);
        }
    }
    question->exists = at >= 0 && (uint32_t)at < schema->column_count;
    question->column = question->exists ? schema->columns[at].id : 0;
    return TDBPLUS_OK;
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* The object's privileges in *all_out; 0: everybody may do anything with such objects. */
static tdbplus_status find_object(struct question *question, const char *name,
                                  const struct datum *arguments, struct catalog_entry *entry,
                                  uint32_t *all_out)
{
    if (begins(name, "has_table_") || begins(name, "has_sequence_")) {
        *all_out = acl_all(begins(name, "has_table_") ? ACL_RELATION : ACL_SEQUENCE);
        return find_relation(question, &arguments[0], entry);
    }
    if (begins(name, "has_any_column_") || begins(name, "has_column_")) {
        *all_out = PRIVILEGES_COLUMN;
        question->any_column = begins(name, "has_any_column_");
        TRY(find_relation(question, &arguments[0], entry));
        return question->any_column || !question->exists ? TDBPLUS_OK
                                                         : find_column(question, &arguments[1]);
    }
    if (begins(name, "has_schema_")) {
        *all_out = acl_all(ACL_SCHEMA);
        return find_schema(question, &arguments[0]);
    }
    if (begins(name, "has_database_")) {
        *all_out = acl_all(ACL_DATABASE);
        question->target = (struct acl_target){ACL_OID_DATABASE, ACL_DATABASE};
        question->exists = true;
    }
    return TDBPLUS_OK;
}

tdbplus_status system_has_privilege(const struct system_place *place, const char *name,
                                    const struct datum *arguments, uint32_t count,
                                    struct func_answer *answer, struct err *err)
{
    struct question question = {.place = place, .role = ROLE_BOOTSTRAP, .err = err};
    struct catalog_entry entry;
    uint32_t all = 0;
    bool good = true;
    uint32_t parts = begins(name, "has_column_") ? 3 : 2;
    question.role = place->session == NULL ? question.role : place->session->role;
    if (count > parts) {
        TRY(find_role(place, &arguments[0], &question.role, err));
    }
    TRY(find_object(&question, name, arguments + (count > parts), &entry, &all));
    if (all != 0 && !question.exists) {
        answer->is_null = true;
        return TDBPLUS_OK;
    }
    if (all != 0) {
        TRY(answer_list(&question, arguments[count - 1].bytes, all, &good));
    }
    answer->integer = good;
    return TDBPLUS_OK;
}

tdbplus_status system_has_role(const struct system_place *place, const struct datum *arguments,
                               uint32_t count, struct func_answer *answer, struct err *err)
{
    uint64_t role = place->session == NULL ? (uint64_t)ROLE_BOOTSTRAP : place->session->role;
    uint64_t group = 0;
    char text[64];
    if (count > 2) {
        TRY(find_role(place, &arguments[0], &role, err));
    }
    TRY(find_role(place, &arguments[count - 2], &group, err));
    struct span word = arguments[count - 1].bytes;
    (void)snprintf(text, sizeof text, "%.*s", (int)word.size, (const char *)word.data);
    if (strcasecmp(text, "USAGE") == 0) {
        answer->integer = role_has(place->txn, role, group);
    } else if (strcasecmp(text, "MEMBER") == 0) {
        answer->integer = role_is_member(place->txn, role, group);
    } else if (strncasecmp(text, "MEMBER WITH ", 12) == 0 ||
               strncasecmp(text, "USAGE WITH ", 11) == 0) {
        answer->integer = role_is_admin_of(place->txn, role, group);
    } else {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023", "unrecognized privilege type: \"%s\"",
                             text);
    }
    return TDBPLUS_OK;
}

/* ---- all that was granted, a row for each privilege ---- */

static int64_t number_of_column(const struct catalog_entry *entry, uint32_t id)
{
    if (id == 0 || entry->kind != CATALOG_TABLE) {
        return id;
    }
    return (int64_t)schema_find_id(entry->object->schema, id) + 1;
}

static tdbplus_status put_granted(struct system_rows *rows, const struct catalog_entry *entry)
{
    struct acl_target target;
    struct acl acl = {0};
    if (!acl_target_of(entry, &target)) {
        return TDBPLUS_OK;
    }
    TRY(acl_read(rows->txn, target, &acl, rows->err));
    for (size_t i = 0; i < acl.items.count; i++) {
        const struct acl_item *item = list_at(&acl.items, i);
        for (uint32_t bit = 0; bit < PRIVILEGE_COUNT; bit++) {
            uint32_t privilege = 1u << bit;
            if ((item->privileges & privilege) == 0) {
                continue;
            }
            system_row(rows);
            system_put(rows, "objid", system_oid(entry->oid));
            system_put(rows, "objsubid", number_of_column(entry, item->column));
            system_put(rows, "grantor", (int64_t)item->grantor);
            system_put(rows, "grantee", (int64_t)item->grantee);
            system_put_text(rows, "privilege_type", acl_privilege_name(privilege));
            system_put(rows, "is_grantable",
                       (item->options & privilege) != 0 || item->grantee == acl.owner);
        }
    }
    acl_deinit(&acl);
    return TDBPLUS_OK;
}

tdbplus_status system_fill_granted(struct system_rows *rows)
{
    static const uint8_t kinds[] = {CATALOG_TABLE, CATALOG_VIEW, CATALOG_SEQUENCE};
    for (size_t k = 0; k < sizeof kinds; k++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(rows->txn, kinds[k], &entry)) {
            TRY(put_granted(rows, &entry));
        }
    }
    return TDBPLUS_OK;
}
