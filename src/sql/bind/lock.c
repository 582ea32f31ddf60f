/* FOR UPDATE, FOR SHARE and their kin: which rows of which tables, and what may not stand beside.
 */

#include <string.h>

#include "sql/bind/bind_internal.h"

static const char *strength_name(const struct ast_locking *locking)
{
    static const char *const names[] = {NULL, "FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE",
                                        "FOR UPDATE"};
    return names[locking->strength];
}

/* Rows that were made from several rows cannot be locked. */
static tdbplus_status check_form(struct binder *binder, const struct bind_query *query,
                                 const struct ast_select *ast)
{
    const char *clause = ast->distinct                 ? "DISTINCT clause"
                         : ast->groups.count > 0       ? "GROUP BY clause"
                         : ast->having != NULL         ? "HAVING clause"
                         : query->aggregates.count > 0 ? "aggregate functions"
                         : query->calls.count > 0      ? "window functions"
                         : query->expansions.count > 0
                             ? "set-returning functions in the target list"
                             : NULL;
    if (clause == NULL) {
        return TDBPLUS_OK;
    }
    return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0, "%s is not allowed with %s",
                     strength_name((const struct ast_locking *)ast->locking.items[0]), clause);
}

static struct bind_lockable *find_table(const struct bind_query *query, const char *alias)
{
    for (uint32_t i = 0; i < query->tables.count; i++) {
        struct bind_lockable *table = query->tables.items[i];
        if (strcmp(table->alias, alias) == 0) {
            return table;
        }
    }
    return NULL;
}

static tdbplus_status lock_table(struct binder *binder, const struct ast_locking *locking,
                                 const struct bind_lockable *table, struct plan *lock)
{
    if (table->nullable) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         "%s cannot be applied to the nullable side of an outer join",
                         strength_name(locking));
    }
    for (uint32_t i = 0; i < lock->lock_count; i++) {
        // Named twice: the stronger lock, and the more impatient wait.
        struct plan_lock *other = &lock->locks[i];
        if (other->key_ids[0] == table->key_ids[0]) {
            other->strength =
                locking->strength > other->strength ? locking->strength : other->strength;
            other->wait = locking->wait > other->wait ? locking->wait : other->wait;
            return TDBPLUS_OK;
        }
    }
    if (table->access != NULL) {
        table->access->privileges |= PRIVILEGE_UPDATE;
    }
    uint32_t *ids = arena_array(binder->arena, table->key_count + 1u, sizeof *ids);
    if (ids == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(ids, table->key_ids, table->key_count * sizeof *ids);
    lock->locks[lock->lock_count++] = (struct plan_lock){.object_id = table->object_id,
                                                         .table_name = table->name,
                                                         .key_ids = ids,
                                                         .key_count = table->key_count,
                                                         .strength = locking->strength,
                                                         .wait = locking->wait};
    return TDBPLUS_OK;
}

static tdbplus_status lock_named(struct binder *binder, struct bind_query *query,
                                 const struct ast_locking *locking, struct plan *lock)
{
    for (uint32_t i = 0; i < locking->tables.count; i++) {
        const struct ast_table_ref *ref = (const struct ast_table_ref *)locking->tables.items[i];
        const struct bind_lockable *table = find_table(query, ref->name);
        if (table == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42P01", ref->ast.position,
                             "relation \"%s\" in %s clause not found in FROM clause", ref->name,
                             strength_name(locking));
        }
        TRY(lock_table(binder, locking, table, lock));
    }
    return TDBPLUS_OK;
}

/* The columns of `lock_out` are the keys, so that their types can be asked for. */
tdbplus_status bind_locks(struct binder *binder, struct bind_query *query,
                          const struct ast_select *ast, struct plan **lock_out)
{
    TRY(check_form(binder, query, ast));
    uint32_t keys = 0;
    for (uint32_t i = 0; i < query->tables.count; i++) {
        keys += ((const struct bind_lockable *)query->tables.items[i])->key_count;
    }
    struct plan *lock = plan_make(binder->arena, PLAN_LOCK, keys);
    if (lock == NULL) {
        return bind_no_memory(binder);
    }
    lock->locks = arena_array(binder->arena, query->tables.count + 1u, sizeof *lock->locks);
    if (lock->locks == NULL) {
        return bind_no_memory(binder);
    }
    keys = 0;
    for (uint32_t i = 0; i < query->tables.count; i++) {
        const struct bind_lockable *table = query->tables.items[i];
        for (uint32_t k = 0; k < table->key_count; k++) {
            lock->columns[keys++] =
                (struct plan_column){.id = table->key_ids[k], .type = table->key_types[k]};
        }
    }
    for (uint32_t i = 0; i < ast->locking.count; i++) {
        const struct ast_locking *locking = (const struct ast_locking *)ast->locking.items[i];
        TRY(lock_named(binder, query, locking, lock));
        for (uint32_t t = 0; locking->tables.count == 0 && t < query->tables.count; t++) {
            TRY(lock_table(binder, locking, query->tables.items[t], lock));
        }
    }
    *lock_out = lock;
    return TDBPLUS_OK;
}

tdbplus_status bind_note_table(struct binder *binder, struct bind_query *query,
                               const struct object *object, const char *alias,
                               const struct plan *scan)
{
    const struct schema *schema = object->schema;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        // A hidden key that is not read.
        if (schema->key_columns[k] >= scan->column_count) {
            return TDBPLUS_OK;
        }
    }
    struct bind_lockable *table = arena_array(binder->arena, 1, sizeof *table);
    if (table == NULL || !pointers_push(binder->arena, &query->tables, table)) {
        return bind_no_memory(binder);
    }
    table->alias = alias;
    table->scan = scan;
    table->name = scan->scan.table_name;
    table->object_id = object->id;
    table->key_ids = arena_array(binder->arena, schema->key_count + 1u, sizeof(uint32_t));
    table->key_types = arena_array(binder->arena, schema->key_count + 1u, sizeof(struct type));
    if (table->key_ids == NULL || table->key_types == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t k = 0; k < schema->key_count; k++) {
        table->key_ids[k] = scan->columns[schema->key_columns[k]].id;
        table->key_types[k] = scan->columns[schema->key_columns[k]].type;
    }
    table->key_count = schema->key_count;
    return TDBPLUS_OK;
}
