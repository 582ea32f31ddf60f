/* LIKE in CREATE TABLE: columns as another table or view has them, and what INCLUDING adds. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/table_builder.h"
#include "sql/bind/view_info.h"

/* The table that is copied. */
struct like {
    const struct ast_like_table *ast;
    const struct object *object;
    struct table_info info;
    uint32_t *ids; /* Of the new columns, by the old ones' positions. */
};

static bool wants(const struct like *like, enum ast_like option)
{
    return (like->ast->options & (uint32_t)option) != 0;
}

/* ---- columns ---- */

/* An identity counts by a sequence of its own, of the same form. */
static tdbplus_status like_identity(struct binder *binder, struct table_builder *builder,
                                    struct schema_column *column, const struct table_text *text)
{
    const struct ast_constraint ast = {.generated_when =
                                           text->kind == TABLE_IDENTITY_ALWAYS ? 'a' : 'd'};
    struct catalog_entry entry;
    struct sequence_def def = {0};
    TRY(builder_add_sequence(binder, builder, column, &ast));
    struct bound_sequence *made = builder->sequences.items[builder->sequences.count - 1];
    if (!catalog_entry_by_oid(binder->txn, text->sequence, &entry)) {
        return TDBPLUS_OK;
    }
    TRY(sequence_decode(&entry, &def, binder->err));
    made->def.start = made->def.restart = def.start;
    made->def.increment = def.increment;
    made->def.min = def.min;
    made->def.max = def.max;
    made->def.cycle = def.cycle;
    made->def.cache = def.cache;
    return TDBPLUS_OK;
}

static tdbplus_status like_default(struct binder *binder, struct table_builder *builder,
                                   const struct like *like, const struct table_text *text,
                                   struct schema_column *column)
{
    bool identity = text->kind == TABLE_IDENTITY_ALWAYS || text->kind == TABLE_IDENTITY_DEFAULT;
    bool generated = text->kind == TABLE_GENERATED;
    if (!wants(like, identity    ? AST_LIKE_IDENTITY
                     : generated ? AST_LIKE_GENERATED
                                 : AST_LIKE_DEFAULTS)) {
        return TDBPLUS_OK;
    }
    if (identity) {
        return like_identity(binder, builder, column, text);
    }
    TRY(builder_add_text(binder, &builder->defaults, column->id, column->name,
                         span_from_text(text->text)));
    struct table_text *copy = builder->defaults.items[builder->defaults.count - 1];
    copy->kind = text->kind;
    copy->sequence = text->sequence;
    return TDBPLUS_OK;
}

static tdbplus_status like_comment(struct binder *binder, struct table_builder *builder,
                                   const struct like *like, uint32_t old_id, uint32_t column_id)
{
    char name[CATALOG_NAME_SIZE_MAX + 1];
    struct catalog_entry entry;
    catalog_comment_name(like->object->id, old_id, name);
    if (!wants(like, AST_LIKE_COMMENTS) ||
        !catalog_entry_find(binder->txn, CATALOG_COMMENT, NULL, name, &entry)) {
        return TDBPLUS_OK;
    }
    struct bound_comment *comment = arena_array(binder->arena, 1, sizeof *comment);
    if (comment == NULL || !pointers_push(binder->arena, &builder->comments, comment)) {
        return bind_no_memory(binder);
    }
    comment->column_id = column_id;
    comment->text = arena_text(binder->arena, entry.definition);
    return comment->text == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status like_column(struct binder *binder, struct table_builder *builder,
                                  struct like *like, uint32_t position)
{
    const struct schema_column *from = &like->object->schema->columns[position];
    const struct table_text *text = table_find_default(&like->info, from->id);
    struct schema_column *column = NULL;
    const char *name = NULL;
    TRY(bind_copy_name(binder, from->name, &name));
    TRY(builder_add_column(binder, builder, name, from->type, 0, &column));
    like->ids[position] = column->id;
    column->not_null = from->not_null;
    TRY(builder_add_domain(binder, builder, column->id, table_find_domain(&like->info, from->id)));
    TRY(text == NULL ? TDBPLUS_OK : like_default(binder, builder, like, text, column));
    return like_comment(binder, builder, like, from->id, column->id);
}

/* ---- constraints and indexes ---- */

static tdbplus_status like_checks(struct binder *binder, struct table_builder *builder,
                                  const struct like *like)
{
    for (uint32_t i = 0; wants(like, AST_LIKE_CONSTRAINTS) && i < like->info.check_count; i++) {
        const struct table_text *check = &like->info.checks[i];
        for (uint32_t k = 0; k < builder->checks.count; k++) {
            if (strcmp(((const struct table_text *)builder->checks.items[k])->name, check->name) ==
                0) {
                return bind_fail(binder, TDBPLUS_E_EXISTS, "42710", 0,
                                 "check constraint \"%s\" already exists", check->name);
            }
        }
        TRY(builder_add_text(binder, &builder->checks, 0, check->name,
                             span_from_text(check->text)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status like_key(struct binder *binder, struct table_builder *builder,
                               const struct like *like)
{
    const struct schema *schema = like->object->schema;
    const char *names[SCHEMA_KEY_COUNT_MAX];
    for (uint32_t i = 0; i < schema->key_count; i++) {
        TRY(bind_copy_name(binder, schema->columns[schema->key_columns[i]].name, &names[i]));
    }
    return builder_set_key(binder, builder, names, schema->key_count, 0);
}

static uint32_t new_id(const struct like *like, uint32_t old_id)
{
    int32_t position = schema_find_id(like->object->schema, old_id);
    return position < 0 ? 0 : like->ids[position];
}

/* What PostgreSQL makes the index's name of. */
static void append_label(const struct like *like, const struct index_column *column, char *labels,
                         size_t size)
{
    size_t used = strlen(labels);
    const char *text = column->expression;
    int32_t position = text != NULL ? -1 : schema_find_id(like->object->schema, column->column_id);
    size_t length = text == NULL ? 0 : strcspn(text, "(");
    if (used >= size) {
        return;
    }
    if (position >= 0) {
        (void)snprintf(labels + used, size - used, "%s%s", used == 0 ? "" : "_",
                       like->object->schema->columns[position].name);
    } else if (length > 0 && text[length] == '(') {
        (void)snprintf(labels + used, size - used, "%s%.*s", used == 0 ? "" : "_", (int)length,
                       text);
    } else {
        (void)snprintf(labels + used, size - used, "%sexpr", used == 0 ? "" : "_");
    }
}

static tdbplus_status like_index(struct binder *binder, struct table_builder *builder,
                                 const struct like *like, const struct object *object)
{
    struct like_index *index = arena_array(binder->arena, 1, sizeof *index);
    char labels[512] = "";
    if (index == NULL || !pointers_push(binder->arena, &builder->likes, index)) {
        return bind_no_memory(binder);
    }
    struct index_def *def = &index->def;
    TRY(index_def_decode(object->properties, binder->arena, def, binder->err));
    for (uint32_t i = 0; i < def->column_count; i++) {
        append_label(like, &def->columns[i], labels, sizeof labels);
        def->columns[i].column_id =
            def->columns[i].expression != NULL ? 0 : new_id(like, def->columns[i].column_id);
    }
    for (uint32_t i = 0; i < def->include_count; i++) {
        struct index_column included = {.column_id = def->includes[i]};
        append_label(like, &included, labels, sizeof labels);
        def->includes[i] = new_id(like, def->includes[i]);
    }
    def->table = def->entries = 0;
    def->ready = false;
    index->labels = arena_text(binder->arena, span_from_text(labels));
    return index->labels == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status like_indexes(struct binder *binder, struct table_builder *builder,
                                   const struct like *like)
{
    const struct object *part = NULL;
    if (!wants(like, AST_LIKE_INDEXES)) {
        return TDBPLUS_OK;
    }
    TRY(like->info.hidden_key ? TDBPLUS_OK : like_key(binder, builder, like));
    for (uint32_t i = 0; (part = txn_part_at(binder->txn, like->object->id, i)) != NULL; i++) {
        if (part->kind == OBJECT_INDEX) {
            TRY(like_index(binder, builder, like, part));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status builder_like_indexes(struct binder *binder, const struct table_builder *builder,
                                    struct bound_create *create)
{
    for (uint32_t i = 0; i < builder->likes.count; i++) {
        const struct like_index *like = builder->likes.items[i];
        struct bind_table table = {.schema_name = builder->schema,
                                   .name = builder->table,
                                   .columns = create->schema->columns,
                                   .column_count = create->schema->column_count,
                                   .indexes = create->indexes,
                                   .index_count = create->index_count};
        struct bound_index *index = &create->indexes[create->index_count];
        *index = (struct bound_index){.schema = builder->schema, .def = like->def};
        TRY(bind_choose_name(binder, &table, like->labels, like->def.constraint ? "key" : "idx",
                             &index->name));
        create->index_count++;
    }
    return TDBPLUS_OK;
}

/* ---- LIKE ---- */

/* A view has columns only. */
static tdbplus_status like_view(struct binder *binder, struct table_builder *builder,
                                const struct catalog_entry *entry)
{
    struct view_info info = {0};
    struct schema_column *column = NULL;
    TRY(view_info_decode(entry, binder->arena, &info, binder->err));
    for (uint32_t i = 0; i < info.column_count; i++) {
        TRY(builder_add_column(binder, builder, info.columns[i].name, info.columns[i].type, 0,
                               &column));
    }
    return TDBPLUS_OK;
}

tdbplus_status builder_add_like(struct binder *binder, struct table_builder *builder,
                                const struct ast_like_table *ast)
{
    struct catalog_entry entry;
    struct like like = {.ast = ast};
    TRY(bind_find_relation(binder, ast->table, &entry));
    if (entry.kind == CATALOG_VIEW) {
        return like_view(binder, builder, &entry);
    }
    if (entry.kind != CATALOG_TABLE) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", ast->table->ast.position,
                         "relation \"%s\" is invalid in LIKE clause", entry.name);
    }
    like.object = entry.object;
    TRY(table_info_decode(entry.object->properties, binder->arena, &like.info, binder->err));
    uint32_t count = entry.object->schema->column_count - (like.info.hidden_key ? 1u : 0u);
    like.ids = arena_array(binder->arena, count + 1u, sizeof *like.ids);
    if (like.ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(like_column(binder, builder, &like, i));
    }
    TRY(like_checks(binder, builder, &like));
    return like_indexes(binder, builder, &like);
}
