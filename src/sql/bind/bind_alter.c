/* ALTER TABLE, one command at a time: each is bound when the ones before it have been done. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/alter.h"

static tdbplus_status copy_schema(struct altering *altering)
{
    struct binder *binder = altering->binder;
    const struct schema *from = altering->object->schema;
    struct schema *to = &altering->schema;
    *to = *from;
    to->columns = arena_array(binder->arena, from->column_count + 2u, sizeof *to->columns);
    to->key_columns = arena_array(binder->arena, from->key_count + 2u, sizeof(uint32_t));
    if (to->columns == NULL || to->key_columns == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(to->columns, from->columns, from->column_count * sizeof *to->columns);
    memcpy(to->key_columns, from->key_columns, from->key_count * sizeof(uint32_t));
    return TDBPLUS_OK;
}

tdbplus_status alter_keep_schema(struct altering *altering)
{
    struct schema *schema = arena_array(altering->binder->arena, 1, sizeof *schema);
    if (schema == NULL) {
        return bind_no_memory(altering->binder);
    }
    *schema = altering->schema;
    altering->step->schema = schema;
    return TDBPLUS_OK;
}

tdbplus_status alter_keep_info(struct altering *altering)
{
    struct table_info *info = arena_array(altering->binder->arena, 1, sizeof *info);
    if (info == NULL) {
        return bind_no_memory(altering->binder);
    }
    *info = altering->info;
    altering->step->info = info;
    return TDBPLUS_OK;
}

tdbplus_status alter_find_column(const struct altering *altering, const char *name,
                                 uint32_t *position_out)
{
    int32_t at = schema_find_name(&altering->schema, name);
    bool hidden = altering->info.hidden_key && at + 1 == (int32_t)altering->schema.column_count;
    if (at < 0 || hidden) {
        return bind_fail(altering->binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                         "column \"%s\" of relation \"%s\" does not exist", name, altering->name);
    }
    *position_out = (uint32_t)at;
    return TDBPLUS_OK;
}

static bool is_key(const struct altering *altering, uint32_t position)
{
    for (uint32_t k = 0; k < altering->schema.key_count; k++) {
        if (altering->schema.key_columns[k] == position) {
            return true;
        }
    }
    return false;
}

/* The table's columns under the ids of their positions plus one. */
static tdbplus_status name_columns(const struct altering *altering, struct bind_query *query)
{
    const struct schema *schema = altering->object->schema;
    uint32_t visible = schema->column_count - (altering->info.hidden_key ? 1u : 0u);
    for (uint32_t i = 0; i < visible; i++) {
        struct bind_column column = {.table = altering->name,
                                     .name = schema->columns[i].name,
                                     .id = i + 1,
                                     .type = schema->columns[i].type};
        TRY(bind_add_column(altering->binder, query, &column));
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_exprs(struct altering *altering, uint32_t count)
{
    altering->step->exprs = arena_array(altering->binder->arena, count + 1u, sizeof(struct expr *));
    return altering->step->exprs == NULL ? bind_no_memory(altering->binder) : TDBPLUS_OK;
}

tdbplus_status alter_drop_oid(struct altering *altering, uint64_t oid)
{
    struct bound_alter *step = altering->step;
    uint64_t *oids = arena_array(altering->binder->arena, step->drop_count + 1u, sizeof *oids);
    if (oids == NULL) {
        return bind_no_memory(altering->binder);
    }
    if (step->drop_count > 0) {
        memcpy(oids, step->drops, step->drop_count * sizeof *oids);
    }
    oids[step->drop_count++] = oid;
    step->drops = oids;
    return TDBPLUS_OK;
}

/* Whether an expression kept as text reads the column. */
tdbplus_status alter_text_reads(const struct altering *altering, const char *text,
                                uint32_t position, bool *reads_out)
{
    struct bind_query query = {.clause = CLAUSE_CHECK};
    struct expr *expr = NULL;
    TRY(name_columns(altering, &query));
    TRY(bind_stored_text(altering->binder, &query, text, &expr));
    *reads_out = bind_reads_id(expr, position + 1);
    return TDBPLUS_OK;
}

/* ---- views and the like that read a column ---- */

static tdbplus_status dependents_of(struct altering *altering, uint64_t oid, uint32_t column_id,
                                    struct list *oids)
{
    list_init(oids, altering->binder->arena->alloc, sizeof(uint64_t));
    tdbplus_status status =
        catalog_dependents(altering->binder->txn, oid, column_id, oids, altering->binder->err);
    if (status != TDBPLUS_OK) {
        list_deinit(oids);
    }
    return status;
}

static tdbplus_status drop_with_dependents(struct altering *altering, uint64_t oid, uint32_t depth)
{
    struct list oids;
    TRY(dependents_of(altering, oid, 0, &oids));
    tdbplus_status status = TDBPLUS_OK;
    for (size_t i = 0; status == TDBPLUS_OK && depth < 100 && i < oids.count; i++) {
        status = drop_with_dependents(altering, *(const uint64_t *)list_at(&oids, i), depth + 1);
    }
    list_deinit(&oids);
    TRY(status);
    return alter_drop_oid(altering, oid);
}

static tdbplus_status drop_readers(struct altering *altering, const struct schema_column *column)
{
    struct list oids;
    struct binder *binder = altering->binder;
    TRY(dependents_of(altering, altering->object->id, column->id, &oids));
    tdbplus_status status = TDBPLUS_OK;
    struct catalog_entry entry;
    if (oids.count > 0 && !altering->command->cascade &&
        catalog_entry_by_oid(binder->txn, *(const uint64_t *)list_at(&oids, 0), &entry)) {
        status = bind_fail(binder, TDBPLUS_E_SQL, "2BP01", 0,
                           "cannot drop column %s of table %s because other objects depend on it",
                           column->name, altering->name);
        err_detail(binder->err, "%s %s depends on column %s of table %s", bind_entry_kind(&entry),
                   entry.name, column->name, altering->name);
        err_hint(binder->err, "Use DROP ... CASCADE to drop the dependent objects too.");
    }
    for (size_t i = 0; status == TDBPLUS_OK && i < oids.count; i++) {
        status = drop_with_dependents(altering, *(const uint64_t *)list_at(&oids, i), 0);
    }
    list_deinit(&oids);
    return status;
}

/* ---- ADD COLUMN ---- */

/* Written into all rows, which checks it where there are some. */
static tdbplus_status new_domain_value(struct altering *altering, const struct bound_create *create,
                                       uint32_t position, uint64_t domain)
{
    struct binder *binder = altering->binder;
    const struct schema_column *column = &create->schema->columns[position];
    const struct table_text *text = table_find_default(&create->info, column->id);
    struct bind_query query = {.clause = CLAUSE_DEFAULT};
    struct datum null = {.type = column->type, .is_null = true};
    struct expr *expr = expr_constant(binder->arena, &null);
    const char *default_text = text == NULL ? NULL : text->text;
    TRY(expr == NULL ? bind_no_memory(binder) : TDBPLUS_OK);
    TRY(text == NULL ? bind_domain_default(binder, domain, &default_text) : TDBPLUS_OK);
    if (default_text != NULL) {
        TRY(bind_stored_text(binder, &query, default_text, &expr));
        TRY(bind_assign(binder, column, &expr));
    }
    TRY(bind_enter_domain(binder, domain, &expr));
    TRY(make_exprs(altering, create->schema->column_count));
    altering->step->exprs[position] = expr;
    return TDBPLUS_OK;
}

static tdbplus_status new_value(struct altering *altering, const struct bound_create *create,
                                uint32_t position)
{
    struct binder *binder = altering->binder;
    struct bound_alter *step = altering->step;
    const struct schema_column *column = &create->schema->columns[position];
    const struct table_text *text = table_find_default(&create->info, column->id);
    struct bind_query query = {.clause = CLAUSE_DEFAULT};
    struct expr *expr = NULL;
    uint64_t domain = table_find_domain(&create->info, column->id);
    step->new_position = position;
    if (domain != 0 && (text == NULL || text->kind == TABLE_DEFAULT)) {
        return new_domain_value(altering, create, position, domain);
    }
    if (text == NULL) {
        return TDBPLUS_OK;
    }
    if (text->text[0] == 0 && text->sequence == 0) {
        step->new_sequence = true; // Its number is known when it is made.
        return make_exprs(altering, create->schema->column_count);
    }
    if (text->text[0] == 0) {
        TRY(bind_next_of(binder, text->sequence, &expr));
    } else {
        TRY(text->kind == TABLE_GENERATED ? name_columns(altering, &query) : TDBPLUS_OK);
        TRY(bind_stored_text(binder, &query, text->text, &expr));
    }
    TRY(bind_assign(binder, column, &expr));
    if (text->kind != TABLE_GENERATED && !expr_volatile(expr)) {
        step->missing = expr; // One value for all rows: no row is written.
        return TDBPLUS_OK;
    }
    TRY(make_exprs(altering, create->schema->column_count));
    step->exprs[position] = expr;
    return TDBPLUS_OK;
}

/* What was added beside what was there before. */
static tdbplus_status keep_added(struct altering *altering, const struct bound_create *create)
{
    struct bound_alter *step = altering->step;
    step->added = arena_array(altering->binder->arena, 1, sizeof *step->added);
    if (step->added == NULL) {
        return bind_no_memory(altering->binder);
    }
    *step->added = *create;
    altering->info = create->info;
    TRY(alter_keep_info(altering));
    for (uint32_t i = altering->old_check_count; i < create->info.check_count; i++) {
        const struct table_text *check = &create->info.checks[i];
        if (!check->not_valid) {
            step->check = check;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_column(struct altering *altering)
{
    struct bound_create create = {0};
    const struct ast_column_definition *definition =
        (const struct ast_column_definition *)altering->command->definition;
    if (schema_find_name(&altering->schema, definition->name) >= 0) {
        return altering->command->missing_ok
                   ? TDBPLUS_OK
                   : bind_fail(altering->binder, TDBPLUS_E_EXISTS, "42701", 0,
                               "column \"%s\" of relation \"%s\" already exists", definition->name,
                               altering->name);
    }
    TRY(bind_extend_table(altering->binder, altering->object, &definition->ast, &create));
    altering->schema = *create.schema;
    uint32_t position = create.schema->column_count - (create.info.hidden_key ? 2u : 1u);
    TRY(new_value(altering, &create, position));
    TRY(alter_keep_schema(altering));
    altering->step->new_column = true;
    return keep_added(altering, &create);
}

/* ---- DROP COLUMN ---- */

/* There is room for it: a domain takes the place of another one, or goes. */
static void set_domain(struct table_info *info, uint32_t column_id, uint64_t oid)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < info->domain_count; i++) {
        if (info->domains[i].column_id != column_id) {
            info->domains[kept++] = info->domains[i];
        }
    }
    if (oid != 0) {
        info->domains[kept++] = (struct table_domain){.column_id = column_id, .oid = oid};
    }
    info->domain_count = kept;
}

void alter_remove_texts(struct table_info *info, uint32_t column_id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < info->default_count; i++) {
        if (info->defaults[i].column_id != column_id) {
            info->defaults[kept++] = info->defaults[i];
        }
    }
    info->default_count = kept;
    set_domain(info, column_id, 0);
}

static tdbplus_status check_generated(struct altering *altering, uint32_t position)
{
    const struct schema_column *column = &altering->schema.columns[position];
    for (uint32_t i = 0; i < altering->info.default_count; i++) {
        const struct table_text *text = &altering->info.defaults[i];
        bool reads = false;
        if (text->kind != TABLE_GENERATED || text->column_id == column->id) {
            continue;
        }
        TRY(alter_text_reads(altering, text->text, position, &reads));
        int32_t at = schema_find_id(&altering->schema, text->column_id);
        if (!reads || at < 0) {
            continue;
        }
        const char *user = altering->schema.columns[at].name;
        if (altering->command->alter_kind == AST_ALTER_TYPE) {
            tdbplus_status status =
                bind_fail(altering->binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                          "cannot alter type of a column used by a generated column");
            err_detail(altering->binder->err, "Column \"%s\" is used by generated column \"%s\".",
                       column->name, user);
            return status;
        }
        tdbplus_status status =
            bind_fail(altering->binder, TDBPLUS_E_SQL, "2BP01", 0,
                      "cannot drop column %s of table %s because other objects depend on it",
                      column->name, altering->name);
        err_detail(altering->binder->err, "column %s of table %s depends on column %s of table %s",
                   user, altering->name, column->name, altering->name);
        err_hint(altering->binder->err, "Use DROP ... CASCADE to drop the dependent objects too.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status remove_checks(struct altering *altering, uint32_t position)
{
    struct table_info *info = &altering->info;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < info->check_count; i++) {
        bool reads = false;
        TRY(alter_text_reads(altering, info->checks[i].text, position, &reads));
        if (!reads) {
            info->checks[kept++] = info->checks[i];
        }
    }
    info->check_count = kept;
    return TDBPLUS_OK;
}

static bool has_id(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static tdbplus_status index_reads(struct altering *altering, const struct index_def *def,
                                  uint32_t position, bool *reads_out)
{
    *reads_out = index_uses_column(def, altering->schema.columns[position].id);
    for (uint32_t i = 0; !*reads_out && i < def->column_count; i++) {
        if (def->columns[i].column_id == 0) {
            TRY(alter_text_reads(altering, def->columns[i].expression, position, reads_out));
        }
    }
    return *reads_out || def->predicate == NULL
               ? TDBPLUS_OK
               : alter_text_reads(altering, def->predicate, position, reads_out);
}

static tdbplus_status refuse_referenced(struct altering *altering, const struct object *part,
                                        const char *what)
{
    struct binder *binder = altering->binder;
    const struct object *child = txn_object_by_id(binder->txn, part->parent);
    tdbplus_status status = bind_fail(
        binder, TDBPLUS_E_SQL, "2BP01", 0,
        "cannot drop %s on table %s because other objects depend on it", what, altering->name);
    err_detail(binder->err, "constraint %s on table %s depends on %s on table %s",
               catalog_own_name(part->name), child == NULL ? "" : catalog_own_name(child->name),
               what, altering->name);
    err_hint(binder->err, "Use DROP ... CASCADE to drop the dependent objects too.");
    return status;
}

/* Foreign keys that refer by an index (0: the key) go with it, or are in the way. */
static tdbplus_status drop_references(struct altering *altering, uint64_t index, const char *what)
{
    const struct object *part = NULL;
    for (uint32_t i = 0;
         (part = txn_part_at(altering->binder->txn, altering->object->id, i)) != NULL; i++) {
        struct foreign_def def = {0};
        if (part->kind != OBJECT_FOREIGN_KEY || part->other != altering->object->id) {
            continue;
        }
        TRY(foreign_def_decode(part->properties, altering->binder->arena, &def,
                               altering->binder->err));
        if (def.index != index) {
            continue;
        }
        if (!altering->command->cascade) {
            return refuse_referenced(altering, part, what);
        }
        TRY(alter_drop_oid(altering, part->id));
    }
    return TDBPLUS_OK;
}

/* Indexes and foreign keys that read the column. */
static tdbplus_status drop_parts(struct altering *altering, uint32_t position)
{
    const struct object *part = NULL;
    struct binder *binder = altering->binder;
    uint32_t id = altering->schema.columns[position].id;
    for (uint32_t i = 0; (part = txn_part_at(binder->txn, altering->object->id, i)) != NULL; i++) {
        bool reads = false;
        if (part->kind == OBJECT_INDEX) {
            struct index_def def = {0};
            TRY(index_def_decode(part->properties, binder->arena, &def, binder->err));
            TRY(index_reads(altering, &def, position, &reads));
            if (reads && def.unique) {
                char what[200];
                (void)snprintf(what, sizeof what, "constraint %s", catalog_own_name(part->name));
                TRY(drop_references(altering, part->id, what));
            }
        } else {
            struct foreign_def def = {0};
            TRY(foreign_def_decode(part->properties, binder->arena, &def, binder->err));
            reads =
                part->parent == altering->object->id && has_id(def.columns, def.column_count, id);
        }
        if (reads) {
            TRY(alter_drop_oid(altering, part->id));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status drop_sequences(struct altering *altering, uint32_t column_id)
{
    struct catalog_entry entry = {0};
    while (catalog_entry_next(altering->binder->txn, CATALOG_SEQUENCE, &entry)) {
        struct sequence_def def = {0};
        if (entry.owner == altering->object->id &&
            sequence_decode(&entry, &def, NULL) == TDBPLUS_OK && def.column == column_id) {
            TRY(alter_drop_oid(altering, entry.oid));
        }
    }
    return TDBPLUS_OK;
}

/* The rows get a hidden key, for what was their key goes. */
static tdbplus_status hide_key(struct altering *altering)
{
    struct schema *schema = &altering->schema;
    struct schema_column *hidden = &schema->columns[schema->column_count];
    char what[200];
    (void)snprintf(what, sizeof what, "constraint %s%s",
                   altering->info.key_name != NULL ? altering->info.key_name : altering->name,
                   altering->info.key_name != NULL ? "" : "_pkey");
    TRY(drop_references(altering, 0, what));
    *hidden = (struct schema_column){.id = schema->column_id_next++,
                                     .not_null = true,
                                     .type = type_of(TYPE_INT8),
                                     .name = TABLE_HIDDEN_KEY_NAME,
                                     .missing = {.type = type_of(TYPE_INT8), .is_null = true}};
    schema->key_columns[0] = schema->column_count++;
    schema->key_count = 1;
    altering->info.hidden_key = true;
    altering->info.key_name = NULL;
    altering->step->new_hidden_key = true;
    return make_exprs(altering, schema->column_count);
}

static tdbplus_status drop_column(struct altering *altering)
{
    struct schema *schema = &altering->schema;
    uint32_t position = 0;
    const char *name = altering->command->name;
    if (altering->command->missing_ok && schema_find_name(schema, name) < 0) {
        return TDBPLUS_OK;
    }
    TRY(alter_find_column(altering, name, &position));
    struct schema_column column = schema->columns[position];
    TRY(drop_readers(altering, &column));
    TRY(check_generated(altering, position));
    TRY(remove_checks(altering, position));
    TRY(drop_parts(altering, position));
    TRY(drop_sequences(altering, column.id));
    alter_remove_texts(&altering->info, column.id);
    if (is_key(altering, position)) {
        TRY(hide_key(altering));
    }
    memmove(&schema->columns[position], &schema->columns[position + 1],
            (schema->column_count - position - 1) * sizeof *schema->columns);
    schema->column_count--;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        schema->key_columns[k] -= schema->key_columns[k] > position ? 1 : 0;
    }
    TRY(alter_keep_schema(altering));
    return alter_keep_info(altering);
}

/* ---- ALTER COLUMN ---- */

const struct table_text *alter_text_of(const struct altering *altering, uint32_t position)
{
    return table_find_default(&altering->info, altering->schema.columns[position].id);
}

bool alter_is_identity(const struct table_text *text)
{
    return text != NULL &&
           (text->kind == TABLE_IDENTITY_ALWAYS || text->kind == TABLE_IDENTITY_DEFAULT);
}

static tdbplus_status refuse_kind(const struct altering *altering, const char *column,
                                  const char *what)
{
    return bind_fail(altering->binder, TDBPLUS_E_SYNTAX, "42601", 0,
                     "column \"%s\" of relation \"%s\" is %s", column, altering->name, what);
}

static tdbplus_status set_default(struct altering *altering)
{
    struct binder *binder = altering->binder;
    uint32_t position = 0;
    TRY(alter_find_column(altering, altering->command->name, &position));
    const struct schema_column *column = &altering->schema.columns[position];
    const struct table_text *text = alter_text_of(altering, position);
    if (alter_is_identity(text)) {
        return refuse_kind(altering, column->name, "an identity column");
    }
    if (text != NULL && text->kind == TABLE_GENERATED) {
        return refuse_kind(altering, column->name, "a generated column");
    }
    alter_remove_texts(&altering->info, column->id);
    if (altering->command->definition != NULL) {
        struct bind_query query = {.clause = CLAUSE_DEFAULT};
        struct expr *expr = NULL;
        bool done = false;
        TRY(bind_expression(binder, &query, altering->command->definition, &expr));
        char have[64];
        bind_show_type(binder, expr->type, have);
        TRY(bind_try_coerce(binder, &expr, column->type, FUNC_CAST_ASSIGNMENT, &done));
        if (!done) {
            char want[64];
            bind_show_type(binder, column->type, want);
            return bind_fail(binder, TDBPLUS_E_TYPE, "42804", 0,
                             "column \"%s\" is of type %s but default expression is of type %s",
                             column->name, want, have);
        }
        struct table_text *fresh = &altering->info.defaults[altering->info.default_count++];
        *fresh = (struct table_text){.column_id = column->id};
        fresh->text = arena_text(binder->arena, bind_slice_set_default(binder->text, column->name));
        if (fresh->text == NULL) {
            return bind_no_memory(binder);
        }
    }
    return alter_keep_info(altering);
}

static tdbplus_status set_not_null(struct altering *altering)
{
    bool on = altering->command->alter_kind == AST_ALTER_SET_NOT_NULL;
    uint32_t position = 0;
    TRY(alter_find_column(altering, altering->command->name, &position));
    struct schema_column *column = &altering->schema.columns[position];
    if (!on && is_key(altering, position)) {
        return bind_fail(altering->binder, TDBPLUS_E_SQL, "42P16", 0,
                         "column \"%s\" is in a primary key", column->name);
    }
    if (!on && alter_is_identity(alter_text_of(altering, position))) {
        return refuse_kind(altering, column->name, "an identity column");
    }
    if (column->not_null == on) {
        return TDBPLUS_OK;
    }
    column->not_null = on;
    altering->step->no_nulls = on ? column->name : NULL;
    return alter_keep_schema(altering);
}

static tdbplus_status check_views(struct altering *altering, const struct schema_column *column)
{
    struct list oids;
    struct catalog_entry entry;
    TRY(dependents_of(altering, altering->object->id, column->id, &oids));
    tdbplus_status status = TDBPLUS_OK;
    if (oids.count > 0 &&
        catalog_entry_by_oid(altering->binder->txn, *(const uint64_t *)list_at(&oids, 0), &entry)) {
        status = bind_fail(altering->binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                           "cannot alter type of a column used by a view or rule");
        err_detail(altering->binder->err, "rule _RETURN on view %s depends on column \"%s\"",
                   entry.name, column->name);
    }
    list_deinit(&oids);
    return status;
}

static tdbplus_status cast_value(struct altering *altering, const struct ast *using_value,
                                 uint32_t position, struct type type, struct expr **expr_out)
{
    struct binder *binder = altering->binder;
    struct bind_query query = {.clause = CLAUSE_UPDATE};
    const struct schema_column *column = &altering->schema.columns[position];
    struct schema_column wanted = *column;
    bool done = false;
    char name[64];
    wanted.type = type;
    if (using_value != NULL) {
        TRY(name_columns(altering, &query));
        TRY(bind_expression(binder, &query, using_value, expr_out));
    } else {
        *expr_out = expr_column(binder->arena, position + 1, column->type);
    }
    if (*expr_out == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_try_coerce(binder, expr_out, wanted.type, FUNC_CAST_ASSIGNMENT, &done));
    if (done) {
        return TDBPLUS_OK;
    }
    bind_show_type(binder, type, name);
    tdbplus_status status =
        using_value != NULL
            ? bind_fail(binder, TDBPLUS_E_TYPE, "42804", 0,
                        "result of USING clause for column \"%s\" cannot be cast automatically to "
                        "type %s",
                        column->name, name)
            : bind_fail(binder, TDBPLUS_E_TYPE, "42804", 0,
                        "column \"%s\" cannot be cast automatically to type %s", column->name,
                        name);
    err_hint(binder->err,
             using_value != NULL ? "You might need to add an explicit cast."
                                 : "You might need to specify \"USING %s::%s\".",
             column->name, name);
    return status;
}

static tdbplus_status check_default(struct altering *altering, uint32_t position, struct type type)
{
    const struct table_text *text = alter_text_of(altering, position);
    struct bind_query query = {.clause = CLAUSE_DEFAULT};
    struct expr *expr = NULL;
    bool done = true;
    if (text == NULL || text->text[0] == 0 || text->kind != TABLE_DEFAULT) {
        return TDBPLUS_OK;
    }
    TRY(bind_stored_text(altering->binder, &query, text->text, &expr));
    TRY(bind_try_coerce(altering->binder, &expr, altering->schema.columns[position].type,
                        FUNC_CAST_ASSIGNMENT, &done));
    TRY(bind_try_coerce(altering->binder, &expr, type, FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        char name[64];
        bind_show_type(altering->binder, type, name);
        return bind_fail(altering->binder, TDBPLUS_E_TYPE, "42804", 0,
                         "default for column \"%s\" cannot be cast automatically to type %s",
                         altering->schema.columns[position].name, name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status alter_type(struct altering *altering)
{
    const struct ast_column_definition *definition =
        (const struct ast_column_definition *)altering->command->definition;
    struct type type = {0};
    struct expr *expr = NULL;
    uint32_t position = 0;
    uint64_t domain = 0;
    TRY(alter_find_column(altering, altering->command->name, &position));
    struct schema_column *column = &altering->schema.columns[position];
    uint64_t old_domain = table_find_domain(&altering->info, column->id);
    TRY(bind_type_domain(altering->binder, definition->type, &type, &domain));
    TRY(check_views(altering, column));
    TRY(check_generated(altering, position));
    if (alter_text_of(altering, position) != NULL &&
        alter_is_identity(alter_text_of(altering, position)) && type.id != TYPE_INT2 &&
        type.id != TYPE_INT4 && type.id != TYPE_INT8) {
        return bind_fail(altering->binder, TDBPLUS_E_INVALID, "22023", 0,
                         "identity column type must be smallint, integer, or bigint");
    }
    if (is_key(altering, position) && !key_type_allowed(type)) {
        return bind_unsupported(altering->binder, 0, "a primary key of this type");
    }
    if (type_equal(type, column->type) && definition->default_value == NULL &&
        domain == old_domain) {
        return TDBPLUS_OK;
    }
    TRY(cast_value(altering, definition->default_value, position, type, &expr));
    TRY(bind_enter_domain(altering->binder, domain, &expr));
    if (domain != old_domain) {
        set_domain(&altering->info, column->id, domain);
        TRY(alter_keep_info(altering));
    }
    TRY(check_default(altering, position, type));
    TRY(make_exprs(altering, altering->schema.column_count));
    altering->step->exprs[position] = expr;
    column->type = type;
    column->missing = (struct datum){.type = type, .is_null = true};
    return alter_keep_schema(altering);
}

/* ---- constraints ---- */

static tdbplus_status add_constraint(struct altering *altering)
{
    const struct ast_constraint *ast = (const struct ast_constraint *)altering->command->definition;
    struct bound_create create = {0};
    if (ast->index != NULL) {
        return bind_unsupported(altering->binder, 0, "a constraint USING INDEX");
    }
    if (ast->not_valid && ast->constraint_kind == AST_CONSTRAINT_FOREIGN) {
        return bind_unsupported(altering->binder, 0, "a NOT VALID foreign key");
    }
    TRY(bind_extend_table(altering->binder, altering->object, &ast->ast, &create));
    if (ast->constraint_kind == AST_CONSTRAINT_PRIMARY) {
        altering->schema = *create.schema;
        TRY(alter_keep_schema(altering));
        TRY(make_exprs(altering, create.schema->column_count));
        altering->step->new_key = true;
    }
    return keep_added(altering, &create);
}

bool alter_is_key_name(const struct altering *altering, const char *name)
{
    char made_up[200];
    (void)snprintf(made_up, sizeof made_up, "%.150s_pkey", altering->name);
    const char *key = altering->info.key_name != NULL ? altering->info.key_name : made_up;
    return !altering->info.hidden_key && strcmp(key, name) == 0;
}

/* The index or foreign key behind a constraint; NULL: there is none of that name. */
tdbplus_status alter_find_part(struct altering *altering, const char *name,
                               const struct object **part_out)
{
    struct binder *binder = altering->binder;
    const struct object *part = NULL;
    *part_out = NULL;
    for (uint32_t i = 0; (part = txn_part_at(binder->txn, altering->object->id, i)) != NULL; i++) {
        struct index_def def = {.constraint = true};
        if (part->parent != altering->object->id ||
            strcmp(catalog_own_name(part->name), name) != 0) {
            continue;
        }
        if (part->kind == OBJECT_INDEX) {
            TRY(index_def_decode(part->properties, binder->arena, &def, binder->err));
        }
        *part_out = def.constraint ? part : *part_out;
    }
    return TDBPLUS_OK;
}

static tdbplus_status drop_constraint(struct altering *altering)
{
    const char *name = altering->command->name;
    struct table_info *info = &altering->info;
    const struct object *part = NULL;
    for (uint32_t i = 0; i < info->check_count; i++) {
        if (strcmp(info->checks[i].name, name) == 0) {
            memmove(&info->checks[i], &info->checks[i + 1],
                    (info->check_count - i - 1) * sizeof *info->checks);
            info->check_count--;
            return alter_keep_info(altering);
        }
    }
    if (alter_is_key_name(altering, name)) {
        TRY(hide_key(altering));
        TRY(alter_keep_schema(altering));
        return alter_keep_info(altering);
    }
    TRY(alter_find_part(altering, name, &part));
    if (part == NULL) {
        return altering->command->missing_ok
                   ? TDBPLUS_OK
                   : bind_fail(altering->binder, TDBPLUS_E_NOT_FOUND, "42704", 0,
                               "constraint \"%s\" of relation \"%s\" does not exist", name,
                               altering->name);
    }
    if (part->kind == OBJECT_INDEX) {
        char what[200];
        (void)snprintf(what, sizeof what, "constraint %.150s", name);
        TRY(drop_references(altering, part->id, what));
    }
    return alter_drop_oid(altering, part->id);
}

static tdbplus_status validate_constraint(struct altering *altering)
{
    const char *name = altering->command->name;
    const struct object *part = NULL;
    for (uint32_t i = 0; i < altering->info.check_count; i++) {
        struct table_text *check = &altering->info.checks[i];
        if (strcmp(check->name, name) == 0) {
            altering->step->check = check->not_valid ? check : NULL;
            check->not_valid = false;
            return alter_keep_info(altering);
        }
    }
    TRY(alter_find_part(altering, name, &part));
    if (part != NULL && part->kind == OBJECT_FOREIGN_KEY) {
        return TDBPLUS_OK;
    }
    return part != NULL || alter_is_key_name(altering, name)
               ? bind_fail(altering->binder, TDBPLUS_E_SQL, "42809", 0,
                           "constraint \"%s\" of relation \"%s\" is not a foreign key or check "
                           "constraint",
                           name, altering->name)
               : bind_fail(altering->binder, TDBPLUS_E_NOT_FOUND, "42704", 0,
                           "constraint \"%s\" of relation \"%s\" does not exist", name,
                           altering->name);
}

/* ---- the commands ---- */

static tdbplus_status bind_command(struct altering *altering)
{
    switch ((enum ast_alter_kind)altering->command->alter_kind) {
    case AST_ALTER_ADD_COLUMN:
        return add_column(altering);
    case AST_ALTER_DROP_COLUMN:
        return drop_column(altering);
    case AST_ALTER_DEFAULT:
        return set_default(altering);
    case AST_ALTER_SET_NOT_NULL:
    case AST_ALTER_DROP_NOT_NULL:
        return set_not_null(altering);
    case AST_ALTER_TYPE:
        return alter_type(altering);
    case AST_ALTER_ADD_CONSTRAINT:
        return add_constraint(altering);
    case AST_ALTER_DROP_CONSTRAINT:
        return drop_constraint(altering);
    case AST_ALTER_VALIDATE_CONSTRAINT:
        return validate_constraint(altering);
    case AST_ALTER_ADD_IDENTITY:
        return alter_add_identity(altering);
    case AST_ALTER_SET_IDENTITY:
        return alter_set_identity(altering);
    case AST_ALTER_DROP_IDENTITY:
    case AST_ALTER_DROP_EXPRESSION:
        return alter_drop_identity(altering);
    case AST_ALTER_SET_OPTIONS:
    case AST_ALTER_RESET_OPTIONS:
        return bind_unsupported(altering->binder, 0, "changing storage parameters");
    case AST_ALTER_RENAME_COLUMN:
        return alter_rename_column(altering);
    case AST_ALTER_RENAME_CONSTRAINT:
        return alter_rename_constraint(altering);
    case AST_ALTER_NOTHING:
        return TDBPLUS_OK;
    }
    return bind_unsupported(altering->binder, 0, "this form of ALTER TABLE");
}

tdbplus_status bind_alter_command(const struct bind_options *options, uint64_t table,
                                  const struct ast_alter_command *command, struct arena *arena,
                                  struct bound_alter *step_out, struct err *err)
{
    struct binder binder = {.arena = arena,
                            .err = err,
                            .text = options->text,
                            .txn = options->txn,
                            .names = options->names,
                            .session = options->session,
                            .system = options->system,
                            .next_id = SCHEMA_COLUMN_COUNT_MAX + 2u};
    struct bound_alter step = {0};
    struct altering altering = {.binder = &binder, .command = command, .step = &step};
    altering.object = txn_object_by_id(options->txn, table);
    TRY(bind_copy_name(&binder, catalog_own_name(altering.object->name), &altering.name));
    TRY(table_info_decode(altering.object->properties, arena, &altering.info, err));
    altering.old_check_count = altering.info.check_count;
    // Room for one more.
    struct table_text *defaults =
        arena_array(arena, altering.info.default_count + 1u, sizeof *defaults);
    if (defaults == NULL) {
        return bind_no_memory(&binder);
    }
    memcpy(defaults, altering.info.defaults, altering.info.default_count * sizeof *defaults);
    altering.info.defaults = defaults;
    TRY(copy_schema(&altering));
    TRY(bind_command(&altering));
    *step_out = step;
    return TDBPLUS_OK;
}

tdbplus_status bind_alter_table(struct binder *binder, const struct ast_alter_table *ast,
                                struct bound *bound)
{
    struct catalog_entry entry;
    bound->kind = BOUND_ACTIONS;
    if (ast->missing_ok && !bind_lookup(binder, 0, ast->table->schema, ast->table->name, &entry)) {
        return TDBPLUS_OK;
    }
    struct ast_table_ref silent = *ast->table;
    silent.ast.position = 0;
    TRY(bind_find_relation(binder, &silent, &entry));
    TRY(bind_check_owner(binder, &entry));
    if (entry.kind != CATALOG_TABLE || table_is_materialized(entry.object->properties)) {
        for (uint32_t i = 0; i < ast->commands.count; i++) {
            if (((const struct ast_alter_command *)ast->commands.items[i])->alter_kind !=
                AST_ALTER_NOTHING) {
                tdbplus_status status =
                    bind_fail(binder, TDBPLUS_E_SQL, "42809", 0,
                              "ALTER action cannot be performed on relation \"%s\"", entry.name);
                err_detail(binder->err, "This operation is not supported for %ss.",
                           bind_entry_kind(&entry));
                return status;
            }
        }
        return TDBPLUS_OK;
    }
    bound->kind = BOUND_ALTER_TABLE;
    bound->alter = (struct bound_alter_table){.table = entry.oid,
                                              .ast = ast,
                                              .options = {.text = binder->text,
                                                          .txn = binder->txn,
                                                          .names = binder->names,
                                                          .session = binder->session,
                                                          .system = binder->system}};
    return TDBPLUS_OK;
}
