/*
 * Conditions that an index answers become ranges of it. All conditions stay where they are: the
 * scan may still find at run time that reading the table is cheaper, and then needs them.
 *
 * Which index: one that gives at most one row, then the one with the longest run of columns that
 * equal something, then the one with bounds for the next column. The table's own key needs no
 * ranges where scan_bounds.c bounds it as well.
 */

#include <string.h>

#include "sql/opt/opt_internal.h"

#define PROBE_COUNT_MAX 1024u /* Of a list of values; longer ones read the table. */

enum score {
    SCORE_EQUAL = 10,
    SCORE_BOTH_BOUNDS = 5,
    SCORE_ONE_BOUND = 3,
    SCORE_ONE_ROW = 1000,
};

struct search {
    struct optimizer *optimizer;
    const struct plan *scan;
    struct expr *const *conditions;
    uint32_t condition_count;
};

/* What conditions say of one column of an index. */
struct column_match {
    struct expr *equal;
    bool is_null;
    const struct expr *list; /* EXPR_ANY_OF; its first argument is the column. */
    struct expr *lower;
    struct expr *upper;
    bool lower_exclusive;
    bool upper_exclusive;
};

/* Values of one form, so that they make the same bytes as the index's do. */
static bool same_form(struct type column, struct type value)
{
    if (column.id != value.id || column.id == TYPE_JSON) {
        return false;
    }
    return column.id != TYPE_NUMERIC ||
           (type_physical(column) == PHYSICAL_VIEW && type_physical(value) == PHYSICAL_VIEW);
}

static void match_comparison(const struct search *search, const struct expr *column,
                             const struct expr *condition, struct column_match *match)
{
    if (condition->argument_count != 2 || (condition->func->flags & FUNC_OPERATOR) == 0 ||
        condition->type.id != TYPE_BOOL) {
        return;
    }
    for (uint32_t side = 0; side < 2; side++) {
        struct expr *value = condition->arguments[1 - side];
        int32_t compare = opt_compare_of(condition->func->name, side == 1);
        if (compare < 0 || !expr_equal(condition->arguments[side], column) ||
            !same_form(column->type, value->type) || !opt_known_before(search->scan, value)) {
            continue;
        }
        if (compare == SCAN_EQUAL) {
            match->equal = value;
        } else if (compare == SCAN_LESS || compare == SCAN_LESS_EQUAL) {
            match->upper = value;
            match->upper_exclusive = compare == SCAN_LESS;
        } else {
            match->lower = value;
            match->lower_exclusive = compare == SCAN_GREATER;
        }
        return;
    }
}

static void match_list(const struct search *search, const struct expr *column,
                       const struct expr *condition, struct column_match *match)
{
    if (condition->negated || condition->argument_count < 2 ||
        condition->argument_count > PROBE_COUNT_MAX || strcmp(condition->func->name, "=") != 0 ||
        !expr_equal(condition->arguments[0], column)) {
        return;
    }
    for (uint32_t i = 1; i < condition->argument_count; i++) {
        const struct expr *value = condition->arguments[i];
        if (!same_form(column->type, value->type) || !opt_known_before(search->scan, value)) {
            return;
        }
    }
    match->list = condition;
}

static struct column_match match_column(const struct search *search, const struct expr *column)
{
    struct column_match match = {0};
    for (uint32_t i = 0; i < search->condition_count; i++) {
        const struct expr *condition = search->conditions[i];
        if (condition->kind == EXPR_CALL) {
            match_comparison(search, column, condition, &match);
        } else if (condition->kind == EXPR_ANY_OF) {
            match_list(search, column, condition, &match);
        } else if (condition->kind == EXPR_IS_NULL && !condition->negated &&
                   expr_equal(condition->arguments[0], column)) {
            match.is_null = true;
        }
    }
    return match;
}

/* A comparison with constants that holds wherever `given` does: x > 7 implies x > 5. */
static bool constant_implies(const struct expr *given, const struct expr *wanted)
{
    if (given->kind != EXPR_CALL || wanted->kind != EXPR_CALL || given->argument_count != 2 ||
        wanted->argument_count != 2 || !expr_equal(given->arguments[0], wanted->arguments[0])) {
        return false;
    }
    const struct expr *have = given->arguments[1];
    const struct expr *need = wanted->arguments[1];
    if (have->kind != EXPR_CONSTANT || need->kind != EXPR_CONSTANT || have->constant.is_null ||
        need->constant.is_null || !type_equal(have->type, need->type) ||
        have->type.id == TYPE_JSON) {
        return false;
    }
    int32_t given_compare = opt_compare_of(given->func->name, false);
    int32_t wanted_compare = opt_compare_of(wanted->func->name, false);
    int order = datum_compare(&have->constant, &need->constant);
    switch (wanted_compare) {
    case SCAN_GREATER:
        return (given_compare == SCAN_GREATER && order >= 0) ||
               ((given_compare == SCAN_EQUAL || given_compare == SCAN_GREATER_EQUAL) && order > 0);
    case SCAN_GREATER_EQUAL:
        return (given_compare == SCAN_GREATER || given_compare == SCAN_EQUAL ||
                given_compare == SCAN_GREATER_EQUAL) &&
               order >= 0;
    case SCAN_LESS:
        return (given_compare == SCAN_LESS && order <= 0) ||
               ((given_compare == SCAN_EQUAL || given_compare == SCAN_LESS_EQUAL) && order < 0);
    case SCAN_LESS_EQUAL:
        return (given_compare == SCAN_LESS || given_compare == SCAN_EQUAL ||
                given_compare == SCAN_LESS_EQUAL) &&
               order <= 0;
    default:
        return false;
    }
}

/* IS NOT NULL follows from any comparison, which holds for no null. */
static bool condition_implies(const struct expr *given, const struct expr *wanted)
{
    if (expr_equal(given, wanted) || constant_implies(given, wanted)) {
        return true;
    }
    return wanted->kind == EXPR_IS_NULL && wanted->negated && given->kind == EXPR_CALL &&
           given->argument_count == 2 && opt_compare_of(given->func->name, false) >= 0 &&
           (given->func->flags & FUNC_OPERATOR) != 0 &&
           (expr_equal(given->arguments[0], wanted->arguments[0]) ||
            expr_equal(given->arguments[1], wanted->arguments[0]));
}

static bool is_implied(const struct search *search, const struct expr *wanted)
{
    if (wanted == NULL) {
        return true;
    }
    if (wanted->kind == EXPR_AND) {
        for (uint32_t i = 0; i < wanted->argument_count; i++) {
            if (!is_implied(search, wanted->arguments[i])) {
                return false;
            }
        }
        return true;
    }
    for (uint32_t i = 0; i < search->condition_count; i++) {
        if (condition_implies(search->conditions[i], wanted)) {
            return true;
        }
    }
    return false;
}

/* ---- one index ---- */

/* The ranges of one index, and what they are worth; 0: nothing. */
struct candidate {
    struct plan_probe *probes;
    uint32_t probe_count;
    uint32_t score;
};

/* Every range found so far once for each value of the list. */
static tdbplus_status add_list(const struct search *search, struct candidate *candidate,
                               const struct expr *list)
{
    uint32_t values = list->argument_count - 1;
    struct arena *arena = search->optimizer->arena;
    uint32_t count = candidate->probe_count * values;
    struct plan_probe *probes = arena_array(arena, count, sizeof *probes);
    if (probes == NULL) {
        return opt_no_memory(search->optimizer);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct plan_probe *probe = &probes[i];
        const struct plan_probe *from = &candidate->probes[i / values];
        *probe = *from;
        probe->equal = arena_array(arena, from->index->column_count, sizeof *probe->equal);
        if (probe->equal == NULL) {
            return opt_no_memory(search->optimizer);
        }
        for (uint32_t k = 0; k < from->equal_count; k++) {
            probe->equal[k] = from->equal[k];
        }
        probe->equal[probe->equal_count++] = list->arguments[1 + i % values];
    }
    candidate->probes = probes;
    candidate->probe_count = count;
    return TDBPLUS_OK;
}

static void add_equal(struct candidate *candidate, struct expr *value)
{
    for (uint32_t i = 0; i < candidate->probe_count; i++) {
        struct plan_probe *probe = &candidate->probes[i];
        probe->equal[probe->equal_count++] = value;
    }
}

static void add_bounds(struct candidate *candidate, const struct column_match *match)
{
    for (uint32_t i = 0; i < candidate->probe_count; i++) {
        struct plan_probe *probe = &candidate->probes[i];
        probe->lower = match->lower;
        probe->upper = match->upper;
        probe->lower_exclusive = match->lower_exclusive;
        probe->upper_exclusive = match->upper_exclusive;
    }
    candidate->score +=
        match->lower != NULL && match->upper != NULL ? SCORE_BOTH_BOUNDS : SCORE_ONE_BOUND;
}

static tdbplus_status begin_candidate(const struct search *search, const struct plan_index *index,
                                      struct candidate *candidate)
{
    struct arena *arena = search->optimizer->arena;
    candidate->probes = arena_array(arena, 1, sizeof *candidate->probes);
    if (candidate->probes == NULL) {
        return opt_no_memory(search->optimizer);
    }
    candidate->probe_count = 1;
    candidate->probes->index = index;
    candidate->probes->equal =
        arena_array(arena, index->column_count, sizeof *candidate->probes->equal);
    return candidate->probes->equal == NULL ? opt_no_memory(search->optimizer) : TDBPLUS_OK;
}

static tdbplus_status try_index(const struct search *search, const struct plan_index *index,
                                struct candidate *candidate_out)
{
    struct candidate candidate = {0};
    TRY(begin_candidate(search, index, &candidate));
    bool all_equal = is_implied(search, index->predicate);
    for (uint32_t i = 0; i < index->column_count && all_equal; i++) {
        struct column_match match = match_column(search, index->columns[i]);
        bool list = match.list != NULL &&
                    (uint64_t)candidate.probe_count * match.list->argument_count <= PROBE_COUNT_MAX;
        // The table's own key is never null and holds no entry for one.
        if (match.equal != NULL || (match.is_null && index->id != 0)) {
            add_equal(&candidate, match.equal);
        } else if (list) {
            TRY(add_list(search, &candidate, match.list));
        } else {
            all_equal = false;
            if ((match.lower != NULL || match.upper != NULL) && !index->hash) {
                add_bounds(&candidate, &match);
            }
            break;
        }
        candidate.score += SCORE_EQUAL;
    }
    candidate.score += all_equal && index->unique ? SCORE_ONE_ROW : 0;
    // scan_bounds.c bounds the table's key by prefixes itself; a whole key is one look-up.
    bool useless = (index->id == 0 && !all_equal) || (index->hash && !all_equal);
    *candidate_out = candidate;
    candidate_out->score = useless ? 0 : candidate.score;
    return TDBPLUS_OK;
}

/* What bounds on the table's own key are worth. */
static uint32_t score_key(const struct search *search)
{
    struct candidate candidate = {0};
    for (uint32_t i = 0; i < search->scan->scan.index_count; i++) {
        const struct plan_index *index = &search->scan->scan.indexes[i];
        for (uint32_t k = 0; index->id == 0 && k < index->column_count; k++) {
            struct column_match match = match_column(search, index->columns[k]);
            if (match.equal == NULL) {
                bool bounds = match.lower != NULL || match.upper != NULL;
                return candidate.score + (bounds ? SCORE_BOTH_BOUNDS : 0);
            }
            candidate.score += SCORE_EQUAL;
        }
    }
    return candidate.score;
}

static tdbplus_status best_index(const struct search *search, struct candidate *best)
{
    for (uint32_t i = 0; i < search->scan->scan.index_count; i++) {
        struct candidate candidate = {0};
        TRY(try_index(search, &search->scan->scan.indexes[i], &candidate));
        if (candidate.score > best->score) {
            *best = candidate;
        }
    }
    return TDBPLUS_OK;
}

/* ---- OR ---- */

static tdbplus_status append_probes(struct search *search, struct candidate *sum,
                                    const struct candidate *more)
{
    uint32_t count = sum->probe_count + more->probe_count;
    struct plan_probe *probes = arena_array(search->optimizer->arena, count, sizeof *probes);
    if (probes == NULL) {
        return opt_no_memory(search->optimizer);
    }
    for (uint32_t i = 0; i < count; i++) {
        probes[i] = i < sum->probe_count ? sum->probes[i] : more->probes[i - sum->probe_count];
    }
    sum->probes = probes;
    sum->probe_count = count;
    return TDBPLUS_OK;
}

/* Each branch must be answered by some index; their ranges together answer the whole. */
static tdbplus_status try_or(const struct search *outer, struct expr *condition,
                             struct candidate *best)
{
    struct candidate sum = {.score = UINT32_MAX};
    for (uint32_t i = 0; i < condition->argument_count; i++) {
        struct expr **branch = &condition->arguments[i];
        struct search search = *outer;
        bool conjunction = (*branch)->kind == EXPR_AND;
        search.conditions = conjunction ? (*branch)->arguments : branch;
        search.condition_count = conjunction ? (*branch)->argument_count : 1;
        struct candidate candidate = {0};
        TRY(best_index(&search, &candidate));
        if (candidate.score == 0 || sum.probe_count + candidate.probe_count > PROBE_COUNT_MAX) {
            return TDBPLUS_OK;
        }
        TRY(append_probes(&search, &sum, &candidate));
        sum.score = candidate.score < sum.score ? candidate.score : sum.score;
    }
    sum.score = sum.score > SCORE_EQUAL ? SCORE_EQUAL : sum.score;
    if (sum.probe_count > 0 && sum.score > best->score) {
        *best = sum;
    }
    return TDBPLUS_OK;
}

static tdbplus_status choose(struct optimizer *optimizer, const struct plan *filter,
                             struct plan *scan)
{
    struct search search = {optimizer, scan, filter->exprs, filter->expr_count};
    struct candidate best = {.score = score_key(&search)};
    // A whole key is found fastest as what it is.
    TRY(best_index(&search, &best));
    for (uint32_t i = 0; i < filter->expr_count && best.score < SCORE_EQUAL; i++) {
        if (filter->exprs[i]->kind == EXPR_OR) {
            TRY(try_or(&search, filter->exprs[i], &best));
        }
    }
    if (best.probe_count == 0) {
        return TDBPLUS_OK;
    }
    struct plan_access *access = arena_array(optimizer->arena, 1, sizeof *access);
    if (access == NULL) {
        return opt_no_memory(optimizer);
    }
    access->probes = best.probes;
    access->probe_count = best.probe_count;
    scan->scan.access = access;
    return TDBPLUS_OK;
}

tdbplus_status opt_index_path(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    if (plan->kind == PLAN_FILTER && plan->left->kind == PLAN_SCAN) {
        return choose(optimizer, plan, plan->left);
    }
    TRY(opt_index_path(optimizer, plan->left));
    return opt_index_path(optimizer, plan->right);
}
