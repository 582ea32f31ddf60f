/*
 * Goal: a table's properties go around, and damaged ones are refused. Method: round trip, every
 * truncation, every flipped bit, the sweep over failing allocations.
 */

#include "sql/bind/table_info.h"

#include "test.h"

static struct table_text defaults[] = {
    {.column_id = 3, .text = "now()"},
    {.column_id = 700, .text = "'x''y'", .sequence = 1000, .kind = TABLE_IDENTITY_DEFAULT}};
static struct table_text checks[] = {{.name = "t_check", .text = "(a > 0)", .not_valid = true}};
static struct table_domain domains[] = {{.column_id = 3, .oid = 1234567}};
static const struct table_info good = {.hidden_key = true,
                                       .key_name = "pk",
                                       .defaults = defaults,
                                       .default_count = 2,
                                       .checks = checks,
                                       .check_count = 1,
                                       .domains = domains,
                                       .domain_count = 1};

static bool same(const struct table_info *info)
{
    return info->hidden_key && !info->materialized && strcmp(info->key_name, "pk") == 0 &&
           info->defaults[1].sequence == 1000 && info->defaults[1].kind == TABLE_IDENTITY_DEFAULT &&
           info->checks[0].not_valid && info->default_count == 2 && info->check_count == 1 &&
           info->defaults[1].column_id == 700 && strcmp(info->defaults[1].text, "'x''y'") == 0 &&
           strcmp(info->checks[0].name, "t_check") == 0 && info->domain_count == 1 &&
           table_find_domain(info, 3) == 1234567 && table_find_domain(info, 4) == 0 &&
           strcmp(info->checks[0].text, "(a > 0)") == 0;
}

TEST(properties_go_around)
{
    struct arena arena;
    struct buffer buffer;
    struct table_info info = {0};
    arena_init(&arena, &alloc_system, 0);
    buffer_init(&buffer, &alloc_system);
    table_info_encode(&good, &buffer);
    CHECK(table_info_decode(buffer_span(&buffer), &arena, &info, NULL) == TDBPLUS_OK);
    CHECK(same(&info));
    CHECK(table_info_decode((struct span){0}, &arena, &info, NULL) == TDBPLUS_OK);
    CHECK(!info.hidden_key && info.default_count == 0 && info.check_count == 0);
    buffer_deinit(&buffer);
    arena_deinit(&arena);
}

TEST(truncated_properties_are_refused_and_flipped_bits_do_no_harm)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    table_info_encode(&good, &buffer);
    for (size_t size = 1; size < buffer.size; size++) {
        struct arena arena;
        arena_init(&arena, &alloc_system, 0);
        struct bytes copy = {
            .data = alloc_array(&alloc_system, size, 1), .size = size, .alloc = &alloc_system};
        memcpy(copy.data, buffer.data, size);
        struct table_info info = {0};
        CHECK(table_info_decode((struct span){copy.data, size}, &arena, &info, NULL) ==
              TDBPLUS_E_CORRUPT);
        bytes_deinit(&copy);
        arena_deinit(&arena);
    }
    for (size_t bit = 0; bit < buffer.size * 8; bit++) {
        struct arena arena;
        arena_init(&arena, &alloc_system, 0);
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct table_info info = {0};
        tdbplus_status status = table_info_decode(buffer_span(&buffer), &arena, &info, NULL);
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
    table_info_encode(&good, &buffer);
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        struct arena arena;
        struct table_info info = {0};
        fault_alloc_init(&fault, fail_at);
        arena_init(&arena, &fault.alloc, 32);
        tdbplus_status status = table_info_decode(buffer_span(&buffer), &arena, &info, NULL);
        arena_deinit(&arena);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            CHECK(fail_at > 1);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM && info.defaults == NULL);
    }
    buffer_deinit(&buffer);
}
