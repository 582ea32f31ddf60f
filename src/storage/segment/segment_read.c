/* Values of rows: one, a window, or a list of rows. */

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "storage/segment/external.h"
#include "storage/segment/segment_internal.h"

#define GATHER_STEP        32u /* Rows whose memory accesses overlap. */
#define PREFETCH_PAGES_MAX PAGE_LOAD_COUNT_MAX
#define WARM_COLUMN_MAX    16u
#define PREFETCH_SIZE_MAX  ((size_t)8 << 10)
#define DENSE_FACTOR       4u /* Decoding so many values costs no more than finding one. */

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for the rows that were asked for");
}

/* A page's bytes as a column's, which nobody writes to (types/column.h). */
static void *borrow(const void *bytes)
{
    return (void *)(uintptr_t)bytes;
}

tdbplus_status segment_hand_over(struct batch *batch, struct page *page, struct err *err)
{
    if (batch->pins != NULL && batch->pins->held == page) {
        page_release(page); // The batch has a pin on it.
        return TDBPLUS_OK;
    }
    if (!batch_pin(batch, page, page_release)) {
        page_release(page);
        return no_memory(err);
    }
    return TDBPLUS_OK;
}

/* Are values of the column borrowed from the page? */
static bool is_borrowed(const struct segment_column *column)
{
    return type_physical(column->type) >= PHYSICAL_VIEW;
}

/* ---- one value ---- */

/* Follows the reference in a page, whose pin it takes. [waits] */
static tdbplus_status external_value(struct segment *segment, struct page *page, uint32_t row,
                                     uint32_t column_position, struct batch *batch,
                                     struct datum *datum_out, struct err *err)
{
    struct value_reference reference = {0};
    bool is_null = page_is_null(page, row);
    if (!is_null) {
        reference = segment_reference(segment, column_position, page, row);
    }
    page_release(page);
    if (is_null) {
        *datum_out =
            (struct datum){.type = segment->columns[column_position].type, .is_null = true};
        return TDBPLUS_OK;
    }
    return segment_fetch_one(segment, column_position, &reference, batch, datum_out, err);
}

static tdbplus_status stored_value(struct segment *segment, uint64_t row, uint32_t column_position,
                                   struct batch *batch, struct datum *datum_out, struct err *err)
{
    ASSERT(row < segment->row_count && column_position < segment->column_count);
    const struct segment_column *column = &segment->columns[column_position];
    struct segment_place place = segment_locate(segment, row, column_position);
    bool borrowed = is_borrowed(column);

    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    struct page *page = page_cache_peek(&segment->slots[place.page]);
    if (page != NULL && (page->flags & PAGE_FLAG_EXTERNAL) != 0) {
        page = NULL; // What follows may wait; not here.
    }
    if (page != NULL) {
        page_touch(page);
        page_datum(page, column->type, place.row, datum_out);
        if (borrowed && batch->pins != NULL && batch->pins->held == page) {
            borrowed = false; // The batch has a pin on it.
        } else if (borrowed) {
            page_pin(page);
        }
    }
    epoch_exit(segment->epoch, ticket);
    if (page != NULL) {
        return borrowed ? segment_hand_over(batch, page, err) : TDBPLUS_OK;
    }
    TRY(segment_load(segment, row, column_position, &page, err));
    if (page_is_external(page, place.row)) {
        return external_value(segment, page, place.row, column_position, batch, datum_out, err);
    }
    page_datum(page, column->type, place.row, datum_out);
    if (borrowed) {
        return segment_hand_over(batch, page, err);
    }
    page_release(page);
    return TDBPLUS_OK;
}

tdbplus_status segment_value(struct segment *segment, uint64_t row, uint32_t column_position,
                             struct batch *batch, struct datum *datum_out, struct err *err)
{
    TRY(stored_value(segment, row, column_position, batch, datum_out, err));
    const struct shred_tree *tree = segment_tree(segment, column_position);
    return tree == NULL ? TDBPLUS_OK
                        : segment_assemble_one(segment, tree, row, batch, datum_out, err);
}

bool segment_value_cached(const struct segment *segment, uint64_t row, uint32_t column_position,
                          struct datum *datum_out)
{
    ASSERT(row < segment->row_count && column_position < segment->column_count);
    struct segment_place place = segment_locate(segment, row, column_position);
    struct page *page = page_cache_peek(&segment->slots[place.page]);
    if (page == NULL || (page->flags & PAGE_FLAG_EXTERNAL) != 0 ||
        segment_tree(segment, column_position) != NULL) {
        return false;
    }
    page_touch(page);
    page_datum(page, segment->columns[column_position].type, place.row, datum_out);
    return true;
}

static inline struct span span_in_page(const struct page *page, uint32_t row)
{
    if (page->validity == NULL && page->encoding == PAGE_BYTES &&
        (page->flags & PAGE_FLAG_STRIDE) != 0) {
        return (struct span){page->data + (size_t)row * page->base, (size_t)page->base};
    }
    return page_is_null(page, row) ? (struct span){0} : page_bytes(page, row);
}

bool segment_spans_cached(const struct segment *segment, const uint64_t *rows, uint32_t row_count,
                          uint32_t column_position, struct span *spans_out)
{
    if (segment->columns[column_position].value_size != 0 ||
        segment_tree(segment, column_position) != NULL) {
        return false;
    }
    for (uint32_t i = 0; i < row_count;) {
        struct segment_page part = segment_page_of(segment, rows[i], column_position);
        struct page *page = page_cache_peek(&segment->slots[part.page]);
        if (page == NULL || (page->flags & PAGE_FLAG_EXTERNAL) != 0) {
            return false;
        }
        page_touch(page);
        for (; i < row_count && rows[i] - part.first_row < part.row_count; i++) {
            spans_out[i] = span_in_page(page, (uint32_t)(rows[i] - part.first_row));
            __builtin_prefetch(spans_out[i].data);
            if (spans_out[i].size > 0) {
                __builtin_prefetch(spans_out[i].data + spans_out[i].size - 1);
            }
        }
    }
    return true;
}

void segment_value_prefetch(struct segment *segment, uint64_t row, uint32_t column_position)
{
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    segment_value_prefetch_cached(segment, row, column_position);
    epoch_exit(segment->epoch, ticket);
}

void segment_value_prefetch_cached(const struct segment *segment, uint64_t row,
                                   uint32_t column_position)
{
    ASSERT(row < segment->row_count && column_position < segment->column_count);
    struct segment_place place = segment_locate(segment, row, column_position);
    const struct page *page = page_cache_peek(&segment->slots[place.page]);
    if (page != NULL) {
        page_prefetch(page, place.row);
    }
}

/* Into the second cache: the first can wait for no more than a few lines at once. */
static void prefetch_lines(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size && i < PREFETCH_SIZE_MAX; i += 64) {
        __builtin_prefetch(at + i);
    }
}

void segment_window_prefetch(struct segment *segment, uint64_t first_row, uint32_t row_count,
                             const uint32_t *positions, uint32_t position_count)
{
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    segment_window_prefetch_cached(segment, first_row, row_count, positions, position_count);
    epoch_exit(segment->epoch, ticket);
}

void segment_window_prefetch_cached(const struct segment *segment, uint64_t first_row,
                                    uint32_t row_count, const uint32_t *positions,
                                    uint32_t position_count)
{
    for (uint32_t i = 0; i < position_count; i++) {
        struct segment_place place = segment_locate(segment, first_row, positions[i]);
        const struct page *page = page_cache_peek(&segment->slots[place.page]);
        if (page == NULL) {
            continue;
        }
        uint32_t left = page->row_count - place.row;
        size_t count = row_count < left ? row_count : left;
        if (page->encoding == PAGE_BYTES && (page->flags & PAGE_FLAG_STRIDE) != 0) {
            prefetch_lines(page->data + place.row * (size_t)page->base, count * (size_t)page->base);
        } else if (page->encoding == PAGE_BYTES) {
            const uint8_t *begin = page_bytes(page, place.row).data;
            struct span last = page_bytes(page, place.row + (uint32_t)count - 1);
            prefetch_lines(begin, (size_t)(last.data + last.size - begin));
        } else if (page->encoding == PAGE_PACKED) {
            prefetch_lines(page->data + (size_t)place.row * page->width / 8,
                           count * page->width / 8);
        }
    }
}

tdbplus_status segment_begin(struct segment *segment, uint64_t row, uint64_t *timestamp_out,
                             struct err *err)
{
    if (segment->begin_column < 0) {
        *timestamp_out = 0;
        return TDBPLUS_OK;
    }
    struct datum datum;
    TRY(segment_value(segment, row, (uint32_t)segment->begin_column, NULL, &datum, err));
    *timestamp_out = (uint64_t)datum.integer;
    return TDBPLUS_OK;
}

/* ---- a window ---- */

/* Loads what is missing of several columns with as few waits as possible. [waits] */
static tdbplus_status load_missing(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                   const uint32_t *positions, uint32_t position_count,
                                   struct err *err)
{
    struct page_request requests[PREFETCH_PAGES_MAX];
    struct page *pages[PREFETCH_PAGES_MAX];
    uint32_t count = 0;
    uint64_t end = first_row + row_count;
    for (uint32_t i = 0; i < position_count; i++) {
        for (uint64_t row = first_row; row < end && count < PREFETCH_PAGES_MAX;) {
            struct segment_page page = segment_page_of(segment, row, positions[i]);
            if (atomic_load_explicit(&segment->slots[page.page], memory_order_relaxed) == NULL) {
                requests[count++] = segment_page_request(segment, &page, positions[i]);
            }
            row = page.first_row + page.row_count;
        }
    }
    if (count == 0) {
        return TDBPLUS_OK;
    }
    TRY(page_cache_load(segment->cache, &segment->source, requests, count, pages, err));
    for (uint32_t i = 0; i < count; i++) {
        page_release(pages[i]);
    }
    return TDBPLUS_OK;
}

void segment_prefetch(struct segment *segment, uint64_t first_row, uint32_t row_count,
                      const uint32_t *positions, uint32_t position_count)
{
    if (first_row >= segment->row_count) {
        return;
    }
    uint64_t left = segment->row_count - first_row;
    row_count = left < row_count ? (uint32_t)left : row_count;
    tdbplus_status ignored =
        load_missing(segment, first_row, row_count, positions, position_count, NULL);
    (void)ignored; // Whoever reads the page meets the failure again.
}

bool segment_warm(struct segment *segment, uint32_t percent)
{
    uint32_t positions[WARM_COLUMN_MAX];
    uint32_t count =
        segment->column_count < WARM_COLUMN_MAX ? segment->column_count : WARM_COLUMN_MAX;
    for (uint32_t i = 0; i < count; i++) {
        positions[i] = i;
    }
    if (!page_cache_has_room(segment->cache, segment->file_size, percent)) {
        return false;
    }
    for (uint64_t row = 0; row < segment->row_count; row += SEGMENT_WINDOW_ROW_COUNT) {
        segment_prefetch(segment, row, SEGMENT_WINDOW_ROW_COUNT, positions, count);
    }
    return true;
}

/* Part of a window that one page holds. */
struct window {
    struct page *page;
    uint32_t first; /* Row inside the page. */
    uint32_t row_count;
};

static bool set_validity(const struct window *window, struct column *column, struct arena *arena)
{
    const struct page *page = window->page;
    if (page->validity == NULL) {
        return true;
    }
    if (window->first % 64 == 0) {
        column->validity = borrow(page->validity + window->first / 64);
        return true;
    }
    size_t words = ((size_t)window->row_count + 63) / 64;
    column->validity = arena_array(arena, words, sizeof *column->validity);
    if (column->validity == NULL) {
        return false;
    }
    page_decode_validity(page, window->first, window->row_count, column->validity, 0);
    return true;
}

static bool read_dictionary(const struct window *window, struct column *column, struct arena *arena)
{
    const struct page *page = window->page;
    struct column *dictionary = arena_array(arena, 1, sizeof *dictionary);
    column->codes = arena_alloc(arena, window->row_count * sizeof *column->codes);
    if (dictionary == NULL || column->codes == NULL) {
        return false;
    }
    simd->unpack_u32(column->codes, page->codes, window->first, window->row_count, page->width, 0);
    if (page->value_size != 0) {
        *dictionary = (struct column){
            .type = column->type, .row_count = page->value_count, .data = borrow(page->data)};
    } else {
        if (!column_make(dictionary, column->type, page->value_count, false, arena)) {
            return false;
        }
        page_decode_dictionary(page, dictionary->data);
    }
    column->form = COLUMN_DICTIONARY;
    column->dictionary = dictionary;
    return set_validity(window, column, arena);
}

static bool all_null(const struct window *window)
{
    for (uint32_t i = 0; i < window->row_count; i++) {
        if (!page_is_null(window->page, window->first + i)) {
            return false;
        }
    }
    return true;
}

static bool read_constant(const struct window *window, struct column *column, struct arena *arena)
{
    struct datum value;
    page_datum(window->page, column->type, window->first, &value);
    return column_make_constant(column, &value, window->row_count, arena);
}

static bool read_flat(const struct window *window, struct column *column, struct arena *arena)
{
    if (!column_make(column, column->type, window->row_count, false, arena)) {
        return false;
    }
    page_decode(window->page, window->first, window->row_count, column->data);
    return set_validity(window, column, arena);
}

/* A window inside one page: in the form that the page has. */
static bool read_page(const struct window *window, struct column *column, struct arena *arena)
{
    const struct page *page = window->page;
    column->row_count = window->row_count;
    if (page->encoding == PAGE_CONSTANT && (page->validity == NULL || all_null(window))) {
        return read_constant(window, column, arena);
    }
    if (page->encoding == PAGE_DICTIONARY) {
        return read_dictionary(window, column, arena);
    }
    if (page->encoding == PAGE_PLAIN && page->value_size != 0) {
        column->form = COLUMN_FLAT;
        column->data = borrow(page->data + (size_t)window->first * page->value_size);
        return set_validity(window, column, arena);
    }
    return read_flat(window, column, arena);
}

/* ---- values that are referred to ---- */

/* Wants of the rows of one column, until they are fetched. */
struct want_list {
    struct value_want *wants; /* In the batch's arena; NULL until there is one. */
    uint32_t count;
    uint32_t capacity;
};

/* Notes the row of a page if its value lies in a value file, to be put at `to`. False when memory
 * is out. */
static bool want_row(struct segment *segment, uint32_t position, const struct page *page,
                     uint32_t row, void *to, struct want_list *list, struct batch *batch)
{
    if (!page_is_external(page, row) || page_is_null(page, row)) {
        return true;
    }
    if (list->wants == NULL) {
        list->wants = arena_array(&batch->arena, list->capacity, sizeof *list->wants);
        if (list->wants == NULL) {
            return false;
        }
    }
    struct value_reference reference = segment_reference(segment, position, page, row);
    list->wants[list->count++] =
        (struct value_want){.place = reference.place, .size = reference.size, .to = to};
    return true;
}

/* Which rows a call reads, and what owns the result. */
struct request {
    struct segment *segment;
    uint64_t first_row;
    uint32_t row_count;
    struct batch *batch;
};

/* A window over several pages is flat. */
static tdbplus_status read_pages(const struct request *request, uint32_t position,
                                 struct column *column, struct err *err)
{
    struct segment *segment = request->segment;
    struct batch *batch = request->batch;
    uint32_t row_count = request->row_count;
    const struct segment_column *info = &segment->columns[position];
    if (!column_make(column, info->type, row_count, true, &batch->arena)) {
        return no_memory(err);
    }
    size_t width = type_width(info->type);
    bool has_nulls = false;
    struct want_list list = {.capacity = row_count};
    for (uint32_t done = 0; done < row_count;) {
        uint64_t row = request->first_row + done;
        struct segment_page part = segment_page_of(segment, row, position);
        uint32_t first = (uint32_t)(row - part.first_row);
        uint32_t count = part.row_count - first;
        count = count < row_count - done ? count : row_count - done;
        struct page *page = NULL;
        TRY(segment_take_page(segment, row, position, &page, err));
        uint8_t *to = (uint8_t *)column->data + done * width;
        if (page->value_size == info->value_size) {
            page_decode(page, first, count, to);
        } else {
            memset(to, 0, count * width); // Places of vectors; nulls stay zero.
        }
        bool noted = true;
        for (uint32_t i = 0; i < count && (page->flags & PAGE_FLAG_EXTERNAL) != 0 && noted; i++) {
            noted = want_row(segment, position, page, first + i, to + i * width, &list, batch);
        }
        if (!noted) {
            page_release(page);
            return no_memory(err);
        }
        if (page->validity != NULL) {
            page_decode_validity(page, first, count, column->validity, done);
            has_nulls = true;
        }
        done += count;
        if (info->value_size != 0) {
            page_release(page);
            continue;
        }
        TRY(segment_hand_over(batch, page, err)); // Views point into it.
    }
    if (!has_nulls) {
        column->validity = NULL;
    }
    return list.count == 0 ? TDBPLUS_OK
                           : segment_fetch(segment, position, list.wants, list.count, batch, err);
}

static tdbplus_status read_column(const struct request *request, uint32_t position,
                                  struct column *column_out, struct err *err)
{
    struct segment *segment = request->segment;
    struct column column = {.type = segment->columns[position].type};
    struct segment_page part = segment_page_of(segment, request->first_row, position);
    if (request->first_row + request->row_count > part.first_row + part.row_count) {
        TRY(read_pages(request, position, &column, err));
        *column_out = column;
        return TDBPLUS_OK;
    }
    struct window window = {.first = (uint32_t)(request->first_row - part.first_row),
                            .row_count = request->row_count};
    TRY(segment_take_page(segment, request->first_row, position, &window.page, err));
    if ((window.page->flags & PAGE_FLAG_EXTERNAL) != 0) {
        page_release(window.page);
        TRY(read_pages(request, position, &column, err));
        *column_out = column;
        return TDBPLUS_OK;
    }
    if (!read_page(&window, &column, &request->batch->arena)) {
        page_release(window.page);
        return no_memory(err);
    }
    TRY(segment_hand_over(request->batch, window.page, err));
    *column_out = column;
    return TDBPLUS_OK;
}

tdbplus_status segment_read_stored(struct segment *segment, uint64_t first_row, uint32_t row_count,
                                   uint32_t position, struct batch *batch,
                                   struct column *column_out, struct err *err)
{
    ASSERT(row_count > 0 && first_row + row_count <= segment->row_count);
    struct request request = {
        .segment = segment, .first_row = first_row, .row_count = row_count, .batch = batch};
    TRY(load_missing(segment, first_row, row_count, &position, 1, err));
    return read_column(&request, position, column_out, err);
}

tdbplus_status segment_read(struct segment *segment, uint64_t first_row, uint32_t row_count,
                            const uint32_t *positions, uint32_t position_count, struct batch *batch,
                            struct column *columns_out, struct err *err)
{
    ASSERT(row_count > 0 && first_row + row_count <= segment->row_count);
    ASSERT(first_row / SEGMENT_WINDOW_ROW_COUNT ==
           (first_row + row_count - 1) / SEGMENT_WINDOW_ROW_COUNT);
    TRY(load_missing(segment, first_row, row_count, positions, position_count, err));
    struct request request = {
        .segment = segment, .first_row = first_row, .row_count = row_count, .batch = batch};
    struct segment_rows rows = {.first_row = first_row, .count = row_count};
    for (uint32_t i = 0; i < position_count; i++) {
        ASSERT(positions[i] < segment->column_count);
        TRY(read_column(&request, positions[i], &columns_out[i], err));
        const struct shred_tree *tree = segment_tree(segment, positions[i]);
        if (tree != NULL) {
            TRY(segment_assemble(segment, tree, &rows, NULL, batch, &columns_out[i], err));
        }
    }
    page_cache_count_hits(segment->cache, position_count);
    return TDBPLUS_OK;
}

/* ---- a list of rows ---- */

/* A few rows on their way through the stages. */
struct gather {
    uint32_t count;
    uint64_t rows[GATHER_STEP];
    struct segment_place places[GATHER_STEP];
    struct page *pages[GATHER_STEP]; /* Pinned; the same page again shares the pin. */
};

static void release_pages(struct gather *gather)
{
    for (uint32_t i = 0; i < gather->count; i++) {
        if (gather->pages[i] != NULL && (i == 0 || gather->pages[i] != gather->pages[i - 1])) {
            page_release(gather->pages[i]);
        }
    }
}

static bool same_page(const struct gather *gather, uint32_t i)
{
    return i > 0 && gather->places[i].page == gather->places[i - 1].page;
}

/* Pins the pages of the rows that are cached; the others stay NULL. */
static uint32_t pin_cached(struct segment *segment, struct gather *gather)
{
    uint32_t missing = 0;
    struct epoch_ticket ticket = epoch_enter(segment->epoch);
    for (uint32_t i = 0; i < gather->count; i++) {
        struct page *page = page_cache_peek(&segment->slots[gather->places[i].page]);
        __builtin_prefetch(page);
        gather->pages[i] = page;
    }
    for (uint32_t i = 0; i < gather->count; i++) {
        struct page *page = gather->pages[i];
        if (same_page(gather, i)) {
            gather->pages[i] = gather->pages[i - 1];
        } else if (page != NULL) {
            page_touch(page);
            page_pin(page);
        }
        missing += gather->pages[i] == NULL;
    }
    epoch_exit(segment->epoch, ticket);
    return missing;
}

static tdbplus_status load_others(struct segment *segment, uint32_t position, struct gather *gather,
                                  struct err *err)
{
    struct page_request requests[GATHER_STEP];
    struct page *loaded[GATHER_STEP];
    uint32_t count = 0;
    for (uint32_t i = 0; i < gather->count; i++) {
        if (gather->pages[i] == NULL && !same_page(gather, i)) {
            struct segment_page page = segment_page_of(segment, gather->rows[i], position);
            requests[count++] = segment_page_request(segment, &page, position);
        }
    }
    TRY(page_cache_load(segment->cache, &segment->source, requests, count, loaded, err));
    uint32_t next = 0;
    for (uint32_t i = 0; i < gather->count; i++) {
        if (gather->pages[i] == NULL) {
            gather->pages[i] = same_page(gather, i) ? gather->pages[i - 1] : loaded[next++];
        }
    }
    return TDBPLUS_OK;
}

static void store_value(const struct gather *gather, uint32_t i, uint8_t *to, uint32_t size)
{
    const struct page *page = gather->pages[i];
    uint32_t row = gather->places[i].row;
    if (size == 0) {
        struct view view =
            view_of(page_is_null(page, row) ? (struct span){0} : page_bytes(page, row));
        memcpy(to, &view, sizeof view);
    } else if (page_is_word(page)) {
        int64_t word = page_word(page, row);
        memcpy(to, &word, size); // Little-endian: the low bytes come first.
    } else {
        memcpy(to, page_bytes(page, row).data, size);
    }
}

/* Values of a page that must be decoded from its beginning: all at once. Returns how many. */
static uint32_t store_run(const struct gather *gather, uint32_t i, uint8_t *to, uint32_t size)
{
    uint64_t words[SEGMENT_PAGE_ROW_MAX];
    const struct page *page = gather->pages[i];
    uint32_t end = i + 1;
    while (end < gather->count && gather->pages[end] == page) {
        end++;
    }
    page_decode(page, 0, gather->places[end - 1].row + 1, words);
    for (uint32_t at = i; at < end; at++) {
        memcpy(to + (size_t)(at - i) * size, (uint8_t *)words + gather->places[at].row * size,
               size);
    }
    return end - i;
}

/* Notes the values among them that are referred to. False when memory is out. */
static bool gather_wants(const struct request *request, uint32_t position,
                         const struct gather *gather, struct column *column, uint32_t done,
                         struct want_list *list)
{
    size_t width = type_width(column->type);
    for (uint32_t i = 0; i < gather->count; i++) {
        uint8_t *to = (uint8_t *)column->data + (done + i) * width;
        if (!want_row(request->segment, position, gather->pages[i], gather->places[i].row, to, list,
                      request->batch)) {
            return false;
        }
    }
    return true;
}

static void gather_values(const struct gather *gather, uint32_t size, struct column *column,
                          uint32_t done)
{
    size_t width = size == 0 ? sizeof(struct view) : size;
    for (uint32_t i = 0; i < gather->count; i++) {
        page_prefetch(gather->pages[i], gather->places[i].row);
    }
    uint8_t *to = (uint8_t *)column->data + done * width;
    for (uint32_t i = 0; i < gather->count;) {
        if (gather->pages[i]->value_size != size) {
            memset(to + i * width, 0, width); // The place of a vector.
            i++;
        } else if (page_is_random_access(gather->pages[i])) {
            store_value(gather, i, to + i * width, size);
            i++;
        } else {
            i += store_run(gather, i, to + i * width, size);
        }
    }
    for (uint32_t i = 0; i < gather->count; i++) {
        if (page_is_null(gather->pages[i], gather->places[i].row)) {
            uint32_t at = done + i;
            column->validity[at / 64] &= ~((uint64_t)1 << (at % 64));
        }
    }
}

/* Gives the pins to the batch, or lets go of them where nothing was borrowed. */
static tdbplus_status settle_pins(struct gather *gather, bool borrowed, struct batch *batch,
                                  struct err *err)
{
    if (!borrowed) {
        release_pages(gather);
        return TDBPLUS_OK;
    }
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < gather->count; i++) {
        struct page *page = gather->pages[i];
        if (i > 0 && page == gather->pages[i - 1]) {
            continue;
        }
        if (status != TDBPLUS_OK) {
            page_release(page);
        } else {
            status = segment_hand_over(batch, page, err);
        }
    }
    return status;
}

/* Pins the pages of the next rows, or lets go of all of them. */
static tdbplus_status gather_pages(const struct request *request, uint32_t position,
                                   const uint64_t *rows, struct gather *gather, struct err *err)
{
    struct segment *segment = request->segment;
    for (uint32_t i = 0; i < gather->count; i++) {
        ASSERT(rows[i] < segment->row_count);
        gather->rows[i] = rows[i];
        gather->places[i] = segment_locate(segment, rows[i], position);
    }
    if (pin_cached(segment, gather) == 0) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = load_others(segment, position, gather, err);
    if (status != TDBPLUS_OK) {
        release_pages(gather);
    }
    return status;
}

static tdbplus_status gather_column(const struct request *request, const uint64_t *rows,
                                    uint32_t position, struct column *column, struct err *err)
{
    const struct segment_column *info = &request->segment->columns[position];
    uint32_t row_count = request->row_count;
    struct batch *batch = request->batch;
    if (!column_make(column, info->type, row_count, true, &batch->arena)) {
        return no_memory(err);
    }
    struct gather gather;
    struct want_list list = {.capacity = row_count};
    for (uint32_t done = 0; done < row_count; done += gather.count) {
        gather.count = row_count - done < GATHER_STEP ? row_count - done : GATHER_STEP;
        TRY(gather_pages(request, position, rows + done, &gather, err));
        gather_values(&gather, info->value_size, column, done);
        if (!gather_wants(request, position, &gather, column, done, &list)) {
            release_pages(&gather);
            return no_memory(err);
        }
        TRY(settle_pins(&gather, info->value_size == 0, batch, err));
    }
    return list.count == 0
               ? TDBPLUS_OK
               : segment_fetch(request->segment, position, list.wants, list.count, batch, err);
}

/* Rows that lie close together are decoded with what lies between them. */
static bool is_dense(const uint64_t *rows, uint32_t row_count)
{
    for (uint32_t i = 1; i < row_count; i++) {
        if (rows[i] <= rows[i - 1]) {
            return false; // Whoever gathers for a list of keys need not sort them.
        }
    }
    uint64_t extent = rows[row_count - 1] - rows[0] + 1;
    return extent <= (uint64_t)DENSE_FACTOR * row_count && extent <= SEGMENT_WINDOW_ROW_COUNT;
}

static void move_value(uint8_t *data, size_t width, uint32_t from, uint32_t to)
{
    if (width == sizeof(struct view)) {
        memcpy(data + to * sizeof(struct view), data + from * sizeof(struct view),
               sizeof(struct view));
    } else {
        memcpy(data + to * width, data + from * width, width);
    }
}

/* Keeps the listed rows of a flat column that holds all rows from the first listed one on. */
static void pick_rows(const uint64_t *rows, uint32_t row_count, struct column *column)
{
    size_t width = type_width(column->type);
    for (uint32_t i = 0; i < row_count; i++) {
        uint32_t from = (uint32_t)(rows[i] - rows[0]);
        if (from == i) {
            continue;
        }
        move_value(column->data, width, from, i);
        if (column->validity != NULL) {
            uint64_t bit = (uint64_t)1 << (i % 64);
            uint64_t is_set = column->validity[from / 64] >> (from % 64) & 1;
            column->validity[i / 64] = (column->validity[i / 64] & ~bit) | (is_set << (i % 64));
        }
    }
    column->row_count = row_count;
}

static tdbplus_status gather_dense(const struct request *request, const uint64_t *rows,
                                   uint32_t position, struct column *column, struct err *err)
{
    struct request window = *request;
    window.first_row = rows[0];
    window.row_count = (uint32_t)(rows[request->row_count - 1] - rows[0] + 1);
    TRY(read_pages(&window, position, column, err));
    pick_rows(rows, request->row_count, column);
    return TDBPLUS_OK;
}

tdbplus_status segment_gather(struct segment *segment, const uint64_t *rows, uint32_t row_count,
                              const uint32_t *positions, uint32_t position_count,
                              struct batch *batch, struct column *columns_out, struct err *err)
{
    ASSERT(row_count <= SEGMENT_WINDOW_ROW_COUNT);
    struct request request = {.segment = segment, .row_count = row_count, .batch = batch};
    ASSERT(row_count > 0);
    struct segment_rows listed = {.rows = rows, .count = row_count};
    bool dense = is_dense(rows, row_count);
    if (dense) {
        uint32_t extent = (uint32_t)(rows[row_count - 1] - rows[0] + 1);
        TRY(load_missing(segment, rows[0], extent, positions, position_count, err));
    }
    for (uint32_t i = 0; i < position_count; i++) {
        ASSERT(positions[i] < segment->column_count);
        struct column column = {.type = segment->columns[positions[i]].type};
        // What lies between costs nothing but where it has to be fetched from a value file.
        bool may_refer =
            segment->value_count > 0 && external_mode_of(column.type, false) != EXTERNAL_NEVER;
        TRY(dense && !may_refer ? gather_dense(&request, rows, positions[i], &column, err)
                                : gather_column(&request, rows, positions[i], &column, err));
        const struct shred_tree *tree = segment_tree(segment, positions[i]);
        if (tree != NULL) {
            TRY(segment_assemble(segment, tree, &listed, NULL, batch, &column, err));
        }
        columns_out[i] = column;
    }
    return TDBPLUS_OK;
}
