#pragma once

/* wire packed: the binary forms of packed types (types/packed.h), for wire_type.c. */

#include "types/text.h"

/* Appends the value without its size. */
void wire_put_packed(struct buffer *buffer, const struct datum *datum,
                     const struct text_style *style);

/* As wire_parse_binary(), into *datum, whose type is set. */
TDBPLUS_CHECKED tdbplus_status wire_parse_packed(struct span bytes, const struct text_style *style,
                                                 struct arena *arena, struct datum *datum,
                                                 struct err *err);

/* 22P03. */
TDBPLUS_CHECKED tdbplus_status wire_invalid(struct type type, struct err *err);
TDBPLUS_CHECKED tdbplus_status wire_no_memory(struct err *err);
