#include "auth/role.h"

#include <string.h>

#include "base/buffer.h"
#include "base/codec.h"

#define OBJECT_KIND_ROLE 64u
#define ROLE_VERSION     1u
#define ROLE_CAN_LOGIN   1u

static bool read_role(const struct object *object, struct role *role_out)
{
    struct role role = {.oid = object->id};
    struct reader reader = reader_of(object->properties);
    uint8_t version = reader_u8(&reader);
    role.level = reader_u8(&reader);
    role.can_login = (reader_u8(&reader) & ROLE_CAN_LOGIN) != 0;
    struct span verifier = reader_sized(&reader);
    size_t name_size = strlen(object->name);
    if (reader.overrun || version != ROLE_VERSION || verifier.size > ROLE_VERIFIER_SIZE_MAX ||
        name_size > ROLE_NAME_SIZE_MAX) {
        return false;
    }
    memcpy(role.name, object->name, name_size);
    if (verifier.size > 0) {
        memcpy(role.verifier, verifier.data, verifier.size);
    }
    *role_out = role;
    return true;
}

bool role_find(struct txn *txn, const char *name, struct role *role_out)
{
    const struct object *object = txn_object(txn, OBJECT_KIND_ROLE, name);
    return object != NULL && read_role(object, role_out);
}

bool role_any(struct txn *txn)
{
    return txn_object_next(txn, OBJECT_KIND_ROLE, NULL) != NULL;
}

static tdbplus_status check_role(const struct role *role, struct err *err)
{
    if (role->name[0] == '\0' || strncmp(role->name, "pg_", 3) == 0) {
        return err_set_state(err, TDBPLUS_E_INVALID, "42939",
                             "role name \"%s\" is empty or reserved", role->name);
    }
    if (role->level < ROLE_ADMIN || role->level > ROLE_ANALYST) {
        return err_set(err, TDBPLUS_E_INVALID, "role \"%s\": there is no level %u", role->name,
                       role->level);
    }
    return TDBPLUS_OK;
}

static void encode_role(const struct role *role, struct buffer *buffer)
{
    buffer_put_u8(buffer, ROLE_VERSION);
    buffer_put_u8(buffer, role->level);
    buffer_put_u8(buffer, role->can_login ? ROLE_CAN_LOGIN : 0);
    buffer_put_sized(buffer, span_from_text(role->verifier));
}

tdbplus_status role_create(struct txn *txn, const struct role *role, struct err *err)
{
    TRY(check_role(role, err));
    if (txn_object(txn, OBJECT_KIND_ROLE, role->name) != NULL) {
        return err_set_state(err, TDBPLUS_E_EXISTS, "42710", "role \"%s\" already exists",
                             role->name);
    }
    struct buffer properties = {.alloc = store_alloc(txn_store(txn))};
    encode_role(role, &properties);
    uint64_t oid = 0;
    tdbplus_status status =
        properties.failed ? err_set(err, TDBPLUS_E_NOMEM, "a role does not fit the memory limit")
                          : txn_object_create(txn, OBJECT_KIND_ROLE, role->name, NULL,
                                              buffer_span(&properties), &oid, err);
    buffer_deinit(&properties);
    return status;
}

tdbplus_status role_alter(struct txn *txn, const struct role *role, struct err *err)
{
    TRY(check_role(role, err));
    struct buffer properties = {.alloc = store_alloc(txn_store(txn))};
    encode_role(role, &properties);
    struct span span = buffer_span(&properties);
    tdbplus_status status =
        properties.failed ? err_set(err, TDBPLUS_E_NOMEM, "a role does not fit the memory limit")
                          : txn_object_alter(txn, role->oid, role->name, NULL, &span, err);
    buffer_deinit(&properties);
    return status;
}
