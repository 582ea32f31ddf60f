/*
 * What `tdb recover` asks about segments that nobody vouches for.
 *
 * A footer can be made again: pages follow each other from the header on and say how long they are,
 * and the metadata behind them say how long they are, which must come out at the footer. Metadata
 * cannot: that pages are what they should be they say themselves (G6), but not what type their
 * values have nor which path of a document they are.
 */

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
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

bool segment_is_proven(const struct segment *segment)
{
    return !segment->is_unproven;
}

bool segment_has_paths(const struct segment *segment)
{
    return segment->plan.path_count > 0;
}

uint64_t segment_lost_values(const struct segment *segment, uint32_t number)
{
    ASSERT(number < segment->value_count);
    return segment->values[number] == NULL ? segment->value_uses[number].file_id : 0;
}

/* ---- a footer made again ---- */

static uint64_t padded(uint64_t size)
{
    return (size + 63) / 64 * 64;
}

bool segment_metadata_proves_itself(const struct segment *segment)
{
    struct segment_metadata head;
    memcpy(&head, segment->metadata, sizeof head);
    uint32_t own_crc = head.own_crc;
    head.own_crc = 0;
    uint32_t crc = crc32c((struct span){(const uint8_t *)&head, sizeof head});
    crc = crc32c_extend(
        crc, (struct span){segment->metadata + sizeof head, segment->metadata_size - sizeof head});
    return own_crc != 0 && crc == own_crc;
}

/* True when these may be metadata that fill `room` bytes. */
static bool may_be_metadata(const struct segment_metadata *head, uint64_t room)
{
    if (head->group_shift != SEGMENT_GROUP_SHIFT || head->index_size > room ||
        head->column_count == 0 || head->column_count > SEGMENT_COLUMN_MAX) {
        return false;
    }
    uint64_t chunks = (uint64_t)head->group_count * head->column_count;
    uint64_t pages = head->page_count;
    uint64_t size = sizeof *head + padded(head->schema_size) + padded(head->key_min_size) +
                    padded(head->key_max_size) + padded(chunks * sizeof(struct segment_chunk)) +
                    padded(pages * sizeof(uint64_t)) + padded(pages * sizeof(uint32_t)) +
                    padded(pages * sizeof(struct segment_zone_entry)) + padded(head->index_size) +
                    padded((uint64_t)head->value_file_count * sizeof(struct segment_value_file)) +
                    padded(head->path_size);
    return size == room;
}

/* Walks the pages. Every column has every row, so their sum tells how many rows there are. */
static tdbplus_status walk_pages(struct segment *segment, struct err *err)
{
    const struct page_source *source = &segment->source;
    uint64_t end = segment->file_size - sizeof(struct segment_footer);
    uint64_t offset = sizeof(struct segment_header);
    uint64_t rows = 0;
    union {
        struct segment_metadata metadata;
        struct page_header page;
    } head;
    while (end - offset >= sizeof head) {
        TRY(env_read(source->env, source->file, offset, &head, sizeof head, err));
        if (may_be_metadata(&head.metadata, end - offset) &&
            rows % head.metadata.column_count == 0) {
            segment->footer.metadata_offset = offset;
            segment->footer.metadata_size = end - offset;
            segment->row_count = rows / head.metadata.column_count;
            return segment->row_count == 0 ? TDBPLUS_E_CORRUPT : TDBPLUS_OK;
        }
        uint64_t size = sizeof head.page + (uint64_t)head.page.stored_size;
        if (head.page.row_count == 0 || head.page.row_count > SEGMENT_PAGE_ROW_MAX ||
            size > end - offset) {
            break;
        }
        rows += head.page.row_count;
        offset += size;
    }
    return TDBPLUS_E_CORRUPT;
}

tdbplus_status segment_find_ends(struct segment *segment,
                                 tdbplus_status (*read_ends)(struct segment *, struct err *),
                                 struct err *err)
{
    struct err why = {0};
    tdbplus_status status = read_ends(segment, &why);
    uint64_t least = sizeof(struct segment_header) + sizeof(struct segment_metadata) +
                     sizeof(struct segment_footer);
    if (status == TDBPLUS_E_CORRUPT && segment->file_size >= least &&
        segment->file_size <= SEGMENT_FILE_SIZE_MAX) {
        // What is left of the footer is used for its checksum of the metadata, if that holds.
        tdbplus_status found = env_read(segment->source.env, segment->source.file,
                                        segment->file_size - sizeof segment->footer,
                                        &segment->footer, sizeof segment->footer, NULL);
        status = found == TDBPLUS_OK ? walk_pages(segment, NULL) : found;
    }
    return status == TDBPLUS_OK ? TDBPLUS_OK : err_set(err, status, "%s", why.text);
}
