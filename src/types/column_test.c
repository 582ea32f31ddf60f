/*
 * Goal: a column gives back what was set, in every form; flattening equals reading row by row.
 * Method: boundary values of every type, with nulls, compared with datum_compare.
 */

#include "types/column.h"

#include "type_samples.h"

static void fill(struct column *column, const struct samples *samples, bool nulls)
{
    for (uint32_t i = 0; i < column->row_count; i++) {
        struct datum value = samples->values[i % samples->count];
        value.is_null = nulls && i % 3 == 1;
        column_set(column, i, &value);
    }
}

static void check_rows(const struct column *column, const struct samples *samples, bool nulls)
{
    for (uint32_t i = 0; i < column->row_count; i++) {
        struct datum got;
        column_get(column, i, &got);
        CHECK(got.is_null == (nulls && i % 3 == 1));
        CHECK(got.is_null == column_is_null(column, i));
        CHECK(type_equal(got.type, samples->type));
        CHECK(got.is_null || datum_compare(&got, &samples->values[i % samples->count]) == 0);
    }
}

static void check_flatten(const struct column *column, const uint16_t *rows, uint32_t count)
{
    struct arena arena = {.alloc = &alloc_system};
    struct column flat = {0};
    CHECK(column_flatten(column, rows, count, &flat, &arena));
    CHECK(flat.form == COLUMN_FLAT && flat.row_count == count);
    CHECK((uintptr_t)flat.data % ALLOC_ALIGN_ARROW == 0);
    for (uint32_t i = 0; i < count; i++) {
        struct datum want;
        struct datum got;
        column_get(column, rows == NULL ? i : rows[i], &want);
        column_get(&flat, i, &got);
        CHECK(got.is_null == want.is_null);
        CHECK(got.is_null || datum_compare(&got, &want) == 0);
    }
    arena_deinit(&arena);
}

TEST(columns_give_back_what_was_set)
{
    for (unsigned which = 0; which < SAMPLE_TYPES; which++) {
        struct samples samples;
        samples_make(&samples, which);
        for (int nulls = 0; nulls <= 1; nulls++) {
            struct arena arena = {.alloc = &alloc_system};
            struct column column = {0};
            uint32_t rows = 3 * samples.count + 64;
            CHECK(column_make(&column, samples.type, rows, nulls != 0, &arena));
            CHECK((uintptr_t)column.data % ALLOC_ALIGN_ARROW == 0);
            CHECK((column.validity != NULL) == (nulls != 0));
            fill(&column, &samples, nulls != 0);
            check_rows(&column, &samples, nulls != 0);
            check_flatten(&column, NULL, rows);
            const uint16_t some[] = {0, 1, 5, 6, 63, 64, 65};
            check_flatten(&column, some, sizeof some / sizeof *some);
            check_flatten(&column, some, 0);
            arena_deinit(&arena);
        }
    }
}

TEST(a_set_value_clears_an_earlier_null)
{
    struct arena arena = {.alloc = &alloc_system};
    struct column column = {0};
    CHECK(column_make(&column, type_of(TYPE_INT4), 70, true, &arena));
    struct datum null = {.type = type_of(TYPE_INT4), .is_null = true};
    struct datum seven = {.type = type_of(TYPE_INT4), .integer = 7};
    column_set(&column, 66, &null);
    CHECK(column_is_null(&column, 66) && !column_is_null(&column, 65));
    CHECK(((const int32_t *)column.data)[66] == 0);
    column_set(&column, 66, &seven);
    CHECK(!column_is_null(&column, 66));
    arena_deinit(&arena);
}

TEST(constants_stand_for_all_rows)
{
    for (unsigned which = 0; which < SAMPLE_TYPES; which++) {
        struct samples samples;
        samples_make(&samples, which);
        samples_add(&samples)->is_null = true;
        for (uint32_t i = 0; i < samples.count; i++) {
            struct arena arena = {.alloc = &alloc_system};
            struct column column = {0};
            struct datum value = samples.values[i];
            uint8_t scratch[64];
            bool has_bytes = type_physical(value.type) >= PHYSICAL_VIEW && !value.is_null;
            if (has_bytes) {
                memcpy(scratch, value.bytes.data, value.bytes.size);
                value.bytes.data = scratch;
            }
            CHECK(column_make_constant(&column, &value, 100, &arena));
            memset(scratch, 0xAA, sizeof scratch); // The column has its own copy.
            struct datum got;
            column_get(&column, 99, &got);
            CHECK(datum_compare(&got, &samples.values[i]) == 0);
            check_flatten(&column, NULL, 100);
            arena_deinit(&arena);
        }
    }
}

TEST(dictionaries_are_looked_up)
{
    for (unsigned which = 0; which < SAMPLE_TYPES; which++) {
        struct samples samples;
        samples_make(&samples, which);
        struct arena arena = {.alloc = &alloc_system};
        struct column dictionary = {0};
        CHECK(column_make(&dictionary, samples.type, samples.count, true, &arena));
        fill(&dictionary, &samples, true);
        uint32_t codes[200];
        uint64_t validity[4] = {UINT64_MAX, UINT64_MAX - 2, UINT64_MAX, UINT64_MAX};
        for (uint32_t i = 0; i < 200; i++) {
            codes[i] = (i * 7) % samples.count;
        }
        struct column column = {.type = samples.type,
                                .form = COLUMN_DICTIONARY,
                                .row_count = 200,
                                .codes = codes,
                                .dictionary = &dictionary};
        check_flatten(&column, NULL, 200);
        for (uint32_t i = 0; i < 200; i++) {
            CHECK(column_is_null(&column, i) == column_is_null(&dictionary, codes[i]));
        }
        column.validity = validity;
        CHECK(column_is_null(&column, 65));
        check_flatten(&column, NULL, 200);
        arena_deinit(&arena);
    }
}

static void count_release(void *held)
{
    (*(int *)held)++;
}

TEST(batches_let_go_of_their_pins_once)
{
    int released = 0;
    struct batch batch;
    batch_init(&batch, &alloc_system);
    const uint16_t selection[2] = {1, 3};
    for (int round = 0; round < 3; round++) {
        released = 0;
        for (int i = 0; i < 1000; i++) {
            CHECK(batch_pin(&batch, &released, count_release));
        }
        batch.row_count = 10;
        CHECK(batch_live_count(&batch) == 10);
        batch.selection = selection;
        batch.selected_count = 2;
        CHECK(batch_live_count(&batch) == 2);
        CHECK(released == 0);
        batch_reset(&batch);
        CHECK(released == 1000);
        CHECK(batch_live_count(&batch) == 0 && batch.columns == NULL);
    }
    CHECK(batch_pin(&batch, &released, count_release));
    batch_deinit(&batch);
    CHECK(released == 1001);
    batch_deinit(&batch);
}

static bool use_memory(const struct alloc *alloc)
{
    int released = 0;
    struct batch batch;
    batch_init(&batch, alloc);
    struct column column = {0};
    struct column flat = {0};
    struct column constant = {0};
    static uint8_t text[40000];
    struct datum value = {.type = type_of(TYPE_TEXT), .bytes = {text, sizeof text}};
    bool ok = column_make(&column, type_of(TYPE_INT8), 4096, false, &batch.arena) &&
              column_make(&constant, type_of(TYPE_INT8), 1000000, true, &batch.arena) &&
              column_make_constant(&constant, &value, 10, &batch.arena) &&
              column_flatten(&constant, NULL, 10, &flat, &batch.arena);
    CHECK(ok || flat.data == NULL);
    int pinned = 0;
    for (; ok && pinned < 3000; pinned++) {
        ok = batch_pin(&batch, &released, count_release);
        if (!ok) {
            break;
        }
    }
    batch_deinit(&batch);
    CHECK(released == pinned);
    return ok;
}

TEST(columns_survive_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        bool ok = use_memory(&fault.alloc);
        CHECK(fault.live_bytes == 0);
        if (ok) {
            break;
        }
    }
    CHECK(fail_at > 5);
}
