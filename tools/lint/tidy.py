#!/usr/bin/env python3
"""House rules no compiler knows. Each has one line of advice. Silent when all is well."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
BANNED = [  # (pattern, advice, modules that may)
    (r"(?<![\w>.])(malloc|calloc|realloc|free)\s*\(", "use struct alloc", ("base/alloc_system.c", "os", "sql/parse/pg_parse.c", "auth/password.c")),
    (r"(?<![\w>.])(open|read|write|fsync|pread|pwrite|mmap)\s*\(", "go through struct env", ("os",)),
    (r"(?<![\w>.])(time|clock_gettime|rand|random)\s*\(", "go through struct env", ("os",)),
    (r"\b(strcpy|strcat|sprintf|strtok|atoi)\s*\(", "unbounded; see base/", ()),
    (r"\bassert\s*\(", "use ASSERT", ()),
    (r"\b(FIXME|XXX)\b", "resolve before merge", ()),
]
FILE_LINES_MAX = 1500
FUNCTION_LINES_MAX = 70


def long_functions(lines):
    """Yields (line, length) of bodies over the limit. Only functions open with a brace alone."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > FUNCTION_LINES_MAX:
                yield start, number - start - 1
            start = None


def main():
    errors = []
    for file in sorted([*SRC.rglob("*.[ch]"), *SRC.rglob("*.cc")]):
        name = file.relative_to(SRC).as_posix()
        text = file.read_text()
        lines = text.splitlines()
        code = re.sub(r"/\*.*?\*/|//[^\n]*|\"(\\.|[^\"\\])*\"",
                      lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
        if len(lines) > FILE_LINES_MAX:
            errors.append(f"src/{name}: {len(lines)} lines; split it by responsibility")
        for number, line in enumerate(lines, 1):
            if len(line) > 100:
                errors.append(f"src/{name}:{number}: over 100 columns")
        errors += [f"src/{name}:{start}: a function of {length} lines; split it"
                   for start, length in long_functions(lines)]
        for pattern, advice, may in BANNED:
            if name in may or name.split("/")[0] in may:
                continue
            haystack = text if "FIXME" in pattern else code
            for match in re.finditer(pattern, haystack):
                number = haystack.count("\n", 0, match.start()) + 1
                errors.append(f"src/{name}:{number}: '{match.group().strip()}': {advice}")
        if file.suffix == ".h":
            errors += [f"src/{name}: '{m.group()}...': declare it TDBPLUS_CHECKED"
                       for m in re.finditer(r"^tdbplus_status \w+\(", text, re.M)]
    for module in sorted({f.parent for f in SRC.rglob("*.c")}):
        if not (module / "README.md").exists():
            errors.append(f"{module.relative_to(ROOT)}: no README.md")
    print("\n".join(errors), end="\n" if errors else "")
    return bool(errors)


sys.exit(main())
