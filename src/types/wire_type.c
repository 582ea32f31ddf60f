#include "types/wire_type.h"

#include <string.h>

#include "types/array.h"
#include "types/datetime.h"
#include "types/numeric.h"
#include "types/packed.h"
#include "types/wire.h"
#include "types/wire_packed.h"

/* PostgreSQL counts days and microseconds from 2000-01-01. */
#define EPOCH_DAYS 10957
#define EPOCH_US   (EPOCH_DAYS * US_PER_DAY)

#define NUMERIC_NAN_WIRE            0xC000
#define NUMERIC_INFINITY_WIRE       0xD000
#define NUMERIC_MINUS_INFINITY_WIRE 0xF000
#define NUMERIC_NEGATIVE_WIRE       0x4000

#define JSONB_VERSION       1
#define TYPE_MODIFIER       4 /* PostgreSQL adds it to lengths and precisions. */
#define INTERVAL_ALL_FIELDS (0x7FFF << 16)
#define OID_VARCHAR         1043
#define OID_VARCHARS        1015
#define OID_INT2VECTOR      22
#define OID_OIDVECTOR       30

static const struct {
    uint8_t id;
    int16_t size;
    int32_t oid;
    int32_t array_oid;
} wire_types[] = {
    {TYPE_TEXT, -1, 25, 1009},
    {TYPE_BOOL, 1, 16, 1000},
    {TYPE_INT2, 2, 21, 1005},
    {TYPE_INT4, 4, 23, 1007},
    {TYPE_INT8, 8, 20, 1016},
    {TYPE_FLOAT4, 4, 700, 1021},
    {TYPE_FLOAT8, 8, 701, 1022},
    {TYPE_NUMERIC, -1, 1700, 1231},
    {TYPE_BYTEA, -1, 17, 1001},
    {TYPE_DATE, 4, 1082, 1182},
    {TYPE_TIME, 8, 1083, 1183},
    {TYPE_TIMESTAMP, 8, 1114, 1115},
    {TYPE_TIMESTAMPTZ, 8, 1184, 1185},
    {TYPE_INTERVAL, 16, 1186, 1187},
    {TYPE_UUID, 16, 2950, 2951},
    {TYPE_JSON, -1, 3802, 3807}, // jsonb; json, too, when it comes in.
    {TYPE_VECTOR, -1, WIRE_OID_VECTOR, WIRE_OID_VECTOR_ARRAY},
    {TYPE_TEXT, -1, OID_VARCHAR, OID_VARCHARS},
    {TYPE_BPCHAR, -1, 1042, 1014},
    {TYPE_NAME, 64, 19, 1003},
    {TYPE_CHAR1, 1, 18, 1002},
    {TYPE_OID, 4, 26, 1028},
    {TYPE_XID, 4, 28, 1011},
    {TYPE_REGCLASS, 4, 2205, 2210},
    {TYPE_REGTYPE, 4, 2206, 2211},
    {TYPE_REGPROC, 4, 24, 1008},
    {TYPE_REGNAMESPACE, 4, 4089, 4090},
    {TYPE_REGROLE, 4, 4096, 4097},
    {TYPE_REGPROCEDURE, 4, 2202, 2207},
    {TYPE_REGOPER, 4, 2203, 2208},
    {TYPE_REGOPERATOR, 4, 2204, 2209},
    {TYPE_REGCONFIG, 4, 3734, 3735},
    {TYPE_REGDICTIONARY, 4, 3769, 3770},
    {TYPE_REGCOLLATION, 4, 4191, 4192},
    {TYPE_TIMETZ, 12, 1266, 1270},
    {TYPE_MONEY, 8, 790, 791},
    {TYPE_BIT, -1, 1560, 1561},
    {TYPE_VARBIT, -1, 1562, 1563},
    {TYPE_INET, -1, 869, 1041},
    {TYPE_CIDR, -1, 650, 651},
    {TYPE_MACADDR, 6, 829, 1040},
    {TYPE_MACADDR8, 8, 774, 775},
    {TYPE_INT4RANGE, -1, 3904, 3905},
    {TYPE_INT8RANGE, -1, 3926, 3927},
    {TYPE_NUMRANGE, -1, 3906, 3907},
    {TYPE_TSRANGE, -1, 3908, 3909},
    {TYPE_TSTZRANGE, -1, 3910, 3911},
    {TYPE_DATERANGE, -1, 3912, 3913},
    {TYPE_INT4MULTIRANGE, -1, 4451, 6150},
    {TYPE_INT8MULTIRANGE, -1, 4536, 6157},
    {TYPE_NUMMULTIRANGE, -1, 4532, 6151},
    {TYPE_TSMULTIRANGE, -1, 4533, 6152},
    {TYPE_TSTZMULTIRANGE, -1, 4534, 6153},
    {TYPE_DATEMULTIRANGE, -1, 4535, 6155},
    {TYPE_JSON, -1, 114, 199}, // json
};

#define WIRE_TYPE_COUNT (sizeof wire_types / sizeof wire_types[0])

/* The place of a type; what has none travels as text. */
static size_t find_id(uint8_t id)
{
    size_t at = 0;
    while (at < WIRE_TYPE_COUNT && wire_types[at].id != id) {
        at++;
    }
    return at < WIRE_TYPE_COUNT ? at : 0;
}

static int32_t modifier_of(struct type type, uint8_t id)
{
    switch (id) {
    case TYPE_NUMERIC:
        return type.precision > 0 ? ((int32_t)type.precision << 16 | type.scale) + TYPE_MODIFIER
                                  : -1;
    case TYPE_TEXT:
    case TYPE_BPCHAR:
        return type.parameter > 0 ? (int32_t)type.parameter + TYPE_MODIFIER : -1;
    case TYPE_VECTOR:
    case TYPE_BIT:
    case TYPE_VARBIT:
        return type.parameter > 0 ? (int32_t)type.parameter : -1;
    case TYPE_INTERVAL:
        return type.parameter > 0 ? INTERVAL_ALL_FIELDS | ((int32_t)type.parameter - 1) : -1;
    default:
        return type_has_seconds(type_of((enum type_id)id)) ? (int32_t)type.parameter - 1 : -1;
    }
}

int64_t wire_enum_oid(struct type type)
{
    return (type.id == TYPE_ARRAY ? WIRE_OID_ROW_ARRAY : WIRE_OID_USER_FIRST) +
           (int64_t)type.parameter;
}

struct type wire_enum_by_oid(int64_t oid)
{
    if (oid >= WIRE_OID_ROW_ARRAY && oid < WIRE_OID_ROW_ARRAY_END) {
        return (struct type){.id = TYPE_ARRAY,
                             .element = TYPE_ENUM,
                             .parameter = (uint32_t)(oid - WIRE_OID_ROW_ARRAY)};
    }
    if (oid >= WIRE_OID_USER_FIRST && oid < WIRE_OID_USER_END) {
        return (struct type){.id = TYPE_ENUM, .parameter = (uint32_t)(oid - WIRE_OID_USER_FIRST)};
    }
    return type_of(TYPE_NONE);
}

struct wire_type wire_type_of(struct type type)
{
    bool is_array = type.id == TYPE_ARRAY;
    uint8_t id = is_array ? type.element : type.id;
    size_t at = find_id(id);
    if (id == TYPE_ENUM) {
        return (struct wire_type){.oid = (int32_t)wire_enum_oid(type),
                                  .size = (int16_t)(is_array ? -1 : 4),
                                  .modifier = -1};
    }
    struct wire_type wire = {.oid = is_array ? wire_types[at].array_oid : wire_types[at].oid,
                             .size = is_array ? (int16_t)-1 : wire_types[at].size,
                             .modifier = modifier_of(type, id)};
    if (id == TYPE_TEXT && type.parameter > 0) {
        wire.oid = is_array ? OID_VARCHARS : OID_VARCHAR;
    }
    if (is_array && type.form == ARRAY_SPACED) {
        wire.oid = id == TYPE_INT2 ? OID_INT2VECTOR : OID_OIDVECTOR;
    }
    return wire;
}

struct type wire_type_by_oid(int32_t oid)
{
    if (oid == OID_INT2VECTOR || oid == OID_OIDVECTOR) {
        return (struct type){.id = TYPE_ARRAY,
                             .element = oid == OID_INT2VECTOR ? TYPE_INT2 : TYPE_OID,
                             .form = ARRAY_SPACED};
    }
    for (size_t i = 0; i < WIRE_TYPE_COUNT; i++) {
        if (wire_types[i].oid == oid) {
            return (struct type){.id = wire_types[i].id};
        }
        if (wire_types[i].array_oid == oid) {
            return (struct type){.id = TYPE_ARRAY, .element = wire_types[i].id};
        }
    }
    return wire_enum_by_oid(oid);
}

/* ---- out ---- */

static void put_numeric(struct buffer *buffer, const struct datum *datum)
{
    struct buffer encoded;
    buffer_init(&encoded, buffer->alloc);
    numeric_of_datum(datum, &encoded);
    if (encoded.failed || encoded.size < NUMERIC_HEADER_SIZE) {
        buffer->failed = true;
        buffer_deinit(&encoded);
        return;
    }
    static const int32_t signs[] = {[NUMERIC_POSITIVE] = 0,
                                    [NUMERIC_NEGATIVE] = NUMERIC_NEGATIVE_WIRE,
                                    [NUMERIC_NAN] = NUMERIC_NAN_WIRE,
                                    [NUMERIC_INFINITY] = NUMERIC_INFINITY_WIRE,
                                    [NUMERIC_MINUS_INFINITY] = NUMERIC_MINUS_INFINITY_WIRE};
    size_t count = (encoded.size - NUMERIC_HEADER_SIZE) / 2;
    uint16_t scale = 0;
    uint16_t weight = 0;
    memcpy(&scale, encoded.data + 2, sizeof scale);
    memcpy(&weight, encoded.data + 4, sizeof weight);
    wire_put_i16(buffer, (int16_t)count);
    wire_put_i16(buffer, (int16_t)weight);
    wire_put_i16(buffer, (int16_t)signs[encoded.data[0] % 5u]);
    wire_put_i16(buffer, (int16_t)scale);
    for (size_t i = 0; i < count; i++) {
        uint16_t limb = 0;
        memcpy(&limb, encoded.data + NUMERIC_HEADER_SIZE + 2 * i, sizeof limb);
        wire_put_i16(buffer, (int16_t)limb);
    }
    buffer_deinit(&encoded);
}

static void put_array(struct buffer *buffer, const struct datum *datum,
                      const struct text_style *style)
{
    struct array array;
    if (array_open(datum->bytes, datum->type, &array, NULL) != TDBPLUS_OK) {
        buffer->failed = true;
        return;
    }
    wire_put_i32(buffer, (int32_t)array.dimension_count);
    wire_put_i32(buffer, array.nulls != NULL);
    wire_put_i32(buffer, wire_type_of(array.element).oid);
    for (uint32_t i = 0; i < array.dimension_count; i++) {
        wire_put_i32(buffer, (int32_t)array.dimensions[i].length);
        wire_put_i32(buffer, array.dimensions[i].lower);
    }
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        if (item.is_null) {
            wire_put_i32(buffer, -1);
        } else {
            wire_put_binary(buffer, &item, style);
        }
    }
}

static void put_vector(struct buffer *buffer, const struct datum *datum)
{
    size_t count = datum->bytes.size / sizeof(float);
    wire_put_i16(buffer, (int16_t)count);
    wire_put_i16(buffer, 0);
    for (size_t i = 0; i < count; i++) {
        int32_t bits = 0;
        memcpy(&bits, datum->bytes.data + i * sizeof bits, sizeof bits);
        wire_put_i32(buffer, bits);
    }
}

static void put_integer(struct buffer *buffer, const struct datum *datum)
{
    int64_t value = datum->integer;
    switch (datum->type.id) {
    case TYPE_INT2:
        wire_put_i16(buffer, (int16_t)value);
        break;
    case TYPE_DATE:
        value = value == DATE_INFINITY || value == DATE_MINUS_INFINITY ? value : value - EPOCH_DAYS;
        wire_put_i32(buffer, (int32_t)value);
        break;
    case TYPE_INT4:
        wire_put_i32(buffer, (int32_t)value);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        wire_put_i64(buffer, timestamp_is_finite(value) ? value - EPOCH_US : value);
        break;
    default:
        wire_put_i64(buffer, value);
        break;
    }
}

static void put_real(struct buffer *buffer, const struct datum *datum)
{
    if (datum->type.id == TYPE_FLOAT4) {
        float value = (float)datum->real;
        int32_t bits = 0;
        memcpy(&bits, &value, sizeof bits);
        wire_put_i32(buffer, bits);
    } else {
        int64_t bits = 0;
        memcpy(&bits, &datum->real, sizeof bits);
        wire_put_i64(buffer, bits);
    }
}

static void put_value(struct buffer *buffer, const struct datum *datum,
                      const struct text_style *style)
{
    switch (datum->type.id) {
    case TYPE_BOOL:
        buffer_put_u8(buffer, datum->boolean);
        break;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        put_integer(buffer, datum);
        break;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        put_real(buffer, datum);
        break;
    case TYPE_NUMERIC:
        put_numeric(buffer, datum);
        break;
    case TYPE_INTERVAL:
        wire_put_i64(buffer, datum->interval.microseconds);
        wire_put_i32(buffer, datum->interval.days);
        wire_put_i32(buffer, datum->interval.months);
        break;
    case TYPE_UUID:
        buffer_put(buffer, datum->uuid, sizeof datum->uuid);
        break;
    case TYPE_TEXT:
    case TYPE_BYTEA:
        buffer_put_span(buffer, datum->bytes);
        break;
    case TYPE_JSON:
        buffer_put_u8(buffer, JSONB_VERSION);
        text_print(datum, style, buffer);
        break;
    case TYPE_ARRAY:
        put_array(buffer, datum, style);
        break;
    case TYPE_VECTOR:
        put_vector(buffer, datum);
        break;
    default:
        if (packed_type(datum->type)) {
            wire_put_packed(buffer, datum, style);
        } else { // Known to the client as text.
            text_print(datum, style, buffer);
        }
        break;
    }
}

void wire_put_binary(struct buffer *buffer, const struct datum *datum,
                     const struct text_style *style)
{
    size_t begin = buffer->size;
    wire_put_i32(buffer, 0);
    put_value(buffer, datum, style);
    wire_set_i32(buffer, begin, (int32_t)(buffer->size - begin - 4));
}

/* ---- in ---- */

tdbplus_status wire_invalid(struct type type, struct err *err)
{
    char name[64];
    type_name(type, name);
    return err_set_state(err, TDBPLUS_E_SYNTAX, "22P03", "incorrect binary data format for type %s",
                         name);
}

tdbplus_status wire_no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "parameters do not fit the memory limit");
}

static int64_t read_integer(struct wire_reader *reader, size_t size)
{
    struct span bytes = wire_bytes(reader, size);
    uint64_t value = bytes.size > 0 && bytes.data[0] >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.size; i++) {
        value = value << 8 | bytes.data[i];
    }
    return (int64_t)value;
}

/* Integers, floats, dates and times, whose sizes are fixed. */
static tdbplus_status parse_fixed(struct wire_reader *reader, struct datum *datum, struct err *err)
{
    uint8_t id = datum->type.id;
    size_t size = (size_t)wire_types[find_id(id)].size;
    if (reader->rest.size != size) {
        return wire_invalid(datum->type, err);
    }
    int64_t value = read_integer(reader, size);
    bool good = true;
    if (id == TYPE_FLOAT4) {
        float real = 0;
        int32_t bits = (int32_t)value;
        memcpy(&real, &bits, sizeof real);
        datum->real = (double)real;
    } else if (id == TYPE_FLOAT8) {
        memcpy(&datum->real, &value, sizeof datum->real);
    } else if (id == TYPE_BOOL) {
        datum->boolean = value != 0;
    } else if (id == TYPE_DATE) {
        bool finite = value != DATE_INFINITY && value != DATE_MINUS_INFINITY;
        datum->integer = finite ? value + EPOCH_DAYS : value;
        good = !finite || date_in_range(datum->integer);
    } else if (id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ) {
        bool finite = timestamp_is_finite(value);
        good = !finite || !__builtin_add_overflow(value, EPOCH_US, &value);
        good = good && (!finite || timestamp_in_range(value));
        datum->integer = value;
    } else {
        datum->integer = value;
        good = id != TYPE_TIME || (value >= 0 && value <= US_PER_DAY);
    }
    if (!good) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22008", "date or time is out of range");
    }
    return TDBPLUS_OK;
}

/* The limbs of a number without zeroes at either end, as ours are kept. */
static void put_limbs(struct buffer *encoded, struct span limbs, int32_t weight, uint16_t scale,
                      uint8_t kind)
{
    size_t first = 0;
    size_t end = limbs.size / 2;
    const uint8_t *at = limbs.data;
    while (first < end && at[2 * first] == 0 && at[2 * first + 1] == 0) {
        first++;
    }
    while (end > first && at[2 * end - 2] == 0 && at[2 * end - 1] == 0) {
        end--;
    }
    bool zero = first == end;
    buffer_put_u8(encoded, zero && kind == NUMERIC_NEGATIVE ? NUMERIC_POSITIVE : kind);
    buffer_put_u8(encoded, 0);
    buffer_put_u16(encoded, scale);
    buffer_put_u16(encoded, zero ? 0 : (uint16_t)(weight - (int32_t)first));
    for (size_t i = first; i < end; i++) {
        buffer_put_u16(encoded, (uint16_t)((uint32_t)at[2 * i] << 8 | at[2 * i + 1]));
    }
}

static tdbplus_status parse_numeric(struct wire_reader *reader, struct arena *arena,
                                    struct datum *datum, struct err *err)
{
    uint32_t count = (uint16_t)wire_i16(reader);
    int32_t weight = wire_i16(reader);
    uint32_t sign = (uint16_t)wire_i16(reader);
    uint32_t scale = (uint16_t)wire_i16(reader);
    struct span limbs = wire_bytes(reader, (size_t)count * 2);
    uint8_t kind = NUMERIC_POSITIVE;
    switch (sign) {
    case 0:
        break;
    case NUMERIC_NEGATIVE_WIRE:
        kind = NUMERIC_NEGATIVE;
        break;
    case NUMERIC_NAN_WIRE:
        kind = NUMERIC_NAN;
        break;
    case NUMERIC_INFINITY_WIRE:
        kind = NUMERIC_INFINITY;
        break;
    case NUMERIC_MINUS_INFINITY_WIRE:
        kind = NUMERIC_MINUS_INFINITY;
        break;
    default:
        return wire_invalid(datum->type, err);
    }
    bool finite = kind <= NUMERIC_NEGATIVE;
    if (reader->overrun || reader->rest.size > 0 || scale > NUMERIC_SCALE_MAX) {
        return wire_invalid(datum->type, err);
    }
    struct buffer encoded;
    buffer_init(&encoded, arena->alloc);
    put_limbs(&encoded, finite ? limbs : (struct span){0}, weight, finite ? (uint16_t)scale : 0,
              kind);
    tdbplus_status status = TDBPLUS_OK;
    if (encoded.failed) {
        status = wire_no_memory(err);
    } else if (!numeric_valid(buffer_span(&encoded))) {
        status = wire_invalid(datum->type, err);
    } else {
        status = numeric_to_datum(buffer_span(&encoded), datum->type, arena, datum, err);
    }
    buffer_deinit(&encoded);
    return status;
}

static tdbplus_status parse_items(struct wire_reader *reader, struct type element,
                                  const struct text_style *style, struct datum *items,
                                  uint32_t count, struct arena *arena, struct err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        int32_t size = wire_i32(reader);
        items[i] = (struct datum){.type = element, .is_null = true};
        if (size >= 0) {
            struct span bytes = wire_bytes(reader, (size_t)size);
            if (reader->overrun) {
                break;
            }
            TRY(wire_parse_binary(bytes, element, style, arena, &items[i], err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status parse_array(struct wire_reader *reader, const struct text_style *style,
                                  struct arena *arena, struct datum *datum, struct err *err)
{
    struct array_dimension dimensions[ARRAY_DIMENSION_COUNT_MAX];
    uint32_t dimension_count = (uint32_t)wire_i32(reader);
    (void)wire_i32(reader); // Whether there are nulls: each item says it.
    struct type element = wire_type_by_oid(wire_i32(reader));
    if (reader->overrun || dimension_count > ARRAY_DIMENSION_COUNT_MAX ||
        element.id != datum->type.element || element.id == TYPE_ARRAY) {
        return wire_invalid(datum->type, err);
    }
    uint64_t count = dimension_count == 0 ? 0 : 1;
    for (uint32_t i = 0; i < dimension_count; i++) {
        dimensions[i].length = (uint32_t)wire_i32(reader);
        dimensions[i].lower = wire_i32(reader);
        // Each item takes four bytes at least, so this bounds the count as well.
        count = dimensions[i].length > INT32_MAX ? UINT64_MAX : count * dimensions[i].length;
        if (count > reader->rest.size / 4) {
            return wire_invalid(datum->type, err);
        }
    }
    struct datum *items = arena_array(arena, (size_t)count + 1, sizeof *items);
    if (items == NULL) {
        return wire_no_memory(err);
    }
    element = type_element(datum->type);
    TRY(parse_items(reader, element, style, items, (uint32_t)count, arena, err));
    if (reader->overrun || reader->rest.size > 0) {
        return wire_invalid(datum->type, err);
    }
    struct buffer encoded;
    buffer_init(&encoded, arena->alloc);
    tdbplus_status status =
        array_encode(element, items, dimensions, count == 0 ? 0 : dimension_count, &encoded, err);
    uint8_t *copy = status == TDBPLUS_OK ? arena_bytes(arena, encoded.size) : NULL;
    if (copy != NULL) {
        memcpy(copy, encoded.data, encoded.size);
        datum->bytes = (struct span){.data = copy, .size = encoded.size};
    } else if (status == TDBPLUS_OK) {
        status = wire_no_memory(err);
    }
    buffer_deinit(&encoded);
    return status;
}

static tdbplus_status parse_vector(struct wire_reader *reader, struct arena *arena,
                                   struct datum *datum, struct err *err)
{
    uint32_t count = (uint16_t)wire_i16(reader);
    (void)wire_i16(reader);
    if (reader->overrun || count == 0 || count > VECTOR_DIMENSION_MAX ||
        reader->rest.size != (size_t)count * sizeof(float) ||
        (datum->type.parameter != 0 && datum->type.parameter != count)) {
        return wire_invalid(datum->type, err);
    }
    uint8_t *values = arena_alloc(arena, (size_t)count * sizeof(float));
    if (values == NULL) {
        return wire_no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        int32_t bits = wire_i32(reader);
        memcpy(values + i * sizeof bits, &bits, sizeof bits);
    }
    datum->bytes = (struct span){.data = values, .size = (size_t)count * sizeof(float)};
    return TDBPLUS_OK;
}

tdbplus_status wire_parse_binary(struct span bytes, struct type type,
                                 const struct text_style *style, struct arena *arena,
                                 struct datum *datum_out, struct err *err)
{
    struct wire_reader reader = {.rest = bytes};
    struct datum datum = {.type = type};
    switch (type.id) {
    case TYPE_BOOL:
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        TRY(parse_fixed(&reader, &datum, err));
        break;
    case TYPE_NUMERIC:
        TRY(parse_numeric(&reader, arena, &datum, err));
        break;
    case TYPE_INTERVAL:
        datum.interval.microseconds = read_integer(&reader, 8);
        datum.interval.days = wire_i32(&reader);
        datum.interval.months = wire_i32(&reader);
        if (reader.overrun || reader.rest.size > 0) {
            return wire_invalid(type, err);
        }
        break;
    case TYPE_UUID:
        if (bytes.size != sizeof datum.uuid) {
            return wire_invalid(type, err);
        }
        memcpy(datum.uuid, bytes.data, sizeof datum.uuid);
        break;
    case TYPE_BYTEA:
        datum.bytes = bytes;
        break;
    case TYPE_JSON:
        // jsonb has its version first; json, which comes in by the same type, begins otherwise.
        if (bytes.size > 0 && bytes.data[0] == JSONB_VERSION) {
            (void)wire_u8(&reader);
        }
        TRY(text_parse(reader.rest, type, NULL, arena, &datum, err));
        break;
    case TYPE_TEXT:
    case TYPE_ENUM:
        TRY(text_parse(bytes, type, style, arena, &datum, err));
        break;
    case TYPE_ARRAY:
        TRY(parse_array(&reader, style, arena, &datum, err));
        break;
    case TYPE_VECTOR:
        TRY(parse_vector(&reader, arena, &datum, err));
        break;
    default:
        if (!packed_type(type)) {
            return err_set(err, TDBPLUS_E_UNSUPPORTED,
                           "a value of this type cannot be sent in binary; send it as text");
        }
        TRY(wire_parse_packed(bytes, style, arena, &datum, err));
        break;
    }
    *datum_out = datum;
    return TDBPLUS_OK;
}
