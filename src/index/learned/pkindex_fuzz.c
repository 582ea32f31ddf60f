/* Hostile bytes: opening refuses them, or every lookup stays within the rows (K5). */

#include "fuzz.h"

#include "base/assert.h"
#include "base/hash.h"
#include "index/learned/pkindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = fuzz_copy(&alloc_system, (struct span){.data = data, .size = size});
    struct pkindex *index = NULL;
    if (pkindex_open((struct span){.data = input.data, .size = input.size}, &alloc_system, &index,
                     NULL) == TDBPLUS_OK) {
        uint64_t codes[64];
        struct pkrange ranges[64];
        uint64_t bitmap = 0;
        for (uint64_t i = 0; i < 64; i++) {
            codes[i] = i < 2 ? 0 - i : hash_u64(i) >> i;
        }
        pkindex_find_batch(index, codes, 64, ranges);
        pkindex_may_contain_batch(index, codes, 64, &bitmap);
        for (uint64_t i = 0; i < 64; i++) {
            struct pkrange range = pkindex_find(index, codes[i]);
            ASSERT(range.first <= range.end && range.end <= pkindex_row_count(index));
            ASSERT(range.first == ranges[i].first && range.end == ranges[i].end);
            ASSERT(pkindex_may_contain(index, codes[i]) == (bitmap >> i & 1));
        }
        pkindex_close(index);
    }
    bytes_deinit(&input);
    return 0;
}
