#include "sql/parse/pg_parse.h"

#include "sql/parse/pg_copy.h"

#include <pg_query.h>

#include <pg_query/pg_query_internal.h>

void *copy_make(struct copier *copier, size_t size, enum ast_kind kind, int location)
{
    if (copier->status != TDBPLUS_OK) {
        return NULL;
    }
    if (++copier->node_count > PARSE_NODE_COUNT_MAX) {
        copier->status = TDBPLUS_E_LIMIT;
        return NULL;
    }
    struct ast *ast = arena_array(copier->arena, 1, size);
    if (ast == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return NULL;
    }
    ast->kind = (uint8_t)kind;
    ast->position = location < 0 ? 0 : friendly_source(copier->friendly, (uint32_t)location) + 1;
    return ast;
}

void copy_want(struct copier *copier, const void *source, struct ast **slot)
{
    if (source == NULL || copier->status != TDBPLUS_OK) {
        return;
    }
    if (copier->depth >= PARSE_DEPTH_MAX) {
        copier->status = TDBPLUS_E_LIMIT;
        return;
    }
    struct copy_item item = {.source = source, .slot = slot, .depth = copier->depth + 1};
    if (list_push(&copier->stack, &item) == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
    }
}

void copy_want_list(struct copier *copier, const List *source, struct ast_list *list)
{
    if (source == NULL || source->length == 0 || copier->status != TDBPLUS_OK) {
        return;
    }
    uint32_t count = (uint32_t)source->length;
    list->items = arena_array(copier->arena, count, sizeof *list->items);
    if (list->items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return;
    }
    list->count = count;
    for (uint32_t i = 0; i < count; i++) {
        copy_want(copier, source->elements[i].ptr_value, &list->items[i]);
    }
}

void copy_names(struct copier *copier, const List *source, struct ast_names *names)
{
    if (source == NULL || source->length == 0 || copier->status != TDBPLUS_OK) {
        return;
    }
    uint32_t count = (uint32_t)source->length;
    names->items = arena_array(copier->arena, count, sizeof *names->items);
    if (names->items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const Node *item = source->elements[i].ptr_value;
        if (item == NULL || !IsA(item, String)) {
            continue;
        }
        names->items[names->count] = copy_text(copier, strVal(item));
        names->count++;
    }
}

const char *copy_text(struct copier *copier, const char *text)
{
    if (text == NULL || copier->status != TDBPLUS_OK) {
        return NULL;
    }
    struct span span = {.data = (const uint8_t *)text, .size = strlen(text)};
    const char *copy = arena_text(copier->arena, span);
    if (copy == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
    }
    return copy;
}

void copy_unsupported(struct copier *copier, const char *name, int location)
{
    if (copier->status == TDBPLUS_OK) {
        copier->status = TDBPLUS_E_UNSUPPORTED;
        copier->unsupported = name;
        copier->unsupported_position = location < 0 ? 0 : (uint32_t)location + 1;
    }
}

void copy_run(struct copier *copier, const Node *source, struct ast **root)
{
    copier->depth = 0;
    copy_want(copier, source, root);
    while (copier->stack.count > 0 && copier->status == TDBPLUS_OK) {
        struct copy_item item =
            *(struct copy_item *)list_at(&copier->stack, copier->stack.count - 1);
        copier->stack.count--;
        copier->depth = item.depth;
        struct ast *copy = copy_expression(copier, item.source);
        if (copy == NULL && copier->status == TDBPLUS_OK) {
            copy = copy_part(copier, item.source);
        }
        if (copy == NULL && copier->status == TDBPLUS_OK &&
            !copy_about_roles(copier, item.source, &copy)) {
            copy = copy_statement(copier, item.source);
        }
        if (copy == NULL) {
            copy_unsupported(copier, "this construct", -1);
        }
        *item.slot = copy;
    }
}

static tdbplus_status report_copy(const struct copier *copier, struct err *err)
{
    if (copier->status == TDBPLUS_E_UNSUPPORTED) {
        tdbplus_status status =
            err_set(err, TDBPLUS_E_UNSUPPORTED, "%s is not supported", copier->unsupported);
        if (err != NULL) {
            err->position = copier->unsupported_position;
        }
        return status;
    }
    if (copier->status == TDBPLUS_E_LIMIT) {
        return err_set_state(err, TDBPLUS_E_LIMIT, "54001",
                             "statement too complex: more than %u nested or %u nodes in all",
                             PARSE_DEPTH_MAX, PARSE_NODE_COUNT_MAX);
    }
    return err_set(err, copier->status, "out of memory while parsing");
}

/* The grammar knows statements that PostgreSQL never had, such as MATCH PARTIAL. */
static bool is_unsupported(const char *message)
{
    static const char end[] = "not yet implemented";
    size_t size = strlen(message);
    return size >= sizeof end - 1 && strcmp(message + size - (sizeof end - 1), end) == 0;
}

/* Where in the text a character begins; both count from one. */
static uint32_t byte_of(const char *text, uint32_t character)
{
    uint32_t at = 0;
    for (uint32_t count = 0; text[at] != '\0'; at++) {
        count += ((uint8_t)text[at] & 0xC0) != 0x80;
        if (count == character) {
            break;
        }
    }
    return at + 1;
}

static tdbplus_status report_grammar(const PgQueryError *error, const char *text, struct err *err)
{
    const char *message = error->message != NULL ? error->message : "syntax error";
    if (strstr(message, "out of memory") != NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "%s", message);
    }
    if (strstr(message, "memory exhausted") != NULL || strstr(message, "stack depth") != NULL) {
        return err_set_state(err, TDBPLUS_E_LIMIT, "54001", "statement too complex: %s", message);
    }
    // The grammar's own checks of frames have a SQLSTATE of their own, which the error does not
    // tell.
    bool frame = strncmp(message, "frame ", 6) == 0;
    bool reserved = strncmp(message, "role name \"", 11) == 0;
    tdbplus_status status = is_unsupported(message)
                                ? err_set(err, TDBPLUS_E_UNSUPPORTED, "%s", message)
                                : err_set_state(err, TDBPLUS_E_SYNTAX,
                                                frame      ? "42P20"
                                                : reserved ? "42939"
                                                           : "42601",
                                                "%s", message);
    // The grammar counts characters; parse_text() leaves positions alone that are not of a missing
    // feature.
    if (err != NULL && error->cursorpos > 0) {
        uint32_t character = (uint32_t)error->cursorpos;
        err->position = status == TDBPLUS_E_UNSUPPORTED ? byte_of(text, character) : character;
    }
    return status;
}

/* The statements of a text: a list of RawStmt. */
static tdbplus_status copy_statements(struct copier *copier, const List *tree,
                                      struct parse_result *result_out, struct err *err)
{
    uint32_t count = tree == NULL ? 0 : (uint32_t)tree->length;
    struct parse_statement *statements =
        arena_array(copier->arena, count == 0 ? 1 : count, sizeof *statements);
    if (statements == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "out of memory while parsing");
    }
    for (uint32_t i = 0; i < count; i++) {
        const RawStmt *raw = tree->elements[i].ptr_value;
        uint32_t begin = raw->stmt_location < 0 ? 0 : (uint32_t)raw->stmt_location;
        uint32_t size = (uint32_t)raw->stmt_len;
        statements[i].begin_byte = friendly_source(copier->friendly, begin);
        statements[i].size_bytes =
            size == 0 ? 0
                      : friendly_source(copier->friendly, begin + size) - statements[i].begin_byte;
        copy_run(copier, raw->stmt, &statements[i].root);
        if (copier->status != TDBPLUS_OK) {
            return report_copy(copier, err);
        }
    }
    *result_out = (struct parse_result){.statements = statements, .statement_count = count};
    return TDBPLUS_OK;
}

tdbplus_status pg_parse(const char *text, const struct friendly *friendly, struct arena *arena,
                        struct parse_result *result_out, struct err *err)
{
    MemoryContext context = pg_query_enter_memory_context();
    PgQueryInternalParsetreeAndError parsed = pg_query_raw_parse(text);
    tdbplus_status status = TDBPLUS_OK;
    if (parsed.error != NULL) {
        status = report_grammar(parsed.error, text, err);
        pg_query_free_error(parsed.error);
    } else {
        struct copier copier = {.arena = arena, .friendly = friendly, .status = TDBPLUS_OK};
        list_init(&copier.stack, arena->alloc, sizeof(struct copy_item));
        status = copy_statements(&copier, parsed.tree, result_out, err);
        list_deinit(&copier.stack);
    }
    // The one thing of the result that is not in the context; made with strdup().
    free(parsed.stderr_buffer);
    pg_query_exit_memory_context(context);
    return status;
}
