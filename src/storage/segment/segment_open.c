/* Opening and closing; what is known without reading pages. */

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "storage/segment/segment_internal.h"
#include "storage/segment/zone.h"

#define METADATA_SIZE_MAX ((uint64_t)1 << 40)

static tdbplus_status corrupt(const struct segment *segment, const char *what, struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: %s", segment->path, what);
}

static tdbplus_status read_ends(struct segment *segment, struct err *err)
{
    const struct page_source *source = &segment->source;
    TRY(env_size(source->env, source->file, &segment->file_size, err));
    if (segment->file_size < sizeof(struct segment_header) + sizeof(struct segment_footer) ||
        segment->file_size > SEGMENT_FILE_SIZE_MAX) {
        return corrupt(segment, "its size is impossible", err);
    }
    struct segment_header header;
    TRY(env_read(source->env, source->file, 0, &header, sizeof header, err));
    struct segment_footer footer;
    TRY(env_read(source->env, source->file, segment->file_size - sizeof footer, &footer,
                 sizeof footer, err));
    uint32_t crc =
        crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)});
    if (header.magic != SEGMENT_MAGIC || footer.magic != SEGMENT_FOOTER_MAGIC ||
        header.crc != crc) {
        return corrupt(segment, "it has no valid header and footer", err);
    }
    segment->footer = footer;
    footer.crc = 0;
    if (crc32c((struct span){(const uint8_t *)&footer, sizeof footer}) != segment->footer.crc) {
        return corrupt(segment, "the footer's checksum does not hold", err);
    }
    if (footer.version > SEGMENT_FORMAT_VERSION || header.version > SEGMENT_FORMAT_VERSION) {
        return err_set(err, TDBPLUS_E_VERSION,
                       "segment: %s: format %u; this release reads up to %u", segment->path,
                       footer.version, SEGMENT_FORMAT_VERSION);
    }
    if (footer.segment_id != source->segment_id || header.segment_id != source->segment_id) {
        return corrupt(segment, "it is another segment", err);
    }
    uint64_t room = segment->file_size - sizeof header - sizeof footer;
    if (footer.row_count == 0 || footer.row_count > SEGMENT_ROW_COUNT_MAX ||
        footer.metadata_size > room || footer.metadata_size < sizeof(struct segment_metadata) ||
        footer.metadata_offset != segment->file_size - sizeof footer - footer.metadata_size) {
        return corrupt(segment, "the footer is impossible", err);
    }
    segment->row_count = footer.row_count;
    return TDBPLUS_OK;
}

static tdbplus_status read_metadata(struct segment *segment, struct err *err)
{
    size_t size = (size_t)segment->footer.metadata_size;
    segment->metadata = alloc_aligned(segment->alloc, size);
    if (segment->metadata == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: %s: no memory for %zu bytes of metadata",
                       segment->path, size);
    }
    segment->metadata_size = size;
    TRY(env_read(segment->source.env, segment->source.file, segment->footer.metadata_offset,
                 segment->metadata, size, err));
    if (crc32c((struct span){segment->metadata, size}) != segment->footer.metadata_crc &&
        !segment_metadata_proves_itself(segment)) {
        segment->is_unproven = true;
        return segment->is_salvaged
                   ? TDBPLUS_OK
                   : corrupt(segment, "the metadata's checksum does not hold", err);
    }
    return TDBPLUS_OK;
}

/* Takes the next section; they begin at multiples of 64. */
static const uint8_t *take_section(struct span *rest, uint64_t count, size_t item)
{
    uint64_t size = 0;
    if (rest->data == NULL || __builtin_mul_overflow(count, (uint64_t)item, &size) ||
        size > rest->size) {
        *rest = (struct span){0};
        return NULL;
    }
    size_t padded = ((size_t)size + 63) / 64 * 64;
    if (padded > rest->size) {
        *rest = (struct span){0};
        return NULL;
    }
    const uint8_t *section = rest->data;
    rest->data += padded;
    rest->size -= padded;
    return section;
}

static tdbplus_status make_columns(struct segment *segment, const struct segment_metadata *head,
                                   struct err *err)
{
    const struct schema *schema = segment->schema;
    uint32_t plain_count = schema->column_count + head->with_begin;
    uint32_t path_count = segment->plan.path_count;
    if (head->with_begin > 1 || head->column_count != plain_count + path_count ||
        (schema->version != segment->footer.schema_version && !segment->is_salvaged)) {
        return corrupt(segment, "the schema does not fit the rest", err);
    }
    segment->columns = alloc_array(segment->alloc, head->column_count, sizeof *segment->columns);
    if (segment->columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for %u columns",
                       head->column_count);
    }
    segment->column_count = head->column_count;
    segment->begin_column = head->with_begin != 0 ? (int32_t)schema->column_count : -1;
    for (uint32_t i = 0; i < head->column_count; i++) {
        struct type type = i < schema->column_count ? schema->columns[i].type : type_of(TYPE_INT8);
        bool is_view = type_physical(type) == PHYSICAL_VIEW;
        segment->columns[i] = (struct segment_column){
            .type = type, .value_size = is_view ? 0 : (uint32_t)type_width(type)};
    }
    segment->path_column = plain_count;
    for (uint32_t i = 0; i < path_count; i++) {
        const struct shred_path *path = &segment->plan.paths[i];
        if (schema->columns[path->column].type.id != TYPE_JSON) {
            return corrupt(segment, "a path leads into a column without documents", err);
        }
        bool is_text = path->type.id == TYPE_TEXT;
        segment->columns[plain_count + i] = (struct segment_column){
            .type = path->type, .value_size = is_text ? 0 : (uint32_t)type_width(path->type)};
    }
    segment->key_column = schema->key_columns[0];
    segment->is_integer_key = key_is_integer(schema);
    uint8_t key_type = segment->columns[segment->key_column].type.id;
    segment->is_bytes_key =
        schema->key_count == 1 && (key_type == TYPE_TEXT || key_type == TYPE_BYTEA);
    return TDBPLUS_OK;
}

/* Does the page lie between header and metadata, and could its zone be one of its column? */
static bool check_page_entry(const struct segment *segment, uint64_t page, uint32_t column,
                             uint32_t row_count)
{
    uint64_t offset = segment->offsets[page];
    uint64_t size = segment->sizes[page];
    uint64_t end = segment->footer.metadata_offset;
    return offset >= sizeof(struct segment_header) && offset <= end && size <= end - offset &&
           size >= sizeof(struct page_header) && size <= PAGE_RAW_SIZE_MAX &&
           zone_valid(&segment->zones[page], segment->columns[column].type, row_count);
}

/* Checks the pages of one chunk of `rows` rows; *page is the number of the first, then of the next
 * chunk's. */
static bool check_chunk(const struct segment *segment, const struct segment_chunk *chunk,
                        uint32_t column, uint64_t rows, uint64_t *page)
{
    if (chunk->first_page != *page || chunk->shift > SEGMENT_PAGE_SHIFT_MAX) {
        return false;
    }
    uint64_t page_rows = (uint64_t)1 << chunk->shift;
    for (uint64_t row = 0; row < rows; row += page_rows, (*page)++) {
        uint64_t count = rows - row < page_rows ? rows - row : page_rows;
        if (*page == segment->page_count ||
            !check_page_entry(segment, *page, column, (uint32_t)count)) {
            return false;
        }
    }
    return true;
}

/* Every page belongs to exactly one chunk. */
static bool check_directory(const struct segment *segment)
{
    uint64_t page = 0;
    for (uint32_t group = 0; group < segment->group_count; group++) {
        uint64_t first = (uint64_t)group << SEGMENT_GROUP_SHIFT;
        uint64_t rows = segment->row_count - first;
        rows = rows < 1u << SEGMENT_GROUP_SHIFT ? rows : 1u << SEGMENT_GROUP_SHIFT;
        for (uint32_t column = 0; column < segment->column_count; column++) {
            const struct segment_chunk *chunk =
                &segment->chunks[(size_t)group * segment->column_count + column];
            if (!check_chunk(segment, chunk, column, rows, &page)) {
                return false;
            }
        }
    }
    return page == segment->page_count;
}

static tdbplus_status parse_metadata(struct segment *segment, struct err *err)
{
    struct segment_metadata head;
    memcpy(&head, segment->metadata, sizeof head);
    struct span rest = {segment->metadata + sizeof head, segment->metadata_size - sizeof head};
    uint64_t groups = (segment->row_count + (1u << SEGMENT_GROUP_SHIFT) - 1) >> SEGMENT_GROUP_SHIFT;
    if (head.group_shift != SEGMENT_GROUP_SHIFT || head.group_count != groups ||
        head.column_count > SEGMENT_COLUMN_MAX || head.key_min_size > KEY_SIZE_MAX ||
        head.key_max_size > KEY_SIZE_MAX || head.prefix_size > head.key_min_size ||
        head.prefix_size > head.key_max_size || head.value_file_count > VALUE_FILE_COUNT_MAX) {
        return corrupt(segment, "the metadata is impossible", err);
    }
    struct span schema = {take_section(&rest, head.schema_size, 1), head.schema_size};
    segment->key_min = (struct span){take_section(&rest, head.key_min_size, 1), head.key_min_size};
    segment->key_max = (struct span){take_section(&rest, head.key_max_size, 1), head.key_max_size};
    uint64_t chunks = (uint64_t)head.group_count * head.column_count;
    segment->chunks = (const void *)take_section(&rest, chunks, sizeof *segment->chunks);
    segment->offsets = (const void *)take_section(&rest, head.page_count, sizeof(uint64_t));
    segment->sizes = (const void *)take_section(&rest, head.page_count, sizeof(uint32_t));
    segment->zones = (const void *)take_section(&rest, head.page_count, sizeof *segment->zones);
    struct span index = {take_section(&rest, head.index_size, 1), (size_t)head.index_size};
    segment->value_uses =
        (const void *)take_section(&rest, head.value_file_count, sizeof *segment->value_uses);
    struct span paths = {take_section(&rest, head.path_size, 1), head.path_size};
    if (rest.data == NULL || rest.size != 0) {
        return corrupt(segment, "the metadata's sizes do not add up", err);
    }
    segment->group_count = head.group_count;
    segment->value_count = head.value_file_count;
    segment->page_count = head.page_count;
    segment->prefix = (struct span){segment->key_min.data, head.prefix_size};
    TRY(schema_decode(schema, segment->alloc, &segment->schema, err));
    shred_plan_init(&segment->plan, segment->alloc);
    TRY(shred_plan_decode(paths, head.path_count, segment->schema->column_count, &segment->plan,
                          err));
    TRY(make_columns(segment, &head, err));
    if (!check_directory(segment)) {
        return corrupt(segment, "the directory of pages is impossible", err);
    }
    if (segment->is_salvaged) {
        return TDBPLUS_OK; // Nothing is looked up.
    }
    TRY(pkindex_open(index, segment->alloc, &segment->index, err));
    bool keys_fit =
        segment->is_integer_key
            ? segment->key_min.size == 8 && segment->key_max.size == 8
            : span_compare(segment->key_min, segment->key_max) <= 0 &&
                  (head.prefix_size == 0 ||
                   memcmp(segment->key_max.data, segment->prefix.data, segment->prefix.size) == 0);
    if (pkindex_row_count(segment->index) != segment->row_count || !keys_fit) {
        return corrupt(segment, "the primary index does not fit the rows", err);
    }
    return TDBPLUS_OK;
}

static tdbplus_status open_values(struct segment *segment, const struct segment_options *options,
                                  struct err *err)
{
    if (segment->value_count == 0) {
        return TDBPLUS_OK;
    }
    segment->values = alloc_array(segment->alloc, segment->value_count, sizeof(void *));
    if (segment->values == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for %u value files",
                       segment->value_count);
    }
    struct value_file_options files = {.env = options->env,
                                       .alloc = options->alloc,
                                       .cache = options->cache,
                                       .files = options->values,
                                       .segment_path = options->path};
    for (uint32_t i = 0; i < segment->value_count; i++) {
        const struct segment_value_file *use = &segment->value_uses[i];
        struct err why = {0};
        tdbplus_status status =
            value_file_acquire(&files, use->file_id, use->footer_crc, &segment->values[i], &why);
        if (status != TDBPLUS_OK && status != TDBPLUS_E_NOMEM && segment->is_salvaged) {
            continue; // Only the rows that need it are lost.
        }
        TRY(status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text));
        const struct value_file_footer *footer = &segment->values[i]->footer;
        if (use->value_bytes > footer->value_bytes || use->value_count > footer->value_count) {
            return corrupt(segment, "it refers to more values than a value file has", err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_slots(struct segment *segment, struct err *err)
{
    segment->slots = alloc_array(segment->alloc, segment->page_count, sizeof *segment->slots);
    if (segment->slots == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for %u pages",
                       segment->page_count);
    }
    return TDBPLUS_OK;
}

tdbplus_status segment_open(const struct segment_options *options, struct segment **segment_out,
                            struct err *err)
{
    size_t path_size = strlen(options->path);
    if (path_size >= ENV_PATH_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "segment: the path is too long");
    }
    struct segment *segment = alloc_array(options->alloc, 1, sizeof *segment);
    if (segment == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to open %s", options->path);
    }
    segment->alloc = options->alloc;
    segment->cache = options->cache;
    segment->epoch = page_cache_epoch(options->cache);
    memcpy(segment->path, options->path, path_size + 1);
    segment->source = (struct page_source){.env = options->env,
                                           .path = segment->path,
                                           .segment_id = options->segment_id,
                                           .cache_id = page_cache_new_id(options->cache)};
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, env_open(options->env, segment->path, ENV_OPEN_READ, &segment->source.file, err));
    segment->is_salvaged = options->salvage;
    TRY_OR(done,
           options->salvage ? segment_find_ends(segment, read_ends, err) : read_ends(segment, err));
    TRY_OR(done, read_metadata(segment, err));
    TRY_OR(done, parse_metadata(segment, err));
    TRY_OR(done, open_values(segment, options, err));
    TRY_OR(done, make_slots(segment, err));
    *segment_out = segment;
    segment = NULL;
done:
    segment_close(segment);
    return status;
}

static void close_segment(struct segment *segment, bool keep)
{
    if (segment == NULL) {
        return;
    }
    for (uint32_t i = 0; segment->values != NULL && i < segment->value_count; i++) {
        // Nothing happens for one that was not there.
        value_file_release(segment->values[i], keep);
    }
    alloc_free(segment->alloc, segment->values, segment->value_count, sizeof(void *));
    if (segment->slots != NULL) {
        page_cache_drop(segment->cache, segment->slots, segment->page_count);
        for (uint32_t i = 0; i < segment->page_count; i++) {
            ASSERT(atomic_load(&segment->slots[i]) == NULL); // Nobody uses the segment.
        }
        alloc_free(segment->alloc, segment->slots, segment->page_count, sizeof *segment->slots);
    }
    pkindex_close(segment->index);
    shred_plan_deinit(&segment->plan);
    alloc_free(segment->alloc, segment->columns, segment->column_count, sizeof *segment->columns);
    schema_destroy(segment->schema);
    alloc_free_aligned(segment->alloc, segment->metadata, segment->metadata_size);
    env_close(segment->source.env, segment->source.file);
    if (!keep) {
        (void)!env_unlink(segment->source.env, segment->path, NULL);
    }
    alloc_free(segment->alloc, segment, 1, sizeof *segment);
}

void segment_close(struct segment *segment)
{
    close_segment(segment, true);
}

void segment_discard(struct segment *segment)
{
    close_segment(segment, false);
}

void segment_unlink(const struct env *env, const char *path, uint64_t segment_id)
{
    char values[ENV_PATH_SIZE_MAX];
    (void)!env_unlink(env, path, NULL);
    if (value_file_path(path, segment_id, values, NULL) == TDBPLUS_OK) {
        (void)!env_unlink(env, values, NULL); // Most segments have none.
    }
}

/* ---- what is known ---- */

uint64_t segment_row_count(const struct segment *segment)
{
    return segment->row_count;
}

uint64_t segment_file_size(const struct segment *segment)
{
    return segment->file_size;
}

size_t segment_memory_bytes(const struct segment *segment)
{
    size_t size = sizeof *segment + segment->metadata_size + pkindex_size_bytes(segment->index) +
                  segment->page_count * sizeof *segment->slots;
    for (uint32_t i = 0; i < segment->value_count; i++) {
        size += segment->values[i]->footer.page_count *
                (sizeof *segment->values[i]->pages + sizeof *segment->values[i]->slots);
    }
    return size;
}

uint32_t segment_footer_crc(const struct segment *segment)
{
    return segment->footer.crc;
}

bool segment_has_begin(const struct segment *segment)
{
    return segment->begin_column >= 0;
}

struct span segment_key_min(const struct segment *segment)
{
    return segment->key_min;
}

struct span segment_key_max(const struct segment *segment)
{
    return segment->key_max;
}

int32_t segment_find_column(const struct segment *segment, uint32_t column_id)
{
    if (column_id == SEGMENT_COLUMN_BEGIN) {
        return segment->begin_column;
    }
    return schema_find_id(segment->schema, column_id);
}

struct type segment_column_type(const struct segment *segment, uint32_t column_position)
{
    ASSERT(column_position < segment->column_count);
    return segment->columns[column_position].type;
}

uint64_t segment_begin_max(const struct segment *segment)
{
    return segment->footer.begin_max;
}

struct segment_page segment_page_of(const struct segment *segment, uint64_t row, uint32_t column)
{
    struct segment_place place = segment_locate(segment, row, column);
    uint64_t group = row >> SEGMENT_GROUP_SHIFT;
    uint64_t group_end = (group + 1) << SEGMENT_GROUP_SHIFT;
    group_end = group_end < segment->row_count ? group_end : segment->row_count;
    uint32_t shift = segment->chunks[group * segment->column_count + column].shift;
    uint64_t first = row - place.row;
    uint64_t end = first + ((uint64_t)1 << shift);
    end = end < group_end ? end : group_end;
    return (struct segment_page){
        .page = place.page, .first_row = first, .row_count = (uint32_t)(end - first)};
}

struct page_request segment_page_request(const struct segment *segment,
                                         const struct segment_page *page, uint32_t column)
{
    return (struct page_request){
        .slot = &segment->slots[page->page],
        .offset = segment->offsets[page->page],
        .stored_size = segment->sizes[page->page],
        .page_index = page->page,
        .place = page_place(column, page->first_row),
        .row_count = page->row_count,
        .type = segment->columns[column].type,
        .packed_only = segment->is_integer_key && column == segment->key_column,
    };
}

tdbplus_status segment_load(struct segment *segment, uint64_t row, uint32_t column,
                            struct page **page_out, struct err *err)
{
    struct segment_page page = segment_page_of(segment, row, column);
    struct page_request request = segment_page_request(segment, &page, column);
    return page_cache_load(segment->cache, &segment->source, &request, 1, page_out, err);
}

tdbplus_status segment_take_page(struct segment *segment, uint64_t row, uint32_t column,
                                 struct page **page_out, struct err *err)
{
    struct segment_place place = segment_locate(segment, row, column);
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    struct page *page = page_cache_peek(&segment->slots[place.page]);
    if (page != NULL) {
        page_touch(page);
        page_pin(page);
        *page_out = page;
    }
    epoch_exit(segment->epoch, ticket);
    return page != NULL ? TDBPLUS_OK : segment_load(segment, row, column, page_out, err);
}

void segment_zone(const struct segment *segment, uint32_t column_position, uint64_t first_row,
                  uint32_t row_count, struct segment_zone *zone_out)
{
    struct segment_zone zone = {0};
    bool unknown = false;
    uint64_t end = first_row + row_count;
    ASSERT(end <= segment->row_count && column_position < segment->column_count);
    for (uint64_t row = first_row; row < end;) {
        struct segment_page page = segment_page_of(segment, row, column_position);
        zone_merge(&zone, &unknown, &segment->zones[page.page],
                   segment->columns[column_position].type, page.row_count);
        row = page.first_row + page.row_count;
    }
    if (unknown) {
        zone = (struct segment_zone){.null_count = zone.null_count};
    }
    *zone_out = zone;
}
