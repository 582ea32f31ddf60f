/* Expressions and predicates of indexes, computed for one row at a time. */

#include "sql/exec/index_texts.h"

#include "sql/bind/bind.h"
#include "sql/exec/exec_internal.h"

struct texts {
    const struct alloc *alloc;
    struct exec exec;
    struct func_context context;
    struct err err;
    struct call call;
    uint32_t column_count; /* Of the table. */
    uint32_t expr_count;   /* Of the index. */
    struct expr **exprs;   /* Compiled; NULL where the index has a plain column. */
    struct expr *predicate;
};

static tdbplus_status compile_text(struct texts *texts, struct txn *txn, const struct object *table,
                                   const struct plan_column *columns, const char *text,
                                   struct expr **compiled_out, struct err *err)
{
    struct expr *expr = NULL;
    texts->exec.call = &texts->call;
    TRY(bind_table_text(txn, table, text, &texts->exec.arena, &expr, err));
    tdbplus_status status =
        exec_compile_expr(&texts->exec, expr, columns, texts->column_count, compiled_out);
    return status == TDBPLUS_OK ? status : err_set(err, status, "%s", texts->err.text);
}

static tdbplus_status compile(struct texts *texts, struct txn *txn, const struct object *table,
                              const struct index_def *def, struct err *err)
{
    const struct schema *schema = table->schema;
    struct arena *arena = &texts->exec.arena;
    struct plan_column *columns = arena_array(arena, schema->column_count, sizeof *columns);
    texts->exprs = arena_array(arena, def->column_count, sizeof *texts->exprs);
    if (columns == NULL || texts->exprs == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "an index does not fit the memory limit");
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        columns[i] = (struct plan_column){.id = i + 1, .type = schema->columns[i].type};
    }
    texts->expr_count = def->column_count;
    for (uint32_t i = 0; i < def->column_count; i++) {
        if (def->columns[i].column_id == 0) {
            TRY(compile_text(texts, txn, table, columns, def->columns[i].expression,
                             &texts->exprs[i], err));
        }
    }
    return def->predicate == NULL
               ? TDBPLUS_OK
               : compile_text(texts, txn, table, columns, def->predicate, &texts->predicate, err);
}

static void close_texts(void *state)
{
    struct texts *texts = state;
    exec_deinit(&texts->exec);
    alloc_free(texts->alloc, texts, 1, sizeof *texts);
}

static tdbplus_status open_texts(struct txn *txn, const struct object *table,
                                 const struct index_def *def, void **texts_out, struct err *err)
{
    const struct alloc *alloc = store_alloc(txn_store(txn));
    struct texts *texts = alloc_array(alloc, 1, sizeof *texts);
    if (texts == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "an index does not fit the memory limit");
    }
    texts->alloc = alloc;
    texts->call = (struct call){.alloc = alloc, .err = &texts->err};
    texts->column_count = table->schema->column_count;
    exec_init(&texts->exec, txn, &texts->call);
    texts->exec.context = &texts->context;
    tdbplus_status status = compile(texts, txn, table, def, err);
    if (status != TDBPLUS_OK) {
        close_texts(texts);
        return status;
    }
    *texts_out = texts;
    return TDBPLUS_OK;
}

static tdbplus_status row_batch(const struct texts *texts, const struct datum *row,
                                struct arena *arena, struct batch *batch, struct err *err)
{
    batch->columns = arena_array(arena, texts->column_count, sizeof *batch->columns);
    bool good = batch->columns != NULL;
    for (uint32_t i = 0; good && i < texts->column_count; i++) {
        good = column_make_constant(&batch->columns[i], &row[i], 1, arena);
    }
    batch->column_count = texts->column_count;
    batch->row_count = 1;
    return good ? TDBPLUS_OK
                : err_set(err, TDBPLUS_E_NOMEM, "an index entry does not fit the memory limit");
}

static tdbplus_status compute(void *state, const struct datum *row, struct datum *values,
                              bool *included_out, struct arena *arena, const struct call *call)
{
    struct texts *texts = state;
    struct batch batch = {0};
    struct func_rows one = {.count = 1, .row_count = 1};
    TRY(row_batch(texts, row, arena, &batch, call->err));
    texts->exec.call = call;
    struct eval eval = {.exec = &texts->exec, .input = &batch, .arena = arena};
    *included_out = true;
    if (texts->predicate != NULL) {
        struct func_rows kept = one;
        TRY(eval_filter(&eval, texts->predicate, &one, &kept));
        *included_out = kept.count > 0;
    }
    for (uint32_t i = 0; *included_out && i < texts->expr_count; i++) {
        if (texts->exprs[i] != NULL) {
            struct column *value = arena_array(arena, 1, sizeof *value);
            if (value == NULL) {
                return err_set(call->err, TDBPLUS_E_NOMEM,
                               "an index entry does not fit the memory limit");
            }
            TRY(eval_expr(&eval, texts->exprs[i], &one, value));
            column_get(value, 0, &values[i]);
        }
    }
    texts->exec.call = &texts->call;
    return TDBPLUS_OK;
}

static tdbplus_status default_value(struct txn *txn, const struct object *table, uint32_t position,
                                    struct arena *arena, struct datum *value_out,
                                    const struct call *call)
{
    struct exec exec = {0};
    struct func_context context = {0};
    struct expr *expr = NULL;
    struct expr *compiled = NULL;
    exec_init(&exec, txn, call);
    exec.context = &context;
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, bind_column_default(txn, table, position, &exec.arena, &expr, call->err));
    TRY_OR(done, exec_compile_expr(&exec, expr, NULL, 0, &compiled));
    TRY_OR(done, eval_once(&exec, compiled, arena, value_out));
    value_out->type = table->schema->columns[position].type;
done:
    exec_deinit(&exec);
    return status;
}

const struct txn_hooks *sql_txn_hooks(void)
{
    static const struct txn_hooks hooks = {.open_texts = open_texts,
                                           .compute = compute,
                                           .close_texts = close_texts,
                                           .default_value = default_value};
    return &hooks;
}
