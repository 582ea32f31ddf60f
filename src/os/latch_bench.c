/* What a latch costs when nobody else wants it. */

#include "bench.h"
#include "os/latch.h"

#define ROUNDS 10000u

static uint64_t lock_and_unlock(void *ctx)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        latch_lock(ctx);
        latch_unlock(ctx);
    }
    return 0;
}

BENCH(latch)
{
    static struct latch latch;
    bench_measure(bench, "lock and unlock, alone", ROUNDS, 0, lock_and_unlock, &latch);
}
