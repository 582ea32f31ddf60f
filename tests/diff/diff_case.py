"""One database: making it, running statements on both sides, and cutting down what differs."""
import random
import re

from diff_change import Changes
from diff_compare import Difference, allowed, compare, show
from diff_connect import Crash
from diff_reduce import reduce_list, reduce_tree


class Flush:
    """Between statements: rows go from memory to a segment."""


class Case:
    """One database and what is said to it."""
    statements_a_case = 150
    names = ("PostgreSQL:", "ours:      ")

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

    def reset_all(self):
        self.tester.postgres.reset()
        self.tester.ours.reset()

    def flush(self):
        self.tester.ours.command(b"F")

    def rebuild(self, log):
        self.reset_all()
        for entry in log:
            if isinstance(entry, Flush):
                self.flush()
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
            if rng.random() < makes.big_share and not table.unique:
                yield makes.fill_big(table)
        for _ in range(rng.choice((0, 1, 2, 3))):
            yield makes.index()

    def statements(self):
        yield from self.setup()
        for _ in range(self.statements_a_case):
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
        self.reset_all()
        for statement in self.statements():
            if self.rng.random() < 0.01 and not self.makes.in_transaction:
                self.flush()
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
            print(f"    {self.names[0]}", show(theirs, tester.show))
            print(f"    {self.names[1]}", show(ours, tester.show), flush=True)

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
