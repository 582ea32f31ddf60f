/* SET of what this module listens to. */

#include <string.h>

#include "sql/exec/statement.h"
#include "sql/opt/optimize.h"

#define THREAD_COUNT_MAX 64u
#define MEMORY_LIMIT_MIN ((size_t)1 << 20)
#define WORK_MEM_MIN     ((size_t)64 << 10)

static bool same_word(struct span text, const char *word)
{
    size_t size = strlen(word);
    return text.size == size && memcmp(text.data, word, size) == 0;
}

static tdbplus_status read_number(const char *name, struct span text, uint64_t max,
                                  uint64_t *number_out, struct err *err)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > max) {
            return err_set_state(err, TDBPLUS_E_SQL, "22023",
                                 "invalid value for parameter \"%s\": \"%.*s\"", name,
                                 (int)text.size, (const char *)text.data);
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (text.size == 0 || number > max) {
        return err_set_state(err, TDBPLUS_E_SQL, "22023",
                             "invalid value for parameter \"%s\": \"%.*s\"", name, (int)text.size,
                             (const char *)text.data);
    }
    *number_out = number;
    return TDBPLUS_OK;
}

/* "join_order, top": which rules the optimiser leaves out. */
static tdbplus_status read_rules(struct span text, uint32_t *rules_out, struct err *err)
{
    uint32_t rules = 0;
    size_t at = 0;
    while (at < text.size) {
        size_t end = at;
        while (end < text.size && text.data[end] != ',' && text.data[end] != ' ') {
            end++;
        }
        struct span word = {.data = text.data + at, .size = end - at};
        uint32_t rule = 0;
        while (rule < OPT_RULE_COUNT && !same_word(word, opt_rule_name(rule))) {
            rule++;
        }
        if (word.size > 0 && rule == OPT_RULE_COUNT) {
            return err_set_state(err, TDBPLUS_E_SQL, "22023", "there is no rule \"%.*s\"",
                                 (int)word.size, (const char *)word.data);
        }
        rules |= word.size > 0 ? (uint32_t)1 << rule : 0;
        at = end + 1;
    }
    *rules_out = rules;
    return TDBPLUS_OK;
}

/* An amount of memory as PostgreSQL reads it; nothing is 0. */
static tdbplus_status read_memory(const char *name, struct span text, size_t least,
                                  size_t *bytes_out, struct err *err)
{
    static const struct {
        const char *name;
        uint32_t shift;
    } units[] = {{"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}, {"B", 0}, {"", 10}};
    size_t digits = 0;
    uint64_t number = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    size_t rest = digits;
    while (rest < text.size && text.data[rest] == ' ') {
        rest++;
    }
    struct span unit = {.data = text.data + rest, .size = text.size - rest};
    if (text.size == 0) {
        *bytes_out = 0;
        return TDBPLUS_OK;
    }
    struct span amount = {.data = text.data, .size = digits};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!same_word(unit, units[i].name)) {
            continue;
        }
        TRY(read_number(name, amount, ((uint64_t)1 << 60) >> units[i].shift, &number, err));
        size_t bytes = (size_t)number << units[i].shift;
        if (bytes != 0 && bytes < least) {
            return err_set_state(err, TDBPLUS_E_SQL, "22023",
                                 "%zu bytes is outside the valid range for parameter \"%s\": at "
                                 "least %zu",
                                 bytes, name, least);
        }
        *bytes_out = bytes;
        return TDBPLUS_OK;
    }
    return err_set_state(err, TDBPLUS_E_SQL, "22023",
                         "invalid value for parameter \"%s\": \"%.*s\"", name, (int)text.size,
                         (const char *)text.data);
}

tdbplus_status sql_settings_set(struct sql_settings *settings, const char *name, struct span text,
                                struct err *err)
{
    uint64_t number = 0;
    if (strcmp(name, "threads") == 0) {
        TRY(read_number(name, text, THREAD_COUNT_MAX, &number, err));
        settings->thread_count = (uint32_t)number;
        return TDBPLUS_OK;
    }
    if (strcmp(name, "disabled_rules") == 0) {
        return read_rules(text, &settings->rules_off, err);
    }
    if (strcmp(name, "memory_limit") == 0) {
        return read_memory(name, text, MEMORY_LIMIT_MIN, &settings->memory_bytes, err);
    }
    if (strcmp(name, "work_mem") == 0) {
        return read_memory(name, text, WORK_MEM_MIN, &settings->spill_bytes, err);
    }
    return err_set_state(err, TDBPLUS_E_UNSUPPORTED, "0A000", "SET %s is not supported", name);
}
