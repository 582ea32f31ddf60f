/*
 * Goal: memcmp over normalised keys is datum_compare over values, for every pair of boundary values
 * of every type, alone, before another column, and in random composites; prefixes are prefixes.
 */

#include "type_samples.h"
#include "types/schema.h"

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static struct buffer encode(const struct datum *values, uint32_t count)
{
    struct buffer buffer = {.alloc = &alloc_system};
    struct err err = {0};
    CHECK(key_encode(values, count, &buffer, &err) == TDBPLUS_OK);
    return buffer;
}

static void check_pair(const struct datum *left, const struct datum *right)
{
    struct buffer a = encode(left, 1);
    struct buffer b = encode(right, 1);
    CHECK(sign(span_compare(buffer_span(&a), buffer_span(&b))) == sign(datum_compare(left, right)));
    CHECK(datum_compare(left, right) != 0 ||
          key_hash(buffer_span(&a)) == key_hash(buffer_span(&b)));
    // A second column decides only when the first is equal, whatever its bytes are.
    static const char *const tails[] = {"", "\x01", "\xFF\xFF"};
    for (int i = 0; i < 9; i++) {
        struct datum tail_left = {.type = type_of(TYPE_TEXT),
                                  .bytes = span_from_text(tails[i / 3])};
        struct datum tail_right = {.type = type_of(TYPE_TEXT),
                                   .bytes = span_from_text(tails[i % 3])};
        struct buffer c = encode((struct datum[]){*left, tail_left}, 2);
        struct buffer d = encode((struct datum[]){*right, tail_right}, 2);
        int expected = datum_compare(left, right);
        expected = expected != 0 ? expected : datum_compare(&tail_left, &tail_right);
        CHECK(sign(span_compare(buffer_span(&c), buffer_span(&d))) == sign(expected));
        buffer_deinit(&c);
        buffer_deinit(&d);
    }
    buffer_deinit(&a);
    buffer_deinit(&b);
}

TEST(keys_order_as_values_do)
{
    for (unsigned which = 0; which < SAMPLE_TYPES; which++) {
        struct samples samples;
        samples_make(&samples, which);
        if (!key_type_allowed(samples.type)) {
            CHECK(samples.type.id == TYPE_VECTOR);
            continue;
        }
        for (uint32_t i = 0; i < samples.count; i++) {
            for (uint32_t k = 0; k < samples.count; k++) {
                check_pair(&samples.values[i], &samples.values[k]);
            }
        }
    }
}

/* If left <= right, then right <= x gives left <= x for every x. */
static void check_transitive(const struct samples *samples, const struct datum *left,
                             const struct datum *right)
{
    if (datum_compare(left, right) > 0) {
        return;
    }
    for (uint32_t i = 0; i < samples->count; i++) {
        const struct datum *x = &samples->values[i];
        CHECK(datum_compare(right, x) > 0 || datum_compare(left, x) <= 0);
    }
}

TEST(values_have_a_total_order)
{
    for (unsigned which = 0; which < SAMPLE_TYPES; which++) {
        struct samples samples;
        samples_make(&samples, which);
        samples_add(&samples)->is_null = true;
        const struct datum *v = samples.values;
        for (uint32_t i = 0; i < samples.count; i++) {
            CHECK(datum_compare(&v[i], &v[i]) == 0);
            CHECK(i + 1 == samples.count || datum_compare(&v[i], &v[samples.count - 1]) < 0);
            for (uint32_t k = 0; k < samples.count; k++) {
                CHECK(sign(datum_compare(&v[i], &v[k])) == -sign(datum_compare(&v[k], &v[i])));
                check_transitive(&samples, &v[i], &v[k]);
            }
        }
    }
}

TEST(values_compare_as_postgresql_says)
{
    struct datum nan = {.type = type_of(TYPE_FLOAT8), .real = (double)NAN};
    struct datum infinity = {.type = type_of(TYPE_FLOAT8), .real = INFINITY};
    struct datum zero = {.type = type_of(TYPE_FLOAT8), .real = 0.0};
    struct datum minus_zero = {.type = type_of(TYPE_FLOAT8), .real = -0.0};
    CHECK(datum_compare(&nan, &infinity) > 0);
    CHECK(datum_compare(&zero, &minus_zero) == 0);
    struct datum month = {.type = type_of(TYPE_INTERVAL), .interval = {.months = 1}};
    struct datum days = {.type = type_of(TYPE_INTERVAL), .interval = {.days = 30}};
    struct datum more = {.type = type_of(TYPE_INTERVAL),
                         .interval = {.days = 30, .microseconds = 1}};
    CHECK(datum_compare(&month, &days) == 0);
    CHECK(datum_compare(&month, &more) < 0);
}

/* A few bits from a fixed sequence. */
static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

TEST(composites_order_column_by_column)
{
    static struct samples samples[SAMPLE_TYPES];
    for (unsigned which = 0; which < SAMPLE_TYPES; which++) {
        samples_make(&samples[which], which);
    }
    uint64_t state = 7;
    for (int round = 0; round < 20000; round++) {
        struct datum left[4];
        struct datum right[4];
        uint32_t count = 1 + next_random(&state) % 4;
        int expected = 0;
        for (uint32_t i = 0; i < count; i++) {
            unsigned which = 0;
            do {
                which = next_random(&state) % SAMPLE_TYPES;
            } while (!key_type_allowed(samples[which].type));
            const struct samples *of = &samples[which];
            left[i] = of->values[next_random(&state) % of->count];
            bool same = next_random(&state) % 4 != 0;
            right[i] = same ? left[i] : of->values[next_random(&state) % of->count];
            expected = expected != 0 ? expected : datum_compare(&left[i], &right[i]);
        }
        struct buffer a = encode(left, count);
        struct buffer b = encode(right, count);
        CHECK(sign(span_compare(buffer_span(&a), buffer_span(&b))) == sign(expected));
        for (uint32_t prefix = 0; prefix < count; prefix++) {
            struct buffer p = {.alloc = &alloc_system};
            CHECK(key_encode_prefix(left, prefix, &p, NULL) == TDBPLUS_OK);
            CHECK(p.size <= a.size && (p.size == 0 || memcmp(p.data, a.data, p.size) == 0));
            buffer_deinit(&p);
        }
        buffer_deinit(&a);
        buffer_deinit(&b);
    }
}

TEST(integer_keys_are_their_codes)
{
    const enum type_id ids[] = {TYPE_INT2, TYPE_INT4,      TYPE_INT8,        TYPE_DATE,
                                TYPE_TIME, TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ, TYPE_ENUM};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct datum value = {.type = type_of(ids[i]), .integer = -5};
        struct buffer key = encode(&value, 1);
        CHECK(key.size == 8);
        CHECK(key_code(buffer_span(&key)) == key_code_of_integer(-5));
        CHECK(key_integer_of_code(key_code(buffer_span(&key))) == -5);
        buffer_deinit(&key);
        struct schema_column column = {.id = 1, .not_null = true, .type = type_of(ids[i])};
        uint32_t first = 0;
        struct schema schema = {
            .column_count = 1, .columns = &column, .key_count = 1, .key_columns = &first};
        CHECK(key_is_integer(&schema));
        schema.key_count = 2;
        CHECK(!key_is_integer(&schema));
        column.type = type_of(TYPE_FLOAT8);
        schema.key_count = 1;
        CHECK(!key_is_integer(&schema));
    }
    CHECK(key_code((struct span){(const uint8_t *)"\x01\x02", 2}) == 0x0102000000000000u);
    CHECK(key_code((struct span){0}) == 0);
}

TEST(documents_arrays_and_vectors_are_no_keys)
{
    CHECK(!key_type_allowed(type_of(TYPE_JSON)));
    CHECK(!key_type_allowed((struct type){.id = TYPE_ARRAY, .element = TYPE_INT4}));
    CHECK(!key_type_allowed((struct type){.id = TYPE_VECTOR, .parameter = 2}));
    CHECK(!key_type_allowed((struct type){.id = 200}));
}

TEST(too_long_keys_and_nulls_leave_the_buffer_alone)
{
    static uint8_t zeros[KEY_SIZE_MAX + 1];
    struct buffer buffer = {.alloc = &alloc_system};
    buffer_put_u8(&buffer, 42);
    struct datum values[2] = {{.type = type_of(TYPE_TEXT)}, {.type = type_of(TYPE_BYTEA)}};
    for (size_t size = KEY_SIZE_MAX - 3; size <= KEY_SIZE_MAX + 1; size++) {
        values[0].bytes = (struct span){zeros, size};
        size_t before = buffer.size;
        bool fits = size <= KEY_SIZE_MAX;
        CHECK(key_encode(values, 1, &buffer, NULL) == (fits ? TDBPLUS_OK : TDBPLUS_E_LIMIT));
        CHECK(buffer.size == before + (fits ? size : 0));
        // Escaped, every zero takes two bytes, and the end two more.
        before = buffer.size;
        values[0].bytes = (struct span){zeros, size / 2};
        fits = size / 2 * 2 + 2 <= KEY_SIZE_MAX;
        CHECK(key_encode(values, 2, &buffer, NULL) == (fits ? TDBPLUS_OK : TDBPLUS_E_LIMIT));
        CHECK(buffer.size == before + (fits ? size / 2 * 2 + 2 : 0));
    }
    size_t before = buffer.size;
    values[1].is_null = true;
    values[0].bytes = (struct span){zeros, 1};
    struct err err = {0};
    CHECK(key_encode(values, 2, &buffer, &err) == TDBPLUS_E_NULL);
    CHECK(strstr(err.text, "column 2") != NULL);
    struct datum null = {.type = type_of(TYPE_INT8), .is_null = true};
    CHECK(key_encode(&null, 1, &buffer, NULL) == TDBPLUS_E_NULL);
    CHECK(buffer.size == before);
    buffer_deinit(&buffer);
}

TEST(failed_allocations_are_told)
{
    struct datum values[2] = {{.type = type_of(TYPE_INT8), .integer = 1},
                              {.type = type_of(TYPE_TEXT), .bytes = span_from_text("x")}};
    for (uint32_t count = 1; count <= 2; count++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, 0);
        struct buffer buffer = {.alloc = &fault.alloc};
        CHECK(key_encode(values, count, &buffer, NULL) == TDBPLUS_E_NOMEM);
        CHECK(buffer.size == 0 && fault.live_bytes == 0);
    }
}
