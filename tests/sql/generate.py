#!/usr/bin/env python3
"""Writes the expected rows and SQLSTATEs of *.slt files, by asking PostgreSQL 15.

usage: generate.py [FILE.slt ...]     (all files beside this script by default)

A temporary server is made in /tmp and removed at the end; as root it runs as user postgres. Records
that begin with "ours" are left alone. A file's records share one session and one empty database.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
END = "@@end-of-record@@"


def as_postgres(command):
    return ["runuser", "-u", "postgres", "--", *command] if os.getuid() == 0 else command


class Server:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="slt")
        if os.getuid() == 0:
            shutil.chown(self.directory, "postgres")
        data = self.directory + "/data"
        quiet = {"stdout": subprocess.DEVNULL, "check": True, "cwd": "/"}
        subprocess.run(as_postgres([str(BIN / "initdb"), "-D", data, "--locale=C.UTF-8", "-E", "UTF8",
                                    "-U", "postgres", "-N"]), **quiet)
        options = f"-k {self.directory} -c listen_addresses='' -c timezone=UTC -c fsync=off"
        subprocess.run(as_postgres([str(BIN / "pg_ctl"), "-D", data, "-o", options, "-w",
                                    "-l", self.directory + "/log", "start"]), **quiet)

    def psql(self, database):
        return as_postgres(["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-P", "null=NULL", "-h",
                            self.directory, "-U", "postgres", "-d", database])

    def stop(self):
        subprocess.run(as_postgres([str(BIN / "pg_ctl"), "-D", self.directory + "/data", "-m",
                                    "immediate", "stop"]), stdout=subprocess.DEVNULL, cwd="/")
        shutil.rmtree(self.directory, ignore_errors=True)


class Session:
    def __init__(self, server, database):
        subprocess.run(server.psql("postgres") + ["-c", f'CREATE DATABASE "{database}"'],
                       check=True, cwd="/")
        self.process = subprocess.Popen(server.psql(database), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, cwd="/")
        self.ask("\\set VERBOSITY sqlstate")
        self.ask("SET client_min_messages = error;")

    def ask(self, text):
        self.process.stdin.write(f"{text}\n\\echo {END}\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline().rstrip("\n")) != END:
            lines.append(line)
        return lines

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def records(text):
    """Yields (header, statement lines), and comment blocks as (None, lines)."""
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if not lines or not lines[0]:
            continue
        comments = 0
        while comments < len(lines) and lines[comments].startswith("#"):
            comments += 1
        if comments:
            yield None, lines[:comments], []
            lines = lines[comments:]
        if lines:
            yield lines[0], lines[1:], lines


def row(line):
    return "\t".join(value if value else "(empty)" for value in line.split("\t"))


def answer(session, header, lines):
    if "----" in lines:
        lines = lines[:lines.index("----")]
    got = session.ask("\n".join(lines) + ";")
    error = next((line for line in got if line.startswith("ERROR:")), None)
    if error:
        return [f"statement error {error.split()[1]}", *lines]
    if not header.startswith("query"):
        return ["statement ok", *lines]
    return [header if header.startswith("query") else "query", *lines, "----", *map(row, got)]


def regenerate(server, path):
    session = Session(server, path.stem)
    out = []
    for header, lines, whole in records(path.read_text()):
        if header is None:
            out.append("\n".join(lines))
        elif header.startswith("ours"):
            out.append("\n".join(whole))
        else:
            # An error's record must remember that it was a query: the statement decides.
            is_query = header.startswith("query") or (
                header.startswith("statement error") and
                lines[0].lstrip("( ").upper().startswith(("SELECT", "VALUES", "WITH", "TABLE")))
            out.append("\n".join(answer(session, header if header.startswith("query") else
                                        "query" if is_query else "statement", lines)))
    session.close()
    path.write_text("\n\n".join(out) + "\n")


def main():
    paths = [pathlib.Path(p) for p in sys.argv[1:]] or sorted(HERE.glob("*.slt"))
    server = Server()
    try:
        for path in paths:
            regenerate(server, path)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
