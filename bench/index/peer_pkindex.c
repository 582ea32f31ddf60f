/* Ours. */

#include "index_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/learned/pkindex.h"

struct ours {
    struct pkindex *index;
    const uint64_t *keys;
};

/* Large blocks in huge pages, as the peers have them. */
static void *pages_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    (void)ctx;
    const size_t large = (size_t)1 << 20;
    if ((ptr == NULL || size_old < large) && size_new < large) {
        return alloc_system.resize(alloc_system.ctx, ptr, size_old, size_new, align);
    }
    if (ptr == NULL) {
        return bench_pages(size_new);
    }
    void *fresh = size_new == 0 ? NULL : pages_resize(ctx, NULL, 0, size_new, align);
    if (fresh != NULL) {
        memcpy(fresh, ptr, size_old < size_new ? size_old : size_new);
    }
    if (size_old >= large) {
        bench_pages_free(ptr, size_old);
    } else {
        (void)alloc_system.resize(alloc_system.ctx, ptr, size_old, 0, align);
    }
    return fresh;
}

static const struct alloc alloc_pages = {.resize = pages_resize};

static void die(const struct err *err)
{
    fprintf(stderr, "bench_index: %s\n", err->text);
    exit(1);
}

static void *build(const struct keys *keys)
{
    static const struct pkindex_options options = {.filter = PKFILTER_NONE};
    struct err err = {0};
    struct pkindex_builder *builder = NULL;
    struct buffer bytes;
    buffer_init(&bytes, &alloc_system);
    struct ours *ours = calloc(1, sizeof *ours);
    if (ours == NULL || pkindex_builder_create(&alloc_system, &options, &builder, &err) ||
        pkindex_builder_add(builder, keys->keys, keys->keys, keys->count, &err) ||
        pkindex_builder_finish(builder, &bytes, &err) ||
        pkindex_open(buffer_span(&bytes), &alloc_pages, &ours->index, &err)) {
        die(&err);
    }
    pkindex_builder_destroy(builder);
    buffer_deinit(&bytes);
    ours->keys = keys->keys;
    return ours;
}

static void ours_free(void *self)
{
    struct ours *ours = self;
    pkindex_close(ours->index);
    free(ours);
}

static size_t size_bytes(const void *self)
{
    return pkindex_size_bytes(((const struct ours *)self)->index);
}

static uint64_t locate(const void *self, uint64_t key)
{
    const struct ours *ours = self;
    return pkindex_locate(ours->index, ours->keys, key);
}

static void locate_batch(const void *self, const uint64_t *wanted, size_t count, uint64_t *out)
{
    const struct ours *ours = self;
    pkindex_locate_batch(ours->index, ours->keys, wanted, count, out);
}

const struct peer peer_pkindex = {
    .name = "tdb+",
    .build = build,
    .free = ours_free,
    .size_bytes = size_bytes,
    .locate = locate,
    .locate_batch = locate_batch,
};
