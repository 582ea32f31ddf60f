#pragma once

/* dump --sql: everything of a database as statements. */

#include <stdbool.h>

struct dump_options {
    bool schema_only; /* No rows. */
    bool data_only;   /* No definitions. */
};

/* Writes the database in that directory, or of the server with that URL, to standard output.
 * Returns the exit status of the process. */
int dump_sql(const char *target, const struct dump_options *options);
