"""SQLite, PostgreSQL and Polars as peers."""

import csv
import io
import os
import shutil
import sqlite3
import subprocess
import tempfile

import pyarrow as pa


class Sqlite:
    name = "sqlite"

    def __init__(self, threads):
        self.db = sqlite3.connect(":memory:")
        self.db.execute(f"pragma threads = {threads}")

    def load(self, name, columns, table):
        self.db.execute(f"create table {name} ({columns})")
        marks = ",".join("?" * table.num_columns)
        for batch in table.to_batches(max_chunksize=100000):
            lists = [[float(v) for v in c.to_pylist()] if pa.types.is_decimal(c.type) else
                     [str(v) for v in c.to_pylist()] if pa.types.is_date(c.type) else
                     c.to_pylist() for c in batch.columns]
            self.db.executemany(f"insert into {name} values ({marks})", zip(*lists))
        self.db.commit()

    def ready(self):
        self.db.execute("analyze")

    def run(self, text):
        return self.db.execute(text).fetchall()


class Polars:
    """Frames in memory, asked in its SQL; what that does not know gives no figure."""

    name = "polars"

    def __init__(self, threads):
        os.environ["POLARS_MAX_THREADS"] = str(threads)  # Read when it is imported.
        import polars
        self.polars = polars
        self.frames = {}
        self.context = None

    def load(self, name, columns, table):
        self.frames[name] = self.polars.from_arrow(table, rechunk=True)

    def ready(self):
        self.context = self.polars.SQLContext(self.frames)

    def run(self, text):
        return self.context.execute(text, eager=True).to_arrow()


class Postgres:
    """PostgreSQL 15 on a directory of its own; parallel workers one less than threads."""

    name = "postgres"
    programs = "/usr/lib/postgresql/15/bin/"

    def __init__(self, threads):
        self.folder = tempfile.mkdtemp(prefix="tdb-bench-pg-")
        os.chmod(self.folder, 0o777)
        self.data = os.path.join(self.folder, "data")
        self._as_user([self.programs + "initdb", "-D", self.data, "-A", "trust", "-U", "bench",
                       "--locale=C", "-E", "UTF8"])
        settings = (f"-k {self.folder} -c listen_addresses= -c shared_buffers=4GB -c fsync=off"
                    " -c work_mem=512MB -c max_wal_size=8GB -c jit=off"
                    f" -c max_parallel_workers_per_gather={threads - 1}")
        self._as_user([self.programs + "pg_ctl", "-D", self.data, "-w", "-o", settings, "-l",
                       os.path.join(self.folder, "log"), "start"])
        import psycopg2
        self.db = psycopg2.connect(host=self.folder, user="bench", dbname="postgres")
        self.db.autocommit = True
        self.cursor = self.db.cursor()

    def _as_user(self, command):
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--"] + command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def load(self, name, columns, table):
        self.cursor.execute(f"create table {name} ({columns})")
        for batch in table.to_batches(max_chunksize=100000):
            text = io.StringIO()
            csv.writer(text).writerows(zip(*[c.to_pylist() for c in batch.columns]))
            text.seek(0)
            self.cursor.copy_expert(f"copy {name} from stdin csv", text)

    def ready(self):
        self.cursor.execute("vacuum analyze")

    def run(self, text):
        self.cursor.execute(text)
        return self.cursor.fetchall()

    def close(self):
        self.db.close()
        self._as_user([self.programs + "pg_ctl", "-D", self.data, "-m", "immediate", "stop"])
        shutil.rmtree(self.folder, ignore_errors=True)
