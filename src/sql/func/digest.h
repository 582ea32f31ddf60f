#pragma once

/* Digests that SQL functions give: MD5 (RFC 1321) and SHA-2 (FIPS 180-4). Not for secrets: they are
 * not hardened against measuring time. */

#include "base/alloc.h"

enum digest_kind { DIGEST_MD5, DIGEST_SHA224, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

#define DIGEST_SIZE_MAX 64u

/* Writes the digest of `text` and returns its size. */
size_t digest(enum digest_kind kind, struct span text, uint8_t out[DIGEST_SIZE_MAX]);
