#pragma once

/* shell_print: rows and errors on the screen. */

#include "cli/client.h"

enum print_mode {
    PRINT_BOX,
    PRINT_TABLE,
    PRINT_CSV,
    PRINT_JSON,
    PRINT_NDJSON,
    PRINT_MARKDOWN,
    PRINT_LINE,
    PRINT_EXPANDED,
};

#define PRINT_NULL_SIZE 32

struct print_style {
    enum print_mode mode;
    bool has_no_types;          /* A box without the line of types. */
    bool has_no_footer;         /* Nor the count of rows. */
    bool has_null;              /* `null` says what a null is; else the mode does. */
    char null[PRINT_NULL_SIZE]; /* What stands for a null. */
    uint64_t row_max;           /* Of a box or table: more are counted, not shown; 0: all are. */
    const char *title;          /* Above a box or table; NULL: none. */
};

/* "box", "csv", ...; false: no such mode. */
bool print_mode_of(const char *name, enum print_mode *mode_out);
const char *print_mode_name(enum print_mode mode);

/* The names of all modes, for messages and completion. */
const char *const *print_mode_names(size_t *count_out);

/* Prints all rows, or the tag. The status is that of reading them. */
TDBPLUS_CHECKED tdbplus_status print_answer(const struct print_style *style, struct answer *answer,
                                            tdbplus_call *call);

/* The same in a box, a table, or a record for each row. */
TDBPLUS_CHECKED tdbplus_status print_box(const struct print_style *style, struct answer *answer,
                                         tdbplus_call *call);
TDBPLUS_CHECKED tdbplus_status print_expanded(const struct print_style *style,
                                              struct answer *answer, tdbplus_call *call);

/* Prints an error as psql does, with the line of `sql` it points at. */
void print_error(const tdbplus_error *error, const char *sql, size_t size);

/* Columns that a text takes on the screen. */
uint32_t print_width(const char *text, size_t size);

/* Takes one character off a text; its width on the screen in *width_out. Returns its bytes. */
size_t print_take_character(const char *text, size_t size, uint32_t *width_out);

/* Columns of the terminal that standard output is; 0: it is none. */
uint32_t print_terminal_width(void);
