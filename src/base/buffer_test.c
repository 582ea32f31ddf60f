/*
 * Goal: a buffer holds what was put, in order; failure is sticky, leaks nothing and is reported
 * once. Encoders are checked against known bytes and against the readers of codec.h.
 */

#include "base/buffer.h"
#include "base/codec.h"
#include "base/hash.h"
#include "test.h"

TEST(puts_append_in_order_and_little_endian)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    buffer_put_u8(&buffer, 0x01);
    buffer_put_u16(&buffer, 0x0302);
    buffer_put_u32(&buffer, 0x07060504);
    buffer_put_u64(&buffer, 0x0F0E0D0C0B0A0908);
    buffer_put_text(&buffer, "ab");
    buffer_put_span(&buffer, span_from_text("c"));
    buffer_put_sized(&buffer, span_from_text("de"));
    buffer_put(&buffer, NULL, 0);
    static const uint8_t expected[] = {1,  2,  3,  4,  5,   6,   7,   8, 9,   10, 11,
                                       12, 13, 14, 15, 'a', 'b', 'c', 2, 'd', 'e'};
    struct span span = buffer_span(&buffer);
    CHECK(span.size == sizeof expected);
    CHECK(memcmp(span.data, expected, sizeof expected) == 0);
    buffer_deinit(&buffer);
    CHECK(buffer.data == NULL && buffer.alloc == &alloc_system);
}

TEST(varints_have_known_bytes)
{
    static const struct {
        uint64_t value;
        size_t size;
        uint8_t bytes[10];
    } cases[] = {
        {0, 1, {0}},
        {127, 1, {0x7F}},
        {128, 2, {0x80, 0x01}},
        {300, 2, {0xAC, 0x02}},
        {16383, 2, {0xFF, 0x7F}},
        {16384, 3, {0x80, 0x80, 0x01}},
        {UINT64_MAX, 10, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}},
    };
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buffer_clear(&buffer);
        buffer_put_varint(&buffer, cases[i].value);
        CHECK(buffer.size == cases[i].size);
        CHECK(memcmp(buffer.data, cases[i].bytes, cases[i].size) == 0);
    }
    buffer_deinit(&buffer);
}

TEST(random_puts_read_back)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    for (uint64_t seed = 0; seed < 20; seed++) {
        buffer_clear(&buffer);
        for (uint64_t step = 0; step < 1000; step++) {
            uint64_t value = hash_u64(seed << 32 | step) >> (step % 64);
            buffer_put_varint(&buffer, value);
            buffer_put_u32(&buffer, (uint32_t)value);
            buffer_printf(&buffer, "%llu;", (unsigned long long)value);
        }
        CHECK(!buffer.failed);
        struct reader reader = reader_of(buffer_span(&buffer));
        for (uint64_t step = 0; step < 1000; step++) {
            uint64_t value = hash_u64(seed << 32 | step) >> (step % 64);
            char text[32];
            int length = snprintf(text, sizeof text, "%llu;", (unsigned long long)value);
            CHECK(reader_varint(&reader) == value);
            CHECK(reader_u32(&reader) == (uint32_t)value);
            struct span span = reader_span(&reader, (size_t)length);
            CHECK(span.size == (size_t)length && memcmp(span.data, text, span.size) == 0);
        }
        CHECK(!reader.overrun && reader.rest.size == 0);
    }
    buffer_deinit(&buffer);
}

TEST(extend_gives_room_to_fill_and_is_never_null_for_zero_bytes)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    CHECK(buffer_extend(&buffer, 0) != NULL); // NULL would read as "memory is out".
    uint8_t *room = buffer_extend(&buffer, 1000);
    CHECK(room != NULL && buffer.size == 1000);
    memset(room, 3, 1000);
    CHECK(buffer_extend(&buffer, 0) != NULL && buffer.size == 1000);
    buffer_deinit(&buffer);
}

TEST(sizes_that_wrap_fail)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    buffer_put_u8(&buffer, 1);
    CHECK(!buffer_reserve(&buffer, SIZE_MAX));
    CHECK(buffer.failed && buffer.size == 1);
    buffer_clear(&buffer);
    CHECK(buffer_extend(&buffer, SIZE_MAX - 16) == NULL);
    buffer_deinit(&buffer);
}

TEST(failure_is_sticky_until_cleared_and_keeps_what_was_there)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct buffer buffer;
        buffer_init(&buffer, &fault.alloc);
        size_t held = 0;
        for (uint32_t i = 0; i < 100; i++) {
            buffer_put_u32(&buffer, i);
            held = buffer.failed ? held : buffer.size;
        }
        CHECK(buffer.size == held);
        for (uint32_t i = 0; i < held / 4; i++) {
            CHECK(load_u32(buffer.data + 4 * (size_t)i) == i);
        }
        bool failed = buffer.failed;
        if (failed) {
            CHECK(!buffer_reserve(&buffer, 1));
            CHECK(buffer_extend(&buffer, 1) == NULL);
            buffer_printf(&buffer, "%d", 1);
            CHECK(buffer.size == held);
            buffer_clear(&buffer);
            buffer_put_u8(&buffer, 1);
            CHECK(!buffer.failed && buffer.size == 1);
        }
        buffer_deinit(&buffer);
        CHECK(fault.live_bytes == 0);
        if (!failed) {
            break;
        }
    }
    CHECK(fail_at == 6); // 64, 96, 144, 216, 324, 486 bytes.
}
