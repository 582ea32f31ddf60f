#!/usr/bin/env python3
"""Writes a CSV file with a header as INSERT statements. usage: csv_to_sql.py TABLE FILE.CSV

An empty field becomes NULL; all else is quoted, and the column's type reads it.
"""
import csv
import sys

ROWS_PER_STATEMENT = 500


def literal(field):
    return "'" + field.replace("'", "''") + "'" if field else "NULL"


def main():
    table, path = sys.argv[1:]
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    print("BEGIN;")
    for first in range(0, len(rows), ROWS_PER_STATEMENT):
        values = ",\n".join("(" + ", ".join(map(literal, row)) + ")"
                            for row in rows[first:first + ROWS_PER_STATEMENT])
        print(f"INSERT INTO {table} VALUES\n{values};")
    print("COMMIT;")


main()
