"""The same queries on ours in every way: without one rule of the optimiser, with more threads, with
each table of kernels, with little memory. The answers must be those of the plain way."""
from diff_case import Case, Flush
from diff_compare import Difference, compare, is_data_error
from diff_connect import Crash

RULES = ("fold", "inline_cte", "lateral", "semi_join", "decorrelate", "or_split", "pushdown", "merge_project",
         "join_order", "index_path", "scan_bounds", "top", "index_order", "document_path", "prune")
EVERY_RULE = ", ".join(RULES)
TIMEOUT_MS = 3000


class Way:
    """How a query is run: what is set before and after, or a table of kernels."""

    def __init__(self, name, before=(), after=(), kernels=None):
        self.name, self.before, self.after, self.kernels = name, before, after, kernels


def find_ways(ours):
    """The ways that this build and machine have."""
    ways = [Way(f"without {rule}", [f"SET disabled_rules = '{rule}'"], ["SET disabled_rules = ''"])
            for rule in RULES]
    ways.append(Way("without any rule", [f"SET disabled_rules = '{EVERY_RULE}'"], ["SET disabled_rules = ''"]))
    ways.append(Way("with two threads", ["SET threads = 2"], ["SET threads = 1"]))
    number = 0
    while ours.command(b"K", str(number).encode()):
        number += 1
    # The last one is what a session begins with.
    ways += [Way(f"with kernels {n}", kernels=n) for n in range(number - 1)]
    if ours.ask("SET work_mem = '64kB'").error is None:
        ways.append(Way("with little memory", ["SET work_mem = '64kB'"], ["RESET work_mem"]))
        ours.ask("RESET work_mem")
    find_ways.best = number - 1
    return ways


class WaysCase(Case):
    """One database of ours alone."""
    statements_a_case = 60
    names = ("plain:    ", "this way: ")

    def __init__(self, tester, number):
        super().__init__(tester, number)
        self.makes.big_rows = (66000, 70000) if self.rng.random() < 0.15 else (2500, 6000)
        self.makes.big_share = 0.3
        self.way = None

    def reset_all(self):
        self.tester.ours.reset()
        self.tester.ours.command(b"T", str(TIMEOUT_MS).encode())
        self.tester.ours.ask("SET threads = 1")

    def flush(self):
        self.tester.ours.command(b"F")

    def ask_way(self, way, sql):
        ours = self.tester.ours
        if way.kernels is not None:
            ours.command(b"K", str(way.kernels).encode())
        for line in way.before:
            ours.post(line)
        ours.post(sql)
        for line in way.after:
            ours.post(line)
        for _ in way.before:
            ours.receive()
        answer = ours.receive()
        for _ in way.after:
            ours.receive()
        if way.kernels is not None:
            ours.command(b"K", str(find_ways.best).encode())
        return answer

    def ask(self, sql):
        """The plain answer, and that of the way in question."""
        plain = self.tester.ours.ask(sql)
        return plain, plain if self.way is None else self.ask_way(self.way, sql)

    def one(self, statement):
        tester, sql = self.tester, str(statement)
        if tester.verbose:
            print(sql, flush=True)
        self.way = None
        try:
            plain, _ = self.ask(sql)
            tester.count(statement, plain, plain)
            # In a transaction an error would be the end of it.
            if statement.kind in ("query", "wrong") and not statement.changes and plain.state != "57014" and \
                    not self.makes.in_transaction:
                self.compare_ways(statement, plain)
        except Crash:
            self.report(statement, Difference("crash", tester.ours.restart()), None, None)
            return False
        if self.makes.in_transaction:
            if statement.kind == "transaction":
                self.failed = self.failed and "ROLLBACK" not in sql
            self.failed = self.failed or plain.error is not None
        else:
            self.failed = False
        if statement.changes and (plain.error is None or self.makes.in_transaction):
            self.log.append(sql)
        return True

    def compare_ways(self, statement, plain):
        for way in self.tester.ways:
            self.way = way
            self.tester.counters.runs += 1
            answer = self.ask_way(way, str(statement))
            difference = compare(plain, answer, statement)
            if difference is not None and not self.explained(plain, answer):
                self.report(statement, Difference(difference.kind, way.name), plain, answer)
        self.way = None

    @staticmethod
    def explained(plain, answer):
        """Which rows' errors are met first is a plan's own affair; so is time."""
        if "57014" in (plain.state, answer.state):
            return True
        return plain.state != answer.state and is_data_error(plain) and is_data_error(answer)

    def shows(self, statement, kind):
        way = self.way
        try:
            plain, answer = self.ask(str(statement))
        except Crash:
            self.tester.ours.restart()
            self.way = way
            self.rebuild(self.log)
            return kind == "crash"
        difference = compare(plain, answer, statement)
        return difference is not None and difference.kind == kind and not self.explained(plain, answer)
