/* Functions about the catalog: whoever has one answers them by name (struct func_session). */

#include <string.h>

#include "sql/func/text_kernel.h"

static void put_answer(struct func_call *call, uint32_t row, const struct func_answer *answer,
                       struct datum *value)
{
    if (answer->is_null) {
        kernel_set_null(call, row);
        return;
    }
    value->type = call->result->type;
    if (call->result->type.id == TYPE_BOOL) {
        value->boolean = answer->integer != 0;
    } else if (type_physical(call->result->type) != PHYSICAL_VIEW) {
        value->integer = answer->integer;
    }
    column_set(call->result, row, value);
}

static tdbplus_status ask_row(struct func_call *call, uint32_t row, struct func_answer *answer)
{
    const struct func_session *session = call->context->session;
    struct datum arguments[FUNC_DECLARED_MAX];
    struct datum value = {0};
    for (uint32_t i = 0; i < call->argument_count; i++) {
        column_get(&call->arguments[i], row, &arguments[i]);
    }
    buffer_clear(&answer->text);
    answer->is_null = false;
    answer->integer = 0;
    TRY(session->catalog_call(session->ctx, call->func->name, arguments, call->argument_count,
                              answer, call->err));
    if (!answer->is_null && type_physical(call->result->type) == PHYSICAL_VIEW) {
        tdbplus_status status = TDBPLUS_OK;
        uint8_t *bytes = answer->text.failed ? NULL : text_make(call, answer->text.size, &status);
        if (bytes == NULL) {
            return kernel_no_memory(call);
        }
        if (answer->text.size > 0) {
            memcpy(bytes, answer->text.data, answer->text.size);
        }
        value.bytes = (struct span){.data = bytes, .size = answer->text.size};
    }
    put_answer(call, row, answer, &value);
    return TDBPLUS_OK;
}

static tdbplus_status ask(struct func_call *call)
{
    if (call->context == NULL || call->context->session == NULL ||
        call->context->session->catalog_call == NULL) {
        return err_set(call->err, TDBPLUS_E_UNSUPPORTED, "%s() needs a session", call->func->name);
    }
    struct func_answer answer = {0};
    buffer_init(&answer.text, call->arena->alloc);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < call->count && status == TDBPLUS_OK; i++) {
        status = ask_row(call, kernel_row(call, i), &answer);
    }
    buffer_deinit(&answer.text);
    return status;
}

#define ASK      FUNC_STABLE | FUNC_NULLABLE
#define TELL     FUNC_VOLATILE | FUNC_NULLABLE
#define ASK_NULL FUNC_STABLE | FUNC_NULLABLE | FUNC_CALLED_ON_NULL
#define O        TYPE_OID
#define N        TYPE_NAME
#define T        TYPE_TEXT
#define R        TYPE_REGCLASS
#define I4       TYPE_INT4
#define I8       TYPE_INT8
#define B        TYPE_BOOL

const struct func table_catalog[] = {
    {"current_schema", 0, {0}, N, ASK, ask, "The first schema of the search path that exists."},
    {"pg_get_userbyid", 1, {O}, N, ASK, ask, "The name of a role."},
    {"pg_table_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_type_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_function_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_operator_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_opclass_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_opfamily_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_collation_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_conversion_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_statistics_obj_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_ts_config_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_ts_dict_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_ts_parser_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"pg_ts_template_is_visible", 1, {O}, B, ASK, ask, "Whether its name alone finds it."},
    {"format_type", 2, {O, I4}, T, ASK_NULL, ask, "The name of a type."},
    {"pg_get_expr", 2, {T, O}, T, ASK, ask, "The text of an expression."},
    {"pg_get_expr", 3, {T, O, B}, T, ASK, ask, "The text of an expression."},
    {"pg_get_indexdef", 1, {O}, T, ASK, ask, "CREATE INDEX as it would be written."},
    {"pg_get_indexdef", 3, {O, I4, B}, T, ASK, ask, "The same, or one of its columns."},
    {"pg_get_constraintdef", 1, {O}, T, ASK, ask, "A constraint as it would be written."},
    {"pg_get_constraintdef", 2, {O, B}, T, ASK, ask, "A constraint as it would be written."},
    {"pg_get_viewdef", 1, {O}, T, ASK, ask, "The query of a view."},
    {"pg_get_viewdef", 2, {O, B}, T, ASK, ask, "The query of a view."},
    {"pg_get_viewdef", 1, {T}, T, ASK, ask, "The query of a view."},
    {"pg_get_viewdef", 2, {T, B}, T, ASK, ask, "The query of a view."},
    {"pg_get_viewdef", 2, {O, I4}, T, ASK, ask, "The query of a view."},
    {"pg_get_ruledef", 1, {O}, T, ASK, ask, "There are none."},
    {"pg_get_ruledef", 2, {O, B}, T, ASK, ask, "There are none."},
    {"pg_get_triggerdef", 1, {O}, T, ASK, ask, "There are none."},
    {"pg_get_triggerdef", 2, {O, B}, T, ASK, ask, "There are none."},
    {"pg_get_functiondef", 1, {O}, T, ASK, ask, "As PostgreSQL's, of what is here."},
    {"pg_get_function_result", 1, {O}, T, ASK, ask, "As PostgreSQL's, of what is here."},
    {"pg_get_function_arguments", 1, {O}, T, ASK, ask, "As PostgreSQL's, of what is here."},
    {"pg_get_function_identity_arguments",
     1,
     {O},
     T,
     ASK,
     ask,
     "As PostgreSQL's, of what is here."},
    {"pg_get_partkeydef", 1, {O}, T, ASK, ask, "As PostgreSQL's, of what is here."},
    {"pg_get_statisticsobjdef_columns", 1, {O}, T, ASK, ask, "As PostgreSQL's, of what is here."},
    {"pg_get_statisticsobjdef", 1, {O}, T, ASK, ask, "As PostgreSQL's, of what is here."},
    {"pg_get_function_sqlbody", 1, {O}, T, ASK, ask, "As PostgreSQL's, of what is here."},
    {"pg_relation_size", 1, {R}, I8, ASK, ask, "Bytes of a relation, about."},
    {"pg_total_relation_size", 1, {R}, I8, ASK, ask, "Bytes of a relation, about."},
    {"pg_table_size", 1, {R}, I8, ASK, ask, "Bytes of a relation, about."},
    {"pg_indexes_size", 1, {R}, I8, ASK, ask, "Bytes of a relation, about."},
    {"pg_relation_size", 2, {R, T}, I8, ASK, ask, "Bytes of a relation, about."},
    {"pg_database_size", 1, {N}, I8, ASK, ask, "Bytes of the database, about."},
    {"pg_database_size", 1, {O}, I8, ASK, ask, "Bytes of the database, about."},
    {"obj_description", 2, {O, N}, T, ASK, ask, "The comment of an object."},
    {"obj_description", 1, {O}, T, ASK, ask, "The comment of an object."},
    {"col_description", 2, {O, I4}, T, ASK, ask, "The comment of a column."},
    {"shobj_description", 2, {O, N}, T, ASK, ask, "The comment of an object."},
    {"has_table_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_table_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_table_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_table_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_table_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_table_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_any_column_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_any_column_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_any_column_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_any_column_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_any_column_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_any_column_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_sequence_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_sequence_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_sequence_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_sequence_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_sequence_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_sequence_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_schema_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_schema_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_schema_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_schema_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_schema_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_schema_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_database_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_database_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_database_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_database_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_database_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_database_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_function_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_function_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_function_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_function_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_function_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_function_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_language_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_language_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_language_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_language_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_language_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_language_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_tablespace_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_tablespace_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_tablespace_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_tablespace_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_tablespace_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_tablespace_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_type_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_type_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_type_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_type_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_type_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_type_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_server_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_server_privilege", 3, {N, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_server_privilege", 3, {O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_server_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_server_privilege", 3, {N, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_server_privilege", 3, {O, O, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_foreign_data_wrapper_privilege", 2, {T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_foreign_data_wrapper_privilege",
     3,
     {N, T, T},
     B,
     ASK,
     ask,
     "Whether that user may do that."},
    {"has_foreign_data_wrapper_privilege",
     3,
     {O, T, T},
     B,
     ASK,
     ask,
     "Whether that user may do that."},
    {"has_foreign_data_wrapper_privilege", 2, {O, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_foreign_data_wrapper_privilege",
     3,
     {N, O, T},
     B,
     ASK,
     ask,
     "Whether that user may do that."},
    {"has_foreign_data_wrapper_privilege",
     3,
     {O, O, T},
     B,
     ASK,
     ask,
     "Whether that user may do that."},
    {"has_column_privilege", 3, {T, T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_column_privilege", 4, {N, T, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_column_privilege", 3, {T, TYPE_INT2, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_column_privilege",
     4,
     {N, T, TYPE_INT2, T},
     B,
     ASK,
     ask,
     "Whether that user may do that."},
    {"has_column_privilege", 3, {O, T, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_column_privilege", 4, {N, O, T, T}, B, ASK, ask, "Whether that user may do that."},
    {"has_column_privilege", 3, {O, TYPE_INT2, T}, B, ASK, ask, "Whether the user may do that."},
    {"has_column_privilege",
     4,
     {N, O, TYPE_INT2, T},
     B,
     ASK,
     ask,
     "Whether that user may do that."},
    {"pg_has_role", 2, {N, T}, B, ASK, ask, "Whether the user has that role."},
    {"pg_has_role", 2, {O, T}, B, ASK, ask, "Whether the user has that role."},
    {"pg_has_role", 3, {N, N, T}, B, ASK, ask, "Whether the user has that role."},
    {"pg_has_role", 3, {N, O, T}, B, ASK, ask, "Whether the user has that role."},
    {"pg_has_role", 3, {O, N, T}, B, ASK, ask, "Whether the user has that role."},
    {"pg_has_role", 3, {O, O, T}, B, ASK, ask, "Whether the user has that role."},
    {"pg_relation_is_publishable", 1, {R}, B, ASK, ask, "Whether it could be published."},
    {"to_regclass", 1, {T}, R, ASK, ask, "The relation of that name, or null."},
    {"to_regtype", 1, {T}, TYPE_REGTYPE, ASK, ask, "The type of that name, or null."},
    {"to_regnamespace", 1, {T}, TYPE_REGNAMESPACE, ASK, ask, "The schema of that name, or null."},
    {"to_regrole", 1, {T}, TYPE_REGROLE, ASK, ask, "The role of that name, or null."},
    {"to_regproc", 1, {T}, TYPE_REGPROC, ASK, ask, "The function of that name, or null."},
    {"pg_my_temp_schema", 0, {0}, O, ASK, ask, "The schema of temporary tables; 0: none."},
    {"pg_is_other_temp_schema", 1, {O}, B, ASK, ask, "False."},
    {"pg_is_in_recovery", 0, {0}, B, ASK, ask, "False."},
    {"pg_backend_pid", 0, {0}, I4, ASK, ask, "The number of the session."},
    {"pg_tablespace_location", 1, {O}, T, ASK, ask, "Empty."},
    {"pg_tablespace_size", 1, {O}, I8, ASK, ask, "Bytes of the database, about."},
    {"pg_postmaster_start_time",
     0,
     {0},
     TYPE_TIMESTAMPTZ,
     ASK,
     ask,
     "When the database was opened."},
    {"pg_conf_load_time", 0, {0}, TYPE_TIMESTAMPTZ, ASK, ask, "When the database was opened."},
    {"pg_indexam_has_property", 2, {O, T}, B, ASK, ask, "What an access method can do."},
    {"pg_index_column_has_property",
     3,
     {R, I4, T},
     B,
     ASK,
     ask,
     "What a column of an index can do."},
    {"pg_index_has_property", 2, {R, T}, B, ASK, ask, "What an index can do."},
    {"pg_relation_filenode", 1, {R}, O, ASK, ask, "The number of the relation."},
    {"pg_filenode_relation", 2, {O, O}, R, ASK, ask, "The relation of that number."},
    {"pg_stat_get_numscans", 1, {O}, I8, ASK, ask, "0."},
    {"pg_sequence_last_value", 1, {R}, I8, ASK, ask, "The number that was handed out last."},
    {"pg_sequence_position",
     1,
     {R},
     T,
     ASK,
     ask,
     "The number where a sequence stands, and whether it was handed out: for dumps."},
    {"pg_stat_get_live_tuples", 1, {O}, I8, ASK, ask, "Rows, about."},
    {"pg_stat_get_dead_tuples", 1, {O}, I8, ASK, ask, "0."},
    {"pg_notify", 2, {T, T}, T, TELL, ask, "Notifies a channel when the transaction commits."},
    {"pg_advisory_lock", 1, {I8}, T, TELL, ask, "Takes an advisory lock."},
    {"pg_advisory_lock", 2, {I4, I4}, T, TELL, ask, "Takes an advisory lock."},
    {"pg_advisory_lock_shared", 1, {I8}, T, TELL, ask, "Takes an advisory lock with others."},
    {"pg_advisory_lock_shared", 2, {I4, I4}, T, TELL, ask, "Takes an advisory lock with others."},
    {"pg_advisory_xact_lock", 1, {I8}, T, TELL, ask, "The same up to the end of the transaction."},
    {"pg_advisory_xact_lock",
     2,
     {I4, I4},
     T,
     TELL,
     ask,
     "The same up to the end of the transaction."},
    {"pg_advisory_xact_lock_shared",
     1,
     {I8},
     T,
     TELL,
     ask,
     "The same up to the end of the transaction."},
    {"pg_advisory_xact_lock_shared",
     2,
     {I4, I4},
     T,
     TELL,
     ask,
     "The same up to the end of the transaction."},
    {"pg_try_advisory_lock", 1, {I8}, B, TELL, ask, "The same without waiting: whether it could."},
    {"pg_try_advisory_lock",
     2,
     {I4, I4},
     B,
     TELL,
     ask,
     "The same without waiting: whether it could."},
    {"pg_try_advisory_lock_shared", 1, {I8}, B, TELL, ask, "The same without waiting."},
    {"pg_try_advisory_lock_shared", 2, {I4, I4}, B, TELL, ask, "The same without waiting."},
    {"pg_try_advisory_xact_lock", 1, {I8}, B, TELL, ask, "The same without waiting."},
    {"pg_try_advisory_xact_lock", 2, {I4, I4}, B, TELL, ask, "The same without waiting."},
    {"pg_try_advisory_xact_lock_shared", 1, {I8}, B, TELL, ask, "The same without waiting."},
    {"pg_try_advisory_xact_lock_shared", 2, {I4, I4}, B, TELL, ask, "The same without waiting."},
    {"pg_advisory_unlock", 1, {I8}, B, TELL, ask, "Gives it back; false: the session has none."},
    {"pg_advisory_unlock",
     2,
     {I4, I4},
     B,
     TELL,
     ask,
     "Gives it back; false: the session has none."},
    {"pg_advisory_unlock_shared", 1, {I8}, B, TELL, ask, "Gives it back."},
    {"pg_advisory_unlock_shared", 2, {I4, I4}, B, TELL, ask, "Gives it back."},
    {"pg_advisory_unlock_all", 0, {0}, T, TELL, ask, "Gives back all of the session."},
    FUNC_END,
};
