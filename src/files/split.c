#include "files/split.h"

#include <stdatomic.h>
#include <string.h>

#include "base/codec.h"

#define PARTS_WANTED 64u
#define LOOK_BACK    64u /* Blanks between documents that are looked at. */
#define LOOK_AHEAD   64u
#define BLOCK_SIZE   ((size_t)256 << 10)
#define HEAD_SIZE    256u

enum inside { INSIDE_UNKNOWN = 0, INSIDE_NOT, INSIDE_QUOTES };

/* What is known of the place where a unit's part of the file begins. */
struct place {
    _Atomic uint64_t begin; /* Of its first record, plus one; 0: not known. */
    _Atomic uint8_t inside; /* enum inside. */
};

struct file_split {
    const struct alloc *alloc;
    uint32_t count;
    struct place places[];
};

/* ---- which files ---- */

/* The first bytes of a file, plain or not, and its size. */
static bool read_head(const char *path, uint8_t head[HEAD_SIZE], size_t *size_out,
                      uint64_t *file_size_out)
{
    struct env_file *file = NULL;
    if (file_open_read(path, &file, NULL) != TDBPLUS_OK) {
        return false;
    }
    tdbplus_status status = env_size(env_real(), file, file_size_out, NULL);
    *size_out = *file_size_out < HEAD_SIZE ? (size_t)*file_size_out : HEAD_SIZE;
    if (status == TDBPLUS_OK && *size_out > 0) {
        status = env_read(env_real(), file, 0, head, *size_out, NULL);
    }
    env_close(env_real(), file);
    return status == TDBPLUS_OK;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

uint32_t split_part_count(const char *path, enum file_split_rule rule, uint64_t *part_size_out)
{
    uint8_t head[HEAD_SIZE];
    size_t size = 0;
    uint64_t file_size = 0;
    *part_size_out = 0;
    if (rule == FILE_SPLIT_NOT || !read_head(path, head, &size, &file_size) ||
        file_size < 2 * SPLIT_PART_SIZE_MIN || file_input_packed((struct span){head, size})) {
        return 1;
    }
    size_t at = 0;
    while (at < size && is_blank(head[at])) {
        at++;
    }
    if (rule == FILE_SPLIT_DOCUMENTS && (at == size || head[at] != '{')) {
        return 1;
    }
    uint64_t part = file_size / PARTS_WANTED;
    part = part < SPLIT_PART_SIZE_MIN ? SPLIT_PART_SIZE_MIN : part;
    part = part > SPLIT_PART_SIZE_MAX ? SPLIT_PART_SIZE_MAX : part;
    *part_size_out = part;
    return (uint32_t)((file_size + part - 1) / part);
}

struct file_split *file_split_create(const struct file_spec *spec, const struct alloc *alloc)
{
    struct file_split *split =
        alloc_array(alloc, 1, sizeof *split + spec->unit_count * sizeof(struct place));
    if (split != NULL) {
        split->alloc = alloc;
        split->count = spec->unit_count;
    }
    return split;
}

void file_split_destroy(struct file_split *split)
{
    if (split != NULL) {
        alloc_free(split->alloc, split, 1, sizeof *split + split->count * sizeof(struct place));
    }
}

void split_cutter_deinit(struct split_cutter *cutter)
{
    alloc_free(cutter->alloc, cutter->block, BLOCK_SIZE, 1);
    cutter->block = NULL;
}

/* ---- reading ---- */

/* Bytes of the file from `at` on, at most a block; fewer at the end. */
static tdbplus_status read_block(struct split_cutter *cutter, uint64_t at, uint64_t end,
                                 struct span *bytes_out, struct err *err)
{
    if (cutter->block == NULL) {
        cutter->block = alloc_raw(cutter->alloc, BLOCK_SIZE);
        if (cutter->block == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "no memory to read a file");
        }
    }
    end = end < cutter->file_size ? end : cutter->file_size;
    uint64_t rest = at < end ? end - at : 0;
    size_t size = rest < BLOCK_SIZE ? (size_t)rest : BLOCK_SIZE;
    if (size > 0) {
        TRY(env_read(env_real(), cutter->file, at, cutter->block, size, err));
    }
    *bytes_out = (struct span){.data = cutter->block, .size = size};
    return TDBPLUS_OK;
}

static uint64_t count_byte(struct span bytes, uint8_t byte)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t count = 0;
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= bytes.size; at += sizeof(uint64_t)) {
        uint64_t other = load_u64(bytes.data + at) ^ ones * byte;
        uint64_t some = ((other & ~(ones << 7)) + ~(ones << 7)) | other;
        count += (uint64_t)__builtin_popcountll(~some & ones << 7);
    }
    for (; at < bytes.size; at++) {
        count += bytes.data[at] == byte;
    }
    return count;
}

/* ---- quotes ---- */

static uint64_t part_begin(const struct split_cutter *cutter, uint32_t unit)
{
    const struct file_unit *part = &cutter->spec->units[unit];
    return part->group * cutter->spec->part_sizes[part->file];
}

/* Whether the part's first byte is between quotes. The nearest place where that is known is gone
 * from.
 */
static tdbplus_status find_inside(struct split_cutter *cutter, uint32_t unit, bool *inside_out,
                                  struct err *err)
{
    struct place *places = cutter->split->places;
    uint32_t known = unit;
    uint8_t inside = INSIDE_NOT;
    for (; cutter->spec->units[known].group > 0; known--) {
        inside = atomic_load_explicit(&places[known].inside, memory_order_relaxed);
        if (inside != INSIDE_UNKNOWN) {
            break;
        }
        inside = INSIDE_NOT;
    }
    bool is_inside = inside == INSIDE_QUOTES;
    for (; known < unit; known++) {
        uint64_t end = part_begin(cutter, known + 1);
        for (uint64_t at = part_begin(cutter, known); at < end;) {
            struct span bytes = {0};
            TRY(read_block(cutter, at, end, &bytes, err));
            if (bytes.size == 0) {
                break;
            }
            is_inside ^= (count_byte(bytes, cutter->spec->csv.quote) & 1) != 0;
            at += bytes.size;
        }
        atomic_store_explicit(&places[known + 1].inside, is_inside ? INSIDE_QUOTES : INSIDE_NOT,
                              memory_order_relaxed);
    }
    *inside_out = is_inside;
    return TDBPLUS_OK;
}

/* ---- cuts: where the first record at or after a place begins; UINT64_MAX: none up to `end` ----
 */

static tdbplus_status cut_lines(struct split_cutter *cutter, uint32_t unit, uint64_t end,
                                uint64_t *begin_out, struct err *err)
{
    bool inside = false;
    TRY(find_inside(cutter, unit, &inside, err));
    // The byte before belongs to the part before, but a line that ends there ends it, and it is no
    // quote.
    for (uint64_t at = part_begin(cutter, unit) - 1; at < end;) {
        struct span bytes = {0};
        TRY(read_block(cutter, at, end, &bytes, err));
        bool first = at + 1 == part_begin(cutter, unit);
        for (size_t i = 0; i < bytes.size; i++) {
            uint8_t byte = bytes.data[i];
            inside ^= byte == cutter->spec->csv.quote && !(first && i == 0);
            if (byte == '\n' && !inside) {
                *begin_out = at + i + 1;
                return TDBPLUS_OK;
            }
        }
        if (bytes.size == 0) {
            break;
        }
        at += bytes.size;
    }
    *begin_out = UINT64_MAX;
    return TDBPLUS_OK;
}

/* A line's end in bytes[i] with "}" before it and "{" behind it. */
static bool between_documents(struct span bytes, size_t i)
{
    size_t before = i;
    size_t behind = i + 1;
    while (before > 0 && is_blank(bytes.data[before - 1])) {
        before--;
    }
    while (behind < bytes.size && is_blank(bytes.data[behind])) {
        behind++;
    }
    return before > 0 && bytes.data[before - 1] == '}' && behind < bytes.size &&
           bytes.data[behind] == '{';
}

static tdbplus_status cut_documents(struct split_cutter *cutter, uint32_t unit, uint64_t end,
                                    uint64_t *begin_out, struct err *err)
{
    *begin_out = UINT64_MAX;
    // Blocks overlap, so that what stands around a line's end is seen.
    for (uint64_t at = part_begin(cutter, unit) - 1; at < end;) {
        uint64_t from = at - LOOK_BACK;
        struct span bytes = {0};
        TRY(read_block(cutter, from, end + LOOK_AHEAD, &bytes, err));
        bool last = from + bytes.size >= end + LOOK_AHEAD || bytes.size < BLOCK_SIZE;
        size_t stop = last ? bytes.size : bytes.size - LOOK_AHEAD;
        for (size_t i = LOOK_BACK; i < stop && from + i < end; i++) {
            if (bytes.data[i] == '\n' && between_documents(bytes, i)) {
                *begin_out = from + i + 1;
                return TDBPLUS_OK;
            }
        }
        if (last) {
            break;
        }
        at = from + stop;
    }
    return TDBPLUS_OK;
}

/* Where the records of a unit begin: those that begin in its part. */
static tdbplus_status find_begin(struct split_cutter *cutter, uint32_t unit, uint64_t *begin_out,
                                 struct err *err)
{
    const struct file_spec *spec = cutter->spec;
    struct place *places = cutter->split->places;
    uint32_t file = spec->units[unit].file;
    uint32_t at = unit;
    uint64_t begin = UINT64_MAX;
    for (; at < spec->unit_count && spec->units[at].file == file && begin == UINT64_MAX; at++) {
        uint64_t known = atomic_load_explicit(&places[at].begin, memory_order_relaxed);
        bool is_last = at + 1 == spec->unit_count || spec->units[at + 1].file != file;
        uint64_t end = is_last ? cutter->file_size : part_begin(cutter, at + 1);
        if (known != 0) {
            begin = known - 1;
        } else if (spec->units[at].group == 0) {
            begin = 0;
        } else if (spec->format == FILE_CSV) {
            TRY(cut_lines(cutter, at, end, &begin, err));
        } else {
            TRY(cut_documents(cutter, at, end, &begin, err));
        }
    }
    begin = begin == UINT64_MAX ? cutter->file_size : begin;
    // A record that reaches over whole parts: they are all known to have none of their own.
    while (at > unit) {
        atomic_store_explicit(&places[--at].begin, begin + 1, memory_order_relaxed);
    }
    *begin_out = begin;
    return TDBPLUS_OK;
}

tdbplus_status split_cut(struct split_cutter *cutter, uint32_t unit, uint64_t *begin_out,
                         uint64_t *end_out, struct err *err)
{
    const struct file_spec *spec = cutter->spec;
    bool is_last =
        unit + 1 == spec->unit_count || spec->units[unit + 1].file != spec->units[unit].file;
    TRY(find_begin(cutter, unit, begin_out, err));
    *end_out = cutter->file_size;
    return is_last ? TDBPLUS_OK : find_begin(cutter, unit + 1, end_out, err);
}
