#include "server/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "auth/password.h"

#define PREFIX          "SCRAM-SHA-256$"
#define BASE64_KEY_SIZE 44u /* Characters of 32 bytes. */

static tdbplus_status library_failed(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "scram: the cryptographic library has no memory");
}

static bool sign(const uint8_t key[SCRAM_KEY_SIZE], struct span text, uint8_t mac[SCRAM_KEY_SIZE])
{
    return HMAC(EVP_sha256(), key, (int)SCRAM_KEY_SIZE, text.data, text.size, mac, NULL) != NULL;
}

/* ---- base64 ---- */

/* `text` has room for 4 characters for every 3 bytes begun, and a zero byte. */
static void base64_print(struct span bytes, char *text)
{
    (void)EVP_EncodeBlock((unsigned char *)text, bytes.data, (int)bytes.size);
}

/* True when `text` spells exactly `size` (at most 64) bytes. */
static bool base64_parse(struct span text, uint8_t *bytes, size_t size)
{
    uint8_t decoded[96];
    if (text.size != (size + 2) / 3 * 4 || text.size / 4 * 3 > sizeof decoded) {
        return false;
    }
    size_t padding = (3 - size % 3) % 3;
    for (size_t i = 0; i < padding; i++) {
        if (text.data[text.size - 1 - i] != '=') {
            return false;
        }
    }
    if (EVP_DecodeBlock(decoded, text.data, (int)text.size) < (int)size) {
        return false;
    }
    memcpy(bytes, decoded, size);
    return true;
}

/* ---- verifiers ---- */

tdbplus_status scram_verifier_make(struct span password, const uint8_t salt[SCRAM_SALT_SIZE],
                                   struct scram_verifier *verifier_out, struct err *err)
{
    char text[PASSWORD_VERIFIER_SIZE_MAX];
    TRY(password_verifier(password, salt, text, err));
    return scram_verifier_parse(text, verifier_out)
               ? TDBPLUS_OK
               : err_set(err, TDBPLUS_E_INTERNAL,
                         "scram: a verifier that cannot be read (scram.c)");
}

void scram_verifier_print(const struct scram_verifier *verifier, char text[SCRAM_VERIFIER_SIZE_MAX])
{
    char salt[32];
    char stored[BASE64_KEY_SIZE + 1];
    char server[BASE64_KEY_SIZE + 1];
    base64_print((struct span){verifier->salt, SCRAM_SALT_SIZE}, salt);
    base64_print((struct span){verifier->stored_key, SCRAM_KEY_SIZE}, stored);
    base64_print((struct span){verifier->server_key, SCRAM_KEY_SIZE}, server);
    (void)snprintf(text, SCRAM_VERIFIER_SIZE_MAX, PREFIX "%u:%s$%s:%s", verifier->iterations, salt,
                   stored, server);
}

/* Takes what comes before `end` off the text; false when it does not occur. */
static bool take_until(struct span *text, char end, struct span *part_out)
{
    const uint8_t *at = text->size == 0 ? NULL : memchr(text->data, end, text->size);
    if (at == NULL) {
        return false;
    }
    *part_out = (struct span){.data = text->data, .size = (size_t)(at - text->data)};
    text->size -= part_out->size + 1;
    text->data = at + 1;
    return true;
}

static bool parse_count(struct span text, uint32_t *count_out)
{
    uint32_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        count = count * 10 + (uint32_t)(text.data[i] - '0');
    }
    *count_out = count;
    return text.size > 0 && text.size <= 7 && count > 0;
}

bool scram_verifier_parse(const char *text, struct scram_verifier *verifier_out)
{
    struct scram_verifier verifier;
    struct span rest = span_from_text(text);
    struct span method;
    struct span iterations;
    struct span salt;
    struct span stored;
    if (!take_until(&rest, '$', &method) || !take_until(&rest, ':', &iterations) ||
        !take_until(&rest, '$', &salt) || !take_until(&rest, ':', &stored) ||
        span_compare(method, span_from_text("SCRAM-SHA-256")) != 0 ||
        !parse_count(iterations, &verifier.iterations) ||
        !base64_parse(salt, verifier.salt, SCRAM_SALT_SIZE) ||
        !base64_parse(stored, verifier.stored_key, SCRAM_KEY_SIZE) ||
        !base64_parse(rest, verifier.server_key, SCRAM_KEY_SIZE)) {
        return false;
    }
    *verifier_out = verifier;
    return true;
}

/* ---- the exchange ---- */

static tdbplus_status malformed(const char *what, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_INVALID, "08P01", "malformed SCRAM message: %s", what);
}

/* Takes "x=value," or, as the last, "x=value" off the message. */
static bool take_attribute(struct span *message, char name, struct span *value_out)
{
    if (message->size < 2 || message->data[0] != (uint8_t)name || message->data[1] != '=') {
        return false;
    }
    struct span rest = {.data = message->data + 2, .size = message->size - 2};
    if (!take_until(&rest, ',', value_out)) {
        *value_out = rest;
        rest = (struct span){.data = rest.data + rest.size, .size = 0};
    }
    *message = rest;
    return true;
}

static bool is_printable(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e || text.data[i] == ',') {
            return false;
        }
    }
    return text.size > 0;
}

/*
 * Takes the header off the first message: "n,," (no binding), "y,," (the client could, and thinks
 * we cannot) or "p=tls-server-end-point,,". No other identity may be asked for.
 */
static tdbplus_status read_binding(struct scram_exchange *exchange, struct span *message,
                                   struct err *err)
{
    const char *expected = exchange->is_bound ? "p=tls-server-end-point,," : "n,,";
    size_t size = strlen(expected);
    bool offered = exchange->end_point.size > 0;
    if (message->size > 2 && memcmp(message->data, "y,,", 3) == 0 && !exchange->is_bound) {
        if (offered) {
            // We do offer it, so somebody in between took the offer away.
            return malformed("channel binding was offered, but the client did not see it", err);
        }
        expected = "y,,";
    }
    if (message->size < size || memcmp(message->data, expected, size) != 0) {
        return malformed("this channel binding or authorization identity is not supported", err);
    }
    memcpy(exchange->gs2, expected, size + 1);
    message->data += size;
    message->size -= size;
    return TDBPLUS_OK;
}

/* Whether "c=" says what the first message and the certificate do. */
static bool check_binding(const struct scram_exchange *exchange, struct span text)
{
    uint8_t input[sizeof exchange->gs2 + 64];
    char encoded[sizeof input * 2];
    size_t size = strlen(exchange->gs2);
    memcpy(input, exchange->gs2, size);
    if (exchange->is_bound && exchange->end_point.size <= 64) {
        memcpy(input + size, exchange->end_point.data, exchange->end_point.size);
        size += exchange->end_point.size;
    }
    base64_print((struct span){input, size}, encoded);
    return span_compare(text, span_from_text(encoded)) == 0;
}

tdbplus_status scram_first(struct scram_exchange *exchange, struct span message,
                           const char nonce[SCRAM_NONCE_SIZE + 1], struct buffer *answer,
                           struct err *err)
{
    struct span name;
    struct span client_nonce;
    if (message.size > SCRAM_MESSAGE_SIZE_MAX - SCRAM_NONCE_SIZE - 1) {
        return malformed("it is too long", err);
    }
    struct span bare = message;
    TRY(read_binding(exchange, &bare, err));
    struct span rest = bare;
    if (!take_attribute(&rest, 'n', &name) || !take_attribute(&rest, 'r', &client_nonce) ||
        !is_printable(client_nonce)) {
        return malformed("user name and nonce are expected", err);
    }
    memcpy(exchange->first_bare, bare.data, bare.size);
    exchange->first_bare[bare.size] = '\0';
    memcpy(exchange->nonce, client_nonce.data, client_nonce.size);
    memcpy(exchange->nonce + client_nonce.size, nonce, SCRAM_NONCE_SIZE + 1);
    char salt[32];
    base64_print((struct span){exchange->verifier.salt, SCRAM_SALT_SIZE}, salt);
    (void)snprintf(exchange->server_first, sizeof exchange->server_first, "r=%s,s=%s,i=%u",
                   exchange->nonce, salt, exchange->verifier.iterations);
    buffer_put_text(answer, exchange->server_first);
    return TDBPLUS_OK;
}

/* Whether the proof is that of somebody with the client key. */
static bool check_proof(const struct scram_exchange *exchange, struct span signed_text,
                        const uint8_t proof[SCRAM_KEY_SIZE], bool *right_out)
{
    uint8_t signature[SCRAM_KEY_SIZE];
    uint8_t client_key[SCRAM_KEY_SIZE];
    uint8_t stored_key[SCRAM_KEY_SIZE];
    if (!sign(exchange->verifier.stored_key, signed_text, signature)) {
        return false;
    }
    for (size_t i = 0; i < SCRAM_KEY_SIZE; i++) {
        client_key[i] = proof[i] ^ signature[i];
    }
    bool good = SHA256(client_key, SCRAM_KEY_SIZE, stored_key) != NULL;
    *right_out = CRYPTO_memcmp(stored_key, exchange->verifier.stored_key, SCRAM_KEY_SIZE) == 0 &&
                 !exchange->is_mock;
    OPENSSL_cleanse(client_key, sizeof client_key);
    return good;
}

/* Appends "v=" and our own proof. */
static bool put_signature(const struct scram_exchange *exchange, struct span signed_text,
                          struct buffer *answer)
{
    uint8_t signature[SCRAM_KEY_SIZE];
    char text[BASE64_KEY_SIZE + 1];
    if (!sign(exchange->verifier.server_key, signed_text, signature)) {
        return false;
    }
    base64_print((struct span){signature, SCRAM_KEY_SIZE}, text);
    buffer_put_text(answer, "v=");
    buffer_put_text(answer, text);
    return true;
}

tdbplus_status scram_final(struct scram_exchange *exchange, struct span message, const char *role,
                           struct buffer *answer, struct err *err)
{
    struct span rest = message;
    struct span binding;
    struct span nonce;
    struct span proof_text;
    uint8_t proof[SCRAM_KEY_SIZE];
    if (message.size > SCRAM_MESSAGE_SIZE_MAX) {
        return malformed("it is too long", err);
    }
    if (!take_attribute(&rest, 'c', &binding) || !take_attribute(&rest, 'r', &nonce) ||
        !take_attribute(&rest, 'p', &proof_text) || rest.size > 0 ||
        !base64_parse(proof_text, proof, SCRAM_KEY_SIZE)) {
        return malformed("channel binding, nonce and proof are expected", err);
    }
    if (!check_binding(exchange, binding)) {
        return malformed("channel binding does not match the first message", err);
    }
    if (span_compare(nonce, span_from_text(exchange->nonce)) != 0) {
        return malformed("the nonce is not the one of this exchange", err);
    }
    // What both sides sign: the three messages without the proof.
    size_t unsigned_size = message.size - proof_text.size - 3;
    char text[3 * SCRAM_MESSAGE_SIZE_MAX + 256];
    int size = snprintf(text, sizeof text, "%s,%s,%.*s", exchange->first_bare,
                        exchange->server_first, (int)unsigned_size, (const char *)message.data);
    struct span signed_text = {.data = (const uint8_t *)text, .size = (size_t)size};
    bool right = false;
    if (!check_proof(exchange, signed_text, proof, &right)) {
        return library_failed(err);
    }
    if (!right) {
        return err_set_state(err, TDBPLUS_E_SQL, "28P01",
                             "password authentication failed for user \"%s\"", role);
    }
    return put_signature(exchange, signed_text, answer) ? TDBPLUS_OK : library_failed(err);
}
