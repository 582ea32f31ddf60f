/*
 * Goal: a view's definition goes around, and a damaged one is refused. Method: round trip, every
 * truncation, every flipped bit, the sweep over failing allocations.
 */

#include "sql/bind/view_info.h"

#include "test.h"

static struct view_column columns[] = {
    {.name = "a", .type = {.id = TYPE_INT4}},
    {.name = "price", .type = {.id = TYPE_NUMERIC, .precision = 12, .scale = 2}}};
static struct view_name names[] = {{.column_id = 1, .name = "a"}, {.column_id = 900, .name = "p"}};
static struct view_reference references[] = {
    {.position = 22, .oid = 5, .names = names, .name_count = 2},
    {.position = 400, .oid = 1u << 31, .names = names, .name_count = 1}};
static const struct view_info good = {.check = 2,
                                      .text = "SELECT a, p AS price FROM t, u",
                                      .columns = columns,
                                      .column_count = 2,
                                      .references = references,
                                      .reference_count = 2};

/* The ids of the references, as the entry has them. */
static const uint8_t ids[24] = {5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80};

static struct catalog_entry entry_of(struct span definition)
{
    return (struct catalog_entry){.definition = definition,
                                  .encoded_dependencies = {.data = ids, .size = sizeof ids}};
}

static bool same(const struct view_info *info)
{
    return info->check == 2 && !info->materialized && strcmp(info->text, good.text) == 0 &&
           info->column_count == 2 && strcmp(info->columns[1].name, "price") == 0 &&
           type_equal(info->columns[1].type, columns[1].type) && info->reference_count == 2 &&
           info->references[0].oid == 5 && info->references[1].oid == 1u << 31 &&
           info->references[0].names[1].column_id == 900 &&
           strcmp(info->references[0].names[1].name, "p") == 0 &&
           info->references[1].name_count == 1;
}

TEST(definitions_go_around)
{
    struct arena arena;
    struct buffer buffer;
    struct view_info info = {0};
    arena_init(&arena, &alloc_system, 0);
    buffer_init(&buffer, &alloc_system);
    view_info_encode(&good, &buffer);
    struct catalog_entry entry = entry_of(buffer_span(&buffer));
    CHECK(view_info_decode(&entry, &arena, &info, NULL) == TDBPLUS_OK);
    CHECK(same(&info));
    CHECK(view_find_reference(&info, 400) == &info.references[1]);
    CHECK(view_find_reference(&info, 401) == NULL && view_find_reference(NULL, 400) == NULL);
    // A reference that the entry does not depend on means nothing.
    entry.encoded_dependencies.size = 12;
    CHECK(view_info_decode(&entry, &arena, &info, NULL) == TDBPLUS_E_CORRUPT);
    buffer_deinit(&buffer);
    arena_deinit(&arena);
}

TEST(truncated_definitions_are_refused_and_flipped_bits_do_no_harm)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    view_info_encode(&good, &buffer);
    for (size_t size = 0; size < buffer.size; size++) {
        struct arena arena;
        arena_init(&arena, &alloc_system, 0);
        struct bytes copy = {.data = alloc_array(&alloc_system, size + 1, 1),
                             .size = size + 1,
                             .alloc = &alloc_system};
        memcpy(copy.data, buffer.data, size);
        struct view_info info = {0};
        struct catalog_entry entry = entry_of((struct span){copy.data, size});
        CHECK(view_info_decode(&entry, &arena, &info, NULL) == TDBPLUS_E_CORRUPT);
        bytes_deinit(&copy);
        arena_deinit(&arena);
    }
    for (size_t bit = 0; bit < buffer.size * 8; bit++) {
        struct arena arena;
        arena_init(&arena, &alloc_system, 0);
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct view_info info = {0};
        struct catalog_entry entry = entry_of(buffer_span(&buffer));
        tdbplus_status status = view_info_decode(&entry, &arena, &info, NULL);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        arena_deinit(&arena);
    }
    buffer_deinit(&buffer);
}

TEST(decode_survives_every_failed_allocation)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    view_info_encode(&good, &buffer);
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        struct arena arena;
        struct view_info info = {0};
        fault_alloc_init(&fault, fail_at);
        arena_init(&arena, &fault.alloc, 32);
        struct catalog_entry entry = entry_of(buffer_span(&buffer));
        tdbplus_status status = view_info_decode(&entry, &arena, &info, NULL);
        arena_deinit(&arena);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            CHECK(fail_at > 1);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    buffer_deinit(&buffer);
}
