#include "base/hyperloglog.h"

#include <math.h>

void hyperloglog_merge(struct hyperloglog *into, const struct hyperloglog *from)
{
    for (uint32_t i = 0; i < HYPERLOGLOG_REGISTER_COUNT; i++) {
        into->registers[i] =
            from->registers[i] > into->registers[i] ? from->registers[i] : into->registers[i];
    }
}

double hyperloglog_count(const struct hyperloglog *sketch)
{
    const double registers = HYPERLOGLOG_REGISTER_COUNT;
    double sum = 0;
    uint32_t zeros = 0;
    for (uint32_t i = 0; i < HYPERLOGLOG_REGISTER_COUNT; i++) {
        sum += ldexp(1.0, -(int)sketch->registers[i]);
        zeros += sketch->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / registers) * registers * registers / sum;
    // Few values leave registers empty, whose number tells more.
    if (estimate <= 2.5 * registers && zeros > 0) {
        estimate = registers * log(registers / zeros);
    }
    return estimate;
}
