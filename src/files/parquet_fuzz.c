/* No bytes crash the reader of Parquet files; what it refuses it refuses with a reason. */

#include "files/parquet.h"
#include "simd/simd.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_group(struct parquet_reader *reader, uint32_t group, struct batch *rows)
{
    struct err err = {0};
    tdbplus_status status = parquet_reader_begin(reader, group, &err);
    // A claim of very many rows costs no more than it has pages.
    for (uint32_t i = 0; i < 200 && status == TDBPLUS_OK; i++) {
        status = parquet_reader_next(reader, rows, &err);
        batch_reset(rows);
    }
    if (status != TDBPLUS_OK && status != TDBPLUS_END && err.text[0] == '\0') {
        abort();
    }
}

static void read_file(struct parquet_file *file)
{
    struct parquet_reader *reader = NULL;
    struct batch rows;
    uint32_t positions[64];
    uint32_t count = 0;
    (void)parquet_columns(file, &count);
    count = count < 64 ? count : 64;
    for (uint32_t i = 0; i < count; i++) {
        positions[i] = i;
    }
    batch_init(&rows, &alloc_system);
    if (parquet_reader_create(file, positions, count, &reader, NULL) == TDBPLUS_OK) {
        for (uint32_t g = 0; g < parquet_group_count(file) && g < 8; g++) {
            read_group(reader, g, &rows);
        }
    }
    parquet_reader_destroy(reader);
    batch_deinit(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[] = "/tmp/parquet_fuzz_XXXXXX";
    static FILE *out;
    struct parquet_file *file = NULL;
    simd_init();
    if (out == NULL) {
        int number = mkstemp(path);
        out = number < 0 ? NULL : fopen(path, "wb");
        if (out == NULL) {
            return 0;
        }
    }
    out = freopen(path, "wb", out);
    if (out == NULL || fwrite(data, 1, size, out) != size || fflush(out) != 0) {
        return 0;
    }
    if (parquet_open(path, &alloc_system, &file, NULL) == TDBPLUS_OK) {
        read_file(file);
    }
    parquet_close(file);
    return 0;
}
