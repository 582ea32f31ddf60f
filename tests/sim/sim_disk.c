#include "sim_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

uint64_t sim_random_u64(struct sim_random *random)
{
    uint64_t value = hash_u64(random->state);
    random->state += 0x9E3779B97F4A7C15u;
    return value;
}

uint64_t sim_random_below(struct sim_random *random, uint64_t limit)
{
    return limit == 0 ? 0 : sim_random_u64(random) % limit;
}

bool sim_random_ppm(struct sim_random *random, uint32_t parts_per_million)
{
    return sim_random_below(random, 1000000) < parts_per_million;
}

static void *grow(void *items, size_t *capacity, size_t count, size_t item_size)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    void *fresh = realloc(items, *capacity * item_size);
    ASSERT(fresh != NULL);
    return fresh;
}

static char *copy_text(const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);
    ASSERT(text == NULL || copy != NULL);
    return copy;
}

/* ---- bytes of a file ---- */

static void content_deinit(struct sim_content *content)
{
    for (size_t i = 0; i < content->page_count; i++) {
        free(content->pages[i]);
    }
    free(content->pages);
    *content = (struct sim_content){0};
}

static uint8_t *page_for_write(struct sim_content *content, size_t page)
{
    if (page >= content->page_count) {
        size_t count = page + 1 + page / 2;
        content->pages = realloc(content->pages, count * sizeof *content->pages);
        ASSERT(content->pages != NULL);
        memset(content->pages + content->page_count, 0,
               (count - content->page_count) * sizeof *content->pages);
        content->page_count = count;
    }
    if (content->pages[page] == NULL) {
        content->pages[page] = calloc(1, SIM_PAGE_SIZE);
        ASSERT(content->pages[page] != NULL);
    }
    return content->pages[page];
}

/* Does not move the size. */
static void content_put(struct sim_content *content, uint64_t offset, const uint8_t *data,
                        size_t size)
{
    while (size > 0) {
        size_t start = (size_t)(offset % SIM_PAGE_SIZE);
        size_t part = SIM_PAGE_SIZE - start < size ? SIM_PAGE_SIZE - start : size;
        memcpy(page_for_write(content, (size_t)(offset / SIM_PAGE_SIZE)) + start, data, part);
        offset += part;
        data += part;
        size -= part;
    }
}

static void content_get(const struct sim_content *content, uint64_t offset, uint8_t *data,
                        size_t size)
{
    while (size > 0) {
        size_t page = (size_t)(offset / SIM_PAGE_SIZE);
        size_t start = (size_t)(offset % SIM_PAGE_SIZE);
        size_t part = SIM_PAGE_SIZE - start < size ? SIM_PAGE_SIZE - start : size;
        if (page < content->page_count && content->pages[page] != NULL) {
            memcpy(data, content->pages[page] + start, part);
        } else {
            memset(data, 0, part);
        }
        offset += part;
        data += part;
        size -= part;
    }
}

/* Zeroes all bytes from `from` on. */
static void content_cut(struct sim_content *content, uint64_t from)
{
    size_t first = (size_t)(from / SIM_PAGE_SIZE);
    size_t start = (size_t)(from % SIM_PAGE_SIZE);
    if (start > 0 && first < content->page_count && content->pages[first] != NULL) {
        memset(content->pages[first] + start, 0, SIM_PAGE_SIZE - start);
    }
    for (size_t page = first + (start > 0); page < content->page_count; page++) {
        free(content->pages[page]);
        content->pages[page] = NULL;
    }
}

static void content_copy(struct sim_content *to, const struct sim_content *from)
{
    content_deinit(to);
    for (size_t i = 0; i < from->page_count; i++) {
        if (from->pages[i] != NULL) {
            memcpy(page_for_write(to, i), from->pages[i], SIM_PAGE_SIZE);
        }
    }
    to->size = from->size;
}

/* ---- changes of a file ---- */

static void add_change(struct sim_disk *disk, struct sim_inode *inode, enum sim_change_kind kind,
                       uint64_t offset, struct span data)
{
    inode->changes =
        grow(inode->changes, &inode->change_capacity, inode->change_count, sizeof *inode->changes);
    struct sim_change change = {
        .number = disk->next_number++, .kind = kind, .offset = offset, .size = data.size};
    if (data.size > 0) {
        change.data = malloc(data.size);
        ASSERT(change.data != NULL);
        memcpy(change.data, data.data, data.size);
    }
    inode->changes[inode->change_count++] = change;
}

static void drop_changes(struct sim_inode *inode, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(inode->changes[i].data);
    }
    inode->change_count -= count;
    if (inode->change_count == 0) {
        return; // Perhaps there is no array.
    }
    memmove(inode->changes, inode->changes + count, inode->change_count * sizeof *inode->changes);
}

/* What the size of a file becomes by one change. */
static uint64_t size_after(const struct sim_change *change, uint64_t size)
{
    uint64_t end = change->offset + change->size;
    if (change->kind == SIM_CHANGE_TRUNCATE) {
        return change->offset;
    }
    return size < end ? end : size;
}

/* Which of some changes reach the platter. */
struct survival {
    uint64_t seed;
    uint32_t percent;      /* Of sectors; 0 and 100 are certain. */
    uint32_t sector;       /* Bytes that are written all or not at all. */
    size_t change_count;   /* Of those looked at. */
    size_t metadata_count; /* The first so many changed the size durably: journals keep order. */
};

/*
 * A sector in the page cache gathers writes and is written as a whole, so most often what survives
 * is a prefix of them; where writes bypass the cache, any subset.
 */
static bool sector_survives(const struct survival *survival, uint64_t sector, size_t change)
{
    if (survival->percent == 0 || survival->percent >= 100) {
        return survival->percent != 0;
    }
    uint64_t draw = hash_combine(survival->seed, sector);
    if ((draw & 3) != 0) {
        // Written back at the very end, or at some moment before.
        bool at_end = (draw >> 2 & 1) != 0;
        uint64_t kept = at_end ? survival->change_count : 1 + (draw >> 3) % survival->change_count;
        return (draw >> 40) % 100 < survival->percent && change < kept;
    }
    return hash_combine(draw, change) % 100 < survival->percent;
}

static void apply_write(struct sim_content *content, const struct sim_change *change,
                        const struct survival *survival, size_t index)
{
    size_t done = 0;
    while (done < change->size) {
        uint64_t at = change->offset + done;
        size_t part = (size_t)(survival->sector - at % survival->sector);
        part = part < change->size - done ? part : change->size - done;
        if (sector_survives(survival, at / survival->sector, index)) {
            content_put(content, at, change->data + done, part);
        }
        done += part;
    }
}

/* Applies the first `count` changes to `content` as far as they survive. */
static void apply_to(struct sim_content *content, const struct sim_inode *inode, size_t count,
                     const struct survival *survival)
{
    for (size_t i = 0; i < count; i++) {
        const struct sim_change *change = &inode->changes[i];
        if (change->kind == SIM_CHANGE_WRITE) {
            apply_write(content, change, survival, i);
        }
        if (i < survival->metadata_count) {
            if (change->kind == SIM_CHANGE_TRUNCATE) {
                content_cut(content, change->offset);
            }
            content->size = size_after(change, content->size);
        }
    }
    // What lies past the size that survived was never part of the file.
    content_cut(content, content->size);
}

/* Moves the first `count` changes to the platter as far as they survive, and forgets them. */
static void apply_changes(struct sim_inode *inode, size_t count, const struct survival *survival)
{
    apply_to(&inode->durable, inode, count, survival);
    drop_changes(inode, count);
}

static struct survival draw_survival(struct sim_random *random, size_t count)
{
    static const uint32_t percents[] = {0, 10, 50, 50, 90, 100};
    struct survival survival = {
        .seed = sim_random_u64(random),
        .percent = percents[sim_random_below(random, sizeof percents / sizeof percents[0])],
        .sector = sim_random_below(random, 2) == 0 ? 512 : SIM_PAGE_SIZE,
        .change_count = count,
        .metadata_count = sim_random_below(random, count + 1),
    };
    if (survival.percent == 0) {
        survival.metadata_count = 0;
    } else if (survival.percent == 100) {
        survival.metadata_count = count;
    }
    return survival;
}

static struct survival certain_survival(size_t count)
{
    return (struct survival){
        .percent = 100, .sector = SIM_PAGE_SIZE, .change_count = count, .metadata_count = count};
}

/* After a failed sync the page cache counts its pages as clean and may drop them: reads then see
 * the platter. The size stays as it was. */
static void evict_clean_pages(struct sim_inode *inode)
{
    uint64_t size = inode->live.size;
    struct survival all = certain_survival(inode->change_count);
    content_copy(&inode->live, &inode->durable);
    apply_to(&inode->live, inode, inode->change_count, &all);
    content_cut(&inode->live, size);
    inode->live.size = size;
}

void sim_disk_sync(struct sim_disk *disk, struct sim_inode *inode, uint64_t mark, bool fails)
{
    size_t count = 0;
    while (count < inode->change_count && inode->changes[count].number < mark) {
        count++;
    }
    struct survival all = certain_survival(count);
    struct survival some = draw_survival(disk->random, count);
    apply_changes(inode, count, fails ? &some : &all);
    if (fails && sim_random_below(disk->random, 2) == 0) {
        evict_clean_pages(inode);
    }
}

/* ---- reading and writing ---- */

void sim_disk_read(const struct sim_inode *inode, uint64_t offset, void *data, size_t size)
{
    content_get(&inode->live, offset, data, size);
}

void sim_disk_write(struct sim_disk *disk, struct sim_inode *inode, uint64_t offset,
                    struct span data, enum sim_write_fate fate)
{
    uint64_t end = offset + data.size;
    content_put(&inode->live, offset, data.data, data.size);
    inode->live.size = inode->live.size < end ? end : inode->live.size;
    if (fate == SIM_WRITE_GOOD) {
        add_change(disk, inode, SIM_CHANGE_WRITE, offset, data);
        return;
    }
    // The file's size is right all the same: it is not the sector that says it.
    add_change(disk, inode, SIM_CHANGE_EXTEND, end, (struct span){0});
    if (fate == SIM_WRITE_MISDIRECTED && inode->live.size >= SIM_PAGE_SIZE + data.size) {
        uint64_t places = (inode->live.size - data.size) / SIM_PAGE_SIZE;
        uint64_t wrong =
            offset % SIM_PAGE_SIZE + SIM_PAGE_SIZE * sim_random_below(disk->random, places);
        if (wrong != offset && wrong + data.size <= inode->live.size) {
            add_change(disk, inode, SIM_CHANGE_WRITE, wrong, data);
        }
    }
}

void sim_disk_extend(struct sim_disk *disk, struct sim_inode *inode, uint64_t size)
{
    inode->reserved = inode->reserved < size ? size : inode->reserved;
    if (inode->live.size < size) {
        inode->live.size = size;
        add_change(disk, inode, SIM_CHANGE_EXTEND, size, (struct span){0});
    }
}

void sim_disk_truncate(struct sim_disk *disk, struct sim_inode *inode, uint64_t size)
{
    content_cut(&inode->live, size);
    inode->live.size = size;
    inode->reserved = inode->reserved < size ? inode->reserved : size;
    add_change(disk, inode, SIM_CHANGE_TRUNCATE, size, (struct span){0});
}

bool sim_disk_flip_bit(struct sim_inode *inode, uint64_t offset, uint32_t bit)
{
    struct sim_content *contents[] = {&inode->live, &inode->durable};
    bool inside = false;
    for (size_t i = 0; i < 2; i++) {
        if (offset < contents[i]->size) {
            uint8_t byte = 0;
            content_get(contents[i], offset, &byte, 1);
            byte = (uint8_t)(byte ^ (1u << (bit % 8)));
            content_put(contents[i], offset, &byte, 1);
            inside = true;
        }
    }
    return inside;
}

static uint64_t blocks(uint64_t size)
{
    return (size + SIM_PAGE_SIZE - 1) / SIM_PAGE_SIZE * SIM_PAGE_SIZE;
}

static uint64_t inode_usage(const struct sim_inode *inode)
{
    uint64_t size = inode->live.size > inode->reserved ? inode->live.size : inode->reserved;
    return inode->is_directory ? SIM_PAGE_SIZE : blocks(size);
}

static bool is_named(const struct sim_names *names, const struct sim_inode *inode)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i].inode == inode) {
            return true;
        }
    }
    return false;
}

bool sim_disk_fits(const struct sim_disk *disk, const struct sim_inode *inode, uint64_t size)
{
    if (disk->limit == UINT64_MAX) {
        return true;
    }
    uint64_t used = 0;
    for (const struct sim_inode *other = disk->inodes; other != NULL; other = other->next) {
        if (other != inode && (other->open_count > 0 || is_named(&disk->live, other))) {
            used += inode_usage(other);
        }
    }
    if (inode == NULL) {
        return used + SIM_PAGE_SIZE + blocks(size) <= disk->limit; // A name takes room too.
    }
    uint64_t before = inode_usage(inode);
    uint64_t after = blocks(size) > before ? blocks(size) : before;
    // A full disk never refuses to rewrite what is there.
    return after <= before || used + after <= disk->limit;
}

/* ---- names ---- */

bool sim_path_normalise(char normal[ENV_PATH_SIZE_MAX], const char *path)
{
    size_t size = 0;
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        bool skip = part == 0 || (part == 1 && path[0] == '.');
        if (part == 2 && memcmp(path, "..", 2) == 0) {
            return false;
        }
        if (!skip) {
            ASSERT(size + 1 + part < ENV_PATH_SIZE_MAX);
            if (size > 0) {
                normal[size++] = '/';
            }
            memcpy(normal + size, path, part);
            size += part;
        }
        path += part + (path[part] == '/');
    }
    normal[size] = '\0';
    return true;
}

void sim_path_parent(char parent[ENV_PATH_SIZE_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    memmove(parent, path, size);
    parent[size] = '\0';
}

static struct sim_name *names_find(const struct sim_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

static void names_remove(struct sim_names *names, struct sim_name *name)
{
    free(name->path);
    size_t index = (size_t)(name - names->items);
    names->count--;
    memmove(name, name + 1, (names->count - index) * sizeof *name);
}

static void names_set(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    struct sim_name *name = names_find(names, path);
    if (name == NULL) {
        names->items = grow(names->items, &names->capacity, names->count, sizeof *names->items);
        name = &names->items[names->count++];
        name->path = copy_text(path);
    }
    name->inode = inode;
}

static void names_deinit(struct sim_names *names)
{
    while (names->count > 0) {
        names_remove(names, &names->items[names->count - 1]);
    }
    free(names->items);
    *names = (struct sim_names){0};
}

/* True when `path` lies below `directory`, at any depth. */
static bool lies_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    return size == 0 || (strncmp(path, directory, size) == 0 && path[size] == '/');
}

static void move_below(struct sim_names *names, const char *from, const char *to)
{
    for (size_t i = 0; i < names->count; i++) {
        if (lies_below(names->items[i].path, from)) {
            char moved[ENV_PATH_SIZE_MAX * 2];
            (void)snprintf(moved, sizeof moved, "%s%s", to, names->items[i].path + strlen(from));
            free(names->items[i].path);
            names->items[i].path = copy_text(moved);
        }
    }
}

/* Each change is atomic and makes sense even when those before it were lost: it knows its inode. */
static void names_apply(struct sim_names *names, const struct sim_name_change *change)
{
    if (change->kind != SIM_NAME_LINK) {
        struct sim_name *from = names_find(names, change->from);
        if (from != NULL && from->inode == change->inode) {
            names_remove(names, from);
        }
    }
    if (change->kind != SIM_NAME_UNLINK) {
        names_set(names, change->to, change->inode);
    }
    if (change->kind == SIM_NAME_RENAME && change->inode->is_directory) {
        move_below(names, change->from, change->to);
    }
}

static void change_names(struct sim_disk *disk, struct sim_name_change change)
{
    change.number = disk->next_number++;
    change.from = copy_text(change.from);
    change.to = copy_text(change.to);
    disk->changes =
        grow(disk->changes, &disk->change_capacity, disk->change_count, sizeof *disk->changes);
    disk->changes[disk->change_count++] = change;
    names_apply(&disk->live, &change);
}

static void drop_name_change(struct sim_disk *disk, size_t index)
{
    free(disk->changes[index].from);
    free(disk->changes[index].to);
    disk->change_count--;
    memmove(disk->changes + index, disk->changes + index + 1,
            (disk->change_count - index) * sizeof *disk->changes);
}

struct sim_inode *sim_disk_find(const struct sim_disk *disk, const char *path)
{
    const struct sim_name *name = names_find(&disk->live, path);
    return name == NULL ? NULL : name->inode;
}

bool sim_disk_is_directory(const struct sim_disk *disk, const char *path)
{
    const struct sim_inode *inode = sim_disk_find(disk, path);
    return path[0] == '\0' || (inode != NULL && inode->is_directory);
}

bool sim_disk_is_empty(const struct sim_disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->live.count; i++) {
        if (lies_below(disk->live.items[i].path, path)) {
            return false;
        }
    }
    return true;
}

struct sim_inode *sim_disk_make(struct sim_disk *disk, const char *path, bool is_directory)
{
    struct sim_inode *inode = calloc(1, sizeof *inode);
    ASSERT(inode != NULL);
    inode->is_directory = is_directory;
    inode->number = disk->next_number++;
    inode->next = disk->inodes;
    disk->inodes = inode;
    sim_disk_link(disk, inode, path);
    return inode;
}

/* The strings of a change are copied by change_names(), so borrowing them here is safe. */
static char *borrow(const char *path)
{
    return (char *)(uintptr_t)path;
}

void sim_disk_link(struct sim_disk *disk, struct sim_inode *inode, const char *to)
{
    change_names(disk,
                 (struct sim_name_change){.kind = SIM_NAME_LINK, .to = borrow(to), .inode = inode});
}

void sim_disk_unlink(struct sim_disk *disk, const char *path)
{
    change_names(disk, (struct sim_name_change){.kind = SIM_NAME_UNLINK,
                                                .from = borrow(path),
                                                .inode = sim_disk_find(disk, path)});
}

void sim_disk_rename(struct sim_disk *disk, const char *from, const char *to)
{
    change_names(disk, (struct sim_name_change){.kind = SIM_NAME_RENAME,
                                                .from = borrow(from),
                                                .to = borrow(to),
                                                .inode = sim_disk_find(disk, from)});
}

static bool in_directory(const char *path, const char *directory)
{
    char parent[ENV_PATH_SIZE_MAX];
    if (path == NULL) {
        return false;
    }
    sim_path_parent(parent, path);
    return strcmp(parent, directory) == 0;
}

/* ---- inodes nobody can reach any more ---- */

static void inode_destroy(struct sim_inode *inode)
{
    content_deinit(&inode->live);
    content_deinit(&inode->durable);
    drop_changes(inode, inode->change_count);
    free(inode->changes);
    free(inode);
}

static void mark_named(const struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        names->items[i].inode->marked = true;
    }
}

static void sweep_inodes(struct sim_disk *disk)
{
    for (struct sim_inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        inode->marked = inode->open_count > 0;
    }
    mark_named(&disk->live);
    mark_named(&disk->durable);
    for (size_t i = 0; i < disk->change_count; i++) {
        disk->changes[i].inode->marked = true;
    }
    struct sim_inode **link = &disk->inodes;
    while (*link != NULL) {
        struct sim_inode *inode = *link;
        if (inode->marked) {
            link = &inode->next;
        } else {
            *link = inode->next;
            inode_destroy(inode);
        }
    }
}

void sim_disk_sync_directory(struct sim_disk *disk, const char *path, uint64_t mark, bool fails)
{
    bool keep_some = fails && sim_random_below(disk->random, 2) == 0;
    size_t index = 0;
    while (index < disk->change_count) {
        const struct sim_name_change *change = &disk->changes[index];
        bool inside = in_directory(change->from, path) || in_directory(change->to, path);
        if (!inside || change->number >= mark) {
            index++;
            continue;
        }
        if (fails && !(keep_some && sim_random_below(disk->random, 2) == 0)) {
            index++; // Names are the journal's: unlike pages, none is forgotten as clean.
            continue;
        }
        names_apply(&disk->durable, change);
        drop_name_change(disk, index);
    }
    sweep_inodes(disk);
}

/* ---- the end of a boot ---- */

void sim_disk_close_all(struct sim_disk *disk)
{
    for (struct sim_inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        inode->open_count = 0;
        inode->locks_shared = 0;
        inode->locked_exclusive = false;
    }
    sweep_inodes(disk);
}

/* A journal keeps the order of names; without one, any subset survives. */
static void apply_name_changes(struct sim_disk *disk)
{
    size_t count = disk->change_count;
    bool in_order = sim_random_below(disk->random, 3) == 0;
    size_t prefix = sim_random_below(disk->random, count + 1);
    uint64_t percent = 20 + sim_random_below(disk->random, 4) * 20;
    for (size_t i = 0; i < count; i++) {
        bool survives = in_order ? i < prefix : sim_random_below(disk->random, 100) < percent;
        if (survives) {
            names_apply(&disk->durable, &disk->changes[i]);
        }
    }
    while (disk->change_count > 0) {
        drop_name_change(disk, disk->change_count - 1);
    }
}

/* A name whose directory was lost is lost with it. */
static void remove_orphans(struct sim_names *names)
{
    size_t index = 0;
    while (index < names->count) {
        char parent[ENV_PATH_SIZE_MAX];
        sim_path_parent(parent, names->items[index].path);
        const struct sim_name *directory = names_find(names, parent);
        if (parent[0] == '\0' || (directory != NULL && directory->inode->is_directory)) {
            index++;
        } else {
            names_remove(names, &names->items[index]);
            index = 0; // Others may hang on this one.
        }
    }
}

void sim_disk_lose_power(struct sim_disk *disk)
{
    apply_name_changes(disk);
    remove_orphans(&disk->durable);
    names_deinit(&disk->live);
    for (size_t i = 0; i < disk->durable.count; i++) {
        names_set(&disk->live, disk->durable.items[i].path, disk->durable.items[i].inode);
    }
    for (struct sim_inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        struct survival survival = draw_survival(disk->random, inode->change_count);
        apply_changes(inode, inode->change_count, &survival);
        content_copy(&inode->live, &inode->durable);
        inode->reserved = 0;
    }
    sim_disk_close_all(disk);
}

void sim_disk_init(struct sim_disk *disk, struct sim_random *random)
{
    *disk = (struct sim_disk){.random = random, .limit = UINT64_MAX};
}

void sim_disk_deinit(struct sim_disk *disk)
{
    while (disk->change_count > 0) {
        drop_name_change(disk, disk->change_count - 1);
    }
    free(disk->changes);
    names_deinit(&disk->live);
    names_deinit(&disk->durable);
    sim_disk_close_all(disk);
    ASSERT(disk->inodes == NULL);
}
