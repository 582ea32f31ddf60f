/* Which function a call means: PostgreSQL 15 manual, 10.2 (operators) and 10.3 (functions). */

#include <string.h>

#include "base/assert.h"
#include "sql/func/cast_internal.h"
#include "sql/func/kernel.h"
#include "sql/func/polymorph.h"

static const struct func *const tables[] = {
    table_arithmetic,  table_comparison, table_math,          table_text,      table_pattern,
    table_system,      table_numeric,    table_time,          table_json,      table_array,
    table_misc,        table_vector,     table_number_format, table_time_make, table_json_build,
    table_json_change, table_jsonpath,   table_power,         table_string,    table_bytes,
    table_regex,       table_series,     table_array_text,    table_packed,    table_range,
    table_network,     table_bits,       table_money,         table_timetz,    table_alias,
    table_precision,   table_session,    table_catalog_types, table_catalog,   table_sequence,
    table_enum,
};

#define TABLE_COUNT    (sizeof tables / sizeof *tables)
#define CANDIDATES_MAX 128u

const struct func *func_at(uint32_t number)
{
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        for (const struct func *func = tables[t]; func->name != NULL; func++) {
            if (number-- == 0) {
                return func;
            }
        }
    }
    return NULL;
}

struct candidate {
    const struct func *func;
    uint32_t exact;
    uint32_t preferred;
    bool alive;
};

/* The declared type of an argument of a call, which may repeat a variadic function's last. */
static uint8_t declared(const struct func *func, uint32_t argument)
{
    return func->arguments[argument < func->argument_count ? argument : func->argument_count - 1u];
}

static bool takes_count(const struct func *func, uint32_t count)
{
    if ((func->flags & FUNC_VARIADIC) != 0) {
        return count >= func->argument_count;
    }
    return count == func->argument_count;
}

static bool reachable(const struct func *func, const struct type *types, uint32_t count)
{
    struct poly poly;
    if (!poly_solve(func, types, count, &poly)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t want = declared(func, i);
        const struct func *cast = NULL;
        if (types[i].id == TYPE_NONE || want == FUNC_ANY || want == FUNC_AS_TEXT ||
            want == FUNC_PRINTED) {
            continue;
        }
        struct type target = poly_type(want, types[i], &poly);
        if (!cast_find(types[i], target, FUNC_CAST_IMPLICIT, &cast)) {
            return false;
        }
    }
    return true;
}

/* Keeps the candidates that have the most of `score`; returns how many are left. */
static uint32_t keep_best(struct candidate *candidates, uint32_t count, bool by_preferred)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t score = by_preferred ? candidates[i].preferred : candidates[i].exact;
        if (candidates[i].alive && score > best) {
            best = score;
        }
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t score = by_preferred ? candidates[i].preferred : candidates[i].exact;
        candidates[i].alive = candidates[i].alive && score == best;
        left += candidates[i].alive;
    }
    return left;
}

static bool is_exactly(uint8_t want, struct type type)
{
    return want == type.id || (type.id == TYPE_ARRAY && want == FUNC_ARRAY_OF(type.element));
}

static void score(struct candidate *candidate, const struct type *types, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t want = declared(candidate->func, i);
        if (types[i].id == TYPE_NONE) {
            continue;
        }
        struct type type = poly_declared_type(want);
        bool exact = is_exactly(want, types[i]);
        candidate->exact += exact;
        candidate->preferred += exact || (!poly_is_open(want) && func_type_preferred(type) &&
                                          func_type_category(type) == func_type_category(types[i]));
    }
}

/* The category that an argument is declared of; pseudo-types have their own. */
static char declared_category(const struct func *func, uint32_t argument)
{
    uint8_t want = declared(func, argument);
    return poly_is_open(want) ? 'P' : func_type_category(poly_declared_type(want));
}

static bool declared_preferred(const struct func *func, uint32_t argument)
{
    uint8_t want = declared(func, argument);
    return !poly_is_open(want) && func_type_preferred(poly_declared_type(want));
}

/* The category that the candidates agree on for an unknown argument, strings first; 0: none. */
static char agreed_category(const struct candidate *candidates, uint32_t count, uint32_t argument,
                            bool *has_preferred)
{
    char category = 0;
    bool conflict = false;
    for (uint32_t i = 0; i < count; i++) {
        if (candidates[i].alive) {
            char this_category = declared_category(candidates[i].func, argument);
            conflict = conflict || (category != 0 && category != this_category);
            category = category == 0 || this_category == 'S' ? this_category : category;
        }
    }
    *has_preferred = false;
    for (uint32_t i = 0; i < count; i++) {
        *has_preferred =
            *has_preferred ||
            (candidates[i].alive && declared_category(candidates[i].func, argument) == category &&
             declared_preferred(candidates[i].func, argument));
    }
    return conflict && category != 'S' ? 0 : category;
}

/* Rule 4.e of 10.3: unknown literals take the category that candidates agree on, strings first. */
static uint32_t settle_unknown(struct candidate *candidates, uint32_t count,
                               const struct type *types, uint32_t argument_count)
{
    for (uint32_t a = 0; a < argument_count; a++) {
        if (types[a].id != TYPE_NONE) {
            continue;
        }
        bool has_preferred = false;
        char category = agreed_category(candidates, count, a, &has_preferred);
        if (category == 0) {
            return 2;
        }
        for (uint32_t i = 0; i < count; i++) {
            bool fits = declared_category(candidates[i].func, a) == category &&
                        (!has_preferred || declared_preferred(candidates[i].func, a));
            candidates[i].alive = candidates[i].alive && fits;
        }
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        left += candidates[i].alive;
    }
    return left;
}

/* The last rule: if all known arguments have one type, unknown ones are taken for that type. */
static uint32_t assume_same(struct candidate *candidates, uint32_t count, const struct type *types,
                            uint32_t argument_count)
{
    struct type known = type_of(TYPE_NONE);
    for (uint32_t a = 0; a < argument_count; a++) {
        if (types[a].id == TYPE_NONE) {
            continue;
        }
        if (known.id != TYPE_NONE && known.id != types[a].id) {
            return 2;
        }
        known = types[a];
    }
    if (known.id == TYPE_NONE) {
        return 2;
    }
    struct type assumed[FUNC_ARGUMENT_COUNT_MAX];
    for (uint32_t a = 0; a < argument_count; a++) {
        assumed[a] = known;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        candidates[i].alive =
            candidates[i].alive && reachable(candidates[i].func, assumed, argument_count);
        left += candidates[i].alive;
    }
    return left;
}

/* Declarations name vectors without a dimension: those of a call have that of the first known. */
static void settle_vectors(const struct type *types, uint32_t count, struct func_match *match)
{
    uint32_t dimension = 0;
    for (uint32_t i = 0; i < count && dimension == 0; i++) {
        dimension = types[i].id == TYPE_VECTOR ? types[i].parameter : 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (match->arguments[i].id == TYPE_VECTOR && match->arguments[i].parameter == 0) {
            match->arguments[i] = types[i].id == TYPE_VECTOR ? types[i] : match->arguments[i];
            match->arguments[i].parameter =
                types[i].id == TYPE_VECTOR ? types[i].parameter : dimension;
        }
    }
    if (match->result.id == TYPE_VECTOR && match->result.parameter == 0) {
        match->result.parameter = dimension;
    }
}

static enum func_found fill_match(const struct func *func, const struct type *types, uint32_t count,
                                  struct func_match *match)
{
    struct poly poly;
    if (!poly_solve(func, types, count, &poly)) {
        return FUNC_NOT_FOUND;
    }
    if (!poly_is_settled(&poly)) {
        return FUNC_INDETERMINATE;
    }
    match->func = func;
    for (uint32_t i = 0; i < count; i++) {
        match->arguments[i] = poly_type(declared(func, i), types[i], &poly);
    }
    match->result = poly_type(func->result, type_of(TYPE_NONE), &poly);
    settle_vectors(types, count, match);
    return FUNC_FOUND;
}

static uint32_t collect(const char *name, bool is_operator, const struct type *types,
                        uint32_t count, struct candidate *candidates, bool *known_out)
{
    uint32_t found = 0;
    *known_out = false;
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        for (const struct func *func = tables[t]; func->name != NULL; func++) {
            if (func->name[0] != name[0] || strcmp(func->name, name) != 0 ||
                is_operator != ((func->flags & FUNC_OPERATOR) != 0)) {
                continue;
            }
            *known_out = true;
            if (takes_count(func, count) && found < CANDIDATES_MAX &&
                reachable(func, types, count)) {
                candidates[found] = (struct candidate){.func = func, .alive = true};
                score(&candidates[found], types, count);
                found++;
            }
        }
    }
    return found;
}

/* True when nothing but unknown literals would decide the types of every candidate. */
static bool all_open(const struct candidate *candidates, uint32_t found, const struct type *types,
                     uint32_t count)
{
    bool open = true;
    for (uint32_t i = 0; i < found; i++) {
        struct poly poly;
        open =
            open && poly_solve(candidates[i].func, types, count, &poly) && !poly_is_settled(&poly);
    }
    return open;
}

enum func_found func_resolve(const char *name, bool is_operator, const struct type *types,
                             uint32_t count, struct func_match *match_out)
{
    if (count > FUNC_ARGUMENT_COUNT_MAX) {
        return FUNC_NOT_FOUND;
    }
    // An operator with one unknown side first takes it for the type of the other.
    struct type assumed[2];
    bool half_known =
        is_operator && count == 2 && (types[0].id == TYPE_NONE) != (types[1].id == TYPE_NONE);
    struct candidate candidates[CANDIDATES_MAX];
    bool known = false;
    name = is_operator ? name : func_alias(name);
    if (half_known) {
        assumed[0] = assumed[1] = types[0].id == TYPE_NONE ? types[1] : types[0];
        uint32_t found = collect(name, is_operator, assumed, count, candidates, &known);
        for (uint32_t i = 0; i < found; i++) {
            if (candidates[i].exact == 2) {
                return fill_match(candidates[i].func, assumed, count, match_out);
            }
        }
    }
    uint32_t found = collect(name, is_operator, types, count, candidates, &known);
    if (found == 0) {
        return known ? FUNC_NOT_FOUND : FUNC_NAME_UNKNOWN;
    }
    uint32_t left = found == 1 ? 1 : keep_best(candidates, found, false);
    left = left == 1 ? 1 : keep_best(candidates, found, true);
    left = left == 1 ? 1 : settle_unknown(candidates, found, types, count);
    left = left == 1 ? 1 : assume_same(candidates, found, types, count);
    if (left != 1) {
        return all_open(candidates, found, types, count) ? FUNC_INDETERMINATE : FUNC_AMBIGUOUS;
    }
    uint32_t chosen = 0;
    while (!candidates[chosen].alive) {
        chosen++;
    }
    return fill_match(candidates[chosen].func, types, count, match_out);
}

/* Edits (insert, delete, change, swap) between two short names, at most `limit`. */
static uint32_t distance(const char *left, const char *right, uint32_t limit)
{
    size_t left_size = strlen(left);
    size_t right_size = strlen(right);
    if (left_size > 63 || right_size > 63) {
        return limit + 1;
    }
    uint32_t rows[3][65];
    for (size_t j = 0; j <= right_size; j++) {
        rows[0][j] = (uint32_t)j;
    }
    for (size_t i = 1; i <= left_size; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i - 1) % 3];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= right_size; j++) {
            uint32_t best = above[j - 1] + (left[i - 1] != right[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] &&
                rows[(i - 2) % 3][j - 2] + 1 < best) {
                best = rows[(i - 2) % 3][j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[left_size % 3][right_size];
}

bool func_name_similar(const char *name, const char *candidate, uint32_t *distance_in_out)
{
    uint32_t limit = strlen(name) > 4 ? 2 : 1;
    uint32_t edits = distance(name, candidate, limit);
    if (edits > limit || edits >= *distance_in_out) {
        return false;
    }
    *distance_in_out = edits;
    return true;
}

const char *func_similar(const char *name)
{
    const char *best = NULL;
    uint32_t nearest = UINT32_MAX;
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        for (const struct func *func = tables[t]; func->name != NULL; func++) {
            if ((func->flags & FUNC_OPERATOR) == 0 &&
                func_name_similar(name, func->name, &nearest)) {
                best = func->name;
            }
        }
    }
    return best;
}
