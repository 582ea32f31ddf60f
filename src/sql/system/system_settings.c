/* Settings as rows: what pg_settings shows. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sql/session/setting.h"
#include "sql/system/system_internal.h"

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {[SETTING_BOOL] = "bool",
                                        [SETTING_INTEGER] = "integer",
                                        [SETTING_REAL] = "real",
                                        [SETTING_TEXT] = "string",
                                        [SETTING_CHOICE] = "enum"};
    return names[kind];
}

static const char *context_name(uint8_t context)
{
    static const char *const names[] = {
        [SETTING_USER] = "user", [SETTING_INTERNAL] = "internal", [SETTING_SERVER] = "postmaster"};
    return names[context];
}

/* SHOW gives numbers with the largest unit that fits; the view gives them in the setting's own. */
static void put_value(struct system_rows *rows, const struct setting_info *info,
                      const struct buffer *shown)
{
    static const struct {
        const char *unit;
        uint8_t of; /* enum setting_unit. */
        int64_t factor;
    } units[] = {{"kB", UNIT_KB, 1},          {"MB", UNIT_KB, 1024},    {"GB", UNIT_KB, 1048576},
                 {"TB", UNIT_KB, 1073741824}, {"kB", UNIT_8KB, 0},      {"MB", UNIT_8KB, 128},
                 {"GB", UNIT_8KB, 131072},    {"MB", UNIT_MB, 1},       {"GB", UNIT_MB, 1024},
                 {"ms", UNIT_MS, 1},          {"s", UNIT_MS, 1000},     {"min", UNIT_MS, 60000},
                 {"h", UNIT_MS, 3600000},     {"d", UNIT_MS, 86400000}, {"s", UNIT_S, 1},
                 {"min", UNIT_S, 60},         {"h", UNIT_S, 3600},      {"d", UNIT_S, 86400}};
    char text[64] = {0};
    size_t digits = 0;
    struct span span = buffer_span(shown);
    if (info->unit == UNIT_NONE || span.size >= sizeof text) {
        system_put_span(rows, "setting", span);
        return;
    }
    memcpy(text, span.data, span.size);
    while (text[digits] == '-' || isdigit((unsigned char)text[digits])) {
        digits++;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        long long value = 0;
        if (units[i].of == info->unit && strcmp(units[i].unit, text + digits) == 0 &&
            sscanf(text, "%lld", &value) == 1) {
            value = units[i].factor == 0 ? value / 8 : value * units[i].factor;
            (void)snprintf(text, sizeof text, "%lld", value);
            break;
        }
    }
    system_put_text(rows, "setting", text);
}

static void put_limits(struct system_rows *rows, const struct setting_info *info)
{
    char number[32];
    if (info->kind == SETTING_INTEGER || info->kind == SETTING_REAL) {
        (void)snprintf(number, sizeof number, "%.15g", info->min);
        system_put_text(rows, "min_val", number);
        (void)snprintf(number, sizeof number, "%.15g", info->max);
        system_put_text(rows, "max_val", number);
    }
    if (info->kind != SETTING_CHOICE) {
        return;
    }
    struct span words[16];
    uint32_t count = 0;
    for (const char *at = info->choices; *at != '\0' && count < 16; count++) {
        size_t size = strcspn(at, ",");
        words[count] = (struct span){.data = (const uint8_t *)at, .size = size};
        at += size + (at[size] == ',');
    }
    system_put_texts(rows, "enumvals", words, count);
}

tdbplus_status system_fill_settings(struct system_rows *rows)
{
    const struct func_session *session = rows->session;
    const struct setting_info *info = NULL;
    struct buffer shown;
    buffer_init(&shown, rows->arena->alloc);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; status == TDBPLUS_OK && (info = setting_at(i)) != NULL; i++) {
        buffer_clear(&shown);
        if (session == NULL || session->setting_get == NULL) {
            buffer_put_text(&shown, info->initial);
        } else {
            status = session->setting_get(session->ctx, info->name, &shown, rows->err);
        }
        system_row(rows);
        system_put_text(rows, "name", info->name);
        put_value(rows, info, &shown);
        if (info->unit != UNIT_NONE) {
            system_put_text(rows, "unit", setting_unit_name(info->unit));
        }
        system_put_text(rows, "category", info->category);
        system_put_text(rows, "short_desc", info->summary);
        system_put_text(rows, "context", context_name(info->context));
        system_put_text(rows, "vartype", kind_name(info->kind));
        bool initial = shown.size == strlen(info->initial) &&
                       (shown.size == 0 || memcmp(shown.data, info->initial, shown.size) == 0);
        system_put_text(rows, "source", initial ? "default" : "session");
        put_limits(rows, info);
        system_put_text(rows, "boot_val", info->initial);
        system_put_text(rows, "reset_val", info->initial);
        rows->failed = rows->failed || shown.failed;
    }
    buffer_deinit(&shown);
    return status;
}
