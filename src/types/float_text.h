#pragma once

/* Floats to text and back, exactly: a thin cover over std::to_chars and std::from_chars. */

#include "base/alloc.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FLOAT_TEXT_SIZE_MAX 32u

enum float_text_result {
    FLOAT_TEXT_OK = 0,
    FLOAT_TEXT_INVALID = 1, /* Not a decimal number from the first byte to the last. */
    FLOAT_TEXT_RANGE = 2,   /* Too large, or too small to be more than zero. */
};

/* Writes the shortest digits that read back as a finite value, as "d.ddde+xx", without a
 * terminator; returns how many bytes. `text` holds FLOAT_TEXT_SIZE_MAX. */
size_t float_text_of_double(double value, char *text);
size_t float_text_of_float(float value, char *text);

/* The same with exactly `digits` (1..17) significant digits. */
size_t float_text_rounded(double value, int digits, char *text);

/* The nearest float to "-12.5e3" and the like (no '+' in front, no spaces); *value_out is untouched
 * unless the result is FLOAT_TEXT_OK. */
enum float_text_result float_text_to_double(struct span text, double *value_out);
enum float_text_result float_text_to_float(struct span text, float *value_out);

#ifdef __cplusplus
}
#endif
