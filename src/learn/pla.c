#include "learn/pla.h"

#include <math.h>

#include "base/assert.h"

/* The nearest slope that 32 bits and a shift express; the bounds where there is none. */
static struct pla_slope round_slope(double slope)
{
    int exponent = 0;
    double fraction = frexp(slope, &exponent); // In [1/2, 1), or 0.
    int shift = 32 - exponent;
    if (shift < (int)PLA_SHIFT_MIN) {
        return (struct pla_slope){.mantissa = UINT32_MAX, .shift = PLA_SHIFT_MIN};
    }
    if (shift > (int)PLA_SHIFT_MAX || !(fraction > 0)) {
        return (struct pla_slope){.mantissa = 1, .shift = PLA_SHIFT_MAX};
    }
    double mantissa = ldexp(fraction, 32);
    return (struct pla_slope){.mantissa =
                                  mantissa < (double)UINT32_MAX ? (uint32_t)mantissa : UINT32_MAX,
                              .shift = (uint8_t)shift};
}

/*
 * The shrinking cone (O'Rourke 1981 in its simplest form): all lines through the first point that
 * pass within `error` of every point so far are an interval of slopes, and each point cuts it.
 */
size_t pla_fit(const uint64_t *x, const uint32_t *y, size_t count, uint32_t error,
               struct pla_slope *slope_out)
{
    ASSERT(count > 0);
    double low = 0;
    double high = 1e300;
    size_t i = 1;
    for (; i < count; i++) {
        double run = (double)(x[i] - x[0]);
        double rise = (double)(y[i] - y[0]);
        double low_here = (rise - (double)error) / run;
        double high_here = (rise + (double)error) / run;
        if (low_here > high || high_here < low) {
            break;
        }
        low = low_here > low ? low_here : low;
        high = high_here < high ? high_here : high;
    }
    *slope_out = i == 1 ? (struct pla_slope){0} : round_slope((low + high) / 2);
    return i;
}
