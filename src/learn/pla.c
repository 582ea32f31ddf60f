#include "learn/pla.h"

#include "base/assert.h"

/*
 * The shrinking cone (O'Rourke 1981 in its simplest form): all lines through the first point that
 * pass within `error` of every point so far are an interval of slopes, and each point cuts it.
 */
size_t pla_fit(const uint64_t *x, const uint32_t *y, size_t count, uint32_t error, float *slope_out)
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
    *slope_out = i == 1 ? 0.0F : (float)((low + high) / 2);
    return i;
}
