/* CREATE and ALTER SEQUENCE, and the sequences of serial and identity columns. */

#include <inttypes.h>
#include <string.h>

#include "sql/bind/bind_internal.h"

/* What the options say; NULL: nothing. */
struct sequence_words {
    const struct ast_option *as;
    const struct ast_option *start;
    const struct ast_option *restart;
    const struct ast_option *increment;
    const struct ast_option *max;
    const struct ast_option *min;
    const struct ast_option *cache;
    const struct ast_option *cycle;
    const struct ast_option *owned_by;
    const struct ast_option *name;
};

static tdbplus_status sort_options(struct binder *binder, const struct ast_list *options,
                                   struct sequence_words *words)
{
    struct {
        const char *name;
        const struct ast_option **place;
    } places[] = {
        {"as", &words->as},
        {"start", &words->start},
        {"restart", &words->restart},
        {"increment", &words->increment},
        {"maxvalue", &words->max},
        {"minvalue", &words->min},
        {"cache", &words->cache},
        {"cycle", &words->cycle},
        {"owned_by", &words->owned_by},
        {"sequence_name", &words->name},
    };
    size_t count = sizeof places / sizeof *places;
    for (uint32_t i = 0; i < options->count; i++) {
        const struct ast_option *option = (const struct ast_option *)options->items[i];
        size_t at = 0;
        if (strcmp(option->name, "generated") == 0) {
            continue; // SET GENERATED ...: the column's.
        }
        while (at < count && strcmp(places[at].name, option->name) != 0) {
            at++;
        }
        if (at == count) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", option->ast.position,
                             "option \"%s\" not recognized", option->name);
        }
        if (*places[at].place != NULL) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", option->ast.position,
                             "conflicting or redundant options");
        }
        *places[at].place = option;
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_number(struct binder *binder, const struct ast_option *option,
                                  int64_t *number_out)
{
    const struct ast_constant *value = (const struct ast_constant *)option->value;
    if (value != NULL && value->ast.kind == AST_CONSTANT && value->constant == AST_INTEGER) {
        *number_out = value->integer;
        return TDBPLUS_OK;
    }
    struct datum datum;
    if (value == NULL || value->ast.kind != AST_CONSTANT || value->constant != AST_NUMBER) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", option->ast.position,
                         "%s requires a numeric value", option->name);
    }
    TRY(func_read(span_from_text(value->text), type_of(TYPE_INT8), binder->arena, &datum,
                  binder->err));
    *number_out = datum.integer;
    return TDBPLUS_OK;
}

/* "START value (0) cannot be less than MINVALUE (1)" */
static tdbplus_status misplaced(struct binder *binder, const char *left, int64_t left_value,
                                const char *how, const char *right, int64_t right_value)
{
    return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0, "%s (%" PRId64 ") %s %s (%" PRId64 ")",
                     left, left_value, how, right, right_value);
}

static int64_t least_of(uint8_t type)
{
    return type == TYPE_INT2 ? INT16_MIN : type == TYPE_INT4 ? INT32_MIN : INT64_MIN;
}

static int64_t most_of(uint8_t type)
{
    return type == TYPE_INT2 ? INT16_MAX : type == TYPE_INT4 ? INT32_MAX : INT64_MAX;
}

static bool is_counting(struct type type)
{
    return type.id == TYPE_INT2 || type.id == TYPE_INT4 || type.id == TYPE_INT8;
}

static tdbplus_status read_type(struct binder *binder, const struct ast_option *as, bool fresh,
                                struct sequence_def *def)
{
    struct type type = {0};
    uint8_t before = def->type;
    if (as == NULL) {
        return TDBPLUS_OK;
    }
    TRY(bind_type(binder, as->value, &type));
    if (!is_counting(type)) {
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0,
                         def->identity == SEQUENCE_IDENTITY
                             ? "identity column type must be smallint, integer, or bigint"
                             : "sequence type must be smallint, integer, or bigint");
    }
    def->type = type.id;
    // Bounds that were the old type's become the new one's.
    if (!fresh && def->max == most_of(before)) {
        def->max = most_of(type.id);
    }
    if (!fresh && def->min == least_of(before)) {
        def->min = least_of(type.id);
    }
    return TDBPLUS_OK;
}

/* A bound: as said, as it was, or the default. */
static tdbplus_status read_bound(struct binder *binder, const struct ast_option *option, bool max,
                                 bool fresh, struct sequence_def *def)
{
    int64_t *bound = max ? &def->max : &def->min;
    bool rises = def->increment > 0;
    if (option != NULL && option->value != NULL) {
        TRY(read_number(binder, option, bound));
    } else if ((option != NULL || fresh) && max) {
        *bound = rises ? most_of(def->type) : -1;
    } else if (option != NULL || fresh) {
        *bound = rises ? 1 : least_of(def->type);
    }
    if (*bound > most_of(def->type) || *bound < least_of(def->type)) {
        char name[64];
        bind_show_type(binder, type_of(def->type), name);
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0,
                         "%s (%" PRId64 ") is out of range for sequence data type %s",
                         max ? "MAXVALUE" : "MINVALUE", *bound, name);
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_check_restart(int64_t value, const struct sequence_def *def, struct err *err)
{
    if (value >= def->min && value <= def->max) {
        return TDBPLUS_OK;
    }
    bool low = value < def->min;
    return err_set_state(err, TDBPLUS_E_INVALID, "22023",
                         "RESTART value (%" PRId64 ") cannot be %s than %s (%" PRId64 ")", value,
                         low ? "less" : "greater", low ? "MINVALUE" : "MAXVALUE",
                         low ? def->min : def->max);
}

static tdbplus_status read_places(struct binder *binder, const struct sequence_words *words,
                                  bool fresh, struct sequence_def *def)
{
    if (def->min >= def->max) {
        return misplaced(binder, "MINVALUE", def->min, "must be less than", "MAXVALUE", def->max);
    }
    if (words->start != NULL) {
        TRY(read_number(binder, words->start, &def->start));
    } else if (fresh) {
        def->start = def->increment > 0 ? def->min : def->max;
    }
    if (def->start < def->min) {
        return misplaced(binder, "START value", def->start, "cannot be less than", "MINVALUE",
                         def->min);
    }
    if (def->start > def->max) {
        return misplaced(binder, "START value", def->start, "cannot be greater than", "MAXVALUE",
                         def->max);
    }
    if (fresh || words->restart != NULL) {
        def->restart = def->start;
        def->restart_called = false;
    }
    if (words->restart != NULL && words->restart->value != NULL) {
        TRY(read_number(binder, words->restart, &def->restart));
    }
    return words->restart == NULL ? TDBPLUS_OK : bind_check_restart(def->restart, def, binder->err);
}

static tdbplus_status read_options(struct binder *binder, const struct sequence_words *words,
                                   bool fresh, struct sequence_def *def)
{
    TRY(read_type(binder, words->as, fresh, def));
    if (words->increment != NULL) {
        TRY(read_number(binder, words->increment, &def->increment));
    }
    if (def->increment == 0) {
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0, "INCREMENT must not be zero");
    }
    if (words->cycle != NULL) {
        def->cycle = ((const struct ast_constant *)words->cycle->value)->boolean;
    }
    TRY(read_bound(binder, words->max, true, fresh, def));
    TRY(read_bound(binder, words->min, false, fresh, def));
    TRY(read_places(binder, words, fresh, def));
    if (words->cache != NULL) {
        TRY(read_number(binder, words->cache, &def->cache));
        if (def->cache <= 0) {
            return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0,
                             "CACHE (%" PRId64 ") must be greater than zero", def->cache);
        }
    }
    return TDBPLUS_OK;
}

/* ---- OWNED BY ---- */

static tdbplus_status read_owner(struct binder *binder, const struct ast_option *option,
                                 const char *schema, struct bound_action *action)
{
    const struct ast_list *list = &((const struct ast_items *)option->value)->list;
    const char *names[3] = {NULL, NULL, NULL};
    if (list->count > 3 || list->count == 0) {
        return bind_unsupported(binder, option->ast.position, "OWNED BY with this name");
    }
    for (uint32_t i = 0; i < list->count; i++) {
        names[i] = ((const struct ast_constant *)list->items[i])->text;
    }
    if (list->count == 1 && strcmp(names[0], "none") == 0) {
        action->entry.owner = 0;
        action->sequence.column = 0;
        return TDBPLUS_OK;
    }
    if (list->count == 1) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0, "invalid OWNED BY option");
        err_hint(binder->err, "Specify OWNED BY table.column or OWNED BY NONE.");
        return status;
    }
    struct ast_table_ref table = {.ast = {.kind = AST_TABLE_REF},
                                  .schema = list->count == 3 ? names[0] : NULL,
                                  .name = names[list->count - 2]};
    struct catalog_entry owner;
    TRY(bind_find_relation(binder, &table, &owner));
    if (owner.kind != CATALOG_TABLE) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0,
                         "sequence cannot be owned by relation \"%s\"", owner.name);
    }
    if (strcmp(owner.schema, schema) != 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "55000", 0,
                         "sequence must be in same schema as table it is linked to");
    }
    const char *column = names[list->count - 1];
    int32_t at = schema_find_name(owner.object->schema, column);
    if (at < 0) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                         "column \"%s\" of relation \"%s\" does not exist", column, owner.name);
    }
    action->entry.owner = owner.oid;
    action->sequence.column = owner.object->schema->columns[at].id;
    return TDBPLUS_OK;
}

/* ---- the statements ---- */

tdbplus_status bind_name_entry(struct binder *binder, const char *schema, const char *name,
                               struct catalog_entry *entry)
{
    char full[CATALOG_FULL_NAME_SIZE];
    TRY(catalog_full_name(schema, name, full, binder->err));
    memcpy(entry->schema, schema, strlen(schema) + 1);
    memcpy(entry->name, name, strlen(name) + 1);
    return TDBPLUS_OK;
}

static tdbplus_status create_sequence(struct binder *binder, const struct ast_create_sequence *ast,
                                      struct bound *bound)
{
    struct sequence_words words = {0};
    struct bound_action action = {.kind = ACTION_CREATE_SEQUENCE};
    struct catalog_entry other;
    const char *schema = NULL;
    TRY(bind_new_schema(binder, ast->sequence, &schema));
    if (catalog_relation_find(binder->txn, schema, ast->sequence->name, &other)) {
        return ast->exists_ok ? TDBPLUS_OK
                              : bind_fail(binder, TDBPLUS_E_EXISTS, "42P07", 0,
                                          "relation \"%s\" already exists", ast->sequence->name);
    }
    TRY(bind_name_entry(binder, schema, ast->sequence->name, &action.entry));
    action.sequence = (struct sequence_def){.type = TYPE_INT8, .increment = 1, .cache = 1};
    TRY(sort_options(binder, &ast->options, &words));
    TRY(read_options(binder, &words, true, &action.sequence));
    if (words.owned_by != NULL) {
        TRY(read_owner(binder, words.owned_by, schema, &action));
    }
    return bind_add_action(binder, bound, &action);
}

tdbplus_status bind_find_sequence(struct binder *binder, const struct ast_table_ref *name,
                                  bool missing_ok, struct catalog_entry *entry_out, bool *found_out)
{
    *found_out = bind_lookup(binder, 0, name->schema, name->name, entry_out);
    if (!*found_out) {
        return missing_ok ? TDBPLUS_OK : bind_relation_missing(binder, name);
    }
    return entry_out->kind == CATALOG_SEQUENCE ? bind_check_owner(binder, entry_out)
                                               : bind_fail(binder, TDBPLUS_E_SQL, "42809", 0,
                                                           "\"%s\" is not a sequence", name->name);
}

tdbplus_status bind_alter_sequence(struct binder *binder, const struct catalog_entry *entry,
                                   const struct ast_list *options, struct bound *bound)
{
    struct sequence_words words = {0};
    struct bound_action action = {
        .kind = ACTION_ALTER_SEQUENCE, .oid = entry->oid, .entry = *entry};
    TRY(sequence_decode(entry, &action.sequence, binder->err));
    TRY(sort_options(binder, options, &words));
    if (words.owned_by != NULL && action.sequence.identity == SEQUENCE_IDENTITY) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         "cannot change ownership of identity sequence");
    }
    TRY(read_options(binder, &words, false, &action.sequence));
    if (words.owned_by != NULL) {
        TRY(read_owner(binder, words.owned_by, entry->schema, &action));
    }
    action.restarts = words.restart != NULL;
    action.reshapes = words.as != NULL || words.increment != NULL || words.max != NULL ||
                      words.min != NULL || words.cycle != NULL;
    return bind_add_action(binder, bound, &action);
}

tdbplus_status bind_create_sequence(struct binder *binder, const struct ast_create_sequence *ast,
                                    struct bound *bound)
{
    struct catalog_entry entry;
    bool found = false;
    bound->kind = BOUND_ACTIONS;
    if (!ast->alter) {
        return create_sequence(binder, ast, bound);
    }
    TRY(bind_find_sequence(binder, ast->sequence, ast->exists_ok, &entry, &found));
    return found ? bind_alter_sequence(binder, &entry, &ast->options, bound) : TDBPLUS_OK;
}

/* ---- serial and identity columns ---- */

bool bind_serial_type(const struct ast_type_name *type, struct type *type_out)
{
    static const struct {
        const char *names[2];
        uint8_t type;
    } serials[] = {{{"smallserial", "serial2"}, TYPE_INT2},
                   {{"serial", "serial4"}, TYPE_INT4},
                   {{"bigserial", "serial8"}, TYPE_INT8}};
    if (type->names.count != 1 || type->array_depth > 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof serials / sizeof *serials; i++) {
        if (strcmp(type->names.items[0], serials[i].names[0]) == 0 ||
            strcmp(type->names.items[0], serials[i].names[1]) == 0) {
            *type_out = type_of(serials[i].type);
            return true;
        }
    }
    return false;
}

tdbplus_status bind_column_sequence(struct binder *binder, const struct bind_table *table,
                                    const struct schema_column *column,
                                    const struct ast_list *options, uint8_t identity,
                                    struct bound_sequence *sequence_out)
{
    struct sequence_words words = {0};
    struct bound_sequence sequence = {.column_id = column->id,
                                      .def = {.type = column->type.id,
                                              .increment = 1,
                                              .cache = 1,
                                              .identity = identity,
                                              .column = column->id}};
    if (!is_counting(column->type)) {
        return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0,
                         "identity column type must be smallint, integer, or bigint");
    }
    if (options != NULL) {
        TRY(sort_options(binder, options, &words));
    }
    TRY(read_options(binder, &words, true, &sequence.def));
    sequence.schema = table->schema_name != NULL ? table->schema_name : CATALOG_SCHEMA_DEFAULT;
    if (words.name != NULL) {
        const struct ast_list *list = &((const struct ast_items *)words.name->value)->list;
        sequence.name = ((const struct ast_constant *)list->items[list->count - 1])->text;
    } else {
        TRY(bind_choose_name(binder, table, column->name, "seq", &sequence.name));
    }
    *sequence_out = sequence;
    return TDBPLUS_OK;
}
