"""Files as tables and loads: CSV, documents a line each, Parquet, written by DuckDB."""

import os

import duckdb

FILES = {
    "csv_sum": "select count(*), sum(a), sum(b) from read_csv('{csv}')",
    "csv_all": "select count(*), sum(id), sum(a), sum(b), sum(f), max(s), sum(k1m) from read_csv('{csv}')",
    "csv_load": "drop table if exists loaded; create table loaded as select * from read_csv('{csv}');"
                " select count(*), sum(b), max(s) from loaded",
    "ndjson_sum": "select count(*), sum(a), sum(b) from read_ndjson('{ndjson}')",
    "ndjson_load": "drop table if exists loaded; create table loaded as select * from read_ndjson('{ndjson}');"
                   " select count(*), sum(b), max(s) from loaded",
    "parquet_sum": "select count(*), sum(a), sum(b) from read_parquet('{parquet}')",
    "parquet_group": "select s, count(*), sum(f) from read_parquet('{parquet}') group by s",
    "parquet_pruned": "select count(*), sum(b) from read_parquet('{parquet}') where id between 1000 and 2000",
    "parquet_load": "drop table if exists loaded; create table loaded as select * from"
                    " read_parquet('{parquet}'); select count(*), sum(b), max(s) from loaded",
}


def make(folder, facts, rows):
    """Writes the files unless they are there; the cases' texts with their paths."""
    paths = {kind: os.path.join(folder, f"facts-{rows}.{kind}") for kind in ("csv", "ndjson", "parquet")}
    connection = duckdb.connect()
    connection.register("facts", facts)
    for kind, how in (("csv", "csv, header"), ("ndjson", "json"), ("parquet", "parquet")):
        if not os.path.exists(paths[kind]):
            connection.execute(f"copy facts to '{paths[kind]}' (format {how})")
    return {name: text.format(**paths) for name, text in FILES.items()}


class Statements:
    """An engine whose texts may hold several statements; the last one answers."""

    def __init__(self, engine):
        self.engine = engine
        self.name = engine.name

    def run(self, text):
        *first, last = text.split(";")
        for statement in first:
            if self.name == "duckdb":
                self.engine.db.execute(statement)
            else:
                self.engine.run(statement)
        return self.engine.run(last)
