#include "sql/session/setting.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "sql/func/func.h"

#define NAME_SIZE_MAX    128u
#define VALUE_TEXT_MAX   ((size_t)64 << 10)
#define CUSTOM_COUNT_MAX 1000u

/* Texts that values share; whoever drops the last reference frees it. */
struct setting_text {
    uint32_t refs;
    uint32_t size; /* With the zero. */
    char text[];
};

struct setting_value {
    const struct setting_info *info; /* NULL: one with a dot. */
    char *name;                      /* Of those, owned. */
    /* NULL in any of them: the table's initial text. */
    struct setting_text *reset;
    struct setting_text *session; /* What it is after the transaction. */
    struct setting_text *current;
};

struct setting_change {
    uint32_t number;
    struct setting_text *session; /* As they were before. */
    struct setting_text *current;
};

/* ---- texts ---- */

static struct setting_text *text_make(const struct settings *settings, struct span span)
{
    struct setting_text *text = alloc_raw(settings->alloc, sizeof *text + span.size + 1);
    if (text != NULL) {
        text->refs = 1;
        text->size = (uint32_t)span.size + 1;
        if (span.size > 0) {
            memcpy(text->text, span.data, span.size);
        }
        text->text[span.size] = 0;
    }
    return text;
}

static struct setting_text *text_share(struct setting_text *text)
{
    if (text != NULL) {
        text->refs++;
    }
    return text;
}

static void text_release(const struct settings *settings, struct setting_text *text)
{
    if (text != NULL && --text->refs == 0) {
        alloc_free(settings->alloc, text, sizeof *text + text->size, 1);
    }
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a setting does not fit in memory");
}

/* ---- finding ---- */

static struct setting_value *value_at(const struct settings *settings, uint32_t number)
{
    return list_at(&settings->values, number);
}

uint32_t settings_count(const struct settings *settings)
{
    return (uint32_t)settings->values.count;
}

const char *settings_name(const struct settings *settings, uint32_t number)
{
    const struct setting_value *value = value_at(settings, number);
    return value->info != NULL ? value->info->name : value->name;
}

static bool find(const struct settings *settings, const char *name, uint32_t *number_out)
{
    // Names that are not its own: those of the grammar and of old.
    static const char *const others[][2] = {{"session_user", "session_authorization"},
                                            {"sort_mem", "work_mem"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        name = strcasecmp(name, others[i][0]) == 0 ? others[i][1] : name;
    }
    for (uint32_t i = 0; i < settings_count(settings); i++) {
        if (strcasecmp(settings_name(settings, i), name) == 0) {
            *number_out = i;
            return true;
        }
    }
    return false;
}

tdbplus_status settings_find(const struct settings *settings, const char *name,
                             uint32_t *number_out, struct err *err)
{
    if (find(settings, name, number_out)) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = err_set_state(err, TDBPLUS_E_NOT_FOUND, "42704",
                                          "unrecognized configuration parameter \"%s\"", name);
    uint32_t distance = UINT32_MAX;
    const char *similar = NULL;
    for (uint32_t i = 0; i < settings_count(settings); i++) {
        if (func_name_similar(name, settings_name(settings, i), &distance)) {
            similar = settings_name(settings, i);
        }
    }
    if (similar != NULL) {
        err_hint(err, "Perhaps you meant \"%s\".", similar);
    }
    return status;
}

/* ---- reading values ---- */

static tdbplus_status bad_value(const char *name, struct span text, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "22023",
                         "invalid value for parameter \"%s\": \"%.*s\"", name,
                         (int)(text.size > 200 ? 200 : text.size), (const char *)text.data);
}

static bool begins(struct span text, const char *word, size_t size_min)
{
    return text.size >= size_min && text.size <= strlen(word) &&
           strncasecmp((const char *)text.data, word, text.size) == 0;
}

bool setting_read_bool(struct span text, bool *value_out)
{
    bool yes = begins(text, "true", 1) || begins(text, "yes", 1) || begins(text, "on", 2) ||
               (text.size == 1 && text.data[0] == '1');
    bool no = begins(text, "false", 1) || begins(text, "no", 1) || begins(text, "off", 2) ||
              (text.size == 1 && text.data[0] == '0');
    *value_out = yes;
    return yes || no;
}

struct unit_size {
    const char *name;
    double size; /* In bytes, or in microseconds. */
};

static const struct unit_size memory_units[] = {{"TB", 0x1p40}, {"GB", 0x1p30}, {"MB", 0x1p20},
                                                {"kB", 1024},   {"B", 1},       {NULL, 0}};
static const struct unit_size time_units[] = {
    {"d", 86400e6}, {"h", 3600e6}, {"min", 60e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1}, {NULL, 0}};

/* What one of a setting's own unit is, and which units it is written in; NULL: none. */
static const struct unit_size *units_of(uint8_t unit, double *own_out)
{
    static const double sizes[] = {[UNIT_NONE] = 1,    [UNIT_KB] = 1024, [UNIT_8KB] = 8192,
                                   [UNIT_MB] = 0x1p20, [UNIT_MS] = 1e3,  [UNIT_S] = 1e6};
    *own_out = sizes[unit];
    if (unit == UNIT_NONE) {
        return NULL;
    }
    return unit == UNIT_MS || unit == UNIT_S ? time_units : memory_units;
}

const char *setting_unit_name(uint8_t unit)
{
    static const char *const names[] = {[UNIT_NONE] = "", [UNIT_KB] = "kB", [UNIT_8KB] = "8kB",
                                        [UNIT_MB] = "MB", [UNIT_MS] = "ms", [UNIT_S] = "s"};
    return names[unit];
}

/* A number with a unit behind it, in the setting's own unit. */
static bool read_number(const struct setting_info *info, struct span text, double *number_out)
{
    char copy[64];
    if (text.size == 0 || text.size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    char *end = NULL;
    double number = 0;
    bool hex = strncasecmp(copy, "0x", 2) == 0;
    number = hex ? (double)strtoll(copy, &end, 16) : strtod(copy, &end);
    if (end == copy || isnan(number)) {
        return false;
    }
    while (*end == ' ') {
        end++;
    }
    double own = 1;
    const struct unit_size *units = units_of(info->unit, &own);
    if (*end != 0) {
        char *last = end + strlen(end);
        while (last > end && last[-1] == ' ') {
            *--last = 0;
        }
        while (units != NULL && units->name != NULL && strcmp(units->name, end) != 0) {
            units++;
        }
        if (units == NULL || units->name == NULL) {
            return false;
        }
        number = number * units->size / own;
    }
    *number_out = info->kind == SETTING_INTEGER ? rint(number) : number;
    return true;
}

static tdbplus_status canonical_number(const struct setting_info *info, struct span text,
                                       struct buffer *out, struct err *err)
{
    double number = 0;
    if (!read_number(info, text, &number)) {
        tdbplus_status status = bad_value(info->name, text, err);
        if (info->unit != UNIT_NONE) {
            err_hint(err, info->unit == UNIT_MS || info->unit == UNIT_S
                              ? "Valid units for this parameter are \"us\", \"ms\", \"s\", "
                                "\"min\", \"h\", and \"d\"."
                              : "Valid units for this parameter are \"B\", \"kB\", \"MB\", "
                                "\"GB\", and \"TB\".");
        }
        return status;
    }
    if (number < info->min || number > info->max) {
        const char *unit = setting_unit_name(info->unit);
        const char *space = unit[0] != 0 ? " " : "";
        return err_set_state(err, TDBPLUS_E_SQL, "22023",
                             "%.*g%s%s is outside the valid range for parameter \"%s\" "
                             "(%.*g%s%s .. %.*g%s%s)",
                             15, number, space, unit, info->name, 15, info->min, space, unit, 15,
                             info->max, space, unit);
    }
    if (info->kind == SETTING_INTEGER) {
        buffer_printf(out, "%" PRId64, (int64_t)number);
    } else {
        buffer_printf(out, "%g", number);
    }
    return TDBPLUS_OK;
}

/* The word of a list that a text is, in any case. */
static bool find_choice(const char *choices, struct span text, struct span *word_out)
{
    while (*choices != 0) {
        size_t size = strcspn(choices, ",");
        if (size == text.size && strncasecmp(choices, (const char *)text.data, size) == 0) {
            *word_out = (struct span){.data = (const uint8_t *)choices, .size = size};
            return true;
        }
        choices += size + (choices[size] == ',');
    }
    return false;
}

static tdbplus_status canonical_choice(const struct setting_info *info, struct span text,
                                       struct buffer *out, struct err *err)
{
    struct span word;
    bool truth = false;
    if (!find_choice(info->choices, text, &word)) {
        // Words for truth, where on and off are among the choices.
        const char *other = setting_read_bool(text, &truth) ? (truth ? "on" : "off") : "";
        if (!find_choice(info->choices, span_from_text(other), &word)) {
            tdbplus_status status = bad_value(info->name, text, err);
            char list[256];
            size_t used = 0;
            for (const char *at = info->choices; *at != 0 && used + 3 < sizeof list; at++) {
                list[used++] = *at;
                if (*at == ',') {
                    list[used++] = ' ';
                }
            }
            list[used] = 0;
            err_hint(err, "Available values: %s.", list);
            return status;
        }
    }
    buffer_put_span(out, word);
    return TDBPLUS_OK;
}

static tdbplus_status canonical(const struct settings *settings, uint32_t number, struct span text,
                                struct buffer *out, struct err *err)
{
    const struct setting_info *info = value_at(settings, number)->info;
    bool truth = false;
    if (text.size > VALUE_TEXT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "a setting has at most %zu bytes", VALUE_TEXT_MAX);
    }
    switch (info == NULL ? (uint8_t)SETTING_TEXT : info->kind) {
    case SETTING_BOOL:
        if (!setting_read_bool(text, &truth)) {
            return err_set_state(err, TDBPLUS_E_SQL, "22023",
                                 "parameter \"%s\" requires a Boolean value", info->name);
        }
        buffer_put_text(out, truth ? "on" : "off");
        break;
    case SETTING_INTEGER:
    case SETTING_REAL:
        TRY(canonical_number(info, text, out, err));
        break;
    case SETTING_CHOICE:
        TRY(canonical_choice(info, text, out, err));
        break;
    default:
        buffer_put_span(out, text);
        break;
    }
    if (settings->check != NULL && !out->failed) {
        TRY(settings->check(settings->check_ctx, number, out, err));
    }
    return out->failed ? no_memory(err) : TDBPLUS_OK;
}

/* ---- making and ending ---- */

tdbplus_status settings_init(struct settings *settings, const struct alloc *alloc, struct err *err)
{
    struct settings made = {.alloc = alloc};
    list_init(&made.values, alloc, sizeof(struct setting_value));
    list_init(&made.changes, alloc, sizeof(struct setting_change));
    uint32_t count = 0;
    while (setting_at(count) != NULL) {
        count++;
    }
    if (!list_reserve(&made.values, count)) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct setting_value value = {.info = setting_at(i)};
        (void)list_push(&made.values, &value);
    }
    *settings = made;
    return TDBPLUS_OK;
}

static void forget_changes(struct settings *settings)
{
    for (size_t i = 0; i < settings->changes.count; i++) {
        struct setting_change *change = list_at(&settings->changes, i);
        text_release(settings, change->session);
        text_release(settings, change->current);
    }
    settings->changes.count = 0;
}

void settings_deinit(struct settings *settings)
{
    if (settings->alloc == NULL) {
        return;
    }
    forget_changes(settings);
    for (uint32_t i = 0; i < settings_count(settings); i++) {
        struct setting_value *value = value_at(settings, i);
        text_release(settings, value->reset);
        text_release(settings, value->session);
        text_release(settings, value->current);
        if (value->name != NULL) {
            alloc_free(settings->alloc, value->name, strlen(value->name) + 1, 1);
        }
    }
    list_deinit(&settings->values);
    list_deinit(&settings->changes);
    *settings = (struct settings){0};
}

/* ---- changing ---- */

/* Keeps `text`, whose reference goes to the value, and notes how to undo it. */
static tdbplus_status put(struct settings *settings, uint32_t number, struct setting_text *text,
                          enum setting_scope scope, struct err *err)
{
    struct setting_value *value = value_at(settings, number);
    struct setting_change change = {
        .number = number, .session = value->session, .current = value->current};
    if (list_push(&settings->changes, &change) == NULL) {
        text_release(settings, text);
        return no_memory(err);
    }
    // The values' old references are the change's now.
    value->current = text;
    value->session = text_share(scope == SCOPE_LOCAL ? change.session : text);
    settings->generation++;
    return TDBPLUS_OK;
}

/* A name nobody knows, with a dot in it, is a setting of the application. */
static tdbplus_status make_custom(struct settings *settings, const char *name, uint32_t *number_out,
                                  struct err *err)
{
    size_t size = strlen(name) + 1;
    struct setting_value value = {0};
    if (size > NAME_SIZE_MAX || settings->values.count > CUSTOM_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "there are too many settings, or the name is long");
    }
    value.name = alloc_raw(settings->alloc, size);
    if (value.name == NULL || list_push(&settings->values, &value) == NULL) {
        alloc_free(settings->alloc, value.name, value.name == NULL ? 0 : size, 1);
        return no_memory(err);
    }
    memcpy(value.name, name, size);
    *number_out = settings_count(settings) - 1;
    return TDBPLUS_OK;
}

static tdbplus_status find_changeable(struct settings *settings, const char *name,
                                      uint32_t *number_out, struct err *err)
{
    if (strchr(name, '.') != NULL && !find(settings, name, number_out)) {
        return make_custom(settings, name, number_out, err);
    }
    TRY(settings_find(settings, name, number_out, err));
    const struct setting_info *info = value_at(settings, *number_out)->info;
    if (info != NULL && info->context == SETTING_INTERNAL) {
        return err_set_state(err, TDBPLUS_E_SQL, "55P02", "parameter \"%s\" cannot be changed",
                             info->name);
    }
    if (info != NULL && info->context == SETTING_SERVER) {
        return err_set_state(err, TDBPLUS_E_SQL, "55P02",
                             "parameter \"%s\" cannot be changed without restarting the server",
                             info->name);
    }
    return TDBPLUS_OK;
}

tdbplus_status settings_set(struct settings *settings, const char *name, struct span text,
                            enum setting_scope scope, struct err *err)
{
    uint32_t number = 0;
    struct buffer out;
    buffer_init(&out, settings->alloc);
    tdbplus_status status = find_changeable(settings, name, &number, err);
    if (status == TDBPLUS_OK) {
        status = canonical(settings, number, text, &out, err);
    }
    if (status == TDBPLUS_OK) {
        struct setting_text *made = text_make(settings, buffer_span(&out));
        status = made == NULL ? no_memory(err) : put(settings, number, made, scope, err);
    }
    buffer_deinit(&out);
    return status;
}

tdbplus_status settings_preset(struct settings *settings, uint32_t number, struct span text,
                               struct err *err)
{
    struct setting_text *made = text_make(settings, text);
    if (made == NULL) {
        return no_memory(err);
    }
    struct setting_value *value = value_at(settings, number);
    text_release(settings, value->reset);
    text_release(settings, value->session);
    text_release(settings, value->current);
    value->reset = made;
    value->session = text_share(made);
    value->current = text_share(made);
    settings->generation++;
    return TDBPLUS_OK;
}

/* What belongs to the transaction at hand is not reset by RESET ALL. */
static bool is_of_transaction(uint32_t number)
{
    return number == SETTING_TRANSACTION_DEFERRABLE || number == SETTING_TRANSACTION_ISOLATION ||
           number == SETTING_TRANSACTION_READ_ONLY;
}

tdbplus_status settings_reset(struct settings *settings, const char *name, enum setting_scope scope,
                              struct err *err)
{
    uint32_t number = 0;
    if (name != NULL) {
        TRY(find_changeable(settings, name, &number, err));
        return put(settings, number, text_share(value_at(settings, number)->reset), scope, err);
    }
    for (number = 0; number < settings_count(settings); number++) {
        struct setting_value *value = value_at(settings, number);
        bool fixed = value->info != NULL && value->info->context != SETTING_USER;
        if (!fixed && !is_of_transaction(number) &&
            (value->current != value->reset || value->session != value->reset)) {
            TRY(put(settings, number, text_share(value->reset), scope, err));
        }
    }
    return TDBPLUS_OK;
}

/* ---- transactions ---- */

size_t settings_mark(const struct settings *settings)
{
    return settings->changes.count;
}

void settings_rollback(struct settings *settings, size_t mark)
{
    while (settings->changes.count > mark) {
        struct setting_change *change = list_at(&settings->changes, settings->changes.count - 1);
        struct setting_value *value = value_at(settings, change->number);
        text_release(settings, value->session);
        text_release(settings, value->current);
        value->session = change->session;
        value->current = change->current;
        settings->changes.count--;
        settings->generation++;
    }
}

void settings_commit(struct settings *settings)
{
    for (size_t i = 0; i < settings->changes.count; i++) {
        struct setting_change *change = list_at(&settings->changes, i);
        struct setting_value *value = value_at(settings, change->number);
        if (value->current != value->session) {
            text_release(settings, value->current);
            value->current = text_share(value->session);
            settings->generation++;
        }
    }
    forget_changes(settings);
}

/* ---- showing ---- */

static const char *text_of(const struct setting_value *value, const struct setting_text *text)
{
    if (text != NULL) {
        return text->text;
    }
    return value->info != NULL ? value->info->initial : "";
}

const char *settings_text(const struct settings *settings, uint32_t number)
{
    const struct setting_value *value = value_at(settings, number);
    return text_of(value, value->current);
}

const char *settings_reset_text(const struct settings *settings, uint32_t number)
{
    const struct setting_value *value = value_at(settings, number);
    return text_of(value, value->reset);
}

int64_t settings_integer(const struct settings *settings, uint32_t number)
{
    const char *text = settings_text(settings, number);
    return strcmp(text, "on") == 0 ? 1 : strtoll(text, NULL, 10);
}

void settings_show(const struct settings *settings, uint32_t number, struct buffer *text)
{
    const struct setting_info *info = value_at(settings, number)->info;
    const char *value = settings_text(settings, number);
    double own = 1;
    const struct unit_size *units = info == NULL ? NULL : units_of(info->unit, &own);
    double size = units == NULL ? 0 : strtod(value, NULL) * own;
    // Nothing has no unit, and what is below it is a word such as "off".
    for (; units != NULL && size > 0 && units->name != NULL; units++) {
        double count = size / units->size;
        if (count >= 1 && count == floor(count)) {
            buffer_printf(text, "%" PRId64 "%s", (int64_t)count, units->name);
            return;
        }
    }
    buffer_put_text(text, value);
}
