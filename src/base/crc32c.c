/*
 * CRC-32C three ways: bit by bit on any CPU, the SSE4.2 instruction, and on CPUs with carry-less
 * multiplication three instruction streams at once whose results are folded together. Why three:
 * the instruction has a latency of three cycles and a throughput of one.
 */

#include <stdatomic.h>

#include "base/assert.h"
#include "base/codec.h"

#define POLYNOMIAL 0x82F63B78u

static uint32_t crc_bytewise(uint32_t crc, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (POLYNOMIAL & (0u - (crc & 1u)));
        }
    }
    return crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>
#include <wmmintrin.h>

#define LANE_SIZE ((size_t)1024) /* Bytes each of the three streams takes per round. */

__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *data,
                                                            size_t size)
{
    uint64_t wide = crc;
    for (; size >= 8; size -= 8, data += 8) {
        wide = _mm_crc32_u64(wide, load_u64(data));
    }
    crc = (uint32_t)wide;
    for (; size > 0; size--, data++) {
        crc = _mm_crc32_u8(crc, *data);
    }
    return crc;
}

/* x^(8 * bytes - 33) mod P, reflected: multiplying a CRC by it and reducing with the instruction
 * moves the CRC past `bytes` zero bytes (Gopal et al., Intel white paper, 2011). */
static uint32_t shift_constant(size_t bytes)
{
    uint32_t value = 0x80000000u; // x^0, reflected.
    for (size_t bit = 0; bit < 8 * bytes - 33; bit++) {
        value = (value >> 1) ^ (POLYNOMIAL & (0u - (value & 1u)));
    }
    return value;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t shift_crc(uint32_t crc, uint32_t constant)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)constant), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc_folded(uint32_t crc, const uint8_t *data, size_t size)
{
    static _Atomic uint64_t constants; // Low: one lane; high: two lanes. 0 until computed.
    uint64_t pair = atomic_load_explicit(&constants, memory_order_relaxed);
    if (pair == 0) {
        pair = (uint64_t)shift_constant(2 * LANE_SIZE) << 32 | shift_constant(LANE_SIZE);
        atomic_store_explicit(&constants, pair, memory_order_relaxed);
    }
    for (; size >= 3 * LANE_SIZE; size -= 3 * LANE_SIZE, data += 3 * LANE_SIZE) {
        uint64_t first = crc;
        uint64_t second = 0;
        uint64_t third = 0;
        for (size_t i = 0; i < LANE_SIZE; i += 8) {
            first = _mm_crc32_u64(first, load_u64(data + i));
            second = _mm_crc32_u64(second, load_u64(data + LANE_SIZE + i));
            third = _mm_crc32_u64(third, load_u64(data + 2 * LANE_SIZE + i));
        }
        crc = shift_crc((uint32_t)first, (uint32_t)(pair >> 32)) ^
              shift_crc((uint32_t)second, (uint32_t)pair) ^ (uint32_t)third;
    }
    return crc_sse42(crc, data, size);
}

uint32_t crc32c_extend(uint32_t crc, struct span span)
{
    crc = ~crc;
    if (!__builtin_cpu_supports("sse4.2")) {
        return ~crc_bytewise(crc, span.data, span.size);
    }
    if (span.size < 3 * LANE_SIZE || !__builtin_cpu_supports("pclmul")) {
        return ~crc_sse42(crc, span.data, span.size);
    }
    return ~crc_folded(crc, span.data, span.size);
}

#else

uint32_t crc32c_extend(uint32_t crc, struct span span)
{
    return ~crc_bytewise(~crc, span.data, span.size);
}

#endif

uint32_t crc32c(struct span span)
{
    return crc32c_extend(0, span);
}
