/*
 * Sorting rows by keys that compare by memcmp: a merge sort from the bottom, which is stable and
 * has no worst case. With several threads each sorts a part; then pairs of parts are merged, each
 * merge cut into pieces that need nothing of each other. A stable order is unique, so the result
 * does not depend on the number of threads.
 */

#include <string.h>

#include "base/codec.h"
#include "sql/exec/exec_internal.h"

#define PART_COUNT_MAX     8u
#define PART_ENTRY_MIN     ((size_t)32768) /* Fewer are sorted before a thread has begun. */
#define ENTRIES_PER_CHECK  ((size_t)8192)
#define INSERTION_SORT_MAX ((size_t)8)

struct order_entry order_entry_of(struct span key, uint32_t row)
{
    uint8_t bytes[8] = {0};
    if (key.size > 0) {
        memcpy(bytes, key.data, key.size < 8 ? key.size : 8);
    }
    return (struct order_entry){load_u64_be(bytes), key, row};
}

static bool comes_before(const struct order_entry *left, const struct order_entry *right)
{
    if (left->prefix != right->prefix) {
        return left->prefix < right->prefix;
    }
    return span_compare(left->key, right->key) < 0;
}

/* One sort. Only the caller's thread may ask for limits, for it alone may set the error. */
struct sorting {
    struct exec *exec;
    _Atomic bool stop;
    tdbplus_status status; /* Why, by the caller's thread. */
};

struct sort_piece {
    struct sorting *sorting;
    bool of_caller;
    /* Sorting: `from` is sorted with the help of `to`. Merging: two parts of `from` go to `to`. */
    bool merges;
    struct order_entry *from;
    struct order_entry *to;
    size_t left_end; /* Merging: left is from[0, left_end), */
    size_t right;    /* right is from[right, right_end). */
    size_t right_end;
    struct env_task *task;
};

static bool is_stopped(struct sort_piece *piece)
{
    struct sorting *sorting = piece->sorting;
    if (piece->of_caller && sorting->status == TDBPLUS_OK) {
        sorting->status = exec_check(sorting->exec);
        if (sorting->status != TDBPLUS_OK) {
            atomic_store_explicit(&sorting->stop, true, memory_order_relaxed);
        }
    }
    return atomic_load_explicit(&sorting->stop, memory_order_relaxed);
}

/* Merges [left, left_end) and [right, right_end) of `from`. */
static void merge(struct sort_piece *piece, const struct order_entry *from, size_t left,
                  size_t left_end, size_t right, size_t right_end, struct order_entry *to)
{
    size_t until_check = ENTRIES_PER_CHECK;
    while (left < left_end || right < right_end) {
        bool take_right =
            left == left_end || (right < right_end && comes_before(&from[right], &from[left]));
        *to++ = take_right ? from[right++] : from[left++];
        if (--until_check == 0) {
            until_check = ENTRIES_PER_CHECK;
            if (is_stopped(piece)) {
                return;
            }
        }
    }
}

static void insertion_sort(struct order_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct order_entry moved = entries[i];
        size_t at = i;
        for (; at > 0 && comes_before(&moved, &entries[at - 1]); at--) {
            entries[at] = entries[at - 1];
        }
        entries[at] = moved;
    }
}

static void sort_part(struct sort_piece *piece)
{
    struct order_entry *from = piece->from;
    struct order_entry *to = piece->to;
    size_t count = piece->left_end;
    for (size_t begin = 0; begin < count; begin += INSERTION_SORT_MAX) {
        size_t rest = count - begin;
        insertion_sort(from + begin, rest < INSERTION_SORT_MAX ? rest : INSERTION_SORT_MAX);
        if (begin % ENTRIES_PER_CHECK == 0 && is_stopped(piece)) {
            return;
        }
    }
    size_t until_check = ENTRIES_PER_CHECK;
    for (size_t width = INSERTION_SORT_MAX; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t middle = begin + width < count ? begin + width : count;
            size_t end = begin + 2 * width < count ? begin + 2 * width : count;
            merge(piece, from, begin, middle, middle, end, to + begin);
            bool asks = until_check < 2 * width;
            until_check = asks ? ENTRIES_PER_CHECK : until_check - 2 * width;
            if (asks && is_stopped(piece)) {
                return;
            }
        }
        struct order_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != piece->from) {
        memcpy(piece->from, from, count * sizeof *from);
    }
}

static void run_piece(void *argument)
{
    struct sort_piece *piece = argument;
    if (piece->merges) {
        merge(piece, piece->from, 0, piece->left_end, piece->right, piece->right_end, piece->to);
    } else {
        sort_part(piece);
    }
}

/* The first piece here, the others on threads of their own, or here where those do not start. */
static tdbplus_status run_pieces(struct sorting *sorting, struct sort_piece *pieces, uint32_t count)
{
    const struct env *env = store_env(txn_store(sorting->exec->txn));
    for (uint32_t i = 1; i < count; i++) {
        pieces[i].sorting = sorting;
        if (env_task_start(env, "sort", run_piece, &pieces[i], &pieces[i].task, NULL) !=
            TDBPLUS_OK) {
            pieces[i].task = NULL;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || pieces[i].task == NULL) {
            pieces[i].sorting = sorting;
            pieces[i].of_caller = true;
            run_piece(&pieces[i]);
        }
    }
    for (uint32_t i = 1; i < count; i++) {
        if (pieces[i].task != NULL) {
            env_task_join(env, pieces[i].task);
        }
    }
    return sorting->status;
}

/* How many of the first `wanted` entries of a merge come from the left. */
static size_t split(const struct order_entry *left, size_t left_count,
                    const struct order_entry *right, size_t right_count, size_t wanted)
{
    size_t low = wanted > right_count ? wanted - right_count : 0;
    size_t high = wanted < left_count ? wanted : left_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        // Among equals the left ones come first.
        if (comes_before(&right[wanted - middle - 1], &left[middle])) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* The merge of from[begin, middle) and from[middle, end) in `count` pieces. */
static void cut_merge(const struct sort_piece *whole, size_t begin, size_t middle, size_t end,
                      struct sort_piece *pieces, uint32_t count)
{
    struct order_entry *left = whole->from + begin;
    struct order_entry *right = whole->from + middle;
    size_t left_count = middle - begin;
    size_t right_count = end - middle;
    size_t done = 0;
    size_t left_done = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t wanted = (end - begin) * (i + 1) / count;
        size_t left_end = split(left, left_count, right, right_count, wanted);
        struct order_entry *base = left + left_done;
        pieces[i] = (struct sort_piece){
            .merges = true,
            .from = base,
            .to = whole->to + begin + done,
            .left_end = left_end - left_done,
            .right = (size_t)(right - base) + (done - left_done),
            .right_end = (size_t)(right - base) + (wanted - left_end),
        };
        done = wanted;
        left_done = left_end;
    }
}

static tdbplus_status sort_parts(struct sorting *sorting, struct order_entry *entries,
                                 struct order_entry *spare, size_t count, uint32_t part_count)
{
    struct sort_piece pieces[PART_COUNT_MAX] = {0};
    size_t bounds[PART_COUNT_MAX + 1];
    for (uint32_t i = 0; i <= part_count; i++) {
        bounds[i] = count * i / part_count;
    }
    for (uint32_t i = 0; i < part_count; i++) {
        pieces[i] = (struct sort_piece){.from = entries + bounds[i],
                                        .to = spare + bounds[i],
                                        .left_end = bounds[i + 1] - bounds[i]};
    }
    TRY(run_pieces(sorting, pieces, part_count));
    struct sort_piece whole = {.from = entries, .to = spare};
    for (uint32_t width = 1; width < part_count; width *= 2) {
        uint32_t used = 0;
        for (uint32_t p = 0; p < part_count; p += 2 * width) {
            uint32_t middle = p + width < part_count ? p + width : part_count;
            uint32_t end = p + 2 * width < part_count ? p + 2 * width : part_count;
            cut_merge(&whole, bounds[p], bounds[middle], bounds[end], &pieces[used], end - p);
            used += end - p;
        }
        TRY(run_pieces(sorting, pieces, used));
        struct order_entry *swap = whole.from;
        whole.from = whole.to;
        whole.to = swap;
    }
    if (whole.from != entries) {
        memcpy(entries, whole.from, count * sizeof *entries);
    }
    return TDBPLUS_OK;
}

tdbplus_status order_sort(struct exec *exec, struct order_entry *entries, size_t count)
{
    struct sorting sorting = {.exec = exec};
    // Workers of a team are threads already.
    size_t part_count = exec->leader == NULL && exec->thread_count > 1 ? exec->thread_count : 1;
    part_count = part_count > PART_COUNT_MAX ? PART_COUNT_MAX : part_count;
    part_count = part_count > count / PART_ENTRY_MIN ? count / PART_ENTRY_MIN : part_count;
    struct order_entry *spare = alloc_array(exec->call->alloc, count + 1, sizeof *spare);
    if (spare == NULL) {
        return exec_no_memory(exec);
    }
    tdbplus_status status =
        sort_parts(&sorting, entries, spare, count, part_count == 0 ? 1 : (uint32_t)part_count);
    alloc_free(exec->call->alloc, spare, count + 1, sizeof *spare);
    return status;
}
