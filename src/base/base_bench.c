/* What the pieces of base cost alone, on one thread. */

#include "base/budget.h"
#include "base/buffer.h"
#include "base/codec.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "base/map.h"
#include "bench.h"

#define CRC_SIZE ((size_t)64 << 10)

static uint64_t crc_of_pieces(void *ctx)
{
    static uint8_t data[CRC_SIZE];
    size_t piece = *(const size_t *)ctx;
    uint64_t sum = 0;
    for (size_t at = 0; at + piece <= CRC_SIZE; at += piece) {
        sum += crc32c((struct span){.data = data + at, .size = piece});
    }
    return sum;
}

BENCH(crc32c)
{
    size_t small = 64;
    size_t page = 4096;
    size_t large = CRC_SIZE;
    bench_measure(bench, "64 bytes", CRC_SIZE / small, CRC_SIZE, crc_of_pieces, &small);
    bench_measure(bench, "4 KiB", CRC_SIZE / page, CRC_SIZE, crc_of_pieces, &page);
    bench_measure(bench, "64 KiB", CRC_SIZE / large, CRC_SIZE, crc_of_pieces, &large);
}

struct map_work {
    struct map map;
    uint64_t keys;
};

static uint64_t get_random_keys(void *ctx)
{
    struct map_work *work = ctx;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < work->keys; i++) {
        sum += *map_get(&work->map, hash_u64(i) % work->keys);
    }
    return sum;
}

static void measure_map(struct bench *bench, const char *what, uint64_t keys)
{
    struct map_work work = {.keys = keys};
    map_init(&work.map, &alloc_system);
    for (uint64_t i = 0; i < keys; i++) {
        if (!map_put(&work.map, i, i)) {
            bench->failed = true;
        }
    }
    if (!bench->failed) {
        bench_measure(bench, what, keys, 0, get_random_keys, &work);
    }
    map_deinit(&work.map);
}

BENCH(map_get)
{
    measure_map(bench, "1 k keys, random order", 1000);
    measure_map(bench, "1 M keys, random order", bench->check ? 2000 : 1000000);
}

#define EPOCH_ROUNDS 10000u

static uint64_t enter_and_exit(void *ctx)
{
    for (unsigned i = 0; i < EPOCH_ROUNDS; i++) {
        epoch_exit(ctx, epoch_enter(ctx));
    }
    return 0;
}

BENCH(epoch)
{
    static struct epoch epoch;
    epoch_init(&epoch);
    bench_measure(bench, "enter and exit, alone", EPOCH_ROUNDS, 0, enter_and_exit, &epoch);
    epoch_deinit(&epoch);
}

#define BLOCKS 1000u

static uint64_t allocate_and_free(void *ctx)
{
    const struct alloc *alloc = ctx;
    uint64_t count = 0;
    for (unsigned i = 0; i < BLOCKS; i++) {
        void *block = alloc_raw(alloc, 100);
        count += block != NULL;
        alloc_free(alloc, block, 100, 1);
    }
    return count;
}

BENCH(budget)
{
    struct budget root;
    struct budget leaf;
    budget_init(&root, &alloc_system, NULL, SIZE_MAX);
    budget_init(&leaf, NULL, &root, SIZE_MAX);
    struct alloc plain = alloc_system;
    bench_measure(bench, "100 bytes, no budget", BLOCKS, 0, allocate_and_free, &plain);
    bench_measure(bench, "100 bytes, two levels", BLOCKS, 0, allocate_and_free, &leaf.alloc);
    budget_deinit(&leaf);
    budget_deinit(&root);
}

#define VARINTS 10000u

static uint64_t write_and_read_varints(void *ctx)
{
    struct buffer *buffer = ctx;
    buffer_clear(buffer);
    for (uint64_t i = 0; i < VARINTS; i++) {
        buffer_put_varint(buffer, hash_u64(i) >> (i % 64));
    }
    struct reader reader = reader_of(buffer_span(buffer));
    uint64_t sum = 0;
    for (uint64_t i = 0; i < VARINTS; i++) {
        sum += reader_varint(&reader);
    }
    return sum;
}

BENCH(varint)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    bench_measure(bench, "write and read, 1 to 10 bytes", VARINTS, 0, write_and_read_varints,
                  &buffer);
    buffer_deinit(&buffer);
}
