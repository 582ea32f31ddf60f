#pragma once

/* json_to_record() and json_to_recordset(): the binder makes a call for each column. */

#include "sql/func/func.h"

/*
 * What gives a column of the function of that name as an array of rows; NULL if the function gives
 * no records. Its arguments are the document and the column's name, its result an array of the
 * column's type, which is no array itself.
 */
const struct func *func_record_column(const char *name);
