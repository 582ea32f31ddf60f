/* Paths with * ? [a-z] and **. */

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "files/describe.h"

#define GLOB_DEPTH_MAX 64u

struct globbing {
    struct arena *arena;
    struct list paths; /* const char * */
    struct err *err;
};

static bool has_pattern(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
            return true;
        }
    }
    return false;
}

/* One [..] at *at; moves past it. */
static bool matches_class(const char **at, const char *end, char letter)
{
    const char *p = *at + 1;
    bool negated = p < end && (*p == '!' || *p == '^');
    bool found = false;
    p += negated;
    for (bool first = true; p < end && (first || *p != ']'); first = false) {
        char low = *p++;
        char high = low;
        if (p + 1 < end && *p == '-' && p[1] != ']') {
            high = p[1];
            p += 2;
        }
        found = found || (letter >= low && letter <= high);
    }
    *at = p < end ? p + 1 : p;
    return found != negated;
}

/* A name against a part of a pattern; a star remembers where to go on (no recursion). */
static bool matches(const char *pattern, size_t size, const char *name)
{
    const char *end = pattern + size;
    const char *star = NULL;
    const char *resume = NULL;
    if (name[0] == '.' && (size == 0 || pattern[0] != '.')) {
        return false;
    }
    while (*name != '\0') {
        const char *before = pattern;
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            resume = name;
            continue;
        }
        bool good = pattern < end;
        if (good && *pattern == '[') {
            good = matches_class(&pattern, end, *name);
        } else if (good) {
            good = *pattern == '?' || *pattern == *name;
            pattern++;
        }
        if (good) {
            name++;
            continue;
        }
        pattern = before;
        if (star == NULL) {
            return false;
        }
        pattern = star;
        name = ++resume;
    }
    while (pattern < end && *pattern == '*') {
        pattern++;
    }
    return pattern == end;
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory for the names of files");
}

struct folder {
    struct arena *arena;
    struct list names;   /* const char * */
    struct list folders; /* bool */
};

static tdbplus_status add_name(void *ctx, const char *name, bool is_directory)
{
    struct folder *folder = ctx;
    const char *copy = arena_text(folder->arena, span_from_text(name));
    bool good = copy != NULL && list_push(&folder->names, &copy) != NULL &&
                list_push(&folder->folders, &is_directory) != NULL;
    return good ? TDBPLUS_OK : TDBPLUS_E_NOMEM;
}

static const char *join(struct arena *arena, const char *folder, const char *name, size_t size)
{
    size_t length = strlen(folder);
    char *path = (char *)arena_bytes(arena, length + size + 2);
    if (path == NULL) {
        return NULL;
    }
    memcpy(path, folder, length);
    if (length > 0 && folder[length - 1] != '/') {
        path[length++] = '/';
    }
    memcpy(path + length, name, size);
    path[length + size] = '\0';
    return path;
}

static tdbplus_status walk(struct globbing *globbing, const char *folder, const char *rest,
                           uint32_t depth);

static tdbplus_status take(struct globbing *globbing, const char *path, bool is_directory,
                           const char *rest, uint32_t depth)
{
    if (path == NULL) {
        return no_memory(globbing->err);
    }
    if (*rest != '\0') {
        return is_directory ? walk(globbing, path, rest, depth + 1) : TDBPLUS_OK;
    }
    if (is_directory) {
        return TDBPLUS_OK;
    }
    if (globbing->paths.count >= FILE_PATH_COUNT_MAX) {
        return err_set(globbing->err, TDBPLUS_E_LIMIT, "more than %u files match",
                       FILE_PATH_COUNT_MAX);
    }
    return list_push(&globbing->paths, &path) == NULL ? no_memory(globbing->err) : TDBPLUS_OK;
}

/* What matches the first part of `rest` below a folder. */
static tdbplus_status walk(struct globbing *globbing, const char *folder, const char *rest,
                           uint32_t depth)
{
    size_t size = strcspn(rest, "/");
    const char *after = rest + size + strspn(rest + size, "/");
    if (depth > GLOB_DEPTH_MAX) {
        return err_set(globbing->err, TDBPLUS_E_LIMIT, "folders nested more than %u deep",
                       GLOB_DEPTH_MAX);
    }
    if (!has_pattern(rest, size)) {
        const char *path = join(globbing->arena, folder, rest, size);
        return take(globbing, path, *after != '\0', after, depth);
    }
    struct folder found = {.arena = globbing->arena};
    list_init(&found.names, globbing->paths.alloc, sizeof(char *));
    list_init(&found.folders, globbing->paths.alloc, sizeof(bool));
    tdbplus_status status =
        env_list(env_real(), folder[0] == '\0' ? "." : folder, add_name, &found, NULL);
    // A folder that is not there, or may not be read, has no files.
    status = status == TDBPLUS_E_NOMEM ? no_memory(globbing->err) : TDBPLUS_OK;
    bool any_depth = size == 2 && rest[0] == '*' && rest[1] == '*';
    if (status == TDBPLUS_OK && any_depth && *after != '\0') {
        status = walk(globbing, folder, after, depth + 1);
    }
    for (size_t i = 0; i < found.names.count && status == TDBPLUS_OK; i++) {
        const char *name = *(const char *const *)list_at(&found.names, i);
        bool is_directory = *(const bool *)list_at(&found.folders, i);
        if (!(any_depth ? name[0] != '.' : matches(rest, size, name))) {
            continue;
        }
        const char *path = join(globbing->arena, folder, name, strlen(name));
        status = any_depth && *after != '\0'
                     ? take(globbing, path, is_directory, is_directory ? rest : "x", depth)
                     : take(globbing, path, is_directory, after, depth);
    }
    list_deinit(&found.names);
    list_deinit(&found.folders);
    return status;
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

tdbplus_status file_glob(const char *pattern, struct arena *arena, const char ***paths_out,
                         uint32_t *count_out, struct err *err)
{
    struct globbing globbing = {.arena = arena, .err = err};
    list_init(&globbing.paths, arena->alloc, sizeof(char *));
    tdbplus_status status = TDBPLUS_OK;
    if (!has_pattern(pattern, strlen(pattern))) {
        const char *copy = arena_text(arena, span_from_text(pattern));
        status =
            copy == NULL || list_push(&globbing.paths, &copy) == NULL ? no_memory(err) : TDBPLUS_OK;
    } else {
        bool absolute = pattern[0] == '/';
        status = walk(&globbing, absolute ? "/" : "", pattern + strspn(pattern, "/"), 0);
    }
    if (status == TDBPLUS_OK && globbing.paths.count == 0) {
        status =
            err_set_state(err, TDBPLUS_E_NOT_FOUND, "58P01", "no file matches \"%s\"", pattern);
    }
    if (status == TDBPLUS_OK) {
        size_t count = globbing.paths.count;
        const char **paths = arena_array(arena, count, sizeof *paths);
        if (paths == NULL) {
            status = no_memory(err);
        } else {
            memcpy(paths, globbing.paths.items, count * sizeof *paths);
            qsort(paths, count, sizeof *paths, compare_paths);
            *paths_out = paths;
            *count_out = (uint32_t)count;
        }
    }
    list_deinit(&globbing.paths);
    return status;
}
