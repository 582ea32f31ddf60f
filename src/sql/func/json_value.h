#pragma once

/* SQL values as documents. */

#include "sql/func/value_kernel.h"
#include "types/json.h"

/* Adds a value: numbers, truth values and documents as they are, arrays as arrays, times as ISO
 * 8601 strings, everything else as its text. */
TDBPLUS_CHECKED tdbplus_status json_put_value(struct json_builder *builder,
                                              const struct datum *value, struct arena *arena,
                                              struct err *err);

/* The same as the key of an object; a null is 22023. */
TDBPLUS_CHECKED tdbplus_status json_put_key(struct json_builder *builder, const struct datum *value,
                                            struct arena *arena, struct err *err);

/* Takes what was built as the result's bytes, in the arena. */
TDBPLUS_CHECKED tdbplus_status json_take(struct json_builder *builder, struct arena *arena,
                                         struct datum *result, struct err *err);
