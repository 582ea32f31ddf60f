#include "txn/expired.h"

#include "base/assert.h"
#include "base/plant.h"

tdbplus_status expiry_check(struct version *version, const struct schema *schema,
                            uint64_t timestamp, struct row_place *place, const struct alloc *alloc,
                            struct err *err)
{
    int64_t limit = 0;
    if (schema->ttl_column_id == 0 || !place->found || planted(PLANT_EXPIRY_NOT_ASKED) ||
        !schema_ttl_limit(schema, timestamp_us(timestamp), &limit)) {
        return TDBPLUS_OK;
    }
    uint32_t position = (uint32_t)schema_ttl_position(schema);
    struct datum value = {.is_null = true};
    struct batch batch;
    batch_init(&batch, alloc);
    tdbplus_status status = version_row(version, place, schema, &position, 1, &batch, &value, err);
    batch_deinit(&batch);
    if (status == TDBPLUS_OK && !value.is_null && value.integer <= limit) {
        place->found = false;
    }
    return status;
}

tdbplus_status expiry_check_all(struct version *version, const struct schema *schema,
                                uint64_t timestamp, struct row_place *places, uint32_t count,
                                const struct alloc *alloc, struct err *err)
{
    for (uint32_t i = 0; schema->ttl_column_id != 0 && i < count; i++) {
        TRY(expiry_check(version, schema, timestamp, &places[i], alloc, err));
    }
    return TDBPLUS_OK;
}

bool expiry_of_row(const struct schema *schema, uint64_t timestamp, const struct datum *values)
{
    int64_t limit = 0;
    if (schema->ttl_column_id == 0 || !schema_ttl_limit(schema, timestamp_us(timestamp), &limit)) {
        return false;
    }
    const struct datum *value = &values[schema_ttl_position(schema)];
    return !value->is_null && value->integer <= limit;
}

tdbplus_status expiry_of_change(const struct schema *schema, uint64_t timestamp,
                                const struct change *change, const struct alloc *alloc,
                                bool *expired_out, struct err *err)
{
    *expired_out = false;
    if (schema->ttl_column_id == 0 || change->kind != COMMIT_PUT) {
        return TDBPLUS_OK;
    }
    struct datum *values = alloc_array(alloc, schema->column_count, sizeof *values);
    if (values == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    tdbplus_status status = row_decode(schema, change->row, values, err);
    *expired_out = status == TDBPLUS_OK && expiry_of_row(schema, timestamp, values);
    alloc_free(alloc, values, schema->column_count, sizeof *values);
    return status;
}
