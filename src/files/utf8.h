#pragma once

#include <stdbool.h>

#include "base/alloc.h"

/* UTF-8 without zero bytes, surrogates and longer forms than need be: what a text may be. */
bool utf8_valid(struct span text);
