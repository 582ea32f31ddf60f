/* Ranges read inside a glance: see store_read.h. */

#include "storage/store/store_read.h"
#include "txn/txn.h"

static bool is_bytes(struct type type)
{
    return type.id == TYPE_TEXT || type.id == TYPE_BYTEA;
}

bool txn_glance_allows_range(const struct object *collection)
{
    const struct schema *schema = collection->schema;
    return collection->collection != NULL && schema->ttl_column_id == 0 && schema->key_count == 1 &&
           (key_is_integer(schema) || is_bytes(schema->columns[schema->key_columns[0]].type));
}

bool txn_glance_range(const struct store_glance *glance, const struct object *collection,
                      const struct datum *from, struct glance_request *request,
                      struct glance_range *range)
{
    struct segment_key key = {0};
    uint8_t bytes[sizeof(uint64_t)];
    if (from != NULL && key_is_integer(collection->schema)) {
        key.code = key_code_of_integer(from->integer);
        store_u64_be(bytes, key.code);
        key.key = (struct span){.data = bytes, .size = sizeof bytes};
    } else if (from != NULL) {
        key.key = from->bytes; // The key of one text is its bytes.
        key.code = key_code(from->bytes);
    }
    if (from != NULL && key.key.size > KEY_SIZE_MAX) {
        return false; // The long way says why.
    }
    request->schema = collection->schema;
    request->from = from == NULL || key.key.size == 0 ? NULL : &key;
    request->snapshot = glance->timestamp;
    return store_glance_range(store_glance_version(collection->collection), request, range);
}
