/* Goal: no path crashes its reader or what applies it, and what it gives are valid documents. The
 * input is a path, a byte 0, and the text of a document. */

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "sql/func/jsonpath.h"
#include "types/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_utf8(struct span text)
{
    while (text.size > 0) {
        int32_t code = 0;
        utf8proc_ssize_t used = utf8proc_iterate(text.data, (utf8proc_ssize_t)text.size, &code);
        if (used <= 0) {
            return false;
        }
        text.data += used;
        text.size -= (size_t)used;
    }
    return true;
}

static void apply(struct span path_text, struct span document, struct arena *arena)
{
    struct jsonpath path;
    struct jsonpath_items items = {0};
    struct span variables = {0};
    if (jsonpath_parse(path_text, arena, &path, NULL) != TDBPLUS_OK ||
        jsonpath_apply(&path, document, variables, arena, &items, NULL) != TDBPLUS_OK) {
        return;
    }
    for (uint32_t i = 0; i < items.count; i++) {
        if (json_validate(items.items[i], NULL) != TDBPLUS_OK) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *middle = size > 2048 ? NULL : memchr(data, 0, size);
    if (middle == NULL) {
        return 0;
    }
    struct span path = {.data = data, .size = (size_t)(middle - data)};
    struct span text = {.data = middle + 1, .size = size - path.size - 1};
    struct json_builder builder;
    struct buffer document;
    struct arena arena;
    json_builder_init(&builder, &alloc_system);
    buffer_init(&document, &alloc_system);
    arena_init(&arena, &alloc_system, 0);
    if (is_utf8(path) && json_parse(&builder, text, &document, NULL) == TDBPLUS_OK) {
        apply(path, buffer_span(&document), &arena);
    }
    arena_deinit(&arena);
    buffer_deinit(&document);
    json_builder_deinit(&builder);
    return 0;
}
