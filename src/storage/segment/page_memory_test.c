/* Goal: blocks do not overlap, are aligned, and all chunks go back. Method: random sizes and orders
 * with every block filled by its own pattern. */

#include "storage/segment/page_memory.h"

#include "base/hash.h"
#include "test.h"

#define BLOCKS 400u

struct block {
    uint8_t *data;
    size_t size;
    bool chunked;
};

static void check_pattern(const struct block *block, uint8_t pattern)
{
    CHECK(block->data[0] == pattern);
    CHECK(block->data[block->size / 2] == pattern);
    CHECK(block->data[block->size - 1] == pattern);
}

TEST(blocks_keep_what_is_in_them_and_chunks_go_back)
{
    struct fault_alloc quiet;
    fault_alloc_init(&quiet, UINT32_MAX);
    struct page_memory *memory = page_memory_create(&quiet.alloc, 100000);
    CHECK(memory != NULL);
    static struct block blocks[BLOCKS];
    memset(blocks, 0, sizeof blocks);
    size_t chunks_most = 0;
    for (uint64_t turn = 0; turn < 20000; turn++) {
        uint64_t random = hash_u64(turn);
        uint32_t i = (uint32_t)(random % BLOCKS);
        struct block *block = &blocks[i];
        if (block->data != NULL) {
            check_pattern(block, (uint8_t)i);
            page_memory_free(memory, block->data, block->size, block->chunked);
            block->data = NULL;
        } else {
            // Mostly pages of the usual sizes, some tiny ones and some past every class.
            uint64_t kind = random >> 32;
            block->size = kind % 10 == 0 ? 1 + kind % 300000 : 300 + (kind >> 8) % 70000;
            block->data = page_memory_alloc(memory, block->size, &block->chunked);
            CHECK(block->data != NULL);
            CHECK((uintptr_t)block->data % 64 == 0);
            memset(block->data, (int)(uint8_t)i, block->size);
        }
        size_t chunks = page_memory_chunk_count(memory);
        chunks_most = chunks > chunks_most ? chunks : chunks_most;
    }
    CHECK(chunks_most > 3);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].data != NULL) {
            check_pattern(&blocks[i], (uint8_t)i);
            page_memory_free(memory, blocks[i].data, blocks[i].size, blocks[i].chunked);
        }
    }
    page_memory_destroy(memory);
    CHECK(quiet.live_bytes == 0);
}

TEST(every_size_up_to_the_largest_class_fits_its_block)
{
    struct page_memory *memory = page_memory_create(&alloc_system, 0);
    CHECK(memory != NULL);
    for (size_t size = 1; size <= 140000; size += 1 + size / 50) {
        struct block pair[2];
        for (int i = 0; i < 2; i++) {
            pair[i].size = size;
            pair[i].data = page_memory_alloc(memory, size, &pair[i].chunked);
            CHECK(pair[i].data != NULL);
            CHECK(pair[i].chunked == (size <= 131072));
            memset(pair[i].data, i + 1, size);
        }
        check_pattern(&pair[0], 1);
        for (int i = 0; i < 2; i++) {
            page_memory_free(memory, pair[i].data, size, pair[i].chunked);
        }
    }
    page_memory_destroy(memory);
}

TEST(running_out_of_chunks_is_told)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, 2); // The memory itself, a chunk, and then no more.
    struct page_memory *memory = page_memory_create(&fault.alloc, 0);
    CHECK(memory != NULL);
    bool chunked = false;
    void *block = page_memory_alloc(memory, 2000, &chunked);
    CHECK(block != NULL && chunked);
    CHECK(page_memory_alloc(memory, 50000, &chunked) == NULL);
    page_memory_destroy(memory); // Lives on until its last block goes.
    page_memory_free(memory, block, 2000, true);
    CHECK(fault.live_bytes == 0);
}
