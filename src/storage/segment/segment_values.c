/* Values that lie in value files: opening, following references. */

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/plant.h"
#include "storage/segment/external.h"
#include "storage/segment/segment_internal.h"

#define FETCH_PAGES_MAX PAGE_LOAD_COUNT_MAX
#define FETCH_SIZE_MAX  ((size_t)16 << 20) /* Bytes of the pages of one step. */
#define FETCH_TABLE     (4 * FETCH_PAGES_MAX)

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for large values");
}

static tdbplus_status leads_nowhere(const struct segment *segment, uint32_t position,
                                    struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT,
                   "segment: %s: column %u: a reference leads to no value, or to another",
                   segment->path, position);
}

/* A value file does not know which of its values are documents. */
static bool is_valid(const struct segment *segment, uint32_t position, struct span bytes)
{
    return segment->columns[position].type.id != TYPE_JSON ||
           json_validate(bytes, NULL) == TDBPLUS_OK;
}

/* ---- one value ---- */

struct value_reference segment_reference(const struct segment *segment, uint32_t position,
                                         const struct page *page, uint32_t row)
{
    struct value_reference reference = {0};
    if (page_is_word(page)) {
        reference.place = (uint64_t)page_word(page, row);
        reference.size = (uint32_t)type_width(segment->columns[position].type);
    } else {
        memcpy(&reference, page_bytes(page, row).data, sizeof reference);
    }
    return reference;
}

/* The file of a place, once it is certain that the place is in it. */
static struct value_file *file_of(const struct segment *segment, uint32_t position,
                                  struct value_place place)
{
    uint32_t value_size = segment->columns[position].value_size;
    if (place.file >= segment->value_count || segment->values[place.file] == NULL ||
        !value_file_has(segment->values[place.file], place, value_size)) {
        return NULL;
    }
    return segment->values[place.file];
}

tdbplus_status segment_fetch_one(struct segment *segment, uint32_t position,
                                 const struct value_reference *reference, struct batch *batch,
                                 struct datum *datum_out, struct err *err)
{
    struct value_place place = value_place_of(reference->place);
    struct value_file *file = file_of(segment, position, place);
    if (file == NULL) {
        return leads_nowhere(segment, position, err);
    }
    struct page *page = NULL;
    TRY(value_file_load(file, &place.page, 1, &page, err));
    place.row -= place.row > 0 ? planted(PLANT_VALUES_WRONG_PLACE) : 0;
    struct span bytes = page_bytes(page, place.row);
    if (bytes.size != reference->size || !is_valid(segment, position, bytes)) {
        page_release(page);
        return leads_nowhere(segment, position, err);
    }
    *datum_out = (struct datum){.type = segment->columns[position].type, .bytes = bytes};
    return segment_hand_over(batch, page, err);
}

/* ---- many values ---- */

/* Pages of one step, found by file and number. */
struct page_set {
    uint32_t count;
    size_t size;
    struct value_file *files[FETCH_PAGES_MAX];
    uint32_t numbers[FETCH_PAGES_MAX];
    struct page *pages[FETCH_PAGES_MAX];
    uint8_t table[FETCH_TABLE]; /* Index + 1. */
};

/* Index of the page, added if it was not there; FETCH_PAGES_MAX when there is no room. */
static uint32_t set_find(struct page_set *set, struct value_file *file, uint32_t number)
{
    uint32_t slot = (number * 2654435761u + (uint32_t)file->id) % FETCH_TABLE;
    while (set->table[slot] != 0) {
        uint32_t index = set->table[slot] - 1u;
        if (set->files[index] == file && set->numbers[index] == number) {
            return index;
        }
        slot = (slot + 1) % FETCH_TABLE;
    }
    if (set->count == FETCH_PAGES_MAX || (set->count > 0 && set->size > FETCH_SIZE_MAX)) {
        return FETCH_PAGES_MAX;
    }
    set->files[set->count] = file;
    set->numbers[set->count] = number;
    set->pages[set->count] = NULL;
    set->size += file->pages[number].raw_size;
    set->table[slot] = (uint8_t)(set->count + 1);
    return set->count++;
}

/* Loads the pages, those of one file together. [waits] */
static tdbplus_status set_load(struct page_set *set, struct err *err)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->pages[i] != NULL) {
            continue;
        }
        uint32_t indexes[FETCH_PAGES_MAX];
        uint32_t numbers[FETCH_PAGES_MAX];
        struct page *pages[FETCH_PAGES_MAX];
        uint32_t count = 0;
        for (uint32_t j = i; j < set->count; j++) {
            if (set->files[j] == set->files[i]) {
                indexes[count] = j;
                numbers[count++] = set->numbers[j];
            }
        }
        TRY(value_file_load(set->files[i], numbers, count, pages, err));
        for (uint32_t j = 0; j < count; j++) {
            set->pages[indexes[j]] = pages[j];
        }
    }
    return TDBPLUS_OK;
}

static void set_release(struct page_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->pages[i] != NULL) {
            page_release(set->pages[i]);
            set->pages[i] = NULL;
        }
    }
}

/* Gives all pins to the batch, or none. */
static tdbplus_status set_hand_over(struct page_set *set, struct batch *batch, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < set->count; i++) {
        if (status == TDBPLUS_OK) {
            status = segment_hand_over(batch, set->pages[i], err);
        } else {
            page_release(set->pages[i]);
        }
        set->pages[i] = NULL;
    }
    return status;
}

/* One call of segment_fetch(). */
struct fetch {
    struct segment *segment;
    uint32_t position;
    const struct value_want *wants;
    uint32_t count;
    uint8_t *index; /* Of each want's page in the set. */
    struct page_set *set;
};

/* Chooses the pages of the next wants; *end_out is the first want that is left for later. */
static tdbplus_status choose_pages(struct fetch *fetch, uint32_t first, uint32_t *end_out,
                                   struct err *err)
{
    struct page_set *set = fetch->set;
    set->count = 0;
    set->size = 0;
    memset(set->table, 0, sizeof set->table);
    uint32_t i = first;
    for (; i < fetch->count; i++) {
        struct value_place place = value_place_of(fetch->wants[i].place);
        struct value_file *file = file_of(fetch->segment, fetch->position, place);
        if (file == NULL) {
            return leads_nowhere(fetch->segment, fetch->position, err);
        }
        uint32_t index = set_find(set, file, place.page);
        if (index == FETCH_PAGES_MAX) {
            break;
        }
        fetch->index[i] = (uint8_t)index;
    }
    *end_out = i;
    return TDBPLUS_OK;
}

static tdbplus_status put_values(const struct fetch *fetch, uint32_t first, uint32_t end,
                                 struct err *err)
{
    uint32_t value_size = fetch->segment->columns[fetch->position].value_size;
    for (uint32_t i = first; i < end; i++) {
        const struct value_want *want = &fetch->wants[i];
        const struct page *page = fetch->set->pages[fetch->index[i]];
        struct value_place place = value_place_of(want->place);
        place.row -= place.row > 0 ? planted(PLANT_VALUES_WRONG_PLACE) : 0;
        struct span bytes = page_bytes(page, place.row);
        if (bytes.size != want->size || !is_valid(fetch->segment, fetch->position, bytes)) {
            return leads_nowhere(fetch->segment, fetch->position, err);
        }
        if (value_size != 0) {
            memcpy(want->to, bytes.data, value_size);
        } else {
            struct view view = view_of(bytes);
            memcpy(want->to, &view, sizeof view);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status segment_fetch(struct segment *segment, uint32_t position,
                             const struct value_want *wants, uint32_t count, struct batch *batch,
                             struct err *err)
{
    bool borrowed = segment->columns[position].value_size == 0;
    struct fetch fetch = {.segment = segment,
                          .position = position,
                          .wants = wants,
                          .count = count,
                          .index = arena_alloc(&batch->arena, count),
                          .set = arena_alloc(&batch->arena, sizeof *fetch.set)};
    if (fetch.index == NULL || fetch.set == NULL) {
        return no_memory(err);
    }
    for (uint32_t first = 0; first < count;) {
        uint32_t end = first;
        TRY(choose_pages(&fetch, first, &end, err));
        tdbplus_status status = set_load(fetch.set, err);
        if (status == TDBPLUS_OK) {
            status = put_values(&fetch, first, end, err);
        }
        if (status == TDBPLUS_OK && borrowed) {
            status = set_hand_over(fetch.set, batch, err);
        }
        set_release(fetch.set);
        TRY(status);
        first = end;
    }
    return TDBPLUS_OK;
}

/* ---- how much of it ---- */

/* Rows whose sizes are added up over columns. */
struct size_sum {
    uint64_t sizes[SEGMENT_WINDOW_ROW_COUNT];
};

static tdbplus_status add_sizes(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                uint32_t position, struct size_sum *sum, struct err *err)
{
    for (uint32_t done = 0; done < row_count;) {
        uint64_t row = first_row + done;
        struct segment_page part = segment_page_of(segment, row, position);
        uint32_t first = (uint32_t)(row - part.first_row);
        uint32_t count = part.row_count - first;
        count = count < row_count - done ? count : row_count - done;
        struct page *page = NULL;
        TRY(segment_take_page(segment, row, position, &page, err));
        for (uint32_t i = 0; i < count && (page->flags & PAGE_FLAG_EXTERNAL) != 0; i++) {
            if (page_is_external(page, first + i) && !page_is_null(page, first + i)) {
                sum->sizes[done + i] += segment_reference(segment, position, page, first + i).size;
            }
        }
        page_release(page);
        done += count;
    }
    return TDBPLUS_OK;
}

tdbplus_status segment_rows_within(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                   const uint32_t *positions, uint32_t position_count,
                                   size_t size_max, uint32_t *rows_out, struct err *err)
{
    ASSERT(row_count > 0 && row_count <= SEGMENT_WINDOW_ROW_COUNT);
    struct size_sum *sum = NULL;
    tdbplus_status status = TDBPLUS_OK;
    uint32_t rows = row_count;
    for (uint32_t i = 0; i < position_count && segment->value_count > 0; i++) {
        struct type type = segment->columns[positions[i]].type;
        if (external_mode_of(type, false) == EXTERNAL_NEVER) {
            continue;
        }
        if (sum == NULL) {
            sum = alloc_array(segment->alloc, 1, sizeof *sum);
            if (sum == NULL) {
                return no_memory(err);
            }
        }
        TRY_OR(done, add_sizes(segment, first_row, row_count, positions[i], sum, err));
    }
    uint64_t total = 0;
    for (uint32_t i = 0; sum != NULL && i < row_count; i++) {
        total += sum->sizes[i];
        if (total > size_max) {
            rows = i == 0 ? 1 : i;
            break;
        }
    }
    *rows_out = rows;
done:
    alloc_free(segment->alloc, sum, 1, sizeof *sum);
    return status;
}

/* ---- references themselves, for merges ---- */

static void set_bit(uint64_t *bits, uint32_t index)
{
    bits[index / 64] |= (uint64_t)1 << (index % 64);
}

/* Rows of a page as views, and the bits of those that are references. */
static void put_references(const struct page *page, uint32_t first, uint32_t count, uint32_t done,
                           struct view *views, uint64_t *external)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = first + i;
        struct view *view = &views[done + i];
        if (page_is_null(page, row)) {
            *view = (struct view){0};
            continue;
        }
        if (page_is_word(page)) {
            uint8_t place[sizeof(uint64_t)];
            store_u64(place, (uint64_t)page_word(page, row));
            *view = view_of((struct span){place, sizeof place});
        } else {
            *view = view_of(page_bytes(page, row));
        }
        if (page_is_external(page, row)) {
            set_bit(external, done + i);
        }
    }
}

/* Vectors that lie in the page itself, as views. */
static void put_vectors(const struct page *page, uint32_t first, uint32_t count, struct view *views)
{
    for (uint32_t i = 0; i < count; i++) {
        views[i] =
            view_of(page_is_null(page, first + i) ? (struct span){0} : page_bytes(page, first + i));
    }
}

tdbplus_status segment_read_references(struct segment *segment, uint64_t first_row,
                                       uint32_t row_count, uint32_t position, struct batch *batch,
                                       struct column *column_out, uint64_t **external_out,
                                       struct err *err)
{
    struct column column = {0};
    uint64_t *external = NULL;
    bool has_nulls = false;
    if (!column_make(&column, type_of(TYPE_BYTEA), row_count, true, &batch->arena)) {
        return no_memory(err);
    }
    struct view *views = column.data;
    for (uint32_t done = 0; done < row_count;) {
        uint64_t row = first_row + done;
        struct segment_page part = segment_page_of(segment, row, position);
        uint32_t first = (uint32_t)(row - part.first_row);
        uint32_t count = part.row_count - first;
        count = count < row_count - done ? count : row_count - done;
        struct page *page = NULL;
        TRY(segment_take_page(segment, row, position, &page, err));
        TRY(segment_hand_over(batch, page, err)); // Views point into it.
        has_nulls = has_nulls || page->validity != NULL;
        page_decode_validity(page, first, count, column.validity, done);
        bool refers = (page->flags & PAGE_FLAG_EXTERNAL) != 0;
        if (refers && external == NULL) {
            external = arena_array(&batch->arena, SEGMENT_WINDOW_ROW_COUNT / 64, sizeof *external);
            if (external == NULL) {
                return no_memory(err);
            }
        }
        if (refers) {
            put_references(page, first, count, done, views, external);
        } else if (page->value_size != 0) {
            put_vectors(page, first, count, views + done);
        } else {
            page_decode(page, first, count, views + done);
        }
        done += count;
    }
    column.validity = has_nulls ? column.validity : NULL;
    const struct shred_tree *tree = segment_tree(segment, position);
    if (tree != NULL) {
        struct segment_rows rows = {.first_row = first_row, .count = row_count};
        TRY(segment_assemble(segment, tree, &rows, external, batch, &column, err));
    }
    *column_out = column;
    *external_out = external;
    return TDBPLUS_OK;
}

/* ---- what is known ---- */

uint32_t segment_values_count(const struct segment *segment)
{
    return segment->value_count;
}

void segment_values_at(const struct segment *segment, uint32_t number,
                       struct segment_values *values_out)
{
    ASSERT(number < segment->value_count);
    const struct value_file *file = segment->values[number];
    *values_out = (struct segment_values){
        .file_id = file->id,
        .file_size = file->size,
        .file_value_bytes = file->footer.value_bytes,
        .value_bytes = segment->value_uses[number].value_bytes,
        .value_count = segment->value_uses[number].value_count,
        .footer_crc = file->footer.crc,
    };
}
