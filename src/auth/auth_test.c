/*
 * Goal: roles, memberships and privileges are what was said about them, through reopening; damage
 * gives nobody anything. Method: scripted roles; random grants against sets in plain arrays.
 */

#include "auth/acl.h"
#include "auth/password.h"

#include "store_fixture.h"

static void open_store(struct store_fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static struct txn *begin(struct store_fixture *fixture)
{
    struct txn_options options = {.durability = -1};
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, &options, &alloc_system, &txn, &fixture->err));
    return txn;
}

static void commit(struct store_fixture *fixture, struct txn *txn)
{
    struct call call = {.alloc = &alloc_system, .err = &fixture->err};
    OK(txn_commit(txn, &call));
}

static uint64_t make_role(struct store_fixture *fixture, struct txn *txn, const char *name,
                          uint32_t flags)
{
    struct role role = role_initial(name);
    uint64_t oid = 0;
    role.flags = flags;
    OK(role_create(txn, &role, &oid, &fixture->err));
    return oid;
}

static void join(struct store_fixture *fixture, struct txn *txn, uint64_t member, uint64_t group,
                 bool admin)
{
    struct role_group joined = {.oid = group, .grantor = ROLE_BOOTSTRAP, .admin = admin};
    OK(role_join(txn, member, &joined, &fixture->err));
}

/* Password "pencil" with the salt of RFC 7677, computed with Python's hashlib and hmac. */
TEST(verifier_is_what_the_standard_says)
{
    static const uint8_t salt[PASSWORD_SALT_SIZE] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12,
                                                     0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14,
                                                     0x12, 0x36, 0xfa, 0x81};
    char text[PASSWORD_VERIFIER_SIZE_MAX];
    struct err err = {0};
    CHECK(password_verifier(span_from_text("pencil"), salt, text, &err) == TDBPLUS_OK);
    CHECK(strcmp(text, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFz"
                       "pcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=") == 0);
    CHECK(password_is_verifier(text));
    CHECK(!password_is_verifier("pencil"));
    static char longest[PASSWORD_SIZE_MAX + 1];
    struct span too_long = {.data = (const uint8_t *)longest, .size = sizeof longest};
    CHECK(password_verifier(too_long, salt, text, &err) == TDBPLUS_E_INVALID);
}

TEST(members_reach_groups_and_circles_are_refused)
{
    struct store_fixture storage;
    struct store_fixture *fixture = &storage;
    fixture_begin(fixture);
    open_store(fixture);
    struct txn *txn = begin(fixture);
    uint64_t a = make_role(fixture, txn, "a", 0);
    uint64_t b = make_role(fixture, txn, "b", ROLE_NOINHERIT);
    uint64_t c = make_role(fixture, txn, "c", 0);
    uint64_t root = make_role(fixture, txn, "root", ROLE_SUPERUSER);
    join(fixture, txn, a, b, false);
    join(fixture, txn, b, c, true);
    CHECK(role_is_member(txn, a, c) && role_is_member(txn, a, b) && !role_is_member(txn, c, a));
    // b does not inherit, so what c has ends there.
    CHECK(role_has(txn, a, b) && !role_has(txn, a, c) && !role_has(txn, b, c));
    CHECK(role_is_admin_of(txn, b, c) && role_is_admin_of(txn, a, c) &&
          !role_is_admin_of(txn, a, b));
    CHECK(role_has(txn, root, c) && role_is_member(txn, root, a) && !role_belongs(txn, root, a));
    struct role_group circle = {.oid = a, .grantor = ROLE_BOOTSTRAP};
    CHECK(role_join(txn, c, &circle, &fixture->err) == TDBPLUS_E_INVALID);
    CHECK(strcmp(fixture->err.sqlstate, "0LP01") == 0);
    err_clear(&fixture->err);
    commit(fixture, txn);
    store_close(fixture->store);
    open_store(fixture);
    txn = begin(fixture);
    CHECK(role_is_member(txn, a, c) && role_is_superuser(txn, root));
    OK(role_drop(txn, b, &fixture->err));
    CHECK(!role_is_member(txn, a, c) && !role_is_member(txn, a, b));
    txn_abort(txn);
    fixture_end(fixture);
}

TEST(roles_that_are_always_there_come_first_and_cannot_be_changed)
{
    struct store_fixture storage;
    struct store_fixture *fixture = &storage;
    fixture_begin(fixture);
    open_store(fixture);
    struct txn *txn = begin(fixture);
    (void)make_role(fixture, txn, "zoe", ROLE_LOGIN);
    struct role role = {0};
    uint32_t count = 0;
    bool made = false;
    while (role_next(txn, &role)) {
        count++;
        CHECK(!made);
        made = strcmp(role.name, "zoe") == 0;
    }
    CHECK(made && count > 9);
    CHECK(role_has(txn, ROLE_READWRITE, ROLE_WRITE_ALL) &&
          role_has(txn, ROLE_READONLY, ROLE_READ_ALL));
    CHECK(!role_has(txn, ROLE_READONLY, ROLE_WRITE_ALL));
    CHECK(role_find(txn, "readonly", &role) && role_drop(txn, role.oid, NULL) != TDBPLUS_OK);
    struct role taken = role_initial("readonly");
    uint64_t oid = 0;
    CHECK(role_create(txn, &taken, &oid, NULL) == TDBPLUS_E_EXISTS);
    txn_abort(txn);
    fixture_end(fixture);
}

/* ---- privileges ---- */

#define ROLES   4u
#define COLUMNS 3u /* Column 0 is all of the object. */

struct model {
    uint32_t privileges[COLUMNS][ROLES];
};

static void change_randomly(struct store_fixture *fixture, struct acl *acl, const uint64_t *roles,
                            struct model *model, uint64_t random)
{
    uint32_t role = (uint32_t)(random % ROLES);
    uint32_t column = (uint32_t)(random >> 8) % COLUMNS;
    uint32_t privilege = column == 0 ? 1u << (random >> 16) % 7 : 1u << (random >> 16) % 3;
    struct acl_change change = {.column = column,
                                .grantee = roles[role],
                                .grantor = acl->owner,
                                .privileges = privilege,
                                .grant = (random >> 24 & 1) != 0};
    OK(acl_apply(acl, &change, &fixture->err));
    if (change.grant) {
        model->privileges[column][role] |= privilege;
    } else {
        model->privileges[column][role] &= ~privilege;
        for (uint32_t c = 1; column == 0 && c < COLUMNS; c++) {
            model->privileges[c][role] &= ~privilege;
        }
    }
}

static void check_model(struct txn *txn, struct acl_target target, const uint64_t *roles,
                        const struct model *model)
{
    for (uint32_t c = 0; c < COLUMNS; c++) {
        for (uint32_t r = 0; r < ROLES; r++) {
            CHECK(acl_mask(txn, target, c, roles[r]) == model->privileges[c][r]);
        }
    }
}

TEST(privileges_are_those_that_were_given)
{
    struct store_fixture storage;
    struct store_fixture *fixture = &storage;
    fixture_begin(fixture);
    open_store(fixture);
    struct txn *txn = begin(fixture);
    struct catalog_entry entry = {.kind = CATALOG_VIEW, .name = "v"};
    uint64_t oid = 0;
    OK(catalog_entry_create(txn, &entry, &oid, &fixture->err));
    struct acl_target target = {ACL_OID_FIRST + oid, ACL_RELATION};
    uint64_t roles[ROLES];
    for (uint32_t i = 0; i < ROLES; i++) {
        roles[i] = make_role(fixture, txn, (const char *[]){"a", "b", "c", "d"}[i], 0);
    }
    OK(acl_create(txn, target, roles[0], &fixture->err));
    struct model model = {0};
    model.privileges[0][0] = acl_all(ACL_RELATION);
    uint64_t random = 88172645463325252u;
    for (uint32_t step = 0; step < 400; step++) {
        struct acl acl = {0};
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        OK(acl_read(txn, target, &acl, &fixture->err));
        change_randomly(fixture, &acl, roles, &model, random >> 20);
        OK(acl_write(txn, &acl, &fixture->err));
        acl_deinit(&acl);
        check_model(txn, target, roles, &model);
        if (step % 50 == 49) {
            commit(fixture, txn);
            store_close(fixture->store);
            open_store(fixture);
            txn = begin(fixture);
            check_model(txn, target, roles, &model);
        }
    }
    OK(catalog_entry_drop(txn, oid, &fixture->err));
    entry = (struct catalog_entry){0};
    CHECK(!acl_next(txn, &entry, &target));
    txn_abort(txn);
    fixture_end(fixture);
}

static void apply(struct store_fixture *fixture, struct acl *acl, struct acl_change change,
                  tdbplus_status wanted)
{
    CHECK(acl_apply(acl, &change, &fixture->err) == wanted);
    err_clear(&fixture->err);
}

TEST(what_was_given_on_goes_only_with_cascade)
{
    struct store_fixture storage;
    struct store_fixture *fixture = &storage;
    fixture_begin(fixture);
    open_store(fixture);
    struct txn *txn = begin(fixture);
    struct acl acl = {0};
    struct acl_target target = {ACL_OID_PUBLIC, ACL_SCHEMA};
    uint64_t a = make_role(fixture, txn, "a", 0);
    uint64_t b = make_role(fixture, txn, "b", 0);
    uint32_t may = 0;
    OK(acl_read(txn, target, &acl, &fixture->err));
    struct acl_change given = {.grantee = a,
                               .grantor = acl.owner,
                               .privileges = PRIVILEGE_CREATE,
                               .grant = true,
                               .options = true};
    apply(fixture, &acl, given, TDBPLUS_OK);
    CHECK(acl_grantor(txn, &acl, a, 0, PRIVILEGE_CREATE | PRIVILEGE_USAGE, &may) == a);
    CHECK(may == PRIVILEGE_CREATE);
    CHECK(acl_grantor(txn, &acl, ROLE_BOOTSTRAP, 0, PRIVILEGE_CREATE, &may) == acl.owner);
    struct acl_change on = {
        .grantee = b, .grantor = a, .privileges = PRIVILEGE_CREATE, .grant = true};
    apply(fixture, &acl, on, TDBPLUS_OK);
    given.grant = false;
    given.options = false;
    apply(fixture, &acl, given, TDBPLUS_E_SQL);
    acl_deinit(&acl);
    OK(acl_read(txn, target, &acl, &fixture->err));
    given.grant = given.options = true;
    apply(fixture, &acl, given, TDBPLUS_OK);
    apply(fixture, &acl, on, TDBPLUS_OK);
    given.grant = given.options = false;
    given.cascade = true;
    apply(fixture, &acl, given, TDBPLUS_OK);
    OK(acl_write(txn, &acl, &fixture->err));
    CHECK((acl_mask(txn, target, 0, b) & PRIVILEGE_CREATE) == 0);
    CHECK((acl_mask(txn, target, 0, b) & PRIVILEGE_USAGE) != 0);
    struct acl_change everybody = {.grantee = ROLE_PUBLIC,
                                   .grantor = acl.owner,
                                   .privileges = PRIVILEGE_CREATE,
                                   .grant = true,
                                   .options = true};
    apply(fixture, &acl, everybody, TDBPLUS_E_INVALID);
    acl_deinit(&acl);
    txn_abort(txn);
    fixture_end(fixture);
}

TEST(damaged_privileges_give_nobody_anything)
{
    static const uint8_t bodies[][4] = {{0}, {9, 10, 1, 0}, {1, 0xff, 0xff, 0xff}, {1, 10, 1, 200}};
    struct store_fixture storage;
    struct store_fixture *fixture = &storage;
    fixture_begin(fixture);
    open_store(fixture);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct txn *txn = begin(fixture);
        uint64_t role = make_role(fixture, txn, "r", 0);
        struct catalog_entry entry = {.kind = CATALOG_PRIVILEGES, .name = "public"};
        uint64_t oid = 0;
        entry.definition = (struct span){.data = bodies[i], .size = i == 0 ? 0 : 4};
        OK(catalog_entry_create(txn, &entry, &oid, &fixture->err));
        CHECK(acl_mask(txn, (struct acl_target){ACL_OID_PUBLIC, ACL_SCHEMA}, 0, role) == 0);
        txn_abort(txn);
    }
    fixture_end(fixture);
}
