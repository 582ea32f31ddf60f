#include "sql/func/digest.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/codec.h"

/* The text in blocks, with 1 bit, zeros and its length behind it. */
struct blocks {
    struct span text;
    size_t block_size;
    size_t length_size; /* Of the length field. */
    bool big_endian;
};

static size_t block_count(const struct blocks *blocks)
{
    return (blocks->text.size + 1 + blocks->length_size + blocks->block_size - 1) /
           blocks->block_size;
}

static void get_block(const struct blocks *blocks, size_t number, uint8_t *out)
{
    size_t at = number * blocks->block_size;
    size_t size = blocks->block_size;
    memset(out, 0, size);
    if (at < blocks->text.size) {
        size_t left = blocks->text.size - at;
        memcpy(out, blocks->text.data + at, left < size ? left : size);
    }
    if (blocks->text.size >= at && blocks->text.size < at + size) {
        out[blocks->text.size - at] = 0x80;
    }
    if (number + 1 == block_count(blocks)) {
        uint64_t bits = (uint64_t)blocks->text.size * 8;
        for (unsigned i = 0; i < 8; i++) {
            uint8_t byte = (uint8_t)(bits >> (8 * i));
            out[blocks->big_endian ? size - 1 - i : size - 8 + i] = byte;
        }
    }
}

/* ---- MD5 ---- */

static uint32_t turn_left(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static void md5_block(uint32_t state[4], const uint8_t *block, const uint32_t sines[64])
{
    static const uint8_t turns[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        unsigned round = i / 16;
        uint32_t mix = round == 0   ? (b & c) | (~b & d)
                       : round == 1 ? (d & b) | (~d & c)
                       : round == 2 ? b ^ c ^ d
                                    : c ^ (b | ~d);
        unsigned word = round == 0   ? i
                        : round == 1 ? (5 * i + 1) % 16
                        : round == 2 ? (3 * i + 5) % 16
                                     : (7 * i) % 16;
        uint32_t sum = a + mix + sines[i] + load_u32(block + (size_t)word * 4);
        a = d;
        d = c;
        c = b;
        b += turn_left(sum, turns[round][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static size_t md5(struct span text, uint8_t *out)
{
    uint32_t state[4] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u};
    uint32_t sines[64];
    for (unsigned i = 0; i < 64; i++) {
        sines[i] = (uint32_t)floor(fabs(sin((double)i + 1)) * 4294967296.0);
    }
    struct blocks blocks = {text, 64, 8, false};
    uint8_t block[64];
    for (size_t i = 0; i < block_count(&blocks); i++) {
        get_block(&blocks, i, block);
        md5_block(state, block, sines);
    }
    for (unsigned i = 0; i < 4; i++) {
        store_u32(out + (size_t)i * 4, state[i]);
    }
    return 16;
}

/* ---- SHA-2 ---- */

/* The first 64 bits after the point of the roots of the first 80 primes: FIPS 180-4, 4.2.3. Those
 * of the smaller digests are their upper halves. */
static const uint64_t sha_constants[80] = {
    0x428a2f98d728ae22u, 0x7137449123ef65cdu, 0xb5c0fbcfec4d3b2fu, 0xe9b5dba58189dbbcu,
    0x3956c25bf348b538u, 0x59f111f1b605d019u, 0x923f82a4af194f9bu, 0xab1c5ed5da6d8118u,
    0xd807aa98a3030242u, 0x12835b0145706fbeu, 0x243185be4ee4b28cu, 0x550c7dc3d5ffb4e2u,
    0x72be5d74f27b896fu, 0x80deb1fe3b1696b1u, 0x9bdc06a725c71235u, 0xc19bf174cf692694u,
    0xe49b69c19ef14ad2u, 0xefbe4786384f25e3u, 0x0fc19dc68b8cd5b5u, 0x240ca1cc77ac9c65u,
    0x2de92c6f592b0275u, 0x4a7484aa6ea6e483u, 0x5cb0a9dcbd41fbd4u, 0x76f988da831153b5u,
    0x983e5152ee66dfabu, 0xa831c66d2db43210u, 0xb00327c898fb213fu, 0xbf597fc7beef0ee4u,
    0xc6e00bf33da88fc2u, 0xd5a79147930aa725u, 0x06ca6351e003826fu, 0x142929670a0e6e70u,
    0x27b70a8546d22ffcu, 0x2e1b21385c26c926u, 0x4d2c6dfc5ac42aedu, 0x53380d139d95b3dfu,
    0x650a73548baf63deu, 0x766a0abb3c77b2a8u, 0x81c2c92e47edaee6u, 0x92722c851482353bu,
    0xa2bfe8a14cf10364u, 0xa81a664bbc423001u, 0xc24b8b70d0f89791u, 0xc76c51a30654be30u,
    0xd192e819d6ef5218u, 0xd69906245565a910u, 0xf40e35855771202au, 0x106aa07032bbd1b8u,
    0x19a4c116b8d2d0c8u, 0x1e376c085141ab53u, 0x2748774cdf8eeb99u, 0x34b0bcb5e19b48a8u,
    0x391c0cb3c5c95a63u, 0x4ed8aa4ae3418acbu, 0x5b9cca4f7763e373u, 0x682e6ff3d6b2b8a3u,
    0x748f82ee5defb2fcu, 0x78a5636f43172f60u, 0x84c87814a1f0ab72u, 0x8cc702081a6439ecu,
    0x90befffa23631e28u, 0xa4506cebde82bde9u, 0xbef9a3f7b2c67915u, 0xc67178f2e372532bu,
    0xca273eceea26619cu, 0xd186b8c721c0c207u, 0xeada7dd6cde0eb1eu, 0xf57d4f7fee6ed178u,
    0x06f067aa72176fbau, 0x0a637dc5a2c898a6u, 0x113f9804bef90daeu, 0x1b710b35131c471bu,
    0x28db77f523047d84u, 0x32caab7b40c72493u, 0x3c9ebe0a15c9bebcu, 0x431d67c49c100d4cu,
    0x4cc5d4becb3e42b6u, 0x597f299cfc657e2au, 0x5fcb6fab3ad6faecu, 0x6c44198c4a475817u,
};

#define SHA_BLOCK(NAME, WORD, ROUNDS, CONSTANT, LOAD, S, T, U, V)                           \
    static void NAME(WORD state[8], const uint8_t *block)                                   \
    {                                                                                       \
        WORD words[ROUNDS];                                                                 \
        for (unsigned i = 0; i < 16; i++) {                                                 \
            words[i] = LOAD(block + (size_t)i * sizeof(WORD));                              \
        }                                                                                   \
        for (unsigned i = 16; i < (ROUNDS); i++) {                                          \
            words[i] = words[i - 16] + S(words[i - 15]) + words[i - 7] + T(words[i - 2]);   \
        }                                                                                   \
        WORD v[8];                                                                          \
        memcpy(v, state, sizeof v);                                                         \
        for (unsigned i = 0; i < (ROUNDS); i++) {                                           \
            WORD first =                                                                    \
                v[7] + V(v[4]) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + CONSTANT(i) + words[i]; \
            WORD second = U(v[0]) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));        \
            memmove(v + 1, v, 7 * sizeof *v);                                               \
            v[4] += first;                                                                  \
            v[0] = first + second;                                                          \
        }                                                                                   \
        for (unsigned i = 0; i < 8; i++) {                                                  \
            state[i] += v[i];                                                               \
        }                                                                                   \
    }

#define R32(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define R64(x, n) ((x) >> (n) | (x) << (64 - (n)))
#define S32(x)    (R32(x, 7) ^ R32(x, 18) ^ (x) >> 3)
#define T32(x)    (R32(x, 17) ^ R32(x, 19) ^ (x) >> 10)
#define U32(x)    (R32(x, 2) ^ R32(x, 13) ^ R32(x, 22))
#define V32(x)    (R32(x, 6) ^ R32(x, 11) ^ R32(x, 25))
#define S64(x)    (R64(x, 1) ^ R64(x, 8) ^ (x) >> 7)
#define T64(x)    (R64(x, 19) ^ R64(x, 61) ^ (x) >> 6)
#define U64(x)    (R64(x, 28) ^ R64(x, 34) ^ R64(x, 39))
#define V64(x)    (R64(x, 14) ^ R64(x, 18) ^ R64(x, 41))
#define C32(i)    ((uint32_t)(sha_constants[i] >> 32))
#define C64(i)    (sha_constants[i])

static uint32_t load_big_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t load_big_u64(const uint8_t *at)
{
    return (uint64_t)load_big_u32(at) << 32 | load_big_u32(at + 4);
}

SHA_BLOCK(sha_small_block, uint32_t, 64, C32, load_big_u32, S32, T32, U32, V32)
SHA_BLOCK(sha_large_block, uint64_t, 80, C64, load_big_u64, S64, T64, U64, V64)

static size_t sha_small(bool short_form, struct span text, uint8_t *out)
{
    uint32_t state[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                         0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    static const uint32_t short_state[8] = {0xc1059ed8u, 0x367cd507u, 0x3070dd17u, 0xf70e5939u,
                                            0xffc00b31u, 0x68581511u, 0x64f98fa7u, 0xbefa4fa4u};
    if (short_form) {
        memcpy(state, short_state, sizeof state);
    }
    struct blocks blocks = {text, 64, 8, true};
    uint8_t block[64];
    for (size_t i = 0; i < block_count(&blocks); i++) {
        get_block(&blocks, i, block);
        sha_small_block(state, block);
    }
    size_t size = short_form ? 28 : 32;
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    return size;
}

static size_t sha_large(bool short_form, struct span text, uint8_t *out)
{
    uint64_t state[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu,
                         0xa54ff53a5f1d36f1u, 0x510e527fade682d1u, 0x9b05688c2b3e6c1fu,
                         0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
    static const uint64_t short_state[8] = {
        0xcbbb9d5dc1059ed8u, 0x629a292a367cd507u, 0x9159015a3070dd17u, 0x152fecd8f70e5939u,
        0x67332667ffc00b31u, 0x8eb44a8768581511u, 0xdb0c2e0d64f98fa7u, 0x47b5481dbefa4fa4u};
    if (short_form) {
        memcpy(state, short_state, sizeof state);
    }
    struct blocks blocks = {text, 128, 16, true};
    uint8_t block[128];
    for (size_t i = 0; i < block_count(&blocks); i++) {
        get_block(&blocks, i, block);
        sha_large_block(state, block);
    }
    size_t size = short_form ? 48 : 64;
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(state[i / 8] >> (56 - 8 * (i % 8)));
    }
    return size;
}

size_t digest(enum digest_kind kind, struct span text, uint8_t out[DIGEST_SIZE_MAX])
{
    switch (kind) {
    case DIGEST_MD5:
        return md5(text, out);
    case DIGEST_SHA224:
    case DIGEST_SHA256:
        return sha_small(kind == DIGEST_SHA224, text, out);
    case DIGEST_SHA384:
    case DIGEST_SHA512:
        break;
    }
    return sha_large(kind == DIGEST_SHA384, text, out);
}
