/* Counting nulls, sizes for people, identifiers made by chance, what a session is told about. */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sql/func/value_kernel.h"
#include "types/numeric.h"

/* ---- nulls among the arguments ---- */

static int64_t count_nulls(const struct func_call *call, uint32_t row)
{
    int64_t count = 0;
    for (uint32_t a = 0; a < call->argument_count; a++) {
        count += kernel_is_null(call, a, row);
    }
    return count;
}

static tdbplus_status nulls_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = count_nulls(call, row);
    return TDBPLUS_OK;
}

static tdbplus_status not_nulls_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = (int64_t)call->argument_count - count_nulls(call, row);
    return TDBPLUS_OK;
}

ROW_KERNEL(nulls)
ROW_KERNEL(not_nulls)

/* ---- sizes ---- */

static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};

#define UNIT_COUNT (sizeof units / sizeof *units)

/* The largest unit in which the size is below 10 times 1024; halves are rounded up. */
static tdbplus_status pretty_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t size = kernel_argument(call, 0, row).integer;
    size_t unit = 0;
    bool half = false;
    int64_t limit = 10 * 1024;
    while (unit + 1 < UNIT_COUNT) {
        int64_t whole = half ? (size < 0 ? (size - 1) / 2 : (size + 1) / 2) : size;
        uint64_t magnitude = whole < 0 ? 0 - (uint64_t)whole : (uint64_t)whole;
        if (magnitude < (uint64_t)limit) {
            break;
        }
        // One bit is kept below the unit, for rounding.
        size /= half ? 1024 : 512;
        half = true;
        unit++;
    }
    if (half) {
        size = size < 0 ? (size - 1) / 2 : (size + 1) / 2;
    }
    struct buffer text;
    buffer_init(&text, call->arena->alloc);
    buffer_printf(&text, "%lld %s", (long long)size, units[unit]);
    tdbplus_status status = kernel_keep(call, &text, result);
    buffer_deinit(&text);
    return status;
}

static tdbplus_status bad_size(struct func_call *call, struct span text)
{
    return kernel_error(call, "22023", "invalid size: \"%.*s\"",
                        (int)(text.size > 80 ? 80 : text.size), (const char *)text.data);
}

static tdbplus_status bytes_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span text = text_argument(call, 0, row);
    char digits[64] = "";
    size_t at = 0;
    size_t used = 0;
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t')) {
        at++;
    }
    while (at < text.size && used < sizeof digits - 1 &&
           (strchr("0123456789.+-eE", text.data[at]) != NULL) && text.data[at] != 0) {
        bool exponent = (text.data[at] | 32) == 'e';
        if (exponent &&
            (at + 1 == text.size || strchr("0123456789+-", text.data[at + 1]) == NULL)) {
            break;
        }
        digits[used++] = (char)text.data[at++];
    }
    while (at < text.size && text.data[at] == ' ') {
        at++;
    }
    size_t end = text.size;
    while (end > at && text.data[end - 1] == ' ') {
        end--;
    }
    double factor = at == end ? 1 : 0;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (end - at == strlen(units[i]) &&
            strncasecmp((const char *)text.data + at, units[i], end - at) == 0) {
            factor = pow(1024, (double)i);
        }
    }
    struct datum number = {0};
    if (used == 0 || func_read(span_from_text(digits), type_of(TYPE_FLOAT8), call->arena, &number,
                               NULL) != TDBPLUS_OK) {
        return bad_size(call, text);
    }
    if (factor == 0) {
        tdbplus_status status = bad_size(call, text);
        err_detail(call->err, "Invalid size unit: \"%.*s\".", (int)(end - at),
                   (const char *)text.data + at);
        err_hint(call->err, "Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and "
                            "\"PB\".");
        return status;
    }
    double size = round(number.real * factor);
    if (!(fabs(size) < 9.2e18)) {
        return kernel_out_of_range(call, "bigint");
    }
    result->integer = (int64_t)size;
    return TDBPLUS_OK;
}

ROW_KERNEL(pretty)
ROW_KERNEL(bytes)

/* ---- chance ---- */

/* splitmix64 over the state of random() (Steele, Lea, Flood, 2014). */
static uint64_t draw(struct func_context *context)
{
    uint64_t value = context->random_state[0] += 0x9E3779B97F4A7C15u;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31 ^ context->random_state[1];
}

static tdbplus_status uuid_row(struct func_call *call, uint32_t row, struct datum *result)
{
    (void)row;
    for (size_t i = 0; i < sizeof result->uuid; i += sizeof(uint64_t)) {
        uint64_t word = draw(call->context);
        memcpy(result->uuid + i, &word, sizeof word);
    }
    result->uuid[6] = (uint8_t)((result->uuid[6] & 0x0F) | 0x40); // Version 4.
    result->uuid[8] = (uint8_t)((result->uuid[8] & 0x3F) | 0x80);
    return TDBPLUS_OK;
}

ROW_KERNEL(uuid)

/* ---- the session ---- */

static tdbplus_status encoding_row(struct func_call *call, uint32_t row, struct datum *result)
{
    (void)call;
    (void)row;
    result->bytes = span_from_text("UTF8");
    return TDBPLUS_OK;
}

static tdbplus_status schemas_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum items[2] = {kernel_text_datum(span_from_text("pg_catalog")),
                             kernel_text_datum(span_from_text("public"))};
    bool implicit = kernel_argument(call, 0, row).boolean;
    return kernel_list_result(call, implicit ? items : items + 1, implicit ? 2 : 1, result);
}

ROW_KERNEL(encoding)
ROW_KERNEL(schemas)

#define VA (FUNC_CALLED_ON_NULL | FUNC_VARIADIC)

const struct func table_misc[] = {
    {"num_nulls", 1, {FUNC_ANY}, TYPE_INT4, VA, nulls, "How many arguments are null."},
    {"num_nonnulls", 1, {FUNC_ANY}, TYPE_INT4, VA, not_nulls, "How many arguments are not null."},
    {"pg_size_pretty", 1, {TYPE_INT8}, TYPE_TEXT, 0, pretty, "A size with its unit."},
    {"pg_size_bytes", 1, {TYPE_TEXT}, TYPE_INT8, 0, bytes, "The bytes of a size with a unit."},
    {"gen_random_uuid", 0, {0}, TYPE_UUID, FUNC_VOLATILE, uuid, "A random UUID, version 4."},
    {"pg_client_encoding", 0, {0}, TYPE_TEXT, FUNC_STABLE, encoding, "UTF8."},
    {"getdatabaseencoding", 0, {0}, TYPE_TEXT, FUNC_STABLE, encoding, "UTF8."},
    {"current_schemas",
     1,
     {TYPE_BOOL},
     FUNC_ARRAY_OF(TYPE_TEXT),
     FUNC_STABLE,
     schemas,
     "Where names are looked for."},
    FUNC_END,
};
