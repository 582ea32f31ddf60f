#pragma once

/*
 * friendly: syntax beyond PostgreSQL's grammar, rewritten into what the grammar takes, with a map
 * of positions back to the text as it was written. Only texts that the grammar has refused come
 * here, so what PostgreSQL understands keeps its meaning.
 *
 *   FROM t ...                       SELECT * FROM t ...        (also FROM t SELECT ...)
 *   FROM 'x.csv', JOIN 'x.csv'       FROM "x.csv"
 *   * EXCLUDE (a) REPLACE (e AS b)   "?star"('', ARRAY['a'], e, 'b')
 *   GROUP BY ALL, ORDER BY ALL       ... BY "?all"
 *   UNION BY NAME SELECT a           UNION SELECT "?byname"(), a
 *   INSERT INTO t BY NAME SELECT a   INSERT INTO t SELECT "?byname"(), a
 *   DESCRIBE q, SUMMARIZE q          SELECT * FROM (q) "?describe"
 *
 * The binder knows the names that begin with a question mark.
 */

#include "base/arena.h"
#include "base/buffer.h"

#define FRIENDLY_STAR      "?star"
#define FRIENDLY_ALL       "?all"
#define FRIENDLY_BY_NAME   "?byname"
#define FRIENDLY_DESCRIBE  "?describe"
#define FRIENDLY_SUMMARIZE "?summarize"

/* From byte `to` of the new text on, bytes are those from `from` on of the old one, or were put in
 * for what is there. */
struct friendly_piece {
    uint32_t to;
    uint32_t from;
    bool put_in;
};

struct friendly {
    const char *text; /* Ends with a zero. */
    struct friendly_piece *pieces;
    uint32_t piece_count;
};

/* False when there is nothing to rewrite, it is nested too deep, or memory is out. All is in the
 * arena. */
bool friendly_rewrite(struct span text, struct arena *arena, struct friendly *friendly_out);

/* The byte of the old text, from 0, for one of the new. NULL maps nothing. */
uint32_t friendly_source(const struct friendly *friendly, uint32_t byte);
