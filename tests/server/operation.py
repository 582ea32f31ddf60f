"""Running a server: its limits, its log, its configuration, its figures. Each test gets a folder.

Part of run.py, whose Server and Wire it uses.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

run = sys.modules["__main__"]
SECONDS = 30  # For what happens soon: nothing is decided by how soon.


def until(condition, what):
    """Waits for something that will happen."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not happen: {what}")


def psql(server, user, password, text, *options):
    environment = dict(os.environ, PGPASSWORD=password)
    return subprocess.run(["psql", "-XAtq", f"postgresql://{user}@127.0.0.1:{server.port}/tdb",
                           *options, "-c", text], capture_output=True, text=True, env=environment,
                          timeout=60)


def events(path, name=None):
    """The lines of a log, or those of one event; each must be JSON with time, level and event."""
    lines = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"]), line
        assert line["level"] in ("debug", "info", "warning", "error") and line["event"], line
    return [line for line in lines if name in (None, line["event"])]


def fetch(port, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as failure:
        return failure.code, failure.read().decode()


def http_port(server):
    line = server.process.stdout.readline()
    return int(re.search(r":(\d+)/metrics", line).group(1))


def test_roles_and_privileges(folder):
    server = run.Server(folder).start()
    made = psql(server, "admin", run.PASSWORD,
                "create role app login password 'app''s'; "
                "create role old login password 'old' valid until '2001-01-01'; "
                "create table t (a int, b int); insert into t values (1, 2); "
                "grant select (a) on t to app")
    assert made.returncode == 0, made.stderr
    assert psql(server, "app", "app's", "select a from t").stdout == "1\n"
    assert "permission denied for table t" in psql(server, "app", "app's", "select * from t").stderr
    assert "permission denied for table t" in psql(server, "app", "app's", "delete from t").stderr
    denied = psql(server, "app", "app's", "copy t to '/tmp/never-written'")
    assert "pg_write_server_files" in denied.stderr, denied.stderr
    assert "password authentication failed" in psql(server, "old", "old", "select 1").stderr
    # What is granted and revoked reaches a session that runs, and its prepared statements.
    environment = dict(os.environ, PGPASSWORD="app's")
    session = subprocess.Popen(["psql", "-XAtq", f"postgresql://app@127.0.0.1:{server.port}/tdb"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=environment)

    def ask(text):
        session.stdin.write(text + "\n\\echo done\n")
        session.stdin.flush()
        lines = []
        while not lines or lines[-1] != "done\n":
            lines.append(session.stdout.readline())
        return "".join(lines[:-1])

    assert ask("prepare p as select b from t; execute p;").count("permission denied") == 1
    assert psql(server, "admin", run.PASSWORD, "grant select on t to app").returncode == 0
    assert ask("execute p;") == "2\n"
    assert ask("execute p;") == "2\n"
    psql(server, "admin", run.PASSWORD, "alter role app connection limit 1")
    again = psql(server, "app", "app's", "select 1")
    assert "too many connections for role" in again.stderr, again.stderr
    assert psql(server, "admin", run.PASSWORD, "revoke select on t from app").returncode == 0
    assert "permission denied" in ask("execute p;")
    session.stdin.close()
    session.wait(60)
    server.stop()


def test_failed_logins_must_wait(folder):
    server = run.Server(folder, "--limits-login-failures", "3", "--limits-login-wait", "1h").start()
    for _ in range(3):
        assert "password authentication failed" in psql(server, "admin", "wrong", "select 1").stderr
    refused = psql(server, "admin", run.PASSWORD, "select 1")
    assert "too many failed logins" in refused.stderr, refused.stderr
    # Another address is another matter: here the unix socket.
    wire = run.Wire(server, login=False)
    wire.startup({"user": "admin"})
    assert wire.read()[0] == "R"
    wire.close()
    server.stop()


def test_idle_sessions_end(folder):
    server = run.Server(folder, "--trust").start()
    for setting, text, state in (("idle_session_timeout", "select 1", "57P05"),
                                 ("idle_in_transaction_session_timeout", "begin", "25P03")):
        wire = run.Wire(server)
        wire.query(f"set {setting} = '300ms'")
        wire.query(text)
        message = wire.read()
        assert message[0] == "E" and run.field(message, "C") == state, message
        assert wire.read() is None
        wire.close()
    server.stop()


def test_slow_clients_are_cut(folder):
    server = run.Server(folder, "--trust", "--limits-write-time", "1s", "--http-host", "127.0.0.1",
                        "--http-port", "0").start()
    port = http_port(server)
    wire = run.Wire(server)
    wire.send(("Q", b"select repeat('x', 100000) from generate_series(1, 1000)\0"))
    until(lambda: "tdb_slow_clients_total 1\n" in fetch(port, "/metrics")[1], "the cut")
    until(lambda: "\ntdb_connections 0\n" in fetch(port, "/metrics")[1], "its end")
    wire.close()
    server.stop()


def test_statements_wait_in_line(folder):
    server = run.Server(folder, "--trust", "--limits-running-statements", "1",
                        "--limits-waiting-statements", "1").start()
    first, holder, second, third = (run.Wire(server) for _ in range(4))
    first.query("create table t (a int primary key); insert into t values (1)")
    holder.query("begin; update t set a = 2")
    first.send(("Q", b"update t set a = 3\0"))  # Runs, and waits for the row.
    time.sleep(0.3)
    second.send(("Q", b"select 1\0"))  # Waits in line.
    time.sleep(0.3)
    messages = third.query("select 1")
    assert run.field(messages[0], "C") == "53000", messages
    assert run.letters(holder.query("commit")) == "CZ"  # Within a transaction nobody waits.
    assert run.letters(first.until("Z")) == "CZ"
    assert run.rows(second.until("Z")) == [["1"]]
    for wire in (first, holder, second, third):
        wire.close()
    server.stop()


def test_log_and_audit(folder):
    folder = pathlib.Path(folder)
    server = run.Server(folder, "--log-file", str(folder / "log"), "--log-audit-file",
                        str(folder / "audit"), "--log-level", "info", "--log-slow-statement",
                        "0ms").start()
    psql(server, "admin", "wrong", "select 1")
    psql(server, "admin", run.PASSWORD, "create role r login password 'se''cret'; create table t (a int); "
         "grant select on t to r; insert into t values (1)")
    psql(server, "admin", run.PASSWORD, "select 1/0")
    psql(server, "admin", run.PASSWORD, "select 1")
    server.stop()
    failed = events(folder / "audit", "audit.login_failed")
    assert len(failed) == 1 and failed[0]["user"] == "admin" and failed[0]["sqlstate"] == "28P01"
    assert failed[0]["address"] == "127.0.0.1", failed
    assert len(events(folder / "audit", "audit.login")) == 3
    roles = events(folder / "audit", "audit.role")
    assert [line["tag"] for line in roles] == ["CREATE ROLE", "GRANT"], roles
    assert "cret" not in (folder / "audit").read_text() + (folder / "log").read_text()
    definitions = events(folder / "audit", "audit.definition")
    assert [line["statement"].strip().rstrip(";") for line in definitions] == ["create table t (a int)"]
    assert definitions[0]["trace"] == roles[0]["trace"] and len(roles[0]["trace"]) == 16
    errors = events(folder / "log", "statement.failed")
    assert errors[0]["sqlstate"] == "22012" and errors[0]["statement"] == "select 1/0", errors
    slow = events(folder / "log", "statement.slow")
    selected = [line for line in slow if line["tag"] == "SELECT 1"]
    assert len(selected) == 1 and selected[0]["duration_us"] > 0 and len(slow) == 6, slow
    assert events(folder / "log", "server.started") and events(folder / "log", "connection.ended")


def test_encryption_without_files(folder):
    server = run.Server(folder, "--tls-self-signed", "--tls-required").start()
    environment = dict(os.environ, PGPASSWORD=run.PASSWORD)
    url = f"postgresql://admin@127.0.0.1:{server.port}/tdb"
    for mode, good in (("require&channel_binding=require", True), ("disable", False)):
        result = subprocess.run(["psql", "-XAtq", f"{url}?sslmode={mode}", "-c", "select 1"],
                                capture_output=True, text=True, env=environment, timeout=60)
        assert (result.stdout == "1\n") == good, result.stderr
    server.stop()


def test_clients_show_certificates(folder):
    folder = pathlib.Path(folder)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60,
                       cwd=folder)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-subj", "/CN=authority", "-days", "2", "-keyout", "ca.key",
            "-out", "ca.pem")
    openssl("req", *curve, "-subj", "/CN=client", "-keyout", "client.key", "-out", "client.csr")
    openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-set_serial", "7", "-out", "client.pem")
    os.chmod(folder / "client.key", 0o600)
    server = run.Server(folder, "--tls-self-signed", "--tls-client-ca",
                        str(folder / "ca.pem")).start()
    environment = dict(os.environ, PGPASSWORD=run.PASSWORD)
    url = f"postgresql://admin@127.0.0.1:{server.port}/tdb?sslmode=require"
    shown = f"&sslcert={folder}/client.pem&sslkey={folder}/client.key"
    for options, good in ((shown, True), ("", False)):
        result = subprocess.run(["psql", "-XAtq", url + options, "-c", "select 1"],
                                capture_output=True, text=True, env=environment, timeout=60)
        assert (result.stdout == "1\n") == good, result.stderr
    server.stop()


def test_configuration(folder):
    folder = pathlib.Path(folder)
    file = folder / "tdb.toml"
    tdb = str(run.BUILD / "tdb")

    def check(text, *options, **environment):
        file.write_text(text)
        return subprocess.run([tdb, "config", "check", str(file), *options], capture_output=True,
                              text=True, timeout=60, env=dict(os.environ, **environment))

    assert check("[log]\nlevel = 'loud'\n").stderr.startswith(f"tdb: serve: {file}:2: debug, info")
    assert f"{file}:1: there is no such key: prot" in check("prot = 1\n").stderr
    assert f"{file}:3: a string is not ended" in check("port = 1\n\nhost = \"x\n").stderr
    assert f"{file}:2: " in check("[session]\nwork_mem = 'lots'\n").stderr
    assert "TDB_PORT: a port" in check("", TDB_PORT="x").stderr
    good = check("[session]\nstatement_timeout = '5s'\n[limits]\nconnections = 5\n")
    assert good.returncode == 0 and good.stdout == f"{file}: good\n", good.stderr
    # The file says one thing, the environment another, the flag a third.
    file.write_text("[session]\napplication_name = 'from file'\nstatement_timeout = '7s'\n"
                    "[limits]\nconnections = 5\n[log]\nlevel = 'warning'\n")
    server = run.Server(folder, "--trust", "--config", str(file), "--log-file",
                        str(folder / "log")).start()
    wire = run.Wire(server)
    shown = wire.query("show statement_timeout")
    assert run.rows(shown) == [["7s"]], shown
    assert run.rows(wire.query("show application_name")) == [["from file"]]
    wire.query("set statement_timeout = 0")
    wire.query("reset statement_timeout")
    assert run.rows(wire.query("show statement_timeout")) == [["7s"]]
    # Read again: one connection from now on, and a louder log.
    file.write_text("[limits]\nconnections = 1\n[log]\nlevel = 'info'\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: events(folder / "log", "server.reloaded"), "the reload")
    other = run.Wire(server, login=False)
    other.startup({"user": "admin"})
    assert run.field(other.read(), "C") == "53300"
    # A mistake changes nothing, and the server goes on.
    file.write_text("nonsense\n")
    server.process.send_signal(signal.SIGHUP)
    wire.query("select 1/0")
    until(lambda: events(folder / "log", "statement.failed"), "a line at level info")
    wire.close()
    other.close()
    server.stop()


def test_http(folder):
    server = run.Server(folder, "--trust", "--http-host", "127.0.0.1", "--http-port", "0").start()
    port = http_port(server)
    assert fetch(port, "/livez") == (200, "ok\n") and fetch(port, "/readyz") == (200, "ok\n")
    assert fetch(port, "/nothing")[0] == 404 and fetch(port, "/livez", "POST")[0] == 405
    assert fetch(port, "/metrics", "HEAD") == (200, "")
    wire = run.Wire(server)
    wire.query("select 1")
    wire.query("select nothing")
    wire.query("create table t (a int)")
    status, text = fetch(port, "/metrics")
    assert status == 200
    figures = {}
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            name, kind = line.split()[2:]
            assert re.fullmatch(r"[a-z_]+", name) and kind in ("counter", "gauge", "histogram")
            assert (kind == "counter") == name.endswith("_total"), line
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            figures[name] = float(value)
    assert figures["tdb_statements_total"] == 3 and figures["tdb_statement_errors_total"] == 1
    assert figures["tdb_connections"] == 1 and figures["tdb_logins_total"] == 1, figures
    assert figures['tdb_statement_duration_seconds_bucket{le="+Inf"}'] == 3
    assert figures["tdb_statement_duration_seconds_count"] == 3
    assert figures["tdb_statements_running"] == 0 and figures["tdb_commits_total"] >= 1
    assert 1e9 < figures["process_start_time_seconds"] < 1e11
    # A request in pieces, one that is too long, one that never ends.
    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
    for part in (b"GET /li", b"vez HTTP/1.1\r\nHost", b": x\r\n\r\n"):
        raw.sendall(part)
        time.sleep(0.02)
    assert raw.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    raw.close()
    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
    raw.sendall(b"GET /" + b"x" * 8187)
    assert raw.recv(65536).startswith(b"HTTP/1.1 431 ")
    raw.close()
    silent = socket.create_connection(("127.0.0.1", port), timeout=60)
    wire.close()
    server.stop()
    silent.close()


def test_ready_is_told_to_the_service_manager(folder):
    path = str(pathlib.Path(folder) / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(60)
    os.environ["NOTIFY_SOCKET"] = path
    try:
        server = run.Server(folder, "--trust").start()
        assert listener.recv(100) == b"READY=1"
        server.stop()
        assert listener.recv(100) == b"STOPPING=1"
    finally:
        del os.environ["NOTIFY_SOCKET"]
        listener.close()


def test_files_for_deployment(folder):
    deploy = run.ROOT / "deploy"
    tdb = str(run.BUILD / "tdb")
    checked = subprocess.run([tdb, "config", "check", str(deploy / "tdb.toml")], capture_output=True,
                             text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    # What the image sets is a configuration, and it has every library that the program asks for.
    dockerfile = (deploy / "Dockerfile").read_text()
    settings = dict(re.findall(r"(TDB_[A-Z_]+)=(\S+)", dockerfile.split("ENV ")[1].split("EXPOSE")[0]))
    checked = subprocess.run([tdb, "config", "check", "--port", "0"], capture_output=True, text=True,
                             timeout=60, env=dict(os.environ, **settings))
    assert checked.returncode == 0 and len(settings) == 5, checked.stderr
    libraries = subprocess.run(["ldd", tdb], capture_output=True, text=True, timeout=60).stdout
    for path in re.findall(r"=> (/\S+)", libraries):
        owner = subprocess.run(["dpkg-query", "-S", f"*/{pathlib.Path(path).name}"],
                               capture_output=True, text=True, timeout=60).stdout
        names = {line.split(":")[0] for line in owner.splitlines()}
        known = names & set(dockerfile.split()) or names & {"libc6", "libgcc-s1"}
        assert known or not names, f"{path} ({names}) is not in the image"
    # The manual has every option, and the unit's words are systemd's.
    manual = (run.ROOT / "docs/man/tdb-serve.1").read_text().replace("\\-", "-")
    help_text = subprocess.run([tdb, "serve", "--help"], capture_output=True, text=True,
                               timeout=60).stdout
    for option in re.findall(r"^  (--[a-z-]+)", help_text, re.M):
        assert option in manual, option
    if shutil.which("systemd-analyze"):
        unit = pathlib.Path(folder) / "tdb.service"
        unit.write_text((deploy / "tdb.service").read_text().replace("/usr/bin/tdb", tdb).replace(
            "Documentation=man:tdb-serve(1)\n", ""))
        verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True,
                                  text=True, timeout=60)
        complaints = [line for line in verified.stderr.splitlines() if "tdb.service" in line]
        assert not complaints, complaints


def found():
    return [(name[len("test_"):].replace("_", " "), value) for name, value in globals().items()
            if name.startswith("test_")]
