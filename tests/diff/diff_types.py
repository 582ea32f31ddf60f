"""Types, and values of them worth trying."""

# "small" values neither overflow nor fail in sums and products of a few; "edge" ones may.
NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")
INTEGERS = ("int2", "int4", "int8")
TIMES = ("date", "time", "timestamp", "timestamptz", "interval")

SMALL = {
    "bool": ["true", "false"],
    "int2": ["0", "1", "-1", "2", "3", "5", "7", "-4", "10", "12"],
    "int4": ["0", "1", "-1", "2", "3", "4", "7", "-5", "10", "13", "42", "100"],
    "int8": ["0", "1", "-1", "2", "5", "8", "-9", "11", "40", "1000"],
    "numeric": ["0", "1", "-1", "0.5", "1.50", "-2.25", "3.14159", "10", "100.00", "7"],
    "float4": ["0", "1", "-1", "0.5", "1.25", "-2.75", "3", "10"],
    "float8": ["0", "1", "-1", "0.5", "1.25", "-2.75", "3", "16", "100.125"],
    "text": ["", "a", "b", "abc", "ABC", "aBc", "foo", "bar", "foo bar", "a_b", "a%b", "10", "x1y2",
             " pad ", "zz", "hello world", "äöü", "日本", "a long text that is no inline value"],
    "varchar": ["", "a", "b", "abc", "Foo", "bar baz", "10", "é", "some longer words in a row"],
    "bytea": ["\\x", "\\x00", "\\x01", "\\xdeadbeef", "\\x616263", "\\xff00ff00ff00ff00ff00ff00ff00"],
    "date": ["2024-02-29", "2023-12-31", "2024-01-01", "2000-01-01", "1999-03-04", "1970-01-01",
             "2024-07-15"],
    "time": ["00:00:00", "12:34:56", "23:59:59.999999", "06:30:00", "12:00:00.5"],
    "timestamp": ["2024-02-29 12:34:56", "2023-12-31 23:59:59.999999", "2000-01-01 00:00:00",
                  "1969-12-31 23:59:59", "2024-07-15 06:30:00.25"],
    "timestamptz": ["2024-02-29 12:34:56+00", "2023-12-31 23:59:59.999999+00",
                    "2000-01-01 00:00:00+02", "1969-12-31 23:59:59-08", "2024-07-15 06:30:00.25+00"],
    "interval": ["1 day", "2 hours", "1 mon", "-1 day", "1 year 2 mons 3 days 04:05:06.789",
                 "00:00:00", "30 minutes", "-3 mons 10 days"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
             "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "jsonb": ["{}", "[]", "null", "1", "true", '"a"', '{"a": 1}', '{"a": {"b": [1, 2, 3]}}',
              '[1, 2.5, "x", null]', '{"a": null, "b": "x", "c": [true]}', '[[1], [2, 3]]',
              '{"b": 2, "a": 1.50}', '{"a": "foo", "k": [{"x": 1}, {"x": 2}]}', "-0.10", '["a", "b"]'],
}

EDGE = {
    "int2": ["32767", "-32768", "256"],
    "int4": ["2147483647", "-2147483648", "65536", "-99999"],
    "int8": ["9223372036854775807", "-9223372036854775808", "4294967296", "1000000000000"],
    "numeric": ["NaN", "Infinity", "-Infinity", "99999999999999999999", "-0.00000001", "1e20",
                "123456789.123456789", "0.000", "1e-10", "12345678901234567890123456789.5"],
    "float4": ["NaN", "Infinity", "-Infinity", "3.4e38", "1e-40", "-0", "1e10", "0.1"],
    "float8": ["NaN", "Infinity", "-Infinity", "1e308", "-1e-300", "-0", "0.1", "1e15", "123456.789"],
    "text": ["\\", "'", "\"", "a\nb", "\t", "NULL", "%", "_", "1e5", "-7", "true", "2024-01-01", "{1,2}",
             "abcabcabcabcabcabcabc", "ﬀ", "İ", "\u00df", "𝄞 clef"],
    "date": ["infinity", "-infinity", "4713-01-01 BC", "5874897-12-31", "0001-01-01"],
    "time": ["24:00:00"],
    "timestamp": ["infinity", "-infinity", "294246-12-31 23:59:59", "0044-03-15 00:00:00 BC"],
    "timestamptz": ["infinity", "-infinity", "0044-03-15 00:00:00+00 BC"],
    "interval": ["178000000 years", "-178000000 years", "1 mon -1 day 00:00:01", "100000 hours"],
    "jsonb": ['{"a": {"b": {"c": {"d": 1}}}}', '"\\u00e9\\n"', "1e30", '{"": 0}', '[1, [2, [3, [4]]]]'],
}

ARRAYS = ("int4[]", "text[]", "numeric[]", "int8[]", "float8[]", "bool[]", "date[]")
SCALARS = tuple(SMALL)
TYPES = SCALARS + ARRAYS

# Equal values of these look equal too, so that DISTINCT, GROUP BY and LIMIT have one answer.
CLEAN = ("bool", "int2", "int4", "int8", "text", "varchar", "bytea", "date", "time", "timestamp",
         "timestamptz", "uuid", "int4[]", "text[]", "int8[]", "bool[]", "date[]")

# What stands for a type's value when a statement is made smaller.
PLAIN = {"bool": "true", "text": "'a'", "varchar": "'a'::varchar", "bytea": "'\\x61'::bytea",
         "date": "'2024-01-01'::date", "time": "'12:00'::time", "timestamp": "'2024-01-01'::timestamp",
         "timestamptz": "'2024-01-01'::timestamptz", "interval": "'1 day'::interval",
         "uuid": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "jsonb": "'{\"a\": 1}'::jsonb",
         "int2": "1::int2", "int4": "1", "int8": "1::int8", "numeric": "1.5", "float4": "1.5::float4",
         "float8": "1.5::float8"}

CATEGORY = {"bool": "B", "text": "S", "varchar": "S", "interval": "T", "bytea": "U", "uuid": "U",
            "jsonb": "U", **{t: "N" for t in NUMBERS},
            **{t: "D" for t in ("date", "time", "timestamp", "timestamptz")}}


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def element(type):
    return type[:-2]


def array_text(rng, type, values):
    """'{1,NULL,"a b"}'"""
    out = []
    for value in values:
        if value is None:
            out.append("NULL")
        else:
            out.append('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return "{" + ",".join(out) + "}"


def value_text(rng, type, edge):
    """The text of a value, not quoted."""
    if type.endswith("[]"):
        item = element(type)
        count = rng.choice((0, 1, 1, 2, 2, 3, 4))
        return array_text(rng, type, [None if rng.random() < 0.1 else value_text(rng, item, edge)
                                      for _ in range(count)])
    if edge and type in EDGE and rng.random() < 0.3:
        return rng.choice(EDGE[type])
    if type in INTEGERS and rng.random() < 0.2:
        return str(rng.randint(-20, 60))
    return rng.choice(SMALL[type])


def literal(rng, type, edge=False, typed=True):
    """A constant. Untyped: its type is left to where it stands."""
    if rng.random() < 0.06:
        return f"NULL::{type}" if typed else "NULL"
    text = value_text(rng, type, edge)
    if type == "bool" and rng.random() < 0.8:
        return text
    if type in ("int4", "numeric") and text.lstrip("-")[:1].isdigit() and rng.random() < 0.8:
        small = type == "int4" and abs(int(text)) < 2147483648
        if small or (type == "numeric" and "." in text and "e" not in text):
            return f"({text})" if text[0] == "-" else text
    if not typed:
        return quote(text)
    way = rng.random()
    if way < 0.7:
        return f"{quote(text)}::{type}"
    if way < 0.85:
        return f"CAST({quote(text)} AS {type})"
    return f"{type} {quote(text)}" if not type.endswith("[]") else f"{quote(text)}::{type}"
