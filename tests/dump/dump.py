#!/usr/bin/env python3
"""usage: dump.py TDB

What `tdb dump --sql` writes makes the database again: a dump of what was restored is the same text,
and what was restored answers questions.sql, errors too, as the first database does. So does
PostgreSQL 15, when it is installed, after psql has run the same dump.
"""
import csv
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sql"))
import generate


def run(*command, wanted=0):
    done = subprocess.run(command, capture_output=True, text=True)
    if wanted is not None and done.returncode != wanted:
        sys.exit(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def rows_of(text):
    """Lines of CSV; empty texts are quoted by us alone, and only PostgreSQL tells what it did."""
    lines = [",".join('""' if value == "" else value for value in row)
             for row in csv.reader(text.splitlines(keepends=True))]
    return [line for line in lines if not line.startswith(("INSERT ", "DELETE "))]


def questions():
    """Options that ask them in one go, and tell the answers apart; an error is an empty one."""
    options = []
    for question in (HERE / "questions.sql").read_text().splitlines():
        options += ["-c", question, "-c", "SELECT 'here' AS ends"]
    return options


def ours(tdb, database):
    done = subprocess.run([tdb, database, "--csv", "--keep-going", *questions()],
                          capture_output=True, text=True)
    return [rows_of(answer) for answer in done.stdout.split("ends\nhere\n")]


def postgres(script):
    """The same of PostgreSQL after the script."""
    server = generate.Server()
    try:
        subprocess.run(server.psql("postgres") + ["-c", "CREATE DATABASE dumped"], check=True,
                       cwd="/")
        done = subprocess.run(server.psql("dumped") + ["-v", "ON_ERROR_STOP=1"], input=script,
                              capture_output=True, text=True, cwd="/")
        if done.returncode:
            sys.exit(f"PostgreSQL does not take the dump: {done.stderr}")
        done = subprocess.run(server.psql("dumped") + ["--csv", "-P", "tuples_only=off", "-P",
                                                       "null=", *questions()],
                              capture_output=True, text=True, cwd="/")
        return [rows_of(answer) for answer in done.stdout.split("ends\nhere\n")]
    finally:
        server.stop()


def compare(what, wanted, got):
    if len(wanted) < 10 or len(wanted) != len(got):
        sys.exit(f"{what}: {len(got)} answers, not {len(wanted)}")
    for question, one, other in zip((HERE / "questions.sql").read_text().splitlines(), wanted, got):
        if one != other:
            sys.exit("\n".join([f"{what}: {question}", "--- wanted", *one, "--- got", *other]))


def documents(tdb, folder):
    """Tables of documents come back here; PostgreSQL does not know them."""
    first, second = f"{folder}/one.tdb", f"{folder}/two.tdb"
    run(tdb, first, "-c", "CREATE TABLE films (year int NOT NULL CHECK (year > 0), code text UNIQUE) "
        "WITH (documents)", "-c", "INSERT INTO films VALUES ('{\"_id\": 1, \"year\": 3, \"a\": "
        "{\"b\": 5}}')", "-c", "UPDATE films SET a.c = 6", "-c",
        "CREATE TABLE kept (at timestamptz PRIMARY KEY) WITH (ttl_column = 'at', ttl = '3 days')")
    dump = run(tdb, "dump", "--sql", first)
    pathlib.Path(folder, "documents.sql").write_text(dump)
    run(tdb, second, "-f", f"{folder}/documents.sql")
    if run(tdb, "dump", "--sql", second) != dump:
        sys.exit(f"a dump of documents differs: {dump}\n---\n{run(tdb, 'dump', '--sql', second)}")
    question = "SELECT _id, year, a.b, a.c, _metadata FROM films"
    if run(tdb, second, "--csv", "-c", question) != run(tdb, first, "--csv", "-c", question):
        sys.exit("documents differ")


def main():
    tdb = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        first, second = f"{folder}/first.tdb", f"{folder}/second.tdb"
        run(tdb, first, "-f", str(HERE / "all.sql"))
        dump = run(tdb, "dump", "--sql", first)
        script = pathlib.Path(folder, "dump.sql")
        script.write_text(dump)
        run(tdb, second, "-f", str(script))
        again = run(tdb, "dump", "--sql", second)
        if dump != again:
            sys.exit(f"the dump of what was restored differs:\n{dump}\n---\n{again}")
        definitions = run(tdb, "dump", "--schema-only", first)
        rows = run(tdb, "dump", "--data-only", first)
        if "COPY" in definitions or "CREATE" in rows or "COPY" not in rows:
            sys.exit("--schema-only or --data-only writes the other")
        wanted = ours(tdb, first)
        compare("restored", wanted, ours(tdb, second))
        documents(tdb, folder)
        if (generate.BIN / "initdb").exists():
            compare("PostgreSQL", wanted, postgres(dump))
        else:
            print("skipped: PostgreSQL 15 is not installed")
    print("ok: what is dumped comes back")


if __name__ == "__main__":
    main()
