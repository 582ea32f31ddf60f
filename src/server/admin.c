/* The first role of a database, without which nobody could log in. */

#include "auth/password.h"
#include "auth/role.h"
#include "server/server_internal.h"

static tdbplus_status make_admin(struct txn *txn, const char *password, const struct env *env,
                                 struct err *err)
{
    struct role role = role_initial(SERVER_ADMIN_NAME);
    uint8_t salt[PASSWORD_SALT_SIZE];
    uint64_t oid = 0;
    role.flags = ROLE_SUPERUSER | ROLE_CREATEDB | ROLE_CREATEROLE | ROLE_REPLICATION | ROLE_LOGIN;
    env_entropy(env, salt, sizeof salt);
    TRY(password_verifier(span_from_text(password), salt, role.verifier, err));
    return role_create(txn, &role, &oid, err);
}

tdbplus_status server_ensure_admin(tdbplus_db *db, const char *password, bool *made_out,
                                   struct err *err)
{
    const struct env *env = store_env(db->store);
    const struct alloc *alloc = store_alloc(db->store);
    struct txn_options options = {.durability = -1};
    struct call call = {.alloc = alloc, .err = err};
    struct txn *txn = NULL;
    TRY(txn_begin(db->store, &options, alloc, &txn, err));
    tdbplus_status status = txn_statement(txn, err);
    bool makes = status == TDBPLUS_OK && !role_any(txn);
    if (makes) {
        status = make_admin(txn, password, env, err);
    }
    if (status == TDBPLUS_OK && makes) {
        status = txn_commit(txn, &call);
    } else {
        txn_abort(txn);
    }
    if (status == TDBPLUS_OK) {
        *made_out = makes;
    }
    return status;
}

void server_make_password(tdbplus_db *db, char password[SERVER_PASSWORD_SIZE])
{
    // Without letters and digits that look alike.
    static const char letters[] = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    for (size_t i = 0; i + 1 < SERVER_PASSWORD_SIZE; i++) {
        uint8_t byte = 0;
        do {
            env_entropy(store_env(db->store), &byte, 1);
        } while (byte >= 256u / (sizeof letters - 1) * (sizeof letters - 1));
        password[i] = letters[byte % (sizeof letters - 1)];
    }
    password[SERVER_PASSWORD_SIZE - 1] = '\0';
}
