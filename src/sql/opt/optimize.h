#pragma once

/*
 * opt: better plans for the same result. Each rule is a file; optimize() applies them in order.
 *
 * Threads: everything may be called at once with different arenas.
 */

#include "sql/plan/plan.h"

/* Replaces *plan by a plan that gives the same rows, except for their order where none is asked
 * for. New nodes are in the arena. TDBPLUS_E_NOMEM; errors of folded expressions are left for when
 * they are evaluated. */
TDBPLUS_CHECKED tdbplus_status optimize(struct plan **plan, struct arena *arena, uint32_t *next_id,
                                        struct err *err);
