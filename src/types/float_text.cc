/*
 * The shortest text of a float that reads back as the same float, and the float nearest to a text:
 * the standard library has both, without locales, but only for C++.
 */

#include "types/float_text.h"

#include <charconv>

extern "C" size_t float_text_of_double(double value, char *text)
{
    return (size_t)(std::to_chars(text, text + FLOAT_TEXT_SIZE_MAX, value,
                                  std::chars_format::scientific)
                        .ptr -
                    text);
}

extern "C" size_t float_text_of_float(float value, char *text)
{
    return (size_t)(std::to_chars(text, text + FLOAT_TEXT_SIZE_MAX, value,
                                  std::chars_format::scientific)
                        .ptr -
                    text);
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
