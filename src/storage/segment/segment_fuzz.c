/* Hostile file bytes whose checksums have been made right, so that what lies behind them is
 * reached: open, read, look up and verify must give an answer or an error. */

#include "base/codec.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "fuzz.h"
#include "os/env.h"
#include "simd/simd.h"
#include "storage/segment/page_cache.h"
#include "storage/segment/segment.h"
#include "storage/segment/segment_repair.h"

#define PATH       "segment"
#define MEMORY_MAX ((size_t)256 << 20)

static void use_segment(struct segment *segment, uint64_t seed)
{
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint64_t rows = segment_row_count(segment);
    for (uint64_t i = 0; i < 16; i++) {
        uint64_t random = hash_u64(seed + i);
        uint8_t bytes[8];
        store_u64_be(bytes, key_code_of_integer((int64_t)(i % 2 == 0 ? random : random % 300)));
        struct span span = i % 3 == 0 ? segment_key_max(segment) : (struct span){bytes, 8};
        struct segment_key key = {.key = span, .code = key_code(span), .hash = key_hash(span)};
        uint64_t row = 0;
        uint32_t count = 0;
        (void)!segment_find(segment, &key, &row, &count, NULL);
        (void)!segment_lower_bound(segment, &key, &row, NULL);
        struct datum datum;
        (void)!segment_value(segment, random % rows, 0, &batch, &datum, NULL);
        struct segment_zone zone;
        segment_zone(segment, 0, 0, rows < 5000 ? (uint32_t)rows : 5000, &zone);
        batch_reset(&batch);
    }
    batch_deinit(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(struct segment_header) + sizeof(struct segment_footer)) {
        return 0;
    }
    simd_init();
    struct bytes file = fuzz_copy(&alloc_system, (struct span){data, size});
    uint64_t pages_end = segment_repair_ends(&file);
    uint64_t segment_id = load_u64(file.data + offsetof(struct segment_header, segment_id));
    segment_repair_pages(&file, segment_id, pages_end);

    struct epoch epoch;
    epoch_init(&epoch);
    struct env *env = NULL;
    struct page_cache *cache = NULL;
    if (env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK &&
        page_cache_create(MEMORY_MAX, &alloc_system, &epoch, &cache, NULL) == TDBPLUS_OK &&
        env_write_file(env, PATH, (struct span){file.data, file.size}, NULL) == TDBPLUS_OK) {
        struct segment_options options = {.env = env,
                                          .alloc = &alloc_system,
                                          .cache = cache,
                                          .path = PATH,
                                          .segment_id = segment_id};
        struct segment *segment = NULL;
        if (segment_open(&options, &segment, NULL) == TDBPLUS_OK) {
            use_segment(segment, size);
            struct call call = {.alloc = &alloc_system};
            (void)!segment_verify(segment, &call);
            segment_close(segment);
        }
    }
    epoch_deinit(&epoch);
    page_cache_destroy(cache);
    if (env != NULL) {
        env_ram_destroy(env);
    }
    bytes_deinit(&file);
    return 0;
}
