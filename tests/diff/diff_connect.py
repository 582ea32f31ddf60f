"""The two sides of a comparison: PostgreSQL over its protocol, ours through diff_worker.

Both answer in the messages of PostgreSQL's protocol (simple queries), so one reader does for both.
"""
import pathlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "sql"))
import generate  # noqa: E402  (the temporary server)


class Answer:
    """What a statement gave: rows or an error."""
    __slots__ = ("names", "types", "rows", "raw", "tag", "error")

    def __init__(self):
        self.names = self.types = self.tag = self.error = None
        self.raw = []

    @property
    def state(self):
        return self.error["C"] if self.error else "00000"

    def values(self):
        """Rows as tuples of texts, None for a null."""
        out = []
        for body in self.raw:
            at, row = 2, []
            for _ in range(struct.unpack_from("!H", body)[0]):
                size = struct.unpack_from("!i", body, at)[0]
                at += 4
                if size < 0:
                    row.append(None)
                else:
                    row.append(body[at:at + size].decode("utf-8", "replace"))
                    at += size
            out.append(tuple(row))
        return out


class Crash(Exception):
    """The other side is gone."""


class Side:
    """A conversation; requests are sent ahead of answers."""

    def __init__(self, connection):
        self.socket = connection
        self.file = connection.makefile("rb", 1 << 16)

    def send(self, kind, body=b""):
        try:
            self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)
        except OSError as error:
            raise Crash(str(error)) from error

    def message(self):
        head = self.file.read(5)
        if len(head) < 5:
            raise Crash("no answer")
        size = struct.unpack_from("!I", head, 1)[0] - 4
        body = self.file.read(size) if size else b""
        if len(body) < size:
            raise Crash("half an answer")
        return head[:1], body

    def post(self, sql):
        self.send(b"Q", sql.encode() + b"\0")

    def receive(self):
        answer = Answer()
        while True:
            kind, body = self.message()
            if kind == b"D":
                answer.raw.append(body)
            elif kind == b"T":
                answer.names, answer.types = self.columns(body)
            elif kind == b"C":
                answer.tag = body[:-1].decode()
            elif kind == b"E":
                answer.error = {f[:1].decode(): f[1:].decode("utf-8", "replace")
                                for f in body.split(b"\0") if f}
            elif kind == b"I":
                answer.tag = ""
            elif kind == b"Z":
                self.ready = body
                return answer

    def ask(self, sql):
        self.post(sql)
        return self.receive()


class Postgres(Side):
    """One session on the temporary server."""

    def __init__(self, server, database):
        self.type_names = {}
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{server.directory}/.s.PGSQL.5432")
        super().__init__(connection)
        body = b"user\0postgres\0database\0" + database.encode() + b"\0\0"
        connection.sendall(struct.pack("!II", len(body) + 8, 196608) + body)
        self.receive()
        types = self.ask("SELECT oid, typname, typelem, typcategory FROM pg_type")
        rows = types.values()
        by_oid = {int(oid): name for oid, name, _, _ in rows}
        for oid, name, element, category in rows:
            self.type_names[int(oid)] = by_oid[int(element)] + "[]" if category == "A" else name
        for line in ("SET client_min_messages = error", "SET statement_timeout = '4s'"):
            self.ask(line)

    def columns(self, body):
        at, names, types = 2, [], []
        for _ in range(struct.unpack_from("!H", body)[0]):
            end = body.index(b"\0", at)
            names.append(body[at:end].decode())
            types.append(self.type_names.get(struct.unpack_from("!I", body, end + 7)[0], "?"))
            at = end + 19
        return names, types

    def reset(self):
        self.ask("ROLLBACK")
        self.ask("DROP SCHEMA IF EXISTS public CASCADE")
        self.ask("CREATE SCHEMA public")


def plain_type(name):
    """numeric(12,2)[] -> numeric[]"""
    array = name.endswith("[]")
    return name.split("(")[0].removesuffix("[]") + ("[]" if array else "")


class Ours(Side):
    """A diff_worker process; made again after a crash."""

    def __init__(self, build):
        self.program = str(pathlib.Path(build) / "diff_worker")
        self.process = None
        self.start()

    def start(self):
        here, there = socket.socketpair()
        self.process = subprocess.Popen([self.program], stdin=there, stdout=there,
                                        stderr=subprocess.PIPE)
        there.close()
        self.words = []
        threading.Thread(target=self.listen, args=(self.process.stderr, self.words),
                         daemon=True).start()
        super().__init__(here)

    @staticmethod
    def listen(stream, words):
        for line in stream:
            words.append(line.decode("utf-8", "replace").rstrip())
            del words[:-60]

    def columns(self, body):
        parts = body[2:].split(b"\0")[:-1]
        return ([p.decode() for p in parts[::2]], [plain_type(p.decode()) for p in parts[1::2]])

    def command(self, kind, body=b""):
        self.send(kind, body)
        self.receive()
        return self.ready[:-1].decode()

    def reset(self):
        self.command(b"O")

    def restart(self):
        """Ends the process, if it still runs; tells how it ended."""
        self.socket.close()
        try:
            status = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "hung"
            self.process.wait()
        words = " | ".join(self.words[-6:])
        self.start()
        if isinstance(status, int) and status < 0:
            return f"{signal.Signals(-status).name} {words}"
        return f"exit {status} {words}"

    def close(self):
        self.socket.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def start_server():
    return generate.Server()


def have_postgres():
    return (generate.BIN / "initdb").exists() and (os.getuid() != 0 or pathlib.Path(
        "/usr/sbin/runuser").exists())
