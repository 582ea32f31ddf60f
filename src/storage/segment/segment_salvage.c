/* What `tdb recover` asks about segments that nobody vouches for. */

#include <stddef.h>

#include "base/codec.h"
#include "storage/segment/segment_internal.h"

tdbplus_status segment_identify(const struct env *env, const char *path,
                                struct segment_identity *identity_out, struct err *err)
{
    struct env_file *file = NULL;
    struct segment_header header;
    uint64_t size = 0;
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, env_open(env, path, ENV_OPEN_READ, &file, err));
    TRY_OR(done, env_size(env, file, &size, err));
    if (size < sizeof header) {
        status = err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: its size is impossible", path);
        goto done;
    }
    TRY_OR(done, env_read(env, file, 0, &header, sizeof header, err));
    if (header.magic != SEGMENT_MAGIC ||
        header.crc !=
            crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)})) {
        status =
            err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: the header (offset 0) is damaged", path);
        goto done;
    }
    *identity_out = (struct segment_identity){
        .segment_id = header.segment_id, .collection_id = header.collection_id, .file_size = size};
done:
    env_close(env, file);
    return status;
}

const struct schema *segment_schema(const struct segment *segment)
{
    return segment->schema;
}

struct segment_stretch segment_page_stretch(const struct segment *segment, uint64_t row,
                                            uint32_t column_position)
{
    struct segment_page page = segment_page_of(segment, row, column_position);
    return (struct segment_stretch){
        .offset = segment->offsets[page.page],
        .size = segment->sizes[page.page],
        .first_row = page.first_row,
        .row_count = page.row_count,
    };
}
