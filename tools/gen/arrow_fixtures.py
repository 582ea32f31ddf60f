#!/usr/bin/env python3
"""Writes src/types/vectors/arrow_files.inc: small Arrow files and streams made by pyarrow, and their
rows as text. Needs pyarrow; run once, the result is checked in."""
import datetime
import decimal
import pathlib

import pyarrow as pa
import pyarrow.ipc as ipc

OUT = pathlib.Path(__file__).resolve().parents[2] / "src/types/vectors/arrow_files.inc"
LONG = "a text that is longer than a view holds"
PLAIN = pa.table({
    "i4": pa.array([1, None, -3, 4, 5], pa.int32()),
    "i8": pa.array([1, 2, 3, 4, 2**62], pa.int64()),
    "u1": pa.array([0, None, 255, 7, 8], pa.uint8()),
    "f8": pa.array([0.5, None, -2.0, 1e300, 0.0]),
    "b": pa.array([True, False, None, True, True]),
    "t": pa.array(["a", None, "", LONG, "é"]),
    "lt": pa.array(["a", None, "", LONG, "é"], pa.large_string()),
    "sv": pa.array(["a", None, "", LONG, "é"], pa.string_view()),
    "bin": pa.array([b"\x00", None, b"", b"xyz", b"1234567890123"]),
    "ts": pa.array([0, None, 1, -1, 86400], pa.timestamp("s")),
    "d": pa.array([datetime.date(2024, 2, 29), None] + [datetime.date(1970, 1, 1)] * 3),
    "n": pa.array([decimal.Decimal("1.50"), None] + [decimal.Decimal("-0.01")] * 3,
                  pa.decimal128(20, 2)),
    "l": pa.array([[1, 2], None, [], [None], [5]], pa.list_(pa.int32())),
    "v": pa.array([[1, 2], None, [3, 4], [5, 6], [7, 8]], pa.list_(pa.float32(), 2)),
    "dict": pa.array(["x", None, "y", "x", "zz"]).dictionary_encode(),
    "nul": pa.nulls(5),
})


def text(value, column):
    if value is None:
        return "NULL"
    if column == "bin":
        return "\\x" + value.hex()
    if column == "b":
        return "t" if value else "f"
    if column == "f8":
        return {0.5: "0.5", -2.0: "-2", 1e300: "1e+300", 0.0: "0"}[value]
    if column == "l":
        return "{" + ",".join("NULL" if v is None else str(v) for v in value) + "}"
    if column == "v":
        return "[" + ",".join(str(int(v)) for v in value) + "]"
    return str(value)


def write(kind, codec):
    sink = pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression=codec)
    make = ipc.new_file if kind == "file" else ipc.new_stream
    with make(sink, PLAIN.schema, options=options) as writer:
        writer.write_table(PLAIN, max_chunksize=3)
    return sink.getvalue().to_pybytes()


def main():
    lines = ["/* Arrow files and streams, and the rows in them.",
             " * Made by tools/gen/arrow_fixtures.py with pyarrow. */"]
    for kind in ("file", "stream"):
        for codec in (None, "lz4", "zstd"):
            data = write(kind, codec)
            body = ",\n".join(",".join(str(b) for b in data[i:i + 28])
                              for i in range(0, len(data), 28))
            lines.append(f"static const uint8_t {kind}_{codec or 'plain'}[] = {{\n{body}}};")
    rows = [" | ".join(text(row[c], c) for c in PLAIN.column_names) for row in PLAIN.to_pylist()]
    quoted = ",\n".join('"' + "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\{b:03o}" for b in r.encode()) + '"'
        for r in rows)
    lines.append(f"static const char *const rows[] = {{\n{quoted}}};")
    OUT.write_text("\n".join(lines) + "\n")


main()
