"""Clients in other languages: programs that print "ok NAME" or "FAILED NAME: why" a line.
install_clients makes them; README.md lists their scenarios."""

import os
import pathlib
import shutil
import subprocess
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
THERE = HERE.parent.parent / "build/clients"


def node(url):
    return (["node", str(HERE / "node/client_node.js"), url],
            {"NODE_PATH": str(THERE / "node/node_modules")})


def jdbc(url):
    parts = urllib.parse.urlsplit(url)
    path = f"{THERE / 'jdbc'}:{THERE / 'jdbc/postgresql.jar'}"
    return (["java", "-cp", path, "ClientJdbc", f"{parts.hostname}:{parts.port}",
             urllib.parse.unquote(parts.password)], {})


def pgx(url):
    return [str(THERE / "pgx_client"), url], {}


# A name, what must be there, and how it is called.
PROGRAMS = [
    ("node-postgres", "node", THERE / "node/node_modules/pg", node),
    ("JDBC", "java", THERE / "jdbc/ClientJdbc.class", jdbc),
    ("pgx", str(THERE / "pgx_client"), THERE / "pgx_client", pgx),
]


def outcomes(url):
    """Name and failure (None: none) of each scenario of the programs that are here."""
    for name, command, path, call in PROGRAMS:
        if shutil.which(command) is None or not path.exists():
            print(f"skipped: {name} is not installed (tests/server/install_clients)")
            continue
        arguments, environment = call(url)
        run = subprocess.run(arguments, capture_output=True, text=True, timeout=300,
                             env=dict(os.environ, **environment))
        for line in run.stdout.splitlines():
            word, _, rest = line.partition(" ")
            if word == "ok":
                yield f"{name}: {rest}", None
            elif word == "FAILED":
                scenario, _, why = rest.partition(": ")
                yield f"{name}: {scenario}", why
        if run.returncode != 0:
            yield f"{name}: runs to its end", (run.stdout + run.stderr)[-2000:]
