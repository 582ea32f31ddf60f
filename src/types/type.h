#pragma once

/*
 * Logical types and how their values lie in memory. The numbers reach disk and the log: they are
 * frozen, new ones are appended.
 */

#include <stdbool.h>

#include "base/alloc.h"

enum type_id {
    TYPE_NONE = 0,
    TYPE_BOOL = 1,
    TYPE_INT2 = 2,
    TYPE_INT4 = 3,
    TYPE_INT8 = 4,
    TYPE_FLOAT4 = 5,
    TYPE_FLOAT8 = 6,
    TYPE_NUMERIC = 7,
    TYPE_TEXT = 8,
    TYPE_BYTEA = 9,
    TYPE_DATE = 10,        /* Days since 1970-01-01. */
    TYPE_TIME = 11,        /* Microseconds since midnight. */
    TYPE_TIMESTAMP = 12,   /* Microseconds since 1970-01-01 00:00, no zone. */
    TYPE_TIMESTAMPTZ = 13, /* Microseconds since 1970-01-01 00:00 UTC. */
    TYPE_INTERVAL = 14,    /* struct interval. */
    TYPE_UUID = 15,        /* 16 bytes as written. */
    TYPE_JSON = 16,        /* Binary document, types/json.h. */
    TYPE_ARRAY = 17,       /* types/array.h; `element` says of what. */
    TYPE_ENUM = 18,        /* int4 ordinal; `parameter` is the id of its label list. */
    TYPE_VECTOR = 19,      /* `parameter` float4 values; 0: any number of them. */

    /* Packed types (types/packed.h): all but money are PHYSICAL_VIEW. */
    TYPE_BPCHAR = 20, /* char(n); `parameter` is n, 0: any length. */
    TYPE_TIMETZ = 21, /* Time of day and its offset. */
    TYPE_MONEY = 22,  /* Cents, as int8. */
    TYPE_BIT = 23,    /* bit(n); `parameter` is n, 0: any length. */
    TYPE_VARBIT = 24, /* The same, at most n. */
    TYPE_INET = 25,
    TYPE_CIDR = 26,
    TYPE_MACADDR = 27,
    TYPE_MACADDR8 = 28,
    TYPE_INT4RANGE = 29, /* Ranges: types/range.h. */
    TYPE_INT8RANGE = 30,
    TYPE_NUMRANGE = 31,
    TYPE_TSRANGE = 32,
    TYPE_TSTZRANGE = 33,
    TYPE_DATERANGE = 34,
    TYPE_INT4MULTIRANGE = 35, /* In the order of their ranges. */
    TYPE_INT8MULTIRANGE = 36,
    TYPE_NUMMULTIRANGE = 37,
    TYPE_TSMULTIRANGE = 38,
    TYPE_TSTZMULTIRANGE = 39,
    TYPE_DATEMULTIRANGE = 40,
    /* 41 to 47: point, lseg, box, line, path, polygon, circle. 48 and 49: tsvector, tsquery. */

    /* Types of the catalog (types/catalog_type.h). All but name and "char" are int8. */
    TYPE_OID = 50,
    TYPE_NAME = 51,  /* At most 63 bytes. */
    TYPE_CHAR1 = 52, /* "char": one byte or none. */
    TYPE_REGCLASS = 53,
    TYPE_REGTYPE = 54,
    TYPE_REGPROC = 55,
    TYPE_REGNAMESPACE = 56,
    TYPE_REGROLE = 57,
    TYPE_REGPROCEDURE = 58,
    TYPE_REGOPER = 59,
    TYPE_REGOPERATOR = 60,
    TYPE_XID = 61,
    TYPE_REGCONFIG = 62,
    TYPE_REGDICTIONARY = 63,
    TYPE_REGCOLLATION = 64,
};

#define TYPE_ID_MAX 71u /* Declarations of functions have no room for more (sql/func/func.h). */

/* How values lie in a flat column. */
enum physical {
    PHYSICAL_1 = 1,     /* uint8_t 0/1. */
    PHYSICAL_2 = 2,     /* int16_t. */
    PHYSICAL_4 = 3,     /* int32_t or float. */
    PHYSICAL_8 = 4,     /* int64_t or double. */
    PHYSICAL_16 = 5,    /* __int128, struct interval, uuid bytes. */
    PHYSICAL_VIEW = 6,  /* struct view: any number of bytes. */
    PHYSICAL_FIXED = 7, /* `parameter` * 4 bytes: vectors of one dimension. */
};

/* int2vector and oidvector: arrays that are written "1 2 3" and begin at 0. */
#define ARRAY_SPACED 1u

/* A row of two int4, x and n, which information_schema._pg_expandarray() gives: "(7,1)". */
#define ARRAY_PAIR 2u

/* A type as columns and expressions carry it. Compare with type_equal(). */
struct type {
    uint8_t id;         /* enum type_id. */
    uint8_t element;    /* TYPE_ARRAY: the element's id. */
    int16_t precision;  /* TYPE_NUMERIC: digits in all, 1..1000; 0: unconstrained. */
    int16_t scale;      /* TYPE_NUMERIC: digits after the point, 0..precision. */
    uint16_t form;      /* Of an array ARRAY_SPACED or ARRAY_PAIR; else 0. */
    uint32_t parameter; /* Dimension of a vector, label list of an enum, length of varchar(n); of
                           times and intervals 1 + digits of a second that are kept, 0: all six. */
};

/* numeric(p) up to 18 digits is PHYSICAL_8 (value * 10^scale), up to 38 PHYSICAL_16, beyond that or
 * unconstrained PHYSICAL_VIEW (types/numeric.h). */
#define NUMERIC_DIGITS_MAX_8  18
#define NUMERIC_DIGITS_MAX_16 38
#define VECTOR_DIMENSION_MAX  16000u
#define VALUE_SIZE_MAX        ((size_t)256 << 20) /* Bytes of one variable-size value. */

enum physical type_physical(struct type type);

/* Bytes per value in a flat column. */
size_t type_width(struct type type);
/* Times, timestamps and intervals, whose seconds may have fewer digits. */
bool type_has_seconds(struct type type);

bool type_equal(struct type left, struct type right);

/* The type of an array's elements; `precision`, `scale` and `parameter` of an array are theirs. */
struct type type_element(struct type array);

/* True for the ids and parameters this release knows; bytes from disk are checked with it. */
bool type_valid(struct type type);

/* The type whose name this is ("inet"), without parameters; false when there is none. */
bool type_find(struct span name, struct type *type_out);

/* "int8", "numeric(12,2)", "vector(784)", "int4[]"; PostgreSQL's names. `text` holds at least 64
 * bytes. */
void type_name(struct type type, char text[64]);

static inline struct type type_of(enum type_id id)
{
    return (struct type){.id = (uint8_t)id};
}

struct interval {
    int32_t months;
    int32_t days;
    int64_t microseconds;
};

/*
 * A string or bytes value inside a column: 16 bytes (Neumann, Freitag, "Umbra", 2020). Up to 12
 * bytes lie in the view itself (the rest of `inlined` is zero); longer ones keep their first four
 * bytes beside a pointer, so most comparisons end without following it. Borrowed: whoever owns the
 * column's memory owns the bytes.
 */
#define VIEW_INLINE_SIZE_MAX 12u

struct view {
    uint32_t size;
    union {
        uint8_t inlined[VIEW_INLINE_SIZE_MAX];
        struct __attribute__((packed, aligned(4))) {
            uint8_t prefix[4];
            const uint8_t *data;
        } far;
    };
};

_Static_assert(sizeof(struct view) == 16, "views are two words");

struct view view_of(struct span span);

static inline const uint8_t *view_data(const struct view *view)
{
    return view->size <= VIEW_INLINE_SIZE_MAX ? view->inlined : view->far.data;
}

/* The span lives as long as *view and what it points to. */
static inline struct span view_span(const struct view *view)
{
    return (struct span){.data = view_data(view), .size = view->size};
}

/* One value outside a column: an argument, a default, a bound. Variable-size bytes are borrowed. */
struct datum {
    struct type type;
    bool is_null;
    union {
        bool boolean;
        int64_t integer; /* int2/4/8, date, time, timestamps, enum, numeric up to 18 digits. */
        double real;     /* float4 (exactly converted) and float8. */
        struct interval interval;
        __extension__ __int128 wide; /* numeric up to 38 digits. */
        uint8_t uuid[16];
        struct span bytes; /* text, bytea, json, array, long numeric; vector: float4 values. */
    };
};

/*
 * Total order of two values of the same type, as ORDER BY and keys have it: < 0, 0, > 0. Null after
 * everything. NaN equals itself and comes after other numbers; -0 equals 0. Text by bytes.
 * Intervals by their length, a month being 30 days and a day 24 hours; vectors and arrays item by
 * item.
 */
int datum_compare(const struct datum *left, const struct datum *right);
