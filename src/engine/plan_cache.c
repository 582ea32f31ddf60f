#include "engine/plan_cache.h"

#include <string.h>

#include "base/hash.h"
#include "engine/session.h"

static void let_go(struct plan_entry *entry)
{
    if (entry == NULL || atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (entry->spare != NULL) {
        result_destroy(entry->spare);
    }
    sql_prepared_destroy(entry->prepared);
    sql_script_destroy(entry->script);
    alloc_free(entry->alloc, entry, sizeof *entry + entry->text_size, 1);
}

void plan_cache_deinit(struct plan_cache *cache)
{
    for (uint32_t i = 0; i < PLAN_CACHE_COUNT; i++) {
        let_go(cache->entries[i]);
        cache->entries[i] = NULL;
    }
}

struct plan_entry *plan_entry_make(struct sql_script *script, struct sql_prepared *prepared,
                                   const struct alloc *alloc)
{
    struct plan_entry *entry = alloc_array(alloc, sizeof *entry, 1);
    if (entry != NULL) {
        entry->alloc = alloc;
        entry->script = script;
        entry->prepared = prepared;
        atomic_init(&entry->busy, true);
        atomic_init(&entry->refs, 1);
    }
    return entry;
}

struct plan_entry *plan_entry_share(struct plan_entry *entry)
{
    atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
    return entry;
}

void plan_entry_release(struct plan_entry *entry)
{
    let_go(entry);
}

void plan_release(struct plan_entry *entry)
{
    if (entry != NULL) {
        atomic_store_explicit(&entry->busy, false, memory_order_release);
        let_go(entry);
    }
}

/* Of a datum its type counts, null or not; modifiers of its type do not change a plan. */
static uint32_t kind_of(const struct parameter_list *parameters, uint32_t number)
{
    if (parameters->datums != NULL) {
        struct type type = parameters->datums[number].type;
        return 0x10000u | (uint32_t)type.element << 8 | type.id;
    }
    const tdbplus_value *value = &parameters->values[number];
    return (uint32_t)value->type * 2u + (value->is_null ? 1u : 0u);
}

static bool is_same(const struct plan_entry *entry, uint64_t hash, struct span text,
                    const struct parameter_list *parameters)
{
    if (entry == NULL || entry->hash != hash || entry->text_size != text.size ||
        entry->parameter_count != parameters->count ||
        memcmp(entry->text, text.data, text.size) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < parameters->count; i++) {
        if (entry->kinds[i] != kind_of(parameters, i)) {
            return false;
        }
    }
    return true;
}

static bool fits(struct span text, uint32_t count)
{
    return text.size > 0 && text.size <= PLAN_TEXT_SIZE_MAX && count <= PLAN_PARAMETERS_MAX;
}

static uint32_t find_place(const struct plan_cache *cache, struct span text,
                           const struct parameter_list *parameters)
{
    if (!fits(text, parameters->count)) {
        return PLAN_CACHE_COUNT;
    }
    uint64_t hash = hash_bytes(text, parameters->count);
    uint32_t place = 0;
    while (place < PLAN_CACHE_COUNT && !is_same(cache->entries[place], hash, text, parameters)) {
        place++;
    }
    return place;
}

uint8_t plan_cache_kind(const struct plan_cache *cache, struct span text,
                        const struct parameter_list *parameters)
{
    uint32_t place = find_place(cache, text, parameters);
    return place == PLAN_CACHE_COUNT ? 0 : sql_statement_kind(cache->entries[place]->script, 0);
}

struct plan_entry *plan_cache_find(struct plan_cache *cache, struct span text,
                                   const struct parameter_list *parameters, struct txn *txn)
{
    uint32_t place = find_place(cache, text, parameters);
    struct plan_entry *entry = place == PLAN_CACHE_COUNT ? NULL : cache->entries[place];
    if (entry == NULL || atomic_load_explicit(&entry->busy, memory_order_acquire)) {
        return NULL;
    }
    if (!sql_prepared_valid(entry->prepared, txn)) {
        cache->entries[place] = NULL;
        let_go(entry);
        return NULL;
    }
    plan_use(cache, entry);
    return entry;
}

struct plan_entry *plan_cache_peek(const struct plan_cache *cache, struct span text,
                                   const struct parameter_list *parameters)
{
    uint32_t place = find_place(cache, text, parameters);
    struct plan_entry *entry = place == PLAN_CACHE_COUNT ? NULL : cache->entries[place];
    return entry == NULL || atomic_load_explicit(&entry->busy, memory_order_acquire) ? NULL : entry;
}

void plan_use(struct plan_cache *cache, struct plan_entry *entry)
{
    entry->used = ++cache->uses;
    atomic_store_explicit(&entry->busy, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
}

/* A free place, or that of the plan not used for longest. */
static uint32_t choose_place(const struct plan_cache *cache)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < PLAN_CACHE_COUNT; i++) {
        if (cache->entries[i] == NULL) {
            return i;
        }
        if (cache->entries[i]->used < cache->entries[best]->used) {
            best = i;
        }
    }
    return best;
}

struct plan_entry *plan_cache_add(struct plan_cache *cache, struct span text,
                                  const struct parameter_list *parameters,
                                  struct sql_script *script, struct sql_prepared *prepared,
                                  const struct alloc *alloc)
{
    if (!fits(text, parameters->count) || !sql_prepared_reusable(prepared)) {
        return NULL;
    }
    struct plan_entry *entry = alloc_array(alloc, sizeof *entry + text.size, 1);
    if (entry == NULL) {
        return NULL;
    }
    entry->alloc = alloc;
    entry->hash = hash_bytes(text, parameters->count);
    entry->used = ++cache->uses;
    entry->script = script;
    entry->prepared = prepared;
    entry->text_size = text.size;
    point_of(prepared, &entry->point);
    entry->parameter_count = parameters->count;
    for (uint32_t i = 0; i < parameters->count; i++) {
        entry->kinds[i] = kind_of(parameters, i);
    }
    memcpy(entry->text, text.data, text.size);
    atomic_init(&entry->busy, true);
    atomic_init(&entry->refs, 2);
    uint32_t place = choose_place(cache);
    let_go(cache->entries[place]);
    cache->entries[place] = entry;
    return entry;
}
