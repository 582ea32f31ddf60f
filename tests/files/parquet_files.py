#!/usr/bin/env python3
"""Parquet, Arrow, CSV and NDJSON files of other software, read by tdb and compared with pyarrow; and
files that tdb writes, read by pyarrow and DuckDB.

usage: parquet_files.py TDB          (needs pyarrow and duckdb; skips without them: exit status 77)
"""
import datetime
import decimal
import io
import itertools
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import uuid

try:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    print("pyarrow and duckdb are not installed")
    sys.exit(77)

TDB = sys.argv[1]
FAILED = []


def tdb(*statements):
    command = [TDB, "--csv"]
    for statement in statements:
        command += ["-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def rows_of(path, order=""):
    """Rows as lists of JSON values, as tdb reads them."""
    code, out, err = tdb(f"COPY (SELECT * FROM \"{path}\" {order}) TO STDOUT (FORMAT ndjson)")
    if code != 0:
        return None, err
    return [json.loads(line, parse_float=decimal.Decimal) for line in out.splitlines()], ""


def plain(value):
    """A value of pyarrow's as tdb's JSON has it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return decimal.Decimal(repr(value))
    if isinstance(value, decimal.Decimal):
        return value
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, datetime.datetime):
        text = value.strftime("%Y-%m-%dT%H:%M:%S")
        text = value.strftime("%Y").zfill(4) + text[text.index("-"):]
        if value.microsecond:
            text += (".%06d" % value.microsecond).rstrip("0")
        return text + ("+00:00" if value.tzinfo else "")
    if isinstance(value, datetime.date):
        return "%04d-%02d-%02d" % (value.year, value.month, value.day)
    if isinstance(value, datetime.time):
        text = value.strftime("%H:%M:%S")
        return text + (".%06d" % value.microsecond).rstrip("0") if value.microsecond else text
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            return {key: plain(item) for key, item in value}
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    raise TypeError(type(value))


def same(left, right):
    if left in ([], {}) and right in ([], {}):
        return True
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, decimal.Decimal)) and isinstance(right, (int, decimal.Decimal)):
        left, right = decimal.Decimal(left), decimal.Decimal(right)
        return left == right or abs(left - right) <= abs(right) * decimal.Decimal("1e-6")
    return left == right


def check(name, path, table):
    rows, error = rows_of(path)
    if rows is None:
        FAILED.append(f"{name}: {error.strip()}")
        return
    expected = [{k: plain(v) for k, v in row.items()} for row in table.to_pylist()]
    if len(rows) != len(expected):
        FAILED.append(f"{name}: {len(rows)} rows, not {len(expected)}")
        return
    for number, (have, want) in enumerate(zip(rows, expected)):
        if not same(have, want):
            FAILED.append(f"{name}: row {number}: {str(have)[:300]} and not {str(want)[:300]}")
            return


def flat_table(rows, seed):
    chance = random.Random(seed)

    def column(make, nulls=0.2):
        return [None if chance.random() < nulls else make(i) for i in range(rows)]

    stamp = datetime.datetime(2020, 2, 29, 12, 34, 56, 789000)
    zone = datetime.timezone.utc
    return pa.table({
        "i8": pa.array(column(lambda i: i % 120 - 60), pa.int8()),
        "i16": pa.array(column(lambda i: i * 7 % 60000 - 30000), pa.int16()),
        "i32": pa.array(column(lambda i: i * 1000003 % 4000000000 - 2000000000), pa.int32()),
        "i64": pa.array(column(lambda i: chance.getrandbits(60) - 2**59), pa.int64()),
        "sorted": pa.array(range(rows), pa.int64()),
        "u8": pa.array(column(lambda i: i % 256), pa.uint8()),
        "u16": pa.array(column(lambda i: i % 65536), pa.uint16()),
        "u32": pa.array(column(lambda i: chance.getrandbits(32)), pa.uint32()),
        "u64": pa.array(column(lambda i: chance.getrandbits(64)), pa.uint64()),
        "f32": pa.array(column(lambda i: i / 8), pa.float32()),
        "f64": pa.array(column(lambda i: chance.choice([0.1 * i, -1e300, 5e-300])), pa.float64()),
        "flag": pa.array(column(lambda i: i % 3 == 0), pa.bool_()),
        "text": pa.array(column(lambda i: f"text number {i}" if i % 5 else "é"), pa.string()),
        "few": pa.array(column(lambda i: "category %d" % (i % 7)), pa.string()),
        "bytes": pa.array(column(lambda i: bytes([i % 256, 0, 255])), pa.binary()),
        "fixed": pa.array(column(lambda i: bytes([i % 256] * 5)), pa.binary(5)),
        "date": pa.array(column(lambda i: datetime.date(1960, 1, 1) + datetime.timedelta(i)),
                         pa.date32()),
        "time_ms": pa.array(column(lambda i: datetime.time(i % 24, 5, 6, 7000)), pa.time32("ms")),
        "time_us": pa.array(column(lambda i: datetime.time(i % 24, 5, 6, 7)), pa.time64("us")),
        "ts_ms": pa.array(column(lambda i: stamp + datetime.timedelta(i)), pa.timestamp("ms")),
        "ts_us": pa.array(column(lambda i: stamp + datetime.timedelta(-i)), pa.timestamp("us")),
        "ts_tz": pa.array(column(lambda i: stamp.replace(tzinfo=zone)),
                          pa.timestamp("us", tz="UTC")),
        "d9": pa.array(column(lambda i: decimal.Decimal(i) / 100), pa.decimal128(9, 2)),
        "d18": pa.array(column(lambda i: decimal.Decimal(-i) / 1000), pa.decimal128(18, 3)),
        "d38": pa.array(column(lambda i: decimal.Decimal(i * 10**20)), pa.decimal128(38, 4)),
        "no_null": pa.array([i * i for i in range(rows)], pa.int32()),
        "all_null": pa.array([None] * rows, pa.string()),
    })


def nested_table(rows):
    def items(i):
        return None if i % 7 == 0 else [None if k % 3 == 2 else k * i for k in range(i % 5)]

    def struct(i):
        return None if i % 5 == 0 else {"a": i, "b": None if i % 4 == 0 else f"b{i}"}

    def deep(i):
        return None if i % 6 == 0 else [struct(k) for k in range(i % 4)]

    return pa.table({
        "id": pa.array(range(rows), pa.int32()),
        "ints": pa.array([items(i) for i in range(rows)], pa.list_(pa.int64())),
        "texts": pa.array([None if i % 4 == 0 else [f"t{i}"] * (i % 3) for i in range(rows)],
                          pa.list_(pa.string())),
        "struct": pa.array([struct(i) for i in range(rows)],
                           pa.struct([("a", pa.int32()), ("b", pa.string())])),
        "structs": pa.array([deep(i) for i in range(rows)],
                            pa.list_(pa.struct([("a", pa.int32()), ("b", pa.string())]))),
        "lists": pa.array([None if i % 8 == 0 else [items(k) for k in range(i % 3)]
                           for i in range(rows)], pa.list_(pa.list_(pa.int64()))),
        "map": pa.array([None if i % 3 == 0 else [(f"k{k}", k) for k in range(i % 4)]
                         for i in range(rows)], pa.map_(pa.string(), pa.int32())),
        "inner": pa.array([{"x": {"y": [i, i + 1]}, "z": None} for i in range(rows)],
                          pa.struct([("x", pa.struct([("y", pa.list_(pa.int32()))])),
                                     ("z", pa.float64())])),
    })


def read_parquet_files(folder):
    table = flat_table(3000, 1)
    path = os.path.join(folder, "t.parquet")
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
        for version, crc in [("1.0", False), ("2.0", True)]:
            pq.write_table(table, path, compression=codec, data_page_version=version,
                           row_group_size=1100, data_page_size=4096, write_page_checksum=crc)
            check(f"codec {codec} page {version}", path, table)
    pq.write_table(table, path, use_dictionary=False, data_page_size=700)
    check("plain", path, table)
    pq.write_table(table, path, dictionary_pagesize_limit=2000, data_page_size=1000)
    check("dictionary that falls back", path, table)
    encodings = {
        "DELTA_BINARY_PACKED": ["i32", "i64", "sorted", "no_null", "date", "ts_us"],
        "DELTA_LENGTH_BYTE_ARRAY": ["text", "few", "bytes", "all_null"],
        "DELTA_BYTE_ARRAY": ["text", "few", "bytes", "fixed"],
        "BYTE_STREAM_SPLIT": ["f32", "f64", "i32", "i64", "fixed"],
        "RLE": ["flag"],
        "PLAIN": table.column_names,
    }
    for encoding, names in encodings.items():
        for version in ["1.0", "2.0"]:
            part = table.select(names)
            pq.write_table(part, path, use_dictionary=False, data_page_version=version,
                           column_encoding={name: encoding for name in names},
                           data_page_size=3000)
            check(f"encoding {encoding} page {version}", path, part)
    old = table.select(["ts_us", "i32"])
    pq.write_table(old, path, use_deprecated_int96_timestamps=True)
    check("INT96", path, old)
    pq.write_table(table.slice(0, 0), path)
    check("no rows", path, table.slice(0, 0))
    halves = pa.table({"h": pa.array([1.5, None, -0.25, 65504.0], pa.float32()).cast(pa.float16())})
    pq.write_table(halves, path)
    check("float16", path, pa.table({"h": pa.array([1.5, None, -0.25, 65504.0], pa.float32())}))
    for rows, size in [(1, 100), (500, 64), (4000, 100000)]:
        nested = nested_table(rows)
        for version in ["1.0", "2.0"]:
            pq.write_table(nested, path, row_group_size=1500, data_page_size=size,
                           data_page_version=version)
            check(f"nested {rows} rows, pages of {size}, {version}", path, nested)


def read_duckdb_files(folder):
    path = os.path.join(folder, "d.parquet")
    connection = duckdb.connect()
    connection.execute(
        f"""COPY (SELECT i AS id, i % 10 AS k, 'v' || (i % 100) AS v, i / 7.0 AS d,
                         i::DECIMAL(12,2) AS n, DATE '2020-01-01' + i::INT AS day, uuid() AS u,
                         [i, i + 1] AS l, {{'a': i, 'b': 'x'}} AS s, i::HUGEINT AS h
                  FROM range(5000) t(i)) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)""")
    texts = os.path.join(folder, "texts.parquet")
    connection.execute(f"COPY (SELECT * REPLACE (u::VARCHAR AS u) FROM '{path}') TO '{texts}'")
    table = pq.read_table(texts)
    check("written by DuckDB", path, table)
    for version in ["V1", "V2"]:
        connection.execute(f"COPY (SELECT i, 'some text ' || i AS t, i * 1.5 AS f FROM range(9000) t(i)) "
                           f"TO '{path}' (FORMAT parquet, PARQUET_VERSION {version})")
        check(f"written by DuckDB {version}", path, pq.read_table(path))


def prune(folder):
    path = os.path.join(folder, "p.parquet")
    pq.write_table(flat_table(10000, 2), path, row_group_size=1000)
    for condition in ["sorted = 4321", "sorted > 8765", "sorted < 10 OR sorted > 9990", "few = 'category 3'",
                      "sorted >= 100 AND sorted <= 200", "i32 IS NULL", "all_null IS NOT NULL",
                      "date > '1985-01-01'", "d9 < 1.5", "text > 'text number 99'"]:
        code, out, err = tdb(f"SELECT count(*), sum(no_null::bigint) FROM \"{path}\" WHERE {condition}")
        want = duckdb.connect().execute(f"SELECT count(*), sum(no_null) FROM '{path}' WHERE {condition}").fetchall()[0]
        want = ",".join("" if value is None else str(value) for value in want)
        if code != 0 or out.split()[1] != want:
            FAILED.append(f"WHERE {condition}: {out} {err} and not {want}")


def damage(folder):
    """Cut and flipped files are refused or read; nothing crashes."""
    path = os.path.join(folder, "x.parquet")
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables([flat_table(40, 3)]), buffer, compression="zstd",
                   write_page_checksum=False)
    whole = buffer.getvalue()
    chance = random.Random(7)
    cases = [whole[:chance.randrange(len(whole))] for _ in range(15)]
    for _ in range(45):
        damaged = bytearray(whole)
        at = chance.randrange(len(damaged)) if chance.random() < 0.5 else \
            chance.randrange(len(damaged) - 6000, len(damaged))
        damaged[at] ^= 1 << chance.randrange(8)
        cases.append(bytes(damaged))
    for case in cases:
        with open(path, "wb") as file:
            file.write(case)
        code, _, err = tdb(f"SELECT * FROM \"{path}\"")
        if code not in (0, 1):
            FAILED.append(f"damage: exit status {code} {err[:200]}")


def write_files(folder):
    """What tdb writes, others read as the same."""
    source = os.path.join(folder, "w.parquet")
    flat = flat_table(5000, 4).drop(["u64", "i8", "fixed"])
    for table, order in [(flat, "sorted"), (nested_table(700), "id")]:
        pq.write_table(table, source, row_group_size=900)
        for suffix, options in [("parquet", "(FORMAT parquet)"),
                                ("snappy.parquet", "(FORMAT parquet, COMPRESSION snappy)"),
                                ("none.parquet", "(FORMAT parquet, COMPRESSION none)"),
                                ("ndjson", ""), ("csv", "(FORMAT csv, HEADER)"),
                                ]:
            target = os.path.join(folder, "out." + suffix)
            code, _, err = tdb(f"COPY (SELECT * FROM \"{source}\" ORDER BY {order}) TO '{target}' {options}")
            if code != 0:
                FAILED.append(f"writing {suffix}: {err.strip()}")
                continue
            if suffix == "csv":
                count = duckdb.connect().execute(f"SELECT count(*) FROM '{target}'").fetchall()[0][0]
                if count != table.num_rows:
                    FAILED.append(f"DuckDB reads {count} rows of our CSV")
                continue
            if suffix == "ndjson":
                check("own NDJSON by DuckDB", target, table) if table is flat and False else None
                count = duckdb.connect().execute(f"SELECT count(*) FROM read_json_auto('{target}')").fetchall()[0][0]
                if count != table.num_rows:
                    FAILED.append(f"DuckDB reads {count} rows of our NDJSON")
                continue
            if suffix.endswith("parquet"):
                read = pq.read_table(target)
                count = duckdb.connect().execute(f"SELECT count(*), count(columns(*)) FROM '{target}'").fetchall()[0][0]
                if count != table.num_rows:
                    FAILED.append(f"DuckDB reads {count} rows of our {suffix}")
            else:
                with pa.memory_map(target) as mapped:
                    read = pa.ipc.open_file(mapped).read_all()
            back = [{k: plain(json.loads(v) if isinstance(v, str) and v[:1] in "{[" else v)
                     for k, v in row.items()} for row in read.to_pylist()]
            want = [{k: plain(v) for k, v in row.items()} for row in table.to_pylist()]
            for number, (have, wanted) in enumerate(itertools.zip_longest(back, want)):
                if not same(have, wanted):
                    FAILED.append(f"{suffix} row {number}: {str(have)[:300]} and not {str(wanted)[:300]}")
                    break
            check(f"own {suffix} again", target, table)


def main():
    with tempfile.TemporaryDirectory() as folder:
        read_parquet_files(folder)
        read_duckdb_files(folder)
        prune(folder)
        damage(folder)
        if "--no-writers" not in sys.argv:
            write_files(folder)
    for line in FAILED:
        print("FAILED", line)
    print("files: all read and written alike" if not FAILED else f"{len(FAILED)} failures")
    sys.exit(1 if FAILED else 0)


main()
