/* Any text, run as a script in one transaction of a small database: answers or errors with words,
 * and all memory comes back. */

#include "sql/exec/statement.h"

#include "base/assert.h"
#include "base/budget.h"
#include "fuzz.h"
#include "os/env.h"

#define MEMORY_MAX    ((size_t)64 << 20)
#define BATCH_MAX     64u
#define STATEMENT_MAX 20u

static const char *const tables =
    "CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x', c numeric(8,2) CHECK (c > 0), d date);"
    "INSERT INTO t VALUES (1, 'one', 1.5, '2024-01-01'), (2, NULL, 2, NULL), (3, 'three', NULL, "
    "NULL);"
    "CREATE TABLE s (x int8, y float8);"
    "INSERT INTO s VALUES (1, 0.5), (2, NULL), (NULL, 'NaN')";

static tdbplus_status run_one(struct sql_script *script, uint32_t number, struct txn *txn,
                              const struct call *call)
{
    struct sql_prepared *prepared = NULL;
    struct sql_cursor *cursor = NULL;
    uint8_t kind = sql_statement_kind(script, number);
    if (kind == SQL_TRANSACTION || kind == SQL_SESSION) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = txn_statement(txn, call->err);
    if (status == TDBPLUS_OK) {
        status = sql_prepare(script, number, txn, NULL, 0, call, &prepared);
    }
    struct sql_run_options options = {.txn = txn};
    if (status == TDBPLUS_OK && sql_parameter_count(prepared) == 0) {
        status = sql_cursor_open(prepared, &options, call, &cursor);
    }
    struct batch batch;
    batch_init(&batch, call->alloc);
    for (uint32_t i = 0; status == TDBPLUS_OK && cursor != NULL && i < BATCH_MAX; i++) {
        status = sql_cursor_next(cursor, &batch);
    }
    batch_deinit(&batch);
    sql_cursor_close(cursor);
    sql_prepared_destroy(prepared);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static void run_text(struct span text, struct txn *txn, const struct alloc *alloc, bool must)
{
    struct err err = {0};
    struct call call = {.alloc = alloc, .err = &err};
    struct sql_script *script = NULL;
    tdbplus_status status = sql_script_create(text, alloc, &script, &err);
    for (uint32_t i = 0; status == TDBPLUS_OK && i < sql_script_count(script) && i < STATEMENT_MAX;
         i++) {
        struct txn_savepoint savepoint = txn_savepoint_set(txn);
        status = run_one(script, i, txn, &call);
        if (status != TDBPLUS_OK) {
            txn_savepoint_rollback(txn, savepoint);
        }
    }
    ASSERT(status == TDBPLUS_OK || (!must && err.status == status && err.text[0] != 0));
    ASSERT(status != TDBPLUS_E_INTERNAL && status != TDBPLUS_E_CORRUPT);
    sql_script_destroy(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct env *env;
    static struct store *store;
    struct err err = {0};
    if (store == NULL) {
        ASSERT(env_ram_create(&alloc_system, &env, &err) == TDBPLUS_OK);
        struct store_options options = {.env = env, .alloc = &alloc_system, .no_background = true};
        ASSERT(store_open(&options, &store, &err) == TDBPLUS_OK);
    }
    struct budget budget;
    budget_init(&budget, &alloc_system, NULL, MEMORY_MAX);
    struct bytes copy = fuzz_copy(&alloc_system, (struct span){.data = data, .size = size});
    struct txn *txn = NULL;
    ASSERT(txn_begin(store, NULL, &alloc_system, &txn, &err) == TDBPLUS_OK);
    run_text(span_from_text(tables), txn, &alloc_system, true);
    run_text((struct span){.data = copy.data, .size = copy.size}, txn, &budget.alloc, false);
    txn_abort(txn);
    bytes_deinit(&copy);
    budget_deinit(&budget);
    return 0;
}
