#pragma once

/*
 * parse: text to syntax trees, by PostgreSQL 15's own grammar.
 *
 * Threads: everything may be called at once; an arena has one user at a time. The grammar keeps
 * memory per thread, given back when the thread ends.
 */

#include "base/arena.h"
#include "base/err.h"
#include "sql/parse/ast.h"

#define PARSE_TEXT_SIZE_MAX  ((size_t)16 << 20) /* Bytes of one text. */
#define PARSE_NODE_COUNT_MAX 2000000u           /* Nodes of one text. */
#define PARSE_DEPTH_MAX      1000u              /* Nodes on a path from the root. */

/* One statement of a text. */
struct parse_statement {
    struct ast *root;
    uint32_t begin_byte; /* Where it stands in the text, without the semicolon. */
    uint32_t size_bytes;
};

struct parse_result {
    struct parse_statement *statements;
    uint32_t statement_count; /* May be 0: an empty text. */
};

/*
 * Parses a text of any number of statements. The trees are made in `arena`, which may hold some of
 * them after a failure too. *result_out is untouched on failure.
 *
 *   TDBPLUS_E_SYNTAX  42601 with the position of the character; 22021 when the text is not UTF-8
 *   TDBPLUS_E_LIMIT   54001: too long, too many nodes, too deeply nested
 *   TDBPLUS_E_NOMEM   the arena's allocator has no more
 */
TDBPLUS_CHECKED tdbplus_status parse_text(struct span text, struct arena *arena,
                                          struct parse_result *result_out, struct err *err);

/* The 1-based character of the text for a node's `position`, as errors carry it. */
uint32_t parse_character(struct span text, uint32_t position);

/* What stands for an operator's or function's node kind in messages: "SELECT", "CREATE TABLE". */
const char *parse_statement_name(const struct ast *root);
