#pragma once

#include "files/ndjson.h"
#include "types/json.h"

#define NDJSON_SLACK 64u /* Zeroes past the window: they end every scan. */

struct ndjson_direct;

struct ndjson_reader {
    const struct alloc *alloc;
    struct file_input *input;
    struct ndjson_layout layout;
    uint8_t *data;
    size_t capacity;
    size_t begin; /* Of what is not yet taken. */
    size_t size;
    bool ended;
    bool in_array;      /* The file is one array. */
    uint64_t line;      /* Lines before `batch_begin`. */
    size_t batch_begin; /* Where the batch at hand begins. */
    uint32_t row_count; /* Its rows, and where they begin. */
    uint32_t begins[BATCH_ROW_COUNT_MAX + 1];
    struct ndjson_direct *direct;
    struct json_builder builder;
    struct buffer document;
    struct err held_err;
    tdbplus_status held;
};

/* ---- ndjson_direct.c ---- */

/* False when memory is out. */
bool ndjson_direct_init(struct ndjson_reader *reader);
void ndjson_direct_deinit(struct ndjson_reader *reader);

/*
 * Reads the document at the front straight into row `row_count` of the batch, whose texts point
 * into the window, and returns its size; or 0 when it has anything out of the ordinary (then the
 * row may be half written): it is not there whole, is no object, has escapes or values of another
 * kind than their column's in what is wanted, or is wrong. What nobody wants is passed over, not
 * checked.
 */
size_t ndjson_direct_row(struct ndjson_reader *reader, struct batch *batch);
