#pragma once

#include "types/text.h"

/* Arrays and vectors, in array_text.c. */
TDBPLUS_CHECKED tdbplus_status text_parse_array(struct span text, struct type type,
                                                const struct text_style *style, struct arena *arena,
                                                struct datum *datum, struct err *err);
TDBPLUS_CHECKED tdbplus_status text_parse_vector(struct span text, struct type type,
                                                 struct arena *arena, struct datum *datum,
                                                 struct err *err);
void text_print_array(const struct datum *datum, const struct text_style *style,
                      struct buffer *text);
void text_print_vector(const struct datum *datum, struct buffer *text);

/* PostgreSQL's name of a type in messages: "integer", "double precision". */
const char *text_type_name(struct type type);

TDBPLUS_CHECKED tdbplus_status text_bad_syntax(struct type type, struct span text, struct err *err);
TDBPLUS_CHECKED tdbplus_status text_no_memory(struct err *err);

/* Without spaces at both ends. */
struct span text_trim(struct span text);
bool text_is_space(uint8_t byte);
