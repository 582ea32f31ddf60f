#pragma once

/* For fuzz targets: makes the checksums of hostile files right, so that what lies behind them is
 * reached. */

#include <stddef.h>
#include <string.h>

#include "base/codec.h"
#include "storage/segment/segment_format.h"

/* Makes the checksums of header, footer and metadata hold, and puts both ends in their place. */
static inline uint64_t segment_repair_ends(struct bytes *file)
{
    struct segment_header header;
    memcpy(&header, file->data, sizeof header);
    header.magic = SEGMENT_MAGIC;
    header.crc =
        crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)});
    memcpy(file->data, &header, sizeof header);
    struct segment_footer footer;
    uint8_t *end = file->data + file->size - sizeof footer;
    memcpy(&footer, end, sizeof footer);
    footer.magic = SEGMENT_FOOTER_MAGIC;
    footer.segment_id = header.segment_id;
    if (footer.metadata_size <= file->size && footer.metadata_offset <= file->size &&
        footer.metadata_offset + footer.metadata_size <= file->size) {
        footer.metadata_crc = crc32c(
            (struct span){file->data + footer.metadata_offset, (size_t)footer.metadata_size});
    }
    footer.crc = 0;
    footer.crc = crc32c((struct span){(const uint8_t *)&footer, sizeof footer});
    memcpy(end, &footer, sizeof footer);
    return footer.metadata_offset < file->size ? footer.metadata_offset : file->size;
}

/* Pages follow each other from the header on. */
static inline void segment_repair_pages(struct bytes *file, uint64_t segment_id, uint64_t end)
{
    uint64_t offset = sizeof(struct segment_header);
    struct page_header header;
    while (offset + sizeof header <= end) {
        memcpy(&header, file->data + offset, sizeof header);
        if (header.stored_size > end - offset - sizeof header) {
            return;
        }
        header.crc = 0;
        uint32_t crc = crc32c((struct span){(const uint8_t *)&segment_id, sizeof segment_id});
        crc = crc32c_extend(crc, (struct span){(const uint8_t *)&header, sizeof header});
        crc = crc32c_extend(crc,
                            (struct span){file->data + offset + sizeof header, header.stored_size});
        store_u32(file->data + offset, crc);
        offset += sizeof header + header.stored_size;
    }
}
