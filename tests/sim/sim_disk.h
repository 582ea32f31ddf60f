#pragma once

/*
 * A disk that can lose power. Every file has two contents, what reads see now and what is on the
 * platter, and the list of changes between them; so have the names. A sync moves changes to the
 * platter, power loss lets some of them survive. docs/testing.md describes the model.
 *
 * One thread only. Out of memory ends the process: this is a test's own memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/env.h"

#define SIM_PAGE_SIZE 4096u

/* Numbers from a seed (SplitMix64). */
struct sim_random {
    uint64_t state;
};

uint64_t sim_random_u64(struct sim_random *random);
uint64_t sim_random_below(struct sim_random *random, uint64_t limit); /* 0 when limit is 0. */
bool sim_random_ppm(struct sim_random *random, uint32_t parts_per_million);

/* Bytes of a file; pages that were never written are absent and read as zeros. */
struct sim_content {
    uint8_t **pages;
    size_t page_count;
    uint64_t size;
};

enum sim_change_kind {
    SIM_CHANGE_WRITE,    /* data at offset; the file reaches at least to its end. */
    SIM_CHANGE_EXTEND,   /* The file is at least `offset` bytes long. */
    SIM_CHANGE_TRUNCATE, /* The file is `offset` bytes long. */
};

struct sim_change {
    uint64_t number; /* Rising over the whole disk. */
    enum sim_change_kind kind;
    uint64_t offset;
    uint8_t *data;
    size_t size;
};

struct sim_inode {
    struct sim_inode *next;
    uint64_t number;
    bool is_directory;
    struct sim_content live;
    struct sim_content durable;
    struct sim_change *changes;
    size_t change_count;
    size_t change_capacity;
    uint64_t reserved; /* Space taken by env_allocate(). */
    uint32_t open_count;
    uint32_t locks_shared;
    bool locked_exclusive;
    bool marked; /* While sweeping. */
};

struct sim_name {
    char *path;
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_name *items;
    size_t count;
    size_t capacity;
};

enum sim_name_change_kind {
    SIM_NAME_LINK,   /* `to` names the inode from now on. */
    SIM_NAME_UNLINK, /* `from` names it no more. */
    SIM_NAME_RENAME, /* Both at once. */
};

struct sim_name_change {
    uint64_t number;
    enum sim_name_change_kind kind;
    char *from;
    char *to;
    struct sim_inode *inode;
};

struct sim_disk {
    struct sim_random *random;
    struct sim_inode *inodes;
    struct sim_names live;
    struct sim_names durable;
    struct sim_name_change *changes;
    size_t change_count;
    size_t change_capacity;
    uint64_t next_number;
    uint64_t limit; /* Bytes; UINT64_MAX for none. */
};

void sim_disk_init(struct sim_disk *disk, struct sim_random *random);
void sim_disk_deinit(struct sim_disk *disk);

/* Loses power: what was synced stays, of the rest some survives. Nothing is open afterwards. */
void sim_disk_lose_power(struct sim_disk *disk);

/* Ends the process only: all that was written stays, nothing is open afterwards. */
void sim_disk_close_all(struct sim_disk *disk);

/* ---- names; paths are normalised, "" is the root ---- */

/* Writes the one spelling of `path`; false for "..", which the simulator does not know. */
bool sim_path_normalise(char normal[ENV_PATH_SIZE_MAX], const char *path);
/* Writes the directory part. */
void sim_path_parent(char parent[ENV_PATH_SIZE_MAX], const char *path);

/* NULL when there is none. The root exists always and has no inode: see is_directory below. */
struct sim_inode *sim_disk_find(const struct sim_disk *disk, const char *path);
bool sim_disk_is_directory(const struct sim_disk *disk, const char *path);
bool sim_disk_is_empty(const struct sim_disk *disk, const char *path);

struct sim_inode *sim_disk_make(struct sim_disk *disk, const char *path, bool is_directory);
void sim_disk_link(struct sim_disk *disk, struct sim_inode *inode, const char *to);
void sim_disk_unlink(struct sim_disk *disk, const char *path);
void sim_disk_rename(struct sim_disk *disk, const char *from, const char *to);

/* Makes the changes of one directory numbered below `mark` durable. When `fails`, some of them; the
 * others stay to be synced, or lost, later. */
void sim_disk_sync_directory(struct sim_disk *disk, const char *path, uint64_t mark, bool fails);

/* ---- content ---- */

/* How a write may go wrong without telling. */
enum sim_write_fate {
    SIM_WRITE_GOOD,
    SIM_WRITE_LOST,        /* Never reaches the platter. */
    SIM_WRITE_MISDIRECTED, /* Reaches another place of the file. */
};

void sim_disk_read(const struct sim_inode *inode, uint64_t offset, void *data, size_t size);
void sim_disk_write(struct sim_disk *disk, struct sim_inode *inode, uint64_t offset,
                    struct span data, enum sim_write_fate fate);
void sim_disk_extend(struct sim_disk *disk, struct sim_inode *inode, uint64_t size);
void sim_disk_truncate(struct sim_disk *disk, struct sim_inode *inode, uint64_t size);

/* Makes the changes numbered below `mark` durable (disk->next_number: all so far). When `fails`,
 * some of them; the rest is considered clean and never tried again. */
void sim_disk_sync(struct sim_disk *disk, struct sim_inode *inode, uint64_t mark, bool fails);

/* Flips a bit on the platter and in memory; false when the file does not reach that far. */
bool sim_disk_flip_bit(struct sim_inode *inode, uint64_t offset, uint32_t bit);

/* True when `inode` (NULL: a new one) may grow to `size` bytes. */
bool sim_disk_fits(const struct sim_disk *disk, const struct sim_inode *inode, uint64_t size);
