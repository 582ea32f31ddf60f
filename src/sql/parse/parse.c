#include "sql/parse/parse.h"

#include <string.h>

#include "sql/parse/ast_role.h"
#include "sql/parse/ast_session.h"
#include "sql/parse/pg_parse.h"

/* Length of the UTF-8 character at `at`, 0 if it is not one (RFC 3629: shortest form, no
 * surrogates, at most U+10FFFF). */
static size_t character_size(const uint8_t *at, size_t rest)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0x80) {
        return 1;
    }
    size_t size = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || rest < size) {
        return 0;
    }
    uint32_t code = at[0] & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3Fu);
    }
    bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < smallest[size] || code > 0x10FFFF || surrogate ? 0 : size;
}

static tdbplus_status check_text(struct span text, struct err *err)
{
    if (text.size > PARSE_TEXT_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "a statement has at most %zu bytes",
                       PARSE_TEXT_SIZE_MAX);
    }
    for (size_t i = 0; i < text.size;) {
        size_t size = character_size(text.data + i, text.size - i);
        if (size == 0 || text.data[i] == 0) {
            tdbplus_status status =
                err_set_state(err, TDBPLUS_E_SYNTAX, "22021",
                              "invalid byte sequence for encoding \"UTF8\": 0x%02x", text.data[i]);
            if (err != NULL) {
                err->position = parse_character(text, (uint32_t)i + 1);
            }
            return status;
        }
        i += size;
    }
    return TDBPLUS_OK;
}

uint32_t parse_character(struct span text, uint32_t position)
{
    if (position == 0 || position - 1 > text.size) {
        return 0;
    }
    uint32_t characters = 1;
    for (size_t i = 0; i + 1 < position; i++) {
        characters += (text.data[i] & 0xC0) != 0x80;
    }
    return characters;
}

/* The character of the old text for one of the rewritten text. */
static uint32_t character_of(struct span text, const struct friendly *friendly, uint32_t character)
{
    uint32_t byte = 0;
    uint32_t count = 0;
    for (; character > 0 && friendly->text[byte] != '\0'; byte++) {
        count += ((uint8_t)friendly->text[byte] & 0xC0) != 0x80;
        if (count == character) {
            break;
        }
    }
    return character == 0 ? 0 : parse_character(text, friendly_source(friendly, byte) + 1);
}

tdbplus_status parse_text(struct span text, struct arena *arena, struct parse_result *result_out,
                          struct err *err)
{
    TRY(check_text(text, err));
    // The grammar wants a terminator.
    const char *copy = arena_text(arena, text);
    if (copy == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "out of memory while parsing");
    }
    struct parse_result result = {0};
    struct friendly friendly = {0};
    tdbplus_status status = pg_parse(copy, NULL, arena, &result, err);
    if (status == TDBPLUS_E_SYNTAX && friendly_rewrite(text, arena, &friendly)) {
        err_clear(err);
        status = pg_parse(friendly.text, &friendly, arena, &result, err);
        if (status == TDBPLUS_E_SYNTAX && err != NULL) {
            err->position = character_of(text, &friendly, err->position);
        }
    }
    if (status == TDBPLUS_OK) {
        *result_out = result;
    } else if (status == TDBPLUS_E_UNSUPPORTED && err != NULL) {
        err->position = parse_character(text, err->position);
    }
    return status;
}

static const char *drop_name(uint8_t kind)
{
    static const char *const names[] = {
        [AST_OBJECT_TABLE] = "DROP TABLE",
        [AST_OBJECT_VIEW] = "DROP VIEW",
        [AST_OBJECT_INDEX] = "DROP INDEX",
        [AST_OBJECT_COLUMN] = "DROP COLUMN",
        [AST_OBJECT_SEQUENCE] = "DROP SEQUENCE",
        [AST_OBJECT_SCHEMA] = "DROP SCHEMA",
        [AST_OBJECT_TYPE] = "DROP TYPE",
        [AST_OBJECT_DOMAIN] = "DROP DOMAIN",
        [AST_OBJECT_MATERIALIZED_VIEW] = "DROP MATERIALIZED VIEW",
        [AST_OBJECT_CONSTRAINT] = "DROP",
        [AST_OBJECT_DATABASE] = "DROP DATABASE",
        [AST_OBJECT_ROLE] = "DROP ROLE",
        [AST_OBJECT_OTHER] = "DROP",
    };
    return names[kind];
}

static const char *transaction_name(uint8_t kind)
{
    static const char *const names[] = {
        [AST_BEGIN] = "BEGIN",
        [AST_START] = "START TRANSACTION",
        [AST_COMMIT] = "COMMIT",
        [AST_ROLLBACK] = "ROLLBACK",
        [AST_SAVEPOINT] = "SAVEPOINT",
        [AST_RELEASE] = "RELEASE",
        [AST_ROLLBACK_TO] = "ROLLBACK",
        [AST_PREPARE_TRANSACTION] = "PREPARE TRANSACTION",
        [AST_COMMIT_PREPARED] = "COMMIT PREPARED",
        [AST_ROLLBACK_PREPARED] = "ROLLBACK PREPARED",
    };
    return names[kind];
}

static const char *maintain_name(uint8_t kind)
{
    static const char *const names[] = {
        [AST_MAINTAIN_VACUUM] = "VACUUM",         [AST_MAINTAIN_ANALYZE] = "ANALYZE",
        [AST_MAINTAIN_CHECKPOINT] = "CHECKPOINT", [AST_MAINTAIN_REINDEX] = "REINDEX",
        [AST_MAINTAIN_CLUSTER] = "CLUSTER",
    };
    return names[kind];
}

static const char *discard_name(uint8_t kind)
{
    static const char *const names[] = {
        [AST_DISCARD_ALL] = "DISCARD ALL",
        [AST_DISCARD_PLANS] = "DISCARD PLANS",
        [AST_DISCARD_SEQUENCES] = "DISCARD SEQUENCES",
        [AST_DISCARD_TEMP] = "DISCARD TEMP",
    };
    return names[kind];
}

/* Statements whose name depends on what they say. */
static const char *session_name(const struct ast *root)
{
    switch ((int)root->kind) {
    case AST_FETCH:
        return ((const struct ast_fetch *)root)->move ? "MOVE" : "FETCH";
    case AST_CLOSE_CURSOR:
        return ((const struct ast_close_cursor *)root)->name == NULL ? "CLOSE CURSOR ALL"
                                                                     : "CLOSE CURSOR";
    case AST_DEALLOCATE:
        return ((const struct ast_deallocate *)root)->name == NULL ? "DEALLOCATE ALL"
                                                                   : "DEALLOCATE";
    case AST_DISCARD:
        return discard_name(((const struct ast_discard *)root)->discard_kind);
    case AST_LISTEN:
        return ((const struct ast_listen *)root)->stop ? "UNLISTEN" : "LISTEN";
    default:
        return maintain_name(((const struct ast_maintain *)root)->maintain_kind);
    }
}

static const char *set_name(uint8_t kind)
{
    return kind == AST_RESET || kind == AST_RESET_ALL ? "RESET" : "SET";
}

/* ALTER of that kind of object. */
static const char *alter_name(uint8_t kind)
{
    static const char *const names[] = {
        [AST_OBJECT_TABLE] = "ALTER TABLE",
        [AST_OBJECT_VIEW] = "ALTER VIEW",
        [AST_OBJECT_INDEX] = "ALTER INDEX",
        [AST_OBJECT_COLUMN] = "ALTER TABLE",
        [AST_OBJECT_SEQUENCE] = "ALTER SEQUENCE",
        [AST_OBJECT_SCHEMA] = "ALTER SCHEMA",
        [AST_OBJECT_TYPE] = "ALTER TYPE",
        [AST_OBJECT_DOMAIN] = "ALTER DOMAIN",
        [AST_OBJECT_MATERIALIZED_VIEW] = "ALTER MATERIALIZED VIEW",
        [AST_OBJECT_CONSTRAINT] = "ALTER TABLE",
        [AST_OBJECT_DATABASE] = "ALTER DATABASE",
        [AST_OBJECT_ROLE] = "ALTER ROLE",
        [AST_OBJECT_OTHER] = "ALTER",
    };
    return names[kind];
}

static const char *rename_name(const struct ast_rename *rename)
{
    bool column = rename->object_kind == AST_OBJECT_COLUMN;
    return alter_name(column ? rename->relation_kind : rename->object_kind);
}

static const char *role_name(const struct ast *root)
{
    switch ((int)root->kind) {
    case AST_CREATE_ROLE:
        return ((const struct ast_create_role *)root)->alter ? "ALTER ROLE" : "CREATE ROLE";
    case AST_GRANT_ROLE:
        return ((const struct ast_grant_role *)root)->grant ? "GRANT ROLE" : "REVOKE ROLE";
    case AST_GRANT:
        return ((const struct ast_grant *)root)->grant ? "GRANT" : "REVOKE";
    case AST_OWNER:
        return alter_name(((const struct ast_owner *)root)->object_kind);
    default:
        return ((const struct ast_owned *)root)->owner == NULL ? "DROP OWNED" : "REASSIGN OWNED";
    }
}

const char *parse_statement_name(const struct ast *root)
{
    static const char *const names[] = {
        [AST_SELECT] = "SELECT",
        [AST_INSERT] = "INSERT",
        [AST_UPDATE] = "UPDATE",
        [AST_DELETE] = "DELETE",
        [AST_MERGE] = "MERGE",
        [AST_CREATE_TABLE] = "CREATE TABLE",
        [AST_CREATE_TABLE_AS] = "CREATE TABLE AS",
        [AST_CREATE_VIEW] = "CREATE VIEW",
        [AST_CREATE_INDEX] = "CREATE INDEX",
        [AST_CREATE_SCHEMA] = "CREATE SCHEMA",
        [AST_CREATE_ENUM] = "CREATE TYPE",
        [AST_ALTER_ENUM] = "ALTER TYPE",
        [AST_CREATE_DOMAIN] = "CREATE DOMAIN",
        [AST_ALTER_DOMAIN] = "ALTER DOMAIN",
        [AST_COMMENT] = "COMMENT",
        [AST_REFRESH] = "REFRESH MATERIALIZED VIEW",
        [AST_TRUNCATE] = "TRUNCATE TABLE",
        [AST_ANALYZE] = "ANALYZE",
        [AST_COPY] = "COPY",
        [AST_SHOW] = "SHOW",
        [AST_SET_CONSTRAINTS] = "SET CONSTRAINTS",
        [AST_EXPLAIN] = "EXPLAIN",
        [AST_PREPARE] = "PREPARE",
        [AST_EXECUTE] = "EXECUTE",
        [AST_DECLARE_CURSOR] = "DECLARE CURSOR",
        [AST_NOTIFY] = "NOTIFY",
        [AST_LOCK_TABLE] = "LOCK TABLE",
        [AST_CREATE_EXTENSION] = "CREATE EXTENSION",
        [AST_DROP_ROLE] = "DROP ROLE",
    };
    switch ((int)root->kind) {
    case AST_DROP:
        return drop_name(((const struct ast_drop *)root)->object_kind);
    case AST_RENAME:
        return rename_name((const struct ast_rename *)root);
    case AST_SET_SCHEMA:
        return alter_name(((const struct ast_set_schema *)root)->object_kind);
    case AST_ALTER_TABLE:
        return alter_name(((const struct ast_alter_table *)root)->object_kind);
    case AST_CREATE_SEQUENCE:
        return ((const struct ast_create_sequence *)root)->alter ? "ALTER SEQUENCE"
                                                                 : "CREATE SEQUENCE";
    case AST_CREATE_ROLE:
    case AST_GRANT_ROLE:
    case AST_GRANT:
    case AST_OWNER:
    case AST_OWNED:
        return role_name(root);
    case AST_TRANSACTION:
        return transaction_name(((const struct ast_transaction *)root)->transaction_kind);
    case AST_SET:
        return set_name(((const struct ast_set *)root)->set_kind);
    case AST_FETCH:
    case AST_CLOSE_CURSOR:
    case AST_DEALLOCATE:
    case AST_DISCARD:
    case AST_LISTEN:
    case AST_MAINTAIN:
        return session_name(root);
    case AST_UNKNOWN_STATEMENT:
        return ((const struct ast_unknown *)root)->name;
    default:
        return root->kind < sizeof names / sizeof *names && names[root->kind] != NULL
                   ? names[root->kind]
                   : "STATEMENT";
    }
}
