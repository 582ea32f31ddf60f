#include "engine/zones.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo"
#define POSIX_NAME_MIN 3u

void zones_init(struct zones *zones, const struct env *env, const struct alloc *alloc)
{
    *zones = (struct zones){.env = env, .alloc = alloc};
    list_init(&zones->loaded, alloc, sizeof(struct tz *));
}

void zones_deinit(struct zones *zones)
{
    if (zones->alloc == NULL) {
        return;
    }
    for (size_t i = 0; i < zones->loaded.count; i++) {
        tz_destroy(*(struct tz **)list_at(&zones->loaded, i));
    }
    list_deinit(&zones->loaded);
}

static bool same_name(struct span name, const char *other)
{
    return strlen(other) == name.size &&
           strncasecmp(other, (const char *)name.data, name.size) == 0;
}

static const struct tz *find_loaded(const struct zones *zones, struct span name)
{
    for (size_t i = 0; i < zones->loaded.count; i++) {
        const struct tz *tz = *(struct tz **)list_at(&zones->loaded, i);
        if (same_name(name, tz_name(tz))) {
            return tz;
        }
    }
    return NULL;
}

static const struct tz *keep(struct zones *zones, struct tz *tz)
{
    if (tz != NULL && list_push(&zones->loaded, &tz) == NULL) {
        tz_destroy(tz);
        return NULL;
    }
    return tz;
}

/* ---- files ---- */

/* Looks for an entry of a directory by its name in any case. */
struct finding {
    struct span name;
    char found[TZ_NAME_SIZE_MAX];
};

static tdbplus_status look_at(void *ctx, const char *name, bool is_directory)
{
    struct finding *finding = ctx;
    (void)is_directory;
    if (!same_name(finding->name, name) || strlen(name) >= sizeof finding->found) {
        return TDBPLUS_OK;
    }
    memcpy(finding->found, name, strlen(name) + 1);
    return TDBPLUS_END;
}

static bool is_plain(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        if (!letter && !(byte >= '0' && byte <= '9') && strchr("/_+-", byte) == NULL) {
            return false;
        }
    }
    // Nothing but paths downwards, and no tables of something else.
    return name.size > 0 && name.size < TZ_NAME_SIZE_MAX && name.data[0] != '/';
}

/* Spells the name as the files do; false when there is none. */
static bool spell(struct span name, char spelled[TZ_NAME_SIZE_MAX])
{
    size_t used = 0;
    while (name.size > 0) {
        const uint8_t *slash = memchr(name.data, '/', name.size);
        size_t size = slash == NULL ? name.size : (size_t)(slash - name.data);
        struct finding finding = {.name = {.data = name.data, .size = size}};
        char path[ENV_PATH_SIZE_MAX];
        (void)snprintf(path, sizeof path, ZONE_DIRECTORY "/%.*s", (int)used, spelled);
        tdbplus_status status = env_list(env_real(), path, look_at, &finding, NULL);
        if (status != TDBPLUS_END || used + size + 2 > TZ_NAME_SIZE_MAX) {
            return false;
        }
        memcpy(spelled + used, finding.found, size);
        used += size;
        name.data += size + (slash != NULL);
        name.size -= size + (slash != NULL);
        if (slash != NULL) {
            spelled[used++] = '/';
        }
    }
    spelled[used] = 0;
    return used > 0 && spelled[used - 1] != '/';
}

static struct tz *read_file(const struct zones *zones, struct span name)
{
    char spelled[TZ_NAME_SIZE_MAX];
    char path[ENV_PATH_SIZE_MAX];
    struct bytes file = {0};
    struct tz *tz = NULL;
    if (!is_plain(name) || !spell(name, spelled)) {
        return NULL;
    }
    (void)snprintf(path, sizeof path, ZONE_DIRECTORY "/%s", spelled);
    if (env_read_file(env_real(), path, TZ_FILE_SIZE_MAX, zones->alloc, &file, NULL) ==
        TDBPLUS_OK) {
        struct span bytes = {.data = file.data, .size = file.size};
        if (tz_load(bytes, span_from_text(spelled), zones->alloc, &tz, NULL) != TDBPLUS_OK) {
            tz = NULL;
        }
    }
    bytes_deinit(&file);
    return tz;
}

/* ---- POSIX names ---- */

static bool take_number(struct span *rest, int32_t *number_out)
{
    int32_t number = 0;
    size_t size = 0;
    while (size < rest->size && size < 2 && rest->data[size] >= '0' && rest->data[size] <= '9') {
        number = number * 10 + (rest->data[size] - '0');
        size++;
    }
    rest->data += size;
    rest->size -= size;
    *number_out = number;
    return size > 0;
}

/* "<+02>-2" or "ABC+3:30": the number counts hours west of Greenwich. */
static bool read_posix(struct span name, int32_t *offset_out)
{
    struct span rest = name;
    size_t letters = 0;
    bool quoted = rest.size > 0 && rest.data[0] == '<';
    while (letters < rest.size &&
           (quoted ? rest.data[letters] != '>' : (rest.data[letters] | 0x20) >= 'a')) {
        letters++;
    }
    letters += quoted;
    if (letters < POSIX_NAME_MIN || letters >= rest.size) {
        return false;
    }
    rest.data += letters;
    rest.size -= letters;
    bool negative = rest.data[0] == '-';
    if (negative || rest.data[0] == '+') {
        rest.data++;
        rest.size--;
    }
    int32_t parts[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        if (!take_number(&rest, &parts[i])) {
            return false;
        }
        if (rest.size == 0) {
            break;
        }
        if (rest.data[0] != ':') {
            return false;
        }
        rest.data++;
        rest.size--;
    }
    int32_t seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    *offset_out = negative ? seconds : -seconds;
    return rest.size == 0 && parts[0] < 25 && parts[1] < 60 && parts[2] < 60;
}

/* ---- finding ---- */

static const struct tz *find(struct zones *zones, struct span name)
{
    const struct tz *known = find_loaded(zones, name);
    if (known != NULL) {
        return known;
    }
    struct tz *tz = read_file(zones, name);
    int32_t offset = 0;
    if (tz == NULL && name.size < TZ_NAME_SIZE_MAX && read_posix(name, &offset) &&
        tz_fixed(offset, name, zones->alloc, &tz, NULL) != TDBPLUS_OK) {
        tz = NULL;
    }
    return keep(zones, tz);
}

const struct tz *zones_find(struct zones *zones, struct span name)
{
    mutex_lock(zones->env, &zones->mutex);
    const struct tz *tz = find(zones, name);
    mutex_unlock(zones->env, &zones->mutex);
    return tz;
}

const struct tz *zones_fixed(struct zones *zones, int32_t offset_seconds)
{
    // PostgreSQL's name of it: the sign in brackets is the usual one, that behind them POSIX's.
    char sign = offset_seconds < 0 ? '-' : '+';
    char opposite = offset_seconds < 0 ? '+' : '-';
    int32_t seconds = offset_seconds < 0 ? -offset_seconds : offset_seconds;
    char clock[24];
    char name[TZ_NAME_SIZE_MAX];
    if (seconds % 3600 == 0) {
        (void)snprintf(clock, sizeof clock, "%02d", seconds / 3600);
    } else if (seconds % 60 == 0) {
        (void)snprintf(clock, sizeof clock, "%02d:%02d", seconds / 3600, seconds / 60 % 60);
    } else {
        (void)snprintf(clock, sizeof clock, "%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60,
                       seconds % 60);
    }
    (void)snprintf(name, sizeof name, "<%c%s>%c%s", sign, clock, opposite, clock);
    return zones_find(zones, span_from_text(name));
}
