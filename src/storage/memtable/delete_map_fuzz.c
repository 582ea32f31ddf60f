/* Any bytes may be offered as a delete map. What is accepted must come back unchanged: the format
 * is canonical in what the map holds, if not in how others write it. */

#include "base/assert.h"
#include "fuzz.h"
#include "storage/memtable/delete_map.h"

/* More than one group, and a last one that is not full. */
#define ROW_COUNT (65536u * 2 + 1000)

static struct delete_map *load(struct span encoded, struct epoch *epoch)
{
    struct delete_map *map = NULL;
    tdbplus_status status = delete_map_create(ROW_COUNT, &alloc_system, epoch, &map, NULL);
    ASSERT(status == TDBPLUS_OK);
    struct err err = {0};
    status = delete_map_load(map, encoded, &err);
    ASSERT(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
    if (status != TDBPLUS_OK) {
        ASSERT(delete_map_count(map) == 0);
        delete_map_destroy(map);
        return NULL;
    }
    return map;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = fuzz_copy(&alloc_system, (struct span){data, size});
    struct epoch epoch;
    epoch_init(&epoch);
    struct delete_map *map = load((struct span){input.data, input.size}, &epoch);
    if (map != NULL) {
        struct buffer buffer;
        buffer_init(&buffer, &alloc_system);
        delete_map_encode(map, 0, &buffer);
        struct delete_map *again = load(buffer_span(&buffer), &epoch);
        ASSERT(again != NULL);
        ASSERT(delete_map_count(again) == delete_map_count(map));
        uint64_t row = 0;
        uint64_t timestamp = 0;
        for (; delete_map_next(map, &row, &timestamp); row++) {
            ASSERT(timestamp == 0);
            ASSERT(delete_map_end_of(again, row) == 0);
        }
        delete_map_destroy(again);
        buffer_deinit(&buffer);
        delete_map_destroy(map);
    }
    epoch_deinit(&epoch);
    bytes_deinit(&input);
    return 0;
}
