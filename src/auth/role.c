#include "auth/role.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/codec.h"

#define OBJECT_KIND_ROLE   64u
#define ROLE_VERSION       2u /* 1: level and LOGIN only. */
#define ROLE_VERSION_FIRST 1u
#define LEVEL_ADMIN        1u  /* Of version 1. */
#define GROUP_SIZE         17u /* Encoded: oid, grantor, admin. */
#define REACH_COUNT_MAX    1024u

/* ---- roles that are always there ---- */

#define KNOWN_GROUP_COUNT_MAX 2u

static const struct known_role {
    uint64_t oid;
    const char *name;
    uint64_t groups[KNOWN_GROUP_COUNT_MAX];
} known_roles[] = {
    {ROLE_BOOTSTRAP, "tdb", {0}},
    {ROLE_MONITOR, "pg_monitor", {0}},
    {ROLE_READ_FILES, "pg_read_server_files", {0}},
    {ROLE_WRITE_FILES, "pg_write_server_files", {0}},
    {ROLE_DATABASE_OWNER, "pg_database_owner", {0}},
    {ROLE_READ_ALL, "pg_read_all_data", {0}},
    {ROLE_WRITE_ALL, "pg_write_all_data", {0}},
    {ROLE_READONLY, "readonly", {ROLE_READ_ALL}},
    {ROLE_READWRITE, "readwrite", {ROLE_READ_ALL, ROLE_WRITE_ALL}},
    {ROLE_ANALYST, "analyst", {ROLE_READ_ALL, ROLE_MONITOR}},
};
#define KNOWN_COUNT (sizeof known_roles / sizeof known_roles[0])

struct role role_initial(const char *name)
{
    struct role role = {.connection_limit = -1, .valid_until_us = ROLE_FOREVER};
    (void)snprintf(role.name, sizeof role.name, "%s", name);
    return role;
}

static struct role known_role(const struct known_role *known)
{
    struct role role = role_initial(known->name);
    role.oid = known->oid;
    if (known->oid == ROLE_BOOTSTRAP) {
        role.flags = ROLE_SUPERUSER | ROLE_CREATEDB | ROLE_CREATEROLE | ROLE_REPLICATION |
                     ROLE_BYPASSRLS | ROLE_LOGIN;
    }
    return role;
}

static const struct known_role *find_known(uint64_t oid)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (known_roles[i].oid == oid) {
            return &known_roles[i];
        }
    }
    return NULL;
}

/* ---- bytes ---- */

static bool read_body(struct reader *reader, uint8_t version, struct role *role)
{
    if (version == ROLE_VERSION_FIRST) {
        bool admin = reader_u8(reader) == LEVEL_ADMIN;
        role->flags = (reader_u8(reader) & ROLE_LOGIN) |
                      (admin ? ROLE_SUPERUSER | ROLE_CREATEDB | ROLE_CREATEROLE : 0u);
    } else {
        role->flags = reader_u32(reader);
        role->connection_limit = (int32_t)reader_u32(reader);
        role->valid_until_us = (int64_t)reader_u64(reader);
    }
    struct span verifier = reader_sized(reader);
    if (reader->overrun || verifier.size > ROLE_VERIFIER_SIZE_MAX) {
        return false;
    }
    if (verifier.size > 0) {
        memcpy(role->verifier, verifier.data, verifier.size);
    }
    role->groups = reader->rest;
    return role->groups.size % GROUP_SIZE == 0;
}

static bool read_role(const struct object *object, struct role *role_out)
{
    if (strlen(object->name) > ROLE_NAME_SIZE_MAX) {
        return false;
    }
    struct role role = role_initial(object->name);
    struct reader reader = reader_of(object->properties);
    uint8_t version = reader_u8(&reader);
    role.oid = ROLE_OID_FIRST + object->id;
    role.object = object;
    if (version < ROLE_VERSION_FIRST || version > ROLE_VERSION ||
        !read_body(&reader, version, &role)) {
        return false;
    }
    *role_out = role;
    return true;
}

static void encode_role(const struct role *role, struct span groups, struct buffer *buffer)
{
    buffer_put_u8(buffer, ROLE_VERSION);
    buffer_put_u32(buffer, role->flags);
    buffer_put_u32(buffer, (uint32_t)role->connection_limit);
    buffer_put_u64(buffer, (uint64_t)role->valid_until_us);
    buffer_put_sized(buffer, span_from_text(role->verifier));
    buffer_put_span(buffer, groups);
}

/* ---- finding ---- */

bool role_find(struct txn *txn, const char *name, struct role *role_out)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (strcmp(known_roles[i].name, name) == 0) {
            *role_out = known_role(&known_roles[i]);
            return true;
        }
    }
    const struct object *object = txn_object(txn, OBJECT_KIND_ROLE, name);
    return object != NULL && read_role(object, role_out);
}

bool role_by_oid(struct txn *txn, uint64_t oid, struct role *role_out)
{
    const struct known_role *known = find_known(oid);
    if (known != NULL) {
        *role_out = known_role(known);
        return true;
    }
    const struct object *object =
        oid < ROLE_OID_FIRST ? NULL : txn_object_by_id(txn, oid - ROLE_OID_FIRST);
    return object != NULL && object->kind == OBJECT_KIND_ROLE && read_role(object, role_out);
}

bool role_next(struct txn *txn, struct role *role)
{
    size_t at = 0;
    while (role->oid != 0 && at < KNOWN_COUNT && known_roles[at].oid != role->oid) {
        at++;
    }
    at += role->oid != 0 && at < KNOWN_COUNT;
    if (role->object == NULL && at < KNOWN_COUNT) {
        *role = known_role(&known_roles[at]);
        return true;
    }
    const struct object *object = role->object;
    while ((object = txn_object_next(txn, OBJECT_KIND_ROLE, object)) != NULL) {
        if (read_role(object, role)) {
            return true;
        }
    }
    return false;
}

bool role_any(struct txn *txn)
{
    return txn_object_next(txn, OBJECT_KIND_ROLE, NULL) != NULL;
}

bool role_group_at(const struct role *role, uint32_t number, struct role_group *group_out)
{
    const struct known_role *known = role->object == NULL ? find_known(role->oid) : NULL;
    if (known != NULL) {
        bool there = number < KNOWN_GROUP_COUNT_MAX && known->groups[number] != 0;
        *group_out = (struct role_group){.grantor = ROLE_BOOTSTRAP};
        group_out->oid = there ? known->groups[number] : 0;
        return there;
    }
    if (number >= role->groups.size / GROUP_SIZE) {
        return false;
    }
    const uint8_t *at = role->groups.data + (size_t)number * GROUP_SIZE;
    *group_out = (struct role_group){load_u64(at), load_u64(at + 8), at[16] != 0};
    return true;
}

/* ---- members ---- */

/* Roles that a role was found to be a member of, itself first. */
struct reach {
    struct txn *txn;
    bool inherited_only;
    uint32_t count;
    uint64_t oids[REACH_COUNT_MAX];
};

static bool add_reached(struct reach *reach, uint64_t oid)
{
    for (uint32_t i = 0; i < reach->count; i++) {
        if (reach->oids[i] == oid) {
            return true;
        }
    }
    if (reach->count == REACH_COUNT_MAX) {
        return false; // Whoever belongs to more has the privileges of these.
    }
    reach->oids[reach->count++] = oid;
    return true;
}

/* Goes from group to group until `wanted` is met; nothing is called twice for the same role. */
static bool reaches(struct txn *txn, uint64_t oid, uint64_t wanted, bool inherited_only)
{
    if (oid == wanted) {
        return true;
    }
    struct reach reach = {.txn = txn, .inherited_only = inherited_only};
    (void)add_reached(&reach, oid);
    for (uint32_t at = 0; at < reach.count; at++) {
        struct role role;
        struct role_group group;
        if (!role_by_oid(txn, reach.oids[at], &role) ||
            (inherited_only && (role.flags & ROLE_NOINHERIT) != 0)) {
            continue;
        }
        for (uint32_t i = 0; role_group_at(&role, i, &group); i++) {
            if (group.oid == wanted) {
                return true;
            }
            if (!add_reached(&reach, group.oid)) {
                return false;
            }
        }
    }
    return false;
}

bool role_is_superuser(struct txn *txn, uint64_t oid)
{
    struct role role;
    return oid == ROLE_BOOTSTRAP ||
           (role_by_oid(txn, oid, &role) && (role.flags & ROLE_SUPERUSER) != 0);
}

bool role_belongs(struct txn *txn, uint64_t oid, uint64_t group)
{
    return reaches(txn, oid, group, false);
}

bool role_is_member(struct txn *txn, uint64_t oid, uint64_t group)
{
    return role_is_superuser(txn, oid) || reaches(txn, oid, group, false);
}

bool role_has(struct txn *txn, uint64_t oid, uint64_t group)
{
    return oid == group || role_is_superuser(txn, oid) || reaches(txn, oid, group, true);
}

bool role_is_admin_of(struct txn *txn, uint64_t oid, uint64_t group)
{
    struct role role = {0};
    struct role_group member;
    if (role_is_superuser(txn, oid)) {
        return true;
    }
    while (role_next(txn, &role)) {
        for (uint32_t i = 0; role_group_at(&role, i, &member); i++) {
            if (member.oid == group && member.admin && reaches(txn, oid, role.oid, false)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- changing ---- */

static tdbplus_status check_name(const struct role *role, struct err *err)
{
    if (role->name[0] == '\0' || strncmp(role->name, "pg_", 3) == 0 ||
        strcmp(role->name, "public") == 0 || strcmp(role->name, "none") == 0) {
        tdbplus_status status = err_set_state(err, TDBPLUS_E_INVALID, "42939",
                                              "role name \"%s\" is reserved", role->name);
        if (strncmp(role->name, "pg_", 3) == 0) {
            err_detail(err, "Role names starting with \"pg_\" are reserved.");
        }
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status write_role(struct txn *txn, const struct role *role, struct span groups,
                                 struct err *err)
{
    struct buffer properties = {.alloc = store_alloc(txn_store(txn))};
    encode_role(role, groups, &properties);
    struct span span = buffer_span(&properties);
    tdbplus_status status =
        properties.failed
            ? err_set(err, TDBPLUS_E_NOMEM, "a role does not fit the memory limit")
            : txn_object_alter(txn, role->oid - ROLE_OID_FIRST, role->name, NULL, &span, err);
    buffer_deinit(&properties);
    return status;
}

tdbplus_status role_create(struct txn *txn, const struct role *role, uint64_t *oid_out,
                           struct err *err)
{
    struct role other;
    TRY(check_name(role, err));
    if (role_find(txn, role->name, &other)) {
        return err_set_state(err, TDBPLUS_E_EXISTS, "42710", "role \"%s\" already exists",
                             role->name);
    }
    struct buffer properties = {.alloc = store_alloc(txn_store(txn))};
    uint64_t id = 0;
    encode_role(role, (struct span){0}, &properties);
    tdbplus_status status =
        properties.failed ? err_set(err, TDBPLUS_E_NOMEM, "a role does not fit the memory limit")
                          : txn_object_create(txn, OBJECT_KIND_ROLE, role->name, NULL,
                                              buffer_span(&properties), &id, err);
    buffer_deinit(&properties);
    if (status == TDBPLUS_OK) {
        *oid_out = ROLE_OID_FIRST + id;
    }
    return status;
}

static tdbplus_status find_made(struct txn *txn, uint64_t oid, struct role *role_out,
                                struct err *err)
{
    if (!role_by_oid(txn, oid, role_out)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42704", "role with OID %llu does not exist",
                             (unsigned long long)oid);
    }
    if (role_out->object == NULL) {
        return err_set_state(err, TDBPLUS_E_SQL, "42501", "role \"%s\" cannot be changed",
                             role_out->name);
    }
    return TDBPLUS_OK;
}

tdbplus_status role_alter(struct txn *txn, const struct role *role, struct err *err)
{
    struct role old;
    struct role other;
    TRY(find_made(txn, role->oid, &old, err));
    if (strcmp(role->name, old.name) != 0) {
        TRY(check_name(role, err));
        if (role_find(txn, role->name, &other)) {
            return err_set_state(err, TDBPLUS_E_EXISTS, "42710", "role \"%s\" already exists",
                                 role->name);
        }
    }
    return write_role(txn, role, old.groups, err);
}

static void put_group(const struct role_group *group, struct buffer *buffer)
{
    buffer_put_u64(buffer, group->oid);
    buffer_put_u64(buffer, group->grantor);
    buffer_put_u8(buffer, group->admin);
}

/* The role's groups but `without`, and then `added`. */
static tdbplus_status write_groups(struct txn *txn, const struct role *role, uint64_t without,
                                   const struct role_group *added, struct err *err)
{
    struct buffer groups = {.alloc = store_alloc(txn_store(txn))};
    struct role_group group;
    uint32_t count = added != NULL;
    for (uint32_t i = 0; role_group_at(role, i, &group); i++) {
        if (group.oid != without) {
            put_group(&group, &groups);
            count++;
        }
    }
    if (added != NULL) {
        put_group(added, &groups);
    }
    tdbplus_status status =
        groups.failed ? err_set(err, TDBPLUS_E_NOMEM, "a role does not fit the memory limit")
        : count > ROLE_GROUP_COUNT_MAX
            ? err_set_state(err, TDBPLUS_E_LIMIT, "54000",
                            "role \"%s\" is a member of more than %u roles", role->name,
                            ROLE_GROUP_COUNT_MAX)
            : write_role(txn, role, buffer_span(&groups), err);
    buffer_deinit(&groups);
    return status;
}

tdbplus_status role_join(struct txn *txn, uint64_t member, const struct role_group *group,
                         struct err *err)
{
    struct role role;
    struct role of;
    struct role_group old;
    struct role_group wanted = *group;
    TRY(find_made(txn, member, &role, err));
    if (reaches(txn, group->oid, member, false)) {
        bool known = role_by_oid(txn, group->oid, &of);
        return err_set_state(err, TDBPLUS_E_INVALID, "0LP01",
                             "role \"%s\" is a member of role \"%s\"", known ? of.name : "",
                             role.name);
    }
    for (uint32_t i = 0; role_group_at(&role, i, &old); i++) {
        if (old.oid == group->oid && (old.admin || !group->admin)) {
            return TDBPLUS_OK; // It is one already, with as many rights.
        }
    }
    return write_groups(txn, &role, group->oid, &wanted, err);
}

tdbplus_status role_leave(struct txn *txn, uint64_t member, uint64_t group, bool admin_only,
                          struct err *err)
{
    struct role role;
    struct role_group old;
    if (!role_by_oid(txn, member, &role) || role.object == NULL) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; role_group_at(&role, i, &old); i++) {
        if (old.oid == group) {
            old.admin = false;
            return write_groups(txn, &role, group, admin_only ? &old : NULL, err);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status role_drop(struct txn *txn, uint64_t oid, struct err *err)
{
    struct role role;
    struct role dropped;
    TRY(find_made(txn, oid, &dropped, err));
    // A change makes the list anew, so the walk begins again behind the same name.
    role = (struct role){0};
    while (role_next(txn, &role)) {
        uint64_t member = role.oid;
        TRY(role_leave(txn, member, oid, false, err));
        if (!role_by_oid(txn, member, &role)) {
            break;
        }
    }
    return txn_object_drop(txn, oid - ROLE_OID_FIRST, err);
}
