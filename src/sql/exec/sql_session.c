#include "sql/exec/sql_session.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "catalog/catalog_sequence.h"

#define PATH_DEFAULT "\"$user\", public"
#define TEMP_PREFIX  "pg_temp_"
#define NAME_SIZE    128

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a session does not fit in memory");
}

/* ---- names in texts ---- */

/* Reads one name, quoted or in lower case up to `stop`. Returns where it ends, or SIZE_MAX. */
static size_t read_name(struct span text, size_t at, char stop, char name[NAME_SIZE])
{
    size_t size = 0;
    bool quoted = at < text.size && text.data[at] == '"';
    bool closed = !quoted;
    for (at += quoted; at < text.size && size < NAME_SIZE - 1; at++) {
        char byte = (char)text.data[at];
        bool doubled = quoted && byte == '"' && at + 1 < text.size && text.data[at + 1] == '"';
        if (quoted && byte == '"' && !doubled) {
            closed = true;
            at++;
            break;
        }
        if (!quoted && (byte == stop || isspace((unsigned char)byte))) {
            break;
        }
        at += doubled;
        name[size++] = quoted ? byte : (char)tolower((unsigned char)byte);
    }
    name[size] = 0;
    return !closed || (size == 0 && !quoted) || size >= NAME_SIZE - 1 ? SIZE_MAX : at;
}

static size_t skip_blank(struct span text, size_t at)
{
    while (at < text.size && isspace(text.data[at])) {
        at++;
    }
    return at;
}

/* ---- the path ---- */

static tdbplus_status bad_path(struct span text, struct err *err)
{
    tdbplus_status status = err_set_state(err, TDBPLUS_E_INVALID, "22023",
                                          "invalid value for parameter \"search_path\": \"%.*s\"",
                                          (int)text.size, (const char *)text.data);
    err_detail(err, "List syntax is invalid.");
    return status;
}

static tdbplus_status read_path(struct span text, const char *user, struct arena *arena,
                                const char **path, uint32_t *count_out, struct err *err)
{
    uint32_t count = 0;
    size_t at = skip_blank(text, 0);
    while (at < text.size) {
        char name[NAME_SIZE];
        at = read_name(text, at, ',', name);
        if (at == SIZE_MAX || count == SQL_PATH_COUNT_MAX) {
            return bad_path(text, err);
        }
        // The system's own schema finds nothing here.
        bool own = strcmp(name, "$user") == 0;
        const char *wanted = own ? user : name;
        if (wanted[0] != 0 && strcmp(wanted, "pg_catalog") != 0) {
            path[count] = arena_text(arena, span_from_text(wanted));
            if (path[count++] == NULL) {
                return no_memory(err);
            }
        }
        at = skip_blank(text, at);
        if (at < text.size && text.data[at] != ',') {
            return bad_path(text, err);
        }
        at = skip_blank(text, at + 1);
    }
    *count_out = count;
    return TDBPLUS_OK;
}

tdbplus_status sql_session_set_path(struct sql_session *session, struct span text, struct err *err)
{
    struct arena arena;
    uint32_t count = 0;
    arena_init(&arena, session->alloc, 256);
    const char **path = arena_array(&arena, SQL_PATH_COUNT_MAX, sizeof *path);
    char *copy = arena_text(&arena, text);
    tdbplus_status status = path == NULL || copy == NULL
                                ? no_memory(err)
                                : read_path(text, session->user, &arena, path, &count, err);
    if (status != TDBPLUS_OK) {
        arena_deinit(&arena);
        return status;
    }
    arena_deinit(&session->path_arena);
    session->path_arena = arena;
    session->path = path;
    session->path_count = count;
    session->path_text = copy;
    session->bind.path = path;
    session->bind.path_count = count;
    return TDBPLUS_OK;
}

tdbplus_status sql_session_set_role(struct sql_session *session, uint64_t session_role,
                                    const struct role *role, struct err *err)
{
    session->bind.session_role = session_role;
    session->bind.role = role->oid;
    if (strcmp(session->user, role->name) == 0) {
        return TDBPLUS_OK;
    }
    (void)snprintf(session->user, sizeof session->user, "%s", role->name);
    // The path's text is freed when it is set, so it is copied first.
    struct buffer text;
    buffer_init(&text, session->alloc);
    buffer_put_text(&text, session->path_text == NULL ? "" : session->path_text);
    tdbplus_status status =
        text.failed ? no_memory(err) : sql_session_set_path(session, buffer_span(&text), err);
    buffer_deinit(&text);
    return status;
}

static void put_name(struct buffer *text, const char *name)
{
    bool plain = name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z');
    for (const char *at = name; *at != 0; at++) {
        plain = plain && (*at == '_' || isdigit((unsigned char)*at) || (*at >= 'a' && *at <= 'z'));
    }
    buffer_put_text(text, plain ? "" : "\"");
    for (const char *at = name; *at != 0; at++) {
        buffer_put_text(text, *at == '"' ? "\"" : "");
        buffer_put_u8(text, (uint8_t)*at);
    }
    buffer_put_text(text, plain ? "" : "\"");
}

tdbplus_status sql_session_set(struct sql_session *session, const struct ast_set *set,
                               struct err *err)
{
    struct buffer text;
    buffer_init(&text, session->alloc);
    if (set->set_kind != AST_SET_VALUE) {
        buffer_put_text(&text, PATH_DEFAULT);
    }
    for (uint32_t i = 0; set->set_kind == AST_SET_VALUE && i < set->values.count; i++) {
        const struct ast_constant *value = (const struct ast_constant *)set->values.items[i];
        bool named = value->ast.kind == AST_CONSTANT && value->text != NULL;
        buffer_put_text(&text, i == 0 ? "" : ", ");
        put_name(&text, named ? value->text : "");
    }
    tdbplus_status status =
        text.failed ? no_memory(err) : sql_session_set_path(session, buffer_span(&text), err);
    buffer_deinit(&text);
    return status;
}

/* ---- life ---- */

tdbplus_status sql_session_init(struct sql_session *session, struct store *store,
                                const struct alloc *alloc, struct err *err)
{
    *session = (struct sql_session){.alloc = alloc};
    arena_init(&session->path_arena, alloc, 0);
    list_init(&session->numbers, alloc, sizeof(struct sql_session_number));
    (void)snprintf(session->temp_schema, sizeof session->temp_schema, TEMP_PREFIX "%" PRIu64,
                   store_next_txn_id(store));
    session->bind.temp_schema = session->temp_schema;
    session->bind.role = ROLE_BOOTSTRAP;
    session->bind.session_role = ROLE_BOOTSTRAP;
    return sql_session_set_path(session, span_from_text(PATH_DEFAULT), err);
}

void sql_session_deinit(struct sql_session *session)
{
    if (session->alloc != NULL) {
        arena_deinit(&session->path_arena);
        list_deinit(&session->numbers);
    }
}

/* ---- what is temporary ---- */

static const uint8_t temporary_kinds[] = {CATALOG_VIEW, CATALOG_TABLE, CATALOG_SEQUENCE,
                                          CATALOG_TYPE};

static bool find_temporary(struct txn *txn, const char *schema, struct catalog_entry *entry)
{
    for (size_t k = 0; k < sizeof temporary_kinds; k++) {
        *entry = (struct catalog_entry){0};
        while (catalog_entry_next(txn, temporary_kinds[k], entry)) {
            if (schema != NULL ? strcmp(entry->schema, schema) == 0
                               : strncmp(entry->schema, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0) {
                return true;
            }
        }
    }
    return false;
}

tdbplus_status sql_session_drop_temporary(struct store *store, const char *schema,
                                          const struct call *call)
{
    struct txn *txn = NULL;
    struct catalog_entry entry;
    if (store_read_only(store)) {
        return TDBPLUS_OK;
    }
    TRY(txn_begin(store, NULL, call->alloc, &txn, call->err));
    bool any = false;
    while (find_temporary(txn, schema, &entry)) {
        any = true;
        tdbplus_status status = catalog_entry_drop(txn, entry.oid, call->err);
        if (status != TDBPLUS_OK) {
            txn_abort(txn);
            return status;
        }
    }
    if (any) {
        return txn_commit(txn, call);
    }
    txn_abort(txn);
    return TDBPLUS_OK;
}

/* ---- sequences ---- */

static tdbplus_status find_relation(const struct sql_sequences *sequences, struct span text,
                                    struct catalog_entry *entry_out, struct err *err)
{
    char schema[NAME_SIZE] = "";
    char name[NAME_SIZE];
    const struct bind_session *session =
        sequences->session == NULL ? NULL : &sequences->session->bind;
    size_t at = read_name(text, skip_blank(text, 0), '.', name);
    if (at != SIZE_MAX && at < text.size && text.data[at] == '.') {
        memcpy(schema, name, sizeof schema);
        at = read_name(text, at + 1, '.', name);
    }
    if (at == SIZE_MAX || skip_blank(text, at) != text.size) {
        return err_set_state(err, TDBPLUS_E_SQL, "42602", "invalid name syntax");
    }
    if (!bind_find_named(sequences->txn, session, 0, schema[0] == 0 ? NULL : schema, name,
                         entry_out)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42P01", "relation \"%.*s\" does not exist",
                             (int)text.size, (const char *)text.data);
    }
    return TDBPLUS_OK;
}

static tdbplus_status find(void *ctx, struct span text, uint64_t *oid_out, struct err *err)
{
    struct catalog_entry entry;
    TRY(find_relation(ctx, text, &entry, err));
    if (entry.kind != CATALOG_SEQUENCE) {
        return err_set_state(err, TDBPLUS_E_SQL, "42809", "\"%s\" is not a sequence", entry.name);
    }
    *oid_out = entry.oid;
    return TDBPLUS_OK;
}

static struct sql_session_number *find_number(struct sql_session *session, uint64_t oid)
{
    for (size_t i = 0; session != NULL && i < session->numbers.count; i++) {
        struct sql_session_number *number = list_at(&session->numbers, i);
        if (number->oid == oid) {
            return number;
        }
    }
    return NULL;
}

static tdbplus_status keep_number(struct sql_session *session, uint64_t oid, int64_t value,
                                  struct err *err)
{
    struct sql_session_number fresh = {.oid = oid};
    struct sql_session_number *number = find_number(session, oid);
    if (session == NULL) {
        return TDBPLUS_OK;
    }
    number = number != NULL ? number : list_push(&session->numbers, &fresh);
    if (number == NULL) {
        return no_memory(err);
    }
    number->value = value;
    return TDBPLUS_OK;
}

static struct call call_of(const struct sql_sequences *sequences, struct err *err)
{
    struct call call = *sequences->call;
    call.err = err;
    return call;
}

/* An identity column counts for whoever may insert into its table. */
static tdbplus_status check_sequence(struct sql_sequences *sequences, uint64_t oid,
                                     uint32_t privileges, struct err *err)
{
    struct catalog_entry entry;
    struct acl_target target;
    struct sequence_def def = {0};
    uint64_t role =
        sequences->session == NULL ? (uint64_t)ROLE_BOOTSTRAP : sequences->session->bind.role;
    if (role == ROLE_BOOTSTRAP || !catalog_entry_by_oid(sequences->txn, oid, &entry) ||
        !acl_target_of(&entry, &target) ||
        (acl_mask(sequences->txn, target, 0, role) & privileges) != 0 ||
        (sequence_decode(&entry, &def, NULL) == TDBPLUS_OK && def.identity == SEQUENCE_IDENTITY)) {
        return TDBPLUS_OK;
    }
    return err_set_state(err, TDBPLUS_E_SQL, "42501", "permission denied for sequence %s",
                         entry.name);
}

static tdbplus_status next(void *ctx, uint64_t oid, uint32_t count, int64_t *values_out,
                           struct err *err)
{
    struct sql_sequences *sequences = ctx;
    struct call call = call_of(sequences, err);
    if (count == 0) {
        return TDBPLUS_OK;
    }
    TRY(check_sequence(sequences, oid, PRIVILEGE_USAGE | PRIVILEGE_UPDATE, err));
    TRY(sequence_next(sequences->txn, oid, count, values_out, &call));
    if (sequences->session != NULL) {
        sequences->session->last_oid = oid;
    }
    return keep_number(sequences->session, oid, values_out[count - 1], err);
}

static tdbplus_status current(void *ctx, uint64_t oid, int64_t *value_out, struct err *err)
{
    struct sql_sequences *sequences = ctx;
    struct sql_session *session = sequences->session;
    struct catalog_entry entry = {0};
    bool last = oid == 0;
    oid = last && session != NULL ? session->last_oid : oid;
    const struct sql_session_number *number = find_number(session, oid);
    bool there = catalog_entry_by_oid(sequences->txn, oid, &entry);
    TRY(there ? check_sequence(sequences, oid, PRIVILEGE_USAGE | PRIVILEGE_SELECT, err)
              : TDBPLUS_OK);
    if (number == NULL || !there) {
        return last ? err_set_state(err, TDBPLUS_E_SQL, "55000",
                                    "lastval is not yet defined in this session")
                    : err_set_state(err, TDBPLUS_E_SQL, "55000",
                                    "currval of sequence \"%s\" is not yet defined in this session",
                                    entry.name);
    }
    *value_out = number->value;
    return TDBPLUS_OK;
}

static tdbplus_status set(void *ctx, uint64_t oid, int64_t value, bool called, struct err *err)
{
    struct sql_sequences *sequences = ctx;
    struct call call = call_of(sequences, err);
    TRY(check_sequence(sequences, oid, PRIVILEGE_UPDATE, err));
    TRY(sequence_set(sequences->txn, oid, value, called, &call));
    return called ? keep_number(sequences->session, oid, value, err) : TDBPLUS_OK;
}

static tdbplus_status serial(void *ctx, struct span table, struct span column,
                             char name_out[FUNC_SERIAL_NAME_SIZE], struct err *err)
{
    struct sql_sequences *sequences = ctx;
    struct catalog_entry entry;
    struct catalog_entry owned = {0};
    char name[SCHEMA_NAME_SIZE_MAX];
    TRY(find_relation(sequences, table, &entry, err));
    (void)snprintf(name, sizeof name, "%.*s", (int)column.size, (const char *)column.data);
    int32_t at = entry.kind == CATALOG_TABLE ? schema_find_name(entry.object->schema, name) : -1;
    if (at < 0) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42703",
                             "column \"%s\" of relation \"%s\" does not exist", name, entry.name);
    }
    uint32_t id = entry.object->schema->columns[at].id;
    name_out[0] = 0;
    while (catalog_entry_next(sequences->txn, CATALOG_SEQUENCE, &owned)) {
        struct sequence_def def = {0};
        if (owned.owner == entry.oid && sequence_decode(&owned, &def, NULL) == TDBPLUS_OK &&
            def.column == id) {
            (void)snprintf(name_out, FUNC_SERIAL_NAME_SIZE, "%s.%s", owned.schema, owned.name);
        }
    }
    return TDBPLUS_OK;
}

void sql_sequences_init(struct sql_sequences *sequences, struct txn *txn, const struct call *call,
                        struct sql_session *session)
{
    *sequences = (struct sql_sequences){.functions = {sequences, find, next, current, set, serial},
                                        .txn = txn,
                                        .call = call,
                                        .session = session};
}
