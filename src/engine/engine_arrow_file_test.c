/*
 * Goal: a file of Arrow's gives its rows, and what is no such file an error. Method: files that
 * pyarrow wrote (types/vectors), whole, cut, and missing. What is in them is tested in
 * types/arrow_ipc_test.c.
 */

#include <stdlib.h>
#include <unistd.h>

#include "tdbplus/arrow.h"

#include "test.h"

#include "types/vectors/arrow_files.inc"

static char path[] = "/tmp/tdbplus-arrow-XXXXXX";

static void write_file(const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK(fwrite(data, 1, size, file) == size);
    CHECK(fclose(file) == 0);
}

/* Rows of the file; -1 when it was refused. */
static int64_t count_rows(tdbplus_call *call)
{
    struct ArrowArrayStream stream = {0};
    struct ArrowSchema schema = {0};
    if (tdbplus_arrow_file(path, &stream, call) != TDBPLUS_OK) {
        CHECK(stream.release == NULL);
        return -1;
    }
    CHECK(stream.get_schema(&stream, &schema) == 0);
    CHECK(schema.n_children > 3);
    schema.release(&schema);
    int64_t found = 0;
    for (;;) {
        struct ArrowArray array = {0};
        if (stream.get_next(&stream, &array) != 0) {
            CHECK(stream.get_last_error(&stream) != NULL);
            found = -1;
            break;
        }
        if (array.release == NULL) {
            break;
        }
        found += array.length;
        array.release(&array);
    }
    stream.release(&stream);
    return found;
}

TEST(files_give_their_rows_and_other_files_an_error)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    int handle = mkstemp(path);
    CHECK(handle >= 0 && close(handle) == 0);
    write_file(file_plain, sizeof file_plain);
    int64_t wanted = count_rows(&call);
    CHECK(wanted > 0);
    write_file(file_zstd, sizeof file_zstd);
    CHECK(count_rows(&call) == wanted);
    write_file(file_lz4, sizeof file_lz4);
    CHECK(count_rows(&call) == wanted);
    write_file(stream_plain, sizeof stream_plain);
    CHECK(count_rows(&call) == wanted);
    write_file(stream_lz4, sizeof stream_lz4);
    CHECK(count_rows(&call) == wanted);
    write_file(stream_zstd, sizeof stream_zstd);
    CHECK(count_rows(&call) == wanted);
    write_file(file_plain, sizeof file_plain / 2);
    CHECK(count_rows(&call) == -1);
    write_file((const uint8_t *)rows[0], 1);
    CHECK(count_rows(&call) == -1);
    CHECK(call.error.status == TDBPLUS_E_CORRUPT);
    CHECK(unlink(path) == 0);
    struct ArrowArrayStream stream = {0};
    CHECK(tdbplus_arrow_file(path, &stream, &call) == TDBPLUS_E_NOT_FOUND);
    CHECK(tdbplus_arrow_file(NULL, &stream, &call) == TDBPLUS_E_INVALID);
}
