#!/usr/bin/env python3
"""Runs `tdb serve` and talks to it: by bytes, as no client library would, and through psql and the
Python clients that are installed in build/venv. $BUILD is the build folder.

Ends with "N passed, N failed"; a client that is not there is told with "skipped:".
"""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build/release")).resolve()
VENV = ROOT / "build/venv/bin/python"
PASSWORD = "open sesame"

if VENV.exists() and pathlib.Path(sys.prefix).resolve() != VENV.parent.parent.resolve():
    os.execv(VENV, [str(VENV), *sys.argv])

sys.path.insert(0, str(HERE))

passed = 0
failed = 0


def check(name, function, *arguments):
    """Runs one test; an exception is its failure."""
    global passed, failed
    try:
        function(*arguments)
    except Exception as failure:  # Whatever it is: the others run too.
        failed += 1
        print(f"FAILED {name}: {type(failure).__name__}: {str(failure)[:2000]}", flush=True)
    else:
        passed += 1
        print(f"ok {name}", flush=True)


class Server:
    """A running server: on a directory, a free port and a unix socket."""

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.options = options
        self.process = None
        self.port = 0

    def start(self):
        environment = dict(os.environ, TDB_ADMIN_PASSWORD=PASSWORD)
        self.process = subprocess.Popen(
            [str(BUILD / "tdb"), "serve", str(self.folder / "db"), "--port", str(self.port),
             "--socket-directory", str(self.folder), *self.options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True)
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if "psql -h" in line:
                self.port = int(line.split("-p ")[1].split()[0])
                return self
        raise RuntimeError("the server did not start:\n" + "".join(lines))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        output = self.process.stdout.read()
        assert status == 0, f"status {status}: {output}"

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    @property
    def url(self):
        return f"postgresql://admin:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/tdb"


# ---- the protocol by bytes ---------------------------------------------------------------------


class Wire:
    """A connection that sends what it is told and reads messages; the server trusts it."""

    def __init__(self, server, login=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(server.folder / f".s.PGSQL.{server.port}"))
        self.rest = b""
        self.key = None
        if login:
            self.startup({"user": "admin", "database": "tdb"})
            for letter, body in self.until("Z"):
                if letter == "K":
                    self.key = body
                assert letter != "E", body

    def startup(self, parameters, version=196608):
        body = struct.pack("!i", version)
        for name, value in parameters.items():
            body += name.encode() + b"\0" + value.encode() + b"\0"
        self.raw(struct.pack("!i", len(body) + 5) + body + b"\0")

    def raw(self, data):
        self.socket.sendall(data)

    def send(self, *messages):
        self.raw(b"".join(letter.encode() + struct.pack("!i", len(body) + 4) + body
                          for letter, body in messages))

    def read(self):
        """The next message; None at the end."""
        while len(self.rest) < 5 or len(self.rest) < 1 + struct.unpack("!i", self.rest[1:5])[0]:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.rest += data
        size = 1 + struct.unpack("!i", self.rest[1:5])[0]
        message, self.rest = self.rest[:size], self.rest[size:]
        return chr(message[0]), message[5:]

    def until(self, letter):
        """Messages up to the first with that letter, which is the last of the list."""
        messages = []
        while not messages or messages[-1][0] != letter:
            message = self.read()
            assert message is not None, f"the server hung up after {messages}"
            messages.append(message)
        return messages

    def query(self, text):
        self.send(("Q", text.encode() + b"\0"))
        return self.until("Z")

    def close(self):
        self.socket.close()


def letters(messages):
    return "".join(letter for letter, _ in messages)


def field(message, name):
    """A field of an ErrorResponse."""
    for part in message[1].split(b"\0"):
        if part[:1] == name.encode():
            return part[1:].decode()
    return None


def rows(messages):
    """Rows as lists of texts."""
    result = []
    for letter, body in messages:
        if letter != "D":
            continue
        count, at, row = struct.unpack("!h", body[:2])[0], 2, []
        for _ in range(count):
            size = struct.unpack("!i", body[at:at + 4])[0]
            at += 4
            row.append(None if size < 0 else body[at:at + size].decode())
            at += max(size, 0)
        result.append(row)
    return result


def parse(name, text, *oids):
    body = name.encode() + b"\0" + text.encode() + b"\0" + struct.pack("!h", len(oids))
    return "P", body + b"".join(struct.pack("!i", oid) for oid in oids)


def bind(portal, name, *values):
    body = portal.encode() + b"\0" + name.encode() + b"\0" + struct.pack("!hh", 0, len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else (
            struct.pack("!i", len(value)) + value.encode())
    return "B", body + struct.pack("!h", 0)


def execute(portal="", limit=0):
    return "E", portal.encode() + b"\0" + struct.pack("!i", limit)


SYNC = ("S", b"")
FLUSH = ("H", b"")


def describe(kind, name):
    return "D", kind.encode() + name.encode() + b"\0"


def test_simple_strings(server):
    wire = Wire(server)
    messages = wire.query("select 1 as a, null as b; select 'x'")
    assert letters(messages) == "TDCTDCZ", messages
    assert rows(messages) == [["1", None], ["x"]]
    assert letters(wire.query("")) == "IZ"
    assert letters(wire.query(" ; ")) == "IZ"
    wire.close()


def test_a_string_is_one_transaction(server):
    wire = Wire(server)
    wire.query("drop table if exists one_string; create table one_string (a int primary key)")
    messages = wire.query("insert into one_string values (1); select 1/0")
    assert letters(messages) == "CEZ" and messages[-1][1] == b"I", messages
    assert rows(wire.query("select count(*) from one_string")) == [["0"]]
    wire.query("insert into one_string values (1); commit; select 1/0")
    assert rows(wire.query("select count(*) from one_string")) == [["1"]]
    messages = wire.query("begin; insert into one_string values (2)")
    assert messages[-1][1] == b"T", messages
    assert wire.query("select 1/0")[-1][1] == b"E"
    assert field(wire.query("select 1")[0], "C") == "25P02"
    assert wire.query("rollback")[-1][1] == b"I"
    wire.close()


def test_positions_count_the_whole_string(server):
    wire = Wire(server)
    messages = wire.query("select 'é'; select nothing_here")
    error = [message for message in messages if message[0] == "E"][0]
    assert (field(error, "C"), field(error, "P")) == ("42703", "20"), error
    wire.close()


def test_extended(server):
    wire = Wire(server)
    wire.send(parse("s", "select $1::int4 + 1, $2"), describe("S", "s"), bind("", "s", "41", "x"),
              describe("P", ""), execute(), SYNC)
    messages = wire.until("Z")
    assert letters(messages) == "1tT2TDCZ", letters(messages)
    assert messages[1][1] == struct.pack("!hii", 2, 23, 25), messages[1]
    assert rows(messages) == [["42", "x"]]
    wire.send(bind("", "s", None, None), execute(), SYNC)
    assert rows(wire.until("Z")) == [[None, None]]
    wire.send(("C", b"Ss\0"), bind("", "s", "1", "2"), execute(), SYNC)
    messages = wire.until("Z")
    assert letters(messages) == "3EZ" and field(messages[1], "C") == "26000", messages
    wire.close()


def test_errors_skip_to_sync(server):
    wire = Wire(server)
    wire.send(parse("", "select 1/0"), bind("", ""), execute(), bind("", ""), execute(), SYNC,
              parse("", "select 7"), bind("", ""), execute(), SYNC)
    messages = wire.until("Z") + wire.until("Z")
    assert letters(messages) == "12EZ12DCZ", letters(messages)
    wire.close()


def test_a_pipeline_is_one_transaction(server):
    wire = Wire(server)
    wire.query("drop table if exists pipeline; create table pipeline (a int primary key)")
    insert = parse("", "insert into pipeline values ($1)")
    wire.send(insert, bind("", "", "1"), execute(), bind("", "", "1"), execute(), SYNC)
    messages = wire.until("Z")
    assert field([m for m in messages if m[0] == "E"][0], "C") == "23505", messages
    assert rows(wire.query("select count(*) from pipeline")) == [["0"]]
    wire.send(insert, bind("", "", "1"), execute(), bind("", "", "2"), execute(), SYNC)
    assert letters(wire.until("Z")) == "12C2CZ"
    assert rows(wire.query("select count(*) from pipeline")) == [["2"]]
    wire.close()


def test_portals_suspend(server):
    wire = Wire(server)
    wire.send(parse("", "select g from generate_series(1, 7) g"), bind("p", ""), execute("p", 3),
              execute("p", 3), execute("p", 3), SYNC)
    messages = wire.until("Z")
    assert letters(messages) == "12DDDsDDDsDCZ", letters(messages)
    wire.send(execute("p"), SYNC)
    assert field(wire.until("Z")[0], "C") == "34000"  # It ended with the transaction.
    wire.query("begin")
    wire.send(bind("q", ""), execute("q", 2), SYNC)
    assert letters(wire.until("Z")) == "2DDsZ"
    wire.send(execute("q"), SYNC)
    assert letters(wire.until("Z")) == "DDDDDCZ"
    wire.query("commit")
    wire.close()


def test_flush_answers_before_sync(server):
    wire = Wire(server)
    wire.send(parse("", "select 5"), FLUSH)
    assert wire.read()[0] == "1"
    wire.send(bind("", ""), execute(), FLUSH)
    assert letters([wire.read() for _ in range(3)]) == "2DC"
    wire.send(SYNC)
    assert wire.read()[0] == "Z"
    wire.close()


def test_messages_in_pieces(server):
    wire = Wire(server)
    text = b"select '" + b"x" * 3000 + b"'\0"
    data = b"Q" + struct.pack("!i", len(text) + 4) + text
    for at in range(0, len(data), 7):
        wire.raw(data[at:at + 7])
    assert len(rows(wire.until("Z"))[0][0]) == 3000
    wire.close()


def test_large_messages_and_results(server):
    wire = Wire(server)
    size = 5_000_000
    messages = wire.query("select '" + "y" * size + "'")
    assert len(rows(messages)[0][0]) == size
    count = 0
    wire.send(("Q", b"select g, repeat('z', 100) from generate_series(1, 100000) g\0"))
    time.sleep(0.3)  # The server may not fill its memory meanwhile.
    while True:
        letter, _ = wire.read()
        count += letter == "D"
        if letter == "Z":
            break
    assert count == 100000, count
    wire.close()


def test_cancel(server):
    wire = Wire(server)
    wire.send(("Q", b"select count(*) from generate_series(1, 100000) a, "
                    b"generate_series(1, 100000) b\0"))
    time.sleep(0.3)
    wrong = Wire(server, login=False)
    wrong.raw(struct.pack("!ii", 16, 80877102) + wire.key[:4] + b"\0\0\0\0")
    assert wrong.read() is None
    right = Wire(server, login=False)
    right.raw(struct.pack("!ii", 16, 80877102) + wire.key)
    assert right.read() is None
    messages = wire.until("Z")
    assert field(messages[0], "C") == "57014", messages
    assert rows(wire.query("select 1")) == [["1"]]
    wire.close()


def test_a_client_that_goes_stops_its_statement(server):
    wire = Wire(server)
    wire.query("drop table if exists gone; create table gone (a int primary key); "
               "insert into gone values (1)")
    wire.query("begin; update gone set a = 2")
    other = Wire(server)
    wire.send(("Q", b"select count(*) from generate_series(1, 100000) a, "
                    b"generate_series(1, 100000) b\0"))
    time.sleep(0.3)
    wire.close()
    # Its row lock goes with it.
    assert letters(other.query("update gone set a = 3")) == "CZ"
    assert rows(other.query("select a from gone")) == [["3"]]
    other.close()


def test_locks_are_waited_for(server):
    one, two = Wire(server), Wire(server)
    one.query("drop table if exists waits; create table waits (a int primary key, b int); "
              "insert into waits values (1, 0)")
    one.query("begin; update waits set b = b + 1")
    two.send(("Q", b"update waits set b = b + 10\0"))
    time.sleep(0.2)
    assert rows(one.query("select 1")) == [["1"]]
    one.query("commit")
    assert letters(two.until("Z")) == "CZ"
    assert rows(one.query("select b from waits")) == [["11"]]
    one.close()
    two.close()


def test_copy(server):
    wire = Wire(server)
    wire.query("drop table if exists copied; create table copied (a int primary key, b text)")
    wire.send(("Q", b"copy copied from stdin; select 1\0"))
    messages = wire.until("G")
    assert messages[-1][1] == struct.pack("!bhhh", 0, 2, 0, 0), messages
    wire.send(("d", b"1\tone\n2\t"), ("d", b"two\n"), ("c", b""))
    messages = wire.until("Z")
    assert letters(messages) == "CTDCZ" and messages[0][1] == b"COPY 2\0", messages
    messages = wire.query("copy copied to stdout")
    assert letters(messages)[0] == "H" and letters(messages)[-3:] == "cCZ", letters(messages)
    assert [body for letter, body in messages if letter == "d"] == [b"1\tone\n", b"2\ttwo\n"]
    wire.send(("Q", b"copy copied from stdin\0"))
    wire.until("G")
    wire.send(("d", b"3\tthree\nfour\tx\n"), ("d", b"5\tfive\n"), ("c", b""))
    messages = wire.until("Z")
    assert letters(messages) == "EZ" and "line 2" in field(messages[0], "W"), messages
    wire.send(("Q", b"copy copied from stdin\0"))
    wire.until("G")
    wire.send(("d", b"3\tthree\n"), ("f", b"no more\0"))
    messages = wire.until("Z")
    assert field(messages[0], "C") == "57014" and "no more" in field(messages[0], "M"), messages
    assert rows(wire.query("select count(*) from copied")) == [["2"]]
    wire.send(parse("", "copy copied from stdin (format csv)"), bind("", ""), describe("P", ""),
              execute(), SYNC)
    assert letters(wire.until("G")) == "12nG"
    wire.send(("d", b"7,seven\n"), ("c", b""), SYNC)
    assert letters(wire.until("Z"))[-2:] == "CZ"
    wire.send(("Q", b"copy copied from stdin\0"))
    wire.until("G")
    wire.close()  # In the middle of it.
    other = Wire(server)
    assert rows(other.query("select count(*) from copied")) == [["3"]]
    other.close()


def test_nonsense_hangs_up(server):
    for data in (b"\0\0\0\0", b"\xff" * 8, b"GET / HTTP/1.1\r\n\r\n", struct.pack("!ii", 8, 1)):
        wire = Wire(server, login=False)
        wire.raw(data)
        wire.socket.shutdown(socket.SHUT_WR)
        while wire.read() is not None:
            pass
        wire.close()
    for message in (("Q", b"no zero"), ("P", b"x"), ("D", b"X\0"), ("E", b"")):
        wire = Wire(server)
        wire.send(message, SYNC)
        messages = wire.until("Z")
        assert messages[0][0] == "E" and field(messages[0], "C") == "08P01", (message, messages)
        wire.close()
    for data in (b"Q\0\0\0\0", b"Q\x7f\xff\xff\xff", b"!\0\0\0\4"):
        wire = Wire(server)
        wire.raw(data)
        message = wire.read()
        assert message[0] == "E" and field(message, "C") == "08P01", message
        assert wire.read() is None
        wire.close()


def test_startup(server):
    wire = Wire(server, login=False)
    wire.raw(struct.pack("!ii", 8, 80877103))
    assert wire.socket.recv(1) == b"N"
    wire.raw(struct.pack("!ii", 8, 80877104))
    assert wire.socket.recv(1) == b"N"
    wire.startup({"user": "admin", "_pq_.something": "1"}, version=196610)
    messages = wire.until("Z")
    assert messages[0] == ("v", struct.pack("!ii", 0, 1) + b"_pq_.something\0"), messages[0]
    names = {body.split(b"\0")[0] for letter, body in messages if letter == "S"}
    assert {b"server_version", b"client_encoding", b"TimeZone"} <= names
    wire.close()
    wire = Wire(server, login=False)
    wire.startup({"user": "admin"}, version=131072)
    assert field(wire.read(), "C") == "0A000"
    wire.close()


def test_settings_are_reported(server):
    wire = Wire(server, login=False)
    wire.startup({"user": "admin", "database": "d", "application_name": "me",
                  "options": "-c timezone=Europe/Berlin --datestyle=German"})
    known = dict(body.split(b"\0")[:2] for letter, body in wire.until("Z") if letter == "S")
    assert known[b"TimeZone"] == b"Europe/Berlin" and known[b"application_name"] == b"me", known
    assert rows(wire.query("select timestamptz '2020-07-01 10:00+00', current_user, "
                           "current_database()")) == [["01.07.2020 12:00:00 CEST", "admin", "d"]]
    messages = wire.query("set timezone = 'UTC'")
    assert messages[1] == ("S", b"TimeZone\0UTC\0"), messages
    messages = wire.query("begin; set datestyle = 'ISO'; rollback")
    assert "S" not in letters(messages), messages
    messages = wire.query("reset timezone")
    assert messages[1] == ("S", b"TimeZone\0Europe/Berlin\0"), messages
    wire.close()
    wire = Wire(server, login=False)
    wire.startup({"user": "admin", "no_such_setting": "1"})
    assert field(wire.until("E")[-1], "C") == "42704"
    wire.close()


def test_many_connections(server):
    wires = [Wire(server) for _ in range(200)]
    for number, wire in enumerate(wires):
        wire.send(("Q", f"select {number}\0".encode()))
    for number, wire in enumerate(wires):
        assert rows(wire.until("Z")) == [[str(number)]]
        wire.close()


# ---- clients -----------------------------------------------------------------------------------


def test_psql(server):
    environment = dict(os.environ, PGPASSWORD=PASSWORD)
    url = f"postgresql://admin@127.0.0.1:{server.port}/tdb"
    run = subprocess.run(["psql", "-XAt", "-v", "ON_ERROR_STOP=1", url, "-c",
                          "create table p (a int primary key, b text)", "-c",
                          "insert into p values (1, 'one'), (2, null)", "-c",
                          "select * from p order by a", "-c", "drop table p"],
                         capture_output=True, text=True, env=environment, timeout=60)
    assert run.stdout.splitlines() == ["CREATE TABLE", "INSERT 0 2", "1|one", "2|", "DROP TABLE"], (
        run.stdout + run.stderr)


def test_passwords(server):
    environment = dict(os.environ, PGPASSWORD="wrong")
    for user in ("admin", "nobody"):
        run = subprocess.run(["psql", "-XAt", f"postgresql://{user}@127.0.0.1:{server.port}/tdb",
                              "-c", "select 1"], capture_output=True, text=True, env=environment,
                             timeout=60)
        assert run.returncode == 2 and "password authentication failed" in run.stderr, run.stderr


def test_encryption(folder):
    folder = pathlib.Path(folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                    "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
                   check=True, capture_output=True, timeout=60)
    server = Server(folder, "--tls-certificate", str(folder / "cert.pem"), "--tls-key",
                    str(folder / "key.pem"), "--tls-required").start()
    text = "select repeat('x', 300000), g from generate_series(1, 20) g"

    def psql(options):
        return subprocess.run(["psql", "-XAtq", f"{server.url}?{options}", "-c", text],
                              capture_output=True, text=True, timeout=60)

    # The client's side binds the password to the certificate, and checks the certificate itself.
    bound = psql(f"sslmode=verify-ca&sslrootcert={folder / 'cert.pem'}&channel_binding=require")
    assert bound.stdout.count("x") == 6_000_000, bound.stderr
    unbound = psql("sslmode=require&channel_binding=disable")
    assert unbound.stdout.count("x") == 6_000_000, unbound.stderr
    plain = psql("sslmode=disable")
    assert "encrypted connections only" in plain.stderr, plain.stderr
    old = psql("sslmode=require&ssl_max_protocol_version=TLSv1.2")
    assert old.returncode == 2, old.stdout
    # Bytes that follow the request unencrypted are refused.
    wire = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    wire.sendall(struct.pack("!ii", 8, 80877103) + b"\0\0\0\x08")
    assert wire.recv(1) in (b"E", b""), "injected bytes were taken"
    wire.close()
    nonsense = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    nonsense.sendall(struct.pack("!ii", 8, 80877103))
    assert nonsense.recv(1) == b"S"
    nonsense.sendall(b"\x16\x03\x01\x00\x05hello")
    while nonsense.recv(4096):
        pass
    nonsense.close()
    server.stop()


def test_committed_rows_survive_a_kill(folder):
    server = Server(folder).start()
    psql = ["psql", "-XAtq", server.url, "-c"]
    subprocess.run(psql + ["create table kept (a int primary key)"], check=True, timeout=60)
    subprocess.run(psql + ["insert into kept select generate_series(1, 1000)"], check=True,
                   timeout=60)
    server.kill()
    server.start()
    run = subprocess.run(["psql", "-XAtq", server.url, "-c", "select count(*) from kept"],
                         capture_output=True, text=True, timeout=60)
    assert run.stdout == "1000\n", run.stdout + run.stderr
    server.stop()


def test_idle_connections(folder):
    """2,000 connections that do nothing cost little memory and leave the others alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 6000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        print(f"skipped: a process may have {hard} files only (idle connections)")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    server = Server(folder, "--trust", "--max-connections", "3000").start()

    def size():
        return int(pathlib.Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096

    busy = [Wire(server) for _ in range(8)]
    busy[0].query("create table idle_t (a int primary key); "
                  "insert into idle_t select generate_series(1, 1000)")
    before = size()
    idle = [Wire(server) for _ in range(2000)]
    each = (size() - before) / len(idle)
    for number in range(400):
        wire = busy[number % len(busy)]
        assert rows(wire.query(f"select a from idle_t where a = {number + 1}")) == [[str(number + 1)]]
    for wire in idle[::100]:
        assert rows(wire.query("select 1")) == [["1"]]
    if BUILD.name == "release":
        assert each <= 32 * 1024, f"{each:.0f} bytes each"
    for wire in busy + idle:
        wire.close()
    server.stop()


def test_kills_under_load(folder):
    try:
        import psycopg
    except ImportError:
        print("skipped: psycopg is not installed (kills under load)")
        return
    import kill_under_load
    assert psycopg and kill_under_load.kill_rounds(folder, 2) > 0


def test_early_logins_are_not_late(folder):
    """A login that begins before the server's first tick has its minute like others."""
    server = Server(folder, "--trust").start()
    wire = Wire(server, login=False)
    time.sleep(1.5)
    wire.startup({"user": "admin"})
    assert wire.until("Z")
    wire.close()
    server.stop()


def test_stop_ends_sessions(folder):
    server = Server(folder, "--trust").start()
    idle, busy = Wire(server), Wire(server)
    busy.send(("Q", b"select count(*) from generate_series(1, 3000000)\0"))
    time.sleep(0.2)
    thread = threading.Thread(target=server.stop)
    thread.start()
    assert field(idle.read(), "C") == "57P01"
    assert idle.read() is None
    assert letters(busy.until("Z")) == "TDCZ"  # What runs may end.
    thread.join(60)


@contextlib.contextmanager
def running(folder, *options):
    server = Server(folder, *options).start()
    try:
        yield server
    finally:
        server.stop()


def no_failure(failure):
    assert failure is None, failure


def tests_of(module, prefix="test_"):
    return [(name[len(prefix):].replace("_", " "), value) for name, value in vars(module).items()
            if name.startswith(prefix)]


def main():
    wire_tests = [(name, function) for name, function in tests_of(sys.modules[__name__])
                  if function.__code__.co_varnames[:1] == ("server",)]
    with tempfile.TemporaryDirectory() as folder, running(folder, "--trust") as server:
        for name, function in wire_tests:
            if name not in ("psql", "passwords"):
                check(f"protocol: {name}", function, server)
    with tempfile.TemporaryDirectory() as folder, running(folder) as server:
        if shutil.which("psql"):
            check("psql: statements", test_psql, server)
            check("psql: wrong passwords", test_passwords, server)
        else:
            print("skipped: psql is not installed")
        import client_programs
        import clients
        for name, function in clients.found():
            check(f"client: {name}", function, server.url)
        for name, failure in client_programs.outcomes(server.url):
            check(f"client: {name}", no_failure, failure)
    if shutil.which("psql") and shutil.which("openssl"):
        with tempfile.TemporaryDirectory() as folder:
            check("encryption", test_encryption, folder)
    if shutil.which("psql"):
        with tempfile.TemporaryDirectory() as folder:
            check("kill -9 loses no commit", test_committed_rows_survive_a_kill, folder)
    with tempfile.TemporaryDirectory() as folder:
        check("2,000 idle connections", test_idle_connections, folder)
    with tempfile.TemporaryDirectory() as folder:
        check("kills under load", test_kills_under_load, folder)
    with tempfile.TemporaryDirectory() as folder:
        check("early logins are not late", test_early_logins_are_not_late, folder)
    with tempfile.TemporaryDirectory() as folder:
        check("a signal lets statements end", test_stop_ends_sessions, folder)
    if shutil.which("psql"):
        import operation
        for name, function in operation.found():
            with tempfile.TemporaryDirectory() as folder:
                check(f"operation: {name}", function, folder)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
