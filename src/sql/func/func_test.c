/*
 * Goal: every function of the tables gives for a column what it gives for each of its rows alone,
 * whatever rows are listed, whichever arguments are constants or dictionaries, and nulls where a
 * strict function has a null. Method: all functions, on columns of boundary values chosen by a
 * seed.
 */

#include "sql/func/func.h"

#include "simd/simd.h"
#include "sql/func/aggregate.h"
#include "test.h"
#include "types/catalog_type.h"
#include "types/packed.h"

#define ROWS 70u /* More than a word of validity. */

static uint64_t seed = 0x5EED;

static uint32_t chance(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* The same of packed types. */
static const char *packed_sample(struct type type)
{
    static const char *const samples[][4] = {
        [TYPE_TIMETZ] = {"12:00+00", "13:00:00.5+01", "23:59-08", "00:00+05:30"},
        [TYPE_MONEY] = {"$0.00", "-1.50", "1,234.56", "3"},
        [TYPE_BIT] = {"101", "010", "111", "000"},
        [TYPE_VARBIT] = {"", "1", "0101", "111111111111111"},
        [TYPE_INET] = {"10.1.2.3/8", "::1", "192.168.0.1", "fe80::1/64"},
        [TYPE_CIDR] = {"10.0.0.0/8", "::/0", "192.168.0.0/24", "fe80::/64"},
        [TYPE_MACADDR] = {"08:00:2b:01:02:03", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff",
                          "1:2:3:4:5:6"},
        [TYPE_MACADDR8] = {"08:00:2b:ff:fe:01:02:03", "0000000000000000", "ffffffffffffffff",
                           "08002b010203"},
        [TYPE_INT4RANGE] = {"[1,5)", "empty", "(,3]", "[2,)"},
        [TYPE_INT8RANGE] = {"[1,5)", "empty", "(,3]", "[2,)"},
        [TYPE_NUMRANGE] = {"[1.0,5.50)", "empty", "(,3]", "[2.25,)"},
        [TYPE_TSRANGE] = {"[2020-01-01,2020-01-02)", "empty", "(,infinity]", "(,)"},
        [TYPE_TSTZRANGE] = {"[2020-01-01,2020-01-02)", "empty", "(,infinity]", "(,)"},
        [TYPE_DATERANGE] = {"[2020-01-01,2020-01-02]", "empty", "(,2020-01-01]", "(,)"},
        [TYPE_INT4MULTIRANGE] = {"{[1,5)}", "{}", "{(,3],[7,9)}", "{[2,)}"},
        [TYPE_INT8MULTIRANGE] = {"{[1,5)}", "{}", "{(,3],[7,9)}", "{[2,)}"},
        [TYPE_NUMMULTIRANGE] = {"{[1.0,5)}", "{}", "{(,3],[7.50,9)}", "{[2,)}"},
        [TYPE_TSMULTIRANGE] = {"{[2020-01-01,2020-01-02)}", "{}", "{(,)}", "{(,2020-01-01]}"},
        [TYPE_TSTZMULTIRANGE] = {"{[2020-01-01,2020-01-02)}", "{}", "{(,)}", "{(,2020-01-01]}"},
        [TYPE_DATEMULTIRANGE] = {"{[2020-01-01,2020-01-02)}", "{}", "{(,)}", "{(,2020-01-01]}"},
    };
    return samples[type.id][chance(4)];
}

/* Texts that a value of the type is read from. */
static const char *sample(struct type type)
{
    static const char *const integers[] = {"0", "1", "-1", "2", "7", "-32768", "32767", "100"};
    static const char *const floats[] = {"0",   "-0",  "1.5",       "-2.25", "1e300",
                                         "NaN", "0.1", "-Infinity", "3",     "1e-300"};
    static const char *const numerics[] = {"0",   "1.50", "-2.255", "12345678901234567890.5",
                                           "NaN", "3",    "0.001"};
    static const char *const texts[] = {"",      "a", "hello world", "a text beyond twelve bytes",
                                        "äöü",   "%", "_",           "100",
                                        "x,y,z", "日"};
    static const char *const dates[] = {"2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31",
                                        "infinity"};
    static const char *const times[] = {"00:00", "12:34:56.789", "23:59:59.999999"};
    static const char *const stamps[] = {"2024-02-29 12:00", "1970-01-01", "1900-01-01 23:59:59",
                                         "-infinity"};
    static const char *const intervals[] = {"1 day", "-1 month", "0", "1 year 2 days 03:04:05"};
    static const char *const documents[] = {"null", "1.5", "\"s\"", "[1,2,[3]]",
                                            "{\"a\":1,\"b\":{\"c\":\"x\"}}"};
    static const char *const labels[] = {"small", "middle", "largest"};
    static const char *const text_arrays[] = {"{}", "{a}", "{a,NULL,\"\"}", "{{a,b},{c,d}}",
                                              "[0:1]={x,\"a text beyond twelve bytes\"}"};
    static const char *const integer_arrays[] = {"{}", "{1}", "{1,NULL,3}", "{{1,2},{3,4}}",
                                                 "[5:6]={2,1}"};
#define PICK(list) list[chance(sizeof(list) / sizeof *(list))]
    switch (type.id) {
    case TYPE_BOOL:
        return chance(2) == 0 ? "t" : "f";
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        return PICK(integers);
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        return type.id == TYPE_FLOAT4 ? "1.25" : PICK(floats);
    case TYPE_NUMERIC:
        return PICK(numerics);
    case TYPE_DATE:
        return PICK(dates);
    case TYPE_TIME:
        return PICK(times);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return PICK(stamps);
    case TYPE_INTERVAL:
        return PICK(intervals);
    case TYPE_VECTOR:
        return chance(2) == 0 ? "[1,2,3]" : "[0,-1.5,1e-3]";
    case TYPE_UUID:
        return "00000000-0000-0000-0000-00000000000a";
    case TYPE_JSON:
        return PICK(documents);
    case TYPE_ARRAY:
        return type.element == TYPE_TEXT         ? PICK(text_arrays)
               : type.element == TYPE_BOOL       ? "{t,f,NULL}"
               : type.element == TYPE_JSON       ? "{1,null,NULL}"
               : type.element == TYPE_BYTEA      ? "{}"
               : packed_type(type_element(type)) ? "{empty}"
                                                 : PICK(integer_arrays);
    case TYPE_ENUM:
        return PICK(labels);
    case TYPE_BYTEA:
        return chance(2) == 0 ? "\\x" : "\\x00ff10";
    default:
        if (catalog_number_type(type)) {
            return chance(2) == 0 ? "0" : "4294967295";
        }
        if (type.id == TYPE_NAME || type.id == TYPE_CHAR1) {
            return PICK(texts);
        }
        return packed_type(type) && type.id != TYPE_BPCHAR ? packed_sample(type) : PICK(texts);
    }
#undef PICK
}

/* One enum: small, middle, large. */
static bool ordinal_of(void *ctx, uint32_t list, struct span label, int64_t *ordinal_out)
{
    (void)ctx;
    *ordinal_out = label.size == 5 ? 0 : label.size == 6 ? 7 : 9;
    return list == 1;
}

static bool ordinal_next(void *ctx, uint32_t list, int64_t from, int64_t *ordinal_out)
{
    (void)ctx;
    *ordinal_out = from <= 0 ? 0 : from <= 7 ? 7 : 9;
    return list == 1 && from <= 9;
}

static const struct text_style style = {.ordinal_of = ordinal_of, .ordinal_next = ordinal_next};
static const struct func_session session = {.style = &style};

static struct type type_for(uint8_t declared)
{
    if (declared == FUNC_ANY_ENUM) {
        return (struct type){.id = TYPE_ENUM, .parameter = 1};
    }
    if (declared == FUNC_ANY_ARRAY || declared == FUNC_COMMON_ARRAY) {
        return func_array_of(type_of(TYPE_TEXT));
    }
    if (declared == FUNC_ANY_RANGE || declared == FUNC_ANY_MULTIRANGE) {
        // Of texts there are none; the element type cannot be told from here.
        return type_of(declared == FUNC_ANY_RANGE ? TYPE_INT4RANGE : TYPE_INT4MULTIRANGE);
    }
    if (declared >= FUNC_ANY) {
        return type_of(TYPE_TEXT);
    }
    if (declared == TYPE_VECTOR) {
        return (struct type){.id = TYPE_VECTOR, .parameter = 3};
    }
    return declared > FUNC_ARRAY_BASE
               ? func_array_of(type_of((enum type_id)(declared - FUNC_ARRAY_BASE)))
               : type_of((enum type_id)declared);
}

/* The same beside ranges, which say what the open type is. */
static struct type type_in(const struct func *func, uint8_t declared)
{
    for (uint32_t i = 0; i < func->argument_count && declared == FUNC_SAME; i++) {
        if (func->arguments[i] == FUNC_ANY_RANGE || func->arguments[i] == FUNC_ANY_MULTIRANGE) {
            return type_of(TYPE_INT4);
        }
    }
    if (declared == FUNC_ANY_ARRAY && func->arguments[0] == FUNC_ANY_ENUM) {
        return func_array_of(type_for(FUNC_ANY_ENUM));
    }
    return type_for(declared);
}

/* What the kernel gives: rows come as an array of them. */
static struct type result_type_for(const struct func *func)
{
    struct type type = type_in(func, func->result);
    return (func->flags & FUNC_SET) != 0 && type.id != TYPE_ARRAY ? func_array_of(type) : type;
}

/* A column of samples: flat, constant or a dictionary of the flat one, with some nulls. */
static void make_argument(struct type type, struct arena *arena, struct column *column)
{
    struct column *flat = arena_array(arena, 1, sizeof *flat);
    CHECK(column_make(flat, type, ROWS, true, arena));
    for (uint32_t row = 0; row < ROWS; row++) {
        struct datum value = {0};
        CHECK(func_read_as(span_from_text(sample(type)), type, &style, arena, &value, NULL) ==
              TDBPLUS_OK);
        value.is_null = chance(8) == 0;
        column_set(flat, row, &value);
    }
    uint32_t form = chance(4);
    *column = *flat;
    if (form == 0) {
        struct datum value;
        column_get(flat, chance(ROWS), &value);
        CHECK(column_make_constant(column, &value, ROWS, arena));
    } else if (form == 1) {
        uint32_t *codes = arena_array(arena, ROWS, sizeof *codes);
        for (uint32_t row = 0; row < ROWS; row++) {
            codes[row] = chance(ROWS);
        }
        *column = (struct column){.type = type,
                                  .form = COLUMN_DICTIONARY,
                                  .row_count = ROWS,
                                  .codes = codes,
                                  .dictionary = flat};
    }
}

static bool same_value(const struct datum *left, const struct datum *right)
{
    if (left->is_null || right->is_null) {
        return left->is_null == right->is_null;
    }
    return datum_compare(left, right) == 0;
}

/* One row alone; random() and the like are left out by the caller. */
static tdbplus_status apply_row(const struct func *func, struct type result,
                                const struct column *arguments, uint32_t count, uint32_t row,
                                struct arena *arena, struct func_context *context,
                                struct datum *value_out)
{
    struct datum values[FUNC_DECLARED_MAX];
    for (uint32_t a = 0; a < count; a++) {
        column_get(&arguments[a], row, &values[a]);
    }
    return func_apply_once(func, result, values, count, arena, context, value_out, NULL);
}

static uint32_t check_function(const struct func *func)
{
    struct arena arena;
    arena_init(&arena, &alloc_system, 0);
    struct func_context context = {.user = "u", .database = "d"};
    context.session = func->arguments[0] == FUNC_ANY_ENUM ? &session : NULL;
    struct column *arguments = arena_array(&arena, FUNC_DECLARED_MAX, sizeof *arguments);
    uint16_t rows[ROWS];
    uint32_t listed = 0;
    for (uint32_t a = 0; a < func->argument_count; a++) {
        make_argument(type_in(func, func->arguments[a]), &arena, &arguments[a]);
    }
    for (uint16_t row = 0; row < ROWS; row++) {
        rows[listed] = row;
        listed += chance(3) != 0;
    }
    bool all = chance(3) == 0;
    struct func_rows chosen = {all ? NULL : rows, all ? ROWS : listed, ROWS};
    struct func_call call = {.arena = &arena, .context = &context};
    struct column result = {0};
    struct type type = result_type_for(func);
    tdbplus_status status =
        func_apply(func, type, arguments, func->argument_count, &chosen, &call, &result);
    bool any_failed = false;
    for (uint32_t i = 0; i < chosen.count; i++) {
        uint32_t row = all ? i : rows[i];
        struct datum alone = {0};
        struct datum together = {0};
        tdbplus_status alone_status =
            apply_row(func, type, arguments, func->argument_count, row, &arena, &context, &alone);
        any_failed = any_failed || alone_status != TDBPLUS_OK;
        if (status == TDBPLUS_OK) {
            CHECK(alone_status == TDBPLUS_OK);
            column_get(&result, row, &together);
            CHECK(same_value(&alone, &together));
        }
    }
    CHECK(status == TDBPLUS_OK || any_failed || chosen.count == 0);
    arena_deinit(&arena);
    return status == TDBPLUS_OK ? 1 : 0;
}

TEST(columns_give_what_their_rows_give_alone)
{
    uint32_t worked = 0;
    simd_init();
    const struct func *func = NULL;
    for (uint32_t number = 0; (func = func_at(number)) != NULL; number++) {
        CHECK(func->kernel != NULL && func->summary != NULL && func->name[0] != 0);
        CHECK(func->argument_count <= FUNC_DECLARED_MAX);
        // Series are as long as their arguments say: too long for any values.
        bool left_out =
            (func->flags & FUNC_VOLATILE) != 0 || strcmp(func->name, "generate_series") == 0;
        for (uint32_t round = 0; round < 30 && !left_out; round++) {
            worked += check_function(func);
        }
    }
    CHECK(worked > 2000);
}

struct resolved {
    const char *name;
    bool is_operator;
    uint8_t types[2];
    uint32_t count;
    enum func_found found;
    uint8_t result;
};

/* PostgreSQL's answers: SELECT pg_typeof(...). */
TEST(calls_mean_what_they_mean_in_postgresql)
{
    static const struct resolved cases[] = {
        {"+", true, {TYPE_INT2, TYPE_INT4}, 2, FUNC_FOUND, TYPE_INT4},
        {"+", true, {TYPE_INT4, TYPE_NONE}, 2, FUNC_FOUND, TYPE_INT4},
        {"+", true, {TYPE_INT4, TYPE_NUMERIC}, 2, FUNC_FOUND, TYPE_NUMERIC},
        {"*", true, {TYPE_FLOAT4, TYPE_INT4}, 2, FUNC_FOUND, TYPE_FLOAT8},
        {"+", true, {TYPE_NONE, TYPE_NONE}, 2, FUNC_AMBIGUOUS, 0},
        {"+", true, {TYPE_TEXT, TYPE_INT4}, 2, FUNC_NOT_FOUND, 0},
        {"||", true, {TYPE_NONE, TYPE_NONE}, 2, FUNC_FOUND, TYPE_TEXT},
        {"||", true, {TYPE_NONE, TYPE_INT4}, 2, FUNC_FOUND, TYPE_TEXT},
        {"-", true, {TYPE_DATE, TYPE_NONE}, 2, FUNC_FOUND, TYPE_INT4},
        {"=", true, {TYPE_DATE, TYPE_TIMESTAMP}, 2, FUNC_FOUND, TYPE_BOOL},
        {"abs", false, {TYPE_NONE}, 1, FUNC_FOUND, TYPE_FLOAT8},
        {"length", false, {TYPE_NONE}, 1, FUNC_FOUND, TYPE_INT4},
        {"round", false, {TYPE_INT4}, 1, FUNC_FOUND, TYPE_FLOAT8},
        {"nofunc", false, {TYPE_INT4}, 1, FUNC_NAME_UNKNOWN, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct func_match match;
        struct type types[2] = {type_of((enum type_id)cases[i].types[0]),
                                type_of((enum type_id)cases[i].types[1])};
        enum func_found found =
            func_resolve(cases[i].name, cases[i].is_operator, types, cases[i].count, &match);
        CHECK(found == cases[i].found);
        CHECK(found != FUNC_FOUND || match.result.id == cases[i].result);
    }
    CHECK(strcmp(func_similar("lenght"), "length") == 0 && func_similar("zzzzzz") == NULL);
}
