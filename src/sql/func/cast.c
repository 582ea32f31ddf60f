#include <stdio.h>
#include <string.h>

#include "sql/func/cast_internal.h"
#include "types/catalog_type.h"
#include "types/packed.h"
#include "types/range.h"
#include "types/text.h"

#define INTERVAL_ALL_FIELDS 0x7FFF /* What the grammar gives for an interval without fields. */
#define SECOND_DIGITS       6

char func_type_category(struct type type)
{
    switch (type.id) {
    case TYPE_NONE:
        return 'X';
    case TYPE_BOOL:
        return 'B';
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
    case TYPE_NUMERIC:
        return 'N';
    case TYPE_TEXT:
    case TYPE_BPCHAR:
        return 'S';
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
    case TYPE_TIMETZ:
        return 'D';
    case TYPE_INTERVAL:
        return 'T';
    case TYPE_ARRAY:
        return 'A';
    case TYPE_ENUM:
        return 'E';
    case TYPE_BIT:
    case TYPE_VARBIT:
        return 'V';
    case TYPE_INET:
    case TYPE_CIDR:
        return 'I';
    case TYPE_MONEY:
        return 'N';
    case TYPE_NAME:
        return 'S';
    case TYPE_CHAR1:
        return 'Z';
    default:
        if (type.id == TYPE_OID || catalog_reg_type(type)) {
            return 'N';
        }
        return range_type(type) || multirange_type(type) ? 'R' : 'U';
    }
}

bool func_type_preferred(struct type type)
{
    return type.id == TYPE_BOOL || type.id == TYPE_FLOAT8 || type.id == TYPE_TEXT ||
           type.id == TYPE_TIMESTAMPTZ || type.id == TYPE_INTERVAL || type.id == TYPE_VARBIT ||
           type.id == TYPE_INET || type.id == TYPE_OID;
}

struct type func_type_base(struct type type)
{
    struct type base = type;
    uint8_t item = type.id == TYPE_ARRAY ? type.element : type.id;
    if (item == TYPE_NUMERIC || item == TYPE_TEXT || item == TYPE_BPCHAR || item == TYPE_BIT ||
        item == TYPE_VARBIT || type_has_seconds(type_of((enum type_id)item))) {
        base = type_of((enum type_id)type.id);
        base.element = type.element;
    }
    return base;
}

static bool same_base(struct type from, struct type to)
{
    if (from.id != to.id) {
        return false;
    }
    switch (from.id) {
    case TYPE_ARRAY:
        return from.element == to.element &&
               (from.element != TYPE_ENUM || from.parameter == to.parameter);
    case TYPE_ENUM:
        return from.parameter == to.parameter;
    default:
        return true;
    }
}

/* What an oid or a label is called may change. */
static bool by_catalog(struct type type)
{
    return catalog_reg_type(type) || type.id == TYPE_ENUM ||
           (type.id == TYPE_ARRAY && type.element == TYPE_ENUM);
}

bool cast_find(struct type from, struct type to, enum func_cast_context context,
               const struct func **func_out)
{
    *func_out = NULL;
    if (same_base(from, to)) {
        return true;
    }
    if (from.id == TYPE_VECTOR && to.id == TYPE_ARRAY && to.element == TYPE_FLOAT4) {
        *func_out = &cast_vector_to_array;
        return true;
    }
    if (from.id == TYPE_ARRAY && from.element == TYPE_FLOAT4 && to.id == TYPE_VECTOR &&
        context >= FUNC_CAST_ASSIGNMENT) {
        *func_out = &cast_array_to_vector;
        return true;
    }
    if (from.id == TYPE_ARRAY && to.id == TYPE_ARRAY) {
        bool found = cast_find(type_element(from), type_element(to), context, func_out);
        *func_out = *func_out == NULL               ? NULL
                    : context == FUNC_CAST_EXPLICIT ? &cast_array_explicit
                                                    : &cast_array_assigned;
        return found;
    }
    static const struct cast_line *const tables[] = {
        table_casts,       table_casts_numeric, table_casts_time,   table_casts_packed,
        table_casts_range, table_casts_json,    table_casts_catalog};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (const struct cast_line *line = tables[t]; line->func.name != NULL; line++) {
            if (line->from == from.id && line->to == to.id && line->context <= context) {
                *func_out = &line->func;
                return true;
            }
        }
    }
    if ((to.id == TYPE_TEXT || to.id == TYPE_BPCHAR) && context >= FUNC_CAST_ASSIGNMENT) {
        *func_out = by_catalog(from) ? &cast_catalog_to_text : &cast_to_text;
        return true;
    }
    if ((from.id == TYPE_TEXT || from.id == TYPE_BPCHAR) && context == FUNC_CAST_EXPLICIT) {
        *func_out = by_catalog(to) ? &cast_catalog_from_text : &cast_from_text;
        return true;
    }
    return false;
}

/* Items go their own path; the array's is one call that takes all of them along it. */
static int32_t array_path(struct type from, struct type to, enum func_cast_context context,
                          struct func_cast_step steps[FUNC_CAST_STEPS_MAX])
{
    struct func_cast_step inner[FUNC_CAST_STEPS_MAX];
    int32_t count = func_cast_path(type_element(from), type_element(to), context, inner);
    if (count > 0) {
        steps[0] = (struct func_cast_step){
            context == FUNC_CAST_EXPLICIT ? &cast_array_explicit : &cast_array_assigned, to};
        count = 1;
    }
    return count;
}

int32_t func_cast_path(struct type from, struct type to, enum func_cast_context context,
                       struct func_cast_step steps[FUNC_CAST_STEPS_MAX])
{
    int32_t count = 0;
    if (from.id == TYPE_NONE) {
        from = type_of(TYPE_TEXT);
        context = FUNC_CAST_EXPLICIT;
    }
    if (type_equal(from, to)) {
        return 0;
    }
    if (from.id == TYPE_ARRAY && to.id == TYPE_ARRAY) {
        return array_path(from, to, context, steps);
    }
    if (from.id == TYPE_ARRAY && to.id == TYPE_VECTOR && from.element != TYPE_FLOAT4) {
        // By way of float4, which the items must become anyway.
        struct type floats = func_array_of(type_of(TYPE_FLOAT4));
        count = array_path(from, floats, FUNC_CAST_EXPLICIT, steps);
        if (count < 0 || context < FUNC_CAST_ASSIGNMENT) {
            return -1;
        }
        steps[count++] = (struct func_cast_step){&cast_array_to_vector, to};
        return count;
    }
    if (from.id == TYPE_VECTOR && to.id == TYPE_VECTOR) {
        steps[0] = (struct func_cast_step){&cast_vector_fit, to};
        return 1;
    }
    if (to.id == TYPE_BIT && (from.id == TYPE_INT4 || from.id == TYPE_INT8)) {
        steps[0] = (struct func_cast_step){&cast_integer_to_bits, to};
        return context == FUNC_CAST_EXPLICIT ? 1 : -1;
    }
    struct type base = func_type_base(to);
    const struct func *func = cast_unfit_find(from);
    if (func != NULL) {
        steps[count++] = (struct func_cast_step){func, func_type_base(from)};
    }
    if (!cast_find(func_type_base(from), base, context, &func)) {
        return -1;
    }
    if (func != NULL) {
        steps[count++] = (struct func_cast_step){func, base};
    }
    func = cast_fit_find(to, context);
    if (func != NULL) {
        steps[count++] = (struct func_cast_step){func, to};
    }
    return count;
}

void func_type_name(struct type type, char text[64])
{
    func_type_name_as(type, NULL, text);
}

void func_type_name_as(struct type type, const struct text_style *style, char text[64])
{
    static const struct {
        uint8_t id;
        const char *name;
    } names[] = {
        {TYPE_NONE, "unknown"},
        {TYPE_BOOL, "boolean"},
        {TYPE_INT2, "smallint"},
        {TYPE_INT4, "integer"},
        {TYPE_INT8, "bigint"},
        {TYPE_FLOAT4, "real"},
        {TYPE_FLOAT8, "double precision"},
        {TYPE_TIME, "time without time zone"},
        {TYPE_TIMESTAMP, "timestamp without time zone"},
        {TYPE_TIMESTAMPTZ, "timestamp with time zone"},
        {TYPE_JSON, "jsonb"},
        {TYPE_TIMETZ, "time with time zone"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].id == type.id && type.parameter > 0 && type_has_seconds(type)) {
            // "timestamp(3) without time zone"
            size_t word = strcspn(names[i].name, " ");
            (void)snprintf(text, 64, "%.*s(%u)%s", (int)word, names[i].name, type.parameter - 1,
                           names[i].name + word);
            return;
        }
        if (names[i].id == type.id) {
            (void)snprintf(text, 64, "%s", names[i].name);
            return;
        }
    }
    if (type.id == TYPE_TEXT && type.parameter > 0) {
        (void)snprintf(text, 64, "character varying(%u)", type.parameter);
    } else if (type.id == TYPE_BPCHAR || type.id == TYPE_VARBIT || type.id == TYPE_BIT) {
        const char *name = type.id == TYPE_BPCHAR   ? "character"
                           : type.id == TYPE_VARBIT ? "bit varying"
                                                    : "bit";
        (void)snprintf(text, 64, type.parameter > 0 ? "%s(%u)" : "%s", name, type.parameter);
    } else if (type.id == TYPE_ARRAY && type.form != ARRAY_SPACED) {
        char item[64];
        func_type_name_as(type_element(type), style, item);
        (void)snprintf(text, 64, "%.60s[]", item);
    } else if (type.id == TYPE_ENUM) {
        text_enum_name(style, type.parameter, text);
    } else {
        type_name(type, text);
    }
}

bool func_common_type(const struct type *types, uint32_t count, struct type *common_out,
                      uint32_t *conflict_out)
{
    // PostgreSQL 10.5: all unknown is text; then categories must agree, and a type gives way to a
    // later one that it can be cast to implicitly, unless it is preferred.
    struct type common = type_of(TYPE_NONE);
    bool same = true;
    bool unknown = false;
    for (uint32_t i = 0; i < count; i++) {
        if (types[i].id == TYPE_NONE) {
            unknown = true;
            continue;
        }
        if (common.id == TYPE_NONE) {
            common = types[i];
            continue;
        }
        same = same && type_equal(types[i], common);
        if (types[i].id == common.id && types[i].element == common.element) {
            continue;
        }
        if (func_type_category(types[i]) != func_type_category(common)) {
            *conflict_out = i;
            return false;
        }
        const struct func *there = NULL;
        const struct func *back = NULL;
        if (!func_type_preferred(common) &&
            cast_find(common, types[i], FUNC_CAST_IMPLICIT, &there) &&
            !cast_find(types[i], common, FUNC_CAST_IMPLICIT, &back)) {
            common = types[i];
        }
    }
    if (common.id == TYPE_NONE) {
        common = type_of(TYPE_TEXT);
    }
    // An unknown literal has no length, so that 'abc' beside a char(1) is not cut.
    bool has_length = common.id == TYPE_TEXT || common.id == TYPE_BPCHAR || common.id == TYPE_BIT ||
                      common.id == TYPE_VARBIT;
    if (!same || (unknown && has_length)) {
        // Modifiers survive only when all have the same.
        struct type plain = type_of((enum type_id)common.id);
        plain.element = common.element;
        plain.parameter = common.id == TYPE_ENUM ? common.parameter : 0;
        common = plain;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct func *func = NULL;
        if (types[i].id != TYPE_NONE && types[i].id != common.id &&
            !cast_find(types[i], common, FUNC_CAST_IMPLICIT, &func)) {
            *conflict_out = i;
            *common_out = common;
            return false;
        }
    }
    *common_out = common;
    return true;
}

/* ---- names of types ---- */

static const struct {
    const char *name;
    uint8_t id;
} type_names[] = {
    {"bool", TYPE_BOOL},           {"boolean", TYPE_BOOL},
    {"int2", TYPE_INT2},           {"smallint", TYPE_INT2},
    {"int4", TYPE_INT4},           {"int", TYPE_INT4},
    {"integer", TYPE_INT4},        {"int8", TYPE_INT8},
    {"bigint", TYPE_INT8},         {"float4", TYPE_FLOAT4},
    {"real", TYPE_FLOAT4},         {"float8", TYPE_FLOAT8},
    {"numeric", TYPE_NUMERIC},     {"decimal", TYPE_NUMERIC},
    {"text", TYPE_TEXT},           {"varchar", TYPE_TEXT},
    {"name", TYPE_NAME},           {"bytea", TYPE_BYTEA},
    {"date", TYPE_DATE},           {"time", TYPE_TIME},
    {"timestamp", TYPE_TIMESTAMP}, {"timestamptz", TYPE_TIMESTAMPTZ},
    {"interval", TYPE_INTERVAL},   {"uuid", TYPE_UUID},
    {"json", TYPE_JSON},           {"jsonb", TYPE_JSON},
    {"vector", TYPE_VECTOR},       {"bpchar", TYPE_BPCHAR},
    {"char", TYPE_CHAR1},
};

/* char(n), bit(n), varbit(n). */
static tdbplus_status modify_length(struct type *type, const char *name, int32_t length,
                                    struct err *err)
{
    int32_t max = type->id == TYPE_BPCHAR ? 10485760 : 83886080;
    const char *shown = type->id == TYPE_BPCHAR ? "char" : name;
    if (length < 1) {
        return err_set(err, TDBPLUS_E_INVALID, "length for type %s must be at least 1", shown);
    }
    if (length > max) {
        return err_set(err, TDBPLUS_E_INVALID, "length for type %s cannot exceed %d", shown, max);
    }
    type->parameter = (uint32_t)length;
    return TDBPLUS_OK;
}

/* timestamp(3): digits of a second; of intervals behind the fields, which must be all. */
static tdbplus_status modify_seconds(struct type *type, const char *name, const int32_t *modifiers,
                                     uint32_t count, struct err *err)
{
    bool fields = type->id == TYPE_INTERVAL && count == 2;
    if (count > (fields ? 2u : 1u) || (fields && modifiers[0] != INTERVAL_ALL_FIELDS)) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "a precision of type %s is not supported", name);
    }
    int32_t digits = modifiers[count - 1];
    if (digits < 0) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023",
                             "%s(%d) precision must not be negative", name, digits);
    }
    type->parameter = digits >= SECOND_DIGITS ? 0 : (uint32_t)digits + 1;
    return TDBPLUS_OK;
}

static tdbplus_status modify_type(struct type *type, const char *name, const int32_t *modifiers,
                                  uint32_t count, struct err *err)
{
    if (type->id == TYPE_NUMERIC && count >= 1 && count <= 2) {
        int32_t scale = count == 2 ? modifiers[1] : 0;
        if (modifiers[0] < 1 || modifiers[0] > 1000) {
            return err_set(err, TDBPLUS_E_INVALID,
                           "NUMERIC precision %d must be between 1 and 1000", modifiers[0]);
        }
        if (scale < 0 || scale > modifiers[0]) {
            return err_set(err, TDBPLUS_E_UNSUPPORTED,
                           "NUMERIC scale %d outside 0 to the precision %d is not supported", scale,
                           modifiers[0]);
        }
        type->precision = (int16_t)modifiers[0];
        type->scale = (int16_t)scale;
        return TDBPLUS_OK;
    }
    if (type->id == TYPE_TEXT && strcmp(name, "varchar") == 0 && count == 1) {
        if (modifiers[0] < 1) {
            return err_set(err, TDBPLUS_E_INVALID, "length for type varchar must be at least 1");
        }
        if (modifiers[0] > 10485760) {
            return err_set(err, TDBPLUS_E_INVALID,
                           "length for type varchar cannot exceed 10485760");
        }
        type->parameter = (uint32_t)modifiers[0];
        return TDBPLUS_OK;
    }
    if ((type->id == TYPE_BPCHAR || type->id == TYPE_BIT || type->id == TYPE_VARBIT) &&
        count == 1) {
        return modify_length(type, name, modifiers[0], err);
    }
    if (type->id == TYPE_VECTOR && count == 1) {
        if (modifiers[0] < 1 || (uint32_t)modifiers[0] > VECTOR_DIMENSION_MAX) {
            return err_set(err, TDBPLUS_E_INVALID, "dimensions for type vector must be 1 to %u",
                           VECTOR_DIMENSION_MAX);
        }
        type->parameter = (uint32_t)modifiers[0];
        return TDBPLUS_OK;
    }
    if (type_has_seconds(*type)) {
        return modify_seconds(type, name, modifiers, count, err);
    }
    return err_set_state(err, TDBPLUS_E_SYNTAX, "42601",
                         "type modifier is not allowed for type \"%s\"", name);
}

/* Names that are the system's, although there are no such types here. */
static bool is_missing_type(const char *name)
{
    return strcmp(name, "xml") == 0 || strcmp(name, "point") == 0;
}

/* int2vector and oidvector. */
static bool is_spaced(const char *name)
{
    return strcmp(name, "int2vector") == 0 || strcmp(name, "oidvector") == 0;
}

bool func_type_known(const char *name)
{
    struct type type = {0};
    if (is_spaced(name)) {
        return true;
    }
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (strcmp(type_names[i].name, name) == 0) {
            return true;
        }
    }
    return (type_find(span_from_text(name), &type) && packed_type(type)) || is_missing_type(name);
}

tdbplus_status func_type_find(const char *name, const int32_t *modifiers, uint32_t modifier_count,
                              struct type *type_out, struct err *err)
{
    struct type type = {0};
    if (is_spaced(name)) {
        *type_out = (struct type){.id = TYPE_ARRAY,
                                  .element = name[0] == 'i' ? TYPE_INT2 : TYPE_OID,
                                  .form = ARRAY_SPACED};
        return TDBPLUS_OK;
    }
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (strcmp(type_names[i].name, name) == 0) {
            type = type_of((enum type_id)type_names[i].id);
        }
    }
    if (type.id != TYPE_NONE || (type_find(span_from_text(name), &type) && packed_type(type))) {
        if (modifier_count > 0) {
            TRY(modify_type(&type, name, modifiers, modifier_count, err));
        }
        *type_out = type;
        return TDBPLUS_OK;
    }
    if (is_missing_type(name)) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "type \"%s\" is not supported", name);
    }
    return err_set(err, TDBPLUS_E_NOT_FOUND, "type \"%s\" does not exist", name);
}
