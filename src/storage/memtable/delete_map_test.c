/*
 * Goal: the delete map answers like a plain table row -> timestamp, for every snapshot, before and
 * after forgetting and a round trip through bytes; hostile bytes are refused; readers beside the
 * writer see what their snapshot promises.
 *
 * Method: random marks against an array; CRoaring as a second opinion on the bytes; every
 * truncation, every bit flip, and lies built on purpose.
 */

#include "storage/memtable/delete_map.h"

#include <pthread.h>
#include <roaring/roaring.h>

#include "base/codec.h"
#include "base/hash.h"
#include "test.h"

#define NOT_ENDED UINT64_MAX

/* ---- fixtures ---- */

static uint64_t random_state = 7;

static uint64_t draw(uint64_t bound)
{
    random_state++;
    return hash_u64(random_state) % bound;
}

static struct epoch epoch;

static struct delete_map *make_map(uint64_t row_count, const struct alloc *alloc)
{
    struct delete_map *map = NULL;
    CHECK(delete_map_create(row_count, alloc, &epoch, &map, NULL) == TDBPLUS_OK);
    return map;
}

static bool mark(struct delete_map *map, uint64_t row, uint64_t timestamp)
{
    CHECK(delete_map_reserve(map, &row, 1, NULL) == TDBPLUS_OK);
    return delete_map_mark(map, row, timestamp);
}

/* When each row ended, the naive way. */
struct model {
    uint64_t *ends;
    uint64_t row_count;
};

static struct model make_model(uint64_t row_count)
{
    struct model model = {alloc_array(&alloc_system, row_count, sizeof(uint64_t)), row_count};
    for (uint64_t row = 0; row < row_count; row++) {
        model.ends[row] = NOT_ENDED;
    }
    return model;
}

static void model_deinit(struct model *model)
{
    alloc_free(&alloc_system, model->ends, model->row_count, sizeof(uint64_t));
}

static void check_window(const struct delete_map *map, const struct model *model, uint64_t first,
                         uint32_t count, uint64_t snapshot)
{
    uint16_t offsets[2048 + 1];
    memset(offsets, 0xAB, sizeof offsets);
    uint32_t selected = delete_map_select(map, first, count, snapshot, offsets);
    CHECK(offsets[count] == 0xABAB); // Nothing beyond what was asked for.
    uint32_t expected = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (model->ends[first + i] > snapshot) {
            CHECK(selected == count || offsets[expected] == i);
            expected++;
        }
    }
    CHECK(selected == expected);
    if (selected == count && count > 0) {
        CHECK(offsets[0] == 0xABAB); // Untouched.
    }
}

static void check_map(const struct delete_map *map, const struct model *model,
                      uint64_t snapshot_min, uint64_t snapshot_max)
{
    for (int i = 0; i < 300; i++) {
        uint64_t row = draw(model->row_count);
        uint64_t snapshot = snapshot_min + draw(snapshot_max - snapshot_min + 1);
        CHECK(delete_map_visible(map, row, snapshot) == (model->ends[row] > snapshot));
        uint64_t group_end = (row / 65536 + 1) * 65536;
        group_end = group_end < model->row_count ? group_end : model->row_count;
        uint64_t left = group_end - row;
        check_window(map, model, row, (uint32_t)draw((left < 2048 ? left : 2048) + 1), snapshot);
        row = row / 2048 * 2048;
        left = model->row_count - row;
        check_window(map, model, row, (uint32_t)(left < 2048 ? left : 2048), snapshot);
    }
    uint64_t row = 0;
    uint64_t seen = 0;
    uint64_t timestamp = 0;
    for (uint64_t i = 0; delete_map_next(map, &row, &timestamp); i = row = row + 1) {
        for (; i < row; i++) {
            CHECK(model->ends[i] == NOT_ENDED);
        }
        CHECK(model->ends[row] != NOT_ENDED);
        CHECK(timestamp == delete_map_end_of(map, row));
        seen++;
    }
    CHECK(seen == delete_map_count(map));
}

/* ---- against the model ---- */

/* Ends a random range of rows; returns how many had not ended. */
static uint64_t mark_range(struct delete_map *map, struct model *model, uint64_t timestamp)
{
    uint64_t first = draw(model->row_count);
    uint64_t end = first + draw(model->row_count - first + 1);
    uint64_t fresh = 0;
    CHECK(delete_map_reserve_range(map, first, end, 1, NULL) == TDBPLUS_OK);
    for (uint64_t row = first; row < end; row++) {
        if (model->ends[row] == NOT_ENDED) {
            model->ends[row] = timestamp;
            fresh++;
        }
    }
    CHECK(delete_map_mark_range(map, first, end, timestamp) == fresh);
    return fresh;
}

static void compare_with_model(uint64_t row_count, uint32_t mark_count)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    epoch_init(&epoch);
    struct delete_map *map = make_map(row_count, &fault.alloc);
    struct model model = make_model(row_count);
    check_map(map, &model, 0, 10);
    uint64_t timestamp = 1;
    uint64_t horizon = 0;
    uint64_t count = 0;
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < mark_count; i++) {
            timestamp += draw(3) == 0;
            if (draw(mark_count) < 3) {
                count += mark_range(map, &model, timestamp);
            }
            uint64_t row =
                draw(2) == 0 ? draw(row_count) : draw(row_count < 5000 ? row_count : 5000);
            bool is_new = model.ends[row] == NOT_ENDED;
            CHECK(mark(map, row, timestamp) == is_new);
            if (is_new) {
                model.ends[row] = timestamp;
                count++;
            }
            CHECK(delete_map_end_of(map, row) == (model.ends[row] > horizon ? model.ends[row] : 0));
        }
        CHECK(delete_map_count(map) == count);
        check_map(map, &model, horizon, timestamp + 2);
        horizon = round == 2 ? timestamp : (horizon + timestamp) / 2;
        delete_map_forget(map, horizon);
        uint64_t recent = 0;
        for (uint64_t row = 0; row < row_count; row++) {
            recent += model.ends[row] != NOT_ENDED && model.ends[row] > horizon;
        }
        CHECK(delete_map_recent_count(map) == recent);
        CHECK(delete_map_count(map) == count);
        check_map(map, &model, horizon, timestamp + 2);
        timestamp++; // Marks after a forget are newer than its horizon.
    }
    delete_map_destroy(map);
    epoch_deinit(&epoch);
    CHECK(fault.live_bytes == 0);
    model_deinit(&model);
}

TEST(the_map_answers_like_an_array_of_ends)
{
    compare_with_model(1, 1);
    compare_with_model(63, 20);
    compare_with_model(2049, 300);
    compare_with_model(65536, 3000);
    compare_with_model(65536 * 3 + 77, 6000);
}

TEST(a_reserve_is_enough_for_its_rows)
{
    epoch_init(&epoch);
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct delete_map *map = make_map(200000, &fault.alloc);
    static uint64_t rows[5000];
    for (uint32_t round = 0; round < 20; round++) {
        size_t count = 1 + draw(5000);
        for (size_t i = 0; i < count; i++) {
            rows[i] = draw(200000);
        }
        CHECK(delete_map_reserve(map, rows, count, NULL) == TDBPLUS_OK);
        uint32_t calls = fault.calls;
        for (size_t i = 0; i < count; i++) {
            delete_map_mark(map, rows[i], round + 1);
        }
        CHECK(fault.calls == calls);
    }
    delete_map_destroy(map);
    epoch_deinit(&epoch);
}

TEST(forgetting_survives_failing_memory)
{
    epoch_init(&epoch);
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct delete_map *map = make_map(1000, &fault.alloc);
    for (uint64_t row = 0; row < 100; row++) {
        mark(map, row, row + 1);
    }
    fault.fail_at = fault.calls;
    delete_map_forget(map, 50);
    CHECK(delete_map_recent_count(map) == 100 && delete_map_end_of(map, 3) == 4);
    delete_map_forget(map, 50);
    CHECK(delete_map_recent_count(map) == 50 && delete_map_end_of(map, 3) == 0);
    CHECK(delete_map_end_of(map, 77) == 78);
    delete_map_destroy(map);
    epoch_deinit(&epoch);
    CHECK(fault.live_bytes == 0);
}

/* ---- bytes ---- */

enum shape { SPARSE, DENSE, RANGES, MIXED };

/* Marks rows of a shape with timestamps 1 to 100. */
static void mark_shape(struct delete_map *map, uint64_t row_count, enum shape shape)
{
    for (uint64_t group = 0; group * 65536 < row_count; group++) {
        enum shape here = shape == MIXED ? (enum shape)(group % 3) : shape;
        uint64_t first = group * 65536;
        uint64_t rows = row_count - first < 65536 ? row_count - first : 65536;
        uint64_t wanted = here == SPARSE ? rows / 100 + 1 : rows / 4;
        for (uint64_t i = 0; i < wanted; i++) {
            uint64_t row = here == RANGES ? first + rows / 8 + i : first + draw(rows);
            mark(map, row, 1 + draw(100));
        }
    }
}

static void check_round_trip(uint64_t row_count, enum shape shape, uint64_t timestamp)
{
    epoch_init(&epoch);
    struct delete_map *map = make_map(row_count, &alloc_system);
    mark_shape(map, row_count, shape);
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    delete_map_encode(map, timestamp, &buffer);
    CHECK(!buffer.failed);

    struct delete_map *copy = make_map(row_count, &alloc_system);
    CHECK(delete_map_load(copy, buffer_span(&buffer), NULL) == TDBPLUS_OK);
    uint64_t expected = 0;
    for (uint64_t row = 0; row < row_count; row++) {
        bool is_fact = delete_map_end_of(map, row) <= timestamp;
        CHECK(delete_map_end_of(copy, row) == (is_fact ? 0 : NOT_ENDED));
        expected += is_fact;
    }
    CHECK(delete_map_count(copy) == expected && delete_map_recent_count(copy) == 0);

    // CRoaring agrees on every row, and writes the same bytes.
    CHECK(load_u64(buffer.data) == (expected > 0 ? 1 : 0));
    if (expected > 0) {
        const char *portable = (const char *)buffer.data + 12;
        size_t size = buffer.size - 12;
        roaring_bitmap_t *bitmap = roaring_bitmap_portable_deserialize_safe(portable, size);
        CHECK(bitmap != NULL);
        CHECK(roaring_bitmap_get_cardinality(bitmap) == expected);
        for (uint64_t row = 0; row < row_count; row++) {
            CHECK(roaring_bitmap_contains(bitmap, (uint32_t)row) ==
                  (delete_map_end_of(copy, row) == 0));
        }
        roaring_bitmap_run_optimize(bitmap);
        CHECK(roaring_bitmap_portable_size_in_bytes(bitmap) == size);
        static char again[1 << 20];
        CHECK(roaring_bitmap_portable_serialize(bitmap, again) == size);
        CHECK(memcmp(again, portable, size) == 0);
        roaring_bitmap_free(bitmap);
    }
    buffer_deinit(&buffer);
    delete_map_destroy(copy);
    delete_map_destroy(map);
    epoch_deinit(&epoch);
}

TEST(bytes_bring_back_the_rows_and_are_what_croaring_writes)
{
    static const uint64_t row_counts[] = {1, 100, 65536, 65537, 65536 * 6 + 1000};
    for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++) {
        for (int shape = SPARSE; shape <= MIXED; shape++) {
            check_round_trip(row_counts[i], (enum shape)shape, 1000);
            check_round_trip(row_counts[i], (enum shape)shape, 50);
            check_round_trip(row_counts[i], (enum shape)shape, 0);
        }
    }
}

/* Loads bytes into an empty map. A refusal must leave it empty. */
static tdbplus_status load(uint64_t row_count, struct span encoded, uint64_t *count_out)
{
    struct delete_map *map = make_map(row_count, &alloc_system);
    struct err err = {0};
    tdbplus_status status = delete_map_load(map, encoded, &err);
    CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
    *count_out = delete_map_count(map);
    CHECK(status == TDBPLUS_OK || *count_out == 0);
    delete_map_destroy(map);
    return status;
}

TEST(load_refuses_every_truncation_and_survives_every_flipped_bit)
{
    epoch_init(&epoch);
    const uint64_t row_count = 65536 * 5;
    struct delete_map *map = make_map(row_count, &alloc_system);
    for (uint64_t i = 0; i < 30; i++) {
        mark(map, i * 7, 1);          // An array.
        mark(map, 65536 + 10 + i, 1); // A run.
        mark(map, 65536 * 3 + i / 2 * 3, 1);
        mark(map, 65536 * 4 + i * i, 1);
    }
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    delete_map_encode(map, 1, &buffer);
    uint64_t count = 0;
    CHECK(load(row_count, buffer_span(&buffer), &count) == TDBPLUS_OK);
    CHECK(count == delete_map_count(map));
    for (size_t size = 0; size < buffer.size; size++) {
        struct bytes cut = {alloc_raw(&alloc_system, size + 1), size + 1, &alloc_system};
        memcpy(cut.data, buffer.data, size);
        CHECK(load(row_count, (struct span){cut.data, size}, &count) == TDBPLUS_E_CORRUPT);
        bytes_deinit(&cut);
    }
    buffer_put_u8(&buffer, 0);
    CHECK(load(row_count, buffer_span(&buffer), &count) == TDBPLUS_E_CORRUPT);
    buffer.size--;
    // A flip may be another valid set (the bytes are checksummed by the caller), never more.
    for (size_t bit = 0; bit < buffer.size * 8; bit++) {
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        (void)load(row_count, buffer_span(&buffer), &count);
        CHECK(count <= row_count);
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buffer_deinit(&buffer);
    delete_map_destroy(map);
    epoch_deinit(&epoch);
}

/* 16-bit fields of a hand-made set: one part, high 0, as many fields as given. */
static tdbplus_status load_fields(uint64_t row_count, const uint16_t *fields, size_t field_count)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    buffer_put_u64(&buffer, 1);
    buffer_put_u32(&buffer, 0);
    for (size_t i = 0; i < field_count; i++) {
        buffer_put_u16(&buffer, fields[i]);
    }
    uint64_t count = 0;
    tdbplus_status status = load(row_count, buffer_span(&buffer), &count);
    buffer_deinit(&buffer);
    return status;
}

#define LOAD_FIELDS(row_count, ...)                         \
    load_fields(row_count, (const uint16_t[]){__VA_ARGS__}, \
                sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

TEST(load_refuses_lies_that_a_checksum_would_cover)
{
    epoch_init(&epoch);
    const uint16_t plain = 12346;
    const uint16_t runs = 12347;
    // One array of two rows: cookie, count, key and cardinality - 1, offset, rows.
    CHECK(LOAD_FIELDS(100, plain, 0, 1, 0, 0, 1, 16, 0, 5, 99) == TDBPLUS_OK);
    CHECK(LOAD_FIELDS(99, plain, 0, 1, 0, 0, 1, 16, 0, 5, 99) == TDBPLUS_E_CORRUPT);
    CHECK(LOAD_FIELDS(100, plain, 0, 1, 0, 0, 1, 16, 0, 5, 5) == TDBPLUS_E_CORRUPT);
    CHECK(LOAD_FIELDS(100, plain, 0, 1, 0, 0, 1, 16, 0, 9, 5) == TDBPLUS_E_CORRUPT);
    CHECK(LOAD_FIELDS(100, plain, 0, 1, 0, 0, 1, 17, 0, 5, 99) == TDBPLUS_E_CORRUPT);
    CHECK(LOAD_FIELDS(100, plain, 0, 1, 0, 1, 1, 16, 0, 5, 99) == TDBPLUS_E_CORRUPT);
    CHECK(LOAD_FIELDS(100, plain, 1, 1, 0, 0, 1, 16, 0, 5, 99) == TDBPLUS_E_CORRUPT);
    CHECK(LOAD_FIELDS(100, plain, 0, 0, 0) == TDBPLUS_E_CORRUPT);
    CHECK(LOAD_FIELDS(100, plain, 0, 0xFFFF, 0xFFFF) == TDBPLUS_E_CORRUPT);
    // Two containers with one key.
    CHECK(LOAD_FIELDS(70000, plain, 0, 2, 0, 0, 0, 1, 0, 24, 0, 26, 0, 5, 9) == TDBPLUS_OK);
    CHECK(LOAD_FIELDS(70000, plain, 0, 2, 0, 0, 0, 0, 0, 24, 0, 26, 0, 5, 9) == TDBPLUS_E_CORRUPT);
    // Runs: cookie with count - 1, flags (a byte: so the fields after it are shifted by one).
    struct buffer buffer;
    static const struct {
        uint16_t cardinality;
        uint16_t runs[5];
        bool is_good;
    } cases[] = {
        {6, {2, 10, 2, 20, 2}, true},     {5, {2, 10, 2, 20, 2}, false},
        {6, {2, 20, 2, 10, 2}, false},    {6, {2, 10, 2, 12, 2}, false},
        {6, {2, 10, 2, 13, 2}, false},    {6, {2, 10, 2, 98, 2}, false},
        {6, {2, 10, 2, 65535, 2}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buffer_init(&buffer, &alloc_system);
        buffer_put_u64(&buffer, 1);
        buffer_put_u32(&buffer, 0);
        buffer_put_u32(&buffer, runs);
        buffer_put_u8(&buffer, 1);
        buffer_put_u16(&buffer, 0);
        buffer_put_u16(&buffer, (uint16_t)(cases[i].cardinality - 1));
        for (size_t field = 0; field < 5; field++) {
            buffer_put_u16(&buffer, cases[i].runs[field]);
        }
        uint64_t count = 0;
        CHECK((load(100, buffer_span(&buffer), &count) == TDBPLUS_OK) == cases[i].is_good);
        buffer_deinit(&buffer);
    }
    // More parts than bytes, and parts that do not ascend.
    buffer_init(&buffer, &alloc_system);
    buffer_put_u64(&buffer, UINT64_MAX);
    uint64_t count = 0;
    CHECK(load(100, buffer_span(&buffer), &count) == TDBPLUS_E_CORRUPT);
    buffer_deinit(&buffer);
    epoch_deinit(&epoch);
}

/* ---- failing memory ---- */

static tdbplus_status run_script(struct fault_alloc *fault)
{
    static uint64_t rows[400];
    for (uint64_t i = 0; i < 400; i++) {
        rows[i] = i * 450;
    }
    struct delete_map *map = NULL;
    struct delete_map *copy = NULL;
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    tdbplus_status status = delete_map_create(200000, &fault->alloc, &epoch, &map, NULL);
    for (uint64_t i = 0; status == TDBPLUS_OK && i < 4; i++) {
        status = delete_map_reserve(map, rows, 100 * (i + 1), NULL);
        for (uint64_t row = 100 * i; status == TDBPLUS_OK && row < 100 * (i + 1); row++) {
            CHECK(delete_map_mark(map, rows[row], row));
        }
    }
    if (status == TDBPLUS_OK) {
        delete_map_encode(map, 400, &buffer);
        status = delete_map_create(200000, &fault->alloc, &epoch, &copy, NULL);
    }
    if (status == TDBPLUS_OK) {
        status = delete_map_load(copy, buffer_span(&buffer), NULL);
        CHECK(delete_map_count(copy) == (status == TDBPLUS_OK ? 400 : 0));
    }
    buffer_deinit(&buffer);
    delete_map_destroy(copy);
    delete_map_destroy(map);
    return status;
}

TEST(every_failed_allocation_is_an_ordinary_error)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        epoch_init(&epoch);
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        tdbplus_status status = run_script(&fault);
        epoch_deinit(&epoch);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at >= 10);
}

/* ---- readers beside the writer ---- */

#define THREAD_ROWS 6000u

struct shared {
    struct delete_map *map;
    _Atomic uint64_t visible; /* Marks up to this timestamp are done. */
    _Atomic uint64_t horizon; /* Snapshots below it are no more. */
    _Atomic bool is_done;
};

/* Timestamp t ends row (t * 1201) % THREAD_ROWS. */
static uint64_t row_at(uint64_t timestamp)
{
    return timestamp * 1201 % THREAD_ROWS;
}

static void *read_along(void *arg)
{
    struct shared *shared = arg;
    bool is_last = false;
    static _Thread_local uint64_t ends[THREAD_ROWS];
    for (uint64_t timestamp = 1; timestamp <= THREAD_ROWS; timestamp++) {
        ends[row_at(timestamp)] = timestamp;
    }
    struct model model = {ends, THREAD_ROWS};
    while (!is_last) {
        is_last = atomic_load_explicit(&shared->is_done, memory_order_acquire);
        uint64_t snapshot = atomic_load_explicit(&shared->visible, memory_order_acquire);
        for (uint64_t row = 0; row < THREAD_ROWS; row += 2048) {
            uint64_t left = THREAD_ROWS - row;
            check_window(shared->map, &model, row, (uint32_t)(left < 2048 ? left : 2048), snapshot);
        }
        for (uint64_t row = 0; row < THREAD_ROWS; row += 61) {
            CHECK(delete_map_visible(shared->map, row, snapshot) == (ends[row] > snapshot));
        }
    }
    return NULL;
}

TEST(readers_see_their_snapshot_while_rows_end)
{
    epoch_init(&epoch);
    struct shared shared = {.map = make_map(THREAD_ROWS, &alloc_system)};
    pthread_t readers[3];
    for (size_t i = 0; i < 3; i++) {
        CHECK(pthread_create(&readers[i], NULL, read_along, &shared) == 0);
    }
    for (uint64_t timestamp = 1; timestamp <= THREAD_ROWS; timestamp++) {
        CHECK(mark(shared.map, row_at(timestamp), timestamp));
        atomic_store_explicit(&shared.visible, timestamp, memory_order_release);
        if (timestamp % 64 == 0) {
            epoch_collect(&epoch);
        }
    }
    atomic_store_explicit(&shared.is_done, true, memory_order_release);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(readers[i], NULL);
    }
    delete_map_forget(shared.map, THREAD_ROWS);
    CHECK(delete_map_recent_count(shared.map) == 0);
    delete_map_destroy(shared.map);
    epoch_deinit(&epoch);
}
