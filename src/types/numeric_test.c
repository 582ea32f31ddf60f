/*
 * Goal: numerics read, print, compute, round and convert as in PostgreSQL 15, and the stored form
 * is always the valid one.
 * Method: vectors made by PostgreSQL; identities over random numbers of many sizes; every
 * truncation and bit flip of stored forms; sweeps over failing allocations.
 */

#include "types/numeric.h"

#include <math.h>
#include <stdlib.h>

#include "test.h"
#include "types/numeric_internal.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct operation {
    const char *name;
    const char *left;
    const char *right;
    const char *result;
    int is_error;
};

static const struct operation operations[] = {
#include "types/vectors/numeric.inc"
};

static const struct {
    const char *text;
    const char *result;
    int is_error;
} texts[] = {
#include "types/vectors/numeric_text.inc"
};

static const struct {
    const char *type;
    const char *value;
    const char *result;
    int is_error;
} reals[] = {
#include "types/vectors/numeric_real.inc"
};

static struct buffer parse(const char *text)
{
    struct buffer buffer = {.alloc = &alloc_system};
    CHECK(numeric_parse(span_from_text(text), &buffer, NULL) == TDBPLUS_OK);
    CHECK(numeric_valid(buffer_span(&buffer)));
    return buffer;
}

static bool prints_as(struct span value, const char *expected)
{
    struct buffer text = {.alloc = &alloc_system};
    numeric_print(value, &text);
    bool same = span_compare(buffer_span(&text), span_from_text(expected)) == 0;
    if (!same) {
        fprintf(stderr, "got %.*s, expected %s\n", (int)text.size, (char *)text.data, expected);
    }
    buffer_deinit(&text);
    return same;
}

typedef tdbplus_status (*binary_fn)(struct span left, struct span right, struct buffer *buffer,
                                    struct err *err);
typedef tdbplus_status (*unary_fn)(struct span value, struct buffer *buffer, struct err *err);
typedef tdbplus_status (*cut_fn)(struct span value, int32_t scale, struct buffer *buffer,
                                 struct err *err);

static const struct {
    const char *name;
    binary_fn binary;
    unary_fn unary;
    cut_fn cut;
} functions[] = {
    {"+", numeric_add, NULL, NULL},        {"-", numeric_subtract, NULL, NULL},
    {"*", numeric_multiply, NULL, NULL},   {"/", numeric_divide, NULL, NULL},
    {"%", numeric_modulo, NULL, NULL},     {"div", numeric_divide_whole, NULL, NULL},
    {"sqrt", NULL, numeric_sqrt, NULL},    {"floor", NULL, numeric_floor, NULL},
    {"ceil", NULL, numeric_ceiling, NULL}, {"abs", NULL, numeric_absolute, NULL},
    {"round", NULL, NULL, numeric_round},  {"trunc", NULL, NULL, numeric_truncate},
};

/* Runs one of the functions above into `result`; false when there is none of that name. */
static bool run(const struct operation *op, struct buffer *result, tdbplus_status *status_out,
                struct err *err)
{
    for (size_t i = 0; i < COUNT(functions); i++) {
        if (strcmp(op->name, functions[i].name) != 0) {
            continue;
        }
        struct buffer left = parse(op->left);
        if (functions[i].binary != NULL) {
            struct buffer right = parse(op->right);
            *status_out = functions[i].binary(buffer_span(&left), buffer_span(&right), result, err);
            buffer_deinit(&right);
        } else if (functions[i].unary != NULL) {
            *status_out = functions[i].unary(buffer_span(&left), result, err);
        } else {
            int32_t scale = (int32_t)strtol(op->right, NULL, 10);
            *status_out = functions[i].cut(buffer_span(&left), scale, result, err);
        }
        buffer_deinit(&left);
        return true;
    }
    return false;
}

static void check_integer(const struct operation *op)
{
    struct buffer value = parse(op->left);
    struct err err = {0};
    int64_t max = op->name[3] == '2' ? INT16_MAX : op->name[3] == '4' ? INT32_MAX : INT64_MAX;
    int64_t integer = 0;
    tdbplus_status status = numeric_to_integer(buffer_span(&value), -max - 1, max, &integer, &err);
    CHECK((status != TDBPLUS_OK) == op->is_error);
    if (op->is_error) {
        CHECK(strcmp(err.sqlstate, op->result) == 0);
    } else {
        CHECK(integer == strtoll(op->result, NULL, 10));
    }
    buffer_deinit(&value);
}

static void check_type(const struct operation *op)
{
    struct arena arena = {.alloc = &alloc_system};
    struct type type = {.id = TYPE_NUMERIC};
    CHECK(sscanf(op->name, "numeric(%hd,%hd)", &type.precision, &type.scale) == 2);
    struct buffer value = parse(op->left);
    struct err err = {0};
    struct datum datum = {0};
    tdbplus_status status = numeric_to_datum(buffer_span(&value), type, &arena, &datum, &err);
    if (strcmp(op->left, "NaN") == 0 && type_physical(type) != PHYSICAL_VIEW) {
        CHECK(status == TDBPLUS_E_UNSUPPORTED); // PostgreSQL has it; documented.
    } else if (op->is_error) {
        CHECK(status == TDBPLUS_E_RANGE && strcmp(err.sqlstate, op->result) == 0);
    } else {
        CHECK(status == TDBPLUS_OK && type_equal(datum.type, type));
        struct buffer back = {.alloc = &alloc_system};
        numeric_of_datum(&datum, &back);
        CHECK(numeric_valid(buffer_span(&back)) && prints_as(buffer_span(&back), op->result));
        buffer_deinit(&back);
    }
    buffer_deinit(&value);
    arena_deinit(&arena);
}

/* Operations whose result is no numeric. */
static void check_other(const struct operation *op)
{
    struct buffer left = parse(op->left);
    if (strcmp(op->name, "cmp") == 0) {
        struct buffer right = parse(op->right);
        int order = numeric_compare(buffer_span(&left), buffer_span(&right));
        CHECK((order > 0) - (order < 0) == strtol(op->result, NULL, 10));
        CHECK(order != 0 || numeric_hash(buffer_span(&left)) == numeric_hash(buffer_span(&right)));
        buffer_deinit(&right);
    } else if (strcmp(op->name, "sign") == 0) {
        double expected = strtod(op->result, NULL);
        CHECK(numeric_sign(buffer_span(&left)) == (isnan(expected) ? 1 : (int)expected));
    } else if (strcmp(op->name, "float8") == 0) {
        double expected = strtod(op->result, NULL);
        double got = numeric_to_float8(buffer_span(&left));
        CHECK(got == expected || (isnan(got) && isnan(expected)));
    } else if (strncmp(op->name, "int", 3) == 0) {
        check_integer(op);
    } else {
        check_type(op);
    }
    buffer_deinit(&left);
}

TEST(operations_give_what_postgresql_gives)
{
    for (size_t i = 0; i < COUNT(operations); i++) {
        const struct operation *op = &operations[i];
        struct buffer result = {.alloc = &alloc_system};
        struct err err = {0};
        tdbplus_status status = TDBPLUS_OK;
        if (!run(op, &result, &status, &err)) {
            check_other(op);
            continue;
        }
        bool good = op->is_error ? status != TDBPLUS_OK && strcmp(err.sqlstate, op->result) == 0
                                 : status == TDBPLUS_OK && numeric_valid(buffer_span(&result)) &&
                                       prints_as(buffer_span(&result), op->result);
        if (!good) {
            fprintf(stderr, "%s %s %s\n", op->name, op->left, op->right);
        }
        CHECK(good);
        buffer_deinit(&result);
    }
}

TEST(texts_are_read_as_postgresql_reads_them)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buffer value = {.alloc = &alloc_system};
        struct err err = {0};
        tdbplus_status status = numeric_parse(span_from_text(texts[i].text), &value, &err);
        CHECK((status != TDBPLUS_OK) == texts[i].is_error);
        if (texts[i].is_error) {
            CHECK(strcmp(err.sqlstate, texts[i].result) == 0 && value.size == 0);
        } else {
            CHECK(numeric_valid(buffer_span(&value)));
            CHECK(prints_as(buffer_span(&value), texts[i].result));
        }
        buffer_deinit(&value);
    }
}

TEST(floats_become_the_digits_they_surely_have)
{
    for (size_t i = 0; i < COUNT(reals); i++) {
        struct buffer value = {.alloc = &alloc_system};
        if (strcmp(reals[i].type, "float8") == 0) {
            CHECK(numeric_of_float8(strtod(reals[i].value, NULL), &value, NULL) == TDBPLUS_OK);
        } else {
            CHECK(numeric_of_float4(strtof(reals[i].value, NULL), &value, NULL) == TDBPLUS_OK);
        }
        CHECK(!reals[i].is_error && prints_as(buffer_span(&value), reals[i].result));
        buffer_deinit(&value);
    }
}

TEST(extremes_fit_and_what_is_past_them_does_not)
{
    struct buffer big = parse("9e131071");
    struct buffer small = parse("1e-16383");
    struct buffer result = {.alloc = &alloc_system};
    CHECK(numeric_add(buffer_span(&big), buffer_span(&small), &result, NULL) == TDBPLUS_OK);
    CHECK(numeric_valid(buffer_span(&result)));
    struct buffer text = {.alloc = &alloc_system};
    numeric_print(buffer_span(&result), &text);
    CHECK(text.size == 131072 + 1 + 16383);
    struct buffer again = {.alloc = &alloc_system};
    CHECK(numeric_parse(buffer_span(&text), &again, NULL) == TDBPLUS_OK);
    CHECK(span_compare(buffer_span(&again), buffer_span(&result)) == 0);
    buffer_clear(&result);
    CHECK(numeric_add(buffer_span(&big), buffer_span(&big), &result, NULL) == TDBPLUS_E_RANGE);
    buffer_clear(&result);
    CHECK(numeric_multiply(buffer_span(&small), buffer_span(&small), &result, NULL) == TDBPLUS_OK);
    CHECK(numeric_sign(buffer_span(&result)) == 0 && numeric_valid(buffer_span(&result)));
    buffer_clear(&result);
    CHECK(numeric_divide(buffer_span(&big), buffer_span(&small), &result, NULL) == TDBPLUS_E_RANGE);
    buffer_deinit(&again);
    buffer_deinit(&text);
    buffer_deinit(&result);
    buffer_deinit(&small);
    buffer_deinit(&big);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Up to `digits_max` digits on either side of the point; runs of nines and zeros are likely. */
static struct buffer random_number(uint64_t *state, uint32_t digits_max)
{
    char text[512];
    size_t size = 0;
    text[size++] = next_random(state) % 2 == 0 ? '-' : '+';
    for (int part = 0; part < 2; part++) {
        uint32_t digits = 1 + next_random(state) % digits_max;
        for (uint32_t i = 0; i < digits; i++) {
            uint32_t dice = next_random(state) % 4;
            text[size++] = (char)('0' + (dice == 0 ? 9 : dice == 1 ? 0 : next_random(state) % 10));
        }
        text[size++] = '.';
    }
    text[size - 1] = 0;
    return parse(text);
}

TEST(sums_products_and_quotients_agree)
{
    uint64_t state = 11;
    for (int round = 0; round < 3000; round++) {
        struct buffer a = random_number(&state, round % 3 == 0 ? 200 : 30);
        struct buffer b = random_number(&state, round % 2 == 0 ? 120 : 12);
        struct buffer x = {.alloc = &alloc_system};
        struct buffer y = {.alloc = &alloc_system};
        struct buffer z = {.alloc = &alloc_system};
        // (a + b) - b = a
        CHECK(numeric_add(buffer_span(&a), buffer_span(&b), &x, NULL) == TDBPLUS_OK);
        CHECK(numeric_subtract(buffer_span(&x), buffer_span(&b), &y, NULL) == TDBPLUS_OK);
        CHECK(numeric_compare(buffer_span(&y), buffer_span(&a)) == 0);
        CHECK(numeric_valid(buffer_span(&x)) && numeric_valid(buffer_span(&y)));
        if (numeric_sign(buffer_span(&b)) != 0) {
            // div(a, b) * b + a % b = a
            buffer_clear(&x);
            buffer_clear(&y);
            CHECK(numeric_divide_whole(buffer_span(&a), buffer_span(&b), &x, NULL) == TDBPLUS_OK);
            CHECK(numeric_multiply(buffer_span(&x), buffer_span(&b), &y, NULL) == TDBPLUS_OK);
            CHECK(numeric_modulo(buffer_span(&a), buffer_span(&b), &z, NULL) == TDBPLUS_OK);
            buffer_clear(&x);
            CHECK(numeric_add(buffer_span(&y), buffer_span(&z), &x, NULL) == TDBPLUS_OK);
            CHECK(numeric_compare(buffer_span(&x), buffer_span(&a)) == 0);
            // |a % b| < |b|, and (a * b) / b = a
            struct numeric_parts rest = numeric_parts(buffer_span(&z));
            struct numeric_parts divisor = numeric_parts(buffer_span(&b));
            CHECK(numeric_compare_magnitudes(&rest, &divisor) < 0);
            buffer_clear(&x);
            buffer_clear(&y);
            CHECK(numeric_multiply(buffer_span(&a), buffer_span(&b), &x, NULL) == TDBPLUS_OK);
            CHECK(numeric_divide(buffer_span(&x), buffer_span(&b), &y, NULL) == TDBPLUS_OK);
            CHECK(numeric_compare(buffer_span(&y), buffer_span(&a)) == 0);
        }
        buffer_deinit(&x);
        buffer_deinit(&y);
        buffer_deinit(&z);
        buffer_deinit(&a);
        buffer_deinit(&b);
    }
}

TEST(scaled_integers_come_back)
{
    uint64_t state = 5;
    for (int round = 0; round < 20000; round++) {
        wide_int value = (wide_int)(((wide_uint)next_random(&state) << 96) |
                                    ((wide_uint)next_random(&state) << 64) |
                                    ((wide_uint)next_random(&state) << 32) | next_random(&state));
        value >>= next_random(&state) % 127;
        value %= numeric_power_of_ten(38);
        value = next_random(&state) % 2 == 0 ? value : -value;
        unsigned scale = next_random(&state) % 39;
        struct buffer buffer = {.alloc = &alloc_system};
        struct buffer text = {.alloc = &alloc_system};
        numeric_put_scaled(value, scale, &buffer);
        CHECK(numeric_valid(buffer_span(&buffer)));
        wide_int back = 0;
        CHECK(numeric_to_scaled(buffer_span(&buffer), scale, &back) && back == value);
        numeric_print_scaled(value, scale, &text);
        buffer_put_u8(&text, 0);
        CHECK(prints_as(buffer_span(&buffer), (char *)text.data));
        buffer_deinit(&text);
        buffer_deinit(&buffer);
    }
}

TEST(only_valid_bytes_are_accepted)
{
    static const char *const numbers[] = {"0",         "-1.5", "12345678.000123", "1e30", "NaN",
                                          "-Infinity", "0.00"};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct buffer good = parse(numbers[i]);
        for (size_t size = 0; size < good.size; size++) {
            // Shorter by whole limbs it may be another number; never is a part of one accepted.
            bool valid = numeric_valid((struct span){good.data, size});
            CHECK(!valid || (size >= NUMERIC_HEADER_SIZE && size % 2 == 0));
        }
        for (size_t bit = 0; bit < 8 * good.size; bit++) {
            good.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            if (numeric_valid(buffer_span(&good))) {
                struct buffer text = {.alloc = &alloc_system};
                numeric_print(buffer_span(&good), &text);
                buffer_put_u8(&text, 0);
                struct buffer again = parse((char *)text.data);
                // NaN and infinities do not print their scale.
                CHECK(good.data[0] > NUMERIC_NEGATIVE ||
                      span_compare(buffer_span(&again), buffer_span(&good)) == 0);
                buffer_deinit(&again);
                buffer_deinit(&text);
            }
            good.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        buffer_deinit(&good);
    }
}

TEST(operations_survive_every_failed_allocation)
{
    struct buffer a = random_number(&(uint64_t){1}, 250);
    struct buffer b = random_number(&(uint64_t){2}, 150);
    b.data[0] = NUMERIC_POSITIVE; // For the root.
    for (size_t i = 0; i < COUNT(functions); i++) {
        uint32_t fail_at = 0;
        for (;; fail_at++) {
            struct fault_alloc fault;
            fault_alloc_init(&fault, fail_at);
            struct buffer result = {.alloc = &fault.alloc};
            struct span left = buffer_span(&a);
            struct span right = buffer_span(&b);
            bool is_root = functions[i].unary == numeric_sqrt;
            tdbplus_status status = functions[i].binary != NULL
                                        ? functions[i].binary(left, right, &result, NULL)
                                    : functions[i].unary != NULL
                                        ? functions[i].unary(is_root ? right : left, &result, NULL)
                                        : functions[i].cut(left, 3, &result, NULL);
            buffer_deinit(&result);
            CHECK(fault.live_bytes == 0);
            if (status != TDBPLUS_E_NOMEM) {
                CHECK(status == TDBPLUS_OK);
                break;
            }
        }
        CHECK(fail_at > 0);
    }
    buffer_deinit(&a);
    buffer_deinit(&b);
}
