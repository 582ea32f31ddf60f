#pragma once

/* Values at the boundaries of every type, for tests that compare all pairs or go around and back.
 */

#include <float.h>
#include <math.h>

#include "base/buffer.h"
#include "test.h"
#include "types/numeric.h"
#include "types/type.h"

#define SAMPLE_COUNT_MAX 48u
#define SAMPLE_TYPES     22u

struct samples {
    struct type type;
    uint32_t count;
    struct datum values[SAMPLE_COUNT_MAX];
    uint8_t bytes[SAMPLE_COUNT_MAX][64]; /* What the values' spans point into. */
};

static inline struct datum *samples_add(struct samples *samples)
{
    CHECK(samples->count < SAMPLE_COUNT_MAX);
    struct datum *value = &samples->values[samples->count++];
    *value = (struct datum){.type = samples->type};
    return value;
}

static inline void samples_add_bytes(struct samples *samples, const void *data, size_t size)
{
    uint8_t *copy = samples->bytes[samples->count];
    CHECK(size <= sizeof samples->bytes[0]);
    memcpy(copy, data, size);
    samples_add(samples)->bytes = (struct span){.data = copy, .size = size};
}

static inline void samples_of_integers(struct samples *samples, int64_t min, int64_t max)
{
    const int64_t near[] = {-65536, -32769, -257, -256, -255, -2,  -1,    0,    1,
                            2,      127,    128,  255,  256,  257, 65535, 65536};
    samples_add(samples)->integer = min;
    samples_add(samples)->integer = min + 1;
    samples_add(samples)->integer = max;
    samples_add(samples)->integer = max - 1;
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        if (near[i] > min && near[i] < max) {
            samples_add(samples)->integer = near[i];
        }
    }
}

static inline void samples_of_reals(struct samples *samples, double tiny, double huge)
{
    const double reals[] = {0.0,         -0.0,         1.0,  -1.0,  1.5,      -1.5,
                            tiny,        -tiny,        huge, -huge, INFINITY, -INFINITY,
                            (double)NAN, -(double)NAN, 0.1F, -0.1F, 1e10F};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        samples_add(samples)->real = reals[i];
    }
}

static inline void samples_of_bytes(struct samples *samples)
{
    static const struct span texts[] = {
        {(const uint8_t *)"", 0},
        {(const uint8_t *)"\0", 1},
        {(const uint8_t *)"\0\0", 2},
        {(const uint8_t *)"\0\x01", 2},
        {(const uint8_t *)"\0\xFF", 2},
        {(const uint8_t *)"\x01", 1},
        {(const uint8_t *)"a", 1},
        {(const uint8_t *)"a\0", 2},
        {(const uint8_t *)"a\0\0", 3},
        {(const uint8_t *)"a\0b", 3},
        {(const uint8_t *)"a\x01", 2},
        {(const uint8_t *)"a\xFF", 2},
        {(const uint8_t *)"ab", 2},
        {(const uint8_t *)"b", 1},
        {(const uint8_t *)"\xFF", 1},
        {(const uint8_t *)"\xFF\0", 2},
        {(const uint8_t *)"\xFF\xFF", 2},
        {(const uint8_t *)"twelve bytes", 12},
        {(const uint8_t *)"twelve bytes\0", 13},
        {(const uint8_t *)"thirteen bytes", 14},
        {(const uint8_t *)"a longer text that lies outside of the view", 43},
        {(const uint8_t *)"a longer text that lies outside of the viex", 43},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        samples_add_bytes(samples, texts[i].data, texts[i].size);
    }
}

static inline void samples_add_numeric(struct samples *samples, uint8_t kind, int16_t weight,
                                       const uint16_t *limbs, size_t count)
{
    uint8_t bytes[64] = {kind, 0, 0xFF, 0x3F}; // As many digits as there can be.
    memcpy(bytes + 4, &weight, sizeof weight);
    memcpy(bytes + 6, limbs, count * sizeof *limbs);
    struct span encoded = {bytes, NUMERIC_HEADER_SIZE + count * sizeof *limbs};
    CHECK(numeric_valid(encoded));
    samples_add_bytes(samples, bytes, encoded.size);
}

static inline void samples_of_numerics(struct samples *samples)
{
    const uint16_t limbs[] = {1, 9999, 9999, 1, 2, 5000, 10, 1};
    for (uint8_t kind = NUMERIC_POSITIVE; kind <= NUMERIC_NEGATIVE; kind++) {
        samples_add_numeric(samples, kind, 0, limbs, 1);
        samples_add_numeric(samples, kind, 0, limbs, 2);
        samples_add_numeric(samples, kind, 0, limbs, 3);
        samples_add_numeric(samples, kind, 0, limbs, 4);
        samples_add_numeric(samples, kind, 0, limbs + 1, 1);
        samples_add_numeric(samples, kind, 1, limbs, 1);
        samples_add_numeric(samples, kind, -1, limbs, 1);
        samples_add_numeric(samples, kind, -1, limbs + 5, 1);
        samples_add_numeric(samples, kind, -2, limbs + 1, 2);
        samples_add_numeric(samples, kind, 255, limbs, 3);
        samples_add_numeric(samples, kind, 256, limbs, 3);
        samples_add_numeric(samples, kind, INT16_MAX, limbs, 8);
        samples_add_numeric(samples, kind, -4096, limbs + 6, 1);
    }
    samples_add_numeric(samples, NUMERIC_POSITIVE, 0, limbs, 0);
    samples_add_numeric(samples, NUMERIC_NAN, 0, limbs, 0);
    samples_add_numeric(samples, NUMERIC_INFINITY, 0, limbs, 0);
    samples_add_numeric(samples, NUMERIC_MINUS_INFINITY, 0, limbs, 0);
}

static inline void samples_of_wides(struct samples *samples)
{
    __extension__ typedef __int128 wide;
    const wide ten18 = 1000000000000000000;
    const wide wides[] = {0,
                          1,
                          -1,
                          255,
                          256,
                          -256,
                          ten18,
                          -ten18,
                          ten18 * ten18 * 99,
                          -(ten18 * ten18 * 99),
                          (wide)1 << 64,
                          -((wide)1 << 64)};
    for (size_t i = 0; i < sizeof wides / sizeof *wides; i++) {
        samples_add(samples)->wide = wides[i];
    }
}

static inline void samples_of_intervals(struct samples *samples)
{
    const int64_t day = INT64_C(86400000000);
    const struct interval intervals[] = {
        {0, 0, 0},
        {1, 0, 0},
        {0, 30, 0},
        {0, 0, 30 * day},
        {0, 1, 0},
        {0, 0, day},
        {0, 0, day + 1},
        {0, 0, -1},
        {-1, 29, day},
        {-1, 31, 0},
        {12, 0, 0},
        {0, 0, INT64_MAX},
        {0, 0, INT64_MIN},
        {INT32_MAX, 0, 0},
        {INT32_MIN, 0, 0},
        {INT32_MAX, INT32_MAX, INT64_MAX},
        {INT32_MIN, INT32_MIN, INT64_MIN},
        {0, INT32_MAX, 0},
        {0, INT32_MIN, 0},
    };
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        samples_add(samples)->interval = intervals[i];
    }
}

static inline void samples_of_uuids(struct samples *samples)
{
    for (unsigned i = 0; i < 16; i++) {
        memset(samples_add(samples)->uuid, 0, 16);
        samples->values[samples->count - 1].uuid[i] = (uint8_t)(i % 2 == 0 ? 0x7F : 0x80);
    }
    memset(samples_add(samples)->uuid, 0xFF, 16);
}

static inline void samples_of_vectors(struct samples *samples)
{
    const float vectors[][3] = {{0, 0, 0},  {-0.0F, 0, 0}, {1, 0, 0},        {0, 1, 0},
                                {-1, 5, 5}, {NAN, 0, 0},   {INFINITY, 0, 0}, {0, 0, -FLT_MAX}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        samples_add_bytes(samples, vectors[i], sizeof vectors[i]);
    }
}

/* Fills in the values of type number `which`, below SAMPLE_TYPES. */
static inline void samples_make(struct samples *samples, unsigned which)
{
    *samples = (struct samples){0};
    const struct type types[SAMPLE_TYPES] = {
        type_of(TYPE_BOOL),
        type_of(TYPE_INT2),
        type_of(TYPE_INT4),
        type_of(TYPE_INT8),
        type_of(TYPE_FLOAT4),
        type_of(TYPE_FLOAT8),
        type_of(TYPE_NUMERIC),
        {.id = TYPE_NUMERIC, .precision = 12, .scale = 2},
        {.id = TYPE_NUMERIC, .precision = 38, .scale = 10},
        {.id = TYPE_NUMERIC, .precision = 100, .scale = 10},
        type_of(TYPE_TEXT),
        type_of(TYPE_BYTEA),
        type_of(TYPE_DATE),
        type_of(TYPE_TIME),
        type_of(TYPE_TIMESTAMP),
        type_of(TYPE_TIMESTAMPTZ),
        type_of(TYPE_INTERVAL),
        type_of(TYPE_UUID),
        {.id = TYPE_ENUM, .parameter = 7},
        {.id = TYPE_VECTOR, .parameter = 3},
        {.id = TYPE_TEXT, .parameter = 50},
        {.id = TYPE_NUMERIC, .precision = 18, .scale = 18},
    };
    samples->type = types[which];
    switch (samples->type.id) {
    case TYPE_BOOL:
        samples_add(samples)->boolean = false;
        samples_add(samples)->boolean = true;
        break;
    case TYPE_INT2:
        samples_of_integers(samples, INT16_MIN, INT16_MAX);
        break;
    case TYPE_INT4:
    case TYPE_DATE:
    case TYPE_ENUM:
        samples_of_integers(samples, INT32_MIN, INT32_MAX);
        break;
    case TYPE_FLOAT4:
        samples_of_reals(samples, (double)FLT_TRUE_MIN, (double)FLT_MAX);
        break;
    case TYPE_FLOAT8:
        samples_of_reals(samples, DBL_TRUE_MIN, DBL_MAX);
        break;
    case TYPE_TEXT:
    case TYPE_BYTEA:
        samples_of_bytes(samples);
        break;
    case TYPE_INTERVAL:
        samples_of_intervals(samples);
        break;
    case TYPE_UUID:
        samples_of_uuids(samples);
        break;
    case TYPE_VECTOR:
        samples_of_vectors(samples);
        break;
    default:
        if (type_physical(samples->type) == PHYSICAL_8) {
            samples_of_integers(samples, INT64_MIN, INT64_MAX);
        } else if (type_physical(samples->type) == PHYSICAL_16) {
            samples_of_wides(samples);
        } else {
            samples_of_numerics(samples);
        }
    }
}
