/* Schemas in Arrow's metadata (FlatBuffers, format/Schema.fbs) to fields. */

#include <stdio.h>
#include <string.h>

#include "types/arrow_ipc_internal.h"

#define FORMAT_SIZE_MAX 96
#define FIELD_DEPTH_MAX 4u

/* Numbers of the union Type. */
enum ipc_type {
    IPC_NULL = 1,
    IPC_INT = 2,
    IPC_FLOAT = 3,
    IPC_BINARY = 4,
    IPC_UTF8 = 5,
    IPC_BOOL = 6,
    IPC_DECIMAL = 7,
    IPC_DATE = 8,
    IPC_TIME = 9,
    IPC_TIMESTAMP = 10,
    IPC_INTERVAL = 11,
    IPC_LIST = 12,
    IPC_FIXED_BINARY = 15,
    IPC_FIXED_LIST = 16,
    IPC_DURATION = 18,
    IPC_LARGE_BINARY = 19,
    IPC_LARGE_UTF8 = 20,
    IPC_LARGE_LIST = 21,
    IPC_BINARY_VIEW = 23,
    IPC_UTF8_VIEW = 24,
};

static TDBPLUS_CHECKED tdbplus_status damaged(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "arrow: the schema is damaged");
}

static void format_of_int(const struct flat_table *type, char *format)
{
    int32_t bits = flat_i32(type, 0, 0);
    bool is_signed = flat_u8(type, 1, 0) != 0;
    const char *letter = bits == 8 ? "cC" : bits == 16 ? "sS" : bits == 32 ? "iI" : "lL";
    bool known = bits == 8 || bits == 16 || bits == 32 || bits == 64;
    format[0] = '?';
    format[1] = 0;
    if (known) {
        format[0] = letter[is_signed ? 0 : 1];
    }
}

/* Units are numbered from seconds to nanoseconds. */
static char unit_letter(int16_t unit)
{
    return "smun?"[unit >= 0 && unit < 4 ? unit : 4];
}

static void format_of_time(uint8_t kind, const struct flat_table *type, char *format)
{
    char unit = unit_letter(flat_i16(type, 0, kind == IPC_TIMESTAMP ? 0 : 1));
    if (kind == IPC_TIMESTAMP) {
        // What the zone is called does not matter: the values count in UTC.
        bool has_zone = flat_string(type, 1).size > 0;
        (void)snprintf(format, FORMAT_SIZE_MAX, "ts%c:%s", unit, has_zone ? "UTC" : "");
    } else {
        (void)snprintf(format, FORMAT_SIZE_MAX, "t%c%c", kind == IPC_TIME ? 't' : 'D', unit);
    }
}

/* The same type as the C data interface spells it; "?" for those that it would refuse. */
static void format_of(uint8_t kind, const struct flat_table *type, char *format)
{
    static const char *const plain[] = {
        [IPC_NULL] = "n",       [IPC_BINARY] = "z",      [IPC_UTF8] = "u",
        [IPC_BOOL] = "b",       [IPC_LIST] = "+l",       [IPC_LARGE_BINARY] = "Z",
        [IPC_LARGE_UTF8] = "U", [IPC_LARGE_LIST] = "+L", [IPC_BINARY_VIEW] = "vz",
        [IPC_UTF8_VIEW] = "vu",
    };
    if (kind < sizeof plain / sizeof *plain && plain[kind] != NULL) {
        (void)snprintf(format, FORMAT_SIZE_MAX, "%s", plain[kind]);
        return;
    }
    switch ((enum ipc_type)kind) {
    case IPC_INT:
        format_of_int(type, format);
        break;
    case IPC_FLOAT: {
        int16_t precision = flat_i16(type, 0, 0);
        (void)snprintf(format, FORMAT_SIZE_MAX, "%c",
                       precision >= 0 && precision < 3 ? "efg"[precision] : '?');
        break;
    }
    case IPC_DECIMAL:
        (void)snprintf(format, FORMAT_SIZE_MAX, "d:%d,%d,%d", flat_i32(type, 0, 0),
                       flat_i32(type, 1, 0), flat_i32(type, 2, 128));
        break;
    case IPC_DATE:
        (void)snprintf(format, FORMAT_SIZE_MAX, "td%c", flat_i16(type, 0, 1) == 0 ? 'D' : 'm');
        break;
    case IPC_TIME:
    case IPC_TIMESTAMP:
    case IPC_DURATION:
        format_of_time(kind, type, format);
        break;
    case IPC_INTERVAL: {
        int16_t unit = flat_i16(type, 0, 0);
        (void)snprintf(format, FORMAT_SIZE_MAX, "ti%c", unit >= 0 && unit < 3 ? "MDn"[unit] : '?');
        break;
    }
    case IPC_FIXED_BINARY:
        (void)snprintf(format, FORMAT_SIZE_MAX, "w:%d", flat_i32(type, 0, 0));
        break;
    case IPC_FIXED_LIST:
        (void)snprintf(format, FORMAT_SIZE_MAX, "+w:%d", flat_i32(type, 0, 0));
        break;
    case IPC_NULL:
    case IPC_BINARY:
    case IPC_UTF8:
    case IPC_BOOL:
    case IPC_LIST:
    case IPC_LARGE_BINARY:
    case IPC_LARGE_UTF8:
    case IPC_LARGE_LIST:
    case IPC_BINARY_VIEW:
    case IPC_UTF8_VIEW:
    default:
        (void)snprintf(format, FORMAT_SIZE_MAX, "?%u", kind);
    }
}

/* The extension's name in a field's metadata. */
static struct span find_extension(const struct flat_table *field)
{
    struct flat_vector pairs = flat_vector(field, 6, 4);
    for (uint32_t i = 0; i < pairs.count; i++) {
        struct flat_table pair = flat_vector_table(field->flat, pairs, i);
        if (span_compare(flat_string(&pair, 0), span_from_text("ARROW:extension:name")) == 0) {
            return flat_string(&pair, 1);
        }
    }
    return (struct span){0};
}

static TDBPLUS_CHECKED tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory for the schema");
}

/* Takes a place in the reader's list of dictionaries. */
static tdbplus_status add_dictionary(struct arrow_reader *reader, int64_t id,
                                     struct arrow_field *field, struct err *err)
{
    for (uint32_t i = 0; i < reader->dictionary_count; i++) {
        if (reader->dictionaries[i].id == id) {
            return TDBPLUS_OK;
        }
    }
    if (reader->dictionary_count == ARROW_FIELD_COUNT_MAX) {
        return damaged(err);
    }
    reader->dictionaries[reader->dictionary_count++] =
        (struct arrow_dictionary){.id = id, .field = field};
    return TDBPLUS_OK;
}

static tdbplus_status read_field(struct arrow_reader *reader, const struct flat_table *table,
                                 uint32_t depth, struct arrow_field *field, struct err *err);

/* A field with a dictionary says what its values are; the codes are described beside it. */
static tdbplus_status read_dictionary(struct arrow_reader *reader,
                                      const struct flat_table *encoding, struct arrow_field *field,
                                      struct err *err)
{
    struct arrow_field *values = arena_array(&reader->arena, 1, sizeof *values);
    if (values == NULL) {
        return no_memory(err);
    }
    *values = *field;
    char format[FORMAT_SIZE_MAX] = "i"; // The codes' type may be left out.
    struct flat_table index = flat_child(encoding, 1);
    if (index.at != 0) {
        format_of_int(&index, format);
    }
    *field = (struct arrow_field){.name = values->name, .nullable = values->nullable};
    TRY(arrow_field_of_format(format, (struct span){0}, field, err));
    field->dictionary = values;
    field->dictionary_id = flat_i64(encoding, 0, 0);
    return add_dictionary(reader, field->dictionary_id, values, err);
}

static tdbplus_status read_child(struct arrow_reader *reader, const struct flat_table *table,
                                 uint32_t depth, struct arrow_field *field, struct err *err)
{
    struct flat_vector children = flat_vector(table, 5, 4);
    if (children.count != 1 || depth == 0) {
        return damaged(err);
    }
    field->child = arena_array(&reader->arena, 1, sizeof *field->child);
    if (field->child == NULL) {
        return no_memory(err);
    }
    struct flat_table child = flat_vector_table(table->flat, children, 0);
    return read_field(reader, &child, depth - 1, field->child, err);
}

static tdbplus_status read_field(struct arrow_reader *reader, const struct flat_table *table,
                                 uint32_t depth, struct arrow_field *field, struct err *err)
{
    struct flat_table type = flat_child(table, 3);
    char format[FORMAT_SIZE_MAX];
    format_of(flat_u8(table, 2, 0), &type, format);
    struct span name = flat_string(table, 0);
    if (table->at == 0 || table->flat->damaged ||
        (name.size > 0 && memchr(name.data, 0, name.size) != NULL)) {
        return damaged(err);
    }
    field->name = arena_text(&reader->arena, name);
    if (field->name == NULL) {
        return no_memory(err);
    }
    field->nullable = flat_u8(table, 1, 0) != 0;
    TRY(arrow_field_of_format(format, find_extension(table), field, err));
    if (field->kind == ARROW_KIND_LIST || field->kind == ARROW_KIND_VECTOR) {
        TRY(read_child(reader, table, depth, field, err));
    }
    TRY(arrow_field_finish(field, err));
    struct flat_table encoding = flat_child(table, 4);
    if (encoding.at != 0) {
        TRY(read_dictionary(reader, &encoding, field, err));
        return arrow_field_finish(field, err);
    }
    return TDBPLUS_OK;
}

tdbplus_status arrow_read_schema(struct arrow_reader *reader, const struct flat_table *schema,
                                 struct err *err)
{
    if (schema->at == 0 || reader->fields != NULL) {
        return damaged(err);
    }
    if (flat_i16(schema, 0, 0) != 0) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "arrow: the data is big-endian");
    }
    struct flat_vector fields = flat_vector(schema, 1, 4);
    if (fields.count > ARROW_FIELD_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "arrow: the schema has more than %u fields",
                       ARROW_FIELD_COUNT_MAX);
    }
    struct arena *arena = &reader->arena;
    reader->fields = arena_array(arena, fields.count, sizeof *reader->fields);
    reader->columns = arena_array(arena, fields.count, sizeof *reader->columns);
    reader->dictionaries = arena_array(arena, ARROW_FIELD_COUNT_MAX, sizeof *reader->dictionaries);
    if (reader->fields == NULL || reader->columns == NULL || reader->dictionaries == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < fields.count; i++) {
        struct flat_table table = flat_vector_table(schema->flat, fields, i);
        TRY(read_field(reader, &table, FIELD_DEPTH_MAX, &reader->fields[i], err));
        reader->columns[i] = (struct arrow_column){.name = reader->fields[i].name,
                                                   .type = reader->fields[i].type,
                                                   .not_null = !reader->fields[i].nullable};
    }
    reader->column_count = fields.count;
    return schema->flat->damaged ? damaged(err) : TDBPLUS_OK;
}
