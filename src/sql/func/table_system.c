#include "sql/func/text_kernel.h"

#include <string.h>

/* ---- about the statement ---- */

static tdbplus_status same_for_all(struct func_call *call, const struct datum *value)
{
    for (uint32_t i = 0; i < call->count; i++) {
        column_set(call->result, kernel_row(call, i), value);
    }
    return TDBPLUS_OK;
}

static tdbplus_status text_for_all(struct func_call *call, const char *text)
{
    struct datum value = {.type = type_of(TYPE_TEXT), .bytes = span_from_text(text)};
    return same_for_all(call, &value);
}

static tdbplus_status now(struct func_call *call)
{
    struct datum value = {.type = type_of(TYPE_TIMESTAMPTZ),
                          .integer = call->context->transaction_time_us};
    return same_for_all(call, &value);
}

static tdbplus_status current_user(struct func_call *call)
{
    return text_for_all(call, call->context->user != NULL ? call->context->user : "tdb");
}

static tdbplus_status session_user(struct func_call *call)
{
    const struct func_context *context = call->context;
    return context->session_user != NULL ? text_for_all(call, context->session_user)
                                         : current_user(call);
}

static tdbplus_status current_database(struct func_call *call)
{
    return text_for_all(call, call->context->database != NULL ? call->context->database : "tdb");
}

static tdbplus_status version(struct func_call *call)
{
    return text_for_all(call, "PostgreSQL 15.0 (TDB+)");
}

static tdbplus_status type_name_of(struct func_call *call)
{
    char name[64];
    func_type_name_as(call->arguments[0].type, func_style(call), name);
    char *length = strchr(name, '(');
    if (length != NULL) {
        const char *behind = strchr(length, ')');
        memmove(length, behind + 1, strlen(behind)); // "character varying(3)[]" without "(3)".
    }
    uint8_t *copy = arena_bytes(call->arena, sizeof name);
    if (copy == NULL) {
        return kernel_no_memory(call);
    }
    memcpy(copy, name, sizeof name);
    return text_for_all(call, (const char *)copy);
}

/* xoroshiro128+ (Blackman, Vigna, 2018); 52 bits of it make a double in [0, 1). */
static uint64_t next_random(uint64_t state[2])
{
    uint64_t a = state[0];
    uint64_t b = state[1];
    uint64_t sum = a + b;
    b ^= a;
    state[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    state[1] = b << 37 | b >> 27;
    return sum;
}

static tdbplus_status random_float8(struct func_call *call)
{
    uint64_t *state = call->context->random_state;
    if (state[0] == 0 && state[1] == 0) {
        state[0] = 0x9E3779B97F4A7C15u;
    }
    for (uint32_t i = 0; i < call->count; i++) {
        ((double *)call->result->data)[kernel_row(call, i)] =
            (double)(next_random(state) >> 12) * 0x1p-52;
    }
    return TDBPLUS_OK;
}

const struct func table_system[] = {
    {"now", 0, {0}, TYPE_TIMESTAMPTZ, FUNC_STABLE, now, "When the transaction began."},
    {"transaction_timestamp",
     0,
     {0},
     TYPE_TIMESTAMPTZ,
     FUNC_STABLE,
     now,
     "When the transaction began."},
    {"statement_timestamp", 0, {0}, TYPE_TIMESTAMPTZ, FUNC_STABLE, now, "When it began."},
    {"current_user", 0, {0}, TYPE_TEXT, FUNC_STABLE, current_user, "Who is asking."},
    {"session_user", 0, {0}, TYPE_TEXT, FUNC_STABLE, session_user, "Who logged in."},
    {"current_database", 0, {0}, TYPE_TEXT, FUNC_STABLE, current_database, "Of which database."},
    {"version", 0, {0}, TYPE_TEXT, FUNC_STABLE, version, "Which release this is."},
    {"pg_typeof",
     1,
     {FUNC_ANY},
     TYPE_TEXT,
     FUNC_CALLED_ON_NULL | FUNC_STABLE,
     type_name_of,
     "Name of the type."},
    {"random",
     0,
     {0},
     TYPE_FLOAT8,
     FUNC_VOLATILE,
     random_float8,
     "A random number from 0 up to, not including, 1."},
    FUNC_END,
};
