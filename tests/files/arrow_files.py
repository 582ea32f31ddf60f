#!/usr/bin/env python3
"""Arrow files and streams that tdb writes, read by pyarrow (every buffer checked) and by DuckDB, and
by tdb again.

usage: arrow_files.py TDB          (needs pyarrow and duckdb; skips without them: exit status 77)
"""
import decimal
import datetime
import pathlib
import subprocess
import sys
import tempfile
import uuid

try:
    import duckdb
    import pyarrow as pa
    import pyarrow.ipc
except ImportError:
    print("pyarrow and duckdb are not installed")
    sys.exit(77)

TDB = sys.argv[1]
UTC = datetime.timezone.utc

# A type, texts of values, the type that pyarrow sees, and the values that it gives.
TYPES = [
    ("bool", ["t", "f"], "bool", [True, False]),
    ("int2", ["-32768", "7"], "int16", [-32768, 7]),
    ("int4", ["1", "-5"], "int32", [1, -5]),
    ("int8", ["9223372036854775807", "0"], "int64", [2**63 - 1, 0]),
    ("float4", ["1.5", "-0.25"], "float", [1.5, -0.25]),
    ("float8", ["0.1", "-Infinity"], "double", [0.1, float("-inf")]),
    ("numeric(12,2)", ["1.25", "-0.01"], "decimal128(12, 2)",
     [decimal.Decimal("1.25"), decimal.Decimal("-0.01")]),
    ("numeric(30,5)", ["-99999999999999999999.12345", "0"], "decimal128(30, 5)",
     [decimal.Decimal("-99999999999999999999.12345"), decimal.Decimal("0.00000")]),
    ("numeric", ["12345.6789", "NaN"], "string", ["12345.6789", "NaN"]),
    ("text", ["", "h\u00e9llo, longer than twelve bytes"], "string", ["", "h\u00e9llo, longer than twelve bytes"]),
    ("bytea", ["\\x00ff", ""], "binary", [b"\x00\xff", b""]),
    ("date", ["2020-02-29", "1969-12-31"], "date32[day]",
     [datetime.date(2020, 2, 29), datetime.date(1969, 12, 31)]),
    ("time", ["12:00:01.5", "00:00:00"], "time64[us]",
     [datetime.time(12, 0, 1, 500000), datetime.time(0, 0)]),
    ("timestamp", ["2020-01-01 00:00:00.6", "1900-01-01"], "timestamp[us]",
     [datetime.datetime(2020, 1, 1, 0, 0, 0, 600000), datetime.datetime(1900, 1, 1)]),
    ("timestamptz", ["1999-01-01 00:00:00+05", "2000-01-01 00:00:00+00"], "timestamp[us, tz=UTC]",
     [datetime.datetime(1998, 12, 31, 19, tzinfo=UTC), datetime.datetime(2000, 1, 1, tzinfo=UTC)]),
    ("interval", ["1 mon 2 days 00:00:03.5", "-1 year"], "month_day_nano_interval",
     [(1, 2, 3500000000), (-12, 0, 0)]),
    ("uuid", ["00112233-4455-6677-8899-aabbccddeeff", "00000000-0000-0000-0000-000000000005"],
     "extension<arrow.uuid>",
     [uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), uuid.UUID(int=5)]),
    ("jsonb", ['{"a": [1, null]}', "null"], "extension<arrow.json>", ['{"a": [1, null]}', "null"]),
    ("int4[]", ["{1,NULL,3}", "{}"], "list<item: int32>", [[1, None, 3], []]),
    ("text[]", ['{a,"b c"}', "{NULL}"], "list<item: string>", [["a", "b c"], [None]]),
    ("bool[]", ["{t,f,NULL}", "{t}"], "list<item: bool>", [[True, False, None], [True]]),
    ("vector(2)", ["[1,2]", "[-0.5,0]"], "fixed_size_list<item: float not null>[2]",
     [[1.0, 2.0], [-0.5, 0.0]]),
    ("money", ["-12.34", "1"], "int64", [-1234, 100]),
    ("oid", ["4000000000", "7"], "int64", [4000000000, 7]),
    ("char(3)", ["ab", "c"], "string", ["ab ", "c  "]),
    ("inet", ["10.1.2.3/8", "::1"], "string", ["10.1.2.3/8", "::1"]),
    ("numrange", ["(1.50,2.00]", "empty"], "string", ["(1.50,2.00]", "empty"]),
    ("timetz", ["01:02:03.5+02:30", "00:00:00+00"], "string", ["01:02:03.5+02:30", "00:00:00+00"]),
]


def tdb(*statements):
    command = [TDB]
    for statement in statements:
        command += ["-c", statement]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"tdb: {done.stderr.decode()}")
    return done.stdout


def read(path):
    table = pa.ipc.open_stream(path).read_all() if path.endswith(".arrows") else pa.ipc.open_file(path).read_all()
    table.validate(full=True)
    return table


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}: {have!r}, not {want!r}")


def every_type(folder):
    columns = ", ".join(f"c{number} {kind}" for number, (kind, *_) in enumerate(TYPES))
    rows = [", ".join("'" + values[row] + "'" for _, values, *_ in TYPES) for row in range(2)]
    make = [f"CREATE TABLE t ({columns})"] + [f"INSERT INTO t VALUES ({row})" for row in rows]
    make.append("INSERT INTO t (c0) VALUES (NULL)")
    forms = [("plain.arrow", ""), ("lz4.feather", "(COMPRESSION 'lz4')"), ("zstd.arrows", "(COMPRESSION 'zstd')"),
             ("none.arrows", "(FORMAT arrow, COMPRESSION 'none')")]
    paths = [str(folder / name) for name, _ in forms]
    tdb(*make, *[f"COPY t TO '{path}' {options}" for path, (_, options) in zip(paths, forms)])
    before = tdb(*make, "COPY t TO STDOUT")
    for path in paths:
        table = read(path)
        for number, (kind, _, arrow, values) in enumerate(TYPES):
            check(f"{path}: type of {kind}", str(table.schema.field(number).type), arrow)
            have = [tuple(v) if isinstance(v, pa.MonthDayNano) else v for v in table.column(number).to_pylist()]
            check(f"{path}: {kind}", have, values + [None])
        again = tdb(*make[:1], f"INSERT INTO t SELECT * REPLACE (c8::numeric AS c8) FROM '{path}'", "COPY t TO STDOUT")
        check(path, again[again.index(b"INSERT"):], before[before.rindex(b"INSERT"):].replace(b"INSERT 0 1", b"INSERT 0 3"))
    with pa.ipc.open_stream(tdb(*make, "COPY t TO STDOUT (FORMAT arrow)")[len(b"CREATE TABLE\n" + 3 * b"INSERT 0 1\n"):]) as stream:
        check("STDOUT", stream.read_all().num_rows, 3)


def many_rows(folder):
    query = ("SELECT g::int4 AS a, 'text ' || g % 7 AS b, CASE WHEN g % 3 = 0 THEN g * 1.5::float8 END AS c, "
             "ARRAY[g, NULL, g] AS d, g % 5 = 0 AS e FROM generate_series(1, 200000) g")
    path = str(folder / "many.arrow")
    empty = str(folder / "empty.arrow")
    tdb(f"COPY ({query} WHERE g % 2 = 0 OR g % 1000 > 700) TO '{path}' (COMPRESSION 'lz4')",
        f"COPY ({query} WHERE false) TO '{empty}'")
    table = read(path)
    numbers = [g for g in range(1, 200001) if g % 2 == 0 or g % 1000 > 700]
    check("a", table.column("a").to_pylist(), numbers)
    check("c", table.column("c").to_pylist(), [g * 1.5 if g % 3 == 0 else None for g in numbers])
    check("d", table.column("d").to_pylist(), [[g, None, g] for g in numbers])
    check("e", table.column("e").to_pylist(), [g % 5 == 0 for g in numbers])
    found = duckdb.sql("SELECT count(*), sum(a), count(DISTINCT b), sum(c), sum(d[3]) FROM \"table\"").fetchall()
    thirds = sum(g for g in numbers if g % 3 == 0) * 1.5
    check("DuckDB", found, [(len(numbers), sum(numbers), 7, thirds, sum(numbers))])
    check("empty", read(empty).num_rows, 0)


with tempfile.TemporaryDirectory() as temporary:
    every_type(pathlib.Path(temporary))
    many_rows(pathlib.Path(temporary))
