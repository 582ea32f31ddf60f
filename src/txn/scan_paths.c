/* Columns of a scan that are parts of documents. */

#include "base/assert.h"
#include "txn/scan_internal.h"

static bool has_path(const struct scan *scan, uint32_t number)
{
    return scan->options.paths != NULL && scan->options.paths[number].key_count > 0;
}

static struct segment_path path_of(const struct scan *scan, uint32_t number, uint32_t position)
{
    const struct scan_path *path = &scan->options.paths[number];
    return (struct segment_path){.position = position,
                                 .keys = path->keys,
                                 .key_count = path->key_count,
                                 .as_text = path->as_text};
}

bool scan_is_path(const struct scan *scan, uint32_t number)
{
    return number < scan->options.position_count && has_path(scan, number);
}

tdbplus_status scan_read_paths(struct scan *scan, struct batch *batch, struct err *err)
{
    if (scan->options.paths == NULL || batch_live_count(batch) == 0) {
        return TDBPLUS_OK;
    }
    for (uint32_t c = 0; c < scan->options.position_count; c++) {
        if (has_path(scan, c)) {
            struct segment_path path = path_of(scan, c, 0);
            struct column column;
            TRY(documents_read_path(&batch->columns[c], &path, batch, &column, err));
            batch->columns[c] = column;
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status scan_read_segment_paths(struct scan *scan, struct segment *segment,
                                       uint64_t first_row, struct batch *batch, struct err *err)
{
    if (scan->options.paths == NULL || batch_live_count(batch) == 0) {
        return TDBPLUS_OK;
    }
    for (uint32_t c = 0; c < scan->options.position_count; c++) {
        uint32_t id = scan->schema->columns[scan->options.positions[c]].id;
        int32_t at = segment_find_column(segment, id);
        struct column column;
        if (!has_path(scan, c)) {
            continue;
        }
        struct segment_path path = path_of(scan, c, at < 0 ? 0 : (uint32_t)at);
        // What is older than the column has its missing value, which stands there already.
        TRY(at < 0 ? documents_read_path(&batch->columns[c], &path, batch, &column, err)
                   : segment_read_path(segment, first_row, batch->row_count, &path, batch, &column,
                                       err));
        batch->columns[c] = column;
    }
    return TDBPLUS_OK;
}
