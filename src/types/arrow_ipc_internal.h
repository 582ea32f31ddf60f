#pragma once

#include "types/arrow_internal.h"
#include "types/arrow_ipc.h"
#include "types/flatbuffer.h"

/* A dictionary of a file or stream, known by its number. */
struct arrow_dictionary {
    int64_t id;
    const struct arrow_field *field;
    const struct column *column; /* NULL until a batch of it was read. */
};

/* A message and its body. */
struct arrow_message {
    struct span metadata;
    struct span body;
};

struct arrow_reader {
    struct arena arena; /* Schema and dictionaries. */
    struct arena record_arena;
    const struct alloc *alloc;
    struct span bytes;
    size_t at;    /* Streams: the next message. */
    bool is_file; /* Then `records` lists the messages. */
    struct span records;
    uint32_t record_count;
    uint32_t record_at;
    struct arrow_field *fields;
    struct arrow_column *columns;
    uint32_t column_count;
    struct arrow_dictionary *dictionaries;
    uint32_t dictionary_count;
    struct arrow_node *nodes; /* Of the record batch being handed out; NULL: none. */
    int64_t row_count;
    int64_t row_at;
    void *lz4; /* Contexts of the libraries, made when first needed. */
    void *zstd;
};

/* Sets fields, columns and dictionaries. */
TDBPLUS_CHECKED tdbplus_status arrow_read_schema(struct arrow_reader *reader,
                                                 const struct flat_table *schema, struct err *err);

/* Replaces a compressed buffer (a 64-bit size, then the data) by what it stands for, in the arena.
 */
TDBPLUS_CHECKED tdbplus_status arrow_decompress(struct arrow_reader *reader, enum arrow_codec codec,
                                                struct arena *arena, struct span *buffer,
                                                struct err *err);

/* `bytes` as a compressed buffer, which replaces what is in `to`; as they are, behind a size of -1,
 * where that is not longer. */
TDBPLUS_CHECKED tdbplus_status arrow_compress(int8_t codec, struct span bytes, struct buffer *to,
                                              struct err *err);

/* Gives the contexts back. */
void arrow_codecs_deinit(struct arrow_reader *reader);
