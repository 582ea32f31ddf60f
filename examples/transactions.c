/*
 * Transactions: two change the same account and one must run again; a savepoint takes back a part.
 *
 *     transactions DIRECTORY
 */

#include <stdio.h>
#include <stdlib.h>

#include <tdbplus/tdbplus.h>

static tdbplus_call call;

static void must(tdbplus_status status, const char *what)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s: %s\n%s\n", what, call.error.message, call.error.hint);
        exit(1);
    }
}

static long balance(tdbplus_db *db, tdbplus_collection *accounts, tdbplus_txn *txn)
{
    tdbplus_row *row = NULL;
    const tdbplus_value key = tdbplus_text("ann");
    must(tdbplus_row_create(db, &row, &call), "row");
    must(tdbplus_get(accounts, txn, &key, 1, row, &call), "get");
    const long cents = (long)tdbplus_row_value(row, 1).as.integer;
    tdbplus_row_destroy(row);
    return cents;
}

static tdbplus_status set_balance(tdbplus_collection *accounts, tdbplus_txn *txn, long cents)
{
    const tdbplus_value row[] = {tdbplus_text("ann"), tdbplus_int8(cents)};
    return tdbplus_update(accounts, txn, row, 2, &call);
}

static tdbplus_txn *begin(tdbplus_db *db)
{
    tdbplus_txn *txn = NULL;
    const tdbplus_txn_options options = {.struct_size = sizeof options,
                                         .isolation = TDBPLUS_REPEATABLE_READ};
    must(tdbplus_begin(db, &options, &txn, &call), "begin");
    return txn;
}

/* Adds to the balance that the transaction sees; another may have changed it since. */
static tdbplus_status deposit(tdbplus_db *db, tdbplus_collection *accounts, tdbplus_txn *txn,
                              long cents)
{
    const tdbplus_status status = set_balance(accounts, txn, balance(db, accounts, txn) + cents);
    if (status != TDBPLUS_OK) {
        tdbplus_rollback(txn);
        return status;
    }
    return tdbplus_commit(txn, &call);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: transactions DIRECTORY\n");
        return 2;
    }
    call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    tdbplus_collection *accounts = NULL;
    const tdbplus_column columns[] = {
        {.name = "owner", .type = TDBPLUS_TYPE_TEXT, .not_null = true},
        {.name = "cents", .type = TDBPLUS_TYPE_INT8, .not_null = true}};
    const char *const key[] = {"owner"};
    const tdbplus_value ann[] = {tdbplus_text("ann"), tdbplus_int8(100)};
    must(tdbplus_open(argv[1], NULL, &db, &call), "open");
    must(tdbplus_collection_create(db, NULL, "accounts", columns, 2, key, 1, &call), "create");
    must(tdbplus_collection_open(db, NULL, "accounts", &accounts, &call), "collection");
    must(tdbplus_insert(accounts, NULL, ann, 2, &call), "insert");

    // Both begin when the balance is 100. The first to change it wins.
    tdbplus_txn *first = begin(db);
    tdbplus_txn *second = begin(db);
    must(deposit(db, accounts, first, 20), "first deposit");
    tdbplus_status status = deposit(db, accounts, second, 3);
    if (status == TDBPLUS_E_CONFLICT) {
        printf("the second deposit met a conflict and runs again\n");
        status = deposit(db, accounts, begin(db), 3);
    }
    must(status, "second deposit");
    printf("nothing was lost: %ld\n", balance(db, accounts, NULL));

    tdbplus_txn *txn = begin(db);
    must(set_balance(accounts, txn, 500), "update");
    must(tdbplus_savepoint(txn, "before_fee", &call), "savepoint");
    must(set_balance(accounts, txn, 1), "update");
    printf("inside: %ld, others see %ld\n", balance(db, accounts, txn),
           balance(db, accounts, NULL));
    must(tdbplus_rollback_to(txn, "before_fee", &call), "rollback to");
    must(tdbplus_commit(txn, &call), "commit");
    printf("after taking back a part: %ld\n", balance(db, accounts, NULL));
    tdbplus_collection_close(accounts);
    tdbplus_close(db);
    return 0;
}
