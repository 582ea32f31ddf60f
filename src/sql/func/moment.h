#pragma once

/* Texts such as 'now' and 'tomorrow 08:00', which mean another moment each time. */

#include "sql/func/func.h"

/* True when a word of the text is now, today, tomorrow or yesterday. */
bool moment_in(struct span text);

/* Puts the moment in: a text that means the same as that one now. */
extern const struct func func_moment;
