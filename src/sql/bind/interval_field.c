/* interval '90' day, interval '1 day 02:03' hour to minute, interval(3): fields and digits of a
 * literal. A number without a unit takes the last field's; what is smaller than that goes. */

#include <string.h>

#include "sql/bind/bind_internal.h"

/* The grammar gives fields as bits of PostgreSQL's numbering. */
enum field_mask {
    MASK_MONTH = 1 << 1,
    MASK_YEAR = 1 << 2,
    MASK_DAY = 1 << 3,
    MASK_HOUR = 1 << 10,
    MASK_MINUTE = 1 << 11,
    MASK_SECOND = 1 << 12,
    MASK_ALL = 0x7FFF,
};

#define SECOND_US     1000000
#define MINUTE_US     ((int64_t)60 * SECOND_US)
#define HOUR_US       (60 * MINUTE_US)
#define MONTHS_A_YEAR 12
#define DIGITS_MAX    6

/* The smallest field of several. */
static int32_t last_field(int32_t mask)
{
    static const int32_t fields[] = {MASK_SECOND, MASK_MINUTE, MASK_HOUR,
                                     MASK_DAY,    MASK_MONTH,  MASK_YEAR};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if ((mask & fields[i]) != 0) {
            return fields[i];
        }
    }
    return 0;
}

static const char *unit_of(int32_t field)
{
    switch (field) {
    case MASK_YEAR:
        return " year";
    case MASK_MONTH:
        return " month";
    case MASK_DAY:
        return " day";
    case MASK_HOUR:
        return " hour";
    case MASK_MINUTE:
        return " minute";
    default:
        return " second";
    }
}

/* What is smaller than the last field goes; nothing is carried. */
static void cut(struct interval *interval, int32_t mask)
{
    int32_t last = last_field(mask);
    if (mask == MASK_ALL) {
        return;
    }
    if (last == MASK_YEAR) {
        interval->months = interval->months / MONTHS_A_YEAR * MONTHS_A_YEAR;
    }
    if (last == MASK_YEAR || last == MASK_MONTH) {
        interval->days = 0;
    }
    if (last == MASK_HOUR) {
        interval->microseconds = interval->microseconds / HOUR_US * HOUR_US;
    } else if (last == MASK_MINUTE) {
        interval->microseconds = interval->microseconds / MINUTE_US * MINUTE_US;
    } else if (last != MASK_SECOND) {
        interval->microseconds = 0;
    }
}

/* Rounds to that many digits of a second. */
static void round_seconds(struct interval *interval, int32_t digits)
{
    int64_t unit = 1;
    for (int32_t i = digits; i < DIGITS_MAX; i++) {
        unit *= 10;
    }
    int64_t half = interval->microseconds < 0 ? -unit / 2 : unit / 2;
    interval->microseconds = (interval->microseconds + half) / unit * unit;
}

/* Where the number without a unit begins that a text of this size ends with; `size`: none. */
static size_t bare_number(const char *text, size_t size)
{
    size_t end = size;
    while (end > 0 && text[end - 1] == ' ') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && strchr("0123456789.", text[begin - 1]) != NULL) {
        begin--;
    }
    bool number = begin < end;
    begin -= begin > 0 && (text[begin - 1] == '+' || text[begin - 1] == '-') ? 1 : 0;
    return number && (begin == 0 || text[begin - 1] == ' ') ? begin : size;
}

/* '1:30' of MINUTE TO SECOND begins with minutes. */
static bool begins_with_minutes(const char *text, int32_t mask)
{
    const char *colon = strchr(text, ':');
    return mask == (MASK_MINUTE | MASK_SECOND) && colon != NULL && strchr(colon + 1, ':') == NULL;
}

static tdbplus_status read_literal(struct binder *binder, const struct ast_cast *ast,
                                   const char *text, int32_t mask, struct interval *interval_out)
{
    struct buffer spelled;
    struct datum value = {0};
    size_t size = strlen(text);
    size_t last = bare_number(text, size);
    bool days = last < size && (mask & MASK_DAY) != 0 && bare_number(text, last) < last;
    buffer_init(&spelled, binder->arena->alloc);
    buffer_put_text(&spelled, begins_with_minutes(text, mask) ? "0:" : "");
    buffer_put(&spelled, text, last);
    buffer_put_text(&spelled, days ? "day " : "");
    buffer_put_text(&spelled, text + last);
    buffer_put_text(&spelled, last < size ? unit_of(last_field(mask)) : "");
    tdbplus_status status =
        spelled.failed ? bind_no_memory(binder)
                       : func_read_as(buffer_span(&spelled), type_of(TYPE_INTERVAL),
                                      bind_style(binder), binder->arena, &value, binder->err);
    buffer_deinit(&spelled);
    if (status != TDBPLUS_OK && binder->err != NULL && binder->err->position == 0) {
        binder->err->position = parse_character(binder->text, ast->ast.position);
    }
    *interval_out = value.interval;
    return status;
}

/* -1: no such modifier, or none that is a number. */
static int32_t modifier(const struct ast_type_name *name, uint32_t number)
{
    const struct ast_constant *value =
        number < name->modifiers.count ? (const struct ast_constant *)name->modifiers.items[number]
                                       : NULL;
    return value != NULL && value->ast.kind == AST_CONSTANT && value->constant == AST_INTEGER
               ? value->integer
               : -1;
}

tdbplus_status bind_interval_field(struct binder *binder, const struct ast_cast *ast,
                                   struct expr **expr_out)
{
    const struct ast_type_name *name = (const struct ast_type_name *)ast->type;
    const struct ast_constant *text = (const struct ast_constant *)ast->argument;
    int32_t mask = modifier(name, 0);
    int32_t digits = modifier(name, 1);
    if (name->names.count != 1 || name->array_depth > 0 ||
        strcmp(name->names.items[0], "interval") != 0 || mask < 0 || mask == MASK_ALL ||
        text->ast.kind != AST_CONSTANT || text->constant != AST_STRING) {
        return TDBPLUS_OK;
    }
    struct datum value = {.type = type_of(TYPE_INTERVAL)};
    TRY(read_literal(binder, ast, text->text, mask, &value.interval));
    cut(&value.interval, mask);
    if (digits >= 0 && digits < DIGITS_MAX) {
        round_seconds(&value.interval, digits);
    }
    *expr_out = expr_constant(binder->arena, &value);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}
