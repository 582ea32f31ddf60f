"""Which functions and operators there are, asked of PostgreSQL; which of them fail, and which are ours.

A signature that raised no error for any combination of ordinary values is "safe": it may stand where
the order of evaluation is free.
"""
from diff_types import ARRAYS, CATEGORY, EDGE, SCALARS, SMALL, element, quote

# Names whose answers depend on the machine, the moment or chance, or that cost without bound.
LEFT_OUT = {
    "now", "random", "setseed", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday",
    "gen_random_uuid", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "version", "repeat", "lpad", "rpad",
    "factorial", "pg_stat_get_backend_pid", "query_to_xml", "lo_from_bytea", "lo_get", "lo_put",
    "current_setting", "set_config", "pg_ls_dir", "pg_read_file", "pg_read_binary_file", "pg_stat_file",
    "nextval", "setval", "lastval", "currval", "txid_current", "inet_client_port", "lo_unlink", "loread",
    "pg_notify", "timestamptz", "like_escape",
}
LEFT_OUT_PREFIXES = ("pg_", "lo_", "has_", "to_ts", "ts_", "inet", "txid", "binary_upgrade", "xml",
                     "current_", "row_security", "gin", "brin", "spg", "gist", "hash", "bt", "in_range",
                     "plainto", "phraseto", "websearch", "get_current", "array_typ", "float8_accum",
                     "int2_", "int4_", "int8_", "numeric_", "float8_", "float4_", "interval_", "bool_",
                     "timestamp_", "timestamptz_", "time_", "date_larger", "date_smaller", "date_cmp", "date_eq", "date_ne", "date_l", "date_g", "date_m", "date_pl", "bool", "array_send", "datesend", "textanycat", "textlen", "textne", "textsend", "date_send",
                     "boolor", "string_agg", "jsonb_agg", "jsonb_object_agg", "json", "text_", "bytea",
                     "uuid_", "array_agg", "cash", "money", "enum_", "range", "dsimple", "ts",
                     "var", "bpchar", "name", "oid", "unique_key", "generate_", "network", "regexp_split_to_t",
                     "domain_", "any", "cstring", "trigger", "void", "record", "index_", "tid", "xid", "cid",
                     "col_", "obj_", "shobj_", "format_type", "to_reg", "makeaclitem", "aclitem", "acl",
                     "mxid", "fmgr", "language", "unknown", "internal", "opaque", "shell", "RI_", "suppress",
                     "similar_", "nlike", "nreg", "textreg", "texticreg", "textlike", "textnlike", "texticl",
                     "texticn", "dlog", "dexp", "dpow", "dsqrt", "dround", "dtrunc", "array_larger",
                     "array_smaller", "int24", "int28", "int42", "int48", "int82", "int84", "int2", "int4",
                     "int8", "float48", "float84", "float8", "float4", "texteq", "flt", "interval_in",
                     "ordered_", "hypothetical", "mode_", "window_", "numeric", "_", "dcbrt", "daterange", "numrange", "mul_d_interval", "integer_pl", "datetime_pl", "timedate_pl", "like", "notlike")

# Arguments that are templates, patterns, units: what to choose from, by (name, argument number).
UNITS = ["year", "month", "day", "hour", "minute", "second", "quarter", "week", "decade", "century",
         "millennium", "milliseconds", "microseconds"]
FIELDS = UNITS + ["dow", "doy", "epoch", "isodow", "isoyear", "julian"]
PATTERNS = ["a", "b+", "[a-c]+", "^a", "o$", "(a)(b)?", "\\d+", "\\w", ".", "x|y", "a.c", "[[:alpha:]]{2}", "o{2}",
            "(fo)+", "\\s", "(?i)ABC", "[^a]", "a*?b"]
LIKES = ["a%", "%b", "%o%", "_b%", "a\\_b", "%", "", "abc", "A%", "%\\%%", "_", "f__", "%a%b%"]
PATHS = ["$", "$.a", "$.a.b", "$[*]", "$[0]", "$.*", "$.a ? (@ > 0)", "$[*] ? (@ > 1)", "strict $.a", "$.k[*].x",
         "$.a.b[1 to 2]", "$.size()", "$.a.type()", "$[last]", "$.** ? (@ == 1)", "$.a == 1", "exists($.a)"]
NUMBER_TEMPLATES = ["999", "9990.99", "FM999.00", "S999", "0000", "9,999.9", "MI99.9", "99PR", "9.99EEEE", "RN", "FMRN",
                    "L99", "999V9", "FM9999999990.099"]
TIME_TEMPLATES = ["YYYY-MM-DD", "HH24:MI:SS", "Day DD Mon YYYY", "FMDay, FMDD FMMonth", "IYYY-IW-ID", "HH12:MI AM",
                  "DDD", "Q", "J", "CC", "SSSSS", "MS US", "YYYY\"x\"MM", "TMMonth", "y,yyy", "D", "WW", "DDth"]
CHOICES = {
    ("date_trunc", 0): UNITS, ("date_part", 0): FIELDS, ("extract", 0): FIELDS,
    ("to_char", 1): None, ("to_number", 1): NUMBER_TEMPLATES, ("to_date", 1): ["YYYY-MM-DD", "DD Mon YYYY"],
    ("to_timestamp", 1): ["YYYY-MM-DD HH24:MI:SS"],
    ("to_number", 0): ["12", "-1.5", "007"], ("to_date", 0): ["2024-02-03", "03 Feb 2024"],
    ("encode", 1): ["hex", "base64", "escape"], ("decode", 1): ["hex", "escape"],
    ("decode", 0): ["616263", "00ff", ""], ("convert_from", 1): ["UTF8"], ("convert_to", 1): ["UTF8", "LATIN1"],
    ("date_trunc", 2): ["UTC"], ("timezone", 0): ["UTC", "+02", "-05:30"], ("regexp_replace", 3): ["g", "i", "gi", ""],
    ("regexp_matches", 2): ["g", "i"], ("regexp_match", 2): ["i", ""],
    ("normalize", 1): ["NFC", "NFD"], ("is_normalized", 1): ["NFC"], ("format", 0): ["%s", "x%%", "%1$s-%1$s", "[%5s]"],
    ("chr", 0): ["65", "97", "228", "8364"], ("to_hex", 0): None,
    ("parse_ident", 0): ["a", "a.b", '"A".b'],
}
for _name in ("regexp_replace", "regexp_match", "regexp_like", "regexp_count", "regexp_instr", "regexp_substr",
              "regexp_split_to_array"):
    CHOICES[(_name, 1)] = PATTERNS
for _name in ("~", "~*", "!~", "!~*"):
    CHOICES[(_name, 1)] = PATTERNS
for _name in ("~~", "~~*", "!~~", "!~~*"):
    CHOICES[(_name, 1)] = LIKES
for _name in ("jsonb_path_query_array", "jsonb_path_query_first", "jsonb_path_exists", "jsonb_path_match",
              "jsonb_path_query_array_tz", "@?", "@@"):
    CHOICES[(_name, 1)] = PATHS
for _name in ("regexp_instr", "regexp_count", "regexp_substr"):
    CHOICES[(_name, 2)] = ["1", "2"]
    CHOICES[(_name, 3)] = ["1", "2"] if _name != "regexp_count" else ["i", ""]

SQL = """
SELECT p.proname, p.oid::regprocedure::text, p.prorettype::regtype::text,
       (SELECT coalesce(array_agg(a::regtype::text ORDER BY o), '{}') FROM unnest(p.proargtypes::oid[])
        WITH ORDINALITY u(a, o)), ''
FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
     AND p.provolatile <> 'v' AND p.provariadic = 0
UNION ALL
SELECT o.oprname, o.oid::text, o.oprresult::regtype::text,
       array_remove(ARRAY[CASE WHEN o.oprleft <> 0 THEN o.oprleft::regtype::text END, o.oprright::regtype::text], NULL),
       'o' FROM pg_operator o WHERE o.oprresult <> 0
ORDER BY 1, 2"""

NAMES = {"boolean": "bool", "smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4",
         "double precision": "float8", "character varying": "varchar", "time without time zone": "time",
         "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
         "jsonpath": "jsonpath"}
POLYMORPH = {"anyelement", "anyarray", "anynonarray", "anycompatible", "anycompatiblearray",
             "anycompatiblenonarray"}


class Signature:
    __slots__ = ("name", "is_operator", "args", "result", "safe")

    def __init__(self, name, is_operator, args, result):
        self.name, self.is_operator, self.args, self.result = name, is_operator, args, result
        self.safe = False

    def call(self, args):
        """Text parts of a call."""
        if not self.is_operator:
            out = [self.name, "("]
            for number, arg in enumerate(args):
                out += [", ", arg] if number else [arg]
            return out + [")"]
        if len(args) == 1:
            return ["(", self.name, " ", args[0], ")"]
        return ["(", args[0], f" {self.name} ", args[1], ")"]

    def __str__(self):
        return f"{self.name}({','.join(self.args)})"


def settle(text, scalar):
    """The type that an open type means when its element is `scalar`."""
    base = NAMES.get(text.removesuffix("[]"), text.removesuffix("[]"))
    if base in POLYMORPH:
        return scalar + ("[]" if base.endswith("array") and "non" not in base else "")
    return base + ("[]" if text.endswith("[]") else "")


def read(postgres):
    known = set(SCALARS) | set(ARRAYS) | {"jsonpath"}
    out = []
    for name, _, result, args, is_operator in postgres.ask(SQL).values():
        args = [a.strip('"') for a in args.strip("{}").split(",") if a]
        if not is_operator and (name in LEFT_OUT or name.startswith(LEFT_OUT_PREFIXES)):
            continue
        if name in ("=", "<>", "<", "*<", "*=") and "record" in args:
            continue
        opens = any(a.removesuffix("[]") in POLYMORPH for a in args)
        for scalar in ("int4", "text", "numeric", "date", "float8", "bool", "int8") if opens else ("int4",):
            types = [settle(a, scalar) for a in args]
            given = settle(result, scalar)
            if given in known - {"jsonpath"} and all(t in known for t in types):
                out.append(Signature(name, bool(is_operator), types, given))
    return out


def choices(signature, number):
    """Texts to choose an argument from; None: any value of its type."""
    if signature.name == "to_char" and number == 1:
        return TIME_TEMPLATES if CATEGORY.get(signature.args[0]) in "DT" else NUMBER_TEMPLATES
    if signature.args[number] == "jsonpath":
        return PATHS
    return CHOICES.get((signature.name, number))


def pool(signature, number):
    """Values to try an argument with."""
    type, fixed = signature.args[number], choices(signature, number)
    if fixed is not None:
        texts = fixed
    elif type.endswith("[]"):
        texts = ["{}", "{NULL}"] + ["{" + ",".join(SMALL[element(type)][:3]) + "}"
                                    if element(type) != "text" else '{a,b,""}']
    else:
        texts = SMALL[type] + EDGE.get(type, [])
    return ", ".join(f"({quote(t)}::{type})" for t in texts)


def trial(signature):
    """A query that calls it with every combination of values."""
    names = [f"v{n}" for n in range(len(signature.args))]
    tables = [f"(VALUES {pool(signature, n)}) t{n}(v{n})" for n in range(len(names))]
    call = "".join(signature.call(names))
    return f"SELECT count({call}) FROM {', '.join(tables)}" if names else f"SELECT {call}"


def probe(signature):
    return "SELECT " + "".join(signature.call([f"NULL::{t}" for t in signature.args]))


def ask_many(side, statements):
    answers = []
    for start in range(0, len(statements), 50):
        part = statements[start:start + 50]
        for sql in part:
            side.post(sql)
        answers += [side.receive() for _ in part]
    return answers


def learn(postgres, ours):
    """The signatures that both have, and the number of those that only PostgreSQL has."""
    everything = read(postgres)
    postgres.ask("SET statement_timeout = '2s'")
    theirs = ask_many(postgres, [probe(s) for s in everything])
    everything = [s for s, a in zip(everything, theirs) if a.error is None]
    mine = ask_many(ours, [probe(s) for s in everything])
    both = [s for s, a in zip(everything, mine) if a.state not in ("42883", "0A000", "42704", "42725")]
    for signature, answer in zip(both, ask_many(postgres, [trial(s) for s in both])):
        signature.safe = answer.error is None
    postgres.ask("SET statement_timeout = '4s'")
    lacking = [s for s, a in zip(everything, mine) if a.state in ("42883", "0A000", "42704", "42725")]
    return both, lacking
