#include "os/latch.h"

_Thread_local uint32_t latch_depth;
