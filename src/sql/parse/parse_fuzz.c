/* Any bytes either parse or give an error with words; trees are inside the arena. */

#include "sql/parse/parse.h"

#include "base/assert.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes copy = fuzz_copy(&alloc_system, (struct span){.data = data, .size = size});
    struct arena arena;
    arena_init(&arena, &alloc_system, 0);
    struct parse_result result = {0};
    struct err err = {0};
    struct span text = {.data = copy.data, .size = copy.size};
    tdbplus_status status = parse_text(text, &arena, &result, &err);
    if (status == TDBPLUS_OK) {
        for (uint32_t i = 0; i < result.statement_count; i++) {
            ASSERT(result.statements[i].root != NULL);
            ASSERT(parse_statement_name(result.statements[i].root) != NULL);
        }
    } else {
        ASSERT(err.status == status && err.text[0] != 0);
    }
    arena_deinit(&arena);
    bytes_deinit(&copy);
    return 0;
}
