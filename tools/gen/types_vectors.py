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
create temp table short_text(v varchar(3));
create or replace function pg_temp.into_varchar(t text) returns text language plpgsql as $$
declare result text;
begin
  insert into short_text values (t) returning v into result;
  return result;
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


DATES = """2024-02-29|2023-02-29|1970-01-01|0001-01-01|0044-03-15 BC|4713-01-01 BC|4714-11-24 BC|4714-11-23 BC
9999-12-31|10000-01-01|294276-12-31|5874897-12-31|5874898-01-01|infinity|-infinity|epoch|20240229|2024-2-9
1/8/1999|1/18/1999|13/8/1999|01/02/03|1/2/69|1/2/70|Jan 8, 1999|January 8, 1999|8 Jan 1999|8-Jan-1999|Jan-08-1999
1999-Jan-08|08-Jan-99|Monday, January 8, 1999|1999 Jan 8|Jan 8|2024-13-01|2024-00-10|2024-01-00|2024-04-31|0000-01-01
abc||2024|2024-01|2024-01-02-03|99-01-08|2000-01-01 AD|  2024-05-06  |2024/05/06|2024.05.06|1900-02-29|2000-02-29
2024-01-02 10:00:00|2024-01-02T10:00:00Z|sept 5 2020|5 SEPTEMBER 2020|Infinity|2024-01-02 BC
2024-01-01 x|1582-10-10|0099-01-01""".replace("\n", "|").split("|")
TIMES = """00:00|00:00:00|23:59:59.999999|24:00:00|24:00:01|23:59:60|12:34:56.7|12:34:56.1234567|12:34:56.1234564
4:05 AM|4:05 PM|12:00 AM|12:00 PM|13:00 PM|25:00|12:60|12:00:61|1:2:3|12|abc||04:05:06.789-08|04:05:06 PST
04:05:06Z|00:00:00.0000005|12:30:15.5 PM|:30|12:|12:3x""".replace("\n", "|").split("|")
STAMPS = """2024-02-29 12:34:56|2024-02-29 12:34:56.789|2024-02-29T12:34:56|2024-02-29t12:34|2024-02-29 12:34:56.1234567
2024-02-29|2024-02-29 24:00:00|2024-12-31 23:59:60|2024-02-30 00:00|2024-01-01 25:00|epoch|infinity|-infinity
1969-12-31 23:59:59.999999|1970-01-01 00:00:00.000001|0001-01-01 00:00:00|0001-12-31 23:59:59 BC|4713-01-01 00:00:00 BC
4714-11-24 00:00:00 BC|4714-11-23 23:59:59 BC|294246-12-31 23:59:59.999999|294277-01-01 00:00:00|20240229 123456
20240229T123456|20240229T1234|20240229T123456.5|Jan 8 1999 04:05:06|Mon Jan 8 04:05:06 1999|1999-01-08 04:05:06 PM
1999-01-08 04:05:06 AM|1/8/1999 4:05|2024-02-29 12:34:56+02|2024-02-29 12:34:56-08:30
2024-02-29 12:34:56+0530|2024-02-29 12:34:56+05:30:15|2024-02-29 12:34:56Z|2024-02-29 12:34:56 UTC
2024-02-29 12:34:56 GMT|2024-02-29 12:34:56+16|2024-02-29 12:34:56+15:59|2024-02-29 12:34:56 BC
2024-02-29 12:34:56+02 BC|2024-02-29 x|not a time||2024-02-29 12:34:56 12:00|10:00|2024-02-29 12:34:56.
2024-02-29  12:34:56  |2024-02-29 12:34:56 +02|2024-02-29 12:34:56-02|99999-01-01 00:00:00
2024-02-29 12:34:56+99|200000-06-05 01:02:03.000004""".replace("\n", "|").split("|")
INTERVALS = """1 year 2 mons 3 days 04:05:06.789|1 day|-1 day|1 days ago|1 year|1 mon|13 months|-13 months|1.5 years|1.5 months
1.5 weeks|1.5 days|1.5 hours|0.5 min|1.0000005 sec|1 week|2 weeks 3 days|1 decade|2 centuries|1 millennium|1-2
1-2 3 4:05:06|-1-2|+1-2 -3 +4:05:06|3 4:05:06|4:05|4:05:06|-4:05:06.5|04:05:06.123456789|100:00:00|1|1.5|-1.5|0
0 days|00:00:00|P1Y2M3DT4H5M6S|P1Y2M3W4DT5H6M7.5S|PT0.5S|P-1Y2M|PT36H|P|P1Y2|P1H|1 day 02:03|-1 day +02:03
-1 day -02:03|1 year -1 day|1 mon -1 day 00:00:01|1 fortnight|abc||1 day 2|1 2 days|@ 1 minute|@ 1 minute ago
1 us|1 usec 1 ms|999 milliseconds|1y 2mon 3d 4h 5m 6s|1Y|1 hour 1 hour|1 day 1 day|178956970 years
2147483647 months|2147483648 months|2147483647 days|2147483648 days|9223372036854775807 us|99999999999999999999 us
-0.5 days|-1.7 months|0.1 months|12.34 years|1:60|1:2:60|1:|  1 day  |1 day,2 hours|.5 day|1e3 days|infinity
ago|-1 days ago|+1 day|- 1 day|1 mons 15 days 12:00:00|-1 mons -15 days""".replace("\n", "|").split("|")
MOMENTS = """2024-02-29 12:34:56.789|2024-01-31 00:00:00|1999-12-31 23:59:59.999999|2000-01-01 00:00:00|1970-01-01 00:00:00
1969-07-20 20:17:40|0001-03-01 00:00:00|0044-03-15 12:00:00 BC|2023-03-31 10:00:00|2026-11-20 09:00:00|2021-01-03 05:06:07
2020-12-28 00:00:00|1900-02-28 01:00:00|290000-01-01 00:00:00|infinity|2005-01-01 11:22:33.445566
2001-02-16 20:38:40|0100-12-31 BC|1001-01-01 00:00:00|0101-05-05 00:00:00""".replace("\n", "|").split("|")
STEPS = """1 mon|-1 mon|13 mons|1 day|-1 day|1 year|4 years 1 day|-1 mon -1 day|36:00:00|1 mon 1 day 01:00:00.000001|-2000 years
300000 years|1 mon -31 days|2147483647 days|00:00:00""".replace("\n", "|").split("|")
FIELDS = ("microseconds milliseconds second minute hour day week month quarter year decade century millennium "
          "isoyear dow isodow doy epoch").split()
ZONES = ["America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]
LOCALS = """2024-03-10 01:59:59|2024-03-10 02:30:00|2024-03-10 03:00:00|2024-11-03 00:59:59|2024-11-03 01:30:00
2024-11-03 02:00:00|2024-03-31 01:30:00|2024-10-27 01:30:00|2024-04-07 01:45:00|2024-04-07 02:00:00|2024-10-06 02:15:00
2011-12-30 12:00:00|2011-12-29 23:00:00|1850-01-01 00:00:00|1883-11-18 12:03:00|1916-05-21 02:30:00|1941-09-01 00:00:00
2037-07-01 00:00:00|2038-03-14 02:30:00|2100-11-07 01:30:00|2500-06-15 12:00:00|1970-01-01 00:00:00|0044-03-15 12:00:00 BC
2024-07-01 00:00:00|2024-12-25 18:00:00.123456|9999-12-31 23:59:59""".replace("\n", "|").split("|")


def make_datetime():
    rows = []
    for kind, texts in (("date", DATES), ("time", TIMES), ("timestamp", STAMPS), ("timestamptz", STAMPS),
                        ("interval", INTERVALS)):
        rows += [((kind, t), f"{literal(t)}::{kind}") for t in texts]
    answers = ask([sql for _, sql in rows])
    write("datetime_text", "Type, text, and how the value prints.",
          [(r, a) for (r, _), a in zip(rows, answers)])
    rows = []
    for a in MOMENTS:
        rows += [(("+", a, i), f"'{a}'::timestamp + '{i}'::interval") for i in STEPS]
        rows += [(("extract", a, f), f"extract({f} from '{a}'::timestamp)") for f in FIELDS
                 if a != "infinity"]
        rows += [(("trunc", a, f), f"date_trunc('{f}', '{a}'::timestamp)") for f in FIELDS[:13]]
        for b in MOMENTS:
            if "infinity" not in (a, b):
                rows.append((("-", a, b), f"'{a}'::timestamp - '{b}'::timestamp"))
                rows.append((("age", a, b), f"age('{a}'::timestamp, '{b}'::timestamp)"))
    spans = ["1 year 2 mons 3 days 04:05:06.789", "-1 mon -5 days", "1 mon", "10 days", "01:02:03.000001",
             "-7 years 25:00:00", "0"]
    for a in spans:
        rows += [(("interval extract", a, f), f"extract({f} from '{a}'::interval)") for f in FIELDS]
        rows += [(("interval +", a, b), f"'{a}'::interval + '{b}'::interval") for b in spans]
        rows += [(("interval *", a, n), f"'{a}'::interval * {n}::float8")
                 for n in ("2", "0.5", "-1", "1.1", "0.333333333", "1000000", "1e10", "0")]
    answers = ask([sql for _, sql in rows])
    write("datetime", "Operation, operands and result.", [(r, a) for (r, _), a in zip(rows, answers)])


def make_tz():
    lines = ["/* Files of the time zone database (public domain), and what PostgreSQL makes of local times.",
             " * Made by tools/gen/types_vectors.py. */"]
    for zone in ZONES:
        data = pathlib.Path("/usr/share/zoneinfo", zone).read_bytes()
        body = ",\n".join(",".join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24))
        lines.append(f"static const uint8_t file_{re.sub('[^a-z]', '_', zone.lower())}[] = {{\n{body}}};")
    (ROOT / "tz_files.inc").write_text("\n".join(lines) + "\n")
    rows = []
    for zone in ZONES:
        zoned = f"set_config('timezone', '{zone}', true)"
        rows += [((zone, t), f"case when {zoned} is not null then ('{t}'::timestamp at time zone '{zone}' "
                  f"at time zone 'UTC')::text || ' ' || ('{t}'::timestamp at time zone '{zone}')::text end")
                 for t in LOCALS]
    answers = ask([sql for _, sql in rows])
    write("tz", "Zone, local time, and its UTC and the local time printed again.",
          [(r, a) for (r, _), a in zip(rows, answers)])


TEXTS = {
    "bool": "t|f|true|FALSE|yes|no|on|off|o|of|1|0|y|n|tr|TRUE |2|||truex",
    "int2": "0|1|-1|32767|-32768|32768|-32769| 5 |+7|--5|1.5|abc|||0x10|99999999999999999999999|-|+",
    "int4": "2147483647|-2147483648|2147483648|-2147483649|007|1e5|1 2",
    "int8": "9223372036854775807|-9223372036854775808|9223372036854775808|-9223372036854775809|12345678901",
    "float8": "0|-0|1|1.5|-2.25|0.1|1e15|1e14|123456789012345|1234567890123456|0.0001|0.00001|1e-5|123.456e7|1e308|1e309"
              "|-1e309|1e-400|5e-324|1.7976931348623157e308|NaN|nan|inf|-Infinity|+inf|infinity |infinit| 3.5 |.5|5.|+.5"
              "|3.141592653589793|0.30000000000000004|1e22|9007199254740993|1e|abc|||1 2|+-5|100000|1e5|-1.5e-7|12345.678",
    "float4": "0|0.1|1e5|1e6|123456|1234567|999999|0.0001|0.00001|3.4028235e38|3.5e38|1e-45|1e-46|1e-60|16777217|NaN|-inf|1.17549435e-38",
    "numeric": "1.50|-0.00|1e10|NaN|Infinity|abc",
    "numeric(5,2)": "123.456|999.995|-999.99|1000|0.005|1e2|Infinity",
    "numeric(30,10)": "12345678901234567890.12345678905|-1|1e20",
    "text": "abc|| spaces |quote'd|é€",
    "varchar(3)": "abc|abcd|abc  |é€x|é€xy|",
    "bytea": "\\x|\\x00ff|\\xDE AD|\\xabc|\\xzz|abc|a\\\\b|a\\001b|a\\400b|a\\|\\x 1 2|é",
    "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11|{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}"
            "|a0eebc999c0b4ef8bb6d6bb9bd380a11|a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"
            "|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111|{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|g0eebc999c0b4ef8bb6d6bb9bd380a11|"
            "|a-0eebc999c0b4ef8bb6d6bb9bd380a11|a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
    "jsonb": "{\"b\":[1,2.50],\"a\":null}|[1,|\"x\"|1e2",
    "date": "2024-02-29|2024-02-30|infinity", "time": "10:20:30.5", "timestamp": "2024-02-29 10:20:30.123456|x",
    "timestamptz": "2024-02-29 10:20:30+02", "interval": "1 day 02:03:04|x",
    "int4[]": "{}|{1,2,3}|{1,NULL,3}|{{1,2},{3,4}}|{{1,2},{3}}|{1,{2}}|{ 1 , 2 }|[0:2]={1,2,3}|[1:2]={1,2}|[1:3]={1,2}|{1,2|1,2}"
              "|{1,,2}|{,}|{1,}|{a}|{1}x|{null}|{\"1\"}|{}{}|[2:3][-1:0]={{1,2},{3,4}}|{{{{{{1}}}}}}|{{{{{{{1}}}}}}}|  {1}  |[1:0]={}|{{1},{2},3}"
              "|{99999999999}|[5:5]={7}",
    "text[]": "{a,b}|{\"a b\",c}|{\"\",x}|{NULL,\"NULL\",null}|{\"a\\\"b\",\"c\\\\d\"}|{a\\,b}|{ a b , c }|{\"a,b\",\"{}\"}|{\"a\"b}|{a\"b\"}|{\"a\nb\"}"
              "|{\"unclosed}|{a}b|{é,€}|{{a,b},{c,d}}|{\\\\}|{\"a\" , \"b\"}|{'a'}",
    "bool[]": "{t,f,NULL}", "float8[]": "{1.5,NaN,-0}", "numeric(5,2)[]": "{1.555,2}", "date[]": "{2024-01-01,infinity}",
    "timestamp[]": "{\"2024-01-01 10:00:00\"}", "jsonb[]": "{\"{\\\"a\\\": 1}\",\"[1,2]\"}", "bytea[]": "{\"\\\\x01\"}",
}


def make_text():
    rows = []
    for kind, texts in TEXTS.items():
        rows += [((kind, t), f"{literal(t)}::{'text::' if kind == 'varchar(3)' else ''}{kind}")
                 for t in texts.split("|")]
    # A cast to varchar cuts; what input does is seen by assigning to a column.
    script = {t: f"pg_temp.into_varchar({literal(t)})" for t in TEXTS["varchar(3)"].split("|")}
    rows = [(r, script[r[1]] if r[0] == "varchar(3)" else sql) for r, sql in rows]
    answers = ask([sql if not r[0].startswith("bool") or r[0] == "bool[]"
                   else f"case when {sql} then 't' when not {sql} then 'f' end" for r, sql in rows])
    write("text", "Type, text, and the text that is printed.", [(r, a) for (r, _), a in zip(rows, answers)])


PACKED = {
    "bpchar(3)": "ab|abc|a|abcd|abc  |é|  a||éàü|éàüx",
    "bit(3)": "101|b011|x5|10|1011|102||B111", "varbit(3)": "101||1|b01|x5|1011|2",
    "varbit": "10|01|1||100000000|x0F|xg|0000",
    "timetz": "12:00|12:00+02|10:00Z|23:59:59.999999-05:30|24:00+00|04:05:06.7 PM -08|12:00 UTC|2020-01-01 12:00+01|25:00|x|00:00+10|11:00+01",
    "money": "1|$1.5|-1.005|1,234.56|(2)|$-3|-$3.25|.5|92233720368547758.07|-92233720368547758.08|92233720368547758.08|a|1a|12.345.6||0",
    "inet": "1.2.3.4|1.2.3.4/24|10/8|10.1/16|10|1.2.3|1.2.3.4/33|256.1.1.1|1.2.3.4.5|::|::1|1::|1:2:3:4:5:6:7:8|1:2:3:4:5:6:7::|::2:3:4:5:6:7:8"
            "|::ffff:1.2.3.4|::1.2.3.4|1:2:3:4:5:6:1.2.3.4|fe80::1/64|::/0|::/129|1:::2|12345::|:1|1:|0/0|1.2.3.4/|a.b.c.d||1.2.3.4 |1:0:0:2::3"
            "|0:0:1:0:0:0:0:1|255.255.255.255|9.0.0.0/8|10.0.0.0/9|10.128.0.0/9",
    "cidr": "10|10.1|10.1.2.3|172.16|192.168|192.168.1|224|230|240|10.0.0.1/8|10/8|::/0|2001:db8::/32|2001:db8::1/32|2001:db8::1|10.1/8|x",
    "macaddr": "08:00:2b:01:02:03|08-00-2b-01-02-03|08002b:010203|08002b-010203|0800.2b01.0203|0800-2b01-0203|08002b010203|8:0:2b:1:2:3"
               "|08:00:2b:01:02|08:00:2b:01:02:03:04|08:00:2b:01:02:300|g| 08:00:2b:01:02:03 |080:02b:010203",
    "macaddr8": "08:00:2b:01:02:03:04:05|08002b0102030405|08:00:2b:01:02:03|0800.2b01.0203.0405|08-00:2b|08:00:2b:01:02:03:04|08002b:0102030405|x",
    "int4range": "[1,5)|[1,5]|(1,5]|(1,5)|(1,2)|[1,1]|[1,1)|empty|EMPTY| empty |[,]|(,5)|[5,)|[2,1]|[1,2|1,2]|[1,2,3]|[1,2)x|[a,2)|[2147483647,2147483647]"
                 "|(2147483646,)|[-5,3)| [ 1 , 2 ) |[\"1\",2)|[]|[1]|emptyx|",
    "int8range": "[9223372036854775806,9223372036854775807)|[1,9223372036854775807]|[-9223372036854775808,0)|empty",
    "numrange": "[1.0,2.00]|(1.5,1.5)|[1.5,1.5]|[-1.10,0)|[0,0.001)|[1e3,1e4)|(,NaN]|[-infinity,infinity]|[10000,10001)|[-10000.5,-10000.25)|[2,1]|empty",
    "tsrange": "[2020-01-01,2020-01-02)|[2020-01-01 10:00:00.5,infinity)|(,2020-01-01]|empty|[x,)|[\"2020-01-01 00:00:00\",]",
    "tstzrange": "[2020-01-01 00:00+02,2020-01-02)|empty", "daterange": "[2020-01-01,2020-01-05]|(2020-01-01,2020-01-02)|[2020-01-01,infinity]|[-infinity,infinity)|empty",
    "int4multirange": "{}|{empty}|{[1,2)}|{[1,2),[2,3)}|{[5,6),[1,2)}|{[1,9),[2,3)}|{(,1),[3,)}|{(,)}| { [1,2) , [4,5) } |{|[1,2)|{[1,2)|{[1,2),}|{[1,2)}x|{[1,2)[3,4)}|{[2,1)}",
    "nummultirange": "{[1.0,2.0),[2.00,3]}|{[1.0,2.0),(2.00,3]}|{}", "datemultirange": "{[2020-01-01,2020-01-05],[2020-01-06,2020-01-07]}",
    "int8multirange": "{[1,2],[4,5]}", "tsmultirange": "{[2020-01-01,2020-01-02)}", "tstzmultirange": "{}",
    "inet[]": "{1.1.1.1,::1}", "int4range[]": "{\"[1,2)\",empty}", "bpchar(3)[]": "{a,bcd}",
}


def make_packed():
    """What input and output functions do, through a column; then how good values order."""
    setup = "".join(f"create temp table p{i}(v {kind});\n" for i, kind in enumerate(PACKED))
    setup += r"""
create or replace function pg_temp.put(i int, t text) returns text language plpgsql as $$
declare result text;
begin
  execute 'delete from p' || i;
  execute 'insert into p' || i || ' values (' || quote_literal(t) || ')';
  execute 'select format(''%s'', v) from p' || i into result;
  return result;
end $$;
"""
    global HELPER
    plain, HELPER = HELPER, HELPER + setup
    rows = [((kind, t), f"pg_temp.put({i}, {literal(t)})")
            for i, (kind, texts) in enumerate(PACKED.items()) for t in texts.split("|")]
    answers = ask([sql for _, sql in rows])
    write("packed", "Type, text, and the text that is printed.", [(r, a) for (r, _), a in zip(rows, answers)])
    order = []
    for kind in PACKED:
        good = [t for (k, t), a in zip([r for r, _ in rows], answers) if k == kind and a.startswith(b"ok")]
        if kind.endswith("[]"):
            continue
        values = "unnest(array[" + ", ".join(f"{literal(t)}::{kind}" for t in good) + "])"
        ranks = ask([f"(select string_agg((select count(distinct b.v) from {values} b(v) where b.v < a.v)::text, "
                     f"' ' order by a.n) from {values} with ordinality a(v, n))"])
        order += [((kind, t), b"ok " + rank) for t, rank in zip(good, ranks[0].split()[1:])]
    write("packed_order", "Type, text, and how many of the type's texts here are less.", order)
    HELPER = plain


MAKERS = {"text": make_text, "packed": make_packed, "json": make_json, "numeric": make_numeric, "datetime": make_datetime, "tz": make_tz}

if __name__ == "__main__":
    ROOT.mkdir(exist_ok=True)
    for maker in sys.argv[3:] or MAKERS:
        MAKERS[maker]()
