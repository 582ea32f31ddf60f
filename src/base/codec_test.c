/*
 * Goal: a reader never moves past its span, an overrun is sticky and reads zeros (B3), and whatever
 * was encoded reads back. Every truncation of an encoded message is tried in memory of exactly its
 * size, so that the address sanitizer sees an overread.
 */

#include "base/buffer.h"
#include "base/codec.h"
#include "base/hash.h"
#include "test.h"

#define FIELDS 7u

struct message {
    uint64_t field[FIELDS];
};

static struct message read_message(struct reader *reader)
{
    struct message message;
    message.field[0] = reader_u8(reader);
    message.field[1] = reader_u16(reader);
    message.field[2] = reader_u32(reader);
    message.field[3] = reader_u64(reader);
    message.field[4] = reader_varint(reader);
    struct span sized = reader_sized(reader);
    message.field[5] = sized.size;
    message.field[6] = reader_span(reader, 3).size;
    return message;
}

static void write_message(struct buffer *buffer)
{
    buffer_put_u8(buffer, 0xF1);
    buffer_put_u16(buffer, 0xF1F2);
    buffer_put_u32(buffer, 0xF1F2F3F4);
    buffer_put_u64(buffer, 0xF1F2F3F4F5F6F7F8);
    buffer_put_varint(buffer, 1u << 20);
    buffer_put_sized(buffer, span_from_text("hello"));
    buffer_put_text(buffer, "end");
}

TEST(every_truncation_overruns_and_later_fields_are_zero)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    write_message(&buffer);
    struct span whole = buffer_span(&buffer);
    struct reader reader = reader_of(whole);
    struct message good = read_message(&reader);
    CHECK(!reader.overrun && reader.rest.size == 0);
    CHECK(good.field[3] == 0xF1F2F3F4F5F6F7F8 && good.field[5] == 5 && good.field[6] == 3);

    for (size_t size = 0; size < whole.size; size++) {
        uint8_t *cut = alloc_raw(&alloc_system, size + 1);
        memcpy(cut + 1, whole.data, size); // Ends where the memory ends.
        reader = reader_of((struct span){.data = cut + 1, .size = size});
        struct message message = read_message(&reader);
        CHECK(reader.overrun);
        bool zeros = false;
        for (size_t i = 0; i < FIELDS; i++) {
            zeros = zeros || message.field[i] != good.field[i];
            CHECK(message.field[i] == (zeros ? 0 : good.field[i]));
        }
        alloc_free(&alloc_system, cut, size + 1, 1);
    }
    buffer_deinit(&buffer);
}

TEST(an_overrun_is_sticky_even_where_bytes_are_left)
{
    static const uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct reader reader = reader_of((struct span){.data = data, .size = sizeof data});
    CHECK(reader_span(&reader, 9).size == 0);
    CHECK(reader.overrun);
    CHECK(reader_u8(&reader) == 0 && reader_u64(&reader) == 0 && reader_varint(&reader) == 0);
    CHECK(reader_span(&reader, 0).data == NULL);
    CHECK(reader_sized(&reader).size == 0);
}

TEST(empty_spans_read_nothing)
{
    struct reader reader = reader_of((struct span){0});
    CHECK(reader_span(&reader, 0).size == 0 && !reader.overrun);
    CHECK(reader_u8(&reader) == 0 && reader.overrun);
}

static uint64_t varint_of(const uint8_t *data, size_t size, bool *overrun_out, size_t *rest_out)
{
    struct reader reader = reader_of((struct span){.data = data, .size = size});
    uint64_t value = reader_varint(&reader);
    *overrun_out = reader.overrun;
    *rest_out = reader.rest.size;
    return value;
}

TEST(varints_past_64_bits_are_overruns)
{
    bool overrun = false;
    size_t rest = 0;
    static const uint8_t largest[10] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01};
    CHECK(varint_of(largest, 10, &overrun, &rest) == UINT64_MAX && !overrun && rest == 0);
    static const uint8_t too_big[10] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02};
    CHECK(varint_of(too_big, 10, &overrun, &rest) == 0 && overrun);
    static const uint8_t too_long[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                         0x80, 0x80, 0x80, 0x80, 0x00};
    CHECK(varint_of(too_long, 11, &overrun, &rest) == 0 && overrun);
    static const uint8_t endless[3] = {0xFF, 0xFF, 0xFF};
    CHECK(varint_of(endless, 3, &overrun, &rest) == 0 && overrun);
    static const uint8_t followed[3] = {0x80, 0x01, 0x55};
    CHECK(varint_of(followed, 3, &overrun, &rest) == 128 && !overrun && rest == 1);
}

TEST(sized_lengths_beyond_the_rest_are_overruns)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    static const uint64_t lies[] = {4, 5, 1u << 20, UINT32_MAX, (uint64_t)1 << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        buffer_clear(&buffer);
        buffer_put_varint(&buffer, lies[i]);
        buffer_put_text(&buffer, "abc");
        struct reader reader = reader_of(buffer_span(&buffer));
        CHECK(reader_sized(&reader).size == 0 && reader.overrun);
    }
    buffer_deinit(&buffer);
}

TEST(unaligned_loads_and_stores_agree)
{
    uint8_t data[24];
    for (size_t at = 0; at < 8; at++) {
        memset(data, 0xEE, sizeof data);
        store_u16(data + at, 0x1122);
        CHECK(load_u16(data + at) == 0x1122 && data[at] == 0x22 && data[at + 2] == 0xEE);
        store_u32(data + at, 0x11223344);
        CHECK(load_u32(data + at) == 0x11223344 && data[at] == 0x44 && data[at + 4] == 0xEE);
        store_u64(data + at, 0x1122334455667788);
        CHECK(load_u64(data + at) == 0x1122334455667788 && data[at] == 0x88);
        store_u64_be(data + at, 0x1122334455667788);
        CHECK(load_u64_be(data + at) == 0x1122334455667788 && data[at] == 0x11);
    }
}

TEST(big_endian_keys_order_like_their_numbers)
{
    uint8_t left[8];
    uint8_t right[8];
    for (uint64_t step = 0; step < 1000; step++) {
        uint64_t a = hash_u64(step) >> (step % 64);
        uint64_t b = step % 10 == 0 ? a : hash_u64(~step) >> (step % 61);
        store_u64_be(left, a);
        store_u64_be(right, b);
        int order = memcmp(left, right, 8);
        CHECK((order < 0) == (a < b) && (order == 0) == (a == b));
    }
}
