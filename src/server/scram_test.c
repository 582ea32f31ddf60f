/*
 * Goal: only who knows the password gets in. The exchange of RFC 7677, section 3, is replayed, and
 * every message is cut and changed.
 */

#include <string.h>

#include "server/scram.h"
#include "test.h"

#define CLIENT_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)h" /* 24 of the example's characters. */

#define PROOF     "jzYe6+2hQQVgmxE0ZVdNMM5NzmOHuV1X5eCjbrjAYdA="
#define SIGNATURE "Tb1unDdtGEKKBF+oNh9wk+2S7qgsWsaNpNLSWh4GizA="

/* Salt "W22ZaJ0SNY7soEsUEjb6gQ==" of the example. */
static const uint8_t salt[SCRAM_SALT_SIZE] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                              0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};

static struct span span_of(const struct buffer *buffer)
{
    return buffer_span(buffer);
}

static void begin(struct scram_exchange *exchange, struct buffer *answer)
{
    memset(exchange, 0, sizeof *exchange);
    buffer_init(answer, &alloc_system);
    CHECK(scram_verifier_make(span_from_text("pencil"), salt, &exchange->verifier, NULL) ==
          TDBPLUS_OK);
}

/* The keys of RFC 7677's password, salt and rounds, made with Python's hashlib and hmac. */
TEST(verifier_is_what_the_standard_says)
{
    struct scram_verifier verifier;
    struct scram_verifier again;
    char text[SCRAM_VERIFIER_SIZE_MAX];
    CHECK(scram_verifier_make(span_from_text("pencil"), salt, &verifier, NULL) == TDBPLUS_OK);
    scram_verifier_print(&verifier, text);
    CHECK(strcmp(text, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                       "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                       "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=") == 0);
    CHECK(scram_verifier_parse(text, &again));
    CHECK(memcmp(&verifier, &again, sizeof verifier) == 0);
}

TEST(texts_that_are_no_verifiers_are_refused)
{
    struct scram_verifier verifier;
    char text[SCRAM_VERIFIER_SIZE_MAX];
    char changed[SCRAM_VERIFIER_SIZE_MAX];
    CHECK(scram_verifier_make(span_from_text("x"), salt, &verifier, NULL) == TDBPLUS_OK);
    scram_verifier_print(&verifier, text);
    for (size_t size = 0; size < strlen(text); size++) {
        memcpy(changed, text, size);
        changed[size] = '\0';
        CHECK(!scram_verifier_parse(changed, &verifier));
    }
    CHECK(!scram_verifier_parse("md5d41d8cd98f00b204e9800998ecf8427e", &verifier));
}

/* The same password typed with a composed letter and with a combining accent. */
TEST(passwords_are_normalised)
{
    struct scram_verifier one;
    struct scram_verifier other;
    CHECK(scram_verifier_make(span_from_text("\xc3\xa9t\xc3\xa9"), salt, &one, NULL) == TDBPLUS_OK);
    CHECK(scram_verifier_make(span_from_text("e\xcc\x81te\xcc\x81"), salt, &other, NULL) ==
          TDBPLUS_OK);
    CHECK(memcmp(&one, &other, sizeof one) == 0);
    CHECK(scram_verifier_make(span_from_text("\xff\xfe"), salt, &one, NULL) == TDBPLUS_OK);
}

TEST(exchange_of_the_standard_succeeds)
{
    struct scram_exchange exchange;
    struct buffer answer;
    begin(&exchange, &answer);
    CHECK(scram_first(&exchange, span_from_text(CLIENT_FIRST), SERVER_NONCE, &answer, NULL) ==
          TDBPLUS_OK);
    CHECK(span_compare(span_of(&answer), span_from_text("r=" CLIENT_NONCE SERVER_NONCE
                                                        ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")) ==
          0);
    // The nonce is not quite the example's, so proof and signature come from Python's hmac too.
    buffer_clear(&answer);
    CHECK(scram_final(&exchange, span_from_text("c=biws,r=" CLIENT_NONCE SERVER_NONCE ",p=" PROOF),
                      "user", &answer, NULL) == TDBPLUS_OK);
    CHECK(span_compare(span_of(&answer), span_from_text("v=" SIGNATURE)) == 0);
    buffer_deinit(&answer);
}

TEST(a_role_that_does_not_exist_fails_only_at_the_end)
{
    struct scram_exchange exchange;
    struct buffer answer;
    struct err err = {0};
    begin(&exchange, &answer);
    exchange.is_mock = true;
    CHECK(scram_first(&exchange, span_from_text(CLIENT_FIRST), SERVER_NONCE, &answer, NULL) ==
          TDBPLUS_OK);
    CHECK(scram_final(&exchange, span_from_text("c=biws,r=" CLIENT_NONCE SERVER_NONCE ",p=" PROOF),
                      "user", &answer, &err) == TDBPLUS_E_SQL);
    CHECK(strcmp(err.sqlstate, "28P01") == 0);
    buffer_deinit(&answer);
}

TEST(every_changed_byte_of_the_final_message_is_refused)
{
    const char *message = "c=biws,r=" CLIENT_NONCE SERVER_NONCE ",p=" PROOF;
    size_t size = strlen(message);
    char changed[256];
    for (size_t at = 0; at < size; at++) {
        struct scram_exchange exchange;
        struct buffer answer;
        begin(&exchange, &answer);
        CHECK(scram_first(&exchange, span_from_text(CLIENT_FIRST), SERVER_NONCE, &answer, NULL) ==
              TDBPLUS_OK);
        memcpy(changed, message, size);
        changed[at] = (char)(changed[at] ^ 1);
        struct span span = {.data = (const uint8_t *)changed, .size = size};
        // The last two bits of the last letter of a proof carry nothing.
        bool padding = at + 2 == size;
        tdbplus_status status = scram_final(&exchange, span, "user", &answer, NULL);
        CHECK(status != TDBPLUS_OK || padding);
        span.size = at;
        CHECK(scram_final(&exchange, span, "user", &answer, NULL) != TDBPLUS_OK);
        buffer_deinit(&answer);
    }
}

/* RFC 5802, section 6: a client that says "y" did not see an offer that we made. */
TEST(a_binding_that_was_hidden_from_the_client_is_noticed)
{
    static const uint8_t hash[32] = {1, 2, 3};
    struct scram_exchange exchange;
    struct buffer answer;
    struct span hidden = span_from_text("y,,n=user,r=" CLIENT_NONCE);
    begin(&exchange, &answer);
    CHECK(scram_first(&exchange, hidden, SERVER_NONCE, &answer, NULL) == TDBPLUS_OK);
    buffer_deinit(&answer);
    begin(&exchange, &answer);
    exchange.end_point = (struct span){hash, sizeof hash};
    CHECK(scram_first(&exchange, hidden, SERVER_NONCE, &answer, NULL) == TDBPLUS_E_INVALID);
    // "n" says that the client cannot bind, which is its right.
    CHECK(scram_first(&exchange, span_from_text(CLIENT_FIRST), SERVER_NONCE, &answer, NULL) ==
          TDBPLUS_OK);
    exchange.is_bound = true;
    CHECK(scram_first(&exchange, span_from_text(CLIENT_FIRST), SERVER_NONCE, &answer, NULL) ==
          TDBPLUS_E_INVALID);
    CHECK(scram_first(&exchange, span_from_text("p=tls-server-end-point,,n=user,r=x"), SERVER_NONCE,
                      &answer, NULL) == TDBPLUS_OK);
    // The right proof under another certificate.
    CHECK(scram_final(&exchange, span_from_text("c=biws,r=x" SERVER_NONCE ",p=" PROOF), "user",
                      &answer, NULL) == TDBPLUS_E_INVALID);
    buffer_deinit(&answer);
}

TEST(first_messages_that_are_none_are_refused)
{
    static const char *const messages[] = {
        "",
        "n",
        "n,,",
        "p=tls-unique,,n=user,r=abc",
        "n,a=other,n=user,r=abc",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,r=abc,n=user",
        "n,,m=ext,n=user,r=abc",
        "n,,n=user,r=a b",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct scram_exchange exchange;
        struct buffer answer;
        begin(&exchange, &answer);
        CHECK(scram_first(&exchange, span_from_text(messages[i]), SERVER_NONCE, &answer, NULL) ==
              TDBPLUS_E_INVALID);
        buffer_deinit(&answer);
    }
    char large[SCRAM_MESSAGE_SIZE_MAX + 1];
    struct scram_exchange exchange;
    struct buffer answer;
    memset(large, 'x', sizeof large);
    memcpy(large, "n,,n=,r=", 8);
    begin(&exchange, &answer);
    CHECK(scram_first(&exchange, (struct span){(const uint8_t *)large, sizeof large}, SERVER_NONCE,
                      &answer, NULL) == TDBPLUS_E_INVALID);
    buffer_deinit(&answer);
}
