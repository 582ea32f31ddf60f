#!/usr/bin/env python3
"""A short run of the differential tester, always the same statements: a test of ./dev test."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
STATEMENTS = 8000  # About 25 seconds on a quiet machine.
SECONDS = 600


def main():
    run = subprocess.run([sys.executable, HERE / "diff.py", "--statements", str(STATEMENTS), "--seconds",
                          str(SECONDS), "--seed", "1"],
                         text=True, stdout=subprocess.PIPE, env=os.environ)
    print(run.stdout, end="")
    if run.stdout.startswith("skipped"):
        print("0 passed, 0 failed")
        return 0
    statements = run.stdout.rsplit("\n", 2)[-2].split()[0]
    failed = run.stdout.count("\n--- difference ") + (run.returncode not in (0, 1))
    print(f"{int(statements) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
