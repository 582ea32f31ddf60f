#!/usr/bin/env python3
"""Random statements on PostgreSQL 15 and on ours, with the answers compared.

usage: diff.py [--seconds N] [--seed S] [--statements N] [--case N] [--show N]

A case is a database: tables, rows and indexes, and then some hundred statements. A difference is cut
down to what is needed to show it and printed with the number of its case; `--seed S --case N` runs
that one again. Exit status 1 when a difference is left unexplained.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from diff_change import Changes  # noqa: E402
from diff_compare import Difference, allowed, compare, show  # noqa: E402
from diff_connect import ROOT, Crash, Ours, Postgres, have_postgres, start_server  # noqa: E402
from diff_query import Statement  # noqa: E402
from diff_reduce import reduce_list, reduce_tree  # noqa: E402
from diff_signatures import learn  # noqa: E402
from diff_tree import seq  # noqa: E402

STATEMENTS_A_CASE = 150


class Flush:
    """Between statements: rows go from memory to a segment."""


class Counters:
    def __init__(self):
        self.statements = self.succeeded = self.with_rows = self.errors = 0
        self.positions = self.positions_same = self.messages_same = self.hints = self.hints_same = 0
        self.features = collections.Counter()
        self.states = collections.Counter()
        self.allowed = collections.Counter()
        self.words = collections.Counter()
        self.differences = []


def script(text):
    """Statements as text, one a line."""
    return Statement(seq(text), set())


class Case:
    """One database and what is said to it."""

    def __init__(self, tester, number):
        self.tester, self.number = tester, number
        self.rng = random.Random(f"{tester.seed}/{number}")
        self.makes = Changes(self.rng, tester.signatures)
        self.log = []        # Changes so far that took effect, and Flush.
        self.failed = False  # The open transaction.

    # ---- running ----

    def ask(self, sql):
        """Both answers; Crash when ours is gone."""
        self.tester.postgres.post(sql)
        try:
            self.tester.ours.post(sql)
            ours = self.tester.ours.receive()
        except Crash:
            self.tester.postgres.receive()
            raise
        return self.tester.postgres.receive(), ours

    def rebuild(self, log):
        self.tester.postgres.reset()
        self.tester.ours.reset()
        for entry in log:
            if isinstance(entry, Flush):
                self.tester.ours.command(b"F")
            else:
                self.ask(entry)

    def shows(self, statement, kind):
        """True when the statement still has a difference of the kind."""
        sql = str(statement)
        change = statement.changes and statement.kind != "transaction"
        try:
            if change:
                self.ask("BEGIN")
            theirs, ours = self.ask(sql)
            if change:
                self.ask("ROLLBACK")
        except Crash:
            self.tester.ours.restart()
            self.rebuild(self.log)
            return kind == "crash"
        difference = compare(theirs, ours, statement)
        return difference is not None and difference.kind == kind and \
            (self.tester.strict or allowed(difference, theirs, ours, statement) is None)

    def setup(self):
        rng, makes = self.rng, self.makes
        for number in range(rng.randint(2, 4)):
            yield makes.table(number)
            table = makes.tables[-1]
            yield from makes.fill(table)
            if rng.random() < 0.12 and not table.unique:
                yield makes.fill_big(table)
        for _ in range(rng.choice((0, 1, 2, 3))):
            yield makes.index()

    def statements(self):
        yield from self.setup()
        for _ in range(STATEMENTS_A_CASE):
            if self.failed and self.rng.random() < 0.8:
                self.makes.fresh()
                yield self.end_failure()
            else:
                yield self.makes.next()
        if self.makes.in_transaction:
            self.makes.fresh()
            yield self.makes.say("COMMIT", kind="transaction")
        for table in self.makes.tables:
            yield self.makes.look(table)

    def end_failure(self):
        self.makes.feature("after a failure")
        if self.makes.savepoints and self.rng.random() < 0.6:
            return self.makes.say(f"ROLLBACK TO s{self.rng.randint(1, self.makes.savepoints)}", kind="transaction")
        self.makes.in_transaction = False
        return self.makes.say("ROLLBACK", kind="transaction")

    def run(self):
        tester = self.tester
        tester.postgres.reset()
        tester.ours.reset()
        for statement in self.statements():
            if self.rng.random() < 0.01 and not self.makes.in_transaction:
                tester.ours.command(b"F")
                self.log.append(Flush())
            if not self.one(statement):
                return
            if tester.over():
                return

    def one(self, statement):
        """False when the two databases have parted."""
        tester, sql = self.tester, str(statement)
        if tester.verbose:
            print(sql, flush=True)
        try:
            theirs, ours = self.ask(sql)
        except Crash:
            ended = tester.ours.restart()
            self.report(statement, Difference("crash", ended), None, None)
            return False
        tester.count(statement, theirs, ours)
        if self.makes.in_transaction:
            if statement.kind == "transaction":
                self.failed = self.failed and "ROLLBACK" not in sql
            self.failed = self.failed or theirs.error is not None
        else:
            self.failed = False
        difference = compare(theirs, ours, statement)
        if difference is not None:
            reason = None if tester.strict else allowed(difference, theirs, ours, statement)
            if reason:
                tester.counters.allowed[reason] += 1
            else:
                self.report(statement, difference, theirs, ours)
                return not statement.changes and not self.makes.in_transaction
            if statement.changes or (self.makes.in_transaction and bool(theirs.error) != bool(ours.error)):
                return False
        if statement.changes and (theirs.error is None or self.makes.in_transaction):
            self.log.append(sql)
        return True

    # ---- differences ----

    def report(self, statement, difference, theirs, ours):
        tester = self.tester
        before = str(statement)
        log = list(self.log)
        reduced = len(tester.counters.differences) < tester.reduce_max
        if reduced:
            try:
                log = self.reduce(statement, difference, log)
            except Crash as crash:
                print(f"while reducing: {crash}")
                tester.ours.restart()
        shape = difference.kind + " " + re.sub(r"'[^']*'|\d+", "?", str(statement))
        tester.counters.differences.append(shape)
        print(f"\n--- difference {len(tester.counters.differences)}: {difference.kind} "
              f"(--seed {tester.seed} --case {self.number}) {difference.detail}")
        for entry in log if reduced else ():
            print("   ", "-- flush" if isinstance(entry, Flush) else entry + ";")
        print("   ", str(statement) + ";")
        if str(statement) != before and tester.verbose:
            print("    was:", before)
        if self.answers is not None:
            theirs, ours = self.answers
        if theirs is not None:
            print("    PostgreSQL:", show(theirs, tester.show))
            print("    ours:      ", show(ours, tester.show), flush=True)

    answers = None

    def reduce(self, statement, difference, log):
        """Cuts the statement in place; returns what is needed of the log."""
        kind = difference.kind
        saved = self.log
        self.answers = None
        self.rebuild(log)
        if not self.shows(statement, kind):
            self.rebuild(log)
            return log
        reduce_tree(statement.tree, lambda: self.shows(statement, kind))

        def still(fewer):
            self.log = fewer
            self.rebuild(fewer)
            return self.shows(statement, kind)

        log = reduce_list(log, still)
        self.log = log
        self.rebuild(log)
        reduce_tree(statement.tree, lambda: self.shows(statement, kind))
        if kind != "crash":
            self.answers = self.ask(str(statement))
        self.log = saved
        self.rebuild(saved)
        return log


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
                Case(self, number).run()
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
