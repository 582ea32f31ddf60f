"""Queries in memory, against DuckDB, SQLite and PostgreSQL 15, the answers compared.

    ./dev bench sql [--rows 10M] [--scale 1] [--threads 1|2] [--cases tpch,micro,files,q01,...]
                    [--peers duckdb,polars,sqlite,postgres] [--repeat 3] [--json FILE] [--keep DIR]

A case's figure is the best of --repeat runs after one that warms up, until the last row is in the
caller's hands (Arrow for TDB+ and DuckDB). Answers are compared with DuckDB's: rows sorted, floats
and quotients to nine digits.
"""

import argparse
import json
import math
import os
import re
import resource
import subprocess
import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import files
import tdb
from peers import Polars, Postgres, Sqlite

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "..", "build", "bench", "sql")

TABLES = {
    "region": "r_regionkey int8 primary key, r_name text not null, r_comment text",
    "nation": "n_nationkey int8 primary key, n_name text not null, n_regionkey int8 not null,"
              " n_comment text",
    "supplier": "s_suppkey int8 primary key, s_name text not null, s_address text not null,"
                " s_nationkey int8 not null, s_phone text not null, s_acctbal numeric(15,2)"
                " not null, s_comment text not null",
    "customer": "c_custkey int8 primary key, c_name text not null, c_address text not null,"
                " c_nationkey int8 not null, c_phone text not null, c_acctbal numeric(15,2)"
                " not null, c_mktsegment text not null, c_comment text not null",
    "part": "p_partkey int8 primary key, p_name text not null, p_mfgr text not null, p_brand text"
            " not null, p_type text not null, p_size int4 not null, p_container text not null,"
            " p_retailprice numeric(15,2) not null, p_comment text not null",
    "partsupp": "ps_partkey int8 not null, ps_suppkey int8 not null, ps_availqty int4 not null,"
                " ps_supplycost numeric(15,2) not null, ps_comment text not null,"
                " primary key (ps_partkey, ps_suppkey)",
    "orders": "o_orderkey int8 primary key, o_custkey int8 not null, o_orderstatus text not null,"
              " o_totalprice numeric(15,2) not null, o_orderdate date not null, o_orderpriority"
              " text not null, o_clerk text not null, o_shippriority int4 not null, o_comment text"
              " not null",
    "lineitem": "l_orderkey int8 not null, l_partkey int8 not null, l_suppkey int8 not null,"
                " l_linenumber int4 not null, l_quantity numeric(15,2) not null, l_extendedprice"
                " numeric(15,2) not null, l_discount numeric(15,2) not null, l_tax numeric(15,2)"
                " not null, l_returnflag text not null, l_linestatus text not null, l_shipdate"
                " date not null, l_commitdate date not null, l_receiptdate date not null,"
                " l_shipinstruct text not null, l_shipmode text not null, l_comment text not null,"
                " primary key (l_orderkey, l_linenumber)",
}

# Ids ascend; the other columns are scattered by multiplication, so every engine can make the same.
MICRO_TABLES = {
    "facts": "id int8 primary key, a int4 not null, b int8 not null, f float8 not null,"
             " k10 int4 not null, k1k int4 not null, k1m int4 not null, s text not null",
    "dim": "k int4 primary key, v int4 not null",
}

MICRO = {
    "sum": "select sum(a) from facts",
    "sum_double": "select sum(f) from facts",
    "filtered_sum": "select sum(b) from facts where a < 500000",
    "two_predicates": "select sum(b), count(*) from facts where a < 700000 and k1k < 500",
    "group_10": "select k10, count(*), sum(b) from facts group by k10",
    "group_1k": "select k1k, count(*), sum(b) from facts group by k1k",
    "group_1m": "select k1m, count(*), sum(b) from facts group by k1m",
    "top10": "select id, b from facts order by b desc, id limit 10",
    "sort": "select b, id from facts order by b, id",
    "distinct": "select count(*) from (select distinct k1m from facts) as d",
    "join": "select sum(v) from facts, dim where k1m = k",
    "string_filter": "select count(*) from facts where s like '%77%'",
    "string_equal": "select count(*) from facts where s = 'name-77'",
    "window": "select max(n) from (select row_number() over (partition by k1k order by b) as n"
              " from facts) as w",
}
SORTED = {"sort"}


def micro_batches(rows):
    import numpy as np
    for at in range(0, rows, 1 << 17):
        i = np.arange(at, min(at + (1 << 17), rows), dtype=np.uint64)
        h = i * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(32)
        h *= np.uint64(0xD6E8FEB86659FD93)
        h ^= h >> np.uint64(29)
        names = (h >> np.uint64(7)) % np.uint64(1000)
        yield pa.record_batch({
            "id": i.astype(np.int64),
            "a": (h % np.uint64(1000000)).astype(np.int32),
            "b": ((h >> np.uint64(3)) % np.uint64(1 << 40)).astype(np.int64),
            "f": (h >> np.uint64(11)).astype(np.float64) / float(1 << 53),
            "k10": ((h >> np.uint64(20)) % np.uint64(10)).astype(np.int32),
            "k1k": ((h >> np.uint64(24)) % np.uint64(1000)).astype(np.int32),
            "k1m": ((h >> np.uint64(17)) % np.uint64(1000000)).astype(np.int32),
            "s": pa.array(np.char.add("name-", names.astype("U")))})


def micro_table(rows):
    import numpy as np
    facts = pa.Table.from_batches(micro_batches(rows))
    k = np.arange(1000000, dtype=np.int32)
    return {"facts": facts, "dim": pa.table({"k": k, "v": (k * 7 % 1000).astype(np.int32)})}


def tpch_tables(scale):
    folder = os.path.join(BUILD, f"tpch-{scale}")
    if not os.path.exists(os.path.join(folder, "region.parquet")):
        os.makedirs(folder, exist_ok=True)
        tool = os.path.join(os.path.dirname(sys.executable), "tpchgen-cli")
        subprocess.run([tool, "parquet", "-s", str(scale), f"--output-dir={folder}"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tables = {}
    for name in TABLES:
        table = pq.read_table(os.path.join(folder, name + ".parquet"))
        fields = [pa.field(f.name, pa.string() if pa.types.is_string_view(f.type) else f.type)
                  for f in table.schema]
        tables[name] = table.cast(pa.schema(fields))
    return tables


def load(engines, name, columns, table):
    for engine in engines:
        begin = time.monotonic()
        engine.load(name, columns, table)
        print(f"  load {name:10} {engine.name:10} {time.monotonic() - begin:8.2f} s", flush=True)


class Tdb:
    name = "tdb+"

    def __init__(self, threads, path=None):
        library = os.path.join(HERE, "..", "..", "build", "release", "libtdbplus.so")
        self.kept = path is not None and os.path.exists(path)
        self.db = tdb.Database(library, path)
        try:
            self.run(f"set threads = {threads}")
        except RuntimeError as error:
            print("  set threads:", error)

    def load(self, name, columns, table):
        if self.kept:
            return
        self.db.sql(f"create table {name} ({columns})")
        for at in range(0, table.num_rows, 1 << 17):
            self.db.append(name, table.slice(at, 1 << 17).to_reader())

    def ready(self):
        if not self.kept:
            self.db.optimize()
        try:
            self.db.sql("analyze")
        except RuntimeError as error:
            print("  analyze:", error)

    def run(self, text):
        return self.db.sql(text)

    def close(self):
        self.db.close()


class Duckdb:
    name = "duckdb"

    def __init__(self, threads):
        self.db = duckdb.connect(":memory:", config={"threads": threads})

    def load(self, name, columns, table):
        columns = re.sub(", primary key .*", "", columns).replace("primary key", "")
        self.db.execute(f"create table {name} ({columns})")  # Without an index: faster for it.
        self.db.register("arrow_rows", table)
        self.db.execute(f"insert into {name} select * from arrow_rows")
        self.db.unregister("arrow_rows")

    def ready(self):
        self.db.execute("checkpoint")

    def run(self, text):
        return self.db.sql(text).to_arrow_table()


def plain(value):
    if value is None or isinstance(value, (bytes, bool)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    try:
        number = float(value)
    except ValueError:
        return value
    return 0.0 if number == 0 else float(f"{number:.9g}")


def rows_of(table):
    if isinstance(table, pa.Table):
        return list(zip(*[column.to_pylist() for column in table.columns]))
    return table


def same(left, right, ordered):
    """None, or what differs. Large answers are compared by sampling of rows, in order."""
    if isinstance(left, pa.Table) and left.num_rows > 200000:
        if left.num_rows != right.num_rows:
            return f"{left.num_rows} rows, not {right.num_rows}"
        if not ordered:
            left = left.sort_by([(name, "ascending") for name in left.column_names])
            right = right.sort_by([(name, "ascending") for name in right.column_names])
        step = left.num_rows // 100000
        pick = list(range(0, left.num_rows, step))
        left, right = left.take(pick), right.take(pick)
    left = [tuple(plain(v) for v in row) for row in rows_of(left)]
    right = [tuple(plain(v) for v in row) for row in rows_of(right)]
    if len(left) != len(right):
        return f"{len(left)} rows, not {len(right)}"
    if not ordered:
        def key(row):
            return tuple((v is None, str(v) if not isinstance(v, float) else f"{v:.5e}")
                         for v in row)
        left.sort(key=key)
        right.sort(key=key)
    for ours, theirs in zip(left, right):
        for a, b in zip(ours, theirs):
            if a != b and not (isinstance(a, float) and isinstance(b, float) and
                               math.isclose(a, b, rel_tol=1e-8)):
                return f"{ours} against {theirs}"
    return None


def measure(engine, text, repeat):
    best = None
    answer = engine.run(text)
    for _ in range(repeat):
        begin = time.monotonic()
        answer = engine.run(text)
        spent = (time.monotonic() - begin) * 1e3
        best = spent if best is None or spent < best else best
        if spent > 10000:
            break
    return best, answer


# What is asked for beyond being ahead: a case of ours, a case of a peer, the peer, and how many times
# as fast ours must be.
FLOORS = [("sum", "sum", "postgres", 30), ("filtered_sum", "filtered_sum", "postgres", 30),
          ("two_predicates", "two_predicates", "postgres", 30), ("top10", "sort", "duckdb", 28)]


def print_floors(figures):
    for case, other, peer, times in FLOORS:
        ours = figures.get(case, {}).get("tdb+")
        theirs = figures.get(other, {}).get(peer)
        if ours and theirs:
            reached = theirs / ours
            print(f"  floor: {case} {reached:.1f}x {peer}'s {other}, wanted {times}x"
                  f"{'' if reached >= times else ': MISSED'}", flush=True)


def run_cases(engines, cases, options, rows, out):
    ratios = []
    all_figures = {}
    for name, text in cases.items():
        figures = {}
        answers = {}
        for engine in engines:
            try:
                figures[engine.name], answers[engine.name] = measure(engine, text, options.repeat)
            except Exception as error:  # A case that fails is a figure too.
                print(f"  {name}: {engine.name}: {str(error)[:200]}", flush=True)
        all_figures[name] = figures
        line = f"  {name:15}" + "".join(f" {e.name} {figures[e.name]:9.2f} ms" if e.name in figures
                                        else f" {e.name}      none   " for e in engines)
        if "tdb+" in figures and "duckdb" in figures:
            ratio = figures["duckdb"] / figures["tdb+"]
            ratios.append(ratio)
            wrong = same(answers["tdb+"], answers["duckdb"], name in SORTED)
            line += f"  {ratio:6.2f}x duckdb" + (f"  WRONG: {wrong}" if wrong else "")
        print(line, flush=True)
        for peer in figures:
            if out and peer != "tdb+" and "tdb+" in figures:
                out.write(json.dumps({
                    "suite": "sql", "case": name, "unit": "ms", "ours": figures["tdb+"],
                    "peer": peer, "theirs": figures[peer],
                    "ratio": figures[peer] / figures["tdb+"], "rows": rows,
                    "threads": options.threads, "note": ""}) + "\n")
                out.flush()
    print_floors(all_figures)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"  peak memory of the process, all engines in it but PostgreSQL: {peak} MiB", flush=True)
    if ratios:
        mean = math.exp(sum(math.log(r) for r in ratios) / len(ratios))
        print(f"  geometric mean {mean:.2f}x duckdb, worst {min(ratios):.2f}x,"
              f" {len(ratios)} cases", flush=True)


def count(text):
    scale = {"k": 1000, "M": 1000000}.get(text[-1], 1)
    return int(text.rstrip("kM")) * scale


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=count, default=10000000)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", default="tpch,micro")
    parser.add_argument("--peers", default="duckdb")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json")
    parser.add_argument("--keep", help="a directory for our databases, used again next time")
    options = parser.parse_args()
    wanted = options.cases.split(",")
    os.makedirs(BUILD, exist_ok=True)
    kinds = {"duckdb": Duckdb, "polars": Polars, "sqlite": Sqlite, "postgres": Postgres}
    queries = {}
    for number in range(1, 23):
        with open(os.path.join(HERE, "tpch", f"{number:02}.sql"), encoding="utf-8") as file:
            queries[f"q{number:02}"] = file.read()
    out = open(options.json, "a", encoding="utf-8") if options.json else None
    for suite, cases, columns in (("tpch", queries, TABLES), ("micro", MICRO, MICRO_TABLES)):
        chosen = {n: t for n, t in cases.items() if suite in wanted or n in wanted}
        if not chosen:
            continue
        kept = os.path.join(options.keep, suite) if options.keep else None
        engines = [Tdb(options.threads, kept)]
        engines += [kinds[p](options.threads) for p in options.peers.split(",") if p]
        print(f"{suite}: threads {options.threads}", flush=True)
        tables = tpch_tables(options.scale) if suite == "tpch" else micro_table(options.rows)
        for name, table in tables.items():
            load(engines, name, columns[name], table)
        rows = max(table.num_rows for table in tables.values())
        del tables
        for engine in engines:
            engine.ready()
        run_cases(engines, chosen, options, rows, out)
        for engine in engines:
            if hasattr(engine, "close"):
                engine.close()
    chosen = [n for n in files.FILES if "files" in wanted or n in wanted]
    if chosen:
        print(f"files: threads {options.threads}", flush=True)
        rows = min(options.rows, 2000000)
        texts = files.make(BUILD, micro_table(rows)["facts"], rows)
        engines = [files.Statements(Tdb(options.threads)), files.Statements(Duckdb(options.threads))]
        run_cases(engines, {name: texts[name] for name in chosen}, options, rows, out)
        engines[0].engine.close()


if __name__ == "__main__":
    main()
