/* A hostile segment and a hostile value file whose checksums have been made right and which belong
 * together: opening, reading, merging and verifying must give an answer or an error.
 *
 * Input: the size of the segment u32, its bytes, the bytes of the value file. */

#include <stddef.h>

#include "base/codec.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "fuzz.h"
#include "os/env.h"
#include "simd/simd.h"
#include "storage/segment/merge.h"
#include "storage/segment/segment_internal.h"
#include "storage/segment/segment_repair.h"
#include "storage/segment/value_file.h"

#define MEMORY_MAX ((size_t)256 << 20)
#define FILE_ID    1u

/* Both ends and the directory of the value file; returns the checksum of the footer. */
static uint32_t repair_values(struct bytes *file)
{
    struct segment_header header;
    memcpy(&header, file->data, sizeof header);
    header.magic = VALUE_FILE_MAGIC;
    header.segment_id = FILE_ID;
    header.crc =
        crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)});
    memcpy(file->data, &header, sizeof header);
    struct value_file_footer footer;
    uint8_t *end = file->data + file->size - sizeof footer;
    memcpy(&footer, end, sizeof footer);
    footer.magic = VALUE_FILE_FOOTER_MAGIC;
    footer.file_id = FILE_ID;
    uint64_t directory = (uint64_t)footer.page_count * sizeof(struct value_page);
    if (footer.directory_offset <= file->size &&
        directory <= file->size - footer.directory_offset) {
        footer.directory_crc =
            crc32c((struct span){file->data + footer.directory_offset, (size_t)directory});
        segment_repair_pages(file, FILE_ID, footer.directory_offset);
    }
    footer.crc = 0;
    footer.crc = crc32c((struct span){(const uint8_t *)&footer, sizeof footer});
    memcpy(end, &footer, sizeof footer);
    return footer.crc;
}

/* The segment refers to that file, however often. */
static void tie(struct bytes *file, uint32_t footer_crc)
{
    struct segment_footer footer;
    memcpy(&footer, file->data + file->size - sizeof footer, sizeof footer);
    if (footer.metadata_size > file->size - sizeof footer ||
        footer.metadata_size < sizeof(struct segment_metadata) ||
        footer.metadata_offset > file->size - sizeof footer - footer.metadata_size) {
        return;
    }
    struct segment_metadata head;
    memcpy(&head, file->data + footer.metadata_offset, sizeof head);
    size_t size =
        ((size_t)head.value_file_count * sizeof(struct segment_value_file) + 63) / 64 * 64;
    if (head.value_file_count > VALUE_FILE_COUNT_MAX || size > footer.metadata_size) {
        return;
    }
    uint8_t *at = file->data + footer.metadata_offset + footer.metadata_size - size;
    for (uint32_t i = 0; i < head.value_file_count; i++, at += sizeof(struct segment_value_file)) {
        store_u64(at + offsetof(struct segment_value_file, file_id), FILE_ID);
        store_u32(at + offsetof(struct segment_value_file, footer_crc), footer_crc);
    }
}

static void read_values(struct segment *segment)
{
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint64_t rows = segment_row_count(segment);
    uint32_t count = rows < SEGMENT_WINDOW_ROW_COUNT ? (uint32_t)rows : SEGMENT_WINDOW_ROW_COUNT;
    for (uint32_t column = 0; segment_find_column(segment, column + 1) >= 0; column++) {
        uint32_t position = (uint32_t)segment_find_column(segment, column + 1);
        struct datum datum;
        struct column read;
        uint64_t wanted[2] = {0, rows - 1};
        (void)!segment_value(segment, hash_u64(column) % rows, position, &batch, &datum, NULL);
        (void)!segment_read(segment, 0, count, &position, 1, &batch, &read, NULL);
        (void)!segment_gather(segment, wanted, rows > 1 ? 2 : 1, &position, 1, &batch, &read, NULL);
        batch_reset(&batch);
    }
    batch_deinit(&batch);
}

static void merge_values(struct segment *segment, const struct schema *schema,
                         const struct env *env, bool copy)
{
    bool *flags = alloc_array(&alloc_system, VALUE_FILE_COUNT_MAX, sizeof *flags);
    memset(flags, copy, VALUE_FILE_COUNT_MAX);
    struct merge_source source = {.segment = segment, .copy_values = flags};
    struct merge_options options = {.alloc = &alloc_system,
                                    .schema = schema,
                                    .sources = &source,
                                    .source_count = 1,
                                    .horizon = UINT64_MAX};
    struct segment_writer_options to = {.env = env,
                                        .alloc = &alloc_system,
                                        .path = "db/segment-0000000000000009",
                                        .schema = schema,
                                        .segment_id = 9,
                                        .key_min = segment_key_min(segment),
                                        .key_max = segment_key_max(segment)};
    struct merge *merge = NULL;
    struct segment_writer *writer = NULL;
    bool done = false;
    if (merge_create(&options, &merge, NULL) == TDBPLUS_OK &&
        segment_writer_create(&to, &writer, NULL) == TDBPLUS_OK) {
        while (!done && merge_step(merge, writer, 1 << 16, &done, NULL) == TDBPLUS_OK) {
        }
    }
    if (writer != NULL) {
        segment_writer_abandon(writer);
    }
    merge_destroy(merge);
    alloc_free(&alloc_system, flags, VALUE_FILE_COUNT_MAX, sizeof *flags);
}

static void use_files(const struct env *env, struct page_cache *cache, uint64_t segment_id)
{
    struct segment_options options = {.env = env,
                                      .alloc = &alloc_system,
                                      .cache = cache,
                                      .path = "db/segment-0000000000000001",
                                      .segment_id = segment_id};
    struct segment *segment = NULL;
    if (segment_open(&options, &segment, NULL) == TDBPLUS_OK) {
        read_values(segment);
        merge_values(segment, segment->schema, env, false);
        merge_values(segment, segment->schema, env, true);
        struct call call = {.alloc = &alloc_system};
        (void)!segment_verify(segment, &call);
        segment_close(segment);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t segment_size = size < 4 ? 0 : load_u32(data);
    size_t ends = sizeof(struct segment_header) + sizeof(struct segment_footer);
    if (segment_size < ends || size - 4 < segment_size || size - 4 - segment_size < ends) {
        return 0;
    }
    simd_init();
    struct bytes file = fuzz_copy(&alloc_system, (struct span){data + 4, segment_size});
    struct bytes values =
        fuzz_copy(&alloc_system, (struct span){data + 4 + segment_size, size - 4 - segment_size});
    tie(&file, repair_values(&values));
    uint64_t pages_end = segment_repair_ends(&file);
    uint64_t segment_id = load_u64(file.data + offsetof(struct segment_header, segment_id));
    segment_repair_pages(&file, segment_id, pages_end);

    struct epoch epoch;
    epoch_init(&epoch);
    struct env *env = NULL;
    struct page_cache *cache = NULL;
    if (env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK &&
        page_cache_create(MEMORY_MAX, &alloc_system, &epoch, &cache, NULL) == TDBPLUS_OK &&
        env_write_file(env, "db/segment-0000000000000001", (struct span){file.data, file.size},
                       NULL) == TDBPLUS_OK &&
        env_write_file(env, "db/values-0000000000000001", (struct span){values.data, values.size},
                       NULL) == TDBPLUS_OK) {
        use_files(env, cache, segment_id);
    }
    epoch_deinit(&epoch);
    page_cache_destroy(cache);
    if (env != NULL) {
        env_ram_destroy(env);
    }
    bytes_deinit(&file);
    bytes_deinit(&values);
    return 0;
}
