/* Sorting rows by keys that compare by memcmp. */

#include <string.h>

#include "base/codec.h"
#include "sql/exec/exec_internal.h"

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

static void merge(const struct order_entry *from, size_t begin, size_t middle, size_t end,
                  struct order_entry *to)
{
    size_t left = begin;
    size_t right = middle;
    for (size_t at = begin; at < end; at++) {
        bool take_right =
            left == middle || (right < end && comes_before(&from[right], &from[left]));
        to[at] = take_right ? from[right++] : from[left++];
    }
}

/* From the bottom up: stable, no recursion, no worst case. */
tdbplus_status order_sort(struct exec *exec, struct order_entry *entries, size_t count)
{
    struct order_entry *spare = alloc_array(exec->call->alloc, count + 1, sizeof *spare);
    if (spare == NULL) {
        return exec_no_memory(exec);
    }
    struct order_entry *from = entries;
    struct order_entry *to = spare;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t middle = begin + width < count ? begin + width : count;
            size_t end = begin + 2 * width < count ? begin + 2 * width : count;
            merge(from, begin, middle, end, to);
        }
        struct order_entry *swap = from;
        from = to;
        to = swap;
    }
    if (count > 0 && from != entries) {
        memcpy(entries, from, count * sizeof *from);
    }
    alloc_free(exec->call->alloc, spare, count + 1, sizeof *spare);
    return TDBPLUS_OK;
}
