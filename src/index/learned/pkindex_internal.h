#pragma once

/*
 * The format of a serialised primary index, shared by builder and reader. All sections start at
 * multiples of 64 from the start; README.md describes them.
 */

#include "index/learned/pkfilter.h"
#include "index/learned/pkindex.h"
#include "simd/simd.h"

#define PKINDEX_MAGIC         0x31494B50u /* "PKI1" */
#define PKINDEX_VERSION       1u
#define PKINDEX_SECTION_ALIGN 64u

/* Rows of one chunk: their positions inside it fit 16 bits. Only a run of equal codes is longer. */
#define PKCHUNK_ROW_COUNT_MAX 65535u

enum pkchunk_kind {
    PKCHUNK_GRID = 1,   /* Equal cells; interpolation inside a cell. */
    PKCHUNK_PIECES = 2, /* Pieces of any width, each a line or a block without a model. */
};

struct pkheader {
    uint32_t magic;
    uint32_t version;
    uint64_t row_count;
    uint64_t code_min;
    uint64_t code_max;
    uint32_t chunk_count;
    uint32_t piece_count;
    uint64_t cell_count;
    uint64_t filter_size;
    uint64_t reserved;
};

struct pkchunk {
    uint64_t row;         /* Position of its first row. */
    uint64_t multiplier;  /* Cells per code, in units of 2^-64. */
    uint32_t cells_at;    /* Where its cells + 1 entries begin. */
    uint32_t pieces_at;   /* Where its pieces begin. */
    uint16_t cells;       /* Of the grid; 0 for pieces. */
    uint16_t piece_count; /* 0 for a grid. */
    uint8_t kind;
    uint8_t before; /* A key lies at most so many rows before its prediction ... */
    uint8_t after;  /* ... and its last row ends at most so many after it. */
    uint8_t reserved;
};

struct pkpiece {
    uint32_t mantissa; /* Of the slope, rows per code; 0: none, the window is the whole piece. */
    uint16_t row;      /* Of its first row, inside the chunk. */
    uint8_t shift;
    uint8_t reserved;
};

/* So many pieces are found in two steps; a chunk with more is cut. */
#define PKCHUNK_PIECE_COUNT_MAX SIMD_PIECES_MAX

_Static_assert(sizeof(struct pkheader) == 64, "on disk");
_Static_assert(sizeof(struct pkchunk) == 32, "on disk");
_Static_assert(sizeof(struct pkpiece) == 8, "on disk");

/* Where each section begins, and where the last one ends. */
struct pklayout {
    size_t firsts;       /* uint64_t per chunk: its first code. */
    size_t chunks;       /* struct pkchunk per chunk, and one more that holds the row count. */
    size_t cells;        /* uint16_t */
    size_t piece_firsts; /* uint64_t per piece: its first code. */
    size_t pieces;       /* struct pkpiece per piece. */
    size_t filter;
    size_t end;
};

/* False when the sizes in `header` do not fit into `size_max` bytes. */
bool pklayout_of(const struct pkheader *header, size_t size_max, struct pklayout *layout_out);

/* An open index. */
struct pkindex {
    const struct alloc *alloc;
    uint8_t *memory; /* The serialised bytes; the pointers below lead into it. */
    size_t memory_size;
    const uint64_t *firsts;
    const struct pkchunk *chunks;
    const uint16_t *cells;
    const uint64_t *piece_firsts;
    const struct pkpiece *pieces;
    uint64_t row_count;
    uint64_t code_min;
    uint64_t code_max;
    uint32_t chunk_count;
    uint32_t hint_cells;
    uint64_t hint_multiplier;
    struct simd_pieces *searches; /* Owned: per chunk; NULL when no chunk has pieces. */
    uint32_t *hints; /* Owned: the last chunk that begins at or before each cell; hint_cells + 1. */
    struct pkfilter filter;
};
