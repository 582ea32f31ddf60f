/* The extended query protocol: Parse, Bind, Describe, Execute, Close, Sync. */

#include <string.h>

#include "server/server_internal.h"
#include "types/text.h"
#include "types/wire_type.h"

/* An error makes the server skip what comes until Sync. */
static void fail(struct connection *connection, const struct call *call)
{
    protocol_error(connection, call->err, false);
    connection->skipping = true;
    if (connection->session->txn != NULL) {
        connection->session->failed = true;
    }
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a prepared statement does not fit the memory limit");
}

static void put_empty(struct buffer *out, char letter)
{
    size_t at = wire_begin(out, letter);
    wire_end(out, at);
}

/* ---- names ---- */

static struct wire_statement **find_statement(struct connection *connection, const char *name)
{
    struct wire_statement **at = &connection->statements;
    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static struct wire_portal **find_portal(struct connection *connection, const char *name)
{
    struct wire_portal **at = &connection->portals;
    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

/* Both lie in their own arenas. */
static void drop_portal(struct connection *connection, struct wire_portal **at)
{
    struct wire_portal *portal = *at;
    *at = portal->next;
    connection->portal_count--;
    tdbplus_result_close(portal->result);
    struct arena arena = portal->arena;
    arena_deinit(&arena);
}

static void drop_statement(struct connection *connection, struct wire_statement **at)
{
    struct wire_statement *statement = *at;
    *at = statement->next;
    connection->statement_count--;
    struct wire_portal **portal = &connection->portals;
    while (*portal != NULL) {
        if ((*portal)->statement == statement) {
            drop_portal(connection, portal);
        } else {
            portal = &(*portal)->next;
        }
    }
    struct arena arena = statement->arena;
    arena_deinit(&arena);
}

void extended_drop_portals(struct connection *connection)
{
    while (connection->portals != NULL) {
        drop_portal(connection, &connection->portals);
    }
}

void extended_drop(struct connection *connection)
{
    extended_drop_portals(connection);
    while (connection->statements != NULL) {
        drop_statement(connection, &connection->statements);
    }
}

/* ---- Parse ---- */

static tdbplus_status read_types(struct wire_reader *reader, struct wire_statement *statement,
                                 struct type **types_out, struct err *err)
{
    struct arena *arena = &statement->arena;
    uint32_t count = (uint16_t)wire_i16(reader);
    struct type *types = arena_array(arena, (size_t)count + 1, sizeof *types);
    statement->declared = arena_array(arena, (size_t)count + 1, sizeof *statement->declared);
    if (types == NULL || statement->declared == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        int32_t oid = wire_i32(reader);
        types[i] = wire_type_by_oid(oid);
        statement->declared[i] = types[i].id == TYPE_NONE ? 0 : oid;
        if (types[i].id == TYPE_VECTOR) {
            types[i] = type_of(TYPE_NONE); // What stands beside it says how many dimensions.
        }
    }
    statement->declared_count = count;
    *types_out = types;
    return TDBPLUS_OK;
}

/* Fills in a statement, all of it in its arena. */
static tdbplus_status make_statement(struct connection *connection, struct wire_reader *reader,
                                     struct wire_statement *statement, const struct call *call)
{
    const char *name = wire_text(reader);
    const char *text = wire_text(reader);
    struct type *types = NULL;
    TRY(read_types(reader, statement, &types, call->err));
    TRY(wire_finish(reader, "Parse", call->err));
    statement->name = arena_text(&statement->arena, span_from_text(name));
    statement->text = arena_text(&statement->arena, span_from_text(text));
    statement->text_size = strlen(text);
    if (statement->name == NULL || statement->text == NULL) {
        return no_memory(call->err);
    }
    if (name[0] != '\0' && *find_statement(connection, name) != NULL) {
        return err_set_state(call->err, TDBPLUS_E_EXISTS, "42P05",
                             "prepared statement \"%s\" already exists", name);
    }
    if (connection->statement_count >= atomic_load(&connection->server->statement_count_max)) {
        return err_set(call->err, TDBPLUS_E_LIMIT,
                       "a connection has at most %u prepared statements",
                       atomic_load(&connection->server->statement_count_max));
    }
    query_leave_loop(connection, statement->text_size);
    struct describe_args args = {.text = span_from_text(statement->text),
                                 .types = types,
                                 .type_count = statement->declared_count,
                                 .arena = &statement->arena};
    return session_describe(connection->session, &args, &statement->description, call);
}

void extended_parse(struct connection *connection, struct wire_reader *reader,
                    const struct call *call)
{
    struct arena arena;
    arena_init(&arena, connection->server->alloc, 1024);
    struct wire_statement *statement = arena_array(&arena, 1, sizeof *statement);
    tdbplus_status status = statement == NULL ? no_memory(call->err) : TDBPLUS_OK;
    if (status == TDBPLUS_OK) {
        statement->arena = arena;
        status = make_statement(connection, reader, statement, call);
        arena = statement->arena;
    }
    if (status != TDBPLUS_OK) {
        arena_deinit(&arena);
        fail(connection, call);
        return;
    }
    struct wire_statement **old = find_statement(connection, statement->name);
    if (*old != NULL) {
        drop_statement(connection, old); // The one without a name.
    }
    statement->next = connection->statements;
    connection->statements = statement;
    connection->statement_count++;
    put_empty(&connection->out, '1');
}

/* ---- Bind ---- */

static tdbplus_status read_formats(struct wire_reader *reader, struct arena *arena,
                                   struct row_formats *formats_out, struct err *err)
{
    uint32_t count = (uint16_t)wire_i16(reader);
    if (count > reader->rest.size / 2) {
        reader->overrun = true;
        return TDBPLUS_OK;
    }
    uint16_t *formats = arena_array(arena, (size_t)count + 1, sizeof *formats);
    if (formats == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        formats[i] = (uint16_t)wire_i16(reader);
        if (formats[i] > WIRE_BINARY) {
            return err_set(err, TDBPLUS_E_INVALID, "invalid format code: %d", (int16_t)formats[i]);
        }
    }
    *formats_out = (struct row_formats){formats, count};
    return TDBPLUS_OK;
}

/* What a portal's values are read into, and how. */
struct value_room {
    struct arena *arena;
    const struct text_style *style;
};

static tdbplus_status read_value(struct span bytes, uint16_t format, const struct value_room *room,
                                 struct datum *datum, struct err *err)
{
    struct arena *arena = room->arena;
    // The message is gone when the portal runs.
    uint8_t *copy = arena_bytes(arena, bytes.size + 1);
    if (copy == NULL) {
        return no_memory(err);
    }
    memcpy(copy, bytes.data, bytes.size);
    bytes.data = copy;
    struct type type = datum->type;
    return format == WIRE_BINARY ? wire_parse_binary(bytes, type, room->style, arena, datum, err)
                                 : text_parse(bytes, type, room->style, arena, datum, err);
}

static tdbplus_status read_values(struct wire_reader *reader, struct wire_portal *portal,
                                  const struct text_style *style, struct err *err)
{
    struct value_room room = {.arena = &portal->arena, .style = style};
    const struct description *description = &portal->statement->description;
    struct row_formats formats = {0};
    TRY(read_formats(reader, &portal->arena, &formats, err));
    uint32_t count = (uint16_t)wire_i16(reader);
    if (reader->overrun || (formats.count > 1 && formats.count != count)) {
        return err_set_state(err, TDBPLUS_E_INVALID, "08P01",
                             "bind message has %u parameter formats but %u parameters",
                             formats.count, count);
    }
    if (count != description->parameter_count) {
        return err_set_state(err, TDBPLUS_E_INVALID, "08P01",
                             "bind message supplies %u parameters, but prepared statement \"%s\" "
                             "requires %u",
                             count, portal->statement->name, description->parameter_count);
    }
    portal->values = arena_array(&portal->arena, (size_t)count + 1, sizeof *portal->values);
    if (portal->values == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        int32_t size = wire_i32(reader);
        portal->values[i] = (struct datum){.type = description->parameters[i], .is_null = true};
        if (size >= 0 && !reader->overrun) {
            struct span bytes = wire_bytes(reader, (size_t)size);
            uint16_t format = formats.count == 0   ? WIRE_TEXT
                              : formats.count == 1 ? formats.formats[0]
                                                   : formats.formats[i];
            portal->values[i].is_null = false;
            if (!reader->overrun) {
                TRY(read_value(bytes, format, &room, &portal->values[i], err));
            }
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_portal(struct connection *connection, struct wire_reader *reader,
                                  struct wire_portal *portal, const struct call *call)
{
    const char *name = wire_text(reader);
    const char *statement_name = wire_text(reader);
    portal->statement = *find_statement(connection, statement_name);
    if (portal->statement == NULL) {
        return err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "26000",
                             "prepared statement \"%s\" does not exist", statement_name);
    }
    portal->name = arena_text(&portal->arena, span_from_text(name));
    if (portal->name == NULL) {
        return no_memory(call->err);
    }
    if (name[0] != '\0' && *find_portal(connection, name) != NULL) {
        return err_set_state(call->err, TDBPLUS_E_EXISTS, "42P03", "portal \"%s\" already exists",
                             name);
    }
    if (connection->portal_count >= PORTAL_COUNT_MAX) {
        return err_set(call->err, TDBPLUS_E_LIMIT, "a connection has at most %u portals",
                       PORTAL_COUNT_MAX);
    }
    TRY(read_values(reader, portal, &connection->session->state->style, call->err));
    TRY(read_formats(reader, &portal->arena, &portal->formats, call->err));
    TRY(wire_finish(reader, "Bind", call->err));
    uint32_t columns = portal->statement->description.column_count;
    if (portal->formats.count > 1 && portal->formats.count != columns) {
        return err_set_state(call->err, TDBPLUS_E_INVALID, "08P01",
                             "bind message has %u result formats but query has %u columns",
                             portal->formats.count, columns);
    }
    return TDBPLUS_OK;
}

void extended_bind(struct connection *connection, struct wire_reader *reader,
                   const struct call *call)
{
    struct arena arena;
    arena_init(&arena, connection->server->alloc, 1024);
    struct wire_portal *portal = arena_array(&arena, 1, sizeof *portal);
    tdbplus_status status = portal == NULL ? no_memory(call->err) : TDBPLUS_OK;
    if (status == TDBPLUS_OK) {
        portal->arena = arena;
        status = make_portal(connection, reader, portal, call);
        arena = portal->arena;
    }
    if (status != TDBPLUS_OK) {
        arena_deinit(&arena);
        fail(connection, call);
        return;
    }
    struct wire_portal **old = find_portal(connection, portal->name);
    if (*old != NULL) {
        drop_portal(connection, old);
    }
    portal->next = connection->portals;
    connection->portals = portal;
    connection->portal_count++;
    put_empty(&connection->out, '2');
}

/* ---- Describe and Close ---- */

static void put_columns(struct buffer *out, const struct description *description,
                        struct row_formats formats)
{
    if (description->column_count == 0) {
        put_empty(out, 'n');
    } else {
        query_describe(out, description->columns, description->column_count, formats);
    }
}

static void put_parameters(struct buffer *out, const struct wire_statement *statement)
{
    const struct description *description = &statement->description;
    size_t at = wire_begin(out, 't');
    wire_put_i16(out, (int16_t)description->parameter_count);
    for (uint32_t i = 0; i < description->parameter_count; i++) {
        // What the client declared stays so, though varchar is text to us.
        bool declared = i < statement->declared_count && statement->declared[i] != 0;
        wire_put_i32(out, declared ? statement->declared[i]
                                   : wire_type_of(description->parameters[i]).oid);
    }
    wire_end(out, at);
}

void extended_describe(struct connection *connection, struct wire_reader *reader,
                       const struct call *call)
{
    uint8_t kind = wire_u8(reader);
    const char *name = wire_text(reader);
    tdbplus_status status = wire_finish(reader, "Describe", call->err);
    if (status == TDBPLUS_OK && kind == 'S') {
        const struct wire_statement *statement = *find_statement(connection, name);
        if (statement != NULL) {
            put_parameters(&connection->out, statement);
            put_columns(&connection->out, &statement->description, (struct row_formats){0});
            return;
        }
        status = err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "26000",
                               "prepared statement \"%s\" does not exist", name);
    } else if (status == TDBPLUS_OK && kind == 'P') {
        const struct wire_portal *portal = *find_portal(connection, name);
        if (portal != NULL) {
            put_columns(&connection->out, &portal->statement->description, portal->formats);
            return;
        }
        // A cursor of DECLARE is a portal too.
        const tdbplus_result *source = session_cursor_source(connection->session, name);
        if (source != NULL) {
            query_describe_result(&connection->out, source);
            return;
        }
        status = err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "34000",
                               "portal \"%s\" does not exist", name);
    } else if (status == TDBPLUS_OK) {
        status = err_set_state(call->err, TDBPLUS_E_INVALID, "08P01",
                               "invalid DESCRIBE message subtype %d", kind);
    }
    if (status != TDBPLUS_OK) {
        fail(connection, call);
    }
}

void extended_close(struct connection *connection, struct wire_reader *reader,
                    const struct call *call)
{
    uint8_t kind = wire_u8(reader);
    const char *name = wire_text(reader);
    if (wire_finish(reader, "Close", call->err) != TDBPLUS_OK) {
        fail(connection, call);
        return;
    }
    // What does not exist is closed already.
    if (kind == 'S') {
        struct wire_statement **statement = find_statement(connection, name);
        if (*statement != NULL) {
            drop_statement(connection, statement);
        }
    } else {
        struct wire_portal **portal = find_portal(connection, name);
        if (*portal != NULL) {
            drop_portal(connection, portal);
        }
    }
    put_empty(&connection->out, '3');
}

/* ---- Execute and Sync ---- */

/* Whether the next message is here, and is Sync: then the statement is a transaction of its own. */
static bool sync_follows(const struct connection *connection)
{
    return connection->in.size - connection->in_at >= WIRE_HEADER_SIZE &&
           connection->in.data[connection->in_at] == 'S';
}

static bool controls(const struct wire_portal *portal)
{
    static const char *const tags[] = {"BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK"};
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (strcmp(portal->statement->description.tag, tags[i]) == 0) {
            return true;
        }
    }
    return false;
}

static tdbplus_status start_portal(struct connection *connection, struct wire_portal *portal,
                                   uint64_t limit, const struct call *call)
{
    bool open = tdbplus_session_in_transaction(connection->session);
    // Statements up to Sync are one transaction; rows that wait for a second Execute need one too.
    if (!open && !controls(portal) && (limit > 0 || !sync_follows(connection))) {
        TRY(query_control(connection, "BEGIN", call));
        connection->implicit = true;
    } else if (controls(portal)) {
        connection->implicit = false;
    }
    const struct wire_statement *statement = portal->statement;
    struct execute_args args = {
        .session = connection->session,
        .sql = statement->text,
        .size = statement->text_size,
        .parameters = {.datums = portal->values, .count = statement->description.parameter_count},
        .result_out = &portal->result};
    return session_execute(&args, call);
}

static tdbplus_status run_portal(struct connection *connection, struct wire_portal *portal,
                                 uint64_t limit, const struct call *call)
{
    uint64_t count = 0;
    struct buffer *out = &connection->out;
    if (portal->result == NULL && !portal->done) {
        TRY(start_portal(connection, portal, limit, call));
    }
    tdbplus_status status = TDBPLUS_END;
    if (portal->result != NULL && copy_wanted(portal->result)) {
        TRY(copy_run(connection, portal->result, call));
    } else if (portal->result != NULL && portal->result->column_count > 0) {
        status = query_rows(connection, portal->result, portal->formats, limit, &count, call);
    }
    if (status == TDBPLUS_OK) {
        put_empty(out, 's');
        return TDBPLUS_OK;
    }
    if (status != TDBPLUS_END) {
        return status;
    }
    const char *tag = portal->result == NULL ? "SELECT 0" : tdbplus_result_tag(portal->result);
    protocol_notices(connection);
    size_t at = wire_begin(out, tag[0] == '\0' ? 'I' : 'C');
    if (tag[0] != '\0') {
        wire_put_text(out, tag);
    }
    wire_end(out, at);
    (void)snprintf(portal->tag, sizeof portal->tag, "%s", tag);
    tdbplus_result_close(portal->result);
    portal->result = NULL;
    portal->done = true;
    return TDBPLUS_OK;
}

/* The same in a place among the statements that run, noted when it is at its end. */
static tdbplus_status run_counted(struct connection *connection, struct wire_portal *portal,
                                  uint64_t limit, const struct call *call)
{
    const struct wire_statement *statement = portal->statement;
    uint64_t begin_us = env_clock_mono_us(connection->server->env);
    TRY(query_begin(connection, call));
    tdbplus_status status = run_portal(connection, portal, limit, call);
    query_end(connection);
    if (status != TDBPLUS_OK || portal->done) {
        struct span text = {.data = (const uint8_t *)statement->text, .size = statement->text_size};
        observe_statement(connection, begin_us, text, status == TDBPLUS_OK ? portal->tag : NULL,
                          call->err);
    }
    return status;
}

void extended_execute(struct connection *connection, struct wire_reader *reader,
                      const struct call *call)
{
    const char *name = wire_text(reader);
    int32_t limit = wire_i32(reader);
    tdbplus_status status = wire_finish(reader, "Execute", call->err);
    struct wire_portal *portal = *find_portal(connection, name);
    if (status == TDBPLUS_OK && portal == NULL) {
        status = err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "34000",
                               "portal \"%s\" does not exist", name);
    }
    if (status == TDBPLUS_OK) {
        status = run_counted(connection, portal, limit <= 0 ? 0 : (uint64_t)limit, call);
    }
    if (status != TDBPLUS_OK) {
        fail(connection, call);
    }
}

void extended_sync(struct connection *connection, const struct call *call)
{
    connection->skipping = false;
    if (connection->implicit) {
        // Portals read from the transaction that ends here.
        extended_drop_portals(connection);
        connection->implicit = false;
        // COMMIT rolls back what has failed.
        if (query_control(connection, "COMMIT", call) != TDBPLUS_OK) {
            protocol_error(connection, call->err, false);
        }
    } else if (!tdbplus_session_in_transaction(connection->session)) {
        extended_drop_portals(connection);
    }
    protocol_ready(connection);
}
