/* ALTER TABLE ... RENAME of columns and constraints. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/alter.h"

/* Texts that name the column name it anew; those of indexes are not rewritten. */
static tdbplus_status rename_in_texts(struct altering *altering, uint32_t position)
{
    struct binder *binder = altering->binder;
    const struct object *part = NULL;
    const char *from = altering->command->name;
    const char *to = altering->command->new_name;
    struct table_info *info = &altering->info;
    for (uint32_t i = 0; i < info->check_count + info->default_count; i++) {
        bool check = i < info->check_count;
        struct table_text *text = check ? &info->checks[i] : &info->defaults[i - info->check_count];
        bool reads = check || text->kind == TABLE_GENERATED;
        TRY(reads ? alter_text_reads(altering, text->text, position, &reads) : TDBPLUS_OK);
        TRY(reads ? bind_rename_in(binder, text->text, from, to, &text->text) : TDBPLUS_OK);
    }
    for (uint32_t i = 0; (part = txn_part_at(binder->txn, altering->object->id, i)) != NULL; i++) {
        struct index_def def = {0};
        bool reads = false;
        if (part->kind != OBJECT_INDEX) {
            continue;
        }
        TRY(index_def_decode(part->properties, binder->arena, &def, binder->err));
        for (uint32_t c = 0; !reads && c < def.column_count; c++) {
            if (def.columns[c].column_id == 0) {
                TRY(alter_text_reads(altering, def.columns[c].expression, position, &reads));
            }
        }
        if (!reads && def.predicate != NULL) {
            TRY(alter_text_reads(altering, def.predicate, position, &reads));
        }
        if (reads) {
            return bind_unsupported(binder, 0, "renaming a column that the text of an index names");
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status alter_rename_column(struct altering *altering)
{
    uint32_t position = 0;
    const char *name = altering->command->name;
    int32_t at = schema_find_name(&altering->schema, name);
    if (at < 0) {
        return bind_fail(altering->binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                         "column \"%s\" does not exist", name);
    }
    TRY(alter_find_column(altering, name, &position));
    if (schema_find_name(&altering->schema, altering->command->new_name) >= 0) {
        return bind_fail(altering->binder, TDBPLUS_E_EXISTS, "42701", 0,
                         "column \"%s\" of relation \"%s\" already exists",
                         altering->command->new_name, altering->name);
    }
    TRY(rename_in_texts(altering, position));
    altering->schema.columns[position].name = altering->command->new_name;
    TRY(alter_keep_schema(altering));
    return alter_keep_info(altering);
}

static tdbplus_status add_rename(struct altering *altering, uint64_t oid, const char *full,
                                 bool hidden)
{
    struct bound_action *action = arena_array(altering->binder->arena, 1, sizeof *action);
    char *name = (char *)arena_bytes(altering->binder->arena, CATALOG_FULL_NAME_SIZE + 2);
    if (action == NULL || name == NULL) {
        return bind_no_memory(altering->binder);
    }
    (void)snprintf(name, CATALOG_FULL_NAME_SIZE + 2, "%s%s", hidden ? "\x01" : "", full);
    *action = (struct bound_action){
        .kind = ACTION_TABLE, .oid = oid, .name = name, .next = altering->step->actions};
    altering->step->actions = action;
    return TDBPLUS_OK;
}

tdbplus_status alter_rename_constraint(struct altering *altering)
{
    struct binder *binder = altering->binder;
    const char *name = altering->command->name;
    const char *to = altering->command->new_name;
    const struct object *part = NULL;
    const struct object *other = NULL;
    struct catalog_entry entry;
    TRY(alter_find_part(altering, to, &other));
    bool taken = other != NULL || alter_is_key_name(altering, to);
    struct table_text *check = NULL;
    for (uint32_t i = 0; i < altering->info.check_count; i++) {
        taken = taken || strcmp(altering->info.checks[i].name, to) == 0;
        check =
            strcmp(altering->info.checks[i].name, name) == 0 ? &altering->info.checks[i] : check;
    }
    TRY(alter_find_part(altering, name, &part));
    if (check == NULL && part == NULL && !alter_is_key_name(altering, name)) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", 0,
                         "constraint \"%s\" for table \"%s\" does not exist", name, altering->name);
    }
    if (taken) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42710", 0,
                         "constraint \"%s\" for relation \"%s\" already exists", to,
                         altering->name);
    }
    if (part == NULL) {
        const char **place = check != NULL ? &check->name : &altering->info.key_name;
        *place = to;
        return alter_keep_info(altering);
    }
    char full[CATALOG_FULL_NAME_SIZE];
    if (!catalog_entry_by_oid(binder->txn, part->id, &entry)) {
        return bind_no_memory(binder);
    }
    TRY(catalog_full_name(entry.schema, to, full, binder->err));
    TRY(add_rename(altering, part->id, full, false));
    return part->kind == OBJECT_INDEX ? add_rename(altering, part->other, full, true) : TDBPLUS_OK;
}
