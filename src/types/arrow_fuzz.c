/*
 * No bytes make the reader of Arrow files and streams stray. Whatever is read is printed, so that
 * every value is touched.
 */

#include "fuzz.h"

#include "base/budget.h"
#include "types/arrow_ipc.h"

#define MEMORY_MAX ((size_t)64 << 20)
#define BATCH_MAX  64

static void print_batch(const struct batch *batch, struct buffer *text)
{
    for (uint32_t i = 0; i < batch->column_count; i++) {
        for (uint32_t row = 0; row < batch->row_count; row++) {
            struct datum datum;
            column_get(&batch->columns[i], row, &datum);
            if (!datum.is_null) {
                buffer_clear(text);
                text_print(&datum, NULL, text);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = fuzz_copy(&alloc_system, (struct span){data, size});
    struct budget budget;
    budget_init(&budget, &alloc_system, NULL, MEMORY_MAX);
    struct arrow_reader *reader = NULL;
    struct batch batch;
    batch_init(&batch, &budget.alloc);
    struct buffer text = {.alloc = &alloc_system};
    if (arrow_reader_open((struct span){input.data, input.size}, &budget.alloc, &reader, NULL) ==
        TDBPLUS_OK) {
        for (int i = 0; i < BATCH_MAX && arrow_reader_next(reader, &batch, NULL) == TDBPLUS_OK;
             i++) {
            print_batch(&batch, &text);
            batch_reset(&batch);
        }
    }
    batch_deinit(&batch);
    arrow_reader_close(reader);
    buffer_deinit(&text);
    budget_deinit(&budget);
    bytes_deinit(&input);
    return 0;
}
