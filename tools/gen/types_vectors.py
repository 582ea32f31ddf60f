#!/usr/bin/env python3
"""Writes src/types/vectors/*.inc: inputs and what PostgreSQL 15 makes of them.

usage: types_vectors.py SOCKET_DIRECTORY PORT [name...]   (a server with locale C, user postgres)
"""
import pathlib
import random
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2] / "src/types/vectors"
HELPER = r"""
create or replace function pg_temp.try(expression text) returns text language plpgsql as $$
declare result text;
begin
  execute 'select (' || expression || ')::text' into result;
  return 'ok ' || coalesce(result, 'NULL');
exception when others then
  return 'error ' || sqlstate;
end $$;
set timezone = 'UTC';
"""


def ask(expressions):
    """The text of each SQL expression, or its SQLSTATE."""
    script = HELPER + "".join(
        f"select encode(convert_to(pg_temp.try($e${e}$e$), 'UTF8'), 'hex');\n" for e in expressions)
    done = subprocess.run(
        ["psql", "-h", sys.argv[1], "-p", sys.argv[2], "-U", "postgres", "-Atqf", "-"],
        input=script, text=True, capture_output=True)
    lines = [bytes.fromhex(line) for line in done.stdout.split("\n") if line]
    if len(lines) != len(expressions):
        sys.exit(f"asked {len(expressions)}, got {len(lines)}: {done.stderr[-2000:]}")
    return lines


def c_string(data):
    if isinstance(data, str):
        data = data.encode()
    text = ""
    for byte in data:
        char = chr(byte)
        if char in "\"\\?":
            text += "\\" + char
        elif 32 <= byte < 127:
            text += char
        else:
            text += f"\\{byte:03o}"
    return '"' + text + '"'


def literal(text):
    """An SQL string literal."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def write(name, comment, rows):
    """A line per row: {"arguments"..., "text or SQLSTATE", is an error}."""
    lines = [f"/* {comment}", " * Made by tools/gen/types_vectors.py from PostgreSQL 15. */"]
    for arguments, answer in rows:
        kind, _, text = answer.partition(b" ")
        fields = [c_string(a) for a in arguments] + [c_string(text), "0" if kind == b"ok" else "1"]
        lines.append("{" + ", ".join(fields) + "},")
    (ROOT / f"{name}.inc").write_text("\n".join(lines) + "\n")
    print(name, len(rows))


JSON_TEXTS = r"""
null|true|false|0|-0|-0.0|0.0|1|-1|127|128|-128|-129|32767|32768|-32768|-32769|2147483647|2147483648
-2147483648|-2147483649|9223372036854775807|-9223372036854775808|9223372036854775808
-9223372036854775809|18446744073709551615|18446744073709551616|99999999999999999999999999
1.0|1.10|1.50|0.1|0.001|-0.001|0.000000000000000001|0.0000000000000000001|1e0|1e2|1.5e1|1.50e1|1E-3
1e+3|123456789012345678.9|1234567890123456789.1|12345678901234567.89|0.1234567890123456789
1e18|1e19|1e-18|1e-19|1e100|1.25e-20|-1e-5|100e-2|9223372036854775807.0|922337203685477580.7
1e200|1e131072|1e-200|1e-16384|1e999999999|1e-999999999|0e100|0e-5|12e|1.|.5|+1|01|-|--1|1e+|1.e5
00|-01|0x1|NaN|Infinity|-Infinity|nul|nullx|truefalse|True|NULL
""|"a"|"\"\\\/\b\f\n\r\t"|"\u0041\u00e9\u20ac"|"\ud83d\ude00"|"\ud83d"|"\ude00"|"\ud83dx"|"\ud83d\ud83d"
"\u0000"|"\u0001\u001f\u007f"|"\x"|"\u12"|"\u12g4"|"abc|abc"|"é€😀"|"tab	inside"|'a'|"a" "b"
[]|[ ]|[1]|[1,2,3]|[1, [2, [3, []]], {}]|[1,]|[,1]|[1 2]|[|]|[[]|[1}|["a","b"]|[null,true,false,"x",1.5]
{}|{ }|{"a":1}|{"b":1,"a":2}|{"aa":1,"b":2,"a":3,"":4}|{"a":1,"a":2}|{"a":1,"b":2,"a":{"c":3}}
{"a":1,"a":2,"a":3,"b":0}|{"a"}|{"a":}|{"a":1,}|{a:1}|{1:1}|{"a" : 1 , "b" : [ 1 , 2 ] }|{"a":1 "b":2}
{"k":"v"}x|{|}|{"a":{"b":{"c":{"d":[{}]}}}}|{"é":1,"zz":2,"z":3}|{"a":[{"b":1},{"b":2}],"c":null}
|   | 1 |{"a":1}}|[1]]|[1]x|{"\u0061":1,"a":2}|{"a\nb":"c\td"}|{"long key that is not short":[1e3,-2.50]}
"""


def json_texts():
    texts = []
    for line in JSON_TEXTS.strip("\n").split("\n"):
        texts += line.split("|")
    dice = random.Random(1)
    texts += [random_json(dice, 4) for _ in range(150)]
    return texts


def random_json(dice, depth):
    pick = dice.randrange(8 if depth > 0 else 6)
    if pick == 0:
        return dice.choice(["null", "true", "false"])
    if pick == 1:
        return str(dice.randrange(-10**dice.randrange(1, 22), 10**dice.randrange(1, 22)))
    if pick == 2:
        return f"{dice.uniform(-1, 1) * 10**dice.randrange(-5, 12):.{dice.randrange(0, 9)}f}"
    if pick == 3:
        return f"{dice.randrange(-999, 999)}.{dice.randrange(99)}e{dice.randrange(-25, 25)}"
    if pick in (4, 5):
        return '"' + "".join(dice.choice(["a", "b", "é", "\\n", "\\\"", "\\u20ac", " ", "zz"])
                             for _ in range(dice.randrange(6))) + '"'
    items = [random_json(dice, depth - 1) for _ in range(dice.randrange(6))]
    if pick == 6:
        return "[" + ", ".join(items) + "]"
    keys = ['"' + "".join(dice.choice("abc") for _ in range(dice.randrange(4))) + '"' for _ in items]
    return "{" + ",".join(f"{k}:{v}" for k, v in zip(keys, items)) + "}"


def make_json():
    texts = json_texts()
    answers = ask([f"{literal(t)}::jsonb" for t in texts])
    write("json", "JSON text and its jsonb.", [((t,), a) for t, a in zip(texts, answers)])
    good = [t for t, a in zip(texts, answers) if a.startswith(b"ok") and len(t) < 300]
    rows = ask([f"array_to_string(array(select i from unnest(array[{','.join(literal(t) for t in good)}]"
                "::jsonb[]) with ordinality as u(j, i) order by j, i), ' ')"])
    order = [int(i) - 1 for i in rows[0].split()[1:]]
    equal = ask([f"{literal(good[a])}::jsonb = {literal(good[b])}::jsonb"
                 for a, b in zip(order, order[1:])])
    ranks, rank = [], 0
    for place, index in enumerate(order):
        rank += place > 0 and equal[place - 1] == b"ok false"
        ranks.append(((good[index],), b"ok %d" % rank))
    write("json_order", "JSON texts in the order of jsonb, and their ranks: equal ones share one.",
          ranks)


NUMBERS = """0 1 -1 2 3 7 9 10 -10 99 100 0.0 0.00 1.0 1.50 -1.50 0.5 -0.5 0.05 0.005 2.5 3.5 -2.5 0.1 0.3
9999 10000 9999.9999 10000.0001 0.0001 0.00001 0.99995 99995 99994.5 123456789 -987654321.123456789
12345678901234567890.12345 0.000000000000000123 1e30 1e-30 -1e17 3.14159265358979 2.718281828459045235
99999999999999999999.99999999999999999999 1e60 7e-60 50000000 49999999 0.49999999999999999999
100000000000000000000000000000000000001 NaN Infinity -Infinity 4294967296 1.00000001 12 144 2.25""".split()


def make_numeric():
    dice = random.Random(2)
    numbers = NUMBERS + [
        f"{dice.choice(['', '-'])}{dice.randrange(10 ** dice.randrange(1, 40))}"
        f"{dice.choice(['', '.' + str(dice.randrange(10 ** dice.randrange(1, 30)))])}"
        for _ in range(40)]
    pairs = [(dice.choice(numbers), dice.choice(numbers)) for _ in range(220)]
    pairs += [(a, b) for a in NUMBERS[-10:] for b in ("0", "2", "-1", "NaN", "Infinity")]
    rows = []
    for op, sql in (("+", "{} + {}"), ("-", "{} - {}"), ("*", "{} * {}"), ("/", "{} / {}"),
                    ("%", "{} % {}"), ("div", "div({}, {})"), ("cmp", "numeric_cmp({}, {})")):
        rows += [((op, a, b), sql.format(f"'{a}'::numeric", f"'{b}'::numeric")) for a, b in pairs]
    for a in numbers:
        for op in ("sqrt", "floor", "ceil", "abs", "sign"):
            rows.append(((op, a, ""), f"{op}('{a}'::numeric)"))
        for scale in (-40, -5, -4, -3, -1, 0, 1, 2, 3, 4, 5, 9, 25):
            rows.append((("round", a, str(scale)), f"round('{a}'::numeric, {scale})"))
            rows.append((("trunc", a, str(scale)), f"trunc('{a}'::numeric, {scale})"))
        for kind in ("int2", "int4", "int8", "float8", "numeric(5,2)", "numeric(18,6)",
                     "numeric(20,0)", "numeric(38,20)", "numeric(50,4)"):
            rows.append(((kind, a, ""), f"'{a}'::numeric::{kind}"))
    answers = ask([sql for _, sql in rows])
    write("numeric", "Operation, operands and result.",
          [(r, a) for (r, _), a in zip(rows, answers)])
    texts = ["", " ", "1", " 1 ", "\t-5\n", "+3", "--3", "1.", ".5", ".", "1e5", "1e", "1e+5", "1e-5",
             "1.5e3", "1.50e1", "0e5", "00012", "000", "-0", "-0.00", "1_000", "0x10", "nan", "NaN",
             "-NaN", "inf", "-inf", "+Infinity", "infinit", "1 2", "1,5", "1e131071x", "1e131072",
             "1e-16384", "1e-200", "abc", "1.2.3", "1e5.5", "12345678901234567890123456789.0"]
    answers = ask([f"{literal(t)}::numeric" for t in texts])
    write("numeric_text", "Text and the numeric it is read as.",
          [((t,), a) for t, a in zip(texts, answers)])
    reals = ["0", "-0", "1", "0.1", "1.5", "-2.75", "1e15", "1e16", "123456789012345678", "1e300", "1e-300",
             "3.141592653589793", "0.30000000000000004", "1e22", "NaN", "Infinity", "-Infinity", "100",
             "12345.678", "1e-5", "2.5e-7"]
    answers = ask([f"'{r}'::float8::numeric" for r in reals])
    rows = [(("float8", r), a) for r, a in zip(reals, answers)]
    reals = [r for r in reals if "300" not in r]
    answers = ask([f"'{r}'::float4::numeric" for r in reals])
    write("numeric_real", "Floats and the numerics they become.",
          rows + [(("float4", r), a) for r, a in zip(reals, answers)])


MAKERS = {"json": make_json, "numeric": make_numeric}

if __name__ == "__main__":
    ROOT.mkdir(exist_ok=True)
    for maker in sys.argv[3:] or MAKERS:
        MAKERS[maker]()
