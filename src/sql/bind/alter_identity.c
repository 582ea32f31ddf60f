/* ALTER TABLE ... ALTER COLUMN ... ADD, SET and DROP of identities. */

#include <string.h>

#include "sql/bind/alter.h"

tdbplus_status alter_add_identity(struct altering *altering)
{
    struct binder *binder = altering->binder;
    const struct ast_constraint *ast = (const struct ast_constraint *)altering->command->definition;
    struct bound_create *create = arena_array(binder->arena, 1, sizeof *create);
    struct bind_table table = {0};
    uint32_t position = 0;
    TRY(alter_find_column(altering, altering->command->name, &position));
    struct schema_column *column = &altering->schema.columns[position];
    const struct table_text *text = alter_text_of(altering, position);
    if (create == NULL) {
        return bind_no_memory(binder);
    }
    if (!column->not_null) {
        return bind_fail(binder, TDBPLUS_E_SQL, "55000", 0,
                         "column \"%s\" of relation \"%s\" must be declared NOT NULL before "
                         "identity can be added",
                         column->name, altering->name);
    }
    if (alter_is_identity(text)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "55000", 0,
                         "column \"%s\" of relation \"%s\" is already an identity column",
                         column->name, altering->name);
    }
    if (text != NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "55000", 0,
                         "column \"%s\" of relation \"%s\" already has a default value",
                         column->name, altering->name);
    }
    create->sequences = arena_array(binder->arena, 1, sizeof *create->sequences);
    TRY(bind_table_of(binder->arena, altering->object, &table, binder->err));
    TRY(create->sequences == NULL ? bind_no_memory(binder) : TDBPLUS_OK);
    TRY(bind_column_sequence(binder, &table, column, &ast->options, SEQUENCE_IDENTITY,
                             create->sequences));
    create->sequence_count = 1;
    altering->info.defaults[altering->info.default_count++] = (struct table_text){
        .column_id = column->id,
        .text = "",
        .kind = ast->generated_when == 'a' ? TABLE_IDENTITY_ALWAYS : TABLE_IDENTITY_DEFAULT};
    altering->step->added = create;
    return alter_keep_info(altering);
}

tdbplus_status alter_set_identity(struct altering *altering)
{
    struct binder *binder = altering->binder;
    uint32_t position = 0;
    TRY(alter_find_column(altering, altering->command->name, &position));
    const struct schema_column *column = &altering->schema.columns[position];
    struct catalog_entry entry;
    struct table_text *text = NULL;
    for (uint32_t i = 0; i < altering->info.default_count; i++) {
        if (altering->info.defaults[i].column_id == column->id) {
            text = &altering->info.defaults[i];
        }
    }
    if (!alter_is_identity(text)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "55000", 0,
                         "column \"%s\" of relation \"%s\" is not an identity column", column->name,
                         altering->name);
    }
    const struct ast_list *options =
        altering->command->options.count > 0 || altering->command->definition == NULL
            ? &altering->command->options
            : &((const struct ast_items *)altering->command->definition)->list;
    for (uint32_t i = 0; i < options->count; i++) {
        const struct ast_option *option = (const struct ast_option *)options->items[i];
        const struct ast_constant *value = (const struct ast_constant *)option->value;
        if (strcmp(option->name, "generated") == 0 && value != NULL) {
            text->kind = value->integer == 'a' ? TABLE_IDENTITY_ALWAYS : TABLE_IDENTITY_DEFAULT;
        }
    }
    if (catalog_entry_by_oid(binder->txn, text->sequence, &entry)) {
        struct bound *changes = arena_array(binder->arena, 1, sizeof *changes);
        TRY(changes == NULL ? bind_no_memory(binder) : TDBPLUS_OK);
        TRY(bind_alter_sequence(binder, &entry, options, changes));
        altering->step->actions = changes->actions;
    }
    return alter_keep_info(altering);
}

tdbplus_status alter_drop_identity(struct altering *altering)
{
    uint32_t position = 0;
    TRY(alter_find_column(altering, altering->command->name, &position));
    const struct schema_column *column = &altering->schema.columns[position];
    const struct table_text *text = alter_text_of(altering, position);
    bool expression = altering->command->alter_kind == AST_ALTER_DROP_EXPRESSION;
    bool there =
        expression ? text != NULL && text->kind == TABLE_GENERATED : alter_is_identity(text);
    if (!there) {
        return altering->command->missing_ok
                   ? TDBPLUS_OK
                   : bind_fail(altering->binder, TDBPLUS_E_SQL, "55000", 0,
                               expression
                                   ? "column \"%s\" of relation \"%s\" is not a stored generated "
                                     "column"
                                   : "column \"%s\" of relation \"%s\" is not an identity column",
                               column->name, altering->name);
    }
    if (!expression) {
        TRY(alter_drop_oid(altering, text->sequence));
    }
    alter_remove_texts(&altering->info, column->id);
    return alter_keep_info(altering);
}
