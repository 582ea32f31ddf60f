#include "txn/stages.h"

#include "base/arena.h"
#include "base/assert.h"

void stages_init(struct list *stages, const struct alloc *alloc)
{
    list_init(stages, alloc, sizeof(struct txn_stage));
}

void stages_rollback(struct list *stages, uint64_t count)
{
    while (stages->count > count) {
        struct txn_stage *stage = list_at(stages, stages->count - 1);
        for (size_t i = 0; i < stage->segments.count; i++) {
            store_load_release(*(struct segment_ref **)list_at(&stage->segments, i));
        }
        list_deinit(&stage->segments);
        bytes_deinit(&stage->lower);
        bytes_deinit(&stage->upper);
        stages->count--;
    }
}

void stages_deinit(struct list *stages)
{
    stages_rollback(stages, 0);
    list_deinit(stages);
}

struct txn_stage *stages_add(struct list *stages, uint64_t collection, uint64_t statement)
{
    struct txn_stage *stage = list_push(stages, NULL);
    if (stage != NULL) {
        stage->collection = collection;
        stage->statement = statement;
        list_init(&stage->segments, stages->alloc, sizeof(struct segment_ref *));
    }
    return stage;
}

bool stages_concern(const struct list *stages, uint64_t collection)
{
    for (size_t i = 0; i < stages->count; i++) {
        const struct txn_stage *stage = list_at(stages, i);
        if (stage->collection == collection && stage->is_done) {
            return true;
        }
    }
    return false;
}

/* Collects the segments, oldest first, and their stages' numbers, newest first. */
static uint32_t collect(const struct list *stages, uint64_t collection, uint64_t statement_end,
                        struct segment_ref **loads, uint32_t *numbers)
{
    uint32_t count = 0;
    for (uint32_t number = 1; number <= stages->count; number++) {
        const struct txn_stage *stage = stages_at(stages, number);
        bool seen =
            stage->collection == collection && stage->is_done && stage->statement < statement_end;
        for (size_t i = 0; seen && i < stage->segments.count; i++) {
            if (loads != NULL) {
                loads[count] = *(struct segment_ref **)list_at(&stage->segments, i);
                numbers[count] = number;
            }
            count++;
        }
    }
    for (uint32_t i = 0; numbers != NULL && i < count / 2; i++) {
        uint32_t number = numbers[i];
        numbers[i] = numbers[count - 1 - i];
        numbers[count - 1 - i] = number;
    }
    return count;
}

tdbplus_status stages_view(const struct list *stages, const struct object *object,
                           uint64_t statement_end, const struct version *base, struct arena *arena,
                           struct stages_view *view_out, struct err *err)
{
    struct stages_view view = {.load_count =
                                   collect(stages, object->id, statement_end, NULL, NULL)};
    size_t capacity = (size_t)view.load_count + 1;
    struct segment_ref **loads = arena_array(arena, capacity, sizeof(void *));
    view.numbers = arena_array(arena, capacity, sizeof *view.numbers);
    if (loads == NULL || view.numbers == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "the transaction's loads do not fit in memory");
    }
    (void)collect(stages, object->id, statement_end, loads, view.numbers);
    TRY(version_with_loads(object->collection, base, loads, view.load_count, &view.version, err));
    *view_out = view;
    return TDBPLUS_OK;
}

static bool in_range(const struct txn_stage *stage, struct span key)
{
    struct span lower = {.data = stage->lower.data, .size = stage->lower.size};
    struct span upper = {.data = stage->upper.data, .size = stage->upper.size};
    return span_compare(key, lower) >= 0 && (!stage->has_upper || span_compare(key, upper) < 0);
}

static bool is_range_of(const struct txn_stage *stage, uint64_t collection, uint64_t statement_end)
{
    return stage->is_range && stage->collection == collection && stage->statement < statement_end;
}

bool stages_hide(const struct list *stages, uint64_t collection, uint64_t statement_end,
                 uint32_t number, struct span key)
{
    for (uint32_t i = number + 1; i <= stages->count; i++) {
        const struct txn_stage *stage = stages_at(stages, i);
        if (is_range_of(stage, collection, statement_end) && in_range(stage, key)) {
            return true;
        }
    }
    return false;
}

uint32_t stages_emptied(const struct list *stages, uint64_t collection, uint64_t statement_end)
{
    for (uint32_t i = (uint32_t)stages->count; i > 0; i--) {
        const struct txn_stage *stage = stages_at(stages, i);
        if (is_range_of(stage, collection, statement_end) && stage->lower.size == 0 &&
            !stage->has_upper) {
            return i;
        }
    }
    return 0;
}

bool stages_have_range(const struct list *stages, uint64_t collection, uint64_t statement_end)
{
    for (uint32_t i = 1; i <= stages->count; i++) {
        if (is_range_of(stages_at(stages, i), collection, statement_end)) {
            return true;
        }
    }
    return false;
}

/* Looks the key up in the loads alone. */
static tdbplus_status find_loaded(const struct list *stages, const struct object *object,
                                  const struct stages_asked *asked, const struct segment_key *key,
                                  struct stage_answer *answer, uint32_t *number_out,
                                  struct err *err)
{
    struct arena arena = {0};
    struct stages_view view = {0};
    arena_init(&arena, stages->alloc, 256);
    tdbplus_status status =
        stages_view(stages, object, asked->statement_end, NULL, &arena, &view, err);
    if (status == TDBPLUS_OK) {
        // Newest first: a row that a later load replaced is not reached.
        status = version_find(view.version, key, TIMESTAMP_OPEN - 1, &answer->place, err);
    }
    if (status == TDBPLUS_OK && answer->place.found) {
        answer->version = view.version;
        *number_out = view.numbers[answer->place.source];
    } else {
        version_release(view.version);
    }
    arena_deinit(&arena);
    return status;
}

tdbplus_status stages_ask(const struct list *stages, const struct object *object,
                          const struct stages_asked *asked, const struct segment_key *key,
                          struct stage_answer *answer_out, struct err *err)
{
    struct stage_answer answer = {0};
    uint32_t number = 0;
    if (stages_concern(stages, object->id)) {
        TRY(find_loaded(stages, object, asked, key, &answer, &number, err));
    }
    answer.is_hidden = number < asked->number_min ||
                       stages_hide(stages, object->id, asked->statement_end, number, key->key);
    if (answer.is_hidden) {
        version_release(answer.version);
        answer = (struct stage_answer){.is_hidden = true};
    }
    *answer_out = answer;
    return TDBPLUS_OK;
}
