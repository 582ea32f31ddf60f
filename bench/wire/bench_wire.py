"""Transactions a second over the wire, ours and PostgreSQL 15's. See README.md."""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build/release"))
PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
PASSWORD = "bench"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

TABLES = """
create table pgbench_branches (bid int primary key, bbalance int, filler text);
create table pgbench_tellers (tid int primary key, bid int, tbalance int, filler text);
create table pgbench_accounts (aid int primary key, bid int, abalance int, filler text);
create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler text);
insert into pgbench_branches select g, 0, repeat(' ', 88) from generate_series(1, {scale}) g;
insert into pgbench_tellers select g, (g - 1) / 10 + 1, 0, repeat(' ', 84)
    from generate_series(1, {scale} * 10) g;
insert into pgbench_accounts select g, (g - 1) / 100000 + 1, 0, repeat(' ', 84)
    from generate_series(1, {scale} * 100000) g;
"""

SCRIPTS = {
    "select": """\\set aid random(1, 100000 * :scale)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
""",
    "tpcb": """\\set aid random(1, 100000 * :scale)
\\set bid random(1, 1 * :scale)
\\set tid random(1, 10 * :scale)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)
    VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
""",
    "rows10": """\\set aid random(1, 100000 * :scale - 10)
SELECT aid, abalance, filler FROM pgbench_accounts WHERE aid BETWEEN :aid AND :aid + 9;
""",
    "rows10000": """\\set aid random(1, 100000 * :scale - 10000)
SELECT aid, bid, abalance FROM pgbench_accounts WHERE aid BETWEEN :aid AND :aid + 9999;
""",
}


class Engine:
    """A running server; `environment` is what clients need."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.environment = dict(os.environ, PGPASSWORD=PASSWORD)

    def psql(self, text):
        run = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *self.where("unix"), "-f", "-"],
                             input=text, capture_output=True, text=True, env=self.environment)
        if run.returncode != 0:
            sys.exit(f"{self.name}: {run.stderr}")
        return run.stdout.strip()

    def pids(self):
        raise NotImplementedError

    def processor_seconds(self):
        total = 0
        for pid in self.pids():
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except FileNotFoundError:
                continue
            # Of ended children too, for servers that make a process for each client.
            total += sum(int(fields[i]) for i in (11, 12, 13, 14))
        return total / TICK


class Tdb(Engine):
    name = "tdb+"

    def __init__(self, folder):
        super().__init__(folder)
        self.process = subprocess.Popen(
            [str(BUILD / "tdb"), "serve", str(self.folder / "db"), "--port", "0",
             "--socket-directory", str(self.folder)],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ, TDB_ADMIN_PASSWORD=PASSWORD))
        for line in self.process.stdout:
            if "psql -h" in line:
                self.port = line.split("-p ")[1].split()[0]
                break

    def where(self, way):
        host = str(self.folder) if way == "unix" else "127.0.0.1"
        return ["-h", host, "-p", self.port, "-U", "admin", "-d", "tdb"]

    def pids(self):
        return [self.process.pid]

    def settle(self):
        pass

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Postgres(Engine):
    name = "postgres"

    def __init__(self, folder):
        super().__init__(folder)
        os.chmod(folder, 0o777)
        self.data = self.folder / "data"
        self.port = "7433"
        self.as_user(["initdb", "-D", self.data, "-A", "scram-sha-256", "-U", "bench", "--locale=C",
                      "-E", "UTF8", "--pwfile", self.password_file()])
        self.as_user(["pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log", "-o",
                      f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1"
                      " -c shared_buffers=4GB -c max_wal_size=8GB -c checkpoint_timeout=1h"
                      " -c max_connections=300 -c jit=off -c autovacuum=off", "start"])
        self.leader = int((self.data / "postmaster.pid").read_text().split()[0])

    def password_file(self):
        file = self.folder / "password"
        file.write_text(PASSWORD + "\n")
        os.chmod(file, 0o644)
        return file

    def as_user(self, command):
        command = [str(PROGRAMS / command[0]), *map(str, command[1:])]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--"] + command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def where(self, way):
        host = str(self.folder) if way == "unix" else "127.0.0.1"
        return ["-h", host, "-p", self.port, "-U", "bench", "-d", "postgres"]

    def pids(self):
        children = subprocess.run(["pgrep", "-P", str(self.leader)], capture_output=True, text=True)
        return [self.leader, *map(int, children.stdout.split())]

    def settle(self):
        self.psql("vacuum analyze; checkpoint;")

    def stop(self):
        self.as_user(["pg_ctl", "-D", self.data, "-m", "immediate", "stop"])


def pgbench(engine, script, way, mode, clients, seconds, scale):
    """Transactions a second, processor microseconds each, and the 99th percentile in ms."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "script.sql"
        file.write_text(script)
        before = engine.processor_seconds()
        run = subprocess.run(
            ["pgbench", "-n", "-f", str(file), "-M", mode, "-c", str(clients), "-j",
             str(min(clients, os.cpu_count())), "-T", str(seconds), "-D", f"scale={scale}", "-l",
             "--log-prefix", str(pathlib.Path(folder) / "log"), *engine.where(way)[:-2],
             engine.where(way)[-1]],
            capture_output=True, text=True, env=engine.environment)
        used = engine.processor_seconds() - before
        found = re.search(r"^tps = ([0-9.]+)", run.stdout, re.M)
        done = re.search(r"transactions actually processed: (\d+)", run.stdout)
        if run.returncode != 0 or not found:
            sys.exit(f"{engine.name}: pgbench: {run.stderr}")
        waits = sorted(int(line.split()[2]) for log in pathlib.Path(folder).glob("log*")
                       for line in log.open())
        p99 = waits[len(waits) * 99 // 100] / 1000 if waits else 0
        return float(found[1]), used * 1e6 / int(done[1]), p99


def compare(engines, name, way, mode, clients, options):
    results = {engine.name: [] for engine in engines}
    for _ in range(options.rounds):
        for engine in engines:
            results[engine.name].append(pgbench(engine, SCRIPTS[name], way, mode, clients,
                                                options.seconds, options.scale))
    medians = {key: [statistics.median(column) for column in zip(*rows)]
               for key, rows in results.items()}
    ours, theirs = medians["tdb+"], medians["postgres"]
    case = f"{name}, {mode}, {way}"
    print(f"{case:34} {clients:3}  {ours[0]:9.0f} {theirs[0]:9.0f}  {ours[0] / theirs[0]:5.2f}   "
          f"{ours[1]:7.1f} {theirs[1]:7.1f}   {ours[2]:7.2f} {theirs[2]:7.2f}", flush=True)
    options.lines.append({"suite": "wire", "case": case, "unit": "transactions/s", "ours": ours[0],
                          "peer": "postgres", "theirs": theirs[0], "ratio": ours[0] / theirs[0],
                          "rows": options.scale * 100000, "threads": clients,
                          "note": f"server us each {ours[1]:.1f} and {theirs[1]:.1f}, "
                                  f"p99 ms {ours[2]:.2f} and {theirs[2]:.2f}"})


def check_sums(engines):
    for engine in engines:
        sums = engine.psql("select (select sum(abalance) from pgbench_accounts), "
                           "(select sum(tbalance) from pgbench_tellers), "
                           "(select sum(bbalance) from pgbench_branches), "
                           "(select coalesce(sum(delta), 0) from pgbench_history)").split("|")
        if len(set(sums)) != 1:
            sys.exit(f"{engine.name}: the sums differ: {sums}")


def load(engines, options):
    for engine in engines:
        began = time.monotonic()
        engine.psql(TABLES.format(scale=options.scale))
        engine.settle()
        print(f"{engine.name}: loaded in {time.monotonic() - began:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench wire")
    parser.add_argument("--scale", type=int, default=10, help="of pgbench: 100,000 accounts each")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--ways", default="tcp,unix")
    parser.add_argument("--modes", default="simple,extended,prepared")
    parser.add_argument("--cases", default="select,tpcb,rows10,rows10000")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.lines = []
    if not shutil.which("pgbench"):
        sys.exit("pgbench is needed: apt-get install postgresql-15")
    with tempfile.TemporaryDirectory(prefix="tdb-wire-") as ours, \
            tempfile.TemporaryDirectory(prefix="tdb-wire-", ignore_cleanup_errors=True) as theirs:
        engines = [Tdb(ours), Postgres(theirs)]
        try:
            load(engines, options)
            print(f"{'case':34} clients    tdb+/s     peer/s  ratio  us each   theirs   p99 ms  theirs")
            for name in options.cases.split(","):
                for mode in options.modes.split(","):
                    for way in options.ways.split(","):
                        for clients in map(int, options.clients.split(",")):
                            compare(engines, name, way, mode, clients, options)
                check_sums(engines)
        finally:
            for engine in engines:
                engine.stop()
    if options.json:
        with open(options.json, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in options.lines)


if __name__ == "__main__":
    main()
