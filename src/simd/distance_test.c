/* Goal: every table gives the same bits as scalar, at every length around the group size and at
 * every alignment, and scalar agrees with sums in double. */

#include "simd/simd.h"

#include <math.h>

#include "test.h"

#define LENGTH_MAX 100u

static uint64_t seed = 0xD157;

static float chance(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 40) / 8388608.0 - 1.0);
}

static bool same_bits(float left, float right)
{
    return memcmp(&left, &right, sizeof left) == 0;
}

static void check_against_double(const float *a, const float *b, size_t count)
{
    double dot = 0;
    double square = 0;
    double size = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)a[i] - (double)b[i];
        dot += (double)a[i] * (double)b[i];
        square += difference * difference;
        size += fabs(difference);
    }
    CHECK(fabs((double)simd->dot_f32(a, b, count) - dot) < 1e-4);
    CHECK(fabs((double)simd->l2_squared_f32(a, b, count) - square) < 1e-4);
    CHECK(fabs((double)simd->l1_f32(a, b, count) - size) < 1e-4);
}

TEST(every_table_gives_the_bits_of_scalar)
{
    simd_init();
    float left[LENGTH_MAX + 8];
    float right[LENGTH_MAX + 8];
    for (size_t i = 0; i < LENGTH_MAX + 8; i++) {
        left[i] = chance();
        right[i] = chance();
    }
    const struct simd_ops *const *tables = simd_available();
    for (size_t shift = 0; shift < 8; shift++) {
        for (size_t count = 0; count <= LENGTH_MAX; count++) {
            const float *a = left + shift;
            const float *b = right + shift;
            check_against_double(a, b, count);
            for (size_t t = 0; tables[t] != NULL; t++) {
                CHECK(same_bits(tables[t]->dot_f32(a, b, count), tables[0]->dot_f32(a, b, count)));
                CHECK(same_bits(tables[t]->l2_squared_f32(a, b, count),
                                tables[0]->l2_squared_f32(a, b, count)));
                CHECK(same_bits(tables[t]->l1_f32(a, b, count), tables[0]->l1_f32(a, b, count)));
            }
        }
    }
}
