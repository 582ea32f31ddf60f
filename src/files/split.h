#pragma once

/*
 * split: parts of one text file, read by several sources. Parts are cut where records end: at line
 * ends outside of quotes (how many quotes stand before a part tells), or between documents (a line
 * that ends with "}" before one that begins with "{" is inside of none). What one source finds out
 * the others use; where two look at the same time both find the same, so that nobody waits.
 *
 * Threads: a split is shared; a cutter has one user.
 */

#include "files/source.h"

#define SPLIT_PART_SIZE_MIN ((uint64_t)1 << 20)
#define SPLIT_PART_SIZE_MAX ((uint64_t)8 << 20)

/* How many parts a file is cut into, and in *part_size_out their size; 1: it is read whole, being
 * small or compressed, an array of documents, or not there. */
uint32_t split_part_count(const char *path, enum file_split_rule rule, uint64_t *part_size_out);

/* For `spec`, whose units are parts; NULL when memory is out. */
struct file_split *file_split_create(const struct file_spec *spec, const struct alloc *alloc);
void file_split_destroy(struct file_split *split); /* NULL is fine. */

/* Who cuts: with memory to look at a part. Zeroed and with `split`, `spec` and `alloc` it is ready.
 */
struct split_cutter {
    struct file_split *split;
    const struct file_spec *spec;
    const struct alloc *alloc;
    struct env_file *file; /* Of `file_number`; opened and closed by its user. */
    uint64_t file_size;
    uint8_t *block;
};

void split_cutter_deinit(struct split_cutter *cutter);

/* Bytes [begin, end) of the file that make up the records of a unit; none if they are equal. */
TDBPLUS_CHECKED tdbplus_status split_cut(struct split_cutter *cutter, uint32_t unit,
                                         uint64_t *begin_out, uint64_t *end_out, struct err *err);
