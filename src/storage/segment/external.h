#pragma once

/*
 * external: which values of a segment lie in value files, while the segment is written.
 *
 * Large values are put into a value file as they come, and references take their place. Rows of a
 * merge come with references into the files of its sources: those are kept, or the values are
 * copied where the file is to be given up.
 *
 * Threads: one user.
 */

#include "storage/segment/column_builder.h"
#include "storage/segment/segment_internal.h"
#include "storage/segment/value_file.h"
#include "storage/segment/value_writer.h"

/* How the values of a column are stored. */
enum external_mode {
    EXTERNAL_NEVER = 0,
    EXTERNAL_LONG = 1,   /* Those of more than VALUE_INLINE_SIZE_MAX bytes are references. */
    EXTERNAL_ALWAYS = 2, /* All are places: vectors. */
};

enum external_mode external_mode_of(struct type type, bool is_key);

/* The type of the builder of such a column. */
struct type external_builder_type(struct type type, enum external_mode mode);

/* A file of the rows that a merge brings. */
struct external_source {
    struct value_file *file; /* Referenced by whoever brings the rows. */
    bool copy;               /* Its values are written again. */
};

/* A column whose views stand for values, or, where the bit is set, for references: a struct
 * value_reference, or the 8 bytes of a place for EXTERNAL_ALWAYS. Files are numbered as in the
 * sources. */
struct external_column {
    const uint64_t *external; /* NULL: no reference. */
};

struct external;

TDBPLUS_CHECKED tdbplus_status external_create(const struct segment_writer_options *options,
                                               struct external **external_out, struct err *err);
void external_destroy(struct external *external); /* After external_finish(). NULL is fine. */
void external_abandon(struct external *external); /* Removes the file. [waits] NULL is fine. */

/* Makes known the files of the rows to come. `sources` outlives the use. */
TDBPLUS_CHECKED tdbplus_status external_set_sources(struct external *external,
                                                    const struct external_source *sources,
                                                    uint32_t count, struct err *err);

/* What external_append() adds: live rows [first, first + count) of a column. */
struct external_rows {
    const struct column *column;
    const uint64_t
        *references; /* As in struct external_column, by row; then nothing is selected. */
    const uint16_t *selection;
    uint32_t first;
    uint32_t count;
};

/* Appends rows to the builder of column `position`, whose values have the type `type`. [waits] */
TDBPLUS_CHECKED tdbplus_status external_append(struct external *external, uint32_t position,
                                               struct type type, const struct external_rows *rows,
                                               struct column_builder *builder, struct err *err);

/* Writes the rest of the value file and makes it durable but for its name. [waits] */
TDBPLUS_CHECKED tdbplus_status external_finish(struct external *external,
                                               struct segment_values *values_out, struct err *err);

/* The list for the segment's metadata. */
void external_put_files(const struct external *external, const struct segment_values *own,
                        struct buffer *out);
uint32_t external_file_count(const struct external *external);
