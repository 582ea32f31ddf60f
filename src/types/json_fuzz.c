/*
 * No text and no bytes make the parser or a reader stray. The first byte of the input says which of
 * the two the rest is. Checked besides: what is accepted prints and parses to the same bytes.
 */

#include "fuzz.h"

#include "base/assert.h"
#include "types/json.h"

static void check_document(struct span document)
{
    struct json_builder builder;
    json_builder_init(&builder, &alloc_system);
    struct buffer text = {.alloc = &alloc_system};
    struct buffer again = {.alloc = &alloc_system};
    json_print(document, &text);
    tdbplus_status status = json_parse(&builder, buffer_span(&text), &again, NULL);
    // The text may be longer than the document and past the limit of a text; nothing else may fail.
    ASSERT(status == TDBPLUS_OK || text.size > ((size_t)256 << 20));
    ASSERT(status != TDBPLUS_OK || span_compare(buffer_span(&again), document) == 0);
    ASSERT(status != TDBPLUS_OK || json_hash(document) == json_hash(buffer_span(&again)));
    ASSERT(json_compare(document, document) == 0);
    json_builder_deinit(&builder);
    buffer_deinit(&text);
    buffer_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct bytes input = fuzz_copy(&alloc_system, (struct span){data + 1, size - 1});
    struct span span = {input.data, input.size};
    if (data[0] % 2 == 0) {
        struct json_builder builder;
        json_builder_init(&builder, &alloc_system);
        struct buffer document = {.alloc = &alloc_system};
        if (json_parse(&builder, span, &document, NULL) == TDBPLUS_OK) {
            ASSERT(json_validate(buffer_span(&document), NULL) == TDBPLUS_OK);
            check_document(buffer_span(&document));
        }
        json_builder_deinit(&builder);
        buffer_deinit(&document);
    } else if (json_validate(span, NULL) == TDBPLUS_OK) {
        check_document(span);
    }
    bytes_deinit(&input);
    return 0;
}
