// pgx on our server. README.md lists the scenarios. Prints "ok NAME" or "FAILED NAME: why" a line;
// the URL is the only argument.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

var url string
var background = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func same(expected, got any) {
	if !reflect.DeepEqual(expected, got) {
		panic(fmt.Sprintf("%#v expected, got %#v", expected, got))
	}
}

func state(expected string, err error) *pgconn.PgError {
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		panic(fmt.Sprintf("%s expected, got %v", expected, err))
	}
	same(expected, failure.Code)
	return failure
}

func connect(options ...func(*pgx.ConnConfig)) *pgx.Conn {
	config, err := pgx.ParseConfig(url)
	must(err)
	for _, option := range options {
		option(config)
	}
	connection, err := pgx.ConnectConfig(background, config)
	must(err)
	return connection
}

func roundTrip[T any](connection *pgx.Conn, kind string, value T) {
	var got T
	must(connection.QueryRow(background, "select $1::"+kind, value).Scan(&got))
	same(value, got)
}

func types() {
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	for _, mode := range modes {
		connection := connect(func(config *pgx.ConnConfig) { config.DefaultQueryExecMode = mode })
		roundTrip(connection, "bool", true)
		roundTrip(connection, "int2", int16(-3))
		roundTrip(connection, "int4", int32(7))
		roundTrip(connection, "int8", int64(1)<<40)
		roundTrip(connection, "float8", 0.1)
		roundTrip(connection, "float4", float32(1.5))
		roundTrip(connection, "text", "häß'\\")
		roundTrip(connection, "bytea", []byte{0, 255})
		roundTrip(connection, "date", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC))
		roundTrip(connection, "timestamp", time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC))
		if mode != pgx.QueryExecModeExec && mode != pgx.QueryExecModeSimpleProtocol {
			roundTrip(connection, "int4[]", []int32{1, 2, 3})
			roundTrip(connection, "text[]", []string{"a", "b,c", ""})
			roundTrip(connection, "uuid", [16]byte{1, 2, 3})
			roundTrip(connection, "jsonb", map[string]any{"a": []any{1.0, nil}})
			roundTrip(connection, "numeric", pgtype.Numeric{Valid: true, Int: big.NewInt(123450), Exp: -3})
			roundTrip(connection, "interval", pgtype.Interval{Months: 1, Days: 2, Microseconds: 3, Valid: true})
			var instant time.Time
			must(connection.QueryRow(background, "select $1::timestamptz", time.Unix(5, 6000)).Scan(&instant))
			same(true, instant.Equal(time.Unix(5, 6000)))
		}
		var none *string
		must(connection.QueryRow(background, "select null::text").Scan(&none))
		same((*string)(nil), none)
		must(connection.Close(background))
	}
}

func rowsAndStructs() {
	type item struct {
		ID   int32
		Name string
	}
	connection := connect()
	defer connection.Close(background)
	_, err := connection.Exec(background, "create table go_rows (id int primary key, name text)")
	must(err)
	tag, err := connection.Exec(background, "insert into go_rows select g, 'n' || g from generate_series(1, 1000) g")
	must(err)
	same("INSERT 0 1000", tag.String())
	rows, err := connection.Query(background, "select id, name from go_rows where id <= $1 order by id", 3)
	must(err)
	items, err := pgx.CollectRows(rows, pgx.RowToStructByName[item])
	must(err)
	same([]item{{1, "n1"}, {2, "n2"}, {3, "n3"}}, items)
	_, err = connection.Exec(background, "drop table go_rows")
	must(err)
}

func batches() {
	connection := connect()
	defer connection.Close(background)
	_, err := connection.Exec(background, "create table go_batch (a int primary key)")
	must(err)
	batch := &pgx.Batch{}
	for i := 0; i < 500; i++ {
		batch.Queue("insert into go_batch values ($1)", i)
	}
	batch.Queue("select count(*) from go_batch")
	results := connection.SendBatch(background, batch)
	for i := 0; i < 500; i++ {
		_, err = results.Exec()
		must(err)
	}
	var count int
	must(results.QueryRow().Scan(&count))
	same(500, count)
	must(results.Close())
	broken := &pgx.Batch{}
	broken.Queue("insert into go_batch values (1000)")
	broken.Queue("insert into go_batch values (1)")
	state("23505", connection.SendBatch(background, broken).Close())
	must(connection.QueryRow(background, "select count(*) from go_batch").Scan(&count))
	same(500, count)
	_, err = connection.Exec(background, "drop table go_batch")
	must(err)
}

func transactions() {
	connection := connect()
	defer connection.Close(background)
	_, err := connection.Exec(background, "create table go_txn (a int primary key, b int check (b > 0))")
	must(err)
	outer, err := connection.BeginTx(background, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	must(err)
	_, err = outer.Exec(background, "insert into go_txn values (1, 1)")
	must(err)
	inner, err := outer.Begin(background)
	must(err)
	_, err = inner.Exec(background, "insert into go_txn values (1, 1)")
	same("go_txn_pkey", state("23505", err).ConstraintName)
	must(inner.Rollback(background))
	must(outer.Commit(background))
	_, err = connection.Exec(background, "insert into go_txn values (2, 0)")
	same("go_txn", state("23514", err).TableName)
	_, err = connection.Exec(background, "insert into go_txn values (2, $1)", "x")
	if err == nil {
		panic("a text was taken for a number")
	}
	read, err := connection.BeginTx(background, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	must(err)
	_, err = read.Exec(background, "delete from go_txn")
	state("25006", err)
	must(read.Rollback(background))
	_, err = connection.Exec(background, "drop table go_txn")
	must(err)
}

func copying() {
	connection := connect()
	defer connection.Close(background)
	_, err := connection.Exec(background, "create table go_copy (a int primary key, b text, c float8, d timestamptz, e numeric, f int[])")
	must(err)
	count, err := connection.CopyFrom(background, pgx.Identifier{"go_copy"}, []string{"a", "b", "c", "d", "f"},
		pgx.CopyFromSlice(20000, func(i int) ([]any, error) {
			return []any{i, fmt.Sprintf("text %d", i), float64(i) / 4, time.Unix(int64(i), 0), []int32{int32(i)}}, nil
		}))
	must(err)
	same(int64(20000), count)
	var sum int64
	var text string
	must(connection.QueryRow(background, "select sum(a + f[1]), max(b) from go_copy").Scan(&sum, &text))
	same(int64(399980000), sum)
	same("text 9999", text)
	out := &strings.Builder{}
	_, err = connection.PgConn().CopyTo(background, out, "copy (select a, b from go_copy where a < 2 order by a) to stdout")
	must(err)
	same("0\ttext 0\n1\ttext 1\n", out.String())
	_, err = connection.CopyFrom(background, pgx.Identifier{"go_copy"}, []string{"a"}, pgx.CopyFromRows([][]any{{1}}))
	state("23505", err)
	_, err = connection.Exec(background, "drop table go_copy")
	must(err)
}

func pooling() {
	pool, err := pgxpool.New(background, url)
	must(err)
	defer pool.Close()
	_, err = pool.Exec(background, "create table go_pool (a int primary key, n int)")
	must(err)
	_, err = pool.Exec(background, "insert into go_pool values (1, 0)")
	must(err)
	var group sync.WaitGroup
	for i := 0; i < 16; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 20; i++ {
				_, err := pool.Exec(background, "update go_pool set n = n + 1 where a = $1", 1)
				must(err)
			}
		}()
	}
	group.Wait()
	var n int
	must(pool.QueryRow(background, "select n from go_pool").Scan(&n))
	same(320, n)
	_, err = pool.Exec(background, "drop table go_pool")
	must(err)
}

func cancelling() {
	connection := connect()
	defer connection.Close(background)
	must(connection.PgConn().CancelRequest(background))
	go func() {
		time.Sleep(200 * time.Millisecond)
		_ = connection.PgConn().CancelRequest(background)
	}()
	_, err := connection.Exec(background, "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b")
	state("57014", err)
	var one int
	must(connection.QueryRow(background, "select 1").Scan(&one))
}

func listening() {
	listener, sender := connect(), connect()
	defer listener.Close(background)
	defer sender.Close(background)
	_, err := listener.Exec(background, "listen go_news")
	must(err)
	_, err = sender.Exec(background, "select pg_notify('go_news', 'hello')")
	must(err)
	limited, cancel := context.WithTimeout(background, 20*time.Second)
	defer cancel()
	heard, err := listener.WaitForNotification(limited)
	must(err)
	same("go_news hello", heard.Channel+" "+heard.Payload)
}

func databaseSQL() {
	config, err := pgx.ParseConfig(url)
	must(err)
	database := stdlib.OpenDB(*config)
	defer database.Close()
	statement, err := database.Prepare("select $1::int + 1, $2::text")
	must(err)
	for i := 0; i < 20; i++ {
		var number int
		var text string
		must(statement.QueryRow(i, "x").Scan(&number, &text))
		same(i+1, number)
	}
}

func main() {
	url = os.Args[1]
	scenarios := []struct {
		name string
		run  func()
	}{
		{"types in five modes of execution", types}, {"rows into structs", rowsAndStructs},
		{"batches", batches}, {"transactions and errors", transactions},
		{"CopyFrom in binary, CopyTo", copying}, {"a pool with 16 goroutines", pooling},
		{"cancel", cancelling}, {"LISTEN", listening}, {"database/sql", databaseSQL},
	}
	for _, scenario := range scenarios {
		func() {
			defer func() {
				if failure := recover(); failure != nil {
					fmt.Printf("FAILED %s: %s\n", scenario.name, strings.ReplaceAll(fmt.Sprint(failure), "\n", " "))
				}
			}()
			scenario.run()
			fmt.Println("ok " + scenario.name)
		}()
	}
}
