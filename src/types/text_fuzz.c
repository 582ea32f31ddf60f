/*
 * No text makes the reader of any type stray, and what was read prints to a text that reads back as
 * the same value. The first byte of the input says which type.
 */

#include "fuzz.h"

#include "base/assert.h"
#include "types/array.h"
#include "types/text.h"

static struct type type_of_byte(uint8_t byte)
{
    struct type type = {.id = (uint8_t)(TYPE_BOOL + byte % TYPE_VECTOR)};
    bool is_array = byte >= 128;
    if (type.id == TYPE_ARRAY || type.id == TYPE_ENUM) {
        type.id = TYPE_TEXT; // Enums need labels, which are not text of ours.
    }
    if (type.id == TYPE_VECTOR) {
        type.parameter = 3;
    }
    if (is_array) {
        type.element = type.id;
        type.id = TYPE_ARRAY;
    }
    return type;
}

static void check(const struct datum *value, struct arena *arena)
{
    struct buffer text = {.alloc = &alloc_system};
    text_print(value, NULL, &text);
    struct datum back = {0};
    tdbplus_status status = text_parse(buffer_span(&text), value->type, NULL, arena, &back, NULL);
    ASSERT(status == TDBPLUS_OK || text.size > 120); // Dates and intervals have short texts.
    ASSERT(status != TDBPLUS_OK || datum_compare(value, &back) == 0);
    buffer_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct bytes input = fuzz_copy(&alloc_system, (struct span){data + 1, size - 1});
    struct arena arena = {.alloc = &alloc_system};
    struct datum value = {0};
    if (text_parse((struct span){input.data, input.size}, type_of_byte(data[0]), NULL, &arena,
                   &value, NULL) == TDBPLUS_OK) {
        check(&value, &arena);
    }
    arena_deinit(&arena);
    bytes_deinit(&input);
    return 0;
}
