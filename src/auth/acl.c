#include "auth/acl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/codec.h"

#define ACL_VERSION   1u
#define ACL_GIVEN     1u
#define CASCADE_DEPTH 64u
#define NAME_DATABASE "database" /* Of the entries of what is always there. */
#define NAME_PUBLIC   "public"

static const char letters[] = "arwdDxtXUCTc";

static const char *const names[PRIVILEGE_COUNT] = {
    "INSERT",  "SELECT",  "UPDATE", "DELETE", "TRUNCATE",  "REFERENCES",
    "TRIGGER", "EXECUTE", "USAGE",  "CREATE", "TEMPORARY", "CONNECT"};

uint32_t acl_all(uint8_t acl_class)
{
    switch ((enum acl_class)acl_class) {
    case ACL_RELATION:
        return PRIVILEGE_INSERT | PRIVILEGE_SELECT | PRIVILEGE_UPDATE | PRIVILEGE_DELETE |
               PRIVILEGE_TRUNCATE | PRIVILEGE_REFERENCES | PRIVILEGE_TRIGGER;
    case ACL_SEQUENCE:
        return PRIVILEGE_SELECT | PRIVILEGE_UPDATE | PRIVILEGE_USAGE;
    case ACL_SCHEMA:
        return PRIVILEGE_USAGE | PRIVILEGE_CREATE;
    case ACL_DATABASE:
        return PRIVILEGE_CREATE | PRIVILEGE_TEMPORARY | PRIVILEGE_CONNECT;
    case ACL_TYPE:
        return PRIVILEGE_USAGE;
    }
    return 0;
}

uint32_t acl_privilege(const char *name)
{
    for (uint32_t i = 0; i < PRIVILEGE_COUNT; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return 1u << i;
        }
    }
    return strcasecmp(name, "temp") == 0 ? (uint32_t)PRIVILEGE_TEMPORARY : 0;
}

const char *acl_privilege_name(uint32_t privilege)
{
    for (uint32_t i = 0; i < PRIVILEGE_COUNT; i++) {
        if ((privilege & 1u << i) != 0) {
            return names[i];
        }
    }
    return "";
}

void acl_put_letters(uint32_t privileges, uint32_t options, struct buffer *text)
{
    for (uint32_t i = 0; i < PRIVILEGE_COUNT; i++) {
        if ((privileges & 1u << i) != 0) {
            buffer_put_u8(text, (uint8_t)letters[i]);
            if ((options & 1u << i) != 0) {
                buffer_put_u8(text, '*');
            }
        }
    }
}

/* Quoted where it is not made of plain letters. */
static void put_role(struct txn *txn, uint64_t oid, struct buffer *text)
{
    struct role role;
    if (oid == ROLE_PUBLIC) {
        return;
    }
    if (!role_by_oid(txn, oid, &role)) {
        buffer_printf(text, "%" PRIu64, oid);
        return;
    }
    bool plain = true;
    for (const char *at = role.name; *at != 0; at++) {
        plain = plain && ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                          (*at >= '0' && *at <= '9') || *at == '_');
    }
    buffer_put_text(text, plain ? "" : "\"");
    for (const char *at = role.name; *at != 0; at++) {
        buffer_put_text(text, *at == '"' ? "\"" : "");
        buffer_put_u8(text, (uint8_t)*at);
    }
    buffer_put_text(text, plain ? "" : "\"");
}

void acl_put_item(struct txn *txn, const struct acl_item *item, struct buffer *text)
{
    put_role(txn, item->grantee, text);
    buffer_put_u8(text, '=');
    acl_put_letters(item->privileges, item->options, text);
    buffer_put_u8(text, '/');
    put_role(txn, item->grantor, text);
}

/* ---- targets ---- */

bool acl_target_of(const struct catalog_entry *entry, struct acl_target *target_out)
{
    *target_out = (struct acl_target){.oid = ACL_OID_FIRST + entry->oid};
    switch ((int)entry->kind) {
    case CATALOG_TABLE:
    case CATALOG_VIEW:
        target_out->acl_class = ACL_RELATION;
        return true;
    case CATALOG_SEQUENCE:
        target_out->acl_class = ACL_SEQUENCE;
        return true;
    case CATALOG_SCHEMA:
        target_out->acl_class = ACL_SCHEMA;
        return true;
    case CATALOG_TYPE:
        target_out->acl_class = ACL_TYPE;
        return true;
    case CATALOG_INDEX:
    case CATALOG_FOREIGN_KEY:
        target_out->oid = ACL_OID_FIRST + entry->object->parent;
        target_out->acl_class = ACL_RELATION;
        return true;
    default:
        return false;
    }
}

bool acl_target_schema(struct txn *txn, const char *name, struct acl_target *target_out)
{
    struct catalog_entry entry;
    if (strcmp(name, CATALOG_SCHEMA_DEFAULT) == 0) {
        *target_out = (struct acl_target){ACL_OID_PUBLIC, ACL_SCHEMA};
        return true;
    }
    return catalog_entry_find(txn, CATALOG_SCHEMA, NULL, name, &entry) &&
           acl_target_of(&entry, target_out);
}

/* ---- bytes ---- */

static void entry_name(struct acl_target target, char name[CATALOG_NAME_SIZE_MAX + 1])
{
    if (target.oid >= ACL_OID_FIRST) {
        catalog_privileges_name(target.oid - ACL_OID_FIRST, name);
    } else {
        bool database = target.oid == ACL_OID_DATABASE;
        (void)snprintf(name, CATALOG_NAME_SIZE_MAX + 1, database ? NAME_DATABASE : NAME_PUBLIC);
    }
}

static bool find_entry(struct txn *txn, struct acl_target target, struct catalog_entry *entry_out)
{
    char name[CATALOG_NAME_SIZE_MAX + 1];
    entry_name(target, name);
    return catalog_entry_find(txn, CATALOG_PRIVILEGES, NULL, name, entry_out);
}

/* Walks the items of an acl where it is kept. What cannot be read gives nobody anything. */
struct walk {
    struct acl_target target;
    uint64_t owner;
    bool given;
    struct reader reader;
    uint64_t left;
    uint32_t default_at;
};

static void walk_begin(struct txn *txn, struct acl_target target, struct walk *walk)
{
    struct catalog_entry entry;
    *walk = (struct walk){.target = target, .owner = ROLE_BOOTSTRAP};
    if (target.oid == ACL_OID_PUBLIC) {
        walk->owner = ROLE_DATABASE_OWNER;
    }
    if (!find_entry(txn, target, &entry)) {
        return;
    }
    walk->reader = reader_of(entry.definition);
    uint8_t version = reader_u8(&walk->reader);
    uint64_t owner = reader_varint(&walk->reader);
    walk->given = (reader_u8(&walk->reader) & ACL_GIVEN) != 0;
    walk->left = reader_varint(&walk->reader);
    if (version != ACL_VERSION || walk->reader.overrun) {
        walk->given = true;
        walk->left = 0;
        return;
    }
    walk->owner = owner;
}

/* What holds while nothing was given on the object: all for the owner, a little for everybody. */
static bool default_next(struct walk *walk, struct acl_item *item_out)
{
    uint8_t acl_class = walk->target.acl_class;
    uint32_t everybody = acl_class == ACL_DATABASE ? PRIVILEGE_TEMPORARY | PRIVILEGE_CONNECT
                         : acl_class == ACL_TYPE   ? (uint32_t)PRIVILEGE_USAGE
                         : walk->target.oid == ACL_OID_PUBLIC ? (uint32_t)PRIVILEGE_USAGE
                                                              : 0;
    uint32_t at = walk->default_at++;
    if (walk->given || at > 1 || (at == 1 && everybody == 0)) {
        return false;
    }
    *item_out = (struct acl_item){.grantee = at == 0 ? walk->owner : (uint64_t)ROLE_PUBLIC,
                                  .grantor = walk->owner,
                                  .privileges = at == 0 ? acl_all(acl_class) : everybody};
    return true;
}

static bool walk_next(struct walk *walk, struct acl_item *item_out)
{
    if (walk->left == 0) {
        return default_next(walk, item_out);
    }
    struct reader *reader = &walk->reader;
    walk->left--;
    *item_out = (struct acl_item){.column = (uint32_t)reader_varint(reader)};
    item_out->grantee = reader_varint(reader);
    item_out->grantor = reader_varint(reader);
    item_out->privileges = (uint32_t)reader_varint(reader);
    item_out->options = (uint32_t)reader_varint(reader);
    if (reader->overrun) {
        walk->given = true;
        walk->left = 0;
        return false;
    }
    return true;
}

/* ---- reading ---- */

uint64_t acl_owner(struct txn *txn, struct acl_target target)
{
    struct walk walk;
    walk_begin(txn, target, &walk);
    return walk.owner;
}

/* The group of the database's owner has one member, whom no list names. */
static bool role_covers(struct txn *txn, uint64_t role, uint64_t grantee)
{
    if (grantee == ROLE_PUBLIC || role_has(txn, role, grantee)) {
        return true;
    }
    return grantee == ROLE_DATABASE_OWNER &&
           role_has(txn, role, acl_owner(txn, (struct acl_target){ACL_OID_DATABASE, ACL_DATABASE}));
}

/* What some of the roles that are always there may do everywhere. */
static uint32_t known_mask(struct txn *txn, struct acl_target target, uint64_t role)
{
    uint8_t acl_class = target.acl_class;
    uint32_t mask = 0;
    if (acl_class != ACL_RELATION && acl_class != ACL_SEQUENCE && acl_class != ACL_SCHEMA) {
        return 0;
    }
    bool schema = acl_class == ACL_SCHEMA;
    if (role_has(txn, role, ROLE_READ_ALL)) {
        mask |= schema ? PRIVILEGE_USAGE : PRIVILEGE_SELECT;
    }
    if (role_has(txn, role, ROLE_WRITE_ALL)) {
        mask |= schema ? (uint32_t)PRIVILEGE_USAGE
                       : PRIVILEGE_INSERT | PRIVILEGE_UPDATE | PRIVILEGE_DELETE;
    }
    if (schema && role_has(txn, role, ROLE_READWRITE)) {
        mask |= PRIVILEGE_CREATE;
    }
    return mask;
}

uint32_t acl_mask(struct txn *txn, struct acl_target target, uint32_t column, uint64_t role)
{
    struct walk walk;
    struct acl_item item;
    uint32_t mask = 0;
    if (role_is_superuser(txn, role)) {
        return acl_all(target.acl_class);
    }
    walk_begin(txn, target, &walk);
    while (walk_next(&walk, &item)) {
        if (item.column == column && (item.privileges & ~mask) != 0 &&
            role_covers(txn, role, item.grantee)) {
            mask |= item.privileges;
        }
    }
    return column == 0 ? mask | known_mask(txn, target, role) : mask;
}

uint32_t acl_options(struct txn *txn, struct acl_target target, uint32_t column, uint64_t role)
{
    struct walk walk;
    struct acl_item item;
    uint32_t options = 0;
    if (acl_owns(txn, target, role)) {
        return acl_all(target.acl_class);
    }
    walk_begin(txn, target, &walk);
    while (walk_next(&walk, &item)) {
        if (item.column == column && role_covers(txn, role, item.grantee)) {
            options |= item.options;
        }
    }
    return options;
}

bool acl_any_column(struct txn *txn, struct acl_target target, uint32_t privilege, uint64_t role)
{
    struct walk walk;
    struct acl_item item;
    walk_begin(txn, target, &walk);
    while (walk_next(&walk, &item)) {
        if (item.column != 0 && (item.privileges & privilege) != 0 &&
            role_covers(txn, role, item.grantee)) {
            return true;
        }
    }
    return false;
}

bool acl_owns(struct txn *txn, struct acl_target target, uint64_t role)
{
    return role == ROLE_BOOTSTRAP || role_covers(txn, role, acl_owner(txn, target));
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "privileges do not fit the memory limit");
}

tdbplus_status acl_read(struct txn *txn, struct acl_target target, struct acl *acl_out,
                        struct err *err)
{
    struct walk walk;
    struct acl_item item;
    walk_begin(txn, target, &walk);
    struct acl acl = {.target = target, .owner = walk.owner, .given = walk.given};
    list_init(&acl.items, store_alloc(txn_store(txn)), sizeof(struct acl_item));
    while (walk_next(&walk, &item)) {
        if (list_push(&acl.items, &item) == NULL) {
            acl_deinit(&acl);
            return no_memory(err);
        }
    }
    *acl_out = acl;
    return TDBPLUS_OK;
}

void acl_deinit(struct acl *acl)
{
    if (acl->items.alloc != NULL) {
        list_deinit(&acl->items);
    }
}

bool acl_next(struct txn *txn, struct catalog_entry *entry, struct acl_target *target_out)
{
    while (catalog_entry_next(txn, CATALOG_PRIVILEGES, entry)) {
        struct catalog_entry object;
        if (entry->owner != 0) {
            if (catalog_entry_by_oid(txn, entry->owner, &object) &&
                acl_target_of(&object, target_out)) {
                return true;
            }
        } else if (strcmp(entry->name, NAME_DATABASE) == 0) {
            *target_out = (struct acl_target){ACL_OID_DATABASE, ACL_DATABASE};
            return true;
        } else if (strcmp(entry->name, NAME_PUBLIC) == 0) {
            *target_out = (struct acl_target){ACL_OID_PUBLIC, ACL_SCHEMA};
            return true;
        }
    }
    return false;
}

bool acl_names(const struct acl *acl, uint64_t role)
{
    for (size_t i = 0; i < acl->items.count; i++) {
        const struct acl_item *item = list_at(&acl->items, i);
        if (item->grantee == role || item->grantor == role) {
            return true;
        }
    }
    return false;
}

/* ---- changing ---- */

/* What a role may give on: all of it as the owner, otherwise what it was given so. */
static uint32_t options_of(struct txn *txn, const struct acl *acl, uint64_t role, uint32_t column)
{
    uint32_t options = 0;
    for (size_t i = 0; i < acl->items.count; i++) {
        const struct acl_item *item = list_at(&acl->items, i);
        if ((item->column == 0 || item->column == column) && item->grantee == role) {
            options |= item->options;
        }
    }
    (void)txn;
    return role == acl->owner ? acl_all(acl->target.acl_class) : options;
}

static uint32_t bits(uint32_t mask)
{
    return (uint32_t)__builtin_popcount(mask);
}

uint64_t acl_grantor(struct txn *txn, const struct acl *acl, uint64_t role, uint32_t column,
                     uint32_t wanted, uint32_t *may_out)
{
    uint64_t best = role;
    uint32_t may = options_of(txn, acl, role, column) & wanted;
    if (role_covers(txn, role, acl->owner)) {
        *may_out = wanted;
        return acl->owner;
    }
    for (size_t i = 0; i < acl->items.count; i++) {
        uint64_t other = ((const struct acl_item *)list_at(&acl->items, i))->grantee;
        if (other != ROLE_PUBLIC && role_has(txn, role, other)) {
            uint32_t its = options_of(txn, acl, other, column) & wanted;
            best = bits(its) > bits(may) ? other : best;
            may = bits(its) > bits(may) ? its : may;
        }
    }
    *may_out = may;
    return best;
}

static struct acl_item *find_item(struct acl *acl, uint32_t column, uint64_t grantee,
                                  uint64_t grantor)
{
    for (size_t i = 0; i < acl->items.count; i++) {
        struct acl_item *item = list_at(&acl->items, i);
        if (item->column == column && item->grantee == grantee && item->grantor == grantor) {
            return item;
        }
    }
    return NULL;
}

static tdbplus_status grant(struct acl *acl, const struct acl_change *change, struct err *err)
{
    struct acl_item fresh = {
        .column = change->column, .grantee = change->grantee, .grantor = change->grantor};
    if (change->options && change->grantee == ROLE_PUBLIC) {
        return err_set_state(err, TDBPLUS_E_INVALID, "0LP01",
                             "grant options can only be granted to roles");
    }
    struct acl_item *item = find_item(acl, change->column, change->grantee, change->grantor);
    item = item != NULL ? item : list_push(&acl->items, &fresh);
    if (item == NULL) {
        return no_memory(err);
    }
    item->privileges |= change->privileges;
    item->options |= change->options ? change->privileges : 0;
    return TDBPLUS_OK;
}

static tdbplus_status revoke(struct acl *acl, const struct acl_change *change, uint32_t depth,
                             struct err *err);

/* Whoever cannot give privileges on any more has not given them. */
static tdbplus_status revoke_dependents(struct acl *acl, const struct acl_change *change,
                                        uint32_t lost, uint32_t depth, struct err *err)
{
    uint32_t kept = change->grantee == acl->owner ? lost : 0;
    for (size_t i = 0; i < acl->items.count; i++) {
        const struct acl_item *item = list_at(&acl->items, i);
        kept |=
            item->column == change->column && item->grantee == change->grantee ? item->options : 0;
    }
    lost &= ~kept;
    for (size_t i = 0; lost != 0 && i < acl->items.count; i++) {
        const struct acl_item *item = list_at(&acl->items, i);
        if (item->column != change->column || item->grantor != change->grantee ||
            (item->privileges & lost) == 0) {
            continue;
        }
        if (!change->cascade) {
            tdbplus_status status =
                err_set_state(err, TDBPLUS_E_SQL, "2BP01", "dependent privileges exist");
            err_hint(err, "Use CASCADE to revoke them too.");
            return status;
        }
        struct acl_change next = *change;
        next.grantee = item->grantee;
        next.grantor = item->grantor;
        next.privileges = lost;
        next.options = false;
        TRY(revoke(acl, &next, depth + 1, err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status revoke(struct acl *acl, const struct acl_change *change, uint32_t depth,
                             struct err *err)
{
    struct acl_item *item = find_item(acl, change->column, change->grantee, change->grantor);
    if (depth > CASCADE_DEPTH) {
        return err_set_state(err, TDBPLUS_E_LIMIT, "54001",
                             "privileges were given on more than %u times", CASCADE_DEPTH);
    }
    if (item == NULL) {
        return TDBPLUS_OK;
    }
    uint32_t lost = item->options & change->privileges;
    item->options &= ~change->privileges;
    item->privileges &= change->options ? UINT32_MAX : ~change->privileges;
    return lost == 0 ? TDBPLUS_OK : revoke_dependents(acl, change, lost, depth, err);
}

static void drop_empty(struct acl *acl)
{
    size_t kept = 0;
    for (size_t i = 0; i < acl->items.count; i++) {
        struct acl_item item = *(const struct acl_item *)list_at(&acl->items, i);
        if (item.privileges != 0) {
            *(struct acl_item *)list_at(&acl->items, kept++) = item;
        }
    }
    acl->items.count = kept;
}

tdbplus_status acl_apply(struct acl *acl, const struct acl_change *change, struct err *err)
{
    acl->given = acl->given || change->column == 0;
    TRY(change->grant ? grant(acl, change, err) : revoke(acl, change, 0, err));
    // What is revoked on the whole is revoked on each column.
    for (size_t i = 0; !change->grant && change->column == 0 && i < acl->items.count; i++) {
        struct acl_change part = *change;
        part.column = ((const struct acl_item *)list_at(&acl->items, i))->column;
        TRY(part.column == 0 ? TDBPLUS_OK : revoke(acl, &part, 0, err));
    }
    drop_empty(acl);
    return TDBPLUS_OK;
}

static void encode_acl(const struct acl *acl, struct buffer *buffer)
{
    uint64_t count = 0;
    for (size_t i = 0; i < acl->items.count; i++) {
        count += acl->given || ((const struct acl_item *)list_at(&acl->items, i))->column != 0;
    }
    buffer_put_u8(buffer, ACL_VERSION);
    buffer_put_varint(buffer, acl->owner);
    buffer_put_u8(buffer, acl->given ? ACL_GIVEN : 0);
    buffer_put_varint(buffer, count);
    for (size_t i = 0; i < acl->items.count; i++) {
        const struct acl_item *item = list_at(&acl->items, i);
        if (acl->given || item->column != 0) {
            buffer_put_varint(buffer, item->column);
            buffer_put_varint(buffer, item->grantee);
            buffer_put_varint(buffer, item->grantor);
            buffer_put_varint(buffer, item->privileges);
            buffer_put_varint(buffer, item->options);
        }
    }
}

tdbplus_status acl_write(struct txn *txn, const struct acl *acl, struct err *err)
{
    struct catalog_entry old;
    struct catalog_entry entry = {.kind = CATALOG_PRIVILEGES};
    uint64_t oid = 0;
    bool made = acl->target.oid >= ACL_OID_FIRST;
    entry.owner = made ? acl->target.oid - ACL_OID_FIRST : 0;
    entry_name(acl->target, entry.name);
    struct buffer definition = {.alloc = store_alloc(txn_store(txn))};
    encode_acl(acl, &definition);
    entry.definition = buffer_span(&definition);
    tdbplus_status status = definition.failed ? no_memory(err)
                            : find_entry(txn, acl->target, &old)
                                ? catalog_entry_alter(txn, old.oid, &entry, err)
                                : catalog_entry_create(txn, &entry, &oid, err);
    buffer_deinit(&definition);
    return status;
}

tdbplus_status acl_create(struct txn *txn, struct acl_target target, uint64_t owner,
                          struct err *err)
{
    struct acl acl = {.target = target, .owner = owner};
    // The database's owner owns what nobody else does.
    return owner == ROLE_BOOTSTRAP ? TDBPLUS_OK : acl_write(txn, &acl, err);
}

/* Two items that became one another's double. */
static void merge_items(struct acl *acl)
{
    for (size_t i = 0; i < acl->items.count; i++) {
        struct acl_item *item = list_at(&acl->items, i);
        for (size_t k = i + 1; k < acl->items.count; k++) {
            struct acl_item *other = list_at(&acl->items, k);
            if (item->column == other->column && item->grantee == other->grantee &&
                item->grantor == other->grantor) {
                item->privileges |= other->privileges;
                item->options |= other->options;
                other->privileges = 0;
            }
        }
    }
    drop_empty(acl);
}

tdbplus_status acl_set_owner(struct txn *txn, struct acl_target target, uint64_t owner,
                             struct err *err)
{
    struct acl acl = {0};
    TRY(acl_read(txn, target, &acl, err));
    uint64_t old = acl.owner;
    acl.owner = owner;
    for (size_t i = 0; i < acl.items.count; i++) {
        struct acl_item *item = list_at(&acl.items, i);
        item->grantee = item->grantee == old ? owner : item->grantee;
        item->grantor = item->grantor == old ? owner : item->grantor;
    }
    merge_items(&acl);
    tdbplus_status status = acl_write(txn, &acl, err);
    acl_deinit(&acl);
    return status;
}

tdbplus_status acl_forget(struct txn *txn, struct acl_target target, uint64_t role,
                          bool *changed_out, struct err *err)
{
    struct acl acl = {0};
    bool changed = false;
    TRY(acl_read(txn, target, &acl, err));
    for (size_t i = 0; i < acl.items.count; i++) {
        struct acl_item *item = list_at(&acl.items, i);
        if ((item->grantee == role && acl.owner != role) ||
            (item->grantor == role && acl.owner != role)) {
            item->privileges = 0;
            changed = true;
        }
    }
    drop_empty(&acl);
    tdbplus_status status = changed ? acl_write(txn, &acl, err) : TDBPLUS_OK;
    acl_deinit(&acl);
    *changed_out = changed;
    return status;
}
