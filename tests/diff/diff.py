#!/usr/bin/env python3
"""Random statements on PostgreSQL 15 and on ours, with the answers compared.

usage: diff.py [--seconds N] [--seed S] [--statements N] [--case N] [--ways] [--show N]

A case is a database: tables, rows and indexes, and then some hundred statements. A difference is cut
down to what is needed to show it and printed with the number of its case; `--seed S --case N` runs
that one again. With --ways the statements run on ours alone, in every way that there is, and are
compared with themselves. Exit status 1 when a difference is left unexplained.
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from diff_case import Case  # noqa: E402
from diff_connect import ROOT, Ours, Postgres, have_postgres, start_server  # noqa: E402
from diff_signatures import learn  # noqa: E402
from diff_ways import WaysCase, find_ways  # noqa: E402

class Counters:
    def __init__(self):
        self.runs = self.statements = self.succeeded = self.with_rows = self.errors = 0
        self.positions = self.positions_same = self.messages_same = self.hints = self.hints_same = 0
        self.features = collections.Counter()
        self.states = collections.Counter()
        self.allowed = collections.Counter()
        self.words = collections.Counter()
        self.differences = []


class Tester:
    def __init__(self, arguments):
        self.seed, self.verbose, self.show, self.strict = arguments.seed, arguments.verbose, arguments.show, arguments.strict
        self.reduce_max = arguments.reduce
        self.statements_max = arguments.statements
        self.end = time.monotonic() + arguments.seconds
        self.counters = Counters()
        self.build = os.environ.get("BUILD", str(ROOT / "build" / "release"))
        self.server = start_server()
        try:
            subprocess.run(self.server.psql("postgres") + ["-c", 'CREATE DATABASE "diff"'], check=True, cwd="/")
            self.postgres = Postgres(self.server, "diff")
            self.ours = Ours(self.build)
            self.signatures, self.lacking = learn(self.postgres, self.ours)
            self.case = Case
            if arguments.ways:
                self.case, self.ways = WaysCase, find_ways(self.ours)
        except BaseException:
            self.server.stop()
            raise

    def over(self):
        c = self.counters
        return time.monotonic() > self.end or (self.statements_max and c.statements >= self.statements_max)

    def count(self, statement, theirs, ours):
        c = self.counters
        c.statements += 1
        c.features.update(statement.features)
        if theirs.error is None:
            c.succeeded += 1
            c.with_rows += bool(theirs.raw)
        else:
            c.states[theirs.state] += 1
            if ours.error is not None and theirs.state == ours.state:
                self.count_words(str(statement), theirs.error, ours.error)

    def count_words(self, sql, theirs, ours):
        c = self.counters
        c.errors += 1
        c.messages_same += theirs["M"] == ours["M"]
        c.positions += 1
        c.positions_same += theirs.get("P") == ours.get("P")
        if "H" in theirs:
            c.hints += 1
            c.hints_same += theirs["H"] == ours.get("H")
        for field, name in (("M", "message"), ("P", "position"), ("H", "hint")):
            if theirs.get(field) != ours.get(field):
                shape = re.sub(r'"[^"]*"', '"?"', re.sub(r"\d+", "?", theirs["M"]))
                c.words[f"{name}: {shape}"] += 1
                if self.verbose or (field in self.words and c.words[f"{name}: {shape}"] == 1):
                    print(f"{name}: {sql}\n    theirs: {theirs.get(field)}  ({theirs['M']})\n    ours:   {ours.get(field)}  ({ours['M']})")

    words = ""

    def summary(self, started):
        c = self.counters
        seconds = time.monotonic() - started
        n = max(c.statements, 1)
        print(f"\nfeatures, in how many of {c.statements} statements:")
        line = ""
        for name, count in sorted(c.features.items(), key=lambda item: -item[1]):
            piece = f"{name} {count}, "
            if len(line) + len(piece) > 110:
                print("  " + line)
                line = ""
            line += piece
        print("  " + line.rstrip(", "))
        print("errors: " + ", ".join(f"{s} {k}" for s, k in c.states.most_common(24)))
        if c.errors:
            print(f"of {c.errors} errors alike: message {100 * c.messages_same / c.errors:.1f} %, position "
                  f"{100 * c.positions_same / c.errors:.1f} %, hint {c.hints_same} of {c.hints}")
            for name, count in c.words.most_common(self.words_count):
                print(f"  {count:5d}  {name}")
        for name, count in c.allowed.most_common():
            print(f"meant ({count}): {name}")
        if c.runs:
            print(f"{c.runs} runs in {len(self.ways)} other ways: {', '.join(w.name for w in self.ways)}")
        print(f"signatures: {len(self.signatures)} of both, {len(self.lacking)} of PostgreSQL alone")
        print(f"{c.statements} statements in {seconds:.0f} s ({c.statements / seconds:.0f}/s), "
              f"{100 * c.succeeded / n:.1f} % succeeded, {100 * c.with_rows / n:.1f} % gave rows, "
              f"{len(c.differences)} differences ({len(set(c.differences))} shapes)")

    words_count = 0

    def run(self, first, last):
        started = told = time.monotonic()
        number = first
        try:
            while not self.over() and (last is None or number <= last):
                self.case(self, number).run()
                number += 1
                if time.monotonic() - told > 10:
                    told = time.monotonic()
                    c = self.counters
                    print(f"[{told - started:4.0f} s] case {number}, {c.statements} statements, "
                          f"{len(c.differences)} differences", flush=True)
        finally:
            self.ours.close()
            self.server.stop()
        self.summary(started)
        return 1 if self.counters.differences else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--statements", type=int, default=0, help="stop after so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", action="store_true", help="ours alone, in every way")
    parser.add_argument("--case", type=int, help="only this one")
    parser.add_argument("--show", type=int, default=6, help="rows of an answer to show")
    parser.add_argument("--reduce", type=int, default=60, help="how many differences to cut down")
    parser.add_argument("--strict", action="store_true", help="also differences that are meant")
    parser.add_argument("--words", default="", help="show other messages (M), positions (P), hints (H)")
    parser.add_argument("--verbose", action="store_true", help="print every statement")
    arguments = parser.parse_args()
    if not have_postgres():
        print("skipped: PostgreSQL 15 is not installed (package postgresql-15)")
        return 0
    tester = Tester(arguments)
    tester.words = arguments.words
    tester.words_count = 40 if arguments.words else 0
    first = arguments.case if arguments.case is not None else 1
    return tester.run(first, arguments.case)


if __name__ == "__main__":
    sys.exit(main())
