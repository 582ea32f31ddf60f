#!/usr/bin/env python3
"""COPY in binary: the same rows as PostgreSQL 15 and tdb write them are the same bytes, for every
type, and each reads what the other wrote.

usage: pgcopy.py TDB          (skips without PostgreSQL 15: exit status 77)
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sql"))
import generate  # noqa: E402

TDB = pathlib.Path(sys.argv[1]).resolve()

# A type, and texts of its values. PostgreSQL gives an infinite numeric a display scale of 32, which
# means nothing; it is not among the values.
TYPES = [
    ("bool", ["t", "f"]),
    ("int2", ["-32768", "7"]),
    ("int4", ["-2147483648", "0"]),
    ("int8", ["9223372036854775807", "-1"]),
    ("float4", ["1.5", "NaN", "-Infinity"]),
    ("float8", ["-0.1", "NaN", "1e300"]),
    ("numeric", ["0", "0.0000100", "-12345.6789", "10000", "NaN", "1e130"]),
    ("numeric(12,2)", ["1.255", "-0.01"]),
    ("numeric(30,5)", ["-99999999999999999999.12345"]),
    ("text", ["", "h\u00e9llo, longer than twelve bytes"]),
    ("varchar(5)", ["ab", "\u00e9\u00e9\u00e9\u00e9\u00e9"]),
    ("char(4)", ["xy", ""]),
    ("bytea", ["", "\\x00ff0a"]),
    ("date", ["2020-02-29", "0001-01-01 BC", "infinity"]),
    ("time", ["00:00:00", "24:00:00", "12:00:01.5"]),
    ("timestamp", ["2020-01-01 00:00:00.600001", "-infinity", "0099-01-01 BC"]),
    ("timestamp(0)", ["2020-01-01 00:00:00.6"]),
    ("timestamptz", ["1999-01-01 00:00:00+05", "infinity"]),
    ("interval", ["1 mon -2 days 00:00:03.5", "-1 year"]),
    ("timetz", ["01:02:03.5+02:30", "23:59:59-15:59"]),
    ("uuid", ["00112233-4455-6677-8899-aabbccddeeff"]),
    ("jsonb", ['{"a": [1, 2, null, 1.50], "b": "x\\u00e9"}', "null", '"x"']),
    ("money", ["-12.34", "92233720368547758.07"]),
    ("bit(9)", ["101010101"]),
    ("varbit", ["", "1", "11111111"]),
    ("inet", ["10.1.2.3/8", "::1", "192.168.0.1"]),
    ("cidr", ["10.0.0.0/8", "2001:db8::/32"]),
    ("macaddr", ["08:00:2b:01:02:03"]),
    ("macaddr8", ["08:00:2b:01:02:03:04:05"]),
    ("int4range", ["[1,5]", "empty", "(,)"]),
    ("int8range", ["[,7)"]),
    ("numrange", ["(1.50,2.00]", "[0.0,)"]),
    ("tsrange", ["(,2000-01-01]"]),
    ("tstzrange", ["[2000-01-01 00:00:00+00,2000-01-02 00:00:00+00)"]),
    ("daterange", ["[2000-01-01,infinity)"]),
    ("int4multirange", ["{}", "{[1,3),[5,)}"]),
    ("nummultirange", ["{(1.0,2.00],[3,3]}"]),
    ("datemultirange", ["{[2000-01-01,2000-01-05)}"]),
    ("oid", ["4000000000"]),
    ("name", ["abc"]),
    ('"char"', ["x", ""]),
    ("int4[]", ["{}", "{{1,2},{3,NULL}}", "[0:1]={1,2}"]),
    ("text[]", ['{a,"b c",NULL,""}']),
    ("numeric(10,2)[]", ["{1.5,NULL}"]),
    ("timestamp(2)[]", ["{2020-01-01 00:00:00.126}"]),
    ("tsrange[]", ['{"[2000-01-01,2000-01-02)"}']),
]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def statements():
    """The definition of a table with a column of each type, and rows for it."""
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _) in enumerate(TYPES))
    longest = max(len(values) for _, values in TYPES)
    rows = ["(" + ", ".join(quoted(values[row]) if row < len(values) else "NULL"
                            for _, values in TYPES) + ")" for row in range(longest + 1)]
    return f"CREATE TABLE t ({columns})", [f"INSERT INTO t VALUES {row}" for row in rows]


def ours(*commands):
    call = [TDB]
    for command in commands:
        call += ["-c", command]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"tdb: {done.stderr}")


def main():
    if not (generate.BIN / "initdb").exists():
        print("PostgreSQL 15 is not installed")
        sys.exit(77)
    server = generate.Server()
    folder = tempfile.mkdtemp(prefix="pgcopy")
    os.chmod(folder, 0o777)
    try:
        table, rows = statements()

        def theirs(*commands):
            call = server.psql("postgres") + ["-v", "ON_ERROR_STOP=1"]
            for command in commands:
                call += ["-c", command]
            subprocess.run(call, check=True, cwd="/")

        def same(left, right):
            contents = [pathlib.Path(folder, name).read_bytes() for name in (left, right)]
            if contents[0] != contents[1]:
                sys.exit(f"{left} and {right} differ: {contents[0]!r} {contents[1]!r}")

        binary = "(FORMAT binary)"
        theirs(table, *rows, f"COPY t TO '{folder}/theirs' {binary}", f"COPY t TO '{folder}/theirs.txt'")
        ours(table, *rows, f"COPY t TO '{folder}/ours' {binary}")
        os.chmod(f"{folder}/ours", 0o644)
        same("ours", "theirs")
        ours(table, f"COPY t FROM '{folder}/theirs' {binary}", f"COPY t TO '{folder}/ours.txt'")
        same("ours.txt", "theirs.txt")
        theirs("TRUNCATE t", f"COPY t FROM '{folder}/ours' {binary}", f"COPY t TO '{folder}/again.txt'")
        same("again.txt", "theirs.txt")
    finally:
        server.stop()
        shutil.rmtree(folder)


main()
