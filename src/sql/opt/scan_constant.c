/* Constants that a column is compared with after a cast, as constants of the column's own type:
 * numeric(12,2) with 0.055, a date with a timestamp. */

#include <string.h>

#include "base/buffer.h"
#include "sql/opt/opt_internal.h"
#include "types/numeric.h"

#define DAY_US ((int64_t)86400 * 1000000)

const struct expr *opt_below_cast(const struct expr *expr)
{
    if (expr->kind != EXPR_CALL || expr->argument_count != 1 ||
        expr->arguments[0]->kind != EXPR_COLUMN) {
        return expr;
    }
    struct type from = expr->arguments[0]->type;
    bool decimal = strcmp(expr->func->name, "numeric") == 0 && from.id == TYPE_NUMERIC &&
                   from.precision > 0 && expr->type.precision == 0;
    bool date = strcmp(expr->func->name, "timestamp") == 0 && from.id == TYPE_DATE &&
                expr->type.id == TYPE_TIMESTAMP;
    return decimal || date ? expr->arguments[0] : expr;
}

/* The comparison with the next value below (or, for `up`, above) instead of one in between. */
static bool compare_rounded(uint8_t *compare, bool up)
{
    switch ((enum scan_compare) * compare) {
    case SCAN_LESS:
    case SCAN_LESS_EQUAL:
        *compare = up ? SCAN_LESS : SCAN_LESS_EQUAL;
        return true;
    case SCAN_GREATER:
    case SCAN_GREATER_EQUAL:
        *compare = up ? SCAN_GREATER_EQUAL : SCAN_GREATER;
        return true;
    case SCAN_EQUAL: // No value of the column is equal: for the filter to find out.
    case SCAN_IS_NULL:
    case SCAN_IS_NOT_NULL:
        break;
    }
    return false;
}

static bool convert_decimal(struct optimizer *optimizer, struct type stored,
                            const struct datum *value, uint8_t *compare, struct datum *out)
{
    if (value->is_null || type_physical(value->type) != PHYSICAL_VIEW ||
        type_physical(stored) == PHYSICAL_VIEW || value->bytes.data[0] > NUMERIC_NEGATIVE) {
        return false;
    }
    struct buffer cut;
    buffer_init(&cut, optimizer->arena->alloc);
    bool good =
        numeric_truncate(value->bytes, stored.scale, &cut, NULL) == TDBPLUS_OK && !cut.failed &&
        numeric_to_datum(buffer_span(&cut), stored, optimizer->arena, out, NULL) == TDBPLUS_OK;
    if (good) {
        int order = numeric_compare(value->bytes, buffer_span(&cut));
        good = order == 0 || compare_rounded(compare, order < 0);
    }
    buffer_deinit(&cut);
    out->type = stored;
    return good;
}

static bool convert_date(struct type stored, const struct datum *value, uint8_t *compare,
                         struct datum *out)
{
    if (value->is_null || value->integer == INT64_MAX || value->integer == INT64_MIN) {
        return false;
    }
    int64_t day = value->integer / DAY_US;
    int64_t rest = value->integer % DAY_US;
    day -= rest < 0;
    *out = (struct datum){.type = stored, .integer = day};
    return rest == 0 || compare_rounded(compare, false);
}

bool opt_scan_constant(struct optimizer *optimizer, struct type stored, const struct expr *value,
                       uint8_t *compare, struct expr **out)
{
    struct datum converted = {0};
    if (value->kind != EXPR_CONSTANT) {
        return false;
    }
    bool good = false;
    if (stored.id == TYPE_NUMERIC && value->type.id == TYPE_NUMERIC) {
        good = convert_decimal(optimizer, stored, &value->constant, compare, &converted);
    } else if (stored.id == TYPE_DATE && value->type.id == TYPE_TIMESTAMP) {
        good = convert_date(stored, &value->constant, compare, &converted);
    }
    *out = good ? expr_constant(optimizer->arena, &converted) : NULL;
    return *out != NULL;
}
