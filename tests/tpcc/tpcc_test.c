/*
 * Goal: the consistency conditions of TPC-C hold after, and while, many sessions change the same
 * few warehouses. Method: the benchmark's New-Order (one in twenty rolled back), Payment and
 * Delivery in SQL by several threads, half of them in REPEATABLE READ, conflicts and deadlocks
 * retried; a reader asks for the conditions in one snapshot all the while, and they are asked again
 * in the end.
 */

#include <pthread.h>

#include "base/hash.h"
#include "tdbplus/tdbplus.h"
#include "test.h"

#define WAREHOUSES  2u
#define DISTRICTS   4u
#define CUSTOMERS   20u
#define ITEMS       50u
#define THREADS_MAX 8u
#define RETRIES_MAX 10000u

struct client {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
    pthread_t thread;
    uint64_t seed;
    uint32_t number;
    uint32_t transactions; /* To do. */
    uint32_t retries;
    const bool *stop; /* The reader's. */
    int64_t cells[4]; /* Of the last row. */
};

static uint32_t draw(struct client *client, uint32_t below)
{
    client->seed = hash_u64(client->seed + 1);
    return (uint32_t)(client->seed % below);
}

/* Runs a statement with integers as its parameters; keeps the integers of its last row. */
static tdbplus_status run(struct client *client, const char *sql, const int64_t *numbers,
                          uint32_t count)
{
    tdbplus_value values[8];
    tdbplus_result *result = NULL;
    for (uint32_t i = 0; i < count; i++) {
        values[i] = tdbplus_int8(numbers[i]);
    }
    client->call = TDBPLUS_CALL_INIT;
    tdbplus_status status = tdbplus_execute(client->session, sql, strlen(sql), values, count, NULL,
                                            &result, &client->call);
    uint32_t columns = status == TDBPLUS_OK ? tdbplus_result_column_count(result) : 0;
    memset(client->cells, 0, sizeof client->cells);
    while (columns > 0 && status == TDBPLUS_OK) {
        const tdbplus_value *row = NULL;
        status = tdbplus_result_next(result, &row, &client->call);
        for (uint32_t i = 0; status == TDBPLUS_OK && i < columns && i < 4; i++) {
            client->cells[i] = row[i].is_null ? 0 : row[i].as.integer;
        }
    }
    tdbplus_result_close(result);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

#define RUN(client, sql, ...)                                                                   \
    do {                                                                                        \
        const int64_t numbers_[] = {__VA_ARGS__};                                               \
        tdbplus_status status_ = run(client, sql, numbers_, sizeof numbers_ / sizeof(int64_t)); \
        if (status_ != TDBPLUS_OK) {                                                            \
            return status_;                                                                     \
        }                                                                                       \
    } while (0)

/* ---- the transactions ---- */

static tdbplus_status new_order(struct client *client)
{
    int64_t w = 1 + draw(client, WAREHOUSES);
    int64_t d = 1 + draw(client, DISTRICTS);
    int64_t lines = 2 + draw(client, 6);
    RUN(client,
        "UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = $1 AND d_id = $2"
        " RETURNING d_next_o_id - 1",
        w, d);
    int64_t order = client->cells[0];
    RUN(client, "INSERT INTO orders VALUES ($1, $2, $3, $4, NULL, $5)", w, d, order,
        1 + draw(client, CUSTOMERS), lines);
    RUN(client, "INSERT INTO new_order VALUES ($1, $2, $3)", w, d, order);
    for (int64_t line = 1; line <= lines; line++) {
        int64_t item = 1 + draw(client, ITEMS);
        int64_t quantity = 1 + draw(client, 10);
        RUN(client,
            "UPDATE stock SET s_quantity = CASE WHEN s_quantity >= $3 + 10 THEN s_quantity - $3"
            " ELSE s_quantity - $3 + 91 END, s_ytd = s_ytd + $3 WHERE s_w_id = $1 AND s_i_id = $2",
            w, item, quantity);
        RUN(client,
            "INSERT INTO order_line SELECT $1, $2, $3, $4, $5, $6, i_price * $6, NULL FROM item"
            " WHERE i_id = $5",
            w, d, order, line, item, quantity);
    }
    return TDBPLUS_OK;
}

static tdbplus_status payment(struct client *client)
{
    int64_t w = 1 + draw(client, WAREHOUSES);
    int64_t d = 1 + draw(client, DISTRICTS);
    int64_t c = 1 + draw(client, CUSTOMERS);
    int64_t cents = 100 + draw(client, 500000);
    RUN(client, "UPDATE warehouse SET w_ytd = w_ytd + $2 / 100.0 WHERE w_id = $1", w, cents);
    RUN(client, "UPDATE district SET d_ytd = d_ytd + $3 / 100.0 WHERE d_w_id = $1 AND d_id = $2", w,
        d, cents);
    RUN(client,
        "UPDATE customer SET c_balance = c_balance - $4 / 100.0, c_paid = c_paid + $4 / 100.0"
        " WHERE c_w_id = $1 AND c_d_id = $2 AND c_id = $3",
        w, d, c, cents);
    RUN(client, "INSERT INTO history VALUES ($1, $2, $3, $4 / 100.0)", w, d, c, cents);
    return TDBPLUS_OK;
}

static tdbplus_status deliver(struct client *client)
{
    int64_t w = 1 + draw(client, WAREHOUSES);
    int64_t carrier = 1 + draw(client, 10);
    for (int64_t d = 1; d <= DISTRICTS; d++) {
        RUN(client,
            "DELETE FROM new_order WHERE no_w_id = $1 AND no_d_id = $2 AND no_o_id = (SELECT"
            " min(no_o_id) FROM new_order WHERE no_w_id = $1 AND no_d_id = $2) RETURNING no_o_id",
            w, d);
        int64_t order = client->cells[0];
        if (order == 0) {
            continue;
        }
        RUN(client,
            "UPDATE orders SET o_carrier_id = $4 WHERE o_w_id = $1 AND o_d_id = $2 AND o_id = $3"
            " RETURNING o_c_id",
            w, d, order, carrier);
        int64_t customer = client->cells[0];
        RUN(client,
            "UPDATE order_line SET ol_delivered = '2026-01-01' WHERE ol_w_id = $1 AND ol_d_id = $2"
            " AND ol_o_id = $3",
            w, d, order);
        RUN(client,
            "UPDATE customer SET c_balance = c_balance + (SELECT sum(ol_amount) FROM order_line"
            " WHERE ol_w_id = $1 AND ol_d_id = $2 AND ol_o_id = $3)"
            " WHERE c_w_id = $1 AND c_d_id = $2 AND c_id = $4",
            w, d, order, customer);
    }
    return TDBPLUS_OK;
}

static tdbplus_status attempt(struct client *client, uint32_t kind)
{
    bool repeatable = client->number % 2 == 1;
    tdbplus_status status =
        run(client, repeatable ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN", NULL, 0);
    CHECK(status == TDBPLUS_OK);
    status = kind < 9 ? new_order(client) : kind < 18 ? payment(client) : deliver(client);
    if (status != TDBPLUS_OK || (kind < 9 && draw(client, 20) == 0)) {
        tdbplus_call failed = client->call;
        CHECK(run(client, "ROLLBACK", NULL, 0) == TDBPLUS_OK);
        client->call = failed;
        return status;
    }
    return run(client, "COMMIT", NULL, 0);
}

static void *work(void *arg)
{
    struct client *client = arg;
    for (uint32_t i = 0; i < client->transactions; i++) {
        uint32_t kind = draw(client, 20);
        uint64_t seed = client->seed;
        tdbplus_status status = attempt(client, kind);
        while (status == TDBPLUS_E_CONFLICT || status == TDBPLUS_E_DEADLOCK) {
            CHECK(++client->retries < RETRIES_MAX);
            client->seed = seed; // The same transaction again.
            status = attempt(client, kind);
        }
        if (status != TDBPLUS_OK) {
            (void)fprintf(stderr, "%s: %s\n", client->call.error.sqlstate,
                          client->call.error.message);
        }
        CHECK(status == TDBPLUS_OK);
    }
    return NULL;
}

/* ---- the conditions ---- */

/* Each counts what breaks a condition of clause 3.3.2 of the benchmark's specification. */
static const char *const conditions[] = {
    "SELECT count(*) FROM warehouse WHERE w_ytd <> (SELECT sum(d_ytd) FROM district WHERE"
    " d_w_id = w_id)",
    "SELECT count(*) FROM district WHERE d_next_o_id - 1 <> (SELECT coalesce(max(o_id), 0) FROM"
    " orders WHERE o_w_id = d_w_id AND o_d_id = d_id)",
    "SELECT count(*) FROM (SELECT max(no_o_id) - min(no_o_id) + 1 - count(*) AS holes FROM "
    "new_order"
    " GROUP BY no_w_id, no_d_id) x WHERE holes <> 0",
    "SELECT count(*) FROM (SELECT sum(o_ol_cnt) AS lines, o_w_id, o_d_id FROM orders GROUP BY "
    "o_w_id,"
    " o_d_id) x WHERE lines <> (SELECT count(*) FROM order_line WHERE ol_w_id = o_w_id AND"
    " ol_d_id = o_d_id)",
    "SELECT count(*) FROM orders LEFT JOIN new_order ON no_w_id = o_w_id AND no_d_id = o_d_id AND"
    " no_o_id = o_id WHERE (o_carrier_id IS NULL) <> (no_o_id IS NOT NULL)",
    "SELECT count(*) FROM orders WHERE o_ol_cnt <> (SELECT count(*) FROM order_line WHERE"
    " ol_w_id = o_w_id AND ol_d_id = o_d_id AND ol_o_id = o_id)",
    "SELECT count(*) FROM order_line JOIN orders ON o_w_id = ol_w_id AND o_d_id = ol_d_id AND"
    " o_id = ol_o_id WHERE (ol_delivered IS NULL) <> (o_carrier_id IS NULL)",
    "SELECT count(*) FROM warehouse WHERE w_ytd <> (SELECT coalesce(sum(h_amount), 0) FROM history"
    " WHERE h_w_id = w_id)",
    "SELECT count(*) FROM district WHERE d_ytd <> (SELECT coalesce(sum(h_amount), 0) FROM history"
    " WHERE h_w_id = d_w_id AND h_d_id = d_id)",
    "SELECT count(*) FROM customer WHERE c_balance + c_paid <> (SELECT coalesce(sum(ol_amount), 0)"
    " FROM orders JOIN order_line ON ol_w_id = o_w_id AND ol_d_id = o_d_id AND ol_o_id = o_id WHERE"
    " o_w_id = c_w_id AND o_d_id = c_d_id AND o_c_id = c_id AND ol_delivered IS NOT NULL)",
    "SELECT count(*) FROM customer WHERE c_paid <> (SELECT coalesce(sum(h_amount), 0) FROM history"
    " WHERE h_w_id = c_w_id AND h_d_id = c_d_id AND h_c_id = c_id)",
    "SELECT count(*) FROM stock WHERE s_ytd <> (SELECT coalesce(sum(ol_quantity), 0) FROM "
    "order_line"
    " WHERE ol_w_id = s_w_id AND ol_i_id = s_i_id)",
};

static void check_conditions(struct client *client)
{
    CHECK(run(client, "BEGIN ISOLATION LEVEL REPEATABLE READ", NULL, 0) == TDBPLUS_OK);
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        tdbplus_status status = run(client, conditions[i], NULL, 0);
        if (status != TDBPLUS_OK || client->cells[0] != 0) {
            (void)fprintf(stderr, "%s: %lld broken, %s\n", conditions[i],
                          (long long)client->cells[0], client->call.error.message);
        }
        CHECK(status == TDBPLUS_OK && client->cells[0] == 0);
    }
    CHECK(run(client, "COMMIT", NULL, 0) == TDBPLUS_OK);
}

static void *watch(void *arg)
{
    struct client *client = arg;
    while (!__atomic_load_n(client->stop, __ATOMIC_ACQUIRE)) {
        check_conditions(client);
    }
    return NULL;
}

/* ---- the database ---- */

static void fill(struct client *client)
{
    static const char *const statements[] = {
        "CREATE TABLE warehouse (w_id int PRIMARY KEY, w_ytd numeric(12,2) NOT NULL)",
        "CREATE TABLE district (d_w_id int, d_id int, d_ytd numeric(12,2) NOT NULL, d_next_o_id int"
        " NOT NULL, PRIMARY KEY (d_w_id, d_id))",
        "CREATE TABLE customer (c_w_id int, c_d_id int, c_id int, c_balance numeric(12,2) NOT NULL,"
        " c_paid numeric(12,2) NOT NULL, PRIMARY KEY (c_w_id, c_d_id, c_id))",
        "CREATE TABLE history (h_w_id int, h_d_id int, h_c_id int, h_amount numeric(12,2))",
        "CREATE TABLE orders (o_w_id int, o_d_id int, o_id int, o_c_id int, o_carrier_id int,"
        " o_ol_cnt int, PRIMARY KEY (o_w_id, o_d_id, o_id))",
        "CREATE INDEX ON orders (o_w_id, o_d_id, o_c_id)",
        "CREATE TABLE new_order (no_w_id int, no_d_id int, no_o_id int,"
        " PRIMARY KEY (no_w_id, no_d_id, no_o_id))",
        "CREATE TABLE order_line (ol_w_id int, ol_d_id int, ol_o_id int, ol_number int, ol_i_id "
        "int,"
        " ol_quantity int, ol_amount numeric(12,2), ol_delivered date,"
        " PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number))",
        "CREATE TABLE item (i_id int PRIMARY KEY, i_price numeric(5,2))",
        "CREATE TABLE stock (s_w_id int, s_i_id int, s_quantity int, s_ytd int,"
        " PRIMARY KEY (s_w_id, s_i_id))",
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        CHECK(run(client, statements[i], NULL, 0) == TDBPLUS_OK);
    }
    const int64_t sizes[] = {WAREHOUSES, DISTRICTS, CUSTOMERS, ITEMS};
    static const char *const rows[] = {
        "INSERT INTO warehouse SELECT w, 0 FROM generate_series(1, $1) w",
        "INSERT INTO district SELECT w, d, 0, 1 FROM generate_series(1, $1) w,"
        " generate_series(1, $2) d",
        "INSERT INTO customer SELECT w, d, c, 0, 0 FROM generate_series(1, $1) w,"
        " generate_series(1, $2) d, generate_series(1, $3) c",
        "INSERT INTO stock SELECT w, i, 50, 0 FROM generate_series(1, $1) w,"
        " generate_series(1, $4) i WHERE $2 = $2 AND $3 = $3",
    };
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(run(client, rows[i], sizes, i + 1) == TDBPLUS_OK);
    }
    CHECK(run(client, "INSERT INTO item SELECT i, 1 + i * 0.37 FROM generate_series(1, $1) i",
              &sizes[3], 1) == TDBPLUS_OK);
}

static void client_init(struct client *client, tdbplus_db *db, uint32_t number)
{
    *client = (struct client){
        .db = db, .call = TDBPLUS_CALL_INIT, .seed = hash_u64(number + 77), .number = number};
    CHECK(tdbplus_session_open(db, &client->session, &client->call) == TDBPLUS_OK);
}

static void run_together(uint32_t threads, uint32_t transactions)
{
    static struct client clients[THREADS_MAX];
    struct client reader;
    bool stop = false;
    tdbplus_db *db = NULL;
    tdbplus_options options = {.struct_size = sizeof options, .memtable_size_bytes = 256 << 10};
    CHECK(tdbplus_open(NULL, &options, &db, NULL) == TDBPLUS_OK);
    client_init(&reader, db, 100);
    fill(&reader);
    reader.stop = &stop;
    for (uint32_t i = 0; i < threads; i++) {
        client_init(&clients[i], db, i);
        clients[i].transactions = transactions / threads;
        CHECK(pthread_create(&clients[i].thread, NULL, work, &clients[i]) == 0);
    }
    CHECK(pthread_create(&reader.thread, NULL, watch, &reader) == 0);
    for (uint32_t i = 0; i < threads; i++) {
        CHECK(pthread_join(clients[i].thread, NULL) == 0);
        tdbplus_session_close(clients[i].session);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    CHECK(pthread_join(reader.thread, NULL) == 0);
    check_conditions(&reader);
    CHECK(run(&reader, "SELECT count(*), sum(o_ol_cnt) FROM orders", NULL, 0) == TDBPLUS_OK);
    CHECK(reader.cells[0] > transactions / 4);
    tdbplus_session_close(reader.session);
    tdbplus_close(db);
}

TEST(the_conditions_of_tpcc_hold_with_two_threads)
{
    run_together(2, 400);
}

TEST(the_conditions_of_tpcc_hold_with_eight_threads)
{
    run_together(8, 800);
}
