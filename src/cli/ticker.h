#pragma once

/*
 * ticker: after two seconds, tells at a terminal how long a statement has been running, and how far
 * it is where the database knows. One at a time.
 */

#include "tdbplus/tdbplus.h"

/* Begins to wait, where standard error is a terminal; takes the call's progress. */
void ticker_start(tdbplus_call *call);

/* Takes the line away, before anything is printed; nothing comes after it. Several times is fine.
 */
void ticker_hide(void);
