/*
 * Goal: texts in other encodings come in and go out as PostgreSQL's do, in pieces of every size;
 * what has no place in the other encoding is an error that shows its bytes. tests/sql/copy.slt has
 * PostgreSQL's own answers.
 */

#include "files/charset.h"

#include "test.h"

static const struct {
    const char *name;
    const char *bytes;
    size_t size;
    const char *text;
} samples[] = {
    {"latin1", "d\xe9j\xe0", 4, "d\xc3\xa9j\xc3\xa0"},
    {"ISO-8859-15", "5 \xa4", 3, "5 \xe2\x82\xac"},
    {"Win1252", "\x80", 1, "\xe2\x82\xac"},
    {"koi8", "\xc1", 1, "\xd0\xb0"},
    {"EUC_JP", "\xb4\xc1\xbb\xfa", 4, "\xe6\xbc\xa2\xe5\xad\x97"},
    {"utf16le", "a\0=\xd8\0\xde", 6, "a\xf0\x9f\x98\x80"},
    {"UTF-16BE", "\0a\xd8=\xde\0", 6, "a\xf0\x9f\x98\x80"},
    {"latin1", "", 0, ""},
};

#define SAMPLE_COUNT (sizeof samples / sizeof *samples)

/* Reads all, `piece` bytes at a time out of an input that gives them one by one. */
static tdbplus_status decode(const struct charset *encoding, struct span bytes, size_t piece,
                             struct buffer *text, struct err *err)
{
    struct file_queue queue;
    struct file_input *input = NULL;
    size_t given = 0;
    size_t size = 1;
    file_queue_init(&queue, &alloc_system);
    CHECK(charset_input_open(encoding, &queue.input, &alloc_system, &input, err) == TDBPLUS_OK);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK && size > 0) {
        uint8_t data[64];
        status = input->read(input, data, piece, &size, err);
        if (status == TDBPLUS_PENDING) {
            if (given < bytes.size) {
                CHECK(file_queue_put(&queue, bytes.data + given++, 1));
            } else {
                file_queue_end(&queue);
            }
            status = TDBPLUS_OK;
            size = 1;
        } else if (status == TDBPLUS_OK && size > 0) {
            buffer_put(text, data, size);
        }
    }
    file_input_close(input);
    file_queue_deinit(&queue);
    return status;
}

TEST(texts_come_in_and_go_out)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct charset *encoding = NULL;
        struct charset_encoder *encoder = NULL;
        struct buffer out;
        CHECK(charset_find(samples[i].name, &encoding) && encoding != NULL);
        for (size_t piece = 1; piece < 10; piece++) {
            struct buffer text;
            buffer_init(&text, &alloc_system);
            struct span bytes = {(const uint8_t *)samples[i].bytes, samples[i].size};
            CHECK(decode(encoding, bytes, piece, &text, NULL) == TDBPLUS_OK);
            CHECK(span_compare(buffer_span(&text), span_from_text(samples[i].text)) == 0);
            buffer_deinit(&text);
        }
        buffer_init(&out, &alloc_system);
        CHECK(charset_encoder_create(encoding, &alloc_system, &encoder, NULL) == TDBPLUS_OK);
        CHECK(charset_encoder_put(encoder, span_from_text(samples[i].text), &out, NULL) ==
              TDBPLUS_OK);
        CHECK(out.size == samples[i].size);
        CHECK(out.size == 0 || memcmp(out.data, samples[i].bytes, out.size) == 0);
        charset_encoder_destroy(encoder);
        buffer_deinit(&out);
    }
}

TEST(names_are_postgresqls)
{
    const struct charset *encoding = NULL;
    CHECK(charset_find("UTF-8", &encoding) && encoding == NULL);
    CHECK(charset_find("Unicode", &encoding) && encoding == NULL);
    CHECK(charset_find("SQL_ASCII", &encoding) && encoding == NULL);
    CHECK(charset_find("iso 8859 1", &encoding) && encoding != NULL);
    CHECK(!charset_find("", &encoding));
    CHECK(!charset_find("latin11", &encoding));
    CHECK(!charset_find("a name that is longer than any of them is", &encoding));
}

TEST(what_has_no_place_is_shown)
{
    static const struct {
        const char *name;
        const char *bytes;
        const char *sqlstate;
        const char *message;
    } cases[] = {
        {"win1252", "a\x81", "22P05",
         "character with byte sequence 0x81 in encoding \"WIN1252\" has no equivalent in encoding "
         "\"UTF8\""},
        {"euc_jp", "a\xb4", "22021", "invalid byte sequence for encoding \"EUC_JP\": 0xb4"},
        {"euc_jp", "\xb4 x", "22021", "invalid byte sequence for encoding \"EUC_JP\": 0xb4 0x20"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct charset *encoding = NULL;
        struct buffer text;
        struct err err = {0};
        buffer_init(&text, &alloc_system);
        CHECK(charset_find(cases[i].name, &encoding));
        CHECK(decode(encoding, span_from_text(cases[i].bytes), 8, &text, &err) != TDBPLUS_OK);
        CHECK(strcmp(err.sqlstate, cases[i].sqlstate) == 0);
        CHECK(strcmp(err.text, cases[i].message) == 0);
        buffer_deinit(&text);
    }
    const struct charset *encoding = NULL;
    struct charset_encoder *encoder = NULL;
    struct buffer out;
    struct err err = {0};
    buffer_init(&out, &alloc_system);
    CHECK(charset_find("latin1", &encoding));
    CHECK(charset_encoder_create(encoding, &alloc_system, &encoder, NULL) == TDBPLUS_OK);
    CHECK(charset_encoder_put(encoder, span_from_text("5 \xe2\x82\xac"), &out, &err) ==
          TDBPLUS_E_SYNTAX);
    CHECK(strcmp(err.sqlstate, "22P05") == 0);
    CHECK(strcmp(err.text,
                 "character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no "
                 "equivalent in encoding \"LATIN1\"") == 0);
    charset_encoder_destroy(encoder);
    buffer_deinit(&out);
}

TEST(opening_survives_every_failed_allocation)
{
    const struct charset *encoding = NULL;
    CHECK(charset_find("latin1", &encoding));
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        struct file_span source;
        struct file_input *input = NULL;
        struct charset_encoder *encoder = NULL;
        fault_alloc_init(&fault, fail_at);
        file_span_init(&source, span_from_text("x"));
        tdbplus_status status =
            charset_input_open(encoding, &source.input, &fault.alloc, &input, NULL);
        if (status == TDBPLUS_OK) {
            status = charset_encoder_create(encoding, &fault.alloc, &encoder, NULL);
        }
        file_input_close(input);
        charset_encoder_destroy(encoder);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            CHECK(fail_at == 3);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
}
