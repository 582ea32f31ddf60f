/* Values as JSON. Numbers that JSON readers would round (numeric) are strings; so is all that JSON
 * has no kind for, as PostgreSQL writes it. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/cli.h"

#define MICROSECONDS_PER_SECOND 1000000
#define MICROSECONDS_PER_DAY    INT64_C(86400000000)
#define DATE_TEXT_SIZE          64

const char *cli_type_name(tdbplus_type type)
{
    static const char *const names[] = {
        "none",           "bool",           "int2",          "int4",         "int8",
        "float4",         "float8",         "numeric",       "text",         "bytea",
        "date",           "time",           "timestamp",     "timestamptz",  "interval",
        "uuid",           "json",           "array",         "enum",         "vector",
        "bpchar",         "timetz",         "money",         "bit",          "varbit",
        "inet",           "cidr",           "macaddr",       "macaddr8",     "int4range",
        "int8range",      "numrange",       "tsrange",       "tstzrange",    "daterange",
        "int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange",
        "datemultirange",
    };
    static const char *const catalog[] = {
        "oid",         "name",         "\"char\"",  "regclass",      "regtype",
        "regproc",     "regnamespace", "regrole",   "regprocedure",  "regoper",
        "regoperator", "xid",          "regconfig", "regdictionary", "regcollation",
    };
    const size_t number = (size_t)type;
    if (type >= TDBPLUS_TYPE_OID && type <= TDBPLUS_TYPE_REGCOLLATION) {
        return catalog[type - TDBPLUS_TYPE_OID];
    }
    return number < sizeof names / sizeof names[0] ? names[number] : "unknown";
}

void cli_type_text(const tdbplus_column *column, char text[CLI_TYPE_SIZE])
{
    const char *name = cli_type_name(column->type);
    if (column->precision > 0) {
        (void)snprintf(text, CLI_TYPE_SIZE, "%s(%u,%u)", name, (unsigned)column->precision,
                       (unsigned)column->scale);
    } else if (column->dimension > 0) {
        (void)snprintf(text, CLI_TYPE_SIZE, "%s(%u)", name, (unsigned)column->dimension);
    } else {
        (void)snprintf(text, CLI_TYPE_SIZE, "%s", name);
    }
}

void json_write_text(FILE *out, const char *text, size_t size)
{
    (void)putc('"', out);
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            (void)fprintf(out, "\\%c", c);
        } else if (c == '\n') {
            (void)fputs("\\n", out);
        } else if (c < 0x20) {
            (void)fprintf(out, "\\u%04x", c);
        } else {
            (void)putc(c, out);
        }
    }
    (void)putc('"', out);
}

/* %.17g gives every double back; fewer digits are taken when they do as well. */
static void write_real(FILE *out, double value, bool is_float4)
{
    if (isnan(value)) {
        (void)fputs("\"NaN\"", out);
        return;
    }
    if (isinf(value)) {
        (void)fputs(value > 0 ? "\"Infinity\"" : "\"-Infinity\"", out);
        return;
    }
    char text[40];
    for (int digits = is_float4 ? 6 : 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        double back = 0.0;
        (void)sscanf(text, "%lf", &back);
        const bool same = is_float4 ? (float)back >= (float)value && (float)back <= (float)value
                                    : back >= value && back <= value;
        if (same) {
            break;
        }
    }
    (void)fputs(text, out);
}

/* The calendar repeats every 400 years of 146,097 days. Counted from 1 March, the day that leap
 * years add is the last of its year, and the lengths of months follow 30.6 days each. */
static void date_text(int64_t days, char text[DATE_TEXT_SIZE])
{
    const int64_t since_march_0000 = days + 719468;
    const int64_t cycle =
        (since_march_0000 >= 0 ? since_march_0000 : since_march_0000 - 146096) / 146097;
    const int64_t day_of_cycle = since_march_0000 - cycle * 146097;
    int64_t year =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    const int64_t day_of_year = day_of_cycle - (365 * year + year / 4 - year / 100);
    const int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    year += cycle * 400 + (month <= 2 ? 1 : 0);
    (void)snprintf(text, DATE_TEXT_SIZE, "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "%s",
                   year > 0 ? year : 1 - year, month, day, year > 0 ? "" : " BC");
}

static void time_text(int64_t microseconds, char text[DATE_TEXT_SIZE])
{
    const int64_t seconds = microseconds / MICROSECONDS_PER_SECOND;
    const int64_t fraction = microseconds % MICROSECONDS_PER_SECOND;
    int size = snprintf(text, DATE_TEXT_SIZE, "%02" PRId64 ":%02" PRId64 ":%02" PRId64,
                        seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (fraction != 0 && size > 0) {
        (void)snprintf(text + size, DATE_TEXT_SIZE - (size_t)size, ".%06" PRId64, fraction);
    }
}

/* The least and the greatest value stand for the infinities, as in PostgreSQL. */
static bool write_infinity(FILE *out, int64_t value, int64_t least, int64_t greatest)
{
    if (value == least || value == greatest) {
        (void)fputs(value == least ? "\"-infinity\"" : "\"infinity\"", out);
        return true;
    }
    return false;
}

static void write_date(FILE *out, int64_t days)
{
    char text[DATE_TEXT_SIZE];
    if (!write_infinity(out, days, INT32_MIN, INT32_MAX)) {
        date_text(days, text);
        (void)fprintf(out, "\"%s\"", text);
    }
}

static void write_timestamp(FILE *out, int64_t microseconds, bool has_zone)
{
    char date[DATE_TEXT_SIZE];
    char time_of_day[DATE_TEXT_SIZE];
    if (write_infinity(out, microseconds, INT64_MIN, INT64_MAX)) {
        return;
    }
    int64_t days = microseconds / MICROSECONDS_PER_DAY;
    int64_t rest = microseconds % MICROSECONDS_PER_DAY;
    if (rest < 0) {
        rest += MICROSECONDS_PER_DAY;
        days--;
    }
    date_text(days, date);
    time_text(rest, time_of_day);
    char *era = strstr(date, " BC"); // Stands behind the time.
    if (era != NULL) {
        *era = '\0';
    }
    (void)fprintf(out, "\"%s %s%s%s\"", date, time_of_day, has_zone ? "+00" : "",
                  era != NULL ? " BC" : "");
}

/* ISO 8601 as PostgreSQL reads it: each part has its own sign. */
static void write_interval(FILE *out, tdbplus_interval interval)
{
    const bool negative = interval.microseconds < 0;
    const uint64_t size =
        negative ? 0 - (uint64_t)interval.microseconds : (uint64_t)interval.microseconds;
    (void)fprintf(out, "\"P%" PRId32 "M%" PRId32 "DT%s%" PRIu64 ".%06" PRIu64 "S\"",
                  interval.months, interval.days, negative ? "-" : "",
                  size / MICROSECONDS_PER_SECOND, size % MICROSECONDS_PER_SECOND);
}

static void write_uuid(FILE *out, const uint8_t uuid[16])
{
    (void)putc('"', out);
    for (int i = 0; i < 16; i++) {
        (void)fprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    }
    (void)putc('"', out);
}

static void write_bytea(FILE *out, const uint8_t *data, size_t size)
{
    (void)fputs("\"\\\\x", out);
    for (size_t i = 0; i < size; i++) {
        (void)fprintf(out, "%02x", data[i]);
    }
    (void)putc('"', out);
}

static void write_vector(FILE *out, const uint8_t *data, size_t size)
{
    (void)putc('[', out);
    for (size_t i = 0; i + sizeof(float) <= size; i += sizeof(float)) {
        float value = 0.0F;
        memcpy(&value, data + i, sizeof value);
        (void)fputs(i == 0 ? "" : ",", out);
        write_real(out, (double)value, true);
    }
    (void)putc(']', out);
}

static void write_bytes(FILE *out, const tdbplus_value *value)
{
    const size_t size = value->as.bytes.size;
    if (value->type == TDBPLUS_TYPE_JSON) {
        (void)fwrite(value->as.bytes.data, 1, size, out);
    } else if (value->type == TDBPLUS_TYPE_BYTEA) {
        write_bytea(out, value->as.bytes.data, size);
    } else if (value->type == TDBPLUS_TYPE_VECTOR) {
        write_vector(out, value->as.bytes.data, size);
    } else {
        json_write_text(out, value->as.bytes.data, size);
    }
}

void json_write_value(FILE *out, const tdbplus_value *value)
{
    char text[DATE_TEXT_SIZE];
    if (value->is_null) {
        (void)fputs("null", out);
        return;
    }
    switch ((int)value->type) {
    case TDBPLUS_TYPE_BOOL:
        (void)fputs(value->as.boolean ? "true" : "false", out);
        break;
    case TDBPLUS_TYPE_INT2:
    case TDBPLUS_TYPE_INT4:
    case TDBPLUS_TYPE_INT8:
    case TDBPLUS_TYPE_ENUM:
        (void)fprintf(out, "%" PRId64, value->as.integer);
        break;
    case TDBPLUS_TYPE_FLOAT4:
    case TDBPLUS_TYPE_FLOAT8:
        write_real(out, value->as.real, value->type == TDBPLUS_TYPE_FLOAT4);
        break;
    case TDBPLUS_TYPE_DATE:
        write_date(out, value->as.integer);
        break;
    case TDBPLUS_TYPE_TIME:
        time_text(value->as.integer, text);
        (void)fprintf(out, "\"%s\"", text);
        break;
    case TDBPLUS_TYPE_TIMESTAMP:
    case TDBPLUS_TYPE_TIMESTAMPTZ:
        write_timestamp(out, value->as.integer, value->type == TDBPLUS_TYPE_TIMESTAMPTZ);
        break;
    case TDBPLUS_TYPE_INTERVAL:
        write_interval(out, value->as.interval);
        break;
    case TDBPLUS_TYPE_UUID:
        write_uuid(out, value->as.uuid);
        break;
    case TDBPLUS_TYPE_NUMERIC:
    case TDBPLUS_TYPE_TEXT:
    case TDBPLUS_TYPE_BYTEA:
    case TDBPLUS_TYPE_JSON:
    case TDBPLUS_TYPE_VECTOR:
        write_bytes(out, value);
        break;
    case TDBPLUS_TYPE_NONE:
    case TDBPLUS_TYPE_ARRAY:
        (void)fputs("null", out);
        break;
    default:
        json_write_text(out, value->as.bytes.data, value->as.bytes.size);
        break;
    }
}
