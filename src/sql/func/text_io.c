/* Values as text: types/text.h in the statement's style. */

#include "sql/func/func.h"
#include "types/text.h"

tdbplus_status func_print_as(const struct datum *value, const struct text_style *style,
                             struct buffer *buffer, struct err *err)
{
    text_print(value, style, buffer);
    return buffer->failed ? err_set(err, TDBPLUS_E_NOMEM, "out of memory for a value") : TDBPLUS_OK;
}

tdbplus_status func_read_as(struct span text, struct type type, const struct text_style *style,
                            struct arena *arena, struct datum *value_out, struct err *err)
{
    struct datum value = {0};
    TRY(text_parse(text, type, style, arena, &value, err));
    *value_out = value;
    return TDBPLUS_OK;
}

tdbplus_status func_print(const struct datum *value, struct buffer *buffer, struct err *err)
{
    return func_print_as(value, NULL, buffer, err);
}

tdbplus_status func_read(struct span text, struct type type, struct arena *arena,
                         struct datum *value_out, struct err *err)
{
    return func_read_as(text, type, NULL, arena, value_out, err);
}
