#pragma once

/*
 * acl: who owns an object of the catalog and who may do what with it. Kept beside the object, as an
 * entry of the catalog that goes with it; without one the object is the database owner's, and its
 * privileges are those that PostgreSQL gives at first.
 *
 * Threads: as the transaction.
 */

#include "auth/role.h"
#include "base/buffer.h"
#include "base/list.h"
#include "catalog/catalog.h"

/* In the order of the letters in pg_class.relacl: "arwdDxtXUCTc". Numbers reach disk. */
enum privilege {
    PRIVILEGE_INSERT = 1 << 0,
    PRIVILEGE_SELECT = 1 << 1,
    PRIVILEGE_UPDATE = 1 << 2,
    PRIVILEGE_DELETE = 1 << 3,
    PRIVILEGE_TRUNCATE = 1 << 4,
    PRIVILEGE_REFERENCES = 1 << 5,
    PRIVILEGE_TRIGGER = 1 << 6,
    PRIVILEGE_EXECUTE = 1 << 7,
    PRIVILEGE_USAGE = 1 << 8,
    PRIVILEGE_CREATE = 1 << 9,
    PRIVILEGE_TEMPORARY = 1 << 10,
    PRIVILEGE_CONNECT = 1 << 11,
};
#define PRIVILEGE_COUNT 12u
#define PRIVILEGES_COLUMN \
    (PRIVILEGE_INSERT | PRIVILEGE_SELECT | PRIVILEGE_UPDATE | PRIVILEGE_REFERENCES)

enum acl_class { ACL_RELATION = 1, ACL_SEQUENCE, ACL_SCHEMA, ACL_DATABASE, ACL_TYPE };

/* Objects that are always there have PostgreSQL's oids; others OID_FIRST plus their number. */
#define ACL_OID_FIRST    16384u
#define ACL_OID_DATABASE 5u
#define ACL_OID_PUBLIC   2200u /* The schema. */

struct acl_target {
    uint64_t oid;
    uint8_t acl_class; /* enum acl_class. */
};

/* What stands in an acl: that `grantor` gave `privileges` to `grantee`. */
struct acl_item {
    uint32_t column;  /* Its id; 0: all of the object. */
    uint64_t grantee; /* ROLE_PUBLIC: everybody. */
    uint64_t grantor;
    uint32_t privileges;
    uint32_t options; /* Those that the grantee may give on. */
};

/* An object's whole acl. Zeroed storage may be passed to acl_deinit(). */
struct acl {
    struct acl_target target;
    uint64_t owner;
    bool given; /* Something was granted or revoked on the object: otherwise defaults hold. */
    struct list items; /* struct acl_item; the defaults, if nothing was given. */
};

/* ---- reading ---- */

/* The target of an entry; an index is its table's. False for kinds without privileges. */
bool acl_target_of(const struct catalog_entry *entry, struct acl_target *target_out);

/* The target of a schema by its name: the default one is always there. False: there is none. */
bool acl_target_schema(struct txn *txn, const char *name, struct acl_target *target_out);

/* All privileges there are for such an object. */
uint32_t acl_all(uint8_t acl_class);

uint64_t acl_owner(struct txn *txn, struct acl_target target);

/* Which privileges a role has on the object, or by the column's own acl on that column. */
uint32_t acl_mask(struct txn *txn, struct acl_target target, uint32_t column, uint64_t role);

/* Those of them that the role may give on. */
uint32_t acl_options(struct txn *txn, struct acl_target target, uint32_t column, uint64_t role);

/* True when it owns the object, has its owner's privileges, or is a superuser. */
bool acl_owns(struct txn *txn, struct acl_target target, uint64_t role);

/* True when the role has one of the privileges on any column by that column's own acl. */
bool acl_any_column(struct txn *txn, struct acl_target target, uint32_t privilege, uint64_t role);

TDBPLUS_CHECKED tdbplus_status acl_read(struct txn *txn, struct acl_target target,
                                        struct acl *acl_out, struct err *err);
void acl_deinit(struct acl *acl);

/* "arw*": letters of privileges, each with a star if it may be given on. */
void acl_put_letters(uint32_t privileges, uint32_t options, struct buffer *text);

/* "grantee=arw/grantor" as PostgreSQL prints an item. */
void acl_put_item(struct txn *txn, const struct acl_item *item, struct buffer *text);

/* Number of the name's privilege ("select"), 0 when there is none of it. */
uint32_t acl_privilege(const char *name);
/* "SELECT"; the lowest one set. */
const char *acl_privilege_name(uint32_t privilege);

/* ---- changing ---- */

/* One GRANT or REVOKE for one grantee. */
struct acl_change {
    uint32_t column;
    uint64_t grantee;
    uint64_t grantor;
    uint32_t privileges;
    bool grant;
    bool options; /* WITH GRANT OPTION; GRANT OPTION FOR. */
    bool cascade;
};

/* As whom a role grants on the object, and which of `wanted` it may: the owner, or whoever may give
 * most of them on. */
uint64_t acl_grantor(struct txn *txn, const struct acl *acl, uint64_t role, uint32_t column,
                     uint32_t wanted, uint32_t *may_out);

/* 2BP01 when others gave on what is revoked, unless cascading; 0LP01 for options to everybody. */
TDBPLUS_CHECKED tdbplus_status acl_apply(struct acl *acl, const struct acl_change *change,
                                         struct err *err);

/* Writes it beside its object. */
TDBPLUS_CHECKED tdbplus_status acl_write(struct txn *txn, const struct acl *acl, struct err *err);

/* Makes an object just made the role's. */
TDBPLUS_CHECKED tdbplus_status acl_create(struct txn *txn, struct acl_target target, uint64_t owner,
                                          struct err *err);

/* Gives it another owner, who takes the place of the old one in its acl. */
TDBPLUS_CHECKED tdbplus_status acl_set_owner(struct txn *txn, struct acl_target target,
                                             uint64_t owner, struct err *err);

/* Takes everything that was given to a role away; false in *changed_out: there was nothing. */
TDBPLUS_CHECKED tdbplus_status acl_forget(struct txn *txn, struct acl_target target, uint64_t role,
                                          bool *changed_out, struct err *err);

/* The object after *target that has an acl of its own; a zeroed one stands before the first. */
bool acl_next(struct txn *txn, struct catalog_entry *entry, struct acl_target *target_out);

/* True when the acl names the role, as grantee or grantor. */
bool acl_names(const struct acl *acl, uint64_t role);
