#include "auth/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "sql/func/digest.h"

#define KEY_SIZE    32u
#define BLOCK_SIZE  64u /* Of SHA-256. */
#define BASE64_SIZE 45u /* Of a key, with the zero byte. */
#define PREFIX      "SCRAM-SHA-256$"

/* HMAC-SHA-256 (RFC 2104) of at most a block. */
static void sign(struct span key, struct span text, uint8_t mac[KEY_SIZE])
{
    uint8_t inner[2 * BLOCK_SIZE] = {0};
    uint8_t outer[BLOCK_SIZE + KEY_SIZE] = {0};
    uint8_t out[DIGEST_SIZE_MAX];
    if (key.size > BLOCK_SIZE) {
        (void)digest(DIGEST_SHA256, key, out);
        memcpy(inner, out, KEY_SIZE);
    } else if (key.size > 0) {
        memcpy(inner, key.data, key.size);
    }
    for (uint32_t i = 0; i < BLOCK_SIZE; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    memcpy(inner + BLOCK_SIZE, text.data, text.size);
    (void)digest(DIGEST_SHA256, (struct span){inner, BLOCK_SIZE + text.size}, out);
    memcpy(outer + BLOCK_SIZE, out, KEY_SIZE);
    (void)digest(DIGEST_SHA256, (struct span){outer, sizeof outer}, out);
    memcpy(mac, out, KEY_SIZE);
}

/* PBKDF2 (RFC 8018) with one block of output. */
static void stretch(struct span password, const uint8_t salt[PASSWORD_SALT_SIZE],
                    uint8_t key[KEY_SIZE])
{
    uint8_t first[PASSWORD_SALT_SIZE + 4] = {0};
    uint8_t round[KEY_SIZE];
    memcpy(first, salt, PASSWORD_SALT_SIZE);
    first[PASSWORD_SALT_SIZE + 3] = 1;
    sign(password, (struct span){first, sizeof first}, round);
    memcpy(key, round, KEY_SIZE);
    for (uint32_t i = 1; i < PASSWORD_ITERATION_COUNT; i++) {
        sign(password, (struct span){round, KEY_SIZE}, round);
        for (uint32_t k = 0; k < KEY_SIZE; k++) {
            key[k] ^= round[k];
        }
    }
}

static void base64(const uint8_t *bytes, size_t size, char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t left = (uint32_t)(size - i);
        uint32_t word = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);
        *text++ = letters[word >> 18];
        *text++ = letters[word >> 12 & 63];
        *text++ = left > 1 ? letters[word >> 6 & 63] : '=';
        *text++ = left > 2 ? letters[word & 63] : '=';
    }
    *text = '\0';
}

tdbplus_status password_verifier(struct span password, const uint8_t salt[PASSWORD_SALT_SIZE],
                                 char text_out[PASSWORD_VERIFIER_SIZE_MAX], struct err *err)
{
    utf8proc_uint8_t *made = NULL;
    uint8_t salted[KEY_SIZE];
    uint8_t client[KEY_SIZE];
    uint8_t server[KEY_SIZE];
    uint8_t stored[DIGEST_SIZE_MAX];
    char texts[3][BASE64_SIZE];
    if (password.size > PASSWORD_SIZE_MAX) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023",
                             "a password has %zu bytes, at most %u", password.size,
                             PASSWORD_SIZE_MAX);
    }
    // Compatibility forms and composed letters count as one; what is no UTF-8 is taken as it is.
    utf8proc_ssize_t size = utf8proc_map(password.data, (utf8proc_ssize_t)password.size, &made,
                                         UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    struct span text = size < 0 ? password : (struct span){made, (size_t)size};
    stretch(text, salt, salted);
    free(made); // The library's own.
    sign((struct span){salted, KEY_SIZE}, span_from_text("Client Key"), client);
    sign((struct span){salted, KEY_SIZE}, span_from_text("Server Key"), server);
    (void)digest(DIGEST_SHA256, (struct span){client, KEY_SIZE}, stored);
    base64(salt, PASSWORD_SALT_SIZE, texts[0]);
    base64(stored, KEY_SIZE, texts[1]);
    base64(server, KEY_SIZE, texts[2]);
    (void)snprintf(text_out, PASSWORD_VERIFIER_SIZE_MAX, PREFIX "%u:%s$%s:%s",
                   PASSWORD_ITERATION_COUNT, texts[0], texts[1], texts[2]);
    return TDBPLUS_OK;
}

bool password_is_verifier(const char *text)
{
    return strncmp(text, PREFIX, sizeof PREFIX - 1) == 0;
}
