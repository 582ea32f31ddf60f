#pragma once

/* Where the rows of COPY ... TO go. */

#include "files/writer.h"
#include "sql/exec/exec_internal.h"

struct copy_output;

/* Values are printed in the exec's style. A file is opened now; close with copy_output_close(),
 * which takes back what was not finished. */
TDBPLUS_CHECKED tdbplus_status copy_output_open(const struct file_spec *spec,
                                                const struct exec *exec,
                                                struct copy_output **output_out);
void copy_output_close(struct copy_output *output); /* NULL is fine. */

/* To a file: writes all rows, then TDBPLUS_END. To the caller: `batch` gets one row with the next
 * piece; TDBPLUS_END after the last. */
TDBPLUS_CHECKED tdbplus_status copy_output_next(struct copy_output *output, struct exec *exec,
                                                const struct pipeline *pipeline,
                                                struct batch *batch);

/* Rows written so far. */
uint64_t copy_output_rows(const struct copy_output *output);
