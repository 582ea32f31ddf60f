#pragma once

/* The open files of env_real. */

#include "os/env.h"

#define FILE_TRANSFER_MAX ((size_t)1 << 30) /* Below what one system call moves at most. */
#define FILE_DIRECT_ALIGN ((uint64_t)4096)  /* A multiple of every block size in use. */

struct env_file {
    int fd;
    int fd_direct; /* The same file past the page cache, or -1. */
    size_t path_size;
    char path[]; /* For messages; the name the file was opened by. */
};

/* The descriptor to move that range with. */
int file_descriptor(const struct env_file *file, uint64_t offset, const void *data, size_t size);

/* As env_read(), env_read_batch() and env_sync(). `size` > 0. */
TDBPLUS_CHECKED tdbplus_status file_read(const struct env_file *file, uint64_t offset, void *data,
                                         size_t size, struct err *err);
TDBPLUS_CHECKED tdbplus_status file_read_batch(const struct env_file *file,
                                               struct env_read_request *requests, size_t count,
                                               struct err *err);
TDBPLUS_CHECKED tdbplus_status file_sync(const struct env_file *file, struct err *err);
