#!/usr/bin/env python3
"""Sums a gcovr JSON summary by module: one line each, then the files below 90 %."""
import collections
import json
import sys

LINES_WANTED = 90.0


def percent(covered, total):
    return 100.0 * covered / total if total else 100.0


def main():
    files = json.load(open(sys.argv[1]))["files"]
    modules = collections.defaultdict(lambda: [0, 0])
    for file in files:
        sums = modules[file["filename"].rpartition("/")[0]]
        sums[0] += file["line_covered"]
        sums[1] += file["line_total"]
    for name, (covered, total) in sorted(modules.items()):
        print(f"{name:28} {covered:6} of {total:6} lines  {percent(covered, total):6.1f} %")
    covered = sum(sums[0] for sums in modules.values())
    total = sum(sums[1] for sums in modules.values())
    print(f"{'all':28} {covered:6} of {total:6} lines  {percent(covered, total):6.1f} %")
    for file in files:
        if file["line_percent"] < LINES_WANTED:
            print(f"below {LINES_WANTED:.0f} %: {file['filename']}  {file['line_percent']} %")


main()
