#pragma once

/* The one door into the container of the grammar. */

#include "sql/parse/friendly.h"
#include "sql/parse/parse.h"

/* As parse_text(), for checked text that ends with a zero; error positions are set by the grammar.
 * Positions in trees are those of the text that `friendly` (may be NULL) was made from. The name
 * says that no other symbol of the container is global. */
TDBPLUS_CHECKED tdbplus_status pg_parse(const char *text, const struct friendly *friendly,
                                        struct arena *arena, struct parse_result *result_out,
                                        struct err *err);
