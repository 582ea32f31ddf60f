#include "types/type.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "types/types_internal.h"

#define PRECISION_MAX      1000
#define VARCHAR_LENGTH_MAX 10485760u /* As PostgreSQL. */
#define SECOND_DIGITS_MAX  6u
#define BIT_LENGTH_MAX     83886080u /* As PostgreSQL. */
#define TYPE_NAME_SIZE     64u

/* Indexed by enum type_id; TYPE_NUMERIC depends on its precision and stands as a view, TYPE_VECTOR
 * on its dimension and stands as one of a dimension. */
const uint8_t types_physical[UINT8_MAX + 1] = {
    [TYPE_NONE] = 0,
    [TYPE_BOOL] = PHYSICAL_1,
    [TYPE_INT2] = PHYSICAL_2,
    [TYPE_INT4] = PHYSICAL_4,
    [TYPE_INT8] = PHYSICAL_8,
    [TYPE_FLOAT4] = PHYSICAL_4,
    [TYPE_FLOAT8] = PHYSICAL_8,
    [TYPE_NUMERIC] = PHYSICAL_VIEW,
    [TYPE_TEXT] = PHYSICAL_VIEW,
    [TYPE_BYTEA] = PHYSICAL_VIEW,
    [TYPE_DATE] = PHYSICAL_4,
    [TYPE_TIME] = PHYSICAL_8,
    [TYPE_TIMESTAMP] = PHYSICAL_8,
    [TYPE_TIMESTAMPTZ] = PHYSICAL_8,
    [TYPE_INTERVAL] = PHYSICAL_16,
    [TYPE_UUID] = PHYSICAL_16,
    [TYPE_JSON] = PHYSICAL_VIEW,
    [TYPE_ARRAY] = PHYSICAL_VIEW,
    [TYPE_ENUM] = PHYSICAL_4,
    [TYPE_VECTOR] = PHYSICAL_FIXED,
    [TYPE_BPCHAR] = PHYSICAL_VIEW,
    [TYPE_TIMETZ] = PHYSICAL_VIEW,
    [TYPE_MONEY] = PHYSICAL_8,
    [TYPE_BIT] = PHYSICAL_VIEW,
    [TYPE_VARBIT] = PHYSICAL_VIEW,
    [TYPE_INET] = PHYSICAL_VIEW,
    [TYPE_CIDR] = PHYSICAL_VIEW,
    [TYPE_MACADDR] = PHYSICAL_VIEW,
    [TYPE_MACADDR8] = PHYSICAL_VIEW,
    [TYPE_INT4RANGE] = PHYSICAL_VIEW,
    [TYPE_INT8RANGE] = PHYSICAL_VIEW,
    [TYPE_NUMRANGE] = PHYSICAL_VIEW,
    [TYPE_TSRANGE] = PHYSICAL_VIEW,
    [TYPE_TSTZRANGE] = PHYSICAL_VIEW,
    [TYPE_DATERANGE] = PHYSICAL_VIEW,
    [TYPE_INT4MULTIRANGE] = PHYSICAL_VIEW,
    [TYPE_INT8MULTIRANGE] = PHYSICAL_VIEW,
    [TYPE_NUMMULTIRANGE] = PHYSICAL_VIEW,
    [TYPE_TSMULTIRANGE] = PHYSICAL_VIEW,
    [TYPE_TSTZMULTIRANGE] = PHYSICAL_VIEW,
    [TYPE_DATEMULTIRANGE] = PHYSICAL_VIEW,
    [TYPE_OID] = PHYSICAL_8,
    [TYPE_NAME] = PHYSICAL_VIEW,
    [TYPE_CHAR1] = PHYSICAL_VIEW,
    [TYPE_REGCLASS] = PHYSICAL_8,
    [TYPE_REGTYPE] = PHYSICAL_8,
    [TYPE_REGPROC] = PHYSICAL_8,
    [TYPE_REGNAMESPACE] = PHYSICAL_8,
    [TYPE_REGROLE] = PHYSICAL_8,
    [TYPE_REGPROCEDURE] = PHYSICAL_8,
    [TYPE_REGOPER] = PHYSICAL_8,
    [TYPE_REGOPERATOR] = PHYSICAL_8,
    [TYPE_XID] = PHYSICAL_8,
    [TYPE_REGCONFIG] = PHYSICAL_8,
    [TYPE_REGDICTIONARY] = PHYSICAL_8,
    [TYPE_REGCOLLATION] = PHYSICAL_8,
};

static const uint8_t width_of[] = {
    [PHYSICAL_1] = 1, [PHYSICAL_2] = 2,   [PHYSICAL_4] = 4,
    [PHYSICAL_8] = 8, [PHYSICAL_16] = 16, [PHYSICAL_VIEW] = sizeof(struct view),
};

static const char *const name_of[TYPE_ID_MAX + 1] = {
    [TYPE_NONE] = "none",
    [TYPE_BOOL] = "bool",
    [TYPE_INT2] = "int2",
    [TYPE_INT4] = "int4",
    [TYPE_INT8] = "int8",
    [TYPE_FLOAT4] = "float4",
    [TYPE_FLOAT8] = "float8",
    [TYPE_NUMERIC] = "numeric",
    [TYPE_TEXT] = "text",
    [TYPE_BYTEA] = "bytea",
    [TYPE_DATE] = "date",
    [TYPE_TIME] = "time",
    [TYPE_TIMESTAMP] = "timestamp",
    [TYPE_TIMESTAMPTZ] = "timestamptz",
    [TYPE_INTERVAL] = "interval",
    [TYPE_UUID] = "uuid",
    [TYPE_JSON] = "jsonb",
    [TYPE_ARRAY] = "array",
    [TYPE_ENUM] = "enum",
    [TYPE_VECTOR] = "vector",
    [TYPE_BPCHAR] = "bpchar",
    [TYPE_TIMETZ] = "timetz",
    [TYPE_MONEY] = "money",
    [TYPE_BIT] = "bit",
    [TYPE_VARBIT] = "varbit",
    [TYPE_INET] = "inet",
    [TYPE_CIDR] = "cidr",
    [TYPE_MACADDR] = "macaddr",
    [TYPE_MACADDR8] = "macaddr8",
    [TYPE_INT4RANGE] = "int4range",
    [TYPE_INT8RANGE] = "int8range",
    [TYPE_NUMRANGE] = "numrange",
    [TYPE_TSRANGE] = "tsrange",
    [TYPE_TSTZRANGE] = "tstzrange",
    [TYPE_DATERANGE] = "daterange",
    [TYPE_INT4MULTIRANGE] = "int4multirange",
    [TYPE_INT8MULTIRANGE] = "int8multirange",
    [TYPE_NUMMULTIRANGE] = "nummultirange",
    [TYPE_TSMULTIRANGE] = "tsmultirange",
    [TYPE_TSTZMULTIRANGE] = "tstzmultirange",
    [TYPE_DATEMULTIRANGE] = "datemultirange",
    [TYPE_OID] = "oid",
    [TYPE_NAME] = "name",
    [TYPE_CHAR1] = "\"char\"",
    [TYPE_REGCLASS] = "regclass",
    [TYPE_REGTYPE] = "regtype",
    [TYPE_REGPROC] = "regproc",
    [TYPE_REGNAMESPACE] = "regnamespace",
    [TYPE_REGROLE] = "regrole",
    [TYPE_REGPROCEDURE] = "regprocedure",
    [TYPE_REGOPER] = "regoper",
    [TYPE_REGOPERATOR] = "regoperator",
    [TYPE_XID] = "xid",
    [TYPE_REGCONFIG] = "regconfig",
    [TYPE_REGDICTIONARY] = "regdictionary",
    [TYPE_REGCOLLATION] = "regcollation",
};

enum physical type_physical(struct type type)
{
    ASSERT(types_physical[type.id] != 0 || type.id == TYPE_NONE);
    return physical_of(type);
}

size_t type_width(struct type type)
{
    enum physical physical = type_physical(type);
    return physical == PHYSICAL_FIXED ? (size_t)type.parameter * sizeof(float) : width_of[physical];
}

bool type_has_seconds(struct type type)
{
    return type.id == TYPE_TIME || type.id == TYPE_TIMETZ || type.id == TYPE_TIMESTAMP ||
           type.id == TYPE_TIMESTAMPTZ || type.id == TYPE_INTERVAL;
}

bool type_equal(struct type left, struct type right)
{
    return left.id == right.id && left.element == right.element &&
           left.precision == right.precision && left.scale == right.scale &&
           left.parameter == right.parameter;
}

struct type type_element(struct type array)
{
    ASSERT(array.id == TYPE_ARRAY);
    array.id = array.element;
    array.element = 0;
    array.form = 0;
    return array;
}

static bool numeric_valid(struct type type)
{
    if (type.precision == 0) {
        return type.scale == 0;
    }
    return type.precision >= 1 && type.precision <= PRECISION_MAX && type.scale >= 0 &&
           type.scale <= type.precision;
}

static bool scalar_valid(struct type type)
{
    if (types_physical[type.id] == 0 || type.id == TYPE_ARRAY) {
        return false;
    }
    if (type.id == TYPE_NUMERIC ? !numeric_valid(type) : (type.precision != 0 || type.scale != 0)) {
        return false;
    }
    if (type.id == TYPE_VECTOR) {
        return type.parameter <= VECTOR_DIMENSION_MAX;
    }
    if (type.id == TYPE_TEXT || type.id == TYPE_BPCHAR) {
        return type.parameter <= VARCHAR_LENGTH_MAX;
    }
    if (type.id == TYPE_BIT || type.id == TYPE_VARBIT) {
        return type.parameter <= BIT_LENGTH_MAX;
    }
    if (type_has_seconds(type)) {
        return type.parameter <= SECOND_DIGITS_MAX;
    }
    return type.id == TYPE_ENUM || type.parameter == 0;
}

bool type_valid(struct type type)
{
    bool spaced = type.form == ARRAY_SPACED && type.id == TYPE_ARRAY &&
                  (type.element == TYPE_INT2 || type.element == TYPE_OID);
    bool pair = type.form == ARRAY_PAIR && type.id == TYPE_ARRAY && type.element == TYPE_INT4;
    if (type.form != 0 && !spaced && !pair) {
        return false;
    }
    if (type.id == TYPE_ARRAY) {
        return scalar_valid(type_element(type));
    }
    return type.element == 0 && scalar_valid(type);
}

bool type_find(struct span name, struct type *type_out)
{
    for (uint32_t id = TYPE_BOOL; id <= TYPE_ID_MAX; id++) {
        if (name_of[id] != NULL && span_compare(name, span_from_text(name_of[id])) == 0) {
            *type_out = type_of((enum type_id)id);
            return true;
        }
    }
    return false;
}

void type_name(struct type type, char text[64])
{
    const char *suffix = "";
    if (type.id == TYPE_ARRAY) {
        suffix = type.form == ARRAY_SPACED ? "vector" : "[]";
        type = type_element(type);
    }
    const char *name = type.id <= TYPE_ID_MAX ? name_of[type.id] : NULL;
    name = name == NULL ? "unknown" : name;
    if (type.id == TYPE_NUMERIC && type.precision > 0) {
        (void)snprintf(text, TYPE_NAME_SIZE, "numeric(%d,%d)%s", type.precision, type.scale,
                       suffix);
    } else if (type.id == TYPE_VECTOR && type.parameter > 0) {
        (void)snprintf(text, TYPE_NAME_SIZE, "vector(%u)%s", type.parameter, suffix);
    } else if (type.id == TYPE_TEXT && type.parameter > 0) {
        (void)snprintf(text, TYPE_NAME_SIZE, "varchar(%u)%s", type.parameter, suffix);
    } else if (type.parameter > 0 &&
               (type.id == TYPE_BPCHAR || type.id == TYPE_BIT || type.id == TYPE_VARBIT)) {
        (void)snprintf(text, TYPE_NAME_SIZE, "%s(%u)%s", name, type.parameter, suffix);
    } else if (type.parameter > 0 && type_has_seconds(type)) {
        (void)snprintf(text, TYPE_NAME_SIZE, "%s(%u)%s", name, type.parameter - 1, suffix);
    } else {
        (void)snprintf(text, TYPE_NAME_SIZE, "%s%s", name, suffix);
    }
}

struct view view_of(struct span span)
{
    ASSERT(span.size <= UINT32_MAX);
    struct view view = {.size = (uint32_t)span.size};
    if (span.size <= VIEW_INLINE_SIZE_MAX) {
        if (span.size > 0) {
            memcpy(view.inlined, span.data, span.size);
        }
        return view;
    }
    memcpy(view.far.prefix, span.data, sizeof view.far.prefix);
    view.far.data = span.data;
    return view;
}
