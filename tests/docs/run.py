#!/usr/bin/env python3
"""Checks README.md and the documents.

Every relative link must lead to a file (and, with #, to a heading of it). A fenced sh block with the
line <!-- test --> before it is run in a temporary folder, with an installed copy of the build where
pkg-config, the loader and PATH find it; an output
block that follows must equal what the commands print. Blocks of one document share the folder, so a
guide reads from top to bottom. "..." alone on a line of the output stands for any lines.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SECONDS_MAX = 60


def documents():
    found = list(ROOT.glob("*.md"))
    for folder in ("docs", "src", "tests", "bench", "examples", "include", "tools"):
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def anchors(text):
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def link_errors(document, text):
    errors = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            errors.append(f"{document.relative_to(ROOT)}: {target} leads nowhere")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            errors.append(f"{document.relative_to(ROOT)}: {target}: no such heading")
    return errors


def examples(text):
    """Yields (line, commands, expected output or None)."""
    blocks = list(FENCE.finditer(text))
    for number, block in enumerate(blocks):
        if block.group(1) != "sh" or not text[:block.start()].rstrip().endswith("<!-- test -->"):
            continue
        expected = None
        if number + 1 < len(blocks) and blocks[number + 1].group(1) == "output":
            expected = blocks[number + 1].group(2)
        yield text.count("\n", 0, block.start()) + 1, block.group(2), expected


def matches(expected, printed):
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", expected, flags=re.M)]
    return re.fullmatch("(?:.*\n)*?".join(parts), printed) is not None


def install(prefix):
    subprocess.run(["cmake", "--install", os.environ["BUILD"], "--prefix", prefix], check=True,
                   stdout=subprocess.DEVNULL)
    config = next(pathlib.Path(prefix).rglob("tdbplus.pc")).parent
    os.environ.update(PATH=f"{prefix}/bin:{os.environ['PATH']}", PKG_CONFIG_PATH=str(config),
                      LD_LIBRARY_PATH=str(config.parent), LC_ALL="C.UTF-8", TZ="UTC")


def run(commands, folder):
    environment = dict(os.environ, HOME=folder)
    return subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX)


def example_results(document, text):
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ROOT / "examples", f"{folder}/examples")
        for line, commands, expected in examples(text):
            name = f"{document.relative_to(ROOT)}:{line}"
            try:
                result = run(commands, folder)
            except subprocess.TimeoutExpired:
                yield name, f"took over {SECONDS_MAX} s"
                continue
            if result.returncode != 0:
                yield name, f"exit status {result.returncode}\n{result.stdout}"
            elif expected is not None and not matches(expected, result.stdout):
                yield name, f"expected\n{expected}but it printed\n{result.stdout}"
            else:
                yield name, None


def main():
    with tempfile.TemporaryDirectory() as prefix:
        install(prefix)
        return check_all()


def check_all():
    passed = failed = 0
    for document in documents():
        text = document.read_text()
        results = [(f"links of {document.relative_to(ROOT)}", "\n".join(link_errors(document, text)))]
        results += example_results(document, text)
        for name, trouble in results:
            print(f"FAILED {name}\n{trouble}" if trouble else f"ok {name}")
            failed += bool(trouble)
            passed += not trouble
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
