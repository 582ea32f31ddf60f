/* The parser of configuration files, and that of HTTP requests: any bytes give pairs or an error
 * with its line, a request or a status. */

#include "server/config.h"

#include "base/assert.h"
#include "fuzz.h"
#include "server/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes copy = fuzz_copy(&alloc_system, (struct span){.data = data, .size = size});
    struct span text = {.data = copy.data, .size = copy.size};
    struct http_request request = {0};
    struct arena arena;
    struct list pairs;
    struct err err = {0};
    arena_init(&arena, &alloc_system, 0);
    list_init(&pairs, &alloc_system, sizeof(struct config_pair));
    tdbplus_status status = config_parse(text, &arena, &pairs, &err);
    ASSERT((status == TDBPLUS_E_INVALID) == (err.position > 0));
    for (size_t i = 0; i < pairs.count; i++) {
        const struct config_pair *pair = list_at(&pairs, i);
        ASSERT(pair->key[0] != 0 && pair->line > 0);
    }
    ASSERT(http_parse(text, &request) != 200 || request.path != HTTP_UNKNOWN);
    list_deinit(&pairs);
    arena_deinit(&arena);
    bytes_deinit(&copy);
    return 0;
}
