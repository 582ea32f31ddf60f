/*
 * The shortest text of a float that reads back as the same float, and the float nearest to a text:
 * the standard library has both, without locales, but only for C++.
 */

#include "types/float_text.h"

#include <charconv>
#include <cmath>
#include <limits>

template <typename real> static size_t print(real value, char *text)
{
    return (size_t)(std::to_chars(text, text + FLOAT_TEXT_SIZE_MAX, value,
                                  std::chars_format::scientific)
                        .ptr -
                    text);
}

/*
 * PostgreSQL takes no text that lies in the middle between two floats, whatever a reader would make
 * of it: 3e10 is in the middle of two float4. Only values of at least `smallest` can have such
 * texts; below, the middle has more digits than a float is printed with.
 */
template <typename real> static size_t print_within(real value, real smallest, char *text)
{
    size_t size = print(value, text);
    if (!(std::fabs(value) >= smallest) || std::isinf(value)) {
        return size;
    }
    // Exact: a middle needs one bit more than its neighbours.
    long double below = ((long double)value + std::nextafter(value, (real)-INFINITY)) / 2;
    long double above = ((long double)value + std::nextafter(value, (real)INFINITY)) / 2;
    for (int digits = 1; digits <= std::numeric_limits<real>::max_digits10; digits++) {
        long double read = 0;
        (void)std::from_chars(text, text + size, read);
        if (read > below && read < above) {
            break;
        }
        size = (size_t)(std::to_chars(text, text + FLOAT_TEXT_SIZE_MAX, value,
                                      std::chars_format::scientific, digits)
                            .ptr -
                        text);
    }
    return size;
}

extern "C" size_t float_text_of_double(double value, char *text)
{
    return print_within(value, 0x1p51, text);
}

extern "C" size_t float_text_of_float(float value, char *text)
{
    return print_within(value, 0x1p21F, text);
}

extern "C" size_t float_text_rounded(double value, int digits, char *text)
{
    return (size_t)(std::to_chars(text, text + FLOAT_TEXT_SIZE_MAX, value,
                                  std::chars_format::scientific, digits - 1)
                        .ptr -
                    text);
}

template <typename real> static enum float_text_result parse(struct span text, real *value_out)
{
    const char *start = (const char *)text.data;
    const char *end = start + text.size;
    real value = 0;
    std::from_chars_result result = std::from_chars(start, end, value);
    if (result.ec == std::errc::invalid_argument || result.ptr != end) {
        return FLOAT_TEXT_INVALID;
    }
    if (result.ec == std::errc::result_out_of_range) {
        return FLOAT_TEXT_RANGE;
    }
    *value_out = value;
    return FLOAT_TEXT_OK;
}

extern "C" enum float_text_result float_text_to_double(struct span text, double *value_out)
{
    return parse(text, value_out);
}

extern "C" enum float_text_result float_text_to_float(struct span text, float *value_out)
{
    return parse(text, value_out);
}
