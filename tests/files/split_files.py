#!/usr/bin/env python3
"""One large CSV or NDJSON file read by one, two and four threads: the same rows, the ones that were
written, wherever lines, quotes and documents fall on the cuts between parts; and errors name the line.

usage: split_files.py TDB
"""
import csv
import json
import pathlib
import random
import subprocess
import sys
import tempfile

TDB = sys.argv[1]
SIZE = 4_500_000  # Bytes: parts of one MiB.


def tdb(threads, query):
    done = subprocess.run([TDB, "--csv", "-c", f"SET threads = {threads}", "-c", query],
                          capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def check(what, path, query, want):
    for threads in (1, 2, 4):
        out, err = tdb(threads, query.format(path=path))
        if not out.rstrip().endswith(want):
            sys.exit(f"{what} with {threads} threads: {out[-200:]!r} {err!r}, not {want!r}")


def csv_file(path, seed):
    """Rows with quotes and lines inside of quotes, some over several parts."""
    chance = random.Random(seed)
    total = length = rows = 0
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\r\n" if seed % 2 else "\n")
        writer.writerow(["a", "b", "c"])
        while file.tell() < SIZE:
            rows += 1
            text = chance.choice(["x", 'with "quotes"', 'line\nbreak\n\n"and" more', "y" * chance.randint(0, 40)])
            if seed >= 2 and chance.random() < 0.001:
                text = "\n".join(['long, "line"'] * chance.choice([10, 20000, 90000]))
            writer.writerow([rows, text, "z"])
            total += rows
            length += len(text)
    check(path.name, path, "SELECT count(*), sum(a), sum(length(b)) FROM '{path}'", f"{rows},{total},{length}")


def document_file(path, seed):
    """Documents on a line each, over several lines, with what looks like a cut inside of texts."""
    chance = random.Random(seed)
    total = length = rows = 0
    with open(path, "w", encoding="utf-8") as file:
        while file.tell() < SIZE:
            rows += 1
            text = chance.choice(["x", '{"}\n{"', "y" * 30, "}"])
            document = {"a": rows, "b": text, "c": [{"z": 1}, {"k": "}"}]}
            file.write(json.dumps(document, indent=2 if seed == 2 else None))
            file.write("\n" if seed == 0 else chance.choice(["\n", "\n\n", " \n  ", "\r\n", " "]))
            total += rows
            length += len(text)
    check(path.name, path, "SELECT count(*), sum(a), sum(length(b)) FROM '{path}'", f"{rows},{total},{length}")


def wrong_line(path):
    """An error in the last part tells the line of the file."""
    rows = 0
    with open(path, "w", encoding="utf-8") as file:
        file.write("a,b\n")
        while file.tell() < SIZE:
            rows += 1
            file.write(f"{rows},some words\n")
        file.write("x,y\n")
    for threads in (1, 2):
        _, err = tdb(threads, f"SELECT sum(a) FROM read_csv('{path}')")
        if f"line {rows + 2}, column a" not in err:
            sys.exit(f"{threads} threads: {err!r} does not name line {rows + 2}")


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    for number in range(4):
        csv_file(folder / f"{number}.csv", number)
    for number in range(3):
        document_file(folder / f"{number}.ndjson", number)
    wrong_line(folder / "wrong.csv")
