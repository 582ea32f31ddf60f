"""How far the optimiser's guesses of rows are from the truth, on TPC-H.

    build/bench/sql/venv/bin/python bench/sql/estimates.py DATABASE_DIRECTORY

A database that `./dev bench sql --cases tpch --keep DIR` made (DIR/tpch). Prints for each query the
largest Q-error (guess / truth or truth / guess, whichever is more) of its joins, scans and groups,
before and after ANALYZE, and the median and 90th percentile of all of them.
"""

import json
import os
import sys

import tdb

HERE = os.path.dirname(os.path.abspath(__file__))


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def errors(db, text):
    lines = db.sql("explain (analyze, costs, format json) " + text).to_pydict()
    plan = json.loads("\n".join(next(iter(lines.values()))))[0]["Plan"]
    for node in nodes(plan):
        loops = node.get("Actual Loops", 0)
        if loops == 0 or "Plan Rows" not in node:
            continue
        guess = max(node["Plan Rows"], 1)
        truth = max(node["Actual Rows"], 1)
        yield max(guess / truth, truth / guess), node["Node Type"], guess, truth


def report(db, name):
    found = []
    for number in range(1, 23):
        with open(os.path.join(HERE, "tpch", f"{number:02}.sql"), encoding="utf-8") as file:
            mine = list(errors(db, file.read()))
        found += mine
        worst = max(mine)
        print(f"  q{number:02} {worst[0]:10.1f}  {worst[1]}: {worst[2]:.0f}, in truth {worst[3]:.0f}")
    found = sorted(error[0] for error in found)
    print(f"{name}: {len(found)} operators, median {found[len(found) // 2]:.2f}, 90 % within "
          f"{found[len(found) * 9 // 10]:.1f}, worst {found[-1]:.0f}", flush=True)


def main():
    library = os.path.join(HERE, "..", "..", "build", "release", "libtdbplus.so")
    db = tdb.Database(library, sys.argv[1])
    report(db, "before ANALYZE")
    db.sql("analyze")
    report(db, "after ANALYZE")
    db.close()


if __name__ == "__main__":
    main()
